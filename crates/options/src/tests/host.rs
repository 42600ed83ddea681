//! `cpu=host`: the caches of the computer, as Linux tells them.

use super::*;

/// A CPU with caches of these levels, types, sizes, lines and ways.
fn parse_on_computer(caches: &[[&str; 5]], args: &[&str]) -> Result<Request, OptionError> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let read = |path: &str| {
        let path = path.strip_prefix("/sys/devices/system/cpu/cpu0/cache/index").unwrap();
        let (index, name) = path.split_once('/').unwrap();
        let files = ["level", "type", "size", "coherency_line_size", "ways_of_associativity"];
        let cache = caches.get(index.parse::<usize>().unwrap());
        let file = files.iter().position(|file| *file == name).unwrap();
        cache.map(|cache| format!("{}\n", cache[file])).ok_or_else(|| "no such file".to_owned())
    };
    parse(&args, &USER, &read)
}

fn on_computer(caches: &[[&str; 5]], args: &[&str]) -> Options {
    match parse_on_computer(caches, args) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

const SERVER: [[&str; 5]; 4] = [
    ["1", "Data", "48K", "64", "12"],
    ["1", "Instruction", "32K", "64", "8"],
    ["2", "Unified", "1280K", "64", "20"],
    ["3", "Unified", "55296K", "64", "12"],
];

#[test]
fn the_caches_of_this_computer_are_a_preset() {
    let typed = [
        "dcachesize=48K",
        "dassoc=12",
        "icachesize=32K",
        "l2cachesize=1280K",
        "l2assoc=20",
        "l3cachesize=55296K",
        "l3assoc=12",
    ];
    let expected = Options { preset: Some("host"), ..options(&typed) };
    assert_eq!(on_computer(&SERVER, &["cpu=host"]), expected);
    let other = on_computer(&SERVER, &["cpu=host", "l3=off", "l2evict=drrip"]);
    let l2 = other.config.lower().unwrap();
    assert_eq!((l2.l3, l2.l2.policy), (None, PolicyKind::Drrip));
}

#[test]
fn one_cache_for_both_is_the_size_of_each_and_what_is_beyond_an_l3_is_left_out() {
    let caches = [["1", "Unified", "8K", "32", "4"], ["4", "Unified", "64M", "64", "16"]];
    let config = on_computer(&caches, &["cpu=host"]).config;
    assert_eq!(config.icache().geometry, geometry(8192, 32, 4));
    assert_eq!((config.dcache().geometry, config.lower()), (geometry(8192, 32, 4), None));
}

#[test]
fn a_computer_that_does_not_tell_its_caches_is_refused_with_what_to_write() {
    let message =
        |caches: &[[&str; 5]]| parse_on_computer(caches, &["cpu=host"]).unwrap_err().to_string();
    assert_eq!(
        message(&[]),
        "cpu=host: this computer does not tell its caches (/sys/devices/system/cpu/cpu0/cache/index0/level: \
         no such file); name a core, such as cpu=zen3 (cpu=list lists all)"
    );
    let without_ways = message(&[["1", "Data", "32K", "64", "0"]]);
    assert!(without_ways.contains("index0/ways_of_associativity: nothing in it"), "{without_ways}");
    let strange = message(&[["1", "Data", "big", "64", "8"]]);
    assert!(strange.starts_with("dcachesize=big (cpu=host): not a number"), "{strange}");
}

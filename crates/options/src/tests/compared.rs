//! Tests of `compare`.

use super::files::parse_beside;
use super::*;

fn compared(args: &[&str]) -> Vec<Machine> {
    options(args).compared
}

fn names(machines: &[Machine]) -> Vec<&str> {
    machines.iter().map(|machine| machine.name.as_str()).collect()
}

fn error_beside(file: &str, args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    parse_beside(file, &args, USER).unwrap_err().to_string()
}

#[test]
fn a_compared_preset_is_the_machine_that_it_is_alone() {
    for preset in PRESETS {
        let name = preset.name;
        let common = ["seed=7", "rw=on", "cores=3"];
        let alone = options(&[&[&*format!("cpu={name}")], &common[..]].concat());
        let beside = options(&[&[&*format!("compare={name}")], &common[..]].concat());
        let [machine] = &beside.compared[..] else { panic!("{name}") };
        assert_eq!(beside.of_machine(machine), alone, "{name}");
    }
}

#[test]
fn a_run_may_compare_many_machines() {
    let machines = compared(&["compare=zen3", "cpu=rpi4", "compare=zen2"]);
    assert_eq!(names(&machines), ["zen3", "zen2"]);
    assert_eq!(compared(&["compare=all"]).len(), PRESETS.len());
    let others = compared(&["compare=all", "cpu=rpi4"]);
    assert_eq!(others.len(), PRESETS.len() - 1);
    assert!(!names(&others).contains(&"rpi4"));
    let changed = compared(&["compare=all", "cpu=rpi4", "dcachesize=64K"]);
    assert!(names(&changed).contains(&"rpi4"), "it is not the run's own");
    assert_eq!(compared(&["compare=zen3", "compare=all"]).len(), PRESETS.len());
}

#[test]
fn a_machine_is_called_as_no_other_is() {
    assert_eq!(options(&["cpu=zen3", "compare=zen2"]).name(), "zen3");
    assert_eq!(options(&["compare=zen2"]).name(), "own");
    assert_eq!(options(&["cpu=zen3", "dcachesize=64K", "compare=zen3"]).name(), "own");
    assert_eq!(options(&["cpu=zen3", "seed=9", "cores=2", "rw=on", "compare=zen2"]).name(), "zen3");
    for changed in ["dcachesize=64K", "memlat=400", "evict=fifo", "l3=off"] {
        assert_eq!(options(&["cpu=zen3", changed, "compare=zen2"]).name(), "own", "{changed}");
    }
}

#[test]
fn a_file_is_a_machine_to_compare() {
    let text = "cpu = \"zen3\"\ndcachesize = \"64K\"\nmemlat = 300\n";
    let args = ["compare=./a.toml", "evict=fifo"].map(str::to_owned);
    let read = |path: &str| if path == "./a.toml" { Ok(text.to_owned()) } else { no_file(path) };
    let Ok(Request::Run(options)) = parse(&args, &USER, &read) else { panic!() };
    let [machine] = &options.compared[..] else { panic!() };
    let alone = super::options(&["cpu=zen3", "dcachesize=64K", "memlat=300", "summary=off"]);
    assert_eq!(machine.name, "a");
    assert_eq!((machine.config, machine.latencies), (alone.config, alone.latencies));
}

/// The others have all machines in them.
#[test]
fn formats_of_one_machine_have_a_file_for_each() {
    let options = options(&["csv=d/a.csv", "compare=zen3", "json=a.json", "cachegrind=/dev/null"]);
    let files: Vec<_> = options
        .all_files()
        .map(|(file, path)| (file.format, file.machine, path.to_string()))
        .collect();
    let expected = [
        (Format::Json, 0, "a.json"),
        (Format::Csv, 0, "d/a.csv"),
        (Format::Cachegrind, 0, "/dev/null"),
        (Format::Csv, 1, "d/a.zen3.csv"),
        (Format::Cachegrind, 1, "/dev/null"),
    ];
    assert_eq!(files, expected.map(|(format, machine, path)| (format, machine, path.to_owned())));
}

#[test]
fn machines_have_no_file_in_common() {
    let args = ["compare=b.toml", "compare=a.b.toml", "csv=x.csv", "callgrind=x.a.csv"];
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let error = parse(&args, &USER, &|_| Ok(String::new())).unwrap_err().to_string();
    assert!(error.contains("the file of a compared machine is x.a.b.csv"), "{error}");
    // Also where it is in memory.
    let in_memory = options(&["csv=/dev/shm/a.csv", "compare=zen3"]);
    assert_eq!(in_memory.compared[0].files[0].1.to_string(), "/dev/shm/a.zen3.csv");
}

#[test]
fn a_machine_has_a_name() {
    let args = ["compare=d/.toml".to_owned()];
    let Ok(Request::Run(options)) = parse(&args, &USER, &|_| Ok(String::new())) else { panic!() };
    assert_eq!(options.compared[0].name, ".toml");
}

#[test]
fn a_file_of_options_may_name_several_machines() {
    let args = ["config=a.toml".to_owned()];
    let text = "compare = [\"zen3\", \"zen2\"]";
    let Ok(Request::Run(options)) = parse_beside(text, &args, USER) else { panic!() };
    assert_eq!(names(&options.compared), ["zen3", "zen2"]);
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() {
    for (args, message) in [
        (&["compare=zen33"][..], "compare=zen33: no preset of this name; did you mean zen3"),
        (&["compare=zen3,rpi4"], "compare=zen3,rpi4: one machine each; give compare several times"),
        (&["compare"], "compare: needs a value; write compare=NAME|host|all|FILE"),
        (&["compare=zen3", "compare=zen3"], "compare=zen3: a machine called zen3 is compared"),
        (
            &["compare=zen3", "csv=a", "html=a.zen3"],
            "csv=a: the file of a compared machine is a.zen3, which is another file too",
        ),
        (&["compare=zen3", "csv=-"], "csv=-: is a file for each machine"),
        (&["compare=zen3", "csv=/dev/stdout"], "csv=/dev/stdout: is a file for each machine"),
        (
            &["compare=zen3", "csv=a.csv", "out=a.zen3.csv"],
            "csv=a.csv: the file of a compared machine is a.zen3.csv, which is another file too",
        ),
        (&["compare=b.toml"], "compare=b.toml: no such file"),
        (
            &["straddle=split", "compare=cortex-m7"],
            "compare=cortex-m7: straddle=split needs data caches with lines of 64 bytes",
        ),
    ] {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let error = parse(&args, &USER, &no_file_of_any).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    for (text, message) in [
        ("limit = 3", "limit=3 (a.toml, line 1): holds for all machines of a run"),
        ("dassoc = 7", "dcachesize=16384 (default): "),
        ("cores = 2", "cores=2 (a.toml, line 1): holds for all machines of a run"),
        ("compare = \"zen3\"", "compare=zen3 (a.toml, line 1): holds for all machines of a run"),
        ("cpu = \"zen33\"", "cpu=zen33 (a.toml, line 1): unknown; did you mean zen3"),
    ] {
        let error = error_beside(text, &["compare=a.toml"]);
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn machines_that_take_too_much_memory_together_are_refused() {
    let args = ["compare=all", "cores=4096"].map(str::to_owned);
    let error = parse(&args, &USER, &no_file_of_any).unwrap_err().to_string();
    assert!(error.contains("the caches of all machines take too much memory"), "{error}");
}

fn no_file_of_any(path: &str) -> Result<String, String> {
    no_file(path)
}

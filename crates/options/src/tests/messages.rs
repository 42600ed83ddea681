//! What is said of options that are not accepted.

use super::*;

const BAD_INPUTS: &[&[&str]] = &[
    // Names.
    &["dcachsize=16K"],
    &["DCACHESIZE=16K"],
    &[" limit=3"],
    &["cachesize"],
    &["l2size=1M"],
    &["l1dsize=32K"],
    &["D1=32768"],
    &["i1-ways=4"],
    &["llc_policy=lru"],
    &["threads=4"],
    &["eviction=lru"],
    &["bogus=1"],
    &["l4=on"],
    &["=5"],
    &[""],
    // No value, and values where none belong.
    &["dcachesize="],
    &["dcachesize"],
    &["dcachesize=on"],
    &["evict=on"],
    &["out="],
    &["out=on"],
    &["out=off"],
    &["html=off"],
    &["help=off"],
    // Zero.
    &["dcachesize=0"],
    &["iblksize=0"],
    &["dassoc=0"],
    &["cores=0"],
    // Negative.
    &["icachesize=-16384"],
    &["dassoc=-8"],
    &["cores=-2"],
    &["limit=-1"],
    &["seed=-1"],
    // Not a number, or not only.
    &["dcachesize=big"],
    &["iassoc=eight"],
    &["limit=+5"],
    &["limit= 5"],
    &["dcachesize=0x4000"],
    &["dcachesize=1.5K"],
    &["iassoc=2.0"],
    &["dcachesize=16KB"],
    &["dcachesize=1gb"],
    &["dcachesize=16T"],
    &["dcachesize=16 K"],
    &["limit=1K"],
    &["cores=2x"],
    &["seed=0x"],
    &["seed=0xfg"],
    &["seed=0x-1"],
    &["seed=1e3"],
    // Too large.
    &["dcachesize=18446744073709551616"],
    &["dcachesize=17179869184G"],
    &["dcachesize=1024G"],
    &["dblksize=2M"],
    &["dblksize=99999999999999999999"],
    &["dassoc=4294967296"],
    &["dassoc=268435457"],
    &["cores=4097"],
    &["cores=4294967297"],
    &["limit=18446744073709551616"],
    &["seed=18446744073709551616"],
    &["seed=0x10000000000000000"],
    // Policies and files.
    &["evict=random"],
    &["evict=LRU"],
    &["evict=nmru"],
    &["evict=belady"],
    &["evict=plru"],
    &["evict=brip"],
    &["evict=rrip"],
    &["out=report-%d"],
    &["out=100%"],
    // What is told of instructions.
    &["by=functions"],
    &["by=address"],
    &["attribution=inner"],
    &["profile=yes"],
    &["json="],
    &["html=on"],
    &["csv=%s"],
    &["elf=vmlinux@0xfoo"],
    &["elf=@0x1000"],
    &["progress=0"],
    &["progress=0.5"],
    &["progress=1m"],
    // Levels.
    &["l2=yes"],
    &["l2cachesize"],
    &["l2cachesize=1000000"],
    &["l2blksize=96"],
    &["l2assoc=0"],
    &["l2split=on"],
    &["l2split=on", "l3=off"],
    &["l2evict=lru"],
    &["l2lat=10"],
    &["l2=on", "l3lat=50"],
    &["l3=on"],
    &["l3assoc=4"],
    &["l2=off", "l3cachesize=4M"],
    &["l2=on", "l3cachesize=100"],
    &["l2=on", "l3evict=fifo"],
    &["l2=on", "l3evict=fast"],
    &["inclusion=exclusive"],
    &["inclusion=inclusiv", "l2=on"],
    &["inclusion=victim", "l2=on"],
    &["inclusion=inclusive", "l2blksize=32"],
    &["inclusion=inclusive", "iblksize=128", "l2=on"],
    &["inclusion=inclusive", "l2blksize=128", "l3=on"],
    &["inclusion=exclusive", "l2blksize=128"],
    &["inclusion=exclusive", "iblksize=32", "l2=on"],
    &["inclusion=exclusive", "l2=on", "l3blksize=32"],
    &["l2inclusion=exclusive"],
    &["l2=on", "l3inclusion=nine"],
    &["l3inclusion=victim", "l3=on"],
    &["l2inclusion=inclusive", "l2blksize=32"],
    &["l3inclusion=inclusive", "dblksize=128", "l2=on", "l3=on"],
    &["l3inclusion=exclusive", "l2blksize=128", "l3=on"],
    // Writes and summary.
    &["rw=yes"],
    &["dwrite"],
    &["dwrite=on"],
    &["dwrite=bakc"],
    &["dalloc=back"],
    &["straddle=both"],
    &["summary=1"],
    &["l1lat=4.5"],
    &["memlat=-1"],
    &["memlat=4294967296"],
    &["l1lat=20", "l2=on"],
    &["l2=on", "l3=on", "l3lat=300"],
    // Presets and files.
    &["cpu="],
    &["cpu=a72"],
    &["cpu=host"],
    &["cpu=zen"],
    &["cpu=zen9"],
    &["cpu=Cortex_A53"],
    &["cpu=mips"],
    &["cpu=zen3", "dassoc=3"],
    &["config"],
    &["config=none.toml"],
    // Together.
    &["json=a", "csv=a"],
    &["out=a", "html=a"],
    &["dcachesize=16000"],
    &["icachesize=100"],
    &["dassoc=3", "seed=2"],
    &["iblksize=128", "icachesize=16448"],
    &["iblksize=48"],
    &["dcachesize=512M", "dblksize=1"],
    &["cores=4096", "dcachesize=16M"],
    &["cores=4096", "l2cachesize=64M", "l3=on"],
    &["cores=4096", "l2cachesize=8M", "l2split"],
    &["l2cachesize=16G", "l3cachesize=16G", "cores=2"],
    &["l2cachesize=16G", "l3cachesize=16G", "l2split"],
    // Only the first fault is told.
    &["limit=x", "cores=y"],
    &["dcachesize=16000", "cores=y"],
];

#[test]
#[expect(clippy::too_many_lines, reason = "they are one text")]
fn every_bad_input_has_its_message() {
    let mut said = String::new();
    for args in BAD_INPUTS {
        // So that a new policy changes none of these.
        writeln!(said, "{}", message(args).replace(&policies(), "POLICIES")).unwrap();
    }
    insta::assert_snapshot!(said, @r#"
    dcachsize=16K: unknown option; did you mean dcachesize? the option help lists all
    DCACHESIZE=16K: unknown option; did you mean dcachesize? the option help lists all
     limit=3: unknown option; did you mean limit? the option help lists all
    cachesize: unknown option; did you mean icachesize? the option help lists all
    l2size=1M: unknown option; did you mean l2cachesize? the option help lists all
    l1dsize=32K: unknown option; did you mean dcachesize? the option help lists all
    D1=32768: unknown option; did you mean dcachesize? the option help lists all
    i1-ways=4: unknown option; did you mean iassoc? the option help lists all
    llc_policy=lru: unknown option; did you mean l3evict? the option help lists all
    threads=4: unknown option; did you mean cores? the option help lists all
    eviction=lru: unknown option; did you mean evict? the option help lists all
    bogus=1: unknown option; the option help lists all
    l4=on: unknown option; the option help lists all
    =5: an option without a name; write name=value (the option help lists all)
    "": an option without a name; write name=value (the option help lists all)
    dcachesize=: needs a value; write dcachesize=BYTES
    dcachesize: needs a value; write dcachesize=BYTES
    dcachesize=on: needs a value; write dcachesize=BYTES
    evict=on: needs a value; write evict=POLICY
    out=: needs a value; write out=auto|log|stderr|FILE
    out=on: needs a value; write out=auto|log|stderr|FILE
    out=off: not a destination; write ./off for a file of that name
    html=off: not a file; leave html out, or write ./off for a file of that name
    help=off: takes no value; write help
    dcachesize=0: must be at least 1
    iblksize=0: must be at least 1
    dassoc=0: must be at least 1
    cores=0: must be at least 1
    icachesize=-16384: a negative number; write a whole number of bytes, or of K, M or G, such as 32K
    dassoc=-8: a negative number; write a whole number
    cores=-2: a negative number; write a whole number
    limit=-1: a negative number; write a whole number
    seed=-1: a negative number; write a whole number, decimal or hexadecimal, such as 0x2a
    dcachesize=big: not a number; write a whole number of bytes, or of K, M or G, such as 32K
    iassoc=eight: not a number; write a whole number
    limit=+5: not a number; write a whole number
    limit= 5: not a number; write a whole number
    dcachesize=0x4000: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    dcachesize=1.5K: not a whole number; write a whole number of bytes, or of K, M or G, such as 32K
    iassoc=2.0: not a whole number; write a whole number
    dcachesize=16KB: KB may mean two things; write K or KiB for powers of 1024
    dcachesize=1gb: GB may mean two things; write G or GiB for powers of 1024
    dcachesize=16T: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    dcachesize=16 K: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    limit=1K: text after the number; write a whole number
    cores=2x: text after the number; write a whole number
    seed=0x: not a number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=0xfg: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=0x-1: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=1e3: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    dcachesize=18446744073709551616: too large; the most is 281474976710656
    dcachesize=17179869184G: too large; the most is 281474976710656
    dcachesize=1024G: has 17179869184 lines at dblksize=64, the most is 268435456; try 17179869184 or longer lines
    dblksize=2M: too large; the most is 1048576
    dblksize=99999999999999999999: too large; the most is 1048576
    dassoc=4294967296: too large; the most is 268435456
    dassoc=268435457: too large; the most is 268435456
    cores=4097: too large; the most is 4096
    cores=4294967297: too large; the most is 4096
    limit=18446744073709551616: too large; the most is 18446744073709551615
    seed=18446744073709551616: too large; the most is 18446744073709551615
    seed=0x10000000000000000: too large; the most is 18446744073709551615
    evict=random: unknown policy; did you mean rand? the policies are POLICIES
    evict=LRU: unknown policy; did you mean lru? the policies are POLICIES
    evict=nmru: unknown policy; did you mean nru? the policies are POLICIES
    evict=belady: unknown policy; the policies are POLICIES
    evict=plru: unknown policy; did you mean tree-plru or bit-plru? the policies are POLICIES
    evict=brip: unknown policy; did you mean brrip? the policies are POLICIES
    evict=rrip: unknown policy; did you mean srrip, brrip or drrip? the policies are POLICIES
    out=report-%d: % in a file name must be %p (the process id) or %% (a percent sign)
    out=100%: % in a file name must be %p (the process id) or %% (a percent sign)
    by=functions: unknown; did you mean function? lists are by instruction, function or line
    by=address: unknown; lists are by instruction, function or line
    attribution=inner: unknown; did you mean innermost? write own, innermost or outermost
    profile=yes: neither on nor off; write profile=on or profile=off
    json=: needs a value; write json=FILE
    html=on: needs a value; write html=FILE
    csv=%s: % in a file name must be %p (the process id) or %% (a percent sign)
    elf=vmlinux@0xfoo: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    elf=@0x1000: names no file; write elf=FILE or elf=FILE@BIAS
    progress=0: must be at least 1
    progress=0.5: not a whole number; write a whole number
    progress=1m: text after the number; write a whole number
    l2=yes: neither on nor off; write l2=on or l2=off
    l2cachesize: needs a value; write l2cachesize=BYTES
    l2cachesize=1000000: not a multiple of l2blksize × l2assoc (64 × 16 = 1024); try 999424 or 1000448
    l2blksize=96: not a power of two; try 64 or 128
    l2assoc=0: must be at least 1
    l2split=on: there is no L2; add l2=on
    l2split=on: there is no L2; add l2=on
    l2evict=lru: there is no L2; add l2=on
    l2lat=10: there is no L2; add l2=on
    l3lat=50: there is no L3; add l3=on
    l3=on: an L3 needs an L2; write l2=on or l3=off
    l3assoc=4: an L3 needs an L2; write l2=on or l3=off
    l3cachesize=4M: an L3 needs an L2; write l2=on or l3=off
    l3cachesize=100: not a multiple of l3blksize × l3assoc (64 × 16 = 1024); try 1024
    l3evict=fifo: there is no L3; add l3=on
    l3evict=fast: unknown policy; the policies are POLICIES
    inclusion=exclusive: there is no L2; add l2=on
    inclusion=inclusiv: unknown; did you mean inclusive? write nine, inclusive or exclusive
    inclusion=victim: unknown; write nine, inclusive or exclusive
    l2blksize=32: shorter than iblksize (64); with inclusion=inclusive a line holds those of the levels above; write l2blksize=64 or inclusion=nine
    l2blksize=64 (default): shorter than iblksize (128); with inclusion=inclusive a line holds those of the levels above; write l2blksize=128 or inclusion=nine
    l3blksize=64 (default): shorter than l2blksize (128); with inclusion=inclusive a line holds those of the levels above; write l3blksize=128 or inclusion=nine
    l2blksize=128: not iblksize (64); with inclusion=exclusive lines move between the caches; write l2blksize=64 or inclusion=nine
    iblksize=32: not dblksize (64); with inclusion=exclusive lines move between the caches; write iblksize=64 or inclusion=nine
    l3blksize=32: not l2blksize (64); with inclusion=exclusive lines move between the caches; write l3blksize=64 or inclusion=nine
    l2inclusion=exclusive: there is no L2; add l2=on
    l3inclusion=nine: there is no L3; add l3=on
    l3inclusion=victim: unknown; write nine, inclusive or exclusive
    l2blksize=32: shorter than iblksize (64); with l2inclusion=inclusive a line holds those of the levels above; write l2blksize=64 or l2inclusion=nine
    l3blksize=64 (default): shorter than dblksize (128); with l3inclusion=inclusive a line holds those of the levels above; write l3blksize=128 or l3inclusion=nine
    l3blksize=64 (default): not l2blksize (128); with l3inclusion=exclusive lines move between the caches; write l3blksize=128 or l3inclusion=nine
    rw=yes: neither on nor off; write rw=on or rw=off
    dwrite: needs a value; write dwrite=off|back|through
    dwrite=on: needs a value; write dwrite=off|back|through
    dwrite=bakc: unknown; did you mean back? write off, back or through
    dalloc=back: neither on nor off; write dalloc=on or dalloc=off
    straddle=both: unknown; write first or split
    summary=1: neither on nor off; write summary=on or summary=off
    l1lat=4.5: not a whole number; write a whole number
    memlat=-1: a negative number; write a whole number
    memlat=4294967296: too large; the most is 4294967295
    l2lat=12 (default): less than l1lat (20), of the level above; write l2lat=20 or more
    memlat=200 (default): less than l3lat (300), of the level above; write memlat=300 or more
    cpu=: needs a value; write cpu=NAME|host|list
    cpu=a72: unknown; did you mean cortex-a72? cpu=list lists all
    cpu=host: this computer does not tell its caches (/sys/devices/system/cpu/cpu0/cache/index0/level: no such file); name a core, such as cpu=zen3 (cpu=list lists all)
    cpu=zen: unknown; did you mean zen1, zen2 or zen3? cpu=list lists all
    cpu=zen9: unknown; did you mean zen1, zen2 or zen3? cpu=list lists all
    cpu=Cortex_A53: unknown; did you mean cortex-a53, cortex-a55 or cortex-a57? cpu=list lists all
    cpu=mips: unknown; cpu=list lists all
    dcachesize=32K (cpu=zen3): not a multiple of dblksize × dassoc (64 × 3 = 192); try 32640 or 32832
    config: needs a value; write config=FILE
    config=none.toml: no such file
    csv=a: the file of json too; write another name
    html=a: the file of out too; write another name
    dcachesize=16000: not a multiple of dblksize × dassoc (64 × 8 = 512); try 15872 or 16384
    icachesize=100: not a multiple of iblksize × iassoc (64 × 8 = 512); try 512
    dcachesize=16384 (default): not a multiple of dblksize × dassoc (64 × 3 = 192); try 16320 or 16512
    icachesize=16448: not a multiple of iblksize × iassoc (128 × 8 = 1024); try 16384 or 17408
    iblksize=48: not a power of two; try 32 or 64
    dcachesize=512M: has 536870912 lines at dblksize=1, the most is 268435456; try 268435456 or longer lines
    cores=4096: the caches of 4096 cores, 262400 lines each, need 16400 MiB of memory, the most is 8192 MiB; try cores=2046 or smaller caches
    cores=4096: the caches of 4096 cores, 1049088 lines each and 131072 shared, need 65570 MiB of memory, the most is 8192 MiB; try cores=511 or smaller caches
    cores=4096: the caches of 4096 cores, 262656 lines each, need 16416 MiB of memory, the most is 8192 MiB; try cores=2044 or smaller caches
    l3cachesize=16G: with the other caches 536871424 lines, which need 8193 MiB of memory, the most is 8192 MiB; try smaller caches
    l2cachesize=16G: with the other caches 805306880 lines, which need 12289 MiB of memory, the most is 8192 MiB; try smaller caches
    limit=x: not a number; write a whole number
    cores=y: not a number; write a whole number
    "#);
}

#[test]
fn every_bad_input_is_named_in_one_line() {
    for args in BAD_INPUTS {
        let said = message(args);
        let (option, problem) = said.split_once(": ").unwrap();
        assert!(!problem.is_empty() && !said.contains('\n'), "{said}");
        // The option at fault may be the default of an option that the typed ones do not fit, or a preset's.
        let is_named = option.ends_with(" (default)")
            || args
                .iter()
                .any(|arg| option == shown(arg) || option.ends_with(&format!(" ({arg})")));
        assert!(is_named, "{said}");
    }
}

#[test]
fn too_many_vcpus_are_a_fault_of_the_default_number_of_cores() {
    let vcpus = |vcpus| Host { vcpus, ..FOUR_VCPUS };
    assert_eq!(message_on(&[], vcpus(5000)), "cores=5000 (default): too large; the most is 4096");
    assert_eq!(message_on(&[], vcpus(0)), "cores=0 (default): must be at least 1");
    assert_eq!(
        message_on(&["dcachesize=4G"], vcpus(64)),
        "cores=64 (default): the caches of 64 cores, 67109120 lines each, need 65537 MiB of \
         memory, the most is 8192 MiB; try cores=7 or smaller caches"
    );
    assert!(parse_on(&["dcachesize=4G", "cores=7"], vcpus(64)).is_ok());
    assert!(parse_on(&["dcachesize=4G", "cores=8"], vcpus(64)).is_err());
}

#[test]
fn one_core_may_have_the_largest_caches_and_two_may_not() {
    let largest = ["icachesize=16G", "dcachesize=16G"];
    assert_eq!(options(&largest).config.dcache().geometry.lines(), MAX_LINES);
    assert_eq!(
        message(&[largest[0], largest[1], "cores=2"]),
        "cores=2: the caches of 2 cores, 536870912 lines each, need 16384 MiB of memory, the most \
         is 8192 MiB; try cores=1 or smaller caches"
    );
}

/// Far more characters than anyone types.
const LONG: usize = 1 << 20;

#[test]
fn what_was_typed_is_shown_short_and_harmless() {
    let long = "x".repeat(LONG);
    assert_eq!(
        message(&[&format!("limit={long}")]),
        format!("limit={}…: not a number; write a whole number", &long[..54])
    );
    assert_eq!(
        message(&[&long]),
        format!("{}…: unknown option; the option help lists all", &long[..60])
    );
    assert_eq!(
        message(&["straddle=f\nirst\u{1b}[2J\u{202e}"]),
        "straddle=f\\nirst\\u{1b}[2J\\u{202e}: unknown; write first or split"
    );
    // A long way to write a number is still that number.
    let zeros = "0".repeat(LONG);
    assert_eq!(options(&[&format!("limit={zeros}7")]).limit, 7);
}

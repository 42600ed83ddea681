//! The help.

use super::*;

#[test]
#[cfg_attr(miri, ignore = "insta starts processes")]
#[expect(clippy::too_many_lines, reason = "they are one text")]
fn the_help_lists_every_option() {
    let help = help_text();
    let (help, names) = help.split_once("POLICY is one of ").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(names.join(" "), format!("{}.", policies()));
    insta::assert_snapshot!(help, @r#"
    Options, as in -plugin FILE,name=value,name=value (of one given twice the last
    holds, but elf adds up; a comma within a value is written twice):

    Cores:
      cpu=NAME|list                 begins with the caches, policies and latencies
                                    of a real core; other options override them;
                                    list shows the cores
      cores=N                       simulated cores; vCPU v runs on core v modulo N
                                    (default: 1 in user mode, the vCPUs in system
                                    mode)

    First level, of every core:
      icachesize=BYTES              size of each instruction cache (default: 16384)
      iblksize=BYTES                its line size, a power of two (default: 64)
      iassoc=N                      its associativity, the ways of a set (default:
                                    8)
      dcachesize=BYTES              size of each data cache (default: 16384)
      dblksize=BYTES                its line size, a power of two (default: 64)
      dassoc=N                      its associativity, the ways of a set (default:
                                    8)

    Lower levels:
      l2=on|off                     a second level, one for each core; any of its
                                    three sizes turns it on (default: off)
      l2cachesize=BYTES             size of each L2 (default: 2M)
      l2blksize=BYTES               its line size, a power of two (default: 64)
      l2assoc=N                     its associativity, the ways of a set (default:
                                    16)
      l2split=on|off                an L2 for instructions and one for data, each of
                                    that size (default: off)
      l3=on|off                     a third level, one for all cores, behind an L2;
                                    any of its three sizes turns it on (default:
                                    off)
      l3cachesize=BYTES             size of the L3 (default: 8M)
      l3blksize=BYTES               its line size, a power of two (default: 64)
      l3assoc=N                     its associativity, the ways of a set (default:
                                    16)
      inclusion=nine|inclusive|exclusive
                                    what each level has in common with those above:
                                    nine: it fills and evicts by itself; inclusive:
                                    what it evicts leaves those above too;
                                    exclusive: it has the victims of the one above,
                                    a hit moves a line up (default: nine)
      l2inclusion=nine|inclusive|exclusive
                                    that of the L2, with the first level (default:
                                    that of inclusion)
      l3inclusion=nine|inclusive|exclusive
                                    that of the L3, with the L2; inclusive: with the
                                    first level too (default: that of inclusion)

    Replacement:
      evict=POLICY                  replacement policy of all caches (default: lru)
      ievict=POLICY                 that of the instruction caches (default: that of
                                    evict)
      devict=POLICY                 that of the data caches (default: that of evict)
      l2evict=POLICY                that of the L2 (default: that of evict)
      l3evict=POLICY                that of the L3 (default: that of evict)
      seed=N                        start of the random choices of policies that
                                    make some, decimal or 0x hexadecimal (default:
                                    1)

    Reads and writes:
      rw=on|off                     counts reads and writes apart (default: off)
      dwrite=off|back|through       what a store does to its line in the data cache:
                                    back: it makes it dirty; through: it goes on to
                                    the next level; off: nothing, no line is ever
                                    dirty, unless dalloc is given, which means back
                                    (default: off)
      dalloc=on|off                 whether a store fills a line that is not in the
                                    data cache (default: on)
      straddle=first|split          an access across the end of a line is one, to
                                    the line of its first byte, or one to each line
                                    (default: first)

    Summary:
      summary=on|off                adds rates per level, memory traffic, and times
                                    estimated from the latencies; any latency turns
                                    it on, but not those of a preset (default: off)
      l1lat=CYCLES                  cycles of an access that the first level serves
                                    (default: 4)
      l2lat=CYCLES                  cycles of an access that the L2 serves, in all
                                    (default: 12)
      l3lat=CYCLES                  the same of the L3 (default: 40)
      memlat=CYCLES                 the same of memory (default: 200)

    Report:
      limit=N                       most rows in each list; 0 for no lists (default:
                                    32)
      by=instruction|function|line  what the lists are of (default: instruction)
      attribution=own|innermost|outermost
                                    which function and line inlined code counts for:
                                    own: the innermost that is not of the toolchain,
                                    the system or a dependency; innermost: the one
                                    that is inlined; outermost: the one that it is
                                    inlined into (default: own)
      out=auto|log|stderr|FILE      where the report goes: auto is QEMU's log with
                                    -d plugin, else stderr; in a file name %p is the
                                    process id and %% a percent sign; - is standard
                                    output; a file called like one of the words is
                                    written ./log (default: auto)
      json=FILE                     writes everything, for scripts
      csv=FILE                      writes a row for each instruction, for
                                    spreadsheets
      callgrind=FILE                writes a profile for KCachegrind and
                                    callgrind_annotate
      cachegrind=FILE               writes a profile for cg_annotate, cg_diff and
                                    cg_merge
      html=FILE                     writes a page for a browser, with annotated
                                    source
      profile=on|off                also counts executions, loads and stores of
                                    every instruction, for json and csv; callgrind,
                                    cachegrind and html turn it on (default: off)
      elf=FILE[@BIAS]               an ELF file in the guest's memory, such as its
                                    kernel, for functions and lines; BIAS is added
                                    to its addresses; may be given several times
      progress=SECONDS              how often a line on stderr tells how far the run
                                    is

    Options:
      config=FILE                   further options, in a TOML file with lines such
                                    as dcachesize="32K" and l2=true; those on the
                                    command line override them
      help                          show this and do not run
      list                          the same as help

    BYTES may end in K, M or G (or KiB, MiB, GiB): powers of 1024.
    "#);
}

#[test]
fn the_help_has_80_columns() {
    for line in help_text().lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
}

#[test]
fn no_two_options_have_the_same_name() {
    for (index, spec) in all().enumerate() {
        assert!(all().take(index).all(|other| other.name != spec.name));
    }
}

//! The help.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "they are one text")]
fn the_help_lists_every_option() {
    let help = help_text();
    let (help, names) = help.split_once("POLICY is one of ").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(names.join(" "), format!("{}.", policies()));
    insta::assert_snapshot!(help, @r#"
    Options, as in -plugin FILE,name=value,name=value (of one given twice the last
    holds, but compare and elf add up; a comma within a value is written twice):

    Cores:
      cpu=NAME|host|list            begins with the caches, policies and latencies
                                    of a real core; other options override them;
                                    host: the caches of this computer; list: prints
                                    the names. Without it, first-level caches of 16
                                    KiB alone, as QEMU's C plugin has them: like a
                                    microcontroller's at best
      cores=N                       simulated cores; vCPU v runs on core v modulo N;
                                    the threads of a program are vCPUs (default: 1
                                    in user mode, the vCPUs in system mode)
      compare=NAME|host|all|FILE    simulates a further machine in the same run and
                                    sets it beside the others: a preset of cpu, this
                                    computer's caches, all presets, or what a TOML
                                    file says (its name has a / or ends in .toml);
                                    may be given several times

    First level, of every core:
      icachesize=BYTES              size of each instruction cache (default: 16384)
      iblksize=BYTES                line size of the instruction caches, a power of
                                    two (default: 64)
      iassoc=N                      associativity of the instruction caches: the
                                    ways of a set (default: 8)
      dcachesize=BYTES              size of each data cache (default: 16384)
      dblksize=BYTES                line size of the data caches, a power of two
                                    (default: 64)
      dassoc=N                      associativity of the data caches: the ways of a
                                    set (default: 8)

    Lower levels:
      l2=on|off                     a second level, one for each core; l2cachesize,
                                    l2blksize and l2assoc turn it on too (default:
                                    off)
      l2cachesize=BYTES             size of each L2 (default: 2M)
      l2blksize=BYTES               line size of the L2, a power of two (default:
                                    64)
      l2assoc=N                     associativity of the L2: the ways of a set
                                    (default: 16)
      l2split=on|off                two L2s for each core, one for instructions and
                                    one for data, each of l2cachesize (default: off)
      l3=on|off                     a third level, one for all cores, behind an L2;
                                    l3cachesize, l3blksize and l3assoc turn it on
                                    too (default: off)
      l3cachesize=BYTES             size of the L3 (default: 8M)
      l3blksize=BYTES               line size of the L3, a power of two (default:
                                    64)
      l3assoc=N                     associativity of the L3: the ways of a set
                                    (default: 16)
      inclusion=nine|inclusive|exclusive
                                    which lines L2 and L3 share with the levels
                                    above: nine: each fills and evicts by itself;
                                    inclusive: a line that the lower level evicts
                                    leaves the levels above too; exclusive: the
                                    lower level has the lines that the level above
                                    evicted, and gives a line away at a hit
                                    (default: nine)
      l2inclusion=nine|inclusive|exclusive
                                    which lines the L2 shares with the first level,
                                    in the words of inclusion (default: as
                                    inclusion)
      l3inclusion=nine|inclusive|exclusive
                                    which lines the L3 shares with the L2, in the
                                    words of inclusion; inclusive: with the first
                                    level too (default: as inclusion)

    Replacement:
      evict=POLICY                  replacement policy of all caches (default: lru)
      ievict=POLICY                 replacement policy of the instruction caches
                                    (default: as evict)
      devict=POLICY                 replacement policy of the data caches (default:
                                    as evict)
      l2evict=POLICY                replacement policy of the L2 (default: as evict)
      l3evict=POLICY                replacement policy of the L3 (default: as evict)
      seed=N                        start of the random choices of rand, brrip,
                                    drrip and bip, decimal or 0x hexadecimal
                                    (default: 1)

    Reads and writes:
      rw=on|off                     counts reads and writes apart (default: off)
      dwrite=off|back|through       what a store does to its line in the data cache:
                                    back: makes the line dirty; through: goes on to
                                    the next level; off: neither, no line is ever
                                    dirty; dalloc alone means back (default: off)
      dalloc=on|off                 whether a store fills a line that is not in the
                                    data cache (default: on)
      straddle=first|split          an access across the end of a line: first:
                                    counts as one, to the line of its first byte;
                                    split: counts as one to each line (default:
                                    first)

    Summary:
      summary=on|off                adds rates of each level, memory traffic, and
                                    times estimated from the latencies; l1lat,
                                    l2lat, l3lat and memlat turn it on too, unless a
                                    preset gives them (default: off)
      l1lat=CYCLES                  cycles of an access that the first level serves,
                                    for the summary and stall cycles (default: 4)
      l2lat=CYCLES                  cycles of an access that the L2 serves, from the
                                    core until the data can be used (default: 12)
      l3lat=CYCLES                  cycles of an access that the L3 serves, from the
                                    core until the data can be used (default: 40)
      memlat=CYCLES                 cycles of an access that memory serves, from the
                                    core until the data can be used (default: 200)

    Report:
      limit=N                       most rows in each list; 0 for no lists (default:
                                    32)
      by=instruction|function|line  what a row of the lists is (default:
                                    instruction)
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
      elf=FILE[@BIAS]               an ELF file in a machine's memory, such as its
                                    kernel, for functions and lines; BIAS is added
                                    to the addresses in the file; may be given
                                    several times
      progress=SECONDS              how often a line on stderr tells how far the run
                                    is

    Speed:
      workers=auto|N                threads of ours that simulate what vCPUs record,
                                    where threads of the guest share a core or
                                    machines are compared; 0: the vCPUs do it
                                    themselves; auto: as many as there are host
                                    cores beside the vCPUs, but no more than
                                    simulated cores of all machines (default: auto)
      queue=BYTES                   how much of it may wait, in memory of the host;
                                    beyond it the vCPUs simulate too (default: 64M)

    Options:
      config=FILE                   further options, in a TOML file with lines such
                                    as dcachesize="32K" and l2=true; those on the
                                    command line override them
      help                          prints the options and does not run
      list                          prints the options and does not run

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

//! The report as the reference prints it, byte for byte (`log_stats`, `append_stats_line` and
//! `log_top_insns` of QEMU's `contrib/plugins/cache.c`), and what the reference does not have: blocks of their
//! own between the core table and the lists, and a list by stall cycles. With a third level, the second is in
//! such a block too: beside each other they would take 162 columns.
//!
//! Deliberate differences from the reference: with `limit=0` the headings of the empty lists are
//! left out too, and what could break or forge a line in the guest's texts is escaped. A tab stays:
//! some of QEMU's disassemblers align operands with it. A core that has not used its second level has
//! zeros in its columns, as in QEMU 7.2; from 10.0 on the reference leaves the line short.

pub use crate::machines::{render_all, render_profile};
pub use crate::rows::{By, render_by};
use crate::settings::Lower;
use crate::{CacheCounts, CoreSnapshot, MissRow, Snapshot, Summary};
use cachesim::config::{Config, Directions};
use cachesim::escape::escape;
use options::Options;
use std::fmt::{self, Display};

/// The whole report of a run with these options, every line ended.
pub fn render(snapshot: &Snapshot, options: &Options) -> String {
    Table { snapshot, options }.to_string()
}

struct Table<'a> {
    snapshot: &'a Snapshot,
    options: &'a Options,
}

impl Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot: Snapshot { cores, lists }, options } = *self;
        let config = &options.config;
        let levels: Vec<Lower> = Lower::of(config).collect();
        let in_table = if levels.len() > 1 { &[] } else { &levels[..] };
        let rows = labelled(cores);
        out.write_str(concat!(
            "core #, data accesses, data misses, dmiss rate,",
            " insn accesses, insn misses, imiss rate"
        ))?;
        for level in in_table {
            let name = level.name().to_lowercase();
            write!(out, ", {name} accesses, {name} misses, {name} miss rate")?;
        }
        out.write_str("\n")?;
        for (label, core) in &rows {
            write_core(out, label, core, in_table)?;
        }
        out.write_str("\n")?;
        if in_table.len() < levels.len() {
            write_levels(out, &rows, &levels)?;
        }
        if config.directions() == Directions::Apart {
            write_directions(out, &rows, &levels, config)?;
        }
        if config.writes().is_some() {
            write_traffic(out, &rows, &levels)?;
        }
        if let Some(summary) = Summary::new(&cores.iter().sum(), options) {
            writeln!(out, "{summary}")?;
        }
        if let Some(lists) = lists {
            if let Some(list) = &lists.stalls {
                write_list(out, "stall cycles", list)?;
                out.write_str("\n")?;
            }
            write_list(out, "data misses", &lists.data)?;
            out.write_str("\n")?;
            write_list(out, "fetch misses", &lists.fetch)?;
            for (what, list) in [("L2 misses", &lists.l2), ("L3 misses", &lists.l3)] {
                if let Some(list) = list {
                    out.write_str("\n")?;
                    write_list(out, what, list)?;
                }
            }
        }
        Ok(())
    }
}

/// The cores by their numbers, and where there are several, their sum.
fn labelled(cores: &[CoreSnapshot]) -> Vec<(String, CoreSnapshot)> {
    let numbered = cores.iter().enumerate();
    let mut rows: Vec<_> = numbered.map(|(number, core)| (number.to_string(), *core)).collect();
    if cores.len() > 1 {
        rows.push(("sum".to_owned(), cores.iter().sum()));
    }
    rows
}

fn write_core(
    out: &mut fmt::Formatter<'_>,
    label: &str,
    core: &CoreSnapshot,
    levels: &[Lower],
) -> fmt::Result {
    let CoreSnapshot { data, fetch, .. } = core;
    write!(
        out,
        "{label:<8}{:<14} {:<12} {:9.4}%  {:<14} {:<12} {:9.4}%",
        data.accesses,
        data.misses,
        data.miss_percent(),
        fetch.accesses,
        fetch.misses,
        fetch.miss_percent(),
    )?;
    for level in levels {
        let counts = level.counts(core).total();
        let (accesses, misses) = (counts.accesses, counts.misses);
        write!(out, "  {accesses:<12} {misses:<11} {:10.4}%", counts.miss_percent())?;
    }
    out.write_str("\n")
}

/// The levels beyond the first, a row each.
fn write_levels(
    out: &mut fmt::Formatter<'_>,
    rows: &[(String, CoreSnapshot)],
    levels: &[Lower],
) -> fmt::Result {
    out.write_str("core #, cache, accesses, misses, miss rate\n")?;
    for (label, core) in rows {
        for level in levels {
            let counts = level.counts(core).total();
            let (cache, percent) = (level.name(), counts.miss_percent());
            let CacheCounts { accesses, misses } = counts;
            writeln!(out, "{label:<8}{cache:<7}{accesses:<14} {misses:<12} {percent:9.4}%")?;
        }
    }
    out.write_str("\n")
}

/// What is counted apart of each cache: loads and stores of the data cache, and of the levels beyond
/// fetches too, and where stores are modelled, what the level before writes.
fn write_directions(
    out: &mut fmt::Formatter<'_>,
    rows: &[(String, CoreSnapshot)],
    levels: &[Lower],
    config: &Config,
) -> fmt::Result {
    out.write_str("core #, cache, kind, accesses, misses, miss rate\n")?;
    for (label, core) in rows {
        let mut write = |cache: &str, kind: &str, counts: CacheCounts| {
            let (accesses, misses) = (counts.accesses, counts.misses);
            let percent = counts.miss_percent();
            writeln!(out, "{label:<8}{cache:<7}{kind:<9}{accesses:<14} {misses:<12} {percent:9.4}%")
        };
        write("L1d", "reads", core.loads())?;
        write("L1d", "writes", core.hierarchy.unwrap_or_default().stores)?;
        for level in levels {
            let counts = level.counts(core);
            write(level.name(), "fetches", counts.fetch)?;
            write(level.name(), "reads", counts.read)?;
            write(level.name(), "writes", counts.write)?;
            if config.writes().is_some() {
                write(level.name(), "written", counts.write_back)?;
            }
        }
    }
    out.write_str("\n")
}

/// What stores cause beyond the data cache.
fn write_traffic(
    out: &mut fmt::Formatter<'_>,
    rows: &[(String, CoreSnapshot)],
    levels: &[Lower],
) -> fmt::Result {
    out.write_str("core #, traffic, count\n")?;
    for (label, core) in rows {
        let hierarchy = core.hierarchy.unwrap_or_default();
        let mut write = |what: &str, count: u64| writeln!(out, "{label:<8}{what:<21}{count}");
        write("write-backs of L1d", hierarchy.write_backs[0])?;
        for level in levels {
            write(&format!("write-backs of {}", level.name()), level.write_backs(core))?;
        }
        write("stores passed on", hierarchy.passed_stores)?;
        write("bytes from memory", hierarchy.memory_read_bytes)?;
        write("bytes to memory", hierarchy.memory_written_bytes)?;
    }
    out.write_str("\n")
}

fn write_list(out: &mut fmt::Formatter<'_>, what: &str, rows: &[MissRow]) -> fmt::Result {
    writeln!(out, "address, {what}, instruction")?;
    for row in rows {
        write!(out, "{:#x}", row.vaddr)?;
        if let Some(symbol) = &row.symbol {
            out.write_str(" (")?;
            write_guest_text(out, symbol)?;
            out.write_str(")")?;
        }
        write!(out, ", {}, ", row.count)?;
        write_guest_text(out, &row.disassembly)?;
        out.write_str("\n")?;
    }
    Ok(())
}

/// Escapes all but tabs.
fn write_guest_text(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for (index, part) in text.split('\t').enumerate() {
        if index > 0 {
            out.write_str("\t")?;
        }
        write!(out, "{}", escape(part))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cachesim::config::Parts;

    use super::*;
    use crate::{HierarchyCounts, LowerCounts, MissLists, Profile, sample};
    use proptest::prelude::*;

    fn core(data: (u64, u64), fetch: (u64, u64)) -> CoreSnapshot {
        let counts = |(accesses, misses)| CacheCounts { accesses, misses };
        CoreSnapshot { data: counts(data), fetch: counts(fetch), hierarchy: None }
    }

    fn row(vaddr: u64, symbol: Option<&str>, count: u64, disassembly: &str) -> MissRow {
        MissRow {
            vaddr,
            symbol: symbol.map(Into::into),
            count,
            disassembly: disassembly.to_owned(),
        }
    }

    /// The lines of `text`, the ends of which are visible: trailing blanks count.
    fn framed(text: &str) -> String {
        text.split_inclusive('\n').map(|line| line.replace('\n', "|\n")).collect()
    }

    #[test]
    fn one_core_with_both_lists() {
        let snapshot = Snapshot {
            cores: vec![core((57_143_820, 18_875_094), (172_933_075, 429))],
            lists: Some(MissLists {
                data: vec![
                    row(0x105f4, Some("main"), 16_777_216, "fld                     fa4,0(a4)"),
                    row(0xffff_ffff_8000_0000, None, 7, "nop"),
                ],
                fetch: vec![row(0x10590, Some("main"), 12, "addi                    sp,sp,-16")],
                ..MissLists::default()
            }),
        };
        insta::assert_snapshot!(framed(&render(&snapshot, &Options::default())), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       57143820       18875094       33.0309%  172933075      429             0.0002%|
        |
        address, data misses, instruction|
        0x105f4 (main), 16777216, fld                     fa4,0(a4)|
        0xffffffff80000000, 7, nop|
        |
        address, fetch misses, instruction|
        0x10590 (main), 12, addi                    sp,sp,-16|
        ");
    }

    #[test]
    fn several_cores_have_a_sum() {
        let snapshot = Snapshot {
            cores: vec![
                core((100, 50), (1000, 1)),
                core((0, 0), (0, 0)),
                core((u64::MAX, u64::MAX), (3, 1)),
            ],
            lists: None,
        };
        insta::assert_snapshot!(framed(&render(&snapshot, &Options::default())), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       100            50             50.0000%  1000           1               0.1000%|
        1       0              0               0.0000%  0              0               0.0000%|
        2       18446744073709551615 18446744073709551615  100.0000%  3              1              33.3333%|
        sum     18446744073709551615 18446744073709551615  100.0000%  1003           2               0.1994%|
        |
        ");
    }

    #[test]
    fn lists_without_a_row_keep_their_headings() {
        let snapshot =
            Snapshot { cores: vec![core((0, 0), (0, 0))], lists: Some(MissLists::default()) };
        insta::assert_snapshot!(framed(&render(&snapshot, &Options::default())), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       0              0               0.0000%  0              0               0.0000%|
        |
        address, data misses, instruction|
        |
        address, fetch misses, instruction|
        ");
    }

    fn cores(profile: &Profile) -> Vec<CoreSnapshot> {
        profile.cores.iter().map(|core| core.counts).collect()
    }

    #[test]
    fn a_second_level_is_laid_out_as_the_reference_lays_it_out() {
        let profile = sample::two_levels();
        // What is the reference's alone.
        let parts = Parts { lower: profile.run.options.config.lower(), ..Parts::default() };
        let options = Options { config: Config::new(parts).unwrap(), ..Options::default() };
        let lists = MissLists {
            data: vec![row(0x107d0, Some("dot"), 500, "fld")],
            fetch: vec![row(0x107de, Some("dot"), 3, "fsd")],
            l2: Some(vec![row(0x107d0, Some("dot"), 402, "fld")]),
            ..MissLists::default()
        };
        let snapshot = Snapshot { cores: cores(&profile), lists: Some(lists) };
        insta::assert_snapshot!(framed(&render(&snapshot, &options)), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate, l2 accesses, l2 misses, l2 miss rate|
        0       1650           730            44.2424%  5021           9               0.1792%  739          496            67.1177%|
        1       0              0               0.0000%  0              0               0.0000%  0            0               0.0000%|
        sum     1650           730            44.2424%  5021           9               0.1792%  739          496            67.1177%|
        |
        address, data misses, instruction|
        0x107d0 (dot), 500, fld|
        |
        address, fetch misses, instruction|
        0x107de (dot), 3, fsd|
        |
        address, L2 misses, instruction|
        0x107d0 (dot), 402, fld|
        ");
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "they are one text")]
    fn all_that_can_be_asked_for_is_between_the_cores_and_the_lists() {
        let profile = sample::levels();
        let lists = MissLists {
            stalls: Some(vec![row(0x107d0, Some("dot"), 28_064, "fld")]),
            data: Vec::new(),
            fetch: Vec::new(),
            l2: Some(Vec::new()),
            l3: Some(vec![row(0x107d0, Some("dot"), 101, "fld")]),
        };
        let snapshot = Snapshot { cores: cores(&profile), lists: Some(lists) };
        insta::assert_snapshot!(framed(&render(&snapshot, &profile.run.options)), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       1650           730            44.2424%  5021           9               0.1792%|
        1       0              0               0.0000%  0              0               0.0000%|
        sum     1650           730            44.2424%  5021           9               0.1792%|
        |
        core #, cache, accesses, misses, miss rate|
        0       L2     739            496            67.1177%|
        0       L3     496            124            25.0000%|
        1       L2     0              0               0.0000%|
        1       L3     0              0               0.0000%|
        sum     L2     739            496            67.1177%|
        sum     L3     496            124            25.0000%|
        |
        core #, cache, kind, accesses, misses, miss rate|
        0       L1d    reads    1550           630            40.6452%|
        0       L1d    writes   100            100           100.0000%|
        0       L2     fetches  9              6              66.6667%|
        0       L2     reads    630            430            68.2540%|
        0       L2     writes   100            60             60.0000%|
        0       L2     written  90             0               0.0000%|
        0       L3     fetches  6              4              66.6667%|
        0       L3     reads    430            110            25.5814%|
        0       L3     writes   60             10             16.6667%|
        0       L3     written  40             0               0.0000%|
        1       L1d    reads    0              0               0.0000%|
        1       L1d    writes   0              0               0.0000%|
        1       L2     fetches  0              0               0.0000%|
        1       L2     reads    0              0               0.0000%|
        1       L2     writes   0              0               0.0000%|
        1       L2     written  0              0               0.0000%|
        1       L3     fetches  0              0               0.0000%|
        1       L3     reads    0              0               0.0000%|
        1       L3     writes   0              0               0.0000%|
        1       L3     written  0              0               0.0000%|
        sum     L1d    reads    1550           630            40.6452%|
        sum     L1d    writes   100            100           100.0000%|
        sum     L2     fetches  9              6              66.6667%|
        sum     L2     reads    630            430            68.2540%|
        sum     L2     writes   100            60             60.0000%|
        sum     L2     written  90             0               0.0000%|
        sum     L3     fetches  6              4              66.6667%|
        sum     L3     reads    430            110            25.5814%|
        sum     L3     writes   60             10             16.6667%|
        sum     L3     written  40             0               0.0000%|
        |
        core #, traffic, count|
        0       write-backs of L1d   90|
        0       write-backs of L2    40|
        0       write-backs of L3    8|
        0       stores passed on     0|
        0       bytes from memory    7936|
        0       bytes to memory      512|
        1       write-backs of L1d   0|
        1       write-backs of L2    0|
        1       write-backs of L3    0|
        1       stores passed on     0|
        1       bytes from memory    0|
        1       bytes to memory      0|
        sum     write-backs of L1d   90|
        sum     write-backs of L2    40|
        sum     write-backs of L3    8|
        sum     stores passed on     0|
        sum     bytes from memory    7936|
        sum     bytes to memory      512|
        |
        summary, misses, MPKI, hit rate, global hit rate|
        L1d     730              145.3894     55.7576%     55.7576%|
        L1i     9                  1.7925     99.8208%     99.8208%|
        L2      496               98.7851     32.8823%     92.5648%|
        L3      124               24.6963     75.0000%     98.1412%|
        |
        memory, bytes, bytes per instruction|
        read    7936               1.5806|
        written 512                0.1020|
        |
        estimate without overlap or prefetching, cycles|
        per data access           27.4909|
        per fetch                  4.1753|
        stalls per instruction     7.8948|
        stalls                 39640|
        latencies              L1 4, L2 12, L3 40, memory 200|
        |
        address, stall cycles, instruction|
        0x107d0 (dot), 28064, fld|
        |
        address, data misses, instruction|
        |
        address, fetch misses, instruction|
        |
        address, L2 misses, instruction|
        |
        address, L3 misses, instruction|
        0x107d0 (dot), 101, fld|
        ");
    }

    #[test]
    fn reads_and_writes_of_the_first_level_alone() {
        let parts = Parts { directions: Directions::Apart, ..Parts::default() };
        let options = Options { config: Config::new(parts).unwrap(), ..Options::default() };
        let mut core = core((1650, 730), (5021, 9));
        let stores = CacheCounts { accesses: 100, misses: 100 };
        core.hierarchy = Some(HierarchyCounts { stores, ..HierarchyCounts::default() });
        let snapshot = Snapshot { cores: vec![core], lists: None };
        insta::assert_snapshot!(framed(&render(&snapshot, &options)), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       1650           730            44.2424%  5021           9               0.1792%|
        |
        core #, cache, kind, accesses, misses, miss rate|
        0       L1d    reads    1550           630            40.6452%|
        0       L1d    writes   100            100           100.0000%|
        |
        ");
    }

    #[test]
    fn blocks_keep_to_80_columns() {
        let mut profile = sample::levels();
        let most = CacheCounts { accesses: 10_u64.pow(13), misses: 10_u64.pow(11) };
        let all = LowerCounts { fetch: most, read: most, write: most, write_back: most };
        profile.cores[0].counts.hierarchy = Some(HierarchyCounts {
            stores: most,
            l2: Some(all),
            l3: Some(all),
            passed_stores: u64::MAX,
            write_backs: [u64::MAX; 3],
            memory_read_bytes: u64::MAX,
            memory_written_bytes: u64::MAX,
        });
        let text = render(&Snapshot { cores: cores(&profile), lists: None }, &profile.run.options);
        let blocks = text.split_once("\n\n").unwrap().1;
        assert!(blocks.lines().all(|line| line.len() <= 80), "{blocks}");
    }

    #[test]
    fn a_hostile_name_or_instruction_stays_in_its_row() {
        let snapshot = Snapshot {
            cores: Vec::new(),
            lists: Some(MissLists {
                data: vec![row(0x10, Some("f\n0x20, 9\u{1b}[31m"), 1, "mov\tr0,r1\r\u{2028}\0")],
                ..MissLists::default()
            }),
        };
        assert!(
            render(&snapshot, &Options::default())
                .contains("\n0x10 (f\\n0x20, 9\\u{1b}[31m), 1, mov\tr0,r1\\r\\u{2028}\\u{0}\n")
        );
    }

    #[test]
    fn rates_are_rounded_as_printf_rounds_them() {
        // The quotients by 128 lie exactly between two numbers of four decimals: C rounds the
        // exact binary value and takes the even neighbour. Expected: glibc's `%9.4lf`.
        for (accesses, misses, expected) in [
            (128, 1, "   0.7812%"),
            (128, 3, "   2.3438%"),
            (128, 5, "   3.9062%"),
            (128, 7, "   5.4688%"),
            (3, 1, "  33.3333%"),
            (3, 2, "  66.6667%"),
            (1, 1, " 100.0000%"),
            (200_000_001, 1, "   0.0000%"),
            (2_000_000, 1, "   0.0000%"),
            (1_999_999, 1, "   0.0001%"),
            (57_143_820, 18_875_094, "  33.0309%"),
            (172_933_075, 429, "   0.0002%"),
            (20_000, 19_999, "  99.9950%"),
        ] {
            let snapshot = Snapshot { cores: vec![core((accesses, misses), (0, 0))], lists: None };
            let text = render(&snapshot, &Options::default());
            assert!(
                text.contains(&format!(" {misses:<12} {expected}  ")),
                "{misses}/{accesses}: {text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 500,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_number_of_lines_never_depends_on_the_guest(
            symbol in prop::option::of(any::<String>()),
            disassembly in any::<String>(),
            counts in any::<(u64, u64)>(),
            cores in 0..4_usize,
        ) {
            let row = row(1, symbol.as_deref(), 1, &disassembly);
            let snapshot = Snapshot {
                cores: vec![core(counts, counts); cores],
                lists: Some(MissLists {
                    data: vec![row.clone()],
                    fetch: vec![row.clone(), row],
                    ..MissLists::default()
                }),
            };
            let text = render(&snapshot, &Options::default());
            let sum = usize::from(cores > 1);
            prop_assert_eq!(text.lines().count(), 1 + cores + sum + 1 + 2 + 1 + 3);
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}

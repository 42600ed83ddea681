//! The report as the reference prints it, byte for byte (`log_stats` and `log_top_insns` of QEMU's
//! `contrib/plugins/cache.c`, without a second-level cache).
//!
//! Deliberate differences from the reference: with `limit=0` the headings of the empty lists are
//! left out too, and what could break or forge a line in the guest's texts is escaped. A tab stays:
//! some of QEMU's disassemblers align operands with it.

pub use crate::rows::{By, render_by};
use crate::{CoreSnapshot, MissRow, Snapshot};
use cachesim::escape::escape;
use std::fmt::{self, Display};

/// The whole report, every line ended.
pub fn render(snapshot: &Snapshot) -> String {
    Table(snapshot).to_string()
}

struct Table<'a>(&'a Snapshot);

impl Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { cores, lists } = self.0;
        out.write_str(concat!(
            "core #, data accesses, data misses, dmiss rate,",
            " insn accesses, insn misses, imiss rate\n"
        ))?;
        for (number, core) in cores.iter().enumerate() {
            write_core(out, number, core)?;
        }
        if cores.len() > 1 {
            write_core(out, "sum", &cores.iter().sum())?;
        }
        out.write_str("\n")?;
        if let Some(lists) = lists {
            write_list(out, "data", &lists.data)?;
            out.write_str("\n")?;
            write_list(out, "fetch", &lists.fetch)?;
        }
        Ok(())
    }
}

fn write_core(
    out: &mut fmt::Formatter<'_>,
    label: impl Display,
    core: &CoreSnapshot,
) -> fmt::Result {
    let CoreSnapshot { data, fetch, .. } = core;
    writeln!(
        out,
        "{label:<8}{:<14} {:<12} {:9.4}%  {:<14} {:<12} {:9.4}%",
        data.accesses,
        data.misses,
        data.miss_percent(),
        fetch.accesses,
        fetch.misses,
        fetch.miss_percent(),
    )
}

fn write_list(out: &mut fmt::Formatter<'_>, kind: &str, rows: &[MissRow]) -> fmt::Result {
    writeln!(out, "address, {kind} misses, instruction")?;
    for row in rows {
        write!(out, "{:#x}", row.vaddr)?;
        if let Some(symbol) = &row.symbol {
            out.write_str(" (")?;
            write_guest_text(out, symbol)?;
            out.write_str(")")?;
        }
        write!(out, ", {}, ", row.misses)?;
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
    use super::*;
    use crate::{CacheCounts, MissLists};
    use proptest::prelude::*;

    fn core(data: (u64, u64), fetch: (u64, u64)) -> CoreSnapshot {
        let counts = |(accesses, misses)| CacheCounts { accesses, misses };
        CoreSnapshot { data: counts(data), fetch: counts(fetch), beyond: None }
    }

    fn row(vaddr: u64, symbol: Option<&str>, misses: u64, disassembly: &str) -> MissRow {
        MissRow {
            vaddr,
            symbol: symbol.map(Into::into),
            misses,
            disassembly: disassembly.to_owned(),
        }
    }

    /// The lines of `text`, the ends of which are visible: trailing blanks count.
    fn framed(text: &str) -> String {
        text.split_inclusive('\n').map(|line| line.replace('\n', "|\n")).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "insta starts processes")]
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
        insta::assert_snapshot!(framed(&render(&snapshot)), @r"
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
    #[cfg_attr(miri, ignore = "insta starts processes")]
    fn several_cores_have_a_sum() {
        let snapshot = Snapshot {
            cores: vec![
                core((100, 50), (1000, 1)),
                core((0, 0), (0, 0)),
                core((u64::MAX, u64::MAX), (3, 1)),
            ],
            lists: None,
        };
        insta::assert_snapshot!(framed(&render(&snapshot)), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       100            50             50.0000%  1000           1               0.1000%|
        1       0              0               0.0000%  0              0               0.0000%|
        2       18446744073709551615 18446744073709551615  100.0000%  3              1              33.3333%|
        sum     18446744073709551615 18446744073709551615  100.0000%  1003           2               0.1994%|
        |
        ");
    }

    #[test]
    #[cfg_attr(miri, ignore = "insta starts processes")]
    fn lists_without_a_row_keep_their_headings() {
        let snapshot =
            Snapshot { cores: vec![core((0, 0), (0, 0))], lists: Some(MissLists::default()) };
        insta::assert_snapshot!(framed(&render(&snapshot)), @r"
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
        0       0              0               0.0000%  0              0               0.0000%|
        |
        address, data misses, instruction|
        |
        address, fetch misses, instruction|
        ");
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
            render(&snapshot)
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
            let text =
                render(&Snapshot { cores: vec![core((accesses, misses), (0, 0))], lists: None });
            assert!(
                text.contains(&format!(" {misses:<12} {expected}  ")),
                "{misses}/{accesses}: {text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 10 } else { 500 },
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
            let text = render(&Snapshot {
                cores: vec![core(counts, counts); cores],
                lists: Some(MissLists {
                    data: vec![row.clone()],
                    fetch: vec![row.clone(), row],
                    ..MissLists::default()
                }),
            });
            let sum = usize::from(cores > 1);
            prop_assert_eq!(text.lines().count(), 1 + cores + sum + 1 + 2 + 1 + 3);
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}

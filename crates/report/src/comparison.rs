//! All machines of a run side by side: what their caches are, what misses in them, and what that costs.
//!
//! The stalls are the summary's estimate, each machine's from its own latencies, whether a summary is asked for
//! or not. They are cycles: machines with other clocks take other times for them.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::iter;

use cachesim::config::{L2Kind, Level};
use cachesim::escape::escape;
use options::{Latencies, Options};

use crate::summary::OrDash;
use crate::{CacheSummary, CoreSnapshot, MemoryTraffic, Profile, Summary, Traffic};

/// The machines of a run that compares some.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The run's own machine, then the others in the order of [`Options::compared`].
    pub machines: Vec<MachineRow>,
}

/// What one machine has counted, of all its cores together.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineRow {
    /// What it is called. Any text: it may be the name of a file.
    pub name: String,
    /// Its caches, in the order of [`CACHES`]; `None` for a level that it lacks.
    pub caches: [Option<CacheRow>; CACHES.len()],
    /// Its traffic with memory.
    pub memory: MemoryTraffic,
    /// The cycles that accesses take beyond the latency of the first level, by estimate.
    pub stall_cycles: u64,
    /// The same for each instruction; 0 without instructions.
    pub stall_cycles_per_instruction: f64,
    /// What the stalls are estimated from.
    pub latencies: Latencies,
    /// Whether no machine has fewer stall cycles. Where all have as many, none is the best.
    pub is_best: bool,
}

/// The names of the caches that a machine may have.
pub const CACHES: [&str; 4] = ["L1d", "L1i", "L2", "L3"];

/// One cache of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheRow {
    /// Its shape and policy.
    pub level: Level,
    /// How many caches of this shape it is: 2 where it is split.
    pub copies: u32,
    /// What it has counted.
    pub summary: CacheSummary,
}

/// The options of each machine of a run, its own first.
pub(crate) fn options_of_machines(options: &Options) -> impl Iterator<Item = Cow<'_, Options>> {
    let compared = options.compared.iter().map(|machine| Cow::Owned(options.of_machine(machine)));
    iter::once(Cow::Borrowed(options)).chain(compared)
}

impl Comparison {
    /// Of a run with these options, whose machines have counted `totals`: its own first, then those of
    /// [`Options::compared`]. `None` if there is nothing to compare.
    pub fn new(options: &Options, totals: &[CoreSnapshot]) -> Option<Self> {
        let compared = options.compared.iter().map(|machine| &*machine.name);
        let names = iter::once(options.name()).chain(compared);
        let machines = names.zip(options_of_machines(options)).zip(totals);
        let machines =
            machines.map(|((name, options), total)| MachineRow::new(name, &options, total));
        let mut machines: Vec<_> = machines.collect();
        let fewest = machines.iter().map(|machine| machine.stall_cycles).min()?;
        let have_as_many = machines.iter().all(|machine| machine.stall_cycles == fewest);
        for machine in &mut machines {
            machine.is_best = !have_as_many && machine.stall_cycles == fewest;
        }
        (machines.len() > 1).then_some(Self { machines })
    }

    /// Of all machines of `profile`.
    pub fn of_profile(profile: &Profile) -> Option<Self> {
        let profiles = iter::once(profile).chain(&profile.compared);
        let totals = profiles.map(|profile| profile.cores.iter().map(|core| &core.counts).sum());
        Self::new(&profile.run.options, &totals.collect::<Vec<_>>())
    }
}

impl MachineRow {
    fn new(name: &str, options: &Options, total: &CoreSnapshot) -> Self {
        let summary = Summary::of(total, options);
        let config = &options.config;
        let lower = config.lower();
        let row = |level, summary| CacheRow { level, copies: 1, summary };
        let l2 = lower.zip(summary.l2).map(|(lower, summary)| CacheRow {
            copies: if lower.l2_kind == L2Kind::Split { 2 } else { 1 },
            ..row(lower.l2, summary)
        });
        let l3 = lower.and_then(|lower| lower.l3).zip(summary.l3);
        Self {
            name: name.to_owned(),
            caches: [
                Some(row(config.dcache(), summary.data)),
                Some(row(config.icache(), summary.fetch)),
                l2,
                l3.map(|(level, summary)| row(level, summary)),
            ],
            memory: summary.memory,
            stall_cycles: summary.stall_cycles(),
            stall_cycles_per_instruction: summary.stall_cycles_per_instruction(),
            latencies: summary.latencies,
            is_best: false,
        }
    }

    /// The latencies of the levels that it has, then that of memory.
    pub(crate) fn latencies_of_levels(&self) -> impl Iterator<Item = u32> {
        let Latencies { l1, l2, l3, memory } = self.latencies;
        let [_, _, has_l2, has_l3] = self.caches.map(|cache| cache.is_some());
        let levels = [(true, l1), (has_l2, l2), (has_l3, l3), (true, memory)];
        levels.into_iter().filter_map(|(is_there, latency)| is_there.then_some(latency))
    }
}

impl CacheRow {
    /// `512K/8`: its size and ways; of a split one `2x512K/8`.
    pub fn shape(&self) -> String {
        let geometry = self.level.geometry;
        let bytes = geometry.size_bytes();
        let units = [(30, "G"), (20, "M"), (10, "K")];
        let unit = units.into_iter().find(|(shift, _)| bytes.trailing_zeros() >= *shift);
        let (shift, unit) = unit.unwrap_or((0, ""));
        let copies = if self.copies > 1 { format!("{}x", self.copies) } else { String::new() };
        format!("{copies}{}{unit}/{}", bytes >> shift, geometry.ways())
    }

    /// Misses ÷ accesses, from 0 to 1; `None` without accesses.
    pub fn miss_rate(&self) -> Option<f64> {
        let counts = self.summary.counts;
        (counts.accesses > 0).then(|| counts.miss_rate())
    }
}

/// As the table has it: a row for each machine in each block, every line ended.
impl Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machines: Vec<_> = self
            .machines
            .iter()
            .map(|machine| (escape(&machine.name).to_string(), machine))
            .collect();
        let width = machines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let caches = CACHES.join(", ");
        writeln!(out, "comparison of {} machines, the run's own first", machines.len())?;
        writeln!(out, "\nmachine, size/ways of {caches}, latencies")?;
        for (name, machine) in &machines {
            write!(out, "{name:<width$}")?;
            for cache in &machine.caches {
                write!(out, " {:<10}", OrDash(cache.map(|cache| cache.shape())))?;
            }
            let latencies: Vec<_> =
                machine.latencies_of_levels().map(|latency| latency.to_string()).collect();
            writeln!(out, " {}", latencies.join("/"))?;
        }
        writeln!(out, "\nmachine, miss rates of {caches}")?;
        for (name, machine) in &machines {
            let rates =
                machine.caches.map(|cache| Some(format!("{:.4}%", 100.0 * cache?.miss_rate()?)));
            write_numbers(out, name, width, rates)?;
        }
        writeln!(out, "\nmachine, MPKI of {caches}")?;
        for (name, machine) in &machines {
            let rates = machine.caches.map(|cache| Some(format!("{:.4}", cache?.summary.mpki)));
            write_numbers(out, name, width, rates)?;
        }
        writeln!(out, "\nmachine, bytes from memory, bytes to memory, stalls, per instruction")?;
        for (name, machine) in &machines {
            let MemoryTraffic { read, written } = machine.memory;
            let bytes =
                |traffic: Option<Traffic>| OrDash(traffic.map(|traffic| traffic.bytes.to_string()));
            writeln!(
                out,
                "{name:<width$} {:<15} {:<15} {:<15} {:>9.4}{}",
                bytes(Some(read)),
                bytes(written),
                machine.stall_cycles,
                machine.stall_cycles_per_instruction,
                if machine.is_best { " *" } else { "" },
            )?;
        }
        let has_best = machines.iter().any(|(_, machine)| machine.is_best);
        writeln!(
            out,
            "\nstalls: cycles, by estimate from each machine's latencies, without overlap or\n\
             prefetching; machines may have different clocks{}",
            if has_best { "; * has the fewest stalls" } else { "" },
        )
    }
}

fn write_numbers(
    out: &mut fmt::Formatter<'_>,
    name: &str,
    width: usize,
    numbers: [Option<String>; CACHES.len()],
) -> fmt::Result {
    write!(out, "{name:<width$}")?;
    for number in numbers {
        write!(out, " {:>11}", OrDash(number))?;
    }
    out.write_str("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheCounts, sample};
    use options::{GuestMode, Host, PRESETS, Request, parse};
    use proptest::prelude::*;

    fn of(profile: &Profile) -> Comparison {
        Comparison::of_profile(profile).unwrap()
    }

    #[test]
    fn a_run_of_one_machine_compares_nothing() {
        assert_eq!(Comparison::of_profile(&sample::levels()), None);
        assert_eq!(Comparison::new(&sample::compared().run.options, &[]), None);
    }

    #[test]
    fn numbers_are_those_of_the_machines_own_summaries() {
        for profile in [sample::compared(), sample::compared_misses()] {
            let comparison = of(&profile);
            let profiles = iter::once(&profile).chain(&profile.compared);
            assert_eq!(comparison.machines.len(), 1 + profile.compared.len());
            for (row, profile) in comparison.machines.iter().zip(profiles) {
                let options = Options { wants_summary: true, ..profile.run.options.clone() };
                let total = profile.cores.iter().map(|core| &core.counts).sum();
                let summary = Summary::new(&total, &options).unwrap();
                assert_eq!(row.stall_cycles, summary.stall_cycles());
                assert_eq!(row.memory, summary.memory);
                assert_eq!(row.latencies, profile.run.options.latencies);
                let caches = row.caches.iter().flatten().map(|cache| cache.summary);
                assert!(caches.eq(summary.caches().map(|(_, cache)| *cache)));
            }
        }
    }

    #[test]
    fn the_text_of_the_sample() {
        insta::assert_snapshot!(of(&sample::compared()), @r#"
        comparison of 3 machines, the run's own first

        machine, size/ways of L1d, L1i, L2, L3, latencies
        own        1K/4       2K/8       16K/8      64K/16     4/12/40/200
        two        1K/4       2K/8       16K/8      -          4/12/200
        a\n<b>, "* 1K/4       2K/8       -          -          4/90

        machine, miss rates of L1d, L1i, L2, L3
        own           44.2424%     0.1792%    67.1177%    25.0000%
        two           44.2424%     0.1792%    67.1177%           -
        a\n<b>, "*    44.2424%     0.1792%           -           -

        machine, MPKI of L1d, L1i, L2, L3
        own           145.3894      1.7925     98.7851     24.6963
        two           145.3894      1.7925     98.7851           -
        a\n<b>, "*    145.3894      1.7925           -           -

        machine, bytes from memory, bytes to memory, stalls, per instruction
        own        7936            512             39640              7.8948 *
        two        7936            512             99160             19.7491
        a\n<b>, "* 47296           -               63554             12.6576

        stalls: cycles, by estimate from each machine's latencies, without overlap or
        prefetching; machines may have different clocks; * has the fewest stalls
        "#);
    }

    #[test]
    fn the_text_of_nothing() {
        let mut profile = sample::compared();
        profile.cores.clear();
        profile.compared.iter_mut().for_each(|machine| machine.cores.clear());
        let comparison = of(&profile);
        assert!(comparison.machines.iter().all(|machine| !machine.is_best));
        insta::assert_snapshot!(comparison, @r#"
        comparison of 3 machines, the run's own first

        machine, size/ways of L1d, L1i, L2, L3, latencies
        own        1K/4       2K/8       16K/8      64K/16     4/12/40/200
        two        1K/4       2K/8       16K/8      -          4/12/200
        a\n<b>, "* 1K/4       2K/8       -          -          4/90

        machine, miss rates of L1d, L1i, L2, L3
        own                  -           -           -           -
        two                  -           -           -           -
        a\n<b>, "*           -           -           -           -

        machine, MPKI of L1d, L1i, L2, L3
        own             0.0000      0.0000      0.0000      0.0000
        two             0.0000      0.0000      0.0000           -
        a\n<b>, "*      0.0000      0.0000           -           -

        machine, bytes from memory, bytes to memory, stalls, per instruction
        own        0               0               0                  0.0000
        two        0               0               0                  0.0000
        a\n<b>, "* 0               -               0                  0.0000

        stalls: cycles, by estimate from each machine's latencies, without overlap or
        prefetching; machines may have different clocks
        "#);
    }

    #[test]
    fn machines_that_stall_as_often_are_best_together_unless_all_do() {
        let twin = || ("twin", sample::levels());
        let best = |profile: &Profile| -> Vec<bool> {
            of(profile).machines.iter().map(|machine| machine.is_best).collect()
        };
        assert_eq!(best(&sample::comparing(sample::levels(), vec![twin()])), [false; 2]);
        let worse = sample::comparing(sample::profile(), vec![twin(), ("other", sample::levels())]);
        assert_eq!(best(&worse), [false, true, true]);
    }

    #[test]
    fn shapes_are_short() {
        let shape = |bytes, ways, copies| {
            let geometry = cachesim::geometry::CacheGeometry::new(bytes, 64, ways).unwrap();
            let level = Level { geometry, ..sample::profile().run.options.config.dcache() };
            let cache = of(&sample::compared()).machines[0].caches[0].unwrap();
            CacheRow { level, copies, ..cache }.shape()
        };
        assert_eq!(shape(1 << 30, 16, 1), "1G/16");
        assert_eq!(shape(1280 << 10, 20, 1), "1280K/20");
        assert_eq!(shape(512 << 10, 8, 2), "2x512K/8");
        assert_eq!(shape(15_872, 8, 1), "15872/8");
    }

    /// The options of a run that compares all presets.
    fn all_presets() -> Options {
        let args = ["compare=all", "dwrite=back"].map(str::to_owned);
        let no_files = |_: &str| Err("no files here".to_owned());
        match parse(&args, &Host { mode: GuestMode::User, vcpus: 1 }, &no_files) {
            Ok(Request::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_text_keeps_to_80_columns() {
        let mut options = all_presets();
        options.compared[0].name = "x".repeat(20);
        let most = CacheCounts { accesses: 10_u64.pow(15) - 1, misses: 10_u64.pow(11) };
        let mut total = sample::levels().cores[0].counts;
        (total.data, total.fetch) = (most, most);
        let hierarchy = total.hierarchy.as_mut().unwrap();
        hierarchy.memory_read_bytes = 10_u64.pow(15) - 1;
        hierarchy.memory_written_bytes = 10_u64.pow(15) - 1;
        let totals = vec![total; 1 + PRESETS.len()];
        let text = Comparison::new(&options, &totals).unwrap().to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        assert_eq!(text.lines().count(), 1 + 4 * (2 + 1 + PRESETS.len()) + 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_name_adds_a_line(name in any::<String>()) {
            let lines = |name: &str| {
                let other = (name, sample::two_levels());
                let text = of(&sample::comparing(sample::levels(), vec![other])).to_string();
                assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
                text.lines().count()
            };
            prop_assert_eq!(lines(&name), lines("plain"));
        }
    }
}

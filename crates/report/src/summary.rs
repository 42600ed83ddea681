//! Numbers derived from the counts: misses per thousand instructions, hit rates, memory traffic, and an
//! estimate of the time that accesses take.
//!
//! The time is an **estimate**. Each access takes the latency of the level that serves it, counted from
//! the core (load to use), and waits for the one before it: there is no overlap of misses, no buffer of
//! stores, no prefetcher and no queue before memory, and what levels write to each other takes no time.
//! Real cores hide much of that, so the cycles are an upper bound of what the caches cost, of use to compare
//! caches and programs. [`Costs`] has the same of each instruction.
//!
//! Sources of the definitions: Hennessy and Patterson, "Computer Architecture", appendix B: local and
//! global miss rates, misses per instruction, average memory access time.

use std::fmt::{self, Display};

use cachesim::config::Config;
use options::{Latencies, Options};

use crate::snapshot::ratio;
use crate::{CacheCounts, CoreSnapshot, Costs, LowerCounts, settings::Lower};

/// What can be said of a core's counts, or of several together.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Of the data cache.
    pub data: CacheSummary,
    /// Of the instruction cache.
    pub fetch: CacheSummary,
    /// Of the second level, if there is one.
    pub l2: Option<CacheSummary>,
    /// Of the third level, if there is one.
    pub l3: Option<CacheSummary>,
    /// The traffic with memory.
    pub memory: MemoryTraffic,
    /// What data accesses take.
    pub data_time: AccessTime,
    /// What fetches take.
    pub fetch_time: AccessTime,
    /// The fetches.
    pub instructions: u64,
    /// What the times are estimated from.
    pub latencies: Latencies,
}

/// What can be said of one cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheSummary {
    /// What it has counted.
    pub counts: CacheCounts,
    /// Misses for each thousand instructions; 0 without instructions.
    pub mpki: f64,
    /// Of its accesses, the part that hit, from 0 to 1; `None` without accesses.
    pub hit_rate: Option<f64>,
    /// Of the accesses of the first-level caches before it (of a first-level cache, its own), the part
    /// that it or a cache before it has served; `None` without accesses.
    pub global_hit_rate: Option<f64>,
}

/// Bytes between the last level and memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryTraffic {
    /// Bytes from memory.
    pub read: Traffic,
    /// Bytes to memory; `None` where stores are not modelled.
    pub written: Option<Traffic>,
}

/// Bytes one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    /// All.
    pub bytes: u64,
    /// For each instruction; 0 without instructions.
    pub per_instruction: f64,
}

/// How long accesses take, by estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessTime {
    accesses: u64,
    /// The cycles of all accesses.
    pub cycles: u64,
    /// Those beyond the latency of the first level.
    pub stall_cycles: u64,
}

impl Summary {
    /// Of `core`, if `options` ask for it.
    pub fn new(core: &CoreSnapshot, options: &Options) -> Option<Self> {
        options.wants_summary.then(|| Self::of(core, options))
    }

    /// Of `core`, also where no summary is asked for.
    pub(crate) fn of(core: &CoreSnapshot, options: &Options) -> Self {
        let costs = Costs::from_latencies(options);
        let latencies = options.latencies;
        let instructions = core.fetch.accesses;
        let cache = |counts, before| CacheSummary::new(counts, before, instructions);
        let both = core.data.accesses.saturating_add(core.fetch.accesses);
        let levels = Lower::of(&options.config);
        let lower = |wanted| {
            let level = levels.clone().find(|level| *level == wanted)?;
            Some(cache(level.counts(core).total(), both))
        };
        let time = |first: CacheCounts, of: fn(LowerCounts) -> CacheCounts| {
            let [l2, l3] = [Lower::L2, Lower::L3].map(|level| of(level.counts(core)).misses);
            AccessTime::new(first.accesses, [first.misses, l2, l3], latencies.l1, costs)
        };
        Self {
            data: cache(core.data, core.data.accesses),
            fetch: cache(core.fetch, core.fetch.accesses),
            l2: lower(Lower::L2),
            l3: lower(Lower::L3),
            memory: MemoryTraffic::new(core, &options.config),
            data_time: time(core.data, LowerCounts::data),
            fetch_time: time(core.fetch, |counts| counts.fetch),
            instructions,
            latencies,
        }
    }

    /// The caches with their names.
    pub fn caches(&self) -> impl Iterator<Item = (&'static str, &CacheSummary)> {
        let Self { data, fetch, l2, l3, .. } = self;
        let caches = [("L1d", Some(data)), ("L1i", Some(fetch)), ("L2", l2.as_ref())];
        let caches = caches.into_iter().chain([("L3", l3.as_ref())]);
        caches.filter_map(|(name, cache)| Some((name, cache?)))
    }

    /// The cycles that accesses take beyond the latency of the first level.
    pub fn stall_cycles(&self) -> u64 {
        self.data_time.stall_cycles.saturating_add(self.fetch_time.stall_cycles)
    }

    /// The same for each instruction; 0 without instructions.
    pub fn stall_cycles_per_instruction(&self) -> f64 {
        ratio(self.stall_cycles(), self.instructions)
    }

    /// The latencies of the levels that there are: "L1 4, L2 12, memory 200".
    pub(crate) fn latencies(&self) -> String {
        let Latencies { l1, l2, l3, memory } = self.latencies;
        let l2 = self.l2.map(|_| format!(", L2 {l2}")).unwrap_or_default();
        let l3 = self.l3.map(|_| format!(", L3 {l3}")).unwrap_or_default();
        format!("L1 {l1}{l2}{l3}, memory {memory}")
    }
}

impl CacheSummary {
    /// `before`: the accesses that the global rate is of.
    fn new(counts: CacheCounts, before: u64, instructions: u64) -> Self {
        let hit_rate = |accesses: u64| {
            (accesses > 0).then(|| ratio(accesses.saturating_sub(counts.misses), accesses))
        };
        Self {
            counts,
            mpki: 1000.0 * ratio(counts.misses, instructions),
            hit_rate: hit_rate(counts.accesses),
            global_hit_rate: hit_rate(before),
        }
    }
}

impl MemoryTraffic {
    fn new(core: &CoreSnapshot, config: &Config) -> Self {
        let traffic = |bytes| Traffic { bytes, per_instruction: ratio(bytes, core.fetch.accesses) };
        let lines = |misses: u64, line_bytes: u64| misses.saturating_mul(line_bytes);
        let (read, written) = match core.hierarchy {
            Some(hierarchy) => (hierarchy.memory_read_bytes, hierarchy.memory_written_bytes),
            // Each miss of a first-level cache fills a line from memory.
            None => (
                lines(core.data.misses, config.dcache().geometry.line_bytes()).saturating_add(
                    lines(core.fetch.misses, config.icache().geometry.line_bytes()),
                ),
                0,
            ),
        };
        Self { read: traffic(read), written: config.writes().map(|_| traffic(written)) }
    }
}

impl AccessTime {
    /// Of accesses that missed each level so often, where `first` is the latency of the first.
    fn new(accesses: u64, misses: [u64; 3], first: u32, costs: Costs) -> Self {
        let mut arriving = accesses;
        let misses = misses.map(|misses| {
            // While vCPUs run on, a level's counter may be ahead of that of the one before.
            arriving = arriving.min(misses);
            arriving
        });
        let stall_cycles = costs.stall_cycles(misses);
        let cycles = accesses.saturating_mul(first.into()).saturating_add(stall_cycles);
        Self { accesses, cycles, stall_cycles }
    }

    /// The average memory access time, in cycles; `None` without accesses.
    pub fn average(&self) -> Option<f64> {
        (self.accesses > 0).then(|| ratio(self.cycles, self.accesses))
    }
}

/// As the table has it, three blocks with an empty line between them, each line ended.
impl Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "summary, misses, MPKI, hit rate, global hit rate")?;
        for (name, cache) in self.caches() {
            writeln!(
                out,
                "{name:<8}{:<14} {:10.4} {:>12} {:>12}",
                cache.counts.misses,
                cache.mpki,
                OrDash(cache.hit_rate.map(|rate| format!("{:.4}%", 100.0 * rate))),
                OrDash(cache.global_hit_rate.map(|rate| format!("{:.4}%", 100.0 * rate))),
            )?;
        }
        writeln!(out, "\nmemory, bytes, bytes per instruction")?;
        for (name, traffic) in [("read", Some(self.memory.read)), ("written", self.memory.written)]
        {
            let bytes = OrDash(traffic.map(|traffic| traffic.bytes.to_string()));
            let each = OrDash(traffic.map(|traffic| format!("{:.4}", traffic.per_instruction)));
            writeln!(out, "{name:<8}{bytes:<14} {each:>10}")?;
        }
        out.write_str("\nestimate without overlap or prefetching, cycles\n")?;
        for (name, cycles) in [
            ("per data access", self.data_time.average()),
            ("per fetch", self.fetch_time.average()),
            ("stalls per instruction", Some(self.stall_cycles_per_instruction())),
        ] {
            let cycles = OrDash(cycles.map(|cycles| format!("{cycles:.4}")));
            writeln!(out, "{name:<23}{cycles:>10}")?;
        }
        writeln!(out, "{:<23}{:>5}", "stalls", self.stall_cycles())?;
        writeln!(out, "{:<23}{}", "latencies", self.latencies())
    }
}

/// A text, or a dash where there is nothing to say.
pub(crate) struct OrDash(pub(crate) Option<String>);

impl Display for OrDash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.0.as_deref().unwrap_or("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const LATENCIES: Latencies = Latencies { l1: 4, l2: 12, l3: 40, memory: 200 };

    fn first_level() -> Options {
        Options { latencies: LATENCIES, wants_summary: true, ..Options::default() }
    }

    fn core(data: (u64, u64), fetch: (u64, u64)) -> CoreSnapshot {
        let counts = |(accesses, misses)| CacheCounts { accesses, misses };
        CoreSnapshot { data: counts(data), fetch: counts(fetch), hierarchy: None }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        assert_eq!(Summary::new(&core((1, 1), (1, 1)), &Options::default()), None);
    }

    #[test]
    fn misses_of_the_only_level_go_to_memory() {
        let summary = Summary::new(&core((1000, 100), (4000, 10)), &first_level()).unwrap();
        assert!(close(summary.data.mpki, 25.0));
        assert!(close(summary.fetch.mpki, 2.5));
        assert!(close(summary.data.hit_rate.unwrap(), 0.9));
        assert_eq!(summary.data.hit_rate, summary.data.global_hit_rate);
        assert_eq!((summary.l2, summary.l3), (None, None));
        assert_eq!(summary.memory.read.bytes, 110 * 64);
        assert!(close(summary.memory.read.per_instruction, 1.76));
        assert_eq!(summary.memory.written, None);
        // 900 × 4 + 100 × 200, of which 100 × 196 are stalls.
        assert_eq!(summary.data_time.cycles, 23_600);
        assert!(close(summary.data_time.average().unwrap(), 23.6));
        assert_eq!(summary.stall_cycles(), 110 * 196);
        assert!(close(summary.stall_cycles_per_instruction(), 5.39));
    }

    #[test]
    fn an_access_takes_the_latency_of_the_level_that_serves_it() {
        let profile = sample::levels();
        let total = profile.cores.iter().map(|core| &core.counts).sum();
        let summary = Summary::new(&total, &profile.run.options).unwrap();
        // Of 1650 data accesses 730 miss L1, 490 of these L2, 120 of these L3.
        let data = 920 * 4 + 240 * 12 + 370 * 40 + 120 * 200;
        assert_eq!(summary.data_time.cycles, data);
        assert_eq!(summary.data_time.stall_cycles, data - 1650 * 4);
        // Of 5021 fetches 9, 6 and 4.
        let fetch = 5012 * 4 + 3 * 12 + 2 * 40 + 4 * 200;
        assert_eq!(summary.fetch_time.cycles, fetch);
        assert_eq!(summary.stall_cycles(), data + fetch - (1650 + 5021) * 4);
        let [l2, l3] = [summary.l2, summary.l3].map(Option::unwrap);
        assert_eq!((l2.counts.misses, l3.counts.misses), (496, 124));
        assert!(close(l2.hit_rate.unwrap(), 1.0 - 496.0 / 739.0));
        assert!(close(l2.global_hit_rate.unwrap(), 1.0 - 496.0 / 6671.0));
        assert!(close(l3.hit_rate.unwrap(), 1.0 - 124.0 / 496.0));
        assert!(close(l3.global_hit_rate.unwrap(), 1.0 - 124.0 / 6671.0));
        assert_eq!(summary.memory.written.unwrap().bytes, 512);
    }

    #[test]
    fn counters_that_are_ahead_do_not_take_more_than_there_are() {
        let mut options = sample::two_levels().run.options;
        options.latencies = Latencies { l1: 1, l2: 10, l3: 0, memory: 100 };
        let time = AccessTime::new(10, [2, 7, 0], 1, Costs::of(&options).unwrap());
        assert_eq!(time.cycles, 8 + 2 * 100);
    }

    #[test]
    fn nothing_counted_is_no_rate_and_the_largest_counts_do_not_overflow() {
        let summary = Summary::new(&core((0, 0), (0, 0)), &first_level()).unwrap();
        assert_eq!((summary.data.hit_rate, summary.data_time.average()), (None, None));
        let largest = (u64::MAX, u64::MAX);
        let summary = Summary::new(&core(largest, largest), &first_level()).unwrap();
        assert_eq!(summary.stall_cycles(), u64::MAX);
        assert_eq!(summary.memory.read.bytes, u64::MAX);
    }

    #[test]
    fn the_text_of_the_first_level_alone() {
        let summary = Summary::new(&core((1000, 100), (4000, 10)), &first_level()).unwrap();
        insta::assert_snapshot!(summary, @r"
        summary, misses, MPKI, hit rate, global hit rate
        L1d     100               25.0000     90.0000%     90.0000%
        L1i     10                 2.5000     99.7500%     99.7500%

        memory, bytes, bytes per instruction
        read    7040               1.7600
        written -                       -

        estimate without overlap or prefetching, cycles
        per data access           23.6000
        per fetch                  4.4900
        stalls per instruction     5.3900
        stalls                 21560
        latencies              L1 4, memory 200
        ");
    }

    #[test]
    fn the_text_of_nothing() {
        insta::assert_snapshot!(Summary::new(&core((0, 0), (0, 0)), &first_level()).unwrap(), @r"
        summary, misses, MPKI, hit rate, global hit rate
        L1d     0                  0.0000            -            -
        L1i     0                  0.0000            -            -

        memory, bytes, bytes per instruction
        read    0                  0.0000
        written -                       -

        estimate without overlap or prefetching, cycles
        per data access                 -
        per fetch                       -
        stalls per instruction     0.0000
        stalls                     0
        latencies              L1 4, memory 200
        ");
    }

    #[test]
    fn the_text_of_the_sample() {
        let profile = sample::levels();
        let total = profile.cores.iter().map(|core| &core.counts).sum();
        insta::assert_snapshot!(Summary::new(&total, &profile.run.options).unwrap(), @r"
        summary, misses, MPKI, hit rate, global hit rate
        L1d     730              145.3894     55.7576%     55.7576%
        L1i     9                  1.7925     99.8208%     99.8208%
        L2      496               98.7851     32.8823%     92.5648%
        L3      124               24.6963     75.0000%     98.1412%

        memory, bytes, bytes per instruction
        read    7936               1.5806
        written 512                0.1020

        estimate without overlap or prefetching, cycles
        per data access           27.4909
        per fetch                  4.1753
        stalls per instruction     7.8948
        stalls                 39640
        latencies              L1 4, L2 12, L3 40, memory 200
        ");
    }

    #[test]
    fn the_text_keeps_to_80_columns() {
        let mut profile = sample::levels();
        profile.run.options.latencies = Latencies { l1: 10, l2: 100, l3: 100, memory: 1000 };
        let counts = CacheCounts { accesses: 10_u64.pow(13), misses: 10_u64.pow(13) - 1 };
        let total = CoreSnapshot {
            data: counts,
            fetch: counts,
            hierarchy: profile.cores[0].counts.hierarchy,
        };
        let text = Summary::new(&total, &profile.run.options).unwrap().to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}

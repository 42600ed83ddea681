//! The settings of the run.

use cachesim::config::{Directions, L2Kind, Level, Straddle, WriteHit, WriteMiss, Writes};
use cachesim::policy::PolicyKind;
use options::{Options, Output};
use serde::Serialize;
use source::Attribution;

use crate::Costs;

#[derive(Serialize)]
pub(super) struct Configuration {
    preset: Option<&'static str>,
    instruction_cache: CacheSettings,
    data_cache: CacheSettings,
    l2: Option<L2Settings>,
    l3: Option<L3Settings>,
    writes: Option<WriteSettings>,
    straddle: &'static str,
    rw: bool,
    summary: bool,
    latencies: Option<LatencySettings>,
    seed: u64,
    cores: u32,
    limit: usize,
    attribution: &'static str,
    output: String,
}

#[derive(Serialize)]
struct CacheSettings {
    size_bytes: u64,
    line_bytes: u64,
    ways: u32,
    sets: u64,
    policy: String,
}

#[derive(Serialize)]
struct L2Settings {
    #[serde(flatten)]
    cache: CacheSettings,
    split: bool,
    inclusion: &'static str,
}

#[derive(Serialize)]
struct L3Settings {
    #[serde(flatten)]
    cache: CacheSettings,
    inclusion: &'static str,
}

#[derive(Serialize)]
struct WriteSettings {
    hit: &'static str,
    miss: &'static str,
}

#[derive(Serialize)]
struct LatencySettings {
    l1: u32,
    l2: u32,
    l3: u32,
    memory: u32,
}

/// When a configuration has latencies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Latencies {
    /// Where the rows have costs.
    OfCosts,
    /// In any run: the comparison of machines has costs.
    Always,
}

impl Configuration {
    pub(super) fn of(options: &Options, wanted: Latencies) -> Self {
        // What is written beside the report says itself what it is.
        let Options { config, preset, latencies, limit, attribution, output, .. } = options;
        let options::Latencies { l1, l2, l3, memory } = *latencies;
        let has_latencies = wanted == Latencies::Always || Costs::of(options).is_some();
        let lower = config.lower();
        Self {
            preset: *preset,
            instruction_cache: CacheSettings::of(&config.icache()),
            data_cache: CacheSettings::of(&config.dcache()),
            l2: lower.map(|lower| L2Settings {
                cache: CacheSettings::of(&lower.l2),
                split: lower.l2_kind == L2Kind::Split,
                inclusion: lower.l2_inclusion.name(),
            }),
            l3: lower.and_then(|lower| {
                let cache = CacheSettings::of(&lower.l3?);
                Some(L3Settings { cache, inclusion: lower.l3_inclusion.name() })
            }),
            writes: config.writes().map(WriteSettings::of),
            straddle: match config.straddle() {
                Straddle::First => "first",
                Straddle::Split => "split",
            },
            rw: config.directions() == Directions::Apart,
            summary: options.wants_summary,
            latencies: has_latencies.then_some(LatencySettings { l1, l2, l3, memory }),
            seed: config.seed(),
            cores: config.cores().get(),
            limit: *limit,
            attribution: match attribution {
                Attribution::Own => "own",
                Attribution::Innermost => "innermost",
                Attribution::Outermost => "outermost",
            },
            output: match output {
                Output::Auto => "auto".to_owned(),
                Output::Log => "log".to_owned(),
                Output::Stderr => "stderr".to_owned(),
                Output::File(path) => path.to_string(),
            },
        }
    }
}

/// What a policy is called in JSON.
pub(super) fn policy_key(kind: PolicyKind) -> String {
    kind.title().to_lowercase()
}

impl CacheSettings {
    fn of(level: &Level) -> Self {
        let Level { geometry, policy } = level;
        Self {
            size_bytes: geometry.size_bytes(),
            line_bytes: geometry.line_bytes(),
            ways: geometry.ways(),
            sets: geometry.sets(),
            policy: policy_key(*policy),
        }
    }
}

impl WriteSettings {
    fn of(writes: Writes) -> Self {
        Self {
            hit: match writes.on_hit {
                WriteHit::Back => "back",
                WriteHit::Through => "through",
            },
            miss: match writes.on_miss {
                WriteMiss::Allocate => "allocate",
                WriteMiss::NoAllocate => "no-allocate",
            },
        }
    }
}

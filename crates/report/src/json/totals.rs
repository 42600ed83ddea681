//! What the cores have counted.

use cachesim::config::Config;
use options::Options;
use serde::Serialize;

use crate::settings::Lower;
use crate::{
    CacheCounts, CacheSummary, CoreProfile, CoreSnapshot, LowerCounts, MemoryTraffic, Summary,
};

#[derive(Serialize)]
pub(super) struct Core<'a> {
    #[serde(rename = "core")]
    number: usize,
    #[serde(flatten)]
    total: Total,
    #[serde(skip_serializing_if = "Option::is_none")]
    sets: Option<Sets<'a>>,
}

#[derive(Serialize)]
pub(super) struct Total {
    data: DataTotal,
    instruction: CacheTotal,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2: Option<LowerTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3: Option<LowerTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stores: Option<StoresTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<SummaryView>,
}

#[derive(Serialize)]
struct CacheTotal {
    accesses: u64,
    misses: u64,
    miss_rate: f64,
}

#[derive(Serialize)]
struct DataTotal {
    #[serde(flatten)]
    all: CacheTotal,
    #[serde(flatten)]
    directions: Option<Directions>,
}

#[derive(Serialize)]
struct Directions {
    reads: CacheTotal,
    writes: CacheTotal,
}

#[derive(Serialize)]
struct LowerTotal {
    #[serde(flatten)]
    all: CacheTotal,
    fetches: CacheTotal,
    #[serde(flatten)]
    directions: Directions,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<CacheTotal>,
}

#[derive(Serialize)]
struct StoresTotal {
    passed_on: u64,
    data_write_backs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2_write_backs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_write_backs: Option<u64>,
}

#[derive(Serialize)]
struct MemoryTotal {
    read_bytes: u64,
    written_bytes: Option<u64>,
}

#[derive(Serialize)]
struct SummaryView {
    data: CacheSummaryView,
    instruction: CacheSummaryView,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2: Option<CacheSummaryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3: Option<CacheSummaryView>,
    memory_read_bytes: u64,
    memory_read_bytes_per_instruction: f64,
    memory_written_bytes: Option<u64>,
    memory_written_bytes_per_instruction: Option<f64>,
    cycles_per_data_access: Option<f64>,
    cycles_per_fetch: Option<f64>,
    stall_cycles: u64,
    stall_cycles_per_instruction: f64,
}

#[derive(Serialize)]
struct CacheSummaryView {
    mpki: f64,
    hit_rate: Option<f64>,
    global_hit_rate: Option<f64>,
}

#[derive(Serialize)]
struct Sets<'a> {
    data_misses: &'a [u64],
    fetch_misses: &'a [u64],
}

impl<'a> Core<'a> {
    pub(super) fn of((number, profile): (usize, &'a CoreProfile), options: &Options) -> Self {
        Self {
            number,
            total: Total::of(&profile.counts, options),
            sets: profile
                .sets
                .as_ref()
                .map(|sets| Sets { data_misses: &sets.data, fetch_misses: &sets.fetch }),
        }
    }
}

impl Total {
    pub(super) fn of(counts: &CoreSnapshot, options: &Options) -> Self {
        let config = &options.config;
        let levels = Lower::of(config);
        let find = |wanted| levels.clone().find(|level| *level == wanted);
        let lower = |wanted| find(wanted).map(|level| LowerTotal::of(level.counts(counts), config));
        let write_backs = |wanted| find(wanted).map(|level| level.write_backs(counts));
        let stores = counts.hierarchy.filter(|_| config.writes().is_some());
        Self {
            data: DataTotal {
                all: CacheTotal::of(counts.data),
                directions: counts.hierarchy.filter(|_| config.tells_stores()).map(|hierarchy| {
                    Directions {
                        reads: CacheTotal::of(counts.loads()),
                        writes: CacheTotal::of(hierarchy.stores),
                    }
                }),
            },
            instruction: CacheTotal::of(counts.fetch),
            l2: lower(Lower::L2),
            l3: lower(Lower::L3),
            stores: stores.map(|hierarchy| StoresTotal {
                passed_on: hierarchy.passed_stores,
                data_write_backs: hierarchy.write_backs[0],
                l2_write_backs: write_backs(Lower::L2),
                l3_write_backs: write_backs(Lower::L3),
            }),
            memory: counts.hierarchy.map(|hierarchy| MemoryTotal {
                read_bytes: hierarchy.memory_read_bytes,
                written_bytes: config.writes().map(|_| hierarchy.memory_written_bytes),
            }),
            summary: Summary::new(counts, options).as_ref().map(SummaryView::of),
        }
    }
}

impl CacheTotal {
    fn of(counts: CacheCounts) -> Self {
        Self { accesses: counts.accesses, misses: counts.misses, miss_rate: counts.miss_rate() }
    }
}

impl LowerTotal {
    fn of(counts: LowerCounts, config: &Config) -> Self {
        Self {
            all: CacheTotal::of(counts.total()),
            fetches: CacheTotal::of(counts.fetch),
            directions: Directions {
                reads: CacheTotal::of(counts.read),
                writes: CacheTotal::of(counts.write),
            },
            written: config.writes().map(|_| CacheTotal::of(counts.write_back)),
        }
    }
}

impl SummaryView {
    fn of(summary: &Summary) -> Self {
        let MemoryTraffic { read, written } = summary.memory;
        Self {
            data: CacheSummaryView::of(&summary.data),
            instruction: CacheSummaryView::of(&summary.fetch),
            l2: summary.l2.as_ref().map(CacheSummaryView::of),
            l3: summary.l3.as_ref().map(CacheSummaryView::of),
            memory_read_bytes: read.bytes,
            memory_read_bytes_per_instruction: read.per_instruction,
            memory_written_bytes: written.map(|written| written.bytes),
            memory_written_bytes_per_instruction: written.map(|written| written.per_instruction),
            cycles_per_data_access: summary.data_time.average(),
            cycles_per_fetch: summary.fetch_time.average(),
            stall_cycles: summary.stall_cycles(),
            stall_cycles_per_instruction: summary.stall_cycles_per_instruction(),
        }
    }
}

impl CacheSummaryView {
    fn of(cache: &CacheSummary) -> Self {
        let CacheSummary { mpki, hit_rate, global_hit_rate, .. } = *cache;
        Self { mpki, hit_rate, global_hit_rate }
    }
}

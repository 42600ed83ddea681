//! The machines of a run side by side.

use serde::Serialize;

use crate::{CacheRow, Comparison, MachineRow};

/// One machine.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    name: &'a str,
    data: Option<CacheView>,
    instruction: Option<CacheView>,
    l2: Option<CacheView>,
    l3: Option<CacheView>,
    memory_read_bytes: u64,
    memory_written_bytes: Option<u64>,
    stall_cycles: u64,
    stall_cycles_per_instruction: f64,
    best: bool,
}

#[derive(Serialize)]
struct CacheView {
    size_bytes: u64,
    ways: u32,
    misses: u64,
    miss_rate: f64,
    mpki: f64,
}

/// The rows of `comparison`, in its order.
pub(super) fn rows(comparison: &Comparison) -> Vec<Row<'_>> {
    comparison.machines.iter().map(Row::of).collect()
}

impl<'a> Row<'a> {
    fn of(machine: &'a MachineRow) -> Self {
        let [data, instruction, l2, l3] =
            machine.caches.each_ref().map(|cache| cache.as_ref().map(CacheView::of));
        Self {
            name: &machine.name,
            data,
            instruction,
            l2,
            l3,
            memory_read_bytes: machine.memory.read.bytes,
            memory_written_bytes: machine.memory.written.map(|written| written.bytes),
            stall_cycles: machine.stall_cycles,
            stall_cycles_per_instruction: machine.stall_cycles_per_instruction,
            best: machine.is_best,
        }
    }
}

impl CacheView {
    fn of(cache: &CacheRow) -> Self {
        let (geometry, summary) = (cache.level.geometry, cache.summary);
        Self {
            size_bytes: geometry.size_bytes(),
            ways: geometry.ways(),
            misses: summary.counts.misses,
            miss_rate: summary.counts.miss_rate(),
            mpki: summary.mpki,
        }
    }
}

//! The numbers that are told first of a machine.

use super::format::{Count, Percent, misses};
use crate::settings::Lower;
use crate::{CacheCounts, CoreSnapshot};

/// A number that matters.
pub(super) struct Tile {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) is_rate: bool,
}

/// Of a machine with these levels beyond the first, whose cores have counted `totals` together.
pub(super) fn tiles(totals: &CoreSnapshot, levels: &[Lower]) -> Vec<Tile> {
    let CoreSnapshot { data, fetch, .. } = *totals;
    let rate = |name: &str, cache: CacheCounts| Tile {
        label: format!("{name} miss rate"),
        value: Percent::new(cache.misses, cache.accesses).to_string(),
        note: format!("{}, {}", misses(cache.misses), per_thousand(cache.misses, fetch.accesses)),
        is_rate: true,
    };
    let count = |label: &str, count: u64, note: &str| Tile {
        label: label.to_owned(),
        value: Count::from(count).to_string(),
        note: note.to_owned(),
        is_rate: false,
    };
    let lower = levels.iter().map(|level| rate(level.name(), level.counts(totals).total()));
    let mut tiles = vec![rate("Data", data), rate("Fetch", fetch)];
    tiles.extend(lower);
    tiles.push(count("Data accesses", data.accesses, "loads and stores"));
    tiles.push(count("Instructions", fetch.accesses, "each is one fetch"));
    tiles
}

/// Misses per thousand instructions.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn per_thousand(misses: u64, instructions: u64) -> String {
    let rate = if instructions == 0 { 0.0 } else { misses as f64 / instructions as f64 * 1000.0 };
    if misses > 0 && rate < 0.005 { "<0.01 MPKI".to_owned() } else { format!("{rate:.2} MPKI") }
}

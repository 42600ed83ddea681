//! The machines that a run compares with its own: side by side, and what each has counted.

use super::configuration::{Cache, caches, settings_of};
use super::format::{Count, Percent, clean, level};
use super::lists::{Hot, Hottest, Instructions, instructions};
use super::sets::{SetMaps, set_maps};
use super::source::Sources;
use super::tiles::{Tile, tiles};
use super::weight::Weight;
use super::{Limits, MAX_MACHINES};
use crate::settings::Lower;
use crate::{CACHES, Comparison, CoreSnapshot, MachineRow, Profile, by_function, by_line};

/// The machines side by side.
pub(super) struct ComparisonView {
    /// How many there are.
    pub(super) number: usize,
    /// The caches that any of them has.
    pub(super) caches: Vec<&'static str>,
    pub(super) rows: Vec<ComparisonRow>,
    /// How many are shown, if not all.
    pub(super) left_out: Option<String>,
}

/// One machine.
pub(super) struct ComparisonRow {
    pub(super) name: String,
    /// The id of what it has counted; `None` for the run's own.
    pub(super) target: Option<String>,
    pub(super) is_best: bool,
    pub(super) latencies: String,
    /// A cell for each column; `None` where there is nothing to say.
    pub(super) cells: Vec<Option<Cell>>,
}

/// A number with its bar, as long as it is beside the others of its column.
pub(super) struct Cell {
    pub(super) value: String,
    /// In percent; `None` without a bar.
    pub(super) width: Option<u8>,
    pub(super) details: Option<String>,
}

/// What a machine has counted.
pub(super) struct MachinePart {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tiles: Vec<Tile>,
    /// The names of the levels beyond the first.
    pub(super) levels: Vec<&'static str>,
    pub(super) hottest: [Hottest; 2],
    pub(super) instructions: Instructions,
    pub(super) sets: Vec<SetMaps>,
    pub(super) caches: Vec<Cache>,
    pub(super) settings: String,
}

/// The id of what the machine of this index among those that are compared has counted.
fn machine_id(index: usize) -> String {
    format!("machine-{}", index + 1)
}

impl ComparisonView {
    /// `None` if nothing is compared.
    pub(super) fn of(profile: &Profile) -> Option<Self> {
        let Comparison { machines } = Comparison::of_profile(profile)?;
        let all = machines.len();
        let shown = &machines[..all.min(1 + MAX_MACHINES)];
        let columns: Vec<usize> = (0..CACHES.len())
            .filter(|cache| shown.iter().any(|machine| machine.caches[*cache].is_some()))
            .collect();
        let left_out = (shown.len() < all).then(|| {
            format!("The first {} of {all} machines; the JSON report has all.", shown.len())
        });
        Some(Self {
            number: all,
            caches: columns.iter().map(|cache| CACHES[*cache]).collect(),
            rows: shown
                .iter()
                .enumerate()
                .map(|(index, machine)| ComparisonRow::new(index, machine, shown, &columns))
                .collect(),
            left_out,
        })
    }
}

impl ComparisonRow {
    /// Of `machine`, the one of this index in `all`. `columns`: which of its caches are shown.
    fn new(index: usize, machine: &MachineRow, all: &[MachineRow], columns: &[usize]) -> Self {
        let cell = |of: &dyn Fn(&MachineRow) -> Option<u64>, value: String, details| {
            let most = all.iter().filter_map(of).max().unwrap_or(0);
            let width = Some(level(of(machine)?, most, 100));
            Some(Cell { value, width, details })
        };
        let count = |of: &dyn Fn(&MachineRow) -> Option<u64>| {
            cell(of, Count(of(machine)).to_string(), None)
        };
        let stalls = Count::from(machine.stall_cycles).to_string();
        let mut cells = vec![
            cell(
                &|machine| Some(machine.stall_cycles),
                decimals(machine.stall_cycles_per_instruction),
                None,
            ),
            Some(Cell { value: stalls, width: None, details: None }),
        ];
        cells.extend(columns.iter().map(|column| {
            let cache = machine.caches[*column]?;
            let counts = cache.summary.counts;
            let rate = Percent::new(counts.misses, counts.accesses);
            let misses = |machine: &MachineRow| {
                machine.caches[*column].map(|cache| cache.summary.counts.misses)
            };
            let details = format!("{rate} · {}", cache.shape());
            cell(&misses, decimals(cache.summary.mpki), Some(details))
        }));
        cells.push(count(&|machine| Some(machine.memory.read.bytes)));
        cells.push(count(&|machine| Some(machine.memory.written?.bytes)));
        let latencies: Vec<_> =
            machine.latencies_of_levels().map(|latency| latency.to_string()).collect();
        Self {
            name: clean(&machine.name),
            target: index.checked_sub(1).map(machine_id),
            is_best: machine.is_best,
            latencies: latencies.join(", "),
            cells,
        }
    }
}

/// Two decimals; what is not nothing does not seem to be.
fn decimals(number: f64) -> String {
    if number > 0.0 && number < 0.005 { "<0.01".to_owned() } else { format!("{number:.2}") }
}

/// What each machine that the run compares has counted, in lists of the most rows that is said beside them.
pub(super) fn machine_parts(profile: &Profile) -> (Vec<MachinePart>, usize) {
    let limits = Limits::of_each(profile.compared.len().min(MAX_MACHINES));
    let names = profile.run.options.compared.iter().map(|machine| &machine.name);
    let machines = names.zip(&profile.compared).take(MAX_MACHINES).enumerate();
    let parts =
        machines.map(|(index, (name, machine))| MachinePart::new(index, name, machine, limits));
    (parts.collect(), limits.rows)
}

impl MachinePart {
    fn new(index: usize, name: &str, machine: &Profile, limits: Limits) -> Self {
        let config = &machine.run.options.config;
        let levels: Vec<Lower> = Lower::of(config).collect();
        let totals: CoreSnapshot = machine.cores.iter().map(|core| &core.counts).sum();
        let (functions, lines) = (by_function(machine), by_line(machine));
        let weight = Weight::new(&machine.run.options);
        // The lines of its lists may not be among those of the source that is shown.
        let no_sources = Sources::default();
        Self {
            id: machine_id(index),
            name: clean(name),
            tiles: tiles(&totals, &levels),
            levels: levels.iter().map(|level| level.name()).collect(),
            hottest: Hot::new(&functions, &lines, weight, limits).of(&totals, &levels, &no_sources),
            instructions: instructions(machine, &levels, weight, limits),
            sets: set_maps(machine, limits),
            caches: caches(config),
            settings: settings_of(&machine.run),
        }
    }
}

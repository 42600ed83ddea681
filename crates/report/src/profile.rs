//! What every instruction of a run has counted and where it is in the source, as plain data.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;

use cachesim::instructions::Code;
use cachesim::profile::Executed;
use options::{Detail, GuestMode, Options};
use source::{Function, Location, SourceLine};

use crate::CoreSnapshot;
use crate::snapshot::add_options;

/// All that the formats tell of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What ran, where, with which settings.
    pub run: RunDescription,
    /// The cores, in the order of their numbers, from 0.
    pub cores: Vec<CoreProfile>,
    /// How much is known of each instruction.
    pub detail: Detail,
    /// Instructions in the order of their virtual addresses, then of their bytes: with
    /// [`Detail::Full`] all that were executed, else those that missed.
    pub instructions: Vec<ProfiledInstruction>,
    /// What the machines that the run compares have counted, in the order of
    /// [`Options::compared`](options::Options::compared). Each is told as a run of its own, which compares nothing.
    pub compared: Vec<Self>,
}

/// What ran, where, with which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDescription {
    /// The version of libcache.
    pub version: Cow<'static, str>,
    /// The guest's architecture as QEMU calls it: `riscv64`, `x86_64`.
    pub target: String,
    /// A program or a machine.
    pub mode: GuestMode,
    /// The guest's vCPUs: those of a machine at the start; of a program the most threads that it had at once.
    pub vcpus: u32,
    /// The version of the plugin API that QEMU has.
    pub plugin_api: i32,
    /// QEMU's version, where it is known.
    pub qemu_version: Option<String>,
    /// QEMU's command line, from its name on. Any text.
    pub command: Vec<String>,
    /// QEMU's process id.
    pub process_id: u32,
    /// The settings.
    pub options: Options,
}

/// One core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreProfile {
    /// Its totals.
    pub counts: CoreSnapshot,
    /// The misses of each set, where they were counted.
    pub sets: Option<SetMisses>,
}

/// The misses of each set of a core's caches, by set index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMisses {
    /// Of the data cache.
    pub data: Vec<u64>,
    /// Of the instruction cache.
    pub fetch: Vec<u64>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfiledInstruction {
    /// Its virtual address.
    pub vaddr: u64,
    /// Its address in the ELF file, as that was linked, if it is from one and that is known.
    pub object_address: Option<u64>,
    /// Its bytes.
    pub code: Code,
    /// As text. Any text: the guest wrote the bytes behind it.
    pub disassembly: String,
    /// Where it comes from.
    pub location: Arc<Location>,
    /// What it did.
    pub counts: InstructionCounts,
}

/// What one instruction did, or several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstructionCounts {
    /// Fetches that missed the instruction cache.
    pub fetch_misses: u64,
    /// Loads and stores that missed the data cache.
    pub data_misses: u64,
    /// Of these, those that missed the levels beyond, in a run that has any.
    pub lower: Option<LowerMisses>,
    /// The rest, with [`Detail::Full`]. Of the data misses, those of loads are the others.
    pub executed: Option<Executed>,
}

/// Misses of the levels beyond the first; those of a level that there is not are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LowerMisses {
    /// Of the second level.
    pub l2: MissesByKind,
    /// Of the third level.
    pub l3: MissesByKind,
}

/// Misses by what missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MissesByKind {
    /// Fetches.
    pub fetch: u64,
    /// Loads.
    pub read: u64,
    /// Stores.
    pub write: u64,
}

impl MissesByKind {
    /// All.
    pub fn total(self) -> u64 {
        self.fetch.saturating_add(self.data())
    }

    /// Loads and stores.
    pub fn data(self) -> u64 {
        self.read.saturating_add(self.write)
    }
}

impl Add for MissesByKind {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            fetch: self.fetch.saturating_add(other.fetch),
            read: self.read.saturating_add(other.read),
            write: self.write.saturating_add(other.write),
        }
    }
}

impl Add for LowerMisses {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { l2: self.l2 + other.l2, l3: self.l3 + other.l3 }
    }
}

impl InstructionCounts {
    /// Loads that missed, where they were counted apart.
    pub fn read_misses(&self) -> Option<u64> {
        Some(self.data_misses.saturating_sub(self.executed?.write_misses))
    }

    /// Fetch misses and data misses together.
    pub fn misses(&self) -> u64 {
        self.fetch_misses.saturating_add(self.data_misses)
    }
}

impl Add for InstructionCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            fetch_misses: self.fetch_misses.saturating_add(other.fetch_misses),
            data_misses: self.data_misses.saturating_add(other.data_misses),
            lower: add_options(self.lower, other.lower),
            executed: add_options(self.executed, other.executed),
        }
    }
}

impl Sum for InstructionCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// The sum of one function's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRow {
    /// The function.
    pub function: Function,
    /// The file of its first instruction that has one.
    pub file: Option<Arc<str>>,
    /// What its own instructions did, without the functions it calls and those inlined into it.
    pub counts: InstructionCounts,
}

/// The sum of one line's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// The line.
    pub line: SourceLine,
    /// What its instructions did.
    pub counts: InstructionCounts,
}

/// The counts by function, in the order of functions, as the run attributes code to them.
pub fn by_function(profile: &Profile) -> Vec<FunctionRow> {
    let attribution = profile.run.options.attribution;
    let mut files = HashMap::new();
    for location in locations(profile) {
        let frame = location.frame(attribution);
        if let Some(file) = frame.and_then(|frame| frame.file.as_ref()) {
            files.entry(location.function(attribution)).or_insert_with(|| Arc::clone(file));
        }
    }
    let sums = sum_by(profile, |location| location.function(attribution));
    sums.into_iter()
        .map(|(function, counts)| FunctionRow { file: files.remove(&function), function, counts })
        .collect()
}

/// The counts by line, in the order of lines, as the run attributes code to them.
pub fn by_line(profile: &Profile) -> Vec<LineRow> {
    let attribution = profile.run.options.attribution;
    let sums = sum_by(profile, |location| location.source_line(attribution));
    sums.into_iter().map(|(line, counts)| LineRow { line, counts }).collect()
}

/// The locations, in the order of instructions, but for neighbours of the same.
fn locations(profile: &Profile) -> impl Iterator<Item = &Location> {
    let instructions = profile.instructions.chunk_by(is_same_place);
    instructions.filter_map(|same| same.first()).map(|first| &*first.location)
}

fn is_same_place(one: &ProfiledInstruction, other: &ProfiledInstruction) -> bool {
    Arc::ptr_eq(&one.location, &other.location)
}

fn sum_by<K: Hash + Ord>(
    profile: &Profile,
    key: impl Fn(&Location) -> K,
) -> Vec<(K, InstructionCounts)> {
    let mut sums: HashMap<K, InstructionCounts> = HashMap::new();
    // Neighbours mostly share their location, and to find out what it counts for takes its time.
    for same in profile.instructions.chunk_by(is_same_place) {
        let sum = sums.entry(key(&same[0].location)).or_default();
        *sum = *sum + same.iter().map(|one| one.counts).sum();
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn total(profile: &Profile) -> InstructionCounts {
        profile.instructions.iter().map(|instruction| instruction.counts).sum()
    }

    #[test]
    fn functions_and_lines_add_up_to_the_cores() {
        let profile = sample::profile();
        let cores: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let functions = by_function(&profile).into_iter().map(|row| row.counts).sum();
        let lines = by_line(&profile).into_iter().map(|row| row.counts).sum();
        for sum in [total(&profile), functions, lines] {
            let executed = sum.executed.unwrap();
            assert_eq!(executed.executions, cores.fetch.accesses);
            assert_eq!(executed.reads + executed.writes, cores.data.accesses);
            assert_eq!(sum.data_misses, cores.data.misses);
            assert_eq!(sum.fetch_misses, cores.fetch.misses);
        }
    }

    #[test]
    fn an_inlined_function_is_a_row_apart_from_the_one_it_is_in() {
        let rows = by_function(&sample::profile());
        let row = |name: &str| {
            rows.iter().find(|row| row.function.name.as_deref() == Some(name)).unwrap()
        };
        let inlined = row("dot<T>");
        assert_eq!(inlined.function.inlined_into.as_deref(), Some("column_order"));
        assert_eq!(inlined.file.as_deref(), Some("/src/dot.h"));
        assert_eq!(inlined.counts.data_misses, 500);
        assert_eq!(row("column_order").function.inlined_into, None);
        assert_eq!(row("column_order").counts.data_misses, 100);
    }

    #[test]
    fn load_misses_are_known_with_all_counts_only() {
        let counts = InstructionCounts { data_misses: 5, ..InstructionCounts::default() };
        assert_eq!(counts.read_misses(), None);
        let executed = Some(Executed { write_misses: 2, ..Executed::default() });
        assert_eq!(InstructionCounts { executed, ..counts }.read_misses(), Some(3));
    }
}

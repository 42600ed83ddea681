//! What instructions do beside missing, counted for those who ask (`profile=on`).
//!
//! Executions are counted by *segment*: a row of instructions that are executed together or not at all.
//! Those of a segment that follows a memory access are the completions of that access, so they take no
//! counting of their own. The sums by instruction are made when somebody reads them.
//!
//! A count is raised at every execution, so it must not be shared by vCPUs that run the same code: each
//! has a [`VcpuCounters`] for its part. While there is only one, the count in the record itself does.

use std::collections::HashMap;
use std::ops::Add;
use std::ptr;
use std::sync::OnceLock;

use crate::instructions::{Instruction, LineRun};
use crate::stats::Counter;

/// What an instruction did, beside missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Executed {
    /// Executions, which are fetches.
    pub executions: u64,
    /// Data accesses that load.
    pub reads: u64,
    /// Data accesses that store.
    pub writes: u64,
    /// Stores that missed.
    pub write_misses: u64,
}

/// Saturates: a report never panics, and no run counts to 2⁶⁴.
impl Add for Executed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            executions: self.executions.saturating_add(other.executions),
            reads: self.reads.saturating_add(other.reads),
            writes: self.writes.saturating_add(other.writes),
            write_misses: self.write_misses.saturating_add(other.write_misses),
        }
    }
}

/// What a memory access was, to who counts it by instruction. The lowest bit says store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Effect {
    /// A load that the data cache sees.
    Load = 0,
    /// A store that the data cache sees.
    Store = 1,
    /// A load from a device.
    DeviceLoad = 2,
    /// A store to a device.
    DeviceStore = 3,
    /// What a load does in further lines, where these are accesses of their own.
    LoadNextLine = 4,
    /// What a store does there.
    StoreNextLine = 5,
}

impl Effect {
    const ALL: usize = 6;

    /// Whether it stores.
    #[inline(always)]
    pub fn is_store(self) -> bool {
        self as u8 & 1 != 0
    }

    /// The same of a device.
    #[inline(always)]
    #[must_use]
    pub fn on_device(self) -> Self {
        if self.is_store() { Self::DeviceStore } else { Self::DeviceLoad }
    }

    /// The same in a further line.
    #[inline(always)]
    #[must_use]
    pub fn in_next_line(self) -> Self {
        if self.is_store() { Self::StoreNextLine } else { Self::LoadNextLine }
    }
}

/// Which accesses of an instruction the fetches of the next segment follow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Completing {
    /// Every one: the instruction makes one access, or none follows.
    AnyAccess,
    /// The store of a load and a store.
    Store,
}

/// One vCPU's part of all counts, by their numbers. It takes memory for what it has counted only.
#[derive(Debug, Default)]
pub struct VcpuCounters {
    root: OnceLock<Directory<Directory<Box<[Counter]>>>>,
}

type Directory<T> = Box<[OnceLock<T>]>;

/// Binary logarithms of the entries of the leaves of a vCPU's counters and of the directories between.
const LEAF_BITS: u32 = 10;
const BRANCH_BITS: u32 = 10;
const ROOT_BITS: u32 = u32::BITS - LEAF_BITS - BRANCH_BITS;

fn directory<T>(bits: u32) -> Directory<T> {
    (0..1 << bits).map(|_| OnceLock::new()).collect()
}

impl VcpuCounters {
    /// The counter of this number. Whoever adds to it is their vCPU.
    #[inline(always)]
    fn counter(&self, number: u32) -> &Counter {
        let part = |shift: u32, bits: u32| (number >> shift) as usize & ((1 << bits) - 1);
        let root = self.root.get_or_init(|| directory(ROOT_BITS));
        let branch =
            root[part(LEAF_BITS + BRANCH_BITS, ROOT_BITS)].get_or_init(|| directory(BRANCH_BITS));
        let leaf = branch[part(LEAF_BITS, BRANCH_BITS)]
            .get_or_init(|| (0..1 << LEAF_BITS).map(|_| Counter::default()).collect());
        &leaf[part(0, LEAF_BITS)]
    }

    /// Adds the counts to `sums`, by their numbers; higher ones are left out.
    fn add_to(&self, sums: &mut [u64]) {
        let Some(root) = self.root.get() else { return };
        let leaves = root.iter().enumerate().flat_map(|(high, branch)| {
            let leaves = branch.get().into_iter().flat_map(|branch| branch.iter().enumerate());
            leaves.map(move |(low, leaf)| ((high << BRANCH_BITS | low) << LEAF_BITS, leaf))
        });
        for (first, leaf) in leaves {
            let (Some(leaf), Some(sums)) = (leaf.get(), sums.get_mut(first..)) else { continue };
            for (sum, count) in sums.iter_mut().zip(leaf) {
                *sum += count.get();
            }
        }
    }
}

/// Who raises a count.
#[derive(Clone, Copy, Debug)]
pub enum CountedBy<'a> {
    /// The only vCPU there is.
    Alone,
    /// One of several.
    OneOf(&'a VcpuCounters),
}

/// `N` counts.
#[derive(Debug)]
struct Tally<const N: usize> {
    alone: [Counter; N],
    /// The number of the first among the vCPUs' counters.
    number: u32,
}

impl<const N: usize> Tally<N> {
    #[inline(always)]
    fn add_one(&self, index: usize, by: CountedBy<'_>) {
        match by {
            CountedBy::Alone => _ = self.alone[index].add(1),
            #[expect(clippy::cast_possible_truncation, reason = "below N, which is small")]
            CountedBy::OneOf(counters) => _ = counters.counter(self.number + index as u32).add(1),
        }
    }

    /// With what the vCPUs counted, by number.
    fn get(&self, vcpus: &[u64]) -> [u64; N] {
        std::array::from_fn(|index| {
            self.alone[index].get() + vcpus.get(self.number as usize + index).unwrap_or(&0)
        })
    }
}

/// Instructions that are executed together or not at all.
#[derive(Debug)]
pub struct Segment {
    instructions: Box<[&'static Instruction]>,
    executions: Tally<1>,
}

impl Segment {
    /// How many instructions it has.
    #[inline(always)]
    pub fn fetches(&self) -> u64 {
        self.instructions.len() as u64
    }

    /// Counts an execution that neither an access nor a run stands for.
    #[inline(always)]
    pub fn count(&self, by: CountedBy<'_>) {
        self.executions.add_one(0, by);
    }
}

/// A run, and the segment that it begins with.
#[derive(Debug)]
pub struct ProfiledLineRun {
    /// The run, of as many fetches as the segment has instructions.
    pub run: LineRun,
    segment: &'static Segment,
    executions: Tally<1>,
}

impl ProfiledLineRun {
    /// Counts an execution.
    #[inline(always)]
    pub fn count(&self, by: CountedBy<'_>) {
        self.executions.add_one(0, by);
    }
}

/// An instruction that accesses memory, and the segment that follows its access.
#[derive(Debug)]
pub struct ProfiledAccess {
    /// The instruction.
    pub instruction: &'static Instruction,
    /// How many fetches follow it, of a load and of a store.
    fetches: [u64; 2],
    /// By [`Effect`].
    accesses: Tally<{ Effect::ALL }>,
    then: Option<&'static Segment>,
    completing: Completing,
}

impl ProfiledAccess {
    /// Counts an access.
    #[inline(always)]
    pub fn count(&self, effect: Effect, by: CountedBy<'_>) {
        self.accesses.add_one(effect as usize, by);
    }

    /// How many fetches follow it.
    #[inline(always)]
    pub fn fetches(&self, effect: Effect) -> u64 {
        match effect {
            Effect::LoadNextLine | Effect::StoreNextLine => 0,
            _ => self.fetches[usize::from(effect.is_store())],
        }
    }
}

/// All segments, runs and accesses of a run of QEMU. They are never freed: translated code holds their
/// addresses.
#[derive(Debug, Default)]
pub struct ProfileTable {
    /// By the addresses of their instructions.
    segments: HashMap<Box<[usize]>, &'static Segment>,
    /// By the addresses of run and segment.
    runs: HashMap<[usize; 2], &'static ProfiledLineRun>,
    /// By the addresses of instruction and segment.
    accesses: HashMap<(usize, Option<usize>, Completing), &'static ProfiledAccess>,
    /// How many counts the vCPUs have.
    numbers: u32,
}

/// What identifies a record: those here never move.
fn address<T>(record: &'static T) -> usize {
    ptr::from_ref(record).addr()
}

fn leak<T>(record: T) -> &'static T {
    Box::leak(Box::new(record))
}

/// The next `N` counts of all.
///
/// # Panics
/// At the 2³²th, which no host has the memory for.
fn tally<const N: usize>(numbers: &mut u32) -> Tally<N> {
    let number = *numbers;
    let used = u32::try_from(N).ok().and_then(|n| number.checked_add(n));
    *numbers = used.expect("fewer than 2³² counts");
    Tally { alone: std::array::from_fn(|_| Counter::default()), number }
}

impl ProfileTable {
    /// The segment of these instructions.
    pub fn segment(
        &mut self,
        instructions: impl Iterator<Item = &'static Instruction> + Clone,
    ) -> &'static Segment {
        let key: Box<[usize]> = instructions.clone().map(address).collect();
        let numbers = &mut self.numbers;
        self.segments.entry(key).or_insert_with(|| {
            leak(Segment { instructions: instructions.collect(), executions: tally(numbers) })
        })
    }

    /// `run`, whose fetches are those of `segment`.
    pub fn run(
        &mut self,
        run: &'static LineRun,
        segment: &'static Segment,
    ) -> &'static ProfiledLineRun {
        let key = [address(run), address(segment)];
        let numbers = &mut self.numbers;
        self.runs.entry(key).or_insert_with(|| {
            leak(ProfiledLineRun { run: *run, segment, executions: tally(numbers) })
        })
    }

    /// An access of `instruction`, which `then` follows if it completes.
    pub fn access(
        &mut self,
        instruction: &'static Instruction,
        then: Option<&'static Segment>,
        completing: Completing,
    ) -> &'static ProfiledAccess {
        let key = (address(instruction), then.map(address), completing);
        let numbers = &mut self.numbers;
        self.accesses.entry(key).or_insert_with(|| {
            let fetches = then.map_or(0, Segment::fetches);
            leak(ProfiledAccess {
                instruction,
                fetches: match completing {
                    Completing::AnyAccess => [fetches; 2],
                    Completing::Store => [0, fetches],
                },
                accesses: tally(numbers),
                then,
                completing,
            })
        })
    }

    /// What each instruction did, by its address, as far as `vcpu_counters` and the records know it: all but
    /// what missed.
    pub fn executed<'a>(
        &self,
        vcpu_counters: impl IntoIterator<Item = &'a VcpuCounters>,
    ) -> HashMap<*const Instruction, Executed> {
        let mut vcpus = vec![0; self.numbers as usize];
        vcpu_counters.into_iter().for_each(|vcpu_counters| vcpu_counters.add_to(&mut vcpus));
        let mut sums: HashMap<*const Instruction, Executed> = HashMap::new();
        let mut executions: HashMap<usize, u64> = HashMap::new();
        for access in self.accesses.values() {
            let [reads, writes, device_loads, device_stores, read_rests, write_rests] =
                access.accesses.get(&vcpus);
            let stores = writes + device_stores;
            if let Some(then) = access.then {
                *executions.entry(address(then)).or_default() += match access.completing {
                    Completing::AnyAccess => reads + device_loads + stores,
                    Completing::Store => stores,
                };
            }
            let sum = sums.entry(ptr::from_ref(access.instruction)).or_default();
            let (reads, writes) = (reads + read_rests, writes + write_rests);
            *sum = *sum + Executed { reads, writes, ..Executed::default() };
        }
        for run in self.runs.values() {
            let [count] = run.executions.get(&vcpus);
            *executions.entry(address(run.segment)).or_default() += count;
        }
        for &segment in self.segments.values() {
            let [own] = segment.executions.get(&vcpus);
            let counted_elsewhere = executions.get(&address(segment)).copied().unwrap_or_default();
            for &instruction in &segment.instructions {
                let sum = sums.entry(instruction).or_default();
                sum.executions += own + counted_elsewhere;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::LineAddr;
    use crate::config::Config;
    use crate::instructions::{Code, Description, Identity, InstructionTable, SymbolId};
    use crate::machines::Machines;

    fn instructions<const N: usize>() -> [&'static Instruction; N] {
        let mut table = InstructionTable::new(Machines::from(&Config::default()));
        std::array::from_fn(|index| {
            let vaddr = index as u64;
            let identity = Identity { fetch_address: vaddr, code: Code::new(&[0]) };
            let description = Description { vaddr, decoding: 0, symbol: SymbolId::NONE };
            table.get_or_insert(identity, |_| description)
        })
    }

    fn executed(
        table: &ProfileTable,
        vcpu_counters: &[&VcpuCounters],
        instruction: &'static Instruction,
    ) -> Executed {
        table
            .executed(vcpu_counters.iter().copied())
            .get(&ptr::from_ref(instruction))
            .copied()
            .unwrap_or_default()
    }

    #[test]
    fn a_segment_after_an_access_is_executed_as_often_as_the_access_completes() {
        let [load, add, branch] = instructions();
        let mut table = ProfileTable::default();
        let first = table.segment([load].into_iter());
        let second = table.segment([add, branch].into_iter());
        let access = table.access(load, Some(second), Completing::AnyAccess);
        for effect in [Effect::Load, Effect::Load, Effect::DeviceLoad] {
            first.count(CountedBy::Alone);
            access.count(effect, CountedBy::Alone);
            assert_eq!(access.fetches(effect), 2);
        }
        // A fourth time it faults.
        first.count(CountedBy::Alone);
        let of = |instruction| executed(&table, &[], instruction);
        let reads = Executed { executions: 4, reads: 2, ..Executed::default() };
        assert_eq!(of(load), reads);
        assert_eq!(of(add), Executed { executions: 3, ..Executed::default() });
        assert_eq!(of(branch), of(add));
    }

    #[test]
    fn of_a_load_and_a_store_the_store_completes() {
        let [exchange, next] = instructions();
        let mut table = ProfileTable::default();
        let then = table.segment([next].into_iter());
        let access = table.access(exchange, Some(then), Completing::Store);
        access.count(Effect::Load, CountedBy::Alone);
        assert_eq!(access.fetches(Effect::Load), 0);
        access.count(Effect::Store, CountedBy::Alone);
        assert_eq!(access.fetches(Effect::Store), 1);
        let expected = Executed { reads: 1, writes: 1, ..Executed::default() };
        assert_eq!(executed(&table, &[], exchange), expected);
        assert_eq!(executed(&table, &[], next).executions, 1);
    }

    #[test]
    fn what_each_vcpu_counts_adds_up() {
        let [first, second] = instructions();
        let mut table = ProfileTable::default();
        let segment = table.segment([first, second].into_iter());
        let (one, other) = (VcpuCounters::default(), VcpuCounters::default());
        segment.count(CountedBy::Alone);
        segment.count(CountedBy::OneOf(&one));
        segment.count(CountedBy::OneOf(&other));
        segment.count(CountedBy::OneOf(&other));
        assert_eq!(executed(&table, &[&one, &other], second).executions, 4);
        assert_eq!(executed(&table, &[&other], first).executions, 3);
    }

    #[test]
    fn the_same_instructions_translated_again_have_the_same_records() {
        let [first, second] = instructions();
        let run = leak(LineRun { line: LineAddr::from_number(0), instruction: first, fetches: 1 });
        let mut table = ProfileTable::default();
        let mut records = || {
            let segment = table.segment([first, second].into_iter());
            let access = table.access(first, Some(segment), Completing::AnyAccess);
            (address(segment), address(access), address(table.run(run, segment)))
        };
        assert_eq!(records(), records());
    }

    #[test]
    fn a_segment_is_executed_as_often_as_the_runs_that_begin_with_it() {
        let [first, second] = instructions();
        let line = LineAddr::from_number(0);
        let run = leak(LineRun { line, instruction: first, fetches: 2 });
        let mut table = ProfileTable::default();
        let segment = table.segment([first, second].into_iter());
        let run = table.run(run, segment);
        run.count(CountedBy::Alone);
        segment.count(CountedBy::Alone);
        assert_eq!(run.run.fetches, segment.fetches());
        assert_eq!(executed(&table, &[], second).executions, 2);
    }

    #[test]
    fn a_bank_counts_wherever_the_number_is() {
        let vcpu_counters = VcpuCounters::default();
        // The last of a leaf and the first of the next one, of a branch likewise.
        let numbers: [usize; 5] = [0, 1023, 1024, 0xf_ffff, 0x10_0000];
        for number in numbers {
            vcpu_counters.counter(u32::try_from(number).unwrap()).add(2);
        }
        vcpu_counters.counter(u32::MAX).add(1);
        let mut sums = vec![1; numbers[numbers.len() - 1] + 1];
        vcpu_counters.add_to(&mut sums);
        let raised: Vec<_> = (0..).zip(&sums).filter(|&(_, &sum)| sum != 1).collect();
        let expected: Vec<(usize, &u64)> = numbers.iter().map(|&number| (number, &3)).collect();
        assert_eq!(raised, expected);
    }
}

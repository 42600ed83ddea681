//! What has been counted at one moment, taken while vCPUs may run on, for the reports.

pub mod locator;
pub mod reporter;

use std::collections::HashMap;
use std::ptr;

use cachesim::instructions::{Identity, Instruction, LowerCounters};
use machine::{PendingMisses, Simulator};
use options::{Detail, Options};
use report::{
    CoreProfile, Costs, Executed, InstructionCounts, LowerMisses, MissLists, MissRow, MissesByKind,
    Profile, ProfiledInstruction, Rank, RunDescription, Snapshot, top_by,
};

use crate::outcome::locator::Locator;
use crate::translate::Translator;

/// One reading of all counters, of which everything is made that a run writes.
pub struct Reading<'a> {
    /// The settings of the run.
    pub options: &'a Options,
    /// The instructions.
    pub translator: &'a Translator,
    cores: Vec<CoreProfile>,
    /// Of those instructions that missed (with [`Detail::Full`] of all), in the order in which they were first
    /// translated, but for those whose misses are all recorded only: they are at the end.
    misses: Vec<Misses>,
    /// In the same order; empty in a run that has no levels beyond the first.
    lower: Vec<LowerMisses>,
    /// What else instructions did, in a run that counts it.
    executed: Option<HashMap<*const Instruction, Executed>>,
}

/// Small: of a machine's instructions, hundreds of thousands miss.
struct Misses {
    instruction: &'static Instruction,
    data: u64,
    fetch: u64,
}

impl<'a> Reading<'a> {
    /// Reads what the cores and the instructions of a run with the settings `options` have counted.
    pub fn now(
        options: &'a Options,
        simulator: &'static dyn Simulator,
        translator: &'a Translator,
    ) -> Self {
        // Or instructions would lack what the cores are told to have.
        simulator.settle();
        let all = || translator.instructions().iter();
        // Of the others only a few are to be printed, but there may be millions.
        let is_needed =
            |data: u64, fetch: u64| options.detail == Detail::Full || data > 0 || fetch > 0;
        let needed =
            all().filter(|insn| is_needed(insn.data_misses.get(), insn.fetch_misses.get())).count();
        let mut reading = Self {
            options,
            translator,
            cores: Vec::new(),
            misses: Vec::with_capacity(needed),
            lower: Vec::with_capacity(if options.config.lower().is_some() { needed } else { 0 }),
            executed: None,
        };
        // Of vCPUs that run on, no instruction shall have more than the cores: so those come last.
        for instruction in all() {
            let Instruction { data_misses, fetch_misses, lower, .. } = instruction;
            // In this order: those of a level are among those of the one before it.
            let lower = lower.map(misses_of);
            let (data, fetch) = (data_misses.get(), fetch_misses.get());
            if is_needed(data, fetch) {
                reading.misses.push(Misses { instruction, data, fetch });
                reading.lower.extend(lower);
            }
        }
        reading.executed = translator.profile().map(|table| {
            let mut vcpu_counters = Vec::new();
            simulator.vcpu_counters(&mut |of_one| vcpu_counters.push(of_one));
            table.executed(vcpu_counters)
        });
        let counts = simulator.counts();
        reading.cores = counts.cores;
        let mut pending = counts.pending;
        if !pending.is_empty() {
            for index in 0..reading.misses.len() {
                let instruction = ptr::from_ref(reading.misses[index].instruction);
                if let Some(pending) = pending.remove(&instruction) {
                    reading.add(index, pending);
                }
            }
            for instruction in all() {
                if let Some(pending) = pending.remove(&ptr::from_ref(instruction)) {
                    reading.misses.push(Misses { instruction, data: 0, fetch: 0 });
                    reading.lower.extend(instruction.lower.map(|_| LowerMisses::default()));
                    reading.add(reading.misses.len() - 1, pending);
                }
            }
        }
        reading
    }

    /// Adds misses of accesses that are recorded only.
    fn add(&mut self, index: usize, pending: PendingMisses) {
        let misses = &mut self.misses[index];
        misses.data += pending.data;
        misses.fetch += pending.fetch;
        if let Some(lower) = self.lower.get_mut(index) {
            *lower = *lower + pending.lower;
        }
        if let Some(executed) = &mut self.executed {
            let executed = executed.entry(ptr::from_ref(misses.instruction)).or_default();
            executed.write_misses += pending.write;
        }
    }

    /// What the table has, with the texts of the rows that are printed.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            cores: self.cores.iter().map(|core| core.counts).collect(),
            lists: (self.options.limit > 0).then(|| self.lists()),
        }
    }

    /// The rows with the most misses.
    fn lists(&self) -> MissLists {
        let mut texts = self.translator.texts();
        let mut rows = |count: &dyn Fn(usize, &Misses) -> u64| -> Vec<MissRow> {
            let ranked = self.misses.iter().enumerate().map(|(index, counted)| {
                let instruction = counted.instruction;
                let Instruction { vaddr, identity: Identity { code, .. }, .. } = *instruction;
                (instruction, Rank { count: count(index, counted), vaddr, code })
            });
            let row = |(instruction, rank): (&'static Instruction, Rank)| MissRow {
                vaddr: rank.vaddr,
                symbol: self.translator.instructions().symbol(instruction.symbol).cloned(),
                count: rank.count,
                disassembly: texts.text(instruction),
            };
            top_by(ranked, self.options.limit, |&(_, rank)| rank).into_iter().map(row).collect()
        };
        let lower = self.options.config.lower();
        let costs = Costs::of_instructions(self.options);
        MissLists {
            stalls: costs
                .map(|costs| rows(&|index, misses| costs.total(&self.counts(index, misses)))),
            data: rows(&|_, misses| misses.data),
            fetch: rows(&|_, misses| misses.fetch),
            l2: lower.map(|_| rows(&|index, _| self.lower[index].l2.total())),
            l3: lower
                .and_then(|lower| lower.l3)
                .map(|_| rows(&|index, _| self.lower[index].l3.total())),
        }
    }

    /// Everything, with where the instructions come from. `run` says what ran.
    pub fn profile(&self, run: RunDescription, locator: &mut Locator<'_>) -> Profile {
        let mut texts = self.translator.texts();
        let is_blank = |counts: &InstructionCounts| {
            counts.misses() == 0 && counts.executed == Some(Executed::default())
        };
        let counted = self
            .misses
            .iter()
            .enumerate()
            .map(|(index, misses)| (misses.instruction, self.counts(index, misses)));
        let mut counted: Vec<_> = counted.filter(|(_, counts)| !is_blank(counts)).collect();
        counted.sort_by_key(|(instruction, _)| (instruction.vaddr, instruction.identity.code));
        let instructions = counted.into_iter().map(|(instruction, counts)| {
            let (location, object_address) = locator.of(instruction);
            ProfiledInstruction {
                vaddr: instruction.vaddr,
                object_address,
                code: instruction.identity.code,
                disassembly: texts.text(instruction),
                location,
                counts,
            }
        });
        let instructions = instructions.collect();
        Profile {
            run,
            cores: self.cores.clone(),
            detail: self.options.detail,
            instructions,
            compared: Vec::new(),
        }
    }

    /// All that the instruction at this index in the order has counted.
    fn counts(&self, index: usize, misses: &Misses) -> InstructionCounts {
        let executed = self.executed.as_ref().map(|executed| {
            executed.get(&ptr::from_ref(misses.instruction)).copied().unwrap_or_default()
        });
        InstructionCounts {
            fetch_misses: misses.fetch,
            data_misses: misses.data,
            lower: self.lower.get(index).copied(),
            executed,
        }
    }
}

fn misses_of(lower: &LowerCounters) -> LowerMisses {
    let of = |[fetch, read, write]: [u64; 3]| MissesByKind { fetch, read, write };
    let [l2, l3] = lower.get().map(of);
    LowerMisses { l2, l3 }
}

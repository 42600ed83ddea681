//! What has been counted at one moment, taken while vCPUs may run on, for the reports.

use std::collections::HashMap;
use std::ptr;

use cachesim::instructions::{Identity, Instruction};
use cachesim::options::{Config, Detail};
use cachesim::profile::Executed;
use report::{
    InstructionCounts, LowerMisses, MissLists, MissRow, MissesByKind, Profile, ProfiledInstruction,
    Rank, RunDescription, Snapshot, top_by,
};

use crate::instrument::Translator;
use crate::places::Places;
use crate::vcpu::{Counts, PendingMisses, Simulator};

/// What the reports are made from.
pub struct Sources<'a> {
    /// The settings of the run.
    pub config: &'a Config,
    /// The cores.
    pub simulator: &'static dyn Simulator,
    /// The instructions.
    pub translator: &'a Translator,
}

/// Misses of an instruction that have been simulated for good.
#[derive(Clone, Copy)]
struct Misses {
    instruction: &'static Instruction,
    data: u64,
    fetch: u64,
    /// Of what is beyond, in a run that has anything there.
    lower: Option<LowerMisses>,
}

impl Misses {
    fn now(instruction: &'static Instruction) -> Self {
        let Instruction { data_misses, fetch_misses, lower, .. } = instruction;
        // In this order: those of a level are among those of the one before it, while vCPUs run on.
        let lower = lower.map(|lower| {
            let of = |[fetch, read, write]: [u64; 3]| MissesByKind { fetch, read, write };
            let [l2, l3] = lower.get().map(of);
            LowerMisses { l2, l3 }
        });
        Self { instruction, data: data_misses.get(), fetch: fetch_misses.get(), lower }
    }
}

impl Sources<'_> {
    /// The counts of the table, with the texts of the rows that are printed.
    pub fn snapshot(&self) -> Snapshot {
        if self.config.limit == 0 {
            return Snapshot { cores: core_counts(&self.simulator.counts()), lists: None };
        }
        let counts = self.simulator.counts();
        let lists = self.lists(&counts, || self.misses_now());
        if self.simulator.counts() == counts {
            return Snapshot { cores: core_counts(&counts), lists: Some(lists) };
        }
        // vCPUs run on. No list shall have more misses than the core: so the lists' come first, all of
        // them at once.
        let misses: Vec<_> = self.misses_now().collect();
        let counts = self.simulator.counts();
        let lists = self.lists(&counts, || misses.iter().copied());
        Snapshot { cores: core_counts(&counts), lists: Some(lists) }
    }

    fn misses_now(&self) -> impl Iterator<Item = Misses> + '_ {
        self.translator.instructions().iter().map(Misses::now)
    }

    /// The rows with the most misses. `counted` gives all instructions with theirs, without those pending.
    fn lists<C: Iterator<Item = Misses>>(
        &self,
        counts: &Counts,
        counted: impl Fn() -> C,
    ) -> MissLists {
        let mut texts = self.translator.texts();
        let mut rows =
            |of: fn(Misses) -> u64, of_pending: fn(&PendingMisses) -> u64| -> Vec<MissRow> {
                let ranked = counted().map(|counted| {
                    let instruction = counted.instruction;
                    let pending = counts.pending.get(&ptr::from_ref(instruction));
                    let misses = of(counted) + pending.map_or(0, of_pending);
                    let Instruction { vaddr, identity: Identity { code, .. }, .. } = *instruction;
                    (instruction, Rank { misses, vaddr, code })
                });
                let row = |(instruction, rank): (&'static Instruction, Rank)| MissRow {
                    vaddr: rank.vaddr,
                    symbol: self.translator.instructions().symbol(instruction.symbol).cloned(),
                    misses: rank.misses,
                    disassembly: texts.text(instruction),
                };
                top_by(ranked, self.config.limit, |&(_, rank)| rank).into_iter().map(row).collect()
            };
        MissLists {
            data: rows(|misses| misses.data, |pending| pending.data),
            fetch: rows(|misses| misses.fetch, |pending| pending.fetch),
            l2: self.config.lower.map(|_| {
                rows(
                    |misses| misses.lower.unwrap_or_default().l2.total(),
                    |pending| pending.lower.l2.total(),
                )
            }),
            l3: self.config.lower.and_then(|lower| lower.l3).map(|_| {
                rows(
                    |misses| misses.lower.unwrap_or_default().l3.total(),
                    |pending| pending.lower.l3.total(),
                )
            }),
        }
    }

    /// Everything, with where the instructions come from. `run` says what ran.
    pub fn profile(&self, run: RunDescription, places: &mut Places<'_>) -> Profile {
        // Of vCPUs that run on, no instruction shall have more than the cores: so those come last.
        let misses: Vec<_> = self.misses_now().collect();
        let executed = self.executed();
        let counts = self.simulator.counts();
        let mut texts = self.translator.texts();
        let mut counted: Vec<_> = misses
            .into_iter()
            .filter_map(|misses| self.counted(misses, executed.as_ref(), &counts))
            .collect();
        counted.sort_unstable_by_key(|(instruction, _)| {
            (instruction.vaddr, instruction.identity.code)
        });
        let instructions = counted.into_iter().map(|(instruction, counts)| {
            let (location, object_address) = places.of(instruction);
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
        Profile { run, cores: counts.cores, detail: self.config.detail, instructions }
    }

    fn executed(&self) -> Option<HashMap<*const Instruction, Executed>> {
        let table = self.translator.profile()?;
        let mut banks = Vec::new();
        self.simulator.banks(&mut |bank| banks.push(bank));
        Some(table.executed(banks))
    }

    /// What an instruction has counted, if anything.
    fn counted(
        &self,
        misses: Misses,
        executed: Option<&HashMap<*const Instruction, Executed>>,
        counts: &Counts,
    ) -> Option<(&'static Instruction, InstructionCounts)> {
        let instruction = misses.instruction;
        let pending = counts.pending.get(&ptr::from_ref(instruction)).copied().unwrap_or_default();
        let executed = executed.map(|executed| {
            let executed = executed.get(&ptr::from_ref(instruction)).copied().unwrap_or_default();
            Executed { write_misses: executed.write_misses + pending.write, ..executed }
        });
        let counts = InstructionCounts {
            fetch_misses: misses.fetch + pending.fetch,
            data_misses: misses.data + pending.data,
            lower: misses.lower.map(|lower| lower + pending.lower),
            executed,
        };
        let is_blank = counts.misses() == 0
            && (self.config.detail == Detail::Misses || executed == Some(Executed::default()));
        (!is_blank).then_some((instruction, counts))
    }
}

fn core_counts(counts: &Counts) -> Vec<report::CoreSnapshot> {
    counts.cores.iter().map(|core| core.counts).collect()
}

//! What has been counted at one moment, taken while vCPUs may run on, for the reports.

use std::ptr;

use cachesim::instructions::{Identity, Instruction};
use cachesim::options::{Config, Detail};
use report::{
    CoreProfile, Executed, InstructionCounts, LowerMisses, MissLists, MissRow, MissesByKind,
    Profile, ProfiledInstruction, Rank, RunDescription, Snapshot, top_by,
};

use crate::instrument::Translator;
use crate::places::Places;
use crate::vcpu::{PendingMisses, Simulator};

/// One reading of all counters, of which everything is made that a run writes.
pub struct Reading<'a> {
    /// The settings of the run.
    pub config: &'a Config,
    /// The instructions.
    pub translator: &'a Translator,
    cores: Vec<CoreProfile>,
    /// Those that counted anything, in the order in which they were first translated, but for those that
    /// had only recorded misses: they are at the end.
    instructions: Vec<(&'static Instruction, InstructionCounts)>,
}

impl<'a> Reading<'a> {
    /// Reads what the cores and the instructions of a run with the settings `config` have counted.
    pub fn now(
        config: &'a Config,
        simulator: &'static dyn Simulator,
        translator: &'a Translator,
    ) -> Self {
        let all = || translator.instructions().iter();
        let is_needed = |counts: &InstructionCounts| {
            // Of the others only a few are to be printed, but there may be millions.
            config.detail == Detail::Full || counts.misses() > 0
        };
        // Of vCPUs that run on, no instruction shall have more than the cores: so those come last.
        let mut instructions: Vec<_> = all()
            .map(|instruction| (instruction, misses_of(instruction)))
            .filter(|(_, counts)| is_needed(counts))
            .collect();
        if let Some(table) = translator.profile() {
            let mut banks = Vec::new();
            simulator.banks(&mut |bank| banks.push(bank));
            let executed = table.executed(banks);
            for (instruction, counts) in &mut instructions {
                let executed = executed.get(&ptr::from_ref(*instruction)).copied();
                counts.executed = Some(executed.unwrap_or_default());
            }
        }
        let counts = simulator.counts();
        let mut pending = counts.pending;
        for (instruction, counts) in &mut instructions {
            if let Some(pending) = pending.remove(&ptr::from_ref(*instruction)) {
                add(counts, pending);
            }
        }
        if !pending.is_empty() {
            instructions.extend(all().filter_map(|instruction| {
                let pending = pending.remove(&ptr::from_ref(instruction))?;
                let mut counts = none_of(instruction);
                add(&mut counts, pending);
                Some((instruction, counts))
            }));
        }
        Self { config, translator, cores: counts.cores, instructions }
    }

    /// What the table has, with the texts of the rows that are printed.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            cores: self.cores.iter().map(|core| core.counts).collect(),
            lists: (self.config.limit > 0).then(|| self.lists()),
        }
    }

    /// The rows with the most misses.
    fn lists(&self) -> MissLists {
        let mut texts = self.translator.texts();
        let mut rows = |misses: fn(&InstructionCounts) -> u64| -> Vec<MissRow> {
            let ranked = self.instructions.iter().map(|&(instruction, ref counts)| {
                let Instruction { vaddr, identity: Identity { code, .. }, .. } = *instruction;
                (instruction, Rank { misses: misses(counts), vaddr, code })
            });
            let row = |(instruction, rank): (&'static Instruction, Rank)| MissRow {
                vaddr: rank.vaddr,
                symbol: self.translator.instructions().symbol(instruction.symbol).cloned(),
                misses: rank.misses,
                disassembly: texts.text(instruction),
            };
            top_by(ranked, self.config.limit, |&(_, rank)| rank).into_iter().map(row).collect()
        };
        let lower = self.config.lower;
        MissLists {
            data: rows(|counts| counts.data_misses),
            fetch: rows(|counts| counts.fetch_misses),
            l2: lower.map(|_| rows(|counts| counts.lower.unwrap_or_default().l2.total())),
            l3: lower
                .and_then(|lower| lower.l3)
                .map(|_| rows(|counts| counts.lower.unwrap_or_default().l3.total())),
        }
    }

    /// Everything, with where the instructions come from. `run` says what ran.
    pub fn profile(&self, run: RunDescription, places: &mut Places<'_>) -> Profile {
        let mut texts = self.translator.texts();
        let is_blank = |counts: &InstructionCounts| {
            counts.misses() == 0 && counts.executed == Some(Executed::default())
        };
        let mut counted: Vec<_> =
            self.instructions.iter().filter(|(_, counts)| !is_blank(counts)).collect();
        counted.sort_by_key(|(instruction, _)| (instruction.vaddr, instruction.identity.code));
        let instructions = counted.into_iter().map(|&(instruction, counts)| {
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
        Profile { run, cores: self.cores.clone(), detail: self.config.detail, instructions }
    }
}

/// No misses, of the levels that are counted.
fn none_of(instruction: &Instruction) -> InstructionCounts {
    let lower = instruction.lower.map(|_| LowerMisses::default());
    InstructionCounts { lower, ..InstructionCounts::default() }
}

/// The misses that have been simulated for good.
fn misses_of(instruction: &Instruction) -> InstructionCounts {
    // In this order: those of a level are among those of the one before it, while vCPUs run on.
    let lower = instruction.lower.map(|lower| {
        let of = |[fetch, read, write]: [u64; 3]| MissesByKind { fetch, read, write };
        let [l2, l3] = lower.get().map(of);
        LowerMisses { l2, l3 }
    });
    InstructionCounts {
        fetch_misses: instruction.fetch_misses.get(),
        data_misses: instruction.data_misses.get(),
        lower,
        executed: None,
    }
}

/// Adds misses of accesses that are recorded only.
fn add(counts: &mut InstructionCounts, pending: PendingMisses) {
    counts.fetch_misses += pending.fetch;
    counts.data_misses += pending.data;
    if let Some(lower) = &mut counts.lower {
        *lower = *lower + pending.lower;
    }
    if let Some(executed) = &mut counts.executed {
        executed.write_misses += pending.write;
    }
}

//! What has been counted at one moment, taken while vCPUs may run on, for the reports.

pub mod locator;
pub mod reporter;

use std::collections::HashMap;
use std::iter;
use std::ptr;

use cachesim::instructions::{Identity, Instruction, LowerCounters, MissCounters};
use machine::{Counts, PendingMisses, Simulator};
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
    /// What each machine has counted, the run's own first.
    machines: Vec<MachineReading>,
    /// What instructions did whatever the machine, in a run that counts it.
    executed: Option<HashMap<*const Instruction, Executed>>,
}

/// What one machine has counted.
struct MachineReading {
    /// Those of a run of this machine alone.
    options: Options,
    cores: Vec<CoreProfile>,
    /// Of those instructions that missed (with [`Detail::Full`] of all), in the order in which they were first
    /// translated, but for those whose misses are all recorded only: they are at the end.
    misses: Vec<Misses>,
    /// In the same order; empty for a machine that has no levels beyond the first.
    lower: Vec<LowerMisses>,
}

/// Small: of a machine's instructions, hundreds of thousands miss.
struct Misses {
    instruction: &'static Instruction,
    data: u64,
    /// Those of `data` that are of stores.
    write: u64,
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
        let compared = options.compared.iter().map(|machine| options.of_machine(machine));
        let all_options = iter::once(options.clone()).chain(compared);
        // Of vCPUs that run on, no instruction shall have more than the cores: so those come last.
        let mut machines: Vec<_> = all_options
            .enumerate()
            .map(|(number, options)| MachineReading::of_instructions(options, number, translator))
            .collect();
        let executed = translator.profile().map(|table| {
            let mut vcpu_counters = Vec::new();
            simulator.vcpu_counters(&mut |of_one| vcpu_counters.push(of_one));
            table.executed(vcpu_counters)
        });
        for (machine, counts) in machines.iter_mut().zip(simulator.counts()) {
            machine.add(counts, translator);
        }
        Self { options, translator, machines, executed }
    }

    /// What the table has of each machine, the run's own first, with the texts of the rows that are printed.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let snapshot = |machine: &MachineReading| Snapshot {
            cores: machine.cores.iter().map(|core| core.counts).collect(),
            lists: (self.options.limit > 0).then(|| self.lists(machine)),
        };
        self.machines.iter().map(snapshot).collect()
    }

    /// The rows with the most misses.
    fn lists(&self, machine: &MachineReading) -> MissLists {
        let mut texts = self.translator.texts();
        let mut rows = |count: &dyn Fn(usize, &Misses) -> u64| -> Vec<MissRow> {
            let ranked = machine.misses.iter().enumerate().map(|(index, counted)| {
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
        let lower = machine.options.config.lower();
        let costs = Costs::of_instructions(&machine.options);
        MissLists {
            stalls: costs
                .map(|costs| rows(&|index, misses| costs.total(&machine.counts(index, misses)))),
            data: rows(&|_, misses| misses.data),
            fetch: rows(&|_, misses| misses.fetch),
            l2: lower.map(|_| rows(&|index, _| machine.lower[index].l2.total())),
            l3: lower
                .and_then(|lower| lower.l3)
                .map(|_| rows(&|index, _| machine.lower[index].l3.total())),
        }
    }

    /// Everything, with where the instructions come from. `run` says what ran.
    pub fn profile(&self, run: &RunDescription, locator: &mut Locator<'_>) -> Profile {
        let mut profiles = self.machines.iter().map(|machine| {
            let run = RunDescription { options: machine.options.clone(), ..run.clone() };
            self.profile_of(machine, run, locator)
        });
        let own = profiles.next().expect("there is the run's own machine");
        Profile { compared: profiles.collect(), ..own }
    }

    fn profile_of(
        &self,
        machine: &MachineReading,
        run: RunDescription,
        locator: &mut Locator<'_>,
    ) -> Profile {
        let mut texts = self.translator.texts();
        let is_blank = |counts: &InstructionCounts| {
            counts.misses() == 0 && counts.executed == Some(Executed::default())
        };
        let counted = machine.misses.iter().enumerate().map(|(index, misses)| {
            let executed = self.executed.as_ref().map(|executed| {
                let executed = executed.get(&ptr::from_ref(misses.instruction));
                let executed = executed.copied().unwrap_or_default();
                Executed { write_misses: misses.write, ..executed }
            });
            let counts = InstructionCounts { executed, ..machine.counts(index, misses) };
            (misses.instruction, counts)
        });
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
        let cores = machine.cores.clone();
        Profile { run, cores, detail: self.options.detail, instructions, compared: Vec::new() }
    }
}

impl MachineReading {
    /// What instructions have missed in machine `number`, without its cores.
    fn of_instructions(options: Options, number: usize, translator: &Translator) -> Self {
        let all = || translator.instructions().iter();
        // Of the others only a few are to be printed, but there may be millions.
        let is_needed =
            |data: u64, fetch: u64| options.detail == Detail::Full || data > 0 || fetch > 0;
        let needed = all().filter(|instruction| {
            let MissCounters { data, fetch, .. } = instruction.misses_in(number);
            is_needed(data.get(), fetch.get())
        });
        let needed = needed.count();
        let mut misses = Vec::with_capacity(needed);
        let mut lower =
            Vec::with_capacity(if options.config.lower().is_some() { needed } else { 0 });
        for instruction in all() {
            let counters = instruction.misses_in(number);
            // In this order: those of a level are among those of the one before it.
            let beyond = counters.lower.map(misses_of);
            let (write, data, fetch) =
                (counters.write.get(), counters.data.get(), counters.fetch.get());
            if is_needed(data, fetch) {
                misses.push(Misses { instruction, data, write, fetch });
                lower.extend(beyond);
            }
        }
        Self { options, cores: Vec::new(), misses, lower }
    }

    /// Adds what its cores have counted, and the misses of accesses that are recorded only.
    fn add(&mut self, counts: Counts, translator: &Translator) {
        let Counts { cores, mut pending } = counts;
        self.cores = cores;
        if pending.is_empty() {
            return;
        }
        for index in 0..self.misses.len() {
            let instruction = ptr::from_ref(self.misses[index].instruction);
            if let Some(pending) = pending.remove(&instruction) {
                self.add_pending(index, pending);
            }
        }
        for instruction in translator.instructions().iter() {
            if let Some(pending) = pending.remove(&ptr::from_ref(instruction)) {
                self.misses.push(Misses { instruction, data: 0, write: 0, fetch: 0 });
                self.lower.extend(self.options.config.lower().map(|_| LowerMisses::default()));
                self.add_pending(self.misses.len() - 1, pending);
            }
        }
    }

    fn add_pending(&mut self, index: usize, pending: PendingMisses) {
        let misses = &mut self.misses[index];
        misses.data += pending.data;
        misses.write += pending.write;
        misses.fetch += pending.fetch;
        if let Some(lower) = self.lower.get_mut(index) {
            *lower = *lower + pending.lower;
        }
    }

    /// The misses of the instruction at this index in the order.
    fn counts(&self, index: usize, misses: &Misses) -> InstructionCounts {
        InstructionCounts {
            fetch_misses: misses.fetch,
            data_misses: misses.data,
            lower: self.lower.get(index).copied(),
            executed: None,
        }
    }
}

fn misses_of(lower: &LowerCounters) -> LowerMisses {
    let of = |[fetch, read, write]: [u64; 3]| MissesByKind { fetch, read, write };
    let [l2, l3] = lower.get().map(of);
    LowerMisses { l2, l3 }
}

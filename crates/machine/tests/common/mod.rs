//! A guest: vCPUs that reach their cores as the plugin's callbacks do, and the model alone to compare with.

#![allow(dead_code, reason = "each file of tests uses a part")]

mod reference;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

use cachesim::config::{
    Config, Inclusion, L2Kind, Level, LowerLevels, Parts, WriteHit, WriteMiss, Writes,
};
use cachesim::geometry::CacheGeometry;
use cachesim::instructions::{
    Code, Description, Identity, Instruction, InstructionTable, LineRun, MissCounters, SymbolId,
};
use cachesim::machines::Machines;
use cachesim::model::{Kind, Model};
use cachesim::policy::PolicyKind;
use machine::{
    AnySeat, BySet, Callback, Counts, Directory, Event, Finder, Handover, Locks, Machine, OwnVcpu,
    PendingMisses, Seat, Simulation, Simulator,
};
use report::{CacheCounts, CoreProfile, LowerMisses, MissesByKind};

pub use reference::Reference;

/// The instructions of every guest. Each lies at the start of a line and begins a run of its own.
pub const INSTRUCTIONS: usize = 32;

/// The fetches of the run that an instruction begins.
pub fn run_fetches(instruction: usize) -> u16 {
    [1, 2, 3, 4, 5][instruction % 5]
}

/// What a vCPU does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// It loads or stores, and fetches `then` instructions of the same line.
    Data { kind: Kind, address: u64, bytes: u16, then: u64, instruction: usize },
    /// It executes the run that an instruction begins.
    Run { instruction: usize },
    /// It fetches so many instructions of a line that it is in.
    Count { fetches: u64 },
}

thread_local! {
    /// That of the guest whose code this thread runs.
    static DIRECTORY: Cell<Option<&'static Directory>> = const { Cell::new(None) };
}

struct OfThisThread<M>(PhantomData<fn() -> M>);

impl<M: Model> Simulation for OfThisThread<M> {
    type Model = M;

    fn directory() -> &'static Directory {
        DIRECTORY.get().expect("the thread runs a vCPU")
    }
}

/// A guest whose cores are of model `M`.
pub struct Guest<M: Model> {
    pub machine: &'static Machine<M>,
    pub directory: &'static Directory,
    pub instructions: Vec<&'static Instruction>,
    runs: Vec<&'static LineRun>,
    /// How many machines it runs on.
    machines: usize,
}

/// What a guest has been told of what it counted.
#[derive(PartialEq, Eq, Debug)]
pub struct Told {
    pub cores: Vec<CoreProfile>,
    /// Of each instruction, with what is pending.
    pub instructions: Vec<PendingMisses>,
}

impl<M: Locks> Guest<M> {
    pub fn new(config: &Config, by_set: BySet) -> Self {
        Self::handing_over(config, by_set, Handover::Off)
    }

    /// One whose vCPUs hand over what they record, as `handover` says.
    pub fn handing_over(config: &Config, by_set: BySet, handover: Handover) -> Self {
        Self::comparing(&Machines::from(config), by_set, handover)
    }

    /// One that runs on several machines at once.
    pub fn comparing(machines: &Machines, by_set: BySet, handover: Handover) -> Self {
        let directory: &'static Directory = Box::leak(Box::default());
        let mut table = InstructionTable::new(machines.clone());
        let line_bytes = machines.own().icache().geometry.line_bytes();
        let instructions: Vec<_> = (0..INSTRUCTIONS as u64)
            .map(|number| {
                let place = number * line_bytes;
                let identity = Identity { fetch_address: place, code: Code::new(&[0x90]) };
                let symbol = SymbolId::NONE;
                table.get_or_insert(identity, |_| Description { vaddr: place, decoding: 0, symbol })
            })
            .collect();
        let lines = machines.lines();
        let runs = instructions.iter().enumerate().map(|(number, instruction)| {
            let line = lines.fetch_line(instruction.identity.fetch_address);
            table.run(instruction, line, run_fetches(number))
        });
        let runs: Vec<&'static LineRun> = runs.collect();
        let machine = Machine::start(machines.clone(), by_set, handover, directory);
        Self { machine, directory, instructions, runs, machines: machines.all().len() }
    }

    /// From now on every data access is followed by fetches of the line of its instruction, which is the line executed
    /// last: see [`Machines::refetch`].
    pub fn refetch(&self) {
        let runs = self.instructions.iter().zip(&self.runs);
        runs.for_each(|(instruction, run)| instruction.set_then(run));
    }

    /// vCPU `index`, running code made for `F` on this thread. No other thread may run it meanwhile.
    pub fn vcpu<F: Finder>(&self, index: u32) -> Cpu<'_, M, F> {
        DIRECTORY.set(Some(self.directory));
        Cpu { guest: self, index, made_for: PhantomData }
    }

    /// What is counted. Where vCPUs run meanwhile, the instructions' part is older than the cores'.
    pub fn told(&self) -> Told {
        self.told_of_each().remove(0)
    }

    /// The same of each machine, the own one first.
    pub fn told_of_each(&self) -> Vec<Told> {
        self.machine.settle();
        let each = (0..self.machines).map(|number| {
            let misses = self.instructions.iter().map(|it| misses_in(it.misses_in(number)));
            misses.collect::<Vec<_>>()
        });
        let each: Vec<_> = each.collect();
        each.into_iter()
            .zip(self.machine.counts())
            .map(|(own, counts)| self.told_with(own, counts))
            .collect()
    }

    fn told_with(&self, mut instructions: Vec<PendingMisses>, counts: Counts) -> Told {
        for (instruction, misses) in self.instructions.iter().zip(&mut instructions) {
            if let Some(pending) = counts.pending.get(&ptr::from_ref(*instruction)) {
                misses.data += pending.data;
                misses.write += pending.write;
                misses.fetch += pending.fetch;
                misses.lower = misses.lower + pending.lower;
            }
        }
        let known = self.instructions.iter().map(|it| ptr::from_ref(*it));
        let known = known.filter(|it| counts.pending.contains_key(it)).count();
        assert_eq!(known, counts.pending.len(), "misses of an unknown instruction");
        Told { cores: counts.cores, instructions }
    }

    /// How many vCPUs were ever made.
    pub fn vcpus_made(&self) -> usize {
        let mut counters = 0;
        self.machine.vcpu_counters(&mut |_| counters += 1);
        counters - self.machine.counts()[0].cores.len()
    }
}

fn misses_in(counters: &MissCounters) -> PendingMisses {
    let of = |[fetch, read, write]: [u64; 3]| MissesByKind { fetch, read, write };
    let lower = counters.lower.map_or_else(LowerMisses::default, |lower| {
        let [l2, l3] = lower.get().map(of);
        LowerMisses { l2, l3 }
    });
    PendingMisses {
        data: counters.data.get(),
        write: counters.write.get(),
        fetch: counters.fetch.get(),
        lower,
    }
}

impl Told {
    /// That all ways of counting agree. Nothing runs.
    pub fn check(&self) {
        let mut sum = [0; 2];
        for core in &self.cores {
            let counts = &core.counts;
            check_misses(counts.data);
            check_misses(counts.fetch);
            sum[0] += counts.data.misses;
            sum[1] += counts.fetch.misses;
            if let Some(sets) = &core.sets {
                assert_eq!(sets.data.iter().sum::<u64>(), counts.data.misses);
                assert_eq!(sets.fetch.iter().sum::<u64>(), counts.fetch.misses);
            }
        }
        let by_instruction = self.instructions.iter().fold([0; 2], |[data, fetch], misses| {
            assert!(misses.write <= misses.data);
            [data + misses.data, fetch + misses.fetch]
        });
        assert_eq!(by_instruction, sum);
    }
}

pub fn check_misses(CacheCounts { accesses, misses }: CacheCounts) {
    assert!(misses <= accesses, "{misses} misses of {accesses} accesses");
}

/// A vCPU, on the thread that runs it.
pub struct Cpu<'guest, M: Model, F> {
    guest: &'guest Guest<M>,
    index: u32,
    made_for: PhantomData<(*const (), F)>,
}

impl<M: Locks, F: Finder> Cpu<'_, M, F> {
    /// What happens in a callback of the vCPU.
    fn callback<T>(&self, act: impl FnOnce(&Called<M, F>) -> T) -> T {
        // SAFETY: this thread runs the vCPU, as `Guest::vcpu` wants it, and what is made lives in this function.
        // The guest has started its machine, of model `M`. Tests take care of what `F` is for.
        act(&unsafe { Callback::new(self.index) })
    }

    /// The same, with the vCPU and its seat.
    pub fn found<T>(&self, act: impl FnOnce(OwnVcpu<'_, M>, AnySeat<'_, M>) -> T) -> T {
        self.callback(|callback| {
            let (vcpu, seat) = F::find(callback);
            act(vcpu, seat)
        })
    }

    pub fn step(&self, step: Step) {
        match step {
            Step::Data { kind, address, bytes, then, instruction } => {
                let instruction = self.guest.instructions[instruction];
                let bytes = if M::IS_HIERARCHY { bytes } else { 1 };
                self.callback(|callback| access(callback, instruction, kind, address, bytes, then));
            }
            Step::Run { instruction } => {
                self.callback(|callback| fetch(callback, self.guest.runs[instruction]));
            }
            Step::Count { fetches } => self.callback(|callback| count(callback, fetches)),
        }
    }

    pub fn steps(&self, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| self.step(step));
    }

    /// The vCPU has ended.
    pub fn retire(self) {
        // SAFETY: this thread ran it, and now cannot any more.
        unsafe { self.guest.machine.retire(self.index) };
    }
}

type Called<M, F> = Callback<OfThisThread<M>, F>;

fn access<M: Model, F: Finder>(
    callback: &Called<M, F>,
    instruction: &'static Instruction,
    kind: Kind,
    address: u64,
    bytes: u16,
    then: u64,
) {
    let event = |lines: cachesim::core::Lines| {
        let access = lines.access(kind, address, bytes);
        Event { instruction, access, following_fetches: then }
    };
    if let Some(seat) = F::seat(callback) {
        let line = seat.lines().data_line(address);
        let asked = if M::IS_HIERARCHY { kind } else { Kind::Load };
        if !seat.access_hits(asked, line, then) {
            take(&seat, &event(seat.lines()));
        }
        return;
    }
    let (_, seat) = F::find(callback);
    take(&seat, &event(seat.lines()));
}

fn take(seat: &impl Seat, event: &Event) {
    seat.take(event);
    if event.following_fetches > 0
        && let Some(run) = event.instruction.then()
    {
        seat.refetch(run);
    }
}

fn fetch<M: Model, F: Finder>(callback: &Called<M, F>, run: &'static LineRun) {
    let event = Event { instruction: run.instruction, access: run.access(), following_fetches: 0 };
    match F::seat(callback) {
        Some(seat) if seat.fetch_hits(run) => {}
        Some(seat) => seat.take(&event),
        None => F::find(callback).1.take(&event),
    }
}

fn count<M: Model, F: Finder>(callback: &Called<M, F>, fetches: u64) {
    match F::seat(callback) {
        Some(seat) => seat.count(fetches),
        None => F::find(callback).1.count(fetches),
    }
}

pub fn level(sets: u64, ways: u32, policy: PolicyKind) -> Level {
    let geometry = CacheGeometry::new(sets * u64::from(ways) * 64, 64, ways);
    Level { geometry: geometry.expect("a valid geometry"), policy }
}

/// First levels of eight sets.
pub fn first_level(cores: u32, policy: PolicyKind) -> Config {
    Config::new(first_level_parts(cores, policy)).expect("the caches go together")
}

fn first_level_parts(cores: u32, policy: PolicyKind) -> Parts {
    Parts {
        icache: level(8, 2, policy),
        dcache: level(8, 2, policy),
        cores: cores.try_into().expect("some"),
        seed: 7,
        ..Parts::default()
    }
}

/// Three levels, which `inclusion` has all that is above, and stores that make lines dirty.
pub fn three_levels(cores: u32, policy: PolicyKind, inclusion: Inclusion) -> Config {
    Config::new(Parts {
        lower: Some(LowerLevels {
            l2: level(16, 2, policy),
            l2_kind: L2Kind::Unified,
            l2_inclusion: inclusion,
            l3: Some(level(32, 2, policy)),
            l3_inclusion: inclusion,
        }),
        writes: Some(Writes { on_hit: WriteHit::Back, on_miss: WriteMiss::Allocate }),
        ..first_level_parts(cores, policy)
    })
    .expect("the caches go together")
}

/// Where what is handed over is taken by whoever calls [`Simulator::work`]; so many buffers at most.
pub fn handover(buffers: u64) -> Handover {
    let buffer_bytes = if cfg!(any(miri, shuttle)) { 4 * 16 } else { 4096 * 16 };
    Handover::On { bytes: buffers * buffer_bytes, announce: || () }
}

/// How many lanes there are: the lines of a lane are in no set of another's, of any level.
pub const LANES: u64 = 4;

/// Step `number` of a lane, to few enough lines that many are hits and enough that many are misses.
pub fn lane_step(lane: u64, number: u64) -> Step {
    let mixed = (number * LANES + lane + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (what, which) = (mixed % 8, mixed / 8);
    let instruction = lane + LANES * (which % (INSTRUCTIONS as u64 / LANES));
    let instruction = usize::try_from(instruction).expect("one of them");
    let data_line = lane + LANES * (which / 8 % 7);
    let data = |kind, then| {
        let address = 1 << 20 | data_line << 6 | (which % 7) << 3;
        Step::Data { kind, address, bytes: 8, then, instruction }
    };
    match what {
        0..=2 => data(Kind::Load, which % 4),
        3 | 4 => data(Kind::Store, 0),
        5 | 6 => Step::Run { instruction },
        _ => Step::Count { fetches: 1 + which % 3 },
    }
}

//! The vCPUs, their cores, and who may touch what.
//!
//! A core is *private* while only one vCPU uses it: that vCPU's callbacks reach the model without a
//! lock. Where several vCPUs share a core (fewer cores than vCPUs, the threads of a user-mode guest),
//! each records into a buffer of its own and simulates it under the core's lock. Code is translated for
//! one of the two (see [`crate::callbacks::Sharing`]); what was translated for the only vCPU there is
//! notices when a second one comes.
//!
//! Nothing here is ever freed: QEMU may run callbacks until the process is gone.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use cachesim::address::LineAddr;
use cachesim::buffer::{AccessBuffer, Port, Room};
use cachesim::cache::Outcome;
use cachesim::core::{Core, Lines};
use cachesim::geometry::CacheGeometry;
use cachesim::instructions::{Instruction, Run};
use cachesim::options::{Config, Detail};
use cachesim::pages::PageCache;
use cachesim::policy::{Fifo, Lru, Policy, Random};
use cachesim::profile::{Bank, CountedBy, Effect, ProfiledAccess, ProfiledRun};
use cachesim::stats::{CoreStats, Counter, FetchSource};
use parking_lot::{Mutex, RawMutex};
use report::{CacheCounts, CoreProfile, CoreSnapshot, SetMisses};

use crate::userdata::{AccessData, FetchData};

/// Accesses a vCPU records before it simulates them on a shared core.
const BUFFER_CAPACITY: usize = 4096;

/// vCPU indices with a slot of their own; higher ones take a map and a lock.
const SLOTS: usize = 4096;

/// The vCPU of each index, a `*const Vcpu<P>` for the one `P` of the run.
static VCPUS: [AtomicPtr<()>; SLOTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS];

/// The only vCPU there is, a `*const Vcpu<P>`; null when there is none yet, and for good as soon as
/// there may be two.
static ALONE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The core of [`ALONE`], a `*const SimulatedCore<P>`, or null when that is null.
static ALONE_CORE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Whether there may be several vCPUs.
static SEVERAL: AtomicBool = AtomicBool::new(false);

/// Says that from now on there may be several vCPUs. Called before the second one runs, by the thread
/// of the first or before that runs.
pub fn expect_several() {
    SEVERAL.store(true, Ordering::Release);
    ALONE.store(ptr::null_mut(), Ordering::Release);
    ALONE_CORE.store(ptr::null_mut(), Ordering::Release);
}

/// Whether there may be several vCPUs.
pub fn several_expected() -> bool {
    SEVERAL.load(Ordering::Acquire)
}

/// A simulated core.
#[derive(Debug)]
pub struct SimulatedCore<P: Policy> {
    lines: Lines,
    stats: CoreStats,
    sets: Option<SetCounters>,
    bank: Bank,
    /// What recorded accesses carry: see [`Culprit`].
    detail: Detail,
    model: Mutex<Core<P>>,
}

/// Misses by set, where they are wanted. Who writes them is who may use the core.
#[derive(Debug)]
struct SetCounters {
    dcache: CacheGeometry,
    icache: CacheGeometry,
    data: Box<[Counter]>,
    fetch: Box<[Counter]>,
}

impl SetCounters {
    fn new(config: &Config) -> Self {
        let (icache, dcache) = (config.icache.geometry, config.dcache.geometry);
        let counters = |cache: CacheGeometry| (0..cache.sets()).map(|_| Counter::default());
        Self { dcache, icache, data: counters(dcache).collect(), fetch: counters(icache).collect() }
    }

    fn count(&self, port: Port, line: LineAddr) {
        match port {
            Port::Data => self.data[self.dcache.set_of(line)].add(1),
            Port::Fetch => self.fetch[self.icache.set_of(line)].add(1),
        };
    }

    /// Adds a miss to what [`SetCounters::get`] returned.
    fn add_to(&self, misses: &mut SetMisses, port: Port, line: LineAddr) {
        match port {
            Port::Data => misses.data[self.dcache.set_of(line)] += 1,
            Port::Fetch => misses.fetch[self.icache.set_of(line)] += 1,
        }
    }

    fn get(&self) -> SetMisses {
        let counts = |counters: &[Counter]| counters.iter().map(Counter::get).collect();
        SetMisses { data: counts(&self.data), fetch: counts(&self.fetch) }
    }
}

/// What belongs to one vCPU. Its `UnsafeCell` is for the thread that runs the vCPU alone.
#[derive(Debug)]
pub struct Vcpu<P: Policy> {
    core: &'static SimulatedCore<P>,
    pages: UnsafeCell<PageCache>,
    buffer: AccessBuffer,
    bank: Bank,
}

// SAFETY: `pages` is reached through `Vcpu::pages` only, whose callers are the callbacks of this
// vCPU; QEMU runs a vCPU, and so its callbacks, on one thread at a time. The rest is `Sync`.
unsafe impl<P: Policy> Sync for Vcpu<P> {}

/// All cores and vCPUs of the run.
#[derive(Debug)]
pub struct Machine<P: Policy> {
    icache: CacheGeometry,
    dcache: CacheGeometry,
    cores: Box<[SimulatedCore<P>]>,
    registry: Mutex<Registry<P>>,
}

#[derive(Debug)]
struct Registry<P: Policy> {
    /// Every vCPU that exists or existed, by index. One that is gone keeps its place until another
    /// takes its index: what it recorded last is still to be reported.
    by_index: HashMap<u32, &'static Vcpu<P>>,
    /// Every vCPU that was ever made: also those in `free`.
    all: Vec<&'static Vcpu<P>>,
    /// vCPUs that are gone and whose records have been simulated, to be used again, by core.
    free: HashMap<usize, Vec<&'static Vcpu<P>>>,
}

/// The policies, each with a place for the machine of the run.
pub trait Machines: Policy {
    /// The place. Empty unless this is the run's policy.
    fn machine() -> &'static OnceLock<&'static Machine<Self>>;
}

macro_rules! machines {
    ($($policy:ty),*) => {$(
        impl Machines for $policy {
            fn machine() -> &'static OnceLock<&'static Machine<Self>> {
                static MACHINE: OnceLock<&'static Machine<$policy>> = OnceLock::new();
                &MACHINE
            }
        }
    )*};
}

machines!(Lru, Fifo, Random);

/// The only vCPU, if it has called back before and there is still no other.
///
/// # Safety
/// `P` is the policy of the run.
#[inline(always)]
pub unsafe fn only_vcpu<P: Machines>() -> Option<&'static Vcpu<P>> {
    // SAFETY: null or what `vcpu_and_company` stored, a leaked `Vcpu` of the run's one machine.
    unsafe { ALONE.load(Ordering::Acquire).cast::<Vcpu<P>>().as_ref() }
}

/// The core of [`only_vcpu`].
///
/// # Safety
/// `P` is the policy of the run.
#[inline(always)]
pub unsafe fn only_core<P: Machines>() -> Option<&'static SimulatedCore<P>> {
    // SAFETY: null or what `vcpu_and_company` stored, a core of the run's one machine.
    unsafe { ALONE_CORE.load(Ordering::Acquire).cast::<SimulatedCore<P>>().as_ref() }
}

/// The vCPU of `index`, made at its first callback; whether it is the only one.
///
/// # Panics
/// Where `P` is not the policy of the run.
pub fn vcpu_and_company<P: Machines>(index: u32) -> (&'static Vcpu<P>, Company) {
    let vcpu = vcpu::<P>(index);
    if several_expected() {
        return (vcpu, Company::Others);
    }
    // The one thread that runs guest code is here, so nobody can start another meanwhile.
    ALONE.store(ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
    ALONE_CORE.store(ptr::from_ref(vcpu.core).cast_mut().cast(), Ordering::Release);
    (vcpu, Company::None)
}

/// Whether a vCPU has company.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Company {
    /// It is the only one.
    None,
    /// There may be others.
    Others,
}

/// The vCPU of `index`, if it has a slot and has called back before.
///
/// # Safety
/// `P` is the policy of the run.
#[inline(always)]
pub unsafe fn known_vcpu<P: Machines>(index: u32) -> Option<&'static Vcpu<P>> {
    let vcpu = VCPUS.get(index as usize)?.load(Ordering::Acquire);
    // SAFETY: a slot holds null or what `Machine::register` stored: a leaked `Vcpu` of the run's one
    // machine, hence of `P`.
    unsafe { vcpu.cast::<Vcpu<P>>().as_ref() }
}

/// The vCPU of `index`, which is made at its first callback.
///
/// # Panics
/// Where `P` is not the policy of the run.
pub fn vcpu<P: Machines>(index: u32) -> &'static Vcpu<P> {
    // SAFETY: `P` is the run's, or the next line panics before there is any vCPU.
    if let Some(known) = unsafe { known_vcpu::<P>(index) } {
        return known;
    }
    P::machine().get().expect("the caller's P is the run's").register(index)
}

/// Whether several vCPUs may count misses on the same instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Writers {
    /// One vCPU in all: a plain addition.
    One,
    /// Several: an atomic one.
    Many,
}

impl Writers {
    #[inline(always)]
    fn count(self, counter: &Counter) {
        match self {
            Self::One => _ = counter.add(1),
            Self::Many => counter.add_shared(1),
        }
    }
}

impl<P: Machines> Machine<P> {
    /// The cores of `config`, as the machine of this run. Lives until the process ends.
    pub fn start(config: &Config) -> &'static Self {
        P::machine().get_or_init(|| Self::new(config))
    }
}

impl<P: Policy> Machine<P> {
    fn new(config: &Config) -> &'static Self {
        let cores = (0..config.cores.get()).map(|number| SimulatedCore {
            lines: Lines::new(config),
            stats: CoreStats::default(),
            sets: config.needs_set_misses().then(|| SetCounters::new(config)),
            bank: Bank::default(),
            detail: config.detail,
            model: Mutex::new(Core::new(config, number)),
        });
        Box::leak(Box::new(Self {
            icache: config.icache.geometry,
            dcache: config.dcache.geometry,
            cores: cores.collect(),
            registry: Mutex::new(Registry {
                by_index: HashMap::new(),
                all: Vec::new(),
                free: HashMap::new(),
            }),
        }))
    }

    fn register(&'static self, index: u32) -> &'static Vcpu<P> {
        let mut registry = self.registry.lock();
        if let Some(known) = registry.by_index.get(&index) {
            return known;
        }
        let core = index as usize % self.cores.len();
        let used_before = registry.free.get_mut(&core).and_then(Vec::pop);
        let vcpu = used_before.unwrap_or_else(|| {
            let vcpu: &'static Vcpu<P> = Box::leak(Box::new(Vcpu {
                core: &self.cores[core],
                pages: UnsafeCell::default(),
                buffer: AccessBuffer::new(BUFFER_CAPACITY, &self.dcache, &self.icache),
                bank: Bank::default(),
            }));
            registry.all.push(vcpu);
            vcpu
        });
        registry.by_index.insert(index, vcpu);
        if let Some(slot) = VCPUS.get(index as usize) {
            slot.store(ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
        }
        vcpu
    }

    /// The vCPU of `index` is gone, says its own thread: nothing of it runs any more. Its record is
    /// simulated and it can be used for another.
    pub fn retire(&self, index: u32) {
        let mut registry = self.registry.lock();
        if let Some(vcpu) = registry.by_index.remove(&index) {
            if let Some(slot) = VCPUS.get(index as usize) {
                slot.store(ptr::null_mut(), Ordering::Release);
            }
            vcpu.drain();
            registry.free.entry(index as usize % self.cores.len()).or_default().push(vcpu);
        }
    }
}

impl<P: Policy> SimulatedCore<P> {
    /// How addresses become lines of its caches.
    #[inline(always)]
    pub fn lines(&self) -> Lines {
        self.lines
    }

    /// Counts `n` fetches that hit by construction.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn count(&self, n: u64) {
        self.stats.fetches.add(FetchSource::Segment, n);
    }

    /// A data access to `line`, unless it does not count, and the fetches after it.
    ///
    /// # Safety
    /// The caller is a callback of the one vCPU that uses this core.
    #[inline(always)]
    pub unsafe fn access(&self, line: Option<LineAddr>, data: AccessData, writers: Writers) {
        self.stats.fetches.add(FetchSource::Access, data.fetches.into());
        let Some(line) = line else { return };
        let now = self.stats.data.accesses.add(1);
        // SAFETY: the one vCPU that uses this core is here, and nobody else takes the lock to write.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.dcache().hits_as_predicted(line, now) {
            // SAFETY: as before.
            unsafe { self.access_unpredicted(line.number(), data.subject, writers, now) };
        }
    }

    /// Fetches from one line.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn fetch(&self, data: FetchData, writers: Writers) {
        let now = self.stats.fetches.add(FetchSource::Run, data.fetches.into());
        // SAFETY: as in `access`.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.icache().hits_as_predicted(data.subject.line, now) {
            // SAFETY: as before.
            unsafe { self.fetch_unpredicted(data.subject, writers, now) };
        }
    }

    /// As [`SimulatedCore::access`], where all is counted of each instruction. `line` is that of an
    /// `effect` that the data cache sees; `fetches` follow it.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn access_in_full(
        &self,
        line: Option<LineAddr>,
        access: &'static ProfiledAccess,
        effect: Effect,
        by: CountedBy<'_>,
        writers: Writers,
    ) {
        self.stats.fetches.add(FetchSource::Access, access.fetches(effect));
        let Some(line) = line else { return access.count(effect, by) };
        let now = self.stats.data.accesses.add(1);
        access.count(effect, by);
        // SAFETY: as in `access`.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.dcache().hits_as_predicted(line, now) {
            // SAFETY: as before.
            unsafe { self.access_in_full_unpredicted(line.number(), access, effect, now, writers) };
        }
    }

    /// As [`SimulatedCore::fetch`], where all is counted of each instruction.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn fetch_in_full(
        &self,
        run: &'static ProfiledRun,
        by: CountedBy<'_>,
        writers: Writers,
    ) {
        let now = self.stats.fetches.add(FetchSource::Run, run.fetches);
        run.count(by);
        // SAFETY: as in `access`.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.icache().hits_as_predicted(run.line, now) {
            // SAFETY: as before.
            unsafe { self.fetch_in_full_unpredicted(run, now, writers) };
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn access_in_full_unpredicted(
        &self,
        line: u64,
        access: &'static ProfiledAccess,
        effect: Effect,
        now: u64,
        writers: Writers,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let line = LineAddr::from_number(line);
        if model.dcache().access_unpredicted(line, now) == Outcome::Miss {
            self.stats.data.misses.add(1);
            self.count_miss(Port::Data, line, &Culprit::of_access(access, effect), writers);
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn fetch_in_full_unpredicted(
        &self,
        run: &'static ProfiledRun,
        now: u64,
        writers: Writers,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        if model.icache().access_unpredicted(run.line, now) == Outcome::Miss {
            self.stats.fetch_misses.add(1);
            self.count_miss(Port::Fetch, run.line, &Culprit::of(run.instruction), writers);
        }
    }

    /// The part of the core's one vCPU in what instructions count in full.
    #[inline(always)]
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// Counts a miss wherever it is counted beside the totals.
    fn count_miss(&self, port: Port, line: LineAddr, culprit: &Culprit, writers: Writers) {
        let Culprit { instruction, write_misses } = culprit;
        match port {
            Port::Data => writers.count(&instruction.data_misses),
            Port::Fetch => writers.count(&instruction.fetch_misses),
        }
        if let Some(write_misses) = write_misses {
            writers.count(write_misses);
        }
        if let Some(sets) = &self.sets {
            sets.count(port, line);
        }
    }

    // The rest of accesses that are no hits in the predicted way, and of those in caches of unusual
    // geometry. Apart, so that callbacks need no stack frame for the others; `extern "C"`, so that the
    // compiler knows that they do not unwind, and jumps there.

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn access_unpredicted(
        &self,
        line: u64,
        instruction: &'static Instruction,
        writers: Writers,
        now: u64,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        match model.dcache().access_usual(LineAddr::from_number(line), now) {
            Some(outcome) => self.data_accessed(outcome, instruction, writers),
            // SAFETY: the caller's promise.
            None => unsafe { self.access_unusual(line, instruction, writers, now) },
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn access_unusual(
        &self,
        line: u64,
        instruction: &'static Instruction,
        writers: Writers,
        now: u64,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let outcome = model.dcache().access_unusual(LineAddr::from_number(line), now);
        self.data_accessed(outcome, instruction, writers);
    }

    #[inline(always)]
    fn data_accessed(&self, outcome: Outcome, instruction: &Instruction, writers: Writers) {
        if outcome == Outcome::Miss {
            self.stats.data.misses.add(1);
            writers.count(&instruction.data_misses);
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn fetch_unpredicted(&self, run: &'static Run, writers: Writers, now: u64) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        match model.icache().access_usual(run.line, now) {
            Some(outcome) => self.fetched(outcome, run.instruction, writers),
            // SAFETY: the caller's promise.
            None => unsafe { self.fetch_unusual(run, writers, now) },
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn fetch_unusual(&self, run: &'static Run, writers: Writers, now: u64) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let outcome = model.icache().access_unusual(run.line, now);
        self.fetched(outcome, run.instruction, writers);
    }

    #[inline(always)]
    fn fetched(&self, outcome: Outcome, instruction: &Instruction, writers: Writers) {
        if outcome == Outcome::Miss {
            self.stats.fetch_misses.add(1);
            writers.count(&instruction.fetch_misses);
        }
    }
}

impl<P: Policy> Vcpu<P> {
    /// The core it runs on.
    #[inline(always)]
    pub fn core(&self) -> &'static SimulatedCore<P> {
        self.core
    }

    /// Counts `n` fetches that hit by construction, on a core that other vCPUs may use as well.
    #[inline(always)]
    pub fn count(&self, n: u64) {
        self.buffer.count(FetchSource::Segment, n);
    }

    /// A data access to `line`, unless it does not count, and the fetches after it, on a core that other
    /// vCPUs may use as well.
    #[inline(always)]
    pub fn record_access(&self, line: Option<LineAddr>, data: AccessData) {
        self.buffer.count(FetchSource::Access, data.fetches.into());
        let Some(line) = line else { return };
        if self.buffer.record_access(line, token_of(data.subject)) == Room::Full {
            self.drain();
        }
    }

    /// Fetches from one line, on a core that other vCPUs may use as well.
    #[inline(always)]
    pub fn record_fetches(&self, line: LineAddr, instruction: &'static Instruction, fetches: u64) {
        if self.buffer.record_fetches(line, fetches, token_of(instruction)) == Room::Full {
            self.drain();
        }
    }

    /// As [`Vcpu::record_fetches`], where all is counted of each instruction.
    pub fn record_fetches_in_full(&self, run: &'static ProfiledRun) {
        let token = token_of(run.instruction);
        let room = self.buffer.record_fetches(run.line, run.fetches, token);
        run.count(CountedBy::OneOf(&self.bank));
        if room == Room::Full {
            self.drain();
        }
    }

    /// As [`Vcpu::record_access`], where all is counted of each instruction.
    pub fn record_access_in_full(
        &self,
        line: Option<LineAddr>,
        access: &'static ProfiledAccess,
        effect: Effect,
    ) {
        let by = CountedBy::OneOf(&self.bank);
        self.buffer.count(FetchSource::Access, access.fetches(effect));
        let Some(line) = line else { return access.count(effect, by) };
        let store = if effect.is_store() { STORE_TOKEN } else { 0 };
        let room = self.buffer.record_access(line, token_of(access) | store);
        access.count(effect, by);
        if room == Room::Full {
            self.drain();
        }
    }

    /// This vCPU's part of what instructions count in full.
    #[inline(always)]
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// The vCPU's translations.
    ///
    /// # Safety
    /// The caller is a callback of this vCPU and keeps the reference no longer than that.
    #[expect(clippy::mut_from_ref, reason = "one thread, one callback at a time: see Safety")]
    #[inline(always)]
    pub unsafe fn pages(&self) -> &mut PageCache {
        // SAFETY: callbacks of one vCPU do not overlap, and this is the only way to `pages`.
        unsafe { &mut *self.pages.get() }
    }

    /// Simulates what has been recorded. The caller is this vCPU's thread.
    #[cold]
    extern "C" fn drain(&self) {
        let mut model = self.core.model.lock();
        let stats = &self.core.stats;
        let mut times = Times::of(stats);
        let (accesses, fetches) = self.buffer.peek(|port, line, token| {
            if times.simulate_next(&mut model, port, line) == Outcome::Miss {
                match port {
                    Port::Data => stats.data.misses.add(1),
                    Port::Fetch => stats.fetch_misses.add(1),
                };
                let culprit = Culprit::of_token(port, token, self.core.detail);
                self.core.count_miss(port, line, &culprit, Writers::Many);
            }
        });
        stats.data.accesses.add(accesses);
        stats.fetches.add(FetchSource::Segment, fetches);
        self.buffer.clear();
    }
}

/// The times of accesses that come out of buffers: they go on where the counters are, and stay behind
/// what these will be when all accesses of the buffer have been added, also those not recorded. That they
/// only grow needs that a core which has once been simulated from buffers is so for ever: the callbacks
/// for private cores take the time from one counter of fetches, this from their sum.
struct Times {
    data: u64,
    fetch: u64,
}

impl Times {
    fn of(stats: &CoreStats) -> Self {
        Self { data: stats.data.accesses.get(), fetch: stats.fetches.get() }
    }

    /// The next access.
    #[inline(always)]
    fn simulate_next<P: Policy>(
        &mut self,
        model: &mut Core<P>,
        port: Port,
        line: LineAddr,
    ) -> Outcome {
        let (cache, time) = match port {
            Port::Data => (model.dcache(), &mut self.data),
            Port::Fetch => (model.icache(), &mut self.fetch),
        };
        *time += 1;
        cache.access(line, *time)
    }
}

/// What a buffer keeps of an instruction or an access: its address, whose lowest bits are free.
#[inline(always)]
fn token_of<T>(record: &'static T) -> u64 {
    const { assert!(align_of::<T>() as u64 > (STORE_TOKEN | 1)) };
    ptr::from_ref(record).expose_provenance() as u64
}

/// The bit of an access's token that says store. The lowest one is the buffer's.
const STORE_TOKEN: u64 = 2;

/// The record that `token_of` made `token` of.
///
/// # Safety
/// It made it of a `T`.
unsafe fn record_of<T>(token: u64) -> &'static T {
    #[expect(clippy::cast_possible_truncation, reason = "the token was an address of this host")]
    let address = token as usize;
    // SAFETY: the token came from a `&'static T`.
    unsafe { &*ptr::with_exposed_provenance::<T>(address) }
}

/// Whose miss it is.
struct Culprit {
    instruction: &'static Instruction,
    /// The counter of a store, where these are counted apart.
    write_misses: Option<&'static Counter>,
}

impl Culprit {
    fn of(instruction: &'static Instruction) -> Self {
        Self { instruction, write_misses: None }
    }

    fn of_access(access: &'static ProfiledAccess, effect: Effect) -> Self {
        Self {
            instruction: access.instruction,
            write_misses: effect.is_store().then_some(&access.write_misses),
        }
    }

    /// What was recorded in a run of this detail.
    fn of_token(port: Port, token: u64, detail: Detail) -> Self {
        match (port, detail) {
            (Port::Data, Detail::Full) => {
                // SAFETY: with this detail data accesses are recorded by `record_access_in_full` only.
                let access = unsafe { record_of(token & !STORE_TOKEN) };
                let effect = if token & STORE_TOKEN == 0 { Effect::Load } else { Effect::Store };
                Self::of_access(access, effect)
            }
            // SAFETY: all others are recorded with their instruction.
            _ => Self::of(unsafe { record_of(token) }),
        }
    }
}

/// What a run has counted so far.
#[derive(PartialEq, Eq, Debug)]
pub struct Counts {
    /// Per core.
    pub cores: Vec<CoreProfile>,
    /// Misses of accesses that are recorded but not yet simulated for good, to be added to the
    /// instructions' own.
    pub pending: HashMap<*const Instruction, PendingMisses>,
}

/// Misses of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PendingMisses {
    /// Of the data cache.
    pub data: u64,
    /// Those of them that are of stores, where these are counted apart.
    pub write: u64,
    /// Of the instruction cache.
    pub fetch: u64,
}

/// A machine whatever its policy, for everything that is not an access.
pub trait Simulator: Sync {
    /// What has been counted so far. vCPUs may run on meanwhile; nothing is changed, so that a guest
    /// that goes on after a report loses and doubles nothing.
    fn counts(&self) -> Counts;

    /// About what all cores have counted so far, without stopping a vCPU: what is recorded and not yet
    /// simulated counts as accesses, and may be counted twice while it is being simulated.
    fn rough_sum(&self) -> CoreSnapshot;

    /// Calls `visit` with every vCPU's part in what instructions count in full.
    fn banks(&'static self, visit: &mut dyn FnMut(&'static Bank));

    /// The translations of vCPU `index` may have changed. The caller is a callback of that vCPU.
    fn translations_changed(&'static self, index: u32);

    /// See [`Machine::retire`].
    fn retire(&self, index: u32);

    /// Calls `act` for every lock, in the order in which they are taken.
    fn every_lock(&'static self, act: &dyn Fn(&'static RawMutex));
}

impl<P: Policy> SimulatedCore<P> {
    /// What has been counted for good.
    fn counts(&self) -> CoreSnapshot {
        let CoreStats { data, fetches, fetch_misses } = &self.stats;
        CoreSnapshot {
            data: CacheCounts { accesses: data.accesses.get(), misses: data.misses.get() },
            fetch: CacheCounts { accesses: fetches.get(), misses: fetch_misses.get() },
            beyond: None,
        }
    }
}

impl<P: Policy> Simulator for Machine<P> {
    fn counts(&self) -> Counts {
        let registry = self.registry.lock();
        let mut pending: HashMap<_, PendingMisses> = HashMap::new();
        let cores = self.cores.iter().map(|core| {
            // Whoever wants to drain waits here, so what is recorded now stays where it is.
            let guard = core.model.lock();
            let mut counts = core.counts();
            let mut sets = core.sets.as_ref().map(SetCounters::get);
            let recorded: Vec<_> =
                registry.by_index.values().filter(|vcpu| ptr::eq(vcpu.core, core)).collect();
            if recorded.iter().any(|vcpu| !vcpu.buffer.is_empty()) {
                let mut model = guard.clone();
                let mut times = Times::of(&core.stats);
                for vcpu in recorded {
                    let (accesses, fetches) = vcpu.buffer.peek(|port, line, token| {
                        if times.simulate_next(&mut model, port, line) != Outcome::Miss {
                            return;
                        }
                        let culprit = Culprit::of_token(port, token, core.detail);
                        let misses = pending.entry(ptr::from_ref(culprit.instruction)).or_default();
                        match port {
                            Port::Data => {
                                counts.data.misses += 1;
                                misses.data += 1;
                                misses.write += u64::from(culprit.write_misses.is_some());
                            }
                            Port::Fetch => {
                                counts.fetch.misses += 1;
                                misses.fetch += 1;
                            }
                        }
                        if let Some((misses, counters)) = sets.as_mut().zip(core.sets.as_ref()) {
                            counters.add_to(misses, port, line);
                        }
                    });
                    counts.data.accesses += accesses;
                    counts.fetch.accesses += fetches;
                }
            }
            CoreProfile { counts, sets }
        });
        let cores = cores.collect();
        Counts { cores, pending }
    }

    fn rough_sum(&self) -> CoreSnapshot {
        let counted: Vec<_> = self.cores.iter().map(SimulatedCore::counts).collect();
        let mut sum: CoreSnapshot = counted.iter().sum();
        for vcpu in &self.registry.lock().all {
            let (accesses, fetches) = vcpu.buffer.counted();
            sum.data.accesses += accesses;
            sum.fetch.accesses += fetches;
        }
        sum
    }

    fn banks(&'static self, visit: &mut dyn FnMut(&'static Bank)) {
        self.registry.lock().all.iter().for_each(|vcpu| visit(&vcpu.bank));
        self.cores.iter().for_each(|core| visit(&core.bank));
    }

    fn translations_changed(&'static self, index: u32) {
        // SAFETY: in a callback of this vCPU.
        unsafe { self.register(index).pages() }.raise_generation();
    }

    fn retire(&self, index: u32) {
        Machine::retire(self, index);
    }

    fn every_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        // SAFETY: what is done to the locks is the caller's business.
        unsafe {
            act(self.registry.raw());
            for core in &self.cores {
                act(core.model.raw());
            }
        }
    }
}

//! The vCPUs, their cores, and who may touch what.
//!
//! A core is *private* while only one vCPU uses it: that vCPU's callbacks reach the model without a
//! lock. Where several vCPUs share a core (fewer cores than vCPUs, the threads of a user-mode guest),
//! each records into a buffer of its own and simulates it under the core's lock. Code is translated for
//! one of the two (see [`crate::callbacks::Sharing`]); what was translated for the only vCPU there is
//! notices when a second one comes.
//!
//! Nothing here is ever freed: QEMU may run callbacks until the process is gone.

use std::cell::{OnceCell, UnsafeCell};
use std::collections::HashMap;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use cachesim::address::LineAddr;
use cachesim::buffer::{AccessBuffer, Filters, Port, Room};
use cachesim::config::Config;
use cachesim::core::{Core, Lines};
use cachesim::geometry::CacheGeometry;
use cachesim::hierarchy::Hierarchy;
use cachesim::instructions::{Instruction, Run};
use cachesim::model::{EffectLayout, Misses, Model, RECORD_BITS};
use cachesim::pages::PageCache;
use cachesim::policy::{AnyPolicy, Fifo, Lru, Policy, Random};
use cachesim::profile::{Bank, CountedBy, Effect, ProfiledAccess, ProfiledRun};
use cachesim::stats::{CacheStats, CoreStats, Counter, LowerStats, Purpose};
use options::{Detail, Options};
use parking_lot::{Mutex, RawMutex};
use report::{
    BeyondCounts, CacheCounts, CoreProfile, CoreSnapshot, LowerCounts, LowerMisses, MissesByKind,
    SetMisses,
};

use crate::userdata::AccessData;

/// Accesses a vCPU records before it simulates them on a shared core.
const BUFFER_CAPACITY: usize = 4096;

/// vCPU indices with a slot of their own; higher ones take a map and a lock.
const SLOTS: usize = 4096;

/// The vCPU of each index, a `*const Vcpu<M>` for the one `M` of the run.
static VCPUS: [AtomicPtr<()>; SLOTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS];

/// The only vCPU there is, a `*const Vcpu<M>`; null when there is none yet, and for good as soon as
/// there may be two.
static ALONE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The core of [`ALONE`], a `*const SimulatedCore<M>`, or [`NOBODYS_CORE`] when that is null.
static ALONE_CORE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// A core, a `*const SimulatedCore<M>`, that no vCPU uses, so that nothing ever hits there: a callback that
/// looks there for a hit need not look first whether there is a core. Null until the machine is started.
static NOBODYS_CORE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Whether there may be several vCPUs.
static SEVERAL: AtomicBool = AtomicBool::new(false);

/// Says that from now on there may be several vCPUs. Called before the second one runs, by the thread
/// of the first or before that runs.
pub fn expect_several() {
    SEVERAL.store(true, Ordering::Release);
    ALONE.store(ptr::null_mut(), Ordering::Release);
    forget_only_core();
}

/// Has the callbacks of the only vCPU look for it.
fn forget_only_core() {
    let nobodys = NOBODYS_CORE.load(Ordering::Acquire);
    ALONE_CORE.store(nobodys, Ordering::Release);
}

/// Whether there may be several vCPUs.
pub fn several_expected() -> bool {
    SEVERAL.load(Ordering::Acquire)
}

/// A simulated core. What callbacks need comes first: so they reach it with short instructions.
#[derive(Debug)]
#[repr(C)]
pub struct SimulatedCore<M: Model> {
    stats: CoreStats,
    model: Mutex<M>,
    lines: Lines,
    layout: EffectLayout,
    sets: Option<SetCounters>,
    bank: Bank,
    has_l2: bool,
    has_l3: bool,
    /// What recorded accesses carry: see [`Culprit`].
    detail: Detail,
    /// Who counts misses. Of an only core the one vCPU does, or whoever has its lock.
    writers: Writers,
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
        let (icache, dcache) = (config.icache().geometry, config.dcache().geometry);
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
pub struct Vcpu<M: Model> {
    core: &'static SimulatedCore<M>,
    pages: UnsafeCell<PageCache>,
    buffer: AccessBuffer,
    bank: Bank,
}

// SAFETY: `pages` is reached through `Vcpu::pages` only, whose callers are the callbacks of this vCPU; QEMU
// runs a vCPU, and so its callbacks, on one thread at a time. The rest is `Sync`.
unsafe impl<M: Model> Sync for Vcpu<M> {}

/// All cores and vCPUs of the run.
#[derive(Debug)]
pub struct Machine<M: Model> {
    icache: CacheGeometry,
    dcache: CacheGeometry,
    cores: Box<[SimulatedCore<M>]>,
    shared: M::Shared,
    /// What buffers may leave out.
    filters: Filters,
    registry: Mutex<Registry<M>>,
}

#[derive(Debug)]
struct Registry<M: Model> {
    /// Every vCPU that exists or existed, by index. One that is gone keeps its place until another
    /// takes its index: what it recorded last is still to be reported.
    by_index: HashMap<u32, &'static Vcpu<M>>,
    /// Every vCPU that was ever made: also those in `free`.
    all: Vec<&'static Vcpu<M>>,
    /// vCPUs that are gone and whose records have been simulated, to be used again, by core.
    free: HashMap<usize, Vec<&'static Vcpu<M>>>,
}

/// The locks of what cores share.
pub trait Locks: Model {
    /// Calls `act` for each, in the order in which they are taken, after those of the cores.
    fn every_shared_lock(shared: &'static Self::Shared, act: &dyn Fn(&'static RawMutex));
}

impl<P: Policy> Locks for Core<P> {
    fn every_shared_lock((): &'static (), _: &dyn Fn(&'static RawMutex)) {}
}

impl<P: Policy> Locks for Hierarchy<P> {
    fn every_shared_lock(shared: &'static Self::Shared, act: &dyn Fn(&'static RawMutex)) {
        let Some(cache) = shared else { return };
        // SAFETY: what is done to the locks is the caller's business.
        unsafe {
            cache.slices().iter().for_each(|slice| act(slice.raw()));
            cache.mail().for_each(|mail| act(mail.raw()));
        }
    }
}

/// The models, each with a place for the machine of the run.
pub trait Machines: Locks {
    /// The place. Empty unless this is the run's model.
    fn machine() -> &'static OnceLock<&'static Machine<Self>>;
}

macro_rules! machines {
    ($($model:ty),*) => {$(
        impl Machines for $model {
            fn machine() -> &'static OnceLock<&'static Machine<Self>> {
                static MACHINE: OnceLock<&'static Machine<$model>> = OnceLock::new();
                &MACHINE
            }
        }
    )*};
}

machines!(
    Core<Lru>,
    Core<Fifo>,
    Core<Random>,
    Core<AnyPolicy>,
    Hierarchy<Lru>,
    Hierarchy<AnyPolicy>
);

/// The only vCPU, if it has called back before and there is still no other.
///
/// # Safety
/// `M` is the model of the run.
#[inline(always)]
pub unsafe fn only_vcpu<M: Machines>() -> Option<&'static Vcpu<M>> {
    // SAFETY: null or what `vcpu_and_company` stored, a leaked `Vcpu` of the run's one machine.
    unsafe { ALONE.load(Ordering::Acquire).cast::<Vcpu<M>>().as_ref() }
}

/// The core of [`only_vcpu`], or, where nothing hits, nobody's.
///
/// # Safety
/// `M` is the model of the run, whose machine has been started.
#[inline(always)]
pub unsafe fn only_core_or_nobodys<M: Machines>() -> &'static SimulatedCore<M> {
    // SAFETY: what `vcpu_and_company` stored, a core of the run's one machine, or what `Machine::start` did.
    unsafe { &*ALONE_CORE.load(Ordering::Acquire).cast::<SimulatedCore<M>>() }
}

/// The core of [`only_vcpu`].
///
/// # Safety
/// As for [`only_core_or_nobodys`].
#[inline(always)]
pub unsafe fn only_core<M: Machines>() -> Option<&'static SimulatedCore<M>> {
    // SAFETY: the caller's promise.
    let core = unsafe { only_core_or_nobodys::<M>() };
    (!core.is_nobodys()).then_some(core)
}

/// The vCPU of `index`, made at its first callback; whether it is the only one. The caller is a callback of
/// that vCPU.
///
/// # Panics
/// Where `M` is not the model of the run.
pub fn vcpu_and_company<M: Machines>(index: u32) -> (&'static Vcpu<M>, Company) {
    let vcpu = vcpu::<M>(index);
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
/// `M` is the model of the run.
#[inline(always)]
pub unsafe fn known_vcpu<M: Machines>(index: u32) -> Option<&'static Vcpu<M>> {
    let vcpu = VCPUS.get(index as usize)?.load(Ordering::Acquire);
    // SAFETY: a slot holds null or what `Machine::register` stored: a leaked `Vcpu` of the run's one
    // machine, hence of `M`.
    unsafe { vcpu.cast::<Vcpu<M>>().as_ref() }
}

/// The vCPU of `index`, which is made at its first callback.
///
/// # Panics
/// Where `M` is not the model of the run.
pub fn vcpu<M: Machines>(index: u32) -> &'static Vcpu<M> {
    // SAFETY: `M` is the run's, or the next line panics before there is any vCPU.
    if let Some(known) = unsafe { known_vcpu::<M>(index) } {
        return known;
    }
    M::machine().get().expect("the caller's M is the run's").register(index)
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

impl<M: Machines> Machine<M> {
    /// The cores of `options`, as the machine of this run. Lives until the process ends. `layout` is that of
    /// the word by which QEMU describes an access.
    pub fn start(options: &Options, layout: EffectLayout) -> &'static Self {
        M::machine().get_or_init(|| Self::new(options, layout))
    }
}

impl<M: Model> Machine<M> {
    fn new(options: &Options, layout: EffectLayout) -> &'static Self {
        let config = &options.config;
        let shared = M::shared(config);
        let smallest = Options { config: config.one_line_each(), ..options.clone() };
        let nobodys = Box::leak(Box::new(SimulatedCore::<M>::new(&smallest, 0, &shared, layout)));
        NOBODYS_CORE.store(ptr::from_mut(nobodys).cast(), Ordering::Release);
        forget_only_core();
        let cores = (0..config.cores().get())
            .map(|number| SimulatedCore::new(options, number, &shared, layout));
        Box::leak(Box::new(Self {
            icache: config.icache().geometry,
            dcache: config.dcache().geometry,
            cores: cores.collect(),
            shared,
            filters: Filters::of(config),
            registry: Mutex::new(Registry {
                by_index: HashMap::new(),
                all: Vec::new(),
                free: HashMap::new(),
            }),
        }))
    }

    fn register(&'static self, index: u32) -> &'static Vcpu<M> {
        let mut registry = self.registry.lock();
        if let Some(known) = registry.by_index.get(&index) {
            return known;
        }
        let core = index as usize % self.cores.len();
        let used_before = registry.free.get_mut(&core).and_then(Vec::pop);
        let vcpu = used_before.unwrap_or_else(|| {
            let vcpu: &'static Vcpu<M> = Box::leak(Box::new(Vcpu {
                core: &self.cores[core],
                pages: UnsafeCell::default(),
                buffer: AccessBuffer::new(
                    BUFFER_CAPACITY,
                    &self.dcache,
                    &self.icache,
                    self.filters,
                ),
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

impl<M: Model> SimulatedCore<M> {
    fn new(options: &Options, number: u32, shared: &M::Shared, layout: EffectLayout) -> Self {
        let config = &options.config;
        Self {
            stats: CoreStats::default(),
            model: Mutex::new(M::new(config, number, shared, layout)),
            lines: Lines::new(config),
            layout,
            sets: options.needs_set_misses().then(|| SetCounters::new(config)),
            bank: Bank::default(),
            has_l2: config.lower().is_some(),
            has_l3: config.lower().is_some_and(|lower| lower.l3.is_some()),
            detail: options.detail,
            writers: if config.cores().get() == 1 { Writers::One } else { Writers::Many },
        }
    }

    /// Whether this is the core that no vCPU uses.
    #[inline(always)]
    pub fn is_nobodys(&self) -> bool {
        ptr::addr_eq(self, NOBODYS_CORE.load(Ordering::Relaxed))
    }

    /// How QEMU describes an access.
    #[inline(always)]
    pub fn layout(&self) -> EffectLayout {
        self.layout
    }

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
        self.stats.fetches.add(n);
    }

    /// A data access, unless it does not count, and the fetches after it.
    ///
    /// # Safety
    /// The caller is a callback of the one vCPU that uses this core.
    #[inline(always)]
    pub unsafe fn access(&self, access: Option<M::Access>, data: AccessData) {
        let Some(access) = access else {
            self.stats.fetches.add(data.fetches.into());
            return;
        };
        // SAFETY: the caller's promise.
        unsafe {
            if !self.access_hits(access, data) && !self.access_usual(access, data) {
                self.access_unusual(access, data);
            }
        }
    }

    /// As [`SimulatedCore::access`] of one that counts, if it is a hit where the line is expected. Otherwise
    /// nothing has happened, and [`SimulatedCore::access_usual`] must follow.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`], or it is nobody's core.
    #[inline(always)]
    pub unsafe fn access_hits(&self, access: M::Access, data: AccessData) -> bool {
        let accesses = &self.stats.data.accesses;
        let now = accesses.get().wrapping_add(1);
        // SAFETY: the one vCPU that uses this core is here, and nobody else takes the lock to write. In
        // nobody's core, where several threads may look at once, there is no line to be hit, so that none
        // of them writes.
        let hit = unsafe { &mut *self.model.data_ptr() }.access_hits(access, now);
        if hit {
            accesses.set(now);
            self.stats.fetches.add(data.fetches.into());
        }
        hit
    }

    /// Fetches from one line, if it is a hit where that is expected. Otherwise nothing has happened,
    /// and [`SimulatedCore::fetch_usual`] must follow.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access_hits`].
    #[inline(always)]
    pub unsafe fn fetch_hits(&self, run: &Run) -> bool {
        let fetches = &self.stats.fetches;
        let now = fetches.get().wrapping_add(run.fetches);
        // SAFETY: as in `access_hits`.
        let model = unsafe { &mut *self.model.data_ptr() };
        let hit = model.fetch_hits(run.line, now);
        if hit {
            fetches.set(now);
            if M::MAY_COUNT_REPEATS {
                model.repeat_fetches(run.line, run.fetches.saturating_sub(1), now);
            }
        }
        hit
    }

    /// As [`SimulatedCore::access`], where all is counted of each instruction. Of an `effect` that the data
    /// cache does not see there is no `data`.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn access_in_full(
        &self,
        data: Option<M::Access>,
        access: &'static ProfiledAccess,
        effect: Effect,
        by: CountedBy<'_>,
    ) {
        self.stats.fetches.add(access.fetches(effect));
        let Some(data) = data else { return access.count(effect, by) };
        let now = self.stats.data.accesses.add(1);
        access.count(effect, by);
        // SAFETY: as in `access`.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.access_hits(data, now) {
            // SAFETY: as before.
            unsafe { self.access_in_full_unpredicted(data, access, effect, now) };
        }
    }

    /// Fetches from one line, where all is counted of each instruction.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn fetch_in_full(&self, run: &'static ProfiledRun, by: CountedBy<'_>) {
        let now = self.stats.fetches.add(run.fetches);
        run.count(by);
        // SAFETY: as in `access`.
        let model = unsafe { &mut *self.model.data_ptr() };
        if !model.fetch_hits(run.line, now) {
            // SAFETY: as before.
            unsafe { self.fetch_in_full_unpredicted(run, now) };
        }
        if M::MAY_COUNT_REPEATS {
            model.repeat_fetches(run.line, run.fetches.saturating_sub(1), now);
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn access_in_full_unpredicted(
        &self,
        data: M::Access,
        access: &'static ProfiledAccess,
        effect: Effect,
        now: u64,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let misses = match model.access_usual(data, now, &self.stats) {
            Some(misses) => misses,
            None => model.access_rest(data, now, &self.stats),
        };
        if misses.any() {
            let line = M::line_of(data, self.lines);
            self.count_miss(misses, line, &Culprit::of_access(access, effect));
        }
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn fetch_in_full_unpredicted(&self, run: &'static ProfiledRun, now: u64) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let fetch = run.fetch();
        let misses = match model.fetch_usual(fetch, now, &self.stats) {
            Some(misses) => misses,
            None => model.fetch_rest(fetch, now, &self.stats),
        };
        if misses.any() {
            self.count_miss(misses, run.line, &Culprit::of(run.instruction));
        }
    }

    /// The part of the core's one vCPU in what instructions count in full.
    #[inline(always)]
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// Counts a miss wherever it is counted.
    #[inline(always)]
    fn count_miss(&self, misses: Misses, line: LineAddr, culprit: &Culprit) {
        let Culprit { instruction, write_misses } = culprit;
        self.count_plain_miss(misses, instruction);
        if let Some(write_misses) = write_misses {
            self.writers.count(write_misses);
        }
        if let Some(sets) = &self.sets {
            sets.count(port_of(misses), line);
        }
    }

    /// Counts a miss where it is counted in every run.
    #[inline(always)]
    fn count_plain_miss(&self, misses: Misses, instruction: &Instruction) {
        match port_of(misses) {
            Port::Data => {
                self.stats.data.misses.add(1);
                self.writers.count(&instruction.data_misses);
            }
            Port::Fetch => {
                self.stats.fetch_misses.add(1);
                self.writers.count(&instruction.fetch_misses);
            }
        }
        if M::GOES_BEYOND {
            if misses.purpose() == Purpose::Write {
                self.stats.beyond.stores.misses.add(1);
            }
            if let Some(lower) = instruction.lower {
                for counter in lower.missed(misses) {
                    self.writers.count(counter);
                }
            }
        }
    }

    // The rest of accesses that are no hits in the predicted way, and of those in caches of unusual
    // geometry. Apart, so that callbacks need no stack frame for the others; `extern "C"`, so that the
    // compiler knows that they do not unwind, and jumps there.

    /// As [`SimulatedCore::access_hits`], wherever the line is, if the data cache is of a usual geometry.
    /// Otherwise nothing has happened, and [`SimulatedCore::access_unusual`] must follow.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access_hits`].
    #[inline(always)]
    pub unsafe fn access_usual(&self, access: M::Access, data: AccessData) -> bool {
        let accesses = &self.stats.data.accesses;
        let now = accesses.get().wrapping_add(1);
        // SAFETY: as in `access_hits`. The geometry of nobody's core is no usual one.
        let model = unsafe { &mut *self.model.data_ptr() };
        let Some(misses) = model.access_usual(access, now, &self.stats) else { return false };
        accesses.set(now);
        self.stats.fetches.add(data.fetches.into());
        self.accessed(misses, data.instruction);
        true
    }

    /// A data access that counts, and the fetches after it.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(always)]
    pub unsafe fn access_unusual(&self, access: M::Access, data: AccessData) {
        self.stats.fetches.add(data.fetches.into());
        let now = self.stats.data.accesses.add(1);
        // SAFETY: the caller's promise.
        unsafe { self.access_unusual_at(access, data.instruction, now) };
    }

    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    unsafe extern "C" fn access_unusual_at(
        &self,
        access: M::Access,
        instruction: &'static Instruction,
        now: u64,
    ) {
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let misses = model.access_rest(access, now, &self.stats);
        self.accessed(misses, instruction);
    }

    #[inline(always)]
    fn accessed(&self, misses: Misses, instruction: &Instruction) {
        if misses.any() {
            self.count_plain_miss(misses, instruction);
        }
    }

    /// As [`SimulatedCore::fetch_hits`], wherever the line is, if the instruction cache is of a usual
    /// geometry. Otherwise nothing has happened, and [`SimulatedCore::fetch_unusual`] must follow.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access_hits`].
    #[inline(always)]
    pub unsafe fn fetch_usual(&self, run: &Run) -> bool {
        let fetches = &self.stats.fetches;
        let now = fetches.get().wrapping_add(run.fetches);
        // SAFETY: as in `access_usual`.
        let model = unsafe { &mut *self.model.data_ptr() };
        let Some(misses) = model.fetch_usual(run.fetch(), now, &self.stats) else { return false };
        fetches.set(now);
        self.accessed(misses, run.instruction);
        if M::MAY_COUNT_REPEATS {
            model.repeat_fetches(run.line, run.fetches.saturating_sub(1), now);
        }
        true
    }

    /// Fetches from one line.
    ///
    /// # Safety
    /// As for [`SimulatedCore::access`].
    #[inline(never)]
    pub unsafe extern "C" fn fetch_unusual(&self, run: &Run) {
        let now = self.stats.fetches.add(run.fetches);
        // SAFETY: the caller's promise.
        let model = unsafe { &mut *self.model.data_ptr() };
        let misses = model.fetch_rest(run.fetch(), now, &self.stats);
        self.accessed(misses, run.instruction);
        if M::MAY_COUNT_REPEATS {
            model.repeat_fetches(run.line, run.fetches.saturating_sub(1), now);
        }
    }
}

/// The cache that an access went to.
#[inline(always)]
fn port_of(misses: Misses) -> Port {
    match misses.purpose() {
        Purpose::Fetch => Port::Fetch,
        Purpose::Read | Purpose::Write | Purpose::WriteBack => Port::Data,
    }
}

impl<M: Model> Vcpu<M> {
    /// The core it runs on.
    #[inline(always)]
    pub fn core(&self) -> &'static SimulatedCore<M> {
        self.core
    }

    /// Counts `n` fetches that hit by construction, on a core that other vCPUs may use as well.
    #[inline(always)]
    pub fn count(&self, n: u64) {
        self.buffer.count(n);
    }

    /// A data access, unless it does not count, and the fetches after it, on a core that other vCPUs may
    /// use as well.
    #[inline(always)]
    pub fn record_access(&self, access: Option<M::Access>, data: AccessData) {
        self.buffer.count(data.fetches.into());
        let Some(access) = access else { return };
        if self.record(access, token_of(data.instruction)) == Room::Full {
            self.drain();
        }
    }

    #[inline(always)]
    fn record(&self, access: M::Access, token: u64) -> Room {
        let core = self.core;
        let record = || {
            let (word, bits) = M::record(access, core.layout);
            (word, token | bits)
        };
        let is_store = || M::is_store(access, core.layout);
        self.buffer.record_access(M::line_of(access, core.lines), record, is_store)
    }

    /// Fetches from one line, on a core that other vCPUs may use as well.
    #[inline(always)]
    pub fn record_fetches(&self, line: LineAddr, instruction: &'static Instruction, fetches: u64) {
        if self.buffer.record_fetches(line, fetches, token_of(instruction)) == Room::Full {
            self.drain();
        }
        if M::MAY_COUNT_REPEATS {
            self.record_repeats(line, instruction, fetches);
        }
    }

    /// The fetches after the first one, if they matter to the policy.
    fn record_repeats(&self, line: LineAddr, instruction: &'static Instruction, fetches: u64) {
        if self.buffer.records_repeats(Port::Fetch) {
            for _ in 1..fetches {
                if self.buffer.record_fetches(line, 0, token_of(instruction)) == Room::Full {
                    self.drain();
                }
            }
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
        if M::MAY_COUNT_REPEATS {
            self.record_repeats(run.line, run.instruction, run.fetches);
        }
    }

    /// As [`Vcpu::record_access`], where all is counted of each instruction.
    pub fn record_access_in_full(
        &self,
        data: Option<M::Access>,
        access: &'static ProfiledAccess,
        effect: Effect,
    ) {
        let by = CountedBy::OneOf(&self.bank);
        self.buffer.count(access.fetches(effect));
        let Some(data) = data else { return access.count(effect, by) };
        let store = if effect.is_store() { STORE_TOKEN } else { 0 };
        let room = self.record(data, token_of(access) | store);
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
        let counted = self.buffer.peek(|port, word, token| {
            let simulated =
                self.core.simulate_next(&mut *model, &mut times, stats, port, word, token);
            if let Some((misses, line, culprit)) = simulated {
                self.core.count_miss(misses, line, &culprit);
            }
        });
        stats.data.accesses.add(counted.accesses);
        stats.fetches.add(counted.fetches);
        self.buffer.clear();
    }
}

/// The times of accesses that come out of buffers: they go on where the counters are, and stay behind
/// what these will be when all accesses of the buffer have been added, also those not recorded.
struct Times {
    data: u64,
    fetch: u64,
}

impl Times {
    fn of(stats: &CoreStats) -> Self {
        Self { data: stats.data.accesses.get(), fetch: stats.fetches.get() }
    }
}

impl<M: Model> SimulatedCore<M> {
    /// The next access that was recorded; if it missed, what, and whose miss it is. Counts what a model
    /// counts of what is beyond the first level.
    #[inline(always)]
    fn simulate_next(
        &self,
        model: &mut M,
        times: &mut Times,
        stats: &CoreStats,
        port: Port,
        word: u64,
        token: u64,
    ) -> Option<(Misses, LineAddr, Culprit)> {
        let (bits, token) = (token & RECORD_BITS, token & !RECORD_BITS);
        let time = match port {
            Port::Data => &mut times.data,
            Port::Fetch => &mut times.fetch,
        };
        *time += 1;
        let culprit = || Culprit::of_token(port, token, self.detail);
        let place = || culprit().instruction.identity.place;
        let misses = model.replay(port, word, bits, place, *time, stats);
        misses.any().then(|| (misses, M::recorded_line(port, word, self.lines), culprit()))
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
    /// Of what is beyond them.
    pub lower: LowerMisses,
}

impl PendingMisses {
    fn add(&mut self, misses: Misses, is_counted_store: bool) {
        match port_of(misses) {
            Port::Data => self.data += 1,
            Port::Fetch => self.fetch += 1,
        }
        self.write += u64::from(is_counted_store);
        let count = |level: &mut MissesByKind| match misses.purpose() {
            Purpose::Fetch => level.fetch += 1,
            Purpose::Read => level.read += 1,
            Purpose::Write | Purpose::WriteBack => level.write += 1,
        };
        if misses.levels() >= 2 {
            count(&mut self.lower.l2);
        }
        if misses.levels() >= 3 {
            count(&mut self.lower.l3);
        }
    }
}

/// A machine whatever its model, for everything that is not an access.
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

fn cache_counts(stats: &CacheStats) -> CacheCounts {
    CacheCounts { accesses: stats.accesses.get(), misses: stats.misses.get() }
}

fn lower_counts(stats: &LowerStats) -> LowerCounts {
    let of = |purpose| cache_counts(stats.of(purpose));
    LowerCounts {
        fetch: of(Purpose::Fetch),
        read: of(Purpose::Read),
        write: of(Purpose::Write),
        write_back: of(Purpose::WriteBack),
    }
}

impl<M: Model> SimulatedCore<M> {
    /// What is in `stats`, which are this core's or go on from there.
    fn counts(&self, stats: &CoreStats) -> CoreSnapshot {
        let CoreStats { data, fetches, fetch_misses, beyond } = stats;
        CoreSnapshot {
            data: cache_counts(data),
            fetch: CacheCounts { accesses: fetches.get(), misses: fetch_misses.get() },
            beyond: M::GOES_BEYOND.then(|| BeyondCounts {
                stores: cache_counts(&beyond.stores),
                l2: self.has_l2.then(|| lower_counts(&beyond.l2)),
                l3: self.has_l3.then(|| lower_counts(&beyond.l3)),
                passed_stores: beyond.passed_stores.get(),
                write_backs: beyond.write_backs.each_ref().map(Counter::get),
                memory_read_bytes: beyond.memory_read_bytes.get(),
                memory_written_bytes: beyond.memory_written_bytes.get(),
            }),
        }
    }
}

impl<M: Machines> Simulator for Machine<M> {
    fn counts(&self) -> Counts {
        let registry = self.registry.lock();
        let mut pending: HashMap<_, PendingMisses> = HashMap::new();
        let shared = OnceCell::new();
        let cores = self.cores.iter().map(|core| {
            // Whoever wants to drain waits here, so what is recorded now stays where it is.
            let guard = core.model.lock();
            let mut counts = core.counts(&core.stats);
            let mut sets = core.sets.as_ref().map(SetCounters::get);
            let recorded: Vec<_> =
                registry.by_index.values().filter(|vcpu| ptr::eq(vcpu.core, core)).collect();
            if recorded.iter().any(|vcpu| !vcpu.buffer.is_empty()) {
                // What is recorded is tried out on a copy, and counted in a copy.
                let mut model = guard.on(shared.get_or_init(|| M::try_out(&self.shared)));
                let stats = core.stats.clone();
                let mut times = Times::of(&stats);
                for vcpu in recorded {
                    let counted = vcpu.buffer.peek(|port, word, token| {
                        let simulated =
                            core.simulate_next(&mut model, &mut times, &stats, port, word, token);
                        let Some((simulated, line, culprit)) = simulated else { return };
                        let misses = pending.entry(ptr::from_ref(culprit.instruction)).or_default();
                        misses.add(simulated, culprit.write_misses.is_some());
                        match port {
                            Port::Data => stats.data.misses.add(1),
                            Port::Fetch => stats.fetch_misses.add(1),
                        };
                        if simulated.purpose() == Purpose::Write {
                            stats.beyond.stores.misses.add(1);
                        }
                        if let Some((misses, counters)) = sets.as_mut().zip(core.sets.as_ref()) {
                            counters.add_to(misses, port, line);
                        }
                    });
                    stats.data.accesses.add(counted.accesses);
                    stats.fetches.add(counted.fetches);
                }
                counts = core.counts(&stats);
            }
            CoreProfile { counts, sets }
        });
        let cores = cores.collect();
        Counts { cores, pending }
    }

    fn rough_sum(&self) -> CoreSnapshot {
        let counted: Vec<_> = self.cores.iter().map(|core| core.counts(&core.stats)).collect();
        let mut sum: CoreSnapshot = counted.iter().sum();
        for vcpu in &self.registry.lock().all {
            let counted = vcpu.buffer.counted();
            sum.data.accesses += counted.accesses;
            sum.fetch.accesses += counted.fetches;
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
        M::every_shared_lock(&self.shared, act);
    }
}

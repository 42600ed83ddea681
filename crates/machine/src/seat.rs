//! Finding the core, and taking the access.

use std::marker::PhantomData;

use cachesim::address::LineAddr;
use cachesim::core::Lines;
use cachesim::instructions::Run;
use cachesim::model::{Kind, Model};
use cachesim::profile::CountedBy;

use crate::core::SimulatedCore;
use crate::directory::Directory;
use crate::event::Event;
use crate::vcpu::Vcpu;

/// Where the accesses of one vCPU go. It lives in one callback of that vCPU.
pub trait Seat {
    /// How addresses become lines of the core's caches.
    fn lines(&self) -> Lines;

    /// A data access and `then` fetches after it, if counting is all there is to do. Otherwise nothing has
    /// happened, and it is an event to be taken.
    fn access_hits(&self, kind: Kind, line: LineAddr, then: u64) -> bool;

    /// As [`Seat::access_hits`], for the fetches of a run.
    fn fetch_hits(&self, run: &Run) -> bool;

    /// Counts fetches that hit by construction.
    fn count(&self, fetches: u64);

    /// Takes an access, whatever it does.
    fn take(&self, event: &Event);

    /// Who raises counts by instruction.
    fn counted_by(&self) -> CountedBy<'static>;
}

/// A core that only this vCPU uses.
#[derive(Debug)]
pub struct OwnCore<M: Model> {
    core: &'static SimulatedCore<M>,
    /// Whether there is any other vCPU.
    is_only: bool,
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

impl<M: Model> OwnCore<M> {
    /// # Safety
    /// Until the callback that this happens in returns, no other thread uses the core but to read counters,
    /// or to copy the model while this vCPU stands still.
    #[inline(always)]
    unsafe fn new(core: &'static SimulatedCore<M>, is_only: bool) -> Self {
        Self { core, is_only, here: PhantomData }
    }

    /// Calls `act` with the model.
    #[inline(always)]
    fn with_model<T>(&self, act: impl FnOnce(&mut M) -> T) -> T {
        // SAFETY: `new`'s caller promised that nobody else uses it; and nobody does on this thread, for what
        // `act` does here is to ask the model, which calls nobody back.
        act(unsafe { &mut *self.core.model.data_ptr() })
    }
}

impl<M: Model> Seat for OwnCore<M> {
    #[inline(always)]
    fn lines(&self) -> Lines {
        self.core.lines
    }

    #[inline(always)]
    fn access_hits(&self, kind: Kind, line: LineAddr, then: u64) -> bool {
        let stats = &self.core.stats;
        let now = stats.data.accesses.get().wrapping_add(1);
        let hit = self.with_model(|model| model.hits(kind, line, 1, now));
        if hit {
            stats.data.accesses.set(now);
            stats.fetches.add(then);
        }
        hit
    }

    #[inline(always)]
    fn fetch_hits(&self, run: &Run) -> bool {
        let counter = &self.core.stats.fetches;
        let fetches = run.fetches;
        let now = counter.get().wrapping_add(fetches);
        let hit = self.with_model(|model| model.hits(Kind::Fetch, run.line, fetches, now));
        if hit {
            counter.set(now);
        }
        hit
    }

    #[inline(always)]
    fn count(&self, fetches: u64) {
        self.core.stats.fetches.add(fetches);
    }

    #[inline(always)]
    fn take(&self, event: &Event) {
        let core = self.core;
        let access = event.access;
        let now = if access.kind == Kind::Fetch {
            core.stats.fetches.add(access.extent.into())
        } else {
            core.stats.fetches.add(event.then);
            core.stats.data.accesses.add(1)
        };
        let misses = self.with_model(|model| model.simulate(access, now, &core.stats));
        if misses.any() {
            core.count_miss(misses, event);
        }
    }

    #[inline(always)]
    fn counted_by(&self) -> CountedBy<'static> {
        if self.is_only { CountedBy::Alone } else { CountedBy::OneOf(&self.core.bank) }
    }
}

/// The buffer of a vCPU, whose core others may use as well.
#[derive(Debug)]
pub struct Recorder<M: Model> {
    vcpu: &'static Vcpu<M>,
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

impl<M: Model> Seat for Recorder<M> {
    #[inline(always)]
    fn lines(&self) -> Lines {
        self.vcpu.core.lines
    }

    #[inline(always)]
    fn access_hits(&self, kind: Kind, line: LineAddr, then: u64) -> bool {
        let buffer = &self.vcpu.buffer;
        let hit = buffer.changes_nothing(kind, line);
        if hit {
            buffer.count_access();
            buffer.count(then);
        }
        hit
    }

    #[inline(always)]
    fn fetch_hits(&self, run: &Run) -> bool {
        let buffer = &self.vcpu.buffer;
        let hit = buffer.changes_nothing(Kind::Fetch, run.line);
        if hit {
            buffer.count(run.fetches);
        }
        hit
    }

    #[inline(always)]
    fn count(&self, fetches: u64) {
        self.vcpu.buffer.count(fetches);
    }

    #[inline(always)]
    fn take(&self, event: &Event) {
        let buffer = &self.vcpu.buffer;
        if event.access.kind == Kind::Fetch {
            buffer.count(event.access.extent.into());
        } else {
            buffer.count(event.then);
            buffer.count_access();
        }
        self.vcpu.record(event);
    }

    #[inline(always)]
    fn counted_by(&self) -> CountedBy<'static> {
        CountedBy::OneOf(&self.vcpu.bank)
    }
}

/// Either.
#[derive(Debug)]
pub enum AnySeat<M: Model> {
    /// A core that only this vCPU uses.
    OwnCore(OwnCore<M>),
    /// The vCPU's buffer.
    Recorder(Recorder<M>),
}

impl<M: Model> Seat for AnySeat<M> {
    fn lines(&self) -> Lines {
        match self {
            Self::OwnCore(seat) => seat.lines(),
            Self::Recorder(seat) => seat.lines(),
        }
    }

    fn access_hits(&self, kind: Kind, line: LineAddr, then: u64) -> bool {
        match self {
            Self::OwnCore(seat) => seat.access_hits(kind, line, then),
            Self::Recorder(seat) => seat.access_hits(kind, line, then),
        }
    }

    fn fetch_hits(&self, run: &Run) -> bool {
        match self {
            Self::OwnCore(seat) => seat.fetch_hits(run),
            Self::Recorder(seat) => seat.fetch_hits(run),
        }
    }

    fn count(&self, fetches: u64) {
        match self {
            Self::OwnCore(seat) => seat.count(fetches),
            Self::Recorder(seat) => seat.count(fetches),
        }
    }

    fn take(&self, event: &Event) {
        match self {
            Self::OwnCore(seat) => seat.take(event),
            Self::Recorder(seat) => seat.take(event),
        }
    }

    fn counted_by(&self) -> CountedBy<'static> {
        match self {
            Self::OwnCore(seat) => seat.counted_by(),
            Self::Recorder(seat) => seat.counted_by(),
        }
    }
}

/// How a callback finds its vCPU and where that one's accesses go.
///
/// All functions have the same conditions: the caller is a callback of vCPU `index`; `M` is the model of the
/// directory's machine, which has been started; what is returned is used in that callback only; and QEMU was
/// given callbacks of this finder where it may be: [`Private`] where no core has two vCPUs.
pub trait Finder: 'static {
    /// Where accesses go.
    type Seat<M: Model>: Seat;

    /// The vCPU, if that takes no more than a load.
    ///
    /// # Safety
    /// See [`Finder`].
    unsafe fn vcpu<M: Model>(directory: &Directory, index: u32) -> Option<&'static Vcpu<M>>;

    /// Where the accesses of a vCPU go that [`Finder::vcpu`] found.
    ///
    /// # Safety
    /// See [`Finder`].
    unsafe fn seat_of<M: Model>(vcpu: &'static Vcpu<M>) -> Self::Seat<M>;

    /// Where the vCPU's accesses go, if that takes no more than a load or two.
    ///
    /// # Safety
    /// See [`Finder`].
    #[inline(always)]
    unsafe fn seat<M: Model>(directory: &Directory, index: u32) -> Option<Self::Seat<M>> {
        // SAFETY: the same conditions.
        unsafe { Some(Self::seat_of(Self::vcpu(directory, index)?)) }
    }

    /// The vCPU in any case, and where its accesses go.
    ///
    /// # Safety
    /// See [`Finder`].
    unsafe fn find<M: Model>(directory: &Directory, index: u32) -> (&'static Vcpu<M>, AnySeat<M>);
}

/// There is no other vCPU. Translated code that was given this goes on working when a second one comes:
/// [`Directory::expect_several`] has its callbacks look further.
#[derive(Debug)]
pub struct Alone;

/// Other vCPUs execute the same code, on cores of their own.
#[derive(Debug)]
pub struct Private;

/// Other vCPUs may use the core.
#[derive(Debug)]
pub struct Shared;

impl Finder for Alone {
    type Seat<M: Model> = OwnCore<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Model>(directory: &Directory, _: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: `M` is the machine's model, by the caller's promise.
        unsafe { directory.only_vcpu() }
    }

    #[inline(always)]
    unsafe fn seat_of<M: Model>(vcpu: &'static Vcpu<M>) -> OwnCore<M> {
        // SAFETY: this vCPU is the only one, and a callback of it is running.
        unsafe { OwnCore::new(vcpu.core, true) }
    }

    #[inline(always)]
    unsafe fn seat<M: Model>(directory: &Directory, _: u32) -> Option<OwnCore<M>> {
        // SAFETY: `M` is the machine's model; as long as there is an only core it is that of the only vCPU,
        // a callback of which is running.
        unsafe { Some(OwnCore::new(directory.only_core()?, true)) }
    }

    #[inline(always)]
    unsafe fn find<M: Model>(directory: &Directory, index: u32) -> (&'static Vcpu<M>, AnySeat<M>) {
        // SAFETY: `M` is the machine's model. If the vCPU is the only one, nobody else uses its core.
        unsafe {
            let vcpu = directory.vcpu(index);
            let seat = if directory.is_only(vcpu) {
                AnySeat::OwnCore(Self::seat_of(vcpu))
            } else {
                AnySeat::Recorder(Shared::seat_of(vcpu))
            };
            (vcpu, seat)
        }
    }
}

impl Finder for Private {
    type Seat<M: Model> = OwnCore<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Model>(directory: &Directory, index: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: `M` is the machine's model, by the caller's promise.
        unsafe { directory.known_vcpu(index) }
    }

    #[inline(always)]
    unsafe fn seat_of<M: Model>(vcpu: &'static Vcpu<M>) -> OwnCore<M> {
        // SAFETY: where this finder is used each vCPU has a core of its own.
        unsafe { OwnCore::new(vcpu.core, false) }
    }

    #[inline(always)]
    unsafe fn find<M: Model>(directory: &Directory, index: u32) -> (&'static Vcpu<M>, AnySeat<M>) {
        // SAFETY: the same conditions.
        unsafe {
            let vcpu = directory.vcpu(index);
            (vcpu, AnySeat::OwnCore(Self::seat_of(vcpu)))
        }
    }
}

impl Finder for Shared {
    type Seat<M: Model> = Recorder<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Model>(directory: &Directory, index: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: `M` is the machine's model, by the caller's promise.
        unsafe { directory.known_vcpu(index) }
    }

    #[inline(always)]
    unsafe fn seat_of<M: Model>(vcpu: &'static Vcpu<M>) -> Recorder<M> {
        Recorder { vcpu, here: PhantomData }
    }

    #[inline(always)]
    unsafe fn find<M: Model>(directory: &Directory, index: u32) -> (&'static Vcpu<M>, AnySeat<M>) {
        // SAFETY: the same conditions.
        unsafe {
            let vcpu = directory.vcpu(index);
            (vcpu, AnySeat::Recorder(Self::seat_of(vcpu)))
        }
    }
}

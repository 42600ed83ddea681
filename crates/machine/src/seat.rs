//! Finding the core, and taking the access.

use std::marker::PhantomData;

use cachesim::address::LineAddr;
use cachesim::core::Lines;
use cachesim::instructions::LineRun;
use cachesim::model::{Kind, Model};
use cachesim::profile::CountedBy;
use cachesim::stats::CoreStats;

use crate::callback::{Callback, Simulation};
use crate::core::SimulatedCore;
use crate::event::Event;
use crate::vcpu::{OwnVcpu, Vcpu};

/// Where the accesses of one vCPU go. It lives in one callback of that vCPU.
pub trait Seat {
    /// How addresses become lines of the core's caches.
    fn lines(&self) -> Lines;

    /// A data access and `following_fetches` fetches after it, if counting is all there is to do. Otherwise nothing has
    /// happened, and it is an event to be taken.
    fn access_hits(&self, kind: Kind, line: LineAddr, following_fetches: u64) -> bool;

    /// As [`Seat::access_hits`], for the fetches of a run.
    fn fetch_hits(&self, run: &LineRun) -> bool;

    /// Counts fetches that hit by construction.
    fn count(&self, fetches: u64);

    /// Takes an access, whatever it does.
    fn take(&self, event: &Event);

    /// Has the line of `run` fetched again, unless it is still where it was: a data access just before may have taken it
    /// out. The fetches have been counted.
    fn refetch(&self, run: &LineRun);

    /// Who raises counts by instruction.
    fn counted_by(&self) -> CountedBy<'_>;
}

/// A core that only this vCPU uses.
#[derive(Debug)]
pub struct OwnCore<'a, M: Model> {
    core: &'a SimulatedCore<M>,
    /// Whether there is any other vCPU.
    is_only: bool,
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

impl<'a, M: Model> OwnCore<'a, M> {
    /// # Safety
    /// Until the callback that this happens in returns, no other thread uses the core but to read counters,
    /// or to copy the model while this vCPU stands still.
    #[inline(always)]
    unsafe fn new(core: &'a SimulatedCore<M>, is_only: bool) -> Self {
        Self { core, is_only, here: PhantomData }
    }

    /// Calls `act` with the model.
    #[inline(always)]
    fn with_model<T>(&self, act: impl FnOnce(&mut M) -> T) -> T {
        // SAFETY: `new`'s caller promised that nobody else uses it; and nobody does on this thread, for what
        // `act` does here is to ask the model, which calls nobody back.
        act(unsafe { &mut *self.core.model.data_ptr() })
    }

    /// The slow answer.
    #[inline(always)]
    fn simulate(&self, event: &Event, now: u64) {
        let core = self.core;
        let misses = self.with_model(|model| model.simulate(event.access, now, &core.stats));
        if misses.any() {
            core.count_miss(misses, event);
        }
    }

    /// The fast question, where it may be asked.
    #[inline(always)]
    fn hits(&self, kind: Kind, line: LineAddr, fetches: u64, now: u64) -> bool {
        self.with_model(|model| {
            (self.is_only || !model.has_mail()) && model.hits(kind, line, fetches, now)
        })
    }
}

impl<M: Model> Seat for OwnCore<'_, M> {
    #[inline(always)]
    fn lines(&self) -> Lines {
        self.core.lines
    }

    #[inline(always)]
    fn access_hits(&self, kind: Kind, line: LineAddr, following_fetches: u64) -> bool {
        let stats = &self.core.stats;
        let now = stats.data.accesses.get().wrapping_add(1);
        let hit = self.hits(kind, line, 1, now);
        if hit {
            stats.data.accesses.set(now);
            stats.fetches.add(following_fetches);
            count_store::<M>(stats, kind);
        }
        hit
    }

    #[inline(always)]
    fn fetch_hits(&self, run: &LineRun) -> bool {
        let counter = &self.core.stats.fetches;
        // In this order: what is loaded after an atomic can wait until it is needed.
        let before = counter.get();
        let now = before.wrapping_add(run.fetches);
        let hit = self.hits(Kind::Fetch, run.line, run.fetches, now);
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
            core.stats.fetches.add(event.following_fetches);
            count_store::<M>(&core.stats, access.kind);
            core.stats.data.accesses.add(1)
        };
        self.simulate(event, now);
    }

    fn refetch(&self, run: &LineRun) {
        let now = self.core.stats.fetches.get();
        if !self.hits(Kind::Fetch, run.line, 1, now) {
            self.simulate(&Event::of_run(run), now);
        }
    }

    #[inline(always)]
    fn counted_by(&self) -> CountedBy<'_> {
        if self.is_only { CountedBy::Alone } else { CountedBy::OneOf(&self.core.counters) }
    }
}

/// Counts an access of the data cache as a store, if it is one and that is counted.
#[inline(always)]
fn count_store<M: Model>(stats: &CoreStats, kind: Kind) {
    if M::IS_HIERARCHY && kind == Kind::Store {
        stats.stores.accesses.add(1);
    }
}

/// The buffer of a vCPU, whose core others may use as well.
#[derive(Debug)]
pub struct Recorder<'a, M: Model> {
    vcpu: &'a Vcpu<M>,
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

impl<M: Model> Seat for Recorder<'_, M> {
    #[inline(always)]
    fn lines(&self) -> Lines {
        self.vcpu.lines
    }

    #[inline(always)]
    fn access_hits(&self, kind: Kind, line: LineAddr, following_fetches: u64) -> bool {
        let buffer = self.vcpu.buffer();
        let hit = buffer.changes_nothing(kind, line);
        if hit {
            buffer.count_access(kind);
            buffer.count(following_fetches);
        }
        hit
    }

    #[inline(always)]
    fn fetch_hits(&self, run: &LineRun) -> bool {
        let buffer = self.vcpu.buffer();
        let hit = buffer.changes_nothing(Kind::Fetch, run.line);
        if hit {
            buffer.count(run.fetches);
        }
        hit
    }

    #[inline(always)]
    fn count(&self, fetches: u64) {
        self.vcpu.buffer().count(fetches);
    }

    #[inline(always)]
    fn take(&self, event: &Event) {
        let buffer = self.vcpu.buffer();
        if event.access.kind == Kind::Fetch {
            buffer.count(event.access.extent.into());
        } else {
            buffer.count(event.following_fetches);
            buffer.count_access(event.access.kind);
        }
        self.vcpu.record(event);
    }

    fn refetch(&self, run: &LineRun) {
        if !self.vcpu.buffer().changes_nothing(Kind::Fetch, run.line) {
            self.vcpu.record(&Event::of_run(run));
        }
    }

    #[inline(always)]
    fn counted_by(&self) -> CountedBy<'_> {
        CountedBy::OneOf(&self.vcpu.counters)
    }
}

impl<'a, M: Model> Recorder<'a, M> {
    /// That of the vCPU, in a callback of it.
    #[inline(always)]
    fn new(vcpu: &'a Vcpu<M>) -> Self {
        Self { vcpu, here: PhantomData }
    }
}

/// Either.
#[derive(Debug)]
pub enum AnySeat<'a, M: Model> {
    /// A core that only this vCPU uses.
    OwnCore(OwnCore<'a, M>),
    /// The vCPU's buffer.
    Recorder(Recorder<'a, M>),
}

impl<M: Model> Seat for AnySeat<'_, M> {
    fn lines(&self) -> Lines {
        match self {
            Self::OwnCore(seat) => seat.lines(),
            Self::Recorder(seat) => seat.lines(),
        }
    }

    fn access_hits(&self, kind: Kind, line: LineAddr, following_fetches: u64) -> bool {
        match self {
            Self::OwnCore(seat) => seat.access_hits(kind, line, following_fetches),
            Self::Recorder(seat) => seat.access_hits(kind, line, following_fetches),
        }
    }

    fn fetch_hits(&self, run: &LineRun) -> bool {
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

    fn refetch(&self, run: &LineRun) {
        match self {
            Self::OwnCore(seat) => seat.refetch(run),
            Self::Recorder(seat) => seat.refetch(run),
        }
    }

    fn counted_by(&self) -> CountedBy<'_> {
        match self {
            Self::OwnCore(seat) => seat.counted_by(),
            Self::Recorder(seat) => seat.counted_by(),
        }
    }
}

/// A vCPU that a finder found, and where its accesses go.
type Found<'a, S, Seat> = (OwnVcpu<'a, <S as Simulation>::Model>, Seat);

/// How a callback finds its vCPU and where that one's accesses go.
pub trait Finder: Sized + 'static {
    /// Where accesses go.
    type Seat<'a, M: Model>: Seat;

    /// The vCPU and where its accesses go, if that takes no more than a load or two.
    fn fast<S: Simulation>(
        callback: &Callback<S, Self>,
    ) -> Option<Found<'_, S, Self::Seat<'_, S::Model>>>;

    /// Where the vCPU's accesses go, if that takes no more than a load or two.
    #[inline(always)]
    fn seat<S: Simulation>(callback: &Callback<S, Self>) -> Option<Self::Seat<'_, S::Model>> {
        Some(Self::fast(callback)?.1)
    }

    /// What answers the fast question: where the vCPU's accesses go, or what has no line of anything. For the
    /// question only.
    #[inline(always)]
    fn gate<S: Simulation>(callback: &Callback<S, Self>) -> Option<Self::Seat<'_, S::Model>> {
        Self::seat(callback)
    }

    /// The vCPU in any case, and where its accesses go.
    fn find<S: Simulation>(callback: &Callback<S, Self>) -> Found<'_, S, AnySeat<'_, S::Model>>;
}

/// There is no other vCPU. Translated code that was given this goes on working when a second one is expected:
/// [`Directory::expect_several`](crate::Directory::expect_several) has its callbacks look further.
#[derive(Debug)]
pub struct Alone;

/// Other vCPUs execute the same code, on cores of their own.
#[derive(Debug)]
pub struct Private;

/// Other vCPUs may use the core.
#[derive(Debug)]
pub struct Shared;

impl Finder for Alone {
    type Seat<'a, M: Model> = OwnCore<'a, M>;

    #[inline(always)]
    fn fast<S: Simulation>(
        callback: &Callback<S, Self>,
    ) -> Option<Found<'_, S, OwnCore<'_, S::Model>>> {
        let vcpu = callback.only_vcpu()?;
        // SAFETY: this vCPU is the only one, and a callback of it is running.
        Some((OwnVcpu::new(vcpu), unsafe { OwnCore::new(vcpu.core, true) }))
    }

    #[inline(always)]
    fn gate<S: Simulation>(callback: &Callback<S, Self>) -> Option<OwnCore<'_, S::Model>> {
        // SAFETY: the core of the only vCPU, a callback of which is running. Or the null core, which one thread
        // at most uses: before a program's second thread runs, QEMU discards what was translated until then
        // (`do_fork` in linux-user/syscall.c), and a machine that may have a second vCPU is given other code.
        Some(unsafe { OwnCore::new(callback.only_core(), true) })
    }

    #[inline(always)]
    fn find<S: Simulation>(callback: &Callback<S, Self>) -> Found<'_, S, AnySeat<'_, S::Model>> {
        let vcpu = callback.vcpu();
        let seat = if callback.is_only(vcpu) {
            // SAFETY: as above.
            AnySeat::OwnCore(unsafe { OwnCore::new(vcpu.core, true) })
        } else {
            AnySeat::Recorder(Recorder::new(vcpu))
        };
        (OwnVcpu::new(vcpu), seat)
    }
}

impl Finder for Private {
    type Seat<'a, M: Model> = OwnCore<'a, M>;

    #[inline(always)]
    fn fast<S: Simulation>(
        callback: &Callback<S, Self>,
    ) -> Option<Found<'_, S, OwnCore<'_, S::Model>>> {
        let vcpu = callback.known_vcpu()?;
        // SAFETY: where this finder is used each vCPU has a core of its own.
        Some((OwnVcpu::new(vcpu), unsafe { OwnCore::new(vcpu.core, false) }))
    }

    #[inline(always)]
    fn find<S: Simulation>(callback: &Callback<S, Self>) -> Found<'_, S, AnySeat<'_, S::Model>> {
        let vcpu = callback.vcpu();
        // SAFETY: as above.
        (OwnVcpu::new(vcpu), AnySeat::OwnCore(unsafe { OwnCore::new(vcpu.core, false) }))
    }
}

impl Finder for Shared {
    type Seat<'a, M: Model> = Recorder<'a, M>;

    #[inline(always)]
    fn fast<S: Simulation>(
        callback: &Callback<S, Self>,
    ) -> Option<Found<'_, S, Recorder<'_, S::Model>>> {
        let vcpu = callback.known_vcpu()?;
        Some((OwnVcpu::new(vcpu), Recorder::new(vcpu)))
    }

    #[inline(always)]
    fn find<S: Simulation>(callback: &Callback<S, Self>) -> Found<'_, S, AnySeat<'_, S::Model>> {
        let vcpu = callback.vcpu();
        (OwnVcpu::new(vcpu), AnySeat::Recorder(Recorder::new(vcpu)))
    }
}

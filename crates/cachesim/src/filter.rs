//! Which accesses change nothing, so that counting them is enough: most, of all that a vCPU makes.
//!
//! Known of each set, or of each group of sets, is the line that was accessed last. It is still there: only a
//! fill of the set takes a line out, and the line filled would be the last one accessed. Accessing it again
//! is a hit, and changes nothing
//! - if the policy's state of the line is already what a hit makes it: at once where a hit makes the line the
//!   most recent or nothing at all, and once it has been hit where a fill leaves another state than a hit
//!   ([`Repeats`]);
//! - and if it is a store, if the line is already dirty, or cannot be and is not passed on.
//!
//! Where several machines are told of the accesses, each has to be one that changes nothing in any of them.
//! Where a level is inclusive, what that evicts is invalidated above. So there a group is of the sets of all
//! caches: whatever evicts the line is an access of the same group.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::address::LineAddr;
use crate::config::{Config, Level, WriteHit, WriteMiss, Writes};
use crate::machines::Machines;
use crate::model::{Kind, Port};
use crate::policy::Repeats;

const GROUPS: usize = 64;

/// A line for each group.
///
/// It is made of atomics so that its owner can be shared; they cost nothing.
#[derive(Debug)]
struct LineOfGroup([AtomicU64; GROUPS]);

impl LineOfGroup {
    const fn new() -> Self {
        Self([const { AtomicU64::new(LineAddr::INVALID.number()) }; GROUPS])
    }

    #[inline(always)]
    fn is(&self, group: usize, line: LineAddr) -> bool {
        self.0[group].load(Relaxed) == line.number()
    }

    #[inline(always)]
    fn set(&self, group: usize, line: Option<LineAddr>) {
        self.0[group].store(line.unwrap_or(LineAddr::INVALID).number(), Relaxed);
    }
}

/// What stores do to lines that are there. Where machines differ, the last of these holds for all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stores {
    /// What loads do.
    AsLoads,
    /// They make them dirty.
    MakeDirty,
    /// They are passed on.
    PassOn,
}

impl Stores {
    fn of(writes: Option<Writes>) -> Self {
        match writes.map(|writes| writes.on_hit) {
            None => Self::AsLoads,
            Some(WriteHit::Back) => Self::MakeDirty,
            Some(WriteHit::Through) => Self::PassOn,
        }
    }
}

/// What is known of the accesses that one vCPU has made since the start, or since [`Filter::forget`]. One thread at a
/// time uses it.
#[derive(Debug)]
pub struct Filter {
    /// By [`Port`].
    groups: [Groups; 2],
    /// By [`Kind`]: the lines to which an access of this kind changes nothing.
    known: [LineOfGroup; 3],
    /// By [`Port`]: the lines that were accessed last, but once only, where that makes a difference.
    once: [LineOfGroup; 2],
    repeats: [Repeats; 2],
    stores: Stores,
    stores_allocate: bool,
    /// Whether an access to one of the first-level caches may take a line out of the other.
    ports_meet: bool,
}

impl Filter {
    /// Of nothing so far, for a core of `machines`, with the lines that they have in common.
    pub fn new(machines: &Machines) -> Self {
        let configs = machines.all();
        let lines = machines.lines();
        let first_level = |port: Port| {
            configs.iter().map(move |config| match port {
                Port::Data => config.dcache(),
                Port::Fetch => config.icache(),
            })
        };
        let ports = [Port::Data, Port::Fetch];
        let ports_meet = configs.iter().any(Config::has_inclusive_level);
        let groups = ports.map(|port| {
            if ports_meet {
                let lower = configs.iter().filter_map(Config::lower);
                let lower = lower.flat_map(|lower| [Some(lower.l2), lower.l3]).flatten();
                Groups::of(ports.into_iter().flat_map(first_level).chain(lower), lines.shift(port))
            } else {
                Groups::of(first_level(port), lines.shift(port))
            }
        });
        let repeats = |port| {
            let repeats = first_level(port).map(|level| level.policy.repeats());
            repeats.fold(Repeats::ChangeNothing, Repeats::max)
        };
        let writes = || configs.iter().map(Config::writes);
        Self {
            groups,
            known: [const { LineOfGroup::new() }; 3],
            once: [const { LineOfGroup::new() }; 2],
            repeats: ports.map(repeats),
            stores: writes().map(Stores::of).fold(Stores::AsLoads, Stores::max),
            stores_allocate: writes()
                .all(|writes| writes.is_none_or(|writes| writes.on_miss == WriteMiss::Allocate)),
            ports_meet,
        }
    }

    #[inline(always)]
    fn group(&self, port: Port, line: LineAddr) -> usize {
        let Groups { shift, mask } = self.groups[port as usize];
        // The remainder changes nothing, but spares the check of a bound.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of GROUPS")]
        let group = (((line.number() >> shift) & mask) % GROUPS as u64) as usize;
        group
    }

    /// Whether an access of this kind to `line` changes nothing.
    #[inline(always)]
    pub fn changes_nothing(&self, kind: Kind, line: LineAddr) -> bool {
        self.known[kind as usize].is(self.group(kind.port(), line), line)
    }

    /// An access is made to `line`, of fetches so many at once.
    #[inline(always)]
    pub fn remember(&self, kind: Kind, line: LineAddr, fetches: u16) {
        let group = self.group(kind.port(), line);
        match kind {
            Kind::Fetch => {
                if self.ports_meet {
                    self.forget_group(Port::Data, group);
                }
                let is_settled = self.settles(Port::Fetch, group, line, fetches > 1);
                self.known[Kind::Fetch as usize].set(group, is_settled.then_some(line));
            }
            Kind::Load | Kind::Store => self.remember_data(kind, group, line),
        }
    }

    #[inline(always)]
    fn remember_data(&self, kind: Kind, group: usize, line: LineAddr) {
        if self.ports_meet {
            self.forget_group(Port::Fetch, group);
        }
        let [_, loads, stores] = &self.known;
        let stores_here = kind == Kind::Store;
        if stores_here && !self.stores_allocate && !self.is_last(Port::Data, group, line) {
            // Nobody knows whether it is there.
            return self.forget_group(Port::Data, group);
        }
        let settled = self.settles(Port::Data, group, line, false).then_some(line);
        loads.set(group, settled);
        match self.stores {
            Stores::AsLoads => stores.set(group, settled),
            Stores::MakeDirty if stores_here => stores.set(group, settled),
            Stores::MakeDirty if stores.is(group, line) => {}
            Stores::MakeDirty | Stores::PassOn => stores.set(group, None),
        }
    }

    /// Whether `line` is known to be the last one of its group.
    #[inline(always)]
    fn is_last(&self, port: Port, group: usize, line: LineAddr) -> bool {
        let kind = match port {
            Port::Data => Kind::Load,
            Port::Fetch => Kind::Fetch,
        };
        self.known[kind as usize].is(group, line) || self.once[port as usize].is(group, line)
    }

    /// Whether the policy's state of `line`, which is accessed now, is what another hit makes it. `again`: it is
    /// accessed more than once.
    #[inline(always)]
    fn settles(&self, port: Port, group: usize, line: LineAddr, again: bool) -> bool {
        match self.repeats[port as usize] {
            Repeats::ChangeNothing => true,
            Repeats::ChangeFilled => {
                let settles = again || self.is_last(port, group, line);
                self.once[port as usize].set(group, (!settles).then_some(line));
                settles
            }
            Repeats::Count => false,
        }
    }

    fn forget_group(&self, port: Port, group: usize) {
        self.once[port as usize].set(group, None);
        match port {
            Port::Fetch => self.known[Kind::Fetch as usize].set(group, None),
            Port::Data => {
                self.known[Kind::Load as usize].set(group, None);
                self.known[Kind::Store as usize].set(group, None);
            }
        }
    }

    /// Nothing is known any more.
    pub fn forget(&self) {
        for group in 0..GROUPS {
            self.forget_group(Port::Data, group);
            self.forget_group(Port::Fetch, group);
        }
    }
}

/// Which lines form a group: all lines of any set of some caches that has one of them.
#[derive(Clone, Copy, Debug)]
struct Groups {
    /// How many of the lowest bits of a line's number say nothing of the group.
    shift: u32,
    /// How many groups there are, less one.
    mask: u64,
}

impl Groups {
    /// Those for `caches`, by the numbers of lines of 2^`line_shift` bytes, no longer than theirs.
    fn of(caches: impl IntoIterator<Item = Level>, line_shift: u32) -> Self {
        // Of an address, the bits that are the low bits of its set's number in every cache: as many as the number of
        // sets is divisible by.
        let (mut first, mut end) = (line_shift, u64::BITS);
        for cache in caches {
            let lowest = cache.geometry.line_shift();
            first = first.max(lowest);
            end = end.min(lowest + cache.geometry.sets().trailing_zeros());
        }
        let bits = end.saturating_sub(first).min(GROUPS.ilog2());
        Self { shift: first - line_shift, mask: (1 << bits) - 1 }
    }
}

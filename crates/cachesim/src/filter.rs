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
//! Where a level is inclusive, what that evicts is invalidated above. So there a group is of the sets of all
//! caches: whatever evicts the line is an access of the same group.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::address::LineAddr;
use crate::config::{Config, Level, WriteHit, WriteMiss};
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

/// What stores do to lines that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stores {
    /// What loads do.
    AsLoads,
    /// They make them dirty.
    MakeDirty,
    /// They are passed on.
    PassOn,
}

/// What is known of the accesses that one vCPU has made since the start, or since [`Filter::forget`]. One thread at a
/// time uses it.
#[derive(Debug)]
pub struct Filter {
    /// By [`Port`]: picks a line's group from its number. All lines of a set have the same group.
    masks: [u64; 2],
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
    /// Of nothing so far, for a core of `config`.
    pub fn new(config: &Config) -> Self {
        let (dcache, icache) = (config.dcache(), config.icache());
        let writes = config.writes();
        let ports_meet = config.has_inclusive_level();
        let masks = if ports_meet {
            let lower = config.lower();
            let lower = lower.iter().flat_map(|lower| [Some(lower.l2), lower.l3]).flatten();
            let levels: Vec<_> = [dcache, icache].into_iter().chain(lower).collect();
            [mask(&levels); 2]
        } else {
            [mask(&[dcache]), mask(&[icache])]
        };
        Self {
            masks,
            known: [const { LineOfGroup::new() }; 3],
            once: [const { LineOfGroup::new() }; 2],
            repeats: [dcache.policy.repeats(), icache.policy.repeats()],
            stores: match writes.map(|writes| writes.on_hit) {
                None => Stores::AsLoads,
                Some(WriteHit::Back) => Stores::MakeDirty,
                Some(WriteHit::Through) => Stores::PassOn,
            },
            stores_allocate: writes.is_none_or(|writes| writes.on_miss == WriteMiss::Allocate),
            ports_meet,
        }
    }

    #[inline(always)]
    fn group(&self, port: Port, line: LineAddr) -> usize {
        // The remainder changes nothing, but spares the check of a bound.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of GROUPS")]
        let group = ((line.number() & self.masks[port as usize]) % GROUPS as u64) as usize;
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

/// Picks a group that has all lines of any set of these caches that hold one of its lines.
fn mask(levels: &[Level]) -> u64 {
    let line_shift = |level: &Level| level.geometry.line_shift();
    if levels.iter().any(|level| line_shift(level) != line_shift(&levels[0])) {
        return 0;
    }
    // The low bits of a set's number are those of its lines' numbers, as many as the sets are divisible by.
    let divisors = levels.iter().map(|level| 1 << level.geometry.sets().trailing_zeros());
    divisors.fold(GROUPS as u64, u64::min) - 1
}

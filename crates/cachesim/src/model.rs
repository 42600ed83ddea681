//! What a core's caches are asked: one fast question and one slow answer.
//!
//! Most accesses are hits where the line is expected, and change nothing but how recent the line is. Whether
//! an access is one of these is the fast question, [`Model::hits`], small enough to become a part of a
//! callback. Every other access is an [`Access`], plain data, for [`Model::simulate`]. A feature may refuse
//! the fast question; it may never lengthen it.
//!
//! A model is reached by one thread at a time.

use std::fmt::Debug;

use crate::address::LineAddr;
use crate::config::Config;
use crate::stats::{CoreStats, Purpose};

/// The caches of one core, and what it shares with others.
pub trait Model: Clone + Debug + Send + Sized + 'static {
    /// What all cores of a run share.
    type Shared: Debug + Send + Sync;

    /// Whether anything is beyond the first level, or stores are told from loads.
    const IS_HIERARCHY: bool;

    /// What the cores of `config` share, empty.
    fn shared(config: &Config) -> Self::Shared;

    /// The caches of core `number`, empty.
    fn new(config: &Config, number: u32, shared: &Self::Shared) -> Self;

    /// A copy of what is shared, to try accesses on.
    fn scratch_copy(shared: &Self::Shared) -> Self::Shared;

    /// A copy of the core, to try accesses on, which shares `shared`.
    #[must_use]
    fn on(&self, shared: &Self::Shared) -> Self;

    /// The fast question: an access of this kind to `line` of the first level at time `now`, a number that is
    /// greater at each, of fetches `fetches` at once. If it is a hit where the line is expected, and changes
    /// nothing but how recent the line is, it has happened. Otherwise nothing has, and [`Model::simulate`]
    /// must follow. Where nothing is beyond the first level, all data accesses may be called loads.
    fn hits(&mut self, kind: Kind, line: LineAddr, fetches: u64, now: u64) -> bool;

    /// Whether other cores have left something to be done first. Then [`Model::hits`] must not be asked. Never where
    /// there is no other vCPU.
    #[inline(always)]
    fn has_mail(&self) -> bool {
        false
    }

    /// The slow answer: the access at time `now`, whatever it does. Counts in `stats` what is beyond the first
    /// level, whose accesses and misses are its caller's to count.
    fn simulate(&mut self, access: Access, now: u64, stats: &CoreStats) -> Misses;
}

/// Which of a core's caches an access goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// The data cache.
    Data,
    /// The instruction cache.
    Fetch,
}

/// What kind of access it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Of an instruction.
    Fetch,
    /// Of data, to read them.
    Load,
    /// Of data, to write them.
    Store,
}

impl Kind {
    /// The cache that it goes to.
    #[inline(always)]
    pub const fn port(self) -> Port {
        match self {
            Self::Fetch => Port::Fetch,
            Self::Load | Self::Store => Port::Data,
        }
    }

    /// What it wants a line for.
    #[inline(always)]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Fetch => Purpose::Fetch,
            Self::Load => Purpose::Read,
            Self::Store => Purpose::Write,
        }
    }
}

/// One access, as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// What kind.
    pub kind: Kind,
    /// The line of the first level that holds its first byte.
    pub line: LineAddr,
    /// The address of its first byte, as the cache sees it.
    pub address: u64,
    /// How much: of data the bytes; of fetches how many there are from the line, one after the other.
    pub extent: u16,
}

/// How many levels did not have a line: 0 for a hit in the first level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth(u8);

impl Depth {
    /// The first level had it.
    pub const NONE: Self = Self(0);
    /// The first level had not.
    pub const FIRST: Self = Self(1);
    /// Nor the second.
    pub const SECOND: Self = Self(2);
    /// Nor the third.
    pub const THIRD: Self = Self(3);

    /// What this comes to for who wanted the line.
    #[inline(always)]
    pub const fn by(self, purpose: Purpose) -> Misses {
        Misses { depth: self, purpose }
    }
}

/// The misses of one access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misses {
    depth: Depth,
    purpose: Purpose,
}

impl Misses {
    /// None: a hit in the first level.
    pub const NONE: Self = Depth::NONE.by(Purpose::Read);

    /// What wanted the line.
    #[inline(always)]
    pub fn purpose(self) -> Purpose {
        self.purpose
    }

    /// How many levels missed.
    #[inline(always)]
    pub fn levels(self) -> usize {
        self.depth.0.into()
    }

    /// Whether the first level missed.
    #[inline(always)]
    pub fn any(self) -> bool {
        self.depth.0 > 0
    }
}

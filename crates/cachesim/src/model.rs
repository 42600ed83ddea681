//! What the callbacks simulate: the caches as one core sees them.
//!
//! A model is reached by one thread at a time. Most accesses are hits where the line is expected, and
//! are made by the functions that end in `hits`; they are small enough to become part of a callback.
//! The others follow with the function that ends in `rest`.

use std::fmt::Debug;

use crate::address::LineAddr;
use crate::buffer::Port;
use crate::config::Config;
use crate::core::Lines;
use crate::stats::{CoreStats, Purpose};

/// The caches of one core, and what it shares with others.
pub trait Model: Clone + Debug + Send + Sized + 'static {
    /// What has to be known of a data access.
    type Access: Copy;

    /// What all cores of a run share.
    type Shared: Debug + Send + Sync;

    /// Whether anything is beyond the first level, or stores are told from loads.
    const GOES_BEYOND: bool;

    /// Whether [`Model::repeat_fetches`] may do anything.
    const MAY_COUNT_REPEATS: bool;

    /// What the cores of `config` share, empty.
    fn shared(config: &Config) -> Self::Shared;

    /// The caches of core `number`, empty. Accesses are described in `layout`.
    fn new(config: &Config, number: u32, shared: &Self::Shared, layout: EffectLayout) -> Self;

    /// A copy of what is shared, to try accesses on.
    fn try_out(shared: &Self::Shared) -> Self::Shared;

    /// A copy of the core, to try accesses on, which shares `shared`.
    #[must_use]
    fn on(&self, shared: &Self::Shared) -> Self;

    /// The access to `address` that `info` describes, which is in `line` of the data cache.
    fn access(line: impl FnOnce() -> LineAddr, address: u64, info: u32) -> Self::Access;

    /// What `bytes` of an access make at its address, where these are not all of it.
    fn part(access: Self::Access, bytes: u64) -> Self::Access;

    /// The line of the data cache that an access is to.
    fn line_of(access: Self::Access, lines: Lines) -> LineAddr;

    /// A data access at time `now`, a number that is greater at each, if it is a hit where the line is
    /// expected. Otherwise nothing has happened, and [`Model::access_usual`] must follow.
    fn access_hits(&mut self, access: Self::Access, now: u64) -> bool;

    /// The access, wherever its line is, if the model has a path for a usual geometry and the data cache is
    /// of one. Else `None`: nothing has happened, and [`Model::access_rest`] must follow. Counts in `stats`
    /// what is beyond accesses and misses of the first level.
    fn access_usual(&mut self, access: Self::Access, now: u64, stats: &CoreStats)
    -> Option<Misses>;

    /// The access, wherever its line is.
    fn access_rest(&mut self, access: Self::Access, now: u64, stats: &CoreStats) -> Misses;

    /// As [`Model::access_hits`], for a fetch.
    fn fetch_hits(&mut self, line: LineAddr, now: u64) -> bool;

    /// As [`Model::access_usual`], for a fetch from `address`, which is in `line`.
    fn fetch_usual(&mut self, fetch: Fetch, now: u64, stats: &CoreStats) -> Option<Misses>;

    /// As [`Model::access_rest`], for a fetch.
    fn fetch_rest(&mut self, fetch: Fetch, now: u64, stats: &CoreStats) -> Misses;

    /// Fetches `n` more times from the line that was fetched from last, if that matters to the policy.
    fn repeat_fetches(&mut self, line: LineAddr, n: u64, now: u64);

    /// Whether an access stores, if the model has to know.
    fn is_store(access: Self::Access, layout: EffectLayout) -> bool;

    /// What a buffer keeps of an access: a word, and some of [`RECORD_BITS`]. Of a fetch it keeps the
    /// line's number.
    fn record(access: Self::Access, layout: EffectLayout) -> (u64, u64);

    /// The line of the first level that was recorded.
    fn recorded_line(port: Port, word: u64, lines: Lines) -> LineAddr;

    /// An access that was recorded, at time `now`; a fetch is from the address `place`. Which port it goes
    /// to nobody can foresee, so it is better not to branch on it.
    fn replay(
        &mut self,
        port: Port,
        word: u64,
        bits: u64,
        place: impl FnOnce() -> u64,
        now: u64,
        stats: &CoreStats,
    ) -> Misses;
}

/// A fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// The line of the instruction cache.
    pub line: LineAddr,
    /// The address of the instruction.
    pub address: u64,
}

/// What a data access does, beside being one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataEffect {
    /// Whether it stores.
    pub is_store: bool,
    /// The binary logarithm of its length in bytes, at most 7.
    pub size_log2: u8,
}

/// Where the word that describes an access has what. Reading it is left to whoever needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EffectLayout {
    /// The number of the bit that says store.
    pub store_bit: u8,
    /// The number of the lowest bit of the size.
    pub size_shift: u8,
    /// The bits of the size, shifted down.
    pub size_mask: u8,
}

impl EffectLayout {
    /// What `info` says.
    #[inline(always)]
    pub fn effect(self, info: u32) -> DataEffect {
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let size_log2 = (info >> (self.size_shift % 32)) as u8 & self.size_mask;
        DataEffect { is_store: self.is_store(info), size_log2 }
    }

    /// The length of the access that `info` describes.
    #[inline(always)]
    pub fn bytes(self, info: u32) -> u64 {
        1 << (self.effect(info).size_log2 % 64)
    }

    /// Whether `info` says store.
    #[inline(always)]
    pub fn is_store(self, info: u32) -> bool {
        info >> (self.store_bit % 32) & 1 != 0
    }

    /// What says so.
    #[inline(always)]
    pub fn info(self, effect: DataEffect) -> u32 {
        u32::from(effect.is_store) << self.store_bit
            | u32::from(effect.size_log2) << self.size_shift
    }
}

/// The bits of a buffer's token that are a [`Model`]'s: those above the addresses of the host.
pub const RECORD_BITS: u64 = 0xffff << 48;

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

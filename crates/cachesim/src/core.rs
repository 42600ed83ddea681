//! The caches of one simulated core.

use crate::address::LineAddr;
use crate::cache::{Cache, Outcome};
use crate::config::Config;
use crate::model::{Access, Depth, Kind, Misses, Model, Port};
use crate::policy::{Policy, Repeats};
use crate::stats::CoreStats;

/// How addresses become line numbers, the same for all cores of a run.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    data_shift: u32,
    fetch_shift: u32,
}

impl Lines {
    /// Of the caches of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            data_shift: config.dcache().geometry.line_shift(),
            fetch_shift: config.icache().geometry.line_shift(),
        }
    }

    /// The shorter ones of these and of `other`.
    #[must_use]
    pub fn shorter(self, other: Self) -> Self {
        Self {
            data_shift: self.data_shift.min(other.data_shift),
            fetch_shift: self.fetch_shift.min(other.fetch_shift),
        }
    }

    /// The lines of the cache at `port`: the binary logarithm of their length in bytes.
    pub(crate) fn shift(self, port: Port) -> u32 {
        match port {
            Port::Data => self.data_shift,
            Port::Fetch => self.fetch_shift,
        }
    }

    /// The data cache's line that holds the byte at `address`.
    #[inline(always)]
    pub fn data_line(self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.data_shift)
    }

    /// The length of the data cache's lines.
    #[inline(always)]
    pub fn data_line_bytes(self) -> u64 {
        1 << self.data_shift
    }

    /// The instruction cache's line that holds the byte at `address`.
    #[inline(always)]
    pub fn fetch_line(self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.fetch_shift)
    }

    /// The access of these.
    #[inline(always)]
    pub fn access(self, kind: Kind, address: u64, extent: u16) -> Access {
        // No branch depends on the port, which nobody can foresee where accesses come out of a buffer.
        let shift = self.shift(kind.port());
        Access { kind, line: LineAddr::containing(address, shift), address, extent }
    }
}

/// The first-level instruction and data caches of core `number`, empty.
pub(crate) fn caches<P: Policy>(config: &Config, number: u32) -> (Cache<P>, Cache<P>) {
    // Distinct for every cache of a run; the generator spreads the low bits over its state.
    let seed = config.seed().wrapping_add(u64::from(number) << 1);
    (Cache::of(&config.icache(), seed), Cache::of(&config.dcache(), seed.wrapping_add(1)))
}

/// A core that has first-level caches only, both with replacement policy `P`, to which loads and stores are
/// the same.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Core<P: Policy> {
    dcache: Cache<P>,
    icache: Cache<P>,
    fetch_repeats: Repeats,
}

impl<P: Policy> Core<P> {
    #[inline(always)]
    fn cache(&mut self, port: Port) -> &mut Cache<P> {
        match port {
            Port::Data => &mut self.dcache,
            Port::Fetch => &mut self.icache,
        }
    }
}

impl<P: Policy> Model for Core<P> {
    type Shared = ();

    const IS_HIERARCHY: bool = false;

    fn shared(_: &Config) {}

    fn new(config: &Config, number: u32, (): &()) -> Self {
        let (icache, dcache) = caches(config, number);
        let fetch_repeats = config.icache().policy.repeats();
        Self { dcache, icache, fetch_repeats }
    }

    fn scratch_copy((): &()) {}

    fn on(&self, (): &()) -> Self {
        self.clone()
    }

    #[inline(always)]
    fn hits(&mut self, kind: Kind, line: LineAddr, fetches: u64, now: u64) -> bool {
        !fetches_matter::<P>(self.fetch_repeats, fetches)
            && self.cache(kind.port()).hits_as_predicted(line, now)
    }

    #[inline(always)]
    fn simulate(&mut self, access: Access, now: u64, _: &CoreStats) -> Misses {
        let Access { kind, line, .. } = access;
        let repeats = repeats::<P>(self.fetch_repeats, access);
        let cache = self.cache(kind.port());
        let outcome = cache.access_unpredicted(line, now);
        for _ in 0..repeats {
            cache.access(line, now);
        }
        match outcome {
            Outcome::Hit => Misses::NONE,
            Outcome::Miss => Depth::FIRST.by(kind.purpose()),
        }
    }
}

/// Whether so many fetches from a line at once, of which the first is a hit, do more than one does.
#[inline(always)]
pub(crate) fn fetches_matter<P: Policy>(fetch_repeats: Repeats, fetches: u64) -> bool {
    P::REPEATS == Repeats::Count && fetches > 1 && fetch_repeats == Repeats::Count
}

/// The fetches of an access that have to be simulated after the first one.
#[inline(always)]
pub(crate) fn repeats<P: Policy>(fetch_repeats: Repeats, access: Access) -> u16 {
    if P::REPEATS == Repeats::ChangeNothing || access.kind != Kind::Fetch {
        return 0;
    }
    let repeats = access.extent - 1;
    match fetch_repeats {
        Repeats::ChangeNothing => 0,
        Repeats::ChangeFilled => repeats.min(1),
        Repeats::Count => repeats,
    }
}

//! The caches of one simulated core.

use crate::address::LineAddr;
use crate::buffer::Port;
use crate::cache::{Cache, Outcome};
use crate::config::Config;
use crate::model::{Depth, EffectLayout, Fetch, Misses, Model};
use crate::policy::{Policy, Repeats};
use crate::stats::{CoreStats, Purpose};

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
}

/// The first-level instruction and data caches of core `number`, empty.
pub(crate) fn caches<P: Policy>(config: &Config, number: u32) -> (Cache<P>, Cache<P>) {
    // Distinct for every cache of a run; the generator spreads the low bits over its state.
    let seed = config.seed().wrapping_add(u64::from(number) << 1);
    (Cache::of(&config.icache(), seed), Cache::of(&config.dcache(), seed.wrapping_add(1)))
}

/// A core that has first-level caches only, both with replacement policy `P`, which need to know nothing
/// of an access but its line.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Core<P: Policy> {
    dcache: Cache<P>,
    icache: Cache<P>,
    fetch_repeats: Repeats,
}

#[inline(always)]
fn misses(outcome: Outcome, purpose: Purpose) -> Misses {
    match outcome {
        Outcome::Hit => Misses::NONE,
        Outcome::Miss => Depth::FIRST.by(purpose),
    }
}

impl<P: Policy> Model for Core<P> {
    type Access = LineAddr;
    type Shared = ();

    const GOES_BEYOND: bool = false;
    const MAY_COUNT_REPEATS: bool = P::MAY_COUNT_REPEATS;

    fn shared(_: &Config) {}

    fn new(config: &Config, number: u32, (): &(), _: EffectLayout) -> Self {
        let (icache, dcache) = caches(config, number);
        Self { icache, dcache, fetch_repeats: config.icache().policy.repeats() }
    }

    fn try_out((): &()) {}

    fn on(&self, (): &()) -> Self {
        self.clone()
    }

    #[inline(always)]
    fn access(line: impl FnOnce() -> LineAddr, _: u64, _: u32) -> LineAddr {
        line()
    }

    #[inline(always)]
    fn access_hits(&mut self, line: LineAddr, now: u64) -> bool {
        self.dcache.hits_as_predicted(line, now)
    }

    #[inline(always)]
    fn access_usual(&mut self, line: LineAddr, now: u64, _: &CoreStats) -> Option<Misses> {
        let outcome = self.dcache.access_usual(line, now)?;
        Some(misses(outcome, Purpose::Read))
    }

    #[inline(always)]
    fn access_rest(&mut self, line: LineAddr, now: u64, _: &CoreStats) -> Misses {
        misses(self.dcache.access_unusual(line, now), Purpose::Read)
    }

    #[inline(always)]
    fn fetch_hits(&mut self, line: LineAddr, now: u64) -> bool {
        self.icache.hits_as_predicted(line, now)
    }

    #[inline(always)]
    fn fetch_usual(&mut self, fetch: Fetch, now: u64, _: &CoreStats) -> Option<Misses> {
        let outcome = self.icache.access_usual(fetch.line, now)?;
        Some(misses(outcome, Purpose::Fetch))
    }

    #[inline(always)]
    fn fetch_rest(&mut self, fetch: Fetch, now: u64, _: &CoreStats) -> Misses {
        misses(self.icache.access_unusual(fetch.line, now), Purpose::Fetch)
    }

    fn repeat_fetches(&mut self, line: LineAddr, n: u64, now: u64) {
        if self.fetch_repeats == Repeats::Count {
            for _ in 0..n {
                self.icache.access(line, now);
            }
        }
    }

    #[inline(always)]
    fn part(line: LineAddr, _: u64) -> LineAddr {
        line
    }

    #[inline(always)]
    fn line_of(line: LineAddr, _: Lines) -> LineAddr {
        line
    }

    #[inline(always)]
    fn is_store(_: LineAddr, _: EffectLayout) -> bool {
        false
    }

    #[inline(always)]
    fn record(line: LineAddr, _: EffectLayout) -> (u64, u64) {
        (line.number(), 0)
    }

    #[inline(always)]
    fn recorded_line(_: Port, word: u64, _: Lines) -> LineAddr {
        LineAddr::from_number(word)
    }

    #[inline(always)]
    fn replay(
        &mut self,
        port: Port,
        word: u64,
        _: u64,
        _: impl FnOnce() -> u64,
        now: u64,
        _: &CoreStats,
    ) -> Misses {
        let (cache, purpose) = match port {
            Port::Data => (&mut self.dcache, Purpose::Read),
            Port::Fetch => (&mut self.icache, Purpose::Fetch),
        };
        misses(cache.access(LineAddr::from_number(word), now), purpose)
    }
}

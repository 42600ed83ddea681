//! The caches of one simulated core.

use crate::address::LineAddr;
use crate::cache::Cache;
use crate::options::Config;
use crate::policy::Policy;

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
            data_shift: config.dcache.geometry.line_shift(),
            fetch_shift: config.icache.geometry.line_shift(),
        }
    }

    /// The data cache's line that holds the byte at `address`.
    #[inline(always)]
    pub fn data_line(self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.data_shift)
    }

    /// The instruction cache's line that holds the byte at `address`.
    #[inline(always)]
    pub fn fetch_line(self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.fetch_shift)
    }
}

/// A core's private first-level caches, with replacement policy `P`.
#[derive(Clone, Debug)]
pub struct Core<P: Policy> {
    icache: Cache<P>,
    dcache: Cache<P>,
}

impl<P: Policy> Core<P> {
    /// The caches of core `number`, empty.
    pub fn new(config: &Config, number: u32) -> Self {
        // Distinct for every cache of a run; the generator spreads the low bits over its state.
        let seed = config.seed.wrapping_add(u64::from(number) << 1);
        Self {
            icache: Cache::of(&config.icache, seed),
            dcache: Cache::of(&config.dcache, seed.wrapping_add(1)),
        }
    }

    /// The data cache.
    #[inline(always)]
    pub fn dcache(&mut self) -> &mut Cache<P> {
        &mut self.dcache
    }

    /// The instruction cache.
    #[inline(always)]
    pub fn icache(&mut self) -> &mut Cache<P> {
        &mut self.icache
    }
}

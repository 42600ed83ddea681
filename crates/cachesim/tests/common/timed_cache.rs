//! A cache for tests in which the time is not what matters.

use std::ops::Deref;

use cachesim::address::LineAddr;
use cachesim::cache::{Cache, Outcome};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{Policy, PolicyKind};

/// A cache with a time of its own: that of its first access is 1, and of every one the next number.
#[derive(Clone)]
pub struct TimedCache<P: Policy> {
    cache: Cache<P>,
    now: u64,
}

impl<P: Policy> TimedCache<P> {
    /// As [`Cache::new`], for policies that need not be told what they are.
    pub fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        Self::from(Cache::new(geometry, PolicyKind::Lru, seed))
    }

    /// Accesses `line` at the next time.
    pub fn access(&mut self, line: LineAddr) -> Outcome {
        self.now += 1;
        self.cache.access(line, self.now)
    }
}

/// An empty cache.
impl<P: Policy> From<Cache<P>> for TimedCache<P> {
    fn from(cache: Cache<P>) -> Self {
        Self { cache, now: 0 }
    }
}

/// For what takes no time. All that does goes through [`TimedCache::access`].
impl<P: Policy> Deref for TimedCache<P> {
    type Target = Cache<P>;

    fn deref(&self) -> &Cache<P> {
        &self.cache
    }
}

//! A core for tests in which the time is not what matters.

use cachesim::address::LineAddr;
use cachesim::cache::Outcome;
use cachesim::config::Config;
use cachesim::core::Core;
use cachesim::model::{Access, Kind, Misses, Model, Port};
use cachesim::policy::Policy;
use cachesim::stats::{CoreStats, Purpose};

/// A core with a time of its own, which goes on at every access to either of its caches.
#[derive(Clone)]
pub struct TimedCore<P: Policy> {
    core: Core<P>,
    now: u64,
}

impl<P: Policy> TimedCore<P> {
    /// As [`Model::new`].
    pub fn new(config: &Config, number: u32) -> Self {
        Self { core: Core::new(config, number, &()), now: 0 }
    }

    /// Accesses `line` in one of the caches.
    pub fn access(&mut self, port: Port, line: LineAddr) -> Outcome {
        self.now += 1;
        let stats = CoreStats::default();
        let (core, now) = (&mut self.core, self.now);
        let kind = match port {
            Port::Data => Kind::Load,
            Port::Fetch => Kind::Fetch,
        };
        let misses = if core.hits(kind, line, 1, now) {
            Misses::NONE
        } else {
            // The first level does not look at the address.
            core.simulate(Access { kind, line, address: 0, extent: 1 }, now, &stats)
        };
        if !misses.any() {
            return Outcome::Hit;
        }
        assert_eq!(misses.purpose() == Purpose::Fetch, port == Port::Fetch);
        Outcome::Miss
    }
}

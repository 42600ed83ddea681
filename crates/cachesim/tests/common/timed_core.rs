//! A core for tests in which the time is not what matters.

use cachesim::address::LineAddr;
use cachesim::buffer::Port;
use cachesim::cache::Outcome;
use cachesim::core::Core;
use cachesim::options::Config;
use cachesim::policy::Policy;

/// A core with a time of its own, which goes on at every access to either of its caches.
#[derive(Clone)]
pub struct TimedCore<P: Policy> {
    core: Core<P>,
    now: u64,
}

impl<P: Policy> TimedCore<P> {
    /// As [`Core::new`].
    pub fn new(config: &Config, number: u32) -> Self {
        Self { core: Core::new(config, number), now: 0 }
    }

    /// Accesses `line` in one of the caches.
    pub fn access(&mut self, port: Port, line: LineAddr) -> Outcome {
        self.now += 1;
        let cache = match port {
            Port::Data => self.core.dcache(),
            Port::Fetch => self.core.icache(),
        };
        cache.access(line, self.now)
    }
}

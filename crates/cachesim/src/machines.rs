//! The machines of a run, which are told of the same accesses.
//!
//! What is asked here is answered so that it holds for each of them: addresses are told apart by the shortest
//! lines, and what matters to one is told to all.

use crate::config::{Config, Straddle};
use crate::core::Lines;
use crate::policy::Repeats;

/// The simulated machines of one run, of the same number of cores: its own first, then those that it is compared with.
#[derive(Clone, Debug)]
pub struct Machines(Box<[Config]>);

impl Machines {
    /// The run's `own` machine, and those `compared` with it.
    pub fn new(own: Config, compared: impl IntoIterator<Item = Config>) -> Self {
        Self([own].into_iter().chain(compared).collect())
    }

    /// That of the run itself.
    pub fn own(&self) -> &Config {
        &self.0[0]
    }

    /// Those that it is compared with.
    pub fn compared(&self) -> &[Config] {
        &self.0[1..]
    }

    /// All of them.
    pub fn all(&self) -> &[Config] {
        &self.0
    }

    /// The shortest lines of the data caches and of the instruction caches.
    pub fn lines(&self) -> Lines {
        self.0.iter().map(Lines::new).fold(Lines::new(self.own()), Lines::shorter)
    }

    fn have_inclusive_level(&self) -> bool {
        self.0.iter().any(Config::has_inclusive_level)
    }

    /// Whether fetches from the line fetched last in its set matter: to a policy, or because the line may be
    /// gone, invalidated from below, and nobody looks after it ([`Machines::refetch`]).
    pub fn fetch_repeats(&self) -> Repeats {
        if self.have_inclusive_level() && !self.refetch() {
            return Repeats::Count;
        }
        let repeats = self.0.iter().map(|config| config.icache().policy.repeats());
        repeats.fold(Repeats::ChangeNothing, Repeats::max)
    }

    /// Whether the line that is being executed is looked for again after a data access that may have taken it out:
    /// where a level is inclusive, and that is enough.
    pub fn refetch(&self) -> bool {
        let is_enough = |config: &Config| {
            config.icache().policy.repeats() == Repeats::ChangeNothing
                && config.straddle() == Straddle::First
        };
        self.have_inclusive_level() && self.0.iter().all(is_enough)
    }
}

/// One machine alone.
impl From<&Config> for Machines {
    fn from(config: &Config) -> Self {
        Self::new(*config, [])
    }
}

//! The choice that the bimodal policies make at each fill.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Lets one fill in 32 pass, by chance: the parameter ε of BIP (Qureshi et al., ISCA 2007, see
/// [`super::Bip`]), which BRRIP took over.
///
/// Every cache draws from a generator of its own, as with [`super::Random`].
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    generator: SmallRng,
}

impl Throttle {
    pub(super) fn new(seed: u64) -> Self {
        Self { generator: SmallRng::seed_from_u64(seed) }
    }

    #[inline(always)]
    pub(super) fn lets_pass(&mut self) -> bool {
        self.generator.random_ratio(1, 32)
    }
}

//! Tests of what holds for every policy.

/// Makes three tests of each function `rules::rule<P: Policy>()` of the test file.
macro_rules! for_every_policy {
    ($($rule:ident)*) => {
        $(mod $rule {
            use cachesim::policy::{Fifo, Lru, Random};

            #[test]
            fn lru() {
                super::rules::$rule::<Lru>();
            }

            #[test]
            fn fifo() {
                super::rules::$rule::<Fifo>();
            }

            #[test]
            fn random() {
                super::rules::$rule::<Random>();
            }
        })*
    };
}

pub(crate) use for_every_policy;

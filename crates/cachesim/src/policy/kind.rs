//! The policies by name.

use super::{OnHit, Policy, Repeats};

macro_rules! kinds {
    ($($module:ident::$policy:ident {
        name: $name:literal,
        title: $title:literal,
        victim: $victim:literal
    })*) => {
        /// The replacement policy: which line of a full set is the victim.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum PolicyKind {
            $(
                #[doc = concat!("Replaces ", $victim, ": see [`", stringify!($policy), "`](super::", stringify!($policy), ").")]
                $policy,
            )*
        }

        impl PolicyKind {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$policy),*];

            /// The name, as users type it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$policy => $name,)*
                }
            }

            /// The name, as people write it.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$policy => $title,)*
                }
            }

            /// What a miss in a full set replaces, in a few words.
            pub const fn victim(self) -> &'static str {
                match self {
                    $(Self::$policy => $victim,)*
                }
            }

            /// Whether there are random choices in it, which start from the seed.
            pub const fn is_random(self) -> bool {
                match self {
                    $(Self::$policy => super::$policy::IS_RANDOM,)*
                }
            }

            /// What a hit does to the state of its line.
            pub const fn on_hit(self) -> OnHit {
                match self {
                    $(Self::$policy => super::$policy::ON_HIT,)*
                }
            }

            /// What repeated hits do under this policy.
            pub const fn repeats(self) -> Repeats {
                match self {
                    $(Self::$policy => super::$policy::REPEATS,)*
                }
            }
        }
    };
}

crate::policies!(kinds);

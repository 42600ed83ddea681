//! Tests of what holds for every policy.

/// Makes a test for each policy of each function `rules::rule<P: Policy>()` of the test file.
///
/// After `of marks:` without the policies that need the set at some hits, after `without repeats:` only
/// for those to which repeated hits make no difference.
macro_rules! for_every_policy {
    (@tests $rule:ident $($name:ident $policy:ident)*; $($more_name:ident $more_policy:ident)*) => {
        $(
            #[test]
            fn $name() {
                super::rules::$rule::<cachesim::policy::$policy>();
            }
        )*
        $(
            #[test]
            #[cfg_attr(miri, ignore = "does to memory what the others do, and Miri is slow")]
            fn $more_name() {
                super::rules::$rule::<cachesim::policy::$more_policy>();
            }
        )*
    };
    (of marks: $($rule:ident)*) => {
        $(mod $rule {
            crate::common::every_policy::for_every_policy! {
                @tests $rule
                lru Lru fifo Fifo random Random;
                tree_plru TreePlru
                srrip Srrip brrip Brrip drrip Drrip lfu Lfu lip Lip bip Bip
            }
        })*
    };
    (without repeats: $($rule:ident)*) => {
        $(mod $rule {
            crate::common::every_policy::for_every_policy! {
                @tests $rule
                lru Lru fifo Fifo random Random bit_plru BitPlru;
                tree_plru TreePlru
            }
        })*
    };
    ($($rule:ident)*) => {
        $(mod $rule {
            crate::common::every_policy::for_every_policy! {
                @tests $rule
                lru Lru fifo Fifo random Random bit_plru BitPlru;
                tree_plru TreePlru
                srrip Srrip brrip Brrip drrip Drrip lfu Lfu lip Lip bip Bip
            }
        })*
    };
}

pub(crate) use for_every_policy;

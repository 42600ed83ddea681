//! Tests of what holds for every policy.

/// Makes a test for each policy of each function `rules::rule<P: Policy>()` of the test file.
macro_rules! for_every_policy {
    ($($rule:ident)*) => {
        $(mod $rule {
            cachesim::policies!(crate::common::every_policy::tests_of, $rule;);
        })*
    };
}

macro_rules! tests_of {
    ($rule:ident; $($module:ident::$policy:ident $row:tt)*) => {
        $(
            #[test]
            fn $module() {
                super::rules::$rule::<cachesim::policy::$policy>();
            }
        )*
    };
}

pub(crate) use {for_every_policy, tests_of};

//! Properties of each policy.

/// Evaluates an expression for each policy, by the name that is given for it; with a second name also for
/// what the user calls it.
macro_rules! each_policy {
    (@each $name:ident $kind:ident $do:expr, $($policy:ident)*) => {
        $({
            type $name = cachesim::policy::$policy;
            let $kind = cachesim::options::PolicyKind::$policy;
            $do;
        })*
    };
    ($name:ident, $kind:ident => $do:expr) => {
        crate::common::each_policy::each_policy! {
            @each $name $kind $do,
            Lru Fifo Random TreePlru BitPlru Srrip Brrip Drrip Lfu Lip Bip
        }
    };
    ($name:ident => $do:expr) => {
        crate::common::each_policy::each_policy!($name, _kind => $do);
    };
}

pub(crate) use each_policy;

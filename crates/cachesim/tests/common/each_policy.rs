//! Properties of each policy.

use cachesim::policy::PolicyKind::{self, BitPlru, Fifo, Lru, Random};

/// Whether a property is checked for this policy.
pub fn has_time_for(kind: PolicyKind) -> bool {
    !cfg!(miri) || matches!(kind, Lru | Fifo | Random | BitPlru)
}

/// Evaluates an expression for each policy, by the name that is given for it; with a second name also for
/// its kind. Under Miri, which is slow, only for those that differ in what they do to memory.
macro_rules! each_policy {
    (@each $name:ident $kind:ident $do:expr, $($policy:ident)*) => {
        $({
            type $name = cachesim::policy::$policy;
            let $kind = cachesim::policy::PolicyKind::$policy;
            if crate::common::each_policy::has_time_for($kind) {
                $do;
            }
        })*
    };
    ($name:ident, $kind:ident => $do:expr) => {
        crate::common::each_policy::each_policy! {
            @each $name $kind $do,
            Lru Fifo Random TreePlru BitPlru Srrip Brrip Drrip Lfu Lip Bip
        }
    };
    ($name:ident => $do:expr) => {
        crate::common::each_policy::each_policy!($name, kind => $do);
    };
}

pub(crate) use each_policy;

//! Properties of each policy.

use cachesim::policy::PolicyKind::{self, BitPlru, Fifo, Lru, Random};

/// Whether a property is checked for this policy. Under Miri, which is slow, only those are that differ in
/// what they do to memory.
pub fn has_time_for(kind: PolicyKind) -> bool {
    !cfg!(miri) || matches!(kind, Lru | Fifo | Random | BitPlru)
}

/// Evaluates an expression for each policy, by the name that is given for it; with a second name also for
/// its kind.
macro_rules! each_policy {
    ($name:ident, $kind:ident => $do:expr) => {
        cachesim::policies!(crate::common::each_policy::each_row, $name $kind $do;)
    };
    ($name:ident => $do:expr) => {
        crate::common::each_policy::each_policy!($name, kind => $do);
    };
}

macro_rules! each_row {
    ($name:ident $kind:ident $do:expr; $($module:ident::$policy:ident $row:tt)*) => {
        $({
            type $name = cachesim::policy::$policy;
            let $kind = cachesim::policy::PolicyKind::$policy;
            if crate::common::each_policy::has_time_for($kind) {
                $do;
            }
        })*
    };
}

pub(crate) use {each_policy, each_row};

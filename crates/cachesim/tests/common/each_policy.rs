//! Properties of each policy.

/// Evaluates an expression for each policy, by the name that is given for it; with a second name also for
/// its kind.
macro_rules! each_policy {
    ($name:ident, $kind:ident => $do:expr) => {
        cachesim::policies!(crate::common::each_policy::each_row, $name $kind $do;)
    };
    ($name:ident => $do:expr) => {
        crate::common::each_policy::each_policy!($name, _kind => $do);
    };
}

macro_rules! each_row {
    ($name:ident $kind:ident $do:expr; $($module:ident::$policy:ident $row:tt)*) => {
        $({
            type $name = cachesim::policy::$policy;
            let $kind = cachesim::policy::PolicyKind::$policy;
            $do;
        })*
    };
}

pub(crate) use {each_policy, each_row};

//! The table of policies.

/// Hands the table of policies to a macro: a row for each, in the order in which users see them. What
/// stands behind the macro's name comes before the rows.
///
/// The list of policies is nowhere else. The options' values and help, [`PolicyKind`](crate::policy::PolicyKind),
/// [`AnyPolicy`](crate::policy::AnyPolicy), the tests and the benchmarks are made of it; `benches/bench.py`
/// and `scripts/soak.py` read the names here. Where a text has the list too, a test compares it.
///
/// A row has the policy's module and type, its name as users type it, its title in reports, and what a
/// miss in a full set replaces. The title in lower case is the policy's name in the report's JSON.
///
/// ```
/// macro_rules! types {
///     ($separator:literal; $($module:ident::$policy:ident $row:tt)*) => {
///         [$(stringify!($policy)),*].join($separator)
///     };
/// }
/// assert!(cachesim::policies!(types, " ";).starts_with("Lru Fifo Random "));
/// ```
#[macro_export]
macro_rules! policies {
    ($($macro:ident)::+ $(, $($before:tt)*)?) => {
        $($macro)::+! {
            $($($before)*)?
            lru::Lru { name: "lru", title: "LRU", victim: "the line used least recently" }
            fifo::Fifo { name: "fifo", title: "FIFO", victim: "the line filled first" }
            random::Random { name: "rand", title: "random", victim: "a random line" }
            tree_plru::TreePlru {
                name: "tree-plru",
                title: "tree-PLRU",
                victim: "a line not used lately, by a tree of bits"
            }
            bit_plru::BitPlru {
                name: "bit-plru",
                title: "bit-PLRU",
                victim: "a line not used lately, by a bit for each line"
            }
            nru::Nru { name: "nru", title: "NRU", victim: "the first line not used lately" }
            srrip::Srrip { name: "srrip", title: "SRRIP", victim: "the line predicted to be used last" }
            brrip::Brrip {
                name: "brrip",
                title: "BRRIP",
                victim: "the line predicted to be used last, mostly the newest"
            }
            drrip::Drrip {
                name: "drrip",
                title: "DRRIP",
                victim: "the line predicted to be used last, as SRRIP or BRRIP does"
            }
            lfu::Lfu { name: "lfu", title: "LFU", victim: "the line used least often" }
            lip::Lip {
                name: "lip",
                title: "LIP",
                victim: "the newest line unless it was used again, else the line used least recently"
            }
            bip::Bip {
                name: "bip",
                title: "BIP",
                victim: "mostly the newest line unless it was used again, else the line used least recently"
            }
        }
    };
}

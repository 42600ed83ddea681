//! What a run has counted, as plain data, and the formats it is written in.
//!
//! The table is a text made of a [`Snapshot`]. The renderer of a format writes a [`Profile`] to a writer
//! that it is given, piece by piece, since the text may be large ([`Renderer`] has all of them).
//! The texts in them come from the guest, so a renderer escapes them as its format demands.
#![forbid(unsafe_code)]

pub use cachesim::profile::Executed;
pub use options::Detail;

pub mod cachegrind;
pub mod callgrind;
mod comparison;
mod costs;
pub mod csv;
mod fold;
mod formats;
mod full;
mod hex;
mod hints;
pub mod html;
pub mod json;
mod machines;
mod profile;
pub mod progress;
mod rows;
#[cfg(test)]
mod sample;
mod settings;
mod snapshot;
mod summary;
pub mod table;
mod top;
mod valgrind;

pub use comparison::{CACHES, CacheRow, Comparison, MachineRow};
pub use costs::Costs;
pub use fold::fold;
pub use formats::{ReadSource, Renderer};
pub use full::{Events, FullProfile};
pub use hints::{NamedFile, hints};
pub use profile::{
    CoreProfile, FunctionRow, InstructionCounts, LineRow, LowerMisses, MissesByKind, Profile,
    ProfiledInstruction, RunDescription, SetMisses, by_function, by_line,
};
pub use snapshot::{
    CacheCounts, CoreSnapshot, HierarchyCounts, LowerCounts, MissLists, MissRow, Snapshot,
};
pub use summary::{AccessTime, CacheSummary, MemoryTraffic, Summary, Traffic};
pub use top::{Rank, top_by};

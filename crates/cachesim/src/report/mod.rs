//! What a run has counted, as plain data, and the renderers that make text of it.
//!
//! A renderer is a function from a [`Snapshot`] to text; it never prints. The texts in a snapshot
//! come from the guest, so a renderer escapes them as its format demands.

mod escape;
mod snapshot;
pub mod table;
mod top;

pub(crate) use escape::escape;
pub use snapshot::{CacheCounts, CoreSnapshot, MissLists, MissRow, Snapshot};
pub use top::{Rank, top_by};

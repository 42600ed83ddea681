//! What is made of JSON reports when the runs are over.
//!
//! - [`read`]: a report back into a [`report::Profile`].
//! - [`ReportArgs`]: the other formats and the table of one report (`libcache report`).
//! - [`DiffArgs`]: two reports beside each other, budgets, and the history of many
//!   (`libcache diff`).
//!
//! Reports of other builds, machines and directories are compared by names: see [`diff::matching`].
//! The texts in them come from guests: whoever shows them escapes them.
#![forbid(unsafe_code)]

pub mod budget;
pub mod change;
pub mod diff;
mod diff_args;
pub mod history;
pub mod metric;
pub mod output;
pub mod page;
pub mod read;
mod reports;
#[cfg(test)]
mod sample;

pub use diff_args::DiffArgs;
pub use read::{Extent, ReadError, Saved};
pub use reports::{ReportArgs, Subject, table};

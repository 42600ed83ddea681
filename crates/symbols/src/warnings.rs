//! What is wrong with files.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use cachesim::escape::escape;

/// A file that could not be used, or only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Display for Warning {
    /// One line, fit for a terminal.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", escape(&self.path.to_string_lossy()), escape(&self.reason))
    }
}

/// Warnings, one for a file.
#[derive(Default)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
}

impl Warnings {
    /// The first reason of each file.
    pub(crate) fn list(&self) -> &[Warning] {
        &self.list
    }

    /// Adds a reason, unless the file has one.
    pub(crate) fn add(&mut self, path: &Path, reason: String) {
        if self.list.iter().all(|known| known.path != path) {
            self.list.push(Warning { path: path.to_owned(), reason });
        }
    }
}

//! Why the command ends without having done what it was asked for.

use cachesim::escape::escape;
use std::fmt::{self, Display};
use std::process::ExitCode;

/// One line for standard error, and the status to end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    message: String,
}

/// The command's own exit statuses. Those from 125 on are what `env`, `nice` and `timeout` use for the same, so
/// that they can be told from the statuses of most programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// What was asked for could not be done.
    Failed = 1,
    /// The command line is wrong, an option's value included.
    Usage = 2,
    /// There is nothing to run the guest with: no plugin, no QEMU, no libraries.
    NotStarted = 125,
    /// The program is there and cannot be run.
    NotRunnable = 126,
    /// There is no such program.
    NotFound = 127,
}

impl Failure {
    /// A failure with this line, which has no full stop and no prefix.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The status to end with.
    pub fn status(&self) -> Status {
        self.status
    }
}

impl Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names are typed, or from files: none makes a second line, or reaches the terminal as a command.
        write!(out, "{}", escape(&self.message))
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

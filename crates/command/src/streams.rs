//! Standard output and standard error, which may be pipes that nobody reads any more.

use super::failure::{Failure, Status};
use std::io::{self, ErrorKind, Write};

pub use saved::output::tell;

/// Prints a text, all at once. A reader that has seen enough is no failure.
pub fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Status::Failed, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

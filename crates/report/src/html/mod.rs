//! A page for people who ask where their cache misses are: one HTML file that needs nothing else, no
//! network and no script.
//!
//! What the guest wrote (names, paths, instructions, source text, the command) is text and nothing more:
//! the template escapes all that is put into it, and the charts hold numbers only. The page is bounded
//! whatever ran: the limits below, of which it says so where they cut something off.

mod charts;
mod configuration;
mod format;
mod lists;
mod sets;
mod source;
#[cfg(test)]
mod tests;
mod view;
mod weight;

use std::io::{self, Write};
use std::sync::Arc;

use askama::Template as _;

use crate::{Profile, ReadSource};
pub use charts::{Chart, line_chart};
pub use format::{Count, clean, size};

/// The rows of a list of functions or lines.
const MAX_ROWS: usize = 50;
/// The rows of such a list that are not folded.
const OPEN_ROWS: usize = 12;
/// The instructions listed.
const MAX_INSTRUCTIONS: usize = 100;
/// The instructions listed that are not folded.
const OPEN_INSTRUCTIONS: usize = 25;
/// The source files shown.
const MAX_FILES: usize = 20;
/// The source files shown that are not folded.
const OPEN_FILES: usize = 3;
/// The cores in the table and in the charts of miss rates.
const MAX_CORES: usize = 32;
/// The cores whose sets are shown, beside the sum of all.
const MAX_CORES_WITH_SETS: usize = 3;
/// The squares of all maps of one kind of cache; larger caches have several sets to a square.
const MAX_SQUARES: usize = 4096;

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its text.
    pub text: Arc<str>,
    /// Whether it is what was compiled.
    pub state: SourceState,
}

/// Whether a source file is what was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// It is, as far as is known.
    AsCompiled,
    /// It was written to after the program was built: its lines may be others.
    Newer,
    /// Its text is another.
    Changed,
    /// It was written to after the report that is read.
    NewerThanReport,
}

impl<T: Into<Arc<str>>> From<T> for Source {
    fn from(text: T) -> Self {
        Self { text: text.into(), state: SourceState::AsCompiled }
    }
}

/// Writes the whole page.
///
/// `source` gives a source file by its path, as it is in [`Frame::file`], or `None` where
/// it cannot be read. It is asked once for each of the files that are shown.
///
/// # Errors
/// Those of `out`.
///
/// [`Frame::file`]: ::source::Frame::file
pub fn write(profile: &Profile, source: ReadSource<'_>, out: &mut dyn Write) -> io::Result<()> {
    view::Page::new(profile, source).write_into(out)
}

/// The style sheet of the page, for other pages that shall look like it.
pub fn style_sheet() -> String {
    view::Style { palette: &charts::PALETTE }.to_string()
}

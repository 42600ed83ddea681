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
mod machines;
mod sets;
mod source;
#[cfg(test)]
mod tests;
mod tiles;
mod view;
mod weight;

use std::io::{self, Write};
use std::sync::Arc;

use askama::Template as _;

use crate::{Profile, ReadSource};
pub use charts::{Chart, line_chart};
pub use format::{Count, clean, size};

/// The source files shown.
const MAX_FILES: usize = 20;
/// The source files shown that are not folded.
const OPEN_FILES: usize = 3;
/// The cores in the table and in the charts of miss rates.
const MAX_CORES: usize = 32;
/// The machines that a run compares with its own, in the comparison and after it.
const MAX_MACHINES: usize = 40;

/// How much of a machine is shown.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The rows of a list of functions or lines.
    rows: usize,
    /// Those that are not folded.
    open_rows: usize,
    /// The instructions listed.
    instructions: usize,
    /// Those that are not folded.
    open_instructions: usize,
    /// The cores whose sets are shown, beside the sum of all.
    cores_with_sets: usize,
    /// The squares of all maps of one kind of cache; larger caches have several sets to a square.
    squares: usize,
}

/// Of the run's own machine.
const OWN: Limits = Limits {
    rows: 50,
    open_rows: 12,
    instructions: 100,
    open_instructions: 25,
    cores_with_sets: 3,
    squares: 4096,
};

impl Limits {
    /// Of each of `machines` that are compared with the run's own: together they have as much as a few runs.
    fn of_each(machines: usize) -> Self {
        let rows = (120 / machines.max(1)).clamp(5, 20);
        let squares = (OWN.squares / machines.max(1)).max(128);
        // They are all behind one fold.
        Self {
            rows,
            open_rows: rows,
            instructions: rows,
            open_instructions: rows,
            cores_with_sets: 0,
            squares,
        }
    }
}

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

//! A page for people who ask where their cache misses are: one HTML file that needs nothing else, no
//! network and no script.
//!
//! What the guest wrote (names, paths, instructions, source text, the command) is text and nothing more:
//! the template escapes all that is put into it, and the charts hold numbers only. The page is bounded
//! whatever ran: the limits below, of which it says so where they cut something off.

mod charts;
mod format;
mod sets;
mod source;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use crate::Profile;

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

/// The whole page.
///
/// `source` gives the text of a source file by its path, as it is in [`Frame::file`], or `None` where
/// it cannot be read. It is asked once for each of the files that are shown.
///
/// [`Frame::file`]: crate::Frame::file
pub fn render(profile: &Profile, source: &dyn Fn(&str) -> Option<Arc<str>>) -> String {
    view::Page::new(profile, source).to_string()
}

//! Where the lines of the file begin.

use std::cell::Cell;
use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Begins a line for each value of the report and of what is directly in it.
pub(super) struct Layout<'a> {
    /// The arrays and objects that are open.
    depth: usize,
    /// Whether the innermost of them is empty so far.
    empty: bool,
    /// The values of arrays and objects this deep have a line each.
    deepest_rows: &'a Cell<usize>,
}

/// The depth of the report's rows.
pub(super) const DEEPEST_ROWS: usize = 2;

impl<'a> Layout<'a> {
    /// Whoever writes the report says with `deepest_rows` where its rows are.
    pub fn new(deepest_rows: &'a Cell<usize>) -> Self {
        Self { depth: 0, empty: false, deepest_rows }
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        out.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        let rows = self.depth <= self.deepest_rows.get() && !self.empty;
        self.depth -= 1;
        self.empty = false;
        if rows {
            self.begin_row(out)?;
        }
        out.write_all(bracket)
    }

    fn separate<W: ?Sized + Write>(&self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= self.deepest_rows.get() {
            self.begin_row(out)
        } else if first {
            Ok(())
        } else {
            out.write_all(b" ")
        }
    }

    fn begin_row<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        write!(out, "\n{:indent$}", "", indent = 2 * self.depth)
    }
}

impl Formatter for Layout<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }
}

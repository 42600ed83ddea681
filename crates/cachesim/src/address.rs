//! The addresses the model works with, as types that cannot be mixed up.

/// The number of a cache line: an address divided by the line size.
///
/// A line number is its own tag: a set holds whole line numbers, so neither the set index nor the
/// tag has to be cut out and put together again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineAddr(u64);

impl LineAddr {
    /// What an empty way holds. No access has this line: it would have to be to the very last byte
    /// of a 64-bit address space, through a cache of one-byte lines.
    pub const INVALID: Self = Self(u64::MAX);

    /// The line that holds the byte at `address`, for lines of 2^`line_shift` bytes.
    #[inline(always)]
    pub const fn containing(address: u64, line_shift: u32) -> Self {
        Self(address >> line_shift)
    }

    /// A line by its number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The line's number.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self.0
    }
}

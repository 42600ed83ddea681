//! The shape of a cache: how many sets, how many ways, how long a line.
//!
//! Deliberate difference from the reference: any number of sets is valid and is indexed by the
//! remainder. The C plugin accepts such caches too, but masks with `sets - 1` and so leaves sets
//! unused when their number is not a power of two.

use std::fmt::{self, Display};

use crate::address::LineAddr;

/// The longest line, in bytes: far above any real cache, and short enough that no product of a
/// line and a number of ways overflows.
pub const MAX_LINE_BYTES: u64 = 1 << 20;

/// The most lines that a cache may hold (and so the most ways that a set may have).
///
/// With the tag of a line and its state in 16 bytes, the model of such a cache takes 4 GiB of host memory.
pub const MAX_LINES: u64 = 1 << 28;

/// The largest cache, in bytes, which has [`MAX_LINES`] lines of [`MAX_LINE_BYTES`].
pub const MAX_SIZE_BYTES: u64 = MAX_LINES * MAX_LINE_BYTES;

/// The shape of one cache. It exists only if it is valid: at least one set, one way and one byte
/// in a line, lines a power of two, and no more than [`MAX_LINES`] of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheGeometry {
    sets: u64,
    ways: u32,
    line_shift: u32,
}

/// Why three numbers are not the geometry of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The cache has no bytes.
    #[error("the size of the cache is zero")]
    ZeroSize,
    /// A line has no bytes.
    #[error("the size of a line is zero")]
    ZeroLine,
    /// A set has no ways.
    #[error("the number of ways is zero")]
    ZeroWays,
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("lines of {line_bytes} bytes are longer than {MAX_LINE_BYTES} bytes")]
    LineTooLong {
        /// The length asked for.
        line_bytes: u64,
    },
    /// The length of a line is not a power of two.
    #[error(
        "lines of {line_bytes} bytes are not a power of two; the nearest are {smaller} and {larger}"
    )]
    LineNotPowerOfTwo {
        /// The length asked for.
        line_bytes: u64,
        /// The next power of two below.
        smaller: u64,
        /// The next power of two above.
        larger: u64,
    },
    /// A set has more ways than [`MAX_LINES`].
    #[error("{ways} ways are more than {MAX_LINES}")]
    TooManyWays {
        /// The number asked for.
        ways: u32,
    },
    /// The cache has more lines than [`MAX_LINES`].
    #[error(
        "{lines} lines are more than {MAX_LINES}; the largest such cache has {largest_size_bytes} bytes"
    )]
    TooManyLines {
        /// The number of (whole) lines asked for.
        lines: u64,
        /// The largest valid size with these lines and ways.
        largest_size_bytes: u64,
    },
    /// The size is not a whole number of sets.
    #[error(
        "{size_bytes} bytes are not a multiple of {line_bytes} bytes × {ways} ways; the nearest is {nearest}"
    )]
    SizeNotMultiple {
        /// The size asked for.
        size_bytes: u64,
        /// The length of a line.
        line_bytes: u64,
        /// The number of ways.
        ways: u32,
        /// The nearest sizes that are.
        nearest: NearestSizes,
    },
}

/// The valid sizes next to one that is not, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearestSizes {
    /// The next below and the next above.
    Both(u64, u64),
    /// The next above; there is none below one set.
    Larger(u64),
    /// The next below; one set more would have too many lines.
    Smaller(u64),
}

impl Display for NearestSizes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(smaller, larger) => write!(out, "{smaller} or {larger}"),
            Self::Larger(size) | Self::Smaller(size) => write!(out, "{size}"),
        }
    }
}

impl CacheGeometry {
    /// The geometry of a cache of `size_bytes` with lines of `line_bytes` in sets of `ways`.
    ///
    /// # Errors
    /// Any of [`GeometryError`]: faults of the line first, then of the ways, then of the size.
    pub fn new(size_bytes: u64, line_bytes: u64, ways: u32) -> Result<Self, GeometryError> {
        if line_bytes == 0 {
            return Err(GeometryError::ZeroLine);
        }
        if line_bytes > MAX_LINE_BYTES {
            return Err(GeometryError::LineTooLong { line_bytes });
        }
        if !line_bytes.is_power_of_two() {
            let larger = line_bytes.next_power_of_two();
            return Err(GeometryError::LineNotPowerOfTwo {
                line_bytes,
                smaller: larger / 2,
                larger,
            });
        }
        if ways == 0 {
            return Err(GeometryError::ZeroWays);
        }
        if u64::from(ways) > MAX_LINES {
            return Err(GeometryError::TooManyWays { ways });
        }
        if size_bytes == 0 {
            return Err(GeometryError::ZeroSize);
        }
        let set_bytes = line_bytes * u64::from(ways);
        let most_sets = MAX_LINES / u64::from(ways);
        let lines = size_bytes / line_bytes;
        if lines > MAX_LINES {
            return Err(GeometryError::TooManyLines {
                lines,
                largest_size_bytes: most_sets * set_bytes,
            });
        }
        let sets = size_bytes / set_bytes;
        if !size_bytes.is_multiple_of(set_bytes) {
            return Err(GeometryError::SizeNotMultiple {
                size_bytes,
                line_bytes,
                ways,
                nearest: if sets == 0 {
                    NearestSizes::Larger(set_bytes)
                } else if sets == most_sets {
                    NearestSizes::Smaller(sets * set_bytes)
                } else {
                    NearestSizes::Both(sets * set_bytes, (sets + 1) * set_bytes)
                },
            });
        }
        Ok(Self { sets, ways, line_shift: line_bytes.trailing_zeros() })
    }

    /// That of a cache of one line, as long as these.
    #[must_use]
    pub fn one_line(self) -> Self {
        Self { sets: 1, ways: 1, ..self }
    }

    /// The size of the cache in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.lines() << self.line_shift
    }

    /// The length of a line in bytes, a power of two.
    pub fn line_bytes(&self) -> u64 {
        1 << self.line_shift
    }

    /// The base-2 logarithm of [`line_bytes`](Self::line_bytes): an address shifted right by it is
    /// a line number.
    pub fn line_shift(&self) -> u32 {
        self.line_shift
    }

    /// The number of ways of a set (the associativity), at least 1.
    pub fn ways(&self) -> u32 {
        self.ways
    }

    /// The number of sets, at least 1, not necessarily a power of two.
    pub fn sets(&self) -> u64 {
        self.sets
    }

    /// The set that `line` belongs to, from 0.
    ///
    /// # Panics
    /// Never: a host that has the cache in memory can count its sets.
    #[inline]
    pub fn set_of(&self, line: LineAddr) -> usize {
        let set = line.number() % self.sets;
        usize::try_from(set).expect("all sets are in memory")
    }

    /// The number of lines, sets × ways, at most [`MAX_LINES`].
    pub fn lines(&self) -> u64 {
        self.sets * u64::from(self.ways)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_cache_has_32_sets() {
        let cache = CacheGeometry::new(16384, 64, 8).unwrap();
        assert_eq!((cache.size_bytes(), cache.line_bytes(), cache.line_shift()), (16384, 64, 6));
        assert_eq!((cache.ways(), cache.sets(), cache.lines()), (8, 32, 256));
    }

    #[test]
    fn any_number_of_sets_and_ways_is_valid() {
        assert_eq!(CacheGeometry::new(48 * 512, 64, 8).unwrap().sets(), 48);
        assert_eq!(CacheGeometry::new(3 * 5 * 64, 64, 3).unwrap().sets(), 5);
    }

    #[test]
    fn the_smallest_and_the_largest_caches_are_valid() {
        let smallest = CacheGeometry::new(1, 1, 1).unwrap();
        assert_eq!((smallest.lines(), smallest.line_shift()), (1, 0));
        let ways = u32::try_from(MAX_LINES).unwrap();
        let largest = CacheGeometry::new(MAX_SIZE_BYTES, MAX_LINE_BYTES, ways).unwrap();
        assert_eq!((largest.lines(), largest.sets()), (MAX_LINES, 1));
        assert_eq!(largest.size_bytes(), MAX_SIZE_BYTES);
    }

    #[test]
    fn zeros_are_rejected_each_by_name() {
        assert_eq!(CacheGeometry::new(0, 64, 8), Err(GeometryError::ZeroSize));
        assert_eq!(CacheGeometry::new(16384, 0, 8), Err(GeometryError::ZeroLine));
        assert_eq!(CacheGeometry::new(16384, 64, 0), Err(GeometryError::ZeroWays));
    }

    #[test]
    fn a_line_that_is_no_power_of_two_is_rejected_with_its_neighbours() {
        assert_eq!(
            CacheGeometry::new(16384, 48, 8),
            Err(GeometryError::LineNotPowerOfTwo { line_bytes: 48, smaller: 32, larger: 64 })
        );
    }

    #[test]
    fn a_size_that_does_not_divide_is_rejected_with_its_neighbours() {
        assert_eq!(
            CacheGeometry::new(16000, 64, 8),
            Err(GeometryError::SizeNotMultiple {
                size_bytes: 16000,
                line_bytes: 64,
                ways: 8,
                nearest: NearestSizes::Both(15872, 16384)
            })
        );
    }

    #[test]
    fn a_size_below_one_set_has_no_smaller_neighbour() {
        assert!(matches!(
            CacheGeometry::new(511, 64, 8),
            Err(GeometryError::SizeNotMultiple { nearest: NearestSizes::Larger(512), .. })
        ));
    }

    #[test]
    fn a_size_near_the_limit_has_no_larger_neighbour() {
        // 2²⁸ is not a multiple of 3, so the set above would have too many lines.
        assert!(matches!(
            CacheGeometry::new(MAX_LINES, 1, 3),
            Err(GeometryError::SizeNotMultiple { nearest: NearestSizes::Smaller(_), .. })
        ));
    }

    #[test]
    fn what_is_too_large_is_rejected_each_by_name() {
        assert_eq!(
            CacheGeometry::new(1 << 30, MAX_LINE_BYTES * 2, 1),
            Err(GeometryError::LineTooLong { line_bytes: MAX_LINE_BYTES * 2 })
        );
        assert_eq!(
            CacheGeometry::new(u64::MAX, 64, u32::MAX),
            Err(GeometryError::TooManyWays { ways: u32::MAX })
        );
        assert_eq!(
            CacheGeometry::new(1 << 40, 64, 8),
            Err(GeometryError::TooManyLines { lines: 1 << 34, largest_size_bytes: 1 << 34 })
        );
    }

    /// Mostly small numbers and powers of two, with any number possible.
    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_000_u64, (0..64_u32).prop_map(|shift| 1 << shift), any::<u64>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn what_is_accepted_is_what_was_asked_for(size in number(), line in number(), ways in any::<u16>()) {
            let ways = u32::from(ways);
            let valid = line.is_power_of_two()
                && line <= MAX_LINE_BYTES
                && ways > 0
                && size > 0
                && size % (line * u64::from(ways)) == 0
                && size / line <= MAX_LINES;
            match CacheGeometry::new(size, line, ways) {
                Ok(cache) => {
                    prop_assert!(valid);
                    prop_assert_eq!(cache.size_bytes(), size);
                    prop_assert_eq!(cache.line_bytes(), line);
                    prop_assert_eq!(cache.ways(), ways);
                    prop_assert_eq!(cache.sets() * u64::from(ways) * line, size);
                }
                Err(_) => prop_assert!(!valid),
            }
        }

        #[test]
        fn the_sizes_offered_are_valid_and_the_nearest(size in number(), shift in 0..=20_u32, ways in 1..=u32::MAX) {
            let line = 1 << shift;
            match CacheGeometry::new(size, line, ways) {
                Err(GeometryError::SizeNotMultiple { nearest, .. }) => {
                    let offered = match nearest {
                        NearestSizes::Both(smaller, larger) => vec![smaller, larger],
                        NearestSizes::Larger(only) | NearestSizes::Smaller(only) => vec![only],
                    };
                    for offered in offered {
                        prop_assert!(CacheGeometry::new(offered, line, ways).is_ok());
                        prop_assert!(offered.abs_diff(size) < line * u64::from(ways));
                    }
                }
                Err(GeometryError::TooManyLines { largest_size_bytes, .. }) => {
                    prop_assert!(CacheGeometry::new(largest_size_bytes, line, ways).is_ok());
                    let next = largest_size_bytes + line * u64::from(ways);
                    prop_assert!(CacheGeometry::new(next, line, ways).is_err());
                }
                _ => {}
            }
        }
    }
}

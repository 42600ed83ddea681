//! Numbers and texts as the page shows them.

use std::fmt::{self, Display};

use cachesim::escape::escape;

use crate::CacheCounts;

/// The longest name, path or line of text in the page, in characters. Names of templates have no end.
const MAX_TEXT_CHARS: usize = 300;

/// A count with its thousands apart, or a dash where nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub Option<u64>);

impl Count {
    /// Counted, and nothing there: the page plays it down.
    pub fn is_zero(self) -> bool {
        self.0 == Some(0)
    }
}

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self(Some(count))
    }
}

impl Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(count) = self.0 else { return out.write_str("–") };
        let digits = count.to_string();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                out.write_str(",")?;
            }
            write!(out, "{digit}")?;
        }
        Ok(())
    }
}

/// "1 miss", "1,234 misses".
pub(super) fn misses(count: u64) -> String {
    let noun = if count == 1 { "miss" } else { "misses" };
    format!("{} {noun}", Count::from(count))
}

/// A part of a whole in percent, or a dash where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Percent(Option<CacheCounts>);

impl Percent {
    /// `part` ÷ `whole`; 0 of nothing is 0 %.
    pub(super) fn new(part: u64, whole: u64) -> Self {
        Self(Some(CacheCounts { accesses: whole, misses: part }))
    }

    /// The miss rate of an instruction, function or line that has made `accesses`, if they were counted.
    pub(super) fn rate(misses: u64, accesses: Count) -> Self {
        Self(accesses.0.map(|accesses| CacheCounts { accesses, misses }))
    }
}

impl Display for Percent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(counts) = self.0 else { return out.write_str("–") };
        let percent = counts.miss_percent();
        // Instruction caches have rates far below a percent.
        if counts.misses > 0 && percent < 0.000_05 {
            out.write_str("<0.0001%")
        } else if counts.misses > 0 && percent < 0.01 {
            write!(out, "{percent:.4}%")
        } else if counts.misses < counts.accesses && percent > 99.99 {
            out.write_str(">99.99%")
        } else {
            write!(out, "{percent:.2}%")
        }
    }
}

/// A size in bytes, in the largest unit that divides it.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    match unit {
        Some((shift, unit)) => format!("{} {unit}", Count::from(bytes >> shift)),
        None => format!("{} bytes", Count::from(bytes)),
    }
}

/// Text of the guest, on one line, with what would steer the reader made visible, and not endless.
/// It is still any text: the template escapes it for HTML.
pub fn clean(text: &str) -> String {
    clean_up_to(text, MAX_TEXT_CHARS)
}

/// As [`clean`], of at most `limit` characters of `text`.
pub(super) fn clean_up_to(text: &str, limit: usize) -> String {
    let end = text.char_indices().nth(limit).map_or(text.len(), |(index, _)| index);
    let ellipsis = if end < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", escape(&text[..end]))
}

/// As [`clean`], but tabs stay: they indent source text and align operands.
pub(super) fn clean_keeping_tabs(text: &str) -> String {
    let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |(index, _)| index);
    let ellipsis = if end < text.len() { "…" } else { "" };
    let parts: Vec<_> = text[..end].split('\t').map(|part| escape(part).to_string()).collect();
    parts.join("\t") + ellipsis
}

/// The last part of a path, and what is before it.
pub(super) fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name))
}

/// How much of something is shown: "50 of 1,234, those with the most misses", or "all 7".
pub(super) fn shown_of(shown: usize, all: usize, of_what: &str) -> String {
    let count = |number: usize| Count(u64::try_from(number).ok());
    if shown < all {
        format!("{} of {}, those with the most {of_what}", count(shown), count(all))
    } else if all == 1 {
        "the only one".to_owned()
    } else {
        format!("all {}", count(all))
    }
}

/// How much `value` is of `most`, from 0 (nothing at all) to `levels`, in equal steps.
pub(super) fn level(value: u64, most: u64, levels: u8) -> u8 {
    if value == 0 || most == 0 {
        return 0;
    }
    let steps = u128::from(value) * u128::from(levels);
    u8::try_from(steps.div_ceil(u128::from(most))).map_or(levels, |level| level.min(levels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Count::from(count).to_string(), text);
        }
        assert_eq!(Count(None).to_string(), "–");
        assert_eq!([0, 1, 2].map(misses), ["0 misses", "1 miss", "2 misses"]);
    }

    #[test]
    fn a_share_is_shown_as_none_or_all_only_if_it_is() {
        for (part, whole, text) in [
            (0, 0, "0.00%"),
            (0, 5, "0.00%"),
            (5, 5, "100.00%"),
            (1, 3, "33.33%"),
            (2, 1_000_000, "0.0002%"),
            (1, 10_000_000, "<0.0001%"),
            (999_999, 1_000_000, ">99.99%"),
            (u64::MAX, u64::MAX, "100.00%"),
        ] {
            assert_eq!(Percent::new(part, whole).to_string(), text);
        }
        assert_eq!(Percent::rate(1, Count(None)).to_string(), "–");
    }

    #[test]
    fn sizes_take_the_largest_whole_unit() {
        assert_eq!(size(16 << 10), "16 KiB");
        assert_eq!(size(3 << 20), "3 MiB");
        assert_eq!(size(1 << 40), "1,024 GiB");
        assert_eq!(size(1000), "1,000 bytes");
    }

    #[test]
    fn levels_are_zero_for_nothing_only() {
        assert_eq!([0, 1, 50, 51, 99, 100].map(|value| level(value, 100, 6)), [0, 1, 3, 4, 6, 6]);
        assert_eq!(level(0, 0, 6), 0);
        assert_eq!(level(u64::MAX, u64::MAX, 6), 6);
        assert_eq!(level(u64::MAX, 1, 6), 6);
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(clean("a\tb\n"), r"a\tb\n");
        assert_eq!(clean_keeping_tabs("a\tb\n"), "a\tb\\n");
        assert_eq!(clean(&"é".repeat(1000)), "é".repeat(MAX_TEXT_CHARS) + "…");
        assert_eq!(clean_keeping_tabs(&"\t".repeat(1000)), "\t".repeat(MAX_TEXT_CHARS) + "…");
    }
}

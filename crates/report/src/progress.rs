//! A line that tells how far a run is.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::{CacheCounts, CoreSnapshot};

/// How far a run is: the instructions of the whole run, and the rates of the last interval. Without the
/// end of the line.
///
/// `now` are the counts of all cores `elapsed` after the start, `before` those of `interval` ago.
pub fn line(
    now: &CoreSnapshot,
    before: &CoreSnapshot,
    elapsed: Duration,
    interval: Duration,
) -> String {
    let fetched = now.fetch.accesses.saturating_sub(before.fetch.accesses);
    #[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    let per_second = fetched as f64 / interval.as_secs_f64().max(f64::MIN_POSITIVE);
    let part = |now: CacheCounts, before: CacheCounts| CacheCounts {
        accesses: now.accesses.saturating_sub(before.accesses),
        misses: now.misses.saturating_sub(before.misses),
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    let total = now.fetch.accesses as f64;
    format!(
        "{} s, {} instructions, {}/s, misses {:.2}% data {:.2}% fetch",
        elapsed.as_secs(),
        Scaled(total),
        Scaled(per_second),
        part(now.data, before.data).miss_percent(),
        part(now.fetch, before.fetch).miss_percent(),
    )
}

/// A number in three digits and a power of a thousand.
struct Scaled(f64);

impl Display for Scaled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = self.0;
        let mut units = ["", " k", " M", " G", " T", " P"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            // What would be rounded to 1000 too.
            if number < 999.5 {
                break;
            }
            number /= 1000.0;
            unit = larger;
        }
        let decimals = match number {
            _ if unit.is_empty() => 0,
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        write!(out, "{number:.decimals$}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_run_is_and_how_the_last_interval_was() {
        let counts = |accesses, misses| CacheCounts { accesses, misses };
        let before = CoreSnapshot {
            data: counts(1000, 100),
            fetch: counts(2_000_000, 1_000_000),
            hierarchy: None,
        };
        let now = CoreSnapshot {
            data: counts(2000, 500),
            fetch: counts(305_000_000, 76_750_000),
            hierarchy: None,
        };
        let line = line(&now, &before, Duration::from_secs(12), Duration::from_secs(2));
        assert_eq!(line, "12 s, 305 M instructions, 152 M/s, misses 40.00% data 25.00% fetch");
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (999.6, "1.00 k"),
            (1234.0, "1.23 k"),
            (12_345.0, "12.3 k"),
            (99_960.0, "100 k"),
            (999_600.0, "1.00 M"),
            (5.4321e9, "5.43 G"),
            (1.8e19, "18000 P"),
        ] {
            assert_eq!(Scaled(number).to_string(), text, "{number}");
        }
    }

    #[test]
    fn a_counter_that_seems_to_go_back_is_none() {
        let counts = CacheCounts { accesses: 10, misses: 5 };
        let before = CoreSnapshot { data: counts, fetch: counts, hierarchy: None };
        let text = line(&CoreSnapshot::default(), &before, Duration::ZERO, Duration::ZERO);
        assert_eq!(text, "0 s, 0 instructions, 0/s, misses 0.00% data 0.00% fetch");
    }
}

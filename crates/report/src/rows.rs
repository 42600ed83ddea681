//! The lists of the functions, and of the lines, with the most misses.
//!
//! They look like the table's lists of instructions, and follow the table of a run without those.
//! Of long names the template arguments are left out: the formats for programs have them.
//! A name may have commas in it, so a program reads a row from its end.

use std::cmp::Reverse;
use std::fmt::{self, Display};

use cachesim::escape::escape;

use crate::fold::fold;
use crate::settings::Lower;
use crate::snapshot::ratio;
use crate::{CoreSnapshot, InstructionCounts, Profile, by_function, by_line};
use source::{Function, SourceLine};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A function, without those that are inlined into it.
    Function,
    /// A line of the source.
    Line,
}

/// A list by misses of the data cache, one by those of the instruction cache, and one by those of each
/// level beyond, of `limit` rows at most; with 0 nothing.
///
/// The rows are in the order of their misses, and of equals in that of their names; none is without
/// a miss. The share is that of all the cores' misses of the cache or level, in percent.
pub fn render_by(profile: &Profile, by: By, limit: usize) -> String {
    match by {
        _ if limit == 0 => String::new(),
        By::Function => {
            let rows = by_function(profile);
            let rows = rows.iter().map(|row| (FunctionName(&row.function), row.counts)).collect();
            Lists { profile, heading: "function", rows, limit }.to_string()
        }
        By::Line => {
            let rows = by_line(profile);
            let rows = rows.iter().map(|row| (LineName(&row.line), row.counts)).collect();
            Lists { profile, heading: "line", rows, limit }.to_string()
        }
    }
}

struct Lists<'a, N> {
    profile: &'a Profile,
    heading: &'static str,
    /// In the order of names.
    rows: Vec<(N, InstructionCounts)>,
    limit: usize,
}

impl<N: Display> Display for Lists<'_, N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: CoreSnapshot = self.profile.cores.iter().map(|core| &core.counts).sum();
        self.write(out, "data", total.data.misses, |counts| counts.data_misses)?;
        out.write_str("\n")?;
        self.write(out, "fetch", total.fetch.misses, |counts| counts.fetch_misses)?;
        for level in Lower::of(&self.profile.run.options.config) {
            out.write_str("\n")?;
            let all = level.counts(&total).total().misses;
            self.write(out, level.name(), all, |counts| level.misses(counts).total())?;
        }
        Ok(())
    }
}

impl<N: Display> Lists<'_, N> {
    fn write(
        &self,
        out: &mut fmt::Formatter<'_>,
        kind: &str,
        total: u64,
        misses: impl Fn(&InstructionCounts) -> u64,
    ) -> fmt::Result {
        writeln!(out, "{}, {kind} misses, share", self.heading)?;
        let mut rows: Vec<_> =
            self.rows.iter().map(|(name, counts)| (name, misses(counts))).collect();
        rows.retain(|&(_, misses)| misses > 0);
        // Stable, so equals stay in the order of their names.
        rows.sort_by_key(|&(_, misses)| Reverse(misses));
        for (name, misses) in rows.into_iter().take(self.limit) {
            writeln!(out, "{name}, {misses}, {:.2}%", 100.0 * ratio(misses, total))?;
        }
        Ok(())
    }
}

/// The longest name, in characters, of which no arguments are left out: a row has two of them at most, and
/// its numbers.
const LONGEST_NAME: usize = 48;

/// A function's name for a row.
fn short(name: &str) -> impl Display {
    escape(&fold(name, LONGEST_NAME)).to_string()
}

/// `dot<T> (inlined in column_order)`; `??? (libm.so.6)` for code of a file without names.
struct FunctionName<'a>(&'a Function);

impl Display for FunctionName<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Function { name, inlined_into, object } = self.0;
        write!(out, "{}", short(name.as_deref().unwrap_or("???")))?;
        match (inlined_into, name, object) {
            (Some(outer), _, _) => write!(out, " (inlined in {})", short(outer)),
            (None, None, Some(object)) => write!(out, " ({})", escape(file_name(object))),
            _ => Ok(()),
        }
    }
}

/// `/src/matrix.c:12 (row_order)`; `??? (sqrt)` for code of a function without lines.
struct LineName<'a>(&'a SourceLine);

impl Display for LineName<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SourceLine { file, line, function } = self.0;
        write!(out, "{}", escape(file.as_deref().unwrap_or("???")))?;
        if let Some(line) = line {
            write!(out, ":{line}")?;
        }
        let Function { name, inlined_into, object } = function;
        match (name, inlined_into, object) {
            (Some(name), Some(outer), _) => {
                write!(out, " ({} inlined in {})", short(name), short(outer))
            }
            (Some(name), None, _) => write!(out, " ({})", short(name)),
            (None, Some(outer), _) => write!(out, " (inlined in {})", short(outer)),
            (None, None, Some(object)) => write!(out, " ({})", escape(file_name(object))),
            (None, None, None) => Ok(()),
        }
    }
}

/// A path without its directories.
fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Snapshot, sample, table};
    use proptest::prelude::*;

    #[test]
    fn the_sample_by_function() {
        insta::assert_snapshot!(render_by(&sample::profile(), By::Function, 32), @r#"
        function, data misses, share
        dot<T> (inlined in column_order), 500, 68.49%
        row_order, 125, 17.12%
        column_order, 100, 13.70%
        </script><b>&"'\n=1,2\u{1b}[31m, 5, 0.68%

        function, fetch misses, share
        column_order, 3, 33.33%
        dot<T> (inlined in column_order), 2, 22.22%
        ???, 1, 11.11%
        </script><b>&"'\n=1,2\u{1b}[31m, 1, 11.11%
        row_order, 1, 11.11%
        sqrt, 1, 11.11%
        "#);
    }

    #[test]
    fn the_sample_by_line() {
        insta::assert_snapshot!(render_by(&sample::profile(), By::Line, 32), @r#"
        line, data misses, share
        /src/dot.h:7 (dot<T> inlined in column_order), 500, 68.49%
        /src/matrix.c:12 (row_order), 125, 17.12%
        /src/matrix.c:31 (column_order), 100, 13.70%
        /src/<i>&\n.c:1 (</script><b>&"'\n=1,2\u{1b}[31m), 5, 0.68%

        line, fetch misses, share
        /src/matrix.c:31 (column_order), 3, 33.33%
        /src/dot.h:7 (dot<T> inlined in column_order), 2, 22.22%
        ???, 1, 11.11%
        ??? (sqrt), 1, 11.11%
        /src/<i>&\n.c:1 (</script><b>&"'\n=1,2\u{1b}[31m), 1, 11.11%
        /src/matrix.c:12 (row_order), 1, 11.11%
        "#);
    }

    #[test]
    fn the_levels_beyond_have_lists_of_their_own() {
        let text = render_by(&sample::levels(), By::Function, 2);
        let (first, beyond) = text.split_once("\nfunction, L2").unwrap();
        assert!(render_by(&sample::profile(), By::Function, 2) == first, "{first}");
        insta::assert_snapshot!(format!("function, L2{beyond}"), @r"
        function, L2 misses, share
        dot<T> (inlined in column_order), 402, 81.05%
        column_order, 61, 12.30%

        function, L3 misses, share
        dot<T> (inlined in column_order), 101, 81.45%
        column_order, 10, 8.06%
        ");
        let two = render_by(&sample::two_levels(), By::Line, 2);
        assert!(two.contains("\nline, L2 misses, share\n") && !two.contains("L3"), "{two}");
    }

    #[test]
    fn lists_are_the_same_without_all_counts() {
        for by in [By::Function, By::Line] {
            let full = render_by(&sample::profile(), by, 32);
            assert_eq!(render_by(&sample::misses(), by, 32), full);
        }
    }

    #[test]
    fn template_arguments_of_long_names_are_left_out() {
        let mut profile = sample::profile();
        let mut location = (*profile.instructions[0].location).clone();
        let name =
            "std::vector<std::pair<long, long>, std::allocator<std::pair<long, long>>>::push_back";
        location.frames[0].function = Some(name.into());
        profile.instructions[0].location = location.into();
        for by in [By::Function, By::Line] {
            let text = render_by(&profile, by, 32);
            assert!(text.contains("std::vector<…>::push_back"), "{text}");
            assert!(text.lines().all(|row| row.chars().count() <= 80), "{text}");
        }
    }

    #[test]
    fn the_limit_is_that_of_each_list() {
        let text = render_by(&sample::profile(), By::Function, 2);
        assert_eq!(text.lines().count(), 3 + 1 + 3);
        assert_eq!(render_by(&sample::profile(), By::Function, 0), "");
    }

    #[test]
    fn the_lists_follow_a_table_without_lists() {
        let profile = sample::profile();
        let cores = profile.cores.iter().map(|core| core.counts).collect();
        let table = table::render(&Snapshot { cores, lists: None }, &profile.run.options);
        let text = table + &render_by(&profile, By::Line, 1);
        assert!(text.contains("%\n\nline, data misses, share\n"), "{text}");
    }

    #[test]
    fn code_of_which_only_the_file_is_known_is_named_by_it() {
        let mut profile = sample::profile();
        let mut location = (*profile.instructions[0].location).clone();
        location.frames.clear();
        profile.instructions[0].location = location.into();
        for by in [By::Function, By::Line] {
            let text = render_by(&profile, by, 32);
            assert!(text.contains("\n??? (matrix), 125, 17.12%\n"), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn names_stay_in_their_rows(profile in sample::any_texts()) {
            for by in [By::Function, By::Line] {
                let text = render_by(&profile, by, usize::MAX);
                let (data, fetch) = text.split_once("\n\n").unwrap();
                for (list, total) in [(data, 730), (fetch, 9)] {
                    let mut sum = 0;
                    for row in list.lines().skip(1) {
                        let mut fields = row.rsplitn(3, ", ");
                        prop_assert!(fields.next().unwrap().ends_with('%'), "{row:?}");
                        sum += fields.next().unwrap().parse::<u64>().unwrap();
                    }
                    prop_assert_eq!(sum, total);
                }
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            }
        }
    }
}

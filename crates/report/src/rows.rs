//! The lists of the functions, and of the lines, that miss most, or where costs are known, that cost most.
//!
//! They follow the table of a run without its lists of instructions. The numbers come first, since names of C++
//! may take more than what is left of a line; of long ones the template arguments are left out. The formats for
//! programs have all names whole.

use std::cmp::Reverse;
use std::fmt::{self, Display, Write as _};

use cachesim::escape::escape;

use crate::fold::fold;
use crate::settings::Lower;
use crate::snapshot::ratio;
use crate::{CoreSnapshot, Costs, InstructionCounts, Profile, by_function, by_line};
use source::{Function, SourceLine};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A function, without those that are inlined into it.
    Function,
    /// A line of the source.
    Line,
}

/// The columns of a terminal.
const WIDTH: usize = 80;

/// The shortest room for a name, in characters, whatever there is before it.
const LEAST_ROOM: usize = 24;

/// Rows with one miss each at the end of a list are left out if there are this many.
const MANY_ROWS: usize = 4;

/// A list for data accesses and one for fetches, of `limit` rows at most; with 0 nothing.
///
/// Where costs are known the rows are in the order of stall cycles, with the misses of each level beside them,
/// else in that of misses; equal ones are in the order of their names. No row is without a miss. The share is
/// that of all the run's stall cycles, or of all misses of the cache, in percent.
pub fn render_by(profile: &Profile, by: By, limit: usize) -> String {
    match by {
        _ if limit == 0 => String::new(),
        By::Function => {
            let rows = by_function(profile);
            let rows = rows.iter().map(|row| (FunctionName(&row.function), row.counts)).collect();
            Lists { profile, subject: "function", rows, limit }.to_string()
        }
        By::Line => {
            let rows = by_line(profile);
            let rows = rows.iter().map(|row| (LineName(&row.line), row.counts)).collect();
            Lists { profile, subject: "line", rows, limit }.to_string()
        }
    }
}

struct Lists<'a, N> {
    profile: &'a Profile,
    subject: &'static str,
    /// In the order of names.
    rows: Vec<(N, InstructionCounts)>,
    limit: usize,
}

/// What a list has of each row.
struct Columns<'a> {
    /// What the list is in the order of.
    count: &'a dyn Fn(&InstructionCounts) -> u64,
    /// That of the run.
    all: u64,
    /// The misses of the first level.
    misses: &'a dyn Fn(&InstructionCounts) -> u64,
    /// The misses of each level, where the list is not in the order of misses.
    levels: &'a dyn Fn(&InstructionCounts) -> Vec<u64>,
}

impl<N: Name> Display for Lists<'_, N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.profile.run.options;
        let levels: Vec<Lower> = Lower::of(&options.config).collect();
        let total: CoreSnapshot = self.profile.cores.iter().map(|core| &core.counts).sum();
        let costs = Costs::of(options);
        let mut names = String::new();
        for level in &levels {
            write!(names, "{} misses, ", level.name())?;
        }
        for (kind, all) in [("data", total.data.misses), ("fetch", total.fetch.misses)] {
            let is_data = kind == "data";
            if !is_data {
                out.write_str("\n")?;
            }
            let misses = |counts: &InstructionCounts| {
                if is_data { counts.data_misses } else { counts.fetch_misses }
            };
            let Some(costs) = &costs else {
                writeln!(out, "{kind} misses, share, {}", self.subject)?;
                let levels = |_: &InstructionCounts| Vec::new();
                self.write(
                    out,
                    &Columns { count: &misses, all, misses: &misses, levels: &levels },
                )?;
                continue;
            };
            writeln!(out, "{kind} stall cycles, share, {kind} misses, {names}{}", self.subject)?;
            let count = |counts: &InstructionCounts| {
                if is_data { costs.data(counts) } else { costs.fetch(counts) }
            };
            let levels = |counts: &InstructionCounts| {
                let lower = levels.iter().map(|level| level.misses(counts));
                let lower = lower.map(|lower| if is_data { lower.data() } else { lower.fetch });
                [misses(counts)].into_iter().chain(lower).collect()
            };
            let all = costs.of_core(&total).into_iter().fold(0, u64::saturating_add);
            self.write(out, &Columns { count: &count, all, misses: &misses, levels: &levels })?;
        }
        Ok(())
    }
}

impl<N: Name> Lists<'_, N> {
    fn write(&self, out: &mut fmt::Formatter<'_>, columns: &Columns<'_>) -> fmt::Result {
        let mut rows: Vec<_> =
            self.rows.iter().filter(|(_, counts)| (columns.misses)(counts) > 0).collect();
        // Stable, so equals stay in the order of their names.
        rows.sort_by_key(|(_, counts)| Reverse((columns.count)(counts)));
        let with_one = |(_, counts): &&&(N, InstructionCounts)| (columns.misses)(counts) == 1;
        let left_out = match rows.iter().rev().take_while(with_one).count() {
            few if few < MANY_ROWS => 0,
            many => many,
        };
        rows.truncate(rows.len() - left_out);
        for (name, counts) in rows.iter().take(self.limit) {
            let count = (columns.count)(counts);
            let mut row = format!("{count:<12} {:>6.2}%  ", 100.0 * ratio(count, columns.all));
            for (index, misses) in (columns.levels)(counts).into_iter().enumerate() {
                let width = if index == 0 { 10 } else { 9 };
                write!(row, "{misses:<width$} ")?;
            }
            let room = WIDTH.saturating_sub(row.len()).max(LEAST_ROOM);
            writeln!(out, "{row}{}", name.within(room))?;
        }
        if left_out > 0 && rows.len() < self.limit {
            let more = if rows.is_empty() { "" } else { "more " };
            writeln!(out, "{left_out} {more}with one miss each")?;
        }
        Ok(())
    }
}

/// What a row is called.
trait Name {
    /// In `room` characters, if leaving out arguments makes it that short. One line, fit for a terminal.
    fn within(&self, room: usize) -> String;
}

/// `dot<T> (inlined in column_order)`; `??? (libm.so.6)` for code of a file without names.
struct FunctionName<'a>(&'a Function);

impl Name for FunctionName<'_> {
    fn within(&self, room: usize) -> String {
        let Function { name, inlined_into, object } = self.0;
        match (name, inlined_into, object) {
            (None, None, Some(object)) => format!("??? ({})", escape(file_name(object))),
            (name, None, _) => short(name.as_deref().unwrap_or("???"), room),
            (name, Some(outer), _) => {
                inlined([name.as_deref().unwrap_or("???"), outer], room, " (inlined in ") + ")"
            }
        }
    }
}

/// `/src/matrix.c:12 (row_order)`; `??? (sqrt)` for code of a function without lines.
struct LineName<'a>(&'a SourceLine);

impl Name for LineName<'_> {
    fn within(&self, room: usize) -> String {
        let SourceLine { file, line, function } = self.0;
        let file = escape(file.as_deref().unwrap_or("???"));
        let place = line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"));
        let room = room.saturating_sub(place.chars().count() + " ()".len()).max(LEAST_ROOM);
        let Function { name, inlined_into, object } = function;
        let function = match (name, inlined_into, object) {
            (Some(name), Some(outer), _) => inlined([name, outer], room, " inlined in "),
            (Some(name), None, _) => short(name, room),
            (None, Some(outer), _) => format!("inlined in {}", short(outer, room)),
            (None, None, Some(object)) => escape(file_name(object)).to_string(),
            (None, None, None) => return place,
        };
        format!("{place} ({function})")
    }
}

/// A function's name in `room` characters.
fn short(name: &str, room: usize) -> String {
    escape(&fold(name, room)).to_string()
}

/// Two names with `between` them: what one does not need of the room the other has.
fn inlined([name, outer]: [&str; 2], room: usize, between: &str) -> String {
    let room = room.saturating_sub(between.len() + 1);
    let lengths = [name, outer].map(|name| name.chars().count().min(room));
    let half = (room / 2).max(room.saturating_sub(lengths[1])).max(LEAST_ROOM / 2);
    let other = room.saturating_sub(lengths[0].min(half)).max(LEAST_ROOM / 2);
    format!("{}{between}{}", short(name, half), short(outer, other))
}

/// A path without its directories.
fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LowerMisses, MissesByKind, Snapshot, sample, table};
    use proptest::prelude::*;

    #[test]
    fn the_sample_by_function() {
        insta::assert_snapshot!(render_by(&sample::profile(), By::Function, 32), @r#"
        data misses, share, function
        500           68.49%  dot<T> (inlined in column_order)
        125           17.12%  row_order
        100           13.70%  column_order
        5              0.68%  </script><b>&"'\n=1,2\u{1b}[31m

        fetch misses, share, function
        3             33.33%  column_order
        2             22.22%  dot<T> (inlined in column_order)
        4 more with one miss each
        "#);
    }

    #[test]
    fn the_sample_by_line() {
        insta::assert_snapshot!(render_by(&sample::profile(), By::Line, 32), @r#"
        data misses, share, line
        500           68.49%  /src/dot.h:7 (dot<T> inlined in column_order)
        125           17.12%  /src/matrix.c:12 (row_order)
        100           13.70%  /src/matrix.c:31 (column_order)
        5              0.68%  /src/<i>&\n.c:1 (</script><b>&"'\n=1,2\u{1b}[31m)

        fetch misses, share, line
        3             33.33%  /src/matrix.c:31 (column_order)
        2             22.22%  /src/dot.h:7 (dot<T> inlined in column_order)
        4 more with one miss each
        "#);
    }

    #[test]
    fn with_levels_the_order_is_that_of_stall_cycles_beside_the_misses_of_each() {
        insta::assert_snapshot!(render_by(&sample::levels(), By::Function, 2), @r"
        data stall cycles, share, data misses, L2 misses, L3 misses, function
        31200         78.71%  500        400       100       dot<T> (inlined in column_order)
        4080          10.29%  100        60        10        column_order

        fetch stall cycles, share, fetch misses, L2 misses, L3 misses, function
        232            0.59%  2          2         1         dot<T> (inlined in column_order)
        196            0.49%  1          1         1         ???
        ");
        let two = render_by(&sample::two_levels(), By::Line, 2);
        assert!(
            two.starts_with("data stall cycles, share, data misses, L2 misses, line\n"),
            "{two}"
        );
    }

    #[test]
    fn misses_that_go_to_memory_come_before_more_that_a_level_catches() {
        let mut profile = sample::levels();
        // 125 misses of `row_order` go to memory; of the 500 of `dot` none passes the L2.
        let to_memory = MissesByKind { read: 125, ..MissesByKind::default() };
        let [row_order, _, dot, ..] = &mut profile.instructions[..] else { panic!("the sample") };
        row_order.counts.lower = Some(LowerMisses { l2: to_memory, l3: to_memory });
        dot.counts.lower = Some(LowerMisses::default());
        let text = render_by(&profile, By::Function, 32);
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert!(rows[0].ends_with("125        125       125       row_order"), "{text}");
        assert!(rows[2].contains("500        0         0         dot<T> (inlined in"), "{text}");
    }

    #[test]
    fn many_rows_with_one_miss_each_are_one_line() {
        let mut profile = sample::profile();
        for instruction in &mut profile.instructions {
            instruction.counts = sample::counts(1, 0, [1, 1], [0, 0]);
        }
        // Two of one line.
        let text = render_by(&profile, By::Line, 32);
        assert!(text.contains("(row_order)\n5 more with one miss each\n\n"), "{text}");
        profile.instructions.remove(1);
        let text = render_by(&profile, By::Line, 32);
        assert!(text.starts_with("data misses, share, line\n6 with one miss each\n\n"), "{text}");
        profile.instructions.truncate(3);
        let few = render_by(&profile, By::Function, 32);
        assert!(!few.contains("each") && few.contains("  row_order\n"), "{few}");
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
            assert!(text.contains("::push_back") && !text.contains("long, long"), "{text}");
            assert!(text.lines().all(|row| row.chars().count() <= 80), "{text}");
        }
    }

    #[test]
    fn two_long_names_share_the_room_of_a_row() {
        let tree = format!("std::_Rb_tree<{}>::_M_insert", ["long"; 30].join(", "));
        for (names, room, expected) in [
            (["inner", "outer"], 40, "inner inlined in outer"),
            ([&*tree, "main"], 50, "std::_Rb_tree<…>::_M_insert inlined in main"),
            (["main", &tree], 50, "main inlined in std::_Rb_tree<…>::_M_insert"),
            (
                [&*tree, &tree],
                80,
                "std::_Rb_tree<…>::_M_insert inlined in std::_Rb_tree<…>::_M_insert",
            ),
        ] {
            assert_eq!(inlined(names, room, " inlined in "), expected);
        }
    }

    #[test]
    fn the_limit_is_that_of_each_list() {
        let text = render_by(&sample::profile(), By::Function, 2);
        assert_eq!(text.lines().count(), 3 + 1 + 3, "{text}");
        assert_eq!(render_by(&sample::profile(), By::Function, 0), "");
    }

    #[test]
    fn the_lists_follow_a_table_without_lists() {
        let profile = sample::profile();
        let cores = profile.cores.iter().map(|core| core.counts).collect();
        let table = table::render(&Snapshot { cores, lists: None }, &profile.run.options);
        let text = table + &render_by(&profile, By::Line, 1);
        assert!(text.contains("%\n\ndata misses, share, line\n"), "{text}");
    }

    #[test]
    fn code_of_which_only_the_file_is_known_is_named_by_it() {
        let mut profile = sample::profile();
        let mut location = (*profile.instructions[0].location).clone();
        location.frames.clear();
        profile.instructions[0].location = location.into();
        for by in [By::Function, By::Line] {
            let text = render_by(&profile, by, 32);
            assert!(text.contains("\n125           17.12%  ??? (matrix)\n"), "{text}");
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
                        let (count, rest) = row.split_once(' ').unwrap();
                        let misses = count.parse::<u64>().unwrap();
                        let is_row = rest.split_whitespace().next().unwrap().ends_with('%');
                        prop_assert!(is_row || rest.ends_with("with one miss each"), "{row:?}");
                        sum += misses;
                    }
                    prop_assert_eq!(sum, total);
                }
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            }
        }
    }
}

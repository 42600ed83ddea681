//! Numbers and names of a comparison, as texts.

use cachesim::escape::escape;
use report::fold;
use report::html::Count;

use super::matching::{Place, file_name};
use crate::Subject;
use crate::budget::Outcome;
use crate::change::Change;
use crate::metric::{Unit, Value};

/// A value, or a dash where there is none.
pub fn value(value: Option<Value>, unit: Unit) -> String {
    match (value, unit) {
        (None, _) => "–".to_owned(),
        (Some(Value::Count(count)), _) => Count::from(count).to_string(),
        (Some(Value::Number(number)), unit) => self::number(number, unit),
    }
}

/// A number that may be none of those counted, such as the limit of a budget.
pub fn number(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => {
            let sign = if number < 0.0 { "-" } else { "" };
            // A tenth, rounded towards zero: 99.99 is no whole number.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to 9"
            )]
            let tenths = (number.abs().fract() * 10.0) as u8;
            let fraction = if tenths > 0 { format!(".{tenths}") } else { String::new() };
            // Also where there are more than fit.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "casts saturate"
            )]
            let count = number.abs() as u64;
            format!("{sign}{}{fraction}", Count::from(count))
        }
        Unit::Rate => format!("{}%", decimals(100.0 * number)),
        Unit::Quotient => decimals(number),
    }
}

/// Two decimals, or four where those would be mostly zeros.
fn decimals(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.1 {
        format!("{number:.4}")
    } else {
        format!("{number:.2}")
    }
}

/// The difference, with its sign: "+1,234", "-0.12 pp" (percentage points).
pub fn difference<N>(change: &Change<N>) -> String {
    let difference = change.difference();
    let sign = if difference > 0.0 { "+" } else { "" };
    match (change.unit, change.a, change.b) {
        _ if difference == 0.0 => "0".to_owned(),
        // All its digits.
        (Unit::Count, Some(Value::Count(a)), Some(Value::Count(b))) => {
            let sign = if b < a { "-" } else { "+" };
            format!("{sign}{}", Count::from(a.abs_diff(b)))
        }
        (Unit::Rate, ..) => format!("{sign}{} pp", decimals(100.0 * difference)),
        (unit, ..) => format!("{sign}{}", number(difference, unit)),
    }
}

/// The difference in percent of the first: "+12.30%", "×120" where percent would be long, "new", "gone".
pub fn relative<N>(change: &Change<N>) -> String {
    match (change.a, change.b, change.relative()) {
        _ if change.difference() == 0.0 => "0%".to_owned(),
        (None, Some(_), _) => "new".to_owned(),
        (Some(_), None, _) => "gone".to_owned(),
        (.., Some(part)) if part >= 99.0 => format!("×{:.0}", part + 1.0),
        (.., Some(part)) if part.abs() < 0.5e-6 => "~0%".to_owned(),
        (.., Some(part)) if part.abs() < 1e-4 => format!("{:+.4}%", 100.0 * part),
        (.., Some(part)) => format!("{:+.2}%", 100.0 * part),
        (_, _, None) => "from 0".to_owned(),
    }
}

/// "l1d.misses > +2%: 730 → 803 (+10.00%), the limit is 745".
pub fn outcome(outcome: &Outcome) -> String {
    let Outcome { budget, unit, a, b, limit, .. } = outcome;
    let change = Change { name: (), unit: *unit, a: Some(*a), b: Some(*b) };
    format!(
        "{budget}: {} → {} ({}), the limit is {}",
        value(change.a, *unit),
        value(change.b, *unit),
        relative(&change),
        number(*limit, *unit)
    )
}

/// How long a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As long as it is.
    Whole,
    /// This many characters.
    Characters(usize),
}

impl Length {
    fn of(self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Characters(count) => count,
        }
    }
}

/// What a row is called: `dot (libm.so.6)`, `src/matrix.c:31 (column_order)`, `0x107d0 (dot) fld fa4, 0(a4)`.
/// The file is told of functions that are not of `program`.
pub fn name(place: &Place, by: Subject, program: Option<&str>, length: Length) -> String {
    let room = length.of();
    let object = place.object.as_deref().map(|object| escape(file_name(object)).to_string());
    let function = |room: usize| {
        let name = fold(place.function.as_deref().unwrap_or("???"), room);
        let name = if name.chars().count() > room { without_result(&name) } else { &name };
        head(&escape(name).to_string(), room)
    };
    let elsewhere = object.filter(|object| {
        program != Some(object) && by == Subject::Function || place.function.is_none()
    });
    let function_of = |room: usize| match &elsewhere {
        Some(object) => {
            let rest = room.saturating_sub(object.chars().count() + 3);
            format!("{} ({object})", function(rest))
        }
        None => function(room),
    };
    let name = match (by, &place.instruction, &place.file) {
        (Subject::Line, _, Some(file)) => {
            let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
            let file = escape(file).to_string();
            // The file's own name has precedence, then the function has half of the room.
            let least = file_name(&file).chars().count() + line.chars().count() + 5;
            let function = function((room / 2).min(room.saturating_sub(least)).max(3));
            let taken = line.chars().count() + function.chars().count() + 3;
            format!("{}{line} ({function})", tail(&file, room.saturating_sub(taken)))
        }
        (Subject::Instruction, Some((address, disassembly)), _) => {
            let words: Vec<_> = disassembly.split_whitespace().collect();
            format!("{address:#x} ({}) {}", function(room / 2), escape(&words.join(" ")))
        }
        (Subject::Line, _, None) => format!("??? ({})", function(room.saturating_sub(6))),
        _ => function_of(room),
    };
    head(&name, room)
}

/// The end of a path that is longer than `room`: its first directories are left out, its last name is whole.
fn tail(path: &str, room: usize) -> String {
    if path.chars().count() <= room {
        return path.to_owned();
    }
    let ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    let end = ends.filter(|end| end.len() > 1).find(|end| end.chars().count() < room);
    end.map_or_else(|| file_name(path).to_owned(), |end| format!("…{end}"))
}

/// A C++ function's name without the type of its result: what is before the last blank that is in no brackets, if
/// arguments follow.
fn without_result(name: &str) -> &str {
    // Their names have blanks and brackets in them: `operator new`, `operator< <…>`.
    if name.contains("operator") {
        return name;
    }
    let mut depth = 0_usize;
    let (mut blank, mut begin) = (0, 0);
    for (at, character) in name.char_indices() {
        match character {
            // What precedes arguments at this depth is the function's name.
            '(' if depth == 0 && at > blank => begin = blank,
            ' ' if depth == 0 => blank = at + 1,
            _ => {}
        }
        match character {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    &name[begin..]
}

/// The beginning of a name that is longer than `room`.
fn head(name: &str, room: usize) -> String {
    match name.char_indices().nth(room) {
        None => name.to_owned(),
        Some(_) => name.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// What the rows of a list are, in a word.
pub fn subject(by: Subject) -> &'static str {
    match by {
        Subject::Function => "function",
        Subject::Line => "line",
        Subject::Instruction => "instruction",
    }
}

/// "3 changed, 12 the same"; "30 changed (10 shown), 12 the same".
pub fn extent(changed: usize, same: usize, shown: usize) -> String {
    let left_out = if shown < changed { format!(" ({shown} shown)") } else { String::new() };
    format!("{changed} changed{left_out}, {same} the same")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(unit: Unit, a: Option<Value>, b: Option<Value>) -> (String, String) {
        let change = Change { name: (), unit, a, b };
        (difference(&change), relative(&change))
    }

    #[test]
    fn changes_are_absolute_and_relative() {
        let count = |count| Some(Value::Count(count));
        let rate = |rate| Some(Value::Number(rate));
        for (unit, a, b, expected) in [
            (Unit::Count, count(1000), count(2234), ("+1,234", "+123.40%")),
            (Unit::Count, count(1000), count(0), ("-1,000", "-100.00%")),
            (Unit::Count, count(1_000_000), count(1_000_099), ("+99", "+0.0099%")),
            (Unit::Count, count(10_000_000), count(9_999_999), ("-1", "~0%")),
            (Unit::Count, count(1000), None, ("-1,000", "gone")),
            (Unit::Count, None, count(7), ("+7", "new")),
            (Unit::Count, count(0), count(7), ("+7", "from 0")),
            (Unit::Count, count(7), count(7), ("0", "0%")),
            (Unit::Count, count(0), count(0), ("0", "0%")),
            (
                Unit::Count,
                count(1),
                count(u64::MAX),
                ("+18,446,744,073,709,551,614", "×18446744073709551616"),
            ),
            (Unit::Rate, rate(0.25), rate(0.5), ("+25.00 pp", "+100.00%")),
            (Unit::Rate, rate(0.0001), rate(0.00005), ("-0.0050 pp", "-50.00%")),
            (Unit::Quotient, rate(2.0), rate(1.5), ("-0.50", "-25.00%")),
        ] {
            assert_eq!(change(unit, a, b), (expected.0.to_owned(), expected.1.to_owned()));
        }
    }

    #[test]
    fn long_names_are_cut_where_they_say_least() {
        let place = Place {
            function: Some("std::vector<std::pair<long, long>>::push_back(long)".into()),
            object: Some("/opt/matrix".into()),
            file: Some("/home/someone/projects/matrix/src/deep/down/matrix.c".into()),
            line: Some(31),
            instruction: None,
        };
        let name = |by, room| super::name(&place, by, Some("matrix"), Length::Characters(room));
        assert_eq!(name(Subject::Function, 40), "std::vector<…>::push_back(long)");
        assert_eq!(name(Subject::Function, 12), "std::vector…");
        assert_eq!(name(Subject::Line, 48), "…/down/matrix.c:31 (std::vector<…>::push_ba…)");
        assert_eq!(name(Subject::Line, 24), "…/matrix.c:31 (std::ve…)");
        for room in 1..80 {
            for by in [Subject::Function, Subject::Line] {
                assert!(name(by, room).chars().count() <= room, "{room}: {}", name(by, room));
            }
        }
        let other = super::name(&place, Subject::Function, Some("other"), Length::Whole);
        assert!(other.ends_with("push_back(long) (matrix)"), "{other}");
    }

    #[test]
    fn the_type_of_a_result_says_least() {
        for (whole, without) in [
            ("void std::sort<int*>(int*, int*)", "std::sort<int*>(int*, int*)"),
            ("A<B, C>::type std::swap<P>(P&, P&)", "std::swap<P>(P&, P&)"),
            ("f(int) const", "f(int) const"),
            ("(anonymous namespace)::set(int, long)", "(anonymous namespace)::set(int, long)"),
            ("void (anonymous namespace)::set<int>(int)", "(anonymous namespace)::set<int>(int)"),
            ("bool operator< <A>(A, A)", "bool operator< <A>(A, A)"),
            ("<A as B<C>>::f", "<A as B<C>>::f"),
            ("a b", "a b"),
            ("", ""),
        ] {
            assert_eq!(without_result(whole), without);
        }
    }
}

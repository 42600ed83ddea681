//! Numbers and names of a comparison, as texts.

use cachesim::escape::escape;
use report::fold;
use report::html::Count;

use super::matching::{Place, file_name};
use super::{Change, Outcome, Unit};
use crate::Subject;
use crate::metric::Value;

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
        let name = place.function.as_deref().unwrap_or("???");
        escape(&fold(name, room)).to_string()
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
            let function = function(room / 2);
            let taken = line.chars().count() + function.chars().count() + 3;
            let file = tail(&escape(file).to_string(), room.saturating_sub(taken).max(room / 4));
            format!("{file}{line} ({function})")
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

/// The end of a path that is longer than `room`: its first directories are left out.
fn tail(path: &str, room: usize) -> String {
    let length = path.chars().count();
    if length <= room {
        return path.to_owned();
    }
    let cut: String = path.chars().skip(length - room.saturating_sub(1).max(1)).collect();
    // From a directory on, if one begins there.
    let whole = cut.find('/').filter(|at| at + 1 < cut.len()).map_or(&cut[..], |at| &cut[at..]);
    format!("…{whole}")
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
        let line = name(Subject::Line, 48);
        assert!(line.ends_with(":31 (std::vector<…>::push_back(…))"), "{line}");
        assert!(line.starts_with("…/"), "{line}");
        for room in 1..80 {
            for by in [Subject::Function, Subject::Line] {
                assert!(name(by, room).chars().count() <= room, "{room}: {}", name(by, room));
            }
        }
        let other = super::name(&place, Subject::Function, Some("other"), Length::Whole);
        assert!(other.ends_with("push_back(long) (matrix)"), "{other}");
    }
}

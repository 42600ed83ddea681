//! Budgets: what the second of two runs must keep to, such as `l1d.misses > +2%`.
//!
//! ```text
//! budget  = subject OPERATOR amount
//! subject = [ "function(" NAME ")." | "line(" FILE ":" NUMBER ")." ] METRIC
//! amount  = [ "+" | "-" ] NUMBER [ "%" ]
//! ```
//!
//! A budget is *broken* if what it says is true of the second run: it says when a build fails. OPERATOR is `>`,
//! `>=`, `<` or `<=`. METRIC is a [`Metric`]. An amount with a sign is a change from the first run: `+2%` is
//! 2 % more than there, `+1000` is 1000 more, `-5%` is 5 % less. One without a sign stands for itself:
//! `100000`, or of a rate `20%`. NAME is a function's; that of a C++ function may be without its arguments. Of a
//! function that a run has not, counts are 0.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use anyhow::bail;
use cachesim::escape::escape;
use options::Detail;
use report::{InstructionCounts, Profile};
use source::Location;

use crate::Saved;
use crate::diff::matching::frame;
use crate::metric::{Accesses, Metric, Run, Unit, UnknownMetric, Value};

/// One budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// As it was typed.
    text: String,
    subject: Subject,
    metric: Metric,
    operator: Operator,
    amount: Amount,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// The run.
    Run,
    /// The function of this name.
    Function(String),
    /// The line of this file, which may lack leading directories.
    Line(String, u32),
}

/// How the second run is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// The limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    /// Itself.
    Absolute(f64),
    /// To be added to the first run.
    Change(f64),
    /// Percent of the first run, to be added to it.
    RelativeChange(f64),
}

/// What became of a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The budget, as it was typed.
    pub budget: String,
    /// What it measures in.
    pub unit: Unit,
    /// The first run.
    pub a: Value,
    /// The second run.
    pub b: Value,
    /// What the second run was compared with.
    pub limit: f64,
    /// Whether what the budget says is true.
    pub is_broken: bool,
}

/// Why a text is no budget. One line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// It has no operator.
    #[error("no operator; write METRIC > AMOUNT, such as 'l1d.misses > +2%'")]
    NoOperator,
    /// The metric is none.
    #[error("{0}")]
    UnknownMetric(#[from] UnknownMetric),
    /// A function or a line has no such metric.
    #[error("{metric} is of whole runs; functions and lines have l1d.misses, for example")]
    NotOfRows {
        /// The metric.
        metric: Metric,
    },
    /// The parenthesis of a function or a line is not closed, or no metric follows.
    #[error("write function(NAME).METRIC or line(FILE:NUMBER).METRIC")]
    Unclosed,
    /// The amount is no number.
    #[error("'{}' is no amount; write +2%, +1000, -5%, 100000, or 20% for a rate", escape(text))]
    NotAnAmount {
        /// What was typed.
        text: String,
    },
    /// No rate is greater than 1.
    #[error("{metric} is at most 1; write {number}%")]
    BeyondAnyRate {
        /// The metric.
        metric: Metric,
        /// What was typed.
        number: String,
    },
    /// A percentage stands for itself, but not of a rate.
    #[error("{metric} is no rate; write +{percent}% for more than in the first run")]
    PercentOfCount {
        /// The metric.
        metric: Metric,
        /// The percentage.
        percent: String,
    },
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let (subject, rest) = subject(text.trim())?;
        let at = rest.find(['<', '>']).ok_or(BudgetError::NoOperator)?;
        let (name, rest) = rest.split_at(at);
        let operators = [
            (">=", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            ("<", Operator::Less),
        ];
        let parsed = operators
            .into_iter()
            .find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
        let (operator, amount) = parsed.ok_or(BudgetError::NoOperator)?;
        let metric: Metric = name.parse()?;
        if subject != Subject::Run && !metric.is_of_rows() {
            return Err(BudgetError::NotOfRows { metric });
        }
        let amount = self::amount(amount.trim(), metric)?;
        Ok(Self { text: text.trim().to_owned(), subject, metric, operator, amount })
    }
}

/// The subject, and what follows it: the metric first.
fn subject(text: &str) -> Result<(Subject, &str), BudgetError> {
    // A name may have any parentheses and operators in it, but what follows it has no parenthesis.
    let inner = |prefix: &str| match text.strip_prefix(prefix) {
        None => Ok(None),
        Some(rest) => rest.rsplit_once(").").map(Some).ok_or(BudgetError::Unclosed),
    };
    if let Some((name, rest)) = inner("function(")? {
        return Ok((Subject::Function(name.trim().to_owned()), rest));
    }
    if let Some((line, rest)) = inner("line(")? {
        let (file, number) = line.rsplit_once(':').ok_or(BudgetError::Unclosed)?;
        let number = number.trim().parse().map_err(|_| BudgetError::Unclosed)?;
        return Ok((Subject::Line(file.trim().to_owned(), number), rest));
    }
    Ok((Subject::Run, text))
}

fn amount(text: &str, metric: Metric) -> Result<Amount, BudgetError> {
    let wrong = || BudgetError::NotAnAmount { text: text.to_owned() };
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (Some(1.0), rest),
        Some(("-", rest)) => (Some(-1.0), rest),
        _ => (None, text),
    };
    let (digits, is_percent) = match rest.strip_suffix('%') {
        Some(digits) => (digits.trim(), true),
        None => (rest, false),
    };
    // Digits, at most one point, and low lines that set them apart; no sign, infinity or exponent.
    let digits = digits.replace('_', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    Ok(match (sign, is_percent) {
        (Some(sign), true) => Amount::RelativeChange(sign * number),
        (Some(sign), false) => Amount::Change(sign * number),
        (None, true) if metric.unit() == Unit::Rate => Amount::Absolute(number / 100.0),
        (None, true) => return Err(BudgetError::PercentOfCount { metric, percent: digits }),
        (None, false) if metric.unit() == Unit::Rate && number > 1.0 => {
            return Err(BudgetError::BeyondAnyRate { metric, number: digits });
        }
        (None, false) => Amount::Absolute(number),
    })
}

/// As it was typed.
impl Display for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", escape(&self.text))
    }
}

impl Budget {
    /// Whether the run `b` keeps to it, beside the run `a`.
    ///
    /// # Errors
    /// Where a run has not what it measures.
    pub fn check(&self, a: &Saved, b: &Saved) -> anyhow::Result<Outcome> {
        if self.subject != Subject::Run && ![a, b].iter().any(|saved| self.is_in(&saved.profile)) {
            bail!("--fail-if '{self}': {}", self.not_found(&[a, b]));
        }
        let [a, b] = [self.measure(a)?, self.measure(b)?];
        let limit = match self.amount {
            Amount::Absolute(limit) => limit,
            Amount::Change(change) => a.number() + change,
            // 10 % of 730 is 73, also in binary.
            Amount::RelativeChange(percent) => a.number() * (100.0 + percent) / 100.0,
        };
        let is_broken = match self.operator {
            Operator::Greater => b.number() > limit,
            Operator::GreaterOrEqual => b.number() >= limit,
            Operator::Less => b.number() < limit,
            Operator::LessOrEqual => b.number() <= limit,
        };
        Ok(Outcome { budget: self.to_string(), unit: self.metric.unit(), a, b, limit, is_broken })
    }

    fn measure(&self, saved: &Saved) -> anyhow::Result<Value> {
        let has_not =
            |why: &str| anyhow::anyhow!("--fail-if '{self}': the run of {} {why}", saved.name());
        if self.subject == Subject::Run {
            let value = self.metric.of_run(&Run::of(&saved.profile));
            return value.ok_or_else(|| has_not(self.metric.why_not_of_run()));
        }
        check_rows(self.metric, saved).map_err(has_not)?;
        let rows = saved.profile.instructions.iter();
        let counts = rows.filter(|one| self.is_of(&one.location)).map(|one| one.counts);
        let mut sum: InstructionCounts = counts.sum();
        // Of no row at all, what the run counts is 0, and not unknown.
        let config = &saved.profile.run.options.config;
        sum.lower = sum.lower.or(config.lower().map(|_| report::LowerMisses::default()));
        if saved.profile.detail == report::Detail::Full {
            sum.executed = sum.executed.or(Some(report::Executed::default()));
        }
        self.metric
            .of_rows(&sum, &saved.profile.run.options)
            .ok_or_else(|| has_not("does not have it"))
    }

    fn is_in(&self, profile: &Profile) -> bool {
        profile.instructions.iter().any(|one| self.is_of(&one.location))
    }

    fn is_of(&self, location: &Location) -> bool {
        let Some(frame) = frame(location) else { return false };
        match &self.subject {
            Subject::Run => true,
            Subject::Function(name) => {
                frame.function.as_deref().is_some_and(|known| is_called(known, name))
            }
            Subject::Line(file, line) => {
                frame.line == Some(*line)
                    && frame.file.as_deref().is_some_and(|known| ends_in(known, file))
            }
        }
    }

    /// What to write for a function or a line that no run has.
    fn not_found(&self, runs: &[&Saved]) -> String {
        let frames = runs
            .iter()
            .flat_map(|saved| &saved.profile.instructions)
            .filter_map(|one| frame(&one.location));
        let (what, name, known): (_, _, BTreeSet<&str>) = match &self.subject {
            Subject::Run => return String::new(),
            Subject::Function(name) => {
                ("function", name, frames.filter_map(|frame| frame.function.as_deref()).collect())
            }
            Subject::Line(file, _) => {
                ("line", file, frames.filter_map(|frame| frame.file.as_deref()).collect())
            }
        };
        let is_short = |name: &&str| name.len() <= MAX_NAME;
        let similar = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
        let mut nearest: Vec<(f64, &str)> = known
            .into_iter()
            .filter(|known| is_short(known) && name.len() <= MAX_NAME)
            .map(|known| (similar(known), known))
            .filter(|(similar, _)| *similar > 0.4)
            .collect();
        nearest.sort_by(|one, other| other.0.total_cmp(&one.0));
        let nearest: Vec<_> =
            nearest.iter().take(3).map(|(_, known)| escape(known).to_string()).collect();
        if nearest.is_empty() {
            format!("neither run has this {what}")
        } else {
            format!("neither run has this {what}; the nearest: {}", nearest.join(", "))
        }
    }
}

/// Names longer than this are not compared with what was typed.
const MAX_NAME: usize = 256;

/// Whether a function is called `name`, or so without its arguments.
fn is_called(function: &str, name: &str) -> bool {
    let without_arguments =
        || function.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
    function == name || without_arguments()
}

/// Whether `path` is `end`, or ends in it after a `/`.
fn ends_in(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// Whether the rows of a run have `metric`.
///
/// # Errors
/// Why they have not, in a few words that follow the name of the run.
pub fn check_rows(metric: Metric, saved: &Saved) -> Result<(), &'static str> {
    let profile = &saved.profile;
    if let Metric::Of(Accesses::Lower(..), _) | Metric::Stalls = metric
        && metric.of_run(&Run::of(profile)).is_none()
    {
        return Err(metric.why_not_of_run());
    }
    // Of a row that counts everything that this run does.
    let has_all = profile.detail == Detail::Full;
    let row = report::InstructionCounts {
        executed: has_all.then(report::Executed::default),
        lower: Some(report::LowerMisses::default()),
        ..report::InstructionCounts::default()
    };
    match metric.of_rows(&row, &profile.run.options) {
        Some(_) => Ok(()),
        None => Err("counted misses only (profile=on)"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample;

    fn saved(profile: Profile, name: &str) -> Saved {
        Saved { path: name.into(), modified: None, profile, notes: Vec::new() }
    }

    /// Whether it is broken where the second run has more of everything: the data misses are 730 and 803.
    fn broken(text: &str) -> bool {
        let mut more = sample::profile();
        more.cores[0].counts.data.misses += 73;
        more.instructions[0].counts.data_misses += 73;
        let budget: Budget = text.parse().unwrap();
        let (a, b) = (saved(sample::profile(), "a"), saved(more, "b"));
        budget.check(&a, &b).unwrap().is_broken
    }

    #[test]
    fn a_budget_is_broken_if_what_it_says_is_true() {
        for (text, is_broken) in [
            ("l1d.misses > +2%", true),
            ("l1d.misses > +10%", false),
            ("l1d.misses >= +10%", true),
            ("l1d.misses>+72", true),
            ("l1d.misses>+73", false),
            ("l1d.misses > 802", true),
            ("l1d.misses > 803", false),
            ("l1d.misses > 1_000", false),
            ("l1d.misses <= 803", true),
            ("data.misses < -5%", false),
            ("l1d.misses > -5%", true),
            ("l1d.rate > 48%", true),
            ("l1d.rate > 0.49", false),
            ("l1d.rate > +0.04", true),
            ("l1d.rate > +0.05", false),
            ("instructions > +0", false),
            ("instructions >= +0%", true),
            ("function(row_order).l1d.misses > +50%", true),
            ("function(row_order).l1d.misses > +60%", false),
            ("function(column_order).l1d.misses > +0", false),
            ("line(matrix.c:12).l1d.misses > +0", true),
            ("line(/src/matrix.c:31).l1d.misses > +0", false),
            ("line(src/dot.h:7).l1d.rate >= 100%", true),
        ] {
            assert_eq!(broken(text), is_broken, "{text}");
        }
    }

    #[test]
    fn what_is_no_budget_says_what_to_write() {
        let error = |text: &str| text.parse::<Budget>().unwrap_err().to_string();
        for (text, message) in [
            ("", "no operator; write METRIC > AMOUNT, such as 'l1d.misses > +2%'"),
            ("l1d.misses = 3", "no operator; write METRIC > AMOUNT, such as 'l1d.misses > +2%'"),
            (
                "l1d.mises > 3",
                "unknown metric l1d.mises; did you mean l1d.misses, l1i.misses or l2.misses?",
            ),
            (
                "l1d.misses > much",
                "'much' is no amount; write +2%, +1000, -5%, 100000, or 20% for a rate",
            ),
            ("l1d.misses > ", "'' is no amount; write +2%, +1000, -5%, 100000, or 20% for a rate"),
            ("l1d.rate > 5", "l1d.rate is at most 1; write 5%"),
            ("l1d.misses > 2%", "l1d.misses is no rate; write +2% for more than in the first run"),
            (
                "function(f.l1d.misses > 3",
                "write function(NAME).METRIC or line(FILE:NUMBER).METRIC",
            ),
            ("line(f.c).l1d.misses > 3", "write function(NAME).METRIC or line(FILE:NUMBER).METRIC"),
            (
                "function(f).memory.read > 3",
                "memory.read is of whole runs; functions and lines have l1d.misses, for example",
            ),
        ] {
            assert_eq!(error(text), message, "{text}");
        }
    }

    #[test]
    fn names_of_cpp_may_have_anything_in_them() {
        let name = "std::map<int, char>::operator()(int (*)(long).x) const";
        let budget: Budget = format!("function({name}).l1i.misses >= +1%").parse().unwrap();
        assert_eq!(budget.subject, Subject::Function(name.to_owned()));
        assert!(is_called("f(int)", "f") && is_called("f(int)", "f(int)") && !is_called("fg", "f"));
        assert!(ends_in("/a/b.c", "b.c") && ends_in("b.c", "b.c") && !ends_in("/a/bb.c", "b.c"));
    }

    #[test]
    fn what_a_run_has_not_is_told_with_the_nearest() {
        let (a, b) = (saved(sample::misses(), "a.json"), saved(sample::levels(), "b.json"));
        let error = |text: &str| {
            let budget: Budget = text.parse().unwrap();
            budget.check(&a, &b).unwrap_err().to_string()
        };
        for (text, message) in [
            ("l2.misses > 3", "--fail-if 'l2.misses > 3': the run of a.json has no L2"),
            (
                "function(row_order).instructions > 3",
                "--fail-if 'function(row_order).instructions > 3': the run of a.json counted misses only \
                 (profile=on)",
            ),
            (
                "function(row_ordr).l1d.misses > 3",
                "--fail-if 'function(row_ordr).l1d.misses > 3': neither run has this function; the nearest: \
                 row_order",
            ),
        ] {
            assert!(error(text).starts_with(message), "{text}: {}", error(text));
        }
    }

    #[test]
    fn a_function_of_one_run_only_has_none_in_the_other() {
        let mut without = sample::profile();
        without.instructions.retain(|one| one.vaddr != 0x1_07d0);
        let budget: Budget = "function(dot<T>).l1d.misses > +0".parse().unwrap();
        let (a, b) = (saved(without, "a"), saved(sample::profile(), "b"));
        let outcome = budget.check(&a, &b).unwrap();
        assert_eq!((outcome.a, outcome.b), (Value::Count(0), Value::Count(500)));
        assert!(outcome.is_broken && !budget.check(&b, &a).unwrap().is_broken);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_a_budget_or_an_error_of_one_line(
            text in "(function|line|l1d|data)?[(.]?[a-z0-9.:()<>=+%_ \n-]{0,30}",
        ) {
            if let Err(error) = text.parse::<Budget>() {
                let error = error.to_string();
                prop_assert!(!error.contains('\n') && error.len() < 400, "{error}");
            }
        }
    }
}

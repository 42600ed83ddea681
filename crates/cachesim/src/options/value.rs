//! Readers of the values of options: text in, a value of the right type or the problem out.

use super::{ElfImage, Output, PathTemplate, PolicyKind, Problem, Subject};
use std::fmt::{self, Display};

/// What a number may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Bytes: decimal, with a unit.
    Bytes,
    /// A count: decimal.
    Count,
    /// Bits: decimal or hexadecimal.
    Bits,
}

impl Display for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Bytes => "a whole number of bytes, or of K, M or G, such as 32K",
            Self::Count => "a whole number",
            Self::Bits => "a whole number, decimal or hexadecimal, such as 0x2a",
        })
    }
}

/// Bytes: a number that `K`, `M` or `G`, each with or without `iB`, in either case, may follow. What
/// 64 bits hold is let pass: the geometry knows a better message. `max` is for the others.
pub(super) fn bytes(text: &str, max: u64) -> Result<u64, Problem> {
    let (number, unit) = leading_number(text, Form::Bytes, max)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => return Err(Problem::AmbiguousUnit { letter: 'K' }),
        "mb" => return Err(Problem::AmbiguousUnit { letter: 'M' }),
        "gb" => return Err(Problem::AmbiguousUnit { letter: 'G' }),
        _ => return Err(Problem::TrailingText { form: Form::Bytes }),
    };
    number.checked_mul(factor).ok_or(Problem::TooLarge { max })
}

/// A count that a `T` holds. What the option allows is decided with the other options; `max` is for
/// the message.
pub(super) fn count<T: TryFrom<u64>>(text: &str, max: u64) -> Result<T, Problem> {
    let (number, rest) = leading_number(text, Form::Count, max)?;
    if !rest.is_empty() {
        return Err(Problem::TrailingText { form: Form::Count });
    }
    T::try_from(number).map_err(|_| Problem::TooLarge { max })
}

/// 64 bits, decimal or after `0x` hexadecimal.
pub(super) fn bits(text: &str) -> Result<u64, Problem> {
    let form = Form::Bits;
    let Some(digits) = text.strip_prefix("0x").or(text.strip_prefix("0X")) else {
        let (number, rest) = leading_number(text, form, u64::MAX)?;
        return if rest.is_empty() { Ok(number) } else { Err(Problem::TrailingText { form }) };
    };
    // `from_str_radix` takes a sign, which is none of ours.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::TrailingText { form });
    }
    if digits.is_empty() {
        return Err(Problem::NotANumber { form });
    }
    u64::from_str_radix(digits, 16).map_err(|_| Problem::TooLarge { max: u64::MAX })
}

/// Another name of [`PolicyKind::BitPlru`].
pub(super) const NRU: &str = "nru";

/// The name of a replacement policy.
pub(super) fn policy(text: &str) -> Result<PolicyKind, Problem> {
    if text == NRU {
        return Ok(PolicyKind::BitPlru);
    }
    PolicyKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names = PolicyKind::ALL.into_iter().map(PolicyKind::name).chain([NRU]);
        Problem::UnknownPolicy { nearest: nearest(text, names) }
    })
}

/// A destination of the report.
pub(super) fn output(text: &str) -> Result<Output, Problem> {
    match text {
        "auto" => Ok(Output::Auto),
        "log" => Ok(Output::Log),
        "stderr" => Ok(Output::Stderr),
        // Who switches the output off does not expect a file of that name.
        "off" => Err(Problem::OutputOff),
        path => PathTemplate::new(path).map(Output::File),
    }
}

/// What lists are of.
pub(super) fn subject(text: &str) -> Result<Subject, Problem> {
    match text {
        "instruction" => Ok(Subject::Instruction),
        "function" => Ok(Subject::Function),
        "line" => Ok(Subject::Line),
        _ => Err(Problem::UnknownSubject {
            nearest: nearest(text, ["instruction", "function", "line"]),
        }),
    }
}

/// The name of an ELF file, with what to add to its addresses after an `@`.
pub(super) fn elf_image(text: &str) -> Result<ElfImage, Problem> {
    let image = |path: &str, bias| {
        if path.is_empty() {
            Err(Problem::NoFileName)
        } else {
            Ok(ElfImage { path: path.to_owned(), bias })
        }
    };
    match text.rsplit_once('@') {
        // An `@` that no number follows is one of the name.
        Some((path, number)) if number.starts_with(|first: char| first.is_ascii_digit()) => {
            image(path, bits(number)?)
        }
        _ => image(text, 0),
    }
}

/// The name most similar to what was typed, if any is similar enough to be meant.
pub(super) fn nearest(
    typed: &str,
    names: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    // Far longer than any name, and a limit to the work, which grows with the square.
    if typed.len() > 64 {
        return None;
    }
    let typed = typed.to_lowercase();
    let mut best = None;
    let mut best_similarity = 0.5;
    for name in names {
        let similarity = strsim::normalized_damerau_levenshtein(&typed, name);
        if similarity > best_similarity {
            best = Some(name);
            best_similarity = similarity;
        }
    }
    best
}

/// The decimal number at the start of `text`, and what follows it. `max` is for the message only.
fn leading_number(text: &str, form: Form, max: u64) -> Result<(u64, &str), Problem> {
    let is_digit = |text: &str| text.starts_with(|character: char| character.is_ascii_digit());
    if text.strip_prefix('-').is_some_and(is_digit) {
        return Err(Problem::Negative { form });
    }
    if !is_digit(text) {
        return Err(Problem::NotANumber { form });
    }
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if rest.strip_prefix('.').is_some_and(is_digit) {
        return Err(Problem::Fraction { form });
    }
    // Digits only: the number can but be too large.
    let number = digits.parse().map_err(|_| Problem::TooLarge { max })?;
    Ok((number, rest))
}

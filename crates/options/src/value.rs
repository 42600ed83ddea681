//! Readers of the values of options: text in, a value of the right type or the problem out.

use super::presets::{Base, HOST};
use super::{ElfImage, Output, PRESETS, PathTemplate, Problem, Subject};
use cachesim::config::{Inclusion, Straddle, WriteHit};
use cachesim::policy::PolicyKind;
use source::Attribution;
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

/// The name of a replacement policy.
pub(super) fn policy(text: &str) -> Result<PolicyKind, Problem> {
    let names = PolicyKind::ALL.map(PolicyKind::name);
    PolicyKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let typed = text.to_lowercase();
        // Who types plru or rrip knows a part of the name.
        let is_part = |name: &&str| typed.len() > 3 && name.contains(&typed);
        let mut meant: Vec<_> = names.into_iter().filter(is_part).collect();
        if meant.is_empty() {
            meant.extend(nearest(text, names));
        }
        Problem::UnknownPolicy { nearest: meant }
    })
}

/// What users call the options of each cache: `l1dsize`, `d1`, `LLways`. First the words for the cache, then
/// its options for the words of [`PROPERTIES`].
const CACHES: [(&[&str], [&str; 4]); 4] = [
    (&["l1i", "il1", "i1", "icache", "i"], ["icachesize", "iblksize", "iassoc", "ievict"]),
    (&["l1d", "dl1", "d1", "dcache", "d", "l1"], ["dcachesize", "dblksize", "dassoc", "devict"]),
    (&["l2cache", "l2"], ["l2cachesize", "l2blksize", "l2assoc", "l2evict"]),
    (&["l3cache", "l3", "llc", "ll"], ["l3cachesize", "l3blksize", "l3assoc", "l3evict"]),
];

/// The words for the size of a cache, its lines, its ways and its policy.
const PROPERTIES: [&[&str]; 4] = [
    &["", "size", "cache", "bytes"],
    &["line", "lines", "linesize", "block", "blocksize", "blk"],
    &["ways", "way", "associativity"],
    &["policy", "replacement", "repl", "eviction"],
];

/// Other words for options.
const WORDS: [(&str, &str); 8] = [
    ("policy", "evict"),
    ("replacement", "evict"),
    ("threads", "cores"),
    ("smp", "cores"),
    ("preset", "cpu"),
    ("mcpu", "cpu"),
    ("output", "out"),
    ("file", "out"),
];

/// The option that other simulators, or the field's words, call `typed`.
pub fn synonym(typed: &str) -> Option<&'static str> {
    if typed.len() > MAX_TYPED {
        return None;
    }
    let typed = typed.to_lowercase().replace(['-', '_'], "");
    let property = |word: &str| PROPERTIES.iter().position(|words| words.contains(&word));
    let of_cache = CACHES.iter().find_map(|(caches, options)| {
        let mut rest = caches.iter().filter_map(|cache| typed.strip_prefix(cache));
        rest.find_map(property).map(|property| options[property])
    });
    let word = WORDS.iter().find(|(word, _)| *word == typed).map(|(_, option)| *option);
    of_cache.or(word)
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

/// What code counts for where functions are inlined.
pub(super) fn attribution(text: &str) -> Result<Attribution, Problem> {
    choice(
        text,
        &[
            ("own", Attribution::Own),
            ("innermost", Attribution::Innermost),
            ("outermost", Attribution::Outermost),
        ],
    )
}

/// What a level has in common with those above.
pub(super) fn inclusion(text: &str) -> Result<Inclusion, Problem> {
    let all = [Inclusion::Nine, Inclusion::Inclusive, Inclusion::Exclusive];
    choice(text, &all.map(|inclusion| (inclusion.name(), inclusion)))
}

/// What stores do, if anything.
pub(super) fn write_hit(text: &str) -> Result<Option<WriteHit>, Problem> {
    choice(
        text,
        &[("off", None), ("back", Some(WriteHit::Back)), ("through", Some(WriteHit::Through))],
    )
}

/// What becomes of accesses to two lines.
pub(super) fn straddle(text: &str) -> Result<Straddle, Problem> {
    choice(text, &[("first", Straddle::First), ("split", Straddle::Split)])
}

/// One of some words.
fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Problem> {
    let words = || choices.iter().map(|(word, _)| *word);
    match choices.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => {
            Err(Problem::UnknownWord { nearest: nearest(text, words()), words: words().collect() })
        }
    }
}

/// What the settings begin with.
pub(super) fn base(text: &str) -> Result<Base, Problem> {
    if text == HOST {
        return Ok(Base::Host);
    }
    let preset = PRESETS.iter().find(|preset| preset.name == text);
    preset.map(Base::Preset).ok_or_else(|| Problem::UnknownPreset { nearest: presets_like(text) })
}

/// The presets that may have been meant, the most similar first, three at most.
pub(super) fn presets_like(typed: &str) -> Vec<&'static str> {
    if typed.len() > MAX_TYPED {
        return Vec::new();
    }
    let typed = typed.to_lowercase();
    let mut names: Vec<(f64, &'static str)> = PRESETS
        .iter()
        .map(|preset| (similarity(&typed, preset.name), preset.name))
        // Who types zen, or a72, knows a part of the name.
        .map(|(similar, name)| (if name.contains(&typed) { 1.0 } else { similar }, name))
        .filter(|(similar, _)| *similar > MEANT)
        .collect();
    names.sort_by(|one, other| other.0.total_cmp(&one.0));
    names.into_iter().take(3).map(|(_, name)| name).collect()
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
    if typed.len() > MAX_TYPED {
        return None;
    }
    let typed = typed.to_lowercase();
    let mut best = None;
    let mut best_similarity = MEANT;
    for name in names {
        let similarity = similarity(&typed, name);
        if similarity > best_similarity {
            best = Some(name);
            best_similarity = similarity;
        }
    }
    best
}

/// What is more similar to a name than this may be meant for it.
const MEANT: f64 = 0.5;

/// Far longer than any name, in bytes, and a limit to the work, which grows with the square.
const MAX_TYPED: usize = 64;

/// From 0 to 1.
fn similarity(typed: &str, name: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(typed, name)
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

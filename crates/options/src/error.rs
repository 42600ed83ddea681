//! What can be wrong with an option, in one line: the option, its value, the rule, the remedy.

use super::value::Form;
use cachesim::config::{MAX_MODEL_BYTES, MODEL_BYTES_PER_LINE};
use cachesim::escape::escape;
use cachesim::geometry::{MAX_LINES, NearestSizes};
use cachesim::policy::PolicyKind;

/// An option that cannot be accepted. Its text is one line without a prefix:
/// `dcachesize=16000: not a multiple of dblksize × dassoc (64 × 8 = 512); try 15872 or 16384`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {problem}")]
pub struct OptionError {
    option: String,
    problem: Problem,
}

impl OptionError {
    /// `option` is fit to be shown: see [`shown`].
    pub(super) fn new(option: String, problem: Problem) -> Self {
        Self { option, problem }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// The rule that an option breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The argument has no name.
    #[error("an option without a name; write name=value (the option help lists all)")]
    NoName,
    /// There is no option of this name.
    #[error("unknown option; {}the option help lists all", did_you_mean(*nearest))]
    UnknownOption {
        /// The option with the most similar name, if one is similar at all.
        nearest: Option<&'static str>,
    },
    /// The option has no value, or the `on` that QEMU gives to a bare name.
    #[error("needs a value; write {name}={syntax}")]
    NoValue {
        /// The name of the option.
        name: &'static str,
        /// What its value looks like.
        syntax: &'static str,
    },
    /// The option takes no value.
    #[error("takes no value; write {name}")]
    UnexpectedValue {
        /// The name of the option.
        name: &'static str,
    },
    /// The value does not start with a digit.
    #[error("not a number; write {form}")]
    NotANumber {
        /// What is expected.
        form: Form,
    },
    /// The value is a negative number.
    #[error("a negative number; write {form}")]
    Negative {
        /// What is expected.
        form: Form,
    },
    /// The value has digits after a point.
    #[error("not a whole number; write {form}")]
    Fraction {
        /// What is expected.
        form: Form,
    },
    /// Something that is not a unit follows the number.
    #[error("text after the number; write {form}")]
    TrailingText {
        /// What is expected.
        form: Form,
    },
    /// The unit may mean powers of 1000 or of 1024, or bits.
    #[error("{letter}B may mean two things; write {letter} or {letter}iB for powers of 1024")]
    AmbiguousUnit {
        /// `K`, `M` or `G`.
        letter: char,
    },
    /// The number is larger than what the option allows.
    #[error("too large; the most is {max}")]
    TooLarge {
        /// The largest number allowed.
        max: u64,
    },
    /// The number is zero where at least one is needed.
    #[error("must be at least 1")]
    Zero,
    /// There is no replacement policy of this name.
    #[error("unknown policy; {}the policies are {}", did_you_mean_one_of(nearest), policies())]
    UnknownPolicy {
        /// Those that may be meant.
        nearest: Vec<&'static str>,
    },
    /// The value of a switch is neither of its two.
    #[error("neither on nor off; write {name}=on or {name}=off")]
    NeitherOnNorOff {
        /// The name of the option.
        name: &'static str,
    },
    /// There are no lists of this.
    #[error("unknown; {}lists are by instruction, function or line", did_you_mean(*nearest))]
    UnknownSubject {
        /// The most similar word, if one is similar at all.
        nearest: Option<&'static str>,
    },
    /// A number to add to addresses, but no file.
    #[error("names no file; write elf=FILE or elf=FILE@BIAS")]
    NoFileName,
    /// Two outputs would overwrite each other.
    #[error("the file of {other} too; write another name")]
    SameFile {
        /// The other option.
        other: &'static str,
    },
    /// The file of a compared machine would be another one that is asked for.
    #[error(
        "the file of a compared machine is {path}, which is another file too; choose another name"
    )]
    SameFileOfMachine {
        /// Its name.
        path: String,
    },
    /// `off` names no destination.
    #[error("not a destination; write ./off for a file of that name")]
    OutputOff,
    /// `off` names no file.
    #[error("not a file; leave {name} out, or write ./off for a file of that name")]
    FileOff {
        /// The option.
        name: &'static str,
    },
    /// A percent sign in a file name is not followed by `p` or `%`.
    #[error("% in a file name must be %p (the process id) or %% (a percent sign)")]
    UnknownPlaceholder,
    /// A line that is not a power of two.
    #[error("not a power of two; try {smaller} or {larger}")]
    LineNotPowerOfTwo {
        /// The next power of two below.
        smaller: u64,
        /// The next power of two above.
        larger: u64,
    },
    /// A cache that is not a whole number of sets.
    #[error(
        "not a multiple of {line_name} × {ways_name} ({line_bytes} × {ways} = {}); try {nearest}",
        line_bytes * u64::from(*ways)
    )]
    SizeNotMultiple {
        /// The option that gives the length of a line.
        line_name: &'static str,
        /// The option that gives the number of ways.
        ways_name: &'static str,
        /// The length of a line in bytes.
        line_bytes: u64,
        /// The number of ways.
        ways: u32,
        /// The nearest sizes that are.
        nearest: NearestSizes,
    },
    /// A cache of too many lines.
    #[error(
        "has {lines} lines at {line_name}={line_bytes}, the most is {MAX_LINES}; \
         try {largest_size_bytes} or longer lines"
    )]
    TooManyLines {
        /// The number of lines asked for.
        lines: u64,
        /// The option that gives the length of a line.
        line_name: &'static str,
        /// The length of a line in bytes.
        line_bytes: u64,
        /// The largest valid size.
        largest_size_bytes: u64,
    },
    /// The caches of all cores take too much memory.
    #[error(
        "the caches of {cores} cores, {core_lines} lines each{}, need {} of memory, the most is {}; \
         try cores={most_cores} or smaller caches",
        shared(*shared_lines),
        mebibytes((core_lines * u64::from(*cores) + shared_lines) * MODEL_BYTES_PER_LINE),
        mebibytes(MAX_MODEL_BYTES),
    )]
    TooMuchMemory {
        /// The number of cores.
        cores: u32,
        /// The lines of all caches of one core.
        core_lines: u64,
        /// The lines of the caches that the cores share.
        shared_lines: u64,
        /// How many cores there may be, at least one.
        most_cores: u64,
    },
    /// The caches of a single core, and what it shares, take too much memory.
    #[error(
        "with the other caches {lines} lines, which need {} of memory, the most is {}; \
         try smaller caches",
        mebibytes(lines * MODEL_BYTES_PER_LINE),
        mebibytes(MAX_MODEL_BYTES),
    )]
    TooLargeTogether {
        /// The lines of all caches of one core, and those it shares.
        lines: u64,
    },
    /// The value is none of the option's words.
    #[error("unknown; {}write {}", did_you_mean(*nearest), alternatives(words))]
    UnknownWord {
        /// The most similar word, if one is similar at all.
        nearest: Option<&'static str>,
        /// The words.
        words: Vec<&'static str>,
    },
    /// There is no preset of this name.
    #[error("unknown; {}cpu=list lists all", did_you_mean_one_of(nearest))]
    UnknownPreset {
        /// Those with the most similar names, if any are similar at all.
        nearest: Vec<&'static str>,
    },
    /// There is no such machine to compare with.
    #[error(
        "no preset of this name; {}cpu=list lists all, and a TOML file is named with a / or .toml",
        did_you_mean_one_of(nearest)
    )]
    UnknownMachine {
        /// Presets with the most similar names, if any are similar at all.
        nearest: Vec<&'static str>,
    },
    /// Names with commas between them.
    #[error("one machine each; give compare several times, as in compare=zen3,compare=rpi4")]
    SeveralMachines,
    /// A machine to compare with has the name of another one of the run.
    #[error("a machine called {name} is compared already; name each once, and files differently")]
    SameMachine {
        /// The name.
        name: String,
    },
    /// All machines of a run together take too much memory.
    #[error(
        "with it the caches of all machines take too much memory; compare fewer machines or cores"
    )]
    MachinesTooLarge,
    /// Accesses are split at the ends of lines, and not all machines have the same.
    #[error(
        "straddle=split needs data caches with lines of {bytes} bytes in all machines; leave it out"
    )]
    SplitWithOtherLines {
        /// The length of those of the run's own machine.
        bytes: u64,
    },
    /// A stream would have a file for each machine in it.
    #[error("is a file for each machine with compare; name a file, or write json=-")]
    OneMachineInStream,
    /// The option is not one in which machines differ.
    #[error("holds for all machines of a run; give it beside compare, not in its file")]
    NotOfAMachine,
    /// The computer does not tell its caches.
    #[error(
        "this computer does not tell its caches ({}: {}); name a core, such as cpu=zen3 (cpu=list \
         lists all)",
        path,
        escape(why)
    )]
    HostUnknown {
        /// The file that should.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// An option of a level that there is not.
    #[error("there is no {}; add {level}=on", level.to_uppercase())]
    NoLevel {
        /// The option that turns the level on.
        level: &'static str,
    },
    /// A third level without a second.
    #[error("an L3 needs an L2; write l2=on or l3=off")]
    NeedsL2,
    /// Lines that are not parts of those below, which have to include them.
    #[error(
        "shorter than {upper_name} ({upper_bytes}); with {inclusion_name}=inclusive a line holds those \
         of the levels above; write {name}={upper_bytes} or {inclusion_name}=nine"
    )]
    LineShorter {
        /// The option.
        name: &'static str,
        /// The option that gives the length of the lines above.
        upper_name: &'static str,
        /// The length of the lines above.
        upper_bytes: u64,
        /// The option that says what the levels have in common.
        inclusion_name: &'static str,
    },
    /// Lines that cannot move between the levels.
    #[error(
        "not {upper_name} ({upper_bytes}); with {inclusion_name}=exclusive lines move between the \
         caches; write {name}={upper_bytes} or {inclusion_name}=nine"
    )]
    LineNotEqual {
        /// The option.
        name: &'static str,
        /// The option that gives the length of the other lines.
        upper_name: &'static str,
        /// The length of the other lines.
        upper_bytes: u64,
        /// The option that says what the levels have in common.
        inclusion_name: &'static str,
    },
    /// A level that answers sooner than the one before it.
    #[error(
        "less than {upper_name} ({upper_cycles}), of the level above; write {name}={upper_cycles} or more"
    )]
    FasterThanAbove {
        /// The option.
        name: &'static str,
        /// The option of the level above.
        upper_name: &'static str,
        /// Its cycles.
        upper_cycles: u32,
    },
    /// The file of options cannot be read.
    #[error("{}", escape(why))]
    Unreadable {
        /// What the host says.
        why: String,
    },
    /// The file of options is not TOML.
    #[error(
        "line {line} is not TOML: {} (lines are such as dcachesize=\"32K\" or l2=true)",
        escape(message)
    )]
    NotToml {
        /// The line, from 1.
        line: usize,
        /// What the reader of TOML says.
        message: String,
    },
    /// A date, a number with a fraction.
    #[error("write a string, a whole number, true or false")]
    NoScalar,
    /// A table.
    #[error(
        "a table, and options are in none; write them without a line such as [{}] above",
        shown(name)
    )]
    Table {
        /// Its name.
        name: String,
    },
    /// An array for an option that takes one value.
    #[error("several values; only compare and elf take an array")]
    SeveralValues,
    /// A file of options asks for help or for another file.
    #[error("only for the command line")]
    CommandLineOnly,
}

/// What the cores share, as a part of a sentence.
fn shared(lines: u64) -> String {
    if lines == 0 { String::new() } else { format!(" and {lines} shared") }
}

/// `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("did you mean {name}? "))
}

fn did_you_mean_one_of(nearest: &[&str]) -> String {
    did_you_mean((!nearest.is_empty()).then(|| alternatives(nearest)).as_deref())
}

/// The names of all policies, as a list in a sentence.
pub(super) fn policies() -> String {
    let [others @ .., last] = PolicyKind::ALL.map(PolicyKind::name);
    format!("{} and {last}", others.join(", "))
}

/// `bytes` in MiB, rounded up so that what exceeds a limit never looks equal to it.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// What a user typed, as it is shown in a message: short, and of harmless characters.
pub(super) fn shown(typed: &str) -> String {
    const MAX_CHARS: usize = 60;
    if typed.is_empty() {
        return "\"\"".to_owned();
    }
    match typed.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", escape(&typed[..end])),
        None => escape(typed).to_string(),
    }
}

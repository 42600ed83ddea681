//! The table of all options, which parsing, help and the search for misspelt names follow.

use super::{Format, Given, MAX_CORES, PathTemplate, Problem, Switch, Typed, value};
use crate::geometry::{MAX_LINE_BYTES, MAX_LINES, MAX_SIZE_BYTES};

/// One option.
#[derive(Debug)]
pub struct OptionSpec {
    /// What is written before the `=`.
    pub name: &'static str,
    /// What may be written after it: a placeholder in capitals, or words to choose from. Empty if
    /// the option takes no value.
    pub value: &'static str,
    /// The value that holds if the option is not given, or what it depends on. Empty if nothing does.
    pub default: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    pub(super) read: Read,
}

/// How an option gets into [`Typed`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    /// By being there.
    Switch(fn(&mut Typed)),
    /// By its value, or by being there, which is `on`.
    OnOff(fn(&mut Typed, Switch)),
    /// By its value.
    Value(fn(&mut Typed, &str) -> Result<(), Problem>),
}

/// All options, in the order of the help.
pub static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "icachesize",
        value: "BYTES",
        default: "16384",
        help: "size of each instruction cache",
        read: Read::Value(|typed, text| {
            typed.icache.size = Given::typed(value::bytes(text, MAX_SIZE_BYTES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "iblksize",
        value: "BYTES",
        default: "64",
        help: "its line size, a power of two",
        read: Read::Value(|typed, text| {
            typed.icache.line = Given::typed(value::bytes(text, MAX_LINE_BYTES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "iassoc",
        value: "N",
        default: "8",
        help: "its associativity, the ways of a set",
        read: Read::Value(|typed, text| {
            typed.icache.ways = Given::typed(value::count(text, MAX_LINES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "dcachesize",
        value: "BYTES",
        default: "16384",
        help: "size of each data cache",
        read: Read::Value(|typed, text| {
            typed.dcache.size = Given::typed(value::bytes(text, MAX_SIZE_BYTES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "dblksize",
        value: "BYTES",
        default: "64",
        help: "its line size, a power of two",
        read: Read::Value(|typed, text| {
            typed.dcache.line = Given::typed(value::bytes(text, MAX_LINE_BYTES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "dassoc",
        value: "N",
        default: "8",
        help: "its associativity, the ways of a set",
        read: Read::Value(|typed, text| {
            typed.dcache.ways = Given::typed(value::count(text, MAX_LINES)?, text);
            Ok(())
        }),
    },
    OptionSpec {
        name: "evict",
        value: "lru|fifo|rand",
        default: "lru",
        help: "replacement policy of all caches",
        read: Read::Value(|typed, text| {
            typed.policy = value::policy(text)?;
            Ok(())
        }),
    },
    OptionSpec {
        name: "seed",
        value: "N",
        default: "1",
        help: "start of the random choices of evict=rand, decimal or 0x hexadecimal",
        read: Read::Value(|typed, text| {
            typed.seed = value::bits(text)?;
            Ok(())
        }),
    },
    OptionSpec {
        name: "cores",
        value: "N",
        default: "1 in user mode, the vCPUs in system mode",
        help: "simulated cores; vCPU v runs on core v modulo N",
        read: Read::Value(|typed, text| {
            typed.cores = Some(Given::typed(value::count(text, MAX_CORES.into())?, text));
            Ok(())
        }),
    },
    OptionSpec {
        name: "limit",
        value: "N",
        default: "32",
        help: "most rows in each list; 0 for no lists",
        read: Read::Value(|typed, text| {
            typed.limit = value::count(text, usize::MAX as u64)?;
            Ok(())
        }),
    },
    OptionSpec {
        name: "by",
        value: "instruction|function|line",
        default: "instruction",
        help: "what the lists are of",
        read: Read::Value(|typed, text| {
            typed.by = value::subject(text)?;
            Ok(())
        }),
    },
    OptionSpec {
        name: "out",
        value: "auto|log|stderr|FILE",
        default: "auto",
        help: "where the report goes: auto is QEMU's log with -d plugin, else stderr; \
               in a file name %p is the process id and %% a percent sign; \
               a file called like one of the words is written ./log",
        read: Read::Value(|typed, text| {
            typed.output = value::output(text)?;
            Ok(())
        }),
    },
    file(Format::Json, "writes everything, for scripts", |typed, text| {
        typed.set_file(Format::Json, text)
    }),
    file(Format::Csv, "writes a row for each instruction, for spreadsheets", |typed, text| {
        typed.set_file(Format::Csv, text)
    }),
    file(
        Format::Callgrind,
        "writes a profile for KCachegrind and callgrind_annotate",
        |typed, text| typed.set_file(Format::Callgrind, text),
    ),
    file(
        Format::Cachegrind,
        "writes a profile for cg_annotate, cg_diff and cg_merge",
        |typed, text| typed.set_file(Format::Cachegrind, text),
    ),
    file(Format::Html, "writes a page for a browser, with annotated source", |typed, text| {
        typed.set_file(Format::Html, text)
    }),
    OptionSpec {
        name: "profile",
        value: "on|off",
        default: "off",
        help: "also counts executions, loads and stores of every instruction, for json and csv; \
               callgrind, cachegrind and html turn it on",
        read: Read::OnOff(|typed, switch| typed.profile = switch),
    },
    OptionSpec {
        name: "elf",
        value: "FILE[@BIAS]",
        default: "",
        help: "an ELF file in the guest's memory, such as its kernel, for functions and lines; \
               BIAS is added to its addresses; may be given several times",
        read: Read::Value(|typed, text| {
            typed.images.push(value::elf_image(text)?);
            Ok(())
        }),
    },
    OptionSpec {
        name: "progress",
        value: "SECONDS",
        default: "",
        help: "how often a line on stderr tells how far the run is",
        read: Read::Value(|typed, text| {
            typed.progress = Some(Given::typed(value::count(text, u32::MAX.into())?, text));
            Ok(())
        }),
    },
    OptionSpec {
        name: "help",
        value: "",
        default: "",
        help: "show this and do not run",
        read: Read::Switch(|typed| typed.help = true),
    },
    OptionSpec {
        name: "list",
        value: "",
        default: "",
        help: "the same as help",
        read: Read::Switch(|typed| typed.help = true),
    },
];

/// The option that asks for a file of `format`.
const fn file(
    format: Format,
    help: &'static str,
    read: fn(&mut Typed, &str) -> Result<(), Problem>,
) -> OptionSpec {
    OptionSpec { name: format.name(), value: "FILE", default: "", help, read: Read::Value(read) }
}

impl Typed {
    fn set_file(&mut self, format: Format, text: &str) -> Result<(), Problem> {
        // Who switches a file off does not expect one of that name.
        if text == "off" {
            return Err(Problem::FileOff { name: format.name() });
        }
        self.files[format.index()] = Some(Given::typed(PathTemplate::new(text)?, text));
        Ok(())
    }
}

/// The table of options as text of at most 80 columns, every line ended.
pub fn help_text() -> String {
    let mut text = String::from(
        "Options, as in -plugin FILE,name=value,name=value (of one given twice the last\n\
         holds, but elf adds up; a comma within a value is written twice):\n\n",
    );
    for spec in OPTIONS {
        let syntax = match spec.value {
            "" => spec.name.to_owned(),
            value => format!("{}={value}", spec.name),
        };
        let help = match spec.default {
            "" => spec.help.to_owned(),
            default => format!("{} (default: {default})", spec.help),
        };
        push_entry(&mut text, &syntax, &help);
    }
    text.push_str("\nBYTES may end in K, M or G (or KiB, MiB, GiB): powers of 1024.\n");
    text
}

/// Appends `help`, wrapped, in a column to the right of `syntax`.
fn push_entry(text: &mut String, syntax: &str, help: &str) {
    const COLUMN: usize = 32;
    const WIDTH: usize = 80;
    let mut line = format!("  {syntax:<indent$}", indent = COLUMN - 2);
    let mut is_first_word = true;
    for word in help.split(' ') {
        if !is_first_word {
            if line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = " ".repeat(COLUMN);
            } else {
                line.push(' ');
            }
        }
        line.push_str(word);
        is_first_word = false;
    }
    text.push_str(&line);
    text.push('\n');
}

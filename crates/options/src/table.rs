//! The table of all options, which parsing, help and the search for misspelt names follow.

use super::error::policies;
use super::typed::{Given, Source, Switch, Typed, TypedCache, TypedLevel};
use super::{Format, PathTemplate, Problem, value};
use cachesim::config::{Directions, MAX_CORES, WriteMiss};
use cachesim::geometry::{MAX_LINE_BYTES, MAX_LINES, MAX_SIZE_BYTES};

/// Options that belong together.
#[derive(Debug)]
pub struct OptionGroup {
    /// What they are about.
    pub title: &'static str,
    /// The options, in the order of the help.
    pub options: &'static [OptionSpec],
}

/// One option.
#[derive(Debug)]
pub struct OptionSpec {
    /// What is written before the `=`.
    pub name: &'static str,
    /// What may be written after it: a placeholder in capitals, or words to choose from. Empty if
    /// the option takes no value.
    pub value: &'static str,
    /// The value that holds if the option is not given, or words for what it depends on. Empty if nothing
    /// does.
    pub default: &'static str,
    /// What it is a setting of.
    pub scope: Scope,
    /// What it does, in one line.
    pub help: &'static str,
    pub(super) read: Read,
}

/// What an option is a setting of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One simulated machine: its caches and their latencies. `compare` may give another machine another value.
    Machine,
    /// The run, with all its machines.
    Run,
}

/// How an option gets into [`Typed`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    /// By being there.
    Switch(fn(&mut Typed)),
    /// By its value, or by being there, which is `on`.
    OnOff(fn(&mut Typed, Given<Switch>)),
    /// By its value.
    Value(fn(&mut Typed, Source) -> Result<(), Problem>),
}

/// All options.
pub fn all() -> impl Iterator<Item = &'static OptionSpec> {
    GROUPS.iter().flat_map(|group| group.options)
}

/// The most threads that simulate.
const MAX_WORKERS: u64 = 1024;

/// The most memory in which accesses wait: 64 GiB.
const MAX_QUEUE_BYTES: u64 = 64 << 30;

const INCLUSIONS: &str = "nine|inclusive|exclusive";

/// All options, in the order of the help.
pub static GROUPS: &[OptionGroup] = &[
    OptionGroup {
        title: "Cores",
        options: &[
            OptionSpec {
                name: "cpu",
                value: "NAME|host|list",
                default: "",
                scope: Scope::Machine,
                help: "begins with the caches, policies and latencies of a real core; other options \
                       override them; host: the caches of this computer; list: prints the names. Without \
                       it, first-level caches of 16 KiB alone, as QEMU's C plugin has them: like a \
                       microcontroller's at best",
                read: Read::Value(|typed, source| {
                    match source.text {
                        "list" => typed.presets = true,
                        name => typed.base = Some(source.given(value::base(name)?)),
                    }
                    Ok(())
                }),
            },
            OptionSpec {
                name: "cores",
                value: "N",
                default: "1 in user mode, the vCPUs in system mode",
                scope: Scope::Run,
                help: "simulated cores; vCPU v runs on core v modulo N; the threads of a program are vCPUs",
                read: Read::Value(|typed, source| {
                    typed.cores = Some(source.given(value::count(source.text, MAX_CORES.into())?));
                    Ok(())
                }),
            },
            OptionSpec {
                name: "compare",
                value: "NAME|host|all|FILE",
                default: "",
                scope: Scope::Run,
                help: "simulates a further machine in the same run and sets it beside the others: a preset of \
                       cpu, this computer's caches, all presets, or what a TOML file says (its name has a / or \
                       ends in .toml); may be given several times",
                read: Read::Value(|typed, source| {
                    match source.text {
                        "list" => typed.presets = true,
                        name => typed.compared.push(source.given(name.to_owned())),
                    }
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "First level, of every core",
        options: &[
            OptionSpec {
                name: "icachesize",
                value: "BYTES",
                default: "16384",
                scope: Scope::Machine,
                help: "size of each instruction cache",
                read: Read::Value(|typed, source| typed.icache.set_size(source)),
            },
            OptionSpec {
                name: "iblksize",
                value: "BYTES",
                default: "64",
                scope: Scope::Machine,
                help: "line size of the instruction caches, a power of two",
                read: Read::Value(|typed, source| typed.icache.set_line(source)),
            },
            OptionSpec {
                name: "iassoc",
                value: "N",
                default: "8",
                scope: Scope::Machine,
                help: "associativity of the instruction caches: the ways of a set",
                read: Read::Value(|typed, source| typed.icache.set_ways(source)),
            },
            OptionSpec {
                name: "dcachesize",
                value: "BYTES",
                default: "16384",
                scope: Scope::Machine,
                help: "size of each data cache",
                read: Read::Value(|typed, source| typed.dcache.set_size(source)),
            },
            OptionSpec {
                name: "dblksize",
                value: "BYTES",
                default: "64",
                scope: Scope::Machine,
                help: "line size of the data caches, a power of two",
                read: Read::Value(|typed, source| typed.dcache.set_line(source)),
            },
            OptionSpec {
                name: "dassoc",
                value: "N",
                default: "8",
                scope: Scope::Machine,
                help: "associativity of the data caches: the ways of a set",
                read: Read::Value(|typed, source| typed.dcache.set_ways(source)),
            },
        ],
    },
    OptionGroup {
        title: "Lower levels",
        options: &[
            OptionSpec {
                name: "l2",
                value: "on|off",
                default: "off",
                scope: Scope::Machine,
                help: "a second level, one for each core; l2cachesize, l2blksize and l2assoc turn it on too",
                read: Read::OnOff(|typed, switch| typed.l2.switch = switch),
            },
            OptionSpec {
                name: "l2cachesize",
                value: "BYTES",
                default: "2M",
                scope: Scope::Machine,
                help: "size of each L2",
                read: Read::Value(|typed, source| typed.l2.cache.set_size(source)),
            },
            OptionSpec {
                name: "l2blksize",
                value: "BYTES",
                default: "64",
                scope: Scope::Machine,
                help: "line size of the L2, a power of two",
                read: Read::Value(|typed, source| typed.l2.cache.set_line(source)),
            },
            OptionSpec {
                name: "l2assoc",
                value: "N",
                default: "16",
                scope: Scope::Machine,
                help: "associativity of the L2: the ways of a set",
                read: Read::Value(|typed, source| typed.l2.cache.set_ways(source)),
            },
            OptionSpec {
                name: "l2split",
                value: "on|off",
                default: "off",
                scope: Scope::Machine,
                help: "two L2s for each core, one for instructions and one for data, each of l2cachesize",
                read: Read::OnOff(|typed, switch| typed.l2_split = switch),
            },
            OptionSpec {
                name: "l3",
                value: "on|off",
                default: "off",
                scope: Scope::Machine,
                help: "a third level, one for all cores, behind an L2; l3cachesize, l3blksize and l3assoc \
                       turn it on too",
                read: Read::OnOff(|typed, switch| typed.l3.switch = switch),
            },
            OptionSpec {
                name: "l3cachesize",
                value: "BYTES",
                default: "8M",
                scope: Scope::Machine,
                help: "size of the L3",
                read: Read::Value(|typed, source| typed.l3.cache.set_size(source)),
            },
            OptionSpec {
                name: "l3blksize",
                value: "BYTES",
                default: "64",
                scope: Scope::Machine,
                help: "line size of the L3, a power of two",
                read: Read::Value(|typed, source| typed.l3.cache.set_line(source)),
            },
            OptionSpec {
                name: "l3assoc",
                value: "N",
                default: "16",
                scope: Scope::Machine,
                help: "associativity of the L3: the ways of a set",
                read: Read::Value(|typed, source| typed.l3.cache.set_ways(source)),
            },
            OptionSpec {
                name: "inclusion",
                value: INCLUSIONS,
                default: "nine",
                scope: Scope::Machine,
                help: "which lines L2 and L3 share with the levels above: nine: each fills and evicts by \
                       itself; inclusive: a line that the lower level evicts leaves the levels above too; \
                       exclusive: the lower level has the lines that the level above evicted, and gives a \
                       line away at a hit",
                read: Read::Value(|typed, source| {
                    typed.inclusion = source.given(value::inclusion(source.text)?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "l2inclusion",
                value: INCLUSIONS,
                default: "as inclusion",
                scope: Scope::Machine,
                help: "which lines the L2 shares with the first level, in the words of inclusion",
                read: Read::Value(|typed, source| typed.l2.set_inclusion(source)),
            },
            OptionSpec {
                name: "l3inclusion",
                value: INCLUSIONS,
                default: "as inclusion",
                scope: Scope::Machine,
                help: "which lines the L3 shares with the L2, in the words of inclusion; inclusive: with \
                       the first level too",
                read: Read::Value(|typed, source| typed.l3.set_inclusion(source)),
            },
        ],
    },
    OptionGroup {
        title: "Replacement",
        options: &[
            OptionSpec {
                name: "evict",
                value: "POLICY",
                default: "lru",
                scope: Scope::Machine,
                help: "replacement policy of all caches",
                read: Read::Value(|typed, source| {
                    typed.policy = source.given(value::policy(source.text)?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "ievict",
                value: "POLICY",
                default: "as evict",
                scope: Scope::Machine,
                help: "replacement policy of the instruction caches",
                read: Read::Value(|typed, source| typed.icache.set_policy(source)),
            },
            OptionSpec {
                name: "devict",
                value: "POLICY",
                default: "as evict",
                scope: Scope::Machine,
                help: "replacement policy of the data caches",
                read: Read::Value(|typed, source| typed.dcache.set_policy(source)),
            },
            OptionSpec {
                name: "l2evict",
                value: "POLICY",
                default: "as evict",
                scope: Scope::Machine,
                help: "replacement policy of the L2",
                read: Read::Value(|typed, source| typed.l2.cache.set_policy(source)),
            },
            OptionSpec {
                name: "l3evict",
                value: "POLICY",
                default: "as evict",
                scope: Scope::Machine,
                help: "replacement policy of the L3",
                read: Read::Value(|typed, source| typed.l3.cache.set_policy(source)),
            },
            OptionSpec {
                name: "seed",
                value: "N",
                default: "1",
                scope: Scope::Run,
                help: "start of the random choices of rand, brrip, drrip and bip, decimal or 0x hexadecimal",
                read: Read::Value(|typed, source| {
                    typed.seed = value::bits(source.text)?;
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "Reads and writes",
        options: &[
            OptionSpec {
                name: "rw",
                value: "on|off",
                default: "off",
                scope: Scope::Run,
                help: "counts reads and writes apart",
                read: Read::OnOff(|typed, switch| {
                    typed.directions = match switch.value {
                        Switch::On => Directions::Apart,
                        Switch::Off => Directions::Together,
                    }
                }),
            },
            OptionSpec {
                name: "dwrite",
                value: "off|back|through",
                default: "off",
                scope: Scope::Machine,
                help: "what a store does to its line in the data cache: back: makes the line dirty; \
                       through: goes on to the next level; off: neither, no line is ever dirty; dalloc \
                       alone means back",
                read: Read::Value(|typed, source| {
                    typed.write_hit = source.given(value::write_hit(source.text)?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "dalloc",
                value: "on|off",
                default: "on",
                scope: Scope::Machine,
                help: "whether a store fills a line that is not in the data cache",
                read: Read::OnOff(|typed, switch| {
                    typed.write_miss = switch.map(|switch| match switch {
                        Switch::On => WriteMiss::Allocate,
                        Switch::Off => WriteMiss::NoAllocate,
                    });
                }),
            },
            OptionSpec {
                name: "straddle",
                value: "first|split",
                default: "first",
                scope: Scope::Run,
                help: "an access across the end of a line: first: counts as one, to the line of its first \
                       byte; split: counts as one to each line",
                read: Read::Value(|typed, source| {
                    typed.straddle = value::straddle(source.text)?;
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "Summary",
        options: &[
            OptionSpec {
                name: "summary",
                value: "on|off",
                default: "off",
                scope: Scope::Run,
                help: "adds rates of each level, memory traffic, and times estimated from the latencies; \
                       l1lat, l2lat, l3lat and memlat turn it on too, unless a preset gives them",
                read: Read::OnOff(|typed, switch| typed.summary = switch),
            },
            OptionSpec {
                name: "l1lat",
                value: "CYCLES",
                default: "4",
                scope: Scope::Machine,
                help: "cycles of an access that the first level serves, for the summary and stall cycles",
                read: Read::Value(|typed, source| {
                    typed.latencies.l1 = source.given(value::count(source.text, u32::MAX.into())?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "l2lat",
                value: "CYCLES",
                default: "12",
                scope: Scope::Machine,
                help: "cycles of an access that the L2 serves, from the core until the data can be used",
                read: Read::Value(|typed, source| {
                    typed.latencies.l2 = source.given(value::count(source.text, u32::MAX.into())?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "l3lat",
                value: "CYCLES",
                default: "40",
                scope: Scope::Machine,
                help: "cycles of an access that the L3 serves, from the core until the data can be used",
                read: Read::Value(|typed, source| {
                    typed.latencies.l3 = source.given(value::count(source.text, u32::MAX.into())?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "memlat",
                value: "CYCLES",
                default: "200",
                scope: Scope::Machine,
                help: "cycles of an access that memory serves, from the core until the data can be used",
                read: Read::Value(|typed, source| {
                    typed.latencies.memory =
                        source.given(value::count(source.text, u32::MAX.into())?);
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "Report",
        options: &[
            OptionSpec {
                name: "limit",
                value: "N",
                default: "32",
                scope: Scope::Run,
                help: "most rows in each list; 0 for no lists",
                read: Read::Value(|typed, source| {
                    typed.limit = value::count(source.text, usize::MAX as u64)?;
                    Ok(())
                }),
            },
            OptionSpec {
                name: "by",
                value: "instruction|function|line",
                default: "instruction",
                scope: Scope::Run,
                help: "what a row of the lists is",
                read: Read::Value(|typed, source| {
                    typed.by = value::subject(source.text)?;
                    Ok(())
                }),
            },
            OptionSpec {
                name: "attribution",
                value: "own|innermost|outermost",
                default: "own",
                scope: Scope::Run,
                help: "which function and line inlined code counts for: own: the innermost that is \
                       not of the toolchain, the system or a dependency; innermost: the one that \
                       is inlined; outermost: the one that it is inlined into",
                read: Read::Value(|typed, source| {
                    typed.attribution = value::attribution(source.text)?;
                    Ok(())
                }),
            },
            OptionSpec {
                name: "out",
                value: "auto|log|stderr|FILE",
                default: "auto",
                scope: Scope::Run,
                help: "where the report goes: auto is QEMU's log with -d plugin, else stderr; in \
                       a file name %p is the process id and %% a percent sign; - is standard \
                       output; a file called like one of the words is written ./log",
                read: Read::Value(|typed, source| {
                    typed.output = value::output(source.text)?;
                    Ok(())
                }),
            },
            file(Format::Json, "writes everything, for scripts", |typed, source| {
                typed.set_file(Format::Json, source)
            }),
            file(
                Format::Csv,
                "writes a row for each instruction, for spreadsheets",
                |typed, source| typed.set_file(Format::Csv, source),
            ),
            file(
                Format::Callgrind,
                "writes a profile for KCachegrind and callgrind_annotate",
                |typed, source| typed.set_file(Format::Callgrind, source),
            ),
            file(
                Format::Cachegrind,
                "writes a profile for cg_annotate, cg_diff and cg_merge",
                |typed, source| typed.set_file(Format::Cachegrind, source),
            ),
            file(
                Format::Html,
                "writes a page for a browser, with annotated source",
                |typed, source| typed.set_file(Format::Html, source),
            ),
            OptionSpec {
                name: "profile",
                value: "on|off",
                default: "off",
                scope: Scope::Run,
                help: "also counts executions, loads and stores of every instruction, for json \
                       and csv; callgrind, cachegrind and html turn it on",
                read: Read::OnOff(|typed, switch| typed.profile = switch.value),
            },
            OptionSpec {
                name: "elf",
                value: "FILE[@BIAS]",
                default: "",
                scope: Scope::Run,
                help: "an ELF file in a machine's memory, such as its kernel, for functions and lines; BIAS \
                       is added to the addresses in the file; may be given several times",
                read: Read::Value(|typed, source| {
                    typed.images.push(value::elf_image(source.text)?);
                    Ok(())
                }),
            },
            OptionSpec {
                name: "progress",
                value: "SECONDS",
                default: "",
                scope: Scope::Run,
                help: "how often a line on stderr tells how far the run is",
                read: Read::Value(|typed, source| {
                    typed.progress =
                        Some(source.given(value::count(source.text, u32::MAX.into())?));
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "Speed",
        options: &[
            OptionSpec {
                name: "workers",
                value: "auto|N",
                default: "auto",
                scope: Scope::Run,
                help: "threads of ours that simulate what vCPUs record, where threads of the guest share a core or \
                       machines are compared; 0: the vCPUs do it themselves; auto: as many as there are host \
                       cores beside the vCPUs, but no more than simulated cores of all machines",
                read: Read::Value(|typed, source| {
                    typed.workers = match source.text {
                        "auto" => None,
                        number => Some(value::count(number, MAX_WORKERS)?),
                    };
                    Ok(())
                }),
            },
            OptionSpec {
                name: "queue",
                value: "BYTES",
                default: "64M",
                scope: Scope::Run,
                help: "how much of it may wait, in memory of the host; beyond it the vCPUs simulate too",
                read: Read::Value(|typed, source| {
                    typed.queue_bytes = value::bytes(source.text, MAX_QUEUE_BYTES)?;
                    Ok(())
                }),
            },
        ],
    },
    OptionGroup {
        title: "Options",
        options: &[
            OptionSpec {
                name: "config",
                value: "FILE",
                default: "",
                scope: Scope::Run,
                help: "further options, in a TOML file with lines such as dcachesize=\"32K\" and l2=true; \
                       those on the command line override them",
                read: Read::Value(|typed, source| {
                    typed.file = Some(source.given(source.text.to_owned()));
                    Ok(())
                }),
            },
            OptionSpec {
                name: "help",
                value: "",
                default: "",
                scope: Scope::Run,
                help: "prints the options and does not run",
                read: Read::Switch(|typed| typed.help = true),
            },
            OptionSpec {
                name: "list",
                value: "",
                default: "",
                scope: Scope::Run,
                help: "prints the options and does not run",
                read: Read::Switch(|typed| typed.help = true),
            },
        ],
    },
];

/// The option that asks for a file of `format`.
const fn file(
    format: Format,
    help: &'static str,
    read: fn(&mut Typed, Source) -> Result<(), Problem>,
) -> OptionSpec {
    OptionSpec {
        name: format.name(),
        value: "FILE",
        default: "",
        scope: Scope::Run,
        help,
        read: Read::Value(read),
    }
}

impl Typed {
    fn set_file(&mut self, format: Format, source: Source) -> Result<(), Problem> {
        // Who switches a file off does not expect one of that name.
        if source.text == "off" {
            return Err(Problem::FileOff { name: format.name() });
        }
        self.files[format.index()] = Some(source.given(PathTemplate::new(source.text)?));
        Ok(())
    }
}

impl TypedLevel {
    fn set_inclusion(&mut self, source: Source) -> Result<(), Problem> {
        self.inclusion = Some(source.given(value::inclusion(source.text)?));
        Ok(())
    }
}

impl TypedCache {
    fn set_size(&mut self, source: Source) -> Result<(), Problem> {
        self.size = source.given(value::bytes(source.text, MAX_SIZE_BYTES)?);
        Ok(())
    }

    fn set_line(&mut self, source: Source) -> Result<(), Problem> {
        self.line = source.given(value::bytes(source.text, MAX_LINE_BYTES)?);
        Ok(())
    }

    fn set_ways(&mut self, source: Source) -> Result<(), Problem> {
        self.ways = source.given(value::count(source.text, MAX_LINES)?);
        Ok(())
    }

    fn set_policy(&mut self, source: Source) -> Result<(), Problem> {
        self.policy = Some(source.given(value::policy(source.text)?));
        Ok(())
    }
}

/// The table of options as text of at most 80 columns, every line ended.
pub fn help_text() -> String {
    let mut text = String::from(
        "Options, as in -plugin FILE,name=value,name=value (of one given twice the last\n\
         holds, but compare and elf add up; a comma within a value is written twice):\n",
    );
    for group in GROUPS {
        text.push('\n');
        text.push_str(group.title);
        text.push_str(":\n");
        for spec in group.options {
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
    }
    text.push_str("\nBYTES may end in K, M or G (or KiB, MiB, GiB): powers of 1024.\n");
    push_wrapped(&mut text, "", 0, &format!("POLICY is one of {}.", policies()));
    text
}

/// Appends `help`, wrapped, in a column to the right of `syntax`.
fn push_entry(text: &mut String, syntax: &str, help: &str) {
    const COLUMN: usize = 32;
    let mut start = format!("  {syntax:<indent$}", indent = COLUMN - 2);
    if !start.ends_with(' ') {
        start.push('\n');
        text.push_str(&start);
        start = " ".repeat(COLUMN);
    }
    push_wrapped(text, &start, COLUMN, help);
}

/// Appends `words`, wrapped, after `start`, further lines in `column`.
fn push_wrapped(text: &mut String, start: &str, column: usize, words: &str) {
    const WIDTH: usize = 80;
    let mut line = start.to_owned();
    let mut is_first_word = true;
    for word in words.split(' ') {
        if !is_first_word {
            if line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = " ".repeat(column);
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

//! From the fields of the file to a [`Profile`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::num::NonZeroU32;
use std::sync::Arc;

use cachesim::config::{
    Config, Directions, Inclusion, L2Kind, Level, LowerLevels, Parts, Straddle, WriteHit,
    WriteMiss, Writes,
};
use cachesim::escape::escape;
use cachesim::geometry::CacheGeometry;
use cachesim::instructions::{Code, MAX_CODE_BYTES};
use cachesim::policy::PolicyKind;
use options::{Detail, GuestMode, Latencies, Machine, Options, Output, PRESETS, PathTemplate};
use report::{
    CacheCounts, CoreProfile, CoreSnapshot, Executed, HierarchyCounts, InstructionCounts,
    LowerCounts, LowerMisses, MissesByKind, Profile, ProfiledInstruction, RunDescription,
    SetMisses,
};
use serde::de::IgnoredAny;
use source::{Attribution, Frame, Location};

use super::schema::{self, Instruction, Report, Text};

/// What is wrong, in one line.
type Result<T> = std::result::Result<T, String>;

/// All of it, with what could not be taken.
pub(super) fn whole(report: Report<Vec<Instruction<'_>>>) -> Result<(Profile, Vec<String>)> {
    let mut texts = Texts::default();
    profile(report, &mut |machine, rows| {
        let mut reader = Rows {
            detail: machine.detail,
            has_lower: machine.run.options.config.lower().is_some(),
            texts: &mut texts,
        };
        let rows = rows.into_iter().enumerate().map(|(index, row)| {
            reader.instruction(row).map_err(|fault| format!("instructions[{index}]: {fault}"))
        });
        rows.collect()
    })
}

/// Without the instructions.
pub(super) fn cores(report: Report<IgnoredAny>) -> Result<(Profile, Vec<String>)> {
    profile(report, &mut |_, _| Ok(Vec::new()))
}

/// With the instructions that `read` makes of those of each machine.
fn profile<R>(
    report: Report<R>,
    read: &mut dyn FnMut(&Profile, R) -> Result<Vec<ProfiledInstruction>>,
) -> Result<(Profile, Vec<String>)> {
    let Report {
        libcache,
        qemu,
        guest,
        name,
        configuration,
        detail,
        cores,
        instructions,
        compared,
    } = report;
    let mut notes = Vec::new();
    let run = RunDescription {
        version: Cow::Owned(libcache.version),
        target: guest.target,
        mode: match guest.mode {
            schema::Mode::User => GuestMode::User,
            schema::Mode::System => GuestMode::System,
        },
        vcpus: guest.vcpus,
        plugin_api: qemu.plugin_api,
        qemu_version: qemu.version,
        command: qemu.command,
        process_id: qemu.process_id,
        options: options(configuration, &mut notes)?,
    };
    let mut own = machine(run, detail, cores)?;
    own.instructions = read(&own, instructions)?;
    let others = compared.into_iter().enumerate();
    let machines = others.map(|(index, other)| {
        further(other, &own, read, &mut notes)
            .map_err(|fault| format!("compared[{index}]: {fault}"))
    });
    let (machines, compared): (Vec<_>, Vec<_>) =
        machines.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    own.run.options.compared = machines;
    check_names(name.as_deref(), &own.run.options)?;
    Ok((Profile { compared, ..own }, notes))
}

/// A machine that the run of `own` compares, and what it has counted.
fn further<R>(
    other: schema::Machine<R>,
    own: &Profile,
    read: &mut dyn FnMut(&Profile, R) -> Result<Vec<ProfiledInstruction>>,
    notes: &mut Vec<String>,
) -> Result<(Machine, Profile)> {
    if other.compared.is_some() {
        return Err("compares machines itself".to_owned());
    }
    let Options { config, preset, latencies, .. } = options(other.configuration, notes)?;
    let described = Machine { name: other.name, preset, config, latencies, files: Vec::new() };
    let options = own.run.options.of_machine(&described);
    let run = RunDescription { options, ..own.run.clone() };
    let mut counted = machine(run, other.detail, other.cores)?;
    counted.instructions = read(&counted, other.instructions)?;
    Ok((described, counted))
}

/// `own` is what the file calls the run's own machine. If its preset is none of ours, we call it otherwise.
fn check_names(own: Option<&str>, options: &Options) -> Result<()> {
    let mut names: HashSet<&str> = own.into_iter().chain([options.name()]).collect();
    let twice = options.compared.iter().find(|machine| !names.insert(&machine.name));
    twice.map_or(Ok(()), |machine| {
        Err(format!("compared: two machines are called {}", escape(&machine.name)))
    })
}

/// What the machine of `run` has counted, without its instructions.
fn machine(
    run: RunDescription,
    detail: schema::Detail,
    cores: Vec<schema::Core>,
) -> Result<Profile> {
    let cores = cores.into_iter().enumerate().map(|(index, row)| {
        core(index, row, &run.options.config).map_err(|fault| format!("cores[{index}]: {fault}"))
    });
    Ok(Profile {
        cores: cores.collect::<Result<_>>()?,
        run,
        detail: match detail {
            schema::Detail::Misses => Detail::Misses,
            schema::Detail::Full => Detail::Full,
        },
        instructions: Vec::new(),
        compared: Vec::new(),
    })
}

fn options(configuration: schema::Configuration, notes: &mut Vec<String>) -> Result<Options> {
    let config = config(&configuration).map_err(|fault| format!("configuration: {fault}"))?;
    let schema::Configuration { preset, summary, latencies, limit, attribution, output, .. } =
        configuration;
    let names = || PRESETS.iter().map(|preset| preset.name).chain(["host"]);
    let known = |name: &String| names().find(|known| known == name);
    let preset = preset.and_then(|name| {
        let known = known(&name);
        if known.is_none() {
            notes.push(format!("the preset {} is none of this libcache's", escape(&name)));
        }
        known
    });
    Ok(Options {
        config,
        preset,
        // Without latencies nothing needs them.
        latencies: latencies.map_or_else(
            || Options::default().latencies,
            |schema::Latencies { l1, l2, l3, memory }| Latencies { l1, l2, l3, memory },
        ),
        wants_summary: summary,
        attribution: match attribution {
            schema::Attribution::Own => Attribution::Own,
            schema::Attribution::Innermost => Attribution::Innermost,
            schema::Attribution::Outermost => Attribution::Outermost,
        },
        limit,
        output: match output.as_str() {
            "auto" => Output::Auto,
            "log" => Output::Log,
            "stderr" => Output::Stderr,
            path => Output::File(
                PathTemplate::new(path)
                    .map_err(|fault| format!("configuration.output: {fault}"))?,
            ),
        },
        ..Options::default()
    })
}

fn config(configuration: &schema::Configuration) -> Result<Config> {
    let schema::Configuration { instruction_cache, data_cache, l2, l3, writes, .. } = configuration;
    let level = |name, cache: &schema::Cache| {
        level(cache.size_bytes, cache.line_bytes, cache.ways, &cache.policy).map_err(in_part(name))
    };
    let l3_level = l3
        .as_ref()
        .map(|l3| level_of(l3.size_bytes, l3.line_bytes, l3.ways, &l3.policy, "l3"))
        .transpose()?;
    let lower = match l2 {
        None if l3.is_some() => return Err("an l3 without an l2".to_owned()),
        None => None,
        Some(l2) => Some(LowerLevels {
            l2: level_of(l2.size_bytes, l2.line_bytes, l2.ways, &l2.policy, "l2")?,
            l2_kind: if l2.split { L2Kind::Split } else { L2Kind::Unified },
            l3: l3_level,
            l2_inclusion: inclusion(&l2.inclusion),
            l3_inclusion: l3.as_ref().map_or(Inclusion::Nine, |l3| inclusion(&l3.inclusion)),
        }),
    };
    let parts = Parts {
        icache: level("instruction_cache", instruction_cache)?,
        dcache: level("data_cache", data_cache)?,
        lower,
        writes: writes.as_ref().map(|writes| Writes {
            on_hit: match writes.hit {
                schema::Hit::Back => WriteHit::Back,
                schema::Hit::Through => WriteHit::Through,
            },
            on_miss: match writes.miss {
                schema::Miss::Allocate => WriteMiss::Allocate,
                schema::Miss::NoAllocate => WriteMiss::NoAllocate,
            },
        }),
        directions: if configuration.rw { Directions::Apart } else { Directions::Together },
        straddle: match configuration.straddle {
            schema::Straddle::First => Straddle::First,
            schema::Straddle::Split => Straddle::Split,
        },
        seed: configuration.seed,
        cores: NonZeroU32::new(configuration.cores).ok_or("no cores")?,
    };
    Config::new(parts).map_err(|fault| fault.to_string())
}

/// Puts the name of a part before what is wrong with it.
fn in_part<E: Display>(name: &str) -> impl Fn(E) -> String {
    move |fault| format!("{name}: {fault}")
}

fn level_of(size: u64, line: u64, ways: u32, policy: &str, name: &str) -> Result<Level> {
    level(size, line, ways, policy).map_err(in_part(name))
}

fn level(size_bytes: u64, line_bytes: u64, ways: u32, policy: &str) -> Result<Level> {
    let geometry =
        CacheGeometry::new(size_bytes, line_bytes, ways).map_err(|fault| fault.to_string())?;
    let known = PolicyKind::ALL.into_iter().find(|kind| kind.title().to_lowercase() == policy);
    let policy = known.ok_or_else(|| format!("no policy is called {}", escape(policy)))?;
    Ok(Level { geometry, policy })
}

fn inclusion(inclusion: &schema::Inclusion) -> Inclusion {
    match inclusion {
        schema::Inclusion::Nine => Inclusion::Nine,
        schema::Inclusion::Inclusive => Inclusion::Inclusive,
        schema::Inclusion::Exclusive => Inclusion::Exclusive,
    }
}

fn counts(schema::Counts { accesses, misses }: schema::Counts) -> CacheCounts {
    CacheCounts { accesses, misses }
}

fn core(index: usize, core: schema::Core, config: &Config) -> Result<CoreProfile> {
    if core.number != index {
        return Err(format!("core {} is out of order", core.number));
    }
    let lower = config.lower();
    let level = |name, expected: bool, level: Option<schema::Level>| match level {
        Some(level) if expected => Ok(Some(LowerCounts {
            fetch: counts(level.fetches),
            read: counts(level.reads),
            write: counts(level.writes),
            write_back: level.written.map(counts).unwrap_or_default(),
        })),
        None if !expected => Ok(None),
        Some(_) => Err(format!("{name}, which the configuration has not")),
        None => Err(format!("no {name}")),
    };
    let l2 = level("l2", lower.is_some(), core.l2)?;
    let l3 = level("l3", lower.is_some_and(|lower| lower.l3.is_some()), core.l3)?;
    let hierarchy = match core.memory {
        None if config.is_first_level_only() => None,
        None => return Err("no memory".to_owned()),
        Some(memory) => {
            let stores = core.stores;
            let of_stores = |of: fn(&schema::Stores) -> Option<u64>| {
                stores.as_ref().and_then(of).unwrap_or_default()
            };
            Some(HierarchyCounts {
                stores: core.data.writes.map(counts).unwrap_or_default(),
                l2,
                l3,
                passed_stores: of_stores(|stores| Some(stores.passed_on)),
                write_backs: [
                    of_stores(|stores| Some(stores.data_write_backs)),
                    of_stores(|stores| stores.l2_write_backs),
                    of_stores(|stores| stores.l3_write_backs),
                ],
                memory_read_bytes: memory.read_bytes,
                memory_written_bytes: memory.written_bytes.unwrap_or_default(),
            })
        }
    };
    Ok(CoreProfile {
        counts: CoreSnapshot {
            data: CacheCounts { accesses: core.data.accesses, misses: core.data.misses },
            fetch: counts(core.instruction),
            hierarchy,
        },
        sets: core.sets.map(|sets| SetMisses { data: sets.data_misses, fetch: sets.fetch_misses }),
    })
}

/// Makes instructions of a machine's rows.
struct Rows<'a> {
    detail: Detail,
    has_lower: bool,
    texts: &'a mut Texts,
}

/// Equal texts and places are one in memory, as they were in the run.
#[derive(Default)]
struct Texts {
    texts: HashSet<Arc<str>>,
    locations: HashMap<Location, Arc<Location>>,
}

impl Rows<'_> {
    fn instruction(&mut self, row: Instruction<'_>) -> Result<ProfiledInstruction> {
        let counts = self.counts(&row)?;
        let location = Location {
            object: row.object.map(|text| self.texts.text(text)),
            frames: row.frames.into_iter().map(|frame| self.texts.frame(frame)).collect(),
        };
        Ok(ProfiledInstruction {
            vaddr: address(&row.address.0).map_err(in_part("address"))?,
            object_address: row
                .object_address
                .map(|text| address(&text.0).map_err(in_part("object_address")))
                .transpose()?,
            code: code(&row.bytes.0).map_err(in_part("bytes"))?,
            disassembly: row.disassembly.0.into_owned(),
            location: self.texts.location(location),
            counts,
        })
    }

    fn counts(&self, row: &Instruction<'_>) -> Result<InstructionCounts> {
        let needed = |name: &str, count: Option<u64>| count.ok_or_else(|| format!("no {name}"));
        let executed = match self.detail {
            Detail::Misses => None,
            Detail::Full => Some(Executed {
                executions: needed("executions", row.executions)?,
                reads: needed("reads", row.reads)?,
                writes: needed("writes", row.writes)?,
                write_misses: needed("write_misses", row.write_misses)?,
            }),
        };
        let lower = if self.has_lower {
            Some(LowerMisses {
                l2: MissesByKind {
                    fetch: needed("l2_fetch_misses", row.l2_fetch_misses)?,
                    read: needed("l2_read_misses", row.l2_read_misses)?,
                    write: needed("l2_write_misses", row.l2_write_misses)?,
                },
                // A run without an L3 has none of these.
                l3: MissesByKind {
                    fetch: row.l3_fetch_misses.unwrap_or_default(),
                    read: row.l3_read_misses.unwrap_or_default(),
                    write: row.l3_write_misses.unwrap_or_default(),
                },
            })
        } else {
            None
        };
        let (data_misses, fetch_misses) = (row.data_misses, row.fetch_misses);
        Ok(InstructionCounts { fetch_misses, data_misses, lower, executed })
    }
}

impl Texts {
    fn frame(&mut self, frame: schema::Frame<'_>) -> Frame {
        Frame {
            function: frame.function.map(|text| self.text(text)),
            file: frame.file.map(|text| self.text(text)),
            line: frame.line,
        }
    }

    fn text(&mut self, Text(text): Text<'_>) -> Arc<str> {
        if let Some(known) = self.texts.get(&*text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    fn location(&mut self, location: Location) -> Arc<Location> {
        if let Some(known) = self.locations.get(&location) {
            return Arc::clone(known);
        }
        let shared = Arc::new(location.clone());
        self.locations.insert(location, Arc::clone(&shared));
        shared
    }
}

/// `0x10782`.
fn address(text: &str) -> Result<u64> {
    text.strip_prefix("0x")
        // `from_str_radix` takes a sign.
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("{} is no address", escape(text)))
}

/// `1c 63`.
fn code(text: &str) -> Result<Code> {
    let byte = |digits: &str| match digits.as_bytes() {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            u8::from_str_radix(digits, 16).ok()
        }
        _ => None,
    };
    let words = text.split(' ').filter(|word| !word.is_empty());
    let bytes: Option<Vec<u8>> = words.map(byte).collect();
    match bytes {
        Some(bytes) if bytes.len() <= MAX_CODE_BYTES => Ok(Code::new(&bytes)),
        _ => Err(format!("{} are no bytes of an instruction", escape(text))),
    }
}

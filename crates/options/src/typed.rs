//! What was given, and the second stage: what several settings have to be together.

use super::{
    Detail, ElfImage, Format, GuestMode, Host, Latencies, OptionError, Options, Output,
    PathTemplate, Problem, Subject, error::shown, presets::Base,
};
use cachesim::config::{
    CacheName, Config, ConfigError, Directions, Inclusion, L2Kind, Level, LowerLevels, MAX_CORES,
    Parts, Straddle, WriteHit, WriteMiss, Writes,
};
use cachesim::geometry::{CacheGeometry, GeometryError, MAX_LINE_BYTES, MAX_LINES};
use cachesim::policy::PolicyKind;
use source::Attribution;
use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

/// Who gives an option. The later ones override the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Default,
    Preset,
    File,
    CommandLine,
}

/// An option as it is given, beside its value.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    name: &'static str,
    /// The value, as messages show it.
    text: Cow<'static, str>,
    /// Where it is given, as messages say it.
    note: Cow<'static, str>,
    layer: Layer,
}

impl Origin {
    fn default(name: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        let note = Cow::Borrowed(" (default)");
        Self { name, text: text.into(), note, layer: Layer::Default }
    }

    /// The error that this option causes.
    fn error(&self, problem: Problem) -> OptionError {
        let Self { name, text, note, .. } = self;
        OptionError::new(format!("{name}={text}{note}"), problem)
    }
}

/// A setting, and the option that it is from.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    origin: Origin,
}

impl<T> Given<T> {
    fn default(name: &'static str, value: T, text: impl Into<Cow<'static, str>>) -> Self {
        Self { value, origin: Origin::default(name, text) }
    }

    pub(super) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Given<U> {
        Given { value: convert(self.value), origin: self.origin }
    }

    /// One for all caches or levels, unless this one has its own: that of a preset or a file gives way to
    /// what a later layer says of all.
    fn or_own<'a>(&'a self, own: Option<&'a Self>) -> &'a Self {
        own.filter(|own| own.origin.layer >= self.origin.layer).unwrap_or(self)
    }

    /// The error that this setting causes.
    pub(super) fn error(&self, problem: Problem) -> OptionError {
        self.origin.error(problem)
    }
}

/// The text of a value that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) name: &'static str,
    pub(super) text: &'a str,
    pub(super) layer: Layer,
    /// What follows the option in messages.
    pub(super) note: &'a str,
}

impl Source<'_> {
    /// The setting that the text was read as.
    pub(super) fn given<T>(self, value: T) -> Given<T> {
        let Self { name, text, layer, note } = self;
        let (text, note) = (shown(text).into(), note.to_owned().into());
        Given { value, origin: Origin { name, text, note, layer } }
    }
}

/// The value of an option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
}

/// The settings of one cache as read.
#[derive(Debug, Clone)]
pub(super) struct TypedCache {
    pub(super) size: Given<u64>,
    pub(super) line: Given<u64>,
    pub(super) ways: Given<u32>,
    /// `None`: that of all caches.
    pub(super) policy: Option<Given<PolicyKind>>,
}

/// A level that may not be there.
#[derive(Debug, Clone)]
pub(super) struct TypedLevel {
    pub(super) switch: Given<Switch>,
    pub(super) cache: TypedCache,
    /// `None`: that of all levels.
    pub(super) inclusion: Option<Given<Inclusion>>,
}

/// The latencies as read.
#[derive(Debug, Clone)]
pub(super) struct TypedLatencies {
    pub(super) l1: Given<u32>,
    pub(super) l2: Given<u32>,
    pub(super) l3: Given<u32>,
    pub(super) memory: Given<u32>,
}

/// All settings as read: the result of the first stage.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) help: bool,
    /// Whether the presets are to be listed.
    pub(super) presets: bool,
    /// The file with further options.
    pub(super) file: Option<Given<String>>,
    pub(super) base: Option<Given<Base>>,
    pub(super) icache: TypedCache,
    pub(super) dcache: TypedCache,
    pub(super) l2: TypedLevel,
    pub(super) l2_split: Given<Switch>,
    pub(super) l3: TypedLevel,
    /// Of all levels that have none of their own.
    pub(super) inclusion: Given<Inclusion>,
    /// Of all caches that have none of their own.
    pub(super) policy: Given<PolicyKind>,
    pub(super) seed: u64,
    /// `None`: no line is ever dirty.
    pub(super) write_hit: Given<Option<WriteHit>>,
    pub(super) write_miss: Given<WriteMiss>,
    pub(super) directions: Directions,
    pub(super) straddle: Straddle,
    pub(super) summary: Given<Switch>,
    pub(super) latencies: TypedLatencies,
    /// `None`: the default, which depends on the [`Host`].
    pub(super) cores: Option<Given<u32>>,
    /// The names of machines to simulate too.
    pub(super) compared: Vec<Given<String>>,
    pub(super) limit: usize,
    pub(super) by: Subject,
    pub(super) attribution: Attribution,
    pub(super) output: Output,
    /// By [`Format::index`].
    pub(super) files: [Option<Given<PathTemplate>>; Format::ALL.len()],
    pub(super) profile: Switch,
    pub(super) images: Vec<ElfImage>,
    pub(super) progress: Option<Given<u32>>,
    pub(super) workers: Option<u32>,
    pub(super) queue_bytes: u64,
}

impl Default for Typed {
    fn default() -> Self {
        let first = |size, line, ways| TypedCache {
            size: Given::default(size, 16384, "16384"),
            line: Given::default(line, 64, "64"),
            ways: Given::default(ways, 8, "8"),
            policy: None,
        };
        let further = |name, (size, (bytes, text)), line, ways| TypedLevel {
            switch: Given::default(name, Switch::Off, "off"),
            cache: TypedCache {
                size: Given::default(size, bytes, text),
                line: Given::default(line, 64, "64"),
                ways: Given::default(ways, 16, "16"),
                policy: None,
            },
            inclusion: None,
        };
        Self {
            help: false,
            presets: false,
            file: None,
            base: None,
            icache: first("icachesize", "iblksize", "iassoc"),
            dcache: first("dcachesize", "dblksize", "dassoc"),
            l2: further("l2", ("l2cachesize", (2 << 20, "2M")), "l2blksize", "l2assoc"),
            l2_split: Given::default("l2split", Switch::Off, "off"),
            l3: further("l3", ("l3cachesize", (8 << 20, "8M")), "l3blksize", "l3assoc"),
            inclusion: Given::default("inclusion", Inclusion::Nine, "nine"),
            policy: Given::default("evict", PolicyKind::Lru, "lru"),
            seed: 1,
            write_hit: Given::default("dwrite", None, "off"),
            write_miss: Given::default("dalloc", WriteMiss::Allocate, "on"),
            directions: Directions::Together,
            straddle: Straddle::First,
            summary: Given::default("summary", Switch::Off, "off"),
            latencies: TypedLatencies {
                l1: Given::default("l1lat", 4, "4"),
                l2: Given::default("l2lat", 12, "12"),
                l3: Given::default("l3lat", 40, "40"),
                memory: Given::default("memlat", 200, "200"),
            },
            cores: None,
            compared: Vec::new(),
            limit: 32,
            by: Subject::Instruction,
            attribution: Attribution::Own,
            output: Output::Auto,
            files: [const { None }; Format::ALL.len()],
            profile: Switch::Off,
            images: Vec::new(),
            progress: None,
            workers: None,
            queue_bytes: 64 << 20,
        }
    }
}

/// The file in which everything is lost, so that several may have the name.
pub(super) const NOWHERE: &str = "/dev/null";

/// The second stage.
impl Typed {
    pub(super) fn build(self, host: Host) -> Result<Options, OptionError> {
        let (config, latencies) = self.machine(host)?;
        let files = self.files()?;
        let detail = match self.profile {
            Switch::On => Detail::Full,
            Switch::Off => {
                files.iter().map(|(format, _)| format.detail()).max().unwrap_or_default()
            }
        };
        let progress = match &self.progress {
            Some(seconds) if seconds.value == 0 => return Err(seconds.error(Problem::Zero)),
            seconds => seconds.as_ref().map(|seconds| Duration::from_secs(seconds.value.into())),
        };
        Ok(Options {
            config,
            preset: self.preset(),
            latencies,
            compared: Vec::new(),
            wants_summary: self.wants_summary(),
            limit: self.limit,
            by: self.by,
            attribution: self.attribution,
            output: self.output,
            files,
            detail,
            images: self.images,
            progress,
            workers: self.workers,
            queue_bytes: self.queue_bytes,
        })
    }

    pub(super) fn preset(&self) -> Option<&'static str> {
        self.base.as_ref().map(|base| base.value.name())
    }

    /// The caches, and how long accesses to them take.
    pub(super) fn machine(&self, host: Host) -> Result<(Config, Latencies), OptionError> {
        let config = self.config(host)?;
        Ok((config, self.latencies(config.lower().as_ref())?))
    }

    fn config(&self, host: Host) -> Result<Config, OptionError> {
        let cores = self.cores(host);
        let parts = Parts {
            icache: self.level(&self.icache)?,
            dcache: self.level(&self.dcache)?,
            lower: self.lower()?,
            writes: self.writes(),
            directions: self.directions,
            straddle: self.straddle,
            seed: self.seed,
            cores: NonZeroU32::new(cores.value).ok_or_else(|| cores.error(Problem::Zero))?,
        };
        Config::new(parts).map_err(|error| self.explained(error, &cores))
    }

    fn level(&self, cache: &TypedCache) -> Result<Level, OptionError> {
        let policy = self.policy.or_own(cache.policy.as_ref()).value;
        Ok(Level { geometry: cache.geometry()?, policy })
    }

    /// What is beyond the first level.
    fn lower(&self) -> Result<Option<LowerLevels>, OptionError> {
        let third_by = self.l3.turned_on_by();
        let TypedLatencies { l2: l2_latency, l3: l3_latency, .. } = &self.latencies;
        if third_by.is_none() {
            self.l3.check_unused([&l3_latency.origin])?;
        }
        if self.l2.turned_on_by().is_none() {
            if let Some(origin) = third_by {
                return Err(origin.error(Problem::NeedsL2));
            }
            let is_split = self.l2_split.value == Switch::On;
            let is_bound = self.inclusion.value != Inclusion::Nine;
            let split = is_split.then_some(&self.l2_split.origin);
            let inclusion = is_bound.then_some(&self.inclusion.origin);
            let others = split.into_iter().chain(inclusion).chain([&l2_latency.origin]);
            self.l2.check_unused(others)?;
            return Ok(None);
        }
        Ok(Some(LowerLevels {
            l2: self.level(&self.l2.cache)?,
            l2_kind: match self.l2_split.value {
                Switch::On => L2Kind::Split,
                Switch::Off => L2Kind::Unified,
            },
            l2_inclusion: self.inclusion_of(&self.l2).value,
            l3: third_by.map(|_| self.level(&self.l3.cache)).transpose()?,
            l3_inclusion: third_by.map_or(Inclusion::Nine, |_| self.inclusion_of(&self.l3).value),
        }))
    }

    fn inclusion_of<'a>(&'a self, level: &'a TypedLevel) -> &'a Given<Inclusion> {
        self.inclusion.or_own(level.inclusion.as_ref())
    }

    fn cores(&self, host: Host) -> Given<u32> {
        self.cores.clone().unwrap_or_else(|| {
            let cores = match host.mode {
                GuestMode::User => 1,
                GuestMode::System => host.vcpus,
            };
            Given::default("cores", cores, cores.to_string())
        })
    }

    /// The same error, told of the option behind it.
    fn explained(&self, error: ConfigError, cores: &Given<u32>) -> OptionError {
        match error {
            ConfigError::TooManyCores => cores.error(Problem::TooLarge { max: MAX_CORES.into() }),
            ConfigError::NoThirdLevel => self.l3.switch.error(Problem::NoLevel { level: "l3" }),
            ConfigError::LinesDiffer { cache, other } => {
                let (line, other) = (&self.cache(cache).line, &self.cache(other).line);
                line.error(Problem::LineNotEqual {
                    name: line.origin.name,
                    upper_name: other.origin.name,
                    upper_bytes: other.value,
                    inclusion_name: self.inclusion_with(cache).origin.name,
                })
            }
            ConfigError::LineShorter { cache, upper } => {
                let (line, upper) = (&self.cache(cache).line, &self.cache(upper).line);
                line.error(Problem::LineShorter {
                    name: line.origin.name,
                    upper_name: upper.origin.name,
                    upper_bytes: upper.value,
                    inclusion_name: self.inclusion_with(cache).origin.name,
                })
            }
            ConfigError::TooMuchMemory(lines) => match lines.most_cores() {
                0 => self
                    .cache(lines.largest)
                    .size
                    .error(Problem::TooLargeTogether { lines: lines.core + lines.shared }),
                most_cores => cores.error(Problem::TooMuchMemory {
                    cores: cores.value,
                    core_lines: lines.core,
                    shared_lines: lines.shared,
                    most_cores,
                }),
            },
        }
    }

    fn cache(&self, name: CacheName) -> &TypedCache {
        match name {
            CacheName::Instruction => &self.icache,
            CacheName::Data => &self.dcache,
            CacheName::Second => &self.l2.cache,
            CacheName::Third => &self.l3.cache,
        }
    }

    /// The inclusion that makes a demand of this cache and one above or beside it.
    fn inclusion_with(&self, name: CacheName) -> &Given<Inclusion> {
        self.inclusion_of(match name {
            CacheName::Instruction | CacheName::Data | CacheName::Second => &self.l2,
            CacheName::Third => &self.l3,
        })
    }

    fn writes(&self) -> Option<Writes> {
        let on_hit = match self.write_hit.value {
            Some(on_hit) => on_hit,
            None if self.write_miss.origin.layer > self.write_hit.origin.layer => WriteHit::Back,
            None => return None,
        };
        Some(Writes { on_hit, on_miss: self.write_miss.value })
    }

    /// The summary is asked for by its switch or by a latency, but not by those of a preset.
    fn wants_summary(&self) -> bool {
        let TypedLatencies { l1, l2, l3, memory } = &self.latencies;
        let newest = [l1, l2, l3, memory].map(|latency| latency.origin.layer).into_iter().max();
        let is_implied =
            newest.is_some_and(|newest| newest > self.summary.origin.layer.max(Layer::Preset));
        self.summary.value == Switch::On || is_implied
    }

    fn latencies(&self, lower: Option<&LowerLevels>) -> Result<Latencies, OptionError> {
        let TypedLatencies { l1, l2, l3, memory } = &self.latencies;
        let second = lower.map(|_| l2);
        let third = lower.and_then(|lower| lower.l3).map(|_| l3);
        let is_used = lower.is_some() || self.wants_summary();
        let mut upper = l1;
        for latency in second.into_iter().chain(third).chain([memory]) {
            if is_used && latency.value < upper.value {
                return Err(latency.error(Problem::FasterThanAbove {
                    name: latency.origin.name,
                    upper_name: upper.origin.name,
                    upper_cycles: upper.value,
                }));
            }
            upper = latency;
        }
        Ok(Latencies { l1: l1.value, l2: l2.value, l3: l3.value, memory: memory.value })
    }

    /// The files, no two of which are the same.
    fn files(&self) -> Result<Vec<(Format, PathTemplate)>, OptionError> {
        let mut names: Vec<(&'static str, &PathTemplate)> = Vec::new();
        if let Output::File(report) = &self.output {
            names.push(("out", report));
        }
        let mut files = Vec::new();
        for (format, given) in Format::ALL.into_iter().zip(&self.files) {
            let Some(given) = given else { continue };
            let is_lost = given.value.to_string() == NOWHERE;
            if let Some(&(other, _)) = names.iter().find(|(_, name)| **name == given.value)
                && !is_lost
            {
                return Err(given.error(Problem::SameFile { other }));
            }
            names.push((format.name(), &given.value));
            files.push((format, given.value.clone()));
        }
        Ok(files)
    }
}

impl Typed {
    /// Files of the machine called `name`: of each format that is asked for and has one machine in it.
    pub(super) fn files_of(&self, name: &str) -> Result<Vec<(Format, PathTemplate)>, OptionError> {
        let given = Format::ALL.into_iter().zip(&self.files);
        let given = given.filter_map(|(format, path)| Some((format, path.as_ref()?)));
        let of_one = given.filter(|(format, _)| !format.has_all_machines());
        let of_one = of_one.map(|(format, given)| {
            let path = &given.value;
            let text = path.to_string();
            let streams = ["-", "/dev/stdout", "/dev/stderr"];
            if streams.contains(&text.as_str()) || text.starts_with("/dev/fd/") {
                return Err(given.error(Problem::OneMachineInStream));
            }
            Ok((format, if text == NOWHERE { path.clone() } else { path.with(name) }))
        });
        of_one.collect()
    }
}

impl TypedLevel {
    /// The option because of which there is this level: its switch, or any of its sizes where nothing
    /// of the same layer or a later one switches it off.
    fn turned_on_by(&self) -> Option<&Origin> {
        let TypedCache { size, line, ways, .. } = &self.cache;
        let newest = [&ways.origin, &line.origin, &size.origin]
            .into_iter()
            .max_by_key(|origin| origin.layer)
            .expect("there are three");
        if newest.layer > self.switch.origin.layer {
            return Some(newest);
        }
        (self.switch.value == Switch::On).then_some(&self.switch.origin)
    }

    /// Of a level that is not there: whether its policy, its inclusion or any of these options was given in
    /// the belief that it is. Who switches it off need not take them back.
    fn check_unused<'a>(
        &'a self,
        origins: impl IntoIterator<Item = &'a Origin>,
    ) -> Result<(), OptionError> {
        let level = self.switch.origin.name;
        let policy = self.cache.policy.as_ref().map(|policy| &policy.origin);
        let inclusion = self.inclusion.as_ref().map(|inclusion| &inclusion.origin);
        let origins = policy.into_iter().chain(inclusion).chain(origins);
        let mut unused = origins.filter(|it| it.layer > self.switch.origin.layer);
        unused.next().map_or(Ok(()), |origin| Err(origin.error(Problem::NoLevel { level })))
    }
}

impl TypedCache {
    fn geometry(&self) -> Result<CacheGeometry, OptionError> {
        let Self { size, line, ways, .. } = self;
        CacheGeometry::new(size.value, line.value, ways.value).map_err(|error| match error {
            GeometryError::ZeroSize => size.error(Problem::Zero),
            GeometryError::ZeroLine => line.error(Problem::Zero),
            GeometryError::ZeroWays => ways.error(Problem::Zero),
            GeometryError::LineTooLong { .. } => {
                line.error(Problem::TooLarge { max: MAX_LINE_BYTES })
            }
            GeometryError::LineNotPowerOfTwo { smaller, larger, .. } => {
                line.error(Problem::LineNotPowerOfTwo { smaller, larger })
            }
            GeometryError::TooManyWays { .. } => ways.error(Problem::TooLarge { max: MAX_LINES }),
            GeometryError::TooManyLines { lines, largest_size_bytes } => {
                size.error(Problem::TooManyLines {
                    lines,
                    line_name: line.origin.name,
                    line_bytes: line.value,
                    largest_size_bytes,
                })
            }
            GeometryError::SizeNotMultiple { line_bytes, ways: number, nearest, .. } => {
                size.error(Problem::SizeNotMultiple {
                    line_name: line.origin.name,
                    ways_name: ways.origin.name,
                    line_bytes,
                    ways: number,
                    nearest,
                })
            }
        })
    }
}

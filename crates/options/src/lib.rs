//! From the plugin's `name=value` arguments to [`Options`]: the simulated machine, which is valid once
//! built, and what is told of it.
//!
//! Two stages. First every argument is read by itself, by the reader in its row of the table. Then what
//! needs several of them is decided: the geometry of each cache, which levels there are, the number of
//! cores, the memory that the model takes.
//!
//! An argument is given by the preset that `cpu` names, by the file that `config` names or on the
//! command line, and overrides those before it in this order. Within one of the three the order does not
//! matter, except that of an option given twice the last wins, as in the reference; the first must still
//! be readable.
//!
//! Deliberate differences from the reference: nothing is ever read as another number than the one
//! that was typed, where the C plugin takes 0 or truncates. And `l2=off` holds wherever it stands, where
//! the C plugin lets a size of the L2 that follows turn it on again.

#![forbid(unsafe_code)]

mod compared;
mod error;
mod file;
mod host;
mod output;
mod presets;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod typed;
mod value;

pub use compared::{FileOf, Machine};
pub use error::{OptionError, Problem};
pub use output::{Output, PathTemplate};
pub use presets::{PRESETS, Preset, Sources, list_text};
pub use report::{Detail, ElfImage, Format, Latencies, Subject};
pub use table::{GROUPS, OptionGroup, OptionSpec, Scope, all, help_text};
pub use value::{Form, synonym};

use cachesim::config::Config;
use error::shown;
use presets::Base;
use source::Attribution;
use std::time::Duration;
use table::Read;
use typed::{Layer, Source, Switch, Typed};

/// Whether QEMU runs one program or a whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestMode {
    /// A program: a `qemu-ARCH` binary.
    User,
    /// A machine: a `qemu-system-ARCH` binary.
    System,
}

/// What the defaults depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// What kind of guest runs.
    pub mode: GuestMode,
    /// The guest's vCPUs at the start: `smp_vcpus` in system mode, 1 in user mode.
    pub vcpus: u32,
}

/// All that the options say of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The simulated machine.
    pub config: Config,
    /// The core that the settings began with, or `host`.
    pub preset: Option<&'static str>,
    /// How long accesses take, for estimates.
    pub latencies: Latencies,
    /// The machines that are simulated beside it.
    pub compared: Vec<Machine>,
    /// Whether the report has a summary.
    pub wants_summary: bool,
    /// The most rows of a list; with 0 there are no lists.
    pub limit: usize,
    /// What the lists are of.
    pub by: Subject,
    /// What code counts for where functions are inlined.
    pub attribution: Attribution,
    /// Where the report goes.
    pub output: Output,
    /// What else is written, and where: each format at most once, in the order of [`Format::ALL`].
    pub files: Vec<(Format, PathTemplate)>,
    /// How much is counted for each instruction.
    pub detail: Detail,
    /// Where the names and lines of a machine's code come from.
    pub images: Vec<ElfImage>,
    /// How often a line tells how far the run is, if at all.
    pub progress: Option<Duration>,
    /// How many threads of the host simulate beside the vCPUs; `None`: as many as there are host cores for.
    pub workers: Option<u32>,
    /// How many bytes of accesses may wait for them.
    pub queue_bytes: u64,
}

/// Of a program, without any option.
impl Default for Options {
    fn default() -> Self {
        let host = Host { mode: GuestMode::User, vcpus: 1 };
        Typed::default().build(host).expect("the defaults are valid")
    }
}

impl Options {
    /// Whether anything tells the misses of each set.
    pub fn needs_set_misses(&self) -> bool {
        self.files.iter().any(|(format, _)| *format == Format::Html)
    }

    /// Whether anything names functions and lines.
    pub fn needs_locations(&self) -> bool {
        !self.files.is_empty() || self.by != Subject::Instruction && self.limit > 0
    }
}

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A run with these settings.
    Run(Box<Options>),
    /// [`help_text`], and no run.
    Help,
    /// [`list_text`], the presets, and no run.
    Presets,
}

/// Reads the plugin's arguments, and with `read_file` the text of the file that they may name, and those that
/// tell this computer's caches (`cpu=host`); what that cannot do it says in one line.
///
/// QEMU rewrites a bare `name` into `name=on`; both forms are understood, and mean the same. A
/// request for help is granted whatever else is wrong.
///
/// # Errors
/// The first argument that cannot be read, then the first fault of the file, else the first rule that the
/// settings break together.
pub fn parse(
    args: &[String],
    host: &Host,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Request, OptionError> {
    let mut arguments: Vec<Argument> = args.iter().map(|arg| Argument::typed(arg)).collect();
    let (typed, result) = read_all(&arguments);
    if typed.help {
        return Ok(Request::Help);
    }
    if typed.presets {
        return Ok(Request::Presets);
    }
    result?;
    if let Some(file) = typed.file {
        arguments.splice(0..0, file::arguments(&file, read_file)?);
    }
    let typed = read_with_base(arguments, read_file)?;
    let mut options = typed.clone().build(*host)?;
    options.compared = compared::machines(&typed, &options, *host, read_file)?;
    Ok(Request::Run(Box::new(options)))
}

/// The first stage, with what the preset that `cpu` names gives, if it names one.
fn read_with_base(
    mut arguments: Vec<Argument>,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Typed, OptionError> {
    let (mut typed, mut result) = read_all(&arguments);
    if let Some(base) = &typed.base {
        let name = base.value.name();
        let given: Vec<Argument> = match base.value {
            Base::Preset(preset) => {
                let options = preset.options.iter();
                options.map(|(option, value)| Argument::of_base(name, option, value)).collect()
            }
            Base::Host => {
                let options = host::options(read_file).map_err(|problem| base.error(problem))?;
                options
                    .iter()
                    .map(|(option, value)| Argument::of_base(name, option, value))
                    .collect()
            }
        };
        arguments.splice(0..0, given);
        (typed, result) = read_all(&arguments);
    }
    result.map(|()| typed)
}

/// An option as it is given.
#[derive(Debug, Clone)]
struct Argument {
    name: String,
    value: Option<String>,
    layer: Layer,
    /// Where it is given, for messages: empty on the command line.
    note: String,
}

impl Argument {
    fn typed(text: &str) -> Self {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        Self { name: name.to_owned(), value, layer: Layer::CommandLine, note: String::new() }
    }

    fn of_base(base: &str, name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            layer: Layer::Preset,
            note: format!(" (cpu={base})"),
        }
    }

    fn error(&self, problem: Problem) -> OptionError {
        let text = match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.clone(),
        };
        OptionError::new(shown(&text) + &self.note, problem)
    }

    /// The first stage.
    fn read(&self, typed: &mut Typed) -> Result<(), Problem> {
        let Some(spec) = all().find(|spec| spec.name == self.name) else {
            return Err(match self.name.as_str() {
                "" => Problem::NoName,
                name => Problem::UnknownOption {
                    nearest: value::synonym(name)
                        .or_else(|| value::nearest(name, all().map(|spec| spec.name))),
                },
            });
        };
        let source = |text| Source { name: spec.name, text, layer: self.layer, note: &self.note };
        match (spec.read, self.value.as_deref()) {
            (Read::Switch(read), None | Some("on")) => {
                read(typed);
                Ok(())
            }
            (Read::Switch(_), Some(_)) => Err(Problem::UnexpectedValue { name: spec.name }),
            (Read::OnOff(read), None | Some("on")) => {
                read(typed, source("on").given(Switch::On));
                Ok(())
            }
            (Read::OnOff(read), Some("off")) => {
                read(typed, source("off").given(Switch::Off));
                Ok(())
            }
            (Read::OnOff(_), Some(_)) => Err(Problem::NeitherOnNorOff { name: spec.name }),
            (Read::Value(_), None | Some("" | "on")) => {
                Err(Problem::NoValue { name: spec.name, syntax: spec.value })
            }
            (Read::Value(read), Some(text)) => read(typed, source(text)),
        }
    }
}

/// The first stage for all arguments, and the first of them that cannot be read.
fn read_all(arguments: &[Argument]) -> (Typed, Result<(), OptionError>) {
    let mut typed = Typed::default();
    let mut result = Ok(());
    for argument in arguments {
        let read = argument.read(&mut typed).map_err(|problem| argument.error(problem));
        result = result.and(read);
    }
    (typed, result)
}

//! The machines that `compare` names.

use std::iter;

use cachesim::config::{Config, MODEL_LINES, Parts, Straddle};
use cachesim::machines::Machines;

use super::presets::{HOST, PRESETS};
use super::table::{Scope, all};
use super::typed::{Given, Layer, NOWHERE, Typed};
use super::{
    Argument, Format, GuestMode, Host, Latencies, OptionError, Options, Output, PathTemplate,
    Problem, file, read_with_base, value,
};

/// A machine that a run simulates beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What it is called: its preset, or its file without directory and `.toml`. No other of the run is called so.
    pub name: String,
    /// The core that the settings began with, or `host`.
    pub preset: Option<&'static str>,
    /// The caches.
    pub config: Config,
    /// How long accesses take, for estimates.
    pub latencies: Latencies,
    /// What is written of it alone: files of the formats that have one machine in them, beside those of the run's own.
    pub files: Vec<(Format, PathTemplate)>,
}

/// What a file has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOf {
    /// In which format.
    pub format: Format,
    /// The machine that it is of: 0 is the run's own, beside which all others may be in it.
    pub machine: usize,
}

/// What the run's own machine is called where its preset is not named, or is compared too.
const OWN_NAME: &str = "own";

/// The value that stands for all presets.
const ALL: &str = "all";

impl Options {
    /// The run's own machine, and those that it is compared with.
    pub fn machines(&self) -> Machines {
        Machines::new(self.config, self.compared.iter().map(|machine| machine.config))
    }

    /// What the machine is called: as its preset, if that is all that it is and the preset is not compared.
    pub fn name(&self) -> &str {
        match self.preset {
            Some(preset) if self.is_all_of(preset) && !self.compares(preset) => preset,
            _ => OWN_NAME,
        }
    }

    fn compares(&self, name: &str) -> bool {
        self.compared.iter().any(|machine| machine.name == name)
    }

    /// Whether nothing of the machine is another than that of `preset`, as far as that is known here.
    fn is_all_of(&self, preset: &str) -> bool {
        let given = [Argument::of_base(preset, "cpu", preset)];
        let no_file = |_: &str| Err(String::new());
        // What is told of this computer, it may not tell again.
        let Ok(typed) = read_with_base(given.to_vec(), &no_file) else { return true };
        let of_all = self.config.parts();
        let is_equal = |(config, latencies): (Config, Latencies)| {
            let Parts { seed, cores, directions, straddle, .. } = of_all;
            let parts = Parts { seed, cores, directions, straddle, ..config.parts() };
            (parts, latencies) == (of_all, self.latencies)
        };
        typed.machine(Host { mode: GuestMode::User, vcpus: 1 }).is_ok_and(is_equal)
    }

    /// The options of a run whose own machine is `machine`, and that compares nothing.
    #[must_use]
    pub fn of_machine(&self, machine: &Machine) -> Self {
        let Machine { preset, config, latencies, .. } = *machine;
        let files = machine.files.clone();
        Self { config, preset, latencies, files, compared: Vec::new(), ..self.clone() }
    }

    /// All files beside the report.
    pub fn all_files(&self) -> impl Iterator<Item = (FileOf, &PathTemplate)> {
        let others = self.compared.iter().map(|machine| &machine.files);
        let of_machines = iter::once(&self.files).chain(others).enumerate();
        of_machines.flat_map(|(machine, files)| {
            files.iter().map(move |(format, path)| (FileOf { format: *format, machine }, path))
        })
    }
}

/// The machines that `typed` compares with that of `own`, in the order in which they are named.
///
/// # Errors
/// The first of them that cannot be had.
pub(super) fn machines(
    typed: &Typed,
    own: &Options,
    host: Host,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<Machine>, OptionError> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut lines = own.config.model_lines();
    let mut add = |given: &Given<String>, machine: Machine| {
        let name = &machine.name;
        if name == OWN_NAME || machines.iter().any(|other| other.name == *name) {
            return Err(given.error(Problem::SameMachine { name: name.clone() }));
        }
        lines += machine.config.model_lines();
        if lines > MODEL_LINES {
            return Err(given.error(Problem::MachinesTooLarge));
        }
        let line_bytes = |config: &Config| config.dcache().geometry.line_bytes();
        let bytes = line_bytes(&own.config);
        if own.config.straddle() == Straddle::Split && line_bytes(&machine.config) != bytes {
            return Err(given.error(Problem::SplitWithOtherLines { bytes }));
        }
        machines.push(machine);
        Ok(())
    };
    let is_own =
        |machine: &Machine| (machine.config, machine.latencies) == (own.config, own.latencies);
    for given in &typed.compared {
        if given.value != ALL {
            add(given, machine(given, &given.value, typed, host, read_file)?)?;
            continue;
        }
        for preset in PRESETS {
            let machine = machine(given, preset.name, typed, host, read_file)?;
            let is_named = typed.compared.iter().any(|given| given.value == preset.name);
            if !is_named && !is_own(&machine) {
                add(given, machine)?;
            }
        }
    }
    let mut names: Vec<PathTemplate> = own.files.iter().map(|(_, path)| path.clone()).collect();
    if let Output::File(report) = &own.output {
        names.push(report.clone());
    }
    for machine in &mut machines {
        machine.files = typed.files_of(&machine.name)?;
        for (format, path) in &machine.files {
            let is_taken = names.contains(path) && path.to_string() != NOWHERE;
            if let Some(given) = typed.files[format.index()].as_ref().filter(|_| is_taken) {
                return Err(given.error(Problem::SameFileOfMachine { path: path.to_string() }));
            }
            names.push(path.clone());
        }
    }
    Ok(machines)
}

/// The machine called `text`, in a run whose own options are `run`.
fn machine(
    given: &Given<String>,
    text: &str,
    run: &Typed,
    host: Host,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Machine, OptionError> {
    let is_preset = text == HOST || PRESETS.iter().any(|preset| preset.name == text);
    let (name, arguments) = if is_preset {
        let note = format!(" (compare={text})");
        let value = Some(text.to_owned());
        let argument = Argument { name: "cpu".to_owned(), value, layer: Layer::File, note };
        (text, vec![argument])
    } else if text.contains('/') || text.strip_suffix(".toml").is_some() {
        let file_name = text.rsplit('/').next().unwrap_or(text);
        let stem = file_name.strip_suffix(".toml").filter(|stem| !stem.is_empty());
        (stem.unwrap_or(file_name), file::arguments(given, read_file)?)
    } else if text.contains(',') {
        return Err(given.error(Problem::SeveralMachines));
    } else {
        return Err(given.error(Problem::UnknownMachine { nearest: value::presets_like(text) }));
    };
    let is_of_run = |argument: &Argument| {
        all().any(|spec| spec.name == argument.name && spec.scope == Scope::Run)
    };
    if let Some(argument) = arguments.iter().find(|argument| is_of_run(argument)) {
        return Err(argument.error(Problem::NotOfAMachine));
    }
    let mut typed = read_with_base(arguments, read_file)?;
    typed.cores.clone_from(&run.cores);
    typed.seed = run.seed;
    typed.directions = run.directions;
    typed.straddle = run.straddle;
    let (config, latencies) = typed.machine(host)?;
    let (name, preset) = (name.to_owned(), typed.preset());
    Ok(Machine { name, preset, config, latencies, files: Vec::new() })
}

//! `libcache run`: a program, or a machine, under the plugin.

mod named_files;
mod page;

use super::failure::{Failure, Status};
use super::guest::Program;
use super::plugin_options::PluginOptions;
use super::qemu::NoneFound;
use super::{files, places, qemu, setup, streams, sysroot};
use clap::ValueHint;
use options::{Format, GuestMode, Options, PathTemplate, Request};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What `run` is told.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "libcache run [OPTIONS] [--] PROGRAM [ARGS]...\n       \
                      libcache run --system [OPTIONS] -- qemu-system-ARCH [ARGS]...",
    after_help = "The program is one for Linux, of any architecture that QEMU emulates. Build it \
                  with -g, so that lines of its source can be named. Where its libraries are not \
                  found, build it with -static or name their directory with --sysroot.\n\n\
                  Sizes take K, M or G. A file name may have %p for the process id.\n\n\
                  Exit status: that of the guest. 2: a wrong option; 125: there is no plugin, \
                  QEMU or library to run it with; 126: it cannot be run; 127: there is no such \
                  program."
)]
pub struct Args {
    /// The words are the command line of a machine, as one would type it
    #[arg(long)]
    system: bool,
    /// Add an argument of QEMU's own, such as --qemu-arg=-cpu --qemu-arg=max
    #[arg(long = "qemu-arg", value_name = "ARG", allow_hyphen_values = true)]
    extra: Vec<OsString>,
    /// This QEMU, or the one in this directory
    #[arg(long, value_name = "FILE|DIR", env = "LIBCACHE_QEMU", hide_env_values = true)]
    #[arg(value_hint = ValueHint::AnyPath)]
    qemu: Option<PathBuf>,
    /// The plugin's file
    #[arg(long, value_name = "FILE", env = places::PLUGIN_VARIABLE, hide_env_values = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    plugin: Option<PathBuf>,
    /// The directory that has the program's /lib, as QEMU's -L
    #[arg(short = 'L', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    sysroot: Option<PathBuf>,
    /// Open the page of html in a browser at the end
    #[arg(long)]
    open: bool,
    /// Print the command line in place of running it
    #[arg(long)]
    print: bool,
    /// The plugin's options.
    #[command(flatten)]
    pub options: PluginOptions,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", trailing_var_arg = true, hide = true)]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

/// Runs the guest. Unless there is something to do afterwards, QEMU takes this process's place, so that signals,
/// the terminal and the status are the guest's.
pub fn run(mut args: Args) -> Result<ExitCode, Failure> {
    let mode = if args.system { GuestMode::System } else { GuestMode::User };
    let options = match args.options.check(mode)? {
        Request::Run(options) => options,
        Request::Presets => return shown(&options::list_text()),
        Request::Help => return shown(&options::help_text()),
    };
    named_files::check(&options)?;
    let page = args.open.then(|| page_of(&options, &mut args.options)).transpose()?;
    let plugin = places::plugin(args.plugin.as_deref())?;
    let plugin = args.options.argument(&plugin);
    let words = match mode {
        GuestMode::User => program(&args, plugin)?,
        GuestMode::System => machine(&args, plugin)?,
    };
    if args.print {
        streams::print(quoted(&words) + "\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    match page {
        Some(page) => page::run_and_open(command, &page),
        None => Err(not_started(&words[0], &command.exec())),
    }
}

fn shown(text: &str) -> Result<ExitCode, Failure> {
    streams::print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The page that `options` have written, also by a file of options. Where they have none, one is added to `typed`.
fn page_of(options: &Options, typed: &mut PluginOptions) -> Result<PathTemplate, Failure> {
    if let Some((_, page)) = options.files.iter().find(|(format, _)| *format == Format::Html) {
        return Ok(page.clone());
    }
    let name = page::default_name();
    typed.add("html", &name);
    PathTemplate::new(&name).map_err(|problem| usage(format!("html={name}: {problem}")))
}

/// The command line for a program.
fn program(args: &Args, plugin: OsString) -> Result<Vec<OsString>, Failure> {
    let Some((name, guest_args)) = args.command.split_first() else {
        return Err(usage("no program; write libcache run [OPTIONS] ./program [ARGS]"));
    };
    if let Some(emulator) = emulator_name(name) {
        return Err(usage(if emulator.starts_with("qemu-system-") {
            format!(
                "{emulator} runs a machine; write libcache run --system [OPTIONS] -- {emulator} ARGS"
            )
        } else {
            format!("{emulator} is found by itself; write libcache run [OPTIONS] ./program [ARGS]")
        }));
    }
    if let Some(meant) = misplaced_option(args, name) {
        return Err(usage(meant));
    }
    let program = Program::find(name)?;
    let emulator = emulator(args, &program.target.emulator(), Some(program.target.name()))?;
    let root = sysroot::find(&program, args.sysroot.as_deref())?;
    let mut words = vec![emulator.into_os_string()];
    if let Some(root) = root {
        words.extend(["-L".into(), root.into_os_string()]);
    }
    words.extend(args.extra.iter().cloned());
    words.extend(["-plugin".into(), plugin, program.path.into_os_string()]);
    words.extend(guest_args.iter().cloned());
    Ok(words)
}

/// The command line for a machine: what was typed, and the plugin.
fn machine(args: &Args, plugin: OsString) -> Result<Vec<OsString>, Failure> {
    let Some((name, rest)) = args.command.split_first() else {
        return Err(usage(
            "no machine; write libcache run --system [OPTIONS] -- qemu-system-ARCH ARGS",
        ));
    };
    if emulator_name(name).is_none_or(|name| !name.starts_with("qemu-system-")) {
        let shown = Path::new(name).display();
        return Err(usage(format!("{shown} is no qemu-system-ARCH, which runs machines")));
    }
    if args.sysroot.is_some() {
        return Err(usage("--sysroot is for programs; a machine has its own libraries"));
    }
    let qemu = match &args.qemu {
        None if files::is_path(name) => qemu::named(Path::new(name), "")?,
        _ => emulator(args, &name.to_string_lossy(), None)?,
    };
    let mut words = vec![qemu.into_os_string(), "-plugin".into(), plugin];
    words.extend(args.extra.iter().cloned());
    words.extend(rest.iter().cloned());
    Ok(words)
}

/// The QEMU called `name`. Where there is none for programs of `target`, a user at a terminal is offered one.
fn emulator(args: &Args, name: &str, target: Option<&str>) -> Result<PathBuf, Failure> {
    if let Some(place) = &args.qemu {
        return qemu::named(place, name);
    }
    qemu::find(name).or_else(|none: NoneFound| {
        let what = none.what();
        let Some(target) = target else {
            let remedy = "install it, or run `libcache setup --machines`";
            return Err(Failure::new(Status::NotStarted, format!("{what}; {remedy}")));
        };
        if !args.print && setup::offer(&what)? {
            return qemu::find(name).map_err(|none| Failure::new(Status::NotStarted, none.what()));
        }
        let remedy = format!("`libcache setup --targets {target}` gets one");
        Err(Failure::new(Status::NotStarted, format!("{what}; {remedy}")))
    })
}

/// What to write where an option is in the program's place: as the plugin has it, or the value of a switch.
fn misplaced_option(args: &Args, word: &OsStr) -> Option<String> {
    let word = word.to_str()?;
    if let Some((name, value)) = word.split_once('=')
        && options::all().any(|option| option.name == name)
    {
        return Some(format!("{word} is no program; write --{name}={value}"));
    }
    let switch = args.options.last().filter(|_| ["on", "off"].contains(&word))?;
    Some(format!("{word} is no program; write --{}={word}", switch.split('=').next()?))
}

/// The name of a QEMU that was typed where a program is expected.
fn emulator_name(name: &OsStr) -> Option<String> {
    let name = Path::new(name).file_name()?.to_str()?;
    name.starts_with("qemu-").then(|| name.to_owned())
}

/// As one pastes it into a shell.
fn quoted(words: &[OsString]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            // No word has a byte that is zero: it was typed.
            let quoted = shlex::bytes::try_quote(word.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&quoted).into_owned()
        })
        .collect();
    words.join(" ")
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Status::Usage, message)
}

fn not_started(executable: &OsStr, error: &std::io::Error) -> Failure {
    Failure::new(Status::NotStarted, format!("{}: {error}", Path::new(executable).display()))
}

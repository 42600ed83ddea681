//! Ways out: where a report goes, so that it arrives whole, once, and nowhere else.
//!
//! What is written goes to one of three kinds of place, which are found out at the start: a stream that
//! is open then ([`stream`], [`held`]), a file that appears whole or not at all ([`mod@file`]), or, on a
//! machine, QEMU's log. All writing is done by one thread (`process::report_thread`), whose descriptors,
//! directory and rights are those of the start, whatever the program does to its own.

pub mod file;
#[cfg(target_os = "linux")]
pub mod handover;
pub mod held;
pub mod progress;
pub mod stream;
pub mod wakeup;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use cachesim::escape::escape;
use options::{FileOf, Format, Options, Output, PathTemplate};

use self::file::Contents;
use self::held::{Held, Known, Name, Streams};
use self::stream::Stream;
#[cfg(target_os = "linux")]
use self::{file::LaterStream, handover::Kind};
use crate::qemu::command_line::{has_qemu_flag, program, qemu_option};
use crate::qemu::{self, Emulation, Qemu};

/// Where something is written.
#[derive(Debug)]
enum Destination {
    /// A stream that was open at the start.
    Stream(Name),
    /// A file, or what else has this name then.
    File(PathTemplate),
    /// QEMU's log, by QEMU itself.
    QemuLog,
}

/// The ways out of one run.
#[derive(Debug)]
pub struct Outlet {
    output: Output,
    report: Destination,
    files: Vec<(FileOf, Destination)>,
    streams: Streams,
    /// Where relative file names begin.
    directory: PathBuf,
    is_system: bool,
    logging_requested: bool,
    /// The guest's program.
    program: Option<OsString>,
}

impl Outlet {
    /// Finds out where everything goes that `options` asks for. Checks as far as possible that it can be
    /// written, so that a wrong path is known before the run and not after it.
    ///
    /// # Errors
    /// Where a file has no directory, is one, or may not be written; where standard error will be gone.
    pub fn new(qemu: &Qemu, options: &Options) -> anyhow::Result<Self> {
        let emulation = qemu.emulation;
        let requested = qemu_option(emulation, "d", "QEMU_LOG").is_some_and(|items| {
            items.to_string_lossy().split(',').any(|item| item == "plugin" || item == "all")
        });
        let mut outlet = Self {
            output: options.output.clone(),
            report: Destination::QemuLog,
            files: Vec::new(),
            streams: Streams::default(),
            // Where the directory has gone, so has what is written relative to it.
            directory: std::env::current_dir().unwrap_or_default(),
            is_system: emulation != Emulation::User,
            logging_requested: requested,
            program: program(emulation),
        };
        let open = |number| Some(Known { stream: Stream::at(number)?, is_wanted: false });
        outlet.streams.set(Name::Stderr, open(libc::STDERR_FILENO));
        outlet.streams.set(Name::Stdout, open(libc::STDOUT_FILENO));
        outlet.report = match &options.output {
            Output::File(template) => outlet.destination("out", template)?,
            Output::Auto | Output::Log if outlet.is_system => Destination::QemuLog,
            Output::Auto | Output::Log if outlet.is_logging(qemu) => outlet.log(emulation),
            Output::Auto | Output::Log | Output::Stderr => Destination::Stream(Name::Stderr),
        };
        outlet.files = options
            .all_files()
            .map(|(file, template)| Ok((file, outlet.destination(file.format.name(), template)?)))
            .collect::<anyhow::Result<_>>()?;
        if options.progress.is_some() {
            outlet.streams.want(Name::Stderr);
        }
        if !outlet.is_system && std::env::var_os("QEMU_PLUGIN").is_some() {
            // So have the QEMUs that this program may start.
            expect_other_reports();
        }
        let named = outlet.files.iter().map(|(_, destination)| destination);
        let streams: Vec<_> = [&outlet.report].into_iter().chain(named).map(stream_of).collect();
        for name in streams.into_iter().flatten() {
            outlet.check_not_lost(qemu, name)?;
            outlet.streams.want(name);
        }
        Ok(outlet)
    }

    /// Where what the option `name` asks for goes.
    fn destination(&self, name: &str, template: &PathTemplate) -> anyhow::Result<Destination> {
        let path = self.path(template);
        if template.to_string() == "-" {
            if self.streams.get(Name::Stdout).is_none() {
                bail!("{name}=-: standard output is closed; name a file");
            }
            return Ok(Destination::Stream(Name::Stdout));
        }
        let is_open = |name| self.streams.get(name).is_some_and(|known| known.stream.is_at(&path));
        if let Some(name) = [Name::Stdout, Name::Stderr].into_iter().find(|&name| is_open(name)) {
            return Ok(Destination::Stream(name));
        }
        check_writable(&path).with_context(|| format!("{name}={template}"))?;
        Ok(Destination::File(template.clone()))
    }

    /// The log of a program's QEMU: a file of its own, or standard error.
    fn log(&mut self, emulation: Emulation) -> Destination {
        let Some(name) = qemu_option(emulation, "D", "QEMU_LOG_FILENAME") else {
            return Destination::Stream(Name::Stderr);
        };
        let path = self.directory.join(with_process_id(&name));
        // QEMU's own descriptor: with another one each would write over what the other has written.
        let Some(stream) = Stream::of_file(&path) else { return Destination::QemuLog };
        self.streams.set(Name::Log, Some(Known { stream, is_wanted: true }));
        Destination::Stream(Name::Log)
    }

    fn is_logging(&self, qemu: &Qemu) -> bool {
        qemu.plugin_logging().unwrap_or(self.logging_requested)
    }

    /// A machine's QEMU that becomes a daemon leaves its standard streams. A file is kept all the same; of
    /// what somebody may wait for there is nothing left to write to.
    fn check_not_lost(&self, qemu: &Qemu, name: Name) -> anyhow::Result<()> {
        let is_file = self.streams.get(name).is_some_and(|known| !known.stream.may_be_awaited());
        // QEMU does not leave standard error while it logs there.
        let is_left = name != Name::Stderr || !self.is_logging(qemu);
        if self.is_system && has_qemu_flag("daemonize") && is_left && !is_file {
            let stream = described(name);
            bail!(
                "-daemonize: {stream} is closed before the report is written; name a file with out=FILE"
            );
        }
        Ok(())
    }

    /// The streams of the start.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    fn path(&self, template: &PathTemplate) -> PathBuf {
        self.directory.join(template.resolve(std::process::id()))
    }

    /// Writes `report`; where it cannot go where it should, says so and writes it to standard error.
    pub fn write(&self, qemu: &Qemu, held: &Held, report: &str) {
        held.write_complaints();
        let signed = if IS_ONE_OF_SEVERAL.load(Ordering::Relaxed) {
            self.signed(report)
        } else {
            report.to_owned()
        };
        let (name, complaint) = match &self.report {
            Destination::Stream(name) => (*name, None),
            Destination::QemuLog if self.is_logging(qemu) => {
                qemu::log(report);
                return;
            }
            Destination::QemuLog => (Name::Stderr, None),
            Destination::File(template) => {
                let path = self.path(template);
                let text = if file::is_stream(&path) { &signed } else { report };
                let write_text = |out: &mut dyn Write| out.write_all(text.as_bytes());
                let Err(error) = file::replace(&path, &write_text) else { return };
                (Name::Stderr, Some(report_follows(&path, &error)))
            }
        };
        if let Some(complaint) = complaint.or_else(|| self.no_log(qemu)) {
            held.complain(&complaint);
        }
        if let Err(error) = held.write(name, signed.as_bytes())
            && name != Name::Stderr
        {
            let error = in_words(&error);
            held.complain(&format!("{}: {error}; the report follows", described(name)));
            // Where there is no standard error either nothing more can be done.
            let _ = held.write(Name::Stderr, signed.as_bytes());
        }
    }

    /// Writes a file with these contents; where that cannot be, says so.
    pub fn write_file(&self, held: &Held, file_of: FileOf, contents: Contents<'_>) {
        let Some(destination) = self.file(file_of) else { return };
        let written = match destination {
            // At once: what others write there shall not come between.
            Destination::Stream(name) => {
                file::whole(contents).and_then(|text| held.write(*name, &text))
            }
            Destination::File(template) => file::replace(&self.path(template), contents),
            Destination::QemuLog => return,
        };
        if let Err(error) = written {
            held.complain(&self.not_written(file_of.format, destination, &error));
        }
    }

    fn not_written(&self, format: Format, destination: &Destination, error: &io::Error) -> String {
        let place = match destination {
            Destination::Stream(Name::Stdout) => "-".to_owned(),
            Destination::Stream(name) => described(*name).to_owned(),
            Destination::File(template) => self.path(template).display().to_string(),
            Destination::QemuLog => described(Name::Log).to_owned(),
        };
        format!("{}={place}: {}; it is not written", format.name(), in_words(error))
    }

    fn file(&self, file_of: FileOf) -> Option<&Destination> {
        let mut files = self.files.iter();
        files.find(|(other, _)| *other == file_of).map(|(_, destination)| destination)
    }

    /// What is said where the log was asked for by name and takes no plugin output.
    fn no_log(&self, qemu: &Qemu) -> Option<String> {
        (self.output == Output::Log && !self.is_logging(qemu)).then(|| NO_LOG.to_owned())
    }

    /// `report` with a line before it that tells whose it is.
    fn signed(&self, report: &str) -> String {
        let program = self.program.as_deref().unwrap_or("unknown program".as_ref());
        let program = program.to_string_lossy();
        let program = escape(&program);
        format!("cache: process {} ({program})\n{report}", std::process::id())
    }
}

/// Whether other processes may write reports to the same place.
static IS_ONE_OF_SEVERAL: AtomicBool = AtomicBool::new(false);

/// Other processes may write reports to the same place from now on.
pub fn expect_other_reports() {
    IS_ONE_OF_SEVERAL.store(true, Ordering::Relaxed);
}

/// The name of a log, in which `%d` stands for the process id.
fn with_process_id(name: &OsStr) -> OsString {
    let id = std::process::id().to_string();
    name.to_str().map_or_else(|| name.to_owned(), |name| name.replace("%d", &id).into())
}

fn stream_of(destination: &Destination) -> Option<Name> {
    match destination {
        Destination::Stream(name) => Some(*name),
        Destination::File(_) => None,
        // If the log takes no plugin output then.
        Destination::QemuLog => Some(Name::Stderr),
    }
}

fn described(name: Name) -> &'static str {
    match name {
        Name::Stderr => "standard error",
        Name::Stdout => "standard output",
        Name::Log => "QEMU's log",
    }
}

fn report_follows(path: &Path, error: &io::Error) -> String {
    format!("out={}: {}; the report follows", path.display(), in_words(error))
}

/// Without the system's number, which tells a user nothing more.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

const NO_LOG: &str =
    "out=log: QEMU's log does not take plugin output (add -d plugin); the report follows";

/// The report of a program that is about to be replaced by another, unless that fails.
#[cfg(target_os = "linux")]
impl Outlet {
    /// Writes `report` if the execve that `thread` is about to call succeeds. A file is written now: the
    /// report at the end of a program that goes on takes its place. If the call returns,
    /// [`handover::cancel`] has to be called.
    pub fn write_if_program_is_replaced(
        &self,
        qemu: &Qemu,
        held: &Held,
        thread: handover::Thread,
        report: &str,
    ) {
        let (destination, complaint) = match &self.report {
            Destination::Stream(name) => (later(held, *name), None),
            Destination::QemuLog => (None, None),
            Destination::File(template) => {
                let path = self.path(template);
                match write_or_open(&path, &|out| out.write_all(report.as_bytes())) {
                    Ok(Written::Now) => return,
                    Ok(Written::Later(stream)) => (Some(stream), None),
                    Err(error) => (None, Some(report_follows(&path, &error))),
                }
            }
        };
        let complaint = complaint.or_else(|| self.no_log(qemu));
        let complaint = complaint.map(|complaint| format!("cache: {complaint}\n"));
        let text = complaint.unwrap_or_default() + &self.signed(report);
        let destination = destination.or_else(|| later(held, Name::Stderr));
        leave_behind(held, Kind::Report, thread, text.as_bytes(), destination);
    }

    /// The same of a file beside the report.
    pub fn write_file_if_program_is_replaced(
        &self,
        held: &Held,
        thread: handover::Thread,
        file_of: FileOf,
        contents: Contents<'_>,
    ) {
        let Some(destination) = self.file(file_of) else { return };
        let stream = match destination {
            Destination::Stream(name) => Ok(later(held, *name)),
            Destination::File(template) => match write_or_open(&self.path(template), contents) {
                Ok(Written::Now) => return,
                Ok(Written::Later(stream)) => Ok(Some(stream)),
                Err(error) => Err(error),
            },
            Destination::QemuLog => return,
        };
        let (stream, text) = match stream.and_then(|it| Ok((it, file::whole(contents)?))) {
            Ok(it) => it,
            Err(error) => {
                let complaint = self.not_written(file_of.format, destination, &error);
                (later(held, Name::Stderr), format!("cache: {complaint}\n").into_bytes())
            }
        };
        leave_behind(held, Kind::File(file_of.format), thread, &text, stream);
    }
}

#[cfg(target_os = "linux")]
fn later(held: &Held, name: Name) -> Option<LaterStream<'_>> {
    held.open(name).map(LaterStream::Open)
}

/// How far a file is that is written before a call of execve.
#[cfg(target_os = "linux")]
enum Written {
    Now,
    /// It is to be written there if the call succeeds.
    Later(LaterStream<'static>),
}

#[cfg(target_os = "linux")]
fn write_or_open(path: &Path, contents: Contents<'_>) -> io::Result<Written> {
    match file::later_stream(path) {
        Some(stream) => Ok(Written::Later(stream)),
        None => file::replace(path, contents).map(|()| Written::Now),
    }
}

/// Has `text`, which is of `kind`, written to `destination` by another process if this one is replaced. Where
/// there is none, there is no standard error any more, and nowhere to write to.
#[cfg(target_os = "linux")]
fn leave_behind(
    held: &Held,
    kind: Kind,
    thread: handover::Thread,
    text: &[u8],
    destination: Option<LaterStream<'_>>,
) {
    let Some(destination) = destination else { return };
    if let Err(error) = handover::offer(kind, thread, text, &destination) {
        let what = match kind {
            Kind::Report => "the report",
            Kind::File(format) => format.name(),
        };
        held.complain(&format!(
            "execve: nobody to leave {what} with ({error}); it is lost if the call succeeds"
        ));
    }
}

fn check_writable(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("is a directory; name a file in it");
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    if !parent.is_dir() {
        bail!("there is no directory {}; make it first", parent.display());
    }
    file::check(path).context("cannot be written")
}

/// Has a line of libcache's own written to standard error, by any thread, which does not wait for it.
pub fn complain(message: &str) {
    held::leave_complaint(message.to_owned());
    wakeup::REPORT.post();
}

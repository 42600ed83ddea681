//! Where a report goes, so that it arrives: QEMU's log when it takes plugin output, a file, stderr.
//!
//! A program under a user-mode QEMU shares its file descriptors. It may have closed descriptor 2 when it
//! ends (xz does) or have put another file there, so a second descriptor for the standard error of the
//! start is kept, out of the program's way.

use std::ffi::c_int;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use anyhow::{Context, bail};
use cachesim::options::{Config, Format, Output, PathTemplate};

use crate::api::{self, Emulation, Qemu};
use crate::command_line::qemu_option;
use crate::files::{self, LaterStream};
#[cfg(target_os = "linux")]
use crate::handover::{self, Kind};

/// Whether plugin logging was turned on at the start. Asked only where QEMU does not export its log mask.
fn logging_requested(emulation: Emulation) -> bool {
    qemu_option(emulation, "d", "QEMU_LOG")
        .is_some_and(|items| items.split(',').any(|item| item == "plugin" || item == "all"))
}

/// The way out for the report of one run.
#[derive(Debug)]
pub struct Outlet {
    output: Output,
    /// Where relative file names begin: the guest's program may change the directory.
    directory: PathBuf,
    logging_requested: bool,
    /// Where QEMU's log goes, with `%d` for the process, if not to stderr.
    log_file: Option<String>,
}

impl Outlet {
    /// Checks as far as possible that what `config` asks for can be written, so that a wrong path is
    /// known before the run and not after it.
    ///
    /// # Errors
    /// Where a file has no directory, is one, or may not be written.
    pub fn new(config: &Config, emulation: Emulation) -> anyhow::Result<Self> {
        // Where the directory has gone, so has what is written relative to it.
        let directory = std::env::current_dir().unwrap_or_default();
        let outlet = Self {
            output: config.output.clone(),
            directory,
            logging_requested: logging_requested(emulation),
            log_file: qemu_option(emulation, "D", "QEMU_LOG_FILENAME"),
        };
        let report = match &config.output {
            Output::File(template) => Some(("out", template)),
            Output::Auto | Output::Log | Output::Stderr => None,
        };
        let files = config.files.iter().map(|(format, template)| (format.name(), template));
        for (name, template) in report.into_iter().chain(files) {
            check_writable(&outlet.path(template)).with_context(|| format!("{name}={template}"))?;
        }
        Ok(outlet)
    }

    fn path(&self, template: &PathTemplate) -> PathBuf {
        self.directory.join(template.resolve(std::process::id()))
    }

    /// Writes `report`; where it cannot go where it should, says so and writes it to stderr.
    pub fn write(&self, qemu: &Qemu, report: &str) {
        let logging = qemu.plugin_logging().unwrap_or(self.logging_requested);
        match &self.output {
            Output::Auto | Output::Log if logging => api::log(report),
            Output::Auto | Output::Stderr => to_stderr(report),
            Output::Log => {
                complain(NO_LOG);
                to_stderr(report);
            }
            Output::File(template) => {
                let path = self.path(template);
                if let Err(error) = replace(&path, report) {
                    complain(&report_follows(&path, &error));
                    to_stderr(report);
                }
            }
        }
    }
}

/// The files beside the report.
impl Outlet {
    /// Writes the file that `format` was asked for; where that cannot be, says so.
    pub fn write_file(&self, format: Format, template: &PathTemplate, contents: &str) {
        let path = self.path(template);
        if let Err(error) = replace(&path, contents) {
            complain(&not_written(format, &path, &error));
        }
    }
}

fn replace(path: &Path, contents: &str) -> io::Result<()> {
    without_signals(|| files::replace(path, contents.as_bytes()))
}

fn report_follows(path: &Path, error: &io::Error) -> String {
    format!("out={}: {error}; the report follows", path.display())
}

fn not_written(format: Format, path: &Path, error: &io::Error) -> String {
    format!("{}={}: {error}; it is not written", format.name(), path.display())
}

const NO_LOG: &str =
    "out=log: QEMU's log does not take plugin output (add -d plugin); the report follows";

/// The report of a program that is about to be replaced by another, unless that fails.
#[cfg(target_os = "linux")]
impl Outlet {
    /// Writes `report` if the execve that this thread is about to call succeeds. A file is written now:
    /// the report at the end of a program that goes on takes its place. If the call returns,
    /// [`Outlet::program_not_replaced`] has to be called.
    pub fn write_if_program_is_replaced(&self, qemu: &Qemu, report: &str) {
        let logging = qemu.plugin_logging().unwrap_or(self.logging_requested);
        let (destination, complaint) = match &self.output {
            Output::File(template) => {
                let path = self.path(template);
                match write_or_open(&path, report) {
                    Ok(Written::Now) => return,
                    Ok(Written::Later(stream)) => (Some(stream), None),
                    Err(error) => (None, Some(report_follows(&path, &error))),
                }
            }
            Output::Auto | Output::Log if logging => (self.open_log().map(LaterStream::Open), None),
            Output::Auto | Output::Stderr => (None, None),
            Output::Log => (None, Some(NO_LOG.to_owned())),
        };
        let complaint = complaint.map(|complaint| format!("cache: {complaint}\n"));
        let text = complaint.unwrap_or_default() + report;
        leave_behind(Kind::Report, &text, destination.or_else(stderr_file));
    }

    /// The same of a file beside the report.
    pub fn write_file_if_program_is_replaced(
        &self,
        format: Format,
        template: &PathTemplate,
        contents: &str,
    ) {
        let path = self.path(template);
        match write_or_open(&path, contents) {
            Ok(Written::Now) => {}
            Ok(Written::Later(stream)) => leave_behind(Kind::File(format), contents, Some(stream)),
            Err(error) => {
                let complaint = format!("cache: {}\n", not_written(format, &path, &error));
                leave_behind(Kind::File(format), &complaint, stderr_file());
            }
        }
    }

    /// The execve has failed.
    pub fn program_not_replaced() {
        handover::cancel();
    }

    /// QEMU's log, if it is a file.
    fn open_log(&self) -> Option<File> {
        let name = self.log_file.as_ref()?.replace("%d", &std::process::id().to_string());
        fs::OpenOptions::new().append(true).open(self.directory.join(name)).ok()
    }
}

/// How far a file is that is written before a call of execve.
#[cfg(target_os = "linux")]
enum Written {
    Now,
    /// It is to be written there if the call succeeds.
    Later(LaterStream),
}

#[cfg(target_os = "linux")]
fn write_or_open(path: &Path, contents: &str) -> io::Result<Written> {
    match files::later_stream(path) {
        Some(stream) => Ok(Written::Later(stream)),
        None => replace(path, contents).map(|()| Written::Now),
    }
}

/// Has `text`, which is of `kind`, written to `destination` by another process if this one is replaced. Where
/// there is none, there is no standard error any more, and nowhere to write to.
#[cfg(target_os = "linux")]
fn leave_behind(kind: Kind, text: &str, destination: Option<LaterStream>) {
    let Some(destination) = destination else { return };
    if let Err(error) = handover::offer(kind, text, &destination) {
        let what = match kind {
            Kind::Report => "the report",
            Kind::File(format) => format.name(),
        };
        complain(&format!(
            "execve: nobody to leave {what} with ({error}); it is lost if the call succeeds"
        ));
    }
}

/// The standard error that QEMU was started with.
#[cfg(target_os = "linux")]
fn stderr_file() -> Option<LaterStream> {
    let file = match STDERR.get().and_then(Option::as_ref) {
        Some(kept) => kept.open(),
        None => duplicate_high(libc::STDERR_FILENO),
    };
    file.map(LaterStream::Open)
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
    files::check(path).context("cannot be written")
}

/// Writes a line of libcache's own to stderr.
pub fn complain(message: &str) {
    to_stderr(&format!("cache: {message}\n"));
}

/// Writes to the standard error that QEMU was started with; there is nobody to tell where that fails.
pub fn to_stderr(text: &str) {
    let kept = STDERR.get().and_then(Option::as_ref);
    let written = without_signals(|| match kept {
        Some(kept) => kept.write(text),
        None => io::stderr().write_all(text.as_bytes()),
    });
    // Nothing more can be done: there is no standard error any more.
    let _ = written;
}

/// Writes without the signals that a pipe without a reader and the guest's limit of a file's size send:
/// they would be taken for the guest's.
fn without_signals(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    const OF_WRITES: [c_int; 2] = [libc::SIGPIPE, libc::SIGXFSZ];
    // SAFETY: all zeros is a value of this type; the mask is put back as it was.
    unsafe {
        let mut blocked: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        let mut pending: [libc::sigset_t; 2] = mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        for signal in OF_WRITES {
            libc::sigaddset(&raw mut blocked, signal);
        }
        libc::sigpending(&raw mut pending[0]);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before);
        let written = write();
        libc::sigpending(&raw mut pending[1]);
        for signal in OF_WRITES {
            if pending.each_ref().map(|set| libc::sigismember(set, signal)) == [0, 1] {
                // It is ours.
                let mut only: libc::sigset_t = mem::zeroed();
                let mut taken = 0;
                libc::sigaddset(&raw mut only, signal);
                libc::sigwait(&raw const only, &raw mut taken);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        written
    }
}

/// What the standard error that QEMU was started with is, for a line that may as well not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Display {
    /// A terminal.
    Terminal,
    /// Anything else.
    Plain,
    /// Gone, or full: writing would wait for a reader.
    None,
}

/// See [`Display`].
pub fn display() -> Display {
    let kept = STDERR.get().and_then(Option::as_ref).and_then(KeptStderr::open);
    let Some(kept) = kept else { return Display::None };
    let mut ready = libc::pollfd { fd: kept.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: writes the one struct it is given, and returns at once.
    let is_ready = unsafe { libc::poll(&raw mut ready, 1, 0) } == 1;
    match is_ready && ready.revents & libc::POLLOUT != 0 {
        true if kept.is_terminal() => Display::Terminal,
        true => Display::Plain,
        false => Display::None,
    }
}

/// The standard error of the start, if there was one.
static STDERR: OnceLock<Option<KeptStderr>> = OnceLock::new();

/// Keeps the standard error of now for what is written later.
pub fn keep_stderr() {
    STDERR.get_or_init(KeptStderr::keep);
}

struct KeptStderr {
    copy: File,
    /// Device and inode, to know it again: the guest's program may put its own files on any number.
    identity: (u64, u64),
    /// The process that kept it. A child may have closed all it found.
    process: u32,
}

impl KeptStderr {
    fn keep() -> Option<Self> {
        let copy = duplicate_high(libc::STDERR_FILENO)?;
        let identity = identity(&copy)?;
        Some(Self { copy, identity, process: std::process::id() })
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.open().ok_or(io::ErrorKind::NotFound)?.write_all(text.as_bytes())
    }

    /// A descriptor of the same file, if the guest's program has left one, in this process or in that
    /// which kept it.
    fn open(&self) -> Option<File> {
        let is_it = |file: &File| identity(file) == Some(self.identity);
        let elsewhere = |number: c_int| {
            let shared = descriptor_of(self.process, number).filter(is_it);
            shared.or_else(|| reopened(self.process, number).filter(is_it))
        };
        let kept = is_it(&self.copy).then(|| duplicate_high(self.copy.as_raw_fd())).flatten();
        kept.or_else(|| duplicate_high(libc::STDERR_FILENO).filter(is_it))
            .or_else(|| elsewhere(self.copy.as_raw_fd()))
            .or_else(|| elsewhere(libc::STDERR_FILENO))
    }
}

fn identity(file: &File) -> Option<(u64, u64)> {
    Some(files::identity(&file.metadata().ok()?))
}

/// A second descriptor of another process's, as far as the system allows that.
#[cfg(target_os = "linux")]
fn descriptor_of(process: u32, number: c_int) -> Option<File> {
    // SAFETY: system calls that make a descriptor or fail; it belongs to nobody else.
    unsafe {
        let make = |made: libc::c_long| {
            let made = c_int::try_from(made).ok().filter(|&made| made >= 0)?;
            Some(File::from_raw_fd(made))
        };
        let owner = make(libc::syscall(libc::SYS_pidfd_open, process, 0))?;
        make(libc::syscall(libc::SYS_pidfd_getfd, owner.as_raw_fd(), number, 0))
    }
}

#[cfg(not(target_os = "linux"))]
fn descriptor_of(_: u32, _: c_int) -> Option<File> {
    None
}

/// What another process has open, opened once more. Not a regular file: that would be written from its
/// start, by us and by the other.
fn reopened(process: u32, number: c_int) -> Option<File> {
    let path = format!("/proc/{process}/fd/{number}");
    if fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    // Without waiting for a reader of a pipe that has none.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = fs::OpenOptions::new().append(true).custom_flags(flags).open(path).ok()?;
    // SAFETY: of a descriptor of ours.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) };
    Some(file)
}

/// Descriptors for which Linux has room from the start (`NR_OPEN_DEFAULT`). A process with threads that
/// needs more has to wait until no thread looks at the old table: 12 ms for each program, measured.
const FIRST_TABLE: libc::rlim_t = 64;

/// A second descriptor of `descriptor`, closed by execve, as high as costs nothing: programs get and
/// expect the lowest numbers.
pub fn duplicate_high(descriptor: c_int) -> Option<File> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes the struct it is given.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    let limit = if known { limit.rlim_cur.min(FIRST_TABLE) } else { FIRST_TABLE };
    let lowest = c_int::try_from(limit.saturating_sub(16)).ok()?;
    // SAFETY: makes a new descriptor or fails.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, lowest) };
    // SAFETY: a descriptor that was just made and belongs to nobody else.
    (copy >= 0).then(|| unsafe { File::from_raw_fd(copy) })
}

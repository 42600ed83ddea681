//! Streams that are open when QEMU starts: standard error, standard output, the log.
//!
//! A program shares its descriptors with QEMU. It may close them, put its own files on their numbers, or
//! leave them to a daemon that lives on. So a stream is known by device and inode, never by its number,
//! and text goes only to a descriptor that still is that stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

/// Device and inode, to know a file again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// That of the file with this metadata.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    fn of_path(path: &Path) -> Option<Self> {
        Some(Self::of(&fs::metadata(path).ok()?))
    }

    /// That of what this thread has open under a number.
    fn of_descriptor(number: RawFd) -> Option<Self> {
        // SAFETY: the descriptor is used for this call only, which fails where there is none.
        let status = rustix::fs::fstat(unsafe { BorrowedFd::borrow_raw(number) }).ok()?;
        Some(Self { device: status.st_dev, inode: status.st_ino })
    }
}

/// Whether somebody may be waiting for the last writer of a stream to close it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readers {
    /// A file or a device.
    DoNotWait,
    /// A pipe, a socket or a terminal. It may be kept no longer than the program keeps it.
    MayWait,
}

/// A stream of the start.
#[derive(Debug)]
pub struct Stream {
    identity: Identity,
    readers: Readers,
    /// The number that the program knows it by.
    number: RawFd,
    /// Where a file is.
    path: Option<PathBuf>,
}

impl Stream {
    /// What is open now under `number`, for writing: what can only be read is the user's data.
    pub fn at(number: RawFd) -> Option<Self> {
        let file = duplicate(number).filter(is_open_for_writing)?;
        let metadata = file.metadata().ok()?;
        let kind = metadata.file_type();
        let may_wait = kind.is_fifo() || kind.is_socket() || file.is_terminal();
        Some(Self {
            identity: Identity::of(&metadata),
            readers: if may_wait { Readers::MayWait } else { Readers::DoNotWait },
            number,
            path: kind.is_file().then(|| fs::read_link(descriptor_path(number)).ok()).flatten(),
        })
    }

    /// The descriptor under which this process has `path` open for writing.
    pub fn of_file(path: &Path) -> Option<Self> {
        let wanted = Identity::of_path(path)?;
        descriptors().find(|&number| is_writable(number, wanted)).and_then(Self::at)
    }

    /// Whether `path` names it.
    pub fn is_at(&self, path: &Path) -> bool {
        Identity::of_path(path) == Some(self.identity)
    }

    /// Whether a reader may be waiting for its last writer to close it.
    pub fn may_be_awaited(&self) -> bool {
        self.readers == Readers::MayWait
    }

    /// Whether `file` is this stream.
    pub fn is(&self, file: &File) -> bool {
        Identity::of_descriptor(file.as_raw_fd()) == Some(self.identity)
    }

    /// Whether the program still has it where it was at the start. It may be elsewhere as well.
    pub fn is_kept_by_program(&self) -> bool {
        // Of the process, not of this thread, which may have descriptors of its own.
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.number));
        Identity::of_path(&path) == Some(self.identity)
    }

    /// A second descriptor of it, if this thread has one.
    pub fn duplicate_here(&self) -> Option<File> {
        let is_it = |&number: &RawFd| is_writable(number, self.identity);
        [self.number].into_iter().chain(descriptors()).find(is_it).and_then(|number| {
            let copy = duplicate(number)?;
            // The program may have put another file there meanwhile.
            self.is(&copy).then_some(copy)
        })
    }

    /// A descriptor of it from wherever there is one: the program's, another process's, or the file.
    #[cfg(target_os = "linux")]
    pub fn find(&self) -> Option<File> {
        let own = std::process::id();
        let others = fs::read_dir("/proc").ok().into_iter().flatten().flatten();
        let others = others.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut processes = [own].into_iter().chain(others.filter(|&process| process != own));
        processes.find_map(|process| self.find_in(process)).or_else(|| self.reopen_file())
    }

    /// Other systems do not tell what processes have open.
    #[cfg(not(target_os = "linux"))]
    pub fn find(&self) -> Option<File> {
        self.duplicate_here().or_else(|| self.reopen_file())
    }

    /// A descriptor of it from those of a process.
    #[cfg(target_os = "linux")]
    fn find_in(&self, process: u32) -> Option<File> {
        let entries = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
        let it = entries.map(|entry| entry.path());
        it.filter(|path| Identity::of_path(path) == Some(self.identity)).find_map(|path| {
            let number = path.file_name()?.to_str()?.parse().ok()?;
            // The same descriptor has the same place in a file; but it may be a pipe's other end.
            let found = descriptor_of(process, number).filter(is_open_for_writing);
            found.or_else(|| reopen(&path)).filter(|file| self.is(file))
        })
    }

    /// The file opened once more, if it still has its name.
    fn reopen_file(&self) -> Option<File> {
        reopen(self.path.as_deref()?).filter(|file| self.is(file))
    }
}

/// Programs get, and expect, the lowest numbers. Linux has room for 64 from the start
/// (`NR_OPEN_DEFAULT`); a process with threads that needs more has to wait until no thread looks at the
/// old table: 12 ms for each program, measured.
const FIRST_FREE: RawFd = 48;

/// A second descriptor of `number`, closed by execve, out of the program's way if there is room.
pub fn duplicate(number: RawFd) -> Option<File> {
    [FIRST_FREE, 0].into_iter().find_map(|lowest| {
        // SAFETY: makes a new descriptor or fails.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, lowest) };
        // SAFETY: a descriptor that was just made and belongs to nobody else.
        (copy >= 0).then(|| unsafe { File::from_raw_fd(copy) })
    })
}

/// The numbers that this thread may have descriptors under.
fn descriptors() -> std::ops::Range<RawFd> {
    const DESCRIPTORS_SEARCHED: RawFd = 1024;
    0..DESCRIPTORS_SEARCHED
}

fn is_writable(number: RawFd, wanted: Identity) -> bool {
    Identity::of_descriptor(number) == Some(wanted)
        // SAFETY: the descriptor is used for this call only, which fails where there is none.
        && is_open_for_writing(&unsafe { BorrowedFd::borrow_raw(number) })
}

fn is_open_for_writing(file: &impl AsFd) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR))
}

/// Where this thread's descriptor is in `/proc`.
fn descriptor_path(number: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{number}"))
}

/// A second descriptor of another process's, as far as the system allows that.
#[cfg(target_os = "linux")]
fn descriptor_of(process: u32, number: RawFd) -> Option<File> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

    let process = Pid::from_raw(i32::try_from(process).ok()?)?;
    let owner = pidfd_open(process, PidfdFlags::empty()).ok()?;
    Some(File::from(pidfd_getfd(owner, number, PidfdGetfdFlags::empty()).ok()?))
}

/// What is at `path`, opened for text to be added at its end, without waiting for a pipe's reader.
fn reopen(path: &Path) -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().append(true).custom_flags(flags).open(path).ok()
}

/// Writes all of `text`, however slowly it is read. The program may have made the stream non-blocking.
/// Makes system calls only.
///
/// # Errors
/// Where it cannot be written.
pub fn write_all(file: BorrowedFd<'_>, text: &[u8]) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        match rustix::io::write(file, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for_reader(file, None)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until something can be written, for ever without a limit.
fn wait_for_reader(file: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.and_then(|limit| limit.try_into().ok());
    match poll(&mut [PollFd::new(&file, PollFlags::OUT)], limit.as_ref()) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether something can be written without waiting for a reader.
pub fn is_ready(file: &File) -> bool {
    wait_for_reader(file.as_fd(), Some(Duration::ZERO)).is_ok()
}

/// What a process locks while it writes a report, so that each report is in one piece.
#[derive(Debug)]
pub struct Turn(File);

impl Turn {
    /// How long a report waits at most: a reader may be slow.
    const LONGEST_WAIT: Duration = Duration::from_secs(1);

    /// That of reports to `stream`. `None` where it cannot be locked.
    pub fn new(stream: &File) -> Option<Self> {
        // A lock belongs to what was opened, which processes share after a fork. So it is opened again.
        reopen(&descriptor_path(stream.as_raw_fd())).map(Self)
    }

    /// Waits for other reports' ends. The turn ends when this is dropped. Makes system calls only.
    pub fn take(&self) {
        let begin = Instant::now();
        while self.is_taken_by_another() && begin.elapsed() < Self::LONGEST_WAIT {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes it unless another report has it.
    #[cfg(target_os = "linux")]
    fn is_taken_by_another(&self) -> bool {
        // Not that of `flock`, by which others keep a log to themselves as long as QEMU runs.
        // SAFETY: all zeros is a value of this struct, and means the whole file.
        let status = unsafe {
            let mut lock: libc::flock = std::mem::zeroed();
            lock.l_type = libc::c_short::try_from(libc::F_WRLCK).unwrap_or_default();
            libc::fcntl(self.0.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock)
        };
        status != 0
            && matches!(
                io::Error::last_os_error().raw_os_error(),
                Some(libc::EAGAIN | libc::EACCES)
            )
    }

    /// Other systems have no lock that processes do not share after a fork.
    #[cfg(not(target_os = "linux"))]
    fn is_taken_by_another(&self) -> bool {
        false
    }
}

impl AsRawFd for Turn {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Closes this thread's descriptors but those in `kept`, as far as this kernel has a call for that: of
/// pipes among them a reader may be waiting for the last writer to close. Makes system calls only. For who
/// has descriptors of its own.
pub fn close_all_but(kept: &mut [RawFd]) {
    kept.sort_unstable();
    let mut next = 0;
    for kept in kept.iter().map(|number| number.cast_unsigned()).chain([u32::MAX]) {
        if next < kept {
            // SAFETY: nothing of this thread uses them any more.
            unsafe { libc::syscall(libc::SYS_close_range, next, kept - 1, 0) };
        }
        next = kept.saturating_add(1);
    }
}

//! A report for when the process is no longer there to write it: across a successful `execve`.
//!
//! Whether the call succeeds is known only when it has not returned. So before it the finished text goes
//! to a process made for that, which waits at a socket whose other end the kernel closes at a successful
//! execve. If that end is closed it writes the text; if a byte comes, the call has failed and it forgets
//! it. The guest does not see it: it is no child of the guest's, and what is open for it is closed at
//! execve or has numbers out of the way.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use cachesim::options::Format;
use parking_lot::{Mutex, RawMutex};

use crate::files::LaterStream;
use crate::output::duplicate_high;

/// A thread in a call of execve.
struct Caller {
    thread: libc::pid_t,
    /// Our end of the socket to the process that has its text.
    socket: OwnedFd,
}

static CALLERS: Mutex<Vec<Caller>> = Mutex::new(Vec::new());

/// Of each [`Kind`] of text, whether one has been written: when one of several threads' calls succeeds, the
/// texts of all are due. In memory that this process shares with those that wait; null before the first.
static WRITTEN: AtomicPtr<[AtomicBool; Kind::ALL]> = AtomicPtr::new(ptr::null_mut());

/// What is written once.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The report.
    Report,
    /// A file beside it.
    File(Format),
}

impl Kind {
    const ALL: usize = 1 + Format::ALL.len();

    fn index(self) -> usize {
        match self {
            Self::Report => 0,
            Self::File(format) => 1 + format as usize,
        }
    }
}

/// The lock of this file, for forks.
pub fn lock() -> &'static RawMutex {
    // SAFETY: what is done to the lock is the caller's business.
    unsafe { CALLERS.raw() }
}

/// In a child of the guest's: the calls are its parent's, and the sockets are closed only when it has no
/// copy of them.
pub fn forget_in_child() {
    CALLERS.lock().clear();
    WRITTEN.store(ptr::null_mut(), Ordering::Relaxed);
}

/// [`WRITTEN`], made if there is none; for one thread at a time.
fn written() -> io::Result<&'static [AtomicBool; Kind::ALL]> {
    if WRITTEN.load(Ordering::Relaxed).is_null() {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let size = size_of::<[AtomicBool; Kind::ALL]>();
        // SAFETY: new memory, nowhere in particular.
        let memory = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        WRITTEN.store(memory.cast(), Ordering::Relaxed);
    }
    // SAFETY: what was mapped above, all zeros, which is false; it is never unmapped.
    Ok(unsafe { &*WRITTEN.load(Ordering::Relaxed) })
}

/// Has `text` written to `destination` if the execve that this thread is about to call succeeds; if other
/// threads call it too, of each kind only one text. If it returns, [`cancel`] has to be called. For one
/// thread at a time.
///
/// # Errors
/// Where the system has no process or descriptors left.
pub fn offer(kind: Kind, text: &str, destination: &LaterStream) -> io::Result<()> {
    let written = &written()?[kind.index()];
    let (ours, theirs) = socket_pair()?;
    // SAFETY: what runs in the new process is `wait_and_write`, made for that.
    let child = unsafe { new_process()? };
    if child == 0 {
        // The one that stays has no parent here, so that the guest never has to wait for it.
        // SAFETY: as before.
        if matches!(unsafe { new_process() }, Ok(0)) {
            drop(ours);
            wait_and_write(theirs.as_raw_fd(), text.as_bytes(), destination, written);
        }
        // SAFETY: ends this process, and runs nothing of the one it is a copy of.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the process just made, which ends at once.
    while unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
    CALLERS.lock().push(Caller { thread: this_thread(), socket: ours });
    Ok(())
}

/// The execve of this thread has returned: what was offered is forgotten.
pub fn cancel() {
    let this_thread = this_thread();
    CALLERS.lock().extract_if(.., |caller| caller.thread == this_thread).for_each(Caller::cancel);
}

/// The report is about to be written, whatever becomes of threads in execve: what was offered is
/// forgotten.
pub fn cancel_all() {
    CALLERS.lock().drain(..).for_each(Caller::cancel);
}

impl Caller {
    fn cancel(self) {
        let byte = [0_u8];
        // SAFETY: one byte of ours. If nobody is there to read it, nobody will write either.
        unsafe { libc::send(self.socket.as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
    }
}

fn this_thread() -> libc::pid_t {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
}

/// Two connected sockets, closed by execve, with high numbers.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: writes two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: two descriptors that were just made and belong to nobody else.
    let pair = pair.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) });
    let high = |low: OwnedFd| {
        let high = duplicate_high(low.as_raw_fd()).map(OwnedFd::from);
        high.ok_or_else(io::Error::last_os_error)
    };
    let [ours, theirs] = pair;
    Ok((high(ours)?, high(theirs)?))
}

/// A copy of this process with this thread only, whose end tells nobody; 0 in it.
///
/// # Safety
/// Other threads' locks stay as they are in the copy: it may do nothing but system calls.
unsafe fn new_process() -> io::Result<libc::pid_t> {
    // Not `fork`: that would run QEMU's handlers for the guest's forks, and send SIGCHLD at the end.
    // SAFETY: without flags and a stack this is a plain fork, whose order of arguments does not matter.
    let process = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if process < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::pid_t::try_from(process).map_err(io::Error::other)
}

/// Waits at `socket` and writes `text` to `destination` if it is closed and nobody else has `written`,
/// nothing if a byte comes.
fn wait_and_write(socket: RawFd, text: &[u8], destination: &LaterStream, written: &AtomicBool) {
    // SAFETY: system calls only, on this process and what was made for it.
    unsafe {
        // QEMU's handlers must not run here, and an interrupt at the terminal not lose the report.
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut());
        let open = match destination {
            LaterStream::Open(file) => file.as_raw_fd(),
            LaterStream::Pipe(_) => socket,
        };
        close_all_but(socket, open);
        let mut byte = 0_u8;
        if libc::read(socket, (&raw mut byte).cast(), 1) != 0 {
            return;
        }
        if written.swap(true, Ordering::Relaxed) {
            return;
        }
        let destination = match destination {
            LaterStream::Open(_) => open,
            LaterStream::Pipe(name) => {
                // Not waiting for a reader. What cannot be opened cannot be written either.
                let pipe = libc::open(name.as_ptr(), libc::O_WRONLY | libc::O_NONBLOCK);
                libc::fcntl(pipe, libc::F_SETFL, 0);
                pipe
            }
        };
        let mut rest = text;
        while !rest.is_empty() {
            let written = libc::write(destination, rest.as_ptr().cast(), rest.len());
            match usize::try_from(written) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                _ => return,
            }
        }
    }
}

/// Closes this process's other descriptors, as far as this kernel has a call for that: of pipes among
/// them a reader may be waiting for the last writer to close.
///
/// # Safety
/// Nothing here uses them any more.
unsafe fn close_all_but(a: RawFd, b: RawFd) {
    let (low, high) = (a.min(b).cast_unsigned(), a.max(b).cast_unsigned());
    for unused in [0..low, low + 1..high, high + 1..u32::MAX] {
        if !unused.is_empty() {
            // SAFETY: the caller's promise.
            unsafe { libc::syscall(libc::SYS_close_range, unused.start, unused.end - 1, 0) };
        }
    }
}

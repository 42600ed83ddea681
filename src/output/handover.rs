//! A report for when the process is no longer there to write it: across a successful `execve`.
//!
//! Whether the call succeeds is known only when it has not returned. So before it the finished text goes
//! to a process made for that, which waits at a socket whose other end the kernel closes at a successful
//! execve. If that end is closed it writes the text; if a byte comes, the call has failed and it forgets
//! it. The guest does not see it: it is no child of the guest's, and what is open for it is closed at
//! execve or has numbers out of the way.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use options::Format;
use parking_lot::{Mutex, RawMutex};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use super::file::LaterStream;
use super::stream::{self, Turn};

/// A thread's number in the system.
pub type Thread = libc::pid_t;

/// A thread in a call of execve.
struct Caller {
    thread: Thread,
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

/// In a child of the guest's: the calls are its parent's. Nothing is closed: the sockets are numbers in the
/// table of the parent's report thread, under which the child may have files of its own.
pub fn forget_in_child() {
    mem::forget(mem::take(&mut *CALLERS.lock()));
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

/// Has `text` written to `destination` if the execve that `thread` is about to call succeeds; if other
/// threads call it too, of each kind only one text. If it returns, [`cancel`] has to be called. For the
/// report thread: its descriptors go with it.
///
/// # Errors
/// Where the system has no process or descriptors left.
pub fn offer(
    kind: Kind,
    thread: Thread,
    text: &[u8],
    destination: &LaterStream<'_>,
) -> io::Result<()> {
    let written = &written()?[kind.index()];
    let turn = match destination {
        LaterStream::Open(file) => Turn::new(file),
        LaterStream::Pipe(_) => None,
    };
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: what runs in the new process is `wait_and_write`, made for that.
    let child = unsafe { new_process()? };
    if child == 0 {
        // The one that stays has no parent here, so that the guest never has to wait for it.
        // SAFETY: as before.
        if matches!(unsafe { new_process() }, Ok(0)) {
            drop(ours);
            wait_and_write(&theirs, text, destination, turn.as_ref(), written);
        }
        // SAFETY: ends this process, and runs nothing of the one it is a copy of.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the process just made, which ends at once.
    while unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
    CALLERS.lock().push(Caller { thread, socket: ours });
    Ok(())
}

/// The execve of `thread` has returned: what was offered is forgotten.
pub fn cancel(thread: Thread) {
    CALLERS.lock().extract_if(.., |caller| caller.thread == thread).for_each(Caller::cancel);
}

/// The report is about to be written, whatever becomes of threads in execve: what was offered is
/// forgotten.
pub fn cancel_all() {
    CALLERS.lock().drain(..).for_each(Caller::cancel);
}

impl Caller {
    fn cancel(self) {
        // If nobody is there to read it, nobody will write either.
        let _ = send(&self.socket, &[0], SendFlags::NOSIGNAL);
    }
}

/// This thread.
pub fn this_thread() -> Thread {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
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
/// nothing if a byte comes. Makes system calls only.
fn wait_and_write(
    socket: &OwnedFd,
    text: &[u8],
    destination: &LaterStream<'_>,
    turn: Option<&Turn>,
    written: &AtomicBool,
) {
    // QEMU's handlers must not run here, and an interrupt at the terminal not lose the report.
    // SAFETY: all zeros is a value of this type; of this process, in which nothing else runs.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut());
    }
    let file = match destination {
        LaterStream::Open(file) => Some(file),
        LaterStream::Pipe(_) => None,
    };
    let kept =
        [Some(socket.as_raw_fd()), file.map(|file| file.as_raw_fd()), turn.map(Turn::as_raw_fd)];
    stream::close_all_but(&mut kept.map(|kept| kept.unwrap_or(socket.as_raw_fd())));
    let has_failed = !matches!(rustix::io::read(socket, &mut [0_u8]), Ok(0));
    if has_failed || written.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(turn) = turn {
        turn.take();
    }
    // What cannot be opened or written is lost: there is nobody to tell.
    let _ = match destination {
        LaterStream::Open(file) => stream::write_all(file.as_fd(), text),
        LaterStream::Pipe(name) => write_to_pipe(name, text),
    };
}

/// Without waiting for a reader to open it.
fn write_to_pipe(name: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    let pipe = open(name, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
    fcntl_setfl(&pipe, OFlags::empty())?;
    stream::write_all(pipe.as_fd(), text)
}

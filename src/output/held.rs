//! The streams of the start, as the thread that writes reports has them open.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RawMutex};

use super::stream::{self, Stream, Turn};

/// Which stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// QEMU's log, if it is a file.
    Log,
}

/// A stream of the start, and whether a descriptor of it is kept.
#[derive(Debug)]
pub struct Known {
    /// The stream.
    pub stream: Stream,
    /// Whether anything is meant to be written to it.
    pub is_wanted: bool,
}

/// The streams of the start; `None` for what was not open, or is not asked for.
#[derive(Debug, Default)]
pub struct Streams([Option<Known>; 3]);

impl Streams {
    /// The one of this name.
    pub fn get(&self, name: Name) -> Option<&Known> {
        self.0[name as usize].as_ref()
    }

    /// Puts one there.
    pub fn set(&mut self, name: Name, known: Option<Known>) {
        self.0[name as usize] = known;
    }

    /// Notes that something is to be written to the one of this name.
    pub fn want(&mut self, name: Name) {
        if let Some(known) = &mut self.0[name as usize] {
            known.is_wanted = true;
        }
    }
}

/// How often to look whether the program has let go of a stream that somebody may wait for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Descriptors of the streams of the start. They belong to one thread, which may have a table of
/// descriptors of its own.
#[derive(Debug)]
pub struct Held {
    streams: &'static Streams,
    files: [Option<File>; 3],
    /// How often in a row the program was seen without the stream.
    absences: [u32; 3],
    last_look: Instant,
}

impl Held {
    /// Descriptors of those streams that are wanted and that this thread has. Of what somebody may wait
    /// for there is none where the program has let go of it.
    pub fn new(streams: &'static Streams) -> Self {
        let open = |known: &Known| {
            let Known { stream, is_wanted } = known;
            let keep = if stream.may_be_awaited() {
                *is_wanted && stream.is_kept_by_program()
            } else {
                true
            };
            keep.then(|| stream.duplicate_here()).flatten()
        };
        let files = streams.0.each_ref().map(|known| known.as_ref().and_then(open));
        Self { streams, files, absences: [0; 3], last_look: Instant::now() }
    }

    /// The descriptors, for who closes all others.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().flatten()
    }

    /// When to look next whether a stream should be let go, if one may be.
    pub fn next_look(&self) -> Option<Duration> {
        let mut watched = self.files.iter().zip(&self.streams.0);
        let is_watched = watched.any(|(file, known)| {
            file.is_some() && known.as_ref().is_some_and(|known| known.stream.may_be_awaited())
        });
        is_watched.then(|| LOOK_EVERY.saturating_sub(self.last_look.elapsed()))
    }

    /// Closes what somebody may wait for and the program no longer has. Not at once: it may be about to
    /// end, as programs do that close standard error last.
    pub fn let_go(&mut self) {
        if self.last_look.elapsed() < LOOK_EVERY {
            return;
        }
        self.last_look = Instant::now();
        for (index, known) in self.streams.0.iter().enumerate() {
            let Some(Known { stream, .. }) = known else { continue };
            if self.files[index].is_none() || !stream.may_be_awaited() {
                continue;
            }
            self.absences[index] =
                if stream.is_kept_by_program() { 0 } else { self.absences[index] + 1 };
            if self.absences[index] >= 2 {
                self.files[index] = None;
            }
        }
    }

    /// The stream, from wherever there is a descriptor of it.
    pub fn open(&self, name: Name) -> Option<Opened<'_>> {
        let Known { stream, .. } = self.streams.get(name)?;
        // Where this thread's table is the program's it may be another file by now.
        let held = self.files[name as usize].as_ref().filter(|file| stream.is(file));
        let found = || stream.duplicate_here().or_else(|| stream.find()).map(Opened::Now);
        held.map(Opened::Before).or_else(found)
    }

    /// Writes all of `text` to the stream.
    ///
    /// # Errors
    /// Where it is gone, or cannot be written.
    pub fn write(&self, name: Name, text: &[u8]) -> io::Result<()> {
        let file = self.open(name).ok_or(io::ErrorKind::NotFound)?;
        let turn = Turn::new(&file).inspect(Turn::take);
        let written = stream::write_all(file.as_fd(), text);
        drop(turn);
        written
    }

    /// Writes a line of libcache's own to standard error. Where that is gone nobody is left to tell.
    pub fn complain(&self, message: &str) {
        let _ = self.write(Name::Stderr, format!("cache: {message}\n").as_bytes());
    }

    /// Writes what other threads have left here.
    pub fn write_complaints(&self) {
        for complaint in std::mem::take(&mut *COMPLAINTS.lock()) {
            self.complain(&complaint);
        }
    }

    /// What standard error is, for a line that may as well not be written.
    pub fn display(&self) -> Display {
        match self.open(Name::Stderr).filter(|file| stream::is_ready(file)) {
            Some(file) if file.is_terminal() => Display::Terminal,
            Some(_) => Display::Plain,
            None => Display::None,
        }
    }
}

/// A descriptor of a stream.
pub enum Opened<'a> {
    /// That which is held.
    Before(&'a File),
    /// One that was found.
    Now(File),
}

impl Deref for Opened<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Before(file) => file,
            Self::Now(file) => file,
        }
    }
}

/// See [`Held::display`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Display {
    /// A terminal.
    Terminal,
    /// Anything else.
    Plain,
    /// Gone, or full: writing would wait for a reader.
    None,
}

/// Lines that wait for the thread that writes.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Leaves a line for the thread that writes.
pub fn leave_complaint(message: String) {
    COMPLAINTS.lock().push(message);
}

/// The lock of this file, for forks.
pub fn lock() -> &'static RawMutex {
    // SAFETY: what is done to the lock is the caller's business.
    unsafe { COMPLAINTS.raw() }
}

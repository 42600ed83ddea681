//! Files that appear whole or not at all, and streams, to which text is added.

use std::ffi::CString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_setfl};

use super::held::Opened;
use super::stream;

/// Makes `contents` what is in the file at `path`. Who reads it finds what was there before or all of
/// this, also if the process is killed meanwhile. To a stream it is written.
///
/// A file in a directory that may not be written is written in its place.
///
/// # Errors
/// Where the file cannot be written, and those of `contents`; then it is what it was, as a rule.
pub fn replace(path: &Path, contents: Contents<'_>) -> io::Result<()> {
    if let Some(stream) = stream(path) {
        return stream::write_all(stream?.as_fd(), &whole(contents)?);
    }
    // What a symbolic link points to is replaced, not the link.
    let path = &followed(path);
    let before = fs::metadata(path).ok();
    // As a new file has them; what the umask takes away is taken.
    let permissions = before.as_ref().map_or(Permissions::from_mode(0o666), Metadata::permissions);
    let replaced = beside(path, &permissions).and_then(|mut file| {
        // Not by its own methods, whose errors tell a name that nobody knows.
        let mut out = BufWriter::with_capacity(PIECE_BYTES, file.as_file_mut());
        contents(&mut out)?;
        out.flush()?;
        drop(out);
        Ok(file.persist(path)?)
    });
    match replaced {
        // The directory's, or one of `/tmp`, whose files only their owners may replace.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && before.is_some() => {
            fs::write(path, whole(contents)?)
        }
        other => other.map(drop),
    }
}

/// Writes a text to what it is given, in any number of pieces; if it is called again, the same text.
pub type Contents<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// What a file takes at a time.
const PIECE_BYTES: usize = 64 << 10;

/// All of `contents`, for where a part of it must not be seen.
///
/// # Errors
/// Those of `contents`.
pub fn whole(contents: Contents<'_>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    contents(&mut text)?;
    Ok(text)
}

/// Checks as far as possible that [`replace`] can do it. Nothing is changed.
///
/// # Errors
/// Where it cannot.
pub fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        // To open a pipe would wait for its reader, or be the writer that this waits for.
        Ok(before) if !before.is_file() => Ok(()),
        Ok(_) => OpenOptions::new().append(true).open(path).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            beside(&followed(path), &Permissions::from_mode(0o600)).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Whether `path` names a pipe, a terminal or a device, to which text is added.
pub fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file())
}

/// What `path` names, if it is there and no file to be replaced: a pipe, a terminal, a device.
fn stream(path: &Path) -> Option<io::Result<File>> {
    let there = fs::metadata(path).ok()?;
    (!there.is_file()).then(|| open_stream(path, &there))
}

/// A stream to which something may be written later.
pub enum LaterStream<'a> {
    /// It is open.
    Open(Opened<'a>),
    /// A pipe with this name. To open and close it without writing would end its reader.
    Pipe(CString),
}

/// What `path` names, if it is a stream and what is written to it may wait for a while: not to a device,
/// which would not say then what is wrong with it.
pub fn later_stream(path: &Path) -> Option<LaterStream<'static>> {
    let named = fs::canonicalize(path).ok();
    let is_pipe = |path: &Path| fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo());
    if let Some(pipe) = named.filter(|named| is_pipe(named)) {
        return CString::new(pipe.into_os_string().into_encoded_bytes())
            .ok()
            .map(LaterStream::Pipe);
    }
    let stream = stream(path)?.ok()?;
    let is_device = stream.metadata().ok()?.file_type().is_char_device();
    (!is_device || stream.is_terminal()).then_some(LaterStream::Open(Opened::Now(stream)))
}

fn open_stream(path: &Path, there: &Metadata) -> io::Result<File> {
    // Not waiting for a reader: there may never be one.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) if there.file_type().is_fifo() => {
            io::Error::new(error.kind(), "nobody reads this pipe")
        }
        _ => error,
    })?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Where `path` leads, also if nothing is there yet.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many as the kernel follows.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = parent(&path).join(target);
    }
    path
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// A file whose name nobody knows, in the directory of `path`.
fn beside(path: &Path, permissions: &Permissions) -> io::Result<tempfile::NamedTempFile> {
    // The error that is returned tells the name.
    let mut code = None;
    let open = |path: &Path| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(permissions.mode());
        options.open(path).inspect_err(|error| code = error.raw_os_error())
    };
    let made = tempfile::Builder::new().prefix(".libcache-").make_in(parent(path), open);
    made.map_err(|error| code.map_or(error, io::Error::from_raw_os_error))
}

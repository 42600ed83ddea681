//! Where what is made goes: standard output, or a file that appears whole or not at all.

use std::fmt::Display;
use std::fs::Permissions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use anyhow::Context as _;
use cachesim::escape::escape;

/// Whether this is standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Has `write` write to `path`; `-` is standard output. A file that is there is replaced once all is written.
///
/// # Errors
/// Those of `write`, and where the file cannot be made.
pub fn write_to(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    if is_stdout(path) {
        return to_stdout(write);
    }
    let result = match path.metadata() {
        // A pipe or a terminal is not replaced.
        Ok(metadata) if !metadata.is_file() => std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| buffered(file, write).map(drop)),
        _ => replace(path, write),
    };
    result.with_context(|| format!("cannot write {}", escape(&path.to_string_lossy())))
}

/// Has `write` write to standard output. Who closed it has seen enough.
///
/// # Errors
/// Those of `write`.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    match buffered(io::stdout().lock(), write) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map(drop).context("cannot write to standard output"),
    }
}

/// Prints a line on standard error, as the command's own.
pub fn tell(line: impl Display) {
    // It may be a pipe that nobody reads any more, and nobody is left to be told.
    let _ = writeln!(io::stderr(), "libcache: {line}");
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".libcache-");
    #[cfg(unix)]
    let permissions: Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    // The name of the file that could not be made says nothing to the user.
    let without_name = |error: io::Error| {
        let text = error.to_string();
        let (why, _) = text.split_once(" at path ").unwrap_or((&text, ""));
        io::Error::new(error.kind(), why)
    };
    let file = buffered(builder.tempfile_in(folder).map_err(without_name)?, write)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn buffered<W: Write>(
    out: W,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<W> {
    let mut out = BufWriter::new(out);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        write_to(&path, |out| out.write_all(b"first")).unwrap();
        write_to(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        })
        .unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let error = write_to(Path::new("/nowhere/at/all"), |_| Ok(())).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write /nowhere/at/all: "), "{error:#}");
    }
}

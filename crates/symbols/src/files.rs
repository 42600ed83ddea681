//! The contents of the files that symbols come from.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use typed_arena::Arena;

/// Larger files are not read: no linker writes them, but a sparse file can claim any size.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// A file of the guest, as it was when the guest got it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestFile {
    /// Its path, as this process finds it, and for people.
    pub path: PathBuf,
    /// Which file the path led to.
    pub expected: Expected,
    /// Where else this process may have it, if the path leads to another file: `/proc/self/fd/9`.
    pub also_at: Vec<PathBuf>,
}

impl GuestFile {
    /// Whatever is at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), expected: Expected::Any, also_at: Vec::new() }
    }

    /// The content, of wherever it is still what the guest had.
    ///
    /// # Errors
    /// As [`read_elf`], or that it is another file everywhere.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let read = |path: &Path| read_expected(path, self.expected);
        read(&self.path)
            .or_else(|error| self.also_at.iter().find_map(|path| read(path).ok()).ok_or(error))
    }
}

/// What a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Any file is taken for the guest's.
    Any,
    /// This one.
    Version(Version),
    /// It was gone before it could be looked at: no file is the guest's.
    Nothing,
}

/// Tells a file from others, and from what it is once it has been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    device: u64,
    inode: u64,
    size_bytes: u64,
    /// When it was last written to, in seconds and nanoseconds.
    modified: (i64, i64),
}

impl Version {
    /// Of the file that this was read from.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Whether it was written to after the other one.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.modified > other.modified
    }
}

/// The contents of the files, whole and in memory: who changes a file meanwhile changes nothing here.
///
/// It is apart from [`Symbols`](crate::Symbols), which borrows from it, and is empty at first.
#[derive(Default)]
pub struct Files {
    contents: Arena<Vec<u8>>,
}

impl Files {
    /// Keeps `content` for as long as this lives.
    pub(crate) fn keep(&self, content: Vec<u8>) -> &[u8] {
        self.contents.alloc(content)
    }
}

/// Reads a regular file that begins as an ELF file does.
///
/// # Errors
/// As the system says, or [`io::ErrorKind::InvalidData`] with the reason.
pub(crate) fn read_elf(path: &Path) -> io::Result<Vec<u8>> {
    read_expected(path, Expected::Any)
}

/// The same, if it is what is expected.
fn read_expected(path: &Path, expected: Expected) -> io::Result<Vec<u8>> {
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return refuse("not a regular file");
    }
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let is_it = match expected {
        Expected::Any => true,
        Expected::Version(version) => version == Version::of(&metadata),
        Expected::Nothing => false,
    };
    if !is_it {
        return refuse("changed or replaced while the guest ran: no names are taken from it");
    }
    let size_bytes = metadata.len();
    if size_bytes > MAX_FILE_BYTES {
        return refuse("too large, more than 4 GiB");
    }
    let mut content = Vec::new();
    (&mut file).take(4).read_to_end(&mut content)?;
    if content != b"\x7fELF" {
        return refuse("not an ELF file");
    }
    if content.try_reserve_exact(usize::try_from(size_bytes).unwrap_or(usize::MAX)).is_err() {
        return refuse("no memory to read it");
    }
    file.take(MAX_FILE_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(path: &Path) -> GuestFile {
        let version = Version::of(&path.metadata().unwrap());
        GuestFile { expected: Expected::Version(version), ..GuestFile::at(path) }
    }

    #[test]
    fn a_file_that_is_replaced_is_read_where_it_is_still_to_be_had() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "\x7fELF old").unwrap();
        let mut old = file(&path);
        assert_eq!(old.read().unwrap(), b"\x7fELF old");
        let kept = directory.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        assert_eq!(old.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "\x7fELF new").unwrap();
        assert!(old.read().unwrap_err().to_string().contains("changed or replaced"));
        old.also_at = vec![path.clone(), kept];
        assert_eq!(old.read().unwrap(), b"\x7fELF old");
        let gone = GuestFile { expected: Expected::Nothing, ..GuestFile::at(&path) };
        assert!(gone.read().is_err() && GuestFile::at(path).read().is_ok());
    }

    #[test]
    fn a_file_that_is_written_to_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "\x7fELF old").unwrap();
        let old = file(&path);
        fs::write(&path, "\x7fELF longer").unwrap();
        assert!(old.read().is_err());
        // Of the same size: the time tells.
        let old = file(&path);
        let written = fs::File::options().write(true).open(&path).unwrap();
        written.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(old.read().is_err());
    }
}

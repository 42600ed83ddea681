//! The contents of the files that symbols come from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use typed_arena::Arena;

/// Larger files are not read: no linker writes them, but a sparse file can claim any size.
const MAX_FILE_BYTES: u64 = 4 << 30;

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
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return refuse("not a regular file");
    }
    let mut file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
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

//! Files that appear whole or not at all.

use std::ffi::c_int;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::output::{duplicate_high, without_sigpipe};

/// Makes `contents` what is in the file at `path`. Who reads it finds what was there before or all of
/// this, also if the process is killed meanwhile. What is no regular file, such as a pipe, is written to, and
/// so is what a name such as `/dev/stdout` means.
///
/// # Errors
/// Where the file cannot be written; then it is what it was.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(descriptor) = own_descriptor(path) {
        let mut file = duplicate_high(descriptor).ok_or(io::ErrorKind::NotFound)?;
        return without_sigpipe(|| file.write_all(contents));
    }
    // What a symbolic link points to is replaced, not the link.
    let target = fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        return without_sigpipe(|| file.write_all(contents));
    }
    // As a new file has them; what the umask takes away is taken.
    let permissions = before.map_or(Permissions::from_mode(0o666), |before| before.permissions());
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".libcache-")
        .permissions(permissions)
        .tempfile_in(directory)?;
    file.write_all(contents)?;
    file.persist(path)?;
    Ok(())
}

/// The file descriptor of this process that `path` is a name of: `/dev/stdout`, `/dev/fd/1`,
/// `/proc/self/fd/1`. Others write to it too, so it must not be replaced.
fn own_descriptor(path: &Path) -> Option<c_int> {
    let descriptors = fs::canonicalize("/proc/self/fd").ok()?;
    let mut path = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let directory = fs::canonicalize(path.parent()?).ok()?;
        if directory == descriptors {
            return path.file_name()?.to_str()?.parse().ok();
        }
        path = directory.join(fs::read_link(&path).ok()?);
    }
    None
}

//! Files that appear whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes `contents` what is in the file at `path`. Who reads it finds what was there before or all of
/// this, also if the process is killed meanwhile. What is no regular file, such as a pipe, is written to.
///
/// # Errors
/// Where the file cannot be written; then it is what it was.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    // What a symbolic link points to is replaced, not the link.
    let target = fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(contents);
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

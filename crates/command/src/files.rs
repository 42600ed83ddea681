//! Looking for executables as a shell does.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Whether a name is a path, so that it is not looked for.
pub fn is_path(name: &OsStr) -> bool {
    name.as_bytes().contains(&b'/')
}

/// Whether this is a file that may be executed.
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The directories of `PATH`.
pub fn directories() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // An empty one means the current directory.
    let here = |directory: PathBuf| {
        if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory }
    };
    env::split_paths(&path).map(here).collect()
}

/// The first executable of this name in `PATH`.
pub fn in_path(name: &OsStr) -> Option<PathBuf> {
    directories().into_iter().map(|directory| directory.join(name)).find(|path| is_executable(path))
}

//! The QEMUs of this machine: those in `PATH` and those that `setup` has got.

mod probe;
mod survey;

pub use probe::{Ability, ability};
pub use survey::{Group, Kind, describe, survey};

use super::failure::{Failure, Status};
use super::{files, places};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// No QEMU of a name that loads plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoneFound {
    name: String,
    /// Those of that name that there are.
    unable: Vec<PathBuf>,
}

impl NoneFound {
    /// What is missing, as the beginning of a sentence.
    pub fn what(&self) -> String {
        let Self { name, unable } = self;
        match unable.first() {
            Some(path) => {
                format!("no {name} here that loads plugins ({} does not)", path.display())
            }
            None => format!("no {name} here"),
        }
    }
}

/// The first QEMU called `name` that loads plugins, in `PATH` and then among those of `setup`.
pub fn find(name: &str) -> Result<PathBuf, NoneFound> {
    let mut unable = Vec::new();
    for directory in directories() {
        let path = directory.join(name);
        if !files::is_executable(&path) {
            continue;
        }
        match ability(&path) {
            Ability::Plugins => return Ok(path),
            Ability::None => unable.push(path),
        }
    }
    Err(NoneFound { name: name.to_owned(), unable })
}

/// The QEMU that the user names: the file itself, or the one called `name` in a directory.
pub fn named(place: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = if place.is_dir() { place.join(name) } else { place.to_owned() };
    let refuse =
        |why: &str| Err(Failure::new(Status::NotStarted, format!("{}: {why}", path.display())));
    if !path.exists() {
        return refuse("no such QEMU");
    }
    if !files::is_executable(&path) {
        return refuse("cannot be executed");
    }
    match ability(&path) {
        // A name without a slash would be looked for in PATH.
        Ability::Plugins => Ok(std::path::absolute(&path).unwrap_or(path)),
        Ability::None => {
            refuse("this QEMU cannot load plugins; `libcache setup` gets one that can")
        }
    }
}

/// Where QEMUs are looked for. Of those that `setup` has got, the newest come first.
fn directories() -> Vec<PathBuf> {
    let mut directories = files::directories();
    let root = places::cache_directory().map(|cache| cache.join("qemu"));
    let mut own: Vec<PathBuf> = root
        .and_then(|root| fs::read_dir(root).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        // What is not finished has no such file yet.
        .filter(|path| path.join(".recipe").is_file())
        .collect();
    own.sort_by_key(|path| std::cmp::Reverse(release(path.file_name().unwrap_or_default())));
    directories.extend(own.into_iter().map(|path| path.join("bin")));
    let mut seen = Vec::new();
    // /bin is often a link to /usr/bin.
    directories.retain(|directory| {
        let Ok(real) = directory.canonicalize() else { return false };
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new
    });
    directories
}

/// The numbers that a directory's name begins with, such as those of `10.0-user`.
fn release(name: &OsStr) -> Vec<u32> {
    let name = name.to_string_lossy();
    let number = name.split('-').next().unwrap_or_default();
    number.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_as_numbers() {
        assert!(release(OsStr::new("10.0-user")) > release(OsStr::new("7.2")));
        assert!(release(OsStr::new("10.2")) > release(OsStr::new("10.0-user")));
        assert!(release(OsStr::new("other")) < release(OsStr::new("7.2")));
    }
}

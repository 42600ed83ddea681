//! Where the command keeps and finds files of its own.

use super::failure::{Failure, Status};
use std::env::{self, consts};
use std::path::{Path, PathBuf};

/// The plugin's file.
pub const PLUGIN_VARIABLE: &str = "LIBCACHE_PLUGIN";

/// The directory for what `setup` gets: `LIBCACHE_CACHE`, or `libcache` in the user's cache directory. The scripts
/// that fill it decide in the same way.
pub fn cache_directory() -> Option<PathBuf> {
    let of_variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = of_variable("LIBCACHE_CACHE").or_else(|| {
        let user = of_variable("XDG_CACHE_HOME");
        user.or_else(|| Some(of_variable("HOME")?.join(".cache"))).map(|user| user.join("libcache"))
    })?;
    std::path::absolute(directory).ok()
}

/// The plugin: the one that is named, else the one that came with this command.
pub fn plugin(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        // QEMU gives a name without a slash to the dynamic linker, which looks elsewhere for it.
        let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return if file.is_file() {
            Ok(file)
        } else {
            Err(Failure::new(
                Status::NotStarted,
                format!(
                    "{}: no such plugin; --plugin and {PLUGIN_VARIABLE} name its file",
                    path.display()
                ),
            ))
        };
    }
    let name = format!("libcache{}", consts::DLL_SUFFIX);
    let own = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let directory = own.parent().unwrap_or(Path::new("/"));
    let places = [directory.join(&name), directory.join("../lib/libcache").join(&name)];
    match places.iter().find(|place| place.is_file()) {
        Some(place) => Ok(place.canonicalize().unwrap_or_else(|_| place.clone())),
        None => Err(Failure::new(
            Status::NotStarted,
            format!(
                "no {name} beside this command or in ../lib/libcache; build it with `cargo build --release` or \
                 name it with --plugin"
            ),
        )),
    }
}

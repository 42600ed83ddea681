//! Where the loader and the libraries of a foreign program are: what QEMU's `-L` names.

use super::failure::{Failure, Status};
use super::guest::{Program, debian_package, target_of};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// QEMU's own variable for `-L`.
const QEMU_VARIABLE: &str = "QEMU_LD_PREFIX";

/// The directory for `-L`, if one is needed: `named`, else the first that has the program's loader. A static
/// program needs none, nor one whose loader is in its own place, nor one for which QEMU is told by its variable.
pub fn find(program: &Program, named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(root) = named {
        return if root.is_dir() {
            Ok(Some(root.to_owned()))
        } else {
            Err(Failure::new(
                Status::NotStarted,
                format!("--sysroot {}: no such directory", root.display()),
            ))
        };
    }
    let Some(loader) = &program.loader else { return Ok(None) };
    if env::var_os(QEMU_VARIABLE).is_some() || has_loader(Path::new("/"), loader, program) {
        return Ok(None);
    }
    let roots = candidates();
    match roots.into_iter().find(|root| has_loader(root, loader, program)) {
        Some(root) => Ok(Some(root)),
        None => Err(missing(program, loader)),
    }
}

/// The directories with libraries of another architecture, for a bug report: those that have a loader.
pub fn all() -> Vec<PathBuf> {
    let has_any_loader = |root: &PathBuf| {
        let library =
            |directory: &str| fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
        let mut names = ["lib", "lib64", "usr/lib"]
            .into_iter()
            .flat_map(library)
            .map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("ld"))
    };
    candidates().into_iter().filter(has_any_loader).collect()
}

/// Where distributions put them: cross compilers' `/usr/TRIPLET`, with Fedora's `sys-root` in it, and the two
/// prefixes that are compiled into Debian's QEMUs.
fn candidates() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for parent in ["/usr", "/etc/qemu-binfmt", "/usr/gnemul"] {
        let mut directories: Vec<PathBuf> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        directories.sort();
        for directory in directories {
            roots.push(directory.join("sys-root"));
            roots.push(directory);
        }
    }
    roots.retain(|root| root.is_dir());
    roots
}

/// Whether the loader below `root` is there, and of the program's architecture: several share a name.
fn has_loader(root: &Path, loader: &Path, program: &Program) -> bool {
    let loader = root.join(loader.strip_prefix("/").unwrap_or(loader));
    target_of(&loader) == Some(program.target)
}

fn missing(program: &Program, loader: &Path) -> Failure {
    let remedy = match debian_package(program.target, &loader.to_string_lossy()) {
        Some(package) => format!("install {package} (Debian, Ubuntu)"),
        None => "build it with -static".to_owned(),
    };
    Failure::new(
        Status::NotStarted,
        format!(
            "{}: needs the loader {}, which is nowhere here; {remedy}, or name the directory that has it \
             with --sysroot",
            program.path.display(),
            loader.display(),
        ),
    )
}

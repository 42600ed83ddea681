//! Debug information in files of its own, as GDB finds it ("Separate Debug Files" in its manual): by
//! the build-id, or by the name and checksum in `.gnu_debuglink`; and what several such files share,
//! by `.gnu_debugaltlink`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use object::Object as _;

use crate::elf::Elf;
use crate::files::{Files, read_elf};
use crate::names::lossy;
use crate::warnings::Warnings;

/// Where distributions install debug information.
const DEBUG_DIRECTORY: &str = "usr/lib/debug";

/// Finds debug information, on this system and in a system for the guest.
pub(crate) struct Finder {
    /// Absolute, `/` the last.
    roots: Vec<PathBuf>,
}

/// How to know that a file is the one that was looked for.
#[derive(Clone, Copy)]
enum Proof<'data> {
    BuildId(&'data [u8]),
    Checksum(u32),
}

impl Finder {
    /// The sysroot is looked through before this system.
    pub(crate) fn new(sysroot: Option<&Path>) -> Self {
        let mut roots = Vec::new();
        if let Some(sysroot) = sysroot {
            // Mappings name files by their real paths, users by others.
            roots.extend(sysroot.canonicalize());
            roots.extend(std::path::absolute(sysroot));
        }
        roots.push(PathBuf::from("/"));
        roots.dedup();
        Self { roots }
    }

    /// The file with the debug information of `elf`, if it names one and that is found.
    pub(crate) fn debug_file<'files>(
        &self,
        elf: &Elf,
        files: &'files Files,
        warnings: &mut Warnings,
    ) -> Option<Elf<'files>> {
        if let Ok(Some(id)) = elf.file.build_id()
            && let Some(found) = self.by_build_id(id, files, warnings)
        {
            return Some(found);
        }
        let (name, checksum) = elf.file.gnu_debuglink().ok()??;
        // A name, not a path to anywhere.
        if name.is_empty() || name == b".." || name.contains(&b'/') {
            return None;
        }
        let name = OsStr::from_bytes(name);
        let mut candidates = Vec::new();
        for directory in directories(&elf.path) {
            candidates.push(directory.join(name));
            candidates.push(directory.join(".debug").join(name));
            for root in &self.roots {
                if let Ok(below) = directory.strip_prefix(root) {
                    candidates.push(root.join(DEBUG_DIRECTORY).join(below).join(name));
                }
            }
        }
        candidates.retain(|candidate| *candidate != elf.path);
        candidates.iter().find_map(|path| proven(path, Proof::Checksum(checksum), files, warnings))
    }

    /// The file with what `elf` shares with others (`dwz` makes it), if it names one.
    pub(crate) fn shared_file<'files>(
        &self,
        elf: &Elf,
        files: &'files Files,
        warnings: &mut Warnings,
    ) -> Option<Elf<'files>> {
        let (path, id) = elf.file.gnu_debugaltlink().ok()??;
        let path = Path::new(OsStr::from_bytes(path));
        let mut candidates = Vec::new();
        for root in &self.roots {
            if let Ok(below) = path.strip_prefix("/") {
                candidates.push(root.join(below));
            }
        }
        if path.is_relative() {
            candidates.extend(directories(&elf.path).map(|directory| directory.join(path)));
        }
        let found = candidates
            .iter()
            .find_map(|path| proven(path, Proof::BuildId(id), files, warnings))
            .or_else(|| self.by_build_id(id, files, warnings));
        if found.is_none() {
            let missing = lossy(path.as_os_str().as_bytes());
            warnings.add(&elf.path, format!("what it shares with others is not found: {missing}"));
        }
        found
    }

    fn by_build_id<'files>(
        &self,
        id: &[u8],
        files: &'files Files,
        warnings: &mut Warnings,
    ) -> Option<Elf<'files>> {
        let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let mut name = format!(".build-id/{first:02x}/");
        for byte in rest {
            write!(name, "{byte:02x}").expect("a string takes all");
        }
        name += ".debug";
        self.roots.iter().find_map(|root| {
            let path = root.join(DEBUG_DIRECTORY).join(&name);
            proven(&path, Proof::BuildId(id), files, warnings)
        })
    }
}

/// The directories that a file is in, by its name and by where links lead.
fn directories(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = path.canonicalize().ok();
    let mut paths = vec![path.to_owned()];
    paths.extend(real.filter(|real| real != path));
    paths.into_iter().filter_map(|path| path.parent().map(Path::to_owned))
}

/// Opens a file, if it is there and the one that was looked for.
fn proven<'files>(
    path: &Path,
    proof: Proof,
    files: &'files Files,
    warnings: &mut Warnings,
) -> Option<Elf<'files>> {
    let found = match read_elf(path) {
        Ok(content) => match proof {
            Proof::Checksum(wanted) if crc32fast::hash(&content) != wanted => {
                Err("debug information of another file: the checksum differs".to_owned())
            }
            _ => Elf::parse(files, path, content),
        },
        Err(error) if is_absent(&error) => return None,
        Err(error) => Err(error.to_string()),
    };
    let found = found.and_then(|elf| match proof {
        Proof::BuildId(wanted) if elf.file.build_id().ok().flatten() != Some(wanted) => {
            Err("debug information of another file: the build-id differs".to_owned())
        }
        _ => Ok(elf),
    });
    found.map_err(|reason| warnings.add(path, reason)).ok()
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidInput | InvalidFilename)
}

/// Where the parts of split DWARF may be that `elf` refers to: a package of all.
pub(crate) fn package_path(elf: &Path) -> PathBuf {
    let mut path = OsString::from(elf);
    path.push(".dwp");
    path.into()
}

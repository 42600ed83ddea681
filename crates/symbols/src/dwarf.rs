//! Functions, inlined functions and lines by address, from the DWARF of one file and of those that it
//! refers to.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::gimli::{self, DwarfFileType, DwarfPackage, EndianSlice, UnitRef};
use addr2line::{Context, Location, LookupContinuation as _, LookupResult, SplitDwarfLoad};
use source::Frame;

use crate::elf::Elf;
use crate::files::Files;
use crate::names::{Names, normalized};
use crate::sections::{Bytes, Dwarf, endianness, load_sections, section};
use crate::separate::{Finder, package_path};
use crate::vet::{Use, vet};
use crate::warnings::Warnings;

/// The MD5 sums that compilers wrote of source files, by path; several, if it changed from one to the next.
pub(crate) type SourceSums = HashMap<String, HashSet<[u8; 16]>>;

/// A file's debug information.
pub(crate) struct DebugInfo<'files> {
    dwarf: Arc<Dwarf<'files>>,
    context: Context<Bytes<'files>>,
    split: Split<'files>,
}

/// The debug information that is in files of its own (`-gsplit-dwarf`).
struct Split<'files> {
    files: &'files Files,
    /// What refers to them.
    path: PathBuf,
    package: OnceCell<Option<DwarfPackage<Bytes<'files>>>>,
}

impl<'files> DebugInfo<'files> {
    /// The debug information of `elf`, which has some; `main` is the file of the program.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn load(
        elf: &Elf<'files>,
        main: &Path,
        finder: &Finder,
        files: &'files Files,
        warnings: &mut Warnings,
    ) -> Result<Self, String> {
        let mut dwarf = load_sections(elf, files, DwarfFileType::Main)?;
        if let Some(shared) = finder.shared_file(elf, files, warnings) {
            let loaded = load_sections(&shared, files, DwarfFileType::Main);
            match loaded.and_then(|mut dwarf| vet(&mut dwarf, Use::Shared).map(|()| dwarf)) {
                Ok(shared) => dwarf.set_sup(shared),
                Err(reason) => warnings.add(&shared.path, reason),
            }
        }
        vet(&mut dwarf, Use::Code)?;
        let dwarf = Arc::new(dwarf);
        let context =
            Context::from_arc_dwarf(Arc::clone(&dwarf)).map_err(|error| error.to_string())?;
        let split = Split { files, path: main.to_owned(), package: OnceCell::new() };
        Ok(Self { dwarf, context, split })
    }

    /// The frames at an address, the innermost first; empty where nothing is known.
    ///
    /// What cannot be read is a warning; then there is the line, if that is known.
    pub(crate) fn frames(
        &self,
        address: u64,
        names: &mut Names<'files>,
        warnings: &mut Warnings,
    ) -> Vec<Frame> {
        match self.inlined_frames(address, names, warnings) {
            Ok(frames) => frames,
            Err(error) => {
                warnings.add(&self.split.path, format!("debug information: {error}"));
                let location = self.context.find_location(address).ok().flatten();
                location.map(|location| frame(None, Some(&location), names)).into_iter().collect()
            }
        }
    }

    /// Adds the sums of source files to `sums`, as far as they can be read.
    pub(crate) fn add_source_sums(&self, sums: &mut SourceSums) {
        let mut units = self.dwarf.units();
        while let Ok(Some(header)) = units.next() {
            if let Ok(unit) = self.dwarf.unit(header) {
                add_sums_of_unit(&unit.unit_ref(&self.dwarf), sums);
            }
        }
    }

    fn inlined_frames(
        &self,
        address: u64,
        names: &mut Names<'files>,
        warnings: &mut Warnings,
    ) -> Result<Vec<Frame>, gimli::Error> {
        let mut lookup = self.context.find_frames(address);
        let mut found = loop {
            match lookup {
                LookupResult::Output(found) => break found?,
                LookupResult::Load { load, continuation } => {
                    let part = self.split.load(&load, warnings);
                    lookup = continuation.resume(part);
                }
            }
        };
        let mut frames = Vec::new();
        while let Some(found) = found.next()? {
            let function = found.function.map(|function| function.name.slice());
            frames.push(frame(function, found.location.as_ref(), names));
        }
        // A row of the line table without a file or line says nothing.
        frames.retain(|frame| *frame != Frame::default());
        Ok(frames)
    }
}

fn add_sums_of_unit(unit: &UnitRef<Bytes<'_>>, sums: &mut SourceSums) {
    let Some(program) = &unit.line_program else { return };
    let header = program.header();
    if !header.file_has_md5() {
        return;
    }
    for file in header.file_names() {
        // An assembler writes zeros for a file of which it was not told.
        if *file.md5() == [0; 16] {
            continue;
        }
        // Joined as `addr2line` does it, for Unix.
        let directory = (file.directory_index() != 0).then(|| file.directory(header)).flatten();
        let name = [directory, Some(file.path_name())].into_iter().flatten();
        let mut path = unit.comp_dir.map_or_else(String::new, |it| it.to_string_lossy().into());
        for part in name {
            let Ok(part) = unit.attr_string(part) else { return };
            let part = part.to_string_lossy();
            if part.starts_with('/') {
                path.clear();
            } else if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            path += &part;
        }
        sums.entry(normalized(&path).into_owned()).or_default().insert(*file.md5());
    }
}

impl<'files> Split<'files> {
    /// The debug information of a unit of the program; `None`, with a warning, where it is not found.
    fn load(
        &self,
        wanted: &SplitDwarfLoad<Bytes<'files>>,
        warnings: &mut Warnings,
    ) -> Option<Arc<Dwarf<'files>>> {
        let package = self.package.get_or_init(|| self.open_package(warnings));
        if let Some(package) = package
            && let Ok(Some(mut unit)) = package.find_cu(wanted.dwo_id, &wanted.parent)
        {
            return match vet(&mut unit, Use::Code) {
                Ok(()) => Some(Arc::new(unit)),
                Err(reason) => {
                    warnings.add(&package_path(&self.path), reason);
                    None
                }
            };
        }
        let mut path = PathBuf::new();
        for part in [wanted.comp_dir, wanted.path] {
            path.push(OsStr::from_bytes(part.as_ref().map_or(&[], |part| part.slice())));
        }
        // A program may have thousands of parts, and if one is missing, others are too.
        let warn = |reason| warnings.add(&self.path, format!("{}: {reason}", path.display()));
        self.open(&path, wanted).map_err(warn).ok()
    }

    fn open(
        &self,
        path: &Path,
        wanted: &SplitDwarfLoad<Bytes<'files>>,
    ) -> Result<Arc<Dwarf<'files>>, String> {
        let elf = Elf::open(self.files, path)?;
        let mut dwarf = load_sections(&elf, self.files, DwarfFileType::Dwo)?;
        dwarf.make_dwo(&wanted.parent);
        vet(&mut dwarf, Use::Code)?;
        let text = |error: gimli::Error| error.to_string();
        let header = dwarf.units().next().map_err(text)?.ok_or("no debug information")?;
        if dwarf.unit(header).map_err(text)?.dwo_id != Some(wanted.dwo_id) {
            return Err("debug information of another program".to_owned());
        }
        Ok(Arc::new(dwarf))
    }

    fn open_package(&self, warnings: &mut Warnings) -> Option<DwarfPackage<Bytes<'files>>> {
        let path = package_path(&self.path);
        if !path.exists() {
            return None;
        }
        let load = || -> Result<_, PackageError> {
            let elf = Elf::open(self.files, &path).map_err(PackageError)?;
            DwarfPackage::load(
                |id| section(&elf, self.files, id.dwo_name()).map_err(PackageError),
                EndianSlice::new(&[], endianness(&elf)),
            )
        };
        load().map_err(|PackageError(reason)| warnings.add(&path, reason)).ok()
    }
}

/// The reason that a package is not read, for a message.
struct PackageError(String);

impl From<gimli::Error> for PackageError {
    fn from(error: gimli::Error) -> Self {
        Self(error.to_string())
    }
}

fn frame<'files>(
    function: Option<&'files [u8]>,
    location: Option<&Location>,
    names: &mut Names<'files>,
) -> Frame {
    Frame {
        function: function.and_then(|symbol| names.function(symbol)),
        file: location.and_then(|location| names.file(location.file?)),
        line: location.and_then(|location| location.line),
    }
}

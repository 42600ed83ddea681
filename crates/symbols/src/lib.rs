//! From the address of an instruction in a guest to function, file and line, by ELF and DWARF.
//!
//! A guest's code is in memory either as parts of files that were mapped ([`Mapping`]: programs and
//! libraries), or as files whose segments were put where they were linked to, or at a distance from
//! there ([`LoadedElf`]: kernels and firmware). [`Symbols`] opens the files when they are first asked for
//! and answers with a [`Location`]: what DWARF says of the address, with inlined functions; where that
//! names no function, what the symbol tables say; else the file alone. Names of Rust and C++ are
//! demangled.
//!
//! A file may be replaced or rebuilt while the guest runs: a [`GuestFile`] is read only where it is still
//! what the guest had, or another copy of the same build.
//!
//! Debug information may be in other files: by build-id, by `.gnu_debuglink`, by `.gnu_debugaltlink`
//! (`dwz`), and as split DWARF (`.dwo`, `.dwp`). See [`Symbols::new`] for where they are looked for.
//!
//! Files are whatever the guest has; what is broken in them, or missing, or made to harm, costs names and
//! a [`Warning`], never a panic, and time and memory as their sizes demand.
//!
//! # Limits
//!
//! - Relocatable files (`.o`, kernel modules) have no addresses and are refused.
//! - `.gnu_debugdata` (a compressed symbol table that Fedora has) is not read.
//! - The functions of 64-bit big-endian PowerPC (`ELFv1`) are named by DWARF only: their symbols are
//!   addresses of descriptors.
//! - PLT entries have no names.
#![forbid(unsafe_code)]

mod dwarf;
mod elf;
mod files;
pub mod maps;
mod names;
mod object_file;
mod sections;
mod separate;
mod symbol_table;
mod vet;
mod warnings;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use source::Location;

pub use files::{BuildId, Expected, Files, GuestFile, Version, check_elf};
pub use names::demangle;
pub use warnings::Warning;

use dwarf::SourceSums;
use md5::{Digest as _, Md5};
use names::Names;
use object_file::ObjectFile;
use separate::Finder;
use warnings::Warnings;

/// A part of a file that is mapped in the guest's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The guest-virtual address of its first byte.
    pub start: u64,
    /// The guest-virtual address behind its last byte.
    pub end: u64,
    /// Where its first byte is in the file.
    pub file_offset: u64,
    /// The file.
    pub file: Arc<GuestFile>,
}

/// A file in the guest's memory as it was linked: every address is that of the linker plus a bias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedElf {
    /// The file.
    pub file: Arc<GuestFile>,
    /// What to add to the linker's addresses, modulo 2⁶⁴.
    pub bias: u64,
}

/// Where an instruction comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file, the functions and lines.
    pub location: Arc<Location>,
    /// Its address as the file was linked, if the file says that.
    pub object_address: Option<u64>,
}

/// Tells source files that are what was compiled from those that are not.
#[derive(Debug, Default)]
pub struct Sources {
    sums: SourceSums,
}

impl Sources {
    /// Whether `text`, which the file at `path` has, is what was compiled; `None` where the compiler did not say.
    pub fn is_compiled(&self, path: &str, text: &[u8]) -> Option<bool> {
        let sums = self.sums.get(path)?;
        let sum: [u8; 16] = Md5::digest(text).into();
        // GNU as 2.40 writes them backwards.
        let mut backwards = sum;
        backwards.reverse();
        // A text that some unit saw otherwise is wrong for that one.
        Some(sums.iter().all(|known| [sum, backwards].contains(known)))
    }
}

/// Finds where instructions come from. Every file is opened once.
pub struct Symbols<'files> {
    files: &'files Files,
    finder: Finder,
    objects: Vec<ObjectFile<'files>>,
    numbers: HashMap<Arc<GuestFile>, usize>,
    /// The last one asked for.
    current: Option<(Arc<GuestFile>, usize)>,
    names: Names<'files>,
    warnings: Warnings,
}

impl<'files> Symbols<'files> {
    /// Debug information is looked for below `usr/lib/debug` and beside the program, in the sysroot
    /// (the prefix of QEMU's `-L`) and in this system.
    pub fn new(files: &'files Files, sysroot: Option<&Path>) -> Self {
        Self {
            files,
            finder: Finder::new(sysroot),
            objects: Vec::new(),
            numbers: HashMap::new(),
            current: None,
            names: Names::default(),
            warnings: Warnings::default(),
        }
    }

    /// Where the instruction at `address` comes from; `None` if it is not in the mapping.
    ///
    /// In it, the file at least is known.
    pub fn in_mapping(&mut self, mapping: &Mapping, address: u64) -> Option<Found> {
        if !(mapping.start..mapping.end).contains(&address) {
            return None;
        }
        let offset = mapping.file_offset.checked_add(address - mapping.start);
        let object = self.object(&mapping.file);
        let linked = offset.and_then(|offset| object.elf()?.address_of(offset));
        Some(Found { location: self.locate(linked), object_address: linked })
    }

    /// Where the instruction at `address` comes from; `None` if it is not in the file's code.
    pub fn in_elf(&mut self, elf: &LoadedElf, address: u64) -> Option<Found> {
        let linked = self.object(&elf.file).elf()?.without_bias(address, elf.bias)?;
        Some(Found { location: self.locate(Some(linked)), object_address: Some(linked) })
    }

    /// What the compilers say that source files were, by the paths that are in locations, as far as they say it
    /// (DWARF 5 may have MD5 sums), of all files opened so far.
    pub fn sources(&self) -> Sources {
        let mut sums = SourceSums::new();
        for debug_info in self.objects.iter().filter_map(ObjectFile::debug_info) {
            debug_info.add_source_sums(&mut sums);
        }
        Sources { sums }
    }

    /// What could not be used so far: for each file the first reason.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.list()
    }

    /// Makes the file the current object.
    fn object(&mut self, file: &Arc<GuestFile>) -> &ObjectFile<'files> {
        let number = match &self.current {
            Some((current, number)) if Arc::ptr_eq(current, file) => *number,
            _ => {
                let number = match self.numbers.get(file) {
                    Some(number) => *number,
                    None => self.open(file),
                };
                self.current = Some((Arc::clone(file), number));
                number
            }
        };
        &self.objects[number]
    }

    fn open(&mut self, file: &Arc<GuestFile>) -> usize {
        let number = self.objects.len();
        self.objects.push(ObjectFile::open(self.files, file, &self.finder, &mut self.warnings));
        self.numbers.insert(Arc::clone(file), number);
        number
    }

    /// What the current object says of an address as it was linked.
    fn locate(&mut self, address: Option<u64>) -> Arc<Location> {
        let (_, number) = self.current.as_ref().expect("an object was asked for");
        self.objects[*number].locate(address, &mut self.names, &mut self.warnings)
    }
}

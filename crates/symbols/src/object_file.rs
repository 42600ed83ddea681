//! A file of the guest, with all that is known of its addresses.

use std::sync::Arc;

use source::{Frame, Location};

use crate::dwarf::DebugInfo;
use crate::elf::Elf;
use crate::files::{Files, GuestFile};
use crate::names::Names;
use crate::separate::Finder;
use crate::symbol_table::SymbolTable;
use crate::warnings::Warnings;

/// A file of the guest.
pub(crate) struct ObjectFile<'files> {
    /// Its path, for people.
    name: Arc<str>,
    /// `None` if it cannot be used.
    elf: Option<Elf<'files>>,
    debug_info: Option<DebugInfo<'files>>,
    /// The best first.
    symbols: Vec<SymbolTable<'files>>,
}

impl<'files> ObjectFile<'files> {
    /// Opens the file and what belongs to it. What cannot be used is a warning.
    pub(crate) fn open(
        files: &'files Files,
        file: &GuestFile,
        finder: &Finder,
        warnings: &mut Warnings,
    ) -> Self {
        let path = file.path.as_path();
        let name = path.to_string_lossy().into();
        let elf = match Elf::open_linked(files, file) {
            Ok(elf) => elf,
            Err(reason) => {
                warnings.add(path, reason);
                return Self { name, elf: None, debug_info: None, symbols: Vec::new() };
            }
        };
        let complete = elf.has_section(".debug_info") && elf.has_section(".symtab");
        let separate = if complete { None } else { finder.debug_file(&elf, files, warnings) };
        let with_dwarf = [Some(&elf), separate.as_ref()]
            .into_iter()
            .flatten()
            .find(|elf| elf.has_section(".debug_info"));
        let debug_info = with_dwarf.and_then(|elf| {
            DebugInfo::load(elf, path, finder, files, warnings)
                .map_err(|reason| warnings.add(&elf.path, reason))
                .ok()
        });
        let tables = separate.iter().map(|separate| (separate, SymbolTable::of_static(separate)));
        let own = [SymbolTable::of_static(&elf), SymbolTable::of_dynamic(&elf)];
        let mut symbols = Vec::new();
        for (elf, table) in tables.chain(own.map(|table| (&elf, table))) {
            match table {
                Ok(table) if table.is_empty() => {}
                Ok(table) => symbols.push(table),
                Err(reason) => warnings.add(&elf.path, reason),
            }
        }
        Self { name, elf: Some(elf), debug_info, symbols }
    }

    /// The file itself, if it can be used.
    pub(crate) fn elf(&self) -> Option<&Elf<'files>> {
        self.elf.as_ref()
    }

    /// Its debug information, if it has some that can be used.
    pub(crate) fn debug_info(&self) -> Option<&DebugInfo<'files>> {
        self.debug_info.as_ref()
    }

    /// What is known of an address as it was linked.
    pub(crate) fn locate(
        &self,
        address: Option<u64>,
        names: &mut Names<'files>,
        warnings: &mut Warnings,
    ) -> Arc<Location> {
        let frames = address.map_or_else(Vec::new, |address| self.frames(address, names, warnings));
        names.location(&self.name, frames)
    }

    fn frames(
        &self,
        address: u64,
        names: &mut Names<'files>,
        warnings: &mut Warnings,
    ) -> Vec<Frame> {
        let mut frames = match &self.debug_info {
            Some(debug_info) => debug_info.frames(address, names, warnings),
            None => Vec::new(),
        };
        if frames.last().is_none_or(|outermost| outermost.function.is_none())
            && let Some(symbol) = self.symbols.iter().find_map(|table| table.find(address))
        {
            let function = names.function(symbol);
            match frames.last_mut() {
                Some(outermost) => outermost.function = function,
                None => frames.push(Frame { function, ..Frame::default() }),
            }
        }
        frames
    }
}

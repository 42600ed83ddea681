//! Where in files and source the guest's instructions come from.
//!
//! The symbols and lines of the guest's files are looked up at the exit; what they do not know, QEMU's symbol
//! names.

use std::collections::HashMap;
use std::sync::Arc;

use cachesim::instructions::{Instruction, InstructionTable, SymbolId};
use source::{Frame, Location};
use symbols::{LoadedElf, Symbols};

use crate::translate::mapped_files::MappedFiles;

/// Answers where instructions come from.
pub struct Locator<'a> {
    /// What the files say.
    pub symbols: Symbols<'a>,
    /// The files of a machine.
    pub images: &'a [LoadedElf],
    /// The files of a program.
    pub mapped: &'a MappedFiles,
    /// The instructions, with QEMU's symbols.
    pub instructions: &'a InstructionTable,
    /// Those that QEMU's symbols name, by object.
    pub named: HashMap<(Option<Arc<str>>, SymbolId), Arc<Location>>,
}

impl Locator<'_> {
    /// Where `instruction` comes from, and its address in that file, if it is known.
    pub fn of(&mut self, instruction: &'static Instruction) -> (Arc<Location>, Option<u64>) {
        let Self { symbols, images, mapped, .. } = self;
        let vaddr = instruction.vaddr;
        let from_program =
            mapped.mapping_of(instruction).and_then(|mapping| symbols.in_mapping(mapping, vaddr));
        let found = from_program
            .or_else(|| images.iter().find_map(|image| symbols.in_elf(image, vaddr)))
            .map(|found| (found.location, found.object_address));
        let (location, object_address) = found.unwrap_or_default();
        if location.frames.is_empty() {
            return (self.as_qemu_says(instruction, location), object_address);
        }
        (location, object_address)
    }

    /// `found`, with QEMU's symbol if there is one.
    fn as_qemu_says(
        &mut self,
        instruction: &'static Instruction,
        found: Arc<Location>,
    ) -> Arc<Location> {
        let Some(name) = self.instructions.symbol(instruction.symbol) else { return found };
        let key = (found.object.clone(), instruction.symbol);
        let named = self.named.entry(key).or_insert_with(|| {
            // QEMU does not demangle.
            let name = symbols::demangle(name.as_bytes()).into();
            let frame = Frame { function: Some(name), ..Frame::default() };
            Arc::new(Location { object: found.object.clone(), frames: vec![frame] })
        });
        Arc::clone(named)
    }
}

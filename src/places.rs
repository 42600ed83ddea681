//! Where in files and source the guest's instructions come from.
//!
//! Of a program, the files are those that are mapped when an instruction is first translated: the
//! program, its libraries, and what it loads later. Of a machine they are those of the option `elf`.
//! Their symbols and lines are looked up at the exit; what they do not know, QEMU's symbol names.

use std::collections::HashMap;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use cachesim::instructions::{Instruction, InstructionTable, SymbolId};
use report::{Frame, Location};
use symbols::{LoadedElf, Mapping, Symbols};

/// A part of the guest's address space.
struct Region {
    start: u64,
    end: u64,
    /// The file that is mapped there, if there is one.
    mapping: Option<Mapping>,
    /// Its number in [`MappedFiles::mappings`], once there was code in it.
    number: Option<usize>,
}

/// The files that a program's code is mapped from.
#[derive(Default)]
pub struct MappedFiles {
    /// Those that code was ever seen in: a program may map any number of others.
    mappings: Vec<Mapping>,
    /// What was there when it was last looked at, in the order of addresses.
    regions: Vec<Region>,
    /// Whether more may have been mapped since.
    is_stale: bool,
    of: HashMap<*const Instruction, usize>,
}

impl MappedFiles {
    /// Notes where `instruction` comes from, which is being translated for the first time and whose
    /// bytes are at `host` in this process.
    pub fn note(&mut self, instruction: &'static Instruction, host: u64) {
        let vaddr = instruction.vaddr;
        if self.is_stale || region_index(&self.regions, vaddr).is_none() {
            // QEMU puts the guest's address 0 somewhere in its own address space.
            self.look(host.wrapping_sub(vaddr));
            self.is_stale = false;
        }
        let Self { mappings, regions, of, .. } = self;
        let region = region_index(regions, vaddr).map(|index| &mut regions[index]);
        if let Some(Region { mapping: Some(mapping), number, .. }) = region {
            let number = *number.get_or_insert_with(|| number_of(mapping, mappings));
            of.insert(instruction, number);
        }
    }

    /// The program may have mapped something.
    pub fn may_have_changed(&mut self) {
        self.is_stale = true;
    }

    /// Reads what is mapped now. `base` is where this process has the guest's address 0.
    fn look(&mut self, base: u64) {
        self.regions.clear();
        for HostRegion { start, end, file } in mapped() {
            let [start, end] = [start, end].map(|address| address.wrapping_sub(base));
            if start >= end {
                // Not the guest's.
                continue;
            }
            let mapping = file.map(|(path, file_offset)| Mapping { start, end, file_offset, path });
            self.regions.push(Region { start, end, mapping, number: None });
        }
        self.regions.sort_unstable_by_key(|region| region.start);
    }

    fn mapping_of(&self, instruction: &'static Instruction) -> Option<&Mapping> {
        self.mappings.get(*self.of.get(&ptr::from_ref(instruction))?)
    }
}

fn region_index(regions: &[Region], vaddr: u64) -> Option<usize> {
    let index = regions.partition_point(|region| region.start <= vaddr).checked_sub(1)?;
    (vaddr < regions[index].end).then_some(index)
}

/// The number of `mapping`, which is added to `mappings` if it is a new one.
fn number_of(mapping: &Mapping, mappings: &mut Vec<Mapping>) -> usize {
    mappings.iter().position(|known| known == mapping).unwrap_or_else(|| {
        mappings.push(mapping.clone());
        mappings.len() - 1
    })
}

/// A part of this process's address space.
struct HostRegion {
    start: u64,
    end: u64,
    /// The file that is mapped there, and the offset of its first byte.
    file: Option<(PathBuf, u64)>,
}

/// What is mapped in this process.
#[cfg(target_os = "linux")]
fn mapped() -> Vec<HostRegion> {
    use procfs::process::{MMapPath, Process};

    // Where /proc is not to be had, nothing is known of files.
    let maps = Process::myself().and_then(|process| process.maps());
    let maps = maps.into_iter().flatten().map(|map| {
        let file = match map.pathname {
            MMapPath::Path(path) => Some((path, map.offset)),
            _ => None,
        };
        HostRegion { start: map.address.0, end: map.address.1, file }
    });
    maps.collect()
}

#[cfg(not(target_os = "linux"))]
fn mapped() -> Vec<HostRegion> {
    Vec::new()
}

/// Answers where instructions come from.
pub struct Places<'a> {
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

impl Places<'_> {
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
            let frame = Frame { function: Some(Arc::clone(name)), ..Frame::default() };
            Arc::new(Location { object: found.object.clone(), frames: vec![frame] })
        });
        Arc::clone(named)
    }
}

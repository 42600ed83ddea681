//! The sections of an ELF file that DWARF is read from.

use addr2line::gimli::{self, DwarfFileType, EndianSlice, RunTimeEndian, SectionId};
use object::Object as _;

use crate::elf::Elf;
use crate::files::Files;

pub(crate) type Bytes<'files> = EndianSlice<'files, RunTimeEndian>;
pub(crate) type Dwarf<'files> = gimli::Dwarf<Bytes<'files>>;

/// The sections that are read; the others, those with types and variables among them, stay compressed.
pub(crate) fn load_sections<'files>(
    elf: &Elf<'files>,
    files: &'files Files,
    kind: DwarfFileType,
) -> Result<Dwarf<'files>, String> {
    Dwarf::load(|id| {
        let name = match kind {
            DwarfFileType::Main => Some(id.name()),
            DwarfFileType::Dwo => id.dwo_name(),
        };
        section(elf, files, name.filter(|_| is_needed(id)))
    })
}

fn is_needed(id: SectionId) -> bool {
    matches!(
        id,
        SectionId::DebugAbbrev
            | SectionId::DebugAddr
            | SectionId::DebugAranges
            | SectionId::DebugInfo
            | SectionId::DebugLine
            | SectionId::DebugLineStr
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
            | SectionId::DebugStr
            | SectionId::DebugStrOffsets
    )
}

/// A section's content; empty without a name, or where the file has none of that name.
pub(crate) fn section<'files>(
    elf: &Elf<'files>,
    files: &'files Files,
    name: Option<&str>,
) -> Result<Bytes<'files>, String> {
    let content = name.map_or(Ok(&[][..]), |name| elf.section(files, name))?;
    Ok(EndianSlice::new(content, endianness(elf)))
}

pub(crate) fn endianness(elf: &Elf) -> RunTimeEndian {
    if elf.file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big }
}

//! One ELF file: where its code is, and its sections.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use object::{CompressionFormat, Object as _, ObjectKind, ObjectSection as _, ObjectSegment as _};
use object::{SectionFlags, SegmentFlags, elf};

use crate::files::{Files, GuestFile, NOT_LINKED, read_elf};

/// More than any compressor makes of debug information; what claims more is broken.
const MAX_COMPRESSION: u64 = 256;

/// An ELF file in memory.
pub(crate) struct Elf<'files> {
    pub path: PathBuf,
    pub size_bytes: usize,
    pub file: object::File<'files>,
    segments: Vec<Segment>,
}

struct Segment {
    addresses: Range<u64>,
    file_offsets: Range<u64>,
}

impl<'files> Elf<'files> {
    /// Reads and parses a file of the guest, which must be linked.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn open_linked(files: &'files Files, file: &GuestFile) -> Result<Self, String> {
        let content = file.read().map_err(|error| error.to_string())?;
        let elf = Self::parse(files, &file.path, content)?;
        if elf.file.kind() == ObjectKind::Relocatable {
            return Err(NOT_LINKED.to_owned());
        }
        Ok(elf)
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn open(files: &'files Files, path: &Path) -> Result<Self, String> {
        let content = read_elf(path).map_err(|error| error.to_string())?;
        Self::parse(files, path, content)
    }

    /// Parses a file that has been read.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn parse(
        files: &'files Files,
        path: &Path,
        content: Vec<u8>,
    ) -> Result<Self, String> {
        let content = files.keep(content);
        let file = object::File::parse(content).map_err(|error| error.to_string())?;
        let segments = code_segments(&file);
        Ok(Self { path: path.to_owned(), size_bytes: content.len(), file, segments })
    }

    /// The address that the linker gave to what is at `offset` in the file.
    ///
    /// A loader maps whole pages, so the same place in the file may be in memory twice; it is resolved
    /// as what the linker meant it to be.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        let segment =
            self.segments.iter().find(|segment| segment.file_offsets.contains(&offset))?;
        Some(segment.addresses.start.wrapping_add(offset - segment.file_offsets.start))
    }

    /// The address before it was moved by `bias`, if it is in this file's code.
    pub(crate) fn without_bias(&self, address: u64, bias: u64) -> Option<u64> {
        let mut address = address.wrapping_sub(bias);
        if !self.file.is_64() {
            // MIPS extends the sign of 32-bit addresses.
            address &= u64::from(u32::MAX);
        }
        self.segments.iter().any(|segment| segment.addresses.contains(&address)).then_some(address)
    }

    /// A section's content, decompressed; empty where there is none.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn section(&self, files: &'files Files, name: &str) -> Result<&'files [u8], String> {
        let Some(section) = self.file.section_by_name(name) else { return Ok(&[]) };
        let error = |error| format!("{name}: {error}");
        let data = section.compressed_data().map_err(error)?;
        let compressed_bytes = u64::try_from(data.data.len()).unwrap_or(u64::MAX);
        if data.format != CompressionFormat::None
            && data.uncompressed_size / MAX_COMPRESSION > compressed_bytes
        {
            return Err(format!("{name}: claims to be {} bytes", data.uncompressed_size));
        }
        match data.decompress().map_err(error)? {
            Cow::Borrowed(content) => Ok(content),
            Cow::Owned(content) => Ok(files.keep(content)),
        }
    }

    /// Whether a section is there and has content.
    pub(crate) fn has_section(&self, name: &str) -> bool {
        let section = self.file.section_by_name(name);
        section.and_then(|section| section.file_range()).is_some_and(|(_, size)| size > 0)
    }
}

/// The parts of the file that hold code: segments, or in a file without program headers sections.
/// Where none is executable, all that are loaded.
///
/// Linux for x86-64 has data linked at address 0, so "all that are loaded" is not the answer for all.
fn code_segments(file: &object::File) -> Vec<Segment> {
    let range = |start: u64, size: u64| start..start.saturating_add(size);
    let mut segments: Vec<(bool, Segment)> = file
        .segments()
        .map(|segment| {
            let executable = matches!(
                segment.flags(),
                SegmentFlags::Elf { p_flags, .. } if p_flags.contains(elf::PF_X)
            );
            let (offset, size) = segment.file_range();
            let addresses = range(segment.address(), segment.size());
            (executable, Segment { addresses, file_offsets: range(offset, size) })
        })
        .collect();
    if segments.is_empty() {
        segments.extend(file.sections().filter_map(|section| {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return None };
            let (offset, size) = section.file_range().unwrap_or_default();
            let addresses = range(section.address(), section.size());
            let segment = Segment { addresses, file_offsets: range(offset, size) };
            let executable = sh_flags.contains(elf::SHF_EXECINSTR);
            sh_flags.contains(elf::SHF_ALLOC).then_some((executable, segment))
        }));
    }
    let any_executable = segments.iter().any(|(executable, _)| *executable);
    segments.retain(|(executable, _)| *executable || !any_executable);
    segments.into_iter().map(|(_, segment)| segment).collect()
}

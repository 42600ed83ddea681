//! The files that a guest's instructions come from.
//!
//! Of a program they are those that are mapped when an instruction is first translated: the program, its
//! libraries, and what it loads later. Of a machine they are those of the option `elf`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{self, Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use cachesim::instructions::Instruction;
use symbols::maps::{self, MappedPath, Presence};
use symbols::{BuildId, Expected, GuestFile, Mapping, Version};

use crate::output::stream::duplicate;
use crate::process::syscalls::MappingChange;

/// A part of the guest's address space.
struct Region {
    start: u64,
    end: u64,
    /// The file that is mapped there, if there is one.
    file: Option<RegionFile>,
    /// Its number in [`MappedFiles::mappings`], once there was code in it.
    number: Option<usize>,
}

/// A part of a file, as it was mapped.
struct RegionFile {
    at: MappedPath,
    inode: u64,
    /// Where the part begins.
    offset: u64,
    /// The link to it that this process has while it is mapped.
    link: PathBuf,
}

/// Whether the system calls are known by which a program maps files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MappingCalls {
    /// They are told by [`MappedFiles::may_change`].
    Known,
    /// Nothing is told.
    Unknown,
}

/// The files that a program's code is mapped from.
pub struct MappedFiles {
    calls: MappingCalls,
    /// Those that code was ever seen in: a program may map any number of others.
    mappings: Vec<Mapping>,
    /// Their files, by path and inode.
    files: HashMap<(PathBuf, u64), Arc<GuestFile>>,
    /// What was there when it was last looked at, in the order of addresses.
    regions: Vec<Region>,
    /// Whether files may have been mapped since, or parts of them unmapped.
    is_stale: bool,
    of: HashMap<*const Instruction, usize>,
}

impl MappedFiles {
    /// Nothing known yet.
    pub fn new(calls: MappingCalls) -> Self {
        Self {
            calls,
            mappings: Vec::new(),
            files: HashMap::new(),
            regions: Vec::new(),
            is_stale: true,
            of: HashMap::new(),
        }
    }

    /// Notes where `instruction` comes from, which is being translated for the first time and whose
    /// bytes are at `host` in this process.
    pub fn note(&mut self, instruction: &'static Instruction, host: u64) {
        let vaddr = instruction.vaddr;
        // What is new since is no file, if the calls that map files are known: a compiler at run time maps
        // thousands of regions.
        let is_unknown = || region_index(&self.regions, vaddr).is_none();
        if self.is_stale || self.calls == MappingCalls::Unknown && is_unknown() {
            // QEMU puts the guest's address 0 somewhere in its own address space.
            self.look(host.wrapping_sub(vaddr));
            self.is_stale = false;
        }
        let Self { mappings, files, regions, of, .. } = self;
        let region = region_index(regions, vaddr).map(|index| &mut regions[index]);
        if let Some(Region { start, end, file: Some(file), number }) = region {
            let number = *number.get_or_insert_with(|| {
                let (start, end, file_offset) = (*start, *end, file.offset);
                let file = guest_file(file, files);
                number_of(Mapping { start, end, file_offset, file }, mappings)
            });
            of.insert(instruction, number);
        }
    }

    /// The files that code was seen in.
    pub fn files(&self) -> impl Iterator<Item = &GuestFile> {
        self.files.values().map(|file| &**file)
    }

    /// The program may change what is mapped: it is about to, or it just has.
    pub fn may_change(&mut self, change: MappingChange) {
        self.is_stale |= match change {
            MappingChange::File => true,
            MappingChange::Range { start, bytes } => {
                let end = start.saturating_add(bytes);
                let is_in = |region: &Region| region.start < end && start < region.end;
                self.regions.iter().any(|region| region.file.is_some() && is_in(region))
            }
        };
    }

    /// Reads what is mapped now. `base` is where this process has the guest's address 0.
    fn look(&mut self, base: u64) {
        self.regions.clear();
        // Where /proc is not to be had, nothing is known of files.
        let text = fs::read("/proc/self/maps").unwrap_or_default();
        for region in maps::parse(&text) {
            let [start, end] = [region.start, region.end].map(|address| address.wrapping_sub(base));
            if start >= end {
                // Not the guest's.
                continue;
            }
            let file = region.file(&ThisProcess).map(|at| RegionFile {
                at,
                inode: region.inode,
                offset: region.file_offset,
                link: link(&region),
            });
            self.regions.push(Region { start, end, file, number: None });
        }
        self.regions.sort_unstable_by_key(|region| region.start);
    }

    /// What was mapped where `instruction` is, when it was translated.
    pub fn mapping_of(&self, instruction: &'static Instruction) -> Option<&Mapping> {
        self.mappings.get(*self.of.get(&ptr::from_ref(instruction))?)
    }
}

fn region_index(regions: &[Region], vaddr: u64) -> Option<usize> {
    let index = regions.partition_point(|region| region.start <= vaddr).checked_sub(1)?;
    (vaddr < regions[index].end).then_some(index)
}

/// The number of `mapping`, which is added to `mappings` if it is a new one.
fn number_of(mapping: Mapping, mappings: &mut Vec<Mapping>) -> usize {
    mappings.iter().position(|known| *known == mapping).unwrap_or_else(|| {
        mappings.push(mapping);
        mappings.len() - 1
    })
}

/// This process, for what its `maps` do not say.
struct ThisProcess;

impl maps::Answers for ThisProcess {
    fn exact_name(&self, region: &maps::Region<'_>) -> Option<PathBuf> {
        fs::read_link(link(region)).ok()
    }

    fn inode_at(&self, path: &Path) -> Option<u64> {
        Some(path.metadata().ok()?.ino())
    }
}

/// A region's link to what is mapped there.
fn link(region: &maps::Region<'_>) -> PathBuf {
    format!("/proc/self/map_files/{:x}-{:x}", region.start, region.end).into()
}

/// The file that code was found in.
fn guest_file(
    file: &RegionFile,
    files: &mut HashMap<(PathBuf, u64), Arc<GuestFile>>,
) -> Arc<GuestFile> {
    let key = (file.at.path.clone(), file.inode);
    if let Some(known) = files.get(&key) {
        return Arc::clone(known);
    }
    let mut also_at = vec![file.link.clone()];
    // Only the superuser may follow the link.
    let path = match file.at.presence {
        Presence::There => &file.at.path,
        Presence::Deleted => &file.link,
    };
    let (mut expected, mut build_id) = (Expected::Nothing, None);
    if let Ok(metadata) = path.metadata()
        && metadata.is_file()
    {
        let version = Version::of(&metadata);
        expected = Expected::Version(version);
        if let Some(file) = open_version(path, version) {
            build_id = BuildId::of(&file);
            also_at.extend(keep_open(&file));
        }
    }
    let guest_file =
        Arc::new(GuestFile { path: file.at.path.clone(), expected, build_id, also_at });
    files.insert(key, Arc::clone(&guest_file));
    guest_file
}

/// The descriptors that are kept of the guest's files have these numbers: high ones, since programs get and
/// expect the lowest, below the end of Linux' first table of descriptors. Where they are taken, none is kept.
const KEPT_DESCRIPTORS: Range<i32> = 48..60;

/// The file at `path`, if it can be opened and is this version still.
fn open_version(path: &Path, version: Version) -> Option<File> {
    let file = File::open(path).ok()?;
    (Version::of(&file.metadata().ok()?) == version).then_some(file)
}

/// Keeps the file open for good, and says where it is found then: it may be replaced while the program runs.
///
/// The descriptor is never closed, since the program may close it and open a file of its own there.
fn keep_open(file: &File) -> Option<PathBuf> {
    let kept = duplicate(file.as_raw_fd())?;
    if !KEPT_DESCRIPTORS.contains(&kept.as_raw_fd()) {
        return None;
    }
    Some(format!("/proc/self/fd/{}", kept.into_raw_fd()).into())
}

/// A file that is named at the start.
///
/// # Errors
/// Where it cannot be read.
pub fn image_file(path: &Path) -> io::Result<GuestFile> {
    let file = File::open(path)?;
    Ok(GuestFile {
        path: path::absolute(path)?,
        expected: Expected::Version(Version::of(&file.metadata()?)),
        build_id: BuildId::of(&file),
        also_at: keep_open(&file).into_iter().collect(),
    })
}

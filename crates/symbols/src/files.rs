//! The contents of the files that symbols come from.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader as _};
use typed_arena::Arena;

/// Larger files are not read: no linker writes them, but a sparse file can claim any size.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// A file with more program headers, or longer notes, is taken to have no build-id: it is read while the guest
/// waits. Programs have about a dozen, and less than a hundred bytes.
const MAX_PROGRAM_HEADERS: u16 = 64;
const MAX_NOTES_BYTES: u64 = 16 << 10;

/// A file of the guest, as it was when the guest got it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestFile {
    /// Its path, as this process finds it, and for people.
    pub path: PathBuf,
    /// Which file the path led to.
    pub expected: Expected,
    /// Which build it is, if the file says that.
    pub build_id: Option<BuildId>,
    /// Where else this process may have it, if the path leads to another file: `/proc/self/fd/9`.
    pub also_at: Vec<PathBuf>,
}

impl GuestFile {
    /// Whatever is at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), expected: Expected::Any, build_id: None, also_at: Vec::new() }
    }

    /// The content, of wherever it is still what the guest had, or else of the same build.
    ///
    /// # Errors
    /// As [`read_elf`], or that it is another file everywhere.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let paths = || [&self.path].into_iter().chain(&self.also_at);
        let is_it = |_: &File, version| match self.expected {
            Expected::Any => true,
            Expected::Version(expected) => version == expected,
            Expected::Nothing => false,
        };
        let is_same_build =
            |file: &File, _| self.build_id.is_some() && BuildId::of(file) == self.build_id;
        read_if(&self.path, &is_it).or_else(|error| {
            let same_file = self.also_at.iter().find_map(|path| read_if(path, &is_it).ok());
            let found =
                same_file.or_else(|| paths().find_map(|path| read_if(path, &is_same_build).ok()));
            found.ok_or(error)
        })
    }
}

/// What a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Any file is taken for the guest's.
    Any,
    /// This one.
    Version(Version),
    /// It was gone before it could be looked at: no file is the guest's.
    Nothing,
}

/// Tells a file from others, and from what it is once it has been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    device: u64,
    inode: u64,
    size_bytes: u64,
    /// When it was last written to, in seconds and nanoseconds.
    modified: (i64, i64),
}

impl Version {
    /// Of the file that this was read from.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Whether it was written to after the other one.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.modified > other.modified
    }
}

/// What the linker wrote in a file to tell builds apart, the same in each copy (`--build-id` in ld's manual).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildId(Vec<u8>);

impl BuildId {
    /// Of an ELF file, from its headers and notes. The file is at another place then.
    pub fn of(file: &File) -> Option<Self> {
        let file = ReadCache::new(file);
        let id = build_id::<FileHeader64<Endianness>>(&file)
            .or_else(|| build_id::<FileHeader32<Endianness>>(&file))?;
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }
}

/// The description of the note, if the file is of this class and has one.
fn build_id<'data, Elf: FileHeader<Endian = Endianness>>(
    file: &'data ReadCache<&File>,
) -> Option<&'data [u8]> {
    let header = Elf::parse(file).ok()?;
    let endian = header.endian().ok()?;
    if header.e_phnum(endian) > MAX_PROGRAM_HEADERS {
        return None;
    }
    let segments = header.program_headers(endian, file).ok()?.iter();
    let mut short = segments.filter(|segment| segment.p_filesz(endian).into() <= MAX_NOTES_BYTES);
    short.find_map(|segment| {
        let mut notes = segment.notes(endian, file).ok()??;
        let is_id = |note: &object::read::elf::Note<'_, Elf>| {
            note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID
        };
        while let Some(note) = notes.next().ok()? {
            if is_id(&note) {
                return Some(note.desc());
            }
        }
        None
    })
}

/// The contents of the files, whole and in memory: who changes a file meanwhile changes nothing here.
///
/// It is apart from [`Symbols`](crate::Symbols), which borrows from it, and is empty at first.
#[derive(Default)]
pub struct Files {
    contents: Arena<Vec<u8>>,
}

impl Files {
    /// Keeps `content` for as long as this lives.
    pub(crate) fn keep(&self, content: Vec<u8>) -> &[u8] {
        self.contents.alloc(content)
    }
}

/// Whether the file begins as a linked ELF file does: a wrong name is known before the guest runs.
///
/// # Errors
/// As the system says, or [`io::ErrorKind::InvalidData`] with the reason.
pub fn check_elf(path: &Path) -> io::Result<()> {
    const TYPE: Range<usize> = 16..18;
    let mut head = Vec::new();
    File::open(path)?.take(TYPE.end as u64).read_to_end(&mut head)?;
    if !head.starts_with(MAGIC) {
        return refuse("not an ELF file");
    }
    let is_relocatable = match (head.get(5), head.get(TYPE)) {
        (Some(&order), Some(bytes)) if order == elf::ELFDATA2LSB.0 => {
            bytes == elf::ET_REL.0.to_le_bytes()
        }
        (_, Some(bytes)) => bytes == elf::ET_REL.0.to_be_bytes(),
        (_, None) => return refuse("an ELF file that ends in its header"),
    };
    if is_relocatable { refuse(NOT_LINKED) } else { Ok(()) }
}

/// What is said of a relocatable file.
pub(crate) const NOT_LINKED: &str = "not linked: a relocatable file has no addresses";

/// What an ELF file begins with.
const MAGIC: &[u8] = b"\x7fELF";

fn refuse<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Reads a regular file that begins as an ELF file does.
///
/// # Errors
/// As the system says, or [`io::ErrorKind::InvalidData`] with the reason.
pub(crate) fn read_elf(path: &Path) -> io::Result<Vec<u8>> {
    read_if(path, &|_, _| true)
}

/// The same, if `is_it` says so of the file and its version.
fn read_if(path: &Path, is_it: &dyn Fn(&File, Version) -> bool) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return refuse("not a regular file");
    }
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !is_it(&file, Version::of(&metadata)) {
        return refuse("changed or replaced while the guest ran: no names are taken from it");
    }
    file.rewind()?;
    let size_bytes = metadata.len();
    if size_bytes > MAX_FILE_BYTES {
        return refuse("too large, more than 4 GiB");
    }
    let mut content = Vec::new();
    (&mut file).take(4).read_to_end(&mut content)?;
    if content != MAGIC {
        return refuse("not an ELF file");
    }
    if content.try_reserve_exact(usize::try_from(size_bytes).unwrap_or(usize::MAX)).is_err() {
        return refuse("no memory to read it");
    }
    file.take(MAX_FILE_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(path: &Path) -> GuestFile {
        let version = Version::of(&path.metadata().unwrap());
        GuestFile { expected: Expected::Version(version), ..GuestFile::at(path) }
    }

    #[test]
    fn a_file_that_is_replaced_is_read_where_it_is_still_to_be_had() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "\x7fELF old").unwrap();
        let mut old = file(&path);
        assert_eq!(old.read().unwrap(), b"\x7fELF old");
        let kept = directory.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        assert_eq!(old.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "\x7fELF new").unwrap();
        assert!(old.read().unwrap_err().to_string().contains("changed or replaced"));
        old.also_at = vec![path.clone(), kept];
        assert_eq!(old.read().unwrap(), b"\x7fELF old");
        let gone = GuestFile { expected: Expected::Nothing, ..GuestFile::at(&path) };
        assert!(gone.read().is_err() && GuestFile::at(path).read().is_ok());
    }

    #[test]
    fn a_file_that_is_written_to_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "\x7fELF old").unwrap();
        let old = file(&path);
        fs::write(&path, "\x7fELF longer").unwrap();
        assert!(old.read().is_err());
        // Of the same size: the time tells.
        let old = file(&path);
        let written = fs::File::options().write(true).open(&path).unwrap();
        written.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(old.read().is_err());
    }

    /// An ELF file without code, with `id` in a note.
    fn elf_file(id: &[u8], content: &[u8]) -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(16, 0);
        let mut fields = |bytes: usize, values: &[u64]| {
            for value in values {
                elf.extend(&value.to_le_bytes()[..bytes]);
            }
        };
        // A program of RISC-V, with one program header, which is that of the notes.
        fields(2, &[2, 243]);
        fields(4, &[1]);
        fields(8, &[0, 64, 0]);
        fields(4, &[0]);
        fields(2, &[64, 56, 1, 64, 0, 0]);
        fields(4, &[4, 4]);
        let id_bytes = u64::try_from(id.len()).unwrap();
        fields(8, &[120, 0, 0, 16 + id_bytes, 16 + id_bytes, 4]);
        fields(4, &[4, id_bytes, 3]);
        elf.extend(b"GNU\0");
        elf.extend(id);
        elf.extend(content);
        elf
    }

    #[test]
    fn a_file_that_is_touched_or_copied_over_is_still_the_same_build() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let noted = |id: &[u8]| {
            fs::write(&path, elf_file(id, b"old")).unwrap();
            let build_id = BuildId::of(&File::open(&path).unwrap());
            let old = GuestFile { build_id, ..file(&path) };
            let written = File::options().write(true).open(&path).unwrap();
            written.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            old
        };
        let id = b"an id of sixteen";
        let old = noted(id);
        assert_eq!(old.build_id.as_ref().unwrap().0, id);
        assert_eq!(old.read().unwrap(), elf_file(id, b"old"));
        fs::remove_file(&path).unwrap();
        fs::write(&path, elf_file(id, b"stripped")).unwrap();
        assert_eq!(old.read().unwrap(), elf_file(id, b"stripped"));
        // The file itself is better.
        let kept = directory.path().join("kept");
        fs::write(&kept, elf_file(id, b"kept")).unwrap();
        let both = GuestFile { also_at: vec![path.clone()], ..file(&kept) };
        fs::write(&path, elf_file(b"an id of another", b"old")).unwrap();
        assert_eq!(both.read().unwrap(), elf_file(id, b"kept"));
        assert!(old.read().unwrap_err().to_string().contains("changed or replaced"));
        // An id that is none.
        assert!(noted(b"").read().is_err());
    }

    #[test]
    fn a_file_that_is_no_linked_elf_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let checked = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            check_elf(&path).map_err(|error| error.to_string())
        };
        let good = elf_file(b"an id of sixteen", b"");
        assert_eq!(checked(&good), Ok(()));
        assert_eq!(checked(b""), Err("not an ELF file".to_owned()));
        assert_eq!(checked(b"MZ, some other format"), Err("not an ELF file".to_owned()));
        assert_eq!(checked(&good[..17]), Err("an ELF file that ends in its header".to_owned()));
        for (order, kind) in [(1, [1, 0]), (2, [0, 1])] {
            let mut object = good.clone();
            object[5] = order;
            object[16..18].copy_from_slice(&kind);
            assert_eq!(checked(&object), Err(NOT_LINKED.to_owned()));
        }
        assert_eq!(
            check_elf(&path.with_file_name("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn no_file_is_too_strange_to_be_asked_for_its_build_id() {
        let good = elf_file(b"an id of sixteen", b"");
        let asked = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
            BuildId::of(&file)
        };
        assert!(asked(&good).is_some());
        for length in 0..good.len() {
            assert_eq!(asked(&good[..length]), None);
        }
        for index in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[index] = value;
                let _ = asked(&bytes);
            }
        }
    }
}

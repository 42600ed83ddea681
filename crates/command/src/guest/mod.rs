//! What a guest program is: read from its file, before anything is started.

mod target;

pub use target::{Target, all as all_targets, debian_package};

use super::failure::{Failure, Status};
use super::files;
use cachesim::escape::escape;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadCache, ReadRef};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program that QEMU can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// What it is compiled for.
    pub target: Target,
    /// The dynamic loader that it names. A static program has none.
    pub loader: Option<PathBuf>,
}

impl Program {
    /// The program that a shell would start for `name`.
    ///
    /// # Errors
    /// If there is none, or if it is not an ELF program of an architecture that QEMU emulates.
    pub fn find(name: &OsStr) -> Result<Self, Failure> {
        let shown = Path::new(name).display();
        if files::is_path(name) {
            return Self::read(Path::new(name));
        }
        match files::in_path(name) {
            Some(path) => Self::read(&path),
            None if Path::new(name).is_file() => Err(Failure::new(
                Status::NotFound,
                format!("{shown}: not in PATH; write ./{shown} for the file in this directory"),
            )),
            None => {
                Err(Failure::new(Status::NotFound, format!("{shown}: no such program in PATH")))
            }
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |status, why: &str| Failure::new(status, format!("{}: {why}", path.display()));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => refuse(Status::NotFound, "no such program"),
            _ => refuse(Status::NotRunnable, &error.to_string()),
        };
        // Opening a pipe would wait for its writer.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(refuse(Status::NotRunnable, "not a file"));
        }
        let file = File::open(path).map_err(failed)?;
        let data = ReadCache::new(file);
        let (target, loader) = match FileKind::parse(&data) {
            Ok(FileKind::Elf32) => read_elf::<FileHeader32<Endianness>, _>(&data),
            Ok(FileKind::Elf64) => read_elf::<FileHeader64<Endianness>, _>(&data),
            _ => Err(not_elf(&data, path)),
        }
        .map_err(|why| refuse(Status::NotRunnable, &why))?;
        if !files::is_executable(path) {
            let why = format!("not executable; write chmod +x {}", path.display());
            return Err(refuse(Status::NotRunnable, &why));
        }
        Ok(Self { path: path.to_owned(), target, loader })
    }
}

/// The target that an ELF file is for, whatever kind of file it is.
pub fn target_of(path: &Path) -> Option<Target> {
    let data = ReadCache::new(File::open(path).ok()?);
    match FileKind::parse(&data).ok()? {
        FileKind::Elf32 => {
            let header = FileHeader32::<Endianness>::parse(&data).ok()?;
            target::of(header, header.endian().ok()?).ok()
        }
        FileKind::Elf64 => {
            let header = FileHeader64::<Endianness>::parse(&data).ok()?;
            target::of(header, header.endian().ok()?).ok()
        }
        _ => None,
    }
}

fn read_elf<'data, Elf, R>(data: R) -> Result<(Target, Option<PathBuf>), String>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let broken = |error: object::read::Error| format!("a damaged ELF file: {error}");
    let header = Elf::parse(data).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    match header.e_type(endian) {
        elf::ET_EXEC | elf::ET_DYN => {}
        elf::ET_REL => return Err("an object file; link it to a program".to_owned()),
        elf::ET_CORE => return Err("a core dump, not a program".to_owned()),
        _ => return Err("an ELF file that is no program".to_owned()),
    }
    let target = target::of(header, endian)?;
    let mut loader = None;
    for segment in header.program_headers(endian, data).map_err(broken)? {
        if let Some(path) = segment.interpreter(endian, data).map_err(broken)? {
            loader = Some(PathBuf::from(OsStr::from_bytes(path)));
        }
    }
    Ok((target, loader))
}

/// What a file is instead of a program.
fn not_elf<'data>(data: impl ReadRef<'data>, path: &Path) -> String {
    const MAX_LINE: u64 = 256;
    let length = data.len().unwrap_or(0).min(MAX_LINE);
    let head = data.read_bytes_at(0, length).unwrap_or_default();
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Some(interpreter) = line.strip_prefix(b"#!") else {
        return "not an ELF program".to_owned();
    };
    let interpreter = String::from_utf8_lossy(interpreter);
    format!(
        "a script for {}; run that program, as it is built for the guest: libcache run \
         path/to/interpreter {}",
        escape(interpreter.trim()),
        path.display()
    )
}

//! What a run writes that tells functions and lines: the report, and a file in each format asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context, bail};
use cachesim::escape::escape;
use options::{ElfImage, FileOf, GuestMode, Options, Subject};
use report::html::{Source, SourceState};
use report::table::{self, By};
use report::{NamedFile, Profile, Renderer, RunDescription, hints};
use source::Location;
use symbols::{Expected, LoadedElf, Sources, Symbols, Version, Warning, check_elf};

use crate::outcome::Reading;
use crate::outcome::locator::Locator;
use crate::output;
use crate::qemu::command_line::qemu_option;
use crate::qemu::{Emulation, Qemu};
use crate::translate::mapped_files::{MappedFiles, MappingCalls, image_file};

/// Makes the report and the files.
pub struct Reporter {
    /// The files of `elf`.
    images: Vec<LoadedElf>,
    /// Where a program's libraries are.
    sysroot: Option<PathBuf>,
    /// Whether it has been told what is wrong with files of symbols.
    warned: AtomicBool,
    /// How many vCPUs there have been.
    threads: AtomicU32,
}

/// What the files beside the report are made of, all of one reading.
pub struct Files {
    profile: Profile,
    built: Built,
    /// Source files in pages that may not be what was compiled, escaped.
    changed_sources: RefCell<Vec<String>>,
    warnings: Warnings,
}

/// Whether it is told what is wrong with files of symbols and source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Warnings {
    Told,
    /// They have been told.
    Silent,
}

impl Warnings {
    fn tell(self, text: &str) {
        if self == Self::Told {
            output::complain(&format!("symbols: {text}"));
        }
    }
}

impl Reporter {
    /// For a run with the settings `options`.
    ///
    /// # Errors
    /// Where a file of `elf` cannot be read.
    pub fn new(qemu: &Qemu, options: &Options) -> anyhow::Result<Self> {
        let sysroot = match qemu.emulation {
            Emulation::User => qemu_option(qemu.emulation, "L", "QEMU_LD_PREFIX"),
            Emulation::System { .. } => None,
        };
        Ok(Self {
            images: options.images.iter().map(loaded_elf).collect::<anyhow::Result<_>>()?,
            sysroot: sysroot.and_then(|prefix| path::absolute(prefix).ok()),
            warned: AtomicBool::new(false),
            threads: AtomicU32::new(0),
        })
    }

    /// The report of a run that has counted what `reading` says, and what its files are made of.
    pub fn report(&self, qemu: &Qemu, reading: &Reading<'_>) -> (String, Files) {
        let options = reading.options;
        // Warnings come once: a shell that tries its PATH comes here for every directory.
        let have_been_told = self.warned.swap(true, Ordering::Relaxed);
        let warnings = if have_been_told { Warnings::Silent } else { Warnings::Told };
        let (profile, sources) = self.profile(qemu, reading, warnings);
        let report = match options.by {
            Subject::Instruction => table::render_all(&reading.snapshots(), options),
            Subject::Function => table::render_profile(&profile, By::Function),
            Subject::Line => table::render_profile(&profile, By::Line),
        };
        let built = Built { programs: self.built(reading), sources };
        (report, Files { profile, built, changed_sources: RefCell::default(), warnings })
    }

    /// The guest's files as they were built, by the names that they have in a profile.
    fn built(&self, reading: &Reading<'_>) -> HashMap<String, Version> {
        let mapped = reading.translator.files().into_iter().flat_map(MappedFiles::files);
        let images = self.images.iter().map(|image| &*image.file);
        let versions = mapped.chain(images).filter_map(|file| match file.expected {
            Expected::Version(version) => Some((file.path.to_string_lossy().into(), version)),
            Expected::Any | Expected::Nothing => None,
        });
        versions.collect()
    }

    /// Everything, with where the instructions come from.
    fn profile(
        &self,
        qemu: &Qemu,
        reading: &Reading<'_>,
        warnings: Warnings,
    ) -> (Profile, Sources) {
        let Reading { options, translator, .. } = *reading;
        let files = symbols::Files::default();
        let no_program = MappedFiles::new(MappingCalls::Unknown);
        let mut locator = Locator {
            symbols: Symbols::new(&files, self.sysroot.as_deref()),
            images: &self.images,
            mapped: translator.files().unwrap_or(&no_program),
            instructions: translator.instructions(),
            named: HashMap::new(),
        };
        let profile = reading.profile(&self.description(qemu, options), &mut locator);
        for warning in locator.symbols.warnings() {
            warnings.tell(&warning.to_string());
        }
        if warnings == Warnings::Told {
            let readable = self.readable(options, locator.symbols.warnings());
            for hint in hints(&profile, &readable) {
                output::complain(&hint);
            }
        }
        let mut renderers = options.files.iter().map(|(format, _)| Renderer::of(*format));
        let shows_sources = renderers.any(Renderer::shows_source);
        let sources = if shows_sources { locator.symbols.sources() } else { Sources::default() };
        (profile, sources)
    }
}

impl Reporter {
    /// The files of `elf` of which nothing is wrong.
    fn readable(&self, options: &Options, warnings: &[Warning]) -> Vec<NamedFile> {
        let named = options.images.iter().zip(&self.images).filter_map(|(option, image)| {
            let path = &image.file.path;
            let is_fine = warnings.iter().all(|warning| warning.path != *path);
            let object = path.to_string_lossy().into_owned();
            is_fine.then(|| NamedFile { option: option.path.clone(), object })
        });
        named.collect()
    }

    fn description(&self, qemu: &Qemu, options: &Options) -> RunDescription {
        let (mode, vcpus) = qemu.guest();
        RunDescription {
            version: env!("CARGO_PKG_VERSION").into(),
            target: qemu.target.clone(),
            mode,
            vcpus: match mode {
                GuestMode::User => self.threads(),
                GuestMode::System => vcpus,
            },
            plugin_api: qemu.api,
            qemu_version: qemu.version(),
            command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            process_id: std::process::id(),
            options: options.clone(),
        }
    }

    /// There is a vCPU of this index.
    pub fn made(&self, vcpu_index: u32) {
        self.threads.fetch_max(vcpu_index.saturating_add(1), Ordering::Relaxed);
    }

    /// Of the vCPUs that there have been, one is left.
    pub fn forget_threads(&self) {
        self.threads.store(1, Ordering::Relaxed);
    }

    /// The most threads that a program has had at once so far, each of which is a vCPU.
    pub fn threads(&self) -> u32 {
        self.threads.load(Ordering::Relaxed).max(1)
    }
}

impl Files {
    /// Writes a file with these contents to `out`.
    ///
    /// # Errors
    /// Those of `out`, and where it panics: one that fails shall not take the others with it.
    pub fn write(&self, file: FileOf, out: &mut dyn Write) -> io::Result<()> {
        let source = |path: &str| {
            let source = source(path, &self.profile, &self.built)?;
            if source.state != SourceState::AsCompiled {
                let mut changed_sources = self.changed_sources.borrow_mut();
                let name = escape(path).to_string();
                if !changed_sources.contains(&name) {
                    changed_sources.push(name);
                }
            }
            Some(source)
        };
        let compared = file.machine.checked_sub(1).map(|number| &self.profile.compared[number]);
        let profile = compared.unwrap_or(&self.profile);
        let write = || Renderer::of(file.format).write(profile, &source, out);
        catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(|_| Err(io::Error::other("internal error")))
    }

    /// Has a line written if source files were shown that may not be what was compiled. For when all are
    /// written.
    pub fn warn_of_sources(&self) {
        let changed_sources = self.changed_sources.borrow();
        if !changed_sources.is_empty() {
            let names = changed_sources.join(", ");
            self.warnings.tell(&format!("changed since the program was built: {names}"));
        }
    }
}

/// An ELF file, by a name that holds wherever the guest's program goes.
fn loaded_elf(image: &ElfImage) -> anyhow::Result<LoadedElf> {
    let ElfImage { path, bias } = image;
    let open = || {
        // Opening a pipe would wait for its writer.
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match path.rsplit_once('@') {
                    // What follows is no number.
                    Some((file, _)) if Path::new(file).exists() => {
                        bail!("no such file; for a BIAS write a number, such as elf={file}@0x1000")
                    }
                    _ => return Err(error.into()),
                }
            }
            metadata => metadata?,
        };
        if !metadata.is_file() {
            bail!("not a file; name an ELF file");
        }
        check_elf(Path::new(path))?;
        Ok(image_file(Path::new(path))?)
    };
    let file = open().with_context(|| format!("elf={path}"))?;
    Ok(LoadedElf { file: file.into(), bias: *bias })
}

/// The longest source that is shown.
const MAX_SOURCE_BYTES: u64 = 8 << 20;

/// What a run's programs were when they were built.
struct Built {
    /// The programs themselves, by the names that they have in a profile.
    programs: HashMap<String, Version>,
    /// What their compilers say of the source files.
    sources: Sources,
}

/// A source file, if it is there, beside the programs that were `built` from it.
fn source(path: &str, profile: &Profile, built: &Built) -> Option<Source> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let text = fs::read(path).ok()?;
    let is_newer = || {
        let is_from_it = |location: &Location| {
            location.frames.iter().any(|frame| frame.file.as_deref() == Some(path))
        };
        let locations = profile.instructions.iter().map(|insn| &insn.location);
        let mut programs = locations
            .filter(|location| is_from_it(location))
            .filter_map(|location| built.programs.get(location.object.as_deref()?));
        let version = Version::of(&metadata);
        programs.any(|program| version.is_newer_than(program))
    };
    let state = match built.sources.is_compiled(path, &text) {
        Some(false) => SourceState::Changed,
        None if is_newer() => SourceState::Newer,
        Some(true) | None => SourceState::AsCompiled,
    };
    Some(Source { text: String::from_utf8_lossy(&text).into(), state })
}

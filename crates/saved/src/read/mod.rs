//! From a JSON report back to what it was made of.
//!
//! What is read is a [`Profile`], so that every format of the crate `report` can be made of it. The file's
//! sums (`total`, `functions`, `lines`, the summary) are not read: they are made anew.
//!
//! A file may be anything: cut off, another format, of a later libcache, changed by hand. Each of these is
//! one line that says so ([`ReadError`]), and never a panic.

mod convert;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cachesim::escape::escape;
use report::Profile;
use report::json::SCHEMA_VERSION;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::schema::{Head, Instruction, Report};

/// The largest file that is read: it is in memory at once. That of a run of millions of instructions has
/// some hundred megabytes.
pub const MAX_BYTES: u64 = 4 << 30;

/// A report that was read.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Its file.
    pub path: PathBuf,
    /// When the file was written, where that is known.
    pub modified: Option<SystemTime>,
    /// What is in it. `by` and the options of files are those of a run without any: the report does not
    /// have them.
    pub profile: Profile,
    /// What could not be taken from it, a line each.
    pub notes: Vec<String>,
}

/// How much of a report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All.
    Whole,
    /// All but the instructions, of which the profile then has none.
    Cores,
}

/// Why a file could not be read. One line, with the file's name.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", escape(&path.to_string_lossy()))]
pub struct ReadError {
    path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("{0}")]
    Io(io::Error),
    /// It is larger than [`MAX_BYTES`].
    #[error("has {bytes} bytes; reports of up to {MAX_BYTES} can be read")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is no JSON.
    #[error("not JSON ({0}); name a file that json=FILE has written")]
    NotJson(serde_json::Error),
    /// It ends in the middle of a value.
    #[error("the file is cut off at line {line}; make the report again")]
    CutOff {
        /// The last line.
        line: usize,
    },
    /// It is JSON of something else.
    #[error("JSON, but not a report of libcache; name a file that json=FILE has written")]
    NotAReport,
    /// Its schema is not the one that is read here.
    #[error(
        "has version {version} of the schema{}; this is libcache {}, which reads version {SCHEMA_VERSION}",
        writer.as_ref().map(|writer| format!(", written by libcache {}", escape(writer))).unwrap_or_default(),
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// The version.
        version: u64,
        /// The libcache that wrote it, if it says so.
        writer: Option<String>,
    },
    /// Something in it cannot be.
    #[error("a damaged report: {0}")]
    Damaged(String),
}

impl Saved {
    /// Reads the report in the file `path`.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn read(path: &Path, extent: Extent) -> Result<Self, ReadError> {
        let read = || {
            let (bytes, modified) = contents(path)?;
            let (profile, notes) = parse(&bytes, extent)?;
            Ok(Self { path: path.to_owned(), modified, profile, notes })
        };
        read().map_err(|fault| ReadError { path: path.to_owned(), fault })
    }

    /// The file's name, as it is shown.
    pub fn name(&self) -> String {
        escape(&self.path.to_string_lossy()).to_string()
    }
}

fn contents(path: &Path) -> Result<(Vec<u8>, Option<SystemTime>), Fault> {
    let file = File::open(path).map_err(Fault::Io)?;
    let metadata = file.metadata().map_err(Fault::Io)?;
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(Fault::Io(io::Error::other("a device, not a file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Fault::TooLarge { bytes: metadata.len() });
    }
    let mut bytes = Vec::new();
    // A pipe has no length.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Fault::Io)?;
    match u64::try_from(bytes.len()) {
        Ok(..=MAX_BYTES) => Ok((bytes, metadata.modified().ok())),
        _ => Err(Fault::TooLarge { bytes: MAX_BYTES + 1 }),
    }
}

/// The profile in the text of a report, and what could not be taken from it.
pub(crate) fn parse(bytes: &[u8], extent: Extent) -> Result<(Profile, Vec<String>), Fault> {
    if bytes.trim_ascii().is_empty() {
        return Err(Fault::Empty);
    }
    // What is no report, or one of another version, may fail anywhere: its head says more.
    match extent {
        Extent::Whole => {
            let report = document::<Report<Vec<Instruction<'_>>>>(bytes)?;
            convert::whole(report)
        }
        Extent::Cores => convert::cores(document::<Report<IgnoredAny>>(bytes)?),
    }
    .map_err(Fault::Damaged)
}

fn document<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    let parsed = serde_json::from_slice::<T>(bytes);
    let head = match serde_json::from_slice::<Head>(bytes) {
        Ok(head) => head,
        Err(error) if error.is_eof() => return Err(Fault::CutOff { line: error.line() }),
        Err(error) if error.is_syntax() => return Err(Fault::NotJson(error)),
        Err(_) => return Err(Fault::NotAReport),
    };
    let (Some("libcache"), Some(version)) = (head.schema.as_deref(), head.schema_version) else {
        return Err(Fault::NotAReport);
    };
    if version != u64::from(SCHEMA_VERSION) {
        return Err(Fault::Version {
            version,
            writer: head.libcache.map(|libcache| libcache.version),
        });
    }
    parsed.map_err(|error| Fault::Damaged(error.to_string()))
}

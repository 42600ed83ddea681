//! What is mapped in a process, as Linux tells it in `/proc/PID/maps`.
//!
//! A path is bytes, not text. The kernel writes a newline in it as `\012`, but a backslash as it is, and
//! adds ` (deleted)` to the path of a file that is not there any more (`seq_path` and `d_path`; proc(5)). So
//! a line may have two meanings; [`Region::file`] asks which one it has.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt};
use std::path::{Path, PathBuf};

const NEWLINE: &[u8] = br"\012";
const DELETED: &[u8] = b" (deleted)";

/// A part of the process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region<'text> {
    /// The address of its first byte.
    pub start: u64,
    /// The address behind its last byte.
    pub end: u64,
    /// Where its first byte is in the file.
    pub file_offset: u64,
    /// The number of what is mapped, on its device; 0 for memory that is nobody's.
    pub inode: u64,
    /// As the kernel writes it; may be empty.
    pub name: &'text [u8],
}

/// A file that is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedPath {
    /// Where it is, or was.
    pub path: PathBuf,
    /// Whether it is there still.
    pub presence: Presence,
}

/// Whether a file that is mapped has a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    There,
    /// It was removed, or another one took its place.
    Deleted,
}

/// What the process is asked for where a line has two meanings.
pub trait Answers {
    /// The path without anything escaped: where the region's link in `/proc/PID/map_files` leads.
    fn exact_name(&self, region: &Region<'_>) -> Option<PathBuf>;
    /// The inode of what is at `path`.
    fn inode_at(&self, path: &Path) -> Option<u64>;
}

/// The regions of the text of a `maps` file. A line that is not understood is left out.
pub fn parse(maps: &[u8]) -> impl Iterator<Item = Region<'_>> {
    maps.split(|byte| *byte == b'\n').filter_map(region)
}

fn region(line: &[u8]) -> Option<Region<'_>> {
    // The name is the sixth field and may have blanks in it.
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut field = || fields.next();
    let (range, _permissions, offset, _device, inode) =
        (text(field()?)?, field()?, text(field()?)?, field()?, text(field()?)?);
    let (start, end) = range.split_once('-')?;
    let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
    Some(Region {
        start: hexadecimal(start)?,
        end: hexadecimal(end)?,
        file_offset: hexadecimal(offset)?,
        inode: inode.parse().ok()?,
        // In a column of its own.
        name: field().unwrap_or_default().trim_ascii_start(),
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

impl Region<'_> {
    /// The file that is mapped here, if there is one.
    pub fn file(&self, answers: &impl Answers) -> Option<MappedPath> {
        // Memory that is shared has a name as well.
        let is_memory =
            [&b"/memfd:"[..], b"/SYSV", b"/dev/zero"].iter().any(|it| self.name.starts_with(it));
        if self.inode == 0 || is_memory || !self.name.starts_with(b"/") {
            return None;
        }
        let exact = |name: &[u8]| -> Vec<u8> {
            if !has(name, NEWLINE) {
                return name.to_owned();
            }
            let told = answers.exact_name(self).map(PathBuf::into_os_string);
            told.map_or_else(|| with_newlines(name), OsStringExt::into_vec)
        };
        let name = exact(self.name);
        let there = |name: &[u8]| answers.inode_at(path(name)) == Some(self.inode);
        let (name, presence) = match name.strip_suffix(DELETED) {
            Some(deleted) if !there(&name) => (deleted, Presence::Deleted),
            _ => (name.as_slice(), Presence::There),
        };
        Some(MappedPath { path: path(name).to_owned(), presence })
    }
}

fn path(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

fn has(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

/// With the newlines that are escaped in it.
fn with_newlines(mut name: &[u8]) -> Vec<u8> {
    let mut exact = Vec::with_capacity(name.len());
    while let Some((first, rest)) = name.split_first() {
        if let Some(rest) = name.strip_prefix(NEWLINE) {
            exact.push(b'\n');
            name = rest;
        } else {
            exact.push(*first);
            name = rest;
        }
    }
    exact
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A process with one file.
    #[derive(Default)]
    struct Process {
        exact: Option<Vec<u8>>,
        there: Option<(Vec<u8>, u64)>,
    }

    impl Answers for Process {
        fn exact_name(&self, _: &Region<'_>) -> Option<PathBuf> {
            self.exact.as_deref().map(|name| path(name).to_owned())
        }

        fn inode_at(&self, at: &Path) -> Option<u64> {
            let (name, inode) = self.there.as_ref()?;
            (path(name) == at).then_some(*inode)
        }
    }

    fn only(maps: &[u8]) -> Region<'_> {
        let mut regions = parse(maps);
        let first = regions.next().expect("a region");
        assert_eq!(regions.next(), None);
        first
    }

    #[test]
    fn a_line_has_a_range_an_offset_an_inode_and_a_name() {
        let line = b"7f5c1a2b3000-7f5c1a2b4000 r-xp 00026000 fd:01 1185    /usr/lib/libm.so.6\n";
        let region = Region {
            start: 0x7f5c_1a2b_3000,
            end: 0x7f5c_1a2b_4000,
            file_offset: 0x26000,
            inode: 1185,
            name: b"/usr/lib/libm.so.6",
        };
        assert_eq!(only(line), region);
        let maps =
            b"\nnonsense\n1-2 r-xp 0 0:0 0\n3-4 r-xp 0 0:0 0    [heap]\n5-6 r-xp 0 0:0 x /a\n";
        let names: Vec<_> = parse(maps).map(|region| region.name).collect();
        assert_eq!(names, [&b""[..], b"[heap]"]);
        for name in ["", "[stack]", "anon_inode:[perf]", "/memfd:jit (deleted)", "/SYSV00000000"] {
            let maps = format!("1-2 r-xp 0 0:1 7    {name}\n");
            assert_eq!(only(maps.as_bytes()).file(&Process::default()), None, "{name}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf_8_costs_no_names() {
        let maps = b"1-2 r-xp 0 0:1 7 /caf\xe9/lib.so\n3-4 r-xp 0 0:1 8 /bin/true\n";
        let paths: Vec<_> =
            parse(maps).map(|region| region.file(&Process::default()).unwrap().path).collect();
        assert_eq!(paths, [path(b"/caf\xe9/lib.so"), path(b"/bin/true")]);
    }

    #[test]
    fn what_ends_as_the_path_of_a_deleted_file_may_be_one_that_is_there() {
        let region = only(b"1-2 r-xp 0 0:1 7 /lib.so (deleted)\n");
        let file = |there: &[u8], inode| {
            region.file(&Process { exact: None, there: Some((there.to_owned(), inode)) }).unwrap()
        };
        let deleted = MappedPath { path: path(b"/lib.so").to_owned(), presence: Presence::Deleted };
        assert_eq!(file(b"/lib.so", 8), deleted);
        assert_eq!(file(b"/lib.so (deleted)", 8), deleted);
        let there = path(b"/lib.so (deleted)").to_owned();
        let there = MappedPath { path: there, presence: Presence::There };
        assert_eq!(file(b"/lib.so (deleted)", 7), there);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_path_is_read_as_it_is(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"\n".to_vec()),
                    Just(br"\012".to_vec()),
                    Just(b" (deleted)".to_vec()),
                    prop::collection::vec(1..=255_u8, 0..9),
                ],
                0..6,
            ),
            is_deleted: bool,
        ) {
            let mut name = b"/".to_vec();
            name.extend(parts.concat());
            // As the kernel does.
            let mut told = name.clone();
            if is_deleted {
                told.extend(DELETED);
            }
            let mut line = b"400000-401000 r-xp 00001000 08:01 42                         ".to_vec();
            for byte in &told {
                if *byte == b'\n' { line.extend(NEWLINE) } else { line.push(*byte) }
            }
            line.push(b'\n');
            let there = (!is_deleted).then(|| (name.clone(), 42));
            let process = Process { exact: Some(told), there };
            let file = only(&line).file(&process).unwrap();
            prop_assert_eq!(file.path.as_os_str().as_bytes(), &name[..]);
            prop_assert_eq!(file.presence == Presence::Deleted, is_deleted);
        }

        #[test]
        fn no_text_is_too_strange(text: Vec<u8>) {
            for region in parse(&text) {
                let _ = region.file(&Process::default());
            }
        }
    }
}

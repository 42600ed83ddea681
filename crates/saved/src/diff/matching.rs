//! Which function, line or instruction of one run is which of another.
//!
//! Addresses are others in every build, so rows are matched by names:
//!
//! - **functions** by name and ELF file. What is inlined counts for the first function of the user's own, wherever
//!   that is inlined: so a compiler that inlines more or less of a library does not change which rows there are;
//! - **lines** by source file and number, whatever functions they are in; code without lines by function;
//! - **instructions** by the address in their ELF file, and their bytes: of use for two runs of one build.
//!
//! Two builds may lie in two directories. Of paths that only one of the runs has, two are the same file if
//! they end in the same names, the more the better, and no other pair ends so; and the programs that were
//! run are the same file whatever they are called.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cachesim::instructions::Code;
use report::{InstructionCounts, Profile, ProfiledInstruction};
use source::{Attribution, Frame, Location};

use crate::Subject;

/// What rows of two runs have in common if they are of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A function.
    Function {
        /// Its name, if known.
        name: Option<Arc<str>>,
        /// Its ELF file, if known.
        object: Option<Arc<str>>,
    },
    /// A line of a known file.
    Line {
        /// The source file.
        file: Arc<str>,
        /// The line, if known.
        line: Option<u32>,
    },
    /// An instruction.
    Instruction {
        /// Its ELF file, if known.
        object: Option<Arc<str>>,
        /// Its address there, or else in memory.
        address: u64,
        /// Its bytes.
        code: Code,
    },
}

/// What is told of a thing beside its counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The function; of a line, one that it is in.
    pub function: Option<Arc<str>>,
    /// The ELF file.
    pub object: Option<Arc<str>>,
    /// The source file.
    pub file: Option<Arc<str>>,
    /// The line.
    pub line: Option<u32>,
    /// The address and the text of an instruction.
    pub instruction: Option<(u64, String)>,
}

/// A row of one run.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it is.
    pub place: Place,
    /// What its instructions did.
    pub counts: InstructionCounts,
}

/// What the paths of the second run are called in the first one; those that are not in it are the same.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    objects: HashMap<Arc<str>, Arc<str>>,
    files: HashMap<Arc<str>, Arc<str>>,
}

impl Paths {
    /// Those of `b`, in the names of `a`.
    pub fn between(a: &Profile, b: &Profile) -> Self {
        let objects = |profile| paths(profile, |one| one.location.object.iter());
        let files = |profile| {
            paths(profile, |one| one.location.frames.iter().filter_map(|frame| frame.file.as_ref()))
        };
        Self {
            objects: pairs(&objects(a), &objects(b), program(a).zip(program(b))),
            files: pairs(&files(a), &files(b), None),
        }
    }

    fn object(&self, path: Option<&Arc<str>>) -> Option<Arc<str>> {
        path.map(|path| Arc::clone(self.objects.get(path).unwrap_or(path)))
    }

    fn file(&self, path: &Arc<str>) -> Arc<str> {
        Arc::clone(self.files.get(path).unwrap_or(path))
    }
}

/// The rows of `profile`, by what they have in common with those of another run.
pub fn rows(profile: &Profile, by: Subject, paths: &Paths) -> HashMap<Key, Row> {
    let mut rows: HashMap<Key, Row> = HashMap::new();
    for one in &profile.instructions {
        rows.entry(key(one, by, paths))
            .and_modify(|row| row.counts = row.counts + one.counts)
            .or_insert_with(|| Row { place: place(one, by), counts: one.counts });
    }
    rows
}

/// The function and line that code counts for: as in the lists of a run, the user's own, whatever the run's own
/// choice was, so that two runs have the same.
pub fn frame(location: &Location) -> Option<&Frame> {
    location.frame(Attribution::Own)
}

fn key(one: &ProfiledInstruction, by: Subject, paths: &Paths) -> Key {
    let counting = frame(&one.location);
    let object = paths.object(one.location.object.as_ref());
    match (by, counting.and_then(|frame| frame.file.as_ref())) {
        (Subject::Line, Some(file)) => {
            Key::Line { file: paths.file(file), line: counting.and_then(|frame| frame.line) }
        }
        (Subject::Function, _) | (Subject::Line, None) => {
            Key::Function { name: counting.and_then(|frame| frame.function.clone()), object }
        }
        (Subject::Instruction, _) => Key::Instruction {
            object,
            address: one.object_address.unwrap_or(one.vaddr),
            code: one.code,
        },
    }
}

fn place(one: &ProfiledInstruction, by: Subject) -> Place {
    let counting = frame(&one.location);
    let place = Place {
        function: counting.and_then(|frame| frame.function.clone()),
        object: one.location.object.clone(),
        file: counting.and_then(|frame| frame.file.clone()),
        line: counting.and_then(|frame| frame.line),
        instruction: None,
    };
    match by {
        Subject::Function => Place { line: None, ..place },
        Subject::Line => place,
        Subject::Instruction => {
            Place { instruction: Some((one.vaddr, one.disassembly.clone())), ..place }
        }
    }
}

fn paths<'a, I: Iterator<Item = &'a Arc<str>>>(
    profile: &'a Profile,
    of: impl Fn(&'a ProfiledInstruction) -> I,
) -> BTreeSet<Arc<str>> {
    profile.instructions.iter().flat_map(of).cloned().collect()
}

/// The file of the program that ran: the first one in QEMU's command line that has instructions.
pub fn program(profile: &Profile) -> Option<Arc<str>> {
    let objects = paths(profile, |one| one.location.object.iter());
    let by_name: HashMap<&str, &Arc<str>> =
        objects.iter().map(|object| (file_name(object), object)).collect();
    let mut words = profile.run.command.iter().skip(1);
    words.find_map(|word| by_name.get(file_name(word)).copied()).cloned()
}

/// A path without its directories.
pub fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What the paths in `b` are called in `a`, of those that are not called the same.
fn pairs(
    a: &BTreeSet<Arc<str>>,
    b: &BTreeSet<Arc<str>>,
    known: Option<(Arc<str>, Arc<str>)>,
) -> HashMap<Arc<str>, Arc<str>> {
    let mut pairs = HashMap::new();
    let mut only_a: BTreeSet<_> = a.difference(b).cloned().collect();
    let mut only_b: BTreeSet<_> = b.difference(a).cloned().collect();
    if let Some((in_a, in_b)) = known
        && only_a.remove(&in_a)
        && only_b.remove(&in_b)
    {
        pairs.insert(in_b, in_a);
    }
    let (names_of_a, names_of_b) = (by_name(&only_a), by_name(&only_b));
    for in_b in &only_b {
        let best =
            closest(in_b, &names_of_a).filter(|in_a| closest(in_a, &names_of_b) == Some(in_b));
        if let Some(in_a) = best {
            pairs.insert(Arc::clone(in_b), Arc::clone(in_a));
        }
    }
    pairs
}

type ByName<'a> = HashMap<&'a str, Vec<&'a Arc<str>>>;

fn by_name(paths: &BTreeSet<Arc<str>>) -> ByName<'_> {
    let mut by_name = ByName::new();
    for path in paths {
        by_name.entry(file_name(path)).or_default().push(path);
    }
    by_name
}

/// The one of `paths` that ends most like `path`, if it is one.
fn closest<'a>(path: &str, paths: &ByName<'a>) -> Option<&'a Arc<str>> {
    let alike = |other: &str| {
        let names = path.rsplit('/').zip(other.rsplit('/'));
        names.take_while(|(one, other)| one == other).count()
    };
    let candidates = paths.get(file_name(path))?;
    let best = candidates.iter().map(|other| alike(other)).max()?;
    let mut closest = candidates.iter().filter(|other| alike(other) == best);
    let one = closest.next().copied();
    closest.next().is_none().then_some(one)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn set(paths: &[&str]) -> BTreeSet<Arc<str>> {
        paths.iter().map(|path| Arc::from(*path)).collect()
    }

    fn paired(a: &[&str], b: &[&str]) -> Vec<String> {
        let pairs = pairs(&set(a), &set(b), None);
        let mut pairs: Vec<_> = pairs.iter().map(|(b, a)| format!("{b} is {a}")).collect();
        pairs.sort();
        pairs
    }

    #[test]
    fn files_of_another_directory_are_the_same_files() {
        assert_eq!(
            paired(
                &["/home/a/src/main.c", "/home/a/src/io/mod.rs", "/home/a/src/mod.rs", "/usr/x.h"],
                &["/ci/src/main.c", "/ci/src/io/mod.rs", "/ci/src/mod.rs", "/usr/x.h"],
            ),
            [
                "/ci/src/io/mod.rs is /home/a/src/io/mod.rs",
                "/ci/src/main.c is /home/a/src/main.c",
                "/ci/src/mod.rs is /home/a/src/mod.rs",
            ]
        );
    }

    #[test]
    fn files_that_may_be_one_of_several_are_none() {
        assert!(paired(&["/a/mod.rs", "/b/mod.rs"], &["/c/mod.rs"]).is_empty());
        assert!(paired(&["/c/mod.rs"], &["/a/mod.rs", "/b/mod.rs"]).is_empty());
        assert!(paired(&["/a/one.c"], &["/a/other.c"]).is_empty());
    }

    #[test]
    fn a_function_is_one_wherever_it_is_inlined() {
        let mut profile = sample::profile();
        // Also by itself, in another place.
        let mut location = (*profile.instructions[2].location).clone();
        location.frames.truncate(1);
        profile.instructions[3].location = location.into();
        let rows = rows(&profile, Subject::Function, &Paths::default());
        let dot: Vec<_> = rows
            .values()
            .filter(|row| row.place.function.as_deref() == Some("dot<T>"))
            .map(|row| row.counts.data_misses)
            .collect();
        assert_eq!(dot, [600]);
    }

    #[test]
    fn the_program_is_one_whatever_it_is_called() {
        let a = sample::profile();
        let mut b = sample::profile();
        for word in &mut b.run.command {
            *word = word.replace("matrix", "./build-2/faster");
        }
        for one in &mut b.instructions {
            let mut location = (*one.location).clone();
            if location.object.as_deref() == Some("/opt/matrix") {
                location.object = Some("/build-2/faster".into());
            }
            one.location = location.into();
        }
        let paths = Paths::between(&a, &b);
        for by in [Subject::Function, Subject::Line, Subject::Instruction] {
            let mut of_a: Vec<_> = rows(&a, by, &Paths::default()).into_keys().collect();
            let mut of_b: Vec<_> = rows(&b, by, &paths).into_keys().collect();
            of_a.sort();
            of_b.sort();
            assert_eq!(of_a, of_b);
        }
    }
}

//! All QEMUs of this machine, for people.

use super::directories;
use super::probe::{self, Ability, ability, loads};
use crate::files;
use crate::guest::all_targets;
use std::fmt::Write;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

/// What an executable emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Programs: `qemu-ARCH`.
    Programs,
    /// Machines: `qemu-system-ARCH`.
    Machines,
}

/// QEMUs of one directory that differ in nothing but their target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where they are.
    pub directory: PathBuf,
    /// What they emulate.
    pub kind: Kind,
    /// Their version, if they say it.
    pub version: Option<String>,
    /// Whether they have the option `-plugin`.
    pub ability: Ability,
    /// Their targets, in the order of the alphabet.
    pub targets: Vec<String>,
}

impl Group {
    /// The file of one of them, for `target`.
    pub fn path(&self, target: &str) -> PathBuf {
        self.directory.join(self.kind.prefix().to_owned() + target)
    }

    /// The file of any of them.
    pub fn any(&self) -> PathBuf {
        self.path(&self.targets[0])
    }
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Programs => "qemu-",
            Self::Machines => "qemu-system-",
        }
    }
}

/// All of them, each asked for its version and its options.
pub fn survey() -> Vec<Group> {
    let found: Vec<Found> =
        directories().iter().flat_map(|directory| executables(directory)).collect();
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let ask = |found: &[Found]| -> Vec<Answer> {
        found.iter().map(|found| (probe::version(&found.path), ability(&found.path))).collect()
    };
    let answers: Vec<Answer> = thread::scope(|scope| {
        let parts = found.chunks(found.len().div_ceil(workers).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || ask(part))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("asking does not panic"))
            .collect()
    });
    let mut groups: Vec<Group> = Vec::new();
    for (Found { kind, target, path }, (version, ability)) in found.into_iter().zip(answers) {
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let same = |group: &&mut Group| {
            group.directory == directory
                && group.kind == kind
                && group.version == version
                && group.ability == ability
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.targets.push(target),
            None => groups.push(Group { directory, kind, version, ability, targets: vec![target] }),
        }
    }
    groups
}

type Answer = (Option<String>, Ability);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    kind: Kind,
    target: String,
    path: PathBuf,
}

/// The emulators in a directory. Other programs of QEMU's have such names too: `qemu-img`.
fn executables(directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let (kind, target) = if let Some(target) = name.strip_prefix(Kind::Machines.prefix()) {
            (Kind::Machines, target)
        } else if let Some(target) = name.strip_prefix(Kind::Programs.prefix())
            && all_targets().any(|known| known.name() == target)
        {
            (Kind::Programs, target)
        } else {
            continue;
        };
        let path = entry.path();
        if files::is_executable(&path) {
            found.push(Found { kind, target: target.to_owned(), path });
        }
    }
    found.sort();
    found
}

/// The groups as text of at most 80 columns. With a plugin, one of each group is made to load it.
pub fn describe(groups: &[Group], plugin: Option<&Path>) -> String {
    let mut text = String::new();
    let mut directory = None;
    for group in groups {
        if directory != Some(&group.directory) {
            let _ = writeln!(text, "{}", group.directory.display());
            directory = Some(&group.directory);
        }
        let kind = match group.kind {
            Kind::Programs => "programs",
            Kind::Machines => "machines",
        };
        let version = group.version.as_deref().unwrap_or("does not say its version");
        let able = match (group.ability, plugin) {
            (Ability::None, _) => "cannot load plugins".to_owned(),
            (Ability::Plugins, None) => "loads plugins".to_owned(),
            (Ability::Plugins, Some(plugin)) => match loads(&group.any(), group.kind, plugin) {
                Ok(()) => "loads the plugin".to_owned(),
                Err(why) => format!("does not load the plugin: {why}"),
            },
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {kind}, QEMU {version}, {able}:");
        push_words(&mut text, &group.targets);
    }
    text
}

/// Words in lines of at most 80 columns, indented.
fn push_words(text: &mut String, words: &[String]) {
    const WIDTH: usize = 80;
    let mut line = String::from("   ");
    for word in words {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

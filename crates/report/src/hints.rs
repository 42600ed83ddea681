//! What a user can do where a report names less than it could.

use std::collections::HashMap;

use cachesim::escape::escape;
use options::{GuestMode, Subject};

use crate::snapshot::ratio;
use crate::{InstructionCounts, Profile, ProfiledInstruction};

/// A file of `elf` that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// As it was typed.
    pub option: String,
    /// As it is called in locations.
    pub object: String,
}

/// A line for each thing to do, without a prefix. `images` are the files of `elf`.
pub fn hints(profile: &Profile, images: &[NamedFile]) -> Vec<String> {
    let mut hints = Vec::new();
    let options = &profile.run.options;
    if profile.instructions.is_empty() {
        return hints;
    }
    // The page says it itself.
    let shows_lines = options.by == Subject::Line;
    let has_unnamed = options.by == Subject::Function
        && profile.instructions.iter().any(|one| function(one).is_none());
    let is_without_files = profile.run.mode == GuestMode::System && options.images.is_empty();
    if is_without_files && (shows_lines || has_unnamed) {
        hints.push(
            "a machine's functions and lines come from the files that elf names, such as elf=vmlinux"
                .to_owned(),
        );
    }
    // What a program has in memory is known without being named.
    let named = images.iter().filter(|_| profile.run.mode == GuestMode::System);
    for NamedFile { option, object } in named {
        let is_in = |one: &ProfiledInstruction| one.location.object.as_deref() == Some(object);
        if !profile.instructions.iter().any(is_in) {
            let option = escape(option);
            hints.push(format!(
                "elf={option}: no code that missed is at its addresses; a kernel may be relocated: \
                 start it with nokaslr, or write elf={option}@BIAS"
            ));
        }
    }
    if shows_lines {
        hints.extend(without_lines(profile));
    }
    hints
}

fn function(one: &ProfiledInstruction) -> Option<&str> {
    one.location.frames.first()?.function.as_deref()
}

/// Of the file with the most misses, if it has no line numbers at all.
fn without_lines(profile: &Profile) -> Option<String> {
    let mut files: HashMap<&str, (InstructionCounts, bool)> = HashMap::new();
    for one in &profile.instructions {
        if let Some(object) = one.location.object.as_deref() {
            let (counts, has_lines) = files.entry(object).or_default();
            *counts = *counts + one.counts;
            *has_lines |= one.location.frames.iter().any(|frame| frame.line.is_some());
        }
    }
    let all: InstructionCounts = profile.instructions.iter().map(|one| one.counts).sum();
    let hottest = files.into_iter().max_by_key(|(name, (counts, _))| (counts.misses(), *name));
    let (name, (counts, has_lines)) = hottest?;
    (!has_lines).then(|| {
        format!(
            "{}, with {:.2}% of the misses, has no line numbers: compile it with -g, or install its debug \
             information",
            escape(name),
            100.0 * ratio(counts.misses(), all.misses()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use options::ElfImage;
    use source::Location;

    use super::*;
    use crate::sample;

    fn by(subject: Subject, mode: GuestMode) -> Profile {
        let mut profile = sample::misses();
        profile.run.options.by = subject;
        profile.run.mode = mode;
        profile
    }

    #[test]
    fn a_program_without_line_numbers_is_told_of_g() {
        let mut profile = by(Subject::Line, GuestMode::User);
        assert_eq!(hints(&profile, &[]), [""; 0]);
        for one in &mut profile.instructions {
            let mut location = Location::clone(&one.location);
            location.frames.iter_mut().for_each(|frame| frame.line = None);
            one.location = Arc::new(location);
        }
        let said = [
            "/opt/matrix, with 98.92% of the misses, has no line numbers: compile it with -g, or install \
             its debug information",
        ];
        assert_eq!(hints(&profile, &[]), said);
        profile.run.options.by = Subject::Function;
        assert_eq!(hints(&profile, &[]), [""; 0]);
    }

    #[test]
    fn a_machine_without_named_files_is_told_of_elf() {
        let said = [
            "a machine's functions and lines come from the files that elf names, such as elf=vmlinux",
        ];
        for subject in [Subject::Function, Subject::Line] {
            assert_eq!(hints(&by(subject, GuestMode::System), &[]), said);
            assert_eq!(hints(&by(subject, GuestMode::User), &[]), [""; 0]);
        }
        assert_eq!(hints(&by(Subject::Instruction, GuestMode::System), &[]), [""; 0]);
        // QEMU knows the symbols of some kernels.
        let mut profile = by(Subject::Function, GuestMode::System);
        profile.instructions.retain(|one| function(one).is_some());
        assert_eq!(hints(&profile, &[]), [""; 0]);
    }

    #[test]
    fn a_file_of_which_no_code_ran_is_named() {
        let mut profile = by(Subject::Function, GuestMode::System);
        let image = |path: &str| ElfImage { path: path.to_owned(), bias: 0 };
        profile.run.options.images = vec![image("/opt/matrix"), image("vmlinux")];
        let named = |option: &str, object: &str| NamedFile {
            option: option.to_owned(),
            object: object.to_owned(),
        };
        let said =
            hints(&profile, &[named("/opt/matrix", "/opt/matrix"), named("vmlinux", "/w/vmlinux")]);
        assert_eq!(
            said,
            [
                "elf=vmlinux: no code that missed is at its addresses; a kernel may be relocated: start it \
                 with nokaslr, or write elf=vmlinux@BIAS"
            ]
        );
    }

    #[test]
    fn a_run_without_anything_has_nothing_to_be_told() {
        let mut profile = by(Subject::Line, GuestMode::System);
        profile.instructions.clear();
        assert_eq!(hints(&profile, &[]), [""; 0]);
    }
}

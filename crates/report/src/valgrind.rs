//! What the formats of Valgrind's tools have in common: how they name places, and their headers.
//!
//! Both give an instruction to the function whose machine code it is part of, and to the file and
//! line that it was compiled from, which may be those of another function that is inlined there.
//! That is how Valgrind counts too.
//!
//! Both are lines of text without quoting or escapes. A name is made one line that is not empty;
//! else any text is one.

use std::io::{self, Write};

use cachesim::config::{L2Kind, LowerLevels, WriteHit, WriteMiss, Writes};
use cachesim::escape::escape;
use cachesim::geometry::CacheGeometry;
use options::GuestMode;

use source::Location;

use crate::{RunDescription, settings};

/// Where the formats look for an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position<'a> {
    /// The function whose machine code it is part of.
    pub function: PhysicalFunction<'a>,
    /// The source file it comes from.
    pub file: Option<&'a str>,
    /// The line in it, 0 where it is not known.
    pub line: u32,
}

/// A function that has machine code of its own. Static functions may share a name, so the file is
/// part of what it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PhysicalFunction<'a> {
    pub object: Option<&'a str>,
    pub file: Option<&'a str>,
    pub name: Option<&'a str>,
}

impl<'a> Position<'a> {
    pub fn of(location: &'a Location) -> Self {
        let innermost = location.frames.first();
        let outermost = location.frames.last();
        Self {
            function: PhysicalFunction {
                object: location.object.as_deref(),
                file: outermost.and_then(|frame| frame.file.as_deref()),
                name: outermost.and_then(|frame| frame.function.as_deref()),
            },
            file: innermost.and_then(|frame| frame.file.as_deref()),
            line: innermost.and_then(|frame| frame.line).unwrap_or(0),
        }
    }
}

/// A name as it is written, `???` if there is none. An empty one, or one of blanks, would be read as
/// a reference to a name that came before.
pub(crate) fn name(name: Option<&str>) -> String {
    match name {
        Some(name) if !name.trim().is_empty() => escape(name).to_string(),
        _ => "???".to_owned(),
    }
}

/// The `desc:` lines. Those of the first level and of the last, which is called LL, are worded as
/// Valgrind words them.
pub(crate) fn write_description(out: &mut dyn Write, run: &RunDescription) -> io::Result<()> {
    let config = &run.options.config;
    write_cache(out, "I1", &config.icache().geometry)?;
    write_cache(out, "D1", &config.dcache().geometry)?;
    if let Some(lower @ LowerLevels { l2, l2_kind, l3, .. }) = &config.lower() {
        if l3.is_some() {
            write_cache(out, "L2", &l2.geometry)?;
        }
        write_cache(out, "LL", &l3.unwrap_or(*l2).geometry)?;
        let l2_kind = match l2_kind {
            L2Kind::Unified => "unified",
            L2Kind::Split => "split",
        };
        let inclusion = settings::inclusion(lower);
        writeln!(out, "desc: Levels: L2 {l2_kind}, inclusion {inclusion}")?;
    }
    out.write_all(b"desc: Replacement policy: ")?;
    if let Some(policy) = settings::common_policy(config) {
        writeln!(out, "{}", policy.title())?;
    } else {
        let caches = settings::caches(config);
        let policies =
            caches.iter().map(|cache| format!("{} {}", cache.name, cache.level.policy.title()));
        writeln!(out, "{}", policies.collect::<Vec<_>>().join(", "))?;
    }
    if let Some(Writes { on_hit, on_miss }) = config.writes() {
        let on_hit = match on_hit {
            WriteHit::Back => "back",
            WriteHit::Through => "through",
        };
        let on_miss = match on_miss {
            WriteMiss::Allocate => "allocate",
            WriteMiss::NoAllocate => "no-allocate",
        };
        writeln!(out, "desc: Writes: write-{on_hit}, write-{on_miss}")?;
    }
    writeln!(out, "desc: Cores: {}", config.cores())?;
    let mode = match run.mode {
        GuestMode::User => "user",
        GuestMode::System => "system",
    };
    writeln!(out, "desc: Guest: {}, {mode} mode", escape(&run.target))
}

fn write_cache(out: &mut dyn Write, name: &str, geometry: &CacheGeometry) -> io::Result<()> {
    let (size, line) = (geometry.size_bytes(), geometry.line_bytes());
    write!(out, "desc: {name} cache: {size} B, {line} B, ")?;
    match geometry.ways() {
        1 => writeln!(out, "direct-mapped"),
        ways => writeln!(out, "{ways}-way associative"),
    }
}

/// The value of `cmd:`: QEMU's command line as a shell would take it. `cg_annotate` of Valgrind 3.19
/// takes a line with `desc:` anywhere in it for a description, so there is none.
pub(crate) fn command_line(run: &RunDescription) -> String {
    let words: Vec<_> = run.command.iter().map(|word| quoted(word)).collect();
    escape(&words.join(" ")).to_string().replace("desc:", r"desc\u{3a}")
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Numbers with a blank between them.
pub(crate) fn spaced(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn command(words: &[&str]) -> String {
        let command = words.iter().map(ToString::to_string).collect();
        command_line(&RunDescription { command, ..sample::profile().run })
    }

    #[test]
    fn a_command_line_can_be_given_to_a_shell() {
        assert_eq!(
            command(&["qemu-x", "-plugin", "a.so,x=1", "two words", "don't", "", "$HOME"]),
            r"qemu-x -plugin a.so,x=1 'two words' 'don'\''t' '' '$HOME'"
        );
    }

    #[test]
    fn a_command_line_is_not_a_description() {
        assert_eq!(command(&["-append", "a\ndesc: x"]), r"-append 'a\ndesc\u{3a} x'");
    }

    #[test]
    fn a_cache_of_one_way_is_direct_mapped() {
        let line = |ways| {
            let geometry = CacheGeometry::new(1024, 64, ways).unwrap();
            sample::written(|out| write_cache(out, "D1", &geometry))
        };
        assert_eq!(line(1), "desc: D1 cache: 1024 B, 64 B, direct-mapped\n");
        assert_eq!(line(2), "desc: D1 cache: 1024 B, 64 B, 2-way associative\n");
    }

    #[test]
    fn a_name_is_never_blank() {
        for blank in [None, Some(""), Some(" \u{a0}\t")] {
            assert_eq!(name(blank), "???");
        }
        assert_eq!(name(Some("operator()\n")), r"operator()\n");
    }
}

//! `libcache report`: formats and tables of a run that is over.

use std::collections::BTreeSet;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::bail;
use clap::{Args, ValueEnum};
use options::{Detail, Format};
use report::html::{Source, SourceState};
use report::table::{self, By};
use report::{
    Costs, MissLists, MissRow, Profile, ProfiledInstruction, Rank, Renderer, Snapshot, top_by,
};

use crate::output::{tell, to_stdout, write_to};
use crate::read::{Extent, Saved};

/// Make other formats, or the table, of a JSON report
#[derive(Debug, Clone, Args)]
#[command(after_help = "Without a format the table is printed. A FILE of - is standard output.")]
pub struct ReportArgs {
    /// A report that a run has written with json=FILE
    #[arg(value_name = "REPORT.json")]
    report: PathBuf,

    /// Write a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write a row for each instruction, for spreadsheets
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = "Write the format of Callgrind, for KCachegrind")]
    callgrind: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = "Write the format of Cachegrind, for cg_annotate")]
    cachegrind: Option<PathBuf>,

    /// What the rows of the table's lists are
    #[arg(long, value_enum, default_value_t = Subject::Instruction)]
    by: Subject,

    /// The most rows of a list [default: as in the run]
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
}

/// What the rows of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Subject {
    /// Functions
    Function,
    /// Lines of source
    Line,
    /// Instructions
    Instruction,
}

impl ReportArgs {
    /// Does what was asked for.
    ///
    /// # Errors
    /// In one line, where the report cannot be read or has not what a format needs, or a file cannot be written.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let mut saved = Saved::read(&self.report, Extent::Whole)?;
        for note in &saved.notes {
            tell(format_args!("{}: {note}", saved.name()));
        }
        let files = [
            (Format::Html, &self.html),
            (Format::Csv, &self.csv),
            (Format::Callgrind, &self.callgrind),
            (Format::Cachegrind, &self.cachegrind),
        ];
        let files: Vec<_> =
            files.into_iter().filter_map(|(format, path)| Some((format, path.as_ref()?))).collect();
        // Before any file is written.
        for (format, _) in &files {
            check(*format, &saved)?;
        }
        if files.is_empty() {
            if let Some(limit) = self.limit {
                set_limit(&mut saved.profile, limit);
            }
            let text = table(&saved.profile, self.by);
            to_stdout(|out| out.write_all(text.as_bytes()))?;
        }
        for (format, path) in files {
            write_to(path, |out| {
                let source = |path: &str| source(path, &saved);
                Renderer::of(format).write(&saved.profile, &source, out)
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether `format` can be made of the report.
fn check(format: Format, saved: &Saved) -> anyhow::Result<()> {
    let needs_all = matches!(Renderer::of(format), Renderer::Full(_));
    if needs_all && saved.profile.detail != Detail::Full {
        bail!(
            "{}: has misses only, and {} needs the counts of every instruction; run it again with profile=on",
            saved.name(),
            format.name()
        );
    }
    Ok(())
}

/// Has the lists of every machine have `limit` rows at most.
fn set_limit(profile: &mut Profile, limit: usize) {
    profile.run.options.limit = limit;
    for machine in &mut profile.compared {
        machine.run.options.limit = limit;
    }
}

/// The table of the run, with lists by `by`.
pub fn table(profile: &Profile, by: Subject) -> String {
    let by = match by {
        Subject::Function => By::Function,
        Subject::Line => By::Line,
        Subject::Instruction => {
            let machines = iter::once(profile).chain(&profile.compared);
            let snapshots: Vec<_> = machines.map(snapshot).collect();
            return table::render_all(&snapshots, &profile.run.options);
        }
    };
    table::render_profile(profile, by)
}

/// Of one machine.
fn snapshot(profile: &Profile) -> Snapshot {
    let limit = profile.run.options.limit;
    Snapshot {
        cores: profile.cores.iter().map(|core| core.counts).collect(),
        lists: (limit > 0).then(|| lists(profile, limit)),
    }
}

fn lists(profile: &Profile, limit: usize) -> MissLists {
    let list = |count: &dyn Fn(&ProfiledInstruction) -> u64| -> Vec<MissRow> {
        let rank = |one: &&ProfiledInstruction| Rank {
            count: count(one),
            vaddr: one.vaddr,
            code: one.code,
        };
        let rows = top_by(&profile.instructions, limit, rank).into_iter();
        let row = |one: &ProfiledInstruction| MissRow {
            vaddr: one.vaddr,
            // QEMU names the function whose machine code it is.
            symbol: one.location.frames.last().and_then(|frame| frame.function.clone()),
            count: count(one),
            disassembly: one.disassembly.clone(),
        };
        rows.map(row).collect()
    };
    let lower = profile.run.options.config.lower();
    let costs = Costs::of_instructions(&profile.run.options);
    MissLists {
        stalls: costs.map(|costs| list(&|one| costs.total(&one.counts))),
        data: list(&|one| one.counts.data_misses),
        fetch: list(&|one| one.counts.fetch_misses),
        l2: lower.map(|_| list(&|one| one.counts.lower.unwrap_or_default().l2.total())),
        l3: lower
            .and_then(|lower| lower.l3)
            .map(|_| list(&|one| one.counts.lower.unwrap_or_default().l3.total())),
    }
}

/// The longest source that is shown.
const MAX_SOURCE_BYTES: u64 = 8 << 20;

/// A source file, if it is there: read now, so it may have changed since the run.
pub(crate) fn source(path: &str, saved: &Saved) -> Option<Source> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let text = fs::read(path).ok()?;
    let written = metadata.modified().ok();
    let is_after = |time: Option<SystemTime>| written.zip(time).is_some_and(|(it, time)| it > time);
    let state = if is_after(saved.modified) {
        SourceState::NewerThanReport
    } else if programs_of(path, &saved.profile)
        .into_iter()
        .any(|program| is_after(modified(program)))
    {
        SourceState::Newer
    } else {
        SourceState::AsCompiled
    };
    Some(Source { text: String::from_utf8_lossy(&text).into(), state })
}

/// The ELF files that have code of this source file.
fn programs_of<'a>(path: &str, profile: &'a Profile) -> BTreeSet<&'a str> {
    let locations = profile.instructions.iter().map(|one| &one.location);
    let has_code = locations
        .filter(|location| location.frames.iter().any(|frame| frame.file.as_deref() == Some(path)));
    has_code.filter_map(|location| location.object.as_deref()).collect()
}

fn modified(path: impl AsRef<Path>) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

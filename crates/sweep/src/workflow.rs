//! The plan as a workflow of Snakemake, which decides what is to be done, where, and what is done already.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use cachesim::escape::escape;
use indexmap::IndexMap;
use serde::Serialize;

use crate::plan::{Job, Plan, Scalar};

/// The workflow: the same for every plan.
const SNAKEFILE: &str = include_str!("Snakefile");

/// The oldest Snakemake that has executors as plugins.
const OLDEST: u32 = 8;

/// Where a sweep is done.
#[derive(Debug)]
pub struct Place {
    /// The directory of the plan, in which programs run.
    pub folder: PathBuf,
    /// The directory of the results, seen from there.
    pub results: PathBuf,
}

/// How Snakemake is called.
#[derive(Debug)]
pub struct Engine {
    /// The libcache of the jobs.
    pub libcache: PathBuf,
    /// Words for Snakemake.
    pub args: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    results: &'a str,
    resources: IndexMap<&'a str, Resource<'a>>,
    jobs: IndexMap<String, JobView>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Resource<'a> {
    Number(i64),
    Text(&'a str),
}

#[derive(Serialize)]
struct JobView {
    report: String,
    /// If one of these changes, the job is done again.
    files: Vec<String>,
    command: String,
}

impl Place {
    /// That of the plan in the file `path`, with the results in `results` or else beside it.
    ///
    /// # Errors
    /// Where the directory's name cannot be in a workflow.
    pub fn new(path: &Path, results: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let results = match results {
            // It is named from where the user is.
            Some(results) => std::path::absolute(results)?,
            None => Path::new(path.file_stem().unwrap_or_default()).with_extension("sweep"),
        };
        let is_plain = |c: char| !c.is_control() && !"{}*?[]".contains(c);
        if !results.to_str().is_some_and(|text| text.chars().all(is_plain)) {
            let shown = escape(&results.to_string_lossy()).to_string();
            bail!("{shown}: a directory of results has no braces, brackets, * or ? in its name");
        }
        Ok(Self { folder, results })
    }

    /// The report of `job`, seen from the plan's directory.
    fn report(&self, job: &Job) -> String {
        format!("{}/runs/{}.json", self.results.display(), job.name())
    }

    /// The same, seen from here.
    pub fn report_path(&self, job: &Job) -> PathBuf {
        self.seen_from_here(self.report(job))
    }

    /// The file with what the job has said.
    pub fn log_path(&self, job: &Job) -> PathBuf {
        self.results_path().join("logs").join(format!("{}.log", job.name()))
    }

    /// The directory of the results, seen from here.
    pub fn results_path(&self) -> PathBuf {
        self.seen_from_here(&self.results)
    }

    fn seen_from_here(&self, path: impl AsRef<Path>) -> PathBuf {
        match self.folder.to_str() {
            Some(".") => path.as_ref().to_owned(),
            _ => self.folder.join(path),
        }
    }
}

/// Writes the workflow, into a directory that is there.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(plan: &Plan, jobs: &[Job], place: &Place, engine: &Engine) -> anyhow::Result<()> {
    let results = place.results_path();
    let view = |job: &Job| {
        let report = place.report(job);
        let command = command(job, &report, &engine.libcache)?;
        Ok((job.name(), JobView { files: files(job, &place.folder)?, command, report }))
    };
    let document = Document {
        results: place.results.to_str().context("not UTF-8")?,
        resources: plan
            .resources
            .iter()
            .map(|(name, value)| (&name[..], resource(value)))
            .collect(),
        jobs: jobs.iter().map(view).collect::<anyhow::Result<_>>()?,
    };
    let write = || {
        fs::write(results.join("Snakefile"), SNAKEFILE)?;
        fs::write(results.join("jobs.json"), serde_json::to_string_pretty(&document)? + "\n")
    };
    write().with_context(|| format!("cannot write to {}", escape(&results.to_string_lossy())))
}

fn resource(value: &Scalar) -> Resource<'_> {
    match value {
        Scalar::Number(number) => Resource::Number(*number),
        Scalar::Switch(switch) => Resource::Number((*switch).into()),
        Scalar::Text(text) => Resource::Text(text),
    }
}

/// The line that does the job, for a shell in the plan's directory.
fn command(job: &Job, report: &str, libcache: &Path) -> anyhow::Result<String> {
    let mut words = vec![libcache.to_string_lossy().into_owned(), "run".to_owned()];
    words.extend(job.settings.iter().map(|(name, value)| format!("--{name}={value}")));
    words.push(format!("--json={report}"));
    words.push("--".to_owned());
    words.extend_from_slice(&job.command);
    let line = shlex::try_join(words.iter().map(String::as_str)).context(NUL)?;
    let stdin = shlex::try_quote(job.stdin.as_deref().unwrap_or("/dev/null")).context(NUL)?;
    Ok(format!("{line} < {stdin}"))
}

/// Why a word cannot be quoted.
const NUL: &str = "a word of a command has a NUL in it";

/// The files among the words: the program, its input.
fn files(job: &Job, folder: &Path) -> anyhow::Result<Vec<String>> {
    let words = job.command.iter().chain(&job.stdin);
    let files: Vec<String> = words.filter(|word| folder.join(word).is_file()).cloned().collect();
    if let Some(file) = files.iter().find(|file| file.contains(['{', '}'])) {
        bail!("{}: Snakemake takes no file with braces in its name", escape(file));
    }
    Ok(files)
}

/// Whether all jobs are done, or those that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Snakemake says that all went well.
    All,
    /// It says that something failed.
    NotAll,
}

/// Makes the directory of the results, and keeps others from doing the same sweep as long as the file is open.
///
/// # Errors
/// Where another process does it, or the directory cannot be made.
pub fn lock(place: &Place) -> anyhow::Result<File> {
    let results = place.results_path();
    let shown = escape(&results.to_string_lossy()).to_string();
    let open = || {
        fs::create_dir_all(&results)?;
        File::create(results.join(".lock"))
    };
    let lock = open().with_context(|| shown.clone())?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("{shown}: this sweep is being done by another process")
        }
        Err(TryLockError::Error(error)) => Err(error).context(shown),
    }
}

/// Has Snakemake do what is to be done. `lock` is that of [`lock`].
///
/// # Errors
/// Where it cannot be started.
pub fn run(place: &Place, engine: &Engine, lock: File) -> anyhow::Result<Done> {
    let results = place.results_path();
    let mut snakemake = Command::new("snakemake");
    snakemake
        .arg("--snakefile")
        .arg(results.join("Snakefile"))
        .arg("--directory")
        .arg(&place.folder)
        // What was killed has left half a job, and Snakemake's own lock, in whose place is ours. It is this
        // process's and Snakemake's, so it lasts as long as either.
        .args(["--rerun-incomplete", "--nolock", "--keep-going"])
        .args(&engine.args)
        .stdin(Stdio::from(lock));
    let status = snakemake.status().context("snakemake")?;
    Ok(if status.success() { Done::All } else { Done::NotAll })
}

/// Whether there is a Snakemake that is new enough.
///
/// # Errors
/// Where there is none.
pub fn check_version() -> anyhow::Result<()> {
    let output = match Command::new("snakemake").arg("--version").stderr(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("snakemake is not on the PATH; it is installed by: pipx install snakemake")
        }
        output => output.context("snakemake")?,
    };
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version.trim().split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(OLDEST..) => Ok(()),
        _ => bail!(
            "snakemake has version '{}', and {OLDEST} is needed; a newer one is installed by: pipx install snakemake",
            escape(version.trim())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_line_for_a_shell() {
        let job = Job {
            names: ["p", "i", "m", "o"].map(str::to_owned),
            settings: vec![("cpu".to_owned(), "zen3".to_owned())],
            command: vec!["./p".to_owned(), "two words".to_owned(), "$HOME".to_owned()],
            stdin: Some("a b".to_owned()),
        };
        assert_eq!(
            command(&job, "plan.sweep/runs/p/i/m/o.json", Path::new("/usr/bin/libcache")).unwrap(),
            "/usr/bin/libcache run '--cpu=zen3' '--json=plan.sweep/runs/p/i/m/o.json' -- ./p 'two words' '$HOME' < 'a b'"
        );
    }

    #[test]
    fn results_are_beside_the_plan() {
        let place = Place::new(Path::new("plans/cache.toml"), None).unwrap();
        assert_eq!(place.results_path(), Path::new("plans/cache.sweep"));
        Place::new(Path::new("a{b}.toml"), None).unwrap_err();
    }
}

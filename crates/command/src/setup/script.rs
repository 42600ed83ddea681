//! The project's scripts that make QEMUs, run from within the command, with their progress shown.

use crate::failure::{Failure, Status};
use crate::{files, places, streams};
use indicatif::{ProgressBar, ProgressStyle};
use std::env::consts;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const QEMU: &str = include_str!("../../../../scripts/qemu.sh");
const LIBRARY: &str = include_str!("../../../../scripts/lib.sh");

/// Why the scripts cannot run on this host, if they cannot.
pub fn refusal() -> Option<String> {
    if consts::OS != "linux" {
        return Some(
            "QEMU runs programs on Linux only; machines run here: libcache run --system".to_owned(),
        );
    }
    let missing: Vec<&str> = ["bash", "apt-get", "dpkg-deb", "flock", "tar"]
        .into_iter()
        .filter(|tool| files::in_path(OsStr::new(tool)).is_none())
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "setup needs {}; without Debian's tools, install your system's qemu-user, or build QEMU with \
         --enable-plugins, and name its directory with libcache run --qemu",
        missing.join(", ")
    ))
}

/// Runs `qemu.sh` with these arguments; the directory that it made.
pub fn run(args: &[&str], mirror: Option<&str>) -> Result<PathBuf, Failure> {
    let failed = |why: String| Failure::new(Status::Failed, why);
    let cache = places::cache_directory()
        .ok_or_else(|| failed("neither HOME nor LIBCACHE_CACHE is set".to_owned()))?;
    let scripts =
        tempfile::tempdir().map_err(|error| failed(format!("no temporary directory: {error}")))?;
    for (name, text) in [("qemu.sh", QEMU), ("lib.sh", LIBRARY)] {
        let file = scripts.path().join(name);
        fs::write(&file, text).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    }
    let mut command = Command::new("bash");
    command.arg(scripts.path().join("qemu.sh")).args(args);
    command.env("LIBCACHE_CACHE", &cache).env("LIBCACHE_PROGRESS", "1");
    if let Some(mirror) = mirror {
        command.env("LIBCACHE_MIRROR", mirror);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("bash: {error}")))?;
    let mut progress = Progress::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            progress.line(&line);
        }
    }
    let mut directory = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        // What cannot be read is missing below.
        let _ = stdout.read_to_string(&mut directory);
    }
    let status = child.wait().map_err(|error| failed(format!("bash: {error}")))?;
    let directory = PathBuf::from(directory.trim_end());
    if status.success() && directory.is_dir() {
        progress.bar.finish_and_clear();
        return Ok(directory);
    }
    Err(failed(progress.complaint(&status.to_string())))
}

/// A bar on a terminal; elsewhere a line for each step.
struct Progress {
    bar: ProgressBar,
    /// What else was said, for a failure.
    other: Vec<String>,
    error: Option<String>,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, other: Vec::new(), error: None }
    }

    /// A line of the script's standard error.
    fn line(&mut self, line: &str) {
        match Line::read(line) {
            Line::Percent(percent) => {
                if self.bar.length() != Some(100) {
                    let style =
                        ProgressStyle::with_template("{spinner} {msg} {wide_bar} {percent}%");
                    self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    self.bar.set_length(100);
                }
                self.bar.set_position(percent);
            }
            Line::Step(step) => {
                if self.bar.is_hidden() {
                    streams::tell(step);
                }
                self.bar.unset_length();
                self.bar.set_style(ProgressStyle::default_spinner());
                self.bar.set_message(step.to_owned());
            }
            Line::Error(error) => self.error = Some(error.to_owned()),
            Line::Other => self.other.push(line.to_owned()),
        }
    }

    /// Why the script failed: its own line, after what the tools said.
    fn complaint(self, status: &str) -> String {
        self.bar.finish_and_clear();
        for line in &self.other {
            let _ = writeln!(io::stderr(), "{line}");
        }
        self.error.unwrap_or_else(|| format!("the script that gets QEMU failed ({status})"))
    }
}

/// What a line of the script's means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// How far the step is.
    Percent(u64),
    /// The next step.
    Step(&'a str),
    /// Why it ends.
    Error(&'a str),
    /// Of a tool that the script runs.
    Other,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        // apt's, see its README.progress-reporting; and ours of the same form.
        if let Some(status) = line.strip_prefix("dlstatus:") {
            let percent = status.split(':').nth(1).and_then(|percent| percent.split('.').next());
            return percent
                .and_then(|percent| percent.parse().ok())
                .map_or(Self::Other, Self::Percent);
        }
        match line.strip_prefix("qemu.sh: ") {
            Some(text) => match text.strip_prefix("error: ") {
                Some(error) => Self::Error(error),
                None => Self::Step(text),
            },
            None => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_script_are_steps_errors_and_progress() {
        assert_eq!(Line::read("dlstatus:1:20.5124:Retrieving file 3 of 23"), Line::Percent(20));
        assert_eq!(
            Line::read("qemu.sh: unpacking 23 packages"),
            Line::Step("unpacking 23 packages")
        );
        assert_eq!(Line::read("qemu.sh: error: no mirror"), Line::Error("no mirror"));
        assert_eq!(Line::read("E: Unable to locate package x"), Line::Other);
        assert_eq!(Line::read("dlstatus:odd"), Line::Other);
    }
}

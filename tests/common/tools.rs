//! Other programs: those that make guests, and those that users read the plugin's files with.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Longer than any of them takes on a busy machine, in seconds.
const TIMEOUT: &str = "120";

/// A command for `program` of the Debian package `package`, with a limit on its time.
///
/// # Panics
/// If it is not installed, with the name of the package.
pub fn tool(package: &str, program: &str) -> Command {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    assert!(
        found.is_ok_and(|found| found.status.success()),
        "{program} is missing: install the Debian package {package}, or run \
         scripts/install-packages.sh test"
    );
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", TIMEOUT, program]);
    command
}

/// What `command` writes.
///
/// # Panics
/// If it fails, with that.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The standard output of a program of the Debian package `package`, run in `directory`.
///
/// # Panics
/// If it is missing or fails.
pub fn output_of<S: AsRef<OsStr>>(
    package: &str,
    program: &str,
    directory: &Path,
    args: impl IntoIterator<Item = S>,
) -> String {
    let output = run(tool(package, program).args(args).current_dir(directory));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The number that `text` is, which may have commas between its digits; a point or nothing for zero.
pub fn number(text: &str) -> u64 {
    let digits = text.replace(',', "");
    if digits == "." {
        return 0;
    }
    digits.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

//! The command line.

use super::failure::{Failure, Status};
use super::{doctor, generated, run, setup};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is typed.
#[derive(Debug, Parser)]
#[command(
    name = "libcache",
    version,
    about = "Simulates the caches of the cores that a program runs on, and says where it misses",
    after_help = "libcache run ./program shows a first table; libcache COMMAND --help has more.",
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands",
    disable_help_subcommand = true,
    max_term_width = 80
)]
pub struct Cli {
    /// Which command.
    #[command(subcommand)]
    pub subcommand: Subcommand,
}

/// The commands, in the order of the help.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Run a program or a machine under the plugin
    Run(run::Args),
    /// Compare two saved reports, check budgets, or show the history of many
    Diff(saved::DiffArgs),
    /// Make other formats of a saved report
    Report(saved::ReportArgs),
    /// Run programs on inputs, machines and options, with Snakemake
    Sweep(sweep::SweepArgs),
    /// Say which QEMUs can load the plugin, and get one where none can
    Setup(setup::Args),
    /// Print what a bug report needs
    Doctor(doctor::Args),
    /// Print the completions for a shell
    Completions(generated::CompletionsArgs),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man(generated::ManArgs),
}

/// What clap says of a wrong command line in a paragraph or more.
pub fn in_one_line(error: &clap::Error) -> Failure {
    if let Some(line) = unknown_flag_of_run(error) {
        return Failure::new(Status::Usage, line);
    }
    let text = error.render().to_string();
    // What follows is the usage, and that there is a help.
    let told = text.split("\n\nUsage:").next().unwrap_or_default();
    let told = told.split("\n\nFor more information").next().unwrap_or_default();
    let mut line = String::new();
    for part in told.lines().map(str::trim).filter(|part| !part.is_empty()) {
        // Hardly ever what was meant.
        if part.starts_with("tip: to pass '") {
            continue;
        }
        let part = part.strip_prefix("error: ").or(part.strip_prefix("tip: ")).unwrap_or(part);
        if !line.is_empty() {
            line.push_str(if line.ends_with(':') { " " } else { "; " });
        }
        line.push_str(part);
    }
    Failure::new(Status::Usage, line)
}

/// What is said of a flag that other simulators have under that name. Clap knows likenesses only.
fn unknown_flag_of_run(error: &clap::Error) -> Option<String> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let is_of_run = error.render().to_string().contains("Usage: libcache run");
    let meant = options::synonym(flag.strip_prefix("--").filter(|_| is_of_run)?)?;
    Some(format!("unexpected argument '{flag}' found; did you mean --{meant}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn complaint(args: &[&str]) -> String {
        let args = [&["libcache"], args].concat();
        in_one_line(&Cli::try_parse_from(args).unwrap_err()).to_string()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_with_a_command_line_is_said_in_one_line() {
        for args in [
            &["run", "--dcachsize", "1", "x"][..],
            &["rum"],
            &["setup", "--mirror"],
            &["doctor", "x"],
        ] {
            let complaint = complaint(args);
            assert!(!complaint.is_empty() && !complaint.contains('\n'), "{args:?}: {complaint:?}");
            assert!(!complaint.contains("Usage") && !complaint.contains("error:"), "{complaint:?}");
        }
    }

    #[test]
    fn the_words_of_other_simulators_are_understood() {
        let complaint = complaint(&["run", "--l2size", "1M", "x"]);
        assert_eq!(complaint, "unexpected argument '--l2size' found; did you mean --l2cachesize?");
    }

    #[test]
    fn a_misspelt_option_is_told_its_name() {
        let complaint = complaint(&["run", "--dcachsize", "1", "x"]);
        assert!(
            complaint.contains("'--dcachsize'") && complaint.contains("'--dcachesize'"),
            "{complaint}"
        );
    }
}

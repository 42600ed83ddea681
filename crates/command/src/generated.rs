//! Completions and manual pages, which follow from the command line's description.

use super::failure::{Failure, Status};
use super::streams;
use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `completions` is told.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell that is to read them
    shell: Shell,
}

/// What `man` is told.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Where to write them
    directory: PathBuf,
}

/// Prints the completions.
pub fn completions(args: &CompletionsArgs, mut described: Command) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut described, "libcache", &mut text);
    streams::print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages: one for the command, and one for each of its subcommands.
pub fn man_pages(args: &ManArgs, described: Command) -> Result<ExitCode, Failure> {
    fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(described, &args.directory))
        .map_err(|error| {
            Failure::new(Status::Failed, format!("{}: {error}", args.directory.display()))
        })?;
    Ok(ExitCode::SUCCESS)
}

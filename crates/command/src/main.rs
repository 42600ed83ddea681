//! The command `libcache`: a program or a machine runs under the plugin in one line, and a QEMU that can load
//! it is got where there is none.
//!
//! The command decides nothing that another crate knows: which options there are, what they may be and what is
//! said of a wrong one is in `options`. Each subcommand has a module, which a line in `cli.rs` names.

#![forbid(unsafe_code)]

mod cli;
mod doctor;
mod failure;
mod files;
mod generated;
mod guest;
mod places;
mod plugin_options;
mod qemu;
mod run;
mod setup;
mod streams;
mod sysroot;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use cli::{Cli, Subcommand};
use failure::{Failure, Status};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => dispatch(cli.subcommand),
        // What was asked for, on standard output; and the help where nothing was.
        Err(error)
            if !error.use_stderr()
                || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            error.exit()
        }
        Err(error) => Err(cli::in_one_line(&error)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            streams::tell(&failure);
            failure.status().into()
        }
    }
}

fn dispatch(subcommand: Subcommand) -> Result<ExitCode, Failure> {
    match subcommand {
        Subcommand::Run(args) => run::run(args),
        Subcommand::Diff(args) => executed(args.execute()),
        Subcommand::Report(args) => executed(args.execute()),
        Subcommand::Sweep(args) => executed(args.execute()),
        Subcommand::Setup(args) => setup::run(&args),
        Subcommand::Doctor(args) => doctor::run(&args),
        Subcommand::Completions(args) => generated::completions(&args, Cli::command()),
        Subcommand::Man(args) => generated::man_pages(&args, Cli::command()),
    }
}

/// What came of a subcommand of another crate: where it did not come to its end, what it was given was wrong.
fn executed(result: anyhow::Result<ExitCode>) -> Result<ExitCode, Failure> {
    result.map_err(|error| Failure::new(Status::Usage, format!("{error:#}")))
}

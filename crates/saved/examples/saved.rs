//! The commands of this crate by themselves: `cargo run -p saved --example saved -- diff A.json B.json`.

use std::process::ExitCode;

use clap::Parser;
use saved::{DiffArgs, ReportArgs};

#[derive(Parser)]
#[command(name = "libcache")]
enum Command {
    Report(ReportArgs),
    Diff(DiffArgs),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Report(args) => args.execute(),
        Command::Diff(args) => args.execute(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("libcache: {error:#}");
        ExitCode::from(2)
    })
}

//! The command of this crate by itself: `cargo run -p sweep --example sweep -- PLAN.toml --libcache FILE`.

use std::process::ExitCode;

use clap::Parser;
use sweep::SweepArgs;

#[derive(Parser)]
#[command(name = "libcache sweep")]
struct Command {
    #[command(flatten)]
    args: SweepArgs,
}

fn main() -> ExitCode {
    Command::parse().args.execute().unwrap_or_else(|error| {
        eprintln!("libcache: {error:#}");
        ExitCode::from(2)
    })
}

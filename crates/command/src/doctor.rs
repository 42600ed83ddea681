//! `libcache doctor`: what a bug report needs.

use super::failure::Failure;
use super::{places, qemu, streams, sysroot};
use std::env;
use std::fmt::Write;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// What `doctor` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plugin's file
    #[arg(long, value_name = "FILE", env = places::PLUGIN_VARIABLE, hide_env_values = true)]
    plugin: Option<PathBuf>,
}

/// Prints it.
pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let plugin = places::plugin(args.plugin.as_deref());
    let groups = qemu::survey();
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let value = if value.is_empty() { "none" } else { value };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    row("libcache", env!("CARGO_PKG_VERSION"));
    row("system", &distribution());
    row("kernel", &kernel());
    row(
        "plugin",
        &match &plugin {
            Ok(path) => path.display().to_string(),
            Err(failure) => failure.to_string(),
        },
    );
    let cache = places::cache_directory();
    row("cache", &cache.map_or_else(String::new, |path| path.display().to_string()));
    row("variables", &variables());
    let roots: Vec<String> = sysroot::all().iter().map(|root| root.display().to_string()).collect();
    row("libraries", &roots.join(" "));
    row("QEMUs", if groups.is_empty() { "" } else { "as follows" });
    text.push_str(&qemu::describe(&groups, plugin.ok().as_deref()));
    streams::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn kernel() -> String {
    let uname = rustix::system::uname();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    format!(
        "{} {}, {}, {processors} processors",
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy()
    )
}

/// Those that this command or QEMU looks at.
fn variables() -> String {
    let variables: Vec<String> = env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .filter(|variable| variable.starts_with("LIBCACHE_") || variable.starts_with("QEMU_"))
        .collect();
    variables.join(" ")
}

fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or(env::consts::OS, |name| name.trim_matches('"')).to_owned()
}

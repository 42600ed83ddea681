//! `libcache doctor`: what a bug report needs.

use super::failure::Failure;
use super::{places, qemu, sysroot};
use std::env;
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
    let uname = rustix::system::uname();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    println!("libcache   {}", env!("CARGO_PKG_VERSION"));
    println!("system     {}", distribution());
    println!(
        "kernel     {} {}, {}, {processors} processors",
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy()
    );
    let plugin = places::plugin(args.plugin.as_deref());
    match &plugin {
        Ok(path) => println!("plugin     {}", path.display()),
        Err(failure) => println!("plugin     {failure}"),
    }
    let cache =
        places::cache_directory().map_or_else(String::new, |path| path.display().to_string());
    println!("cache      {cache}");
    let variables: Vec<String> = env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .filter(|variable| variable.starts_with("LIBCACHE_") || variable.starts_with("QEMU_"))
        .collect();
    println!(
        "variables  {}",
        if variables.is_empty() { "none".to_owned() } else { variables.join(" ") }
    );
    let roots: Vec<String> = sysroot::all().iter().map(|root| root.display().to_string()).collect();
    println!("libraries  {}", if roots.is_empty() { "none".to_owned() } else { roots.join(" ") });
    let groups = qemu::survey();
    println!("\nQEMUs{}", if groups.is_empty() { ": none" } else { "" });
    print!("{}", qemu::describe(&groups, plugin.ok().as_deref()));
    Ok(ExitCode::SUCCESS)
}

fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or(env::consts::OS, |name| name.trim_matches('"')).to_owned()
}

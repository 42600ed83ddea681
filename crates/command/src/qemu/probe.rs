//! What a QEMU can do, found out by asking it.

use crate::plugin_options::PluginOptions;
use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whether a QEMU has the option `-plugin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// It has.
    Plugins,
    /// It has not: built without plugins, or static, as Debian's user mode is since QEMU 10.0. Or it does not run.
    None,
}

/// What QEMU's own help says. It is asked every time: a package may have been replaced.
pub fn ability(qemu: &Path) -> Ability {
    let help = ask(qemu, &["-help".into()]).map(|output| output.stdout).unwrap_or_default();
    let has_option =
        String::from_utf8_lossy(&help).lines().any(|line| line.trim_start().starts_with("-plugin"));
    if has_option { Ability::Plugins } else { Ability::None }
}

/// The version, such as `7.2.22`.
pub fn version(qemu: &Path) -> Option<String> {
    let output = ask(qemu, &["--version".into()])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = text.lines().next()?.split_once(" version ")?;
    rest.split([' ', '(']).next().map(str::to_owned)
}

/// Has a QEMU load the plugin, which prints its options and ends it before a guest runs; else what QEMU says.
pub fn loads(qemu: &Path, kind: super::Kind, plugin: &Path) -> Result<(), String> {
    let mut argument = PluginOptions::default().argument(plugin);
    argument.push(",help");
    let guest: &[&str] = match kind {
        super::Kind::Machines => &["-M", "none", "-display", "none"],
        // Any name: the plugin is loaded first.
        super::Kind::Programs => &["/bin/true"],
    };
    let args: Vec<OsString> = [OsString::from("-plugin"), argument]
        .into_iter()
        .chain(guest.iter().map(Into::into))
        .collect();
    let output = ask(qemu, &args).ok_or("does not start")?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(cachesim::escape::escape(line).to_string())
}

fn ask(qemu: &Path, args: &[OsString]) -> Option<Output> {
    let mut command = Command::new(qemu);
    // QEMU takes them for options: with QEMU_VERSION it prints that and ends.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"QEMU_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).output().ok()
}

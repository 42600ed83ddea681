//! What QEMU was told on its command line, as far as a plugin has to know and is not told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::qemu::Emulation;

/// The value of option `name` on the command line of this QEMU, or else, in user mode, of the environment's
/// `variable`.
pub fn qemu_option(emulation: Emulation, name: &str, variable: &str) -> Option<OsString> {
    let arguments = arguments();
    let found = options(emulation, &arguments).filter(|(option, _)| *option == name.as_bytes());
    // The last one counts.
    let value = found.last().and_then(|(_, value)| value).map(ToOwned::to_owned);
    match emulation {
        Emulation::User => value.or_else(|| std::env::var_os(variable)),
        Emulation::System { .. } => value,
    }
}

/// Whether the machine's QEMU was given the option `name`, which has no value.
pub fn has_qemu_flag(name: &str) -> bool {
    arguments().iter().any(|argument| option_name(argument) == Some(name.as_bytes()))
}

/// How many plugins of the file `path` QEMU was told to load.
pub fn plugins_of_file(emulation: Emulation, path: &OsStr) -> usize {
    let arguments = arguments();
    let is_path = |value: &OsStr| {
        let file = value.as_bytes().split(|&byte| byte == b',').next().unwrap_or_default();
        let file = file.strip_prefix(b"file=").unwrap_or(file);
        file == path.as_bytes()
    };
    let plugins = options(emulation, &arguments).filter(|(option, _)| *option == b"plugin");
    plugins.filter(|(_, value)| value.is_some_and(is_path)).count()
}

/// The guest's program, in user mode.
pub fn program(emulation: Emulation) -> Option<OsString> {
    if emulation != Emulation::User {
        return None;
    }
    let arguments = arguments();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match option_name(argument) {
            None => return Some(argument.clone()),
            Some(option) if is_flag(option) => {}
            Some(_) => {
                rest.next();
            }
        }
    }
    None
}

fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The name of an option, which begins with one hyphen or two.
fn option_name(argument: &OsStr) -> Option<&[u8]> {
    let option = argument.as_bytes().strip_prefix(b"-")?;
    Some(option.strip_prefix(b"-").unwrap_or(option))
}

/// Options of a user-mode QEMU without a value, of all versions.
fn is_flag(option: &[u8]) -> bool {
    const FLAGS: [&str; 9] = [
        "h",
        "help",
        "version",
        "singlestep",
        "one-insn-per-tb",
        "strace",
        "perfmap",
        "jitdump",
        "xtensa-abi-call0",
    ];
    FLAGS.iter().any(|flag| flag.as_bytes() == option)
}

/// All options with what follows them. Those of a user-mode QEMU end where the guest's program begins;
/// a machine's may be followed by another option in place of a value.
fn options(
    emulation: Emulation,
    arguments: &[OsString],
) -> impl Iterator<Item = (&[u8], Option<&OsStr>)> {
    let mut rest = arguments.iter().map(OsString::as_os_str);
    std::iter::from_fn(move || match emulation {
        Emulation::User => {
            let option = option_name(rest.next()?)?;
            let value = if is_flag(option) { None } else { Some(rest.next()?) };
            Some((option, value))
        }
        Emulation::System { .. } => {
            let option = rest.by_ref().find_map(option_name)?;
            Some((option, rest.clone().next()))
        }
    })
}

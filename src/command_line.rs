//! What QEMU was told on its command line, as far as a plugin has to know and is not told.

use std::ffi::OsString;

use crate::api::Emulation;

/// The value of option `name` on the command line of this QEMU, or else, in user mode, of the environment's
/// `variable`.
pub fn qemu_option(emulation: Emulation, name: &str, variable: &str) -> Option<String> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|arg| arg.to_string_lossy()).collect();
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    match emulation {
        Emulation::User => {
            let option = user_mode_option(&arguments, name).map(ToOwned::to_owned);
            option.or_else(|| std::env::var(variable).ok())
        }
        Emulation::System { .. } => system_mode_option(&arguments, name).map(ToOwned::to_owned),
    }
}

/// The value of option `name` of a user-mode QEMU, the last one counting. Its options end where the
/// guest's program begins.
fn user_mode_option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    /// The options without a value, of all versions.
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
    let mut found = None;
    let mut rest = arguments.iter();
    while let Some(option) = rest.next().and_then(|argument| argument.strip_prefix('-')) {
        let option = option.strip_prefix('-').unwrap_or(option);
        if FLAGS.contains(&option) {
            continue;
        }
        let value = rest.next()?;
        if option == name {
            found = Some(*value);
        }
    }
    found
}

/// The value of option `name` of a system-mode QEMU, the last one counting.
fn system_mode_option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    let value = arguments.windows(2).rev().find(|pair| {
        pair[0]
            .strip_prefix('-')
            .is_some_and(|option| option.strip_prefix('-').unwrap_or(option) == name)
    })?;
    Some(value[1])
}

//! The plugin's options as flags: one for each row of the table in `options`, under the titles of its groups.

use super::failure::{Failure, Status};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use options::{GROUPS, GuestMode, Host, OptionSpec, PRESETS, Request};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What the plugin is told, as `name=value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginOptions(Vec<String>);

impl PluginOptions {
    /// Adds one that was not typed.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name}={value}"));
    }

    /// Reads them as the plugin will: what it would say of a wrong one is said before QEMU starts.
    pub fn check(&self, mode: GuestMode) -> Result<Request, Failure> {
        // The vCPUs of a machine are not known yet. Whether its cores fit into memory the plugin says.
        let host = Host { mode, vcpus: 1 };
        options::parse(&self.0, &host, &read_file)
            .map_err(|error| Failure::new(Status::Usage, error.to_string()))
    }

    /// The last one that was typed, as the plugin has it.
    pub fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// What follows QEMU's `-plugin`.
    pub fn argument(&self, plugin: &Path) -> OsString {
        let mut argument = OsString::new();
        // Without the name, a `=` in the path would end one.
        if plugin.as_os_str().as_encoded_bytes().contains(&b'=') {
            argument.push("file=");
        }
        argument.push(doubled(plugin.as_os_str()));
        for option in &self.0 {
            argument.push(",");
            argument.push(doubled(OsStr::new(option)));
        }
        argument
    }
}

/// A comma within a value is written twice in QEMU's options.
fn doubled(text: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

/// The text of a file of options. One that is too long for it is left to the plugin, which says so.
fn read_file(path: &str) -> Result<String, String> {
    const MAX_BYTES: u64 = 1 << 20;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map(|_| text)
        .map_err(|error| error.to_string())
}

impl clap::Args for PluginOptions {
    fn augment_args(command: Command) -> Command {
        let mut command = command;
        for group in GROUPS {
            // The command has options of its own.
            let title = if group.title == "Options" { "Options from a file" } else { group.title };
            for spec in group.options.iter().filter(|spec| is_flag(spec)) {
                command = command.arg(flag(spec).help_heading(title));
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for PluginOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for spec in options::all().filter(|spec| is_flag(spec)) {
            for value in matches.get_many::<String>(spec.name).into_iter().flatten() {
                given.push(format!("{}={value}", spec.name));
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// All but those that ask for the help, which the command has itself.
fn is_flag(spec: &OptionSpec) -> bool {
    !spec.value.is_empty()
}

fn flag(spec: &OptionSpec) -> Arg {
    let help = match spec.default {
        "" => spec.help.to_owned(),
        default => format!("{} (default: {default})", spec.help),
    };
    let arg = Arg::new(spec.name)
        .long(spec.name)
        .help(help)
        .value_name(spec.value)
        .value_parser(Words::of(spec))
        .hide_possible_values(true)
        // Of one given twice the last holds, but `elf` adds up: the plugin knows.
        .action(ArgAction::Append);
    match spec.value {
        "on|off" => arg.num_args(0..=1).require_equals(true).default_missing_value("on"),
        value if value.contains("FILE") => arg.value_hint(ValueHint::FilePath),
        _ => arg,
    }
}

/// Takes any value; knows the usual ones, for completions. What is wrong with a value is not clap's to say.
#[derive(Debug, Clone)]
struct Words(Vec<&'static str>);

impl Words {
    fn of(spec: &OptionSpec) -> ValueParser {
        let mut words: Vec<&str> = spec
            .value
            .split('|')
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
            .collect();
        if spec.value.contains("POLICY") {
            words.extend(cachesim::policy::PolicyKind::ALL.map(cachesim::policy::PolicyKind::name));
        }
        if spec.name == "cpu" {
            words.extend(PRESETS.iter().map(|preset| preset.name));
        }
        ValueParser::new(Self(words))
    }
}

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        if self.0.is_empty() {
            return None;
        }
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Subcommand};
    use clap::Parser;

    fn parsed(args: &[&str]) -> PluginOptions {
        let args = [&["libcache", "run"], args, &["program"]].concat();
        match Cli::try_parse_from(args).unwrap().subcommand {
            Subcommand::Run(args) => args.options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_of_the_plugin_but_help_is_a_flag() {
        let not_flags: Vec<&str> =
            options::all().filter(|spec| !is_flag(spec)).map(|spec| spec.name).collect();
        assert_eq!(not_flags, ["help", "list"]);
        for spec in options::all().filter(|spec| is_flag(spec)) {
            let given = parsed(&[&format!("--{}=x", spec.name)]);
            assert_eq!(given.0, [format!("{}=x", spec.name)]);
        }
    }

    #[test]
    fn a_switch_is_on_by_being_there_and_takes_no_other_word() {
        assert_eq!(parsed(&["--summary"]).0, ["summary=on"]);
        assert_eq!(parsed(&["--summary=off", "--l2"]).0, ["l2=on", "summary=off"]);
    }

    #[test]
    fn options_that_add_up_are_all_passed_on_in_their_order() {
        assert_eq!(parsed(&["--elf", "b", "--elf=a@0x10"]).0, ["elf=b", "elf=a@0x10"]);
    }

    #[test]
    fn commas_are_doubled_and_a_path_with_an_equals_sign_is_named() {
        let options = PluginOptions(vec!["html=a,b.html".to_owned(), "rw=on".to_owned()]);
        assert_eq!(
            options.argument(Path::new("/x,y/libcache.so")),
            "/x,,y/libcache.so,html=a,,b.html,rw=on"
        );
        assert_eq!(PluginOptions::default().argument(Path::new("/a=b/l.so")), "file=/a=b/l.so");
    }

    #[test]
    fn a_wrong_value_is_told_as_the_plugin_tells_it() {
        let failure = parsed(&["--dcachesize", "16000"]).check(GuestMode::User).unwrap_err();
        assert_eq!(failure.status(), Status::Usage);
        let expected = "dcachesize=16000: not a multiple of dblksize × dassoc (64 × 8 = 512)";
        assert!(failure.to_string().starts_with(expected), "{failure}");
    }
}

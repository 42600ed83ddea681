//! What is to be run: a TOML file of programs, inputs, machines and options, each by name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cachesim::escape::escape;
use indexmap::IndexMap;
use options::{Format, GuestMode, Host};
use serde::Deserialize;

/// A plan, as it is typed. Every pair of a machine and options is valid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The programs.
    pub programs: IndexMap<String, Program>,
    /// What takes the place of `{input}` in their commands.
    #[serde(default)]
    pub inputs: IndexMap<String, Input>,
    /// The machines: options that go together.
    #[serde(default)]
    pub machines: IndexMap<String, Settings>,
    /// Further options, of each of which there is a run on every machine.
    #[serde(default)]
    pub options: IndexMap<String, Settings>,
    /// Options of every run.
    #[serde(default)]
    pub run: Settings,
    /// What a job needs, by Snakemake's names: `mem_mb`, `runtime`, `slurm_partition`.
    #[serde(default)]
    pub resources: IndexMap<String, Scalar>,
}

/// A program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The command: its words, or a line that is split as a shell does.
    pub command: Words,
    /// The inputs that it takes; without it all.
    pub inputs: Option<Vec<String>>,
}

/// An input.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// The words alone.
    Words(Words),
    /// With what is read from standard input.
    Full(FullInput),
}

/// An input with a file for standard input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullInput {
    /// The words that take the place of `{input}`.
    #[serde(default)]
    pub words: Words,
    /// The file for standard input.
    pub stdin: Option<String>,
}

/// Words of a command.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged)]
pub enum Words {
    /// Each by itself.
    List(Vec<String>),
    /// As a shell splits them.
    Line(String),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Options of libcache by name.
pub type Settings = IndexMap<String, Scalar>;

/// A value of an option.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged)]
pub enum Scalar {
    /// `on` or `off`.
    Switch(bool),
    /// A number.
    Number(i64),
    /// Any other.
    Text(String),
}

impl Scalar {
    /// As it is typed on a command line.
    pub fn text(&self) -> String {
        match self {
            Self::Switch(true) => "on".to_owned(),
            Self::Switch(false) => "off".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// One run of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The names of program, input, machine and options; [`UNNAMED`] for what the plan has none of.
    pub names: [String; 4],
    /// The options.
    pub settings: Vec<(String, String)>,
    /// The command.
    pub command: Vec<String>,
    /// What it reads from standard input.
    pub stdin: Option<String>,
}

/// Stands for an input, machine or options where the plan names none.
pub const UNNAMED: &str = "-";

impl Job {
    /// Its name: a path of the names.
    pub fn name(&self) -> String {
        self.names.join("/")
    }
}

/// Reads the plan in the file `path`.
///
/// # Errors
/// In one line.
pub fn read(path: &Path) -> anyhow::Result<Plan> {
    let shown = escape(&path.to_string_lossy()).to_string();
    let text = fs::read_to_string(path).with_context(|| shown.clone())?;
    parse(&text, path.parent().unwrap_or(Path::new(""))).with_context(|| shown)
}

fn parse(text: &str, folder: &Path) -> anyhow::Result<Plan> {
    let plan: Plan = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("line {line}: {}", escape(error.message()))
    })?;
    plan.check(folder)?;
    Ok(plan)
}

impl Plan {
    fn check(&self, folder: &Path) -> anyhow::Result<()> {
        let names = self.programs.keys().chain(self.inputs.keys());
        for name in names.chain(self.machines.keys()).chain(self.options.keys()) {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
            if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(is_plain) {
                bail!(
                    "the name '{}' becomes a file's: use letters, digits, and _ . + - after the first",
                    escape(name)
                );
            }
        }
        if self.programs.is_empty() {
            bail!(
                "no programs; write [programs.NAME] with command = [\"./program\", \"{{input}}\"]"
            );
        }
        for (name, program) in &self.programs {
            let unknown =
                program.inputs.iter().flatten().find(|input| !self.inputs.contains_key(*input));
            if let Some(unknown) = unknown {
                bail!("programs.{name}: there is no input {}", escape(unknown));
            }
        }
        for (machine, machine_settings) in named(&self.machines) {
            for (variant, settings) in named(&self.options) {
                let settings = [Some(&self.run), machine_settings, settings];
                check_settings(&together(settings), folder)
                    .with_context(|| format!("machine {machine}, options {variant}"))?;
            }
        }
        self.jobs().map(drop)
    }

    /// All runs, in the order of the file.
    ///
    /// # Errors
    /// Where a command cannot be made.
    pub fn jobs(&self) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for (name, program) in &self.programs {
            let command = program.command.split().with_context(|| format!("programs.{name}"))?;
            if command.is_empty() {
                bail!("programs.{name}: an empty command");
            }
            for Filled { input, command, stdin } in self.inputs_of(name, program, &command)? {
                for (machine, machine_settings) in named(&self.machines) {
                    for (variant, settings) in named(&self.options) {
                        jobs.push(Job {
                            names: [name, input, machine, variant].map(str::to_owned),
                            settings: together([Some(&self.run), machine_settings, settings]),
                            command: command.clone(),
                            stdin: stdin.clone(),
                        });
                    }
                }
            }
        }
        Ok(jobs)
    }

    /// The program's command with each of its inputs.
    fn inputs_of<'a>(
        &'a self,
        name: &str,
        program: &'a Program,
        command: &[String],
    ) -> anyhow::Result<Vec<Filled<'a>>> {
        let takes_words = command.iter().any(|word| word.contains(INPUT));
        if !takes_words && program.inputs.is_none() {
            return Ok(vec![Filled { input: UNNAMED, command: command.to_vec(), stdin: None }]);
        }
        if self.inputs.is_empty() {
            bail!("programs.{name}: its command has {INPUT}, but there are no [inputs]");
        }
        let wanted =
            |input: &&String| program.inputs.as_ref().is_none_or(|only| only.contains(input));
        let inputs = self.inputs.keys().filter(wanted).map(|input_name| {
            let (words, stdin) = match &self.inputs[input_name] {
                Input::Words(words) => (words, None),
                Input::Full(FullInput { words, stdin }) => (words, stdin.clone()),
            };
            let words = words.split().with_context(|| format!("inputs.{input_name}"))?;
            Ok(Filled { input: input_name, command: with_input(command, &words)?, stdin })
        });
        inputs.collect()
    }
}

/// A command with an input.
struct Filled<'a> {
    /// The input's name.
    input: &'a str,
    command: Vec<String>,
    stdin: Option<String>,
}

/// What an input takes the place of.
const INPUT: &str = "{input}";

fn with_input(command: &[String], words: &[String]) -> anyhow::Result<Vec<String>> {
    let mut filled = Vec::new();
    for word in command {
        match words {
            _ if word == INPUT => filled.extend_from_slice(words),
            [one] => filled.push(word.replace(INPUT, one)),
            _ if word.contains(INPUT) => {
                bail!("{}: this needs inputs of one word", escape(word));
            }
            _ => filled.push(word.clone()),
        }
    }
    Ok(filled)
}

impl Words {
    fn split(&self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::List(words) => Ok(words.clone()),
            Self::Line(line) => shlex::split(line).context("a quote is not closed"),
        }
    }
}

/// The settings by name; where there are none, one that changes nothing.
fn named(settings: &IndexMap<String, Settings>) -> Vec<(&str, Option<&Settings>)> {
    match settings.len() {
        0 => vec![(UNNAMED, None)],
        _ => settings.iter().map(|(name, settings)| (&name[..], Some(settings))).collect(),
    }
}

/// The options of one run; the later win.
fn together(settings: [Option<&Settings>; 3]) -> Vec<(String, String)> {
    let mut together = IndexMap::new();
    for (name, value) in settings.into_iter().flatten().flatten() {
        together.insert(name.clone(), value.text());
    }
    together.into_iter().collect()
}

/// Whether a run with these options begins.
fn check_settings(settings: &[(String, String)], folder: &Path) -> anyhow::Result<()> {
    let is_file = |name: &str| Format::ALL.iter().any(|format| format.name() == name);
    if let Some((name, _)) = settings.iter().find(|(name, _)| is_file(name)) {
        bail!(
            "{name}: each run writes JSON to a place of its own; `libcache report` makes {name} of it"
        );
    }
    let args: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let host = Host { mode: GuestMode::User, vcpus: 1 };
    let read = |path: &str| {
        let path: PathBuf = folder.join(path);
        fs::read_to_string(path).map_err(|error| error.to_string())
    };
    options::parse(&args, &host, &read)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        [programs.sort]
        command = "./sort --quick {input}"
        [programs.hello]
        command = ["./hello", "two words"]
        [inputs]
        small = "small.txt"
        large = ["large.txt", "-v"]
        [machines]
        tiny = { dcachesize = "1K", dassoc = 2, dblksize = 64 }
        zen3 = { cpu = "zen3" }
        [options]
        lru = {}
        random = { evict = "rand" }
        [run]
        summary = true
    "#;

    fn jobs(text: &str) -> Vec<Job> {
        parse(text, Path::new("")).unwrap().jobs().unwrap()
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text, Path::new("")).unwrap_err())
    }

    #[test]
    fn a_plan_is_every_program_on_every_input_machine_and_options() {
        let jobs = jobs(PLAN);
        let names: Vec<_> = jobs.iter().map(Job::name).collect();
        assert_eq!(names.len(), 2 * 2 * 2 + 2 * 2);
        assert_eq!(
            names[..3],
            ["sort/small/tiny/lru", "sort/small/tiny/random", "sort/small/zen3/lru"]
        );
        assert_eq!(names[8], "hello/-/tiny/lru");
        assert_eq!(jobs[1].command, ["./sort", "--quick", "small.txt"]);
        assert_eq!(jobs[4].command, ["./sort", "--quick", "large.txt", "-v"]);
        let settings: Vec<_> =
            jobs[1].settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            settings,
            ["summary=on", "dcachesize=1K", "dassoc=2", "dblksize=64", "evict=rand"]
        );
    }

    #[test]
    fn a_program_alone_is_a_plan() {
        let jobs = jobs("[programs.a]\ncommand = './a'\n");
        assert_eq!(jobs.iter().map(Job::name).collect::<Vec<_>>(), ["a/-/-/-"]);
    }

    #[test]
    fn an_input_may_be_standard_input() {
        let jobs = jobs(
            "[programs.a]\ncommand = './a'\ninputs = ['x']\n[inputs]\nx = { stdin = 'x.txt' }\ny = 'y'\n",
        );
        assert_eq!(jobs.iter().map(Job::name).collect::<Vec<_>>(), ["a/x/-/-"]);
        assert_eq!(jobs[0].stdin.as_deref(), Some("x.txt"));
    }

    #[test]
    fn what_is_no_plan_is_told_in_one_line() {
        for (text, message) in [
            ("programs = 3", "line 1: invalid type"),
            ("[programs]\n[machine]\n", "line 2: unknown field `machine`"),
            ("[programs.a]\ncommand = 'a", "line 2: "),
            ("[programs]\n", "no programs; write [programs.NAME]"),
            ("[programs.'a/b']\ncommand = 'a'", "the name 'a/b' becomes a file's"),
            ("[programs.a]\ncommand = ''", "programs.a: an empty command"),
            ("[programs.a]\ncommand = \"'\"", "programs.a: a quote is not closed"),
            ("[programs.a]\ncommand = 'a {input}'", "programs.a: its command has {input}"),
            ("[programs.a]\ncommand = 'a'\ninputs = ['x']", "programs.a: there is no input x"),
            (
                "[programs.a]\ncommand = 'a -i={input}'\n[inputs]\nx = ['1', '2']",
                "-i={input}: this needs inputs of one word",
            ),
            (
                "[programs.a]\ncommand = 'a'\n[machines]\nm = { cpu = 'zen33' }",
                "machine m, options -: cpu=zen33: ",
            ),
            (
                "[programs.a]\ncommand = 'a'\n[run]\njson = 'x'",
                "machine -, options -: json: each run writes JSON",
            ),
        ] {
            let error = error(text);
            assert!(error.starts_with(message) && !error.contains('\n'), "{text}: {error}");
        }
    }
}

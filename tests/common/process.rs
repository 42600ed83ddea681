//! One run of QEMU: built up, watched, and taken down if it hangs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::artifacts::plugin;
use super::report::{Report, only_report};

/// Far more than any guest but a kernel takes, on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Where QEMU and the guest may write: the working directory of a run.
const PLUGIN_REPORT: &str = "libcache.txt";
const LOG: &str = "qemu.log";

/// A run of QEMU that has not started.
pub struct Run {
    executable: PathBuf,
    qemu_args: Vec<OsString>,
    program: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    timeout: Duration,
    /// A line of the guest to wait for, and the signal to send then.
    signal: Option<(String, &'static str)>,
    /// What to do before that.
    act: Option<Box<dyn FnOnce()>>,
    stdin: &'static str,
    /// A file for standard output.
    stdout: Option<&'static str>,
    directory: TempDir,
}

/// A run that has ended.
pub struct Finished {
    /// QEMU's own status.
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// QEMU's process id.
    pub pid: u32,
    command: String,
    directory: TempDir,
}

impl Run {
    pub(super) fn new(executable: &Path) -> Self {
        assert!(executable.exists(), "{} does not exist", executable.display());
        Self {
            executable: executable.to_owned(),
            qemu_args: Vec::new(),
            program: Vec::new(),
            // Not what the environment of the tests would turn on.
            environment: Vec::new(),
            timeout: TIMEOUT,
            signal: None,
            act: None,
            stdin: "",
            stdout: None,
            directory: tempfile::tempdir().expect("a directory for temporary files"),
        }
    }

    pub(super) fn program(mut self, program: &Path) -> Self {
        self.program = vec![program.into()];
        self
    }

    /// The run's own directory, where QEMU is started.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Arguments of QEMU's own.
    pub fn qemu_args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.qemu_args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Arguments of the user-mode guest.
    pub fn guest_args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        assert!(!self.program.is_empty(), "a machine has no arguments");
        self.program.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of QEMU's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Kills QEMU and fails after this time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends QEMU `signal` once the guest has printed `line`.
    pub fn signal_after(mut self, line: &str, signal: &'static str) -> Self {
        self.signal = Some((line.to_owned(), signal));
        self
    }

    /// Acts once the guest has printed the line of [`Run::signal_after`], before the signal is sent.
    pub fn act_before_signal(mut self, act: impl FnOnce() + 'static) -> Self {
        self.act = Some(Box::new(act));
        self
    }

    /// What there is to read on QEMU's standard input.
    pub fn stdin(mut self, text: &'static str) -> Self {
        self.stdin = text;
        self
    }

    /// Sends QEMU's standard output to a file in its directory.
    pub fn stdout_to_file(mut self, name: &'static str) -> Self {
        self.stdout = Some(name);
        self
    }

    /// Loads the plugin under test with these options, one or more with commas between them.
    pub fn plugin(self, options: &str) -> Self {
        self.load(plugin(), options)
    }

    /// The same, its report going to a file; see [`Finished::plugin_report`].
    pub fn plugin_to_file(self, options: &str) -> Self {
        let separator = if options.is_empty() { "" } else { "," };
        self.plugin(&format!("{options}{separator}out={PLUGIN_REPORT}"))
    }

    /// Loads another plugin.
    pub fn load(self, plugin: &Path, options: &str) -> Self {
        let mut value = plugin.as_os_str().to_owned();
        if !options.is_empty() {
            value.push(",");
            value.push(options);
        }
        self.qemu_args([OsStr::new("-plugin"), &value])
    }

    /// Turns plugin logging on, to a file; see [`Finished::log`].
    pub fn log_plugins(self) -> Self {
        self.qemu_args(["-d", "plugin", "-D", LOG])
    }

    /// The command, for a shell.
    pub fn command_line(&self) -> String {
        let words = [self.executable.as_os_str()].into_iter();
        let words = words.chain(self.qemu_args.iter().map(OsString::as_os_str));
        let words = words.chain(self.program.iter().map(OsString::as_os_str));
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        words.join(" ")
    }

    /// Runs QEMU to its end.
    ///
    /// # Panics
    /// With all its output, if it takes too long.
    pub fn finish(self) -> Finished {
        let mut command = Command::new(&self.executable);
        command
            .args(&self.qemu_args)
            .args(&self.program)
            .env_remove("QEMU_LOG")
            .env_remove("QEMU_LOG_FILENAME")
            .env_remove("QEMU_PLUGIN")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(match self.stdout {
                None => Stdio::piped(),
                Some(name) => {
                    File::create(self.directory.path().join(name)).expect("a file").into()
                }
            })
            .stderr(Stdio::piped())
            // So that guest children can be killed with it.
            .process_group(0);
        let text = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{text}: {error}"));
        let pid = child.id();
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // QEMU may end without reading it.
        let _ = stdin.write_all(self.stdin.as_bytes());
        drop(stdin);
        let (heard, lines) = mpsc::channel();
        let stdout = child.stdout.take();
        let stdout = thread::spawn(move || match stdout {
            Some(stdout) => read_lines(BufReader::new(stdout), &heard),
            None => String::new(),
        });
        let stderr = child.stderr.take().expect("stderr is piped");
        let stderr = thread::spawn(move || read_all(stderr));
        if let Some((line, signal)) = &self.signal {
            let deadline = Instant::now() + self.timeout;
            while let Ok(heard) =
                lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                if heard == *line {
                    if let Some(act) = self.act {
                        act();
                    }
                    kill(signal, &pid.to_string());
                    break;
                }
            }
        }
        let status = wait(&mut child, self.timeout);
        if status.is_none() {
            kill("KILL", &format!("-{pid}"));
            child.wait().expect("a killed child ends");
        }
        let stdout = stdout.join().expect("the reader of stdout does not panic");
        let stderr = stderr.join().expect("the reader of stderr does not panic");
        let Some(status) = status else {
            panic!("killed after {:?}: {text}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.timeout);
        };
        Finished { status, stdout, stderr, pid, command: text, directory: self.directory }
    }

    /// Runs QEMU to an end with status 0.
    pub fn succeed(self) -> Finished {
        self.finish().expect_status(0)
    }
}

impl Finished {
    /// Itself, if QEMU ended with this status.
    ///
    /// # Panics
    /// With all its output, if not.
    pub fn expect_status(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.describe());
        self
    }

    /// Itself, if this signal ended QEMU.
    ///
    /// # Panics
    /// With all its output, if not.
    pub fn expect_signal(self, signal: i32) -> Self {
        assert_eq!(self.status.signal(), Some(signal), "{}", self.describe());
        self
    }

    /// Everything there is to know, for messages.
    pub fn describe(&self) -> String {
        let Self { command, status, stdout, stderr, .. } = self;
        format!("{command}\n{status}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }

    /// The run's own directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file that QEMU wrote into its directory, if it did.
    pub fn file(&self, name: &str) -> Option<String> {
        let bytes = std::fs::read(self.directory.path().join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names of all files in QEMU's directory.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).expect("the directory is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("it can be read").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// What [`Run::log_plugins`] collected.
    pub fn log(&self) -> String {
        self.file(LOG).unwrap_or_else(|| panic!("no log: {}", self.describe()))
    }

    /// The report that [`Run::plugin_to_file`] asked for.
    pub fn plugin_report(&self) -> Report {
        let text =
            self.file(PLUGIN_REPORT).unwrap_or_else(|| panic!("no report: {}", self.describe()));
        self.parse(&text)
    }

    /// The report in `text`, which holds nothing else.
    ///
    /// # Panics
    /// With all output, if it is not exactly one report.
    pub fn parse(&self, text: &str) -> Report {
        only_report(text)
            .unwrap_or_else(|problem| panic!("{problem} in\n{text}\nof {}", self.describe()))
    }
}

fn read_lines(mut from: impl BufRead, heard: &mpsc::Sender<String>) -> String {
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        if from.read_until(b'\n', &mut bytes).unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        // Nobody may be listening.
        let _ = heard.send(String::from_utf8_lossy(&bytes[start..]).trim_end().to_owned());
    }
}

fn read_all(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What could be read is what there is to show.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Sends a signal to a process, or to a whole group if `target` begins with `-`.
fn kill(signal: &str, target: &str) {
    let status = Command::new("kill").args(["-s", signal, "--", target]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{signal} to {target}");
}

//! Starting a QEMU by a shell, which can take away what a [`Run`] always gives it, and what to say of runs
//! that are repeated.
//!
//! [`Run`]: super::process::Run

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::artifacts::{Arch, Qemu, assembled, bare_guest, guest, plugin};
use super::report::{Report, only_report};

/// Far more than any of these guests takes, on a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// Counts the rounds that went well, and goes on after one that did not.
#[derive(Default)]
pub struct Tally {
    lines: Vec<String>,
    first: Option<String>,
}

impl Tally {
    pub fn rounds(&mut self, what: &str, number: usize, round: impl Fn() -> Result<(), String>) {
        let mut good = 0;
        for _ in 0..number {
            match round() {
                Ok(()) => good += 1,
                Err(problem) => {
                    self.first.get_or_insert(format!("{what}: {problem}"));
                }
            }
        }
        self.lines.push(format!("{what}: {good} of {number}"));
    }

    /// Ends the count.
    ///
    /// # Panics
    /// If any round failed, or there was none.
    pub fn finish(self) {
        assert!(!self.lines.is_empty(), "nothing was run");
        let lines = self.lines.join("\n");
        if let Some(first) = self.first {
            panic!("{lines}\n\nThe first that failed: {first}");
        }
        println!("{lines}");
    }
}

pub fn check(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// How a process is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Status(i32),
    Signal(i32),
}

impl End {
    pub fn check(self, status: ExitStatus) -> Result<(), String> {
        let is_it = match self {
            Self::Status(code) => status.code() == Some(code),
            Self::Signal(signal) => status.signal() == Some(signal),
        };
        check(is_it, || format!("{status} in place of {self:?}"))
    }
}

/// Fails if a process of this group is still there.
pub fn nobody_left(group: u32) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = processes_of(group);
        if left.is_empty() {
            return Ok(());
        }
        check(Instant::now() < deadline, || format!("still there: {}", left.join(" ")))?;
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of a group but those that have ended and wait for their parent, as `/proc` has them.
pub fn processes_of(group: u32) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc is there").filter_map(Result::ok);
    let stats = all.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let in_group = |stat: &String| {
        // PID (NAME) STATE PARENT GROUP ...; proc(5)
        let mut rest = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        rest.next() != Some("Z") && rest.nth(1) == Some(group.to_string().as_str())
    };
    stats.filter(in_group).collect()
}

/// A QEMU that a shell starts, which can take away what a [`Run`] always gives it.
pub struct Launch {
    /// Ends with `exec "$@"`.
    pub shell: &'static str,
    pub command: Vec<OsString>,
    pub directory: TempDir,
}

/// A launch that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub directory: TempDir,
    /// The most memory that it had, in KiB, as seen from time to time.
    pub peak_kib: u64,
}

impl Launch {
    /// A QEMU without plugins.
    pub fn plain(qemu: &Qemu, executable: &str) -> Self {
        let output = Command::new("bash")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/qemu.sh"))
            .arg(qemu.version())
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
        let command = vec![directory.join("bin").join(executable).into()];
        let directory = tempfile::tempdir().expect("a directory for the guest");
        Self { shell: r#"exec "$@""#, command, directory }
    }

    /// Loads a plugin.
    pub fn load(mut self, plugin: &Path, options: &str) -> Self {
        let mut value = plugin.as_os_str().to_owned();
        value.push(format!(",{options}"));
        self.command.extend(["-plugin".into(), value]);
        self
    }

    /// `guests/NAME.c` with these arguments.
    pub fn guest(mut self, name: &str, args: &[&str]) -> Self {
        self.command.push(guest(Arch::Riscv64, name).into());
        self.args(args)
    }

    /// The same under the plugin.
    pub fn user(qemu: &Qemu, options: &str, name: &str, args: &[&str]) -> Self {
        Self::plain(qemu, "qemu-riscv64").load(plugin(), options).guest(name, args)
    }

    /// `tests/guests/forever.S` on `harts` harts.
    pub fn forever(qemu: &Qemu, options: &str, harts: u32) -> Self {
        let mut launch = Self::plain(qemu, "qemu-system-riscv64").load(plugin(), options);
        let kernel = assembled("forever", 0x8000_0000, launch.directory.path());
        launch.machine(&kernel, harts);
        launch
    }

    /// `guests/bare/NAME.c` on one hart.
    pub fn bare(qemu: &Qemu, options: &str, name: &str) -> Self {
        let mut launch = Self::plain(qemu, "qemu-system-riscv64").load(plugin(), options);
        launch.machine(&bare_guest(name), 1);
        launch
    }

    pub fn machine(&mut self, kernel: &Path, harts: u32) {
        let args = ["-M", "virt", "-nographic", "-bios", "none", "-smp"];
        self.command.extend(args.map(Into::into));
        self.command.extend([harts.to_string().into(), "-kernel".into(), kernel.into()]);
    }

    /// A machine that goes on for ever and has no display, so that it may become a daemon.
    pub fn daemon(qemu: &Qemu, options: &str) -> Self {
        let mut launch = Self::plain(qemu, "qemu-system-riscv64").load(plugin(), options);
        let kernel = assembled("forever", 0x8000_0000, launch.directory.path());
        let args = ["-M", "virt", "-bios", "none", "-display", "none", "-serial", "none"];
        launch.command.extend(args.map(Into::into));
        let args = ["-monitor", "none", "-daemonize", "-pidfile", "pid", "-kernel"];
        launch.command.extend(args.map(Into::into));
        launch.command.push(kernel.into());
        launch
    }

    /// Has QEMU log `items`, to `file` if there is one.
    pub fn log(mut self, items: &str, file: Option<&str>) -> Self {
        let file = file.map(|file| ["-D".into(), file.into()]).into_iter().flatten();
        let args = ["-d".into(), items.into()].into_iter().chain(file);
        // Before the guest, whose arguments end the command.
        drop(self.command.splice(1..1, args));
        self
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.extend(args.iter().map(Into::into));
        self
    }

    pub fn shell(mut self, shell: &'static str) -> Self {
        self.shell = shell;
        self
    }

    /// Runs it to its end.
    pub fn finish(self) -> Ended {
        self.run(None::<fn(u32, &mut ChildStdin, &Path)>)
    }

    /// Runs it to its end and acts, once, when the guest has printed `ready`: with the process, its
    /// standard input and its directory.
    pub fn when_ready(self, act: impl FnOnce(u32, &mut ChildStdin, &Path)) -> Ended {
        self.run(Some(act))
    }

    /// Runs it to its end and sends `signal` when the guest has printed `ready`.
    pub fn signalled(self, signal: i32) -> Ended {
        self.when_ready(|pid, _, _| kill(signal, &pid.to_string()))
    }

    pub fn run(self, act: Option<impl FnOnce(u32, &mut ChildStdin, &Path)>) -> Ended {
        // Whoever runs the tests in the background, or without a terminal, has signals ignored.
        let mut child = Command::new("env")
            .args(["--default-signal", "bash", "-c", self.shell, "bash"])
            .args(&self.command)
            .env_remove("QEMU_LOG")
            .env_remove("QEMU_LOG_FILENAME")
            .env_remove("QEMU_PLUGIN")
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("env runs");
        let pid = child.id();
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (heard, ready) = mpsc::channel();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            for line in stdout.lines() {
                let line = line.unwrap_or_else(|error| format!("<{error}>"));
                if line == "ready" {
                    // Nobody may be listening.
                    let _ = heard.send(());
                }
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read is what there is to show.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let deadline = Instant::now() + TIMEOUT;
        // A guest that never is ready fails at its output or at the deadline.
        if let Some(act) = act
            && ready.recv_timeout(TIMEOUT).is_ok()
        {
            act(pid, &mut stdin, self.directory.path());
        }
        let mut peak_kib = 0;
        let status = loop {
            peak_kib = peak_kib.max(peak_memory(pid));
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() >= deadline {
                kill(9, &format!("-{pid}"));
                break child.wait().expect("a killed child ends");
            }
            thread::sleep(Duration::from_millis(1));
        };
        Ended {
            status,
            stdout: stdout.join().expect("the reader of stdout does not panic"),
            stderr: stderr.join().expect("the reader of stderr does not panic"),
            directory: self.directory,
            peak_kib,
        }
    }
}

impl Ended {
    pub fn describe(&self) -> String {
        let Self { status, stdout, stderr, .. } = self;
        format!("{status}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }

    /// The one report on standard error of a run that ended so, with this on its standard output.
    pub fn one_report(&self, end: End, stdout: &str) -> Result<Report, String> {
        self.ends(end, stdout)?;
        only_report(&self.stderr).map_err(|problem| format!("{problem}\n{}", self.describe()))
    }

    pub fn ends(&self, end: End, stdout: &str) -> Result<(), String> {
        let described = |problem: String| format!("{problem}\n{}", self.describe());
        end.check(self.status).map_err(described)?;
        check(self.stdout == stdout, || "not what the guest should print".to_owned())
            .map_err(described)
    }

    /// That standard error has a line that begins with `message` and then one report.
    pub fn complaint_and_report(&self, message: &str) -> Result<(), String> {
        let described = |problem: String| format!("{problem}\n{}", self.describe());
        let (line, report) = self.stderr.split_once('\n').unwrap_or_default();
        check(line.starts_with(message), || format!("no line {message}")).map_err(described)?;
        only_report(report).map(drop).map_err(described)
    }
}

/// The most memory that a process has had so far, in KiB; 0 if it has ended.
pub fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0, |number| number.parse().expect("the kernel prints a number"))
}

pub fn kill(signal: i32, target: &str) {
    let status = Command::new("kill").args(["-s", &signal.to_string(), "--", target]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send {signal} to {target}");
}

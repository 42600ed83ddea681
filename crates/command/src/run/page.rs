//! Opening the page of a run that has ended.

use crate::failure::Failure;
use crate::streams;
use options::PathTemplate;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::env::{self, consts};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

/// The page of a run that names none. It is there until the machine clears its temporary files.
pub fn default_name() -> String {
    // A percent sign in a template is written twice.
    let directory = env::temp_dir().to_string_lossy().replace('%', "%%");
    format!("{directory}/libcache-%p.html")
}

/// Runs QEMU to its end, opens the page, and ends as QEMU did.
pub fn run_and_open(mut command: Command, page: &PathTemplate) -> Result<ExitCode, Failure> {
    // A terminal sends the first two to QEMU as well; this process has to outlive it. The others it passes on.
    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP]).ok();
    let executable = command.get_program().to_owned();
    let mut child = command.spawn().map_err(|error| super::not_started(&executable, &error))?;
    let id = rustix::process::Pid::from_child(&child);
    if let Some(mut signals) = signals.take() {
        thread::spawn(move || {
            for signal in signals.forever().filter(|signal| [SIGTERM, SIGHUP].contains(signal)) {
                let signal = if signal == SIGTERM {
                    rustix::process::Signal::TERM
                } else {
                    rustix::process::Signal::HUP
                };
                // It may have ended.
                let _ = rustix::process::kill_process(id, signal);
            }
        });
    }
    let pid = child.id();
    let status = child.wait().map_err(|error| super::not_started(&executable, &error))?;
    open(&page.resolve(pid));
    if let Some(signal) = status.signal() {
        // Ends this process. Where it cannot, the status says it as a shell does.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        return Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)));
    }
    let code = status.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Opens a page in the user's browser, or says where it is.
fn open(page: &Path) {
    if !page.is_file() {
        streams::tell(format_args!("there is no page {}", page.display()));
        return;
    }
    let program = if consts::OS == "macos" { "open" } else { "xdg-open" };
    let opened = Command::new(program)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if opened {
        streams::tell(format_args!("the page is {}", page.display()));
    } else {
        streams::tell(format_args!(
            "{program} opens no browser here; the page is {}",
            page.display()
        ));
    }
}

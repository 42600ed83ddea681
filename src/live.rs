//! Lines that tell how far a run is, while it runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use report::{CoreSnapshot, progress};

use crate::output::{self, Display};
use crate::threads;

/// Whether a terminal shows a line that the next thing written should replace.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Tells every `interval` how far the run is, as `counts` says it, until `may_write` does not let it. Only
/// in this process: a child that the guest forks tells nothing.
///
/// # Errors
/// Where the system has no thread left.
pub fn tell(
    interval: Duration,
    counts: impl Fn() -> CoreSnapshot + Send + 'static,
    may_write: impl Fn(&dyn Fn()) -> bool + Send + 'static,
) -> anyhow::Result<()> {
    threads::start("cache progress", move || {
        let start = Instant::now();
        let mut last = (start, CoreSnapshot::default());
        loop {
            thread::sleep(interval);
            let now = (Instant::now(), counts());
            let line = progress::line(&now.1, &last.1, now.0 - start, now.0 - last.0);
            if !may_write(&|| write(&line)) {
                return;
            }
            last = now;
        }
    })
}

/// Does not wait: forks and the report wait for this.
fn write(line: &str) {
    match output::display() {
        Display::Terminal => {
            // To the start of the line, and what was longer is erased.
            output::to_stderr(&format!("\rcache: {line}\x1b[K"));
            SHOWN.store(true, Ordering::Relaxed);
        }
        Display::Plain => output::complain(line),
        Display::None => {}
    }
}

/// Before anything else is written.
pub fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        output::to_stderr("\r\x1b[K");
    }
}

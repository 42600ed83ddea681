//! Lines that tell how far a run is, while it runs.

use std::time::{Duration, Instant};

use report::{CoreSnapshot, progress};

use super::held::{Display, Held, Name};

/// When a line was told last, and what it said.
#[derive(Debug)]
pub struct Progress {
    interval: Duration,
    start: Instant,
    last: (Instant, CoreSnapshot),
    /// Whether a terminal shows a line that the next thing written should replace.
    is_shown: bool,
}

impl Progress {
    /// A line every `interval` from now on.
    pub fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, start: now, last: (now, CoreSnapshot::default()), is_shown: false }
    }

    /// When the next line is due.
    pub fn due_in(&self) -> Duration {
        self.interval.saturating_sub(self.last.0.elapsed())
    }

    /// Tells how far the run is, if a line is due. Does not wait for a reader.
    pub fn tell(&mut self, held: &Held, counts: impl FnOnce() -> CoreSnapshot) {
        if !self.due_in().is_zero() {
            return;
        }
        let now = (Instant::now(), counts());
        let line = progress::line(&now.1, &self.last.1, now.0 - self.start, now.0 - self.last.0);
        self.last = now;
        match held.display() {
            Display::Terminal => {
                // To the start of the line, and what was longer is erased. A line that cannot be written
                // is none.
                let _ = held.write(Name::Stderr, format!("\rcache: {line}\x1b[K").as_bytes());
                self.is_shown = true;
            }
            Display::Plain => held.complain(&line),
            Display::None => {}
        }
    }

    /// Takes away the line that a terminal shows, before anything else is written.
    pub fn clear(&mut self, held: &Held) {
        if self.is_shown {
            self.is_shown = false;
            let _ = held.write(Name::Stderr, b"\r\x1b[K");
        }
    }
}

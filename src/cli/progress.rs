use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::capture::Progress;

/// A line on standard error that says how far reading is; it goes away when this is dropped.
pub(super) struct Bar {
    /// True while the line is there.
    is_shown: Arc<Mutex<bool>>,
    /// Dropped to end the thread.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// To the beginning of the line, and erase it (ECMA-48 8.3.41).
pub(super) const CLEAR: &str = "\r\x1b[2K";
/// What takes no longer shows no bar.
const DELAY: Duration = Duration::from_secs(1);
/// The time between two looks.
const STEP: Duration = Duration::from_millis(200);

impl Bar {
    /// `None` where standard error is no terminal, so that nobody would see it move.
    pub(super) fn start(progress: &Progress) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let progress = progress.clone();
        let is_shown = Arc::new(Mutex::new(false));
        let shown = Arc::clone(&is_shown);
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::spawn(move || {
            let begin = Instant::now();
            let mut wait = DELAY;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = STEP;
                let line = Line { read: progress.read(), total: progress.total(), elapsed: begin.elapsed() };
                let mut is_shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                *is_shown = write!(io::stderr(), "{CLEAR}{line}").is_ok();
            }
        });
        Some(Self { is_shown, stop: Some(stop), thread: Some(thread) })
    }

    /// Takes the line away, until it is written the next time.
    pub(super) fn clear(&self) {
        let mut is_shown = self.is_shown.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *is_shown) {
            let _ = write!(io::stderr(), "{CLEAR}"); // a terminal that is gone shows nothing anyway
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it only drew
        }
        self.clear();
    }
}

/// `37 %, 1.2 of 3.3 GB, 410 MB/s, 5 s left`.
struct Line {
    read: u64,
    total: Option<u64>,
    elapsed: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, total, elapsed } = *self;
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = read.saturating_mul(1000) / milliseconds;
        let total = total.filter(|&total| total >= read && total > 0);
        if let Some(total) = total {
            write!(
                f,
                "{:3} %, {} of {}",
                u128::from(read) * 100 / u128::from(total),
                Bytes(read),
                Bytes(total)
            )?;
        } else {
            write!(f, "{}", Bytes(read))?;
        }
        write!(f, ", {}/s", Bytes(rate))?;
        match total {
            Some(total) if rate > 0 => write!(f, ", {} left", Seconds((total - read).div_ceil(rate))),
            _ => Ok(()),
        }
    }
}

/// `512 bytes`, `3.3 GB`, with one decimal.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit / (unit / 10)),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// `5 s`, `2 min 5 s`, `1 h 2 min`.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..60 => write!(f, "{seconds} s"),
            seconds @ 60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            seconds => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_bytes_rate_and_time_left() {
        let line =
            |read, total, seconds| Line { read, total, elapsed: Duration::from_secs(seconds) }.to_string();
        assert_eq!(
            line(1_200_000_000, Some(3_300_000_000), 3),
            " 36 %, 1.2 GB of 3.3 GB, 400.0 MB/s, 6 s left"
        );
        assert_eq!(line(50_000_000, None, 2), "50.0 MB, 25.0 MB/s");
        assert_eq!(line(0, Some(900), 1), "  0 %, 0 bytes of 900 bytes, 0 bytes/s");
        assert_eq!(line(1_000, Some(1_000_000), 2), "  0 %, 1.0 kB of 1.0 MB, 500 bytes/s, 33 min 18 s left");
        assert_eq!(
            line(1_000, Some(100_000_000), 1),
            "  0 %, 1.0 kB of 100.0 MB, 1.0 kB/s, 27 h 46 min left"
        );
        assert_eq!(line(2000, Some(1000), 1), "2.0 kB, 2.0 kB/s", "a file that has grown");
    }
}

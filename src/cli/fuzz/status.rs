use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::peer::fuzz::Progress;

use super::super::progress::CLEAR;

/// A line on standard error that says how far a run is; where that is no terminal, a new one each ten seconds.
pub(super) struct Status {
    /// Dropped to end the thread.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The time between two lines, on a terminal and elsewhere.
const STEPS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

impl Status {
    pub(super) fn start(progress: &Progress) -> Self {
        let progress = progress.clone();
        let is_terminal = io::stderr().is_terminal();
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::spawn(move || {
            let begin = Instant::now();
            let step = STEPS[usize::from(!is_terminal)];
            while stopped.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
                let line = line(&progress, begin.elapsed());
                // A terminal that is gone shows nothing anyway.
                let _ = if is_terminal {
                    write!(io::stderr(), "{CLEAR}{line}")
                } else {
                    writeln!(io::stderr(), "volact: {line}")
                };
            }
            if is_terminal {
                let _ = write!(io::stderr(), "{CLEAR}");
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it only drew
        }
    }
}

/// `1 min 5 s, 340992 cases, 5246/s, 412 states, 96 rules, 233 in the corpus, 2 findings`.
pub(super) fn line(progress: &Progress, elapsed: Duration) -> String {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let cases = progress.cases();
    let rate = cases.saturating_mul(1000) / milliseconds;
    let seconds = elapsed.as_secs();
    let time = if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    };
    format!(
        "{time}, {cases} cases, {rate}/s, {} states, {} rules, {} in the corpus, {} findings",
        progress.states(),
        progress.rules(),
        progress.corpus(),
        progress.findings()
    )
}

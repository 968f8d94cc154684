use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The last bytes that a process has written, of as many as it likes.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(Arc<(Mutex<Words>, Condvar)>);

#[derive(Debug, Default)]
struct Words {
    kept: VecDeque<u8>,
    /// True while more may come.
    is_open: bool,
}

/// Bytes that are kept.
const MOST: usize = 4096;
/// How long the end of what a process has written may take to come, once it has ended; a child of its own may keep it open.
const PATIENCE: Duration = Duration::from_millis(500);

impl LastWords {
    /// Reads all there is, in a thread of its own.
    pub(super) fn of(output: impl Read + Send + 'static) -> Self {
        let words = Self::default();
        words.0.0.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        let kept = words.clone();
        thread::spawn(move || kept.keep(output));
        words
    }

    /// What is kept by now, once.
    pub(super) fn take(&self) -> String {
        text(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is kept, once, of a process that has ended: the end of its words is waited for.
    pub(super) fn take_all(&self) -> String {
        let (words, has_ended) = &*self.0;
        let words = words.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = has_ended.wait_timeout_while(words, PATIENCE, |words| words.is_open);
        let (mut words, _) = waited.unwrap_or_else(PoisonError::into_inner);
        text(&mut words)
    }

    fn keep(&self, mut output: impl Read) {
        let mut room = [0; 1024];
        while let Ok(count) = output.read(&mut room)
            && count > 0
        {
            let kept = &mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner).kept;
            kept.extend(&room[..count]);
            let excess = kept.len().saturating_sub(MOST);
            kept.drain(..excess);
        }
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).is_open = false;
        self.0.1.notify_all();
    }
}

fn text(words: &mut Words) -> String {
    String::from_utf8_lossy(&Vec::from(std::mem::take(&mut words.kept))).into_owned()
}

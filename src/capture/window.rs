use std::io::{self, Read};

/// A moving window over a reader: one buffer, refilled in place, that knows its offset in the file.
pub(super) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// File offset of `buffer[start]`.
    offset: u64,
    at_end: bool,
    /// What kept the rest from being read. What came before it is read first.
    failure: Option<io::Error>,
}

/// The buffer's size at first, and what it grows to with a file that fills it; a larger record makes it larger.
const CAPACITY: std::ops::RangeInclusive<usize> = 1 << 15..=1 << 18;

impl<R: Read> Window<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, end: 0, offset: 0, at_end: false, failure: None }
    }

    /// File offset of the window's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills the window up to `count` bytes, and tells how many it has; fewer are there only at the file's end.
    #[inline]
    pub(super) fn fill(&mut self, count: usize) -> usize {
        let got = self.end - self.start;
        if got >= count || self.at_end { got } else { self.refill(count) }
    }

    #[cold]
    fn refill(&mut self, count: usize) -> usize {
        let (least, most) = (*CAPACITY.start(), *CAPACITY.end());
        if self.start + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() < most {
                self.buffer.resize((2 * self.buffer.len()).max(least), 0);
            }
        }
        while self.end - self.start < count {
            // No more room than the bytes that really come need, and at most twice what is asked for: bytes move to the
            // front once for as many that were taken, however small the steps.
            if self.end == self.buffer.len() {
                let wanted = (2 * self.buffer.len()).min(2 * count).max(self.buffer.len() + 1);
                self.buffer.resize(wanted, 0);
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.at_end = true;
                    self.failure = Some(error);
                    break;
                }
            }
        }
        self.end - self.start
    }

    /// All that is in the window.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes the first `count` bytes off the window.
    #[inline]
    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Bytes that were taken, up to the next [`Self::fill`]: `count` of them, the first one `back` before the window.
    #[inline]
    pub(super) fn taken(&self, back: usize, count: usize) -> &[u8] {
        &self.buffer[self.start - back..][..count]
    }

    /// True where nothing comes behind the bytes in the window.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// True where the bytes end because reading failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}

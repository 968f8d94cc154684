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
}

/// The buffer's size at first, and what it grows to with a file that fills it; a larger record makes it larger.
const CAPACITY: std::ops::RangeInclusive<usize> = 1 << 15..=1 << 20;

impl<R: Read> Window<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, end: 0, offset: 0, at_end: false }
    }

    /// File offset of the window's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills the window up to `count` bytes; fewer are there only at the file's end.
    pub(super) fn fill(&mut self, count: usize) -> io::Result<usize> {
        if self.end - self.start >= count || self.at_end {
            return Ok(self.end - self.start);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let (least, most) = (*CAPACITY.start(), *CAPACITY.end());
        let wanted = (2 * self.buffer.len()).clamp(least, most).max(count);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < count {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end)
    }

    /// The first `count` bytes of the window, which a [`Self::fill`] has brought.
    pub(super) fn bytes(&self, count: usize) -> &[u8] {
        &self.buffer[self.start..self.end][..count]
    }

    /// Takes the first `count` bytes off the window and hands them out.
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count;
        self.offset += count as u64;
        &self.buffer[start..self.start]
    }
}

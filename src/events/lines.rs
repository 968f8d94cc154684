use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::MAX_EVENT;

/// A line of a text.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Without what ends it, and without what is beyond [`MAX_EVENT`] bytes; what is no UTF-8 is U+FFFD.
    pub(super) text: String,
    /// True where it is longer than that.
    pub(super) is_cut: bool,
}

/// Lines that end with LF or CR LF, one after the other.
pub(super) struct Lines<R> {
    source: R,
    /// Number of the line that is to come.
    number: u64,
    /// Lines that are read again.
    again: VecDeque<Line>,
    error: Option<io::Error>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R, number: u64) -> Self {
        Self { source, number, again: VecDeque::new(), error: None }
    }

    pub(super) fn next_line(&mut self) -> Option<Line> {
        if let Some(line) = self.again.pop_front() {
            return Some(line);
        }
        let mut text = Vec::new();
        let (mut has_any, mut is_cut) = (false, false);
        loop {
            let there = match self.source.fill_buf() {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            };
            if there.is_empty() {
                break;
            }
            has_any = true;
            let end = there.iter().position(|&byte| byte == b'\n');
            let part = &there[..end.unwrap_or(there.len())];
            // One more, which is CR or cut off below.
            let room = MAX_EVENT + 1 - text.len();
            is_cut |= part.len() > room;
            text.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.source.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !has_any {
            return None;
        }
        if text.last() == Some(&b'\r') && !is_cut {
            text.pop();
        }
        if text.len() > MAX_EVENT {
            text.truncate(MAX_EVENT);
            is_cut = true;
        }
        let text = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        self.number += 1;
        Some(Line { number: self.number - 1, text, is_cut })
    }

    /// Lines come again, before all others.
    pub(super) fn read_again(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        lines.rev().for_each(|line| self.again.push_front(line));
    }

    /// What ended the lines before their end.
    pub(super) fn error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_or_cr_lf_and_the_last_one_without() {
        let mut lines = Lines::new(&b"a\r\nb\n\r\nc\rd"[..], 1);
        let read: Vec<_> = std::iter::from_fn(|| lines.next_line()).map(|l| (l.number, l.text)).collect();
        assert_eq!(
            read,
            [(1, "a".to_owned()), (2, "b".to_owned()), (3, String::new()), (4, "c\rd".to_owned())]
        );
    }

    #[test]
    fn a_line_is_cut_behind_the_limit_and_the_next_one_is_read() {
        for end in ["\n", "\r\n"] {
            let text = ["x".repeat(MAX_EVENT), "y".repeat(MAX_EVENT + 1), "z".to_owned()].join(end);
            let mut lines = Lines::new(text.as_bytes(), 1);
            let read: Vec<_> =
                std::iter::from_fn(|| lines.next_line()).map(|l| (l.text.len(), l.is_cut)).collect();
            assert_eq!(read, [(MAX_EVENT, false), (MAX_EVENT, true), (1, false)]);
        }
    }
}

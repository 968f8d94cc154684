use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Read};

use super::Position;

/// Where in a file its reader stands, and what it kept from the parser.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Bytes that were handed on.
    pub(super) offset: Cell<u64>,
    /// Lines before the one that is being read.
    pub(super) line: Cell<u64>,
    /// Bytes of this line that were handed on.
    pub(super) column: Cell<u64>,
    /// Bytes of the last string that were left out.
    pub(super) dropped: Cell<u64>,
    /// True where objects and arrays stand in each other deeper than [`MAX_DEPTH`].
    pub(super) is_too_deep: Cell<bool>,
}

/// JSON on its way to the parser, which holds whole strings and takes no lone surrogates.
///
/// What is too long of a string is left out; the escape of a lone surrogate, which browsers write, becomes
/// that of U+FFFD. A byte order mark in front is left out, too. All else is passed on, right or wrong.
pub(super) struct Source<'p, R> {
    reader: R,
    buffer: Vec<u8>,
    next: usize,
    place: &'p Place,
    state: State,
    depth: usize,
    /// The most bytes of a string that are passed on.
    longest: usize,
    /// Bytes of the string that were passed on.
    kept: usize,
    is_dropping: bool,
    /// The escape that is being read.
    escape: Vec<u8>,
    /// The escape of a high surrogate that waits for its low one.
    high: Vec<u8>,
    /// Bytes to pass on first.
    ready: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Outside,
    Inside,
    Escape,
}

impl Place {
    pub(super) fn position(&self) -> Position {
        Position { offset: self.offset.get(), line: self.line.get() + 1, column: self.column.get() }
    }
}

impl<'p, R: Read> Source<'p, R> {
    pub(super) fn new(reader: R, longest: usize, place: &'p Place) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            next: 0,
            place,
            state: State::Outside,
            depth: 0,
            longest,
            kept: 0,
            is_dropping: false,
            escape: Vec::new(),
            high: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The file's next byte.
    fn take(&mut self) -> io::Result<Option<u8>> {
        if self.next == self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
            let mut read = 0;
            let mut result = Ok(0);
            // The first bytes have to be there to be known for a mark.
            let least = if self.place.offset.get() == 0 { MARK.len() } else { 1 };
            while read < least {
                result = self.reader.read(&mut self.buffer[read..]);
                match result {
                    Ok(0) => break,
                    Ok(more) => read += more,
                    Err(ref error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            self.buffer.truncate(read);
            self.next = 0;
            if read == 0 {
                return result.map(|_| None);
            }
            if self.place.offset.get() == 0 && self.buffer.starts_with(MARK) {
                self.next = MARK.len();
                self.place.offset.set(MARK.len() as u64);
                return self.take();
            }
        }
        let byte = self.buffer[self.next];
        self.next += 1;
        let place = self.place;
        place.offset.set(place.offset.get() + 1);
        if byte == b'\n' {
            place.line.set(place.line.get() + 1);
            place.column.set(0);
        } else {
            place.column.set(place.column.get() + 1);
        }
        Ok(Some(byte))
    }

    /// The next byte for the parser.
    fn pass(&mut self) -> io::Result<Option<u8>> {
        loop {
            if let Some(byte) = self.ready.pop_front() {
                return Ok(Some(byte));
            }
            let Some(byte) = self.take()? else {
                self.ready.extend(self.high.drain(..).chain(self.escape.drain(..)));
                return Ok(self.ready.pop_front());
            };
            match (self.state, byte) {
                (State::Outside, _) => {
                    self.outside(byte)?;
                    return Ok(Some(byte));
                }
                (State::Inside, b'\\') => {
                    self.escape.push(byte);
                    self.state = State::Escape;
                }
                (State::Inside, b'"') => {
                    self.end_high();
                    self.ready.push_back(byte);
                    self.state = State::Outside;
                }
                (State::Inside, _) if self.high.is_empty() => {
                    if self.keeps(byte, 1) {
                        return Ok(Some(byte));
                    }
                }
                (State::Inside, _) => {
                    self.end_high();
                    self.pass_unit(&[byte]);
                }
                (State::Escape, _) => {
                    self.escape.push(byte);
                    let length = if self.escape[1] == b'u' { UNICODE_ESCAPE } else { 2 };
                    if self.escape.len() == length {
                        self.end_escape();
                        self.state = State::Inside;
                    }
                }
            }
        }
    }

    fn outside(&mut self, byte: u8) -> io::Result<()> {
        match byte {
            b'"' => {
                self.state = State::Inside;
                self.kept = 0;
                self.place.dropped.set(0);
                self.is_dropping = false;
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    self.place.is_too_deep.set(true);
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn end_escape(&mut self) {
        let escape = std::mem::take(&mut self.escape);
        let unit = std::str::from_utf8(&escape)
            .ok()
            .and_then(|text| text.strip_prefix("\\u"))
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        match unit {
            Some(0xd800..=0xdbff) => {
                self.end_high();
                self.high = escape;
                return;
            }
            Some(0xdc00..=0xdfff) if self.high.is_empty() => self.pass_unit(REPLACEMENT),
            Some(0xdc00..=0xdfff) => {
                let mut pair = std::mem::take(&mut self.high);
                pair.extend_from_slice(&escape);
                self.pass_unit(&pair);
            }
            _ => {
                self.end_high();
                self.pass_unit(&escape);
            }
        }
        self.escape = escape;
        self.escape.clear();
    }

    /// No low surrogate follows the high one.
    fn end_high(&mut self) {
        if !self.high.is_empty() {
            self.high.clear();
            self.pass_unit(REPLACEMENT);
        }
    }

    /// Passes on bytes of a string that must not be taken apart.
    fn pass_unit(&mut self, unit: &[u8]) {
        if self.keeps(unit[0], unit.len()) {
            self.ready.extend(unit);
        }
    }

    /// True where so many more bytes of the string are passed on, of which this is the first.
    fn keeps(&mut self, first: u8, length: usize) -> bool {
        let begins_character = first & 0xc0 != 0x80;
        self.is_dropping |= begins_character && self.kept + length > self.longest;
        if self.is_dropping {
            self.place.dropped.set(self.place.dropped.get() + length as u64);
        } else {
            self.kept += length;
        }
        !self.is_dropping
    }
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.pass() {
                Ok(Some(byte)) => buffer[read] = byte,
                Ok(None) => break,
                Err(error) if read == 0 => return Err(error),
                Err(_) => break,
            }
            read += 1;
        }
        Ok(read)
    }
}

/// The most bytes of one string of a file that are read, escapes counted as they stand there; the rest is counted.
pub const MAX_STRING: usize = 16 << 20;
/// The deepest that objects and arrays may stand in each other.
pub const MAX_DEPTH: usize = 127;

/// UTF-8's byte order mark.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";
const REPLACEMENT: &[u8] = b"\\ufffd";
const UNICODE_ESCAPE: usize = 6;
const BUFFER: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 40;

    fn passed(json: &[u8]) -> (String, u64) {
        let place = Place::default();
        let mut text = String::new();
        let mut source = Source::new(json, LONGEST, &place);
        // A byte at a time, as the parser reads.
        let mut byte = [0];
        while source.read(&mut byte).unwrap() > 0 {
            text.push(char::from(byte[0]));
        }
        assert_eq!(place.offset.get(), json.len() as u64);
        (text, place.dropped.get())
    }

    #[test]
    fn what_is_right_is_passed_on_as_it_is() {
        for json in
            [r#"{"a\\":["\"",1,"\u00e9\ud83d\ude00\n"]}"#, "", "\"", r#""\"#, r#""\u12"#, r#""\ud83d"#]
        {
            assert_eq!(passed(json.as_bytes()), (json.to_owned(), 0));
        }
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (json, expected) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00x""#, r#""\ufffdx""#),
            (r#""\ud83dx""#, r#""\ufffdx""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            (r#""\uD83D\uD83D\uDE00""#, r#""\ufffd\uD83D\uDE00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
        ] {
            assert_eq!(passed(json.as_bytes()), (expected.to_owned(), 0), "{json}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        assert_eq!(passed(b"\xef\xbb\xbf{}"), ("{}".to_owned(), 0));
        assert_eq!(passed(b"\xef\xbb\xbf"), (String::new(), 0));
    }

    #[test]
    fn the_end_of_a_long_string_is_dropped_between_characters() {
        for (end, kept, dropped) in [
            (&b"\"1"[..], &b"\"1"[..], 0),
            (b"x\"1", b"x\"1", 0),
            (b"xy\"1", b"x\"1", 1),
            ("xé\"1".as_bytes(), b"x\"1", 2),
            (br#"\n\"n"1"#, b"\"1", 5),
            (br#"\ud83d\ude00x"1"#, b"\"1", 13),
        ] {
            let begin = [b"\"", &[b'x'; LONGEST - 1][..]].concat();
            let (text, count) = passed(&[&begin, end].concat());
            assert_eq!((&text.as_bytes()[begin.len()..], count), (kept, dropped));
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let place = Place::default();
        let json = [b'['; MAX_DEPTH + 1];
        let mut source = Source::new(&json[..], LONGEST, &place);
        let read = std::iter::from_fn(|| source.read(&mut [0]).ok().filter(|read| *read > 0)).count();
        assert_eq!((read, place.is_too_deep.get()), (MAX_DEPTH, true));
    }
}

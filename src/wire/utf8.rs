use std::io::{self, Read};

use super::{Charset, Encoding};

/// A source as UTF-8, whatever it is; what is no character becomes U+FFFD.
pub(crate) struct Utf8<R> {
    source: R,
    charset: Charset,
    mark: usize,
    /// What was read of the source and is not whole yet.
    rest: Vec<u8>,
    /// What is there to be handed out, from `at` on.
    text: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn new(mut source: R) -> io::Result<Self> {
        let mut head = Vec::new();
        source.by_ref().take(4).read_to_end(&mut head)?;
        let encoding = Encoding::of(&head);
        let (charset, mark) = (encoding.charset, encoding.mark_length());
        head.drain(..mark);
        let (rest, text) = if charset == Charset::Utf8 { (Vec::new(), head) } else { (head, Vec::new()) };
        Ok(Self { source, charset, mark, rest, text, at: 0, is_over: false })
    }

    /// How long the byte order mark is that was passed over.
    pub(crate) fn mark_length(&self) -> usize {
        self.mark
    }

    /// Reads the next piece of UTF-16. A surrogate at its end waits for the next piece.
    fn decode_piece(&mut self) -> io::Result<()> {
        let mut piece = [0; PIECE];
        let length = self.source.read(&mut piece)?;
        self.is_over = length == 0;
        self.rest.extend_from_slice(&piece[..length]);
        let (units, _) = self.rest.as_chunks::<2>();
        let unit = |bytes: &[u8; 2]| match self.charset {
            Charset::Utf16Be => u16::from_be_bytes(*bytes),
            _ => u16::from_le_bytes(*bytes),
        };
        let waits = units.last().is_some_and(|last| (0xd800..0xdc00).contains(&unit(last))) && !self.is_over;
        let whole = units.len() - usize::from(waits);
        self.text.clear();
        self.at = 0;
        for c in char::decode_utf16(units[..whole].iter().map(unit)) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.rest.drain(..2 * whole);
        if self.is_over && !self.rest.is_empty() {
            self.rest.clear();
            self.text.extend_from_slice("\u{fffd}".as_bytes());
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if self.charset == Charset::Utf8 {
                return self.source.read(buffer);
            }
            if self.is_over {
                return Ok(0);
            }
            self.decode_piece()?;
        }
        let length = buffer.len().min(self.text.len() - self.at);
        buffer[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// What is read of a source in UTF-16 at a time.
const PIECE: usize = 8 << 10;

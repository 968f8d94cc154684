use crate::wire::{Error, ErrorKind};

use super::record::take;

/// A HandshakeType (RFC 8446 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandshakeType(pub(super) u8);

impl HandshakeType {
    pub(super) const HELLO_REQUEST: Self = Self(0);
    pub(super) const CLIENT_HELLO: Self = Self(1);
    pub(super) const SERVER_HELLO: Self = Self(2);
    pub(super) const END_OF_EARLY_DATA: Self = Self(5);
    pub(super) const ENCRYPTED_EXTENSIONS: Self = Self(8);
    pub(super) const FINISHED: Self = Self(20);
    pub(super) const KEY_UPDATE: Self = Self(24);

    /// True for the messages whose bodies say something that is needed.
    fn is_read(self) -> bool {
        matches!(
            self,
            Self::CLIENT_HELLO | Self::SERVER_HELLO | Self::ENCRYPTED_EXTENSIONS | Self::KEY_UPDATE
        )
    }
}

/// A handshake message that has come to its end.
pub(super) struct Message {
    pub(super) kind: HandshakeType,
    /// Empty for those that are passed over; an error where there was no room.
    pub(super) body: Result<Vec<u8>, Error>,
}

/// Puts handshake messages together out of the records of one direction. Of those that nobody reads only the length is
/// kept in mind; of the others, [`MAX_MESSAGE`] bytes.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The message's head, and its body so far if it is read.
    buffer: Vec<u8>,
    /// The message's length and how much of that is still to come, once the head is there.
    body: Option<(usize, usize)>,
}

impl Messages {
    /// Bytes that wait for more.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Forgets the message that is not whole.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next message of `bytes` and those that wait; takes from `bytes` what is used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Message> {
        if self.body.is_none() {
            let lacking = HEAD - self.buffer.len();
            self.buffer.extend_from_slice(take(bytes, lacking));
        }
        let [kind, high, middle, low] = *self.buffer.first_chunk::<HEAD>()?;
        let kind = HandshakeType(kind);
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let (declared, left) = self.body.unwrap_or((length, length));
        let has_room = declared <= MAX_MESSAGE;
        let taken = take(bytes, left);
        if kind.is_read() && has_room {
            self.buffer.extend_from_slice(taken);
        }
        if taken.len() < left {
            self.body = Some((declared, left - taken.len()));
            return None;
        }
        self.body = None;
        let mut body = std::mem::take(&mut self.buffer);
        body.drain(..HEAD);
        if has_room || !kind.is_read() {
            return Some(Message { kind, body: Ok(body) });
        }
        let error = ErrorKind::Length { declared: declared as u64, least: 0, most: MAX_MESSAGE as u64 };
        Some(Message {
            kind,
            body: Err(Error { layer: "handshake", field: "length", offset: 1, kind: error }),
        })
    }
}

/// Bytes of a message's head: its type, and its length in three bytes.
const HEAD: usize = 4;

/// The most that a message which is read may have.
const MAX_MESSAGE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        bytes[0] = kind;
        bytes.resize(HEAD + length, 7);
        bytes
    }

    /// Types and lengths of what comes out of pieces of this size.
    fn put_together(stream: &[u8], size: usize) -> Vec<(u8, Option<usize>)> {
        let mut messages = Messages::default();
        let mut seen = Vec::new();
        for mut piece in stream.chunks(size) {
            while let Some(Message { kind, body }) = messages.next(&mut piece) {
                seen.push((kind.0, body.ok().map(|body| body.len())));
            }
            assert!(messages.held() <= HEAD + MAX_MESSAGE);
        }
        seen
    }

    #[test]
    fn messages_are_put_together_from_any_pieces_and_unread_ones_have_no_body() {
        let stream =
            [message(2, 70), message(11, 5000), message(14, 0), message(20, 12), message(24, 1)].concat();
        for size in [1, 2, 3, 64, 1000, stream.len()] {
            let expected = [(2, Some(70)), (11, Some(0)), (14, Some(0)), (20, Some(0)), (24, Some(1))];
            assert_eq!(put_together(&stream, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_an_error_and_the_next_one_is_read() {
        let stream = [message(1, MAX_MESSAGE), message(1, MAX_MESSAGE + 1), message(1, 9)].concat();
        for size in [1000, stream.len()] {
            assert_eq!(put_together(&stream, size), [(1, Some(MAX_MESSAGE)), (1, None), (1, Some(9))]);
        }
    }
}

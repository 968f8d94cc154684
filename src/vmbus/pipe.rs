//! Pipes: what is inside of the packets of most channels. A header of eight bytes says how much of a packet is data.
//!
//! In message mode a packet is a message. In byte mode packets are pieces of a stream that has no messages of its own; here
//! a message is what one side says until the other side speaks.

use sha2::{Digest as _, Sha256};

use crate::wire::read;
use crate::wire::{Error, ErrorKind};

/// The most bytes of data in a packet, and the most of a message that are held; of a longer one in byte mode the rest is
/// counted and hashed.
pub const MAX_DATA: usize = 16384;

/// How the packets of a pipe are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PipeMode {
    /// Packets are pieces of a stream.
    Byte,
    /// Each packet is a message.
    Message,
}

impl PipeMode {
    /// What the type of a pipe in an offer says.
    #[must_use]
    pub fn of(pipe_type: u32) -> Option<Self> {
        match pipe_type {
            0 => Some(Self::Byte),
            4 => Some(Self::Message),
            _ => None,
        }
    }

    /// The type of such a pipe in an offer.
    #[must_use]
    pub fn pipe_type(self) -> u8 {
        match self {
            Self::Byte => 0,
            Self::Message => 4,
        }
    }

    /// `byte` or `message`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Byte => "byte",
            Self::Message => "message",
        }
    }
}

open! {
    /// What a packet of a pipe is.
    PacketKind(u32), "pipe packet" {
        DATA = 1 "data",
        PARTIAL = 2 "partial",
        SETUP_GPA_DIRECT = 3 "setup_gpa_direct",
        TEARDOWN_GPA_DIRECT = 4 "teardown_gpa_direct",
    }
}

layout! {
    /// The first eight bytes of a packet of a pipe.
    Header {
        /// Offset 0.
        kind: PacketKind,
        /// Offset 4: bytes of data; of a partial packet that in the lower half, and in the upper one how many of them were
        /// read.
        length: u32,
    }
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 8;

    /// Bytes of data; 0 for a packet that has none.
    #[must_use]
    pub fn data_len(&self) -> u32 {
        match self.kind {
            PacketKind::DATA => self.length,
            PacketKind::PARTIAL => self.length & 0xffff,
            _ => 0,
        }
    }

    /// How many bytes of a partial packet's data were read before.
    #[must_use]
    pub fn read_len(&self) -> u32 {
        if self.kind == PacketKind::PARTIAL { self.length >> 16 } else { 0 }
    }
}

/// A packet's payload, as a pipe has it.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] and [`Self::parse_lax`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub header: Header,
    /// The data; of a partial packet all of it.
    pub data: &'a [u8],
    /// What is behind it: what fills the packet up, and all of a packet that has no data.
    pub excess: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A packet with data.
    ///
    /// # Panics
    /// More than [`MAX_DATA`] bytes.
    #[must_use]
    pub fn data(data: &'a [u8]) -> Self {
        assert!(data.len() <= MAX_DATA, "{} bytes", data.len());
        let length = u32::try_from(data.len()).expect("it was held against the most");
        Self { header: Header { kind: PacketKind::DATA, length }, data, excess: &[] }
    }

    /// Reads a packet's payload.
    ///
    /// # Errors
    /// Fewer bytes than the header, or the data, takes; more than [`MAX_DATA`] bytes of data; more bytes read than there are.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        match Self::parse_lax(payload)? {
            (packet, None) => Ok(packet),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads a packet's payload, with what there is of its data.
    ///
    /// # Errors
    /// Fewer bytes than the header takes.
    pub fn parse_lax(payload: &'a [u8]) -> Result<(Self, Option<Error>), Error> {
        let (rest, header) = read::finish(LAYER, payload, Header::read(payload))?;
        let length = header.data_len() as usize;
        let (data, excess) = rest.split_at(length.min(rest.len()));
        let too_long = |declared: u32, most: usize| {
            let kind = ErrorKind::Length { declared: declared.into(), least: 0, most: most as u64 };
            Error { layer: LAYER, field: "length", offset: 4, kind }
        };
        let error = if length > MAX_DATA {
            Some(too_long(header.data_len(), MAX_DATA))
        } else if header.read_len() as usize > length {
            Some(too_long(header.read_len(), length))
        } else if data.len() < length {
            Some(Error::truncated(LAYER, "data", Header::LEN, length, data.len()))
        } else {
            None
        };
        Ok((Self { header, data, excess }, error))
    }

    /// The bytes of the payload, without what fills it up.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Header::LEN + self.data.len() + self.excess.len());
        self.header.put(&mut out);
        out.extend_from_slice(self.data);
        out.extend_from_slice(self.excess);
        out
    }
}

/// A message of a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<S> {
    /// Stamp of its first packet.
    pub first: S,
    /// Stamp of its last packet.
    pub last: S,
    /// How many packets it came in.
    pub packets: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Their hash.
    pub sha256: [u8; 32],
    /// The first of them, [`MAX_DATA`] at most.
    pub bytes: Vec<u8>,
    /// How many of them were read before, by partial packets.
    pub read: u64,
    /// What was wrong with its packets first.
    pub error: Option<Error>,
}

/// What a [`Reader`] hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed<'a, S> {
    /// A message.
    Message(Message<S>),
    /// The end of the stream: data of no bytes.
    End {
        /// Stamp of its packet.
        stamp: S,
    },
    /// Memory that is to be used directly, or not any more.
    GpaDirect {
        /// Stamp of its packet.
        stamp: S,
        /// The packet.
        packet: Packet<'a>,
    },
    /// A packet that is none of a pipe.
    Skipped {
        /// Stamp of the packet.
        stamp: S,
        /// Its payload.
        bytes: &'a [u8],
        /// Why not.
        error: Error,
    },
}

/// Puts one direction of a pipe together.
///
/// Payloads of packets come in order, each with a stamp `S` of the caller's. A reader holds [`MAX_DATA`] bytes at most, or
/// as many as it was told to ([`Self::keeping`]); lengths and hashes are those of all of them.
///
/// ```
/// use volact::vmbus::PipeMode;
/// use volact::vmbus::pipe::{Framed, Packet, Reader};
///
/// let mut messages = Vec::new();
/// let mut reader = Reader::new(PipeMode::Byte);
/// let mut out = |framed: Framed<'_, i32>| {
///     if let Framed::Message(message) = framed {
///         messages.push((message.bytes, message.first, message.last));
///     }
/// };
/// reader.push(&Packet::data(b"test ").encode(), 7, &mut out);
/// reader.push(&Packet::data(b"payload").encode(), 8, &mut out);
/// reader.flush(&mut out);
/// assert_eq!(messages, [(b"test payload".to_vec(), 7, 8)]);
/// ```
#[derive(Clone, Debug)]
pub struct Reader<S> {
    mode: PipeMode,
    /// Bytes of a message that are kept.
    keep: usize,
    turn: Option<Turn<S>>,
}

/// A message that is not at its end.
#[derive(Clone, Debug)]
struct Turn<S> {
    first: S,
    last: S,
    packets: u64,
    length: u64,
    hash: Sha256,
    bytes: Vec<u8>,
    read: u64,
    error: Option<Error>,
}

impl<S: Copy> Reader<S> {
    /// A reader at the beginning of a message.
    #[must_use]
    pub fn new(mode: PipeMode) -> Self {
        Self { mode, keep: MAX_DATA, turn: None }
    }

    /// The same, with so many bytes kept of a message, [`MAX_DATA`] at most.
    #[must_use]
    pub fn keeping(self, bytes: usize) -> Self {
        Self { keep: bytes.min(MAX_DATA), ..self }
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> PipeMode {
        self.mode
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.turn.as_ref().map_or(0, |turn| turn.bytes.len())
    }

    /// Takes the next packet's payload.
    pub fn push(&mut self, payload: &[u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) {
        let (packet, error) = match Packet::parse_lax(payload) {
            Ok(read) => read,
            Err(error) => return out(Framed::Skipped { stamp, bytes: payload, error }),
        };
        match packet.header.kind {
            PacketKind::DATA if packet.header.length == 0 => {
                self.flush(out);
                out(Framed::End { stamp });
            }
            PacketKind::DATA | PacketKind::PARTIAL => {
                let turn = self.turn.get_or_insert_with(|| Turn::new(stamp));
                turn.take(&packet, stamp, self.keep, error);
                if self.mode == PipeMode::Message {
                    self.flush(out);
                }
            }
            PacketKind::SETUP_GPA_DIRECT | PacketKind::TEARDOWN_GPA_DIRECT => {
                out(Framed::GpaDirect { stamp, packet });
            }
            other => {
                let kind = ErrorKind::Value { got: other.0.into(), expected: "a type from 1 to 4" };
                let error = Error { layer: LAYER, field: "kind", offset: 0, kind };
                out(Framed::Skipped { stamp, bytes: payload, error });
            }
        }
    }

    /// Says that the message is at its end, because the other side has spoken, or the pipe is closed.
    pub fn flush(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(turn) = self.turn.take() {
            out(Framed::Message(turn.finish()));
        }
    }
}

impl<S: Copy> Turn<S> {
    fn new(first: S) -> Self {
        let hash = Sha256::new();
        Self { first, last: first, packets: 0, length: 0, hash, bytes: Vec::new(), read: 0, error: None }
    }

    fn take(&mut self, packet: &Packet<'_>, stamp: S, keep: usize, error: Option<Error>) {
        self.last = stamp;
        self.packets += 1;
        self.length += packet.data.len() as u64;
        self.hash.update(packet.data);
        let room = keep.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&packet.data[..packet.data.len().min(room)]);
        self.read += u64::from(packet.header.read_len());
        self.error = self.error.take().or(error);
    }

    fn finish(self) -> Message<S> {
        let Self { first, last, packets, length, hash, bytes, read, error } = self;
        Message { first, last, packets, length, sha256: hash.finalize().into(), bytes, read, error }
    }
}

const LAYER: &str = "pipe packet";

use crate::wire::read;
use crate::wire::{Error, ErrorKind, Guid};

use super::{ChannelClass, Direction, PipeMode};

/// One control message or ring packet, as it stands in a capture file (there is no link type of its own; one of
/// LINKTYPE_USER0 to 15 is used).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | `VMBS` |
/// | 4 | 1 | version, 1 |
/// | 5 | 1 | direction: 0 guest to host, 1 host to guest |
/// | 6 | 1 | kind: 1 control message, 2 ring packet |
/// | 7 | 1 | pipe type: 0 byte mode, 4 message mode, 0xff no pipe or not known |
/// | 8 | 4 | channel id; 0 for a message that is about none |
/// | 12 | 4 | offset of the packet in its ring, 0xffffffff where it is not known |
/// | 16 | 16 | GUID of the class, mixed-endian; nil where it is not known |
/// | 32 | 16 | GUID of the instance |
/// | 48 | | the message, or the packet from its descriptor on, with or without a footer |
///
/// ```
/// use volact::vmbus::{Record, RecordKind};
///
/// let bytes = [&b"VMBS\x01\x00\x01\xff"[..], &[0; 40], &[3, 0, 0, 0, 0, 0, 0, 0]].concat();
/// let record = Record::parse(&bytes)?;
/// assert_eq!((record.kind, record.bytes.len()), (RecordKind::Control, 8));
/// assert_eq!(record.encode(), bytes);
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// What it is.
    pub kind: RecordKind,
    /// The type of the pipe, [`Self::NO_PIPE`] where there is none, or it is not known.
    pub pipe_type: u8,
    /// The channel.
    pub channel_id: u32,
    /// Where in the ring the packet begins, [`Self::NO_OFFSET`] where it is not known.
    pub ring_offset: u32,
    /// The GUID of the channel's class.
    pub class_id: Guid,
    /// The GUID of the channel's instance.
    pub instance_id: Guid,
    /// The message or the packet.
    pub bytes: &'a [u8],
}

/// What a [`Record`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A control message.
    Control,
    /// A packet of a ring.
    RingPacket,
}

impl<'a> Record<'a> {
    /// Bytes in front of the message or packet.
    pub const LEN: usize = 48;
    /// What every record begins with.
    pub const MAGIC: [u8; 4] = *b"VMBS";
    /// The version of the header.
    pub const VERSION: u8 = 1;
    /// The pipe type of a channel that is no pipe, or of which it is not known.
    pub const NO_PIPE: u8 = 0xff;
    /// The ring offset of a packet of which it is not known.
    pub const NO_OFFSET: u32 = u32::MAX;

    /// A control message; of the channel it is about, what the caller knows of it.
    #[must_use]
    pub fn control(direction: Direction, channel_id: u32, bytes: &'a [u8]) -> Self {
        Self {
            direction,
            kind: RecordKind::Control,
            pipe_type: Self::NO_PIPE,
            channel_id,
            ring_offset: Self::NO_OFFSET,
            class_id: Guid::NIL,
            instance_id: Guid::NIL,
            bytes,
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Fewer bytes than the header, another magic or version, a direction or a kind that there is not.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (bytes, head) = read::finish(LAYER, bytes, Head::read(bytes))?;
        let expect = |field, offset, got: u64, expected, holds: bool| {
            let kind = ErrorKind::Value { got, expected };
            if holds { Ok(()) } else { Err(Error { layer: LAYER, field, offset, kind }) }
        };
        let magic = u32::from_be_bytes(head.magic).into();
        expect("magic", 0, magic, "VMBS", head.magic == Self::MAGIC)?;
        expect("version", 4, head.version.into(), "version 1", head.version == Self::VERSION)?;
        expect("direction", 5, head.direction.into(), "direction 0 or 1", head.direction <= 1)?;
        expect("kind", 6, head.kind.into(), "kind 1 or 2", (1..=2).contains(&head.kind))?;
        Ok(Self {
            direction: Direction::BOTH[usize::from(head.direction)],
            kind: if head.kind == 1 { RecordKind::Control } else { RecordKind::RingPacket },
            pipe_type: head.pipe_type,
            channel_id: head.channel_id,
            ring_offset: head.ring_offset,
            class_id: head.class_id,
            instance_id: head.instance_id,
            bytes,
        })
    }

    /// True for bytes that begin like a record.
    #[must_use]
    pub fn is_plausible(bytes: &[u8]) -> bool {
        bytes.starts_with(&Self::MAGIC)
    }

    /// The bytes of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN + self.bytes.len());
        let head = Head {
            magic: Self::MAGIC,
            version: Self::VERSION,
            direction: u8::from(self.direction == Direction::HostToGuest),
            kind: if self.kind == RecordKind::Control { 1 } else { 2 },
            pipe_type: self.pipe_type,
            channel_id: self.channel_id,
            ring_offset: self.ring_offset,
            class_id: self.class_id,
            instance_id: self.instance_id,
        };
        head.put(&mut out);
        out.extend_from_slice(self.bytes);
        out
    }

    /// How the pipe is read; `None` where there is none, or it is not known.
    #[must_use]
    pub fn pipe_mode(&self) -> Option<PipeMode> {
        PipeMode::of(self.pipe_type.into())
    }

    /// What the channel is for, by the GUIDs of the record.
    #[must_use]
    pub fn class(&self) -> ChannelClass {
        ChannelClass::of(self.class_id, self.instance_id)
    }
}

impl RecordKind {
    /// `control` or `ring_packet`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::RingPacket => "ring_packet",
        }
    }
}

layout! {
    /// The header, as it stands.
    #[allow(unreachable_pub)] // it is for this file
    Head {
        magic: [u8; 4],
        version: u8,
        direction: u8,
        kind: u8,
        pipe_type: u8,
        channel_id: u32,
        ring_offset: u32,
        class_id: Guid,
        instance_id: Guid,
    }
}

const LAYER: &str = "vmbus record";

use std::borrow::Cow;

use crate::wire::read::{self, Parsed};
use crate::wire::{Error, ErrorKind, Guid};

use super::layout::Field;
use super::{Direction, Footer, Packet, PacketDescriptor, PacketType, Record, RecordKind};

/// Bytes of a control page.
pub const PAGE_LEN: usize = 4096;

/// The page in front of a ring's data.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPage {
    /// Offset 0: where the next packet will be written.
    pub write_offset: u32,
    /// Offset 4: where the next packet will be read.
    pub read_offset: u32,
    /// Offset 8: not 0 where the reader wants no interrupt.
    pub interrupt_mask: u32,
    /// Offset 12: how many bytes the writer waits for.
    pub pending_send_size: u32,
    /// Offset 16.
    pub reserved: [u8; 48],
    /// Offset 64: bit 0, the pending send size is looked at.
    pub feature_bits: u32,
    /// Offset 68: the rest of the page.
    pub rest: Vec<u8>,
}

/// A ring, one direction of a channel: a control page, and the data that packets are written into, round and round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring<'a> {
    /// The control page.
    pub control: ControlPage,
    /// The data.
    pub data: &'a [u8],
}

/// Both rings of a channel, as they lie one behind the other in the memory that the guest shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingPair<'a> {
    /// The first.
    pub guest_to_host: Ring<'a>,
    /// The second, at the page that the opening named.
    pub host_to_guest: Ring<'a>,
}

/// A packet that was found in a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingPacket<'a> {
    /// Where in the ring it begins.
    pub offset: u32,
    /// True where it had been read already: its bytes are still there, because nothing was written over them.
    pub is_consumed: bool,
    /// The packet from its descriptor to its footer.
    pub bytes: Cow<'a, [u8]>,
    /// Why the footer is not the packet's.
    pub error: Option<Error>,
}

/// What was found in a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingWalk<'a> {
    /// The packets, the oldest first: those that had been read, then those that had not.
    pub packets: Vec<RingPacket<'a>>,
    /// Bytes that were written, and that no packet could be made of.
    pub unread: u32,
    /// Why not. The offset counts the ring's data, that of an offset in the control page the page.
    pub error: Option<Error>,
}

impl ControlPage {
    /// Reads the page at the beginning of a dump.
    ///
    /// # Errors
    /// Fewer bytes than a page.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Ok(read::finish("control page", bytes, control_page(bytes))?.1)
    }

    /// The bytes of the page.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_LEN);
        for word in [self.write_offset, self.read_offset, self.interrupt_mask, self.pending_send_size] {
            word.put(&mut out);
        }
        self.reserved.put(&mut out);
        self.feature_bits.put(&mut out);
        out.extend_from_slice(&self.rest);
        out
    }
}

fn control_page(input: &[u8]) -> Parsed<'_, ControlPage> {
    let (behind, page) = read::bytes("page", PAGE_LEN)(input)?;
    let (rest, write_offset) = Field::read("write_offset", page)?;
    let (rest, read_offset) = Field::read("read_offset", rest)?;
    let (rest, interrupt_mask) = Field::read("interrupt_mask", rest)?;
    let (rest, pending_send_size) = Field::read("pending_send_size", rest)?;
    let (rest, reserved) = Field::read("reserved", rest)?;
    let (rest, feature_bits) = Field::read("feature_bits", rest)?;
    let rest = rest.to_vec();
    let page = ControlPage {
        write_offset,
        read_offset,
        interrupt_mask,
        pending_send_size,
        reserved,
        feature_bits,
        rest,
    };
    Ok((behind, page))
}

impl<'a> Ring<'a> {
    /// Takes a dump of a ring apart: its control page, and all behind it as its data.
    ///
    /// # Errors
    /// Fewer bytes than the page and 8 bytes of data, more data than offsets can say, or data that is no multiple of 8 bytes
    /// (the real ones are multiples of 4096).
    pub fn parse(dump: &'a [u8]) -> Result<Self, Error> {
        let control = ControlPage::parse(dump)?;
        let data = &dump[PAGE_LEN..];
        let is_counted = u32::try_from(data.len()).is_ok();
        let error = |kind| Err(Error { layer: "ring", field: "data", offset: PAGE_LEN, kind });
        if data.len() < 8 || !is_counted {
            let (declared, most) = (data.len() as u64, u32::MAX.into());
            return error(ErrorKind::Length { declared, least: 8, most });
        }
        if !data.len().is_multiple_of(8) {
            return error(ErrorKind::Malformed { what: "its size is not a multiple of 8" });
        }
        Ok(Self { control, data })
    }

    /// The bytes of the dump.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.control.encode(), self.data].concat()
    }

    /// Holds the offsets of the control page against the ring.
    ///
    /// # Errors
    /// One that lies behind the data, or is no multiple of 8.
    pub fn check(&self) -> Result<(), Error> {
        let offsets =
            [("write_offset", 0, self.control.write_offset), ("read_offset", 4, self.control.read_offset)];
        for (field, offset, value) in offsets {
            let error = |kind| Err(Error { layer: "control page", field, offset, kind });
            if value as usize >= self.data.len() {
                let most = self.data.len() as u64 - 8;
                return error(ErrorKind::Length { declared: value.into(), least: 0, most });
            }
            if !value.is_multiple_of(8) {
                return error(ErrorKind::Malformed { what: "it is not a multiple of 8" });
            }
        }
        Ok(())
    }

    /// The packets of the ring: those between the read and the write offset, and in front of them those that were read
    /// before and are still there.
    ///
    /// The latter are found backwards, by their footers, as long as everything about them holds. Reading stops at a
    /// descriptor that cannot be: where the next packet would be is not known then.
    #[must_use]
    pub fn walk(&self) -> RingWalk<'a> {
        if let Err(error) = self.check() {
            return RingWalk { error: Some(error), ..RingWalk::default() };
        }
        let size = self.data.len();
        let (read, write) = (self.control.read_offset as usize, self.control.write_offset as usize);
        let live = (write + size - read) % size;
        let mut packets = self.consumed(read, size - live);
        let mut left = live;
        let mut error = None;
        while left > 0 {
            let at = (read + live - left) % size;
            match self.packet(at, left) {
                Ok(packet) => {
                    left -= packet.bytes.len();
                    packets.push(packet);
                }
                Err(found) => {
                    error = Some(Error { offset: (at + found.offset) % size, ..found });
                    break;
                }
            }
        }
        // It is less than the size, which 32 bits say.
        RingWalk { packets, unread: u32::try_from(left).unwrap_or(u32::MAX), error }
    }

    /// The packets that end at `end`, one in front of the other, in no more than `room` bytes; the oldest first.
    fn consumed(&self, end: usize, room: usize) -> Vec<RingPacket<'a>> {
        let size = self.data.len();
        let (mut end, mut room) = (end, room);
        let mut packets = Vec::new();
        while room >= PacketDescriptor::LEN + Footer::LEN {
            let Ok((_, footer)) = Footer::read(&self.bytes((end + size - Footer::LEN) % size, Footer::LEN))
            else {
                break;
            };
            let begin = footer.offset as usize;
            if footer.reserved != 0 || begin >= size || !begin.is_multiple_of(8) {
                break;
            }
            let Ok(packet) = self.packet(begin, room) else { break };
            if packet.error.is_some() || (begin + packet.bytes.len()) % size != end {
                break;
            }
            room -= packet.bytes.len();
            end = begin;
            packets.push(RingPacket { is_consumed: true, ..packet });
        }
        packets.reverse();
        packets
    }

    /// The packet at an offset, of which no more than `most` bytes were written. An error counts from the packet.
    fn packet(&self, at: usize, most: usize) -> Result<RingPacket<'a>, Error> {
        let head = self.bytes(at, most.min(PacketDescriptor::LEN));
        let descriptor = PacketDescriptor::parse(&head)?;
        descriptor.check(most.saturating_sub(Footer::LEN))?;
        let bytes = self.bytes(at, descriptor.length() + Footer::LEN);
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        let footer = Footer::read(&bytes[descriptor.length()..]).ok();
        let error = footer.and_then(|(_, footer)| footer.check(offset).err());
        let error = error.map(|error| error.shifted(descriptor.length()));
        Ok(RingPacket { offset, is_consumed: false, bytes, error })
    }

    /// Bytes of the data, which may go on at its beginning. They are no more than the data.
    fn bytes(&self, at: usize, length: usize) -> Cow<'a, [u8]> {
        match self.data.get(at..at + length) {
            Some(bytes) => Cow::Borrowed(bytes),
            None => {
                let (front, back) = (&self.data[at..], &self.data[..at + length - self.data.len()]);
                Cow::Owned([front, back].concat())
            }
        }
    }
}

impl<'a> RingPair<'a> {
    /// Takes a dump of a channel's memory apart. The second ring begins at `downstream_page` ([`super::control::OpenRequest`]),
    /// or in the middle.
    ///
    /// # Errors
    /// [`Ring::parse`]'s of either ring, those of the second counted from its beginning; and a page outside of the dump.
    pub fn parse(dump: &'a [u8], downstream_page: Option<u32>) -> Result<Self, Error> {
        let pages = dump.len() / PAGE_LEN;
        let page = downstream_page.map_or(pages / 2, |page| page as usize);
        if page >= pages {
            let (declared, most) = (page as u64, (pages as u64).saturating_sub(1));
            let kind = ErrorKind::Length { declared, least: 2, most };
            return Err(Error { layer: "ring", field: "downstream_page", offset: 0, kind });
        }
        let (first, second) = dump.split_at(page * PAGE_LEN);
        Ok(Self { guest_to_host: Ring::parse(first)?, host_to_guest: Ring::parse(second)? })
    }
}

impl RingPacket<'_> {
    /// The packet as a record. `pipe_type` is the offer's, 0xff where it is not known.
    #[must_use]
    pub fn record(
        &self,
        direction: Direction,
        channel_id: u32,
        [class_id, instance_id]: [Guid; 2],
        pipe_type: u8,
    ) -> Record<'_> {
        Record {
            direction,
            kind: RecordKind::RingPacket,
            pipe_type,
            channel_id,
            ring_offset: self.offset,
            class_id,
            instance_id,
            bytes: &self.bytes,
        }
    }

    /// The packet taken apart.
    ///
    /// # Errors
    /// None: the bytes were held against the descriptor when they were found.
    pub fn packet(&self) -> Result<Packet<'_>, Error> {
        Packet::parse(&self.bytes)
    }

    /// The packet's type.
    #[must_use]
    pub fn kind(&self) -> Option<PacketType> {
        self.packet().ok().map(|packet| packet.descriptor.kind)
    }
}

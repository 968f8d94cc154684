use crate::wire::read;
use crate::wire::{Error, ErrorKind};

open! {
    /// A packet's type.
    PacketType(u16), "packet" {
        IN_BAND = 0x6 "in_band",
        TRANSFER_PAGES = 0x7 "transfer_pages",
        GPA_DIRECT = 0x9 "gpa_direct",
        COMPLETION = 0xb "completion",
    }
}

layout! {
    /// What stands in front of every packet in a ring, 16 bytes.
    PacketDescriptor {
        /// Offset 0.
        kind: PacketType,
        /// Offset 2: where the payload begins, in eights of bytes.
        data_offset8: u16,
        /// Offset 4: where it ends, in eights of bytes.
        length8: u16,
        /// Offset 6: bit 0, a completion is requested.
        flags: u16,
        /// Offset 8: what the answer repeats.
        transaction_id: u64,
    }
}

layout! {
    /// What stands behind every packet in a ring, 8 bytes.
    Footer {
        /// Offset 0.
        reserved: u32,
        /// Offset 4: where in the ring the packet begins.
        offset: u32,
    }
}

/// A packet of a ring, in one piece.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The descriptor.
    pub descriptor: PacketDescriptor,
    /// Bytes between the descriptor and the payload: the ranges of transfer pages and of memory that is used directly.
    pub extended: &'a [u8],
    /// The payload, with what fills it up to a multiple of 8 bytes.
    pub payload: &'a [u8],
    /// The footer, which a packet on its own need not have.
    pub footer: Option<Footer>,
    /// Bytes behind all that.
    pub excess: &'a [u8],
}

impl PacketDescriptor {
    /// Bytes of a descriptor.
    pub const LEN: usize = 16;

    /// A completion is requested.
    pub const COMPLETION_REQUESTED: u16 = 1;

    /// Reads the first sixteen bytes.
    ///
    /// # Errors
    /// Fewer bytes than that.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Ok(read::finish(LAYER, bytes, Self::read(bytes))?.1)
    }

    /// Where the payload begins, in bytes.
    #[must_use]
    pub fn data_offset(&self) -> usize {
        usize::from(self.data_offset8) * 8
    }

    /// Bytes of the packet, descriptor included, footer not.
    #[must_use]
    pub fn length(&self) -> usize {
        usize::from(self.length8) * 8
    }

    /// True where the sender wants a completion.
    #[must_use]
    pub fn wants_completion(&self) -> bool {
        self.flags & Self::COMPLETION_REQUESTED != 0
    }

    /// The least that [`Self::data_offset`] can be.
    #[must_use]
    pub fn least_data_offset(&self) -> usize {
        match self.kind {
            PacketType::TRANSFER_PAGES | PacketType::GPA_DIRECT => 24,
            _ => Self::LEN,
        }
    }

    /// Holds the lengths against each other, and against the bytes that there are for the packet.
    ///
    /// # Errors
    /// A payload that begins inside the descriptor or behind its own end, or that ends behind `most`.
    pub fn check(&self, most: usize) -> Result<(), Error> {
        let error = |field, offset, declared: usize, least: usize, most: usize| {
            let [declared, least, most] = [declared, least, most].map(|number| number as u64);
            let kind = ErrorKind::Length { declared, least, most };
            Err(Error { layer: LAYER, field, offset, kind })
        };
        let (begin, end, least) = (self.data_offset(), self.length(), self.least_data_offset());
        if begin < least {
            error("data_offset8", 2, begin, least, most)
        } else if end < begin || end > most {
            error("length8", 4, end, begin, most)
        } else {
            Ok(())
        }
    }
}

impl Footer {
    /// Bytes of a footer.
    pub const LEN: usize = 8;

    /// Holds the footer against the place of its packet.
    ///
    /// # Errors
    /// A footer that names another place.
    pub fn check(&self, offset: u32) -> Result<(), Error> {
        if self.offset == offset {
            return Ok(());
        }
        let kind = ErrorKind::Value { got: self.offset.into(), expected: "the packet's own offset" };
        Err(Error { layer: "packet footer", field: "offset", offset: 4, kind })
    }
}

impl<'a> Packet<'a> {
    /// An in-band packet, whose payload is filled up with zeros.
    ///
    /// # Panics
    /// More bytes than a descriptor can say, 524,264.
    #[must_use]
    pub fn in_band(transaction_id: u64, payload: &'a [u8]) -> Self {
        Self::new(PacketType::IN_BAND, 0, transaction_id, &[], payload)
    }

    /// A packet of any type, whose extended descriptor and payload are filled up with zeros.
    ///
    /// # Panics
    /// More bytes than a descriptor can say, 524,264 of both together.
    #[must_use]
    pub fn new(
        kind: PacketType,
        flags: u16,
        transaction_id: u64,
        extended: &'a [u8],
        payload: &'a [u8],
    ) -> Self {
        let eights = |bytes: usize| u16::try_from(bytes.div_ceil(8)).expect("what a descriptor can say");
        let data_offset8 = eights(PacketDescriptor::LEN + extended.len());
        let length8 = eights(usize::from(data_offset8) * 8 + payload.len());
        let descriptor = PacketDescriptor { kind, data_offset8, length8, flags, transaction_id };
        Self { descriptor, extended, payload, footer: None, excess: &[] }
    }

    /// Reads a packet. Eight bytes behind it are its footer.
    ///
    /// # Errors
    /// [`PacketDescriptor::parse`]'s and [`PacketDescriptor::check`]'s.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let descriptor = PacketDescriptor::parse(bytes)?;
        descriptor.check(bytes.len())?;
        let (packet, behind) = bytes.split_at(descriptor.length());
        let (head, payload) = packet.split_at(descriptor.data_offset());
        let (excess, footer) = match Footer::read(behind) {
            Ok((excess, footer)) => (excess, Some(footer)),
            Err(_) => (behind, None),
        };
        Ok(Self { descriptor, extended: &head[PacketDescriptor::LEN..], payload, footer, excess })
    }

    /// The bytes of the packet, with the lengths that its descriptor holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.descriptor.length() + Footer::LEN + self.excess.len());
        self.descriptor.put(&mut out);
        out.extend_from_slice(self.extended);
        out.resize(out.len().max(self.descriptor.data_offset()), 0);
        out.extend_from_slice(self.payload);
        out.resize(out.len().max(self.descriptor.length()), 0);
        self.footer.iter().for_each(|footer| footer.put(&mut out));
        out.extend_from_slice(self.excess);
        out
    }

    /// How many ranges there are, by offset 20 of a packet that has them.
    #[must_use]
    pub fn range_count(&self) -> Option<u32> {
        match self.descriptor.kind {
            PacketType::TRANSFER_PAGES | PacketType::GPA_DIRECT => {
                Some(u32::from_le_bytes(*self.extended.get(4..)?.first_chunk()?))
            }
            _ => None,
        }
    }

    /// The id of a set of transfer pages, at offset 16.
    #[must_use]
    pub fn transfer_page_set(&self) -> Option<u16> {
        let is_set = self.descriptor.kind == PacketType::TRANSFER_PAGES;
        is_set.then(|| self.extended.first_chunk().map(|id| u16::from_le_bytes(*id))).flatten()
    }
}

const LAYER: &str = "packet descriptor";

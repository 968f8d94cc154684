use crate::wire::{Error, ErrorKind};

use super::layout::Field;
use super::{Footer, PAGE_LEN, Packet};

/// Writes packets into a ring, as one side of a channel does, and gives its memory.
///
/// ```
/// use volact::vmbus::{Packet, Ring, RingWriter, pipe};
///
/// let mut writer = RingWriter::new(4096);
/// writer.push(&Packet::in_band(0, &pipe::Packet::data(b"test payload 1").encode()))?;
/// writer.push(&Packet::in_band(0, &pipe::Packet::data(b"test payload 2").encode()))?;
/// writer.consume();
/// let dump = writer.dump();
/// let walk = Ring::parse(&dump)?.walk();
/// let found: Vec<(u32, bool)> = walk.packets.iter().map(|packet| (packet.offset, packet.is_consumed)).collect();
/// assert_eq!(found, [(0, true), (48, false)]);
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingWriter {
    data: Vec<u8>,
    write: usize,
    read: usize,
}

impl RingWriter {
    /// An empty ring of so many bytes of data.
    ///
    /// # Panics
    /// A size that is 0, no multiple of 8, or more than 32 bits say.
    #[must_use]
    pub fn new(data_len: usize) -> Self {
        Self::starting_at(data_len, 0)
    }

    /// An empty ring in which the first packet begins at `offset`.
    ///
    /// # Panics
    /// [`Self::new`]'s, and an offset that is no multiple of 8 or not in the ring.
    #[must_use]
    pub fn starting_at(data_len: usize, offset: usize) -> Self {
        assert!(data_len.is_multiple_of(8) && u32::try_from(data_len).is_ok(), "{data_len} bytes of data");
        assert!(offset.is_multiple_of(8) && offset < data_len, "offset {offset} of {data_len}");
        Self { data: vec![0; data_len], write: offset, read: offset }
    }

    /// How many bytes the next packet can have, footer included. A ring is never full to the last byte: it would look empty.
    #[must_use]
    pub fn free(&self) -> usize {
        self.data.len() - self.used() - 8
    }

    /// Bytes that wait for the reader.
    #[must_use]
    pub fn used(&self) -> usize {
        (self.write + self.data.len() - self.read) % self.data.len()
    }

    /// Writes a packet with a footer of its own, and says where it begins.
    ///
    /// # Errors
    /// A packet that does not fit.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<u32, Error> {
        let offset = u32::try_from(self.write).unwrap_or(u32::MAX);
        let footer = Some(Footer { reserved: 0, offset });
        let bytes = Packet { footer, excess: &[], ..*packet }.encode();
        if bytes.len() > self.free() {
            let kind = ErrorKind::Length { declared: bytes.len() as u64, least: 0, most: self.free() as u64 };
            return Err(Error { layer: "ring", field: "packet", offset: self.write, kind });
        }
        let size = self.data.len();
        for (i, byte) in bytes.iter().enumerate() {
            self.data[(self.write + i) % size] = *byte;
        }
        self.write = (self.write + bytes.len()) % size;
        Ok(offset)
    }

    /// Reads the oldest packet that waits, as the other side does; false where none does.
    pub fn consume(&mut self) -> bool {
        if self.used() == 0 {
            return false;
        }
        let size = self.data.len();
        let length8 = u16::from_le_bytes([4, 5].map(|i| self.data[(self.read + i) % size]));
        self.read = (self.read + usize::from(length8) * 8 + Footer::LEN) % size;
        true
    }

    /// The memory: control page and data.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_LEN + self.data.len());
        for offset in [self.write, self.read] {
            u32::try_from(offset).unwrap_or(u32::MAX).put(&mut out);
        }
        out.resize(PAGE_LEN, 0);
        out.extend_from_slice(&self.data);
        out
    }
}

use super::NotTcp;

/// What is left of a packet, and how many bytes behind it were not captured.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cut: usize,
}

impl<'a> Rest<'a> {
    /// The first bytes, which stay.
    #[inline]
    pub(super) fn head<const N: usize>(self) -> Result<&'a [u8; N], NotTcp> {
        self.bytes.first_chunk().ok_or(NotTcp::CutHeader)
    }

    /// The first bytes, and the rest behind them.
    #[inline]
    pub(super) fn split<const N: usize>(self) -> Result<(&'a [u8; N], Self), NotTcp> {
        let (head, bytes) = self.bytes.split_first_chunk().ok_or(NotTcp::CutHeader)?;
        Ok((head, Self { bytes, cut: self.cut }))
    }

    pub(super) fn skip(self, count: usize) -> Result<Self, NotTcp> {
        Ok(Self { bytes: self.bytes.get(count..).ok_or(NotTcp::CutHeader)?, cut: self.cut })
    }

    /// Leaves off what a header's length does not count (Ethernet's padding), and counts as cut what it does.
    #[inline]
    pub(super) fn limit(self, length: usize) -> Self {
        let bytes = &self.bytes[..self.bytes.len().min(length)];
        Self { bytes, cut: length - bytes.len() }
    }

    /// Bytes that it had on the wire.
    #[inline]
    pub(super) fn length(self) -> usize {
        self.bytes.len().saturating_add(self.cut)
    }
}

#[inline]
pub(super) fn be16(raw: [u8; 2]) -> u16 {
    u16::from_be_bytes(raw)
}

pub(super) fn be24(raw: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, raw[0], raw[1], raw[2]])
}

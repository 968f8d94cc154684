use super::{FILLER, Kind, mask, may_hold_something};

/// Decoded bytes that remember where they come from, so that what is masked in them is masked there.
#[derive(Default)]
pub(super) struct View {
    bytes: Vec<u8>,
    origins: Vec<Origin>,
}

/// Where a decoded byte comes from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// The byte itself.
    Byte(usize),
    /// Two hex digits.
    Hex(usize),
    /// So many decimal digits, two or more.
    Decimal(usize, usize),
    /// So many bytes that name it and cannot be changed one by one.
    Name(usize, usize),
}

impl View {
    pub(super) fn push(&mut self, byte: u8, origin: Origin) {
        self.bytes.push(byte);
        self.origins.push(origin);
    }

    pub(super) fn may_hold_something(&self) -> bool {
        may_hold_something(&self.bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Masks what the view holds, there and where it comes from.
    pub(super) fn mask(&mut self, source: &mut [u8], kind: Kind, nested: u8) -> bool {
        let before = self.bytes.clone();
        if !mask(&mut self.bytes, kind, nested, &mut Vec::new()) {
            return false;
        }
        let changed = before.iter().zip(&self.bytes).zip(&self.origins).filter(|((old, new), _)| old != new);
        for ((_, &byte), origin) in changed {
            origin.write(source, byte);
        }
        true
    }
}

impl Origin {
    fn write(self, source: &mut [u8], byte: u8) {
        match self {
            Self::Byte(at) => source[at] = byte,
            Self::Hex(at) => source[at..at + 2].copy_from_slice(&crate::wire::hex::digits(&[byte])[0]),
            Self::Decimal(at, len) => {
                let mut left = byte;
                for digit in source[at..at + len].iter_mut().rev() {
                    *digit = b'0' + left % 10;
                    left /= 10;
                }
            }
            Self::Name(at, len) => source[at..at + len].fill(FILLER),
        }
    }
}

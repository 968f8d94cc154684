//! Changes of NDR: the counts, pointers and padding around a message.

use crate::kms::{Ndr, RequestStub, ResponseStub};
use crate::wire::{Endianness, Side};

use super::field::{self, other_number};
use super::message::cut_to;
use super::{Changes, Marshalling, Mutator};

impl Mutator {
    /// Changes the stub of a request (of the client) or of a response: mostly the message in it, and else its counts,
    /// pointer, padding and HRESULT.
    pub fn stub(&mut self, side: Side, marshalling: Marshalling, stub: &mut Vec<u8>, most: usize) -> Changes {
        let changes = match side {
            Side::Client => self.request_stub(marshalling, stub, most),
            Side::Server => self.response_stub(marshalling, stub, most),
        };
        cut_to(stub, most, changes)
    }

    fn request_stub(&mut self, marshalling: Marshalling, bytes: &mut Vec<u8>, most: usize) -> Changes {
        let Marshalling { ndr, endianness } = marshalling;
        let head = ndr.request_head();
        let way = self.dice.below(32);
        let mut changes = Changes::default();
        let Ok(stub) = RequestStub::parse(bytes, ndr, endianness) else {
            let message = self.raw_of("stub", bytes, most.saturating_sub(head));
            *bytes = RequestStub::of(bytes, ndr).encode(endianness);
            return message;
        };
        let mut data = stub.data.to_vec();
        let mut excess = stub.excess.to_vec();
        let mut stub = RequestStub { data: &[], excess: &[], ..stub };
        let mut to = marshalling;
        let mut cut = None;
        let length = data.len() as u64;
        let counts = counts_around(length);
        match way {
            0 => return self.raw_of("stub", bytes, most),
            1..=5 => match self.dice.below(10) {
                0 | 1 => {
                    let count = other_number(&mut self.dice, stub.size.into(), u32::MAX.into(), &counts);
                    changes.number("requestSize", stub.size, count);
                    stub.size = low(count);
                }
                2 | 3 => {
                    let count = self.max_count(ndr, stub.max_count, &counts);
                    changes.number("maximum count", stub.max_count, count);
                    stub.max_count = count;
                }
                4 => {
                    let count = other_number(&mut self.dice, stub.max_count, u32::MAX.into(), &counts);
                    changes.number("both counts", stub.max_count, count);
                    (stub.size, stub.max_count) = (low(count), count);
                }
                5 if ndr == Ndr::Ndr64 => {
                    stub.size_padding = self.dice.pick(&[[1, 0, 0, 0], [0xff; 4], [0, 0, 0, 0x80]]);
                    if self.dice.one_in(2) {
                        stub.max_count = stub.size_slot();
                    }
                    changes.done("requestSize", "with padding that is not zero");
                }
                6 | 7 => {
                    let more = self.dice.pick(&[1, 3, 4, 8, 16, 260]);
                    excess.extend((0..more).map(|_| self.dice.byte()));
                    changes.bytes("stub", "added behind the data", head + data.len(), more);
                }
                8 => {
                    let left = self.dice.below(data.len() + 1);
                    data.truncate(left);
                    changes.bytes("data", "left of what is counted", 0, left);
                }
                _ => {
                    let left = self.dice.below(head);
                    cut = Some(left);
                    changes.bytes("stub", "left", 0, left);
                }
            },
            6 | 7 => to = self.other_marshalling(marshalling, &mut changes),
            _ => {
                changes = self.message(Side::Client, &mut data, most.saturating_sub(head));
                (stub.size, stub.max_count) = (low(data.len() as u64), data.len() as u64);
            }
        }
        let stub = RequestStub { ndr: to.ndr, data: &data, excess: &excess, ..stub };
        *bytes = stub.encode(to.endianness);
        bytes.truncate(cut.unwrap_or(usize::MAX));
        changes
    }

    fn response_stub(&mut self, marshalling: Marshalling, bytes: &mut Vec<u8>, most: usize) -> Changes {
        let Marshalling { ndr, endianness } = marshalling;
        let head = ndr.response_head();
        let way = self.dice.below(32);
        let mut changes = Changes::default();
        let Ok(stub) = ResponseStub::parse(bytes, ndr, endianness) else {
            let message = self.raw_of("stub", bytes, most.saturating_sub(head + 8));
            *bytes = ResponseStub::of(bytes, ndr).encode(endianness);
            return message;
        };
        let mut data = stub.data.to_vec();
        let mut excess = stub.excess.to_vec();
        let mut padding = stub.padding.to_vec();
        let mut stub = ResponseStub { data: &[], excess: &[], padding: &[], ..stub };
        let mut to = marshalling;
        let mut cut = None;
        let counts = counts_around(data.len() as u64);
        let has_data = stub.max_count.is_some();
        let wide = if ndr == Ndr::Ndr32 { u32::MAX.into() } else { u64::MAX };
        match way {
            0 => return self.raw_of("stub", bytes, most),
            1..=8 => match self.dice.below(14) {
                0 | 1 => {
                    let count = other_number(&mut self.dice, stub.size.into(), u32::MAX.into(), &counts);
                    changes.number("responseSize", stub.size, count);
                    stub.size = low(count);
                }
                2 | 3 if has_data => {
                    let from = stub.max_count.unwrap_or_default();
                    let count = self.max_count(ndr, from, &counts);
                    changes.number("maximum count", from, count);
                    stub.max_count = Some(count);
                }
                4 if has_data => {
                    let from = stub.max_count.unwrap_or_default();
                    let count = other_number(&mut self.dice, from, u32::MAX.into(), &counts);
                    changes.number("both counts", from, count);
                    (stub.size, stub.max_count) = (low(count), Some(count));
                }
                5 => {
                    let known = [0, 1, 4, 0x0002_0000, 0x0002_0004, u32::MAX];
                    let referent = other_number(&mut self.dice, stub.referent, wide, &known);
                    changes.number("referent id", stub.referent, referent);
                    stub.referent = referent;
                }
                6..=8 => {
                    let from = stub.hresult.unwrap_or_default();
                    let hresult = other_number(&mut self.dice, from.into(), u32::MAX.into(), &HRESULTS);
                    changes.number("HRESULT", from, hresult);
                    stub.hresult = Some(low(hresult));
                }
                9 => {
                    let hresult = self.dice.pick(&HRESULTS);
                    stub = ResponseStub::refusal(hresult, ndr);
                    data.clear();
                    padding.clear();
                    changes.number("error stub", 0_u32, hresult);
                }
                10 if ndr == Ndr::Ndr64 => {
                    stub.size_padding = self.dice.pick(&[[1, 0, 0, 0], [0xff; 4], [0, 0, 0, 0x80]]);
                    changes.done("responseSize", "with padding that is not zero");
                }
                11 => {
                    let length = self.dice.below(5);
                    padding = (0..length).map(|_| self.dice.byte()).collect();
                    changes.bytes("padding", "in front of HRESULT", head + data.len(), length);
                }
                12 => {
                    let more = self.dice.pick(&[1, 3, 4, 8, 16, 260]);
                    excess.extend((0..more).map(|_| self.dice.byte()));
                    changes.bytes("stub", "added behind HRESULT", bytes.len(), more);
                }
                _ => {
                    let left = self.dice.below(bytes.len() + 1);
                    cut = Some(left);
                    changes.bytes("stub", "left", 0, left);
                }
            },
            9 | 10 => to = self.other_marshalling(marshalling, &mut changes),
            _ => {
                changes = self.message(Side::Server, &mut data, most.saturating_sub(head + 8));
                let made = ResponseStub::of(&data, ndr);
                (stub.size, stub.max_count) = (made.size, made.max_count);
                padding = made.padding.to_vec();
                if stub.referent == 0 {
                    stub.referent = ResponseStub::REFERENT;
                }
                stub.hresult = stub.hresult.or(Some(0));
            }
        }
        let stub = ResponseStub { ndr: to.ndr, data: &data, padding: &padding, excess: &excess, ..stub };
        *bytes = stub.encode(to.endianness);
        bytes.truncate(cut.unwrap_or(usize::MAX));
        changes
    }

    /// Another maximum count: in NDR64 often one whose lower half is right, or that overflows.
    fn max_count(&mut self, ndr: Ndr, from: u64, known: &[u32]) -> u64 {
        if ndr == Ndr::Ndr32 {
            return other_number(&mut self.dice, from, u32::MAX.into(), known);
        }
        if self.dice.one_in(2) {
            return other_number(&mut self.dice, from, u64::MAX, known);
        }
        match self.dice.below(3) {
            0 => from | 1 << (32 + self.dice.below(32)),
            1 => u64::from(low(from)) | u64::MAX << 32,
            _ => u64::MAX - self.dice.below(32) as u64,
        }
    }

    /// Another one than its PDU says.
    fn other_marshalling(&mut self, from: Marshalling, changes: &mut Changes) -> Marshalling {
        let other_ndr = if from.ndr == Ndr::Ndr32 { Ndr::Ndr64 } else { Ndr::Ndr32 };
        if self.dice.one_in(2) {
            changes.done("stub", "marshalled as the other transfer syntax");
            Marshalling { ndr: other_ndr, ..from }
        } else {
            changes.done("stub", "in the other byte order");
            Marshalling { endianness: field::other_order(from.endianness), ..from }
        }
    }

    /// How a stub is marshalled whose bind was not seen: as NDR64 where it reads as such.
    pub(super) fn ndr_of(side: Side, stub: &[u8], endianness: Endianness) -> Ndr {
        let is_ndr64 = match side {
            Side::Client => RequestStub::parse(stub, Ndr::Ndr64, endianness)
                .is_ok_and(|stub| stub.size_padding == [0; 4] && stub.is_consistent()),
            Side::Server => ResponseStub::parse(stub, Ndr::Ndr64, endianness).is_ok_and(|stub| {
                let is_whole = stub.hresult.is_some() && stub.excess.is_empty() && stub.missing() == 0;
                is_whole && stub.max_count.is_none_or(|count| count == u64::from(stub.size))
            }),
        };
        if is_ndr64 { Ndr::Ndr64 } else { Ndr::Ndr32 }
    }
}

/// Counts that are nearly right, or that overflow with what stands in front of the data.
fn counts_around(length: u64) -> [u32; 16] {
    let length = low(length);
    [
        0,
        1,
        length.wrapping_sub(1),
        length.wrapping_add(1),
        length.wrapping_mul(2),
        4,
        236,
        252,
        260,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0xffff_fffc,
        0xffff_fff8,
        0xffff_fff0,
        0xffff_ffe8,
    ]
}

/// The low half of a number.
fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

/// What hosts answer with, and errors from around them.
const HRESULTS: [u32; 16] = [
    0,
    1,
    0x8007_000d,
    0x8007_0005,
    0x8007_000e,
    0x8007_0057,
    0xc004_f042,
    0xc004_f06c,
    0xc004_f074,
    0xc004_f038,
    0xc004_f039,
    0xc004_d104,
    0xc004_f050,
    0x4004_f040,
    0xffff_ffff,
    0x8000_0000,
];

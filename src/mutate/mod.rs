//! Mutation behind the crypto: wire bytes in, wire bytes out, with what stands between repaired, or broken on purpose.
//!
//! A fuzzer that flips bytes of a KMS message dies at its MAC. [`Mutator`] finds the message in what it is given, decrypts
//! it, changes its fields and its structure, sets lengths, counts, padding, hash, MAC and HMAC right again (or leaves one
//! of them wrong), encrypts it, and puts it back into its stub and its PDUs. Equal seeds give equal changes.
//!
//! ```
//! use volact::kms::{RequestBody, RequestChecks, RequestMessage, Version};
//! use volact::mutate::Mutator;
//! use volact::wire::Side;
//!
//! let mut body = RequestBody::parse(&[0; RequestBody::LEN])?;
//! body.version = Version::V6;
//! let request = RequestMessage::new(body, [7; 16]).encode();
//! let mut mutator = Mutator::new(1);
//! let mut changed = request.clone();
//! let changes = mutator.message(Side::Client, &mut changed, 1024);
//! assert_ne!(changed, request);
//! assert!(!changes.notes().is_empty());
//! # Ok::<(), volact::wire::Error>(())
//! ```

mod change;
mod dice;
pub(crate) mod dictionary;
mod field;
mod havoc;
mod message;
mod pdu;
mod sequence;
mod stub;

use crate::kms::{Ndr, RequestMessage, hmac};
use crate::wire::Endianness;

use dice::Dice;

pub use change::{Change, Changes};

/// Changes what is said on a connection.
///
/// Whatever it is given, nothing panics; what comes out has at most the bytes it may have.
#[derive(Clone, Debug)]
pub struct Mutator {
    dice: Dice,
    keys: hmac::Keys,
    asked: Option<Box<RequestMessage>>,
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
        Self { dice: Dice::new(seed), keys: hmac::Keys::default(), asked: None }
    }

    /// The request, decrypted or not, whose answers are changed from here on: what they repeat of it, their IV, hash and
    /// XoredIVs are set right by it. Without one they are what they were.
    pub fn answering(&mut self, request: Option<&[u8]>) {
        let request = request.map(RequestMessage::decode).filter(|request| request.body().is_some());
        self.asked = request.map(Box::new);
    }

    /// Changes bytes as bytes, as any fuzzer does: bits, numbers, blocks, tokens of the protocol.
    pub fn raw(&mut self, bytes: &mut Vec<u8>, most: usize) -> Changes {
        self.raw_of("bytes", bytes, most)
    }

    /// Changes an ePID as it travels, UTF-16LE: by its grammar, or its length and its NUL.
    pub fn epid(&mut self, epid: &mut Vec<u8>, most: usize) -> Changes {
        let mut changes = Changes::default();
        field::epid(&mut self.dice, epid, &mut changes);
        message::cut_to(epid, most, changes)
    }

    /// A number below this one; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.dice.below(end)
    }

    fn raw_of(&mut self, part: &'static str, bytes: &mut Vec<u8>, most: usize) -> Changes {
        havoc::havoc(&mut self.dice, part, bytes, most)
    }
}

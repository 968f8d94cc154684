//! The bodies that fuzz targets, corpus tests and benches share: what must hold of any bytes at all.
//!
//! Every function of [`TARGETS`] takes bytes that nobody vouches for and panics where its oracle is violated. "No
//! panic" is the least of them: what was read is written back byte for byte, how bytes arrive in pieces does not
//! matter, and no changed byte of an authenticated message goes unnoticed.

mod capture;
mod conformance;
mod connection;
mod diagnose;
mod dictionary;
mod directory;
mod discovery;
mod events;
mod framing;
mod http;
mod ids;
mod mak;
mod messages;
mod mutation;
mod plaintext;
mod reassembly;
mod redact;
mod reference;
mod respond;
pub mod seeds;
mod stubs;
mod tls;
mod verify;
mod vmbus;
mod words;

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read;
use std::ops::RangeBounds;

pub use capture::{capture, file, layers};
pub use conformance::rules;
pub use connection::{ConnectionPlan, connection, connection_of};
pub use diagnose::diagnose;
pub use dictionary::dictionary;
pub use directory::{ldap, ldif};
pub use discovery::dns;
pub use events::events;
pub use framing::{FramerPlan, framer, framer_of, pdu};
pub use http::{har, http};
pub use ids::{epid, id};
pub use mak::{soap, vamt};
pub use messages::{request_message, response_message};
pub use mutation::mutate;
pub use plaintext::{Plaintext, request_v4, request_v5, request_v6, response_v4, response_v5, response_v6};
pub use reassembly::{reassembly, streams};
pub use redact::{KeyPlan, redact};
pub use respond::respond;
pub use stubs::{request_stub, response_stub};
pub use tls::{key_log, tls};
pub use verify::verify;
pub use vmbus::{vmbus_control, vmbus_pipe, vmbus_ring};

/// A target's name, which is also that of its folder below `corpus/`, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("capture", capture),
    ("connection", connection),
    ("diagnose", diagnose),
    ("dns", dns),
    ("epid", epid),
    ("events", events),
    ("file", file),
    ("framer", framer),
    ("har", har),
    ("http", http),
    ("id", id),
    ("key_log", key_log),
    ("layers", layers),
    ("ldap", ldap),
    ("ldif", ldif),
    ("pdu", pdu),
    ("reassembly", reassembly),
    ("redact", redact),
    ("request_message", request_message),
    ("request_stub", request_stub),
    ("request_v4", request_v4),
    ("request_v5", request_v5),
    ("request_v6", request_v6),
    ("respond", respond),
    ("response_message", response_message),
    ("response_stub", response_stub),
    ("response_v4", response_v4),
    ("response_v5", response_v5),
    ("response_v6", response_v6),
    ("rules", rules),
    ("soap", soap),
    ("streams", streams),
    ("tls", tls),
    ("vamt", vamt),
    ("verify", verify),
    ("vmbus_control", vmbus_control),
    ("vmbus_pipe", vmbus_pipe),
    ("vmbus_ring", vmbus_ring),
];

/// A digest of what is told, as text.
#[derive(Default)]
struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Digest {
    fn take(&mut self, value: &impl fmt::Debug) {
        write!(self, "{value:?}").expect("a digest takes everything");
    }
}

/// A reader that gives a few bytes at a time.
struct Slow<'a> {
    left: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = self.step.min(buffer.len());
        self.left.read(&mut buffer[..step])
    }
}

/// What is held of an input under a fuzzer: that whose turn it is, chosen by the input's bytes; elsewhere everything, so that
/// a file of the corpus is held to all of it.
#[derive(Clone, Copy)]
struct Turn {
    /// A hash of the input, where a fuzzer runs.
    hash: Option<u64>,
    count: u64,
}

impl Turn {
    /// One of `count` turns.
    fn of(data: &[u8], count: u64) -> Self {
        Self { hash: cfg!(fuzzing).then(|| hash(data)), count }
    }

    /// Whether it is one of these.
    fn is(self, turns: impl RangeBounds<u64>) -> bool {
        self.hash.is_none_or(|hash| turns.contains(&((hash >> 16) % self.count)))
    }

    /// Whether it is one input in `of`, whatever turn it is.
    fn is_one_in(self, of: u64) -> bool {
        self.hash.is_none_or(|hash| (hash >> 40) % of == 0)
    }
}

/// Whether something expensive is held of an input: of one in `of` under a fuzzer, and of all of them elsewhere.
fn is_turn(data: &[u8], of: u64) -> bool {
    Turn::of(data, of).is(0..1)
}

fn hash(data: &[u8]) -> u64 {
    let (words, rest) = data.as_chunks::<8>();
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let hash = words.iter().fold(data.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, &byte| mix(hash, byte.into()))
}

/// Formats a value and lets go of the text: it must not panic.
fn ignore(value: &impl fmt::Debug) {
    struct Nowhere;
    impl fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Ok(())
        }
    }
    write!(Nowhere, "{value:?}").expect("nowhere takes everything");
}

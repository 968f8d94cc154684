//! TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) as a listener sees it: server names, and what a key log opens.
//!
//! - [`Session`]: both directions of a connection in, [`Event`]s out: application data where it can be opened, and once
//!   why not where it cannot; [`Info`] tells what the hellos say either way
//! - [`KeyLog`]: the secrets that a client or server has written down, in NSS's format
//! - [`looks_like_client_hello`]: whether a stream is worth a session
//!
//! Opened are AES-GCM (RFC 5288) and ChaCha20-Poly1305 (RFC 7905) of both versions, whatever the key exchange (RFC 8422
//! and others): the key log has what comes of it. CBC and CCM suites, versions before 1.2, compression and what comes
//! behind a renegotiation stay sealed. So does a session whose client hello was itself encrypted (ECH): the random by
//! which the key log knows it is not on the wire.

mod alert;
mod cipher_suite;
mod hello;
mod key_log;
mod messages;
mod protection;
mod record;
mod session;
mod version;

pub use alert::Alert;
pub use cipher_suite::CipherSuite;
pub use hello::{ClientHello, ServerHello};
pub use key_log::{KeyLog, KeyLogCounts, KeyLogError};
pub use record::looks_like_client_hello;
pub use session::{Counts, Event, GapReason, Info, Seal, Session};

pub use crate::wire::Side;
pub use version::Version;

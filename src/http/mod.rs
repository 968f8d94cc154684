//! HTTP/1.1 messages out of streams (RFC 9112), their content codings (RFC 9110 8.4), and HAR files of them.
//!
//! - [`Framer`]: one direction of a connection in, whole messages out, with resynchronisation behind damage
//! - [`Message`], [`Head`], [`Headers`]: a message as it was transferred; what is odd about it is an [`Anomaly`]
//! - [`content`]: takes gzip, deflate and zstd off a body
//! - [`har`]: reads the files in which browsers and proxies keep what they saw
//!
//! Nothing here knows what a body means: its media type and charset are its reader's business.

pub mod content;
mod framer;
pub mod har;
mod head;
mod message;

pub use content::Content;
pub use framer::{Framed, Framer, Handler, MAX_BODY, MAX_CHUNK_LINE, MAX_EXPECTED, MAX_TRAILERS};
pub use head::{Head, Header, Headers, MAX_HEAD, MAX_HEADERS, MAX_START_LINE, StartLine};
pub use message::{Anomaly, Cut, Framing, Message};

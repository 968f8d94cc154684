//! Discovery: how a machine finds its KMS host in DNS (RFC 1035, RFC 2782, RFC 2136, RFC 4795, RFC 6762).
//!
//! - [`Message`]: one DNS message, as far as it can be read
//! - [`TcpFramer`]: a TCP stream in, whole messages out
//! - [`Lookups`]: queries and their answers, paired; each [`Lookup`] is handed out once, with its [`Outcome`]
//! - [`Searches`]: a client's lookups of `_vlmcs._tcp` below one suffix after the other, as one [`Search`]
//! - [`Resolver`]: which names and services a client was told of, so that a connection can be told how it was found
//! - [`kms_service_domain`], [`azure_cloud`], [`is_of_interest`]: the names that matter to activation

mod code;
mod damage;
mod edns;
mod lookup;
mod lookups;
mod message;
mod name;
mod record;
mod resolver;
mod search;
mod service;
mod tcp;

pub use code::{Class, Flags, Opcode, Rcode, RecordType};
pub(crate) use damage::UNEXPLAINED;
pub use edns::{Edns, EdnsOption};
pub use lookup::{Answer, Lookup, MAX_SERVERS, MAX_UPDATES, Origin, Outcome, Queries, Transport};
pub use lookups::{Arrival, Counts, Lookups, MAX_QUESTIONS, Peer};
pub use message::{HEADER_LEN, MAX_MESSAGE, Message, Section};
pub use name::Name;
pub use record::{Question, Record, RecordData};
pub use resolver::{Found, Resolver, Via};
pub use search::{Attempt, Search, Searches, Service};
pub use service::{Cloud, azure_cloud, is_of_interest, kms_service_domain};
pub use tcp::{Framed, TcpFramer};

/// The port of DNS, UDP and TCP (RFC 1035 4.2).
pub const PORT: u16 = 53;

/// The UDP port of multicast DNS (RFC 6762 section 3).
pub const MDNS_PORT: u16 = 5353;

/// The port of Link-Local Multicast Name Resolution, UDP and TCP (RFC 4795 section 2).
pub const LLMNR_PORT: u16 = 5355;

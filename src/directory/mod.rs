//! The directory: activation objects of Active Directory over LDAP (RFC 4511, MS-ADA2) and in LDIF (RFC 2849).
//!
//! - [`Framer`]: one direction of a connection in, whole messages out, or SASL buffers, with resynchronisation behind damage
//! - [`Message`], [`Operation`], [`Filter`], [`Entry`]: what a message says, as far as it can be read
//! - [`ActivationObject`]: an entry with its attributes typed; [`schema`] says what they are
//! - [`Session`]: a connection, its requests joined with their responses
//! - [`ldif`]: reads exports
//! - [`Dn`]: distinguished names, compared as the directory compares them
//!
//! Passwords and credentials are never kept, and licences only as their length and hash.

mod activation_object;
mod ber;
mod dn;
mod filter;
mod framer;
pub mod ldif;
mod message;
pub mod oid;
mod result_code;
pub mod schema;
mod session;

pub use activation_object::{
    ActivationObject, License, LicenseHint, LicenseKind, MAX_LENGTHS, MAX_PROBLEMS, OtherAttribute, Problem,
    ProblemKind, is_activation_search,
};
pub use ber::MAX_TEXT;
pub use dn::{Dn, MAX_RDNS, Rdn};
pub use filter::{Assertion, Filter, MAX_NESTING, MAX_PARTS};
pub use framer::{Framed, Framer, MAX_MESSAGE, MAX_SEALED, looks_like_ldap};
pub use message::{
    Attribute, Authentication, BindRequest, BindResponse, Control, Dereference, Entry, LdapResult,
    MAX_ATTRIBUTES, MAX_CONTROLS, MAX_REFERRALS, MAX_SELECTORS, MAX_VALUES, Message, Operation, Scope,
    SearchRequest,
};
pub use result_code::ResultCode;
pub use session::{
    BindExchange, Counts, Ending, Event, Found, MAX_ENTRIES, MAX_HELD, MAX_OUTSTANDING, OtherExchange,
    SearchExchange, Session,
};

pub use crate::wire::Side;

//! DCE/RPC, connection-oriented, version 5 (C706 chapter 12), with what MS-RPCE adds to it.
//!
//! - [`Pdu`]: one protocol data unit, parsed and encoded; [`Pdu::parse`] is strict, [`Pdu::parse_lax`] keeps what
//!   could be read of a damaged one
//! - [`Framer`]: a byte stream in, whole PDUs out, with resynchronisation behind damage
//! - [`Association`]: which presentation context stands for which interface and transfer syntax
//!
//! Nothing here knows an interface's operations: a stub is bytes.

mod association;
mod auth;
mod bind;
mod bind_ack;
mod bind_nak;
mod call;
mod framer;
mod header;
mod interface;
mod pdu;
mod syntax;

pub use association::{Association, Context, Outcome};
pub use auth::AuthTrailer;
pub use bind::{Bind, PresentationContext};
pub use bind_ack::{BindAck, ResultElement, result_name, result_reason_name};
pub use bind_nak::{BindNak, EXTENDED_ERROR_SIGNATURE, reject_reason_name};
pub use call::{Fault, Request, Response, fault_status_by_name, fault_status_name, fault_statuses};
pub use framer::{Framed, Framer};
pub use header::{DataRepresentation, HEADER_LEN, Header, PduType, PfcFlags};
pub use interface::interface_name;
pub use pdu::{Body, Pdu};
pub use syntax::{SyntaxId, TransferSyntax};

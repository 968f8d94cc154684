//! The KMS payload: what travels in the stub of `RequestActivation`, versions 4, 5 and 6 ("Volume Activation 2.0
//! Operations Guide", 2008, pp. 26-31, here VA2.0; envelopes and cryptography as independent implementations agree).
//!
//! From the outside in:
//! - [`RequestStub`], [`ResponseStub`]: the NDR32 and NDR64 marshalling of the operation's parameters
//! - [`RequestMessage`], [`ResponseMessage`]: the versions' envelopes, decrypted
//! - [`RequestBody`], [`ResponseBody`]: the fields
//! - [`RequestChecks`], [`ResponseChecks`]: every verification as a value of its own; [`Verifier`] for many of them
//! - [`Responder`]: a host's side, a request's stub in and its response's stub out
//!
//! Below them stand the primitives: [`rijndael`] (the three block ciphers, and CBC), [`mac`] (v4), [`hmac`] (v6) and
//! [`salt`] (v5 and v6). Nothing here reads a clock or makes a random number: both are arguments.

#[forbid(unsafe_code)]
pub mod hmac;
#[forbid(unsafe_code)]
pub mod mac;
#[forbid(unsafe_code)]
mod request;
#[forbid(unsafe_code)]
mod request_message;
#[forbid(unsafe_code)]
mod respond;
#[forbid(unsafe_code)]
mod response;
#[forbid(unsafe_code)]
mod response_message;
pub mod rijndael;
#[forbid(unsafe_code)]
pub mod salt;
#[forbid(unsafe_code)]
mod sha256;
#[forbid(unsafe_code)]
mod stub;
#[forbid(unsafe_code)]
mod verify;
#[forbid(unsafe_code)]
mod version;

pub use request::RequestBody;
pub use request_message::{EncryptedRequest, RequestMessage, V4Request};
pub use respond::{HostIdentity, Moment, Policy, Refusal, Reply, Responder};
pub use response::ResponseBody;
pub use response_message::{EncryptedResponse, ResponseMessage, V4Response, V6Trailer};
pub use stub::{Ndr, RequestStub, ResponseStub};
pub use verify::{OpenedExchange, RequestChecks, ResponseChecks, Verifier};
pub use version::Version;

pub use crate::wire::Check;

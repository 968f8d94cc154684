//! The KMS payload: what travels in the stub of `RequestActivation`, versions 4, 5 and 6 ("Volume Activation 2.0
//! Operations Guide", 2008, pp. 26-31, here VA2.0; envelopes and cryptography as independent implementations agree).
//!
//! From the outside in:
//! - [`RequestStub`], [`ResponseStub`]: the NDR32 and NDR64 marshalling of the operation's parameters
//! - [`RequestMessage`], [`ResponseMessage`]: the versions' envelopes, decrypted
//! - [`RequestBody`], [`ResponseBody`]: the fields
//! - [`RequestChecks`], [`ResponseChecks`]: every verification as a value of its own
//! - [`Epid`]: the parts of the extended product id that a host answers with
//!
//! Below them stand the primitives: [`rijndael`] (the three block ciphers), [`cbc`], [`mac`] (v4), [`hmac`] (v6) and
//! [`salt`] (v5 and v6). Nothing here reads a clock or makes a random number: both are arguments.

pub mod cbc;
mod epid;
pub mod hmac;
pub mod mac;
mod request;
mod request_message;
mod response;
mod response_message;
pub mod rijndael;
pub mod salt;
mod stub;
mod verify;
mod version;

pub use epid::Epid;
pub use request::RequestBody;
pub use request_message::{EncryptedRequest, RequestMessage, V4Request};
pub use response::ResponseBody;
pub use response_message::{EncryptedResponse, ResponseMessage, V4Response, V6Trailer};
pub use stub::{Ndr, RequestStub, ResponseStub};
pub use verify::{Check, RequestChecks, ResponseChecks};
pub use version::Version;

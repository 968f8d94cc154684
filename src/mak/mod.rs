//! MAK activation: installation IDs, confirmation IDs, and the documents of the services that carry them.
//!
//! - [`id`]: installation IDs and confirmation IDs, read from what people and tools write, and checked group by group
//! - [`Message`]: a body of one of the services, recognised by what it says; [`SoapVersion`], [`Fault`]
//! - [`BatchRequest`] with its digest ([`digest`], [`DigestCheck`]) and its [`RequestDocument`]; [`BatchResponse`] with
//!   its [`ResponseDocument`] and [`ErrorCode`]; [`EchoChecks`] of the one against the other
//! - [`TokenRequest`], [`TokenResponse`]: internet activation, one machine at a time ([`TokenService`])
//! - [`vamt`]: the files of the Volume Activation Management Tool
//! - [`Layout`]: how a message is written
//!
//! No document judges an installation ID, a confirmation ID or a product ID that it carries: they are text there.

mod base64_text;
mod batch_request;
mod batch_response;
mod digest;
mod envelope;
mod error_code;
mod fault;
mod hosts;
pub mod id;
mod layout;
mod token_service;
pub mod vamt;
mod verify;
mod xml;

pub use batch_request::{BatchRequest, RequestDocument, RequestItem, RequestType};
pub use batch_response::{BatchResponse, ErrorInfo, ResponseDocument, ResponseForm, ResponseItem};
pub use digest::{DigestCheck, digest};
pub use envelope::{Content, Message, SoapVersion};
pub use error_code::ErrorCode;
pub use fault::Fault;
pub use hosts::is_service_host;
pub use id::{ConfirmationId, GroupFault, Id, IdError, IdErrorKind, IdKind, InstallationId, WrongGroup};
pub use layout::Layout;
pub use token_service::{
    ConfigExtension, TokenEntry, TokenRequest, TokenResponse, TokenService, TokenValues,
};
pub use verify::{EchoChecks, ItemEcho};
pub use xml::Field;
pub(crate) use xml::{BATCH_SERVICE, REQUEST_DOCUMENT, RESPONSE_DOCUMENT, TRUST};

pub use crate::wire::{Charset, Check, Encoding};

/// Where the BatchActivation service is asked.
pub const BATCH_PATH: &str = "/BatchActivation/BatchActivation.asmx";

/// The SOAPAction of a batch request, which stands in quotes or without them.
pub const BATCH_SOAP_ACTION: &str = "http://www.microsoft.com/BatchActivationService/BatchActivate";

/// The most bytes of a message that are read: about 10,000 items of a batch take half of them.
pub const MAX_BODY: usize = 16 << 20;

/// How deep elements may be nested.
pub const MAX_DEPTH: usize = 64;

/// The most items of a batch, and the most entries of a token message.
pub const MAX_ITEMS: usize = 10_000;

/// The most elements of one document that are kept as [`Field`]s.
pub const MAX_FIELDS: usize = 10_000;

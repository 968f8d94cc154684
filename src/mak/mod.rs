//! MAK activation: installation IDs, confirmation IDs, and the documents of the services that carry them.
//!
//! - [`id`]: installation IDs and confirmation IDs, read from what people and tools write, and checked group by group

pub mod id;

pub use id::{ConfirmationId, Id, IdError, IdErrorKind, IdKind, InstallationId};

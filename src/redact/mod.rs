//! What must not leave a machine: product keys in every form, and stand-ins for all that names a machine.
//!
//! - [`keys`]: product keys and what stands for them, found and masked wherever they are; [`text`] for a short text, [`page`]
//!   for finished output, [`bytes`] for bytes before they are shown

pub mod keys;

pub use keys::{bytes, page, text};

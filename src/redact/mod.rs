//! What must not leave a machine: product keys in every form, and stand-ins for all that names a machine.
//!
//! - [`keys`]: product keys and what stands for them, found and masked wherever they are; [`text`] for a short text, [`page`]
//!   for finished output, [`bytes`] for bytes before they are shown
//! - [`StandIns`]: another address, GUID or name for each, the same for the same, in whole records

pub mod keys;
mod mak;
mod records;
mod stand_in;
mod surroundings;

pub(crate) use keys::is_overlooked;
pub use keys::{bytes, page, text};
pub use stand_in::{StandIns, is_stand_in};

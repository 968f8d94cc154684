//! What must not leave a machine: product keys in every form, and stand-ins for all that names a machine.

mod records;
mod stand_in;

pub use stand_in::StandIns;

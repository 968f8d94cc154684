//! Live sides: what drives a host under test, what plays a host for a client under test, a process behind a shim.
//!
//! Everything here runs on loopback unless it is told otherwise, and whatever is played is a test: the host's identity is
//! [`crate::kms::HostIdentity::TEST`].

mod breaches;
pub mod client_test;
pub mod fuzz;
mod gone;
mod host;
pub mod host_test;
mod last_words;
mod line;
mod repeat;
mod session;
pub mod shim;

pub use gone::Gone;
pub use host::{Handler, Host, Serving, converse, moment};
pub use line::{Line, Received};
pub use session::{Answer, Groups, Session, Settings};

use last_words::LastWords;

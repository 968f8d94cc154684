use std::fmt;

use crate::trace::Found;

/// How a connection's address was found: `kms1.corp.example (frame 4) by _vlmcs._tcp.corp.example (frame 2)`.
pub(super) struct HowFound<'a>(pub(super) &'a Found);

impl fmt::Display for HowFound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { name, stamp, via, .. } = self.0;
        write!(f, "{name} (frame {})", stamp.frame)?;
        match via {
            Some(via) => write!(f, " by {} (frame {})", via.service, via.stamp.frame),
            None => Ok(()),
        }
    }
}

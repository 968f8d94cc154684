use crate::wire::Side;

use super::{Changes, Marshalling, Mutator};

impl Mutator {
    /// Changes the stub of a request (of the client) or of a response.
    pub fn stub(&mut self, side: Side, marshalling: Marshalling, stub: &mut Vec<u8>, most: usize) -> Changes {
        let _ = (side, marshalling);
        self.raw(stub, most)
    }
}

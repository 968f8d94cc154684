use crate::kms::Ndr;
use crate::wire::Side;

use super::{Changes, Mutator};

impl Mutator {
    /// Changes a PDU of this side, and whatever it holds; `ndr` is how its stub is marshalled, where that is known.
    pub fn pdu(&mut self, side: Side, ndr: Option<Ndr>, pdu: &mut Vec<u8>, most: usize) -> Changes {
        let _ = (side, ndr);
        self.raw(pdu, most)
    }
}

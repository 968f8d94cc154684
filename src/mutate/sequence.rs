use crate::kms::Ndr;
use crate::wire::Side;

use super::{Changes, Mutator};

impl Mutator {
    /// Changes a sequence of PDUs of this side: their order, their number, their fragments, or one of them.
    pub fn pdus(&mut self, side: Side, ndr: Option<Ndr>, pdus: &mut Vec<Vec<u8>>, most: usize) -> Changes {
        if pdus.is_empty() {
            return Changes::default();
        }
        let place = self.dice.below(pdus.len());
        self.pdu(side, ndr, &mut pdus[place], most)
    }
}

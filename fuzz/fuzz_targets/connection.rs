#![no_main]

use arbitrary::Arbitrary;
use volact::fuzzing::{ConnectionPlan, connection_of};

/// [`ConnectionPlan`], field by field: what is derived takes the same bytes in the same order as [`ConnectionPlan::read`],
/// so that a seed means the same here and in the corpus test.
#[derive(Arbitrary, Debug)]
struct Plan<'a> {
    host: u8,
    part: u8,
    steps: &'a [u8],
}

volact_fuzz::target!(connection, |plan: Plan<'_>| {
    let Plan { host, part, steps } = plan;
    connection_of(&ConnectionPlan { host, part, steps });
});

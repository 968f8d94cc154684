#![no_main]

use arbitrary::Arbitrary;
use volact::fuzzing::{FramerPlan, framer_of};

/// [`FramerPlan`], field by field: what is derived takes the same bytes in the same order as [`FramerPlan::read`], so
/// that a seed means the same here and in the corpus test.
#[derive(Arbitrary, Debug)]
struct Plan<'a> {
    mid_stream: bool,
    cuts: [u16; 4],
    gap: [u16; 2],
    stream: &'a [u8],
}

volact_fuzz::target!(framer, |plan: Plan<'_>| {
    let Plan { mid_stream, cuts, gap, stream } = plan;
    framer_of(&FramerPlan { mid_stream, cuts, gap, stream });
});

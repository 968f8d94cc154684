use crate::wire::Random;

use super::plan::{At, Plan, Trick, What};

/// Tricks of a plan.
const MOST_TRICKS: usize = 4;

/// Makes a case: a right host, or one of the corpus, with a trick or a few.
pub(super) fn plan(random: &mut Random, corpus: &[Plan]) -> Plan {
    let mut plan = match random.below(3) {
        0 if !corpus.is_empty() => corpus[random.below(corpus.len())].clone(),
        _ => Plan {
            version: [4, 5, 6, 6][random.below(4)],
            takes_ndr64: random.below(2) == 0,
            seed: random.number() >> 11,
            tricks: Vec::new(),
        },
    };
    for _ in 0..[0, 1, 1, 1, 1, 1, 1, 2][random.below(8)] {
        plan.tricks.push(trick(random));
    }
    let excess = plan.tricks.len().saturating_sub(MOST_TRICKS);
    plan.tricks.drain(..excess);
    plan
}

fn trick(random: &mut Random) -> Trick {
    // A number that every reader of JSON reads as it is.
    let seed = random.number() >> 11;
    let at = if random.below(4) == 0 { At::Bind } else { At::Request };
    let what = match random.below(16) {
        0..=3 if at == At::Request => What::Message(seed),
        4..=7 if at == At::Request => What::Broken(seed),
        0..=9 => What::Pdu(seed),
        10 | 11 => What::Pdus(seed),
        12 => What::Bytes(seed),
        13 => What::Pieces([1, 3, 7, 16, 100][random.below(5)]),
        14 => What::CutBehind(u16::try_from(random.below(400)).unwrap_or_default()),
        _ => What::Close,
    };
    Trick { at, what }
}

/// Hosts that do one trick less; those that do one half of them first.
pub(super) fn simpler(plan: &Plan) -> Vec<Plan> {
    let count = plan.tricks.len();
    let without = |begin: usize, end: usize| {
        let mut smaller = plan.clone();
        smaller.tricks.drain(begin..end);
        smaller
    };
    let mut plans = Vec::new();
    if count > 2 {
        plans.extend([without(0, count / 2), without(count / 2, count)]);
    }
    plans.extend((0..count).map(|at| without(at, at + 1)));
    if plan.takes_ndr64 {
        plans.push(Plan { takes_ndr64: false, ..plan.clone() });
    }
    if plan.version != 6 {
        plans.push(Plan { version: 6, ..plan.clone() });
    }
    plans
}

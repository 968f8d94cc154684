use std::time::Instant;

use crate::capture::Dialogue;
use crate::conformance::{CaseResult, Level, Verdict};
use crate::peer::repeat::rank;

use super::case_file::CaseFile;
use super::target::{Shown, Sign, Target};

/// Does a saved case again: it passes where nothing in it looks wrong any more. With its connections.
pub fn again<T: Target>(target: &T, case: &CaseFile<T::Plan>, repeat: String) -> (CaseResult, Vec<Dialogue>) {
    let begin = Instant::now();
    let Shown { outcome, transcript, dialogues } = target.alone(&case.plan);
    let mut signs = outcome.signs;
    // What it was saved for comes first.
    signs.sort_by_key(|sign| (sign.id != case.sign, sign.level));
    let is_alive = target.is_alive();
    if let Err(sign) = is_alive
        && signs.is_empty()
    {
        signs.push(sign);
    }
    let worst = signs.iter().map(|sign| verdict(sign.level)).min_by_key(|verdict| rank(*verdict));
    let first = signs.first();
    let result = CaseResult {
        id: case.id.clone(),
        title: case.title.clone(),
        family: "fuzz".to_owned(),
        level: first.map_or("must", |sign| sign.level.name()).to_owned(),
        authority: first.map_or_else(
            || "volact: a case that was found by fuzzing".to_owned(),
            |sign| sign.authority.clone(),
        ),
        verdict: worst.unwrap_or(Verdict::Pass),
        message: signs.iter().map(|sign| sign.message.as_str()).collect::<Vec<_>>().join("; "),
        checked: 1,
        broken: u64::from(!signs.is_empty()),
        breaches: signs.into_iter().filter_map(|sign: Sign| sign.breach).map(|breach| *breach).collect(),
        transcript,
        repeat,
        milliseconds: u64::try_from(begin.elapsed().as_millis()).ok(),
        ..CaseResult::default()
    };
    (result, dialogues)
}

fn verdict(level: Level) -> Verdict {
    match level {
        Level::Must => Verdict::Fail,
        Level::Should => Verdict::Should,
        Level::May | Level::Observed => Verdict::Remark,
    }
}

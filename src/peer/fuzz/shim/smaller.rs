use crate::peer::shim::{Fields, Value};

use super::make::is_askable;
use super::plan::Plan;

/// Runs of bytes that are put back one at a time.
const MOST_RUNS: usize = 48;

/// Questions that are simpler than this one in one thing each: a field as it was, or nearer to that, or shorter.
pub(super) fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut with = |given: Fields| {
        let smaller = Plan { given, ..plan.clone() };
        // A case of another kind of fault is none of this one.
        if smaller.given != plan.given && is_askable(&smaller) {
            plans.push(smaller);
        }
    };
    with(plan.right.clone());
    let mut set = |name: &str, value: Value| {
        let mut given = plan.given.clone();
        given.set(name, value);
        with(given);
    };
    let changed = plan.given.iter().filter(|(name, value)| plan.right.value(name) != Some(value));
    for (name, value) in changed {
        let Some(right) = plan.right.value(name) else { continue };
        set(name, right.clone());
        let (Value::Text(text), Value::Text(was)) = (value, right) else { continue };
        // Digits and texts as well as hex: whole bytes of what is hex.
        let step = if value.as_bytes().is_some() && name != "text" { 2 } else { 1 };
        for text in shorter(text, step).chain(nearer(text, was, step)) {
            set(name, Value::Text(text));
        }
    }
    plans
}

/// Without its second half, its last quarter, ... its last unit.
fn shorter(text: &str, step: usize) -> impl Iterator<Item = String> {
    let units = text.len() / step;
    let mut cut = units / 2;
    let mut all = Vec::new();
    while cut > 0 {
        all.extend(text.get(..(units - cut) * step).map(str::to_owned));
        all.extend(text.get(cut * step..).map(str::to_owned));
        cut /= 2;
    }
    all.into_iter()
}

/// With each run of units that differ put back, where the lengths are the same; with the length that it had, else.
fn nearer(text: &str, was: &str, step: usize) -> Vec<String> {
    if text.len() != was.len() {
        let same = text.bytes().zip(was.bytes()).take_while(|(is, was)| is == was).count() / step * step;
        let tail = text.bytes().rev().zip(was.bytes().rev()).take_while(|(is, was)| is == was).count();
        let mut all = Vec::new();
        all.extend(text.get(..was.len()).map(str::to_owned));
        if text.len() < was.len() {
            all.extend(was.get(text.len()..).map(|rest| format!("{text}{rest}")));
        } else {
            // What was inserted, in halves.
            let end = text.len().saturating_sub(tail / step * step).max(same);
            let half = same + (end - same) / step / 2 * step;
            for (begin, end) in [(same, half), (half, end)] {
                if let (Some(front), Some(behind)) = (text.get(..begin), text.get(end..)) {
                    all.push(format!("{front}{behind}"));
                }
            }
        }
        return all;
    }
    let differs: Vec<usize> = (0..text.len())
        .step_by(step)
        .filter(|&at| text.get(at..at + step) != was.get(at..at + step))
        .collect();
    let half = differs.len() / 2;
    let mut sets: Vec<&[usize]> = Vec::new();
    if half > 0 {
        sets.extend([&differs[..half], &differs[half..]]);
    }
    sets.extend(differs.chunks(4).take(MOST_RUNS));
    sets.extend(differs.chunks(1).take(MOST_RUNS));
    let put_back = |places: &&[usize]| {
        let mut bytes = text.as_bytes().to_vec();
        for &at in *places {
            bytes[at..at + step].copy_from_slice(&was.as_bytes()[at..at + step]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    sets.iter().map(put_back).collect()
}

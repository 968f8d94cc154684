//! How rules about records of several parts come to what they say.

use super::super::rule::Judgement;

/// Judges what is there, with a message for what does not hold.
pub(super) fn of<T>(
    value: Option<T>,
    holds: impl FnOnce(&T) -> bool,
    message: impl FnOnce(T) -> String,
) -> Judgement {
    match value {
        None => Judgement::NotApplicable,
        Some(value) if holds(&value) => Judgement::Holds,
        Some(value) => Judgement::broken(message(value)),
    }
}

/// Judges one after the other, up to the first of which there is something to say.
pub(super) fn each<T>(items: impl Iterator<Item = T>, fault: impl Fn(T) -> Option<String>) -> Judgement {
    let mut judgement = Judgement::NotApplicable;
    for item in items {
        match fault(item) {
            Some(fault) => return Judgement::broken(fault),
            None => judgement = Judgement::Holds,
        }
    }
    judgement
}

/// As [`each`], and says which it is: `what` and its number, from 1.
pub(super) fn each_numbered<T>(
    what: &str,
    items: impl Iterator<Item = T>,
    fault: impl Fn(T) -> Option<String>,
) -> Judgement {
    each(items.zip(1_u32..), |(item, number)| fault(item).map(|fault| format!("{what} {number}: {fault}")))
}

use super::target::{Shown, Sign, Target};

/// What is left of a case.
pub(super) struct Smallest<P> {
    pub(super) plan: P,
    /// The sign, as the smallest case shows it.
    pub(super) sign: Sign,
    pub(super) shown: Shown,
    /// Cases that were done.
    pub(super) tries: u32,
}

/// Takes away from a case what it does not need to show a sign, one thing at a time, until nothing more can go or
/// `most` cases were done. `shown` is what the case itself has shown.
pub(super) fn smallest<T: Target>(
    target: &T,
    plan: T::Plan,
    sign: &Sign,
    shown: Shown,
    most: u32,
    goes_on: impl Fn() -> bool,
) -> Smallest<T::Plan> {
    let mut found = Smallest { plan, sign: sign.clone(), shown, tries: 0 };
    // Where the last simpler case stood among the others: in front of it, nothing could go.
    let mut begin = 0;
    loop {
        let simpler = target.simpler(&found.plan, &found.sign);
        let count = simpler.len();
        let mut is_smaller = false;
        for place in (begin..count).chain(0..begin.min(count)) {
            let candidate = &simpler[place];
            if found.tries >= most || !goes_on() {
                return found;
            }
            if *candidate == found.plan {
                continue;
            }
            found.tries += 1;
            let shown = target.alone(candidate);
            if let Some(sign) = sign_of(&shown, &found.sign.id) {
                (found.plan, found.sign, found.shown) = (candidate.clone(), sign, shown);
                (begin, is_smaller) = (place, true);
                break;
            }
        }
        if !is_smaller {
            return found;
        }
    }
}

/// The sign of this id that a case has shown.
pub(super) fn sign_of(shown: &Shown, id: &str) -> Option<Sign> {
    shown.outcome.signs.iter().find(|sign| sign.id == id).cloned()
}

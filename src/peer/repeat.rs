use crate::conformance::{CaseResult, Verdict};

/// Does a case as often as is planned, once at least: the result that matters most. Flaky is what does not come out the
/// same each time.
pub(super) fn repeated(repeats: u32, mut once: impl FnMut() -> CaseResult) -> CaseResult {
    let mut worst = once();
    let mut passed = u32::from(worst.verdict == Verdict::Pass);
    let mut is_flaky = false;
    let repeats = repeats.max(1);
    for _ in 1..repeats {
        let again = once();
        passed += u32::from(again.verdict == Verdict::Pass);
        is_flaky |= again.verdict != worst.verdict;
        if rank(again.verdict) < rank(worst.verdict) {
            worst = again;
        }
    }
    if is_flaky {
        worst.message = format!("passed {passed} of {repeats} times; else {}", worst.message);
        worst.verdict = Verdict::Flaky;
    }
    worst
}

/// The place of a verdict among those that matter most.
pub(super) fn rank(verdict: Verdict) -> Option<usize> {
    Verdict::ALL.iter().position(|other| *other == verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_differently_is_flaky_and_says_how_often_it_passed() {
        let mut verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Pass].into_iter();
        let result = repeated(3, || CaseResult {
            verdict: verdicts.next().unwrap_or_default(),
            message: "why".to_owned(),
            ..CaseResult::default()
        });
        assert_eq!((result.verdict, &*result.message), (Verdict::Flaky, "passed 2 of 3 times; else why"));
    }
}

//! Results held against a committed baseline, as `--baseline` does it.

use std::fs;

use volact::conformance::{Baseline, CaseResult, Run, Suite, apply, exit_code};

/// Fails where a failure is not expected by the baseline, or where the baseline expects what is not so.
pub(crate) fn hold(name: &str, cases: Vec<CaseResult>) {
    let file = format!("{}/baselines/{name}", env!("CARGO_MANIFEST_DIR"));
    let baseline = Baseline::parse(&fs::read_to_string(file).unwrap()).unwrap();
    let suites = vec![Suite { name: "live".to_owned(), cases, hosts: Vec::new() }];
    let mut run = Run { suites, ..Run::default() };
    let report = apply(&mut run, &baseline, |_| true);
    assert!(!report.is_wrong() && report.remarks.is_empty(), "{report:#?}");
    let unexpected: Vec<_> = run
        .cases()
        .filter(|(_, case)| case.is_unexpected_failure())
        .map(|(_, case)| (&case.id, case.verdict, &case.message, &case.breaches))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert_eq!(exit_code(&run, true), 0);
}

/// What came out of each case, to compare runs by.
pub(crate) fn verdicts(cases: &[CaseResult]) -> Vec<String> {
    cases.iter().map(|case| format!("{} {}: {}", case.verdict.name(), case.id, case.message)).collect()
}

use crate::capture::Dialogue;
use crate::conformance::{BreachRecord, Evidence, Findings, Judge, Level, rules};
use crate::trace::Options;
use crate::wire::Side;

/// Breaches of a rule that are told.
const MOST: usize = 3;

/// What the rules say of recorded connections, but for those that do not apply here.
pub(super) fn judged(dialogues: &[Dialogue], except: &[&str]) -> Findings {
    let rules = rules().filter(|rule| !except.contains(&rule.id));
    Judge::new(rules, MOST).packets(&mut Dialogue::packets(dialogues), &Options::default())
}

/// The rules that one side breaks: those that demand something, MUST first.
pub(super) fn breaches_of(side: Side, findings: &Findings) -> Vec<(Level, BreachRecord)> {
    let mut breaches: Vec<(Level, BreachRecord)> = Vec::new();
    for finding in findings.rules.iter().filter(|finding| finding.rule.level <= Level::Should) {
        for broken in finding.breaches.iter().filter(|broken| broken.side == side) {
            let mut record = broken.record(finding.rule);
            // The transcript shows PDUs, and no stubs.
            if !matches!(broken.evidence, Evidence::Pdu(_)) {
                record.hex.clear();
                record.hex_at = None;
            }
            breaches.push((finding.rule.level, record));
        }
    }
    breaches.sort_by_key(|(level, _)| *level);
    breaches
}

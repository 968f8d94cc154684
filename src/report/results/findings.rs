use crate::conformance::{
    BreachRecord, Broken, CaseResult, Evidence, Finding, Findings, Level, Rule, Suite, Verdict, family_of,
    identify,
};
use crate::redact;
use crate::report::{TextReport, explain};
use crate::trace::{Observer as _, Scribe as _};
use crate::wire::Hex;

/// Lines of a decoding that are kept.
const MOST_LINES: usize = 400;

/// The findings of an input as results, with `limit` breaches of each rule at most.
#[must_use]
pub fn of_findings(name: &str, findings: &Findings, limit: usize) -> Suite {
    let mut input = CaseResult {
        id: CaseResult::INPUT.to_owned(),
        title: "The input can be read to its end".to_owned(),
        family: "input".to_owned(),
        level: Level::Must.name().to_owned(),
        authority: "volact".to_owned(),
        verdict: Verdict::Pass,
        checked: 1,
        ..CaseResult::default()
    };
    if let Some(first) = findings.failures.first() {
        input.verdict = Verdict::HarnessError;
        input.broken = 1;
        input.message = match findings.failures.len() - 1 {
            0 => first.to_string(),
            more => format!("{first} (and {more} more complaints)"),
        };
    }
    let rules = findings.rules.iter().map(|finding| of_finding(finding, limit));
    let hosts = findings.hosts.iter().map(identify).collect();
    Suite { name: name.to_owned(), cases: std::iter::once(input).chain(rules).collect(), hosts }
}

fn of_finding(finding: &Finding, limit: usize) -> CaseResult {
    let rule = finding.rule;
    let breaches: Vec<BreachRecord> =
        finding.breaches.iter().take(limit).map(|broken| of_broken(rule, broken)).collect();
    let verdict = match (finding.broken, finding.checked, rule.level) {
        (0, 0, _) => Verdict::Skipped,
        (0, ..) => Verdict::Pass,
        (_, _, Level::Must) => Verdict::Fail,
        (_, _, Level::Should) => Verdict::Should,
        (_, _, Level::May | Level::Observed) => Verdict::Remark,
    };
    CaseResult {
        id: rule.id.to_owned(),
        title: rule.title.to_owned(),
        family: family_of(rule).map_or("", |family| family.name).to_owned(),
        level: rule.level.name().to_owned(),
        authority: rule.authority.to_owned(),
        verdict,
        message: finding.breaches.first().map_or_else(String::new, |broken| broken.breach.message.clone()),
        checked: finding.checked,
        broken: finding.broken,
        breaches,
        ..CaseResult::default()
    }
}

/// A breach as a record, decoded.
#[must_use]
pub fn of_broken(rule: &Rule, broken: &Broken) -> BreachRecord {
    let mut bytes = broken.bytes().to_vec();
    // A key has to be found in the bytes: their hex is cut into rows by some reports.
    redact::bytes(&mut bytes);
    BreachRecord { hex: Hex(&bytes).to_string(), decoded: decoded(&broken.evidence), ..broken.record(rule) }
}

/// What was looked at, as `decode --verbose` shows it.
fn decoded(evidence: &Evidence) -> Vec<String> {
    let mut report = TextReport::new(false, true);
    match evidence {
        Evidence::Pdu(bytes) => return decode_pdu(bytes),
        Evidence::Exchange(exchange) => report.exchange(exchange),
        Evidence::Connection(connection) => report.connection(connection),
        Evidence::Host(facts) => {
            let (connections, exchanges) = (facts.connections, facts.exchanges);
            return vec![format!("{}: {connections} connections, {exchanges} exchanges", facts.host)];
        }
        Evidence::Mak(exchange) => report.mak(exchange),
        Evidence::Computer(computer) => report.computer(computer),
        Evidence::Lookup(lookup) => report.lookup(lookup),
        Evidence::Search(search) => report.search(search),
        Evidence::Directory(exchange) => report.directory(exchange),
        Evidence::Object(object) => report.object(object),
        Evidence::Guest(guest) => report.guest(guest),
        Evidence::Channel(channel) => report.channel(channel),
        Evidence::Control(control) => report.control(control),
    }
    lines(&String::from_utf8_lossy(&report.turn(Vec::new())))
}

/// What a PDU says, field by field, its stub decrypted: for the lines of a transcript. Nothing for bytes that are nothing
/// known.
#[must_use]
pub fn decode_pdu(bytes: &[u8]) -> Vec<String> {
    lines(&redact::text(&explain::of_bytes(bytes)))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().take(MOST_LINES).map(str::to_owned).collect()
}

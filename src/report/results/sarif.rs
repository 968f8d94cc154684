use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::conformance::{self, BreachRecord, CaseResult, Run, Suite, Verdict};
use crate::report::ledger;
use crate::wire::{Hex, parse_hex};

use super::place;

/// The schema that is named by what is written (SARIF 2.1.0 3.13.3).
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The name of the fingerprints, which grows when they are made in another way.
const FINGERPRINT: &str = "volactBreach/v1";

pub(super) fn render(runs: &[Run]) -> String {
    let runs: Vec<Value> = runs.iter().map(run_of).collect();
    let mut log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs });
    // By name, also where something else in the program has `serde_json` keep the order in which they were put in.
    log.sort_all_objects();
    // A value can always be written.
    serde_json::to_string_pretty(&log).map(|text| text + "\n").unwrap_or_default()
}

/// What is gathered of a run.
#[derive(Default)]
struct Log {
    rules: Vec<Value>,
    /// The places of the rules.
    by_id: HashMap<String, usize>,
    artifacts: Vec<Value>,
    /// The places of those that are bytes: no two may be the same (3.14.15).
    by_bytes: HashMap<String, usize>,
    results: Vec<Value>,
    notifications: Vec<Value>,
    /// How often each fingerprint was given.
    fingerprints: HashMap<String, u64>,
}

fn run_of(run: &Run) -> Value {
    let mut log = Log::default();
    for suite in &run.suites {
        let artifact = is_file(run, suite).then(|| {
            log.artifacts
                .push(json!({ "location": { "uri": uri(&suite.name) }, "roles": ["analysisTarget"] }));
            log.artifacts.len() - 1
        });
        for case in &suite.cases {
            let rule = log.rule(case);
            if matches!(case.verdict, Verdict::Pass | Verdict::Skipped | Verdict::Unimplemented) {
                continue;
            }
            if case.id == CaseResult::INPUT {
                let mut notification = json!({ "level": "error", "message": { "text": case.message } });
                if artifact.is_some() {
                    notification["locations"] =
                        json!([{ "physicalLocation": { "artifactLocation": { "uri": uri(&suite.name) } } }]);
                }
                log.notifications.push(notification);
            }
            log.results_of(suite, artifact, case, rule);
        }
    }
    let mut invocation = json!({ "executionSuccessful": log.notifications.is_empty() });
    if !log.notifications.is_empty() {
        invocation["toolExecutionNotifications"] = json!(log.notifications);
    }
    json!({
        "tool": { "driver": {
            "name": "volact",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": log.rules,
        } },
        "automationDetails": { "id": format!("volact/{}/", run.command.replace(' ', "-")) },
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "artifacts": log.artifacts,
        "results": log.results,
    })
}

/// True where the suite is a file.
fn is_file(run: &Run, suite: &Suite) -> bool {
    run.command == "check" && suite.name != "-"
}

impl Log {
    /// The place of a case's rule among the rules.
    fn rule(&mut self, case: &CaseResult) -> usize {
        if let Some(&known) = self.by_id.get(&case.id) {
            return known;
        }
        let rule = conformance::rule(&case.id);
        let full =
            rule.map_or_else(|| case.title.clone(), |rule| format!("{} {}", rule.looks_at, rule.holds));
        let help = rule.map_or_else(|| format!("{}: {}", case.id, case.title), ledger::explain);
        let mut tags: Vec<&str> = rule.map_or(&[][..], |rule| rule.tags).to_vec();
        tags.push(&case.family);
        self.rules.push(json!({
            "id": case.id,
            "name": case.id,
            "shortDescription": { "text": case.title },
            "fullDescription": { "text": full },
            "help": { "text": help },
            "defaultConfiguration": { "level": level(&case.level) },
            "properties": { "tags": tags, "authority": case.authority, "level": case.level },
        }));
        self.by_id.insert(case.id.clone(), self.rules.len() - 1);
        self.rules.len() - 1
    }

    /// A result for each breach of a rule that a suite is judged by, or one for a case.
    fn results_of(&mut self, suite: &Suite, artifact: Option<usize>, case: &CaseResult, rule: usize) {
        let is_rule = !case.breaches.is_empty() && case.breaches.iter().all(|breach| breach.rule == case.id);
        let breaches: Vec<Option<&BreachRecord>> =
            if is_rule { case.breaches.iter().map(Some).collect() } else { vec![None] };
        for breach in breaches {
            let message = breach.map_or(&case.message, |breach| &breach.message);
            let text = if message.is_empty() { &case.title } else { message };
            let mut result = json!({
                "ruleId": case.id,
                "ruleIndex": rule,
                "kind": "fail",
                "level": match case.verdict {
                    Verdict::Remark => "note",
                    Verdict::Should | Verdict::WrongWords => "warning",
                    _ => "error",
                },
                "message": { "text": text },
                "locations": [self.location(suite, artifact, case, breach)],
                "partialFingerprints": { FINGERPRINT: self.fingerprint(suite, case, message) },
                "properties": {
                    "verdict": case.verdict.name(),
                    "broken": case.broken,
                    "checked": case.checked,
                    "repeat": case.repeat,
                },
            });
            let seen: Vec<&BreachRecord> = match breach {
                Some(breach) => vec![breach],
                None => case.breaches.iter().collect(),
            };
            let related: Vec<Value> =
                (0..).zip(seen).filter_map(|(id, breach)| self.bytes_of(artifact, breach, id)).collect();
            if !related.is_empty() {
                result["relatedLocations"] = json!(related);
            }
            if let Some(reason) = &case.expected {
                result["suppressions"] =
                    json!([{ "kind": "external", "status": "accepted", "justification": reason }]);
            }
            self.results.push(result);
        }
    }

    /// The file, and what in it.
    fn location(
        &self,
        suite: &Suite,
        artifact: Option<usize>,
        case: &CaseResult,
        breach: Option<&BreachRecord>,
    ) -> Value {
        let name = breach.map(place).filter(|place| !place.is_empty()).unwrap_or_else(|| case.id.clone());
        let mut location = json!({
            "logicalLocations": [{
                "name": name,
                "fullyQualifiedName": format!("{}: {name}", suite.name),
                "kind": if breach.is_some() { "packets" } else { "case" },
            }],
        });
        if let Some(index) = artifact {
            location["physicalLocation"] =
                json!({ "artifactLocation": { "uri": uri(&suite.name), "index": index } });
        }
        location
    }

    /// The bytes that show a breach, as an artifact inside the file: offsets are counted in it.
    fn bytes_of(&mut self, parent: Option<usize>, breach: &BreachRecord, id: usize) -> Option<Value> {
        let bytes = parse_hex(&breach.hex).ok().filter(|bytes| !bytes.is_empty())?;
        let mut artifact = json!({
            "description": { "text": place(breach) },
            "length": bytes.len(),
            "contents": { "binary": STANDARD.encode(&bytes) },
        });
        if let Some(parent) = parent {
            artifact["parentIndex"] = json!(parent);
        }
        let artifacts = &mut self.artifacts;
        let index = *self.by_bytes.entry(artifact.to_string()).or_insert_with(|| {
            artifacts.push(artifact);
            artifacts.len() - 1
        });
        let (offset, length) = match breach.hex_at {
            Some(offset) => (offset, 1),
            None => (0, u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        };
        Some(json!({
            "id": id,
            "message": { "text": format!("{}: {}", breach.rule, breach.message) },
            "physicalLocation": {
                "artifactLocation": { "index": index },
                "region": { "byteOffset": offset, "byteLength": length },
            },
        }))
    }

    /// The same for the same breach in each run: of the suite, the rule and the message, and its number where there are
    /// several of these.
    fn fingerprint(&mut self, suite: &Suite, case: &CaseResult, message: &str) -> String {
        let mut hash = Sha256::new();
        for part in [&suite.name, &case.id, message] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let hash = Hex(&hash.finalize()[..16]).to_string();
        let count = self.fingerprints.entry(hash.clone()).or_default();
        *count += 1;
        format!("{hash}:{count}")
    }
}

fn level(level: &str) -> &'static str {
    match level {
        "must" => "error",
        "should" => "warning",
        _ => "note",
    }
}

/// A path as a URI reference (RFC 3986): a relative one stays so.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

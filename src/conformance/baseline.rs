use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::glob::glob;
use super::results::{BreachRecord, CaseResult, Run, Suite, Verdict};

/// The failures that are expected, each with the reason why.
///
/// ```
/// use volact::conformance::Baseline;
///
/// let text = r#"{"schema": "volact-baseline/1", "expected": [
///     {"case": "RPC-VERSION", "verdict": "fail", "message": "version 4", "reason": "an old peer"}]}"#;
/// assert_eq!(Baseline::parse(text)?.expected.len(), 1);
/// # Ok::<(), volact::conformance::BaselineError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Name and version of what this is.
    #[serde(deserialize_with = "schema")]
    schema: String,
    /// The failures, in any order.
    pub expected: Vec<Expectation>,
}

/// A failure that is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The names of the suites ([`glob()`]) that it is expected in; without it, in any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// The ids of the cases ([`glob()`]) that it is expected in: that of one, in most.
    #[serde(deserialize_with = "not_empty")]
    pub case: String,
    /// How it fails.
    #[serde(deserialize_with = "failure")]
    pub verdict: Verdict,
    /// The rule that is broken in the case, where it is one among others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the message says, or a part of it.
    #[serde(deserialize_with = "not_empty")]
    pub message: String,
    /// Why this is expected.
    #[serde(deserialize_with = "not_empty")]
    pub reason: String,
}

/// What came of comparing a run with a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineReport {
    /// Failures that were expected.
    pub expected: u64,
    /// What was expected to fail and passed, one line each.
    #[serde(default)]
    pub unexpected_passes: Vec<String>,
    /// What was expected and is not there, or does not fail like that, one line each.
    #[serde(default)]
    pub stale: Vec<String>,
    /// What is worth knowing of the baseline itself, one line each.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// A baseline that is none, and where.
#[derive(Debug)]
pub struct BaselineError(serde_json::Error);

/// What a baseline calls itself.
const SCHEMA: &str = "volact-baseline/1";
/// The reason of what nobody has given one for yet.
const TODO: &str = "TODO: say why";

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// It is no JSON, or has a field that a baseline has not, or one of the wrong kind; with line and column.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        serde_json::from_str(text).map_err(BaselineError)
    }

    /// The baseline with which these runs pass. Reasons are those of `old`, where that expects the same.
    #[must_use]
    pub fn of(runs: &[Run], old: Option<&Self>) -> Self {
        let mut expected = Vec::new();
        for (suite, case) in runs.iter().flat_map(Run::cases).filter(|(_, case)| case.verdict.is_failure()) {
            for fact in Fact::of(case) {
                let known = old.into_iter().flat_map(|old| &old.expected);
                let mut known =
                    known.filter(|known| known.is_about(suite, case) && known.explains(case, &fact));
                match known.next() {
                    Some(known) => expected.push(known.clone()),
                    None => expected.push(Expectation {
                        suite: Some(suite.name.clone()),
                        case: case.id.clone(),
                        verdict: case.verdict,
                        rule: fact.rule.map(str::to_owned),
                        message: fact.message.to_owned(),
                        reason: TODO.to_owned(),
                    }),
                }
            }
        }
        expected.sort();
        expected.dedup();
        Self { schema: SCHEMA.to_owned(), expected }
    }

    /// This baseline with what `old` expects of cases that were not `selected`, and of suites that are not in these runs:
    /// nothing was seen of them.
    #[must_use]
    pub fn keeping(mut self, old: &Self, runs: &[Run], selected: impl Fn(&str) -> bool) -> Self {
        let suites = runs.iter().flat_map(|run| &run.suites).map(|suite| suite.name.as_str());
        let is_seen = |entry: &&Expectation| {
            selected(&entry.case)
                && entry.suite.as_ref().is_none_or(|name| suites.clone().any(|suite| glob(name, suite)))
        };
        self.expected.extend(old.expected.iter().filter(|entry| !is_seen(entry)).cloned());
        self.expected.sort();
        self.expected.dedup();
        self
    }

    /// As it stands in a file: indented, with a line end behind it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers cannot fail to be written.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// Marks the failures that the baseline expects, with its reason, and says what it expects and is not so. Cases that are
/// not `selected` in this run are left alone.
pub fn apply(run: &mut Run, baseline: &Baseline, selected: impl Fn(&str) -> bool) -> BaselineReport {
    run.suites.iter_mut().flat_map(|suite| &mut suite.cases).for_each(|case| case.expected = None);
    let mut report = BaselineReport::default();
    let mut uses = vec![Use::default(); baseline.expected.len()];
    for suite in &mut run.suites {
        for at in 0..suite.cases.len() {
            let case = &suite.cases[at];
            let about: Vec<usize> =
                (0..uses.len()).filter(|&entry| baseline.expected[entry].is_about(suite, case)).collect();
            let reasons = explained(case, baseline, &about, &mut uses);
            let case = &mut suite.cases[at];
            if let Some(reasons) = reasons {
                case.expected = Some(reasons);
                report.expected += 1;
            }
        }
    }
    for (entry, used) in baseline.expected.iter().zip(&uses) {
        if !selected(&entry.case) {
            continue;
        }
        if entry.reason.trim_start().starts_with("TODO") {
            report.remarks.push(format!("{entry}: nobody has said why it is expected"));
        }
        if used.explains {
            continue;
        }
        let has_suite = entry.suite.is_none()
            || run
                .suites
                .iter()
                .any(|suite| entry.suite.as_ref().is_some_and(|name| glob(name, &suite.name)));
        match *used {
            _ if !has_suite => report.stale.push(format!("{entry}: no such suite")),
            Use { exists: false, .. } => report.stale.push(format!("{entry}: no such case")),
            Use { fails: true, .. } => report.stale.push(format!("{entry}: fails in another way")),
            Use { passes: true, .. } => report.unexpected_passes.push(format!("{entry}: passes")),
            _ => report.stale.push(format!("{entry}: has nothing to fail on")),
        }
    }
    run.baseline = Some(report.clone());
    report
}

/// What was seen of an expectation.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    /// A case of that id was run in such a suite,
    exists: bool,
    /// passed in one,
    passes: bool,
    /// failed in one,
    fails: bool,
    /// as it was expected.
    explains: bool,
}

/// The reasons why a case fails, if all it fails by is expected.
fn explained(case: &CaseResult, baseline: &Baseline, about: &[usize], uses: &mut [Use]) -> Option<String> {
    for &entry in about {
        let used = &mut uses[entry];
        used.exists = true;
        used.passes |= matches!(case.verdict, Verdict::Pass | Verdict::Remark);
        used.fails |= case.verdict.is_failure();
    }
    if !case.verdict.is_failure() {
        return None;
    }
    let facts = Fact::of(case);
    let mut reasons: Vec<&str> = Vec::new();
    let mut is_all = true;
    for fact in &facts {
        let mut is_explained = false;
        for &entry in about.iter().filter(|&&entry| baseline.expected[entry].explains(case, fact)) {
            uses[entry].explains = true;
            is_explained = true;
            let reason = baseline.expected[entry].reason.as_str();
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        is_all &= is_explained;
    }
    is_all.then(|| reasons.join("; "))
}

/// A thing that a case fails by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fact<'a> {
    /// The rule, where it is not the case itself.
    rule: Option<&'a str>,
    message: &'a str,
}

impl<'a> Fact<'a> {
    /// A rule over an input fails by each of its breaches; a case against a peer by what its message says and by each rule
    /// that the peer broke in it.
    fn of(case: &'a CaseResult) -> Vec<Self> {
        let weighs = |breach: &&BreachRecord| match case.verdict {
            Verdict::Should => breach.level == "must" || breach.level == "should",
            _ => breach.level == "must",
        };
        let is_own = |breach: &BreachRecord| breach.rule == case.id;
        let breaches = || case.breaches.iter().filter(|breach| is_own(breach) || weighs(breach));
        let mut facts: Vec<Self> = breaches()
            .map(|breach| Self {
                rule: (!is_own(breach)).then_some(breach.rule.as_str()),
                message: &breach.message,
            })
            .collect();
        if !breaches().any(|breach| case.message.contains(&breach.message)) {
            facts.push(Self { rule: None, message: &case.message });
        }
        facts.sort();
        facts.dedup();
        facts
    }
}

impl Expectation {
    fn is_about(&self, suite: &Suite, case: &CaseResult) -> bool {
        glob(&self.case, &case.id) && self.suite.as_ref().is_none_or(|name| glob(name, &suite.name))
    }

    fn explains(&self, case: &CaseResult, fact: &Fact<'_>) -> bool {
        let is_rule = self.rule.as_deref().is_none_or(|rule| rule == fact.rule.unwrap_or(&case.id));
        is_rule && self.verdict == case.verdict && fact.message.contains(&self.message)
    }
}

impl BaselineReport {
    /// True where the baseline expects what is not so.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        !self.unexpected_passes.is_empty() || !self.stale.is_empty()
    }
}

/// The expectation as a line names it.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.case)?;
        if let Some(rule) = &self.rule {
            write!(f, "({rule}) ")?;
        }
        if let Some(suite) = &self.suite {
            write!(f, "in {suite} ")?;
        }
        write!(f, "({} {:?})", self.verdict.name(), self.message)
    }
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BaselineError {}

fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name == SCHEMA {
        Ok(name)
    } else {
        Err(D::Error::custom(format_args!("schema {name:?}, not {SCHEMA:?}")))
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        Err(D::Error::custom("empty text, where it has to say something"))
    } else {
        Ok(text)
    }
}

fn failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    let verdict = Verdict::deserialize(deserializer)?;
    match verdict.is_failure() {
        true => Ok(verdict),
        false => Err(D::Error::custom(format_args!("verdict {}, which is no failure", verdict.name()))),
    }
}

use serde::{Deserialize, Serialize};

use super::baseline::BaselineReport;

/// One run of `check` or `test`: what every report renders. It is plain data, and can be read again from the JSON Lines
/// that it was written as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `check`, `test host`, `test client` or `test shim`.
    pub command: String,
    /// What was judged: an address, a command; empty for `check`, whose suites say it.
    pub subject: String,
    /// The seed of what was chosen at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// True where wrong words and breaches of SHOULD were failures.
    #[serde(default)]
    pub strict: bool,
    /// What was judged, one behind the other: an input of `check`, the one peer of `test`.
    pub suites: Vec<Suite>,
    /// What came of comparing it with a baseline, once that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
}

/// The results of one input or one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// The input's name as it was given, or the peer's.
    pub name: String,
    /// In the order of the rules or of the cases.
    pub cases: Vec<CaseResult>,
    /// Who the KMS hosts seem to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Identity>,
}

/// What came out of one rule over an input, or of one case against a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The id of the rule or the case.
    pub id: String,
    /// What it demands, in a few words.
    pub title: String,
    /// The family of the rule, or the group of the case.
    pub family: String,
    /// `must`, `should`, `may` or `observed`.
    pub level: String,
    /// Who demands it.
    pub authority: String,
    /// What came out.
    pub verdict: Verdict,
    /// Why, in one line; empty where it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Things that the rule applied to, or 1.
    pub checked: u64,
    /// Those that break it.
    pub broken: u64,
    /// The first of these, or the rules that the peer broke in this case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaches: Vec<BreachRecord>,
    /// What was sent and received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<TranscriptLine>,
    /// The command that repeats it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repeat: String,
    /// How long it took, in milliseconds; of live cases only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// Why this outcome was expected, where a baseline says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// What came out of a rule or a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it must be.
    Pass,
    /// Not as it must be.
    Fail,
    /// The right outcome, with another code or fault than the right one.
    WrongWords,
    /// Not as it should be (a breach of SHOULD).
    Should,
    /// Not as others are (a breach of MAY or OBSERVED): worth knowing, no fault.
    Remark,
    /// The peer says that it does not do this.
    Unimplemented,
    /// One outcome in one run, another in the next.
    Flaky,
    /// The harness itself could not do it, or the input could not be read.
    HarnessError,
    /// Not run.
    #[default]
    Skipped,
}

/// A breach of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachRecord {
    /// The rule's id.
    pub rule: String,
    /// Its level.
    pub level: String,
    /// What was found and what it should have been.
    pub message: String,
    /// `client` or `server`: whose doing it is.
    pub side: String,
    /// That side's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Number of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
    /// The first and the last packet that show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<(u64, u64)>,
    /// What the offset is counted in, and the offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(String, u64)>,
    /// The bytes that show it, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
    /// Where in these bytes it is, where that is one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex_at: Option<u64>,
    /// The same, decoded: lines of text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded: Vec<String>,
}

/// A PDU, or bytes that are none, that was sent or received in a live case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// Number of the connection within the case, from 0.
    pub connection: u64,
    /// `c2s`, `s2c`, or empty for what is no transfer (connected, closed, reset, silence).
    pub direction: String,
    /// What it is, in a few words: `bind`, `response`, `closed by the server`.
    pub what: String,
    /// Its bytes, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
    /// The same, decoded: lines of text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded: Vec<String>,
}

/// Who a KMS host seems to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The host.
    pub host: String,
    /// What the evidence says, in words of likelihood.
    pub verdict: String,
    /// Each thing that speaks for or against somebody.
    pub signals: Vec<Signal>,
}

/// A thing that speaks for or against somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What was looked at.
    pub what: String,
    /// Whom it speaks for (`speaks_for`), or against.
    pub who: String,
    /// True where it speaks for them.
    pub speaks_for: bool,
    /// What was found, in one line.
    pub found: String,
    /// The packet that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// The bytes that show it, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
}

impl Verdict {
    /// All of them, the most important first.
    pub const ALL: [Self; 9] = [
        Self::HarnessError,
        Self::Fail,
        Self::Flaky,
        Self::WrongWords,
        Self::Should,
        Self::Remark,
        Self::Unimplemented,
        Self::Skipped,
        Self::Pass,
    ];

    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::WrongWords => "wrong-words",
            Self::Should => "should",
            Self::Remark => "remark",
            Self::Unimplemented => "unimplemented",
            Self::Flaky => "flaky",
            Self::HarnessError => "harness-error",
            Self::Skipped => "skipped",
        }
    }

    /// True for what a gate may be shut by, and so what a baseline can expect.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::HarnessError | Self::Fail | Self::Flaky | Self::WrongWords | Self::Should)
    }

    /// True for what shuts the gate: `WrongWords` and `Should` only where it is `strict`.
    #[must_use]
    pub fn shuts(self, strict: bool) -> bool {
        match self {
            Self::WrongWords | Self::Should => strict,
            _ => self.is_failure(),
        }
    }
}

impl CaseResult {
    /// The id of the case that says whether an input could be read at all.
    pub const INPUT: &'static str = "INPUT";

    /// True where it is a failure that no baseline expects.
    #[must_use]
    pub fn is_unexpected_failure(&self) -> bool {
        self.verdict.is_failure() && self.expected.is_none()
    }
}

impl Run {
    /// All cases with the suites they are in.
    pub fn cases(&self) -> impl Iterator<Item = (&Suite, &CaseResult)> {
        self.suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
    }
}

/// The code that a program ends with: 0 fine; 1 where a case failed or was flaky and no baseline expects it, or the
/// baseline expects what is not so; 3 where the harness failed or an input could not be read, unless that is expected.
/// `strict` counts wrong words and breaches of SHOULD as failures.
///
/// ```
/// use volact::conformance::{CaseResult, Run, Suite, Verdict, exit_code};
///
/// let failed = CaseResult { id: "X".to_owned(), verdict: Verdict::Fail, ..CaseResult::default() };
/// let suite = Suite { name: "host".to_owned(), cases: vec![failed; 300], hosts: Vec::new() };
/// assert_eq!(exit_code(&Run { suites: vec![suite], ..Run::default() }, false), 1);
/// ```
#[must_use]
pub fn exit_code(run: &Run, strict: bool) -> u8 {
    let mut code = u8::from(run.baseline.as_ref().is_some_and(BaselineReport::is_wrong));
    for (_, case) in run.cases().filter(|(_, case)| case.is_unexpected_failure()) {
        if case.verdict == Verdict::HarnessError {
            return 3;
        }
        code |= u8::from(case.verdict.shuts(strict));
    }
    code
}

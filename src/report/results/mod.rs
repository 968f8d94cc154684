//! The results of `check` and `test` ([`Run`]), rendered: for people, for CI systems, and as JSON Lines that can be read
//! again. What names a product key is masked in all of them.

mod findings;
mod html;
mod jsonl;
mod junit;
mod markdown;
mod sarif;
mod text;

use std::borrow::Cow;

use crate::conformance::{BreachRecord, CaseResult, Run, Verdict, exit_code};
use crate::redact;

pub use findings::{decode_pdu, of_broken, of_findings};
pub use jsonl::{RESULTS_SCHEMA, ResultsError};

/// What results are rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultFormat {
    /// For people.
    Text,
    /// JSON Lines, described in `docs/results.md`.
    Jsonl,
    /// JUnit's XML, as CI systems read it.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// A page.
    Html,
    /// For a CI job's summary.
    Markdown,
}

/// How results are rendered.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResultLook {
    /// Text in colours.
    pub colour: bool,
    /// Wrong words and breaches of SHOULD shut the gate as well.
    pub strict: bool,
}

impl ResultFormat {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Jsonl, Self::Junit, Self::Sarif, Self::Html, Self::Markdown];

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Jsonl => "jsonl",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Html => "html",
            Self::Markdown => "markdown",
        }
    }
}

/// Renders one run, or several side by side.
#[must_use]
pub fn render(runs: &[Run], format: ResultFormat, look: ResultLook) -> Vec<u8> {
    let text = match format {
        ResultFormat::Text => text::render(runs, look),
        ResultFormat::Jsonl => jsonl::render(runs, look),
        ResultFormat::Junit => junit::render(runs, look),
        ResultFormat::Sarif => sarif::render(runs),
        ResultFormat::Html => html::render(runs, look),
        ResultFormat::Markdown => markdown::render(runs, look),
    };
    let mut page = text.into_bytes();
    redact::page(&mut page);
    page
}

/// Cases with this verdict, those that are expected left out.
fn count(run: &Run, verdict: Verdict) -> usize {
    run.cases().filter(|(_, case)| case.verdict == verdict && case.expected.is_none()).count()
}

/// The counts of the verdicts that there are, the most important first, and of what was expected.
fn counts(run: &Run) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> =
        Verdict::ALL.iter().map(|&verdict| (verdict.name(), count(run, verdict))).collect();
    counts.insert(5, ("expected", run.cases().filter(|(_, case)| case.expected.is_some()).count()));
    counts.retain(|&(_, count)| count > 0);
    counts
}

/// The cases with the most important first, otherwise in their order; what was expected comes behind what was not.
fn by_importance<'a>(cases: impl Iterator<Item = &'a CaseResult>) -> Vec<&'a CaseResult> {
    let mut cases: Vec<&CaseResult> = cases.collect();
    let rank = |case: &CaseResult| Verdict::ALL.iter().position(|&verdict| verdict == case.verdict);
    cases.sort_by_key(|case| (case.expected.is_some(), rank(case)));
    cases
}

/// What the gate says, in one line.
fn gate(runs: &[Run], strict: bool) -> (u8, String) {
    let code = runs.iter().map(|run| exit_code(run, strict)).max().unwrap_or_default();
    let mut why = Vec::new();
    for verdict in Verdict::ALL.into_iter().filter(|verdict| verdict.shuts(strict)) {
        let count: usize = runs.iter().map(|run| count(run, verdict)).sum();
        if count > 0 {
            why.push(format!("{count} {}", verdict.name()));
        }
    }
    let baselines = || runs.iter().filter_map(|run| run.baseline.as_ref());
    let passes: usize = baselines().map(|baseline| baseline.unexpected_passes.len()).sum();
    let stale: usize = baselines().map(|baseline| baseline.stale.len()).sum();
    for (count, what) in [(passes, "expected to fail and passed"), (stale, "stale in the baseline")] {
        if count > 0 {
            why.push(format!("{count} {what}"));
        }
    }
    let line = match code {
        0 => "gate open (exit code 0)".to_owned(),
        code => format!("gate shut (exit code {code}): {}", why.join(", ")),
    };
    (code, line)
}

/// Where a breach was seen: who did it, on which connection, in which packets, and where in them.
fn place(breach: &BreachRecord) -> String {
    let mut place = breach.side.clone();
    if let Some(who) = &breach.who {
        place.push(' ');
        place.push_str(who);
    }
    if let Some(stream) = breach.stream {
        place.push_str(&format!(" stream {stream}"));
    }
    match breach.frames {
        Some((first, last)) if first == last => place.push_str(&format!(" frame {first}")),
        Some((first, last)) => place.push_str(&format!(" frames {first}-{last}")),
        None => {}
    }
    if let Some((what, offset)) = &breach.at {
        place.push_str(&format!(" at {what} offset {offset}"));
    }
    plain(place.trim_start()).into_owned()
}

/// Text for a terminal: what it would take for a command is escaped.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// All that is told of a case below its message, without colour: what text, JUnit, Markdown and the page say alike.
fn details(case: &CaseResult) -> String {
    text::details(case)
}

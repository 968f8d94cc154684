use std::fmt::{self, Write as _};

use quick_xml::escape::escape;

use crate::conformance::{BaselineReport, CaseResult, Run, Suite, Verdict};

use super::{ResultLook, details};

/// What a case is in JUnit's words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Error,
    Skipped,
}

impl Outcome {
    fn of(case: &CaseResult, strict: bool) -> Self {
        match case.verdict {
            verdict if case.expected.is_some() && verdict.is_failure() => Self::Skipped,
            Verdict::HarnessError => Self::Error,
            Verdict::Skipped | Verdict::Unimplemented => Self::Skipped,
            verdict if verdict.shuts(strict) => Self::Failure,
            _ => Self::Passed,
        }
    }
}

pub(super) fn render(runs: &[Run], look: ResultLook) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String cannot fail.
    let _ = write_runs(&mut out, runs, look.strict);
    out
}

fn write_runs(out: &mut String, runs: &[Run], strict: bool) -> fmt::Result {
    let outcomes = || runs.iter().flat_map(Run::cases).map(|(_, case)| Outcome::of(case, strict));
    let count = |wanted| outcomes().filter(|&outcome| outcome == wanted).count();
    let baselines = || runs.iter().filter_map(|run| run.baseline.as_ref()).filter(|report| report.is_wrong());
    let wrong: usize = baselines().map(lines_of).sum();
    writeln!(
        out,
        "<testsuites name=\"volact\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        outcomes().count() + wrong,
        count(Outcome::Failure) + wrong,
        count(Outcome::Error),
        Seconds(runs.iter().flat_map(Run::cases).filter_map(|(_, case)| case.milliseconds).sum())
    )?;
    let mut id = 0_usize;
    for run in runs {
        for suite in &run.suites {
            write_suite(out, run, suite, id, strict)?;
            id += 1;
        }
        if let Some(baseline) = run.baseline.as_ref().filter(|report| report.is_wrong()) {
            write_baseline(out, baseline, id)?;
            id += 1;
        }
    }
    writeln!(out, "</testsuites>")
}

fn write_suite(out: &mut String, run: &Run, suite: &Suite, id: usize, strict: bool) -> fmt::Result {
    let count = |wanted| suite.cases.iter().filter(|case| Outcome::of(case, strict) == wanted).count();
    writeln!(
        out,
        "  <testsuite name=\"{}\" id=\"{id}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">",
        Xml(&suite.name),
        suite.cases.len(),
        count(Outcome::Failure),
        count(Outcome::Error),
        count(Outcome::Skipped),
        Seconds(suite.cases.iter().filter_map(|case| case.milliseconds).sum())
    )?;
    writeln!(out, "    <properties>")?;
    let seed = run.seed.map(|seed| seed.to_string());
    let properties =
        [("command", Some(&run.command)), ("subject", Some(&run.subject)), ("seed", seed.as_ref())];
    for (name, value) in properties {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            property(out, name, value)?;
        }
    }
    for identity in &suite.hosts {
        property(out, &format!("host {}", identity.host), &identity.verdict)?;
    }
    writeln!(out, "    </properties>")?;
    suite.cases.iter().try_for_each(|case| write_case(out, suite, case, strict))?;
    writeln!(out, "  </testsuite>")
}

fn property(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "      <property name=\"{}\" value=\"{}\"/>", Xml(name), Xml(value))
}

fn write_case(out: &mut String, suite: &Suite, case: &CaseResult, strict: bool) -> fmt::Result {
    // A dot in a class name makes a package of what is before it.
    let class: String = suite.name.chars().map(|c| if c == '.' { '_' } else { c }).collect();
    write!(
        out,
        "    <testcase name=\"{} {}\" classname=\"{}.{}\" time=\"{}\"",
        Xml(&case.id),
        Xml(&case.title),
        Xml(&class),
        Xml(&case.family),
        Seconds(case.milliseconds.unwrap_or_default())
    )?;
    let outcome = Outcome::of(case, strict);
    let is_silent =
        case.verdict == Verdict::Pass || case.verdict == Verdict::Skipped && case.message.is_empty();
    if is_silent && outcome == Outcome::Passed {
        return writeln!(out, "/>");
    }
    writeln!(out, ">")?;
    let kind = format!("{} ({}, {})", case.verdict.name(), case.level.to_uppercase(), case.authority);
    let text = details(case);
    match outcome {
        Outcome::Failure | Outcome::Error => {
            let element = if outcome == Outcome::Error { "error" } else { "failure" };
            writeln!(
                out,
                "      <{element} type=\"{}\" message=\"{}\">{}</{element}>",
                Xml(&kind),
                Xml(&case.message),
                Xml(&text)
            )?;
        }
        Outcome::Skipped => {
            let why = match &case.expected {
                Some(reason) => format!("expected: {reason}"),
                None if case.message.is_empty() => "nothing to judge".to_owned(),
                None => format!("{}: {}", case.verdict.name(), case.message),
            };
            writeln!(out, "      <skipped message=\"{}\"/>", Xml(&why))?;
        }
        Outcome::Passed => {}
    }
    if !is_silent && !matches!(outcome, Outcome::Failure | Outcome::Error) {
        let head = format!("{kind}: {}\n", case.message);
        writeln!(out, "      <system-out>{}{}</system-out>", Xml(&head), Xml(&text))?;
    }
    writeln!(out, "    </testcase>")
}

/// What the baseline expects and is not so, as failures of a suite of its own.
fn write_baseline(out: &mut String, baseline: &BaselineReport, id: usize) -> fmt::Result {
    let count = lines_of(baseline);
    writeln!(
        out,
        "  <testsuite name=\"baseline\" id=\"{id}\" tests=\"{count}\" failures=\"{count}\" errors=\"0\" \
         skipped=\"0\" time=\"0.000\">"
    )?;
    for (lines, kind) in [(&baseline.unexpected_passes, "unexpected-pass"), (&baseline.stale, "stale")] {
        for line in lines {
            writeln!(
                out,
                "    <testcase name=\"{}\" classname=\"baseline.{kind}\" time=\"0.000\">\n      \
                 <failure type=\"{kind}\" message=\"{}\"/>\n    </testcase>",
                Xml(line),
                Xml(line)
            )?;
        }
    }
    writeln!(out, "  </testsuite>")
}

fn lines_of(baseline: &BaselineReport) -> usize {
    baseline.unexpected_passes.len() + baseline.stale.len()
}

/// Milliseconds as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Text in XML: escaped, and without the characters that XML 1.0 has not (its section 2.2).
struct Xml<'a>(&'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
        if self.0.chars().all(is_char) {
            return f.write_str(&escape(self.0));
        }
        let text: String =
            self.0.chars().map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
        f.write_str(&escape(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn no_character_gets_in_that_xml_has_not() {
        assert_eq!(
            Xml("a<b>&\"c\" \u{1b}[0m\0\u{ffff}\té").to_string(),
            "a&lt;b&gt;&amp;&quot;c&quot; \u{fffd}[0m\u{fffd}\u{fffd}\té"
        );
    }
}

use std::fmt::{self, Write as _};

use crate::conformance::{Run, Verdict};

use super::{ResultLook, by_importance, counts, details, gate};

/// Failures of a run that are shown; a job's summary has room for a megabyte.
const MOST_SHOWN: usize = 50;
/// Bytes of what is told of a failure.
const MOST_DETAILS: usize = 6000;

pub(super) fn render(runs: &[Run], look: ResultLook) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_runs(&mut out, runs, look.strict);
    out
}

fn write_runs(out: &mut String, runs: &[Run], strict: bool) -> fmt::Result {
    let (code, line) = gate(runs, strict);
    writeln!(out, "## volact: {}\n", if code == 0 { "passed" } else { "failed" })?;
    writeln!(out, "{line}\n")?;
    writeln!(out, "| run | suites | result |\n|---|---:|---|")?;
    for run in runs {
        let counts: Vec<String> =
            counts(run).into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        let name = format!("{} {}", run.command, run.subject);
        writeln!(out, "| {} | {} | {} |", Cell(name.trim()), run.suites.len(), counts.join(", "))?;
    }
    for run in runs {
        write_run(out, run, strict)?;
    }
    Ok(())
}

fn write_run(out: &mut String, run: &Run, strict: bool) -> fmt::Result {
    if let Some(baseline) = run.baseline.as_ref().filter(|baseline| baseline.is_wrong()) {
        writeln!(out, "\n### The baseline is wrong\n")?;
        for (lines, what) in [(&baseline.unexpected_passes, "unexpected pass"), (&baseline.stale, "stale")] {
            for line in lines {
                writeln!(out, "- **{what}** {}", Cell(line))?;
            }
        }
    }
    let mut shown = 0;
    let mut left_out = 0;
    for suite in &run.suites {
        let told = suite.cases.iter().filter(|case| case.is_unexpected_failure());
        let told = by_importance(told);
        if told.is_empty() {
            continue;
        }
        if shown < MOST_SHOWN {
            writeln!(out, "\n### {}\n", Cell(&suite.name))?;
        }
        for case in told {
            if shown == MOST_SHOWN {
                left_out += 1;
                continue;
            }
            shown += 1;
            let weight = if case.verdict.shuts(strict) { "**" } else { "" };
            let level = case.level.to_uppercase();
            writeln!(
                out,
                "<details><summary>{} <b>{}</b> {}: {}</summary>\n",
                case.verdict.name(),
                Html(&case.id),
                Html(&case.title),
                Html(&case.message)
            )?;
            writeln!(out, "{weight}{level}{weight}, {}\n", Cell(&case.authority))?;
            let mut text = details(case);
            if text.len() > MOST_DETAILS {
                text.truncate(text.floor_char_boundary(MOST_DETAILS));
                text.push_str("\n(cut)\n");
            }
            // Four blanks make it code, whatever is in it.
            for line in text.lines() {
                writeln!(out, "    {line}")?;
            }
            writeln!(out, "\n</details>\n")?;
        }
    }
    if left_out > 0 {
        writeln!(out, "\n{left_out} more failures are in the other reports.")?;
    }
    let hosts: Vec<_> =
        run.suites.iter().flat_map(|suite| suite.hosts.iter().map(move |host| (suite, host))).collect();
    if !hosts.is_empty() {
        writeln!(out, "\n| seen in | host | who it seems to be |\n|---|---|---|")?;
        for (suite, host) in hosts {
            writeln!(out, "| {} | {} | {} |", Cell(&suite.name), Cell(&host.host), Cell(&host.verdict))?;
        }
    }
    let expected = || run.cases().filter(|(_, case)| case.expected.is_some());
    if expected().next().is_some() {
        writeln!(
            out,
            "\n<details><summary>expected failures</summary>\n\n| suite | case | reason |\n|---|---|---|"
        )?;
        for (suite, case) in expected() {
            let reason = case.expected.as_deref().unwrap_or_default();
            writeln!(out, "| {} | {} | {} |", Cell(&suite.name), Cell(&case.id), Cell(reason))?;
        }
        writeln!(out, "\n</details>")?;
    }
    let remarks = run.cases().filter(|(_, case)| case.verdict == Verdict::Remark).count();
    match remarks {
        0 => Ok(()),
        count => writeln!(out, "\n{count} remarks are in the other reports."),
    }
}

/// Text in a line or a cell: no markup, no end of the cell.
struct Cell<'a>(&'a str);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() => f.write_char(' '),
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '&' | '#' | '~' => write!(f, "\\{c}"),
            c => f.write_char(c),
        })
    }
}

/// Text between tags.
struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() => f.write_char(' '),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            c => f.write_char(c),
        })
    }
}

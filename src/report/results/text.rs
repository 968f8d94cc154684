use std::fmt::{self, Write as _};

use crate::conformance::{BreachRecord, CaseResult, Identity, Run, Signal, Suite, TranscriptLine, Verdict};
use crate::report::text::Palette;
use crate::wire::{caret_dump, parse_hex};

use super::{ResultLook, by_importance, counts, gate, plain};

/// Lines of a decoding that are shown; JSON Lines and the page have them all.
const MOST_DECODED: usize = 40;
/// Lines of a transcript that are shown, those of its end.
const MOST_TRANSCRIPT: usize = 24;
/// Hex digits of a transcript's line that are shown.
const MOST_HEX: usize = 64;
/// Characters of a line of text in a transcript that are shown.
const MOST_TEXT: usize = 160;

pub(super) fn render(runs: &[Run], look: ResultLook) -> String {
    let palette = if look.colour { Palette::COLOURED } else { Palette::PLAIN };
    let mut text = Text { out: String::new(), palette, strict: look.strict };
    // Writing into a String cannot fail.
    let _ = text.runs(runs);
    text.out
}

/// All that is told of a case below its message.
pub(super) fn details(case: &CaseResult) -> String {
    let mut text = Text { out: String::new(), palette: Palette::PLAIN, strict: false };
    let _ = text.details(case); // writing into a String cannot fail
    text.out
}

struct Text {
    out: String,
    palette: Palette,
    strict: bool,
}

impl Text {
    fn runs(&mut self, runs: &[Run]) -> fmt::Result {
        for run in runs {
            if !run.subject.is_empty() {
                let Palette { head, end, .. } = self.palette;
                writeln!(self.out, "{head}{} {}{end}", plain(&run.command), plain(&run.subject))?;
            }
            run.suites.iter().try_for_each(|suite| self.suite(suite))?;
        }
        let Palette { head, good, bad, odd, dim, end } = self.palette;
        for baseline in runs.iter().filter_map(|run| run.baseline.as_ref()) {
            writeln!(self.out, "{head}== baseline{end}")?;
            writeln!(self.out, "  {dim}{} expected{end}", baseline.expected)?;
            for (lines, what) in
                [(&baseline.unexpected_passes, "unexpected pass"), (&baseline.stale, "stale")]
            {
                for line in lines {
                    writeln!(self.out, "{bad}{what}{end}  {}", plain(line))?;
                }
            }
            for line in &baseline.remarks {
                writeln!(self.out, "{odd}remark{end}  {}", plain(line))?;
            }
            writeln!(self.out)?;
        }
        let several = runs.len() > 1;
        for run in runs {
            let what = if several { format!("{} {}", run.command, run.subject) } else { String::new() };
            let counts: Vec<String> =
                counts(run).into_iter().map(|(name, count)| format!("{count} {name}")).collect();
            let suites =
                if run.suites.len() == 1 { "1 suite" } else { &format!("{} suites", run.suites.len()) };
            let what = [what.trim(), suites].join(if several { ": " } else { "" });
            writeln!(
                self.out,
                "{what}: {}",
                if counts.is_empty() { "no case".to_owned() } else { counts.join(", ") }
            )?;
        }
        let (code, line) = gate(runs, self.strict);
        writeln!(self.out, "{}{line}{end}", if code == 0 { good } else { bad })
    }

    fn suite(&mut self, suite: &Suite) -> fmt::Result {
        let Palette { head, dim, end, .. } = self.palette;
        let of = |verdict| suite.cases.iter().filter(|case| case.verdict == verdict).count();
        let (passed, skipped) = (of(Verdict::Pass), of(Verdict::Skipped));
        writeln!(
            self.out,
            "{head}== {}{end}  {dim}{passed} pass, {skipped} with nothing to judge{end}",
            plain(&suite.name)
        )?;
        let shown = |case: &&CaseResult| !matches!(case.verdict, Verdict::Pass | Verdict::Skipped);
        for case in by_importance(suite.cases.iter().filter(shown)) {
            self.case(case)?;
        }
        suite.hosts.iter().try_for_each(|identity| self.identity(identity))?;
        // One behind the other where there is nothing to tell of them.
        match passed + skipped == suite.cases.len() && suite.hosts.is_empty() {
            true => Ok(()),
            false => writeln!(self.out),
        }
    }

    fn case(&mut self, case: &CaseResult) -> fmt::Result {
        let Palette { head, good, bad, odd, dim, end } = self.palette;
        let style = match case.verdict {
            _ if case.expected.is_some() => good,
            verdict if verdict.shuts(self.strict) => bad,
            _ => odd,
        };
        let level = case.level.to_uppercase();
        let (id, title) = (plain(&case.id), plain(&case.title));
        write!(self.out, "{style}{}{end}  {head}{id}{end}  {title}", case.verdict.name())?;
        writeln!(self.out, "  {dim}{level}, {}{end}", plain(&case.authority))?;
        if !case.message.is_empty() {
            writeln!(self.out, "  {}", plain(&case.message))?;
        }
        if let Some(reason) = &case.expected {
            return writeln!(self.out, "  {dim}expected: {}{end}", plain(reason));
        }
        self.details(case)
    }

    fn details(&mut self, case: &CaseResult) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        if case.broken > 0 && case.checked > 1 {
            writeln!(self.out, "  {dim}{} of {}{end}", case.broken, case.checked)?;
        }
        let is_brief = case.verdict == Verdict::Remark;
        for (i, breach) in case.breaches.iter().enumerate() {
            self.breach(case, breach, i == 0 && !is_brief)?;
        }
        if !is_brief {
            self.transcript(&case.transcript)?;
        }
        if !case.repeat.is_empty() {
            writeln!(self.out, "  {dim}repeat{end}  {}", plain(&case.repeat))?;
        }
        Ok(())
    }

    fn breach(&mut self, case: &CaseResult, breach: &BreachRecord, is_full: bool) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        write!(self.out, "  - ")?;
        if breach.rule != case.id {
            write!(self.out, "{} ({}) ", plain(&breach.rule), plain(&breach.level.to_uppercase()))?;
        }
        write!(self.out, "{dim}{}{end}", super::place(breach))?;
        writeln!(self.out, "  {}", plain(&breach.message))?;
        if !is_full {
            return Ok(());
        }
        if let (Some(at), Ok(bytes)) = (breach.hex_at, parse_hex(&breach.hex)) {
            let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            for line in caret_dump(&bytes, at).lines() {
                writeln!(self.out, "      {line}")?;
            }
        }
        self.decoded(&breach.decoded)
    }

    fn decoded(&mut self, lines: &[String]) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        for line in lines.iter().take(MOST_DECODED) {
            writeln!(self.out, "      {}", plain(line))?;
        }
        match lines.len().checked_sub(MOST_DECODED) {
            Some(more @ 1..) => writeln!(self.out, "      {dim}({more} more lines){end}"),
            _ => Ok(()),
        }
    }

    fn transcript(&mut self, lines: &[TranscriptLine]) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        let left_out = lines.len().saturating_sub(MOST_TRANSCRIPT);
        if left_out > 0 {
            writeln!(self.out, "  {dim}({left_out} steps before){end}")?;
        }
        for line in &lines[left_out..] {
            let arrow = match line.direction.as_str() {
                "c2s" => ">",
                "s2c" => "<",
                _ => "-",
            };
            let hex = line.hex.get(..MOST_HEX).unwrap_or(&line.hex);
            let more = if hex.len() < line.hex.len() { "..." } else { "" };
            write!(self.out, "  {dim}{}{end} {arrow} {}", line.connection, plain(&line.what))?;
            if !hex.is_empty() {
                write!(self.out, "  {dim}{} bytes {hex}{more}{end}", line.hex.len() / 2)?;
            }
            writeln!(self.out)?;
            // What has no bytes is text itself: the lines of a shim.
            for text in line.decoded.iter().filter(|_| line.hex.is_empty()) {
                let text = plain(text);
                let cut = text.char_indices().nth(MOST_TEXT).map_or(text.len(), |(at, _)| at);
                let more = if cut < text.len() { "..." } else { "" };
                writeln!(self.out, "      {}{more}", &text[..cut])?;
            }
        }
        Ok(())
    }

    fn identity(&mut self, identity: &Identity) -> fmt::Result {
        let Palette { head, dim, end, .. } = self.palette;
        writeln!(self.out, "{head}host{end}  {}  {}", plain(&identity.host), plain(&identity.verdict))?;
        // What was found is told once, with all that it speaks for and against.
        let same = |a: &Signal, b: &Signal| (&a.what, &a.found, a.frame) == (&b.what, &b.found, b.frame);
        for signals in identity.signals.chunk_by(same) {
            let first = &signals[0];
            write!(self.out, "  {}: {}", plain(&first.what), plain(&first.found))?;
            if let Some(frame) = first.frame {
                write!(self.out, "  {dim}frame {frame}{end}")?;
            }
            if !first.hex.is_empty() {
                let hex = first.hex.get(..MOST_HEX).unwrap_or(&first.hex);
                let more = if hex.len() < first.hex.len() { "..." } else { "" };
                write!(self.out, "  {dim}{hex}{more}{end}")?;
            }
            writeln!(self.out)?;
            for (speaks_for, sign) in [(true, "for"), (false, "against")] {
                let who = signals.iter().filter(|signal| signal.speaks_for == speaks_for);
                let who: Vec<_> = who.map(|signal| plain(&signal.who)).collect();
                if !who.is_empty() {
                    writeln!(self.out, "    {sign} {}", who.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

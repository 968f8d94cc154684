use std::collections::HashSet;
use std::fmt::Write as _;

use crate::diagnosis::words::{counted, duration};
use crate::diagnosis::{FileDiagnosis, Finding, Fleet, FleetRow, Host, Route, Status, Step, Story, Tone};
use crate::report::names::Plain;
use crate::wire::Rfc3339;

use super::DiagnosisLook;

/// Columns of a line; longer sentences go on below.
const WIDTH: usize = 100;
/// Columns in front of what a story says, with its label.
const LABEL: usize = 11;
/// Rows of a table of the fleet, of all machines.
const ROWS: usize = 20;
/// From this many stories on, the causes are counted above them.
const MANY: usize = 4;

/// The stories of each input, those that need something first.
pub(super) fn stories(files: &[FileDiagnosis], look: DiagnosisLook) -> String {
    let mut page = Page { out: String::new(), told: HashSet::new(), look };
    for (at, file) in files.iter().enumerate() {
        if at > 0 {
            page.out.push('\n');
        }
        page.file(file);
    }
    if files.len() > 1 {
        page.totals(files);
    }
    page.out
}

struct Page {
    out: String,
    /// The remedies of this input that were told already.
    told: HashSet<String>,

    look: DiagnosisLook,
}

impl Page {
    fn file(&mut self, file: &FileDiagnosis) {
        self.told.clear();

        let name = Plain(&file.name);
        let span = file.span.map_or_else(String::new, |(first, last)| {
            format!("  {}, {}", Rfc3339(first), duration(last.saturating_sub(first)))
        });
        let size = match file.events {
            0 => counted(file.packets, "packet"),
            events => counted(events, "event"),
        };
        let _ = writeln!(self.out, "== {name}{span}, {size}");
        let row = Fleet::of(std::slice::from_ref(file)).all;
        if file.stories.is_empty() && file.events > 0 {
            let _ = writeln!(
                self.out,
                "what these events tell of captured requests stands with the stories above"
            );
        } else if file.stories.is_empty() {
            let _ = writeln!(self.out, "nobody asked for activation here");
        } else {
            let _ = writeln!(self.out, "{}", totals(&row));
        }
        if file.stories.len() >= MANY {
            self.causes(file);
        }
        let mut order: Vec<&Story> = file.stories.iter().collect();
        order.sort_by_key(|story| (story.status, story.number));
        let limit = if self.look.limit == 0 { usize::MAX } else { self.look.limit };
        for story in order.iter().take(limit) {
            self.out.push('\n');
            self.story(story);
        }
        if let Some(more) = order.len().checked_sub(limit).filter(|more| *more > 0) {
            let _ = writeln!(
                self.out,
                "\n{} more, counted above (--limit 0 tells all)",
                counted(more as u64, "story")
            );
        }
        for remark in &file.remarks {
            self.out.push('\n');
            self.finding("note", remark);
        }
        for unseen in &file.unseen {
            self.labelled("not seen", unseen);
        }
        for (what, count) in &file.left_out {
            self.labelled("left out", &format!("{what} {count}"));
        }
        for notice in &file.notices {
            self.labelled("!", &notice.to_string());
        }
        if file.notices_left_out > 0 {
            self.labelled("!", &format!("{} more complaints (volact decode -q)", file.notices_left_out));
        }
    }

    /// The causes of an input with many stories.
    fn causes(&mut self, file: &FileDiagnosis) {
        let fleet = Fleet::of(std::slice::from_ref(file));
        self.out.push('\n');
        for (what, row) in fleet.outcomes.iter().take(ROWS) {
            let _ = writeln!(self.out, "{:>7}  {what}", row.stories);
            let causes = file.stories.iter().filter_map(|story| story.causes.first());
            if let Some(cause) = causes.into_iter().find(|cause| cause.kind.headline() == what) {
                self.labelled("", cause.kind.remedy());
                self.told.insert(cause.kind.remedy().to_owned());
            }
        }
    }

    fn story(&mut self, story: &Story) {
        let (word, colour) = match story.status {
            Status::NotActivated => ("NOT ACTIVATED", RED),
            Status::Unknown => ("NOT KNOWN", YELLOW),
            Status::Activated => ("ACTIVATED", GREEN),
            Status::Renewed => ("RENEWED", GREEN),
        };
        let word = self.painted(word, colour);
        let machine = story.machine.label();
        let _ = writeln!(self.out, "{word}  {}: {}", Plain(&machine), Plain(story.product.label()));
        if story.causes.is_empty() {
            self.labelled("", &story.verdict);
        }
        for cause in &story.causes {
            self.finding("why", cause);
        }
        if let Some(asked) = asked(story) {
            self.labelled("asked", &asked);
        }
        // That no way was seen, the input says once, or the story.
        let seen = story.found.iter().filter(|route| **route != Route::NotSeen);
        let found: Vec<String> = seen.map(Route::label).collect();
        if !found.is_empty() {
            self.labelled("found", &found.join("; "));
        }
        for remark in &story.remarks {
            self.finding("note", remark);
        }
        for event in &story.events {
            self.labelled("event", &format!("{} ({}): {}", event.id, event.place, event.text));
        }
        for unseen in &story.unseen {
            self.labelled("not seen", unseen);
        }
        if self.look.verbose {
            self.steps(story);
        }
    }

    fn finding(&mut self, label: &str, finding: &Finding) {
        self.labelled(label, &finding.text);
        for evidence in &finding.evidence {
            self.labelled("", &evidence.label());
        }
        let is_told = self.told.contains(&finding.remedy) && !self.look.verbose;
        if (label == "why" || self.look.verbose) && !is_told {
            self.told.insert(finding.remedy.clone());
            self.labelled("do", &finding.remedy);
            if let Some(article) = finding.article() {
                self.labelled("read", &format!("Microsoft: {article}"));
            }
        }
    }

    fn steps(&mut self, story: &Story) {
        let begin = story.span.and_then(|(first, _)| first.time);
        for (at, step) in story.steps.iter().enumerate() {
            self.labelled(if at == 0 { "steps" } else { "" }, &of_step(step, begin));
        }
        if story.steps_left_out > 0 {
            self.labelled("", &format!("{} more between them", counted(story.steps_left_out, "step")));
        }
    }

    /// A sentence behind its label, on as many lines as it needs.
    fn labelled(&mut self, label: &str, text: &str) {
        let text = Plain(text).to_string();
        let mut line = format!("  {label:<width$}", width = LABEL - 2);
        let mut is_empty = true;
        for word in text.split(' ') {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(self.out, "{}", line.trim_end());
                line = " ".repeat(LABEL);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        let _ = writeln!(self.out, "{}", line.trim_end());
    }

    fn totals(&mut self, files: &[FileDiagnosis]) {
        let all = Fleet::of(files).all;
        let inputs = counted(files.len() as u64, "input");
        let _ = writeln!(self.out, "\n== {inputs}\n{}", totals(&all));
    }

    fn painted(&self, word: &str, colour: &str) -> String {
        if self.look.colour { format!("{colour}{word}{PLAIN}") } else { word.to_owned() }
    }
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREEN: &str = "\x1b[1;32m";
const PLAIN: &str = "\x1b[0m";

/// `3 stories of 2 machines: 1 activated, 1 renewed, 1 not activated`.
fn totals(row: &FleetRow) -> String {
    let parts: Vec<String> = [Status::Activated, Status::Renewed, Status::NotActivated, Status::Unknown]
        .into_iter()
        .filter(|status| row.with(*status) > 0 || *status == Status::Activated)
        .map(|status| {
            let name = match status {
                Status::NotActivated => "not activated",
                Status::Unknown => "not known",
                other => other.name(),
            };
            format!("{} {name}", row.with(status))
        })
        .collect();
    let stories = if row.stories == 1 { "1 story".to_owned() } else { format!("{} stories", row.stories) };
    format!("{stories} of {}: {}", counted(row.machines.len() as u64, "machine"), parts.join(", "))
}

/// Whom the machine asked, how often, and how long the answer took.
fn asked(story: &Story) -> Option<String> {
    if story.hosts.is_empty() {
        return None;
    }
    let hosts: Vec<String> = story.hosts.iter().map(of_host).collect();
    let mut text = hosts.join(", then ");
    if story.attempts > 0 {
        let _ = write!(text, "; {}", counted(story.attempts, "try"));
    }
    if let Some(time) = story.service_time {
        let _ = write!(text, "; answered in {}", duration(time));
    }
    Some(text)
}

fn of_host(host: &Host) -> String {
    match host.cloud {
        Some(cloud) => format!("{}, Azure's ({} cloud)", host.label(), cloud.name()),
        None => host.label(),
    }
}

fn of_step(step: &Step, begin: Option<i64>) -> String {
    let at = step.asked_at.or(step.answered_at);
    let since = at
        .and_then(|stamp| stamp.time)
        .zip(begin)
        .map_or_else(String::new, |(time, begin)| format!("+{} ", duration(time.saturating_sub(begin))));
    let mark = match step.tone {
        Tone::Good => "ok",
        Tone::Bad => "!!",
        Tone::Neutral => "..",
    };
    let frames: Vec<String> =
        step.asked_at.into_iter().chain(step.answered_at).map(|stamp| stamp.frame.to_string()).collect();
    let answered = step.answered.as_deref().map_or_else(String::new, |answered| format!(" -> {answered}"));
    let frames = if frames.is_empty() { String::new() } else { format!("  [{}]", frames.join(", ")) };
    format!("{mark} {since}{}: {}{answered}{frames}", step.with, step.asked)
}

/// Counts over all inputs.
pub(super) fn fleet(files: &[FileDiagnosis], look: DiagnosisLook) -> String {
    let fleet = Fleet::of(files);
    let mut out = String::new();
    let span = fleet
        .all
        .seen
        .map_or_else(String::new, |(first, last)| format!("  {} to {}", Rfc3339(first), Rfc3339(last)));
    let _ = writeln!(out, "== fleet, {}{span}\n{}", counted(files.len() as u64, "input"), totals(&fleet.all));
    for (by, rows) in fleet.tables() {
        if by == "file" && files.len() == 1 {
            continue;
        }
        let limit = if look.limit == 0 { usize::MAX } else { look.limit };
        heading(&mut out, by);
        rows.iter().take(limit).for_each(|(key, row)| line(&mut out, row, key));
        if let Some(more) = rows.len().checked_sub(limit).filter(|more| *more > 0) {
            let _ = writeln!(out, "{more:>9} more rows (--limit 0 shows all)");
        }
    }
    if fleet.times.len() > 1 {
        heading(&mut out, "time");
        for (begin, row) in &fleet.times {
            line(&mut out, row, &Rfc3339(*begin).to_string());
        }
    }
    out
}

fn heading(out: &mut String, by: &str) {
    let _ = writeln!(
        out,
        "\n{:>9} {:>9} {:>9} {:>9} {:>9}  {by}",
        "stories", "machines", "good", "not", "unknown"
    );
}

fn line(out: &mut String, row: &FleetRow, key: &str) {
    let good = row.with(Status::Activated) + row.with(Status::Renewed);
    let _ = writeln!(
        out,
        "{:>9} {:>9} {good:>9} {:>9} {:>9}  {}",
        row.stories,
        row.machines.len(),
        row.with(Status::NotActivated),
        row.with(Status::Unknown),
        Plain(key)
    );
}

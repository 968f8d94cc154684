use std::fmt::Write as _;

use crate::diagnosis::{FileDiagnosis, Fleet, FleetRow, Status, Story};
use crate::wire::Rfc3339;

/// A line a story, below the names of the columns (RFC 4180).
pub(super) fn stories(files: &[FileDiagnosis]) -> String {
    let mut out = String::new();
    row(&mut out, STORY.iter().map(|name| (*name).to_owned()));
    for file in files {
        for story in &file.stories {
            row(&mut out, of_story(&file.name, story));
        }
    }
    out
}

/// The columns of a story.
const STORY: [&str; 21] = [
    "file",
    "story",
    "status",
    "cause",
    "machine",
    "address",
    "cmid",
    "product",
    "act_id",
    "method",
    "host",
    "server",
    "found",
    "attempts",
    "first",
    "last",
    "service_time_ms",
    "frames",
    "verdict",
    "remedy",
    "article",
];

fn of_story(file: &str, story: &Story) -> [String; STORY.len()] {
    let cause = story.causes.first();
    let host = story.hosts.last();
    let time = |time: Option<i64>| time.map_or_else(String::new, |time| Rfc3339(time).to_string());
    let (first, last) = story.span.map_or((None, None), |(first, last)| (first.time, last.time));
    let frames: Vec<String> = cause
        .into_iter()
        .flat_map(|cause| &cause.evidence)
        .flat_map(|one| &one.frames)
        .map(u64::to_string)
        .collect();
    [
        file.to_owned(),
        story.number.to_string(),
        story.status.name().to_owned(),
        cause.map_or("", |cause| cause.kind.name()).to_owned(),
        story.machine.name.clone().or_else(|| story.machine.other.clone()).unwrap_or_default(),
        story.machine.addresses.first().map_or_else(String::new, ToString::to_string),
        story.machine.cmid.map_or_else(String::new, |cmid| cmid.to_string()),
        story.product.name.clone().unwrap_or_default(),
        story.product.act_id.map_or_else(String::new, |id| id.to_string()),
        story.method.name().to_owned(),
        host.and_then(|host| host.name.clone()).unwrap_or_default(),
        host.and_then(|host| host.endpoint).map_or_else(String::new, |endpoint| endpoint.to_string()),
        story.found.iter().map(crate::diagnosis::Route::name).collect::<Vec<_>>().join(" "),
        story.attempts.to_string(),
        time(first),
        time(last),
        story.service_time.map_or_else(String::new, milliseconds),
        frames.join(" "),
        story.verdict.clone(),
        cause.map_or_else(String::new, |cause| cause.remedy.clone()),
        cause.and_then(|cause| cause.article()).unwrap_or_default().to_owned(),
    ]
}

/// A line a row of each table.
pub(super) fn fleet(files: &[FileDiagnosis]) -> String {
    let fleet = Fleet::of(files);
    let mut out = String::new();
    let names = ["by", "key", "stories", "machines"].map(str::to_owned);
    let statuses = Status::ALL.map(|status| status.name().replace('-', "_"));
    row(&mut out, names.into_iter().chain(statuses).chain(["attempts", "first", "last"].map(str::to_owned)));
    fleet_row(&mut out, "all", "", &fleet.all);
    for (by, rows) in fleet.tables() {
        rows.iter().for_each(|(key, counts)| fleet_row(&mut out, by, key, counts));
    }
    for (begin, counts) in &fleet.times {
        fleet_row(&mut out, "time", &Rfc3339(*begin).to_string(), counts);
    }
    out
}

fn fleet_row(out: &mut String, by: &str, key: &str, counts: &FleetRow) {
    let time = |time: Option<i64>| time.map_or_else(String::new, |time| Rfc3339(time).to_string());
    let numbers = [counts.stories, counts.machines.len() as u64].into_iter().chain(counts.by_status);
    let cells =
        [by.to_owned(), key.to_owned()].into_iter().chain(numbers.map(|number| number.to_string())).chain([
            counts.attempts.to_string(),
            time(counts.seen.map(|seen| seen.0)),
            time(counts.seen.map(|seen| seen.1)),
        ]);
    row(out, cells);
}

fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        field(out, &cell);
    }
    out.push_str("\r\n");
}

/// A field; what a spreadsheet would take for a formula begins with an apostrophe.
fn field(out: &mut String, cell: &str) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let apostrophe = if is_formula { "'" } else { "" };
    if cell.contains([',', '"', '\n', '\r']) {
        let _ = write!(out, "\"{apostrophe}{}\"", cell.replace('"', "\"\""));
    } else {
        out.push_str(apostrophe);
        out.push_str(cell);
    }
}

fn milliseconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let whole = nanoseconds.unsigned_abs() / 1_000;
    format!("{sign}{}.{:03}", whole / 1_000, whole % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_is_quoted_and_no_field_is_a_formula() {
        let mut out = String::new();
        row(&mut out, ["plain", "a,b", "say \"x\"", "two\nlines", "=1+1", "-5", "-"].map(str::to_owned));
        assert_eq!(out, "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",'=1+1,-5,'-\r\n");
    }
}

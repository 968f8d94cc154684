use std::collections::HashMap;

use askama::Template;

use crate::conformance::{BreachRecord, CaseResult, Identity, Run, TranscriptLine, Verdict};
use crate::wire::{caret_dump, parse_hex};

use super::{ResultLook, counts, gate, place};

/// The page: a row a case, a column a run. It needs nothing from elsewhere, and no script.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    gate: String,
    is_open: bool,
    columns: Vec<Column<'a>>,
    /// The verdicts that there are.
    verdicts: Vec<&'static str>,
    /// The families that there are; rows name their place in this list.
    families: Vec<&'a str>,
    groups: Vec<Group<'a>>,
    /// Cases that had nothing to judge in any run.
    left_out: usize,
    baseline: Vec<(&'static str, &'a str)>,
    hosts: Vec<(&'a str, &'a Identity)>,
}

/// A run.
struct Column<'a> {
    name: String,
    seed: Option<u64>,
    counts: Vec<(&'static str, usize)>,
    run: &'a Run,
}

/// Rows below one heading: a suite, or a family where each run has one suite.
struct Group<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    case: &'a CaseResult,
    family: usize,
    /// The worst verdict of its cells.
    verdict: &'static str,
    cells: Vec<Option<Cell<'a>>>,
}

struct Cell<'a> {
    /// Its number on the page.
    id: usize,
    case: &'a CaseResult,
}

impl Cell<'_> {
    /// True where it has something to open.
    fn is_told(&self) -> bool {
        !matches!(self.case.verdict, Verdict::Pass | Verdict::Skipped)
    }

    fn class(&self) -> &'static str {
        class(self.case)
    }
}

impl Page<'_> {
    fn place(breach: &BreachRecord) -> String {
        place(breach)
    }

    /// The bytes around the place of a breach.
    fn excerpt(breach: &BreachRecord) -> Option<String> {
        let bytes = parse_hex(&breach.hex).ok()?;
        let at = usize::try_from(breach.hex_at?).ok()?;
        Some(caret_dump(&bytes, at.min(bytes.len())))
    }

    fn arrow(line: &TranscriptLine) -> &'static str {
        match line.direction.as_str() {
            "c2s" => "client to server",
            "s2c" => "server to client",
            _ => "",
        }
    }
}

/// The verdict as the page shows it.
fn class(case: &CaseResult) -> &'static str {
    match case.expected {
        Some(_) => "expected",
        None => case.verdict.name(),
    }
}

/// What the page calls a verdict, the worst first.
fn classes() -> Vec<&'static str> {
    let mut classes: Vec<&'static str> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
    classes.insert(5, "expected");
    classes
}

pub(super) fn render(runs: &[Run], look: ResultLook) -> String {
    let (code, gate) = gate(runs, look.strict);
    // Runs of one suite each are compared case by case, whatever their peers are called.
    let is_peers = runs.iter().all(|run| run.suites.len() == 1);
    let mut families: Vec<&str> = Vec::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    let mut row_of: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
    let mut cells = 0;
    for (column, run) in runs.iter().enumerate() {
        for (suite, case) in run.cases() {
            let heading = if is_peers { case.family.as_str() } else { suite.name.as_str() };
            let group = *group_of.entry(heading).or_insert_with(|| {
                groups.push(Group { name: heading, rows: Vec::new() });
                groups.len() - 1
            });
            let family = families.iter().position(|known| *known == case.family).unwrap_or_else(|| {
                families.push(&case.family);
                families.len() - 1
            });
            let rows = &mut groups[group].rows;
            let (_, row) = *row_of.entry((heading, &case.id)).or_insert_with(|| {
                let cells = runs.iter().map(|_| None).collect();
                rows.push(Row { case, family, verdict: "skipped", cells });
                (group, rows.len() - 1)
            });
            rows[row].cells[column] = Some(Cell { id: cells, case });
            cells += 1;
        }
    }
    let order = classes();
    let rank = |name: &str| order.iter().position(|known| *known == name);
    let mut left_out = 0;
    for group in &mut groups {
        for row in &mut group.rows {
            let shown = row.cells.iter().flatten().map(Cell::class);
            row.verdict = shown.min_by_key(|name| rank(name)).unwrap_or("skipped");
        }
        let before = group.rows.len();
        group.rows.retain(|row| row.verdict != Verdict::Skipped.name());
        left_out += before - group.rows.len();
        group.rows.sort_by_key(|row| rank(row.verdict));
    }
    groups.retain(|group| !group.rows.is_empty());
    let is_there = |name: &&str| groups.iter().flat_map(|group| &group.rows).any(|row| row.verdict == *name);
    let baselines = || runs.iter().filter_map(|run| run.baseline.as_ref());
    let page = Page {
        gate,
        is_open: code == 0,
        columns: runs
            .iter()
            .map(|run| Column {
                name: match (is_peers, run.suites.first()) {
                    (true, Some(suite)) if run.subject.is_empty() => suite.name.clone(),
                    _ => format!("{} {}", run.command, run.subject).trim().to_owned(),
                },
                seed: run.seed,
                counts: counts(run),
                run,
            })
            .collect(),
        verdicts: order.iter().copied().filter(is_there).collect(),
        families,
        left_out,
        baseline: baselines()
            .flat_map(|baseline| {
                let of = |what, lines: &'_ Vec<String>| lines.iter().map(|_| what).collect::<Vec<&str>>();
                let kinds = of("unexpected pass", &baseline.unexpected_passes)
                    .into_iter()
                    .chain(of("stale", &baseline.stale))
                    .chain(of("remark", &baseline.remarks));
                let lines = baseline.unexpected_passes.iter().chain(&baseline.stale).chain(&baseline.remarks);
                kinds.zip(lines.map(String::as_str)).collect::<Vec<_>>()
            })
            .collect(),
        hosts: runs
            .iter()
            .flat_map(|run| &run.suites)
            .flat_map(|suite| suite.hosts.iter().map(|host| (suite.name.as_str(), host)))
            .collect(),
        groups,
    };
    // It writes into a String, and what it shows can be shown.
    page.render().unwrap_or_default()
}

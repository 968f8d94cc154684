use std::fmt::{self, Display, Write as _};
use std::io;

use crate::trace::rows::{Key, Rows};
use crate::wire::Rfc3339;

use super::row::Row;
use super::{Machines, Stats, rest, sorted};

/// How much of the statistics is shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsLayout {
    /// The most rows of a table; `None` for all.
    pub rows: Option<usize>,
    /// Whether each row says when its exchanges were seen first and last, which takes 58 columns more.
    pub is_wide: bool,
}

impl Default for StatsLayout {
    /// Twenty rows, for a terminal of 80 columns.
    fn default() -> Self {
        Self { rows: Some(20), is_wide: false }
    }
}

impl Stats {
    /// Writes the statistics as tables, the rows with the most exchanges first.
    ///
    /// # Errors
    /// A failure to write.
    pub fn write_text(&self, out: &mut impl io::Write, layout: &StatsLayout) -> io::Result<()> {
        let mut page = String::new();
        self.write_page(&mut page, layout).map_err(|_| io::Error::other("a value could not be shown"))?;
        out.write_all(page.as_bytes())
    }

    fn write_page(&self, page: &mut String, layout: &StatsLayout) -> fmt::Result {
        let exchanges = if self.all.exchanges == 1 { "exchange" } else { "exchanges" };
        write!(page, "== statistics  {} {exchanges}", self.all.exchanges)?;
        if let Some((first, last)) = self.all.seen {
            write!(page, ", {} to {}", Rfc3339(first), Rfc3339(last))?;
        }
        writeln!(page)?;
        let negative = self.all.times.negative();
        if negative > 0 {
            writeln!(page, "! service times below zero, which are in no percentile: {negative}")?;
        }
        write_table(page, layout, "outcome", &self.outcomes, None)?;
        write_table(page, layout, "client", &self.clients, None)?;
        let machines = self.machines.by_host();
        let asked_by = |host: &_| match machines.get(host).unwrap_or(&0) {
            count if self.machines.has_more => format!("{count}+"),
            count => count.to_string(),
        };
        write_table(page, layout, "host", &self.hosts, Some(&asked_by))?;
        write_table(page, layout, "product", &self.products, None)?;
        if self.machines.has_more {
            let Machines { most, .. } = self.machines;
            writeln!(
                page,
                "! more than {most} pairs of host and machine: a count with a + is the least it can be"
            )?;
        }
        Ok(())
    }
}

/// `machines` tells how many machines asked, where the rows are hosts.
fn write_table<K: Key + Display>(
    page: &mut String,
    layout: &StatsLayout,
    noun: &str,
    rows: &Rows<K, Row>,
    machines: Option<&dyn Fn(&K) -> String>,
) -> fmt::Result {
    let sorted = sorted(rows);
    if sorted.is_empty() {
        return Ok(());
    }
    let mut heading: Vec<String> =
        ["all", "answered", "timed", "p50", "p90", "p99", "max"].map(str::to_owned).into();
    let seen = ["first seen", "last seen"].map(str::to_owned);
    heading.extend(machines.map(|_| "machines".to_owned()));
    heading.extend(layout.is_wide.then_some(seen).into_iter().flatten());
    heading.push(noun.to_owned());
    let mut table = vec![heading];
    let shown = layout.rows.unwrap_or(usize::MAX);
    for (key, row) in sorted.iter().take(shown) {
        let asked_by = machines.map(|machines| machines(key));
        table.push(cells(row, layout, asked_by, key.to_string()));
    }
    let rest = rest(rows);
    if let Some((row, about)) = rest {
        let asked_by = machines.map(|_| "-".to_owned());
        table.push(cells(row, layout, asked_by, format!("others (about {about} {noun}s)")));
    }
    let widths: Vec<usize> = (0..table[0].len())
        .map(|column| table.iter().map(|cells| cells[column].len()).max().unwrap_or(0))
        .collect();
    let all = sorted.len();
    let plural = if all == 1 && rest.is_none() { "" } else { "s" };
    writeln!(page, "\n{all}{} {noun}{plural}, service times in ms", if rest.is_some() { "+" } else { "" })?;
    for cells in &table {
        // What a row is about comes last: it can be long, and nothing has to be in line behind it.
        if let Some((name, numbers)) = cells.split_last() {
            for (cell, width) in numbers.iter().zip(&widths) {
                write!(page, "{cell:>width$}  ")?;
            }
            writeln!(page, "{name}")?;
        }
    }
    if all > shown {
        writeln!(page, "... {} more", all - shown)?;
    }
    Ok(())
}

fn cells(row: &Row, layout: &StatsLayout, machines: Option<String>, name: String) -> Vec<String> {
    let time = |nanoseconds: Option<u64>| nanoseconds.map_or("-".to_owned(), milliseconds);
    let mut cells = vec![
        row.exchanges.to_string(),
        row.answered.saturating_sub(row.failed_checks).to_string(),
        row.times.count().to_string(),
        time(row.times.percentile(50)),
        time(row.times.percentile(90)),
        time(row.times.percentile(99)),
        time(row.times.greatest()),
    ];
    cells.extend(machines);
    if layout.is_wide {
        let seen = |time: Option<i64>| time.map_or("-".to_owned(), |time| Rfc3339(time).to_string());
        cells.push(seen(row.seen.map(|(first, _)| first)));
        cells.push(seen(row.seen.map(|(_, last)| last)));
    }
    cells.push(name);
    cells
}

/// With three decimals.
fn milliseconds(nanoseconds: u64) -> String {
    let mut text = String::new();
    let microseconds = nanoseconds / 1000;
    let _ = write!(text, "{}.{:03}", microseconds / 1000, microseconds % 1000);
    text
}

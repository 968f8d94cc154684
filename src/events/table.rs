//! Tables: one event in a row, whose message goes on over several lines in quotation marks.

use std::io::BufRead;

use super::draft::{Draft, Reading};
use super::error::Wrong;
use super::lines::{Line, Lines};
use super::read::Sink;
use super::{Event, EventError, EventTime, MAX_EVENT, Place};

/// What a value of an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Provider,
    ProviderId,
    Time,
    Id,
    Computer,
    Message,
    Other,
}

impl Column {
    /// What PowerShell, wevtutil and the Event Viewer call it, in English.
    pub(super) fn of_name(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "providername" | "source" | "provider" => Self::Provider,
            "providerid" => Self::ProviderId,
            "timecreated" | "timegenerated" | "date and time" | "date" | "time created" => Self::Time,
            "id" | "event id" | "eventid" => Self::Id,
            "machinename" | "computer" | "computername" => Self::Computer,
            "message" | "description" => Self::Message,
            _ => Self::Other,
        }
    }

    /// Puts a value into its place.
    pub(super) fn set(self, draft: &mut Draft, value: String) {
        let slot = match self {
            Self::Provider => &mut draft.provider,
            Self::ProviderId => &mut draft.provider_id,
            Self::Id => &mut draft.id,
            Self::Computer => &mut draft.computer,
            Self::Time => {
                draft.time = EventTime::of(&value);
                return;
            }
            Self::Message => {
                draft.message = value;
                return;
            }
            Self::Other => return,
        };
        *slot = Some(value).filter(|value| !value.trim().is_empty());
    }
}

/// Reads a table of the Event Viewer or of `Export-Csv`, by the names of its columns; one with five columns of which none
/// is known has those of the Event Viewer in another language.
pub(super) fn read<F>(lines: &mut Lines<impl BufRead>, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let Some(header) = header(lines) else { return };
    let delimiter = delimiter(&header.text);
    lines.read_again([header].into_iter());
    let Some(header) = Row::read(lines, delimiter) else { return };
    let place = header.place();
    let named: Vec<_> = header.fields.iter().map(|name| Column::of_name(name)).collect();
    let mut columns = if named.contains(&Column::Id) {
        named
    } else if header.fields.len() == OF_THE_VIEWER.len() && header.wrong.is_none() {
        OF_THE_VIEWER.to_vec()
    } else {
        let wrong = Wrong::new("header", "columns of which one is the event's id", &header.text());
        return sink.wrong(place, None, wrong);
    };
    let width = columns.len();
    if !columns.contains(&Column::Message) {
        // The Event Viewer gives it no name.
        columns.push(Column::Message);
    }
    // True behind a row that is malformed, up to one that is not: what is told of the first is true of all.
    let mut is_lost = false;
    while let Some(mut row) = Row::read(lines, delimiter) {
        if row.is_blank() {
            continue;
        }
        let place = row.place();
        if let Some(wrong) = row.wrong.take() {
            if !is_lost {
                sink.wrong(place, None, wrong);
            }
            is_lost = true;
            // A quotation mark too few or too many: the next row may begin within what was taken for this one.
            lines.read_again(row.lines.into_iter().skip(1));
        } else if row.fields.len() < width {
            if !is_lost {
                sink.wrong(place, None, Wrong::new("columns", "as many as the header has", &row.text()));
            }
            is_lost = true;
        } else {
            let reading = row.draft(&columns, delimiter).read(place);
            let is_row = !matches!(reading, Reading::Wrong(None, _));
            if is_row || !is_lost {
                sink.take(place, reading);
            }
            is_lost = !is_row;
        }
    }
}

/// The line with the names of the columns, behind what PowerShell says of its type.
fn header(lines: &mut Lines<impl BufRead>) -> Option<Line> {
    loop {
        let line = lines.next_line()?;
        if !line.text.starts_with("#TYPE") && !line.text.trim().is_empty() {
            return Some(line);
        }
    }
}

/// What separates the columns.
fn delimiter(header: &str) -> char {
    let count = |delimiter| header.matches(delimiter).count();
    ['\t', ',', ';'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(',')
}

/// A row (RFC 4180), and the lines that it stands on.
struct Row {
    lines: Vec<Line>,
    fields: Vec<String>,
    /// What is wrong with it.
    wrong: Option<Wrong>,
}

impl Row {
    fn read(lines: &mut Lines<impl BufRead>, delimiter: char) -> Option<Self> {
        let mut row = Self { lines: Vec::new(), fields: vec![String::new()], wrong: None };
        let mut is_quoted = false;
        let mut length = 0;
        loop {
            let Some(line) = lines.next_line() else {
                if row.lines.is_empty() {
                    return None;
                }
                row.wrong = Some(Wrong::new("quotation", "a mark that ends it", &row.text()));
                return Some(row);
            };
            length += line.text.len() + 1;
            let is_too_long = line.is_cut || length > MAX_EVENT;
            let read = row.line(&line.text, delimiter, &mut is_quoted);
            row.lines.push(line);
            match read {
                _ if is_too_long => row.wrong = Some(Wrong::new("event", "at most 256 KiB", &row.text())),
                Err(wrong) => row.wrong = Some(wrong),
                Ok(()) if is_quoted => {
                    row.push("\n");
                    continue;
                }
                Ok(()) => {}
            }
            return Some(row);
        }
    }

    /// Reads a line, which begins within quotation marks where the one before it ended there.
    fn line(&mut self, text: &str, delimiter: char, is_quoted: &mut bool) -> Result<(), Wrong> {
        let mut rest = text;
        loop {
            if *is_quoted {
                let Some((before, behind)) = rest.split_once('"') else {
                    self.push(rest);
                    return Ok(());
                };
                self.push(before);
                if let Some(behind) = behind.strip_prefix('"') {
                    self.push("\"");
                    rest = behind;
                    continue;
                }
                *is_quoted = false;
                let behind = behind.trim_start_matches(' ');
                if behind.is_empty() {
                    return Ok(());
                }
                let wrong = || Wrong::new("quotation", "nothing but the next column behind it", behind);
                rest = behind.strip_prefix(delimiter).ok_or_else(wrong)?;
                self.fields.push(String::new());
            } else if let Some(quoted) = rest.strip_prefix('"') {
                *is_quoted = true;
                rest = quoted;
            } else {
                let Some((field, behind)) = rest.split_once(delimiter) else {
                    self.push(rest);
                    return Ok(());
                };
                self.push(field);
                self.fields.push(String::new());
                rest = behind;
            }
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(field) = self.fields.last_mut() {
            field.push_str(text);
        }
    }

    fn is_blank(&self) -> bool {
        self.fields.iter().all(|field| field.trim().is_empty()) && self.wrong.is_none()
    }

    fn place(&self) -> Place {
        Place::Line(self.lines.first().map_or(0, |line| line.number))
    }

    /// The row as it stands in the file.
    fn text(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn draft(mut self, columns: &[Column], delimiter: char) -> Draft {
        // A message without quotation marks may have the delimiter in it.
        if columns.last() == Some(&Column::Message) && self.fields.len() > columns.len() {
            let message = self.fields.split_off(columns.len() - 1);
            self.fields.push(message.join(delimiter.encode_utf8(&mut [0; 4])));
        }
        let mut draft = Draft::default();
        for (column, value) in columns.iter().zip(self.fields) {
            column.set(&mut draft, value);
        }
        draft
    }
}

/// The Event Viewer's columns: Level, Date and Time, Source, Event ID, Task Category.
const OF_THE_VIEWER: [Column; 5] = [Column::Other, Column::Time, Column::Provider, Column::Id, Column::Other];

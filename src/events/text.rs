//! Texts with a label in front of each value.

use std::io::BufRead;

use super::draft::Draft;
use super::error::Wrong;
use super::lines::{Line, Lines};
use super::read::Sink;
use super::table::Column;
use super::{Event, EventError, MAX_EVENT, Place};

/// Reads what `wevtutil qe /f:text` and the Event Viewer's "Copy" write. The labels are translated, their order is not:
///
/// ```text
/// Event[0]:
///   Log Name: Application
///   Source: Microsoft-Windows-Security-SPP
///   Date: 2024-05-01T12:34:56.789
///   Event ID: 12289
///   ...
///   Description:
/// The client has processed an activation response from the key management service machine.
/// ```
///
/// The Event Viewer has no `Event[0]`: there, the label of the first line begins an event.
pub(super) fn read<F>(lines: &mut Lines<impl BufRead>, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let mut open: Option<Building> = None;
    let mut style: Option<Style> = None;
    let mut is_lost = false;
    while let Some(line) = lines.next_line() {
        let style = style.get_or_insert_with(|| Style::of(&line.text));
        let is_start = style.is_start(&line.text);
        if is_start {
            finish(open.take(), sink);
            is_lost = false;
        }
        let building = match &mut open {
            Some(building) => building,
            None if is_start => open.insert(Building::new(&line)),
            None => {
                if !is_lost && !line.text.trim().is_empty() {
                    let wrong = Wrong::new("event", "the line with which one begins", &line.text);
                    sink.wrong(Place::Line(line.number), None, wrong);
                    is_lost = true;
                }
                continue;
            }
        };
        building.is_cut |= line.is_cut;
        if is_start && style.first_label.is_none() {
            continue;
        }
        if building.last == Column::Message {
            building.go_on(&line.text);
        } else if let Some((label, value)) = label(&line.text) {
            let column = building.column(style, label);
            building.set(column, value);
        }
    }
    finish(open, sink);
}

/// Reads what PowerShell's `Format-List` writes: names that are not translated, in one column, and behind each a value
/// that goes on in lines that begin with white space.
pub(super) fn read_list<F>(lines: &mut Lines<impl BufRead>, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let mut open: Option<Building> = None;
    let mut keys: Vec<String> = Vec::new();
    let mut colon = 0;
    while let Some(line) = lines.next_line() {
        let key = list_key(&line.text).filter(|(key, _)| open.is_none() || key.len() == colon);
        let Some((key, value)) = key else {
            if let Some(building) = &mut open {
                building.is_cut |= line.is_cut;
                if building.last == Column::Message {
                    building.go_on(line.text.trim());
                }
            }
            continue;
        };
        let name = key.trim_end();
        // Each event has the same names: one that comes again begins another event.
        if open.is_none() || keys.len() == MOST_KEYS || keys.iter().any(|known| known == name) {
            finish(open.take(), sink);
            keys.clear();
            colon = key.len();
        }
        let building = open.get_or_insert_with(|| Building::new(&line));
        building.is_cut |= line.is_cut;
        keys.push(name.to_owned());
        building.set(Column::of_name(name), value);
    }
    finish(open, sink);
}

/// True for the line above an event of wevtutil: `Event[0]:`, on newer Windows without the colon.
pub(super) fn is_head(line: &str) -> bool {
    let text = line.trim();
    let number = text.strip_prefix("Event[").and_then(|rest| rest.trim_end_matches(':').strip_suffix(']'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A label and what is behind its colon.
pub(super) fn label(line: &str) -> Option<(&str, &str)> {
    let (label, value) = line.split_once([':', '\u{ff1a}'])?;
    let label = label.trim();
    (!label.is_empty() && label.len() <= LONGEST_LABEL).then(|| (label, value.trim()))
}

/// A name of `Format-List`, with the spaces behind it, and the value.
pub(super) fn list_key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let name = key.trim_end_matches(' ');
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_apart = value.is_empty() || value.starts_with(' ');
    (is_name && is_apart && key.len() <= LONGEST_LABEL).then(|| (key, value.trim()))
}

/// How a text marks where an event begins.
struct Style {
    /// The label of an event's first line, where no line stands above it.
    first_label: Option<String>,
}

impl Style {
    fn of(first: &str) -> Self {
        let first_label = if is_head(first) { None } else { label(first).map(|(label, _)| label.to_owned()) };
        Self { first_label }
    }

    fn is_start(&self, line: &str) -> bool {
        match &self.first_label {
            None => is_head(line),
            Some(first) => label(line).is_some_and(|(label, _)| label == first),
        }
    }
}

/// An event that is being read.
struct Building {
    place: Place,
    draft: Draft,
    /// How many labels it has had.
    position: usize,
    is_english: bool,
    /// What the last value was of.
    last: Column,
    is_cut: bool,
}

impl Building {
    fn new(line: &Line) -> Self {
        Self {
            place: Place::Line(line.number),
            draft: Draft::default(),
            position: 0,
            is_english: false,
            last: Column::Other,
            is_cut: false,
        }
    }

    /// What the next label is that of: by its name, and in another language by its position.
    fn column(&mut self, style: &Style, label: &str) -> Column {
        let position = self.position;
        self.position += 1;
        self.is_english |= position == 0 && label == "Log Name";
        let order = if style.first_label.is_none() { ORDER } else { ORDER_OF_COPIED };
        match Column::of_name(label) {
            Column::Other if !self.is_english => order.get(position).copied().unwrap_or(Column::Other),
            column => column,
        }
    }

    fn set(&mut self, column: Column, value: &str) {
        self.last = column;
        column.set(&mut self.draft, value.to_owned());
    }

    /// Another line of the message; the Event Viewer's "Copy" has the same event in XML behind it.
    fn go_on(&mut self, line: &str) {
        let message = &mut self.draft.message;
        if line.starts_with("<Event ") {
            let label = message.rfind('\n').unwrap_or_default();
            message.truncate(label);
            self.last = Column::Other;
            return;
        }
        if message.len() + line.len() < MAX_EVENT {
            message.push('\n');
            message.push_str(line);
        } else {
            self.is_cut = true;
        }
    }
}

fn finish<F>(building: Option<Building>, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let Some(Building { place, draft, is_cut, .. }) = building else { return };
    if is_cut {
        sink.wrong(place, None, Wrong::new("event", "at most 256 KiB", &draft.message));
    } else {
        sink.draft(place, draft);
    }
}

/// What wevtutil writes one after the other: Log Name, Source, Date, Event ID, Task, Level, Opcode, Keyword, User,
/// User Name, Computer, Description.
const ORDER: &[Column] = &[
    Column::Other,
    Column::Provider,
    Column::Time,
    Column::Id,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Computer,
    Column::Message,
];

/// What the Event Viewer copies: as above, without Opcode and User Name.
const ORDER_OF_COPIED: &[Column] = &[
    Column::Other,
    Column::Provider,
    Column::Time,
    Column::Id,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Other,
    Column::Computer,
    Column::Message,
];

/// Longer ones are prose.
const LONGEST_LABEL: usize = 60;

/// More than an event has names.
const MOST_KEYS: usize = 100;

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use crate::wire::Utf8;

use super::draft::{Draft, Reading};
use super::error::Wrong;
use super::lines::{Line, Lines};
use super::{Event, EventError, Place, table, text, xml};

/// What kind a file of events is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// None that is known.
    #[default]
    Unknown,
    /// A log: `.evtx`.
    Evtx,
    /// Text of `wevtutil qe /f:text`, or of the Event Viewer's "Copy".
    Text,
    /// Text of PowerShell's `Format-List`.
    FormatList,
    /// A table with tabs: the Event Viewer's "Save All Events As", Text.
    TabDelimited,
    /// A table with commas or semicolons: the Event Viewer's CSV, PowerShell's `Export-Csv`.
    Csv,
    /// XML of `wevtutil qe /f:xml` or the Event Viewer.
    Xml,
}

impl Form {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Evtx => "evtx",
            Self::Text => "text",
            Self::FormatList => "format-list",
            Self::TabDelimited => "tab-delimited",
            Self::Csv => "csv",
            Self::Xml => "xml",
        }
    }
}

/// What came of reading a file of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// What kind it is.
    pub form: Form,
    /// Events of activation, which were handed out.
    pub events: u64,
    /// Events of other providers and with other ids, which were not.
    pub other: u64,
    /// Errors that were handed out.
    pub malformed: u64,
}

/// Reads a file, and hands out the events of activation in it and what is wrong with others; it holds one event at a time,
/// of a log 64 KiB.
///
/// What is wrong with an event is told once, and reading goes on behind it. Errors name the file as `name` has it.
///
/// ```
/// use volact::events::{self, EventKind};
///
/// let file = "Level,Date and Time,Source,Event ID,Task Category
/// Information,5/1/2024 12:34:56 PM,Microsoft-Windows-Security-SPP,12289,None,\"Info:
/// 0x00000000, 0x00000000, 1, 0, 10, 120, 10080, 2024/05/01 12:34\"
/// ";
/// let mut counts = Vec::new();
/// let read = events::read("client.csv", file.as_bytes(), &mut |event| {
///     if let EventKind::Processed(answer) = event.expect("it is well-formed").kind {
///         counts.push(answer.count);
///     }
/// });
/// assert_eq!(counts, [10]);
/// assert_eq!((read.form.name(), read.events, read.malformed), ("csv", 1, 0));
/// ```
pub fn read<F>(name: &str, mut source: impl Read, each: &mut F) -> EventCounts
where
    F: FnMut(Result<Event, EventError>),
{
    let mut sink = Sink { file: name.into(), each, counts: EventCounts::default() };
    let mut head = Vec::new();
    if let Err(error) = source.by_ref().take(LOG_MAGIC.len() as u64).read_to_end(&mut head) {
        sink.unreadable(Place::Line(1), &error);
        return sink.counts;
    }
    if head == LOG_MAGIC {
        sink.counts.form = Form::Evtx;
        #[cfg(feature = "evtx")]
        super::evtx::read(head.chain(source), &mut sink);
        #[cfg(not(feature = "evtx"))]
        sink.wrong(
            Place::Chunk(0),
            None,
            Wrong::new("file", "text, CSV or XML: this build reads no .evtx", "ElfFile"),
        );
        return sink.counts;
    }
    if let Err((line, error)) = read_text(head.chain(source), &mut sink) {
        sink.unreadable(Place::Line(line), &error);
    }
    sink.counts
}

fn read_text<F>(source: impl Read, sink: &mut Sink<'_, F>) -> Result<(), (u64, io::Error)>
where
    F: FnMut(Result<Event, EventError>),
{
    let mut source = BufReader::new(Utf8::new(source).map_err(|error| (1, error))?);
    let mut line = 1;
    let first = first_byte(&mut source, &mut line).map_err(|error| (line, error))?;
    if first == Some(b'<') {
        sink.counts.form = Form::Xml;
        return xml::read(source, line, sink);
    }
    let mut lines = Lines::new(source, line);
    let Some(first) = lines.next_line() else {
        sink.wrong(Place::Line(line), None, Wrong::new("file", FORMS, ""));
        return lines.error().map_or(Ok(()), |error| Err((line, error)));
    };
    sink.counts.form = form(&first);
    match sink.counts.form {
        Form::Text | Form::FormatList => {
            let is_list = sink.counts.form == Form::FormatList;
            lines.read_again([first].into_iter());
            if is_list { text::read_list(&mut lines, sink) } else { text::read(&mut lines, sink) }
        }
        Form::Csv | Form::TabDelimited => {
            lines.read_again([first].into_iter());
            table::read(&mut lines, sink);
        }
        _ => sink.wrong(Place::Line(first.number), None, Wrong::new("file", FORMS, &first.text)),
    }
    lines.error().map_or(Ok(()), |error| Err((line, error)))
}

/// Passes over white space, and counts lines in it. The first byte of what follows.
fn first_byte(source: &mut impl BufRead, line: &mut u64) -> io::Result<Option<u8>> {
    loop {
        let there = source.fill_buf()?;
        if there.is_empty() {
            return Ok(None);
        }
        let blank = there.iter().take_while(|byte| byte.is_ascii_whitespace() && **byte != b'\t').count();
        let first = there.get(blank).copied();
        *line += there[..blank].iter().filter(|byte| **byte == b'\n').count() as u64;
        source.consume(blank);
        if first.is_some() {
            return Ok(first);
        }
    }
}

/// What kind a text is, by its first line.
fn form(line: &Line) -> Form {
    let text = line.text.trim_end();
    if text::is_head(text) {
        Form::Text
    } else if text.contains('\t') {
        Form::TabDelimited
    } else if text.starts_with(['"', '#']) || text.contains([',', ';']) && !text.contains(':') {
        Form::Csv
    } else if text::list_key(text).is_some_and(|(key, _)| key.ends_with(' ')) {
        Form::FormatList
    } else if text::label(text).is_some() {
        Form::Text
    } else {
        Form::Unknown
    }
}

/// What takes what was read, and counts it.
pub(super) struct Sink<'a, F> {
    file: Arc<str>,
    each: &'a mut F,
    pub(super) counts: EventCounts,
}

impl<F: FnMut(Result<Event, EventError>)> Sink<'_, F> {
    pub(super) fn draft(&mut self, place: Place, draft: Draft) {
        self.take(place, draft.read(place));
    }

    pub(super) fn take(&mut self, place: Place, reading: Reading) {
        match reading {
            Reading::Event(event) => {
                self.counts.events += 1;
                (self.each)(Ok(event));
            }
            Reading::Other => self.counts.other += 1,
            Reading::Wrong(id, wrong) => self.wrong(place, id, wrong),
        }
    }

    pub(super) fn wrong(&mut self, place: Place, id: Option<u32>, wrong: Wrong) {
        self.counts.malformed += 1;
        let Wrong { field, wanted, found } = wrong;
        (self.each)(Err(EventError { file: Arc::clone(&self.file), place, id, field, wanted, found }));
    }

    pub(super) fn unreadable(&mut self, place: Place, error: &io::Error) {
        self.wrong(place, None, Wrong::new("file", "that it can be read on", &error.to_string()));
    }
}

/// With what a log begins.
const LOG_MAGIC: &[u8] = b"ElfFile\0";

const FORMS: &str = "a log (.evtx), or text, CSV or XML exported of one";

//! XML: one `Event` element after the other, with or without one around them.

use std::io::{self, BufRead};

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event as Node;
use quick_xml::{Reader, XmlVersion};

use super::draft::Draft;
use super::error::Wrong;
use super::read::Sink;
use super::table::Column;
use super::{Event, EventError, MAX_EVENT, Place};

/// Reads a file. Each `Event` element is cut out of it and read for itself, so that one that is malformed leaves the next
/// one as it is.
pub(super) fn read<F>(
    mut source: impl BufRead,
    line: u64,
    sink: &mut Sink<'_, F>,
) -> Result<(), (u64, io::Error)>
where
    F: FnMut(Result<Event, EventError>),
{
    let mut file = File { line, begin: line, open: None, is_lost: false };
    loop {
        let piece = piece(&mut source).map_err(|error| (file.line, error))?;
        if piece.is_empty() {
            break;
        }
        file.piece(&String::from_utf8_lossy(&piece), sink);
    }
    if let Some(text) = &file.open {
        sink.wrong(Place::Line(file.begin), None, Wrong::new("Event", "its end tag", text));
    }
    Ok(())
}

/// Text up to the next `>`, or of the most bytes that an event may have.
fn piece(source: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    loop {
        let there = source.fill_buf()?;
        let end = there.iter().position(|byte| *byte == b'>').map(|at| at + 1);
        let used = end.unwrap_or(there.len()).min(MAX_EVENT - piece.len());
        piece.extend_from_slice(&there[..used]);
        source.consume(used);
        if used == 0 || piece.ends_with(b">") {
            return Ok(piece);
        }
    }
}

struct File {
    /// Number of the line that was come to, and of that with which the event begins.
    line: u64,
    begin: u64,
    /// The event from its start tag on.
    open: Option<String>,
    /// True where it was told that what stands here is no event.
    is_lost: bool,
}

impl File {
    fn piece<F>(&mut self, piece: &str, sink: &mut Sink<'_, F>)
    where
        F: FnMut(Result<Event, EventError>),
    {
        let (text, tag) = piece.rfind('<').map_or((piece, ""), |at| piece.split_at(at));
        let name = tag.trim_start_matches('<').split(|c: char| c.is_whitespace() || c == '>').next();
        let is_event = name == Some("Event") && !tag.ends_with("/>");
        let before = self.line;
        let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.line += lines(piece);
        if is_event {
            if let Some(text) = &self.open {
                sink.wrong(Place::Line(self.begin), None, Wrong::new("Event", "its end tag", text));
            }
            self.begin = before + lines(text);
            self.open = Some(tag.to_owned());
            self.is_lost = false;
            return;
        }
        let Some(open) = &mut self.open else {
            let is_closed = tag.ends_with('>') || tag.is_empty();
            if !self.is_lost && (!text.trim().is_empty() || !is_closed) {
                let found = if text.trim().is_empty() { tag } else { text };
                sink.wrong(Place::Line(before), None, Wrong::new("document", "Event elements", found));
                self.is_lost = true;
            }
            return;
        };
        open.push_str(piece);
        let is_end = name == Some("/Event");
        if open.len() > MAX_EVENT {
            sink.wrong(Place::Line(self.begin), None, Wrong::new("event", "at most 256 KiB", open));
            self.is_lost = !is_end;
            self.open = None;
        } else if is_end && let Some(text) = self.open.take() {
            element(Place::Line(self.begin), &text, sink);
        }
    }
}

/// Reads one `Event` element.
pub(super) fn element<F>(place: Place, text: &str, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let mut building = Building::default();
    match building.read(text) {
        Ok(()) => sink.draft(place, building.draft),
        Err(wrong) => sink.wrong(place, None, wrong),
    }
}

#[derive(Default)]
struct Building {
    draft: Draft,
    /// The names of the elements that are open.
    path: Vec<String>,
    text: String,
}

impl Building {
    fn read(&mut self, text: &str) -> Result<(), Wrong> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        loop {
            let begin = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match reader.read_event() {
                Ok(Node::Start(start)) => {
                    if self.path.len() == MAX_DEPTH {
                        return Err(Wrong::new("XML", "elements nested less deep", start.name().0));
                    }
                    self.path.push(start.local_name().into_inner().to_owned());
                    self.text.clear();
                    for attribute in start.attributes() {
                        let Ok(attribute) = attribute else {
                            return Err(Wrong::new("XML", "well-formed attributes", &start));
                        };
                        let value = attribute
                            .normalized_value(XmlVersion::default())
                            .unwrap_or_else(|_| attribute.value.clone());
                        self.attribute(attribute.key.local_name().into_inner(), &value);
                    }
                }
                Ok(Node::End(_)) => {
                    self.end();
                    self.path.pop();
                    self.text.clear();
                }
                Ok(Node::Text(text)) => self.text.push_str(&text),
                Ok(Node::CData(text)) => self.text.push_str(&text),
                Ok(Node::GeneralRef(name)) => match name.resolve_char_ref() {
                    Ok(Some(c)) => self.text.push(c),
                    _ => match resolve_xml_entity(&name) {
                        Some(text) => self.text.push_str(text),
                        None => self.text.extend(["&", &name, ";"]),
                    },
                },
                Ok(Node::Eof) => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    let found = text.get(begin..).unwrap_or_default();
                    return Err(Wrong::new("XML", "well-formed markup", found));
                }
            }
        }
    }

    /// The names of the elements within `Event`.
    fn path(&self) -> Vec<&str> {
        self.path.iter().skip(1).map(String::as_str).collect()
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let column = match (self.path().as_slice(), name) {
            (["System", "Provider"], "Name") => Column::Provider,
            (["System", "Provider"], "Guid") => Column::ProviderId,
            (["System", "TimeCreated"], "SystemTime") => Column::Time,
            _ => return,
        };
        column.set(&mut self.draft, value.to_owned());
    }

    fn end(&mut self) {
        let text = self.text.replace("\r\n", "\n");
        match self.path().as_slice() {
            ["System", "EventID"] => Column::Id.set(&mut self.draft, text),
            ["System", "Computer"] => Column::Computer.set(&mut self.draft, text),
            ["RenderingInfo", "Message"] => Column::Message.set(&mut self.draft, text),
            ["EventData", "Data"] => self.draft.values.push(text),
            _ => {}
        }
    }
}

/// The most elements around one: an event has four.
const MAX_DEPTH: usize = 32;

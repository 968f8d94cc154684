//! LDIF files (RFC 2849), as `ldifde` and `ldapsearch` export them.
//!
//! A file is in UTF-8, and read one record at a time; one in UTF-16 (`ldifde -u`) is told, and not read. What is wrong with a record ends it; reading goes on with the next one.

use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::{Error, ErrorKind};

use super::{Attribute, MAX_ATTRIBUTES, MAX_VALUES};

/// An entry of a file: a record of content, or one that adds an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of its first line, from 1.
    pub line: u64,
    /// Its first byte in the file.
    pub offset: u64,
    /// The entry; where something is wrong with it, what stands in front of that.
    pub entry: super::Entry,
    /// Attributes whose value is elsewhere (`attribute:< URL`), and the URLs. They are not fetched.
    pub urls: Vec<(String, String)>,
    /// True where something is wrong with it: see [`Summary::problems`].
    pub is_cut: bool,
}

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The version that the file says that it is of.
    pub version: Option<u32>,
    /// How many entries were handed out.
    pub entries: u64,
    /// How many records change an entry that there is: modify, delete, modrdn, moddn, and what is not known.
    pub changes: u64,
    /// How many records say how a search went (`search`, `result`, `ref`): `ldapsearch` writes them behind the entries.
    pub results: u64,
    /// The first [`MAX_PROBLEMS`] things that are wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// How many things are wrong.
    pub problem_count: u64,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong; the offset counts the file's bytes.
    pub error: Error,
}

/// The most bytes of a line with the lines that continue it: a licence in base64 takes 6,990,508.
pub const MAX_LINE: usize = 8 << 20;

/// The most bytes of an entry: four licences, as in a message.
pub const MAX_ENTRY: usize = super::MAX_MESSAGE;

/// The most problems that are kept.
pub const MAX_PROBLEMS: usize = 256;

/// Reads a file, and hands out the entries in it; it holds one entry and one line at a time.
///
/// ```
/// use volact::directory::ldif;
///
/// let file = "version: 1\ndn: CN=Office,DC=test\nobjectClass: msSPP-ActivationObject\ncn:: T2ZmaWNl\n";
/// let mut names = Vec::new();
/// let summary = ldif::read(file.as_bytes(), |entry| {
///     names.extend(entry.entry.values("cn").map(<[u8]>::to_vec));
/// });
/// assert_eq!(names, [b"Office"]);
/// assert_eq!((summary.entries, summary.problem_count), (1, 0));
/// ```
pub fn read(source: impl Read, each: impl FnMut(Entry)) -> Summary {
    let mut file = File { each, summary: Summary::default(), state: State::Between };
    let mut lines = Lines::new(source);
    while let Some(line) = lines.next_line() {
        match line {
            Ok(line) => file.line(&line),
            Err(problem) => file.fail(problem),
        }
    }
    file.end_of_record();
    file.summary
}

/// A line with those that continue it, and where it begins.
struct Line {
    number: u64,
    offset: u64,
    text: Vec<u8>,
}

struct Lines<R> {
    source: BufReader<R>,
    /// Number of the line that is to come, from 1, and its offset.
    number: u64,
    offset: u64,
    is_over: bool,
}

struct File<F> {
    each: F,
    summary: Summary,
    state: State,
}

enum State {
    /// Between records.
    Between,
    /// Within a record that is an entry.
    Entry(Box<Building>),
    /// Within a record of which the rest is not read.
    Passing,
}

/// An entry that is being read.
struct Building {
    entry: Entry,
    size: usize,
    values: usize,
    /// True where nothing but its DN and controls was read: changetype may come.
    is_new: bool,
}

impl<F: FnMut(Entry)> File<F> {
    fn line(&mut self, line: &Line) {
        if line.text.is_empty() {
            return self.end_of_record();
        }
        if line.text[0] == b'#' || matches!(self.state, State::Passing) {
            return;
        }
        if let Err((at, what)) = self.value_spec(line) {
            let offset = usize::try_from(line.offset).unwrap_or(usize::MAX).saturating_add(at);
            let error = Error { layer: LAYER, field: "line", offset, kind: what };
            self.fail(Problem { line: line.number, error });
        }
    }

    /// `attribute: value`. What is wrong with it stands at a place in the line, which does not count line ends: the first
    /// byte of what cannot be read.
    fn value_spec(&mut self, line: &Line) -> Result<(), (usize, ErrorKind)> {
        let malformed = |at: usize, what| Err((at, ErrorKind::Malformed { what }));
        let Some(colon) = line.text.iter().position(|byte| *byte == b':') else {
            return malformed(0, "no colon behind an attribute");
        };
        let (description, rest) = (&line.text[..colon], &line.text[colon + 1..]);
        let is_of_description = |byte: &u8| byte.is_ascii_alphanumeric() || b"-;._".contains(byte);
        if description.is_empty() || !description.iter().all(is_of_description) {
            return malformed(0, "no attribute");
        }
        let description = String::from_utf8_lossy(description).into_owned();
        let (form, rest) = match rest {
            [form @ (b':' | b'<'), rest @ ..] => (Some(*form), rest),
            _ => (None, rest),
        };
        let fill = rest.iter().take_while(|byte| **byte == b' ').count();
        let raw = &rest[fill..];
        let at = line.text.len() - raw.len();
        let value = match form {
            Some(b':') => match BASE64.decode(raw.trim_ascii_end()) {
                Ok(value) => value,
                Err(_) => return malformed(at, "no base64"),
            },
            _ => raw.to_vec(),
        };
        let is = |name: &str| description.eq_ignore_ascii_case(name);
        match &mut self.state {
            State::Between if is("version") && self.summary.version.is_none() => {
                let version = std::str::from_utf8(&value).ok().and_then(|text| text.trim_end().parse().ok());
                let Some(version) = version else { return malformed(at, "no number of a version") };
                self.summary.version = Some(version);
            }
            State::Between if is("dn") => {
                let Ok(dn) = String::from_utf8(value) else { return malformed(at, "no UTF-8") };
                self.state = State::Entry(Box::new(Building {
                    size: dn.len(),
                    values: 0,
                    is_new: true,
                    entry: Entry {
                        line: line.number,
                        offset: line.offset,
                        entry: super::Entry { dn, attributes: Vec::new() },
                        urls: Vec::new(),
                        is_cut: false,
                    },
                }));
            }
            State::Between if is("search") || is("result") || is("ref") => {
                self.summary.results += 1;
                self.state = State::Passing;
            }
            State::Between => return malformed(0, "a record that does not begin with dn"),
            State::Entry(building) if building.is_new && is("control") => {}
            State::Entry(building) if building.is_new && is("changetype") => {
                if value.trim_ascii_end().eq_ignore_ascii_case(b"add") {
                    building.is_new = false;
                } else {
                    self.summary.changes += 1;
                    self.state = State::Passing;
                }
            }
            State::Entry(building) => {
                let value = match form {
                    Some(b'<') => Value::Url(String::from_utf8_lossy(&value).into_owned()),
                    _ => Value::Bytes(value),
                };
                building.add(description, value)?;
            }
            State::Passing => {}
        }
        Ok(())
    }

    fn end_of_record(&mut self) {
        if let State::Entry(building) = std::mem::replace(&mut self.state, State::Between) {
            self.summary.entries += 1;
            (self.each)(building.entry);
        }
    }

    /// Hands out what stands in front of what is wrong, and passes the rest of the record over.
    fn fail(&mut self, problem: Problem) {
        self.summary.problem_count += 1;
        if self.summary.problems.len() < MAX_PROBLEMS {
            self.summary.problems.push(problem);
        }
        if let State::Entry(building) = &mut self.state {
            building.entry.is_cut = true;
        }
        self.end_of_record();
        self.state = State::Passing;
    }
}

enum Value {
    Bytes(Vec<u8>),
    Url(String),
}

impl Building {
    fn add(&mut self, description: String, value: Value) -> Result<(), (usize, ErrorKind)> {
        self.is_new = false;
        let length = match &value {
            Value::Bytes(value) => value.len(),
            Value::Url(url) => url.len(),
        };
        let bound = |declared: usize, most: usize| {
            if declared <= most {
                Ok(())
            } else {
                Err((0, ErrorKind::Length { declared: declared as u64, least: 0, most: most as u64 }))
            }
        };
        bound(self.size + description.len() + length, MAX_ENTRY)?;
        bound(self.values + 1, MAX_VALUES)?;
        self.size += description.len() + length;
        self.values += 1;
        let value = match value {
            Value::Url(url) => {
                self.entry.urls.push((description, url));
                return Ok(());
            }
            Value::Bytes(value) => value,
        };
        let attributes = &mut self.entry.entry.attributes;
        // Values of an attribute mostly follow one another.
        match attributes.iter_mut().rfind(|a| a.description.eq_ignore_ascii_case(&description)) {
            Some(attribute) => attribute.values.push(value),
            None => {
                bound(attributes.len() + 1, MAX_ATTRIBUTES)?;
                attributes.push(Attribute { description, values: vec![value] });
            }
        }
        Ok(())
    }
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        Self { source: BufReader::new(source), number: 1, offset: 0, is_over: false }
    }

    /// The next line with those that continue it; its line ends are taken off. Of a line that is too long, all but the
    /// problem is passed over.
    fn next_line(&mut self) -> Option<Result<Line, Problem>> {
        if self.is_over {
            return None;
        }
        let mut line = Line { number: self.number, offset: self.offset, text: Vec::new() };
        match self.next_part(&mut line.text, 0) {
            Ok(true) => {}
            Ok(false) => {
                self.is_over = true;
                return None;
            }
            Err(_) => return Some(Err(self.unreadable())),
        }
        if line.offset == 0 && line.text.starts_with(MARK) {
            line.text.drain(..MARK.len());
            line.offset = MARK.len() as u64;
        }
        if line.offset == 0 && UTF_16_MARKS.iter().any(|mark| line.text.starts_with(mark)) {
            self.is_over = true;
            return Some(Err(problem(1, 0, ErrorKind::Malformed { what: "UTF-16 is not read" })));
        }
        // An empty line is continued by nothing: a space in front of a record's first line is none of the record.
        loop {
            match self.peek() {
                Ok(Some(b' ')) if !line.text.is_empty() => {}
                Ok(_) => break,
                Err(_) => return Some(Err(self.unreadable())),
            }
            if self.next_part(&mut line.text, 1).is_err() {
                return Some(Err(self.unreadable()));
            }
        }
        if line.text.len() > MAX_LINE {
            let kind = ErrorKind::Length { declared: MAX_LINE as u64 + 1, least: 0, most: MAX_LINE as u64 };
            return Some(Err(problem(line.number, line.offset, kind)));
        }
        Some(Ok(line))
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(bytes) => return Ok(bytes.first().copied()),
            }
        }
    }

    /// Adds the file's next line, without its first `skip` bytes and its line end, up to one byte more than is allowed;
    /// false at the end of the file.
    fn next_part(&mut self, text: &mut Vec<u8>, mut skip: usize) -> io::Result<bool> {
        let mut is_any = false;
        let begin = text.len();
        while self.peek()?.is_some() {
            is_any = true;
            let bytes = self.source.buffer();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(bytes.len(), |end| end + 1);
            let part = &bytes[skip.min(length)..end.unwrap_or(length)];
            skip = skip.saturating_sub(length);
            text.extend_from_slice(&part[..part.len().min((MAX_LINE + 2).saturating_sub(text.len()))]);
            self.source.consume(length);
            self.offset += length as u64;
            if end.is_some() {
                self.number += 1;
                break;
            }
        }
        if text.len() > begin && text.last() == Some(&b'\r') {
            text.pop();
        }
        Ok(is_any)
    }

    fn unreadable(&mut self) -> Problem {
        self.is_over = true;
        problem(self.number, self.offset, ErrorKind::Malformed { what: "the file cannot be read on" })
    }
}

fn problem(line: u64, offset: u64, kind: ErrorKind) -> Problem {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    Problem { line, error: Error { layer: LAYER, field: "line", offset, kind } }
}

const LAYER: &str = "LDIF";

/// U+FEFF in UTF-8.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// U+FEFF in UTF-16, with which `ldifde -u` begins a file.
const UTF_16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// Lax: without padding or with it, and whatever the bits say that no byte takes.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

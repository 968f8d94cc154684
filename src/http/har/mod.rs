//! HAR files, the JSON in which browsers and proxies keep what they saw (HTTP Archive 1.2, and its kin).
//!
//! [`read`] hands out one [`Entry`] after the other and never holds the file. Fields that it does not know are passed
//! over, fields of another type than they should have are absent and counted.

mod lax;
mod source;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::error::Category;

use crate::wire::{self, date_time::date_time};

use super::{Header, Headers, MAX_HEADERS};

pub use lax::Oddities;
pub use source::{MAX_DEPTH, MAX_STRING};

use lax::{Lax, Notes, Target, fields};
use source::{MARK, Place, Source};

/// What a file says about itself, known once all of it is read.
#[derive(Debug, Default)]
pub struct Har {
    /// The format's version, `1.2` mostly.
    pub version: Option<String>,
    /// Who wrote the file.
    pub creator: Software,
    /// The browser whose traffic it is, where that is another.
    pub browser: Software,
    /// Members of the list of entries, also those that are none.
    pub entries: u64,
    /// What was odd outside the entries, members of the list that are no entries among it.
    pub oddities: Oddities,
    /// What kept the file from being read to its end. The entries in front of it were handed out.
    pub error: Option<HarError>,
}

/// A program and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Software {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// A request and its response, as a file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Its place in the list, from 0.
    pub index: u64,
    /// File offset of its first byte.
    pub offset: u64,
    /// When the request was sent, as the file says it.
    pub started: Option<String>,
    /// The same in nanoseconds since 1970-01-01T00:00:00Z; `None` where the text is no time.
    pub started_nanos: Option<i64>,
    /// How long it took until the response was there, in milliseconds.
    pub time: Option<f64>,
    /// The server's address.
    pub server_ip: Option<String>,
    /// What tells the connection from others, the client's port mostly.
    pub connection: Option<String>,
    /// The request.
    pub request: Option<Request>,
    /// The response.
    pub response: Option<Response>,
    /// What somebody remarked.
    pub comment: Option<String>,
    /// What is odd about it.
    pub oddities: Oddities,
    /// False where the file's damage lies in it: it has what stands in front.
    pub is_complete: bool,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Option<String>,
    /// The absolute URL.
    pub url: Option<String>,
    /// The version, in whatever spelling: `HTTP/1.1`, `h2`.
    pub http_version: Option<String>,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub post_data: Option<PostData>,
}

/// A request's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostData {
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// How bytes are written as that text, `base64` or nothing; the format has no such field, some programs do.
    pub encoding: Option<String>,
    /// The fields of a form.
    pub params: Vec<Param>,
}

/// A field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code, 0 where there was no answer.
    pub status: Option<u16>,
    /// The reason phrase.
    pub status_text: Option<String>,
    /// The version, in whatever spelling.
    pub http_version: Option<String>,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub content: Option<ResponseContent>,
    /// Why there was no answer, as Chrome says it: `net::ERR_...`.
    pub error: Option<String>,
}

/// A response's body, mostly without its content codings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseContent {
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// How bytes are written as that text, `base64` or nothing.
    pub encoding: Option<String>,
    /// Its length in bytes; negative where that is not known.
    pub size: Option<i64>,
}

/// Why a file could not be read to its end.
#[derive(Debug)]
pub enum HarError {
    /// Reading failed.
    Io {
        /// Where.
        position: Position,
        /// The failure.
        error: io::Error,
    },
    /// The file ends inside a value.
    Truncated {
        /// Where it ends.
        position: Position,
    },
    /// It is no JSON.
    Malformed {
        /// Behind the first byte that cannot stand there, or the one behind it.
        position: Position,
        /// What is wrong there.
        what: String,
    },
    /// It is JSON and has no list of entries.
    NoEntries,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes in front of it.
    pub offset: u64,
    /// The line, from 1.
    pub line: u64,
    /// Bytes of the line in front of it.
    pub column: u64,
}

/// Reads a file; each entry goes to `each` as soon as it is read.
///
/// ```
/// let file = r#"{"log": {"version": "1.2", "creator": {"name": "by hand"}, "entries": [
///     {"request": {"method": "GET", "url": "http://test.example/"}, "response": {"status": 204}}]}}"#;
/// let mut seen = Vec::new();
/// let har = volact::http::har::read(file.as_bytes(), |entry| {
///     seen.push((entry.request.and_then(|request| request.url), entry.response.and_then(|response| response.status)));
/// });
/// assert_eq!(har.creator.name.as_deref(), Some("by hand"));
/// assert_eq!(seen, [(Some("http://test.example/".to_owned()), Some(204))]);
/// ```
pub fn read(file: impl Read, each: impl FnMut(Entry)) -> Har {
    read_strings_up_to(MAX_STRING, file, each)
}

fn read_strings_up_to(longest: usize, file: impl Read, each: impl FnMut(Entry)) -> Har {
    let place = Place::default();
    let mut root = Root { log: Log { har: Har::default(), has_entries: false, each } };
    let mut notes = Notes::new(&place);
    let mut deserializer = serde_json::Deserializer::from_reader(Source::new(file, longest, &place));
    let result = Lax { field: "file", target: &mut root, notes: &mut notes }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    let Root { log: Log { mut har, has_entries, .. } } = root;
    har.oddities = notes.oddities;
    har.error = match result {
        Err(error) => Some(failure(error, &place)),
        Ok(()) if !has_entries => Some(HarError::NoEntries),
        Ok(()) => None,
    };
    har
}

/// True where a file begins like a HAR file: an object whose first field is `log`.
#[must_use]
pub fn looks_like(first_bytes: &[u8]) -> bool {
    let mut rest = first_bytes.strip_prefix(MARK).unwrap_or(first_bytes);
    [&b"{"[..], b"\"log\"", b":", b"{"].iter().all(|token| {
        let stripped = rest.trim_ascii_start().strip_prefix(*token);
        rest = stripped.unwrap_or_default();
        stripped.is_some()
    })
}

impl PostData {
    /// The bytes that the text stands for, as far as it can be read, and where it cannot; offsets do not count white space.
    #[must_use]
    pub fn bytes(&self) -> (Cow<'_, [u8]>, Option<wire::Error>) {
        bytes(self.text.as_deref(), self.encoding.as_deref())
    }
}

impl ResponseContent {
    /// The bytes that the text stands for, as far as it can be read, and where it cannot; offsets do not count white space.
    #[must_use]
    pub fn bytes(&self) -> (Cow<'_, [u8]>, Option<wire::Error>) {
        bytes(self.text.as_deref(), self.encoding.as_deref())
    }
}

impl HarError {
    /// Where in the file it is.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Io { position, .. } | Self::Truncated { position } | Self::Malformed { position, .. } => {
                Some(*position)
            }
            Self::NoEntries => None,
        }
    }
}

impl fmt::Display for HarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { position, error } => write!(f, "reading failed at {position}: {error}"),
            Self::Truncated { position } => write!(f, "the file ends inside a value at {position}"),
            Self::Malformed { position, what } => write!(f, "no JSON at {position}: {what}"),
            Self::NoEntries => f.write_str("the file has no list of entries"),
        }
    }
}

impl std::error::Error for HarError {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} (line {}, column {})", self.offset, self.line, self.column)
    }
}

/// A whole file.
struct Root<L> {
    log: L,
}

/// What a file has to say, and who hears of it.
struct Log<F> {
    har: Har,
    has_entries: bool,
    each: F,
}

/// The list of a log's entries.
struct Entries<'a, F>(&'a mut Log<F>);

/// A member of that list.
#[derive(Default)]
struct Slot(Option<Entry>);

/// A name and a value, as fields of headers and forms are.
#[derive(Default)]
struct Pair {
    name: Option<String>,
    value: Option<String>,
}

impl<L: Target> Target for Root<L> {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(map, notes, "log" => &mut self.log);
        Ok(true)
    }
}

impl<F: FnMut(Entry)> Target for Log<F> {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(
            map, notes,
            "version" => &mut self.har.version,
            "creator" => &mut self.har.creator,
            "browser" => &mut self.har.browser,
            "entries" => &mut Entries(self),
        );
        Ok(true)
    }
}

impl<F: FnMut(Entry)> Target for Entries<'_, F> {
    fn list<'de, A: SeqAccess<'de>>(
        &mut self,
        list: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        let Log { har, has_entries, each } = &mut *self.0;
        *has_entries = true;
        loop {
            let mut slot = Slot::default();
            let mut own = Notes::new(notes.place);
            let result = list.next_element_seed(Lax { field: "entries", target: &mut slot, notes: &mut own });
            if matches!(result, Ok(None)) {
                return Ok(true);
            }
            if let Some(mut entry) = slot.0 {
                entry.index = har.entries;
                entry.is_complete = result.is_ok();
                entry.oddities = own.oddities;
                each(entry);
            } else {
                notes.mismatch("entries");
            }
            har.entries += 1;
            result?;
        }
    }
}

impl Target for Slot {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        // The brace has just been read.
        let offset = notes.place.offset.get().saturating_sub(1);
        let entry = self.0.insert(Entry { offset, ..Entry::default() });
        fields!(
            map, notes,
            "startedDateTime" => &mut Started(entry),
            "time" => &mut entry.time,
            "serverIPAddress" => &mut entry.server_ip,
            "connection" => &mut entry.connection,
            "request" => &mut entry.request,
            "response" => &mut entry.response,
            "comment" => &mut entry.comment,
        );
        Ok(true)
    }
}

/// The text of a point in time, and what it says.
struct Started<'a>(&'a mut Entry);

impl Target for Started<'_> {
    fn text(&mut self, text: &str, notes: &mut Notes<'_>) -> bool {
        self.0.started_nanos = date_time(text);
        self.0.started.text(text, notes)
    }
}

impl Target for Software {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(map, notes, "name" => &mut self.name, "version" => &mut self.version);
        Ok(true)
    }
}

impl Target for Request {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(
            map, notes,
            "method" => &mut self.method,
            "url" => &mut self.url,
            "httpVersion" => &mut self.http_version,
            "headers" => &mut self.headers,
            "postData" => &mut self.post_data,
        );
        Ok(true)
    }
}

impl Target for PostData {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(
            map, notes,
            "mimeType" => &mut self.mime_type,
            "text" => &mut self.text,
            "encoding" => &mut self.encoding,
            "_encoding" => &mut self.encoding,
            "params" => &mut self.params,
        );
        Ok(true)
    }
}

impl Target for Response {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(
            map, notes,
            "status" => &mut self.status,
            "statusText" => &mut self.status_text,
            "httpVersion" => &mut self.http_version,
            "headers" => &mut self.headers,
            "content" => &mut self.content,
            "_error" => &mut self.error,
        );
        Ok(true)
    }
}

impl Target for ResponseContent {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(
            map, notes,
            "mimeType" => &mut self.mime_type,
            "text" => &mut self.text,
            "encoding" => &mut self.encoding,
            "_encoding" => &mut self.encoding,
            "size" => &mut self.size,
        );
        Ok(true)
    }
}

impl Target for Pair {
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        fields!(map, notes, "name" => &mut self.name, "value" => &mut self.value);
        Ok(true)
    }
}

impl Target for Headers {
    fn list<'de, A: SeqAccess<'de>>(
        &mut self,
        list: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        pairs(list, notes, "headers", |name, value| self.0.push(Header { name, value: value.into_bytes() }))
    }
}

impl Target for Vec<Param> {
    fn list<'de, A: SeqAccess<'de>>(
        &mut self,
        list: &mut A,
        notes: &mut Notes<'_>,
    ) -> Result<bool, A::Error> {
        pairs(list, notes, "params", |name, value| self.push(Param { name, value }))
    }
}

/// Reads a list of names and values; what lacks one of them has it empty.
fn pairs<'de, A: SeqAccess<'de>>(
    list: &mut A,
    notes: &mut Notes<'_>,
    field: &'static str,
    mut push: impl FnMut(String, String),
) -> Result<bool, A::Error> {
    for _ in 0..MAX_HEADERS {
        let mut pair = None;
        if list.next_element_seed(Lax { field, target: &mut pair, notes })?.is_none() {
            return Ok(true);
        }
        if let Some(Pair { name, value }) = pair {
            push(name.unwrap_or_default(), value.unwrap_or_default());
        }
    }
    while list.next_element::<IgnoredAny>()?.is_some() {
        notes.oddities.left_out += 1;
    }
    Ok(true)
}

fn failure(error: serde_json::Error, place: &Place) -> HarError {
    let position = place.position();
    if place.is_too_deep.get() {
        return HarError::Malformed {
            position,
            what: "objects and arrays stand in each other too deep".to_owned(),
        };
    }
    match error.classify() {
        Category::Io => HarError::Io { position, error: error.into() },
        Category::Eof => HarError::Truncated { position },
        Category::Syntax | Category::Data => {
            // Its own place is one in what the source passed on.
            let text = error.to_string();
            let suffix = format!(" at line {} column {}", error.line(), error.column());
            HarError::Malformed { position, what: text.strip_suffix(&suffix).unwrap_or(&text).to_owned() }
        }
    }
}

/// The bytes that a body's text stands for.
fn bytes<'a>(text: Option<&'a str>, encoding: Option<&str>) -> (Cow<'a, [u8]>, Option<wire::Error>) {
    let text = text.unwrap_or_default();
    if !encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
        return (Cow::Borrowed(text.as_bytes()), None);
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    let symbols: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    match engine.decode(&symbols) {
        Ok(bytes) => (Cow::Owned(bytes), None),
        Err(_) => {
            let is_symbol = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
            let offset = symbols.iter().position(|byte| !is_symbol(byte)).unwrap_or(symbols.len());
            let whole = offset - offset % 4;
            let bytes = engine.decode(&symbols[..whole]).unwrap_or_default();
            let kind = wire::ErrorKind::Malformed { what: "no base64" };
            (Cow::Owned(bytes), Some(wire::Error { layer: "base64", field: "text", offset, kind }))
        }
    }
}

/// The most bytes of text of one entry that are kept; the strings that are too much for it are absent and counted.
pub const MAX_ENTRY: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(file: &str) -> (Vec<Entry>, Har) {
        let mut entries = Vec::new();
        let har = read(file.as_bytes(), |entry| entries.push(entry));
        (entries, har)
    }

    /// A file with these members of the list of entries.
    fn log(entries: &str) -> String {
        format!(r#"{{"log": {{"version": "1.2", "entries": [{entries}], "creator": {{"name": "a"}}}}}}"#)
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_field_of_an_entry_is_read() {
        let file = log(
            r#" {"startedDateTime": "2009-02-14T00:31:30.1234567+01:00", "time": 12.5, "pageref": {"x": [1]},
            "request": {"method": "POST", "url": "https://test.example/a", "httpVersion": "HTTP/1.1", "cookies": [],
                "headers": [{"name": "SOAPAction", "value": "urn:a"}, {"value": "v"}], "headersSize": -1,
                "postData": {"mimeType": "text/xml", "text": "PGE+", "_encoding": "base64",
                    "params": [{"name": "p", "value": "q"}]}},
            "response": {"status": 200, "statusText": "OK", "httpVersion": "h2", "headers": [],
                "content": {"size": 4, "mimeType": "text/xml", "text": "<\u0061/>"}, "_error": null},
            "serverIPAddress": "192.0.2.1", "connection": "443", "comment": "seen", "timings": {}}"#,
        );
        let (entries, har) = all(&file);
        let expected = Entry {
            index: 0,
            offset: file.find(r#"{"started"#).unwrap() as u64,
            started: text("2009-02-14T00:31:30.1234567+01:00"),
            started_nanos: Some(1_234_567_890_123_456_700),
            time: Some(12.5),
            server_ip: text("192.0.2.1"),
            connection: text("443"),
            request: Some(Request {
                method: text("POST"),
                url: text("https://test.example/a"),
                http_version: text("HTTP/1.1"),
                headers: Headers(vec![
                    Header { name: "SOAPAction".to_owned(), value: b"urn:a".to_vec() },
                    Header { name: String::new(), value: b"v".to_vec() },
                ]),
                post_data: Some(PostData {
                    mime_type: text("text/xml"),
                    text: text("PGE+"),
                    encoding: text("base64"),
                    params: vec![Param { name: "p".to_owned(), value: "q".to_owned() }],
                }),
            }),
            response: Some(Response {
                status: Some(200),
                status_text: text("OK"),
                http_version: text("h2"),
                headers: Headers::default(),
                content: Some(ResponseContent {
                    mime_type: text("text/xml"),
                    text: text("<a/>"),
                    encoding: None,
                    size: Some(4),
                }),
                error: None,
            }),
            comment: text("seen"),
            oddities: Oddities::default(),
            is_complete: true,
        };
        assert_eq!(entries, [expected]);
        assert_eq!((har.version, har.creator.name, har.entries), (text("1.2"), text("a"), 1));
        assert_eq!(har.oddities, Oddities::default());
        assert!(har.error.is_none());
        assert_eq!(entries[0].request.as_ref().unwrap().post_data.as_ref().unwrap().bytes().0, &b"<a>"[..]);
    }

    #[test]
    fn values_of_other_types_are_absent_and_counted() {
        let (entries, har) = all(&log(
            r#"{"time": "long", "request": [], "response": {"status": 1e3, "headers": {"a": 1}, "statusText": 7,
            "content": {"size": 1.5, "text": true}}, "startedDateTime": "yesterday", "comment": null}, 5, null, {}"#,
        ));
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].oddities.mismatched, 7);
        assert_eq!(entries[0].oddities.first_mismatched, Some("time"));
        assert_eq!((&entries[0].request, entries[0].started_nanos), (&None, None));
        assert_eq!(entries[0].started.as_deref(), Some("yesterday"));
        assert_eq!(entries[1].index, 3);
        assert_eq!(har.entries, 4);
        assert_eq!((har.oddities.mismatched, har.oddities.first_mismatched), (2, Some("entries")));
        assert!(har.error.is_none());
    }

    #[test]
    fn what_stands_in_front_of_damage_is_handed_out_and_the_damage_is_placed() {
        let file = log("{\"comment\": \"one\"},\n {\"comment\": \"two\", \"time\": ?}, {}");
        let (entries, har) = all(&file);
        let seen: Vec<_> = entries.iter().map(|e| (e.comment.as_deref(), e.is_complete)).collect();
        assert_eq!(seen, [(Some("one"), true), (Some("two"), false)]);
        let error = har.error.unwrap();
        let at = file.find('?').unwrap() + 1;
        let expected = format!("no JSON at offset {at} (line 2, column 29): expected value");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_entries_in_front_of_the_cut() {
        let whole = log(r#"{"comment": "\u00e9\ud83d\ude00", "time": 1e2}, {"request": {"headers": []}}"#);
        for length in 0..whole.len() {
            let (entries, har) = all(&whole[..length]);
            let error = har.error.unwrap_or_else(|| panic!("cut at {length}"));
            assert!(matches!(error, HarError::Truncated { .. }), "{error}");
            assert_eq!(error.position().unwrap().offset, length as u64);
            let complete = entries.iter().filter(|entry| entry.is_complete).count();
            let expected = [whole.find("},").unwrap() + 1, whole.find("}}").unwrap() + 2];
            assert_eq!(complete, expected.iter().filter(|end| **end <= length).count(), "cut at {length}");
        }
    }

    #[test]
    fn what_is_no_har_file_says_so() {
        for file in ["{}", "[]", "5", r#"{"log": 1}"#, r#"{"log": {"version": "1.2"}}"#] {
            assert!(matches!(all(file).1.error, Some(HarError::NoEntries)), "{file}");
        }
        let deep = format!("{}{}", r#"{"a":"#, "[".repeat(MAX_DEPTH));
        assert!(all(&deep).1.error.unwrap().to_string().contains("too deep"));
        let trailing = format!("{} x", log("{}"));
        let (entries, har) = all(&trailing);
        assert_eq!(
            (entries.len(), har.error.unwrap().position().unwrap().offset),
            (1, trailing.len() as u64)
        );
    }

    #[test]
    fn a_failure_to_read_is_told_from_damage() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let mut count = 0;
        let har = read(br#"{"log": {"entries": [{}, "#.chain(Broken), |_| count += 1);
        let expected = "reading failed at offset 25 (line 1, column 25): the disk is gone";
        assert_eq!((count, har.error.unwrap().to_string().as_str()), (1, expected));
    }

    #[test]
    fn lone_surrogates_and_a_byte_order_mark_do_no_harm() {
        let (entries, har) = all(&format!("\u{feff}{}", log(r#"{"comment": "a\ud800b"}"#)));
        assert_eq!(entries[0].comment.as_deref(), Some("a\u{fffd}b"));
        assert!(har.error.is_none());
    }

    #[test]
    fn long_strings_and_long_lists_are_cut_and_counted() {
        let long = "x".repeat(23);
        let headers = vec![r#"{"name": "a"}"#; MAX_HEADERS + 2].join(",");
        let file = log(&format!(
            r#"{{"unknown": "{long}", "comment": "{long}", "connection": "1", "serverIPAddress": {{"a": "{long}"}},
            "request": {{"headers": [{headers}], "url": "{long}"}}}}"#
        ));
        let mut entries = Vec::new();
        read_strings_up_to(20, file.as_bytes(), |entry| entries.push(entry));
        let entry = &entries[0];
        assert_eq!(entry.comment.as_deref(), Some(&long[..20]));
        assert_eq!((entry.connection.as_deref(), entry.server_ip.as_deref()), (Some("1"), None));
        let expected =
            Oddities { mismatched: 1, first_mismatched: Some("serverIPAddress"), left_out: 2, dropped: 6 };
        assert_eq!(entry.oddities, expected);
        assert_eq!(entry.request.as_ref().unwrap().headers.0.len(), MAX_HEADERS);
    }

    #[test]
    fn base64_is_read_lax() {
        let read = |text: &str| {
            let content = ResponseContent {
                text: Some(text.to_owned()),
                encoding: Some("Base64".to_owned()),
                ..ResponseContent::default()
            };
            let (bytes, error) = content.bytes();
            (bytes.into_owned(), error.map(|error| error.offset))
        };
        assert_eq!(read("aGVs\r\nbG8="), (b"hello".to_vec(), None));
        assert_eq!(read("aGVsbG8"), (b"hello".to_vec(), None));
        assert_eq!(read("aGVsb*8="), (b"hel".to_vec(), Some(5)));
        assert_eq!(read("aGVsb"), (b"hel".to_vec(), Some(5)));
        assert_eq!(read(""), (vec![], None));
    }

    #[test]
    fn a_file_is_known_by_its_first_field() {
        for file in [&b"{\"log\":{"[..], b"\xef\xbb\xbf {\r\n  \"log\" : {\"version\"", b"\n{\"log\": {}}"] {
            assert!(looks_like(file));
        }
        for file in [&b""[..], b"{", b"{\"log\": [", b"{\"logs\":{", b"<log>", b"\xd4\xc3\xb2\xa1"] {
            assert!(!looks_like(file));
        }
    }
}

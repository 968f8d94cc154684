use std::borrow::Cow;

use httparse::{ParserConfig, Status};

use crate::wire::{Error, ErrorKind};

use super::Anomaly;
use super::message::note;

/// A message's head: its start line and its header fields (RFC 9112 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is asked, or how it is answered.
    pub start: StartLine,
    /// The second number of the version, HTTP/1.0 or HTTP/1.1.
    pub minor_version: u8,
    /// The header fields, in order.
    pub headers: Headers,
    /// Header fields beyond [`MAX_HEADERS`], which are counted and not kept.
    pub left_out: usize,
    /// Bytes from the start line to the empty line behind the fields, both included.
    pub length: usize,
}

/// A start line without its version (RFC 9112 3 and 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// A request line.
    Request {
        /// The method, in upper case mostly.
        method: String,
        /// The request target, as sent.
        target: String,
    },
    /// A status line.
    Status {
        /// The status code, three digits.
        status: u16,
        /// The reason phrase; bytes that are no UTF-8 become U+FFFD.
        reason: String,
    },
}

/// A header field, or a trailer field (RFC 9110 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name as sent; empty where the line has no colon, and is the value as a whole.
    pub name: String,
    /// The value without the blanks around it; what was folded over lines is joined by single blanks.
    pub value: Vec<u8>,
}

/// Header fields in their order, duplicates included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<Header>);

impl Head {
    /// The method, of a request.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Status { .. } => None,
        }
    }

    /// The request target, of a request.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { target, .. } => Some(target),
            StartLine::Status { .. } => None,
        }
    }

    /// The status code, of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Status { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// True for an interim response (RFC 9110 15.2), behind which the answer is still to come. 101 is the answer.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status().is_some_and(|status| status / 100 == 1 && status != SWITCHING_PROTOCOLS)
    }

    /// The value of the first field of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.first(name)
    }

    /// Reads a request line, its line end included.
    pub(super) fn of_request_line(line: &[u8]) -> Result<Self, Error> {
        let mut request = httparse::Request::new(&mut []);
        let mut config = ParserConfig::default();
        config.allow_multiple_spaces_in_request_line_delimiters(true);
        let parsed = config.parse_request(&mut request, line);
        match (parsed, request.method, request.path, request.version) {
            (Ok(Status::Partial), Some(method), Some(target), Some(minor_version)) => {
                let start = StartLine::Request { method: method.to_owned(), target: target.to_owned() };
                Ok(Self::new(start, minor_version, line.len()))
            }
            _ if line.starts_with(HTTP2_PREFACE) => Err(no_start_line("this is the preface of HTTP/2")),
            (Err(httparse::Error::Version), ..) => Err(no_start_line("no version HTTP/1.0 or HTTP/1.1")),
            _ => Err(no_start_line("no request line")),
        }
    }

    /// Reads a status line, its line end included.
    pub(super) fn of_status_line(line: &[u8]) -> Result<Self, Error> {
        let mut response = httparse::Response::new(&mut []);
        let mut config = ParserConfig::default();
        config.allow_multiple_spaces_in_response_status_delimiters(true);
        let parsed = config.parse_response(&mut response, line);
        match (parsed, response.code, response.version) {
            (Ok(Status::Partial), Some(status), Some(minor_version)) => {
                // httparse gives no reason phrase where one has bytes beyond ASCII.
                let behind_version = line[VERSION.len() + 1..].trim_ascii_start();
                let reason = String::from_utf8_lossy(behind_version[3..].trim_ascii()).into_owned();
                Ok(Self::new(StartLine::Status { status, reason }, minor_version, line.len()))
            }
            (Err(httparse::Error::Version), ..) => Err(no_start_line("no version HTTP/1.0 or HTTP/1.1")),
            _ => Err(no_start_line("no status line")),
        }
    }

    fn new(start: StartLine, minor_version: u8, length: usize) -> Self {
        Self { start, minor_version, headers: Headers::default(), left_out: 0, length }
    }
}

/// What is said of a line that begins no message.
pub(super) fn no_start_line(what: &'static str) -> Error {
    Error { layer: "http", field: "start line", offset: 0, kind: ErrorKind::Malformed { what } }
}

impl Header {
    /// The value as text; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}

impl Headers {
    /// The value of the first field of that name, in whatever case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<Cow<'_, str>> {
        self.all(name).next().map(Header::text)
    }

    /// The fields of that name, in whatever case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Header> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The members of a list that may be spread over several fields of that name (RFC 9110 5.6.1); empty ones are none.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let mut members = Vec::new();
        for header in self.all(name) {
            let text = header.text();
            members.extend(
                text.split(',').map(str::trim).filter(|member| !member.is_empty()).map(str::to_owned),
            );
        }
        members
    }

    /// Takes a field line without its line end, or the continuation of the last one; false where it is left out.
    pub(super) fn push_line(
        &mut self,
        line: &[u8],
        was_left_out: bool,
        anomalies: &mut Vec<Anomaly>,
    ) -> bool {
        if is_continuation(line) && (was_left_out || !self.0.is_empty()) {
            note(anomalies, Anomaly::FoldedField);
            if let Some(last) = self.0.last_mut().filter(|_| !was_left_out) {
                let more = trim(line);
                if !last.value.is_empty() && !more.is_empty() {
                    last.value.push(b' ');
                }
                last.value.extend_from_slice(more);
            }
            return !was_left_out;
        }
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..0], line),
        };
        let trimmed = trim(name);
        if trimmed.len() < name.len() {
            note(anomalies, Anomaly::BlankBesideFieldName);
        }
        if trimmed.is_empty() || !trimmed.iter().all(|&byte| is_token(byte)) {
            note(anomalies, Anomaly::MalformedField);
        }
        let decides_framing = FRAMING_FIELDS.iter().any(|field| trimmed.eq_ignore_ascii_case(field));
        if self.0.len() >= MAX_HEADERS && !decides_framing {
            return false;
        }
        let name = String::from_utf8_lossy(trimmed).into_owned();
        self.0.push(Header { name, value: trim(value).to_vec() });
        true
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// True for a line that goes on with the field in front of it (RFC 9112 5.2).
pub(super) fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The most bytes of a start line, its line end included.
pub const MAX_START_LINE: usize = 8 << 10;
/// The most bytes of a head.
pub const MAX_HEAD: usize = 64 << 10;
/// The most header fields of a message that are kept, and trailer fields; those that decide how long the body is are
/// kept beyond.
pub const MAX_HEADERS: usize = 256;

pub(super) const SWITCHING_PROTOCOLS: u16 = 101;
const VERSION: &[u8] = b"HTTP/1.1";
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
const FRAMING_FIELDS: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[&str]) -> (Headers, Vec<Anomaly>) {
        let (mut headers, mut anomalies) = (Headers::default(), Vec::new());
        for line in lines {
            headers.push_line(line.as_bytes(), false, &mut anomalies);
        }
        (headers, anomalies)
    }

    #[test]
    fn a_request_line_is_its_method_its_target_and_its_version() {
        let head = Head::of_request_line(b"POST /a.asmx?x=1 HTTP/1.0\r\n").unwrap();
        assert_eq!((head.method(), head.target()), (Some("POST"), Some("/a.asmx?x=1")));
        assert_eq!((head.minor_version, head.status()), (0, None));
        assert!(Head::of_request_line(b"M-SEARCH  *   HTTP/1.1\n").is_ok());
    }

    #[test]
    fn a_status_line_may_lack_its_reason_or_have_one_that_is_no_ascii() {
        for (line, reason) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], "OK"),
            (b"HTTP/1.1 200\r\n", ""),
            (b"HTTP/1.1 200 \n", ""),
            (b"HTTP/1.1  200  Very  well\r\n", "Very  well"),
            (b"HTTP/1.1 200 Sch\xc3\xb6n\r\n", "Schön"),
            (b"HTTP/1.1 200 Sch\xf6n\r\n", "Sch\u{fffd}n"),
        ] {
            let head = Head::of_status_line(line).unwrap();
            assert_eq!(head.start, StartLine::Status { status: 200, reason: reason.to_owned() });
        }
    }

    #[test]
    fn what_is_no_start_line_is_refused_with_its_reason() {
        for (line, expected) in [
            (&b"PRI * HTTP/2.0\r\n"[..], "this is the preface of HTTP/2"),
            (b"OPTIONS sip:a SIP/2.0\r\n", "no version HTTP/1.0 or HTTP/1.1"),
            (b"\x16\x03\x01\n", "no request line"),
            (b"GET / HTTP/1.1 \r\n", "no request line"),
        ] {
            let error = Head::of_request_line(line).unwrap_err().to_string();
            assert_eq!(error, format!("http: start line at offset 0: {expected}"));
        }
        assert!(Head::of_status_line(b"HTTP/1.1 20x OK\r\n").is_err());
        assert!(Head::of_status_line(b"HTTP/1.1\r\n").is_err());
    }

    #[test]
    fn fields_are_found_in_whatever_case_and_keep_their_order() {
        let (headers, anomalies) = fields(&["Set-Cookie: a", "X:1", "set-cookie:\tb \t", "Empty:"]);
        assert_eq!(headers.first("SET-COOKIE").as_deref(), Some("a"));
        assert_eq!(headers.all("set-cookie").map(Header::text).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(headers.first("empty").as_deref(), Some(""));
        assert_eq!(headers.0[2].name, "set-cookie");
        assert!(anomalies.is_empty());
    }

    #[test]
    fn a_list_is_gathered_from_all_its_fields() {
        let (headers, _) = fields(&["TE: a, b,,", "te:", "Te: ,c"]);
        assert_eq!(headers.list("te"), ["a", "b", "c"]);
    }

    #[test]
    fn odd_field_lines_are_kept_and_noted() {
        let (headers, anomalies) =
            fields(&["A:", "  folded ", "\tonce more", "Name : x", "no colon", "b\x01d:y"]);
        let kept: Vec<_> = headers.into_iter().map(|h| (h.name.as_str(), h.text())).collect();
        let expected = [("A", "folded once more"), ("Name", "x"), ("", "no colon"), ("b\x01d", "y")]
            .map(|(n, v)| (n, v.into()));
        assert_eq!(kept, expected);
        let expected = [Anomaly::FoldedField, Anomaly::BlankBesideFieldName, Anomaly::MalformedField];
        assert_eq!(anomalies, expected);
    }
}

use std::fmt::Write as _;
use std::io::{self, Read};

use serde_json::{Value, json};

use crate::http::har::{self, Entry, HarError};
use crate::http::{
    Cut, Framed, Framer, Framing, Handler, Head, Headers, MAX_BODY, MAX_HEAD, MAX_TRAILERS, Message,
};

use super::framing::{FramerPlan, Pieces, pieces};
use super::{ignore, words};

/// Holds that a stream in pieces is framed like the whole one, that every byte that comes is part of just one thing, and
/// that a framer holds no more than it says; of a stream that is made here, that its messages come out as they went in.
///
/// The first byte says what the rest is: bit 0, a server's direction; bits 1 and 2, what was asked first (nothing, GET,
/// HEAD or CONNECT); bit 3, the stream is made, each of its bytes a choice; bit 4, no body is wanted. Behind it is a
/// [`FramerPlan`].
pub fn http(data: &[u8]) {
    let (&kind, rest) = data.split_first().unwrap_or((&0, &[]));
    let plan = FramerPlan::read(rest);
    let setup = Setup {
        is_responses: kind & 1 != 0,
        asked: [None, Some("GET"), Some("HEAD"), Some("CONNECT")][usize::from(kind >> 1 & 3)],
        is_mid_stream: plan.mid_stream,
        is_wanted: kind & 16 == 0,
    };
    if kind & 8 == 0 {
        framed(&setup, &plan);
    } else {
        made(setup.is_responses, &plan);
    }
}

/// How a framer is set up.
struct Setup {
    is_responses: bool,
    asked: Option<&'static str>,
    is_mid_stream: bool,
    is_wanted: bool,
}

/// Takes what a framer hands out; stamps are the numbers of the pieces.
struct Things {
    is_wanted: bool,
    heads: u64,
    messages: Vec<Message<usize>>,
    /// What accounts for bytes: its kind, where it begins and ends, and the stamps of its first and last byte.
    spans: Vec<(&'static str, u64, u64, usize, Option<usize>)>,
}

impl Handler<usize> for Things {
    fn framed(&mut self, framed: Framed<'_, usize>) {
        match framed {
            Framed::Head { offset, first, head } => {
                self.heads += 1;
                assert_eq!(self.heads, self.messages.len() as u64 + 1, "a head without its message");
                assert!(head.length <= MAX_HEAD);
                ignore(&(offset, first, head.is_interim()));
            }
            Framed::Message(message) => {
                assert_eq!(self.heads, self.messages.len() as u64 + 1, "a message without its head");
                ignore(&message);
                let end = message.offset + message.length;
                let begin = message.offset - message.leading;
                let last = (message.missing == 0).then_some(message.last);
                // The stamp of the first byte is that of the start line's, not of the empty lines in front.
                if message.leading > 0 {
                    self.spans.push(("leading", begin, message.offset, usize::MAX, None));
                }
                self.spans.push(("message", message.offset, end, message.first, last));
                self.messages.push(*message);
            }
            Framed::Skipped { offset, length, first, sample, error } => {
                assert!(sample.len() as u64 <= length);
                ignore(&format_args!("{error}"));
                self.spans.push(("skipped", offset, offset + length, first, None));
            }
            Framed::Upgraded { offset } => self.spans.push(("upgraded", offset, offset, usize::MAX, None)),
            Framed::Raw { offset, stamp, bytes } => {
                let end = offset + bytes.len() as u64;
                self.spans.push(("raw", offset, end, stamp, Some(stamp)));
            }
        }
    }

    fn wants(&mut self, _: &Head) -> bool {
        self.is_wanted
    }
}

fn frame(setup: &Setup, asked: &[&str], pieces: &[(usize, &[u8])]) -> Things {
    let framer = if setup.is_responses { Framer::responses() } else { Framer::requests() };
    let mut framer = if setup.is_mid_stream { framer.mid_stream() } else { framer };
    asked.iter().for_each(|method| framer.expect(method));
    let mut things = Things { is_wanted: setup.is_wanted, heads: 0, messages: Vec::new(), spans: Vec::new() };
    for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
        framer.push(*offset as u64, bytes, stamp, &mut things);
        assert_eq!(framer.end(), (offset + bytes.len()) as u64);
        assert!(framer.held() <= 2 * MAX_HEAD + MAX_BODY + MAX_TRAILERS);
    }
    framer.finish(&mut things);
    assert_eq!(things.heads, things.messages.len() as u64);
    things
}

/// Bytes of whatever kind.
fn framed(setup: &Setup, plan: &FramerPlan<'_>) {
    let (whole_pieces, parts, gap) = both(plan);
    let asked: Vec<&str> = setup.asked.into_iter().collect();
    let whole = frame(setup, &asked, &whole_pieces);
    let in_parts = frame(setup, &asked, &parts);

    // Pieces of raw bytes are as they came, and stamps depend on the pieces.
    let without_pieces = |things: &Things| -> Vec<(&'static str, u64, u64)> {
        let mut spans: Vec<(&'static str, u64, u64)> = Vec::new();
        for &(kind, begin, end, ..) in &things.spans {
            match spans.last_mut() {
                Some(last) if kind == "raw" && last.0 == "raw" && last.2 == begin => last.2 = end,
                _ => spans.push((kind, begin, end)),
            }
        }
        spans
    };
    assert_eq!(without_pieces(&in_parts), without_pieces(&whole), "in pieces, and whole");
    let without_stamps = |things: &Things| -> Vec<Message<usize>> {
        let strip = |message: &Message<usize>| Message { first: 0, last: 0, ..message.clone() };
        things.messages.iter().map(strip).collect()
    };
    assert_eq!(without_stamps(&in_parts), without_stamps(&whole), "in pieces, and whole");

    for (things, parts) in [(&whole, &whole_pieces), (&in_parts, &parts)] {
        tiled(things, parts, &gap, plan.stream.len());
    }
    for message in &whole.messages {
        consistent(message);
        let end = usize::try_from(message.offset).expect("an offset in memory") + message.head.length;
        let begin = end - message.head.length;
        if gap.is_empty() || gap.start >= end || gap.end <= begin {
            agrees_with_httparse(&message.head, &plan.stream[begin..end]);
        }
    }
    if let Some(message) = whole.messages.first() {
        ignore(&message.content());
    }
}

/// The pieces of a plan: as few as can be, as it says, and what is missing between them.
fn both<'a>(plan: &FramerPlan<'a>) -> (Pieces<'a>, Pieces<'a>, std::ops::Range<usize>) {
    let length = plan.stream.len();
    let within = |at: u16| usize::from(at) % (length + 1);
    let from = within(plan.gap[0]);
    let gap = from..(from + usize::from(plan.gap[1])).min(length);
    let mut ends: Vec<usize> = plan.cuts.into_iter().map(within).collect();
    ends.sort_unstable();
    (pieces(plan.stream, &[], gap.clone()), pieces(plan.stream, &ends, gap.clone()), gap)
}

/// Every byte that came is part of just one thing, in order, and begins and ends in the piece that the stamp says.
fn tiled(things: &Things, parts: &[(usize, &[u8])], gap: &std::ops::Range<usize>, length: usize) {
    let lies_in = |stamp: usize, at: u64| {
        let (begin, bytes) = parts[stamp];
        (begin as u64..(begin + bytes.len()) as u64).contains(&at)
    };
    let is_lost = |from: u64, to: u64| from == to || (from >= gap.start as u64 && to <= gap.end as u64);
    let mut at = 0;
    for &(kind, begin, end, first, last) in &things.spans {
        assert!(begin >= at, "{kind} at {begin} is handed out behind {at}");
        assert!(is_lost(at, begin), "nothing accounts for the bytes from {at} to {kind} at {begin}");
        if first != usize::MAX && end > begin {
            assert!(lies_in(first, begin), "{kind} at {begin} begins in another piece");
        }
        if let Some(last) = last {
            assert!(lies_in(last, end - 1), "{kind} up to {end} ends in another piece");
        }
        at = end;
    }
    assert!(at <= length as u64 && is_lost(at, length as u64), "nothing accounts for the bytes from {at} on");
}

/// What holds of any message.
fn consistent(message: &Message<usize>) {
    words::http(message);
    assert!(message.body.len() as u64 <= message.body_length);
    let inside = message.head.length as u64 + message.body_length + message.missing;
    assert!(inside <= message.length, "{message:?} has more than its bytes");
    match (&message.cut, message.framing) {
        (None, Framing::Length(length)) => assert_eq!(message.body_length, length),
        (None, Framing::None) => assert_eq!(message.length, message.head.length as u64),
        (None, _) => assert_eq!(message.missing, 0),
        (Some(Cut::Gap | Cut::End), _) => {}
        (Some(Cut::Damaged(error)), _) => assert!(error.offset as u64 <= message.length),
    }
}

/// A head that httparse takes as a whole has the fields that it finds.
fn agrees_with_httparse(head: &Head, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 300];
    let fields = if head.method().is_some() {
        let mut request = httparse::Request::new(&mut fields);
        let is_whole = matches!(request.parse(bytes), Ok(httparse::Status::Complete(_)));
        is_whole.then_some(request.headers)
    } else {
        let mut response = httparse::Response::new(&mut fields);
        let is_whole = matches!(response.parse(bytes), Ok(httparse::Status::Complete(_)));
        is_whole.then_some(response.headers)
    };
    if let Some(fields) = fields.filter(|_| head.left_out == 0) {
        let ours: Vec<(&str, &[u8])> =
            head.headers.into_iter().map(|h| (h.name.as_str(), &*h.value)).collect();
        let theirs: Vec<(&str, &[u8])> = fields.iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(ours, theirs);
    }
}

/// Choices that are made by bytes; where they end, the first of each.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn up_to(&mut self, most: u8) -> usize {
        usize::from(self.byte()) % (usize::from(most) + 1)
    }

    fn bytes(&mut self, most: u8) -> &'a [u8] {
        let length = self.up_to(most).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// Text of so many characters at most that JSON has to escape, or may.
    fn text(&mut self, most: u8) -> String {
        let bytes = self.bytes(most);
        bytes.iter().map(|&byte| if byte == 0x80 { '\u{1f600}' } else { char::from(byte) }).collect()
    }
}

/// A message that is made, and what is to come out.
struct Sent {
    leading: u64,
    start: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

/// A stream of right messages.
fn made(is_responses: bool, plan: &FramerPlan<'_>) {
    let mut choices = Choices(plan.stream);
    let mut stream = Vec::new();
    let mut sent = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..=choices.up_to(5) {
        let reaches_to_end = write_message(&mut choices, is_responses, &mut stream, &mut sent, &mut asked);
        if reaches_to_end {
            break;
        }
    }
    let setup = Setup { is_responses, asked: None, is_mid_stream: false, is_wanted: true };
    let (_, parts, _) = both(&FramerPlan { gap: [0, 0], stream: &stream, ..*plan });
    let things = frame(&setup, &asked, &parts);

    let as_sent = |headers: &Headers| -> Vec<(String, Vec<u8>)> {
        headers.into_iter().map(|header| (header.name.clone(), header.value.clone())).collect()
    };
    assert!(things.spans.iter().all(|span| matches!(span.0, "message" | "leading")), "{:?}", things.spans);
    assert_eq!(things.messages.len(), sent.len());
    for (message, sent) in things.messages.iter().zip(&sent) {
        let head = &message.head;
        let start = match (head.method(), head.target(), head.status()) {
            (Some(method), Some(target), None) => format!("{method} {target}"),
            (None, None, Some(status)) => format!("{status}"),
            other => panic!("{other:?}"),
        };
        assert_eq!((start, as_sent(&head.headers)), (sent.start.clone(), sent.fields.clone()));
        assert_eq!((&message.body, as_sent(&message.trailers)), (&sent.body, sent.trailers.clone()));
        assert_eq!((message.cut.as_ref(), message.leading), (None, sent.leading));
        consistent(message);
    }
}

/// Writes a message; true where nothing can follow it.
fn write_message(
    choices: &mut Choices<'_>,
    is_responses: bool,
    stream: &mut Vec<u8>,
    sent: &mut Vec<Sent>,
    asked: &mut Vec<&str>,
) -> bool {
    let line_end = choices.of(&["\r\n", "\n"]);
    let mut head = String::new();
    let leading = choices.up_to(3).saturating_sub(1);
    head.push_str(&line_end.repeat(leading));
    let leading = head.len() as u64;
    let method = choices.of(&["GET", "POST", "HEAD", "BREW"]);
    let status = choices.of(&[200, 204, 304, 404, 500]);
    let start = if is_responses {
        asked.push(method);
        // Interim responses are no answer.
        for _ in 0..choices.up_to(2).saturating_sub(1) {
            let interim =
                Sent { leading, start: "100".to_owned(), fields: vec![], body: vec![], trailers: vec![] };
            stream.extend_from_slice(format!("{head}HTTP/1.1 100 Continue{line_end}{line_end}").as_bytes());
            sent.push(interim);
        }
        let _ = write!(head, "HTTP/1.1 {status} {}{line_end}", choices.of(&["OK", "", "Not really"]));
        format!("{status}")
    } else {
        let target = choices.of(&["/", "*", "http://test.example/a?b#c", "/x%20y"]);
        let _ = write!(head, "{method} {target} HTTP/1.{}{line_end}", choices.of(&[1, 0]));
        format!("{method} {target}")
    };
    let mut fields = write_fields(choices, line_end, &mut head);
    let has_body = !is_responses || (method != "HEAD" && !matches!(status, 204 | 304));
    let is_old = head.contains("HTTP/1.0");
    let framing = choices.of(&[Framing::None, Framing::Length(1), Framing::Chunked, Framing::UntilClose]);
    let mut body = choices.bytes(255).to_vec();
    let mut trailers = Vec::new();
    let mut coded = Vec::new();
    let mut reaches_to_end = false;
    match framing {
        Framing::Chunked if !is_old => {
            fields.push(("Transfer-Encoding".to_owned(), b"chunked".to_vec()));
            let _ = write!(head, "Transfer-Encoding: chunked{line_end}");
            let mut rest: &[u8] = &body;
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at((1 + choices.up_to(60)).min(rest.len()));
                let extension = choices.of(&["", ";a", " ;a=\"b\"", "  "]);
                let length = chunk.len();
                let size = if choices.byte().is_multiple_of(2) {
                    format!("{length:x}")
                } else {
                    format!("{length:03X}")
                };
                coded.extend_from_slice(format!("{size}{extension}{line_end}").as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(line_end.as_bytes());
                rest = behind;
            }
            let mut end = format!("0{line_end}");
            trailers = write_fields(choices, line_end, &mut end);
            end.push_str(line_end);
            coded.extend_from_slice(end.as_bytes());
        }
        Framing::UntilClose if is_responses && has_body => {
            coded.clone_from(&body);
            reaches_to_end = true;
        }
        Framing::None if !is_responses => body.clear(),
        _ => {
            let length = body.len();
            fields.push(("content-length".to_owned(), format!("{length}").into_bytes()));
            let _ = write!(head, "content-length: {length}{line_end}");
            coded.clone_from(&body);
        }
    }
    if !has_body {
        body.clear();
        trailers.clear();
        coded.clear();
    }
    head.push_str(line_end);
    stream.extend_from_slice(head.as_bytes());
    stream.extend_from_slice(&coded);
    sent.push(Sent { leading, start, fields, body, trailers });
    reaches_to_end
}

/// Up to three fields that do not decide how long a body is.
fn write_fields(choices: &mut Choices<'_>, line_end: &str, out: &mut String) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    for _ in 0..choices.up_to(3) {
        let name = choices.of(&["Host", "X-a", "SOAPAction", "x-A"]);
        let (written, read) = match choices.up_to(4) {
            0 => (" plain".to_owned(), "plain".to_owned()),
            1 => (String::new(), String::new()),
            2 => ("\t\"tabs, and blanks\" \t ".to_owned(), "\"tabs, and blanks\"".to_owned()),
            3 => (format!(" one{line_end}  two{line_end}\tthree"), "one two three".to_owned()),
            _ => ("é:;".to_owned(), "é:;".to_owned()),
        };
        let _ = write!(out, "{name}:{written}{line_end}");
        fields.push((name.to_owned(), read.into_bytes()));
    }
    fields
}

/// Holds that a file is read the same whatever the pieces it comes in, that its entries come in order and its error lies
/// in it; and that entries that are made of the bytes come back as they were written.
pub fn har(data: &[u8]) {
    let (entries, har) = read_all(data);
    let (again, in_pieces) = read_all(Bytewise(data));
    assert_eq!((&again, in_pieces.entries, in_pieces.oddities), (&entries, har.entries, har.oddities));
    let position = |error: &Option<HarError>| error.as_ref().and_then(HarError::position);
    assert_eq!(position(&in_pieces.error), position(&har.error));
    assert!(position(&har.error).is_none_or(|position| position.offset <= data.len() as u64));
    if let Some(error) = &har.error {
        ignore(&format_args!("{error}"));
        assert!(!matches!(error, HarError::Io { .. }), "{error}");
    }
    let mut last = None;
    for entry in &entries {
        assert!(last < Some(entry.index) && entry.index < har.entries);
        last = Some(entry.index);
        assert!(
            entry.offset < data.len() as u64
                && data[usize::try_from(entry.offset).expect("in memory")] == b'{'
        );
        ignore(entry);
        let body = entry.response.as_ref().and_then(|response| response.content.as_ref());
        ignore(&body.map(har::ResponseContent::bytes));
    }
    written(data);
}

/// Entries that are made of the bytes are read back.
fn written(data: &[u8]) {
    let mut choices = Choices(data);
    let mut values = Vec::new();
    for _ in 0..choices.up_to(4) {
        let fields: Vec<Value> = (0..choices.up_to(3))
            .map(|_| json!({"name": choices.text(9), "value": choices.text(20)}))
            .collect();
        values.push(json!({
            "startedDateTime": choices.text(20),
            "request": {"method": choices.text(5), "url": choices.text(30), "headers": fields.clone(),
                "postData": {"mimeType": choices.text(9), "text": choices.text(200), "params": fields}},
            "response": {"status": choices.byte(), "_error": choices.text(9),
                "content": {"text": choices.text(200), "encoding": choices.text(3), "size": choices.byte()}},
            "_other": [choices.text(9), {"log": null}],
            "time": f64::from(choices.byte()) / 4.0,
        }));
    }
    let file = json!({"log": {"entries": values.clone(), "version": "1.2"}, "more": 1});
    let text = if choices.byte().is_multiple_of(2) { file.to_string() } else { format!("\u{feff}{file:#}") };
    let (entries, har) = read_all(text.as_bytes());
    assert!(har.error.is_none() && har.oddities == har::Oddities::default());
    assert_eq!(entries.len(), values.len());
    for (entry, value) in entries.into_iter().zip(values) {
        let request = entry.request.expect("it was written");
        let response = entry.response.expect("it was written");
        let (post, content) = (request.post_data.expect("written"), response.content.expect("written"));
        let fields: Vec<Value> =
            request.headers.into_iter().map(|h| json!({"name": h.name, "value": h.text()})).collect();
        let params: Vec<Value> =
            post.params.iter().map(|param| json!({"name": param.name, "value": param.value})).collect();
        let again = json!({
            "startedDateTime": entry.started,
            "request": {"method": request.method, "url": request.url, "headers": fields,
                "postData": {"mimeType": post.mime_type, "text": post.text, "params": params}},
            "response": {"status": response.status, "_error": response.error,
                "content": {"text": content.text, "encoding": content.encoding, "size": content.size}},
            "_other": value["_other"],
            "time": entry.time,
        });
        assert_eq!(again, value);
        assert!(entry.is_complete && entry.oddities == har::Oddities::default());
    }
}

fn read_all(file: impl Read) -> (Vec<Entry>, har::Har) {
    let mut entries = Vec::new();
    let har = har::read(file, |entry| entries.push(entry));
    (entries, har)
}

/// Gives a byte at a time.
struct Bytewise<'a>(&'a [u8]);

impl Read for Bytewise<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

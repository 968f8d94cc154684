use std::borrow::Cow;
use std::io::Read;

use crate::capture::Stamp;
use crate::directory::{ActivationObject, ldif};
use crate::http::{Content as Decoded, Headers, har};
use crate::mak::{self, Content, Message, vamt};
use crate::wire::Error;

use super::mak::{Body, Carrier, MakAnswer, MakExchange, MakRequest, Place, RequestHead, soap_action};
use super::{
    FileFormat, FileRecord, InputKind, Notice, NoticeKind, ObjectRecord, Observer, Options, RingOptions,
    Summary, look_at, trace, trace_ring,
};

/// Reads an input of any kind to its end, as its first bytes say what it is, and tells the observer what is in it.
pub fn trace_any(name: &str, reader: impl Read, options: &Options, observer: &mut impl Observer) -> Summary {
    match look_at(reader) {
        Ok((InputKind::Capture, reader)) => trace(name, reader, options, observer),
        Ok((kind, reader)) => {
            observer.file(&FileRecord { name, format: Some(FileFormat::Other(kind)), files: &[] });
            trace_document(kind, reader, &RingOptions::default(), observer)
        }
        Err(error) => {
            let message = format!("cannot be read: {error}");
            observer.notice(&Notice::new(NoticeKind::Unreadable, message));
            let summary = Summary { notices: 1, ..Summary::default() };
            observer.summary(&summary);
            summary
        }
    }
}

/// Reads what is no capture; of rings, `rings` says what they are.
pub fn trace_document(
    kind: InputKind,
    reader: impl Read,
    rings: &RingOptions,
    observer: &mut impl Observer,
) -> Summary {
    match kind {
        InputKind::Har => trace_har(reader, observer),
        InputKind::Vamt => trace_vamt(reader, observer),
        InputKind::Ldif => trace_ldif(reader, observer),
        InputKind::Ring => trace_ring(reader, rings, observer),
        InputKind::Document | InputKind::Capture => trace_body(reader, observer),
    }
}

/// Reads a HAR file to its end and tells the observer of the exchanges with MAK's services in it.
pub fn trace_har(reader: impl Read, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    let read = har::read(reader, |entry| {
        let exchange = of_entry(&entry);
        if exchange.is_with_a_service() {
            summary.count(&exchange);
            observer.mak(&exchange);
        }
        if let Some(message) = oddities(&entry.oddities) {
            summary.notices += 1;
            let message = format!("entry {}: {message}", entry.index + 1);
            let file_offset = Some(entry.offset);
            observer.notice(&Notice { file_offset, ..Notice::new(NoticeKind::MalformedHar, message) });
        }
    });
    summary.entries = read.entries;
    let outside = oddities(&read.oddities);
    let outside = outside.map(|message| Notice::new(NoticeKind::MalformedHar, message));
    let failure = read.error.map(|error| {
        let kind = match error {
            har::HarError::Io { .. } => NoticeKind::Unreadable,
            har::HarError::Truncated { .. } => NoticeKind::TruncatedFile,
            har::HarError::Malformed { .. } => NoticeKind::DamagedFile,
            har::HarError::NoEntries => NoticeKind::NotACapture,
        };
        let file_offset = error.position().map(|position| position.offset);
        Notice { file_offset, ..Notice::new(kind, format!("HAR: {error}")) }
    });
    for notice in outside.into_iter().chain(failure) {
        summary.notices += 1;
        observer.notice(&notice);
    }
    observer.summary(&summary);
    summary
}

/// Reads the body of a request to one of MAK's services, or of an answer, as a client or a proxy has saved it.
pub fn trace_body(reader: impl Read, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    let mut bytes = Vec::new();
    let most = mak::MAX_BODY as u64;
    let mut complain = |summary: &mut Summary, notice: Notice| {
        summary.notices += 1;
        observer.notice(&notice);
    };
    if let Err(error) = reader.take(most + 1).read_to_end(&mut bytes) {
        complain(&mut summary, Notice::new(NoticeKind::Unreadable, format!("cannot be read: {error}")));
    }
    if bytes.len() as u64 > most {
        let message = format!("a body of more than {most} bytes: what is behind them is not read");
        complain(&mut summary, Notice::new(NoticeKind::BoundReached, message));
    }
    summary.bytes = bytes.len() as u64;
    let read = match Message::parse(&bytes) {
        Ok(Message { content: Content::Other { name, .. }, error, .. }) => match error {
            Some(error) => Err(error.to_string()),
            None => Err(format!("XML, but no document of a service of activation: its root is {name:?}")),
        },
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Err(message) => complain(&mut summary, Notice::new(NoticeKind::MalformedDocument, message)),
        Ok(()) => {
            let body = Body::read(&whole(Cow::Borrowed(&bytes), None));
            let exchange = of_body(body);
            summary.count(&exchange);
            observer.mak(&exchange);
        }
    }
    observer.summary(&summary);
    summary
}

/// Reads a file of the Volume Activation Management Tool and tells the observer of the computers in it.
pub fn trace_vamt(reader: impl Read, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    let read = vamt::read(reader, |entry| match entry {
        vamt::Entry::Computer(computer) => observer.computer(&computer),
        vamt::Entry::Value(value) => {
            observer.computer(&vamt::Computer { values: vec![value], ..vamt::Computer::default() });
        }
    });
    summary.computers = read.computers;
    if let Some(error) = read.error {
        summary.notices += 1;
        let file_offset = Some(error.offset as u64);
        observer.notice(&Notice {
            file_offset,
            needed: error.needed(),
            got: error.got(),
            ..Notice::new(NoticeKind::MalformedDocument, error.to_string())
        });
    }
    observer.summary(&summary);
    summary
}

/// Reads an export of a directory in LDIF and tells the observer of the activation objects in it.
pub fn trace_ldif(reader: impl Read, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    let read = ldif::read(reader, |entry| {
        if let Some(object) = ActivationObject::of(&entry.entry) {
            summary.objects += 1;
            let ldif::Entry { line, offset, urls, is_cut, .. } = entry;
            let elsewhere = urls.into_iter().map(|(attribute, _)| attribute).collect();
            observer.object(&ObjectRecord { line, offset, is_cut, elsewhere, object });
        }
    });
    summary.entries = read.entries;
    let told = read.problems.len() as u64;
    let notices = read.problems.into_iter().map(|ldif::Problem { line, error }| Notice {
        file_offset: Some(error.offset as u64),
        needed: error.needed(),
        got: error.got(),
        ..Notice::new(NoticeKind::MalformedDocument, format!("line {line}: {error}"))
    });
    let more = read.problem_count.saturating_sub(told);
    let message = format!("LDIF: {more} more lines are not what they should be");
    let more = (more > 0).then(|| Notice::new(NoticeKind::MalformedDocument, message));
    for notice in notices.chain(more) {
        summary.notices += 1;
        observer.notice(&notice);
    }
    observer.summary(&summary);
    summary
}

fn of_body(body: Body) -> MakExchange {
    let content = body.message.as_ref().map(|message| &message.content);
    let is_request = matches!(
        content,
        Some(Content::BatchRequest(_) | Content::RequestDocument(_) | Content::TokenRequest(_))
    );
    if is_request {
        MakExchange::new(Carrier::Body, Some(MakRequest { place: None, head: None, body }), None)
    } else {
        let answer = MakAnswer { place: None, status: None, reason: String::new(), body };
        MakExchange::new(Carrier::Body, None, Some(answer))
    }
}

fn of_entry(entry: &har::Entry) -> MakExchange {
    let number = entry.index + 1;
    let server = entry.server_ip.as_deref().and_then(|ip| ip.trim_matches(['[', ']']).parse().ok());
    let asked_at = entry.started_nanos;
    let answered_at =
        asked_at.zip(entry.time).and_then(|(asked, took)| asked.checked_add(nanoseconds(took)?));
    let place = |time| {
        let stamp = Stamp { frame: number, time };
        Some(Place { first: stamp, last: stamp })
    };
    let request = entry.request.as_ref().map(|request| {
        let text = |name: &str| request.headers.first(name).map(Cow::into_owned);
        let post = request.post_data.as_ref();
        let content_type = text("content-type").or_else(|| post.and_then(|post| post.mime_type.clone()));
        let (bytes, error) = post.map(har::PostData::bytes).unwrap_or_default();
        let head = RequestHead {
            method: request.method.clone().unwrap_or_default(),
            target: request.url.clone().unwrap_or_default(),
            host: text("host"),
            user_agent: text("user-agent"),
            soap_action: soap_action(text("soapaction").as_deref(), content_type.as_deref()),
        };
        let body = Body { content_type, ..body(bytes, error) };
        MakRequest { place: place(asked_at), head: Some(head), body }
    });
    let answer = entry.response.as_ref().filter(|response| response.status.is_some_and(|status| status > 0));
    let answer = answer.map(|response| {
        let content = response.content.as_ref();
        let (bytes, error) = content.map(har::ResponseContent::bytes).unwrap_or_default();
        let content_type = header(&response.headers, "content-type")
            .or_else(|| content.and_then(|content| content.mime_type.clone()));
        // What it was transferred in is off already.
        let content_encoding = header(&response.headers, "content-encoding");
        MakAnswer {
            place: place(answered_at),
            status: response.status,
            reason: response.status_text.clone().unwrap_or_default(),
            body: Body { content_type, content_encoding, ..body(bytes, error) },
        }
    });
    MakExchange::new(Carrier::Har { entry: number, server }, request, answer)
}

fn header(headers: &Headers, name: &str) -> Option<String> {
    headers.first(name).map(Cow::into_owned)
}

/// Only bodies that may be a service's are read: in the recording of a browser most are not.
fn body(bytes: Cow<'_, [u8]>, error: Option<Error>) -> Body {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'<' | 0xef | 0xfe | 0xff)) || error.is_some() {
        Body::read(&whole(bytes, error))
    } else {
        Body { length: bytes.len() as u64, is_complete: true, ..Body::default() }
    }
}

fn whole(bytes: Cow<'_, [u8]>, error: Option<Error>) -> Decoded<'_> {
    Decoded { bytes, codings_left: Vec::new(), error }
}

/// Of milliseconds, where they are a number that can be.
#[allow(clippy::cast_possible_truncation)] // the range is looked at
fn nanoseconds(milliseconds: f64) -> Option<i64> {
    let nanoseconds = milliseconds * 1e6;
    (0.0..9e18).contains(&nanoseconds).then_some(nanoseconds as i64)
}

fn oddities(oddities: &har::Oddities) -> Option<String> {
    let har::Oddities { mismatched, first_mismatched, left_out, dropped } = *oddities;
    let mut parts = Vec::new();
    if mismatched > 0 {
        let field = first_mismatched.unwrap_or("-");
        parts.push(format!(
            "fields of another type than they should have: {mismatched}, the first is {field}"
        ));
    }
    if left_out > 0 {
        parts.push(format!("members of lists left out: {left_out}"));
    }
    if dropped > 0 {
        parts.push(format!("bytes of long texts left out: {dropped}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

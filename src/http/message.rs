use crate::wire::Error;

use super::{Content, Head, Headers, content};

/// A message as it was transferred: chunks joined, codings left on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<S> {
    /// Stream offset of the start line's first byte.
    pub offset: u64,
    /// Bytes of the stream from there to the message's end, lost ones included.
    pub length: u64,
    /// Bytes of empty lines in front of the start line (RFC 9112 2.2).
    pub leading: u64,
    /// Stamp of the start line's first byte.
    pub first: S,
    /// Stamp of the last byte that came.
    pub last: S,
    /// Start line and header fields; of a message that is cut inside its head, the lines that are whole.
    pub head: Head,
    /// The number of the request that a response answers, by the order of [`Framer::expect`](super::Framer::expect),
    /// from 0; `None` where none was expected, and in a request.
    pub answers: Option<u64>,
    /// How the end of the body is found.
    pub framing: Framing,
    /// The body without chunk sizes: its first [`MAX_BODY`](super::MAX_BODY) bytes, up to the first gap; nothing where it
    /// was not wanted.
    pub body: Vec<u8>,
    /// Bytes of the body that came, kept or not.
    pub body_length: u64,
    /// Bytes of the body that were lost in gaps, as far as its framing tells.
    pub missing: u64,
    /// The fields behind the last chunk (RFC 9112 7.1.2).
    pub trailers: Headers,
    /// Trailer fields beyond [`MAX_HEADERS`](super::MAX_HEADERS), which are counted and not kept.
    pub trailers_left_out: usize,
    /// Why the message is not whole; `None` where it is.
    pub cut: Option<Cut>,
    /// What is odd about it, each thing once.
    pub anomalies: Vec<Anomaly>,
}

/// How the end of a message's body is found (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// Content-Length tells.
    Length(u64),
    /// The last chunk is empty.
    Chunked,
    /// It is where the connection ends.
    UntilClose,
}

/// Why a message is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Bytes of it were lost.
    Gap,
    /// The stream ended inside it.
    End,
    /// It cannot be read on; the offset counts from its start line. What stands there may begin another message.
    Damaged(Error),
}

/// What a message has that it should not have, and that does not keep it from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// A line ends without a carriage return (RFC 9112 2.2).
    BareLineFeed,
    /// A blank stands in front of a field's name, or between it and the colon (RFC 9112 5.1).
    BlankBesideFieldName,
    /// A field line has no colon, or a name that is no token (RFC 9110 5.1).
    MalformedField,
    /// A field goes on in the next line (RFC 9112 5.2).
    FoldedField,
    /// There are Content-Length and Transfer-Encoding, of which the latter is taken (RFC 9112 6.3).
    LengthBesideTransferEncoding,
    /// HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1); it is taken all the same.
    TransferEncodingInHttp10,
    /// The last of the transfer codings is not chunked (RFC 9112 6.3): the body reaches to the connection's end, or with
    /// `identity` as far as it would without.
    NotChunkedLast,
    /// Content-Length is no number; it is passed over.
    MalformedLength,
    /// Several Content-Length say the same.
    RepeatedLength,
    /// Several Content-Length say different things, of which the first is taken.
    ConflictingLengths,
}

impl<S> Message<S> {
    /// True where nothing of the message is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.cut.is_none()
    }

    /// The value of the first header field of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.head.header(name)
    }

    /// The body as it was meant, without its transfer and content codings.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        let headers = &self.head.headers;
        let mut codings = headers.list("content-encoding");
        codings.extend(headers.list("transfer-encoding"));
        codings.retain(|coding| !coding.eq_ignore_ascii_case(CHUNKED));
        content::decode(&codings.join(","), &self.body)
    }
}

impl Anomaly {
    /// A short name in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare_line_feed",
            Self::BlankBesideFieldName => "blank_beside_field_name",
            Self::MalformedField => "malformed_field",
            Self::FoldedField => "folded_field",
            Self::LengthBesideTransferEncoding => "length_beside_transfer_encoding",
            Self::TransferEncodingInHttp10 => "transfer_encoding_in_http_1_0",
            Self::NotChunkedLast => "not_chunked_last",
            Self::MalformedLength => "malformed_length",
            Self::RepeatedLength => "repeated_length",
            Self::ConflictingLengths => "conflicting_lengths",
        }
    }
}

/// Notes an anomaly, once.
pub(super) fn note(anomalies: &mut Vec<Anomaly>, anomaly: Anomaly) {
    if !anomalies.contains(&anomaly) {
        anomalies.push(anomaly);
    }
}

/// What a response is to, as far as its body depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    pub(super) fn of(method: &str) -> Self {
        match method {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// True where the connection belongs to another protocol behind this response (RFC 9110 7.8 and 9.3.6).
pub(super) fn is_upgrade(head: &Head, asked: Asked) -> bool {
    match head.status() {
        Some(super::head::SWITCHING_PROTOCOLS) => true,
        Some(status) => asked == Asked::Connect && status / 100 == 2,
        None => false,
    }
}

/// How the end of the body is found, by the rules of RFC 9112 6.3.
pub(super) fn framing(head: &Head, asked: Asked, anomalies: &mut Vec<Anomaly>) -> Framing {
    let has_none =
        |status| matches!(status, 100..=199 | 204 | 304) || asked == Asked::Head || is_upgrade(head, asked);
    if head.status().is_some_and(has_none) {
        return Framing::None;
    }
    let codings = head.headers.list("transfer-encoding");
    if let Some(last) = codings.last() {
        if head.minor_version == 0 {
            note(anomalies, Anomaly::TransferEncodingInHttp10);
        }
        if head.headers.all("content-length").next().is_some() {
            note(anomalies, Anomaly::LengthBesideTransferEncoding);
        }
        if last.eq_ignore_ascii_case(CHUNKED) {
            return Framing::Chunked;
        }
        note(anomalies, Anomaly::NotChunkedLast);
        if !last.eq_ignore_ascii_case("identity") {
            return Framing::UntilClose;
        }
    }
    match content_length(head, anomalies) {
        Some(length) => Framing::Length(length),
        None if head.status().is_some() => Framing::UntilClose,
        None => Framing::None,
    }
}

/// The first Content-Length that is a number.
fn content_length(head: &Head, anomalies: &mut Vec<Anomaly>) -> Option<u64> {
    let mut taken = None;
    for header in head.headers.all("content-length") {
        for text in header.text().split(',').map(str::trim) {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            match (text.parse().ok().filter(|_| is_number), taken) {
                (None, _) => note(anomalies, Anomaly::MalformedLength),
                (Some(length), None) => taken = Some(length),
                (Some(length), Some(taken)) if length == taken => note(anomalies, Anomaly::RepeatedLength),
                (Some(_), Some(_)) => note(anomalies, Anomaly::ConflictingLengths),
            }
        }
    }
    taken
}

const CHUNKED: &str = "chunked";

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(start: &str, lines: &[&str], asked: Asked) -> (Framing, Vec<Anomaly>) {
        let line = format!("{start}\r\n");
        let head = Head::of_status_line(line.as_bytes()).or_else(|_| Head::of_request_line(line.as_bytes()));
        let (mut head, mut anomalies) = (head.unwrap(), Vec::new());
        for line in lines {
            head.headers.push_line(line.as_bytes(), false, &mut anomalies);
        }
        (framing(&head, asked, &mut anomalies), anomalies)
    }

    const GET: &str = "GET / HTTP/1.1";
    const OK: &str = "HTTP/1.1 200 OK";

    #[test]
    fn a_body_ends_where_its_head_says() {
        use Framing::*;
        for (start, lines, asked, expected) in [
            (GET, &[][..], Asked::Other, None),
            (GET, &["Content-Length: 7"], Asked::Other, Length(7)),
            (GET, &["Transfer-Encoding: gzip, Chunked"], Asked::Other, Chunked),
            (OK, &[], Asked::Other, UntilClose),
            (OK, &["Content-Length: 0"], Asked::Other, Length(0)),
            (OK, &["Content-Length: 7"], Asked::Head, None),
            (OK, &["Transfer-Encoding: chunked"], Asked::Connect, None),
            ("HTTP/1.1 407 Who", &["Content-Length: 7"], Asked::Connect, Length(7)),
            ("HTTP/1.1 100 Go on", &["Content-Length: 7"], Asked::Other, None),
            ("HTTP/1.1 101 Other", &[], Asked::Other, None),
            ("HTTP/1.1 204 None", &["Content-Length: 7"], Asked::Other, None),
            ("HTTP/1.1 304 Same", &["Content-Length: 7"], Asked::Other, None),
        ] {
            assert_eq!(framed(start, lines, asked), (expected, vec![]), "{start} {lines:?}");
        }
    }

    #[test]
    fn conflicts_of_lengths_and_codings_are_decided_and_noted() {
        use Anomaly::*;
        for (start, lines, expected, anomalies) in [
            (GET, &["Content-Length: 5, 5"][..], Framing::Length(5), &[RepeatedLength][..]),
            (GET, &["Content-Length: 5", "content-length: 6"], Framing::Length(5), &[ConflictingLengths]),
            (GET, &["Content-Length:"], Framing::None, &[MalformedLength]),
            (GET, &["Content-Length: +5"], Framing::None, &[MalformedLength]),
            (OK, &["Content-Length: 99999999999999999999"], Framing::UntilClose, &[MalformedLength]),
            (
                OK,
                &["Content-Length: 5", "Transfer-Encoding: chunked"],
                Framing::Chunked,
                &[LengthBesideTransferEncoding],
            ),
            (OK, &["Transfer-Encoding: chunked, gzip"], Framing::UntilClose, &[NotChunkedLast]),
            (
                OK,
                &["Transfer-Encoding: identity", "Content-Length: 5"],
                Framing::Length(5),
                &[LengthBesideTransferEncoding, NotChunkedLast],
            ),
            (
                "HTTP/1.0 200 OK",
                &["Transfer-Encoding: chunked"],
                Framing::Chunked,
                &[TransferEncodingInHttp10],
            ),
        ] {
            assert_eq!(framed(start, lines, Asked::Other), (expected, anomalies.to_vec()), "{lines:?}");
        }
    }
}

//! MAK's documents: whatever the bytes, and whatever is made of them.

use std::borrow::Cow;
use std::hash::Hasher as _;

use crate::mak::vamt::{self, Entry};
use crate::mak::{
    BatchRequest, BatchResponse, Charset, Content, DigestCheck, EchoChecks, Encoding, ErrorCode, ErrorInfo,
    Fault, Field, Layout, Message, RequestDocument, RequestItem, RequestType, ResponseDocument, ResponseForm,
    ResponseItem, SoapVersion, TokenEntry, TokenRequest, TokenResponse, TokenService, TokenValues, digest,
};
use crate::wire::utf16;

use super::{Digest, Slow, ignore, words};

/// Holds that a body is read the same each time, that what is wrong with it lies within it, that a cut one gives what is
/// in front of the cut, and that what was read without an error is read again from what it is written as; and of a body
/// that is made of the bytes, all of it, and that its digest holds for its bytes and no other.
///
/// Bit 0 of a seed's first byte says that a body is made of the rest; otherwise the rest is the body.
pub fn soap(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    if kind & 1 == 0 {
        return any_body(rest);
    }
    let mut choices = Choices(rest);
    let message = choices.message();
    let layout = choices.layout();
    let body = message.encode_with(&layout);
    assert_eq!(Message::parse(&body).as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&body));
    let place = choices.word();
    cut(&body, &message, place);
    if let Content::BatchRequest(request) = &message.content
        && !request.raw.is_empty()
    {
        let mut right = request.clone();
        right.digest = Some(BatchRequest::of_raw(request.raw.clone()).digest.expect("it has one"));
        assert_eq!(right.digest_check(), DigestCheck::Pass);
        let at = place % right.raw.len();
        right.raw[at] ^= 1 << (place % 8);
        assert_eq!(right.digest_check(), DigestCheck::Fail);
        assert_ne!(digest(&right.raw), digest(&request.raw));
    }
}

fn any_body(body: &[u8]) {
    let read = Message::parse(body);
    assert_eq!(Message::parse(body), read);
    let message = match read {
        Ok(message) => message,
        Err(error) => return assert!(error.offset <= body.len(), "{error} is beyond {} bytes", body.len()),
    };
    ignore(&message);
    words::body(&message);
    if let Some(error) = &message.error {
        assert!(error.offset <= body.len(), "{error} is beyond {} bytes", body.len());
        ignore(&format_args!("{error}"));
    }
    let within = match &message.content {
        Content::BatchRequest(request) => {
            ignore(&request.digest_check());
            request.error.as_ref()
        }
        Content::BatchResponse(response) => response.error.as_ref(),
        _ => None,
    };
    if let Some(document) = message.response_document() {
        ignore(&EchoChecks::of(document, message.request_document()).by_name());
    }
    if message.error.is_none() && within.is_none() {
        let written = message.encode();
        let again = Message::parse(&written).expect("it was written");
        assert_eq!(again, message, "{}", String::from_utf8_lossy(&written));
        let sum = |sum: usize, &byte: &u8| sum.wrapping_mul(31).wrapping_add(byte.into());
        cut(body, &message, body.iter().fold(0, sum));
    }
}

/// Holds that a body that is cut gives the items of the whole one, up to the one that the cut is in.
fn cut(body: &[u8], whole: &Message, place: usize) {
    let end = place % (body.len() + 1);
    let Ok(part) = Message::parse(&body[..end]) else { return };
    if let Some(error) = &part.error {
        assert!(error.offset <= end, "{error} is beyond {end} bytes");
    }
    if let (Some(part), Some(whole)) = (part.request_document(), whole.request_document()) {
        let before = part.items.len().saturating_sub(1);
        assert_eq!(part.items[..before], whole.items[..before]);
    }
    if let (Some(part), Some(whole)) = (part.response_document(), whole.response_document()) {
        let before = part.items.len().saturating_sub(1);
        assert_eq!(part.items[..before], whole.items[..before]);
    }
}

/// Holds that a VAMT file says the same in pieces of any size, and that it is counted what it says.
pub fn vamt(data: &[u8]) {
    let tell = |step: usize| {
        let mut told = Digest::default();
        let (mut computers, mut values) = (0, 0);
        let summary = vamt::read(Slow { left: data, step }, |entry| {
            told.take(&entry);
            match entry {
                Entry::Computer(computer) => {
                    computers += 1;
                    assert!(computer.products.len() <= vamt::MAX_PRODUCTS);
                    ignore(&computer.candidates().collect::<Vec<_>>());
                }
                Entry::Value(_) => values += 1,
            }
        });
        assert_eq!((summary.computers, summary.values), (computers, values));
        if let Some(error) = &summary.error
            && Encoding::of(data).charset == Charset::Utf8
        {
            assert!(error.offset <= data.len(), "{error} is beyond {} bytes", data.len());
        }
        (summary, told.0.finish())
    };
    let whole = tell(data.len().max(1));
    assert_eq!(tell(1 + data.len() / 7), whole);
    assert_eq!(tell(1), whole);
}

/// What is made of bytes, one choice after the other; where they end, each is the first.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    fn below(&mut self, count: u8) -> usize {
        usize::from(self.byte() % count)
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Up to fifteen characters, mostly those that an ID has, and each that needs care.
    fn text(&mut self) -> String {
        const CHARACTERS: [char; 32] = [
            '0',
            '1',
            '2',
            '3',
            '4',
            '5',
            '6',
            '7',
            '8',
            '9',
            '-',
            '.',
            'A',
            'z',
            ' ',
            '\n',
            '\r',
            '\t',
            '<',
            '>',
            '&',
            '"',
            '\'',
            ';',
            '#',
            ']',
            '/',
            '\u{0}',
            '\u{e9}',
            '\u{fffd}',
            '\u{feff}',
            '\u{1f600}',
        ];
        let length = self.below(16);
        (0..length).map(|_| CHARACTERS[self.below(32)]).collect()
    }

    fn optional(&mut self) -> Option<String> {
        self.bit().then(|| self.text())
    }

    fn list<T>(&mut self, make: fn(&mut Self) -> T) -> Vec<T> {
        let length = self.below(4);
        (0..length).map(|_| make(self)).collect()
    }

    fn fields(&mut self) -> Vec<Field> {
        self.list(|choices| {
            let name = ["X", "Extra", "y-1", "\u{c9}l\u{e9}ment"][choices.below(4)];
            Field { name: name.to_owned(), value: choices.text() }
        })
    }

    fn namespace(&mut self) -> Cow<'static, str> {
        match self.below(3) {
            0 => Cow::Borrowed("http://www.microsoft.com/BatchActivationService"),
            1 => Cow::Borrowed(""),
            _ => Cow::Owned(self.text()),
        }
    }

    fn number(&mut self) -> u32 {
        (0..4).fold(0, |sum, _| sum << 8 | u32::from(self.byte()))
    }

    fn layout(&mut self) -> Layout {
        Layout {
            envelope_prefix: Cow::Borrowed(["soap", "s", ""][self.below(3)]),
            prefix: Cow::Borrowed(["", "ar"][self.below(2)]),
            indent: [None, Some(0), Some(2), Some(7)][self.below(4)],
            crlf: self.bit(),
            declaration: [None, Some("utf-8"), Some("utf-16")][self.below(3)],
        }
    }

    fn encoding(&mut self) -> Encoding {
        let charset = [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be][self.below(3)];
        Encoding { charset, has_bom: self.bit() }
    }

    fn message(&mut self) -> Message {
        let content = self.content();
        let mut message = Message { encoding: self.encoding(), ..Message::bare(content) };
        message.soap = match self.below(4) {
            0 => Some(SoapVersion::V1_1),
            1 => Some(SoapVersion::V1_2),
            2 => Some(SoapVersion::Other(format!("urn:{}", self.text()))),
            _ => None,
        };
        if message.soap.is_some() {
            message.headers = self.fields();
            message.other = self.fields();
            message.beside = self.fields();
        }
        message
    }

    fn content(&mut self) -> Content {
        match self.below(8) {
            0 => Content::BatchRequest(self.batch_request()),
            1 => {
                let form = [ResponseForm::Text, ResponseForm::Base64, ResponseForm::Elements][self.below(3)];
                let namespace = self.namespace();
                let document = self.response_document();
                Content::BatchResponse(BatchResponse {
                    namespace,
                    form,
                    document,
                    error: None,
                    other: self.fields(),
                })
            }
            2 => Content::RequestDocument(self.request_document()),
            3 => Content::ResponseDocument(self.response_document()),
            4 => {
                let service = TokenService::ALL[self.below(5)];
                let (use_key, claims) = (self.values(), self.values());
                let other = self.fields();
                Content::TokenRequest(TokenRequest { other, ..TokenRequest::new(service, use_key, claims) })
            }
            5 => {
                let token_type = self.text();
                Content::TokenResponse(TokenResponse::new(token_type, self.values()))
            }
            6 => Content::Fault(self.fault()),
            _ => {
                let namespace = self.namespace().into_owned();
                Content::Other { name: "Ping".to_owned(), namespace }
            }
        }
    }

    fn batch_request(&mut self) -> BatchRequest {
        let layout = self.layout();
        let mut request = BatchRequest::of(self.request_document(), &layout);
        if self.bit() {
            // In another encoding: a client that went wrong.
            let text = utf16::decode(&request.raw);
            request = BatchRequest::of_raw(self.encoding().encode(&text));
        }
        assert_eq!(request.digest_check(), DigestCheck::Pass);
        request.namespace = self.namespace();
        if self.bit() {
            request.digest = self.optional();
        }
        request.other = self.fields();
        request
    }

    fn request_document(&mut self) -> RequestDocument {
        RequestDocument {
            namespace: self.namespace(),
            version_number: self.optional(),
            request_type: self.bit().then(|| RequestType(self.number())),
            items: self.list(|choices| RequestItem {
                pid: choices.optional(),
                iid: choices.optional(),
                other: choices.fields(),
            }),
            other: self.fields(),
        }
    }

    fn response_document(&mut self) -> ResponseDocument {
        ResponseDocument {
            namespace: self.namespace(),
            version_number: self.optional(),
            response_type: self.bit().then(|| RequestType(self.number())),
            batch_id: self.optional(),
            items: self.list(|choices| ResponseItem {
                pid: choices.optional(),
                activation_remaining: choices.bit().then(|| i64::from(choices.number().cast_signed())),
                iid: choices.optional(),
                cid: choices.optional(),
                error_info: choices.error_info(),
                other: choices.fields(),
            }),
            error_info: self.error_info(),
            other: self.fields(),
        }
    }

    fn error_info(&mut self) -> Option<ErrorInfo> {
        self.bit()
            .then(|| ErrorInfo { code: self.bit().then(|| ErrorCode(self.number())), other: self.fields() })
    }

    fn values(&mut self) -> TokenValues {
        TokenValues {
            array_type: self.optional(),
            entries: self.list(|choices| TokenEntry {
                name: choices.optional(),
                value: choices.optional(),
                other: choices.fields(),
            }),
            other: self.fields(),
        }
    }

    fn fault(&mut self) -> Fault {
        Fault {
            code: self.optional(),
            subcodes: self.list(Self::text),
            reason: self.optional(),
            actor: self.optional(),
            node: self.optional(),
            hresult: self.bit().then(|| self.number()),
            messages: self.list(Self::text),
            detail: self.fields(),
            other: self.fields(),
        }
    }
}

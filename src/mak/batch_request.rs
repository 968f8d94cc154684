use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;

use crate::wire::{Error, ErrorKind};

use super::layout::XmlWriter;
use super::xml::{self, BATCH_SERVICE, Element, Field, REQUEST_DOCUMENT, XmlReader};
use super::{Charset, DigestCheck, Encoding, Layout, base64_text, digest};

/// What the BatchActivation service is asked: `BatchActivate/request/{Digest, RequestXml}`.
///
/// RequestXml is base64 of a [`RequestDocument`] in UTF-16LE, and Digest that of exactly these bytes; they are kept, as
/// the same document can be written in many ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchRequest {
    /// The namespace of BatchActivate.
    pub namespace: Cow<'static, str>,
    /// Digest as it was sent.
    pub digest: Option<String>,
    /// The bytes that RequestXml stands for, as far as it is base64.
    pub raw: Vec<u8>,
    /// True where RequestXml is there, came to its end and was base64 all along.
    pub is_whole: bool,
    /// How the document in RequestXml is written. UTF-8 is what a client that went wrong sends.
    pub encoding: Encoding,
    /// The document in RequestXml, as far as it could be read.
    pub document: RequestDocument,
    /// What is wrong with RequestXml (offsets count the characters of its text) or with the document in it (they count
    /// the bytes of [`Self::raw`]).
    pub error: Option<Error>,
    /// Elements beside Digest and RequestXml.
    pub other: Vec<Field>,
}

impl Encoding {
    /// UTF-16LE without a byte order mark: what RequestXml has to hold.
    pub const REQUEST_XML: Self = Self { charset: Charset::Utf16Le, has_bom: false };
}

impl BatchRequest {
    /// The request that carries a document, written so, with the right digest.
    #[must_use]
    pub fn of(document: RequestDocument, layout: &Layout) -> Self {
        let raw = document.encode(layout);
        Self {
            namespace: Cow::Borrowed(BATCH_SERVICE),
            digest: Some(base64_text::encode(&digest(&raw))),
            raw,
            is_whole: true,
            encoding: Encoding::REQUEST_XML,
            document,
            error: None,
            other: Vec::new(),
        }
    }

    /// The request whose RequestXml is these bytes, with the right digest.
    #[must_use]
    pub fn of_raw(raw: Vec<u8>) -> Self {
        let mut request = Self {
            namespace: Cow::Borrowed(BATCH_SERVICE),
            digest: Some(base64_text::encode(&digest(&raw))),
            is_whole: true,
            ..Self::default()
        };
        request.read_document(raw, None);
        request
    }

    /// Verifies Digest over the bytes that were sent.
    #[must_use]
    pub fn digest_check(&self) -> DigestCheck {
        let sent = match self.digest.as_deref().map(|text| text.trim_matches(xml::WHITE_SPACE)) {
            None | Some("") => return DigestCheck::Missing,
            Some(text) => text,
        };
        // A digest has 44 characters; what takes more than this is none.
        let mut bytes = [0; 48];
        match base64_text::ENGINE.decode_slice(sent, &mut bytes) {
            Ok(32) if !self.is_whole => DigestCheck::Unreadable,
            Ok(32) if bytes[..32] == digest(&self.raw) => DigestCheck::Pass,
            Ok(32) => DigestCheck::Fail,
            _ => DigestCheck::NotADigest,
        }
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        while let Some(element) = reader.child()? {
            match element.local {
                "request" => {
                    while let Some(element) = reader.child()? {
                        self.read_part(reader, &element)?;
                    }
                }
                _ => self.read_part(reader, &element)?,
            }
        }
        Ok(())
    }

    fn read_part<'a>(&mut self, reader: &mut XmlReader<'a>, element: &Element<'a>) -> Result<(), Error> {
        match element.local {
            "Digest" => reader.once(element, "Digest", &mut self.digest, &mut self.other),
            "RequestXml" if self.raw.is_empty() => {
                let mut text = Cow::Borrowed("");
                let read = reader.value_into("RequestXml", &mut text);
                let (raw, error) = base64_text::decode(&text, "RequestXml");
                self.is_whole = read.is_ok() && error.is_none();
                self.read_document(raw, error);
                read.map(|_| ())
            }
            _ => reader.keep(element, &mut self.other),
        }
    }

    fn read_document(&mut self, raw: Vec<u8>, error: Option<Error>) {
        self.encoding = Encoding::of(&raw);
        let (text, undecoded) = self.encoding.decode(&raw, LAYER);
        let broken = self.document.parse(&text).map(|error| {
            let offset = self.encoding.offset(&raw, &text, error.offset);
            Error { offset, ..error }
        });
        self.error = error.or(undecoded).or(broken);
        self.raw = raw;
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open_in("BatchActivate", &self.namespace);
        writer.open("request");
        writer.leaf_of("Digest", self.digest.as_deref());
        if !self.raw.is_empty() {
            writer.leaf("RequestXml", &base64_text::encode(&self.raw));
        }
        writer.fields(&self.other);
        writer.close("request");
        writer.close("BatchActivate");
    }
}

/// The document in a batch request, ActivationRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDocument {
    /// The namespace of ActivationRequest.
    pub namespace: Cow<'static, str>,
    /// VersionNumber, "2.0" as a rule.
    pub version_number: Option<String>,
    /// RequestType.
    pub request_type: Option<RequestType>,
    /// What is asked about, at most [`super::MAX_ITEMS`].
    pub items: Vec<RequestItem>,
    /// Elements that have no place of their own, and values that are not what they should be.
    pub other: Vec<Field>,
}

/// One product that is asked about, Request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestItem {
    /// The extended product ID.
    pub pid: Option<String>,
    /// The installation ID; a request of type 2 has none.
    pub iid: Option<String>,
    /// Elements that have no place of their own.
    pub other: Vec<Field>,
}

/// RequestType, and ResponseType.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestType(pub u32);

impl RequestType {
    /// Asks for a confirmation ID.
    pub const CONFIRMATION_ID: Self = Self(1);
    /// Asks how many activations are left.
    pub const REMAINING_COUNT: Self = Self(2);

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok().map(Self) } else { None }
    }
}

impl fmt::Display for RequestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CONFIRMATION_ID => f.pad("confirmation ID"),
            Self::REMAINING_COUNT => f.pad("remaining count"),
            Self(other) => other.fmt(f),
        }
    }
}

impl fmt::Debug for RequestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.0)
    }
}

impl RequestDocument {
    /// A document of version 2.0 in its namespace.
    #[must_use]
    pub fn new(request_type: RequestType, items: Vec<RequestItem>) -> Self {
        Self {
            namespace: Cow::Borrowed(REQUEST_DOCUMENT),
            version_number: Some("2.0".to_owned()),
            request_type: Some(request_type),
            items,
            other: Vec::new(),
        }
    }

    /// The document as RequestXml holds it, in UTF-16LE.
    #[must_use]
    pub fn encode(&self, layout: &Layout) -> Vec<u8> {
        let mut writer = XmlWriter::new(layout);
        self.write(&mut writer);
        Encoding::REQUEST_XML.encode(&writer.finish())
    }

    /// Reads a document on its own, and says what is wrong with it.
    fn parse(&mut self, text: &str) -> Option<Error> {
        xml::read_document(text, LAYER, |reader, root| {
            if root.local == "ActivationRequest" {
                return self.read(reader, root);
            }
            reader.keep(root, &mut self.other)?;
            let kind = ErrorKind::Malformed { what: "it is no ActivationRequest" };
            Err(Error { layer: LAYER, field: "root element", offset: root.offset, kind })
        })
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        let other = &mut self.other;
        while let Some(element) = reader.child()? {
            match element.local {
                "VersionNumber" => reader.once(&element, "VersionNumber", &mut self.version_number, other)?,
                "RequestType" => {
                    let slot = &mut self.request_type;
                    reader.once_parsed(&element, "RequestType", slot, other, RequestType::parse)?;
                }
                "Requests" => {
                    let before = other.len();
                    let read = reader.items("Request", &mut self.items, other, RequestItem::read);
                    Field::within(&mut other[before..], "Requests");
                    read?;
                }
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open_in("ActivationRequest", &self.namespace);
        writer.leaf_of("VersionNumber", self.version_number.as_deref());
        if let Some(request_type) = self.request_type {
            writer.leaf("RequestType", &request_type.0.to_string());
        }
        writer.open("Requests");
        for item in &self.items {
            writer.open("Request");
            writer.leaf_of("PID", item.pid.as_deref());
            writer.leaf_of("IID", item.iid.as_deref());
            writer.fields(&item.other);
            writer.close("Request");
        }
        writer.close("Requests");
        writer.fields(&self.other);
        writer.close("ActivationRequest");
    }
}

impl RequestItem {
    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "PID" => reader.once(&element, "PID", &mut self.pid, &mut self.other)?,
                "IID" => reader.once(&element, "IID", &mut self.iid, &mut self.other)?,
                _ => reader.keep(&element, &mut self.other)?,
            }
        }
        Ok(())
    }
}

const LAYER: &str = "request document";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mak::MAX_ITEMS;

    const PID: &str = "12345-67890-123-456789-03-1033-9200.0000-0012013";

    fn document(request_type: RequestType) -> RequestDocument {
        let iid = (request_type == RequestType::CONFIRMATION_ID).then(|| "0".repeat(54));
        let item = RequestItem { pid: Some(PID.to_owned()), iid, other: Vec::new() };
        RequestDocument::new(request_type, vec![item])
    }

    #[test]
    fn the_digests_are_those_that_the_specification_gives() {
        let (one, two) = (RequestType::CONFIRMATION_ID, RequestType::REMAINING_COUNT);
        for (request_type, layout, bytes, expected) in [
            (two, Layout::COMPACT, 534, "hz76H0C5AsmWo+l3BoSb1N83qYub85aRQu5iAzjUXq0="),
            (one, Layout::COMPACT, 664, "nMtphvCtgl5t4sG858PLLxnDogWpkxN9yPZBib5nCO8="),
            (one, Layout::INDENTED, 756, "5VHXWsXpzo+rFXxqV5JCl2tlepjQ1CeuIGVfrPcA9b4="),
            (two, Layout::INDENTED, 610, "aKziyTJIJPwu8PRTukjx/E2G4+cR1zrwrY9ekDHZMzI="),
        ] {
            let request = BatchRequest::of(document(request_type), &layout);
            assert_eq!(request.raw.len(), bytes);
            assert_eq!(request.digest.as_deref(), Some(expected));
            assert_eq!(request.digest_check(), DigestCheck::Pass);
            assert_eq!(BatchRequest::of_raw(request.raw.clone()), request);
        }
    }

    #[test]
    fn a_digest_under_half_the_key_or_over_utf_8_fails() {
        let request = BatchRequest::of(document(RequestType::REMAINING_COUNT), &Layout::COMPACT);
        for wrong in
            ["8WsK70RdN1R0lCvfpGGD21MchIiiZUv+NTx1vDM4vQ8=", "NU38QgaSzMpvxdyFqH38X390evGw3if0s7T86zyIA+k="]
        {
            let request = BatchRequest { digest: Some(wrong.to_owned()), ..request.clone() };
            assert_eq!(request.digest_check(), DigestCheck::Fail);
        }
    }

    #[test]
    fn a_digest_that_cannot_be_compared_is_no_failure_of_the_bytes() {
        let request = BatchRequest::of(document(RequestType::REMAINING_COUNT), &Layout::COMPACT);
        let check = |digest: Option<&str>| {
            BatchRequest { digest: digest.map(str::to_owned), ..request.clone() }.digest_check()
        };
        assert_eq!(check(None), DigestCheck::Missing);
        assert_eq!(check(Some(" ")), DigestCheck::Missing);
        assert_eq!(check(Some("AAAA")), DigestCheck::NotADigest);
        assert_eq!(check(Some(&"A".repeat(4000))), DigestCheck::NotADigest);
        let cut = BatchRequest { is_whole: false, ..request.clone() };
        assert_eq!(cut.digest_check(), DigestCheck::Unreadable);
    }

    #[test]
    fn a_document_in_the_wrong_encoding_is_read_and_says_so() {
        use super::super::Charset;
        let document = document(RequestType::CONFIRMATION_ID);
        let text = Encoding::REQUEST_XML.decode(&document.encode(&Layout::COMPACT), "").0.into_owned();
        for (charset, has_bom) in [
            (Charset::Utf8, false),
            (Charset::Utf8, true),
            (Charset::Utf16Be, false),
            (Charset::Utf16Le, true),
        ] {
            let encoding = Encoding { charset, has_bom };
            let request = BatchRequest::of_raw(encoding.encode(&text));
            assert_eq!((&request.document, request.encoding, &request.error), (&document, encoding, &None));
        }
    }

    #[test]
    fn an_error_in_the_document_counts_the_bytes_of_the_document() {
        let mut raw = document(RequestType::REMAINING_COUNT).encode(&Layout::COMPACT);
        let whole = raw.len();
        raw.truncate(whole - 1);
        let request = BatchRequest::of_raw(raw.clone());
        let error = request.error.unwrap().to_string();
        assert_eq!(error, "request document: text at offset 532: needed 2 bytes, got 1");
        raw.truncate(whole - 4);
        let request = BatchRequest::of_raw(raw);
        assert_eq!(request.document.items, document(RequestType::REMAINING_COUNT).items);
        let error = request.error.unwrap();
        assert_eq!((error.layer, error.field, error.offset), ("request document", "markup", 534 - 40));
    }

    #[test]
    fn what_has_no_place_of_its_own_is_kept() {
        let text = "<ActivationRequest><RequestType>one</RequestType><RequestType>3</RequestType><X>1</X>\
            <Requests><Request><PID>a</PID><PID>b</PID><Y><Z/></Y></Request><R/></Requests></ActivationRequest>";
        let request = BatchRequest::of_raw(text.as_bytes().to_vec());
        let field = |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned() };
        let document = request.document;
        assert_eq!(document.request_type, Some(RequestType(3)));
        assert_eq!(document.other, [field("RequestType", "one"), field("X", "1"), field("Requests/R", "")]);
        assert_eq!(document.items[0].pid.as_deref(), Some("a"));
        assert_eq!(document.items[0].other, [field("PID", "b"), field("Y", "<Z/>")]);
        assert_eq!((request.error, document.namespace.as_ref()), (None, ""));
    }

    #[test]
    fn another_root_is_kept_and_named() {
        let request = BatchRequest::of_raw(b"<Request><PID>1</PID></Request>".to_vec());
        assert_eq!(request.document.other[0].value, "<PID>1</PID>");
        assert_eq!(
            request.error.unwrap().to_string(),
            "request document: root element at offset 0: it is no ActivationRequest"
        );
    }

    #[test]
    fn items_beyond_the_limit_end_the_reading() {
        let items = "<Request/>".repeat(MAX_ITEMS + 1);
        let text = format!("<ActivationRequest><Requests>{items}</Requests></ActivationRequest>");
        let request = BatchRequest::of_raw(text.into_bytes());
        assert_eq!(request.document.items.len(), MAX_ITEMS);
        let error = request.error.unwrap();
        assert_eq!((error.field, error.got()), ("Request", Some(MAX_ITEMS as u64 + 1)));
    }
}

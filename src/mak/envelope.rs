use std::fmt;

use crate::wire::{Error, ErrorKind};

use super::layout::XmlWriter;
use super::xml::{Element, Field, SOAP_1_1, SOAP_1_2, XmlReader};
use super::{
    BatchRequest, BatchResponse, Encoding, Fault, Layout, MAX_BODY, RequestDocument, ResponseDocument,
    TokenRequest, TokenResponse,
};

/// A body of one of the services, recognised by what it says.
///
/// Whatever holds it: a SOAP envelope of either version, or none. Elements are told apart by their local names.
///
/// ```
/// use volact::mak::{Content, Message};
///
/// let body = b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault>\
///     <faultcode>s:Server</faultcode><detail><HRESULT>0xC004C017</HRESULT></detail>\
///     </s:Fault></s:Body></s:Envelope>";
/// let message = Message::parse(body)?;
/// let Content::Fault(fault) = message.content else { panic!("it is a fault") };
/// assert_eq!(fault.hresult, Some(0xc004c017));
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How its characters are written.
    pub encoding: Encoding,
    /// The envelope's version; `None` where there is no envelope.
    pub soap: Option<SoapVersion>,
    /// The entries of the envelope's header.
    pub headers: Vec<Field>,
    /// What it says.
    pub content: Content,
    /// What stands behind the content in the envelope's body.
    pub other: Vec<Field>,
    /// What stands in the envelope beside its header and its body.
    pub beside: Vec<Field>,
    /// Where reading stopped (what is in front of it is there), or what was passed over first. Offsets count the body's
    /// bytes.
    pub error: Option<Error>,
}

/// A version of SOAP, by its envelope's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SoapVersion {
    /// 1.1, what the services speak.
    V1_1,
    /// 1.2.
    V1_2,
    /// An envelope in another namespace, or in none.
    Other(String),
}

impl SoapVersion {
    /// The envelope's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::V1_1 => SOAP_1_1,
            Self::V1_2 => SOAP_1_2,
            Self::Other(namespace) => namespace,
        }
    }

    fn of(namespace: &str) -> Self {
        match namespace {
            SOAP_1_1 => Self::V1_1,
            SOAP_1_2 => Self::V1_2,
            _ => Self::Other(namespace.to_owned()),
        }
    }
}

impl fmt::Display for SoapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1_1 => f.pad("SOAP 1.1"),
            Self::V1_2 => f.pad("SOAP 1.2"),
            Self::Other(_) => f.pad("another SOAP"),
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// BatchActivate.
    BatchRequest(BatchRequest),
    /// BatchActivateResponse.
    BatchResponse(BatchResponse),
    /// ActivationRequest, with no BatchActivate around it.
    RequestDocument(RequestDocument),
    /// ActivationResponse, with no BatchActivateResponse around it.
    ResponseDocument(ResponseDocument),
    /// RequestSecurityToken.
    TokenRequest(TokenRequest),
    /// RequestSecurityTokenResponse.
    TokenResponse(TokenResponse),
    /// Fault.
    Fault(Fault),
    /// Something else.
    Other {
        /// The element's local name; empty where there is none.
        name: String,
        /// Its namespace.
        namespace: String,
    },
}

impl Content {
    /// Its name in a report.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::BatchRequest(_) => "batch request",
            Self::BatchResponse(_) => "batch response",
            Self::RequestDocument(_) => "request document",
            Self::ResponseDocument(_) => "response document",
            Self::TokenRequest(_) => "token request",
            Self::TokenResponse(_) => "token response",
            Self::Fault(_) => "fault",
            Self::Other { .. } => "other",
        }
    }
}

impl Message {
    /// The message in an envelope of SOAP 1.1, in UTF-8.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self { soap: Some(SoapVersion::V1_1), ..Self::bare(content) }
    }

    /// The message without an envelope, in UTF-8.
    #[must_use]
    pub fn bare(content: Content) -> Self {
        Self {
            encoding: Encoding::default(),
            soap: None,
            headers: Vec::new(),
            content,
            other: Vec::new(),
            beside: Vec::new(),
            error: None,
        }
    }

    /// Reads a body, as far as it can be read.
    ///
    /// # Errors
    /// There is no element in it.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let read = &body[..body.len().min(MAX_BODY)];
        let encoding = Encoding::of(read);
        let (text, undecoded) = encoding.decode(read, LAYER);
        let in_body = |error: Error| Error { offset: encoding.offset(read, &text, error.offset), ..error };
        let mut reader = XmlReader::new(&text, LAYER);
        let root = reader.root().map_err(in_body)?;
        let mut message = Self::bare(Content::Other { name: String::new(), namespace: String::new() });
        message.encoding = encoding;
        let stopped = message.read(&mut reader, &root).and_then(|()| reader.finish()).err();
        let unread = (read.len() < body.len()).then_some(Error {
            layer: LAYER,
            field: "body",
            offset: MAX_BODY,
            kind: ErrorKind::Length { declared: body.len() as u64, least: 0, most: MAX_BODY as u64 },
        });
        message.error =
            unread.or_else(|| stopped.map(in_body)).or(undecoded).or_else(|| reader.noted().map(in_body));
        Ok(message)
    }

    /// The message as bytes in the default [`Layout`]: with the digest, RequestXml, and values that it has.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(&Layout::default())
    }

    /// The message as bytes. RequestXml is written as it was, whatever the layout.
    #[must_use]
    pub fn encode_with(&self, layout: &Layout) -> Vec<u8> {
        let mut writer = XmlWriter::new(layout);
        match &self.soap {
            None => self.write_content(&mut writer, layout),
            Some(version) => {
                writer.envelope(true);
                writer.open_in("Envelope", version.namespace());
                if !self.headers.is_empty() {
                    writer.open("Header");
                    writer.fields(&self.headers);
                    writer.close("Header");
                }
                writer.open("Body");
                writer.envelope(false);
                self.write_content(&mut writer, layout);
                writer.envelope(true);
                writer.fields(&self.other);
                writer.close("Body");
                writer.fields(&self.beside);
                writer.close("Envelope");
            }
        }
        self.encoding.encode(&writer.finish())
    }

    /// The request's document, with BatchActivate around it or without.
    #[must_use]
    pub fn request_document(&self) -> Option<&RequestDocument> {
        match &self.content {
            Content::BatchRequest(request) => Some(&request.document),
            Content::RequestDocument(document) => Some(document),
            _ => None,
        }
    }

    /// The response's document, with BatchActivateResponse around it or without.
    #[must_use]
    pub fn response_document(&self) -> Option<&ResponseDocument> {
        match &self.content {
            Content::BatchResponse(response) => Some(&response.document),
            Content::ResponseDocument(document) => Some(document),
            _ => None,
        }
    }

    fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        if root.local != "Envelope" {
            return self.content.read(reader, root);
        }
        self.soap = Some(SoapVersion::of(&reader.namespace(root)));
        let mut has_content = false;
        while let Some(part) = reader.child()? {
            match part.local {
                "Header" => {
                    while let Some(entry) = reader.child()? {
                        reader.keep(&entry, &mut self.headers)?;
                    }
                }
                "Body" => {
                    while let Some(element) = reader.child()? {
                        if has_content {
                            reader.keep(&element, &mut self.other)?;
                        } else {
                            has_content = true;
                            self.content.read(reader, &element)?;
                        }
                    }
                }
                _ => reader.keep(&part, &mut self.beside)?,
            }
        }
        Ok(())
    }

    fn write_content(&self, writer: &mut XmlWriter<'_>, layout: &Layout) {
        match &self.content {
            Content::BatchRequest(request) => request.write(writer),
            Content::BatchResponse(response) => response.write(writer, layout),
            Content::RequestDocument(document) => document.write(writer),
            Content::ResponseDocument(document) => document.write(writer),
            Content::TokenRequest(request) => request.write(writer),
            Content::TokenResponse(response) => response.write(writer),
            Content::Fault(fault) => fault.write(writer, self.soap.as_ref()),
            Content::Other { name, .. } if name.is_empty() => {}
            Content::Other { name, namespace } => {
                writer.open_in(name, namespace);
                writer.close(name);
            }
        }
    }
}

impl Content {
    fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        /// Reads into a value that is there before the reading stops.
        macro_rules! read {
            ($variant:ident, |$value:ident| $read:expr) => {{
                *self = Self::$variant(Default::default());
                let Self::$variant($value) = self else { return Ok(()) };
                $read
            }};
        }
        match root.local {
            "BatchActivate" => read!(BatchRequest, |value| value.read(reader, root)),
            "BatchActivateResponse" => read!(BatchResponse, |value| value.read(reader, root)),
            "ActivationRequest" => read!(RequestDocument, |value| value.read(reader, root)),
            "ActivationResponse" => read!(ResponseDocument, |value| value.read(reader, root)),
            "RequestSecurityToken" => read!(TokenRequest, |value| value.read(reader, root)),
            "RequestSecurityTokenResponse" => read!(TokenResponse, |value| value.read(reader, root)),
            "Fault" => read!(Fault, |value| value.read(reader)),
            name => {
                *self = Self::Other { name: bounded(name), namespace: bounded(&reader.namespace(root)) };
                reader.check_name(root)?;
                reader.value("content").map(|_| ())
            }
        }
    }
}

/// A name as it is kept.
fn bounded(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

const LAYER: &str = "message";

/// The most characters of another content's name, and of its namespace, that are kept.
const MAX_NAME: usize = 200;

use std::borrow::Cow;

use crate::wire::{Error, ErrorKind, Guid};

use super::layout::XmlWriter;
use super::xml::{self, BATCH_SERVICE, Element, Field, RESPONSE_DOCUMENT, XmlReader};
use super::{Encoding, ErrorCode, Layout, RequestType, base64_text};

/// What the BatchActivation service answers: `BatchActivateResponse/BatchActivateResult/ResponseXml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchResponse {
    /// The namespace of BatchActivateResponse.
    pub namespace: Cow<'static, str>,
    /// How ResponseXml holds the document.
    pub form: ResponseForm,
    /// The document, as far as it could be read.
    pub document: ResponseDocument,
    /// What is wrong with the document; offsets count its bytes, in UTF-8 unless it was base64.
    pub error: Option<Error>,
    /// Elements beside ResponseXml.
    pub other: Vec<Field>,
}

/// How ResponseXml holds its document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseForm {
    /// As text, escaped or in a CDATA section: what the service does.
    #[default]
    Text,
    /// As base64, like a request.
    Base64,
    /// As elements.
    Elements,
}

impl BatchResponse {
    /// The response that carries a document.
    #[must_use]
    pub fn of(document: ResponseDocument) -> Self {
        Self { namespace: Cow::Borrowed(BATCH_SERVICE), document, ..Self::default() }
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        let mut is_read = false;
        while let Some(element) = reader.child()? {
            match element.local {
                "BatchActivateResult" => {
                    while let Some(element) = reader.child()? {
                        self.read_part(reader, &element, &mut is_read)?;
                    }
                }
                _ => self.read_part(reader, &element, &mut is_read)?,
            }
        }
        Ok(())
    }

    fn read_part<'a>(
        &mut self,
        reader: &mut XmlReader<'a>,
        element: &Element<'a>,
        is_read: &mut bool,
    ) -> Result<(), Error> {
        if element.local != "ResponseXml" || *is_read {
            return reader.keep(element, &mut self.other);
        }
        *is_read = true;
        let mut text = Cow::Borrowed("");
        let read = reader.value_into("ResponseXml", &mut text);
        self.read_document(&text, matches!(read, Ok(true)));
        read.map(|_| ())
    }

    fn read_document(&mut self, text: &str, has_elements: bool) {
        if has_elements {
            self.form = ResponseForm::Elements;
        } else if !text.trim_matches(xml::WHITE_SPACE).is_empty() && !text.contains('<') {
            let (bytes, error) = base64_text::decode(text, "ResponseXml");
            if error.is_none() {
                self.form = ResponseForm::Base64;
                let encoding = Encoding::of(&bytes);
                let (text, undecoded) = encoding.decode(&bytes, LAYER);
                let broken = self.document.parse(&text).map(|error| {
                    let offset = encoding.offset(&bytes, &text, error.offset);
                    Error { offset, ..error }
                });
                self.error = undecoded.or(broken);
                return;
            }
        }
        self.error = self.document.parse(text);
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>, layout: &Layout) {
        let document = self.document.to_text(&Layout {
            // As the service has it.
            declaration: (self.form != ResponseForm::Elements).then_some("utf-16"),
            ..layout.clone()
        });
        writer.open_in("BatchActivateResponse", &self.namespace);
        writer.open("BatchActivateResult");
        match self.form {
            ResponseForm::Text => writer.leaf("ResponseXml", &document),
            ResponseForm::Base64 => {
                writer.leaf("ResponseXml", &base64_text::encode(&Encoding::REQUEST_XML.encode(&document)));
            }
            ResponseForm::Elements => {
                writer.open("ResponseXml");
                writer.raw(&document);
                writer.close("ResponseXml");
            }
        }
        writer.fields(&self.other);
        writer.close("BatchActivateResult");
        writer.close("BatchActivateResponse");
    }
}

/// The document in a batch response, ActivationResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDocument {
    /// The namespace of ActivationResponse.
    pub namespace: Cow<'static, str>,
    /// VersionNumber, "1.0" as a rule.
    pub version_number: Option<String>,
    /// ResponseType.
    pub response_type: Option<RequestType>,
    /// BatchId as it came, a GUID in braces.
    pub batch_id: Option<String>,
    /// The answers, at most [`super::MAX_ITEMS`].
    pub items: Vec<ResponseItem>,
    /// What went wrong with the whole batch.
    pub error_info: Option<ErrorInfo>,
    /// Elements that have no place of their own, and values that are not what they should be.
    pub other: Vec<Field>,
}

/// The answer about one product, Response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseItem {
    /// The extended product ID, that of the request.
    pub pid: Option<String>,
    /// How many activations are left; -1 in an answer that carries a confirmation ID.
    pub activation_remaining: Option<i64>,
    /// The installation ID, that of the request.
    pub iid: Option<String>,
    /// The confirmation ID.
    pub cid: Option<String>,
    /// What went wrong with this product.
    pub error_info: Option<ErrorInfo>,
    /// Elements that have no place of their own, and values that are not what they should be.
    pub other: Vec<Field>,
}

/// What went wrong, ErrorInfo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorInfo {
    /// ErrorCode.
    pub code: Option<ErrorCode>,
    /// Elements that have no place of their own, and codes that are none.
    pub other: Vec<Field>,
}

impl ResponseDocument {
    /// A document of version 1.0 in its namespace.
    #[must_use]
    pub fn new(response_type: RequestType, items: Vec<ResponseItem>) -> Self {
        Self {
            namespace: Cow::Borrowed(RESPONSE_DOCUMENT),
            version_number: Some("1.0".to_owned()),
            response_type: Some(response_type),
            items,
            ..Self::default()
        }
    }

    /// BatchId as a number; `None` where it is none.
    #[must_use]
    pub fn batch_guid(&self) -> Option<Guid> {
        Guid::parse(self.batch_id.as_deref()?.trim_matches(xml::WHITE_SPACE))
    }

    /// The code of what went wrong with the whole batch.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.error_info.as_ref()?.code
    }

    /// The document as text.
    #[must_use]
    pub fn to_text(&self, layout: &Layout) -> String {
        let mut writer = XmlWriter::new(layout);
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads a document on its own, and says what is wrong with it.
    fn parse(&mut self, text: &str) -> Option<Error> {
        xml::read_document(text, LAYER, |reader, root| {
            if root.local == "ActivationResponse" {
                return self.read(reader, root);
            }
            reader.keep(root, &mut self.other)?;
            let kind = ErrorKind::Malformed { what: "it is no ActivationResponse" };
            Err(Error { layer: LAYER, field: "root element", offset: root.offset, kind })
        })
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        let other = &mut self.other;
        while let Some(element) = reader.child()? {
            match element.local {
                "VersionNumber" => reader.once(&element, "VersionNumber", &mut self.version_number, other)?,
                "ResponseType" => {
                    let slot = &mut self.response_type;
                    reader.once_parsed(&element, "ResponseType", slot, other, RequestType::parse)?;
                }
                "BatchId" => reader.once(&element, "BatchId", &mut self.batch_id, other)?,
                "ErrorInfo" => ErrorInfo::read(&mut self.error_info, reader)?,
                "Responses" => {
                    let before = other.len();
                    let read = reader.items("Response", &mut self.items, other, ResponseItem::read);
                    Field::within(&mut other[before..], "Responses");
                    read?;
                }
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open_in("ActivationResponse", &self.namespace);
        writer.leaf_of("VersionNumber", self.version_number.as_deref());
        if let Some(response_type) = self.response_type {
            writer.leaf("ResponseType", &response_type.0.to_string());
        }
        writer.leaf_of("BatchId", self.batch_id.as_deref());
        writer.open("Responses");
        for item in &self.items {
            item.write(writer);
        }
        writer.close("Responses");
        ErrorInfo::write(self.error_info.as_ref(), writer);
        writer.fields(&self.other);
        writer.close("ActivationResponse");
    }
}

impl ResponseItem {
    /// The code of what went wrong with this product.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.error_info.as_ref()?.code
    }

    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        let other = &mut self.other;
        while let Some(element) = reader.child()? {
            match element.local {
                "PID" => reader.once(&element, "PID", &mut self.pid, other)?,
                "ActivationRemaining" => {
                    let slot = &mut self.activation_remaining;
                    reader.once_parsed(&element, "ActivationRemaining", slot, other, |text| {
                        text.parse().ok()
                    })?;
                }
                "IID" => reader.once(&element, "IID", &mut self.iid, other)?,
                "CID" => reader.once(&element, "CID", &mut self.cid, other)?,
                "ErrorInfo" => ErrorInfo::read(&mut self.error_info, reader)?,
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open("Response");
        writer.leaf_of("PID", self.pid.as_deref());
        if let Some(remaining) = self.activation_remaining {
            writer.leaf("ActivationRemaining", &remaining.to_string());
        }
        writer.leaf_of("IID", self.iid.as_deref());
        writer.leaf_of("CID", self.cid.as_deref());
        ErrorInfo::write(self.error_info.as_ref(), writer);
        writer.fields(&self.other);
        writer.close("Response");
    }
}

impl From<ErrorCode> for ErrorInfo {
    fn from(code: ErrorCode) -> Self {
        Self { code: Some(code), other: Vec::new() }
    }
}

impl ErrorInfo {
    fn read(slot: &mut Option<Self>, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        let info = slot.get_or_insert_default();
        while let Some(element) = reader.child()? {
            match element.local {
                "ErrorCode" => {
                    let code = &mut info.code;
                    reader.once_parsed(&element, "ErrorCode", code, &mut info.other, ErrorCode::parse)?;
                }
                _ => reader.keep(&element, &mut info.other)?,
            }
        }
        Ok(())
    }

    fn write(info: Option<&Self>, writer: &mut XmlWriter<'_>) {
        let Some(info) = info else { return };
        writer.open("ErrorInfo");
        if let Some(code) = info.code {
            writer.leaf("ErrorCode", &code.to_string());
        }
        writer.fields(&info.other);
        writer.close("ErrorInfo");
    }
}

const LAYER: &str = "response document";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (ResponseDocument, Option<String>) {
        let mut document = ResponseDocument::default();
        let error = document.parse(text);
        (document, error.map(|error| error.to_string()))
    }

    #[test]
    fn a_document_whose_declaration_says_utf_16_is_read_as_what_it_is() {
        let (document, error) = parse(
            "<?xml version=\"1.0\" encoding=\"utf-16\"?><ActivationResponse>\
             <BatchId>{976cbe56-21e5-4e13-bdc3-4e72d7ab48fd}</BatchId></ActivationResponse>",
        );
        assert_eq!(error, None);
        assert_eq!(document.batch_guid(), Guid::parse("976cbe56-21e5-4e13-bdc3-4e72d7ab48fd"));
    }

    #[test]
    fn values_that_are_no_numbers_are_kept_as_text() {
        let (document, error) = parse(
            "<ActivationResponse><Responses><Response><ActivationRemaining>many</ActivationRemaining>\
             <ErrorInfo><ErrorCode>127</ErrorCode><Text>no</Text></ErrorInfo></Response></Responses>\
             <BatchId>none</BatchId></ActivationResponse>",
        );
        assert_eq!(error, None);
        let item = &document.items[0];
        assert_eq!((item.activation_remaining, item.error_code()), (None, None));
        assert_eq!(item.other[0].value, "many");
        let info: Vec<_> = item.error_info.as_ref().unwrap().other.iter().map(|field| &field.value).collect();
        assert_eq!(info, ["127", "no"]);
        assert_eq!((document.batch_id.as_deref(), document.batch_guid()), (Some("none"), None));
    }

    #[test]
    fn text_that_is_no_document_says_so() {
        let mut response = BatchResponse::default();
        response.read_document("Server too busy!", false);
        assert_eq!(
            response.error.unwrap().to_string(),
            "response document: root element at offset 0: there is text, but no element around it"
        );
    }
}

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error as XmlError, IllFormedError, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use smallvec::SmallVec;

use crate::wire::{Error, ErrorKind};

use super::{MAX_DEPTH, MAX_FIELDS, MAX_ITEMS};

/// An element that has no place of its own in a document, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its local name, behind those of the elements in which it stands and which have no value of their own:
    /// `Responses/Extra`.
    pub name: String,
    /// Its text; where it has elements in it, its content as it stands in the document.
    pub value: String,
}

impl Field {
    /// Notes of fields that they stand in an element that has no value of its own.
    pub(super) fn within(fields: &mut [Self], parent: &str) {
        for field in fields {
            field.name = format!("{parent}/{}", field.name);
        }
    }
}

/// An element's start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// Its name without the prefix.
    pub(super) local: &'a str,
    /// Where the tag begins.
    pub(super) offset: usize,
    name_length: usize,
    /// Name and attributes.
    tag: &'a str,
}

impl<'a> Element<'a> {
    fn prefix(&self) -> &'a str {
        self.tag[..self.name_length - self.local.len()].trim_end_matches(':')
    }

    /// The raw namespace that the tag declares for a prefix.
    fn declared(&self, prefix: &str) -> Option<&'a str> {
        let declares = |name: &str| match name.strip_prefix("xmlns") {
            Some("") => prefix.is_empty(),
            Some(rest) => !prefix.is_empty() && rest.strip_prefix(':') == Some(prefix),
            None => false,
        };
        self.declared_plainly(prefix).or_else(|| {
            attributes(self.tag, self.name_length).find(|(name, _)| declares(name)).map(|(_, value)| value)
        })
    }

    /// The usual case, and much the faster one: a known namespace in the first attribute.
    fn declared_plainly(&self, prefix: &str) -> Option<&'static str> {
        let rest = self.tag[self.name_length..].strip_prefix(" xmlns")?;
        let rest = if prefix.is_empty() { rest } else { rest.strip_prefix(':')?.strip_prefix(prefix)? };
        let value = rest.strip_prefix("=\"")?;
        NAMESPACES
            .into_iter()
            .find(|known| value.strip_prefix(known).is_some_and(|rest| rest.starts_with('"')))
    }

    /// The raw value of the attribute with this local name.
    pub(super) fn attribute(&self, local: &str) -> Option<&'a str> {
        attributes(self.tag, self.name_length)
            .find(|(name, _)| local_name(name) == local)
            .map(|(_, value)| value)
    }
}

/// What an element begins with, behind white space.
pub(super) enum Inner<'a> {
    /// An element.
    Element(Element<'a>),
    /// Text up to its end.
    Text(Cow<'a, str>),
}

/// Reads a document's elements one after the other, without a tree and without a copy of what needs none.
///
/// Nothing is expanded but the five entities of XML itself and references to characters. What can be passed over is: a
/// document type declaration, an entity that nobody defined, text among elements; the first of it is kept as
/// [`Self::noted`]. What cannot be, ends the reading.
pub(super) struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    layer: &'static str,
    depth: usize,
    /// The open elements that have attributes, with their depth: among them are the declarations of namespaces.
    tags: SmallVec<[(usize, Element<'a>); 4]>,
    noted: Option<Error>,
    fields: usize,
}

enum Node<'a> {
    Open(Element<'a>),
    Close,
    Text(&'a str),
    CData(&'a str),
    /// What stands between `&` and `;`.
    Reference(&'a str),
    Nothing,
    End,
}

impl<'a> XmlReader<'a> {
    /// A reader of the text; `layer` is what errors name.
    pub(super) fn new(text: &'a str, layer: &'static str) -> Self {
        // The tokenizer would take a byte order mark off with the first event, at which offsets are taken.
        let marked = text.trim_start_matches(BYTE_ORDER_MARK);
        let mut reader = Reader::from_reader(marked.as_bytes());
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        let mut reader =
            Self { reader, text, layer, depth: 0, tags: SmallVec::new(), noted: None, fields: 0 };
        if text.len() - marked.len() > BYTE_ORDER_MARK.len_utf8() {
            reader.note("document", BYTE_ORDER_MARK.len_utf8(), "there is a second byte order mark");
        }
        reader
    }

    /// What was passed over first.
    pub(super) fn noted(self) -> Option<Error> {
        self.noted
    }

    /// The root element. An error where there is none.
    pub(super) fn root(&mut self) -> Result<Element<'a>, Error> {
        loop {
            let offset = self.offset();
            match self.next()? {
                Node::Open(element) => return Ok(element),
                Node::Text(text) if is_blank(text) => {}
                Node::Nothing => {}
                Node::End => return Err(self.truncated("root element")),
                _ => {
                    return Err(self.malformed(
                        "root element",
                        offset,
                        "there is text, but no element around it",
                    ));
                }
            }
        }
    }

    /// The next element within the one that is open, or `None` behind its end.
    #[inline]
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, Error> {
        loop {
            let offset = self.offset();
            match self.next()? {
                Node::Open(element) => return Ok(Some(element)),
                Node::Close => return Ok(None),
                Node::Nothing => {}
                Node::Text(text) if is_blank(text) => {}
                Node::End => return Err(self.truncated("element")),
                Node::Text(_) | Node::CData(_) | Node::Reference(_) => {
                    self.note("element", offset, "there is text among elements");
                }
            }
        }
    }

    /// What the open element begins with: an element, or text, which ends it.
    pub(super) fn inner(&mut self, field: &'static str) -> Result<Inner<'a>, Error> {
        let begin = self.offset();
        let mut text = Cow::Borrowed("");
        match self.text_to_markup(&mut text).map_err(|error| Error { field, ..error })? {
            Some(child) => {
                if !is_blank(&text) {
                    self.note(field, begin, "there is text among elements");
                }
                Ok(Inner::Element(child))
            }
            None => Ok(Inner::Text(text)),
        }
    }

    /// The open element's text, up to its end; where it has elements in it, its content as it stands there.
    #[inline]
    pub(super) fn value(&mut self, field: &'static str) -> Result<Cow<'a, str>, Error> {
        let mut text = Cow::Borrowed("");
        self.value_into(field, &mut text).map(|_| text)
    }

    /// As [`Self::value`], and what could be read of it where it does not come to its end. True where there are
    /// elements in it.
    pub(super) fn value_into(&mut self, field: &'static str, text: &mut Cow<'a, str>) -> Result<bool, Error> {
        let begin = self.offset();
        let with_field = |error| Error { field, ..error };
        if self.text_to_markup(text).map_err(with_field)?.is_none() {
            return Ok(false);
        }
        let outside = self.depth - 2;
        loop {
            let offset = self.offset();
            *text = Cow::Borrowed(&self.text[begin..offset]);
            match self.next().map_err(with_field)? {
                Node::Close if self.depth == outside => return Ok(true),
                Node::End => return Err(self.truncated(field)),
                _ => {}
            }
        }
    }

    /// Keeps the open element, which has no place of its own.
    pub(super) fn keep(&mut self, element: &Element<'_>, fields: &mut Vec<Field>) -> Result<(), Error> {
        let value = self.value("element")?;
        self.keep_text(element, &value, fields)
    }

    /// Keeps an element whose text was read.
    pub(super) fn keep_text(
        &mut self,
        element: &Element<'_>,
        text: &str,
        fields: &mut Vec<Field>,
    ) -> Result<(), Error> {
        self.keep_up(element)?;
        fields.push(Field { name: element.local.to_owned(), value: text.to_owned() });
        Ok(())
    }

    /// Counts an element that is kept.
    pub(super) fn keep_up(&mut self, element: &Element<'_>) -> Result<(), Error> {
        self.check_name(element)?;
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(self.too_many("element", element.offset, MAX_FIELDS));
        }
        Ok(())
    }

    /// An error where an element's name cannot be written again.
    pub(super) fn check_name(&self, element: &Element<'_>) -> Result<(), Error> {
        if is_name(element.local) {
            return Ok(());
        }
        Err(self.malformed("element", element.offset, "its name is none"))
    }

    /// Reads the elements of this name within the open one, each into an item that is there before its reading stops, and
    /// keeps all others.
    pub(super) fn items<T: Default>(
        &mut self,
        name: &'static str,
        items: &mut Vec<T>,
        other: &mut Vec<Field>,
        read: impl Fn(&mut T, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while let Some(element) = self.child()? {
            if element.local != name {
                self.keep(&element, other)?;
                continue;
            }
            if items.len() == MAX_ITEMS {
                return Err(self.too_many(name, element.offset, MAX_ITEMS));
            }
            let mut item = T::default();
            let is_read = read(&mut item, self);
            items.push(item);
            is_read?;
        }
        Ok(())
    }

    /// Reads a text that is given once into its place, and keeps any other.
    #[inline]
    pub(super) fn once(
        &mut self,
        element: &Element<'_>,
        field: &'static str,
        slot: &mut Option<String>,
        fields: &mut Vec<Field>,
    ) -> Result<(), Error> {
        if slot.is_some() {
            return self.keep(element, fields);
        }
        *slot = Some(self.value(field)?.into_owned());
        Ok(())
    }

    /// Reads a value that is given once, and that `parse` understands, into its place; keeps any other.
    pub(super) fn once_parsed<T>(
        &mut self,
        element: &Element<'_>,
        field: &'static str,
        slot: &mut Option<T>,
        fields: &mut Vec<Field>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<(), Error> {
        let value = self.value(field)?;
        match parse(value.trim_matches(WHITE_SPACE)) {
            Some(parsed) if slot.is_none() => *slot = Some(parsed),
            _ => self.keep_text(element, &value, fields)?,
        }
        Ok(())
    }

    /// Reads what is behind the root element, where nothing should be.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        loop {
            let offset = self.offset();
            match self.next()? {
                Node::End => return Ok(()),
                Node::Nothing => {}
                Node::Text(text) if is_blank(text) => {}
                _ => return Err(self.malformed("document", offset, "there is more behind the root element")),
            }
        }
    }

    /// The namespace of an element that is open.
    pub(super) fn namespace(&self, element: &Element<'a>) -> Cow<'static, str> {
        let prefix = element.prefix();
        let raw = self.tags.iter().rev().find_map(|(_, tag)| tag.declared(prefix)).unwrap_or_default();
        match NAMESPACES.into_iter().find(|known| *known == raw) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(unescape(raw)),
        }
    }

    /// An error for a list that holds more than it may.
    pub(super) fn too_many(&self, field: &'static str, offset: usize, most: usize) -> Error {
        let kind = ErrorKind::Length { declared: most as u64 + 1, least: 0, most: most as u64 };
        Error { layer: self.layer, field, offset, kind }
    }

    /// Gathers text up to the end of the open element (`None`) or to the start of one within it.
    fn text_to_markup(&mut self, text: &mut Cow<'a, str>) -> Result<Option<Element<'a>>, Error> {
        loop {
            match self.next()? {
                Node::Close => return Ok(None),
                Node::Open(element) => return Ok(Some(element)),
                Node::Text(more) | Node::CData(more) => append(text, normalized(more)),
                Node::Reference(name) => match character(name) {
                    Some(c) => text.to_mut().push(c),
                    None => {
                        let text = text.to_mut();
                        text.push('&');
                        text.push_str(name);
                        text.push(';');
                    }
                },
                Node::Nothing => {}
                Node::End => return Err(self.truncated("text")),
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Node<'a>, Error> {
        let offset = self.offset();
        let node = match self.reader.read_event() {
            Ok(Event::Start(start)) => {
                let name_length = start.name().0.len();
                let length = name_length + start.attributes_raw().len();
                return self.open(offset, name_length, length);
            }
            Ok(Event::End(_)) => {
                while self.tags.last().is_some_and(|(depth, _)| *depth == self.depth) {
                    self.tags.pop();
                }
                self.depth -= 1;
                Node::Close
            }
            Ok(Event::Text(_)) => {
                let text = &self.text[offset..self.offset()];
                if text.starts_with('&') {
                    self.note("text", offset, "an ampersand that begins no reference");
                }
                Node::Text(text)
            }
            Ok(Event::CData(_)) => {
                let section = &self.text[offset..self.offset()];
                let text = section.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
                Node::CData(text.unwrap_or(section))
            }
            Ok(Event::GeneralRef(_)) => {
                let reference = &self.text[offset..self.offset()];
                let name =
                    reference.strip_prefix('&').and_then(|name| name.strip_suffix(';')).unwrap_or(reference);
                if character(name).is_none() {
                    self.note("text", offset, "an entity that XML does not define is not expanded");
                }
                Node::Reference(name)
            }
            Ok(Event::DocType(_)) => {
                self.note("document type", offset, "a document type declaration is not read");
                Node::Nothing
            }
            Ok(Event::Eof) => Node::End,
            Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => Node::Nothing,
            Err(error) => return Err(self.broken(&error, offset)),
        };
        Ok(node)
    }

    #[inline]
    fn open(&mut self, offset: usize, name_length: usize, length: usize) -> Result<Node<'a>, Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.malformed("element", offset, "elements are nested too deep"));
        }
        self.depth += 1;
        let tag = &self.text[offset + 1..offset + 1 + length];
        let name = &tag[..name_length];
        let local = colon(name.as_bytes()).map_or(name, |colon| &name[colon + 1..]);
        let element = Element { local, offset, name_length, tag };
        if length > name_length {
            self.tags.push((self.depth, element));
        }
        Ok(Node::Open(element))
    }

    /// Where the reader stands.
    #[inline]
    fn offset(&self) -> usize {
        self.text.len() - self.reader.get_ref().len()
    }

    fn note(&mut self, field: &'static str, offset: usize, what: &'static str) {
        if self.noted.is_none() {
            self.noted = Some(self.malformed(field, offset, what));
        }
    }

    fn malformed(&self, field: &'static str, offset: usize, what: &'static str) -> Error {
        Error { layer: self.layer, field, offset, kind: ErrorKind::Malformed { what } }
    }

    fn truncated(&self, field: &'static str) -> Error {
        Error::truncated(self.layer, field, self.text.len(), 1, 0)
    }

    #[cold]
    fn broken(&self, error: &XmlError, offset: usize) -> Error {
        broken(error, self.layer, offset, self.text.len().saturating_sub(offset))
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a whole document, with `read` for what the root element holds, and says what is wrong with it.
pub(super) fn read_document<'a>(
    text: &'a str,
    layer: &'static str,
    read: impl FnOnce(&mut XmlReader<'a>, &Element<'a>) -> Result<(), Error>,
) -> Option<Error> {
    let mut reader = XmlReader::new(text, layer);
    let read = reader.root().and_then(|root| read(&mut reader, &root)).and_then(|()| reader.finish());
    read.err().or(reader.noted())
}

/// What the tokenizer complains of, where the markup begins at `offset` and `left` bytes are left from there on.
pub(super) fn broken(error: &XmlError, layer: &'static str, offset: usize, left: usize) -> Error {
    let malformed = |what| ErrorKind::Malformed { what };
    let (field, kind) = match error {
        XmlError::Syntax(SyntaxError::InvalidBangMarkup) if left > 2 => {
            ("markup", malformed("neither comment, CDATA nor document type"))
        }
        XmlError::Syntax(_) => ("markup", ErrorKind::Truncated { needed: left + 1, got: left }),
        XmlError::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            ("end tag", malformed("it is that of another element"))
        }
        XmlError::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            ("end tag", malformed("no element is open"))
        }
        XmlError::Encoding(_) => ("text", malformed("the bytes are no UTF-8")),
        _ => ("markup", malformed("it is ill-formed")),
    };
    Error { layer, field, offset, kind }
}

/// The character that a reference's name stands for.
pub(super) fn character(name: &str) -> Option<char> {
    match resolve_xml_entity(name) {
        Some(text) => text.chars().next(),
        None => BytesRef::new(name).resolve_char_ref().ok().flatten(),
    }
}

/// The attributes of a tag, by qualified name and raw value; those behind one that is ill-formed are not told.
pub(super) fn attributes(tag: &str, name_length: usize) -> impl Iterator<Item = (&str, &str)> {
    let mut at = name_length;
    std::iter::from_fn(move || {
        let bytes = tag.as_bytes();
        let skip =
            |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let begin = skip(at);
        let end =
            begin + bytes[begin..].iter().position(|&byte| byte == b'=' || byte.is_ascii_whitespace())?;
        let equals = skip(end);
        let quoted = skip(equals + usize::from(bytes.get(equals) == Some(&b'=')));
        let quote = *bytes.get(quoted).filter(|quote| quoted > equals && matches!(quote, b'"' | b'\''))?;
        let value = quoted + 1;
        let length = tag[value..].find(char::from(quote))?;
        at = value + length + 1;
        Some((&tag[begin..end], &tag[value..value + length]))
    })
}

/// Where the first colon of a name is. Most names have none, which shows eight bytes at a time.
#[inline]
fn colon(name: &[u8]) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let has_none = |eight: &[u8; 8]| {
        let difference = u64::from_le_bytes(*eight) ^ (EACH * 0x3a);
        difference.wrapping_sub(EACH) & !difference & (EACH << 7) == 0
    };
    if let Some(last) = name.last_chunk()
        && name.as_chunks().0.iter().all(has_none)
        && has_none(last)
    {
        return None;
    }
    name.iter().position(|&byte| byte == b':')
}

/// A name without its prefix.
pub(super) fn local_name(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// True for what can be written as an element's name.
pub(super) fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    name.starts_with(starts)
        && name.chars().all(|c| starts(c) || c.is_alphanumeric() || matches!(c, '-' | '.'))
}

/// An attribute's raw value with its references resolved, those that can be.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once('&') {
        text.push_str(before);
        match behind.split_once(';').and_then(|(name, behind)| Some((character(name)?, behind))) {
            Some((c, behind)) => {
                text.push(c);
                rest = behind;
            }
            None => {
                text.push('&');
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    text
}

/// Text with its ends of lines as XML 2.11 has them.
pub(super) fn normalized(text: &str) -> Cow<'_, str> {
    // Without a way out early, so that many bytes are looked at at a time.
    if text.bytes().fold(0, |found, byte| found | u8::from(byte == b'\r')) != 0 {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// White space as XML has it.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

pub(super) const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const SOAP_1_2: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(crate) const BATCH_SERVICE: &str = "http://www.microsoft.com/BatchActivationService";
pub(crate) const REQUEST_DOCUMENT: &str = "http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0";
pub(crate) const RESPONSE_DOCUMENT: &str = "http://www.microsoft.com/DRM/SL/BatchActivationResponse/1.0";
pub(crate) const TRUST: &str = "http://schemas.xmlsoap.org/ws/2004/04/security/trust";

/// The namespaces that are told without a copy.
const NAMESPACES: [&str; 6] = [SOAP_1_1, SOAP_1_2, BATCH_SERVICE, REQUEST_DOCUMENT, RESPONSE_DOCUMENT, TRUST];

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> (Result<String, String>, Option<String>) {
        let mut reader = XmlReader::new(text, "text");
        let value = reader.root().and_then(|_| reader.value("root"));
        let value = value.map(Cow::into_owned).map_err(|error| error.to_string());
        (value, reader.noted().map(|error| error.to_string()))
    }

    #[test]
    fn text_is_gathered_from_text_references_and_cdata() {
        for (text, expected) in [
            ("<a>plain</a>", "plain"),
            ("<a/>", ""),
            ("<p:a xmlns:p='u'>x&lt;&#65;&#x42;&amp;<![CDATA[<&]]>y<!-- no -->z</p:a >", "x<AB&<&yz"),
            ("<a>1\r\n2\r3&#13;</a>", "1\n2\n3\r"),
            ("<a> <b c='d'>e&lt;</b>f</a>", " <b c='d'>e&lt;</b>f"),
        ] {
            assert_eq!(value(text), (Ok(expected.to_owned()), None), "{text}");
        }
    }

    #[test]
    fn what_is_not_expanded_is_noted_and_stays_as_it_is() {
        let (text, noted) = value("<!DOCTYPE a [<!ENTITY b \"ccc\">]><a>&b;</a>");
        assert_eq!(text.as_deref(), Ok("&b;"));
        assert_eq!(
            noted.as_deref(),
            Some("text: document type at offset 0: a document type declaration is not read")
        );
        let (text, noted) = value("<a>1 & 2 &#xffffffff;</a>");
        assert_eq!(text.as_deref(), Ok("1 & 2 &#xffffffff;"));
        assert_eq!(noted.as_deref(), Some("text: text at offset 5: an ampersand that begins no reference"));
    }

    #[test]
    fn a_byte_order_mark_counts_in_offsets_and_a_second_one_is_noted() {
        assert_eq!(value("\u{feff}<a>1</a>"), (Ok("1".to_owned()), None));
        assert_eq!(
            value("\u{feff}<a b='c'>1</d>").0.unwrap_err(),
            "text: root at offset 13: it is that of another element"
        );
        let (text, noted) = value("\u{feff}\u{feff}\u{feff}<a>1</a>");
        assert_eq!(text.as_deref(), Ok("1"));
        assert_eq!(noted.as_deref(), Some("text: document at offset 3: there is a second byte order mark"));
    }

    #[test]
    fn each_way_to_be_broken_is_named_with_its_place() {
        for (text, expected) in [
            ("", "text: root element at offset 0: needed 1 bytes, got 0"),
            ("HTTP", "text: root element at offset 0: there is text, but no element around it"),
            ("<a>b", "text: root at offset 4: needed 1 bytes, got 0"),
            ("<a>b</", "text: root at offset 4: needed 3 bytes, got 2"),
            ("<a>b</c>", "text: root at offset 4: it is that of another element"),
            ("<a><!x></a>", "text: root at offset 3: neither comment, CDATA nor document type"),
        ] {
            assert_eq!(value(text).0, Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn elements_deeper_than_the_limit_end_the_reading() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(value(&nested(MAX_DEPTH)).0.is_ok());
        let (text, _) = value(&nested(MAX_DEPTH + 1));
        assert_eq!(
            text,
            Err(format!("text: root at offset {}: elements are nested too deep", 3 * MAX_DEPTH))
        );
    }

    #[test]
    fn a_namespace_is_that_of_the_innermost_declaration() {
        let text = "<a xmlns='u1' xmlns:p='u2'><b xmlns='u3' x=''/><p:c/><d xmlns:p='u&amp;4'><p:e/></d></a>";
        let mut reader = XmlReader::new(text, "text");
        let root = reader.root().unwrap();
        let mut seen = vec![(root.local, reader.namespace(&root))];
        while let Some(child) = reader.child().unwrap() {
            seen.push((child.local, reader.namespace(&child)));
            while let Some(inner) = reader.child().unwrap() {
                seen.push((inner.local, reader.namespace(&inner)));
                reader.child().unwrap();
            }
        }
        reader.finish().unwrap();
        let seen: Vec<_> = seen.iter().map(|(local, namespace)| (*local, namespace.as_ref())).collect();
        assert_eq!(seen, [("a", "u1"), ("b", "u3"), ("c", "u2"), ("d", "u1"), ("e", "u&4")]);
    }
}

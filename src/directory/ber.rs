//! BER as RFC 4511 5.1 restricts it: definite lengths, octet strings in one piece. Headers and integers are read by the
//! crate that reads ASN.1; what is here gives each element its place, and each failure its numbers.

use ldap_parser::asn1_rs::{Error as Asn1Error, FromBer as _, Header, Length, nom};

use crate::wire::{Error, ErrorKind};

pub(super) const LAYER: &str = "LDAP";

/// Identifier octets, X.690 8.1.2.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The identifier octet of a primitive context-specific tag.
pub(super) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// The identifier octet of a constructed context-specific tag.
pub(super) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// Length of an element's identifier and length octets, and that of its contents; `None` where they are not all there.
pub(super) fn header(bytes: &[u8], field: &'static str) -> Result<Option<(usize, usize)>, Error> {
    match Header::from_ber(bytes) {
        Ok((rest, header)) => match header.length() {
            Length::Definite(length) => Ok(Some((bytes.len() - rest.len(), length))),
            Length::Indefinite => Err(malformed(field, 1, INDEFINITE)),
        },
        Err(nom::Err::Incomplete(_)) => Ok(None),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(match error {
            Asn1Error::ConstructExpected => malformed(field, 1, INDEFINITE),
            Asn1Error::InvalidLength => malformed(field, 1, "a length that is none"),
            _ => malformed(field, 0, "a tag that is none"),
        }),
    }
}

pub(super) fn malformed(field: &'static str, offset: usize, what: &'static str) -> Error {
    Error { layer: LAYER, field, offset, kind: ErrorKind::Malformed { what } }
}

pub(super) fn too_many(field: &'static str, offset: usize, count: usize, most: usize) -> Error {
    let kind = ErrorKind::Length { declared: count as u64, least: 0, most: most as u64 };
    Error { layer: LAYER, field, offset, kind }
}

/// An element: its identifier octet, and its contents with their place in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) identifier: u8,
    /// Of the identifier octet.
    pub(super) offset: usize,
    /// Length of the header.
    head: usize,
    /// With the header.
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    pub(super) fn content(&self) -> &'a [u8] {
        &self.whole[self.head..]
    }

    /// The contents' elements.
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader { bytes: self.content(), offset: self.offset + self.head }
    }

    /// The contents as an INTEGER or ENUMERATED that is not negative, whatever the tag.
    pub(super) fn number(&self, field: &'static str) -> Result<u32, Error> {
        let mut integer = vec![INTEGER];
        match self.content() {
            // Leading zeros beyond what a u32 can take are not worth a copy.
            content @ [_, ..] if content.len() < 128 => {
                integer.extend(u8::try_from(content.len()));
                integer.extend_from_slice(content);
            }
            _ => return Err(malformed(field, self.offset, NO_NUMBER)),
        }
        match u32::from_ber(&integer) {
            Ok((_, number)) => Ok(number),
            Err(_) => Err(malformed(field, self.offset, NO_NUMBER)),
        }
    }

    /// The contents as text. What is no UTF-8 is replaced, and noted.
    pub(super) fn text(&self, field: &'static str, note: &mut Note) -> String {
        let content = self.content();
        if content.len() > MAX_TEXT {
            note.take(too_many(field, self.offset, content.len(), MAX_TEXT));
        }
        let content = &content[..content.len().min(MAX_TEXT)];
        match std::str::from_utf8(content) {
            Ok(text) => text.to_owned(),
            // A character that the bound cuts is none to complain about.
            Err(error) if error.error_len().is_none() && content.len() == MAX_TEXT => {
                String::from_utf8_lossy(&content[..error.valid_up_to()]).into_owned()
            }
            Err(error) => {
                note.take(malformed(field, self.offset + self.head + error.valid_up_to(), "no UTF-8"));
                String::from_utf8_lossy(content).into_owned()
            }
        }
    }
}

/// The first thing that is wrong with a message.
#[derive(Debug, Default)]
pub(super) struct Note(pub(super) Option<Error>);

impl Note {
    pub(super) fn take(&mut self, error: Error) {
        self.0.get_or_insert(error);
    }

    /// The value, or `None` and the error noted.
    pub(super) fn value<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.take(error)).ok()
    }
}

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where the next element begins.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next element's identifier octet.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// The next element, of any tag.
    pub(super) fn next(&mut self, field: &'static str) -> Result<Element<'a>, Error> {
        let (element, cut) = self.next_cut(field)?;
        cut.map_or(Ok(element), Err)
    }

    /// The next element with as much of its contents as there is, and what it lacks. It is passed over either way.
    fn next_cut(&mut self, field: &'static str) -> Result<(Element<'a>, Option<Error>), Error> {
        let got = self.bytes.len();
        let Some(identifier) = self.peek() else {
            return Err(Error::truncated(LAYER, field, self.offset, 2, 0));
        };
        let Some((head, length)) = header(self.bytes, field).map_err(|error| error.shifted(self.offset))?
        else {
            return Err(Error::truncated(LAYER, field, self.offset, got + 1, got));
        };
        let left = got - head;
        let cut = (length > left).then(|| Error::truncated(LAYER, field, self.offset + head, length, left));
        let (whole, rest) = self.bytes.split_at(head + length.min(left));
        let element = Element { identifier, offset: self.offset, head, whole };
        self.bytes = rest;
        self.offset += whole.len();
        Ok((element, cut))
    }

    /// The next element, which must have this identifier octet. Another one is not passed over.
    pub(super) fn expect(
        &mut self,
        field: &'static str,
        identifier: u8,
        expected: &'static str,
    ) -> Result<Element<'a>, Error> {
        self.check(field, identifier, expected)?;
        self.next(field)
    }

    /// A reader of the contents of the next element, which must have this identifier octet. Contents that are cut are
    /// read as far as they are there.
    pub(super) fn enter(
        &mut self,
        field: &'static str,
        identifier: u8,
        expected: &'static str,
        note: &mut Note,
    ) -> Result<Reader<'a>, Error> {
        self.check(field, identifier, expected)?;
        Ok(self.enter_any(field, note)?.reader())
    }

    /// The next element, of any tag, with what is there of its contents.
    pub(super) fn enter_any(&mut self, field: &'static str, note: &mut Note) -> Result<Element<'a>, Error> {
        let (element, cut) = self.next_cut(field)?;
        if let Some(cut) = cut {
            note.take(cut);
        }
        Ok(element)
    }

    fn check(&self, field: &'static str, identifier: u8, expected: &'static str) -> Result<(), Error> {
        match self.peek() {
            Some(got) if got != identifier => {
                let kind = ErrorKind::Value { got: got.into(), expected };
                Err(Error { layer: LAYER, field, offset: self.offset, kind })
            }
            _ => Ok(()),
        }
    }

    /// The next element, if it has this identifier octet.
    pub(super) fn optional(
        &mut self,
        field: &'static str,
        identifier: u8,
    ) -> Result<Option<Element<'a>>, Error> {
        if self.peek() == Some(identifier) { self.next(field).map(Some) } else { Ok(None) }
    }

    pub(super) fn octets(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        self.expect(field, OCTET_STRING, "an OCTET STRING (0x04)").map(|element| element.content())
    }

    pub(super) fn text(&mut self, field: &'static str, note: &mut Note) -> Result<String, Error> {
        let element = self.expect(field, OCTET_STRING, "an OCTET STRING (0x04)")?;
        Ok(element.text(field, note))
    }

    pub(super) fn integer(&mut self, field: &'static str) -> Result<u32, Error> {
        self.expect(field, INTEGER, "an INTEGER (0x02)")?.number(field)
    }

    pub(super) fn enumerated(&mut self, field: &'static str) -> Result<u32, Error> {
        self.expect(field, ENUMERATED, "an ENUMERATED (0x0a)")?.number(field)
    }

    pub(super) fn boolean(&mut self, field: &'static str) -> Result<bool, Error> {
        boolean(&self.expect(field, BOOLEAN, "a BOOLEAN (0x01)")?, field)
    }

    /// Notes what stands behind the last field that is known.
    pub(super) fn end(&self, field: &'static str, note: &mut Note) {
        if !self.is_empty() {
            note.take(malformed(field, self.offset, "more behind the last field that is known"));
        }
    }
}

/// The contents as a BOOLEAN, whatever the tag: anything but zero is true.
pub(super) fn boolean(element: &Element<'_>, field: &'static str) -> Result<bool, Error> {
    match element.content() {
        [value] => Ok(*value != 0),
        content => {
            let kind = ErrorKind::Length { declared: content.len() as u64, least: 1, most: 1 };
            Err(Error { layer: LAYER, field, offset: element.offset, kind })
        }
    }
}

/// The most bytes of a text (a name, a description, a diagnostic message) that are kept.
pub const MAX_TEXT: usize = 64 << 10;

const INDEFINITE: &str = "a length of the indefinite form";
const NO_NUMBER: &str = "no number of 0..=4294967295";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_once_it_is_whole() {
        assert_eq!(header(&[], "x"), Ok(None));
        assert_eq!(header(&[0x30], "x"), Ok(None));
        assert_eq!(header(&[0x30, 0x82, 1], "x"), Ok(None));
        assert_eq!(header(&[0x30, 0x82, 1, 2], "x"), Ok(Some((4, 258))));
        assert_eq!(header(&[0x30, 0x84, 0, 0, 0, 7, 9], "x"), Ok(Some((6, 7))));
    }

    #[test]
    fn lengths_of_other_forms_are_refused_at_their_place() {
        for (bytes, expected) in [
            (&[0x30, 0x80][..], "LDAP: x at offset 1: a length of the indefinite form"),
            (&[0x04, 0x80], "LDAP: x at offset 1: a length of the indefinite form"),
            (&[0x30, 0xff], "LDAP: x at offset 1: a length that is none"),
            (&[0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0], "LDAP: x at offset 1: a length that is none"),
            (&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], "LDAP: x at offset 0: a tag that is none"),
        ] {
            assert_eq!(header(bytes, "x").unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn numbers_are_of_32_bits_and_not_negative() {
        let number = |content: &[u8]| {
            let bytes = [&[INTEGER, u8::try_from(content.len()).unwrap()], content].concat();
            Reader::new(&bytes).integer("n").ok()
        };
        assert_eq!(number(&[5]), Some(5));
        assert_eq!(number(&[0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        assert_eq!(number(&[0, 0, 5]), Some(5));
        for content in [&[][..], &[0x80], &[1, 0, 0, 0, 0]] {
            assert_eq!(number(content), None, "{content:?}");
        }
    }

    #[test]
    fn an_element_that_is_cut_says_what_it_needs() {
        let error = Reader::new(&[OCTET_STRING, 5, 1, 2]).octets("x").unwrap_err();
        assert_eq!(error, Error::truncated(LAYER, "x", 2, 5, 2));
        assert_eq!(Reader::new(&[]).octets("x").unwrap_err(), Error::truncated(LAYER, "x", 0, 2, 0));
        assert_eq!(
            Reader::new(&[4, 0x82, 1]).octets("x").unwrap_err(),
            Error::truncated(LAYER, "x", 0, 4, 3)
        );
    }

    #[test]
    fn another_tag_and_a_boolean_of_another_length_are_told() {
        let error = Reader::new(&[2, 1, 5]).octets("x").unwrap_err();
        assert_eq!(error.to_string(), "LDAP: x at offset 0: expected an OCTET STRING (0x04), got 2 (0x2)");
        let error = Reader::new(&[1, 2, 0, 0]).boolean("x").unwrap_err();
        assert_eq!(error.to_string(), "LDAP: x at offset 0: length 2 is not within 1..=1");
    }

    #[test]
    fn text_is_bounded_and_what_is_no_utf_8_is_replaced() {
        let mut note = Note::default();
        assert_eq!(Reader::new(&[4, 3, b'a', 0xff, b'b']).text("x", &mut note).unwrap(), "a\u{fffd}b");
        assert_eq!(note.0.unwrap().to_string(), "LDAP: x at offset 3: no UTF-8");
        let mut long = vec![4, 0x83, 1, 0, 1];
        long.extend("é".repeat(MAX_TEXT / 2).bytes().chain([b'x']));
        let mut note = Note::default();
        assert_eq!(Reader::new(&long).text("x", &mut note).unwrap().len(), MAX_TEXT);
        assert_eq!(note.0.unwrap().to_string(), "LDAP: x at offset 0: length 65537 is not within 0..=65536");
    }
}

use crate::wire::Error;

use super::layout::XmlWriter;
use super::xml::{self, Element, Field, Inner, XmlReader};
use super::{ErrorCode, SoapVersion};

/// A SOAP fault, of 1.1 (4.4) or of 1.2 (5.4); elements are told apart by their local names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// faultcode, or Code/Value: `soap:Server`.
    pub code: Option<String>,
    /// The values of 1.2's nested Subcodes, outermost first.
    pub subcodes: Vec<String>,
    /// faultstring, or Reason/Text.
    pub reason: Option<String>,
    /// faultactor, or Role.
    pub actor: Option<String>,
    /// Node (1.2).
    pub node: Option<String>,
    /// HRESULT, wherever in the detail it stands.
    pub hresult: Option<u32>,
    /// The Messages' Message in the detail.
    pub messages: Vec<String>,
    /// What else the detail holds: its elements without elements in them.
    pub detail: Vec<Field>,
    /// Elements that have no place of their own.
    pub other: Vec<Field>,
}

impl Fault {
    pub(super) fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "faultcode" => reader.once(&element, "faultcode", &mut self.code, &mut self.other)?,
                "faultstring" => reader.once(&element, "faultstring", &mut self.reason, &mut self.other)?,
                "faultactor" => reader.once(&element, "faultactor", &mut self.actor, &mut self.other)?,
                "Role" => reader.once(&element, "Role", &mut self.actor, &mut self.other)?,
                "Node" => reader.once(&element, "Node", &mut self.node, &mut self.other)?,
                "Code" => self.within("Code", |fault| fault.read_code(reader, false))?,
                "Reason" => self.within("Reason", |fault| fault.read_reason(reader))?,
                "detail" | "Detail" => self.read_detail(reader, &element)?,
                _ => reader.keep(&element, &mut self.other)?,
            }
        }
        Ok(())
    }

    /// Reads what is in an element that has no value of its own.
    fn within(
        &mut self,
        parent: &str,
        read: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let before = self.other.len();
        let read = read(self);
        Field::within(&mut self.other[before..], parent);
        read
    }

    /// Reads what is in Code, or in a Subcode.
    fn read_code(&mut self, reader: &mut XmlReader<'_>, is_subcode: bool) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "Value" if is_subcode => self.subcodes.push(reader.value("Subcode")?.into_owned()),
                "Value" => reader.once(&element, "Code", &mut self.code, &mut self.other)?,
                "Subcode" => self.within("Subcode", |fault| fault.read_code(reader, true))?,
                _ => reader.keep(&element, &mut self.other)?,
            }
        }
        Ok(())
    }

    fn read_reason(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "Text" => reader.once(&element, "Reason", &mut self.reason, &mut self.other)?,
                _ => reader.keep(&element, &mut self.other)?,
            }
        }
        Ok(())
    }

    fn read_detail(&mut self, reader: &mut XmlReader<'_>, detail: &Element<'_>) -> Result<(), Error> {
        match reader.inner("detail")? {
            Inner::Element(first) => self.read_details(reader, first),
            Inner::Text(text) if xml::is_blank(&text) => Ok(()),
            Inner::Text(text) => reader.keep_text(detail, &text, &mut self.detail),
        }
    }

    /// Reads an element of the detail and those behind it. How deep this goes is the reader's to limit.
    fn read_details<'a>(&mut self, reader: &mut XmlReader<'a>, first: Element<'a>) -> Result<(), Error> {
        let mut next = Some(first);
        while let Some(element) = next {
            match reader.inner("detail")? {
                Inner::Element(first) => self.read_details(reader, first)?,
                Inner::Text(text) => self.take_detail(reader, &element, &text)?,
            }
            next = reader.child()?;
        }
        Ok(())
    }

    fn take_detail(
        &mut self,
        reader: &mut XmlReader<'_>,
        element: &Element<'_>,
        text: &str,
    ) -> Result<(), Error> {
        match (element.local, parse_hresult(text)) {
            ("HRESULT", Some(hresult)) if self.hresult.is_none() => self.hresult = Some(hresult),
            ("Message", _) => {
                reader.keep_up(element)?;
                self.messages.push(text.to_owned());
            }
            _ => reader.keep_text(element, text, &mut self.detail)?,
        }
        Ok(())
    }

    /// Writes the form of the version, or 1.2's where the fault has what 1.1 does not.
    pub(super) fn write(&self, writer: &mut XmlWriter<'_>, soap: Option<&SoapVersion>) {
        let is_1_2 = soap == Some(&SoapVersion::V1_2) || self.node.is_some() || !self.subcodes.is_empty();
        writer.envelope(true);
        match soap {
            Some(_) => writer.open("Fault"),
            None => writer.open_in("Fault", xml::SOAP_1_1),
        }
        // 1.1's own elements are in no namespace, 1.2's in the envelope's.
        let parts = if is_1_2 { self.write_1_2(writer) } else { self.write_1_1(writer) };
        writer.open(parts);
        if let Some(hresult) = self.hresult {
            writer.leaf("HRESULT", &ErrorCode(hresult).to_string());
        }
        if !self.messages.is_empty() {
            writer.open("Messages");
            self.messages.iter().for_each(|message| writer.leaf("Message", message));
            writer.close("Messages");
        }
        writer.fields(&self.detail);
        writer.close(parts);
        writer.fields(&self.other);
        writer.envelope(true);
        writer.close("Fault");
        writer.envelope(false);
    }

    /// Returns what the detail is called.
    fn write_1_1(&self, writer: &mut XmlWriter<'_>) -> &'static str {
        writer.unqualified();
        writer.leaf_of("faultcode", self.code.as_deref());
        writer.leaf_of("faultstring", self.reason.as_deref());
        writer.leaf_of("faultactor", self.actor.as_deref());
        "detail"
    }

    fn write_1_2(&self, writer: &mut XmlWriter<'_>) -> &'static str {
        writer.open("Code");
        writer.leaf_of("Value", self.code.as_deref());
        for subcode in &self.subcodes {
            writer.open("Subcode");
            writer.leaf("Value", subcode);
        }
        self.subcodes.iter().for_each(|_| writer.close("Subcode"));
        writer.close("Code");
        writer.open("Reason");
        writer.leaf_of("Text", self.reason.as_deref());
        writer.close("Reason");
        writer.leaf_of("Node", self.node.as_deref());
        writer.leaf_of("Role", self.actor.as_deref());
        "Detail"
    }
}

/// An HRESULT as hex digits behind `0x`, or as a decimal number with a sign or without one.
fn parse_hresult(text: &str) -> Option<u32> {
    let text = text.trim_matches(xml::WHITE_SPACE);
    let signed = || text.parse::<i32>().ok().map(i32::cast_unsigned);
    ErrorCode::parse(text).map(|code| code.0).or_else(signed).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hresult_is_read_in_hex_and_in_decimal() {
        for text in ["0xC004C017", "0xc004c017", "-1073430505", "3221536791", " 0xC004C017\n"] {
            assert_eq!(parse_hresult(text), Some(0xc004_c017), "{text}");
        }
        for text in ["", "C004C017", "0x", "99999999999"] {
            assert_eq!(parse_hresult(text), None, "{text}");
        }
    }
}

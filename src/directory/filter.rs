use std::fmt;

use crate::wire::Error;

use super::ber::{self, Element, Note, OCTET_STRING, Reader, SEQUENCE, constructed, context};

/// What a search asks for: Filter, RFC 4511 4.5.1.7. [`fmt::Display`] writes it as RFC 4515 does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// `(&(..)(..))`; of none it is true (RFC 4526).
    And(Vec<Filter>),
    /// `(|(..)(..))`; of none it is false.
    Or(Vec<Filter>),
    /// `(!(..))`
    Not(Box<Filter>),
    /// `(attribute=value)`
    Equality(Assertion),
    /// `(attribute=initial*any*final)`
    Substrings {
        /// The attribute's description.
        attribute: String,
        /// What the value begins with.
        initial: Option<Vec<u8>>,
        /// What it has in the middle, in this order.
        any: Vec<Vec<u8>>,
        /// What it ends with.
        last: Option<Vec<u8>>,
    },
    /// `(attribute>=value)`
    GreaterOrEqual(Assertion),
    /// `(attribute<=value)`
    LessOrEqual(Assertion),
    /// `(attribute=*)`
    Present(String),
    /// `(attribute~=value)`
    Approximate(Assertion),
    /// `(attribute:dn:rule:=value)`
    Extensible {
        /// The matching rule's name or OID.
        rule: Option<String>,
        /// The attribute's description.
        attribute: Option<String>,
        /// What it is matched with.
        value: Vec<u8>,
        /// True where the parts of the DN are matched too.
        dn_attributes: bool,
    },
}

/// An attribute and a value: AttributeValueAssertion, RFC 4511 4.1.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The attribute's description.
    pub attribute: String,
    /// The value.
    pub value: Vec<u8>,
}

/// How deep the parts of a filter may be nested.
pub const MAX_NESTING: usize = 64;

/// The most parts of a filter that are kept.
pub const MAX_PARTS: usize = 4_096;

impl Filter {
    /// Every attribute that is asked about, and the value that it is compared with, if there is just one.
    pub fn assertions(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            loop {
                return Some(match open.pop()? {
                    Self::And(parts) | Self::Or(parts) => {
                        open.extend(parts.iter().rev());
                        continue;
                    }
                    Self::Not(part) => {
                        open.push(part);
                        continue;
                    }
                    Self::Equality(assertion)
                    | Self::GreaterOrEqual(assertion)
                    | Self::LessOrEqual(assertion)
                    | Self::Approximate(assertion) => {
                        (assertion.attribute.as_str(), Some(assertion.value.as_slice()))
                    }
                    Self::Substrings { attribute, .. } | Self::Present(attribute) => {
                        (attribute.as_str(), None)
                    }
                    Self::Extensible { attribute, value, .. } => {
                        (attribute.as_deref().unwrap_or_default(), Some(value.as_slice()))
                    }
                });
            }
        })
    }

    /// The next element as a filter. Parts that cannot be read, and those that are more than the bounds allow, are passed
    /// over; the first of them is noted.
    pub(super) fn read(reader: &mut Reader<'_>, note: &mut Note) -> Option<Self> {
        read_part(reader, 1, &mut MAX_PARTS.clone(), note)
    }
}

fn read_part(reader: &mut Reader<'_>, depth: usize, room: &mut usize, note: &mut Note) -> Option<Filter> {
    let offset = reader.offset();
    if depth > MAX_NESTING {
        note.take(ber::malformed("filter", offset, "parts are nested too deep"));
        return None;
    }
    if *room == 0 {
        note.take(ber::too_many("filter", offset, MAX_PARTS + 1, MAX_PARTS));
        return None;
    }
    *room -= 1;
    let element = reader.enter_any("filter", note);
    let element = note.value(element)?;
    let mut inner = element.reader();
    match element.identifier {
        AND | OR => {
            let mut parts = Vec::new();
            while !inner.is_empty() {
                let begin = inner.offset();
                parts.extend(read_part(&mut inner, depth + 1, room, note));
                if inner.offset() == begin {
                    break;
                }
            }
            Some(if element.identifier == AND { Filter::And(parts) } else { Filter::Or(parts) })
        }
        NOT => {
            let part = read_part(&mut inner, depth + 1, room, note)?;
            inner.end("not", note);
            Some(Filter::Not(Box::new(part)))
        }
        PRESENT => Some(Filter::Present(element.text("present", note))),
        _ => {
            let leaf = read_leaf(element, note);
            note.value(leaf)
        }
    }
}

fn read_leaf(element: Element<'_>, note: &mut Note) -> Result<Filter, Error> {
    let mut inner = element.reader();
    let filter = match element.identifier {
        EQUALITY => Filter::Equality(assertion(&mut inner, note)?),
        GREATER_OR_EQUAL => Filter::GreaterOrEqual(assertion(&mut inner, note)?),
        LESS_OR_EQUAL => Filter::LessOrEqual(assertion(&mut inner, note)?),
        APPROXIMATE => Filter::Approximate(assertion(&mut inner, note)?),
        SUBSTRINGS => substrings(&mut inner, note)?,
        EXTENSIBLE => {
            let rule = inner.optional("matchingRule", context(1))?.map(|e| e.text("matchingRule", note));
            let attribute = inner.optional("type", context(2))?.map(|e| e.text("type", note));
            let value = inner.expect("matchValue", context(3), "matchValue (0x83)")?.content();
            let dn_attributes = match inner.optional("dnAttributes", context(4))? {
                Some(element) => ber::boolean(&element, "dnAttributes")?,
                None => false,
            };
            Filter::Extensible { rule, attribute, value: bounded(value, element.offset, note), dn_attributes }
        }
        _ => return Err(ber::malformed("filter", element.offset, "a filter of no kind that there is")),
    };
    inner.end("filter", note);
    Ok(filter)
}

fn assertion(reader: &mut Reader<'_>, note: &mut Note) -> Result<Assertion, Error> {
    let attribute = reader.text("attributeDesc", note)?;
    let offset = reader.offset();
    let value = reader.expect("assertionValue", OCTET_STRING, "an OCTET STRING (0x04)")?;
    Ok(Assertion { attribute, value: bounded(value.content(), offset, note) })
}

fn substrings(reader: &mut Reader<'_>, note: &mut Note) -> Result<Filter, Error> {
    let attribute = reader.text("type", note)?;
    let mut parts = reader.enter("substrings", SEQUENCE, "a SEQUENCE (0x30)", note)?;
    let (mut initial, mut any, mut last) = (None, Vec::new(), None);
    while !parts.is_empty() {
        let part = parts.next("substring")?;
        let value = bounded(part.content(), part.offset, note);
        match part.identifier {
            INITIAL if initial.is_none() && any.is_empty() && last.is_none() => initial = Some(value),
            ANY if last.is_none() && any.len() < MAX_PARTS => any.push(value),
            FINAL if last.is_none() => last = Some(value),
            ANY if last.is_none() => {
                note.take(ber::too_many("substrings", part.offset, MAX_PARTS + 1, MAX_PARTS));
                break;
            }
            _ => {
                note.take(ber::malformed("substring", part.offset, "a part of no kind, or out of order"));
                break;
            }
        }
    }
    Ok(Filter::Substrings { attribute, initial, any, last })
}

fn bounded(value: &[u8], offset: usize, note: &mut Note) -> Vec<u8> {
    if value.len() > MAX_VALUE {
        note.take(ber::too_many("assertionValue", offset, value.len(), MAX_VALUE));
    }
    value[..value.len().min(MAX_VALUE)].to_vec()
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |f: &mut fmt::Formatter<'_>, assertion: &Assertion, operator| {
            write!(f, "({}{operator}{})", Escaped(assertion.attribute.as_bytes()), Escaped(&assertion.value))
        };
        match self {
            Self::And(parts) => list(f, '&', parts),
            Self::Or(parts) => list(f, '|', parts),
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Equality(assertion) => pair(f, assertion, "="),
            Self::GreaterOrEqual(assertion) => pair(f, assertion, ">="),
            Self::LessOrEqual(assertion) => pair(f, assertion, "<="),
            Self::Approximate(assertion) => pair(f, assertion, "~="),
            Self::Present(attribute) => write!(f, "({}=*)", Escaped(attribute.as_bytes())),
            Self::Substrings { attribute, initial, any, last } => {
                write!(
                    f,
                    "({}={}*",
                    Escaped(attribute.as_bytes()),
                    Escaped(initial.as_deref().unwrap_or_default())
                )?;
                any.iter().try_for_each(|part| write!(f, "{}*", Escaped(part)))?;
                write!(f, "{})", Escaped(last.as_deref().unwrap_or_default()))
            }
            Self::Extensible { rule, attribute, value, dn_attributes } => {
                write!(f, "({}", Escaped(attribute.as_deref().unwrap_or_default().as_bytes()))?;
                if *dn_attributes {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{}", Escaped(rule.as_bytes()))?;
                }
                write!(f, ":={})", Escaped(value))
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, operator: char, parts: &[Filter]) -> fmt::Result {
    write!(f, "({operator}")?;
    parts.iter().try_for_each(|part| write!(f, "{part}"))?;
    f.write_str(")")
}

/// A value as RFC 4515 3 writes it: what is no visible character, and what has a meaning in a filter, as `\` and two
/// hex digits.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "\\{byte:02x}"))
        };
        // Of bytes that are no text, all are escaped: a letter among them would say nothing.
        let Some(text) = str::from_utf8(self.0).ok().filter(|text| !text.chars().any(char::is_control))
        else {
            return escape(f, self.0);
        };
        for c in text.chars() {
            match c {
                '*' | '(' | ')' | '\\' => escape(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

const AND: u8 = constructed(0);
const OR: u8 = constructed(1);
const NOT: u8 = constructed(2);
const EQUALITY: u8 = constructed(3);
const SUBSTRINGS: u8 = constructed(4);
const GREATER_OR_EQUAL: u8 = constructed(5);
const LESS_OR_EQUAL: u8 = constructed(6);
const PRESENT: u8 = context(7);
const APPROXIMATE: u8 = constructed(8);
const EXTENSIBLE: u8 = constructed(9);

const INITIAL: u8 = context(0);
const ANY: u8 = context(1);
const FINAL: u8 = context(2);

/// The most bytes of an assertion's value that are kept.
const MAX_VALUE: usize = 64 << 10;

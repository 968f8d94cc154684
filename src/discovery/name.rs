use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::base::ParsedName;

use crate::wire::{Error, ErrorKind};

/// A domain name in its presentation format (RFC 1035 5.1), without the dot at its end.
///
/// Letters keep their case; names that differ in it alone are equal, and hash so (RFC 4343). The order is that of the
/// labels from the last one to the first, so what lies below one domain stands together. The root is the empty text,
/// and shown as `.`.
///
/// ```
/// use volact::discovery::Name;
///
/// let name = Name::parse("_VLMCS._tcp.corp.example.")?;
/// assert_eq!(name.as_str(), "_VLMCS._tcp.corp.example");
/// assert_eq!(name, Name::parse("_vlmcs._tcp.CORP.example")?);
/// assert!(name.is_within(&Name::parse("example")?));
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Name(Arc<str>);

/// The most bytes of a label (RFC 1035 2.3.4).
pub(super) const MAX_LABEL: usize = 63;

/// The most bytes of a name on the wire, the root's label and all lengths included (RFC 1035 2.3.4).
pub(super) const MAX_NAME: usize = 255;

impl Name {
    /// The root of all names.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Reads a name in presentation format, with or without a dot at its end. Characters beyond ASCII are taken as
    /// their bytes in UTF-8, as multicast DNS has them (RFC 6762 section 16).
    ///
    /// # Errors
    /// An empty label or one of more than 63 bytes, a name of more than 255, an escape that is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |offset, what| Error {
            layer: "DNS name",
            field: "label",
            offset,
            kind: ErrorKind::Malformed { what },
        };
        if text.is_empty() || text == "." {
            return Ok(Self::root());
        }
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len());
        // Bytes of the label that is being read, and of the name in front of it; the root's label is one.
        let (mut label, mut length) = (0, 1);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let begin = at;
            at += 1;
            let byte = match byte {
                b'.' if label == 0 => return Err(malformed(begin, "an empty label")),
                b'.' => {
                    length += label + 1;
                    label = 0;
                    if at < bytes.len() {
                        out.push('.');
                    }
                    continue;
                }
                b'\\' => {
                    let (escaped, behind) =
                        unescape(bytes, at).ok_or_else(|| malformed(begin, "an escape that is none"))?;
                    at = behind;
                    escaped
                }
                byte => byte,
            };
            label += 1;
            if label > MAX_LABEL {
                return Err(malformed(begin, "a label of more than 63 bytes"));
            }
            push(&mut out, byte);
        }
        if label > 0 {
            length += label + 1;
        }
        if length > MAX_NAME {
            return Err(malformed(bytes.len(), "a name of more than 255 bytes"));
        }
        Ok(Self(out.into()))
    }

    /// The text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The name without its first label; none of the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let first = self.labels().next()?;
        Some(Self(self.0.get(first.len() + 1..).unwrap_or_default().into()))
    }

    /// The labels in presentation format, the first one first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        Labels(self.as_str())
    }

    /// True for the domain itself and for every name below it.
    #[must_use]
    pub fn is_within(&self, domain: &Self) -> bool {
        let mut labels = self.labels().rev();
        domain.labels().rev().all(|label| labels.next().is_some_and(|own| own.eq_ignore_ascii_case(label)))
    }

    pub(super) fn of(parsed: &ParsedName<&[u8]>) -> Self {
        let mut out = String::new();
        for label in parsed.iter().filter(|label| !label.is_root()) {
            if !out.is_empty() {
                out.push('.');
            }
            label.as_slice().iter().for_each(|&byte| push(&mut out, byte));
        }
        Self(out.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.is_root() { "." } else { self.as_str() })
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let folded = |label: &'_ str| label.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Folded>();
        self.labels().rev().map(folded).cmp(other.labels().rev().map(folded))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(b'.');
    }
}

/// A label in lower case.
type Folded = smallvec::SmallVec<[u8; MAX_LABEL]>;

/// The labels of what is left of a name.
struct Labels<'a>(&'a str);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut is_escaped = false;
        let dot = self.0.bytes().position(|byte| {
            let ends = byte == b'.' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        let (label, rest) = match dot {
            Some(dot) => (&self.0[..dot], &self.0[dot + 1..]),
            None => (self.0, ""),
        };
        self.0 = rest;
        Some(label)
    }
}

impl DoubleEndedIterator for Labels<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = self.0.as_bytes();
        let is_escaped =
            |dot: usize| bytes[..dot].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
        let dot = (0..bytes.len()).rev().find(|&at| bytes[at] == b'.' && !is_escaped(at));
        let (rest, label) = match dot {
            Some(dot) => (&self.0[..dot], &self.0[dot + 1..]),
            None => ("", self.0),
        };
        self.0 = rest;
        Some(label)
    }
}

/// Appends a byte of a label: as it is, or escaped where it would read as something else.
fn push(out: &mut String, byte: u8) {
    match byte {
        b'"' | b'$' | b'(' | b')' | b'.' | b';' | b'@' | b'\\' => out.extend(['\\', char::from(byte)]),
        0x21..=0x7e => out.push(char::from(byte)),
        // Writing to a text does not fail.
        _ => _ = write!(out, "\\{byte:03}"),
    }
}

/// The byte that is escaped behind a backslash, and where what follows it begins.
fn unescape(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *bytes.get(at)?;
    if !first.is_ascii_digit() {
        return Some((first, at + 1));
    }
    let digits = bytes.get(at..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let value = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    Some((u8::try_from(value).ok()?, at + 3))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn names_that_differ_in_case_are_one() {
        let (upper, lower) = (name("_VLMCS._TCP.Corp.Example"), name("_vlmcs._tcp.corp.example"));
        assert_eq!(upper, lower);
        assert_eq!(upper.cmp(&lower), Ordering::Equal);
        assert_eq!(HashSet::from([upper.clone(), lower.clone()]).len(), 1);
        assert_eq!(BTreeSet::from([upper.clone(), lower]).len(), 1);
        assert_eq!(upper.to_string(), "_VLMCS._TCP.Corp.Example");
        // Only ASCII letters have a case (RFC 4343 section 3).
        assert_ne!(name("\u{e9}"), name("\u{c9}"));
    }

    #[test]
    fn what_would_read_as_something_else_is_escaped_in_one_way() {
        for (text, canonical) in [
            ("a\\.b.c", "a\\.b.c"),
            ("a\\046b.c", "a\\.b.c"),
            ("\\065\\066", "AB"),
            ("a b", "a\\032b"),
            ("a\\ b", "a\\032b"),
            ("b\u{fc}ro", "b\\195\\188ro"),
            ("\\\\.x", "\\\\.x"),
            ("host$.(x)", "host\\$.\\(x\\)"),
            ("\\000", "\\000"),
            ("\\255", "\\255"),
        ] {
            assert_eq!(name(text).as_str(), canonical, "{text}");
            assert_eq!(name(canonical).as_str(), canonical, "{text}");
        }
    }

    #[test]
    fn labels_are_cut_at_dots_that_are_not_escaped() {
        for (text, labels) in [
            ("a.b.c", vec!["a", "b", "c"]),
            ("a\\.b.c", vec!["a\\.b", "c"]),
            ("a\\\\.b", vec!["a\\\\", "b"]),
            ("a\\\\\\.b", vec!["a\\\\\\.b"]),
            ("", vec![]),
            ("\\..\\.", vec!["\\.", "\\."]),
        ] {
            let name = name(text);
            assert_eq!(name.labels().collect::<Vec<_>>(), labels);
            let mut back: Vec<_> = name.labels().rev().collect();
            back.reverse();
            assert_eq!(back, labels);
        }
    }

    #[test]
    fn a_parent_lacks_the_first_label() {
        assert_eq!(name("a\\.b.c.d").parent(), Some(name("c.d")));
        assert_eq!(name("d").parent(), Some(Name::root()));
        assert_eq!(Name::root().parent(), None);
    }

    #[test]
    fn a_name_is_within_what_its_labels_end_with() {
        assert!(name("a.Corp.example").is_within(&name("corp.EXAMPLE")));
        assert!(name("corp.example").is_within(&name("corp.example")));
        assert!(name("corp.example").is_within(&Name::root()));
        assert!(!name("xcorp.example").is_within(&name("corp.example")));
        assert!(!name("example").is_within(&name("corp.example")));
        assert!(!name("a\\.example").is_within(&name("example")));
    }

    #[test]
    fn names_stand_in_the_order_of_their_domains() {
        let mut names = ["b.z", "z.a", "a", "a.b.a", "B.a", ""].map(name);
        names.sort();
        assert_eq!(names.each_ref().map(Name::as_str), ["", "a", "B.a", "a.b.a", "z.a", "b.z"]);
    }

    #[test]
    fn what_is_no_name_is_refused_where_it_is_none() {
        let long = "a".repeat(64);
        let full = vec!["a".repeat(63); 4].join(".");
        for (text, offset, what) in [
            ("a..b", 2, "an empty label"),
            (".a", 0, "an empty label"),
            ("..", 0, "an empty label"),
            ("a\\", 1, "an escape that is none"),
            ("a\\25", 1, "an escape that is none"),
            ("a\\256", 1, "an escape that is none"),
            (long.as_str(), 63, "a label of more than 63 bytes"),
            (full.as_str(), 255, "a name of more than 255 bytes"),
        ] {
            let error = Name::parse(text).unwrap_err();
            assert_eq!((error.offset, error.kind), (offset, ErrorKind::Malformed { what }), "{text}");
        }
        assert!(Name::parse(&full[..full.len() - 2]).is_ok());
    }

    #[test]
    fn the_root_is_a_dot() {
        assert_eq!((Name::root().to_string().as_str(), Name::root().as_str()), (".", ""));
        assert_eq!(name("."), Name::root());
        assert!(name("a.").labels().eq(["a"]));
    }
}

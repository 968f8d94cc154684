use std::fmt;

use domain::base::iana;

/// The type of a record or a question (RFC 1035 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

/// The class of a record or a question (RFC 1035 3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class(pub u16);

/// The response code, with EDNS's extension (RFC 1035 4.1.1, RFC 6891 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rcode(pub u16);

/// The kind of query (RFC 1035 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opcode(pub u8);

/// The second word of the header (RFC 1035 4.1.1, RFC 4035 3.1.6).
///
/// | bits | flag |
/// |---|---|
/// | 15 | QR |
/// | 14 to 11 | OPCODE |
/// | 10 | AA |
/// | 9 | TC |
/// | 8 | RD |
/// | 7 | RA |
/// | 6 | Z |
/// | 5 | AD |
/// | 4 | CD |
/// | 3 to 0 | RCODE |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl RecordType {
    /// A host's IPv4 address.
    pub const A: Self = Self(1);
    /// An authoritative name server.
    pub const NS: Self = Self(2);
    /// The canonical name of an alias.
    pub const CNAME: Self = Self(5);
    /// The start of a zone of authority.
    pub const SOA: Self = Self(6);
    /// A pointer to another name.
    pub const PTR: Self = Self(12);
    /// Text.
    pub const TXT: Self = Self(16);
    /// A host's IPv6 address (RFC 3596).
    pub const AAAA: Self = Self(28);
    /// The location of a service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// EDNS (RFC 6891).
    pub const OPT: Self = Self(41);
    /// In a question: records of all types.
    pub const ANY: Self = Self(255);

    /// The type's mnemonic.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        iana::Rtype::from_int(self.0).to_mnemonic_str()
    }

    /// The type of this mnemonic, in upper or lower case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        iana::Rtype::from_mnemonic(name.as_bytes()).map(|rtype| Self(rtype.to_int()))
    }
}

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// In an update: no class (RFC 2136 2.5.4).
    pub const NONE: Self = Self(254);
    /// In a question or an update: any class.
    pub const ANY: Self = Self(255);

    /// The class's mnemonic.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            // `*` in RFC 1035; what everybody writes is RFC 2136's word.
            Self::ANY => Some("ANY"),
            Self(class) => iana::Class::from_int(class).to_mnemonic_str(),
        }
    }
}

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// The server could not read the query.
    pub const FORMERR: Self = Self(1);
    /// The server failed.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// The server does not know this kind of query.
    pub const NOTIMP: Self = Self(4);
    /// The server does not want to.
    pub const REFUSED: Self = Self(5);

    /// The code's mnemonic.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        // The crate's own check refuses every code but 0.
        let is_code = self.0 <= MAX_RCODE;
        is_code.then(|| iana::OptRcode::masked_from_int(self.0).to_mnemonic_str())?
    }

    /// The code of this mnemonic, in upper or lower case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        (0..=MAX_NAMED_RCODE)
            .map(Self)
            .find(|code| code.name().is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }
}

impl Opcode {
    /// A query.
    pub const QUERY: Self = Self(0);
    /// Word of a changed zone (RFC 1996).
    pub const NOTIFY: Self = Self(4);
    /// A dynamic update (RFC 2136).
    pub const UPDATE: Self = Self(5);

    /// The code's mnemonic.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        iana::Opcode::from_int(self.0).to_mnemonic_str()
    }
}

impl Flags {
    /// QR: this is a response.
    #[must_use]
    pub fn qr(self) -> bool {
        self.bit(15)
    }

    /// OPCODE.
    #[must_use]
    pub fn opcode(self) -> Opcode {
        let [high, _] = self.0.to_be_bytes();
        Opcode(high >> 3 & 0xf)
    }

    /// AA: the answer is an authority's.
    #[must_use]
    pub fn aa(self) -> bool {
        self.bit(10)
    }

    /// TC: the message was too long for its way. In a query of multicast DNS: more known answers follow.
    #[must_use]
    pub fn tc(self) -> bool {
        self.bit(9)
    }

    /// RD: recursion is desired.
    #[must_use]
    pub fn rd(self) -> bool {
        self.bit(8)
    }

    /// RA: recursion is available.
    #[must_use]
    pub fn ra(self) -> bool {
        self.bit(7)
    }

    /// AD: the data is authentic.
    #[must_use]
    pub fn ad(self) -> bool {
        self.bit(5)
    }

    /// CD: checking is disabled.
    #[must_use]
    pub fn cd(self) -> bool {
        self.bit(4)
    }

    /// RCODE, the header's four bits of it.
    #[must_use]
    pub fn rcode(self) -> Rcode {
        Rcode(self.0 & 0xf)
    }

    fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
}

/// `SRV`, `TYPE4711` (RFC 3597 section 5).
impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(f, self.name(), "TYPE", self.0)
    }
}

/// `IN`, `CLASS4711` (RFC 3597 section 5).
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(f, self.name(), "CLASS", self.0)
    }
}

/// `NXDOMAIN`, `RCODE17`.
impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(f, self.name(), "RCODE", self.0)
    }
}

/// `QUERY`, `OPCODE7`.
impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(f, self.name(), "OPCODE", self.0.into())
    }
}

/// The flags that are set, `qr aa rd ra`, as servers' tools show them.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (bit, name) in
            [(15, "qr"), (10, "aa"), (9, "tc"), (8, "rd"), (7, "ra"), (6, "z"), (5, "ad"), (4, "cd")]
        {
            if self.bit(bit) {
                write!(f, "{gap}{name}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

fn named(f: &mut fmt::Formatter<'_>, name: Option<&str>, prefix: &str, number: u16) -> fmt::Result {
    match name {
        Some(name) => f.pad(name),
        None => write!(f, "{prefix}{number}"),
    }
}

/// The highest response code: there are twelve bits for it.
const MAX_RCODE: u16 = 0xfff;

/// The highest response code that has a mnemonic: BADCOOKIE (RFC 7873).
const MAX_NAMED_RCODE: u16 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_name_and_an_unknown_one_its_number() {
        for (type_, text) in [
            (RecordType::A, "A"),
            (RecordType::NS, "NS"),
            (RecordType::CNAME, "CNAME"),
            (RecordType::SOA, "SOA"),
            (RecordType::PTR, "PTR"),
            (RecordType::TXT, "TXT"),
            (RecordType::AAAA, "AAAA"),
            (RecordType::SRV, "SRV"),
            (RecordType::OPT, "OPT"),
            (RecordType::ANY, "ANY"),
            (RecordType(4711), "TYPE4711"),
        ] {
            assert_eq!(type_.to_string(), text);
            assert_eq!(RecordType::by_name(&text.to_lowercase()), type_.name().map(|_| type_));
        }
        let classes = [Class::IN, Class::NONE, Class::ANY, Class(77)].map(|class| class.to_string());
        assert_eq!(classes, ["IN", "NONE", "ANY", "CLASS77"]);
        let opcodes = [Opcode::QUERY, Opcode::NOTIFY, Opcode::UPDATE, Opcode(7)].map(|code| code.to_string());
        assert_eq!(opcodes, ["QUERY", "NOTIFY", "UPDATE", "OPCODE7"]);
    }

    #[test]
    fn a_response_code_is_found_by_its_name() {
        for (code, text) in [
            (Rcode::NOERROR, "NOERROR"),
            (Rcode::FORMERR, "FORMERR"),
            (Rcode::SERVFAIL, "SERVFAIL"),
            (Rcode::NXDOMAIN, "NXDOMAIN"),
            (Rcode::NOTIMP, "NOTIMP"),
            (Rcode::REFUSED, "REFUSED"),
            (Rcode(16), "BADVERS"),
            (Rcode(23), "BADCOOKIE"),
        ] {
            assert_eq!(code.to_string(), text);
            assert_eq!(Rcode::by_name(&text.to_lowercase()), Some(code));
        }
        assert_eq!((Rcode(17).to_string().as_str(), Rcode::by_name("RCODE17")), ("RCODE17", None));
        // Twelve bits are all that a message has; more is no name's.
        assert_eq!(Rcode(0xffff).to_string(), "RCODE65535");
        let last = (0..=MAX_RCODE).rev().map(Rcode).find(|code| code.name().is_some());
        assert_eq!(last, Some(Rcode(MAX_NAMED_RCODE)));
    }

    #[test]
    fn each_flag_is_its_bit() {
        type Read = fn(Flags) -> bool;
        let flags: [(u16, Read, &str); 7] = [
            (0x8000, Flags::qr, "qr"),
            (0x0400, Flags::aa, "aa"),
            (0x0200, Flags::tc, "tc"),
            (0x0100, Flags::rd, "rd"),
            (0x0080, Flags::ra, "ra"),
            (0x0020, Flags::ad, "ad"),
            (0x0010, Flags::cd, "cd"),
        ];
        for (bit, read, name) in flags {
            assert!(read(Flags(bit)) && !read(Flags(!bit)), "{name}");
            assert_eq!(Flags(bit).to_string(), name);
        }
        assert_eq!(Flags(0xa805).opcode(), Opcode::UPDATE);
        assert_eq!(Flags(0xa805).rcode(), Rcode::REFUSED);
        assert_eq!(Flags(0x85f0).to_string(), "qr aa rd ra z ad cd");
    }
}

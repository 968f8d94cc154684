use std::fmt;

/// A ProtocolVersion (RFC 8446 4.1.2). Any value survives: drafts, GREASE (RFC 8701).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

#[allow(missing_docs)] // the names are the values
impl Version {
    pub const SSL_3_0: Self = Self(0x0300);
    pub const TLS_1_0: Self = Self(0x0301);
    pub const TLS_1_1: Self = Self(0x0302);
    pub const TLS_1_2: Self = Self(0x0303);
    pub const TLS_1_3: Self = Self(0x0304);
}

/// `TLS 1.3`; `0x7f1c` where it has no name.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SSL_3_0 => f.write_str("SSL 3.0"),
            Self::TLS_1_0 => f.write_str("TLS 1.0"),
            Self::TLS_1_1 => f.write_str("TLS 1.1"),
            Self::TLS_1_2 => f.write_str("TLS 1.2"),
            Self::TLS_1_3 => f.write_str("TLS 1.3"),
            Self(other) => write!(f, "{other:#06x}"),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_a_name_is_its_number() {
        assert_eq!(Version::TLS_1_2.to_string(), "TLS 1.2");
        assert_eq!(Version(0x7f1c).to_string(), "0x7f1c");
    }
}

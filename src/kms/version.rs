use std::fmt;

/// A KMS protocol version: the minor number in the low 16 bits, the major in the high 16, so that 6.0 travels as
/// `00 00 06 00` (VA2.0 p. 29). Any value survives.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

#[allow(missing_docs)] // the names are the values
impl Version {
    pub const V4: Self = Self(4 << 16);
    pub const V5: Self = Self(5 << 16);
    pub const V6: Self = Self(6 << 16);

    /// The major number, by which a message's envelope is known.
    #[must_use]
    pub const fn major(self) -> u16 {
        let [.., a, b] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// The minor number.
    #[must_use]
    pub const fn minor(self) -> u16 {
        let [a, b, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }
}

/// `6.0`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
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
    fn the_major_number_is_the_high_half() {
        assert_eq!(Version::V6.0.to_le_bytes(), [0, 0, 6, 0]);
        assert_eq!(Version(0x0006_0001).to_string(), "6.1");
    }
}

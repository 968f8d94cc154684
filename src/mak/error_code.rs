use std::fmt;

/// An ErrorCode of the BatchActivation service: a small number of its own, or an HRESULT.
///
/// [`fmt::Display`] writes it as the service does, `0x7F`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// The key is blocked.
    pub const KEY_BLOCKED: Self = Self(0x67);
    /// The key is invalid.
    pub const INVALID_KEY: Self = Self(0x68);
    /// The MAK's limit is exceeded.
    pub const LIMIT_EXCEEDED: Self = Self(0x7f);
    /// The key is of the wrong type.
    pub const WRONG_KEY_TYPE: Self = Self(0x86);
    /// The installation ID is bad.
    pub const BAD_INSTALLATION_ID: Self = Self(0x90);

    /// Reads `0x` and one to eight hex digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u32::from_str_radix(digits, 16).ok().map(Self) } else { None }
    }

    /// What it means; `None` where nobody has said.
    #[must_use]
    pub fn meaning(self) -> Option<&'static str> {
        self.known().map(|(_, meaning, _)| *meaning)
    }

    /// Who says what it means; `None` where nobody has.
    #[must_use]
    pub fn authority(self) -> Option<&'static str> {
        self.known().map(|(.., authority)| *authority)
    }

    /// True for a failure of COM or .NET (severity bit set) and not one of the service's own numbers: HRESULTs have a
    /// catalogue of their own.
    #[must_use]
    pub fn is_hresult(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// Every code that somebody has said something about, with its meaning and who says so.
    #[must_use]
    pub fn all() -> &'static [(Self, &'static str, &'static str)] {
        KNOWN
    }

    fn known(self) -> Option<&'static (Self, &'static str, &'static str)> {
        KNOWN.iter().find(|(code, ..)| *code == self)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const MICROSOFT: &str = "Microsoft's activationws";
const SEVERAL: &str = "several community sources";
const ONE: &str = "one community source";
const CONFLICTING: &str = "community sources that conflict";

const KNOWN: &[(ErrorCode, &str, &str)] = &[
    (ErrorCode::KEY_BLOCKED, "the key is blocked", MICROSOFT),
    (ErrorCode::INVALID_KEY, "the key is invalid", MICROSOFT),
    (ErrorCode(0x71), "no confirmation ID was ever obtained, or the limit is exceeded", CONFLICTING),
    (ErrorCode::LIMIT_EXCEEDED, "the MAK's limit is exceeded", MICROSOFT),
    (ErrorCode::WRONG_KEY_TYPE, "the key is of the wrong type", MICROSOFT),
    (ErrorCode(0x8d), "too many installation IDs", ONE),
    (ErrorCode(0x8e), "no confirmation ID was ever obtained, or the limit is exceeded", CONFLICTING),
    (ErrorCode::BAD_INSTALLATION_ID, "the installation ID is bad", MICROSOFT),
    (ErrorCode(0xd5), "the override limit is reached, or the key is blocked", CONFLICTING),
    (ErrorCode(0xd6), "the override limit is reached, or the key is blocked", CONFLICTING),
    (ErrorCode(0x8000_4003), "the server failed", ONE),
    (ErrorCode(0x8013_1509), "the server failed", ONE),
    (ErrorCode(0x8013_1600), "the product ID is bad, or the server failed", SEVERAL),
    (ErrorCode(0xc004_c017), "the key is blocked for this location", SEVERAL),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_written_as_the_service_does() {
        for (text, code) in [("0x7F", 0x7f), ("0x8d", 0x8d), ("0X1", 1), ("0xC004C017", 0xc004_c017)] {
            assert_eq!(ErrorCode::parse(text), Some(ErrorCode(code)));
        }
        assert_eq!(ErrorCode(0x7f).to_string(), "0x7F");
        assert_eq!(ErrorCode(0xc004_c017).to_string(), "0xC004C017");
        for text in ["", "0x", "7F", "127", "0x123456789", "0x7G", "0x+7"] {
            assert_eq!(ErrorCode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn known_codes_have_a_meaning_and_an_authority_and_unknown_ones_stay_what_they_are() {
        assert!(ErrorCode::all().is_sorted(), "in the order of their numbers");
        assert_eq!(ErrorCode::all().len(), 14);
        for (code, meaning, authority) in ErrorCode::all() {
            assert_eq!((code.meaning(), code.authority()), (Some(*meaning), Some(*authority)));
        }
        let unknown = ErrorCode(0xabc);
        assert_eq!((unknown.meaning(), unknown.authority(), unknown.is_hresult()), (None, None, false));
        assert!(ErrorCode(0x8013_1600).is_hresult());
    }
}

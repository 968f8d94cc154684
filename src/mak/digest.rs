use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What became of the verification of a batch request's Digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestCheck {
    /// It is that of RequestXml's bytes.
    Pass,
    /// It is that of other bytes, or made with another key.
    Fail,
    /// There is no Digest, or it is empty.
    Missing,
    /// Digest is not the base64 text of 32 bytes.
    NotADigest,
    /// RequestXml is not there, not whole, or no base64, so that what was authenticated is not known.
    Unreadable,
}

impl DigestCheck {
    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Missing => "missing",
            Self::NotADigest => "not a digest",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The Digest of RequestXml's bytes: HMAC-SHA256 under the published key. It says that the bytes are whole; as everybody
/// has the key, it says nothing of who sent them.
#[must_use]
pub fn digest(request_xml: &[u8]) -> [u8; 32] {
    let mut mac = KEYED.clone();
    mac.update(request_xml);
    mac.finalize().into_bytes().into()
}

/// The state behind the key, which takes two blocks to get to.
static KEYED: LazyLock<Hmac<Sha256>> =
    LazyLock::new(|| Hmac::new_from_slice(&KEY).expect("HMAC takes keys of any length"));

/// Published with the service's sample client.
const KEY: [u8; 32] = [
    0xfe, 0x31, 0x98, 0x75, 0xfb, 0x48, 0x84, 0x86, 0x9c, 0xf3, 0xf1, 0xce, 0x99, 0xa8, 0x90, 0x64, 0xab,
    0x57, 0x1f, 0xca, 0x47, 0x04, 0x50, 0x58, 0x30, 0x24, 0xe2, 0x14, 0x62, 0x87, 0x79, 0xa0,
];

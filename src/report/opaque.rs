use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::redact;
use crate::wire::Hex;

use super::names::Plain;

/// A value of a stranger's document: shown with its product keys masked, or, where it is long or bytes in base64, by its
/// length and hash. Licences and bindings mean nothing to anybody but their makers.
pub(super) enum Opaque<'a> {
    Text(std::borrow::Cow<'a, str>),
    Hidden { characters: usize, hash: [u8; 32] },
}

/// Characters of a value that is shown.
const MOST_SHOWN: usize = 100;

/// Values that are bytes, however short they are.
const BYTES: [&str; 2] = ["Binding", "secureStoreId"];

impl<'a> Opaque<'a> {
    pub(super) fn of(name: &str, value: &'a str) -> Self {
        let is_bytes = BYTES.iter().any(|known| name.rsplit(['.', '/']).next() == Some(known));
        if value.len() > MOST_SHOWN || (is_bytes && value.len() > 40) {
            Self::Hidden { characters: value.chars().count(), hash: Sha256::digest(value.as_bytes()).into() }
        } else {
            Self::Text(redact::text(value))
        }
    }
}

impl fmt::Display for Opaque<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => Plain(text).fmt(f),
            Self::Hidden { characters, hash } => {
                write!(f, "{characters} characters, SHA-256 {}", Hex(&hash[..8]))
            }
        }
    }
}

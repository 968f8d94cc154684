//! What people type: installation and confirmation IDs, and extended product ids.

use crate::mak::{Id, IdError, IdErrorKind};
use crate::wire::{Epid, utf16};

/// Holds that an ID is written as it is read, that a wrong digit in it is found in its group, and that of a text that is none
/// every wrong group lies within the text.
pub fn id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let id = match Id::parse(&text) {
        Ok(id) => id,
        Err(error) => {
            let length = text.chars().count();
            assert!(error.groups.len() <= IdError::MOST_GROUPS);
            assert!(error.groups.iter().all(|group| group.characters.end <= length), "{error:?}");
            assert_eq!(error.to_string().lines().count(), 1 + error.groups.len());
            return;
        }
    };
    assert_eq!(Id::parse(&id.to_string()), Ok(id));
    assert_eq!(Id::parse(id.digits()), Ok(id));
    let size = id.kind().group_len();
    let digits = id.digits().as_bytes();
    for place in 0..digits.len() / size * size {
        let mut wrong = digits.to_vec();
        // Never 7 away: from 9 it goes to 0.
        wrong[place] = b'0' + (wrong[place] - b'0' + 1) % 10;
        let error = Id::parse(&String::from_utf8_lossy(&wrong)).expect_err("its check digit is wrong");
        assert_eq!(error.groups.len(), 1, "{error}");
        assert_eq!(error.groups[0].ordinal, place / size + 1, "{error}");
        assert!(matches!(error.kind, IdErrorKind::CheckDigits { id: kind, .. } if kind == id.kind()));
    }
}

/// Holds that an ePID, as UTF-16 or as UTF-8, is read again from what it is written as.
pub fn epid(data: &[u8]) {
    for text in [utf16::until_nul(data), String::from_utf8_lossy(data).into_owned()] {
        match Epid::parse(&text) {
            Ok(epid) => assert_eq!(Epid::parse(&epid.to_string()), Ok(epid), "{text:?}"),
            Err(error) => assert!(error.offset <= text.len(), "{error}"),
        }
    }
}

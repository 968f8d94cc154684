use std::ops::Range;

use super::Kind;
use super::view::{Origin, View};

/// Masks what is found in text in UTF-16 of either byte order: stretches in which every other byte is zero.
pub(super) fn mask(bytes: &mut [u8], nested: u8) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(zeros) = next_stretch(bytes, at) {
        at = zeros.end;
        found |= decoded(bytes, &zeros).mask(bytes, Kind::Text, nested);
    }
    found
}

/// True where this is so for any stretch of UTF-16 once it is decoded.
pub(super) fn any_decoded(bytes: &[u8], mut is: impl FnMut(&[u8]) -> bool) -> bool {
    let mut at = 0;
    while let Some(zeros) = next_stretch(bytes, at) {
        at = zeros.end;
        if is(decoded(bytes, &zeros).bytes()) {
            return true;
        }
    }
    false
}

/// The bytes between these zeros; little-endian, a character stands in front of the first one, big-endian, one behind the
/// last.
fn decoded(bytes: &[u8], zeros: &Range<usize>) -> View {
    let mut view = View::default();
    let stretch = zeros.start.saturating_sub(1)..(zeros.end + 1).min(bytes.len());
    for (byte, at) in bytes[stretch.clone()].iter().zip(stretch).filter(|(byte, _)| **byte != 0) {
        view.push(*byte, Origin::Byte(at));
    }
    view
}

/// The next stretch of zeros with one other byte between each, from its first zero to just behind its last.
fn next_stretch(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut probe = from + bytes.get(from..)?.iter().position(|byte| *byte == 0)?;
    loop {
        let pair = bytes.get(probe..probe + 2)?;
        let Some(zero) = pair.iter().position(|byte| *byte == 0).map(|i| probe + i) else {
            probe += LEAST - 2;
            continue;
        };
        let alternates = |zero: usize, other: usize| {
            bytes.get(zero) == Some(&0) && bytes.get(other).is_some_and(|byte| *byte != 0)
        };
        let (mut start, mut end) = (zero, zero);
        while start >= from + 2 && alternates(start - 2, start - 1) {
            start -= 2;
        }
        while alternates(end + 2, end + 1) {
            end += 2;
        }
        if end - start >= LEAST {
            return Some(start..end + 1);
        }
        probe = end + 1;
    }
}

/// Bytes from the first zero to the last one of a key.
const LEAST: usize = 48;

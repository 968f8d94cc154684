use super::class::{self, WORD};
use super::{FILLER, escapes};

/// Masks the values of ProductKeyActConfigId: what stands behind `msft2009:`, `msft2005:` and their like.
pub(super) fn mask(bytes: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(behind) = next_prefix(bytes, at) {
        at = behind;
        let mut value = match bytes.get(at) {
            Some(b':') => at + 1,
            _ => match escapes::read(bytes, at) {
                Some(escape) if escape.byte == Some(b':') => at + escape.len,
                _ => continue,
            },
        };
        while let Some(len) = value_part(bytes, value) {
            let part = &mut bytes[value..value + len];
            if !part.contains(&b'\n') {
                found = true;
                part.fill(FILLER);
            }
            value += len;
        }
        at = value;
    }
    found
}

/// True where a prefix is of which this is the `f`.
pub(super) fn is_prefix_around(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(2).and_then(|at| bytes.get(at..=at + PREFIX.len())).is_some_and(is_prefix)
}

fn is_prefix(window: &[u8]) -> bool {
    window
        .split_last()
        .is_some_and(|(digit, prefix)| prefix.eq_ignore_ascii_case(PREFIX) && digit.is_ascii_digit())
}

/// How long the part of a value is that begins here: a character, or an escape sequence that stands for one.
fn value_part(bytes: &[u8], at: usize) -> Option<usize> {
    let escape = escapes::read(bytes, at);
    match (escape, bytes.get(at)?) {
        (Some(escape), _) => escape.byte.is_none_or(is_in_value).then_some(escape.len),
        (None, byte) => is_in_value(*byte).then_some(1),
    }
}

fn is_in_value(byte: u8) -> bool {
    class::is(byte, WORD) || b"+/=&%{}_-".contains(&byte)
}

/// Where the next `msft200` and the digit behind it end.
fn next_prefix(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(window) = bytes.get(at..at + PREFIX.len()) {
        let last = window[PREFIX.len() - 1];
        if last == b'0' && bytes.get(at..=at + PREFIX.len()).is_some_and(is_prefix) {
            return Some(at + PREFIX.len() + 1);
        }
        at += usize::from(STEP[usize::from(last)]);
    }
    None
}

const PREFIX: &[u8; 7] = b"msft200";

/// How far the prefix can be moved on where this byte stands at its end (Horspool).
const STEP: [u8; 256] = {
    let mut step = [7; 256];
    let mut i: u8 = 0;
    while i < 6 {
        let byte = PREFIX[i as usize];
        step[byte as usize] = 6 - i;
        step[byte.to_ascii_uppercase() as usize] = 6 - i;
        i += 1;
    }
    step
};

use std::ops::Range;
use std::slice;

use super::class::{self, HEX, HEX_SEPARATOR};
use super::view::{Origin, View};
use super::{Kind, may_hold_something, next_run};

/// Masks what is found in bytes shown in hex.
pub(super) fn mask(bytes: &mut [u8], nested: u8) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(run) = next_run(bytes, at, LEAST, HEX | HEX_SEPARATOR) {
        at = run.end;
        found |= mask_run(bytes, run, nested);
    }
    found
}

/// Masks what is found in a run of hex digits and what may stand between them.
fn mask_run(bytes: &mut [u8], run: Range<usize>, nested: u8) -> bool {
    let mut parts = Vec::new();
    any_part(bytes, run, |part| {
        parts.push(part.to_vec());
        false
    });
    let mut found = false;
    for part in parts {
        let mut view = View::default();
        for digits in part {
            let (pairs, _) = bytes[digits.clone()].as_chunks();
            for (at, pair) in digits.step_by(2).zip(pairs) {
                view.push(value(pair), Origin::Hex(at));
            }
        }
        found |= view.may_hold_something() && view.mask(bytes, Kind::Binary, nested);
    }
    found
}

/// True where this is so for what any part of a run decodes to that may hold something.
pub(super) fn any_decoded(bytes: &[u8], run: Range<usize>, mut is: impl FnMut(&[u8]) -> bool) -> bool {
    let mut decoded = Vec::new();
    any_part(bytes, run, |part| {
        decoded.clear();
        for digits in part {
            decoded.extend(bytes[digits.clone()].as_chunks().0.iter().map(value));
        }
        may_hold_something(&decoded) && is(&decoded)
    })
}

/// True where this is so for any part of a run that is read as one: digits, always an even number, and more of them behind
/// what may stand between.
fn any_part(bytes: &[u8], run: Range<usize>, mut is: impl FnMut(&[Range<usize>]) -> bool) -> bool {
    let mut part = Vec::new();
    let mut at = run.start;
    let mut is_line_start = at == 0 || bytes[at - 1] == b'\n';
    while at < run.end {
        let start = (at..run.end).find(|&i| class::is(bytes[i], HEX)).unwrap_or(run.end);
        let end = (start..run.end).find(|&i| !class::is(bytes[i], HEX)).unwrap_or(run.end);
        is_line_start |= bytes[at..start].contains(&b'\n');
        if start - at > MOST_BETWEEN {
            if is(&part) {
                return true;
            }
            part.clear();
        }
        at = end;
        let is_prefix = &bytes[start..end] == b"0" && matches!(bytes.get(end), Some(b'x' | b'X'));
        let is_offset = std::mem::take(&mut is_line_start)
            && (4..=16).contains(&(end - start))
            && matches!(bytes[end..], [b':', b' ' | b'\t', ..] | [b' ', b' ', ..]);
        if is_prefix || is_offset {
            continue;
        }
        if (end - start).is_multiple_of(2) {
            part.push(start..end);
            // A digit that does not belong there may stand on either side.
            if end - start > LEAST + 1 && is(slice::from_ref(&(start + 1..end - 1))) {
                return true;
            }
        } else {
            part.push(start..end - 1);
            if is(&part) {
                return true;
            }
            part.clear();
            part.push(start + 1..end);
        }
    }
    is(&part)
}

/// The byte that two digits stand for.
fn value([high, low]: &[u8; 2]) -> u8 {
    let digit = |digit: u8| (digit & 15) + if digit > b'9' { 9 } else { 0 };
    digit(*high) << 4 | digit(*low)
}

/// Digits of the shortest thing that is looked for, a key without dashes.
pub(super) const LEAST: usize = 50;

/// Characters between two bytes: a comma, a backslash and a line break with what indents the next line.
const MOST_BETWEEN: usize = 16;

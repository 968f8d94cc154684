use std::ops::Range;

use super::class::{self, HEX, HEX_SEPARATOR};
use super::view::{Origin, View};
use super::{Kind, next_run};

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
    let mut found = false;
    let mut view = View::default();
    let mut at = run.start;
    let mut is_line_start = at == 0 || bytes[at - 1] == b'\n';
    while at < run.end {
        let start = (at..run.end).find(|&i| class::is(bytes[i], HEX)).unwrap_or(run.end);
        let end = (start..run.end).find(|&i| !class::is(bytes[i], HEX)).unwrap_or(run.end);
        is_line_start |= bytes[at..start].contains(&b'\n');
        if start - at > MOST_BETWEEN {
            found |= flush(&mut view, bytes, nested);
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
            push(&mut view, bytes, start..end);
            // A digit that does not belong there may stand on either side.
            if end - start > LEAST + 1 {
                let mut shifted = View::default();
                push(&mut shifted, bytes, start + 1..end - 1);
                found |= flush(&mut shifted, bytes, nested);
            }
        } else {
            push(&mut view, bytes, start..end - 1);
            found |= flush(&mut view, bytes, nested);
            push(&mut view, bytes, start + 1..end);
        }
    }
    flush(&mut view, bytes, nested) || found
}

/// Adds the bytes that pairs of digits stand for.
fn push(view: &mut View, bytes: &[u8], digits: Range<usize>) {
    let (pairs, _) = bytes[digits.clone()].as_chunks::<2>();
    for (at, [high, low]) in digits.step_by(2).zip(pairs) {
        view.push(value(*high) << 4 | value(*low), Origin::Hex(at));
    }
}

/// The value of a hex digit.
fn value(digit: u8) -> u8 {
    (digit & 15) + if digit > b'9' { 9 } else { 0 }
}

/// Masks what the view holds, and empties it.
fn flush(view: &mut View, bytes: &mut [u8], nested: u8) -> bool {
    let found = view.may_hold_something() && view.mask(bytes, Kind::Binary, nested);
    view.clear();
    found
}

/// Digits of the shortest thing that is looked for, a key without dashes.
const LEAST: usize = 50;

/// Characters between two bytes: a comma, a backslash and a line break with what indents the next line.
const MOST_BETWEEN: usize = 16;

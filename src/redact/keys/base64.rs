use std::ops::Range;

use super::class::{self, BASE64, HEX};
use super::{FILLER, Kind, Run, escapes, mask as mask_decoded, may_hold_something, next_run};

/// Masks whole runs of base64 in which something is found, and adds where they are.
pub(super) fn mask(bytes: &mut [u8], nested: u8, runs: &mut Vec<Run>) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(first) = next_run(bytes, at, LEAST, BASE64) {
        let lines = lines(bytes, first);
        at = lines.last().map_or(bytes.len(), |line| line.end);
        let mask = |decoded: &mut Vec<u8>| mask_decoded(decoded, Kind::Binary, nested, &mut Vec::new());
        if any_decoded(bytes, &lines, mask) {
            found = true;
            runs.extend(overwrite(bytes, &lines));
        }
    }
    found
}

/// The lines of a run whose first one this is. A line that is wrapped is not short.
pub(super) fn lines(bytes: &[u8], first: Range<usize>) -> Vec<Range<usize>> {
    let mut lines = vec![first.clone()];
    let mut line = first;
    while line.len() >= SHORTEST_LINE {
        let rest = &bytes[line.end..];
        let line_break = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => break,
        };
        let indent = rest[line_break..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let start = line.end + line_break + indent;
        let len = bytes[start..].iter().take_while(|byte| class::is(**byte, BASE64)).count();
        if len == 0 {
            break;
        }
        line = start..start + len;
        lines.push(line.clone());
    }
    lines
}

/// True where this is so for what a run decodes to that may hold something, read from any of its first four characters on.
pub(super) fn any_decoded(
    bytes: &[u8],
    lines: &[Range<usize>],
    mut is: impl FnMut(&mut Vec<u8>) -> bool,
) -> bool {
    if lines.iter().all(|line| is_hex(&bytes[line.clone()])) {
        return false;
    }
    let sextets: Vec<u8> =
        lines.iter().flat_map(|line| &bytes[line.clone()]).map(|byte| sextet(*byte)).collect();
    (0..4).any(|from| {
        let mut decoded = Vec::with_capacity(sextets.len() * 3 / 4);
        let (quads, rest) = sextets[from..].as_chunks::<4>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        for [a, b, c, d] in quads.iter().chain([&last]) {
            decoded.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        }
        decoded.truncate((sextets.len() - from) * 3 / 4);
        may_hold_something(&decoded) && is(&mut decoded)
    })
}

/// True for digests and GUIDs: no key, whatever its encoding, becomes hex digits only.
pub(super) fn is_hex(run: &[u8]) -> bool {
    run.iter().all(|byte| class::is(*byte, HEX) || *byte == b'-')
}

/// The six bits of a character, in whichever of the two alphabets.
fn sextet(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    }
}

/// Masks a run, but for what is part of an escape sequence in front of it; where it stood, its padding included.
fn overwrite(bytes: &mut [u8], lines: &[Range<usize>]) -> Option<Run> {
    let (first, last) = (lines.first()?, lines.last()?);
    let start = first.clone().find(|&at| !escapes::covers(bytes, at))?;
    let padding = bytes[last.end..].iter().take(2).take_while(|byte| **byte == b'=').count();
    for line in lines {
        bytes[line.start.max(start)..line.end].fill(FILLER);
    }
    let decoded_len = lines.iter().map(Range::len).sum::<usize>() * 3 / 4;
    Some(Run { place: start..last.end + padding, decoded_len })
}

/// Characters of the shortest thing that is looked for, a key without dashes.
pub(super) const LEAST: usize = 34;

/// Characters of the shortest line that another one follows.
const SHORTEST_LINE: usize = 32;

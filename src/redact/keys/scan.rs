//! One cheap pass over bytes that tells whether the thorough one would find something. It may say yes where that finds
//! nothing, and never says no where it finds something.
//!
//! Everything that is looked for has a run of at least 25 bytes of one class: symbols and what separates them, hex digits
//! and what separates them, characters of base64. So ten bytes in every sixteen tell where such a run may be, and only
//! there more is looked at: what runs encode is decoded and looked through in the same way.

use super::class::{self, BASE64, HEX, HEX_SEPARATOR, SEPARATOR, SYMBOL};
use super::{Kind, base64, config_id, digital_product_id, escapes, hex, line_of, symbols, utf16};

/// True where something may be in these bytes, through so many encodings.
pub(super) fn holds(bytes: &[u8], kind: Kind, nested: u8) -> bool {
    kind == Kind::Binary && digital_product_id::is_in(bytes)
        || Scan::<false>::new(bytes, 0, nested).next().is_some()
}

/// A place behind `from`, where a line begins, in the first line that may hold something if it is looked at by itself.
pub(super) fn next_in_lines(bytes: &[u8], from: usize, nested: u8) -> Option<usize> {
    Scan::<true>::new(bytes, from, nested).next()
}

/// A pass over bytes, over each line by itself if `LINES`.
struct Scan<'a, const LINES: bool> {
    bytes: &'a [u8],
    from: usize,
    /// Encodings that are looked through.
    nested: u8,
    /// Up to where each of these was looked at closely.
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    symbols: usize,
    hex: usize,
    base64: usize,
    escapes: usize,
    zeros: usize,
}

impl<'a, const LINES: bool> Scan<'a, LINES> {
    fn new(bytes: &'a [u8], from: usize, nested: u8) -> Self {
        Self { bytes, from, nested, seen: Seen::default() }
    }

    /// The first place where something may be.
    fn next(&mut self) -> Option<usize> {
        let bytes = self.bytes;
        let mut before = [0; 2];
        let mut at = self.from;
        while let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let place = self.looks_at(window, at, &mut before);
            if place.is_some() {
                return place;
            }
            at += CHUNK;
        }
        // A byte of no class behind the end ends every run.
        let mut last = [b'"'; WINDOW];
        let rest = bytes.get(at..)?;
        last[..rest.len()].copy_from_slice(rest);
        if rest.is_empty() { None } else { self.looks_at(&last, at, &mut before) }
    }

    /// The first place where something may be in a chunk, which has the first byte of the next one behind it.
    #[inline]
    fn looks_at(&mut self, window: &[u8; WINDOW], at: usize, before: &mut [u8; 2]) -> Option<usize> {
        let rare = if has_rare(window) { self.looks_at_rare(window, at) } else { None };
        let (blocks, _) = window.as_chunks::<16>();
        for (i, block) in blocks.iter().enumerate() {
            let classes =
                |bytes: &[u8]| bytes.iter().fold(!0, |all, byte| all & Self::CLASSES[usize::from(*byte)]);
            let head = classes(&block[..3]);
            let all = head & classes(&block[3..10]);
            let [two, one] = *before;
            *before = [one, all];
            let runs = all & SYMBOLS | head & one & (IN_BASE64 | two & IN_HEX);
            let place = at + 16 * i;
            // Most runs have more than one block.
            let is_seen = runs == IN_BASE64 && place < self.seen.base64;
            if runs != 0 && !is_seen && self.looks_at_runs(runs | head & one & IN_DIGEST, place) {
                return Some(rare.map_or(place, |rare| rare.min(place)));
            }
        }
        rare
    }

    /// True where something may be in the runs that take in the block here.
    #[cold]
    #[inline(never)]
    fn looks_at_runs(&mut self, runs: u8, at: usize) -> bool {
        let bytes = self.bytes;
        let nested = self.nested.checked_sub(1);
        if runs & SYMBOLS != 0 && at >= self.seen.symbols {
            let run = self.run(at, SYMBOLS);
            self.seen.symbols = run.end;
            if symbols::may_be_in(&bytes[run]) {
                return true;
            }
        }
        let Some(nested) = nested else { return false };
        if runs & IN_BASE64 != 0 && at >= self.seen.base64 {
            // Most are GUIDs, and need no second look.
            let digits = if runs & IN_DIGEST != 0 { self.run(at, IN_DIGEST) } else { at..at };
            let is_digest = !digits.is_empty()
                && !self.is_in(digits.start.wrapping_sub(1), IN_BASE64)
                && !self.is_in(digits.end, IN_BASE64);
            let run = if is_digest { digits } else { self.run(at, IN_BASE64) };
            self.seen.base64 = run.end;
            if run.len() >= base64::LEAST && !(is_digest && LINES) {
                let lines = if LINES { vec![run] } else { base64::lines(bytes, run) };
                self.seen.base64 = lines.last().map_or(at, |line| line.end);
                let holds = |decoded: &mut Vec<u8>| holds(decoded, Kind::Binary, nested);
                if base64::any_decoded(bytes, &lines, holds) {
                    return true;
                }
            }
        }
        if runs & IN_HEX != 0 && at >= self.seen.hex {
            let run = self.run(at, IN_HEX);
            self.seen.hex = run.end;
            if run.len() >= hex::LEAST
                && hex::any_decoded(bytes, run, |decoded| holds(decoded, Kind::Binary, nested))
            {
                return true;
            }
        }
        false
    }

    /// The run of a class in which this place is.
    fn run(&self, at: usize, class: u8) -> std::ops::Range<usize> {
        let is_in = |byte: &u8| Self::CLASSES[usize::from(*byte)] & class != 0;
        let (before, behind) = self.bytes.split_at(at);
        let start = before[self.from..]
            .iter()
            .rposition(|byte| !is_in(byte))
            .map_or(self.from, |i| self.from + i + 1);
        // Eight at a time, as most runs are long.
        let (eights, _) = behind.as_chunks::<8>();
        let is_in_all = |eight: &&[u8; 8]| {
            eight.iter().fold(class, |all, byte| all & Self::CLASSES[usize::from(*byte)]) != 0
        };
        let len = 8 * eights.iter().take_while(is_in_all).count();
        let len = len + behind[len..].iter().take_while(|byte| is_in(byte)).count();
        start..at + len
    }

    fn is_in(&self, at: usize, class: u8) -> bool {
        self.bytes.get(at).is_some_and(|byte| Self::CLASSES[usize::from(*byte)] & class != 0)
    }

    #[cold]
    #[inline(never)]
    fn looks_at_rare(&mut self, window: &[u8; WINDOW], at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let part = |at| if LINES { &bytes[line_of(bytes, at)] } else { bytes };
        let end_of = |at| if LINES { line_of(bytes, at).end } else { bytes.len() };
        for (at, pair) in (at..bytes.len()).zip(window.windows(2)) {
            match pair {
                [b'f' | b'F', b't' | b'T'] if config_id::is_prefix_around(bytes, at) => return Some(at),
                [0, _] if at >= self.seen.zeros => {
                    self.seen.zeros = end_of(at);
                    let Some(nested) = self.nested.checked_sub(1) else { continue };
                    if utf16::any_decoded(part(at), |decoded| holds(decoded, Kind::Text, nested)) {
                        return Some(at);
                    }
                }
                [b'&' | b'%' | b'\\' | b'=', _]
                    if at >= self.seen.escapes && escapes::matters_at(bytes, at) =>
                {
                    self.seen.escapes = end_of(at);
                    let Some(nested) = self.nested.checked_sub(1) else { continue };
                    // What is found in decoded bytes as text is found as something else, too.
                    if escapes::any_decoded(part(at), |decoded| holds(decoded, Kind::Binary, nested)) {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    const CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let mut byte = 0;
        while byte < classes.len() {
            let of = class::OF[byte];
            if !(LINES && byte == b'\n' as usize) {
                classes[byte] = if of & (SYMBOL | SEPARATOR) != 0 { SYMBOLS } else { 0 }
                    | if of & (HEX | HEX_SEPARATOR) != 0 { IN_HEX } else { 0 }
                    | if of & BASE64 != 0 { IN_BASE64 } else { 0 }
                    | if of & HEX != 0 || byte == b'-' as usize { IN_DIGEST } else { 0 };
            }
            byte += 1;
        }
        classes
    };
}

/// True where an escape sequence or the middle of `msft200` may be in a chunk, or a zero is. All of it at once is faster than
/// to stop at the first.
#[inline]
fn has_rare(window: &[u8; WINDOW]) -> bool {
    let (bytes, behind) = (&window[..CHUNK], &window[1..]);
    bytes.iter().zip(behind).fold(false, |any, (&byte, &next)| {
        any | (byte == b'&')
            | (byte == b'%')
            | (byte == b'\\')
            | (byte == b'=')
            | (byte == 0)
            | (byte | 0x20 == b'f') & (next | 0x20 == b't')
    })
}

/// Bytes that are looked at at once, and with the first of the next.
const CHUNK: usize = 64;
const WINDOW: usize = CHUNK + 1;

const SYMBOLS: u8 = 1;
const IN_HEX: u8 = 2;
const IN_BASE64: u8 = 4;
/// All that digests and GUIDs have.
const IN_DIGEST: u8 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::is_overlooked;

    /// Characters of which anything that is looked for is made.
    const PARTS: &str = "[-BCDbfh2489aA01+/=&#;%x\\\\un \t\n\"\u{2011}\u{a0}\u{0}]{0,20}";

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            PARTS,
            "[BCDFGHJKMPQRTVWXY2346789]{5}".prop_map(|group| [group.as_str(); 5].join("-")),
            "[BCDFGHJKMPQRTVWXY2346789]{5}( |\u{2011}|&#45;|%2D|\\\\u002d|-\n)"
                .prop_map(|group| group.repeat(5)),
            "[b-d2-4]{24,27}",
            "[0-9a-f]{45,60}",
            "(4[2-8]){25}",
            "(4[2-8]00){25}",
            "(42[ :,-]){25}",
            "(QkJC|YmNk){9}[A-Z]{0,3}",
            "(msft|MSFT)20?09[:%]3?A?[a-z]",
            "pAAAAAMAAAA[A-Z]{20,30}",
            "a4000000030000[0-9a-f]{36,40}",
            "(B\u{0}){25}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn what_is_passed_over_holds_nothing(parts in prop::collection::vec(part(), 0..8)) {
            prop_assert!(!is_overlooked(parts.concat().as_bytes()));
        }

        #[test]
        fn what_is_passed_over_in_any_text_and_any_bytes_holds_nothing(
            text in "\\PC{0,200}",
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            prop_assert!(!is_overlooked(text.as_bytes()));
            prop_assert!(!is_overlooked(&bytes));
        }
    }
}

use std::ops::Range;

use super::class::{self, SEPARATOR, SYMBOL, WORD};
use super::{MASKED_SYMBOL, escapes, next_run};

/// Masks the keys whose symbols stand in these bytes as they are.
pub(super) fn mask(bytes: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(run) = next_run(bytes, at, SYMBOLS, SYMBOL | SEPARATOR) {
        at = run.end;
        if bytes[run.clone()].iter().filter(|byte| class::is(**byte, SYMBOL)).count() >= SYMBOLS {
            found |= mask_run(bytes, run);
        }
    }
    found
}

/// True where a run of symbols and separators may have a key.
pub(super) fn may_be_in(run: &[u8]) -> bool {
    let symbols = || run.iter().filter(|byte| class::is(**byte, SYMBOL));
    run.len() >= SYMBOLS && symbols().count() >= SYMBOLS && symbols().any(u8::is_ascii_alphabetic)
}

/// Masks the keys in a run of symbols and separators.
fn mask_run(bytes: &mut [u8], run: Range<usize>) -> bool {
    let mut groups = Vec::new();
    let mut at = run.start;
    while let Some(start) = (at..run.end).find(|&i| class::is(bytes[i], SYMBOL)) {
        at = (start..run.end).find(|&i| !class::is(bytes[i], SYMBOL)).unwrap_or(run.end);
        groups.push(start..at);
    }
    let mut found = false;
    let mut rest = &groups[..];
    while !rest.is_empty() {
        let links: Vec<Link> =
            rest.windows(2).map_while(|pair| link(&bytes[pair[0].end..pair[1].start])).collect();
        let (chain, behind) = rest.split_at(links.len() + 1);
        rest = behind;
        found |= mask_chain(bytes, chain, &links);
    }
    found
}

/// Masks the keys in groups that follow each other. Whether there is a letter is asked of all groups together, so that
/// what is masked does not make a key of what was none.
fn mask_chain(bytes: &mut [u8], chain: &[Range<usize>], links: &[Link]) -> bool {
    let has_letter = chain.iter().any(|group| bytes[group.clone()].iter().any(u8::is_ascii_alphabetic));
    if !has_letter {
        return false;
    }
    let mut found = false;
    for group in chain {
        if group.len() == SYMBOLS && is_word(bytes, group) {
            found |= overwrite(bytes, group.start..group.end - GROUP);
        }
    }
    for (groups, links) in chain.windows(GROUPS).zip(links.windows(GROUPS - 1)) {
        let [first, middle @ .., last] = groups else { continue };
        let fits = if links.iter().all(|link| *link == Link::Dash) {
            first.len() >= GROUP && last.len() >= GROUP
        } else {
            links.iter().all(|link| *link == Link::Blank)
                && first.len() == GROUP
                && last.len() == GROUP
                && is_word(bytes, &(first.start..last.end))
        };
        if fits && middle.iter().all(|group| group.len() == GROUP) {
            found |= overwrite(bytes, first.end - GROUP..first.end);
            for group in middle {
                found |= overwrite(bytes, group.clone());
            }
        }
    }
    found
}

/// True where neither a letter nor a digit stands on either side.
fn is_word(bytes: &[u8], range: &Range<usize>) -> bool {
    let is_in_word = |byte: Option<&u8>| byte.is_some_and(|byte| class::is(*byte, WORD));
    !is_in_word(range.start.checked_sub(1).map(|before| &bytes[before])) && !is_in_word(bytes.get(range.end))
}

/// Masks symbols, but for one that is part of an escape sequence: what that stands for is found when it is decoded.
fn overwrite(bytes: &mut [u8], symbols: Range<usize>) -> bool {
    let mut found = false;
    for at in symbols {
        if bytes[at] != MASKED_SYMBOL && !escapes::covers(bytes, at) {
            bytes[at] = MASKED_SYMBOL;
            found = true;
        }
    }
    found
}

/// What stands between two groups of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// A dash, perhaps with blanks around it.
    Dash,
    /// Blanks.
    Blank,
}

/// What stands between two groups; `None` where it is more than that.
fn link(mut between: &[u8]) -> Option<Link> {
    let (mut dashes, mut blanks) = (0, 0);
    while !between.is_empty() {
        (dashes, blanks, between) = match between {
            [b'-', rest @ ..] | [0xe2, 0x80, 0x90..=0x95, rest @ ..] | [0xe2, 0x88, 0x92, rest @ ..] => {
                (dashes + 1, blanks, rest)
            }
            [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] | [0xc2, 0xa0, rest @ ..] => (dashes, blanks + 1, rest),
            _ => return None,
        };
    }
    match dashes {
        _ if blanks > MOST_BLANKS => None,
        0 => Some(Link::Blank),
        1 => Some(Link::Dash),
        _ => None,
    }
}

/// Symbols of a key.
pub(super) const SYMBOLS: usize = 25;

/// Groups of a key, and symbols of a group.
const GROUPS: usize = 5;
const GROUP: usize = 5;

/// Blanks between two groups.
const MOST_BLANKS: usize = 4;

//! Seeds of `framer`: what is said in the PDUs is nothing to it, where they begin and end is all.

use smallvec::SmallVec;

use super::flip;
use crate::fuzzing::FramerPlan;
use crate::mutate::Mutator;
use crate::rpc::{HEADER_LEN, Header};
use crate::wire::Endianness;

/// PDUs of a stream that are looked for.
const MOST_PDUS: usize = 64;
/// Bytes of a stream from which on PDUs are rather taken out than put in.
const LONG: usize = 200;
/// Bytes of a body that is made.
const MOST_BODY: usize = 40;

/// Changes where the stream is cut into pieces, its gap, a header, the PDUs' order, number and lengths, or what stands between
/// them.
pub(super) fn framer(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    if bytes.len() <= FramerPlan::HEAD {
        return false;
    }
    shorten(mutator, bytes);
    let stream = &bytes[FramerPlan::HEAD..];
    let begins = begins(stream);
    let is_long = stream.len() > LONG;
    let which = mutator.below(begins.len());
    // Within the seed.
    let at = FramerPlan::HEAD + begins[which];
    let end = FramerPlan::HEAD + begins.get(which + 1).copied().unwrap_or(stream.len());
    match mutator.below(16) {
        0 => flip(mutator, &mut bytes[..1]),
        1..=4 => place(mutator, bytes, &begins),
        5..=7 if mutator.header(&mut bytes[at..end]) => {}
        8 => drop(bytes.drain(at..end)),
        9 if !is_long => {
            let pdu: SmallVec<[u8; 128]> = SmallVec::from_slice(&bytes[at..end]);
            let to = FramerPlan::HEAD + begins[mutator.below(begins.len())];
            bytes.splice(to..to, pdu);
        }
        10 => bytes[FramerPlan::HEAD..end].rotate_right(end - at),
        11 if !is_long => {
            let new = header(mutator);
            let length = if mutator.below(2) == 0 { HEADER_LEN } else { mutator.below(HEADER_LEN) };
            bytes.splice(at..at, new.into_iter().take(length));
        }
        12 => {
            // What is no PDU; a header may begin at each 5.
            let many = 1 + mutator.below(20);
            let other = u8::try_from(mutator.below(256)).unwrap_or_default();
            let new: SmallVec<[u8; 20]> =
                (0..many).map(|_| if mutator.below(3) == 0 { 5 } else { other }).collect();
            bytes.splice(at..at, new);
        }
        9 | 11 | 13 | 14 => resize(mutator, bytes, at, end),
        _ => drop(mutator.raw(bytes, most)),
    }
    bytes.truncate(most);
    true
}

/// Of a long stream leaves a few PDUs from one of them on, three times in four: they show as much, and take a fraction.
fn shorten(mutator: &mut Mutator, bytes: &mut Vec<u8>) {
    /// PDUs that are left.
    const FEW: usize = 5;
    let stream = &bytes[FramerPlan::HEAD..];
    if stream.len() <= LONG || mutator.below(4) == 0 {
        return;
    }
    let begins = begins(stream);
    let first = mutator.below(begins.len());
    if let Some(end) = begins.get(first + FEW) {
        bytes.truncate(FramerPlan::HEAD + end);
    }
    bytes.drain(FramerPlan::HEAD..FramerPlan::HEAD + begins[first]);
}

/// Where the PDUs begin by their lengths, and what is none behind them; at least one place.
fn begins(stream: &[u8]) -> SmallVec<[usize; 32]> {
    let mut begins = SmallVec::new();
    let mut at = 0;
    loop {
        begins.push(at);
        let length = Header::parse(&stream[at..]).map_or(0, |header| usize::from(header.frag_length));
        at += length;
        if length == 0 || at >= stream.len() || begins.len() == MOST_PDUS {
            return begins;
        }
    }
}

/// Sets where the stream is cut, or its gap: at a PDU's begin, within its header, or close to these.
fn place(mutator: &mut Mutator, bytes: &mut [u8], begins: &[usize]) {
    let from = begins[mutator.below(begins.len())];
    let within = [0, 0, 0, 1, 4, 8, 9, 10, 15, 16, 17, 24];
    let at = from + within[mutator.below(within.len())];
    let at = if mutator.below(4) == 0 { at.saturating_sub(1 + mutator.below(3)) } else { at };
    // Four places, where the gap begins, and how long it is.
    let which = mutator.below(6);
    let value = match which {
        5 => [0, 1, 2, 8, 15, 16, 17, begins.get(1).copied().unwrap_or(40)][mutator.below(8)],
        _ => at,
    };
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    bytes[1 + 2 * which..3 + 2 * which].copy_from_slice(&value.to_le_bytes());
}

/// Gives a PDU another length, which its header mostly says too.
fn resize(mutator: &mut Mutator, bytes: &mut Vec<u8>, at: usize, end: usize) {
    let length = HEADER_LEN + mutator.below(MOST_BODY);
    let order = Header::parse(&bytes[at..end]).map(|header| header.drep.endianness());
    if let Ok(order) = order
        && mutator.below(4) > 0
    {
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let raw = if order == Endianness::Big { length.to_be_bytes() } else { length.to_le_bytes() };
        bytes[at + 8..at + 10].copy_from_slice(&raw);
    }
    match (at + length).checked_sub(end) {
        Some(more) => drop(bytes.splice(end..end, std::iter::repeat_n(5, more))),
        None => drop(bytes.drain(at + length..end)),
    }
}

/// A header that can be believed, with the length of its own.
fn header(mutator: &mut Mutator) -> [u8; HEADER_LEN] {
    let types = [0, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19];
    let mut bytes = [5, 0, types[mutator.below(types.len())], 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];
    if mutator.below(4) == 0 {
        bytes[4..12].copy_from_slice(&[0, 0, 0, 0, 0, 16, 0, 0]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn whole(bytes: &[u8]) -> Vec<u16> {
        let stream = &bytes[FramerPlan::HEAD..];
        let lengths =
            begins(stream).into_iter().map(|at| Header::parse(&stream[at..]).map_or(0, |h| h.frag_length));
        lengths.collect()
    }

    #[test]
    fn pdus_come_go_and_get_other_lengths_and_places_are_close_to_where_they_begin() {
        let pdu = |length: u8| {
            let mut bytes = vec![5, 0, 0, 3, 0x10, 0, 0, 0, length, 0, 0, 0, 1, 0, 0, 0];
            bytes.resize(length.into(), 0xee);
            bytes
        };
        let seed = [&[0; FramerPlan::HEAD][..], &pdu(16), &pdu(24), &pdu(40)].concat();
        assert_eq!(whole(&seed), [16, 24, 40]);
        let (mut numbers, mut cuts) = (BTreeSet::new(), BTreeSet::new());
        for turn in 0..8000 {
            let mut bytes = seed.clone();
            assert!(framer(&mut Mutator::new(turn), &mut bytes, 120));
            assert!(bytes.len() <= 120);
            if bytes.len() > FramerPlan::HEAD {
                numbers.insert(whole(&bytes).into_iter().filter(|length| (16..=56).contains(length)).count());
                cuts.insert(u16::from_le_bytes([bytes[1], bytes[2]]));
            }
        }
        assert!([0, 1, 2, 3, 4].iter().all(|number| numbers.contains(number)), "{numbers:?}");
        assert!([16, 40, 15, 24, 56].iter().all(|cut| cuts.contains(cut)), "{cuts:?}");
    }

    #[test]
    fn a_long_stream_gets_shorter_on_the_whole() {
        let pdu = [5, 0, 0, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];
        let mut bytes = vec![0; FramerPlan::HEAD];
        (0..60).for_each(|_| bytes.extend(pdu));
        let mut mutator = Mutator::new(1);
        for _ in 0..400 {
            framer(&mut mutator, &mut bytes, 4096);
        }
        assert!(bytes.len() < 2 * LONG, "{}", bytes.len());
    }
}

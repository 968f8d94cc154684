use super::dice::Dice;
use super::{Changes, dictionary};

/// Up to eight changes of bytes as bytes, as any fuzzer makes them: of bits, of numbers, of blocks.
pub(super) fn havoc(dice: &mut Dice, part: &'static str, bytes: &mut Vec<u8>, most: usize) -> Changes {
    let mut changes = Changes::default();
    for _ in 0..1 << dice.below(4) {
        one(dice, part, bytes, most, &mut changes);
    }
    bytes.truncate(most);
    changes
}

/// Bytes that come in or go out within a block of `bytes`, which keeps its length where `keep` says so.
pub(super) fn one(
    dice: &mut Dice,
    part: &'static str,
    bytes: &mut Vec<u8>,
    most: usize,
    changes: &mut Changes,
) {
    if bytes.is_empty() {
        let length = dice.length(most.min(64)).min(most);
        bytes.extend((0..length).map(|_| dice.byte()));
        return changes.bytes(part, "made", 0, length);
    }
    let at = dice.below(bytes.len());
    let room = most.saturating_sub(bytes.len());
    match dice.below(16) {
        0 | 1 => {
            bytes[at] ^= 1 << dice.below(8);
            changes.bytes(part, "with a bit flipped", at, 1);
        }
        2 => {
            bytes[at] = dice.byte();
            changes.bytes(part, "set", at, 1);
        }
        3 => {
            bytes[at] = dice.pick(&[0, 1, 0x7f, 0x80, 0xff, b'0', b'-', b'.', b'<', b'\n', b' ']);
            changes.bytes(part, "set to an interesting value", at, 1);
        }
        4 | 5 => {
            let width = dice.pick(&[1, 2, 4, 8]).min(bytes.len() - at);
            add(dice, &mut bytes[at..at + width]);
            changes.bytes(part, "increased or decreased", at, width);
        }
        6 | 7 => {
            let width = dice.pick(&[2, 4, 8]).min(bytes.len() - at);
            interesting(dice, &mut bytes[at..at + width]);
            changes.bytes(part, "set to an interesting number", at, width);
        }
        8 | 9 => {
            let length = dice.length(bytes.len() - at);
            bytes.drain(at..at + length);
            changes.bytes(part, "removed", at, length);
        }
        10 => {
            let length = dice.length(room.min(64)).min(room);
            let fill = dice.byte();
            let is_one = dice.one_in(2);
            let new: Vec<u8> = (0..length).map(|_| if is_one { fill } else { dice.byte() }).collect();
            bytes.splice(at..at, new);
            changes.bytes(part, "inserted", at, length);
        }
        11 => {
            let length = dice.length(bytes.len() - at).min(room);
            let copy = bytes[at..at + length].to_vec();
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
            changes.bytes(part, "repeated", at, length);
        }
        12 => {
            let from = dice.below(bytes.len());
            let length = dice.length(bytes.len() - at.max(from));
            bytes.copy_within(from..from + length, at);
            changes.bytes(part, "overwritten with others of it", at, length);
        }
        13 | 14 => {
            let token = dictionary::wire_token(dice);
            if dice.one_in(2) && token.len() <= bytes.len() - at {
                bytes[at..at + token.len()].copy_from_slice(token);
                changes.bytes(part, "overwritten with a token", at, token.len());
            } else if token.len() <= room {
                bytes.splice(at..at, token.iter().copied());
                changes.bytes(part, "inserted as a token", at, token.len());
            }
        }
        _ => {
            bytes.truncate(at);
            changes.bytes(part, "left", 0, at);
        }
    }
}

/// Adds up to 35 to a number of any width in either order, or takes it away.
fn add(dice: &mut Dice, number: &mut [u8]) {
    let is_big = dice.one_in(2);
    let by = 1 + dice.below(35) as u64;
    let by = if dice.one_in(2) { by } else { by.wrapping_neg() };
    let old = number.iter().enumerate().fold(0_u64, |sum, (i, &byte)| {
        let place = if is_big { number.len() - 1 - i } else { i };
        sum | u64::from(byte) << (8 * place)
    });
    put(number, old.wrapping_add(by), is_big);
}

fn interesting(dice: &mut Dice, number: &mut [u8]) {
    let value = boundary(dice, u64::MAX >> (64 - 8 * number.len()));
    let is_big = dice.one_in(4);
    put(number, value, is_big);
}

fn put(number: &mut [u8], value: u64, is_big: bool) {
    let bytes = value.to_le_bytes();
    let length = number.len();
    for (i, byte) in number.iter_mut().enumerate() {
        *byte = bytes[if is_big { length - 1 - i } else { i }];
    }
}

/// A number at which something begins or ends; `most` is all ones.
pub(super) fn boundary(dice: &mut Dice, most: u64) -> u64 {
    let power = 1_u64 << dice.below(64);
    let value = match dice.below(12) {
        0 => 0,
        1 => 1,
        2 | 3 => most,
        4 => most >> 1,
        5 => (most >> 1).wrapping_add(1),
        6 => power,
        7 => power.wrapping_sub(1),
        8 => power.wrapping_add(1),
        9 => most.wrapping_sub(dice.below(32) as u64),
        10 => dice.pick(&[0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000]),
        _ => dice.below(300) as u64,
    };
    value & most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_increased_or_decreased_in_one_of_both_orders() {
        let mut dice = Dice::new(3);
        for _ in 0..200 {
            let mut number = [0, 1, 0, 1];
            add(&mut dice, &mut number);
            let [little, big] = [u32::from_le_bytes(number), u32::from_be_bytes(number)];
            let is_near = |value: u32, from: u32| {
                (1..=35).contains(&value.wrapping_sub(from).min(from.wrapping_sub(value)))
            };
            assert!(is_near(little, 0x0100_0100) || is_near(big, 0x0001_0001), "{number:?}");
        }
    }

    #[test]
    fn bytes_stay_within_their_most_and_few_stay_the_same() {
        let mut dice = Dice::new(4);
        let mut same = 0;
        for _ in 0..2000 {
            let mut bytes = b"one two three four five".to_vec();
            havoc(&mut dice, "bytes", &mut bytes, 40);
            assert!(bytes.len() <= 40);
            same += usize::from(bytes == b"one two three four five");
        }
        assert!(same < 200, "{same} of 2000 are the same");
    }
}

use smallvec::SmallVec;

use crate::catalog::product;
use crate::kms::{Version, hmac};
use crate::wire::{Endianness, Guid, utf16};

use super::Changes;
use super::dice::Dice;
use super::havoc::boundary;

/// A field of fixed length.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) kind: Kind,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Version: minor number, major number.
    Version,
    /// A number, and values that mean something.
    Number(&'static [u32]),
    /// A GUID of a machine, of which nobody knows which there are.
    Machine,
    /// A GUID of the catalog.
    Catalog,
    /// A FILETIME.
    Time,
    /// UTF-16LE text that ends with a NUL.
    Text,
}

/// The fields of a REQUEST body.
pub(super) const REQUEST: [Field; 12] = [
    field("Version", 0, 4, Kind::Version),
    field("VMInfo", 4, 4, Kind::Number(&[0, 1, 2])),
    field("LicenseStatus", 8, 4, Kind::Number(&[0, 1, 2, 3, 4, 5, 6, 7])),
    field("BindingExpiration", 12, 4, Kind::Number(&[0, 43_200, 259_200, 259_201])),
    field("AppID", 16, 16, Kind::Catalog),
    field("ActID", 32, 16, Kind::Catalog),
    field("KMSID", 48, 16, Kind::Catalog),
    field("CMID", 64, 16, Kind::Machine),
    field("N-Policy", 80, 4, Kind::Number(&[0, 5, 25, 26, 50, 1000, 1001])),
    field("ClientTime", 84, 8, Kind::Time),
    field("CMID_prev", 92, 16, Kind::Machine),
    field("MachineName", 108, 128, Kind::Text),
];

/// The fields of a RESPONSE body behind its ePID.
pub(super) const BEHIND_EPID: [Field; 5] = [
    field("CMID", 0, 16, Kind::Machine),
    field("ClientTime", 16, 8, Kind::Time),
    field("Count", 24, 4, Kind::Number(&COUNTS)),
    field("VLActivationInterval", 28, 4, Kind::Number(&INTERVALS)),
    field("VLRenewalInterval", 32, 4, Kind::Number(&INTERVALS)),
];

const fn field(name: &'static str, offset: usize, length: usize, kind: Kind) -> Field {
    Field { name, offset, length, kind }
}

/// Changes a field of `bytes`, which reach to its end at least.
pub(super) fn change(dice: &mut Dice, field: &Field, bytes: &mut [u8], changes: &mut Changes) {
    let (_, behind) = bytes.split_at_mut(field.offset);
    match field.kind {
        Kind::Version => number(dice, field.name, &mut behind[..4], &VERSIONS, changes),
        Kind::Number(known) => number(dice, field.name, &mut behind[..field.length], known, changes),
        Kind::Time => {
            let Some(raw) = behind.first_chunk_mut() else { return };
            let from = u64::from_le_bytes(*raw);
            let to = time(dice, from);
            *raw = to.to_le_bytes();
            changes.number(field.name, from, to);
        }
        Kind::Machine | Kind::Catalog => {
            let other = (0..5).map(|_| dice.pick(&[16, 32, 48, 64, 92])).find(|at| *at != field.offset);
            let other = other.and_then(|at| bytes.get(at..at + 16)?.first_chunk().copied());
            let is_machine = matches!(field.kind, Kind::Machine);
            let Some(raw) = bytes[field.offset..].first_chunk_mut() else { return };
            guid(dice, field.name, raw, other, is_machine, changes);
        }
        Kind::Text => text(dice, field.name, &mut behind[..field.length], changes),
    }
}

/// Sets a field to a value that means something: what programs have a case of their own for.
pub(super) fn set_known(dice: &mut Dice, field: &Field, bytes: &mut [u8], changes: &mut Changes) {
    let raw = &mut bytes[field.offset..field.offset + field.length];
    match field.kind {
        Kind::Version => {}
        Kind::Number(known) => {
            let from = raw.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            let to = if dice.one_in(8) { u32::MAX } else { dice.pick(known) };
            raw.copy_from_slice(&to.to_le_bytes());
            changes.number(field.name, from, to);
        }
        Kind::Machine => {
            raw.fill(0);
            changes.done(field.name, "set to nil");
        }
        Kind::Catalog => {
            raw.copy_from_slice(&catalog_guid(dice).to_wire());
            changes.done(field.name, "set to one of the catalog");
        }
        Kind::Time => {
            let value = dice.pick(&[0, 1, u64::MAX, u64::MAX >> 1, UNIX_EPOCH]);
            raw.copy_from_slice(&value.to_le_bytes());
            changes.done(field.name, "set to an end of time");
        }
        Kind::Text if dice.one_in(2) => {
            raw.fill(0);
            changes.done(field.name, "emptied");
        }
        Kind::Text => {
            fill(raw, &[b'A', 0]);
            changes.done(field.name, "without a NUL");
        }
    }
}

/// Changes a little-endian number of up to 8 bytes.
pub(super) fn number(
    dice: &mut Dice,
    field: &'static str,
    raw: &mut [u8],
    known: &[u32],
    changes: &mut Changes,
) {
    let width = raw.len().min(8);
    let from = raw.iter().take(width).rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let most = u64::MAX >> (64 - 8 * width.max(1));
    let to = other_number(dice, from, most, known);
    raw[..width].copy_from_slice(&to.to_le_bytes()[..width]);
    changes.number(field, from, to);
}

/// A number that is not this one; `most` is all ones.
pub(super) fn other_number(dice: &mut Dice, from: u64, most: u64, known: &[u32]) -> u64 {
    let to = match dice.below(10) {
        0 | 1 if !known.is_empty() => u64::from(dice.pick(known)),
        2 => from.wrapping_add(1),
        3 => from.wrapping_sub(1),
        4 => from ^ 1 << dice.below(64),
        5 => from.swap_bytes() >> (most.leading_zeros()),
        6 => from.wrapping_mul(2),
        7 => dice.number(),
        _ => boundary(dice, most),
    } & most;
    if to == from { to ^ 1 } else { to }
}

/// Another time: an hour or a slot away, at a slot's edge, at an end of what can be told.
fn time(dice: &mut Dice, from: u64) -> u64 {
    const HOUR: u64 = 36_000_000_000;
    let slots = dice.pick(&[1, 2, 3]) * hmac::SLOT;
    let edge = from - from % hmac::SLOT;
    let to = match dice.below(12) {
        0 => from.wrapping_add(slots),
        1 => from.wrapping_sub(slots),
        2 => edge,
        3 => edge.wrapping_sub(1),
        4 => edge.wrapping_add(hmac::SLOT).wrapping_sub(dice.below(2) as u64),
        5 => from.wrapping_add(4 * HOUR + dice.below(3) as u64 - 1),
        6 => from.wrapping_sub(4 * HOUR + dice.below(3) as u64 - 1),
        7 => from.wrapping_add(HOUR.wrapping_mul(1 + dice.below(10_000) as u64)),
        8 => from.wrapping_sub(HOUR.wrapping_mul(1 + dice.below(10_000) as u64)),
        9 => dice.pick(&[0, 1, u64::MAX, u64::MAX >> 1, 1 << 63, UNIX_EPOCH, UNIX_EPOCH - 1]),
        10 => from ^ 1 << dice.below(64),
        _ => dice.number(),
    };
    if to == from { to ^ 1 } else { to }
}

fn guid(
    dice: &mut Dice,
    field: &'static str,
    raw: &mut [u8; 16],
    other: Option<[u8; 16]>,
    is_machine: bool,
    changes: &mut Changes,
) {
    let before = *raw;
    let what = match dice.below(if is_machine { 8 } else { 12 }) {
        0 => {
            *raw = [0; 16];
            "set to nil"
        }
        1 => {
            *raw = [0xff; 16];
            "set to ones"
        }
        2 => {
            *raw = Guid::from_wire(*raw).to_wire_be();
            "in the other byte order"
        }
        3 => {
            *raw = other.unwrap_or_default();
            "set to another of the message"
        }
        4 => {
            raw[dice.below(16)] ^= 1 << dice.below(8);
            "with a bit flipped"
        }
        5 => {
            *raw = dice.block();
            "set to any"
        }
        6 => {
            raw[0] = raw[0].wrapping_add(1);
            "with the next number"
        }
        7 => {
            raw[8..].fill(0);
            "with its second half zero"
        }
        _ => {
            *raw = catalog_guid(dice).to_wire();
            "set to one of the catalog"
        }
    };
    if *raw == before {
        raw[15] ^= 1;
    }
    changes.done(field, what);
}

fn catalog_guid(dice: &mut Dice) -> Guid {
    // As slices they would be chosen from in one step: their iterators are such, and `nth` is one.
    let found = match dice.below(3) {
        0 => product::applications().nth(dice.below(product::applications().count())).map(|one| one.guid),
        1 => product::kms_ids().nth(dice.below(product::kms_ids().count())).map(|one| one.guid),
        _ => product::skus().nth(dice.below(product::skus().count())).map(|one| one.guid),
    };
    found.unwrap_or(Guid::NIL)
}

/// Changes UTF-16LE text within its field.
fn text(dice: &mut Dice, field: &'static str, raw: &mut [u8], changes: &mut Changes) {
    let what = match dice.below(12) {
        0 => {
            raw.fill(0);
            "emptied"
        }
        1 => {
            raw[..2].fill(0);
            "empty, with stale text behind its NUL"
        }
        2 => {
            fill(raw, &[b'A', 0]);
            "without a NUL"
        }
        3 => {
            let end = raw.len() - 2;
            fill(raw, &[b'Z', 0]);
            raw[end..].fill(0);
            "as long as can be"
        }
        4 => {
            let at = 2 * dice.below(raw.len() / 2);
            raw[at..at + 2].copy_from_slice(&dice.pick(&[[0, 0xd8], [0xff, 0xdb], [0, 0xdc], [0xff, 0xdf]]));
            "with a lone surrogate"
        }
        5 => {
            fill(raw, &dice.pick(&[[0, 0xd8], [0xff, 0xff], [0xfe, 0xff], [0, 1]]));
            "of one odd unit"
        }
        6 => {
            let at = 1 + 2 * dice.below(raw.len() / 2 - 1);
            raw[at..].fill(0);
            raw[at - 1] = b'x';
            "ended in the middle of a unit"
        }
        7 => {
            let unit =
                dice.pick(&[b'.', b'\n', b'"', b'<', b'%', b'\\', b'\'', b'&', 0x1b, 0x7f, b'$', b'`']);
            let at = 2 * dice.below(raw.len() / 2);
            raw[at..at + 2].copy_from_slice(&[unit, 0]);
            "with a character that needs care"
        }
        8 => {
            let text = dice.pick(&[
                "%s%s%s%n",
                "../../../x",
                "{{7*7}}",
                "a.b.c.",
                "NUL",
                "\u{feff}x",
                "e\u{301}\u{202e}",
            ]);
            put_text(raw, text);
            "set to what a program may take for more"
        }
        9 => {
            let length = dice.below(raw.len() / 2);
            for unit in raw.as_chunks_mut().0.iter_mut().take(length) {
                *unit = [b'a' + dice.byte() % 26, 0];
            }
            "set to letters"
        }
        10 => {
            let at = dice.below(raw.len() / 2) * 2;
            raw[at..at + 2].fill(0);
            "with a NUL in it"
        }
        _ => {
            let at = dice.below(raw.len());
            raw[at] = dice.byte();
            "with a byte set"
        }
    };
    changes.done(field, what);
}

fn fill(raw: &mut [u8], unit: &[u8; 2]) {
    raw.as_chunks_mut().0.fill(*unit);
}

fn put_text(raw: &mut [u8], text: &str) {
    raw.fill(0);
    let bytes = utf16::encode(text);
    let length = bytes.len().min(raw.len());
    raw[..length].copy_from_slice(&bytes[..length]);
}

/// Changes an ePID as it travels: by its grammar, or as a field whose length is told elsewhere.
pub(super) fn epid(dice: &mut Dice, raw: &mut Vec<u8>, changes: &mut Changes) {
    let what = match dice.below(20) {
        0 => {
            raw.clear();
            "emptied"
        }
        1 => {
            *raw = vec![0, 0];
            "nothing but its NUL"
        }
        2 => {
            raw.truncate(raw.len().saturating_sub(2));
            "without its NUL"
        }
        3 => {
            raw.extend_from_slice(&[0, 0]);
            "with two NULs"
        }
        4 => {
            raw.pop();
            "of an odd length"
        }
        5 | 6 => {
            let units = dice.pick(&[48, 49, 50, 62, 63, 64, 65, 66, 100, 127, 128, 129, 255, 256, 300]);
            raw.resize(2 * units, 0);
            fill(raw, &[b'1', 0]);
            raw[2 * units - 2..].fill(0);
            "of another length"
        }
        7 => {
            let at = dice.below(raw.len() / 2 + 1) * 2;
            let unit = dice.pick(&[[0, 0xd8], [0xff, 0xdf], [0, 0], [0x11, 0xff], [b'-', 0], [0xfe, 0xff]]);
            raw.splice(at..at, unit);
            "with a unit inserted"
        }
        8 => {
            if raw.len() >= 2 {
                let at = dice.below(raw.len() / 2) * 2;
                raw.drain(at..at + 2);
            }
            "with a unit removed"
        }
        9 => {
            if !raw.is_empty() {
                let at = dice.below(raw.len());
                raw[at] ^= 1 << dice.below(8);
            }
            "with a bit flipped"
        }
        _ => return epid_part(dice, raw, changes),
    };
    changes.done("ePID", what);
}

/// Changes a part of an ePID between its dashes and its dot.
fn epid_part(dice: &mut Dice, raw: &mut Vec<u8>, changes: &mut Changes) {
    const PARTS: [&str; 9] = [
        "platform id",
        "key group",
        "key sequence",
        "key sequence",
        "channel",
        "LCID",
        "build",
        "minor",
        "date",
    ];
    // Where each part ends: a dash, the dot, or the NUL.
    let is_end = |unit: &[u8; 2]| matches!(unit, [b'-' | b'.' | 0, 0]);
    let ends: SmallVec<[usize; 16]> =
        raw.as_chunks().0.iter().enumerate().filter(|(_, unit)| is_end(unit)).map(|(at, _)| at).collect();
    if ends.is_empty() {
        *raw = utf16::encode("00000-00000-000-000000-03-1033-00000.0000-0011601\0");
        return changes.done("ePID", "set to a well-formed one");
    }
    let place = dice.below(ends.len());
    let begin = if place == 0 { 0 } else { ends[place - 1] + 1 };
    let range = 2 * begin..2 * ends[place];
    let part = PARTS.get(place).copied().unwrap_or("part behind the date");
    let digits = ends[place] - begin;
    let text = match dice.below(12) {
        0 => String::new(),
        1 => "0".repeat(digits),
        2 => "9".repeat(digits),
        3 => "9".repeat(digits + 1),
        4 => "0".repeat(digits + 6),
        5 => {
            dice.pick(&["4294967295", "4294967296", "2147483648", "18446744073709551616", "65536"]).to_owned()
        }
        6 => {
            dice.pick(&["-1", "+1", " 1", "1 ", "0x1", "1e5", "XXXXX", "\u{ff11}", "\u{661}", "A"]).to_owned()
        }
        7 => dice
            .pick(&["55041", "05426", "06401", "03612", "00206", "00172", "03", "02", "1033", "7169"])
            .to_owned(),
        8 => dice
            .pick(&["0002026", "3662024", "3672023", "0010000", "9999999", "0011600", "0012026"])
            .to_owned(),
        9 => dice.pick(&["17763", "20348", "6002", "7601", "9200", "9600", "14393", "99999"]).to_owned(),
        10 => {
            // The part and the separator behind it.
            raw.drain(range.start..(range.end + 2).min(raw.len()));
            return changes.done(part, "removed");
        }
        _ => {
            let copy = raw[range.start..(range.end + 2).min(raw.len())].to_vec();
            raw.splice(range.start..range.start, copy);
            return changes.done(part, "twice");
        }
    };
    raw.splice(range, utf16::encode(&text));
    changes.done(part, "set");
}

/// Little for big, big for the others.
pub(super) fn other_order(order: Endianness) -> Endianness {
    if order == Endianness::Big { Endianness::Little } else { Endianness::Big }
}

const VERSIONS: [u32; 12] = [
    Version::V4.0,
    Version::V5.0,
    Version::V6.0,
    3 << 16,
    7 << 16,
    Version::V4.0 | 1,
    Version::V5.0 | 1,
    Version::V6.0 | 1,
    Version::V6.0 | 0xffff,
    4,
    5,
    6,
];
const COUNTS: [u32; 9] = [0, 1, 4, 5, 10, 24, 25, 50, 1000];
const INTERVALS: [u32; 9] = [0, 1, 14, 15, 120, 10_080, 43_200, 43_201, 525_600];
/// 1970-01-01, where other clocks begin.
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_request_is_changed_within_its_place() {
        let mut dice = Dice::new(5);
        let before: Vec<u8> = (0..236).map(|i| if i % 7 == 0 { 0 } else { 0x41 }).collect();
        for field in &REQUEST {
            let mut changed = 0;
            for _ in 0..300 {
                let mut bytes = before.clone();
                change(&mut dice, field, &mut bytes, &mut Changes::default());
                let end = field.offset + field.length;
                assert_eq!(bytes[..field.offset], before[..field.offset], "{}", field.name);
                assert_eq!(bytes[end..], before[end..], "{}", field.name);
                changed += usize::from(bytes != before);
            }
            assert!(changed > 250, "{} is changed {changed} times of 300", field.name);
        }
        assert_eq!(REQUEST.iter().map(|field| field.length).sum::<usize>(), 236);
    }

    #[test]
    fn a_time_comes_to_the_edges_of_its_slot() {
        let mut dice = Dice::new(6);
        let now = 134_117_568_000_000_000;
        let times: Vec<u64> = (0..2000).map(|_| time(&mut dice, now)).collect();
        let edge = now - now % hmac::SLOT;
        for expected in
            [edge, edge - 1, edge + hmac::SLOT, edge + hmac::SLOT - 1, now + hmac::SLOT, 0, u64::MAX]
        {
            assert!(times.contains(&expected), "{expected}");
        }
        assert!(!times.contains(&now));
    }

    #[test]
    fn a_part_of_an_epid_is_changed_between_its_dashes() {
        let mut dice = Dice::new(7);
        let mut lengths = Vec::new();
        for _ in 0..2000 {
            let mut epid = utf16::encode("06401-00206-471-111111-03-1033-9600.0000-1002020\0");
            let mut changes = Changes::default();
            self::epid(&mut dice, &mut epid, &mut changes);
            assert!(!changes.is_empty());
            lengths.push(epid.len());
        }
        // Up to the most that a host may send, and beyond.
        assert!([0, 2, 128, 130].iter().all(|length| lengths.contains(length)));
    }
}

//! Binary protocols whose lengths and counts are in the way: DNS, LDAP, TLS, VMBus; and HTTP.

use crate::mutate::Mutator;

use super::{Pieces, behind, flip};
use crate::fuzzing::FramerPlan;

/// A seed of `dns`: a message, a stream of them, or many.
pub(super) fn dns(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let Some(&kind) = bytes.first() else { return false };
    match kind % 3 {
        0 => behind(bytes, 1, most, mutator, dns_message),
        1 => behind(bytes, 1 + FramerPlan::HEAD, most, mutator, |mutator, stream, most| {
            let mut messages = Vec::new();
            let mut rest = &stream[..];
            while let Some((length, behind)) = rest.split_first_chunk() {
                let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
                let (message, behind) = behind.split_at(length);
                messages.push(message.to_vec());
                rest = behind;
            }
            let at = mutator.below(messages.len());
            let Some(message) = messages.get_mut(at) else { return };
            dns_message(mutator, message, most.min(0xffff));
            let framed = |message: &Vec<u8>| {
                let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
                [&length.to_be_bytes()[..], message].concat()
            };
            *stream = messages.iter().map(framed).collect::<Vec<_>>().concat();
            stream.truncate(most);
        }),
        _ => {
            let layout = Pieces { head: 1, item: 4, length: 2 };
            layout.change(mutator, bytes, most, |mutator, _, message, most| {
                dns_message(mutator, message, most);
                true
            })
        }
    }
}

/// Changes a question or a record, their number, or the header; counts follow, seven times in eight.
fn dns_message(mutator: &mut Mutator, message: &mut Vec<u8>, most: usize) {
    if message.len() < 12 || mutator.below(8) == 0 {
        mutator.raw(message, most);
        return;
    }
    if mutator.below(6) == 0 {
        let at = mutator.below(12);
        message[at] ^= 1 << mutator.below(8);
        return message.truncate(most);
    }
    let (header, rest) = message.split_at(12);
    let mut header = header.to_vec();
    let count = |header: &[u8], section: usize| {
        usize::from(u16::from_be_bytes([header[4 + 2 * section], header[5 + 2 * section]]))
    };
    // Each with its section.
    let mut items: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut at = 0;
    'all: for section in 0..4 {
        for _ in 0..count(&header, section) {
            let Some(length) = dns_item(&rest[at..], section == 0) else { break 'all };
            items.push((section, rest[at..at + length].to_vec()));
            at += length;
        }
    }
    let tail = rest[at..].to_vec();
    let Some(last) = items.len().checked_sub(1) else {
        mutator.raw(message, most);
        return;
    };
    let which = mutator.below(last + 1);
    let is_recounted = mutator.below(8) > 0;
    let mut change_of_count: Option<(usize, bool)> = None;
    match mutator.below(8) {
        0 => {
            let (section, _) = items.remove(which);
            change_of_count = Some((section, false));
        }
        1 => {
            let copy = items[which].clone();
            change_of_count = Some((copy.0, true));
            items.insert(which, copy);
        }
        2 => {
            // Its name becomes a pointer: to the first one, to itself, or nowhere.
            let item = &mut items[which].1;
            let length = dns_name(item).unwrap_or_default();
            let to = [0xc00c_u16, 0xc000, 0xffff, 0xc00d, 0xc02a][mutator.below(5)];
            item.splice(..length, to.to_be_bytes());
        }
        3 => {
            let item = &mut items[which].1;
            let length = dns_name(item).unwrap_or_default();
            let names: [&[u8]; 6] = [
                b"\0",
                b"\x06_vlmcs\x04_tcp\0",
                b"\x06_VLMCS\x04_TCP\x03a.b\0",
                b"\x01\xff\0",
                b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0",
                b"\x40a\0",
            ];
            item.splice(..length, names[mutator.below(names.len())].iter().copied());
        }
        4 => {
            // Type or class.
            let item = &mut items[which].1;
            let at = dns_name(item).unwrap_or_default() + 2 * mutator.below(2);
            if let Some(raw) = item.get_mut(at..at + 2) {
                let types = [1_u16, 5, 6, 12, 15, 16, 28, 33, 41, 255, 0, 254];
                raw.copy_from_slice(&types[mutator.below(types.len())].to_be_bytes());
            }
        }
        _ => {
            let (section, item) = &mut items[which];
            let begin = dns_name(item).unwrap_or_default() + 10;
            if *section == 0 || begin > item.len() {
                mutator.raw(item, 300);
            } else {
                let mut data = item.split_off(begin);
                mutator.raw(&mut data, 600);
                if mutator.below(4) > 0 {
                    let length = u16::try_from(data.len()).unwrap_or_default();
                    item[begin - 2..].copy_from_slice(&length.to_be_bytes());
                }
                item.append(&mut data);
            }
        }
    }
    if let Some((section, is_more)) = change_of_count.filter(|_| is_recounted) {
        let old = count(&header, section);
        let new = if is_more { old + 1 } else { old.saturating_sub(1) };
        let new = u16::try_from(new).unwrap_or(u16::MAX);
        header[4 + 2 * section..6 + 2 * section].copy_from_slice(&new.to_be_bytes());
    }
    let items: Vec<u8> = items.into_iter().flat_map(|(_, item)| item).collect();
    *message = [header, items, tail].concat();
    message.truncate(most);
}

/// Bytes of a name up to its root or its pointer.
fn dns_name(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some(at + 1),
            0xc0.. => return (at + 2 <= bytes.len()).then_some(at + 2),
            _ => at += 1 + length,
        }
    }
}

/// Bytes of a question, or of a record.
fn dns_item(bytes: &[u8], is_question: bool) -> Option<usize> {
    let name = dns_name(bytes)?;
    if is_question {
        return (name + 4 <= bytes.len()).then_some(name + 4);
    }
    let length = bytes.get(name + 8..name + 10)?;
    let end = name + 10 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    (end <= bytes.len()).then_some(end)
}

/// A seed of `http`: a message's body changes and Content-Length or the chunk's size follows, or a line of its head does.
pub(super) fn http(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let is_made = bytes.first().is_none_or(|kind| kind & 8 != 0);
    if is_made {
        return false;
    }
    behind(bytes, 1 + FramerPlan::HEAD, most, mutator, |mutator, stream, most| {
        let head = stream.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        match head {
            Some(head) if mutator.below(2) == 0 => http_body(mutator, stream, head),
            Some(head) => {
                let mut lines = stream[..head - 2].to_vec();
                let length = lines.len();
                super::documents::lines(mutator, &mut lines, length + 200);
                // The line that a field's end was taken from ends as lines do.
                stream.splice(..head - 2, lines);
            }
            None => drop(mutator.raw(stream, most)),
        }
        stream.truncate(most);
    })
}

fn http_body(mutator: &mut Mutator, stream: &mut Vec<u8>, head: usize) {
    let lower = stream[..head].to_ascii_lowercase();
    let find = |name: &[u8]| lower.windows(name.len()).position(|window| window == name);
    if let Some(at) = find(b"content-length:") {
        let begin = at + 15;
        let end = begin + lower[begin..].iter().position(|&byte| byte == b'\r').unwrap_or_default();
        let number = String::from_utf8_lossy(&lower[begin..end]).trim().parse::<usize>().unwrap_or_default();
        let body = head..head + number.min(stream.len() - head);
        let mut content = stream[body.clone()].to_vec();
        mutator.raw(&mut content, number + 300);
        let told = content.len();
        stream.splice(body, content);
        if mutator.below(4) > 0 {
            stream.splice(begin..end, format!(" {told}").into_bytes());
        }
        return;
    }
    // The size of the first chunk.
    let size = stream[head..].iter().position(|&byte| byte == b'\r').map(|length| head..head + length);
    let number = size.clone().and_then(|size| {
        let text = String::from_utf8_lossy(&stream[size]).into_owned();
        usize::from_str_radix(text.split(';').next()?.trim(), 16).ok()
    });
    if let (Some(size), Some(number)) = (size, number) {
        let begin = (size.end + 2).min(stream.len());
        let end = begin.saturating_add(number).min(stream.len());
        let mut chunk = stream[begin..end].to_vec();
        mutator.raw(&mut chunk, number.min(1 << 16) + 300);
        let told = chunk.len();
        stream.splice(begin..end, chunk);
        if mutator.below(4) > 0 {
            stream.splice(size, format!("{told:x}").into_bytes());
        }
    } else {
        let most = stream.len() + 300;
        let mut body = stream.split_off(head);
        mutator.raw(&mut body, most);
        stream.append(&mut body);
    }
}

/// Changes an element of BER and sets the lengths of those around it, seven times in eight.
pub(super) fn ber(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    if bytes.is_empty() {
        return false;
    }
    ber_level(mutator, bytes, 0);
    bytes.truncate(most);
    true
}

fn ber_level(mutator: &mut Mutator, bytes: &mut Vec<u8>, depth: usize) {
    let mut elements: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = &bytes[..];
    while let Some((tag, content, behind)) = ber_element(rest)
        && elements.len() < 256
    {
        elements.push((vec![tag], content.to_vec()));
        rest = behind;
    }
    let tail = rest.to_vec();
    let Some(last) = elements.len().checked_sub(1) else {
        let most = bytes.len() + 64;
        mutator.raw(bytes, most);
        return;
    };
    let at = mutator.below(last + 1);
    let is_constructed = elements[at].0[0] & 0x20 != 0 && !elements[at].1.is_empty();
    match mutator.below(8) {
        0 if depth > 0 => drop(elements.remove(at)),
        1 => {
            let copy = elements[at].clone();
            elements.insert(at, copy);
        }
        2 => {
            let tags = [
                0x30, 0x31, 0x04, 0x02, 0x0a, 0x01, 0x05, 0x60, 0x63, 0x64, 0x65, 0x73, 0xa0, 0xa3, 0x87,
                0x80, 0x8a,
            ];
            elements[at].0[0] = tags[mutator.below(tags.len())];
        }
        _ if is_constructed && depth < 16 => ber_level(mutator, &mut elements[at].1, depth + 1),
        _ => {
            let content = &mut elements[at].1;
            let most = content.len() + 64;
            mutator.raw(content, most);
        }
    }
    bytes.clear();
    for (mut tag, mut content) in elements {
        bytes.append(&mut tag);
        ber_length(mutator, content.len(), bytes);
        bytes.append(&mut content);
    }
    bytes.extend(tail);
}

/// The length as it should be, or in a longer form, or another one.
fn ber_length(mutator: &mut Mutator, length: usize, out: &mut Vec<u8>) {
    let [.., a, b, c, d] = (length as u64).to_be_bytes();
    match mutator.below(32) {
        0 => out.extend([0x84, a, b, c, d]),
        1 => out.extend([0x82, c, d.wrapping_add(1)]),
        2 => out.push(0x80),
        3 => out.extend([0x84, 0xff, 0xff, 0xff, 0xff]),
        _ => match length {
            0..=0x7f => out.push(d),
            0x80..=0xff => out.extend([0x81, d]),
            0x100..=0xffff => out.extend([0x82, c, d]),
            _ => out.extend([0x84, a, b, c, d]),
        },
    }
}

/// An element of a one-byte tag: its tag, its content, and what is behind it.
fn ber_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// Changes a record of TLS and sets its length, three times in four.
pub(super) fn tls(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let mut records = Vec::new();
    let mut rest = &bytes[..];
    while let Some((&[kind, major, minor, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (content, behind) = behind.split_at(length);
        records.push(([kind, major, minor], content.to_vec()));
        rest = behind;
    }
    if records.is_empty() {
        return false;
    }
    let at = mutator.below(records.len());
    match mutator.below(8) {
        0 => drop(records.remove(at)),
        1 => {
            let copy = records[at].clone();
            records.insert(at, copy);
        }
        2 => records[at].0[0] = [20, 21, 22, 23, 24, 0x80][mutator.below(6)],
        3 => {
            // A handshake message in two records.
            let (head, content) = &mut records[at];
            let behind = content.split_off(mutator.below(content.len() + 1));
            let head = *head;
            records.insert(at + 1, (head, behind));
        }
        _ => {
            let content = &mut records[at].1;
            let length = content.len();
            mutator.raw(content, length + 64);
            // A handshake message's own length.
            if records[at].0[0] == 22 && mutator.below(2) == 0 && records[at].1.len() >= 4 {
                let [.., a, b, c] = (records[at].1.len() as u64 - 4).to_be_bytes();
                records[at].1[1..4].copy_from_slice(&[a, b, c]);
            }
        }
    }
    let is_right = mutator.below(4) > 0;
    let wrong = mutator.below(0x1_0000);
    bytes.clear();
    for (place, (head, content)) in records.into_iter().enumerate() {
        let length = if is_right || place != at { content.len() } else { wrong };
        bytes.extend(head);
        bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(content);
    }
    bytes.truncate(most);
    true
}

/// Changes a number of a control message at its place: its type, an id, a count, a version.
pub(super) fn vmbus_control(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    if bytes.len() < 8 {
        return false;
    }
    match mutator.below(6) {
        0 => {
            bytes[..4].copy_from_slice(&[u8::try_from(mutator.below(26)).unwrap_or_default(), 0, 0, 0]);
        }
        1 => {
            // The older and the newer form of a message differ in their lengths alone.
            let length = 8 + 4 * mutator.below(58);
            bytes.resize(length, 0);
        }
        2 => drop(mutator.raw(bytes, most.min(248))),
        _ => number(mutator, bytes, 4),
    }
    bytes.truncate(most);
    true
}

/// Changes a payload of a pipe: what its headers count, or what is in it.
pub(super) fn vmbus_pipe(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    if bytes.len() >= 8 && mutator.below(3) > 0 {
        match mutator.below(3) {
            0 => number(mutator, bytes, 4),
            1 => number(mutator, bytes, 2),
            _ => {
                // A pipe packet's header: its kind, and how much of it is data.
                let mut data = bytes.split_off(8);
                let length = data.len();
                mutator.raw(&mut data, length + 64);
                let length = u32::try_from(data.len()).unwrap_or_default();
                bytes[4..8].copy_from_slice(&length.to_le_bytes());
                bytes.append(&mut data);
            }
        }
    } else {
        mutator.raw(bytes, most);
    }
    bytes.truncate(most);
    true
}

/// Changes the offsets of a ring's seed, or a descriptor of a packet in it.
pub(super) fn vmbus_ring(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    // Choices of a writer are bytes.
    if bytes.first().is_none_or(|kind| kind & 1 == 1) || bytes.len() < 9 + 16 {
        return false;
    }
    let size = bytes.len() - 9;
    if mutator.below(3) == 0 {
        let place = 1 + 4 * mutator.below(2);
        let offset = match mutator.below(4) {
            0 => size,
            1 => mutator.below(size + 8),
            _ => 8 * mutator.below(size / 8 + 1),
        };
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        bytes[place..place + 4].copy_from_slice(&offset.to_le_bytes());
        return true;
    }
    // Packets stand one behind the other from the read offset on.
    let mut at =
        usize::try_from(u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]])).unwrap_or_default();
    for _ in 0..mutator.below(8) {
        let Some(raw) = bytes.get(9 + at + 4..9 + at + 6) else { break };
        let next = at + 8 * usize::from(u16::from_le_bytes([raw[0], raw[1]])) + 8;
        if next + 16 > size {
            break;
        }
        at = next;
    }
    let Some(descriptor) = bytes.get_mut(9 + at..9 + at + 16) else { return false };
    match mutator.below(3) {
        0 => flip(mutator, descriptor),
        _ => number(mutator, &mut descriptor[..8], 2),
    }
    bytes.truncate(most);
    true
}

/// Changes a little-endian number at a multiple of its width.
fn number(mutator: &mut Mutator, bytes: &mut [u8], width: usize) {
    let at = width * mutator.below(bytes.len() / width);
    let Some(raw) = bytes.get_mut(at..at + width) else { return };
    let old = raw.iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let values = [0, 1, 2, 8, 12, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x4_0000, 0x5_0003];
    let new = match mutator.below(4) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old ^ 1 << mutator.below(8 * width),
        _ => values[mutator.below(values.len())],
    };
    raw.copy_from_slice(&new.to_le_bytes()[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Message;

    #[test]
    fn counts_of_a_changed_dns_message_mostly_fit() {
        let query =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06_vlmcs\x04_tcp\x01a\x00\x00\x21\x00\x01";
        let mut whole = 0;
        for turn in 0..400 {
            let mut message = query.to_vec();
            dns_message(&mut Mutator::new(turn), &mut message, 512);
            whole += usize::from(Message::parse(&message).is_ok_and(|message| message.error.is_none()));
        }
        assert!(whole > 200, "{whole} of 400");
    }

    #[test]
    fn lengths_of_changed_ber_mostly_fit() {
        let message = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
        let mut whole = 0;
        for turn in 0..400 {
            let mut bytes = message.to_vec();
            assert!(ber(&mut Mutator::new(turn), &mut bytes, 512));
            whole += usize::from(
                ber_element(&bytes).is_some_and(|(tag, _, behind)| tag == 0x30 && behind.is_empty()),
            );
        }
        assert!(whole > 200, "{whole} of 400");
    }

    #[test]
    fn content_length_follows_a_body() {
        let seed = [&[0; 14][..], b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"].concat();
        let mut fits = 0;
        for turn in 0..400 {
            let mut bytes = seed.clone();
            http(&mut Mutator::new(turn), &mut bytes, 4000);
            let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let body = &bytes[head + 4..];
            let told = format!("Content-Length: {}", body.len());
            fits += usize::from(body != b"hello" && bytes[..head].ends_with(told.as_bytes()));
        }
        assert!(fits > 80, "{fits} of 400");
    }
}

//! Documents: texts with a grammar of their own.

use serde_json::Value;

use crate::mak::{BatchRequest, Content, Id, IdKind, Message};
use crate::mutate::Mutator;
use crate::wire::utf16;

use super::flip;

/// Texts that a reader may trip over.
const TEXTS: [&str; 22] = [
    "",
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e400",
    "0x7F",
    "true",
    "null",
    "\u{0}",
    "\u{feff}",
    "\u{1f600}",
    "e\u{301}",
    "&amp;&#0;&#x110000;",
    "]]>",
    "<!--",
    "%00%2e",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

fn any_text(mutator: &mut Mutator) -> &'static str {
    TEXTS[mutator.below(TEXTS.len())]
}

/// Changes digits of an ID, or how it is written; and sets the check digits of whole groups right, three times in four.
pub(super) fn id(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let digits: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    if digits.is_empty() || !text.is_char_boundary(digits[0]) {
        return false;
    }
    for _ in 0..=mutator.below(3) {
        let at = digits[mutator.below(digits.len())];
        match mutator.below(8) {
            0 => {
                let between = ["-", " ", "\u{2010}", "\u{a0}", "\u{200b}", "A ", "\u{ff0d}", ".", "x"];
                text.insert_str(at, between[mutator.below(between.len())]);
                break;
            }
            1 => {
                text.remove(at);
                break;
            }
            2 => {
                let wide = ["\u{ff10}", "\u{ff19}", "\u{661}", "O", "l", "9", "0"];
                text.replace_range(at..=at, wide[mutator.below(wide.len())]);
                break;
            }
            3 => {
                let other = digits[mutator.below(digits.len())];
                let [a, b] = [at, other].map(|at| text[at..=at].to_owned());
                text.replace_range(at..=at, &b);
                text.replace_range(other..=other, &a);
            }
            4 => {
                let group = ["000000", "777777", "999999", "0000000"][mutator.below(4)];
                let end = (at + group.len()).min(text.len());
                if text.is_char_boundary(end) {
                    text.replace_range(at..end, group);
                }
                break;
            }
            _ => {
                let digit = mutator.below(10).to_string();
                text.replace_range(at..=at, &digit);
            }
        }
    }
    if mutator.below(4) > 0 {
        check_digits(&mut text);
    }
    *bytes = text.into_bytes();
    bytes.truncate(most);
    true
}

/// Sets what a reader would find wrong in the groups of a text that has an ID's number of digits, all of them ASCII.
fn check_digits(text: &mut String) {
    let digits: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let Some(kind) = IdKind::of_length(digits.len()) else { return };
    if Id::parse(text).is_ok() {
        return;
    }
    for group in digits.chunks_exact(kind.group_len()) {
        let (&check, summed) = group.split_last().expect("a group has digits");
        let value = |at: usize| usize::from(text.as_bytes()[at] - b'0');
        let sum: usize = summed.iter().enumerate().map(|(i, &at)| value(at) * (1 + i % 2)).sum();
        let digit = (sum % 7).to_string();
        text.replace_range(check..=check, &digit);
    }
}

/// Changes an element, a text or a tag of a document's markup.
pub(super) fn xml(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let is_wide = bytes.get(1) == Some(&0) || bytes.starts_with(&[0xff, 0xfe]);
    let mut text = if is_wide { utf16::decode(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
    if !markup(mutator, &mut text) {
        return false;
    }
    *bytes = if is_wide { utf16::encode(&text) } else { text.into_bytes() };
    bytes.truncate(most);
    true
}

fn markup(mutator: &mut Mutator, text: &mut String) -> bool {
    let opened: Vec<usize> = text.match_indices('<').map(|(at, _)| at).take(4096).collect();
    if opened.is_empty() {
        return false;
    }
    let begin = opened[mutator.below(opened.len())];
    let Some(end) = text[begin..].find('>').map(|length| begin + length + 1) else { return false };
    // The element, where its end tag is found.
    let name: String = text[begin + 1..end].chars().take_while(|c| !matches!(c, ' ' | '>' | '/')).collect();
    let element = text[end..].find(&format!("</{name}>")).map(|length| end + length + name.len() + 3);
    let element = begin..element.filter(|_| !name.is_empty()).unwrap_or(end);
    let behind = text[end..].find('<').map_or(text.len(), |length| end + length);
    match mutator.below(10) {
        0 => text.replace_range(element, ""),
        1 => {
            let copy = text[element.clone()].to_owned();
            text.insert_str(element.end, &copy);
        }
        2 => {
            let copy = text[element].to_owned();
            text.insert_str(opened[mutator.below(opened.len())], &copy);
        }
        3 => {
            let known = NAMES[mutator.below(NAMES.len())];
            let with_prefix = name.split_once(':').map_or(String::new(), |(prefix, _)| format!("{prefix}:"));
            let from = begin + 1 + usize::from(name.starts_with('/'));
            text.replace_range(from..begin + 1 + name.len(), &format!("{with_prefix}{known}"));
        }
        4 => text.truncate(end),
        5 => {
            let attribute = [" xmlns=\"\"", " xsi:nil=\"true\"", " a=\"1\" a=\"2\"", " x='&lt;'", "/"];
            text.insert_str(end - 1, attribute[mutator.below(attribute.len())]);
        }
        6 => {
            let inserted =
                ["<!-- -->", "<![CDATA[x]]>", "<?p x?>", "<!DOCTYPE a>", "&#xD800;", "&unknown;", "<a>"];
            text.insert_str(end, inserted[mutator.below(inserted.len())]);
        }
        _ => text.replace_range(end..behind, any_text(mutator)),
    }
    true
}

/// Changes a body of MAK's services: in the document that it signs, whose digest is right again three times in four, or as
/// what it is.
pub(super) fn soap(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let Some((&kind, rest)) = bytes.split_first() else { return false };
    if kind & 1 == 1 {
        // Each byte is a choice.
        return false;
    }
    if mutator.below(2) == 0
        && let Ok(mut message) = Message::parse(rest)
        && let Content::BatchRequest(request) = &mut message.content
        && !request.raw.is_empty()
    {
        let mut text = utf16::decode(&request.raw);
        if markup(mutator, &mut text) {
            let digest = request.digest.take();
            *request = BatchRequest::of_raw(utf16::encode(&text));
            if mutator.below(4) == 0 {
                request.digest = digest;
            }
            *bytes = [&[kind][..], &message.encode()].concat();
            bytes.truncate(most);
            return true;
        }
    }
    let mut body = rest.to_vec();
    let is_changed = xml(mutator, &mut body, most.saturating_sub(1));
    *bytes = [&[kind][..], &body].concat();
    is_changed
}

/// Changes a value, or a member, of a JSON document.
pub(super) fn json(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let Ok(mut root) = serde_json::from_slice::<Value>(bytes) else { return false };
    let mut value = &mut root;
    // Down to some depth: each container's one child.
    loop {
        let length = match value {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        if length == 0 || mutator.below(8) == 0 {
            break;
        }
        let at = mutator.below(length);
        value = match value {
            Value::Array(items) => &mut items[at],
            Value::Object(members) => members.values_mut().nth(at).expect("it is counted"),
            _ => break,
        };
    }
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = mutator.below(items.len());
            if mutator.below(2) == 0 {
                items.remove(at);
            } else {
                let copy = items[at].clone();
                items.push(copy);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            let at = mutator.below(members.len());
            let key = members.keys().nth(at).cloned().unwrap_or_default();
            let taken = members.remove(&key).unwrap_or_default();
            if mutator.below(2) == 0 {
                members.insert(any_text(mutator).to_owned(), taken);
            }
        }
        other => {
            *other = match mutator.below(8) {
                0 => Value::Null,
                1 => Value::Bool(true),
                2 => Value::from(-1),
                3 => Value::from(u64::MAX),
                4 => Value::from(1.5e300),
                5 => Value::Array(Vec::new()),
                6 => Value::Object(serde_json::Map::new()),
                _ => Value::from(any_text(mutator)),
            }
        }
    }
    let Ok(written) = serde_json::to_vec(&root) else { return false };
    if written.len() > most {
        return false;
    }
    *bytes = written;
    true
}

/// Changes lines of a text: their order, their number, a field of one.
pub(super) fn lines(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = mutator.below(lines.len());
    match mutator.below(8) {
        0 if lines.len() > 1 => drop(lines.remove(at)),
        1 => {
            let copy = lines[at].clone();
            lines.insert(at, copy);
        }
        2 => {
            let other = mutator.below(lines.len());
            lines.swap(at, other);
        }
        3 => lines.insert(at, Vec::new()),
        4 => {
            // A folded line.
            let line = &mut lines[at];
            let place = mutator.below(line.len() + 1);
            line.splice(place..place, *b"\n ");
        }
        5 => {
            let line = &mut lines[at];
            if !line.is_empty() {
                flip(mutator, line);
            }
        }
        _ => {
            // A field between blanks or colons.
            let line = &mut lines[at];
            let is_end = |byte: &u8| matches!(byte, b' ' | b':' | b'=' | b',');
            let begins: Vec<usize> =
                (0..=line.len()).filter(|&at| at == 0 || is_end(&line[at - 1])).collect();
            let begin = begins[mutator.below(begins.len())];
            let end = line[begin..].iter().position(is_end).map_or(line.len(), |length| begin + length);
            line.splice(begin..end, any_text(mutator).bytes());
        }
    }
    *bytes = lines.join(&b'\n');
    bytes.truncate(most);
    true
}

/// Elements of the services.
const NAMES: [&str; 16] = [
    "Envelope",
    "Body",
    "Fault",
    "BatchActivate",
    "BatchActivateResponse",
    "BatchActivateResult",
    "ActivationRequest",
    "ActivationResponse",
    "VersionNumber",
    "RequestType",
    "Request",
    "PID",
    "IID",
    "CID",
    "Digest",
    "ErrorInfo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changed_ids_are_read_as_ids() {
        let seed = b"000000-000000-000000-000000-000000-000000-000000-000000";
        let mut read = 0;
        for turn in 0..400 {
            let mut bytes = seed.to_vec();
            assert!(id(&mut Mutator::new(turn), &mut bytes, 200));
            read += usize::from(Id::parse(&String::from_utf8_lossy(&bytes)).is_ok());
        }
        assert!(read > 150, "{read} of 400");
    }

    #[test]
    fn a_changed_document_has_its_digest() {
        let request = BatchRequest::of_raw(utf16::encode(
            "<ActivationRequest><Requests><Request><PID>1</PID></Request></Requests></ActivationRequest>",
        ));
        let seed = [&[0][..], &Message::new(Content::BatchRequest(request)).encode()].concat();
        let (mut changed, mut holds) = (0, 0);
        for turn in 0..400 {
            let mut bytes = seed.clone();
            assert!(soap(&mut Mutator::new(turn), &mut bytes, 4000));
            if let Ok(Message { content: Content::BatchRequest(request), .. }) = Message::parse(&bytes[1..]) {
                changed += 1;
                holds += usize::from(request.digest_check() == crate::mak::DigestCheck::Pass);
            }
        }
        assert!(changed > 250 && holds * 2 > changed, "{holds} of {changed}");
    }
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::kms::Ndr;
use crate::mak::digest;
use crate::mutate::{Changes, Marshalling, Mutator};
use crate::peer::shim::{Case, MAX_LINE, Own, Value};
use crate::rpc::{Body, Pdu, SyntaxId};
use crate::wire::{Endianness, Random, Side};

use super::plan::Plan;

/// Bytes of a message, a stub or a stream that was changed.
const MOST_BYTES: usize = 4096;
/// Characters of a text that was changed.
const MOST_CHARACTERS: usize = 256;
/// Sentences about what was changed.
const MOST_NOTES: usize = 16;
/// Questions that are made, until one is inside of the contract.
const ATTEMPTS: usize = 8;

/// Makes a case: a question of one of `cases`, or one of the corpus, with a few things changed.
pub(super) fn plan(random: &mut Random, corpus: &[Plan], cases: &[&'static Case]) -> Plan {
    let right = cases[random.below(cases.len())];
    let right = Plan::of(right.query(random));
    for _ in 0..ATTEMPTS {
        let mut plan = match random.below(3) {
            0 if !corpus.is_empty() => corpus[random.below(corpus.len())].clone(),
            _ => right.clone(),
        };
        for _ in 0..[0, 1, 1, 1, 1, 1, 2, 3][random.below(8)] {
            change(random, &mut plan);
        }
        plan.notes.truncate(MOST_NOTES);
        if is_askable(&plan) {
            return plan;
        }
    }
    right
}

/// True where the contract says what has to be answered: our own implementation has an answer, and it fits into a line.
pub(super) fn is_askable(plan: &Plan) -> bool {
    let Some(query) = plan.query() else { return false };
    let is_bounded = query.line(u32::MAX).len() < MAX_LINE / 4;
    is_bounded && is_determined(plan) && Own::answer(&query).is_ok()
}

/// True where there is one right answer: what hosts may do one way or the other, and what the contract passes over, is not
/// asked.
fn is_determined(plan: &Plan) -> bool {
    let given = |name| plan.given.bytes(name).unwrap_or_default();
    let has_trailer = |pdu: &[u8]| pdu.get(10..12).is_some_and(|auth_length| auth_length != [0, 0]);
    match &*plan.op {
        // A minor version is refused by some hosts, and echoed by others.
        "kms.respond" => given("request").get(..2).is_none_or(|minor| minor == [0, 0]),
        "rpc.bind.decode" => !has_trailer(&given("pdu")),
        "rpc.bind_ack.encode" => {
            let bind = given("bind");
            let is_usual = |syntax: &SyntaxId| {
                [SyntaxId::KMS, SyntaxId::NDR32, SyntaxId::NDR64]
                    .iter()
                    .all(|known| known.uuid != syntax.uuid || known == syntax)
            };
            match Pdu::parse(&bind).map(|pdu| (pdu.header, pdu.body)) {
                Ok((header, Body::Bind(bind))) => {
                    let mut interfaces = bind.contexts.iter().map(|context| context.abstract_syntax);
                    let first = interfaces.next();
                    header.drep.endianness() == Endianness::Little
                        // Whether NDR64 of another interface counts is not said.
                        && interfaces.all(|interface| Some(interface) == first)
                        && header.auth_length == 0
                        && bind.contexts.iter().all(|context| {
                            let transfers = &context.transfer_syntaxes;
                            is_usual(&context.abstract_syntax)
                                && !transfers.is_empty()
                                && transfers.iter().all(is_usual)
                        })
                }
                _ => false,
            }
        }
        _ => true,
    }
}

/// Changes a question in one thing.
fn change(random: &mut Random, plan: &mut Plan) {
    // With a second change, whatever was left wrong is not the only thing any more.
    let was_changed = plan.given != plan.right;
    plan.left_wrong = None;
    let mut mutator = Mutator::new(random.number());
    let changes = match &*plan.op {
        "kms.request.decode" => {
            bytes(plan, "message", |bytes| mutator.message(Side::Client, bytes, MOST_BYTES))
        }
        "kms.response.verify" => {
            mutator.answering(plan.given.bytes("request").ok().as_deref());
            bytes(plan, "response", |bytes| mutator.message(Side::Server, bytes, MOST_BYTES))
        }
        "kms.respond" if random.below(2) == 0 => {
            bytes(plan, "request", |bytes| mutator.message(Side::Client, bytes, MOST_BYTES))
        }
        "kms.respond" => one_of(
            random,
            plan,
            &[
                "count",
                "activation_interval",
                "renewal_interval",
                "now",
                "max_clock_skew",
                "hwid",
                "salt",
                "r",
            ],
        ),
        "kms.request.encode" => one_of(
            random,
            plan,
            &[
                "vm_info",
                "license_status",
                "binding_expiration",
                "app_id",
                "act_id",
                "kms_id",
                "cmid",
                "n_policy",
                "client_time",
                "cmid_prev",
                "machine_name",
                "iv",
            ],
        ),
        "ndr.request.decode" | "ndr.response.decode" => {
            let side = if plan.op == "ndr.request.decode" { Side::Client } else { Side::Server };
            let marshalling = Marshalling {
                ndr: if plan.given.number("syntax") == Ok(64) { Ndr::Ndr64 } else { Ndr::Ndr32 },
                endianness: if plan.given.flag("big") == Ok(true) {
                    Endianness::Big
                } else {
                    Endianness::Little
                },
            };
            match random.below(8) {
                0 => flag(random, plan, "big"),
                1 => bytes(plan, "stub", |bytes| mutator.raw(bytes, MOST_BYTES)),
                _ => bytes(plan, "stub", |bytes| mutator.stub(side, marshalling, bytes, MOST_BYTES)),
            }
        }
        "ndr.request.encode" | "ndr.response.encode" => match random.below(4) {
            0 => flag(random, plan, "big"),
            1 => one_of(random, plan, &["hresult"]),
            _ => bytes(plan, "message", |bytes| mutator.raw(bytes, MOST_BYTES)),
        },
        "rpc.frame" => bytes(plan, "stream", |bytes| mutator.stream(Side::Client, None, bytes, MOST_BYTES)),
        "rpc.bind.decode" => bytes(plan, "pdu", |bytes| mutator.pdu(Side::Client, None, bytes, MOST_BYTES)),
        "rpc.bind_ack.encode" => match random.below(4) {
            0 => flag(random, plan, "ndr64"),
            1 => one_of(random, plan, &["assoc_group_id"]),
            _ => bytes(plan, "bind", |bytes| mutator.pdu(Side::Client, None, bytes, MOST_BYTES)),
        },
        "mak.digest.verify" => activation(random, &mut mutator, plan),
        "echo" => bytes(plan, "bytes", |bytes| mutator.raw(bytes, MOST_BYTES)),
        _ => text(random, plan, "text"),
    };
    if !was_changed {
        plan.left_wrong = changes.broken;
    }
    plan.notes.extend(changes.notes);
}

/// What a change did.
#[derive(Default)]
struct Changed {
    notes: Vec<String>,
    broken: Option<String>,
}

impl Changed {
    fn one(note: String) -> Self {
        Self { notes: vec![note], broken: None }
    }
}

/// Changes a field of bytes.
fn bytes(plan: &mut Plan, name: &str, change: impl FnOnce(&mut Vec<u8>) -> Changes) -> Changed {
    let mut bytes = plan.given.bytes(name).unwrap_or_default();
    let changes = change(&mut bytes);
    plan.given.set(name, Value::bytes(&bytes));
    Changed { notes: changes.notes(), broken: changes.broken().map(str::to_owned) }
}

fn flag(random: &mut Random, plan: &mut Plan, name: &str) -> Changed {
    let flag = random.below(2) == 0;
    plan.given.set(name, flag);
    Changed::one(format!("{name} {flag}"))
}

/// Changes one of these fields, as what it is: a number, the digits of one, a GUID, or bytes that stay as many.
fn one_of(random: &mut Random, plan: &mut Plan, names: &[&str]) -> Changed {
    let names: Vec<&str> = names.iter().copied().filter(|name| plan.given.value(name).is_some()).collect();
    let Some(&name) = names.get(random.below(names.len())) else { return Changed::default() };
    let is_guid = name.ends_with("_id") || name.starts_with("cmid");
    let value = match plan.given.value(name) {
        Some(Value::Number(_)) => Value::Number(number(random)),
        Some(Value::Flag(_)) => Value::Flag(random.below(2) == 0),
        Some(Value::Text(_)) if matches!(name, "now" | "client_time" | "max_clock_skew") => {
            let near = plan.given.long("now").unwrap_or_default();
            Value::Text(match random.below(4) {
                0 => near.wrapping_add(random.number() % 600_000_000_000).to_string(),
                1 => u64::from(number(random)).to_string(),
                2 => (u64::MAX >> random.below(64)).to_string(),
                _ => random.number().to_string(),
            })
        }
        Some(Value::Text(_)) if is_guid => match random.below(4) {
            0 => crate::wire::Guid::default().into(),
            1 => crate::wire::Guid::from_wire([0xff; 16]).into(),
            _ => crate::wire::Guid::from_wire(random.bytes()).into(),
        },
        Some(value @ Value::Text(_)) => {
            let mut bytes = value.as_bytes().unwrap_or_default();
            let length = bytes.len();
            Mutator::new(random.number()).raw(&mut bytes, MOST_BYTES);
            bytes.resize(length, 0);
            Value::bytes(&bytes)
        }
        None => return Changed::default(),
    };
    let note = format!("{name} {value}");
    plan.given.set(name, value);
    Changed::one(note)
}

fn number(random: &mut Random) -> u32 {
    let any = random.bytes::<4>();
    let shift = u32::try_from(random.below(32)).unwrap_or_default();
    match random.below(4) {
        0 => 0,
        1 => u32::MAX >> shift,
        2 => 1 << shift,
        _ => u32::from_le_bytes(any) >> shift,
    }
}

/// Changes the document of BatchActivation and its digest: the digest is right for the document, or left wrong; or one of
/// them is no base64 any more.
fn activation(random: &mut Random, mutator: &mut Mutator, plan: &mut Plan) -> Changed {
    let decoded =
        |name| plan.given.text(name).ok().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let (mut document, mut claimed) = (decoded("request_xml"), decoded("digest"));
    let note = match random.below(5) {
        0 => {
            let name = if random.below(2) == 0 { "request_xml" } else { "digest" };
            let mut text = plan.given.text(name).unwrap_or_default().to_owned();
            // None of these is of the alphabet, wherever it stands.
            text.insert(random.below(text.len() + 1), ['!', '*', '_', '~'][random.below(4)]);
            plan.given.set(name, text);
            return Changed {
                notes: vec![format!("{name} is no base64")],
                broken: Some("base64".to_owned()),
            };
        }
        1 => {
            mutator.raw(&mut claimed, MOST_BYTES);
            "digest changed"
        }
        2 => {
            mutator.raw(&mut document, MOST_BYTES);
            "document changed"
        }
        3 => {
            claimed.truncate(random.below(claimed.len() + 1));
            "digest cut short"
        }
        _ => {
            mutator.raw(&mut document, MOST_BYTES);
            claimed = digest(&document).to_vec();
            "document changed, and its digest with it"
        }
    };
    plan.given.set("request_xml", STANDARD.encode(&document));
    plan.given.set("digest", STANDARD.encode(&claimed));
    let is_wrong = digest(&document)[..] != claimed[..];
    Changed { notes: vec![note.to_owned()], broken: is_wrong.then(|| "digest".to_owned()) }
}

/// Changes a text: digits, characters, parts; the contract has nothing in it that JSON would escape.
fn text(random: &mut Random, plan: &mut Plan, name: &str) -> Changed {
    let mut text: Vec<u8> = plan.given.text(name).unwrap_or_default().bytes().collect();
    let at = random.below(text.len().max(1));
    let digits: Vec<usize> = (0..text.len()).filter(|&at| text[at].is_ascii_digit()).collect();
    let digit = |random: &mut Random| b"0123456789"[random.below(10)];
    let what = match random.below(10) {
        0..=3 if !digits.is_empty() => {
            let at = digits[random.below(digits.len())];
            text[at] = digit(random);
            "a digit changed"
        }
        4 => {
            let digit = digit(random);
            text.insert(at.min(text.len()), digit);
            "a digit inserted"
        }
        5 if !text.is_empty() => {
            text.remove(at);
            "a character removed"
        }
        6 if text.len() > 1 => {
            let other = random.below(text.len());
            text.swap(at, other);
            "characters swapped"
        }
        7 => {
            // Which separators beside these an ID may have is not said.
            text.insert(at.min(text.len()), b"- x+_Oo"[random.below(7)]);
            "a character inserted"
        }
        8 => {
            let other = random.below(text.len() + 1);
            let part = text[at.min(other)..at.max(other).min(text.len())].to_vec();
            let to = random.below(text.len() + 1);
            text.splice(to..to, part);
            "a part repeated"
        }
        9 if !digits.is_empty() => {
            // Another number in the place of a whole one: the edges of days, years, builds.
            let begin = digits[random.below(digits.len())];
            let begin = (0..=begin).rev().take_while(|&at| text[at].is_ascii_digit()).last().unwrap_or(begin);
            let length = text[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let numbers: [&[u8]; 10] = [
                b"0", b"00000", b"99999", b"65536", b"0002023", b"3662023", b"3662024", b"3652023",
                b"3672024", b"",
            ];
            text.splice(begin..begin + length, numbers[random.below(10)].iter().copied());
            "a number replaced"
        }
        _ => {
            text.truncate(at);
            "cut short"
        }
    };
    text.truncate(MOST_CHARACTERS);
    plan.given.set(name, String::from_utf8_lossy(&text).into_owned());
    Changed::one(format!("{name}: {what}"))
}

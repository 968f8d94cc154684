//! Seeds of `dns`: messages of each kind and with each damage, streams of them, and conversations.

use volact::fuzzing::FramerPlan;

/// Name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let messages = messages().into_iter().map(|(name, message)| (name, [vec![MESSAGE], message].concat()));
    let streams = streams().into_iter().map(|(name, plan)| (name, [vec![STREAM], plan].concat()));
    let conversations = conversations().into_iter().map(|(name, it)| (name, [vec![NETWORK], it].concat()));
    messages.chain(streams).chain(conversations).collect()
}

const MESSAGE: u8 = 0;
const STREAM: u8 = 1;
const NETWORK: u8 = 2;

const A: u8 = 1;
const NS: u8 = 2;
const CNAME: u8 = 5;
const SOA: u8 = 6;
const TXT: u8 = 16;
const AAAA: u8 = 28;
const SRV: u8 = 33;

const QUERY: u16 = 0x0100;
const ANSWER: u16 = 0x8180;
const TRUNCATED: u16 = 0x8380;
const NXDOMAIN: u16 = 0x8183;
const SERVFAIL: u16 = 0x8182;
const UPDATE: u16 = 0x2800;
const UPDATED: u16 = 0xa800;
const MDNS_ANSWER: u16 = 0x8400;

/// `_vlmcs._tcp.corp.example`; in a message, the name begins at 12 and its domain at 24.
const SERVICE: &[u8] = b"\x06_vlmcs\x04_tcp\x04corp\x07example\0";
const PARENT: &[u8] = b"\x06_vlmcs\x04_tcp\x07example\0";
const TO_SERVICE: &[u8] = b"\xc0\x0c";
const TO_DOMAIN: &[u8] = b"\xc0\x18";
const HOST: &[u8] = b"\x03kms\x04corp\x07example\0";
const ADDRESS: [u8; 4] = [192, 0, 2, 10];

/// A message of one question, and records with their section.
fn message(id: u8, flags: u16, question: (&[u8], u8), records: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut counts = [1_u8, 0, 0, 0];
    records.iter().for_each(|(section, _)| counts[*section] += 1);
    let head = [[0, id], flags.to_be_bytes()].concat();
    let counts = counts.iter().flat_map(|&count| [0, count]);
    let question = question.0.iter().copied().chain([0, question.1, 0, 1]);
    let records = records.iter().flat_map(|(_, record)| record.iter().copied());
    head.into_iter().chain(counts).chain(question).chain(records).collect()
}

fn record(name: &[u8], rtype: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [name, &[0, rtype, 0, 1, 0, 0, 0, 60, 0, length], data].concat()
}

fn service(name: &[u8]) -> Vec<u8> {
    record(name, SRV, &[b"\0\0\0\0\x06\x98\x03kms", TO_DOMAIN].concat())
}

fn soa() -> Vec<u8> {
    let numbers = [2026_u32, 900, 600, 86400, 3600].map(u32::to_be_bytes).concat();
    record(TO_DOMAIN, SOA, &[b"\x03ns1", TO_DOMAIN, b"\x01h", TO_DOMAIN, &numbers[..]].concat())
}

fn query(id: u8) -> Vec<u8> {
    message(id, QUERY, (SERVICE, SRV), &[])
}

fn answer(id: u8) -> Vec<u8> {
    message(id, ANSWER, (SERVICE, SRV), &[(1, service(TO_SERVICE)), (3, record(HOST, A, &ADDRESS))])
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let whole = answer(7);
    let edns = b"\0\0\x29\x04\xd0\x01\0\x80\0\0\x08\0\x0f\0\x04\0\x17ab";
    let with = |flags, section, record| message(7, flags, (SERVICE, SRV), &[(section, record)]);
    vec![
        ("message.query", query(7)),
        ("message.query_edns", with(QUERY, 3, edns.to_vec())),
        ("message.answer", whole.clone()),
        ("message.answer_cut", whole[..whole.len() - 9].to_vec()),
        ("message.answer_excess", [&whole[..], b"\0\x01"].concat()),
        ("message.no_such_name", with(NXDOMAIN, 2, soa())),
        ("message.referral", with(ANSWER, 2, record(TO_DOMAIN, NS, HOST))),
        ("message.alias", with(ANSWER, 1, record(TO_SERVICE, CNAME, PARENT))),
        ("message.text", with(ANSWER, 1, record(TO_DOMAIN, TXT, b"\x0etest payload 7\0"))),
        ("message.address_too_long", with(ANSWER, 1, record(HOST, AAAA, &[0x20; 17]))),
        ("message.target_cut", with(ANSWER, 1, record(TO_SERVICE, SRV, b"\0\0\0\0\x06\x98\x03km"))),
        ("message.pointer_to_itself", with(ANSWER, 1, record(b"\xc0\x2a", A, &ADDRESS))),
        ("message.pointer_forward", with(ANSWER, 1, record(b"\xc0\xff", A, &ADDRESS))),
        ("message.pointer_loop", message(7, QUERY, (b"\x01a\xc0\x0c", SRV), &[])),
        ("message.label_type", message(7, QUERY, (b"\x41a\0", SRV), &[])),
        ("message.label_bytes", message(7, QUERY, (b"\x06a.b\\\0\xff\x03$ \"\0", SRV), &[])),
        ("message.edns_twice_and_cut", with(ANSWER, 3, [&edns[..], &edns[..10], b"\x01\0\0"].concat())),
        ("message.header", b"\0\x07\x81\x85\0\0\0\0\0\0\0\0".to_vec()),
        ("message.header_cut", b"\0\x07\x81\x85\0\0\0\0\0\0\0".to_vec()),
    ]
}

fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let framed = |message: Vec<u8>| {
        let length = u16::try_from(message.len()).unwrap();
        [&length.to_be_bytes()[..], &message].concat()
    };
    let stream = [framed(query(7)), framed(answer(7)), framed(query(8))].concat();
    let behind = [b"the end of another one", &stream[..]].concat();
    let plan = |mid_stream, cuts, gap, stream: &[u8]| FramerPlan { mid_stream, cuts, gap, stream }.write();
    vec![
        ("stream.whole", plan(false, [1, 13, 44, 60], [0, 0], &stream)),
        ("stream.cut", plan(false, [1, 2, 3, 4], [0, 0], &stream[..stream.len() - 3])),
        ("stream.empty_messages", plan(false, [1, 3, 5, 7], [0, 0], &[0; 9])),
        ("stream.gap_in_a_message", plan(false, [50, 70, 90, 120], [60, 5], &stream)),
        ("stream.gap_beyond_a_message", plan(false, [50, 70, 90, 120], [60, 70], &stream)),
        ("stream.gap_in_a_length", plan(false, [44, 45, 46, 47], [45, 4], &stream)),
        ("stream.mid_stream", plan(true, [5, 22, 23, 36], [0, 0], &behind)),
        ("stream.mid_stream_gap", plan(true, [5, 22, 23, 36], [10, 12], &behind)),
    ]
}

fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    const UDP: u8 = 0;
    const TCP: u8 = 1;
    const MDNS: u8 = 0x22;
    let play = |messages: &[(u8, u8, Vec<u8>)]| -> Vec<u8> {
        let one = |(way, seconds, message): &(u8, u8, Vec<u8>)| {
            let length = u16::try_from(message.len()).unwrap().to_le_bytes();
            [&[*way, *seconds], &length[..], message].concat()
        };
        messages.iter().flat_map(one).collect()
    };
    let asked = |id, name| message(id, QUERY, (name, SRV), &[]);
    let told = |id, flags, name| message(id, flags, (name, SRV), &[]);
    let host = |id, flags, records: &[_]| message(id, flags, (HOST, A), records);
    let published = [(2, service(TO_DOMAIN))];
    vec![
        (
            "conversation.suffixes",
            play(&[
                (UDP, 0, asked(1, SERVICE)),
                (UDP, 1, told(1, NXDOMAIN, SERVICE)),
                (UDP, 0, asked(2, PARENT)),
                (UDP, 1, message(2, ANSWER, (PARENT, SRV), &[(1, service(TO_SERVICE))])),
                (UDP, 0, host(3, QUERY, &[])),
                (UDP, 0, host(3, ANSWER, &[(1, record(TO_SERVICE, A, &ADDRESS))])),
            ]),
        ),
        (
            "conversation.retransmitted",
            play(&[
                (UDP, 0, query(1)),
                (UDP, 1, query(1)),
                (UDP | 0x10, 2, query(1)),
                (UDP, 0, told(1, SERVFAIL, SERVICE)),
                (UDP | 0x10, 0, answer(1)),
            ]),
        ),
        (
            "conversation.truncated",
            play(&[
                (UDP, 0, query(1)),
                (UDP, 0, told(1, TRUNCATED, SERVICE)),
                (TCP, 0, query(2)),
                (TCP, 0, answer(2)),
            ]),
        ),
        ("conversation.late", play(&[(UDP, 0, query(1)), (UDP, 40, answer(1)), (UDP, 100, query(1))])),
        (
            "conversation.without_times",
            play(&[(UDP, 255, query(1)), (UDP, 255, answer(1)), (UDP, 255, answer(2))]),
        ),
        (
            "conversation.multicast",
            play(&[
                (MDNS, 0, told(0, MDNS_ANSWER, SERVICE)),
                (MDNS, 0, asked(0, SERVICE)),
                (MDNS | 4, 0, message(0, 0, (SERVICE, SRV), &[(1, service(TO_SERVICE))])),
                (MDNS, 1, message(0, MDNS_ANSWER, (SERVICE, SRV), &[(1, service(TO_SERVICE))])),
                (MDNS, 1, message(0, MDNS_ANSWER, (SERVICE, SRV), &[(1, service(TO_SERVICE))])),
            ]),
        ),
        (
            "conversation.update",
            play(&[
                (UDP, 0, message(1, UPDATE, (SERVICE, SOA), &published)),
                (UDP, 0, message(1, UPDATED | 5, (SERVICE, SOA), &[])),
                (UDP, 1, message(2, UPDATE, (SERVICE, SOA), &published)),
                (UDP, 0, message(2, UPDATED, (SERVICE, SOA), &[])),
            ]),
        ),
        (
            "conversation.without_question",
            play(&[(UDP, 0, query(7)), (UDP, 0, b"\0\x07\x81\x85\0\0\0\0\0\0\0\0".to_vec())]),
        ),
    ]
}

//! The responder against what hosts were recorded to answer: with a recorded exchange's identity, clock and randomness,
//! the same bytes.

mod support;

use std::collections::BTreeMap;

use volact::kms::{
    Check, HostIdentity, Moment, Ndr, Policy, Refusal, Reply, RequestBody, RequestMessage, RequestStub,
    Responder, ResponseMessage, ResponseStub, Verifier, Version, rijndael,
};
use volact::trace::{Answer, Exchange, Outcome, RequestRecord, ResponseRecord};
use volact::wire::{Endianness, FileTime};

fn exchanges() -> impl Iterator<Item = (String, Exchange)> {
    support::names().into_iter().flat_map(|name| {
        support::decode(&name).exchanges.into_iter().map(move |exchange| (name.clone(), exchange))
    })
}

fn pair(exchange: &Exchange) -> Option<(&RequestRecord, &ResponseRecord)> {
    match &exchange.answer {
        Some(Answer::Response(response)) => Some((exchange.request.as_ref()?, response)),
        _ => None,
    }
}

/// What a recorded response was made with, beside its request: the host's identity and policy, and 32 random bytes.
fn recorded(request: &RequestMessage, response: &ResponseMessage) -> (HostIdentity, Policy, [u8; 32]) {
    let body = response.body().unwrap();
    let policy = Policy {
        count: body.count,
        activation_interval: body.activation_interval,
        renewal_interval: body.renewal_interval,
        ..Policy::default()
    };
    let mut random = [0; 32];
    if let (RequestMessage::Encrypted(request), ResponseMessage::Encrypted(response)) = (request, response) {
        random[..16].copy_from_slice(&rijndael::xor(&response.xored_salt, &request.decrypted_iv()));
        random[16..].copy_from_slice(&response.decrypted_iv());
    }
    (HostIdentity::recorded(response).unwrap(), policy, random)
}

/// Why an answer cannot be expected of a host that follows the protocol.
fn peculiarity(request: &RequestRecord) -> Option<&'static str> {
    let stub = request.stub.as_ref().unwrap();
    let message = request.message.as_ref().unwrap();
    let length = match message {
        RequestMessage::V4(_) => RequestMessage::V4_LEN,
        _ => RequestMessage::ENCRYPTED_LEN,
    };
    Some(match request.checks {
        _ if !request.span.complete => "the request's first or last fragment is missing",
        _ if stub.missing > 0 || stub.size_slot & 0xffff_ffff != stub.max_count => {
            "requestSize, the maximum count and the data disagree"
        }
        None => "the request cannot be opened",
        _ if stub.data_length != length => "the request has another length than its envelope",
        Some(asked) if asked.mac == Check::Fail => "the request's MAC is wrong",
        Some(asked) if asked.padding == Check::Fail => "the request's padding is wrong",
        Some(asked) if asked.version_envelope == Check::Fail => "the request's versions disagree",
        _ if message.version().is_some_and(|version| version.minor() != 0) => {
            "the request's version has a minor number"
        }
        _ => return None,
    })
}

#[test]
fn with_recorded_randomness_every_conforming_answer_is_made_again_byte_for_byte() {
    let (mut equal, mut peculiar) = (BTreeMap::new(), BTreeMap::new());
    for (name, exchange) in exchanges() {
        if exchange.outcome() != Outcome::Answered {
            continue;
        }
        // Where the request was not captured, or not opened, there is nothing to answer.
        let Some((request, response)) = pair(&exchange) else {
            *peculiar.entry("the request is not in the capture").or_insert(0) += 1;
            continue;
        };
        let (asked, answered) = (request.message.as_ref(), response.message.as_ref().unwrap());
        if let Some(reason) = asked.map_or(Some("the request has no data"), |_| peculiarity(request)) {
            *peculiar.entry(reason).or_insert(0) += 1;
            continue;
        }
        let asked = asked.unwrap();
        let (identity, policy, random) = recorded(asked, answered);
        let moment = Moment { now: asked.body().unwrap().client_time, random };
        let mut out = Vec::new();
        let endianness = Endianness::Little;
        let reply = Responder::new(identity, policy).respond(
            &request.bytes,
            exchange.ndr,
            endianness,
            &moment,
            &mut out,
        );
        let place = format!("{name}, stream {} call {}", exchange.stream, exchange.call_id);
        assert_eq!(reply, Reply::Answered, "{place}");
        assert_eq!(out, response.bytes, "{place}");
        *equal.entry((asked.version().unwrap().major(), exchange.ndr.to_string())).or_insert(0) += 1;
    }
    let equal: Vec<_> =
        equal.iter().map(|((version, ndr), count)| (*version, ndr.as_str(), *count)).collect();
    assert_eq!(
        equal,
        [
            (4, "NDR32", 35),
            (4, "NDR64", 23),
            (5, "NDR32", 35),
            (5, "NDR64", 24),
            (6, "NDR32", 184),
            (6, "NDR64", 55)
        ]
    );
    // vlmcsd and py-kms answer these; none of them is a request that a client should make.
    assert_eq!(
        peculiar,
        BTreeMap::from([
            ("requestSize, the maximum count and the data disagree", 8),
            ("the request cannot be opened", 5),
            ("the request has another length than its envelope", 6),
            ("the request has no data", 2),
            ("the request's MAC is wrong", 2),
            ("the request's first or last fragment is missing", 4),
            ("the request's padding is wrong", 4),
            ("the request's version has a minor number", 3),
            ("the request's versions disagree", 14),
        ])
    );
}

#[test]
fn what_hosts_were_recorded_to_refuse_is_refused_in_the_same_bytes() {
    let mut counts = BTreeMap::new();
    for file in ["vlmcs_vlmcsd_err_version.pcap", "vlmcs_vlmcsd_err_timeskew_c1.pcap"] {
        for exchange in support::decode(file).exchanges {
            let (request, response) = pair(&exchange).unwrap();
            let now = FileTime::from_unix_nanos(request.span.last.time.unwrap().into()).unwrap();
            let mut host = Responder::new(HostIdentity::TEST, Policy::default());
            let mut out = Vec::new();
            let moment = Moment { now, random: [0; 32] };
            let reply = host.respond(&request.bytes, exchange.ndr, Endianness::Little, &moment, &mut out);
            match (exchange.outcome(), &reply) {
                (Outcome::Refused(hresult), Reply::Refused(_)) => {
                    assert_eq!((reply.hresult(), &out), (hresult, &response.bytes));
                    *counts.entry(hresult).or_insert(0) += 1;
                }
                (recorded, _) => assert_eq!((recorded, &reply), (Outcome::Answered, &Reply::Answered)),
            }
        }
    }
    assert_eq!(counts, BTreeMap::from([(0x8007_000d, 27), (0xc004_f06c, 18)]));
}

#[test]
fn each_fault_of_a_request_is_told_apart_and_gets_the_hresult_of_a_host() {
    use volact::wire::Guid;

    let decoded = support::decode("vlmcs_vlmcsd_v6_default.pcap");
    let v6 = decoded.exchanges.iter().find(|exchange| exchange.ndr == Ndr::Ndr64).unwrap();
    let v6 = v6.request.as_ref().unwrap().message.as_ref().unwrap().clone();
    let decoded = support::decode("vlmcs_vlmcsd_v4_default.pcap");
    let v4 = decoded.exchanges[0].request.as_ref().unwrap().message.as_ref().unwrap().clone();
    let body = v6.body().unwrap().clone();
    let now = body.client_time;

    let ask = |stub: &[u8], policy: Policy, now: FileTime| {
        let mut out = Vec::new();
        let moment = Moment { now, random: [1; 32] };
        let mut host = Responder::new(HostIdentity::TEST, policy);
        let reply = host.respond(stub, Ndr::Ndr64, Endianness::Little, &moment, &mut out);
        assert_eq!(out[out.len() - 4..], reply.hresult().to_le_bytes());
        match reply {
            Reply::Refused(refusal) => (refusal, reply_len(&out)),
            Reply::Answered => panic!("it was answered"),
        }
    };
    fn reply_len(out: &[u8]) -> usize {
        assert_eq!(out[..16], [0; 16], "no data, a null pointer");
        out.len()
    }
    let stub = |bytes: &[u8]| RequestStub::of(bytes, Ndr::Ndr64).encode(Endianness::Little);
    let refused = |bytes: &[u8]| {
        let (refusal, length) = ask(&stub(bytes), Policy::default(), now);
        assert_eq!((refusal.hresult(), length), (0x8007_000d, 20), "{refusal:?}");
        refusal
    };

    assert!(matches!(ask(&[1, 2], Policy::default(), now).0, Refusal::Truncated(error) if error.offset == 0));
    assert!(matches!(refused(&[6, 0]), Refusal::Truncated(_)));
    let mut counts = stub(&v6.encode());
    counts[8] ^= 1;
    assert_eq!(ask(&counts, Policy::default(), now).0, Refusal::Counts(260, 261));
    let cut = stub(&v6.encode());
    let (refusal, _) = ask(&cut[..cut.len() - 1], Policy::default(), now);
    let Refusal::Truncated(error) = refusal else { panic!("{refusal:?}") };
    assert_eq!(error.to_string(), "request stub: request at offset 16: needed 260 bytes, got 259");

    assert_eq!(refused(&v6.encode()[..259]), Refusal::Length(260, 259));
    assert_eq!(refused(&[&v6.encode()[..], &[0]].concat()), Refusal::Length(260, 261));
    assert_eq!(refused(&v4.encode()[..251]), Refusal::Length(252, 251));
    let seven = Version(7 << 16);
    assert_eq!(refused(&[&seven.0.to_le_bytes()[..], &[0; 256]].concat()), Refusal::Version(seven));

    let (mut wrong_mac, mut wrong_padding, mut wrong_version) = (v4.clone(), v6.clone(), v6.clone());
    if let RequestMessage::V4(v4) = &mut wrong_mac {
        v4.mac[15] ^= 0x80;
    }
    assert_eq!(refused(&wrong_mac.encode()), Refusal::Mac);
    // What is wrong with the message comes before what is wrong with what it says.
    let (refusal, _) = ask(&stub(&wrong_mac.encode()), Policy::default(), FileTime(0));
    assert_eq!(refusal, Refusal::Mac);
    if let RequestMessage::Encrypted(v6) = &mut wrong_padding {
        v6.padding[1] = 5;
    }
    assert_eq!(refused(&wrong_padding.encode()), Refusal::Padding([4, 5, 4, 4]));
    if let RequestMessage::Encrypted(v6) = &mut wrong_version {
        v6.body.version = Version::V5;
    }
    let (six, five) = (Version::V6, Version::V5);
    assert_eq!(refused(&wrong_version.encode()), Refusal::VersionMismatch(six, five));

    let keyless = Policy { products: Some(vec![Guid::NIL]), ..Policy::default() };
    let (refusal, _) = ask(&stub(&v6.encode()), keyless, now);
    assert_eq!((refusal.hresult(), refusal), (0xc004_f042, Refusal::Product(body.kms_id)));
    for far in [now.0 + Policy::FOUR_HOURS + 1, now.0 - Policy::FOUR_HOURS - 1] {
        let (refusal, _) = ask(&stub(&v6.encode()), Policy::default(), FileTime(far));
        assert_eq!(refusal, Refusal::ClockSkew(Policy::FOUR_HOURS + 1));
        assert_eq!(refusal.hresult(), 0xc004_f06c);
        assert_eq!(refusal.to_string(), "the clocks are 14400.0000001 s apart");
    }
}

#[test]
fn an_answer_is_right_whatever_the_length_of_the_epid() {
    let decoded = support::decode("vlmcs_vlmcsd_v4_default.pcap");
    let (request, response) = pair(&decoded.exchanges[0]).unwrap();
    let asked = request.message.as_ref().unwrap().body().unwrap().clone();
    let Some(ResponseMessage::V4(recorded)) = &response.message else { panic!("it is a version 4 response") };
    let with_epid = |size: usize| {
        let mut epid: Vec<u8> = [b'7', 0].repeat(size / 2);
        epid[size - 2] = 0;
        let mut response = recorded.clone();
        response.body.epid = epid.into();
        HostIdentity::recorded(&ResponseMessage::V4(response))
    };
    assert_eq!(with_epid(130), None, "no host's ePID is that long");
    let moment = Moment { now: asked.client_time, random: [3; 32] };
    let mut longest = 0;
    for size in (2..=128).step_by(2) {
        let mut host = Responder::new(with_epid(size).unwrap(), Policy::default());
        for (version, ndr) in [Version::V4, Version::V5, Version::V6]
            .into_iter()
            .flat_map(|version| [Ndr::Ndr32, Ndr::Ndr64].map(|ndr| (version, ndr)))
        {
            let place = format!("{size} bytes, {version}, {ndr}");
            let body = RequestBody { version, ..asked.clone() };
            let request = RequestMessage::new(body, [9; 16]);
            let stub = RequestStub::of(&request.encode(), ndr).encode(Endianness::Little);
            let mut out = Vec::new();
            let reply = host.respond(&stub, ndr, Endianness::Little, &moment, &mut out);
            assert_eq!(reply, Reply::Answered, "{place}");
            longest = longest.max(out.len());
            let answer = ResponseStub::parse(&out, ndr, Endianness::Little).unwrap();
            let (opened, checks) = Verifier::default().open(answer.data, Some(&request));
            assert_eq!(opened.body().unwrap().pid_size(), size, "{place}");
            assert_eq!(opened.expected_len(), Some(answer.data.len()), "{place}");
            let failed: Vec<_> =
                checks.unwrap().by_name().into_iter().filter(|(_, check)| *check == Check::Fail).collect();
            assert!(failed.is_empty(), "{place}: {failed:?}");
        }
    }
    assert_eq!(
        longest,
        Responder::STUB_LEN,
        "the longest answer takes just what a caller should have to spare"
    );
}

#[test]
fn the_test_identity_is_well_formed_and_recognisable() {
    let identity = HostIdentity::TEST;
    let text = volact::wire::utf16::until_nul(identity.epid());
    assert!(volact::wire::utf16::is_terminated(identity.epid()));
    assert_eq!(text, "00000-00000-000-000000-03-1033-00000.0000-0011601");
    let epid = volact::wire::Epid::parse(&text).unwrap();
    assert_eq!((epid.platform_id, epid.group, epid.build, epid.day, epid.year), (Some(0), 0, 0, 1, 1601));
    assert_eq!(
        volact::catalog::host::csvlks_of_group(epid.group).count(),
        0,
        "no genuine key is of this group"
    );
    assert_eq!(volact::catalog::host::build(epid.build), None, "no Windows has this build");
    assert_eq!(&identity.hwid(), b"volact\0\0");
}

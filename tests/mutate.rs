//! What the mutator makes of messages, stubs and PDUs that are cut from the captures: how much of it gets behind the crypto,
//! that what is left wrong is just that, and that none of its changes is dead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use volact::fuzzing::{TARGETS, dictionary};
use volact::kms::{
    HostIdentity, Moment, Ndr, Policy, Refusal, Reply, RequestChecks, RequestMessage, RequestStub, Responder,
    ResponseChecks, ResponseMessage,
};
use volact::mutate::{Changes, Marshalling, Mutator};
use volact::rpc::{Body, Fault, Header, Pdu, PduType};
use volact::wire::{Check, Endianness, FileTime, Side};

/// The seeds of a target that were cut from captures.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What each side says in a seed of `connection`.
fn streams(seed: &[u8]) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    let mut rest = &seed[2..];
    while let [side, low, high, behind @ ..] = rest {
        let (said, behind) = behind.split_at(usize::from(u16::from_le_bytes([*low, *high])));
        streams[usize::from(side & 1)].extend_from_slice(said);
        rest = behind;
    }
    streams
}

/// Requests and their responses that pass every verification.
fn exchanges() -> Vec<(Vec<u8>, Vec<u8>)> {
    let cut = |seed: Vec<u8>| {
        let (head, rest) = seed.split_at_checked(2)?;
        let (request, response) = rest.split_at_checked(u16::from_le_bytes([head[0], head[1]]).into())?;
        let asked = RequestMessage::decode(request);
        let is_right =
            request_passes(request) && response_fails(&asked, response).is_some_and(|wrong| wrong.is_empty());
        is_right.then(|| (request.to_vec(), response.to_vec()))
    };
    let found: Vec<_> = seeds("response_message").into_iter().filter_map(cut).collect();
    let versions: BTreeSet<_> = found.iter().map(|(request, _)| request[2]).collect();
    assert_eq!(versions, BTreeSet::from([4, 5, 6]), "of {} exchanges", found.len());
    found
}

fn passes(check: Check) -> bool {
    matches!(check, Check::Pass | Check::NotApplicable)
}

fn request_passes(bytes: &[u8]) -> bool {
    let (_, checks) = RequestChecks::open(bytes);
    checks.is_some_and(|checks| checks.by_name().iter().all(|(_, check)| passes(*check)))
}

fn request_fails(bytes: &[u8]) -> Option<Vec<&'static str>> {
    let (_, checks) = RequestChecks::open(bytes);
    let failed = checks?.by_name().into_iter().filter(|(_, check)| !passes(*check)).map(|(name, _)| name);
    Some(failed.collect())
}

fn response_fails(request: &RequestMessage, bytes: &[u8]) -> Option<Vec<&'static str>> {
    let checks = ResponseChecks::of(&ResponseMessage::decode(bytes), Some(request))?;
    Some(checks.by_name().into_iter().filter(|(_, check)| !passes(*check)).map(|(name, _)| name).collect())
}

#[test]
fn requests_that_are_not_left_wrong_pass_every_verification() {
    let (mut all, mut pass, mut raw_passes) = (0, 0, 0);
    for (seed, (request, _)) in (0..6000).zip(exchanges().iter().cycle()) {
        let mut changed = request.clone();
        let changes = Mutator::new(seed).message(Side::Client, &mut changed, 4096);
        if changes.broken().is_none() {
            all += 1;
            pass += usize::from(request_passes(&changed));
        }
        let mut changed = request.clone();
        Mutator::new(seed).raw(&mut changed, 4096);
        raw_passes +=
            usize::from(changed != *request && changed.get(2) == Some(&4) && request_passes(&changed));
    }
    println!("{pass} of {all} requests pass; {raw_passes} of version 4 changed as bytes");
    assert!(pass * 100 >= all * 75, "{pass} of {all}");
    assert!(raw_passes * 100 <= all, "{raw_passes} of {all}");
}

#[test]
fn responses_that_are_not_left_wrong_pass_every_verification() {
    let (mut all, mut pass, mut raw_passes) = (0, 0, 0);
    for (seed, (request, response)) in (0..6000).zip(exchanges().iter().cycle()) {
        let asked = RequestMessage::decode(request);
        let holds = |bytes: &[u8]| {
            response_fails(&asked, bytes).is_some_and(|failed| failed.iter().all(|name| *name == "pid_size"))
        };
        let mut mutator = Mutator::new(seed);
        mutator.answering(Some(request));
        let mut changed = response.clone();
        let changes = mutator.message(Side::Server, &mut changed, 4096);
        if changes.broken().is_none() {
            all += 1;
            pass += usize::from(holds(&changed));
        }
        let mut changed = response.clone();
        Mutator::new(seed).raw(&mut changed, 4096);
        raw_passes += usize::from(changed != *response && holds(&changed));
    }
    println!("{pass} of {all} responses pass; {raw_passes} changed as bytes");
    assert!(pass * 100 >= all * 70, "{pass} of {all}");
    assert!(raw_passes * 20 <= all, "{raw_passes} of {all}");
}

#[test]
fn an_answer_follows_the_request_it_is_to_answer() {
    let exchanges = exchanges();
    for (seed, (_, response)) in (0..600).zip(exchanges.iter().cycle()) {
        let (request, _) = &exchanges[usize::try_from(seed).unwrap() * 7 % exchanges.len()];
        let asked = RequestMessage::decode(request);
        let mut mutator = Mutator::new(seed);
        mutator.answering(Some(request));
        let mut changed = response.clone();
        let changes = mutator.cross(Side::Server, &mut changed, response, 4096);
        let failed = response_fails(&asked, &changed).unwrap();
        assert!(failed.iter().all(|name| *name == "pid_size"), "{failed:?}: {changes}");
    }
}

#[test]
fn what_is_left_wrong_fails_its_verification_and_no_other() {
    let mut seen = BTreeMap::new();
    for (seed, (request, response)) in (0..20_000).zip(exchanges().iter().cycle()) {
        let mut mutator = Mutator::new(seed);
        let mut changed = request.clone();
        if let Some(broken) = mutator.message(Side::Client, &mut changed, 4096).broken() {
            let failed = request_fails(&changed);
            // A request that was of no known version is not opened.
            if let Some(failed) = failed {
                assert_eq!(failed, [broken], "seed {seed}");
                *seen.entry((changed[2], broken)).or_insert(0) += 1;
            }
        }
        mutator.answering(Some(request));
        let mut changed = response.clone();
        let changes = mutator.message(Side::Server, &mut changed, 4096);
        if let Some(broken) = changes.broken() {
            let failed = response_fails(&RequestMessage::decode(request), &changed).unwrap();
            let others: Vec<_> = failed.iter().filter(|name| **name != "pid_size").collect();
            if broken == "pid_size" {
                assert_eq!(
                    (failed.as_slice(), others.len()),
                    (&["pid_size"][..], 0),
                    "seed {seed}: {changes}"
                );
            } else {
                assert_eq!(others, [&broken], "seed {seed}: {changes}");
            }
            *seen.entry((response[2], broken)).or_insert(0) += 1;
        }
    }
    let of =
        |version: u8| seen.keys().filter(|(of, _)| *of == version).map(|(_, name)| *name).collect::<Vec<_>>();
    assert_eq!(of(4), ["client_time_echo", "cmid_echo", "mac", "pid_size", "version_echo"]);
    assert_eq!(
        of(5),
        ["client_time_echo", "cmid_echo", "hash", "iv_echo", "padding", "pid_size", "version_envelope"]
    );
    assert_eq!(
        of(6),
        [
            "client_time_echo",
            "cmid_echo",
            "hash",
            "hmac",
            "iv_fresh",
            "padding",
            "pid_size",
            "version_envelope",
            "xored_ivs"
        ]
    );
}

/// What a host without a policy of its own says to a stub, and whether it got as far as to judge the request.
fn is_judged(stub: &[u8], ndr: Ndr) -> bool {
    let mut host = Responder::new(HostIdentity::TEST, Policy::default());
    let mut out = Vec::new();
    let moment = Moment { now: FileTime(134_397_673_530_000_000), random: [7; 32] };
    let reply = host.respond(stub, ndr, Endianness::Little, &moment, &mut out);
    assert!(!out.is_empty());
    matches!(reply, Reply::Answered | Reply::Refused(Refusal::Product(_) | Refusal::ClockSkew(_)))
}

#[test]
fn most_stubs_get_past_the_crypto_of_a_host() {
    let mut judged = [[0; 2]; 2];
    let mut all = [0; 2];
    for (seed, (request, _)) in (0..6000).zip(exchanges().iter().cycle()) {
        let ndr = [Ndr::Ndr32, Ndr::Ndr64][usize::try_from(seed).unwrap() % 2];
        let stub = RequestStub::of(request, ndr).encode(Endianness::Little);
        let is_v4 = usize::from(request[2] == 4);
        all[is_v4] += 1;
        let mut changed = stub.clone();
        let marshalling = Marshalling { ndr, endianness: Endianness::Little };
        Mutator::new(seed).stub(Side::Client, marshalling, &mut changed, 4096);
        judged[is_v4][0] += usize::from(is_judged(&changed, ndr));
        let mut changed = stub.clone();
        Mutator::new(seed).raw(&mut changed, 4096);
        judged[is_v4][1] += usize::from(changed != stub && is_judged(&changed, ndr));
    }
    println!("of versions 5 and 6 {:?} of {}, of version 4 {:?} of {}", judged[0], all[0], judged[1], all[1]);
    for (judged, all) in judged.iter().zip(all) {
        assert!(judged[0] * 100 >= all * 40, "{} of {all} are judged", judged[0]);
    }
    // A request of versions 5 and 6 has no MAC: what is changed in its middle is decrypted to another one.
    assert!(
        judged[1][1] * 100 <= all[1] * 2,
        "{} of {} of version 4, changed as bytes",
        judged[1][1],
        all[1]
    );
}

/// All that a mutator does, to whatever it is given, in turns.
fn anything(seed: u64, bytes: &[u8], request: Option<&[u8]>, most: usize) -> (Vec<u8>, Changes) {
    let mut mutator = Mutator::new(seed);
    mutator.answering(request);
    let mut out = bytes.to_vec();
    let side = if seed & 1 == 0 { Side::Client } else { Side::Server };
    let ndr = [None, Some(Ndr::Ndr32), Some(Ndr::Ndr64)][usize::try_from(seed % 3).unwrap()];
    let endianness = if seed & 2 == 0 { Endianness::Little } else { Endianness::Big };
    let marshalling = Marshalling { ndr: ndr.unwrap_or(Ndr::Ndr32), endianness };
    let changes = match seed % 8 {
        0 => mutator.raw(&mut out, most),
        1 => mutator.message(side, &mut out, most),
        2 => mutator.stub(side, marshalling, &mut out, most),
        3 => mutator.pdu(side, ndr, &mut out, most),
        4 | 5 => mutator.stream(side, ndr, &mut out, most),
        6 => mutator.body(side, &mut out, most),
        _ => mutator.cross(side, &mut out, request.unwrap_or_default(), most),
    };
    (out, changes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_changed_the_same_way_each_time_and_no_further_than_they_may(
        seed in any::<u64>(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        request in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        version in prop::option::of(4_u8..7),
        most in 0_usize..700,
    ) {
        let mut bytes = bytes;
        if let (Some(version), Some(front)) = (version, bytes.first_chunk_mut()) {
            *front = [0, 0, version, 0];
        }
        let (out, changes) = anything(seed, &bytes, request.as_deref(), most);
        prop_assert!(out.len() <= most, "{} bytes: {changes}", out.len());
        prop_assert_eq!(anything(seed, &bytes, request.as_deref(), most), (out, changes));
    }

    #[test]
    fn what_was_changed_is_changed_again_and_again(
        seed in any::<u64>(),
        which in any::<prop::sample::Index>(),
        most in prop::sample::select(vec![0, 1, 15, 16, 100, 270, 300, 2000, 70_000]),
    ) {
        let seeds: Vec<Vec<u8>> = ["pdu", "framer", "request_stub", "response_message"].into_iter().flat_map(seeds).collect();
        let mut bytes = seeds[which.index(seeds.len())].clone();
        for turn in 0..24 {
            let (out, changes) = anything(seed.wrapping_add(turn), &bytes, Some(&seeds[0]), most);
            prop_assert!(out.len() <= most.max(bytes.len().min(most)), "{} bytes: {changes}", out.len());
            bytes = out;
        }
    }
}

/// libFuzzer's custom mutator of a target: what comes out, and whether it left the seed to libFuzzer.
fn mutated(target: &str, data: &[u8], most: usize, seed: u32) -> (Vec<u8>, bool) {
    let mut room = data.to_vec();
    room.resize(most.max(data.len()), 0xee);
    let mut is_raw = false;
    let length = volact::fuzzing::mutate(target, &mut room, data.len(), most, seed, |data, size, most| {
        is_raw = true;
        let size = size.min(most);
        if let Some(byte) = data[..size].first_mut() {
            *byte ^= 1;
        }
        size
    });
    room.truncate(length);
    (room, is_raw)
}

#[test]
fn seeds_of_every_target_are_changed_as_the_target_reads_them() {
    let mut told = String::new();
    for (target, _) in TARGETS {
        let seeds = seeds(target);
        let (mut all, mut raw, mut same) = (0, 0, 0);
        for (seed, data) in (0..1200).zip(seeds.iter().filter(|seed| seed.len() < 20_000).cycle()) {
            let most = [4096, data.len(), data.len() + 64, 20_000][usize::try_from(seed).unwrap() % 4];
            let (out, is_raw) = mutated(target, data, most, seed);
            assert!(out.len() <= most, "{target}: {} bytes of {most}", out.len());
            if seed % 8 == 0 {
                assert_eq!(mutated(target, data, most, seed), (out.clone(), is_raw), "{target}, seed {seed}");
            }
            all += 1;
            raw += usize::from(is_raw);
            same += usize::from(!is_raw && out == *data);
        }
        told += &format!(
            "{target}: {} of 100 left to libFuzzer, {} unchanged\n",
            raw * 100 / all,
            same * 100 / all
        );
        // One in four, and where there is nothing to change otherwise.
        let most_raw = match *target {
            // Choices, and segments without content.
            "reassembly" | "streams" => 100,
            "capture" | "diagnose" | "file" | "har" | "http" | "soap" | "vmbus_ring" => 75,
            _ => 40,
        };
        assert!(raw * 100 <= all * most_raw, "{target}: {raw} of {all} are left to libFuzzer");
        assert!(same * 100 <= all * 25, "{target}: {same} of {all} are what they were");
    }
    println!("{told}");
}

/// With VOLACT_WRITE_DOCS=1 in the environment, writes them anew instead of comparing them.
#[test]
fn the_dictionaries_are_what_the_catalog_and_the_constants_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries");
    let mut expected = BTreeSet::new();
    for (target, _) in TARGETS {
        let Some(text) = dictionary(target) else { continue };
        let path = folder.join(format!("{target}.dict"));
        if std::env::var_os("VOLACT_WRITE_DOCS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        } else {
            let there = fs::read_to_string(&path).unwrap_or_default();
            assert!(there == text, "{} is not what is in the code: write it anew", path.display());
        }
        expected.insert(path);
        let words: Vec<_> = text.lines().filter_map(word).collect();
        assert!(words.len() >= 10, "{target} has {} words", words.len());
        assert!(
            words.iter().all(|word| (1..=128).contains(&word.len())),
            "{target}: AFL++ takes 128 bytes at most"
        );
    }
    let there: BTreeSet<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, expected, "dictionaries without a target");
}

/// A line of a dictionary, read as libFuzzer and AFL++ read it; `None` for a comment.
fn word(line: &str) -> Option<Vec<u8>> {
    if line.starts_with('#') {
        return None;
    }
    let (name, value) = line.split_once("=\"").unwrap();
    assert!(
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        "{line}"
    );
    let mut value = value.strip_suffix('"').unwrap().bytes();
    let mut word = Vec::new();
    while let Some(byte) = value.next() {
        assert!((b' '..=b'~').contains(&byte) && byte != b'"', "{line}");
        word.push(match byte {
            b'\\' => match value.next().unwrap() {
                b'x' => {
                    let digits = [value.next().unwrap(), value.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                escaped @ (b'"' | b'\\') => escaped,
                other => panic!("\\{} in {line}", char::from(other)),
            },
            byte => byte,
        });
    }
    Some(word)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]
    #[test]
    fn no_seed_of_any_target_makes_the_custom_mutator_panic(
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        other in prop::collection::vec(any::<u8>(), 0..200),
        seed in any::<u32>(),
    ) {
        let (target, _) = TARGETS[which.index(TARGETS.len())];
        let seeds = seeds(target);
        let mut data = seeds[from.index(seeds.len())].clone();
        data.truncate(cut.index(data.len() + 1));
        data.extend(&other);
        for turn in 0..12 {
            (data, _) = mutated(target, &data, 6000, seed.wrapping_add(turn));
        }
    }
}

/// The kinds of change that so many mutations show, each with how often.
fn kinds(changes: impl Iterator<Item = Changes>) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut kinds = BTreeMap::new();
    for changes in changes {
        for change in changes.iter() {
            *kinds.entry(change.kind()).or_default() += 1;
        }
    }
    kinds
}

#[test]
fn every_kind_of_change_occurs() {
    let exchanges = exchanges();
    let mut pdus: Vec<Vec<u8>> = seeds("pdu").into_iter().filter(|pdu| Pdu::parse(pdu).is_ok()).collect();
    let fault = Fault {
        alloc_hint: 32,
        context_id: 1,
        cancel_count: 0,
        reserved: 0,
        status: 5,
        reserved2: 0,
        stub: &[],
    };
    let header = Header::new(PduType::FAULT, 2);
    pdus.push(Pdu { header, body: Body::Fault(fault), rest: &[], auth: None }.encode_sized().unwrap());
    let fragments: Vec<Vec<u8>> = seeds("connection").iter().flat_map(|seed| streams(seed)).collect();
    let mut told = String::new();
    let mut tell = |what: &str, kinds: BTreeMap<(&str, &str), usize>| {
        told += &format!("# {what}\n");
        for (part, what) in kinds.keys() {
            told += &format!("{part}: {what}\n");
        }
    };
    let messages = (0..12_000).zip(exchanges.iter().cycle()).flat_map(|(seed, (request, response))| {
        let mut mutator = Mutator::new(seed);
        let asked = mutator.message(Side::Client, &mut request.clone(), 4096);
        mutator.answering((seed % 3 != 0).then_some(request));
        [asked, mutator.message(Side::Server, &mut response.clone(), 4096)]
    });
    tell("messages", kinds(messages));
    let stubs = (0..6000).zip(exchanges.iter().cycle()).flat_map(|(seed, (request, response))| {
        let ndr = [Ndr::Ndr32, Ndr::Ndr64][usize::try_from(seed % 2).unwrap()];
        let marshalling = Marshalling { ndr, endianness: Endianness::Little };
        let mut mutator = Mutator::new(seed);
        let mut asked = RequestStub::of(request, ndr).encode(Endianness::Little);
        let asked = mutator.stub(Side::Client, marshalling, &mut asked, 4096);
        let mut answer = volact::kms::ResponseStub::of(response, ndr).encode(Endianness::Little);
        [asked, mutator.stub(Side::Server, marshalling, &mut answer, 4096)]
    });
    let of_stub = [
        "stub",
        "data",
        "padding",
        "requestSize",
        "responseSize",
        "maximum count",
        "both counts",
        "referent id",
        "HRESULT",
        "error stub",
    ];
    tell("stubs", kinds(stubs).into_iter().filter(|((part, _), _)| of_stub.contains(part)).collect());
    let pdus = (0..12_000).zip(pdus.iter().cycle()).map(|(seed, pdu)| {
        let side = if pdu[2] & 1 == 0 { Side::Client } else { Side::Server };
        Mutator::new(seed).pdu(side, None, &mut pdu.clone(), 4096)
    });
    let messages: BTreeSet<_> = ["bytes", "message", "plain text", "envelope"].into();
    tell("PDUs", kinds(pdus).into_iter().filter(|((part, _), _)| !messages.contains(part)).collect());
    let streams = (0..6000)
        .zip(fragments.iter().cycle())
        .map(|(seed, stream)| Mutator::new(seed).stream(Side::Client, None, &mut stream.clone(), 8192));
    let of_sequence = ["PDUs", "call", "fragment", "fragments", "all"];
    tell(
        "sequences",
        kinds(streams).into_iter().filter(|((part, _), _)| of_sequence.contains(part)).collect(),
    );
    let others = (0..4000).zip(exchanges.iter().cycle()).flat_map(|(seed, (request, response))| {
        let (other_request, other_response) =
            &exchanges[usize::try_from(seed).unwrap() * 5 % exchanges.len()];
        let mut mutator = Mutator::new(seed);
        let mut pdus = vec![request.clone(), response.clone()];
        let of_sequences =
            mutator.cross_pdus(&mut pdus, &[other_request.clone(), other_response.clone()], 4096);
        let of_requests = mutator.cross(Side::Client, &mut request.clone(), other_request, 4096);
        let of_responses = mutator.cross(Side::Server, &mut response.clone(), other_response, 4096);
        let of_none = mutator.cross(Side::Server, &mut request[8..].to_vec(), other_response, 4096);
        [of_sequences, of_requests, of_responses, of_none]
    });
    tell("crossed", kinds(others));
    let foreign = (0..2000).map(|seed| Mutator::new(seed).message(Side::Client, &mut vec![0x5a; 300], 4096));
    let foreign = foreign.filter(|changes| changes.to_string().contains("made of its bytes")).count();
    assert!(foreign > 1000, "{foreign} of 2000 messages are made of bytes that were none");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("mutate_kinds", told));
}

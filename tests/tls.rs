//! TLS sessions of a client and a server that nobody here wrote, opened with the client's key log: whole, in pieces,
//! with gaps, changed, and without the secrets.

#[path = "tls/transcript.rs"]
mod transcript;

use std::collections::BTreeMap;

use proptest::prelude::*;
use volact::tls::{
    CipherSuite, Event, GapReason, KeyLog, Seal, Session, Side, Version, looks_like_client_hello,
};

use transcript::Transcript;

/// What a session finds, without the stamps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Found {
    data: [Vec<u8>; 2],
    early: Vec<u8>,
    gaps: Vec<(Side, GapReason)>,
    alerts: Vec<(Side, String)>,
    closed: Vec<Side>,
    sealed: Vec<(Side, Seal)>,
    malformed: Vec<String>,
}

/// Pieces at their offsets; what lies between them is a gap.
type Pieces = Vec<(Side, u64, Vec<u8>)>;

fn placed(transcript: &Transcript) -> Pieces {
    let mut ends = [0; 2];
    let place = |(side, bytes): &(Side, Vec<u8>)| {
        let end = &mut ends[*side as usize];
        let offset = *end;
        *end += bytes.len() as u64;
        (*side, offset, bytes.clone())
    };
    transcript.pieces.iter().map(place).collect()
}

/// Every piece in parts of this size.
fn split(pieces: &Pieces, size: usize) -> Pieces {
    let parts = |(side, offset, bytes): &(Side, u64, Vec<u8>)| -> Pieces {
        let offsets = (*offset..).step_by(size);
        bytes.chunks(size).zip(offsets).map(|(part, offset)| (*side, offset, part.to_vec())).collect()
    };
    pieces.iter().flat_map(parts).collect()
}

fn run(pieces: &Pieces, keys: &str) -> (Found, Session<usize>) {
    let (key_log, errors) = KeyLog::parse(keys.as_bytes());
    assert_eq!(errors, []);
    let mut found = Found::default();
    let mut offsets = [0; 2];
    let mut session = Session::default();
    let mut last_stamp = [0; 2];
    let mut emit = |event: Event<'_, usize>| match event {
        Event::Data { from, offset, bytes, is_early, first, last } => {
            assert_eq!(offset, offsets[from as usize], "data follows data");
            assert!(!bytes.is_empty());
            assert!(last_stamp[from as usize] <= last && first <= last);
            assert_eq!((pieces[first].0, pieces[last].0), (from, from), "stamps are of the sender's pieces");
            last_stamp[from as usize] = last;
            offsets[from as usize] += bytes.len() as u64;
            if is_early { &mut found.early } else { &mut found.data[from as usize] }.extend_from_slice(bytes);
        }
        Event::Gap { from, offset, to, reason, .. } => {
            assert_eq!(offset, offsets[from as usize]);
            assert!(to > offset);
            offsets[from as usize] = to;
            found.gaps.push((from, reason));
        }
        Event::Alert { from, alert, .. } => found.alerts.push((from, alert.to_string())),
        Event::Closed { from, .. } => found.closed.push(from),
        Event::Malformed { error, .. } => found.malformed.push(error.to_string()),
        Event::Sealed { from, reason, .. } => found.sealed.push((from, reason)),
    };
    for (stamp, (side, offset, bytes)) in pieces.iter().enumerate() {
        session.push(*side, *offset, bytes, stamp, &key_log, &mut emit);
        assert_eq!(session.end(*side), offset + bytes.len() as u64);
        assert!(session.held() <= 2 * (5 + (1 << 14) + 2048 + 4 + (1 << 16)));
    }
    session.finish(&mut emit);
    (found, session)
}

fn opened(transcript: &Transcript) -> (Found, Session<usize>) {
    run(&placed(transcript), &transcript.keys())
}

fn texts(found: &Found) -> [String; 2] {
    found.data.clone().map(|data| String::from_utf8(data).unwrap())
}

/// The sessions that can be opened to their end.
fn openable() -> impl Iterator<Item = Transcript> {
    let is_sealed = |name: &str| ["tls10", "tls12_cbc", "tls12_renegotiated"].contains(&name);
    Transcript::all().into_iter().filter(move |transcript| !is_sealed(&transcript.name))
}

#[test]
fn what_both_sides_said_is_opened_in_order() {
    assert!(openable().count() >= 18);
    for transcript in openable() {
        let (found, session) = opened(&transcript);
        let name = &transcript.name;
        assert_eq!(texts(&found), transcript.said, "{name}");
        assert_eq!(String::from_utf8_lossy(&found.early), transcript.early, "{name}");
        assert_eq!((&found.gaps, &found.alerts, &found.malformed), (&vec![], &vec![], &vec![]), "{name}");
        assert_eq!(found.sealed, [], "{name}");
        assert!(found.closed.contains(&Side::Client), "{name}");
        let counts = session.counts();
        assert_eq!(counts.unopened, [0, 0], "{name}");
        assert!(counts.opened.iter().all(|opened| *opened >= 2), "{name}: {counts:?}");
    }
}

#[test]
fn the_hellos_tell_name_version_suite_and_how_the_session_came_about() {
    let expected: BTreeMap<&str, (Version, u16, bool, bool)> = [
        ("tls10", (Version::TLS_1_0, 0xc00a, false, false)),
        ("tls12_cbc", (Version::TLS_1_2, 0xc027, false, false)),
        ("tls12_dhe_rsa_aes256", (Version::TLS_1_2, 0x009f, false, false)),
        ("tls12_ecdhe_ecdsa_aes256", (Version::TLS_1_2, 0xc02c, false, false)),
        ("tls12_ecdhe_rsa_aes128", (Version::TLS_1_2, 0xc02f, false, false)),
        ("tls12_ecdhe_rsa_chacha20", (Version::TLS_1_2, 0xcca8, false, false)),
        ("tls12_renegotiated", (Version::TLS_1_2, 0xc02b, false, false)),
        ("tls12_resumed", (Version::TLS_1_2, 0xc02f, true, false)),
        ("tls12_rsa_aes128", (Version::TLS_1_2, 0x009c, false, false)),
        ("tls13_aes128", (Version::TLS_1_3, 0x1301, false, false)),
        ("tls13_aes256", (Version::TLS_1_3, 0x1302, false, false)),
        ("tls13_alpn", (Version::TLS_1_3, 0x1301, false, false)),
        ("tls13_chacha20", (Version::TLS_1_3, 0x1303, false, false)),
        ("tls13_client_certificate", (Version::TLS_1_3, 0x1301, false, false)),
        ("tls13_early_data", (Version::TLS_1_3, 0x1301, true, false)),
        ("tls13_early_data_refused", (Version::TLS_1_3, 0x1301, false, true)),
        ("tls13_key_update", (Version::TLS_1_3, 0x1301, false, false)),
        ("tls13_key_update_aes256", (Version::TLS_1_3, 0x1302, false, false)),
        ("tls13_padded", (Version::TLS_1_3, 0x1301, false, false)),
        ("tls13_resumed", (Version::TLS_1_3, 0x1303, true, false)),
        ("tls13_retried", (Version::TLS_1_3, 0x1302, false, true)),
    ]
    .into();
    let found = |transcript: &Transcript| {
        let (_, session) = opened(transcript);
        let info = session.info();
        assert_eq!(info.server_name(), Some("test.example"), "{}", transcript.name);
        // Key logs have more lines: of a renegotiation, and of RSA, which is found by what it encrypts.
        assert!(transcript.key_log.iter().filter(|line| !line.starts_with("RSA ")).all(|line| {
            let random = line.split(' ').nth(1).unwrap();
            let own = info.client_random().map(|own| volact::wire::Hex(own).to_string());
            own.as_deref() == Some(random) || info.is_renegotiated
        }));
        (info.version().unwrap(), info.cipher_suite().unwrap().0, info.is_resumed(), info.is_retried)
    };
    let all = Transcript::all();
    let found: BTreeMap<&str, _> = all.iter().map(|t| (t.name.as_str(), found(t))).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_application_protocol_of_tls_1_3_is_read_where_it_is_encrypted() {
    let (_, session) = opened(&Transcript::read("tls13_alpn"));
    assert_eq!(session.info().alpn_offered(), ["h2", "http/1.1"]);
    assert_eq!(session.info().alpn.as_deref(), Some("http/1.1"));
}

#[test]
fn early_data_is_said_to_be_so_and_whether_it_was_accepted() {
    for (name, is_accepted) in [("tls13_early_data", true), ("tls13_early_data_refused", false)] {
        let transcript = Transcript::read(name);
        let (found, session) = opened(&transcript);
        assert_eq!(found.early, transcript.early.as_bytes(), "{name}");
        assert_eq!(session.info().has_accepted_early_data, is_accepted, "{name}");
    }
}

#[test]
fn what_is_not_supported_is_sealed_once_with_its_reason() {
    let cbc = CipherSuite(0xc027);
    for (name, reason) in [("tls12_cbc", Seal::CipherSuite(cbc)), ("tls10", Seal::Version(Version::TLS_1_0))]
    {
        let (found, session) = opened(&Transcript::read(name));
        assert_eq!(found.sealed.len(), 1, "{name}");
        assert_eq!(found.sealed[0].1, reason, "{name}");
        assert_eq!(texts(&found), ["", ""], "{name}");
        assert_eq!([Side::Client, Side::Server].map(|side| session.sealed(side)), [Some(reason); 2]);
        assert!(session.counts().sealed_bytes.iter().all(|bytes| *bytes > 0), "{name}");
    }
}

#[test]
fn behind_a_renegotiation_nothing_is_opened_and_what_was_before_is() {
    let transcript = Transcript::read("tls12_renegotiated");
    let (found, session) = opened(&transcript);
    assert_eq!(found.sealed, [(Side::Client, Seal::Renegotiation)]);
    assert!(session.info().is_renegotiated);
    let [client, server] = texts(&found);
    assert_eq!(format!("{client}behind it\n"), transcript.said[0]);
    assert_eq!(server, transcript.said[1]);
    assert_eq!((found.gaps, found.malformed), (vec![], vec![]));
}

#[test]
fn without_the_key_log_it_is_sealed_and_the_hellos_are_still_told() {
    for transcript in openable() {
        let (found, session) = run(&placed(&transcript), "");
        let name = &transcript.name;
        assert_eq!(found.sealed.len(), 1, "{name}");
        assert_eq!(found.sealed[0].1, Seal::NoSecret, "{name}");
        assert_eq!(texts(&found), ["", ""], "{name}");
        assert_eq!(session.info().server_name(), Some("test.example"), "{name}");
        assert!(session.info().cipher_suite().is_some(), "{name}");
    }
}

#[test]
fn without_handshake_secrets_the_application_data_is_still_opened() {
    for transcript in openable().filter(|transcript| transcript.name.starts_with("tls13")) {
        let keys: String = transcript
            .keys()
            .lines()
            .filter(|line| line.contains("_0 "))
            .map(|line| format!("{line}\n"))
            .collect();
        let (found, _) = run(&placed(&transcript), &keys);
        assert_eq!(texts(&found), transcript.said, "{}", transcript.name);
        let is_early =
            |(side, reason): &(Side, GapReason)| (*side, *reason) == (Side::Client, GapReason::EarlyData);
        assert!(found.gaps.iter().all(is_early), "{}: {:?}", transcript.name, found.gaps);
        assert_eq!(found.gaps.is_empty(), transcript.early.is_empty());
        assert_eq!(found.sealed, []);
        // With those of the early data, that is opened, too.
        let keys: String = transcript
            .keys()
            .lines()
            .filter(|line| !line.contains("HANDSHAKE"))
            .map(|line| format!("{line}\n"))
            .collect();
        let (found, _) = run(&placed(&transcript), &keys);
        assert_eq!((texts(&found), found.gaps), (transcript.said, vec![]), "{}", transcript.name);
        assert_eq!(found.early, transcript.early.as_bytes());
    }
}

#[test]
fn a_secret_of_one_side_opens_that_side() {
    let transcript = Transcript::read("tls13_aes128");
    let keys: String = transcript
        .keys()
        .lines()
        .filter(|line| line.starts_with("SERVER"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (found, _) = run(&placed(&transcript), &keys);
    assert_eq!(texts(&found), [String::new(), transcript.said[1].clone()]);
    assert_eq!(found.sealed, [(Side::Client, Seal::NoSecret)]);
}

#[test]
fn a_secret_of_another_length_is_said_to_be_so() {
    let transcript = Transcript::read("tls13_aes256");
    let short = |line: &String| format!("{}\n", &line[..line.len() - 32]);
    let (found, _) = run(&placed(&transcript), &transcript.key_log.iter().map(short).collect::<String>());
    assert_eq!(found.sealed, [(Side::Server, Seal::SecretLength)]);
}

#[test]
fn a_wrong_secret_is_bad_tags_until_it_is_given_up() {
    let transcript = Transcript::read("tls12_ecdhe_rsa_aes128");
    let mut pieces = placed(&transcript);
    // The client says the same over and over.
    let (_, _, last) = pieces.iter().rfind(|(side, ..)| *side == Side::Client).unwrap().clone();
    let end = |pieces: &Pieces| {
        let last = pieces.iter().rfind(|(side, ..)| *side == Side::Client).unwrap();
        last.1 + last.2.len() as u64
    };
    for _ in 0..10 {
        let offset = end(&pieces);
        pieces.push((Side::Client, offset, last.clone()));
    }
    let keys = transcript.keys().trim_end().to_owned();
    let wrong = format!("{}{}", &keys[..keys.len() - 96], "5e".repeat(48));
    let (found, _) = run(&pieces, &wrong);
    assert_eq!(found.sealed, [(Side::Client, Seal::BadTag { record: 0 })]);
    assert!(found.gaps.contains(&(Side::Client, GapReason::BadTag { record: 0 })));
    assert_eq!(texts(&found), ["", ""]);
}

#[test]
fn how_a_stream_is_cut_into_pieces_does_not_matter() {
    for transcript in Transcript::all() {
        let pieces = placed(&transcript);
        let (whole, session) = run(&pieces, &transcript.keys());
        for size in [1, 2, 3, 5, 7, 64, 1000] {
            let (parts, in_parts) = run(&split(&pieces, size), &transcript.keys());
            assert_eq!(parts, whole, "{} in pieces of {size}", transcript.name);
            assert_eq!((in_parts.info(), in_parts.counts()), (session.info(), session.counts()));
        }
    }
}

#[test]
fn handshake_messages_that_are_cut_into_many_records_are_put_together() {
    let transcript = Transcript::read("tls13_retried");
    let cut = |bytes: &[u8]| -> Vec<u8> {
        let mut out = Vec::new();
        let mut left = bytes;
        while let Some((header, rest)) = left.split_first_chunk::<5>() {
            let (fragment, rest) = rest.split_at(u16::from_be_bytes([header[3], header[4]]).into());
            left = rest;
            // Only what nothing protects can be cut.
            for part in fragment.chunks(if header[0] == 22 { 3 } else { 20_000 }) {
                out.extend_from_slice(&header[..3]);
                out.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
                out.extend_from_slice(part);
            }
        }
        out
    };
    let pieces = transcript.pieces.iter().map(|(side, bytes)| (*side, cut(bytes))).collect();
    let cut = Transcript { pieces, ..transcript };
    let (found, session) = opened(&cut);
    assert_eq!(texts(&found), cut.said);
    assert!(session.info().is_retried);
}

/// Where the records of a piece begin and end.
fn records(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut at = 0;
    let mut found = Vec::new();
    while let Some(header) = bytes.get(at..at + 5) {
        let end = at + 5 + usize::from(u16::from_be_bytes([header[3], header[4]]));
        found.push(at..end);
        at = end;
    }
    found
}

#[test]
fn a_changed_bit_of_a_protected_record_costs_that_record_only() {
    for transcript in openable() {
        let pieces = placed(&transcript);
        let count = pieces.len();
        // The last pieces are application data; each is one record, or a few.
        for at in count - 5..count {
            let (side, _, bytes) = &pieces[at];
            for record in records(bytes) {
                if bytes[record.start] < 21 {
                    continue;
                }
                let mut changed = pieces.clone();
                changed[at].2[record.end - 1] ^= 0x10;
                let (found, session) = run(&changed, &transcript.keys());
                let name = &transcript.name;
                let bad: Vec<Side> = found
                    .gaps
                    .iter()
                    .filter(|(_, reason)| matches!(reason, GapReason::BadTag { .. }))
                    .map(|(side, _)| *side)
                    .collect();
                assert_eq!(bad, [*side], "{name}, piece {at}: {:?}", found.gaps);
                assert_eq!(session.counts().unopened.iter().sum::<u64>(), 1, "{name}, piece {at}");
                assert_eq!(found.sealed, [], "{name}, piece {at}");
                let (other, said) = (side.opposite() as usize, &transcript.said);
                assert_eq!(texts(&found)[other], said[other], "{name}, piece {at}");
                let own = texts(&found)[*side as usize].len();
                assert!(own + (record.len()) >= said[*side as usize].len(), "{name}, piece {at}: only {own}");
            }
        }
    }
}

#[test]
fn a_missing_piece_costs_what_it_held_and_the_sequence_is_found_again() {
    for transcript in openable() {
        let pieces = placed(&transcript);
        let count = pieces.len();
        for at in count - 5..count - 1 {
            let (side, _, missing) = &pieces[at];
            let mut rest = pieces.clone();
            rest.remove(at);
            let (found, _) = run(&rest, &transcript.keys());
            let name = &transcript.name;
            let (own, other) = (*side as usize, side.opposite() as usize);
            assert_eq!(found.sealed, [], "{name} without piece {at}");
            assert_eq!(texts(&found)[other], transcript.said[other], "{name} without piece {at}");
            let length = texts(&found)[own].len();
            assert!(
                length + missing.len() >= transcript.said[own].len(),
                "{name} without piece {at}: {length}"
            );
            // Behind the last piece of a side nothing shows that it is missing.
            let is_last = rest[at..].iter().all(|(later, ..)| later != side);
            assert_eq!(found.gaps.is_empty(), is_last, "{name} without piece {at}");
        }
    }
}

#[test]
fn a_hole_anywhere_in_the_streams_loses_what_is_missing_and_no_more_than_the_records_it_touches() {
    for name in
        ["tls12_ecdhe_rsa_aes128", "tls13_aes128", "tls13_key_update", "tls13_early_data", "tls12_resumed"]
    {
        let transcript = Transcript::read(name);
        let pieces = split(&placed(&transcript), 50);
        let hellos = 2;
        for at in 0..pieces.len() {
            let mut rest = pieces.clone();
            let (side, offset, missing) = rest.remove(at);
            let (found, session) = run(&rest, &transcript.keys());
            let (own, other) = (side as usize, side.opposite() as usize);
            if found.sealed.iter().any(|(_, reason)| *reason == Seal::Beginning) {
                assert!(offset < 1000, "{name} without {} bytes at {offset} of {side:?}", missing.len());
                continue;
            }
            assert_eq!(found.sealed, [], "{name} without 50 bytes at {offset} of {side:?}");
            assert_eq!(
                texts(&found)[other],
                transcript.said[other],
                "{name} without 50 bytes at {offset} of {side:?}"
            );
            assert!(transcript.said[own].len() <= texts(&found)[own].len() + 1300 + hellos);
            assert!(session.counts().opened[other] > 0);
        }
    }
}

#[test]
fn more_missing_records_than_are_tried_seal_the_direction() {
    let transcript = Transcript::read("tls13_aes128");
    let pieces = placed(&transcript);
    // What comes behind the gap is not of this stream's keys at all.
    let foreign = placed(&Transcript::read("tls13_chacha20"));
    let mut stream: Pieces = pieces.clone();
    let mut offset = 100_000;
    for (_, _, bytes) in foreign.iter().filter(|(side, ..)| *side == Side::Client).skip(1).cycle().take(20) {
        stream.push((Side::Client, offset, bytes.clone()));
        offset += bytes.len() as u64;
    }
    let (found, _) = run(&stream, &transcript.keys());
    assert_eq!(found.sealed, [(Side::Client, Seal::LostSequence)]);
    assert_eq!(texts(&found), transcript.said);
}

#[test]
fn a_session_whose_beginning_was_not_captured_is_sealed_once() {
    for transcript in openable() {
        let pieces = placed(&transcript);
        let behind: Pieces = pieces[4..].to_vec();
        let (found, _) = run(&behind, &transcript.keys());
        assert_eq!(found.sealed.len(), 1, "{}: {:?}", transcript.name, found.sealed);
        assert_eq!(found.sealed[0].1, Seal::Beginning, "{}", transcript.name);
        // The same where the stream's offsets begin with what was captured.
        let shifted: Pieces = {
            let mut first = [None; 2];
            let shift = |(side, offset, bytes): &(Side, u64, Vec<u8>)| {
                let base = *first[*side as usize].get_or_insert(*offset);
                (*side, offset - base, bytes.clone())
            };
            behind.iter().map(shift).collect()
        };
        let (found, _) = run(&shifted, &transcript.keys());
        assert_eq!(found.sealed.len(), 1, "{}: {:?}", transcript.name, found.sealed);
        assert_eq!(found.sealed[0].1, Seal::Beginning, "{}", transcript.name);
    }
}

#[test]
fn a_stream_of_something_else_is_sealed_at_its_first_bytes() {
    let (found, _) = run(&vec![(Side::Client, 0, b"POST /BatchActivation HTTP/1.1\r\n".to_vec())], "");
    assert_eq!(found.sealed, [(Side::Client, Seal::NotTls)]);
    assert_eq!(
        found.malformed,
        ["record: type at offset 0: expected a content type (20 to 24), got 80 (0x50)"]
    );
}

#[test]
fn the_servers_bytes_may_come_late() {
    // As where the capture has both sides' packets in another order: the client's first flight behind the hello comes
    // before the server's.
    for name in ["tls12_ecdhe_rsa_aes128", "tls13_aes128", "tls13_client_certificate"] {
        let transcript = Transcript::read(name);
        let mut pieces = placed(&transcript);
        let second =
            pieces.iter().position(|(side, offset, _)| *side == Side::Client && *offset > 0).unwrap();
        let flight = pieces.remove(second);
        pieces.insert(1, flight);
        let (found, _) = run(&pieces, &transcript.keys());
        assert_eq!(texts(&found), transcript.said, "{name}");
        assert!(found.gaps.iter().all(|gap| *gap == (Side::Client, GapReason::NoKeys)), "{name}");
        assert_eq!((found.gaps.is_empty(), found.sealed), (false, vec![]), "{name}");
    }
}

#[test]
fn every_recorded_session_begins_like_one() {
    for transcript in Transcript::all() {
        let (side, bytes) = &transcript.pieces[0];
        assert_eq!(
            (*side, looks_like_client_hello(bytes)),
            (Side::Client, Some(true)),
            "{}",
            transcript.name
        );
        let server = transcript.pieces.iter().find(|(side, _)| *side == Side::Server).unwrap();
        assert_eq!(looks_like_client_hello(&server.1), Some(false), "{}", transcript.name);
    }
}

#[test]
fn secrets_that_come_during_the_reading_open_what_comes_behind_them() {
    let transcript = Transcript::read("tls13_aes128");
    let pieces = placed(&transcript);
    let mut key_log = KeyLog::default();
    let mut session = Session::default();
    let mut said = [String::new(), String::new()];
    for (stamp, (side, offset, bytes)) in pieces.iter().enumerate() {
        if stamp == 1 {
            assert_eq!(key_log.add(transcript.keys().as_bytes()), []);
        }
        session.push(*side, *offset, bytes, stamp, &key_log, &mut |event| {
            if let Event::Data { from, bytes, .. } = event {
                said[from as usize].push_str(std::str::from_utf8(bytes).unwrap());
            }
        });
    }
    assert_eq!(said, transcript.said);
    // Nor does the session show what it was given.
    let shown = format!("{session:?}");
    assert!(shown.contains("Opener"), "{shown}");
    for line in &transcript.key_log {
        let secret = volact::wire::parse_hex(line.split(' ').nth(2).unwrap()).unwrap();
        let as_list = format!("{secret:?}");
        assert!(!shown.contains(&as_list[1..20]), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cuts_and_any_changed_byte_are_the_same_in_pieces(
        which in any::<prop::sample::Index>(),
        change in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()),
        size in 1usize..700,
    ) {
        let all = Transcript::all();
        let transcript = which.get(&all);
        let mut pieces = placed(transcript);
        let at = change.0.index(pieces.len());
        let length = pieces[at].2.len();
        pieces[at].2[change.1.index(length)] ^= change.2;
        let (whole, session) = run(&pieces, &transcript.keys());
        let (parts, in_parts) = run(&split(&pieces, size), &transcript.keys());
        prop_assert_eq!(parts, whole);
        prop_assert_eq!(in_parts.counts(), session.counts());
    }
}

//! Windows events, as logs and exports of them have them.

use volact::events::{self, Clock, Event, EventCounts, EventKind, Form};
use volact::wire::{Charset, Encoding, Guid, Rfc3339};

fn read(file: &[u8]) -> (Vec<Event>, Vec<String>, EventCounts) {
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    let counts = events::read("file", file, &mut |event| match event {
        Ok(event) => events.push(event),
        Err(error) => errors.push(error.to_string()),
    });
    assert_eq!((events.len() as u64, errors.len() as u64), (counts.events, counts.malformed));
    (events, errors, counts)
}

const REQUESTED: &str = "0xC004F06C, 0x00000000, kms.example:1688, 36f27b39-2fd5-440b-be67-a09996d27a38, \
    2010/09/29 17:52, 0, 2, 41760, 68531fb9-5511-4989-97be-d11a0f55633f, 5";
const PROCESSED: &str = "0x00000000, 0x00000000, 1, 0, 10, 120, 10080, 2012/12/04 07:06";
const ANSWERED: &str = "0x0,5,client01.example,36f27b39-2fd5-440b-be67-a09996d27a38,2010/9/29 7:52,0,2,41760,\
    68531fb9-5511-4989-97be-d11a0f55633f";

/// A file of wevtutil.
fn wevtutil(events: &[(u32, &str)]) -> String {
    let event = |(number, (id, message)): (usize, &(u32, &str))| {
        format!(
            "Event[{number}]:\n  Log Name: Application\n  Source: Microsoft-Windows-Security-SPP\n  \
            Date: 2024-05-01T12:34:56.789\n  Event ID: {id}\n  Task: N/A\n  Level: Information\n  \
            Opcode: Info\n  Keyword: Classic\n  User: N/A\n  User Name: N/A\n  Computer: client01.example\n  \
            Description: \n{message}\n\n"
        )
    };
    events.iter().enumerate().map(event).collect()
}

#[test]
fn a_request_an_answer_and_what_a_host_says_of_it_are_read_value_by_value() {
    let file = wevtutil(&[(12288, REQUESTED), (12289, PROCESSED), (12290, ANSWERED)]);
    let (events, errors, counts) = read(file.as_bytes());
    assert_eq!((errors.as_slice(), counts.form), (&[][..], Form::Text));
    let cmid = Guid::parse("36f27b39-2fd5-440b-be67-a09996d27a38").unwrap();
    let act_id = Guid::parse("68531fb9-5511-4989-97be-d11a0f55633f").unwrap();
    let EventKind::Requested(event) = &events[0].kind else { panic!("{events:?}") };
    assert_eq!((event.hresult, event.flags), (0xc004_f06c, 0));
    assert_eq!((event.host.as_str(), event.port), ("kms.example", Some(1688)));
    assert_eq!((event.cmid, event.act_id), (cmid, act_id));
    assert_eq!(Rfc3339(event.client_time).to_string(), "2010-09-29T17:52:00.000000Z");
    let values = (event.vm_info, event.license_status, event.minutes_to_expiration, event.n_policy);
    assert_eq!(values, (0, 2, 41760, Some(5)));
    let EventKind::Processed(event) = &events[1].kind else { panic!("{events:?}") };
    let values = (event.hresult, event.flags, event.bound, event.unused, event.count);
    assert_eq!(values, (0, 0, 1, 0, 10));
    assert_eq!((event.activation_interval, event.renewal_interval), (120, 10080));
    assert_eq!(Rfc3339(event.client_time).to_string(), "2012-12-04T07:06:00.000000Z");
    let EventKind::HostAnswered(event) = &events[2].kind else { panic!("{events:?}") };
    assert_eq!((event.hresult, event.n_policy, event.client.as_str()), (0, 5, "client01.example"));
    assert_eq!((event.cmid, event.act_id), (cmid, act_id));
    assert_eq!(Rfc3339(event.client_time).to_string(), "2010-09-29T07:52:00.000000Z");
    let values = (event.vm_info, event.license_status, event.minutes_to_expiration);
    assert_eq!(values, (0, 2, 41760));
    let places: Vec<_> = events.iter().map(|event| event.place.to_string()).collect();
    assert_eq!(places, ["line 1", "line 16", "line 31"]);
    assert_eq!(events[0].computer.as_deref(), Some("client01.example"));
}

/// The fixtures, and what kind each is.
const FIXTURES: [(&str, Form); 11] = [
    ("events.evtx", Form::Evtx),
    ("events_copied_german.txt", Form::Text),
    ("events_export.csv", Form::Csv),
    ("events_list.txt", Form::FormatList),
    ("events_viewer.csv", Form::Csv),
    ("events_viewer.txt", Form::TabDelimited),
    ("events_viewer.xml", Form::Xml),
    ("events_viewer_german.csv", Form::Csv),
    ("events_wevtutil.txt", Form::Text),
    ("events_wevtutil.xml", Form::Xml),
    ("events_wevtutil_german.txt", Form::Text),
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/captures/events/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Forms that a build reads.
fn fixtures() -> impl Iterator<Item = (&'static str, Form)> {
    FIXTURES.into_iter().filter(|(_, form)| cfg!(feature = "evtx") || *form != Form::Evtx)
}

/// What an event says, without what a form cannot tell: the values of AVMA's events are not known.
fn kind(event: &Event) -> EventKind {
    let mut kind = event.kind.clone();
    if let EventKind::Avma(avma) = &mut kind {
        avma.values.clear();
    }
    kind
}

#[test]
fn every_fixture_is_one_of_those_that_are_read() {
    let folder = format!("{}/captures/events", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file()).map(|path| path.file_name().unwrap().to_owned());
    let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, FIXTURES.map(|(name, _)| name));
}

#[test]
fn every_form_says_the_same() {
    let (expected, _, _) = read(&fixture("events_wevtutil.xml"));
    let ids: Vec<_> = expected.iter().map(|event| event.id).collect();
    assert_eq!(ids, [12288, 12289, 12290, 12288, 12289, 12288, 12288, 12293, 12294, 12308, 12309]);
    for (name, form) in fixtures() {
        let (events, errors, counts) = read(&fixture(name));
        assert_eq!(
            (errors.as_slice(), counts.form, counts.events, counts.other),
            (&[][..], form, 11, 3),
            "{name}"
        );
        for (event, expected) in events.iter().zip(&expected) {
            assert_eq!((event.id, kind(event)), (expected.id, kind(expected)), "{name}");
        }
    }
}

#[test]
fn a_time_says_by_which_clock_it_is() {
    for (name, _) in fixtures() {
        let (events, _, _) = read(&fixture(name));
        let time = events[0].time.unwrap_or_else(|| panic!("{name}"));
        let shown = Rfc3339(time.nanos).to_string();
        // The machine that exported was an hour ahead of UTC, and some forms have no fractions of a second.
        let expected = match time.clock {
            Clock::Utc => "2026-11-21T20:42:33",
            Clock::Local => "2026-11-21T21:42:33",
        };
        assert!(shown.starts_with(expected), "{name}: {shown}");
        assert_eq!(time.clock == Clock::Utc, name.ends_with("evtx") || name.ends_with("xml"), "{name}");
    }
}

#[test]
fn places_are_record_numbers_of_a_log_and_lines_of_a_text() {
    for (name, expected) in [
        ("events.evtx", "record 502"),
        ("events_export.csv", "line 4"),
        ("events_list.txt", "line 9"),
        ("events_viewer.csv", "line 3"),
        ("events_viewer.xml", "line 2"),
        ("events_wevtutil.txt", "line 16"),
        ("events_wevtutil.xml", "line 2"),
    ] {
        if name.ends_with("evtx") && !cfg!(feature = "evtx") {
            continue;
        }
        assert_eq!(read(&fixture(name)).0[0].place.to_string(), expected, "{name}");
    }
}

#[test]
fn a_file_says_the_same_in_every_encoding_and_with_either_end_of_line() {
    for (name, form) in FIXTURES.into_iter().filter(|(_, form)| *form != Form::Evtx) {
        let bytes = fixture(name);
        let expected = read(&bytes);
        let text = match bytes.strip_prefix(&[0xff, 0xfe]) {
            Some(units) => volact::wire::utf16::decode(units),
            None => {
                String::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).to_vec()).unwrap()
            }
        };
        for text in [text.clone(), text.replace("\r\n", "\n")] {
            for charset in [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be] {
                let again = read(&Encoding { charset, has_bom: true }.encode(&text));
                assert_eq!(again, expected, "{name} ({form:?}) in {charset:?}");
            }
        }
    }
}

#[test]
fn a_malformed_event_is_one_complaint_with_its_place_and_reading_goes_on_behind_it() {
    let cmid = "480cd271-fa78-4058-a329-c1c961d76a5a";
    for (name, line) in [
        ("events_wevtutil.txt", "line 116"),
        ("events_viewer.csv", "line 19"),
        ("events_wevtutil.xml", "line 8"),
        ("events_export.csv", "line 20"),
    ] {
        let text = String::from_utf8(fixture(name)).unwrap();
        let (events, errors, counts) = read(text.replace(cmid, &cmid[1..]).as_bytes());
        let expected = format!("file: {line}: event 12288: CMID: wanted a GUID, found \"{}\"", &cmid[1..]);
        assert_eq!((errors, events.len(), counts.other), (vec![expected], 10, 3), "{name}");
        let cut = text.replace(&format!("{cmid}, 2026/11/21 15:43, "), "");
        let (events, errors, _) = read(cut.as_bytes());
        assert_eq!((errors.len(), events.len()), (1, 10), "{name}");
        assert!(errors[0].contains(&format!("{line}: event 12288: values: wanted ten values")), "{errors:?}");
    }
}

#[test]
fn a_quotation_mark_too_few_costs_its_own_row() {
    let text = String::from_utf8(fixture("events_viewer.csv")).unwrap();
    let broken = text.replacen(
        "8de8eb62-bbe0-40ac-ac17-f75595071ea3, 5\"",
        "8de8eb62-bbe0-40ac-ac17-f75595071ea3, 5",
        1,
    );
    let (events, errors, _) = read(broken.as_bytes());
    assert_eq!((events.len(), errors.len()), (10, 1), "{errors:?}");
    assert!(errors[0].starts_with("file: line 3: quotation: "), "{errors:?}");
}

#[test]
fn an_element_without_an_end_costs_itself() {
    let text = String::from_utf8(fixture("events_wevtutil.xml")).unwrap();
    let (events, errors, _) = read(text.replacen("</EventData></Event>", "</EventData>", 3).as_bytes());
    assert_eq!((events.len(), errors.len()), (9, 3), "{errors:?}");
    assert!(errors[0].starts_with("file: line 1: Event: wanted its end tag, found "), "{errors:?}");
    let (events, errors, _) = read(text.replacen("<System>", "<System", 2).as_bytes());
    assert_eq!((events.len(), errors.len()), (10, 2), "{errors:?}");
}

#[test]
fn what_is_no_file_of_events_is_one_complaint() {
    for file in
        [&b""[..], b"\n\n", b"\x7fELF\x02\x01", b"kms", b"a,b,c\n1,2,3\n", b"<html><body>x</body></html>"]
    {
        let (events, errors, counts) = read(file);
        assert_eq!(
            (events.len(), errors.len()),
            (0, 1),
            "{:?} {errors:?} {counts:?}",
            String::from_utf8_lossy(file)
        );
    }
}

#[test]
fn prose_in_another_language_is_passed_over() {
    let german = format!(
        "Der Client hat eine Anforderung an 'den Dienst' gesendet, 3 Mal.\nInformationen:\n{REQUESTED}\n"
    );
    let japanese = format!(
        "\u{30af}\u{30e9}\u{30a4}\u{30a2}\u{30f3}\u{30c8}\u{3001}\n\u{60c5}\u{5831}:\n{REQUESTED}\u{3000}\n\u{4ee5}\u{4e0a}"
    );
    let (expected, _, _) = read(wevtutil(&[(12288, REQUESTED)]).as_bytes());
    for message in [german, japanese] {
        let (events, errors, _) = read(wevtutil(&[(12288, &message)]).as_bytes());
        assert_eq!((events, errors), (expected.clone(), vec![]), "{message}");
    }
    let message = "Das Ver\u{f6}ffentlichen in der Dom\u{e4}ne \u{201e}corp.example\u{201c} ist fehlgeschlagen.\nInfo:\n0x8007232B";
    let (events, _, _) = read(wevtutil(&[(12293, message)]).as_bytes());
    let EventKind::PublishFailed(event) = &events[0].kind else { panic!("{events:?}") };
    assert_eq!((event.hresult, event.domain.as_deref()), (0x8007_232b, Some("corp.example")));
}

#[test]
fn ids_that_another_provider_has_as_well_need_one_that_is_named() {
    let table = |provider: &str| {
        format!(
            "Id,ProviderName,Message\n12289,{provider},\"{PROCESSED}\"\n12293,{provider},\"hr = 0x80070001\"\n"
        )
    };
    let counts = |file: &str| {
        let (_, _, counts) = read(file.as_bytes());
        (counts.events, counts.other, counts.malformed)
    };
    assert_eq!(counts(&table("Security-SPP")), (2, 0, 0));
    assert_eq!(counts(&table("VSS")), (0, 2, 0));
    assert_eq!(counts(&table("").replace("ProviderName", "Level")), (1, 1, 0));
}

/// Damages a log, thousands of times, and holds that each is read to its end.
#[cfg(feature = "evtx")]
#[test]
fn a_damaged_log_is_read_as_far_as_it_can_be() {
    let log = fixture("events.evtx");
    let used = 4096 + u32::from_le_bytes(log[4096 + 48..4096 + 52].try_into().unwrap()) as usize;
    let mut state = 1u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..2_000 {
        let mut damaged = log.clone();
        for _ in 0..1 + next(4) {
            let at = next(used);
            damaged[at] = [0, 0xff, damaged[at] ^ 1 << next(8), damaged[next(used)]][next(4)];
        }
        let (_, errors, counts) = read(&damaged);
        assert!(counts.events + counts.other + counts.malformed <= 30, "{counts:?}");
        assert!(errors.iter().all(|error| !error.contains("gave up")), "{errors:?}");
    }
}

#[cfg(feature = "evtx")]
#[test]
fn a_log_that_is_cut_gives_the_records_in_front_of_the_cut() {
    let log = fixture("events.evtx");
    let (events, errors, counts) = read(&log[..log.len() - 1]);
    assert_eq!((events.len(), counts.other, counts.form), (11, 3, Form::Evtx));
    assert_eq!(errors, ["file: chunk 0: chunk: wanted 65536 bytes, found \"65535 bytes\""]);
    let (events, errors, _) = read(&log[..4096 + 512 + 2400]);
    assert!(!events.is_empty() && events.len() < 11, "{events:?} {errors:?}");
    assert!(errors[0].starts_with("file: chunk 0: chunk: wanted 65536 bytes"), "{errors:?}");
    let (events, errors, _) = read(&log[..100]);
    assert_eq!(
        (events.len(), errors.as_slice()),
        (0, &["file: chunk 0: header: wanted 4096 bytes, found \"100 bytes\"".to_owned()][..])
    );
}

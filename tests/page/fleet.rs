//! Stories of machines that no capture has: made up for the page, the same ones each time.

use std::net::{IpAddr, Ipv4Addr};

use volact::capture::{Endpoint, Stamp};
use volact::diagnosis::{
    CauseKind, EventNote, Evidence, FileDiagnosis, Finding, Host, Machine, Method, Product, Route, Status,
    Step, StepKind, Story, Tone,
};
use volact::discovery::{Cloud, Name};
use volact::wire::{Guid, Random};

/// What a name would do if it were taken for markup: give the page another title, and ask for a picture.
const HOSTILE: &str =
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"><!--\u{2028}";

/// So many machines on one morning; the first one has a hostile name.
pub(crate) fn file(count: u64) -> FileDiagnosis {
    let mut random = Random::new(9, "fleet");
    let stories: Vec<Story> = (0..count)
        .map(|at| {
            let ending = match random.below(1000) {
                0..620 => Ending::Activated,
                620..800 => Ending::Renewed,
                800..878 => Ending::CountTooLow,
                878..918 => Ending::Unreachable,
                918..946 => Ending::NoName,
                946..966 => Ending::NoKey,
                966..984 => Ending::OfficeAtAzure,
                _ => Ending::Cut,
            };
            story(&mut random, &ending, at)
        })
        .collect();
    let clones = finding(
        CauseKind::DuplicateMachineId,
        "Three machines have the CMID 4d1e0c3a-5a7e-4f0c-9b1e-2f3a4b5c6d7e: 10.20.0.12, 10.20.0.13 and 10.20.0.14.",
        vec![evidence(&[12, 96, 441], "ClientMachineID is the same, the addresses differ")],
    );
    FileDiagnosis {
        name: "made-up-fleet.pcapng".to_owned(),
        span: Some((BEGIN, BEGIN + MORNING)),
        remarks: if stories.is_empty() { Vec::new() } else { vec![clones] },
        unseen: vec!["No traffic of Active Directory is in this capture.".to_owned()],
        packets: 26 * count,
        stories,
        ..FileDiagnosis::default()
    }
}

/// One machine that was not activated, for two reasons, with all that a story can have.
pub(crate) fn one() -> FileDiagnosis {
    let mut random = Random::new(7, "one");
    let mut story = story(&mut random, &Ending::CountTooLow, 41);
    story.causes.push(finding(
        CauseKind::ClockSkew,
        "The machine's clock is 4 h 12 min behind that of the capture.",
        vec![evidence(&[9], "ClientTime 2024-05-01T01:48:00.0000000Z, captured at 06:00:00")],
    ));
    story.unseen.push("What the host's event log says (12290).".to_owned());
    story.steps_left_out = 12;
    story.events = vec![
        EventNote {
            id: 12288,
            time: Some(BEGIN),
            place: "client.evtx, record 881".to_owned(),
            hresult: Some(0),
            text: "The client has sent an activation request to kms01.corp.example:1688.".to_owned(),
        },
        EventNote {
            id: 12289,
            time: Some(BEGIN + 80 * MILLISECOND),
            place: "client.evtx, record 882".to_owned(),
            hresult: Some(0xC004_F038),
            text: "The host answered 0xC004F038, with a count of 11 where 25 are needed.".to_owned(),
        },
    ];
    FileDiagnosis {
        name: "desk-41.pcapng".to_owned(),
        span: Some((BEGIN, BEGIN + 40 * 1000 * MILLISECOND)),
        stories: vec![story],
        packets: 31,
        ..FileDiagnosis::default()
    }
}

enum Ending {
    Activated,
    Renewed,
    CountTooLow,
    Unreachable,
    NoName,
    NoKey,
    OfficeAtAzure,
    Cut,
}

fn story(random: &mut Random, ending: &Ending, at: u64) -> Story {
    let byte = |shift: u32| u8::try_from((at >> shift) & 0xff).unwrap();
    let address = IpAddr::V4(Ipv4Addr::new(10, 20 + byte(16), byte(8), byte(0)));
    let is_azure = matches!(ending, Ending::OfficeAtAzure);
    let (host_name, host_address) = match (is_azure, random.below(3)) {
        (true, _) => ("azkms.core.windows.net", [20, 118, 99, 224]),
        (_, 0) => ("kms02.corp.example", [10, 0, 0, 10]),
        _ => ("kms01.corp.example", [10, 0, 0, 9]),
    };
    let endpoint = Endpoint { address: IpAddr::V4(Ipv4Addr::from(host_address)), port: 1688 };
    let host = format!("{host_name}:1688");
    // More towards nine o'clock.
    let part = |random: &mut Random| i64::try_from(random.below(1 << 20)).unwrap();
    let begin = BEGIN + (part(random) + part(random) + part(random)) * (MORNING / (3 << 20));
    let service = 1_400_000 + part(random) * 4 + if random.below(12) == 0 { part(random) * 900 } else { 0 };
    let frame = 1 + 26 * at;
    let stamp = |offset: u64, after: i64| Some(Stamp { frame: frame + offset, time: Some(begin + after) });
    let step = |kind,
                with: &str,
                (from, sent): (u64, i64),
                (to, came): (u64, i64),
                asked: &str,
                tone,
                answered: &str| Step {
        kind,
        asked_at: stamp(from, sent),
        answered_at: (to > 0).then(|| stamp(to, came)).flatten(),
        with: with.to_owned(),
        asked: asked.to_owned(),
        answered: Some(answered.to_owned()),
        tone,
    };
    let lookup = |tone, answered: &str| {
        step(
            StepKind::Dns,
            "DNS 10.0.0.1",
            (0, 0),
            (1, 900_000),
            "SRV _vlmcs._tcp.corp.example",
            tone,
            answered,
        )
    };
    let found = lookup(Tone::Good, &format!("SRV 0 100 1688 {host_name}"));
    let resolved = step(
        StepKind::Dns,
        "DNS 10.0.0.1",
        (2, 1_300_000),
        (3, 2_100_000),
        &format!("A {host_name}"),
        Tone::Good,
        &endpoint.address.to_string(),
    );
    let begun = 3 * MILLISECOND;
    let call = |product: &str, tone, answered: &str| {
        let asked = format!("activate {product} (version 6.0)");
        step(StepKind::Kms, &host, (9, begun), (10, begun + service), &asked, tone, answered)
    };
    let product = match (is_azure, random.below(4)) {
        (true, _) => "Office LTSC Professional Plus 2024",
        (_, 0) => "Windows Server 2022 Datacenter",
        (_, 1) => "Windows 10 Enterprise LTSC 2021",
        _ => "Windows 11 Enterprise",
    };
    let office = if is_azure { "Office" } else { "Windows" };
    let host_label = format!("{host_name} ({endpoint})");
    let name = if at == 0 { HOSTILE.to_owned() } else { format!("desk-{at}.corp.example") };
    let (status, verdict, causes, steps) = match ending {
        Ending::Activated => (
            Status::Activated,
            format!("Activated by {host_label}, which counts 50."),
            Vec::new(),
            vec![found, resolved, call(product, Tone::Good, "0x00000000, count 50, renew in 10080 min")],
        ),
        Ending::Renewed => (
            Status::Renewed,
            format!("Activated before, and renewed by {host_label}."),
            Vec::new(),
            vec![found, resolved, call(product, Tone::Good, "0x00000000, count 50, renew in 10080 min")],
        ),
        Ending::CountTooLow => (
            Status::NotActivated,
            format!("Not activated: {host_label} has counted 11 machines of the 25 that {product} needs."),
            vec![finding(
                CauseKind::CountTooLow,
                "The host's count is 11 and 25 are needed: 14 more machines have to ask it.",
                vec![
                    evidence(&[frame + 10], "CurrentClientCount 11"),
                    evidence(&[frame + 9], "RequiredClientCount 25"),
                ],
            )],
            vec![
                found,
                resolved,
                call(product, Tone::Bad, "0xC004F038, count 11 of 25 (activate again in 120 min)"),
            ],
        ),
        Ending::Unreachable => (
            Status::NotActivated,
            format!("Not activated: nobody answers at {host_label}."),
            vec![finding(
                CauseKind::HostUnreachable,
                "Three SYNs in 9 s were not answered.",
                vec![evidence(
                    &[frame + 4, frame + 5, frame + 6],
                    "SYN to port 1688, sent again twice, no SYN-ACK",
                )],
            )],
            vec![
                found,
                resolved,
                step(
                    StepKind::Connection,
                    &host,
                    (4, begun),
                    (0, 0),
                    "connects",
                    Tone::Bad,
                    "nothing in 9 s (3 SYNs)",
                ),
            ],
        ),
        Ending::NoName => (
            Status::NotActivated,
            "Not activated: DNS knows no _vlmcs._tcp.corp.example.".to_owned(),
            vec![finding(
                CauseKind::NameNotFound,
                "The machine asked for _vlmcs._tcp.corp.example and was told that there is no such name.",
                vec![evidence(&[frame, frame + 1], "SRV _vlmcs._tcp.corp.example: NXDOMAIN")],
            )],
            vec![lookup(Tone::Bad, "NXDOMAIN")],
        ),
        Ending::NoKey => (
            Status::NotActivated,
            format!("Not activated: {host_label} has no key for {product}."),
            vec![finding(
                CauseKind::ProductKeyMissing,
                "The host answered SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH (0xC004F042).",
                vec![evidence(&[frame + 10], "HRESULT 0xC004F042")],
            )],
            vec![found, resolved, call(product, Tone::Bad, "0xC004F042: no key for this product")],
        ),
        Ending::OfficeAtAzure => (
            Status::NotActivated,
            format!("Not activated: {host_label} is a host of Azure, which does not activate Office."),
            vec![finding(
                CauseKind::OfficeAtAzure,
                "The machine asked Azure's KMS host for Office, which only activates Windows.",
                vec![evidence(
                    &[frame + 9, frame + 10],
                    "ApplicationID is that of Office, HRESULT 0xC004F042",
                )],
            )],
            vec![resolved, call(product, Tone::Bad, "0xC004F042: no key for this product")],
        ),
        Ending::Cut => (
            Status::Unknown,
            "Nobody can say: the capture ends before the answer.".to_owned(),
            Vec::new(),
            vec![found, resolved, call(product, Tone::Neutral, "the capture ends")],
        ),
    };
    let is_refused = matches!(ending, Ending::Unreachable | Ending::NoName | Ending::Cut);
    Story {
        number: usize::try_from(at + 1).unwrap(),
        method: Method::Kms,
        machine: Machine {
            cmid: Some(Guid::from_wire(random.bytes())),
            name: Some(name),
            addresses: vec![address],
            other: None,
            is_vm: Some(at.is_multiple_of(3)),
        },
        product: Product {
            name: Some(product.to_owned()),
            application: Some(office),
            act_id: Guid::parse("59eb965c-9150-42b7-a0ec-22151b9897c5"),
            kms_id: Guid::parse("cb8fc780-2c05-495a-9710-85afffc904d7"),
        },
        found: vec![Route::Service(
            Name::parse("_vlmcs._tcp.corp.example").unwrap(),
            Name::parse(host_name).unwrap(),
        )],
        hosts: match ending {
            Ending::NoName => Vec::new(),
            _ => vec![Host {
                endpoint: Some(endpoint),
                name: Some(host_name.to_owned()),
                cloud: is_azure.then_some(Cloud::Global),
                epid: Some("05426-03858-037-000000-03-1033-20348.0000-3652023".to_owned()),
            }],
        },
        remarks: match (at % 40, status) {
            (0, Status::Activated) => vec![finding(
                CauseKind::TriedBefore,
                "Two earlier tries were not answered.",
                vec![evidence(&[frame + 4], "SYN without an answer")],
            )],
            _ => Vec::new(),
        },
        causes,
        status,
        verdict,
        unseen: Vec::new(),
        attempts: 1 + u64::from(matches!(ending, Ending::CountTooLow)) * (at % 5),
        span: stamp(0, 0).zip(stamp(25, begun + service + 40 * MILLISECOND)),
        service_time: (!is_refused).then_some(service),
        steps,
        steps_left_out: 0,
        events: Vec::new(),
        ..Story::default()
    }
}

fn finding(kind: CauseKind, text: &str, evidence: Vec<Evidence>) -> Finding {
    Finding { kind, text: text.to_owned(), evidence, remedy: kind.remedy().to_owned() }
}

fn evidence(frames: &[u64], text: &str) -> Evidence {
    Evidence { frames: frames.to_vec(), text: text.to_owned() }
}

const MILLISECOND: i64 = 1_000_000;
/// 2024-05-01 06:00:00 UTC.
const BEGIN: i64 = 1_714_543_200_000_000_000;
/// Five hours.
const MORNING: i64 = 5 * 3600 * 1000 * MILLISECOND;

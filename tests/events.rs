//! Windows events, as logs and exports of them have them.

use volact::events::{self, Event, EventCounts, EventKind, Form};
use volact::wire::{Guid, Rfc3339};

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

//! `volact diagnose`: every ending is told as what the recording's script knows, no capture gets a story that its README
//! contradicts, and no success a complaint.

#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volact"));
    command.current_dir(root()).arg("diagnose").args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    String::from_utf8(run(arguments).stdout).unwrap()
}

/// The records of this type.
fn records(arguments: &[&str], kind: &str) -> Vec<Value> {
    let arguments = [&["--format", "jsonl"], arguments].concat();
    let all = text(&arguments);
    all.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["type"] == kind)
        .collect()
}

fn causes(story: &Value, field: &str) -> Vec<String> {
    story[field].as_array().unwrap().iter().map(|cause| cause["cause"].as_str().unwrap().to_owned()).collect()
}

/// The captures of whole stories.
fn stories() -> Vec<String> {
    let folder = fs::read_dir(root().join("captures/stories")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".pcapng")?.to_owned())).collect();
    names.sort();
    assert!(names.len() >= 50, "{}", names.len());
    names
}

/// How an ending of a truth is told: the status, the first cause, and what is remarked of a success.
fn told(ending: &str) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    let failed = |cause| ("not-activated", Some(cause), None);
    match ending {
        "activated" | "adba_sealed_then_kms" | "adba_empty_then_kms" | "azure_windows" | "capture_clock" => {
            ("activated", None, None)
        }
        "renewed" => ("renewed", None, None),
        "retries" => ("activated", None, Some("host-refuses-connections")),
        "retransmissions" => ("activated", None, Some("packets-lost")),
        "intervals" => ("activated", None, Some("intervals-unusual")),
        "avma_answered" | "mak_sealed" => ("unknown", None, None),
        "count_too_low" | "cloned" => failed("count-too-low"),
        "no_key" => failed("product-key-missing"),
        "clock_skew" => failed("clock-skew"),
        "no_srv" => failed("no-srv-record"),
        "nxdomain" => failed("name-not-found"),
        "servfail" => failed("dns-failed"),
        "srv_target_nxdomain" => failed("srv-target-unresolved"),
        "srv_target_silent" => failed("host-unreachable"),
        "refused" => failed("host-refuses-connections"),
        "reset" => failed("connection-reset"),
        "silence" => failed("no-answer"),
        "wrong_service" => failed("wrong-service"),
        "bind_refused_interface" => failed("interface-refused"),
        "bind_refused_syntax" => failed("syntax-refused"),
        "bind_nak" => failed("bind-refused"),
        "version_refused" => failed("version-refused"),
        "dropped" => failed("connection-dropped"),
        "answer_cut" => failed("answer-cut"),
        "answer_rejected" => failed("answer-rejected"),
        "office_azure" => failed("office-at-azure"),
        "azure_forced_tunnel" => failed("azure-unreachable"),
        "avma_not_opened" => failed("avma-not-opened"),
        "avma_silent" => failed("avma-silent"),
        "mak_limit" => failed("mak-limit"),
        "mak_blocked" => failed("mak-blocked"),
        "mak_bad_id" => failed("mak-bad-id"),
        "mak_wrong_key_type" => failed("mak-wrong-key-type"),
        "mak_unreachable" => failed("mak-unreachable"),
        other => panic!("an ending without a story: {other}"),
    }
}

/// Beside an oracle that knows nothing of the program: the script that made the recording.
#[test]
fn every_ending_is_told_as_the_script_knows_it() {
    let mut endings = BTreeMap::new();
    for name in stories() {
        let truth = fs::read_to_string(root().join(format!("captures/stories/truth/{name}.json"))).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        let capture = format!("captures/stories/{name}.pcapng");
        let told_stories = records(&[&capture], "story");
        let expected = truth["stories"].as_array().unwrap();
        assert_eq!(told_stories.len(), expected.len(), "{name}");
        for truth in expected {
            let ending = truth["ending"].as_str().unwrap();
            *endings.entry(ending.to_owned()).or_insert(0) += 1;
            let is_it = |story: &&Value| {
                let addresses = story["machine"]["addresses"].as_array().unwrap();
                let is_machine = truth["machine"] == "guest" || addresses.contains(&truth["machine"]);
                is_machine && (truth["act_id"].is_null() || story["product"]["act_id"] == truth["act_id"])
            };
            let found: Vec<&Value> = told_stories.iter().filter(is_it).collect();
            let [story] = found[..] else { panic!("{name}: {truth} is told {} times", found.len()) };
            let (status, cause, remark) = told(ending);
            assert_eq!(story["status"], status, "{name}: {story}");
            assert_eq!(causes(story, "causes").first().map(String::as_str), cause, "{name}: {story}");
            if let Some(remark) = remark {
                assert!(causes(story, "remarks").iter().any(|one| one == remark), "{name}: {story}");
            }
            if let Some(activated) = truth["activated"].as_bool() {
                assert_eq!(status == "activated" || status == "renewed", activated, "{name}");
            }
            if let Some(product) = truth["product"].as_str().filter(|_| truth["act_id"].is_string()) {
                assert_eq!(story["product"]["name"], product, "{name}");
            }
            if let Some(host) = truth["host"].as_str().filter(|host| host.parse::<SocketAddr>().is_ok()) {
                let hosts = story["hosts"].as_array().unwrap();
                assert!(hosts.iter().any(|known| known["server"] == host), "{name}: {host}: {hosts:?}");
            }
            if let Some(hresult) = truth["hresult"].as_str() {
                let said = story["causes"].to_string().to_lowercase();
                let code = hresult.trim_start_matches("0x").to_lowercase();
                assert!(said.contains(&code), "{name}: {hresult}: {said}");
            }
            for check in truth["checks"].as_array().into_iter().flatten() {
                let said = story["causes"][0]["text"].as_str().unwrap();
                assert!(said.contains(check.as_str().unwrap()), "{name}: {check}: {said}");
            }
            if let (Some(count), Some(needed)) = (truth["count"].as_u64(), truth["needed"].as_u64()) {
                let said = story.to_string();
                assert!(said.contains(&count.to_string()) && said.contains(&needed.to_string()), "{name}");
            }
        }
    }
    assert!(endings.len() >= 34, "{endings:?}");
}

/// Each story as people read it, with its steps.
#[test]
fn every_story_reads_as_reviewed() {
    for name in stories() {
        let capture = format!("captures/stories/{name}.pcapng");
        let told = text(&["-v", &capture]);
        insta::with_settings!({snapshot_path => root().join("snapshots"), prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(format!("diagnose_{name}"), told);
        });
    }
}

/// What a row of captures/README.md says of exchanges: all of them, answered, errors.
fn rows() -> BTreeMap<String, (u64, u64, u64)> {
    let readme = fs::read_to_string(root().join("captures/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let numbers = cells.get(3)?;
        let (counts, ends) = numbers.split_once(" (answered ")?;
        let (answered, errors) = ends.strip_suffix(')')?.split_once(", errors ")?;
        let exchanges = counts.rsplit(", ").next()?;
        Some((
            cells.get(1)?.to_string(),
            (exchanges.parse().ok()?, answered.parse().ok()?, errors.parse().ok()?),
        ))
    });
    rows.collect()
}

#[test]
fn no_capture_gets_a_story_that_its_row_contradicts() {
    let rows = rows();
    assert!(rows.len() >= 70, "{}", rows.len());
    for (name, (exchanges, answered, errors)) in rows {
        let told = records(&[&format!("captures/{name}")], "story");
        let with = |status: &str| told.iter().filter(|story| story["status"] == status).count();
        let good = with("activated") + with("renewed");
        // Whoever decoded it for the row has passed over what a hole stands in front of.
        if name == "tcp_gap.pcap" {
            continue;
        }
        if answered == 0 {
            assert_eq!(good, 0, "{name}: nothing was answered");
        } else {
            assert!(good > 0, "{name}: {answered} were answered");
        }
        if exchanges == answered && errors == 0 && exchanges > 0 {
            assert_eq!(good, told.len(), "{name}: all were answered");
        }
        if errors > 0 {
            assert!(with("not-activated") > 0, "{name}: {errors} errors");
        }
    }
}

#[test]
fn no_success_gets_a_complaint() {
    for story in records(&["captures"], "story") {
        if story["status"] == "activated" || story["status"] == "renewed" {
            assert_eq!(story["causes"].as_array().unwrap().len(), 0, "{story}");
        } else {
            assert!(!story["verdict"].as_str().unwrap().starts_with("Activated"), "{story}");
        }
        if story["status"] == "not-activated" {
            let cause = &story["causes"][0];
            assert!(!cause["remedy"].as_str().unwrap().is_empty(), "{story}");
            assert!(!cause["evidence"].as_array().unwrap().is_empty(), "{story}");
        }
    }
}

#[test]
fn the_first_screen_says_whether_why_and_what_now() {
    let screen: Vec<String> =
        text(&["captures/stories/story_no_key.pcapng"]).lines().take(12).map(str::to_owned).collect();
    let screen = screen.join("\n");
    for part in ["NOT ACTIVATED", "  why ", "  do ", "Office Professional Plus 2019", "0xC004F042", "frame "]
    {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn the_exit_code_is_a_gate() {
    let code = |arguments: &[&str]| run(arguments).status.code();
    assert_eq!(code(&["captures/stories/story_activated.pcapng"]), Some(0));
    assert_eq!(code(&["captures/stories/story_mak_sealed.pcapng"]), Some(0));
    assert_eq!(code(&["captures/stories/story_no_key.pcapng"]), Some(1));
    assert_eq!(code(&["captures/fmt_empty.pcap"]), Some(3));
    assert_eq!(code(&["captures/stories/story_activated.pcapng", "--events", "no-such-file"]), Some(3));
    assert_eq!(code(&["--format", "nonsense", "captures/net_refused.pcap"]), Some(2));
}

#[test]
fn the_output_is_the_same_on_one_thread_and_on_many() {
    for format in ["text", "jsonl", "csv", "html"] {
        let of = |threads| {
            run(&[
                "--format",
                format,
                "--threads",
                threads,
                "captures/raw_edge_vlmcsd.pcap",
                "captures/stories",
            ])
            .stdout
        };
        let one = of("1");
        assert!(!one.is_empty());
        assert!(one == of("8"), "{format}");
    }
}

#[test]
fn the_fleet_counts_every_story_once_in_each_table() {
    let rows = records(&["--fleet", "captures/stories"], "fleet");
    let all = rows.iter().find(|row| row["by"] == "all").unwrap();
    for by in ["outcome", "product", "host", "machine", "file"] {
        let of: Vec<&Value> = rows.iter().filter(|row| row["by"] == by).collect();
        for field in ["stories", "not_activated", "unknown", "activated", "renewed", "attempts"] {
            let sum: u64 = of.iter().map(|row| row[field].as_u64().unwrap()).sum();
            assert_eq!(sum, all[field].as_u64().unwrap(), "{by}: {field}");
        }
    }
    let csv = text(&["--fleet", "--format", "csv", "captures/stories"]);
    assert_eq!(csv.lines().count(), rows.len() + 1);
    assert!(csv.starts_with(
        "by,key,stories,machines,not_activated,unknown,activated,renewed,attempts,first,last\r\n"
    ));
}

#[test]
fn a_table_has_a_line_a_story() {
    let csv = text(&["--format", "csv", "captures/stories/story_fleet.pcapng"]);
    let lines: Vec<&str> = csv.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1 + 13);
    assert!(lines[0].starts_with("file,story,status,cause,machine,address,cmid,"));
    assert!(
        lines.iter().any(|line| line.contains(",not-activated,count-too-low,FLEET02,10.77.0.102,")),
        "{csv}"
    );
}

#[test]
fn stand_ins_take_the_place_of_names_and_addresses() {
    let shown = text(&["-v", "--redact=secret", "captures/stories/story_several.pcapng"]);
    assert!(shown.contains("NOT ACTIVATED"));
    for own in ["CLIENT01", "10.77.0.", "corp.example"] {
        assert!(!shown.contains(own), "{own}: {shown}");
    }
    assert_eq!(shown, text(&["-v", "--redact=secret", "captures/stories/story_several.pcapng"]));
    // Events still find their exchanges, and tell no more than these.
    let events = ["captures/vlmcs_vlmcsd_v6_default.pcap", "--events", "captures/events/events.evtx"];
    let shown = text(&[&["--redact=secret"], &events[..]].concat());
    assert_eq!(
        shown.matches("  event    12288 ").count(),
        text(&events).matches("  event    12288 ").count()
    );
    for own in ["kms.facebook.info", "mail.yahoo.es", "kms.example", "kms2.example", "client01"] {
        assert!(!shown.contains(own), "{own}: {shown}");
    }
}

#[test]
fn files_read_as_one_make_one_story() {
    // A capture that was cut in two has halves of a story, and one story.
    let file = fs::read(root().join("captures/vlmcs_vlmcsd_prod_win10.pcap")).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut at = 24;
    for _ in 0..7 {
        at += 16 + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    let (first, second) = (folder.join("diagnose_a.pcap"), folder.join("diagnose_b.pcap"));
    fs::write(&first, &file[..at]).unwrap();
    fs::write(&second, [&file[..24], &file[at..]].concat()).unwrap();
    let stories = records(&["--merge", first.to_str().unwrap(), second.to_str().unwrap()], "story");
    assert_eq!(stories.len(), 1);
    assert_eq!(stories[0]["status"], "activated");
}

/// Events beside the capture that their exchanges are in: in every form the same.
#[test]
fn events_stand_with_the_exchanges_that_they_are_of() {
    let capture = "captures/vlmcs_vlmcsd_v6_default.pcap";
    for log in ["events.evtx", "events_wevtutil.txt", "events_viewer.csv", "events_viewer.xml"] {
        let log = format!("captures/events/{log}");
        let told = records(&[capture, "--events", &log], "story");
        let of = |id: u64| {
            let events = told.iter().flat_map(|story| story["events"].as_array().unwrap());
            events.filter(|event| event["id"] == id).count()
        };
        assert!(of(12288) > 0 && of(12289) > 0, "{log}: {told:?}");
        let remarks = records(&[capture, "--events", &log], "remark");
        assert!(
            remarks.iter().any(|remark| remark["cause"] == "event-without-traffic"),
            "{log}: {remarks:?}"
        );
    }
}

#[test]
fn an_event_that_cannot_be_read_is_one_complaint_with_its_place() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let log = folder.join("diagnose_events.txt");
    fs::write(
        &log,
        "Event[0]:\n  Source: Microsoft-Windows-Security-SPP\n  Event ID: 12288\n  Description:\nInfo:\n\
         0xC004F06C, 0x00000000, kms.example:1688, 36f2, 2010/09/29 17:52, 0, 2, 41760, \
         68531fb9-5511-4989-97be-d11a0f55633f, 5\n",
    )
    .unwrap();
    let output = run(&["captures/stories/story_activated.pcapng", "--events", log.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("line 1: event 12288: CMID: wanted"), "{said}");
}

/// Whoever reads the records finds each of their fields in the document.
#[test]
fn the_document_lists_every_field_that_is_written() {
    fn names(value: &Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                found.insert(name.clone());
                names(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let document = fs::read_to_string(root().join("docs/diagnose.md")).unwrap();
    let mut found = std::collections::BTreeSet::new();
    let stories = ["captures", "--events", "captures/events/events_wevtutil.txt"];
    for arguments in [&stories[..], &["--fleet", "captures/stories"]] {
        let all = text(&[&["--format", "jsonl"], arguments].concat());
        all.lines().for_each(|line| names(&serde_json::from_str(line).unwrap(), &mut found));
    }
    assert!(found.len() > 60, "{found:?}");
    for name in found {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
}

/// A file of events as `wevtutil /f:text` writes them: ids and what they say.
fn log(name: &str, events: &[(u32, String)]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let event = |(at, (id, says)): (usize, &(u32, String))| {
        format!(
            "Event[{at}]:\n  Log Name: Application\n  Source: Microsoft-Windows-Security-SPP\n  Date: 2026-11-23T00:00:00.000\n  \
             Event ID: {id}\n  Computer: client01.corp.example\n  Description: \nInfo:\n{says}\n\n"
        )
    };
    fs::write(&path, events.iter().enumerate().map(event).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a 12288 says of the request in a capture with one story, with this minute.
fn requested(capture: &str, minute: &str, hresult: &str) -> String {
    let story = &records(&[capture], "story")[0];
    let (cmid, act_id) = (&story["machine"]["cmid"], &story["product"]["act_id"]);
    let [cmid, act_id] = [cmid, act_id].map(|id| id.as_str().unwrap().to_owned());
    format!("{hresult}, 0x00000000, kms1.corp.example:1688, {cmid}, {minute}, 0, 2, 43200, {act_id}, 25")
}

#[test]
fn events_of_another_minute_are_told_and_so_is_the_request_that_has_none() {
    let capture = "captures/stories/story_activated.pcapng";
    let other = log("diagnose_other.txt", &[(12288, requested(capture, "2020/01/01 00:00", "0x00000000"))]);
    let story = &records(&[capture, "--events", &other], "story")[0];
    assert_eq!(story["status"], "activated");
    assert_eq!(story["events"].as_array().unwrap().len(), 0);
    assert_eq!(causes(story, "remarks"), ["traffic-without-event"]);
    let remarks = records(&[capture, "--events", &other], "remark");
    assert_eq!(remarks.len(), 1);
    assert_eq!((&remarks[0]["cause"], &remarks[0]["file"]), (&"event-without-traffic".into(), &other.into()));
}

#[test]
fn the_machines_own_word_decides() {
    let capture = "captures/stories/story_activated.pcapng";
    // The minute of the recording's first packet, which is that of the client's clock.
    let begin =
        records(&[capture], "story")[0]["first"].as_str().unwrap()[..16].replace('-', "/").replace('T', " ");
    let asked = requested(capture, &begin, "0x00000000");
    let answer = |hresult: &str| format!("{hresult}, 0x04000000, 0, 0, 50, 120, 10080, {begin}");
    let refused = log("diagnose_refused.txt", &[(12288, asked.clone()), (12289, answer("0xC004F038"))]);
    let story = &records(&[capture, "--events", &refused], "story")[0];
    assert_eq!(story["status"], "not-activated", "{story}");
    assert_eq!(causes(story, "causes"), ["machine-rejects"]);
    assert_eq!(run(&[capture, "--events", &refused]).status.code(), Some(1));
    let alone = log("diagnose_alone.txt", &[(12288, asked)]);
    let story = &records(&[capture, "--events", &alone], "story")[0];
    assert_eq!(story["status"], "activated");
    assert!(story["unseen"].to_string().contains("12289"), "{story}");
}

#[test]
fn an_avma_key_in_azure_is_told_by_its_event_beside_azures_host() {
    let event = log("diagnose_avma.txt", &[(12310, "0xC004FD01".to_owned())]);
    let of = |capture: &str| {
        let told = records(&[capture, "--events", &event], "story");
        let avma = told.into_iter().find(|story| story["method"] == "avma").unwrap();
        (avma["status"].as_str().unwrap().to_owned(), causes(&avma, "causes"))
    };
    let failed = |cause: &str| ("not-activated".to_owned(), vec![cause.to_owned()]);
    assert_eq!(of("captures/stories/story_azure_windows.pcapng"), failed("avma-key-in-azure"));
    assert_eq!(of("captures/stories/story_activated.pcapng"), failed("avma-refused"));
}

/// The events beside their exchanges, and those that are in no capture, as people read them.
#[test]
fn events_read_as_reviewed() {
    let arguments = ["captures/vlmcs_vlmcsd_v6_default.pcap", "captures/vlmcs_vlmcsd_err_timeskew_c1.pcap"];
    let told = text(&[&arguments[..], &["--limit", "3", "--events", "captures/events/events.evtx"]].concat());
    insta::with_settings!({snapshot_path => root().join("snapshots"), prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("diagnose_events", told);
    });
}

/// Blocks of a capture file in pcapng: type, total length, and what is in them, the total length at their end.
fn blocks(name: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(root().join("captures/stories").join(name)).unwrap();
    let mut rest = &bytes[..];
    let mut blocks = Vec::new();
    while let Some(length) = rest.get(4..8) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        blocks.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    blocks
}

/// A recording of a host that has counted too few, and of the same machine asking again an hour later, whose answer is not
/// there anymore: the refusal before is no answer to how that ended.
#[test]
fn what_failed_before_a_call_whose_answer_is_missing_does_not_decide() {
    const ENHANCED_PACKET: [u8; 4] = 6_u32.to_le_bytes();
    let first = blocks("story_count_too_low.pcapng");
    let mut packets = 0;
    let again = first.iter().filter_map(|block| {
        if block[..4] != ENHANCED_PACKET {
            return Some(block.clone());
        }
        packets += 1;
        let mut block = block.clone();
        let [high, low] = [12, 16].map(|at| u32::from_le_bytes(block[at..at + 4].try_into().unwrap()));
        // An hour later, in nanoseconds.
        let time = (u64::from(high) << 32 | u64::from(low)) + 3_600_000_000_000;
        let [a, b, c, d, e, f, g, h] = time.to_le_bytes();
        block[12..20].copy_from_slice(&[e, f, g, h, a, b, c, d]);
        // The answer is frame 13.
        (packets <= 12).then_some(block)
    });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnose_missing.pcapng");
    let again: Vec<Vec<u8>> = again.collect();
    fs::write(&path, [first.concat(), again.concat()].concat()).unwrap();
    let told = records(&[path.to_str().unwrap()], "story");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["status"], &told[0]["attempts"]), (&"unknown".into(), &2.into()), "{}", told[0]);
    assert_eq!(causes(&told[0], "causes"), [""; 0]);
    assert_eq!(causes(&told[0], "remarks"), ["count-too-low"]);
    assert!(told[0]["unseen"].to_string().contains("the capture ends"), "{}", told[0]);
}

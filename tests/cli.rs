//! The program as its users call it: arguments, exit codes, standard input, what goes where.

#![cfg(feature = "cli")]

mod support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn volact(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volact"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    told(volact(arguments).output().unwrap())
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut command = volact(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    told(output)
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const V6: &str = "captures/vlmcs_vlmcsd_v6_default.pcap";

#[test]
fn a_capture_that_is_read_to_its_end_exits_0_with_nothing_on_standard_error() {
    let (code, out, err) = run(&["decode", V6]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("3 exchanges: 3 answered"));
}

#[test]
fn an_input_that_cannot_be_read_to_its_end_exits_3_and_the_others_are_read() {
    let (code, out, err) = run(&["decode", "captures/fmt_empty.pcap", "no/such/file", V6]);
    assert_eq!(code, 3);
    assert!(out.contains("3 exchanges: 3 answered"));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines[0],
        "volact: captures/fmt_empty.pcap: empty file: needed 24 bytes of a capture's header, got 0"
    );
    assert!(lines[1].starts_with("volact: no/such/file: cannot be opened: "), "{err}");
    assert_eq!(lines[2], "volact: 2 of 3 inputs could not be read to their end");
    assert_eq!(lines.len(), 3);
}

#[test]
fn wrong_usage_exits_2() {
    for arguments in [&["decode"][..], &["decode", "--format", "xml", V6], &["frobnicate"], &[]] {
        assert_eq!(run(arguments).0, 2, "{arguments:?}");
    }
    assert_eq!(run(&["--help"]).0, 0);
    assert_eq!(run(&["--version"]).0, 0);
}

#[test]
fn standard_input_is_read_compressed_or_not() {
    let plain = std::fs::read(support::folder().join("vlmcs_vlmcsd_v6_default.pcap")).unwrap();
    let (code, out, _) = run_with_input(&["decode", "-"], &plain);
    assert_eq!(code, 0);
    assert_eq!(out.replace("== -", "== X"), run(&["decode", V6]).1.replace(&format!("== {V6}"), "== X"));
    let gzip = std::fs::read(support::folder().join("fmt_gzip.pcap.gz")).unwrap();
    let (code, out, _) = run_with_input(&["decode", "-"], &gzip);
    assert_eq!(code, 0);
    assert!(out.contains("3 exchanges: 3 answered"));
}

/// What a directory stands for below `captures`: 76 captures of KMS; 24 captures, two HAR files and two VAMT files of MAK;
/// 18 captures of discovery; 13 captures and 7 exports of a directory; 1 of one machine's whole story; 7 of VMBus;
/// 54 stories.
const INPUTS: usize = 76 + 24 + 2 + 2 + 18 + 13 + 7 + 1 + 7 + 54;

#[test]
fn a_directory_stands_for_all_captures_below_it() {
    let (code, out, err) = run(&["decode", "captures"]);
    assert_eq!(code, 3, "two of the shared captures are damaged on purpose");
    let files: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("== captures/")).collect();
    assert_eq!(files.len(), INPUTS - 1, "all but the empty one");
    for (suffix, count) in [("  HAR", 2), ("  VAMT", 2), ("  LDIF", 7), ("  document", 0), ("  rings", 0)] {
        assert_eq!(files.iter().filter(|file| file.ends_with(suffix)).count(), count, "{suffix}");
    }
    assert!(
        err.ends_with(&format!("volact: 2 of {INPUTS} inputs could not be read to their end\n")),
        "{err}"
    );
}

#[test]
fn a_directory_without_captures_is_said_to_be_one() {
    let (code, _, err) = run(&["decode", "src"]);
    assert_eq!(code, 3);
    assert!(err.starts_with("volact: no captures there"));
}

#[test]
fn json_lines_are_json_and_name_their_schema_first() {
    let (code, out, _) = run(&["decode", "--format", "jsonl", "captures"]);
    assert_eq!(code, 3);
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for line in out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["file"].as_str().unwrap().starts_with("captures/"));
        *kinds.entry(value["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let first: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first["schema"], volact::report::SCHEMA);
    assert_eq!((kinds["file"], kinds["summary"]), (INPUTS - 1, INPUTS));
    assert!(kinds["exchange"] > 550 && kinds["mak"] > 100 && kinds["computer"] > 2, "{kinds:?}");
    assert!(kinds["lookup"] > 150 && kinds["search"] > 10 && kinds["directory"] > 40, "{kinds:?}");
    assert!(kinds["object"] > 10 && kinds["guest"] > 20 && kinds["channel"] > 8, "{kinds:?}");
    assert!(!kinds.contains_key("pdu"), "PDUs come with -v only");
}

#[test]
fn colour_comes_when_it_is_asked_for_and_never_into_a_file() {
    assert!(!run(&["decode", V6]).1.contains('\u{1b}'));
    assert!(run(&["decode", "--color", "always", V6]).1.contains("\u{1b}[1m"));
}

#[test]
fn kms_is_found_on_any_port_by_its_interface_and_a_middle_on_a_port_that_is_named() {
    // The proxy of this capture listens on 1689.
    let (_, out, _) = run(&["decode", "captures/net_cut_s2c_170_rst.pcap"]);
    assert!(out.contains("> 127.0.0.1:1689  frame 15"));
    // A copy whose server has port 2000, with and without its bind.
    let bytes = std::fs::read(support::folder().join("tcp_midstream.pcap")).unwrap();
    let moved: Vec<u8> = {
        let mut moved = bytes.clone();
        let mut at = 24;
        while at < moved.len() {
            let length = u32::from_le_bytes(moved[at + 8..at + 12].try_into().unwrap()) as usize;
            let ports = at + 16 + 14 + 20;
            for port in [ports, ports + 2] {
                if moved[port..port + 2] == 1688u16.to_be_bytes() {
                    moved[port..port + 2].copy_from_slice(&2000u16.to_be_bytes());
                }
            }
            at += 16 + length;
        }
        moved
    };
    let first_record = 16 + u32::from_le_bytes(moved[32..36].try_into().unwrap()) as usize;
    let without_bind = [&moved[..24], &moved[24 + first_record..]].concat();
    assert!(run_with_input(&["decode", "-"], &moved).1.contains("3 exchanges: 3 answered"));
    let all = run_with_input(&["decode", "--port", "2000", "-"], &without_bind).1;
    assert!(all.contains("3 exchanges: 3 answered"), "{all}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut command = volact(&["decode", "-v", "captures/raw_edge_vlmcsd.pcap"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn explain_knows_each_kind_of_value() {
    for (value, expected) in [
        ("0xC004F042", "HRESULT 0xC004F042 SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH: "),
        ("c004f06c", "HRESULT 0xC004F06C SL_E_VL_INVALID_TIMESTAMP: "),
        ("-1073418174", "HRESULT 0xC004F042 "),
        ("SL_E_VL_NOT_ENOUGH_COUNT", "HRESULT 0xC004F038 "),
        ("0x1c010003", "RPC fault status 0x1c010003 nca_s_unk_if"),
        (
            "8449b1fb-f0ea-497a-99ab-66ca96e9a0f5",
            "KMS id 8449b1fb-f0ea-497a-99ab-66ca96e9a0f5: Windows Server 2019",
        ),
        ("{55c92734-d682-4d71-983e-d6ec3f16059f}", "application id 55c92734-"),
        ("51c82175-844e-4750-b0d8-ec255555bc06", "RPC interface 51c82175-844e-4750-b0d8-ec255555bc06: KMS"),
        (
            "71710533-beba-4937-8319-b5dbef9ccc36",
            "transfer syntax 71710533-beba-4937-8319-b5dbef9ccc36: NDR64",
        ),
        (
            "12345678-1234-1234-1234-123456789abc",
            "GUID 12345678-1234-1234-1234-123456789abc: not in the catalog",
        ),
        ("03612-00206-564-865711-03-7169-14393.0000-1092021", "extended product id 03612-"),
        ("XXXXX-00206-564-865711-03-7169-14393.0000-1092021", "extended product id XXXXX-"),
        (
            "0x7F",
            "BatchActivation ErrorCode 0x7F: the MAK's limit is exceeded (says Microsoft's activationws)",
        ),
        ("0x71", "(says community sources that conflict)"),
        ("1033", "LCID 1033 (0x0409): en-US"),
        ("17763", "host build 17763: "),
        ("05001103100000001000000007000000", "GUID 05001103"),
        ("0500 1103 1000 0000 1400 0000 0700 0000 00000000", "shutdown(17) PDU, 20 bytes"),
    ] {
        let (code, out, err) = run(&["explain", value]);
        assert_eq!((code, err.as_str()), (0, ""), "{value}");
        assert!(out.contains(expected), "{value}: {out}");
    }
}

/// A published sample of a confirmation ID.
const CID: &str = "154814-744406-423500-209405-874111-676042-686055";

#[test]
fn explain_judges_an_id_and_exits_1_where_it_is_wrong() {
    let explain = |value: &str| {
        let (code, out, err) = run(&["explain", value]);
        assert_eq!(err, "", "{value}");
        (code, out)
    };
    let zeros = |groups, size: usize| vec!["0".repeat(size); groups].join(" ");
    for (value, expected) in [
        (CID.to_owned(), "confirmation ID, 42 digits: Windows XP"),
        (CID.replace('-', ""), "confirmation ID, 42 digits: Windows XP"),
        (zeros(8, 6), "confirmation ID, 48 digits: Windows Vista"),
        (zeros(9, 6), "installation ID, 54 digits: Windows XP SP1"),
        (zeros(9, 7), "installation ID, 63 digits: Windows 8"),
    ] {
        let (code, out) = explain(&value);
        assert_eq!(code, 0, "{out}");
        assert!(out.starts_with(expected), "{out}");
        assert!(
            out.ends_with("every check digit holds; they do not tell 0 from 7, 1 from 8 and 2 from 9\n"),
            "{out}"
        );
    }
    let mut wrong = zeros(9, 7);
    wrong.replace_range(19..20, "4");
    let short = zeros(9, 7).replacen("0000000", "000000", 1);
    for (value, expected) in [
        (
            CID.replace("744406", "744401"),
            "confirmation ID of 42 digits: 1 of 7 groups wrong\n  \
             group B, characters 8 to 13: the check digit is 1, and the digits in front of it have 6\n",
        ),
        (wrong, "installation ID of 63 digits: 1 of 9 groups wrong\n  group 3, characters 17 to 23: "),
        (short, "installation ID: 62 digits, 63 are needed\n  group 1, "),
        ("1".repeat(40), "ID: 40 digits, an installation ID has 50, 54 or 63, a confirmation ID 42 or 48"),
    ] {
        let (code, out) = explain(&value);
        assert_eq!(code, 1, "{out}");
        assert!(out.starts_with(expected), "{out}");
    }
}

#[test]
fn explain_opens_a_pdu_a_stub_and_a_message_from_a_capture() {
    let decoded = support::decode("vlmcs_vlmcsd_v6_default.pcap");
    let hex = |bytes: &[u8]| volact::wire::Hex(bytes).to_string();
    let exchange = &decoded.exchanges[1];
    let request = exchange.request.as_ref().unwrap();
    let volact::trace::Answer::Response(response) = exchange.answer.as_ref().unwrap() else { panic!() };
    let pdu = decoded.pdus.iter().find(|pdu| pdu.offset == 524).unwrap();
    for (bytes, expected) in [
        (&pdu.bytes[..], &["request(0) PDU, 300 bytes", "request stub, NDR64", "KMS request, 260 bytes"][..]),
        (&request.bytes, &["request stub, NDR64: 260 bytes of data", "\"mail.yahoo.es\""]),
        (&request.bytes[16..], &["KMS request, 260 bytes", "SKU", "8de8eb62-bbe0-40ac-ac17-f75595071ea3 ("]),
        (&response.bytes, &["response stub, NDR64", "HRESULT 0x00000000", "KMS response, 260 bytes", "HwId"]),
        (&response.bytes[24..284], &["KMS response, 260 bytes", "holds (slot +0)"]),
    ] {
        let (code, out, _) = run(&["explain", &hex(bytes)]);
        assert_eq!(code, 0);
        for part in expected.iter().filter(|part| **part != "SKU") {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
    let (code, out, _) = run(&["explain", &hex(&pdu.bytes[..200])]);
    assert_eq!(code, 0);
    assert!(out.starts_with("request(0) PDU, cut: needed 300 bytes, got 200"), "{out}");
}

#[test]
fn explain_draws_where_a_pdu_stops_being_one() {
    // A bind that promises two contexts and has none.
    let bytes = "05000b03100000001c00000002000000d016d0160000000002000000";
    let (code, out, _) = run(&["explain", bytes]);
    assert_eq!(code, 0);
    assert!(out.contains("bind: p_cont_id at offset 28: needed 2 bytes, got 0"), "{out}");
    assert!(out.contains("^^"), "{out}");
}

#[test]
fn explain_reads_values_from_standard_input_and_says_which_it_does_not_know() {
    let (code, out, err) = run_with_input(&["explain", "-"], b"0xC004F042\n\nnothing of the kind\n");
    assert_eq!(code, 1);
    assert!(out.starts_with("HRESULT 0xC004F042"));
    assert_eq!(err, "volact: \"nothing of the kind\" is nothing known here\n");
}

#[test]
fn a_filter_shows_the_exchanges_it_is_true_of_and_nothing_else_but_totals() {
    let (code, out, _) = run(&["decode", V6, "--filter", "call_id == 3"]);
    assert_eq!(code, 0);
    assert_eq!(out.matches("\n  asks ").count(), 1, "{out}");
    assert!(out.contains(" call 3 ") && out.contains("3 exchanges: 3 answered"), "{out}");
    let (_, out, _) = run(&["decode", V6, "--filter", "outcome == refused", "--format", "jsonl"]);
    let kinds: Vec<&str> = out.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(kinds, ["file", "summary"]);
}

#[test]
fn a_filter_that_is_wrong_is_wrong_usage_with_its_place() {
    let (code, out, err) = run(&["decode", V6, "--filter", "outcme == refused"]);
    assert_eq!((code, out.as_str()), (2, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines,
        [
            "volact: --filter: at column 1: unknown field \"outcme\"; did you mean \"outcome\"?",
            "outcme == refused",
            "^^^^^^"
        ]
    );
    let (code, out, _) = run(&["decode", "--filter", "help"]);
    assert_eq!(code, 0);
    assert!(out.contains("  client ") && out.contains("service_time"), "{out}");
    assert_eq!(run(&["decode", "--filter", "outcome == refused"]).0, 2, "no FILE");
}

#[test]
fn statistics_stand_in_place_of_the_exchanges_and_count_the_same_ones() {
    let (code, out, _) = run(&["decode", V6, "--stats", "--filter", "call_id < 4"]);
    assert_eq!(code, 0);
    assert!(!out.contains("  asks "), "{out}");
    assert!(out.contains("\n  2         2 "), "{out}");
    let (_, json, _) = run(&["decode", V6, "--stats", "--format", "jsonl"]);
    assert!(json.contains("\"by\":\"client\",\"client\":\"127.0.0.1\",\"exchanges\":3"), "{json}");
}

#[test]
fn the_output_is_the_same_on_any_number_of_threads() {
    for more in [&[][..], &["--stats"], &["-v"], &["--format", "jsonl"], &["-q"]] {
        let with = |threads| run(&[&["decode", "captures", "--threads", threads], more].concat());
        let one = with("1");
        assert_eq!(with("2"), one, "{more:?}");
        assert_eq!(with("8"), one, "{more:?}");
    }
}

#[test]
fn quiet_leaves_totals_and_complaints() {
    let (code, out, _) = run(&["decode", "-q", "captures/tcp_gap.pcap"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[1].starts_with("! frame 9, stream 0 s2c offset 108: gap"), "{out}");
}

/// A file below the target folder, with some packets of [`V6`], each of which is moved by so many seconds.
fn part(name: &str, frames: std::ops::Range<usize>, seconds: u32) -> String {
    let whole = std::fs::read(V6).unwrap();
    let mut bytes = whole[..24].to_vec();
    for record in &support::records(&whole)[frames] {
        let moved = u32::try_from(support::u32_at(record, 0)).unwrap() + seconds;
        bytes.extend(moved.to_le_bytes());
        bytes.extend(&record[4..]);
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn rotated_captures_read_as_one_give_the_connections_that_go_on_from_one_to_the_next() {
    let parts =
        [part("rotated.pcap1", 7..12, 0), part("rotated.pcap0", 0..7, 0), part("rotated.pcap2", 12..18, 0)];
    let files: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (code, out, err) = run(&[&["decode", "--merge"], &files[..]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.lines().next().unwrap(), format!("== merged  {}", files.join(", ")));
    let whole = run(&["decode", V6]).1;
    let behind = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(behind(&out), behind(&whole));
    // A file that is not there is one complaint, and the others are read.
    let (code, out, err) = run(&["decode", "--merge", files[0], "no/such/file", files[1], files[2]]);
    assert_eq!(code, 3);
    assert!(err.starts_with("volact: no/such/file: cannot be opened: "), "{err}");
    assert!(out.contains("3 exchanges: 3 answered"), "{out}");
}

#[test]
fn a_time_window_leaves_out_what_is_before_and_behind_it() {
    let early = part("early.pcap", 0..18, 0);
    let late = part("late.pcap", 0..18, 3600);
    let with = |window: &[&str]| {
        let (code, out, _) = run(&[&["decode", "--merge", "-q", &early, &late], window].concat());
        assert_eq!(code, 0);
        let packets = out.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
        packets.parse::<u32>().unwrap()
    };
    assert_eq!(with(&[]), 36);
    assert_eq!(with(&["--from", "+30m"]), 18);
    assert_eq!(with(&["--to", "+30m"]), 18);
    assert_eq!(with(&["--from", "2026-11-21T21:00:00Z", "--to", "2026-11-21T22:00:00Z"]), 18);
    assert_eq!(with(&["--to", "2026-11-21"]), 0);
    let (code, _, err) = run(&["decode", V6, "--from", "yesterday"]);
    assert_eq!(code, 2);
    assert!(err.contains("expected a date"), "{err}");
}

#[test]
fn checksums_are_verified_on_request_only() {
    let mut bytes = std::fs::read(V6).unwrap();
    let second = 24 + support::records(&bytes)[0].len();
    let checksum = second + 16 + 14 + 10;
    bytes[checksum] ^= 0xff;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("summed.pcap");
    std::fs::write(&path, bytes).unwrap();
    let path = path.display().to_string();
    assert!(!run(&["decode", &path]).1.contains("checksum"));
    let (code, out, _) = run(&["decode", "--checksums", &path]);
    assert_eq!(code, 0);
    assert!(out.contains("! frame 2: IPv4 checksum 0x"), "{out}");
    assert!(out.contains("; 1 packet with a wrong checksum"), "{out}");
    // What the captures' machines left to the network card is no mistake.
    assert!(!run(&["decode", "--checksums", V6]).1.contains("checksum"));
}

#[test]
fn zstd_and_lz4_are_read_as_gzip_is() {
    use std::io::Read as _;
    let plain = std::fs::read(V6).unwrap();
    let mut zstd = Vec::new();
    let mut encoder = ruzstd::encoding::FrameCompressor::new(ruzstd::encoding::CompressionLevel::Fastest);
    encoder.set_source(&plain[..]);
    encoder.set_drain(&mut zstd);
    encoder.compress();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&plain).unwrap();
    let lz4 = lz4.finish().unwrap();
    let mut gzip = Vec::new();
    flate2::read::GzEncoder::new(&plain[..], flate2::Compression::fast()).read_to_end(&mut gzip).unwrap();
    let expected = run(&["decode", V6]).1.replace(V6, "-");
    for packed in [gzip, zstd, lz4] {
        let (code, out, err) = run_with_input(&["decode", "-"], &packed);
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(out, expected);
    }
}

/// What the program says of an export that was changed.
fn decode_ldif(change: impl Fn(&str) -> Vec<u8>) -> (i32, String, String) {
    let export = std::fs::read_to_string(support::folder().join("directory/ldif_version.ldif")).unwrap();
    run_with_input(&["decode", "-"], &change(&export))
}

#[test]
fn an_export_of_a_directory_is_read_from_standard_input() {
    let (code, out, err) = decode_ldif(|export| export.into());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("== -  LDIF\nactivation object  line 4\n"), "{out}");
    let path = "captures/directory/ldif_version.ldif";
    assert_eq!(out.replace("== -", "== X"), run(&["decode", path]).1.replace(&format!("== {path}"), "== X"));
}

#[test]
fn what_is_wrong_with_an_export_is_one_complaint_with_its_place_and_exits_3() {
    let (code, out, err) = decode_ldif(|export| export.replace("displayName: ", "displayName ").into());
    assert_eq!(code, 3, "an object may be missing, or a part of one");
    let complaints: Vec<&str> = err.lines().collect();
    assert_eq!(complaints.len(), 1, "{err}");
    assert!(complaints[0].starts_with("volact: -: line "), "{err}");
    assert!(out.contains("not all of it could be read"), "{out}");

    let (code, _, err) = decode_ldif(|export| {
        [0xff, 0xfe].into_iter().chain(export.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    });
    assert_eq!((code, err.lines().count()), (3, 1), "{err}");
}

#[test]
fn a_dump_of_rings_is_read_with_what_it_does_not_say_of_itself() {
    let ring = |name: &str, more: &[&str]| {
        run(&[&["decode", "--ring", &format!("captures/vmbus/{name}")][..], more].concat())
    };
    let (code, out, err) = ring("vmbus_wrap.ring", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("channel 0 AVMA  answered") && out.ends_with("3 exchanges: 3 answered\n\n"),
        "{out}"
    );

    // Of another class the same bytes mean something else, and are said not to be it.
    let (code, out, _) = ring("vmbus_wrap.ring", &["--ring-class", "kvp"]);
    assert_eq!(code, 0);
    assert!(out.contains("channel 0 KVP") && !out.contains("AVMA"), "{out}");
    let (code, _, err) = ring("vmbus_wrap.ring", &["--ring-class", "printer"]);
    assert_eq!(code, 2, "{err}");

    // Rings of different sizes: the second one does not begin in the middle.
    let (code, split, err) = ring("vmbus_consumed.ring", &["--ring-split", "2"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_ne!(split, ring("vmbus_consumed.ring", &["--ring-split", "1"]).1);
    let (code, _, err) = ring("vmbus_consumed.ring", &["--ring-split", "900"]);
    assert_eq!((code, err.lines().count()), (3, 1), "{err}");

    let (code, _, err) = run(&["decode", "--ring", "no/such/ring"]);
    assert_eq!(code, 3);
    assert!(err.starts_with("volact: no/such/ring: cannot be opened: "), "{err}");
    let (code, _, err) = run_with_input(&["decode", "--ring", "-"], &[0; 5000]);
    assert_eq!((code, err.lines().count()), (3, 1), "{err}");
    assert_eq!(run(&["decode", "--merge", "--ring", "captures/vmbus/vmbus_wrap.ring", V6]).0, 2);
}

#[test]
fn the_link_type_of_vmbus_is_one_of_those_that_are_up_to_their_user() {
    const AVMA: &str = "captures/vmbus/vmbus_avma.pcapng";
    for wrong in ["12", "146", "163", "user0"] {
        assert_eq!(run(&["decode", "--vmbus-link", wrong, AVMA]).0, 2, "{wrong}");
    }
    let records = |arguments: &[&str]| run(&[&["decode"], arguments, &[AVMA]].concat()).1;
    let by_itself = records(&[]);
    assert!(by_itself.contains("channel 9 AVMA  answered"), "{by_itself}");
    assert_eq!(records(&["--vmbus-link", "147"]), by_itself);
    let of_another = records(&["--vmbus-link", "150"]);
    assert!(
        !of_another.contains("AVMA  answered") && of_another.contains("link type USER(147)"),
        "{of_another}"
    );
}

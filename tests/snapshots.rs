//! The text and the JSON Lines of every shared capture, as reviewed snapshots in `snapshots/`.

#![cfg(feature = "cli")]

mod support;

use volact::capture::{self, CaptureReader};
use volact::report::{JsonReport, TextReport};
use volact::trace::{FileFormat, FileRecord, Notice, Options, Scribe, Summary, trace_pages};

fn rendered(name: &str, verbose: bool) -> (String, String) {
    let mut json = [(); 2].map(|()| JsonReport::new(verbose));
    let shown = format!("captures/{name}");
    json.iter_mut().for_each(|report| report.begin(&shown));
    (written(name, [(); 2].map(|()| TextReport::new(false, verbose))), written(name, json))
}

fn written<S: Scribe>(name: &str, [mut chief, scribe]: [S; 2]) -> String {
    let mut written = Vec::new();
    let reader = capture::open(&support::folder().join(name)).unwrap();
    let out = |page: &[u8]| {
        written.extend_from_slice(page);
        true
    };
    let shown = format!("captures/{name}");
    match CaptureReader::new(reader) {
        Ok(mut packets) => {
            chief.file(&FileRecord {
                name: &shown,
                format: Some(FileFormat::Capture(packets.format())),
                files: &[],
            });
            trace_pages(&mut packets, &Options::default(), &mut chief, vec![scribe], out);
        }
        Err(error) => {
            chief.notice(&Notice::of(&error));
            chief.summary(&Summary { notices: 1, ..Summary::default() });
            written = chief.turn(Vec::new());
        }
    }
    String::from_utf8(written).unwrap()
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn the_text_and_the_json_of_every_capture_are_as_reviewed() {
    settings().bind(|| {
        for name in support::names() {
            let (text, json) = rendered(&name, false);
            insta::assert_snapshot!(format!("{name}.text"), text);
            insta::assert_snapshot!(format!("{name}.jsonl"), json);
        }
    });
}

#[test]
fn the_text_and_the_json_of_every_recording_of_maks_services_are_as_reviewed() {
    support::mak_names().iter().for_each(|name| assert_reviewed(&format!("mak/{name}")));
}

#[test]
fn the_text_and_the_json_of_every_recording_of_what_stands_around_activation_are_as_reviewed() {
    support::surroundings().iter().for_each(|name| assert_reviewed(name));
}

/// Of a recording below the folder of captures, as the program shows it.
fn assert_reviewed(name: &str) {
    let file = name.rsplit('/').next().unwrap();
    settings().bind(|| {
        for format in ["text", "jsonl"] {
            let output = support::decode_input(name, &["--format", format]);
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
            insta::assert_snapshot!(format!("{file}.{format}"), String::from_utf8(output.stdout).unwrap());
        }
    });
}

#[test]
fn the_verbose_forms_of_one_capture_of_each_version_and_of_damage_are_as_reviewed() {
    settings().bind(|| {
        for name in [
            "vlmcs_vlmcsd_v4_plain.pcap",
            "rsclient_rsserver_v5.pcap",
            "vlmcs_vlmcsd_v6_default.pcap",
            "net_cut_s2c_170_rst.pcap",
            "vlmcs_vlmcsd_snaplen96.pcap",
        ] {
            let (text, json) = rendered(name, true);
            insta::assert_snapshot!(format!("{name}.verbose.text"), text);
            insta::assert_snapshot!(format!("{name}.verbose.jsonl"), json);
        }
    });
}

#[test]
fn the_same_capture_gives_the_same_bytes() {
    for name in ["raw_edge_vlmcsd.pcap", "net_bytewise_v6.pcap"] {
        assert_eq!(rendered(name, true), rendered(name, true));
    }
}

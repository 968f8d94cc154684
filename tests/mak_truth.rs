//! Every synthetic recording of MAK's services, decoded, equals what its server and its clients knew of it:
//! `captures/mak/truth/`, which is not made from the recording.

#![cfg(feature = "cli")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/mak")
}

/// What the program prints of a recording, with its key log where it has one.
fn decoded(truth: &Value) -> Vec<Value> {
    let capture = truth["capture"].as_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_volact"));
    command.args(["decode", "--format", "jsonl"]).arg(folder().join(capture));
    if let Some(keys) = truth["keys"].as_str().filter(|keys| *keys != "embedded") {
        command.arg("--keylog").arg(folder().join(keys));
    }
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{capture}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn truths() -> Vec<Value> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder().join("truth")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// The differences between what was decoded and what is true, each in one line.
fn differences(truth: &Value, decoded: &[Value]) -> Vec<String> {
    let name = truth["capture"].as_str().unwrap();
    let mut wrong = Vec::new();
    // Where keys were not kept, or the cipher is not read, nothing but the server's name can be told.
    let is_sealed = ["mak_tls_sealed.pcapng", "mak_tls12_cbc.pcapng"].contains(&name);
    let mut found: HashMap<Option<u64>, std::collections::VecDeque<&Value>> = HashMap::new();
    for record in decoded.iter().filter(|record| record["type"] == "mak") {
        let port =
            record["client"].as_str().map(|client| client.rsplit_once(':').unwrap().1.parse().unwrap());
        found.entry(port).or_default().push_back(record);
    }
    let empty = Vec::new();
    let exchanges = truth["exchanges"].as_array().unwrap_or(&empty);
    for (i, exchange) in exchanges.iter().enumerate().filter(|(_, exchange)| !exchange["service"].is_null()) {
        let record = found.get_mut(&exchange["client_port"].as_u64()).and_then(|records| records.pop_front());
        match (record, is_sealed) {
            (Some(record), false) => compare(&format!("{name} {i}"), exchange, record, &mut wrong),
            (None, true) => {}
            (None, false) => wrong.push(format!("{name} {i}: not found")),
            (Some(_), true) => wrong.push(format!("{name} {i}: found, and it is sealed")),
        }
    }
    let more: usize = found.values().map(|records| records.len()).sum();
    if more > 0 && truth["computers"].is_null() {
        wrong.push(format!("{name}: {more} exchanges too many"));
    }
    for (i, connection) in truth["connections"].as_array().unwrap_or(&empty).iter().enumerate() {
        let Some(tls) = connection["tls"].as_object() else { continue };
        let port = format!(":{}", connection["client_port"]);
        let record = decoded.iter().find(|record| {
            record["type"] == "connection" && record["client"].as_str().unwrap().ends_with(&port)
        });
        let ours = record.map_or(&Value::Null, |record| &record["web"]["tls"]);
        let version = tls["version"].as_str().unwrap().replace("TLSv", "TLS ");
        if ours["version"].as_str() != Some(&version) {
            wrong.push(format!("{name} connection {i}: {} instead of {version}", ours["version"]));
        }
        if ours["opened"] != Value::Bool(!is_sealed) || ours["sealed"].is_null() == is_sealed {
            wrong
                .push(format!("{name} connection {i}: opened {}, sealed {}", ours["opened"], ours["sealed"]));
        }
    }
    wrong
}

fn compare(name: &str, truth: &Value, ours: &Value, wrong: &mut Vec<String>) {
    let mut expect = |what: &str, ours: &Value, truth: Value| {
        if *ours != truth {
            wrong.push(format!("{name}: {what} is {ours}, and {truth} is true"));
        }
    };
    let service = match truth["service"].as_str().unwrap() {
        "BatchActivate" => "BatchActivation",
        "EUL" => "UseLicense",
        other => other,
    };
    expect("service", &ours["service"], service.into());
    let (request, response) = (&ours["request"], &ours["response"]);
    let outcome = match truth["outcome"].as_str().unwrap_or_default() {
        // What we tell apart further, or less far.
        "answered" if has_error(truth) => "partly-refused",
        "empty" | "cut" => "unreadable",
        other => other,
    };
    if !truth["outcome"].is_null() {
        expect("outcome", &ours["outcome"], outcome.into());
    }
    if let Some(method) = truth["method"].as_str().filter(|_| ours["carrier"] == "stream") {
        expect("method", &request["method"], method.into());
        expect("target", &request["target"], truth["target"].clone());
        let action = &truth["soap_action"];
        let is_1_2 = truth["soap"] == "1.2";
        if !is_1_2 {
            expect("SOAPAction", &request["soap_action"], action.clone());
        }
    }
    if !request.is_null() {
        expect("SOAP", &request["soap"], truth["soap"].clone());
        if !truth["request_body"].is_null() && truth["request_framing"]["encoding"].is_null() {
            expect("request length", &request["length"], truth["request_body"]["bytes"].clone());
        }
    }
    if service == "BatchActivation" && !request.is_null() && !truth["items"].is_null() {
        let is_read = !truth["request_type"].is_null();
        if is_read {
            expect("request type", &request["request_type"], truth["request_type"].clone());
            let items = request["items"].as_array().unwrap();
            let asked = truth["items"].as_array().unwrap();
            expect("items", &items.len().into(), asked.len().into());
            for (ours, truth) in items.iter().zip(asked) {
                expect("PID", &ours["pid"], truth["pid"].clone());
                expect("IID", &ours["iid"], truth["iid"].clone());
            }
        }
        let digest = if truth["digest"].is_null() { &Value::Null } else { &request["digest"] };
        expect("digest", digest, truth["digest"].clone());
        if let Some(is_valid) = truth["digest_valid"].as_bool() {
            expect("digest check", &ours["checks"]["digest"], is_valid.into());
        }
        if let Some(length) = truth["inner_request"]["bytes"].as_u64() {
            expect("RequestXml", &request["request_xml_length"], length.into());
        }
    }
    if !truth["claims"].is_null() {
        expect("token type", &request["token_type"], truth["token_type"].clone());
        compare_values("claims", &request["claims"]["entries"], &truth["claims"], &mut expect);
        if !request["use_key"].is_null() {
            compare_values("use key", &request["use_key"]["entries"], &truth["use_key"], &mut expect);
        }
        expect("arrayType", &request["claims"]["declared"], truth["claims_declared"].clone());
    }
    if ours["carrier"] != "body" {
        expect("status", &response["status"], truth["http_status"].clone());
    }
    let answer = &truth["response"];
    if let Some(items) = answer["items"].as_array() {
        expect("response type", &response["response_type"], answer["type"].clone());
        expect("BatchId", &response["batch_id"], answer["batch_id"].clone());
        expect("batch error", &response["error_code"], answer["batch_error"].clone());
        let found = response["items"].as_array().unwrap();
        expect("answers", &found.len().into(), items.len().into());
        for (ours, truth) in found.iter().zip(items) {
            for (name, other) in [
                ("pid", "pid"),
                ("iid", "iid"),
                ("cid", "cid"),
                ("activation_remaining", "remaining"),
                ("error_code", "error"),
            ] {
                // A code is a number: how its digits were written is not kept.
                let truth = match truth[other].as_str() {
                    Some(text) if name == "error_code" => format!("0x{}", text[2..].to_uppercase()).into(),
                    _ => truth[other].clone(),
                };
                expect(name, &ours[name], truth);
            }
        }
    } else if !answer["token_type"].is_null() {
        expect("token", &response["token_type"], answer["token_type"].clone());
        let entry = &response["token"]["entries"][0];
        expect("token hash", &entry["sha256"], hash(answer["token"].as_str().unwrap()).into());
    }
    if let Some(fault) = truth["fault"].as_object() {
        let ours = &response["fault"];
        expect("fault's SOAP", &response["soap"], fault["soap"].clone());
        expect("fault code", &ours["code"], fault["code"].clone());
        expect("fault reason", &ours["reason"], fault["reason"].clone());
        let hresult = fault["hresult"].as_str().map(|code| format!("0x{}", code[2..].to_uppercase()));
        expect("HRESULT", &ours["hresult"], hresult.map_or(Value::Null, Value::from));
        expect("messages", &ours["messages"], fault["messages"].clone());
    }
}

fn has_error(truth: &Value) -> bool {
    truth["response"]["items"]
        .as_array()
        .is_some_and(|items| items.iter().any(|item| !item["error"].is_null()))
}

/// Names and values: as they are, or by their hash, or masked.
fn compare_values(what: &str, ours: &Value, truth: &Value, expect: &mut impl FnMut(&str, &Value, Value)) {
    let (ours, truth) = (ours.as_array().unwrap(), truth.as_array().unwrap());
    expect(what, &ours.len().into(), truth.len().into());
    for (ours, truth) in ours.iter().zip(truth) {
        let (name, value) = (truth[0].as_str().unwrap(), truth[1].as_str().unwrap());
        expect(what, &ours["name"], name.into());
        if ["ProductKey", "ProductKeyActConfigId"].contains(&name) {
            let shown = ours["value"].as_str().unwrap();
            assert!(!shown.contains(&value[..value.len() / 2]), "{name} is shown: {shown}");
        } else if ours["value"].is_null() {
            expect(name, &ours["sha256"], hash(value).into());
        } else {
            expect(name, &ours["value"], value.into());
        }
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_recording_equals_its_truth() {
    let truths = truths();
    assert!(truths.len() >= 31, "{}", truths.len());
    let mut wrong = Vec::new();
    let mut exchanges = 0;
    for truth in &truths {
        wrong.extend(differences(truth, &decoded(truth)));
        exchanges += truth["exchanges"].as_array().map_or(0, Vec::len);
    }
    assert!(exchanges > 120, "{exchanges}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_truth_does_not_say_is_a_difference() {
    let truth = truths().into_iter().find(|truth| truth["capture"] == "mak_batch_mixed.pcapng").unwrap();
    let decoded = decoded(&truth);
    for (path, other) in [
        ("/exchanges/0/request_type", 2.into()),
        ("/exchanges/0/digest_valid", false.into()),
        ("/exchanges/0/items/1/iid", "0".into()),
        ("/exchanges/0/response/items/2/error", "0x67".into()),
        ("/exchanges/0/response/items/0/cid", Value::Null),
        ("/exchanges/1/outcome", "answered".into()),
        ("/exchanges/2/service", "SPC".into()),
    ] {
        let mut truth = truth.clone();
        *truth.pointer_mut(path).unwrap() = other;
        assert!(!differences(&truth, &decoded).is_empty(), "{path}");
    }
}

#[test]
fn vamt_files_equal_their_truth() {
    for truth in truths().iter().filter(|truth| !truth["computers"].is_null()) {
        let decoded = decoded(truth);
        let computers: Vec<&Value> = decoded.iter().filter(|record| record["type"] == "computer").collect();
        let expected = truth["computers"].as_array().unwrap();
        assert_eq!(computers.len(), expected.len());
        let of = |values: &Value, key: &str, wanted: &str| {
            let values = values.as_array().unwrap();
            values.iter().find(|value| value[key] == *wanted).cloned().unwrap_or_default()
        };
        for (computer, truth) in computers.iter().zip(expected) {
            assert_eq!(of(&computer["values"], "name", "Name")["value"], truth["name"]);
            let products = truth["products"].as_array().unwrap();
            assert_eq!(computer["products"].as_array().unwrap().len(), products.len());
            for (ours, truth) in computer["products"].as_array().unwrap().iter().zip(products) {
                for kind in ["iid", "cid"] {
                    let found = of(ours, "kind", kind);
                    let digits: String = found["value"]
                        .as_str()
                        .unwrap_or_default()
                        .chars()
                        .filter(char::is_ascii_digit)
                        .collect();
                    assert_eq!(digits, truth[kind].as_str().unwrap_or_default());
                    if let Some(is_valid) = truth[format!("{kind}_valid")].as_bool() {
                        assert_eq!(found["id_error"].is_null(), is_valid, "{found}");
                    }
                }
            }
        }
    }
}

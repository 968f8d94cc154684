//! Every shared capture against its truth file: an independent decoding that nobody of this project wrote. Whatever
//! field both have must be equal, PDU by PDU and exchange by exchange.

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Decoded, PduRow};
use volact::kms::{Check, RequestMessage, ResponseMessage};
use volact::trace::{Answer, Exchange, RequestRecord, ResponseRecord};
use volact::wire::Hex;

/// All differences between a capture's decoding and its truth.
fn differences(name: &str) -> Vec<String> {
    let decoded = support::decode(name);
    let truth = support::truth(name);
    let mut found = Vec::new();
    compare_pdus(&decoded, &truth, &mut found);
    compare_exchanges(&decoded, &truth, &mut found);
    found.into_iter().map(|difference| format!("{name}: {difference}")).collect()
}

fn compare_pdus(decoded: &Decoded, truth: &Value, found: &mut Vec<String>) {
    let mut ours: BTreeMap<(u64, String, u64), &PduRow> =
        decoded.pdus.iter().map(|pdu| ((pdu.stream, pdu.direction.to_owned(), pdu.offset), pdu)).collect();
    for theirs in truth["pdus"].as_array().unwrap() {
        let key = (
            theirs["stream"].as_u64().unwrap(),
            theirs["dir"].as_str().unwrap().to_owned(),
            theirs["offset"].as_u64().unwrap(),
        );
        let is_whole = theirs.get("ptype").is_some();
        match ours.remove(&key) {
            None => found.push(format!("no PDU at {key:?}, truth has {theirs}")),
            Some(ours) if is_whole => {
                for (field, value) in theirs.as_object().unwrap() {
                    let got = ours.fields.get(field);
                    if got != Some(value) {
                        found.push(format!("PDU at {key:?}: {field}: {got:?}, truth {value}"));
                    }
                }
            }
            Some(ours) if ours.fields.contains_key("ptype") => {
                found.push(format!("whole PDU at {key:?}, truth has bytes without one"));
            }
            Some(_) => {}
        }
    }
    // The truth stops at a gap; nowhere else may there be a PDU that it does not have.
    if !decoded.has_gaps {
        for (key, ours) in ours {
            if ours.fields.contains_key("ptype") {
                found.push(format!("PDU at {key:?} that the truth does not have"));
            }
        }
    }
}

fn compare_exchanges(decoded: &Decoded, truth: &Value, found: &mut Vec<String>) {
    for theirs in truth["exchanges"].as_array().unwrap() {
        let stream = theirs["stream"].as_u64().unwrap();
        let request_frame = theirs["request_frame"].as_u64();
        let response_frame = theirs["response"]["response_frame"].as_u64();
        let matching = decoded.exchanges.iter().find(|ours| {
            ours.stream == stream
                && match request_frame {
                    Some(frame) => {
                        ours.request.as_ref().is_some_and(|request| request.span.last.frame == frame)
                            && u64::from(ours.call_id) == theirs["call_id"]
                    }
                    None => ours.answer_span().is_some_and(|span| Some(span.last.frame) == response_frame),
                }
        });
        let place = format!("exchange of stream {stream}, frames {request_frame:?} {response_frame:?}");
        let Some(ours) = matching else {
            found.push(format!("{place}: not there"));
            continue;
        };
        let got = in_the_truths_words(ours, theirs);
        compare(&place, theirs, &got, decoded.has_gaps, found);
    }
}

/// Every field of the truth that is not null must be in `got` with the same value.
fn compare(place: &str, theirs: &Value, got: &Value, has_gaps: bool, found: &mut Vec<String>) {
    for (field, value) in theirs.as_object().unwrap() {
        let place = format!("{place}: {field}");
        match (value, &got[field]) {
            (Value::Object(_), Value::Object(_)) => compare(&place, value, &got[field], has_gaps, found),
            // The truth gives up a stream at its first gap, and joins no fragments.
            (Value::Null, _) if field == "response" && has_gaps => {}
            (Value::Null, _) if field == "request" => {}
            (value, got) if value == got => {}
            (value, got) => found.push(format!("{place}: {got}, truth {value}")),
        }
    }
}

/// Our exchange with the truth's names for its fields.
fn in_the_truths_words(ours: &Exchange, theirs: &Value) -> Value {
    let response = match &ours.answer {
        None => Value::Null,
        Some(Answer::Fault(fault)) => json!({
            "fault": fault.status.map(|status| format!("0x{status:08x}")),
            "response_frame": fault.span.last.frame,
        }),
        Some(Answer::Response(response)) => response_in_words(ours, response, &theirs["response"]),
    };
    json!({
        "stream": ours.stream,
        "call_id": ours.call_id,
        "ctx": ours.context_id,
        "ndr": ours.ndr.to_string(),
        "request_frame": ours.request.as_ref().map(|request| request.span.last.frame),
        "request": ours.request.as_deref().map_or(Value::Null, request_in_words),
        "response": response,
    })
}

fn request_in_words(request: &RequestRecord) -> Value {
    let stub = request.stub.as_ref();
    let mut words = json!({
        "data_length": stub.map(|stub| stub.size_slot),
        "size_is": stub.map(|stub| stub.max_count),
        "stub_len": request.bytes.len(),
        "excess": stub.map(|stub| Hex(&stub.excess).to_string()),
    });
    let Some(message) = &request.message else { return words };
    let mut inner = json!({ "len": stub.map(|stub| stub.data_length) });
    if let Some(body) = message.body() {
        inner["version"] = json!(body.version.to_string());
        inner["vm_info"] = json!(body.vm_info);
        inner["license_status"] = json!(body.license_status);
        inner["binding_expiration"] = json!(body.binding_expiration);
        inner["app_id"] = json!(body.app_id.to_string());
        inner["sku_id"] = json!(body.act_id.to_string());
        inner["kms_id"] = json!(body.kms_id.to_string());
        inner["cmid"] = json!(body.cmid.to_string());
        inner["cmid_prev"] = json!(body.cmid_prev.to_string());
        inner["n_policy"] = json!(body.n_policy);
        inner["client_time"] = json!(body.client_time.0.cast_signed());
        inner["workstation_utf8_hex"] = json!(Hex(&in_vlmcsds_utf8(&body.machine_name, message)).to_string());
    }
    match message {
        RequestMessage::V4(request_message) => {
            inner["mac"] = json!(Hex(&request_message.mac).to_string());
            inner["mac_ok"] = json!(request.checks.unwrap().mac == Check::Pass);
        }
        RequestMessage::Encrypted(message) => {
            inner["iv_wire"] = json!(Hex(&message.iv).to_string());
            inner["iv_decrypted"] = json!(Hex(&message.decrypted_iv()).to_string());
            inner["pad"] = json!(Hex(&message.padding).to_string());
        }
        RequestMessage::Other { version, .. } => {
            inner["unsupported"] = json!(true);
            inner["major"] = json!(version.map(volact::kms::Version::major));
        }
    }
    words["vlmcsd"] = inner;
    words
}

/// MachineName as the truth's decoder writes it in UTF-8: where the field has no NUL, with the unit behind it; and where
/// a unit is one that it does not know (half of a surrogate pair, U+FFFF), the character before it once more (at the
/// beginning, an end). Plain names come out as they are, and equal our own text.
fn in_vlmcsds_utf8(field: &[u8; 128], message: &RequestMessage) -> Vec<u8> {
    let behind = match message {
        RequestMessage::V4(message) => [message.mac[0], message.mac[1]],
        RequestMessage::Encrypted(message) => [message.padding[0], message.padding[1]],
        RequestMessage::Other { .. } => [0, 0],
    };
    let mut out = Vec::new();
    let mut last = Vec::new();
    let units = field.as_chunks::<2>().0.iter().chain([&behind]).map(|raw| u16::from_le_bytes(*raw));
    for unit in units.take_while(|&unit| unit != 0) {
        match char::from_u32(unit.into()).filter(|&c| c != '\u{ffff}') {
            Some(c) => last = c.to_string().into_bytes(),
            None if last.is_empty() => return out,
            None => {}
        }
        out.extend(&last);
    }
    let ours = volact::wire::utf16::until_nul(field);
    let is_plain = volact::wire::utf16::is_well_formed(field)
        && volact::wire::utf16::is_terminated(field)
        && ours.chars().all(|c| c.len_utf16() == 1 && c != '\u{ffff}');
    assert!(!is_plain || ours.as_bytes() == out);
    out
}

fn response_in_words(ours: &Exchange, response: &ResponseRecord, theirs: &Value) -> Value {
    let stub = response.stub.as_ref();
    let hresult = stub.and_then(|stub| stub.hresult);
    let mut words = json!({
        "data_length": stub.map(|stub| stub.size_slot),
        "referent": stub.map(|stub| stub.referent),
        "size_is": stub.map(|stub| stub.max_count),
        "stub_len": response.bytes.len(),
        "hresult": hresult.map(|hresult| format!("0x{hresult:08X}")),
        "trailing": stub.map(|stub| Hex(&stub.excess).to_string()),
        "response_frame": response.span.last.frame,
    });
    if let Some(stub) = stub {
        let hresult = hresult.map(u32::to_le_bytes);
        let rest =
            [&stub.padding[..], hresult.as_ref().map_or(&[][..], |raw| &raw[..]), &stub.excess].concat();
        words["rest_after_body"] = json!(Hex(&rest).to_string());
    }
    let Some(body) = response.message.as_ref().and_then(ResponseMessage::body) else { return words };
    let mut inner = json!({
        "len": stub.map(|stub| stub.data_length),
        "version": body.version.to_string(),
        "pid_size": body.pid_size(),
        "epid": body.epid_text(),
        "cmid": body.cmid.to_string(),
        "client_time": body.client_time.0.cast_signed(),
        "count": body.count,
        "activation_interval": body.activation_interval,
        "renewal_interval": body.renewal_interval,
    });
    match response.message.as_ref().unwrap() {
        ResponseMessage::V4(message) => inner["mac"] = json!(Hex(&message.mac).to_string()),
        ResponseMessage::Encrypted(message) => {
            inner["iv_wire"] = json!(Hex(&message.iv).to_string());
            inner["iv_decrypted"] = json!(Hex(&message.decrypted_iv()).to_string());
            inner["random_xored_ivs"] = json!(Hex(&message.xored_salt).to_string());
            inner["hash"] = json!(Hex(&message.hash).to_string());
            if let Some(v6) = &message.v6 {
                inner["hwid"] = json!(Hex(&v6.hwid).to_string());
                inner["xored_ivs"] = json!(Hex(&v6.xored_ivs).to_string());
                inner["hmac"] = json!(Hex(&v6.hmac).to_string());
            }
        }
        ResponseMessage::Other { .. } => {}
    }
    let checks = ours.checks.as_ref().unwrap();
    let holds = |check: Check| i32::from(check != Check::Fail);
    let all = |list: &[Check]| list.iter().map(|&check| holds(check)).min().unwrap();
    inner["checks"] = json!({
        "HashOK": all(&[checks.mac, checks.hash]),
        "TimeStampOK": holds(checks.client_time_echo),
        "ClientMachineIDOK": holds(checks.cmid_echo),
        "VersionOK": all(&[checks.version_echo, checks.version_envelope]),
        "IVsOK": all(&[checks.iv_echo, checks.xored_ivs]),
        "DecryptSuccess": holds(checks.padding),
        "HmacSha256OK": holds(checks.hmac),
        "PidLengthOK": holds(checks.pid_size),
        "IVnotSuspicious": holds(checks.iv_fresh),
        "effectiveResponseSize": stub.map(|stub| stub.data_length),
        "correctResponseSize": response.message.as_ref().unwrap().expected_len(),
    });
    if theirs.get("pykms").is_some() {
        let ResponseMessage::Encrypted(message) = response.message.as_ref().unwrap() else { return words };
        let v6 = message.v6.unwrap();
        let mut pykms = json!({
            "versionMajor": body.version.major(),
            "versionMinor": body.version.minor(),
            "epidLen": body.pid_size(),
            "kmsEpid": body.epid_text(),
            "clientMachineId": body.cmid.to_string(),
            "responseTime": body.client_time.0.cast_signed(),
            "currentClientCount": body.count,
            "vLActivationInterval": body.activation_interval,
            "vLRenewalInterval": body.renewal_interval,
            "keys": Hex(&message.xored_salt).to_string(),
            "hash": Hex(&message.hash).to_string(),
            "hwid": Hex(&v6.hwid).to_string(),
            "xorSalts": Hex(&v6.xored_ivs).to_string(),
            "hmac": Hex(&v6.hmac).to_string(),
        });
        // py-kms's own name for the response's IV, decrypted or not.
        for iv in [message.iv, message.decrypted_iv()] {
            if theirs["pykms"]["salt"] == Hex(&iv).to_string() {
                pykms["salt"] = json!(Hex(&iv).to_string());
            }
        }
        words["pykms"] = pykms;
        return words;
    }
    words["vlmcsd"] = inner;
    words
}

#[test]
fn every_shared_capture_equals_its_truth() {
    let names = support::names();
    assert_eq!(names.len(), 76);
    let found: Vec<String> = names.iter().flat_map(|name| differences(name)).collect();
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_comparison_sees_a_single_wrong_digit() {
    let name = "vlmcs_vlmcsd_v6_default.pcap";
    let decoded = support::decode(name);
    for (pointer, wrong) in [
        ("/pdus/3/flags", json!(2)),
        ("/pdus/3/last_frame", json!(10)),
        ("/exchanges/1/ndr", json!("NDR32")),
        ("/exchanges/1/request/vlmcsd/pad", json!("04040405")),
        ("/exchanges/1/response/vlmcsd/hmac", json!("00")),
        ("/exchanges/1/response/vlmcsd/checks/HashOK", json!(0)),
        ("/exchanges/2/response", Value::Null),
    ] {
        let mut truth = support::truth(name);
        *truth.pointer_mut(pointer).unwrap() = wrong;
        let mut found = Vec::new();
        compare_pdus(&decoded, &truth, &mut found);
        compare_exchanges(&decoded, &truth, &mut found);
        assert_eq!(found.len(), 1, "{pointer}: {found:?}");
    }
}

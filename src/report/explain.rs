mod messages;

use std::fmt::Write as _;

use crate::catalog::{hresult, lcid, license_status, product};
use crate::directory::{oid, schema};
use crate::kms::{Ndr, RequestChecks, RequestMessage, RequestStub, ResponseMessage, ResponseStub};
use crate::mak::{ErrorCode, Id, IdErrorKind};
use crate::rpc::{self, Body, Header, Pdu, SyntaxId, TransferSyntax};
use crate::vmbus::ChannelClass;
use crate::wire::{Endianness, Epid, Guid, caret_dump, parse_hex};

use super::fields::{self, Fields};
use super::names;

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The explanation, a few lines.
    pub text: String,
    /// False for an installation or confirmation ID of which something is wrong.
    pub is_valid: bool,
}

/// What a value is: an HRESULT (a number or a symbol), an ErrorCode of MAK's services, a GUID, an extended product id, an
/// attribute or a class of activation objects (its name or OID), an installation ID, a confirmation ID, or the hex of a
/// PDU, a stub or a message. `None` where it is nothing that is known; a value can be several things.
///
/// ```
/// use volact::report::explain;
///
/// let code = explain("0xC004F042").unwrap();
/// assert!(code.text.starts_with("HRESULT 0xC004F042 SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH"));
/// assert!(!explain("154814 744406 423500 209405 874111 676042 686056").unwrap().is_valid);
/// assert_eq!(explain("nothing of the kind"), None);
/// ```
#[must_use]
pub fn explain(value: &str) -> Option<Explanation> {
    let value = value.trim();
    let mut out = String::new();
    if Epid::parse(value).is_err()
        && let Ok(id) = Id::parse(value)
    {
        explain_id(&mut out, &id);
        return Some(Explanation { text: out, is_valid: true });
    }
    if let Some(guid) = Guid::parse(value) {
        explain_guid(&mut out, guid);
    }
    if value.contains('-') {
        explain_epid(&mut out, value);
    }
    explain_schema(&mut out, value);
    if let Some(code) = hresult::by_symbol(value) {
        explain_hresult(&mut out, code);
    } else {
        explain_number(&mut out, value);
    }
    // Eight digits are a number, thirty-two a GUID; what is longer than either can be bytes.
    if let Ok(bytes) = parse_hex(value)
        && bytes.len() >= 12
        && bytes.len() != 16
    {
        explain_bytes(&mut out, &bytes);
    }
    // Digits are in extended product ids and in hex as well: an ID with mistakes is what nothing else explains.
    let is_valid = !(out.is_empty() && explain_wrong_id(&mut out, value));
    (!out.is_empty()).then_some(Explanation { text: out, is_valid })
}

fn explain_id(out: &mut String, id: &Id) {
    let kind = id.kind();
    let _ = writeln!(out, "{}, {} digits: {}", kind.noun(), kind.digits(), names::products_of(kind));
    for (i, group) in (0..).zip(id.groups()) {
        let _ = match kind.is_confirmation() {
            true => writeln!(out, "  {}  {group}", char::from(b'A' + i)),
            false => writeln!(out, "  {}  {group}", i + 1),
        };
    }
    let _ = writeln!(out, "  every check digit holds; {UNNOTICED}");
}

/// Says what is wrong with an installation or a confirmation ID; false for what is neither by far.
fn explain_wrong_id(out: &mut String, value: &str) -> bool {
    if value.chars().filter(char::is_ascii_digit).count() < FEWEST_DIGITS {
        return false;
    }
    match Id::parse(value) {
        Err(error) if !matches!(error.kind, IdErrorKind::Character { .. }) => {
            let _ = writeln!(out, "{}", error.to_string().replace('\n', "\n  "));
            true
        }
        _ => false,
    }
}

/// Digits from which on a text is taken for an ID; the shortest has 42.
const FEWEST_DIGITS: usize = 36;

const UNNOTICED: &str = "they do not tell 0 from 7, 1 from 8 and 2 from 9";

fn put(out: &mut String, fields: &Fields) {
    for line in fields.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

fn explain_guid(out: &mut String, guid: Guid) {
    if let Some(application) = product::application(guid) {
        let _ = writeln!(out, "application id {guid}: {}", application.name);
    }
    if let Some(kms) = product::kms_id(guid) {
        let (major, minor) = kms.protocol;
        let _ = writeln!(out, "KMS id {guid}: {}", kms.name);
        let _ = writeln!(out, "  application  {}", names::guid(kms.application));
        let _ = writeln!(out, "  N-Policy     {}", kms.policy);
        let _ = writeln!(out, "  protocol     {major}.{minor}");
    }
    if let Some(sku) = product::sku(guid) {
        let _ = writeln!(out, "SKU (activation id) {guid}: {}", sku.name);
        let _ = writeln!(out, "  KMS id  {}", names::guid(sku.kms_id));
    }
    if let Some(name) = rpc::interface_name(guid) {
        let _ = writeln!(out, "RPC interface {guid}: {name}");
    }
    match (SyntaxId { uuid: guid, version: 1 }).transfer() {
        TransferSyntax::Other(_) => {}
        syntax => {
            let _ = writeln!(out, "transfer syntax {guid}: {syntax}");
        }
    }
    for class in ChannelClass::all() {
        let what = match (class.class_id(), class.instance_id()) {
            (Some(id), _) if id == guid => "class",
            (_, Some(id)) if id == guid => "instance",
            _ => continue,
        };
        let _ = writeln!(out, "VMBus channel {what} {guid}: {}", class.name());
        if let Some(remark) = class.remark() {
            let _ = writeln!(out, "  {remark}");
        }
    }
    if guid == rpc::EXTENDED_ERROR_SIGNATURE {
        let _ = writeln!(out, "signature {guid}: extended error information behind a bind_nak");
    }
    if out.is_empty() {
        let _ = writeln!(out, "GUID {guid}: not in the catalog");
    }
}

fn explain_epid(out: &mut String, value: &str) {
    if let Some(parts) = names::EpidParts::of(value) {
        let _ = writeln!(out, "extended product id {value}: {parts}");
        put(out, &fields::epid(value));
    }
}

fn explain_hresult(out: &mut String, code: u32) {
    let _ = writeln!(out, "HRESULT {}", names::hresult(code));
    if let Some(remedy) = hresult::remedy(code) {
        let _ = writeln!(out, "  {remedy}");
    }
}

/// An attribute or a class of activation objects, an operation or a control of LDAP: by its name or its OID.
fn explain_schema(out: &mut String, value: &str) {
    if let Some(attribute) = schema::described(value) {
        let _ = writeln!(out, "attribute {} of activation objects", attribute.name);
        put(out, &fields::attribute(attribute));
    }
    if let Some(class) = schema::class(value) {
        let _ = writeln!(out, "class {} of Active Directory", class.name);
        put(out, &fields::class(class));
    }
    if let Some(name) = oid::name(value) {
        let _ = writeln!(out, "LDAP {value}: {name}");
    }
}

/// Hex with or without `0x`, or decimal, negative as signed 32 bits.
fn explain_number(out: &mut String, value: &str) {
    let hex = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    let as_hex = match hex {
        Some(digits) if digits.len() <= 8 => u32::from_str_radix(digits, 16).ok(),
        None if value.len() == 8 => u32::from_str_radix(value, 16).ok(),
        _ => None,
    };
    let as_decimal = if hex.is_some() {
        None
    } else {
        value.parse::<u32>().ok().or_else(|| value.parse::<i32>().ok().map(i32::cast_unsigned))
    };
    for (number, is_decimal) in [(as_hex, false), (as_decimal, true)] {
        let Some(number) = number else { continue };
        let has_severity = number >> 31 == 1 || number >> 28 == 4;
        if hresult::symbol(number).is_some() || hresult::describe(number).is_some() || has_severity {
            explain_hresult(out, number);
        }
        let code = ErrorCode(number);
        if let (Some(meaning), Some(authority), false) = (code.meaning(), code.authority(), is_decimal) {
            let _ = writeln!(out, "BatchActivation ErrorCode {code}: {meaning} (says {authority})");
        }
        if let Some(name) = rpc::fault_status_name(number) {
            let _ = writeln!(out, "RPC fault status 0x{number:08x} {name}");
        }
        if let Some(known) = lcid::lookup(number) {
            let _ = writeln!(out, "LCID {number} (0x{number:04x}): {} ({})", known.tag, known.name);
        }
        if let Some(build) = crate::catalog::host::build(number).filter(|_| is_decimal) {
            let _ = writeln!(out, "host build {number}: {}", build.name);
        }
        if let Some(name) = license_status::name(number).filter(|_| is_decimal) {
            let _ = writeln!(out, "LicenseStatus {number}: {name}");
        }
    }
}

/// What bytes are; empty for nothing known.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    if !bytes.is_empty() {
        explain_bytes(&mut out, bytes);
    }
    out
}

fn explain_bytes(out: &mut String, bytes: &[u8]) {
    if bytes[0] == 5
        && let Ok((pdu, error)) = Pdu::parse_lax(bytes)
    {
        explain_pdu(out, &pdu, bytes);
        if let Some(error) = error {
            let _ = writeln!(out, "{error}");
            out.push_str(&caret_dump(bytes, error.offset));
        }
        return;
    }
    if let Ok(header) = Header::parse(bytes)
        && header.is_plausible()
    {
        let _ = writeln!(
            out,
            "{} PDU, cut: needed {} bytes, got {}",
            header.ptype,
            header.frag_length,
            bytes.len()
        );
        put(out, &fields::header(&header));
        return;
    }
    if explain_message(out, bytes, "") {
        return;
    }
    for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
        if explain_stub(out, bytes, ndr, Endianness::Little) {
            return;
        }
    }
    messages::explain(out, bytes);
}

fn explain_pdu(out: &mut String, pdu: &Pdu<'_>, bytes: &[u8]) {
    let length = usize::from(pdu.header.frag_length);
    let _ = writeln!(out, "{} PDU, {length} bytes", pdu.header.ptype);
    put(out, &fields::pdu(pdu));
    let endianness = pdu.header.drep.endianness();
    let stub = match &pdu.body {
        Body::Request(request) => request.stub,
        Body::Response(response) => response.stub,
        _ => &[],
    };
    for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
        if explain_stub(out, stub, ndr, endianness) {
            break;
        }
    }
    if bytes.len() > length {
        let _ = writeln!(out, "{} more bytes behind it:", bytes.len() - length);
        explain_bytes(out, &bytes[length..]);
    }
}

/// Says what a stub holds, where its counts fit.
fn explain_stub(out: &mut String, stub: &[u8], ndr: Ndr, endianness: Endianness) -> bool {
    if let Ok(request) = RequestStub::parse(stub, ndr, endianness)
        && request.is_consistent()
        && request.size >= 4
    {
        let _ = writeln!(out, "request stub, {ndr}: {} bytes of data", request.size);
        return explain_message(out, request.data, "request") || out.ends_with('\n');
    }
    if let Ok(response) = ResponseStub::parse(stub, ndr, endianness)
        && response.missing() == 0
        && let Some(hresult) = response.hresult
    {
        match response.max_count {
            Some(count) if count == u64::from(response.size) && count >= 4 => {
                let _ = writeln!(out, "response stub, {ndr}: {count} bytes of data, HRESULT 0x{hresult:08X}");
                let _ = explain_message(out, response.data, "response");
                return true;
            }
            None if response.size == 0 && response.excess.is_empty() => {
                let _ = writeln!(out, "error response stub, {ndr}: {}", names::hresult(hresult));
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Says what a message is: a request by its exact length, else a response whose plain text makes sense.
fn explain_message(out: &mut String, bytes: &[u8], wanted: &str) -> bool {
    let request = RequestMessage::decode(bytes);
    let is_exact = matches!(bytes.len(), RequestMessage::V4_LEN | RequestMessage::ENCRYPTED_LEN);
    let is_request = wanted == "request"
        || (wanted.is_empty()
            && is_exact
            && RequestChecks::of(&request).is_some_and(|checks| {
                checks.by_name().iter().all(|(_, check)| *check != crate::kms::Check::Fail)
            }));
    if is_request && request.body().is_some() {
        let _ = writeln!(out, "KMS request, {} bytes", bytes.len());
        put(out, &fields::request(&request));
        if let Some(checks) = RequestChecks::of(&request) {
            put(out, &fields::checks(&checks.by_name(), None));
        }
        return true;
    }
    let response = ResponseMessage::decode(bytes);
    if wanted != "request" && response.body().is_some_and(|body| (2..=128).contains(&body.pid_size())) {
        let _ = writeln!(out, "KMS response, {} bytes", bytes.len());
        put(out, &fields::response(&response));
        if let Some(checks) = crate::kms::ResponseChecks::of(&response, None) {
            put(out, &fields::checks(&checks.by_name(), checks.hmac_slot));
        }
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        explain(value).unwrap_or_else(|| panic!("{value}")).text
    }

    #[test]
    fn the_guids_of_channels_are_explained_and_the_mislabelled_pair_says_so() {
        assert_eq!(
            text("3375baf4-9e15-4b30-b765-67acb10d607b"),
            "VMBus channel class 3375baf4-9e15-4b30-b765-67acb10d607b: avma\n"
        );
        assert_eq!(
            text("242ff919-07db-4180-9c2e-b86cb68c8c55"),
            "VMBus channel instance 242ff919-07db-4180-9c2e-b86cb68c8c55: kvp\n"
        );
        for guid in ["f8e65716-3cb3-4a06-9a60-1889c5cccab5", "99221fa0-24ad-11e2-be98-001aa01bbf6e"] {
            let text = text(guid);
            assert!(text.contains(": synthrdp-control\n") && text.contains("by mistake"), "{text}");
        }
    }

    #[test]
    fn the_schema_is_explained_by_name_and_by_oid() {
        let by_name = text("msspp-kmsids");
        assert_eq!(by_name, text("1.2.840.113556.1.4.2082"));
        assert_eq!(
            by_name,
            "attribute msSPP-KMSIds of activation objects\n  \
             OID      1.2.840.113556.1.4.2082\n  \
             syntax   octets (2.5.5.10)\n  \
             length   16 bytes\n  \
             values   several\n  \
             must be  yes\n"
        );
        let class = text("msSPP-ActivationObject");
        assert_eq!(class, text("1.2.840.113556.1.5.267"));
        assert!(class.contains("must have  msSPP-KMSIds, msSPP-CSVLKSkuId, "), "{class}");
        assert_eq!(text("1.3.6.1.4.1.1466.20037"), "LDAP 1.3.6.1.4.1.1466.20037: StartTLS\n");
    }

    #[test]
    fn what_can_be_done_about_a_code_is_said() {
        for (value, remedy) in [
            ("0x8007232B", "slmgr /skms"),
            ("DNS_INFO_NO_RECORDS", "Publish the SRV record"),
            ("0xC004FD02", "Activate the host"),
        ] {
            let text = text(value);
            assert!(text.lines().nth(1).is_some_and(|line| line.contains(remedy)), "{text}");
        }
        for code in 0xC004_FD00_u32..=0xC004_FD04 {
            assert!(text(&format!("0x{code:08X}")).contains(": "), "{code:08X}");
        }
    }
}

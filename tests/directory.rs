//! LDAP and LDIF against messages that others made (`directory/ldap3_messages.py` says how), against the crate that parses
//! LDAP, and against damage.

use ldap_parser::FromBer as _;
use ldap_parser::ldap::{LdapMessage, ProtocolOp};
use proptest::prelude::*;
use volact::directory::{
    ActivationObject, Authentication, BindRequest, BindResponse, Ending, Event, Found, LicenseHint,
    LicenseKind, MAX_HELD, MAX_MESSAGE, MAX_OUTSTANDING, Message, Operation, ResultCode, SearchExchange,
    SearchRequest, Session, Side, is_activation_search, ldif, oid,
};
use volact::wire::{Guid, parse_hex};

const MESSAGES: &str = include_str!("directory/ldap3.hex");
const EXPORT: &[u8] = include_bytes!("directory/ldap3.ldif");
const DN: &str =
    "CN=Test Object 7,CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=test,DC=example";

/// A message that ldap3 and pyasn1 made.
fn made(name: &str) -> Vec<u8> {
    let of =
        |line: &str| line.split_once(' ').filter(|(n, _)| *n == name).map(|(_, hex)| parse_hex(hex).unwrap());
    MESSAGES.lines().find_map(of).unwrap_or_else(|| panic!("no message {name}"))
}

fn read(name: &str) -> Operation {
    let message = Message::parse(&made(name)).unwrap();
    assert_eq!(message.error, None, "{name}");
    message.operation
}

fn search(name: &str) -> SearchRequest {
    match read(name) {
        Operation::SearchRequest(request) => request,
        other => panic!("{other:?}"),
    }
}

/// An element: identifier, length, contents.
fn ber(identifier: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![identifier];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            out.push(0x84);
            out.extend(u32::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    ber(0x30, &parts.concat())
}

fn text(text: &str) -> Vec<u8> {
    ber(4, text.as_bytes())
}

fn message(id: u8, operation: u8, content: &[u8]) -> Vec<u8> {
    sequence(&[ber(2, &[id]), ber(operation, content)])
}

fn result(code: u8) -> Vec<u8> {
    [ber(0x0a, &[code]), text(""), text("")].concat()
}

fn search_request(id: u8, base: &str, filter: &[u8], attributes: &[&str]) -> Vec<u8> {
    let attributes: Vec<Vec<u8>> = attributes.iter().map(|name| text(name)).collect();
    let head = [ber(0x0a, &[1]), ber(0x0a, &[0]), ber(2, &[0]), ber(2, &[0]), ber(1, &[0])].concat();
    message(id, 0x63, &[text(base), head, filter.to_vec(), sequence(&attributes)].concat())
}

fn entry(id: u8, dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, &[&[u8]])| {
        let values: Vec<u8> = values.iter().flat_map(|value| ber(4, value)).collect();
        sequence(&[text(name), ber(0x31, &values)])
    };
    let attributes: Vec<Vec<u8>> = attributes.iter().map(attribute).collect();
    message(id, 0x64, &[text(dn), sequence(&attributes)].concat())
}

#[test]
fn the_helper_writes_what_the_crate_that_parses_ldap_reads() {
    let bytes = entry(6, DN, &[("cn", &[b"a", b"b"])]);
    let (rest, theirs) = LdapMessage::from_ber(&bytes).unwrap();
    assert!(rest.is_empty());
    assert!(
        matches!(theirs.protocol_op, ProtocolOp::SearchResultEntry(e) if e.attributes[0].attr_vals.len() == 2)
    );
}

#[test]
fn every_message_of_ldap3_is_read_whole_and_as_the_crate_reads_it() {
    assert_eq!(MESSAGES.lines().count(), 22);
    for line in MESSAGES.lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes = parse_hex(hex).unwrap();
        let ours = Message::parse(&bytes).unwrap();
        assert_eq!(ours.error, None, "{name}");
        let (_, theirs) = LdapMessage::from_ber(&bytes).unwrap();
        assert_eq!(ours.id, theirs.message_id.0, "{name}");
        if let Some(result) = theirs.protocol_op.result() {
            let ours = ours.operation.result().unwrap();
            assert_eq!(
                (ours.code.0, &*ours.matched_dn, &*ours.diagnostic),
                (result.result_code.0, &*result.matched_dn.0, &*result.diagnostic_message.0),
                "{name}"
            );
        }
    }
}

#[test]
fn binds_keep_no_password_and_no_credentials() {
    let Operation::BindRequest(simple) = read("bind_simple") else { panic!() };
    assert_eq!((simple.version, &*simple.name), (3, "CN=Reader,DC=test"));
    assert_eq!(simple.authentication, Some(Authentication::Simple { password_length: 8 }));
    assert!(!format!("{simple:?}").contains("not kept"));
    assert_eq!(
        read("bind_anonymous"),
        Operation::BindRequest(BindRequest {
            version: 3,
            name: String::new(),
            authentication: Some(Authentication::Simple { password_length: 0 }),
        })
    );
    let Operation::BindRequest(sasl) = read("bind_sasl") else { panic!() };
    let mechanism = "GSS-SPNEGO".to_owned();
    assert_eq!(sasl.authentication, Some(Authentication::Sasl { mechanism, credentials_length: Some(12) }));
    let Operation::BindResponse(BindResponse { result, sasl_credentials_length }) = read("bind_in_progress")
    else {
        panic!()
    };
    assert_eq!((result.code, sasl_credentials_length), (ResultCode::SASL_BIND_IN_PROGRESS, Some(12)));
    assert_eq!(read("bind_refused").result().unwrap().code.to_string(), "invalidCredentials(49)");
}

#[test]
fn a_search_for_activation_objects_is_read_to_the_last_control() {
    let message = Message::parse(&made("activation_search")).unwrap();
    let controls: Vec<_> =
        message.controls.iter().map(|c| (oid::name(&c.oid), c.is_critical, c.value_length)).collect();
    assert_eq!(
        controls,
        [(Some("paged results"), true, Some(7)), (Some("security descriptor flags"), false, None)]
    );
    let request = search("activation_search");
    assert!(request.base.starts_with("CN=Activation Objects,CN=Microsoft SPP,"));
    assert_eq!(request.scope.to_string(), "singleLevel");
    assert_eq!(request.dereference.to_string(), "neverDerefAliases");
    assert_eq!((request.size_limit, request.time_limit, request.types_only), (1000, 120, false));
    assert_eq!(request.filter.as_ref().unwrap().to_string(), "(objectClass=msSPP-ActivationObject)");
    assert!(request.asks_for("MSSPP-CSVLKPID") && !request.asks_for("msSPP-KMSIds"));
    assert!(is_activation_search(&request));
    let root = search("root_dse");
    assert_eq!(
        (&*root.base, root.scope.0, &*root.attributes),
        ("", 0, &["configurationNamingContext".to_owned()][..])
    );
    assert!(!is_activation_search(&root));
}

#[test]
fn a_filter_of_all_kinds_is_written_as_it_was_asked() {
    let request = search("filter_of_all_kinds");
    assert_eq!(
        request.filter.as_ref().unwrap().to_string(),
        "(&(|(a=1)(!(b=\\2a\\ff)))(c=x*y*z)(d=*mid*)(e>=5)(f<=6)(g=*)(h~=i)(j:dn:2.4.6:=k)(:1.2.3:=l)\
         (msSPP-KMSIds=\\00\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f))"
    );
    assert!(request.types_only && request.asks_for("anything"));
    assert!(is_activation_search(&request));
}

#[test]
fn a_search_is_one_for_activation_objects_by_its_base_its_filter_or_its_attributes() {
    let present = ber(0x87, b"objectClass");
    let class = |value: &str| ber(0xa3, &[text("objectClass"), text(value)].concat());
    let category = ber(
        0xa3,
        &[text("objectCategory"), text("CN=ms-SPP-Activation-Object,CN=Schema,CN=Configuration,DC=x")]
            .concat(),
    );
    let nested = ber(0xa2, &ber(0xa0, &[present.clone(), ber(0x87, b"msspp-kmsids")].concat()));
    for (base, filter, attributes, expected) in [
        (DN, &present, &[][..], true),
        ("DC=test", &present, &["cn"], false),
        ("no DN", &present, &["cn"], false),
        ("DC=test", &present, &["cn", "MSSPP-KMSIDS;range=0-1499"], true),
        ("DC=test", &present, &["1.2.840.113556.1.4.2082"], true),
        ("DC=test", &class("MSSPP-ActivationObject"), &[], true),
        ("DC=test", &class("msSPP-ActivationObjectsContainer"), &[], true),
        ("DC=test", &class("1.2.840.113556.1.5.267"), &[], true),
        ("DC=test", &class("user"), &[], false),
        ("DC=test", &category, &[], true),
        ("DC=test", &nested, &[], true),
    ] {
        let bytes = search_request(1, base, filter, attributes);
        let Operation::SearchRequest(request) = Message::parse(&bytes).unwrap().operation else { panic!() };
        assert_eq!(is_activation_search(&request), expected, "{base} {:?} {attributes:?}", request.filter);
    }
}

fn test_object() -> ActivationObject {
    match read("activation_object") {
        Operation::SearchResultEntry(entry) => ActivationObject::of(&entry).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_activation_object_has_all_its_attributes_typed() {
    let object = test_object();
    assert_eq!((&*object.dn, object.cn.as_deref()), (DN, Some("Test Object 7")));
    assert_eq!(object.display_name.as_deref(), Some("Prüfobjekt"));
    assert_eq!(object.object_class, ["top", "msSPP-ActivationObject"]);
    assert_eq!(object.csvlk_sku_id, Guid::parse("03020100-0504-0706-0809-0a0b0c0d0e0f"));
    let ids: Vec<String> = object.kms_ids.iter().map(Guid::to_string).collect();
    assert_eq!(ids, ["13121110-1514-1716-1819-1a1b1c1d1e1f", "23222120-2524-2726-2829-2a2b2c2d2e2f"]);
    assert_eq!(object.csvlk_pid.as_deref(), Some("00000-00000-000-000000-00-0000-0000.0000-0000000"));
    assert_eq!(object.partial_product_key.as_deref(), Some("TEST7"));
    assert_eq!(object.installation_id.map(|id| id.len()), Some(63));
    assert_eq!(object.confirmation_id.map(|id| id.len()), Some(48));
    let licenses: Vec<_> = object.licenses.iter().map(|l| (l.kind, l.length, l.hint.clone())).collect();
    assert_eq!(
        licenses,
        [
            (LicenseKind::Config, 508, LicenseHint::Xrml { root: "licenseGroup".to_owned() }),
            (LicenseKind::Issuance, 304, LicenseHint::Der),
        ]
    );
    let other: Vec<_> = object.other.iter().map(|o| (&*o.description, o.count, &*o.lengths)).collect();
    assert_eq!(other, [("whenCreated", 1, &[17][..])]);
    assert!(object.missing.is_empty() && object.problems.is_empty());
}

#[test]
fn the_add_request_that_makes_an_object_has_the_same_attributes() {
    let Operation::AddRequest(entry) = read("add") else { panic!() };
    assert_eq!(ActivationObject::of(&entry).unwrap(), test_object());
}

#[test]
fn other_operations_are_named_with_what_they_are_about() {
    for (name, operation, expected) in [
        ("delete", "delRequest", Some(DN)),
        ("modify", "modifyRequest", Some(DN)),
        ("unbind", "unbindRequest", None),
        ("abandon", "abandonRequest", None),
        ("added", "addResponse", None),
        ("reference", "searchResRef", None),
        ("start_tls", "extendedReq", None),
    ] {
        let read = read(name);
        assert_eq!(read.name(), operation);
        assert_eq!(if let Operation::Other { dn, .. } = &read { dn.as_deref() } else { None }, expected);
    }
    assert_eq!(read("abandon"), Operation::AbandonRequest(6));
    let uri = format!("ldap://other.test/{}", DN.split_once(',').unwrap().1);
    assert_eq!(read("reference"), Operation::SearchResultReference(vec![uri]));
}

#[test]
fn a_missing_container_and_referrals_are_told_apart() {
    let missing = read("no_such_object");
    let missing = missing.result().unwrap();
    assert_eq!(missing.code, ResultCode::NO_SUCH_OBJECT);
    assert_eq!(missing.matched_dn, "CN=Services,CN=Configuration,DC=test,DC=example");
    assert_eq!(missing.diagnostic, "0000208D: NameErr");
    let referral = read("referral");
    let referral = referral.result().unwrap();
    assert_eq!(referral.code, ResultCode::REFERRAL);
    assert_eq!(referral.referrals, ["ldap://a.test/DC=a", "ldap://b.test/DC=b"]);
}

/// The error of a message, and the operation that was read in spite of it.
fn broken(bytes: &[u8]) -> (String, Operation) {
    let message = Message::parse(bytes).unwrap();
    (message.error.map(|error| error.to_string()).unwrap_or_default(), message.operation)
}

#[test]
fn a_message_without_an_id_or_an_operation_is_none() {
    for (bytes, expected) in [
        (&b""[..], "LDAP: LDAPMessage at offset 0: needed 2 bytes, got 0"),
        (b"\x31\x00", "LDAP: LDAPMessage at offset 0: expected a SEQUENCE (0x30), got 49 (0x31)"),
        (b"\x30\x80\x02\x01\x01", "LDAP: LDAPMessage at offset 1: a length of the indefinite form"),
        (b"\x30\x00", "LDAP: messageID at offset 2: needed 2 bytes, got 0"),
        (b"\x30\x03\x04\x01\x01", "LDAP: messageID at offset 2: expected an INTEGER (0x02), got 4 (0x4)"),
        (b"\x30\x03\x02\x01\xff", "LDAP: messageID at offset 2: no number of 0..=4294967295"),
        (b"\x30\x03\x02\x01\x01", "LDAP: protocolOp at offset 5: needed 2 bytes, got 0"),
        (b"\x30\x05\x02\x03\x01", "LDAP: messageID at offset 4: needed 3 bytes, got 1"),
    ] {
        assert_eq!(Message::parse(bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_stands_in_front_of_an_error_is_kept() {
    let whole = entry(6, "CN=a", &[("cn", &[b"a"]), ("msSPP-KMSIds", &[b"0123456789abcdef", b"x"])]);
    for end in 0..whole.len() {
        let Ok(message) = Message::parse(&whole[..end]) else { continue };
        let error = message.error.expect("it is cut");
        assert!(error.offset <= end, "{error}");
        if let Operation::SearchResultEntry(entry) = message.operation {
            assert_eq!(entry.dn, "CN=a");
            assert!(entry.attributes.iter().all(|a| a.values.iter().all(|v| [1, 16].contains(&v.len()))));
        }
    }
    let (error, operation) = broken(&whole[..whole.len() - 1]);
    assert!(error.starts_with("LDAP: LDAPMessage at offset 2: needed "), "{error}");
    let Operation::SearchResultEntry(entry) = operation else { panic!() };
    assert_eq!(entry.attributes.len(), 2);
    assert_eq!(entry.attributes[1].values, [b"0123456789abcdef"]);
}

#[test]
fn every_wrong_field_is_named_with_its_place() {
    let bad_list = message(1, 0x64, &[text("CN=a"), ber(0x31, &[])].concat());
    let bad_attribute = message(1, 0x64, &[text("CN=a"), sequence(&[ber(0x31, &[])])].concat());
    let bad_type = message(
        1,
        0x64,
        &[
            text("CN=a"),
            sequence(&[sequence(&[ber(2, &[1])]), sequence(&[text("cn"), ber(0x31, &text("x"))])]),
        ]
        .concat(),
    );
    let bad_values =
        message(1, 0x64, &[text("CN=a"), sequence(&[sequence(&[text("cn"), ber(0x30, &[])])])].concat());
    let bad_value = message(
        1,
        0x64,
        &[text("CN=a"), sequence(&[sequence(&[text("cn"), ber(0x31, &ber(2, &[1]))])])].concat(),
    );
    for (bytes, expected, dn) in [
        (bad_list, "LDAP: attributes at offset 13: expected a SEQUENCE (0x30), got 49 (0x31)", "CN=a 0"),
        (bad_attribute, "LDAP: attribute at offset 15: expected a SEQUENCE (0x30), got 49 (0x31)", "CN=a 0"),
        (bad_type, "LDAP: type at offset 17: expected an OCTET STRING (0x04), got 2 (0x2)", "CN=a 1"),
        (bad_values, "LDAP: vals at offset 21: expected a SET (0x31), got 48 (0x30)", "CN=a 1"),
        (bad_value, "LDAP: value at offset 23: expected an OCTET STRING (0x04), got 2 (0x2)", "CN=a 1"),
    ] {
        let (error, operation) = broken(&bytes);
        assert_eq!(error, expected);
        let Operation::SearchResultEntry(entry) = operation else { panic!() };
        assert_eq!(format!("{} {}", entry.dn, entry.attributes.len()), dn);
    }
    let filter = ber(0x87, b"cn");
    let request = search_request(1, "DC=x", &filter, &["cn"]);
    let at = request.windows(3).position(|w| w == [0x0a, 1, 1]).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = request.clone();
        bytes[at] = to;
        broken(&bytes)
    };
    let (error, operation) = changed(at, 2);
    assert_eq!(error, "LDAP: scope at offset 13: expected an ENUMERATED (0x0a), got 2 (0x2)");
    assert_eq!(operation.name(), "searchRequest");
    assert_eq!(operation, Operation::Other { tag: 0x63, dn: None });
    assert_eq!(changed(at + 12, 2).0, "LDAP: typesOnly at offset 25: expected a BOOLEAN (0x01), got 2 (0x2)");
    let (error, operation) = changed(at + 15, 0x8a);
    assert_eq!(error, "LDAP: filter at offset 28: a filter of no kind that there is");
    let Operation::SearchRequest(read) = operation else { panic!() };
    assert_eq!((read.filter, &*read.attributes), (None, &["cn".to_owned()][..]));
    let (error, operation) = changed(at + 19, 0x31);
    assert_eq!(error, "LDAP: attributes at offset 32: expected a SEQUENCE (0x30), got 49 (0x31)");
    assert!(matches!(operation, Operation::SearchRequest(read) if read.filter.is_some()));
    let (error, operation) = changed(at + 21, 2);
    assert_eq!(error, "LDAP: selector at offset 34: expected an OCTET STRING (0x04), got 2 (0x2)");
    assert!(matches!(operation, Operation::SearchRequest(read) if read.attributes.is_empty()));
}

#[test]
fn results_binds_and_extended_operations_are_read_as_far_as_they_go() {
    let cases: [(Vec<u8>, &str); 14] = [
        (message(1, 0x65, &[]), "LDAP: resultCode at offset 7: needed 2 bytes, got 0"),
        (message(1, 0x65, &ber(0x0a, &[0])), "LDAP: matchedDN at offset 10: needed 2 bytes, got 0"),
        (
            message(1, 0x65, &[result(0), vec![0xa4, 0]].concat()),
            "LDAP: protocolOp at offset 14: more behind the last field that is known",
        ),
        (
            message(1, 0x65, &[result(10), ber(0xa3, &ber(2, &[1]))].concat()),
            "LDAP: referral at offset 16: expected an OCTET STRING (0x04), got 2 (0x2)",
        ),
        (
            message(1, 0x60, &[ber(2, &[3]), text("")].concat()),
            "LDAP: authentication at offset 12: needed 2 bytes, got 0",
        ),
        (
            message(1, 0x60, &[ber(2, &[3]), text(""), ber(0xa3, &[])].concat()),
            "LDAP: mechanism at offset 14: needed 2 bytes, got 0",
        ),
        (
            message(
                1,
                0x60,
                &[ber(2, &[3]), text(""), ber(0xa3, &[text("X"), ber(2, &[1])].concat())].concat(),
            ),
            "LDAP: credentials at offset 17: expected an OCTET STRING (0x04), got 2 (0x2)",
        ),
        (
            message(1, 0x61, &[result(0), vec![0x87, 9]].concat()),
            "LDAP: serverSaslCreds at offset 16: needed 9 bytes, got 0",
        ),
        (message(1, 0x77, &[]), "LDAP: requestName at offset 7: needed 2 bytes, got 0"),
        (
            message(1, 0x77, &[ber(0x80, b"1.2"), vec![0x81, 4]].concat()),
            "LDAP: requestValue at offset 14: needed 4 bytes, got 0",
        ),
        (
            message(1, 0x78, &[result(0), vec![0x8a, 9]].concat()),
            "LDAP: responseName at offset 16: needed 9 bytes, got 0",
        ),
        (message(1, 0x50, &[]), "LDAP: abandonRequest at offset 5: no number of 0..=4294967295"),
        (message(1, 0x7e, &[]), "LDAP: protocolOp at offset 5: an operation of no kind that there is"),
        (
            sequence(&[ber(2, &[1]), ber(0x65, &result(0)), ber(0xa0, &sequence(&[ber(2, &[1])]))]),
            "LDAP: controlType at offset 18: expected an OCTET STRING (0x04), got 2 (0x2)",
        ),
    ];
    for (bytes, expected) in cases {
        let (error, operation) = broken(&bytes);
        assert_eq!(error, expected, "{operation:?}");
    }
    let unknown = broken(&message(1, 0x60, &[ber(2, &[3]), text(""), ber(0x8a, b"x")].concat()));
    let Operation::BindRequest(bind) = unknown.1 else { panic!() };
    assert_eq!((unknown.0.as_str(), bind.authentication.unwrap().name()), ("", "Sicily"));
    let intermediate = message(1, 0x79, &[ber(0x80, b"1.2"), ber(0x81, b"xyz")].concat());
    let expected = Operation::IntermediateResponse { oid: Some("1.2".to_owned()), value_length: Some(3) };
    assert_eq!(broken(&intermediate), (String::new(), expected));
    let behind = [message(1, 0x42, &[]), vec![0]].concat();
    assert_eq!(broken(&behind).0, "LDAP: LDAPMessage at offset 7: more behind the last field that is known");
}

/// A filter within filters.
fn nested(depth: usize, kind: u8) -> Vec<u8> {
    (1..depth).fold(ber(0x87, b"cn"), |inner, _| ber(kind, &inner))
}

#[test]
fn filters_are_read_to_a_depth_and_no_deeper() {
    for kind in [0xa0, 0xa1, 0xa2] {
        let (error, operation) = broken(&search_request(1, "", &nested(64, kind), &[]));
        assert_eq!(error, "");
        let Operation::SearchRequest(request) = operation else { panic!() };
        assert_eq!(request.filter.unwrap().assertions().count(), 1);
        for depth in [65, 5_000, 100_000] {
            let (error, operation) = broken(&search_request(1, "", &nested(depth, kind), &["cn"]));
            assert!(error.ends_with(": parts are nested too deep"), "{error}");
            assert!(matches!(operation, Operation::SearchRequest(request) if request.attributes == ["cn"]));
        }
    }
}

#[test]
fn what_is_wrong_with_a_part_of_a_filter_costs_that_part() {
    let good = ber(0x87, b"cn");
    let of = |bad: &[u8]| {
        let filter = ber(0xa0, &[good.clone(), bad.to_vec(), good.clone()].concat());
        let (error, operation) = broken(&search_request(1, "", &filter, &[]));
        let Operation::SearchRequest(request) = operation else { panic!() };
        (error.split(": ").nth(2).unwrap_or_default().to_owned(), request.filter.unwrap().to_string())
    };
    let both = "(&(cn=*)(cn=*))";
    for (bad, expected, filter) in [
        (ber(0xa0, &[]), "", "(&(cn=*)(&)(cn=*))"),
        (ber(0xa1, &[]), "", "(&(cn=*)(|)(cn=*))"),
        (ber(0xa2, &[]), "needed 2 bytes, got 0", both),
        (
            ber(0xa2, &[good.clone(), good.clone()].concat()),
            "more behind the last field that is known",
            "(&(cn=*)(!(cn=*))(cn=*))",
        ),
        (ber(0xa3, &text("a")), "needed 2 bytes, got 0", both),
        (
            ber(0xa3, &[text("a"), text("b"), text("c")].concat()),
            "more behind the last field that is known",
            "(&(cn=*)(a=b)(cn=*))",
        ),
        (
            ber(0xa4, &[text("a"), sequence(&[ber(0x83, b"x")])].concat()),
            "a part of no kind, or out of order",
            "(&(cn=*)(a=*)(cn=*))",
        ),
        (
            ber(0xa4, &[text("a"), sequence(&[ber(0x82, b"x"), ber(0x80, b"y")])].concat()),
            "a part of no kind, or out of order",
            "(&(cn=*)(a=*x)(cn=*))",
        ),
        (ber(0xa4, &[text("a"), ber(0x31, &[])].concat()), "expected a SEQUENCE (0x30), got 49 (0x31)", both),
        (ber(0xa9, &ber(0x81, b"1.2")), "needed 2 bytes, got 0", both),
        (ber(0xa9, &[ber(0x83, b"x"), ber(0x84, &[])].concat()), "length 0 is not within 1..=1", both),
        (ber(0x04, b"x"), "a filter of no kind that there is", both),
    ] {
        assert_eq!(of(&bad), (expected.to_owned(), filter.to_owned()), "{bad:02x?}");
    }
}

#[test]
fn values_attributes_and_parts_are_bounded() {
    let values: Vec<&[u8]> = vec![b""; 20_000];
    let (error, operation) = broken(&entry(1, "CN=a", &[("cn", &values)]));
    assert!(error.ends_with("length 16385 is not within 0..=16384"), "{error}");
    assert!(matches!(operation, Operation::SearchResultEntry(entry) if entry.values("cn").count() == 16_384));
    let (error, operation) = broken(&entry(1, "CN=a", &[("cn", &[][..]); 5_000]));
    assert!(error.ends_with("length 4097 is not within 0..=4096"), "{error}");
    assert!(matches!(operation, Operation::SearchResultEntry(entry) if entry.attributes.len() == 4_096));
    let (error, _) = broken(&search_request(1, "", &ber(0xa0, &ber(0x87, b"").repeat(5_000)), &[]));
    assert!(error.ends_with("length 4097 is not within 0..=4096"), "{error}");
    let (error, _) = broken(&search_request(1, "", &ber(0x87, b"cn"), &[""; 5_000]));
    assert!(error.ends_with("length 4097 is not within 0..=4096"), "{error}");
    let controls = sequence(&[text("1.2")]).repeat(300);
    let (error, _) = broken(&sequence(&[ber(2, &[1]), ber(0x42, &[]), ber(0xa0, &controls)]));
    assert!(error.ends_with("length 257 is not within 0..=256"), "{error}");
}

#[test]
fn values_that_are_not_as_the_schema_has_them_are_told() {
    let long = "9".repeat(513);
    let bytes = entry(
        1,
        "CN=a",
        &[
            ("MSSPP-KMSIDS", &[&[7; 16], &[7; 15]]),
            ("msSPP-CSVLKSkuId", &[&[7; 17]]),
            ("msSPP-CSVLKPid", &[long.as_bytes()]),
            ("msSPP-CSVLKPartialProductKey", &[b"TEST", b"TEST7"]),
            ("msSPP-InstallationId", &[b"12\xff"]),
            ("1.2.840.113556.1.4.2085", &[b""]),
            ("msSPP-PhoneLicense", &["\u{feff}<?xml version='1.0'?><!-- --><r:license>".as_bytes()]),
        ],
    );
    let Operation::SearchResultEntry(entry) = read_whole(&bytes) else { panic!() };
    let object = ActivationObject::of(&entry).unwrap();
    let problems: Vec<String> = object.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "msSPP-KMSIds, value 2: 16 bytes are needed, it has 15",
            "msSPP-CSVLKSkuId, value 1: 16 bytes are needed, it has 17",
            "msSPP-CSVLKPid, value 1: 512 characters are the most, it has 513",
            "msSPP-CSVLKPartialProductKey, value 1: 5 characters are needed, it has 4",
            "msSPP-CSVLKPartialProductKey, value 2: the attribute has one value at most",
            "msSPP-InstallationId, value 1: no UTF-8 behind 2 bytes",
        ]
    );
    assert_eq!((object.kms_ids.len(), object.csvlk_sku_id), (1, None));
    assert_eq!((object.partial_product_key.as_deref(), object.installation_id), (Some("TEST"), None));
    assert!(object.missing.is_empty());
    let hints: Vec<String> =
        object.licenses.iter().map(|l| format!("{} {}", l.kind.name(), l.hint)).collect();
    assert_eq!(hints, ["online empty", "phone XrML, license"]);
}

fn read_whole(bytes: &[u8]) -> Operation {
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.error, None);
    message.operation
}

#[test]
fn an_entry_is_an_activation_object_by_its_class_or_any_of_its_attributes() {
    let of = |attributes: &[(&str, &[&[u8]])]| {
        let Operation::SearchResultEntry(entry) = read_whole(&entry(1, "CN=a", attributes)) else { panic!() };
        ActivationObject::of(&entry)
    };
    let by_class = of(&[("objectClass", &[b"top", b"MSSPP-ACTIVATIONOBJECT"])]).unwrap();
    assert_eq!(by_class.missing.len(), 4);
    let by_attribute = of(&[("msSPP-KMSIds;range=0-1499", &[])]).unwrap();
    assert_eq!(by_attribute.missing, ["msSPP-CSVLKSkuId", "msSPP-CSVLKPid", "msSPP-CSVLKPartialProductKey"]);
    assert_eq!(of(&[("objectClass", &[b"msSPP-ActivationObjectsContainer"])]), None);
    assert_eq!(of(&[("cn", &[b"a"])]), None);
}

#[test]
fn licences_are_guessed_at_by_their_first_bytes() {
    for (bytes, expected) in [
        (&b"<XrML xmlns='x'>"[..], "XrML, XrML"),
        (b"\xef\xbb\xbf <a/>", "XML, a"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"\xff\xfe<\0r\0>\0", "XML, r"),
        (b"<\0r\0 \0", "XML, r"),
        (b"\x30\x03\x02\x01\x07", "DER"),
        (b"\x30\x04\x02\x01\x07", "unknown"),
        (b"< no", "unknown"),
        (b"test payload 7", "unknown"),
        (b"", "empty"),
    ] {
        assert_eq!(LicenseHint::of(bytes).to_string(), expected, "{bytes:?}");
    }
}

/// Who sends what, one after the other.
type Talk = Vec<(Side, Vec<u8>)>;

/// What a session hands out, as text; in pieces of so many bytes.
fn follow(talk: &Talk, size: usize) -> Vec<String> {
    let mut session = Session::default();
    let mut seen = Vec::new();
    let mut emit = |event: Event<'_, ()>| seen.push(tell(&event));
    let mut ends = [0; 2];
    for (from, bytes) in talk {
        for piece in bytes.chunks(size) {
            let end: &mut u64 = &mut ends[*from as usize];
            session.push(*from, *end, piece, (), &mut emit);
            *end += piece.len() as u64;
            assert_eq!(session.end(*from), *end);
        }
    }
    session.finish(&mut emit);
    assert_eq!(session.held(), 0);
    // Pieces of TLS are of any size.
    let mut joined: Vec<String> = Vec::new();
    for line in seen {
        match (joined.last_mut(), line.strip_prefix("tls ")) {
            (Some(last), Some(more)) if last.starts_with(&line[..8]) => last.push_str(&more[4..]),
            _ => joined.push(line),
        }
    }
    joined
}

fn tell(event: &Event<'_, ()>) -> String {
    match event {
        Event::Search(e) => {
            let code = e.result.as_ref().map(|r| r.code.to_string());
            let asked = e.request.as_ref().map(|request| request.base.split(',').next().unwrap().to_owned());
            let found: Vec<&str> = e.found.iter().map(|f| f.dn().split(',').next().unwrap()).collect();
            format!("search {} {asked:?} {found:?} {} {code:?} {}", e.id, e.references.len(), e.ending.name())
        }
        Event::Bind(e) => {
            let asked =
                e.request.as_ref().and_then(|r| r.authentication.as_ref()).map(|a| a.name().to_owned());
            let code = e.response.as_ref().map(|r| r.result.code.to_string());
            format!("bind {} {asked:?} {code:?} {}", e.id, e.ending.name())
        }
        Event::Operation(e) | Event::StartTls(e) => {
            let kind = if matches!(event, Event::StartTls(_)) { "start tls" } else { "operation" };
            let name = |o: &Option<Operation>| o.as_ref().map(Operation::name);
            format!("{kind} {} {:?} {:?} {}", e.id, name(&e.request), name(&e.response), e.ending.name())
        }
        Event::Tls { from, bytes, .. } => {
            format!("tls {} {}", &format!("{from:?}")[..3], String::from_utf8_lossy(bytes))
        }
        Event::Sealed { from, offset, length, came, .. } => {
            format!("sealed {from:?} {offset} {length} {came}")
        }
        Event::Malformed { from, offset, length, error, .. } => {
            format!("malformed {from:?} {offset} {length} {error}")
        }
        Event::Skipped { from, offset, length, error, .. } => {
            format!("skipped {from:?} {offset} {length} {error}")
        }
    }
}

fn client(bytes: Vec<u8>) -> (Side, Vec<u8>) {
    (Side::Client, bytes)
}

fn server(bytes: Vec<u8>) -> (Side, Vec<u8>) {
    (Side::Server, bytes)
}

/// The tool's way to list activation objects: root DSE, then the container's children.
fn ao_list() -> Talk {
    vec![
        client(made("root_dse")),
        server([made("root_dse_entry"), made("done")].concat()),
        client(made("activation_search")),
        server([made("activation_object"), made("reference"), message(6, 0x65, &result(0))].concat()),
        client(made("unbind")),
    ]
}

#[test]
fn a_list_of_activation_objects_is_two_searches() {
    let expected = [
        r#"search 5 Some("") [""] 0 Some("success(0)") answered"#,
        r#"search 6 Some("CN=Activation Objects") ["CN=Test Object 7"] 1 Some("success(0)") answered"#,
        r#"operation 4 Some("unbindRequest") None no response"#,
    ];
    for size in [1, 2, 7, 64, 10_000] {
        assert_eq!(follow(&ao_list(), size), expected, "in pieces of {size}");
    }
}

#[test]
fn stamps_are_those_of_the_first_and_last_byte() {
    let mut session = Session::default();
    let mut seen = Vec::new();
    let mut emit = |event: Event<'_, u8>| {
        if let Event::Search(e) = event {
            seen.push((e.asked, e.answered, e.is_activation(), e.activation_objects().count()));
        }
    };
    let (request, answer) =
        (made("activation_search"), [made("activation_object"), message(6, 0x65, &result(0))].concat());
    session.push(Side::Client, 0, &request[..3], 1, &mut emit);
    session.push(Side::Client, 3, &request[3..], 2, &mut emit);
    session.push(Side::Server, 0, &answer[..100], 3, &mut emit);
    session.push(Side::Server, 100, &answer[100..], 4, &mut emit);
    assert_eq!(seen, [(Some((1, 2)), Some((3, 4)), true, 1)]);
    let counts = session.counts();
    assert_eq!(
        (counts.messages, counts.searches, counts.entries, counts.activation_objects),
        ([1, 2], 1, 1, 1)
    );
}

#[test]
fn what_has_no_answer_is_told_with_the_reason() {
    let talk = vec![
        client(made("activation_search")),
        client(made("abandon")),
        client(made("root_dse")),
        client(made("root_dse")),
        client(made("bind_simple")),
        server(made("bind_refused")),
        server(message(77, 0x65, &result(0))),
        server(message(0, 0x78, &[result(52), ber(0x8a, oid::NOTICE_OF_DISCONNECTION.as_bytes())].concat())),
        client(made("delete")),
    ];
    assert_eq!(
        follow(&talk, 10_000),
        [
            r#"search 6 Some("CN=Activation Objects") [] 0 None abandoned"#,
            r#"operation 9 Some("abandonRequest") None no response"#,
            r#"search 5 Some("") [] 0 None replaced"#,
            r#"bind 1 Some("simple") Some("invalidCredentials(49)") answered"#,
            r#"search 77 None [] 0 Some("success(0)") answered"#,
            r#"operation 0 None Some("extendedResp") no response"#,
            r#"search 5 Some("") [] 0 None unanswered"#,
            r#"operation 11 Some("delRequest") None unanswered"#,
        ]
    );
}

/// A SASL buffer.
fn sealed(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

#[test]
fn what_a_sasl_bind_seals_is_counted() {
    let token = b"\x05\x04 test payload 7 sealed";
    let talk = vec![
        client(made("bind_sasl")),
        server(made("bind_in_progress")),
        client(message(9, 0x60, &made("bind_sasl")[7..])),
        server(message(9, 0x61, &result(0))),
        client([sealed(token), sealed(b"")].concat()),
        server(sealed(token)[..9].to_vec()),
    ];
    let expected = [
        r#"bind 3 Some("GSS-SPNEGO") Some("saslBindInProgress(14)") answered"#,
        r#"bind 9 Some("GSS-SPNEGO") Some("success(0)") answered"#,
        "sealed Client 80 24 24",
        "sealed Client 108 0 0",
        "sealed Server 42 24 5",
    ];
    for size in [1, 5, 1000] {
        assert_eq!(follow(&talk, size), expected, "in pieces of {size}");
    }
}

#[test]
fn a_bind_without_a_layer_goes_on_in_the_clear() {
    let talk = [vec![client(made("bind_sasl")), server(message(3, 0x61, &result(0)))], ao_list()].concat();
    assert_eq!(follow(&talk, 10_000).len(), 4);
    let junk =
        vec![client(made("bind_sasl")), client(b"\xff\xff\xff\xff....".to_vec()), client(made("unbind"))];
    assert_eq!(
        follow(&junk, 3),
        [
            "skipped Client 40 8 LDAP: SASL buffer at offset 0: length 4294967295 is not within 0..=16777215",
            r#"operation 4 Some("unbindRequest") None no response"#,
            r#"bind 3 Some("GSS-SPNEGO") None unanswered"#,
        ]
    );
}

#[test]
fn what_start_tls_hides_is_handed_out_as_it_came() {
    let tls = b"\x16\x03\x01 test payload 7".to_vec();
    let talk = vec![
        client(made("start_tls")),
        server([made("start_tls_granted"), tls.clone()].concat()),
        client(tls.clone()),
    ];
    let hello = String::from_utf8_lossy(&tls).into_owned();
    let expected = [
        r#"start tls 8 Some("extendedReq") Some("extendedResp") answered"#.to_owned(),
        format!("tls Ser {hello}"),
        format!("tls Cli {hello}"),
    ];
    for size in [1, 4, 1000] {
        assert_eq!(follow(&talk, size), expected, "in pieces of {size}");
    }
    let refused = vec![
        client(made("start_tls")),
        server(message(8, 0x78, &result(2))),
        client(tls),
        client(made("unbind")),
    ];
    assert_eq!(
        follow(&refused, 1000),
        [
            r#"start tls 8 Some("extendedReq") Some("extendedResp") answered"#,
            "skipped Client 31 18 LDAP: LDAPMessage at offset 0: expected a SEQUENCE (0x30), got 22 (0x16)",
            r#"operation 4 Some("unbindRequest") None no response"#,
        ]
    );
}

#[test]
fn a_stream_without_its_beginning_is_read_from_the_first_plausible_header() {
    let mut session = Session::mid_stream();
    let mut seen = Vec::new();
    let mut emit = |event: Event<'_, ()>| seen.push(tell(&event));
    let stream = [b"0\x84..".to_vec(), made("done"), sealed(b"\x05\x04\x06 test payload 7")].concat();
    session.push(Side::Server, 0, &stream, (), &mut emit);
    session.push(Side::Client, 0, &sealed(b"\x01\0\0\0 test payload 7"), (), &mut emit);
    session.finish(&mut emit);
    assert_eq!(
        seen,
        [
            "skipped Server 0 4 LDAP: LDAPMessage at offset 1: length 774778892 is not within 0..=25165818",
            r#"search 5 None [] 0 Some("success(0)") answered"#,
            "sealed Server 18 18 18",
            "sealed Client 0 19 19",
        ]
    );
}

#[test]
fn a_sealed_stream_without_its_beginning_is_the_same_in_pieces_of_any_size() {
    let token = sealed(b"\x05\x04\x06 test payload 7");
    let stream = [b"..".to_vec(), token.clone(), token].concat();
    for size in 1..stream.len() {
        let mut session = Session::mid_stream();
        let mut seen = Vec::new();
        let mut emit = |event: Event<'_, ()>| seen.push(tell(&event));
        for (piece, at) in stream.chunks(size).zip((0..).step_by(size)) {
            session.push(Side::Client, at, piece, (), &mut emit);
        }
        session.finish(&mut emit);
        assert_eq!(seen[1..], ["sealed Client 2 18 18", "sealed Client 24 18 18"], "in pieces of {size}");
    }
}

#[test]
fn a_sealed_buffer_of_which_only_the_length_came_has_its_own_stamps() {
    let mut session = Session::default();
    let mut seen = Vec::new();
    let mut emit = |event: Event<'_, u8>| {
        if let Event::Sealed { came, first, last, .. } = event {
            seen.push((came, first, last));
        }
    };
    let bind = made("bind_sasl");
    session.push(Side::Client, 0, &bind, 1, &mut emit);
    session.push(Side::Client, bind.len() as u64, &sealed(b"test payload 7"), 2, &mut emit);
    session.push(Side::Client, bind.len() as u64 + 18, b"\0\0\0\x07", 3, &mut emit);
    session.finish(&mut emit);
    assert_eq!(seen, [(14, 2, 2), (0, 3, 3)]);
}

#[test]
fn a_gap_costs_the_messages_that_it_cuts() {
    let stream = [made("root_dse"), made("activation_search"), made("unbind")].concat();
    let (first, second) = (made("root_dse").len(), made("activation_search").len());
    let follow = |from: usize, to: usize| {
        let mut session = Session::default();
        let mut seen = Vec::new();
        let mut emit = |event: Event<'_, ()>| seen.push(tell(&event));
        session.push(Side::Client, 0, &stream[..from], (), &mut emit);
        session.push(Side::Client, to as u64, &stream[to..], (), &mut emit);
        session.finish(&mut emit);
        seen
    };
    let cut = follow(first + 20, first + 30);
    assert_eq!(cut.len(), 3, "{cut:?}");
    assert!(cut[0].starts_with("malformed Client 67 20 LDAP: LDAPMessage at offset "), "{cut:?}");
    assert!(cut[1].starts_with("operation 4"));
    let over = follow(first + 20, first + second);
    assert_eq!(over[1..], cut[1..]);
    let whole = follow(first, first + second);
    assert_eq!(whole[..], cut[1..]);
    let within = follow(first, first + 30);
    assert!(within[0].starts_with(&format!("skipped Client {} {}", first + 30, second - 30)), "{within:?}");
    assert_eq!(within[1..], cut[1..]);
}

#[test]
fn a_length_that_no_message_has_is_passed_over() {
    for (head, expected) in [
        (&b"\x30\x84\x01\x80\x00\x00"[..], "length 25165824 is not within 0..=25165818"),
        (b"\x30\x88\0\0\0\0", "length 8 is not within 0..=4"),
        (b"\x30\x80\x02\x01\x01\x60", "a length of the indefinite form"),
    ] {
        let talk = vec![client([head.to_vec(), made("unbind")].concat())];
        for size in [1, 3, 100] {
            let seen = follow(&talk, size);
            assert!(seen[0].starts_with("skipped Client 0 6") && seen[0].ends_with(expected), "{seen:?}");
            assert_eq!(seen.len(), 2);
        }
    }
}

#[test]
fn what_a_session_holds_is_bounded() {
    let mut session = Session::default();
    let mut endings = Vec::new();
    let mut emit = |event: Event<'_, ()>| {
        if let Event::Search(e) = event {
            endings.push((e.ending, e.left_out));
        }
    };
    let request = |id: u16| {
        let request = search_request(0, "", &ber(0x87, b"cn"), &[]);
        let content = request[5..].to_vec();
        sequence(&[ber(2, &id.to_be_bytes()), content])
    };
    let mut end = 0;
    for id in 0..=u16::try_from(MAX_OUTSTANDING).unwrap() {
        let bytes = request(id + 300);
        session.push(Side::Client, end, &bytes, (), &mut emit);
        end += bytes.len() as u64;
    }
    let id = u16::try_from(MAX_OUTSTANDING).unwrap() + 300;
    let big = vec![7; 9 << 20];
    let large = entry(0, "CN=a", &[("jpegPhoto", &[&big])]);
    let large = sequence(&[ber(2, &id.to_be_bytes()), large[9..].to_vec()]);
    let mut end = 0;
    for _ in 0..5 {
        session.push(Side::Server, end, &large, (), &mut emit);
        end += large.len() as u64;
        assert!(session.held() <= MAX_HELD + MAX_MESSAGE);
    }
    session.finish(&mut emit);
    assert_eq!(endings.len(), MAX_OUTSTANDING + 1);
    assert_eq!(endings[0], (Ending::Forgotten, 0));
    assert_eq!(endings[MAX_OUTSTANDING], (Ending::Unanswered, 2));
}

#[test]
fn what_a_search_found_is_typed_where_it_can_be() {
    let mut found = Vec::new();
    let mut session = Session::default();
    let mut emit = |event: Event<'_, ()>| {
        if let Event::Search(e) = event {
            let e: SearchExchange<()> = *e;
            found.extend(e.found);
        }
    };
    session.push(Side::Server, 0, &made("activation_object"), (), &mut emit);
    session.push(Side::Server, 1507, &entry(6, "CN=a", &[("cn", &[b"a"])]), (), &mut emit);
    session.finish(&mut emit);
    assert_eq!(found[0], Found::ActivationObject(Box::new(test_object())));
    assert!(matches!(&found[1], Found::Entry(entry) if entry.dn == "CN=a"));
}

/// What a file holds, as text.
fn export(file: &[u8]) -> (Vec<String>, ldif::Summary) {
    let mut seen = Vec::new();
    let summary = ldif::read(file, |e| {
        let values: Vec<String> = e
            .entry
            .attributes
            .iter()
            .map(|a| {
                format!(
                    "{}={:?}",
                    a.description,
                    a.values.iter().map(|v| String::from_utf8_lossy(v)).collect::<Vec<_>>()
                )
            })
            .collect();
        let cut = if e.is_cut { " cut" } else { "" };
        seen.push(format!("{}@{} {} {}{cut}", e.line, e.offset, e.entry.dn, values.join(" ")));
    });
    (seen, summary)
}

fn problems(summary: &ldif::Summary) -> Vec<String> {
    summary.problems.iter().map(|p| format!("{} {}", p.line, p.error)).collect()
}

#[test]
fn an_export_of_ldap3_gives_the_object_that_it_was_made_of() {
    let mut entries = Vec::new();
    let summary = ldif::read(EXPORT, |entry| entries.push(entry));
    assert_eq!((summary.version, summary.entries, summary.problem_count), (Some(1), 2, 0));
    assert_eq!(ActivationObject::of(&entries[0].entry).unwrap(), test_object());
    assert_eq!((entries[0].line, entries[0].offset), (2, 11));
    assert_eq!(entries[1].entry.dn, "CN=Prüfung,DC=test");
    assert_eq!(entries[1].entry.values("DESCRIPTION").collect::<Vec<_>>(), [&b" leading"[..], b"plain"]);
}

#[test]
fn every_form_of_a_line_is_read() {
    let file = b"\xef\xbb\xbfversion: 1\r\n# comment\r\n  of two lines\r\ndn: CN=a,\r\n DC=x\r\ncn:a\r\ncn:  b \r\nsn:: YQ\r\njpegPhoto:< file:///x\r\no:\r\n\r\n\r\nDN:: Q049Yg==\nchangetype: add\ncn;lang-de: c";
    let (seen, summary) = export(file);
    assert_eq!(
        seen,
        [r#"4@42 CN=a,DC=x cn=["a", "b "] sn=["a"] o=[""]"#, r#"13@115 CN=b cn;lang-de=["c"]"#,]
    );
    assert_eq!((summary.version, summary.problem_count), (Some(1), 0));
    let mut urls = Vec::new();
    ldif::read(&file[..], |entry| urls.extend(entry.urls));
    assert_eq!(urls, [("jpegPhoto".to_owned(), "file:///x".to_owned())]);
}

#[test]
fn changes_and_what_ldapsearch_says_of_the_search_are_counted() {
    let file = b"dn: CN=a\ncontrol: 1.2.3 true\nchangetype: modify\nadd: cn\ncn: b\n-\n\ndn: CN=b\nchangetype: delete\n\ndn: CN=c\nchangetype: moddn\nnewrdn: CN=d\n\n# search result\nsearch: 2\nresult: 0 Success\n\nref: ldap://x\n";
    let (seen, summary) = export(file);
    assert!(seen.is_empty());
    assert_eq!((summary.changes, summary.results, summary.entries, summary.problem_count), (3, 2, 0, 0));
}

#[test]
fn what_is_wrong_with_a_line_costs_the_rest_of_its_record() {
    let next = "\n\ndn: CN=z\ncn: z\n";
    for (record, entry, problem) in [
        ("cn: a", "", "1 LDIF: line at offset 0: a record that does not begin with dn"),
        (" cn: a", "", "1 LDIF: line at offset 0: no attribute"),
        (
            "dn: CN=a\ncn: a\nno colon\nsn: b",
            r#"1@0 CN=a cn=["a"] cut"#,
            "3 LDIF: line at offset 15: no colon behind an attribute",
        ),
        ("dn: CN=a\n: x", "1@0 CN=a  cut", "2 LDIF: line at offset 9: no attribute"),
        ("dn: CN=a\nc n: x", "1@0 CN=a  cut", "2 LDIF: line at offset 9: no attribute"),
        ("dn: CN=a\ncn:: ***", "1@0 CN=a  cut", "2 LDIF: line at offset 14: no base64"),
        ("dn:: /w==", "", "1 LDIF: line at offset 5: no UTF-8"),
        ("\u{feff}: x", "", "1 LDIF: line at offset 3: no attribute"),
        ("version: x", "", "1 LDIF: line at offset 9: no number of a version"),
    ] {
        let (seen, summary) = export(format!("{record}{next}").as_bytes());
        assert_eq!(problems(&summary), [problem]);
        let (last, front) = seen.split_last().unwrap();
        assert!(last.ends_with(r#" CN=z cn=["z"]"#), "{seen:?}");
        assert_eq!(front.join(""), entry);
    }
}

#[test]
fn a_file_in_utf_16_is_told_and_not_read() {
    let (seen, summary) = export(b"\xff\xfed\0n\0:\0 \0C\0N\0=\0a\0\n\0");
    assert_eq!(
        (seen.len(), problems(&summary)),
        (0, vec!["1 LDIF: line at offset 0: UTF-16 is not read".to_owned()])
    );
}

#[test]
fn references_beyond_what_is_kept_are_counted() {
    let mut left_out = Vec::new();
    let mut session = Session::default();
    let mut emit = |event: Event<'_, ()>| {
        if let Event::Search(e) = event {
            left_out.push((e.references.len(), e.left_out));
        }
    };
    let reference = message(6, 0x73, &text("ldap://a.test/").repeat(700));
    session.push(Side::Server, 0, &[reference.clone(), reference].concat(), (), &mut emit);
    session.finish(&mut emit);
    assert_eq!((left_out, session.counts().left_out), (vec![(1024, 376)], 376));
}

#[test]
fn lines_entries_and_problems_of_a_file_are_bounded() {
    let long = format!("dn: CN=a\ncn: {}\nsn: b\n\ndn: CN=z\n", "x".repeat(ldif::MAX_LINE));
    let (seen, summary) = export(long.as_bytes());
    assert_eq!(problems(&summary), ["2 LDIF: line at offset 9: length 8388609 is not within 0..=8388608"]);
    assert_eq!(seen.len(), 2);
    let part = "x".repeat(7 << 20);
    let large = format!("dn: CN=a\ncn: {part}\ncn: {part}\ncn: {part}\ncn: {part}\n");
    let (_, summary) = export(large.as_bytes());
    assert_eq!((summary.problem_count, summary.problems[0].line), (1, 5));
    let many = format!("dn: CN=a\n{}", "cn: x\n".repeat(17_000));
    assert!(problems(&export(many.as_bytes()).1)[0].ends_with("length 16385 is not within 0..=16384"));
    let names: String = (0..5_000).map(|i| format!("a{i}: x\n")).collect();
    assert!(
        problems(&export(format!("dn: CN=a\n{names}").as_bytes()).1)[0]
            .ends_with("length 4097 is not within 0..=4096")
    );
    let wrong = export("x\n\n".repeat(1_000).as_bytes()).1;
    assert_eq!((wrong.problems.len(), wrong.problem_count), (ldif::MAX_PROBLEMS, 1_000));
}

/// Fails once so many bytes were read.
struct Failing<'a>(&'a [u8]);

impl std::io::Read for Failing<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(std::io::Error::other("it fails"));
        }
        let length = self.0.len().min(out.len()).min(3);
        out[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn a_file_that_cannot_be_read_on_is_told() {
    let mut count = 0;
    let summary = ldif::read(Failing(b"dn: CN=a\ncn: a\n"), |entry| count += usize::from(entry.is_cut));
    assert_eq!(
        (problems(&summary), count),
        (vec!["3 LDIF: line at offset 15: the file cannot be read on".to_owned()], 1)
    );
}

proptest! {
    #[test]
    fn a_message_that_is_cut_or_changed_anywhere_is_read_without_a_panic(
        line in 0usize..22, at in 0usize..2_000, to: u8, end in 0usize..2_000,
    ) {
        let mut bytes = parse_hex(MESSAGES.lines().nth(line).unwrap().split_once(' ').unwrap().1).unwrap();
        let length = bytes.len();
        bytes[at % length] = to;
        let bytes = &bytes[..end % (length + 1)];
        match Message::parse(bytes) {
            Ok(message) => {
                prop_assert!(message.error.iter().all(|error| error.offset <= bytes.len()));
                if let Operation::SearchResultEntry(entry) = &message.operation {
                    let _ = ActivationObject::of(entry);
                }
            }
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }

    #[test]
    fn how_a_connection_is_cut_into_pieces_does_not_matter(
        size in 1usize..200, junk in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..5,
    ) {
        let mut talk = ao_list();
        talk.insert(at, client(junk));
        prop_assert_eq!(follow(&talk, size), follow(&talk, 100_000));
    }

    #[test]
    fn what_must_hold_of_any_bytes_holds_of_changed_seeds(
        seed in 0usize..60, changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..6), end: u16,
    ) {
        let folders = ["corpus/ldap", "corpus/ldif"].map(|folder| {
            let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
            files.sort();
            files
        });
        for (files, body) in folders.iter().zip([volact::fuzzing::ldap as fn(&[u8]), volact::fuzzing::ldif]) {
            let mut bytes = std::fs::read(&files[seed % files.len()]).unwrap();
            let length = bytes.len();
            for (at, to) in &changes {
                bytes[usize::from(*at) % length] = *to;
            }
            bytes.truncate(length - usize::from(end) % length / 2);
            body(&bytes);
        }
    }

    #[test]
    fn at_which_column_an_export_is_folded_does_not_matter(column in 1usize..100, crlf: bool) {
        let text = String::from_utf8(EXPORT.to_vec()).unwrap().replace("\n ", "");
        let end = if crlf { "\r\n" } else { "\n" };
        let mut folded = String::new();
        for line in text.lines() {
            let chars: Vec<char> = line.chars().collect();
            let parts: Vec<String> = chars.chunks(column).map(|part| part.iter().collect()).collect();
            folded.push_str(&parts.join(&format!("{end} ")));
            folded.push_str(end);
        }
        let entries = |file: &[u8]| {
            let mut entries = Vec::new();
            let summary = ldif::read(file, |entry| entries.push(entry.entry));
            (entries, summary)
        };
        prop_assert_eq!(entries(folded.as_bytes()), entries(EXPORT));
    }
}

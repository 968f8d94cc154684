//! Seeds built by hand: for each protocol, faults that no recording has, one or a few of a kind.

use volact::fuzzing::seeds::formats;
use volact::tls::Side;

use super::transcript::Transcript;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut put = |target: &'static str, named: Vec<(&str, Vec<u8>)>| {
        seeds.extend(named.into_iter().map(|(name, bytes)| (target, format!("fault.{name}"), bytes)));
    };
    put("tls", tls());
    put("http", http());
    put("ldif", ldif());
    put("ldap", ldap());
    put("id", ids());
    put("soap", soap());
    put("vamt", vamt());
    put("dns", dns());
    put("vmbus_ring", rings());
    put("vmbus_control", vec![("too_long", [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[0; 300]].concat())]);
    seeds
}

const CLIENT: u8 = 0xfc;
const SERVER: u8 = 0xfd;
const GAP: u8 = 2;

fn tls() -> Vec<(&'static str, Vec<u8>)> {
    let session = |pieces: &[(u8, &[u8])]| {
        let mut seed = Vec::new();
        pieces.iter().for_each(|(kind, bytes)| formats::put(&mut seed, *kind, bytes));
        formats::tls(b"", &seed)
    };
    // A recorded session, of which one side's nth piece becomes another.
    let changed = |name: &str, from: Side, nth: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut transcript = Transcript::read(name);
        let mut own = transcript.pieces.iter_mut().filter(|(side, _)| *side == from);
        change(&mut own.nth(nth).unwrap().1);
        let mut seed = Vec::new();
        for (side, bytes) in &transcript.pieces {
            formats::put(&mut seed, if *side == Side::Client { CLIENT } else { SERVER }, bytes);
        }
        formats::tls(transcript.keys().as_bytes(), &seed)
    };
    // Only what a side says behind its nth piece is there.
    let behind = |name: &str, lost: std::ops::Range<usize>| {
        let transcript = Transcript::read(name);
        let mut seed = Vec::new();
        for (at, (side, bytes)) in transcript.pieces.iter().enumerate() {
            let kind = if *side == Side::Client { CLIENT } else { SERVER };
            if !lost.contains(&at) {
                formats::put(&mut seed, kind | if at == lost.end { GAP } else { 0 }, bytes);
            }
        }
        formats::tls(transcript.keys().as_bytes(), &seed)
    };
    let hello = Transcript::read("tls12_rsa_aes128").pieces[0].1.clone();
    let junk = |bytes: &mut Vec<u8>| bytes.splice(0..0, *b"no record at all").for_each(drop);
    let server = Side::Server;
    vec![
        ("no_tls", session(&[(CLIENT, b"GET / HTTP/1.1\r\n\r\n")])),
        ("content_type", session(&[(CLIENT, &hello), (SERVER, b"\x1b\x03\x03\0\x01\0")])),
        ("version", session(&[(CLIENT, &hello), (SERVER, b"\x16\x04\x03\0\x01\0")])),
        ("length", session(&[(CLIENT, &hello), (SERVER, b"\x16\x03\x03\xff\xff\0")])),
        ("header_cut", session(&[(CLIENT, &hello), (SERVER, b"\x16\x03\x03")])),
        ("record_cut", session(&[(CLIENT, &hello[..hello.len() - 7])])),
        (
            "alert",
            session(&[
                (CLIENT, &hello),
                (SERVER, b"\x15\x03\x03\0\x02\x02\x28"),
                (CLIENT, b"\x15\x03\x03\0\x02\x01\0"),
            ]),
        ),
        (
            "alerts",
            session(&[(CLIENT, &hello), (SERVER, b"\x15\x03\x03\0\x02\x01\x6e\x15\x03\x03\0\x02\x03\xc8")]),
        ),
        ("alert_cut", session(&[(CLIENT, &hello), (SERVER, b"\x15\x03\x03\0\x01\x02")])),
        ("alert_empty", session(&[(CLIENT, &hello), (SERVER, b"\x15\x03\x03\0\0")])),
        ("no_hello", session(&[(CLIENT, b"\x17\x03\x03\0\x05hello"), (SERVER, b"\x17\x03\x03\0\x05hello")])),
        ("gap_first", session(&[(CLIENT | GAP, &hello), (SERVER, b"\x16\x03\x03\0\x01\x02")])),
        (
            "empty_pieces",
            session(&[(CLIENT | GAP, b""), (SERVER | GAP, b""), (CLIENT, &hello), (CLIENT | GAP, b"")]),
        ),
        ("hello_twice", session(&[(CLIENT, &hello), (CLIENT, &hello), (SERVER, &hello)])),
        ("hello_short", session(&[(CLIENT, b"\x16\x03\x01\0\x08\x01\0\0\x04\x03\x03ab")])),
        (
            "server_hello_short",
            session(&[(CLIENT, &hello), (SERVER, b"\x16\x03\x03\0\x08\x02\0\0\x04\x03\x03ab")]),
        ),
        (
            "server_hello_first",
            session(&[(SERVER, b"\x16\x03\x03\0\x08\x02\0\0\x04\x03\x03ab"), (CLIENT, &hello)]),
        ),
        (
            "compression",
            changed("tls12_rsa_aes128", server, 0, &|bytes| {
                // Behind the record's and the message's header, version, random, session id and cipher suite.
                let at = 5 + 4 + 2 + 32 + 1 + usize::from(bytes[5 + 4 + 2 + 32]) + 2;
                bytes[at] = 1;
            }),
        ),
        (
            "cipher_suite",
            changed("tls12_rsa_aes128", server, 0, &|bytes| {
                let at = 5 + 4 + 2 + 32 + 1 + usize::from(bytes[5 + 4 + 2 + 32]);
                bytes[at..at + 2].fill(0x7a);
            }),
        ),
        ("junk_in_the_middle", changed("tls12_ecdhe_rsa_aes128", server, 2, &junk)),
        ("junk_in_the_middle_of_1_3", changed("tls13_aes128", server, 2, &junk)),
        ("tag", changed("tls12_ecdhe_rsa_aes128", Side::Client, 3, &|bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("tag_of_1_3", changed("tls13_aes128", server, 3, &|bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("lost_server_hello", behind("tls12_ecdhe_rsa_aes128", 1..2)),
        ("lost_handshake", behind("tls12_ecdhe_rsa_aes128", 1..4)),
        ("lost_handshake_of_1_3", behind("tls13_aes128", 2..4)),
        ("lost_key_update", behind("tls13_key_update", 3..6)),
        ("lost_client_hello", behind("tls13_aes128", 0..1)),
        ("lost_renegotiation", behind("tls12_renegotiated", 4..7)),
        ("early_data_without_secret", {
            let transcript = Transcript::read("tls13_early_data");
            let lines = transcript.key_log.iter().filter(|line| !line.contains("EARLY"));
            let keys: String = lines.map(|line| format!("{line}\n")).collect();
            super::session(&transcript, &keys, &[])
        }),
    ]
}

fn http() -> Vec<(&'static str, Vec<u8>)> {
    const REQUESTS: u8 = 0;
    const RESPONSES: u8 = 1;
    let seed = |kind: u8, gap: [u16; 2], stream: &str| {
        [vec![kind], formats::plan(stream.as_bytes(), false, gap)].concat()
    };
    let whole = |kind, stream: &str| seed(kind, [0, 0], stream);
    let long = |count| "a".repeat(count);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    vec![
        ("long_start_line", whole(REQUESTS, &format!("GET /{} HTTP/1.1\r\n\r\n", long(9000)))),
        ("long_line_without_an_end", whole(REQUESTS, &format!("junk\r\n{}", long(20_000)))),
        ("long_head", whole(REQUESTS, &format!("GET / HTTP/1.1\r\n{}\r\n", "b: c\r\n".repeat(11_000)))),
        ("long_field", whole(REQUESTS, &format!("GET / HTTP/1.1\r\na: {}", long(66_000)))),
        ("long_chunk_size", whole(RESPONSES, &format!("{chunked}4;{}\r\n", long(5000)))),
        ("long_trailers", whole(RESPONSES, &format!("{chunked}0\r\n{}\r\n", "t: u\r\n".repeat(3000)))),
        ("no_end_of_a_chunk", whole(RESPONSES, &format!("{chunked}4\r\n<a/>junk{}", long(600)))),
        ("no_size_of_a_chunk", whole(RESPONSES, &format!("{chunked}\r\n\r\n"))),
        ("size_of_a_chunk_too_large", whole(RESPONSES, &format!("{chunked}fffffffffffffffff\r\n"))),
        (
            "gap_in_a_tunnel",
            seed(6 | RESPONSES, [40, 5], "HTTP/1.1 200 Yes\r\n\r\nabcdefghijklmnopqrstuvwxyz and more of it"),
        ),
        (
            "gap_in_a_body_to_the_end",
            seed(RESPONSES, [30, 5], "HTTP/1.0 200 OK\r\n\r\nabcdefghijklmnopqrstuvwxyz and more"),
        ),
        (
            "chunked_not_last",
            whole(RESPONSES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc"),
        ),
        (
            "chunked_in_1_0",
            whole(RESPONSES, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "identity",
            whole(RESPONSES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na"),
        ),
        ("length_malformed", whole(RESPONSES, "HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nabcd")),
        (
            "length_too_large",
            whole(RESPONSES, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabcd"),
        ),
        ("length_repeated", whole(RESPONSES, "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nabcd")),
        ("blank_beside_a_name", whole(REQUESTS, "GET / HTTP/1.1\r\nHost : a\r\n b\r\n\r\n")),
        ("fields_too_many", whole(REQUESTS, &format!("GET / HTTP/1.1\r\n{}\r\n", "b: c\r\n".repeat(400)))),
    ]
}

fn ldif() -> Vec<(&'static str, Vec<u8>)> {
    let object = |lines: &[&str]| {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!("dn: CN=a,DC=test\nobjectClass: msSPP-ActivationObject\n{lines}").into_bytes()
    };
    let utf_16: Vec<u8> = "\u{feff}dn: CN=a\ncn: a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("utf_16", utf_16),
        (
            "lengths",
            object(&[
                "msSPP-KMSIds:: AAEC",
                "msSPP-CSVLKSkuId:: AAEC",
                "msSPP-CSVLKPartialProductKey: TEST",
                "msSPP-CSVLKPartialProductKey: TESTS7",
            ]),
        ),
        ("no_utf_8", object(&["msSPP-CSVLKPid:: YWL/", "msSPP-InstallationId:: /w==", "displayName:: /w=="])),
        (
            "single_values",
            object(&[
                "msSPP-ConfirmationId: 1",
                "msSPP-ConfirmationId: 2",
                "msSPP-CSVLKSkuId:: AAECAwQFBgcICQoLDA0ODw==",
                "msSPP-CSVLKSkuId:: AAECAwQFBgcICQoLDA0ODw==",
            ]),
        ),
        (
            "licences",
            object(&[
                "msSPP-OnlineLicense:: PHJnOmxpY2Vuc2VHcm91cC8+", // <rg:licenseGroup/>
                "msSPP-PhoneLicense:: //48AGEALwA+AA==",          // UTF-16 with a mark
                "msSPP-ConfigLicense:: PABhAC8APgA=",             // UTF-16 without one
                "msSPP-IssuanceLicense:: 77u/PGEvPg==",           // UTF-8 with a mark
                "msSPP-IssuanceLicense:: MAMCAQA=",               // DER
                "msSPP-IssuanceLicense: test payload 7",
                "msSPP-IssuanceLicense: <7",
                "msSPP-IssuanceLicense:: PD94bWwgPz4=", // <?xml ?>
                "msSPP-IssuanceLicense:",
            ]),
        ),
        ("version_twice", b"version: 1\nversion: 2\ndn: CN=a\ncn: a\n".to_vec()),
        ("folded_first", b" folded\ndn: CN=a\ncn: a\n".to_vec()),
        ("url_of_a_name", b"dn:< file:///x\ncn: a\n".to_vec()),
    ]
}

/// An element of BER, its length in five bytes.
fn element(identifier: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[identifier, 0x84][..], &length, content].concat()
}

fn message(id: u8, operation: u8, content: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id][..], &element(operation, content)].concat())
}

fn ldap() -> Vec<(&'static str, Vec<u8>)> {
    let talk = |pieces: &[(u8, Vec<u8>)]| {
        let mut seed = vec![0];
        pieces.iter().for_each(|(kind, bytes)| formats::put(&mut seed, *kind, bytes));
        seed
    };
    let search = |id: u8, base: &str, scope: u8, filter: &[u8], attributes: &[&str]| {
        let numbers = [10, 1, scope, 10, 1, scope, 2, 1, 0, 2, 1, 0, 1, 1, 0];
        let list: Vec<u8> = attributes.iter().flat_map(|name| element(4, name.as_bytes())).collect();
        message(
            id,
            0x63,
            &[&element(4, base.as_bytes())[..], &numbers, filter, &element(0x30, &list)].concat(),
        )
    };
    let present = b"\x87\x0bobjectClass";
    let result = |id: u8, operation: u8, code: u8| {
        message(id, operation, &[&[10, 1, code][..], b"\x04\0\x04\0"].concat())
    };
    let base = |base: &str| talk(&[(CLIENT, search(1, base, 2, present, &[])), (SERVER, result(1, 0x65, 0))]);
    let entry = |attributes: &[(&str, &[u8])]| {
        let of = |(name, value): &(&str, &[u8])| {
            element(0x30, &[element(4, name.as_bytes()), element(0x31, &element(4, value))].concat())
        };
        let list: Vec<u8> = attributes.iter().flat_map(of).collect();
        message(1, 0x64, &[element(4, b"CN=a,DC=test"), element(0x30, &list)].concat())
    };
    let every_code: Vec<(u8, Vec<u8>)> = (0..=124)
        .flat_map(|code| {
            let asked = search(1, "", code % 5, present, &["1.1", "*", "+"]);
            [(CLIENT, asked), (SERVER, result(1, 0x65, code))]
        })
        .collect();
    let bind = |id: u8, method: &[u8]| message(id, 0x60, &[&b"\x02\x01\x03\x04\0"[..], method].concat());
    vec![
        ("names_quoted", base("CN=\"a, b\"+OU=c ; DC = \"d\"")),
        ("names_escaped", base("CN=\\2ca\\,\\#b\\c3\\a4,OU=#04026869,DC=\\20x\\ ")),
        ("names_without_a_type", base("=a,CN=b")),
        ("names_without_a_value", base("CN,DC=b")),
        ("names_quoted_without_an_end", base("CN=\"a")),
        ("names_quoted_and_more", base("CN=\"a\"b,DC=c")),
        ("names_escaped_badly", base("CN=\\zz,DC=\\f")),
        ("names_of_many_parts", base(&"a=b+".repeat(300))),
        ("names_of_many_levels", base(&"a=b,".repeat(2000))),
        ("every_result", talk(&every_code)),
        ("search_again", talk(&[(CLIENT, search(1, "a=b", 7, present, &[])), (CLIENT, search(1, "", 0, present, &[]))])),
        ("binds", talk(&[
            (CLIENT, bind(1, b"\x80\x01a")),
            (CLIENT, bind(2, b"\x89\x01a")),
            (CLIENT, bind(3, b"\xa3\x0a\x04\x06GSSAPI\x04\0")),
            (CLIENT, bind(4, b"\x85\0")),
            (SERVER, result(1, 0x61, 49)),
            (SERVER, result(2, 0x61, 14)),
        ])),
        ("operations", talk(&[
            (CLIENT, [0x66, 0x68, 0x6c, 0x6e, 0x77].iter().flat_map(|tag| message(9, *tag, b"\x04\x01a")).collect()),
            (CLIENT, [message(9, 0x4a, b"CN=a"), message(10, 0x50, b"\x01"), message(9, 0x42, b"")].concat()),
            (SERVER, [0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78].iter().flat_map(|tag| result(9, *tag, 32)).collect()),
            (SERVER, message(9, 0x79, b"\x80\x031.2\x81\x01a")),
            (SERVER, message(9, 0x7e, b"")),
        ])),
        ("no_utf_8", talk(&[(SERVER, entry(&[("cn", b"\xff"), ("\u{7f}", b"a")])), (CLIENT, search(2, "", 1, b"\xa3\x06\x04\x01\xff\x04\x01\xff", &[]))])),
        ("indefinite", talk(&[(CLIENT, b"\x30\x80\x02\x01\x01\x42\0\0\0".to_vec())])),
        ("numbers", talk(&[(CLIENT, message(1, 0x63, b"\x04\0\x0a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01\x0a\0\x02\x01\xff\x02\x01\0\x01\x01\0"))])),
        ("boolean", talk(&[(CLIENT, message(1, 0x63, b"\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x02\0\0\x87\x01a\x30\0"))])),
        ("more_behind", talk(&[(CLIENT, element(0x30, &[&b"\x02\x01\x01\x42\0"[..], b"\x04\x01a\x04\x01b"].concat()))])),
        ("object_problems", talk(&[
            (CLIENT, search(1, "CN=Activation Objects", 1, b"\xa3\x25\x04\x0bobjectClass\x04\x16msSPP-ActivationObject", &["cn", "msSPP-KMSIds"])),
            (SERVER, entry(&[("objectClass", b"msSPP-ActivationObject"), ("msSPP-KMSIds", b"short"), ("msSPP-CSVLKPid", b"\xff")])),
            (SERVER, entry(&[("cn", b"no activation object")])),
            (SERVER, result(1, 0x65, 4)),
        ])),
    ]
}

fn ids() -> Vec<(&'static str, Vec<u8>)> {
    const CONFIRMATION: &str = "154814744406423500209405874111676042686055";
    let grouped = |size: usize| {
        let groups: Vec<&str> =
            CONFIRMATION.as_bytes().chunks(size).map(|g| str::from_utf8(g).unwrap()).collect();
        groups.join("-")
    };
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("empty", text("")),
        ("invisible_separators", text(&grouped(6).replace('-', "\u{200b}\u{2013}"))),
        ("groups_of_five", text(&grouped(5))),
        ("last_letter", text(&format!("{}S", &CONFIRMATION[..41]))),
        ("wrong_digit", text(&CONFIRMATION.replacen("15", "16", 1))),
        ("two_wrong_groups", text(&CONFIRMATION.replacen("154", "164", 1).replacen("686", "687", 1))),
        ("letters_between", text(&grouped(6).replace('-', " x "))),
        ("seven_digits_in_a_group", text(&grouped(6).replacen('-', "0-", 1))),
        ("five_digits_in_a_group", text(&grouped(6).replacen("4-", "-", 1))),
        ("a_word", text("confirmation")),
    ]
}

fn soap() -> Vec<(&'static str, Vec<u8>)> {
    let body = |text: &str| [b"\0", text.as_bytes()].concat();
    let envelope = |inside: &str| {
        body(&format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{inside}</s:Body></s:Envelope>"
        ))
    };
    let request = |inside: &str| {
        let inside = inside.replace('<', "&lt;");
        envelope(&format!(
            "<BatchActivate><request><Digest/><RequestXml>{inside}</RequestXml></request></BatchActivate>"
        ))
    };
    let response = |inside: &str| {
        body(&format!(
            "<ActivationResponse xmlns=\"urn:r\"><Responses>{inside}</Responses></ActivationResponse>"
        ))
    };
    vec![
        ("no_element_is_open", body("</a>")),
        ("bang", body("<a><!what></a>")),
        ("question", body("<a><?></a>")),
        ("attribute", body("<a b=c d></a>")),
        ("no_utf_8", [&b"\0<a>"[..], b"\xff\xfe\xfd</a>"].concat()),
        ("two_roots", body("<Fault/><Fault/>")),
        ("text_behind", body("<Fault/>text")),
        ("text_among_elements", response("text<Response>text<PID>a</PID>text</Response>text")),
        ("unknown_elements", response("<Other a=\"b\"><C/></Other><Response><Other>7</Other><Other>8</Other></Response>")),
        ("error_codes", response(&["0x67", "0x7F", "0xC004C017", "7", "0xzz", ""].map(|code| {
            format!("<Response><PID>a</PID><ErrorInfo><ErrorCode>{code}</ErrorCode></ErrorInfo></Response>")
        }).concat())),
        ("no_response_document", body("<BatchActivateResponse><BatchActivateResult><ResponseXml>&lt;Other/></ResponseXml></BatchActivateResult></BatchActivateResponse>")),
        ("no_request_document", request("<Other/>")),
        ("request_of_another_type", request("<ActivationRequest><RequestType>9</RequestType><Requests><Request><Other/></Request></Requests></ActivationRequest>")),
        ("request_unreadable", request("<ActivationRequest><")),
        ("empty_envelope", envelope("")),
        ("other_envelope", body("<s:Envelope xmlns:s=\"urn:other\"><s:Header><a/></s:Header><s:Body><b/></s:Body></s:Envelope>")),
        ("body_twice", body("<Envelope><Body><Fault/></Body><Body><Fault/></Body></Envelope>")),
        ("fields_too_many", response(&"<Other/>".repeat(3000))),
        ("items_too_many", response(&"<Response/>".repeat(5200))),
        ("processing_instruction", body("<?xml version=\"1.0\"?><?a b?><!-- c --><Fault><?d?><faultstring><![CDATA[e]]>f</faultstring></Fault>")),
    ]
}

fn vamt() -> Vec<(&'static str, Vec<u8>)> {
    let file = |inside: &str| {
        format!("<SoftwareLicensingData><Computers>{inside}</Computers></SoftwareLicensingData>").into_bytes()
    };
    let values: String = (0..600).map(|at| format!("<Value{at}>7</Value{at}>")).collect();
    let products = "<Product><ProductId>a</ProductId></Product>".repeat(700);
    vec![
        ("values_too_many", file(&format!("<Computer>{values}</Computer>"))),
        ("products_too_many", file(&format!("<Computer><Products>{products}</Products></Computer>"))),
        (
            "product_values_too_many",
            file(&format!("<Computer><Products><Product>{values}</Product></Products></Computer>")),
        ),
        ("unclosed", b"<SoftwareLicensingData><Computers><Computer Name=\"a\"><Products><Product".to_vec()),
        (
            "no_utf_8",
            file("<Computer><Name>\u{fffd}</Name></Computer>")
                .into_iter()
                .map(|byte| if byte == 0xef { 0xff } else { byte })
                .collect(),
        ),
    ]
}

fn dns() -> Vec<(&'static str, Vec<u8>)> {
    let record = |rtype: u8, data: &[u8]| {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&b"\xc0\x0c"[..], &[0, rtype, 0, 1, 0, 0, 0, 60], &length, data].concat()
    };
    let answer = |rcode: u8, records: &[Vec<u8>]| {
        let count = u8::try_from(records.len()).unwrap();
        let head = [0, 7, 0x81, 0x80 | rcode, 0, 1, 0, count, 0, 0, 0, 0];
        let question = b"\x06_vlmcs\x04_tcp\x04corp\x07example\0\0\x21\0\x01";
        [&[0][..], &head, question, &records.concat()].concat()
    };
    let of = |rtype, data: &[u8]| answer(0, &[record(rtype, data)]);
    let long_name: Vec<u8> = (0..5).flat_map(|_| [&[60][..], &[b'a'; 60]].concat()).chain([0]).collect();
    vec![
        ("a_cut", of(1, &[192, 0, 2])),
        ("aaaa_cut", of(28, &[0x20; 15])),
        ("cname_cut", of(5, b"\x05corp")),
        ("ns_excess", of(2, b"\x04corp\0\0")),
        ("ptr_pointer", of(12, b"\xc0\xff")),
        ("soa_cut", of(6, b"\x02ns\0\x01h\0\0\0\0\x01")),
        ("srv_cut", of(33, &[0, 0, 0, 0, 6])),
        ("txt_cut", of(16, b"\x09test")),
        ("name_too_long", of(5, &long_name)),
        ("unknown_type", of(99, b"test payload 7")),
        (
            "class_unknown",
            answer(0, &[[&b"\xc0\x0c\0\x01\0\x63\0\0\0\x3c\0\x04"[..], &[192, 0, 2, 1]].concat()]),
        ),
        ("record_cut", [answer(0, &[record(1, &[192, 0, 2, 1])]), vec![]].concat()[..50].to_vec()),
        ("rcode_15", answer(15, &[])),
        ("azure", {
            let question = b"\x05azkms\x04core\x07windows\x03net\0\0\x01\0\x01";
            let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], question].concat();
            let length = u16::try_from(query.len()).unwrap().to_le_bytes();
            [&[2, 0, 0][..], &length, &query].concat()
        }),
    ]
}

fn rings() -> Vec<(&'static str, Vec<u8>)> {
    let ring = |write: u32, read: u32, data: &[u8]| {
        [&[0][..], &write.to_le_bytes(), &read.to_le_bytes(), data].concat()
    };
    // A descriptor: type 6, 16 bytes in front of the data, 24 or more in all.
    let packet = |length: u16| [&[6, 0, 2, 0][..], &length.to_le_bytes(), &[0; 10], &[7; 64]].concat();
    vec![
        ("offset_beyond", ring(4096, 0, &[0; 64])),
        ("length_beyond", ring(24, 0, &packet(200))),
        ("length_below", ring(24, 0, &packet(1))),
        ("footer", ring(32, 0, &packet(3))),
        ("short", ring(0, 0, &[0; 7])),
    ]
}

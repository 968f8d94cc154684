//! Dictionaries: the words of each target's formats, for the engines that take them (libFuzzer's and AFL++'s `-dict` and
//! `-x`). They are made of the catalog and of the protocols' constants, and so never say anything else than those.

use std::fmt::Write as _;

use crate::directory::{oid, schema};
use crate::discovery::RecordType;
use crate::mak::{BATCH_SERVICE, BATCH_SOAP_ACTION, REQUEST_DOCUMENT, RESPONSE_DOCUMENT, SoapVersion, TRUST};
use crate::mak::{ErrorCode, TokenService};
use crate::mutate::dictionary::{Token, kms, rpc};
use crate::vmbus::control::MessageType;
use crate::vmbus::{ChannelClass, PacketType, pipe};
use crate::wire::utf16;

/// The dictionary of a target, in the syntax of libFuzzer and AFL++: one `name="value"` a line. `None` where words do not
/// help.
#[must_use]
pub fn dictionary(target: &str) -> Option<String> {
    let tokens: Vec<Token> = match target {
        "capture" | "diagnose" | "file" | "layers" => [&capture()[..], &rpc()[..12]].concat(),
        "connection" | "framer" | "pdu" | "rules" => [rpc(), kms()].concat(),
        "dns" => dns(),
        "epid" => epid(),
        "events" => events(),
        "har" => [har(), http()].concat(),
        "http" => http(),
        "id" => id(),
        "key_log" => key_log(),
        "ldap" => ldap(),
        "ldif" => ldif(),
        "redact" => [key_surroundings(), key_log()].concat(),
        "request_message" | "request_stub" | "request_v4" | "request_v5" | "request_v6" | "respond"
        | "response_message" | "response_stub" | "response_v4" | "response_v5" | "response_v6" | "verify" => {
            kms().to_vec()
        }
        "soap" | "vamt" => markup(),
        "tls" => [tls(), key_log()].concat(),
        "vmbus_control" | "vmbus_pipe" | "vmbus_ring" => vmbus(),
        _ => return None,
    };
    let mut text = format!("# {target}: made by `VOLACT_WRITE_DOCS=1 cargo test --test mutate`.\n");
    for Token { name, bytes } in tokens {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        write!(text, "{name}=\"").expect("a string takes everything");
        for byte in bytes {
            match byte {
                b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
                b' '..=b'~' => write!(text, "{}", char::from(byte)),
                _ => write!(text, "\\x{byte:02X}"),
            }
            .expect("a string takes everything");
        }
        text.push_str("\"\n");
    }
    Some(text)
}

fn words(words: &[&str]) -> Vec<Token> {
    words.iter().map(|word| Token::new(*word, word.as_bytes())).collect()
}

fn capture() -> Vec<Token> {
    let blocks: [(&str, &[u8]); 16] = [
        ("pcap_little", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]),
        ("pcap_big", &[0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4]),
        ("pcap_nanoseconds", &[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]),
        ("section_header", &[0x0a, 0x0d, 0x0d, 0x0a]),
        ("byte_order_little", &[0x4d, 0x3c, 0x2b, 0x1a]),
        ("byte_order_big", &[0x1a, 0x2b, 0x3c, 0x4d]),
        ("interface_description", &[1, 0, 0, 0]),
        ("simple_packet", &[3, 0, 0, 0]),
        ("enhanced_packet", &[6, 0, 0, 0]),
        ("decryption_secrets", &[10, 0, 0, 0]),
        ("ethertype_ipv4", &[8, 0, 0x45, 0]),
        ("ethertype_ipv6", &[0x86, 0xdd, 0x60, 0]),
        ("ethertype_vlan", &[0x81, 0]),
        ("ethertype_mpls", &[0x88, 0x47]),
        ("gre_ethernet", &[0x65, 0x58]),
        ("port_1688", &[0x06, 0x98]),
    ];
    blocks.iter().map(|(name, bytes)| Token::new(*name, *bytes)).collect()
}

fn dns() -> Vec<Token> {
    let label = |text: &str| [&[u8::try_from(text.len()).unwrap_or_default()], text.as_bytes()].concat();
    let names =
        ["_vlmcs", "_tcp", "_VLMCS", "_ldap", "_msdcs", "local", "kms", "core", "windows", "net", "azure"];
    let mut tokens: Vec<Token> =
        names.iter().map(|name| Token::new(format!("label_{name}"), label(name))).collect();
    for number in 0..=260_u16 {
        let kind = RecordType(number);
        if let Some(name) = kind.name() {
            tokens.push(Token::new(format!("type_{name}"), [&number.to_be_bytes()[..], &[0, 1]].concat()));
        }
    }
    let others: [(&str, &[u8]); 8] = [
        ("pointer_to_question", &[0xc0, 0x0c]),
        ("pointer_to_start", &[0xc0, 0]),
        ("pointer_far", &[0xff, 0xff]),
        ("label_of_64", &[0x40]),
        ("opt", &[0, 0, 41, 0x10, 0]),
        ("response", &[0x81, 0x80]),
        ("name_error", &[0x81, 0x83]),
        ("port_1688", &[0x06, 0x98]),
    ];
    tokens.extend(others.iter().map(|(name, bytes)| Token::new(*name, *bytes)));
    tokens
}

fn epid() -> Vec<Token> {
    let parts = [
        "55041-",
        "05426-",
        "06401-",
        "03612-",
        "XXXXX-",
        "-03-",
        "-1033-",
        "-17763.0000-",
        ".0000-",
        "0012026",
        "3662024",
    ];
    let wide = parts.iter().map(|part| Token::new(format!("wide_{part}"), utf16::encode(part)));
    words(&parts).into_iter().chain(wide).collect()
}

fn id() -> Vec<Token> {
    words(&[
        "000000", "0000000", "-", " ", "\u{a0}", "\u{2010}", "\u{200b}", "\u{ff10}", "\u{ff19}", "\u{ff0d}",
        "A ", "H ", ".",
    ])
}

fn http() -> Vec<Token> {
    words(&[
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\r\n",
        "CONNECT a:443 HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 Not Modified\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "Content-Length: ",
        "Content-Type: text/xml; charset=utf-8\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: deflate\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Connection: close\r\n",
        "Upgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "Host: ",
        "SOAPAction: ",
        "Trailer: ",
        "\r\n\r\n",
        "\r\n0\r\n\r\n",
        ";ext=1\r\n",
        "ffffffffffffffff\r\n",
        "\r\n ",
    ])
}

fn har() -> Vec<Token> {
    words(&[
        "\"log\":{",
        "\"version\":\"1.2\"",
        "\"entries\":[",
        "\"request\":{",
        "\"response\":{",
        "\"postData\":{",
        "\"content\":{",
        "\"encoding\":\"base64\"",
        "\"mimeType\":\"text/xml\"",
        "\"text\":\"",
        "\"headers\":[",
        "\"startedDateTime\":\"2026-01-01T00:00:00Z\"",
        "\"status\":200",
        "\"bodySize\":-1",
        "\\u0000",
        "\\ud800",
        "null",
    ])
}

fn key_log() -> Vec<Token> {
    words(&[
        "CLIENT_RANDOM ",
        "CLIENT_EARLY_TRAFFIC_SECRET ",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
        "CLIENT_TRAFFIC_SECRET_0 ",
        "SERVER_TRAFFIC_SECRET_0 ",
        "CLIENT_TRAFFIC_SECRET_1 ",
        "EXPORTER_SECRET ",
        "# ",
        "\r\n",
    ])
}

fn tls() -> Vec<Token> {
    let tokens: [(&str, &[u8]); 18] = [
        ("change_cipher_spec", &[20, 3, 3, 0, 1, 1]),
        ("alert", &[21, 3, 3, 0, 2, 1, 0]),
        ("handshake", &[22, 3, 3]),
        ("application_data", &[23, 3, 3]),
        ("client_hello", &[1, 0]),
        ("server_hello", &[2, 0]),
        ("new_session_ticket", &[4, 0]),
        ("encrypted_extensions", &[8, 0]),
        ("finished", &[20, 0, 0, 12]),
        ("key_update", &[24, 0, 0, 1, 0]),
        ("supported_versions", &[0, 43, 0, 2, 3, 4]),
        ("extended_master_secret", &[0, 23, 0, 0]),
        ("encrypt_then_mac", &[0, 22, 0, 0]),
        ("max_fragment_length", &[0, 1, 0, 1]),
        ("aes_128_gcm_sha256", &[0x13, 1]),
        ("aes_256_gcm_sha384", &[0x13, 2]),
        ("chacha20_poly1305_sha256", &[0x13, 3]),
        ("ecdhe_rsa_aes_128_gcm_sha256", &[0xc0, 0x2f]),
    ];
    tokens.iter().map(|(name, bytes)| Token::new(*name, *bytes)).collect()
}

fn ldap() -> Vec<Token> {
    let octets = |text: &str| [&[4, u8::try_from(text.len()).unwrap_or_default()], text.as_bytes()].concat();
    let mut tokens: Vec<Token> =
        names_of_the_schema().iter().map(|name| Token::new(*name, octets(name))).collect();
    for oid in [oid::START_TLS, oid::NOTICE_OF_DISCONNECTION, "1.2.840.113556.1.4.319"] {
        tokens.push(Token::new(format!("oid_{oid}"), octets(oid)));
    }
    let operations: [(&str, &[u8]); 16] = [
        ("message", &[0x30, 0x0c, 2, 1, 1]),
        ("long_length", &[0x30, 0x84, 0, 0, 0, 0x0c]),
        ("bind_request", &[0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]),
        ("bind_response", &[0x61, 7, 10, 1, 0, 4, 0, 4, 0]),
        ("unbind_request", &[0x42, 0]),
        ("search_request", &[0x63]),
        ("search_result_entry", &[0x64]),
        ("search_result_done", &[0x65, 7, 10, 1, 0, 4, 0, 4, 0]),
        ("search_result_reference", &[0x73]),
        ("modify_request", &[0x66]),
        ("extended_request", &[0x77]),
        ("extended_response", &[0x78]),
        ("filter_and", &[0xa0]),
        ("filter_equality", &[0xa3]),
        ("filter_present", &[0x87]),
        ("sasl", &[0xa3, 10, 4, 8]),
    ];
    tokens.extend(operations.iter().map(|(name, bytes)| Token::new(*name, *bytes)));
    tokens
}

fn events() -> Vec<Token> {
    words(&[
        "Event[0]:\n",
        "Log Name: ",
        "Source: ",
        "Date: ",
        "Event ID: ",
        "Computer: ",
        "Description: \n",
        "Microsoft-Windows-Security-SPP",
        "{e23b33b0-c8c9-472c-a5f9-f2bdfea0f156}",
        "12288",
        "12289",
        "12290",
        "12293",
        "12294",
        "12308",
        "12309",
        "12310",
        "0xC004F06C, 0x00000000, ",
        "36f27b39-2fd5-440b-be67-a09996d27a38",
        "2010/09/29 17:52",
        "5/1/2024 12:34:56 PM",
        "01.05.2024 12:34:56",
        "2024-05-01T12:34:56.789Z",
        "Level,Date and Time,Source,Event ID,Task Category\n",
        "#TYPE ",
        "\"\"",
        "\",\"",
        "TimeCreated  : ",
        "ProviderName : ",
        "Message      : ",
        "Id           : ",
        "<Event>",
        "</Event>",
        "<System>",
        "<EventData><Data>",
        "CN=Activation Objects,CN=Microsoft SPP",
        "ElfFile\0",
    ])
}

fn ldif() -> Vec<Token> {
    let mut tokens = words(&[
        "version: 1\n",
        "dn: ",
        "dn:: ",
        "changetype: add\n",
        "changetype: modify\n",
        "control: ",
        "objectClass: ",
        ":< file:///",
        ":: ",
        "\n ",
        "\n-\n",
        "# ",
        "CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration",
    ]);
    for name in names_of_the_schema() {
        tokens.push(Token::new(name, format!("{name}: ")));
    }
    tokens
}

fn names_of_the_schema() -> Vec<&'static str> {
    let classes = schema::CLASSES.iter().map(|class| class.name);
    schema::ATTRIBUTES.iter().map(|attribute| attribute.name).chain(classes).collect()
}

fn key_surroundings() -> Vec<Token> {
    words(&[
        "-",
        "&#45;",
        "&#x2D;",
        "%2D",
        "\\u002d",
        "=2D",
        "&amp;",
        "ProductKey",
        "\"",
        "0x",
        "hex:",
        "=\r\n",
    ])
}

fn markup() -> Vec<Token> {
    let elements = [
        "ActivationRemaining",
        "ActivationRequest",
        "RequestXml",
        "ActivationResponse",
        "BatchActivate",
        "BatchActivateResponse",
        "BatchActivateResult",
        "BatchId",
        "Body",
        "CID",
        "Claims",
        "Code",
        "Computer",
        "Detail",
        "Digest",
        "Envelope",
        "ErrorCode",
        "ErrorInfo",
        "Fault",
        "Header",
        "IID",
        "Name",
        "PID",
        "Product",
        "Reason",
        "Request",
        "RequestSecurityToken",
        "RequestSecurityTokenResponse",
        "RequestType",
        "Requests",
        "Response",
        "ResponseType",
        "Responses",
        "TokenEntry",
        "TokenType",
        "UseKey",
        "Value",
        "VersionNumber",
    ];
    let mut tokens: Vec<Token> = elements.iter().map(|name| Token::new(*name, format!("<{name}>"))).collect();
    let soap = [SoapVersion::V1_1, SoapVersion::V1_2];
    tokens.extend(soap.iter().map(|version| Token::new(version.namespace(), version.namespace())));
    let services = TokenService::ALL.iter().map(|service| service.soap_action());
    let addresses = [BATCH_SERVICE, REQUEST_DOCUMENT, RESPONSE_DOCUMENT, TRUST, BATCH_SOAP_ACTION];
    tokens.extend(addresses.into_iter().chain(services).map(|address| Token::new(address, address)));
    tokens.extend(
        ErrorCode::all().iter().map(|(code, ..)| Token::new(format!("code_{code}"), code.to_string())),
    );
    tokens.extend(words(&[
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?xml version=\"1.0\" encoding=\"utf-16\"?>",
        "&#x",
        "&lt;",
        "xmlns=\"",
        "xsi:nil=\"true\"",
    ]));
    tokens.push(Token::new("byte_order_mark", [0xff, 0xfe]));
    tokens
}

fn vmbus() -> Vec<Token> {
    let mut tokens = Vec::new();
    for number in 0..32_u32 {
        if let Some(name) = MessageType(number).name() {
            tokens.push(Token::new(name, u64::from(number).to_le_bytes()));
        }
    }
    for class in ChannelClass::all() {
        if let Some(id) = class.class_id() {
            tokens.push(Token::new(format!("class_{}", class.name()), id.to_wire()));
        }
    }
    for number in 0..16 {
        if let Some(name) = PacketType(number).name() {
            let [low, high] = number.to_le_bytes();
            tokens.push(Token::new(format!("packet_{name}"), [low, high, 2, 0, 4, 0, 0, 0]));
        }
        if let Some(name) = pipe::PacketKind(number.into()).name() {
            tokens.push(Token::new(format!("pipe_{name}"), u32::from(number).to_le_bytes()));
        }
    }
    for version in [0x0000_000d_u32, 0x0001_0001, 0x0004_0000, 0x0005_0003, 0x0006_0000] {
        tokens.push(Token::new(format!("version_{version:x}"), version.to_le_bytes()));
    }
    tokens
}

//! Seeds of `ldap` and `ldif`: one of each kind of message and record, and of what can be wrong with them.

use volact::wire::parse_hex;

/// Messages that others made: `../directory/ldap3_messages.py` says how.
const MESSAGES: &str = include_str!("../directory/ldap3.hex");
const EXPORT: &[u8] = include_bytes!("../directory/ldap3.ldif");

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let connections = connections().into_iter().map(|(name, bytes)| ("ldap", name, bytes));
    let files = files().into_iter().map(|(name, bytes)| ("ldif", name, bytes));
    connections.chain(files).collect()
}

const CLIENT: u8 = 0;
const SERVER: u8 = 1;
const GAP: u8 = 2;

/// A piece as `ldap` reads it; in parts of so many bytes.
fn piece(kind: u8, part: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&[kind | (part - 1) << 2][..], &length.to_le_bytes(), bytes].concat()
}

fn made(name: &str) -> Vec<u8> {
    let line = MESSAGES.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    parse_hex(line.unwrap()).unwrap()
}

fn connections() -> Vec<(&'static str, Vec<u8>)> {
    let messages = [
        ("bind_simple", CLIENT),
        ("bind_refused", SERVER),
        ("filter_of_all_kinds", CLIENT),
        ("activation_object", SERVER),
        ("no_such_object", SERVER),
        ("referral", SERVER),
        ("reference", SERVER),
        ("add", CLIENT),
        ("delete", CLIENT),
        ("modify", CLIENT),
    ];
    let alone = messages.map(|(name, from)| (name, [vec![0], piece(from, 9, &made(name))].concat()));
    let talk = |mid_stream: u8, pieces: &[Vec<u8>]| [vec![mid_stream], pieces.concat()].concat();
    let sealed = |content: &[u8]| [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat();
    let token = sealed(b"\x05\x04 test payload 7 sealed");
    let nested = |kind: u8, depth: usize| {
        let mut filter = vec![0x87, 2, b'c', b'n'];
        for _ in 1..depth {
            let length = u32::try_from(filter.len()).unwrap().to_be_bytes();
            filter = [&[kind, 0x84][..], &length, &filter].concat();
        }
        let mut content = b"\x04\0\x0a\x01\x02\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0".to_vec();
        content.extend(filter);
        content.extend(b"\x30\0");
        let element = |identifier: u8, content: &[u8]| {
            [&[identifier, 0x84][..], &u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
        };
        let message = [b"\x02\x01\x01".to_vec(), element(0x63, &content)].concat();
        talk(0, &[piece(CLIENT, 64, &element(0x30, &message))])
    };
    let search = made("activation_search");
    let conversations = [
        (
            "ao_list",
            talk(
                0,
                &[
                    piece(CLIENT, 3, &made("root_dse")),
                    piece(SERVER, 5, &[made("root_dse_entry"), made("done")].concat()),
                    piece(CLIENT, 7, &search),
                    piece(SERVER, 64, &[made("activation_object"), made("reference")].concat()),
                    piece(SERVER, 1, &made("no_such_object")),
                    piece(CLIENT, 1, &made("unbind")),
                ],
            ),
        ),
        (
            "sealed",
            talk(
                0,
                &[
                    piece(CLIENT, 4, &made("bind_sasl")),
                    piece(SERVER, 4, &made("bind_in_progress")),
                    piece(CLIENT, 4, &[token.clone(), sealed(b""), token.clone()].concat()),
                    piece(SERVER, 4, &token[..9]),
                ],
            ),
        ),
        ("sealed_mid_stream", talk(1, &[piece(CLIENT, 4, &token), piece(SERVER, 2, &token)])),
        (
            "start_tls",
            talk(
                0,
                &[
                    piece(CLIENT, 4, &made("start_tls")),
                    piece(SERVER, 4, &[made("start_tls_granted"), b"\x16\x03\x03..".to_vec()].concat()),
                    piece(CLIENT, 2, b"\x16\x03\x01 test payload 7"),
                ],
            ),
        ),
        (
            "abandoned",
            talk(
                0,
                &[piece(CLIENT, 64, &search), piece(CLIENT, 1, &made("abandon")), piece(CLIENT, 9, &search)],
            ),
        ),
        (
            "gap",
            talk(
                0,
                &[
                    piece(CLIENT, 9, &search[..100]),
                    piece(CLIENT | GAP, 20, &search[120..]),
                    piece(CLIENT, 9, &made("unbind")),
                    piece(SERVER | GAP, 50, &made("done")),
                ],
            ),
        ),
        (
            "junk",
            talk(
                1,
                &[piece(
                    CLIENT,
                    2,
                    &[b"0\x84..0\x05\x02\x01\x010\x84\xff\xff\xff\xff".to_vec(), made("unbind")].concat(),
                )],
            ),
        ),
        ("nested_and", nested(0xa0, 64)),
        ("nested_too_deep", nested(0xa2, 400)),
        ("cut", talk(0, &[piece(SERVER, 33, &made("activation_object")[..1_200])])),
    ];
    alone.into_iter().chain(conversations).collect()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let short =
        b"dn: CN=a,DC=test\nobjectClass: msSPP-ActivationObject\nmsSPP-KMSIds:: AAECAwQFBgcICQoLDA0ODw==\n";
    let with = |text: &str| [&short[..], text.as_bytes()].concat();
    let crlf = String::from_utf8_lossy(short).replace('\n', "\r\n").into_bytes();
    vec![
        ("export", EXPORT.to_vec()),
        ("export_cut", EXPORT[..EXPORT.len() / 2].to_vec()),
        ("short", short.to_vec()),
        ("crlf", crlf),
        ("mark", [b"\xef\xbb\xbf", &short[..]].concat()),
        ("version", [b"version: 1\n\n", &short[..]].concat()),
        ("no_version", b"version: x\n".to_vec()),
        ("folded", b"dn: CN\n =a\ncn:: Y\n W\n I=\n# com\n ment\nsn: b\n".to_vec()),
        ("url", with("jpegPhoto:< file:///x\n")),
        ("add", b"dn: CN=a\ncontrol: 1.2.3 true:: YQ==\nchangetype: add\ncn: a\n".to_vec()),
        (
            "modify",
            b"dn: CN=a\nchangetype: modify\nadd: cn\ncn: b\n-\n\ndn: CN=b\nchangetype: delete\n".to_vec(),
        ),
        ("results", with("\n# search result\nsearch: 2\nresult: 0 Success\n\nref: ldap://x\n")),
        ("no_colon", with("no colon\nsn: b\n\ndn: CN=b\n")),
        ("no_base64", with("cn:: ***\n\ndn: CN=b\n")),
        ("no_utf_8", b"dn:: /w==\ncn: a\n\ndn: CN=b\ncn: \xff\n".to_vec()),
        ("no_dn", b"cn: a\n\n cn: a\n\ndn: CN=b".to_vec()),
        ("carriage_returns", b"dn: CN=a\r\r\ncn: \r\r\n\r\n\r".to_vec()),
    ]
}

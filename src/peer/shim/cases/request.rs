use crate::conformance::Level;
use crate::kms::rijndael::{Rijndael, V4};
use crate::kms::{Check, RequestBody, RequestChecks, RequestMessage, Version};
use crate::wire::{FileTime, Guid, Random, parse_hex};

use super::super::bodies;
use super::super::case::{Case, Script, is_value};
use super::super::contract::{Fields, Query, Value};
use super::messages::{flip, place, request, request_body};
use super::{AGREED, IS_REFUSED, VA2};

/// Requests: decoded, refused, and made.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-V4-REQUEST-DECODE",
        title: "A version 4 request is read",
        tags: &["v4"],
        script: |random| decode(&request(Version::V4, random)),
        ..DECODE
    },
    Case {
        id: "SHIM-V5-REQUEST-DECODE",
        title: "A version 5 request is decrypted and read",
        tags: &["v5"],
        script: |random| decode(&request(Version::V5, random)),
        ..DECODE
    },
    Case {
        id: "SHIM-V6-REQUEST-DECODE",
        title: "A version 6 request is decrypted and read",
        tags: &["v6"],
        script: |random| decode(&request(Version::V6, random)),
        ..DECODE
    },
    Case {
        id: "SHIM-V4-REQUEST-VECTOR",
        title: "A version 4 request of fixed bytes is read",
        tags: &["v4", "vector"],
        script: |_| decode_vector(Version::V4, V4_VECTOR),
        ..DECODE
    },
    Case {
        id: "SHIM-V6-REQUEST-VECTOR",
        title: "A version 6 request of fixed bytes is decrypted and read",
        tags: &["v6", "vector"],
        script: |_| decode_vector(Version::V6, V6_VECTOR),
        ..DECODE
    },
    Case {
        id: "SHIM-V6-REQUEST-EXTREMES",
        title: "Fields may hold the largest number there is",
        tags: &["v6", "hostile"],
        script: |random| {
            let body = RequestBody {
                vm_info: u32::MAX,
                license_status: u32::MAX,
                binding_expiration: u32::MAX,
                n_policy: u32::MAX,
                client_time: FileTime(u64::MAX),
                cmid: Guid::from_wire([0xff; 16]),
                ..request_body(Version::V6, random)
            };
            decode(&RequestMessage::new(body, random.bytes()))
        },
        ..DECODE
    },
    Case {
        id: "SHIM-V5-REQUEST-NAME-STALE",
        title: "Bytes behind the NUL of MachineName are nobody's concern",
        authority: "observed: Windows Server 2022 leaves stale text there",
        tags: &["v5"],
        script: |random| {
            let mut body = request_body(Version::V5, random);
            body.machine_name[64..].copy_from_slice(&random.bytes::<64>());
            decode(&RequestMessage::new(body, random.bytes()))
        },
        ..DECODE
    },
    Case {
        id: "SHIM-V4-REQUEST-MAC-WRONG",
        title: "A MAC with a wrong bit is found",
        tags: &["v4", "mac"],
        script: |random| {
            refused(request(Version::V4, random), "mac", |message| {
                if let RequestMessage::V4(v4) = message {
                    flip(&mut v4.mac, random);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-REQUEST-BODY-CHANGED",
        title: "A body that was changed under its MAC is found",
        tags: &["v4", "mac"],
        script: |random| {
            refused(request(Version::V4, random), "mac", |message| {
                if let RequestMessage::V4(v4) = message {
                    flip(&mut v4.body.machine_name, random);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-REQUEST-MAC-ZERO-PADDED",
        title: "The padding of the MAC is 80 and zeros, not zeros alone",
        tags: &["v4", "mac"],
        script: |random| {
            refused(request(Version::V4, random), "mac", |message| {
                if let RequestMessage::V4(v4) = message {
                    v4.mac = zero_padded_mac(&v4.body);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-REQUEST-PADDING-WRONG",
        title: "Padding that is not 04 04 04 04 is found",
        tags: &["v5", "padding"],
        script: |random| {
            refused(request(Version::V5, random), "padding", |message| spoil_padding(message, random))
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-REQUEST-PADDING-WRONG",
        title: "Padding that is not 04 04 04 04 is found",
        tags: &["v6", "padding"],
        script: |random| {
            refused(request(Version::V6, random), "padding", |message| spoil_padding(message, random))
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-REQUEST-VERSION-INNER",
        title: "A body of another version than that in front of it is found",
        tags: &["v5", "version"],
        script: |random| refused(request(Version::V5, random), "version_envelope", other_body_version),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-REQUEST-VERSION-INNER",
        title: "A body of another version than that in front of it is found",
        tags: &["v6", "version"],
        script: |random| refused(request(Version::V6, random), "version_envelope", other_body_version),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-KEY-SCHEDULE",
        title: "A request under the key of version 6, its key schedule unchanged, cannot be decrypted",
        tags: &["v6", "version"],
        script: |random| {
            let body = request_body(Version::V6, random);
            let iv = random.bytes();
            let mut bytes = RequestMessage::new(body.clone(), iv).encode();
            bytes[20..256].copy_from_slice(&body.encode());
            bytes[256..].fill(4);
            Rijndael::aes_128(&V6_KEY).cbc_encrypt(&iv, &mut bytes[20..]);
            Script::refused(asked(&bytes), "version_envelope")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-REQUEST-VERSION-7",
        title: "A version that there is not is named",
        tags: &["version", "hostile"],
        script: |random| {
            let mut bytes = request(Version::V6, random).encode();
            bytes[2] = 7;
            Script::refused(asked(&bytes), "version")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-REQUEST-VERSION-BIG-ENDIAN",
        title: "A version in the wrong byte order is none",
        tags: &["version", "hostile"],
        script: |random| {
            let mut bytes = request(Version::V4, random).encode();
            bytes[..4].reverse();
            Script::refused(asked(&bytes), "version")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-REQUEST-SHORT",
        title: "A version 4 request without its last bytes is too short",
        tags: &["v4", "length", "hostile"],
        script: |random| cut(Version::V4, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-REQUEST-SHORT",
        title: "A version 5 request without its last bytes is too short",
        tags: &["v5", "length", "hostile"],
        script: |random| cut(Version::V5, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-REQUEST-SHORT",
        title: "A version 6 request of a version 4 request's length is too short",
        tags: &["v6", "length", "hostile"],
        script: |random| {
            let bytes = request(Version::V6, random).encode();
            Script::refused(asked(&bytes[..RequestMessage::V4_LEN]), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-REQUEST-LONG",
        title: "A version 4 request with bytes behind its MAC is too long",
        level: Level::Should,
        tags: &["v4", "length", "hostile"],
        script: |random| {
            let mut bytes = request(Version::V4, random).encode();
            bytes.extend(random.bytes::<8>());
            Script::refused(asked(&bytes), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-REQUEST-EMPTY",
        title: "No bytes are no request",
        tags: &["length", "hostile"],
        script: |_| Script::refused(asked(&[]), "length"),
        ..REFUSE
    },
    Case {
        id: "SHIM-REQUEST-VERSION-ONLY",
        title: "A version and nothing behind it is too short",
        tags: &["length", "hostile"],
        script: |_| Script::refused(asked(&Version::V6.0.to_le_bytes()), "length"),
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-REQUEST-ENCODE",
        title: "A version 4 request is made, its MAC right",
        tags: &["v4", "mac"],
        script: |random| encode(Version::V4, random),
        ..ENCODE
    },
    Case {
        id: "SHIM-V5-REQUEST-ENCODE",
        title: "A version 5 request is made and encrypted",
        tags: &["v5"],
        script: |random| encode(Version::V5, random),
        ..ENCODE
    },
    Case {
        id: "SHIM-V6-REQUEST-ENCODE",
        title: "A version 6 request is made and encrypted",
        tags: &["v6"],
        script: |random| encode(Version::V6, random),
        ..ENCODE
    },
];

const DECODE: Case = Case {
    id: "",
    title: "",
    group: "request",
    level: Level::Must,
    authority: VA2,
    asked: "A right request is given.",
    holds: "Each of its fields comes out.",
    tags: &[],
    script: |_| Script::refused(asked(&[]), "length"),
};

const REFUSE: Case = Case {
    authority: AGREED,
    asked: "A request is given that is wrong in this one way.",
    holds: IS_REFUSED,
    ..DECODE
};

const ENCODE: Case = Case {
    authority: AGREED,
    asked: "The fields of a request and its IV are given.",
    holds: "The bytes of the request come out, the same to the last.",
    ..DECODE
};

/// Made by the sample shim in Python: a machine `volact` that asks with ids of mostly zeros.
const V4_VECTOR: &str = "000004000100000002000000c0a800000100000000000040800000000000000102000000000000408000000000000002\
    03000000000000408000000000000003040000000000004080000000000000041900000001c083ed8a49da0105000000\
    00000040800000000000000576006f006c00610063007400000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000037a43798\
    5d1618711b81367a790fd7f5";
const V6_VECTOR: &str = "00000600000102030405060708090a0b0c0d0e0fc54869bb44f5c09dc1affad0351f3a9c5a8a7e25235cff58e442ef5b\
    a7b5716859e99b9514cb45aa37bb5ca528d212b60a1a51e6d64d2b5140c4db57346186eb19d9d6c629136ce9925ae55e\
    e6d9c10818f813910ee1829d15e14886900a0110eaaecc8dd63c2048a754b430fd357144d409221949b9b69b84d2a305\
    d4dfb74b1e02be2d1b78f60cb143b2b1f4a9e2ed95781bf77eb851606b8a592d301bc08c65fca3e1464c86079df6f8fb\
    9db674ac70337457f4de8e087110f5d463a2c6a7c23d72cb56171bd1fcb77a80e7fe4f573c0d0b455420e39ea44493ce\
    00a2b0e1ab841c9f9299548a3e673aa6134fb8e7";

/// The key of version 6, as it is published.
const V6_KEY: [u8; 16] = 0xa94a_4195_e201_432d_9bcb_4604_05d8_4a21_u128.to_be_bytes();

fn asked(message: &[u8]) -> Query {
    Query::new("kms.request.decode").with_bytes("message", message)
}

fn decode(message: &RequestMessage) -> Script {
    Script::done(asked(&message.encode()), message.body().map(bodies::of_request).unwrap_or_default())
}

fn decode_vector(version: Version, hex: &str) -> Script {
    let id = |number: u128| Guid::from_u128((number << 96) | (0x4000_8000 << 48) | number);
    let body = RequestBody {
        version,
        vm_info: 1,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: id(1),
        act_id: id(2),
        kms_id: id(3),
        cmid: id(4),
        n_policy: 25,
        client_time: FileTime(133_500_000_000_000_001),
        cmid_prev: id(5),
        machine_name: RequestBody::machine_name_of("volact").unwrap_or([0; 128]),
    };
    Script::done(asked(&parse_hex(hex).unwrap_or_default()), bodies::of_request(&body))
}

fn refused(
    mut message: RequestMessage,
    check: &'static str,
    change: impl FnOnce(&mut RequestMessage),
) -> Script {
    change(&mut message);
    Script::refused(asked(&message.encode()), check)
}

fn spoil_padding(message: &mut RequestMessage, random: &mut Random) {
    if let RequestMessage::Encrypted(encrypted) = message {
        flip(&mut encrypted.padding, random);
    }
}

fn other_body_version(message: &mut RequestMessage) {
    if let RequestMessage::Encrypted(encrypted) = message {
        encrypted.body.version.0 ^= 1;
    }
}

fn cut(version: Version, random: &mut Random) -> Script {
    let bytes = request(version, random).encode();
    let missing = 1 + place(random, 16);
    Script::refused(asked(&bytes[..bytes.len() - missing]), "length")
}

/// The MAC that comes out where the padding's 80 is left out: the body's last block is filled with zeros.
fn zero_padded_mac(body: &RequestBody) -> [u8; 16] {
    let mut padded = body.encode().to_vec();
    padded.resize(padded.len().next_multiple_of(16), 0);
    V4.cbc_encrypt(&[0; 16], &mut padded);
    padded.last_chunk().copied().unwrap_or_default()
}

fn encode(version: Version, random: &mut Random) -> Script {
    let body = request_body(version, random);
    let iv = random.bytes();
    let wanted = RequestMessage::new(body.clone(), iv).encode();
    let mut query = Query { op: "kms.request.encode", fields: bodies::of_request(&body) };
    if version != Version::V4 {
        query = query.with_bytes("iv", &iv);
    }
    Script::judged(query, move |fields| is_made(fields, &wanted))
}

/// What was made is the very request; where it is not, the check that it does not pass is what there is to say.
fn is_made(fields: &Fields, wanted: &[u8]) -> Result<(), String> {
    let message = fields.bytes("message")?;
    if let (_, Some(checks)) = RequestChecks::open(&message)
        && let Some((check, _)) = checks.by_name().into_iter().find(|(_, check)| *check == Check::Fail)
    {
        return Err(format!("the request that was made does not pass {check}"));
    }
    is_value(fields, "message", &Value::bytes(wanted))
}

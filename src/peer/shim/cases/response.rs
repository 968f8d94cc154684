use crate::conformance::Level;
use crate::kms::rijndael::{V6, xor};
use crate::kms::{EncryptedResponse, RequestMessage, ResponseBody, ResponseMessage, Version};
use crate::wire::{Guid, Random};

use super::super::bodies;
use super::super::case::{Case, Script};
use super::super::contract::Query;
use super::messages::{Fresh, decrypted, epid, flip, place, request, response, seal, sign};
use super::{AGREED, IS_REFUSED};

/// Responses, verified against their requests.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-V4-RESPONSE",
        title: "A right version 4 response is accepted",
        tags: &["v4"],
        script: |random| accepted(Version::V4, USUAL, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V5-RESPONSE",
        title: "A right version 5 response is accepted; its padding is a whole block",
        tags: &["v5", "padding"],
        script: |random| accepted(Version::V5, USUAL, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-RESPONSE",
        title: "A right version 6 response is accepted",
        tags: &["v6"],
        script: |random| accepted(Version::V6, USUAL, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V4-RESPONSE-PADDED-MAC",
        title: "A version 4 response is accepted whose body ends inside of a block",
        tags: &["v4", "mac"],
        script: |random| accepted(Version::V4, SHORT, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V5-RESPONSE-PADDING-PART",
        title: "A version 5 response is accepted whose padding is part of a block",
        tags: &["v5", "padding"],
        script: |random| accepted(Version::V5, SHORT, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-RESPONSE-PADDING-BLOCK",
        title: "A version 6 response is accepted whose padding is a whole block",
        tags: &["v6", "padding"],
        script: |random| accepted(Version::V6, SHORT, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-RESPONSE-EPID-LONGEST",
        title: "An ePID may have 63 characters",
        tags: &["v6", "epid"],
        script: |random| accepted(Version::V6, LONGEST, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-SLOT-BEFORE",
        title: "The HMAC of the slot before ClientTime's is accepted",
        tags: &["v6", "hmac"],
        script: |random| signed(-1, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-SLOT-AFTER",
        title: "The HMAC of the slot behind ClientTime's is accepted",
        tags: &["v6", "hmac"],
        script: |random| signed(1, random),
        ..ACCEPT
    },
    Case {
        id: "SHIM-V6-SLOT-TWO-BEFORE",
        title: "The HMAC of a slot further back is refused",
        tags: &["v6", "hmac"],
        script: |random| signed(-2, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-SLOT-TWO-AFTER",
        title: "The HMAC of a slot further ahead is refused",
        tags: &["v6", "hmac"],
        script: |random| signed(2, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-HMAC-WRONG",
        title: "An HMAC with a wrong bit is refused",
        tags: &["v6", "hmac"],
        script: |random| {
            refused_encrypted(Version::V6, "hmac", random, |random, response, _| {
                if let Some(v6) = &mut response.v6 {
                    flip(&mut v6.hmac, random);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-HWID-CHANGED",
        title: "A HwId that was changed under its HMAC is refused",
        tags: &["v6", "hmac"],
        script: |random| {
            refused_encrypted(Version::V6, "hmac", random, |random, response, _| {
                if let Some(v6) = &mut response.v6 {
                    flip(&mut v6.hwid, random);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-COUNT-CHANGED",
        title: "A Count that was changed under its HMAC is refused",
        tags: &["v6", "hmac"],
        script: |random| {
            refused_encrypted(Version::V6, "hmac", random, |_, response, _| response.body.count ^= 1)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-RESPONSE-MAC-WRONG",
        title: "A MAC with a wrong bit is refused",
        tags: &["v4", "mac"],
        script: |random| {
            refused(Version::V4, "mac", random, |random, message, _| {
                if let ResponseMessage::V4(v4) = message {
                    flip(&mut v4.mac, random);
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-COUNT-CHANGED",
        title: "A Count that was changed under its MAC is refused",
        tags: &["v4", "mac"],
        script: |random| {
            refused(Version::V4, "mac", random, |_, message, _| {
                if let ResponseMessage::V4(v4) = message {
                    v4.body.count ^= 1;
                }
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-HASH-WRONG",
        title: "A Hash that is not that of the salt is refused",
        tags: &["v5", "hash"],
        script: |random| {
            refused_encrypted(Version::V5, "hash", random, |random, response, _| {
                flip(&mut response.hash, random)
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-HASH-WRONG",
        title: "A Hash that is not that of the salt is refused, its HMAC being right",
        tags: &["v6", "hash"],
        script: |random| {
            refused_encrypted(Version::V6, "hash", random, |random, response, _| {
                flip(&mut response.hash, random);
                sign(response, 0);
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-SALT-UNMASKED",
        title: "A salt that is masked with another request's IV is refused",
        tags: &["v5", "hash"],
        script: |random| {
            refused_encrypted(Version::V5, "hash", random, |random, response, _| {
                response.xored_salt = xor(&response.xored_salt, &decrypted(Version::V5, &random.bytes()));
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-XORED-IVS-WRONG",
        title: "XoredIVs of another request is refused, its HMAC being right",
        tags: &["v6", "iv"],
        script: |random| {
            refused_encrypted(Version::V6, "xored_ivs", random, |random, response, _| {
                if let Some(v6) = &mut response.v6 {
                    v6.xored_ivs = random.bytes();
                }
                sign(response, 0);
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-IV-OTHER",
        title: "An IV that is not the request's is refused in version 5",
        tags: &["v5", "iv"],
        script: |random| {
            refused_encrypted(Version::V5, "iv_echo", random, |random, response, _| {
                response.iv = random.bytes()
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-IV-ECHOED",
        title: "The request's IV is refused in version 6",
        level: Level::Observed,
        authority: "no document; vlmcsd, py-kms and the vlmcsd crate make a fresh IV",
        tags: &["v6", "iv"],
        script: |random| {
            refused_encrypted(Version::V6, "iv_fresh", random, |_, response, request| {
                if let RequestMessage::Encrypted(asked) = request {
                    response.iv = asked.iv;
                }
                sign(response, 0);
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-PADDING-WRONG",
        title: "Padding that is not PKCS#7 is refused",
        tags: &["v5", "padding"],
        script: |random| refused_encrypted(Version::V5, "padding", random, spoil_padding),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-PADDING-WRONG",
        title: "Padding that is not PKCS#7 is refused",
        tags: &["v6", "padding"],
        script: |random| refused_encrypted(Version::V6, "padding", random, spoil_padding),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-PADDING-ZERO",
        title: "Padding that says that there is none is refused",
        tags: &["v6", "padding", "hostile"],
        script: |random| {
            refused_encrypted(Version::V6, "padding", random, |_, response, _| response.padding.fill(0))
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-PADDING-BEYOND",
        title: "Padding that says that it is longer than the message is refused",
        tags: &["v5", "padding", "hostile"],
        script: |random| {
            refused_encrypted(Version::V5, "padding", random, |_, response, _| response.padding.fill(0xff))
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-CMID-OTHER",
        title: "The answer to another machine is refused",
        tags: &["v4", "echo"],
        script: |random| refused_resealed(Version::V4, "cmid_echo", random, other_cmid),
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-CMID-OTHER",
        title: "The answer to another machine is refused",
        tags: &["v5", "echo"],
        script: |random| refused_resealed(Version::V5, "cmid_echo", random, other_cmid),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-CMID-OTHER",
        title: "The answer to another machine is refused",
        tags: &["v6", "echo"],
        script: |random| refused_resealed(Version::V6, "cmid_echo", random, other_cmid),
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-CLIENT-TIME-OTHER",
        title: "The answer to an older request is refused",
        tags: &["v4", "echo"],
        script: |random| refused_resealed(Version::V4, "client_time_echo", random, other_time),
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-CLIENT-TIME-OTHER",
        title: "The answer to an older request is refused",
        tags: &["v5", "echo"],
        script: |random| refused_resealed(Version::V5, "client_time_echo", random, other_time),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-CLIENT-TIME-OTHER",
        title: "The answer to an older request is refused, its HMAC being right",
        tags: &["v6", "echo"],
        script: |random| refused_resealed(Version::V6, "client_time_echo", random, other_time),
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-VERSION-OTHER",
        title: "A version that is not the request's is refused",
        tags: &["v4", "version"],
        script: |random| {
            refused(Version::V4, "version_echo", random, |_, message, _| {
                if let ResponseMessage::V4(v4) = message {
                    v4.body.version.0 |= 1;
                }
                seal(message);
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-VERSION-OUTER",
        title: "A version in front of the IV that is not the body's is refused",
        tags: &["v5", "version"],
        script: |random| {
            refused_encrypted(Version::V5, "version_envelope", random, |_, response, _| {
                response.version.0 |= 1
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-VERSION-OUTER",
        title: "A version in front of the IV that is not the body's is refused",
        tags: &["v6", "version"],
        script: |random| {
            refused_encrypted(Version::V6, "version_envelope", random, |_, response, _| {
                response.version.0 |= 1
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-PID-SIZE-NO-NUL",
        title: "An ePID without its NUL is refused",
        tags: &["v6", "epid"],
        script: |random| {
            let text = epid(USUAL);
            wrong_epid(Version::V6, &text[..text.len() - 2], random)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-PID-SIZE-INNER-NUL",
        title: "PIDSize that counts beyond the ePID's NUL is refused",
        level: Level::Should,
        tags: &["v4", "epid"],
        script: |random| wrong_epid(Version::V4, &[&epid(USUAL)[..], &[0; 4]].concat(), random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-PID-SIZE-ODD",
        title: "PIDSize that is odd is refused",
        tags: &["v5", "epid", "hostile"],
        script: |random| wrong_epid(Version::V5, &[&epid(USUAL)[..], &[0]].concat(), random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-PID-SIZE-ZERO",
        title: "No ePID at all is refused",
        tags: &["v6", "epid", "hostile"],
        script: |random| wrong_epid(Version::V6, &[], random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-PID-SIZE-HUGE",
        title: "PIDSize beyond the message is refused",
        tags: &["v4", "length", "hostile"],
        script: |random| {
            let (request, response) = pair(Version::V4, USUAL, random);
            let mut bytes = response.encode();
            bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            Script::refused(asked(&request, &bytes), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-PID-SIZE-HUGE",
        title: "PIDSize beyond the message is refused in version 6",
        tags: &["v6", "length", "hostile"],
        script: |random| {
            let (request, response) = pair(Version::V6, USUAL, random);
            let mut bytes = response.encode();
            // Under CBC, a block's plain text changes as the block in front of it does.
            let iv: [u8; 16] = std::array::from_fn(|i| bytes[4 + i]);
            V6.cbc_decrypt_to(&iv, &response.encode()[20..], &mut bytes[20..]);
            bytes[24..28].copy_from_slice(&0x7fff_fffe_u32.to_le_bytes());
            V6.cbc_encrypt(&iv, &mut bytes[20..]);
            Script::refused(asked(&request, &bytes), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-RESPONSE-SHORT",
        title: "A version 4 response without its last bytes is too short",
        tags: &["v4", "length", "hostile"],
        script: |random| cut(Version::V4, 1, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-RESPONSE-SHORT",
        title: "A version 5 response that ends inside of its body is too short",
        tags: &["v5", "length", "hostile"],
        script: |random| cut(Version::V5, 96, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-RESPONSE-SHORT",
        title: "A version 6 response that ends inside of its last fields is too short",
        tags: &["v6", "length", "hostile"],
        script: |random| cut(Version::V6, 32, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPONSE-EMPTY",
        title: "No bytes are no response",
        tags: &["length", "hostile"],
        script: |random| Script::refused(asked(&request(Version::V6, random), &[]), "length"),
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPONSE-VERSION-7",
        title: "A version that there is not is named",
        tags: &["version", "hostile"],
        script: |random| {
            let (request, response) = pair(Version::V6, USUAL, random);
            let mut bytes = response.encode();
            bytes[2] = 7;
            Script::refused(asked(&request, &bytes), "version")
        },
        ..REFUSE
    },
];

const ACCEPT: Case = Case {
    id: "",
    title: "",
    group: "response",
    level: Level::Must,
    authority: AGREED,
    asked: "A request and the right response to it are given.",
    holds: "It is accepted, and its fields come out.",
    tags: &[],
    script: |random| accepted(Version::V6, USUAL, random),
};

const REFUSE: Case = Case {
    asked: "A request is given, and a response to it that is wrong in this one way.",
    holds: IS_REFUSED,
    ..ACCEPT
};

/// The test host's: with its NUL 100 bytes, so that version 5 needs a whole block of padding, version 6 does not.
const USUAL: &str = "00000-00000-000-000000-03-1033-00000.0000-0011601";
/// 92 bytes, so that it is the other way about.
const SHORT: &str = "00000-00000-000-000000-03-9-0000.0000-0011601";
/// 128 bytes.
const LONGEST: &str = "00000-00000-000-000000-03-1033-00000.0000-0011601-longest-there";

fn asked(request: &RequestMessage, response: &[u8]) -> Query {
    Query::new("kms.response.verify")
        .with_bytes("request", &request.encode())
        .with_bytes("response", response)
}

fn pair(version: Version, text: &str, random: &mut Random) -> (RequestMessage, ResponseMessage) {
    let request = request(version, random);
    let response = response(&request, &epid(text), Fresh::of(random));
    (request, response)
}

fn accept(request: &RequestMessage, response: &ResponseMessage) -> Script {
    let fields = response.body().map(|body| bodies::of_response(response, body)).unwrap_or_default();
    Script::done(asked(request, &response.encode()), fields)
}

fn accepted(version: Version, text: &str, random: &mut Random) -> Script {
    let (request, response) = pair(version, text, random);
    accept(&request, &response)
}

/// A version 6 response with the HMAC of another slot: accepted next to ClientTime's, refused further away.
fn signed(slots_away: i8, random: &mut Random) -> Script {
    let (request, mut response) = pair(Version::V6, USUAL, random);
    if let ResponseMessage::Encrypted(encrypted) = &mut response {
        sign(encrypted, slots_away);
    }
    match slots_away {
        -1..=1 => accept(&request, &response),
        _ => Script::refused(asked(&request, &response.encode()), "hmac"),
    }
}

/// A right response in which something is changed; what else depends on it is left alone.
fn refused(
    version: Version,
    check: &'static str,
    random: &mut Random,
    change: impl FnOnce(&mut Random, &mut ResponseMessage, &RequestMessage),
) -> Script {
    let (request, mut response) = pair(version, USUAL, random);
    change(random, &mut response, &request);
    Script::refused(asked(&request, &response.encode()), check)
}

fn refused_encrypted(
    version: Version,
    check: &'static str,
    random: &mut Random,
    change: impl FnOnce(&mut Random, &mut EncryptedResponse, &RequestMessage),
) -> Script {
    refused(version, check, random, |random, message, request| {
        if let ResponseMessage::Encrypted(encrypted) = message {
            change(random, encrypted, request);
        }
    })
}

/// A right response with another body, its MAC or HMAC repaired.
fn refused_resealed(
    version: Version,
    check: &'static str,
    random: &mut Random,
    change: fn(&mut Random, &mut ResponseBody),
) -> Script {
    refused(version, check, random, |random, message, _| {
        match message {
            ResponseMessage::V4(v4) => change(random, &mut v4.body),
            ResponseMessage::Encrypted(encrypted) => change(random, &mut encrypted.body),
            ResponseMessage::Other { .. } => {}
        }
        seal(message);
    })
}

fn other_cmid(random: &mut Random, body: &mut ResponseBody) {
    body.cmid = Guid::from_wire(random.bytes());
}

/// A minute away: the slot of a version 6 HMAC is much longer, and is ClientTime's own in any case.
fn other_time(_: &mut Random, body: &mut ResponseBody) {
    body.client_time.0 -= 600_000_000;
}

fn spoil_padding(random: &mut Random, response: &mut EncryptedResponse, _: &RequestMessage) {
    // Not the last byte, which says how many there are.
    let others = response.padding.len() - 1;
    let at = place(random, others);
    response.padding[at] ^= 1;
}

fn wrong_epid(version: Version, epid: &[u8], random: &mut Random) -> Script {
    let request = request(version, random);
    let response = response(&request, epid, Fresh::of(random));
    Script::refused(asked(&request, &response.encode()), "pid_size")
}

fn cut(version: Version, missing: usize, random: &mut Random) -> Script {
    let (request, response) = pair(version, USUAL, random);
    let bytes = response.encode();
    Script::refused(asked(&request, &bytes[..bytes.len() - missing]), "length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::HostIdentity;

    #[test]
    fn the_epids_are_as_long_as_is_said_of_them() {
        assert_eq!(epid(USUAL)[..], *HostIdentity::TEST.epid());
        assert_eq!([USUAL, SHORT, LONGEST].map(|text| epid(text).len()), [100, 92, 128]);
    }
}

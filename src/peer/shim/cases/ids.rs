use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::conformance::Level;
use crate::mak::digest;
use crate::wire::{Epid, Random};

use super::super::case::{Case, Expected, Script};
use super::super::contract::{Fields, Query};
use super::IS_REFUSED;
use super::messages::{below, place};

/// Installation IDs, confirmation IDs, the digest of BatchActivation, ePIDs.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-IID-54",
        title: "An installation ID of 54 digits is accepted",
        script: |_| accepted(IID, IID_54),
        ..ID
    },
    Case {
        id: "SHIM-IID-63",
        title: "An installation ID of 63 digits is accepted",
        script: |_| accepted(IID, IID_63),
        ..ID
    },
    Case {
        id: "SHIM-IID-GROUPED",
        title: "An installation ID may be written in groups",
        script: |_| {
            let groups: Vec<&str> = (0..9).map(|group| &IID_54[6 * group..][..6]).collect();
            Script::done(Query::new(IID).with("text", groups.join("-")), Fields::default().with("digits", 54))
        },
        ..ID
    },
    Case {
        id: "SHIM-IID-ZEROS",
        title: "An installation ID of zeros has right check digits",
        script: |_| accepted(IID, ZEROS),
        ..ID
    },
    Case {
        id: "SHIM-IID-CHECK-DIGIT",
        title: "A wrong check digit is found, in its group",
        script: |random| wrong_check_digit(IID, IID_54, 6, random),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-IID-63-CHECK-DIGIT",
        title: "A wrong check digit is found in groups of seven",
        script: |random| wrong_check_digit(IID, IID_63, 7, random),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-IID-DIGIT-CHANGED",
        title: "A digit that was mistyped is found by the check digit of its group",
        script: |random| mistyped(IID, IID_63, 7, random),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-IID-LENGTH",
        title: "An installation ID has no 53 digits",
        script: |_| Script::refused(Query::new(IID).with("text", &IID_54[..53]), "length"),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-IID-CHARACTER",
        title: "An installation ID has no letters",
        script: |random| {
            let mut text = IID_54.to_owned();
            let at = place(random, 54);
            text.replace_range(at..=at, "O");
            Script::refused(Query::new(IID).with("text", text), "character")
        },
        ..ID_WRONG
    },
    Case {
        id: "SHIM-IID-CONFIRMATION",
        title: "A confirmation ID is no installation ID",
        script: |_| Script::refused(Query::new(IID).with("text", CID_48), "length"),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-CID-48",
        title: "A confirmation ID of 48 digits is accepted",
        script: |_| accepted(CID, CID_48),
        ..ID
    },
    Case {
        id: "SHIM-CID-42",
        title: "A confirmation ID of 42 digits is accepted",
        script: |_| accepted(CID, CID_42),
        ..ID
    },
    Case {
        id: "SHIM-CID-CHECK-DIGIT",
        title: "A wrong check digit is found, in its group",
        script: |random| wrong_check_digit(CID, CID_48, 6, random),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-CID-EMPTY",
        title: "No digits are no confirmation ID",
        script: |_| Script::refused(Query::new(CID).with("text", ""), "length"),
        ..ID_WRONG
    },
    Case {
        id: "SHIM-DIGEST",
        title: "The digest of a request is right",
        script: |_| Script::done(signed(&document(), REMAINING_DIGEST), Fields::default()),
        ..DIGEST
    },
    Case {
        id: "SHIM-DIGEST-ANY-BYTES",
        title: "The digest is that of the bytes, whatever they are",
        script: |random| {
            let bytes = random.bytes::<97>();
            Script::done(signed(&bytes, &STANDARD.encode(digest(&bytes))), Fields::default())
        },
        ..DIGEST
    },
    Case {
        id: "SHIM-DIGEST-UTF8",
        title: "The digest of the text in UTF-8 is refused",
        holds: IS_REFUSED,
        script: |_| Script::refused(signed(&document(), UTF8_DIGEST), "digest"),
        ..DIGEST
    },
    Case {
        id: "SHIM-DIGEST-HALF-KEY",
        title: "The digest under half the key is refused",
        holds: IS_REFUSED,
        script: |_| Script::refused(signed(&document(), HALF_KEY_DIGEST), "digest"),
        ..DIGEST
    },
    Case {
        id: "SHIM-DIGEST-CHANGED",
        title: "A request that was changed under its digest is refused",
        holds: IS_REFUSED,
        script: |random| {
            let mut bytes = document();
            let at = place(random, bytes.len());
            bytes[at] ^= 1;
            Script::refused(signed(&bytes, REMAINING_DIGEST), "digest")
        },
        ..DIGEST
    },
    Case {
        id: "SHIM-DIGEST-NO-BASE64",
        title: "A digest that is no base64 is refused",
        holds: IS_REFUSED,
        script: |_| Script::refused(signed(&document(), "*not base64*"), "base64"),
        ..DIGEST
    },
    Case {
        id: "SHIM-EPID",
        title: "The parts of an ePID come out",
        script: |random| parsed(&any_epid(random)),
        ..EPID
    },
    Case {
        id: "SHIM-EPID-LCID-FIVE",
        title: "An LCID may have five digits",
        script: |random| parsed(&Epid { lcid: 66_567 - 10_000 * below(random, 2), ..any_epid(random) }),
        ..EPID
    },
    Case {
        id: "SHIM-EPID-DAY-LAST",
        title: "Day 366 is there in a leap year",
        script: |random| parsed(&Epid { day: 366, year: 2024, ..any_epid(random) }),
        ..EPID
    },
    Case {
        id: "SHIM-EPID-DAY-000",
        title: "There is no day 000",
        script: |random| wrong_day(0, 2023, random),
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-DAY-367",
        title: "There is no day 367",
        script: |random| wrong_day(367, 2024, random),
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-DAY-NO-LEAP",
        title: "There is no day 366 in a year that is no leap year",
        script: |random| wrong_day(366, 2023, random),
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-PART-MISSING",
        title: "An ePID without one of its parts is refused",
        script: |random| {
            let text = any_epid(random).to_string();
            let missing = place(random, 7);
            let parts = text.split('-').enumerate().filter(|(i, _)| *i != missing);
            let text: Vec<&str> = parts.map(|(_, part)| part).collect();
            wrong_format(text.join("-"))
        },
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-LETTER",
        title: "An ePID with a letter in place of a digit is refused",
        script: |random| {
            let mut text = any_epid(random).to_string();
            text.replace_range(7..8, "x");
            wrong_format(text)
        },
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-EMPTY",
        title: "No text is no ePID",
        script: |_| wrong_format(String::new()),
        ..EPID_WRONG
    },
    Case {
        id: "SHIM-EPID-LONG",
        title: "An ePID with something behind its date is refused",
        script: |random| {
            let tail = "7".repeat(1 + place(random, 200));
            wrong_format(any_epid(random).to_string() + &tail)
        },
        ..EPID_WRONG
    },
];

const ID: Case = Case {
    id: "",
    title: "",
    group: "ids",
    level: Level::Must,
    authority: "observed: the check digits of 13 published IDs",
    asked: "An ID that was published is given.",
    holds: "It is accepted, and the number of its digits comes out.",
    tags: &["mak"],
    script: |_| accepted(IID, IID_54),
};

const ID_WRONG: Case = Case {
    asked: "An ID is given that is wrong in this one way.",
    holds: "It is refused, the check that does not hold is named, and the group where there is one.",
    ..ID
};

const DIGEST: Case = Case {
    authority: "activationws (Microsoft): HMAC-SHA256 over the UTF-16LE bytes of RequestXml",
    asked: "RequestXml and Digest of a request of BatchActivation are given, as they travel.",
    holds: "The digest is accepted.",
    ..ID
};

const EPID: Case = Case {
    authority: "VA2.0 p. 30 (its example); vlmcsd, py-kms and the vlmcsd crate write the same",
    asked: "An ePID is given.",
    holds: "Its parts come out as numbers.",
    tags: &["epid"],
    ..ID
};

const EPID_WRONG: Case =
    Case { asked: "A text is given that is no ePID, for this one reason.", holds: IS_REFUSED, ..EPID };

const IID: &str = "mak.installation_id.check";
const CID: &str = "mak.confirmation_id.check";

/// IDs that were published, in documents and on pages.
const IID_54: &str = "020650770493837252929082195773527024195725809211989214";
const IID_63: &str = "330512311875727788090139496334835149954645445802270599047875924";
const CID_48: &str = "429292031401597794898455690612212251894655189294";
const CID_42: &str = "154814744406423500209405874111676042686055";
const ZEROS: &str = "000000000000000000000000000000000000000000000000000000";

/// Of [`document`]: right, over its text in UTF-8, and under the first half of the key.
const REMAINING_DIGEST: &str = "hz76H0C5AsmWo+l3BoSb1N83qYub85aRQu5iAzjUXq0=";
const UTF8_DIGEST: &str = "NU38QgaSzMpvxdyFqH38X390evGw3if0s7T86zyIA+k=";
const HALF_KEY_DIGEST: &str = "8WsK70RdN1R0lCvfpGGD21MchIiiZUv+NTx1vDM4vQ8=";

fn accepted(op: &'static str, text: &'static str) -> Script {
    let digits = u32::try_from(text.len()).unwrap_or_default();
    Script::done(Query::new(op).with("text", text), Fields::default().with("digits", digits))
}

/// With another digit at this place.
fn with_digit(text: &str, at: usize, more: u8) -> String {
    let mut text = text.to_owned();
    let digit = text.as_bytes()[at] - b'0';
    text.replace_range(at..=at, &((digit + more) % 10).to_string());
    text
}

fn refused_in(op: &'static str, text: String, group: usize) -> Script {
    let group = u32::try_from(group + 1).unwrap_or_default();
    let expected = Expected::Refused("check_digit", Fields::default().with("group", group));
    Script { query: Query::new(op).with("text", text), expected }
}

/// With another check digit in one of its groups.
fn wrong_check_digit(op: &'static str, text: &str, group_len: usize, random: &mut Random) -> Script {
    let group = place(random, text.len() / group_len);
    let more = 1 + u8::try_from(place(random, 9)).unwrap_or_default();
    refused_in(op, with_digit(text, group * group_len + group_len - 1, more), group)
}

/// With another digit that is no check digit. A digit that is 7 more or less would not be found.
fn mistyped(op: &'static str, text: &str, group_len: usize, random: &mut Random) -> Script {
    let group = place(random, text.len() / group_len);
    let at = group * group_len + place(random, group_len - 1);
    let digit = text.as_bytes()[at] - b'0';
    let more = if digit == 9 { 9 } else { 1 };
    refused_in(op, with_digit(text, at, more), group)
}

/// The inner document of a request for the remaining count, in UTF-16LE, of a PID that nobody has.
fn document() -> Vec<u8> {
    let text = "<ActivationRequest xmlns=\"http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0\">\
         <VersionNumber>2.0</VersionNumber><RequestType>2</RequestType><Requests><Request>\
         <PID>12345-67890-123-456789-03-1033-9200.0000-0012013</PID></Request></Requests></ActivationRequest>";
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn signed(request_xml: &[u8], digest: &str) -> Query {
    Query::new("mak.digest.verify").with("request_xml", STANDARD.encode(request_xml)).with("digest", digest)
}

/// An ePID of no host: its parts are any numbers of their widths.
fn any_epid(random: &mut Random) -> Epid {
    Epid {
        platform_id: Some(below(random, 100_000)),
        group: below(random, 100_000),
        key_sequence: below(random, 1_000_000_000),
        channel: 3,
        lcid: 1000 + below(random, 9000),
        build: 1000 + below(random, 90_000),
        build_minor: 0,
        day: 1 + below(random, 365),
        year: 2006 + below(random, 30),
    }
}

fn parsed(epid: &Epid) -> Script {
    Script::done(
        Query::new("epid.parse").with("text", epid.to_string()),
        Fields::default()
            .with("platform_id", epid.platform_id.unwrap_or_default())
            .with("group", epid.group)
            .with("key_sequence", epid.key_sequence)
            .with("channel", epid.channel)
            .with("lcid", epid.lcid)
            .with("build", epid.build)
            .with("day", epid.day)
            .with("year", epid.year),
    )
}

fn wrong_day(day: u32, year: u32, random: &mut Random) -> Script {
    let text = Epid { day, year, ..any_epid(random) }.to_string();
    Script::refused(Query::new("epid.parse").with("text", text), "day")
}

fn wrong_format(text: String) -> Script {
    Script::refused(Query::new("epid.parse").with("text", text), "format")
}

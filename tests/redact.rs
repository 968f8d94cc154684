//! What is masked, by example, and that what only looks like a key is not.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use volact::fuzzing;
use volact::mak::Id;
use volact::redact::{bytes, page, text};
use volact::wire::{Hex, utf16};

/// A made-up key: the letter that is no key's only symbol.
fn key() -> String {
    ["BBBBB"; 5].join("-")
}

const MASKED: &str = "XXXXX-XXXXX-XXXXX-XXXXX-BBBBB";

fn masked_page(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    assert_eq!(page(&mut bytes), bytes != text.as_bytes());
    assert_eq!(bytes.len(), text.len());
    String::from_utf8(bytes).unwrap()
}

/// A DigitalProductId with as many bytes as it says.
fn blob(version: u8) -> Vec<u8> {
    let (head, len) = match version {
        3 => ([0xa4, 0, 0, 0, 3, 0, 0, 0], 0xa4),
        _ => ([0xf8, 4, 0, 0, 4, 0, 0, 0], 0x4f8),
    };
    head.into_iter().chain(1..=250).chain((1..=250).cycle()).take(len).collect()
}

/// A backslash in front of a key can be that of a path, though the letter behind it would make an escape sequence of it.
#[test]
fn a_backslash_of_a_path_hides_no_key_that_is_escaped_otherwise() {
    for first in ["b", "f", "r", "t", "x4"] {
        let group = format!("{first:b<5}");
        let text = format!("nc\\{group}-%42%62bbb-%42bbbb-bbbb%62-%42%42%42%42%42");
        let masked = volact::redact::text(&text).to_lowercase();
        assert!(!masked.contains("42%62") && masked.contains("xxx-%58"), "{masked}");
    }
}

#[test]
fn a_key_is_masked_but_for_its_last_five_symbols() {
    let undashed = "B".repeat(25);
    let pkey2009 = "BCDFG-HJKMN-QRTVW-XY234-6789B";
    for (before, after) in [
        (key(), MASKED.to_owned()),
        (key().to_lowercase(), MASKED.replace('B', "b")),
        (format!("ProductKey={};", key()), format!("ProductKey={MASKED};")),
        (format!("the key{}is glued", key()), format!("the key{MASKED}is glued")),
        (format!("{pkey2009}\n"), "XXXXX-XXXXX-XXXXX-XXXXX-6789B\n".to_owned()),
        (undashed.clone(), format!("{}BBBBB", "X".repeat(20))),
        (format!("<{undashed}>"), format!("<{}BBBBB>", "X".repeat(20))),
        (key().replace('-', " "), MASKED.replace('-', " ")),
        (key().replace('-', " - "), MASKED.replace('-', " - ")),
        (key().replace('-', "\u{2011}"), MASKED.replace('-', "\u{2011}")),
        (key().replace('-', "\u{a0}"), MASKED.replace('-', "\u{a0}")),
        // Six groups may be a key with one in front, or behind.
        (format!("{}-CCCCC", key()), "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-CCCCC".to_owned()),
        (format!("{} {}", key(), key()), format!("XXXXX-XXXXX-XXXXX-XXXXX-BBBBB {MASKED}")),
    ] {
        assert_eq!(text(&before), after);
        assert_eq!(masked_page(&before), after);
        assert!(matches!(text(&after), Cow::Borrowed(_)), "{after}");
    }
}

#[test]
fn a_key_over_line_ends_is_masked_in_a_text_and_not_in_a_page_of_lines() {
    for (before, after) in [
        (key().replace('-', "-\r\n"), MASKED.replace('-', "-\r\n")),
        (key().replace('-', "\n"), MASKED.replace('-', "\n")),
        (key().replacen('-', "=\n-", 1), MASKED.replacen('-', "=\n-", 1)),
    ] {
        assert_eq!(text(&before), after);
        assert_eq!(masked_page(&before), before);
    }
    let lines = format!("one\n{}\r\n\n{}\nfour", key(), key());
    assert_eq!(masked_page(&lines), lines.replace(&key(), MASKED));
}

#[test]
fn escaped_dashes_and_symbols_are_seen_through_and_stay_escaped() {
    for dash in [
        "&#45;",
        "&#x2d;",
        "&#x2D;",
        "&#0045;",
        "&#x002d;",
        "&#8209;",
        "&ndash;",
        "%2D",
        "%2d",
        "\\u002d",
        "\\u002D",
        "\\u2011",
        "\\x2d",
        "=2D",
        "&amp;#45;",
        "&amp;amp;#x2d;",
        "%252D",
        "%25252d",
        "\\\\u002d",
        "\\u0026#45;",
        "%26%2345%3B",
    ] {
        let before = format!("key {} here", key().replace('-', dash));
        assert_eq!(text(&before), format!("key {} here", MASKED.replace('-', dash)));
    }
    for (b, x) in
        [("&#66;", "&#88;"), ("&#x42;", "&#x58;"), ("%42", "%58"), ("\\u0042", "\\u0058"), ("=42", "=58")]
    {
        let before = key().replace('B', b);
        let after = format!("{}BBBBB", &MASKED[..24]).replace('X', x).replace('B', b);
        assert_eq!(text(&before), after);
        // One of them. An equals sign in front of a key is more likely no quoted-printable.
        if !b.starts_with('=') {
            let before = format!("{b}{}", &key()[1..]);
            assert_eq!(text(&before), format!("{x}{}", &MASKED[1..]));
        }
    }
    assert_eq!(text(&format!("line\\n{}\\n", "B".repeat(25))), format!("line\\n{}BBBBB\\n", "X".repeat(20)));
    assert_eq!(
        text(&format!("{}=\r\n{}", &key()[..8], &key()[8..])),
        format!("XXXXX-XX=\r\n{}", &MASKED[8..])
    );
}

#[test]
fn a_key_in_utf16_is_masked_in_place() {
    let both_orders: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];
    for order in both_orders {
        let encode = |text: &str| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for written in [key(), format!("\"{}\"", "B".repeat(25)), key().replace('-', "&#45;")] {
            let mut dump = [&[7, 0, 0, 0][..], &encode(&written), &[0, 0, 9, 200]].concat();
            let expected = [&[7, 0, 0, 0][..], &encode(&text(&written)), &[0, 0, 9, 200]].concat();
            assert!(bytes(&mut dump));
            assert_eq!(dump, expected);
            assert!(!bytes(&mut dump));
        }
    }
    // The same in JSON, where what should have been UTF-16 was taken for bytes.
    let in_json = |text: &str| text.chars().map(|c| format!("{c}\\u0000")).collect::<String>();
    assert_eq!(text(&in_json(&key())), in_json(MASKED));
}

#[test]
fn hex_is_masked_as_hex() {
    let spaced = |bytes: &[u8], between: &str| {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
    };
    for (before, after) in
        [(key().into_bytes(), MASKED.as_bytes().to_vec()), (utf16::encode(&key()), utf16::encode(MASKED))]
    {
        for between in ["", " ", ":", ",", "-", ", 0x", ",\\\r\n  "] {
            let (before, after) = (spaced(&before, between), spaced(&after, between));
            assert_eq!(text(&format!("bytes {before}.")), format!("bytes {after}."));
            assert_eq!(text(&before.to_uppercase()), after.to_uppercase());
            // A digit that does not belong there.
            assert_eq!(text(&format!("a{before}")), format!("a{after}"));
        }
        let dump = |bytes: &[u8]| -> String {
            let rows = bytes.chunks(16).zip((0..).step_by(16));
            rows.map(|(row, at)| format!("{at:04x}  {}\n", spaced(row, " "))).collect()
        };
        assert_eq!(text(&dump(&before)), dump(&after));
    }
}

#[test]
fn a_run_of_base64_with_a_key_is_masked_whole() {
    let document = format!("<a><ProductKey>{}</ProductKey></a>", key());
    for inner in [
        document.clone().into_bytes(),
        utf16::encode(&document),
        Hex(document.as_bytes()).to_string().into_bytes(),
    ] {
        let encoded = STANDARD.encode(&inner);
        assert_eq!(
            text(&format!("<x>{encoded}</x>")),
            format!("<x>[redacted base64, {} bytes]</x>", inner.len())
        );
        let filled = format!(
            "<x>{}{}</x>",
            "*".repeat(encoded.trim_end_matches('=').len()),
            "=".repeat(encoded.len() - encoded.trim_end_matches('=').len())
        );
        assert_eq!(masked_page(&format!("<x>{encoded}</x>")), filled);
        for encoded in
            [STANDARD_NO_PAD.encode(&inner), URL_SAFE_NO_PAD.encode(&inner), format!("key{encoded}")]
        {
            assert!(text(&encoded).starts_with("[redacted base64, "), "{encoded}");
        }
        let twice = STANDARD.encode(&encoded);
        assert_eq!(text(&twice), format!("[redacted base64, {} bytes]", encoded.len()));
        let wrapped: Vec<&str> =
            encoded.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        for line_break in ["\n", "\r\n", "\n    "] {
            let label = text(&wrapped.join(line_break)).into_owned();
            assert_eq!(label, format!("[redacted base64, {} bytes]", inner.len()));
        }
        // In a JSON string line breaks are escaped; what is masked there keeps its length.
        let json = masked_page(&wrapped.join("\\r\\n"));
        assert!(json.bytes().all(|byte| b"*\\rn=".contains(&byte)), "{json}");
    }
}

#[test]
fn a_config_id_goes_behind_its_prefix() {
    let (guid, hash) = ("11111111-2222-3333-4444-555555555555", "QUFBQUFBQUFBQUFBQUFBQUFBQUE=");
    let stars = |count| "*".repeat(count);
    for (prefix, value, masked, behind) in [
        ("msft2009:", format!("{guid}&{hash}"), stars(65), ""),
        ("msft2005:", format!("{guid}&amp;{hash}"), stars(69), "</Value>"),
        ("MSFT2009:", format!("{{{guid}}}&{hash}"), stars(67), "\" id=\"1\""),
        ("msft2009%3A", format!("{guid}%26{hash}"), format!("{}%2a{}", stars(36), stars(28)), " next"),
        (
            "msft2009\\u003a",
            format!("{guid}\\u0026{hash}"),
            format!("{}\\u002a{}", stars(36), stars(28)),
            "\\\",",
        ),
        (
            "msft2009&#58;",
            format!("{guid}&#x26;{hash}"),
            format!("{}&#x2a;{}", stars(36), stars(28)),
            "&quot;>",
        ),
    ] {
        let before = format!("<Value>{prefix}{value}{behind}");
        let after = format!("<Value>{prefix}{masked}{behind}");
        assert_eq!(text(&before), after);
        let mut wide = utf16::encode(&before);
        assert!(bytes(&mut wide));
        assert_eq!(utf16::decode(&wide), after);
    }
    for untouched in ["msft2009", "msft2009:", "msft200:x", "msft:sl/EUL/ACTIVATED/2009:1"] {
        assert_eq!(text(untouched), untouched);
    }
}

#[test]
fn a_digital_product_id_goes_behind_its_head() {
    for version in [3, 4] {
        let blob = blob(version);
        let mut masked = blob.clone();
        masked[8..].fill(b'*');
        let mut raw = [&[1, 2, 3][..], &blob, &[4, 5, 6]].concat();
        assert!(bytes(&mut raw));
        assert_eq!(raw, [&[1, 2, 3][..], &masked, &[4, 5, 6]].concat());
        assert!(!bytes(&mut raw));
        let mut cut = blob[..100].to_vec();
        assert!(bytes(&mut cut));
        assert_eq!(cut, masked[..100]);

        assert_eq!(text(&Hex(&blob).to_string()), Hex(&masked).to_string());
        let label = format!("\"[redacted base64, {} bytes]\"", blob.len());
        assert_eq!(text(&format!("\"{}\"", STANDARD.encode(&blob))), label);

        let export = |bytes: &[u8]| {
            let rows: Vec<String> = bytes
                .chunks(25)
                .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(","))
                .collect();
            format!("\"DigitalProductId\"=hex:{}\r\n", rows.join(",\\\r\n  "))
        };
        assert_eq!(text(&export(&blob)), export(&masked));
        let in_json = |export: String| serde_json::to_string(&export).unwrap();
        assert_eq!(masked_page(&in_json(export(&blob))), in_json(export(&masked)));
    }
}

#[test]
fn what_only_looks_like_a_key_is_left_alone() {
    for untouched in [
        "",
        "2b7c8f22-4d2c-4b9f-8d3c-22f67bbb8c92",
        "{2B7C8F22-4D2C-4B9F-8D3C-22F67BBB8C92}",
        "03612-00206-564-865711-03-1033-14393.0000-1092021",
        "XXXXX-04249-038-820384-03-2052-9200.0000-0902023",
        "00330-80000-00000-AA123",
        "d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "2026-11-22T07:42:11.123456789Z 2026-11-22T07:42:11Z",
        "22222-33333-44444-66666-77777",
        "2222222222222222222222222",
        "22222 33333 44444 66666 77777 88888",
        "VGhpcyBpcyBhbiBvcmRpbmFyeSBzZW50ZW5jZSBpbiBiYXNlNjQu",
        "rhythm myths crypts lynch psych",
        "BBBBB-BBBBB-BBBBB-BBBBB",
        "BBBBBBBBBBBBBBBBBBBBBBBBBB",
        "ABBBBBBBBBBBBBBBBBBBBBBBBB",
        "BBBBB BBBBB BBBBB BBBBB BBBBBA",
        "https://example.com/?q=%7B%22a%22%3A%20%22b%22%7D&amp;r=%2D%2D",
        "00000000 11111111 22222222 33333333 44444444 55555555 66666666 77777777",
        "msft:rm/algorithm/hwid/4.0",
    ] {
        assert!(matches!(text(untouched), Cow::Borrowed(_)), "{untouched}");
        let mut wide = utf16::encode(untouched);
        assert!(!bytes(&mut wide), "{untouched}");
    }
    for id in [
        "330512311875727788090139496334835149954645445802270599047875924",
        "429292031401597794898455690612212251894655189294",
    ] {
        let id = Id::parse(id).unwrap();
        for written in [id.digits().to_owned(), id.to_string(), id.to_string().replace(' ', "-")] {
            assert_eq!(text(&written), written);
        }
    }
}

#[test]
fn no_page_of_the_snapshots_and_no_capture_of_a_kms_is_changed() {
    let mut files = 0;
    // What was recorded of MAK's services, in a folder of its own, has keys made up to be masked.
    for folder in ["snapshots", "captures"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            // What describes them is neither.
            if path.is_file() && path.extension().is_none_or(|extension| extension != "md") {
                let before = fs::read(&path).unwrap();
                let mut after = before.clone();
                assert!(!bytes(&mut after) && !page(&mut after), "{}", path.display());
                assert!(after == before, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 150, "{files}");
}

#[test]
fn runs_that_are_long_enough_are_found_wherever_they_stand_in_a_page() {
    let hex = Hex(key().as_bytes()).to_string();
    for secret in
        [key(), "B".repeat(25), STANDARD_NO_PAD.encode("b".repeat(25)), hex, "msft2009:a".to_owned()]
    {
        for before in 0..150 {
            let page = format!("{}\n\"{secret}\"{}", "\"".repeat(before), "\n".repeat(before % 7));
            let masked = masked_page(&page);
            assert_ne!(masked, page);
            assert_eq!(text(&page).len() == page.len(), !masked.contains("**") || secret.starts_with("msft"));
        }
    }
}

#[test]
fn json_stays_json_whatever_is_masked_in_it() {
    for escaped in ["\t", "\n", "\\", "\"", "\u{7f}", "\u{1}", "é"] {
        for secret in
            [key(), key().to_lowercase(), "n".repeat(25), STANDARD.encode(key()), "msft2009:a&b".to_owned()]
        {
            let text = format!("{escaped}{secret}{escaped}");
            let page = masked_page(&serde_json::to_string(&text).unwrap());
            let read: String = serde_json::from_str(&page).unwrap();
            assert_eq!(read.len(), text.len());
            assert_ne!(read, text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_key_shows_whatever_it_is_written_as_and_stands_in(
        head in prop::array::uniform32(any::<u8>()),
        place in any::<[u8; 3]>(),
        around in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "[ -~]{0,60}".prop_map(String::into_bytes),
            "[\\\\%&#;=xu0-9B-Fb-n\n\r -]{0,40}".prop_map(String::into_bytes),
        ],
    ) {
        fuzzing::redact(&[&head[..], &place, &around].concat());
    }
}

/// The last pair of hex digits and the letters behind it are a key's length of symbols by themselves: masking these first
/// would leave a key in hex that lacks its end.
#[test]
fn a_key_whose_end_is_a_part_of_something_else_is_masked_all_the_same() {
    let key = ["BCDFG", "HJKMP", "QRTVW", "XYBCD", "FGHJ4"].join("-");
    let pairs: Vec<String> = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    for letters in 20..28 {
        let text = format!("{}{}", pairs.join(" "), "v".repeat(letters));
        let mut shown = text.clone().into_bytes();
        assert!(bytes(&mut shown));
        let shown = String::from_utf8(shown).unwrap();
        let first_two = pairs[..11].join(" ");
        assert!(text.starts_with(&first_two) && !shown.starts_with(&first_two), "{letters}: {shown}");
        assert!(!shown.contains(&pairs[12..17].join(" ")), "{letters}: {shown}");
    }
}

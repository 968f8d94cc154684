//! What holds of every published installation ID and confirmation ID: it is right, and what is changed in it is found, but for
//! what the algorithm cannot see.

use volact::mak::id::{GroupFault, WrongGroup};
use volact::mak::{ConfirmationId, Id, IdError, IdErrorKind, IdKind, InstallationId};

const PUBLISHED: [&str; 15] = [
    "020650770493837252929082195773527024195725809211989214",
    "070846984606199354110900862045444713121295109842549701",
    "011463949662622155196245012063919780616445704832476350",
    "174870668946274240336606733670591795582666670962492131",
    "086680618254417674185413128320279945620426138745737550",
    "330512311875727788090139496334835149954645445802270599047875924",
    "209200177437440198194193547128466754585074098382223107026650642",
    "468095188436105980015579375254738813945736399813462042064351441",
    "253037440405119108201413961093786848722385303726677949056629205",
    "461121238112207643535798495427899021366981463071071259601106480",
    "033255090385053904665824186342756737844895181384546394354129604",
    "489126343257012289105546522085205332958764158851011127139061121",
    "429292031401597794898455690612212251894655189294",
    "154814744406423500209405874111676042686055",
    "204455473963727110378854169136901266745572",
];

/// The published IDs, their kind among them, and one of 50 digits, of which none is published: eight groups of another and
/// two digits.
fn samples() -> Vec<(String, IdKind)> {
    let fifty = format!("{}42", &PUBLISHED[0][..48]);
    let all = PUBLISHED.iter().map(|id| (*id).to_owned()).chain([fifty]);
    all.map(|id| (id.clone(), IdKind::of_length(id.len()).unwrap())).collect()
}

fn is_check_digit(kind: IdKind, place: usize) -> bool {
    place % kind.group_len() == kind.group_len() - 1
}

/// The two digits behind the groups of the 50-digit kind.
fn is_unchecked(kind: IdKind, place: usize) -> bool {
    kind == IdKind::Installation50 && place >= 48
}

fn with(text: &str, place: usize, digit: char) -> String {
    let changed = text.chars().enumerate().map(|(i, c)| if i == place { digit } else { c });
    changed.collect()
}

fn error(text: &str) -> IdError {
    Id::parse(text).expect_err(text)
}

#[test]
fn every_published_id_is_right_and_written_back_in_groups() {
    for (text, kind) in samples() {
        let id = Id::parse(&text).unwrap();
        assert_eq!((id.kind(), id.digits()), (kind, &text[..]));
        assert_eq!(id.groups().collect::<Vec<_>>().concat(), text);
        assert_eq!(id.groups().count(), kind.groups());
        assert_eq!(id.to_string(), id.groups().collect::<Vec<_>>().join(" "));
        assert_eq!(Id::parse(&id.to_string()), Ok(id));
        match id {
            Id::Installation(id) => {
                assert_eq!(InstallationId::parse(&text), Ok(id));
                assert_eq!((id.kind(), id.digits()), (kind, &text[..]));
                assert_eq!(format!("{id:?}"), format!("InstallationId({id})"));
                assert_eq!(
                    ConfirmationId::parse(&text).unwrap_err().kind,
                    IdErrorKind::OtherKind { found: kind }
                );
            }
            Id::Confirmation(id) => {
                assert_eq!(ConfirmationId::parse(&text), Ok(id));
                assert_eq!((id.kind(), id.digits()), (kind, &text[..]));
                assert_eq!(id.groups().next(), Some(&text[..6]));
                let error = InstallationId::parse(&text).unwrap_err();
                let expected =
                    format!("installation ID: the {} digits are a valid confirmation ID", text.len());
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}

#[test]
fn all_zeros_are_valid_in_every_kind_and_no_other_number_of_digits_is() {
    for length in 0..200 {
        let zeros = "0".repeat(length);
        match IdKind::of_length(length) {
            Some(kind) => assert_eq!(Id::parse(&zeros).unwrap().kind(), kind),
            None => {
                assert!(matches!(error(&zeros).kind, IdErrorKind::Length { digits, .. } if digits == length))
            }
        }
    }
    assert_eq!(IdKind::ALL.map(IdKind::digits), [50, 54, 63, 42, 48]);
    assert_eq!(IdKind::ALL.map(IdKind::groups), [9, 9, 9, 7, 8]);
}

#[test]
fn one_wrong_digit_is_found_in_its_group_but_for_those_7_away_from_the_right_one() {
    let (mut wrong, mut unnoticed) = (0, 0);
    for (text, kind) in samples() {
        for (place, right) in text.bytes().enumerate() {
            for digit in (b'0'..=b'9').filter(|digit| *digit != right) {
                let changed = with(&text, place, digit.into());
                let is_same = digit.abs_diff(right) == 7 && !is_check_digit(kind, place);
                if is_unchecked(kind, place) {
                    assert!(Id::parse(&changed).is_ok(), "{changed}");
                    continue;
                }
                if !is_check_digit(kind, place) {
                    wrong += 1;
                    unnoticed += u32::from(is_same);
                }
                if is_same {
                    assert!(Id::parse(&changed).is_ok(), "{changed}");
                    continue;
                }
                let error = error(&changed);
                assert!(matches!(error.kind, IdErrorKind::CheckDigits { id, .. } if id == kind));
                let [WrongGroup { ordinal, letter, digits, characters, fault }] = &error.groups[..] else {
                    panic!("{error}");
                };
                let group = place / kind.group_len();
                assert_eq!((*ordinal, digits), (group + 1, characters));
                assert_eq!(*digits, group * kind.group_len()..(group + 1) * kind.group_len());
                assert_eq!(letter.is_some(), kind.is_confirmation());
                let GroupFault::CheckDigit { found, expected } = fault else { panic!("{error}") };
                assert_eq!(*found, changed.as_bytes()[digits.end - 1] - b'0');
                // What is said to be right, is.
                let repaired = with(&changed, digits.end - 1, char::from(b'0' + expected));
                assert_eq!(Id::parse(&repaired).unwrap().digits(), repaired);
            }
        }
    }
    // 6 in 10 digits have one of the 9 others 7 away.
    let percent = 100.0 * f64::from(unnoticed) / f64::from(wrong);
    assert!((percent - 6.7).abs() < 0.5, "{percent} % of {wrong}");
}

#[test]
fn neighbours_swapped_are_found_but_for_those_7_apart_of_which_none_is_a_check_digit() {
    let (mut swaps, mut unnoticed) = (0, 0);
    for (text, kind) in samples() {
        let digits = text.as_bytes();
        for place in (1..text.len()).filter(|&place| digits[place - 1] != digits[place]) {
            let mut swapped = digits.to_vec();
            swapped.swap(place - 1, place);
            let swapped = String::from_utf8(swapped).unwrap();
            let has_check = is_check_digit(kind, place - 1) || is_check_digit(kind, place);
            let is_same = digits[place].abs_diff(digits[place - 1]) == 7 && !has_check;
            let is_found = Id::parse(&swapped).is_err();
            assert_eq!(is_found, !is_same && !is_unchecked(kind, place - 1), "{swapped}");
            if !has_check && !is_unchecked(kind, place) {
                swaps += 1;
                unnoticed += u32::from(is_same);
            }
        }
    }
    let percent = 100.0 * f64::from(unnoticed) / f64::from(swaps);
    assert!((percent - 6.7).abs() < 3.0, "{percent} % of {swaps}");
}

#[test]
fn what_goes_unnoticed_in_a_group_is_just_what_the_documentation_says() {
    // Every group of three digits and a check digit behind two zeros, which weigh nothing.
    let parse = |group: &str| ConfirmationId::parse(&format!("{group}{}", "0".repeat(36)));
    let (mut wrong, mut unnoticed, mut swaps, mut swaps_unnoticed) = (0, 0, 0, 0);
    for number in 0..1000 {
        let digits = format!("00{number:03}");
        let check = (0..7).find(|check| parse(&format!("{digits}{check}")).is_ok()).unwrap();
        let right = format!("{digits}{check}");
        for place in 2..6 {
            for digit in ('0'..='9').filter(|digit| *digit != right.as_bytes()[place] as char) {
                let changed = with(&right, place, digit);
                let is_same = place != 5 && (digit as u8).abs_diff(right.as_bytes()[place]) == 7;
                assert_eq!(parse(&changed).is_ok(), is_same, "{right} {changed}");
                wrong += u32::from(place != 5);
                unnoticed += u32::from(is_same);
            }
        }
        for place in 3..6 {
            let (a, b) = (right.as_bytes()[place - 1], right.as_bytes()[place]);
            if a == b {
                continue;
            }
            let swapped = with(&with(&right, place - 1, b.into()), place, a.into());
            let is_same = place != 5 && a.abs_diff(b) == 7;
            assert_eq!(parse(&swapped).is_ok(), is_same, "{right} {swapped}");
            swaps += u32::from(place != 5);
            swaps_unnoticed += u32::from(is_same);
        }
    }
    assert_eq!((wrong, unnoticed), (27_000, 1800), "6.7 %");
    assert_eq!((swaps, swaps_unnoticed), (1800, 120), "6.7 %");
}

#[test]
fn no_published_id_is_right_in_groups_of_the_other_size() {
    let zeros = "0".repeat(7);
    for (text, kind) in samples() {
        // As many of the digits as make whole groups of 7, and zeros up to 63; or of 6, up to 54.
        let (length, size) = if kind.group_len() == 6 { (63, 7) } else { (54, 6) };
        let whole = &text[..text.len().min(length) / size * size];
        let other = format!("{whole}{}", zeros.repeat(9));
        assert!(Id::parse(&other[..length]).is_err(), "{text}");
        let error = error(&with(&text, 0, if text.starts_with('5') { '6' } else { '5' }));
        let IdErrorKind::CheckDigits { fits_other_groups, .. } = error.kind else { panic!("{error}") };
        assert!(!fits_other_groups);
    }
}

#[test]
fn an_id_that_is_right_in_groups_of_the_other_size_is_said_to_be() {
    // Six groups of 7, whose check digits are right, have the length of seven groups of 6.
    let text = &PUBLISHED[5][..42];
    let error = error(text);
    assert_eq!(error.kind, IdErrorKind::CheckDigits { id: IdKind::Confirmation42, fits_other_groups: true });
    let first = error.to_string().lines().next().unwrap().to_owned();
    assert!(
        first.starts_with("confirmation ID of 42 digits: ") && first.ends_with(", all right in groups of 7")
    );
}

#[test]
fn every_usual_separator_is_taken_anywhere() {
    let separators = [
        "", " ", "  ", "\t", "\n", "\r\n", "\u{a0}", "\u{202f}", "\u{2009}", "\u{3000}", "\u{200b}",
        "\u{feff}", "-", " - ", "\u{ad}", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}",
        "\u{2015}", "\u{2212}", "\u{ff0d}", ".", ",", "/", ":", ", ",
    ];
    for (text, kind) in samples() {
        let id = Id::parse(&text).unwrap();
        for separator in separators {
            for size in [1, 5, kind.group_len()] {
                let groups: Vec<&str> =
                    text.as_bytes().chunks(size).map(|group| str::from_utf8(group).unwrap()).collect();
                let written = format!("{separator}{}{separator}", groups.join(separator));
                assert_eq!(Id::parse(&written), Ok(id), "{written}");
            }
        }
        let fullwidth: String =
            text.chars().map(|c| char::from_u32(c as u32 - '0' as u32 + 0xff10).unwrap()).collect();
        assert_eq!(Id::parse(&fullwidth), Ok(id));
    }
}

#[test]
fn letters_are_taken_in_front_of_the_groups_of_a_confirmation_id_that_they_name() {
    let text = PUBLISHED[12];
    let id = Id::parse(text).unwrap();
    for (between, behind) in [(" ", " "), ("", ""), (": ", ", "), (". ", "\n"), ("", "-")] {
        let labelled = |letters: &str| -> String {
            let groups = text.as_bytes().chunks(6).map(|group| str::from_utf8(group).unwrap());
            letters.chars().zip(groups).map(|(c, group)| format!("{c}{between}{group}{behind}")).collect()
        };
        assert_eq!(Id::parse(&labelled("ABCDEFGH")), Ok(id));
        assert_eq!(Id::parse(&labelled("abcdefgh")), Ok(id));
    }
    assert_eq!(Id::parse(&format!("A {} C{}", &text[..12], &text[12..])), Ok(id), "some may be missing");

    for (written, character, offset) in [
        (format!("B{text}"), 'B', 0),
        (format!("AA{text}"), 'A', 1),
        (format!("{}B{}", &text[..5], &text[5..]), 'B', 5),
        (format!("{text} I"), 'I', 49),
        (format!("A {}", PUBLISHED[0]), 'A', 0),
        (format!("ID: {text}"), 'I', 0),
    ] {
        assert_eq!(error(&written).kind, IdErrorKind::Character { character, offset }, "{written}");
    }
}

#[test]
fn a_wrong_character_is_named_with_its_place() {
    assert_eq!(error("12345O").to_string(), "ID: 'O' at character 6 is no digit");
    assert_eq!(error("\u{2013}\u{661}").to_string(), "ID: '\u{661}' at character 2 is no digit");
}

#[test]
fn all_wrong_groups_are_reported_at_once() {
    let text = "A 429292 B 031401 C 597795 D 898455 E 690612 F 212254 G 894655 H 189299";
    assert_eq!(
        error(text).to_string(),
        "confirmation ID of 48 digits: 3 of 8 groups wrong\n\
         group C, characters 21 to 26: the check digit is 5, and the digits in front of it have 4\n\
         group F, characters 48 to 53: the check digit is 4, and the digits in front of it have 1\n\
         group H, characters 66 to 71: the last digit is 9, and a check digit is never 7, 8 or 9; the digits in front \
         of it have 4"
    );
    let (wrong, id) = ("9".repeat(63), IdKind::Installation63);
    let error = error(&wrong);
    assert_eq!(error.kind, IdErrorKind::CheckDigits { id, fits_other_groups: false });
    assert_eq!(error.groups.len(), 9);
    assert_eq!(error.groups[8].ordinal, 9);
    assert_eq!(error.groups[8].fault, GroupFault::CheckDigit { found: 9, expected: 4 });
}

#[test]
fn a_group_with_a_digit_too_few_or_too_many_is_named_by_how_the_text_is_grouped() {
    assert_eq!(
        error("3305123-1187572-778809-1394963-3483514-9954645-4458022-7059904-7875924").to_string(),
        "installation ID: 62 digits, 63 are needed\n\
         group 3, characters 17 to 22: 6 digits, 1 too few"
    );
    assert_eq!(
        error("154814 744406 4223500 209405 87411 676042 686051").to_string(),
        "confirmation ID: 42 digits, but not in groups of 6\n\
         group C, characters 15 to 21: 7 digits, 1 too many\n\
         group E, characters 30 to 34: 5 digits, 1 too few\n\
         group G, characters 43 to 48: the check digit is 1, and the digits in front of it have 5"
    );
    assert_eq!(
        error("A154814 B74440 C423500 D209405 E874111 F676042 G686055").to_string(),
        "confirmation ID: 41 digits, 42 are needed\n\
         group B, characters 10 to 14: 5 digits, 1 too few"
    );
    // A whole group is missing.
    assert_eq!(
        error("154814 744406 423500 209405 874111 676042").to_string(),
        "ID: 36 digits, an installation ID has 50, 54 or 63, a confirmation ID 42 or 48"
    );
    // The two digits at the end are no group with too few.
    let fifty = "020650 770493 83725 929082 195773 527024 195725 809211 42";
    assert_eq!(
        error(fifty).to_string(),
        "installation ID: 49 digits, 50 are needed\ngroup 3, characters 15 to 19: 5 digits, 1 too few"
    );
}

#[test]
fn a_digit_too_few_or_too_many_is_placed_by_the_check_digits_where_nothing_separates_groups() {
    let (mut placed, mut all) = (0, 0);
    for (text, kind) in samples() {
        for place in 0..text.len() {
            let missing = format!("{}{}", &text[..place], &text[place + 1..]);
            let doubled = format!("{}{}", &text[..=place], &text[place..]);
            for changed in [missing, doubled] {
                let error = error(&changed);
                let IdErrorKind::Length { digits, id } = error.kind else { panic!("{error}") };
                assert_eq!(digits, changed.len());
                all += 1;
                if id == Some(kind) {
                    placed += 1;
                    let [WrongGroup { ordinal, fault: GroupFault::Digits { .. }, .. }] = &error.groups[..]
                    else {
                        panic!("{error}");
                    };
                    assert_eq!(*ordinal, place / kind.group_len() + 1, "{changed}");
                }
            }
        }
    }
    assert!(3 * placed > 2 * all, "{placed} of {all}");
}

#[test]
fn a_length_that_nothing_explains_is_told_with_those_that_there_are() {
    assert_eq!(
        InstallationId::parse("").unwrap_err().to_string(),
        "installation ID: 0 digits, it has 50, 54 or 63"
    );
    assert_eq!(
        ConfirmationId::parse("12").unwrap_err().to_string(),
        "confirmation ID: 2 digits, it has 42 or 48"
    );
    let long = "1 ".repeat(100_000);
    assert!(matches!(error(&long).kind, IdErrorKind::Length { digits: 100_000, id: None }));
    assert!(error(&long).groups.is_empty());
}

//! Numbers and names as sentences have them.

use std::fmt::Write as _;

use crate::catalog::{hresult, product};
use crate::wire::Guid;

/// Nanoseconds as people say them, in two units at most: `5 h 2 min`, `3 d`, `1.2 ms`.
pub(crate) fn duration(nanoseconds: i64) -> String {
    let whole = nanoseconds.unsigned_abs();
    let (microseconds, seconds) = (whole / 1_000, whole / 1_000_000_000);
    if microseconds < 1_000 {
        return format!("{microseconds} us");
    }
    if seconds < 1 {
        return format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100);
    }
    if seconds < 10 {
        return format!("{seconds}.{} s", whole / 100_000_000 % 10);
    }
    of_seconds(seconds)
}

/// Seconds in the two greatest units that there are of them.
fn of_seconds(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut parts = units.iter().scan(seconds, |rest, &(size, name)| {
        let count = *rest / size;
        *rest %= size;
        Some((count, name))
    });
    let (count, name) = parts.by_ref().find(|(count, _)| *count > 0).unwrap_or((0, "s"));
    let mut text = format!("{count} {name}");
    if let Some((count, name)) = parts.next().filter(|(count, _)| *count > 0) {
        let _ = write!(text, " {count} {name}");
    }
    text
}

/// Minutes as people say them.
pub(crate) fn minutes(minutes: u32) -> String {
    match minutes {
        0 => "0 min".to_owned(),
        minutes => of_seconds(u64::from(minutes) * 60),
    }
}

/// `1 machine`, `3 machines`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count if one.ends_with('y') => format!("{count} {}ies", &one[..one.len() - 1]),
        count if one.ends_with('s') => format!("{count} {one}es"),
        count => format!("{count} {one}s"),
    }
}

/// `0xC004F042 SL_E_...`, and what it means as a sentence of its own.
pub(super) fn code(code: u32) -> String {
    match hresult::symbol(code) {
        Some(symbol) => format!("0x{code:08X} {symbol}"),
        None => format!("0x{code:08X}"),
    }
}

/// The names of a SKU, its counted product and its application, where they are known.
pub(super) fn product(act_id: Guid, kms_id: Guid, app_id: Guid) -> Option<String> {
    let sku = product::sku(act_id).map(|sku| sku.name.to_owned());
    let counted = || product::kms_id(kms_id).map(|kms| format!("{} (SKU {act_id})", kms.name));
    let application = || product::application(app_id).map(|app| format!("{} (SKU {act_id})", app.name));
    sku.or_else(counted)
        .or_else(application)
        .or_else(|| (act_id != Guid::NIL).then(|| format!("SKU {act_id}")))
}

/// True for the application ids of Office.
pub(super) fn is_office(app_id: Guid) -> bool {
    product::application(app_id).is_some_and(|app| app.name.starts_with("Office"))
}

/// What has to be installed on a host so that it takes a product: by the KMS counted id.
pub(super) fn pack(kms_id: Guid) -> String {
    let name = product::kms_id(kms_id).map(|kms| kms.name);
    match name {
        Some(name) if name.starts_with("Office 2010") => {
            "the Microsoft Office 2010 KMS Host License Pack and its key"
        }
        Some(name) if name.starts_with("Office 2013") => {
            "the Microsoft Office 2013 Volume License Pack and its key"
        }
        Some(name) if name.starts_with("Office 2016") => {
            "the Microsoft Office 2016 Volume License Pack and its key"
        }
        Some(name) if name.starts_with("Office 2019") => {
            "the Microsoft Office 2019 Volume License Pack and its key"
        }
        Some(name) if name.starts_with("Office 2021") => {
            "the Microsoft Office LTSC 2021 Volume License Pack and its key"
        }
        Some(name) if name.starts_with("Office 2024") => {
            "the Microsoft Office LTSC 2024 Volume License Pack and its key"
        }
        Some(name) => return format!("a KMS host key (CSVLK) that covers {name}, or a newer one"),
        None => "a KMS host key (CSVLK) that covers the product",
    }
    .to_owned()
}

/// A sentence as the part of another one: names keep their case, the words that begin sentences here do not.
pub(super) fn lower_first(text: &str) -> String {
    let is_word = ["The ", "Nobody ", "A ", "Something "].iter().any(|word| text.starts_with(word));
    let mut characters = text.chars();
    match (is_word, characters.next()) {
        (true, Some(first)) => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        for (nanoseconds, text) in [
            (0, "0 us"),
            (640_000, "640 us"),
            (1_250_000, "1.2 ms"),
            (9_950_000_000, "9.9 s"),
            (61_000_000_000, "1 min 1 s"),
            (-18_000_000_000_000, "5 h"),
            (18_120_000_000_000, "5 h 2 min"),
            (7 * 86_400_000_000_000, "7 d"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
        for (count, text) in [(0, "0 min"), (1, "1 min"), (10_080, "7 d"), (u32::MAX, "2982616 d 4 h")] {
            assert_eq!(minutes(count), text);
        }
    }

    #[test]
    fn more_than_one_is_many() {
        assert_eq!(counted(1, "machine"), "1 machine");
        assert_eq!(counted(22, "machine"), "22 machines");
        assert_eq!(counted(2, "try"), "2 tries");
        assert_eq!(counted(3, "address"), "3 addresses");
    }
}

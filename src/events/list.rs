use std::net::Ipv6Addr;

use crate::wire::Guid;

use super::error::Wrong;
use super::time::minute;

/// The values of an event, one after the other.
pub(super) struct List<'a> {
    values: Vec<&'a str>,
    at: usize,
}

impl<'a> List<'a> {
    /// The first list in a text: an HRESULT with a comma behind it, and what commas separate from there on.
    pub(super) fn in_text(text: &'a str) -> Option<Self> {
        let begins = |from: &usize| {
            let digits = text[*from..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
            let count = text.len() - from - digits.len();
            (1..=8).contains(&count) && digits.trim_start_matches([' ', '\t']).starts_with(',')
        };
        let starts = text.match_indices("0x").map(|(at, _)| at + 2);
        let start = starts.into_iter().find(begins)? - 2;
        Some(Self { values: text[start..].split(',').take(MOST_VALUES).collect(), at: 0 })
    }

    /// A list whose values are strings of their own.
    pub(super) fn of(values: &'a [String]) -> Self {
        Self { values: values.iter().map(String::as_str).collect(), at: 0 }
    }

    /// An error where there are fewer values.
    pub(super) fn expect(&self, count: usize, wanted: &'static str) -> Result<(), Wrong> {
        if self.values.len() >= count {
            return Ok(());
        }
        Err(Wrong::new("values", wanted, &self.values.join(", ")))
    }

    /// The next value as a number in hex, or in decimal without `0x`.
    pub(super) fn hex(&mut self, field: &'static str) -> Result<u32, Wrong> {
        self.value(field, "a number like 0xC004F074", hex)
    }

    /// The next value as a number.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u32, Wrong> {
        self.value(field, "a number", number)
    }

    /// The next value as a GUID.
    pub(super) fn guid(&mut self, field: &'static str) -> Result<Guid, Wrong> {
        self.value(field, "a GUID", |value| Guid::parse(word(value)))
    }

    /// The next value as a minute.
    pub(super) fn minute(&mut self, field: &'static str) -> Result<i64, Wrong> {
        self.value(field, "a time like 2024/05/01 12:34", minute)
    }

    /// The next value as it is.
    pub(super) fn text(&mut self) -> &'a str {
        self.raw().trim()
    }

    /// The next value as a number that can be left out. Prose may follow on lines of its own.
    pub(super) fn optional_number(&mut self, field: &'static str) -> Result<Option<u32>, Wrong> {
        let value = self.raw();
        let line = value.lines().next().unwrap_or_default();
        match number(value) {
            None if line.trim().is_empty() => Ok(None),
            None => Err(Wrong::new(field, "a number or nothing", line)),
            number => Ok(number),
        }
    }

    fn raw(&mut self) -> &'a str {
        let value = self.values.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        value
    }

    fn value<T>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Wrong> {
        let value = self.text();
        read(value).ok_or_else(|| Wrong::new(field, wanted, value))
    }
}

/// A host and its port, where there is one; the brackets around an IPv6 address are taken off.
pub(super) fn host_and_port(text: &str) -> (&str, Option<u16>) {
    let bare = |host: &'_ str| -> bool { !host.contains(':') || host.parse::<Ipv6Addr>().is_ok() };
    if let Some((host, port)) = text.rsplit_once(':')
        && let Ok(port) = port.parse()
    {
        if let Some(host) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            return (host, Some(port));
        }
        if bare(host) {
            return (host, Some(port));
        }
    }
    (text, None)
}

/// The first value with the shape of an HRESULT in a text.
pub(super) fn first_hresult(text: &str) -> Option<u32> {
    text.match_indices("0x").find_map(|(at, _)| {
        let digits = &text[at + 2..];
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        if end == 8 { u32::from_str_radix(&digits[..end], 16).ok() } else { None }
    })
}

/// A number in hex behind `0x`, or one in decimal.
pub(super) fn hex(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => number(text),
    }
}

/// The number with which a text begins, up to white space.
fn number(text: &str) -> Option<u32> {
    let digits = word(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// More than any list has.
const MOST_VALUES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_by_its_shape_whatever_the_prose() {
        for text in [
            "Info:\n0x0,5, a ,b",
            "0x0, 5, a, b",
            "\u{60c5}\u{5831}:\u{3000}\n0x0 ,5,a,b\n",
            "0x zu 0xfoo,0x123456789,: 0x0,5,a,b",
        ] {
            let mut list = List::in_text(text).unwrap();
            assert_eq!(list.hex("hresult").unwrap(), 0, "{text}");
            assert_eq!(list.number("n").unwrap(), 5);
            assert_eq!((list.text(), list.text(), list.text()), ("a", "b", ""));
        }
        assert!(List::in_text("0x0 without a comma, 0x").is_none());
    }

    #[test]
    fn a_host_is_told_from_its_port() {
        for (text, expected) in [
            ("kms.example:1688", ("kms.example", Some(1688))),
            ("kms.example", ("kms.example", None)),
            ("[fe80::1]:1688", ("fe80::1", Some(1688))),
            ("fe80::1:1688", ("fe80::1", Some(1688))),
            ("fe80::", ("fe80::", None)),
            ("kms:99999", ("kms:99999", None)),
            ("", ("", None)),
        ] {
            assert_eq!(host_and_port(text), expected);
        }
    }
}

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use time::{Date, Month};

use crate::catalog::{self, hresult, license_status, product};
use crate::kms::Version;
use crate::rpc;
use crate::wire::{Guid, Hex, parse_hex};

use super::error::nearest;

/// What a field of a record holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// All numbers from the first to the second: mostly one; a number of nanoseconds where it is a time.
    Span(i128, i128),
    Flag(bool),
    Text(&'a str),
    /// UTF-16LE up to its NUL.
    Utf16(&'a [u8]),
    Guid(Guid),
    Endpoint(IpAddr, u16),
    Bytes(&'a [u8]),
}

/// What a field is compared with, as far as it can be worked out beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// All numbers from the first to the second: `2026-11-21` is a whole day.
    Span(i128, i128),
    Flag(bool),
    /// In lower case.
    Text(Box<[char]>),
    /// One of these.
    Guids(Vec<Guid>),
    /// The bits of an address that count, and the port where it counts.
    Network {
        address: IpAddr,
        prefix: u32,
        port: Option<u16>,
    },
    Bytes(Vec<u8>),
}

/// What a field's values are, and how they are written in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Number,
    Flag,
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    Guid,
    /// A GUID of the catalog, of this kind or of any but applications.
    Product(Option<catalog::Kind>),
    Version,
    Ndr,
    Time,
    Duration,
    /// A number of minutes, or a duration.
    Minutes,
    HResult,
    FaultStatus,
    LicenseStatus,
    Bytes,
}

/// The ways in which a value and a pattern are compared; "not equal" is made of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Number => "number",
            Self::Flag => "bool",
            Self::Text => "text",
            Self::Word(_) => "word",
            Self::Guid => "GUID",
            Self::Product(_) => "product",
            Self::Version => "version",
            Self::Ndr => "NDR",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Minutes => "minutes",
            Self::HResult => "HRESULT",
            Self::FaultStatus => "status",
            Self::LicenseStatus => "license status",
            Self::Bytes => "bytes",
        }
    }

    /// True where there is a before and an after.
    pub(super) fn is_ordered(self) -> bool {
        match self {
            Self::Number | Self::Version | Self::Time | Self::Duration | Self::Minutes => true,
            Self::HResult | Self::FaultStatus | Self::LicenseStatus | Self::Ndr => true,
            Self::Address | Self::Flag | Self::Text | Self::Word(_) => false,
            Self::Guid | Self::Product(_) | Self::Bytes => false,
        }
    }

    /// True where `contains` has a text to look into.
    pub(super) fn has_text(self) -> bool {
        match self {
            Self::Text | Self::Word(_) | Self::Guid | Self::Product(_) | Self::Bytes => true,
            Self::HResult | Self::FaultStatus | Self::LicenseStatus => true,
            Self::Address | Self::Number | Self::Flag | Self::Version | Self::Ndr => false,
            Self::Time | Self::Duration | Self::Minutes => false,
        }
    }

    /// Reads a value as it is written in a filter; what is wrong with it otherwise.
    pub(super) fn read(self, text: &str) -> Result<Pattern, String> {
        let exactly = |number: i128| Pattern::Span(number, number);
        let code = |number: Option<u32>| number.map(|number| exactly(number.into()));
        match self {
            Self::Address => network(text)
                .ok_or_else(|| no(text, "address", " (10.0.0.1, 10.0.0.0/8, fe80::1, [fe80::1]:1688)")),
            Self::Number => number(text).map(exactly).ok_or_else(|| no(text, "number", "")),
            Self::Flag => match text {
                "true" | "1" => Ok(Pattern::Flag(true)),
                "false" | "0" => Ok(Pattern::Flag(false)),
                _ => Err(no(text, "bool", ": true or false")),
            },
            Self::Text => Ok(needle(text)),
            Self::Word(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(needle(text)),
            Self::Word(words) => Err(match nearest(text, words.iter().copied()) {
                Some(word) => format!("no such word: {text:?}; did you mean {word:?}?"),
                None => format!("no such word: {text:?}; there are {}", words.join(", ")),
            }),
            Self::Guid => {
                Guid::parse(text).map(|guid| Pattern::Guids(vec![guid])).ok_or_else(|| no(text, "GUID", ""))
            }
            Self::Product(kind) => products(text, kind),
            Self::Version => version(text).ok_or_else(|| no(text, "version", " (6, 6.0)")),
            Self::Ndr => match text.to_ascii_lowercase().trim_start_matches("ndr") {
                "32" => Ok(exactly(32)),
                "64" => Ok(exactly(64)),
                _ => Err(no(text, "NDR", ": 32 or 64")),
            },
            Self::Time => time(text)
                .ok_or_else(|| no(text, "time", " (2026-11-21, 2026-11-21T20:42:45Z, seconds since 1970)")),
            Self::Duration => duration(text).map(exactly).ok_or_else(|| match number(text) {
                Some(_) => format!("a duration has a unit: {text}ms, {text}us, {text}s"),
                None => no(text, "duration", " (1.5ms, 200us, 2s)"),
            }),
            Self::Minutes => {
                let minutes = number(text).and_then(|minutes| minutes.checked_mul(MINUTE));
                let read = minutes.or_else(|| duration(text)).map(exactly);
                read.ok_or_else(|| no(text, "number of minutes or duration", " (120, 2h, 7d)"))
            }
            Self::HResult => code(unsigned(text).or_else(|| hresult::by_symbol(text)))
                .ok_or_else(|| unnamed(text, "HRESULT", hresult::symbols().map(|(_, symbol)| symbol))),
            Self::FaultStatus => code(unsigned(text).or_else(|| rpc::fault_status_by_name(text)))
                .ok_or_else(|| unnamed(text, "status", rpc::fault_statuses().map(|(_, name)| name))),
            Self::LicenseStatus => {
                let names = || (0..).map_while(license_status::name);
                let named = || (0..).zip(names()).find(|(_, name)| is_same_name(name, text)).map(|(n, _)| n);
                code(unsigned(text).or_else(named)).ok_or_else(|| unnamed(text, "license status", names()))
            }
            Self::Bytes => match parse_hex(text) {
                Ok(bytes) if !bytes.is_empty() => Ok(Pattern::Bytes(bytes)),
                _ => Err(no(text, "bytes", ": an even number of hex digits")),
            },
        }
    }

    /// Whether a text of this value has the needle in it.
    pub(super) fn contains(self, value: Value<'_>, needle: &[char]) -> bool {
        match (self, value) {
            (_, Value::Text(text)) => has(folded(text.chars()), needle),
            (_, Value::Utf16(text)) => has(folded(utf16(text)), needle),
            (_, Value::Bytes(bytes)) => has(Line::of(Hex(bytes)).chars(), needle),
            (kind, Value::Guid(guid)) => {
                let name = || matches!(kind, Self::Product(_)).then(|| product::name_of(guid)).flatten();
                has(Line::of(guid).chars(), needle)
                    || name().is_some_and(|(_, name)| has(folded(name.chars()), needle))
            }
            (kind, Value::Span(code, _)) => {
                let code = u32::try_from(code).ok();
                let name = match kind {
                    Self::HResult => code.and_then(hresult::symbol),
                    Self::FaultStatus => code.and_then(rpc::fault_status_name),
                    Self::LicenseStatus => code.and_then(license_status::name),
                    _ => None,
                };
                name.is_some_and(|name| has(folded(name.chars()), needle))
            }
            (_, Value::Flag(_) | Value::Endpoint(..)) => false,
        }
    }
}

impl Pattern {
    pub(super) fn is_met(&self, value: Value<'_>, order: Order) -> bool {
        match (value, self) {
            // Of the numbers that the field spans, one has to be in the order asked for.
            (Value::Span(first, last), Self::Span(low, high)) => match order {
                Order::Equal => first <= *high && last >= *low,
                Order::Less => first < *low,
                Order::LessOrEqual => first <= *high,
                Order::Greater => last > *high,
                Order::GreaterOrEqual => last >= *low,
            },
            (Value::Flag(value), Self::Flag(flag)) => value == *flag,
            (Value::Text(value), Self::Text(text)) => folded(value.chars()).eq(text.iter().copied()),
            (Value::Utf16(value), Self::Text(text)) => folded(utf16(value)).eq(text.iter().copied()),
            (Value::Guid(value), Self::Guids(guids)) => guids.contains(&value),
            (Value::Bytes(value), Self::Bytes(bytes)) => value == bytes,
            (Value::Endpoint(value, at), Self::Network { address, prefix, port }) => {
                port.is_none_or(|port| port == at) && is_inside(value, *address, *prefix)
            }
            _ => false,
        }
    }
}

/// A text as `contains` and `==` look for it.
pub(super) fn folded_text(text: &str) -> Box<[char]> {
    folded(text.chars()).collect()
}

fn needle(text: &str) -> Pattern {
    Pattern::Text(folded_text(text))
}

fn folded(chars: impl Iterator<Item = char> + Clone) -> impl Iterator<Item = char> + Clone {
    chars.flat_map(char::to_lowercase)
}

fn utf16(field: &[u8]) -> impl Iterator<Item = char> + Clone {
    let units = field.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units.take_while(|&unit| unit != 0)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn has(mut text: impl Iterator<Item = char> + Clone, needle: &[char]) -> bool {
    loop {
        let mut here = text.clone();
        if needle.iter().all(|&c| here.next() == Some(c)) {
            return true;
        }
        if text.next().is_none() {
            return false;
        }
    }
}

fn is_inside(value: IpAddr, network: IpAddr, prefix: u32) -> bool {
    match (value, network) {
        (IpAddr::V4(value), IpAddr::V4(network)) => {
            let differing = value.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= prefix
        }
        (IpAddr::V6(value), IpAddr::V6(network)) => {
            let differing = value.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= prefix
        }
        _ => false,
    }
}

fn no(text: &str, what: &str, hint: &str) -> String {
    format!("no {what}: {text:?}{hint}")
}

fn unnamed(text: &str, what: &str, names: impl Iterator<Item = &'static str>) -> String {
    match nearest(text, names) {
        Some(name) => format!("no {what}: {text:?}; did you mean {name:?}?"),
        None => no(text, what, ", neither a number nor a known name"),
    }
}

/// `OOB grace`, `oob_grace`.
fn is_same_name(name: &str, text: &str) -> bool {
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    name.chars().map(plain).eq(text.chars().map(plain))
}

fn products(text: &str, kind: Option<catalog::Kind>) -> Result<Pattern, String> {
    if let Some(guid) = Guid::parse(text) {
        return Ok(Pattern::Guids(vec![guid]));
    }
    let is_asked = |of: catalog::Kind| kind.map_or(of != catalog::Kind::Application, |kind| kind == of);
    let applications = product::applications().map(|app| (catalog::Kind::Application, app.guid, app.name));
    let kms_ids = product::kms_ids().map(|kms| (catalog::Kind::KmsProduct, kms.guid, kms.name));
    let skus = product::skus().map(|sku| (catalog::Kind::Sku, sku.guid, sku.name));
    let named: Vec<(Guid, &str)> = applications
        .chain(kms_ids)
        .chain(skus)
        .filter(|(kind, ..)| is_asked(*kind))
        .map(|(_, guid, name)| (guid, name))
        .collect();
    let guids: Vec<Guid> =
        named.iter().filter(|(_, name)| is_same_name(name, text)).map(|(guid, _)| *guid).collect();
    if !guids.is_empty() {
        return Ok(Pattern::Guids(guids));
    }
    Err(match nearest(text, named.into_iter().map(|(_, name)| name)) {
        Some(name) => format!("no product has the name {text:?}; did you mean {name:?}?"),
        None => format!("no product has the name {text:?}; a part of one is looked for with \"contains\""),
    })
}

fn network(text: &str) -> Option<Pattern> {
    if let Ok(both) = text.parse::<SocketAddr>() {
        let prefix = bits(both.ip());
        return Some(Pattern::Network { address: both.ip(), prefix, port: Some(both.port()) });
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address = address.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = address.parse().ok()?;
    let prefix = match prefix {
        Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Some(_) => return None,
        None => bits(address),
    };
    (prefix <= bits(address)).then_some(Pattern::Network { address, prefix, port: None })
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Decimal, or hex with `0x`; up to 64 bits, negative ones too.
fn number(text: &str) -> Option<i128> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(if is_negative { -i128::from(magnitude) } else { magnitude.into() })
}

/// A code of 32 bits, also where it is written as the negative number that it is to a signed type.
fn unsigned(text: &str) -> Option<u32> {
    let number = number(text)?;
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

/// `6` is every 6.x, `6.0` is just that.
fn version(text: &str) -> Option<Pattern> {
    let part = |digits: &str| number(digits).and_then(|number| u32::try_from(number).ok());
    let of = |major: u32, minor: u32| i128::from(major << 16 | minor);
    let (major, minor) = match text.split_once('.') {
        Some((major, minor)) => (part(major)?, Some(part(minor)?)),
        None => (part(text)?, None),
    };
    if major > 0xffff || minor.is_some_and(|minor| minor > 0xffff) {
        return None;
    }
    let low = of(major, minor.unwrap_or(0));
    Some(Pattern::Span(low, minor.map_or(of(major, 0xffff), |_| low)))
}

pub(super) fn version_number(version: Version) -> i128 {
    version.0.into()
}

const SECOND: i128 = 1_000_000_000;
pub(super) const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// `1.5ms` in nanoseconds; what is finer is cut off.
fn duration(text: &str) -> Option<i128> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = match &text[digits..] {
        "ns" => 1,
        "us" | "\u{b5}s" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    let (number, _) = decimal(&text[..digits], unit)?;
    Some(if is_negative { -number } else { number })
}

/// A decimal fraction times the unit, and what one of its last digit comes to (1 at least).
fn decimal(text: &str, unit: i128) -> Option<(i128, i128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole, 15) || !is_number(fraction, 15) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: i128 = fraction.parse().ok()?;
    let last = if text.contains('.') { (unit / scale).max(1) } else { unit };
    Some((whole * unit + fraction * unit / scale, last))
}

/// A time is the whole of its last unit: a day, a minute, a second, a tenth of one.
fn time(text: &str) -> Option<Pattern> {
    let span = |from: i128, length: i128| Pattern::Span(from, from + length - 1);
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return decimal(text, SECOND).map(|(from, length)| span(from, length));
    }
    let day = calendar_day(text.get(..10)?)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(span(day, DAY));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        None => (rest, 0),
        Some(at) if rest[at..].eq_ignore_ascii_case("z") => (&rest[..at], 0),
        Some(at) => {
            let (hours, minutes) = rest[at + 1..].split_once(':')?;
            let offset = two_digits(hours, 23)? * HOUR + two_digits(minutes, 59)? * MINUTE;
            (&rest[..at], if rest.as_bytes()[at] == b'-' { -offset } else { offset })
        }
    };
    let mut parts = clock.splitn(3, ':');
    let hour = two_digits(parts.next()?, 23)? * HOUR;
    let Some(minute) = parts.next() else {
        return Some(span(day + hour - offset, HOUR));
    };
    let minute = two_digits(minute, 59)? * MINUTE;
    let from = day + hour + minute - offset;
    let Some(second) = parts.next() else {
        return Some(span(from, MINUTE));
    };
    two_digits(second.get(..2)?, 60)?;
    let (second, length) = decimal(second, SECOND)?;
    Some(span(from + second, length))
}

/// `2026-11-21` as nanoseconds since 1970.
fn calendar_day(text: &str) -> Option<i128> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))?;
    let month = u8::try_from(two_digits(parts.next()?, 12)?).ok()?;
    let day = u8::try_from(two_digits(parts.next()?, 31)?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, Month::try_from(month).ok()?, day).ok()?;
    Some(i128::from(date.midnight().assume_utc().unix_timestamp()) * SECOND)
}

fn two_digits(text: &str, most: i128) -> Option<i128> {
    let number: i128 = if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()?
    } else {
        return None;
    };
    (number <= most).then_some(number)
}

/// A short text of ASCII characters, made without an allocation; what does not fit is left out.
struct Line {
    bytes: [u8; 64],
    length: usize,
}

impl Line {
    fn of(shown: impl fmt::Display) -> Self {
        let mut line = Self { bytes: [0; 64], length: 0 };
        let _ = write!(line, "{shown}");
        line
    }

    fn chars(&self) -> impl Iterator<Item = char> + Clone + '_ {
        self.bytes[..self.length].iter().map(|&byte| char::from(byte))
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            *self.bytes.get_mut(self.length).ok_or(fmt::Error)? = byte;
            self.length += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(kind: Kind, text: &str) -> Option<(i128, i128)> {
        match kind.read(text) {
            Ok(Pattern::Span(low, high)) => Some((low, high)),
            _ => None,
        }
    }

    #[test]
    fn a_time_is_the_whole_of_its_last_unit() {
        const DAY_20778: i128 = 20778 * DAY; // 2026-11-21
        assert_eq!(span(Kind::Time, "2026-11-21"), Some((DAY_20778, DAY_20778 + DAY - 1)));
        let minute = DAY_20778 + 20 * HOUR + 42 * MINUTE;
        for text in
            ["2026-11-21T20:42", "2026-11-21 20:42Z", "2026-11-21t21:42+01:00", "2026-11-21T19:12-01:30"]
        {
            assert_eq!(span(Kind::Time, text), Some((minute, minute + MINUTE - 1)), "{text}");
        }
        let second = minute + 45 * SECOND;
        assert_eq!(span(Kind::Time, "2026-11-21T20:42:45Z"), Some((second, second + SECOND - 1)));
        let micro = second + 412_290_000;
        assert_eq!(span(Kind::Time, "2026-11-21T20:42:45.412290Z"), Some((micro, micro + 999)));
        assert_eq!(span(Kind::Time, "2026-11-21T20:42:45.412290000Z"), Some((micro, micro)));
        assert_eq!(span(Kind::Time, "1795293765"), Some((second, second + SECOND - 1)));
        assert_eq!(span(Kind::Time, "1795293765.41229"), Some((micro, micro + 9_999)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ".",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-02-30",
            "2026-11-21T",
            "2026-11-21T2",
            "2026-11-21T24:00",
            "2026-11-21T20:60",
            "2026-11-21T20:42:4",
            "2026-11-21T20:42:45.",
            "2026-11-21T20:42+1",
            "20:42",
            "2026-11-21T20:42:45.1.2",
            "2026-11-2\u{e9}T20:42",
            "+026-11-21",
        ] {
            assert!(text == "2026" || time(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, nanoseconds) in
            [("1.5ms", 1_500_000), ("200us", 200_000), ("2s", 2 * SECOND), ("-1ns", -1), ("7d", 7 * DAY)]
        {
            assert_eq!(span(Kind::Duration, text), Some((nanoseconds, nanoseconds)));
        }
        assert_eq!(Kind::Duration.read("5").unwrap_err(), "a duration has a unit: 5ms, 5us, 5s");
        assert!(Kind::Duration.read("5 parsecs").is_err());
        assert_eq!(span(Kind::Minutes, "120"), span(Kind::Minutes, "2h"));
    }

    #[test]
    fn a_version_without_its_minor_number_is_all_of_them() {
        assert_eq!(span(Kind::Version, "6"), Some((0x6_0000, 0x6_ffff)));
        assert_eq!(span(Kind::Version, "6.1"), Some((0x6_0001, 0x6_0001)));
        for text in ["", "6.", ".1", "65536", "6.65536", "6.0.0", "-6"] {
            assert_eq!(span(Kind::Version, text), None, "{text}");
        }
    }

    #[test]
    fn codes_are_numbers_or_names() {
        let refused = Some((0xC004_F042, 0xC004_F042));
        for text in ["0xC004F042", "3221549122", "-1073418174", "sl_e_vl_key_management_service_id_mismatch"]
        {
            assert_eq!(span(Kind::HResult, text), refused, "{text}");
        }
        assert_eq!(span(Kind::HResult, "0x1C004F042"), None);
        assert_eq!(
            Kind::HResult.read("SL_E_VL_NOT_ENOUGH_COUT").unwrap_err(),
            "no HRESULT: \"SL_E_VL_NOT_ENOUGH_COUT\"; did you mean \"SL_E_VL_NOT_ENOUGH_COUNT\"?"
        );
        assert_eq!(span(Kind::FaultStatus, "nca_s_unk_if"), Some((0x1c01_0003, 0x1c01_0003)));
        for text in ["2", "OOB grace", "oob_grace"] {
            assert_eq!(span(Kind::LicenseStatus, text), Some((2, 2)), "{text}");
        }
    }

    #[test]
    fn an_address_is_met_by_what_its_prefix_says() {
        let met = |pattern: &str, address: &str, port| {
            let value = Value::Endpoint(address.parse().unwrap(), port);
            Kind::Address.read(pattern).unwrap().is_met(value, Order::Equal)
        };
        assert!(met("10.0.0.0/8", "10.1.2.3", 1));
        assert!(met("10.1.2.3/8", "10.9.9.9", 1));
        assert!(!met("10.0.0.0/8", "11.0.0.0", 1));
        assert!(met("0.0.0.0/0", "255.255.255.255", 1));
        assert!(!met("0.0.0.0/0", "::", 1));
        assert!(met("fe80::/10", "febf::1", 1));
        assert!(!met("fe80::/10", "fec0::1", 1));
        assert!(met("[::1]:1688", "::1", 1688));
        assert!(!met("127.0.0.1:1688", "127.0.0.1", 1689));
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "host", "[::1"] {
            assert!(Kind::Address.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_product_is_named_whole_or_by_its_guid() {
        let all = Kind::Product(None);
        let Ok(Pattern::Guids(guids)) = all.read("Windows Server 2019") else { panic!() };
        assert!(guids.contains(&Guid::parse("8449b1fb-f0ea-497a-99ab-66ca96e9a0f5").unwrap()));
        assert_eq!(
            all.read("Windows Servr 2019").unwrap_err(),
            "no product has the name \"Windows Servr 2019\"; did you mean \"Windows Server 2019\"?"
        );
        assert!(Kind::Product(Some(catalog::Kind::Sku)).read("Windows").is_err());
        assert!(Kind::Product(Some(catalog::Kind::Application)).read("windows").is_ok());
    }

    #[test]
    fn text_is_looked_for_in_any_case() {
        let contains = |text: &str, part: &str| Kind::Text.contains(Value::Text(text), &folded_text(part));
        assert!(contains("Imap.Yahoo.net", "YAHOO"));
        assert!(contains("aaab", "aab"));
        assert!(contains("x", ""));
        assert!(!contains("aaab", "aabb"));
        let utf16: Vec<u8> = "HÖST\0later".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(Kind::Text.contains(Value::Utf16(&utf16), &folded_text("öst")));
        assert!(!Kind::Text.contains(Value::Utf16(&utf16), &folded_text("later")));
    }
}

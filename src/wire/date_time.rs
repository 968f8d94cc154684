//! Points in time as text.

use time::{Date, Month};

/// Nanoseconds since 1970-01-01T00:00:00Z at a date, or a date and time with its offset (RFC 3339 5.6).
pub(crate) fn date_time(text: &str) -> Option<i64> {
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let midnight = date.midnight().assume_utc().unix_timestamp();
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return if rest.is_empty() { midnight.checked_mul(1_000_000_000) } else { None };
    };
    let (time, offset) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = rest.split_at(rest.len().checked_sub(6)?);
            let sign = if offset.starts_with('+') { 1 } else { -1 };
            let [hours, minutes] = parts(offset.strip_prefix(['+', '-'])?, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (time, sign * (hours * 3600 + minutes * 60))
        }
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hours, minutes, seconds] = parts(clock, ':', [2, 2, 2])?;
    // 60 is a leap second.
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let fraction = decimal(&format!("0.{fraction}"), 1_000_000_000)?;
    let seconds = midnight + hours * 3600 + minutes * 60 + seconds - offset;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// The numbers of a text, each with so many digits.
fn parts<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = digits(parts.next().filter(|part| part.len() == width)?)?;
    }
    if parts.next().is_some() { None } else { Some(numbers) }
}

/// A decimal number with at most nine places of so many nanoseconds.
pub(crate) fn decimal(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = digits(whole)?.checked_mul(unit)?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 9)?;
    let fraction = i128::from(digits(fraction)?) * i128::from(unit) / 10i128.pow(places);
    whole.checked_add(i64::try_from(fraction).ok()?)
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

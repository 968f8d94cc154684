use std::fmt;

use super::decimal::eight_digits;
use super::hex::write_ascii;

/// A FILETIME: 100 ns units since 1601-01-01T00:00:00Z (MS-DTYP 2.3.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileTime(pub u64);

impl FileTime {
    /// The time so many nanoseconds after 1970-01-01T00:00:00Z (before it, where negative), rounded down to 100 ns;
    /// `None` where a FILETIME cannot tell it.
    #[must_use]
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        let difference = i128::from(EPOCH_DIFFERENCE) * 10_000_000;
        u64::try_from(nanos.div_euclid(100).saturating_add(difference)).ok().map(Self)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before that.
    #[must_use]
    pub fn unix_nanos(self) -> i128 {
        i128::from(self.0) * 100 - i128::from(EPOCH_DIFFERENCE) * 1_000_000_000
    }

    /// RFC 3339 in UTC with seven decimals; `None` beyond the year 9999.
    pub(crate) fn text(self) -> Option<TimeText> {
        let fraction = u32::try_from(self.0 % 10_000_000).ok()?;
        TimeText::of(self.0 / 10_000_000, 100 * fraction, 7)
    }
}

/// Shows the time as RFC 3339 in UTC with seven decimals; a time beyond the year 9999 as its number.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => write_ascii(f, text.as_bytes()),
            None => write!(f, "{} (beyond the year 9999)", self.0),
        }
    }
}

/// Nanoseconds since 1970, shown as RFC 3339 in UTC with nine decimals, or six where the rest is zero.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub i64);

impl Rfc3339 {
    /// Never `None`: an `i64` ends in the year 2262.
    pub(crate) fn text(self) -> Option<TimeText> {
        let seconds = self.0.div_euclid(1_000_000_000) + EPOCH_DIFFERENCE;
        let nanoseconds = u32::try_from(self.0.rem_euclid(1_000_000_000)).ok()?;
        let decimals = if nanoseconds.is_multiple_of(1000) { 6 } else { 9 };
        TimeText::of(u64::try_from(seconds).ok()?, nanoseconds, decimals)
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ascii(f, self.text().ok_or(fmt::Error)?.as_bytes())
    }
}

/// A time in RFC 3339.
pub(crate) struct TimeText {
    text: [u8; 30],
    length: usize,
}

impl TimeText {
    /// The time so long after 1601-01-01T00:00:00Z, with so many of the nine decimals; `None` beyond the year 9999.
    fn of(seconds: u64, nanoseconds: u32, decimals: usize) -> Option<Self> {
        let days = u32::try_from(seconds / 86_400).ok().filter(|&days| days < DAYS_UP_TO_10000)?;
        let second = u32::try_from(seconds % 86_400).ok()?;
        let (year, month, day) = date(days);
        let clock = second / 3600 * 10_000 + second / 60 % 60 * 100 + second % 60;
        let [y0, y1, y2, y3, m0, m1, d0, d1] = eight_digits(year * 10_000 + month * 100 + day);
        let [.., h0, h1, i0, i1, s0, s1] = eight_digits(clock);
        let [f0, f1, f2, f3, f4, f5, f6, f7] = eight_digits(nanoseconds / 10);
        let [.., f8] = eight_digits(nanoseconds % 10);
        let mut text = [
            y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'.', f0,
            f1, f2, f3, f4, f5, f6, f7, f8, b'Z',
        ];
        text[20 + decimals] = b'Z';
        Some(Self { text, length: 21 + decimals })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// Year, month and day so many days after 1601-01-01. Years are counted from March, so that a leap day is the last of
/// its year, and the months before it are as long in every year: 153 days in five.
fn date(days: u32) -> (u32, u32, u32) {
    let days = days + 306;
    let (cycle, day) = (days / 146_097, days % 146_097);
    // The days of a cycle without its leap days, of which one comes every 1461 days, but for each 36525th.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 1600 + 400 * cycle + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH_DIFFERENCE: i64 = 11_644_473_600;
/// Days from 1601-01-01 to 10000-01-01: 21 times 400 years, but for the last of them, which is a leap year.
const DAYS_UP_TO_10000: u32 = 21 * 146_097 - 366;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_filetime_shows_all_its_seven_decimals() {
        assert_eq!(FileTime(134_397_673_530_000_001).to_string(), "2026-11-21T20:42:33.0000001Z");
        assert_eq!(FileTime(0).to_string(), "1601-01-01T00:00:00.0000000Z");
        assert_eq!(FileTime(0x019d_b1de_d53e_8000).to_string(), "1970-01-01T00:00:00.0000000Z");
    }

    #[test]
    fn a_filetime_is_made_of_the_nanoseconds_since_1970() {
        let time = FileTime(134_397_673_530_000_001);
        assert_eq!(FileTime::from_unix_nanos(time.unix_nanos() + 99), Some(time));
        assert_eq!(FileTime::from_unix_nanos(FileTime(0).unix_nanos()), Some(FileTime(0)));
        assert_eq!(FileTime::from_unix_nanos(FileTime(0).unix_nanos() - 1), None);
        assert_eq!(FileTime::from_unix_nanos(i128::from(u64::MAX) * 100), None);
    }

    #[test]
    fn a_time_beyond_the_calendar_is_shown_as_its_number() {
        assert_eq!(FileTime(u64::MAX).to_string(), "18446744073709551615 (beyond the year 9999)");
    }

    #[test]
    fn capture_times_have_six_or_nine_decimals() {
        assert_eq!(Rfc3339(1_000).to_string(), "1970-01-01T00:00:00.000001Z");
        assert_eq!(Rfc3339(1).to_string(), "1970-01-01T00:00:00.000000001Z");
    }

    fn by_the_calendar_of_another(unix_nanos: i128) -> Option<String> {
        let t = time::OffsetDateTime::from_unix_timestamp_nanos(unix_nanos).ok()?;
        let (year, month, day) = t.to_calendar_date();
        let (hour, minute, second, nanosecond) = t.to_hms_nano();
        let month = u8::from(month);
        Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanosecond:09}"))
    }

    #[test]
    fn every_day_up_to_the_year_9999_has_its_date() {
        for day in (0..).map(|day: u64| day * 86_400 * 10_000_000) {
            let expected = by_the_calendar_of_another(FileTime(day).unix_nanos());
            assert_eq!(FileTime(day).text().is_some(), expected.is_some(), "{day}");
            let Some(expected) = expected else { break };
            assert_eq!(FileTime(day).to_string()[..27], expected[..27]);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_that_of_another_calendar(nanos in any::<i64>(), filetime in any::<u64>()) {
            let expected = by_the_calendar_of_another(nanos.into()).unwrap();
            prop_assert!(expected.starts_with(Rfc3339(nanos).to_string().trim_end_matches('Z')));
            let filetime = FileTime(filetime);
            let shown = filetime.to_string();
            match by_the_calendar_of_another(filetime.unix_nanos()) {
                Some(expected) => prop_assert_eq!(&shown[..27], &expected[..27]),
                None => prop_assert!(shown.ends_with(" (beyond the year 9999)")),
            }
        }
    }
}

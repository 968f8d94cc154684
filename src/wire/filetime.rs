use std::fmt;

use time::OffsetDateTime;

/// A FILETIME: 100 ns units since 1601-01-01T00:00:00Z (MS-DTYP 2.3.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileTime(pub u64);

/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH_DIFFERENCE: i128 = 11_644_473_600;

impl FileTime {
    /// The time so many nanoseconds after 1970-01-01T00:00:00Z (before it, where negative), rounded down to 100 ns;
    /// `None` where a FILETIME cannot tell it.
    #[must_use]
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        u64::try_from(nanos.div_euclid(100).saturating_add(EPOCH_DIFFERENCE * 10_000_000)).ok().map(Self)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before that.
    #[must_use]
    pub fn unix_nanos(self) -> i128 {
        i128::from(self.0) * 100 - EPOCH_DIFFERENCE * 1_000_000_000
    }
}

/// Shows the time as RFC 3339 in UTC with seven decimals; a time beyond the year 9999 as its number.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp_nanos(self.unix_nanos()) {
            Ok(t) => write_rfc3339(f, t, t.nanosecond() / 100, 7),
            Err(_) => write!(f, "{} (beyond the year 9999)", self.0),
        }
    }
}

/// Nanoseconds since 1970, shown as RFC 3339 in UTC with nine decimals, or six where the rest is zero.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0)).map_err(|_| fmt::Error)?;
        match t.nanosecond() {
            n if n % 1000 == 0 => write_rfc3339(f, t, n / 1000, 6),
            n => write_rfc3339(f, t, n, 9),
        }
    }
}

fn write_rfc3339(f: &mut fmt::Formatter<'_>, t: OffsetDateTime, fraction: u32, digits: usize) -> fmt::Result {
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second) = t.to_hms();
    let mut text = *b"0000-00-00T00:00:00.000000000";
    let mut put = |mut at: usize, mut number: u32| {
        while number > 0 {
            text[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            at = at.wrapping_sub(1);
        }
    };
    put(3, year.unsigned_abs());
    put(6, u32::from(u8::from(month)));
    put(9, day.into());
    put(12, hour.into());
    put(15, minute.into());
    put(18, second.into());
    put(19 + digits, fraction);
    f.write_str(std::str::from_utf8(&text[..20 + digits]).map_err(|_| fmt::Error)?)?;
    f.write_str("Z")
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

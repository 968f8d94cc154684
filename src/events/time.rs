use crate::wire::date_time::date_time;

/// When an event was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// Nanoseconds since 1970-01-01T00:00:00 by that clock.
    pub nanos: i64,
    /// Which clock it is.
    pub clock: Clock,
}

/// A clock by which an event's time is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// UTC: of a log, and of a text that says so.
    Utc,
    /// The wall of the machine on which the text was exported; how far that is from UTC is not told.
    Local,
}

impl EventTime {
    /// The time that a text tells: ISO 8601 with or without an offset, `2024/5/1 12:34:56`, `1.5.2024 12:34:56`, and
    /// `5/1/2024 12:34:56 PM`, which is en-US where the month has no zero in front: elsewhere the day comes first.
    /// `None` for all else, which can be read as two dates.
    pub(super) fn of(text: &str) -> Option<Self> {
        // No text of a time is longer.
        if text.len() > 100 {
            return None;
        }
        let text = text.trim().trim_start_matches(MARKS).replace(MARKS, "");
        if let Some(nanos) = date_time(&text).filter(|_| text.len() > 10) {
            return Some(Self { nanos, clock: Clock::Utc });
        }
        let mut words = text.split([' ', '\t', '\u{a0}', '\u{202f}', 'T']).filter(|word| !word.is_empty());
        let (date, clock, half) = (words.next()?, words.next()?, words.next());
        if words.next().is_some() {
            return None;
        }
        let numbers = |separator| -> Option<Vec<&str>> {
            let parts: Vec<_> = date.split(separator).collect();
            let is_number = |part: &&str| part.len() <= 4 && is_digits(part);
            (parts.len() == 3 && parts.iter().all(is_number)).then_some(parts)
        };
        let [year, month, day] = match (numbers('.'), numbers('/'), numbers('-')) {
            (Some(parts), _, _) if half.is_none() && parts[2].len() == 4 => [parts[2], parts[1], parts[0]],
            (_, Some(parts), _) | (_, _, Some(parts)) if half.is_none() && parts[0].len() == 4 => {
                [parts[0], parts[1], parts[2]]
            }
            (_, Some(parts), _) if half.is_some() && parts[2].len() == 4 => {
                if parts[..2].iter().any(|part| part.starts_with('0')) {
                    return None;
                }
                [parts[2], parts[0], parts[1]]
            }
            _ => return None,
        };
        let (hours, rest) = clock.split_once(':')?;
        let mut hours: u32 = hours.parse().ok()?;
        if let Some(half) = half {
            let is_afternoon = match half {
                "AM" => false,
                "PM" => true,
                _ => return None,
            };
            if !(1..=12).contains(&hours) {
                return None;
            }
            hours = hours % 12 + if is_afternoon { 12 } else { 0 };
        }
        let seconds = if rest.contains(':') { "" } else { ":00" };
        let iso = format!("{year}-{month:0>2}-{day:0>2}T{hours:02}:{rest}{seconds}Z");
        Some(Self { nanos: date_time(&iso)?, clock: Clock::Local })
    }
}

/// The minute of a client's time, `2010/09/29 17:52` in UTC, as nanoseconds since 1970. What stands behind is not read.
pub(super) fn minute(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let (date, clock) = (words.next()?, words.next()?);
    let mut date = date.split(['/', '-', '.']);
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (hours, minutes) = clock.split_once(':')?;
    if date.next().is_some() || ![year, month, day, hours, minutes].into_iter().all(is_digits) {
        return None;
    }
    date_time(&format!("{year}-{month:0>2}-{day:0>2}T{hours:0>2}:{minutes}:00Z"))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What Windows writes around the parts of a date to keep their order in a line that runs from the right.
const MARKS: [char; 2] = ['\u{200e}', '\u{200f}'];

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_714_566_896_000_000_000;

    fn time(text: &str) -> Option<(i64, Clock)> {
        EventTime::of(text).map(|time| (time.nanos, time.clock))
    }

    #[test]
    fn iso_with_an_offset_is_in_utc_and_without_one_local() {
        assert_eq!(time("2024-05-01T12:34:56.789Z"), Some((NOON + 789_000_000, Clock::Utc)));
        assert_eq!(time("2024-05-01T12:34:56.7890000Z"), Some((NOON + 789_000_000, Clock::Utc)));
        assert_eq!(time("2024-05-01T14:34:56+02:00"), Some((NOON, Clock::Utc)));
        assert_eq!(time("2024-05-01T12:34:56.789"), Some((NOON + 789_000_000, Clock::Local)));
    }

    #[test]
    fn times_of_the_languages_that_can_be_told_apart_are_local() {
        for text in [
            "5/1/2024 12:34:56 PM",
            "5/1/2024 12:34:56\u{202f}PM",
            "01.05.2024 12:34:56",
            "2024/05/01 12:34:56",
            "\u{200e}2024\u{200e}-\u{200e}05\u{200e}-\u{200e}01 12:34:56",
        ] {
            assert_eq!(time(text), Some((NOON, Clock::Local)), "{text}");
        }
        assert_eq!(time("5/1/2024 12:34:56 AM"), Some((NOON - 12 * 3_600_000_000_000, Clock::Local)));
    }

    #[test]
    fn a_time_that_can_be_read_as_two_dates_or_as_none_is_none() {
        for text in [
            "",
            "5/1/2024 12:34:56",
            "01/05/2024 12:34:56",
            "1/05/2024 12:34:56 PM",
            "13/1/2024 12:34:56 PM",
            "5/1/2024 13:34:56 PM",
            "01.05.24 12:34:56",
            "2024-05-01",
            "01.13.2024 12:34:56",
            "Mittwoch",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn the_minute_has_zeros_in_front_or_none() {
        assert_eq!(minute("2024/05/01 02:34"), minute(" 2024/5/1 2:34"));
        assert_eq!(minute("1970/1/1 0:01"), Some(60_000_000_000));
        for text in
            ["2024/5/1", "2024/5/1 2", "2024/13/1 2:34", "2024/5/1 24:00", "2024/5/1 2:3", "a/b/c d:e"]
        {
            assert_eq!(minute(text), None, "{text}");
        }
    }
}

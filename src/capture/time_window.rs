use std::fmt;
use std::str::FromStr;

use crate::wire::date_time::{date_time, decimal};

use super::packets::{Comment, Packet, Packets};
use super::{CaptureError, LinkType};

/// A point in time as an argument names it.
///
/// ```
/// use volact::capture::TimeBound;
///
/// assert_eq!("1970-01-02".parse(), Ok(TimeBound::At(86_400_000_000_000)));
/// assert_eq!("1970-01-01T01:00:00.5+01:00".parse(), Ok(TimeBound::At(500_000_000)));
/// assert_eq!("1.5".parse(), Ok(TimeBound::At(1_500_000_000)));
/// assert_eq!("+2m".parse(), Ok(TimeBound::AfterFirst(120_000_000_000)));
/// assert!("yesterday".parse::<TimeBound>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBound {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    At(i64),
    /// Nanoseconds after the first packet that has a time.
    AfterFirst(i64),
}

/// A text that names no point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTimeError {
    text: String,
}

/// What time packets have to be of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeWindow {
    /// The first moment inside; without it, everything up to `to` is.
    pub from: Option<TimeBound>,
    /// The first moment outside again; without it, everything behind `from` is inside.
    pub to: Option<TimeBound>,
}

/// The packets of a time. Those outside are passed over, and keep their numbers; those without a time are inside.
pub struct Within<P> {
    packets: P,
    window: TimeWindow,
    /// The same in nanoseconds, once the first packet is known.
    from: i64,
    to: i64,
    first: Option<i64>,
    is_inside: bool,
}

impl<P: Packets> Within<P> {
    /// Of these packets, those of that time.
    pub fn new(packets: P, window: TimeWindow) -> Self {
        Self { packets, window, from: i64::MIN, to: i64::MAX, first: None, is_inside: false }
    }

    /// The packets, also those outside.
    pub fn get_ref(&self) -> &P {
        &self.packets
    }

    fn contains(&mut self, time: Option<i64>) -> bool {
        let Some(time) = time else { return true };
        if self.first.is_none() {
            self.first = Some(time);
            let at = |bound: TimeBound| match bound {
                TimeBound::At(at) => at,
                TimeBound::AfterFirst(after) => time.saturating_add(after),
            };
            self.from = self.window.from.map_or(i64::MIN, at);
            self.to = self.window.to.map_or(i64::MAX, at);
        }
        self.from <= time && (time < self.to || self.window.to.is_none())
    }
}

impl<P: Packets> Packets for Within<P> {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.is_inside = false;
        while self.packets.advance()? {
            let time = self.packets.packet().time;
            if self.contains(time) {
                self.is_inside = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn packet(&self) -> Packet<'_> {
        if self.is_inside {
            return self.packets.packet();
        }
        Packet { frame: 0, time: None, interface: 0, link: LinkType(u16::MAX), data: &[], original_length: 0 }
    }

    fn offset(&self) -> u64 {
        self.packets.offset()
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        self.packets.take_comments()
    }

    fn comments_left_out(&self) -> u64 {
        self.packets.comments_left_out()
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        self.packets.take_secrets()
    }

    fn secrets_left_out(&self) -> u64 {
        self.packets.secrets_left_out()
    }

    fn skipped_blocks(&self) -> u64 {
        self.packets.skipped_blocks()
    }
}

impl FromStr for TimeBound {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let bound = match text.strip_prefix('+') {
            Some(after) => duration(after).map(Self::AfterFirst),
            None => decimal(text, 1_000_000_000).or_else(|| date_time(text)).map(Self::At),
        };
        bound.ok_or_else(|| ParseTimeError { text: text.to_owned() })
    }
}

impl fmt::Display for ParseTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is no time: expected a date (2009-02-13), a date and time with its offset \
             (2009-02-13T23:31:30Z), seconds since 1970 (1234567890.5), or a time after the first packet (+90, +1.5s, \
             +2m, +1h)",
            self.text
        )
    }
}

impl std::error::Error for ParseTimeError {}

/// Nanoseconds of `90`, `1.5s`, `250ms`, `2m`, `1h` or `1d`.
fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 5] = [
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1_000_000_000));
    decimal(number, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_each_of_their_forms() {
        let second = 1_000_000_000;
        for (text, bound) in [
            ("0", TimeBound::At(0)),
            ("1234567890", TimeBound::At(1_234_567_890 * second)),
            ("1234567890.000000001", TimeBound::At(1_234_567_890 * second + 1)),
            ("2009-02-13T23:31:30Z", TimeBound::At(1_234_567_890 * second)),
            ("2009-02-13 23:31:30.25z", TimeBound::At(1_234_567_890 * second + second / 4)),
            ("2009-02-14T00:31:30+01:00", TimeBound::At(1_234_567_890 * second)),
            ("2009-02-13T18:01:30-05:30", TimeBound::At(1_234_567_890 * second)),
            ("2009-02-13", TimeBound::At(1_234_483_200 * second)),
            ("1969-12-31T23:59:59Z", TimeBound::At(-second)),
            ("+90", TimeBound::AfterFirst(90 * second)),
            ("+1.5s", TimeBound::AfterFirst(3 * second / 2)),
            ("+250ms", TimeBound::AfterFirst(second / 4)),
            ("+2m", TimeBound::AfterFirst(120 * second)),
            ("+1h", TimeBound::AfterFirst(3600 * second)),
            ("+0.5d", TimeBound::AfterFirst(43_200 * second)),
        ] {
            assert_eq!(text.parse(), Ok(bound), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_was_expected() {
        for text in [
            "",
            "+",
            "+s",
            "1.",
            ".5",
            "-1",
            "1e9",
            "+1w",
            "2009-02-30",
            "2009-13-01",
            "2009-2-3",
            "2009-02-13T23:31:30",
            "2009-02-13T25:00:00Z",
            "2009-02-13T23:31Z",
            "2009-02-13T23:31:30+1:00",
            "99999999999999999999",
            "2009-02-13T",
            "2009-02-1é",
            "9999-12-31",
            "1.0000000001",
        ] {
            assert!(text.parse::<TimeBound>().is_err(), "{text}");
        }
        assert_eq!(
            "soon".parse::<TimeBound>().unwrap_err().to_string(),
            "\"soon\" is no time: expected a date (2009-02-13), a date and time with its offset \
             (2009-02-13T23:31:30Z), seconds since 1970 (1234567890.5), or a time after the first packet (+90, +1.5s, \
             +2m, +1h)"
        );
    }
}

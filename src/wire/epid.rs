use std::fmt;

use super::{Error, ErrorKind};

/// The parts of an extended product id, `PPPPP-GGGGG-SSS-SSSSSS-CC-LLLL-BBBBB.0000-DDDYYYY`: of a KMS host's (its ePID),
/// or of a product whose MAK is asked about.
///
/// Parts are numbers, so that `05426` is 5426; [`fmt::Display`] writes them at their usual widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epid {
    /// P: the platform id of the Windows; `None` where it is masked, as `XXXXX`.
    pub platform_id: Option<u32>,
    /// G: the key group of the key.
    pub group: u32,
    /// S: the nine-digit key sequence, written in groups of three and six digits.
    pub key_sequence: u32,
    /// C: 00 and 01 retail, 02 OEM, 03 volume.
    pub channel: u32,
    /// L: the LCID of the language.
    pub lcid: u32,
    /// B: the build, in front of the dot.
    pub build: u32,
    /// What stands behind the dot.
    pub build_minor: u32,
    /// D: day of the year of the activation, 1-based.
    pub day: u32,
    /// Y: year of the activation.
    pub year: u32,
}

impl Epid {
    /// Reads an ePID's text. Every part takes its usual number of digits or fewer; the LCID, up to five.
    ///
    /// # Errors
    /// A part that is missing, empty, too long or no number; the offset is in characters.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_masked = text.starts_with(MASKED);
        let mut at = if is_masked { MASKED.len() } else { 0 };
        let mut part = |field, separator: Option<char>, most: usize| {
            let rest = &text.as_bytes()[at..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let is_whole = rest.get(digits).copied().map(char::from) == separator;
            if !is_whole || digits == 0 || digits > most {
                return Err(wrong_part(text, at, field, separator, most));
            }
            at += digits + separator.map_or(0, char::len_utf8);
            Ok(rest[..digits].iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0')))
        };
        let platform_id = if is_masked { None } else { Some(part("platform id", Some('-'), 5)?) };
        let group = part("key group", Some('-'), 5)?;
        let high = part("key sequence", Some('-'), 3)?;
        let low = part("key sequence", Some('-'), 6)?;
        let channel = part("channel", Some('-'), 2)?;
        let lcid = part("LCID", Some('-'), 5)?;
        let build = part("build", Some('.'), 5)?;
        let build_minor = part("build", Some('-'), 4)?;
        let date = part("date", None, 7)?;
        let key_sequence = high * 1_000_000 + low;
        Ok(Self {
            platform_id,
            group,
            key_sequence,
            channel,
            lcid,
            build,
            build_minor,
            day: date / 10_000,
            year: date % 10_000,
        })
    }
}

/// A platform id that is not told.
const MASKED: &str = "XXXXX-";

/// What is wrong with the part that begins at `at`.
#[cold]
fn wrong_part(text: &str, at: usize, field: &'static str, separator: Option<char>, most: usize) -> Error {
    let rest = &text[at..];
    let end = match separator {
        Some(separator) => rest.find(separator),
        None => Some(rest.len()),
    };
    let Some(end) = end else { return Error::truncated("ePID", field, at + rest.len(), 1, 0) };
    let (offset, kind) = match rest[..end].char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((bad, c)) => (at + bad, ErrorKind::Value { got: c.into(), expected: "a decimal digit" }),
        None => (at, ErrorKind::Length { declared: end as u64, least: 1, most: most as u64 }),
    };
    Error { layer: "ePID", field, offset, kind }
}

impl fmt::Display for Epid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.key_sequence / 1_000_000, self.key_sequence % 1_000_000);
        match self.platform_id {
            Some(id) => write!(f, "{id:05}-")?,
            None => f.write_str(MASKED)?,
        }
        write!(f, "{:05}-{high:03}-{low:06}-{:02}-", self.group, self.channel)?;
        write!(f, "{}-{}.{:04}-{:03}{:04}", self.lcid, self.build, self.build_minor, self.day, self.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epid_is_read_and_written_back() {
        let text = "03612-00206-564-865711-03-7169-14393.0000-1092021";
        let epid = Epid::parse(text).unwrap();
        assert_eq!((epid.platform_id, epid.group, epid.key_sequence), (Some(3612), 206, 564_865_711));
        assert_eq!((epid.channel, epid.lcid, epid.build), (3, 7169, 14393));
        assert_eq!((epid.day, epid.year), (109, 2021));
        assert_eq!(epid.to_string(), text);
    }

    #[test]
    fn a_masked_platform_id_is_none_and_stays_masked() {
        let text = "XXXXX-04249-038-820384-03-2052-9200.0000-0902023";
        let epid = Epid::parse(text).unwrap();
        assert_eq!((epid.platform_id, epid.group), (None, 4249));
        assert_eq!(epid.to_string(), text);
    }

    #[test]
    fn each_wrong_part_is_named_with_its_offset() {
        for (text, expected) in [
            ("", "ePID: platform id at offset 0: needed 1 bytes, got 0"),
            ("03612", "ePID: platform id at offset 5: needed 1 bytes, got 0"),
            ("x3612-", "ePID: platform id at offset 0: expected a decimal digit, got 120 (0x78)"),
            ("03612--", "ePID: key group at offset 6: length 0 is not within 1..=5"),
            ("03612-00206-5645-", "ePID: key sequence at offset 12: length 4 is not within 1..=3"),
            (
                "03612-00206-564-865711-03-1033-14393.0000-",
                "ePID: date at offset 42: length 0 is not within 1..=7",
            ),
            (
                "03612-00206-564-865711-03-1033-14393.0000-10920211",
                "ePID: date at offset 42: length 8 is not within 1..=7",
            ),
        ] {
            assert_eq!(Epid::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(Epid::parse("\u{fffd}\u{1f600}-").is_err());
    }
}

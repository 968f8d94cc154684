use std::collections::HashMap;
use std::fmt;

use crate::wire::{Error, ErrorKind};

/// The secrets of connections, by their client's random, out of key logs in NSS's format (draft-ietf-tls-keylogfile):
/// lines of a label, the client's random and a secret, both in hex.
///
/// ```
/// use volact::tls::KeyLog;
///
/// let text = format!("# a comment\r\nCLIENT_RANDOM {} {}\n", "0b".repeat(32), "5e".repeat(48));
/// let (key_log, errors) = KeyLog::parse(text.as_bytes());
/// assert!(errors.is_empty());
/// assert!(key_log.knows(&[0x0b; 32]));
/// assert_eq!(key_log.counts().secrets, 1);
/// ```
#[derive(Clone, Default)]
pub struct KeyLog {
    connections: HashMap<[u8; 32], [Option<Secret>; LABELS]>,
    counts: KeyLogCounts,
}

/// What the lines of a [`KeyLog`] were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLogCounts {
    /// Secrets that were read. One that comes again takes the place of the one before.
    pub secrets: u64,
    /// Lines with a label that is known, but not needed: EXPORTER_SECRET, RSA, and the like.
    pub not_needed: u64,
    /// Lines with a label that is unknown.
    pub unknown: u64,
    /// Lines that cannot be read.
    pub malformed: u64,
    /// Secrets of connections beyond [`KeyLog::MOST_CONNECTIONS`].
    pub left_out: u64,
}

/// A line of a key log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLogError {
    /// Number of the line among those that were added together, from 1.
    pub line: u64,
    /// What is wrong; its offset is within the line.
    pub error: Error,
}

/// `line 3: key log: secret at offset 79: ...`.
impl fmt::Display for KeyLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.error)
    }
}

impl std::error::Error for KeyLogError {}

/// A secret, which only this module's neighbours may look at.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Box<[u8]>);

impl Secret {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The labels of the secrets that records are opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// CLIENT_RANDOM: the master secret of TLS 1.2.
    Master,
    ClientEarlyTraffic,
    ClientHandshakeTraffic,
    ServerHandshakeTraffic,
    ClientTraffic,
    ServerTraffic,
}

impl KeyLog {
    /// Connections whose secrets are kept.
    pub const MOST_CONNECTIONS: usize = 1 << 16;
    /// Errors that one call returns; all are counted.
    pub const MOST_ERRORS: usize = 1000;

    /// Reads a key log: what could be read, and the lines that could not.
    #[must_use]
    pub fn parse(text: &[u8]) -> (Self, Vec<KeyLogError>) {
        let mut key_log = Self::default();
        let errors = key_log.add(text);
        (key_log, errors)
    }

    /// Adds what another one says, as a capture brings it on its way; its lines that cannot be read.
    pub fn add(&mut self, text: &[u8]) -> Vec<KeyLogError> {
        let mut errors = Vec::new();
        for (line, number) in text.split(|&byte| byte == b'\n').zip(1..) {
            if let Err(error) = self.add_line(line.trim_ascii_end()) {
                self.counts.malformed += 1;
                if errors.len() < Self::MOST_ERRORS {
                    errors.push(KeyLogError { line: number, error });
                }
            }
        }
        errors
    }

    /// True where there is any secret of that connection.
    #[must_use]
    pub fn knows(&self, client_random: &[u8; 32]) -> bool {
        self.connections.contains_key(client_random)
    }

    /// Connections of which there is a secret.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What its lines were.
    #[must_use]
    pub fn counts(&self) -> KeyLogCounts {
        self.counts
    }

    pub(super) fn secret(&self, client_random: &[u8; 32], label: Label) -> Option<&Secret> {
        self.connections.get(client_random)?[label as usize].as_ref()
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), Error> {
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let mut fields = Fields { line, at: 0 };
        let (at, label) = fields.next();
        let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if label.is_empty() || !label.iter().all(is_label) {
            return Err(malformed("label", at, "no word of letters, digits and underscores"));
        }
        let Some(label) = Label::of(label) else {
            let is_known = NOT_NEEDED.contains(&label) || is_later_traffic(label);
            self.counts.not_needed += u64::from(is_known);
            self.counts.unknown += u64::from(!is_known);
            return Ok(());
        };
        let mut random = [0; 32];
        fields.hex("client random", 32, &mut random)?;
        let mut secret = [0; MAX_SECRET];
        let least = if label == Label::Master { 48 } else { 32 };
        let length = fields.hex(
            "secret",
            least,
            if label == Label::Master { &mut secret[..48] } else { &mut secret },
        )?;
        let (at, more) = fields.next();
        if !more.is_empty() {
            return Err(malformed("secret", at, "something stands behind it"));
        }
        if self.connections.len() >= Self::MOST_CONNECTIONS && !self.connections.contains_key(&random) {
            self.counts.left_out += 1;
            return Ok(());
        }
        self.counts.secrets += 1;
        self.connections.entry(random).or_default()[label as usize] = Some(Secret::new(&secret[..length]));
        Ok(())
    }
}

/// How much there is; no secret, and no random by which one might be found.
impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLog")
            .field("connections", &self.connections.len())
            .field("counts", &self.counts)
            .finish()
    }
}

impl Label {
    fn of(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarlyTraffic,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshakeTraffic,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshakeTraffic,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            _ => return None,
        })
    }
}

/// A line's fields, which spaces part.
struct Fields<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The next field and its offset; empty at the line's end.
    fn next(&mut self) -> (usize, &'a [u8]) {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let spaces = self.line[self.at..].iter().take_while(|byte| is_space(byte)).count();
        let begin = self.at + spaces;
        let length = self.line[begin..].iter().take_while(|byte| !is_space(byte)).count();
        self.at = begin + length;
        (begin, &self.line[begin..self.at])
    }

    /// The next field's bytes into `out`; how many they are, which has to be at least `least`.
    fn hex(&mut self, field: &'static str, least: usize, out: &mut [u8]) -> Result<usize, Error> {
        let (at, text) = self.next();
        let digit = |at: usize, byte: u8| {
            let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digit.ok_or_else(|| malformed(field, at, "no hex digit"))
        };
        let length = text.len() / 2;
        if text.len() % 2 == 1 || !(least..=out.len()).contains(&length) {
            if let Some(bad) = text.iter().position(|byte| !byte.is_ascii_hexdigit()) {
                return Err(malformed(field, at + bad, "no hex digit"));
            }
            let (least, most) = (2 * least as u64, 2 * out.len() as u64);
            let kind = ErrorKind::Length { declared: text.len() as u64, least, most };
            return Err(Error { layer: LAYER, field, offset: at, kind });
        }
        for ((pair, byte), i) in text.as_chunks::<2>().0.iter().zip(out).zip(0..) {
            *byte = digit(at + 2 * i, pair[0])? << 4 | digit(at + 2 * i + 1, pair[1])?;
        }
        Ok(length)
    }
}

/// True for the secrets behind a KeyUpdate, which are made of the first ones.
fn is_later_traffic(label: &[u8]) -> bool {
    [&b"CLIENT_TRAFFIC_SECRET_"[..], b"SERVER_TRAFFIC_SECRET_"]
        .iter()
        .any(|prefix| label.strip_prefix(*prefix).is_some_and(|number| number.iter().all(u8::is_ascii_digit)))
}

fn malformed(field: &'static str, offset: usize, what: &'static str) -> Error {
    Error { layer: LAYER, field, offset, kind: ErrorKind::Malformed { what } }
}

const LAYER: &str = "key log";

/// The number of [`Label`]s.
const LABELS: usize = 6;

/// The most bytes that a secret may have: no hash has a longer output.
const MAX_SECRET: usize = 64;

/// Labels that say nothing of records, or not in a way that could be used.
const NOT_NEEDED: [&[u8]; 7] = [
    b"EXPORTER_SECRET",
    b"EARLY_EXPORTER_SECRET",
    b"EARLY_EXPORTER_MASTER_SECRET",
    b"RSA",
    b"PMS_CLIENT_RANDOM",
    b"ECH_SECRET",
    b"ECH_CONFIG",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, random: u8, secret: &[u8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{label} {} {}\n", hex(&[random; 32]), hex(secret))
    }

    #[test]
    fn secrets_are_found_by_random_and_label_and_the_last_one_counts() {
        let text = [
            line("CLIENT_RANDOM", 1, &[5; 48]),
            line("CLIENT_TRAFFIC_SECRET_0", 2, &[6; 32]),
            line("SERVER_TRAFFIC_SECRET_0", 2, &[7; 48]).to_uppercase(),
            line("CLIENT_RANDOM", 1, &[8; 48]),
        ];
        let (key_log, errors) = KeyLog::parse(text.concat().as_bytes());
        assert_eq!(errors, []);
        let secret = |random, label| key_log.secret(&[random; 32], label).map(Secret::bytes);
        assert_eq!(secret(1, Label::Master), Some(&[8; 48][..]));
        assert_eq!(secret(2, Label::ClientTraffic), Some(&[6; 32][..]));
        assert_eq!(secret(2, Label::ServerTraffic), Some(&[7; 48][..]));
        assert_eq!(secret(2, Label::Master), None);
        assert_eq!(secret(3, Label::Master), None);
        assert_eq!((key_log.connections(), key_log.counts().secrets), (2, 4));
    }

    #[test]
    fn comments_blank_lines_crlf_and_labels_that_are_not_needed_are_no_errors() {
        let text = format!(
            "# SSL/TLS secrets log file\r\n\r\n{}EXPORTER_SECRET aa bb\nCLIENT_TRAFFIC_SECRET_1 00 00\nRSA 01 02\nNEW_ONE x y z\n",
            line("CLIENT_RANDOM", 1, &[5; 48]).replace('\n', "\r\n"),
        );
        let (key_log, errors) = KeyLog::parse(text.as_bytes());
        assert_eq!(errors, []);
        let counts = KeyLogCounts { secrets: 1, not_needed: 3, unknown: 1, ..KeyLogCounts::default() };
        assert_eq!(key_log.counts(), counts);
    }

    #[test]
    fn lines_that_cannot_be_read_are_placed_and_the_others_are_read() {
        let text = [
            "CLIENT_RANDOM\n",
            &line("CLIENT_RANDOM", 1, &[5; 48]),
            &line("CLIENT_RANDOM", 2, &[5; 47]),
            &line("CLIENT_RANDOM", 2, &[5; 48]).replacen("02", "0x", 1),
            &line("SERVER_TRAFFIC_SECRET_0", 2, &[5; 65]),
            "\u{1}\u{2} 3 4\n",
            &format!("{} 1\n", line("CLIENT_RANDOM", 3, &[5; 48]).trim_end()),
        ];
        let (key_log, errors) = KeyLog::parse(text.concat().as_bytes());
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "line 1: key log: client random at offset 13: length 0 is not within 64..=64",
                "line 3: key log: secret at offset 79: length 94 is not within 96..=96",
                "line 4: key log: client random at offset 15: no hex digit",
                "line 5: key log: secret at offset 89: length 130 is not within 64..=128",
                "line 6: key log: label at offset 0: no word of letters, digits and underscores",
                "line 7: key log: secret at offset 176: something stands behind it",
            ]
        );
        assert_eq!((key_log.counts().secrets, key_log.counts().malformed), (1, 6));
        assert!(key_log.knows(&[1; 32]) && !key_log.knows(&[2; 32]));
    }

    #[test]
    fn connections_and_errors_are_bounded_and_what_goes_over_is_counted() {
        let mut key_log = KeyLog::default();
        let secret = "5e".repeat(48);
        for number in 0..KeyLog::MOST_CONNECTIONS + 3 {
            key_log.add(format!("CLIENT_RANDOM {number:064x} {secret}").as_bytes());
        }
        assert_eq!((key_log.connections(), key_log.counts().left_out), (KeyLog::MOST_CONNECTIONS, 3));
        // One that is known already still takes another secret.
        key_log.add(format!("CLIENT_TRAFFIC_SECRET_0 {:064x} {}", 1, "5e".repeat(32)).as_bytes());
        assert_eq!(key_log.counts().left_out, 3);
        assert_eq!(key_log.add("?\n".repeat(KeyLog::MOST_ERRORS + 5).as_bytes()).len(), KeyLog::MOST_ERRORS);
        assert_eq!(key_log.counts().malformed, KeyLog::MOST_ERRORS as u64 + 5);
    }

    #[test]
    fn debug_output_shows_no_secrets() {
        let (key_log, _) = KeyLog::parse(line("CLIENT_RANDOM", 0x11, &[0xee; 48]).as_bytes());
        let shown = format!("{key_log:?} {:?}", key_log.secret(&[0x11; 32], Label::Master));
        assert!(!shown.contains("238") && !shown.contains("ee,") && !shown.contains("eeee"), "{shown}");
    }
}

//! TLS: key logs, and the two streams of a connection.

use crate::tls::{Event, KeyLog, KeyLogCounts, Session, Side, looks_like_client_hello};
use crate::wire::Hex;

use super::ignore;

/// Holds that every line of a key log is counted once, that errors lie within their lines, that nothing is shown of what
/// is kept, and that it does not matter whether the lines come together or one by one.
pub fn key_log(data: &[u8]) {
    let (whole, errors) = KeyLog::parse(data);
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let counts = whole.counts();
    let KeyLogCounts { secrets, not_needed, unknown, malformed, left_out } = counts;
    let said = lines.iter().filter(|line| !line.trim_ascii_end().is_empty() && line[0] != b'#').count();
    assert_eq!(said as u64, secrets + not_needed + unknown + malformed + left_out);
    assert!(whole.connections() as u64 <= secrets);
    assert_eq!(errors.len() as u64, malformed.min(KeyLog::MOST_ERRORS as u64));
    assert!(errors.is_sorted_by(|a, b| a.line < b.line));
    for error in &errors {
        let line = lines[usize::try_from(error.line - 1).expect("a line in memory")];
        assert!(error.error.offset <= line.len(), "{error}");
    }
    assert_eq!(
        format!("{whole:?}"),
        format!("KeyLog {{ connections: {}, counts: {counts:?} }}", whole.connections())
    );

    let mut one_by_one = KeyLog::default();
    let alone: Vec<_> = lines.iter().flat_map(|line| one_by_one.add(line)).map(|error| error.error).collect();
    assert_eq!((one_by_one.connections(), one_by_one.counts()), (whole.connections(), counts));
    assert!(errors.iter().zip(&alone).all(|(error, alone)| error.error == *alone));
}

/// Holds that a TLS session finds the same in whatever pieces its streams come, that what it hands out has no seam, and
/// that it holds no more than it may; with the key log that stands in front, and with one that knows its random.
///
/// Two bytes of the key log's length and the key log; then pieces, each behind a byte that says whose it is (bit 0),
/// whether a gap is in front of it (bit 1) and how it is cut, and two bytes of its length.
pub fn tls(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (lines, mut rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let mut pieces = Vec::new();
    let mut ends = [0; 2];
    while let Some(([kind, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (bytes, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let from = if kind & 1 == 0 { Side::Client } else { Side::Server };
        let part = 1 + usize::from(kind >> 2);
        let end: &mut u64 = &mut ends[from as usize];
        *end += if kind & 2 == 0 { 0 } else { part as u64 };
        pieces.push(TlsPiece { from, offset: *end, bytes, part });
        *end += bytes.len() as u64;
    }
    let (mut key_log, _) = KeyLog::parse(lines);
    let random = opened_the_same(&pieces, &key_log);
    if let Some(random) = random.filter(|random| !key_log.knows(random)) {
        const LABELS: [(&str, usize); 4] = [
            ("CLIENT_RANDOM", 48),
            ("CLIENT_EARLY_TRAFFIC_SECRET", 32),
            ("SERVER_HANDSHAKE_TRAFFIC_SECRET", 32),
            ("CLIENT_TRAFFIC_SECRET_0", 48),
        ];
        for (label, length) in LABELS {
            let line = format!("{label} {} {}", Hex(&random), "5e".repeat(length));
            assert!(key_log.add(line.as_bytes()).is_empty());
        }
        opened_the_same(&pieces, &key_log);
    }
}

/// A piece of a session's stream, and the length of the parts that it is cut into.
struct TlsPiece<'a> {
    from: Side,
    offset: u64,
    bytes: &'a [u8],
    part: usize,
}

/// Holds what [`tls`] says of one key log; the client's random.
fn opened_the_same(pieces: &[TlsPiece<'_>], key_log: &KeyLog) -> Option<[u8; 32]> {
    let whole = open_session(pieces, key_log, |piece| piece.bytes.len().max(1));
    assert_eq!(open_session(pieces, key_log, |piece| piece.part), whole, "in pieces, and whole");
    whole.1
}

/// What a session finds, its client's random, and what it counts.
fn open_session(
    pieces: &[TlsPiece<'_>],
    key_log: &KeyLog,
    part: impl Fn(&TlsPiece<'_>) -> usize,
) -> (Vec<String>, Option<[u8; 32]>, String) {
    /// A record and a message of each side.
    const MOST_HELD: usize = 2 * (5 + (1 << 14) + 2048 + 4 + (1 << 16));
    let mut found = Vec::new();
    let mut ends = [0; 2];
    let mut sealed = Vec::new();
    let mut stamp = 0;
    let mut session = Session::default();
    let mut emit = |event: Event<'_, u64>| {
        found.push(match event {
            Event::Data { from, offset, bytes, is_early, first, last } => {
                assert!(first <= last && !bytes.is_empty());
                assert_eq!(offset, std::mem::replace(&mut ends[from as usize], offset + bytes.len() as u64));
                format!("{from:?} {offset} {is_early} {}", Hex(bytes))
            }
            Event::Gap { from, offset, to, reason, .. } => {
                assert!(offset < to);
                assert_eq!(offset, std::mem::replace(&mut ends[from as usize], to));
                format!("{from:?} {offset} {to} {reason}")
            }
            Event::Alert { from, alert, .. } => format!("{from:?} {alert:?}"),
            Event::Closed { from, .. } => format!("{from:?} closed"),
            Event::Malformed { from, offset, error, .. } => format!("{from:?} {offset} {error}"),
            Event::Sealed { from, offset, reason, .. } => {
                assert!(!sealed.contains(&from), "{from:?} is sealed twice");
                sealed.push(from);
                format!("{from:?} {offset} {reason} {}", reason.name())
            }
        });
    };
    for piece in pieces {
        let mut offset = piece.offset;
        if offset == 0 {
            ignore(&looks_like_client_hello(piece.bytes));
        }
        if piece.bytes.is_empty() {
            session.gap(piece.from, offset, stamp, &mut emit);
        }
        for bytes in piece.bytes.chunks(part(piece)) {
            session.push(piece.from, offset, bytes, stamp, key_log, &mut emit);
            offset += bytes.len() as u64;
            stamp += 1;
            assert_eq!(session.end(piece.from), offset);
            assert!(session.held() <= MOST_HELD, "{} bytes are held", session.held());
        }
    }
    session.finish(&mut emit);
    let info = session.info();
    let told = format!("{:?} {info:?} {}", session.counts(), info.is_resumed());
    (found, info.client_random().copied(), told)
}

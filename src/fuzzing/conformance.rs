use std::net::{IpAddr, Ipv4Addr};

use crate::capture::{Dialogue, Direction, Endpoint};
use crate::conformance::{self, Findings, Judge};
use crate::trace::Options;

use super::connection::traced_in_parts;

/// Judges anything as a file, and as what two sides of a connection say: the same each time, and whatever packets it comes in.
///
/// A seed is read as pieces: in front of each stand 1 byte (bit 0 the server says it, bit 1 its side says no more behind
/// it, bits 2 to 7 one less than the bytes of the packets that it is cut into) and u16, its length.
pub fn rules(data: &[u8]) {
    let as_file = || told(&Judge::new(conformance::rules(), KEPT).input("fuzz", data, &Options::default()));
    assert_eq!(as_file(), as_file(), "the same file, judged twice");

    let pieces = pieces(data);
    let whole = judged(&pieces, |piece| piece.bytes.len().max(1));
    assert_eq!(told(&judged(&pieces, |piece| piece.bytes.len().max(1))), told(&whole), "judged twice");
    let cut = judged(&pieces, |piece| piece.part);
    let different = counts(&cut).into_iter().zip(counts(&whole)).filter(|(small, large)| small != large);
    assert_eq!(different.collect::<Vec<_>>(), [], "in small packets, and in large");
    if let Some(part) = pieces.first().map(|piece| piece.part) {
        let dialogue: Vec<_> = pieces.iter().map(|piece| (piece.direction, piece.bytes)).collect();
        traced_in_parts(&dialogue, part);
    }
}

/// Breaches that are kept of each rule.
const KEPT: usize = 4;
/// Pieces of a seed that are taken.
const MAX_PIECES: usize = 256;

/// What a side says, and the length of the packets that it is cut into.
struct Piece<'a> {
    direction: Direction,
    is_last: bool,
    part: usize,
    bytes: &'a [u8],
}

fn pieces(mut rest: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut has_ended = [false; 2];
    while let Some(([kind, low, high], behind)) = rest.split_first_chunk()
        && pieces.len() < MAX_PIECES
    {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (bytes, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let direction = if kind & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let is_last = kind & 2 != 0;
        if !has_ended[direction as usize] {
            pieces.push(Piece { direction, is_last, part: 1 + usize::from(kind >> 2), bytes });
        }
        has_ended[direction as usize] |= is_last;
    }
    pieces
}

fn judged(pieces: &[Piece<'_>], part: impl Fn(&Piece<'_>) -> usize) -> Findings {
    let side = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    let mut dialogue = Dialogue::new(side(50_000), side(1688), 0);
    for (time, piece) in (1..).zip(pieces) {
        for bytes in piece.bytes.chunks(part(piece)) {
            dialogue.send(piece.direction, time, bytes);
        }
        if piece.is_last {
            dialogue.close(piece.direction, time);
        }
    }
    let dialogues = [dialogue];
    let findings = Judge::new(conformance::rules(), KEPT)
        .packets(&mut Dialogue::packets(&dialogues), &Options::default());
    assert!(findings.failures.is_empty(), "{:?}", findings.failures);
    findings
}

/// Things that each rule applied to, and those that broke it.
fn counts(findings: &Findings) -> Vec<(&'static str, u64, u64)> {
    let counts = findings.rules.iter().map(|finding| (finding.rule.id, finding.checked, finding.broken));
    counts.collect()
}

/// All that was found, as far as it is to be the same each time.
fn told(findings: &Findings) -> String {
    let mut told = String::new();
    for finding in &findings.rules {
        let kept = finding.breaches.len();
        assert!(finding.checked >= finding.broken && finding.broken >= kept as u64, "{:?}", finding.rule);
        assert!(kept <= KEPT, "{:?} kept {kept}", finding.rule);
        for broken in &finding.breaches {
            let message = &broken.breach.message;
            assert!(!message.is_empty() && !message.contains('\n'), "{:?}: {message:?}", finding.rule);
            told +=
                &format!("{:?} {:?} {:?} {:?}\n", finding.rule, broken.breach, broken.side, broken.frames);
        }
    }
    format!("{told}{:?}{:?}", counts(findings), findings.hosts)
}

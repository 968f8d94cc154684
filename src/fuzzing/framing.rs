//! PDUs and the streams that they are cut from.

use smallvec::{SmallVec, smallvec};

use crate::rpc::{Framed, Framer, Pdu};

use super::{Turn, ignore, words};

/// One direction of a connection, and how it comes: in up to five pieces, with a gap or without one.
#[derive(Clone, Copy, Debug)]
pub struct FramerPlan<'a> {
    /// True where the stream's beginning was not seen.
    pub mid_stream: bool,
    /// Where the stream is cut into pieces, each counted modulo its length.
    pub cuts: [u16; 4],
    /// From where the gap reaches, modulo the stream's length, and how far; 0 is no gap.
    pub gap: [u16; 2],
    /// The stream.
    pub stream: &'a [u8],
}

impl<'a> FramerPlan<'a> {
    /// Bytes in front of the stream in a seed.
    pub const HEAD: usize = 13;

    /// Reads a seed; what its head lacks is zero.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        let (head, stream) = data.split_at(data.len().min(Self::HEAD));
        let at = |i: usize| head.get(i).copied().unwrap_or(0);
        let word = |i: usize| u16::from_le_bytes([at(i), at(i + 1)]);
        Self {
            mid_stream: at(0) & 1 == 1,
            cuts: [word(1), word(3), word(5), word(7)],
            gap: [word(9), word(11)],
            stream,
        }
    }

    /// The seed that reads as this.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let words = self.cuts.iter().chain(&self.gap).flat_map(|word| word.to_le_bytes());
        std::iter::once(u8::from(self.mid_stream)).chain(words).chain(self.stream.iter().copied()).collect()
    }
}

/// Holds [`framer_of`] for the [`FramerPlan`] that the bytes are read as.
pub fn framer(data: &[u8]) {
    framer_of(&FramerPlan::read(data));
}

/// Holds that a stream in pieces is framed like the whole one, that every PDU is written back, that nothing is handed
/// out twice or out of order, and (without a gap) that every byte is accounted for.
pub fn framer_of(plan: &FramerPlan<'_>) {
    let FramerPlan { mid_stream, cuts, gap, stream } = *plan;
    let length = stream.len();
    let within = |at: u16| usize::from(at) % (length + 1);
    let gap_from = within(gap[0]);
    let gap_to = (gap_from + usize::from(gap[1])).min(length);
    let has_gap = gap_from < gap_to;
    let mut ends = cuts.map(within);
    ends.sort_unstable();
    let parts = pieces(stream, &ends, gap_from..gap_to);
    let turn = Turn::of(stream, 8);
    let in_parts = frame(stream, &parts, mid_stream, turn);
    // Of a fuzzer's inputs most are framed in pieces only, one in eight as a whole too.
    let whole = turn.is(..1).then(|| frame(stream, &pieces(stream, &[], gap_from..gap_to), mid_stream, turn));

    for items in whole.iter().chain([&in_parts]) {
        let mut at = 0;
        for item in items {
            assert!(item.offset >= at, "{item:?} is handed out behind offset {at}");
            assert!(has_gap || item.offset == at, "nothing accounts for the bytes from {at} to {item:?}");
            at = item.offset + item.length;
            let spans_gap = item.offset < gap_to && at > gap_from;
            assert!(!has_gap || item.kind == Kind::Skipped || !spans_gap, "{item:?} has bytes of the gap");
        }
        assert!(at <= length, "{at} bytes of {length}");
        assert!(has_gap || at == length, "nothing accounts for the bytes from {at} to the end");
        let sum: usize = items.iter().map(|item| item.length).sum();
        assert!(sum <= length - (gap_to - gap_from), "more bytes than came");
    }

    let place = |item: &Item| (item.kind, item.offset, item.length);
    assert!(
        whole.as_ref().is_none_or(|whole| in_parts.iter().map(place).eq(whole.iter().map(place))),
        "in pieces {in_parts:?}, and whole {whole:?}"
    );
    for item in in_parts.iter().filter(|item| item.kind == Kind::Pdu) {
        let holds =
            |stamp: usize, at: usize| (parts[stamp].0..parts[stamp].0 + parts[stamp].1.len()).contains(&at);
        assert!(holds(item.last, item.offset + item.length - 1), "{item:?} ends in another piece");
        assert!(holds(item.first, item.offset), "{item:?} begins in another piece");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pdu,
    Cut,
    Skipped,
}

/// What a framer handed out.
#[derive(Debug)]
struct Item {
    kind: Kind,
    offset: usize,
    length: usize,
    first: usize,
    last: usize,
}

/// Pieces of a stream: where each begins, and its bytes.
pub(super) type Pieces<'a> = SmallVec<[(usize, &'a [u8]); 6]>;

/// The stream cut at these places, without what lies in the gap.
pub(super) fn pieces<'a>(stream: &'a [u8], ends: &[usize], gap: std::ops::Range<usize>) -> Pieces<'a> {
    let mut edges: SmallVec<[usize; 8]> = smallvec![0, gap.start, gap.end, stream.len()];
    edges.extend(ends.iter().copied().filter(|end| !gap.contains(end)));
    edges.sort_unstable();
    let is_there = |range: &&[usize]| range[0] < range[1] && !(range[0] == gap.start && range[1] == gap.end);
    edges.windows(2).filter(is_there).map(|range| (range[0], &stream[range[0]..range[1]])).collect()
}

fn frame(stream: &[u8], pieces: &[(usize, &[u8])], mid_stream: bool, turn: Turn) -> SmallVec<[Item; 8]> {
    let mut framer = if mid_stream { Framer::mid_stream() } else { Framer::default() };
    let mut items = SmallVec::new();
    let number = |value: u64| usize::try_from(value).expect("an offset in memory");
    let mut out = |framed: Framed<'_, usize>| {
        items.push(match framed {
            Framed::Pdu { offset, first, last, bytes } => {
                let (offset, length) = (number(offset), bytes.len());
                assert!(stream[offset..offset + length] == *bytes, "other bytes at {offset}");
                if turn.is_one_in(16) {
                    let (pdu, _) = Pdu::parse_lax(bytes).expect("what is framed has a header and its length");
                    assert_eq!(usize::from(pdu.header.frag_length), length);
                    assert!(pdu.encode() == bytes, "{pdu:?} of {bytes:?}");
                }
                Item { kind: Kind::Pdu, offset, length, first, last }
            }
            Framed::Cut { offset, first, bytes, .. } => {
                Item { kind: Kind::Cut, offset: number(offset), length: bytes.len(), first, last: first }
            }
            Framed::Skipped { offset, length, first, sample, error } => {
                let (offset, length) = (number(offset), number(length));
                assert!(sample.len() <= length);
                if turn.is_one_in(16) {
                    ignore(&error);
                }
                Item { kind: Kind::Skipped, offset, length, first, last: first }
            }
        });
    };
    for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
        framer.push(*offset as u64, bytes, stamp, &mut out);
        assert_eq!(framer.end(), (offset + bytes.len()) as u64);
    }
    framer.finish(&mut out);
    items
}

/// Holds that a PDU is written back byte for byte, that bytes behind it do not matter, that the strict parser takes
/// exactly what the lax one reads to its end, and that a whole one already has the lengths that it should.
pub fn pdu(data: &[u8]) {
    let Ok((pdu, error)) = Pdu::parse_lax(data) else {
        assert!(Pdu::parse(data).is_err());
        return;
    };
    let bytes = &data[..pdu.header.frag_length.into()];
    assert!(pdu.encode() == bytes, "{pdu:?} of {bytes:?}");
    if let Some(error) = &error {
        assert!(error.offset <= bytes.len(), "{error} is beyond {} bytes", bytes.len());
    }
    let turn = Turn::of(data, 16);
    if turn.is(..4) && bytes.len() < data.len() {
        let (again, stopped) = Pdu::parse_lax(bytes).expect("it was read with bytes behind it");
        assert!(again == pdu && stopped == error, "{again:?}, and with bytes behind it {pdu:?}");
    }
    if turn.is(4..5) {
        words::pdu(&pdu);
        if let Some(error) = &error {
            words::error(error, bytes);
        }
    }
    if turn.is(5..8) {
        assert_eq!(Pdu::parse(data).as_ref(), error.as_ref().map_or(Ok(&pdu), Err));
        if error.is_none() {
            assert_eq!(pdu.encode_sized().expect("it has a length"), bytes);
        }
    }
    if turn.is(8..9) {
        ignore(&pdu);
        ignore(&format_args!("{} {} {:?}", pdu.header.ptype, pdu.header.flags, error.map(|e| e.to_string())));
    }
}

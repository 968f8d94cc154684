use std::collections::BTreeMap;
use std::net::IpAddr;

use lru::LruCache;

use super::NotTcp;

/// Which datagram a fragment belongs to (RFC 791 3.2, RFC 8200 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct DatagramId {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
    /// IPv4's; in IPv6 the fragment header's own number, because what its fragments say may differ.
    pub(super) protocol: u8,
    /// The VLANs and tunnels it came through.
    pub(super) context: u64,
}

/// One fragment of a datagram, without its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) id: DatagramId,
    /// What the datagram carries, as this fragment says.
    pub(super) protocol: u8,
    pub(super) offset: usize,
    pub(super) more: bool,
    pub(super) frame: u64,
    pub(super) time: Option<i64>,
}

/// A datagram's payload, put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Whole {
    pub(super) protocol: u8,
    /// Its bytes up to the first that the snap length cut off.
    pub(super) bytes: Vec<u8>,
    /// Bytes that it had on the wire.
    pub(super) length: usize,
}

/// Two fragments of one IP datagram that do not say the same. The one that came first was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentConflict {
    /// The packet with the later fragment.
    pub frame: u64,
    /// Who sent the datagram.
    pub source: IpAddr,
    /// Whom it was sent to.
    pub destination: IpAddr,
    /// The datagram's identification.
    pub identification: u32,
    /// What they differ in.
    pub difference: FragmentDifference,
}

/// What two fragments of one datagram differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FragmentDifference {
    /// They overlap, and the bytes differ.
    Bytes {
        /// Place in the datagram's payload of the first byte that differs.
        offset: usize,
        /// Bytes from there to the end of the overlap.
        length: usize,
        /// The first of the bytes that were kept, 16 at most.
        kept: Vec<u8>,
        /// As many of the later fragment's.
        other: Vec<u8>,
    },
    /// One ends the datagram elsewhere, or goes beyond its end.
    Length {
        /// The datagram's length that was kept.
        kept: usize,
        /// What the later fragment makes of it.
        other: usize,
    },
}

/// Puts the fragments of IP datagrams together.
///
/// - Where two overlap, the bytes that came first stay; where they differ, that is a [`FragmentConflict`]. The same
///   goes for the datagram's length.
/// - Captures that show every packet twice show fragments again behind the datagram's end. Those that repeat it byte by
///   byte are no other datagram: the next fragment that does not repeat it begins one without them, unless they are all
///   of what is in front of it.
/// - An identification that comes again later than [`MAX_AGE`] is that of another datagram.
pub(super) struct Fragments {
    datagrams: LruCache<DatagramId, Datagram>,
    /// Bytes that the datagrams hold, with what holding them costs.
    held: usize,
    /// Datagrams that have begun and are not whole.
    pending: usize,
    /// Datagrams given up before they were whole.
    pub(super) given_up: u64,
    conflicts: Vec<FragmentConflict>,
    /// Conflicts so far, also those for which there was no room.
    pub(super) conflicts_in_all: u64,
}

/// The fragments of one identification.
#[derive(Default)]
struct Datagram {
    /// What is there by its offset, without overlaps.
    pieces: BTreeMap<usize, Piece>,
    /// Bytes that the pieces had on the wire.
    covered: usize,
    length: Option<usize>,
    /// What the first fragment says that it carries.
    protocol: Option<u8>,
    began: Option<i64>,
    /// The datagram that was whole last under this identification.
    finished: Option<Whole>,
    /// True where the pieces only repeat what is finished.
    repeats: bool,
    /// What it holds, with what holding it costs.
    held: usize,
}

struct Piece {
    /// Bytes that it had on the wire.
    length: usize,
    /// Those that were captured.
    bytes: Box<[u8]>,
}

/// Datagrams that are held.
const MAX_DATAGRAMS: usize = 4096;
/// Bytes of all datagrams, with [`DATAGRAM_COST`] and [`PIECE_COST`].
const MAX_HELD: usize = 16 << 20;
/// Pieces of one datagram: as many as there are places where a fragment can begin.
const MAX_PIECES: usize = 8192;
/// What holding takes beside the bytes.
const DATAGRAM_COST: usize = 768;
const PIECE_COST: usize = 64;
/// Nanoseconds after which a fragment belongs to another datagram (RFC 8200 4.5).
const MAX_AGE: i64 = 60_000_000_000;
const MAX_PAYLOAD: usize = 65_535;
/// Conflicts that are kept until somebody takes them.
const MAX_CONFLICTS: usize = 64;
/// Bytes of either version that a conflict shows.
const SAMPLE: usize = 16;

impl Fragments {
    pub(super) fn new() -> Self {
        Self {
            datagrams: LruCache::unbounded(),
            held: 0,
            pending: 0,
            given_up: 0,
            conflicts: Vec::new(),
            conflicts_in_all: 0,
        }
    }

    /// Datagrams that are not whole yet.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    pub(super) fn take_conflicts(&mut self) -> Vec<FragmentConflict> {
        std::mem::take(&mut self.conflicts)
    }

    /// Takes one fragment, which had `length` bytes on the wire; the datagram where this one made it whole.
    pub(super) fn push(&mut self, fragment: &Fragment, bytes: &[u8], length: usize) -> Result<Whole, NotTcp> {
        let end = fragment.offset + length;
        if end > MAX_PAYLOAD {
            return Err(NotTcp::OversizedFragment);
        }
        if length == 0 && fragment.more {
            return Err(NotTcp::Fragment);
        }
        let id = fragment.id;
        let mut datagram = self.take(&id);
        if datagram.is_older_than(fragment.time) {
            self.given_up += u64::from(datagram.is_pending());
            datagram = Datagram::default();
        }
        let repeats = datagram.finished.as_ref().is_some_and(|whole| whole.has(fragment, bytes, length));
        if datagram.is_empty() {
            datagram.repeats = repeats;
            datagram.began = fragment.time;
        } else if datagram.repeats && !repeats {
            datagram.begin_anew(fragment);
        }
        let difference = datagram.insert(fragment, bytes, length);
        if let Some(difference) = difference {
            self.report(fragment, difference);
        }
        let whole = datagram.is_whole().then(|| datagram.finish());
        if datagram.pieces.len() > MAX_PIECES {
            self.given_up += u64::from(datagram.is_pending());
        } else {
            self.put(id, datagram);
        }
        whole.ok_or(NotTcp::Fragment)
    }

    fn take(&mut self, id: &DatagramId) -> Datagram {
        let datagram = self.datagrams.pop(id).unwrap_or_default();
        self.held -= datagram.held;
        self.pending -= usize::from(datagram.is_pending());
        datagram
    }

    /// Puts it back as the one used last, and gives others up to keep within the bounds.
    fn put(&mut self, id: DatagramId, mut datagram: Datagram) {
        datagram.held = datagram.cost();
        self.held += datagram.held;
        self.pending += usize::from(datagram.is_pending());
        self.datagrams.push(id, datagram);
        while self.datagrams.len() > MAX_DATAGRAMS || self.held > MAX_HELD {
            let Some((_, oldest)) = self.datagrams.pop_lru() else { break };
            self.held -= oldest.held;
            self.pending -= usize::from(oldest.is_pending());
            self.given_up += u64::from(oldest.is_pending());
        }
    }

    fn report(&mut self, fragment: &Fragment, difference: FragmentDifference) {
        self.conflicts_in_all += 1;
        if self.conflicts.len() < MAX_CONFLICTS {
            let DatagramId { source, destination, identification, .. } = fragment.id;
            let frame = fragment.frame;
            self.conflicts.push(FragmentConflict { frame, source, destination, identification, difference });
        }
    }
}

impl Whole {
    /// True where the fragment says nothing that is not in it.
    fn has(&self, fragment: &Fragment, bytes: &[u8], length: usize) -> bool {
        let end = fragment.offset + length;
        let known = self.bytes.get(fragment.offset..).unwrap_or_default();
        let both = known.len().min(bytes.len());
        known[..both] == bytes[..both] && if fragment.more { end <= self.length } else { end == self.length }
    }
}

impl Datagram {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.length.is_none()
    }

    fn is_pending(&self) -> bool {
        !self.is_empty() && !self.repeats
    }

    fn is_older_than(&self, time: Option<i64>) -> bool {
        matches!((self.began, time), (Some(began), Some(now)) if now.saturating_sub(began) > MAX_AGE)
    }

    fn is_whole(&self) -> bool {
        self.length == Some(self.covered)
    }

    /// Takes what only repeated the last datagram for what it is, unless it is the beginning that this fragment goes on
    /// from: datagrams may begin alike.
    fn begin_anew(&mut self, fragment: &Fragment) {
        let first = self.pieces.first_key_value().map(|(from, _)| *from);
        let goes_on = first == Some(0) && self.reach() == self.covered && self.covered <= fragment.offset;
        if goes_on {
            (self.repeats, self.finished) = (false, None);
        } else {
            *self = Self { began: fragment.time, ..Self::default() };
        }
    }

    /// The end of the piece furthest behind.
    fn reach(&self) -> usize {
        self.pieces.last_key_value().map_or(0, |(from, piece)| from + piece.length)
    }

    /// Adds what is not there yet.
    fn insert(&mut self, fragment: &Fragment, bytes: &[u8], length: usize) -> Option<FragmentDifference> {
        let start = fragment.offset;
        let mut end = start + length;
        if start == 0 {
            self.protocol.get_or_insert(fragment.protocol);
        }
        let mut difference = None;
        match self.length {
            Some(kept) if end > kept || !fragment.more && end != kept => {
                difference = Some(FragmentDifference::Length { kept, other: end });
                end = end.min(kept);
            }
            None if !fragment.more => {
                // Bytes beyond the end that is said now came first: they say that it is no end.
                let reach = self.reach();
                if reach > end {
                    difference = Some(FragmentDifference::Length { kept: reach, other: end });
                } else {
                    self.length = Some(end);
                }
            }
            _ => {}
        }
        let mut at = start;
        while at < end {
            let behind = self.pieces.range(..=at).next_back().map(|(from, piece)| (*from, piece));
            if let Some((from, piece)) = behind.filter(|(from, piece)| from + piece.length > at) {
                let until = end.min(from + piece.length);
                let kept = part(&piece.bytes, at - from, until - from);
                let other = part(bytes, at - start, until - start);
                let differs = kept.iter().zip(other).position(|(kept, other)| kept != other);
                if let (Some(place), None) = (differs, &difference) {
                    difference = Some(FragmentDifference::Bytes {
                        offset: at + place,
                        length: until - at - place,
                        kept: kept[place..].iter().copied().take(SAMPLE).collect(),
                        other: other[place..].iter().copied().take(SAMPLE).collect(),
                    });
                }
                at = until;
            } else {
                let next = self.pieces.range(at..).next().map_or(end, |(from, _)| *from);
                let until = end.min(next);
                let bytes = part(bytes, at - start, until - start).into();
                self.pieces.insert(at, Piece { length: until - at, bytes });
                self.covered += until - at;
                at = until;
            }
        }
        difference
    }

    /// The payload; what is kept of it is there to know its repetitions.
    fn finish(&mut self) -> Whole {
        let mut bytes = Vec::with_capacity(self.covered);
        for piece in self.pieces.values() {
            bytes.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < piece.length {
                break;
            }
        }
        let protocol = self.protocol.unwrap_or_default();
        let whole = Whole { protocol, bytes, length: self.covered };
        *self = Self { began: self.began, finished: Some(whole.clone()), ..Self::default() };
        whole
    }

    fn cost(&self) -> usize {
        let finished = self.finished.as_ref().map_or(0, |whole| whole.bytes.len());
        DATAGRAM_COST + self.covered + self.pieces.len() * PIECE_COST + finished
    }
}

/// As much of the range as was captured.
fn part(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    &bytes[from.min(bytes.len())..to.min(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn fragment(identification: u32, offset: usize, more: bool) -> Fragment {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let id =
            DatagramId { source: address, destination: address, identification, protocol: 6, context: 0 };
        Fragment { id, protocol: 6, offset, more, frame: 1, time: None }
    }

    fn push(fragments: &mut Fragments, offset: usize, more: bool, bytes: &[u8]) -> Option<Vec<u8>> {
        let pushed = fragments.push(&fragment(1, offset, more), bytes, bytes.len());
        pushed.ok().map(|whole| {
            assert_eq!((whole.protocol, whole.length), (6, whole.bytes.len()));
            whole.bytes
        })
    }

    fn differences(fragments: &mut Fragments) -> Vec<FragmentDifference> {
        fragments.take_conflicts().into_iter().map(|conflict| conflict.difference).collect()
    }

    #[test]
    fn the_first_bytes_win_where_fragments_overlap_and_others_are_reported() {
        let mut fragments = Fragments::new();
        assert_eq!(push(&mut fragments, 8, true, b"bbbbbbbb"), None);
        assert_eq!(push(&mut fragments, 4, true, b"xxxxbXXX"), None);
        assert_eq!(push(&mut fragments, 16, false, b"cc"), None);
        assert_eq!(push(&mut fragments, 0, true, b"aaaaxx"), Some(b"aaaaxxxxbbbbbbbbcc".to_vec()));
        assert_eq!(fragments.pending(), 0);
        let (kept, other) = (b"bbb".to_vec(), b"XXX".to_vec());
        assert_eq!(
            differences(&mut fragments),
            [FragmentDifference::Bytes { offset: 9, length: 3, kept, other }]
        );
        assert_eq!(differences(&mut fragments), []);
        assert_eq!(fragments.conflicts_in_all, 1);
    }

    #[test]
    fn what_a_conflict_shows_is_bounded() {
        let mut fragments = Fragments::new();
        push(&mut fragments, 0, true, &[1; 1000]);
        for _ in 0..100 {
            push(&mut fragments, 0, true, &[2; 1000]);
        }
        let found = differences(&mut fragments);
        let (kept, other) = (vec![1; 16], vec![2; 16]);
        assert_eq!(found[0], FragmentDifference::Bytes { offset: 0, length: 1000, kept, other });
        assert_eq!((found.len(), fragments.conflicts_in_all), (64, 100));
    }

    #[test]
    fn fragments_that_disagree_about_the_length_are_reported_and_the_first_one_is_believed() {
        let mut fragments = Fragments::new();
        push(&mut fragments, 8, false, b"bbbb");
        push(&mut fragments, 8, false, b"bbbbbb");
        push(&mut fragments, 8, true, b"bbbbbbbb");
        push(&mut fragments, 8, false, b"bb");
        assert_eq!(push(&mut fragments, 0, true, b"aaaaaaaa"), Some(b"aaaaaaaabbbb".to_vec()));
        let length = |other| FragmentDifference::Length { kept: 12, other };
        assert_eq!(differences(&mut fragments), [length(14), length(16), length(10)]);
    }

    #[test]
    fn an_end_in_front_of_bytes_that_came_first_is_no_end() {
        let mut fragments = Fragments::new();
        push(&mut fragments, 8, true, b"bbbbbbbb");
        assert_eq!(push(&mut fragments, 0, false, b"aaaaaaaa"), None);
        assert_eq!(differences(&mut fragments), [FragmentDifference::Length { kept: 16, other: 8 }]);
        assert_eq!(push(&mut fragments, 16, false, b"c"), Some(b"aaaaaaaabbbbbbbbc".to_vec()));
    }

    #[test]
    fn a_datagram_beyond_the_length_that_ip_can_say_is_refused() {
        let mut fragments = Fragments::new();
        let pushed = fragments.push(&fragment(1, 65_528, false), b"12345678", 8);
        assert_eq!(pushed, Err(NotTcp::OversizedFragment));
        assert_eq!(fragments.pending(), 0);
        assert_eq!(push(&mut fragments, 65_528, false, b"1234567"), None);
        assert_eq!(push(&mut fragments, 0, true, &[7; 65_528]).map(|bytes| bytes.len()), Some(65_535));
    }

    #[test]
    fn what_the_snap_length_cut_off_counts_and_ends_what_can_be_read() {
        let mut fragments = Fragments::new();
        assert_eq!(fragments.push(&fragment(1, 16, false), b"c", 8), Err(NotTcp::Fragment));
        assert_eq!(fragments.push(&fragment(1, 8, true), b"bbb", 8), Err(NotTcp::Fragment));
        let whole = fragments.push(&fragment(1, 0, true), b"aaaaaaaa", 8);
        assert_eq!(whole, Ok(Whole { protocol: 6, bytes: b"aaaaaaaabbb".to_vec(), length: 24 }));
    }

    #[test]
    fn an_identification_that_comes_again_much_later_is_another_datagram() {
        let second = 1_000_000_000;
        let at = |seconds: i64, offset, more| Fragment {
            time: Some(seconds * second),
            ..fragment(1, offset, more)
        };
        let mut fragments = Fragments::new();
        assert_eq!(fragments.push(&at(1, 8, false), b"old", 3), Err(NotTcp::Fragment));
        assert_eq!(fragments.push(&at(62, 0, true), b"newnewne", 8), Err(NotTcp::Fragment));
        assert_eq!((fragments.pending(), fragments.given_up), (1, 1));
        let whole = fragments.push(&at(63, 8, false), b"w", 1).unwrap();
        assert_eq!(whole.bytes, b"newnewnew");
    }

    #[test]
    fn fragments_that_are_captured_twice_begin_no_other_datagram() {
        let mut fragments = Fragments::new();
        push(&mut fragments, 0, true, b"aaaaaaaa");
        push(&mut fragments, 0, true, b"aaaaaaaa");
        assert!(push(&mut fragments, 8, false, b"b").is_some());
        assert_eq!(push(&mut fragments, 8, false, b"b"), None);
        assert_eq!(fragments.pending(), 0);
        // The same identification, another datagram: what only repeated the old one is no part of it.
        assert_eq!(push(&mut fragments, 0, true, b"AAAAAAAA"), None);
        assert_eq!(fragments.pending(), 1);
        assert_eq!(push(&mut fragments, 8, false, b"B"), Some(b"AAAAAAAAB".to_vec()));
        assert_eq!(differences(&mut fragments), []);
        // All of it again is a datagram again.
        assert_eq!(push(&mut fragments, 8, false, b"B"), None);
        assert_eq!(push(&mut fragments, 0, true, b"AAAAAAAA"), Some(b"AAAAAAAAB".to_vec()));
        assert_eq!((fragments.pending(), fragments.given_up), (0, 0));
    }

    #[test]
    fn datagrams_of_one_identification_may_begin_alike() {
        let mut fragments = Fragments::new();
        push(&mut fragments, 0, true, b"aaaaaaaa");
        assert!(push(&mut fragments, 8, false, b"b").is_some());
        assert_eq!(push(&mut fragments, 0, true, b"aaaaaaaa"), None);
        assert_eq!(push(&mut fragments, 8, false, b"B"), Some(b"aaaaaaaaB".to_vec()));
    }

    #[test]
    fn datagrams_that_never_complete_are_bounded_and_counted() {
        let mut fragments = Fragments::new();
        for identification in 0..100_000 {
            let _ = fragments.push(&fragment(identification, 65_000, true), b"abc", 3);
        }
        assert_eq!((fragments.pending(), fragments.given_up), (MAX_DATAGRAMS, 100_000 - 4096));
        for identification in 0..1000 {
            let _ = fragments.push(&fragment(identification, 8, true), &[7; 60_000], 60_000);
            assert!(fragments.held <= MAX_HELD);
        }
        assert_eq!(fragments.pending(), MAX_HELD / (60_000 + DATAGRAM_COST + PIECE_COST));
    }

    #[test]
    fn a_datagram_of_the_smallest_fragments_is_put_together() {
        let mut fragments = Fragments::new();
        let payload: Vec<u8> = (0..65_528_u32).map(|i| i.to_le_bytes()[1]).collect();
        let mut whole = None;
        for (i, bytes) in payload.chunks(8).enumerate() {
            assert_eq!(whole, None);
            whole = push(&mut fragments, i * 8, i < 8190, bytes);
        }
        assert_eq!(whole, Some(payload));
    }

    proptest! {
        #[test]
        fn the_order_of_fragments_does_not_matter(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            order in Just((0..25usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut fragments = Fragments::new();
            let pieces: Vec<&[u8]> = payload.chunks(8).collect();
            let mut whole = None;
            for i in order.into_iter().filter(|&i| i < pieces.len()) {
                whole = push(&mut fragments, i * 8, i + 1 < pieces.len(), pieces[i]);
            }
            prop_assert_eq!(whole, Some(payload));
        }

        // The same as bytes written one by one into an empty datagram, those that are there already left out.
        #[test]
        fn overlaps_are_resolved_like_a_table_of_bytes(
            parts in prop::collection::vec((0..12_usize, 1..40_usize, any::<u8>()), 1..20),
        ) {
            let mut fragments = Fragments::new();
            let mut table: Vec<Option<u8>> = vec![None; 200];
            for (place, length, value) in parts {
                let offset = place * 8;
                prop_assert_eq!(push(&mut fragments, offset, true, &vec![value; length]), None);
                let mut differs = None;
                for (at, slot) in table.iter_mut().enumerate().skip(offset).take(length) {
                    if *slot.get_or_insert(value) != value {
                        differs.get_or_insert(at);
                    }
                }
                let found = differences(&mut fragments);
                let found = found.first().map(|difference| match difference {
                    FragmentDifference::Bytes { offset, .. } => *offset,
                    FragmentDifference::Length { .. } => usize::MAX,
                });
                prop_assert_eq!(found, differs);
            }
            let reach = table.iter().rposition(Option::is_some).unwrap() + 1;
            let last = push(&mut fragments, reach, false, b"");
            let holes = table[..reach].iter().any(Option::is_none);
            let expected: Option<Vec<u8>> = table[..reach].iter().copied().collect();
            prop_assert_eq!(last.is_none(), holes);
            prop_assert_eq!(last, expected);
        }
    }
}

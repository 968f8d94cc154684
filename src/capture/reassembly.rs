use std::collections::BTreeMap;

use super::{Chunk, Direction, Gap, Segment, Stamp};

/// Puts the segments of one connection in order: within each direction by their sequence numbers, and across the two
/// by their acknowledgments, so that an answer is not handed on before the question it acknowledges, in whatever order
/// the two were captured.
///
/// What cannot be handed on yet is held. Where segments overlap, the bytes that came first stay.
#[derive(Default)]
pub(super) struct Reassembly {
    /// The client's and the server's bytes.
    halves: [Half; 2],
    /// How many packets the connection had when something was held first.
    waiting_since: Option<u64>,
}

/// Who gets the bytes and the gaps.
pub(super) trait Sink {
    fn data(&mut self, direction: Direction, chunk: Chunk<'_>);
    fn gap(&mut self, direction: Direction, gap: Gap);
}

/// Bytes of one direction that are held.
pub(super) const MAX_HELD_BYTES: usize = 1 << 20;
/// Segments of one direction that are held.
pub(super) const MAX_HELD_SEGMENTS: usize = 4096;
/// Packets of a connection that acknowledged bytes are waited for.
pub(super) const REORDER_PACKETS: u64 = 32;
/// A segment this far from where its stream stands belongs to no stream that can be believed.
const MAX_DISTANCE: i64 = 1 << 30;

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

#[derive(Default)]
struct Half {
    /// Sequence number of stream offset 0, once it is known.
    base: Option<u32>,
    /// Offset of the next byte to hand on.
    next: u64,
    /// Segments that cannot be handed on yet, by their offset.
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    /// What the other side has acknowledged, as an offset.
    acknowledged: u64,
    /// Offset of the FIN.
    fin: Option<u64>,
    /// The first packet that shows that bytes behind the next one were sent.
    shown_by: Option<Stamp>,
}

struct Held {
    bytes: Box<[u8]>,
    /// Bytes that it had on the wire.
    length: u64,
    /// What it acknowledges of the other direction, as an offset there.
    needs: u64,
    stamp: Stamp,
}

/// A place where something is missing: the direction it is missing in, and up to which offset.
struct Hole {
    frame: u64,
    direction: Direction,
    to: u64,
}

impl Reassembly {
    /// Bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.halves.iter().map(|half| half.held_bytes).sum()
    }

    /// Sequence number of a direction's first byte, once it is known.
    pub(super) fn base(&self, direction: Direction) -> Option<u32> {
        self.halves[direction as usize].base
    }

    /// Takes the next segment; `packets` counts those of the connection.
    pub(super) fn segment(
        &mut self,
        sink: &mut impl Sink,
        direction: Direction,
        segment: &Segment<'_>,
        stamp: Stamp,
        packets: u64,
    ) {
        let (own, other) = (direction as usize, direction.opposite() as usize);
        let first = segment.sequence.wrapping_add(u32::from(segment.flags.syn));
        if segment.flags.syn && !segment.flags.rst {
            self.halves[own].base.get_or_insert(first);
        }
        let mut needs = 0;
        if segment.flags.ack {
            let acknowledged = self.halves[other].offset_of(segment.acknowledgment);
            needs = acknowledged.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
            let other = &mut self.halves[other];
            if needs > other.acknowledged {
                other.acknowledged = needs;
                other.note_shown(needs, stamp);
            }
        }
        if segment.flags.fin {
            self.halves[own].note_fin(first.wrapping_add(segment.payload_length), stamp);
        }
        if segment.payload_length > 0 {
            self.payload(sink, direction, segment, first, needs, stamp);
        }
        if self.halves.iter().all(|half| half.held.is_empty()) {
            self.waiting_since = None;
            return;
        }
        self.hand_on_held(sink);
        self.bound(sink, packets);
    }

    /// True where what a segment acknowledges was handed on. One byte more can be a FIN's number.
    fn is_met(&self, direction: Direction, needs: u64) -> bool {
        needs <= self.halves[direction.opposite() as usize].next + 1
    }

    fn payload(
        &mut self,
        sink: &mut impl Sink,
        direction: Direction,
        segment: &Segment<'_>,
        first: u32,
        needs: u64,
        stamp: Stamp,
    ) {
        let is_met = self.is_met(direction, needs);
        let half = &mut self.halves[direction as usize];
        half.base.get_or_insert(first);
        let Some(offset) = half.offset_of(first) else { return };
        let length = u64::from(segment.payload_length);
        let end = offset + i64::from(segment.payload_length);
        let next = i64::try_from(half.next).unwrap_or(i64::MAX);
        if end <= next {
            return; // all of it was here before
        }
        // A segment in front of the stream's first byte has bytes that no offset can name.
        let in_front = usize::try_from(-offset.min(0)).unwrap_or(usize::MAX);
        let payload = segment.payload.get(in_front..).unwrap_or_default();
        let length = length - (in_front as u64).min(length);
        let offset = u64::try_from(offset).unwrap_or(0);
        if offset <= half.next && is_met {
            half.hand_on(sink, direction, payload, offset, length, stamp);
        } else {
            half.hold(offset, Held { bytes: payload.into(), length, needs, stamp });
        }
    }

    /// Hands on all that can be.
    fn hand_on_held(&mut self, sink: &mut impl Sink) {
        let mut stuck = 0;
        while stuck < 2 {
            stuck = 0;
            for direction in DIRECTIONS {
                let is_ready = |(&offset, held): (&u64, &Held)| {
                    offset <= self.halves[direction as usize].next && self.is_met(direction, held.needs)
                };
                if self.halves[direction as usize].held.first_key_value().is_some_and(is_ready) {
                    self.halves[direction as usize].hand_on_first(sink, direction);
                } else {
                    stuck += 1;
                }
            }
        }
    }

    /// Gives up what was waited for long enough, and what is held beyond the bounds.
    fn bound(&mut self, sink: &mut impl Sink, packets: u64) {
        if self.halves.iter().all(|half| half.held.is_empty()) {
            self.waiting_since = None;
            return;
        }
        let since = *self.waiting_since.get_or_insert(packets);
        if packets >= since + REORDER_PACKETS {
            let hole = self.first_hole();
            let is_acknowledged = hole.is_some_and(|hole| {
                let half = &self.halves[hole.direction as usize];
                half.acknowledged > half.next
            });
            if is_acknowledged {
                self.give_up_hole(sink);
                self.waiting_since = Some(packets);
            }
        }
        while self
            .halves
            .iter()
            .any(|half| half.held_bytes > MAX_HELD_BYTES || half.held.len() > MAX_HELD_SEGMENTS)
        {
            self.give_up_hole(sink);
        }
    }

    /// The hole in front of the packet that was captured first among those that are held.
    fn first_hole(&self) -> Option<Hole> {
        let holes = DIRECTIONS.into_iter().filter_map(|direction| {
            let (&offset, held) = self.halves[direction as usize].held.first_key_value()?;
            let frame = held.stamp.frame;
            if offset > self.halves[direction as usize].next {
                return Some(Hole { frame, direction, to: offset });
            }
            // It waits for bytes of the other direction, of which some may be held as well.
            let direction = direction.opposite();
            let other = &self.halves[direction as usize];
            let to = other.held.first_key_value().map_or(held.needs, |(&first, _)| first.min(held.needs));
            Some(Hole { frame, direction, to })
        });
        holes.min_by_key(|hole| hole.frame)
    }

    /// Turns the first hole into a gap, and hands on what was held behind it.
    fn give_up_hole(&mut self, sink: &mut impl Sink) {
        let Some(hole) = self.first_hole() else { return };
        let half = &mut self.halves[hole.direction as usize];
        if hole.to > half.next {
            let stamp = DIRECTIONS
                .iter()
                .filter_map(|&direction| self.halves[direction as usize].held.first_key_value())
                .map(|(_, held)| held.stamp)
                .find(|stamp| stamp.frame == hole.frame);
            let half = &mut self.halves[hole.direction as usize];
            let from = half.next;
            half.next = hole.to;
            if let Some(stamp) = stamp {
                sink.gap(hole.direction, Gap { from, to: hole.to, stamp, by_snap_length: false });
            }
        } else {
            // Two segments that acknowledge each other: no order is right, so neither waits any longer.
            for half in &mut self.halves {
                if let Some(mut first) = half.held.first_entry() {
                    first.get_mut().needs = 0;
                }
            }
        }
        self.hand_on_held(sink);
    }

    /// Gives up all holes.
    pub(super) fn give_up_holes(&mut self, sink: &mut impl Sink) {
        while self.halves.iter().any(|half| !half.held.is_empty()) {
            self.give_up_hole(sink);
        }
    }

    /// At the end: hands on what is held, and tells of bytes that were acknowledged, or stood in front of a FIN, but
    /// were never seen. Where no FIN was seen, the last number can be its own, so that one is not missed.
    pub(super) fn finish(&mut self, sink: &mut impl Sink, stamp: Stamp) {
        self.give_up_holes(sink);
        for direction in DIRECTIONS {
            let half = &mut self.halves[direction as usize];
            let from = half.next;
            let to = half.fin.unwrap_or_else(|| half.acknowledged.saturating_sub(1));
            if to > from {
                let to = half.fin.unwrap_or(half.acknowledged);
                let stamp = half.shown_by.unwrap_or(stamp);
                half.next = to;
                sink.gap(direction, Gap { from, to, stamp, by_snap_length: false });
            }
        }
    }
}

impl Half {
    /// Where a sequence number stands in the stream, by its distance to the next byte.
    fn offset_of(&self, sequence: u32) -> Option<i64> {
        let [a, b, c, d, ..] = self.next.to_le_bytes();
        let expected = self.base?.wrapping_add(u32::from_le_bytes([a, b, c, d]));
        let distance = i64::from(sequence.wrapping_sub(expected).cast_signed());
        let offset = i64::try_from(self.next).ok()? + distance;
        (distance.abs() < MAX_DISTANCE).then_some(offset)
    }

    fn note_fin(&mut self, sequence: u32, stamp: Stamp) {
        if let Some(offset) = self.offset_of(sequence).and_then(|offset| u64::try_from(offset).ok()) {
            self.fin.get_or_insert(offset);
            self.note_shown(offset, stamp);
        }
    }

    /// Takes note of a packet by which this half's bytes up to an offset were sent.
    fn note_shown(&mut self, offset: u64, stamp: Stamp) {
        if offset > self.next + 1 {
            self.shown_by.get_or_insert(stamp);
        }
    }

    fn hold(&mut self, offset: u64, held: Held) {
        let length = held.bytes.len();
        let is_longer = self.held.get(&offset).is_none_or(|known| known.bytes.len() < length);
        if is_longer {
            self.held_bytes += length;
            if let Some(replaced) = self.held.insert(offset, held) {
                self.held_bytes -= replaced.bytes.len();
            }
        }
    }

    fn hand_on_first(&mut self, sink: &mut impl Sink, direction: Direction) {
        let Some((offset, held)) = self.held.pop_first() else { return };
        self.held_bytes -= held.bytes.len();
        self.hand_on(sink, direction, &held.bytes, offset, held.length, held.stamp);
    }

    /// Hands on a segment that begins at or in front of the next byte; what was not captured of it is a gap.
    fn hand_on(
        &mut self,
        sink: &mut impl Sink,
        direction: Direction,
        bytes: &[u8],
        offset: u64,
        length: u64,
        stamp: Stamp,
    ) {
        let end = offset + length;
        let seen = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(seen..)
            && !new.is_empty()
        {
            let offset = self.next;
            self.next += new.len() as u64;
            sink.data(direction, Chunk { offset, bytes: new, stamp });
        }
        if self.next < end {
            let gap = Gap { from: self.next, to: end, stamp, by_snap_length: true };
            self.next = end;
            sink.gap(direction, gap);
        }
        if self.next >= self.acknowledged {
            self.shown_by = None;
        }
    }
}

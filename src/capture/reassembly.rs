use std::collections::BTreeMap;

use super::{Chunk, Conflict, Direction, Gap, Segment, Stamp};

/// Puts the segments of one connection in order: within each direction by their sequence numbers, and across the two
/// by their acknowledgments, so that an answer is not handed on before the question it acknowledges, in whatever order
/// the two were captured.
///
/// What cannot be handed on yet is held. Where segments overlap, the bytes that came first stay, and those of the later
/// one are compared with them.
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
    /// A segment has brought nothing that had not come before.
    fn repeated(&mut self, direction: Direction);
    fn conflict(&mut self, direction: Direction, conflict: Conflict<'_>);
}

/// Bytes of one direction that are held.
pub(super) const MAX_HELD_BYTES: usize = 1 << 20;
/// Segments of one direction that are held.
pub(super) const MAX_HELD_SEGMENTS: usize = 4096;
/// Packets of a connection that acknowledged bytes are waited for.
pub(super) const REORDER_PACKETS: u64 = 32;
/// Packets of a connection for which the first bytes of a direction without a SYN wait.
const SETTLING_PACKETS: u64 = 4;
/// Bytes of a direction that are remembered, to be compared with those that come again.
const MAX_REMEMBERED: usize = 4096;
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
    /// The bytes that were handed on last.
    remembered: Vec<u8>,
    /// Without a SYN: the packet of the connection up to which bytes may come that belong in front of the first ones.
    settles: Option<u64>,
}

/// A piece of a segment that is held. No two pieces overlap.
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

    /// Bytes that are remembered.
    pub(super) fn remembered_bytes(&self) -> usize {
        self.halves.iter().map(|half| half.remembered.len()).sum()
    }

    fn is_waiting(&self) -> bool {
        self.halves.iter().any(|half| !half.held.is_empty())
    }

    /// Takes the next segment; `packets` counts those of the connection.
    pub(super) fn segment(
        &mut self,
        sink: &mut impl Sink,
        direction: Direction,
        segment: &Segment<'_>,
        stamp: Stamp,
        packets: u64,
        may_remember: bool,
    ) {
        let (own, other) = (direction as usize, direction.opposite() as usize);
        let first = segment.sequence.wrapping_add(u32::from(segment.flags.syn));
        if segment.flags.syn && !segment.flags.rst {
            self.begin_at(direction, first);
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
            let half = &mut self.halves[own];
            if half.base.is_none() {
                half.base = Some(first);
                half.settles = Some(packets + SETTLING_PACKETS);
            }
            self.payload(sink, direction, segment, first, needs, stamp);
            if !may_remember {
                self.halves[own].remembered = Vec::new();
            }
        }
        if self.is_waiting() {
            for half in &mut self.halves {
                half.settles = half.settles.filter(|&until| packets < until);
            }
            self.hand_on_held(sink);
            self.bound(sink, packets);
        } else {
            self.waiting_since = None;
        }
    }

    /// The SYN says which sequence number a direction's first byte has.
    fn begin_at(&mut self, direction: Direction, first: u32) {
        let half = &self.halves[direction as usize];
        match (half.base, half.settles) {
            (None, _) => self.halves[direction as usize].base = Some(first),
            (Some(base), Some(_)) => {
                let in_front = base.wrapping_sub(first);
                if i64::from(in_front) < MAX_DISTANCE {
                    self.make_room(direction, in_front);
                }
                self.halves[direction as usize].settles = None;
            }
            (Some(_), None) => {}
        }
    }

    /// The first byte of a direction, of which nothing was handed on yet, stands this many bytes further in front.
    fn make_room(&mut self, direction: Direction, count: u32) {
        let half = &mut self.halves[direction as usize];
        half.base = half.base.map(|base| base.wrapping_sub(count));
        let count = u64::from(count);
        half.held = std::mem::take(&mut half.held).into_iter().map(|(at, held)| (at + count, held)).collect();
        half.fin = half.fin.map(|fin| fin + count);
        if half.acknowledged > 0 {
            half.acknowledged += count;
        }
        for held in self.halves[direction.opposite() as usize].held.values_mut().filter(|held| held.needs > 0)
        {
            held.needs += count;
        }
    }

    /// True where what a segment acknowledges was handed on. Behind a FIN, one more than that is acknowledged.
    fn is_met(&self, direction: Direction, needs: u64) -> bool {
        let other = &self.halves[direction.opposite() as usize];
        needs <= other.next || (needs == other.next + 1 && other.fin == Some(other.next))
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
        let Some(mut offset) = half.offset_of(first) else { return };
        if offset < 0 && half.settles.is_some() {
            let in_front = u32::try_from(-offset).unwrap_or(0);
            self.make_room(direction, in_front);
            offset = 0;
        }
        let half = &mut self.halves[direction as usize];
        // A segment in front of the stream's first byte has bytes that no offset can name.
        let in_front = u64::try_from(-offset.min(0)).unwrap_or(0);
        let length = u64::from(segment.payload_length).saturating_sub(in_front);
        let payload = usize::try_from(in_front).ok().and_then(|from| segment.payload.get(from..));
        let payload = payload.unwrap_or_default();
        let offset = u64::try_from(offset).unwrap_or(0);
        if offset == half.next && is_met && half.settles.is_none() && half.held.is_empty() {
            half.hand_on(sink, direction, payload, offset, length, stamp);
            return;
        }
        // A keep-alive probe brings nothing, or one byte of no meaning in front of the next one (RFC 9293 3.8.4).
        let is_probe = length == 1 && offset + 1 == half.next;
        let end = offset + length;
        if offset < half.next && !is_probe {
            half.compare_with_remembered(sink, direction, offset, payload, stamp);
        }
        if end <= half.next {
            if !is_probe {
                sink.repeated(direction);
            }
            return;
        }
        half.hold(sink, direction, offset, payload, length, needs, stamp);
    }

    /// Hands on all that can be.
    fn hand_on_held(&mut self, sink: &mut impl Sink) {
        let ready = |reassembly: &Self, direction: Direction| {
            let half = &reassembly.halves[direction as usize];
            let (&offset, held) = half.held.first_key_value()?;
            let is_ready =
                offset <= half.next && half.settles.is_none() && reassembly.is_met(direction, held.needs);
            is_ready.then_some((held.stamp.frame, direction))
        };
        while let Some((_, direction)) =
            DIRECTIONS.into_iter().filter_map(|direction| ready(self, direction)).min()
        {
            self.halves[direction as usize].hand_on_first(sink, direction);
        }
    }

    /// Gives up what was waited for long enough, and what is held beyond the bounds.
    fn bound(&mut self, sink: &mut impl Sink, packets: u64) {
        if !self.is_waiting() {
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
        if self.halves.iter().any(|half| half.settles.is_some()) {
            for half in &mut self.halves {
                half.settles = None;
            }
            self.hand_on_held(sink);
        }
        let Some(hole) = self.first_hole() else { return };
        let half = &mut self.halves[hole.direction as usize];
        // One byte that nothing follows is rather the number of a FIN that was not captured.
        let is_fin = hole.to == half.next + 1 && half.held.is_empty();
        if hole.to > half.next && !is_fin {
            let stamp = DIRECTIONS
                .iter()
                .filter_map(|&direction| self.halves[direction as usize].held.first_key_value())
                .map(|(_, held)| held.stamp)
                .find(|stamp| stamp.frame == hole.frame);
            let half = &mut self.halves[hole.direction as usize];
            let from = half.next;
            half.next = hole.to;
            half.remembered.clear();
            if let Some(stamp) = stamp {
                sink.gap(hole.direction, Gap { from, to: hole.to, stamp, by_snap_length: false });
            }
        } else {
            // Or two segments acknowledge each other: no order is right, so neither waits any longer.
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
                half.remembered.clear();
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

    /// Holds what no segment has brought yet; what one has brought is compared.
    #[allow(clippy::too_many_arguments)]
    fn hold(
        &mut self,
        sink: &mut impl Sink,
        direction: Direction,
        offset: u64,
        payload: &[u8],
        length: u64,
        needs: u64,
        stamp: Stamp,
    ) {
        let mut at = offset.max(self.next);
        let end = offset + payload.len() as u64;
        let piece = |from: u64, to: u64| {
            let range = usize::try_from(from - offset).ok()?..usize::try_from(to - offset).ok()?;
            payload.get(range)
        };
        let mut new: Vec<(u64, u64)> = Vec::new();
        // Pieces do not overlap, so that only the last one in front of this one can reach into it.
        let before = self.held.range(..at).next_back();
        for (&from, held) in before.into_iter().chain(self.held.range(at..end.max(at))) {
            let to = from + held.bytes.len() as u64;
            if to <= at {
                continue;
            }
            if from > at {
                new.push((at, from));
            }
            let both = from.max(at)..to.min(end);
            if both.start < both.end
                && let (Some(kept), Some(other)) = (
                    held.bytes.get(usize::try_from(both.start - from).unwrap_or(usize::MAX)..),
                    piece(both.start, both.end),
                )
            {
                compare(sink, direction, both.start, kept, other, stamp);
            }
            at = to;
        }
        let wire_end = offset + length;
        // What was cut off by the snap length is held as a length only, where nothing is known that lies behind it.
        if at < end || (wire_end > end && at <= end) {
            new.push((at, end.max(at)));
        }
        for (from, to) in new {
            let bytes: Box<[u8]> = piece(from, to).unwrap_or_default().into();
            self.held_bytes += bytes.len();
            let length = if to == end { wire_end - from } else { to - from };
            if let Some(replaced) = self.held.insert(from, Held { bytes, length, needs, stamp }) {
                self.held_bytes -= replaced.bytes.len();
            }
        }
    }

    fn compare_with_remembered(
        &self,
        sink: &mut impl Sink,
        direction: Direction,
        offset: u64,
        payload: &[u8],
        stamp: Stamp,
    ) {
        let begin = self.next - self.remembered.len() as u64;
        let at = offset.max(begin);
        let kept = usize::try_from(at - begin).ok().and_then(|from| self.remembered.get(from..));
        let other = usize::try_from(at - offset).ok().and_then(|from| payload.get(from..));
        if let (Some(kept), Some(other)) = (kept, other) {
            compare(sink, direction, at, kept, other, stamp);
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(MAX_REMEMBERED)..];
        if self.remembered.len() + bytes.len() > MAX_REMEMBERED {
            let surplus = (self.remembered.len() + bytes.len()).saturating_sub(MAX_REMEMBERED / 2);
            self.remembered.drain(..surplus.min(self.remembered.len()));
        }
        if self.remembered.capacity() == 0 {
            self.remembered.reserve(bytes.len().max(512));
        }
        self.remembered.extend_from_slice(bytes);
    }

    fn hand_on_first(&mut self, sink: &mut impl Sink, direction: Direction) {
        let Some((offset, held)) = self.held.pop_first() else { return };
        self.held_bytes -= held.bytes.len();
        self.hand_on(sink, direction, &held.bytes, offset, held.length, held.stamp);
    }

    /// Hands on a segment that begins at or in front of the next byte; what was not captured of it is a gap, up to what
    /// another one has brought.
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
            self.remember(new);
            sink.data(direction, Chunk { offset, bytes: new, stamp });
        }
        let end = self.held.first_key_value().map_or(end, |(&known, _)| end.min(known));
        if self.next < end {
            let gap = Gap { from: self.next, to: end, stamp, by_snap_length: true };
            self.next = end;
            self.remembered.clear();
            sink.gap(direction, gap);
        }
        if self.next >= self.acknowledged {
            self.shown_by = None;
        }
    }
}

/// Tells where two versions of the same bytes differ.
fn compare(sink: &mut impl Sink, direction: Direction, offset: u64, kept: &[u8], other: &[u8], stamp: Stamp) {
    let count = kept.len().min(other.len());
    let (kept, other) = (&kept[..count], &other[..count]);
    if kept == other {
        return;
    }
    let differs = |(a, b): (&u8, &u8)| a != b;
    let Some(first) = kept.iter().zip(other).position(differs) else { return };
    let last = kept.iter().zip(other).rposition(differs).unwrap_or(first);
    let shown = first..(last + 1).min(first + 16);
    sink.conflict(
        direction,
        Conflict {
            offset: offset + first as u64,
            length: (last + 1 - first) as u64,
            kept: &kept[shown.clone()],
            other: &other[shown],
            stamp,
        },
    );
}

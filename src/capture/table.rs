use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Direction, End, Endpoint, Segment, Stamp};

/// Which connection a segment belongs to: numbers the connections, and says when one is begun, taken over by another
/// one between the same two ports, ended, or given up.
///
/// It looks at a segment's ports and flags only. What is done with the bytes is up to [`Steps`], here or elsewhere.
pub(crate) struct FlowTable {
    /// Ports by which a connection without its SYN is turned the right way.
    server_ports: Vec<u16>,
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// The entry that was quiet longest, and the one that was not; [`NONE`] where there are none.
    quietest: u32,
    latest: u32,
    next_stream: u64,
    /// Connections that have ended and linger: up to which packet, their slot, their number.
    lingering: BinaryHeap<Reverse<(u64, u32, u64)>>,
    /// Connections that have ended and whose late packets are still known as theirs: their slot, their number.
    closed: VecDeque<(u32, u64)>,
    late_bytes: u64,
    evicted: u64,
}

/// What a [`FlowTable`] finds, in the order of the packets.
pub(crate) trait Steps {
    /// A connection begins, in a slot that no other one has.
    fn open(&mut self, slot: usize, opened: &Opened);

    /// A segment of it. False says that the next ones of this connection are not wanted.
    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool;

    /// It has ended, as its packets tell or as `end` says; the slot is free.
    fn close(&mut self, slot: usize, end: Option<End>);
}

/// A connection that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) stream: u64,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) first: Stamp,
}

/// Connections that are held at the same time, those that have ended included.
pub(crate) const MAX_FLOWS: usize = 65_536;
/// Connections that have ended and whose late packets are still known as theirs. With more of them, the table would grow
/// out of the processor's cache.
const MAX_CLOSED: usize = 4096;
/// Packets of the capture that a connection lingers behind its end, or behind its last payload there.
const LINGER_PACKETS: u64 = 256;
/// In place of an entry's number.
const NONE: u32 = u32::MAX;

struct Entry {
    key: Key,
    stream: u64,
    /// The packet that brought its last payload.
    last_payload: u64,
    /// Its neighbours in the order in which they were quiet.
    older: u32,
    newer: u32,
    /// Sequence number of the client's first byte, once it is known.
    base: Option<u32>,
    /// True where the side that comes first in `key` is the client.
    client_is_first: bool,
    has_syn: bool,
    has_client_data: bool,
    has_reset: bool,
    has_fin: [bool; 2],
    lingers: bool,
    /// True once its end was told.
    is_closed: bool,
    /// True where the slot has no connection any longer.
    is_free: bool,
    is_unwanted: bool,
}

impl FlowTable {
    pub(crate) fn new(server_ports: &[u16]) -> Self {
        Self {
            server_ports: server_ports.to_vec(),
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            quietest: NONE,
            latest: NONE,
            next_stream: 0,
            lingering: BinaryHeap::new(),
            closed: VecDeque::new(),
            late_bytes: 0,
            evicted: 0,
        }
    }

    /// Payload bytes that came after their connection's end.
    pub(crate) fn late_bytes(&self) -> u64 {
        self.late_bytes
    }

    /// Connections that were given up to keep within the bound.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.next_stream
    }

    /// Takes the next segment.
    pub(crate) fn push(&mut self, segment: &Segment<'_>, stamp: Stamp, steps: &mut impl Steps) {
        self.end_lingering(stamp.frame, steps);
        let (key, source_is_first) = Key::of(segment);
        let hash = key.hash(&self.hasher);
        let found = self.index.find(hash, |&at| self.entries[at as usize].key == key);
        let slot = match found.copied() {
            Some(slot) => {
                self.touch(slot);
                let entry = &self.entries[slot as usize];
                if segment.flags.syn && entry.is_reused_by(segment, source_is_first) {
                    if !entry.is_closed {
                        steps.close(slot as usize, None);
                    }
                    self.begin(slot, key, source_is_first, segment, stamp, steps);
                }
                slot
            }
            None => {
                let slot = self.free_slot(steps);
                self.begin(slot, key, source_is_first, segment, stamp, steps);
                let Self { index, entries, hasher, .. } = self;
                index.insert_unique(hash, slot, |&at| entries[at as usize].key.hash(hasher));
                slot
            }
        };
        let entry = &mut self.entries[slot as usize];
        let direction =
            if source_is_first == entry.client_is_first { Direction::ToServer } else { Direction::ToClient };
        let had_ended = entry.has_ended();
        entry.note(direction, segment, stamp);
        if entry.is_closed {
            self.late_bytes += u64::from(segment.payload_length);
        } else if !entry.is_unwanted {
            entry.is_unwanted = !steps.segment(slot as usize, direction, segment, stamp);
        }
        if !had_ended && entry.has_ended() && !entry.lingers {
            entry.lingers = true;
            self.lingering.push(Reverse((stamp.frame + LINGER_PACKETS, slot, entry.stream)));
        }
    }

    /// Ends all connections, in the order of their first packets.
    pub(crate) fn finish(&mut self, steps: &mut impl Steps) {
        let mut open: Vec<(u64, u32)> = (0u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| !entry.is_closed && !entry.is_free)
            .map(|(slot, entry)| (entry.stream, slot))
            .collect();
        open.sort_unstable();
        for (_, slot) in open {
            self.entries[slot as usize].is_closed = true;
            steps.close(slot as usize, None);
        }
    }

    /// A slot that is free, where need be that of the connection that was quiet longest.
    fn free_slot(&mut self, steps: &mut impl Steps) -> u32 {
        let is_free = self.entries.get(self.quietest as usize).is_some_and(|entry| entry.is_free);
        if !is_free && self.entries.len() < MAX_FLOWS {
            let slot = u32::try_from(self.entries.len()).unwrap_or(NONE);
            self.entries.push(Entry::new(Key::default()));
            self.link_behind(self.latest, slot);
            return slot;
        }
        let slot = self.quietest;
        if !is_free {
            self.remove_from_index(slot);
            if !self.entries[slot as usize].is_closed {
                self.evicted += 1;
                steps.close(slot as usize, Some(End::Evicted));
            }
        }
        self.touch(slot);
        slot
    }

    fn remove_from_index(&mut self, slot: u32) {
        let hash = self.entries[slot as usize].key.hash(&self.hasher);
        if let Ok(found) = self.index.find_entry(hash, |&at| at == slot) {
            found.remove();
        }
    }

    /// Forgets a connection that has ended; its slot is the next to be taken.
    fn forget(&mut self, slot: u32) {
        self.remove_from_index(slot);
        self.entries[slot as usize].is_free = true;
        if self.quietest != slot {
            self.unlink(slot);
            self.link_behind(NONE, slot);
        }
    }

    /// Makes an entry the one that was quiet for the shortest time.
    fn touch(&mut self, slot: u32) {
        if self.latest != slot {
            self.unlink(slot);
            self.link_behind(self.latest, slot);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { older, newer, .. } = self.entries[slot as usize];
        match older {
            NONE => self.quietest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => self.latest = older,
            newer => self.entries[newer as usize].older = older,
        }
    }

    /// Puts an entry behind the `older` one in the order in which they were quiet, or in front of all.
    fn link_behind(&mut self, older: u32, slot: u32) {
        let newer = match older {
            NONE => std::mem::replace(&mut self.quietest, slot),
            older => std::mem::replace(&mut self.entries[older as usize].newer, slot),
        };
        match newer {
            NONE => self.latest = slot,
            newer => self.entries[newer as usize].older = slot,
        }
        let entry = &mut self.entries[slot as usize];
        (entry.older, entry.newer) = (older, newer);
    }

    /// Another connection begins in this slot.
    fn begin(
        &mut self,
        slot: u32,
        key: Key,
        source_is_first: bool,
        segment: &Segment<'_>,
        stamp: Stamp,
        steps: &mut impl Steps,
    ) {
        let (source, destination) = (segment.source, segment.destination);
        let source_is_client = if segment.flags.syn {
            !segment.flags.ack
        } else {
            let is_server = |endpoint: Endpoint| self.server_ports.contains(&endpoint.port);
            match (is_server(source), is_server(destination)) {
                (false, true) => true,
                (true, false) => false,
                _ => source.port >= destination.port,
            }
        };
        let (client, server) = if source_is_client { (source, destination) } else { (destination, source) };
        let entry = &mut self.entries[slot as usize];
        *entry = Entry {
            stream: self.next_stream,
            client_is_first: source_is_client == source_is_first,
            older: entry.older,
            newer: entry.newer,
            ..Entry::new(key)
        };
        steps.open(slot as usize, &Opened { stream: self.next_stream, client, server, first: stamp });
        self.next_stream += 1;
    }

    fn end_lingering(&mut self, frame: u64, steps: &mut impl Steps) {
        while let Some(&Reverse((until, slot, stream))) = self.lingering.peek()
            && until <= frame
        {
            self.lingering.pop();
            let entry = &mut self.entries[slot as usize];
            if entry.stream != stream || entry.is_closed {
                continue;
            }
            let until = entry.last_payload + LINGER_PACKETS;
            if until > frame {
                self.lingering.push(Reverse((until, slot, stream)));
                continue;
            }
            // The entry stays for a while, for the last acknowledgments.
            entry.is_closed = true;
            steps.close(slot as usize, None);
            self.closed.push_back((slot, stream));
            if self.closed.len() > MAX_CLOSED
                && let Some((slot, stream)) = self.closed.pop_front()
            {
                let entry = &self.entries[slot as usize];
                if entry.stream == stream && entry.is_closed {
                    self.forget(slot);
                }
            }
        }
    }
}

/// The two sides of a connection, the smaller one first.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Key {
    addresses: [u128; 2],
    ports: [u16; 2],
    is_v6: bool,
}

impl Key {
    /// The key, and whether the source comes first in it.
    #[inline]
    fn of(segment: &Segment<'_>) -> (Self, bool) {
        let number = |address| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let source = (number(segment.source.address), segment.source.port);
        let destination = (number(segment.destination.address), segment.destination.port);
        let is_v6 = segment.source.address.is_ipv6();
        let source_is_first = source <= destination;
        let (first, second) = if source_is_first { (source, destination) } else { (destination, source) };
        (Self { addresses: [first.0, second.0], ports: [first.1, second.1], is_v6 }, source_is_first)
    }

    #[inline]
    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        let mut hasher = hasher.build_hasher();
        let [first, second] = self.addresses;
        if self.is_v6 {
            hasher.write_u128(first);
            hasher.write_u128(second);
        } else {
            hasher.write_u128(first << 64 | second);
        }
        hasher.write_u32(u32::from(self.ports[0]) << 16 | u32::from(self.ports[1]));
        hasher.finish()
    }
}

impl Entry {
    fn new(key: Key) -> Self {
        Self {
            key,
            stream: 0,
            last_payload: 0,
            older: NONE,
            newer: NONE,
            base: None,
            client_is_first: true,
            has_syn: false,
            has_client_data: false,
            has_reset: false,
            has_fin: [false; 2],
            lingers: false,
            is_closed: false,
            is_free: false,
            is_unwanted: false,
        }
    }

    fn has_ended(&self) -> bool {
        self.has_reset || self.has_fin == [true; 2]
    }

    /// True where the segment begins another connection between the same two ports: a SYN once the first one has
    /// ended, or with another sequence number, or after the client's first data (which no retransmission follows).
    fn is_reused_by(&self, segment: &Segment<'_>, source_is_first: bool) -> bool {
        if !segment.flags.syn || segment.flags.ack {
            return false;
        }
        self.has_ended()
            || source_is_first != self.client_is_first
            || (self.has_syn && self.has_client_data)
            || self.base.is_some_and(|base| base != segment.sequence.wrapping_add(1))
    }

    fn note(&mut self, direction: Direction, segment: &Segment<'_>, stamp: Stamp) {
        let flags = segment.flags;
        if segment.payload_length > 0 {
            self.last_payload = stamp.frame;
        }
        if direction == Direction::ToServer {
            let begins = flags.syn && !flags.rst;
            if begins || segment.payload_length > 0 {
                self.base.get_or_insert(segment.sequence.wrapping_add(u32::from(flags.syn)));
            }
            self.has_syn |= flags.syn;
            self.has_client_data |= segment.payload_length > 0;
        }
        self.has_fin[direction as usize] |= flags.fin;
        self.has_reset |= flags.rst;
    }
}

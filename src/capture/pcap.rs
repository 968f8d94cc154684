use super::{CaptureFormat, LinkType};

/// What a pcap file's header says, and what its records have looked like so far: what decides whether bytes are the
/// header of a record.
pub(super) struct Pcap {
    pub(super) format: CaptureFormat,
    pub(super) big_endian: bool,
    pub(super) link: LinkType,
    snap_length: u32,
    lengths: Lengths,
    /// Bytes of a record's header.
    pub(super) head_length: usize,
    /// Units of the fraction in a second.
    fraction_limit: u32,
    /// Nanoseconds of a unit.
    unit: i64,
    /// The most bytes that a packet has without being doubted.
    usual_most: u32,
    /// Seconds of the last record, if there was one.
    last: Option<u32>,
    /// What the last packet that was not captured whole was cut to.
    last_slice: u32,
    /// Records of this file have been seen, each between sane ones, with more bytes captured than there were.
    has_odd_lengths: bool,
    /// The same, with fractions of more than a second.
    has_odd_fractions: bool,
}

/// The order of a record's two lengths, which was another one before version 2.3.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    InOrder,
    Swapped,
    /// Version 2.3 was written in both orders.
    SwappedIfOdd,
}

/// A record's header.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) seconds: u32,
    pub(super) fraction: u32,
    pub(super) captured: u32,
    pub(super) original: u32,
}

/// Bytes of a file's header.
pub(super) const FILE_HEADER: usize = 24;

/// IXIA's files have the length of all records behind their header.
const LONG_FILE_HEADER: usize = 28;

/// The most that a packet may have.
pub(super) const MOST: u32 = 16 << 20;

/// The most that common tools capture of a packet, whatever a file's header says.
const USUAL_MOST: u32 = 262_144;

/// The most that a packet may have behind damage, where its record has to be found.
const FOUND_MOST: u32 = 1 << 20;

/// Seconds between a record and the one before it that are nothing special.
const NEAR: u32 = 86_400;

/// Times before this one are those of machines without a clock. Bytes that are no time look like them easily.
const SMALL: u32 = 1 << 24;

/// Records in a chain that stand for each other: near in time to what came before, and elsewhere.
const CHAIN: (u32, u32) = (3, 6);

/// Records that are looked at to see whether a length leads on.
const MOST_LINKS: u32 = 16;

/// Records without time, lengths and bytes in a row that are read as records.
const MOST_ZEROS: u32 = 4;

impl Pcap {
    /// Reads the file's header: [`FILE_HEADER`] bytes. The second number is how many it really has.
    pub(super) fn new(head: &[u8]) -> Option<(Self, usize)> {
        let magic: [u8; 4] = head.get(..4)?.try_into().ok()?;
        let formats = [
            (0xa1b2_c3d4, CaptureFormat::Pcap),
            (0xa1b2_3c4d, CaptureFormat::PcapNanosecond),
            (0xa1b2_cd34, CaptureFormat::PcapModified),
            (0x1c00_01ac, CaptureFormat::PcapIxiaHardware),
            (0x1c00_01ab, CaptureFormat::PcapIxiaSoftware),
        ];
        let (big_endian, format) = formats.into_iter().find_map(|(number, format)| {
            let is = |big_endian| word(&magic, 0, big_endian) == number;
            if is(false) {
                Some((false, format))
            } else if is(true) {
                Some((true, format))
            } else {
                None
            }
        })?;
        let at = |at| if head.len() >= FILE_HEADER { word(head, at, big_endian) } else { 0 };
        let (snap_length, link) = (at(16), at(20));
        let version = at(4);
        let (major, minor) =
            if big_endian { (version >> 16, version & 0xffff) } else { (version & 0xffff, version >> 16) };
        let is_ixia = matches!(format, CaptureFormat::PcapIxiaHardware | CaptureFormat::PcapIxiaSoftware);
        let is_nanosecond = matches!(format, CaptureFormat::PcapNanosecond | CaptureFormat::PcapIxiaHardware);
        let pcap = Self {
            format,
            big_endian,
            // The upper bits say how long the frame check sequence is.
            link: LinkType(u16::try_from(link & 0xffff).unwrap_or(u16::MAX)),
            snap_length,
            lengths: match (major, minor) {
                (2, 0..=2) | (543, _) => Lengths::Swapped,
                (2, 3) => Lengths::SwappedIfOdd,
                _ => Lengths::InOrder,
            },
            head_length: if format == CaptureFormat::PcapModified { 24 } else { 16 },
            fraction_limit: if is_nanosecond { 1_000_000_000 } else { 1_000_000 },
            unit: if is_nanosecond { 1 } else { 1000 },
            usual_most: snap_length.clamp(USUAL_MOST, MOST),
            last: None,
            last_slice: u32::MAX,
            has_odd_lengths: false,
            has_odd_fractions: false,
        };
        Some((pcap, if is_ixia { LONG_FILE_HEADER } else { FILE_HEADER }))
    }

    /// The header at the beginning of `bytes`, which has to be there whole.
    #[inline]
    fn record(&self, bytes: &[u8]) -> Record {
        let head = &bytes[..16];
        let at = |at| word(head, at, self.big_endian);
        let record = Record { seconds: at(0), fraction: at(4), captured: at(8), original: at(12) };
        if self.lengths == Lengths::InOrder { record } else { self.reordered(record) }
    }

    #[cold]
    fn reordered(&self, record: Record) -> Record {
        if self.lengths == Lengths::Swapped || record.captured > record.original {
            Record { captured: record.original, original: record.captured, ..record }
        } else {
            record
        }
    }

    /// The header at `at`, if it is there whole.
    #[inline]
    pub(super) fn record_at(&self, bytes: &[u8], at: usize) -> Option<Record> {
        let bytes = bytes.get(at..)?;
        if bytes.len() < self.head_length { None } else { Some(self.record(bytes)) }
    }

    /// Bytes of a record with its header.
    #[inline]
    pub(super) fn length(&self, record: Record) -> usize {
        self.head_length + record.captured as usize
    }

    #[inline]
    pub(super) fn time(&self, record: Record) -> i64 {
        i64::from(record.seconds) * 1_000_000_000 + i64::from(record.fraction) * self.unit
    }

    /// True where a record is as it should be behind one of that time: nothing more needs to be looked at.
    #[inline]
    pub(super) fn is_clean(&self, record: Record, last: u32) -> bool {
        record.captured <= self.usual_most
            && record.captured <= record.original
            && record.original > 0
            && record.fraction < self.fraction_limit
            && record.seconds >= SMALL
            && record.seconds.abs_diff(last) <= NEAR
    }

    #[inline]
    pub(super) fn is_usual_length(&self, record: Record) -> bool {
        record.captured <= self.usual_most
    }

    /// Seconds of the record before this one; its own where it is the first.
    #[inline]
    pub(super) fn last_or(&self, record: Record) -> u32 {
        self.last.unwrap_or(record.seconds)
    }

    /// Remembers what a record was like that was handed out.
    #[inline]
    pub(super) fn remember(&mut self, record: Record) {
        self.last = Some(record.seconds);
        if record.captured < record.original {
            self.last_slice = record.captured;
        }
    }

    /// Remembers what a record was like that was handed out though it is odd.
    pub(super) fn remember_odd(&mut self, record: Record, next: Option<Record>) {
        let last = self.last_or(record);
        self.remember(record);
        // One wrong time among right ones.
        if !is_near(record.seconds, last) && next.is_some_and(|next| is_near(next.seconds, last)) {
            self.last = Some(last);
        }
        self.has_odd_lengths |= record.captured > record.original;
        self.has_odd_fractions |= record.fraction >= self.fraction_limit;
    }

    /// True where a record may be one, though nothing sane comes behind it.
    pub(super) fn is_fair(&self, record: Record) -> bool {
        self.is_fair_behind(record, self.last_or(record), None)
    }

    fn is_fair_behind(&self, record: Record, last: u32, previous: Option<u32>) -> bool {
        // Bytes that are no times are near each other easily where they are small numbers.
        let near_previous =
            previous.is_some_and(|previous| previous >= SMALL && is_near(record.seconds, previous));
        let is_ordered = record.captured <= record.original && record.original > 0;
        self.is_usual_length(record)
            && (is_near(record.seconds, last) || near_previous)
            && (record.fraction < self.fraction_limit || is_ordered)
            && !is_zero(record)
    }

    /// True where a packet's two lengths differ in a way that no record before it had, and that is not the file's.
    pub(super) fn is_oddly_cut(&self, record: Record) -> bool {
        if record.captured > record.original {
            return !self.has_odd_lengths;
        }
        record.captured < record.original
            && record.captured != self.snap_length
            && record.captured != self.last_slice
    }

    /// True where a record is near in time to what came before the one in front of it.
    pub(super) fn is_near_last(&self, record: Record, before: Record) -> bool {
        is_near(record.seconds, self.last_or(before))
    }

    /// True where what stands behind the record at the beginning of `bytes` shows that its length is right: further
    /// records, which may be odd, or the file's end.
    pub(super) fn leads_on(&self, bytes: &[u8], of: Record, end: End) -> bool {
        const FAIR: u32 = 4;
        const ENOUGH: u32 = 2 * FAIR + 1;
        let last = self.last_or(of);
        let (mut at, mut previous) = (self.length(of), of.seconds);
        let (mut points, mut zeros) = (0, u32::from(is_zero(of)));
        for _ in 0..MOST_LINKS {
            let Some(record) = self.record_at(bytes, at) else {
                return (at == bytes.len() && end == End::OfFile) || points >= FAIR;
            };
            if !self.is_usual_length(record) {
                return false;
            }
            zeros = if is_zero(record) { zeros + 1 } else { 0 };
            if zeros > MOST_ZEROS {
                return false;
            }
            if self.is_fair_behind(record, last, Some(previous)) {
                points += FAIR;
            } else if self.is_strict(record) {
                points += 1;
            }
            if points >= ENOUGH {
                return true;
            }
            previous = record.seconds;
            at += self.length(record);
        }
        false
    }

    /// True where nothing but the time of a record may be odd.
    fn is_strict(&self, record: Record) -> bool {
        record.original > 0
            && record.original <= MOST
            && (record.captured <= record.original || self.has_odd_lengths)
            && (record.fraction < self.fraction_limit || self.has_odd_fractions)
    }

    /// True where records begin at `at`, which nothing speaks for but they themselves.
    pub(super) fn begins(&self, bytes: &[u8], at: usize, end: End) -> bool {
        let (mut at, mut previous, mut count, mut needed) = (at, None, 0, CHAIN.0);
        loop {
            let Some(record) = self.record_at(bytes, at) else {
                let is_whole = at == bytes.len() && end == End::OfFile;
                let (whole, cut) = if needed == CHAIN.0 { (1, 2) } else { (3, CHAIN.1) };
                return count >= if is_whole { whole } else { cut };
            };
            if record.captured > self.usual_most.min(FOUND_MOST) || !self.is_strict(record) {
                return false;
            }
            let is_near_last = self.last.is_some_and(|last| is_near(record.seconds, last));
            match previous {
                None if !is_near_last && record.seconds < SMALL => return false,
                None if !is_near_last => needed = CHAIN.1,
                Some(previous) if !is_near_last && !is_near(record.seconds, previous) => return false,
                _ => {}
            }
            count += 1;
            if count == needed {
                return true;
            }
            previous = Some(record.seconds);
            at += self.length(record);
        }
    }
}

/// What comes behind the bytes in the window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// More bytes.
    Open,
    /// Nothing: they are the file's last.
    OfFile,
    /// Nothing that could be read.
    Failed,
}

fn is_near(seconds: u32, last: u32) -> bool {
    seconds.abs_diff(last) <= NEAR
}

fn is_zero(record: Record) -> bool {
    (record.seconds | record.fraction | record.captured | record.original) == 0
}

/// The 32-bit number at `at`.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
}

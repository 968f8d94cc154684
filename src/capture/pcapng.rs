use pcap_parser::{OptionCode, pcapng};

use super::LinkType;
use super::packets::{About, Comments};
use super::pcap::word;

/// What is known of a pcapng section.
#[derive(Default)]
pub(super) struct Section {
    pub(super) big_endian: bool,
    pub(super) interfaces: Vec<Interface>,
    /// Time of the last packet.
    pub(super) last: Option<i64>,
}

/// An interface: what its packets mean.
#[derive(Clone, Copy)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    clock: Clock,
    /// Nanoseconds to add.
    offset: i64,
    pub(super) snap_length: u32,
}

/// What a tick is.
#[derive(Clone, Copy)]
enum Clock {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// So many of them are a second.
    PerSecond(u64),
    /// So many powers of two of them are a second.
    PowerOfTwo(u8),
    /// Nothing that fits a number.
    Unknown,
}

/// What an enhanced or obsolete packet block says before its data.
#[derive(Clone, Copy)]
pub(super) struct PacketHead {
    pub(super) interface: u32,
    pub(super) ticks: u64,
    pub(super) captured: u32,
    pub(super) original: u32,
}

pub(super) mod kind {
    use pcap_parser::pcapng;

    pub(in crate::capture) const SECTION: u32 = pcapng::SHB_MAGIC;
    pub(in crate::capture) const INTERFACE: u32 = pcapng::IDB_MAGIC;
    /// The packet block that the enhanced one has replaced, which the crate does not know.
    pub(in crate::capture) const OBSOLETE_PACKET: u32 = 2;
    pub(in crate::capture) const SIMPLE_PACKET: u32 = pcapng::SPB_MAGIC;
    pub(in crate::capture) const NAMES: u32 = pcapng::NRB_MAGIC;
    pub(in crate::capture) const STATISTICS: u32 = pcapng::ISB_MAGIC;
    pub(in crate::capture) const ENHANCED_PACKET: u32 = pcapng::EPB_MAGIC;
    pub(in crate::capture) const SECRETS: u32 = pcapng::DSB_MAGIC;
}

/// Bytes of an enhanced packet block that are no data or options.
pub(super) const ENHANCED: usize = 32;

/// Bytes of a decryption secrets block that are no secrets or options.
pub(super) const SECRETS: usize = 20;

/// The type of secrets that a TLS key log is.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Interfaces of one section that are kept; packets of later ones read as those of an unknown link type.
const MAX_INTERFACES: usize = 4096;

/// The most that a block may have behind damage, where it has to be found.
const FOUND_MOST: usize = 1 << 20;

impl Section {
    #[inline]
    pub(super) fn word(&self, bytes: &[u8], at: usize) -> u32 {
        word(bytes, at, self.big_endian)
    }

    fn half(&self, bytes: &[u8], at: usize) -> u16 {
        let raw = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) }
    }

    /// Another section begins.
    pub(super) fn restart(&mut self, big_endian: bool) {
        self.big_endian = big_endian;
        self.interfaces.clear();
    }

    /// The head of a packet block, which has at least [`ENHANCED`] bytes.
    #[inline]
    pub(super) fn packet_head(&self, block: &[u8]) -> PacketHead {
        let block = &block[..28];
        PacketHead {
            interface: self.word(block, 8),
            ticks: u64::from(self.word(block, 12)) << 32 | u64::from(self.word(block, 16)),
            captured: self.word(block, 20),
            original: self.word(block, 24),
        }
    }

    /// The same of the obsolete block, which has the count of dropped packets beside the interface.
    pub(super) fn obsolete_head(&self, block: &[u8]) -> PacketHead {
        PacketHead { interface: self.half(block, 8).into(), ..self.packet_head(block) }
    }

    /// Reads an interface from its block; false where it is too short for one.
    pub(super) fn add_interface(&mut self, block: &[u8], frame: u64, comments: &mut Comments) -> bool {
        if block.len() < 20 {
            return false;
        }
        let mut clock = Clock::Nanoseconds(1000);
        let mut offset = 0i64;
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let big_endian = self.big_endian;
        self.options(block, 16, |code, value| match (OptionCode(code), value) {
            (OptionCode::Comment, text) => comments.add(About::Interface(number), frame, text),
            (OptionCode::IfTsresol, [resolution, ..]) => clock = Clock::new(*resolution),
            (OptionCode::IfTsoffset, value) => {
                if let Ok(raw) = <[u8; 8]>::try_from(value) {
                    let seconds = if big_endian { i64::from_be_bytes(raw) } else { i64::from_le_bytes(raw) };
                    offset = seconds.saturating_mul(1_000_000_000);
                }
            }
            _ => {}
        });
        if self.interfaces.len() < MAX_INTERFACES {
            let (link, snap_length) = (LinkType(self.half(block, 8)), self.word(block, 12));
            self.interfaces.push(Interface { link, clock, offset, snap_length });
        }
        true
    }

    /// The TLS key log in a decryption secrets block, which has at least [`SECRETS`] bytes; `None` where the secrets are of
    /// another type.
    ///
    /// # Errors
    /// The length of the secrets, where it does not fit the block.
    pub(super) fn key_log<'a>(&self, block: &'a [u8]) -> Result<Option<&'a [u8]>, u32> {
        let (kind, length) = (self.word(block, 8), self.word(block, 12));
        let room = &block[SECRETS - 4..block.len() - 4];
        let secrets = room.get(..length as usize).ok_or(length)?;
        Ok((kind == TLS_KEY_LOG).then_some(secrets))
    }

    /// Walks the options from `at` up to the block's trailing length. Where they end if they are well-formed.
    pub(super) fn options(&self, block: &[u8], at: usize, mut each: impl FnMut(u16, &[u8])) -> Option<usize> {
        let end = block.len() - 4;
        let mut at = at;
        while at + 4 <= end {
            let (code, length) = (self.half(block, at), usize::from(self.half(block, at + 2)));
            at += 4;
            if code == 0 {
                return if length == 0 { Some(at) } else { None };
            }
            each(code, block[..end].get(at..at + length)?);
            at += length.next_multiple_of(4);
        }
        if at == end { Some(at) } else { None }
    }

    /// Where a block at the beginning of `bytes` ends by what it holds and by the length behind that; nothing is
    /// taken from the length in front.
    pub(super) fn end_by_content(&self, bytes: &[u8]) -> Option<usize> {
        let data = match self.word(bytes.get(..8)?, 0) {
            kind::SECTION => 24,
            kind::INTERFACE => 16,
            kind::STATISTICS => 20,
            kind::SECRETS => {
                let length = self.word(bytes.get(..16)?, 12) as usize;
                16 + length.checked_next_multiple_of(4)?
            }
            kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET => {
                let captured = self.packet_head(bytes.get(..28)?).captured as usize;
                28 + captured.checked_next_multiple_of(4)?
            }
            kind::SIMPLE_PACKET => {
                let snap = self.interfaces.first().map_or(0, |i| i.snap_length);
                let original = self.word(bytes.get(..12)?, 8);
                let captured = if snap == 0 { original } else { original.min(snap) } as usize;
                12 + captured.checked_next_multiple_of(4)?
            }
            _ => return None,
        };
        let ends_at = |at: usize| {
            let trailing = bytes.get(at..at + 4)?;
            (self.word(trailing, 0) as usize == at + 4).then_some(at + 4)
        };
        // Options may follow, of which there are few bytes.
        let most = bytes.len().min(data + MOST_OPTIONS);
        ends_at(data).or_else(|| ends_at(self.options_end(&bytes[..most], data)?))
    }

    /// Where options that have an end of their own do end.
    fn options_end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let head = bytes.get(at..at + 4)?;
            at += 4 + usize::from(self.half(head, 2)).next_multiple_of(4);
            if head == [0; 4] {
                return Some(at);
            }
        }
    }

    /// The byte order and the length of the sane block that stands at `at`, which nothing speaks for but itself.
    pub(super) fn block_at(&self, bytes: &[u8], at: usize) -> Option<(bool, usize)> {
        let block = bytes.get(at..)?;
        let head = block.get(..12)?;
        if word(head, 0, false) == kind::SECTION {
            let big_endian = byte_order(head)?;
            return is_framed(block, big_endian, 28).map(|length| (big_endian, length));
        }
        [self.big_endian, !self.big_endian].into_iter().find_map(|big_endian| {
            let is_own = big_endian == self.big_endian;
            let kind = word(head, 0, big_endian);
            let least = match kind {
                kind::INTERFACE => 20,
                kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET => ENHANCED,
                kind::SIMPLE_PACKET if is_own => 16,
                kind::STATISTICS if is_own => 24,
                kind::NAMES | 7..=13 | 0x0bad | 0x4000_0bad | 0x8000_0001 if is_own => 16,
                _ => return None,
            };
            let length = is_framed(block, big_endian, least)?;
            // Blocks of small lengths, read three bytes off in the other byte order, have the same type and lengths.
            let is_filled = match kind {
                kind::INTERFACE => block[10..12] == [0; 2],
                kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET => {
                    word(block, 20, big_endian) as usize <= length - ENHANCED
                }
                _ => true,
            };
            is_filled.then_some((big_endian, length))
        })
    }

    /// What a block of an unknown type is by all that it holds.
    pub(super) fn reads_as(&self, block: &[u8]) -> Option<&'static str> {
        let length = block.len();
        if length >= 28 && byte_order(block).is_some() {
            return Some(A_SECTION);
        }
        if self.reads_as_a_packet(block) {
            return Some(A_PACKET);
        }
        // The first interface of a section, which all its packets need.
        let looks_like_an_interface = length >= 20
            && self.interfaces.is_empty()
            && self.half(block, 10) == 0
            && (length == 20 || block[length - 8..length - 4] == [0; 4])
            && self.options(block, 16, |_, _| {}).is_some();
        looks_like_an_interface.then_some(AN_INTERFACE)
    }

    /// True where a block of another type is an enhanced packet by all that it holds.
    pub(super) fn reads_as_a_packet(&self, block: &[u8]) -> bool {
        if block.len() < ENHANCED {
            return false;
        }
        let head = self.packet_head(block);
        let time = self.interfaces.get(head.interface as usize).and_then(|i| i.time(head.ticks));
        let is_near = match (time, self.last) {
            (Some(time), Some(last)) => time.abs_diff(last) <= 86_400_000_000_000,
            (time, _) => time.is_some_and(|time| time > 0),
        };
        let captured = head.captured as usize;
        is_near
            && (1..=block.len() - ENHANCED).contains(&captured)
            && head.captured <= head.original
            && self.options(block, 28 + captured.next_multiple_of(4), |_, _| {}).is_some()
    }
}

pub(super) const A_SECTION: &str = "a section header";
pub(super) const A_PACKET: &str = "an enhanced packet";
pub(super) const AN_INTERFACE: &str = "an interface description";

/// Bytes of options in which a block's end is looked for.
const MOST_OPTIONS: usize = 1 << 11;

/// The byte order that a section header says: true for big-endian.
pub(super) fn byte_order(block: &[u8]) -> Option<bool> {
    let raw = *block.get(8..12)?.first_chunk()?;
    if u32::from_be_bytes(raw) == pcapng::BOM_MAGIC {
        Some(true)
    } else if u32::from_le_bytes(raw) == pcapng::BOM_MAGIC {
        Some(false)
    } else {
        None
    }
}

/// The length of a block at the beginning of `bytes` that is the same in front and behind.
fn is_framed(bytes: &[u8], big_endian: bool, least: usize) -> Option<usize> {
    let length = word(bytes, 4, big_endian) as usize;
    let is_framed = (least..=FOUND_MOST).contains(&length)
        && length.is_multiple_of(4)
        && bytes.len() >= length
        && word(bytes, length - 4, big_endian) as usize == length;
    is_framed.then_some(length)
}

impl Interface {
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Option<i64> {
        if let Clock::Nanoseconds(each) = self.clock {
            let time = i64::try_from(ticks.checked_mul(each)?).ok()?;
            return time.checked_add(self.offset);
        }
        let ticks = i128::from(ticks) * 1_000_000_000;
        let time = match self.clock {
            Clock::Nanoseconds(_) | Clock::Unknown => return None,
            Clock::PerSecond(count) => ticks / i128::from(count),
            Clock::PowerOfTwo(power) => ticks >> power,
        };
        i64::try_from(time + i128::from(self.offset)).ok()
    }
}

impl Clock {
    /// `if_tsresol`: a negative power of ten, or of two where the highest bit is set.
    fn new(resolution: u8) -> Self {
        match resolution {
            0..=9 => Self::Nanoseconds(10u64.pow(9 - u32::from(resolution))),
            10..=19 => Self::PerSecond(10u64.pow(resolution.into())),
            0x80..=0xbf => Self::PowerOfTwo(resolution & 0x7f),
            _ => Self::Unknown,
        }
    }
}

use std::cell::Cell;
use std::io::Read;

use super::packets::{About, Comment, Comments, Packet, Packets, Secrets};
use super::pcap::{End, FILE_HEADER, Pcap, Record};
use super::pcapng::{self, ENHANCED, SECRETS, Section, kind};
use super::window::Window;
use super::{CaptureError, Fault, LinkType};

/// The container a capture came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// pcap with times in microseconds.
    Pcap,
    /// pcap with times in nanoseconds.
    PcapNanosecond,
    /// pcap with the longer records of Alexey Kuznetzov's patch.
    PcapModified,
    /// pcap as IXIA's hardware writes it: times in nanoseconds, and a longer header.
    PcapIxiaHardware,
    /// pcap as IXIA's software writes it: times in microseconds, and a longer header.
    PcapIxiaSoftware,
    /// pcapng.
    PcapNg,
}

impl CaptureFormat {
    /// `pcap`, `pcap (nanosecond)`, `pcap (modified)`, `pcap (IXIA hardware)`, `pcap (IXIA software)` or `pcapng`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNanosecond => "pcap (nanosecond)",
            Self::PcapModified => "pcap (modified)",
            Self::PcapIxiaHardware => "pcap (IXIA hardware)",
            Self::PcapIxiaSoftware => "pcap (IXIA software)",
            Self::PcapNg => "pcapng",
        }
    }
}

/// Reads a capture packet by packet through one reused buffer.
///
/// What is damaged is passed over up to where sane records begin, and is one error. A damaged record counts as a frame,
/// so that those behind it keep their numbers.
pub struct CaptureReader<R> {
    window: Window<R>,
    container: Container,
    frame: u64,
    current: Current,
    comments: Comments,
    secrets: Secrets,
    /// Blocks of a known type that could not be read and were passed over by their length.
    skipped_blocks: u64,
    has_ended: bool,
    /// Places at which a record was looked for.
    looked_at: Cell<u64>,
}

/// A record or block may have as many bytes (the largest that common tools write is 262,144 plus its header).
const MAX_RECORD: usize = super::pcap::MOST as usize;

/// Bytes behind a place that are read to see whether records begin there.
const LOOK_AHEAD: usize = 2 << 20;

/// What an interface's block is called.
const INTERFACE: &str = "interface description";

/// Places that are looked at before the window moves on.
const STEP: usize = 1 << 16;

#[allow(clippy::large_enum_variant)] // there is one for each open file
enum Container {
    Pcap(Pcap),
    PcapNg(Section),
}

/// The last packet: all but its bytes, which stand in front of the window.
#[derive(Clone, Copy)]
struct Current {
    time: Option<i64>,
    interface: u32,
    link: LinkType,
    /// Where its bytes begin, counted back from the window.
    back: usize,
    captured: usize,
    original_length: u32,
}

/// What has become of a block.
enum Step {
    Packet,
    Other,
    End,
}

/// A record or block that is given up.
struct Damage {
    what: &'static str,
    length: u32,
    fault: Fault,
    /// True where it was a packet, as far as can be seen.
    is_frame: bool,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// An empty file, a header that ends early, or the first bytes of something else.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(reader);
        let got = window.fill(FILE_HEADER);
        let head = &window.bytes()[..got.min(FILE_HEADER)];
        let truncated = |needed: usize, got: usize| CaptureError::Truncated {
            what: "pcap header",
            offset: 0,
            frame: 0,
            needed: needed as u64,
            got: got as u64,
        };
        let is_pcapng = matches!(head, [0x0a, 0x0d, 0x0d, 0x0a, ..]);
        let pcap = Pcap::new(head);
        let failure = if got < FILE_HEADER && !is_pcapng { window.take_failure() } else { None };
        if let Some(error) = failure {
            return Err(CaptureError::Io { offset: 0, error });
        }
        let container = match pcap {
            _ if got == 0 => return Err(CaptureError::Empty),
            _ if is_pcapng => Container::PcapNg(Section::default()),
            Some((pcap, length)) => {
                let got = window.fill(length);
                if got < length {
                    return Err(truncated(length, got));
                }
                window.take(length);
                Container::Pcap(pcap)
            }
            None => {
                let head = window.bytes();
                return Err(CaptureError::NotACapture { magic: head[..head.len().min(8)].to_vec() });
            }
        };
        let current = Current {
            time: None,
            interface: 0,
            link: LinkType(u16::MAX),
            back: 0,
            captured: 0,
            original_length: 0,
        };
        Ok(Self {
            window,
            container,
            frame: 0,
            current,
            comments: Comments::default(),
            secrets: Secrets::default(),
            skipped_blocks: 0,
            has_ended: false,
            looked_at: Cell::new(0),
        })
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> CaptureFormat {
        match &self.container {
            Container::Pcap(pcap) => pcap.format,
            Container::PcapNg(_) => CaptureFormat::PcapNg,
        }
    }

    /// Packets handed out so far, and damaged ones that were passed over.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frame
    }

    /// Blocks that could not be read and were passed over by their length.
    #[must_use]
    pub fn skipped_blocks(&self) -> u64 {
        self.skipped_blocks
    }

    /// Bytes read so far (behind decompression).
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Places at which a record was looked for, because there was none where it should have been.
    #[doc(hidden)]
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    /// The next packet; `None` at the file's end.
    ///
    /// # Errors
    /// A record that is cut off or damaged. What is behind a damaged one comes next; behind any other error is nothing.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        Ok(if Packets::advance(self)? { Some(Packets::packet(self)) } else { None })
    }

    #[inline]
    fn next_record(&mut self) -> Result<bool, CaptureError> {
        let Container::Pcap(pcap) = &mut self.container else { return Ok(false) };
        let head_length = pcap.head_length;
        if self.window.fill(head_length) >= head_length
            && let Some(record) = pcap.record_at(self.window.bytes(), 0)
            && pcap.is_clean(record, pcap.last_or(record))
        {
            let length = pcap.length(record);
            if self.window.fill(length + head_length) >= length + head_length
                && let Some(next) = pcap.record_at(self.window.bytes(), length)
                && pcap.is_clean(next, record.seconds)
            {
                pcap.remember(record);
                self.hand_out(record, length);
                return Ok(true);
            }
        }
        self.next_doubtful_record()
    }

    #[inline]
    fn hand_out(&mut self, record: Record, length: usize) {
        let Container::Pcap(pcap) = &self.container else { return };
        self.frame += 1;
        let captured = record.captured as usize;
        self.current = Current {
            time: Some(pcap.time(record)),
            interface: 0,
            link: pcap.link,
            back: captured,
            captured,
            original_length: record.original,
        };
        self.window.take(length);
    }

    /// The next record where it or the one behind it is not as it should be: it is read if what is behind it shows that
    /// its length is right.
    #[cold]
    fn next_doubtful_record(&mut self) -> Result<bool, CaptureError> {
        let Container::Pcap(pcap) = &self.container else { return Ok(false) };
        let head_length = pcap.head_length;
        let got = self.window.fill(head_length);
        if got == 0 {
            return self.end();
        }
        let Some(record) = pcap.record_at(self.window.bytes(), 0) else {
            self.frame += 1;
            return Err(self.cut("packet record", self.frame, head_length, got));
        };
        let damage = |fault| Damage { what: "packet record", length: record.captured, fault, is_frame: true };
        if record.captured as usize > MAX_RECORD {
            return Err(self.give_up(damage(Fault::Length), 1, Some(record)));
        }
        let length = pcap.length(record);
        let got = self.window.fill(length + LOOK_AHEAD);
        if got < length {
            // A file that was cut has nothing behind the cut. A wrong length has the records that it runs over.
            if let Some(at) = self.find(1, got) {
                return Err(self.damaged(damage(Fault::LeadsNowhere), at));
            }
            self.frame += 1;
            return Err(self.cut("packet record", self.frame, length, got));
        }
        let end = self.what_comes();
        let bytes = self.window.bytes();
        let Container::Pcap(pcap) = &self.container else { return Ok(false) };
        let next = pcap.record_at(bytes, length);
        let next_leads_on = || {
            let original = next.map_or(u32::MAX, |next| next.original);
            let next = Record { captured: original, ..record };
            original as usize <= LOOK_AHEAD / 2 && pcap.begins(bytes, length + pcap.length(next), end)
        };
        let by_original = head_length + record.original as usize;
        // A wrong length may lead to a record, over others that it takes in.
        if record.captured > record.original && pcap.begins(bytes, by_original, end) {
            return Err(self.damaged(damage(Fault::LeadsNowhere), by_original));
        }
        if !pcap.leads_on(bytes, record, end) && !next_leads_on() {
            let is_cut_oddly =
                pcap.is_oddly_cut(record) && !next.is_some_and(|next| pcap.is_near_last(next, record));
            let may_be_one = pcap.is_fair(record) && !is_cut_oddly;
            if record.captured < record.original
                && by_original <= LOOK_AHEAD
                && pcap.begins(bytes, by_original, end)
            {
                return Err(self.damaged(damage(Fault::LeadsNowhere), by_original));
            }
            if let Some(at) = self.find(1, length) {
                return Err(self.damaged(damage(Fault::LeadsNowhere), at));
            }
            if !may_be_one {
                return Err(self.give_up(damage(Fault::LeadsNowhere), length, None));
            }
        }
        let Container::Pcap(pcap) = &mut self.container else { return Ok(false) };
        pcap.remember_odd(record, next);
        self.hand_out(record, length);
        Ok(true)
    }

    fn next_block_packet(&mut self) -> Result<bool, CaptureError> {
        loop {
            let Container::PcapNg(section) = &mut self.container else { return Ok(false) };
            if self.window.fill(ENHANCED) >= ENHANCED {
                let bytes = self.window.bytes();
                let length = section.word(bytes, 4) as usize;
                if section.word(bytes, 0) == kind::ENHANCED_PACKET
                    && (ENHANCED..=MAX_RECORD).contains(&length)
                    && length.is_multiple_of(4)
                    && self.window.fill(length) >= length
                {
                    let block = &self.window.bytes()[..length];
                    let head = section.packet_head(block);
                    let captured = head.captured as usize;
                    // Less than four bytes behind the data are its padding; what is more are options.
                    if section.word(block, length - 4) as usize == length
                        && captured <= length - ENHANCED
                        && length - ENHANCED - captured < 4
                    {
                        let interface = section.interfaces.get(head.interface as usize);
                        let time = interface.and_then(|interface| interface.time(head.ticks));
                        let link = interface.map_or(LinkType(u16::MAX), |interface| interface.link);
                        section.last = time;
                        self.frame += 1;
                        self.current = Current {
                            time,
                            interface: head.interface,
                            link,
                            back: length - 28,
                            captured,
                            original_length: head.original,
                        };
                        self.window.take(length);
                        return Ok(true);
                    }
                }
            }
            match self.next_block()? {
                Step::Packet => return Ok(true),
                Step::Other => {}
                Step::End => return Ok(false),
            }
        }
    }

    /// Any block.
    #[cold]
    fn next_block(&mut self) -> Result<Step, CaptureError> {
        let Container::PcapNg(section) = &mut self.container else { return Ok(Step::End) };
        let got = self.window.fill(12);
        if got == 0 {
            return self.end().map(|_| Step::End);
        }
        if got < 12 {
            return Err(self.cut("block", self.frame + 1, 12, got));
        }
        let head = self.window.bytes();
        let is_section = head[..4] == kind::SECTION.to_be_bytes();
        let order = pcapng::byte_order(head);
        let magic = [head[8], head[9], head[10], head[11]];
        if is_section {
            // Without a magic, the order in which the length is the smaller number.
            let length = |big_endian| super::pcap::word(head, 4, big_endian);
            let big_endian = order.unwrap_or(length(true) < length(false));
            section.restart(big_endian);
        }
        let length = section.word(head, 4);
        let kind = section.word(head, 0);
        let what = match kind {
            kind::SECTION => "section header",
            kind::INTERFACE => INTERFACE,
            kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET | kind::SIMPLE_PACKET => "packet block",
            kind::SECRETS => "decryption secrets",
            _ => "block",
        };
        let is_frame = !matches!(
            kind,
            kind::SECTION | kind::INTERFACE | kind::NAMES | kind::STATISTICS | 7
                ..=13 | 0x0bad | 0x4000_0bad | 0x8000_0001
        );
        let damage = |fault| Damage { what, length, fault, is_frame };
        let size = length as usize;
        if !(12..=MAX_RECORD).contains(&size) || !size.is_multiple_of(4) {
            return Err(self.give_up(damage(Fault::Length), 1, None));
        }
        let got = self.window.fill(size);
        if got < size {
            if let Some(at) = self.end_by_content().or_else(|| self.find(1, got)) {
                return Err(self.damaged(damage(Fault::LeadsNowhere), at));
            }
            return Err(self.cut("block", self.frame + 1, size, got));
        }
        let Container::PcapNg(section) = &mut self.container else { return Ok(Step::End) };
        let block = &self.window.bytes()[..size];
        let trailing = section.word(block, size - 4);
        if trailing != length {
            return Err(self.give_up(damage(Fault::TrailingLength(trailing)), 1, None));
        }
        if is_section && order.is_none() {
            return Err(self.damaged(damage(Fault::ByteOrder(magic)), size));
        }
        let reads_as = match kind {
            kind::SECTION | kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET => None,
            _ if !is_frame || kind == kind::SIMPLE_PACKET => {
                section.reads_as_a_packet(block).then_some(pcapng::A_PACKET)
            }
            _ => section.reads_as(block),
        };
        if let Some(reads_as) = reads_as {
            if reads_as == pcapng::AN_INTERFACE {
                section.add_interface(block, self.frame + 1, &mut self.comments);
            }
            let is_frame = reads_as == pcapng::A_PACKET;
            let damage = Damage { what: "block", is_frame, ..damage(Fault::Type { got: kind, reads_as }) };
            return Err(self.damaged(damage, size));
        }
        match kind {
            kind::SECTION if size >= 28 => {
                let (comments, frame) = (&mut self.comments, self.frame + 1);
                section.options(block, 24, |code, text| {
                    if code == 1 {
                        comments.add(About::Section, frame, text);
                    }
                });
            }
            kind::INTERFACE => {
                let is_read = section.add_interface(block, self.frame + 1, &mut self.comments);
                self.skipped_blocks += u64::from(!is_read);
            }
            kind::ENHANCED_PACKET | kind::OBSOLETE_PACKET if size >= ENHANCED => {
                return self.packet_block(size, damage);
            }
            kind::SIMPLE_PACKET if size >= 16 => {
                let interface = section.interfaces.first();
                let original = section.word(block, 8);
                let snap = interface.map_or(0, |interface| interface.snap_length);
                let snap = if snap == 0 { u32::MAX } else { snap };
                let captured = (original.min(snap) as usize).min(size - 16);
                let link = interface.map_or(LinkType(u16::MAX), |interface| interface.link);
                self.frame += 1;
                self.current = Current {
                    time: None,
                    interface: 0,
                    link,
                    back: size - 12,
                    captured,
                    original_length: original,
                };
                self.window.take(size);
                return Ok(Step::Packet);
            }
            kind::SECRETS if size >= SECRETS => match section.key_log(block) {
                Ok(Some(lines)) => self.secrets.add(lines),
                Ok(None) => self.secrets.left_out += 1,
                Err(length) => return Err(self.damaged(damage(Fault::SecretsLength(length)), size)),
            },
            kind::SECTION
            | kind::ENHANCED_PACKET
            | kind::OBSOLETE_PACKET
            | kind::SIMPLE_PACKET
            | kind::SECRETS => self.skipped_blocks += 1,
            _ => {}
        }
        self.window.take(size);
        Ok(Step::Other)
    }

    /// A packet block with options, or of the obsolete type, or with lengths that do not fit.
    fn packet_block(&mut self, size: usize, damage: impl Fn(Fault) -> Damage) -> Result<Step, CaptureError> {
        let Container::PcapNg(section) = &mut self.container else { return Ok(Step::End) };
        let block = &self.window.bytes()[..size];
        let is_obsolete = section.word(block, 0) == kind::OBSOLETE_PACKET;
        let head = if is_obsolete { section.obsolete_head(block) } else { section.packet_head(block) };
        let captured = head.captured as usize;
        let fault = Fault::CapturedLength(head.captured);
        if captured > size - ENHANCED {
            return Err(self.damaged(damage(fault), size));
        }
        let frame = self.frame + 1;
        let at = (28 + captured.next_multiple_of(4)).min(size - 4);
        let options_end = section.options(block, at, |_, _| {});
        let original = head.original as usize;
        if options_end != Some(size - 4)
            && captured < original
            && size - ENHANCED >= original
            && original.next_multiple_of(4) + ENHANCED == size
        {
            return Err(self.damaged(damage(fault), size));
        }
        // A length that was changed can happen to find itself behind: in the head of a block that it takes in.
        if options_end != Some(size - 4)
            && let Some(at) = self.end_by_content().filter(|&at| at < size)
        {
            return Err(self.damaged(damage(Fault::LeadsNowhere), at));
        }
        let Container::PcapNg(section) = &mut self.container else { return Ok(Step::End) };
        let block = &self.window.bytes()[..size];
        if options_end.is_some() {
            let comments = &mut self.comments;
            section.options(block, at, |code, text| {
                if code == 1 {
                    comments.add(About::Packet, frame, text);
                }
            });
        }
        let interface = section.interfaces.get(head.interface as usize);
        let time = interface.and_then(|interface| interface.time(head.ticks));
        let link = interface.map_or(LinkType(u16::MAX), |interface| interface.link);
        section.last = time;
        self.frame = frame;
        self.current = Current {
            time,
            interface: head.interface,
            link,
            back: size - 28,
            captured,
            original_length: head.original,
        };
        self.window.take(size);
        Ok(Step::Packet)
    }

    /// Gives up the record at the window's beginning and goes where it ends by what else it says, or to the next sane
    /// record at `from` or behind.
    fn give_up(&mut self, damage: Damage, from: usize, record: Option<Record>) -> CaptureError {
        let hint = match record {
            Some(record) => self.end_by_original(record),
            None => self.end_by_content().or_else(|| self.end_by_length(&damage)),
        };
        if let Some(at) = hint {
            return self.damaged(damage, at);
        }
        let start = self.window.offset();
        let mut from = from;
        loop {
            let wanted = from + STEP + LOOK_AHEAD;
            let got = self.window.fill(wanted);
            let to = if got < wanted { got } else { from + STEP };
            let found = self.find(from, to);
            if found.is_some() || got < wanted {
                return self.damaged_since(start, damage, found);
            }
            self.window.take(to);
            from = 0;
        }
    }

    /// Where a pcap record ends if its packet was captured whole, and records begin there.
    fn end_by_original(&mut self, record: Record) -> Option<usize> {
        let Container::Pcap(pcap) = &self.container else { return None };
        let length = pcap.head_length + record.original as usize;
        if length > LOOK_AHEAD {
            return None;
        }
        self.window.fill(length + LOOK_AHEAD);
        let bytes = self.window.bytes();
        (length <= bytes.len() && pcap.begins(bytes, length, self.what_comes())).then_some(length)
    }

    /// Where a block ends by its length, if only the one behind it is wrong.
    fn end_by_length(&mut self, damage: &Damage) -> Option<usize> {
        let length = damage.length as usize;
        if !matches!(damage.fault, Fault::TrailingLength(_)) {
            return None;
        }
        self.window.fill(length + LOOK_AHEAD);
        self.stands_at(length).then_some(length)
    }

    /// Where a block ends by what it holds.
    fn end_by_content(&mut self) -> Option<usize> {
        self.window.fill(LOOK_AHEAD);
        let Container::PcapNg(section) = &self.container else { return None };
        section.end_by_content(self.window.bytes()).filter(|&at| self.stands_at(at))
    }

    /// True where a sane block stands at that place of the window, or the file ends.
    fn stands_at(&self, at: usize) -> bool {
        let Container::PcapNg(section) = &self.container else { return false };
        let bytes = self.window.bytes();
        section.block_at(bytes, at).is_some() || (at == bytes.len() && self.what_comes() == End::OfFile)
    }

    /// The first place of the window within `from..to` where a sane record begins.
    fn find(&self, from: usize, to: usize) -> Option<usize> {
        let (bytes, end) = (self.window.bytes(), self.what_comes());
        let found = match &self.container {
            Container::Pcap(pcap) => (from..to).find(|&at| pcap.begins(bytes, at, end)),
            Container::PcapNg(section) => (from..to).find(|&at| section.block_at(bytes, at).is_some()),
        };
        let looked_at = found.unwrap_or(to).saturating_sub(from) as u64;
        self.looked_at.set(self.looked_at.get() + looked_at);
        found
    }

    fn what_comes(&self) -> End {
        match (self.window.is_at_end(), self.window.has_failed()) {
            (false, _) => End::Open,
            (true, false) => End::OfFile,
            (true, true) => End::Failed,
        }
    }

    fn damaged(&mut self, damage: Damage, at: usize) -> CaptureError {
        self.damaged_since(self.window.offset(), damage, Some(at))
    }

    /// Goes on `at` bytes behind the window's beginning, or to the file's end, and says what was passed over since
    /// `start`.
    fn damaged_since(&mut self, start: u64, damage: Damage, at: Option<usize>) -> CaptureError {
        let got = self.window.bytes().len();
        let to = at.unwrap_or(got);
        let passed = self.window.offset() + to as u64 - start;
        let frame = self.frame + 1;
        let is_sane = at.is_some() && (to < got || self.what_comes() != End::OfFile);
        let mut least = 0;
        let mut is_frame = damage.is_frame;
        match &mut self.container {
            // Fewer bytes than a header has were put there, or are left over of a record that was cut.
            Container::Pcap(pcap) => least = pcap.head_length as u64,
            Container::PcapNg(section) => {
                let bytes = self.window.bytes();
                if start == self.window.offset() && at.is_some() {
                    let block = &bytes[..to];
                    // What the packets behind it need is read, where it is not this itself that is wrong.
                    if let Some(big_endian) = pcapng::byte_order(block) {
                        is_frame = false;
                        section.restart(big_endian);
                    } else if section.reads_as_a_packet(block) {
                        is_frame = true;
                    } else if damage.what == INTERFACE {
                        section.add_interface(block, frame, &mut self.comments);
                    }
                }
                if let Some((big_endian, _)) = section.block_at(bytes, to)
                    && big_endian != section.big_endian
                {
                    section.restart(big_endian);
                }
            }
        }
        self.frame += u64::from(is_frame && passed >= least);
        self.window.take(to);
        CaptureError::Damaged {
            what: damage.what,
            offset: start,
            frame,
            length: damage.length.into(),
            most: MAX_RECORD as u64,
            fault: damage.fault,
            passed,
            resumes: is_sane.then_some(self.window.offset()),
        }
    }

    /// The file's end, between two records.
    fn end(&mut self) -> Result<bool, CaptureError> {
        self.has_ended = true;
        match self.window.take_failure() {
            Some(error) => Err(CaptureError::Io { offset: self.window.offset(), error }),
            None => Ok(false),
        }
    }

    /// The file's end, inside a record.
    fn cut(&mut self, what: &'static str, frame: u64, needed: usize, got: usize) -> CaptureError {
        self.has_ended = true;
        let offset = self.window.offset();
        match self.window.take_failure() {
            Some(error) => CaptureError::Io { offset, error },
            None => CaptureError::Truncated { what, offset, frame, needed: needed as u64, got: got as u64 },
        }
    }
}

impl<R: Read> Packets for CaptureReader<R> {
    #[inline]
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if self.has_ended {
            return Ok(false);
        }
        match self.container {
            Container::Pcap(_) => self.next_record(),
            Container::PcapNg(_) => self.next_block_packet(),
        }
    }

    #[inline]
    fn packet(&self) -> Packet<'_> {
        let Current { time, interface, link, back, captured, original_length } = self.current;
        Packet {
            frame: self.frame,
            time,
            interface,
            link,
            data: self.window.taken(back, captured),
            original_length,
        }
    }

    fn offset(&self) -> u64 {
        self.window.offset()
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        self.comments.take()
    }

    fn comments_left_out(&self) -> u64 {
        self.comments.left_out
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        self.secrets.take()
    }

    fn secrets_left_out(&self) -> u64 {
        self.secrets.left_out
    }

    fn skipped_blocks(&self) -> u64 {
        self.skipped_blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (u64, Option<i64>, Vec<u8>);

    fn read(bytes: &[u8]) -> (Vec<Read>, Option<String>) {
        let mut packets = Vec::new();
        let mut reader = match CaptureReader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (packets, Some(error.to_string())),
        };
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) => packets.push((packet.frame, packet.time, packet.data.to_vec())),
                Ok(None) => return (packets, None),
                Err(error) => return (packets, Some(error.to_string())),
            }
        }
    }

    fn pcap(magic: u32, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
        for (seconds, fraction, data) in records {
            let length = u32::try_from(data.len()).unwrap();
            for word in [*seconds, *fraction, length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn micro_and_nanoseconds_are_told_apart() {
        let records: &[(u32, u32, &[u8])] = &[(1, 2, b"ab"), (3, 4, b"")];
        assert_eq!(
            read(&pcap(0xa1b2_c3d4, records)),
            (vec![(1, Some(1_000_002_000), b"ab".to_vec()), (2, Some(3_000_004_000), vec![])], None)
        );
        assert_eq!(read(&pcap(0xa1b2_3c4d, records)).0[0].1, Some(1_000_000_002));
    }

    #[test]
    fn an_empty_file_and_one_of_another_kind_are_one_complaint() {
        assert_eq!(read(b"").1.unwrap(), "empty file: needed 24 bytes of a capture's header, got 0");
        assert_eq!(
            read(b"PK\x03\x04 and so on").1.unwrap(),
            "not a capture: the first bytes are 504b030420616e64"
        );
        assert_eq!(
            read(b"# Captures of real").1.unwrap(),
            "not a capture: the first bytes are 2320436170747572 (\"# Captur\")"
        );
        assert_eq!(
            read(&pcap(0xa1b2_c3d4, &[])[..20]).1.unwrap(),
            "truncated file: pcap header at file offset 0: needed 24 bytes, got 20"
        );
    }

    #[test]
    fn a_record_that_is_cut_off_is_placed_and_those_before_it_are_read() {
        let bytes = pcap(0xa1b2_c3d4, &[(1, 2, b"abcd"), (3, 4, b"efgh")]);
        let (packets, error) = read(&bytes[..bytes.len() - 1]);
        assert_eq!(packets.len(), 1);
        assert_eq!(
            error.unwrap(),
            "truncated file: packet record at file offset 44: needed 20 bytes, got 19"
        );
    }

    #[test]
    fn a_record_of_impossible_length_is_placed_and_allocates_nothing() {
        let mut bytes = pcap(0xa1b2_c3d4, &[(1, 2, b"abcd")]);
        bytes[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            read(&bytes).1.unwrap(),
            "damaged packet record at file offset 24: length 4294967295 is not within 0..=16777216; 20 bytes passed over, \
             no sane record behind it"
        );
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        let length = u32::try_from(12 + body.len().next_multiple_of(4)).unwrap();
        bytes.extend(length.to_le_bytes());
        bytes.extend(body);
        bytes.resize(8 + body.len().next_multiple_of(4), 0);
        bytes.extend(length.to_le_bytes());
        bytes
    }

    #[test]
    fn pcapng_interfaces_have_their_own_resolution_and_unknown_blocks_are_passed_over() {
        let section =
            block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let nanoseconds = block(1, &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let unknown = block(0x0bad_cafe, b"whatever");
        let packet =
            block(6, &[0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, b'x', b'y', b'z']);
        let simple = block(3, &[2, 0, 0, 0, b'p', b'q']);
        let bytes = [section, nanoseconds, unknown, packet, simple].concat();
        assert_eq!(read(&bytes), (vec![(1, Some(7), b"xyz".to_vec()), (2, None, b"pq".to_vec())], None));
    }
}

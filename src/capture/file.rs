use std::io::{self, Read};

use pcap_parser::pcapng::Block;
use pcap_parser::{PcapHeader, parse_block_be, parse_block_le, parse_pcap_header};

use super::window::Window;
use super::{CaptureError, LinkType};

/// One packet of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the packet in its file, from 1.
    pub frame: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z; `None` in blocks that carry no time.
    pub time: Option<i64>,
    /// The link layer of the interface it was captured on.
    pub link: LinkType,
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// Bytes that the packet had on the wire.
    pub original_length: u32,
}

/// The container a capture came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// pcap with times in microseconds.
    Pcap,
    /// pcap with times in nanoseconds.
    PcapNanosecond,
    /// pcap with the longer records of Alexey Kuznetzov's patch.
    PcapModified,
    /// pcapng.
    PcapNg,
}

impl CaptureFormat {
    /// `pcap`, `pcap (nanosecond)`, `pcap (modified)` or `pcapng`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNanosecond => "pcap (nanosecond)",
            Self::PcapModified => "pcap (modified)",
            Self::PcapNg => "pcapng",
        }
    }
}

/// Reads a capture packet by packet through one reused buffer.
pub struct CaptureReader<R> {
    window: Window<R>,
    container: Container,
    frame: u64,
    /// Blocks of a known type that could not be read and were passed over by their length.
    skipped_blocks: u64,
}

/// A record or block may have as many bytes (the largest that common tools write is 262,144 plus its header).
const MAX_RECORD: usize = 16 << 20;

/// Interfaces of one pcapng section that are kept; packets of later ones read as those of an unknown link type.
const MAX_INTERFACES: usize = 4096;

enum Container {
    Pcap { format: CaptureFormat, big_endian: bool, link: LinkType },
    PcapNg { big_endian: bool, interfaces: Vec<Interface> },
}

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    /// Units of a timestamp in a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
    snap_length: u32,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// An empty file, a header that ends early, or the first bytes of something else.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(reader);
        let got = fill(&mut window, 24)?;
        let head = window.bytes(got.min(24));
        let truncated =
            |what| CaptureError::Truncated { what, offset: 0, frame: 0, needed: 24, got: got as u64 };
        let container = match head {
            [] => return Err(CaptureError::Empty),
            [0x0a, 0x0d, 0x0d, 0x0a, ..] => Container::PcapNg { big_endian: false, interfaces: Vec::new() },
            _ => match parse_pcap_header(head) {
                Ok((_, header)) => {
                    window.take(24);
                    pcap_container(&header)
                }
                Err(pcap_parser::nom::Err::Incomplete(_)) if got >= 4 => {
                    return Err(truncated("pcap header"));
                }
                Err(_) => {
                    return Err(CaptureError::NotACapture { magic: head[..head.len().min(8)].to_vec() });
                }
            },
        };
        Ok(Self { window, container, frame: 0, skipped_blocks: 0 })
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> CaptureFormat {
        match &self.container {
            Container::Pcap { format, .. } => *format,
            Container::PcapNg { .. } => CaptureFormat::PcapNg,
        }
    }

    /// Packets handed out so far.
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

    /// The next packet; `None` at the file's end.
    ///
    /// # Errors
    /// A record that is cut off or damaged. There is nothing behind an error.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        match self.container {
            Container::Pcap { format, big_endian, link } => self.next_record(format, big_endian, link),
            Container::PcapNg { .. } => self.next_block_packet(),
        }
    }

    fn next_record(
        &mut self,
        format: CaptureFormat,
        big_endian: bool,
        link: LinkType,
    ) -> Result<Option<Packet<'_>>, CaptureError> {
        let head_length = if format == CaptureFormat::PcapModified { 24 } else { 16 };
        let offset = self.window.offset();
        let got = fill(&mut self.window, head_length)?;
        if got == 0 {
            return Ok(None);
        }
        self.frame += 1;
        let frame = self.frame;
        let truncated = |needed: usize, got: usize| CaptureError::Truncated {
            what: "packet record",
            offset,
            frame,
            needed: needed as u64,
            got: got as u64,
        };
        if got < head_length {
            return Err(truncated(head_length, got));
        }
        let head = self.window.bytes(head_length);
        let word = |at: usize| {
            let raw = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            if big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
        };
        let (seconds, fraction, captured, original_length) = (word(0), word(4), word(8), word(12));
        let captured = captured as usize;
        if captured > MAX_RECORD {
            let (length, most) = (captured as u64, MAX_RECORD as u64);
            return Err(CaptureError::Damaged { what: "packet record", offset, frame, length, most });
        }
        let length = head_length + captured;
        let got = fill(&mut self.window, length)?;
        if got < length {
            return Err(truncated(length, got));
        }
        let unit = if format == CaptureFormat::PcapNanosecond { 1 } else { 1000 };
        let time = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * unit;
        let data = &self.window.take(length)[head_length..];
        Ok(Some(Packet { frame, time: Some(time), link, data, original_length }))
    }

    fn next_block_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        loop {
            let Some(length) = self.fill_block()? else { return Ok(None) };
            let Container::PcapNg { big_endian, interfaces } = &mut self.container else { return Ok(None) };
            let block = self.window.bytes(length);
            let parsed = if *big_endian { parse_block_be(block) } else { parse_block_le(block) };
            // What is needed of a packet is kept apart from the block, which has to be taken off the window first.
            let packet = match parsed {
                Ok((_, Block::SectionHeader(_))) => {
                    interfaces.clear();
                    None
                }
                Ok((_, Block::InterfaceDescription(description))) => {
                    if interfaces.len() < MAX_INTERFACES {
                        interfaces.push(Interface {
                            link: link_type(description.linktype),
                            resolution: description.ts_resolution().unwrap_or(1_000_000),
                            offset: description.if_tsoffset,
                            snap_length: description.snaplen,
                        });
                    }
                    None
                }
                Ok((_, Block::EnhancedPacket(packet))) => {
                    let interface = interfaces.get(packet.if_id as usize);
                    let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    let time = interface.and_then(|interface| interface.time(ticks));
                    Some((28, packet.caplen, packet.origlen, interface.map(|i| i.link), time))
                }
                Ok((_, Block::SimplePacket(packet))) => {
                    let interface = interfaces.first();
                    let room = u32::try_from(length - 16).unwrap_or(u32::MAX);
                    let snap = interface.map_or(0, |i| i.snap_length);
                    let snap = if snap == 0 { u32::MAX } else { snap };
                    let captured = packet.origlen.min(snap).min(room);
                    Some((12, captured, packet.origlen, interface.map(|i| i.link), None))
                }
                Ok(_) => None,
                Err(_) => {
                    self.skipped_blocks += 1;
                    None
                }
            };
            if let Some((at, captured, original_length, link, time)) = packet {
                self.frame += 1;
                let block = self.window.take(length);
                let end = (at + captured as usize).min(block.len() - 4);
                let link = link.unwrap_or(LinkType(u16::MAX));
                return Ok(Some(Packet {
                    frame: self.frame,
                    time,
                    link,
                    data: &block[at..end],
                    original_length,
                }));
            }
            self.window.take(length);
        }
    }

    /// Brings the next block into the window whole, and tells its length. A section header sets the byte order.
    fn fill_block(&mut self) -> Result<Option<usize>, CaptureError> {
        let offset = self.window.offset();
        let frame = self.frame + 1;
        let got = fill(&mut self.window, 12)?;
        if got == 0 {
            return Ok(None);
        }
        let truncated = |needed: usize, got: usize| CaptureError::Truncated {
            what: "block",
            offset,
            frame,
            needed: needed as u64,
            got: got as u64,
        };
        if got < 12 {
            return Err(truncated(12, got));
        }
        let head = self.window.bytes(12);
        let Container::PcapNg { big_endian, .. } = &mut self.container else { return Ok(None) };
        if head[..4] == [0x0a, 0x0d, 0x0d, 0x0a] {
            *big_endian = head[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
        }
        let raw = [head[4], head[5], head[6], head[7]];
        let length = if *big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) } as usize;
        if !(12..=MAX_RECORD).contains(&length) || !length.is_multiple_of(4) {
            let (length, most) = (length as u64, MAX_RECORD as u64);
            return Err(CaptureError::Damaged { what: "block", offset, frame, length, most });
        }
        let got = fill(&mut self.window, length)?;
        if got < length {
            return Err(truncated(length, got));
        }
        Ok(Some(length))
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Option<i64> {
        let resolution = i128::from(self.resolution.max(1));
        let nanoseconds =
            i128::from(ticks) * 1_000_000_000 / resolution + i128::from(self.offset) * 1_000_000_000;
        i64::try_from(nanoseconds).ok()
    }
}

fn fill<R: Read>(window: &mut Window<R>, count: usize) -> Result<usize, CaptureError> {
    window.fill(count).map_err(|error: io::Error| CaptureError::Io { offset: window.offset(), error })
}

fn pcap_container(header: &PcapHeader) -> Container {
    let format = if header.is_modified_format() {
        CaptureFormat::PcapModified
    } else if header.is_nanosecond_precision() {
        CaptureFormat::PcapNanosecond
    } else {
        CaptureFormat::Pcap
    };
    Container::Pcap { format, big_endian: header.is_bigendian(), link: link_type(header.network) }
}

/// The low 16 bits; the upper ones of a pcap header say how long the frame check sequence is.
fn link_type(link: pcap_parser::Linktype) -> LinkType {
    let [a, b, ..] = link.0.to_le_bytes();
    LinkType(u16::from_le_bytes([a, b]))
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
            "damaged packet record at file offset 24: length 4294967295 is not within 0..=16777216"
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

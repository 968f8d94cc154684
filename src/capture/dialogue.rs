use std::io::{self, Write};
use std::net::IpAddr;

use super::layers::checksum::{fold, sum};
use super::{CaptureError, Comment, Direction, Endpoint, LinkType, Packet, Packets, PcapngWriter};

/// A TCP connection that was made, not captured: what its two sides sent, written as the packets that a capture of it
/// would have (IP without a link layer, checksums right, no retransmissions).
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
///
/// use volact::capture::{Dialogue, Direction, Endpoint};
/// use volact::trace::{Observer, Options, Summary, trace};
///
/// let side = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
/// let mut dialogue = Dialogue::new(side(50000), side(1688), 1_700_000_000_000_000_000);
/// dialogue.send(Direction::ToServer, 1_700_000_000_001_000_000, b"not a bind");
/// dialogue.close(Direction::ToServer, 1_700_000_000_002_000_000);
/// let mut file = Vec::new();
/// Dialogue::write(std::slice::from_ref(&dialogue), &mut file, "made for a test")?;
///
/// struct Ignore;
/// impl Observer for Ignore {}
/// assert_eq!(trace("made", &file[..], &Options::default(), &mut Ignore).connections, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dialogue {
    client: Endpoint,
    server: Endpoint,
    steps: Vec<Step>,
    /// Sequence number of what each side sends next.
    next: [u32; 2],
}

/// A packet of a dialogue.
#[derive(Clone, Debug)]
struct Step {
    /// Nanoseconds since 1970.
    time: u64,
    datagram: Vec<u8>,
}

/// Payload of a packet at most.
const SEGMENT: usize = 16_384;

// The control bits of RFC 9293 3.1.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

impl Dialogue {
    /// A connection that was established at this time, in nanoseconds since 1970.
    #[must_use]
    pub fn new(client: Endpoint, server: Endpoint, time: u64) -> Self {
        let mut dialogue = Self::unopened(client, server);
        dialogue.packet(Direction::ToServer, time, SYN, &[]);
        dialogue.next[0] = dialogue.next[0].wrapping_add(1);
        dialogue.packet(Direction::ToClient, time, SYN | ACK, &[]);
        dialogue.next[1] = dialogue.next[1].wrapping_add(1);
        dialogue.packet(Direction::ToServer, time, ACK, &[]);
        dialogue
    }

    /// A connection that the server refused at this time.
    #[must_use]
    pub fn refused(client: Endpoint, server: Endpoint, time: u64) -> Self {
        let mut dialogue = Self::unopened(client, server);
        dialogue.packet(Direction::ToServer, time, SYN, &[]);
        dialogue.next[0] = dialogue.next[0].wrapping_add(1);
        dialogue.packet(Direction::ToClient, time, RST | ACK, &[]);
        dialogue
    }

    fn unopened(client: Endpoint, server: Endpoint) -> Self {
        Self { client, server, steps: Vec::new(), next: [1000, 2000] }
    }

    /// A side has sent bytes.
    pub fn send(&mut self, direction: Direction, time: u64, bytes: &[u8]) {
        for part in bytes.chunks(SEGMENT) {
            self.packet(direction, time, PSH | ACK, part);
            let length = u32::try_from(part.len()).unwrap_or_default(); // at most SEGMENT
            let next = &mut self.next[direction as usize];
            *next = next.wrapping_add(length);
        }
    }

    /// A side has sent its FIN.
    pub fn close(&mut self, direction: Direction, time: u64) {
        self.packet(direction, time, FIN | ACK, &[]);
        let next = &mut self.next[direction as usize];
        *next = next.wrapping_add(1);
    }

    /// A side has reset the connection.
    pub fn reset(&mut self, direction: Direction, time: u64) {
        self.packet(direction, time, RST | ACK, &[]);
    }

    /// How many packets it is so far.
    #[must_use]
    pub fn packet_count(&self) -> usize {
        self.steps.len()
    }

    /// Writes dialogues into one pcapng file, their packets in the order of their times.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(dialogues: &[Self], out: impl Write, comment: &str) -> io::Result<()> {
        let mut writer = PcapngWriter::new(out, comment)?;
        let interface = writer.add_interface(LinkType::RAW, "", "")?;
        for step in in_order(dialogues) {
            writer.packet(interface, step.time, &step.datagram)?;
        }
        writer.finish().map(drop)
    }

    /// The packets of dialogues, as a capture of them has them.
    #[must_use]
    pub fn packets(dialogues: &[Self]) -> impl Packets + Send + '_ {
        DialoguePackets { steps: in_order(dialogues), taken: 0, offset: 0 }
    }

    fn packet(&mut self, direction: Direction, time: u64, flags: u8, payload: &[u8]) {
        let (from, to) = match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        };
        let sequence = self.next[direction as usize];
        let acknowledged = if flags & ACK != 0 { self.next[direction.opposite() as usize] } else { 0 };
        let mut segment = Vec::with_capacity(20 + payload.len());
        segment.extend(from.port.to_be_bytes());
        segment.extend(to.port.to_be_bytes());
        segment.extend(sequence.to_be_bytes());
        segment.extend(acknowledged.to_be_bytes());
        segment.extend([5 << 4, flags]);
        segment.extend([0xff, 0xff, 0, 0, 0, 0]); // window, checksum, urgent pointer
        segment.extend_from_slice(payload);
        let length = u32::try_from(segment.len()).unwrap_or_default(); // at most SEGMENT and a header
        let pseudo = [length >> 16, length & 0xffff, 6];
        let sums = sum(&octets(from.address)) + sum(&octets(to.address)) + sum(&segment);
        let checksum = !fold(sums + u64::from(pseudo.iter().sum::<u32>()));
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        let mut datagram = header(from.address, to.address, segment.len());
        datagram.extend_from_slice(&segment);
        self.steps.push(Step { time, datagram });
    }
}

struct DialoguePackets<'a> {
    steps: Vec<&'a Step>,
    /// Steps that were gone to.
    taken: usize,
    offset: u64,
}

impl Packets for DialoguePackets<'_> {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if self.taken == self.steps.len() {
            return Ok(false);
        }
        self.offset += self.steps[self.taken].datagram.len() as u64;
        self.taken += 1;
        Ok(true)
    }

    fn packet(&self) -> Packet<'_> {
        let step = self.taken.checked_sub(1).map(|at| self.steps[at]);
        let data = step.map_or(&[][..], |step| &step.datagram);
        Packet {
            frame: self.taken as u64,
            time: step.and_then(|step| i64::try_from(step.time).ok()),
            interface: 0,
            link: LinkType::RAW,
            data,
            original_length: u32::try_from(data.len()).unwrap_or(u32::MAX),
        }
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        Vec::new()
    }

    fn comments_left_out(&self) -> u64 {
        0
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn secrets_left_out(&self) -> u64 {
        0
    }

    fn skipped_blocks(&self) -> u64 {
        0
    }
}

fn in_order(dialogues: &[Dialogue]) -> Vec<&Step> {
    let mut steps: Vec<&Step> = dialogues.iter().flat_map(|dialogue| &dialogue.steps).collect();
    steps.sort_by_key(|step| step.time);
    steps
}

/// An IP header in front of a TCP segment of this length.
fn header(from: IpAddr, to: IpAddr, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or_default(); // at most SEGMENT and a header
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((length + 20).to_be_bytes());
            header.extend([0, 0, 0x40, 0, 64, 6, 0, 0]); // no fragment, 64 hops, TCP
            header.extend(from.octets());
            header.extend(to.octets());
            let checksum = !fold(sum(&header));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            header
        }
        (from, to) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([6, 64]);
            for address in [from, to] {
                header.extend(match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                });
            }
            header
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

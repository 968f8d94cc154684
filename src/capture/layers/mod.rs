use std::fmt;
use std::net::IpAddr;

use super::fragments::{DatagramId, Fragment, FragmentConflict, Fragments};
use super::{Endpoint, LinkType, Packet};

use checksum::Verdict;
use rest::{Rest, be16};

pub(super) mod checksum;
mod ip;
mod links;
mod rest;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod tunnels;

/// Takes a packet's headers off down to TCP, and puts IP fragments together on the way.
pub struct Layers {
    options: LayerOptions,
    fragments: Fragments,
    /// The payloads of the datagrams that were put together last, each found inside the one before it.
    datagrams: [Vec<u8>; MAX_NESTED_DATAGRAMS],
    offloaded_checksums: u64,
}

/// What is asked of [`Layers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerOptions {
    /// Verify the checksums of IPv4's headers and of TCP, and refuse what is wrong. Not so by default: where a system
    /// captures what it sends itself, its network card fills them in later.
    pub checksums: bool,
}

/// A TCP segment (RFC 9293 3.1).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: Endpoint,
    /// Whom it was sent to.
    pub destination: Endpoint,
    /// Sequence number of its first byte (of its SYN, where it has one).
    pub sequence: u32,
    /// Acknowledgment number, where [`TcpFlags::ack`] is set.
    pub acknowledgment: u32,
    /// Its flags.
    pub flags: TcpFlags,
    /// The bytes of its payload that were captured.
    pub payload: &'a [u8],
    /// Bytes of payload that it had on the wire.
    pub payload_length: u32,
}

/// The flags of a segment that matter to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are TCP's
#[allow(clippy::struct_excessive_bools)]
pub struct TcpFlags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub urg: bool,
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: Endpoint,
    /// Whom it was sent to.
    pub destination: Endpoint,
    /// The bytes of its payload that were captured.
    pub payload: &'a [u8],
    /// Bytes of payload that it had on the wire.
    pub payload_length: u32,
}

/// What a packet carries over IP that is followed.
#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A UDP datagram that holds no tunnel.
    Udp(Datagram<'a>),
}

/// Why a packet holds no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTcp {
    /// The link type is none that is known here.
    UnknownLink(LinkType),
    /// It carries no IP (ARP, LLDP, ...).
    NotIp,
    /// It carries another protocol than TCP over IP; from [`Layers::transport`] than TCP or UDP.
    OtherProtocol(u8),
    /// It is a fragment of a datagram that is not whole yet.
    Fragment,
    /// It is a fragment that reaches beyond the 65,535 bytes that a datagram can have.
    OversizedFragment,
    /// It ends inside a header.
    CutHeader,
    /// A header says of itself what cannot be: its version, or a length below its own.
    BadHeader,
    /// It has more headers, labels or datagrams inside each other than are followed.
    TooDeep,
    /// A checksum is wrong ([`LayerOptions::checksums`]).
    BadChecksum(BadChecksum),
}

/// A checksum that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChecksum {
    /// Whose it is.
    pub layer: ChecksumLayer,
    /// What stands in the header.
    pub stored: u16,
    /// What should stand there.
    pub computed: u16,
}

/// `TCP checksum 0x1234 should be 0xabcd`.
impl fmt::Display for BadChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, stored, computed } = self;
        write!(f, "{} checksum {stored:#06x} should be {computed:#06x}", layer.name())
    }
}

/// Whose a checksum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumLayer {
    /// An IPv4 header's.
    Ipv4,
    /// A TCP segment's.
    Tcp,
}

impl ChecksumLayer {
    /// `IPv4` or `TCP`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Tcp => "TCP",
        }
    }
}

const IP_TCP: u8 = 6;
/// The kind of hardware in Linux's cooked headers whose packets have no ethertype.
const NETLINK: [u8; 2] = 824_u16.to_be_bytes();

/// Headers of one packet that are followed: link, tags, tunnels, IP and its extensions.
const MAX_HEADERS: usize = 32;
/// Datagrams that came in fragments, one inside the other.
const MAX_NESTED_DATAGRAMS: usize = 4;

/// What the next header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Llc,
    Ethertype(u16),
    Ipv4,
    Ipv6,
    /// IP of the version that its first nibble says.
    Ip,
    /// What an IP header says that it carries.
    Protocol(u8),
}

/// The next header, and the bytes from there on.
type Step<'a> = (Layer, Rest<'a>);

/// Source and destination.
type Addresses = (IpAddr, IpAddr);

/// The VLANs and tunnels that a packet came through, as one number: fragments are put together with those of the same
/// way only. MPLS labels are no part of it, because one datagram's fragments may have different ones.
#[derive(Clone, Copy, Default)]
struct Context(u64);

impl Context {
    fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn add_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.add(address.to_bits().into()),
            IpAddr::V6(address) => {
                let (high, low) = (address.to_bits() >> 64, address.to_bits() & u128::from(u64::MAX));
                self.add(u64::try_from(high).unwrap_or_default());
                self.add(u64::try_from(low).unwrap_or_default());
            }
        }
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self::new(LayerOptions::default())
    }
}

impl Layers {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(options: LayerOptions) -> Self {
        Self { options, fragments: Fragments::new(), datagrams: Default::default(), offloaded_checksums: 0 }
    }

    /// Datagrams that lack a fragment still, and those that were given up.
    #[must_use]
    pub fn incomplete_datagrams(&self) -> (usize, u64) {
        (self.fragments.pending(), self.fragments.given_up)
    }

    /// Fragments so far that contradicted one that came first.
    #[must_use]
    pub fn fragment_conflicts(&self) -> u64 {
        self.fragments.conflicts_in_all
    }

    /// The conflicts since the last call, the first 64 of them.
    pub fn take_fragment_conflicts(&mut self) -> Vec<FragmentConflict> {
        self.fragments.take_conflicts()
    }

    /// Checksums so far that were left to the network card, and count as right ([`LayerOptions::checksums`]): zero, or
    /// the sum over TCP's pseudo header alone.
    #[must_use]
    pub fn offloaded_checksums(&self) -> u64 {
        self.offloaded_checksums
    }

    /// The TCP segment that a packet carries.
    ///
    /// # Errors
    /// Why it carries none.
    pub fn segment<'a>(&'a mut self, packet: &Packet<'a>) -> Result<Segment<'a>, NotTcp> {
        match self.transport(packet)? {
            Transport::Tcp(segment) => Ok(segment),
            Transport::Udp(_) => Err(NotTcp::OtherProtocol(tunnels::UDP)),
        }
    }

    /// The TCP segment or the UDP datagram that a packet carries.
    ///
    /// # Errors
    /// Why it carries neither.
    #[inline]
    pub fn transport<'a>(&'a mut self, packet: &Packet<'a>) -> Result<Transport<'a>, NotTcp> {
        if self.options.checksums {
            return self.any_transport(packet);
        }
        match plain_link(packet) {
            Some(([0x08, 0], rest)) => self.plain_v4(packet, rest),
            Some(([0x86, 0xdd], rest)) => self.plain_v6(packet, rest),
            Some(([0x08, 0x06], _)) => Err(NotTcp::NotIp), // ARP
            _ => self.any_transport(packet),
        }
    }

    // Most packets are Ethernet with one VLAN tag at most, a cooked header or none, and IPv4 that is no fragment or IPv6
    // that is not extended: they take a short way. What is not like that takes the long one from its beginning, and the
    // same would come out of it for all. A segment that is handed from function to function is copied each time; the
    // short way has one function a version, and nothing between it and the caller.

    #[inline(never)]
    fn plain_v4<'a>(&'a mut self, packet: &Packet<'a>, rest: Rest<'a>) -> Result<Transport<'a>, NotTcp> {
        if let Some((head, payload)) = plain_v4_header(rest) {
            match head[9] {
                IP_TCP => {
                    if let Ok(segment) = tcp(ip::v4_addresses(head), payload) {
                        return Ok(Transport::Tcp(segment));
                    }
                }
                tunnels::UDP if !tunnels::may_be_in(payload) => return udp(ip::v4_addresses(head), payload),
                _ => {}
            }
        }
        self.any_transport(packet)
    }

    #[inline(never)]
    fn plain_v6<'a>(&'a mut self, packet: &Packet<'a>, rest: Rest<'a>) -> Result<Transport<'a>, NotTcp> {
        if let Some((head, payload)) = plain_v6_header(rest) {
            match head[6] {
                IP_TCP => {
                    if let Ok(segment) = tcp(ip::v6_addresses(head), payload) {
                        return Ok(Transport::Tcp(segment));
                    }
                }
                tunnels::UDP if !tunnels::may_be_in(payload) => return udp(ip::v6_addresses(head), payload),
                _ => {}
            }
        }
        self.any_transport(packet)
    }

    /// The long way.
    #[inline(never)]
    fn any_transport<'a>(&'a mut self, packet: &Packet<'a>) -> Result<Transport<'a>, NotTcp> {
        let mut context = Context::default();
        let (layer, rest) = links::outermost(packet.link, whole(packet), &mut context)?;
        let mut walk = Walk {
            verifies: self.options.checksums,
            fragments: &mut self.fragments,
            offloaded_checksums: &mut self.offloaded_checksums,
            frame: packet.frame,
            time: packet.time,
            context,
            addresses: None,
            is_source_routed: false,
            headers: MAX_HEADERS,
        };
        walk.down(&mut self.datagrams, layer, rest)
    }
}

/// The ethertype and what is behind the link header, where that is one of the usual ones.
#[inline(always)]
fn plain_link<'a>(packet: &Packet<'a>) -> Option<([u8; 2], Rest<'a>)> {
    let rest = whole(packet);
    match packet.link {
        LinkType::ETHERNET => {
            let (head, behind) = rest.split::<14>().ok()?;
            match [head[12], head[13]] {
                [0x81, 0] => {
                    let (tag, behind) = behind.split::<4>().ok()?;
                    Some(([tag[2], tag[3]], behind))
                }
                ethertype => Some((ethertype, behind)),
            }
        }
        LinkType::LINUX_SLL => {
            let (head, behind) = rest.split::<16>().ok()?;
            ([head[2], head[3]] != NETLINK).then_some(([head[14], head[15]], behind))
        }
        LinkType::LINUX_SLL2 => {
            let (head, behind) = rest.split::<20>().ok()?;
            ([head[8], head[9]] != NETLINK).then_some(([head[0], head[1]], behind))
        }
        LinkType::RAW => match rest.bytes.first()? >> 4 {
            4 => Some(([0x08, 0], rest)),
            6 => Some(([0x86, 0xdd], rest)),
            _ => None,
        },
        _ => None,
    }
}

#[inline(always)]
fn plain_v4_header(rest: Rest<'_>) -> Option<(&[u8; 20], Rest<'_>)> {
    let (head, behind) = rest.split::<20>().ok()?;
    let total = usize::from(be16([head[2], head[3]]));
    let is_fragment = be16([head[6], head[7]]) & 0x3fff != 0;
    let options = match head[0] {
        0x45 => 0,
        first @ 0x46..=0x4f => usize::from(first & 15) * 4 - 20,
        _ => return None,
    };
    if is_fragment || total == 0 {
        return None;
    }
    let behind = if options == 0 { behind } else { behind.skip(options).ok()? };
    Some((head, behind.limit(total.checked_sub(20 + options)?)))
}

#[inline(always)]
fn plain_v6_header(rest: Rest<'_>) -> Option<(&[u8; 40], Rest<'_>)> {
    let (head, behind) = rest.split::<40>().ok()?;
    let length = usize::from(be16([head[4], head[5]]));
    (head[0] >> 4 == 6 && length != 0).then(|| (head, behind.limit(length)))
}

#[inline(always)]
fn whole<'a>(packet: &Packet<'a>) -> Rest<'a> {
    let cut = usize::try_from(packet.original_length).unwrap_or(usize::MAX);
    Rest { bytes: packet.data, cut: cut.saturating_sub(packet.data.len()) }
}

#[inline(always)]
fn tcp(addresses: Addresses, rest: Rest<'_>) -> Result<Segment<'_>, NotTcp> {
    let (head, mut payload) = rest.split::<20>()?;
    let length = usize::from(head[12] >> 4) * 4;
    match length.checked_sub(20) {
        None => return Err(NotTcp::BadHeader),
        Some(0) => {}
        Some(options) => payload = payload.skip(options)?,
    }
    let port = |at: usize| be16([head[at], head[at + 1]]);
    let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let has = |bit: u8| head[13] & bit != 0;
    Ok(Segment {
        source: Endpoint { address: addresses.0, port: port(0) },
        destination: Endpoint { address: addresses.1, port: port(2) },
        sequence: number(4),
        acknowledgment: number(8),
        flags: TcpFlags { syn: has(0x02), ack: has(0x10), fin: has(0x01), rst: has(0x04), urg: has(0x20) },
        payload: payload.bytes,
        payload_length: u32::try_from(payload.length()).unwrap_or(u32::MAX),
    })
}

fn udp(addresses: Addresses, rest: Rest<'_>) -> Result<Transport<'_>, NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    let port = |at: usize| be16([head[at], head[at + 1]]);
    let payload = match port(4) {
        0 => behind, // a large datagram, handed to the network card without a length
        length => behind.limit(usize::from(length).checked_sub(8).ok_or(NotTcp::BadHeader)?),
    };
    Ok(Transport::Udp(Datagram {
        source: Endpoint { address: addresses.0, port: port(0) },
        destination: Endpoint { address: addresses.1, port: port(2) },
        payload: payload.bytes,
        payload_length: u32::try_from(payload.length()).unwrap_or(u32::MAX),
    }))
}

/// One packet's way down.
struct Walk<'w> {
    verifies: bool,
    fragments: &'w mut Fragments,
    offloaded_checksums: &'w mut u64,
    frame: u64,
    time: Option<i64>,
    context: Context,
    /// Those of the last IP header.
    addresses: Option<Addresses>,
    /// True where the last IP header's destination is not that of TCP's pseudo header.
    is_source_routed: bool,
    /// Headers that may follow.
    headers: usize,
}

impl Walk<'_> {
    fn down<'a>(
        &mut self,
        datagrams: &'a mut [Vec<u8>],
        mut layer: Layer,
        mut rest: Rest<'a>,
    ) -> Result<Transport<'a>, NotTcp> {
        loop {
            self.headers = self.headers.checked_sub(1).ok_or(NotTcp::TooDeep)?;
            let is_v6 = matches!(self.addresses, Some((IpAddr::V6(_), _)));
            (layer, rest) = match layer {
                Layer::Llc => links::llc(rest)?,
                Layer::Ethertype(ethertype) => links::ethertype(ethertype, rest, &mut self.context)?,
                Layer::Ip => match rest.head::<1>()?[0] >> 4 {
                    4 => (Layer::Ipv4, rest),
                    6 => (Layer::Ipv6, rest),
                    _ => return Err(NotTcp::NotIp),
                },
                Layer::Ipv4 => {
                    let datagram = ip::v4(rest)?;
                    if self.verifies {
                        self.verify(checksum::ipv4(datagram.header))?;
                    }
                    self.enter(&datagram);
                    match datagram.fragment {
                        None => (Layer::Protocol(datagram.protocol), datagram.payload),
                        Some(part) => {
                            let protocol = datagram.protocol;
                            let payload = datagram.payload;
                            return self.fragment(datagrams, protocol, protocol, &part, payload);
                        }
                    }
                }
                Layer::Ipv6 => {
                    let datagram = ip::v6(rest)?;
                    self.enter(&datagram);
                    (Layer::Protocol(datagram.protocol), datagram.payload)
                }
                Layer::Protocol(IP_TCP) => return self.tcp(rest),
                Layer::Protocol(ip::FRAGMENT) if is_v6 => {
                    let (protocol, part, payload) = ip::fragment(rest)?;
                    if part.offset > 0 || part.more {
                        return self.fragment(datagrams, ip::FRAGMENT, protocol, &part, payload);
                    }
                    (Layer::Protocol(protocol), payload) // an atomic fragment, RFC 6946
                }
                Layer::Protocol(protocol @ (0 | 43 | 60 | 135 | 139 | 140)) if is_v6 => {
                    // A routing header with segments left has the destination that the checksum is over.
                    self.is_source_routed |=
                        protocol == 43 && rest.bytes.get(3).is_some_and(|left| *left > 0);
                    let (next, behind) = ip::extension(protocol, rest)?;
                    (Layer::Protocol(next), behind)
                }
                Layer::Protocol(51) => {
                    let (next, behind) = ip::extension(51, rest)?;
                    (Layer::Protocol(next), behind)
                }
                Layer::Protocol(tunnels::UDP) => match tunnels::udp(rest, &mut self.context) {
                    Err(NotTcp::OtherProtocol(tunnels::UDP)) => {
                        return udp(self.addresses.ok_or(NotTcp::NotIp)?, rest);
                    }
                    inside => inside?,
                },
                Layer::Protocol(protocol) => tunnels::inside(protocol, rest, &mut self.context)?,
            };
        }
    }

    /// Takes the header's addresses; those of the one around it become part of the way.
    fn enter(&mut self, datagram: &ip::Datagram<'_>) {
        if let Some((source, destination)) = self.addresses.replace(datagram.addresses) {
            self.context.add_address(source);
            self.context.add_address(destination);
        }
        // Loose (131) and strict (137) source routes of IPv4: the last address of the route is the destination.
        let options = datagram.header.get(20..).unwrap_or_default();
        let is_v4 = datagram.addresses.0.is_ipv4();
        self.is_source_routed = is_v4 && options.iter().any(|kind| matches!(kind, 131 | 137));
    }

    /// Takes a fragment, and goes on inside its datagram where that is whole now.
    fn fragment<'a>(
        &mut self,
        datagrams: &'a mut [Vec<u8>],
        id_protocol: u8,
        protocol: u8,
        part: &ip::Part,
        payload: Rest<'_>,
    ) -> Result<Transport<'a>, NotTcp> {
        let (source, destination) = self.addresses.ok_or(NotTcp::NotIp)?;
        let id = DatagramId {
            source,
            destination,
            identification: part.identification,
            protocol: id_protocol,
            context: self.context.0,
        };
        let (offset, more) = (part.offset, part.more);
        let fragment = Fragment { id, protocol, offset, more, frame: self.frame, time: self.time };
        let whole = self.fragments.push(&fragment, payload.bytes, payload.length())?;
        let (datagram, inner) = datagrams.split_first_mut().ok_or(NotTcp::TooDeep)?;
        *datagram = whole.bytes;
        let rest = Rest { bytes: datagram, cut: whole.length - datagram.len() };
        self.down(inner, Layer::Protocol(whole.protocol), rest)
    }

    fn tcp<'a>(&mut self, rest: Rest<'a>) -> Result<Transport<'a>, NotTcp> {
        let addresses = self.addresses.ok_or(NotTcp::NotIp)?;
        let segment = tcp(addresses, rest)?;
        if self.verifies && rest.cut == 0 && !self.is_source_routed {
            self.verify(checksum::tcp(addresses, rest.bytes))?;
        }
        Ok(Transport::Tcp(segment))
    }

    fn verify(&mut self, verdict: Verdict) -> Result<(), NotTcp> {
        match verdict {
            Verdict::Good => Ok(()),
            Verdict::Offloaded => {
                *self.offloaded_checksums += 1;
                Ok(())
            }
            Verdict::Bad(checksum) => Err(NotTcp::BadChecksum(checksum)),
        }
    }
}

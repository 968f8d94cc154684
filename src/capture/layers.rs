use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice};

use super::fragments::{DatagramId, Fragments};
use super::{Endpoint, LinkType, Packet};

/// Takes a packet's headers off down to TCP, and puts IP fragments together on the way.
pub struct Layers {
    fragments: Fragments,
    /// The payload of the datagram that was put together last.
    datagram: Vec<u8>,
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

/// Why a packet holds no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTcp {
    /// The link type is none that is known here.
    UnknownLink(LinkType),
    /// It carries no IP (ARP, LLDP, ...).
    NotIp,
    /// It carries another protocol than TCP over IP.
    OtherProtocol(u8),
    /// It is a fragment of a datagram that is not whole yet.
    Fragment,
    /// It ends inside a header.
    CutHeader,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_BRIDGED_ETHERNET: u16 = 0x6558;
const IP_TCP: u8 = 6;

/// Tunnels inside tunnels, and tags behind tags, that are followed.
const MAX_DEPTH: usize = 8;

/// What is left of a packet, and how many bytes behind it were not captured.
#[derive(Clone, Copy)]
struct Rest<'a> {
    bytes: &'a [u8],
    cut: usize,
}

impl Default for Layers {
    fn default() -> Self {
        Self { fragments: Fragments::new(), datagram: Vec::new() }
    }
}

impl Layers {
    /// Datagrams that lack a fragment still, and those that were given up.
    #[must_use]
    pub fn incomplete_datagrams(&self) -> (usize, u64) {
        (self.fragments.pending(), self.fragments.evicted)
    }

    /// The TCP segment that a packet carries.
    ///
    /// # Errors
    /// Why it carries none.
    pub fn segment<'a>(&'a mut self, packet: &Packet<'a>) -> Result<Segment<'a>, NotTcp> {
        let cut = usize::try_from(packet.original_length).unwrap_or(usize::MAX);
        let cut = cut.saturating_sub(packet.data.len());
        let rest = Rest { bytes: packet.data, cut };
        let (ethertype, rest) = strip_link(packet.link, rest)?;
        self.network(ethertype, rest)
    }

    fn network<'a>(&'a mut self, mut ethertype: u16, mut rest: Rest<'a>) -> Result<Segment<'a>, NotTcp> {
        for _ in 0..MAX_DEPTH {
            let datagram = match ethertype {
                ETHERTYPE_IPV4 => ipv4(rest)?,
                ETHERTYPE_IPV6 => ipv6(rest)?,
                _ => return Err(NotTcp::NotIp),
            };
            let payload = match datagram.fragment {
                None => datagram.payload,
                Some(fragment) => {
                    if datagram.payload.cut > 0 {
                        return Err(NotTcp::CutHeader);
                    }
                    let bytes = datagram.payload.bytes;
                    let whole = self.fragments.push(fragment.id, fragment.offset, fragment.more, bytes);
                    self.datagram = whole.ok_or(NotTcp::Fragment)?;
                    // Nothing is fragmented twice: what is inside is read from the datagram and no further one.
                    let rest = Rest { bytes: &self.datagram, cut: 0 };
                    return inside_datagram(datagram.protocol, datagram.addresses, rest);
                }
            };
            match transport(datagram.protocol, datagram.addresses, payload)? {
                Inside::Segment(segment) => return Ok(segment),
                Inside::Network(inner, behind) => (ethertype, rest) = (inner, behind),
            }
        }
        Err(NotTcp::NotIp)
    }
}

/// The segment inside a datagram that was put together, tunnels included, fragments not.
fn inside_datagram<'a>(
    mut protocol: u8,
    mut addresses: (IpAddr, IpAddr),
    mut rest: Rest<'a>,
) -> Result<Segment<'a>, NotTcp> {
    for _ in 0..MAX_DEPTH {
        match transport(protocol, addresses, rest)? {
            Inside::Segment(segment) => return Ok(segment),
            Inside::Network(ethertype, behind) => {
                let datagram = match ethertype {
                    ETHERTYPE_IPV4 => ipv4(behind)?,
                    ETHERTYPE_IPV6 => ipv6(behind)?,
                    _ => return Err(NotTcp::NotIp),
                };
                if datagram.fragment.is_some() {
                    return Err(NotTcp::Fragment);
                }
                (protocol, addresses, rest) = (datagram.protocol, datagram.addresses, datagram.payload);
            }
        }
    }
    Err(NotTcp::NotIp)
}

enum Inside<'a> {
    Segment(Segment<'a>),
    /// A tunnel: the ethertype and bytes of what it carries.
    Network(u16, Rest<'a>),
}

fn transport<'a>(protocol: u8, addresses: (IpAddr, IpAddr), rest: Rest<'a>) -> Result<Inside<'a>, NotTcp> {
    match protocol {
        IP_TCP => tcp(addresses, rest).map(Inside::Segment),
        4 => Ok(Inside::Network(ETHERTYPE_IPV4, rest)),
        41 => Ok(Inside::Network(ETHERTYPE_IPV6, rest)),
        47 => gre(rest),
        other => Err(NotTcp::OtherProtocol(other)),
    }
}

fn strip_link(link: LinkType, rest: Rest<'_>) -> Result<(u16, Rest<'_>), NotTcp> {
    match link {
        LinkType::ETHERNET => ethernet(rest),
        LinkType::LINUX_SLL => tagged(be16(rest.bytes, 14)?, skip(rest, 16)?),
        LinkType::LINUX_SLL2 => tagged(be16(rest.bytes, 0)?, skip(rest, 20)?),
        LinkType::NULL | LinkType::LOOP => by_version(skip(rest, 4)?),
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => {
            by_version(rest)
        }
        other => Err(NotTcp::UnknownLink(other)),
    }
}

/// The IP version stands in the first nibble; the address family in front of it differs from system to system.
fn by_version(rest: Rest<'_>) -> Result<(u16, Rest<'_>), NotTcp> {
    match rest.bytes.first().ok_or(NotTcp::CutHeader)? >> 4 {
        4 => Ok((ETHERTYPE_IPV4, rest)),
        6 => Ok((ETHERTYPE_IPV6, rest)),
        _ => Err(NotTcp::NotIp),
    }
}

fn ethernet(rest: Rest<'_>) -> Result<(u16, Rest<'_>), NotTcp> {
    tagged(be16(rest.bytes, 12)?, skip(rest, 14)?)
}

/// Takes VLAN tags off (802.1Q, 802.1ad, and the 0x9100 of before it).
fn tagged(mut ethertype: u16, mut rest: Rest<'_>) -> Result<(u16, Rest<'_>), NotTcp> {
    for _ in 0..MAX_DEPTH {
        if !matches!(ethertype, 0x8100 | 0x88a8 | 0x9100) {
            break;
        }
        ethertype = be16(rest.bytes, 2)?;
        rest = skip(rest, 4)?;
    }
    Ok((ethertype, rest))
}

struct Datagram<'a> {
    addresses: (IpAddr, IpAddr),
    protocol: u8,
    payload: Rest<'a>,
    fragment: Option<Fragment>,
}

struct Fragment {
    id: DatagramId,
    offset: usize,
    more: bool,
}

fn ipv4(rest: Rest<'_>) -> Result<Datagram<'_>, NotTcp> {
    let header = Ipv4HeaderSlice::from_slice(rest.bytes).map_err(|_| NotTcp::CutHeader)?;
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    let protocol = header.protocol().0;
    let total = match usize::from(header.total_len()) {
        0 => rest.bytes.len() + rest.cut, // a large segment, handed to the network card without a length
        total => total,
    };
    let payload = limit(skip(rest, header.slice().len())?, total.saturating_sub(header.slice().len()));
    let offset = usize::from(header.fragments_offset().value()) * 8;
    let fragment = header.is_fragmenting_payload().then(|| Fragment {
        id: DatagramId {
            source: addresses.0,
            destination: addresses.1,
            identification: header.identification().into(),
            protocol,
        },
        offset,
        more: header.more_fragments(),
    });
    Ok(Datagram { addresses, protocol, payload, fragment })
}

fn ipv6(rest: Rest<'_>) -> Result<Datagram<'_>, NotTcp> {
    let header = Ipv6HeaderSlice::from_slice(rest.bytes).map_err(|_| NotTcp::CutHeader)?;
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    let mut protocol = header.next_header().0;
    let behind = skip(rest, 40)?;
    let mut payload = match usize::from(header.payload_length()) {
        0 => behind, // a jumbogram, or a large segment
        length => limit(behind, length),
    };
    for _ in 0..MAX_DEPTH {
        let length = match protocol {
            0 | 43 | 60 => (usize::from(*payload.bytes.get(1).ok_or(NotTcp::CutHeader)?) + 1) * 8,
            51 => (usize::from(*payload.bytes.get(1).ok_or(NotTcp::CutHeader)?) + 2) * 4,
            44 => {
                let inner = payload.bytes[0..].first().copied().ok_or(NotTcp::CutHeader)?;
                let offset_and_more = be16(payload.bytes, 2)?;
                let high = u32::from(be16(payload.bytes, 4)?);
                let identification = high << 16 | u32::from(be16(payload.bytes, 6)?);
                let fragment = Fragment {
                    id: DatagramId {
                        source: addresses.0,
                        destination: addresses.1,
                        identification,
                        protocol: inner,
                    },
                    offset: usize::from(offset_and_more & !7),
                    more: offset_and_more & 1 == 1,
                };
                let payload = skip(payload, 8)?;
                let whole = fragment.offset == 0 && !fragment.more; // an atomic fragment, RFC 6946
                let fragment = (!whole).then_some(fragment);
                return Ok(Datagram { addresses, protocol: inner, payload, fragment });
            }
            _ => break,
        };
        protocol = payload.bytes[0];
        payload = skip(payload, length)?;
    }
    Ok(Datagram { addresses, protocol, payload, fragment: None })
}

fn tcp<'a>(addresses: (IpAddr, IpAddr), rest: Rest<'a>) -> Result<Segment<'a>, NotTcp> {
    let header = TcpHeaderSlice::from_slice(rest.bytes).map_err(|_| NotTcp::CutHeader)?;
    let payload = skip(rest, header.slice().len())?;
    let length = payload.bytes.len() + payload.cut;
    Ok(Segment {
        source: Endpoint { address: addresses.0, port: header.source_port() },
        destination: Endpoint { address: addresses.1, port: header.destination_port() },
        sequence: header.sequence_number(),
        acknowledgment: header.acknowledgment_number(),
        flags: TcpFlags {
            syn: header.syn(),
            ack: header.ack(),
            fin: header.fin(),
            rst: header.rst(),
            urg: header.urg(),
        },
        payload: payload.bytes,
        payload_length: u32::try_from(length).unwrap_or(u32::MAX),
    })
}

/// GRE, version 0 (RFC 2784, RFC 2890).
fn gre(rest: Rest<'_>) -> Result<Inside<'_>, NotTcp> {
    let flags = be16(rest.bytes, 0)?;
    let protocol = be16(rest.bytes, 2)?;
    let optional = [0x8000, 0x2000, 0x1000].iter().filter(|&&bit| flags & bit != 0).count() * 4;
    if flags & 7 != 0 {
        return Err(NotTcp::OtherProtocol(47));
    }
    let behind = skip(rest, 4 + optional)?;
    if protocol == ETHERTYPE_BRIDGED_ETHERNET {
        let (ethertype, rest) = ethernet(behind)?;
        return Ok(Inside::Network(ethertype, rest));
    }
    Ok(Inside::Network(protocol, behind))
}

fn be16(bytes: &[u8], at: usize) -> Result<u16, NotTcp> {
    let raw = bytes.get(at..at + 2).ok_or(NotTcp::CutHeader)?;
    Ok(u16::from_be_bytes([raw[0], raw[1]]))
}

fn skip(rest: Rest<'_>, count: usize) -> Result<Rest<'_>, NotTcp> {
    Ok(Rest { bytes: rest.bytes.get(count..).ok_or(NotTcp::CutHeader)?, cut: rest.cut })
}

/// Leaves off what the header's length does not count (Ethernet's padding), and counts as cut what it does.
fn limit(rest: Rest<'_>, length: usize) -> Rest<'_> {
    let bytes = &rest.bytes[..rest.bytes.len().min(length)];
    Rest { bytes, cut: length - bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip_tcp(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2];
        bytes.extend([0x30, 0x39, 0x06, 0x98, 0, 0, 0, 5, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn payload_of(link: LinkType, data: &[u8]) -> Result<(Vec<u8>, u32), NotTcp> {
        let original_length = u32::try_from(data.len()).unwrap();
        let packet = Packet { frame: 1, time: None, link, data, original_length };
        let mut layers = Layers::default();
        let segment = layers.segment(&packet)?;
        assert_eq!((segment.source.port, segment.destination.port), (12345, 1688));
        Ok((segment.payload.to_vec(), segment.payload_length))
    }

    fn behind(head: &[u8]) -> Vec<u8> {
        [head, &ip_tcp(b"abc")].concat()
    }

    #[test]
    fn every_link_layer_leads_to_the_same_segment() {
        let expected = Ok((b"abc".to_vec(), 3));
        let mac = [0u8; 12];
        assert_eq!(payload_of(LinkType::RAW, &behind(&[])), expected);
        assert_eq!(payload_of(LinkType::IPV4, &behind(&[])), expected);
        assert_eq!(payload_of(LinkType::NULL, &behind(&[2, 0, 0, 0])), expected);
        assert_eq!(payload_of(LinkType::LOOP, &behind(&[0, 0, 0, 2])), expected);
        assert_eq!(payload_of(LinkType::ETHERNET, &behind(&[&mac[..], &[8, 0]].concat())), expected);
        let tags = [&mac[..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]].concat();
        assert_eq!(payload_of(LinkType::ETHERNET, &behind(&tags)), expected);
        assert_eq!(payload_of(LinkType::LINUX_SLL, &behind(&[&[0; 14][..], &[8, 0]].concat())), expected);
        assert_eq!(payload_of(LinkType::LINUX_SLL2, &behind(&[&[8, 0][..], &[0; 18]].concat())), expected);
    }

    #[test]
    fn padding_behind_the_datagram_is_no_payload() {
        let padded = [ip_tcp(b"abc"), vec![0; 9]].concat();
        assert_eq!(payload_of(LinkType::RAW, &padded), Ok((b"abc".to_vec(), 3)));
    }

    #[test]
    fn what_the_snap_length_cut_is_known_by_its_length() {
        let whole = ip_tcp(b"abcdef");
        assert_eq!(payload_of(LinkType::RAW, &whole[..whole.len() - 4]), Ok((b"ab".to_vec(), 6)));
    }

    #[test]
    fn gre_and_ip_in_ip_are_followed() {
        let outer = |protocol: u8, tunnel: &[u8]| {
            let inner = behind(tunnel);
            let mut bytes = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            bytes.extend(inner);
            let length = u16::try_from(bytes.len()).unwrap();
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            bytes
        };
        let expected = Ok((b"abc".to_vec(), 3));
        assert_eq!(payload_of(LinkType::RAW, &outer(47, &[0, 0, 8, 0])), expected);
        assert_eq!(
            payload_of(LinkType::RAW, &outer(47, &[0xb0, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9])),
            expected
        );
        assert_eq!(payload_of(LinkType::RAW, &outer(4, &[])), expected);
    }

    #[test]
    fn extension_headers_of_ipv6_are_passed_over() {
        let tcp = ip_tcp(b"abc").split_off(20);
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, 0, 64];
        bytes.extend([0; 32]);
        bytes.extend([60, 0, 0, 0, 0, 0, 0, 0]); // hop-by-hop, then
        bytes.extend([6, 0, 0, 0, 0, 0, 0, 0]); // destination options
        bytes.extend(&tcp);
        let length = u16::try_from(bytes.len() - 40).unwrap();
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        assert_eq!(payload_of(LinkType::RAW, &bytes), Ok((b"abc".to_vec(), 3)));
    }

    #[test]
    fn fragments_are_put_together() {
        let whole = ip_tcp(&[7; 40]);
        let mut layers = Layers::default();
        let fragment = |offset: usize, length: usize, more: bool| {
            let mut bytes = whole[..20].to_vec();
            bytes.extend(&whole[20 + offset..20 + offset + length]);
            bytes[2..4].copy_from_slice(&u16::try_from(20 + length).unwrap().to_be_bytes());
            let field = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&field.to_be_bytes());
            bytes
        };
        let mut push = |data: &[u8]| {
            let packet = Packet { frame: 1, time: None, link: LinkType::RAW, data, original_length: 0 };
            layers.segment(&packet).map(|segment| segment.payload.to_vec())
        };
        assert_eq!(push(&fragment(40, 20, false)), Err(NotTcp::Fragment));
        assert_eq!(push(&fragment(0, 40, true)), Ok(vec![7; 40]));
    }

    #[test]
    fn what_is_no_segment_says_why() {
        assert_eq!(payload_of(LinkType(147), &[1]), Err(NotTcp::UnknownLink(LinkType(147))));
        let arp = [&[0; 12][..], &[8, 6, 1, 2]].concat();
        assert_eq!(payload_of(LinkType::ETHERNET, &arp), Err(NotTcp::NotIp));
        let mut udp = ip_tcp(b"");
        udp[9] = 17;
        assert_eq!(payload_of(LinkType::RAW, &udp), Err(NotTcp::OtherProtocol(17)));
        for length in 0..40 {
            assert_eq!(payload_of(LinkType::RAW, &ip_tcp(b"")[..length]), Err(NotTcp::CutHeader), "{length}");
        }
    }
}

//! The headers of IP itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rest::{Rest, be16};
use super::{Addresses, NotTcp};

pub(super) const FRAGMENT: u8 = 44;

/// An IP header.
pub(super) struct Datagram<'a> {
    /// Its bytes.
    pub(super) header: &'a [u8],
    pub(super) addresses: Addresses,
    pub(super) protocol: u8,
    pub(super) payload: Rest<'a>,
    pub(super) fragment: Option<Part>,
}

/// Where in its datagram a fragment belongs.
pub(super) struct Part {
    pub(super) identification: u32,
    pub(super) offset: usize,
    pub(super) more: bool,
}

/// IPv4 (RFC 791).
pub(super) fn v4(rest: Rest<'_>) -> Result<Datagram<'_>, NotTcp> {
    let (head, _) = rest.split::<20>()?;
    let length = usize::from(head[0] & 15) * 4;
    if head[0] >> 4 != 4 || length < 20 {
        return Err(NotTcp::BadHeader);
    }
    let header = rest.bytes.get(..length).ok_or(NotTcp::CutHeader)?;
    let behind = rest.skip(length)?;
    let payload = match usize::from(be16([head[2], head[3]])) {
        0 => behind, // a large segment, handed to the network card without a length
        total => behind.limit(total.checked_sub(length).ok_or(NotTcp::BadHeader)?),
    };
    let place = be16([head[6], head[7]]);
    let fragment = (place & 0x3fff != 0).then(|| Part {
        identification: be16([head[4], head[5]]).into(),
        offset: usize::from(place & 0x1fff) * 8,
        more: place & 0x2000 != 0,
    });
    Ok(Datagram { header, addresses: v4_addresses(head), protocol: head[9], payload, fragment })
}

/// IPv6 (RFC 8200), without what extends its header.
pub(super) fn v6(rest: Rest<'_>) -> Result<Datagram<'_>, NotTcp> {
    let (head, behind) = rest.split::<40>()?;
    if head[0] >> 4 != 6 {
        return Err(NotTcp::BadHeader);
    }
    let payload = match usize::from(be16([head[4], head[5]])) {
        0 => match (head[6], behind.bytes) {
            // A jumbogram (RFC 2675): a hop-by-hop option has the length.
            (0, &[_, _, 0xc2, 4, a, b, c, d, ..]) => {
                behind.limit(usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX))
            }
            _ => behind, // a large segment
        },
        length => behind.limit(length),
    };
    Ok(Datagram { header: head, addresses: v6_addresses(head), protocol: head[6], payload, fragment: None })
}

/// A header that extends IPv6's, or AH, which IPv4 may have as well: what comes behind it.
pub(super) fn extension(protocol: u8, rest: Rest<'_>) -> Result<(u8, Rest<'_>), NotTcp> {
    let [next, length] = *rest.head()?;
    let length = usize::from(length);
    let length = if protocol == 51 { (length + 2) * 4 } else { (length + 1) * 8 };
    Ok((next, rest.skip(length)?))
}

/// IPv6's fragment header (RFC 8200 4.5).
pub(super) fn fragment(rest: Rest<'_>) -> Result<(u8, Part, Rest<'_>), NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    let [protocol, _, high, low, identification @ ..] = *head;
    let place = be16([high, low]);
    let identification = u32::from_be_bytes(identification);
    let part = Part { identification, offset: usize::from(place & !7), more: place & 1 == 1 };
    Ok((protocol, part, behind))
}

#[inline]
pub(super) fn v4_addresses(head: &[u8; 20]) -> Addresses {
    let address =
        |at: usize| IpAddr::V4(Ipv4Addr::from_octets([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    (address(12), address(16))
}

#[inline]
pub(super) fn v6_addresses(head: &[u8; 40]) -> Addresses {
    let [_, _, _, _, _, _, _, _, source_and_destination @ ..] = *head;
    let (addresses, _) = source_and_destination.as_chunks::<16>();
    (IpAddr::V6(Ipv6Addr::from_octets(addresses[0])), IpAddr::V6(Ipv6Addr::from_octets(addresses[1])))
}

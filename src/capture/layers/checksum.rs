//! The Internet checksum (RFC 1071), where it is asked for.

use std::net::IpAddr;

use super::{BadChecksum, ChecksumLayer};

/// What a stored checksum is.
pub(super) enum Verdict {
    Good,
    /// Left to the network card: zero, or the sum over the pseudo header alone, as systems leave it there.
    Offloaded,
    Bad(BadChecksum),
}

/// Of an IPv4 header, options included.
pub(super) fn ipv4(header: &[u8]) -> Verdict {
    let stored = u16::from_be_bytes([header[10], header[11]]);
    let sum = fold(sum(header));
    if sum == 0xffff {
        return Verdict::Good;
    }
    if stored == 0 {
        return Verdict::Offloaded;
    }
    Verdict::Bad(BadChecksum { layer: ChecksumLayer::Ipv4, stored, computed: without(sum, stored) })
}

/// Of a TCP segment that is there as a whole.
pub(super) fn tcp((source, destination): (IpAddr, IpAddr), segment: &[u8]) -> Verdict {
    let stored = u16::from_be_bytes([segment[16], segment[17]]);
    let pseudo = address(source) + address(destination) + 6;
    let with_length = pseudo + segment.len() as u64;
    let sum = fold(with_length + sum(segment));
    if sum == 0xffff {
        return Verdict::Good;
    }
    // A large segment's sum is left without its length, because the card makes many of it.
    if stored == 0 || stored == fold(with_length) || stored == fold(pseudo) {
        return Verdict::Offloaded;
    }
    Verdict::Bad(BadChecksum { layer: ChecksumLayer::Tcp, stored, computed: without(sum, stored) })
}

fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}

pub(in crate::capture) fn sum(bytes: &[u8]) -> u64 {
    let (words, last) = bytes.as_chunks::<2>();
    let last = last.first().map_or(0, |&byte| u64::from(byte) << 8);
    words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum::<u64>() + last
}

pub(in crate::capture) fn fold(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(sum) => return sum,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}

/// The checksum that makes the sum right, where `stored` is the one in it.
fn without(sum: u16, stored: u16) -> u16 {
    !fold(u64::from(sum) + u64::from(!stored))
}

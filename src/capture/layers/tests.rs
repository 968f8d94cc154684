use proptest::prelude::*;

use super::samples::{self, ENCAPSULATIONS, ethernet, ipv4, ipv4_part, ipv6, sum16, udp};
use super::*;

/// Puts the headers of one of several ways around an IP packet.
type Way = fn(u8, &[u8]) -> Vec<u8>;

const PAYLOAD: &[u8] = b"a payload of some thirty bytes";

/// A TCP segment with a right checksum for what `addresses` are in the pseudo header.
fn tcp_bytes(addresses: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x30, 0x39, 0x06, 0x98, 0, 0, 0, 5, 0, 0, 0, 9, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    bytes.extend(payload);
    let mut pseudo = addresses.to_vec();
    pseudo.extend([0, 6]);
    pseudo.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
    pseudo.extend(&bytes);
    let checksum = !sum16(&pseudo);
    bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn v4_tcp(payload: &[u8]) -> Vec<u8> {
    ipv4(6, &tcp_bytes(&[10, 0, 0, 1, 10, 0, 0, 2], payload))
}

fn v6_tcp(payload: &[u8]) -> Vec<u8> {
    let addresses = ipv6(6, &[])[8..40].to_vec();
    ipv6(6, &tcp_bytes(&addresses, payload))
}

fn packet(link: u16, data: &[u8]) -> Packet<'_> {
    let original_length = u32::try_from(data.len()).unwrap();
    Packet { frame: 1, time: None, interface: 0, link: LinkType(link), data, original_length }
}

/// The payload of the segment, which has the ports and numbers that all have here.
fn payload_in(layers: &mut Layers, packet: &Packet<'_>) -> Result<(Vec<u8>, u32), NotTcp> {
    let segment = layers.segment(packet)?;
    assert_eq!((segment.source.port, segment.destination.port), (12345, 1688));
    assert_eq!((segment.sequence, segment.acknowledgment), (5, 9));
    assert_eq!(segment.flags, TcpFlags { ack: true, ..TcpFlags::default() });
    Ok((segment.payload.to_vec(), segment.payload_length))
}

fn payload_of(link: u16, data: &[u8]) -> Result<(Vec<u8>, u32), NotTcp> {
    payload_in(&mut Layers::default(), &packet(link, data))
}

fn whole_payload() -> Result<(Vec<u8>, u32), NotTcp> {
    Ok((PAYLOAD.to_vec(), 30))
}

/// The part of an IPv4 packet's payload as a fragment of it.
fn v4_fragment(whole: &[u8], from: usize, to: usize) -> Vec<u8> {
    let more = if 20 + to < whole.len() { 0x2000 } else { 0 };
    let place = u16::try_from(from / 8).unwrap() | more;
    ipv4_part(whole[9], 77, place, &whole[20 + from..20 + to])
}

fn v6_fragment(whole: &[u8], from: usize, to: usize) -> Vec<u8> {
    let place = u16::try_from(from).unwrap() | u16::from(40 + to < whole.len());
    let header = [&[whole[6], 0][..], &place.to_be_bytes(), &[0, 0, 0, 77]].concat();
    ipv6(44, &[&header, &whole[40 + from..40 + to]].concat())
}

#[test]
fn every_encapsulation_leads_to_the_same_segment() {
    for inner in [v4_tcp(PAYLOAD), v6_tcp(PAYLOAD)] {
        for sample in ENCAPSULATIONS {
            let data = (sample.wrap)(&inner);
            assert_eq!(payload_of(sample.link, &data), whole_payload(), "{}", sample.name);
            let mut strict = Layers::new(LayerOptions { checksums: true });
            let found = payload_in(&mut strict, &packet(sample.link, &data));
            assert_eq!(found, whole_payload(), "{} with checksums", sample.name);
            assert_eq!(strict.offloaded_checksums(), 0, "{}", sample.name);
        }
    }
    assert_eq!(payload_of(228, &v4_tcp(PAYLOAD)), whole_payload());
    assert_eq!(payload_of(229, &v6_tcp(PAYLOAD)), whole_payload());
}

#[test]
fn a_packet_cut_anywhere_gives_what_is_left_of_the_segment_or_none() {
    for inner in [v4_tcp(PAYLOAD), v6_tcp(PAYLOAD)] {
        for sample in ENCAPSULATIONS {
            let data = (sample.wrap)(&inner);
            for length in 0..data.len() {
                let cut = Packet { data: &data[..length], ..packet(sample.link, &data) };
                match payload_in(&mut Layers::default(), &cut) {
                    Ok((payload, on_wire)) => {
                        assert!(PAYLOAD.starts_with(&payload), "{} {length}", sample.name);
                        assert_eq!(on_wire, 30, "{} {length}", sample.name);
                    }
                    // Behind MPLS a few bytes are not enough to know what they are.
                    Err(NotTcp::NotIp) => assert!(sample.name.contains("mpls"), "{} {length}", sample.name),
                    Err(why) => assert_eq!(why, NotTcp::CutHeader, "{} {length}", sample.name),
                }
            }
        }
    }
}

#[test]
fn fragments_are_put_together_in_every_tunnel_and_tunnels_in_fragments() {
    let fragment_v4: fn(&[u8], usize, usize) -> Vec<u8> = v4_fragment;
    let kinds = [(v4_tcp(PAYLOAD), fragment_v4), (v6_tcp(PAYLOAD), v6_fragment)];
    for (inner, fragment) in kinds {
        let header = if inner[0] == 0x45 { 20 } else { 40 };
        for sample in ENCAPSULATIONS {
            let mut layers = Layers::new(LayerOptions { checksums: true });
            let mut found = Vec::new();
            for (from, to) in [(16, 40), (40, inner.len() - header), (0, 16)] {
                let data = (sample.wrap)(&fragment(&inner, from, to));
                found.push(payload_in(&mut layers, &packet(sample.link, &data)));
            }
            let expected = [Err(NotTcp::Fragment), Err(NotTcp::Fragment), whole_payload()];
            assert_eq!(found, expected, "{}", sample.name);
            // The encapsulation over IPv4 itself in fragments.
            let data = (sample.wrap)(&inner);
            if sample.link != 1 || data[12..14] != [8, 0] || data[23] == 6 {
                continue;
            }
            let tunnel = &data[14..];
            let middle = (tunnel.len() - 20) / 16 * 8;
            let parts = [v4_fragment(tunnel, middle, tunnel.len() - 20), v4_fragment(tunnel, 0, middle)];
            let found = parts.map(|part| payload_in(&mut layers, &packet(1, &ethernet(0x0800, &part))));
            assert_eq!(found, [Err(NotTcp::Fragment), whole_payload()], "{}", sample.name);
        }
    }
}

#[test]
fn fragments_of_fragments_are_put_together_to_a_bounded_depth() {
    // Each level is the level before it in two fragments, each of these a packet inside IP again.
    fn split(packets: Vec<Vec<u8>>, level: u16) -> Vec<Vec<u8>> {
        let mut next = Vec::new();
        for (number, inner) in packets.iter().enumerate() {
            let identification = level * 256 + u16::try_from(number).unwrap();
            let middle = inner.len() / 16 * 8;
            let place = u16::try_from(middle / 8).unwrap();
            next.push(ipv4_part(4, identification, 0x2000, &inner[..middle]));
            next.push(ipv4_part(4, identification, place, &inner[middle..]));
        }
        next
    }
    let mut packets = vec![v4_tcp(PAYLOAD)];
    for level in 1..=4 {
        packets = split(packets, level);
        let mut layers = Layers::default();
        let found: Vec<_> = packets.iter().map(|data| payload_in(&mut layers, &packet(101, data))).collect();
        assert_eq!(found.last(), Some(&whole_payload()), "level {level}");
        let fragments = found.iter().filter(|found| **found == Err(NotTcp::Fragment)).count();
        assert_eq!(fragments, found.len() - 1);
        assert_eq!(layers.incomplete_datagrams(), (0, 0));
    }
    let mut layers = Layers::default();
    let packets = split(packets, 5);
    let last = packets.iter().map(|data| layers.segment(&packet(101, data)).err()).last();
    assert_eq!(last, Some(Some(NotTcp::TooDeep)));
}

#[test]
fn fragments_of_two_vlans_or_tunnels_are_not_mixed() {
    let whole = v4_tcp(PAYLOAD);
    let other = v4_tcp(b"A PAYLOAD OF SOME THIRTY BYTES");
    let length = whole.len() - 20;
    let ways: [Way; 6] = [
        |way, ip| ethernet(0x8100, &[&[0, way, 8, 0], ip].concat()),
        |way, ip| {
            let mut outer = ipv4(4, ip);
            outer[15] = way;
            ethernet(0x0800, &outer)
        },
        |way, ip| {
            let frame = [&[8, 0, 0, 0, 0, 0, way, 0], &ethernet(0x0800, ip)[..]].concat();
            ethernet(0x0800, &ipv4(17, &udp(4789, &frame)))
        },
        |way, ip| ethernet(0x0800, &ipv4(47, &[&[0x20, 0, 8, 0, 0, 0, 0, way], ip].concat())),
        |way, ip| {
            let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, way, 0, 0, 0, 0];
            ethernet(0x0800, &ipv4(47, &[&head, &ethernet(0x0800, ip)[..]].concat()))
        },
        |way, ip| {
            let inside = [&[0, 0x21], ip].concat();
            let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
            ethernet(0x8864, &[&[0x11, 0, 0, way], &length[..], &inside].concat())
        },
    ];
    for (number, wrap) in ways.iter().enumerate() {
        let mut layers = Layers::default();
        let mut found = Vec::new();
        for (from, to) in [(0, 32), (32, length)] {
            for (way, whole) in [(1, &whole), (2, &other)] {
                let data = wrap(way, &v4_fragment(whole, from, to));
                found.push(layers.segment(&packet(1, &data)).map(|segment| segment.payload[0]));
            }
        }
        let expected = [Err(NotTcp::Fragment), Err(NotTcp::Fragment), Ok(b'a'), Ok(b'A')];
        assert_eq!(found, expected, "way {number}");
        assert_eq!(layers.fragment_conflicts(), 0);
    }
    // Labels and the flow of NVGRE do not tell networks apart.
    let labels: [Way; 2] = [
        |way, ip| ethernet(0x8847, &[&[0, way, 1, 64], ip].concat()),
        |way, ip| {
            let head = [0x20, 0, 0x65, 0x58, 0, 0, 1, way];
            ethernet(0x0800, &ipv4(47, &[&head, &ethernet(0x0800, ip)[..]].concat()))
        },
    ];
    for wrap in labels {
        let mut layers = Layers::default();
        let parts = [(1, 0, 32), (2, 32, length)];
        let last = parts.map(|(way, from, to)| {
            let data = wrap(way, &v4_fragment(&whole, from, to));
            payload_in(&mut layers, &packet(1, &data))
        });
        assert_eq!(last[1], whole_payload());
    }
}

#[test]
fn fragments_that_contradict_each_other_are_reported_with_both_versions() {
    let whole = v4_tcp(PAYLOAD);
    let mut forged = v4_fragment(&whole, 24, 40);
    forged[20 + 4] = b'X';
    let mut layers = Layers::default();
    for (frame, data) in [(1, v4_fragment(&whole, 24, 50)), (2, forged)] {
        let packet = Packet { frame, ..packet(101, &data) };
        assert_eq!(layers.segment(&packet).err(), Some(NotTcp::Fragment));
    }
    assert_eq!(payload_in(&mut layers, &packet(101, &v4_fragment(&whole, 0, 24))), whole_payload());
    let conflicts = layers.take_fragment_conflicts();
    assert_eq!((conflicts.len(), layers.fragment_conflicts()), (1, 1));
    let conflict = &conflicts[0];
    assert_eq!((conflict.frame, conflict.identification), (2, 77));
    assert_eq!(conflict.source.to_string(), "10.0.0.1");
    let difference = crate::capture::FragmentDifference::Bytes {
        offset: 28,
        length: 12,
        kept: PAYLOAD[8..20].to_vec(),
        other: [b"X", &PAYLOAD[9..20]].concat(),
    };
    assert_eq!(conflict.difference, difference);
}

#[test]
fn fragments_that_the_snap_length_cut_give_the_segment_as_far_as_it_goes() {
    let whole = v4_tcp(PAYLOAD);
    let mut layers = Layers::default();
    let parts = [v4_fragment(&whole, 0, 40), v4_fragment(&whole, 40, 50)];
    let found = parts.map(|part| {
        let cut = Packet { data: &part[..part.len() - 5], ..packet(101, &part) };
        payload_in(&mut layers, &cut)
    });
    assert_eq!(found, [Err(NotTcp::Fragment), Ok((PAYLOAD[..15].to_vec(), 30))]);
}

#[test]
fn a_fragment_beyond_the_length_of_a_datagram_is_told_apart() {
    let data = ipv4_part(6, 1, 0x1fff, &[0; 8]);
    assert_eq!(payload_of(101, &data), Err(NotTcp::OversizedFragment));
}

#[test]
fn options_and_large_segments_without_a_length_are_read() {
    let tcp = &v4_tcp(PAYLOAD)[20..];
    let mut options = ipv4(6, &[&[1, 1, 1, 0], tcp].concat());
    options[0] = 0x46;
    assert_eq!(payload_of(101, &options), whole_payload());
    let mut large = v4_tcp(PAYLOAD);
    large[2..4].fill(0);
    assert_eq!(payload_of(101, &large), whole_payload());
    let mut large = v6_tcp(PAYLOAD);
    large[4..6].fill(0);
    assert_eq!(payload_of(101, &large), whole_payload());
    let tcp = &v6_tcp(PAYLOAD)[40..];
    let length = u8::try_from(8 + tcp.len()).unwrap();
    let mut jumbo = ipv6(0, &[&[6, 0, 0xc2, 4, 0, 0, 0, length], tcp, &[0; 9]].concat());
    jumbo[4..6].fill(0);
    assert_eq!(payload_of(101, &jumbo), whole_payload());
}

#[test]
fn what_is_no_segment_says_why() {
    assert_eq!(payload_of(147, &[1]), Err(NotTcp::UnknownLink(LinkType(147))));
    for ethertype in [0x0806, 0x88cc, 0x888e, 0x88e5, 0x8863] {
        let data = ethernet(ethertype, &[0; 64]);
        assert_eq!(payload_of(1, &data), Err(NotTcp::NotIp), "{ethertype:04x}");
    }
    let spanning_tree = ethernet(38, &[0x42; 46]);
    assert_eq!(payload_of(1, &spanning_tree), Err(NotTcp::NotIp));
    for protocol in [1, 17, 50, 132] {
        let data = ipv4(protocol, &[0; 40]);
        assert_eq!(payload_of(101, &data), Err(NotTcp::OtherProtocol(protocol)));
        assert_eq!(payload_of(101, &ipv6(protocol, &[0; 40])), Err(NotTcp::OtherProtocol(protocol)));
    }
    // Ports of tunnels that carry something else.
    for port in [1701, 2152, 4789, 4790, 6081, 8472] {
        let data = ipv4(17, &udp(port, &[0xc0; 64]));
        assert_eq!(payload_of(101, &data), Err(NotTcp::OtherProtocol(17)), "{port}");
    }
    assert_eq!(payload_of(0, &[&[7, 0, 0, 0][..], &v4_tcp(b"")].concat()), Err(NotTcp::NotIp));
    let netlink = [&[0, 0, 3, 0x38][..], &[0; 10], &[8, 0], &v4_tcp(b"")].concat();
    assert_eq!(payload_of(113, &netlink), Err(NotTcp::NotIp));
}

#[test]
fn a_datagram_of_udp_has_its_ports_and_its_payload_however_it_came() {
    let whole = ipv4(17, &udp(53, PAYLOAD));
    let found = |layers: &mut Layers, data: &[u8]| match layers.transport(&packet(101, data)) {
        Ok(Transport::Udp(datagram)) => {
            Ok((datagram.destination.port, datagram.payload.to_vec(), datagram.payload_length))
        }
        Ok(Transport::Tcp(_)) => panic!("a segment"),
        Err(error) => Err(error),
    };
    let expected = Ok((53, PAYLOAD.to_vec(), 30));
    assert_eq!(found(&mut Layers::default(), &whole), expected);
    assert_eq!(found(&mut Layers::default(), &ipv6(17, &udp(53, PAYLOAD))), expected);
    assert_eq!(found(&mut Layers::default(), &ipv4(4, &whole)), expected, "a tunnel");
    let mut verifying = Layers::new(LayerOptions { checksums: true });
    assert_eq!(found(&mut verifying, &whole), expected, "the long way");
    let mut layers = Layers::default();
    assert_eq!(found(&mut layers, &v4_fragment(&whole, 0, 16)), Err(NotTcp::Fragment));
    assert_eq!(found(&mut layers, &v4_fragment(&whole, 16, 38)), expected);
    let cut = packet(101, &whole[..40]);
    let cut = Packet { original_length: 58, ..cut };
    let Ok(Transport::Udp(datagram)) = layers.transport(&cut) else { panic!("no datagram") };
    assert_eq!((datagram.payload, datagram.payload_length), (&PAYLOAD[..12], 30));
    assert_eq!(found(&mut layers, &ipv4(17, &[0, 1, 0, 53, 0])), Err(NotTcp::CutHeader));
    assert_eq!(found(&mut layers, &ipv4(17, &[0, 1, 0, 53, 0, 7, 0, 0])), Err(NotTcp::BadHeader));
}

#[test]
fn headers_that_cannot_be_are_told_apart_from_those_that_are_cut() {
    let change = |at: usize, value: u8| {
        let mut bytes = v4_tcp(PAYLOAD);
        bytes[at] = value;
        payload_of(1, &ethernet(0x0800, &bytes))
    };
    assert_eq!(change(0, 0x44), Err(NotTcp::BadHeader));
    assert_eq!(change(0, 0x65), Err(NotTcp::BadHeader));
    assert_eq!(change(3, 19), Err(NotTcp::BadHeader));
    assert_eq!(change(20 + 12, 0x40), Err(NotTcp::BadHeader));
    assert_eq!(change(3, 39), Err(NotTcp::CutHeader));
    assert_eq!(payload_of(101, &ipv4(17, &[0, 0, 0x12, 0xb5, 0, 7, 0, 0])), Err(NotTcp::BadHeader));
}

#[test]
fn what_is_stacked_without_an_end_is_given_up() {
    let mut tags = ethernet(0x8100, &[]);
    tags.extend([0, 1, 0x81, 0].repeat(1000));
    assert_eq!(payload_of(1, &tags), Err(NotTcp::TooDeep));
    assert_eq!(payload_of(1, &ethernet(0x8847, &[0, 1, 0, 64].repeat(1000))), Err(NotTcp::TooDeep));
    let mut nested = v4_tcp(PAYLOAD);
    for _ in 0..40 {
        nested = ipv4(4, &nested);
    }
    assert_eq!(payload_of(101, &nested), Err(NotTcp::TooDeep));
    assert_eq!(payload_of(101, &ipv6(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(1000))), Err(NotTcp::TooDeep));
}

#[test]
fn wrong_checksums_are_found_only_where_they_are_asked_for() {
    for whole in [v4_tcp(PAYLOAD), v6_tcp(PAYLOAD)] {
        let header = if whole[0] == 0x45 { 20 } else { 40 };
        let strict = |bytes: &[u8]| {
            let mut layers = Layers::new(LayerOptions { checksums: true });
            let found = payload_in(&mut layers, &packet(101, bytes));
            (found, layers.offloaded_checksums())
        };
        let right = u16::from_be_bytes([whole[header + 16], whole[header + 17]]);
        let with = |checksum: u16| {
            let mut bytes = whole.clone();
            bytes[header + 16..header + 18].copy_from_slice(&checksum.to_be_bytes());
            bytes
        };
        assert_eq!(payload_of(101, &with(0x1234)), whole_payload());
        let bad = BadChecksum { layer: ChecksumLayer::Tcp, stored: 0x1234, computed: right };
        assert_eq!(strict(&with(0x1234)), (Err(NotTcp::BadChecksum(bad)), 0));
        assert_eq!(bad.to_string(), format!("TCP checksum 0x1234 should be {right:#06x}"));
        let mut pseudo = if header == 20 { whole[12..20].to_vec() } else { whole[8..40].to_vec() };
        pseudo.extend([0, 6]);
        let without_length = sum16(&pseudo);
        pseudo.extend([0, 50]);
        for partial in [0, without_length, sum16(&pseudo)] {
            assert_eq!(strict(&with(partial)), (whole_payload(), 1), "{partial:04x}");
        }
        // Nothing is known of a segment that was not captured as a whole.
        let bytes = with(0x1234);
        let cut = Packet { data: &bytes[..bytes.len() - 1], ..packet(101, &bytes) };
        let mut layers = Layers::new(LayerOptions { checksums: true });
        assert!(payload_in(&mut layers, &cut).is_ok());
    }
    let mut bytes = v4_tcp(PAYLOAD);
    let right = u16::from_be_bytes([bytes[10], bytes[11]]);
    bytes[10..12].copy_from_slice(&[1, 2]);
    let bad = BadChecksum { layer: ChecksumLayer::Ipv4, stored: 0x0102, computed: right };
    let mut strict = Layers::new(LayerOptions { checksums: true });
    assert_eq!(payload_in(&mut strict, &packet(101, &bytes)), Err(NotTcp::BadChecksum(bad)));
}

#[test]
fn a_segment_is_small_to_move() {
    assert!(size_of::<Segment<'_>>() <= 80, "{}", size_of::<Segment<'_>>());
    assert!(size_of::<Result<Segment<'_>, NotTcp>>() <= 80);
}

/// What another reader of headers makes of it; `None` where it reads no TCP, or only a part.
fn by_etherparse(data: &[u8]) -> Option<(u16, u16, u32, Vec<u8>)> {
    let sliced = etherparse::SlicedPacket::from_ethernet(data).ok()?;
    if sliced.is_ip_payload_fragmented() {
        return None;
    }
    let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
    Some((tcp.source_port(), tcp.destination_port(), tcp.sequence_number(), tcp.payload().to_vec()))
}

fn ours(result: Result<Segment<'_>, NotTcp>) -> Option<(u16, u16, u32, Vec<u8>)> {
    let segment = result.ok()?;
    Some((segment.source.port, segment.destination.port, segment.sequence, segment.payload.to_vec()))
}

fn samples_mutated() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..4);
    (0..ENCAPSULATIONS.len(), any::<bool>(), changes, any::<prop::sample::Index>()).prop_map(
        |(number, is_v4, changes, length)| {
            let sample = &ENCAPSULATIONS[number];
            let inner = if is_v4 { v4_tcp(PAYLOAD) } else { v6_tcp(PAYLOAD) };
            let mut data = (sample.wrap)(&inner);
            for (at, value) in changes {
                let at = at.index(data.len());
                data[at] = value;
            }
            let length = length.index(data.len() * 4);
            data.truncate(length.max(1));
            (sample.link, data)
        },
    )
}

/// Any link type that is read.
fn links() -> impl Strategy<Value = u16> {
    let known: Vec<u16> = (0..300).filter(|link| LinkType(*link).is_supported()).collect();
    prop::sample::select(known)
}

fn describe(result: Result<Transport<'_>, NotTcp>) -> String {
    format!("{result:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_are_too_much(
        link in links(),
        data in prop::collection::vec(any::<u8>(), 0..200),
        original_length in any::<u32>(),
        checksums in any::<bool>(),
    ) {
        let packet = Packet { original_length, ..packet(link, &data) };
        let _ = Layers::new(LayerOptions { checksums }).transport(&packet);
    }

    #[test]
    fn the_short_way_and_the_long_way_lead_to_the_same((link, data) in samples_mutated()) {
        let packet = packet(link, &data);
        let short = describe(Layers::default().transport(&packet));
        prop_assert_eq!(short, describe(Layers::default().any_transport(&packet)));
        let _ = Layers::new(LayerOptions { checksums: true }).segment(&packet);
    }

    #[test]
    fn whatever_another_reader_takes_for_a_segment_is_the_same_here(
        is_v4 in any::<bool>(),
        tags in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let inner = if is_v4 { v4_tcp(PAYLOAD) } else { v6_tcp(PAYLOAD) };
        let mut inside = inner.clone();
        let mut ethertype = samples::ethertype_of(&inner);
        for _ in 0..tags {
            inside = [&[0, 5], &ethertype.to_be_bytes()[..], &inside].concat();
            ethertype = 0x8100;
        }
        let mut data = ethernet(ethertype, &inside);
        for (at, value) in changes {
            let at = at.index(data.len());
            data[at] = value;
        }
        if let Some(theirs) = by_etherparse(&data) {
            prop_assert_eq!(ours(Layers::default().segment(&packet(1, &data))), Some(theirs));
        }
    }
}

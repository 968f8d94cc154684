//! One packet an encapsulation, for the tests here and for those beside tshark.

#![allow(dead_code, unreachable_pub)] // each test uses its own part

/// A way of carrying IP.
pub struct Encapsulation {
    pub name: &'static str,
    /// The link type's number.
    pub link: u16,
    /// Puts the headers around an IP packet.
    pub wrap: fn(&[u8]) -> Vec<u8>,
}

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

pub fn ethertype_of(ip: &[u8]) -> u16 {
    if ip[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&MACS, &ethertype.to_be_bytes(), payload])
}

fn ethernet_ip(ip: &[u8]) -> Vec<u8> {
    ethernet(ethertype_of(ip), ip)
}

/// Behind an ethertype of a tag: the tag, and what it is around.
fn tag(vlan: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&vlan.to_be_bytes(), &ethertype.to_be_bytes(), payload])
}

fn snap(ip: &[u8]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &ethertype_of(ip).to_be_bytes(), ip])
}

pub fn sum16(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// IPv4 with a right checksum.
pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_part(protocol, 7, 0, payload)
}

/// The same with an identification, and the field of the flags and the offset.
pub fn ipv4_part(protocol: u8, identification: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    header[2..4].copy_from_slice(&u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[6..8].copy_from_slice(&place.to_be_bytes());
    let checksum = !sum16(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    join(&[&header, payload])
}

pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&length(payload));
    (header[6], header[7]) = (next, 64);
    (header[8], header[23]) = (0xfd, 1);
    (header[24], header[39]) = (0xfd, 2);
    join(&[&header, payload])
}

pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    join(&[&[0xc0, 0], &port.to_be_bytes(), &total, &[0, 0], payload])
}

fn in_v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(protocol, payload))
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    in_v4(17, &udp(port, payload))
}

fn ppp_protocol(ip: &[u8]) -> [u8; 2] {
    if ip[0] >> 4 == 4 { [0, 0x21] } else { [0, 0x57] }
}

fn ppp(ip: &[u8]) -> Vec<u8> {
    join(&[&ppp_protocol(ip), ip])
}

fn pppoe(ip: &[u8]) -> Vec<u8> {
    let inside = ppp(ip);
    join(&[&[0x11, 0, 0, 9], &length(&inside), &inside])
}

fn gre(flags: u16, protocol: u16, optional: &[u8], payload: &[u8]) -> Vec<u8> {
    join(&[&flags.to_be_bytes(), &protocol.to_be_bytes(), optional, payload])
}

fn gre_ip(ip: &[u8]) -> Vec<u8> {
    gre(0, ethertype_of(ip), &[], ip)
}

/// As GRE's checksum field and the reserved one behind it.
fn gre_checked(flags: u16, optional: &[u8], ip: &[u8]) -> Vec<u8> {
    let with = |checksum: u16| {
        let field = checksum.to_be_bytes();
        gre(flags, ethertype_of(ip), &join(&[&field, &[0, 0], optional]), ip)
    };
    with(!sum16(&with(0)))
}

fn vxlan(ip: &[u8]) -> Vec<u8> {
    join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet_ip(ip)])
}

fn geneve(ethertype: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(options.len() / 4).unwrap();
    join(&[&[words, 0], &ethertype.to_be_bytes(), &[0, 0, 42, 0], options, payload])
}

fn attribute(kind: u16, content: &[u8], word: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut bytes = join(&[&word(u16::try_from(4 + content.len()).unwrap()), &word(kind), content]);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nflog(ip: &[u8], word: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let family = if ip[0] >> 4 == 4 { 2 } else { 10 };
    join(&[
        &[family, 0, 0, 0],
        &attribute(1, &[8, 0, 1, 0], word),
        &attribute(10, b"prefix\0", word),
        &attribute(9, ip, word),
    ])
}

fn sll(protocol: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &protocol.to_be_bytes(), payload])
}

fn mpls(labels: &[u8], payload: &[u8]) -> Vec<u8> {
    join(&[labels, payload])
}

const LABEL: [u8; 4] = [0, 1, 0x01, 64];
/// Numbers 777 and 778: others have to be told what is below them.
const WIRE_LABEL: [u8; 4] = [0, 0x30, 0x91, 64];
const BARE_WIRE_LABEL: [u8; 4] = [0, 0x30, 0xa1, 64];
const LABELS: [u8; 12] = [0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 0x01, 64];

/// An extension header of IPv6 of eight bytes that is all padding.
fn padding(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

/// What carries IP inside IPv6 or behind extension headers is around IP in IP here.
fn inner_protocol(ip: &[u8]) -> u8 {
    if ip[0] >> 4 == 4 { 4 } else { 41 }
}

macro_rules! encapsulations {
    ($($name:literal, $link:literal, |$ip:ident| $wrap:expr;)*) => {
        /// Every way that is read.
        pub const ENCAPSULATIONS: &[Encapsulation] =
            &[$(Encapsulation { name: $name, link: $link, wrap: |$ip| $wrap }),*];
    };
}

encapsulations! {
    "ethernet", 1, |ip| ethernet_ip(ip);
    "ethernet_padded", 1, |ip| join(&[&ethernet_ip(ip), &[0; 18]]);
    "ethernet_llc_snap", 1, |ip| {
        let inside = snap(ip);
        join(&[&MACS, &length(&inside), &inside, &[0; 7]])
    };
    "vlan", 1, |ip| ethernet(0x8100, &tag(5, ethertype_of(ip), ip));
    "vlan_priority", 1, |ip| ethernet(0x8100, &tag(0xe000, ethertype_of(ip), ip));
    "qinq_88a8", 1, |ip| ethernet(0x88a8, &tag(5, 0x8100, &tag(6, ethertype_of(ip), ip)));
    "qinq_9100", 1, |ip| ethernet(0x9100, &tag(5, 0x8100, &tag(6, ethertype_of(ip), ip)));
    "qinq_9200", 1, |ip| ethernet(0x9200, &tag(5, 0x8100, &tag(6, ethertype_of(ip), ip)));
    "vlan_llc_snap", 1, |ip| {
        let inside = snap(ip);
        ethernet(0x8100, &tag(5, u16::try_from(inside.len()).unwrap(), &inside))
    };
    "pbb", 1, |ip| ethernet(0x88e7, &join(&[&[0, 0, 0, 77], &ethernet_ip(ip)]));
    "sll", 113, |ip| sll(ethertype_of(ip), ip);
    "sll_vlan", 113, |ip| sll(0x8100, &tag(5, ethertype_of(ip), ip));
    "sll_pppoe", 113, |ip| sll(0x8864, &pppoe(ip));
    "sll2", 276, |ip| {
        join(&[&ethertype_of(ip).to_be_bytes(), &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ip])
    };
    "null_little", 0, |ip| join(&[&[if ip[0] >> 4 == 4 { 2 } else { 30 }, 0, 0, 0], ip]);
    "null_big", 0, |ip| join(&[&[0, 0, 0, if ip[0] >> 4 == 4 { 2 } else { 24 }], ip]);
    "loop", 108, |ip| join(&[&[0, 0, 0, if ip[0] >> 4 == 4 { 2 } else { 24 }], ip]);
    "enc", 109, |ip| join(&[&[if ip[0] >> 4 == 4 { 2 } else { 24 }, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0], ip]);
    "pflog", 117, |ip| {
        join(&[&[61, if ip[0] >> 4 == 4 { 2 } else { 24 }], &[0; 62], ip])
    };
    "raw_12", 12, |ip| ip.to_vec();
    "raw_14", 14, |ip| ip.to_vec();
    "raw", 101, |ip| ip.to_vec();
    "ppp", 9, |ip| ppp(ip);
    "ppp_framed", 9, |ip| join(&[&[0xff, 3], &ppp(ip)]);
    "ppp_compressed_protocol", 9, |ip| join(&[&ppp_protocol(ip)[1..], ip]);
    "ppp_hdlc", 50, |ip| join(&[&[0xff, 3], &ppp(ip)]);
    "ppp_hdlc_unframed", 50, |ip| ppp(ip);
    "ppp_hdlc_cisco", 50, |ip| join(&[&[0x0f, 0], &ethertype_of(ip).to_be_bytes(), ip]);
    "ppp_ether", 51, |ip| pppoe(ip);
    "ppp_with_dir", 204, |ip| join(&[&[1, 0xff, 3], &ppp(ip)]);
    "ppp_pppd", 166, |ip| join(&[&[1, 3], &ppp(ip)]);
    "ppp_bridged", 9, |ip| join(&[&[0, 0x31, 0, 1], &ethernet_ip(ip)]);
    "c_hdlc", 104, |ip| join(&[&[0x0f, 0], &ethertype_of(ip).to_be_bytes(), ip]);
    "atm_rfc1483", 100, |ip| snap(ip);
    "mpls_link", 219, |ip| mpls(&LABELS, ip);
    "nflog_little", 239, |ip| nflog(ip, u16::to_le_bytes);
    "nflog_big", 239, |ip| nflog(ip, u16::to_be_bytes);
    "pppoe", 1, |ip| ethernet(0x8864, &pppoe(ip));
    "pppoe_padded", 1, |ip| ethernet(0x8864, &join(&[&pppoe(ip), &[0; 9]]));
    "vlan_pppoe", 1, |ip| ethernet(0x8100, &tag(5, 0x8864, &pppoe(ip)));
    "mpls", 1, |ip| ethernet(0x8847, &mpls(&LABEL, ip));
    "mpls_stack", 1, |ip| ethernet(0x8847, &mpls(&LABELS, ip));
    "mpls_multicast", 1, |ip| ethernet(0x8848, &mpls(&LABEL, ip));
    "mpls_pseudowire", 1, |ip| ethernet(0x8847, &mpls(&WIRE_LABEL, &join(&[&[0; 4], &ethernet_ip(ip)])));
    "mpls_pseudowire_without_control_word", 1, |ip| ethernet(0x8847, &mpls(&BARE_WIRE_LABEL, &ethernet_ip(ip)));
    "bridged_ethertype", 1, |ip| ethernet(0x6558, &ethernet_ip(ip));
    "ip_in_ip", 1, |ip| in_v4(inner_protocol(ip), ip);
    "ip_in_ipv6", 1, |ip| ethernet(0x86dd, &ipv6(inner_protocol(ip), ip));
    "six_in_four_in_six", 1, |ip| {
        let inner = ipv6(inner_protocol(ip), ip);
        ethernet(0x86dd, &ipv6(4, &ipv4(41, &inner)))
    };
    "ipv4_ah", 1, |ip| {
        let mut ah = [0; 24];
        (ah[0], ah[1]) = (inner_protocol(ip), 4);
        in_v4(51, &join(&[&ah, ip]))
    };
    "ipv6_extended", 1, |ip| {
        let mut ah = [0; 24];
        (ah[0], ah[1]) = (inner_protocol(ip), 4);
        let routing = [60, 0, 0, 0, 0, 0, 0, 0];
        ethernet(0x86dd, &ipv6(0, &join(&[&padding(43), &routing, &padding(51), &ah, ip])))
    };
    "ipv6_atomic_fragment", 1, |ip| {
        ethernet(0x86dd, &ipv6(44, &join(&[&[inner_protocol(ip), 0, 0, 0, 0, 0, 0, 1], ip])))
    };
    "gre", 1, |ip| in_v4(47, &gre_ip(ip));
    "gre_all_fields", 1, |ip| in_v4(47, &gre_checked(0xb000, &[0, 0, 0, 5, 0, 0, 0, 6], ip));
    "gre_over_ipv6", 1, |ip| ethernet(0x86dd, &ipv6(47, &gre_ip(ip)));
    "gre_ethernet", 1, |ip| in_v4(47, &gre(0, 0x6558, &[], &ethernet_ip(ip)));
    "gre_mpls", 1, |ip| in_v4(47, &gre(0, 0x8847, &[], &mpls(&LABELS, ip)));
    "gre_ppp", 1, |ip| {
        let inside = join(&[&[0xff, 3], &ppp(ip)]);
        in_v4(47, &join(&[&[0x30, 0x81, 0x88, 0x0b], &length(&inside), &[0, 1, 0, 0, 0, 2, 0, 0, 0, 3], &inside]))
    };
    "nvgre", 1, |ip| in_v4(47, &gre(0x2000, 0x6558, &[0, 0x10, 1, 7], &ethernet_ip(ip)));
    "erspan_1", 1, |ip| in_v4(47, &gre(0, 0x88be, &[], &ethernet_ip(ip)));
    "erspan_2", 1, |ip| {
        in_v4(47, &gre(0x1000, 0x88be, &[0, 0, 0, 1], &join(&[&[0x10, 5, 0, 100, 0, 0, 0, 0], &ethernet_ip(ip)])))
    };
    "erspan_3", 1, |ip| {
        let head = [0x20, 5, 0, 100, 0, 0, 0, 1, 0, 0, 0, 0];
        in_v4(47, &gre(0x1000, 0x22eb, &[0, 0, 0, 1], &join(&[&head, &ethernet_ip(ip)])))
    };
    "erspan_3_platform", 1, |ip| {
        let head = [0x20, 5, 0, 100, 0, 0, 0, 1, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0, 0, 0, 0];
        in_v4(47, &gre(0x1000, 0x22eb, &[0, 0, 0, 1], &join(&[&head, &ethernet_ip(ip)])))
    };
    "vxlan", 1, |ip| in_udp(4789, &vxlan(ip));
    "vxlan_linux_port", 1, |ip| in_udp(8472, &vxlan(ip));
    "vxlan_over_ipv6", 1, |ip| ethernet(0x86dd, &ipv6(17, &udp(4789, &vxlan(ip))));
    "vxlan_gpe_ethernet", 1, |ip| in_udp(4790, &join(&[&[0x0c, 0, 0, 3, 0, 0, 42, 0], &ethernet_ip(ip)]));
    "vxlan_gpe_ip", 1, |ip| {
        in_udp(4790, &join(&[&[0x0c, 0, 0, if ip[0] >> 4 == 4 { 1 } else { 2 }, 0, 0, 42, 0], ip]))
    };
    "geneve", 1, |ip| in_udp(6081, &geneve(0x6558, &[], &ethernet_ip(ip)));
    "geneve_options_ip", 1, |ip| {
        in_udp(6081, &geneve(ethertype_of(ip), &[1, 2, 3, 1, 9, 9, 9, 9], ip))
    };
    "gtp_u", 1, |ip| in_udp(2152, &join(&[&[0x30, 0xff], &length(ip), &[0, 0, 0, 5], ip]));
    "gtp_u_extended", 1, |ip| {
        let optional = [0, 0, 0, 0x85, 1, 0, 1, 0];
        in_udp(2152, &join(&[&[0x34, 0xff], &length(&join(&[&optional, ip])), &[0, 0, 0, 5], &optional, ip]))
    };
    "l2tp", 1, |ip| {
        in_udp(1701, &join(&[&[0, 2, 0, 1, 0, 2, 0xff, 3], &ppp(ip)]))
    };
    "l2tp_all_fields", 1, |ip| {
        let inside = join(&[&[0xff, 3], &ppp(ip)]);
        let total = u16::try_from(14 + inside.len()).unwrap().to_be_bytes();
        in_udp(1701, &join(&[&[0x4a, 2], &total, &[0, 1, 0, 2, 0, 0, 0, 0, 0, 0], &inside]))
    };
    "etherip", 1, |ip| in_v4(97, &join(&[&[0x30, 0], &ethernet_ip(ip)]));
    "mpls_in_ip", 1, |ip| in_v4(137, &mpls(&LABELS, ip));
    "mpls_in_udp", 1, |ip| in_udp(6635, &mpls(&LABELS, ip));
    "gre_in_vxlan_in_qinq", 1, |ip| {
        let mirrored = ethernet(0x0800, &ipv4(47, &gre_ip(ip)));
        let outer = ipv4(17, &udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &mirrored])));
        ethernet(0x88a8, &tag(5, 0x8100, &tag(6, 0x0800, &outer)))
    };
    "erspan_of_vxlan", 1, |ip| {
        let inner = ethernet(0x0800, &ipv4(17, &udp(4789, &vxlan(ip))));
        in_v4(47, &gre(0x1000, 0x88be, &[0, 0, 0, 1], &join(&[&[0x10, 5, 0, 100, 0, 0, 0, 0], &inner])))
    };
}

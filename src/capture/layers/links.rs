//! Link headers: everything in front of IP that is no tunnel over IP.

use super::rest::{Rest, be16, be24};
use super::{Context, Layer, LinkType, NETLINK, NotTcp, Step};

/// Ethertypes below are lengths (IEEE 802.3).
const LEAST_ETHERTYPE: u16 = 0x0600;
/// Labels of one MPLS stack that are followed.
const MAX_LABELS: usize = 16;

/// Takes the outermost link header off.
pub(super) fn outermost<'a>(
    link: LinkType,
    rest: Rest<'a>,
    context: &mut Context,
) -> Result<Step<'a>, NotTcp> {
    match link {
        LinkType::ETHERNET => ethernet(rest),
        LinkType::LINUX_SLL => {
            let (head, behind) = rest.split::<16>()?;
            cooked([head[2], head[3]], be16([head[14], head[15]]), behind)
        }
        LinkType::LINUX_SLL2 => {
            let (head, behind) = rest.split::<20>()?;
            cooked([head[8], head[9]], be16([head[0], head[1]]), behind)
        }
        LinkType::NULL | LinkType::LOOP => {
            let (family, behind) = rest.split::<4>()?;
            of_family(*family, behind)
        }
        LinkType::ENC => {
            let (head, behind) = rest.split::<12>()?;
            of_family([head[0], head[1], head[2], head[3]], behind)
        }
        LinkType::PFLOG => {
            let [length, family] = *rest.head()?;
            of_family([family, 0, 0, 0], rest.skip(usize::from(length).next_multiple_of(4))?)
        }
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => {
            Ok((Layer::Ip, rest))
        }
        LinkType::PPP => ppp(rest),
        LinkType::PPP_HDLC => match *rest.head()? {
            [0x0f | 0x8f, 0] => cisco_hdlc(rest),
            _ => ppp(rest),
        },
        LinkType::PPP_ETHER => pppoe(rest, context),
        LinkType::PPP_WITH_DIR => ppp(rest.skip(1)?),
        // The direction stands where the address 0xff was.
        LinkType::PPP_PPPD => match *rest.head()? {
            [0 | 1, 3] => ppp(rest.skip(2)?),
            _ => ppp(rest),
        },
        LinkType::C_HDLC => cisco_hdlc(rest),
        LinkType::ATM_RFC1483 => llc(rest),
        LinkType::MPLS => mpls(rest),
        LinkType::NFLOG => nflog(rest),
        other => Err(NotTcp::UnknownLink(other)),
    }
}

/// Ethernet II, and IEEE 802.3 with a length.
pub(super) fn ethernet(rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    let (head, behind) = rest.split::<14>()?;
    Ok(type_or_length(be16([head[12], head[13]]), behind))
}

fn type_or_length(value: u16, rest: Rest<'_>) -> Step<'_> {
    if value < LEAST_ETHERTYPE {
        (Layer::Llc, rest.limit(value.into()))
    } else {
        (Layer::Ethertype(value), rest)
    }
}

pub(super) fn ethertype<'a>(
    ethertype: u16,
    rest: Rest<'a>,
    context: &mut Context,
) -> Result<Step<'a>, NotTcp> {
    match ethertype {
        0x0800 => Ok((Layer::Ipv4, rest)),
        0x86dd => Ok((Layer::Ipv6, rest)),
        // 802.1Q, 802.1ad, and what was in use for two tags before it.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let (tag, behind) = rest.split::<4>()?;
            let vlan = be16([tag[0], tag[1]]) & 0x0fff;
            if vlan != 0 {
                context.add(vlan.into());
            }
            Ok(type_or_length(be16([tag[2], tag[3]]), behind))
        }
        // The backbone's service tag of 802.1ah.
        0x88e7 => {
            let (tag, behind) = rest.split::<4>()?;
            context.add(be24([tag[1], tag[2], tag[3]]).into());
            ethernet(behind)
        }
        0x6558 => ethernet(rest),
        0x8847 | 0x8848 => mpls(rest),
        0x8864 => pppoe(rest, context),
        0x880b => ppp(rest),
        _ => Err(NotTcp::NotIp),
    }
}

/// Linux's cooked headers: the protocol is an ethertype, but for some kinds of hardware and some low numbers.
fn cooked(hardware: [u8; 2], protocol: u16, rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    match protocol {
        _ if hardware == NETLINK => Err(NotTcp::NotIp),
        0x0004 => llc(rest),
        _ => Ok((Layer::Ethertype(protocol), rest)),
    }
}

/// Logical link control (IEEE 802.2), with its extension for ethertypes (SNAP).
pub(super) fn llc(rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    match *rest.head::<3>()? {
        [0x06, 0x06, 0x03] => Ok((Layer::Ip, rest.skip(3)?)),
        [0xaa, 0xaa, 0x03] => {
            let (head, behind) = rest.split::<8>()?;
            match *head {
                [_, _, _, 0, 0, 0 | 0xf8, high, low] => Ok((Layer::Ethertype(be16([high, low])), behind)),
                _ => Err(NotTcp::NotIp),
            }
        }
        _ => Err(NotTcp::NotIp),
    }
}

/// BSD's address family, in the order of the host that wrote it: what IPv6's is differs from system to system.
fn of_family(family: [u8; 4], rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    match family {
        [family, 0, 0, 0] | [0, 0, 0, family] if matches!(family, 2 | 10 | 23 | 24 | 28 | 30) => {
            Ok((Layer::Ip, rest))
        }
        _ => Err(NotTcp::NotIp),
    }
}

/// PPP (RFC 1661), with or without the address and control of RFC 1662, its protocol in one byte or two.
pub(super) fn ppp(rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    let rest = match *rest.bytes {
        [0xff] => return Err(NotTcp::CutHeader),
        [0xff, 0x03, ..] => rest.skip(2)?,
        _ => rest,
    };
    let (protocol, rest) = match *rest.head()? {
        [low] if low & 1 == 1 => (low.into(), rest.skip(1)?),
        _ => (be16(*rest.head()?), rest.skip(2)?),
    };
    match protocol {
        0x0021 => Ok((Layer::Ipv4, rest)),
        0x0057 => Ok((Layer::Ipv6, rest)),
        0x0281 | 0x0283 => mpls(rest),
        // Bridging (RFC 3518): only MAC type 1, Ethernet, can lead to IP.
        0x0031 => match *rest.head()? {
            [flags, 1] => ethernet(rest.skip(if flags & 0x40 == 0 { 2 } else { 6 })?),
            _ => Err(NotTcp::NotIp),
        },
        _ => Err(NotTcp::NotIp),
    }
}

/// A session of PPP over Ethernet (RFC 2516).
fn pppoe<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let (head, behind) = rest.split::<6>()?;
    let [0x11, 0, session @ .., _, _] = *head else { return Err(NotTcp::NotIp) };
    context.add(be16(session).into());
    ppp(behind.limit(be16([head[4], head[5]]).into()))
}

fn cisco_hdlc(rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    let (head, behind) = rest.split::<4>()?;
    Ok((Layer::Ethertype(be16([head[2], head[3]])), behind))
}

/// Linux's netfilter log: attributes in the byte order of the host that wrote them.
fn nflog(rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    let (head, attributes) = rest.split::<4>()?;
    if !matches!(head[0], 2 | 10) {
        return Err(NotTcp::NotIp);
    }
    // The types are small: of the first one the high byte is zero.
    let word = match *attributes.head::<4>()? {
        [_, _, _, 0] => u16::from_le_bytes,
        _ => u16::from_be_bytes,
    };
    Ok((Layer::Ip, nflog_payload(attributes, word)?))
}

fn nflog_payload(mut rest: Rest<'_>, word: fn([u8; 2]) -> u16) -> Result<Rest<'_>, NotTcp> {
    const PAYLOAD: u16 = 9;
    loop {
        let (head, behind) = rest.split::<4>()?;
        let length = usize::from(word([head[0], head[1]]));
        let content = length.checked_sub(4).ok_or(NotTcp::BadHeader)?;
        if word([head[2], head[3]]) == PAYLOAD {
            return Ok(behind.limit(content));
        }
        rest = behind.skip(content.next_multiple_of(4))?;
    }
}

/// A stack of MPLS labels (RFC 3032). What is below it nothing says: IP shows by its first bytes, Ethernet (RFC 4448,
/// with a control word or without) only where IP stands in it in the place that its ethertype says.
pub(super) fn mpls(mut rest: Rest<'_>) -> Result<Step<'_>, NotTcp> {
    for _ in 0..MAX_LABELS {
        let (label, behind) = rest.split::<4>()?;
        rest = behind;
        if label[2] & 1 == 0 {
            continue;
        }
        if looks_like_ip(rest) {
            return Ok((Layer::Ip, rest));
        }
        let [first] = *rest.head()?;
        if first >> 4 == 0
            && let Ok(behind) = rest.skip(4)
            && is_ethernet_with_ip(behind)
        {
            return ethernet(behind);
        }
        return if is_ethernet_with_ip(rest) { ethernet(rest) } else { Err(NotTcp::NotIp) };
    }
    Err(NotTcp::TooDeep)
}

fn looks_like_ip(rest: Rest<'_>) -> bool {
    match *rest.bytes {
        [first @ 0x45..=0x4f, _, high, low, ..] => {
            let total = usize::from(be16([high, low]));
            total == 0 || (usize::from(first & 15) * 4..=rest.length()).contains(&total)
        }
        [0x60..=0x6f, _, _, _, high, low, ..] => 40 + usize::from(be16([high, low])) <= rest.length(),
        _ => false,
    }
}

fn is_ethernet_with_ip(rest: Rest<'_>) -> bool {
    let Ok((head, mut rest)) = rest.split::<14>() else { return false };
    let mut ethertype = be16([head[12], head[13]]);
    while let 0x8100 | 0x88a8 = ethertype
        && let Ok((tag, behind)) = rest.split::<4>()
    {
        ethertype = be16([tag[2], tag[3]]);
        rest = behind;
    }
    let version = match ethertype {
        0x0800 => 4,
        0x86dd => 6,
        _ => return false,
    };
    rest.bytes.first().is_some_and(|first| first >> 4 == version) && looks_like_ip(rest)
}

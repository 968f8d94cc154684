//! Tunnels: what IP carries that carries IP in turn.

use super::rest::{Rest, be16, be24};
use super::{Context, Layer, NotTcp, Step, links};

const GRE: u8 = 47;
pub(super) const UDP: u8 = 17;

/// What an IP protocol carries that is no part of IP.
pub(super) fn inside<'a>(protocol: u8, rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    match protocol {
        4 => Ok((Layer::Ipv4, rest)),
        41 => Ok((Layer::Ipv6, rest)),
        GRE => gre(rest, context),
        // EtherIP (RFC 3378), version 3.
        97 => match rest.split::<2>()? {
            ([0x30, 0], behind) => links::ethernet(behind),
            _ => Err(NotTcp::OtherProtocol(protocol)),
        },
        137 => links::mpls(rest),
        other => Err(NotTcp::OtherProtocol(other)),
    }
}

/// GRE, version 0 (RFC 2784, RFC 2890), and version 1 for PPP (RFC 2637).
fn gre<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x0080;
    const BRIDGED_ETHERNET: u16 = 0x6558;
    const PPP: u16 = 0x880b;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;
    let (head, mut rest) = rest.split::<4>()?;
    let flags = be16([head[0], head[1]]);
    let protocol = be16([head[2], head[3]]);
    let has = |bit: u16| flags & bit != 0;
    match flags & 7 {
        0 if !has(ROUTING) => {}
        1 if has(KEY) && !has(CHECKSUM | ROUTING) && protocol == PPP => {
            let (key, behind) = rest.split::<4>()?;
            context.add(be16([key[2], key[3]]).into());
            let optional = usize::from(has(SEQUENCE)) * 4 + usize::from(has(ACKNOWLEDGMENT)) * 4;
            return links::ppp(behind.skip(optional)?.limit(be16([key[0], key[1]]).into()));
        }
        _ => return Err(NotTcp::OtherProtocol(GRE)),
    }
    if has(CHECKSUM) {
        rest = rest.skip(4)?;
    }
    if has(KEY) {
        let (key, behind) = rest.split()?;
        let key = u32::from_be_bytes(*key);
        // NVGRE (RFC 7637): the last byte tells flows apart, not networks.
        context.add(if protocol == BRIDGED_ETHERNET { key >> 8 } else { key }.into());
        rest = behind;
    }
    if has(SEQUENCE) {
        rest = rest.skip(4)?;
    }
    match protocol {
        // The first type has no header, and its GRE no sequence number.
        ERSPAN if !has(SEQUENCE) => links::ethernet(rest),
        ERSPAN => {
            let (head, behind) = rest.split::<8>()?;
            context.add((be16([head[2], head[3]]) & 0x03ff).into());
            links::ethernet(behind)
        }
        ERSPAN_III => {
            let (head, behind) = rest.split::<12>()?;
            context.add((be16([head[2], head[3]]) & 0x03ff).into());
            let behind = if head[11] & 1 == 0 { behind } else { behind.skip(8)? };
            match head[10] >> 2 & 0x1f {
                0 => links::ethernet(behind),
                2 => Ok((Layer::Ip, behind)),
                _ => Err(NotTcp::NotIp),
            }
        }
        _ => Ok((Layer::Ethertype(protocol), rest)),
    }
}

/// False where a UDP header says that no tunnel is behind it.
#[inline]
pub(super) fn may_be_in(rest: Rest<'_>) -> bool {
    match *rest.bytes {
        [_, _, high, low, ..] => is_port(be16([high, low])),
        _ => true,
    }
}

fn is_port(port: u16) -> bool {
    matches!(port, 1701 | 2152 | 4789 | 4790 | 6081 | 6635 | 8472)
}

/// The tunnels over UDP are known by the port that they are sent to, and by what their headers begin with.
pub(super) fn udp<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let port = {
        let head = rest.head::<4>()?;
        be16([head[2], head[3]])
    };
    if !is_port(port) {
        return Err(NotTcp::OtherProtocol(UDP));
    }
    let (head, behind) = rest.split::<8>()?;
    let inside = match be16([head[4], head[5]]) {
        0 => behind, // a large datagram, handed to the network card without a length
        length => behind.limit(usize::from(length).checked_sub(8).ok_or(NotTcp::BadHeader)?),
    };
    match port {
        1701 => l2tp(inside, context),
        2152 => gtp(inside, context),
        4790 => vxlan_gpe(inside, context),
        6081 => geneve(inside, context),
        6635 => links::mpls(inside),
        _ => vxlan(inside, context),
    }
}

/// VXLAN (RFC 7348).
fn vxlan<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    if head[0] & 0x08 == 0 {
        return Err(NotTcp::OtherProtocol(UDP));
    }
    context.add(be24([head[4], head[5], head[6]]).into());
    links::ethernet(behind)
}

/// VXLAN with a protocol of its own.
fn vxlan_gpe<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    if head[0] & 0xf8 != 0x08 {
        return Err(NotTcp::OtherProtocol(UDP));
    }
    context.add(be24([head[4], head[5], head[6]]).into());
    match (head[0] & 0x04, head[3]) {
        (0, _) | (_, 3) => links::ethernet(behind),
        (_, 1) => Ok((Layer::Ipv4, behind)),
        (_, 2) => Ok((Layer::Ipv6, behind)),
        (_, 5) => links::mpls(behind),
        _ => Err(NotTcp::NotIp),
    }
}

/// Geneve (RFC 8926).
fn geneve<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    if head[0] >> 6 != 0 {
        return Err(NotTcp::OtherProtocol(UDP));
    }
    context.add(be24([head[4], head[5], head[6]]).into());
    Ok((Layer::Ethertype(be16([head[2], head[3]])), behind.skip(usize::from(head[0] & 0x3f) * 4)?))
}

/// User data of GTP, version 1 (3GPP TS 29.281).
fn gtp<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    let (head, behind) = rest.split::<8>()?;
    let [0x30..=0x37, 0xff, high, low, tunnel @ ..] = *head else { return Err(NotTcp::OtherProtocol(UDP)) };
    context.add(u32::from_be_bytes(tunnel).into());
    let mut rest = behind.limit(be16([high, low]).into());
    if head[0] & 7 != 0 {
        let (optional, behind) = rest.split::<4>()?;
        rest = behind;
        let mut next = if head[0] & 4 == 0 { 0 } else { optional[3] };
        while next != 0 {
            let [length] = *rest.head()?;
            let end = usize::from(length).checked_mul(4).filter(|end| *end > 0).ok_or(NotTcp::BadHeader)?;
            let behind = rest.skip(end)?;
            next = rest.bytes[end - 1];
            rest = behind;
        }
    }
    Ok((Layer::Ip, rest))
}

/// PPP in L2TP, version 2 (RFC 2661).
fn l2tp<'a>(rest: Rest<'a>, context: &mut Context) -> Result<Step<'a>, NotTcp> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let flags = be16(*rest.head()?);
    if flags & CONTROL != 0 || flags & 15 != 2 {
        return Err(NotTcp::OtherProtocol(UDP));
    }
    let rest = rest.skip(if flags & LENGTH == 0 { 2 } else { 4 })?;
    let (ids, mut rest) = rest.split()?;
    context.add(u32::from_be_bytes(*ids).into());
    if flags & SEQUENCE != 0 {
        rest = rest.skip(4)?;
    }
    if flags & OFFSET != 0 {
        let (offset, behind) = rest.split()?;
        rest = behind.skip(be16(*offset).into())?;
    }
    links::ppp(rest)
}

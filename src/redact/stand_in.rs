use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::capture::Endpoint;
use crate::wire::{Epid, Guid};

/// Stand-ins for what names a machine, a user's key or a host: the same value has the same stand-in wherever it stands,
/// and nobody who lacks the secret finds the value again, not by trying all addresses either.
///
/// A stand-in is HMAC-SHA256 over the kind of the value and the value, cut to the form that such a value has, so that
/// what reads our output still reads it, and recognisable: addresses are of blocks that nobody has, GUIDs are of
/// version 8 (RFC 9562 5.8).
#[derive(Clone)]
pub struct StandIns {
    keyed: Hmac<Sha256>,
}

impl StandIns {
    /// The stand-ins that belong to a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { keyed: keyed(secret) }
    }

    fn digest(&self, kind: &str, value: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// An address in 240.0.0.0/4, which is reserved (RFC 1112 4), or in 2001:db8::/32, which documentation has (RFC
    /// 3849). Loopback and unspecified addresses name nobody and stay.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> IpAddr {
        if address.is_loopback() || address.is_unspecified() {
            return address;
        }
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d, ..] = self.digest("address", &address.octets());
                Ipv4Addr::new(0xf0 | a & 0x0f, b, c, d).into()
            }
            IpAddr::V6(address) => {
                let mut octets = [0; 16];
                octets.copy_from_slice(&self.digest("address", &address.octets())[..16]);
                octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
                Ipv6Addr::from(octets).into()
            }
        }
    }

    /// The address's stand-in; ports stay.
    #[must_use]
    pub fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        Endpoint { address: self.address(endpoint.address), port: endpoint.port }
    }

    /// A GUID of version 8; nil stays nil.
    #[must_use]
    pub fn guid(&self, guid: Guid) -> Guid {
        if guid == Guid::NIL {
            return guid;
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.digest("GUID", &guid.to_wire())[..16]);
        let bits = u128::from_be_bytes(bytes);
        Guid::from_u128(bits & !VERSION_AND_VARIANT | VERSION_8)
    }

    /// `machine-5d41402abc4b2a76`: the kind, and 16 hex digits; no text stays none.
    #[must_use]
    pub fn text(&self, kind: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let digest = self.digest(kind, text.as_bytes());
        format!("{kind}-{}", crate::wire::Hex(&digest[..8]))
    }

    /// As many bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self, kind: &str, bytes: [u8; N]) -> [u8; N] {
        let digest = self.digest(kind, &bytes);
        let mut stand_in = [0; N];
        stand_in.iter_mut().zip(digest).for_each(|(byte, other)| *byte = other);
        stand_in
    }

    /// An extended product id with other key sequence, date and platform id: what is left says which product, channel,
    /// language and build it is, of which there are many alike. What is no extended product id gets [`Self::text`].
    #[must_use]
    pub fn epid(&self, text: &str) -> String {
        match Epid::parse(text) {
            Ok(epid) => {
                let digest = self.digest("ePID", text.as_bytes());
                let mut numbers = digest
                    .chunks_exact(4)
                    .map(|four| four.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte)));
                let mut below = |most| numbers.next().unwrap_or_default() % most;
                Epid {
                    platform_id: epid.platform_id.filter(|&id| id == 0),
                    key_sequence: below(1_000_000_000),
                    day: 1 + below(366),
                    year: 0,
                    ..epid
                }
                .to_string()
            }
            Err(_) => self.text("ePID", text),
        }
    }
}

/// True for the stand-in of an installation or confirmation ID, which is none and should not be told to be wrong.
#[must_use]
pub fn is_stand_in(text: &str) -> bool {
    let text = text.strip_prefix("wrong-").unwrap_or(text);
    let digits = ["IID-", "CID-"].iter().find_map(|kind| text.strip_prefix(kind));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl std::fmt::Debug for StandIns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandIns")
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    // A key of any length will do, which the type cannot say.
    match Hmac::new_from_slice(secret) {
        Ok(keyed) => keyed,
        Err(_) => Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()),
    }
}

const VERSION_AND_VARIANT: u128 = 0xf000_c000_0000_0000_0000;
const VERSION_8: u128 = 0x8000_8000_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_has_the_same_stand_in_and_another_one_with_another_secret() {
        let (one, two) = (StandIns::new(b"one"), StandIns::new(b"two"));
        let address = IpAddr::from([10, 1, 2, 3]);
        assert_eq!(one.address(address), one.clone().address(address));
        assert_ne!(one.address(address), two.address(address));
        assert_ne!(one.address(address), one.address([10, 1, 2, 4].into()));
        assert_eq!(one.text("machine", "ws-17"), one.text("machine", "ws-17"));
        assert_ne!(one.text("machine", "ws-17"), one.text("user", "ws-17").replace("user", "machine"));
    }

    #[test]
    fn stand_ins_have_the_form_of_the_value_and_are_recognised() {
        let stand_ins = StandIns::new(b"secret");
        let IpAddr::V4(four) = stand_ins.address([192, 168, 0, 1].into()) else { panic!("not v4") };
        assert_eq!(four.octets()[0] & 0xf0, 0xf0);
        let six = stand_ins.address("fe80::1".parse().unwrap()).to_string();
        assert!(six.starts_with("2001:db8:"), "{six}");
        let guid = stand_ins.guid(Guid::from_u128(0x1234)).to_string();
        assert_eq!((guid.as_bytes()[14], guid.len()), (b'8', 36), "{guid}");
        assert!(matches!(guid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{guid}");
        assert_eq!(stand_ins.text("machine", "ws").len(), "machine-".len() + 16);
    }

    #[test]
    fn what_names_nobody_stays() {
        let stand_ins = StandIns::new(b"secret");
        for address in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(stand_ins.address(address), address);
        }
        assert_eq!(stand_ins.guid(Guid::NIL), Guid::NIL);
        assert_eq!(stand_ins.text("machine", ""), "");
    }

    #[test]
    fn an_extended_product_id_keeps_its_product_and_loses_its_key() {
        let stand_in = StandIns::new(b"secret").epid("03612-00206-564-865711-03-7169-14393.0000-1092021");
        let epid = Epid::parse(&stand_in).unwrap();
        assert_eq!((epid.group, epid.channel, epid.lcid, epid.build), (206, 3, 7169, 14393));
        assert_eq!((epid.platform_id, epid.year), (None, 0));
        assert_ne!(epid.key_sequence, 564_865_711);
        assert!(StandIns::new(b"").epid("no such thing").starts_with("ePID-"));
    }
}

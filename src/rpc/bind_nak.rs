use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Guid};

/// Body of the bind_nak PDU (C706 12.6.4.5), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 2 | provider_reject_reason |
/// | 18 | 1 | n_protocols |
/// | 19 | 2 each | major and minor of each supported version |
///
/// MS-RPCE 2.2.2.9 can put a signature ([`EXTENDED_ERROR_SIGNATURE`]) and extended error information behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindNak {
    /// provider_reject_reason.
    pub reject_reason: u16,
    /// The versions the server speaks, (major, minor); `None` where the PDU ends behind the reason.
    pub versions: Option<Vec<(u8, u8)>>,
}

/// What stands behind the versions of a bind_nak that carries extended error information (MS-RPCE 2.2.2.9).
pub const EXTENDED_ERROR_SIGNATURE: Guid = Guid::from_u128(0x9074_0320_fad0_11d3_82d7_0090_27b1_30ab);

impl BindNak {
    pub(crate) fn parse(input: &[u8], endianness: Endianness) -> Parsed<'_, Self> {
        let (input, reject_reason) = read::u16("provider_reject_reason", endianness)(input)?;
        if input.is_empty() {
            return Ok((input, Self { reject_reason, versions: None }));
        }
        let (mut input, n_protocols) = read::u8("n_protocols")(input)?;
        let mut versions = Vec::new();
        for _ in 0..n_protocols {
            let (behind, [major, minor]) = read::array("protocol")(input)?;
            versions.push((major, minor));
            input = behind;
        }
        Ok((input, Self { reject_reason, versions: Some(versions) }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u16(out, self.reject_reason, endianness);
        if let Some(versions) = &self.versions {
            out.push(u8::try_from(versions.len()).unwrap_or(u8::MAX));
            out.extend(versions.iter().take(255).flat_map(|&(major, minor)| [major, minor]));
        }
    }
}

/// The specification's name of a bind_nak's reason (C706 12.6.3.1, MS-RPCE 2.2.2.5).
#[must_use]
pub fn reject_reason_name(reason: u16) -> Option<&'static str> {
    Some(match reason {
        0 => "reason_not_specified",
        1 => "temporary_congestion",
        2 => "local_limit_exceeded",
        3 => "called_paddr_unknown",
        4 => "protocol_version_not_supported",
        5 => "default_context_not_supported",
        6 => "user_data_not_readable",
        7 => "no_psap_available",
        8 => "authentication_type_not_recognized",
        9 => "invalid_checksum",
        _ => return None,
    })
}

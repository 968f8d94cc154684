use smallvec::SmallVec;

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error, FileTime, Guid, Writer, utf16};

use super::Version;

/// RESPONSE body, in plain text in every version.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | Version |
/// | 4 | 4 | PIDSize, bytes, NUL included |
/// | 8 | PIDSize | ePID, UTF-16LE |
/// | +0 | 16 | CMID |
/// | +16 | 8 | ClientTime |
/// | +24 | 4 | Count |
/// | +28 | 4 | VLActivationInterval, minutes |
/// | +32 | 4 | VLRenewalInterval, minutes |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseBody {
    /// Version.
    pub version: Version,
    /// The ePID as it stands, PIDSize bytes of UTF-16LE.
    pub epid: SmallVec<[u8; 128]>,
    /// CMID, the request's.
    pub cmid: Guid,
    /// ClientTime, the request's.
    pub client_time: FileTime,
    /// Count: how many machines the host has counted.
    pub count: u32,
    /// VLActivationInterval: minutes between tries while not activated.
    pub activation_interval: u32,
    /// VLRenewalInterval: minutes between renewals.
    pub renewal_interval: u32,
}

impl ResponseBody {
    /// Bytes of a body without its ePID.
    pub const FIXED_LEN: usize = 44;

    /// PIDSize: bytes of the ePID, NUL included.
    #[must_use]
    pub fn pid_size(&self) -> usize {
        self.epid.len()
    }

    /// The ePID up to its NUL.
    #[must_use]
    pub fn epid_text(&self) -> String {
        utf16::until_nul(&self.epid)
    }

    /// Reads a body, and the bytes behind it.
    ///
    /// # Errors
    /// A body that ends inside a field, PIDSize beyond the end included.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        read::finish("response body", bytes, parse(bytes)).map(|(rest, body)| (body, rest))
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> SmallVec<[u8; Self::FIXED_LEN + 128]> {
        let mut out = SmallVec::from_elem(0, Self::FIXED_LEN + self.epid.len());
        self.put(&mut Writer(&mut out));
        out
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Writer<'_>) {
        out.put(&self.version.0.to_le_bytes());
        out.put(&u32::try_from(self.epid.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.put(&self.epid);
        out.put(&self.cmid.to_wire());
        out.put(&self.client_time.0.to_le_bytes());
        out.put(&self.count.to_le_bytes());
        out.put(&self.activation_interval.to_le_bytes());
        out.put(&self.renewal_interval.to_le_bytes());
    }
}

#[inline]
fn parse(input: &[u8]) -> Parsed<'_, ResponseBody> {
    const LE: Endianness = Endianness::Little;
    let (input, version) = read::u32("Version", LE)(input)?;
    let (input, pid_size) = read::u32("PIDSize", LE)(input)?;
    let (input, epid) = read::bytes("ePID", usize::try_from(pid_size).unwrap_or(usize::MAX))(input)?;
    let (input, cmid) = read::guid("CMID", LE)(input)?;
    let (input, client_time) = read::u64("ClientTime", LE)(input)?;
    let (input, count) = read::u32("Count", LE)(input)?;
    let (input, activation_interval) = read::u32("VLActivationInterval", LE)(input)?;
    let (input, renewal_interval) = read::u32("VLRenewalInterval", LE)(input)?;
    let body = ResponseBody {
        version: Version(version),
        epid: SmallVec::from_slice(epid),
        cmid,
        client_time: FileTime(client_time),
        count,
        activation_interval,
        renewal_interval,
    };
    Ok((input, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_back_byte_for_byte_and_leaves_the_rest() {
        let mut bytes = vec![0, 0, 6, 0, 6, 0, 0, 0, b'1', 0, b'2', 0, 0, 0];
        bytes.extend(0..36);
        bytes.push(0xff);
        let (body, rest) = ResponseBody::parse(&bytes).unwrap();
        assert_eq!((body.pid_size(), body.epid_text().as_str(), rest), (6, "12", &[0xff][..]));
        assert_eq!(body.encode()[..], bytes[..bytes.len() - 1]);
    }

    #[test]
    fn a_pid_size_beyond_the_end_allocates_nothing_and_is_positioned() {
        let bytes = [0, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 1, 2];
        assert_eq!(
            ResponseBody::parse(&bytes).unwrap_err().to_string(),
            "response body: ePID at offset 8: needed 4294967295 bytes, got 2"
        );
    }
}

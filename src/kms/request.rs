use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error, FileTime, Guid, Writer, utf16};

use super::Version;

/// REQUEST body, 236 bytes (VA2.0 pp. 29-30), in plain text in every version.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | Version |
/// | 4 | 4 | VMInfo |
/// | 8 | 4 | LicenseStatus |
/// | 12 | 4 | BindingExpiration, minutes |
/// | 16 | 16 | AppID |
/// | 32 | 16 | ActID |
/// | 48 | 16 | KMSID |
/// | 64 | 16 | CMID |
/// | 80 | 4 | N-Policy |
/// | 84 | 8 | ClientTime |
/// | 92 | 16 | CMID_prev |
/// | 108 | 128 | MachineName |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBody {
    /// Version.
    pub version: Version,
    /// VMInfo: not zero where the client runs in a virtual machine.
    pub vm_info: u32,
    /// LicenseStatus; its names are in [`crate::catalog::license_status`].
    pub license_status: u32,
    /// BindingExpiration: minutes until the license's binding expires.
    pub binding_expiration: u32,
    /// AppID: the application, Windows or an Office.
    pub app_id: Guid,
    /// ActID: the activation id of the edition, also called SKU id.
    pub act_id: Guid,
    /// KMSID: the KMS counted id, the product whose clients the host counts together.
    pub kms_id: Guid,
    /// CMID: the client machine id.
    pub cmid: Guid,
    /// N-Policy: the number of clients the host must have counted before this client takes its answer.
    pub n_policy: u32,
    /// ClientTime: the client's clock, UTC.
    pub client_time: FileTime,
    /// CMID_prev: the machine's id before its last change; zero where there was none.
    pub cmid_prev: Guid,
    /// MachineName as it stands: UTF-16LE, NUL-terminated, stale bytes possible behind the NUL.
    pub machine_name: [u8; 128],
}

impl RequestBody {
    /// Bytes in a body.
    pub const LEN: usize = 236;

    /// A MachineName as a client writes it: UTF-16LE, NULs behind it. `None` for a text of more than 63 units.
    #[must_use]
    pub fn machine_name_of(text: &str) -> Option<[u8; 128]> {
        let mut name = [0; 128];
        let (units, _) = name[..126].as_chunks_mut();
        let mut free = units.iter_mut();
        for unit in text.encode_utf16() {
            *free.next()? = unit.to_le_bytes();
        }
        Some(name)
    }

    /// MachineName up to its NUL.
    #[must_use]
    pub fn machine_name_text(&self) -> String {
        utf16::until_nul(&self.machine_name)
    }

    /// Reads the first 236 bytes.
    ///
    /// # Errors
    /// Fewer bytes than that.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        read::finish("request body", bytes, parse(bytes)).map(|(_, body)| body)
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut out = Writer(&mut bytes);
        out.put(&self.version.0.to_le_bytes());
        out.put(&self.vm_info.to_le_bytes());
        out.put(&self.license_status.to_le_bytes());
        out.put(&self.binding_expiration.to_le_bytes());
        out.put(&self.app_id.to_wire());
        out.put(&self.act_id.to_wire());
        out.put(&self.kms_id.to_wire());
        out.put(&self.cmid.to_wire());
        out.put(&self.n_policy.to_le_bytes());
        out.put(&self.client_time.0.to_le_bytes());
        out.put(&self.cmid_prev.to_wire());
        out.put(&self.machine_name);
        bytes
    }
}

#[inline]
fn parse(input: &[u8]) -> Parsed<'_, RequestBody> {
    const LE: Endianness = Endianness::Little;
    let (input, version) = read::u32("Version", LE)(input)?;
    let (input, vm_info) = read::u32("VMInfo", LE)(input)?;
    let (input, license_status) = read::u32("LicenseStatus", LE)(input)?;
    let (input, binding_expiration) = read::u32("BindingExpiration", LE)(input)?;
    let (input, app_id) = read::guid("AppID", LE)(input)?;
    let (input, act_id) = read::guid("ActID", LE)(input)?;
    let (input, kms_id) = read::guid("KMSID", LE)(input)?;
    let (input, cmid) = read::guid("CMID", LE)(input)?;
    let (input, n_policy) = read::u32("N-Policy", LE)(input)?;
    let (input, client_time) = read::u64("ClientTime", LE)(input)?;
    let (input, cmid_prev) = read::guid("CMID_prev", LE)(input)?;
    let (input, machine_name) = read::array("MachineName")(input)?;
    let body = RequestBody {
        version: Version(version),
        vm_info,
        license_status,
        binding_expiration,
        app_id,
        act_id,
        kms_id,
        cmid,
        n_policy,
        client_time: FileTime(client_time),
        cmid_prev,
        machine_name,
    };
    Ok((input, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_back_byte_for_byte() {
        let bytes: Vec<u8> = (0..236).map(|i| u8::try_from(i).unwrap()).collect();
        let body = RequestBody::parse(&bytes).unwrap();
        assert_eq!((body.n_policy, body.client_time.0), (0x5352_5150, 0x5b5a_5958_5756_5554));
        assert_eq!(body.encode()[..], bytes);
    }

    #[test]
    fn a_machine_name_of_63_units_fits_and_ends_with_a_nul() {
        let text = "\u{1f5a5}".repeat(31) + "x";
        let name = RequestBody::machine_name_of(&text).unwrap();
        assert_eq!((utf16::until_nul(&name), &name[124..]), (text, &[b'x', 0, 0, 0][..]));
        assert_eq!(RequestBody::machine_name_of(&"x".repeat(64)), None);
    }

    #[test]
    fn a_body_that_ends_early_names_the_field() {
        assert_eq!(
            RequestBody::parse(&[0; 90]).unwrap_err().to_string(),
            "request body: ClientTime at offset 84: needed 8 bytes, got 6"
        );
    }
}

use crate::wire::Guid;

use super::SyntaxId;

/// The usual name of an RPC interface that can stand beside volume activation in a capture.
#[must_use]
pub fn interface_name(uuid: Guid) -> Option<&'static str> {
    if uuid == SyntaxId::KMS.uuid {
        return Some("KMS");
    }
    KNOWN.iter().find(|(id, _)| Guid::from_u128(*id) == uuid).map(|(_, name)| *name)
}

/// UUIDs of the endpoint mapper and management interfaces (C706 appendices O and Q) and of the interfaces that a
/// Windows host offers over TCP (the MS-* open specifications, section "Standards assignments" of each).
const KNOWN: [(u128, &str); 18] = [
    (0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa, "epmapper"),
    (0xafa8_bd80_7d8a_11c9_bef4_0800_2b10_2989, "mgmt"),
    (0x99fc_fec4_5260_101b_bbcb_00aa_0021_347a, "IObjectExporter"),
    (0x0000_01a0_0000_0000_c000_0000_0000_0046, "IRemoteSCMActivator"),
    (0x0000_0143_0000_0000_c000_0000_0000_0046, "IRemUnknown2"),
    (0x9556_dc99_828c_11cf_a37e_00aa_0032_40c7, "IWbemServices"),
    (0xf309_ad18_d86a_11d0_a075_00c0_4fb6_8820, "IWbemLevel1Login"),
    (0xe351_4235_4b06_11d1_ab04_00c0_4fc2_dcd2, "drsuapi"),
    (0x1234_5678_1234_abcd_ef00_0123_4567_cffb, "netlogon"),
    (0x1234_5778_1234_abcd_ef00_0123_4567_89ab, "lsarpc"),
    (0x1234_5778_1234_abcd_ef00_0123_4567_89ac, "samr"),
    (0x367a_bb81_9844_35f1_ad32_98f0_3800_1003, "svcctl"),
    (0x338c_d001_2244_31f1_aaaa_9000_3800_1003, "winreg"),
    (0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188, "srvsvc"),
    (0x6bff_d098_a112_3610_9833_46c3_f87e_345a, "wkssvc"),
    (0xf6be_aff7_1e19_4fbb_9f8f_b89e_2018_337c, "eventlog6"),
    (0x50ab_c2a4_574d_40b3_9d66_ee4f_d5fb_a076, "dnsserver"),
    (0x76f0_3f96_cdfd_44fc_a22c_6495_0a00_1209, "winspool"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activation_and_management_interfaces_have_names() {
        let name = |text| interface_name(Guid::parse(text).unwrap());
        assert_eq!(name("51c82175-844e-4750-b0d8-ec255555bc06"), Some("KMS"));
        assert_eq!(name("afa8bd80-7d8a-11c9-bef4-08002b102989"), Some("mgmt"));
        assert_eq!(name("00000000-0000-0000-0000-000000000000"), None);
    }
}

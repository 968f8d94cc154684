use std::fmt;

/// A link layer type, as the captures' own registry numbers them; any number survives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

#[allow(missing_docs)] // the names are the registry's
impl LinkType {
    pub const NULL: Self = Self(0);
    pub const ETHERNET: Self = Self(1);
    pub const PPP: Self = Self(9);
    /// Raw IP under the numbers that some systems' DLT_RAW has.
    pub const RAW_12: Self = Self(12);
    pub const RAW_14: Self = Self(14);
    pub const PPP_HDLC: Self = Self(50);
    pub const PPP_ETHER: Self = Self(51);
    pub const ATM_RFC1483: Self = Self(100);
    pub const RAW: Self = Self(101);
    pub const C_HDLC: Self = Self(104);
    pub const LOOP: Self = Self(108);
    pub const ENC: Self = Self(109);
    pub const LINUX_SLL: Self = Self(113);
    pub const PFLOG: Self = Self(117);
    pub const PPP_PPPD: Self = Self(166);
    pub const PPP_WITH_DIR: Self = Self(204);
    pub const MPLS: Self = Self(219);
    pub const IPV4: Self = Self(228);
    pub const IPV6: Self = Self(229);
    pub const NFLOG: Self = Self(239);
    pub const LINUX_SLL2: Self = Self(276);
}

impl LinkType {
    /// The name, without the LINKTYPE_ prefix.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NULL",
            1 => "ETHERNET",
            3 => "AX25",
            6 => "IEEE802_5",
            7 => "ARCNET_BSD",
            8 => "SLIP",
            9 => "PPP",
            10 => "FDDI",
            50 => "PPP_HDLC",
            51 => "PPP_ETHER",
            100 => "ATM_RFC1483",
            12 | 14 | 101 => "RAW",
            104 => "C_HDLC",
            105 => "IEEE802_11",
            107 => "FRELAY",
            108 => "LOOP",
            109 => "ENC",
            113 => "LINUX_SLL",
            114 => "LTALK",
            117 => "PFLOG",
            119 => "IEEE802_11_PRISM",
            122 => "IP_OVER_FC",
            127 => "IEEE802_11_RADIOTAP",
            129 => "ARCNET_LINUX",
            140 => "MTP2",
            141 => "MTP3",
            143 => "DOCSIS",
            147..=162 => "USER",
            163 => "IEEE802_11_AVS",
            166 => "PPP_PPPD",
            177 => "LINUX_LAPD",
            187 => "BLUETOOTH_HCI_H4",
            189 => "USB_LINUX",
            192 => "PPI",
            195 => "IEEE802_15_4_WITHFCS",
            201 => "BLUETOOTH_HCI_H4_WITH_PHDR",
            203 => "LAPD",
            204 => "PPP_WITH_DIR",
            205 => "C_HDLC_WITH_DIR",
            206 => "FRELAY_WITH_DIR",
            209 => "IPMB_LINUX",
            212 => "LIN",
            219 => "MPLS",
            220 => "USB_LINUX_MMAPPED",
            224 => "FC_2",
            227 => "CAN_SOCKETCAN",
            228 => "IPV4",
            229 => "IPV6",
            230 => "IEEE802_15_4_NOFCS",
            231 => "DBUS",
            235 => "DVB_CI",
            239 => "NFLOG",
            240 => "NETANALYZER",
            242 => "IPOIB",
            247 => "INFINIBAND",
            248 => "SCTP",
            249 => "USBPCAP",
            251 => "BLUETOOTH_LE_LL",
            252 => "WIRESHARK_UPPER_PDU",
            253 => "NETLINK",
            254 => "BLUETOOTH_LINUX_MONITOR",
            258 => "PKTAP",
            259 => "EPON",
            264 => "ISO_14443",
            271 => "VSOCK",
            274 => "ETHERNET_MPACKET",
            276 => "LINUX_SLL2",
            _ => return None,
        })
    }

    /// True for the types that are up to their user, 147 to 162.
    #[inline]
    #[must_use]
    pub fn is_user(self) -> bool {
        matches!(self.0, 147..=162)
    }

    /// True where [`super::Layers`] takes its headers off.
    #[must_use]
    pub fn is_supported(self) -> bool {
        matches!(
            self,
            Self::NULL
                | Self::ETHERNET
                | Self::PPP
                | Self::RAW_12
                | Self::RAW_14
                | Self::PPP_HDLC
                | Self::PPP_ETHER
                | Self::ATM_RFC1483
                | Self::RAW
                | Self::C_HDLC
                | Self::LOOP
                | Self::ENC
                | Self::LINUX_SLL
                | Self::PFLOG
                | Self::PPP_PPPD
                | Self::PPP_WITH_DIR
                | Self::MPLS
                | Self::IPV4
                | Self::IPV6
                | Self::NFLOG
                | Self::LINUX_SLL2
        )
    }
}

/// `ETHERNET(1)`; a number without a name shows as `LINKTYPE(300)`.
impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name().unwrap_or("LINKTYPE"), self.0)
    }
}

impl fmt::Debug for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

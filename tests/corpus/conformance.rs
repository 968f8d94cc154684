//! Seeds of `rules`.

/// Captures whose first connection is a seed.
pub(crate) const CAPTURES: [&str; 10] = [
    "impacket_vlmcsd_frag100.pcap",
    "impacket_vlmcsd_mgmt.pcap",
    "pykms_pykms_v4.pcap",
    "rsclient_rsserver_v5.pcap",
    "samba_vlmcsd_bigendian.pcap",
    "scapy_vlmcsd_ndr64.pcap",
    "vlmcs_pykms_v6.pcap",
    "vlmcs_vlmcsd_err_version.pcap",
    "vlmcs_vlmcsd_v4_default.pcap",
    "vlmcs_vlmcsd_v6_default.pcap",
];

/// Hand-made cases that are seeds.
pub(crate) const CASES: [&str; 10] = [
    "alter_without_bind",
    "auth3",
    "bind_auth_len",
    "bind_btfn_bits_ffff",
    "bind_count_255",
    "cancel_after_request",
    "pipelined_2_requests",
    "pipelined_bind_and_request",
    "req_auth_len_8",
    "req_object_uuid",
];

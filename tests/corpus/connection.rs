//! Seeds of `connection`.

use volact::fuzzing::ConnectionPlan;
use volact::wire::Side;

/// Captures whose first connection is a seed, and what their host is: bits as [`ConnectionPlan::host`] has them.
pub(crate) const CAPTURES: [(&str, u8); 14] = [
    ("impacket_vlmcsd_frag100.pcap", 0),
    ("impacket_vlmcsd_frag100.pcap", 8),
    ("impacket_vlmcsd_mgmt.pcap", 8),
    ("pykms_pykms_v4.pcap", 0),
    ("rsclient_rsserver_v5.pcap", 0),
    ("samba_vlmcsd_bigendian.pcap", 8),
    ("samba_vlmcsd_plain.pcap", 9),
    ("scapy_vlmcsd_ndr64.pcap", 8),
    ("vlmcs_pykms_v6.pcap", 0),
    ("vlmcs_vlmcsd_err_version.pcap", 8),
    ("vlmcs_vlmcsd_v4_default.pcap", 10),
    ("vlmcs_vlmcsd_v6_default.pcap", 0),
    ("vlmcs_vlmcsd_v6_default.pcap", 8),
    ("vlmcs_vlmcsd_v6_default.pcap", 14),
];

/// Hand-made cases that are seeds.
pub(crate) const CASES: [&str; 16] = [
    "alter_without_bind",
    "auth3",
    "bind_20_items",
    "bind_auth_len",
    "bind_big_endian",
    "bind_btfn_bits_ffff",
    "bind_count_255",
    "cancel_after_request",
    "five_requests",
    "orphan",
    "pipelined_2_requests",
    "pipelined_bind_and_request",
    "req_auth_len_8",
    "req_object_uuid",
    "req_without_bind_ctxffff",
    "shutdown",
];

/// A connection as the target reads it: the PDUs of its sides in turns, in parts of 50 bytes.
pub(crate) fn seed(host: u8, pdus: &[Vec<Vec<u8>>; 2]) -> Vec<u8> {
    let [client, server] = pdus;
    let mut steps: Vec<(Side, &[u8])> = Vec::new();
    for turn in 0..client.len().max(server.len()) {
        steps.extend(client.get(turn).map(|pdu| (Side::Client, &pdu[..])));
        steps.extend(server.get(turn).map(|pdu| (Side::Server, &pdu[..])));
    }
    ConnectionPlan::write(host, 49, &steps)
}

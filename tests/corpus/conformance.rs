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

/// A connection as the target reads it: the PDUs of its sides in turns, in packets of 64 bytes, ended by the server.
pub(crate) fn seed(pdus: &[Vec<Vec<u8>>; 2]) -> Vec<u8> {
    let [client, server] = pdus;
    let mut seed = Vec::new();
    for turn in 0..client.len().max(server.len()) {
        for (side, pdus) in [(0, client), (1, server)] {
            if let Some(pdu) = pdus.get(turn) {
                put(&mut seed, side, pdu);
            }
        }
    }
    put(&mut seed, 3, &[]);
    seed
}

fn put(seed: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    seed.push(kind | 63 << 2);
    seed.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
    seed.extend(bytes);
}

//! Seeds of `diagnose`: one of each kind of ending, as small as there is.

use std::fs;

use super::support;

/// Recordings of whole stories.
const STORIES: [&str; 24] = [
    "activated",
    "adba_empty_then_kms",
    "answer_cut",
    "avma_not_opened",
    "avma_silent",
    "bind_nak",
    "clock_skew",
    "count_too_low",
    "dropped",
    "intervals",
    "mak_limit",
    "mak_unreachable",
    "no_key",
    "nxdomain",
    "office_azure",
    "refused",
    "rejected_hmac",
    "renewed",
    "retransmissions",
    "several",
    "silence",
    "srv_target_nxdomain",
    "version_refused",
    "wrong_service",
];

/// Name and bytes of each.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let read = |name: &str| fs::read(support::folder().join(format!("stories/story_{name}.pcapng"))).unwrap();
    let whole = STORIES.into_iter().map(|name| (name.to_owned(), read(name)));
    // Two machines, each with one connection of twelve packets.
    let cut = ("cloned".to_owned(), beginning(read("cloned"), 24));
    whole.chain([cut]).collect()
}

/// So many packets of a pcapng file, and what stands in front of them.
fn beginning(mut file: Vec<u8>, packets: usize) -> Vec<u8> {
    const ENHANCED_PACKET: usize = 6;
    let (mut at, mut count) = (0, 0);
    while count < packets {
        count += usize::from(support::u32_at(&file, at) == ENHANCED_PACKET);
        at += support::u32_at(&file, at + 4);
    }
    file.truncate(at);
    file
}

//! Every file below `corpus/` is a test of its name: its bytes through the body of its fuzz target.
//!
//! The seeds, `corpus/<target>/`, are cut from `captures/` and `tests/tls/`, or built: this file says how, and holds that they
//! are what it cuts.
//! After a change here, `VOLACT_WRITE_SEEDS=1 cargo test --test corpus` writes them anew. What once failed is kept in
//! `corpus/regressions/<target>/`, by hand.

mod conformance;
mod connection;
mod diagnosis;
mod directory;
mod discovery;
mod events;
mod faults;
mod http;
mod kms;
mod mak;
mod vmbus;

#[path = "../../src/capture/layers/samples.rs"]
mod samples;
#[path = "../support/mod.rs"]
mod support;
#[path = "../tls/transcript.rs"]
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Trial};
use volact::capture::{self, CaptureReader, Direction, LinkType, Packet};
use volact::fuzzing::seeds::{self as cut, Connection, Cutter, formats, kind_of};
use volact::fuzzing::{FramerPlan, KeyPlan, TARGETS};
use volact::kms::{Ndr, RequestMessage, ResponseMessage};
use volact::tls::Side;
use volact::trace::{Answer, Exchange, InputKind, Options, RingOptions, look_at};

use transcript::Transcript;

/// Seeds by target and name.
type Seeds = BTreeMap<(&'static str, String), Vec<u8>>;

/// The fewest seeds of a target; a cut that finds nothing must not pass for a corpus.
const FLOOR: usize = 16;

/// The fewest seeds of all targets together.
const FLOOR_OF_ALL: usize = 1500;

/// The fewest inputs that once failed: they only become more.
const FLOOR_OF_REGRESSIONS: usize = 9;

/// Recordings of whole conversations, one of a kind each; of what they have in common, the first one's is taken.
const CONVERSATIONS: [&str; 22] = [
    "vlmcs_vlmcsd_v6_default.pcap",
    "vlmcs_vlmcsd_v5_default.pcap",
    "vlmcs_vlmcsd_v4_default.pcap",
    "vlmcs_vlmcsd_v6_plain.pcap",
    "vlmcs_vlmcsd_v6_ndr32_client.pcap",
    "vlmcs_vlmcsd_v6_nobtfn_client.pcap",
    "vlmcs_vlmcsd_v6_nomultiplex.pcap",
    "vlmcs_vlmcsd_prod_office2019.pcap",
    "vlmcs_vlmcsd_err_version.pcap",
    "vlmcs_vlmcsd_err_whitelist_K1.pcap",
    "vlmcs_vlmcsd_err_timeskew_c1.pcap",
    "vlmcs_pykms_v5.pcap",
    "pykms_pykms_v4.pcap",
    "pykms_pykms_v6.pcap",
    "rsclient_rsserver_v4.pcap",
    "rsclient_rsserver_v5.pcap",
    "rsclient_rsserver_v6.pcap",
    "impacket_vlmcsd_frag100.pcap",
    "impacket_vlmcsd_mgmt.pcap",
    "samba_vlmcsd_plain.pcap",
    "samba_vlmcsd_bigendian.pcap",
    "scapy_vlmcsd_ndr64.pcap",
];

/// The recording of hand-made cases; each connection is one.
const EDGE: &str = "raw_edge_vlmcsd.pcap";

/// Cases whose last PDU (or whatever the client sent) is a seed of `pdu`, and so is the answer.
const EDGE_PDUS: [&str; 27] = [
    "alter_without_bind",
    "auth3",
    "bind_20_items",
    "bind_auth_len",
    "bind_big_endian",
    "bind_btfn_bits_ffff",
    "bind_count_255",
    "bind_count_too_small",
    "bind_ctx_ids_7_5",
    "bind_drep_ebcdic_vax",
    "bind_fraglen_0",
    "bind_fraglen_15",
    "bind_fraglen_17",
    "bind_fraglen_65535",
    "bind_rpcver_4_0",
    "bind_two_syntaxes_one_item",
    "bind_zero_items",
    "cancel_after_request",
    "orphan",
    "ptype_4",
    "ptype_13",
    "ptype_20",
    "req_auth_len_8",
    "req_no_body",
    "req_object_uuid",
    "req_without_bind_ctxffff",
    "shutdown",
];

/// Cases whose last request's stub, and its answer's, is a seed.
const EDGE_STUBS: [&str; 16] = [
    "ok_v4_ndr32",
    "ok_v6_ndr64",
    "req_body_0",
    "req_body_4",
    "req_empty_stub",
    "req_len0",
    "req_len_ffffffff",
    "req_len_huge",
    "req_len_lt_size",
    "req_ndr32_on_ndr64_ctx",
    "req_ndr64_on_ndr32_ctx",
    "req_size_lt_len",
    "req_v4_excess_8",
    "req_v6_excess_33",
    "req_v6_tail_outside_len_4",
    "req_ver_7_ndr64",
];

/// Cases whose last request's message is a seed, and with its answer another one.
const EDGE_MESSAGES: [&str; 28] = [
    "ok_v4_ndr32",
    "ok_v5_ndr32",
    "req_outer5_inner6",
    "req_outer6_inner4",
    "req_outer6_inner99",
    "req_outer6_v5crypto",
    "req_v4_bad_mac",
    "req_v4_excess_8",
    "req_v4_trunc_251",
    "req_v5_as_252",
    "req_v5_flip_last",
    "req_v6_all_zero_guids",
    "req_v6_bad_padding",
    "req_v6_excess_33",
    "req_v6_flip_iv",
    "req_v6_flip_middle",
    "req_v6_iv_zero",
    "req_v6_name_emoji",
    "req_v6_name_lone_surrogate",
    "req_v6_name_nonul",
    "req_v6_ncount_ffffffff",
    "req_v6_time_0",
    "req_v6_time_ffffffffffffffff",
    "req_v6_trunc_200",
    "req_v6_trunc_259",
    "req_ver_255_0",
    "req_ver_6_1",
    "req_ver_7_0",
];

/// Cases whose client's bytes are a stream for `framer`.
const EDGE_STREAMS: [&str; 17] = [
    "bind_fraglen_0",
    "bind_fraglen_16",
    "bind_fraglen_65535",
    "bind_fraglen_minus1",
    "bind_fraglen_plus4",
    "bind_rpcver_6_0",
    "ff",
    "half_bind_fin",
    "half_header_fin",
    "half_request_fin",
    "http_get",
    "pipelined_2_requests",
    "pipelined_bind_and_request",
    "ptype_255",
    "req_v6_excess_100",
    "tls_hello",
    "zeros",
];

/// Captures whose segments are a seed of `streams`.
const SEGMENTS: [&str; 17] = [
    "ip_fragments.pcap",
    "net_bytewise_v6.pcap",
    "net_cut_c2s_50_fin.pcap",
    "net_cut_s2c_170_rst.pcap",
    "net_non_kms_on_1688.pcap",
    "net_refused.pcap",
    "pykms_pykms_v6.pcap",
    "rsclient_rsserver_v6.pcap",
    "tcp_dup_all.pcap",
    "tcp_gap.pcap",
    "tcp_midstream.pcap",
    "tcp_overlap_same.pcap",
    "tcp_split40.pcap",
    "tcp_syn_retrans.pcap",
    "vlmcs_vlmcsd_snaplen96.pcap",
    "vlmcs_vlmcsd_v5_disconnect.pcap",
    "vlmcs_vlmcsd_v6_default.pcap",
];

/// Captures that are seeds of `file`.
const FILES: [&str; 12] = [
    "fmt_bigendian.pcap",
    "fmt_empty.pcap",
    "fmt_ng_two_sections.pcapng",
    "fmt_truncated_in_record.pcap",
    "link_null0.pcap",
    "net_refused.pcap",
    "vlmcs_vlmcsd_any_sll.pcap",
    "vlmcs_vlmcsd_any_sll2.pcap",
    "vlmcs_vlmcsd_dualstack_pcapng.pcapng",
    "vlmcs_vlmcsd_snaplen96.pcap",
    "vlmcs_vlmcsd_v4_pcapng.pcapng",
    "vlmcs_vlmcsd_v4_plain.pcap",
];

/// Recordings of MAK's services that are seeds of `capture`: HTTP, TLS with its secrets, a tunnel, faults.
const MAK_CAPTURES: [&str; 5] = [
    "mak_batch_mixed.pcapng",
    "mak_bodies.pcapng",
    "mak_connect.pcapng",
    "mak_failures.pcapng",
    "mak_tls13_dsb.pcapng",
];

/// Recordings around KMS that are seeds of `capture`, the smallest that tell something.
const AROUND_CAPTURES: [&str; 24] = [
    "directory/ldap_changes.pcapng",
    "directory/ldap_errors.pcapng",
    "directory/ldap_list.pcapng",
    "directory/ldap_referrals.pcapng",
    "directory/ldap_starttls.pcapng",
    "discovery/dns_aliases.pcapng",
    "discovery/dns_azure.pcapng",
    "discovery/dns_errors.pcapng",
    "discovery/dns_fragments.pcapng",
    "discovery/dns_kms_failover.pcapng",
    "discovery/dns_suffixes.pcapng",
    "discovery/dns_tcp.pcapng",
    "discovery/dns_truncated.pcapng",
    "discovery/dns_update.pcapng",
    "discovery/mdns.pcapng",
    "mak/mak_faults.pcapng",
    "mak/mak_internet.pcapng",
    "mak/mak_pipelined.pcapng",
    "vmbus/vmbus_avma.pcapng",
    "vmbus/vmbus_control.pcapng",
    "vmbus/vmbus_damaged.pcapng",
    "vmbus/vmbus_kvp.pcapng",
    "vmbus/vmbus_synthrdp.pcapng",
    "vmbus/vmbus_written.pcapng",
];

/// Inputs around KMS of which seeds are cut, and for which targets; one of a shape.
const AROUND: [(&[&str], &[&str]); 4] = [
    (
        &[
            "discovery/dns_aliases.pcapng",
            "discovery/dns_edns.pcapng",
            "discovery/dns_errors.pcapng",
            "discovery/dns_tcp.pcapng",
            "discovery/dns_truncated.pcapng",
            "discovery/dns_types.pcapng",
            "discovery/dns_update.pcapng",
            "discovery/mdns.pcapng",
        ],
        &["dns"],
    ),
    (
        &[
            "directory/ldap_attributes.pcapng",
            "directory/ldap_changes.pcapng",
            "directory/ldap_errors.pcapng",
            "directory/ldap_filters.pcapng",
            "directory/ldap_list.pcapng",
            "directory/ldap_paged.pcapng",
            "directory/ldap_sealed_digest.pcapng",
        ],
        &["ldap"],
    ),
    (
        &[
            "mak/mak_echo.pcapng",
            "mak/mak_faults.pcapng",
            "mak/mak_forms.pcapng",
            "mak/mak_internet.pcapng",
            "mak/mak_internet_faults.pcapng",
            "mak/mak_item_errors.pcapng",
            "mak/mak_proxy.pcapng",
        ],
        &["soap", "http", "id"],
    ),
    (
        &[
            "directory/ldif_changes.ldif",
            "directory/ldif_comments.ldif",
            "directory/ldif_urls.ldif",
            "directory/ldif_version.ldif",
            "mak/mak_request.xml",
            "mak/mak_response_error.xml",
            "mak/mak_vamt.cilx",
            "mak/mak_vamt_attributes.cil",
        ],
        &["ldif", "soap", "vamt", "redact"],
    ),
];

/// Captures that are seeds themselves: every container, link layer and TCP pathology once, the smallest there is.
const CAPTURES: [&str; 26] = [
    "fmt_bigendian.pcap",
    "fmt_empty.pcap",
    "fmt_ng_two_sections.pcapng",
    "fmt_truncated_in_record.pcap",
    "impacket_vlmcsd_frag100.pcap",
    "impacket_vlmcsd_mgmt.pcap",
    "ip_fragments.pcap",
    "link_null0.pcap",
    "link_raw101.pcap",
    "link_vlan.pcap",
    "net_cut_s2c_170_rst.pcap",
    "net_non_kms_on_1688.pcap",
    "net_refused.pcap",
    "samba_vlmcsd_bigendian.pcap",
    "scapy_vlmcsd_ndr64.pcap",
    "tcp_gap.pcap",
    "tcp_midstream.pcap",
    "tcp_overlap_same.pcap",
    "tun_gre.pcap",
    "vlmcs_vlmcsd_any_sll.pcap",
    "vlmcs_vlmcsd_any_sll2.pcap",
    "vlmcs_vlmcsd_snaplen96.pcap",
    "vlmcs_vlmcsd_v4_nomultiplex.pcap",
    "vlmcs_vlmcsd_v5_ipv6.pcap",
    "vlmcs_vlmcsd_v5_nomultiplex.pcap",
    "vlmcs_vlmcsd_v6_pcapng.pcapng",
];

fn main() {
    let arguments = Arguments::from_args();
    if std::env::var_os("VOLACT_WRITE_SEEDS").is_some() {
        write(&seeds());
    }
    let mut trials = files_as_trials();
    trials.push(Trial::test("every_seed_is_what_is_cut_from_the_captures", || {
        // Only here: where this trial is left out, nothing but the files is run, which coverage is measured by.
        let seeds = seeds();
        let committed = committed();
        let cut: BTreeSet<_> = seeds.keys().map(|(target, name)| folder(target).join(name)).collect();
        assert_eq!(committed, cut, "the files, and what is cut");
        for ((target, name), bytes) in &seeds {
            assert!(fs::read(folder(target).join(name))? == *bytes, "{target}/{name} differs");
        }
        Ok(())
    }));
    trials.push(Trial::test("every_target_has_its_seeds_and_every_folder_its_target", || {
        for (target, _) in TARGETS {
            let count = files(&folder(target)).len();
            assert!(count >= FLOOR, "{target} has {count} seeds");
        }
        let count = committed().len();
        assert!(count >= FLOOR_OF_ALL, "{count} seeds");
        let regressions =
            TARGETS.iter().map(|(target, _)| files(&corpus().join("regressions").join(target)).len());
        let count: usize = regressions.sum();
        assert!(count >= FLOOR_OF_REGRESSIONS, "{count} inputs that once failed");
        for parent in [corpus(), corpus().join("regressions")] {
            for entry in fs::read_dir(parent)? {
                let name = entry?.file_name().into_string().unwrap();
                let is_known = TARGETS.iter().any(|(target, _)| *target == name) || name == "coverage";
                assert!(is_known || name == "README.md" || name == "regressions", "{name}");
            }
        }
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn files_as_trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(target, body) in TARGETS {
        for path in [folder(target), corpus().join("regressions").join(target)].iter().flat_map(|f| files(f))
        {
            let name = path.strip_prefix(corpus()).unwrap().to_string_lossy().into_owned();
            trials.push(Trial::test(name, move || {
                body(&fs::read(path)?);
                Ok(())
            }));
        }
    }
    trials
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn folder(target: &str) -> PathBuf {
    corpus().join(target)
}

/// The files of a folder, which need not be there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn committed() -> BTreeSet<PathBuf> {
    TARGETS.iter().flat_map(|(target, _)| files(&folder(target))).collect()
}

fn write(seeds: &Seeds) {
    for path in committed() {
        fs::remove_file(path).unwrap();
    }
    for ((target, name), bytes) in seeds {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    }
}

/// All seeds, from the captures as they are now.
fn seeds() -> Seeds {
    let mut cut = Cut::default();
    cut.conversations();
    cut.edge_cases();
    for name in conformance::CAPTURES {
        cut.put("rules", stem(name), formats::dialogue(&connections(name)[0]));
    }
    for (name, host) in connection::CAPTURES {
        let seed = formats::connection(&connections(name)[0], host);
        cut.put("connection", &format!("{}.host_{host}", stem(name)), seed);
    }
    for name in SEGMENTS {
        cut.put("streams", &format!("{}.segments", stem(name)), formats::segments(&connections(name)[0]));
    }
    for name in CAPTURES {
        cut.put("capture", name, fs::read(support::folder().join(name)).unwrap());
    }
    for name in MAK_CAPTURES {
        cut.put("capture", name, fs::read(support::folder().join("mak").join(name)).unwrap());
    }
    for name in AROUND_CAPTURES {
        let (_, file) = name.split_once('/').unwrap();
        cut.put("capture", file, fs::read(support::folder().join(name)).unwrap());
    }
    cut.around();
    for name in FILES {
        cut.put("file", name, fs::read(support::folder().join(name)).unwrap());
    }
    for (name, bytes) in damaged() {
        cut.put("file", name, bytes);
    }
    cut.packets();
    cut.sessions();
    for (name, plan) in conversations() {
        cut.put("reassembly", name, plan);
    }
    for (name, text) in ids() {
        cut.put("id", &name, text.into_bytes());
    }
    for (name, bytes) in secrets() {
        cut.put("redact", &name, bytes);
    }
    for (name, bytes) in diagnosis::all() {
        cut.put("diagnose", &name, bytes);
    }
    for (name, bytes) in discovery::all() {
        cut.put("dns", name, bytes);
    }
    for (name, bytes) in http::http() {
        cut.put("http", name, bytes);
    }
    for (name, bytes) in http::har() {
        cut.put("har", name, bytes);
    }
    for (target, name, bytes) in mak::all().into_iter().chain(directory::all()).chain(events::all()) {
        cut.put(target, name, bytes);
    }
    for (target, name, bytes) in vmbus::all().into_iter().chain(kms::all()).chain(faults::all()) {
        cut.put(target, &name, bytes);
    }
    cut.seeds
}

/// Files with one kind of damage each.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let read = |name: &str| fs::read(support::folder().join(name)).unwrap();
    let pcap = read("vlmcs_vlmcsd_v4_plain.pcap");
    let second = 24 + support::records(&pcap)[0].len();
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = pcap.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    let pcapng = read("vlmcs_vlmcsd_v6_pcapng.pcapng");
    let blocks: Vec<usize> = std::iter::successors(Some(0), |&at| {
        Some(at + support::u32_at(&pcapng, at + 4)).filter(|&next| next < pcapng.len())
    })
    .collect();
    let mut trailing = pcapng.clone();
    trailing[blocks[4] - 4] ^= 0x40;
    let mut leading = pcapng.clone();
    leading[blocks[3] + 4..blocks[3] + 8].fill(0xff);
    vec![
        ("damaged_length_of_4_gb", with(second + 8, &[0xff; 4])),
        ("damaged_length_too_large", with(second + 8, &1000u32.to_le_bytes())),
        ("damaged_length_too_small", with(second + 8, &3u32.to_le_bytes())),
        ("damaged_header", with(second, &[0xa5; 16])),
        ("inserted_bytes", [&pcap[..second], &[0x77; 7], &pcap[second..]].concat()),
        ("removed_bytes", [&pcap[..second], &pcap[second + 9..]].concat()),
        ("damaged_trailing_length", trailing),
        ("damaged_leading_length", leading),
    ]
}

/// Plans of `reassembly`: lengths of the turns, splits, and the order of the pieces.
fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    const LENGTHS: [u8; 6] = [72, 60, 252, 220, 140, 108];
    let plan = |lengths: [u8; 6], split: fn(u8) -> u8, order: fn(u8) -> u8| {
        let splits = (0..10).map(split);
        lengths.into_iter().chain(splits).chain((0..24).map(order)).collect::<Vec<u8>>()
    };
    vec![
        ("in_order", plan(LENGTHS, |_| 0, |i| i)),
        ("backwards", plan(LENGTHS, |_| 0, |i| 24 - i)),
        ("split_in_the_middle", plan(LENGTHS, |_| 30, |i| i)),
        ("split_backwards", plan(LENGTHS, |_| 30, |i| 24 - i)),
        ("odd_ones_first", plan(LENGTHS, |i| 7 * i, |i| i % 2)),
        ("even_ones_first", plan(LENGTHS, |i| 7 * i, |i| 1 - i % 2)),
        ("by_threes", plan(LENGTHS, |i| 11 * i, |i| i % 3)),
        ("overlapping", plan(LENGTHS, |i| 255 - i, |i| i ^ 5)),
        ("overlapping_by_three", plan(LENGTHS, |_| 3, |i| i ^ 3)),
        ("one_byte_turns", plan([1; 6], |_| 1, |i| 24 - i)),
        ("empty_turns", plan([0; 6], |_| 0, |i| i)),
        ("empty_questions", plan([0, 9, 0, 9, 0, 9], |_| 4, |i| i ^ 7)),
        ("empty_answers", plan([9, 0, 9, 0, 9, 0], |_| 4, |i| i ^ 7)),
        ("longest_turns", plan([255; 6], |_| 128, |i| i.wrapping_mul(37))),
        ("one_turn", plan([255, 0, 0, 0, 0, 0], |i| 60 * (i % 4), |i| i.wrapping_mul(91))),
        ("uneven_turns", plan([1, 255, 2, 254, 3, 253], |i| 40 * (i % 6), |i| i.wrapping_mul(53))),
    ]
}

/// Published installation IDs and confirmation IDs, as they are and as people write them, and with faults.
fn ids() -> Vec<(String, String)> {
    const INSTALLATION_54: &str = "020650770493837252929082195773527024195725809211989214";
    const INSTALLATION_63: &str = "330512311875727788090139496334835149954645445802270599047875924";
    const CONFIRMATION_42: &str = "154814744406423500209405874111676042686055";
    const CONFIRMATION_48: &str = "429292031401597794898455690612212251894655189294";
    let grouped = |digits: &str, size: usize, separator: &str| {
        let groups: Vec<&str> =
            digits.as_bytes().chunks(size).map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(separator)
    };
    let fullwidth = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
    let labelled = "ABCDEFGH".chars().zip(CONFIRMATION_48.as_bytes().chunks(6));
    let seeds = [
        ("50_digits", format!("{}42", &INSTALLATION_54[..48])),
        ("54_digits", INSTALLATION_54.to_owned()),
        ("63_digits", INSTALLATION_63.to_owned()),
        ("42_digits", CONFIRMATION_42.to_owned()),
        ("48_digits", CONFIRMATION_48.to_owned()),
        ("54_dashes", grouped(INSTALLATION_54, 6, "-")),
        ("63_spaces", grouped(INSTALLATION_63, 7, " ")),
        ("63_no_break_spaces", grouped(INSTALLATION_63, 7, "\u{a0}")),
        ("63_in_groups_of_six", grouped(INSTALLATION_63, 6, " ")),
        ("48_letters", labelled.map(|(c, group)| format!("{c}: {} ", group.escape_ascii())).collect()),
        ("48_fullwidth", CONFIRMATION_48.chars().map(fullwidth).collect()),
        ("42_line_breaks", grouped(CONFIRMATION_42, 6, "\r\n")),
        ("63_zeros", "0".repeat(63)),
        ("63_nines", "9".repeat(63)),
        ("62_digits", INSTALLATION_63[1..].to_owned()),
        ("62_digits_in_groups", grouped(INSTALLATION_63, 7, "-").replacen("788090", "78809", 1)),
        ("49_digits", format!("{CONFIRMATION_48}0")),
        ("42_right_in_groups_of_seven", INSTALLATION_63[..42].to_owned()),
        ("letter_o", CONFIRMATION_42.replace('0', "O")),
    ];
    seeds.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// Made-up product keys in every way of writing that `redact` knows, and what is as good as a key.
fn secrets() -> Vec<(String, Vec<u8>)> {
    const LAYOUTS: [&str; KeyPlan::LAYOUTS as usize] = ["dashes", "undashed", "spaces"];
    const ESCAPES: [&str; KeyPlan::ESCAPES as usize] = [
        "plain",
        "entity",
        "hex_entity",
        "percent",
        "backslash_u",
        "quoted",
        "entity_twice",
        "percent_twice",
        "backslash_u_twice",
    ];
    const WIDTHS: [&str; KeyPlan::WIDTHS as usize] = ["ascii", "utf16le", "utf16be"];
    const TRANSPORTS: [&str; KeyPlan::TRANSPORTS as usize] =
        ["bare", "hex", "upper_hex", "hex_spaces", "hex_colons", "hex_registry", "base64"];
    let mut seeds = Vec::new();
    let mut add = |layout: u8, escape: u8, width: u8, transport: u8| {
        let symbols = std::array::from_fn(|i| u8::try_from(7 * i % 24).unwrap());
        let around = b"<key>\"value\"</key>";
        let plan =
            KeyPlan { symbols, layout, escape, escaped: 0x1e00_0421, width, transport, place: 6, around };
        let name = [
            LAYOUTS[usize::from(layout)],
            ESCAPES[usize::from(escape)],
            WIDTHS[usize::from(width)],
            TRANSPORTS[usize::from(transport)],
        ];
        seeds.push((name.join("."), plan.write()));
    };
    for layout in 0..KeyPlan::LAYOUTS {
        add(layout, 0, 0, 0);
    }
    for escape in 1..KeyPlan::ESCAPES {
        add(0, escape, 0, 0);
    }
    for width in 1..KeyPlan::WIDTHS {
        add(0, 0, width, 0);
    }
    for transport in 1..KeyPlan::TRANSPORTS {
        add(1, 0, 0, transport);
        add(0, 4, 1, transport);
    }
    let config_id = b"msft2009:11111111-2222-3333-4444-555555555555&amp;QUFBQUFBQUFBQUFBQUFBQUFBQUE=</Value>";
    let blob =
        |head: [u8; 8], len: usize| head.into_iter().chain((0..=255).cycle()).take(len).collect::<Vec<u8>>();
    seeds.push(("config_id".to_owned(), config_id.to_vec()));
    seeds.push(("digital_product_id_3".to_owned(), blob([0xa4, 0, 0, 0, 3, 0, 0, 0], 180)));
    seeds.push(("digital_product_id_4".to_owned(), blob([0xf8, 4, 0, 0, 4, 0, 0, 0], 1280)));
    seeds
}

/// A recorded session as `tls` reads it, with gaps in front of these pieces.
fn session(transcript: &Transcript, keys: &str, gaps: &[usize]) -> Vec<u8> {
    /// How long the parts are into which a piece is cut, four times.
    const CUTS: [u8; 4] = [0x30, 0x7c, 0xfc, 0x08];
    let mut pieces = Vec::new();
    for (at, (side, bytes)) in transcript.pieces.iter().enumerate() {
        let kind = CUTS[at % 4] | u8::from(gaps.contains(&at)) << 1 | u8::from(*side == Side::Server);
        formats::put(&mut pieces, kind, bytes);
    }
    formats::tls(keys.as_bytes(), &pieces)
}

#[derive(Default)]
struct Cut {
    seeds: Seeds,
    /// What was seen of each target's kinds, so that one seed of a kind is enough.
    seen: BTreeSet<(&'static str, String)>,
}

impl Cut {
    fn put(&mut self, target: &'static str, name: &str, bytes: Vec<u8>) {
        let replaced = self.seeds.insert((target, name.to_owned()), bytes);
        assert!(replaced.is_none(), "{target}/{name} twice");
    }

    /// Seeds of `tls` and `key_log`: every recorded session with its key log, some without, and with gaps; lines of all
    /// kinds.
    fn sessions(&mut self) {
        for transcript in Transcript::all() {
            self.put("tls", &transcript.name, session(&transcript, &transcript.keys(), &[]));
            self.put("key_log", &transcript.name, transcript.keys().into_bytes());
        }
        for name in ["tls12_ecdhe_rsa_aes128", "tls13_aes128", "tls13_key_update"] {
            let transcript = Transcript::read(name);
            let behind_hellos: Vec<usize> = (5..transcript.pieces.len()).collect();
            self.put("tls", &format!("{name}.without_keys"), session(&transcript, "", &[]));
            self.put("tls", &format!("{name}.gap"), session(&transcript, &transcript.keys(), &[6]));
            self.put(
                "tls",
                &format!("{name}.gaps"),
                session(&transcript, &transcript.keys(), &behind_hellos),
            );
        }
        let random = "0b".repeat(32);
        for (name, lines) in [
            (
                "comments_and_crlf",
                format!("# a comment\r\n\r\nCLIENT_RANDOM {random} {}\r\n", "5e".repeat(48)),
            ),
            ("short_secret", format!("CLIENT_RANDOM {random} 5e\nCLIENT_TRAFFIC_SECRET_0 {random}\n")),
            ("no_hex", format!("CLIENT_RANDOM {}\nSERVER_TRAFFIC_SECRET_0 {random} zz\n", "0x".repeat(32))),
            (
                "later_secrets",
                format!("CLIENT_TRAFFIC_SECRET_17 {random} 00\nEXPORTER_SECRET\nNEW_ONE 1 2 3\n"),
            ),
            ("no_label", "\u{1}\u{2} \u{fffd} 3\n  \n\t\n".to_owned()),
        ] {
            self.put("key_log", name, lines.into_bytes());
        }
    }

    /// Seeds of `layers`: a request in every encapsulation, and the packets of captures with fragments and tunnels.
    fn packets(&mut self) {
        const REQUEST: usize = 10;
        let (_, request) = packets("vlmcs_vlmcsd_v6_default.pcap", REQUEST).pop().unwrap();
        for sample in samples::ENCAPSULATIONS {
            let packet = (sample.wrap)(&request[14..]);
            self.put("layers", sample.name, formats::layers([of_bytes(LinkType(sample.link), &packet)]));
        }
        for name in
            ["ip_fragments.pcap", "tun_gre.pcap", "vlmcs_vlmcsd_snaplen96.pcap", "vlmcs_vlmcsd_v6_ipv6.pcap"]
        {
            let packets = packets(name, 12);
            let packets = packets.iter().map(|(link, data)| of_bytes(*link, data));
            self.put("layers", name, formats::layers(packets));
        }
    }

    /// Takes a seed if it is the first of its kind; further ones of a name are numbered.
    fn put_first(&mut self, target: &'static str, name: &str, kind: String, bytes: Vec<u8>) {
        if !self.seen.insert((target, kind)) {
            return;
        }
        let mut numbered = name.to_owned();
        let mut number = 1;
        while self.seeds.contains_key(&(target, numbered.clone())) {
            number += 1;
            numbered = format!("{name}_{number}");
        }
        self.put(target, &numbered, bytes);
    }

    /// Seeds of all that speaks KMS, one of a shape over all conversations.
    fn conversations(&mut self) {
        const TARGETS: [&str; 8] = [
            "epid",
            "framer",
            "pdu",
            "request_message",
            "request_stub",
            "respond",
            "response_message",
            "response_stub",
        ];
        let mut cutter = Cutter::new(&Options::default(), &[]).only(&TARGETS);
        for name in CONVERSATIONS {
            assert!(cutter.packets(name, &mut reader(name), &[]).is_empty());
        }
        self.take(&cutter.finish());
    }

    /// Seeds of what is around KMS.
    fn around(&mut self) {
        for (names, targets) in AROUND {
            let mut cutter = Cutter::new(&Options::default(), &[]).only(targets);
            for name in names {
                let input = capture::open(&support::folder().join(name)).unwrap();
                let failures = match look_at(input).unwrap() {
                    (InputKind::Capture, input) => {
                        cutter.packets(name, &mut CaptureReader::new(input).unwrap(), &[])
                    }
                    (kind, input) => cutter.document(name, kind, input, &RingOptions::default()),
                };
                assert!(failures.is_empty(), "{failures:?}");
            }
            self.take(&cutter.finish());
        }
    }

    fn take(&mut self, cut: &cut::Seeds) {
        for (target, name, bytes) in cut.iter() {
            self.put(target, name, bytes.to_vec());
        }
    }

    fn edge_cases(&mut self) {
        let stem = stem(EDGE);
        let cases = cases();
        let connections = connections(EDGE);
        let by_case: BTreeMap<&str, &Connection> =
            connections.iter().map(|c| (cases[&c.client.port].as_str(), c)).collect();
        for case in EDGE_PDUS {
            let connection = &by_case[case];
            let asked = connection.pdus(Direction::ToServer).pop();
            self.put("pdu", &format!("{stem}.{case}"), asked.unwrap_or_else(|| connection.said[0].clone()));
            if let Some(answer) = connection.pdus(Direction::ToClient).pop() {
                self.put_first("pdu", &format!("{stem}.{case}.answer"), kind_of(&answer), answer);
            }
        }
        for case in EDGE_STREAMS {
            let seed = formats::framing(by_case[case], Direction::ToServer);
            self.put("framer", &format!("{stem}.{case}"), seed);
        }
        for case in conformance::CASES {
            self.put("rules", &format!("{stem}.{case}"), formats::dialogue(by_case[case]));
        }
        for case in connection::CASES {
            self.put("connection", &format!("{stem}.{case}"), formats::connection(by_case[case], 8));
        }
        let five = by_case["five_requests"].pdus(Direction::ToServer);
        let five: Vec<u8> = five.into_iter().flat_map(formats::short).collect();
        let length = u16::try_from(five.len()).unwrap();
        for (name, mid_stream, gap) in [
            ("gap_in_a_pdu", false, [90, 20]),
            ("gap_of_a_pdu", false, [40, 40]),
            ("gap_at_the_end", false, [length - 10, 10]),
            ("mid_stream", true, [0, 20]),
        ] {
            let plan = FramerPlan { mid_stream, cuts: [20, 90, 130, 200], gap, stream: &five };
            self.put("framer", &format!("{stem}.five_requests.{name}"), plan.write());
        }

        let mut last: BTreeMap<&str, Exchange> = BTreeMap::new();
        for exchange in support::decode(EDGE).exchanges {
            last.insert(&cases[&exchange.client.port], exchange);
        }
        for case in EDGE_STUBS {
            let exchange = &last[case];
            let name = format!("{stem}.{case}");
            self.put("request_stub", &name, request_stub(exchange).unwrap());
            self.put("respond", &name, request_stub(exchange).unwrap());
            if let Some(stub) = response_stub(exchange) {
                let kind = format!("{} {}", ndr_name(exchange.ndr), stub.len());
                self.put_first("response_stub", &name, kind, stub);
            }
        }
        for case in EDGE_MESSAGES {
            let name = format!("{stem}.{case}");
            let request = request_message(&last[case]).unwrap();
            self.put("request_message", &name, request.encode());
            if let Some((request, response)) = pair(&last[case]) {
                self.put("response_message", &name, formats::pair(request, response).unwrap());
            }
        }
        for (case, exchange) in &last {
            if let Some((_, response)) = pair(exchange)
                && let Some(body) = response.body()
                && self.seeds.keys().filter(|(target, _)| *target == "epid").count() < 40
            {
                self.put_first("epid", &format!("{stem}.{case}"), body.epid_text(), body.epid.to_vec());
            }
        }
    }
}

fn stem(name: &str) -> &str {
    name.split('.').next().unwrap()
}

fn ndr_name(ndr: Ndr) -> &'static str {
    match ndr {
        Ndr::Ndr32 => "ndr32",
        Ndr::Ndr64 => "ndr64",
    }
}

fn request_stub(exchange: &Exchange) -> Option<Vec<u8>> {
    Some(formats::stub(exchange.ndr, &exchange.request.as_ref()?.bytes))
}

fn response_stub(exchange: &Exchange) -> Option<Vec<u8>> {
    match exchange.answer.as_ref()? {
        Answer::Response(response) => Some(formats::stub(exchange.ndr, &response.bytes)),
        Answer::Fault(_) => None,
    }
}

fn request_message(exchange: &Exchange) -> Option<&RequestMessage> {
    exchange.request.as_ref()?.message.as_ref()
}

fn pair(exchange: &Exchange) -> Option<(&RequestMessage, &ResponseMessage)> {
    match exchange.answer.as_ref()? {
        Answer::Response(response) => Some((request_message(exchange)?, response.message.as_ref()?)),
        Answer::Fault(_) => None,
    }
}

/// The names of the hand-made cases, by the client's port.
fn cases() -> BTreeMap<u16, String> {
    let path = support::folder().join("truth").join(format!("{}.cases.json", stem(EDGE)));
    let cases: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let of = |case: &serde_json::Value| {
        let port = u16::try_from(case["local_port"].as_u64().unwrap()).unwrap();
        (port, case["case"].as_str().unwrap().to_owned())
    };
    cases.as_array().unwrap().iter().map(of).collect()
}

fn connections(name: &str) -> Vec<Connection> {
    cut::connections(&mut reader(name), &[1688])
}

fn reader(name: &str) -> CaptureReader<Box<dyn std::io::Read + Send>> {
    CaptureReader::new(capture::open(&support::folder().join(name)).unwrap()).unwrap()
}

/// The first packets of a capture, whatever they are.
fn packets(name: &str, count: usize) -> Vec<(LinkType, Vec<u8>)> {
    let mut reader = reader(name);
    let mut packets = Vec::new();
    while packets.len() < count
        && let Some(packet) = reader.next_packet().unwrap()
    {
        packets.push((packet.link, packet.data.to_vec()));
    }
    packets
}

fn of_bytes(link: LinkType, data: &[u8]) -> Packet<'_> {
    let original_length = u32::try_from(data.len()).unwrap();
    Packet { frame: 1, time: None, interface: 0, link, data, original_length }
}

//! x
mod support;
#[test]
fn explore() {
    let mut link = std::fs::read(support::folder().join("vlmcs_vlmcsd_v6_default.pcap")).unwrap();
    println!("{:02x?}", &link[..24]);
    link[20] = 147;
    let mut all = vec![("readme".to_owned(), support::decode_bytes(&std::fs::read(support::folder().join("README.md")).unwrap())), ("link".to_owned(), support::decode_bytes(&link))];
    for name in ["fmt_empty.pcap", "fmt_truncated_in_record.pcap", "tcp_gap.pcap", "net_cut_c2s_50_fin.pcap", "net_cut_s2c_170_rst.pcap", "net_non_kms_on_1688.pcap", "vlmcs_vlmcsd_snaplen96.pcap", "net_refused.pcap"] {
        all.push((name.to_owned(), support::decode(name)));
    }
    for (name, d) in all {
        println!("== {name}: {:?}", d.summary);
        for n in &d.notices { println!("  {n}\n    {n:?}"); }
        for c in &d.connections { println!("  conn {} {:?} {:?} pdus {:?} skipped {:?} gaps {} ex {} bytes {:?} bound {} kms {} ctx {}", c.flow.stream, c.end, c.stage(), c.pdus, c.skipped, c.has_gaps, c.exchanges, c.flow.bytes, c.is_bound, c.is_kms, c.contexts.len()); }
        for e in &d.exchanges { println!("  ex {} call {} {:?} req {:?} ans {:?} {:?}", e.stream, e.call_id, e.outcome(), e.request.as_ref().map(|r| (r.span.first.frame, r.span.last.frame, r.error.clone())), e.answer_span().map(|s| s.last.frame), e.standing); }
    }
}

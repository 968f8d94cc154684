//! Statistics over the shared captures, held against a computation in the plainest way.

#![cfg(feature = "cli")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use volact::kms::{Check, RequestBody};
use volact::report::{Stats, StatsLayout};
use volact::trace::{Ending, Exchange, Outcome, Record};

fn exchanges() -> Vec<Exchange> {
    support::names().iter().flat_map(|name| support::decode(name).exchanges).collect()
}

fn of<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> Stats {
    let mut stats = Stats::default();
    exchanges.into_iter().for_each(|exchange| stats.count(exchange));
    stats
}

fn text(stats: &Stats, layout: &StatsLayout) -> String {
    let mut out = Vec::new();
    stats.write_text(&mut out, layout).unwrap();
    String::from_utf8(out).unwrap()
}

fn records(stats: &Stats) -> Vec<Value> {
    let mut out = Vec::new();
    stats.write_jsonl(&mut out, None).unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn body(exchange: &Exchange) -> Option<&RequestBody> {
    exchange.request.as_ref()?.message.as_ref()?.body()
}

fn fails(exchange: &Exchange) -> bool {
    exchange.checks.is_some_and(|checks| checks.by_name().iter().any(|(_, check)| *check == Check::Fail))
}

/// Holds each record of a kind against the exchanges that have its key.
fn compare(records: &[Value], by: &str, exchanges: &[Exchange], key: impl Fn(&Exchange) -> Option<String>) {
    let of = |record: &Value| match by {
        "client" => record["client"].as_str().map(str::to_owned),
        "host" => record["server"].as_str().map(str::to_owned),
        "product" => record["sku_id"].as_str().or(record["kms_id"].as_str()).map(str::to_owned),
        "outcome" => {
            let code = record["hresult"].as_str().or(record["status"].as_str()).unwrap_or_default();
            Some(format!("{} {code}", record["outcome"].as_str().unwrap()))
        }
        _ => None,
    };
    let mut groups = BTreeMap::<Option<String>, Vec<&Exchange>>::new();
    exchanges.iter().for_each(|exchange| groups.entry(key(exchange)).or_default().push(exchange));
    let rows: Vec<&Value> = records.iter().filter(|record| record["by"] == by).collect();
    assert_eq!(rows.len(), groups.len(), "{by}");
    for record in rows {
        let group = &groups[&of(record)];
        let count = |wanted: &dyn Fn(&Exchange) -> bool| group.iter().filter(|x| wanted(x)).count();
        let mut times: Vec<i64> = group.iter().filter_map(|exchange| exchange.service_time()).collect();
        times.retain(|&time| time >= 0);
        times.sort_unstable();
        for (field, real) in [
            ("exchanges", group.len()),
            ("answered", count(&|x| x.outcome() == Outcome::Answered)),
            ("refused", count(&|x| matches!(x.outcome(), Outcome::Refused(_)))),
            ("faults", count(&|x| matches!(x.outcome(), Outcome::Fault(_)))),
            ("unreadable", count(&|x| x.outcome() == Outcome::Unreadable)),
            ("unanswered", count(&|x| x.outcome() == Outcome::Unanswered)),
            ("failed_checks", count(&fails)),
            ("timed", times.len()),
            ("negative_times", count(&|x| x.service_time().is_some_and(|time| time < 0))),
        ] {
            assert_eq!(record[field], real, "{field} of {record}");
        }
        assert_eq!(record["service_time_min_ns"].as_i64(), times.first().copied());
        assert_eq!(record["service_time_max_ns"].as_i64(), times.last().copied());
        for hundredths in [50, 90, 99] {
            let told = record[format!("service_time_p{hundredths}_ns")].as_i64();
            let exact = (times.len() * hundredths).div_ceil(100).checked_sub(1).map(|rank| times[rank]);
            let is_near = match (told, exact) {
                (Some(told), Some(exact)) => 100 * (told - exact).abs() <= exact,
                (told, exact) => told == exact,
            };
            assert!(is_near, "{told:?} for {exact:?} of {record}");
        }
        let seen: Vec<i64> = group
            .iter()
            .flat_map(|x| x.request.iter().map(|request| request.span).chain(x.answer_span()))
            .flat_map(|span| [span.first.time, span.last.time])
            .flatten()
            .collect();
        assert_eq!(record["first_time_ns"].as_i64(), seen.iter().min().copied());
        assert_eq!(record["last_time_ns"].as_i64(), seen.iter().max().copied());
        if by == "host" {
            let machines: BTreeSet<_> = group.iter().filter_map(|x| body(x)).map(|body| body.cmid).collect();
            assert_eq!(
                (&record["machines"], &record["machines_exact"]),
                (&machines.len().into(), &true.into())
            );
        }
    }
}

#[test]
fn every_count_is_that_of_a_plain_computation() {
    let exchanges = exchanges();
    let records = records(&of(&exchanges));
    compare(&records, "all", &exchanges, |_| None);
    compare(&records, "client", &exchanges, |x| Some(x.client.address.to_string()));
    compare(&records, "host", &exchanges, |x| Some(x.server.to_string()));
    compare(&records, "product", &exchanges, |x| {
        use volact::catalog::product::{kms_id, sku};
        let body = body(x)?;
        let id = if sku(body.act_id).is_none() && kms_id(body.kms_id).is_some() {
            body.kms_id
        } else {
            body.act_id
        };
        Some(id.to_string())
    });
    compare(&records, "outcome", &exchanges, |x| {
        Some(match x.outcome() {
            Outcome::Answered if fails(x) => "not-verified ".to_owned(),
            Outcome::Refused(code) => format!("refused 0x{code:08X}"),
            Outcome::Fault(Some(status)) => format!("fault 0x{status:08x}"),
            outcome => format!("{} ", outcome.name()),
        })
    });
    assert_eq!(records[0]["by"], "all");
}

#[test]
fn captures_counted_apart_and_joined_in_any_order_show_the_same() {
    let names = support::names();
    let parts: Vec<Stats> = names.iter().map(|name| of(&support::decode(name).exchanges)).collect();
    let whole = of(&exchanges());
    let mut backward = Stats::default();
    parts.iter().rev().for_each(|part| backward.merge(part.clone()));
    let (mut even, mut odd) = (Stats::default(), Stats::default());
    for (i, part) in parts.into_iter().enumerate() {
        if i % 2 == 0 { even.merge(part) } else { odd.merge(part) }
    }
    odd.merge(even);
    let all = StatsLayout { rows: None, is_wide: true };
    for joined in [backward, odd] {
        assert_eq!(joined, whole);
        assert_eq!(text(&joined, &all), text(&whole, &all));
        assert_eq!(records(&joined), records(&whole));
    }
}

#[test]
fn tables_are_in_line_and_capped() {
    let stats = of(&exchanges());
    let text = text(&stats, &StatsLayout::default());
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("stats", text);
    });
    let few = self::text(&stats, &StatsLayout { rows: Some(2), is_wide: false });
    assert!(few.lines().filter(|line| line.starts_with("... ")).count() >= 3, "{few}");
    assert!(few.lines().count() < text.lines().count());
}

#[test]
fn statistics_of_nothing_are_one_line() {
    assert_eq!(text(&Stats::default(), &StatsLayout::default()), "== statistics  0 exchanges\n");
    assert_eq!(records(&Stats::default()).len(), 1);
}

#[test]
fn statistics_can_be_handed_to_another_thread() {
    fn is_send<T: Send + Sync>() {}
    is_send::<Stats>();
    is_send::<volact::trace::Filter>();
}

/// Of the records of a recording.
fn of_decoded(decoded: &support::Decoded) -> Stats {
    let mut stats = Stats::default();
    surroundings(decoded).for_each(|record| stats.count(record));
    stats
}

fn surroundings(decoded: &support::Decoded) -> impl Iterator<Item = Record<'_>> {
    let support::Decoded { exchanges, mak, lookups, directory, guests, .. } = decoded;
    let asked = lookups.iter().map(Record::from).chain(directory.iter().map(Record::from));
    let activates = exchanges.iter().map(Record::from).chain(mak.iter().map(Record::from));
    asked.chain(activates).chain(guests.iter().map(Record::from))
}

#[test]
fn whatever_is_spoken_is_counted_once_and_joined_as_the_whole() {
    let names = support::surroundings().into_iter().filter(|name| name.ends_with(".pcapng"));
    let all: Vec<support::Decoded> = names.map(|name| support::decode(&name)).collect();
    let mut whole = Stats::default();
    let mut joined = Stats::default();
    for decoded in &all {
        surroundings(decoded).for_each(|record| whole.count(record));
    }
    all.iter().rev().for_each(|decoded| joined.merge(of_decoded(decoded)));
    let layout = StatsLayout { rows: None, is_wide: true };
    assert_eq!(text(&joined, &layout), text(&whole, &layout));
    assert_eq!(records(&joined), records(&whole));

    let every = || all.iter().flat_map(surroundings);
    let rows = records(&whole);
    let total = &rows[0];
    assert_eq!((&total["by"], &total["exchanges"]), (&"all".into(), &every().count().into()));
    for (field, ending) in
        [("answered", Ending::Answered), ("refused", Ending::Refused), ("unanswered", Ending::Unanswered)]
    {
        let real = every().filter(|record| record.ending() == Some(ending)).count();
        assert_eq!(total[field], real, "{field}");
    }
    let sum = |by: &str| -> u64 {
        let of = rows.iter().filter(|record| record["by"] == by);
        of.map(|record| record["exchanges"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("outcome"), every().count() as u64);
    // What is said between a guest and its host has no addresses.
    assert_eq!(sum("client"), every().filter(|record| record.sides().is_some()).count() as u64);
}

#[test]
fn one_machines_story_has_a_row_for_every_host_it_asked() {
    let output = support::decode_input("mixed/mixed.pcapng", &["--stats", "--format", "jsonl"]);
    let rows = support::lines(&String::from_utf8(output.stdout).unwrap());
    let total = rows.iter().find(|row| row["by"] == "all").unwrap();
    assert_eq!(
        (&total["exchanges"], &total["answered"], &total["refused"]),
        (&9.into(), &8.into(), &1.into())
    );
    let hosts: BTreeSet<&str> =
        rows.iter().filter(|row| row["by"] == "host").filter_map(|row| row["server"].as_str()).collect();
    for host in ["10.77.0.39:389", "10.77.0.53:53", "10.77.0.10:1688"] {
        assert!(hosts.contains(host), "{host}: {hosts:?}");
    }
}

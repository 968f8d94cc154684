//! Filters over the exchanges of the shared captures, and what holds of all filters.

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::Decoded;
use volact::capture::Endpoint;
use volact::kms::{Check, RequestBody};
use volact::mak::{Check as MakCheck, ErrorCode};
use volact::trace::filter::Field;
use volact::trace::{
    Answer, Carrier, DirectoryOutcome, Exchange, Filter, MakExchange, MakOutcome, Outcome, Record,
};

static EXCHANGES: LazyLock<Vec<Exchange>> =
    LazyLock::new(|| support::names().iter().flat_map(|name| support::decode(name).exchanges).collect());

static MAK: LazyLock<Vec<MakExchange>> =
    LazyLock::new(|| support::mak_names().iter().flat_map(|name| support::mak_exchanges(name)).collect());

static SURROUNDINGS: LazyLock<Vec<Decoded>> = LazyLock::new(|| {
    let captures = support::surroundings().into_iter().filter(|name| name.ends_with(".pcapng"));
    captures.map(|name| support::decode(&name)).collect()
});

/// All records of what stands around activation, and of what was found by it.
fn surroundings() -> impl Iterator<Item = Record<'static>> {
    SURROUNDINGS.iter().flat_map(|decoded| {
        let Decoded { exchanges, mak, lookups, directory, guests, .. } = decoded;
        let asked = lookups.iter().map(Record::from).chain(directory.iter().map(Record::from));
        let activates = exchanges.iter().map(Record::from).chain(mak.iter().map(Record::from));
        asked.chain(guests.iter().map(Record::from)).chain(activates)
    })
}

fn parse(source: &str) -> Filter {
    Filter::parse(source).unwrap_or_else(|error| panic!("{source}: {error}\n{}", error.caret()))
}

fn count(source: &str) -> usize {
    let filter = parse(source);
    EXCHANGES.iter().filter(|exchange| filter.matches(*exchange)).count()
}

fn count_mak(source: &str) -> usize {
    let filter = parse(source);
    MAK.iter().filter(|exchange| filter.matches(*exchange)).count()
}

fn count_surroundings(source: &str) -> usize {
    let filter = parse(source);
    surroundings().filter(|record| filter.matches(*record)).count()
}

/// Holds the filter against a condition in plain code, and wants some exchanges on either side.
fn same(source: &str, condition: impl Fn(&Exchange) -> bool) {
    let filter = parse(source);
    let mut sides = [0; 2];
    for exchange in EXCHANGES.iter() {
        let is_asked = condition(exchange);
        assert_eq!(filter.matches(exchange), is_asked, "{source}: {exchange:?}");
        sides[usize::from(is_asked)] += 1;
    }
    assert!(sides[0] > 0 && sides[1] > 0, "{source}: {sides:?} exchanges without and with it");
}

fn asks(exchange: &Exchange) -> Option<&RequestBody> {
    exchange.request.as_ref()?.message.as_ref()?.body()
}

#[test]
fn filters_ask_for_what_plain_code_asks_for() {
    let failed = |x: &Exchange, which: &str| {
        x.checks
            .is_some_and(|c| c.by_name().iter().any(|(name, check)| *name == which && *check == Check::Fail))
    };
    same("outcome == refused", |x| matches!(x.outcome(), Outcome::Refused(_)));
    same("outcome in {fault, unanswered}", |x| {
        matches!(x.outcome(), Outcome::Fault(_) | Outcome::Unanswered)
    });
    same("hresult == SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH", |x| {
        matches!(x.outcome(), Outcome::Refused(0xC004_F042))
    });
    same("hresult >= 0x80000000", |x| match &x.answer {
        Some(Answer::Response(response)) => {
            response.stub.as_ref().and_then(|stub| stub.hresult).is_some_and(|hresult| hresult >> 31 == 1)
        }
        _ => false,
    });
    same("version == 6", |x| {
        let asked = x.request.as_ref().and_then(|request| request.message.as_ref());
        match (asked, &x.answer) {
            (Some(message), _) => message.version().is_some_and(|version| version.major() == 6),
            (None, Some(Answer::Response(response))) => response
                .message
                .as_ref()
                .and_then(|m| m.version())
                .is_some_and(|version| version.major() == 6),
            _ => false,
        }
    });
    same("address == ::/0", |x: &Exchange| x.server.address.is_ipv6());
    same("port == 1688", |x| x.client.port == 1688 || x.server.port == 1688);
    same("ndr == 64", |x| x.ndr.to_string() == "NDR64");
    same("n_policy in {1..24, 26..30}", |x| {
        asks(x).is_some_and(|body| (1..=24).contains(&body.n_policy) || (26..=30).contains(&body.n_policy))
    });
    same("n_policy != 25", |x| asks(x).is_some_and(|body| body.n_policy != 25));
    same("not n_policy == 25", |x| asks(x).is_none_or(|body| body.n_policy != 25));
    same("virtual", |x| asks(x).is_some_and(|body| body.vm_info != 0));
    same("virtual == false", |x| asks(x).is_some_and(|body| body.vm_info == 0));
    same("machine ~ YAHOO", |x| asks(x).is_some_and(|body| body.machine_name_text().contains("yahoo")));
    same("service_time > 1ms", |x| x.service_time().is_some_and(|time| time > 1_000_000));
    same("failed", |x| x.checks.is_some_and(|c| c.by_name().iter().any(|(_, check)| *check == Check::Fail)));
    same("failed == version_envelope", |x| failed(x, "version_envelope"));
    same("verified", |x| {
        x.checks.is_some_and(|c| {
            c.by_name().iter().all(|(_, check)| matches!(check, Check::Pass | Check::NotApplicable))
        })
    });
    same("verified == false and not failed", |x| {
        x.checks.is_some_and(|c| {
            let of = |wanted: Check| c.by_name().iter().any(|(_, check)| *check == wanted);
            of(Check::NoRequest) && !of(Check::Fail)
        })
    });
    same("fault == nca_s_unk_if", |x| x.outcome() == Outcome::Fault(Some(0x1c01_0003)));
    same("frame == 11", |x| {
        let (asked, answered) = (x.request.as_ref().map(|request| request.span), x.answer_span());
        let first = asked.or(answered).unwrap().first.frame;
        let last = answered.or(asked).unwrap().last.frame;
        (first.min(last)..=first.max(last)).contains(&11)
    });
}

#[test]
fn a_field_that_is_not_there_is_in_no_comparison_and_not_its_opposite() {
    let all = EXCHANGES.len();
    assert_eq!(count("fault == 5") + count("fault != 5"), count("fault"));
    assert!(count("fault") < all);
    assert_eq!(count("fault == 5") + count("not fault == 5"), all);
    assert_eq!(count("client") + count("not client"), all);
    assert_eq!(count("not client"), 0);
}

#[test]
fn one_of_two_values_is_enough_but_for_not_equal() {
    let ends = |x: &Exchange, end: Endpoint| x.client == end || x.server == end;
    let server = EXCHANGES[0].server;
    let named = count(&format!("address == {server}"));
    assert_eq!(named, EXCHANGES.iter().filter(|x| ends(x, server)).count());
    assert_eq!(named + count(&format!("address != {server}")), EXCHANGES.len());
}

#[test]
fn every_field_can_be_asked_for_and_nearly_all_are_in_the_captures() {
    let is_absent = |name: &&str| count(name) + count_mak(name) + count_surroundings(name) == 0;
    let absent: Vec<&str> = Field::all().map(|field| field.name).filter(is_absent).collect();
    assert_eq!(absent, ["response.error"]);
}

#[test]
fn filters_ask_of_maks_exchanges_what_plain_code_asks() {
    let same = |source: &str, condition: &dyn Fn(&MakExchange) -> bool| {
        let filter = parse(source);
        let asked = MAK.iter().filter(|exchange| {
            let is_asked = condition(exchange);
            assert_eq!(filter.matches(*exchange), is_asked, "{source}: {exchange:?}");
            is_asked
        });
        assert!((1..MAK.len()).contains(&asked.count()), "{source}");
    };
    same("service == BatchActivation", &|x| {
        x.service.is_some_and(|service| service.name() == "BatchActivation")
    });
    same("outcome == partly-refused", &|x| matches!(x.outcome(), MakOutcome::PartlyRefused(_)));
    same("outcome in {http-error, unanswered}", &|x| {
        matches!(x.outcome(), MakOutcome::HttpError(_) | MakOutcome::Unanswered)
    });
    same("status == 503", &|x| x.answer.as_ref().is_some_and(|answer| answer.status == Some(503)));
    same("failed == digest", &|x| x.checks.contains(&("digest", MakCheck::Fail)));
    same("failed", &MakExchange::has_failed_check);
    same("request.type == 2", &|x| {
        x.request_document().and_then(|document| document.request_type).is_some_and(|kind| kind.0 == 2)
    });
    same("items > 1", &|x| x.request_document().is_some_and(|document| document.items.len() > 1));
    same("error_code == 0x7F", &|x| {
        x.response_document().is_some_and(|document| {
            let of_items = document.items.iter().filter_map(|item| item.error_info.as_ref());
            of_items.chain(&document.error_info).any(|error| error.code == Some(ErrorCode::LIMIT_EXCEEDED))
        })
    });
    same("entry == 3", &|x| matches!(x.carrier, Carrier::Har { entry: 3, .. }));
    same("tls", &|x| matches!(x.carrier, Carrier::Stream { is_tls: true, .. }));
    same("remaining == 0", &|x| {
        x.response_document()
            .is_some_and(|document| document.items.iter().any(|item| item.activation_remaining == Some(0)))
    });
}

#[test]
fn filters_ask_of_what_stands_around_activation_what_plain_code_asks() {
    let same = |source: &str, condition: &dyn Fn(Record<'_>) -> bool| {
        let filter = parse(source);
        let mut sides = [0; 2];
        for record in surroundings() {
            let is_asked = condition(record);
            assert_eq!(filter.matches(record), is_asked, "{source}: {record:?}");
            sides[usize::from(is_asked)] += 1;
        }
        assert!(sides[0] > 0 && sides[1] > 0, "{source}: {sides:?} records without and with it");
    };
    for protocol in volact::trace::PROTOCOLS.into_iter().filter(|name| *name != "vmbus") {
        same(&format!("protocol == {protocol}"), &|record| record.protocol() == protocol);
    }
    for outcome in
        ["no-data", "name-error", "server-failure", "truncated", "no-such-object", "unasked", "empty"]
    {
        same(&format!("outcome == {outcome}"), &|record| record.outcome_name() == outcome);
    }
    same("rtype == SRV", &|record| match record {
        Record::Lookup(lookup) => {
            lookup.question.as_ref().is_some_and(|question| question.rtype.to_string() == "SRV")
        }
        _ => false,
    });
    same("rcode == 3", &|record| match record {
        Record::Lookup(lookup) => lookup.answer.as_ref().is_some_and(|answer| answer.message.rcode().0 == 3),
        _ => false,
    });
    same("found", &|record| match record {
        Record::Kms(exchange) => exchange.found.is_some(),
        Record::Mak(exchange) => exchange.found.is_some(),
        Record::Directory(exchange) => exchange.found.is_some(),
        Record::Lookup(_) | Record::Guest(_) => false,
    });
    same("result == 32", &|record| match record {
        Record::Directory(exchange) => exchange.outcome() == DirectoryOutcome::NoSuchObject,
        _ => false,
    });
    same("channel == 9 and pairing == order", &|record| match record {
        Record::Guest(guest) => guest.exchange.channel_id == 9 && guest.exchange.pairing.name() == "order",
        _ => false,
    });
    assert!(count_surroundings("name == _vlmcs._tcp.corp.example and protocol == kms") > 0);
    assert!(count_surroundings("domain == branch.example") > 0);
    assert!(count_surroundings("key ~ activationstatus and value ~ activated") > 0);
    assert!(count_surroundings("object.name ~ 'made up' and objects >= 4") > 0);
}

#[test]
fn the_protocol_tells_the_two_kinds_of_exchange_apart() {
    assert_eq!((count("protocol == kms"), count_mak("protocol == kms")), (EXCHANGES.len(), 0));
    assert_eq!((count("protocol == mak"), count_mak("protocol == mak")), (0, MAK.len()));
    for source in ["cmid", "ndr == 32", "hresult == 0", "call_id"] {
        assert_eq!(count_mak(source), 0, "{source}");
    }
    for source in ["pid", "iid", "cid", "service", "error_code == 0x7F"] {
        assert_eq!(count(source), 0, "{source}");
    }
}

#[test]
fn what_the_text_report_shows_can_be_asked_for() {
    let shown = support::decode("vlmcs_vlmcsd_prod_win10.pcap").exchanges;
    for source in [
        "time == 2026-11-21T20:42:45.412290Z",
        "time == 2026-11-21",
        "time in {2026-11-21T20:42..2026-11-21T20:43}",
        "client == 127.0.0.1:40514 and host == 127.0.0.0/8",
        "product == \"Windows 10/11 Enterprise\"",
        "product ~ 'windows 10/11 2015'",
        "app == Windows",
        "cmid == 701370A8-7f12-4a31-98ca-503c6f7082b4",
        "cmid ~ 701370a8",
        "license_status == 'OOB grace' and license_status ~ grace",
        "binding_expiration == 43200 and binding_expiration == 30d",
        "client_time == 2026-11-21T20:42:45.0000000Z",
        "count == 50 and activation_interval == 2h and renewal_interval == 7d",
        "epid ~ 03612-00206 and build == 14393 and lcid == 2070",
        "hwid == 3a1c049600b60076 and hwid ~ 3a1c",
        "verified and not failed and hmac_slot == 0",
        "service_time >= 149us and service_time < 0.15ms",
        "frame == 10 and frame == 11 and not frame == 12 and stream == 0 and call == 2",
        "context == accepted and ndr == NDR32 and ndr_basis == negotiated",
    ] {
        assert!(parse(source).matches(&shown[0]), "{source}");
    }
}

#[test]
fn help_lists_every_field() {
    let help = Filter::help();
    for field in Filter::fields() {
        assert!(help.lines().any(|line| line.trim_start().starts_with(field.name)), "{}", field.name);
    }
    assert!(help.lines().all(|line| line.len() <= 120), "{help}");
}

/// Tests of every type of field, as they can be written.
fn leaf() -> impl Strategy<Value = String> {
    let names: Vec<&str> = Field::all().flat_map(|f| f.aliases.iter().copied().chain([f.name])).collect();
    let compared = prop_oneof![
        Just(vec!["count", "n_policy", "port", "stream", "frame", "call_id"])
            .prop_flat_map(|fields| (prop::sample::select(fields), order(), 0_u64..60))
            .prop_map(|(field, order, number)| format!("{field} {order} {number}")),
        (prop::sample::select(vec!["version", "request.version"]), order(), 3..8)
            .prop_map(|(field, order, version)| format!("{field} {order} {version}")),
        (order(), 0..3000).prop_map(|(order, time)| format!("service_time {order} {time}us")),
        (order(), 0..60, 0..60).prop_map(|(order, m, s)| format!("time {order} 2026-11-21T20:{m:02}:{s:02}")),
        ("[!=]=", prop::sample::select(vec!["127.0.0.1", "10.0.0.0/8", "::1", "fe80::/10"]))
            .prop_map(|(order, network)| format!("addr {order} {network}")),
        (0..9_u8, 0..9_u8).prop_map(|(a, b)| format!("license_status in {{{}..{}, 20}}", a.min(b), a.max(b))),
        "machine (==|!=|contains|~) \"([a-z.]{1,3}|\\\\n|\\\\\"|\\\\u\\{e9\\})\"",
        "failed ([!=]=|~) (hash|mac|hmac)",
    ];
    prop_oneof![prop::sample::select(names).prop_map(str::to_owned), compared]
}

fn order() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "eq", "ne", "lt", "le", "gt", "ge"])
}

fn source() -> impl Strategy<Value = String> {
    leaf().prop_recursive(5, 24, 3, |inner| {
        let joint = prop::sample::select(vec![" and ", "&&", " or ", "||"]);
        prop_oneof![
            (inner.clone(), joint, inner.clone()).prop_map(|(a, joint, b)| format!("({a}){joint}{b}")),
            (prop::sample::select(vec!["not ", "!"]), inner).prop_map(|(not, a)| format!("{not}({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_that_is_shown_is_read_back(source in source()) {
        let filter = parse(&source);
        let shown = filter.to_string();
        prop_assert_eq!(&parse(&shown), &filter, "{}", &shown);
        prop_assert_eq!(parse(&shown).to_string(), shown);
    }

    #[test]
    fn de_morgan_holds(a in source(), b in source()) {
        let pairs = [
            (format!("not (({a}) and ({b}))"), format!("not ({a}) or not ({b})")),
            (format!("not (({a}) or ({b}))"), format!("not ({a}) and not ({b})")),
        ];
        for (left, right) in pairs {
            let (left, right) = (parse(&left), parse(&right));
            for exchange in EXCHANGES.iter().step_by(7) {
                prop_assert_eq!(left.matches(exchange), right.matches(exchange), "{} | {}", &left, &right);
            }
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error_with_a_place(text in "\\PC{0,60}") {
        check_any(&text)?;
    }

    #[test]
    fn any_words_are_a_filter_or_an_error_with_a_place(
        words in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "(", ")", "{", "}", ",", "..", "==", "!", "~", "in", "and", "or", "not", "contains", "1", "0x", "\"", "'\\",
                "client", "count", "time", "sku", "version", "2026-11-21", "10.0.0.0/", "-5", "5ms", "fe80::1", "é",
            ]).prop_map(str::to_owned),
            leaf(),
        ], 0..12),
    ) {
        check_any(&words.join(" "))?;
        check_any(&words.concat())?;
    }
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    match Filter::parse(text) {
        Ok(filter) => {
            prop_assert_eq!(&parse(&filter.to_string()), &filter);
            let some = EXCHANGES.iter().step_by(31);
            prop_assert!(some.filter(|exchange| filter.matches(*exchange)).count() <= EXCHANGES.len());
        }
        Err(error) => {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
            prop_assert!(!error.to_string().contains('\n'), "{}", error);
            let caret = error.caret();
            prop_assert_eq!(caret.lines().count(), 2);
            prop_assert!(caret.lines().nth(1).unwrap().ends_with('^'));
        }
    }
    Ok(())
}

#[test]
fn a_filter_is_held_against_an_exchange_without_an_allocation() {
    let sources = [
        "product ~ 'server 2019' or hresult ~ invalid or cmid ~ 7013 or hwid ~ 3a1c",
        "machine ~ yahoo and epid ~ 03612 and build == 14393 and not (failed == hmac or client == 10.0.0.0/8)",
        "time == 2026-11-21 and service_time in {1us..5s} and outcome != refused and frame > 5",
    ];
    for source in sources {
        let filter = parse(source);
        let matching = || EXCHANGES.iter().filter(|exchange| filter.matches(*exchange)).count();
        let once = matching(); // reads the tables of names
        let counted = allocation_counter::measure(|| assert_eq!(matching(), once)).count_total;
        assert_eq!(counted, 0, "{source}");
    }
}

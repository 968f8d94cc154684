//! What the scripts know that made the recordings of discovery, the directory, VMBus, one machine's whole story and the
//! stories with one ending each, held against what the program tells of them: which host was found by which name, which
//! objects a directory has, what was said in a channel and when, who was activated.

#![cfg(feature = "cli")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use volact::capture::LinkType;
use volact::trace::{Observer, Options, RingOptions, trace_ring};
use volact::wire::Hex;

fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The truth of a recording, and the records that the program makes of it.
fn both(name: &str) -> (Value, Vec<Value>) {
    (support::truth(name), support::json_of(name, &[]))
}

/// `10.77.0.10:1688`, of a truth's address and port.
fn server(step: &Value) -> String {
    format!("{}:{}", step["address"].as_str().unwrap(), step["port"])
}

/// What the first connection behind a frame to this server is told to be found by, and whether anything was answered on it.
fn connection<'a>(records: &'a [Value], server: &str, behind: u64) -> (&'a Value, bool) {
    let connections = of_type(records, "connection").into_iter();
    let connection = connections
        .filter(|connection| connection["server"] == server)
        .filter(|connection| connection["first_frame"].as_u64().unwrap() > behind)
        .min_by_key(|connection| connection["first_frame"].as_u64())
        .unwrap_or_else(|| panic!("no connection to {server} behind frame {behind}"));
    let mut exchanges = of_type(records, "exchange").into_iter();
    let is_answered = exchanges
        .any(|exchange| exchange["stream"] == connection["stream"] && exchange["outcome"] == "answered");
    (connection, is_answered)
}

mod discovery {
    use super::*;

    #[test]
    fn a_host_is_found_by_the_record_that_named_it() {
        let (truth, records) = both("discovery/dns_kms.pcapng");
        let mut behind = 0;
        for run in array(&truth["runs"]) {
            let (connection, is_answered) = connection(&records, &server(run), behind);
            behind = connection["last_frame"].as_u64().unwrap();
            assert_eq!(is_answered, run["answered"], "{run}");
            let found = &connection["found"];
            match run["found_by"].as_str().unwrap() {
                "srv" => {
                    assert_eq!(
                        (&found["name"], &found["service"]["name"]),
                        (&run["target"], &run["name"]),
                        "{run}"
                    );
                    assert_eq!(found["service"]["port"], run["port"], "{run}");
                }
                "address" => {
                    assert_eq!((&found["name"], &found["service"]), (&run["name"], &Value::Null), "{run}");
                }
                // It remembers what it was told before.
                "none" => assert_eq!(found["name"], "kms.corp.example", "{run}"),
                other => panic!("{other}"),
            }
        }
        // Whatever led to it is in front of it.
        for connection in of_type(&records, "connection").iter().filter(|record| !record["found"].is_null()) {
            let first = connection["first_frame"].as_u64();
            assert!(
                connection["found"]["frame"].as_u64() < first
                    && connection["found"]["service"]["frame"]
                        .as_u64()
                        .is_none_or(|frame| Some(frame) < first)
            );
        }
    }

    #[test]
    fn hosts_that_are_tried_one_after_the_other_are_found_by_one_answer() {
        let (truth, records) = both("discovery/dns_kms_failover.pcapng");
        let mut behind = 0;
        for tried in array(&truth["tried"]) {
            let (connection, is_answered) = connection(&records, &server(tried), behind);
            behind = connection["last_frame"].as_u64().unwrap();
            assert_eq!(is_answered, tried["answered"], "{tried}");
            assert_eq!(connection["stage"] == "not-established", !is_answered, "{tried}");
            assert_eq!(connection["found"]["name"], tried["target"]);
            assert_eq!(connection["found"]["service"]["name"], truth["name"]);
        }
    }

    #[test]
    fn hosts_of_azure_are_found_by_their_names_alone() {
        let (truth, records) = both("discovery/dns_azure.pcapng");
        for run in array(&truth["runs"]) {
            let (connection, is_answered) = connection(&records, &server(run), 0);
            assert_eq!(is_answered, run["answered"], "{run}");
            assert_eq!(
                (&connection["found"]["name"], &connection["found"]["service"]),
                (&run["name"], &Value::Null)
            );
            let asked = of_type(&records, "lookup")
                .into_iter()
                .filter(|lookup| lookup["question"]["name"] == run["name"]);
            assert!(asked.count() >= 2, "A and AAAA of {run}");
        }
    }

    #[test]
    fn servers_that_say_nothing_are_asked_again_and_then_another_one() {
        let (truth, records) = both("discovery/dns_dead_server.pcapng");
        let lookups = of_type(&records, "lookup");
        let port = |server: &Value| json!(format!("{}:53", server.as_str().unwrap()));
        let [silent, refusing, second] =
            ["silent", "refusing_port", "second"].map(|server| port(&truth[server]));
        let mut moved_on = 0;
        for lookup in &lookups {
            let asked = array(&lookup["queries"]["servers"]);
            match lookup["outcome"].as_str().unwrap() {
                "answered" => {
                    assert_eq!(lookup["answer"]["server"], second);
                    moved_on += usize::from(asked == [silent.clone(), second.clone()]);
                }
                "unanswered" => assert!(asked == [silent.clone()] || asked == [refusing.clone()], "{lookup}"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(moved_on, 2);
        assert!(lookups.iter().any(|lookup| lookup["queries"]["servers"] == json!([refusing])));
    }

    #[test]
    fn suffixes_are_tried_in_their_order_up_to_the_one_that_has_hosts() {
        let (truth, records) = both("discovery/dns_suffixes.pcapng");
        let tried: Vec<&Value> =
            of_type(&records, "search").iter().flat_map(|search| array(&search["attempts"])).collect();
        let mut tried = tried.into_iter();
        for run in array(&truth["runs"]) {
            for (i, suffix) in array(&run["tried"]).iter().enumerate() {
                let attempt = tried.next().unwrap_or_else(|| panic!("{suffix} of {run} is not there"));
                let domain = attempt["domain"].as_str().unwrap().trim_end_matches('.');
                assert_eq!(domain, suffix.as_str().unwrap(), "{run}");
                let is_last = i + 1 == array(&run["tried"]).len();
                assert_eq!(attempt["outcome"] == "answered", is_last && !run["found"].is_null(), "{run}");
            }
        }
        assert_eq!(tried.next(), None);
    }

    #[test]
    fn updates_are_told_where_they_are_about_kms_hosts() {
        let (truth, records) = both("discovery/dns_update.pcapng");
        let about = |update: &&Value| {
            array(&update["script"]).iter().any(|line| {
                line.as_str().unwrap().contains("update add _vlmcs")
                    || line.as_str().unwrap().contains("update delete _vlmcs")
            })
        };
        let wanted: Vec<&Value> = array(&truth["updates"]).iter().filter(about).collect();
        let told: Vec<&Value> =
            of_type(&records, "lookup").into_iter().filter(|lookup| lookup["opcode"] == "UPDATE").collect();
        assert_eq!(told.len(), wanted.len());
        for (told, wanted) in told.iter().zip(&wanted) {
            let code = wanted["outcome"].as_str().unwrap().split('(').next().unwrap();
            assert_eq!(told["answer"]["rcode_name"], code, "{wanted}");
            assert_eq!(told["outcome"] == "updated", code == "NOERROR", "{wanted}");
            let zone = array(&wanted["script"])[0].as_str().unwrap().strip_prefix("zone ").unwrap();
            assert_eq!(told["question"]["name"], zone);
            let changes =
                array(&wanted["script"]).iter().filter(|line| line.as_str().unwrap().starts_with("update "));
            let records = array(&told["queries"]["updates"]);
            assert_eq!(records.len(), changes.clone().count(), "{wanted}");
            for (record, change) in records.iter().zip(changes) {
                let words: Vec<&str> = change.as_str().unwrap().split(' ').collect();
                assert_eq!(record["name"], words[2].trim_end_matches('.'));
                assert_eq!(record["class"] == "IN", words[1] == "add", "{change}");
            }
        }
    }
}

mod directory {
    use super::*;

    /// An object of the truth in the words of the records, as far as these attributes were asked for.
    fn in_our_words(object: &Value, has: impl Fn(&str) -> bool) -> Value {
        let attributes = &object["attributes"];
        let one = |name: &str| if has(name) { attributes[name][0].clone() } else { Value::Null };
        let mut licenses = Vec::new();
        for kind in ["Online", "Phone", "Config", "Issuance"] {
            let name = format!("msSPP-{kind}License");
            for license in array(&attributes[&name]).iter().filter(|_| has(&name)) {
                licenses.push(json!({"length": license["bytes"], "sha256": license["sha256"]}));
            }
        }
        let mut kms_ids: Vec<Value> = array(&attributes["msSPP-KMSIds"]).to_vec();
        if !has("msSPP-KMSIds") {
            kms_ids.clear();
        }
        sorted(&mut kms_ids);
        sorted(&mut licenses);
        json!({
            "dn": object["dn"].as_str().unwrap().to_lowercase(),
            "display_name": one("displayName"),
            "csvlk_sku_id": one("msSPP-CSVLKSkuId"),
            "csvlk_pid": one("msSPP-CSVLKPid"),
            "csvlk_partial_product_key": one("msSPP-CSVLKPartialProductKey"),
            "installation_id": one("msSPP-InstallationId"),
            "confirmation_id": one("msSPP-ConfirmationId"),
            "kms_ids": kms_ids,
            "licenses": licenses,
        })
    }

    fn sorted(values: &mut [Value]) {
        values.sort_by_key(Value::to_string);
    }

    /// The same of one of our objects.
    fn of_ours(object: &Value) -> Value {
        let pick = |name: &str| object[name].clone();
        let mut licenses: Vec<Value> = array(&object["licenses"])
            .iter()
            .map(|license| json!({"length": license["length"], "sha256": license["sha256"]}))
            .collect();
        let mut kms_ids = array(&object["kms_ids"]).to_vec();
        sorted(&mut kms_ids);
        sorted(&mut licenses);
        json!({
            "dn": object["dn"].as_str().unwrap().to_lowercase(),
            "display_name": pick("display_name"),
            "csvlk_sku_id": pick("csvlk_sku_id"),
            "csvlk_pid": pick("csvlk_pid"),
            "csvlk_partial_product_key": pick("csvlk_partial_product_key"),
            "installation_id": pick("installation_id"),
            "confirmation_id": pick("confirmation_id"),
            "kms_ids": kms_ids,
            "licenses": licenses,
        })
    }

    #[test]
    fn every_list_of_activation_objects_has_those_of_the_tree() {
        let (truth, records) = both("directory/ldap_list.pcapng");
        let mut lists = 0;
        for exchange in of_type(&records, "directory") {
            let objects = array(&exchange["objects"]);
            if objects.is_empty() {
                continue;
            }
            let asked: BTreeSet<String> = array(&exchange["request"]["attributes"])
                .iter()
                .map(|name| name.as_str().unwrap().to_lowercase())
                .collect();
            let has = |name: &str| asked.is_empty() || asked.contains(&name.to_lowercase());
            let mut ours: Vec<Value> = objects.iter().map(of_ours).collect();
            let mut theirs: Vec<Value> =
                array(&truth["objects"]).iter().map(|object| in_our_words(object, has)).collect();
            // A name with a comma in it is escaped in more than one way.
            let plain = |object: &mut Value| {
                object["dn"] = json!(object["dn"].as_str().unwrap().replace("\\2c", "\\,"))
            };
            ours.iter_mut().chain(&mut theirs).for_each(plain);
            sorted(&mut ours);
            sorted(&mut theirs);
            assert!(ours.iter().all(|object| theirs.contains(object)), "{ours:#?}");
            assert_eq!((&exchange["outcome"], &exchange["result"]["code"]), (&json!("answered"), &json!(0)));
            lists += usize::from(ours == theirs);
        }
        assert!(lists >= 3, "{lists} lists of all of them");
    }

    #[test]
    fn exports_have_the_objects_of_the_tree_however_their_lines_are_written() {
        for name in ["comments", "slapcat", "unwrapped", "version", "wrapped"] {
            let (truth, records) = both(&format!("directory/ldif_{name}.ldif"));
            let is_object = |entry: &&Value| {
                array(&entry["attributes"]["objectClass"]).contains(&json!("msSPP-ActivationObject"))
            };
            let mut theirs: Vec<Value> = array(&truth["entries"])
                .iter()
                .filter(is_object)
                .map(|entry| in_our_words(entry, |_| true))
                .collect();
            let mut ours: Vec<Value> = of_type(&records, "object").into_iter().map(of_ours).collect();
            let plain = |object: &mut Value| {
                object["dn"] = json!(object["dn"].as_str().unwrap().replace("\\2c", "\\,"))
            };
            ours.iter_mut().chain(&mut theirs).for_each(plain);
            sorted(&mut ours);
            sorted(&mut theirs);
            assert!(!ours.is_empty());
            assert_eq!(ours, theirs, "{name}");
            assert_eq!(of_type(&records, "notice").len(), 0);
        }
    }

    /// What was asked and answered, without what differs from one connection to another.
    fn searches(records: &[Value]) -> Vec<Value> {
        let is_list = |exchange: &&Value| !array(&exchange["objects"]).is_empty();
        let exchanges = of_type(records, "directory").into_iter().filter(is_list);
        exchanges
            .map(|exchange| json!([exchange["request"], exchange["objects"], exchange["result"]]))
            .collect()
    }

    #[test]
    fn searches_in_tls_are_those_that_are_made_in_the_clear_once_it_is_opened() {
        let plain = searches(&support::json_of("directory/ldap_list.pcapng", &[]));
        for name in ["directory/ldap_starttls.pcapng", "directory/ldap_ldaps.pcapng"] {
            let records = support::json_of(name, &[]);
            let opened = searches(&records);
            assert!(!opened.is_empty() && plain.contains(&opened[0]), "{name}");
            assert!(of_type(&records, "directory").iter().all(|exchange| exchange["tls"] == true), "{name}");
            let is_started = name.contains("starttls");
            let connections = of_type(&records, "connection");
            assert!(connections.iter().any(|record| record["directory"]["start_tls"] == true) == is_started);

            // Without its secrets, a connection with so many bytes is what remains.
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_volact"))
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(["decode", "--format", "jsonl", &format!("captures/{name}")])
                .output();
            let sealed = support::lines(&String::from_utf8(output.unwrap().stdout).unwrap());
            assert_eq!(of_type(&sealed, "directory").len(), 0, "{name}");
            let stages: BTreeSet<&str> = of_type(&sealed, "connection")
                .iter()
                .map(|record| record["stage"].as_str().unwrap())
                .collect();
            assert!(stages.contains("sealed"), "{name}: {stages:?}");
        }
    }

    #[test]
    fn what_sasl_seals_is_counted() {
        for (name, method) in [("gssapi", "GSSAPI"), ("digest", "DIGEST-MD5")] {
            let records = support::json_of(&format!("directory/ldap_sealed_{name}.pcapng"), &[]);
            let connections = of_type(&records, "connection");
            let sealed: Vec<_> =
                connections.iter().filter(|record| record["stage"] == "sasl-sealed").collect();
            assert!(!sealed.is_empty(), "{name}");
            for connection in sealed {
                let directory = &connection["directory"];
                assert!(
                    directory["sealed_c2s"].as_u64() > Some(100)
                        && directory["sealed_s2c"].as_u64() > Some(1000)
                );
                assert_eq!(array(&directory["binds"]).last().unwrap()["method"], method);
                assert_eq!((&directory["searches"], &directory["entries"]), (&json!(0), &json!(0)));
                let stream = &connection["stream"];
                assert!(of_type(&records, "directory").iter().all(|exchange| exchange["stream"] != *stream));
            }
        }
    }

    #[test]
    fn a_missing_container_an_empty_one_and_referrals_have_outcomes_of_their_own() {
        let outcomes = |name: &str| {
            let records = support::json_of(name, &[]);
            let exchanges = of_type(&records, "directory").into_iter();
            exchanges
                .map(|exchange| {
                    (exchange["outcome"].as_str().unwrap().to_owned(), exchange["result"]["code"].as_u64())
                })
                .collect::<BTreeSet<_>>()
        };
        let errors = outcomes("directory/ldap_errors.pcapng");
        for wanted in [("no-such-object", Some(32)), ("empty", Some(0)), ("refused", Some(4))] {
            assert!(errors.contains(&(wanted.0.to_owned(), wanted.1)), "{wanted:?}: {errors:?}");
        }
        assert!(outcomes("directory/ldap_referrals.pcapng").contains(&("referral".to_owned(), Some(10))));
        assert!(outcomes("directory/ldap_pipelined.pcapng").contains(&("abandoned".to_owned(), None)));
    }
}

mod mixed {
    use super::*;

    /// A record's steps in the story, by the frames in which they are.
    fn steps(record: &Value) -> Vec<(u64, Value)> {
        let frame = |value: &Value| value.as_u64().unwrap();
        let first = record["first_frame"].as_u64().or(record["request"]["first_frame"].as_u64()).unwrap_or(0);
        match record["type"].as_str().unwrap() {
            "directory" => vec![(
                first,
                json!({"by": "directory", "base": record["request"]["base"], "result": record["result"]["code"]}),
            )],
            "lookup" if record["question"]["rtype"] == "SRV" => {
                let answer = &record["answer"]["answers"][0];
                vec![(
                    first,
                    json!({"by": "dns", "name": answer["name"], "target": answer["target"], "port": answer["port"]}),
                )]
            }
            "exchange" => {
                let (address, port) = record["server"].as_str().unwrap().rsplit_once(':').unwrap();
                let found_by = if record["found"]["service"].is_null() { "none" } else { "srv" };
                vec![(
                    first,
                    json!({"by": "kms", "address": address, "port": port.parse::<u16>().unwrap(), "found_by": found_by}),
                )]
            }
            "mak" => vec![(
                first,
                json!({"by": "mak", "host": record["request"]["host"], "request_type": record["request"]["request_type"]}),
            )],
            "guest" => ["request", "response"]
                .iter()
                .map(|side| {
                    (
                        frame(&record[side]["first_frame"]),
                        json!({"by": "avma", "sha256": record[side]["sha256"]}),
                    )
                })
                .collect(),
            "channel" => array(&record["states"])
                .iter()
                .map(|state| (frame(&state["frame"]), json!({"by": "avma", "state": state["state"]})))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn one_machines_story_is_told_in_its_order_and_nothing_else() {
        let (truth, records) = both("mixed/mixed.pcapng");
        let mut told: Vec<(u64, Value)> = records.iter().flat_map(steps).collect();
        told.sort_by_key(|(frame, _)| *frame);
        let mut told = told.into_iter().map(|(_, step)| step).filter(|step| step["state"] != "opening");
        let mut next = || told.next().unwrap_or_else(|| panic!("the story ends early"));
        for step in array(&truth["steps"]) {
            match (step["by"].as_str().unwrap(), step["what"].as_str()) {
                ("avma", Some("the channel is offered")) => assert_eq!(next()["state"], "offered"),
                ("avma", Some("the channel is opened")) => assert_eq!(next()["state"], "opened"),
                ("avma", Some("the channel is closed")) => assert_eq!(next()["state"], "closed"),
                ("avma", _) => {
                    let payload = step["payload"].as_str().unwrap();
                    let hash = Hex(&Sha256::digest(payload)).to_string();
                    assert_eq!(next()["sha256"], hash, "{step}");
                }
                ("directory", _) => assert_eq!(
                    next(),
                    json!({"by": "directory", "base": step["base"], "result": step["result"]})
                ),
                ("dns", _) => assert_eq!(next(), *step),
                ("kms", _) => {
                    for _ in 0..step["exchanges"].as_u64().unwrap() {
                        let wanted = json!({"by": "kms", "address": step["address"], "port": step["port"], "found_by": step["found_by"]});
                        assert_eq!(next(), wanted);
                    }
                }
                ("mak", _) => {
                    for request_type in array(&step["request_types"]) {
                        assert_eq!(
                            next(),
                            json!({"by": "mak", "host": step["host"], "request_type": request_type})
                        );
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told.next(), None, "the story goes on");
        assert_eq!(of_type(&records, "notice").len(), 0);
    }
}

mod vmbus {
    use super::*;

    /// The payloads of the messages that records of a truth hold, by direction; those that are in one packet.
    fn payloads(truth: &Value) -> BTreeSet<(String, String)> {
        let records = array(&truth["records"]).iter().filter(|record| record["pipe"].is_string());
        records
            .map(|record| {
                let direction = record["record"]["direction"].as_str().unwrap().to_owned();
                (direction, hash(&record["pipe"]))
            })
            .collect()
    }

    fn hash(hex: &Value) -> String {
        let hex = hex.as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Hex(&Sha256::digest(bytes.collect::<Vec<u8>>())).to_string()
    }

    fn messages(records: &[Value]) -> Vec<(String, String)> {
        of_type(records, "guest")
            .iter()
            .flat_map(|guest| [&guest["request"], &guest["response"]])
            .filter(|message| message.is_object())
            .map(|message| {
                let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                let direction = if text("from") == "guest" { "guest_to_host" } else { "host_to_guest" };
                (direction.to_owned(), text("sha256"))
            })
            .collect()
    }

    #[test]
    fn exchanges_have_the_payloads_that_the_script_wrote() {
        let (truth, records) = both("vmbus/vmbus_avma.pcapng");
        let told: BTreeSet<_> = messages(&records).into_iter().collect();
        let written = payloads(&truth);
        assert!(told.len() >= 7 && told == written, "told {told:#?}, written {written:#?}");
        let channels = of_type(&records, "channel");
        let channel = channels.iter().find(|channel| channel["channel"] == 9).unwrap();
        let states: Vec<&str> =
            array(&channel["states"]).iter().map(|state| state["state"].as_str().unwrap()).collect();
        let controls = array(&truth["records"]).iter().filter(|record| record["control"].is_object());
        let names: Vec<&str> = controls
            .filter(|record| record["control"]["fields"]["channel_id"] == 9)
            .filter_map(|record| match record["control"]["name"].as_str().unwrap() {
                "offer_channel" => Some("offered"),
                "open_channel" => Some("opening"),
                "open_channel_result" => {
                    Some(if record["control"]["fields"]["status"] == 0 { "opened" } else { "open-failed" })
                }
                "close_channel" => Some("closed"),
                "rescind_channel_offer" => Some("rescinded"),
                "rel_id_released" => Some("released"),
                _ => None,
            })
            .collect();
        let as_offers: Vec<&str> =
            states.iter().map(|state| if *state == "reoffered" { "offered" } else { *state }).collect();
        assert_eq!(as_offers, names);
    }

    #[test]
    fn records_are_known_by_their_magic_or_by_the_link_type_that_is_named() {
        let count = |link: Option<LinkType>| {
            #[derive(Default)]
            struct Counted(u64, u64);
            impl Observer for Counted {
                fn guest(&mut self, _: &volact::trace::GuestExchange) {
                    self.0 += 1;
                }
                fn notice(&mut self, _: &volact::trace::Notice) {
                    self.1 += 1;
                }
            }
            let file = std::fs::read(support::folder().join("vmbus/vmbus_avma.pcapng")).unwrap();
            let mut counted = Counted::default();
            let options = Options { vmbus_link: link, ..Options::default() };
            let summary = volact::trace::trace("avma", &file[..], &options, &mut counted);
            (counted.0, summary.vmbus_packets, counted.1)
        };
        let by_magic = count(None);
        assert_eq!((by_magic.0, by_magic.2), (5, 0));
        assert_eq!(count(Some(LinkType(147))), by_magic);
        // Of another link type, they are packets of one that is not known: said once.
        assert_eq!(count(Some(LinkType(148))), (0, 0, 1));
    }

    #[test]
    fn dumps_of_rings_have_the_messages_that_the_script_wrote() {
        #[derive(Default)]
        struct Messages(BTreeSet<(&'static str, String)>);
        impl Observer for Messages {
            fn guest(&mut self, guest: &volact::trace::GuestExchange) {
                for message in guest.exchange.request.iter().chain(&guest.exchange.response) {
                    if let volact::vmbus::Content::Opaque(payload) = &message.content {
                        self.0.insert((message.direction.name(), Hex(&payload.sha256).to_string()));
                    }
                }
            }
        }
        for name in ["vmbus_wrap", "vmbus_consumed", "vmbus_torn"] {
            let truth = support::truth(&format!("vmbus/{name}.ring"));
            let file = std::fs::read(support::folder().join(format!("vmbus/{name}.ring"))).unwrap();
            let page = truth["second_page"].as_u64().map(|page| page.try_into().unwrap());
            let mut told = Messages::default();
            let summary = trace_ring(
                &file[..],
                &RingOptions { downstream_page: page, ..RingOptions::default() },
                &mut told,
            );
            let mut written = BTreeSet::new();
            for (ring, direction) in array(&truth["rings"]).iter().zip(["guest_to_host", "host_to_guest"]) {
                for packet in array(&ring["packets"]).iter().filter(|packet| packet["data"].is_string()) {
                    written.insert((direction, hash(&packet["data"])));
                }
            }
            assert_eq!(told.0, written, "{name}");
            assert_eq!(summary.notices, if name == "vmbus_torn" { 2 } else { 0 }, "{name}");
        }
    }
}

mod stories {
    use super::*;

    fn names() -> Vec<String> {
        support::surroundings().into_iter().filter(|name| name.starts_with("stories/")).collect()
    }

    /// The exchanges of KMS between a story's machine and host, of its product where the truth knows that.
    fn exchanges<'a>(records: &'a [Value], story: &Value) -> Vec<&'a Value> {
        let is_of = |exchange: &&Value| {
            let (client, _) = exchange["client"].as_str().unwrap().rsplit_once(':').unwrap();
            client.trim_matches(['[', ']']) == story["machine"]
                && exchange["server"] == story["host"]
                && (story["act_id"].is_null() || exchange["request"]["sku_id"] == story["act_id"])
        };
        of_type(records, "exchange").into_iter().filter(is_of).collect()
    }

    /// Answered, every check holds, and the host has counted enough.
    fn is_activated(exchange: &&Value) -> bool {
        let checks = exchange["checks"].as_object();
        exchange["outcome"] == "answered"
            && checks.is_some_and(|checks| checks.values().all(|check| *check != false))
            && exchange["response"]["count"].as_u64() >= exchange["request"]["n_policy"].as_u64()
    }

    #[test]
    fn a_story_ends_as_the_script_knows() {
        let mut told = 0;
        for name in names() {
            let (truth, records) = both(&name);
            for story in array(&truth["stories"]) {
                let exchanges = exchanges(&records, story);
                let answers = || exchanges.iter().map(|exchange| &exchange["response"]);
                let context = format!("{name}: {story}");
                // A machine that activates says so with an answer; by MAK, with an ID.
                if story["found"] == "mak" {
                    let mak = of_type(&records, "mak");
                    assert!(mak.iter().all(|exchange| exchange["outcome"] == "answered"), "{context}");
                } else {
                    let is_activated = exchanges.iter().any(is_activated);
                    assert_eq!(is_activated, story["activated"] == true, "{context}");
                }
                if let Some(hresult) = story["hresult"].as_str() {
                    let code = format!("0x{}", hresult.to_uppercase());
                    let faults = of_type(&records, "mak");
                    let faults = faults.iter().map(|exchange| &exchange["response"]["fault"]);
                    assert!(answers().chain(faults).any(|answer| answer["hresult"] == code), "{context}");
                }
                if story.get("count").is_some() {
                    assert!(answers().all(|answer| answer["count"] == story["count"]), "{context}");
                    let needed = |exchange: &&Value| exchange["request"]["n_policy"] == story["needed"];
                    assert!(exchanges.iter().all(needed), "{context}");
                }
                if let Some(checks) = story["checks"].as_array() {
                    let of = exchanges[0]["checks"].as_object().unwrap();
                    let failed: Vec<&str> =
                        of.iter().filter(|(_, check)| **check == false).map(|(name, _)| &**name).collect();
                    assert_eq!(&failed, checks, "{context}");
                }
                if let Some(cmid) = story["cmid"].as_str() {
                    assert!(
                        exchanges.iter().all(|exchange| exchange["request"]["cmid"] == cmid),
                        "{context}"
                    );
                }
                if let Some(lookup) = story["name"].as_str() {
                    let lookups = of_type(&records, "lookup");
                    let is_asked = |record: &&Value| record["question"]["name"] == lookup;
                    assert!(lookups.iter().any(is_asked), "{context}");
                }
                told += 1;
            }
        }
        assert!(told >= 70, "{told}");
    }

    #[test]
    fn every_story_has_a_row_in_the_readme_that_says_what_its_truth_says() {
        let readme = std::fs::read_to_string(support::folder().join("README.md")).unwrap();
        let names = names();
        for name in &names {
            let truth = support::truth(name);
            let (capture, what) = (truth["capture"].as_str().unwrap(), truth["what"].as_str().unwrap());
            let row = format!("| {capture} | {what} | ");
            let row = readme.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{row}"));
            for story in array(&truth["stories"]) {
                assert!(row.contains(story["ending"].as_str().unwrap()), "{row}: {story}");
            }
            assert_eq!(row.ends_with("| written |"), truth["staged"] == false, "{row}");
        }
        let rows = readme.lines().filter(|line| line.starts_with("| story_")).count();
        assert_eq!(rows, names.len());
    }
}

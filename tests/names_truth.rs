//! Recordings of discovery and of the directory against what the scripts that made them know and no dissector can say.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use volact::capture::{Chunk, Direction, End, Endpoint, FlowInfo, Gap, Handler, Stamp};
use volact::directory::{Dn, Entry, ldif};
use volact::discovery::{self, Arrival, Lookups, Message, Opcode, Searches, Transport};
use volact::wire::{Guid, Hex};

fn truth(folder: &str, name: &str) -> Value {
    let path = support::folder().join(folder).join("truth").join(name).with_extension("json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// Discovery.

/// No connection is of interest.
struct Datagrams;

impl Handler for Datagrams {
    type State = ();

    fn open(&mut self, _: &FlowInfo) {}

    fn data(&mut self, _: &FlowInfo, (): &mut (), _: Direction, _: Chunk<'_>) {}

    fn gap(&mut self, _: &FlowInfo, (): &mut (), _: Direction, _: Gap) {}

    fn close(&mut self, _: &FlowInfo, (): (), _: End) {}

    fn wants(&self, (): &()) -> bool {
        false
    }
}

/// Gives each DNS message of a recording that came in a datagram to `each`.
fn each_message(name: &str, mut each: impl FnMut(Endpoint, Endpoint, Stamp, Message)) {
    let path = support::folder().join("discovery").join(name).with_extension("pcapng");
    support::read(&path, Datagrams, &[discovery::PORT], |_, found, stamp| {
        each(found.source, found.destination, stamp, Message::parse(found.payload).unwrap());
    });
}

#[test]
fn the_suffixes_that_were_tried_are_found_in_their_order() {
    let truth = truth("discovery", "dns_suffixes");
    let mut lookups = Lookups::default();
    let mut searches = Searches::default();
    let mut attempts = Vec::new();
    let mut found = |search: discovery::Search<_, _>| attempts.extend(search.attempts);
    each_message("dns_suffixes", |source, destination, stamp, message| {
        let take = &mut |lookup: discovery::Lookup<_, _>| searches.take(&lookup, &mut found);
        let arrival = Arrival { source, destination, transport: Transport::Udp, stamp, time: stamp.time };
        lookups.message(arrival, message, take);
    });
    lookups.finish(&mut |lookup| searches.take(&lookup, &mut found));
    searches.finish(&mut found);
    attempts.sort_by_key(|attempt| attempt.number);
    let tried: Vec<&str> = attempts.iter().map(|attempt| attempt.domain.as_str()).collect();
    let runs = truth["runs"].as_array().unwrap();
    assert_eq!(tried, runs.iter().flat_map(|run| texts(&run["tried"])).collect::<Vec<_>>());
    // The last suffix of each run is the one with a host, or nothing is found at all.
    let mut rest = attempts.iter();
    for run in runs {
        let own: Vec<_> = rest.by_ref().take(texts(&run["tried"]).len()).collect();
        let hosts = |service: &discovery::Service| json!(format!("{}:{}", service.target, service.port));
        let services: Vec<Value> =
            own.iter().flat_map(|attempt| attempt.services.iter().map(hosts)).collect();
        assert_eq!(
            services,
            run["found"].as_str().map(|host| json!(host)).into_iter().collect::<Vec<_>>(),
            "{run}"
        );
    }
}

#[test]
fn updates_end_as_nsupdate_was_told() {
    let truth = truth("discovery", "dns_update");
    let mut ended = Vec::new();
    each_message("dns_update", |_, _, _, message| {
        if message.opcode() == Opcode(5) && message.is_response() {
            ended.push(message.rcode().name().unwrap());
        }
    });
    let updates = truth["updates"].as_array().unwrap().iter();
    // Of a signature that is not known nsupdate says more than the response code.
    let told = updates.map(|update| update["outcome"].as_str().unwrap().split('(').next().unwrap());
    assert_eq!(ended, told.collect::<Vec<_>>());
}

// ---------------------------------------------------------------------------------------------------------------------
// The directory.

#[test]
fn ldif_files_hold_the_entries_that_were_loaded() {
    for name in ["ldif_slapcat", "ldif_wrapped", "ldif_unwrapped", "ldif_comments", "ldif_version"] {
        let truth = truth("directory", name);
        let path: PathBuf = support::folder().join("directory").join(name).with_extension("ldif");
        let mut entries = Vec::new();
        let summary = ldif::read(fs::File::open(path).unwrap(), |entry| entries.push(entry.entry));
        assert_eq!((summary.problem_count, summary.changes), (0, 0), "{name}: {:?}", summary.problems);
        let mut known: BTreeMap<String, &Value> = BTreeMap::new();
        for entry in truth["entries"].as_array().unwrap() {
            known.insert(folded(entry["dn"].as_str().unwrap()), &entry["attributes"]);
        }
        let listed: Vec<String> = entries.iter().map(|entry| folded(&entry.dn)).collect();
        let mut sorted = listed.clone();
        sorted.sort();
        assert_eq!(sorted, known.keys().cloned().collect::<Vec<_>>(), "{name}");
        for entry in &entries {
            for (attribute, values) in known[&folded(&entry.dn)].as_object().unwrap() {
                assert_eq!(&json!(shown(entry, attribute)), values, "{name}: {}, {attribute}", entry.dn);
            }
        }
    }
}

/// A name as it is compared: letters in lower case, escapes as the characters that they stand for.
fn folded(dn: &str) -> String {
    let dn = Dn::parse(dn).unwrap();
    let parts = dn.rdns().iter().flat_map(|rdn| rdn.parts());
    parts.map(|(name, value)| format!("{name}={value}/").to_lowercase()).collect()
}

/// The values of an attribute as the truth writes them.
fn shown(entry: &Entry, attribute: &str) -> Vec<Value> {
    let values = entry.values(attribute);
    values
        .map(|value| match attribute {
            _ if attribute.ends_with("License") => json!({"bytes": value.len(), "sha256": sha256(value)}),
            "msSPP-CSVLKSkuId" | "msSPP-KMSIds" => {
                json!(Guid::from_wire(value.try_into().unwrap()).to_string())
            }
            _ => json!(str::from_utf8(value).unwrap()),
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};

    Hex(&Sha256::digest(bytes)).to_string()
}

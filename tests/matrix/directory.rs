//! Examples of the rules in src/conformance/rules/directory.rs.

use volact::capture::{Dialogue, Direction, Endpoint};

use crate::Example;
use crate::files::{replaced, text};

pub(crate) fn examples() -> Vec<Example> {
    let mut examples = searches();
    examples.extend(results());
    examples.extend(names());
    examples.extend(values());
    examples.extend(contents());
    examples
}

const CONTAINER: &str =
    "CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example";

/// A search as `slmgr /ao-list` makes it, and what it finds: the same values as in `captures/directory/ldap_list.pcapng`.
#[derive(Clone, Debug)]
struct Listing {
    password: &'static [u8],
    base: &'static str,
    scope: u8,
    dereference: u8,
    size_limit: u8,
    filter: (&'static str, &'static [u8]),
    asked: &'static [&'static str],
    found: &'static [&'static str],
    sku_id: &'static [u8],
    references: &'static [&'static str],
    code: u8,
    matched: &'static str,
    referrals: &'static [&'static str],
}

impl Listing {
    fn base() -> Self {
        Self {
            password: b"",
            base: CONTAINER,
            scope: 1,
            dereference: 0,
            size_limit: 0,
            filter: ("objectClass", b"msSPP-ActivationObject"),
            asked: &["displayName", "msSPP-CSVLKSkuId"],
            found: &["Windows Server 2022 synthetic"],
            sku_id: &[7; 16],
            references: &[],
            code: 0,
            matched: "",
            referrals: &[],
        }
    }

    /// With a container that is not there.
    fn missing() -> Self {
        let base =
            "CN=Microsoft SPP Synthetic,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example";
        let matched = "CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example";
        Self { base, found: &[], code: 32, matched, ..Self::base() }
    }

    /// With a referral as its result.
    fn elsewhere() -> Self {
        Self { found: &[], code: 10, referrals: &["ldap://other.corp.example/"], ..Self::base() }
    }

    fn file(&self) -> Vec<u8> {
        let endpoint = |last, port| Endpoint { address: [10, 77, 0, last].into(), port };
        let mut dialogue = Dialogue::new(endpoint(100, 40_000), endpoint(60, 389), 0);
        let mut time = 0;
        let mut send = |direction, id, operation: Vec<u8>| {
            time += 1_000_000;
            dialogue.send(direction, time, &ber(0x30, &[integer(2, id), operation].concat()));
        };
        let bind = [integer(2, 3), octets(b""), ber(0x80, self.password)].concat();
        send(Direction::ToServer, 1, ber(0x60, &bind));
        send(Direction::ToClient, 1, ber(0x61, &result(0, "", &[])));
        send(Direction::ToServer, 2, self.request());
        for cn in self.found {
            let values = |name: &str, value: &[u8]| {
                ber(0x30, &[octets(name.as_bytes()), ber(0x31, &octets(value))].concat())
            };
            let attributes = [values("displayName", cn.as_bytes()), values("msSPP-CSVLKSkuId", self.sku_id)];
            let name = octets(format!("CN={cn},{CONTAINER}").as_bytes());
            send(Direction::ToClient, 2, ber(0x64, &[name, ber(0x30, &attributes.concat())].concat()));
        }
        for uri in self.references {
            send(Direction::ToClient, 2, ber(0x73, &octets(uri.as_bytes())));
        }
        send(Direction::ToClient, 2, ber(0x65, &result(self.code, self.matched, self.referrals)));
        dialogue.close(Direction::ToServer, 20_000_000);
        dialogue.close(Direction::ToClient, 20_000_000);
        let mut file = Vec::new();
        Dialogue::write(&[dialogue], &mut file, "an example of a rule").expect("memory takes it");
        file
    }

    fn request(&self) -> Vec<u8> {
        let (attribute, value) = self.filter;
        let asked: Vec<u8> = self.asked.iter().flat_map(|name| octets(name.as_bytes())).collect();
        let parts = [
            octets(self.base.as_bytes()),
            integer(10, self.scope),
            integer(10, self.dereference),
            integer(2, self.size_limit),
            integer(2, 0),
            integer(1, 0),
            ber(0xa3, &[octets(attribute.as_bytes()), octets(value)].concat()),
            ber(0x30, &asked),
        ];
        ber(0x63, &parts.concat())
    }
}

/// An element of BER.
fn ber(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short element").to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

fn integer(tag: u8, value: u8) -> Vec<u8> {
    vec![tag, 1, value]
}

fn octets(content: &[u8]) -> Vec<u8> {
    ber(4, content)
}

fn result(code: u8, matched: &str, referrals: &[&str]) -> Vec<u8> {
    let uris: Vec<u8> = referrals.iter().flat_map(|uri| octets(uri.as_bytes())).collect();
    let referrals = if referrals.is_empty() { Vec::new() } else { ber(0xa3, &uris) };
    [integer(10, code), octets(matched.as_bytes()), octets(b""), referrals].concat()
}

/// A search as it is, and changed.
fn search(rule: &'static str, base: fn() -> Listing, change: fn(&mut Listing)) -> Example {
    let mut changed = base();
    change(&mut changed);
    Example { rule, passes: base().file(), fails: changed.file() }
}

fn searches() -> Vec<Example> {
    let base = Listing::base;
    let by_sku = || Listing { filter: ("msSPP-CSVLKSkuId", &[7; 16]), ..Listing::base() };
    vec![
        search("ADBA-BASE", base, |search| {
            (search.base, search.scope) = ("CN=Configuration,DC=corp,DC=example", 2);
        }),
        search("ADBA-SCOPE", base, |search| (search.scope, search.found) = (0, &[])),
        search("ADBA-FILTER-GUID", by_sku, |search| search.filter.1 = &[7; 15]),
        search("ADBA-FILTER-CLASS", base, |search| search.filter.1 = b"msSPP-ActivationThing"),
        search("LDAP-DN", base, |search| search.base = "CN=Activation Objects,,CN=Microsoft SPP"),
        search("LDAP-SCOPE", base, |search| search.scope = 3),
        search("LDAP-DEREFERENCE", base, |search| search.dereference = 4),
        search("LDAP-SIMPLE-CLEAR", base, |search| search.password = b"a password"),
    ]
}

fn results() -> Vec<Example> {
    let base = Listing::base;
    let limited = || Listing { size_limit: 1, ..Listing::base() };
    let referred = || Listing { references: &["ldap://other.corp.example/"], ..Listing::base() };
    vec![
        search("ADBA-CONTAINER", base, |search| {
            (search.found, search.code) = (&[], 32);
            search.matched = "CN=Services,CN=Configuration,DC=corp,DC=example";
        }),
        search("ADBA-VALUES", base, |search| search.sku_id = &[7; 15]),
        search("LDAP-RESULT-CODE", base, |search| (search.found, search.code) = (&[], 99)),
        search("LDAP-MATCHED-DN", Listing::missing, |search| search.matched = "DC=other,DC=example"),
        search("LDAP-REFERRAL", Listing::elsewhere, |search| search.referrals = &[]),
        search("LDAP-URI", referred, |search| search.references = &["other.corp.example"]),
        search("LDAP-SIZE-LIMIT", limited, |search| search.found = &["One", "Two"]),
        search("LDAP-WITHIN", base, |search| {
            search.base = "CN=Other,CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example";
        }),
        search("LDAP-ASKED-FOR", base, |search| search.asked = &["displayName"]),
    ]
}

const IID: &str = "330512311875727788090139496334835149954645445802270599047875924";
const CID: &str = "429292031401597794898455690612212251894655189294";
const SKU_ID: &str = "msSPP-CSVLKSkuId:: n/xs712MrESard5qLqCuAw==\n";
const NO_CLIENTS_SKU_ID: &str = "msSPP-CSVLKSkuId:: BwcHBwcHBwcHBwcHBwcHBw==\n";
const KMS_ID: &str = "msSPP-KMSIds:: 5GNCt5IPxka8+MEdXv4pWQ==\n";
const KEY: &str = "msSPP-CSVLKPartialProductKey: BBBBB\n";
const PID: &str = "msSPP-CSVLKPid: 00000-04918-000-000001-03-1033-20348.0000-0012022\n";

/// The export of an activation object. The recorded one has the SKU of a client where that of a host key should be.
fn export() -> String {
    let whole = text("directory/ldif_unwrapped.ldif");
    let mut records = whole.split("\n\n");
    let record = records.find(|record| record.contains("dn: cn=Windows Server 2022 synthetic,"));
    let record = format!("{}\n", record.expect("it is there").trim_end());
    replaced(&record, SKU_ID, NO_CLIENTS_SKU_ID)
}

/// The export's line with an attribute.
fn line(attribute: &str) -> String {
    let export = export();
    let line = export.lines().find(|line| line.split(':').next() == Some(attribute));
    format!("{}\n", line.expect("it is there"))
}

/// An export with something replaced.
fn object(rule: &'static str, from: &str, to: &str) -> Example {
    let base = export();
    Example { rule, fails: replaced(&base, from, to).into_bytes(), passes: base.into_bytes() }
}

/// An export with a line more behind one of its lines.
fn more(rule: &'static str, line: &str, other: &str) -> Example {
    object(rule, line, &format!("{line}{other}"))
}

fn names() -> Vec<Example> {
    let name = "dn: cn=Windows Server 2022 synthetic,cn=Activation Objects,";
    vec![
        object("AO-DN", name, "dn: cn=Windows Server 2022 synthetic,,cn=Activation Objects,"),
        object("AO-CONTAINER", name, "dn: cn=Windows Server 2022 synthetic,cn=Other Objects,"),
        object("AO-CN", "\ncn: Windows Server 2022 synthetic\n", "\ncn: Other\n"),
        object("AO-CLASS", "objectClass: msSPP-ActivationObject\n", "objectClass: msSPP-Other\n"),
        object("AO-MUST", PID, ""),
        more("AO-LINES", PID, "this line has no colon\n"),
    ]
}

fn values() -> Vec<Example> {
    let long = "1".repeat(513);
    vec![
        more("AO-KMS-ID-SIZE", KMS_ID, "msSPP-KMSIds:: AAAA\n"),
        object("AO-SKU-ID-SIZE", NO_CLIENTS_SKU_ID, "msSPP-CSVLKSkuId:: AAAA\n"),
        object("AO-KEY-SIZE", KEY, "msSPP-CSVLKPartialProductKey: BBBB\n"),
        object("AO-TEXT-SIZE", IID, &long),
        object("AO-UTF8", PID, "msSPP-CSVLKPid:: /w==\n"),
        more("AO-SINGLE", KEY, "msSPP-CSVLKPartialProductKey: CCCCC\n"),
        more("AO-KMS-ID-TWICE", KMS_ID, KMS_ID),
        object(
            "AO-LICENSE-SIZE",
            "msSPP-OnlineLicense:: ",
            &format!("msSPP-OnlineLicense:: {}", "AAAA".repeat(1_747_627)),
        ),
        object("AO-LICENSE-EMPTY", &line("msSPP-OnlineLicense"), "msSPP-OnlineLicense:\n"),
    ]
}

fn contents() -> Vec<Example> {
    vec![
        more("AO-KMS-ID-KNOWN", KMS_ID, "msSPP-KMSIds:: BwcHBwcHBwcHBwcHBwcHBw==\n"),
        object("AO-SKU-ID-KIND", NO_CLIENTS_SKU_ID, SKU_ID),
        object("AO-KEY-SYMBOLS", KEY, "msSPP-CSVLKPartialProductKey: AAAAA\n"),
        object("AO-PID", PID, "msSPP-CSVLKPid: 04918-000-000001\n"),
        object("AO-PID-CHANNEL", "-03-1033-", "-02-1033-"),
        object("AO-PID-GROUP", "-04918-", "-04249-"),
        object("AO-IID", IID, &IID.replacen("330512", "340512", 1)),
        object("AO-CID", CID, &CID.replacen("4292", "4392", 1)),
        object("AO-CID-IID", &format!("msSPP-InstallationId: {IID}\n"), ""),
        object("AO-DISPLAY-NAME", &line("displayName"), ""),
    ]
}

use crate::catalog::{host, product};
use crate::directory::{
    ActivationObject, Dereference, Dn, Found, Problem, ProblemKind, ResultCode, Scope, SearchRequest, schema,
};
use crate::mak::{ConfirmationId, InstallationId};
use crate::trace::{DirectoryExchange, ObjectRecord};
use crate::wire::Epid;

use super::super::connection::ConnectionScene;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::judgements::{each, of};

use Judgement::NotApplicable;

/// Active Directory: activation objects and how they are searched.
pub(super) const FAMILY: Family = Family {
    name: "directory",
    title: "Active Directory: activation objects and how they are searched",
    rules: RULES,
};

const RULES: &[Rule] = &[
    Rule {
        id: "ADBA-BASE",
        title: "Activation objects are searched below Microsoft SPP",
        level: Level::Observed,
        authority: "Observed: slmgr /ao-list",
        looks_at: "The base of each search for activation objects.",
        holds: "It is CN=Microsoft SPP,CN=Services of the configuration, or something below it.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Directory(base),
    },
    Rule {
        id: "ADBA-SCOPE",
        title: "The container is searched for what is in it",
        level: Level::Observed,
        authority: "Observed: slmgr /ao-list",
        looks_at: "The scope of each search at CN=Activation Objects itself that looks for a class.",
        holds: "It is one level or a subtree.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Directory(scope),
    },
    Rule {
        id: "ADBA-FILTER-GUID",
        title: "A filter compares GUIDs with 16 bytes",
        level: Level::Should,
        authority: "MS-ADA2, attributes msSPP-KMSIds and msSPP-CSVLKSkuId",
        looks_at: "The values with which a filter compares msSPP-KMSIds and msSPP-CSVLKSkuId.",
        holds: "They have 16 bytes.",
        about: About::Client,
        tags: &["search", "filter"],
        subject: Subject::Directory(filter_guid),
    },
    Rule {
        id: "ADBA-FILTER-CLASS",
        title: "A filter names a class that there is",
        level: Level::Should,
        authority: "MS-ADSC, classes msSPP-ActivationObject and msSPP-ActivationObjectsContainer",
        looks_at: "The values beginning with msSPP- with which a filter compares objectClass.",
        holds: "They are msSPP-ActivationObject or msSPP-ActivationObjectsContainer.",
        about: About::Client,
        tags: &["search", "filter"],
        subject: Subject::Directory(filter_class),
    },
    Rule {
        id: "ADBA-CONTAINER",
        title: "The container of activation objects is there",
        level: Level::May,
        authority: "Microsoft: HRESULT 0x80072030 where it is missing, as it may be in a forest without such activation",
        looks_at: "The result of each search whose base is CN=Activation Objects or CN=Microsoft SPP.",
        holds: "It is not noSuchObject.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(container),
    },
    Rule {
        id: "ADBA-VALUES",
        title: "The activation objects that are found are as the schema has them",
        level: Level::Must,
        authority: "MS-ADA2, ranges and syntaxes of the attributes msSPP-*",
        looks_at: "The values of each activation object that a search has found.",
        holds: "Their lengths and numbers are as the schema says, and text is UTF-8.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(values),
    },
    Rule {
        id: "LDAP-DN",
        title: "The base of a search is a DN",
        level: Level::Must,
        authority: "RFC 4511 section 4.1.3; RFC 4514 section 3",
        looks_at: "The base of each search for activation objects that is not in angle brackets, as Active Directory has it.",
        holds: "It can be read as a DN.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Directory(dn),
    },
    Rule {
        id: "LDAP-SCOPE",
        title: "A search has a known scope",
        level: Level::Should,
        authority: "RFC 4511 section 4.5.1.2",
        looks_at: "The scope of each search for activation objects.",
        holds: "It is 0, 1 or 2.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Directory(known_scope),
    },
    Rule {
        id: "LDAP-DEREFERENCE",
        title: "A search follows aliases in a known way",
        level: Level::Must,
        authority: "RFC 4511 section 4.5.1.3",
        looks_at: "derefAliases of each search for activation objects.",
        holds: "It is 0 to 3.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Directory(dereference),
    },
    Rule {
        id: "LDAP-RESULT-CODE",
        title: "A search ends with a known result code",
        level: Level::Should,
        authority: "RFC 4511 appendix A",
        looks_at: "The result code of each search for activation objects.",
        holds: "It has a name.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(result_code),
    },
    Rule {
        id: "LDAP-MATCHED-DN",
        title: "What exists of a base is above it",
        level: Level::Must,
        authority: "RFC 4511 section 4.1.9",
        looks_at: "matchedDN of each search that ends with noSuchObject.",
        holds: "It is empty, or a DN above the base.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(matched_dn),
    },
    Rule {
        id: "LDAP-REFERRAL",
        title: "A referral says where to ask",
        level: Level::Must,
        authority: "RFC 4511 section 4.1.10",
        looks_at: "The result of each search that ends with referral.",
        holds: "It has at least one URI.",
        about: About::Server,
        tags: &["result", "referral"],
        subject: Subject::Directory(referral),
    },
    Rule {
        id: "LDAP-URI",
        title: "A referral is a URI",
        level: Level::Should,
        authority: "RFC 4511 section 4.1.10, which allows others; RFC 4516",
        looks_at: "The referrals and search references of each search.",
        holds: "They begin with ldap:// or ldaps://.",
        about: About::Server,
        tags: &["result", "referral"],
        subject: Subject::Directory(uri),
    },
    Rule {
        id: "LDAP-SIZE-LIMIT",
        title: "A server finds no more than the client wants",
        level: Level::Must,
        authority: "RFC 4511 section 4.5.1.4",
        looks_at: "The entries of each search with a sizeLimit.",
        holds: "There are no more of them than that.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(size_limit),
    },
    Rule {
        id: "LDAP-WITHIN",
        title: "What is found is below the base",
        level: Level::Must,
        authority: "RFC 4511 sections 4.5.1.1 and 4.5.1.2",
        looks_at: "The names of the entries of each search that follows no aliases.",
        holds: "They are within the base and the scope.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(within),
    },
    Rule {
        id: "LDAP-ASKED-FOR",
        title: "An entry has the attributes that were asked for",
        level: Level::Must,
        authority: "RFC 4511 section 4.5.1.8",
        looks_at: "The attributes msSPP-* of each activation object that a search has found.",
        holds: "Each was asked for.",
        about: About::Server,
        tags: &["result"],
        subject: Subject::Directory(asked_for),
    },
    Rule {
        id: "LDAP-SIMPLE-CLEAR",
        title: "A password is not sent in the clear",
        level: Level::Should,
        authority: "RFC 4513 sections 2 and 5.1.3",
        looks_at: "The simple binds of each connection on which activation objects are searched.",
        holds: "They are made in TLS.",
        about: About::Client,
        tags: &["bind", "tls"],
        subject: Subject::Connection(simple_clear),
    },
    Rule {
        id: "AO-DN",
        title: "The name of an activation object is a DN",
        level: Level::Must,
        authority: "RFC 4514 section 3",
        looks_at: "The DN of each activation object of an export.",
        holds: "It can be read.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(object_dn),
    },
    Rule {
        id: "AO-CONTAINER",
        title: "An activation object is in CN=Activation Objects",
        level: Level::Must,
        authority: "MS-ADSC, class msSPP-ActivationObject",
        looks_at: "The DN of each activation object of an export.",
        holds: "It is below CN=Activation Objects,CN=Microsoft SPP,CN=Services.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(object_container),
    },
    Rule {
        id: "AO-CN",
        title: "An activation object has the cn of its name",
        level: Level::Must,
        authority: "RFC 4512 section 2.3",
        looks_at: "cn of each activation object of an export that has one, and the first part of its DN.",
        holds: "They are equal.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(object_cn),
    },
    Rule {
        id: "AO-CLASS",
        title: "An activation object is of its class",
        level: Level::Must,
        authority: "MS-ADSC, class msSPP-ActivationObject",
        looks_at: "objectClass of each object of an export with attributes of an activation object.",
        holds: "msSPP-ActivationObject is among its values.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(object_class),
    },
    Rule {
        id: "AO-MUST",
        title: "An activation object has what its class must have",
        level: Level::Must,
        authority: "MS-ADSC, class msSPP-ActivationObject",
        looks_at: "The attributes of each activation object of an export whose lines are whole.",
        holds: "msSPP-KMSIds, msSPP-CSVLKSkuId, msSPP-CSVLKPid and msSPP-CSVLKPartialProductKey are there.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(object_must),
    },
    Rule {
        id: "AO-LINES",
        title: "The lines of an activation object can be read",
        level: Level::Must,
        authority: "RFC 2849",
        looks_at: "The lines of each activation object of an export.",
        holds: "Nothing is wrong with them.",
        about: About::Server,
        tags: &["object", "ldif"],
        subject: Subject::Object(object_lines),
    },
    Rule {
        id: "AO-KMS-ID-SIZE",
        title: "A KMS counted id has 16 bytes",
        level: Level::Must,
        authority: "MS-ADA2, attribute msSPP-KMSIds",
        looks_at: "The values of msSPP-KMSIds of each activation object of an export.",
        holds: "Each has 16 bytes.",
        about: About::Server,
        tags: &["object", "guid"],
        subject: Subject::Object(kms_id_size),
    },
    Rule {
        id: "AO-SKU-ID-SIZE",
        title: "The SKU of a host key has 16 bytes",
        level: Level::Must,
        authority: "MS-ADA2, attribute msSPP-CSVLKSkuId",
        looks_at: "The value of msSPP-CSVLKSkuId of each activation object of an export.",
        holds: "It has 16 bytes.",
        about: About::Server,
        tags: &["object", "guid"],
        subject: Subject::Object(sku_id_size),
    },
    Rule {
        id: "AO-KEY-SIZE",
        title: "A partial product key has five characters",
        level: Level::Must,
        authority: "MS-ADA2, attribute msSPP-CSVLKPartialProductKey",
        looks_at: "The value of msSPP-CSVLKPartialProductKey of each activation object of an export.",
        holds: "It has five characters.",
        about: About::Server,
        tags: &["object", "key"],
        subject: Subject::Object(key_size),
    },
    Rule {
        id: "AO-TEXT-SIZE",
        title: "A text has 512 characters at most",
        level: Level::Must,
        authority: "MS-ADA2, attributes msSPP-InstallationId, msSPP-ConfirmationId, msSPP-CSVLKPid",
        looks_at: "The texts of each activation object of an export.",
        holds: "Each has 512 characters at most.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(text_size),
    },
    Rule {
        id: "AO-UTF8",
        title: "A text is UTF-8",
        level: Level::Must,
        authority: "RFC 4517 section 3.3.6; MS-ADA2, String(Unicode)",
        looks_at: "The texts of each activation object of an export.",
        holds: "Each is UTF-8.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(utf8),
    },
    Rule {
        id: "AO-SINGLE",
        title: "An attribute with one value has one",
        level: Level::Must,
        authority: "MS-ADA2, isSingleValued",
        looks_at: "The attributes msSPP-* of each activation object of an export, but msSPP-KMSIds.",
        holds: "Each has one value.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(single),
    },
    Rule {
        id: "AO-KMS-ID-TWICE",
        title: "No KMS counted id is there twice",
        level: Level::Must,
        authority: "RFC 4512 section 2.2",
        looks_at: "The values of msSPP-KMSIds of each activation object of an export.",
        holds: "They differ from each other.",
        about: About::Server,
        tags: &["object", "guid"],
        subject: Subject::Object(kms_id_twice),
    },
    Rule {
        id: "AO-KMS-ID-KNOWN",
        title: "A KMS counted id is known",
        level: Level::Observed,
        authority: "Observed: the product key configuration of Windows and Office",
        looks_at: "The values of msSPP-KMSIds of each activation object of an export.",
        holds: "Each is the id of a known group of products.",
        about: About::Server,
        tags: &["object", "guid"],
        subject: Subject::Object(kms_id_known),
    },
    Rule {
        id: "AO-SKU-ID-KIND",
        title: "The SKU is that of a host key",
        level: Level::Observed,
        authority: "Observed: the product key configuration of Windows and Office",
        looks_at: "The value of msSPP-CSVLKSkuId of each activation object of an export.",
        holds: "It is no SKU of a client, and no KMS counted id.",
        about: About::Server,
        tags: &["object", "guid"],
        subject: Subject::Object(sku_id_kind),
    },
    Rule {
        id: "AO-KEY-SYMBOLS",
        title: "A partial product key is made of a key's symbols",
        level: Level::Should,
        authority: "Community descriptions of product keys: BCDFGHJKMPQRTVWXY2346789, and N once",
        looks_at: "The characters of msSPP-CSVLKPartialProductKey of each activation object of an export.",
        holds: "They are symbols of a product key, and N at most once.",
        about: About::Server,
        tags: &["object", "key"],
        subject: Subject::Object(key_symbols),
    },
    Rule {
        id: "AO-PID",
        title: "A host key has an extended product ID",
        level: Level::Should,
        authority: "MS-ADA2, attribute msSPP-CSVLKPid, which does not say its form; Observed: extended product IDs of keys",
        looks_at: "msSPP-CSVLKPid of each activation object of an export.",
        holds: "It is PPPPP-GGGGG-SSS-SSSSSS-CC-LLLL-BBBBB.BBBB-DDDYYYY.",
        about: About::Server,
        tags: &["object", "pid"],
        subject: Subject::Object(pid),
    },
    Rule {
        id: "AO-PID-CHANNEL",
        title: "A host key is a volume key",
        level: Level::Observed,
        authority: "Observed: the extended product IDs of KMS hosts",
        looks_at: "The channel in msSPP-CSVLKPid of each activation object of an export.",
        holds: "It is 03.",
        about: About::Server,
        tags: &["object", "pid"],
        subject: Subject::Object(pid_channel),
    },
    Rule {
        id: "AO-PID-GROUP",
        title: "A host key is of a known group",
        level: Level::Observed,
        authority: "Observed: the product key configuration of Windows and Office",
        looks_at: "The key group in msSPP-CSVLKPid of each activation object of an export.",
        holds: "A host key of it is known.",
        about: About::Server,
        tags: &["object", "pid"],
        subject: Subject::Object(pid_group),
    },
    Rule {
        id: "AO-IID",
        title: "The installation ID of an activation object is one",
        level: Level::Must,
        authority: "MS-ADA2, attribute msSPP-InstallationId; slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D)",
        looks_at: "msSPP-InstallationId of each activation object of an export, where it is there and not empty.",
        holds: "It has 50, 54 or 63 digits, and its check digits are right.",
        about: About::Server,
        tags: &["object", "iid"],
        subject: Subject::Object(iid),
    },
    Rule {
        id: "AO-CID",
        title: "The confirmation ID of an activation object is one",
        level: Level::Must,
        authority: "MS-ADA2, attribute msSPP-ConfirmationId; slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D)",
        looks_at: "msSPP-ConfirmationId of each activation object of an export, where it is there and not empty.",
        holds: "It has 42 or 48 digits, and its check digits are right.",
        about: About::Server,
        tags: &["object", "cid"],
        subject: Subject::Object(cid),
    },
    Rule {
        id: "AO-CID-IID",
        title: "A confirmation ID stands beside an installation ID",
        level: Level::Should,
        authority: "slerror.h, SL_E_CIDIID_MISMATCHED (0xC004F031): a confirmation ID is of one installation ID",
        looks_at: "Each activation object of an export with msSPP-ConfirmationId.",
        holds: "It has msSPP-InstallationId.",
        about: About::Server,
        tags: &["object", "cid", "iid"],
        subject: Subject::Object(cid_iid),
    },
    Rule {
        id: "AO-LICENSE-SIZE",
        title: "A licence fits its attribute",
        level: Level::Must,
        authority: "MS-ADA2, attributes msSPP-OnlineLicense, -PhoneLicense, -ConfigLicense, -IssuanceLicense",
        looks_at: "The licences of each activation object of an export.",
        holds: "Each has 5242880 bytes at most.",
        about: About::Server,
        tags: &["object", "licence"],
        subject: Subject::Object(license_size),
    },
    Rule {
        id: "AO-LICENSE-EMPTY",
        title: "A licence is not empty",
        level: Level::May,
        authority: "MS-ADA2, attributes msSPP-OnlineLicense, -PhoneLicense, -ConfigLicense, -IssuanceLicense",
        looks_at: "The licences of each activation object of an export.",
        holds: "Each has at least one byte.",
        about: About::Server,
        tags: &["object", "licence"],
        subject: Subject::Object(license_empty),
    },
    Rule {
        id: "AO-DISPLAY-NAME",
        title: "An activation object has a name for people",
        level: Level::Observed,
        authority: "Observed: slmgr /ao-list shows displayName",
        looks_at: "displayName of each activation object of an export.",
        holds: "It is there, and not empty.",
        about: About::Server,
        tags: &["object"],
        subject: Subject::Object(display_name),
    },
];

/// A search that is no look at the root of the directory, which tells where to search.
fn request(exchange: &DirectoryExchange) -> Option<&SearchRequest> {
    let is_root = |request: &&SearchRequest| request.base.is_empty() && request.scope == Scope(0);
    exchange.search.request.as_ref().filter(|request| !is_root(request))
}

fn base_dn(exchange: &DirectoryExchange) -> Option<Dn> {
    Dn::parse(&request(exchange)?.base).ok()
}

fn base(exchange: &DirectoryExchange) -> Judgement {
    of(base_dn(exchange), Dn::is_within_microsoft_spp, |_| {
        let base = request(exchange).map(|request| request.base.as_str()).unwrap_or_default();
        format!("{base:?} is not within CN=Microsoft SPP,CN=Services")
    })
}

/// True for CN=Activation Objects itself.
fn is_container(dn: &Dn) -> bool {
    let is_named =
        dn.rdns().first().is_some_and(|rdn| rdn.first_value().eq_ignore_ascii_case("Activation Objects"));
    is_named && dn.is_within_activation_objects()
}

/// What a filter compares an attribute with.
fn compared<'a>(exchange: &'a DirectoryExchange, attribute: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let filter = request(exchange).and_then(|request| request.filter.as_ref());
    let assertions = filter.into_iter().flat_map(|filter| filter.assertions());
    assertions.filter(move |(name, _)| name.eq_ignore_ascii_case(attribute)).filter_map(|(_, value)| value)
}

fn scope(exchange: &DirectoryExchange) -> Judgement {
    let looks_for_objects = compared(exchange, "objectClass")
        .any(|value| value.eq_ignore_ascii_case(schema::ACTIVATION_OBJECT.as_bytes()));
    let scope =
        base_dn(exchange).filter(is_container).and_then(|_| request(exchange)).map(|request| request.scope);
    of(
        scope.filter(|_| looks_for_objects),
        |scope| scope.0 != 0,
        |_| "the base alone is searched, which is no activation object".to_owned(),
    )
}

fn filter_guid(exchange: &DirectoryExchange) -> Judgement {
    let ids = compared(exchange, schema::KMS_IDS).chain(compared(exchange, schema::CSVLK_SKU_ID));
    each(ids, |value| (value.len() != 16).then(|| format!("a value of {} bytes, not 16", value.len())))
}

fn filter_class(exchange: &DirectoryExchange) -> Judgement {
    let is_named = |value: &&[u8]| value.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"msSPP-"));
    each(compared(exchange, "objectClass").filter(is_named), |value| {
        let class = String::from_utf8_lossy(value);
        schema::class(&class).is_none().then(|| format!("{class:?} is no class"))
    })
}

fn result(exchange: &DirectoryExchange) -> Option<&crate::directory::LdapResult> {
    exchange.search.result.as_ref()
}

fn container(exchange: &DirectoryExchange) -> Judgement {
    let is_above = |dn: &Dn| {
        is_container(dn)
            || (dn.is_within_microsoft_spp()
                && dn
                    .rdns()
                    .first()
                    .is_some_and(|rdn| rdn.first_value().eq_ignore_ascii_case("Microsoft SPP")))
    };
    let result = result(exchange).filter(|_| base_dn(exchange).is_some_and(|dn| is_above(&dn)));
    of(
        result,
        |result| result.code != ResultCode::NO_SUCH_OBJECT,
        |result| format!("noSuchObject, what is there is {:?}", result.matched_dn),
    )
}

/// The activation objects that a search has found.
fn objects(exchange: &DirectoryExchange) -> impl Iterator<Item = &ActivationObject> {
    exchange.search.found.iter().filter_map(|found| match found {
        Found::ActivationObject(object) => Some(&**object),
        Found::Entry(_) => None,
    })
}

fn values(exchange: &DirectoryExchange) -> Judgement {
    // Entries of a search for types only have no values, and lack none.
    let has_values = request(exchange).is_some_and(|request| !request.types_only);
    each(objects(exchange).filter(|_| has_values), |object| {
        object.problems.first().map(|problem| format!("{:?}: {problem}", object.dn))
    })
}

fn dn(exchange: &DirectoryExchange) -> Judgement {
    // Active Directory also takes <GUID=...> and the like.
    of(
        request(exchange).filter(|request| !request.base.starts_with('<')),
        |request| Dn::parse(&request.base).is_ok(),
        |request| {
            let error = Dn::parse(&request.base).err().map(|error| error.to_string());
            format!("{:?}: {}", request.base, error.unwrap_or_default())
        },
    )
}

fn known_scope(exchange: &DirectoryExchange) -> Judgement {
    let scope = exchange.search.request.as_ref().map(|request| request.scope);
    of(scope, |scope| scope.0 <= 2, |scope| format!("scope {}, not 0, 1 or 2", scope.0))
}

fn dereference(exchange: &DirectoryExchange) -> Judgement {
    let dereference = exchange.search.request.as_ref().map(|request| request.dereference);
    of(
        dereference,
        |dereference| dereference.0 <= 3,
        |dereference| format!("derefAliases {}, not 0 to 3", dereference.0),
    )
}

fn result_code(exchange: &DirectoryExchange) -> Judgement {
    let code = result(exchange).map(|result| result.code);
    of(code, |code| code.name().is_some(), |code| format!("result code {code}, which has no name"))
}

fn matched_dn(exchange: &DirectoryExchange) -> Judgement {
    let result = result(exchange).filter(|result| result.code == ResultCode::NO_SUCH_OBJECT);
    let Some((result, base)) = result.zip(base_dn(exchange)) else { return NotApplicable };
    let is_above = Dn::parse(&result.matched_dn)
        .is_ok_and(|matched| matched.rdns().is_empty() || (base.is_within(&matched) && base != matched));
    Judgement::of(is_above, || format!("{:?} is not above the base", result.matched_dn))
}

fn referral(exchange: &DirectoryExchange) -> Judgement {
    let result = result(exchange).filter(|result| result.code == ResultCode::REFERRAL);
    of(result, |result| !result.referrals.is_empty(), |_| "there is no URI".to_owned())
}

fn uri(exchange: &DirectoryExchange) -> Judgement {
    let of_result = result(exchange).into_iter().flat_map(|result| &result.referrals);
    let is_ldap = |uri: &str| {
        let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| ["ldap", "ldaps"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
    };
    each(of_result.chain(&exchange.search.references), |uri| {
        (!is_ldap(uri)).then(|| format!("{uri:?} is no URI of LDAP"))
    })
}

fn size_limit(exchange: &DirectoryExchange) -> Judgement {
    let limit = exchange.search.request.as_ref().map(|request| request.size_limit).filter(|limit| *limit > 0);
    let found = exchange.search.found.len() as u64;
    of(limit, |limit| found <= u64::from(*limit), |limit| format!("{found} entries, {limit} were wanted"))
}

fn within(exchange: &DirectoryExchange) -> Judgement {
    let follows = |request: &&SearchRequest| request.dereference == Dereference(0);
    let Some(request) = request(exchange).filter(follows) else { return NotApplicable };
    let Ok(base) = Dn::parse(&request.base) else { return NotApplicable };
    let names = exchange.search.found.iter().map(|found| match found {
        Found::ActivationObject(object) => object.dn.as_str(),
        Found::Entry(entry) => entry.dn.as_str(),
    });
    each(names, |name| {
        let dn = Dn::parse(name).ok()?;
        let below = dn.rdns().len().checked_sub(base.rdns().len());
        let is_right = dn.is_within(&base)
            && match request.scope {
                Scope(0) => below == Some(0),
                Scope(1) => below == Some(1),
                _ => true,
            };
        (!is_right).then(|| format!("{name:?} is not what is searched at {:?}", request.base))
    })
}

fn asked_for(exchange: &DirectoryExchange) -> Judgement {
    let Some(request) = &exchange.search.request else { return NotApplicable };
    let is_asked_for = |name: &str| {
        let is_it = |asked: &String| schema::described(asked).is_some_and(|attribute| attribute.name == name);
        request.asks_for(name) || request.attributes.iter().any(is_it)
    };
    each(objects(exchange), |object| {
        let has = [
            (schema::KMS_IDS, !object.kms_ids.is_empty()),
            (schema::CSVLK_SKU_ID, object.csvlk_sku_id.is_some()),
            (schema::CSVLK_PID, object.csvlk_pid.is_some()),
            (schema::CSVLK_PARTIAL_PRODUCT_KEY, object.partial_product_key.is_some()),
            (schema::INSTALLATION_ID, object.installation_id.is_some()),
            (schema::CONFIRMATION_ID, object.confirmation_id.is_some()),
        ];
        let (name, _) = has.into_iter().find(|(name, is_there)| *is_there && !is_asked_for(name))?;
        Some(format!("{:?} has {name}, which was not asked for", object.dn))
    })
}

fn simple_clear(scene: &ConnectionScene<'_>) -> Judgement {
    let Some(directory) = scene.record.directory.as_ref().filter(|_| scene.record.exchanges > 0) else {
        return NotApplicable;
    };
    if directory.binds.is_empty() {
        return NotApplicable;
    }
    let is_clear = directory.tls.is_none() && directory.binds.iter().any(|bind| bind.method == "simple");
    Judgement::of(!is_clear, || "a simple bind in the clear".to_owned())
}

fn object_dn(record: &ObjectRecord) -> Judgement {
    let dn = &record.object.dn;
    match Dn::parse(dn) {
        Ok(_) => Judgement::Holds,
        Err(error) => Judgement::broken(format!("{dn:?}: {error}")),
    }
}

fn object_container(record: &ObjectRecord) -> Judgement {
    let dn = Dn::parse(&record.object.dn).ok();
    of(
        dn,
        |dn| dn.is_within_activation_objects() && !is_container(dn),
        |_| format!("{:?} is not below CN=Activation Objects,CN=Microsoft SPP,CN=Services", record.object.dn),
    )
}

fn object_cn(record: &ObjectRecord) -> Judgement {
    let Some((cn, dn)) = record.object.cn.as_ref().zip(Dn::parse(&record.object.dn).ok()) else {
        return NotApplicable;
    };
    let name = dn.rdns().first().map(|rdn| rdn.first_value()).unwrap_or_default();
    Judgement::of(cn.to_lowercase() == name.to_lowercase(), || format!("cn is {cn:?}, the name is {name:?}"))
}

fn object_class(record: &ObjectRecord) -> Judgement {
    let classes = Some(&record.object.object_class).filter(|classes| !classes.is_empty());
    let is_it = |class: &String| class.eq_ignore_ascii_case(schema::ACTIVATION_OBJECT);
    of(classes, |classes| classes.iter().any(is_it), |classes| format!("it is {}", classes.join(", ")))
}

fn object_must(record: &ObjectRecord) -> Judgement {
    if record.is_cut {
        return NotApplicable;
    }
    let is_elsewhere = |name: &str| {
        let is_it = |attribute: &String| schema::described(attribute).is_some_and(|kind| kind.name == name);
        record.elsewhere.iter().any(is_it)
    };
    let missing = || record.object.missing.iter().copied().filter(|name| !is_elsewhere(name));
    Judgement::of(missing().next().is_none(), || {
        format!("{} is not there", missing().collect::<Vec<_>>().join(", "))
    })
}

fn object_lines(record: &ObjectRecord) -> Judgement {
    Judgement::of(!record.is_cut, || format!("something is wrong with the lines from {} on", record.line))
}

/// Judges by what is not as the schema has it; `is_there` says whether the object has what is looked at.
fn problem(record: &ObjectRecord, is_there: bool, is_meant: fn(&Problem) -> bool) -> Judgement {
    match record.object.problems.iter().find(|problem| is_meant(problem)) {
        Some(problem) => Judgement::broken(problem.to_string()),
        None if is_there => Judgement::Holds,
        None => NotApplicable,
    }
}

fn is_length(problem: &Problem, attributes: &[&str]) -> bool {
    matches!(problem.kind, ProblemKind::Length { .. }) && attributes.contains(&problem.attribute)
}

fn kms_id_size(record: &ObjectRecord) -> Judgement {
    problem(record, !record.object.kms_ids.is_empty(), |problem| is_length(problem, &[schema::KMS_IDS]))
}

fn sku_id_size(record: &ObjectRecord) -> Judgement {
    let is_there = record.object.csvlk_sku_id.is_some();
    problem(record, is_there, |problem| is_length(problem, &[schema::CSVLK_SKU_ID]))
}

fn key_size(record: &ObjectRecord) -> Judgement {
    let is_there = record.object.partial_product_key.is_some();
    problem(record, is_there, |problem| is_length(problem, &[schema::CSVLK_PARTIAL_PRODUCT_KEY]))
}

fn text_size(record: &ObjectRecord) -> Judgement {
    const TEXTS: [&str; 3] = [schema::INSTALLATION_ID, schema::CONFIRMATION_ID, schema::CSVLK_PID];
    let object = &record.object;
    let texts = [&object.installation_id, &object.confirmation_id, &object.csvlk_pid];
    let is_there = texts.iter().any(|text| text.is_some());
    problem(record, is_there, |problem| is_length(problem, &TEXTS))
}

fn utf8(record: &ObjectRecord) -> Judgement {
    let object = &record.object;
    let texts =
        [&object.installation_id, &object.confirmation_id, &object.csvlk_pid, &object.partial_product_key];
    let is_there = texts.iter().any(|text| text.is_some());
    problem(record, is_there, |problem| matches!(problem.kind, ProblemKind::NotUtf8 { .. }))
}

fn single(record: &ObjectRecord) -> Judgement {
    problem(record, true, |problem| problem.kind == ProblemKind::NotSingle)
}

fn kms_id_twice(record: &ObjectRecord) -> Judgement {
    let mut ids = record.object.kms_ids.clone();
    if ids.len() < 2 {
        return NotApplicable;
    }
    ids.sort_unstable();
    match ids.array_windows().find(|[one, other]| one == other) {
        Some([id, _]) => Judgement::broken(format!("{id} is there twice")),
        None => Judgement::Holds,
    }
}

fn kms_id_known(record: &ObjectRecord) -> Judgement {
    each(record.object.kms_ids.iter(), |id| {
        product::kms_id(*id).is_none().then(|| format!("{id} is not known"))
    })
}

fn sku_id_kind(record: &ObjectRecord) -> Judgement {
    let known = record.object.csvlk_sku_id.map(|id| (id, product::name_of(id)));
    of(
        known,
        |(_, known)| known.is_none(),
        |(id, known)| format!("{id} is of {}", known.map(|(_, name)| name).unwrap_or_default()),
    )
}

fn key_symbols(record: &ObjectRecord) -> Judgement {
    const SYMBOLS: &str = "BCDFGHJKMPQRTVWXY2346789N";
    let key = record.object.partial_product_key.as_deref();
    of(
        key.filter(|key| key.chars().count() == 5),
        |key| key.chars().all(|symbol| SYMBOLS.contains(symbol)) && key.matches('N').count() <= 1,
        |_| "a character of it is none of a product key".to_owned(),
    )
}

fn pid(record: &ObjectRecord) -> Judgement {
    let text = record.object.csvlk_pid.as_deref();
    of(
        text.filter(|pid| is_of_usual_length(pid)),
        |pid| Epid::parse(pid).is_ok(),
        |pid| {
            let error = Epid::parse(pid).err().map(|error| error.to_string());
            format!("{pid:?}: {}", error.unwrap_or_default())
        },
    )
}

/// False for texts that are longer than the schema allows, of which another rule says so.
fn is_of_usual_length(text: &str) -> bool {
    text.encode_utf16().count() <= 512
}

fn read_pid(record: &ObjectRecord) -> Option<Epid> {
    Epid::parse(record.object.csvlk_pid.as_deref()?).ok()
}

fn pid_channel(record: &ObjectRecord) -> Judgement {
    of(read_pid(record), |pid| pid.channel == 3, |pid| format!("channel {:02}, not 03", pid.channel))
}

fn pid_group(record: &ObjectRecord) -> Judgement {
    let group = read_pid(record).map(|pid| pid.group);
    of(
        group,
        |group| host::csvlks_of_group(*group).next().is_some(),
        |group| format!("no host key of the group {group} is known"),
    )
}

/// A text that is there and neither empty nor too long.
fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty() && is_of_usual_length(text))
}

fn iid(record: &ObjectRecord) -> Judgement {
    let iid = filled(&record.object.installation_id);
    of(
        iid,
        |iid| InstallationId::parse(iid).is_ok(),
        |iid| InstallationId::parse(iid).err().and_then(|error| first_line(&error)).unwrap_or_default(),
    )
}

fn cid(record: &ObjectRecord) -> Judgement {
    let cid = filled(&record.object.confirmation_id);
    of(
        cid,
        |cid| ConfirmationId::parse(cid).is_ok(),
        |cid| ConfirmationId::parse(cid).err().and_then(|error| first_line(&error)).unwrap_or_default(),
    )
}

fn first_line(error: &crate::mak::IdError) -> Option<String> {
    error.to_string().lines().next().map(str::to_owned)
}

fn cid_iid(record: &ObjectRecord) -> Judgement {
    let object = &record.object;
    of(
        filled(&object.confirmation_id),
        |_| object.installation_id.is_some(),
        |_| "there is no installation ID".to_owned(),
    )
}

fn license_size(record: &ObjectRecord) -> Judgement {
    each(record.object.licenses.iter(), |license| {
        (license.length > schema::MAX_LICENSE).then(|| {
            let (kind, most) = (license.kind.name(), schema::MAX_LICENSE);
            format!("the {kind} licence has {} bytes, not {most} at most", license.length)
        })
    })
}

fn license_empty(record: &ObjectRecord) -> Judgement {
    each(record.object.licenses.iter(), |license| {
        (license.length == 0).then(|| format!("the {} licence is empty", license.kind.name()))
    })
}

fn display_name(record: &ObjectRecord) -> Judgement {
    let name = record.object.display_name.as_deref().unwrap_or_default();
    Judgement::of(!name.trim().is_empty(), || "there is no displayName".to_owned())
}

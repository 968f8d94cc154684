use super::super::connection::ExchangeScene;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use crate::catalog::product;
use crate::kms::{RequestBody, RequestMessage, Version};
use crate::trace::NdrBasis;
use crate::wire::{Check, FileTime, Guid, Hex, utf16};

/// KMS: what a client asks.
pub(super) const FAMILY: Family =
    Family { name: "kms-request", title: "KMS: what a client asks", rules: RULES };

const BODY: &str = "VA2.0 pp. 29-30";
const POLICY: &str = "VA2.0 p. 30 (N-Policy); thresholds by Microsoft's Volume Activation Planning Guide";
const VERSIONS: &str =
    "VA2.0 pp. 29-30 (version 4); versions 5 and 6: no document; vlmcsd, py-kms and the vlmcsd crate agree";
const AGREED: &str = "no document; vlmcsd, py-kms and the vlmcsd crate agree";
const CATALOG: &str =
    "observed: product key configurations of Windows and Office, which the catalog has a part of";

const RULES: &[Rule] = &[
    Rule {
        id: "KMS-VERSION",
        title: "The request's version is known",
        level: Level::Must,
        authority: VERSIONS,
        looks_at: "The version in plain text at the front of a request.",
        holds: "It is 4.0, 5.0 or 6.0.",
        about: About::Client,
        tags: &["version"],
        subject: Subject::Exchange(version),
    },
    Rule {
        id: "KMS-VERSION-ENVELOPE",
        title: "The body's version is that of its envelope",
        level: Level::Should,
        authority: "no document; vlmcs, py-kms and the vlmcs crate write it so, and vlmcsd and py-kms answer what is not",
        looks_at: "The version inside an encrypted request (versions 5 and 6).",
        holds: "It is the one in plain text in front of the IV.",
        about: About::Client,
        tags: &["version", "envelope"],
        subject: Subject::Exchange(version_envelope),
    },
    Rule {
        id: "KMS-REQUEST-LENGTH",
        title: "The request is as long as its envelope",
        level: Level::Must,
        authority: "VA2.0 p. 30 (252 bytes in version 4); versions 5 and 6: no document; vlmcsd, py-kms and the vlmcsd crate agree",
        looks_at: "The number of bytes of a request's message, by its version.",
        holds: "252 bytes in version 4, 260 in versions 5 and 6.",
        about: About::Client,
        tags: &["envelope", "length"],
        subject: Subject::Exchange(length),
    },
    Rule {
        id: "KMS-REQUEST-MAC",
        title: "The MAC of a version 4 request is that of its body",
        level: Level::Must,
        authority: "VA2.0 p. 30 (a MAC over all that is in front of it); how it is made: no document; vlmcsd, py-kms and the vlmcsd crate agree",
        looks_at: "The MAC behind a version 4 request's body.",
        holds: "It is the CBC-MAC of the body, padded by ISO/IEC 7816-4, under the key of version 4.",
        about: About::Client,
        tags: &["envelope", "crypto"],
        subject: Subject::Exchange(mac),
    },
    Rule {
        id: "KMS-REQUEST-PADDING",
        title: "The padding of an encrypted request is 04 04 04 04",
        level: Level::Must,
        authority: AGREED,
        looks_at: "The last four bytes of a decrypted request (versions 5 and 6).",
        holds: "Each of them is 4 (PKCS#7).",
        about: About::Client,
        tags: &["envelope", "crypto"],
        subject: Subject::Exchange(padding),
    },
    Rule {
        id: "KMS-REQUEST-IV",
        title: "The IV of a request is not empty",
        level: Level::May,
        authority: "good practice",
        looks_at: "The IV in front of an encrypted request.",
        holds: "Not all of its bytes are the same.",
        about: About::Client,
        tags: &["envelope", "crypto"],
        subject: Subject::Exchange(iv),
    },
    Rule {
        id: "KMS-VMINFO",
        title: "VMInfo is 0 or 1",
        level: Level::May,
        authority: "VA2.0 p. 29",
        looks_at: "VMInfo of a request.",
        holds: "It is 0 for a physical machine or 1 for a virtual one, though any other number than 0 reads as virtual.",
        about: About::Client,
        tags: &["body"],
        subject: Subject::Exchange(vm_info),
    },
    Rule {
        id: "KMS-LICENSE-STATUS",
        title: "LicenseStatus is one of the seven",
        level: Level::Should,
        authority: "VA2.0 p. 30 (0 to 4); 5 and 6 by SoftwareLicensingProduct.LicenseStatus",
        looks_at: "LicenseStatus of a request.",
        holds: "It is a number from 0 (unlicensed) to 6 (extended grace).",
        about: About::Client,
        tags: &["body"],
        subject: Subject::Exchange(license_status),
    },
    Rule {
        id: "KMS-BINDING-EXPIRATION",
        title: "BindingExpiration is not beyond 180 days",
        level: Level::May,
        authority: "Microsoft's KMS Activation Timing and Discovery: an activation lasts 180 days",
        looks_at: "BindingExpiration of a request, in minutes.",
        holds: "At most 259200 minutes, which are 180 days.",
        about: About::Client,
        tags: &["body"],
        subject: Subject::Exchange(binding_expiration),
    },
    Rule {
        id: "KMS-APPID-KNOWN",
        title: "The application is a known one",
        level: Level::May,
        authority: CATALOG,
        looks_at: "AppID of a request.",
        holds: "It names Windows or an Office that the catalog knows.",
        about: About::Client,
        tags: &["body", "catalog"],
        subject: Subject::Exchange(app_known),
    },
    Rule {
        id: "KMS-ACTID-KNOWN",
        title: "The edition is a known one",
        level: Level::May,
        authority: CATALOG,
        looks_at: "ActID of a request.",
        holds: "It names an edition that the catalog knows.",
        about: About::Client,
        tags: &["body", "catalog"],
        subject: Subject::Exchange(act_known),
    },
    Rule {
        id: "KMS-KMSID-KNOWN",
        title: "The counted product is a known one",
        level: Level::May,
        authority: CATALOG,
        looks_at: "KMSID of a request.",
        holds: "It names a product that the catalog knows.",
        about: About::Client,
        tags: &["body", "catalog"],
        subject: Subject::Exchange(kms_known),
    },
    Rule {
        id: "KMS-ACTID-APPLICATION",
        title: "The edition belongs to the application",
        level: Level::Should,
        authority: "observed: product key configurations of Windows and Office",
        looks_at: "ActID and AppID of a request, where the catalog knows both.",
        holds: "The edition is one of that application's.",
        about: About::Client,
        tags: &["body", "catalog"],
        subject: Subject::Exchange(act_of_app),
    },
    Rule {
        id: "KMS-ACTID-KMSID",
        title: "The edition is counted as this product",
        level: Level::May,
        authority: "observed: product key configurations of Windows and Office",
        looks_at: "ActID and KMSID of a request, where the catalog knows both.",
        holds: "The edition is one of those that are counted as this product.",
        about: About::Client,
        tags: &["body", "catalog"],
        subject: Subject::Exchange(act_of_kms),
    },
    Rule {
        id: "KMS-VERSION-PRODUCT",
        title: "The version is the one that the product's clients speak",
        level: Level::Observed,
        authority: "observed: clients of each product in the catalog",
        looks_at: "The version of a request, where the catalog knows its KMSID.",
        holds: "It is the version in which the clients of this product ask.",
        about: About::Client,
        tags: &["version", "catalog"],
        subject: Subject::Exchange(version_of_product),
    },
    Rule {
        id: "KMS-CMID-NIL",
        title: "The client has a machine id",
        level: Level::Should,
        authority: BODY,
        looks_at: "CMID of a request.",
        holds: "It is not the nil GUID, which would make all such clients one.",
        about: About::Client,
        tags: &["body", "cmid"],
        subject: Subject::Exchange(cmid_nil),
    },
    Rule {
        id: "KMS-CMID-SHAPE",
        title: "The machine id is a random GUID",
        level: Level::Observed,
        authority: "RFC 4122 4.4; observed: vlmcs, captures/vlmcs_vlmcsd_v6_default.pcap",
        looks_at: "CMID of a request, where it is not nil.",
        holds: "It has the variant and the version (4) of a random GUID.",
        about: About::Client,
        tags: &["body", "cmid"],
        subject: Subject::Exchange(cmid_shape),
    },
    Rule {
        id: "KMS-CMID-PREVIOUS",
        title: "The former machine id is another one",
        level: Level::May,
        authority: BODY,
        looks_at: "CMID_prev of a request, where it is not nil.",
        holds: "It is not the CMID itself.",
        about: About::Client,
        tags: &["body", "cmid"],
        subject: Subject::Exchange(cmid_previous),
    },
    Rule {
        id: "KMS-N-POLICY-ZERO",
        title: "The client demands at least one machine",
        level: Level::Should,
        authority: POLICY,
        looks_at: "N-Policy of a request.",
        holds: "It is greater than zero.",
        about: About::Client,
        tags: &["body", "policy"],
        subject: Subject::Exchange(n_policy_zero),
    },
    Rule {
        id: "KMS-N-POLICY-PRODUCT",
        title: "The client demands what its product demands",
        level: Level::Should,
        authority: POLICY,
        looks_at: "N-Policy of a request, where the catalog knows its KMSID.",
        holds: "It is the product's: 25 for a Windows client, 5 for a server or an Office.",
        about: About::Client,
        tags: &["body", "policy", "catalog"],
        subject: Subject::Exchange(n_policy_product),
    },
    Rule {
        id: "KMS-CLIENT-TIME-RANGE",
        title: "ClientTime is a time of this century",
        level: Level::Should,
        authority: BODY,
        looks_at: "ClientTime of a request.",
        holds: "It is a FILETIME from the year 2000 to the year 2099.",
        about: About::Client,
        tags: &["body", "time"],
        subject: Subject::Exchange(client_time_range),
    },
    Rule {
        id: "KMS-CLIENT-TIME",
        title: "The client's clock is right within four hours",
        level: Level::Should,
        authority: "Microsoft's description of c004f06c: hosts refuse a clock that is more than four hours off",
        looks_at: "ClientTime of a request against the time at which its packet was captured.",
        holds: "They are four hours apart at most (and a minute, since the host has a clock of its own).",
        about: About::Client,
        tags: &["body", "time"],
        subject: Subject::Exchange(client_time),
    },
    Rule {
        id: "KMS-NAME-TERMINATED",
        title: "The machine's name ends within its field",
        level: Level::Must,
        authority: BODY,
        looks_at: "MachineName of a request, 64 units of UTF-16.",
        holds: "One of them is a NUL, so that the name has 63 at most; what follows it is not looked at.",
        about: About::Client,
        tags: &["body", "name"],
        subject: Subject::Exchange(name_terminated),
    },
    Rule {
        id: "KMS-NAME-EMPTY",
        title: "The machine has a name",
        level: Level::Should,
        authority: BODY,
        looks_at: "MachineName of a request up to its NUL.",
        holds: "It has at least one character.",
        about: About::Client,
        tags: &["body", "name"],
        subject: Subject::Exchange(name_empty),
    },
    Rule {
        id: "KMS-NAME-TEXT",
        title: "The machine's name is UTF-16",
        level: Level::Should,
        authority: BODY,
        looks_at: "MachineName of a request up to its NUL.",
        holds: "Every surrogate has its partner.",
        about: About::Client,
        tags: &["body", "name"],
        subject: Subject::Exchange(name_text),
    },
    Rule {
        id: "KMS-NAME-CHARACTERS",
        title: "The machine's name is one that a machine can have",
        level: Level::May,
        authority: "RFC 1123 2.1; Windows computer names",
        looks_at: "MachineName of a request up to its NUL.",
        holds: "It has no space, no control character and none of the marks that Windows forbids in names of computers.",
        about: About::Client,
        tags: &["body", "name"],
        subject: Subject::Exchange(name_characters),
    },
];

/// Minutes of 180 days.
const LONGEST_BINDING: u32 = 180 * 24 * 60;
/// 2000-01-01 and 2100-01-01.
const CENTURY: std::ops::Range<u64> = 125_911_584_000_000_000..157_469_184_000_000_000;
/// What a host's and a client's clock may differ by, and a minute for the clock by which it was captured, in nanoseconds.
const CLOCK_TOLERANCE: i128 = (4 * 3600 + 60) * 1_000_000_000;
/// What Windows forbids in the name of a computer, beside control characters.
const FORBIDDEN: &str = "\\/:*?\"<>|,~!@#$%^&'(){} ";

fn version(scene: &ExchangeScene<'_>) -> Judgement {
    // Where no transfer syntax was agreed on, nobody knows where the version is.
    let is_assumed = scene.exchange.ndr_basis == NdrBasis::Assumed;
    let Some(version) = scene.asked().and_then(RequestMessage::version).filter(|_| !is_assumed) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(is_supported(version), ("request", 0), || format!("version {version}, not 4.0, 5.0 or 6.0"))
}

/// True for the versions that there are.
pub(super) fn is_supported(version: Version) -> bool {
    matches!(version, Version::V4 | Version::V5 | Version::V6)
}

fn version_envelope(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(RequestMessage::Encrypted(request)) = scene.asked() else { return Judgement::NotApplicable };
    let (outer, inner) = (request.version, request.body.version);
    Judgement::at(outer == inner, ("request body", 0), || {
        format!("version {inner} in an envelope of version {outer}")
    })
}

fn length(scene: &ExchangeScene<'_>) -> Judgement {
    let expected = match scene.asked().and_then(RequestMessage::version) {
        Some(version) if version.major() == 4 => RequestMessage::V4_LEN,
        Some(version) if matches!(version.major(), 5 | 6) => RequestMessage::ENCRYPTED_LEN,
        _ => return Judgement::NotApplicable,
    };
    let Some(got) = scene.request().and_then(|request| request.stub.as_ref()).map(|stub| stub.data_length)
    else {
        return Judgement::NotApplicable;
    };
    Judgement::at(got == expected, ("request", got.min(expected)), || format!("{got} bytes, not {expected}"))
}

fn check(scene: &ExchangeScene<'_>, of: fn(&crate::kms::RequestChecks) -> Check) -> Option<bool> {
    match of(scene.request()?.checks.as_ref()?) {
        Check::Pass => Some(true),
        Check::Fail => Some(false),
        _ => None,
    }
}

fn mac(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(holds) = check(scene, |checks| checks.mac) else { return Judgement::NotApplicable };
    let Some(RequestMessage::V4(request)) = scene.asked() else { return Judgement::NotApplicable };
    Judgement::at(holds, ("request", RequestBody::LEN), || {
        let expected = crate::kms::mac::v4(&request.body.encode());
        format!("the MAC is {}, that of the body {}", Hex(&request.mac), Hex(&expected))
    })
}

fn padding(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(RequestMessage::Encrypted(request)) = scene.asked() else { return Judgement::NotApplicable };
    Judgement::at(request.padding == [4; 4], ("request body", RequestBody::LEN), || {
        format!("the padding is {}, not 04040404", Hex(&request.padding))
    })
}

fn iv(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(RequestMessage::Encrypted(request)) = scene.asked() else { return Judgement::NotApplicable };
    let is_random = request.iv.iter().any(|byte| *byte != request.iv[0]);
    Judgement::at(is_random, ("request", 4), || format!("the IV is {}", Hex(&request.iv)))
}

/// Judges a field of the body.
fn field(
    scene: &ExchangeScene<'_>,
    offset: usize,
    holds: impl FnOnce(&RequestBody) -> Option<bool>,
    message: impl FnOnce(&RequestBody) -> String,
) -> Judgement {
    let Some(body) = scene.asked_body().filter(|body| is_readable(scene, body)) else {
        return Judgement::NotApplicable;
    };
    match holds(body) {
        None => Judgement::NotApplicable,
        Some(holds) => Judgement::at(holds, ("request body", offset), || message(body)),
    }
}

/// False where the body's version shows that what was decrypted was no body.
fn is_readable(scene: &ExchangeScene<'_>, body: &RequestBody) -> bool {
    let envelope = scene.asked().and_then(RequestMessage::version);
    envelope.is_some_and(|envelope| envelope.major() == body.version.major())
}

fn vm_info(scene: &ExchangeScene<'_>) -> Judgement {
    field(scene, 4, |body| Some(body.vm_info <= 1), |body| format!("VMInfo is {}, not 0 or 1", body.vm_info))
}

fn license_status(scene: &ExchangeScene<'_>) -> Judgement {
    let message = |body: &RequestBody| format!("LicenseStatus is {}, not 0 to 6", body.license_status);
    field(scene, 8, |body| Some(body.license_status <= 6), message)
}

fn binding_expiration(scene: &ExchangeScene<'_>) -> Judgement {
    let message = |body: &RequestBody| {
        format!("BindingExpiration is {} minutes, not {LONGEST_BINDING} at most", body.binding_expiration)
    };
    field(scene, 12, |body| Some(body.binding_expiration <= LONGEST_BINDING), message)
}

fn app_known(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| Some(product::application(body.app_id).is_some());
    field(scene, 16, holds, |body| unknown("AppID", body.app_id, "an application"))
}

fn act_known(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| Some(product::sku(body.act_id).is_some());
    field(scene, 32, holds, |body| unknown("ActID", body.act_id, "an edition"))
}

fn kms_known(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| Some(product::kms_id(body.kms_id).is_some());
    field(scene, 48, holds, |body| unknown("KMSID", body.kms_id, "a product that is counted"))
}

fn unknown(field: &str, id: Guid, what: &str) -> String {
    match product::name_of(id) {
        Some((_, name)) => format!("{field} is {id}, which is {name} and not {what}"),
        None => format!("{field} is {id}, which is not known as {what}"),
    }
}

fn act_of_app(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| {
        let product = product::kms_id(product::sku(body.act_id)?.kms_id)?;
        product::application(body.app_id).map(|application| application.guid == product.application)
    };
    field(scene, 16, holds, |body| format!("AppID is {}, ActID {}", named(body.app_id), named(body.act_id)))
}

fn act_of_kms(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| {
        let product = product::kms_id(body.kms_id)?;
        product::sku(body.act_id).map(|sku| sku.kms_id == product.guid)
    };
    field(scene, 48, holds, |body| {
        let expected = product::sku(body.act_id).map_or(Guid::NIL, |sku| sku.kms_id);
        format!("KMSID is {}, not {} for {}", named(body.kms_id), named(expected), named(body.act_id))
    })
}

/// What an id names, or itself.
pub(super) fn named(id: Guid) -> String {
    product::name_of(id).map_or_else(|| id.to_string(), |(_, name)| name.to_owned())
}

fn version_of_product(scene: &ExchangeScene<'_>) -> Judgement {
    let version = scene.asked().and_then(RequestMessage::version).filter(|version| is_supported(*version));
    let product = scene.asked_body().and_then(|body| product::kms_id(body.kms_id));
    let (Some(version), Some(product)) = (version, product) else { return Judgement::NotApplicable };
    let (major, minor) = product.protocol;
    Judgement::at((version.major(), version.minor()) == (major, minor), ("request", 0), || {
        format!("version {version}, not {major}.{minor} for {}", product.name)
    })
}

fn cmid_nil(scene: &ExchangeScene<'_>) -> Judgement {
    field(scene, 64, |body| Some(body.cmid != Guid::NIL), |_| "CMID is nil".to_owned())
}

fn cmid_shape(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| (body.cmid != Guid::NIL).then(|| is_random(body.cmid));
    field(scene, 64, holds, |body| format!("CMID is {}, not a random GUID (version 4)", body.cmid))
}

/// True for the variant 10 and the version 4 of RFC 4122 4.1.
fn is_random(id: Guid) -> bool {
    let bytes = id.to_wire_be();
    bytes[6] >> 4 == 4 && bytes[8] >> 6 == 2
}

fn cmid_previous(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| (body.cmid_prev != Guid::NIL).then_some(body.cmid_prev != body.cmid);
    field(scene, 92, holds, |body| format!("CMID_prev is the CMID, {}", body.cmid))
}

fn n_policy_zero(scene: &ExchangeScene<'_>) -> Judgement {
    field(scene, 80, |body| Some(body.n_policy > 0), |_| "N-Policy is 0".to_owned())
}

fn n_policy_product(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| {
        let product = product::kms_id(body.kms_id).filter(|_| body.n_policy > 0)?;
        Some(body.n_policy == product.policy)
    };
    field(scene, 80, holds, |body| {
        let expected = product::kms_id(body.kms_id).map_or(0, |product| product.policy);
        format!("N-Policy is {}, not {expected} as that of {}", body.n_policy, named(body.kms_id))
    })
}

fn client_time_range(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| Some(CENTURY.contains(&body.client_time.0));
    field(scene, 84, holds, |body| format!("ClientTime is {}, not of this century", body.client_time))
}

fn client_time(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| {
        let skew = skew(scene, body.client_time).filter(|_| CENTURY.contains(&body.client_time.0))?;
        Some(skew.abs() <= CLOCK_TOLERANCE)
    };
    field(scene, 84, holds, |body| {
        let minutes = skew(scene, body.client_time).unwrap_or_default() / 60_000_000_000;
        format!("ClientTime is {}, {minutes} minutes from when it was captured", body.client_time)
    })
}

/// By how many nanoseconds a client's clock was ahead when its request was captured.
pub(super) fn skew(scene: &ExchangeScene<'_>, client_time: FileTime) -> Option<i128> {
    let captured = scene.request()?.span.first.time?;
    Some(client_time.unix_nanos() - i128::from(captured))
}

fn name_terminated(scene: &ExchangeScene<'_>) -> Judgement {
    let holds = |body: &RequestBody| Some(utf16::is_terminated(&body.machine_name));
    field(scene, 108, holds, |body| {
        format!("MachineName has no NUL: {:?}", utf16::until_nul(&body.machine_name))
    })
}

/// MachineName up to its NUL.
fn name(body: &RequestBody) -> &[u8] {
    &body.machine_name[..2 * utf16::units_before_nul(&body.machine_name)]
}

fn name_empty(scene: &ExchangeScene<'_>) -> Judgement {
    field(scene, 108, |body| Some(!name(body).is_empty()), |_| "MachineName is empty".to_owned())
}

fn name_text(scene: &ExchangeScene<'_>) -> Judgement {
    field(
        scene,
        108,
        |body| Some(utf16::is_well_formed(name(body))),
        |body| format!("MachineName has a lone surrogate: {:?}", body.machine_name_text()),
    )
}

fn name_characters(scene: &ExchangeScene<'_>) -> Judgement {
    let is_allowed = |unit: &[u8; 2]| match *unit {
        [ascii @ 0..0x80, 0] => !ascii.is_ascii_control() && !FORBIDDEN.as_bytes().contains(&ascii),
        _ => true,
    };
    field(
        scene,
        108,
        |body| Some(name(body).as_chunks().0.iter().all(is_allowed)),
        |body| format!("MachineName is {:?}, which no machine can be called", body.machine_name_text()),
    )
}

use crate::conformance::Level;
use crate::kms::{Policy, RequestBody, ResponseMessage, Version};
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{OFFICE_2019, Probe, Product, SERVER_2019, WINDOWS_10};
use crate::peer::host_test::reply::{Activation, Reply};
use crate::peer::host_test::{TEST_MACHINES, test_machine};
use crate::wire::{FileTime, Guid};

/// What a request's fields can hold.
pub(super) const GROUP: Group = Group {
    name: "values",
    title: "clocks, products, policies, machines and what they say of themselves",
    cases: &[
        Case::must(
            "HOST-CLOCK-BEHIND",
            "a client's clock that is nearly four hours slow",
            SKEW,
            "A client asks whose clock is 3 hours and 59 minutes behind.",
            "The host answers.",
            |p| with_body(p, |body| body.client_time.0 -= MINUTES_239)?.answer().map(drop),
        )
        .tagged(&["clock"]),
        Case::must(
            "HOST-CLOCK-AHEAD",
            "a client's clock that is nearly four hours fast",
            SKEW,
            "A client asks whose clock is 3 hours and 59 minutes ahead.",
            "The host answers.",
            |p| with_body(p, |body| body.client_time.0 += MINUTES_239)?.answer().map(drop),
        )
        .tagged(&["clock"]),
        Case::must(
            "HOST-CLOCK-TOO-FAR-BEHIND",
            "a client's clock that is more than four hours slow",
            SKEW,
            "A client asks whose clock is 4 hours and 1 minute behind.",
            "The host answers with HRESULT c004f06c.",
            |p| with_body(p, |body| body.client_time.0 -= MINUTES_241)?.refused_with(CLOCK_SKEW),
        )
        .at(Level::Should)
        .tagged(&["clock"]),
        Case::must(
            "HOST-CLOCK-TOO-FAR-AHEAD",
            "a client's clock that is more than four hours fast",
            SKEW,
            "A client asks whose clock is 4 hours and 1 minute ahead.",
            "The host answers with HRESULT c004f06c.",
            |p| with_body(p, |body| body.client_time.0 += MINUTES_241)?.refused_with(CLOCK_SKEW),
        )
        .at(Level::Should)
        .tagged(&["clock"]),
        Case::must(
            "HOST-CLOCK-1601",
            "the first moment that a clock can tell",
            SKEW,
            "A client asks whose ClientTime is 0, which is 1601.",
            "The host answers with HRESULT c004f06c, and lives on.",
            |p| with_body(p, |body| body.client_time = FileTime(0))?.refused_with(CLOCK_SKEW),
        )
        .at(Level::Should)
        .tagged(&["clock"])
        .hostile(),
        Case::must(
            "HOST-CLOCK-FAR-FUTURE",
            "the last moments that clocks can tell",
            SKEW,
            "A client asks whose ClientTime is the largest signed number, and the largest one.",
            "The host answers both with HRESULT c004f06c, and lives on.",
            |p| {
                for time in [i64::MAX.unsigned_abs(), u64::MAX] {
                    with_body(p, |body| body.client_time = FileTime(time))?.refused_with(CLOCK_SKEW)?;
                }
                Ok(())
            },
        )
        .at(Level::Should)
        .tagged(&["clock"])
        .hostile(),
        Case::must(
            "HOST-PRODUCT-SERVER",
            "a Windows Server",
            VA2,
            "A client asks for Windows Server 2019.",
            "The host answers, or with HRESULT c004f042 where it has no key for it.",
            |p| product(p, &SERVER_2019),
        )
        .tagged(&["product"]),
        Case::must(
            "HOST-PRODUCT-OFFICE",
            "an Office",
            VA2,
            "A client asks for Office 2019.",
            "The host answers, or with HRESULT c004f042 where it has no key for it.",
            |p| product(p, &OFFICE_2019),
        )
        .tagged(&["product"]),
        Case::must(
            "HOST-PRODUCT-UNKNOWN",
            "a product that does not exist",
            "Microsoft's description of c004f042; observed: vlmcsd, captures/vlmcs_vlmcsd_err_whitelist_K1.pcap",
            "A client asks for a KMSID that stands for nothing.",
            "The host answers with HRESULT c004f042.",
            |p| with_body(p, |body| body.kms_id = NOTHING)?.refused_with(NO_KEY),
        )
        .at(Level::Should)
        .tagged(&["product"]),
        Case::must(
            "HOST-PRODUCT-NIL",
            "no product at all",
            "Microsoft's description of c004f042; observed: vlmcsd, captures/vlmcs_vlmcsd_err_whitelist_K1.pcap",
            "A client asks with AppID, ActID and KMSID nil.",
            "The host answers with HRESULT c004f042.",
            |p| {
                with_body(p, |body| {
                    (body.app_id, body.act_id, body.kms_id) = (Guid::NIL, Guid::NIL, Guid::NIL)
                })?
                .refused_with(NO_KEY)
            },
        )
        .at(Level::Should)
        .tagged(&["product"])
        .hostile(),
        Case::must(
            "HOST-PRODUCT-EDITION-UNKNOWN",
            "an edition that does not exist, of a product that does",
            "no document",
            "A client asks for Windows 10 with an ActID that stands for nothing.",
            "The host answers: it counts by KMSID.",
            |p| with_body(p, |body| body.act_id = NOTHING)?.answer().map(drop),
        )
        .at(Level::Observed)
        .tagged(&["product"]),
        Case::must(
            "HOST-PRODUCT-APPLICATION-UNKNOWN",
            "an application that does not exist",
            "no document; observed: vlmcsd refuses, captures/vlmcs_vlmcsd_err_whitelist_K1.pcap",
            "A client asks for Windows 10 with an AppID that stands for nothing.",
            "The host answers or refuses, and lives on.",
            |p| match with_body(p, |body| body.app_id = NOTHING)? {
                reply @ Reply::Answer(_) => reply.answer().map(drop),
                other => other.refused_with(NO_KEY),
            },
        )
        .at(Level::May)
        .tagged(&["product"])
        .hostile(),
        Case::must(
            "HOST-POLICY-0",
            "a client that demands nobody",
            "VA2.0 p. 30 (N-Policy), which sets no bound",
            "A client asks with N-Policy 0.",
            "The host answers.",
            |p| policy(p, 0).map(drop),
        )
        .at(Level::Should)
        .tagged(&["policy"]),
        Case::must(
            "HOST-POLICY-1",
            "a client that demands itself",
            "VA2.0 p. 30 (N-Policy), which sets no bound",
            "A client asks with N-Policy 1.",
            "The host answers.",
            |p| policy(p, 1).map(drop),
        )
        .at(Level::Should)
        .tagged(&["policy"]),
        Case::must(
            "HOST-POLICY-25",
            "a client that demands what Windows does",
            "Microsoft's Volume Activation Planning Guide: twice the threshold is remembered",
            "A client asks with N-Policy 25.",
            "The host answers with a count of 50 at most: it remembers twice the threshold.",
            |p| at_most_50(&policy(p, 25)?),
        )
        .at(Level::Should)
        .tagged(&["policy"]),
        Case::must(
            "HOST-POLICY-1000",
            "a client that demands a thousand",
            "Microsoft's Volume Activation Planning Guide: twice the threshold is remembered",
            "A client asks with N-Policy 1000.",
            "The host answers with a count of 50 at most: what a client demands does not make it more.",
            |p| at_most_50(&policy(p, 1000)?),
        )
        .at(Level::Should)
        .tagged(&["policy"]),
        Case::must(
            "HOST-POLICY-SIGN",
            "a demand with its highest bit set",
            "no document; observed: py-kms, which doubles it, does not survive it",
            "A client asks with N-Policy 2147483648.",
            "The host answers with a count of 50 at most or refuses, and lives on.",
            |p| extreme(p, 1 << 31),
        )
        .tagged(&["policy"])
        .hostile(),
        Case::must(
            "HOST-POLICY-MAX",
            "the largest demand",
            "no document; observed: py-kms, which doubles it, does not survive it",
            "A client asks with N-Policy 4294967295.",
            "The host answers with a count of 50 at most or refuses, and lives on.",
            |p| extreme(p, u32::MAX),
        )
        .tagged(&["policy"])
        .hostile(),
        Case::must(
            "HOST-VM",
            "virtual machines",
            "VA2.0 p. 29",
            "A client asks with VMInfo 1, and with 4294967295.",
            "The host answers both.",
            |p| each(p, [1, u32::MAX], |body, value| body.vm_info = value),
        ),
        Case::must(
            "HOST-LICENSE-STATUS",
            "every license status",
            "VA2.0 p. 30 (0 to 4); 5 and 6 by SoftwareLicensingProduct.LicenseStatus",
            "A client asks with LicenseStatus 0 to 6, one after the other.",
            "The host answers all of them.",
            |p| each(p, 0..=6, |body, value| body.license_status = value),
        ),
        Case::must(
            "HOST-LICENSE-STATUS-UNKNOWN",
            "license statuses that do not exist",
            "no document",
            "A client asks with LicenseStatus 7, and with 4294967295.",
            "The host answers both: it decides nothing by them.",
            |p| each(p, [7, u32::MAX], |body, value| body.license_status = value),
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-BINDING",
            "bindings that end now and never",
            "VA2.0 p. 30 (BindingExpiration), which sets no bound",
            "A client asks with BindingExpiration 0, and with 4294967295.",
            "The host answers both.",
            |p| each(p, [0, u32::MAX], |body, value| body.binding_expiration = value),
        )
        .at(Level::Should),
        Case::must(
            "HOST-MACHINE-PREVIOUS",
            "a machine that had another id before",
            VA2,
            "A client asks whose CMID_prev is the second test machine.",
            "The host answers.",
            |p| with_body(p, |body| body.cmid_prev = TEST_MACHINES[1])?.answer().map(drop),
        ),
        Case::must(
            "HOST-NAME-EMPTY",
            "a machine without a name",
            VA2,
            "A client asks whose MachineName is zeros.",
            "The host answers.",
            |p| with_body(p, |body| body.machine_name = [0; 128])?.answer().map(drop),
        )
        .at(Level::Should)
        .tagged(&["name"]),
        Case::must(
            "HOST-NAME-LONGEST",
            "the longest name",
            VA2,
            "A client asks whose MachineName has 63 characters and a NUL.",
            "The host answers.",
            |p| {
                let name = RequestBody::machine_name_of(&"n".repeat(63)).unwrap_or([0; 128]);
                with_body(p, |body| body.machine_name = name)?.answer().map(drop)
            },
        )
        .tagged(&["name"]),
        Case::must(
            "HOST-NAME-STALE",
            "stale text behind a name",
            "observed: a client on Windows Server 2022, as it is described",
            "A client asks whose MachineName is volact and a NUL, with other text behind it.",
            "The host answers.",
            |p| {
                let mut name = RequestBody::machine_name_of(&"stale text ".repeat(5)).unwrap_or([0; 128]);
                let own = RequestBody::machine_name_of("volact").unwrap_or([0; 128]);
                name[..14].copy_from_slice(&own[..14]);
                with_body(p, |body| body.machine_name = name)?.answer().map(drop)
            },
        )
        .tagged(&["name"]),
        Case::must(
            "HOST-NAME-UNENDED",
            "a name without a NUL",
            VA2,
            "A client asks whose MachineName has 64 characters and no NUL.",
            "The host answers or refuses, and lives on.",
            |p| hostile_name(p, [b'n', 0]),
        )
        .tagged(&["name"])
        .hostile(),
        Case::must(
            "HOST-NAME-NO-TEXT",
            "a name that is no text",
            VA2,
            "A client asks whose MachineName is made of surrogates without their halves.",
            "The host answers or refuses, and lives on.",
            |p| hostile_name(p, [0x00, 0xd8]),
        )
        .tagged(&["name"])
        .hostile(),
        Case::must(
            "HOST-IDENTITY-STABLE",
            "one host, one ePID",
            "no document; genuine hosts as they are described",
            "A client asks two times on one connection, and once on another.",
            "The host gives the same ePID and HwId in all three answers.",
            |p| {
                let (conn, manner) = p.bound()?;
                let mut seen =
                    vec![identity(&p.activate(conn, manner)?), identity(&p.activate(conn, manner)?)];
                let (conn, manner) = p.bound()?;
                seen.push(identity(&p.activate(conn, manner)?));
                match seen.iter().find(|other| **other != seen[0]) {
                    Some(other) => Err(Problem::wrong(format!(
                        "the host is {} once and {} then, expected the same",
                        seen[0].0, other.0
                    ))),
                    None => Ok(()),
                }
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-COUNT-STEADY",
            "one machine, counted once",
            "Microsoft's Volume Activation Planning Guide: machines are counted, not requests",
            "One machine asks three times.",
            "The count does not grow with each of its requests.",
            |p| {
                let (conn, manner) = p.bound()?;
                let mut counts = Vec::new();
                for _ in 0..3 {
                    counts.push(count(&p.activate(conn, manner)?));
                }
                if counts[0] < counts[1] && counts[1] < counts[2] {
                    return Err(Problem::wrong("the count grows with each request of the same machine"));
                }
                Ok(())
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-COUNT-CROWD",
            "more machines than a threshold",
            "Microsoft's Volume Activation Planning Guide: machines are counted, twice the threshold remembered",
            "26 machines ask, one after the other, for Windows 10.",
            "The host answers all, and its count is 25 at least and 50 at most behind the last.",
            |p| {
                let (conn, manner) = p.bound()?;
                let mut last = 0;
                for number in 1..=26 {
                    let mut body = p.body(Version::V6, &WINDOWS_10);
                    body.cmid = test_machine(number);
                    let message = p.sealed(body);
                    let activation = p.call(conn, manner, &message)?.answer()?;
                    at_most_50(&activation)?;
                    last = count(&activation);
                }
                if last < 25 {
                    return Err(Problem::wrong(format!(
                        "the count is {last} behind 26 machines, expected 25 at least"
                    )));
                }
                Ok(())
            },
        )
        .at(Level::Should)
        .leaving_traces(),
        Case::must(
            "HOST-MACHINE-NIL",
            "a machine without an id",
            "observed: hosts differ",
            "A client asks whose CMID is nil.",
            "The host answers or refuses, and lives on.",
            |p| match with_body(p, |body| body.cmid = Guid::NIL)? {
                reply @ Reply::Answer(_) => reply.answer().map(drop),
                other => other.is_refused(),
            },
        )
        .at(Level::May)
        .leaving_traces()
        .hostile(),
    ],
};

const VA2: &str = "VA2.0 pp. 29-30";
const SKEW: &str = "Microsoft's description of c004f06c: four hours between the clocks at most";
const NOTHING: Guid = Guid::from_u128(0x766f_6c61_6374_4000_8000_6e6f_7468_696e);

/// HRESULTs: no key for the product, and clocks too far apart.
const NO_KEY: u32 = 0xc004_f042;
const CLOCK_SKEW: u32 = 0xc004_f06c;

const MINUTE: u64 = 60 * 10_000_000;
const MINUTES_239: u64 = Policy::FOUR_HOURS - MINUTE;
const MINUTES_241: u64 = Policy::FOUR_HOURS + MINUTE;

/// What becomes of a version 6 request with its body changed.
fn with_body(p: &mut Probe<'_>, change: impl FnOnce(&mut RequestBody)) -> Result<Reply, Problem> {
    let (conn, manner) = p.bound()?;
    let mut body = p.body(Version::V6, &WINDOWS_10);
    change(&mut body);
    let message = p.sealed(body);
    p.call(conn, manner, &message)
}

/// Each of these values is answered, on one connection.
fn each(
    p: &mut Probe<'_>,
    values: impl IntoIterator<Item = u32>,
    change: impl Fn(&mut RequestBody, u32),
) -> Outcome {
    let (conn, manner) = p.bound()?;
    for value in values {
        let mut body = p.body(Version::V6, &WINDOWS_10);
        change(&mut body, value);
        let message = p.sealed(body);
        p.call(conn, manner, &message)?
            .answer()
            .map_err(|problem| problem.after(&format!("value {value}")))?;
    }
    Ok(())
}

fn product(p: &mut Probe<'_>, product: &Product) -> Outcome {
    let (conn, manner) = p.bound()?;
    let body = p.body(Version::V6, product);
    let message = p.sealed(body);
    match p.call(conn, manner, &message)? {
        Reply::Refusal(NO_KEY) => Err(Problem::unimplemented("the host has no key for this product")),
        other => other.answer().map(drop),
    }
}

fn policy(p: &mut Probe<'_>, policy: u32) -> Result<Activation, Problem> {
    with_body(p, |body| body.n_policy = policy)?.answer()
}

fn extreme(p: &mut Probe<'_>, policy: u32) -> Outcome {
    match with_body(p, |body| body.n_policy = policy)? {
        reply @ Reply::Answer(_) => at_most_50(&reply.answer()?),
        other => other.refused_with(0x8007_000d),
    }
}

fn hostile_name(p: &mut Probe<'_>, unit: [u8; 2]) -> Outcome {
    let name = std::array::from_fn(|i| unit[i % 2]);
    match with_body(p, |body| body.machine_name = name)? {
        reply @ Reply::Answer(_) => reply.answer().map(drop),
        other => other.is_refused(),
    }
}

fn count(activation: &Activation) -> u32 {
    activation.response.body().map_or(0, |body| body.count)
}

fn at_most_50(activation: &Activation) -> Outcome {
    match count(activation) {
        0..=50 => Ok(()),
        more => Err(Problem::wrong(format!("the count is {more}, expected 50 at most"))),
    }
}

/// ePID, and HwId where there is one.
fn identity(activation: &Activation) -> (String, Option<[u8; 8]>) {
    let hwid = match &activation.response {
        ResponseMessage::Encrypted(response) => response.v6.as_ref().map(|v6| v6.hwid),
        _ => None,
    };
    (activation.response.body().map(|body| body.epid_text()).unwrap_or_default(), hwid)
}

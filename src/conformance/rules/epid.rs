use time::{Date, Duration, Month, OffsetDateTime};

use super::super::connection::ExchangeScene;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::kms_request::named;
use crate::catalog::{host, lcid, product};
use crate::kms::{HostIdentity, ResponseBody};
use crate::wire::Epid;

/// KMS: the host's extended product id.
pub(super) const FAMILY: Family =
    Family { name: "epid", title: "KMS: the host's extended product id", rules: RULES };

const FORM: &str =
    "VA2.0 p. 30 (its example); no document of its parts; vlmcsd, py-kms and the vlmcsd crate write the same";
const BUILDS: &str = "observed: released builds of Windows, which the catalog has a part of";
const KEYS: &str =
    "observed: product key configurations of Windows and Office, which the catalog has a part of";

const RULES: &[Rule] = &[
    Rule {
        id: "EPID-GRAMMAR",
        title: "The ePID has its nine parts",
        level: Level::Should,
        authority: FORM,
        looks_at: "The ePID of a response up to its NUL.",
        holds: "It reads PPPPP-GGGGG-SSS-SSSSSS-CC-LLLL-BBBBB.0000-DDDYYYY, all parts of which are numbers.",
        about: About::Server,
        tags: &["grammar"],
        subject: Subject::Exchange(grammar),
    },
    Rule {
        id: "EPID-WIDTHS",
        title: "The parts of the ePID have their usual digits",
        level: Level::Should,
        authority: FORM,
        looks_at: "The number of digits of each part of an ePID but the LCID and the build.",
        holds: "They are 5, 5, 3, 6, 2, 4 behind the dot, and 7.",
        about: About::Server,
        tags: &["grammar"],
        subject: Subject::Exchange(widths),
    },
    Rule {
        id: "EPID-LCID-PADDED",
        title: "The LCID has no zeros in front",
        level: Level::Should,
        authority: FORM,
        looks_at: "The LCID as an ePID writes it.",
        holds: "Its first digit is not 0.",
        about: About::Server,
        tags: &["grammar", "lcid"],
        subject: Subject::Exchange(lcid_padded),
    },
    Rule {
        id: "EPID-BUILD-MINOR",
        title: "0000 follows the build",
        level: Level::Observed,
        authority: FORM,
        looks_at: "What stands behind the dot of an ePID's build.",
        holds: "It is 0000.",
        about: About::Server,
        tags: &["grammar", "build"],
        subject: Subject::Exchange(build_minor),
    },
    Rule {
        id: "EPID-CHANNEL",
        title: "The host's key is a volume key",
        level: Level::Observed,
        authority: "published ePIDs of genuine hosts, and what vlmcsd, py-kms and the vlmcsd crate write; VA2.0 p. 30's example has 00",
        looks_at: "The channel of an ePID.",
        holds: "It is 03.",
        about: About::Server,
        tags: &["key"],
        subject: Subject::Exchange(channel),
    },
    Rule {
        id: "EPID-PLATFORM",
        title: "The platform id fits the build",
        level: Level::Should,
        authority: "published ePIDs of genuine hosts by build, which the catalog lists",
        looks_at: "The platform id of an ePID against its build, where the catalog knows which it is.",
        holds: "It is 55041 up to build 7601, 05426 with 9200, 06401 with 9600, 03612 from 10240 on.",
        about: About::Server,
        tags: &["build"],
        subject: Subject::Exchange(platform),
    },
    Rule {
        id: "EPID-BUILD-KNOWN",
        title: "The host's build is a known one",
        level: Level::May,
        authority: BUILDS,
        looks_at: "The build of an ePID.",
        holds: "The catalog knows it as a build of Windows.",
        about: About::Server,
        tags: &["build", "catalog"],
        subject: Subject::Exchange(build_known),
    },
    Rule {
        id: "EPID-LCID-KNOWN",
        title: "The host's language is a known one",
        level: Level::May,
        authority: "MS-LCID 2.2",
        looks_at: "The LCID of an ePID.",
        holds: "It is the number of a locale.",
        about: About::Server,
        tags: &["lcid", "catalog"],
        subject: Subject::Exchange(lcid_known),
    },
    Rule {
        id: "EPID-GROUP-KNOWN",
        title: "The key group is that of host keys",
        level: Level::May,
        authority: KEYS,
        looks_at: "The key group of an ePID.",
        holds: "The catalog knows host keys of that group.",
        about: About::Server,
        tags: &["key", "catalog"],
        subject: Subject::Exchange(group_known),
    },
    Rule {
        id: "EPID-KEY-BLOCK",
        title: "The key is one of a block of host keys",
        level: Level::May,
        authority: KEYS,
        looks_at: "The key sequence of an ePID, where the catalog knows its group.",
        holds: "It lies in one of the blocks of that group.",
        about: About::Server,
        tags: &["key", "catalog"],
        subject: Subject::Exchange(key_block),
    },
    Rule {
        id: "EPID-PRODUCT",
        title: "The key is one for the product that was asked for",
        level: Level::Should,
        authority: "Microsoft's Volume Activation Planning Guide: a host needs a key for what it activates; product key configurations of Windows and Office",
        looks_at: "The ePID's key against the request's KMSID, where the catalog knows both.",
        holds: "A key of Windows answers for Windows, a key of an Office for that very Office.",
        about: About::Server,
        tags: &["key", "catalog"],
        subject: Subject::Exchange(product_of_key),
    },
    Rule {
        id: "EPID-DAY",
        title: "The day is one of its year",
        level: Level::Should,
        authority: "what the field is: the day of the year of the host's activation",
        looks_at: "The day of the year in an ePID.",
        holds: "It is 1 to 365, or 366 in a leap year.",
        about: About::Server,
        tags: &["date"],
        subject: Subject::Exchange(day),
    },
    Rule {
        id: "EPID-YEAR",
        title: "The year is one in which there is KMS",
        level: Level::Should,
        authority: "VA2.0: KMS came with Windows Vista, in November 2006",
        looks_at: "The year in an ePID.",
        holds: "It is 2006 or later.",
        about: About::Server,
        tags: &["date"],
        subject: Subject::Exchange(year),
    },
    Rule {
        id: "EPID-FUTURE",
        title: "The host was not activated in the future",
        level: Level::Should,
        authority: "what the field is: the day of the host's activation",
        looks_at: "The date in an ePID against the time at which the response was captured.",
        holds: "It is not later than the day after that.",
        about: About::Server,
        tags: &["date"],
        subject: Subject::Exchange(future),
    },
    Rule {
        id: "EPID-BUILD-DATE",
        title: "The host was not activated long before its build was released",
        level: Level::May,
        authority: BUILDS,
        looks_at: "The date in an ePID against the release of its build, where the catalog knows that.",
        holds: "It is not more than 120 days earlier.",
        about: About::Server,
        tags: &["date", "build", "catalog"],
        subject: Subject::Exchange(build_date),
    },
];

/// The digits of the parts that have a fixed number of them; 0 where it varies.
const WIDTHS: [usize; PARTS] = [5, 5, 3, 6, 2, 0, 0, 4, 7];
const PARTS: usize = 9;
/// The place of the LCID among the parts.
const LCID: usize = 5;
const VOLUME: u32 = 3;
/// The year in which the first KMS was released.
const FIRST_YEAR: u32 = 2006;
/// Volume customers have a build before it is generally available.
const EARLY_DAYS: i64 = 120;
/// The platform ids by the first build that has them.
const PLATFORMS: [(u32, u32); 4] = [(6000, 55041), (9200, 5426), (9600, 6401), (10240, 3612)];

/// The ePID's parts. The test host's says of itself that it is of no product and no build: it is not judged.
fn epid(scene: &ExchangeScene<'_>) -> Option<Epid> {
    let is_test = scene.answered_body()?.epid[..] == *HostIdentity::TEST.epid();
    if is_test { None } else { scene.epid() }
}

fn grammar(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    if scene.epid().is_some_and(|epid| epid.platform_id.is_some()) {
        return Judgement::Holds;
    }
    let text = body.epid_text();
    match Epid::parse(&text) {
        Ok(_) => {
            Judgement::at(false, ("response body", 8), || format!("the platform id of {text:?} is masked"))
        }
        Err(error) => {
            Judgement::at(false, ("response body", 8 + 2 * error.offset), || format!("{text:?}: {error}"))
        }
    }
}

/// The digits of each part as they are written, of an ePID that has all of them, and whether the LCID begins with a 0.
fn digits(scene: &ExchangeScene<'_>) -> Option<([usize; PARTS], bool)> {
    epid(scene)?;
    let units = scene.answered_body()?.epid.as_chunks::<2>().0.iter().map(|unit| unit[0]);
    let mut digits = [0; PARTS];
    let mut part = 0;
    let mut is_padded = false;
    for unit in units.take_while(|unit| *unit != 0) {
        if matches!(unit, b'-' | b'.') {
            part += 1;
            continue;
        }
        is_padded |= part == LCID && digits[LCID] == 0 && unit == b'0';
        *digits.get_mut(part)? += 1;
    }
    Some((digits, is_padded))
}

fn widths(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((digits, _)) = digits(scene) else { return Judgement::NotApplicable };
    let holds = digits.iter().zip(WIDTHS).all(|(got, usual)| usual == 0 || *got == usual);
    Judgement::of(holds, || format!("{} has parts of {digits:?} digits", written(scene)))
}

fn lcid_padded(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((_, is_padded)) = digits(scene) else { return Judgement::NotApplicable };
    Judgement::of(!is_padded, || format!("the LCID in {} has a zero in front", written(scene)))
}

fn written(scene: &ExchangeScene<'_>) -> String {
    scene.answered_body().map(ResponseBody::epid_text).unwrap_or_default()
}

fn judge(
    scene: &ExchangeScene<'_>,
    holds: impl FnOnce(&Epid) -> Option<bool>,
    message: impl FnOnce(&Epid) -> String,
) -> Judgement {
    let Some(epid) = epid(scene) else { return Judgement::NotApplicable };
    match holds(&epid) {
        None => Judgement::NotApplicable,
        Some(holds) => Judgement::of(holds, || format!("{} in {epid}", message(&epid))),
    }
}

fn build_minor(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| Some(epid.build_minor == 0),
        |epid| format!("{:04} behind the build", epid.build_minor),
    )
}

fn channel(scene: &ExchangeScene<'_>) -> Judgement {
    judge(scene, |epid| Some(epid.channel == VOLUME), |epid| format!("channel {:02}, not 03,", epid.channel))
}

/// The platform id of hosts of a build, where that follows from the build.
fn platform_of(build: u32) -> Option<u32> {
    let (_, platform) = PLATFORMS.iter().rev().find(|(first, _)| *first <= build)?;
    let is_between =
        (7602..9200).contains(&build) || (9201..9600).contains(&build) || (9601..10240).contains(&build);
    if is_between { None } else { Some(*platform) }
}

fn platform(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| platform_of(epid.build).map(|platform| epid.platform_id == Some(platform)),
        |epid| {
            let expected = platform_of(epid.build).unwrap_or_default();
            format!(
                "platform id {:05}, not {expected:05} of build {},",
                epid.platform_id.unwrap_or_default(),
                epid.build
            )
        },
    )
}

fn build_known(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| Some(host::build(epid.build).is_some()),
        |epid| format!("build {}, which is not known,", epid.build),
    )
}

fn lcid_known(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| Some(lcid::lookup(epid.lcid).is_some()),
        |epid| format!("LCID {}, which is of no known locale,", epid.lcid),
    )
}

fn group_known(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| Some(host::csvlks_of_group(epid.group).next().is_some()),
        |epid| format!("key group {}, of which no host keys are known,", epid.group),
    )
}

fn key_block(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| {
            host::csvlks_of_group(epid.group).next()?;
            Some(host::csvlks_of_key(epid.group, epid.key_sequence).next().is_some())
        },
        |epid| format!("key {:09}, in no known block of group {},", epid.key_sequence, epid.group),
    )
}

/// Whether a key of this name is for this product: for one of Windows any key of Windows, since which of its editions a key
/// is for has changed with updates; for an Office its own.
fn is_for(key: &str, product: &product::KmsProduct) -> bool {
    office(key) == office(product.name)
}

/// The year in the name of an Office.
fn office(name: &str) -> Option<&str> {
    if name.starts_with("Office") { name.split(' ').find(|word| word.starts_with("20")) } else { None }
}

fn product_of_key(scene: &ExchangeScene<'_>) -> Judgement {
    let asked = scene.asked_body().and_then(|asked| product::kms_id(asked.kms_id));
    let Some(product) = asked else { return Judgement::NotApplicable };
    let key = |epid: &Epid| host::csvlks_of_key(epid.group, epid.key_sequence).next();
    judge(
        scene,
        |epid| key(epid).map(|key| is_for(key.name, product)),
        |epid| {
            let key = key(epid).map_or("nothing", |key| key.name);
            format!("a key of {key} for {}", named(product.guid))
        },
    )
}

/// The days of a year that KMS has seen.
fn days_of(year: u32) -> u32 {
    i32::try_from(year).map_or(365, |year| u32::from(time::util::days_in_year(year)))
}

fn day(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| Some((1..=days_of(epid.year)).contains(&epid.day)),
        |epid| format!("day {:03} of {}", epid.day, epid.year),
    )
}

fn year(scene: &ExchangeScene<'_>) -> Judgement {
    judge(scene, |epid| Some(epid.year >= FIRST_YEAR), |epid| format!("the year {}", epid.year))
}

/// The day of a host's activation, where there was one such.
fn date(epid: &Epid) -> Option<Date> {
    let day = u16::try_from(epid.day).ok()?;
    let year = i32::try_from(epid.year).ok().filter(|_| epid.year >= FIRST_YEAR)?;
    Date::from_ordinal_date(year, day).ok()
}

fn future(scene: &ExchangeScene<'_>) -> Judgement {
    let captured = scene.response().and_then(|response| response.span.last.time);
    let captured = captured.and_then(|time| OffsetDateTime::from_unix_timestamp(time / 1_000_000_000).ok());
    let Some(today) = captured.map(OffsetDateTime::date) else { return Judgement::NotApplicable };
    judge(
        scene,
        |epid| date(epid).map(|date| date <= today.saturating_add(Duration::DAY)),
        |epid| format!("day {} of {}, later than the capture of {today},", epid.day, epid.year),
    )
}

/// The day of a build's release.
fn released(build: u32) -> Option<Date> {
    let mut parts = host::build(build)?.release_date.splitn(3, '-');
    let mut number = || parts.next()?.parse::<u16>().ok();
    let (year, month, day) = (number()?, number()?, number()?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()
}

fn build_date(scene: &ExchangeScene<'_>) -> Judgement {
    judge(
        scene,
        |epid| {
            let (activated, released) = (date(epid)?, released(epid.build)?);
            Some(activated >= released.saturating_sub(Duration::days(EARLY_DAYS)))
        },
        |epid| {
            let released = host::build(epid.build).map_or("?", |build| build.release_date);
            format!(
                "day {} of {}, before build {} was released on {released},",
                epid.day, epid.year, epid.build
            )
        },
    )
}

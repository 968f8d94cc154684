use crate::conformance::{Level, Verdict};
use crate::wire::Random;

use super::contract::{Answer, Fields, Query, Value};

/// One question to a shim, and what it has to answer.
pub struct Case {
    /// Its id: never used for another case, also once this one is gone.
    pub id: &'static str,
    /// What it demands, in a few words.
    pub title: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// How much it demands.
    pub level: Level,
    /// Who says so.
    pub authority: &'static str,
    /// What is asked, in one sentence.
    pub asked: &'static str,
    /// What must be answered, in one sentence.
    pub holds: &'static str,
    /// Words by which cases are selected, beside their group.
    pub tags: &'static [&'static str],
    /// Makes the question, and says what has to be answered.
    pub(super) script: fn(&mut Random) -> Script,
}

/// A question that was made, and what has to be answered.
pub(super) struct Script {
    pub(super) query: Query,
    pub(super) expected: Expected,
}

/// What has to be answered.
pub(super) enum Expected {
    /// Done, with these fields at least.
    Done(Fields),
    /// Done, and what came out is judged.
    Judged(Judge),
    /// Refused for this check, with these fields at least.
    Refused(&'static str, Fields),
    /// Refused with this HRESULT.
    Hresult(u32),
    /// That it is not implemented.
    Unimplemented,
}

/// Says how the fields of an answer are not as they should be.
pub(super) type Judge = Box<dyn Fn(&Fields) -> Result<(), String>>;

impl Script {
    /// Done, with these fields at least.
    pub(super) fn done(query: Query, fields: Fields) -> Self {
        Self { query, expected: Expected::Done(fields) }
    }

    /// Done, and judged by this.
    pub(super) fn judged(query: Query, judge: impl Fn(&Fields) -> Result<(), String> + 'static) -> Self {
        Self { query, expected: Expected::Judged(Box::new(judge)) }
    }

    /// Refused for this check.
    pub(super) fn refused(query: Query, check: &'static str) -> Self {
        Self { query, expected: Expected::Refused(check, Fields::default()) }
    }

    /// Refused with this HRESULT.
    pub(super) fn hresult(query: Query, hresult: u32) -> Self {
        Self { query, expected: Expected::Hresult(hresult) }
    }
}

impl Case {
    /// The question, made anew.
    pub(in crate::peer) fn query(&self, random: &mut Random) -> Query {
        (self.script)(random).query
    }

    /// What an answer is worth, and why.
    pub(super) fn judge(&self, expected: &Expected, answer: &Answer) -> (Verdict, String) {
        let wrong = match self.level {
            Level::Must => Verdict::Fail,
            Level::Should => Verdict::Should,
            Level::May | Level::Observed => Verdict::Remark,
        };
        let judged = |result: Result<(), String>, verdict| match result {
            Ok(()) => (Verdict::Pass, String::new()),
            Err(message) => (verdict, message),
        };
        match (expected, answer) {
            (Expected::Unimplemented, Answer::Unimplemented) => (Verdict::Pass, String::new()),
            (Expected::Unimplemented, _) => {
                let message =
                    "the shim claims to do what does not exist: nothing that it says can be believed";
                (Verdict::HarnessError, message.to_owned())
            }
            (_, Answer::Unimplemented) => (Verdict::Unimplemented, "the shim does not do this".to_owned()),
            (Expected::Done(wanted), Answer::Done(found)) => judged(matches(found, wanted), wrong),
            (Expected::Judged(judge), Answer::Done(found)) => judged(judge(found), wrong),
            (Expected::Done(_) | Expected::Judged(_), Answer::Refused { .. }) => {
                (wrong, format!("refused{}, and should be accepted", reason(answer)))
            }
            (Expected::Refused(check, _), Answer::Done(_)) => {
                (wrong, format!("accepted, and should be refused: {check} does not hold"))
            }
            (Expected::Hresult(hresult), Answer::Done(_)) => {
                (wrong, format!("answered, and should be refused with {hresult:08x}"))
            }
            (Expected::Refused(check, fields), Answer::Refused { check: named, fields: found, .. }) => {
                if named == check {
                    judged(matches(found, fields), Verdict::WrongWords)
                } else {
                    let message = format!("refused{}, and it is {check} that does not hold", reason(answer));
                    (Verdict::WrongWords, message)
                }
            }
            (Expected::Hresult(hresult), Answer::Refused { fields, .. }) => {
                let named = fields.number("hresult").map_err(|missing| format!("refused, but {missing}"));
                let is_right = named.and_then(|named| {
                    let is_right = named == *hresult;
                    is_right
                        .then_some(())
                        .ok_or_else(|| format!("refused with {named:08x}, and should be with {hresult:08x}"))
                });
                judged(is_right, Verdict::WrongWords)
            }
        }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Why an answer says that it refuses.
fn reason(answer: &Answer) -> String {
    match answer {
        Answer::Refused { check, detail, fields } => {
            let hresult = fields.number("hresult").map(|hresult| format!("{hresult:08x}"));
            let named = if check.is_empty() { hresult.unwrap_or_default() } else { check.clone() };
            match (named.is_empty(), detail.is_empty()) {
                (true, true) => String::new(),
                (true, false) => format!(" ({detail})"),
                (false, true) => format!(" for {named}"),
                (false, false) => format!(" for {named} ({detail})"),
            }
        }
        _ => String::new(),
    }
}

/// The fields that are wanted are there.
fn matches(found: &Fields, wanted: &Fields) -> Result<(), String> {
    wanted.iter().try_for_each(|(name, wanted)| is_value(found, name, wanted))
}

/// A field is what it should be; hex and GUIDs may have capital letters.
pub(in crate::peer) fn is_value(found: &Fields, name: &str, wanted: &Value) -> Result<(), String> {
    match (found.value(name), wanted) {
        (None, _) => Err(format!("{name} is missing")),
        (Some(Value::Text(text)), Value::Text(wanted)) if text.eq_ignore_ascii_case(wanted) => Ok(()),
        (Some(value), wanted) if value == wanted => Ok(()),
        (Some(value), wanted) => Err(match (value.as_bytes(), wanted.as_bytes()) {
            (Some(found), Some(wanted)) if wanted.len() > SHOWN => difference(name, &found, &wanted),
            _ => format!("{name} is {value}, and should be {wanted}"),
        }),
    }
}

/// Bytes that are shown of a difference.
const SHOWN: usize = 16;

/// How bytes are not those they should be.
fn difference(name: &str, found: &[u8], wanted: &[u8]) -> String {
    let at = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
    if at == wanted.len().min(found.len()) {
        return format!("{name} has {} bytes, and should have {}", found.len(), wanted.len());
    }
    let from = |bytes: &[u8]| Value::bytes(&bytes[at..bytes.len().min(at + SHOWN)]);
    format!("{name} differs from byte {at} on: {}, and should be {}", from(found), from(wanted))
}

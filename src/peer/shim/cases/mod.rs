//! What a shim is asked, a group a file.

mod ids;
mod messages;
mod ndr;
mod request;
mod respond;
mod response;
mod rpc;
mod sanity;

use super::case::Case;

pub use sanity::{FIRST, LAST, UNKNOWN};

/// All cases, in their order; [`FIRST`], [`UNKNOWN`] and [`LAST`] stand around them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let groups = [request::CASES, response::CASES, respond::CASES, ndr::CASES, rpc::CASES, ids::CASES];
    [&FIRST, &UNKNOWN].into_iter().chain(groups.into_iter().flatten()).chain([&LAST])
}

/// No document says it, and peers do not understand each other without it.
const AGREED: &str = "no document; vlmcsd, py-kms and the vlmcsd crate agree byte for byte";
/// The bodies of requests.
const VA2: &str = "VA2.0 pp. 29-30";
/// What must be answered where an input is wrong in one way.
const IS_REFUSED: &str = "It is refused, and the check that does not hold is named.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_well_formed_and_every_case_says_two_sentences() {
        let mut ids = BTreeSet::new();
        for case in cases() {
            assert!(ids.insert(case.id), "{} is there twice", case.id);
            assert!(case.id.starts_with("SHIM-"), "{}", case.id);
            for sentence in [case.asked, case.holds] {
                assert!(sentence.ends_with('.'), "{}: {sentence:?}", case.id);
            }
            assert!(!case.title.is_empty() && !case.authority.is_empty(), "{}", case.id);
        }
        assert!(ids.len() >= 60, "{}", ids.len());
    }
}

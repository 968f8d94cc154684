//! The cases, one file a group.

mod calls;
mod connection;
mod fragments;
mod messages;
mod negotiation;
mod sanity;
mod values;

use super::case::{Case, Group};

/// All groups, in the order in which their cases are done.
pub const GROUPS: &[Group] = &[
    sanity::FIRST,
    negotiation::GROUP,
    calls::GROUP,
    fragments::GROUP,
    messages::GROUP,
    values::GROUP,
    connection::GROUP,
    sanity::LAST,
];

/// All cases.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().flat_map(|group| group.cases)
}

/// The case of this id.
#[must_use]
pub fn case(id: &str) -> Option<&'static Case> {
    cases().find(|case| case.id == id)
}

/// The group of a case.
pub(super) fn group_of(case: &Case) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.cases.iter().any(|known| known.id == case.id))
}

/// The case that shows that there is a host.
pub(super) fn first() -> &'static Case {
    &sanity::FIRST.cases[0]
}

/// The case that shows that the host is still there.
pub(super) fn last() -> &'static Case {
    &sanity::LAST.cases[0]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_enough_cases_and_each_is_told_in_full() {
        let mut ids = HashSet::new();
        for case in cases() {
            assert!(ids.insert(case.id), "{} is there twice", case.id);
            assert!(case.id.starts_with("HOST-"), "{}", case.id);
            let is_mnemonic = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            assert!(case.id.chars().all(is_mnemonic), "{}", case.id);
            for text in [case.title, case.authority, case.sends, case.must] {
                assert!(!text.is_empty(), "{} lacks something", case.id);
            }
            assert!(case.sends.ends_with('.') && case.must.ends_with('.'), "{}: sentences", case.id);
        }
        assert!(ids.len() >= 80, "there are {}", ids.len());
    }
}

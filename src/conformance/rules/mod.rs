//! The rules, one file a family.

mod directory;
mod dns;
mod epid;
mod host;
mod judgements;
mod kms_crypto;
mod kms_request;
mod kms_response;
mod mak_ids;
mod mak_services;
mod policy;
mod rpc_calls;
mod rpc_faults;
mod rpc_framing;
mod rpc_negotiation;
mod vmbus;

use super::rule::{Family, Rule};

/// All families, in the order of the ledger.
pub const FAMILIES: &[Family] = &[
    rpc_framing::FAMILY,
    rpc_negotiation::FAMILY,
    rpc_calls::FAMILY,
    rpc_faults::FAMILY,
    kms_request::FAMILY,
    kms_response::FAMILY,
    kms_crypto::FAMILY,
    epid::FAMILY,
    policy::FAMILY,
    host::FAMILY,
    mak_ids::FAMILY,
    mak_services::FAMILY,
    vmbus::FAMILY,
    dns::FAMILY,
    directory::FAMILY,
];

/// All rules, in the order of the ledger.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.rules)
}

/// The rule of this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

/// The family of a rule.
#[must_use]
pub fn family_of(rule: &Rule) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.rules.iter().any(|known| known.id == rule.id))
}

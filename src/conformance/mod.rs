//! What must hold of an exchange or a connection, and who says so.
//!
//! A [`Rule`] judges one thing that was traced: a PDU, a call, a connection, a host, an exchange of another service. The
//! [`Judge`] applies rules to what it observes; whether that comes from a capture, a live peer or a process does not
//! matter to a rule.
//!
//! ```
//! use volact::conformance::{Judge, rules};
//! use volact::trace::Options;
//!
//! let file = std::fs::File::open("captures/vlmcs_vlmcsd_v6_default.pcap")?;
//! let findings = Judge::new(rules(), 10).input("v6", file, &Options::default());
//! let version = findings.rules.iter().find(|finding| finding.rule.id == "RPC-VERSION").unwrap();
//! assert_eq!((version.checked, version.broken), (10, 0));
//! # Ok::<(), std::io::Error>(())
//! ```

mod baseline;
mod connection;
mod glob;
mod hosts;
mod identify;
mod judge;
mod results;
mod rule;
mod rules;
mod unchecked;

pub use baseline::{Baseline, BaselineError, BaselineReport, Expectation, apply};
pub use connection::{
    Call, Connection, ConnectionScene, ExchangeScene, Fragment, Last, Offer, PduScene, Proposal,
};
pub(crate) use connection::{MAX_CALLS, MAX_PROPOSALS};
pub use glob::glob;
pub use hosts::{
    AnswerFacts, Behaviour, BindFacts, EpidFacts, Firsts, HostFacts, MAX_ANSWERS, MAX_BINDS, MAX_HOSTS,
    MAX_VALUES,
};
pub use identify::identify;
pub use judge::{Broken, Evidence, Finding, Findings, Judge};
pub use results::{
    BreachRecord, CaseResult, Identity, Run, Signal, Suite, TranscriptLine, Verdict, exit_code,
};
pub use rule::{About, Breach, Family, Judgement, Level, Rule, Subject};
pub use rules::{FAMILIES, family_of, rule, rules};
pub use unchecked::{Reason, UNCHECKED, Unchecked};

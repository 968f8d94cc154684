//! Decodes captured volume-activation traffic: KMS over DCE/RPC, MAK over its web services, AVMA over VMBus, and how a
//! machine finds them in DNS and Active Directory.
//!
//! The paved path is [`trace::trace`]: a capture in, exchanges out.
//!
//! ```
//! use volact::trace::{Exchange, Observer, Options, trace};
//!
//! struct Hosts(Vec<String>);
//!
//! impl Observer for Hosts {
//!     fn exchange(&mut self, exchange: &Exchange) {
//!         self.0.push(format!("{} {}", exchange.server, exchange.outcome().name()));
//!     }
//! }
//!
//! let file = std::fs::File::open("captures/vlmcs_vlmcsd_v6_default.pcap")?;
//! let mut hosts = Hosts(Vec::new());
//! let summary = trace("v6", file, &Options::default(), &mut hosts);
//! assert_eq!(summary.answered, 3);
//! assert_eq!(hosts.0[0], "127.0.0.1:1688 answered");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Each module is a floor that uses only those below it:
//!
//! | floor | module | knows |
//! |---|---|---|
//! | 0 | [`wire`] | bytes, and the one positioned error |
//! | 1 | [`rpc`], [`kms`], [`mak`], [`http`], [`tls`], [`vmbus`], [`discovery`], [`directory`] | one protocol each: parse, encode, its cryptography; no socket, file, clock or randomness |
//! | 1 | [`catalog`] | names for numbers |
//! | 1 | [`events`] | what a machine's log says of its activation |
//! | 2 | [`mutate`] | what a fuzzer changes behind the crypto |
//! | 2 | [`capture`] | files to packets to streams |
//! | 3 | [`trace`] | streams, datagrams and records to exchanges, in one order |
//! | 4 | [`conformance`] | the rules, and what judges by them |
//! | 5 | [`diagnosis`] | the story of each activation: who asked whom for what, how it ended, what to do |
//! | 5 | [`peer`] | live sides: what drives a host, what plays one for a client, a process behind a shim |
//! | 5 | [`redact`] | what must not leave a machine |
//! | 6 | `report` | what was found, rendered (feature `cli`) |
//! | 7 | `cli` | arguments to calls (feature `cli`) |

#[forbid(unsafe_code)]
pub mod capture;
#[forbid(unsafe_code)]
pub mod catalog;
#[cfg(feature = "cli")]
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod conformance;
#[forbid(unsafe_code)]
pub mod diagnosis;
#[forbid(unsafe_code)]
pub mod directory;
#[forbid(unsafe_code)]
pub mod discovery;
#[forbid(unsafe_code)]
pub mod events;
#[doc(hidden)]
#[forbid(unsafe_code)]
pub mod fuzzing;
#[forbid(unsafe_code)]
pub mod http;
pub mod kms;
#[forbid(unsafe_code)]
pub mod mak;
#[forbid(unsafe_code)]
pub mod mutate;
#[forbid(unsafe_code)]
pub mod peer;
#[forbid(unsafe_code)]
pub mod redact;
#[cfg(feature = "cli")]
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod rpc;
#[forbid(unsafe_code)]
pub mod tls;
#[forbid(unsafe_code)]
pub mod trace;
#[forbid(unsafe_code)]
pub mod vmbus;
#[forbid(unsafe_code)]
pub mod wire;

/// The examples of the documents are compiled and run, as those of the code are.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../docs/avma-captures.md")]
    mod avma {}
    #[doc = include_str!("../docs/directory.md")]
    mod directory {}
    #[doc = include_str!("../docs/discovery.md")]
    mod discovery {}
}

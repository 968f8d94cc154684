use crate::conformance::Level;

use super::super::case::{Case, Expected, Script};
use super::super::contract::{Fields, Query};

/// The first case of every run.
pub const FIRST: Case =
    Case { id: "SHIM-SANITY-FIRST", title: "The shim gives back bytes, before anything else", ..SANITY };

/// The last case of every run.
pub const LAST: Case =
    Case { id: "SHIM-SANITY-LAST", title: "The shim gives back bytes, after everything else", ..SANITY };

/// An operation that does not exist.
pub const UNKNOWN: Case = Case {
    id: "SHIM-UNKNOWN-OPERATION",
    title: "An operation that does not exist is not implemented",
    asked: "An operation that does not exist is asked for.",
    holds: "It is unimplemented: a shim that answers otherwise is believed nothing.",
    script: |_| Script { query: Query::new("kms.no_such_operation"), expected: Expected::Unimplemented },
    ..SANITY
};

const SANITY: Case = Case {
    id: "",
    title: "",
    group: "sanity",
    level: Level::Must,
    authority: "docs/shim.md",
    asked: "Bytes are given to be given back.",
    holds: "The same bytes come back.",
    tags: &[],
    script: |random| {
        let bytes = random.bytes::<16>();
        Script::done(
            Query::new("echo").with_bytes("bytes", &bytes),
            Fields::default().with_bytes("bytes", &bytes),
        )
    },
};

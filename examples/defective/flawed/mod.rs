//! Wrong on purpose, never to be used: a host and a client of KMS with planted defects, for measuring fuzzers.
//!
//! Written apart from `rpc` and `kms`, whose crypto alone it shares, in the manner of C: fixed offsets, lengths that are
//! believed, tables of a fixed size. [`Defect`] says what is wrong where. Without defects, both are right.

#![allow(dead_code, unreachable_pub, unused_imports)] // the program, its test and its fuzz targets use a part each

mod bytes;
mod client;
mod conversation;
mod defect;
mod host;
mod seed;

pub use client::{Client, Verdict};
pub use conversation::{Piece, play};
pub use defect::{Defect, Defects};
pub use host::Host;
pub use seed::{NOW, Seed, seeds, seeds_at};

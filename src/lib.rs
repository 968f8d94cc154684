//! scaffold
pub mod capture;
pub mod catalog;
pub mod kms;
pub mod rpc;
pub mod trace;
pub mod wire;

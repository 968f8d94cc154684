//! scaffold
pub mod catalog;
pub mod kms;
pub mod rpc;
pub mod wire;

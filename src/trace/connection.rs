use std::sync::Arc;

use crate::capture::{End, FlowInfo};
use crate::rpc::Context;
use crate::tls;

use super::{DirectoryRecord, Found};

/// A TCP connection to a KMS port, or one that carries DCE/RPC, once it has ended.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    /// Its two sides, packets and times.
    pub flow: FlowInfo,
    /// How it ended.
    pub end: End,
    /// Whole PDUs of the client and of the server.
    pub pdus: [u64; 2],
    /// Bytes of the client and of the server that are no PDU.
    pub skipped: [u64; 2],
    /// PDUs of the client and of the server whose end is missing.
    pub cut: [u64; 2],
    /// True where bytes are missing from the capture.
    pub has_gaps: bool,
    /// Its presentation contexts, in the order they were proposed.
    pub contexts: Vec<Context>,
    /// provider_reject_reason of a bind_nak.
    pub bind_nak: Option<u16>,
    /// True where a bind or alter_context was answered with a bind_ack or alter_context_resp.
    pub is_bound: bool,
    /// True where volume activation was proposed or called.
    pub is_kms: bool,
    /// Exchanges of volume activation.
    pub exchanges: u64,
    /// Calls of other interfaces.
    pub other_calls: u64,
    /// On a port of volume activation, the protocol that bytes look like that are no DCE/RPC: HTTP, TLS, SSH or SMB.
    pub other_protocol: Option<&'static str>,
    /// What is known of a connection that is read as HTTP or TLS, and not as DCE/RPC.
    pub web: Option<Box<WebRecord>>,
    /// What is known of a connection that is read as LDAP.
    pub directory: Option<Box<DirectoryRecord>>,
    /// How the client came to the server's address.
    pub found: Option<Arc<Found>>,
}

/// What is known of a connection that is read as HTTP or TLS.
#[derive(Clone, Debug)]
pub struct WebRecord {
    /// HTTP messages of the client and of the server.
    pub messages: [u64; 2],
    /// What its TLS says of itself.
    pub tls: Option<TlsRecord>,
    /// True where TLS came in a tunnel through a proxy (CONNECT).
    pub is_tunnelled: bool,
}

/// What is known of a TLS connection.
#[derive(Clone, Debug)]
pub struct TlsRecord {
    /// What the hellos say.
    pub info: tls::Info,
    /// True where application data was opened.
    pub is_opened: bool,
    /// Why application data stays sealed, where some does.
    pub seal: Option<tls::Seal>,
}

/// How far a connection got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was not established.
    NotEstablished,
    /// It was established, and nothing was sent.
    Silent,
    /// What was sent is no DCE/RPC.
    NotRpc,
    /// DCE/RPC was begun; of no PDU the end is there.
    Cut,
    /// DCE/RPC was begun; no bind was answered, nothing was called.
    NotBound,
    /// The bind was answered with a bind_nak.
    BindRefused,
    /// The bind was answered; nothing was called.
    NothingAfterBind,
    /// Another interface was called, volume activation was not.
    OtherInterface,
    /// HTTP was spoken, with a service of activation or by way of it; activation was not requested.
    OtherHttp,
    /// TLS that was not opened.
    Sealed,
    /// LDAP that SASL has sealed.
    SaslSealed,
    /// Volume activation was called.
    Called,
}

impl ConnectionRecord {
    /// One of which nothing more is known than its packets.
    pub(super) fn silent(flow: &FlowInfo, end: End) -> Self {
        Self {
            flow: flow.clone(),
            end,
            pdus: [0; 2],
            skipped: [0; 2],
            cut: [0; 2],
            has_gaps: false,
            contexts: Vec::new(),
            bind_nak: None,
            is_bound: false,
            is_kms: false,
            exchanges: 0,
            other_calls: 0,
            other_protocol: None,
            web: None,
            directory: None,
            found: None,
        }
    }

    /// How far it got.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if matches!(self.end, End::Refused | End::NoAnswer) {
            Stage::NotEstablished
        } else if self.exchanges > 0 {
            Stage::Called
        } else if let Some(web) = &self.web {
            match &web.tls {
                Some(tls) if !tls.is_opened => Stage::Sealed,
                _ => Stage::OtherHttp,
            }
        } else if let Some(directory) = &self.directory {
            if directory.counts.sealed == [0; 2] { Stage::Sealed } else { Stage::SaslSealed }
        } else if self.other_calls > 0 {
            Stage::OtherInterface
        } else if self.bind_nak.is_some() {
            Stage::BindRefused
        } else if self.is_bound {
            Stage::NothingAfterBind
        } else if self.pdus == [0; 2] && self.cut != [0; 2] {
            Stage::Cut
        } else if self.pdus != [0; 2] {
            Stage::NotBound
        } else if self.skipped != [0; 2] {
            Stage::NotRpc
        } else if self.flow.bytes == [0; 2] {
            Stage::Silent
        } else {
            Stage::NotBound
        }
    }
}

impl Stage {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotEstablished => "not-established",
            Self::Silent => "silent",
            Self::NotRpc => "not-rpc",
            Self::Cut => "cut",
            Self::NotBound => "not-bound",
            Self::BindRefused => "bind-refused",
            Self::NothingAfterBind => "nothing-after-bind",
            Self::OtherInterface => "other-interface",
            Self::OtherHttp => "other-http",
            Self::Sealed => "sealed",
            Self::SaslSealed => "sasl-sealed",
            Self::Called => "called",
        }
    }

    /// What that means, in half a sentence.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotEstablished => "the connection was not established",
            Self::Silent => "connected, and nothing was sent",
            Self::NotRpc => "what was sent is no DCE/RPC",
            Self::Cut => "all its PDUs are cut",
            Self::NotBound => "no bind was answered",
            Self::BindRefused => "the bind was refused",
            Self::NothingAfterBind => "bound, and nothing was called",
            Self::OtherInterface => "another interface was called",
            Self::OtherHttp => "HTTP, and activation was not requested",
            Self::Sealed => "TLS, sealed",
            Self::SaslSealed => "LDAP, sealed by SASL",
            Self::Called => "activation was requested",
        }
    }
}

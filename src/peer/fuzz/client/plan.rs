use serde::{Deserialize, Serialize};

/// A case: what a host does about one run of a client. What is sent follows from it and from what the client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The major version in which the client is to ask, where it can be told.
    pub version: u16,
    /// True where the host takes NDR64.
    pub takes_ndr64: bool,
    /// What is random in a right host's answers follows from it.
    pub seed: u64,
    /// What is done to its answers, in this order.
    pub tricks: Vec<Trick>,
}

/// What is done to the answers to PDUs of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trick {
    /// To which.
    pub at: At,
    /// What.
    #[serde(rename = "do")]
    pub what: What,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// bind and alter_context.
    Bind,
    /// request.
    Request,
}

/// What is done; what the mutator does follows from its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The message of a response is changed behind its crypto.
    Message(u64),
    /// The message of a response is changed so that one verification fails.
    Broken(u64),
    /// A PDU is changed.
    Pdu(u64),
    /// The PDUs are: their order, their number, their fragments.
    Pdus(u64),
    /// The bytes are, as bytes.
    Bytes(u64),
    /// They come in pieces of this size.
    Pieces(u16),
    /// Only so many bytes come, and then the end of the connection.
    CutBehind(u16),
    /// Nothing comes but the end of the connection.
    Close,
}

impl Plan {
    /// True where nothing is changed in what is said, but for the message of a response.
    pub(super) fn is_about_messages(&self) -> bool {
        self.tricks
            .iter()
            .all(|trick| matches!(trick.what, What::Message(_) | What::Broken(_) | What::Pieces(_)))
    }
}

impl Trick {
    /// In words of an id.
    pub(super) fn word(self: &Trick) -> String {
        let at = if self.at == At::Bind { "BIND" } else { "REQUEST" };
        let what = match self.what {
            What::Message(_) => "MESSAGE",
            What::Broken(_) => "BROKEN",
            What::Pdu(_) => "PDU",
            What::Pdus(_) => "PDUS",
            What::Bytes(_) => "BYTES",
            What::Pieces(_) => "PIECES",
            What::CutBehind(_) => "CUT",
            What::Close => "CLOSE",
        };
        format!("{at}-{what}")
    }
}

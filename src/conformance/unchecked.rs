/// A requirement that no rule checks, and why.
#[derive(Clone, Copy, Debug)]
pub struct Unchecked {
    /// The family that it would be in.
    pub family: &'static str,
    /// What is demanded.
    pub requirement: &'static str,
    /// Who demands it.
    pub authority: &'static str,
    /// Why nothing checks it.
    pub reason: Reason,
    /// The same in a sentence.
    pub why: &'static str,
}

/// Why a requirement is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// What is checked cannot hold without it.
    Implicit,
    /// Nothing on the wire shows it.
    Untestable,
    /// It is no part of volume activation, or checking it takes what this program does not do.
    OutOfScope,
}

/// The requirements that no rule checks, in the order of the ledger.
pub const UNCHECKED: &[Unchecked] = &[
    Unchecked {
        family: "framing",
        requirement: "Integers and characters of a PDU may be in EBCDIC, floating point in VAX, Cray or IBM form.",
        authority: "C706 14.1",
        reason: Reason::OutOfScope,
        why: "The interface has neither characters nor floating point: what the drep says of them changes nothing.",
    },
    Unchecked {
        family: "framing",
        requirement: "auth_length is 0 or the length of an authentication value that the security provider accepts.",
        authority: "MS-RPCE 2.2.2.11",
        reason: Reason::OutOfScope,
        why: "KMS is called without authentication; the sec_trailer's form is read, its value is the provider's.",
    },
    Unchecked {
        family: "framing",
        requirement: "The PDU types of connectionless RPC do not come over a connection.",
        authority: "C706 12 (table of PDUs)",
        reason: Reason::Implicit,
        why: "Whatever is no PDU of the connection-oriented protocol breaks the rules about PDU types.",
    },
    Unchecked {
        family: "negotiation",
        requirement: "An association group's connections share its context handles.",
        authority: "C706 12.6.4.3",
        reason: Reason::OutOfScope,
        why: "RequestActivation has no context handle.",
    },
    Unchecked {
        family: "negotiation",
        requirement: "A server keeps an association group as long as it has a connection.",
        authority: "C706 9",
        reason: Reason::Untestable,
        why: "A capture does not tell a group that was forgotten from one that its client did not go on with.",
    },
    Unchecked {
        family: "calls",
        requirement: "alloc_hint, where it is not 0, is what is left of the stub in all fragments.",
        authority: "MS-RPCE 2.2.2.6",
        reason: Reason::Implicit,
        why: "What it must cover of its own fragment is judged; C706 has receivers work right whatever it says.",
    },
    Unchecked {
        family: "calls",
        requirement: "A client sends a co_cancel for a call that it gives up.",
        authority: "C706 12.6.4.6",
        reason: Reason::Untestable,
        why: "Whether a client has given up is not to be seen before it closes the connection.",
    },
    Unchecked {
        family: "faults",
        requirement: "A server sets did_not_execute only where the call was not begun.",
        authority: "C706 12.6.3.1",
        reason: Reason::Untestable,
        why: "What a server has executed is not on the wire.",
    },
    Unchecked {
        family: "kms-request",
        requirement: "ClientTime is the client's own clock.",
        authority: "VA2.0 p. 30",
        reason: Reason::Untestable,
        why: "The wire shows what the client says; a capture's clock is the capturing machine's. A host's refusal for a skew is judged.",
    },
    Unchecked {
        family: "kms-request",
        requirement: "LicenseStatus and BindingExpiration are what the client's licence service says.",
        authority: "VA2.0 p. 30",
        reason: Reason::Untestable,
        why: "The client's state is not on the wire, but for what it says of it.",
    },
    Unchecked {
        family: "kms-request",
        requirement: "CMID is one and the same for a machine until it is rearmed.",
        authority: "VA2.0 p. 30",
        reason: Reason::Untestable,
        why: "Who a machine is, nothing else on the wire says: two CMIDs of one address may be two machines.",
    },
    Unchecked {
        family: "kms-request",
        requirement: "VMInfo is not 0 on a virtual machine.",
        authority: "VA2.0 p. 29",
        reason: Reason::Untestable,
        why: "What a machine runs on is not on the wire.",
    },
    Unchecked {
        family: "kms-request",
        requirement: "What stands behind MachineName's terminator means nothing.",
        authority: "observed: Windows Server 2022",
        reason: Reason::OutOfScope,
        why: "A genuine client leaves stale text there: it is kept and never judged.",
    },
    Unchecked {
        family: "kms-response",
        requirement: "Count is the number of CMIDs that the host has seen in the last 30 days, 50 at most.",
        authority: "Microsoft's Volume Activation Planning Guide",
        reason: Reason::Untestable,
        why: "The host's table is not on the wire; what a capture does not show may be in it. Bounds of the number are judged.",
    },
    Unchecked {
        family: "kms-response",
        requirement: "A host forgets a CMID after 30 days.",
        authority: "Microsoft's Volume Activation Planning Guide",
        reason: Reason::Untestable,
        why: "The same table.",
    },
    Unchecked {
        family: "crypto",
        requirement: "The 16 bytes whose SHA-256 a host sends are random.",
        authority: "no document; vlmcsd and py-kms draw them",
        reason: Reason::Untestable,
        why: "Numbers cannot be told to be random; that they repeat is what can be seen.",
    },
    Unchecked {
        family: "crypto",
        requirement: "The initial vector of a request is random.",
        authority: "no document; vlmcsd and py-kms draw them",
        reason: Reason::Untestable,
        why: "The same.",
    },
    Unchecked {
        family: "epid",
        requirement: "The group, the sequence and the channel are those of the key that is installed on the host.",
        authority: "no document",
        reason: Reason::Untestable,
        why: "The key is not on the wire, and this program holds none.",
    },
    Unchecked {
        family: "policy",
        requirement: "A client retries every 120 minutes until it is activated and renews every 7 days.",
        authority: "Microsoft's KMS Activation Timing and Discovery",
        reason: Reason::Untestable,
        why: "A capture of a few minutes shows no interval of days; that a client was restarted is not on the wire.",
    },
    Unchecked {
        family: "policy",
        requirement: "A client is activated for 180 days after an answer.",
        authority: "Microsoft's KMS Activation Timing and Discovery",
        reason: Reason::Untestable,
        why: "The client's licence state is not on the wire.",
    },
    Unchecked {
        family: "host",
        requirement: "A host that was built by Microsoft answers.",
        authority: "no document",
        reason: Reason::OutOfScope,
        why: "Signals for and against are told as evidence, a likelihood in words; no rule fails for who somebody is.",
    },
    Unchecked {
        family: "mak-id",
        requirement: "The payload of an installation ID of Windows Vista and later is that of its key and machine.",
        authority: "no public specification",
        reason: Reason::OutOfScope,
        why: "Its encoding is not public: groups, length and check digits are judged, the payload is opaque.",
    },
    Unchecked {
        family: "mak-id",
        requirement: "A confirmation ID is the right one for its installation ID.",
        authority: "no public specification",
        reason: Reason::OutOfScope,
        why: "Only the service can compute it: nothing here does or checks more than its form and check digits.",
    },
    Unchecked {
        family: "mak-service",
        requirement: "ActivationRemaining is what is left of the key's count.",
        authority: "activationws",
        reason: Reason::Untestable,
        why: "The count is kept on the server; nothing on the wire confirms it.",
    },
    Unchecked {
        family: "mak-service",
        requirement: "The licences in a token of the product activation service are signed.",
        authority: "no public specification",
        reason: Reason::OutOfScope,
        why: "Their form is XrML; their signatures are the client's to verify.",
    },
    Unchecked {
        family: "vmbus",
        requirement: "The payload of a pipe of AVMA is well-formed.",
        authority: "no public specification",
        reason: Reason::OutOfScope,
        why: "Its format is not public: it is carried as opaque bytes, and no rule judges it.",
    },
    Unchecked {
        family: "vmbus",
        requirement: "The host reads a ring's offsets once and does not trust the guest's memory.",
        authority: "openvmm",
        reason: Reason::Untestable,
        why: "A recording shows what was written to a ring, not who read it how often.",
    },
    Unchecked {
        family: "dns",
        requirement: "A client chooses at random among the hosts of the records of equal priority.",
        authority: "RFC 2782",
        reason: Reason::Untestable,
        why: "One choice is no distribution, and a client keeps the host that has worked.",
    },
    Unchecked {
        family: "dns",
        requirement: "A host renews its SRV record every 24 hours.",
        authority: "VA2.0 p. 28",
        reason: Reason::Untestable,
        why: "A capture is shorter, and the update may be sealed with GSS-TSIG.",
    },
    Unchecked {
        family: "dns",
        requirement: "A configured host name turns discovery off.",
        authority: "VA2.0 p. 28",
        reason: Reason::Untestable,
        why: "The client's settings are not on the wire; asking nothing is what both look like.",
    },
    Unchecked {
        family: "directory",
        requirement: "Searches in sealed LDAP ask for the right attributes.",
        authority: "RFC 4513 5.2",
        reason: Reason::OutOfScope,
        why: "What SASL has sealed is not opened: its length is told.",
    },
    Unchecked {
        family: "directory",
        requirement: "The licences of an activation object are those of its key.",
        authority: "MS-ADSC 2.1",
        reason: Reason::OutOfScope,
        why: "Their encoding is not public: lengths are judged, contents are opaque.",
    },
    Unchecked {
        family: "directory",
        requirement: "An activation object is written by somebody who may do so.",
        authority: "MS-ADA2",
        reason: Reason::Untestable,
        why: "Access rights are the directory's; an answer shows what it holds, not who may have written it.",
    },
];

impl Reason {
    /// The reason in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Untestable => "untestable on the wire",
            Self::OutOfScope => "out of scope",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::FAMILIES;

    #[test]
    fn what_is_not_checked_is_of_a_family_in_the_order_of_the_families() {
        let places: Vec<usize> = UNCHECKED
            .iter()
            .map(|unchecked| FAMILIES.iter().position(|family| family.name == unchecked.family).unwrap())
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}

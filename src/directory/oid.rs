//! Object identifiers of extended operations and controls that Active Directory and its clients use.

/// StartTLS, RFC 4511 4.14.
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// Notice of disconnection, RFC 4511 4.4.1.
pub const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// What an OID stands for: an extended operation, or a control.
///
/// ```
/// use volact::directory::oid;
///
/// assert_eq!(oid::name(oid::START_TLS), Some("StartTLS"));
/// assert_eq!(oid::name("1.2.3"), None);
/// ```
#[must_use]
pub fn name(oid: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name)
}

/// RFC 4511 and its extensions, then MS-ADTS 3.1.1.3.4.1 and 3.1.1.3.4.2.
const NAMES: [(&str, &str); 34] = [
    (START_TLS, "StartTLS"),
    (NOTICE_OF_DISCONNECTION, "notice of disconnection"),
    ("1.3.6.1.4.1.4203.1.11.1", "modify password"),
    ("1.3.6.1.4.1.4203.1.11.3", "who am I"),
    ("1.3.6.1.1.8", "cancel"),
    ("1.3.6.1.1.12", "assertion"),
    ("1.3.6.1.1.13.1", "pre-read"),
    ("1.3.6.1.1.13.2", "post-read"),
    ("1.3.6.1.4.1.1466.101.119.1", "dynamic refresh"),
    ("1.3.6.1.4.1.4203.1.9.1.1", "sync request"),
    ("2.16.840.1.113730.3.4.2", "manage DSA IT"),
    ("2.16.840.1.113730.3.4.9", "virtual list view request"),
    ("2.16.840.1.113730.3.4.10", "virtual list view response"),
    ("2.16.840.1.113730.3.4.18", "proxied authorization"),
    ("1.2.840.113556.1.4.319", "paged results"),
    ("1.2.840.113556.1.4.417", "show deleted"),
    ("1.2.840.113556.1.4.473", "sort request"),
    ("1.2.840.113556.1.4.474", "sort response"),
    ("1.2.840.113556.1.4.521", "cross-domain move target"),
    ("1.2.840.113556.1.4.528", "notification"),
    ("1.2.840.113556.1.4.529", "extended DN"),
    ("1.2.840.113556.1.4.619", "lazy commit"),
    ("1.2.840.113556.1.4.801", "security descriptor flags"),
    ("1.2.840.113556.1.4.802", "range option"),
    ("1.2.840.113556.1.4.805", "tree delete"),
    ("1.2.840.113556.1.4.841", "directory synchronisation"),
    ("1.2.840.113556.1.4.970", "get statistics"),
    ("1.2.840.113556.1.4.1338", "verify name"),
    ("1.2.840.113556.1.4.1339", "domain scope"),
    ("1.2.840.113556.1.4.1340", "search options"),
    ("1.2.840.113556.1.4.1413", "permissive modify"),
    ("1.2.840.113556.1.4.1504", "attribute scoped query"),
    ("1.2.840.113556.1.4.1781", "fast concurrent bind"),
    ("1.2.840.113556.1.4.2064", "show recycled"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_oid_stands_twice_in_the_table() {
        assert_eq!(NAMES.iter().map(|(oid, _)| oid).collect::<BTreeSet<_>>().len(), NAMES.len());
        assert_eq!(name("1.2.840.113556.1.4.801"), Some("security descriptor flags"));
    }
}

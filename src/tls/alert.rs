use std::fmt;

/// An alert (RFC 8446 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert {
    /// AlertLevel: 1 a warning, 2 fatal.
    pub level: u8,
    /// AlertDescription.
    pub description: u8,
}

impl Alert {
    /// The AlertDescription by which a side says that it will send no more.
    pub const CLOSE_NOTIFY: u8 = 0;

    /// True where it ends the connection.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        self.level == 2
    }

    /// The description's name, as the registry writes it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let found = DESCRIPTIONS.binary_search_by_key(&self.description, |(number, _)| *number);
        found.ok().map(|at| DESCRIPTIONS[at].1)
    }
}

/// `handshake_failure(40)`; `alert(99)` where it has no name.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name().unwrap_or("alert"), self.description)
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.level)
    }
}

/// TLS Alerts registry, those of earlier versions included; in order of their numbers.
const DESCRIPTIONS: [(u8, &str); 35] = [
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (111, "certificate_unobtainable"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (114, "bad_certificate_hash_value"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
    (121, "ech_required"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_in_order_and_found_by_number() {
        assert!(DESCRIPTIONS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(Alert { level: 2, description: 40 }.to_string(), "handshake_failure(40)");
        assert_eq!(Alert { level: 1, description: 99 }.to_string(), "alert(99)");
        assert!(Alert { level: 2, description: 40 }.is_fatal());
    }
}

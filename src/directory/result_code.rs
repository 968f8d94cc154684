use std::fmt;

/// How an operation ended: resultCode, RFC 4511 4.1.9 and appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResultCode(pub u32);

impl ResultCode {
    /// It was done.
    pub const SUCCESS: Self = Self(0);
    /// What was asked for is elsewhere: see the referrals.
    pub const REFERRAL: Self = Self(10);
    /// A bind takes another step.
    pub const SASL_BIND_IN_PROGRESS: Self = Self(14);
    /// There is no such object; the matched DN is that of the last one above it that there is.
    pub const NO_SUCH_OBJECT: Self = Self(32);

    /// The name that the RFCs give it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            5 => "compareFalse",
            6 => "compareTrue",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            14 => "saslBindInProgress",
            16 => "noSuchAttribute",
            17 => "undefinedAttributeType",
            18 => "inappropriateMatching",
            19 => "constraintViolation",
            20 => "attributeOrValueExists",
            21 => "invalidAttributeSyntax",
            32 => "noSuchObject",
            33 => "aliasProblem",
            34 => "invalidDNSyntax",
            36 => "aliasDereferencingProblem",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            54 => "loopDetect",
            64 => "namingViolation",
            65 => "objectClassViolation",
            66 => "notAllowedOnNonLeaf",
            67 => "notAllowedOnRDN",
            68 => "entryAlreadyExists",
            69 => "objectClassModsProhibited",
            71 => "affectsMultipleDSAs",
            80 => "other",
            118 => "canceled",
            119 => "noSuchOperation",
            120 => "tooLate",
            121 => "cannotCancel",
            122 => "assertionFailed",
            123 => "authorizationDenied",
            _ => return None,
        })
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_shows_its_name_and_its_number() {
        assert_eq!(ResultCode::NO_SUCH_OBJECT.to_string(), "noSuchObject(32)");
        assert_eq!(ResultCode(4096).to_string(), "4096");
    }
}

//! Licence status: the `LicenseStatus` of a KMS request (Volume Activation 2.0 Operations Guide, page 29).

/// The name of this licence status, 0 to 6 (Volume Activation 2.0 Operations Guide, page 29).
pub fn name(status: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(status).ok()?).copied()
}

const NAMES: [&str; 7] = [
    "unlicensed",
    "licensed",
    "OOB grace",
    "OOT grace",
    "non-genuine grace",
    "notification",
    "extended grace",
];

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn status_2_is_the_grace_out_of_the_box() {
        assert_eq!(name(0), Some("unlicensed"));
        assert_eq!(name(2), Some("OOB grace"));
        assert_eq!(name(6), Some("extended grace"));
    }

    #[test]
    fn status_above_6_has_no_name() {
        assert_eq!(name(7), None);
        assert_eq!(name(u32::MAX), None);
    }
}

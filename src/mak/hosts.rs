/// True for the hosts of Microsoft's activation services: those below `sls.microsoft.com`
/// (`activation.sls.microsoft.com`, `activation-v2.sls.microsoft.com`, `validation-v2.sls.microsoft.com`).
#[must_use]
pub fn is_service_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some(at) = name.len().checked_sub(DOMAIN.len()) else { return false };
    name.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(DOMAIN))
}

const DOMAIN: &str = ".sls.microsoft.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_its_domain() {
        for name in [
            "activation.sls.microsoft.com",
            "ACTIVATION-V2.SLS.Microsoft.com",
            "validation.sls.microsoft.com.",
        ] {
            assert!(is_service_host(name), "{name}");
        }
        for name in ["sls.microsoft.com", "sls.microsoft.com.example", "xsls.microsoft.com", "\u{e9}", ""] {
            assert!(!is_service_host(name), "{name}");
        }
    }
}

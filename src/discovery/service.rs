use super::Name;

/// A cloud of Azure, by the domain of its KMS hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cloud {
    /// The global one.
    Global,
    /// The one of the government of the United States.
    UsGovernment,
    /// The one in China.
    China,
    /// The one in Germany.
    Germany,
}

impl Cloud {
    /// Its name: `global`, `US government`, `China` or `Germany`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGovernment => "US government",
            Self::China => "China",
            Self::Germany => "Germany",
        }
    }
}

/// The domain whose KMS hosts a name is asked for: `corp.example` of `_vlmcs._tcp.corp.example`, the root of the bare
/// `_vlmcs._tcp`.
#[must_use]
pub fn kms_service_domain(name: &Name) -> Option<Name> {
    let mut labels = name.labels();
    let is_service =
        SERVICE.iter().all(|own| labels.next().is_some_and(|label| label.eq_ignore_ascii_case(own)));
    if is_service { name.parent()?.parent() } else { None }
}

/// The cloud whose KMS host has this name.
#[must_use]
pub fn azure_cloud(name: &Name) -> Option<Cloud> {
    AZURE_HOSTS.iter().find(|(host, _)| name.as_str().eq_ignore_ascii_case(host)).map(|&(_, cloud)| cloud)
}

/// True for names that are asked for in order to activate, whoever asks: those of the service, and the KMS hosts of
/// Azure. Which hosts the service has, [`super::Resolver::is_of_interest`] knows.
#[must_use]
pub fn is_of_interest(name: &Name) -> bool {
    kms_service_domain(name).is_some() || azure_cloud(name).is_some()
}

/// The labels that a KMS host publishes itself under (RFC 2782).
const SERVICE: [&str; 2] = ["_vlmcs", "_tcp"];

/// The KMS hosts of Azure, as its documentation has them in July 2024.
const AZURE_HOSTS: [(&str, Cloud); 7] = [
    ("azkms.core.windows.net", Cloud::Global),
    ("kms.core.windows.net", Cloud::Global),
    ("azkms.core.usgovcloudapi.net", Cloud::UsGovernment),
    ("kms.core.usgovcloudapi.net", Cloud::UsGovernment),
    ("azkms.core.chinacloudapi.cn", Cloud::China),
    ("kms.core.chinacloudapi.cn", Cloud::China),
    ("kms.core.cloudapi.de", Cloud::Germany),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn the_service_is_known_by_its_two_labels() {
        for (text, domain) in [
            ("_vlmcs._tcp.corp.example", Some("corp.example")),
            ("_VLMCS._TCP.Corp.example", Some("corp.example")),
            ("_vlmcs._tcp", Some("")),
            ("_vlmcs", None),
            ("_vlmcs._udp.corp.example", None),
            ("_ldap._tcp.corp.example", None),
            ("a._vlmcs._tcp.corp.example", None),
            ("_vlmcs\\._tcp.corp.example", None),
            ("", None),
        ] {
            assert_eq!(kms_service_domain(&name(text)), domain.map(name), "{text}");
        }
    }

    #[test]
    fn the_hosts_of_each_cloud_are_known() {
        for (text, cloud) in [
            ("kms.core.windows.net", Some("global")),
            ("AZKMS.core.windows.net", Some("global")),
            ("kms.core.usgovcloudapi.net", Some("US government")),
            ("azkms.core.chinacloudapi.cn", Some("China")),
            ("kms.core.cloudapi.de", Some("Germany")),
            ("azkms.core.cloudapi.de", None),
            ("core.windows.net", None),
            ("a.kms.core.windows.net", None),
        ] {
            assert_eq!(azure_cloud(&name(text)).map(Cloud::name), cloud, "{text}");
            assert_eq!(is_of_interest(&name(text)), cloud.is_some(), "{text}");
        }
        assert!(is_of_interest(&name("_vlmcs._tcp.corp.example")));
        assert!(!is_of_interest(&name("www.example")));
    }
}

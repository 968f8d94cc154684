//! What Active Directory's schema says of activation objects: MS-ADA2, MS-ADSC, and Sch48.ldf, with which they came.

/// An attribute of the schema.
#[derive(Debug, PartialEq, Eq)]
pub struct AttributeType {
    /// lDAPDisplayName
    pub name: &'static str,
    /// attributeID
    pub oid: &'static str,
    /// attributeSyntax
    pub syntax: Syntax,
    /// isSingleValued
    pub is_single: bool,
    /// rangeLower: the fewest bytes or characters of a value.
    pub least: usize,
    /// rangeUpper: the most.
    pub most: usize,
}

/// How an attribute's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// Bytes: String(Octet), 2.5.5.10.
    Octets,
    /// Text in UTF-8: String(Unicode), 2.5.5.12.
    Unicode,
}

/// A class of the schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// lDAPDisplayName
    pub name: &'static str,
    /// governsID
    pub oid: &'static str,
    /// The attributes of [`ATTRIBUTES`] that each of its objects must have.
    pub must: &'static [&'static str],
}

/// The attributes of activation objects.
pub const ATTRIBUTES: [AttributeType; 10] = [
    AttributeType { least: 16, ..octets(CSVLK_SKU_ID, "1.2.840.113556.1.4.2081", 16) },
    AttributeType { least: 16, is_single: false, ..octets(KMS_IDS, "1.2.840.113556.1.4.2082", 16) },
    unicode(INSTALLATION_ID, "1.2.840.113556.1.4.2083", 512),
    unicode(CONFIRMATION_ID, "1.2.840.113556.1.4.2084", 512),
    octets(ONLINE_LICENSE, "1.2.840.113556.1.4.2085", MAX_LICENSE),
    octets(PHONE_LICENSE, "1.2.840.113556.1.4.2086", MAX_LICENSE),
    octets(CONFIG_LICENSE, "1.2.840.113556.1.4.2087", MAX_LICENSE),
    octets(ISSUANCE_LICENSE, "1.2.840.113556.1.4.2088", MAX_LICENSE),
    unicode(CSVLK_PID, "1.2.840.113556.1.4.2105", 512),
    AttributeType { least: 5, ..unicode(CSVLK_PARTIAL_PRODUCT_KEY, "1.2.840.113556.1.4.2106", 5) },
];

/// The container of activation objects, and these.
pub const CLASSES: [Class; 2] = [
    Class { name: ACTIVATION_OBJECTS_CONTAINER, oid: "1.2.840.113556.1.5.266", must: &[] },
    Class {
        name: ACTIVATION_OBJECT,
        oid: "1.2.840.113556.1.5.267",
        must: &[KMS_IDS, CSVLK_SKU_ID, CSVLK_PID, CSVLK_PARTIAL_PRODUCT_KEY],
    },
];

/// Class of the container.
pub const ACTIVATION_OBJECTS_CONTAINER: &str = "msSPP-ActivationObjectsContainer";
/// Class of an activation object.
pub const ACTIVATION_OBJECT: &str = "msSPP-ActivationObject";
/// The SKU of the host key.
pub const CSVLK_SKU_ID: &str = "msSPP-CSVLKSkuId";
/// The KMS counted ids that the object activates.
pub const KMS_IDS: &str = "msSPP-KMSIds";
/// The installation ID of an activation by telephone.
pub const INSTALLATION_ID: &str = "msSPP-InstallationId";
/// The confirmation ID of an activation by telephone.
pub const CONFIRMATION_ID: &str = "msSPP-ConfirmationId";
/// The licence of an activation over the Internet.
pub const ONLINE_LICENSE: &str = "msSPP-OnlineLicense";
/// The licence of an activation by telephone.
pub const PHONE_LICENSE: &str = "msSPP-PhoneLicense";
/// The product key configuration licence.
pub const CONFIG_LICENSE: &str = "msSPP-ConfigLicense";
/// The issuance licence.
pub const ISSUANCE_LICENSE: &str = "msSPP-IssuanceLicense";
/// The extended product id of the host key.
pub const CSVLK_PID: &str = "msSPP-CSVLKPid";
/// The last five characters of the host key.
pub const CSVLK_PARTIAL_PRODUCT_KEY: &str = "msSPP-CSVLKPartialProductKey";

/// The most bytes of a licence.
pub const MAX_LICENSE: usize = 5_242_880;

/// The attribute of this name; case does not matter.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static AttributeType> {
    ATTRIBUTES.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// The attribute of this OID.
#[must_use]
pub fn by_oid(oid: &str) -> Option<&'static AttributeType> {
    ATTRIBUTES.iter().find(|attribute| attribute.oid == oid)
}

/// The class of this name or OID; case does not matter.
#[must_use]
pub fn class(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name.eq_ignore_ascii_case(name) || class.oid == name)
}

/// True where every activation object must have the attribute.
#[must_use]
pub fn is_mandatory(attribute: &AttributeType) -> bool {
    CLASSES.iter().any(|class| class.must.contains(&attribute.name))
}

/// The attribute that a description names, by name or OID, whatever its options.
#[must_use]
pub fn described(description: &str) -> Option<&'static AttributeType> {
    let name = super::message::base_name(description);
    by_name(name).or_else(|| by_oid(name))
}

const fn octets(name: &'static str, oid: &'static str, most: usize) -> AttributeType {
    AttributeType { name, oid, syntax: Syntax::Octets, is_single: true, least: 0, most }
}

const fn unicode(name: &'static str, oid: &'static str, most: usize) -> AttributeType {
    AttributeType { name, oid, syntax: Syntax::Unicode, is_single: true, least: 0, most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_name_oid_and_description() {
        for attribute in &ATTRIBUTES {
            assert_eq!(by_name(&attribute.name.to_uppercase()), Some(attribute));
            assert_eq!(by_oid(attribute.oid), Some(attribute));
            assert_eq!(described(&format!("{};range=0-1499", attribute.name)), Some(attribute));
            assert_eq!(described(attribute.oid), Some(attribute));
        }
        assert_eq!(by_name("cn"), None);
        assert_eq!(by_oid("1.2.840.113556.1.4.2089"), None);
    }

    #[test]
    fn classes_are_found_and_must_have_attributes_that_there_are() {
        for known in &CLASSES {
            assert_eq!(class(&known.name.to_lowercase()), Some(known));
            assert_eq!(class(known.oid), Some(known));
            assert!(known.must.iter().all(|name| by_name(name).is_some()));
        }
        assert_eq!(class("top"), None);
    }
}

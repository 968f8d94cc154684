//! Products: the application, SKU and KMS counted id GUIDs of a KMS request (`products.tsv`, from the
//! product key configuration of Windows and Office).
//!
//! A SKU belongs to one KMS counted id, which is what a host counts clients for, and that to one
//! application.

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::wire::Guid;

use super::table;

/// Application: what the `AppID` of a KMS request names (`products.tsv`, kind `app`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The application id.
    pub guid: Guid,
    /// Its name, "Windows".
    pub name: &'static str,
}

/// KMS counted id: what the `KMSID` of a KMS request names (`products.tsv`, kind `kms`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsProduct {
    /// The KMS counted id.
    pub guid: Guid,
    /// Its name, "Windows Server 2019".
    pub name: &'static str,
    /// The [`Application`] it belongs to.
    pub application: Guid,
    /// The activation threshold, N-Policy: 25 or 5.
    pub policy: u32,
    /// The KMS protocol version its clients speak, major and minor.
    pub protocol: (u16, u16),
}

/// SKU: what the `ActID` of a KMS request names (`products.tsv`, kind `sku`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    /// The activation id.
    pub guid: Guid,
    /// Its name, "Windows Server 2019 Datacenter".
    pub name: &'static str,
    /// The [`KmsProduct`] it is counted as.
    pub kms_id: Guid,
}

/// What a product GUID names (`products.tsv`, column `kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An [`Application`].
    Application,
    /// A [`KmsProduct`].
    KmsProduct,
    /// A [`Sku`].
    Sku,
}

/// The application with this id (`products.tsv`).
pub fn application(guid: Guid) -> Option<&'static Application> {
    match *PRODUCTS.index.get(&guid)? {
        (Kind::Application, at) => PRODUCTS.applications.get(at),
        _ => None,
    }
}

/// The product with this KMS counted id (`products.tsv`).
pub fn kms_id(guid: Guid) -> Option<&'static KmsProduct> {
    match *PRODUCTS.index.get(&guid)? {
        (Kind::KmsProduct, at) => PRODUCTS.kms_products.get(at),
        _ => None,
    }
}

/// The SKU with this activation id (`products.tsv`).
pub fn sku(guid: Guid) -> Option<&'static Sku> {
    match *PRODUCTS.index.get(&guid)? {
        (Kind::Sku, at) => PRODUCTS.skus.get(at),
        _ => None,
    }
}

/// What this GUID names and its name, whatever its kind (`products.tsv`).
pub fn name_of(guid: Guid) -> Option<(Kind, &'static str)> {
    let &(kind, at) = PRODUCTS.index.get(&guid)?;
    let name = match kind {
        Kind::Application => PRODUCTS.applications.get(at)?.name,
        Kind::KmsProduct => PRODUCTS.kms_products.get(at)?.name,
        Kind::Sku => PRODUCTS.skus.get(at)?.name,
    };
    Some((kind, name))
}

/// All applications, in the order of `products.tsv`.
pub fn applications() -> impl Iterator<Item = &'static Application> {
    PRODUCTS.applications.iter()
}

/// All KMS counted ids, in the order of `products.tsv`.
pub fn kms_ids() -> impl Iterator<Item = &'static KmsProduct> {
    PRODUCTS.kms_products.iter()
}

/// All SKUs, in the order of `products.tsv`.
pub fn skus() -> impl Iterator<Item = &'static Sku> {
    PRODUCTS.skus.iter()
}

#[derive(Default)]
struct Products {
    applications: Vec<Application>,
    kms_products: Vec<KmsProduct>,
    skus: Vec<Sku>,
    index: HashMap<Guid, (Kind, usize)>,
}

impl Products {
    fn parse(text: &'static str) -> Self {
        let mut products = Self::default();
        for row in table::rows(text) {
            if let Some((guid, place)) = products.push(row) {
                products.index.entry(guid).or_insert(place);
            }
        }
        products
    }

    fn push(&mut self, row: [&'static str; 6]) -> Option<(Guid, (Kind, usize))> {
        let [kind, guid, name, parent, policy, protocol] = row;
        let guid = Guid::parse(guid)?;
        let place = match kind {
            "app" => {
                self.applications.push(Application { guid, name });
                (Kind::Application, self.applications.len() - 1)
            }
            "kms" => {
                let (major, minor) = protocol.split_once('.')?;
                self.kms_products.push(KmsProduct {
                    guid,
                    name,
                    application: Guid::parse(parent)?,
                    policy: policy.parse().ok()?,
                    protocol: (major.parse().ok()?, minor.parse().ok()?),
                });
                (Kind::KmsProduct, self.kms_products.len() - 1)
            }
            "sku" => {
                self.skus.push(Sku { guid, name, kms_id: Guid::parse(parent)? });
                (Kind::Sku, self.skus.len() - 1)
            }
            _ => return None,
        };
        Some((guid, place))
    }
}

static PRODUCTS: LazyLock<Products> = LazyLock::new(|| Products::parse(TABLE));

const TABLE: &str = include_str!("products.tsv");

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(text: &str) -> Guid {
        Guid::parse(text).unwrap()
    }

    #[test]
    fn every_row_of_the_table_is_read() {
        assert_eq!(applications().count(), 3);
        assert_eq!(kms_ids().count(), 35);
        assert_eq!(skus().count(), 257);
        assert_eq!(table::row_count(TABLE), 3 + 35 + 257);
    }

    #[test]
    fn no_guid_names_two_things() {
        assert_eq!(PRODUCTS.index.len(), table::row_count(TABLE));
    }

    #[test]
    fn every_sku_has_a_kms_id_and_every_kms_id_an_application() {
        for sku in skus() {
            assert!(kms_id(sku.kms_id).is_some(), "{}", sku.name);
        }
        for product in kms_ids() {
            assert!(application(product.application).is_some(), "{}", product.name);
        }
    }

    #[test]
    fn every_product_has_a_name() {
        for &guid in PRODUCTS.index.keys() {
            assert!(name_of(guid).is_some_and(|(_, name)| !name.is_empty()), "{guid}");
        }
    }

    #[test]
    fn policies_and_protocols_are_the_published_ones() {
        for product in kms_ids() {
            assert!(matches!(product.policy, 5 | 25), "{}", product.name);
            assert!(matches!(product.protocol, (4..=6, 0)), "{}", product.name);
        }
    }

    #[test]
    fn kms_id_has_threshold_and_protocol() {
        let product = kms_id(guid("7fde5219-fbfa-484a-82c9-34d1ad53e856")).unwrap();
        assert_eq!((product.name, product.policy, product.protocol), ("Windows 7", 25, (4, 0)));
        assert_eq!(application(product.application).unwrap().name, "Windows");
    }

    #[test]
    fn sku_leads_to_its_kms_id() {
        let sku = sku(guid("85dd8b5f-eaa4-4af3-a628-cce9e77c9a03")).unwrap();
        assert_eq!(sku.name, "Office Professional Plus 2019");
        assert_eq!(kms_id(sku.kms_id).unwrap().name, "Office 2019");
    }

    #[test]
    fn guid_of_one_kind_is_not_found_as_another() {
        let office = guid("0ff1ce15-a989-479d-af46-f275c6370663");
        assert!(application(office).is_some());
        assert!(kms_id(office).is_none());
        assert!(sku(office).is_none());
        assert_eq!(name_of(office).unwrap().0, Kind::Application);
    }

    #[test]
    fn unknown_guid_has_no_name() {
        assert_eq!(name_of(Guid::from_wire([0; 16])), None);
    }
}

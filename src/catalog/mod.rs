//! Names for numbers: what the identifiers seen in activation traffic stand for.
//!
//! | module | names |
//! |---|---|
//! | [`product`] | the GUIDs of a KMS request: applications, KMS counted ids, SKUs |
//! | [`hresult`] | HRESULTs of the software protection platform and around it |
//! | [`lcid`] | the locale in an ePID |
//! | [`license_status`] | the licence status of a KMS request |
//! | [`host`] | the key group, key block and build in an ePID |
//!
//! The tables are TSV files beside the code, parsed on first use. They are lists of what is known, not
//! of what is allowed: a number that is not in them is unknown, not wrong.
//!
//! ```
//! use volact::catalog::{hresult, lcid, product};
//! use volact::wire::Guid;
//!
//! let kms_id = Guid::parse("8449b1fb-f0ea-497a-99ab-66ca96e9a0f5").unwrap();
//! assert_eq!(product::kms_id(kms_id).unwrap().name, "Windows Server 2019");
//! assert_eq!(hresult::symbol(0xC004_F074), Some("SL_E_VL_BINDING_SERVICE_UNAVAILABLE"));
//! assert_eq!(lcid::lookup(7169).unwrap().tag, "ar-TN");
//! ```

pub mod host;
pub mod hresult;
pub mod lcid;
pub mod license_status;
pub mod product;

mod table;

pub use host::{Csvlk, HostBuild};
pub use lcid::Lcid;
pub use product::{Application, Kind, KmsProduct, Sku};

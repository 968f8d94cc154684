//! Locale identifiers: what the LCID of an ePID names (`lcids.tsv`, after \[MS-LCID\] section 2.2).
//!
//! The table has the locales with a fixed number that Windows itself names, sub-language included.
//! Left out are languages without a region (`0x0009`), numbers that are only reserved, alternative sort
//! orders above 16 bits, and the numbers Windows lends to locales that have none (`0x1000` and the
//! like, section 2.2.1).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::table;

/// Locale with a fixed number (\[MS-LCID\] section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lcid {
    /// The locale identifier; an ePID writes it in decimal.
    pub lcid: u32,
    /// The language tag, "en-US", as Windows spells it: BCP 47 in all but `es-ES_tradnl`.
    pub tag: &'static str,
    /// Its name in English, "English (United States)".
    pub name: &'static str,
}

/// The locale with this number (`lcids.tsv`).
pub fn lookup(lcid: u32) -> Option<&'static Lcid> {
    LCIDS.get(&lcid)
}

/// All locales, by ascending number (`lcids.tsv`).
pub fn all() -> impl Iterator<Item = &'static Lcid> {
    LCIDS.values()
}

fn parse(text: &'static str) -> BTreeMap<u32, Lcid> {
    table::rows(text)
        .filter_map(|[lcid, tag, name]| {
            let lcid = table::hex(lcid)?;
            Some((lcid, Lcid { lcid, tag, name }))
        })
        .collect()
}

static LCIDS: LazyLock<BTreeMap<u32, Lcid>> = LazyLock::new(|| parse(TABLE));

const TABLE: &str = include_str!("lcids.tsv");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        assert_eq!(all().count(), 265);
        assert_eq!(table::row_count(TABLE), 265);
    }

    #[test]
    fn tags_and_names_are_unique() {
        assert_eq!(all().map(|l| l.tag).collect::<BTreeSet<_>>().len(), 265);
        assert_eq!(all().map(|l| l.name).collect::<BTreeSet<_>>().len(), 265);
    }

    #[test]
    fn every_locale_has_a_sub_language_and_fits_16_bits() {
        for locale in all() {
            assert!((0x0400..=0xFFFF).contains(&locale.lcid), "{}", locale.tag);
        }
    }

    #[test]
    fn sub_languages_are_told_apart() {
        for (lcid, tag) in [
            (0x0409, "en-US"),
            (0x0440, "ky-KG"),
            (0x040A, "es-ES_tradnl"),
            (0x0C0A, "es-ES"),
            (0x1C01, "ar-TN"),
            (0x2009, "en-JM"),
            (0x3801, "ar-AE"),
            (0x380A, "es-UY"),
            (0x4809, "en-SG"),
            (0x4C0A, "es-NI"),
        ] {
            assert_eq!(lookup(lcid).unwrap().tag, tag);
        }
    }

    #[test]
    fn name_is_language_and_region() {
        assert_eq!(lookup(0x0409).unwrap().name, "English (United States)");
        assert_eq!(lookup(0x241A).unwrap().name, "Serbian (Latin, Serbia)");
    }

    #[test]
    fn lent_and_regionless_numbers_are_unknown() {
        for lcid in [0, 0x0009, 0x007F, 0x0C00, 0x1000, 0x1_0407] {
            assert_eq!(lookup(lcid), None);
        }
    }
}

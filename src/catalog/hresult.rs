//! HRESULTs: the symbols of result codes and, for the common ones, what they mean.
//!
//! `hresults.tsv` has the codes of the software protection platform (`slerror.h`), `hresults-system.tsv`
//! the others that appear around activation (`winerror.h`, `winhttp.h`, `wininet.h`, `ntstatus.h`). Win32
//! codes in it are the HRESULTs made of them, `8007xxxx`, under their Win32 symbol; where a code has
//! several symbols the first row names it and the others only lead to it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::table;

/// The symbol of this code (`hresults.tsv`, then `hresults-system.tsv`).
pub fn symbol(hresult: u32) -> Option<&'static str> {
    CODES.symbols.get(&hresult).copied()
}

/// The code with this symbol, in upper or lower case (`hresults.tsv`, then `hresults-system.tsv`).
pub fn by_symbol(symbol: &str) -> Option<u32> {
    CODES.by_symbol.get(symbol.to_ascii_uppercase().as_str()).copied()
}

/// What this code means for an activation, as one sentence (`hresult-meanings.tsv`).
///
/// Only the codes worth one have it, among them some without a published symbol.
pub fn describe(hresult: u32) -> Option<&'static str> {
    CODES.meanings.get(&hresult).copied()
}

/// What can be done about this code, as one sentence (`hresult-remedies.tsv`).
///
/// Codes about which nothing is published that helps have none.
pub fn remedy(hresult: u32) -> Option<&'static str> {
    CODES.remedies.get(&hresult).copied()
}

/// All codes that have a symbol, ascending (`hresults.tsv` and `hresults-system.tsv`).
pub fn symbols() -> impl Iterator<Item = (u32, &'static str)> {
    CODES.symbols.iter().map(|(&hresult, &symbol)| (hresult, symbol))
}

#[derive(Default)]
struct Codes {
    symbols: BTreeMap<u32, &'static str>,
    by_symbol: BTreeMap<&'static str, u32>,
    meanings: BTreeMap<u32, &'static str>,
    remedies: BTreeMap<u32, &'static str>,
}

impl Codes {
    fn parse() -> Self {
        let mut codes = Self::default();
        for (hresult, symbol) in coded(SL_TABLE).chain(coded(SYSTEM_TABLE)) {
            codes.symbols.entry(hresult).or_insert(symbol);
            codes.by_symbol.entry(symbol).or_insert(hresult);
        }
        codes.meanings.extend(coded(MEANING_TABLE));
        codes.remedies.extend(coded(REMEDY_TABLE));
        codes
    }
}

fn coded(text: &'static str) -> impl Iterator<Item = (u32, &'static str)> {
    table::rows(text).filter_map(|[hresult, value]| Some((table::hex(hresult)?, value)))
}

static CODES: LazyLock<Codes> = LazyLock::new(Codes::parse);

const SL_TABLE: &str = include_str!("hresults.tsv");
const SYSTEM_TABLE: &str = include_str!("hresults-system.tsv");
const MEANING_TABLE: &str = include_str!("hresult-meanings.tsv");
const REMEDY_TABLE: &str = include_str!("hresult-remedies.tsv");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_of_the_tables_is_read() {
        assert_eq!(coded(SL_TABLE).count(), 358);
        assert_eq!(table::row_count(SL_TABLE), 358);
        assert_eq!(coded(SYSTEM_TABLE).count(), 88);
        assert_eq!(table::row_count(SYSTEM_TABLE), 88);
        assert_eq!(coded(MEANING_TABLE).count(), 46);
        assert_eq!(table::row_count(MEANING_TABLE), 46);
    }

    #[test]
    fn no_symbol_stands_for_two_codes() {
        assert_eq!(CODES.by_symbol.len(), 358 + 88);
    }

    #[test]
    fn no_code_of_the_platform_is_in_both_tables() {
        let platform: BTreeSet<_> = coded(SL_TABLE).map(|(hresult, _)| hresult).collect();
        assert_eq!(platform.len(), 358);
        assert!(coded(SYSTEM_TABLE).all(|(hresult, _)| !platform.contains(&hresult)));
    }

    #[test]
    fn every_symbol_leads_back_to_its_code() {
        for (hresult, symbol) in symbols() {
            assert_eq!(by_symbol(symbol), Some(hresult), "{symbol}");
        }
    }

    #[test]
    fn symbols_are_upper_case_identifiers() {
        for symbol in CODES.by_symbol.keys() {
            assert!(
                symbol.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
                "{symbol}"
            );
        }
    }

    #[test]
    fn meanings_are_one_sentence() {
        assert_eq!(CODES.meanings.len(), table::row_count(MEANING_TABLE));
        for (hresult, meaning) in &CODES.meanings {
            assert!(meaning.ends_with('.') && meaning.matches(". ").count() == 0, "{hresult:#010x}");
        }
    }

    #[test]
    fn remedies_are_one_sentence_about_a_code_that_has_a_meaning() {
        assert_eq!(CODES.remedies.len(), table::row_count(REMEDY_TABLE));
        for (&hresult, remedy) in &CODES.remedies {
            assert!(remedy.ends_with('.') && remedy.matches(". ").count() == 0, "{hresult:#010x}");
            assert!(describe(hresult).is_some(), "{hresult:#010x}");
        }
    }

    #[test]
    fn symbol_is_found_in_either_table() {
        assert_eq!(symbol(0xC004_F042), Some("SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH"));
        assert_eq!(symbol(0), Some("S_OK"));
        assert_eq!(symbol(0x8007_000D), Some("ERROR_INVALID_DATA"));
        assert_eq!(symbol(0x8007_232B), Some("DNS_ERROR_RCODE_NAME_ERROR"));
        assert_eq!(symbol(0xDEAD_BEEF), None);
    }

    #[test]
    fn symbol_is_found_in_any_case() {
        assert_eq!(by_symbol("sl_e_vl_not_enough_count"), Some(0xC004_F038));
        assert_eq!(by_symbol("E_AccessDenied"), Some(0x8007_0005));
        assert_eq!(by_symbol("SL_E_NO_SUCH_THING"), None);
    }

    #[test]
    fn second_symbol_of_a_code_leads_to_it_but_does_not_name_it() {
        assert_eq!(by_symbol("ERROR_INTERNET_NAME_NOT_RESOLVED"), Some(0x8007_2EE7));
        assert_eq!(symbol(0x8007_2EE7), Some("ERROR_WINHTTP_NAME_NOT_RESOLVED"));
    }

    #[test]
    fn the_codes_of_kms_have_a_meaning() {
        for hresult in [
            0xC004_D104,
            0xC004_F035,
            0xC004_F038,
            0xC004_F039,
            0xC004_F041,
            0xC004_F042,
            0xC004_F050,
            0xC004_F06B,
            0xC004_F06C,
            0xC004_F074,
            0x8007_000D,
            0x8007_2EE7,
        ] {
            assert!(describe(hresult).is_some(), "{hresult:#010x}");
        }
        assert_eq!(describe(0xC004_E001), None);
    }

    #[test]
    fn meaning_does_not_need_a_symbol() {
        assert_eq!(symbol(0x8009_2328), None);
        assert!(describe(0x8009_2328).is_some());
    }
}

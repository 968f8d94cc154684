//! The shared reading of embedded TSV tables: one header line, then rows of a fixed number of fields.

/// Rows of a table behind its header, for as long as they have exactly `N` fields.
///
/// A row of another width is left out, so that a bad table never stops the program; each table has a
/// test that compares its entries with [`row_count`].
pub(super) fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines().skip(1).filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

/// A number written `0x0409`.
pub(super) fn hex(field: &str) -> Option<u32> {
    u32::from_str_radix(field.strip_prefix("0x")?, 16).ok()
}

/// How many lines a table has behind its header, well formed or not.
#[cfg(test)]
pub(super) fn row_count(text: &str) -> usize {
    text.lines().count() - 1
}

#[cfg(test)]
mod tests {
    use super::{hex, row_count, rows};

    #[test]
    fn header_is_not_a_row() {
        assert_eq!(rows("a\tb\n1\t2\n").collect::<Vec<_>>(), [["1", "2"]]);
    }

    #[test]
    fn empty_fields_are_kept() {
        assert_eq!(rows("a\tb\tc\n1\t\t\n").collect::<Vec<_>>(), [["1", "", ""]]);
    }

    #[test]
    fn row_of_another_width_is_left_out_but_counted() {
        let text = "a\tb\n1\n1\t2\t3\n1\t2\n";
        assert_eq!(rows::<2>(text).count(), 1);
        assert_eq!(row_count(text), 3);
    }

    #[test]
    fn hex_needs_its_prefix() {
        assert_eq!(hex("0xC004F074"), Some(0xC004_F074));
        assert_eq!(hex("C004F074"), None);
        assert_eq!(hex("0x"), None);
    }
}

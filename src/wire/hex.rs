use std::fmt;

/// Bytes shown as lower-case hex without separators.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blocks, rest) = self.0.as_chunks::<16>();
        blocks.iter().try_for_each(|block| write_ascii(f, digits(block).as_flattened()))?;
        rest.iter().try_for_each(|byte| write_ascii(f, &digits(&[*byte])[0]))
    }
}

/// The digits of each byte, lower-case. There is no table, so that sixteen bytes are shown at a time.
#[inline]
pub(crate) fn digits<const N: usize>(bytes: &[u8; N]) -> [[u8; 2]; N] {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    let mut text = [[0; 2]; N];
    for (pair, byte) in text.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

/// Writes text that is ASCII, and so without a check that fails.
pub(super) fn write_ascii(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// Bytes from their hex text; white space, `:` and a leading `0x` are passed over.
///
/// # Errors
/// The position (in characters) of the first character that is no hex digit, or the text's length where the
/// number of digits is odd.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, usize> {
    let skip = if text.starts_with("0x") || text.starts_with("0X") { 2 } else { 0 };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (position, c) in text.chars().enumerate().skip(skip) {
        if c.is_whitespace() || c == ':' {
            continue;
        }
        let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(position)?;
        match high.take() {
            None => high = Some(digit),
            Some(h) => bytes.push(h << 4 | digit),
        }
    }
    if high.is_some() { Err(text.chars().count()) } else { Ok(bytes) }
}

/// The sixteen-byte line of `bytes` that holds `offset`, its neighbours, and a caret below the byte itself.
#[must_use]
pub fn caret_dump(bytes: &[u8], offset: usize) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    let line = offset / 16;
    for at in line.saturating_sub(1)..=line + 1 {
        let row = bytes.get(at * 16..).unwrap_or_default();
        let row = &row[..row.len().min(16)];
        if row.is_empty() && at != line {
            continue;
        }
        let _ = write!(out, "{:04x} ", at * 16);
        for byte in row {
            let _ = write!(out, " {byte:02x}");
        }
        out.push('\n');
        if at == line {
            let _ = writeln!(out, "{:width$}^^", "", width = 6 + 3 * (offset % 16));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_and_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = Hex(&bytes).to_string();
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"));
        assert_eq!(parse_hex(&text), Ok(bytes));
        assert_eq!(parse_hex("0x05 00:0b"), Ok(vec![5, 0, 11]));
    }

    #[test]
    fn a_wrong_digit_is_named_by_its_position() {
        assert_eq!(parse_hex("05 zz"), Err(3));
        assert_eq!(parse_hex("050"), Err(3));
    }

    #[test]
    fn the_caret_stands_below_the_byte() {
        assert_eq!(caret_dump(&[1, 2, 3], 1), "0000  01 02 03\n         ^^\n");
        assert_eq!(caret_dump(&[1, 2, 3], 3), "0000  01 02 03\n               ^^\n");
    }
}

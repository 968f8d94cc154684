use std::fmt::{self, Write as _};

use super::FilterError;

/// A piece of a filter, and its place.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    /// In characters, from 1.
    pub(super) column: usize,
    pub(super) width: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    Word(&'a str),
    /// The text between quotation marks.
    Quoted(String),
    Symbol(&'static str),
    End,
}

impl TokenKind<'_> {
    /// What it is called in an error.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("{word:?}"),
            Self::Quoted(text) => format!("the text {text:?}"),
            Self::Symbol(symbol) => format!("\"{symbol}\""),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Cuts a filter into its pieces; the last one is the end.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut column = 1;
    loop {
        let trimmed = rest.trim_start();
        column += rest.chars().count() - trimmed.chars().count();
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            tokens.push(Token { kind: TokenKind::End, column, width: 1 });
            return Ok(tokens);
        };
        let (kind, length) = if first == '"' || first == '\'' {
            quoted(rest).map_err(|(at, message)| {
                FilterError::new(source, column + rest[..at].chars().count(), 1, message)
            })?
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (TokenKind::Symbol(symbol), symbol.len())
        } else {
            let length = word_length(rest);
            if length == 0 {
                let message = match first {
                    '=' => "\"=\" is no operator; equal is \"==\"".to_owned(),
                    '&' | '|' => format!("\"{first}\" is no operator; \"{first}{first}\" is one"),
                    _ => format!(
                        "{first:?} has no meaning here; text with such characters stands in quotation marks"
                    ),
                };
                return Err(FilterError::new(source, column, 1, message));
            }
            (TokenKind::Word(&rest[..length]), length)
        };
        let width = rest[..length].chars().count();
        tokens.push(Token { kind, column, width });
        column += width;
        rest = &rest[length..];
    }
}

/// Longer ones in front of their beginnings.
const SYMBOLS: [&str; 15] =
    ["==", "!=", "<=", ">=", "&&", "||", "..", "<", ">", "~", "!", "(", ")", "{", "}"];

/// Bytes of the word that the text begins with; a word ends in front of two dots.
fn word_length(text: &str) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if !is_word(c) || text[at..].starts_with("..") {
            break;
        }
        end = at + c.len_utf8();
    }
    // A comma separates values.
    if end == 0 && text.starts_with(',') { 1 } else { end }
}

/// Characters of numbers, names, addresses, times and GUIDs.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.:/+[]%@*".contains(c)
}

/// The text between the quotation marks in front, and the bytes it takes with them.
fn quoted(text: &str) -> Result<(TokenKind<'static>, usize), (usize, String)> {
    let mut chars = text.char_indices();
    let mark = chars.next().map(|(_, mark)| mark);
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        if Some(c) == mark {
            return Ok((TokenKind::Quoted(out), at + 1));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let unknown = || (at, "no such escape; there are \\\" \\' \\\\ \\n \\r \\t \\u{1F600}".to_owned());
        match chars.next().map(|(_, c)| c) {
            Some(c @ ('"' | '\'' | '\\')) => out.push(c),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits = text[at + 2..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let (digits, _) =
                    digits.filter(|(digits, _)| (1..=6).contains(&digits.len())).ok_or_else(unknown)?;
                let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
                out.push(code.and_then(char::from_u32).ok_or_else(unknown)?);
                chars.by_ref().take(digits.len() + 2).for_each(drop);
            }
            _ => return Err(unknown()),
        }
    }
    Err((0, "the text has no closing quotation mark".to_owned()))
}

/// A value as it can be read again: plain where it is one word, else in quotation marks.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        if !text.is_empty() && word_length(text) == text.len() && text != "," && !is_keyword(text) {
            return f.write_str(text);
        }
        f.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Words that are no values and no fields.
pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in", "contains", "eq", "ne", "lt", "le", "gt", "ge"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind<'_>> {
        tokens(source).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn a_word_ends_in_front_of_two_dots() {
        let (one, dots) = (TokenKind::Word("1.5"), TokenKind::Symbol(".."));
        assert_eq!(kinds("1.5..fe80::1"), [one, dots, TokenKind::Word("fe80::1"), TokenKind::End]);
    }

    #[test]
    fn a_comma_stands_alone() {
        let words = [TokenKind::Word("a"), TokenKind::Word(","), TokenKind::Word("b"), TokenKind::End];
        assert_eq!(kinds("a,b"), words);
    }

    #[test]
    fn escapes_are_read_and_written() {
        let text = "a\"b\\c\n\u{1f600}\u{7f}é";
        let written = Quoted(text).to_string();
        assert_eq!(written, "\"a\\\"b\\\\c\\u{a}\u{1f600}\\u{7f}é\"");
        assert_eq!(kinds(&written)[0], TokenKind::Quoted(text.to_owned()));
        assert_eq!(kinds(r"'it\'s\u{41}\t'")[0], TokenKind::Quoted("it'sA\t".to_owned()));
    }

    #[test]
    fn what_is_no_token_is_placed() {
        for (source, column) in [
            ("é = 1", 3),
            ("a & b", 3),
            ("a == \"b", 6),
            (r#"é == "b\x""#, 8),
            (r#""\u{d800}""#, 2),
            ("a # b", 3),
        ] {
            assert_eq!(tokens(source).unwrap_err().column, column, "{source}");
        }
    }
}

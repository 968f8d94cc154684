use super::lexer::{Token, TokenKind, is_keyword, tokens};
use super::value::{Kind, Order, Pattern, folded_text};
use super::{Field, FilterError, Literal, Member, Term};

/// Bytes of a filter.
const MAX_LENGTH: usize = 16 << 10;
/// Parentheses and negations inside each other.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(source: &str) -> Result<Term, FilterError> {
    if source.len() > MAX_LENGTH {
        let message = format!("the filter has {} bytes; {MAX_LENGTH} is the most", source.len());
        return Err(FilterError::new(source, 1, 1, message));
    }
    let mut parser = Parser { source, tokens: tokens(source)?, at: 0, depth: 0 };
    let term = parser.any()?;
    match parser.peek().kind {
        TokenKind::End => Ok(term),
        TokenKind::Symbol(")") => Err(parser.error("no parenthesis is open here".to_owned())),
        _ => Err(parser.unexpected("\"and\", \"or\" or the end")),
    }
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// The next token; the end is never passed.
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at]
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Passes over the next token where it is one of these.
    fn take(&mut self, symbols: &[&str]) -> bool {
        let is_one = match self.peek().kind {
            TokenKind::Word(text) => symbols.contains(&text),
            TokenKind::Symbol(text) => symbols.contains(&text),
            _ => false,
        };
        if is_one {
            self.advance();
        }
        is_one
    }

    fn error_at(&self, at: usize, message: String) -> FilterError {
        let Token { column, width, .. } = self.tokens[at];
        FilterError::new(self.source, column, width, message)
    }

    fn error(&self, message: String) -> FilterError {
        self.error_at(self.at, message)
    }

    fn unexpected(&self, wanted: &str) -> FilterError {
        self.error(format!("needed {wanted}, got {}", self.peek().kind.describe()))
    }

    fn any(&mut self) -> Result<Term, FilterError> {
        let mut terms = Vec::new();
        loop {
            match self.all()? {
                Term::Any(inner) => terms.extend(inner),
                term => terms.push(term),
            }
            if !self.take(&["or", "||"]) {
                return Ok(one_or(terms, Term::Any));
            }
        }
    }

    fn all(&mut self) -> Result<Term, FilterError> {
        let mut terms = Vec::new();
        loop {
            match self.unary()? {
                Term::All(inner) => terms.extend(inner),
                term => terms.push(term),
            }
            if !self.take(&["and", "&&"]) {
                return Ok(one_or(terms, Term::All));
            }
        }
    }

    fn unary(&mut self) -> Result<Term, FilterError> {
        let start = self.at;
        let is_negation = self.take(&["not", "!"]);
        if !is_negation && !self.take(&["("]) {
            return self.test();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error_at(start, format!("nested deeper than {MAX_DEPTH}")));
        }
        let term = if is_negation {
            Term::Not(Box::new(self.unary()?))
        } else {
            let term = self.any()?;
            if !self.take(&[")"]) {
                return Err(self.unexpected("\"and\", \"or\" or \")\""));
            }
            term
        };
        self.depth -= 1;
        Ok(term)
    }

    fn test(&mut self) -> Result<Term, FilterError> {
        let field = self.field()?;
        let at = self.at;
        if self.take(&["contains", "~"]) {
            if !field.kind.has_text() {
                return Err(self.error_at(at, format!("{} is no text to look into", described(field))));
            }
            let (_, text) = self.value()?;
            return Ok(Term::Contains(field, folded_text(&text), text));
        }
        if self.take(&["in"]) {
            return self.members(field);
        }
        let order = match self.peek().kind {
            TokenKind::Word("eq") | TokenKind::Symbol("==") => Some(Order::Equal),
            TokenKind::Word("ne") | TokenKind::Symbol("!=") => None,
            TokenKind::Word("lt") | TokenKind::Symbol("<") => Some(Order::Less),
            TokenKind::Word("le") | TokenKind::Symbol("<=") => Some(Order::LessOrEqual),
            TokenKind::Word("gt") | TokenKind::Symbol(">") => Some(Order::Greater),
            TokenKind::Word("ge") | TokenKind::Symbol(">=") => Some(Order::GreaterOrEqual),
            _ => return Ok(Term::There(field)),
        };
        self.advance();
        if !field.kind.is_ordered() && !matches!(order, None | Some(Order::Equal)) {
            return Err(self.error_at(at, format!("{} has no order; there are == and !=", described(field))));
        }
        let literal = self.literal(field.kind)?;
        Ok(match order {
            Some(order) => Term::Compare(field, order, literal),
            None => Term::Differs(field, literal),
        })
    }

    fn field(&mut self) -> Result<&'static Field, FilterError> {
        let word = match self.peek().kind {
            TokenKind::Word(word) if word != "," && !is_keyword(word) => word,
            TokenKind::End if self.at == 0 => return Err(self.error("the filter is empty".to_owned())),
            _ => return Err(self.unexpected("a field")),
        };
        let Some(field) = Field::by_name(word) else {
            return Err(self.error(match Field::nearest(word) {
                Some(name) => format!("unknown field {word:?}; did you mean {name:?}?"),
                None if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    format!("needed a field, got {word:?}; every test names its field")
                }
                None => format!("unknown field {word:?}; \"help\" lists the fields"),
            }));
        };
        self.advance();
        Ok(field)
    }

    /// The next value as it is written, and its place.
    fn value(&mut self) -> Result<(usize, String), FilterError> {
        let at = self.at;
        let text = match &self.peek().kind {
            TokenKind::Word(word) if is_keyword(word) => {
                return Err(
                    self.error(format!("needed a value, got {word:?}; as text it stands in quotation marks"))
                );
            }
            TokenKind::Word(word) if *word != "," => (*word).to_owned(),
            TokenKind::Quoted(text) => text.clone(),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        Ok((at, text))
    }

    fn literal(&mut self, kind: Kind) -> Result<Literal, FilterError> {
        let (at, text) = self.value()?;
        match kind.read(&text) {
            Ok(pattern) => Ok(Literal { text, pattern }),
            Err(message) => Err(self.error_at(at, message)),
        }
    }

    fn members(&mut self, field: &'static Field) -> Result<Term, FilterError> {
        if !self.take(&["{"]) {
            return Err(self.unexpected("\"{\""));
        }
        let mut members = Vec::new();
        loop {
            members.push(self.member(field)?);
            if self.take(&["}"]) {
                return Ok(Term::In(field, members));
            }
            if !self.take(&[","]) {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
    }

    fn member(&mut self, field: &Field) -> Result<Member, FilterError> {
        let start = self.at;
        let low = self.literal(field.kind)?;
        let at = self.at;
        if !self.take(&[".."]) {
            return Ok(Member::One(low));
        }
        if !field.kind.is_ordered() {
            return Err(self.error_at(at, format!("{} has no order, and so no range", described(field))));
        }
        let high = self.literal(field.kind)?;
        match (&low.pattern, &high.pattern) {
            (Pattern::Span(first, _), Pattern::Span(_, last)) if first <= last => {
                let pattern = Pattern::Span(*first, *last);
                Ok(Member::Range(low, high, pattern))
            }
            _ => Err(self.error_at(
                start,
                "nothing is in this range: its end is in front of its beginning".to_owned(),
            )),
        }
    }
}

fn described(field: &Field) -> String {
    format!("{:?} ({})", field.name, field.type_name())
}

fn one_or(mut terms: Vec<Term>, of: fn(Vec<Term>) -> Term) -> Term {
    match (terms.len(), terms.pop()) {
        (1, Some(term)) => term,
        (_, Some(last)) => {
            terms.push(last);
            of(terms)
        }
        (_, None) => of(terms),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::*;

    fn shown(source: &str) -> String {
        Filter::parse(source)
            .unwrap_or_else(|error| panic!("{source}: {error}\n{}", error.caret()))
            .to_string()
    }

    fn refused(source: &str) -> String {
        Filter::parse(source).unwrap_err().to_string()
    }

    #[test]
    fn operators_have_one_spelling_when_shown() {
        for (source, canonical) in [
            ("server==10.0.0.1&&!virtual", "host == 10.0.0.1 and not virtual"),
            ("count ge 25", "count >= 25"),
            ("machine ~ 'x y'", "machine contains \"x y\""),
            ("machine == \"and\"", "machine == \"and\""),
            ("machine == ','", "machine == \",\""),
            ("request.sku_id ~ \"2019\"", "sku contains 2019"),
            ("count in{1..5 ,0x10}", "count in {1..5, 0x10}"),
            ("epid", "epid"),
        ] {
            assert_eq!(shown(source), canonical);
        }
    }

    #[test]
    fn not_binds_tighter_than_and_and_that_tighter_than_or() {
        assert_eq!(shown("not virtual and epid or hwid"), "not virtual and epid or hwid");
        assert_eq!(shown("((not virtual) and epid) or (hwid)"), "not virtual and epid or hwid");
        assert_eq!(shown("not (virtual and (epid or hwid))"), "not (virtual and (epid or hwid))");
        assert_eq!(shown("epid and (hwid and virtual)"), "epid and hwid and virtual");
        assert_eq!(shown("!!virtual"), "not not virtual");
        assert_eq!(shown("not count == 5"), "not count == 5");
    }

    #[test]
    fn errors_say_where_and_what() {
        for (source, message) in [
            ("", "at column 1: the filter is empty"),
            ("cliant == 1", "at column 1: unknown field \"cliant\"; did you mean \"client\"?"),
            ("count == 1 and banana", "at column 16: unknown field \"banana\"; \"help\" lists the fields"),
            ("ip.addr == ::1", "at column 1: unknown field \"ip.addr\"; did you mean \"address\"?"),
            ("n_policy == 5 or 25", "at column 18: needed a field, got \"25\"; every test names its field"),
            ("count == x", "at column 10: no number: \"x\""),
            ("count = 1", "at column 7: \"=\" is no operator; equal is \"==\""),
            ("count == ", "at column 10: needed a value, got the end"),
            ("count 5", "at column 7: needed \"and\", \"or\" or the end, got \"5\""),
            ("(count", "at column 7: needed \"and\", \"or\" or \")\", got the end"),
            ("count)", "at column 6: no parenthesis is open here"),
            ("count and", "at column 10: needed a field, got the end"),
            ("machine < x", "at column 9: \"machine\" (text) has no order; there are == and !="),
            ("count ~ 5", "at column 7: \"count\" (number) is no text to look into"),
            (
                "count in {5..1}",
                "at column 11: nothing is in this range: its end is in front of its beginning",
            ),
            ("machine in {a..b}", "at column 14: \"machine\" (text) has no order, and so no range"),
            ("count in {}", "at column 11: needed a value, got \"}\""),
            ("count in 5", "at column 10: needed \"{\", got \"5\""),
            ("outcome == refusd", "at column 12: no such word: \"refusd\"; did you mean \"refused\"?"),
            ("ndr == 16", "at column 8: no NDR: \"16\": 32 or 64"),
            ("service_time > 5", "at column 16: a duration has a unit: 5ms, 5us, 5s"),
            (
                "machine == not",
                "at column 12: needed a value, got \"not\"; as text it stands in quotation marks",
            ),
        ] {
            assert_eq!(refused(source), message);
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}epid{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(shown(&nested(MAX_DEPTH)), "epid");
        assert_eq!(refused(&nested(MAX_DEPTH + 1)), "at column 65: nested deeper than 64");
        assert!(refused(&"!".repeat(10_000)).ends_with("nested deeper than 64"));
        assert!(Filter::parse(&"epid or ".repeat(2_000)).is_err());
        let wide = ["epid"; 2_000].join(" or ");
        assert_eq!(shown(&wide), wide);
        assert_eq!(
            refused(&" ".repeat(MAX_LENGTH + 1)),
            "at column 1: the filter has 16385 bytes; 16384 is the most"
        );
    }
}

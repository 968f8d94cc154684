use std::fmt;

use crate::wire::{Error, ErrorKind};

/// A distinguished name (RFC 4514): the object first, what it is in behind it.
///
/// Types and values are compared without regard to case, as Active Directory compares them.
///
/// ```
/// use volact::directory::Dn;
///
/// let dn = Dn::parse("cn=A\\2cB,CN=Services,DC=test")?;
/// assert_eq!(dn.rdns()[0].first_value(), "A,B");
/// assert!(dn.is_within(&Dn::parse("cn=services, dc=TEST")?));
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Dn {
    rdns: Vec<Rdn>,
}

/// A relative distinguished name: one type and value, or several.
#[derive(Clone, Debug)]
pub struct Rdn {
    parts: Vec<(String, String)>,
}

/// The most RDNs of a DN, and parts of an RDN.
pub const MAX_RDNS: usize = 256;

impl Dn {
    /// Reads the text of a DN; the empty one is the root's. A value of hex digits (`#04024869`) is kept as these.
    ///
    /// # Errors
    /// The place (in bytes) of what is no DN, or too long for one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut rdns = Vec::new();
        let mut scanner = Scanner { text, at: 0 };
        scanner.skip_spaces();
        if scanner.rest().is_empty() {
            return Ok(Self { rdns });
        }
        loop {
            if rdns.len() == MAX_RDNS {
                return Err(scanner.error("too many RDNs"));
            }
            let (rdn, end) = scanner.rdn()?;
            rdns.push(rdn);
            if end == End::Text {
                return Ok(Self { rdns });
            }
        }
    }

    /// Its RDNs, the object's first.
    #[must_use]
    pub fn rdns(&self) -> &[Rdn] {
        &self.rdns
    }

    /// True for the object `above`, and for every object below it.
    #[must_use]
    pub fn is_within(&self, above: &Self) -> bool {
        self.rdns.ends_with(&above.rdns)
    }

    /// True for the container of activation objects, and for every object in it, whatever the forest.
    #[must_use]
    pub fn is_within_activation_objects(&self) -> bool {
        self.has(["Activation Objects", "Microsoft SPP", "Services"])
    }

    /// True for the container that the container of activation objects is in, and for everything below it.
    #[must_use]
    pub fn is_within_microsoft_spp(&self) -> bool {
        self.has(["Microsoft SPP", "Services"])
    }

    fn has<const N: usize>(&self, names: [&str; N]) -> bool {
        let mut places = self.rdns.windows(N);
        places.any(|rdns| rdns.iter().zip(names).all(|(rdn, name)| rdn.is("CN", name)))
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for Dn {}

impl Rdn {
    /// Types and values, without escapes.
    #[must_use]
    pub fn parts(&self) -> &[(String, String)] {
        &self.parts
    }

    /// The value of the first part.
    #[must_use]
    pub fn first_value(&self) -> &str {
        self.parts.first().map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn is(&self, kind: &str, value: &str) -> bool {
        matches!(&*self.parts, [(k, v)] if k.eq_ignore_ascii_case(kind) && eq_ignore_case(v, value))
    }
}

impl PartialEq for Rdn {
    /// Parts have no order.
    fn eq(&self, other: &Self) -> bool {
        let has = |(kind, value): &(String, String)| {
            other.parts.iter().any(|(k, v)| k.eq_ignore_ascii_case(kind) && eq_ignore_case(v, value))
        };
        self.parts.len() == other.parts.len() && self.parts.iter().all(has)
    }
}

impl Eq for Rdn {}

fn eq_ignore_case(a: &str, b: &str) -> bool {
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rdn) in self.rdns.iter().enumerate() {
            for (j, (kind, value)) in rdn.parts.iter().enumerate() {
                let separator = match (i, j) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    _ => "+",
                };
                write!(f, "{separator}{kind}=")?;
                write_value(f, value)?;
            }
        }
        Ok(())
    }
}

/// A value with the escapes of RFC 4514 2.4.
fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (i, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => write!(f, "\\{c}")?,
            ' ' if i == 0 || i == last => f.write_str("\\20")?,
            '#' if i == 0 => f.write_str("\\23")?,
            c if c.is_control() => {
                c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
            }
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// What a value ends with.
#[derive(PartialEq, Eq)]
enum End {
    Part,
    Rdn,
    Text,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn error(&self, what: &'static str) -> Error {
        Error { layer: "DN", field: "RDN", offset: self.at, kind: ErrorKind::Malformed { what } }
    }

    fn rdn(&mut self) -> Result<(Rdn, End), Error> {
        let mut parts = Vec::new();
        loop {
            if parts.len() == MAX_RDNS {
                return Err(self.error("too many parts"));
            }
            self.skip_spaces();
            let kind = self.kind()?;
            let (value, end) = self.value()?;
            parts.push((kind, value));
            if end != End::Part {
                return Ok((Rdn { parts }, end));
            }
        }
    }

    /// A type and its equals sign.
    fn kind(&mut self) -> Result<String, Error> {
        let Some(length) = self.rest().find(['=', ',', '+', ';']) else {
            return Err(self.error("a type without a value"));
        };
        let kind = self.rest()[..length].trim_end_matches(' ');
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(self.error("no type"));
        }
        if self.rest().as_bytes()[length] != b'=' {
            return Err(self.error("a type without a value"));
        }
        let kind = kind.to_owned();
        self.at += length + 1;
        Ok(kind)
    }

    fn value(&mut self) -> Result<(String, End), Error> {
        self.skip_spaces();
        let mut value = Vec::new();
        let mut is_quoted = false;
        // How much of the value is not a space that ends it.
        let mut solid = 0;
        if self.rest().starts_with('"') {
            is_quoted = true;
            self.at += 1;
        }
        let end = loop {
            let Some(c) = self.rest().chars().next() else {
                if is_quoted {
                    return Err(self.error("a quotation without an end"));
                }
                break End::Text;
            };
            match c {
                '\\' => {
                    value.extend_from_slice(&self.escaped()?);
                    solid = value.len();
                    continue;
                }
                '"' if is_quoted => {
                    self.at += 1;
                    is_quoted = false;
                    self.skip_spaces();
                    match self.rest().chars().next() {
                        None | Some(',' | ';' | '+') => continue,
                        _ => return Err(self.error("more behind a quotation")),
                    }
                }
                ',' | ';' | '+' if !is_quoted => {
                    self.at += 1;
                    break if c == '+' { End::Part } else { End::Rdn };
                }
                c => {
                    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.at += c.len_utf8();
                    if c != ' ' || is_quoted {
                        solid = value.len();
                    }
                }
            }
        };
        value.truncate(solid);
        Ok((String::from_utf8_lossy(&value).into_owned(), end))
    }

    /// `\,` or `\2c`.
    fn escaped(&mut self) -> Result<Vec<u8>, Error> {
        let mut chars = self.rest().chars().skip(1);
        let Some(first) = chars.next() else { return Err(self.error("an escape of nothing")) };
        if let (Some(high), Some(low)) = (first.to_digit(16), chars.next().and_then(|c| c.to_digit(16))) {
            self.at += 3;
            return Ok(vec![u8::try_from(high << 4 | low).unwrap_or_default()]);
        }
        self.at += 1 + first.len_utf8();
        Ok(first.encode_utf8(&mut [0; 4]).as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Dn::parse(text).unwrap().rdns().iter().map(|rdn| rdn.first_value().to_owned()).collect()
    }

    #[test]
    fn escapes_quotations_and_spaces_are_taken_off() {
        assert_eq!(values("CN=a\\,b\\2B\\20 , O = x y ;OU=\" q, \" "), ["a,b+ ", "x y", " q, "]);
        assert_eq!(values("CN=Lu\\C4\\8Di\\C4\\87"), ["Lučić"]);
        assert_eq!(values("1.3.6=#04024869,DC="), ["#04024869", ""]);
        assert!(values("").is_empty());
    }

    #[test]
    fn parts_of_an_rdn_have_no_order_and_case_does_not_matter() {
        let dn = |text| Dn::parse(text).unwrap();
        assert_eq!(dn("OU=Sales+CN=J. Ünal,DC=x"), dn("cn=j. ünal + ou=sales,dc=X"));
        assert_ne!(dn("OU=Sales+CN=J,DC=x"), dn("CN=J,DC=x"));
        assert!(dn("CN=a,CN=b,DC=x").is_within(&dn("cn=B,dc=x")));
        assert!(dn("DC=x").is_within(&Dn::default()));
        assert!(!dn("CN=b,DC=x").is_within(&dn("CN=a,CN=b,DC=x")));
    }

    #[test]
    fn the_container_of_activation_objects_is_known_in_any_forest() {
        let is = |text| Dn::parse(text).unwrap().is_within_activation_objects();
        assert!(is("CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=test"));
        assert!(is("CN=x,cn=activation objects,cn=microsoft spp,cn=services,CN=Configuration,DC=a,DC=b"));
        assert!(!is("CN=Microsoft SPP,CN=Services,CN=Configuration,DC=test"));
        assert!(!is("CN=Activation Objects,OU=Microsoft SPP,CN=Services,DC=test"));
    }

    #[test]
    fn what_is_no_dn_is_told_by_its_place() {
        let many = "CN=a,".repeat(MAX_RDNS + 1);
        let parts = "CN=a+".repeat(MAX_RDNS + 1);
        for (text, expected) in [
            ("CN", "DN: RDN at offset 0: a type without a value"),
            ("CN=a,b", "DN: RDN at offset 5: a type without a value"),
            ("CN=a,b,c=d", "DN: RDN at offset 5: a type without a value"),
            ("CN=a,=d", "DN: RDN at offset 5: no type"),
            ("C*N=a", "DN: RDN at offset 0: no type"),
            ("CN=\"a", "DN: RDN at offset 5: a quotation without an end"),
            ("CN=\"a\"b", "DN: RDN at offset 6: more behind a quotation"),
            ("CN=a\\", "DN: RDN at offset 4: an escape of nothing"),
            (&many, "DN: RDN at offset 1280: too many RDNs"),
            (&parts, "DN: RDN at offset 1280: too many parts"),
        ] {
            assert_eq!(Dn::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_dn_is_written_so_that_it_is_read_again() {
        for text in ["CN=a\\,b\\+c,DC=x", "CN=\\20a\\20+OU=\\23x\\=,DC=y", "CN=a\\00b", "CN="] {
            let dn = Dn::parse(text).unwrap();
            assert_eq!(dn.to_string(), text);
            assert_eq!(Dn::parse(&dn.to_string()).unwrap(), dn);
        }
    }
}

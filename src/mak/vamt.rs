//! Files of the Volume Activation Management Tool: computer information lists, `.cil` (VAMT 2) and `.cilx` (VAMT 3).
//!
//! Their schema is not published. What is known is the way from the root to a computer and its products; whether a name
//! is that of an attribute or of an element is not. So names are read either way, everything is kept as a name and its
//! text, and installation and confirmation IDs are recognised by how many digits they have.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::Reader;
use quick_xml::errors::Error as XmlError;
use quick_xml::events::{BytesStart, Event};

use crate::wire::{Error, ErrorKind, Utf8};

use super::MAX_DEPTH;
use super::xml::{self, is_blank, local_name};

/// What is in a file, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A computer with its products.
    Computer(Computer),
    /// A value outside of any computer.
    Value(NamedValue),
}

/// A computer, and what activation knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Computer {
    /// Its values: Name, OSVersion, NetworkName, and whatever else there is.
    pub values: Vec<NamedValue>,
    /// Its products.
    pub products: Vec<Product>,
    /// How many values and products are not here, because they are more than [`MAX_VALUES`], [`MAX_PRODUCTS`] or
    /// [`MAX_TEXT`] allow.
    pub left_out: u64,
}

/// A product of a computer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// Its values.
    pub values: Vec<NamedValue>,
}

/// A name and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// The local name, behind those of the elements between it and its computer, product or root: `Sku/Name`.
    pub name: String,
    /// The text.
    pub value: String,
    /// True for an attribute, false for an element.
    pub is_attribute: bool,
}

/// A value with as many digits as an installation or a confirmation ID has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// What it may be.
    pub kind: CandidateKind,
    /// The value's name.
    pub name: &'a str,
    /// The value as it stands in the file, with whatever separates its groups.
    pub value: &'a str,
}

/// What a [`Candidate`] may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An installation ID: 50, 54 or 63 digits.
    InstallationId,
    /// A confirmation ID: 42 or 48 digits.
    ConfirmationId,
}

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The root element's local name; empty where there is none.
    pub root: String,
    /// How many computers were handed out.
    pub computers: u64,
    /// How many values outside of computers were.
    pub values: u64,
    /// Where reading stopped, or what was passed over first. Offsets count the file's bytes; in a file in UTF-16 those
    /// of its text in UTF-8.
    pub error: Option<Error>,
}

/// The most values of a computer, and of a product.
pub const MAX_VALUES: usize = 4_000;

/// The most products of a computer.
pub const MAX_PRODUCTS: usize = 1_000;

/// The most bytes of a computer's names and values, and of one text or tag of a file.
pub const MAX_TEXT: usize = 4 << 20;

/// The most characters of a path of names.
const MAX_NAME: usize = 400;

impl Computer {
    /// The first value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        value_of(&self.values, name)
    }

    /// The values of the computer and its products that may be installation or confirmation IDs.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> {
        let of_products = self.products.iter().flat_map(|product| &product.values);
        self.values.iter().chain(of_products).filter_map(NamedValue::candidate)
    }
}

impl Product {
    /// The first value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        value_of(&self.values, name)
    }
}

impl NamedValue {
    /// The value as what its digits say that it may be.
    #[must_use]
    pub fn candidate(&self) -> Option<Candidate<'_>> {
        let mut digits = 0;
        for byte in self.value.bytes() {
            match byte {
                b'0'..=b'9' => digits += 1,
                b' ' | b'-' | b'\t' | b'\r' | b'\n' => {}
                _ => return None,
            }
        }
        let kind = match digits {
            50 | 54 | 63 => CandidateKind::InstallationId,
            42 | 48 => CandidateKind::ConfirmationId,
            _ => return None,
        };
        Some(Candidate { kind, name: &self.name, value: &self.value })
    }
}

fn value_of<'a>(values: &'a [NamedValue], name: &str) -> Option<&'a str> {
    values.iter().find(|value| value.name == name).map(|value| value.value.as_str())
}

/// Reads a file, and hands out what is in it; it holds one computer at a time.
///
/// ```
/// use volact::mak::vamt::{self, Entry};
///
/// let file = b"<SoftwareLicensingData><Computers><Computer Name='PC-1'><Products><Product>\
///     <Name>Office</Name></Product></Products></Computer></Computers></SoftwareLicensingData>";
/// let mut names = Vec::new();
/// let summary = vamt::read(&file[..], |entry| {
///     if let Entry::Computer(computer) = entry {
///         names.push((computer.value("Name").map(str::to_owned), computer.products.len()));
///     }
/// });
/// assert_eq!(names, [(Some("PC-1".to_owned()), 1)]);
/// assert_eq!(summary.error, None);
/// ```
pub fn read(source: impl Read, each: impl FnMut(Entry)) -> Summary {
    let mut file = File { each, summary: Summary::default(), open: Vec::new(), computer: None };
    let stopped = match Utf8::new(source) {
        Ok(source) => {
            let mark = source.mark_length();
            let reader = Reader::from_reader(Bounded { source: BufReader::new(source), left: 0 });
            file.read(reader).err().map(|error| error.shifted(mark))
        }
        Err(_) => Some(unreadable(0)),
    };
    // A computer that does not end is one all the same.
    if let Some(Building { computer, .. }) = file.computer.take() {
        file.hand_out(Entry::Computer(computer));
    }
    file.summary.error = stopped.or(file.summary.error);
    file.summary
}

struct File<F> {
    each: F,
    summary: Summary,
    open: Vec<Open>,
    computer: Option<Building>,
}

/// An element that is open.
struct Open {
    name: String,
    text: String,
    /// True once it has had an element or an attribute: its text is no value then, if it is blank.
    has_parts: bool,
}

/// A computer that is being read.
#[derive(Default)]
struct Building {
    computer: Computer,
    /// How many elements are open around its values, and around those of its product.
    depth: usize,
    product_depth: Option<usize>,
    is_product_left_out: bool,
    text: usize,
}

impl<F: FnMut(Entry)> File<F> {
    fn read<R: Read>(&mut self, mut reader: Reader<Bounded<R>>) -> Result<(), Error> {
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().allow_dangling_amp = true;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            buffer.shrink_to(USUAL_BUFFER);
            let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            reader.get_mut().left = MAX_TEXT;
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(start)) => self.start(&start, offset)?,
                Ok(Event::End(_)) => self.end(),
                Ok(Event::Text(text)) => {
                    if text.starts_with('&') {
                        self.note(offset, "an ampersand that begins no reference");
                    }
                    self.text(&xml::normalized(&text), offset)?;
                }
                Ok(Event::CData(text)) => self.text(&xml::normalized(&text), offset)?,
                Ok(Event::GeneralRef(name)) => match xml::character(&name) {
                    Some(c) => self.text(c.encode_utf8(&mut [0; 4]), offset)?,
                    None => {
                        self.note(offset, "an entity that XML does not define is not expanded");
                        self.text(&["&", &name, ";"].concat(), offset)?;
                    }
                },
                Ok(Event::DocType(_)) => self.note(offset, "a document type declaration is not read"),
                Ok(Event::Eof) if self.open.is_empty() && !self.summary.root.is_empty() => return Ok(()),
                Ok(Event::Eof) => return Err(Error::truncated(LAYER, "element", offset, 1, 0)),
                Ok(_) => {}
                Err(XmlError::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                    let most = MAX_TEXT as u64;
                    let kind = ErrorKind::Length { declared: most + 1, least: 0, most };
                    return Err(Error { layer: LAYER, field: "text", offset, kind });
                }
                Err(XmlError::Io(_)) => return Err(unreadable(offset)),
                Err(error) => {
                    let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
                    return Err(xml::broken(&error, LAYER, offset, end.saturating_sub(offset)));
                }
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(malformed(offset, "elements are nested too deep"));
        }
        let qualified = start.name();
        let name = local_name(qualified.0);
        if self.open.is_empty() {
            if !self.summary.root.is_empty() {
                return Err(malformed(offset, "there is more behind the root element"));
            }
            self.summary.root = bounded(name);
        }
        if let Some(around) = self.open.last_mut() {
            around.has_parts = true;
        }
        let depth = self.open.len() + 1;
        let is_container = match &mut self.computer {
            None if name == "Computer" => {
                self.computer = Some(Building { depth, ..Building::default() });
                true
            }
            Some(building) if name == "Product" && building.product_depth.is_none() => {
                building.begin_product(depth);
                true
            }
            _ => false,
        };
        self.open.push(Open { name: bounded(name), text: String::new(), has_parts: is_container });
        let tag: &str = start;
        for (name, raw) in xml::attributes(tag, qualified.0.len()) {
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            if let Some(open) = self.open.last_mut() {
                open.has_parts = true;
            }
            let path = self.path(Some(local_name(name)));
            self.value(NamedValue { name: path, value: xml::unescape(raw), is_attribute: true });
        }
        Ok(())
    }

    fn text(&mut self, more: &str, offset: usize) -> Result<(), Error> {
        let Some(open) = self.open.last_mut() else {
            if is_blank(more) {
                return Ok(());
            }
            return Err(malformed(offset, "there is text, but no element around it"));
        };
        if open.text.len() + more.len() > MAX_TEXT {
            let kind = ErrorKind::Length {
                declared: (open.text.len() + more.len()) as u64,
                least: 0,
                most: MAX_TEXT as u64,
            };
            return Err(Error { layer: LAYER, field: "text", offset, kind });
        }
        // White space among elements would only pile up.
        if !(open.has_parts && is_blank(more)) {
            open.text.push_str(more);
        }
        Ok(())
    }

    fn end(&mut self) {
        let path = self.path(None);
        let depth = self.open.len();
        let Some(Open { text, has_parts, .. }) = self.open.pop() else { return };
        if !(has_parts && is_blank(&text)) {
            self.value(NamedValue { name: path, value: text, is_attribute: false });
        }
        let Some(building) = &mut self.computer else { return };
        if building.product_depth == Some(depth) {
            building.product_depth = None;
        }
        if building.depth == depth
            && let Some(Building { computer, .. }) = self.computer.take()
        {
            self.hand_out(Entry::Computer(computer));
        }
    }

    fn value(&mut self, value: NamedValue) {
        match &mut self.computer {
            Some(building) => building.take(value),
            None => self.hand_out(Entry::Value(value)),
        }
    }

    /// The names between the computer, product or root and the value, and an attribute's own. The text of such an
    /// element itself goes by its own name.
    fn path(&self, attribute: Option<&str>) -> String {
        let around = match &self.computer {
            Some(building) => building.product_depth.unwrap_or(building.depth),
            None => 1,
        };
        let names = self.open.iter().skip(around).map(|open| open.name.as_str()).chain(attribute);
        let path = names.collect::<Vec<_>>().join("/");
        if path.is_empty() {
            self.open.last().map(|open| open.name.clone()).unwrap_or_default()
        } else {
            bounded(&path)
        }
    }

    fn hand_out(&mut self, entry: Entry) {
        match entry {
            Entry::Computer(_) => self.summary.computers += 1,
            Entry::Value(_) => self.summary.values += 1,
        }
        (self.each)(entry);
    }

    fn note(&mut self, offset: usize, what: &'static str) {
        self.summary.error.get_or_insert_with(|| malformed(offset, what));
    }
}

impl Building {
    fn begin_product(&mut self, depth: usize) {
        self.product_depth = Some(depth);
        self.is_product_left_out = self.computer.products.len() == MAX_PRODUCTS;
        if self.is_product_left_out {
            self.computer.left_out += 1;
        } else {
            self.computer.products.push(Product::default());
        }
    }

    fn take(&mut self, value: NamedValue) {
        let length = value.name.len() + value.value.len();
        let values = match (self.product_depth, self.computer.products.last_mut()) {
            (Some(_), Some(product)) if !self.is_product_left_out => &mut product.values,
            (Some(_), _) => return self.computer.left_out += 1,
            (None, _) => &mut self.computer.values,
        };
        if values.len() == MAX_VALUES || self.text + length > MAX_TEXT {
            self.computer.left_out += 1;
        } else {
            self.text += length;
            values.push(value);
        }
    }
}

fn bounded(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

fn malformed(offset: usize, what: &'static str) -> Error {
    Error { layer: LAYER, field: "element", offset, kind: ErrorKind::Malformed { what } }
}

fn unreadable(offset: usize) -> Error {
    let kind = ErrorKind::Malformed { what: "the source cannot be read on" };
    Error { layer: LAYER, field: "file", offset, kind }
}

/// A source that gives up where one text or tag does not end.
struct Bounded<R> {
    source: BufReader<Utf8<R>>,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

impl<R: Read> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let there = self.source.fill_buf()?;
        if self.left == 0 && !there.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(&there[..there.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.source.consume(amount);
    }
}

const LAYER: &str = "VAMT file";

/// What the buffer of a text keeps behind a long one.
const USUAL_BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Charset, Encoding};

    fn entries(file: &[u8]) -> (Vec<Entry>, Summary) {
        let mut entries = Vec::new();
        let summary = read(file, |entry| entries.push(entry));
        (entries, summary)
    }

    fn computers(file: &[u8]) -> Vec<Computer> {
        let of = |entry| match entry {
            Entry::Computer(computer) => Some(computer),
            Entry::Value(_) => None,
        };
        entries(file).0.into_iter().filter_map(of).collect()
    }

    #[test]
    fn a_source_in_utf_16_is_read_like_one_in_utf_8_in_pieces_of_any_size() {
        /// One byte at a time.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = buffer.len().min(1);
                self.0.read(&mut buffer[..length])
            }
        }
        let text = "<Data><Computer Name='\u{1f600}'><A>\u{e9}&lt;<![CDATA[&]]></A></Computer></Data>";
        let expected = computers(text.as_bytes());
        assert_eq!(expected[0].value("Name"), Some("\u{1f600}"));
        assert_eq!(expected[0].value("A"), Some("\u{e9}<&"));
        for charset in [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be] {
            for has_bom in [false, true] {
                let bytes = Encoding { charset, has_bom }.encode(text);
                assert_eq!(computers(&bytes), expected);
                let mut slow = Vec::new();
                let summary = read(Slow(&bytes), |entry| slow.push(entry));
                assert_eq!((slow, summary.error), (vec![Entry::Computer(expected[0].clone())], None));
            }
        }
    }

    #[test]
    fn a_text_without_an_end_takes_no_more_memory_than_the_limit() {
        let endless = io::Cursor::new(b"<Data><Computer><A>".to_vec()).chain(io::repeat(b'x'));
        let mut count = 0;
        let summary = read(endless, |_| count += 1);
        assert_eq!((count, summary.computers), (1, 1));
        let error = summary.error.unwrap();
        assert_eq!((error.field, error.offset, error.got()), ("text", 19, Some(MAX_TEXT as u64 + 1)));
    }

    #[test]
    fn what_a_computer_has_too_much_of_is_counted() {
        let products = "<Product><N>1</N></Product>".repeat(MAX_PRODUCTS + 2);
        let file = format!("<D><Computer><P>{products}</P></Computer></D>");
        let computer = &computers(file.as_bytes())[0];
        assert_eq!((computer.products.len(), computer.left_out), (MAX_PRODUCTS, 4));
    }

    #[test]
    fn values_outside_of_computers_are_handed_out_too() {
        let (entries, summary) = entries(b"<D Version='3'><Keys><Key>a</Key><Key/></Keys></D>");
        let value = |name: &str, value: &str, is_attribute| {
            Entry::Value(NamedValue { name: name.to_owned(), value: value.to_owned(), is_attribute })
        };
        assert_eq!(
            entries,
            [value("Version", "3", true), value("Keys/Key", "a", false), value("Keys/Key", "", false)]
        );
        assert_eq!((summary.root.as_str(), summary.values, summary.error), ("D", 3, None));
    }

    #[test]
    fn what_ends_too_early_gives_what_was_there() {
        let (entries, summary) = entries(b"<D><Computer Name='x'><Products><Product Name='y'>");
        let [Entry::Computer(computer)] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((computer.value("Name"), computer.products[0].value("Name")), (Some("x"), Some("y")));
        let error = summary.error.unwrap().to_string();
        assert_eq!(error, "VAMT file: element at offset 50: needed 1 bytes, got 0");
    }
}

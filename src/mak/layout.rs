use std::borrow::Cow;

/// How a message is written. What it says does not depend on it, but the bytes do, and with RequestXml's its Digest.
///
/// The default is what the services get and give mostly: `soap:` in front of the envelope's names, no other prefix, no
/// white space among elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The prefix of the envelope's names; empty for a default namespace.
    pub envelope_prefix: Cow<'static, str>,
    /// The prefix of the content's names (`ar`); empty for a default namespace.
    pub prefix: Cow<'static, str>,
    /// Spaces by which an element stands further in than the one around it; `None` for no white space at all.
    pub indent: Option<u8>,
    /// True where lines end in CR LF.
    pub crlf: bool,
    /// What the XML declaration says that the encoding is; `None` for no declaration.
    pub declaration: Option<&'static str>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { envelope_prefix: Cow::Borrowed("soap"), ..Self::COMPACT }
    }
}

impl Layout {
    /// No prefix, no white space among elements.
    pub const COMPACT: Self = Self {
        envelope_prefix: Cow::Borrowed(""),
        prefix: Cow::Borrowed(""),
        indent: None,
        crlf: false,
        declaration: None,
    };

    /// No prefix, two spaces, CR LF: what the writer of .NET makes when it indents.
    pub const INDENTED: Self = Self { indent: Some(2), crlf: true, ..Self::COMPACT };
}

/// Writes elements in a [`Layout`].
pub(super) struct XmlWriter<'l> {
    layout: &'l Layout,
    prefix: &'l str,
    out: String,
    depth: usize,
    /// True behind an end tag: the end tag of the element around it stands on a line of its own.
    has_closed: bool,
}

impl<'l> XmlWriter<'l> {
    /// A writer of the content's names.
    pub(super) fn new(layout: &'l Layout) -> Self {
        let mut out = String::new();
        if let Some(encoding) = layout.declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"");
            out.push_str(encoding);
            out.push_str("\"?>");
        }
        Self { layout, prefix: &layout.prefix, out, depth: 0, has_closed: false }
    }

    /// Writes the envelope's names from here on, or the content's again.
    pub(super) fn envelope(&mut self, is_envelope: bool) {
        self.prefix = if is_envelope { &self.layout.envelope_prefix } else { &self.layout.prefix };
    }

    /// Writes names in no namespace, where the envelope's have a prefix.
    pub(super) fn unqualified(&mut self) {
        self.prefix = "";
    }

    /// The start tag of an element that declares the namespace of its name, and of those within it.
    pub(super) fn open_in(&mut self, name: &str, namespace: &str) {
        self.begin(name);
        if !namespace.is_empty() || self.prefix.is_empty() {
            self.out.push_str(" xmlns");
            if !self.prefix.is_empty() {
                self.out.push(':');
                self.out.push_str(self.prefix);
            }
            self.out.push_str("=\"");
            escape(namespace, &mut self.out);
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// A start tag.
    pub(super) fn open(&mut self, name: &str) {
        self.begin(name);
        self.out.push('>');
    }

    /// The start tag of an array as SOAP 1.1, 5.4.2 has it.
    pub(super) fn open_array(&mut self, name: &str, array_type: &str) {
        self.begin(name);
        self.out
            .push_str(" xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" soapenc:arrayType=\"");
        escape(array_type, &mut self.out);
        self.out.push_str("\">");
    }

    /// An end tag.
    pub(super) fn close(&mut self, name: &str) {
        self.depth -= 1;
        if self.has_closed {
            self.new_line();
        }
        self.out.push_str("</");
        self.name(name);
        self.out.push('>');
        self.has_closed = true;
    }

    /// An element with text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        escape(text, &mut self.out);
        self.close(name);
    }

    /// An element with text, where there is one.
    pub(super) fn leaf_of(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// Elements that have no place of their own.
    pub(super) fn fields(&mut self, fields: &[super::Field]) {
        for field in fields {
            let (parents, name) = field.name.rsplit_once('/').unwrap_or(("", &field.name));
            let parents = || parents.split('/').filter(|parent| !parent.is_empty());
            parents().for_each(|parent| self.open(parent));
            self.leaf(name, &field.value);
            parents().rev().for_each(|parent| self.close(parent));
        }
    }

    /// Markup as it stands.
    pub(super) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, name: &str) {
        if !self.out.is_empty() {
            self.new_line();
        }
        self.out.push('<');
        self.name(name);
        self.depth += 1;
        self.has_closed = false;
    }

    fn name(&mut self, name: &str) {
        if !self.prefix.is_empty() {
            self.out.push_str(self.prefix);
            self.out.push(':');
        }
        self.out.push_str(name);
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.layout.indent {
            self.out.push_str(if self.layout.crlf { "\r\n" } else { "\n" });
            self.out.extend(std::iter::repeat_n(' ', usize::from(indent) * self.depth));
        }
    }
}

/// Writes text so that it is read again as it is, as text and as an attribute's value.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
}

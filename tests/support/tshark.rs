//! tshark, a dissector that nobody of this project wrote, and what it says of a file.

use std::path::Path;
use std::process::Command;

/// True without tshark, after a message; a failure instead, if `VOLACT_REQUIRE_TSHARK=1`.
pub fn is_missing() -> bool {
    if Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return false;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_TSHARK").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_TSHARK=1, and there is no tshark"
    );
    eprintln!("skipped: there is no tshark to compare with");
    true
}

/// tshark that looks no name up. Whatever the user has set in Wireshark does not matter.
pub fn command() -> Command {
    let mut command = Command::new("tshark");
    let settings = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_wireshark_config");
    command.env("WIRESHARK_CONFIG_DIR", settings).arg("-n");
    command
}

/// A protocol or a field as tshark found it, and what it found in it.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// tshark's name for it, `dns.flags`; empty for a mere heading.
    pub name: String,
    /// Its value as tshark shows it.
    pub show: String,
    /// Its bytes.
    pub value: Vec<u8>,
    /// Where it begins in its packet, or in what was put together from several.
    pub at: usize,
    /// How many bytes it has.
    pub size: usize,
    /// What is in it, in order.
    pub fields: Vec<Field>,
}

impl Field {
    /// The first field in it of this name.
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// All fields of this name, at any depth, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a Field> + 'a> {
        Box::new(self.fields.iter().flat_map(move |field| {
            let own = (field.name == name).then_some(field);
            own.into_iter().chain(field.all(name))
        }))
    }

    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.value.clone()).unwrap()
    }

    /// The bytes as a number, the most significant one first.
    pub fn number(&self) -> u32 {
        assert!(self.value.len() <= 4, "{self:?}");
        self.value.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
    }
}

/// The packets that a display filter lets pass, with their numbers, and the protocols in them.
pub fn dissected(path: &Path, filter: &str) -> Vec<(u64, Vec<Field>)> {
    let output = command().args(["-T", "pdml", "-Y", filter, "-r"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut packets: Vec<(u64, Vec<Field>)> = Vec::new();
    // The fields that are open, the outermost first.
    let mut open: Vec<Field> = Vec::new();
    for tag in text.split('<').skip(1).map(|part| part.split('>').next().unwrap()) {
        if tag == "packet" {
            packets.push((0, Vec::new()));
        }
        let begins = tag.starts_with("proto ") || tag.starts_with("field ");
        if begins {
            open.push(field(tag));
        }
        if tag == "/proto" || tag == "/field" || (begins && tag.ends_with('/')) {
            let field = open.pop().unwrap();
            let (frame, protocols) = packets.last_mut().unwrap();
            if field.name == "frame.number" {
                *frame = field.show.parse().unwrap();
            }
            open.last_mut().map_or(protocols, |outer| &mut outer.fields).push(field);
        }
    }
    packets
}

/// The field that an element of PDML begins.
fn field(tag: &str) -> Field {
    let mut field = Field::default();
    let mut parts = tag.split('"');
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let value = || {
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")]
                .iter()
                .fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
        };
        match name.trim_start_matches(['/', ' ']).trim_start_matches("proto ").trim_start_matches("field ") {
            "name=" => field.name = value(),
            "show=" => field.show = value(),
            "pos=" => field.at = value().parse().unwrap(),
            "size=" => field.size = value().parse().unwrap(),
            "value=" => {
                let digits = value();
                // Parts of a byte and what is no field of the packet have a number here, which nobody needs.
                if digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    let bytes = (0..digits.len()).step_by(2);
                    field.value =
                        bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
                }
            }
            _ => {}
        }
    }
    field
}

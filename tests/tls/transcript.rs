//! The sessions that `record.py` has recorded.

#![allow(dead_code)] // each test uses its own part

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use volact::tls::Side;
use volact::wire::parse_hex;

/// A recorded session.
#[derive(Clone)]
pub(crate) struct Transcript {
    pub(crate) name: String,
    /// Lines of the client's key log.
    pub(crate) key_log: Vec<String>,
    /// What the client sent as early data.
    pub(crate) early: String,
    /// What the client and the server wrote.
    pub(crate) said: [String; 2],
    /// What went over the wire, in order.
    pub(crate) pieces: Vec<(Side, Vec<u8>)>,
}

impl Transcript {
    /// Reads one of them.
    pub(crate) fn read(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let piece = |value: &Value| {
            let side = if value[0] == "c" { Side::Client } else { Side::Server };
            (side, parse_hex(value[1].as_str().unwrap()).unwrap())
        };
        Self {
            name: name.to_owned(),
            key_log: value["key_log"].as_array().unwrap().iter().map(string).collect(),
            early: string(&value["early"]),
            said: [string(&value["said"]["c"]), string(&value["said"]["s"])],
            pieces: value["pieces"].as_array().unwrap().iter().map(piece).collect(),
        }
    }

    /// All of them, in order of their names.
    pub(crate) fn all() -> Vec<Self> {
        let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = names
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    /// The text of the key log.
    pub(crate) fn keys(&self) -> String {
        self.key_log.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls")
}

use std::io::{self, Write};

use clap::Args;

use crate::{redact, report};

use super::{FAILED, FINE, WANTING, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// An HRESULT or ErrorCode (number or symbol), a GUID, an extended product id, an LCID, an attribute or a class of
    /// activation objects, an OID of LDAP, an installation or confirmation ID (in quotes where it has spaces), or hex bytes;
    /// `-` reads values from standard input, one a line
    #[arg(required = true, value_name = "VALUE", allow_hyphen_values = true)]
    values: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let mut values = Vec::new();
    for value in &arguments.values {
        if value == "-" {
            match io::read_to_string(io::stdin()) {
                Ok(text) => {
                    values.extend(text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()))
                }
                Err(error) => {
                    complain(format_args!("standard input: {error}"));
                    return FAILED;
                }
            }
        } else {
            values.push(value.clone());
        }
    }
    let mut out = io::stdout().lock();
    let mut code = FINE;
    for value in &values {
        match report::explain(value) {
            Some(explanation) => {
                if !explanation.is_valid {
                    code = WANTING;
                }
                let text = redact::text(&explanation.text);
                if out.write_all(text.as_bytes()).is_err() {
                    return code;
                }
            }
            None => {
                complain(format_args!("{value:?} is nothing known here"));
                code = WANTING;
            }
        }
    }
    code
}

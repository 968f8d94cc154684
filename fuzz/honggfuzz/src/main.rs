//! All fuzz targets under honggfuzz: one program, which is told the name of a target.

use std::env;
use std::process::ExitCode;

use volact::fuzzing::TARGETS;

fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    let Some((_, body)) = TARGETS.iter().find(|(target, _)| *target == name) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("'{name}' is no fuzz target, there are: {}", names.join(", "));
        return ExitCode::from(2);
    };
    loop {
        honggfuzz::fuzz!(|data: &[u8]| { body(data) });
    }
}

//! Fills `corpus/<target>/`, where `cargo fuzz run <target>` begins and writes what it finds, with copies of the named seeds
//! of the repository's `corpus/`, and of what once failed. Git ignores the folder: the named set stays as it is.

use std::path::Path;
use std::{fs, io};

fn main() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = own.join("../corpus");
    println!("cargo::rerun-if-changed={}", named.display());
    // Where somebody has thrown the folder away, it is filled again; what is found there since is left alone.
    let filled = own.join("corpus/.filled");
    println!("cargo::rerun-if-changed={}", filled.display());
    for (from, front) in [(named.clone(), ""), (named.join("regressions"), "regression.")] {
        if let Err(error) = copy(&from, &own.join("corpus"), front) {
            println!("cargo::warning=the fuzz targets have no seeds: {}: {error}", from.display());
            return;
        }
    }
    if !filled.exists()
        && let Err(error) = fs::write(&filled, "")
    {
        println!("cargo::warning={}: {error}", filled.display());
    }
}

/// Copies the files of each folder of `from` into the folder of its name, where they are not there yet.
fn copy(from: &Path, to: &Path, front: &str) -> io::Result<()> {
    for target in fs::read_dir(from)? {
        let target = target?;
        if !target.file_type()?.is_dir() || target.file_name() == "regressions" {
            continue;
        }
        let folder = to.join(target.file_name());
        fs::create_dir_all(&folder)?;
        for seed in fs::read_dir(target.path())? {
            let seed = seed?;
            let copy = folder.join(format!("{front}{}", seed.file_name().to_string_lossy()));
            if !copy.exists() {
                fs::copy(seed.path(), copy)?;
            }
        }
    }
    Ok(())
}

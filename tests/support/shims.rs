//! The sample shims, where what runs them is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

pub(crate) fn python() -> Option<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("shims/python/shim.py");
    is_there("python3").then(|| vec!["python3".to_owned(), script.to_str().unwrap().to_owned()])
}

/// Built once, as its first lines say.
pub(crate) fn c() -> Option<Vec<String>> {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shims/c/shim.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}", std::process::id()));
        let status = Command::new("cc")
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-o"])
            .args([&program, &source])
            .status()
            .unwrap();
        assert!(status.success());
        program
    });
    is_there("cc").then(|| vec![BUILT.to_str().unwrap().to_owned()])
}

pub(crate) fn is_there(program: &str) -> bool {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    if output.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_PEERS=1, and there is no {program}"
    );
    eprintln!("skipped: there is no {program}");
    false
}

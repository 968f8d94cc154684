//! The page of `diagnose` in a real browser: 10,000 stories, of which it sorts, filters, opens and prints.
//!
//! The page and pictures of it are left in `target/tmp`. Without Chromium and node the browser's part is skipped with a
//! message, unless `VOLACT_REQUIRE_BROWSER=1`. It prints what things took; nothing is judged by time.

#![cfg(feature = "cli")]

mod fleet;

use std::fs;
use std::path::Path;
use std::process::Command;

use volact::diagnosis::FileDiagnosis;
use volact::report::diagnosis::html;

#[test]
fn ten_thousand_stories_are_sorted_filtered_opened_and_printed() {
    drive("many", &[fleet::file(10_000)]);
}

#[test]
fn the_story_of_one_machine_is_open_and_says_why() {
    drive("one", &[fleet::one()]);
}

#[test]
fn a_page_of_no_story_says_so() {
    drive("none", &[fleet::file(0)]);
}

/// Writes the page and runs the script that drives a browser over it.
fn drive(what: &str, files: &[FileDiagnosis]) {
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("diagnose-{what}.html"));
    let mut bytes = Vec::new();
    html(files, &mut bytes).unwrap();
    fs::write(&page, &bytes).unwrap();
    if is_missing() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/drive.mjs");
    let output = Command::new("node").arg(script).arg(what).arg(&page).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{what}: {} bytes\n{said}", bytes.len());
}

/// True without a browser, after a message; a failure instead, if `VOLACT_REQUIRE_BROWSER=1`.
fn is_missing() -> bool {
    let is_there = |program: &&str| {
        // Chromium's answer depends on who asks, not that there is one.
        Command::new(program).arg("--version").output().is_ok()
    };
    let missing: Vec<&str> = ["node", "chromium"].into_iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return false;
    }
    let required = std::env::var_os("VOLACT_REQUIRE_BROWSER").is_some_and(|value| value == "1");
    assert!(!required, "VOLACT_REQUIRE_BROWSER=1, and there is no {}", missing.join(", no "));
    eprintln!("skipped: there is no {} to show the page", missing.join(", no "));
    true
}

//! What the documents show is what the program does: every console block is run, and the JSON Lines schema lists just
//! the fields that are written.

#![cfg(feature = "cli")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use volact::diagnosis::CauseKind;
use volact::directory::schema::{self, Syntax};
use volact::mak::ErrorCode;
use volact::trace::Filter;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(docs.filter(|path| path.extension().is_some_and(|suffix| suffix == "md")));
    documents.sort();
    documents
}

fn volact(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_volact")).current_dir(root()).args(arguments).output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a command; blanks between single quotation marks belong to their word, as in a shell.
fn words(command: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let is_end = |c| {
        is_quoted ^= c == '\'';
        c == ' ' && !is_quoted
    };
    command.split(is_end).map(|word| word.trim_matches('\'')).collect()
}

/// The text with the output of each console block as the program gives it now, and the number of blocks.
fn with_real_output(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut blocks = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if line != "```console" {
            continue;
        }
        let command = lines.next().unwrap();
        let arguments = words(command.strip_prefix("$ volact ").unwrap());
        out.push_str(command);
        out.push('\n');
        out.push_str(volact(&arguments).trim_end());
        out.push_str("\n```\n");
        blocks += 1;
        for line in lines.by_ref() {
            if line == "```" {
                break;
            }
        }
    }
    (out, blocks)
}

/// With VOLACT_WRITE_DOCS=1 in the environment, writes the blocks anew instead of comparing them.
#[test]
fn every_console_block_shows_what_the_program_prints() {
    let mut blocks = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let (real, count) = with_real_output(&text);
        blocks += count;
        if std::env::var_os("VOLACT_WRITE_DOCS").is_some() {
            fs::write(&path, real).unwrap();
        } else {
            assert_eq!(text, real, "{} does not show what the program prints", path.display());
        }
    }
    assert!(blocks >= 4, "{blocks} blocks");
}

/// With VOLACT_WRITE_DOCS=1 in the environment, writes it anew instead of comparing it.
#[test]
fn the_ledger_is_what_the_program_prints() {
    let path = root().join("docs/rules.md");
    let real = volact(&["rules", "--format", "markdown"]);
    if std::env::var_os("VOLACT_WRITE_DOCS").is_some() {
        fs::write(&path, real).unwrap();
    } else {
        assert!(fs::read_to_string(&path).unwrap() == real, "docs/rules.md is not the ledger: write it anew");
    }
}

/// Holds the table between two marks of a document against the real one, with VOLACT_WRITE_DOCS=1 writes it anew.
fn hold_table(document: &str, mark: &str, heading: &str, rows: impl Iterator<Item = String>) {
    let path = root().join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    let rule = "|---".repeat(heading.matches('|').count() - 1);
    let table: String =
        [heading.to_owned(), rule + "|"].into_iter().chain(rows).map(|row| row + "\n").collect();
    let real = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("VOLACT_WRITE_DOCS").is_some() {
        fs::write(&path, real).unwrap();
    } else {
        assert_eq!(text, real, "{document} does not list the {mark} there are");
    }
}

#[test]
fn the_tables_list_what_there_is() {
    let fields = Filter::fields().map(|field| {
        let names: Vec<String> =
            [field.name].iter().chain(field.aliases).map(|name| format!("`{name}`")).collect();
        let words: Vec<String> = field.words().iter().map(|word| format!("`{word}`")).collect();
        let separator = if words.is_empty() { "" } else { ": " };
        let (names, words) = (names.join(", "), words.join(", "));
        format!("| {names} | {} | {}{separator}{words} |", field.type_name(), field.meaning)
    });
    hold_table("docs/filter.md", "fields", "| field | type | meaning |", fields);
    let codes = ErrorCode::all()
        .iter()
        .map(|(code, meaning, authority)| format!("| `{code}` | {meaning} | {authority} |"));
    hold_table("docs/mak.md", "codes", "| code | means | says |", codes);
    let attributes = schema::ATTRIBUTES.iter().map(|attribute| {
        let (syntax, unit) = match attribute.syntax {
            Syntax::Octets => ("octets", "bytes"),
            Syntax::Unicode => ("text", "characters"),
        };
        let size = match attribute.least == attribute.most {
            true => format!("{} {unit}", attribute.most),
            false => format!("at most {} {unit}", attribute.most),
        };
        let values = if attribute.is_single { "one" } else { "several" };
        let must = if schema::is_mandatory(attribute) { "yes" } else { "" };
        format!("| `{}` | {} | {syntax} | {size} | {values} | {must} |", attribute.name, attribute.oid)
    });
    let causes = CauseKind::ALL.iter().map(|cause| {
        let article = cause.article().unwrap_or_default();
        format!("| `{}` | {} | {} | {article} |", cause.name(), cause.headline(), cause.remedy())
    });
    hold_table(
        "docs/diagnose.md",
        "causes",
        "| cause | what it is | what to do | Microsoft's article |",
        causes,
    );
    let heading = "| attribute | OID | syntax | length | values | must be there |";
    hold_table("docs/directory.md", "attributes", heading, attributes);
}

#[test]
fn what_the_pages_name_is_what_there_is() {
    let has = |document: &str, name: &str| {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        let is_there = names.flat_map(|names| names.split(", ")).any(|other| other.trim_matches('`') == name);
        assert!(is_there, "{document} has no row for {name}");
    };
    let exchange = &support::mak_exchanges("mak_request.xml")[0];
    for (check, _) in &exchange.checks {
        has("docs/mak.md", check);
    }
    for (target, _) in volact::fuzzing::TARGETS {
        has("fuzz/README.md", target);
    }
}

/// What a target's function says that it holds: the first paragraph of its documentation, or of that of the function
/// that it reads the bytes for, without links.
fn held_by(target: &str, sources: &[String]) -> String {
    let documented = |name: &str| {
        sources.iter().find_map(|source| {
            let (before, _) = source.split_once(&format!("\npub fn {name}("))?;
            let lines = before.lines().rev();
            let lines = lines.skip_while(|line| line.starts_with("#["));
            let mut lines: Vec<&str> = lines.map_while(|line| line.strip_prefix("///")).collect();
            lines.reverse();
            let paragraph: Vec<&str> =
                lines.into_iter().map(str::trim).take_while(|line| !line.is_empty()).collect();
            Some(paragraph.join(" "))
        })
    };
    let text = documented(&format!("{target}_of")).or_else(|| documented(target)).expect(target);
    let text = text.replace("[`super::", "[`").replace("[`", "`").replace("`]", "`");
    text.strip_prefix("Holds ").map_or(text.clone(), str::to_owned)
}

#[test]
fn the_targets_are_listed_with_what_they_hold() {
    let source = root().join("src");
    let mut folders = vec![source.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if !path.strip_prefix(&source).unwrap().to_string_lossy().starts_with("fuzzing") {
                continue;
            }
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push(fs::read_to_string(path).unwrap()),
            }
        }
    }
    let rows = volact::fuzzing::TARGETS
        .iter()
        .map(|(target, _)| format!("| `{target}` | {} |", held_by(target, &sources)));
    hold_table("docs/fuzzing.md", "targets", "| target | holds |", rows);
}

/// Each target is a program of cargo-fuzz, and no other is.
#[test]
fn every_target_is_a_program() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let mut programs: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    programs.sort_unstable();
    let targets: Vec<&str> = volact::fuzzing::TARGETS.iter().map(|(target, _)| *target).collect();
    assert_eq!(programs, targets);
}

#[test]
fn every_relative_link_leads_somewhere() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if !target.contains("://") && !file.is_empty() {
                assert!(path.parent().unwrap().join(file).exists(), "{}: {target}", path.display());
            }
        }
    }
}

fn collect(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if path != "unknown_links" => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                fields.insert(path.clone());
                collect(value, &path, fields);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| collect(item, &format!("{path}[]"), fields));
        }
        _ => {}
    }
}

/// What `volact decode` prints of all captures: of some only with an option of their own.
fn everything(arguments: &[&str]) -> String {
    let decode = |more: &[&str]| volact(&[&["decode"], arguments, more].concat());
    let mut out = decode(&["captures"]);
    for name in support::mak_names() {
        let output = support::decode_mak(&name, arguments);
        out.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    for name in ["ldap_starttls", "ldap_ldaps"] {
        let [keys, capture] = ["keys", "pcapng"].map(|suffix| format!("captures/directory/{name}.{suffix}"));
        out.push_str(&decode(&["--keylog", &keys, &capture]));
    }
    for name in ["vmbus_wrap", "vmbus_torn"] {
        out.push_str(&decode(&["--ring", &format!("captures/vmbus/{name}.ring")]));
    }
    out
}

#[test]
fn the_schema_lists_the_fields_that_are_written_and_no_others() {
    let mut written = BTreeMap::<String, BTreeSet<String>>::new();
    let records = everything(&["-v", "--format", "jsonl"]);
    let statistics = everything(&["--stats", "--format", "jsonl"]);
    for line in records.lines().chain(statistics.lines()) {
        let record: Value = serde_json::from_str(line).unwrap();
        let fields = written.entry(record["type"].as_str().unwrap().to_owned()).or_default();
        collect(&record, "", fields);
        fields.retain(|field| field != "type" && field != "file");
    }
    let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
    let mut rare = BTreeMap::<String, BTreeSet<String>>::new();
    let mut record = String::new();
    let text = fs::read_to_string(root().join("docs/jsonl.md")).unwrap();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            record = heading.trim_end_matches('`').to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            for cell in row.split(" |").next().unwrap().split(", ") {
                let name = cell.trim_matches(|c| c == '`' || c == ' ' || c == '†');
                let of = if cell.contains('†') { &mut rare } else { &mut documented };
                of.entry(record.clone()).or_default().insert(name.to_owned());
            }
        }
    }
    for (record, rare) in &rare {
        let there: Vec<_> = rare.intersection(&written[record]).collect();
        assert!(there.is_empty(), "{record}: {there:?} are marked as in no shared capture, but are in one");
    }
    assert_eq!(written, documented);
}

//! The rules, listed and explained: for people, as JSON Lines, and as the ledger `docs/rules.md`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::conformance::{FAMILIES, Rule, UNCHECKED, family_of};

/// Rules, one a line, and their number.
#[must_use]
pub fn list(rules: &[&Rule]) -> String {
    let mut out = String::new();
    let id = rules.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let family = rules.iter().map(|rule| family_name(rule).len()).max().unwrap_or_default();
    for rule in rules {
        let _ =
            writeln!(out, "{:id$}  {:8}  {:family$}  {}", rule.id, rule.level, family_name(rule), rule.title);
    }
    let _ = writeln!(out, "{} rule{}", rules.len(), if rules.len() == 1 { "" } else { "s" });
    out
}

/// All of a rule.
#[must_use]
pub fn explain(rule: &Rule) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", rule.id, rule.title);
    let family = family_of(rule).map_or("", |family| family.title);
    for (name, value) in [
        ("level", rule.level.to_string()),
        ("authority", rule.authority.to_owned()),
        ("looks at", rule.looks_at.to_owned()),
        ("holds", rule.holds.to_owned()),
        ("about", format!("the {}, by each {}", rule.about.name(), rule.subject.name())),
        ("family", format!("{} ({family})", family_name(rule))),
        ("tags", rule.tags.join(", ")),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "  {name:9}  {value}");
        }
    }
    out
}

/// A rule as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    title: &'a str,
    level: &'a str,
    authority: &'a str,
    looks_at: &'a str,
    holds: &'a str,
    about: &'a str,
    subject: &'a str,
    family: &'a str,
    tags: &'a [&'a str],
}

/// Rules as JSON Lines.
#[must_use]
pub fn jsonl(rules: &[&Rule]) -> String {
    let mut out = String::new();
    for rule in rules {
        let line = Line {
            id: rule.id,
            title: rule.title,
            level: rule.level.name(),
            authority: rule.authority,
            looks_at: rule.looks_at,
            holds: rule.holds,
            about: rule.about.name(),
            subject: rule.subject.name(),
            family: family_name(rule),
            tags: rule.tags,
        };
        // Text and lists of it cannot fail to be written.
        if let Ok(line) = serde_json::to_string(&line) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// The ledger: rules by family, and what no rule checks.
#[must_use]
pub fn markdown(rules: &[&Rule]) -> String {
    let mut out = String::from(HEAD);
    let _ = writeln!(out, "{} rules, and {} requirements that none checks.", rules.len(), UNCHECKED.len());
    for family in FAMILIES {
        let rules: Vec<&&Rule> = rules.iter().filter(|rule| family_name(rule) == family.name).collect();
        if rules.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {}\n\nFamily `{}`, {} rules.", family.title, family.name, rules.len());
        for rule in rules {
            let tags: Vec<String> = rule.tags.iter().map(|tag| format!("`{tag}`")).collect();
            let _ = writeln!(out, "\n### {}\n", rule.id);
            let _ = writeln!(out, "{}. **{}**, {}.\n", cell(rule.title), rule.level, cell(rule.authority));
            let _ = writeln!(out, "- Looks at: {}", cell(rule.looks_at));
            let _ = writeln!(out, "- Holds: {}", cell(rule.holds));
            let _ = write!(out, "- About the {}, by each {}", rule.about.name(), rule.subject.name());
            let _ = match tags.is_empty() {
                true => writeln!(out, "."),
                false => writeln!(out, "; tags {}.", tags.join(", ")),
            };
        }
    }
    out.push_str(
        "\n## What is not checked\n\n| about | requirement | authority | why not |\n|---|---|---|---|\n",
    );
    for unchecked in UNCHECKED {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {}: {} |",
            unchecked.family,
            cell(unchecked.requirement),
            cell(unchecked.authority),
            unchecked.reason.name(),
            cell(unchecked.why)
        );
    }
    out
}

const HEAD: &str = "# The rules

What `volact check` and `volact test` judge by. `volact rules` lists and explains the same; this page is
`volact rules --format markdown`, and a test holds it to that.

A rule's id is never used for another rule, also once the rule is gone. Its level says how much it demands: **MUST**
where a named authority demands it or a genuine peer refuses otherwise, **SHOULD** where good peers do it, **MAY** for a
choice that is worth knowing, **OBSERVED** for what genuine or well-known software does and nothing demands. A breach of
a MUST shuts the gate, one of a SHOULD only with `--strict`, the others are remarks.

";

fn family_name(rule: &Rule) -> &'static str {
    family_of(rule).map_or("", |family| family.name)
}

/// Text that does not end a table's cell, and is no markup by accident.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '<' | '*' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

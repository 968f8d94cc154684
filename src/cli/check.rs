use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::capture::{Packets, Progress, Within};
use crate::conformance::{
    CaseResult, FAMILIES, Family, Findings, Judge, Level, Rule, Run, Verdict, family_of, rules,
};
use crate::report::results::of_findings;
use crate::trace::{
    FileFormat, FileRecord, InputKind, Notice, Observer as _, Options, RingOptions, trace_document,
    trace_pages,
};

use super::input::{Input, Reading};
use super::output::Output;
use super::progress::Bar;
use super::selection::Selection;
use super::{FAILED, USAGE, complain, excerpt, quoted};

#[derive(Args)]
pub(super) struct Arguments {
    /// What to judge: captures, HAR files, bodies of MAK's services, VAMT files and LDIF, as `decode` takes them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    selection: Selection,
    /// Only rules of this level; can be repeated
    #[arg(long, value_enum, value_name = "LEVEL", value_delimiter = ',')]
    level: Vec<Level>,
    /// List the rules that would be judged by, and stop
    #[arg(long)]
    list: bool,
    /// Keep this many breaches of each rule; the others are counted
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Do not say who the KMS hosts seem to be
    #[arg(long)]
    no_hosts: bool,
    /// Write the packets of each broken rule's first breach into this folder: those of its connection, or, where it is
    /// about none, the packets that show it
    #[arg(long, value_name = "FOLDER")]
    pcapng: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl ValueEnum for Level {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl Arguments {
    fn takes(&self, rule: &Rule) -> bool {
        let family = family_of(rule).map(|family| family.name);
        let tags = rule.tags.iter().copied().chain(family);
        self.selection.takes(rule.id, tags) && (self.level.is_empty() || self.level.contains(&rule.level))
    }

    /// The command that judges an input again.
    fn repeat(&self, file: &FileRecord<'_>) -> String {
        let is_ring = file.format == Some(FileFormat::Other(InputKind::Ring));
        let names = if file.files.is_empty() { &[file.name][..] } else { file.files };
        let mut words = vec!["volact check".to_owned()];
        words.extend(is_ring.then(|| "--ring".to_owned()));
        words.extend(names.iter().map(|name| quoted(name)));
        words.extend(self.input.words(is_ring));
        words.join(" ")
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let known: Vec<&str> = rules().map(|rule| rule.id).chain([CaseResult::INPUT]).collect();
    if let Some(pattern) = arguments.selection.idle(&known, &tags()) {
        complain(format_args!("{pattern:?} is no rule's id or tag; `volact rules` lists them"));
        return USAGE;
    }
    let rules: Vec<&'static Rule> = rules().filter(|rule| arguments.takes(rule)).collect();
    if rules.is_empty() && !arguments.selection.takes_id(CaseResult::INPUT) {
        complain("no rule is left by what was selected");
        return USAGE;
    }
    if arguments.list {
        return super::rules::list(&rules);
    }
    let ready = arguments.output.ready().and_then(|()| {
        let options = arguments.input.options()?;
        Ok((options, arguments.input.files(&arguments.files)?))
    });
    let (options, mut files) = match ready {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    // A suite has one name, and an input is judged once.
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    let progress = Progress::default();
    let bar = Bar::start(&progress);
    let run = Run { command: "check".to_owned(), ..Run::default() };
    let mut checking = Checking { arguments, options, rules, run };
    arguments.input.read(&files, &progress, &mut checking);
    drop(bar);
    let Checking { options, rules, run, .. } = checking;
    let mut is_written = true;
    if let Some(folder) = &arguments.pcapng {
        is_written = excerpt::write(folder, &run, &files, &arguments.input, &options);
    }
    let selected: HashSet<&str> = rules.iter().map(|rule| rule.id).collect();
    let is_whole = selected.len() + 1 == known.len();
    // What is no rule's id is looked at where all rules are: nothing has left it out.
    let code = arguments.output.finish(run, |id| {
        selected.contains(id) || id == CaseResult::INPUT || is_whole && !known.contains(&id)
    });
    if is_written { code } else { FAILED }
}

/// The tags of all rules, and the names of their families.
pub(super) fn tags() -> HashSet<&'static str> {
    let of_family = |family: &'static Family| {
        family.rules.iter().flat_map(|rule| rule.tags).copied().chain([family.name])
    };
    FAMILIES.iter().flat_map(of_family).collect()
}

/// Judges each input.
struct Checking<'a> {
    arguments: &'a Arguments,
    options: Options,
    rules: Vec<&'static Rule>,
    run: Run,
}

impl Checking<'_> {
    fn judge(&self) -> Judge {
        Judge::new(self.rules.iter().copied(), usize::from(self.arguments.limit))
    }

    fn take(&mut self, file: &FileRecord<'_>, findings: &Findings) {
        let name = file.name;
        for failure in &findings.failures {
            complain(format_args!("{name}: {failure}"));
        }
        let mut suite = of_findings(name, findings, usize::from(self.arguments.limit));
        let repeat = self.arguments.repeat(file);
        for case in &mut suite.cases {
            if !matches!(case.verdict, Verdict::Pass | Verdict::Skipped) {
                case.repeat = match case.id.as_str() {
                    CaseResult::INPUT => repeat.clone(),
                    id => format!("{repeat} --only {id}"),
                };
            }
        }
        if self.arguments.no_hosts {
            suite.hosts.clear();
        }
        self.run.suites.push(suite);
    }
}

impl Reading for Checking<'_> {
    fn capture(&mut self, file: &FileRecord<'_>, packets: &mut (impl Packets + Send)) {
        let mut packets = Within::new(packets, self.arguments.input.window());
        let mut chief = self.judge();
        let judges = (0..self.arguments.input.threads()).map(|_| self.judge()).collect();
        let traced = trace_pages(&mut packets, &self.options, &mut chief, judges, |_| true);
        traced.scribes.into_iter().for_each(|judge| chief.merge(judge));
        self.take(file, &chief.finish());
    }

    fn document(&mut self, file: &FileRecord<'_>, kind: InputKind, reader: impl Read, rings: &RingOptions) {
        let mut judge = self.judge();
        trace_document(kind, reader, rings, &mut judge);
        self.take(file, &judge.finish());
    }

    fn unreadable(&mut self, name: &str, _is_open: bool, notice: &Notice) {
        let mut judge = self.judge();
        judge.notice(notice);
        self.take(&FileRecord { name, format: None, files: &[] }, &judge.finish());
    }
}

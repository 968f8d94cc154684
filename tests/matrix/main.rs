//! Every rule has an input that passes it and everything else, and one that breaks it and nothing else.
//!
//! Each rule is one named test: `cargo test --test matrix RPC-VERSION`.

mod bodies;
mod conversation;
mod directory;
mod dns;
mod epid;
mod files;
mod host;
mod kms_crypto;
mod kms_request;
mod kms_response;
mod mak_ids;
mod mak_services;
mod policy;
mod rpc_calls;
mod rpc_faults;
mod rpc_framing;
mod rpc_negotiation;
mod vmbus;

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use volact::conformance::{Findings, Judge, rules};
use volact::trace::Options;

/// The two inputs of a rule: the bytes of files as `volact check` reads them.
pub(crate) struct Example {
    /// The rule's id.
    pub(crate) rule: &'static str,
    /// Passes everything, and has something that the rule applies to.
    pub(crate) passes: Vec<u8>,
    /// Breaks this rule, and no other.
    pub(crate) fails: Vec<u8>,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    examples.extend(rpc_framing::examples());
    examples.extend(rpc_negotiation::examples());
    examples.extend(rpc_calls::examples());
    examples.extend(rpc_faults::examples());
    examples.extend(kms_request::examples());
    examples.extend(kms_response::examples());
    examples.extend(kms_crypto::examples());
    examples.extend(epid::examples());
    examples.extend(policy::examples());
    examples.extend(host::examples());
    examples.extend(mak_ids::examples());
    examples.extend(mak_services::examples());
    examples.extend(vmbus::examples());
    examples.extend(dns::examples());
    examples.extend(directory::examples());
    examples
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    let known: HashSet<&str> = rules().map(|rule| rule.id).collect();
    let mut trials = Vec::new();
    let mut by_rule: HashMap<&str, Example> = HashMap::new();
    for example in examples() {
        assert!(known.contains(example.rule), "{}: there is no such rule", example.rule);
        assert!(by_rule.insert(example.rule, example).is_none(), "a rule has two examples");
    }
    for rule in rules() {
        let example = by_rule.remove(rule.id);
        trials.push(Trial::test(rule.id, move || {
            let example = example.ok_or("it has no example")?;
            passes(&example)?;
            fails(&example)
        }));
    }
    trials.push(Trial::test("every id is used once", || {
        let mut seen = HashSet::new();
        match rules().find(|rule| !seen.insert(rule.id)) {
            Some(rule) => Err(Failed::from(format!("{} is used twice", rule.id))),
            None => Ok(()),
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn judged(bytes: &[u8]) -> Findings {
    Judge::new(rules(), 3).input("example", bytes, &Options::default())
}

/// The rules that are broken, with what is said of each.
fn broken(findings: &Findings) -> Vec<(&'static str, String)> {
    let broken = findings.rules.iter().filter(|finding| finding.broken > 0);
    broken.map(|finding| (finding.rule.id, finding.breaches[0].breach.message.clone())).collect()
}

fn passes(example: &Example) -> Result<(), Failed> {
    let findings = judged(&example.passes);
    let broken = broken(&findings);
    if !broken.is_empty() {
        return Err(format!("the example that passes breaks {broken:?}").into());
    }
    let finding = findings.rules.iter().find(|finding| finding.rule.id == example.rule);
    if finding.is_none_or(|finding| finding.checked == 0) {
        return Err("the example that passes has nothing that the rule applies to".into());
    }
    if !findings.failures.is_empty() {
        return Err(format!("the example that passes cannot be read: {:?}", findings.failures).into());
    }
    Ok(())
}

fn fails(example: &Example) -> Result<(), Failed> {
    let broken = broken(&judged(&example.fails));
    match broken.as_slice() {
        [(rule, message)] if *rule == example.rule => {
            if message.is_empty() {
                Err("the breach has no message".into())
            } else {
                Ok(())
            }
        }
        _ => Err(format!("the example that fails breaks {broken:?}").into()),
    }
}

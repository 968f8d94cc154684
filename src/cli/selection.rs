use std::collections::HashSet;

use clap::Args;

use crate::conformance::glob;

/// Which rules or cases are meant.
#[derive(Args)]
pub(super) struct Selection {
    /// Only these rules or cases: ids, in which `*` stands for any characters
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these rules or cases out
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    skip: Vec<String>,
    /// Only rules or cases with one of these tags; a family is one
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tag: Vec<String>,
}

impl Selection {
    /// True where what has this id and these tags is meant.
    pub(super) fn takes<'a>(&self, id: &str, mut tags: impl Iterator<Item = &'a str>) -> bool {
        self.takes_id(id)
            && (self.tag.is_empty()
                || tags.any(|tag| self.tag.iter().any(|wanted| wanted.eq_ignore_ascii_case(tag))))
    }

    /// True where what has this id is meant, whatever its tags.
    pub(super) fn takes_id(&self, id: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, id));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }

    /// A pattern that matches none of these ids, or a tag that is none of these: it selects nothing, which nobody wants to
    /// say.
    pub(super) fn idle<'a>(&'a self, ids: &[&str], tags: &HashSet<&str>) -> Option<&'a str> {
        let patterns = self.only.iter().chain(&self.skip).map(String::as_str);
        let mut idle = patterns.filter(|pattern| !ids.iter().any(|id| glob(pattern, id)));
        let is_tag = |wanted: &str| tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted));
        idle.next().or_else(|| self.tag.iter().map(String::as_str).find(|tag| !is_tag(tag)))
    }
}

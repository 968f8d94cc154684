use serde::{Deserialize, Serialize};

use crate::peer::shim::{Fields, Query};

/// A case: a question, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The operation.
    pub op: String,
    /// What it is given.
    pub given: Fields,
    /// What it was given before that was changed.
    pub right: Fields,
    /// What was left wrong, where that is one thing: a name of a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_wrong: Option<String>,
    /// What was changed, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Plan {
    /// A question as a case of `volact test shim` asks it.
    pub(super) fn of(query: Query) -> Self {
        Self {
            op: query.op.to_owned(),
            given: query.fields.clone(),
            right: query.fields,
            left_wrong: None,
            notes: Vec::new(),
        }
    }

    /// The question; `None` where there is no such operation.
    pub(super) fn query(&self) -> Option<Query> {
        Query::of(&self.op, self.given.clone())
    }
}

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A case of a fuzzing run, as it is saved: what `volact test ... --case FILE` does again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile<P> {
    /// [`CASE_SCHEMA`].
    pub schema: String,
    /// [`super::Target::name`] of what it is a case of.
    pub target: String,
    /// The id of the finding.
    pub id: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// The id of the sign that has to show.
    pub sign: String,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the case in it.
    pub number: u64,
    /// What is done.
    pub plan: P,
}

/// A case file that is none.
#[derive(Debug)]
pub struct CaseFileError(String);

/// What a case file calls itself.
pub const CASE_SCHEMA: &str = "volact-case/1";

impl<P: Serialize + DeserializeOwned> CaseFile<P> {
    /// Reads a case of this target.
    ///
    /// # Errors
    /// It is no JSON, another schema's, or of another target.
    pub fn parse(text: &str, target: &str) -> Result<Self, CaseFileError> {
        let (schema, of) = schema_of(text)?;
        if schema != CASE_SCHEMA {
            return Err(CaseFileError(format!("schema {schema:?}, not {CASE_SCHEMA:?}")));
        }
        if of.as_deref() != Some(target) {
            let of = of.unwrap_or_default();
            return Err(CaseFileError(format!("a case of {of:?}, not of {target:?}")));
        }
        let case: Self = serde_json::from_str(text).map_err(|error| CaseFileError(error.to_string()))?;
        if is_id(&case.id) { Ok(case) } else { Err(CaseFileError(format!("{:?} is no id", case.id))) }
    }

    /// As it stands in a file: indented, with a line end behind it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers cannot fail to be written.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// True for what can be the id of a finding, and so a part of a file's name.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Bytes of an id.
const MAX_ID: usize = 200;

/// The schema that a file says it has, and of which target it is.
///
/// # Errors
/// It is no JSON object with a schema.
pub fn schema_of(text: &str) -> Result<(String, Option<String>), CaseFileError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
        target: Option<String>,
    }
    let head: Head = serde_json::from_str(text).map_err(|error| CaseFileError(error.to_string()))?;
    Ok((head.schema, head.target))
}

impl CaseFileError {
    /// Of this message.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for CaseFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CaseFileError {}

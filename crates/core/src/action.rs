//! One proposed tool call, normalised.

use std::sync::Arc;

use serde_json::Value;

use crate::contract::Role;
pub use crate::contract::{Contract, Effect};
use crate::json::{self, JsonError};
use crate::names::{ActionId, ToolName};
use crate::origin::arguments::leaves;
use crate::time::Time;

/// One proposed tool call. Wrapper tools are resolved before this is built; the name as called is kept.
#[derive(Clone, Debug)]
pub struct Action {
    /// Who it is, for its whole life.
    pub id: ActionId,
    /// The real tool.
    pub tool: ToolName,
    /// The name the agent called, where a wrapper stood before the real tool.
    pub original: Option<Arc<str>>,
    /// The arguments, as text and as value.
    pub arguments: Arguments,
    /// What the tool does, as far as somebody declared it.
    pub contract: Arc<Contract>,
    /// Actions whose output this one uses, as its caller says.
    pub depends_on: Vec<ActionId>,
    /// When it was intercepted.
    pub submitted_at: Time,
}

impl Action {
    /// What its arguments name as whom or where it reaches: parties, payees and URLs, as they are written.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        const NAMED: [&str; 9] =
            ["to", "cc", "bcc", "recipient", "recipients", "destination", "url", "address", "email"];
        let meaning = self.contract.meaning.as_deref();
        let reaches = |pointer: &str| match meaning.and_then(|meaning| meaning.role(pointer)) {
            Some(role) => matches!(role, Role::Party | Role::Payee | Role::Url),
            None => pointer.split('/').nth(1).is_some_and(|name| NAMED.contains(&name)),
        };
        let all = leaves(self.arguments.value()).into_iter();
        all.filter(|(pointer, _)| reaches(pointer)).map(|(_, value)| value).collect()
    }
}

/// Arguments: the exact text that was judged and is forwarded, and the value that rules read.
#[derive(Clone, Debug)]
pub struct Arguments {
    text: Arc<str>,
    value: Arc<Value>,
}

impl Arguments {
    /// Reads the exact text of an argument object.
    ///
    /// # Errors
    /// Malformed or ambiguous JSON, or JSON that is not an object.
    pub fn parse(text: &str) -> Result<Self, ArgumentsError> {
        let value = json::parse(text)?;
        if !value.is_object() {
            return Err(ArgumentsError::NotAnObject);
        }
        Ok(Self { text: text.into(), value: Arc::new(value) })
    }

    /// Writes a changed value as new text; the one place where argument text is made and not received.
    #[must_use]
    pub(crate) fn from_value(value: Value) -> Self {
        Self { text: value.to_string().into(), value: Arc::new(value) }
    }

    /// The exact text.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The value, always an object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// Why arguments could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Not JSON, or JSON with two readings.
    #[error("the arguments are not unambiguous JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no object.
    #[error("the arguments are not a JSON object")]
    NotAnObject,
}

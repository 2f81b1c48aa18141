//! One proposed tool call, normalised.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::{self, JsonError};
use crate::names::{ActionId, ToolName};
use crate::time::{Span, Time};

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

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Reads inside the upstream.
    Read,
    /// Reads in a way that lets an outsider see the request.
    EgressRead,
    /// Writes where only insiders see it.
    WriteInternal,
    /// Writes where outsiders see it.
    WriteOutbound,
    /// Removes or overwrites what cannot be had back.
    Destructive,
    /// Runs code.
    Execute,
    /// Makes, shows or changes a credential.
    Credential,
    /// Moves money.
    Payment,
    /// Nobody said; taken as whatever is most cautious where it matters.
    #[default]
    Unknown,
}

impl Effect {
    /// The word used in configuration, policy and receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::EgressRead => "egress_read",
            Self::WriteInternal => "write_internal",
            Self::WriteOutbound => "write_outbound",
            Self::Destructive => "destructive",
            Self::Execute => "execute",
            Self::Credential => "credential",
            Self::Payment => "payment",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the tool only reads.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        matches!(self, Self::Read | Self::EgressRead)
    }
}

/// What is declared about a tool: its effect, and which arguments carry authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// What the tool does.
    pub effect: Effect,
    /// JSON pointers of the arguments that name what is acted on (path, table, recipient); `None` = undeclared.
    pub selectors: Option<Vec<String>>,
    /// How long its server may take for one call, where that is known.
    pub time_limit: Option<Span>,
    /// The tool's own input schema, where its server gave one: which edits can be carried out.
    pub input_schema: Option<Arc<Value>>,
}

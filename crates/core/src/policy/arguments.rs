//! What a policy asks of a tool's arguments as a whole: `tools` in its files.
//!
//! ```yaml
//! tools:
//!   "*": {arguments: declared}                # the tool's own input schema
//!   payment.transfer:
//!     arguments: {type: object, required: [amount], properties: {amount: {type: number, maximum: 10000}}}
//! ```

use super::rule::ToolPattern;
use super::schema::{ArgumentSchema, SchemaBreak};
use crate::action::Action;
use crate::names::ToolName;

/// The name that means every tool.
pub(super) const EVERY: &str = "*";

/// What the arguments of some tools are held against.
#[derive(Clone, Debug)]
pub struct ArgumentCheck {
    pub(super) tools: ToolPattern,
    pub(super) schema: Against,
}

/// Which schema.
#[derive(Clone, Debug)]
pub(super) enum Against {
    /// The tool's own.
    Declared,
    /// One that the policy writes.
    Written(ArgumentSchema),
}

/// Why arguments are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentFault {
    /// They break the schema.
    #[error("{0}")]
    Breaks(#[from] SchemaBreak),
    /// The policy holds them against the tool's own schema, and nobody knows it.
    #[error("the policy holds the arguments against the tool's own input schema, which is not known")]
    NotDeclared,
    /// It is known and cannot be used.
    #[error("the policy holds the arguments against the tool's own input schema, which cannot be used: {0}")]
    Unusable(String),
}

impl ArgumentCheck {
    /// Whether it speaks of this tool.
    #[must_use]
    pub fn concerns(&self, tool: &ToolName) -> bool {
        self.tools.0 == EVERY || self.tools.names(tool)
    }

    /// Holds an action's arguments against the schema.
    ///
    /// # Errors
    /// They break it, or it is not there to be held against.
    pub fn check(&self, action: &Action) -> Result<(), ArgumentFault> {
        let arguments = action.arguments.value();
        match &self.schema {
            Against::Written(schema) => Ok(schema.check(arguments)?),
            Against::Declared => match action.contract.declared_schema() {
                None => Err(ArgumentFault::NotDeclared),
                Some(Err(fault)) => Err(ArgumentFault::Unusable(fault.to_string())),
                Some(Ok(schema)) => Ok(schema.check(arguments)?),
            },
        }
    }
}

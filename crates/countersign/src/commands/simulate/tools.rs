//! The tools as their server lists them, and what is known of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign_core::action::Contract;
use countersign_core::contract::derive::Definition;
use countersign_core::contract::file::{Overrides, Reviewed, digest};
use countersign_core::names::ToolName;
use countersign_core::policy::{Fault, PolicySet};
use countersign_gateway::contracts::Contracts;
use serde_json::{Map, Value, json};

use crate::config;
use crate::error::CommandError;

/// The upstream that all tools belong to.
pub(super) const UPSTREAM: &str = "tools";

/// Reads reviewed contracts; none where no file is named.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub(super) fn reviewed(path: Option<&Path>) -> Result<Overrides, CommandError> {
    path.map_or_else(|| Ok(Overrides::default()), config::reviewed)
}

/// The tools by name.
pub(super) struct Tools(BTreeMap<String, Tool>);

struct Tool {
    definition: Map<String, Value>,
    contract: Arc<Contract>,
}

/// What people reviewed.
#[derive(Default)]
pub(super) struct Review {
    /// How many tools' contracts.
    pub(super) tools: usize,
    /// Those that the server lists in other words since: their review only raises.
    pub(super) outdated: Vec<String>,
}

impl Tools {
    /// Reads a list of tools; what each does is found as the gateway finds it.
    ///
    /// # Errors
    /// It cannot be read, or is not such a list: then everything that is wrong with it.
    pub(super) fn read(path: &Path, reviewed: Overrides) -> Result<Self, CommandError> {
        let unusable = || CommandError::usage(format!("the tools in {} cannot be used", path.display()));
        let text = fs::read_to_string(path).map_err(|error| unusable().cause(&error))?;
        let contracts = Contracts::new(reviewed);
        let fault = |line, column, message: String| Fault {
            file: path.display().to_string().into(),
            line,
            column,
            message,
            hint: Some("write what the server answers to `tools/list`".to_owned()),
        };
        let parsed: Value = serde_json::from_str(&text).map_err(|error| {
            unusable().faults([fault(error.line(), error.column(), format!("it is not JSON: {error}"))])
        })?;
        let listed = match parsed {
            Value::Array(listed) => listed,
            Value::Object(mut whole) => match whole.remove("tools") {
                Some(Value::Array(listed)) => listed,
                _ => return Err(unusable().faults([fault(0, 0, "it has no list `tools`".to_owned())])),
            },
            _ => return Err(unusable().faults([fault(0, 0, "it is no list of tools".to_owned())])),
        };
        let (mut tools, mut faults) = (BTreeMap::new(), Vec::new());
        for (number, written) in listed.into_iter().enumerate() {
            match Tool::read(written, &contracts) {
                Ok((name, _)) if tools.contains_key(&name) => {
                    faults.push(fault(0, 0, format!("tool {number}: there is a `{name}` before it")));
                }
                Ok((name, tool)) => {
                    tools.insert(name, tool);
                }
                Err(message) => faults.push(fault(0, 0, format!("tool {number}: {message}"))),
            }
        }
        if faults.is_empty() { Ok(Self(tools)) } else { Err(unusable().faults(faults)) }
    }

    /// What of a review concerns these tools.
    ///
    /// # Errors
    /// It speaks of a tool that is not listed.
    pub(super) fn review(&self, path: &Path, reviewed: &Overrides) -> Result<Review, CommandError> {
        let strange = reviewed.names().filter(|name| !self.bears(name)).map(|tool| Fault {
            file: path.display().to_string().into(),
            line: 0,
            column: 0,
            message: format!("`{tool}` is not among the tools"),
            hint: Some(format!("write {UPSTREAM}.NAME, with a name from the list of tools")),
        });
        let strange: Vec<Fault> = strange.collect();
        if !strange.is_empty() {
            let what = format!("the reviewed contracts {} cannot be used", path.display());
            return Err(CommandError::configuration(what).faults(strange));
        }
        let outdated = self.0.iter().filter(|(name, tool)| {
            let pinned = reviewed.get(UPSTREAM, name).map(Reviewed::digest);
            pinned.is_some_and(|pinned| pinned != digest(&Definition::listed(name, &tool.definition)))
        });
        let outdated = outdated.map(|(name, _)| name.clone()).collect();
        Ok(Review { tools: reviewed.names().count(), outdated })
    }

    /// Whether there is a tool of this full name.
    fn bears(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(upstream, tool)| upstream == UPSTREAM && self.has(tool))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What is known of a tool; nothing of one that nobody listed.
    pub(super) fn contract(&self, tool: &ToolName) -> Arc<Contract> {
        let known = self.0.get(tool.tool()).filter(|_| tool.upstream() == UPSTREAM);
        known.map(|tool| Arc::clone(&tool.contract)).unwrap_or_default()
    }

    /// The result of `tools/list` as an agent gets it under this policy: without tools that are always forbidden.
    pub(super) fn listing(&self, policy: &PolicySet) -> Arc<str> {
        let visible = self.0.iter().filter(|(name, _)| !policy.always_forbids(&tool(name)));
        let listed: Vec<&Map<String, Value>> = visible.map(|(_, tool)| &tool.definition).collect();
        json!({ "tools": listed }).to_string().into()
    }
}

/// The full name of a tool.
pub(super) fn tool(name: &str) -> ToolName {
    ToolName::new(UPSTREAM, name)
}

impl Tool {
    fn read(written: Value, contracts: &Contracts) -> Result<(String, Self), String> {
        let Value::Object(mut definition) = written else { return Err("it is no object".to_owned()) };
        let name = match definition.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => return Err("it has no `name`".to_owned()),
        };
        // Lists made for model APIs call the schema `parameters`; MCP servers send `inputSchema`.
        if let Some(schema) = definition.remove("parameters") {
            definition.entry("inputSchema").or_insert(schema);
        }
        if !definition.get("inputSchema").is_some_and(Value::is_object) {
            return Err(format!("`{name}` has no schema in `inputSchema` or `parameters`"));
        }
        let contract = Arc::new(contracts.of(UPSTREAM, &Definition::listed(&name, &definition), None));
        Ok((name, Self { definition, contract }))
    }
}

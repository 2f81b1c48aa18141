//! The tools: from a file, or asked from the servers of the configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_core::contract::Contract;
use countersign_core::contract::derive::Definition;
use countersign_core::contract::file::{Overrides, digest};
use countersign_gateway::contracts::Contracts;
use countersign_gateway::mcp::upstream::{Owner, Pool, PoolLimits};
use countersign_gateway::settings::{ToolDeclaration, UpstreamSettings};
use serde_json::{Map, Value};

use super::Context;
use crate::config::{self, Config};
use crate::error::CommandError;

/// Where the tools are taken from.
#[derive(Debug, clap::Args)]
pub(super) struct From {
    /// Take the tools from a file, not from the servers of the configuration: a `tools/list` result or an array of tools
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// What the upstream of these tools is called
    #[arg(long, value_name = "NAME", default_value = "tools", requires = "tools")]
    upstream: String,
    /// The reviewed contracts; without it, those that the configuration names
    #[arg(long, value_name = "FILE")]
    contracts: Option<PathBuf>,
}

/// The tools, and what was said of them.
pub(super) struct Tools {
    /// In the order of upstreams and of their lists.
    pub(super) listed: Vec<Tool>,
    /// What a person has reviewed.
    pub(super) reviewed: Overrides,
    /// The file of reviews, if one is named.
    pub(super) file: Option<PathBuf>,
    /// Upstreams that did not tell, with the reason.
    pub(super) silent: Vec<String>,
}

/// One tool.
pub(super) struct Tool {
    /// Its upstream.
    pub(super) upstream: String,
    /// Its name there.
    pub(super) name: String,
    /// The contract in force.
    pub(super) contract: Contract,
    /// The digest of its definition.
    pub(super) digest: String,
    definition: Map<String, Value>,
}

impl From {
    /// The tools. `starting`: the file of reviews need not be there yet.
    ///
    /// # Errors
    /// A file or the configuration cannot be used.
    pub(super) async fn tools(&self, context: &Context, starting: bool) -> Result<Tools, CommandError> {
        let config = if self.tools.is_some() { None } else { Some(context.config()?) };
        let file = self.contracts.clone().or_else(|| config.as_ref()?.contracts.clone());
        let reviewed = match &file {
            Some(file) if !starting || file.exists() => config::reviewed(file)?,
            _ => Overrides::default(),
        };
        let contracts = Contracts::new(reviewed.clone());
        let (mut listed, mut silent) = (Vec::new(), Vec::new());
        match (&self.tools, &config) {
            (Some(path), _) => {
                for definition in from_file(path)? {
                    listed.extend(Tool::read(&self.upstream, definition, &contracts, &BTreeMap::new()));
                }
            }
            (None, Some(config)) => ask(config, &contracts, &mut listed, &mut silent).await?,
            (None, None) => {}
        }
        if listed.is_empty() {
            let empty = CommandError::no("no tool is listed")
                .hint("name a file with --tools FILE, or start the servers' needs");
            return Err(silent.into_iter().fold(empty, CommandError::hint));
        }
        Ok(Tools { listed, reviewed, file, silent })
    }
}

impl Tool {
    fn read(
        upstream: &str,
        mut definition: Map<String, Value>,
        contracts: &Contracts,
        declared: &BTreeMap<String, ToolDeclaration>,
    ) -> Option<Self> {
        // Lists made for model APIs call the schema `parameters`; MCP servers send `inputSchema`.
        if let Some(schema) = definition.remove("parameters") {
            definition.entry("inputSchema").or_insert(schema);
        }
        let name = definition.get("name").and_then(Value::as_str)?.to_owned();
        let mut tool = Self {
            upstream: upstream.to_owned(),
            name,
            contract: Contract::default(),
            digest: String::new(),
            definition,
        };
        let contract = contracts.of(upstream, &tool.definition(), declared.get(&tool.name));
        tool.digest = digest(&tool.definition());
        tool.contract = contract;
        Some(tool)
    }

    /// `upstream.tool`.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.upstream, self.name)
    }

    /// Its definition, as its server gave it.
    pub(super) fn definition(&self) -> Definition<'_> {
        Definition::listed(&self.name, &self.definition)
    }

    /// Whether a person has looked at this very definition.
    pub(super) fn review(&self, reviewed: &Overrides) -> &'static str {
        match reviewed.get(&self.upstream, &self.name) {
            None => "derived",
            Some(review) if review.digest() == self.digest => "reviewed",
            Some(_) => "changed",
        }
    }

    /// What is in doubt about it.
    pub(super) fn doubts(&self) -> &[String] {
        self.contract.meaning.as_ref().map_or(&[], |meaning| &meaning.doubts)
    }
}

/// Reads a list of tools.
///
/// # Errors
/// It cannot be read, or is none.
pub(in crate::commands) fn from_file(path: &Path) -> Result<Vec<Map<String, Value>>, CommandError> {
    let unusable = || {
        CommandError::usage(format!("the tools in {} cannot be used", path.display()))
            .hint("write what the server answers to `tools/list`: `{\"tools\": [...]}` or the array alone")
    };
    let text = fs::read_to_string(path).map_err(|error| unusable().cause(&error))?;
    let parsed: Value = serde_json::from_str(&text).map_err(|error| unusable().cause(&error))?;
    let listed = match parsed {
        Value::Array(listed) => listed,
        Value::Object(mut whole) => {
            let whole = match whole.remove("result") {
                Some(Value::Object(result)) => result,
                _ => whole,
            };
            match whole.get("tools") {
                Some(Value::Array(listed)) => listed.clone(),
                _ => return Err(unusable()),
            }
        }
        _ => return Err(unusable()),
    };
    let tools = listed.into_iter().map(|tool| match tool {
        Value::Object(tool) if tool.get("name").is_some_and(Value::is_string) => Ok(tool),
        _ => Err(unusable()),
    });
    tools.collect()
}

/// Asks every server of the configuration for its tools, starting those that are commands.
async fn ask(
    config: &Config,
    contracts: &Contracts,
    listed: &mut Vec<Tool>,
    silent: &mut Vec<String>,
) -> Result<(), CommandError> {
    let upstreams = config.connections()?;
    let connections =
        upstreams.values().filter_map(|upstream: &UpstreamSettings| upstream.connection.clone());
    let (pool, _events) = Pool::new(connections, PoolLimits::default())
        .map_err(|error| CommandError::configuration("the upstreams cannot be reached").cause(&error))?;
    let owner = Owner { principal: "operator".to_owned(), session: "contract".to_owned() };
    for (name, upstream) in &upstreams {
        if upstream.connection.is_none() {
            silent.push(format!(
                "{name} is started by `countersign wrap`: give its tools with --tools FILE --upstream {name}"
            ));
            continue;
        }
        match pool.list_tools(&owner, name).await {
            Ok(tools) => {
                let tools = tools.iter().filter_map(|text| match countersign_core::json::parse(text.get()) {
                    Ok(Value::Object(tool)) => Some(tool),
                    _ => None,
                });
                listed.extend(tools.filter_map(|tool| Tool::read(name, tool, contracts, &upstream.tools)));
            }
            Err(error) => silent.push(format!("{name} does not tell its tools: {error}")),
        }
    }
    pool.stop_all().await;
    Ok(())
}

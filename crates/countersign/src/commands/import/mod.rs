//! `countersign import FILE`: the MCP servers that a client knows, as upstreams, and the line that the client needs
//! instead.
//!
//! The block goes to standard output, so that it can be appended to the configuration; what is to be known about it goes
//! to standard error.

mod read;
mod yaml;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use self::read::{Kind, Server};
use super::Context;
use crate::client::read_named;
use crate::error::{CommandError, Exit};

/// What to import.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client's file (`mcpServers` of Claude and Cursor, `servers` of VS Code), or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Where clients reach the gateway when no configuration says so.
const URL: &str = "http://127.0.0.1:7080";

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let file = args.file.display();
    let bytes = read_named(&args.file)?;
    let found = read::servers(&bytes).map_err(|why| {
        CommandError::usage(format!("{file} is not a client's list of MCP servers: {why}")).hint(
            "it has `mcpServers` (Claude, Cursor) or `servers` (VS Code) with one block for each server",
        )
    })?;
    if found.servers.is_empty() {
        return Err(CommandError::no(format!("{file} lists no MCP server that can be reached")));
    }
    let config = context.config().ok();
    let url = config.as_ref().map_or_else(|| URL.to_owned(), crate::config::Config::url);
    let token = config.as_ref().and_then(|config| {
        let agent = config.token_files().find(|(_, whose)| whose.starts_with("the agent"));
        agent.map(|(path, _)| path.to_owned())
    });
    let lines = instead(found.vscode, &url, &token.unwrap_or_else(|| PathBuf::from("./tokens/agent")));
    let yaml = yaml::upstreams(&found.servers);
    if context.output.is_json() {
        let servers: serde_json::Map<_, _> =
            found.servers.iter().map(|s| (s.name.clone(), as_json(s))).collect();
        let document =
            json!({ "upstreams": servers, "yaml": yaml, "instead": lines, "warnings": found.warnings });
        context.output.raw(format!("{document:#}\n").as_bytes())?;
        return Ok(Exit::Ok);
    }
    context.output.raw(yaml.as_bytes())?;
    for warning in &found.warnings {
        context.output.warn(warning);
    }
    context.output.note("\nPut the block above under `upstreams` in the configuration, remove the servers from the client, and give it this instead:");
    for line in &lines {
        context.output.note(&format!("  {}: {}", line.client, line.line));
    }
    context.output.note(
        "An agent's own tools (its shell, its editor) do not pass through MCP and are not covered by this.",
    );
    Ok(Exit::Ok)
}

fn as_json(server: &Server) -> serde_json::Value {
    match &server.kind {
        Kind::Command(command) => json!({ "command": command, "env": yaml::values_json(&server.values) }),
        Kind::Url(url) => json!({ "url": url, "headers": yaml::values_json(&server.values) }),
    }
}

/// What a client is given instead of its servers.
#[derive(Serialize)]
struct Instead {
    client: &'static str,
    line: String,
}

fn instead(vscode: bool, url: &str, token: &std::path::Path) -> Vec<Instead> {
    let token = token.display();
    if vscode {
        let line = format!(
            r#""countersign": {{ "type": "http", "url": "{url}/mcp", "headers": {{ "Authorization": "Bearer ${{env:COUNTERSIGN_TOKEN}}" }} }}"#
        );
        return vec![Instead { client: "VS Code, under `servers`", line }];
    }
    vec![
        Instead {
            client: "Claude Code, in a shell",
            line: format!(
                r#"claude mcp add --transport http countersign {url}/mcp --header "Authorization: Bearer $(cat {token})""#
            ),
        },
        Instead {
            client: "Cursor, under `mcpServers`",
            line: format!(
                r#""countersign": {{ "url": "{url}/mcp", "headers": {{ "Authorization": "Bearer ${{env:COUNTERSIGN_TOKEN}}" }} }}"#
            ),
        },
    ]
}

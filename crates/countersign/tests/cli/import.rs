//! `countersign import`.

use crate::home::Home;

const CLAUDE: &str = r#"{
  "mcpServers": {
    "GitHub": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-github"],
      "env": { "GITHUB_TOKEN": "ghp_in_the_clear", "LOG": "yes", "OTHER_KEY": "${OTHER_KEY}" }
    },
    "search": { "type": "http", "url": "https://search.example.com/mcp", "headers": { "Authorization": "Bearer ${env:SEARCH}" } }
  }
}"#;

const VSCODE: &str = r#"{
  // VS Code writes comments
  "inputs": [{ "type": "promptString", "id": "perplexity-key", "password": true }],
  "servers": {
    "perplexity": {
      "type": "stdio",
      "command": "npx",
      "args": ["-y", "server-perplexity-ask", "${workspaceFolder}"],
      "env": { "PERPLEXITY_API_KEY": "${input:perplexity-key}" },
      "envFile": ".env",
    },
  }
}"#;

#[test]
fn servers_of_claude_and_cursor_become_upstreams() {
    let home = Home::new();
    home.write("mcp.json", CLAUDE);
    let said = home.run(&["import", "mcp.json"]).exits(0);
    said.says(
        "upstreams:
  github:
    command: [\"npx\", \"-y\", \"@modelcontextprotocol/server-github\"]
    env:
      GITHUB_TOKEN: \"ghp_in_the_clear\"
      LOG: \"yes\"
      OTHER_KEY: { from_env: OTHER_KEY }
  search:
    url: \"https://search.example.com/mcp\"
    headers:
      Authorization: \"Bearer ${env:SEARCH}\"
",
    );
    let url = &home.url;
    said.complains(&format!(
        "warning: server `GitHub` is named `github` here; policies use that name
warning: server `github` has `GITHUB_TOKEN` in the clear, and so has the block now; better write `{{ from_env: NAME }}`
warning: server `search` has `${{...}}` in `Authorization`, which is not expanded here; write what it stands for

Put the block above under `upstreams` in the configuration, remove the servers from the client, and give it this instead:
  Claude Code, in a shell: claude mcp add --transport http countersign {url}/mcp --header \"Authorization: Bearer $(cat HOME/tokens/agent)\"
  Cursor, under `mcpServers`: \"countersign\": {{ \"url\": \"{url}/mcp\", \"headers\": {{ \"Authorization\": \"Bearer ${{env:COUNTERSIGN_TOKEN}}\" }} }}
An agent's own tools (its shell, its editor) do not pass through MCP and are not covered by this.
"
    ));
}

#[test]
fn servers_of_vs_code_become_upstreams_and_inputs_become_variables() {
    let home = Home::empty();
    home.write("mcp.json", VSCODE);
    let said = home.run(&["import", "mcp.json"]).exits(0);
    said.says(
        "upstreams:
  perplexity:
    command: [\"npx\", \"-y\", \"server-perplexity-ask\", \"${workspaceFolder}\"]
    env:
      PERPLEXITY_API_KEY: { from_env: PERPLEXITY_KEY }
",
    );
    for what in [
        "has `envFile`, which is not read here",
        "has `${...}` in its command or address",
        "set the environment variable PERPLEXITY_KEY for the daemon",
        "VS Code, under `servers`: \"countersign\": { \"type\": \"http\", \"url\": \"http://127.0.0.1:7080/mcp\"",
    ] {
        assert!(said.err.contains(what), "{what}\n{}", said.err);
    }
}

#[test]
fn what_is_imported_is_a_configuration_that_loads() {
    let home = Home::new();
    home.write("mcp.json", CLAUDE);
    let block = home.run(&["import", "mcp.json"]).exits(0).out;
    let text = std::fs::read_to_string(home.path("countersign.yaml")).unwrap();
    let (kept, _) = text.split_once("upstreams:").unwrap();
    home.write("countersign.yaml", &format!("{kept}{block}"));
    let listed = home.run(&["doctor", "--json"]).json();
    let first = &listed["findings"][0];
    assert_eq!(
        (first["what"].as_str(), first["status"].as_str()),
        (Some("configuration"), Some("ok")),
        "{first}"
    );
}

#[test]
fn another_file_is_refused() {
    let home = Home::empty();
    home.write("x.json", "{\"a\": 1}");
    home.run(&["import", "x.json"]).exits(2).complains(
        "error: x.json is not a client's list of MCP servers: it has neither `mcpServers` nor `servers`
hint: it has `mcpServers` (Claude, Cursor) or `servers` (VS Code) with one block for each server
",
    );
    home.write("y.json", "{\"mcpServers\": {}}");
    home.run(&["import", "y.json"]).exits(1);
    let json = home.run(&["import", "nowhere", "--json"]).exits(2).error_json();
    assert_eq!(json["error"]["exit"], 2);
}

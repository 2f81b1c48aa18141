//! Two real servers that offer tools of the same names, and rules that name them by more or less.

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, POLICY};

/// The desk's configuration with a second server that offers what the first one does, and an agent that may reach both.
fn two_servers(rule: &str, more: &str) -> Home {
    let home = Home::new();
    let text = fs::read_to_string(home.path("countersign.yaml")).unwrap();
    let files = text.lines().find(|line| line.trim_start().starts_with("files:")).unwrap();
    let mirror = files.replacen("files:", "mirror:", 1).replace("./sandbox", "./elsewhere");
    let text =
        text.replace("scope: [files]", "scope: []").replace(files, &format!("{files}\n{mirror}\n{more}"));
    home.write("countersign.yaml", &text);
    name_the_tool(&home, rule);
    for folder in ["sandbox", "elsewhere"] {
        home.write(&format!("{folder}/files/note.txt"), folder);
    }
    home
}

fn name_the_tool(home: &Home, rule: &str) {
    home.write("policies/base.yaml", &POLICY.replacen("tool: files.read_file", &format!("tool: {rule}"), 1));
}

impl Daemon<'_> {
    /// Calls a tool over MCP; gives the `result`.
    fn call(&self, tool: &str) -> Value {
        let params = json!({ "name": tool, "arguments": { "path": "note.txt" } });
        let answer = self
            .post("/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        answer["result"].clone()
    }

    fn problem(&self, name: &str) -> Option<String> {
        let ready = self.ready()?;
        let problem = ready["problems"].as_array()?.iter().find(|problem| problem["name"] == name)?;
        problem["why"].as_str().map(str::to_owned)
    }
}

fn said(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn a_second_server_does_not_ride_on_a_rule_that_names_the_tool_of_the_first_alone() {
    let home = two_servers("read_file", "");
    let daemon = Daemon::start(&home);
    assert_eq!(daemon.problem("ambiguous-names"), None);
    // Nobody has listed anything yet, and the stranger's tool is called first.
    let refused = daemon.call("mirror__read_file");
    assert_eq!(refused["isError"], true);
    let why = "rule reading lets `read_file` through, which could mean read_file of files or read_file of mirror; the \
               rule has to say `upstream.tool`";
    assert!(said(&refused).starts_with(&format!("Refused: {why}.")), "{refused}");
    let receipt = refused["_meta"]["countersign"]["receipt"]["id"].as_str().unwrap();
    home.run(&["receipt", "show", receipt]).exits(0);
    assert!(said(&daemon.call("files__read_file")).contains(why));
    daemon.until("health says so", || daemon.problem("ambiguous-names").is_some());
    let problem = daemon.problem("ambiguous-names").unwrap();
    assert!(problem.contains("`read_file` in rule reading could mean"), "{problem}");

    name_the_tool(&home, "files.read_file");
    daemon.until("the name is mended", || daemon.problem("ambiguous-names").is_none());
    assert_eq!(said(&daemon.call("files__read_file")), "sandbox");
    assert!(said(&daemon.call("mirror__read_file")).contains("Ask the security team for a rule"));
    let (_, log) = daemon.stop();
    assert!(log.contains("calls are refused: base.yaml:5:"), "{log}");
}

#[test]
fn a_bare_name_lets_nothing_through_until_every_server_has_said_what_it_offers() {
    let home = two_servers("read_file", "  office: { wrapped: true }\nsocket: ./cs.sock\n");
    // Only one of the three is to offer the tool.
    let text = fs::read_to_string(home.path("countersign.yaml")).unwrap();
    let mirror = text.lines().find(|line| line.trim_start().starts_with("mirror:")).unwrap();
    home.write("countersign.yaml", &text.replace(mirror, &mirror.replace("--only, files", "--only, mail")));
    let daemon = Daemon::start(&home);
    let refused = daemon.call("files__read_file");
    let why = "whether the upstream office has a tool of this name is not known";
    assert!(
        said(&refused).contains(why) && said(&refused).contains("has to say `files.read_file`"),
        "{refused}"
    );
    assert_eq!(daemon.problem("ambiguous-names"), None);
    name_the_tool(&home, "files");
    daemon.until("the upstream's name is enough", || said(&daemon.call("files__read_file")) == "sandbox");
    daemon.stop();
}

/// `R3.conflict`
#[test]
fn rules_that_can_meet_and_contradict_each_other_are_warned_about() {
    let home = Home::new();
    let clash = "version: 1\nrules:\n  - { id: hush, match: { tool: files, parameters.path: { matches: '^x' } }, action: DENY }\n";
    home.write("policies/more.yaml", clash);
    let checked = home.run(&["policy", "check"]).exits(0);
    let warning = "warning: rule reading (HOME/policies/base.yaml:5) and rule hush (HOME/policies/more.yaml:3) contradict \
                   each other: ALLOW and DENY at priority 0; both can hold for `files.read_file`. Where both hold, the call \
                   is deferred (DEFER) and put to the approvers at once";
    assert!(checked.out.contains(warning), "{}", checked.out);
    assert!(
        checked.out.contains("rule listing (HOME/policies/base.yaml:6) and rule hush"),
        "{}",
        checked.out
    );
    let json = home.run(&["policy", "check", "--json"]).exits(0).json();
    let conflicts = json["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 2, "{json}");
    assert_eq!(
        (&conflicts[0]["first"]["rule"], &conflicts[0]["second"]["line"]),
        (&json!("reading"), &json!(3))
    );
    assert_eq!(json["warnings"].as_array().unwrap().len(), 2);
    home.write("policies/more.yaml", &clash.replace("DENY", "DENY, priority: 1"));
    assert_eq!(home.run(&["policy", "check", "--json"]).exits(0).json()["conflicts"], json!([]));
}

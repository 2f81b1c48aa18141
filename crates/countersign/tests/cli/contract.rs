//! `contract`: what tools do, as it is derived, reviewed, and used by a running daemon.

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, POLICY};

fn tools(description: &str) -> String {
    let text = |name: &str, properties: Value, about: &str| json!({ "name": name, "description": about, "inputSchema": { "type": "object", "properties": properties } });
    let list = [
        text(
            "send_note",
            json!({ "to": { "type": "string" }, "text": { "type": "string" } }),
            "Sends a note.",
        ),
        text("frobnicate", json!({ "frob": { "type": "string" } }), description),
    ];
    json!({ "tools": list }).to_string()
}

#[test]
fn a_list_of_tools_is_read_from_a_file_without_a_configuration() {
    let home = Home::empty();
    home.write("tools.json", &tools(""));
    home.run(&["contract", "list", "--tools", "tools.json", "--upstream", "desk"]).exits(0).says(
        "TOOL             EFFECT          SELECTORS  CONTRACT  DOUBTS
desk.send_note   write_outbound  /to        derived
desk.frobnicate  execute         /frob      derived   2
",
    );
    let listed = home.run(&["contract", "list", "--tools", "tools.json", "--json"]).exits(0).json();
    assert_eq!(listed["tools"][0]["tool"], "tools.send_note");
    let shown = home.run(&["contract", "show", "send_note", "--tools", "tools.json"]).exits(0);
    for what in [
        "write_outbound",
        "send, post (verb `send`)",
        "/to",
        "selects: who gets it",
        "derived, and reviewed by nobody",
    ] {
        assert!(shown.out.contains(what), "{what}\n{}", shown.out);
    }
    home.run(&["contract", "show", "nothing", "--tools", "tools.json"]).exits(1).complains(
        "error: no tool is called `nothing`
hint: `countersign contract list` shows all
",
    );
    home.write("tools.json", "{}");
    let error = home.run(&["contract", "list", "--tools", "tools.json"]).exits(2).err;
    assert!(
        error.contains("the tools in tools.json cannot be used") && error.contains("tools/list"),
        "{error}"
    );
}

#[test]
fn a_review_holds_until_the_definition_changes_and_is_accepted_again() {
    let home = Home::empty();
    home.write("tools.json", &tools(""));
    let from =
        |args: &[&'static str]| [args, &["--tools", "tools.json", "--contracts", "contracts.yaml"]].concat();
    let first = home.run(&from(&["contract", "review"])).exits(0);
    assert!(first.out.starts_with("tools.frobnicate\n"), "what is in doubt comes first: {}", first.out);
    assert!(first.out.contains("2 tools to look at, 1 of them in doubt"), "{}", first.out);
    let written = fs::read_to_string(home.path("contracts.yaml")).unwrap();
    let corrected = written.replacen("effect: execute", "effect: read", 1) + "# mine\n";
    assert_ne!(corrected, written);
    home.write("contracts.yaml", &corrected);
    let effect = || {
        let listed = home.run(&from(&["contract", "list", "--json"])).exits(0).json();
        let tool = &listed["tools"][1];
        (tool["effect"].as_str().unwrap().to_owned(), tool["review"].as_str().unwrap().to_owned())
    };
    assert_eq!(effect(), ("read".into(), "reviewed".into()));

    home.write("tools.json", &tools("Deletes all frobs, and executes a shell command."));
    assert_eq!(effect(), ("execute".into(), "changed".into()));
    let review = home.run(&from(&["contract", "review"])).exits(1);
    assert!(review.out.contains("countersign contract review --accept tools.frobnicate"), "{}", review.out);
    assert_eq!(
        fs::read_to_string(home.path("contracts.yaml")).unwrap(),
        corrected,
        "nothing is accepted unasked"
    );

    home.run(&from(&["contract", "review", "--accept", "frobnicate"])).exits(0);
    assert_eq!(effect(), ("read".into(), "reviewed".into()));
    let kept = fs::read_to_string(home.path("contracts.yaml")).unwrap();
    assert!(
        kept.ends_with("# mine\n") && kept.len() == corrected.len(),
        "only the digest is another: {kept}"
    );
}

#[test]
fn an_edit_that_is_wrong_is_told_with_its_place() {
    let home = Home::new();
    home.configure("contracts: ./contracts.yaml\n");
    home.run(&["contract", "list"]).exits(3).complains(
        "error: the reviewed contracts HOME/contracts.yaml cannot be read
  because: No such file or directory (os error 2)
hint: `countersign contract review --out FILE` writes one
",
    );
    home.write("contracts.yaml", "version: 1\ntools:\n  files.read_file: { efect: read }\n");
    let error = home.run(&["contract", "list"]).exits(3).err;
    assert!(error.contains("HOME/contracts.yaml:3:22: unknown key `efect` in a reviewed tool"), "{error}");
    assert!(error.contains("hint: did you mean `effect`?"), "{error}");
}

impl Daemon<'_> {
    fn uses(&self, tool: &str) -> String {
        let params = json!({ "name": tool, "arguments": { "path": "note.txt" } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.post("/mcp", &call)["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }
}

/// The effect that nobody declared is known at the first call, and a review changes it.
#[test]
fn a_running_daemon_rules_by_what_it_derives_and_by_what_was_reviewed() {
    let home = Home::new();
    home.write("sandbox/files/note.txt", "the note");
    let rules = POLICY.replace("default:", "# by effect\ndefault:").replace(
        "rules:\n",
        "rules:\n  - { id: removals, priority: 9, match: { context.effect: destructive }, action: DENY, reason: Nothing is removed }\n",
    );
    home.write("policies/base.yaml", &rules);
    let daemon = Daemon::start(&home);
    assert_eq!(daemon.uses("files__read_file"), "the note");
    assert!(daemon.uses("files__delete_file").contains("Nothing is removed"));
    daemon.stop();

    home.configure("contracts: ./contracts.yaml\n");
    home.run(&["contract", "review"]).exits(0);
    let written = fs::read_to_string(home.path("contracts.yaml")).unwrap();
    let (before, after) = written.split_once("\"files.read_file\":").unwrap();
    home.write(
        "contracts.yaml",
        &format!("{before}\"files.read_file\":{}", after.replacen("effect: read", "effect: destructive", 1)),
    );
    let daemon = Daemon::start(&home);
    assert!(daemon.uses("files__read_file").contains("Nothing is removed"));
    daemon.stop();
}

//! `replay` and `policy diff`: recorded rulings asked again, under their own policy and under others (`R3.deterministic`).

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, POLICY};

/// The policy under which reading is refused.
fn strict() -> String {
    POLICY.replace(
        "{ tool: files.read_file }, action: ALLOW",
        "{ tool: files.read_file }, action: DENY, reason: not now",
    )
}

fn propose(daemon: &Daemon<'_>, tool: &str) -> Value {
    daemon.post("/v1/actions", &json!({ "tool": tool, "arguments": { "path": "x" } }))
}

/// A ledger with rulings under two sets; the digests of both.
fn recorded(home: &Home) -> [String; 2] {
    let digest = || {
        home.run(&["policy", "check", "policies", "--json"]).exits(0).json()["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = digest();
    let daemon = Daemon::start(home);
    for (tool, decision) in [("read_file", "ALLOW"), ("write_file", "DENY"), ("list_files", "STEP_UP")] {
        assert_eq!(propose(&daemon, &format!("files.{tool}"))["decision"], decision);
    }
    home.write("policies/base.yaml", &strict());
    daemon.until("the new policy is in force", || propose(&daemon, "files.read_file")["decision"] == "DENY");
    assert_eq!(daemon.stop().0, Some(0));
    [first, digest()]
}

#[test]
fn r3_deterministic_a_ledger_is_asked_again_without_the_files_that_it_was_ruled_under() {
    let home = Home::new();
    recorded(&home);
    home.write(
        "policies/base.yaml",
        "version: 1\npolicy: { id: other, version: '9' }\ndefault: ALLOW\nrules: []\n",
    );
    let said = home.run(&["replay", "--json"]).exits(0).json();
    assert_eq!((&said["ok"], &said["different"]), (&json!(true), &json!([])));
    assert_eq!((&said["same"], &said["lacking"]), (&said["rulings"], &json!({})), "{said}");
    let shown = home.run(&["replay"]).exits(0);
    assert!(shown.out.contains("Every ruling that rules made is made again, to the byte."), "{}", shown.out);
    home.run(&["replay", "--session", "none"])
        .exits(1)
        .complains("error: there is no session `none`\nhint: `countersign receipt list` names sessions\n");
}

#[test]
fn another_policy_is_asked_the_recorded_questions_and_the_differences_are_grouped() {
    let home = Home::new();
    recorded(&home);
    home.write("next/base.yaml", &strict());
    let said = home.run(&["replay", "--policy", "next", "--json"]).exits(0).json();
    let groups = said["changed"].as_array().unwrap();
    assert!(!groups.is_empty(), "{said}");
    let [group] = &groups[..] else { panic!("{said}") };
    assert_eq!((&group["old"], &group["new"]), (&json!("ALLOW"), &json!("DENY")));
    let one = &group["rulings"][0];
    assert_eq!((&one["tool"], &one["new"]["reason"]), (&json!("files.read_file"), &json!("not now")));
    home.run(&["receipt", "show", one["at"].as_str().unwrap()]).exits(0);
    let shown = home.run(&["replay", "--policy", "next"]).exits(0);
    assert!(shown.out.contains("ALLOW -> DENY: "), "{}", shown.out);
}

#[test]
fn policy_diff_holds_two_sets_against_each_other_by_text_and_by_what_they_rule() {
    let home = Home::new();
    home.write("next/base.yaml", &strict());
    let said = home.run(&["policy", "diff", "policies", "next", "--json"]).exits(1).json();
    let changed = json!([{ "rule": "reading", "parts": ["action", "reason"], "action": ["ALLOW", "DENY"] }]);
    assert_eq!((&said["difference"]["changed"], &said["actions"]), (&changed, &Value::Null));
    home.run(&["policy", "diff", "policies", "policies"]).exits(0);
    let [first, second] = recorded(&home);
    // By digest, both as they were in force here; and by what lies in folders.
    fs::rename(home.path("policies"), home.path("gone")).unwrap();
    let said = home.run(&["policy", "diff", &first, &second, "--recorded", "--json"]).exits(1).json();
    assert_eq!(said["actions"]["changed"][0]["rulings"][0]["tool"], "files.read_file", "{said}");
    home.run(&["policy", "diff", &second, "next", "--recorded"]).exits(0);
    fs::rename(home.path("gone"), home.path("policies")).unwrap();
    let unknown = format!("sha256:{}", "0".repeat(64));
    home.run(&["policy", "diff", &unknown, "next"]).exits(1);
}

#[test]
fn policy_diff_asks_about_the_actions_of_cases_and_of_traces() {
    let home = Home::new();
    home.write("next/base.yaml", &strict());
    home.write(
        "cases/desk.test.yaml",
        "version: 1
policy: [../policies]
cases:
  - { name: reading, action: { tool: files.read_file, arguments: { path: a }, effect: read }, expect: { decision: ALLOW } }
  - { name: writing, action: { tool: files.write_file, arguments: { path: a }, effect: write_internal }, expect: { decision: DENY } }
",
    );
    let said =
        home.run(&["policy", "diff", "policies", "next", "--cases", "cases", "--json"]).exits(1).json();
    assert_eq!((&said["actions"]["asked"], &said["actions"]["same"]), (&json!(2), &json!(1)));
    let at = said["actions"]["changed"][0]["rulings"][0]["at"].as_str().unwrap();
    assert_eq!(at, "cases/desk.test.yaml:4 reading");
    let tools = json!([{ "name": "read_file", "inputSchema": { "type": "object", "properties": { "path": { "type": "string" } } } }]);
    home.write("tools.json", &tools.to_string());
    let call = json!({ "tool": "read_file", "args": { "path": "a" }, "output": "text" });
    let trace = json!({ "trace_id": "t1", "principal": { "name": "Alice", "email": "alice@example.com" }, "original_request": "Read a", "calls": [call] });
    home.write("traces.jsonl", &format!("{trace}\n"));
    home.write("old.yaml", "version: 1\ndefault: ALLOW\nrules: []\n");
    home.write("new.yaml", "version: 1\ndefault: DENY\nrules: []\n");
    let asked = [
        "policy",
        "diff",
        "old.yaml",
        "new.yaml",
        "--traces",
        "traces.jsonl",
        "--tools",
        "tools.json",
        "--json",
    ];
    let said = home.run(&asked).exits(1).json();
    assert_eq!(said["difference"]["default"], json!(["ALLOW", "DENY"]));
    assert_eq!(said["actions"]["changed"][0]["rulings"][0]["at"], "t1, call 0", "{said}");
}

#[test]
fn a_candidate_is_decided_beside_the_set_in_force_recorded_counted_and_never_enforced() {
    let home = Home::new();
    home.configure("shadow: [./next]\n");
    home.write("next/base.yaml", "version: 1\nrules: [{ id: a }]\n");
    // A faulty candidate changes nothing but what the log says.
    let daemon = Daemon::start(&home);
    assert_eq!(daemon.ready().unwrap()["ready"], true);
    assert_eq!(propose(&daemon, "files.write_file")["decision"], "DENY");
    home.write("next/base.yaml", &strict().replace("id: desk", "id: next"));
    let asked = || !daemon.metrics().contains("countersign_shadow_total{candidate=\"same\"} 0");
    daemon.until("the candidate is asked", || {
        propose(&daemon, "files.write_file")["decision"] == "DENY" && asked()
    });
    for (tool, decision) in [("read_file", "ALLOW"), ("list_files", "STEP_UP")] {
        assert_eq!(
            propose(&daemon, &format!("files.{tool}"))["decision"],
            decision,
            "the set in force decides"
        );
    }
    let metrics = daemon.metrics();
    assert!(metrics.contains("countersign_shadow_total{candidate=\"otherwise\"} 1"), "{metrics}");
    let (code, said) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("the candidate policy on disk is not decided"), "{said}");
    let said = home.run(&["policy", "shadow", "--json"]).exits(1).json();
    let [candidate] = &said["candidates"].as_array().unwrap()[..] else { panic!("{said}") };
    assert_eq!((&candidate["id"], &candidate["asked"]), (&json!("next"), &json!(1)));
    let one = &candidate["changed"][0]["rulings"][0];
    assert_eq!((&one["old"]["verdict"], &one["new"]["verdict"]), (&json!("ALLOW"), &json!("DENY")));
    let receipt = one["at"].as_str().unwrap();
    for command in [&["receipt", "show", receipt][..], &["explain", receipt]] {
        let shown = home.run(command).exits(0);
        assert!(
            shown.out.contains("DENY by reading: not now (not enforced: the candidate next version 1"),
            "{}",
            shown.out
        );
    }
    home.run(&["receipt", "verify"]).exits(0);
    // Its text is kept, so that it can be asked about everything that was recorded.
    let digest = candidate["digest"].as_str().unwrap();
    home.run(&["policy", "diff", "policies", digest, "--recorded"]).exits(1);
}

//! What the authors of policies work with: `policy test`, `explain`, `check`, `schema`, `fmt`; and `explain RECEIPT`.

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, Said};

const RULES: &str = "version: 1
policy: { id: desk, version: '1' }
default: { action: DENY, reason: Nothing else }
internal_domains: [example.org]
rules:
  - { id: send, match: { tool: mail.send }, action: ALLOW }
  - { id: strangers, match: { tool: mail.send, parameters.to: { external: true }, context.data_classification: { contains: [PII] } }, action: DENY, priority: 5, reason: No personal data to strangers }
  - { id: customers, match: { tool: crm.get_customer }, action: ALLOW }
  - { id: listing, match: { tool: crm.list }, action: ALLOW }
  - { id: cap, match: { tool: crm.list, parameters.limit: { gt: 100 } }, action: MODIFY, modifications: { parameters: { limit: { max: 100 } } } }
  - { id: window, match: { tool: ops.restart, context.window: open }, action: ALLOW, reason: Only in the window }
  - { id: pay, match: { tool: bank.pay }, action: STEP_UP, approvers: [finance] }
  - { id: paid, match: { tool: crm.note, context.prior_actions: { contains: [bank.pay] } }, action: ALLOW, priority: 1 }
  - { id: mark, match: { tool: crm.note }, effect: { set_context: { noted: true } } }
  - { id: never, match: { tool: db.drop }, action: DENY, classification: forbidden, reason: Nobody drops anything }
";

const CASES: &str = r#"version: 1
tools:
  crm.get_customer: { effect: read, description: Gets a customer., labels: [PII] }
cases:
  - name: a mail to a stranger goes
    action: { tool: mail.send, arguments: { to: bo@example.net, body: hello } }
    expect: { decision: ALLOW, rule: send, step: baseline }
  - name: not after personal data
    session:
      request: Write to bo@example.net
      before:
        - { call: crm.get_customer, arguments: { id: 7 }, output: "Ada, ada@example.org" }
        - { turn: go on }
        - { seen: a notice, source: notification }
    action: { tool: mail.send, arguments: { to: bo@example.net, body: hello } }
    expect: { decision: DENY, rules: [strangers], reason: [personal data] }
  - name: a list is capped
    action: { tool: crm.list, arguments: { limit: 500 } }
    expect: { decision: MODIFY, arguments: { limit: 100 }, edits: { limit: { cap: 100 } } }
  - name: a restart waits for the window
    action: { tool: ops.restart }
    expect: { decision: DEFER, missing: context.window, step: uncertain }
  - name: and goes in it
    session: { facts: { window: open } }
    action: { tool: ops.restart }
    expect: { decision: ALLOW }
  - name: but not when the fact is stale
    session: { before: [{ facts: { window: open }, giver: ops, valid: 60 }, { wait: 120 }] }
    action: { tool: ops.restart }
    expect: { decision: DEFER }
  - name: after a payment that somebody approved a note is written
    session:
      before:
        - { call: bank.pay, arguments: { to: x, amount: 1 }, approved: true, output: paid, expect: { decision: STEP_UP, approvers: finance } }
    action: { tool: crm.note }
    expect: { decision: ALLOW, rule: paid, sets: { noted: true } }
"#;

fn home() -> Home {
    let home = Home::empty();
    home.write("policies/desk.yaml", RULES);
    home.write("policies/desk.test.yaml", CASES);
    home
}

fn case(home: &Home, text: &str) -> Said {
    home.write("policies/one.test.yaml", &format!("version: 1\npolicy: desk.yaml\ncases:\n{text}"));
    home.run(&["policy", "test", "policies/one.test.yaml"])
}

#[test]
fn cases_run_through_the_engine_and_tell_which_rules_they_touch() {
    let home = home();
    let said = home.run(&["policy", "test", "policies"]).exits(0);
    let expected = "\
ok    policies/desk.test.yaml:5  a mail to a stranger goes
ok    policies/desk.test.yaml:8  not after personal data
ok    policies/desk.test.yaml:17  a list is capped
ok    policies/desk.test.yaml:20  a restart waits for the window
ok    policies/desk.test.yaml:23  and goes in it
ok    policies/desk.test.yaml:27  but not when the fact is stale
ok    policies/desk.test.yaml:31  after a payment that somebody approved a note is written
Rules that held in some case: 9 of 10 (90 %).
In none: desk/never.
7 cases: 7 passed, 0 failed.
";
    said.says(expected);
    home.run(&["policy", "test", "policies", "--min-coverage", "90"]).exits(0);
    let less = home.run(&["policy", "test", "policies", "--min-coverage", "91", "--json"]).exits(1).json();
    assert_eq!(
        (&less["ok"], &less["failed"], &less["coverage"]["never"]),
        (&json!(false), &json!(0), &json!(["desk/never"]))
    );
    let one = home.run(&["policy", "test", "policies", "--only", "capped", "--json"]).exits(0).json();
    assert_eq!(one["cases"].as_array().unwrap().len(), 1);
}

#[test]
fn a_case_that_fails_says_what_differs_and_why() {
    let home = home();
    let said = case(&home, "  - name: wrong\n    action: { tool: mail.send, arguments: { to: bo@example.net } }\n    expect: { decision: DENY, rule: strangers, reason: data, arguments: { to: x } }\n").exits(1);
    let expected = "\
FAIL  policies/one.test.yaml:4  wrong
      decision: expected DENY
                found    ALLOW
      rule: expected strangers
            found    send
      reason: expected …data…
              found    rule send holds
      arguments: expected {\"to\":\"x\"}
                 found    {\"to\":\"bo@example.net\"}
      ALLOW: rule send holds
        The rules of the highest priority that hold decide. (step: baseline)
        2 rules asked about mail.send; 8 rules about other tools
        decided   ALLOW    send (priority 0)
        silent    DENY     strangers (priority 5)
            yes      parameters.to is outside the organisation's domains <- a text of 14 characters
            no       context.data_classification has PII in it <- []
";
    assert!(said.out.starts_with(expected), "{}", said.out);
}

/// What a case says of calls before has to be so too, or the session is not the one that it speaks of.
#[test]
fn a_call_before_that_does_not_run_fails_the_case() {
    let home = home();
    let before = |step: &str| {
        case(
            &home,
            &format!(
                "  - name: a\n    session: {{ before: [{step}] }}\n    action: {{ tool: mail.send }}\n    expect: {{ decision: ALLOW }}\n"
            ),
        )
    };
    let refused = before("{ call: db.drop, output: done }").exits(1);
    assert!(
        refused.out.contains(
            "the call before (policies/one.test.yaml:5, db.drop): expected to run, as it has an outcome"
        ) && refused.out.contains("found    DENY by never: Nobody drops anything"),
        "{}",
        refused.out
    );
    before("{ call: db.drop, expect: { decision: DENY, step: forbidden } }").exits(0);
    let other = before("{ call: db.drop, expect: { decision: ALLOW } }").exits(1);
    assert!(
        other.out.contains("decision of the call before (policies/one.test.yaml:5, db.drop): expected ALLOW"),
        "{}",
        other.out
    );
}

#[test]
fn what_is_wrong_in_a_file_of_cases_is_told_with_its_place() {
    let home = home();
    let wrong = |text: &str, fault: &str| {
        let said = case(&home, text).exits(2);
        assert!(said.err.contains(fault), "{}", said.err);
    };
    wrong(
        "  - name: a\n    acton: {}\n",
        "policies/one.test.yaml:5:5: unknown key `acton`\n      hint: did you mean `action`?",
    );
    wrong(
        "  - name: a\n    action: { tool: a.b }\n    expect: {}\n",
        "nothing is expected, so the case shows nothing",
    );
    wrong(
        "  - name: a\n    action: { tool: a.b }\n    expect: { decision: PERMIT }\n",
        "`PERMIT` is no decision",
    );
    wrong(
        "  - name: a\n    session: { facts: { prior_actions: [x] } }\n    action: { tool: a.b }\n    expect: { decision: DENY }\n",
        "`prior_actions` is computed from what happens",
    );
    wrong(
        "  - name: a\n    session: { before: [{ turn: x, output: y }, { wait: 1, turn: z }] }\n    action: { tool: a.b }\n    expect: { decision: DENY }\n",
        "`output` does not belong to such a step",
    );
    let none = home.run(&["policy", "test", "nowhere"]).exits(2);
    assert!(none.err.contains("the cases in nowhere cannot be read"), "{}", none.err);
    home.write("empty/readme.md", "");
    let none = home.run(&["policy", "test", "empty"]).exits(2);
    assert!(none.err.contains("there are no cases in empty"), "{}", none.err);
    home.write("policies/desk.yaml", "version: 1\nrules: [{ id: a, acton: DENY }]\n");
    home.run(&["policy", "test", "policies"]).exits(3);
}

/// Cases lie beside policies, or in a folder of their own below them, and are no part of the set.
#[test]
fn cases_are_no_policies_and_find_theirs() {
    let home = home();
    let digest =
        |home: &Home| home.run(&["policy", "check", "policies", "--json"]).exits(0).json()["digest"].clone();
    let before = digest(&home);
    fs::remove_file(home.path("policies/desk.test.yaml")).unwrap();
    assert_eq!(digest(&home), before);
    home.write("policies/tests/more.test.yaml", CASES);
    home.run(&["policy", "test", "policies"]).exits(0);
    home.write("fragment.yaml", "match: { tool: a.b }\naction: DENY\n");
    home.write("fragment.test.yaml", "version: 1\ndefault: ALLOW\ncases:\n  - { name: a, action: { tool: a.b }, expect: { decision: DENY, rule: fragment } }\n  - { name: b, action: { tool: a.c }, expect: { decision: ALLOW, step: default } }\n");
    home.run(&["policy", "test", "fragment.test.yaml"]).exits(0);
}

#[test]
fn an_action_is_explained_rule_by_rule_and_contents_stay_closed() {
    let home = home();
    home.write("action.json", r#"{"session": {"before": [{"call": "crm.get_customer", "labels": ["PII"], "output": "Ada"}]}, "action": {"tool": "mail.send", "arguments": {"to": "bo@example.net"}}}"#);
    let said = home.run(&["policy", "explain", "--policy", "policies", "--action", "action.json"]).exits(0);
    said.says(
        "\
DENY: No personal data to strangers
  The rules of the highest priority that hold decide. (step: baseline)
  2 rules asked about mail.send; 8 rules about other tools
  outranked ALLOW    send (priority 0): strangers stands above it
  decided   DENY     strangers (priority 5)
      yes      parameters.to is outside the organisation's domains <- a text of 14 characters
      yes      context.data_classification has PII in it <- [\"PII\"]
",
    );
    let open = home
        .run(&["policy", "explain", "--policy", "policies", "--action", "action.json", "--values"])
        .exits(0);
    assert!(open.out.contains("<- \"bo@example.net\""), "{}", open.out);
    let json = home
        .run(&[
            "policy",
            "explain",
            "--case",
            "policies/desk.test.yaml#a restart waits for the window",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!((&json["decision"], &json["step"]), (&json!("DEFER"), &json!("uncertain")));
    assert_eq!(json["missing"][0]["what"], "context.window (not known)");
    assert!(
        json["missing"][0]["remedy"].as_str().unwrap().contains("has to give the fact `window`"),
        "{json}"
    );
    let rule = json["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "window").unwrap();
    assert_eq!((&rule["value"], &rule["part"]), (&json!("unknown"), &json!("decided")));
    assert_eq!(rule["tests"][0]["asks"], "is open");
    let several = home.run(&["policy", "explain", "--case", "policies/desk.test.yaml"]).exits(2);
    assert!(
        several.err.contains("has several cases") && several.err.contains("a list is capped"),
        "{}",
        several.err
    );
}

#[test]
fn what_loads_and_may_not_be_meant_is_told() {
    let home = Home::empty();
    home.write(
        "part.yaml",
        "rules:
  - { id: a, match: { tool: mail.send }, action: DENY, priority: 1 }
  - { id: b, match: { tool: mail.send, parameters.n: { gt: 1 } }, action: ALLOW }
  - { id: c, match: { parameters.n: { gt: 5, lt: 2 } }, action: ALLOW, priority: 9 }
  - { id: d, match: { tool: mail.sned, context.window: open }, action: STEP_UP }
",
    );
    home.run(&["policy", "check", "part.yaml"]).exits(3);
    let said = home.run(&["policy", "check", "part.yaml", "--default", "DENY"]).exits(0);
    for line in [
        "warning: part.yaml:3:11: rule `b` is never heard: rule `a` (part.yaml:2) decides at a higher priority whenever it holds\n",
        "warning: part.yaml:4:11: rule `c` can never hold: no call answers to all of its tests\n",
        "warning: part.yaml:5:11: rule `d` cannot be told while `context.window` is missing, and nothing in this set or its configuration gives it\n",
        "      hint: a host, an operator or a resolver has to give `window` to each session",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    assert!(!said.out.contains("sned`"), "{}", said.out);
    home.write("tools.json", r#"{"tools": [{"name": "send", "inputSchema": {"type": "object"}}]}"#);
    let json = home
        .run(&["policy", "check", "part.yaml", "--default", "deny", "--tools", "mail=tools.json", "--json"])
        .exits(0)
        .json();
    let messages: Vec<&str> =
        json["review"].as_array().unwrap().iter().map(|fault| fault["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"nothing is called `mail.sned`"), "{messages:?}");
    assert_eq!(json["default"], "DENY");
}

#[test]
fn the_schema_that_is_printed_is_the_committed_one() {
    let committed =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/policy-v1.json")).unwrap();
    Home::empty().run(&["policy", "schema"]).exits(0).says(&committed);
}

#[test]
fn files_are_put_into_one_layout_and_comments_stay() {
    let home = Home::empty();
    let written = "version: 1\ndefault: DENY\nrules:\n# The first.\n-   action: DENY   # no\n    id: a\n    match: { tool: x }\n";
    let laid = "version: 1\ndefault: DENY\nrules:\n  # The first.\n  - id: a\n    match: { tool: x }\n    action: DENY   # no\n";
    home.write("p/a.yaml", written);
    home.write("p/b.yaml", "rules: [{ id: b, match: {}, action: ALLOW }]\n");
    home.write("p/c.yaml", "rules:\n  - &c { id: c, match: {}, action: ALLOW }\n");
    let digest =
        |home: &Home| home.run(&["policy", "check", "p/a.yaml", "--json"]).exits(0).json()["rules"].clone();
    let before = digest(&home);
    let checked = home.run(&["policy", "fmt", "--check", "p"]).exits(1);
    assert!(checked.out.starts_with("p/a.yaml has another layout\n"), "{}", checked.out);
    assert_eq!(fs::read_to_string(home.path("p/a.yaml")).unwrap(), written);
    let said = home.run(&["policy", "fmt", "p"]).exits(0);
    said.says("p/a.yaml\nleft as it is: p/c.yaml:2:1: an anchor, an alias or a tag stands here\n1 changed, 1 in layout, 1 left as they are.\n");
    assert_eq!(fs::read_to_string(home.path("p/a.yaml")).unwrap(), laid);
    assert_eq!(digest(&home), before);
    home.run(&["policy", "fmt", "--check", "p"]).exits(0);
    home.write("p/d.yaml", "a: [");
    home.run(&["policy", "fmt", "p"]).exits(3);
}

#[test]
fn r1_reason_a_refused_developer_learns_why_and_what_to_do_next() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let call = |tool: &str| {
        let params = json!({ "name": tool, "arguments": { "path": "note.txt", "content": "hello" } });
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer: Value = daemon.post("/mcp", &asked)["result"].clone();
        answer["_meta"]["countersign"]["receipt"]["id"].as_str().unwrap().to_owned()
    };
    let refused = call("files__write_file");
    let said = home.run(&["explain", &refused]).exits(0);
    for line in [
        "files.write_file was refused (rule writing); nothing was sent.\n",
        "decision       DENY by rule writing\n",
        "reason         Nothing is written here\n",
        "step           baseline: The rules of the highest priority that hold decide.\n",
        "what next      choose another way, or ask the people who write the policy\n",
        "Decided again over the session as it stood, under the same policy, with the same ruling:\n",
        "decided   DENY     writing (priority 0)\n",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    // Another policy is told apart, and the receipt stays what it is.
    let other = home.run(&["explain", &refused, "--json"]).exits(0).json();
    assert_eq!(
        (&other["again"]["same_policy"], &other["again"]["same_ruling"]),
        (&json!(true), &json!(true))
    );
    home.write("other/p.yaml", "version: 1\ndefault: ALLOW\n");
    let other = home.run(&["explain", &refused, "--policy", "other", "--json"]).exits(0).json();
    assert_eq!(
        (&other["again"]["same_policy"], &other["again"]["same_ruling"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&other["decision"], &other["again"]["explanation"]["decision"]),
        (&json!("DENY"), &json!("ALLOW"))
    );
    // From the file alone.
    let shown = home.run(&["receipt", "show", &refused, "--json"]).exits(0).json();
    home.write("apart/receipt.json", &shown["receipts"][0]["receipt"].to_string());
    let alone = home.run(&["explain", "apart/receipt.json", "--config", "nowhere.yaml"]).exits(0);
    assert!(alone.out.contains("what next      choose another way"), "{}", alone.out);
    assert!(alone.out.contains("Not decided again: there is no configuration here"), "{}", alone.out);
    home.run(&["explain", "rcp_nothing"]).exits(1);
    daemon.stop();
}

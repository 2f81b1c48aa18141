//! Sessions at the command line, as people and scripts see them: words, hints, exit codes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod apply;
mod contract;
mod daemon;
mod drift;
mod home;
mod import;
mod names;
mod packs;
mod policy;
mod replay;
mod restart;
mod simulate;
mod wild;

use home::Home;

#[test]
fn without_a_configuration_the_error_says_where_to_begin() {
    let home = Home::empty();
    home.run(&["doctor"]).exits(1).says(
        "FAIL  configuration: the configuration countersign.yaml cannot be read: No such file or directory (os error 2)\n      \
         -> name it with --config FILE, or run the command in its folder; docs/src/configuration.md has one to begin with; \
         `countersign quickstart` makes a working folder\n",
    );
    home.run(&["up"]).exits(3).complains(
        "error: the configuration countersign.yaml cannot be read
  because: No such file or directory (os error 2)
hint: name it with --config FILE, or run the command in its folder
hint: docs/src/configuration.md has one to begin with; `countersign quickstart` makes a working folder
",
    );
}

#[test]
fn a_faulty_configuration_is_explained_line_by_line() {
    let home = Home::new();
    home.configure("listn: 127.0.0.1:1\n");
    home.run(&["keys", "list"]).exits(3).complains(
        "error: the configuration countersign.yaml cannot be used
  countersign.yaml:17:1: unknown key `listn`
      hint: did you mean `listen`?
",
    );
    let error = home.run(&["keys", "list", "--json"]).exits(3).error_json();
    assert_eq!(error["error"]["kind"], "configuration");
    assert_eq!(error["error"]["faults"][0]["line"], 17);
    assert_eq!(error["error"]["faults"][0]["hint"], "did you mean `listen`?");
}

#[test]
fn keys_are_made_once_and_up_does_not_make_them() {
    let home = Home::new();
    home.run(&["up"]).exits(5).complains(
        "error: the keys cannot be used
  because: HOME/keys does not exist; `countersign keys init` makes a key folder
hint: run `countersign keys init` once, and keep a backup of the folder
",
    );
    let made = home.run(&["keys", "init"]).exits(0);
    assert!(made.out.starts_with("Made the keys in HOME/keys.\nKEY ID"), "{}", made.out);
    let again = home.run(&["keys", "init"]).exits(0);
    assert!(again.out.contains("were there already; nothing was changed"), "{}", again.out);
    let listed = home.run(&["keys", "list", "--json"]).exits(0).json();
    let id = listed["keys"][0]["key_id"].as_str().unwrap().to_owned();
    assert!(made.out.contains(&id) && again.out.contains(&id));
}

#[test]
fn a_token_that_others_can_change_is_refused_with_the_command_that_closes_it() {
    let home = Home::new();
    home.open_to_others("tokens/agent");
    home.run(&["keys", "init"]).exits(0);
    if home.is_reachable() {
        home.run(&["up"]).exits(3).complains(
            "error: the credentials that countersign.yaml names cannot be used
  countersign.yaml:8:7: the token of the agent desk-agent-1: HOME/tokens/agent can be changed by other users (mode 0666)
      hint: run: chmod 600 HOME/tokens/agent
",
        );
    }
}

#[test]
fn a_policy_is_checked_as_the_daemon_would_load_it() {
    let home = Home::new();
    let good = home.run(&["policy", "check"]).exits(0);
    assert!(good.out.starts_with("ACTION   PRIORITY  RULE"), "{}", good.out);
    assert!(
        good.out.contains("Anything else: DENY.\ndesk version 1: 3 rules in 1 file, sha256:"),
        "{}",
        good.out
    );
    home.write("policies/more.yaml", "version: 1\nrules:\n  - { id: x, match: { tool: a }, acton: DENY }\n");
    let bad = home.run(&["policy", "check"]).exits(3);
    assert!(
        bad.err.starts_with(
            "error: the policies are faulty, so none of them is used\n  HOME/policies/more.yaml:3:"
        ),
        "{}",
        bad.err
    );
    assert!(bad.err.contains("hint: did you mean `action`"), "{}", bad.err);
    home.run(&["policy", "check", "policies/base.yaml"]).exits(0);
    home.run(&["policy", "check", "nowhere"]).exits(3).complains(
        "error: the policies cannot be read
  because: nowhere: No such file or directory (os error 2)
hint: name readable files or folders under `policies` in the configuration
",
    );
}

#[test]
fn a_question_to_nobody_is_warned_about() {
    let home = Home::new();
    home.write("policies/base.yaml", &home::POLICY.replace("[security-team]", "[sec-team]"));
    let checked = home.run(&["policy", "check"]).exits(0);
    assert!(checked.out.contains("warning: rule `listing` asks sec-team for approval"), "{}", checked.out);
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let home = Home::new();
    let before = home.run(&["doctor"]).exits(1);
    assert!(
        before.out.contains("FAIL  keys: the keys cannot be used: HOME/keys does not exist"),
        "{}",
        before.out
    );
    assert!(before.out.contains("      -> run `countersign keys init` once"), "{}", before.out);
    home.run(&["keys", "init"]).exits(0);
    let after = home.run(&["doctor"]).exits(0);
    assert!(after.out.contains("warn  daemon: nothing answers at http://127.0.0.1:"), "{}", after.out);
    assert!(!after.out.contains("FAIL"), "{}", after.out);
    let json = home.run(&["doctor", "--json"]).exits(0).json();
    assert_eq!(json["ok"], true);
    home.write("policies/base.yaml", "version: 9");
    let json = home.run(&["doctor", "--json"]).exits(1).json();
    let failed =
        json["findings"].as_array().unwrap().iter().find(|finding| finding["status"] == "fail").unwrap();
    assert_eq!(failed["what"], "policies");
}

#[test]
fn the_ledger_is_not_made_by_looking_at_it() {
    let home = Home::new();
    home.run(&["keys", "init"]).exits(0);
    home.run(&["receipt", "list"]).exits(5).complains(
        "error: the ledger cannot be opened
  because: there is no ledger at HOME/countersign.db
hint: `countersign up` makes it when it first starts
",
    );
    assert!(!home.path("countersign.db").exists());
}

#[test]
fn when_the_daemon_is_away_the_exit_code_says_so() {
    let home = Home::new();
    let away = home.run(&["approvals", "list", "--token-file", "tokens/bob"]).exits(4);
    assert!(away.err.starts_with("error: there is no answer from http://127.0.0.1:"), "{}", away.err);
    assert!(
        away.err.ends_with("hint: start the daemon with `countersign up`, or say where it is with --url\n"),
        "{}",
        away.err
    );
    let error = home
        .run(&["halt", "--all", "--reason", "x", "--token-file", "tokens/ops", "--json"])
        .exits(4)
        .error_json();
    assert_eq!(error["error"]["kind"], "away");
    home.run(&["approvals", "list", "--token-file", "tokens/bob", "--url", "http://example.com"])
        .exits(2)
        .complains(
            "error: http://example.com is reached without TLS, and your token would be seen on the way
hint: use https, or run the command on the daemon's machine
",
        );
}

#[test]
fn a_command_line_that_makes_no_sense_exits_with_2() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &["halt", "--reason", "x", "--token-file", "t"],
        &["receipt", "export"],
        &["up", "now"],
    ] {
        home.run(args).exits(2);
    }
    home.run(&["receipt", "verify", "nowhere", "--keys", "nowhere"]).exits(2).complains(
        "error: nowhere cannot be read
  because: No such file or directory (os error 2)
",
    );
}

#[test]
fn completion_scripts_are_printed_for_every_shell() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(&["completions", shell]).exits(0);
        assert!(script.out.contains("approvals") && !script.out.contains("COUNTERSIGN_BUG"), "{shell}");
    }
}

#[test]
fn receipts_are_verified_from_a_file_and_a_public_key_alone() {
    let home = Home::empty();
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/receipt/v1/vectors");
    let (export, keys) = (format!("{vectors}/export.jsonl"), format!("{vectors}/keys.json"));
    let good = home.run(&["receipt", "verify", &export, "--keys", &keys]).exits(0);
    assert!(good.out.contains("Proved:") && good.out.contains("Not proved:"), "{}", good.out);
    let text = std::fs::read_to_string(&export).unwrap();
    home.write("changed.jsonl", &text.replacen("ALLOW", "DENY", 1));
    let bad = home.run(&["receipt", "verify", "changed.jsonl", "--keys", &keys]).exits(1);
    assert!(
        bad.out.contains("WRONG: line") && bad.out.contains("This export must not be relied on."),
        "{}",
        bad.out
    );
    home.write("one.json", text.lines().next().unwrap());
    let one = home.run(&["receipt", "verify", "one.json", "--keys", &keys, "--json"]).exits(0).json();
    assert_eq!(one["verified"], true);
    home.write("empty.jsonl", "");
    home.run(&["receipt", "verify", "empty.jsonl", "--keys", &keys]).exits(1);
}

//! R3.reload: what makes a set looser than the one before it.

use countersign_core::policy::PolicySet;

const BEFORE: &str = r#"
version: 1
default: DENY
internal_domains: [example.com, corp.example]
unclassified: CONFIDENTIAL
compositional_risk: {threshold: 8000, action: DENY}
classification:
  patterns:
    - {id: x, matches: 'X[0-9]{4}', labels: [internal-id]}
    - {id: y, matches: 'Y[0-9]{4}', labels: [order-id]}
tools:
  "*": {arguments: declared}
  pay.send: {arguments: {type: object, required: [to]}}
rules:
  - {id: no-drop, match: {tool: db.drop}, action: DENY, reason: never}
  - {id: ask, match: {tool: mail.send}, action: STEP_UP, approvers: [ops]}
  - {id: reads, match: {tool: files.read}, action: ALLOW}
  - {id: mark, match: {tool: files.read}, effect: {set_context: {seen: true}}}
"#;

fn set(text: &str) -> PolicySet {
    PolicySet::assemble(vec![("p.yaml".to_owned(), text.into())]).unwrap()
}

fn loosens(later: &str) -> Vec<String> {
    set(later).looser_than(&set(BEFORE)).iter().map(ToString::to_string).collect()
}

/// The set with one piece of its text replaced, and what that loosens.
fn replaced(from: &str, by: &str) -> Vec<String> {
    assert!(BEFORE.contains(from), "{from}");
    loosens(&BEFORE.replace(from, by))
}

const NONE: [&str; 0] = [];

#[test]
fn r3_reload_a_set_is_not_looser_than_itself_however_it_is_laid_out() {
    assert_eq!(loosens(BEFORE), NONE);
    let other_words = BEFORE.replace("reason: never", "reason: not ever, description: see the wiki");
    let other_order = other_words.replace(
        "{id: ask, match: {tool: mail.send}, action: STEP_UP, approvers: [ops]}",
        "{approvers: [ops], action: STEP_UP, match: {tool: mail.send}, id: ask}",
    );
    assert_eq!(loosens(&other_order), NONE);
}

#[test]
fn r3_reload_whatever_restrained_and_is_gone_or_reads_otherwise_loosens() {
    let cases = [
        (
            "  - {id: no-drop, match: {tool: db.drop}, action: DENY, reason: never}\n",
            "",
            "rule no-drop, which says DENY, is dropped",
        ),
        ("tool: db.drop", "tool: db.drop_table", "rule no-drop, which says DENY, reads otherwise"),
        (
            "action: STEP_UP, approvers: [ops]",
            "action: ALLOW",
            "rule ask, which says STEP_UP, reads otherwise",
        ),
        (
            "action: STEP_UP, approvers: [ops]",
            "action: STEP_UP",
            "rule ask, which says STEP_UP, reads otherwise",
        ),
        ("seen: true", "seen: false", "rule mark, which writes context, reads otherwise"),
        ("default: DENY", "default: STEP_UP", "the default is STEP_UP and was DENY"),
        ("default: DENY", "default: ALLOW", "the default is ALLOW and was DENY"),
        ("corp.example]", "corp.example, example.net]", "example.net counts as internal and did not"),
        (
            "unclassified: CONFIDENTIAL",
            "unclassified: PUBLIC",
            "data of which nothing is known counts as PUBLIC and counted as CONFIDENTIAL",
        ),
        (
            "threshold: 8000",
            "threshold: 9000",
            "something under `compositional_risk` is gone or reads otherwise",
        ),
        (
            "    - {id: x, matches: 'X[0-9]{4}', labels: [internal-id]}\n",
            "",
            "something under `classification` is gone or reads otherwise",
        ),
        ("required: [to]", "required: []", "something under `tools` is gone or reads otherwise"),
        ("  \"*\": {arguments: declared}\n", "", "something under `tools` is gone or reads otherwise"),
    ];
    for (from, by, says) in cases {
        assert_eq!(replaced(from, by), [says], "{from} -> {by}");
    }
}

#[test]
fn r3_reload_what_only_restrains_more_does_not_loosen() {
    for (from, by) in [
        ("rules:\n", "rules:\n  - {id: more, match: {tool: db.write}, action: DENY}\n"),
        ("  - {id: reads, match: {tool: files.read}, action: ALLOW}\n", ""),
        ("tool: files.read}, action: ALLOW", "tool: files.read}, action: DENY"),
        ("tool: files.read}, action: ALLOW", "tool: files}, action: ALLOW"),
        ("rules:\n", "rules:\n  - {id: more, match: {tool: mail.list}, action: ALLOW}\n"),
        ("[example.com, corp.example]", "[example.com]"),
        ("unclassified: CONFIDENTIAL", "unclassified: RESTRICTED"),
        ("  patterns:\n", "  patterns:\n    - {id: z, matches: 'Z[0-9]{4}', labels: [case-id]}\n"),
        ("  pay.send:", "  pay.back: {arguments: declared}\n  pay.send:"),
    ] {
        assert_eq!(replaced(from, by), NONE, "{from} -> {by}");
    }
    let from_allow = set(&BEFORE.replace("default: DENY", "default: ALLOW"));
    assert!(set(BEFORE).looser_than(&from_allow).is_empty());
}

#[test]
fn r3_reload_a_rule_that_moves_to_another_file_is_the_same_rule() {
    let rule = "  - {id: no-drop, match: {tool: db.drop}, action: DENY, reason: never}\n";
    let files = vec![
        ("a.yaml".to_owned(), BEFORE.replace(rule, "").into()),
        ("b.yaml".to_owned(), format!("version: 1\nrules:\n{rule}").into()),
    ];
    assert!(PolicySet::assemble(files).unwrap().looser_than(&set(BEFORE)).is_empty());
}

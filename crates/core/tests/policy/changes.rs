//! R3.reload: what differs between two sets, and what of it loosens.

use countersign_core::policy::{Changes, PolicySet};

const BEFORE: &str = r#"
version: 1
default: DENY
internal_domains: [example.com, corp.example]
unclassified: CONFIDENTIAL
compositional_risk: {threshold: 8000, action: DENY}
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

fn to(later: &str) -> Changes {
    set(later).changes_from(&set(BEFORE))
}

/// The set with one piece of its text replaced, and what that loosens.
fn replaced(from: &str, by: &str) -> Vec<String> {
    assert!(BEFORE.contains(from), "{from}");
    to(&BEFORE.replace(from, by)).loosens.iter().map(ToString::to_string).collect()
}

#[test]
fn r3_reload_a_set_differs_in_nothing_from_itself_however_it_is_laid_out() {
    assert_eq!(to(BEFORE), Changes::default());
    let other_words = BEFORE.replace("reason: never", "reason: not ever, description: see the wiki");
    let other_order = other_words.replace(
        "{id: ask, match: {tool: mail.send}, action: STEP_UP, approvers: [ops]}",
        "{approvers: [ops], action: STEP_UP, match: {tool: mail.send}, id: ask}",
    );
    assert_eq!(to(&other_order), Changes::default());
}

#[test]
fn r3_reload_rules_that_come_go_and_change_are_told_by_id() {
    let later = BEFORE
        .replace("{id: reads, match: {tool: files.read}", "{id: reads, match: {tool: files.list}")
        .replace("id: ask,", "id: asked,");
    let changes = to(&later);
    let ids =
        |ids: &[countersign_core::names::RuleId]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&changes.added), ["asked"]);
    assert_eq!(ids(&changes.removed), ["ask"]);
    assert_eq!(ids(&changes.changed), ["reads"]);
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
        ("required: [to]", "required: []", "something under `tools` is gone or reads otherwise"),
        ("  \"*\": {arguments: declared}\n", "", "something under `tools` is gone or reads otherwise"),
    ];
    for (from, by, says) in cases {
        assert_eq!(replaced(from, by), [says], "{from} -> {by}");
    }
}

#[test]
fn r3_reload_what_only_restrains_more_does_not_loosen() {
    let none: [&str; 0] = [];
    for (from, by) in [
        ("rules:\n", "rules:\n  - {id: more, match: {tool: db.write}, action: DENY}\n"),
        ("  - {id: reads, match: {tool: files.read}, action: ALLOW}\n", ""),
        ("tool: files.read}, action: ALLOW", "tool: files.read}, action: DENY"),
        ("tool: files.read}, action: ALLOW", "tool: files}, action: ALLOW"),
        ("rules:\n", "rules:\n  - {id: more, match: {tool: mail.list}, action: ALLOW}\n"),
        ("[example.com, corp.example]", "[example.com]"),
        ("unclassified: CONFIDENTIAL", "unclassified: RESTRICTED"),
        ("  pay.send:", "  pay.back: {arguments: declared}\n  pay.send:"),
    ] {
        assert_eq!(replaced(from, by), none, "{from} -> {by}");
    }
    let from_allow = set(&BEFORE.replace("default: DENY", "default: ALLOW"));
    assert_eq!(set(BEFORE).changes_from(&from_allow).loosens, []);
}

#[test]
fn r3_reload_a_rule_that_moves_to_another_file_is_the_same_rule() {
    let rule = "  - {id: no-drop, match: {tool: db.drop}, action: DENY, reason: never}\n";
    let files = vec![
        ("a.yaml".to_owned(), BEFORE.replace(rule, "").into()),
        ("b.yaml".to_owned(), format!("version: 1\nrules:\n{rule}").into()),
    ];
    assert_eq!(PolicySet::assemble(files).unwrap().changes_from(&set(BEFORE)), Changes::default());
}

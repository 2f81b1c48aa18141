//! R1.reason: a ruling taken apart says what every rule asked, found and had to do with it.

use countersign_core::decide::explain::{Explanation, Part, explain};
use countersign_core::decision::Verdict;
use countersign_testkit::builders::{World, arguments, rules};
use serde_json::json;

fn part(explanation: &Explanation, rule: &str) -> Part {
    explanation.rules.iter().find(|considered| considered.rule.as_str() == rule).unwrap().part.clone()
}

#[test]
fn the_ruling_is_that_of_decide_and_each_rule_has_its_part() {
    let policy = rules(
        "DENY",
        &[
            "{id: a, match: {tool: files.read}, action: ALLOW}",
            "{id: b, match: {tool: files}, action: STEP_UP, priority: 2}",
            "{id: c, match: {parameters.n: {gt: 5}}, action: DENY, priority: 2}",
            "{id: d, match: {context.ticket: open}, action: DENY, priority: 1}",
            "{id: e, match: {}, effect: {set_context: {seen: true}}}",
            "{id: f, match: {tool: mail}, action: DENY}",
        ],
    );
    let world = World::under(policy).calls("files.read", r#"{"n": 3}"#);
    let explanation = explain(&world.question(), false);
    assert_eq!(explanation.ruling, world.decide());
    assert_eq!(part(&explanation, "a"), Part::Outranked(vec!["b".into()]));
    assert_eq!(part(&explanation, "b"), Part::Decided);
    assert_eq!(part(&explanation, "c"), Part::Silent);
    assert_eq!(part(&explanation, "d"), Part::Idle);
    assert_eq!(part(&explanation, "e"), Part::Writes);
    assert_eq!((explanation.rules.len(), explanation.elsewhere), (5, 1));
}

#[test]
fn a_forbidding_rule_overtakes_and_what_is_missing_is_named_with_who_can_give_it() {
    let forbid = "{id: never, match: {tool: files.read}, action: DENY, classification: forbidden}";
    let world = World::under(rules("DENY", &["{id: a, match: {}, action: ALLOW, priority: 9}", forbid]));
    let explanation = explain(&world.question(), false);
    assert_eq!((part(&explanation, "a"), part(&explanation, "never")), (Part::Overtaken, Part::Decided));
    let waits = World::under(rules("DENY", &["{id: w, match: {context.window: open}, action: ALLOW}"]));
    let explanation = explain(&waits.question(), false);
    assert_eq!(explanation.ruling.verdict(), Verdict::Defer);
    let [(what, remedy)] = &explanation.remedies()[..] else { panic!("{explanation}") };
    assert_eq!(what, "context.window (not known)");
    assert!(remedy.contains("has to give the fact `window`"), "{remedy}");
}

#[test]
fn contents_are_shown_only_when_asked_for_and_secrets_never() {
    let rule = "{id: a, match: {parameters.note: {contains: x}, parameters.password: {exists: true}, context.data_classification: PII}, action: DENY}";
    let text = r#"{"note": "x marks the spot", "password": "correct-horse-battery-9"}"#;
    let world = World::under(rules("ALLOW", &[rule])).calls("files.read", text);
    let closed = explain(&world.question(), false);
    let (json, words) = (closed.to_json().to_string(), closed.to_string());
    assert!(!json.contains("marks") && !words.contains("marks"), "{words}");
    assert!(words.contains("parameters.note has x in it <- a text of 16 characters"), "{words}");
    let open = explain(&world.question(), true).to_json();
    assert_eq!(open["rules"][0]["tests"][0]["value"], json!("x marks the spot"));
    assert_eq!(open["rules"][0]["tests"][1]["value"], json!("[REDACTED]"));
    assert_eq!(open["rules"][0]["tests"][2]["value"], json!([]));
}

#[test]
fn rules_that_speak_of_the_edited_action_alone_are_told_apart() {
    let policy = rules(
        "DENY",
        &[
            "{id: read, match: {tool: files.read}, action: ALLOW}",
            "{id: cap, match: {parameters.n: {gt: 5}}, action: MODIFY, modifications: {parameters: {n: 5}}}",
            "{id: five, match: {parameters.n: 5}, action: STEP_UP, priority: 1}",
        ],
    );
    let mut world = World::under(policy);
    world.action.arguments = arguments(r#"{"n": 9}"#);
    let explanation = explain(&world.question(), true);
    assert_eq!(explanation.ruling, world.decide());
    assert_eq!(explanation.ruling.verdict(), Verdict::StepUp);
    assert_eq!(part(&explanation, "five"), Part::Decided);
    let after: Vec<(&str, &Part)> =
        explanation.after_edits.iter().map(|rule| (rule.rule.as_str(), &rule.part)).collect();
    assert_eq!(after, [("cap", &Part::Silent), ("five", &Part::Decided)]);
    assert!(explanation.to_string().contains("of the action as it is edited:"), "{explanation}");
}

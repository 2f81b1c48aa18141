//! What a MODIFY may lead to: the edited action is judged as if it had been called.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::action::{Action, Contract};
use countersign_core::decide::{Question, decide};
use countersign_core::decision::{Decision, Step, Verdict};
use countersign_core::edits::Edit;
use countersign_testkit::builders::{World, approvers, edits, rules};
use proptest::prelude::*;
use serde_json::json;

const CAP: &str = "{id: cap, match: {}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}}";

fn call(text: &str, all: &[&str]) -> World {
    World::under(rules("DENY", all)).calls("db.query", text)
}

#[test]
fn r4_modify_runs_with_transformed_parameters() {
    let ruling = call(r#"{"limit":100}"#, &[CAP]).decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Modify, Step::Baseline));
    assert_eq!(ruling.edits, edits(&[("limit", Edit::Cap(10.into()))]));
}

#[test]
fn r4_modify_rides_beside_allow_step_up_and_defer_and_conflicts_with_deny() {
    for (beside, verdict) in [
        ("action: ALLOW", Verdict::Modify),
        ("action: STEP_UP", Verdict::StepUp),
        ("action: DEFER", Verdict::Defer),
    ] {
        let beside = format!("{{id: b, match: {{}}, {beside}}}");
        let ruling = call(r#"{"limit":100}"#, &[CAP, &beside]).decide();
        assert_eq!(ruling.verdict(), verdict);
        assert!(!ruling.edits.is_empty(), "{beside}");
    }
    let ruling = call(r#"{"limit":100}"#, &[CAP, "{id: b, match: {}, action: DENY}"]).decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Defer, Step::Uncertain));
}

#[test]
fn r4_modify_lower_rules_add_no_edits() {
    let ruling = call(r#"{"limit":100}"#, &[CAP, "{id: b, match: {}, action: ALLOW, priority: 1}"]).decide();
    assert_eq!(ruling.verdict(), Verdict::Allow);
}

#[test]
fn r4_modify_caps_compose_and_contradicting_values_wait_for_agreement() {
    let lower = "{id: b, match: {}, action: MODIFY, modifications: {parameters: {limit: {max: 5}}}}";
    assert_eq!(
        call(r#"{"limit":100}"#, &[CAP, lower]).decide().edits,
        edits(&[("limit", Edit::Cap(5.into()))])
    );
    let elsewhere = "{id: b, match: {}, action: MODIFY, modifications: {parameters: {q: safe}}}";
    let ruling = call(r#"{"limit":100,"q":"x"}"#, &[CAP, elsewhere]).decide();
    assert_eq!(ruling.edits, edits(&[("limit", Edit::Cap(10.into())), ("q", Edit::Set(json!("safe")))]));
    let value = "{id: b, match: {}, action: MODIFY, modifications: {parameters: {limit: 7}}}";
    assert_eq!(call(r#"{"limit":100}"#, &[CAP, value]).decide().verdict(), Verdict::Defer);
}

#[test]
fn r4_modify_an_edit_that_nobody_can_carry_out_is_a_denial() {
    for (text, schema) in [
        (r"{}", None),
        (r#"{"limit":"many"}"#, None),
        (r"{}", Some(json!({"properties": {"limit": {"type": "string"}}}))),
        (r"{}", Some(json!({"properties": {"other": {"type": "integer"}}}))),
    ] {
        let world = call(text, &[CAP])
            .declared(Contract { input_schema: schema.map(Arc::new), ..Contract::default() });
        let ruling = world.decide();
        assert_eq!(ruling.verdict(), Verdict::Deny, "{text}");
        assert!(ruling.edits.is_empty() && ruling.sets.is_empty());
    }
    let schema = Some(Arc::new(json!({"properties": {"limit": {"type": "integer"}}})));
    let world = call("{}", &[CAP]).declared(Contract { input_schema: schema, ..Contract::default() });
    assert_eq!(world.decide().verdict(), Verdict::Modify, "an absent limit may mean none");
}

#[test]
fn r4_modify_cannot_lead_to_what_is_itself_denied_asked_or_deferred() {
    let redirect =
        "{id: m, match: {parameters: {to: a}}, action: MODIFY, modifications: {parameters: {to: b}}}";
    let ok = "{id: ok, match: {}, action: ALLOW}";
    for (about_b, verdict) in [
        ("action: DENY, priority: 1", Verdict::Deny),
        ("action: DENY, classification: forbidden", Verdict::Deny),
        ("action: STEP_UP, approvers: [x], priority: 1", Verdict::StepUp),
        ("action: DEFER, priority: 1", Verdict::Defer),
    ] {
        let about_b = format!("{{id: b, match: {{parameters: {{to: b}}}}, {about_b}}}");
        let ruling = call(r#"{"to":"a"}"#, &[redirect, ok, &about_b]).decide();
        assert_eq!(ruling.verdict(), verdict, "{about_b}");
        assert!(ruling.because.rules.iter().any(|rule| rule.as_str() == "b"));
        assert_eq!(ruling.edits.is_empty(), verdict == Verdict::Deny);
    }
}

#[test]
fn r4_modify_beside_step_up_asks_those_who_answer_for_the_edited_action_too() {
    let redirect =
        "{id: m, match: {parameters: {to: a}}, action: MODIFY, modifications: {parameters: {to: b}}}";
    let ask = "{id: s, match: {}, action: STEP_UP, approvers: [security]}";
    let ask_b = "{id: b, match: {parameters: {to: b}}, action: STEP_UP, approvers: [finance]}";
    let ruling = call(r#"{"to":"a"}"#, &[redirect, ask, ask_b]).decide();
    assert_eq!(ruling.decision, Decision::StepUp(approvers(&["security"]).and(approvers(&["finance"]))));
    let wait_b = "{id: b, match: {parameters: {to: b}}, action: DEFER, priority: 1}";
    assert_eq!(call(r#"{"to":"a"}"#, &[redirect, ask, wait_b]).decide().verdict(), Verdict::Defer);
}

#[test]
fn r4_modify_what_the_edited_action_writes_into_the_context_is_written() {
    let redirect = "{id: m, match: {parameters: {path: a}}, action: MODIFY, modifications: {parameters: {path: secret}}}";
    let label =
        "{id: l, match: {parameters: {path: secret}}, effect: {set_context: {data_classification: SECRET}}}";
    let ok = "{id: ok, match: {}, action: ALLOW}";
    let ruling = call(r#"{"path":"a"}"#, &[redirect, label, ok]).decide();
    assert_eq!(ruling.verdict(), Verdict::Modify);
    assert_eq!(ruling.sets.get("data_classification"), Some(&json!("SECRET")));
}

#[test]
fn r4_modify_edits_that_call_for_further_edits_get_them_and_circles_are_denied() {
    let redirect =
        "{id: m, match: {parameters: {to: a}}, action: MODIFY, modifications: {parameters: {to: b}}}";
    let cap_b = "{id: b, match: {parameters: {to: b}}, action: MODIFY, modifications: {parameters: {limit: {max: 1}}}}";
    let ruling = call(r#"{"to":"a","limit":9}"#, &[redirect, cap_b]).decide();
    assert_eq!(ruling.edits, edits(&[("to", Edit::Set(json!("b"))), ("limit", Edit::Cap(1.into()))]));
    let back = "{id: b, match: {parameters: {to: b}}, action: MODIFY, modifications: {parameters: {to: a}}}";
    assert_eq!(call(r#"{"to":"a"}"#, &[redirect, back]).decide().verdict(), Verdict::Deny);
}

fn any_rule() -> impl Strategy<Value = String> {
    let says = prop_oneof![
        Just("action: ALLOW".to_owned()),
        Just("action: STEP_UP".to_owned()),
        (0..9_i32).prop_map(|n| format!("action: MODIFY, modifications: {{parameters: {{a: {n}}}}}")),
        (0..9_i32)
            .prop_map(|n| format!("action: MODIFY, modifications: {{parameters: {{b: {{max: {n}}}}}}}")),
        (0..9_i32).prop_map(|n| format!("action: MODIFY, modifications: {{parameters: {{c.d: {n}}}}}")),
        Just("action: DENY".to_owned()),
    ];
    let reads = (prop_oneof![Just("a"), Just("b"), Just("c.d")], 0..9_i32)
        .prop_map(|(name, n)| format!("parameters.{name}: {{gte: {n}}}"));
    (says, reads, 0..2_i32)
        .prop_map(|(says, reads, priority)| format!("match: {{{reads}}}, {says}, priority: {priority}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever may run, with its edits carried out, is something that may run as it is: judged again it is
    /// allowed, and what edits then remain change nothing more.
    #[test]
    fn r4_modify_what_runs_would_itself_be_allowed(
        all in proptest::collection::vec(any_rule(), 1..6),
        (a, b, d) in (0..9_i32, 0..9_i32, 0..9_i32),
    ) {
        let numbered: BTreeMap<usize, String> = all.into_iter().enumerate().collect();
        let lines: Vec<String> = numbered.iter().map(|(n, rule)| format!("{{id: r{n}, {rule}}}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let world = World::under(rules("ALLOW", &lines))
            .calls("db.query", &format!(r#"{{"a":{a},"b":{b},"c":{{"d":{d}}}}}"#));
        let ruling = world.decide();
        if ruling.decision == Decision::Allow {
            let arguments = ruling.edits.apply(&world.action.arguments, &world.action.contract).unwrap();
            let edited = Action { arguments, ..world.action.clone() };
            let again = decide(&Question { action: &edited, ..world.question() });
            prop_assert_eq!(&again.decision, &Decision::Allow);
            let twice = again.edits.apply(&edited.arguments, &edited.contract).unwrap();
            prop_assert_eq!(twice.value(), edited.arguments.value());
        }
    }
}

//! The order of judgement, clause by clause.

use countersign_core::action::Effect;
use countersign_core::decide::Halt;
use countersign_core::decision::{Decision, Gap, Step, Verdict, Why};
use countersign_core::policy::PolicySet;
use countersign_core::session::Change;
use countersign_core::time::Time;
use countersign_testkit::builders::{World, approvers, contract, facts, intent, rules, second, tool};
use proptest::prelude::*;
use serde_json::json;

const FORBID: &str =
    "{id: never, match: {tool: files}, action: DENY, classification: forbidden, reason: never}";

fn gaps(world: &World) -> Vec<String> {
    match world.decide().decision {
        Decision::Defer(missing) => missing.gaps().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r3_forbidden_is_denied_at_once_whatever_the_context_and_other_rules() {
    let others = [
        "{id: a, match: {}, action: ALLOW, priority: 100}",
        "{id: b, match: {context: {unknown_fact: 1}}, action: STEP_UP, priority: 100}",
        "{id: c, match: {}, action: MODIFY, modifications: {parameters: {x: 1}}, priority: 100}",
        "{id: d, match: {}, action: DEFER, priority: 100}",
    ];
    for other in others {
        let world = World::under(rules("ALLOW", &[other, FORBID])).intends(intent(&["files"], &[]));
        let ruling = world.decide();
        assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Deny, Step::Forbidden), "{other}");
        assert_eq!((&*ruling.because.reason, ruling.because.rules[0].as_str()), ("never", "never"));
        assert!(ruling.edits.is_empty() && ruling.sets.is_empty());
    }
}

#[test]
fn r3_forbidden_unknown_defers_what_would_run_and_leaves_denied_what_is_denied() {
    let forbid = "{id: f, match: {context: {frozen: true}}, action: DENY, classification: forbidden}";
    for (default, verdict) in
        [("ALLOW", Verdict::Defer), ("STEP_UP", Verdict::Defer), ("DENY", Verdict::Deny)]
    {
        assert_eq!(World::under(rules(default, &[forbid])).decide().verdict(), verdict);
    }
}

#[test]
fn r3_forbidden_unknown_defers_a_denial_that_the_request_would_lift() {
    let lift = "{id: l, match: {}, action: DENY, classification: context_dependent_allow}";
    let forbid = "{id: f, match: {context: {frozen: true}}, action: DENY, classification: forbidden}";
    let world = World::under(rules("DENY", &[lift, forbid])).intends(intent(&["files.read"], &[]));
    assert_eq!(gaps(&world), ["context.frozen (not known)"]);
    let world = world.knows("frozen", json!(true));
    assert_eq!(world.decide().because.step, Step::Forbidden);
}

#[test]
fn r3_cda_an_unknown_denial_beside_a_lifted_one_defers() {
    let lift = "{id: l, match: {}, action: DENY, classification: context_dependent_allow}";
    let plain = "{id: p, match: {context: {frozen: true}}, action: DENY}";
    let world = World::under(rules("DENY", &[lift, plain])).intends(intent(&["files.read"], &[]));
    assert_eq!(world.decide().verdict(), Verdict::Defer);
    assert_eq!(world.knows("frozen", json!(false)).decide().verdict(), Verdict::StepUp);
}

#[test]
fn r3_missing_a_fact_that_is_absent_stale_or_of_another_type_defers_and_is_named() {
    let rule = "{id: r, match: {context: {window: {gt: 5}}}, action: DENY}";
    let world = World::under(rules("ALLOW", &[rule]));
    assert_eq!(gaps(&world), ["context.window (not known)"]);
    let wrong = World::under(rules("ALLOW", &[rule])).knows("window", json!("soon"));
    assert_eq!(gaps(&wrong), ["context.window (of another type than the rule compares with)"]);
    let mut stale = World::under(rules("ALLOW", &[rule])).knows("window", json!(1));
    assert_eq!(stale.decide().verdict(), Verdict::Allow);
    stale.now = second(900);
    assert_eq!(gaps(&stale), ["context.window (no longer valid)"], "valid until that moment, not through it");
}

#[test]
fn r3_missing_a_rule_that_could_not_change_the_outcome_defers_nothing() {
    for (base, unknown, verdict) in [
        ("{id: b, match: {}, action: DENY, priority: 1}", "action: ALLOW", Verdict::Deny),
        ("{id: b, match: {}, action: DENY}", "action: DENY, priority: 9", Verdict::Deny),
        ("{id: b, match: {}, action: ALLOW, priority: 1}", "action: DENY", Verdict::Allow),
        ("{id: b, match: {}, action: ALLOW}", "action: ALLOW, priority: 9", Verdict::Allow),
        (
            "{id: b, match: {}, action: STEP_UP, approvers: [a]}",
            "action: STEP_UP, approvers: [a]",
            Verdict::StepUp,
        ),
    ] {
        let unknown = format!("{{id: u, match: {{context: {{x: 1}}}}, {unknown}}}");
        let world = World::under(rules("DENY", &[base, &unknown]));
        assert_eq!(world.decide().verdict(), verdict, "{base} {unknown}");
        assert!(world.decide().facts_read.contains("context.x"));
    }
}

#[test]
fn r3_missing_an_effect_that_may_have_to_be_written_defers_unless_denied() {
    let effect = "{id: e, match: {context: {x: 1}}, effect: {set_context: {data_classification: PII}}}";
    let low =
        "{id: e, match: {context: {x: 1}}, action: ALLOW, priority: -5, effect: {set_context: {seen: 1}}}";
    for unknown in [effect, low] {
        assert_eq!(World::under(rules("ALLOW", &[unknown])).decide().verdict(), Verdict::Defer);
        let high = "{id: h, match: {}, action: ALLOW}";
        assert_eq!(
            World::under(rules("DENY", &[unknown, high])).decide().verdict(),
            Verdict::Defer,
            "{unknown}"
        );
        let deny = "{id: h, match: {}, action: DENY}";
        assert_eq!(World::under(rules("DENY", &[unknown, deny])).decide().verdict(), Verdict::Deny);
    }
}

#[test]
fn r3_missing_a_rule_about_another_tool_needs_nothing() {
    let world =
        World::under(rules("ALLOW", &["{id: r, match: {tool: mail, context: {x: 1}}, action: DENY}"]));
    let ruling = world.decide();
    assert_eq!(ruling.verdict(), Verdict::Allow);
    assert!(ruling.facts_read.is_empty());
}

#[test]
fn r3_conflict_of_equal_priority_defers_and_escalates_where_approvers_exist() {
    let disagree = ["{id: a, match: {}, action: ALLOW}", "{id: b, match: {}, action: DENY}"];
    let world = World::under(rules("DENY", &disagree));
    let ruling = world.decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Defer, Step::Uncertain));
    assert_eq!(ruling.escalate, None, "nobody can settle it");
    assert_eq!(gaps(&world), ["agreement between the rules a b"]);
    let ruling = world.approvers(&["security"]).decide();
    assert_eq!(ruling.escalate, Some(approvers(&[])), "anybody can settle it");
    let named =
        ["{id: a, match: {}, action: ALLOW}", "{id: b, match: {}, action: STEP_UP, approvers: [finance]}"];
    let ruling = World::under(rules("DENY", &named)).approvers(&["finance"]).decide();
    assert_eq!(ruling.escalate, Some(approvers(&["finance"])), "those whom the rules name");
}

#[test]
fn r3_conflict_a_higher_priority_settles_it() {
    let disagree = [
        "{id: a, match: {}, action: ALLOW}",
        "{id: b, match: {}, action: DENY}",
        "{id: c, match: {}, action: STEP_UP, priority: 1}",
    ];
    let ruling = World::under(rules("DENY", &disagree)).decide();
    assert_eq!((ruling.verdict(), ruling.because.rules[0].as_str()), (Verdict::StepUp, "c"));
}

#[test]
fn r3_cdd_allowed_by_rule_and_left_out_by_the_request_is_denied() {
    let allow = "{id: a, match: {}, action: ALLOW}";
    let modify = "{id: m, match: {}, action: MODIFY, modifications: {parameters: {x: 1}}}";
    for rule in [allow, modify] {
        let world = World::under(rules("DENY", &[rule])).calls("files.read", r#"{"x":2}"#);
        let ruling = world.intends(intent(&["files"], &["files.read"])).decide();
        assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Deny, Step::Misaligned), "{rule}");
        assert!(ruling.edits.is_empty());
    }
    let unknown = World::under(rules("DENY", &[allow])).intends(intent(&["mail"], &[]));
    assert_eq!(unknown.decide().verdict(), Verdict::Allow, "not knowing changes nothing by itself");
}

#[test]
fn r3_cda_a_marked_denial_that_the_request_covers_is_stepped_up_and_no_other_is_lifted() {
    let marked = "{id: d, match: {}, action: DENY, classification: context_dependent_allow}";
    let covered = || intent(&["files.read"], &[]);
    let ruling = World::under(rules("DENY", &[marked])).intends(covered()).decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::StepUp, Step::Aligned));
    assert_eq!(ruling.because.rules[0].as_str(), "d");
    for (rule, intent) in [
        (marked, intent(&["mail"], &[])),
        (marked, intent(&["files"], &["files.read"])),
        ("{id: d, match: {}, action: DENY}", covered()),
        ("{id: d, match: {tool: mail}, action: ALLOW}", covered()),
        ("{id: d, match: {}, action: DENY, classification: context_dependent_deny}", covered()),
    ] {
        let ruling = World::under(rules("DENY", &[rule])).intends(intent).decide();
        assert_eq!(ruling.verdict(), Verdict::Deny, "{rule}");
    }
    let beside_plain = [marked, "{id: p, match: {}, action: DENY}"];
    let ruling = World::under(rules("DENY", &beside_plain)).intends(covered()).decide();
    assert_eq!(ruling.verdict(), Verdict::Deny, "one unmarked denial beside it is enough");
}

#[test]
fn r3_order_scope_is_refused_before_any_rule() {
    let mut world = World::under(rules("ALLOW", &["{id: a, match: {context: {x: 1}}, action: DENY}"]));
    world.identity.service.scope = vec!["mail".to_owned()];
    let ruling = world.decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Deny, Step::Scope));
    assert_eq!(&*ruling.because.reason, "desk may not reach the upstream files");
    world.identity.service.scope = vec!["mail".to_owned(), "files".to_owned()];
    assert_eq!(world.decide().because.step, Step::Uncertain);
    let grant =
        countersign_core::identity::Party { scope: vec!["mail".to_owned()], ..world.identity.agent.clone() };
    world.identity.delegation = vec![grant];
    assert_eq!(world.decide().because.step, Step::Scope, "scope only narrows along the chain");
}

#[test]
fn r3_order_a_halt_stops_exactly_what_it_covers() {
    for (halt, covers) in [
        (Halt::All, true),
        (Halt::Session("ses_1".into()), true),
        (Halt::Session("ses_2".into()), false),
        (Halt::Human("alice".into()), true),
        (Halt::Human("bot".into()), false),
        (Halt::Agent("bot".into()), true),
        (Halt::Agent("alice".into()), false),
        (Halt::Upstream("files".into()), true),
        (Halt::Upstream("read".into()), false),
    ] {
        let mut world = World::under(rules("ALLOW", &[]));
        world.environment.halts = [halt.clone()].into();
        let ruling = world.decide();
        let expected = if covers { (Verdict::Deny, Step::Halted) } else { (Verdict::Allow, Step::Default) };
        assert_eq!((ruling.verdict(), ruling.because.step), expected, "{halt:?}");
    }
}

#[test]
fn r3_order_a_lifted_denial_waits_for_the_deferred_action_that_it_depends_on() {
    let marked = "{id: d, match: {}, action: DENY, classification: context_dependent_allow}";
    let mut world = World::under(rules("DENY", &[marked])).intends(intent(&["files"], &[]));
    crate::dependents::defer(&mut world, "act_0", "files.write", "{}", contract(Effect::Unknown, &[]));
    assert_eq!(gaps(&world), ["the end of action act_0"]);
}

#[test]
fn r3_reload_every_ruling_names_policy_id_version_and_digest() {
    let file = "version: 1\npolicy: {id: desk, version: '7'}\ndefault: DENY\nrules:\n  - {id: a, match: {tool: files}, action: ALLOW}\n";
    for world in [
        World::under(countersign_testkit::builders::policy(file)),
        World::under(countersign_testkit::builders::policy(file)).calls("mail.send", "{}"),
    ] {
        let policy = world.decide().policy;
        assert_eq!((&*policy.id, &*policy.version), ("desk", "7"));
        assert_eq!(policy.digest, world.policy.reference().digest);
    }
}

#[test]
fn a_rule_timeout_bounds_the_wait_that_it_causes_and_the_least_of_several_counts() {
    let ask = [
        "{id: a, match: {}, action: STEP_UP, timeout: 60}",
        "{id: b, match: {}, action: STEP_UP, timeout: 30}",
    ];
    assert_eq!(World::under(rules("DENY", &ask)).decide().wait.map(|w| w.as_seconds()), Some(30));
    let defer = "{id: a, match: {context: {x: 1}}, action: DENY, timeout: 45}";
    assert_eq!(World::under(rules("ALLOW", &[defer])).decide().wait.map(|w| w.as_seconds()), Some(45));
}

#[test]
fn effect_set_context_is_written_by_every_rule_that_holds_and_only_when_the_action_may_run() {
    let effects = [
        "{id: a, match: {}, effect: {set_context: {data_classification: PII, note: first}}}",
        "{id: b, match: {}, action: ALLOW, effect: {set_context: {data_classification: [SECRET, PII], note: second}}}",
        "{id: c, match: {tool: mail}, effect: {set_context: {other: 1}}}",
    ];
    let ruling = World::under(rules("DENY", &effects)).decide();
    assert_eq!(ruling.sets.get("data_classification"), Some(&json!(["PII", "SECRET"])));
    assert_eq!(ruling.sets.get("note"), Some(&json!("second")));
    assert_eq!(ruling.sets.len(), 2);
    let denied = World::under(rules("DENY", &[effects[0]])).decide();
    assert!(denied.sets.is_empty());
}

#[test]
fn effect_set_context_takes_what_a_receipt_carries_and_nothing_that_a_restart_would_change() {
    let loads = |value: &str| {
        let rule = format!("{{id: a, match: {{}}, effect: {{set_context: {{note: {value}}}}}}}");
        let file = format!("version: 1\ndefault: DENY\nrules: [{rule}]\n");
        PolicySet::assemble(vec![("test.yaml".to_owned(), file.into_bytes())]).is_ok()
    };
    for value in ["text", "7", "-7", "true", "null", "[a, b]", "[]", "9007199254740991"] {
        assert!(loads(value), "{value}");
    }
    for value in ["1.5", "9007199254740992", "18446744073709551615", "[1, 2]", "[[a]]", "{a: b}"] {
        assert!(!loads(value), "{value}");
    }
}

#[test]
fn budgets_human_actions_count_across_sessions_and_what_is_in_flight() {
    let budget = [
        "{id: ok, match: {tool: db.export}, action: ALLOW}",
        "{id: three, match: {tool: db.export, human.actions.db.export: {gte: 3}}, action: DENY, priority: 1}",
    ];
    let mut world = World::under(rules("DENY", &budget)).calls("db.export", "{}");
    for used in 0..5 {
        let verdict = if used < 3 { Verdict::Allow } else { Verdict::Deny };
        assert_eq!(world.decide().verdict(), verdict, "after {used}");
        world.human.apply(&Change { permitted: Some(tool("db.export")), ..Change::default() });
        world.human.apply(&Change { permitted: Some(tool("db.read")), ..Change::default() });
    }
}

#[test]
fn r2_visible_a_fact_is_read_with_its_giver_s_validity_and_the_latest_one_counts() {
    let mut world = World::under(rules("DENY", &["{id: a, match: {context: {open: true}}, action: ALLOW}"]));
    world.context.apply(&facts(&[("open", json!(true))], second(10)), second(0)).unwrap();
    world.context.apply(&facts(&[("open", json!(false))], second(20)), second(1)).unwrap();
    assert_eq!(world.decide().verdict(), Verdict::Deny);
    world.now = second(20);
    assert!(matches!(world.decide().decision, Decision::Defer(m)
        if m.gaps().all(|gap| matches!(gap, Gap::Fact { why: Why::Stale, .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// `R3.deterministic`: the moment matters only through facts that grow stale.
    #[test]
    fn r3_deterministic_same_question_same_ruling(seconds in -1000..800_i64, limit in 0..20_i32) {
        let policy = [
            "{id: a, match: {parameters: {limit: {gt: 10}}}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}}",
            "{id: b, match: {context: {x: 1}}, action: STEP_UP, priority: 1}",
            "{id: c, match: {}, action: ALLOW}",
        ];
        let mut world = World::under(rules("DENY", &policy))
            .calls("files.read", &format!(r#"{{"limit":{limit}}}"#))
            .knows("x", json!(2));
        let first = world.decide();
        world.now = Time(world.now.0 + seconds * 1000);
        prop_assert_eq!(&first, &world.decide());
        prop_assert_eq!(first.verdict(), if limit > 10 { Verdict::Modify } else { Verdict::Allow });
    }
}

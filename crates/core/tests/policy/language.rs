//! What a rule can say beside single tests: constraints, rates, budgets, sequences, parts of arguments, schemas,
//! thresholds, edits; and that every spelling of the specification's pages means the same.

use std::sync::Arc;

use countersign_core::action::{Contract, Effect};
use countersign_core::decide::decide;
use countersign_core::decision::{Decision, Match, RiskLevel, Ruling, Step};
use countersign_core::policy::PolicySet;
use serde_json::{Value, json};

use crate::world::{World, answer, assemble, faults, set};

fn ruled(world: &World, policy: &PolicySet) -> Ruling {
    let mut identity = world.identity.clone();
    identity.agent.scope.clear();
    world.ask_as(&identity, policy, decide)
}

fn sends(arguments: Value) -> World {
    World::new().sends(&arguments.to_string())
}

#[test]
fn spellings_that_mean_the_same_are_the_same_rule() {
    for (ours, theirs) in [
        ("{parameters: {a: {gt: 5}}}", "{parameters: {a: {greater_than: 5}}}"),
        ("{parameters: {a: {gte: 5}}}", "{parameters: {a: {at_least: 5}}}"),
        ("{parameters: {a: {matches: x}}}", "{parameters: {a: {regex: x}}}"),
        ("{parameters: {a: {eq: x}}}", "{parameters: {a: {equals: x}}}"),
        ("{parameters: {a: {eq: x}}}", "{parameters.a: x}"),
        ("{parameters: {a: {not_in: [x]}}}", "{parameters: {a: {not: [x]}}}"),
        (
            "{context: {data_classification: {contains: [PII]}}}",
            "{context: {data_accessed: {contains_classification: [PII]}}}",
        ),
        (
            "{context: {risk_signals.injection_score: {gt: 8000}}}",
            "{risk_signals: {injection_score: {gt: 0.8}}}",
        ),
        (
            "{context: {risk_signals.injection_score: {gt: 8000}}}",
            "{risk_signals.injection_score: {gt: 0.8}}",
        ),
        ("{identity: {agent.scope: {contains: x}}}", "{identity.effective_scope: {contains: [x]}}"),
        (
            "{parameters: {q: {sql.kinds: {contains: drop}}}}",
            "{parameters: {q: {sql: {kinds: {contains: [drop]}}}}}",
        ),
    ] {
        let rule = |block: &str| {
            let set = set(&format!("{{id: r, match: {block}, action: DENY}}"));
            format!("{:?} {:?}", set.rules()[0].predicates, set.rules()[0].conditions)
        };
        assert_eq!(rule(ours), rule(theirs), "{theirs}");
    }
}

#[test]
fn a_match_beside_a_condition_and_a_context_is_one_condition() {
    let whole =
        set("{id: r, match: {tool: mail.send, parameters: {a: 1}, context: {ticket: x}}, action: DENY}");
    let parts = set(
        "{id: r, match: {tool: mail.send}, condition: {parameters: {a: 1}}, context: {ticket: x}, action: DENY}",
    );
    let show = |set: &PolicySet| {
        let mut tests: Vec<String> = set.rules()[0].predicates.iter().map(|p| format!("{p:?}")).collect();
        tests.sort();
        tests
    };
    assert_eq!(show(&whole), show(&parts));
}

#[test]
fn negation_knows_that_it_does_not_know() {
    for (test, arguments, expected) in [
        ("{a: {not: [x, y]}}", json!({"a": "z"}), "yes"),
        ("{a: {not: [x, y]}}", json!({"a": "x"}), "no"),
        ("{a: {not: [x, y]}}", json!({"a": ["x", "z"]}), "yes"),
        ("{a: {not: [x, y]}}", json!({}), "unknown: parameters.a (not known)"),
        ("{a: {not_contains: x}}", json!({"a": "abc"}), "yes"),
        ("{a: {not: {matches: '^b'}}}", json!({"a": "bc"}), "no"),
        (
            "{a: {not: {gt: 5}}}",
            json!({"a": "7"}),
            "unknown: parameters.a (of another type than the rule compares with)",
        ),
    ] {
        let rule = format!("{{match: {{parameters: {test}}}, action: DENY, id: r}}");
        assert_eq!(sends(arguments.clone()).says(&rule), expected, "{test} {arguments}");
    }
    let label = |rule: &str| World::seen(&["PII"]).says(rule);
    assert_eq!(
        label("{id: r, match: {context: {data_classification: {not_contains: PHI}}}, action: DENY}"),
        "yes"
    );
    assert_eq!(
        label("{id: r, match: {context: {data_classification: {not_contains: PII}}}, action: DENY}"),
        "no"
    );
}

#[test]
fn constraints_are_broken_for_rules_that_restrict_and_kept_for_those_that_allow() {
    let rule = |action: &str| {
        format!(
            "{{id: r, match: {{tool: mail.send}}, constraints: {{parameters.to: {{domain_allowlist: [ok.org]}}, parameters.size: {{lte: 10}}}}, action: {action}}}"
        )
    };
    let says = |action: &str, arguments: Value| sends(arguments).says(&rule(action));
    let good = json!({"to": ["a@ok.org", "b@x.ok.org"], "size": 3});
    assert_eq!((says("DENY", good.clone()), says("ALLOW", good)), ("no".into(), "yes".into()));
    let one_outside = json!({"to": ["a@ok.org", "b@evil.com"], "size": 3});
    assert_eq!((says("DENY", one_outside.clone()), says("ALLOW", one_outside)), ("yes".into(), "no".into()));
    let too_large = json!({"to": "a@ok.org", "size": 30});
    assert_eq!((says("DENY", too_large.clone()), says("ALLOW", too_large)), ("yes".into(), "no".into()));
    let missing = json!({"to": "a@ok.org"});
    assert_eq!(says("DENY", missing.clone()), "unknown: parameters.size (not known)");
    assert_eq!(says("ALLOW", missing), "unknown: parameters.size (not known)");
}

#[test]
fn a_budget_counts_this_action_and_what_was_permitted() {
    let text = "version: 1\ndefault: ALLOW\ncounters:\n  money: {tool: bank.pay, add: parameters.amount}\nrules:\n  - {id: r, match: {tool: bank.pay}, constraints: {budget: {counter: money, max: 100}}, action: DENY}\n";
    let policy = assemble(text);
    let pays = |amount: Value| World::new().calls("bank", "pay", &json!({ "amount": amount }).to_string());
    assert_eq!(answer(&pays(json!(100)).asked_of(&policy).0), "no");
    assert_eq!(answer(&pays(json!(100.01)).asked_of(&policy).0), "yes");
    assert_eq!(answer(&pays(json!("a lot")).asked_of(&policy).0), "unknown: session.sums.money (not known)");
    assert_eq!(ruled(&pays(json!(60)), &policy).counted.len(), 1);
}

#[test]
fn a_sequence_holds_after_the_earlier_action_only() {
    let rule = "{id: r, match: {tool: mail.send}, sequence: {after: {tool: db.query}, within: 3_actions}, action: STEP_UP}";
    let policy = set(rule);
    let says = |world: World| answer(&world.asked_of(&policy).0);
    assert_eq!(says(sends(json!({}))), "no");
    assert_eq!(says(sends(json!({})).did("db", "query", Decision::Allow)), "yes");
    assert_eq!(says(sends(json!({})).did("db", "query", Decision::Deny)), "no");
    let long_ago =
        ["a", "b", "c"].iter().fold(sends(json!({})).did("db", "query", Decision::Allow), |world, tool| {
            world.did("other", tool, Decision::Allow)
        });
    assert_eq!(says(long_ago), "no");
}

#[test]
fn parts_of_arguments_are_understood_and_not_grepped() {
    let deny = |test: &str| format!("{{id: r, match: {{parameters: {{a: {test}}}}}, action: DENY}}");
    for (test, argument, expected) in [
        ("{sql.kinds: {contains: drop}}", json!("SELECT 1 -- DROP TABLE x"), "no"),
        ("{sql.kinds: {contains: drop}}", json!("SELECT 1; DROP TABLE x"), "yes"),
        ("{sql: {tables: {contains: payroll}}}", json!("select * from hr.payroll"), "yes"),
        ("{shell.commands: {contains: rm}}", json!("echo rm"), "no"),
        ("{shell.commands: {contains: rm}}", json!("true && rm -rf x"), "yes"),
        ("{url.private: true}", json!("http://169.254.169.254/latest"), "yes"),
        ("{url.private: true}", json!("https://example.com/"), "no"),
        ("{url.scheme: {not: [https]}}", json!("http://example.com/"), "yes"),
        ("{under: [/data/reports]}", json!("/data/reports/../secret"), "no"),
        ("{under: [/data/reports]}", json!("/data/reports/2026/a.txt"), "yes"),
        ("{shell.redirects: {under: [/data]}}", json!("echo a > /data/b/../c"), "yes"),
        ("{shell.redirects: {not: {under: [/data]}}}", json!("echo a > /data/c; echo b > /data/../c"), "yes"),
        ("{shell.redirects: {not: {under: [/data]}}}", json!("echo a > /data/c"), "no"),
        ("{size.bytes: {gt: 3}}", json!("abcd"), "yes"),
    ] {
        let world = sends(json!({ "a": argument }));
        assert_eq!(world.says(&deny(test)), expected, "{test} {argument}");
    }
    let unclear = sends(json!({"a": "eval $X"})).says(&deny("{shell.commands: {contains: rm}}"));
    assert!(unclear.starts_with("unknown: parameters.a"), "{unclear}");
}

#[test]
fn r3_params_arguments_that_break_their_schema_are_denied_with_the_place() {
    let policy = assemble(
        "version: 1\ndefault: ALLOW\ntools:\n  mail.send:\n    arguments:\n      type: object\n      required: [to]\n      properties: {to: {type: string}, limit: {type: integer, maximum: 5}}\n      additionalProperties: false\n",
    );
    let said = |arguments: Value| {
        let ruling = ruled(&sends(arguments), &policy);
        (ruling.verdict().as_str(), ruling.because.step, ruling.because.reason.to_string())
    };
    assert_eq!(said(json!({"to": "x", "limit": 5})).0, "ALLOW");
    for (arguments, place) in [
        (json!({"to": "x", "limit": 6}), "/limit"),
        (json!({"to": 7}), "/to"),
        (json!({}), "/to"),
        (json!({"to": "x", "bcc": "y"}), "/bcc"),
    ] {
        let (verdict, step, reason) = said(arguments.clone());
        assert_eq!((verdict, step), ("DENY", Step::Arguments), "{arguments}");
        assert!(reason.contains(&format!("`{place}`")), "{arguments}: {reason}");
    }
}

#[test]
fn r3_params_the_tools_own_schema_is_used_where_policy_says_so_and_is_needed_then() {
    let policy = assemble("version: 1\ndefault: ALLOW\ntools: {'*': {arguments: declared}}\n");
    assert_eq!(ruled(&sends(json!({})), &policy).because.step, Step::Arguments);
    let mut world = sends(json!({"n": "x"}));
    let with =
        |schema: Value| Arc::new(Contract { input_schema: Some(Arc::new(schema)), ..Contract::default() });
    world.action.contract = with(json!({"type": "object", "properties": {"n": {"type": "integer"}}}));
    assert_eq!(ruled(&world, &policy).verdict().as_str(), "DENY");
    world.action.contract = with(json!({"type": "object", "properties": {"n": {"type": "string"}}}));
    assert_eq!(ruled(&world, &policy).verdict().as_str(), "ALLOW");
    world.action.contract = with(json!({"type": "nonsense"}));
    assert_eq!(ruled(&world, &policy).verdict().as_str(), "DENY");
}

#[test]
fn r3_confidence_below_the_threshold_defers_and_names_the_fact() {
    let rule = |threshold: &str| {
        assemble(&format!(
            "version: 1\ndefault: ALLOW\nrules: [{{id: r, match: {{context: {{effect: unknown, data_classification: PII}}}}, threshold: {threshold}, action: DENY}}]\n"
        ))
    };
    let world = World::seen(&["PII"]);
    assert_eq!(ruled(&world, &rule("0.9")).verdict().as_str(), "DENY");
    let doubtful = ruled(&world, &rule("0.95"));
    assert_eq!(doubtful.verdict().as_str(), "DEFER");
    assert!(
        doubtful.because.reason.contains("context.data_classification (less sure than the rule asks for)")
    );
}

#[test]
fn the_risk_level_and_the_approvers_of_a_denial_ride_on_the_question_it_becomes() {
    let text = "version: 1\ndefault: ALLOW\nrules:\n  - {id: r, match: {tool: mail.send}, action: DENY, classification: context_dependent_allow, approvers: [desk], risk_level: HIGH}\n";
    let opened = countersign_core::session::Opened {
        intent: Some(countersign_core::session::Intent { allow: vec!["mail.send".into()], exclude: vec![] }),
        ..World::new().context.opened().clone()
    };
    let ruling = ruled(&World::opened(opened), &assemble(text));
    assert_eq!((ruling.verdict().as_str(), ruling.ending.risk_level), ("STEP_UP", Some(RiskLevel::High)));
    let Decision::StepUp(approvers) = ruling.decision else { panic!("asks") };
    assert_eq!(approvers.clauses()[0].first().unwrap().as_str(), "desk");
}

#[test]
fn edits_of_every_kind_are_carried_out_or_refused() {
    let change = |edit: &str, arguments: Value| {
        let policy =
            set(&format!("{{id: r, match: {{tool: mail.send}}, action: MODIFY, modifications: {edit}}}"));
        let world = sends(arguments);
        let ruling = ruled(&world, &policy);
        match ruling.verdict().as_str() {
            "MODIFY" => ruling
                .edits
                .apply(&world.action.arguments, &world.action.contract)
                .unwrap()
                .value()
                .to_string(),
            verdict => format!("{verdict}: {}", ruling.because.reason),
        }
    };
    for (edit, arguments, expected) in [
        ("{parameters: {n: {max: 5}}}", json!({"n": 9}), r#"{"n":5}"#),
        ("{parameters: {b: {redact: true}}}", json!({"b": "secret"}), r#"{"b":"[REDACTED]"}"#),
        (
            "{parameters: {b: {redact: '[0-9]{3}-[0-9]{2}'}}}",
            json!({"b": "id 123-45."}),
            r#"{"b":"id [REDACTED]."}"#,
        ),
        (
            "[{redact: [parameters.b]}, {remove: [parameters.c]}]",
            json!({"b": "x", "c": 1}),
            r#"{"b":"[REDACTED]"}"#,
        ),
        ("{parameters: {c: {remove: true}}}", json!({"c": 1, "d": 2}), r#"{"d":2}"#),
        ("{parameters: {l: {append: x}}}", json!({"l": ["a"]}), r#"{"l":["a","x"]}"#),
        ("{parameters: {p: {restrict: {under: [/data]}}}}", json!({"p": "/data/x"}), r#"{"p":"/data/x"}"#),
        (
            "{parameters: {p: {restrict: {under: [/data]}}}}",
            json!({"p": "/data/../etc"}),
            "DENY: p is restricted, and its value is not among what goes through",
        ),
        (
            "{parameters: {t: {restrict: [a, b]}}}",
            json!({"t": "c"}),
            "DENY: t is restricted, and its value is not among what goes through",
        ),
        (
            "{redact: [result.text]}",
            json!({}),
            "DENY: result.text is no argument and cannot be changed before the call",
        ),
        (
            "{parameters: {b: {redact: true}}}",
            json!({"b": 7}),
            "DENY: b is not a text and cannot be redacted",
        ),
    ] {
        assert_eq!(change(edit, arguments.clone()), expected, "{edit} {arguments}");
    }
}

#[test]
fn an_edit_that_breaks_the_tools_schema_is_refused() {
    let policy =
        set("{id: r, match: {tool: mail.send}, action: MODIFY, modifications: {parameters: {n: 5}}}");
    let mut world = sends(json!({"n": 20}));
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 10}}});
    world.action.contract =
        Arc::new(Contract { input_schema: Some(Arc::new(schema)), ..Contract::default() });
    let ruling = ruled(&world, &policy);
    assert_eq!(ruling.verdict().as_str(), "DENY");
    assert!(ruling.because.reason.starts_with("after the edits, argument `/n`"), "{}", ruling.because.reason);
}

#[test]
fn expressions_stand_beside_tests() {
    let rule = "{id: r, match: {tool: mail.send}, when: 'parameters.n > 5 && parameters.to.endsWith(\"@ok.org\")', action: DENY}";
    let policy = set(rule);
    let says = |arguments: Value| answer(&sends(arguments).asked_of(&policy).0);
    assert_eq!(says(json!({"n": 6, "to": "a@ok.org"})), "yes");
    assert_eq!(says(json!({"n": 5, "to": "a@ok.org"})), "no");
    assert_eq!(says(json!({"n": 5})), "no");
    assert!(says(json!({"n": 6})).starts_with("unknown: parameters.to"));
    let told = faults(&[(
        "f",
        "version: 1\ndefault: DENY\nrules:\n- {id: r, when: 'parameterz.n > 5', action: DENY}\n",
    )]);
    assert!(
        told.len() == 1 && told[0].starts_with("f:4:17: in the expression, at character 1: "),
        "{told:?}"
    );
}

#[test]
fn categories_follow_contracts_and_unknown_tools_count_as_dangerous() {
    let policy = set("{id: r, match: {tool: {category: destructive}}, action: DENY}");
    let of = |effect: Effect| {
        let mut world = World::new();
        world.action.contract = Arc::new(Contract { effect, ..Contract::default() });
        world.asked_of(&policy).0
    };
    assert_eq!(
        (of(Effect::Destructive), of(Effect::Unknown), of(Effect::Read)),
        (Match::Yes, Match::Yes, Match::No)
    );
}

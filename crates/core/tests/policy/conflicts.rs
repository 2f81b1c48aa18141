//! Pairs of rules that can meet and contradict each other are named (`R3.conflict`), and few others.

use std::collections::BTreeSet;

use countersign_core::decide::{Environment, Memo, Question, decide};
use countersign_core::decision::{Decision, Gap, Verdict};
use countersign_core::policy::PolicySet;
use countersign_core::session::Principal;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{NOW, World, assemble};

fn rules(rules: &[&str]) -> PolicySet {
    let lines: Vec<String> =
        rules.iter().enumerate().map(|(at, rule)| format!("  - {{id: r{at}, {rule}}}\n")).collect();
    assemble(&format!(
        "version: 1\ndefault: DENY\ninternal_domains: [example.com]\nrules:\n{}",
        lines.concat()
    ))
}

fn known() -> BTreeSet<String> {
    ["files", "mail"].map(str::to_owned).into()
}

/// Why two rules conflict, where `files` and `mail` are upstreams; empty when they do not.
fn why(first: &str, second: &str) -> String {
    let found = rules(&[first, second]).conflicts(&known());
    let turned = rules(&[second, first]).conflicts(&known());
    assert_eq!(found.len(), turned.len(), "{first} / {second}");
    found.first().map(|conflict| conflict.why.clone()).unwrap_or_default()
}

#[test]
fn r3_conflict_decisions_that_do_not_go_together_conflict_and_others_do_not() {
    let modify =
        |edits: &str| format!("match: {{}}, action: MODIFY, modifications: {{parameters: {{{edits}}}}}");
    let (cap, set, sets_b) = (modify("a: {max: 5}"), modify("a: 7"), modify("b: 7"));
    let [allow, deny, ask, wait] =
        ["ALLOW", "DENY", "STEP_UP", "DEFER"].map(|action| format!("match: {{}}, action: {action}"));
    for (first, second) in
        [(&allow, &deny), (&allow, &ask), (&allow, &wait), (&deny, &ask), (&deny, &wait), (&ask, &wait)]
    {
        assert!(
            why(first, second).ends_with(" at priority 0; both can hold for any tool"),
            "{first} {second}"
        );
    }
    assert_eq!(why(&cap, &deny), "MODIFY and DENY at priority 0; both can hold for any tool");
    assert_eq!(why(&cap, &set), "they change `a` in different ways; both can hold for any tool");
    assert_ne!(why(&set, &modify("a.b: 1")), "");
    for (first, second) in [
        (&cap, &allow),
        (&cap, &ask),
        (&cap, &wait),
        (&cap, &modify("a: {max: 9}")),
        (&cap, &sets_b),
        (&allow, &allow),
        (&deny, &deny),
        (&wait, &wait),
        (&ask, &"match: {}, action: STEP_UP, approvers: [finance]".to_owned()),
        (&allow, &"match: {}, action: DENY, classification: forbidden".to_owned()),
        (&allow, &"match: {}, action: DENY, priority: 1".to_owned()),
        (&allow, &"match: {}, effect: {set_context: {seen: true}}".to_owned()),
    ] {
        assert_eq!(why(first, second), "", "{first} {second}");
    }
    assert_ne!(why(&allow, "match: {}, action: DENY, classification: context_dependent_allow"), "");
}

#[test]
fn r3_conflict_rules_meet_only_where_their_names_do() {
    let meet = |first: &str, second: &str| {
        let why = why(&format!("match: {first}, action: ALLOW"), &format!("match: {second}, action: DENY"));
        why.rsplit_once("both can hold for ").map_or_else(String::new, |(_, place)| place.to_owned())
    };
    for (first, second, place) in [
        ("{}", "{tool: files.read}", "`files.read`"),
        ("{tool: files}", "{tool: files.read}", "`files.read`"),
        ("{tool: files}", "{tool: read}", "`files.read`"),
        ("{tool: files}", "{tool: [mail, files]}", "any tool of `files`"),
        ("{tool: read}", "{tool: read}", "whatever is named `read`"),
        ("{tool: read}", "{tool: files.read}", "`files.read`"),
        ("{tool: files}", "{operation: [list, read]}", "`files.list`"),
        ("{tool: files, operation: read}", "{tool: read}", "`files.read`"),
        ("{tool: other}", "{tool: read}", "`other.read`"),
        ("{operation: read}", "{}", "`read` of any upstream"),
    ] {
        assert_eq!(meet(first, second), place, "{first} {second}");
    }
    for (first, second) in [
        ("{tool: files}", "{tool: mail}"),
        ("{tool: files.read}", "{tool: mail}"),
        ("{tool: files.read}", "{tool: files.write}"),
        ("{tool: files.read}", "{tool: mail.read}"),
        ("{tool: files.read}", "{tool: write}"),
        ("{tool: files, operation: read}", "{tool: files, operation: write}"),
        ("{tool: files.read, operation: write}", "{}"),
    ] {
        assert_eq!(meet(first, second), "", "{first} {second}");
    }
    // Where nobody says which names are upstreams', a tool may bear any of them.
    let either = rules(&["match: {tool: files}, action: ALLOW", "match: {tool: mail}, action: DENY"]);
    assert!(either.conflicts(&BTreeSet::new())[0].why.ends_with("both can hold for `files.mail`"));
}

#[test]
fn r3_conflict_rules_meet_only_where_their_facts_can_have_one_value_for_both() {
    let meet = |actions: [&str; 2], first: &str, second: &str| {
        let rule = |tests: &str, action: &str| format!("match: {tests}, action: {action}");
        why(&rule(first, actions[0]), &rule(second, actions[1]))
    };
    let apart = [
        ("{parameters.a: x}", "{parameters.a: y}"),
        ("{parameters.a: [x, y]}", "{parameters.a: {in: [z]}}"),
        ("{parameters.a: x}", "{parameters.a: {ne: x}}"),
        ("{parameters.a: 1}", "{parameters.a: '1'}"),
        ("{parameters.a: x}", "{parameters.a: {matches: '^y'}}"),
        ("{parameters.n: {gt: 10}}", "{parameters.n: {lte: 10}}"),
        ("{parameters.n: {gte: 10}}", "{parameters.n: {lt: 10}}"),
        ("{parameters.n: 5}", "{parameters.n: {gt: 5}}"),
        ("{parameters.a: {external: false}}", "{parameters.a: {external: true}}"),
        ("{parameters.n: {gt: 1, lt: 1}}", "{}"),
        ("{context.data_classification: PUBLIC}", "{context.data_classification: CONFIDENTIAL}"),
        (
            "{context.data_classification: {ne: INTERNAL}}",
            "{context.data_classification: {contains: RESTRICTED}}",
        ),
    ];
    for (first, second) in apart {
        assert_eq!(meet(["ALLOW", "DENY"], first, second), "", "{first} {second}");
    }
    let apart_whatever_the_rules_say = [
        ("{parameters.a: {exists: true}}", "{parameters.a: {exists: false}}"),
        ("{parameters.a: x}", "{parameters.a: {exists: false}}"),
        ("{parameters.a: {eq: [1, 2]}}", "{parameters.a: {eq: [1]}}"),
        ("{parameters.a: {eq: [1, 2]}}", "{parameters.a: 3}"),
        ("{context.action_count: {gt: 3}}", "{context.action_count: {lt: 3}}"),
        ("{identity.agent: a}", "{identity.agent: b}"),
        ("{identity.roles: a}", "{identity.roles: {ne: a}}"),
        ("{context.prior_actions: db.read}", "{context.prior_actions: {ne: db.read}}"),
    ];
    for (first, second) in apart_whatever_the_rules_say {
        assert_eq!(meet(["ALLOW", "DENY"], first, second), "", "{first} {second}");
        assert_eq!(meet(["STEP_UP", "DENY"], first, second), "", "{first} {second}");
    }
    for (first, second) in [
        ("{parameters.a: x}", "{parameters.b: y}"),
        ("{parameters.a: [x, y]}", "{parameters.a: [y, z]}"),
        ("{parameters.a: {contains: x}}", "{parameters.a: {contains: y}}"),
        ("{parameters.n: {gte: 10}}", "{parameters.n: {lte: 10}}"),
        ("{parameters.a: x}", "{parameters.a: {external: true}}"),
        ("{parameters.a: {ne: x}}", "{parameters.a: {ne: y}}"),
        ("{parameters.a: {ne: [x]}}", "{parameters.a: x}"),
        ("{context.data_classification: {ne: RESTRICTED}}", "{context.data_classification: CONFIDENTIAL}"),
    ] {
        assert_ne!(meet(["ALLOW", "DENY"], first, second), "", "{first} {second}");
    }
    // Rules that restrict hold when any element of a list meets their test.
    for (first, second) in
        [("{parameters.a: x}", "{parameters.a: y}"), ("{parameters.a: {gt: 10}}", "{parameters.a: {lt: 5}}")]
    {
        let why = meet(["STEP_UP", "DENY"], first, second);
        assert!(why.ends_with("any tool, where parameters.a has several values"), "{why}");
    }
    let roles = meet(["ALLOW", "DENY"], "{identity.roles: a}", "{identity.roles: b}");
    assert!(roles.ends_with("where identity.agent.roles has several values"), "{roles}");
}

#[test]
fn r3_conflict_a_conflict_tells_both_places() {
    let files = [
        ("b.yaml", "version: 1\nrules:\n  - id: no\n    match: {tool: files.read}\n    action: DENY\n"),
        (
            "a.yaml",
            "version: 1\ndefault: DENY\nrules:\n\n  - match: {tool: files}\n    id: yes\n    action: ALLOW\n",
        ),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec();
    let [conflict] = &PolicySet::assemble(files).unwrap().conflicts(&known())[..] else {
        panic!("one conflict")
    };
    let expected = "rule yes (a.yaml:6) and rule no (b.yaml:3) contradict each other: ALLOW and DENY at priority 0; \
                    both can hold for `files.read`";
    assert_eq!(conflict.to_string(), expected);
    assert_eq!((conflict.first.says, conflict.second.says), (Verdict::Allow, Verdict::Deny));
    assert_eq!((conflict.first.column, conflict.second.column), (9, 9));
}

/// Facts, each with tests of it; what they can be is in [`Small`].
const FACTS: [(&str, &[&str]); 7] = [
    (
        "parameters.a",
        &[
            "x",
            "{ne: x}",
            "[x, y]",
            "{contains: x}",
            "{matches: '^x'}",
            "{exists: false}",
            "{exists: true}",
            "{eq: [x, y]}",
            "{ne: [x]}",
            "{eq: null}",
            "{external: true}",
            "{external: false}",
            "'x@example.com'",
        ],
    ),
    (
        "parameters.n",
        &[
            "1",
            "{ne: 1}",
            "{gt: 1}",
            "{gte: 1}",
            "{lt: 1}",
            "{lte: 1}",
            "{gt: 0, lt: 2}",
            "[1, 2]",
            "{eq: 1.0}",
        ],
    ),
    ("context.given", &["x", "{ne: x}", "[x, 1]", "{gt: 1}", "{lte: 1}", "{contains: x}", "{exists: false}"]),
    (
        "context.data_classification",
        &[
            "CONFIDENTIAL",
            "{ne: CONFIDENTIAL}",
            "[PUBLIC, pii]",
            "{contains: RESTRICTED}",
            "{ne: PII}",
            "{matches: '^C'}",
            "{exists: true}",
        ],
    ),
    (
        "identity.human.roles",
        &["analyst", "{ne: analyst}", "[auditor, other]", "{contains: other}", "{ne: other}"],
    ),
    ("context.prior_actions", &["db.read", "{ne: db.read}", "[read, mail]", "{contains: db}", "{ne: mail}"]),
    ("context.action_count", &["1", "{gt: 1}", "{lte: 1}", "{ne: 0}", "[0, 1]"]),
];

/// A world that is all of one action and its context.
fn small(fact: usize) -> Vec<fn(World) -> World> {
    fn with(world: World, name: &str, value: &Value) -> World {
        let mut arguments = world.action.arguments.value().clone();
        arguments[name] = value.clone();
        let (upstream, tool) = (world.action.tool.upstream().to_owned(), world.action.tool.tool().to_owned());
        world.calls(&upstream, &tool, &arguments.to_string())
    }
    const FAR: countersign_core::time::Time = countersign_core::time::Time(9_000_000);
    match fact {
        0 => vec![
            |w| w,
            |w| with(w, "a", &json!("x")),
            |w| with(w, "a", &json!("y")),
            |w| with(w, "a", &json!("xy")),
            |w| with(w, "a", &json!(null)),
            |w| with(w, "a", &json!("x@example.com")),
            |w| with(w, "a", &json!("x@evil.com")),
            |w| with(w, "a", &json!([])),
            |w| with(w, "a", &json!(["x"])),
            |w| with(w, "a", &json!(["x", "y"])),
            |w| with(w, "a", &json!(["z", null])),
            |w| with(w, "a", &json!(["x@example.com", "x@evil.com"])),
        ],
        1 => vec![
            |w| w,
            |w| with(w, "n", &json!(0)),
            |w| with(w, "n", &json!(1)),
            |w| with(w, "n", &json!(1.0)),
            |w| with(w, "n", &json!(1.5)),
            |w| with(w, "n", &json!(2)),
            |w| with(w, "n", &json!([0, 1])),
            |w| with(w, "n", &json!([1, 2])),
            |w| with(w, "n", &json!("1")),
        ],
        2 => vec![
            |w| w,
            |w| w.knows("given", json!("x"), FAR),
            |w| w.knows("given", json!(1), FAR),
            |w| w.knows("given", json!(2), FAR),
            |w| w.knows("given", json!(["x", "y"]), FAR),
            |w| w.knows("given", json!(["x", 1, 2]), FAR),
        ],
        3 => vec![
            |w| w,
            |w| w.human_saw("PUBLIC"),
            |w| w.human_saw("PII"),
            |w| w.human_saw("CONFIDENTIAL"),
            |w| w.human_saw("RESTRICTED"),
            |w| w.human_saw("PII").human_saw("CONFIDENTIAL"),
            |w| w.human_saw("pii").human_saw("PUBLIC"),
        ],
        4 => vec![|w| w],
        _ => vec![
            |w| w,
            |w| w.did("db", "read", Decision::Allow),
            |w| w.did("mail", "read", Decision::Allow),
            |w| w.did("db", "read", Decision::Allow).did("mail", "send", Decision::Allow),
        ],
    }
}

fn any_rule(facts: [usize; 2]) -> impl Strategy<Value = String> {
    let says = prop::sample::select(vec![
        "action: ALLOW",
        "action: DENY",
        "action: DENY, classification: forbidden",
        "action: STEP_UP",
        "action: STEP_UP, approvers: [security]",
        "action: DEFER",
        "action: ALLOW, priority: 1",
        "action: DENY, priority: 1",
        "action: MODIFY, modifications: {parameters: {n: {max: 1}}}",
        "action: MODIFY, modifications: {parameters: {n: 1}}",
        "action: MODIFY, modifications: {parameters: {a: x}}",
    ]);
    let tools = prop::sample::select(vec![
        "",
        "tool: files",
        "tool: mail",
        "tool: read",
        "tool: files.read",
        "tool: [mail.send, read]",
        "operation: read",
        "tool: files, operation: send",
        "operation: [send, mail]",
    ]);
    let test = move |which: usize| {
        let fact = FACTS[facts[which]];
        prop::option::weighted(
            0.7,
            prop::sample::select(fact.1).prop_map(move |test| format!("{}: {test}", fact.0)),
        )
    };
    (says, tools, test(0), test(1)).prop_map(move |(says, tools, first, second)| {
        let second = second.filter(|_| facts[0] != facts[1]);
        let tests = [Some(tools.to_owned()).filter(|tools| !tools.is_empty()), first, second];
        format!("match: {{{}}}, {says}", tests.into_iter().flatten().collect::<Vec<_>>().join(", "))
    })
}

fn any_pair() -> impl Strategy<Value = ([usize; 2], String, String)> {
    [0..FACTS.len(), 0..FACTS.len()].prop_flat_map(|facts| (Just(facts), any_rule(facts), any_rule(facts)))
}

/// Whether the engine finds, in this world, that the two rules do not agree.
fn disagree(world: &World, policy: &PolicySet) -> bool {
    let environment = Environment::default();
    let question = Question {
        action: &world.action,
        identity: &world.identity,
        context: &world.context,
        human: &world.human,
        agent: &world.agent,
        linked: &Principal::default(),
        policy,
        environment: &environment,
        now: NOW,
        memo: &Memo::default(),
    };
    match decide(&question).decision {
        Decision::Defer(missing) => missing.gaps().any(|gap| matches!(gap, Gap::Agreement(_))),
        Decision::Allow | Decision::Deny | Decision::StepUp(_) => false,
    }
}

/// Whether the two rules can be shown to disagree about one of these tools.
fn shown(facts: [usize; 2], policy: &PolicySet, tools: &[(&str, &str)]) -> bool {
    let second = if facts[0] == facts[1] { small(4) } else { small(facts[1]) };
    tools.iter().any(|(upstream, tool)| {
        small(facts[0]).iter().any(|one| {
            second.iter().any(|other| disagree(&other(one(World::new().calls(upstream, tool, "{}"))), policy))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// `R3.conflict`: every pair that meets somewhere in a small world is named.
    #[test]
    fn r3_conflict_a_pair_that_can_be_shown_to_disagree_is_named((facts, first, second) in any_pair()) {
        let policy = rules(&[&first, &second]);
        let usual = [("files", "read"), ("files", "send"), ("mail", "send"), ("other", "read")];
        // With no upstream known, a tool may bear any name.
        let odd = [("files", "mail"), ("mail", "files"), ("read", "x"), ("other", "files.read")];
        if policy.conflicts(&known()).is_empty() {
            prop_assert!(!shown(facts, &policy, &usual), "{first}\n{second}");
        }
        if policy.conflicts(&BTreeSet::new()).is_empty() {
            prop_assert!(!shown(facts, &policy, &[&usual[..], &odd[..]].concat()), "{first}\n{second}");
        }
    }
}

//! When a rule holds: every fact and operator (`R2.visible`, `R3.params`, `R3.missing`).

use countersign_core::decision::Decision;
use countersign_core::session::Opened;
use countersign_core::time::Time;
use serde_json::json;

use crate::world::{NOW, World};

const LATER: Time = Time(NOW.0 + 1);

/// Each case: a `match` block of a DENY rule, and what it says of `mail.send` with these arguments.
fn table(arguments: &str, cases: &[(&str, &str)]) {
    let world = World::new().sends(arguments);
    for (block, expected) in cases {
        let rule = format!("{{id: r, match: {block}, action: DENY}}");
        assert_eq!(world.says(&rule), *expected, "{block} on {arguments}");
    }
}

#[test]
fn tool_and_operation_name_upstream_full_name_or_bare_tool() {
    table(
        "{}",
        &[
            ("{}", "yes"),
            ("{tool: mail}", "yes"),
            ("{tool: mail.send}", "yes"),
            ("{tool: send}", "yes"),
            ("{tool: Mail}", "no"),
            ("{tool: mail.read}", "no"),
            ("{tool: [files, mail.send]}", "yes"),
            ("{operation: send}", "yes"),
            ("{operation: mail}", "no"),
            ("{operation: mail.send}", "no"),
            ("{operation: [read, send]}", "yes"),
            ("{tool: mail, operation: send}", "yes"),
            ("{tool: mail, operation: read}", "no"),
            ("{tool: files, operation: send}", "no"),
        ],
    );
}

#[test]
fn operators_answer_yes_no_or_unknown() {
    let unknown = "unknown: parameters.n (of another type than the rule compares with)";
    let absent = "unknown: parameters.z (not known)";
    table(
        r#"{"n": 5, "t": "Hello World", "b": true, "nil": null, "o": {"p": [{"q": 1}]}}"#,
        &[
            ("{parameters: {n: 5}}", "yes"),
            ("{parameters: {n: 5.0}}", "yes"),
            ("{parameters: {n: 6}}", "no"),
            ("{parameters: {n: '5'}}", unknown),
            ("{parameters: {n: [4, 5]}}", "yes"),
            ("{parameters: {n: [4, 6]}}", "no"),
            ("{parameters: {n: ['5']}}", unknown),
            ("{parameters: {n: ['5', 6]}}", "no"),
            ("{parameters: {n: {eq: 5}}}", "yes"),
            ("{parameters: {n: {ne: 5}}}", "no"),
            ("{parameters: {n: {ne: 6}}}", "yes"),
            ("{parameters: {n: {ne: x}}}", unknown),
            ("{parameters: {n: {gt: 4.5}}}", "yes"),
            ("{parameters: {n: {gt: 5}}}", "no"),
            ("{parameters: {n: {gte: 5}}}", "yes"),
            ("{parameters: {n: {lt: 5}}}", "no"),
            ("{parameters: {n: {lte: 5}}}", "yes"),
            ("{parameters: {n: {gt: 1, lt: 3}}}", "no"),
            ("{parameters: {n: {gt: 1, lt: 9}}}", "yes"),
            ("{parameters: {n: {in: [1, 5]}}}", "yes"),
            ("{parameters: {n: {contains: '5'}}}", unknown),
            ("{parameters: {n: {matches: '5'}}}", unknown),
            ("{parameters: {n: {external: true}}}", unknown),
            ("{parameters: {n: {exists: true}}}", "yes"),
            ("{parameters: {n: {exists: false}}}", "no"),
            ("{parameters: {n: {eq: null}}}", "no"),
            ("{parameters: {nil: {eq: null}}}", "yes"),
            ("{parameters: {nil: {in: [null, 1]}}}", "yes"),
            ("{parameters: {b: true}}", "yes"),
            ("{parameters: {b: false}}", "no"),
            ("{parameters: {t: Hello World}}", "yes"),
            ("{parameters: {t: hello world}}", "no"),
            ("{parameters: {t: {contains: WORLD}}}", "yes"),
            ("{parameters: {t: {contains: [x, lo wo]}}}", "yes"),
            ("{parameters: {t: {contains: .*}}}", "no"),
            ("{parameters: {t: {matches: '^Hello\\b'}}}", "yes"),
            ("{parameters: {t: {matches: 'W.r'}}}", "yes"),
            ("{parameters: {t: {matches: '^World'}}}", "no"),
            ("{parameters: {z: 1}}", absent),
            ("{parameters: {z: {ne: 1}}}", absent),
            ("{parameters: {z: {exists: true}}}", "no"),
            ("{parameters: {z: {exists: false}}}", "yes"),
            ("{parameters: {z: {exists: true, gt: 3}}}", "no"),
            ("{parameters: {z: 1, n: 6}}", "no"),
            ("{parameters.z: 1, parameters.n: 5}", absent),
            ("{parameters: {o.p.0.q: 1}}", "yes"),
            ("{parameters: {o.p.1.q: {exists: true}}}", "no"),
            ("{parameters: {o.p.q: {exists: true}}}", "no"),
            ("{parameters: {o: {eq: {p: [{q: 1.0}]}}}}", "yes"),
            ("{parameters: {o: {ne: {p: []}}}}", "yes"),
            ("{parameters: {n: {eq: {p: []}}}}", unknown),
        ],
    );
}

#[test]
fn a_comparison_is_exact_beyond_what_a_double_holds() {
    table(
        r#"{"n": 9007199254740993, "m": 18446744073709551615}"#,
        &[
            ("{parameters: {n: 9007199254740992}}", "no"),
            ("{parameters: {n: {gt: 9007199254740992.0}}}", "yes"),
            ("{parameters: {m: 18446744073709551615}}", "yes"),
            ("{parameters: {m: {gte: 1.8446744073709552e19}}}", "no"),
        ],
    );
}

#[test]
fn a_rule_about_other_tools_reads_nothing() {
    let world = World::new();
    let (holds, read) = world.asked("{id: r, match: {tool: files, context: {window: open}}, action: DENY}");
    assert!(holds == countersign_core::decision::Match::No && read.is_empty());
    let (_, read) =
        world.asked("{id: r, match: {tool: mail, context: {window: open}, parameters.x: 1}, action: DENY}");
    assert_eq!(read, ["context.window", "parameters.x"]);
}

#[test]
fn context_may_stand_beside_match() {
    let beside = "{id: r, match: {tool: mail}, context: {window: open}, action: DENY}";
    assert_eq!(World::new().says(beside), "unknown: context.window (not known)");
    assert_eq!(World::new().knows("window", json!("open"), LATER).says(beside), "yes");
}

#[test]
fn a_stale_fact_is_a_missing_fact() {
    let rule = "{id: r, match: {context: {window: open}}, action: DENY}";
    let exists = "{id: r, match: {context: {window: {exists: true}}}, action: DENY}";
    let fresh = World::new().knows("window", json!("open"), LATER);
    assert_eq!((fresh.says(rule), fresh.says(exists)), ("yes".into(), "yes".into()));
    let stale = World::new().knows("window", json!("open"), NOW);
    assert_eq!(stale.says(rule), "unknown: context.window (no longer valid)");
    assert_eq!(stale.says(exists), "no");
}

#[test]
fn the_identity_is_readable() {
    let world = World::new();
    for (test, expected) in [
        ("human: alice@example.com", "yes"),
        ("human: {external: true}", "no"),
        ("service: [desk, shop]", "yes"),
        ("agent: {matches: '^desk-agent-[0-9]+$'}", "yes"),
        ("human.roles: analyst", "yes"),
        ("human.roles: {contains: anal}", "no"),
        ("human.roles: {ne: analyst}", "no"),
        ("human.roles: {ne: boss}", "yes"),
        ("roles: helper", "yes"),
        ("service.roles: x", "no"),
        ("scope: {contains: [files, db]}", "yes"),
        ("delegation: broker", "no"),
        ("source: token", "yes"),
    ] {
        assert_eq!(
            world.says(&format!("{{id: r, match: {{identity: {{{test}}}}}, action: DENY}}")),
            expected,
            "{test}"
        );
        assert_eq!(
            world.says(&format!("{{id: r, match: {{identity.{test}}}, action: DENY}}")),
            expected,
            "{test}"
        );
    }
    let mut nobody = World::new();
    nobody.identity.service = countersign_core::identity::Party::default();
    assert_eq!(
        nobody.says("{id: r, match: {identity.service: desk}, action: DENY}"),
        "unknown: identity.service (not known)"
    );
}

#[test]
fn prior_actions_are_the_permitted_ones_by_any_of_their_names() {
    let world = World::new().did("db", "query", Decision::Allow).did("files", "read", Decision::Deny);
    for (test, expected) in [
        ("{contains: db.query}", "yes"),
        ("{contains: query}", "yes"),
        ("{contains: [files.read, db]}", "yes"),
        ("{contains: files.read}", "no"),
        ("db.query", "yes"),
        ("[x, query]", "yes"),
        ("{ne: db.query}", "no"),
        ("{ne: files.read}", "yes"),
        ("{matches: '^db'}", "yes"),
    ] {
        for action in ["DENY", "ALLOW"] {
            let rule = format!("{{id: r, match: {{context: {{prior_actions: {test}}}}}, action: {action}}}");
            assert_eq!(world.says(&rule), expected, "{rule}");
        }
    }
    let rule = "{id: r, match: {context: {prior_actions: db.query}}, action: DENY}";
    assert_eq!(World::new().says(rule), "no");
}

#[test]
fn counters_are_known_from_the_start_and_sum_over_what_bears_the_name() {
    let world = World::new()
        .did("db", "query", Decision::Allow)
        .did("db", "query", Decision::Allow)
        .did("db", "drop", Decision::Deny)
        .human_used("files", "read_file", 3)
        .human_used("other", "read_file", 1);
    for (test, expected) in [
        ("session.actions.db.query: 2", "yes"),
        ("session.actions: {db.query: {gte: 2}, query: {lt: 3}}", "yes"),
        ("session.actions.db: 2", "yes"),
        ("session.actions.db.drop: 0", "yes"),
        ("human.actions.files.read_file: {gte: 3}", "yes"),
        ("human.actions: {files.read_file: {gte: 4}}", "no"),
        ("human.actions.read_file: 4", "yes"),
        ("agent.actions.files.read_file: 0", "yes"),
        ("action_count: 3", "yes"),
        ("chain_length: {gt: 3}", "no"),
        ("denied_count: 1", "yes"),
    ] {
        assert_eq!(
            world.says(&format!("{{id: r, match: {{context: {{{test}}}}}, action: DENY}}")),
            expected,
            "{test}"
        );
    }
    let direct = "{id: r, match: {human.actions.files.read_file: {gte: 3}}, action: DENY}";
    assert_eq!(world.asked(direct).1, ["human.actions.files.read_file"]);
}

#[test]
fn an_action_that_is_decided_again_is_not_before_itself() {
    let mut world = World::new().did("db", "query", Decision::Allow);
    let rule = "{id: r, match: {context: {action_count: 1}}, action: DENY}";
    assert_eq!(world.says(rule), "yes");
    world.action.id = "act_before_0".into();
    assert_eq!(world.says("{id: r, match: {context: {action_count: 0}}, action: DENY}"), "yes");
}

#[test]
fn the_users_request_is_missing_without_a_host() {
    let deny = "{id: r, match: {context: {user_intent: {contains: [cleanup, remove]}}}, action: DENY}";
    let allow = "{id: r, match: {context: {original_request: {contains: Cleanup}}}, action: ALLOW}";
    assert_eq!(World::new().says(deny), "unknown: context.original_request (not known)");
    let request = |text: &str| {
        let opened = World::new().context.opened().clone();
        World::opened(Opened { request: Some(text.into()), ..opened })
    };
    assert_eq!(request("Please REMOVE it").says(deny), "yes");
    assert_eq!(request("cleanup").says(allow), "no");
    assert_eq!(request("a Cleanup").says(allow), "yes");
}

#[test]
fn external_needs_to_know_what_is_internal() {
    let rule = "{id: r, match: {parameters: {to: {external: true}}}, action: DENY}";
    let to = |address: &str| World::new().sends(&json!({"to": address}).to_string());
    assert_eq!(to("bob@example.com").says(rule), "no");
    assert_eq!(to("bob@example.net").says(rule), "yes");
    assert_eq!(
        to("nobody").says(rule),
        "unknown: parameters.to (of another type than the rule compares with)"
    );
    let mut stranger = to("bob@example.com");
    stranger.identity.human = countersign_core::identity::Party::named("alice");
    assert_eq!(stranger.says(rule), "unknown: internal_domains (not known)");
    let listed =
        "version: 1\ndefault: DENY\ninternal_domains: [Example.NET.]\nrules:\n  - ".to_owned() + rule;
    let listed = crate::world::assemble(&listed);
    assert_eq!(crate::world::answer(&to("bob@mail.example.net").asked_of(&listed).0), "no");
    assert_eq!(crate::world::answer(&to("bob@example.com").asked_of(&listed).0), "yes");
}

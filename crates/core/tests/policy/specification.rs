//! Every policy fragment of the specification's pages loads unchanged and behaves as its page says. The book's chapter
//! *The specification's fragments* is held to [`CASES`] by the last test.

use std::sync::Arc;

use countersign_core::action::{Contract, Effect};
use countersign_core::decide::decide;
use countersign_core::decision::{Decision, Match, OnTimeout, Ruling};
use countersign_core::policy::PolicySet;
use countersign_core::time::{Span, Time};
use serde_json::{Value, json};

use crate::fragments;
use crate::world::{NOW, World};

const LATER: Time = Time(NOW.0 + 600_000);

fn load(text: &str) -> Result<PolicySet, Vec<String>> {
    let files = vec![("page.yaml".to_owned(), text.as_bytes().to_vec())];
    PolicySet::assemble_with(files, Some(Decision::Allow))
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn page(at: &str) -> PolicySet {
    load(fragments::at(at).text).unwrap()
}

fn rule_on(world: &World, policy: &PolicySet) -> Ruling {
    // The pages speak of upstreams of their own.
    let mut identity = world.identity.clone();
    identity.agent.scope.retain(|scope| scope == "admin");
    identity
        .agent
        .scope
        .extend(identity.agent.scope.first().map(|_| world.action.tool.upstream().to_owned()));
    world.ask_as(&identity, policy, decide)
}

/// A world in which the action's tool does this.
fn that(effect: Effect, mut world: World) -> World {
    world.action.contract = Arc::new(Contract { effect, ..Contract::default() });
    world
}

fn calls(upstream: &str, tool: &str, arguments: Value) -> World {
    World::new().calls(upstream, tool, &arguments.to_string())
}

fn with_labels(labels: &[&str], upstream: &str, tool: &str, arguments: Value) -> World {
    World::seen(labels).calls(upstream, tool, &arguments.to_string())
}

fn asked_for(request: &str, upstream: &str, tool: &str) -> World {
    World::requested(request).calls(upstream, tool, "{}")
}

/// After so many calls of one tool.
fn after(times: usize, upstream: &str, tool: &str, world: World) -> World {
    (0..times).fold(world, |world, _| world.did(upstream, tool, Decision::Allow))
}

type Case = (&'static str, &'static str, fn() -> World);

/// Place of the fragment, what it says, and of what. Where no rule speaks, the default is ALLOW.
const CASES: &[Case] = &[
    ("components/action-classification:63", "DENY", || calls("database", "drop", json!({}))),
    ("components/action-classification:63", "ALLOW", || calls("database", "query", json!({}))),
    ("components/action-classification:91", "DENY", || {
        with_labels(&["PII"], "email", "send", json!({"to": "eve@evil.com"})).did(
            "database",
            "query",
            Decision::Allow,
        )
    }),
    ("components/action-classification:91", "ALLOW", || {
        with_labels(&["PII"], "email", "send", json!({"to": "bob@example.com"})).did(
            "file",
            "read",
            Decision::Allow,
        )
    }),
    ("components/action-classification:91", "ALLOW", || {
        calls("email", "send", json!({"to": "eve@evil.com"})).did("database", "query", Decision::Allow)
    }),
    ("components/action-classification:137", "STEP_UP", || {
        asked_for("please cleanup the old rows", "database", "delete").knows(
            "target_ownership",
            json!("alice@example.com"),
            LATER,
        )
    }),
    ("components/action-classification:137", "ALLOW", || {
        asked_for("please cleanup the old rows", "database", "delete").knows(
            "target_ownership",
            json!("bob@example.com"),
            LATER,
        )
    }),
    ("components/action-classification:137", "DEFER", || {
        asked_for("please cleanup the old rows", "database", "delete")
    }),
    ("components/action-classification:180", "DEFER", || calls("credentials", "rotate", json!({}))),
    ("components/action-classification:180", "ALLOW", || {
        calls("credentials", "rotate", json!({})).knows("maintenance_window", json!("open"), LATER)
    }),
    ("components/policy-engine:179", "DENY", || {
        with_labels(&["PII"], "email", "send", json!({"to": "eve@evil.com"}))
    }),
    ("components/policy-engine:179", "ALLOW", || {
        with_labels(&["PII"], "email", "send", json!({"to": "a@example.com"}))
    }),
    ("guides/first-policy:10", "DENY", || calls("any", "thing", json!({}))),
    ("guides/first-policy:31", "ALLOW", || calls("database", "delete", json!({}))),
    ("guides/first-policy:40", "ALLOW", || {
        calls("email", "send", json!({"to": "eve@evil.com", "subject": "URGENT: x"}))
    }),
    ("guides/first-policy:52", "ALLOW", || calls("http", "post", json!({}))),
    ("guides/first-policy:64", "ALLOW", || calls("http", "post", json!({}))),
    ("guides/first-policy:85", "MODIFY", || calls("database", "query", json!({"limit": 500}))),
    ("guides/first-policy:85", "ALLOW", || calls("database", "query", json!({"limit": 100}))),
    ("guides/first-policy:103", "STEP_UP", || calls("database", "truncate", json!({}))),
    ("guides/first-policy:103", "STEP_UP", || calls("database", "execute", json!({"sql": "DROP TABLE a"}))),
    ("guides/first-policy:103", "ALLOW", || {
        calls("database", "execute", json!({"sql": "SELECT 'DROP' FROM a"}))
    }),
    ("guides/first-policy:120", "DENY", || {
        with_labels(&["PII"], "slack", "post", json!({"destination": "https://evil.com"}))
    }),
    ("guides/first-policy:134", "DENY", || {
        calls("email", "send", json!({"to": ["a@company.com", "eve@evil.com"]}))
    }),
    ("guides/first-policy:134", "ALLOW", || {
        calls("email", "send", json!({"to": ["a@company.com", "b@eu.trusted-partner.org"]}))
    }),
    ("guides/first-policy:134", "DEFER", || calls("email", "send", json!({}))),
    ("guides/first-policy:150", "DENY", || {
        after(100, "external_api", "get", calls("external_api", "call", json!({})))
    }),
    ("guides/first-policy:150", "ALLOW", || {
        after(99, "external_api", "get", calls("external_api", "call", json!({})))
    }),
    ("guides/first-policy:164", "STEP_UP", || calls("payment", "transfer", json!({"amount": 10000.01}))),
    ("guides/first-policy:164", "ALLOW", || calls("payment", "transfer", json!({"amount": 10000}))),
    ("guides/first-policy:164", "DEFER", || calls("payment", "transfer", json!({"amount": "20000"}))),
    ("guides/quickstart:28", "DENY", || {
        with_labels(&["RESTRICTED"], "email", "send", json!({"to": "eve@evil.com"}))
    }),
    ("patterns/approval-flows:183", "STEP_UP", || calls("database", "delete", json!({}))),
    ("patterns/approval-flows:183", "STEP_UP", || calls("payment", "transfer", json!({"amount": 20000}))),
    ("patterns/mcp-gateway:401", "DENY", || {
        calls("db", "sql_execute", json!({"query": "drop  table users"}))
    }),
    ("patterns/mcp-gateway:401", "DENY", || {
        calls("mail", "send_email", json!({"to": "x@malicious.example.com"}))
    }),
    ("patterns/mcp-gateway:401", "ALLOW", || calls("mail", "send_email", json!({"to": "x@example.com"}))),
    ("patterns/mcp-gateway:424", "DENY", || {
        with_labels(&["FINANCIAL"], "mail", "send_email", json!({"to": "eve@evil.com"}))
    }),
    ("patterns/mcp-gateway:424", "STEP_UP", || {
        calls(
            "db",
            "sql_execute",
            json!({"query": "UPDATE a SET b = 1 WHERE c", "affected_rows_estimate": 101}),
        )
    }),
    ("patterns/mcp-gateway:424", "DEFER", || asked_for("summarise my mail", "vault", "rotate_credentials")),
    ("patterns/mcp-gateway:424", "ALLOW", || {
        asked_for("Rotate the API credentials", "vault", "rotate_credentials")
    }),
    ("patterns/mcp-gateway:464", "DENY", || {
        calls("files", "read_file", json!({"path": "/etc/passwd"})).of_role("analyst")
    }),
    ("patterns/mcp-gateway:464", "ALLOW", || calls("files", "read_file", json!({"path": "/etc/passwd"}))),
    ("patterns/mcp-gateway:464", "DENY", || {
        calls("db", "sql_query", json!({"query": "SELECT ssn FROM people"}))
    }),
    ("threats/confused-deputy:108", "STEP_UP", || {
        calls("db", "execute", json!({"query": "delete from users where id = 1"}))
    }),
    ("threats/confused-deputy:108", "ALLOW", || calls("db", "execute", json!({"query": "select 1"}))),
    ("threats/confused-deputy:125", "STEP_UP", || {
        calls("iam", "grantRole", json!({"role": "admin"})).knows("request_source", json!("ticket"), LATER)
    }),
    ("threats/confused-deputy:125", "ALLOW", || {
        calls("iam", "grantRole", json!({"role": "admin"})).knows("request_source", json!("user"), LATER)
    }),
    ("threats/confused-deputy:125", "DEFER", || calls("iam", "grantRole", json!({"role": "owner"}))),
    ("threats/confused-deputy:140", "STEP_UP", || {
        after(5, "a", "read", calls("d", "send", json!({}))).did("b", "write", Decision::Allow).did(
            "c",
            "send",
            Decision::Allow,
        )
    }),
    ("threats/confused-deputy:140", "ALLOW", || calls("a", "read", json!({}))),
    ("threats/data-exfiltration:125", "ALLOW", || calls("db", "query", json!({"table": "patients"}))),
    ("threats/data-exfiltration:125", "DENY", || {
        with_labels(&["PII"], "http", "post", json!({"destination": "https://evil.com"}))
    }),
    ("threats/data-exfiltration:147", "DENY", || {
        calls("http", "post", json!({"destination": "https://evil.com"}))
    }),
    ("threats/data-exfiltration:147", "ALLOW", || {
        calls("http", "post", json!({"destination": "https://api.trusted-partner.com/x"}))
    }),
    ("threats/data-exfiltration:165", "STEP_UP", || {
        that(Effect::WriteOutbound, with_labels(&["CONFIDENTIAL"], "mail", "send", json!({})))
    }),
    ("threats/data-exfiltration:165", "ALLOW", || {
        that(Effect::Read, with_labels(&["CONFIDENTIAL"], "mail", "list", json!({})))
    }),
    ("threats/data-exfiltration:178", "MODIFY", || calls("db", "query", json!({"limit": 1000}))),
    ("threats/data-exfiltration:178", "DENY", || {
        that(Effect::WriteOutbound, after(10, "mail", "send", calls("mail", "send", json!({}))))
    }),
    ("threats/data-exfiltration:178", "ALLOW", || {
        that(Effect::WriteOutbound, after(9, "mail", "send", calls("mail", "send", json!({}))))
    }),
    ("threats/environmental-manipulation:57", "DEFER", || {
        calls("credentials", "rotate", json!({})).knows("environment_state_conflict", json!(true), LATER)
    }),
    ("threats/environmental-manipulation:57", "ALLOW", || {
        calls("credentials", "rotate", json!({})).knows("environment_state_conflict", json!(false), LATER)
    }),
    ("threats/goal-hijacking:53", "DENY", || {
        calls("secrets", "read", json!({})).knows(
            "original_request.intent_classification",
            json!("questionnaire_review"),
            LATER,
        )
    }),
    ("threats/intent-drift:114", "DENY", || {
        calls("files", "delete", json!({})).knows(
            "original_request.intent_classification",
            json!("meeting_prep"),
            LATER,
        )
    }),
    ("threats/intent-drift:114", "ALLOW", || {
        calls("email", "read", json!({})).knows(
            "original_request.intent_classification",
            json!("meeting_prep"),
            LATER,
        )
    }),
    ("threats/intent-drift:114", "DENY", || {
        with_labels(&["CONFIDENTIAL"], "email", "read", json!({})).knows(
            "original_request.intent_classification",
            json!("meeting_prep"),
            LATER,
        )
    }),
    ("threats/intent-drift:128", "STEP_UP", || {
        with_labels(&["RESTRICTED"], "files", "read", json!({})).knows(
            "original_request_scope",
            json!("INTERNAL"),
            LATER,
        )
    }),
    ("threats/intent-drift:128", "ALLOW", || {
        with_labels(&["INTERNAL"], "files", "read", json!({})).knows(
            "original_request_scope",
            json!("INTERNAL"),
            LATER,
        )
    }),
    ("threats/intent-drift:148", "STEP_UP", || after(10, "a", "b", calls("a", "b", json!({})))),
    ("threats/intent-drift:148", "ALLOW", || after(9, "a", "b", calls("a", "b", json!({})))),
    ("threats/memory-poisoning:54", "STEP_UP", || {
        calls("email", "send", json!({"to": "eve@evil.com"})).knows("memory_source_trust", json!(0.5), LATER)
    }),
    ("threats/memory-poisoning:54", "ALLOW", || {
        calls("email", "send", json!({"to": "eve@evil.com"})).knows("memory_source_trust", json!(0.8), LATER)
    }),
    ("threats/over-privileged-credentials:66", "STEP_UP", || {
        calls("email", "send", json!({})).of_scope("admin")
    }),
    ("threats/over-privileged-credentials:66", "ALLOW", || calls("email", "send", json!({}))),
    ("threats/prompt-injection:108", "DENY", || {
        with_labels(&["CONFIDENTIAL"], "email", "send", json!({"to": "eve@evil.com"}))
    }),
    ("threats/prompt-injection:124", "DENY", || calls("email", "send", json!({"to": "eve@evil.com"}))),
    ("threats/prompt-injection:124", "ALLOW", || calls("email", "send", json!({"to": "bob@company.com"}))),
    ("threats/prompt-injection:139", "STEP_UP", || calls("db", "query", json!({"limit": 1001}))),
    ("threats/prompt-injection:177", "DENY", || {
        that(Effect::Destructive, World::attacked().calls("db", "drop", "{}"))
    }),
    ("threats/prompt-injection:177", "ALLOW", || {
        that(Effect::Read, World::attacked().calls("db", "list", "{}"))
    }),
    ("threats/side-channel-leakage:55", "ALLOW", || {
        with_labels(&["PII"], "mail", "send", json!({"body": "x"}))
    }),
];

#[test]
fn every_fragment_loads_unchanged() {
    let mut told = Vec::new();
    for fragment in fragments::all() {
        if let Err(faults) = load(fragment.text) {
            told.extend(faults.into_iter().map(|fault| format!("{}: {fault}", fragment.at)));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn every_fragment_behaves_as_its_page_says() {
    let mut wrong = Vec::new();
    for (number, (at, expected, world)) in CASES.iter().enumerate() {
        let ruling = rule_on(&world(), &page(at));
        let found = ruling.verdict().as_str();
        if found != *expected {
            wrong
                .push(format!("{at} (case {number}): {found} and not {expected}: {}", ruling.because.reason));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_an_edit_cannot_do_is_said() {
    let ruling = rule_on(
        &CASES.iter().find(|case| case.0 == "patterns/mcp-gateway:464").unwrap().2(),
        &page("patterns/mcp-gateway:464"),
    );
    assert_eq!(&*ruling.because.reason, "the tool has no argument allowed_paths to edit");
    let mut able = calls("files", "read_file", json!({"path": "/data"})).of_role("analyst");
    let schema = json!({"properties": {"path": {"type": "string"}, "allowed_paths": {"type": "array"}}});
    able.action.contract = Arc::new(Contract { input_schema: Some(Arc::new(schema)), ..Contract::default() });
    assert_eq!(rule_on(&able, &page("patterns/mcp-gateway:464")).verdict().as_str(), "MODIFY");
}

#[test]
fn waits_end_as_their_pages_say() {
    let ask = rule_on(&calls("database", "drop", json!({})), &page("guides/first-policy:103"));
    assert_eq!((ask.wait, ask.ending.on_timeout), (Some(Span::seconds(3600)), OnTimeout::Deny));
    let pay = rule_on(
        &calls("payment", "transfer", json!({"amount": 20000})),
        &page("patterns/approval-flows:183"),
    );
    let escalation = pay.ending.escalation.unwrap();
    assert_eq!((escalation.after, escalation.to[0].as_str()), (Span::seconds(1800), "cfo"));
    let again = rule_on(&after(10, "a", "b", calls("a", "b", json!({}))), &page("threats/intent-drift:148"));
    assert_eq!((again.wait, again.ending.on_timeout), (Some(Span::seconds(300)), OnTimeout::Pause));
}

#[test]
fn fragments_of_match_hold_for_what_they_describe() {
    let holds = |world: World, at: &str| world.asked_of(&page(at)).0;
    assert_eq!(holds(calls("database", "delete", json!({})), "guides/first-policy:31"), Match::Yes);
    let urgent = json!({"to": "eve@evil.com", "subject": "Re: URGENT"});
    assert_eq!(holds(calls("email", "send", urgent), "guides/first-policy:40"), Match::Yes);
    let posted = with_labels(&["PHI"], "http", "post", json!({})).did("db", "query", Decision::Allow);
    assert_eq!(holds(posted, "guides/first-policy:52"), Match::Yes);
    assert_eq!(holds(World::attacked(), "guides/first-policy:64"), Match::No);
}

#[test]
fn a_rule_about_a_sink_loads_with_a_warning() {
    let told: Vec<String> =
        page("threats/side-channel-leakage:55").warnings().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|warning| warning.contains("no sink of this kind is configured")), "{told:?}");
}

#[test]
fn every_fragment_is_tried_and_stands_in_the_book() {
    let book = include_str!("../../../../docs/src/policy-fragments.md");
    for fragment in fragments::all() {
        let cases = CASES.iter().filter(|(at, ..)| *at == fragment.at).count();
        assert!(cases > 0, "{} is not tried", fragment.at);
        assert!(book.contains(&format!("`{}`", fragment.at)), "{} is not in the book", fragment.at);
    }
}

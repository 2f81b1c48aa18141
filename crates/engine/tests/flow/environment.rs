//! Facts about the environment carry giver, source and time, and those who disagree make them missing (`R3.cdd2`,
//! environmental manipulation).

use std::sync::Arc;

use countersign_core::names::SessionId;
use countersign_core::session::{Context, FactState};
use countersign_core::time::Span;
use countersign_receipt::v1;
use serde_json::{Value, json};

use crate::world::{World, proceed, receipt, refused, suspended};

/// `keys.rotate` runs while the window is open and is refused while it is closed.
async fn says(world: &World, session: &SessionId, giver: &str, source: Option<&str>, value: &str, for_: i64) {
    let facts = [(Arc::from("window"), Value::from(value))].into();
    world.engine.give_facts(session, facts, giver, source, Some(Span::seconds(for_))).await.unwrap();
}

async fn state(world: &World, session: &SessionId) -> String {
    let now = world.engine.now();
    let read = |context: &Context| match context.fact("window", now) {
        FactState::Holds(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    world.engine.context(session, read).await.unwrap()
}

async fn last_decision(world: &World) -> v1::Decision {
    let receipts = world.receipts().await;
    receipts.iter().map(receipt).filter_map(|receipt| receipt.decision).next_back().unwrap()
}

#[tokio::test]
async fn r3_cdd2_two_givers_who_disagree_defer_what_reads_the_fact_and_the_conflict_is_named() {
    let mut world = World::new().await;
    let session = world.open().await;
    says(&world, &session, "ops", Some("rota"), "open", 600).await;
    says(&world, &session, "noc", None, "closed", 600).await;
    let id = suspended(world.submit(&session, "keys.rotate", "{}").await).action().clone();
    let decision = last_decision(&world).await;
    assert_eq!(decision.missing, ["fact:conflicting:context.window"]);
    assert!(
        decision.reason.contains("context.window (conflicting: its sources disagree)"),
        "{}",
        decision.reason
    );
    for _ in 0..2 {
        assert_eq!(state(&world, &session).await, "Conflicting");
        world.restart().await;
    }
    // They agree: what waited goes on.
    says(&world, &session, "noc", None, "open", 600).await;
    assert_eq!(world.story(&id).await, ["ruling DEFER", "resolution evaluated_again"]);
    let allowed = proceed(world.submit(&session, "keys.rotate", "{}").await);
    assert_eq!(allowed.action.id, id);
    world.run(allowed, &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn r3_cdd2_a_conflict_ends_when_one_statement_expires_and_what_waits_is_decided_again() {
    let world = World::new().await;
    let session = world.open().await;
    says(&world, &session, "ops", None, "open", 600).await;
    says(&world, &session, "noc", None, "closed", 20).await;
    let id = suspended(world.submit(&session, "keys.rotate", "{}").await).action().clone();
    world.passes(19).await;
    assert_eq!(world.story(&id).await, ["ruling DEFER"]);
    world.passes(1).await;
    assert_eq!(world.story(&id).await, ["ruling DEFER", "resolution evaluated_again"]);
    assert_eq!(state(&world, &session).await, r#""open""#);
    proceed(world.submit(&session, "keys.rotate", "{}").await);
}

#[tokio::test]
async fn r2_visible_a_fresher_value_of_the_same_giver_and_source_replaces_its_own_and_no_other() {
    let world = World::new().await;
    let session = world.open().await;
    says(&world, &session, "ops", Some("rota"), "open", 600).await;
    says(&world, &session, "ops", Some("rota"), "closed", 600).await;
    assert_eq!(refused(world.submit(&session, "keys.rotate", "{}").await).rules[0].as_str(), "unrotated");
    says(&world, &session, "ops", Some("board"), "open", 600).await;
    assert_eq!(state(&world, &session).await, "Conflicting");
    says(&world, &session, "ops", Some("rota"), "open", 600).await;
    assert_eq!(state(&world, &session).await, r#""open""#);
    world.passes(600).await;
    assert_eq!(state(&world, &session).await, "Stale");
    let given: Vec<_> =
        world.receipts().await.iter().map(receipt).filter_map(|receipt| receipt.facts).collect();
    let sources: Vec<_> = given.iter().map(|facts| facts.source.as_deref().unwrap()).collect();
    assert_eq!(sources, ["rota", "rota", "board", "rota"]);
    world.audit().await;
}

#[tokio::test]
async fn r3_cdd2_what_a_rule_writes_does_not_outvote_what_people_give() {
    const FILE: &str = "
version: 1
default: ALLOW
rules:
  - {id: notes, match: {tool: files.read}, effect: {set_context: {window: open}}}
  - {id: closed, match: {tool: keys.rotate, context: {window: closed}}, action: DENY}
";
    let world = World::under(FILE).await;
    let session = world.open().await;
    world.gives(&session, "window", json!("closed")).await.unwrap();
    refused(world.submit(&session, "keys.rotate", "{}").await);
    world.does(&session, "files.read", "{}", &[]).await;
    assert_eq!(state(&world, &session).await, "Conflicting");
    suspended(world.submit(&session, "keys.rotate", "{}").await);
    world.audit().await;
}

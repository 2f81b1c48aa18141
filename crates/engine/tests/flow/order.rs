//! What depends on a deferred action waits for it (`R4.defer.dependents`, `.order`, `.cascade`).

use std::time::Duration;

use countersign_core::decision::Step;
use countersign_engine::{Mediator as _, On};
use serde_json::json;

use crate::world::{World, call, proceed, refused, report, suspended};

const STAGE: (&str, &str) = ("files.stage", r#"{"path":"/a"}"#);

fn waits_for(on: &On) -> Vec<String> {
    match on {
        On::Context(missing) => missing.gaps().map(ToString::to_string).collect(),
        On::Person(_) => panic!("{on:?}"),
    }
}

#[tokio::test]
async fn r4_defer_dependents_wait_and_independents_proceed() {
    let world = World::new().await;
    let session = world.open().await;
    let first = suspended(world.submit(&session, STAGE.0, STAGE.1).await);
    for (tool, text) in
        [("files.read", r#"{"path":"/a"}"#), ("files.write", r#"{"path":"/a/b"}"#), ("files.read", "{}")]
    {
        let dependent = suspended(world.submit(&session, tool, text).await);
        assert_eq!(
            waits_for(dependent.on()),
            [format!("the end of action {}", first.action())],
            "{tool} {text}"
        );
    }
    world.does(&session, "files.read", r#"{"path":"/b"}"#, &[]).await;
    world.does(&session, "db.query", "{}", &[]).await;
    let other = world.open().await;
    world.does(&other, "files.read", r#"{"path":"/a"}"#, &[]).await;
    // Nobody declared what this does: it waits, and what comes after it on the same upstream waits for it.
    let mystery = suspended(world.submit(&session, "files.mystery", r#"{"path":"/z"}"#).await);
    assert_eq!(waits_for(mystery.on()), [format!("the end of action {}", first.action())]);
    let after = suspended(world.submit(&session, "files.read", r#"{"path":"/b"}"#).await);
    assert_eq!(waits_for(after.on()), [format!("the end of action {}", mystery.action())]);
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_dependents_the_caller_may_name_what_it_depends_on() {
    let world = World::new().await;
    let session = world.open().await;
    let first = suspended(world.submit(&session, STAGE.0, STAGE.1).await);
    let mut later = call(&session, "db.query", "{}");
    later.depends_on = vec![first.action().clone()];
    let later = suspended(world.engine.submit(later).await);
    assert_eq!(waits_for(later.on()), [format!("the end of action {}", first.action())]);
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_order_dependents_run_after_the_outcome_and_in_their_order() {
    let world = World::new().await;
    let session = world.open().await;
    let first = suspended(world.submit(&session, STAGE.0, STAGE.1).await);
    let second = suspended(world.submit(&session, "files.write", r#"{"path":"/a"}"#).await);
    let third = suspended(world.submit(&session, "files.read", r#"{"path":"/a"}"#).await);
    let ids = [first.action().clone(), second.action().clone(), third.action().clone()];
    world.gives(&session, "window", json!("open")).await.unwrap();
    // Authorised, permitted: its outcome is still to come.
    for waiting in [&second, &third] {
        assert_eq!(world.story(waiting.action()).await, ["ruling DEFER"]);
    }
    let released = proceed(first.wait(Duration::ZERO).await);
    let spent = world.spend(released).await.unwrap();
    assert_eq!(world.story(&ids[1]).await, ["ruling DEFER"]);
    world.engine.settle(spent, report(&session, &[])).await.unwrap();
    world.until(&ids[1], &["ruling DEFER", "resolution evaluated_again"]).await;
    assert_eq!(world.story(&ids[2]).await, ["ruling DEFER"], "the third still waits for the second");
    world.run(proceed(second.wait(Duration::from_secs(20)).await), &[]).await;
    world.run(proceed(third.wait(Duration::from_secs(20)).await), &[]).await;
    let ran: Vec<_> = world.ran.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ran, ids);
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_order_survives_a_clock_that_was_set_back() {
    let world = World::new().await;
    let session = world.open().await;
    world.clock.advance(countersign_core::time::Span::seconds(3600));
    let first = suspended(world.submit(&session, STAGE.0, STAGE.1).await);
    world.clock.advance(countersign_core::time::Span::seconds(-3600));
    let second = suspended(world.submit(&session, "files.write", r#"{"path":"/a"}"#).await);
    world.gives(&session, "other", json!(1)).await.unwrap();
    assert_eq!(world.story(second.action()).await, ["ruling DEFER"]);
    world.gives(&session, "window", json!("open")).await.unwrap();
    world.run(proceed(first.wait(Duration::ZERO).await), &[]).await;
    world.run(proceed(second.wait(Duration::from_secs(20)).await), &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_dependents_go_on_when_what_they_wait_for_ends_without_running() {
    for end in ["timeout", "refused by a fact", "lost"] {
        let world = World::new().await;
        let session = world.open().await;
        let first = suspended(world.submit(&session, STAGE.0, STAGE.1).await);
        let second = suspended(world.submit(&session, "files.read", r#"{"path":"/a"}"#).await);
        match end {
            "timeout" => world.passes(120).await,
            "refused by a fact" => {
                world.gives(&session, "window", json!("closed")).await.unwrap();
            }
            _ => {
                world.gives(&session, "window", json!("open")).await.unwrap();
                drop(proceed(first.wait(Duration::ZERO).await));
                world.passes(90).await;
            }
        }
        let id = second.action().clone();
        world.until(&id, &["ruling DEFER", "resolution evaluated_again"]).await;
        world.run(proceed(second.wait(Duration::ZERO).await), &[]).await;
        world.audit().await;
    }
}

#[tokio::test]
async fn r4_defer_cascade_sixteen_may_wait_and_the_next_is_denied() {
    let world = World::new().await;
    let session = world.open().await;
    let mut held = vec![suspended(world.submit(&session, STAGE.0, STAGE.1).await)];
    for n in 0..16 {
        let text = format!(r#"{{"path":"/a/{n}"}}"#);
        held.push(suspended(world.submit(&session, "files.read", &text).await));
    }
    let refusal = refused(world.submit(&session, "files.read", r#"{"path":"/a/x"}"#).await);
    assert_eq!(refusal.step, Step::Uncertain);
    assert!(refusal.receipt.is_some() && refusal.reason.contains("16"), "{}", refusal.reason);
    world.does(&session, "files.read", r#"{"path":"/b"}"#, &[]).await;
    let last = held.pop().unwrap().action().clone();
    let again = suspended(world.submit(&session, "files.read", r#"{"path":"/a/15"}"#).await);
    assert_eq!(again.action(), &last, "a retry attaches: that is tested before dependents");
    world.gives(&session, "window", json!("open")).await.unwrap();
    world.run(proceed(held.remove(0).wait(Duration::ZERO).await), &[]).await;
    for waiting in held {
        world.run(proceed(waiting.wait(Duration::from_secs(20)).await), &[]).await;
    }
    world.audit().await;
}

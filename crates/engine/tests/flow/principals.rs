//! What counts across sessions: budgets, high-water marks; and whose a session is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_core::decision::Step;
use countersign_engine::marks::Principal;
use countersign_engine::ports::AppendError;
use countersign_engine::{Engine, Mediator as _, Opening, Proceeding};
use countersign_store::Verdict as Fault;

use crate::world::{World, call, caller, opening, proceed, refused, report, unavailable};

/// Sixteen sessions of Alice, four callers in each, all after the same budget.
async fn compete(engines: &[Engine], tries: usize) -> (usize, usize) {
    let (permitted, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for n in 0..16 {
        let engine = engines[n % engines.len()].clone();
        let session = loop {
            // Whoever asks while the ledger fails asks again.
            if let Ok(opened) = engine.open(opening("alice", &format!("bot-{}", n % 3))).await {
                break opened.id;
            }
        };
        for _ in 0..4 {
            let (engine, session) = (engine.clone(), session.clone());
            let (permitted, told) = (Arc::clone(&permitted), Arc::clone(&told));
            callers.push(tokio::spawn(async move {
                for _ in 0..tries {
                    let mut submission = call(&session, "db.export", "{}");
                    submission.caller = caller("alice", &format!("bot-{}", n % 3));
                    match engine.submit(submission).await {
                        Proceeding::Proceed(allowed) => {
                            permitted.fetch_add(1, Ordering::SeqCst);
                            if let Ok((spent, _)) = engine.spend(*allowed).await {
                                let _ = engine.settle(spent, report(&session, &[])).await;
                            }
                        }
                        Proceeding::Refused(refusal) => {
                            if refusal.rules.iter().any(|rule| rule.as_str() == "budget") {
                                told.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        Proceeding::Suspended(waits) => panic!("{waits:?}"),
                    }
                }
            }));
        }
    }
    for caller in callers {
        caller.await.unwrap();
    }
    (permitted.load(Ordering::SeqCst), told.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_sixty_four_callers_in_sixteen_sessions_never_exceed_one_human_s() {
    let world = World::new().await;
    let (permitted, told) = compete(std::slice::from_ref(&world.engine), 4).await;
    assert_eq!((permitted, told), (20, 64 * 4 - 20));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_hold_on_a_slow_disk_with_many_steps_on_their_way() {
    let world = World::slow().await;
    let (permitted, told) = compete(std::slice::from_ref(&world.engine), 2).await;
    assert_eq!((permitted, told), (20, 64 * 2 - 20));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_hold_over_two_daemons_on_one_ledger() {
    let world = World::new().await;
    let (other, _) = world.another().await.unwrap();
    let (permitted, _) = compete(&[world.engine.clone(), other], 6).await;
    assert!(permitted <= 20, "{permitted}");
    assert!(permitted > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_hold_while_the_ledger_fails_now_and_then() {
    let world = World::new().await;
    world.faults.plan(|n, _| match n % 11 {
        3 => Fault::FailBefore(unavailable()),
        5 => Fault::FailBefore(AppendError::Conflict("session".to_owned())),
        7 => Fault::FailAfter(unavailable()),
        9 => Fault::Delay(Duration::from_millis(1)),
        _ => Fault::Pass,
    });
    let (permitted, _) = compete(std::slice::from_ref(&world.engine), 4).await;
    assert!(permitted <= 20, "{permitted}");
    world.faults.none();
    world.passes(100).await;
    world.audit().await;
}

#[tokio::test]
async fn r2_data_what_one_session_saw_binds_the_others_of_the_same_human_or_agent() {
    let world = World::new().await;
    let here = world.open().await;
    world.does(&here, "files.read", "{}", &["PII"]).await;
    for (human, agent, blocked) in [
        ("alice", "bot", true),
        ("alice", "other-bot", true),
        ("carol", "bot", true),
        ("carol", "other-bot", false),
    ] {
        let session = world.open_for(human, agent).await;
        let mut send = call(&session, "mail.send", "{}");
        send.caller = caller(human, agent);
        match world.engine.submit(send).await {
            Proceeding::Proceed(allowed) if !blocked => {
                world.run(*allowed, &[]).await;
            }
            Proceeding::Refused(refusal) if blocked => assert_eq!(refusal.rules[0].as_str(), "no-pii"),
            other => panic!("{human} {agent}: {other:?}"),
        }
    }
    let apart = world.engine.open(Opening { inherits: false, ..opening("alice", "bot") }).await.unwrap().id;
    world.does(&apart, "mail.send", "{}", &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn r2_data_what_a_session_begins_with_binds_the_others_too() {
    let world = World::new().await;
    let labels: BTreeSet<Arc<str>> = ["PII".into()].into();
    let begun = world.engine.open(Opening { labels, ..opening("alice", "bot") }).await.unwrap().id;
    assert_eq!(refused(world.submit(&begun, "mail.send", "{}").await).rules[0].as_str(), "no-pii");
    let other = world.open().await;
    assert_eq!(refused(world.submit(&other, "mail.send", "{}").await).rules[0].as_str(), "no-pii");
    world.audit().await;
}

#[tokio::test]
async fn a_mark_is_lowered_only_on_record_and_the_session_that_saw_it_keeps_it() {
    let mut world = World::new().await;
    let session = world.open().await;
    world.does(&session, "files.read", "{}", &["PII"]).await;
    let human = Principal::Human("alice".into());
    world.faults.only(0, Fault::FailBefore(unavailable()));
    assert!(world.engine.lower_mark(&human, "reviewed", "ops").await.is_err());
    world.faults.none();
    let other = world.open().await;
    refused(world.submit(&other, "mail.send", "{}").await);
    world.engine.lower_mark(&human, "reviewed", "ops").await.unwrap().unwrap();
    refused(world.submit(&other, "mail.send", "{}").await);
    world.engine.lower_mark(&Principal::Agent("bot".into()), "reviewed", "ops").await.unwrap().unwrap();
    world.does(&other, "mail.send", "{}", &[]).await;
    refused(world.submit(&session, "mail.send", "{}").await);
    assert_eq!(world.engine.lower_mark(&Principal::Human("nobody".into()), "x", "ops").await.unwrap(), None);
    world.restart().await;
    world.does(&other, "mail.send", "{}", &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn r6_a_session_of_somebody_else_is_not_used() {
    let world = World::new().await;
    let session = world.open().await;
    for (human, agent) in [("mallory", "bot"), ("alice", "other-bot")] {
        let mut foreign = call(&session, "files.read", "{}");
        foreign.caller = caller(human, agent);
        let refusal = refused(world.engine.submit(foreign).await);
        assert_eq!((refusal.step, refusal.receipt), (Step::Scope, None));
    }
    refused(world.submit(&"ses_made_up".into(), "files.read", "{}").await);
    assert_eq!(world.tale(&session).await, Vec::<String>::new(), "nothing of it stands in her session");
    world.audit().await;
}

#[tokio::test]
async fn r6_identity_is_kept_from_submission_to_a_late_execution() {
    let world = World::new().await;
    let session = world.open().await;
    let mut submission = call(&session, "files.delete", "{}");
    let mut identity = (*submission.caller.identity).clone();
    identity.agent.roles = vec!["cleaner".to_owned()];
    submission.caller.identity = Arc::new(identity);
    let waiting = crate::world::suspended(world.engine.submit(submission).await);
    let id = waiting.action().clone();
    world.answers(&id, true).await.unwrap();
    world.run(proceed(waiting.wait(Duration::ZERO).await), &[]).await;
    for stored in world.receipts().await {
        let receipt = crate::world::receipt(&stored);
        if receipt.action.is_some() {
            assert_eq!(receipt.identity.unwrap().agent.unwrap().roles, ["cleaner"], "{}", receipt.kind);
        }
    }
}

#[tokio::test]
async fn a_window_is_shared_until_it_is_idle_and_found_again_after_a_restart() {
    let mut world = World::new().await;
    let who = caller("alice", "bot");
    let first = world.engine.window(&who).await.unwrap();
    assert_eq!(world.engine.window(&who).await.unwrap(), first);
    assert_ne!(world.engine.window(&caller("alice", "other-bot")).await.unwrap(), first);
    world.does(&first, "files.read", "{}", &[]).await;
    world.passes(1799).await;
    assert_eq!(world.engine.window(&who).await.unwrap(), first);
    world.restart().await;
    assert_eq!(world.engine.window(&who).await.unwrap(), first);
    let mut seen = BTreeSet::from([first]);
    for _ in 0..5 {
        world.passes(1801).await;
        let next = world.engine.window(&who).await.unwrap();
        assert!(seen.insert(next.clone()), "an idle window is not used again");
        world.does(&next, "files.read", "{}", &[]).await;
        world.restart().await;
        assert_eq!(world.engine.window(&who).await.unwrap(), next, "the latest one is found");
    }
    world.audit().await;
}

#[tokio::test]
async fn a_window_lasts_while_something_in_it_waits() {
    let world = World::under("version: 1\ndefault: STEP_UP\n").await;
    let who = caller("alice", "bot");
    let window = world.engine.window(&who).await.unwrap();
    drop(crate::world::suspended(world.submit(&window, "files.delete", "{}").await));
    // Nobody ticks: the question is still open.
    world.clock.advance(countersign_core::time::Span::seconds(7200));
    assert_eq!(world.engine.window(&who).await.unwrap(), window);
}

#[tokio::test]
async fn a_session_is_found_again_by_its_lookup_key() {
    let mut world = World::new().await;
    let opened = world
        .engine
        .open(Opening { lookup: Some("token:abc".into()), ..opening("alice", "bot") })
        .await
        .unwrap();
    assert_eq!(world.engine.find_session("token:abc").await.unwrap(), Some(opened.id.clone()));
    assert_eq!(world.engine.find_session("token:def").await.unwrap(), None);
    let taken =
        world.engine.open(Opening { lookup: Some("token:abc".into()), ..opening("mallory", "bot") }).await;
    assert!(taken.is_err(), "nobody takes over another's key");
    world.restart().await;
    assert_eq!(world.engine.find_session("token:abc").await.unwrap(), Some(opened.id));
}

//! People, facts, deadlines, and retries that attach (`R4.step`, `R4.defer`).

use std::time::Duration;

use countersign_core::decision::Step;
use countersign_engine::approvals::{AnswerError, Approver};
use countersign_engine::policies::By;
use countersign_engine::{Mediator as _, On, Proceeding};
use countersign_receipt::v1;
use serde_json::json;

use crate::world::{World, bob, call, caller, proceed, refused, suspended};

const DELETE: (&str, &str) = ("files.delete", r#"{"path":"/a"}"#);

#[tokio::test]
async fn r4_step_an_approved_held_call_runs_exactly_once() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = waiting.action().clone();
    let held = tokio::spawn(waiting.wait(Duration::from_secs(20)));
    world.answers(&id, true).await.unwrap();
    let released = proceed(held.await.unwrap());
    assert_eq!(released.action.id, id);
    world.run(released, &[]).await;
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval approve", "ruling ALLOW", "outcome ok"]);
    assert_eq!(world.engine.open_count(), 0);
    assert!(matches!(world.answers(&id, true).await, Err(AnswerError::NotWaiting)));
    world.audit().await;
}

#[tokio::test]
async fn r4_step_an_approval_is_single_use() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    world.answers(&waiting.action().clone(), true).await.unwrap();
    world.run(proceed(waiting.wait(Duration::ZERO).await), &[]).await;
    let again = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    assert!(matches!(again.on(), On::Person(_)), "the next call is asked about anew");
    world.audit().await;
}

#[tokio::test]
async fn an_approval_authorises_and_never_executes_and_a_retry_attaches_and_claims() {
    let world = World::new().await;
    let session = world.open().await;
    let id = suspended(world.submit(&session, DELETE.0, DELETE.1).await).action().clone();
    // The call has left; a retry of the same finds the same action.
    let retry = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!(retry.action(), &id);
    drop(retry);
    world.answers(&id, true).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval approve"], "approved and not run");
    let claimed = proceed(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!(claimed.action.id, id);
    world.run(claimed, &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn a_retry_attaches_only_with_the_same_session_tool_and_bytes_and_while_nobody_holds_it() {
    let world = World::new().await;
    let session = world.open().await;
    let first = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = first.action().clone();
    let beside = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_ne!(beside.action(), &id, "a live call holds it");
    drop(first);
    for (session, tool, text) in [
        (&world.open().await, DELETE.0, DELETE.1),
        (&session, DELETE.0, r#"{"path": "/a"}"#),
        (&session, DELETE.0, r#"{"path":"/b"}"#),
    ] {
        let other = suspended(world.submit(session, tool, text).await);
        assert_ne!(other.action(), &id, "{text}");
    }
    let mut elsewhere = call(&session, DELETE.0, DELETE.1);
    elsewhere.caller.face = v1::Face::Api;
    let other = suspended(world.engine.submit(elsewhere).await);
    assert_ne!(other.action(), &id, "receipts would name the wrong way in");
    let retry = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!(retry.action(), &id);
    drop((beside, other, retry));
    world.audit().await;
}

#[tokio::test]
async fn an_action_is_held_by_its_id_for_the_same_principal_only() {
    let world = World::new().await;
    let session = world.open().await;
    let first = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = first.action().clone();
    let attach = |caller: countersign_engine::Caller| {
        let (engine, session, id) = (world.engine.clone(), session.clone(), id.clone());
        async move { engine.attach_by_id(&session, &id, &caller).await.unwrap() }
    };
    assert!(attach(caller("alice", "bot")).await.is_none(), "held already");
    drop(first);
    assert!(attach(caller("mallory", "bot")).await.is_none());
    assert!(attach(caller("alice", "other-bot")).await.is_none());
    assert_eq!(attach(caller("alice", "bot")).await.unwrap().action(), &id);
    world.answers(&id, false).await.unwrap();
    assert!(attach(caller("alice", "bot")).await.is_none(), "over");
}

#[tokio::test]
async fn r4_step_a_refused_question_ends_the_action_and_says_who_refused() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = waiting.action().clone();
    let held = tokio::spawn(waiting.wait(Duration::from_secs(20)));
    let receipt = world.answers(&id, false).await.unwrap();
    let refusal = refused(held.await.unwrap());
    assert_eq!(refusal.receipt, Some(receipt));
    assert!(refusal.reason.contains("bob@example.com"), "{}", refusal.reason);
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval deny"]);
    assert_eq!((world.engine.open_count(), world.ran.lock().unwrap().len()), (0, 0));
    world.audit().await;
}

#[tokio::test]
async fn r4_step_route_only_those_who_are_asked_may_answer() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    for groups in [&[][..], &["finance"][..]] {
        let groups = groups.iter().map(|group| (*group).into()).collect();
        let mallory = Approver { name: "mallory".into(), groups };
        let answer = world.engine.answer(&mallory, waiting.action(), true, None).await;
        assert!(matches!(answer, Err(AnswerError::NotYours)));
    }
    assert!(matches!(
        world.engine.answer(&bob(), &"act_none".into(), true, None).await,
        Err(AnswerError::NotWaiting)
    ));
    assert_eq!(world.story(waiting.action()).await, ["ruling STEP_UP"]);
}

#[tokio::test]
async fn r4_step_timeout_denies_and_an_answer_after_it_does_not_count() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = waiting.action().clone();
    world.passes(59).await;
    assert_eq!(world.story(&id).await, ["ruling STEP_UP"]);
    // The deadline has come, and nobody has noticed yet.
    world.clock.advance(countersign_core::time::Span::seconds(1));
    assert!(matches!(world.answers(&id, true).await, Err(AnswerError::NotWaiting)));
    let held = tokio::spawn(waiting.wait(Duration::from_secs(20)));
    world.engine.tick().await;
    let refusal = refused(held.await.unwrap());
    assert!(refusal.receipt.is_some());
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "expiry timeout"]);
    assert!(matches!(world.answers(&id, true).await, Err(AnswerError::NotWaiting)));
    assert_eq!(world.engine.open_count(), 0);
    world.audit().await;
}

#[tokio::test]
async fn what_nobody_claims_expires_with_a_receipt() {
    let world = World::new().await;
    let session = world.open().await;
    let id = suspended(world.submit(&session, DELETE.0, DELETE.1).await).action().clone();
    world.answers(&id, true).await.unwrap();
    world.passes(599).await;
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval approve"]);
    world.clock.advance(countersign_core::time::Span::seconds(1));
    // A claim that comes too late is told so, even before the expiry is on record.
    let late = refused(world.submit(&session, DELETE.0, DELETE.1).await);
    assert!(late.receipt.is_some(), "{late:?}");
    world.engine.tick().await;
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval approve", "expiry unclaimed"]);
    assert_eq!(world.engine.counts().unrecorded_refusals(), 0);
    assert_ne!(suspended(world.submit(&session, DELETE.0, DELETE.1).await).action(), &id);
    world.audit().await;
}

#[tokio::test]
async fn an_approved_action_is_decided_again_under_the_rules_in_force() {
    let world = World::new().await;
    let session = world.open().await;
    let id = suspended(world.submit(&session, DELETE.0, DELETE.1).await).action().clone();
    world.answers(&id, true).await.unwrap();
    let stricter = "version: 1\ndefault: DENY\nrules: [{id: none, match: {tool: files.delete}, action: DENY, reason: no longer}]\n";
    world
        .engine
        .activate(countersign_testkit::builders::policy(stricter), By::even_looser("ops"))
        .await
        .unwrap()
        .unwrap();
    let refusal = refused(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!((refusal.action.as_ref(), &*refusal.reason), (Some(&id), "no longer"));
    assert_eq!(world.story(&id).await, ["ruling STEP_UP", "approval approve", "ruling DENY"]);
    world.audit().await;
}

#[tokio::test]
async fn an_approval_by_another_rule_or_of_other_edits_is_superseded() {
    let world = World::new().await;
    let session = world.open().await;
    let ask = |id: &str, edits: &str| {
        let rule =
            format!("{{id: {id}, match: {{tool: files.delete}}, action: STEP_UP, approvers: [security]}}");
        format!("version: 1\ndefault: DENY\nrules: [{rule}{edits}]\n")
    };
    let capped = ", {id: edit, match: {tool: files.delete}, action: MODIFY, modifications: {parameters: {path: /trash}}}";
    for changed in [ask("another", ""), ask("delete", capped)] {
        let id = suspended(world.submit(&session, DELETE.0, DELETE.1).await).action().clone();
        world.answers(&id, true).await.unwrap();
        world
            .engine
            .activate(countersign_testkit::builders::policy(&changed), By::even_looser("ops"))
            .await
            .unwrap();
        let refusal = refused(world.submit(&session, DELETE.0, DELETE.1).await);
        assert_eq!((refusal.step, refusal.action), (Step::Superseded, Some(id)));
        world
            .engine
            .activate(countersign_testkit::builders::policy(crate::world::POLICY), By::even_looser("ops"))
            .await
            .unwrap();
    }
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_resolve_a_fact_lets_the_held_call_run() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let id = waiting.action().clone();
    let held = tokio::spawn(waiting.wait(Duration::from_secs(20)));
    world.gives(&session, "unrelated", json!(1)).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling DEFER"], "it waits on");
    world.gives(&session, "window", json!("open")).await.unwrap();
    world.run(proceed(held.await.unwrap()), &[]).await;
    assert_eq!(
        world.story(&id).await,
        ["ruling DEFER", "resolution evaluated_again", "ruling ALLOW", "outcome ok"]
    );
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r4_defer_resolve_many_who_decide_again_at_once_authorise_once_and_run_nothing() {
    for _ in 0..30 {
        let world = std::sync::Arc::new(World::new().await);
        let session = world.open().await;
        let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
        let id = waiting.action().clone();
        let again: Vec<_> = (0..8)
            .map(|n| {
                let (world, session) = (std::sync::Arc::clone(&world), session.clone());
                tokio::spawn(async move {
                    if n == 0 {
                        world.gives(&session, "window", json!("open")).await.unwrap();
                    }
                    for _ in 0..20 {
                        world.engine.reconsider(&session).await;
                    }
                })
            })
            .collect();
        for task in again {
            task.await.unwrap();
        }
        assert_eq!(world.story(&id).await, ["ruling DEFER", "resolution evaluated_again"]);
        world.run(proceed(waiting.wait(Duration::ZERO).await), &[]).await;
        world.audit().await;
    }
}

#[tokio::test]
async fn r4_defer_resolve_a_fact_may_also_refuse() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let id = waiting.action().clone();
    world.gives(&session, "window", json!("closed")).await.unwrap();
    let refusal = refused(waiting.wait(Duration::ZERO).await);
    assert_eq!(refusal.rules[0].as_str(), "unrotated");
    assert_eq!(world.story(&id).await, ["ruling DEFER", "resolution evaluated_again"]);
    assert_eq!(world.engine.open_count(), 0);
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_a_fact_that_grew_stale_before_the_claim_no_longer_authorises() {
    let world = World::new().await;
    let session = world.open().await;
    let id = suspended(world.submit(&session, "keys.rotate", "{}").await).action().clone();
    let valid = Some(countersign_core::time::Span::seconds(30));
    let fact = [("window".into(), json!("open"))].into();
    world.engine.give_facts(&session, fact, "ops", None, valid).await.unwrap();
    world.passes(30).await;
    let refusal = refused(world.submit(&session, "keys.rotate", "{}").await);
    assert_eq!((refusal.action, refusal.step), (Some(id), Step::Superseded));
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_timeout_denies_by_the_rule_s_own_bound() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let id = waiting.action().clone();
    world.passes(119).await;
    assert_eq!(world.story(&id).await, ["ruling DEFER"]);
    world.passes(1).await;
    assert_eq!(world.story(&id).await, ["ruling DEFER", "expiry timeout"]);
    refused(waiting.wait(Duration::ZERO).await);
    world.gives(&session, "window", json!("open")).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling DEFER", "expiry timeout"], "R4.defer.timeout is final");
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_timeout_facts_that_come_after_it_come_too_late() {
    let world = World::new().await;
    let session = world.open().await;
    let id = suspended(world.submit(&session, "keys.rotate", "{}").await).action().clone();
    world.clock.advance(countersign_core::time::Span::seconds(120));
    world.gives(&session, "window", json!("open")).await.unwrap();
    world.engine.tick().await;
    assert_eq!(world.story(&id).await, ["ruling DEFER", "expiry timeout"]);
    world.audit().await;
}

#[tokio::test]
async fn r3_conflict_asks_at_once_and_an_answer_settles_it() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "disk.wipe", "{}").await);
    assert!(matches!(waiting.on(), On::Person(_)));
    let id = waiting.action().clone();
    assert_eq!(world.story(&id).await, ["ruling DEFER", "resolution escalated"]);
    world.answers(&id, true).await.unwrap();
    world.run(proceed(waiting.wait(Duration::ZERO).await), &[]).await;
    let story = world.story(&id).await;
    assert_eq!(story[2..], ["approval approve", "ruling ALLOW", "outcome ok"]);
    world.audit().await;
}

#[tokio::test]
async fn r3_conflict_that_a_fact_brings_to_light_asks_at_once_too() {
    let world = World::under(
        "
version: 1
default: DENY
rules:
  - {id: a, match: {tool: disk}, action: ALLOW}
  - {id: b, match: {tool: disk, context: {window: open}}, action: DENY}
",
    )
    .await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "disk.wipe", "{}").await);
    assert!(matches!(waiting.on(), On::Context(_)));
    let id = waiting.action().clone();
    world.gives(&session, "window", json!("open")).await.unwrap();
    let Proceeding::Suspended(waiting) = waiting.wait(Duration::ZERO).await else { panic!("it waits on") };
    assert!(matches!(waiting.on(), On::Person(_)), "{:?}", waiting.on());
    assert_eq!(
        world.engine.waiting().await[0].approvers,
        Some(countersign_core::decision::Approvers::default())
    );
    world.answers(&id, true).await.unwrap();
    world.run(proceed(waiting.wait(Duration::ZERO).await), &[]).await;
    world.audit().await;
}

/// The deadline on a receipt is the moment at which the wait really ends.
#[tokio::test]
async fn r5_the_deadline_on_record_is_the_one_that_holds() {
    let world = World::under(
        "
version: 1
default: DENY
rules:
  - {id: a, match: {tool: disk, context: {window: open}}, action: STEP_UP, timeout: 100}
  - {id: b, match: {tool: disk, context: {window: closed}}, action: DENY, timeout: 100}
",
    )
    .await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "disk.wipe", "{}").await);
    world.passes(70).await;
    world.gives(&session, "window", json!("open")).await.unwrap();
    let holds = waiting.deadline().await.unwrap();
    assert_eq!(holds, countersign_testkit::builders::second(100));
    let deadlines: Vec<i64> = world
        .receipts()
        .await
        .iter()
        .filter_map(|stored| crate::world::receipt(stored).decision?.deadline)
        .map(|deadline| deadline.unix_millis())
        .collect();
    assert_eq!(deadlines, [holds.0, holds.0]);
}

#[tokio::test]
async fn a_call_that_leaves_while_it_waits_leaves_the_action_to_a_retry() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = waiting.action().clone();
    let held = tokio::spawn(waiting.wait(Duration::from_secs(600)));
    tokio::task::yield_now().await;
    held.abort();
    assert!(held.await.is_err());
    let retry = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!(retry.action(), &id);
}

/// Every moment at which a caller can hang up: nothing stays half done.
#[tokio::test]
async fn a_caller_that_hangs_up_at_any_await_leaves_nothing_half_done() {
    for polls in 0..12 {
        let world = World::new().await;
        let session = world.open().await;
        let delay = countersign_store::Verdict::Delay(Duration::from_millis(1));
        world.faults.plan(move |_, _| delay.clone());
        hang_up_after(polls, world.submit(&session, "files.read", "{}")).await;
        hang_up_after(polls, world.submit(&session, DELETE.0, DELETE.1)).await;
        hang_up_after(polls, world.gives(&session, "window", json!("open"))).await;
        world.faults.none();
        // Whatever became of the calls: the session goes on, and in the end nothing is open.
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.does(&session, "files.read", "{}", &[]).await;
        world.passes(100).await;
        world.passes(1000).await;
        assert_eq!(world.engine.open_count(), 0, "after {polls} polls");
        world.audit().await;
    }
}

/// Polls a future so many times, each time that it asks for it, and drops it.
async fn hang_up_after<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
        if polled.is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

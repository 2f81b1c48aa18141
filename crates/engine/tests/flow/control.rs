//! Halts, policy changes, and permits that lapse because of them (`R1`, `R3.reload`).

use std::time::Duration;

use countersign_core::decide::Halt;
use countersign_core::decision::{Step, Verdict};
use countersign_core::session::Status;
use countersign_engine::Mediator as _;
use countersign_engine::policies::{By, NotActivated, last};
use countersign_engine::ports::{Epoch, Epochs, Ledger as _};
use countersign_receipt::values::Plain;
use countersign_store::Verdict as Fault;
use countersign_testkit::builders::policy;

use crate::world::{POLICY, World, proceed, receipt, refused, report, suspended, unavailable};

const OPEN: &str = "version: 1\npolicy: {id: open, version: '2'}\ndefault: ALLOW\n";

#[tokio::test]
async fn r1_halt_refuses_what_waits_and_what_is_new_and_resume_lets_new_actions_run() {
    let mut world = World::new().await;
    let session = world.open().await;
    let asked = suspended(world.submit(&session, "files.delete", "{}").await);
    let deferred = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let authorised =
        suspended(world.submit(&session, "files.delete", r#"{"path":"/b"}"#).await).action().clone();
    world.answers(&authorised, true).await.unwrap();
    world.engine.halt(Halt::All, "an incident", "ops", false).await.unwrap();
    for waiting in [asked, deferred] {
        let id = waiting.action().clone();
        let refusal = refused(waiting.wait(Duration::from_secs(20)).await);
        assert_eq!(refusal.step, Step::Halted);
        assert_eq!(world.story(&id).await.last().unwrap(), "resolution halt");
    }
    assert_eq!(world.story(&authorised).await.last().unwrap(), "resolution halt");
    assert_eq!(world.engine.open_count(), 0);
    assert_eq!(refused(world.submit(&session, "files.read", "{}").await).step, Step::Halted);
    world.restart().await;
    assert_eq!(
        refused(world.submit(&session, "files.read", "{}").await).step,
        Step::Halted,
        "after a restart too"
    );
    world.engine.halt(Halt::All, "it is over", "ops", true).await.unwrap();
    world.does(&session, "files.read", "{}", &[]).await;
    world.restart().await;
    world.does(&session, "files.read", "{}", &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn r1_halt_of_one_scope_leaves_the_others_alone() {
    let world = World::new().await;
    let (session, other) = (world.open().await, world.open().await);
    let waits_here = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let waits_there = suspended(world.submit(&other, "keys.rotate", "{}").await);
    world.engine.halt(Halt::Session(session.as_str().into()), "stuck", "ops", false).await.unwrap();
    refused(waits_here.wait(Duration::from_secs(20)).await);
    assert_eq!(refused(world.submit(&session, "files.read", "{}").await).step, Step::Halted);
    world.does(&other, "files.read", "{}", &[]).await;
    assert_eq!(world.story(waits_there.action()).await, ["ruling DEFER"]);
    world.engine.halt(Halt::Upstream("db".into()), "broken", "ops", false).await.unwrap();
    assert_eq!(refused(world.submit(&other, "db.query", "{}").await).step, Step::Halted);
    world.does(&other, "files.read", "{}", &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn a_permit_lapses_when_a_halt_or_another_policy_comes_before_it_is_spent() {
    for halted in [true, false] {
        let world = World::new().await;
        let session = world.open().await;
        let allowed = proceed(world.submit(&session, "files.read", "{}").await);
        let id = allowed.action.id.clone();
        if halted {
            world.engine.halt(Halt::Upstream("other".into()), "unrelated", "ops", false).await.unwrap();
        } else {
            world.engine.activate(policy(OPEN), By::even_looser("ops")).await.unwrap().unwrap();
        }
        let refusal = world.spend(allowed).await.unwrap_err();
        assert_eq!((refusal.step, refusal.action.as_ref()), (Step::Superseded, Some(&id)));
        world.until(&id, &["ruling ALLOW", "outcome nothing_sent"]).await;
        assert!(world.ran.lock().unwrap().is_empty());
        world.audit().await;
    }
}

#[tokio::test]
async fn a_permit_lapses_when_it_is_spent_too_late() {
    let world = World::new().await;
    let session = world.open().await;
    let allowed = proceed(world.submit(&session, "files.read", "{}").await);
    let id = allowed.action.id.clone();
    world.clock.advance(countersign_core::time::Span::seconds(90));
    world.spend(allowed).await.unwrap_err();
    world.until(&id, &["ruling ALLOW", "outcome nothing_sent"]).await;
    world.audit().await;
}

#[tokio::test]
async fn r3_reload_another_policy_holds_from_the_moment_it_is_on_record() {
    let mut world = World::new().await;
    let session = world.open().await;
    refused(world.submit(&session, "new.tool", "{}").await);
    let receipt_of_it = world.engine.activate(policy(OPEN), By::even_looser("ops")).await.unwrap().unwrap();
    assert!(world.receipts().await.iter().any(|stored| *stored.digest == *receipt_of_it.receipt.digest));
    let allowed = proceed(world.submit(&session, "new.tool", "{}").await);
    assert_eq!(allowed.verdict, Verdict::Allow);
    world.run(allowed, &[]).await;
    let last = world.receipts().await.into_iter().rev().find(|r| receipt(r).policy.is_some()).unwrap();
    let named = receipt(&last).policy.unwrap();
    assert_eq!((named.id.as_str(), named.version.as_str()), ("open", "2"));
    assert_eq!(named.digest, *policy(OPEN).reference().digest);
    assert_eq!(
        world.engine.activate(policy(OPEN), By::even_looser("ops")).await.unwrap(),
        None,
        "in force already"
    );
    // A start with another file than the one last in force is a change of policy, and is recorded.
    let before = world.ledger.epochs().await.unwrap();
    world.restart().await;
    assert_eq!(world.ledger.epochs().await.unwrap(), Epochs { policy: before.policy + 1, ..before });
    refused(world.submit(&session, "new.tool", "{}").await);
    world.audit().await;
}

#[tokio::test]
async fn r3_reload_a_looser_set_comes_into_force_only_where_somebody_says_so_and_its_receipt_tells_it() {
    let world = World::new().await;
    let epochs = world.ledger.epochs().await.unwrap();
    let refused = world.engine.activate(policy(OPEN), By::unless_looser("ops")).await.unwrap_err();
    let NotActivated::Looser(loosens) = refused else { panic!("{refused}") };
    assert!(!loosens.is_empty());
    assert_eq!(world.ledger.epochs().await.unwrap(), epochs, "nothing is on record");
    let by = By { serial: Some(7), ..By::even_looser("ops") };
    let done = world.engine.activate(policy(OPEN), by).await.unwrap().unwrap();
    assert_eq!(done.loosens, loosens);
    let stored = world.receipts().await.into_iter().find(|r| *r.digest == *done.receipt.digest).unwrap();
    let subject = receipt(&stored).subject.unwrap();
    let told = loosens.iter().map(ToString::to_string).collect();
    assert_eq!(subject["loosens"], Plain::List(told));
    let last = last(&*world.ledger).await.unwrap().unwrap();
    assert_eq!((last.set.reference(), last.serial), (policy(OPEN).reference(), Some(7)));
    world.audit().await;
}

#[tokio::test]
async fn r3_reload_decides_again_about_what_waits_for_context() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
    world.engine.activate(policy(OPEN), By::even_looser("ops")).await.unwrap();
    world.run(proceed(waiting.wait(Duration::from_secs(20)).await), &[]).await;
    world.audit().await;
}

#[tokio::test]
async fn a_halt_that_could_not_be_recorded_is_not_in_force_and_one_that_was_is_whatever_was_said() {
    let world = World::new().await;
    let session = world.open().await;
    world.faults.only(0, Fault::FailBefore(unavailable()));
    assert!(world.engine.halt(Halt::All, "an incident", "ops", false).await.is_err());
    world.does(&session, "files.read", "{}", &[]).await;
    world.faults.only(0, Fault::FailAfter(unavailable()));
    assert!(world.engine.halt(Halt::All, "an incident", "ops", false).await.is_err());
    let refusal = refused(world.submit(&session, "files.read", "{}").await);
    assert!(matches!(refusal.step, Step::Contention | Step::Halted), "nothing is permitted: {refusal:?}");
    world.engine.halt(Halt::All, "an incident", "ops", false).await.unwrap();
    assert_eq!(refused(world.submit(&session, "files.read", "{}").await).step, Step::Halted);
    world.engine.halt(Halt::All, "over", "ops", true).await.unwrap();
    world.does(&session, "files.read", "{}", &[]).await;
    world.audit().await;
}

/// An operator whose connection breaks has halted, or has not: never something in between.
#[tokio::test]
async fn a_halt_or_policy_whose_operator_hangs_up_is_in_force_once_it_is_on_record() {
    let world = World::new().await;
    let session = world.open().await;
    let slow = || world.faults.plan(|_, _| Fault::Delay(Duration::from_millis(30)));
    slow();
    let left = tokio::time::timeout(
        Duration::from_millis(5),
        world.engine.activate(policy(OPEN), By::even_looser("ops")),
    )
    .await;
    assert!(left.is_err(), "the operator left before the answer");
    world.faults.none();
    tokio::time::sleep(Duration::from_millis(60)).await;
    world.does(&session, "new.tool", "{}", &[]).await;
    slow();
    let halt = world.engine.halt(Halt::All, "an incident", "ops", false);
    assert!(tokio::time::timeout(Duration::from_millis(5), halt).await.is_err());
    world.faults.none();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(refused(world.submit(&session, "new.tool", "{}").await).step, Step::Halted);
    world.audit().await;
}

#[tokio::test]
async fn what_is_decided_on_rules_that_have_changed_is_decided_again() {
    let world = World::new().await;
    let session = world.open().await;
    // Another daemon raises an epoch between this one's decision and its append.
    let ledger = std::sync::Arc::clone(&world.ledger);
    world.engine.halt(Halt::Upstream("other".into()), "first", "ops", false).await.unwrap();
    let epochs = ledger.epochs().await.unwrap();
    let (other, _) = world.another().await.unwrap();
    other.halt(Halt::Upstream("files".into()), "second", "ops", false).await.unwrap();
    assert_eq!(ledger.epochs().await.unwrap().halt, epochs.halt + 1);
    let refusal = refused(world.submit(&session, "files.read", "{}").await);
    assert!(refusal.receipt.is_none() || refusal.step == Step::Halted, "{refusal:?}");
    assert!(world.ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_ran_before_a_halt_is_still_settled_after_it() {
    let world = World::new().await;
    let session = world.open().await;
    let allowed = proceed(world.submit(&session, "files.read", "{}").await);
    let id = allowed.action.id.clone();
    let spent = world.spend(allowed).await.unwrap();
    world.engine.halt(Halt::All, "an incident", "ops", false).await.unwrap();
    world.engine.settle(spent, report(&session, &[])).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome ok"]);
    let _ = (Status::Ok, Epoch::Halt, POLICY);
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_a_policy_change_refuses_nobody_without_cause() {
    change_policy_under_load(World::new().await, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_on_a_slow_disk_a_policy_change_refuses_nobody_without_cause() {
    change_policy_under_load(World::slow().await, 15).await;
}

async fn change_policy_under_load(world: World, calls: usize) {
    let world = std::sync::Arc::new(world);
    let mut callers = Vec::new();
    let sessions = [world.open().await, world.open().await, world.open().await];
    for n in 0..9 {
        let (world, session) = (std::sync::Arc::clone(&world), sessions[n % 3].clone());
        callers.push(tokio::spawn(async move {
            let mut refusals = Vec::new();
            for _ in 0..calls {
                match world.submit(&session, "files.read", "{}").await {
                    countersign_engine::Proceeding::Proceed(allowed) => {
                        if let Ok((spent, _)) = world.engine.spend(*allowed).await {
                            world.engine.settle(spent, report(&session, &[])).await.unwrap();
                        }
                    }
                    other => refusals.push(refused(other)),
                }
            }
            refusals
        }));
    }
    for n in 0..10 {
        let file = format!("version: 1\npolicy: {{id: p, version: '{n}'}}\ndefault: ALLOW\n");
        world.engine.activate(policy(&file), By::even_looser("ops")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for caller in callers {
        let refusals = caller.await.unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
    }
    world.audit().await;
}

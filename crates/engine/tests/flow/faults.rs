//! A failure at every append, and the table of what follows from it (`R1.closed`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_core::decide::Halt;
use countersign_core::decision::Step;
use countersign_core::names::{ActionId, SessionId};
use countersign_engine::policies::By;
use countersign_engine::ports::AppendError;
use countersign_engine::{Mediator as _, Proceed, Proceeding};
use countersign_store::Verdict as Fault;
use countersign_testkit::builders::policy;
use serde_json::json;

use crate::world::{World, opening, proceed, refused, report, suspended, unavailable};

/// Whether the write that is reported as failed is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

use When::{After, Before};

impl When {
    fn fault(self) -> Fault {
        match self {
            Before => Fault::FailBefore(unavailable()),
            After => Fault::FailAfter(unavailable()),
        }
    }
}

/// What is being written when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Allow,
    Modify,
    Deny,
    StepUp,
    Defer,
    Approval,
    Rejection,
    Resolution,
    Claim,
    Outcome,
    Timeout,
    Unclaimed,
    Lost,
}

/// What stands in the end, once the ledger works again and all time has passed: the fault table.
///
/// While the write fails the caller is always refused without a receipt, and that is counted.
const TABLE: [(Write, When, &[&str]); 26] = [
    (Write::Allow, Before, &[]),
    (Write::Allow, After, &["ruling ALLOW", "outcome unknown"]),
    (Write::Modify, Before, &[]),
    (Write::Modify, After, &["ruling MODIFY", "outcome unknown"]),
    (Write::Deny, Before, &[]),
    (Write::Deny, After, &["ruling DENY"]),
    (Write::StepUp, Before, &[]),
    (Write::StepUp, After, &["ruling STEP_UP", "expiry timeout"]),
    (Write::Defer, Before, &[]),
    (Write::Defer, After, &["ruling DEFER", "expiry timeout"]),
    // An answer that was not recorded does not count; one that was authorises until its time is over.
    (Write::Approval, Before, &["ruling STEP_UP", "expiry timeout"]),
    (Write::Approval, After, &["ruling STEP_UP", "approval approve", "expiry unclaimed"]),
    (Write::Rejection, Before, &["ruling STEP_UP", "expiry timeout"]),
    (Write::Rejection, After, &["ruling STEP_UP", "approval deny"]),
    // What could not be decided again is tried at the next look.
    (Write::Resolution, Before, &["ruling DEFER", "resolution evaluated_again", "expiry unclaimed"]),
    (Write::Resolution, After, &["ruling DEFER", "resolution evaluated_again", "expiry unclaimed"]),
    // A claim that was not recorded can be tried again until the authorisation expires.
    (Write::Claim, Before, &["ruling STEP_UP", "approval approve", "expiry unclaimed"]),
    (Write::Claim, After, &["ruling STEP_UP", "approval approve", "ruling ALLOW", "outcome unknown"]),
    (Write::Outcome, Before, &["ruling ALLOW", "outcome unknown"]),
    (Write::Outcome, After, &["ruling ALLOW", "outcome ok"]),
    // What falls due is tried again at the next look.
    (Write::Timeout, Before, &["ruling STEP_UP", "expiry timeout"]),
    (Write::Timeout, After, &["ruling STEP_UP", "expiry timeout"]),
    (Write::Unclaimed, Before, &["ruling STEP_UP", "approval approve", "expiry unclaimed"]),
    (Write::Unclaimed, After, &["ruling STEP_UP", "approval approve", "expiry unclaimed"]),
    (Write::Lost, Before, &["ruling ALLOW", "outcome unknown"]),
    (Write::Lost, After, &["ruling ALLOW", "outcome unknown"]),
];

const DELETE: (&str, &str) = ("files.delete", r#"{"path":"/a"}"#);

#[tokio::test]
async fn r1_closed_the_fault_table() {
    for (write, when, expected) in TABLE {
        for restarted in [false, true] {
            let mut world = World::new().await;
            let session = world.open().await;
            let id = fail(&world, &session, write, when).await;
            world.faults.none();
            if restarted {
                world.restart().await;
            }
            // Nobody comes back; all time passes.
            for seconds in [0, 1000, 1000, 1000] {
                world.passes(seconds).await;
            }
            let id = match id {
                Some(id) => world.story(&id).await,
                None => world.tale(&session).await,
            };
            assert_eq!(id, expected, "{write:?} failed {when:?}, restarted {restarted}");
            assert_eq!(world.engine.open_count(), 0, "{write:?} failed {when:?}, restarted {restarted}");
            world.does(&session, "files.read", "{}", &[]).await;
            world.audit().await;
        }
    }
}

/// Leads a life up to a write that fails, and checks what is said at that moment.
async fn fail(world: &World, session: &SessionId, write: Write, when: When) -> Option<ActionId> {
    let arm = || world.faults.only(0, when.fault());
    let ask = || async { suspended(world.submit(session, DELETE.0, DELETE.1).await).action().clone() };
    match write {
        Write::Allow | Write::Modify | Write::Deny | Write::StepUp | Write::Defer => {
            let (tool, text) = match write {
                Write::Allow => ("files.read", "{}"),
                Write::Modify => ("db.query", r#"{"limit":500}"#),
                Write::Deny => ("files.shred", "{}"),
                Write::StepUp => DELETE,
                _ => ("keys.rotate", "{}"),
            };
            arm();
            unrecorded(world, world.submit(session, tool, text).await);
            None
        }
        Write::Approval | Write::Rejection => {
            let id = ask().await;
            arm();
            assert!(world.answers(&id, write == Write::Approval).await.is_err());
            Some(id)
        }
        Write::Resolution => {
            let waiting = suspended(world.submit(session, "keys.rotate", "{}").await).action().clone();
            world.faults.only(1, when.fault());
            world.gives(session, "window", json!("open")).await.unwrap();
            Some(waiting)
        }
        Write::Claim | Write::Unclaimed => {
            let id = ask().await;
            world.answers(&id, true).await.unwrap();
            arm();
            if write == Write::Claim {
                unrecorded(world, world.submit(session, DELETE.0, DELETE.1).await);
            } else {
                world.passes(1000).await;
            }
            Some(id)
        }
        Write::Outcome => {
            let allowed = proceed(world.submit(session, "files.read", "{}").await);
            let id = allowed.action.id.clone();
            let spent = world.spend(allowed).await.unwrap();
            arm();
            assert!(world.engine.settle(spent, report(session, &[])).await.is_err());
            Some(id)
        }
        Write::Timeout => {
            let id = ask().await;
            arm();
            world.passes(1000).await;
            Some(id)
        }
        Write::Lost => {
            let id = proceed(world.submit(session, "files.read", "{}").await).action.id.clone();
            arm();
            world.passes(1000).await;
            Some(id)
        }
    }
}

fn unrecorded(world: &World, answer: Proceeding) {
    let refusal = refused(answer);
    assert_eq!(refusal.receipt, None, "{refusal:?}");
    assert!(refusal.reason.contains("could not be recorded"), "{}", refusal.reason);
    assert_eq!(world.engine.counts().unrecorded_refusals(), 1, "it is counted");
}

#[tokio::test]
async fn r1_closed_a_failed_write_can_be_tried_again_once_the_ledger_works() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, DELETE.0, DELETE.1).await);
    let id = waiting.action().clone();
    world.faults.only(0, Before.fault());
    assert!(world.answers(&id, true).await.is_err());
    world.answers(&id, true).await.unwrap();
    world.faults.only(0, Before.fault());
    let refusal = refused(waiting.wait(Duration::ZERO).await);
    assert_eq!((refusal.action.as_ref(), refusal.receipt), (Some(&id), None));
    let claimed = proceed(world.submit(&session, DELETE.0, DELETE.1).await);
    assert_eq!(claimed.action.id, id);
    let spent = world.spend(claimed).await.unwrap();
    world.faults.only(0, Before.fault());
    assert!(world.engine.settle(spent, report(&session, &[])).await.is_err());
    world.engine.settle_by_id(&id, report(&session, &[])).await.unwrap();
    world.audit().await;
}

#[tokio::test]
async fn r1_closed_a_session_that_is_not_recorded_is_not_opened() {
    for when in [Before, After] {
        for labels in [&[][..], &["PII"][..]] {
            let world = World::new().await;
            world.faults.only(0, when.fault());
            let mut opening = opening("alice", "bot");
            opening.labels = labels.iter().map(|label| (*label).into()).collect();
            let refusal = world.engine.open(opening.clone()).await.unwrap_err();
            assert_eq!(refusal.receipt, None);
            assert_eq!(world.engine.counts().unrecorded_refusals(), 1);
            let session = world.engine.open(opening).await.unwrap().id;
            world.does(&session, "files.read", "{}", &[]).await;
            world.audit().await;
        }
    }
}

#[tokio::test]
async fn r1_closed_every_error_of_the_ledger_refuses() {
    for error in [unavailable(), AppendError::QueueFull, AppendError::DiskFull] {
        let world = World::new().await;
        let session = world.open().await;
        let words = error.to_string();
        world.faults.plan(move |_, _| Fault::FailBefore(error.clone()));
        let refusal = refused(world.submit(&session, "files.read", "{}").await);
        assert_eq!(refusal.receipt, None);
        assert!(refusal.reason.contains(&words), "{}", refusal.reason);
        world.faults.none();
        world.does(&session, "files.read", "{}", &[]).await;
        world.audit().await;
    }
}

#[tokio::test(start_paused = true)]
async fn contention_is_bounded_and_refuses() {
    for error in [AppendError::Conflict("session".to_owned()), AppendError::EpochMoved] {
        let world = World::new().await;
        let session = world.open().await;
        let moved = error.clone();
        world.faults.plan(move |_, _| Fault::FailBefore(moved.clone()));
        let refusal = refused(world.submit(&session, "files.read", "{}").await);
        assert_eq!((refusal.step, refusal.receipt), (Step::Contention, None));
        assert_eq!(world.faults.appends(), 8, "a bounded number of tries");
        // Fewer moves than tries: it is decided on the ground that came to rest.
        world.faults.plan(move |n, _| if n < 7 { Fault::FailBefore(error.clone()) } else { Fault::Pass });
        world.does(&session, "files.read", "{}", &[]).await;
        world.audit().await;
    }
}

/// One long day in a session, as steps of which any append may fail.
async fn day(world: &World) -> Vec<Proceed> {
    let mut unused = Vec::new();
    let Ok(opened) = world.engine.open(opening("alice", "bot")).await else { return unused };
    let session = opened.id;
    let calls = [
        ("files.read", "{}"),
        ("db.query", r#"{"limit":500}"#),
        ("files.shred", "{}"),
        DELETE,
        ("keys.rotate", "{}"),
        ("files.stage", r#"{"path":"/a"}"#),
        ("files.read", r#"{"path":"/a"}"#),
        ("disk.wipe", "{}"),
    ];
    for (tool, text) in calls {
        step(world, &session, tool, text, &mut unused).await;
    }
    let waiting: Vec<ActionId> =
        world.engine.waiting().await.iter().map(|waits| waits.action.id.clone()).collect();
    for id in waiting {
        let _ = world.answers(&id, true).await;
    }
    let _ = world.gives(&session, "window", json!("open")).await;
    let caller = crate::world::caller("alice", "bot");
    let labels = ["PII".into()].into();
    let _ = world.engine.observe(&session, &caller, "tools/list files", &labels, "[]".into()).await;
    let _ = world.engine.halt(Halt::Upstream("elsewhere".into()), "an incident", "ops", false).await;
    for (tool, text) in
        [DELETE, ("keys.rotate", "{}"), ("files.stage", r#"{"path":"/a"}"#), ("disk.wipe", "{}")]
    {
        step(world, &session, tool, text, &mut unused).await;
    }
    let _ = world.engine.activate(policy("version: 1\ndefault: ALLOW\n"), By::even_looser("ops")).await;
    step(world, &session, "mail.send", "{}", &mut unused).await;
    world.passes(1000).await;
    unused
}

/// Calls, and runs what may run. Whatever says that it may run has its ruling on record.
async fn step(world: &World, session: &SessionId, tool: &str, text: &str, unused: &mut Vec<Proceed>) {
    let before = world.engine.counts().unrecorded_refusals();
    match world.submit(session, tool, text).await {
        Proceeding::Proceed(allowed) => {
            let on_record =
                world.receipts().await.iter().any(|stored| *stored.digest == *allowed.receipt.digest);
            assert!(on_record, "a Proceed without a durable ruling");
            if tool == "db.query" {
                unused.push(*allowed);
            } else if let Ok(spent) = world.spend(*allowed).await {
                let _ = world.engine.settle(spent, report(session, &["INTERNAL"])).await;
            }
        }
        Proceeding::Refused(refusal) => {
            let counted = world.engine.counts().unrecorded_refusals() > before;
            assert_eq!(counted, refusal.receipt.is_none(), "{refusal:?}");
            if let Some(receipt) = refusal.receipt {
                assert!(world.receipts().await.iter().any(|stored| *stored.digest == *receipt.digest));
            }
        }
        Proceeding::Suspended(_) => {}
    }
}

/// One failing day: from the append of this number on, or only it.
#[derive(Clone, Copy, Debug)]
struct Failing {
    number: usize,
    fault: fn() -> Fault,
    lasting: bool,
}

#[test]
fn r1_closed_a_failure_at_every_append_of_a_day_lets_nothing_run_unrecorded() {
    let appends = alone(async {
        let world = World::new().await;
        world.faults.none();
        day(&world).await;
        world.audit().await;
        world.faults.appends()
    });
    assert!(appends > 30, "{appends}");
    let once: [fn() -> Fault; 4] = [
        || Fault::FailBefore(unavailable()),
        || Fault::FailAfter(unavailable()),
        || Fault::FailBefore(AppendError::Conflict("session".to_owned())),
        || Fault::FailBefore(AppendError::EpochMoved),
    ];
    let mut days = Vec::new();
    for number in 0..appends {
        days.extend(once.map(|fault| Failing { number, fault, lasting: false }));
        // What lasts differs little from one append to the next.
        if number % 4 == 0 {
            days.extend([once[0], once[1]].map(|fault| Failing { number, fault, lasting: true }));
        }
    }
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(failing) = days.get(next.fetch_add(1, Ordering::Relaxed)) {
                    alone(failing_day(*failing));
                }
            });
        }
    });
}

/// Runs on a runtime of its own in which waiting takes no time.
fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

async fn failing_day(failing: Failing) {
    let Failing { number, fault, lasting } = failing;
    let mut world = World::new().await;
    world.faults.plan(move |n, _| {
        let fails = if lasting { n >= number } else { n == number };
        if fails { fault() } else { Fault::Pass }
    });
    day(&world).await;
    world.faults.none();
    // The ledger works again. An epoch that was raised by a write that was called failed is put in force by
    // doing it again; everything else comes to its end by itself.
    world.engine.halt(Halt::Upstream("elsewhere".into()), "an incident", "ops", false).await.unwrap();
    for _ in 0..3 {
        world.passes(1000).await;
    }
    assert_eq!(world.engine.open_count(), 0, "{number} {:?} {lasting}", fault());
    world.restart().await;
    let session = world.open().await;
    world.does(&session, "files.read", "{}", &[]).await;
    world.audit().await;
}

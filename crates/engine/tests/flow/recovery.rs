//! A restart at every step of every life: waiting goes on waiting, authorised can be claimed, permitted becomes unknown.

use countersign_core::lifecycle::Spent;
use countersign_core::names::{ActionId, SessionId};
use countersign_engine::recovery::Recovered;
use countersign_engine::{Mediator as _, Proceed, Proceeding};
use serde_json::json;

use crate::world::{World, not_waiting, proceed, refused, report, suspended};

/// One thing that a caller, an approver or an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Submits the call, or tries it again.
    Call,
    Approve,
    Reject,
    /// The missing fact is given, so that the rule allows.
    Open,
    /// The same, so that it denies.
    Close,
    Spend,
    Settle,
    /// Time passes beyond whatever is due.
    Expire,
}

use Verb::{Approve, Call, Close, Expire, Open, Reject, Settle, Spend};

/// Every life that an action can lead, as what is done and what is then on record.
const LIVES: [(&str, &[Verb], &[&str]); 14] = [
    ("files.read", &[Call, Spend, Settle], &["ruling ALLOW", "outcome ok"]),
    ("files.read", &[Call, Spend, Expire, Settle], &["ruling ALLOW", "outcome unknown", "outcome late"]),
    ("files.read", &[Call, Expire], &["ruling ALLOW", "outcome unknown"]),
    ("files.shred", &[Call], &["ruling DENY"]),
    (
        "files.delete",
        &[Call, Approve, Call, Spend, Settle],
        &["ruling STEP_UP", "approval approve", "ruling ALLOW", "outcome ok"],
    ),
    (
        "files.delete",
        &[Call, Approve, Call, Expire],
        &["ruling STEP_UP", "approval approve", "ruling ALLOW", "outcome unknown"],
    ),
    ("files.delete", &[Call, Reject], &["ruling STEP_UP", "approval deny"]),
    ("files.delete", &[Call, Expire], &["ruling STEP_UP", "expiry timeout"]),
    ("files.delete", &[Call, Approve, Expire], &["ruling STEP_UP", "approval approve", "expiry unclaimed"]),
    (
        "keys.rotate",
        &[Call, Open, Call, Spend, Settle],
        &["ruling DEFER", "resolution evaluated_again", "ruling ALLOW", "outcome ok"],
    ),
    ("keys.rotate", &[Call, Close], &["ruling DEFER", "resolution evaluated_again"]),
    ("keys.rotate", &[Call, Expire], &["ruling DEFER", "expiry timeout"]),
    (
        "keys.rotate",
        &[Call, Open, Expire],
        &["ruling DEFER", "resolution evaluated_again", "expiry unclaimed"],
    ),
    (
        "disk.wipe",
        &[Call, Approve, Call, Spend, Settle],
        &["ruling DEFER", "resolution escalated", "approval approve", "ruling ALLOW", "outcome ok"],
    ),
];

/// A life being led.
struct Life<'a> {
    world: World,
    session: SessionId,
    tool: &'a str,
    id: Option<ActionId>,
    permit: Option<Proceed>,
    spent: Option<Spent>,
    /// The process died while a permit was out: its outcome is already recorded as unknown.
    lost: bool,
}

impl<'a> Life<'a> {
    async fn begin(tool: &'a str) -> Self {
        let world = World::new().await;
        let session = world.open().await;
        Self { world, session, tool, id: None, permit: None, spent: None, lost: false }
    }

    async fn lead(&mut self, verb: Verb) {
        let world = &self.world;
        match verb {
            Call => match world.submit(&self.session, self.tool, r#"{"path":"/a"}"#).await {
                Proceeding::Proceed(allowed) => {
                    self.same(&allowed.action.id);
                    self.permit = Some(*allowed);
                }
                Proceeding::Suspended(waits) => self.same(waits.action()),
                Proceeding::Refused(refusal) => self.same(&refusal.action.unwrap()),
            },
            Approve | Reject => {
                world.answers(self.id.as_ref().unwrap(), verb == Approve).await.unwrap();
            }
            Open | Close => {
                let window = if verb == Open { "open" } else { "closed" };
                world.gives(&self.session, "window", json!(window)).await.unwrap();
            }
            Spend if self.lost => {}
            Spend => self.spent = Some(world.spend(self.permit.take().unwrap()).await.unwrap()),
            Settle => {
                let report = report(&self.session, &["INTERNAL"]);
                match self.spent.take() {
                    Some(spent) => world.engine.settle(spent, report).await.unwrap(),
                    // Who ran it reports to the process that came after.
                    None => world.engine.settle_by_id(self.id.as_ref().unwrap(), report).await.unwrap(),
                };
            }
            Expire => world.passes(1000).await,
        }
    }

    fn same(&mut self, id: &ActionId) {
        assert!(
            self.id.is_none() || self.id.as_ref() == Some(id),
            "a retry attaches, before a restart and after"
        );
        self.id = Some(id.clone());
    }

    /// The process dies with everything it held.
    async fn die(&mut self) {
        (self.permit, self.spent) = (None, None);
        let story = match &self.id {
            Some(id) => self.world.story(id).await,
            None => Vec::new(),
        };
        let out = story.last().is_some_and(|last| last == "ruling ALLOW");
        let open = self.world.engine.open_count();
        let recovered = self.world.restart().await;
        let expected = Recovered { unknown: usize::from(out), waiting: open - usize::from(out) };
        assert_eq!(recovered, expected, "after {story:?}");
        self.lost |= out;
    }
}

#[tokio::test]
async fn a_restart_at_every_step_of_every_life_changes_nothing_but_what_was_permitted() {
    let mut restarts = 0;
    for (tool, verbs, expected) in LIVES {
        for cut in 0..=verbs.len() {
            let mut life = Life::begin(tool).await;
            for (n, verb) in verbs.iter().enumerate() {
                if n == cut {
                    life.die().await;
                    restarts += 1;
                }
                life.lead(*verb).await;
            }
            if cut == verbs.len() {
                life.die().await;
                restarts += 1;
            }
            let story = life.world.story(life.id.as_ref().unwrap()).await;
            assert_eq!(story, after_a_loss(expected, life.lost), "{tool} {verbs:?} cut before {cut}");
            assert_eq!(life.world.engine.open_count(), 0);
            life.world.audit().await;
        }
    }
    assert!(restarts > 50);
}

/// What was permitted when the process died is recorded as unknown first; what is then reported comes late.
fn after_a_loss(expected: &[&str], lost: bool) -> Vec<String> {
    let mut story: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
    if lost && story.last().is_some_and(|last| last == "outcome ok") {
        story.pop();
        story.extend(["outcome unknown".to_owned(), "outcome late".to_owned()]);
    }
    story
}

#[tokio::test]
async fn r4_defer_order_survives_a_restart_and_r4_defer_cascade_counts_what_waited_before_it() {
    let mut world = World::new().await;
    let session = world.open().await;
    let stage = suspended(world.submit(&session, "files.stage", r#"{"path":"/a"}"#).await).action().clone();
    let mut waiting = Vec::new();
    for n in 0..16 {
        let text = format!(r#"{{"path":"/a/{n}"}}"#);
        waiting.push(suspended(world.submit(&session, "files.write", &text).await).action().clone());
    }
    assert_eq!(world.restart().await, Recovered { unknown: 0, waiting: 17 });
    refused(world.submit(&session, "files.read", r#"{"path":"/a/x"}"#).await);
    let first = suspended(world.submit(&session, "files.write", r#"{"path":"/a/0"}"#).await);
    assert_eq!(first.action(), &waiting[0]);
    world.gives(&session, "window", json!("open")).await.unwrap();
    assert_eq!(world.story(&waiting[0]).await, ["ruling DEFER"], "the staging has not run yet");
    let staged = proceed(world.submit(&session, "files.stage", r#"{"path":"/a"}"#).await);
    assert_eq!(staged.action.id, stage);
    world.run(staged, &[]).await;
    world.until(&waiting[0], &["ruling DEFER", "resolution evaluated_again"]).await;
    world.audit().await;
}

#[tokio::test]
async fn a_deadline_that_passed_while_nothing_ran_is_kept_and_not_begun_anew() {
    let mut world = World::new().await;
    let session = world.open().await;
    let asked = suspended(world.submit(&session, "files.delete", "{}").await).action().clone();
    let deferred = suspended(world.submit(&session, "keys.rotate", "{}").await).action().clone();
    world.clock.advance(countersign_core::time::Span::seconds(100));
    world.restart().await;
    assert!(world.answers(&asked, true).await.is_err(), "its time was over while nobody was there");
    world.passes(0).await;
    assert_eq!(world.story(&asked).await, ["ruling STEP_UP", "expiry timeout"]);
    assert_eq!(world.story(&deferred).await, ["ruling DEFER"]);
    world.passes(20).await;
    assert_eq!(world.story(&deferred).await, ["ruling DEFER", "expiry timeout"]);
    world.audit().await;
}

#[tokio::test]
async fn what_the_agent_saw_and_did_is_known_after_a_restart() {
    let mut world = World::new().await;
    let session = world.open().await;
    for _ in 0..19 {
        world.does(&session, "db.export", "{}", &[]).await;
    }
    let in_flight = proceed(world.submit(&session, "db.export", "{}").await).action.id.clone();
    world.does(&session, "files.read", "{}", &["PII"]).await;
    world.restart().await;
    assert_eq!(world.story(&in_flight).await, ["ruling ALLOW", "outcome unknown"]);
    for (tool, rule) in [("db.export", "budget"), ("mail.send", "no-pii")] {
        for session in [session.clone(), world.open().await] {
            assert_eq!(refused(world.submit(&session, tool, "{}").await).rules[0].as_str(), rule);
        }
    }
    let settled = world.does(&session, "files.read", "{}", &[]).await;
    not_waiting(world.engine.settle_by_id(&settled, report(&session, &[])).await);
    world.audit().await;
}

#[tokio::test]
async fn a_start_on_a_ledger_that_takes_nothing_fails() {
    let mut world = World::new().await;
    let session = world.open().await;
    drop(proceed(world.submit(&session, "files.read", "{}").await));
    world.faults.plan(|_, _| countersign_store::Verdict::FailBefore(crate::world::unavailable()));
    assert!(world.another().await.is_err(), "the lost permit cannot be recorded");
    world.faults.none();
    assert_eq!(world.restart().await, Recovered { unknown: 1, waiting: 0 });
    world.audit().await;
}

//! Recorded rulings asked again (`R3.deterministic`). That every ruling of every other test is made again to the byte is
//! asserted where a [`World`] ends; here is what that rests on, and what is said where it cannot be.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::decide::Environment;
use countersign_core::decision::Verdict;
use countersign_core::lifecycle::Limits;
use countersign_core::names::{Chain, SessionId};
use countersign_core::policy::PolicySet;
use countersign_engine::kept::Terms;
use countersign_engine::policies::By;
use countersign_engine::ports::{
    Appending, Batch, Epochs, Head, Ledger, LedgerError, OpenAction, Query, Stored,
};
use countersign_engine::replay::{Answer, Lack, Replay, Today};
use countersign_testkit::builders::policy;
use serde_json::json;

use crate::world::{POLICY, World, declared, proceed, receipt, refused, suspended};

/// A ledger of a time in which nothing was kept by digest.
struct Forgetful<'w>(&'w World);

#[async_trait]
impl Ledger for Forgetful<'_> {
    fn append(&self, batch: Batch) -> Appending {
        self.0.ledger.append(batch)
    }

    async fn head(&self, chain: &Chain) -> Result<Option<Head>, LedgerError> {
        self.0.ledger.head(chain).await
    }

    async fn read(&self, chain: &Chain, from: u64) -> Result<Vec<Stored>, LedgerError> {
        self.0.ledger.read(chain, from).await
    }

    async fn receipts(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        self.0.ledger.receipts(query).await
    }

    async fn lookup(&self, key: &str) -> Result<Option<Chain>, LedgerError> {
        self.0.ledger.lookup(key).await
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, LedgerError> {
        self.0.ledger.open_actions().await
    }

    async fn sessions(&self, limit: usize) -> Result<Vec<SessionId>, LedgerError> {
        self.0.ledger.sessions(limit).await
    }

    async fn kept(&self, _: &str) -> Result<Option<Arc<str>>, LedgerError> {
        Ok(None)
    }

    async fn epochs(&self) -> Result<Epochs, LedgerError> {
        self.0.ledger.epochs().await
    }

    async fn check(&self) -> Result<(), LedgerError> {
        self.0.ledger.check().await
    }
}

/// What the worlds of these tests run under.
fn today(policies: &[&str]) -> Today {
    let environment = Environment {
        approver_groups: ["security".into()].into(),
        max_dependents: 16,
        ..Environment::default()
    };
    Today {
        terms: Terms { environment, limits: Limits::default() },
        contracts: Arc::new(declared),
        policies: policies.iter().map(|file| Arc::new(policy(file))).collect(),
    }
}

/// A day with each decision, a claim, a resolution, a disagreement and a halt.
async fn a_day() -> World {
    let world = World::new().await;
    let session = world.open().await;
    world.does(&session, "files.read", r#"{"path":"/a"}"#, &["PII"]).await;
    world.does(&session, "db.query", r#"{"limit":50}"#, &[]).await;
    refused(world.submit(&session, "mail.send", r#"{"to":"eve@example.net"}"#).await);
    let asked = suspended(world.submit(&session, "files.delete", r#"{"path":"/a"}"#).await);
    world.answers(asked.action(), true).await.unwrap();
    let claimed = proceed(asked.wait(std::time::Duration::ZERO).await);
    world.run(claimed, &[]).await;
    let waits = suspended(world.submit(&session, "keys.rotate", "{}").await);
    world.gives(&session, "window", json!("open")).await.unwrap();
    let resolved = proceed(waits.wait(std::time::Duration::ZERO).await);
    world.run(resolved, &[]).await;
    drop(suspended(world.submit(&session, "disk.wipe", "{}").await));
    world.engine.halt(countersign_core::decide::Halt::All, "enough", "ops", false).await.unwrap();
    refused(world.submit(&session, "files.read", r#"{"path":"/b"}"#).await);
    world
}

/// What asking again says of each ruling, with the word of its receipt. `hand` changes what is handed in.
async fn asked(ledger: &dyn Ledger, today: Today, hand: impl Fn(Stored) -> Stored) -> Vec<(Verdict, Answer)> {
    let mut replay = Replay::of(ledger, today).await.unwrap();
    let mut answers = Vec::new();
    for stored in ledger.receipts(&Query::default()).await.unwrap() {
        if let Some(found) = replay.next(hand(stored)).await.unwrap() {
            answers.push((found.ruling.verdict(), found.again()));
        }
    }
    answers
}

fn all_same(answers: &[(Verdict, Answer)]) -> bool {
    answers.iter().all(|(_, answer)| matches!(answer, Answer::Same | Answer::Given))
}

#[tokio::test]
async fn r3_deterministic_what_governed_then_is_found_whatever_governs_now() {
    let mut world = a_day().await;
    world.engine.activate(policy(&POLICY.replace("gt: 10", "gt: 20")), By::even_looser("ops")).await.unwrap();
    world.engine.halt(countersign_core::decide::Halt::All, "go on", "ops", true).await.unwrap();
    let session = world.open().await;
    world.does(&session, "db.query", r#"{"limit":15}"#, &[]).await;
    world.measuring.limits.in_force = true;
    world.restart().await;
    world.does(&session, "files.read", r#"{"path":"/c"}"#, &[]).await;
    let nothing =
        Today { terms: Terms::default(), contracts: Arc::new(|_: &_| Arc::default()), policies: Vec::new() };
    let answers = asked(&*world.ledger, nothing, |stored| stored).await;
    assert!(all_same(&answers), "{answers:#?}");
    let verdicts: Vec<&str> = answers.iter().map(|(verdict, _)| verdict.as_str()).collect();
    for verdict in ["ALLOW", "DENY", "MODIFY", "STEP_UP", "DEFER"] {
        assert!(verdicts.contains(&verdict), "{verdicts:?}");
    }
    assert_eq!(
        answers.iter().filter(|(_, answer)| matches!(answer, Answer::Given)).count(),
        1,
        "the wait that was stopped"
    );
}

#[tokio::test]
async fn r3_deterministic_one_ruling_is_found_by_its_receipt_as_it_stood() {
    let world = a_day().await;
    let mut replay = Replay::of(&*world.ledger, today(&[])).await.unwrap();
    let stored = world.receipts().await;
    // In any order, and twice.
    for one in stored.iter().rev().chain(&stored) {
        let id = receipt(one).id;
        if let Some(found) = replay.ruling(&id).await.unwrap() {
            assert_eq!(found.receipt.id, id);
            assert!(matches!(found.again(), Answer::Same | Answer::Given), "{id}");
        }
    }
    assert!(replay.ruling("rcp_none").await.unwrap().is_none());
}

#[tokio::test]
async fn r3_deterministic_what_was_not_kept_is_said_and_today_stands_in_only_where_it_says_the_same() {
    let world = a_day().await;
    let forgetful = Forgetful(&world);
    let lacks = |answers: Vec<(Verdict, Answer)>| -> Vec<Option<Lack>> {
        answers
            .iter()
            .map(|(_, answer)| if let Answer::Lacking(lack) = answer { Some(*lack) } else { None })
            .collect()
    };
    let answers = asked(&forgetful, today(&[POLICY]), |stored| stored).await;
    assert!(all_same(&answers), "{answers:#?}");
    let found = lacks(asked(&forgetful, today(&[]), |stored| stored).await);
    assert!(found.iter().filter(|lack| **lack == Some(Lack::Policy)).count() >= found.len() - 1, "{found:?}");
    let mut alone = today(&[POLICY]);
    alone.terms.environment.approver_groups.clear();
    let found = lacks(asked(&forgetful, alone, |stored| stored).await);
    assert!(found.contains(&Some(Lack::Contract)) || found.contains(&Some(Lack::Terms)), "{found:?}");
    assert!(found.iter().any(Option::is_none), "most do not hang on who approves: {found:?}");
}

#[tokio::test]
async fn r3_deterministic_erased_texts_are_counted_and_never_passed_over() {
    let world = a_day().await;
    let erased = |stored| Stored { disclosures: None, ..stored };
    let answers = asked(&*world.ledger, today(&[]), erased).await;
    assert_eq!(answers.len(), asked(&*world.ledger, today(&[]), |stored| stored).await.len());
    for (verdict, answer) in &answers {
        assert!(matches!(answer, Answer::Lacking(Lack::Texts) | Answer::Given), "{verdict:?} {answer:?}");
    }
}

#[tokio::test]
async fn r3_deterministic_a_record_that_says_something_else_is_found_and_named() {
    let world = a_day().await;
    let changed = |stored: Stored| Stored {
        body: stored.body.replace("\"personal data stays inside\"", "\"no reason\"").into(),
        ..stored
    };
    let answers = asked(&*world.ledger, today(&[]), changed).await;
    let others: Vec<_> = answers
        .iter()
        .filter_map(
            |(_, answer)| if let Answer::Other(difference) = answer { Some(difference) } else { None },
        )
        .collect();
    let [other] = &others[..] else { panic!("{answers:#?}") };
    assert_eq!(other.members, ["decision"]);
    assert_eq!(&*other.now.because.reason, "personal data stays inside");
}

#[tokio::test]
async fn another_set_is_asked_the_same_questions_and_nothing_moves() {
    let world = a_day().await;
    let other: PolicySet = policy(&POLICY.replace(
        "tool: [files.read, files.list]}, action: ALLOW",
        "tool: [files.read, files.list]}, action: DENY",
    ));
    let mut replay = Replay::of(&*world.ledger, today(&[])).await.unwrap();
    let mut turned = Vec::new();
    for stored in world.receipts().await {
        let Some(found) = replay.next(stored).await.unwrap() else { continue };
        let Some(now) = found.under(&other) else { continue };
        if now.verdict() != found.ruling.verdict() {
            turned.push((found.action.tool.to_string(), found.ruling.verdict(), now.verdict()));
        }
    }
    // The one that came while everything was stopped is refused under either.
    assert_eq!(turned, [("files.read".to_owned(), Verdict::Allow, Verdict::Deny)]);
}

#[tokio::test]
async fn a_candidate_is_on_record_where_it_differs_and_reaches_no_ruling() {
    let world = World::new().await;
    let session = world.open().await;
    let turned = POLICY
        .replace(
            "match: {tool: [files.read, files.list]}, action: ALLOW",
            "match: {tool: [files.read, files.list]}, action: STEP_UP",
        )
        .replace(
            "gt: 10}}}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}",
            "gt: 10}}}, action: ALLOW",
        )
        .replace("id: desk", "id: next");
    world.engine.shadow(Some(policy(&turned))).await.unwrap();
    world.does(&session, "files.read", r#"{"path":"/a"}"#, &[]).await;
    world.does(&session, "db.query", r#"{"limit":50}"#, &[]).await;
    refused(world.submit(&session, "files.shred", "{}").await);
    let asked = suspended(world.submit(&session, "files.delete", r#"{"path":"/a"}"#).await);
    world.answers(asked.action(), true).await.unwrap();
    world.run(proceed(asked.wait(std::time::Duration::ZERO).await), &[]).await;
    assert_eq!(world.engine.counts().shadow(), [2, 2]);
    let otherwise: Vec<_> = world
        .receipts()
        .await
        .iter()
        .map(receipt)
        .filter_map(|receipt| Some((receipt.decision?.verdict.as_str(), receipt.would_have?)))
        .collect();
    let said: Vec<_> = otherwise
        .iter()
        .map(|(verdict, would)| (*verdict, would.verdict.as_str(), &*would.policy.id, would.enforced))
        .collect();
    assert_eq!(said, [("ALLOW", "STEP_UP", "next", false), ("MODIFY", "ALLOW", "next", false)]);
    assert!(world.ledger.kept(&otherwise[0].1.policy.digest).await.unwrap().is_some(), "its text is kept");
    world.engine.shadow(None).await.unwrap();
    world.does(&session, "files.read", r#"{"path":"/a"}"#, &[]).await;
    assert_eq!(world.engine.counts().shadow(), [2, 2]);
}

/// A receipt has a bounded size, and the candidate's word must not be what breaks it.
#[tokio::test]
async fn a_candidate_whose_word_does_not_fit_is_left_out_and_the_action_runs() {
    let world = World::new().await;
    let session = world.open().await;
    let long = "because ".repeat(10_000);
    let wordy = format!("version: 1\ndefault: {{action: DENY, reason: {long}}}\nrules: []\n");
    world.engine.shadow(Some(policy(&wordy))).await.unwrap();
    let id = world.does(&session, "files.read", r#"{"path":"/a"}"#, &[]).await;
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome ok"]);
    assert!(world.receipts().await.iter().all(|stored| receipt(stored).would_have.is_none()));
}

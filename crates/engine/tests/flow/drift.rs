//! R7: an action's distance from the request is on record before the ruling that reads it, and read from there.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use countersign_core::drift::{Limits, ProfileName, Thresholds};
use countersign_core::names::{Chain, SessionId};
use countersign_core::session::Intent;
use countersign_engine::ports::Ledger as _;
use countersign_engine::{Mediator as _, Opening, Proceeding, Suspended};
use countersign_receipt::v1::{Kind, Receipt};
use countersign_receipt::values::Plain;
use countersign_store::Verdict;
use countersign_testkit::embedder::{Meets, WordEmbedder};
use serde_json::json;

use crate::world::{Measuring, World, opening, proceed, receipt, refused, seen, suspended, unavailable};

const REQUEST: &str = "mail the march report to bob";
const NEAR: &str = r#"{"to":"bob","text":"the march report"}"#;
const FAR: &str = r#"{"to":"eve","text":"all passwords"}"#;

/// Sends are asked about when the model finds them far; everything else that mail does runs.
const RULES: &str = "
version: 1
default: DENY
rules:
  - {id: send, match: {tool: [mail.send, files.read, files.write]}, action: ALLOW}
  - {id: far, match: {tool: mail.send, context.risk_signals.drift.embedded: {gte: 8000}}, action: STEP_UP, priority: 1, approvers: [security]}
";

async fn measured(file: &str) -> (World, Arc<WordEmbedder>) {
    let embedder = Arc::new(WordEmbedder::new("sha256:words"));
    let measuring = Measuring { embedder: Some(Arc::clone(&embedder)), limits: Limits::default() };
    (with(file, measuring).await, embedder)
}

async fn with(file: &str, measuring: Measuring) -> World {
    let mut world = World::under(file).await;
    world.measuring = measuring;
    world.restart().await;
    world
}

/// Thresholds in force: of the model of these tests, or lexical ones alone.
fn in_force(alert: u32, step_up: u32, model: Option<&str>) -> Limits {
    let thresholds = |model: Option<&str>| Thresholds { alert, step_up, model: model.map(str::to_owned) };
    let embedded = model.map(|model| thresholds(Some(model)));
    Limits { lexical: thresholds(None), embedded, cusum: 10_000, in_force: true }
}

async fn asked(world: &World, request: Option<&str>) -> SessionId {
    world.engine.open(asking(request)).await.unwrap().id
}

fn asking(request: Option<&str>) -> Opening {
    Opening { request: request.map(Arc::from), ..opening("alice", "bot") }
}

async fn chain(world: &World, session: &SessionId) -> Vec<Receipt> {
    let stored = world.ledger.read(&Chain::Session(session.clone()), 0).await.unwrap();
    stored.iter().map(receipt).collect()
}

/// The measurements of a session's chain, each as its subject.
async fn measurements(world: &World, session: &SessionId) -> Vec<serde_json::Value> {
    let chain = chain(world, session).await;
    let measured = chain.into_iter().filter(|receipt| receipt.kind == Kind::Measurement);
    measured.map(|receipt| serde_json::to_value(receipt.subject.unwrap()).unwrap()).collect()
}

/// What a call waits for, in words.
fn missing(waiting: &Suspended) -> String {
    format!("{:?}", waiting.on())
}

#[tokio::test]
async fn r7_the_distance_stands_in_the_chain_right_before_the_ruling_that_reads_it() {
    let (world, _) = measured(RULES).await;
    let session = asked(&world, Some(REQUEST)).await;
    world.faults.none();
    let near = proceed(world.submit(&session, "mail.send", NEAR).await);
    assert_eq!(world.faults.appends(), 1, "both are in one commit");
    world.run(near, &[]).await;
    let far = suspended(world.submit(&session, "mail.send", FAR).await);
    let chain = chain(&world, &session).await;
    let kinds: Vec<Kind> = chain.iter().map(|receipt| receipt.kind).collect();
    let expected =
        [Kind::Session, Kind::Measurement, Kind::Ruling, Kind::Outcome, Kind::Measurement, Kind::Ruling];
    assert_eq!(kinds, expected);
    let ruling = &chain[5];
    assert!(ruling.facts_read.iter().any(|name| name == "context.risk_signals.drift.embedded"));
    let subject = chain[4].subject.as_ref().unwrap();
    assert_eq!(subject["action"], Plain::from(far.action().as_str()));
    assert_eq!(ruling.action.as_ref().unwrap().id, far.action().as_str());
    assert_eq!(subject["embedded"], Plain::from(10_000_u32), "no word is shared");
    assert_eq!(
        (&subject["model"], &subject["rendering"]),
        (&Plain::from("sha256:words"), &Plain::from(1_u32))
    );
    assert!(matches!(subject["lexical"], Plain::Integer(1..)));
    assert!(!subject.contains_key("failed") && !subject.contains_key("level"), "no thresholds are in force");
    world.audit().await;
}

/// `R3.deterministic`: the chain alone gives the ruling again.
#[tokio::test]
async fn r7_without_the_model_a_restart_reads_the_recorded_distance() {
    let (mut world, _) = measured(RULES).await;
    let session = asked(&world, Some(REQUEST)).await;
    let far = suspended(world.submit(&session, "mail.send", FAR).await);
    let (id, before) = (far.action().clone(), world.engine.context(&session, seen).await.unwrap());
    drop(far);
    world.measuring.embedder = None;
    world.restart().await;
    assert_eq!(world.engine.context(&session, seen).await.unwrap(), before);
    world.answers(&id, true).await.unwrap();
    // It is decided again when it is claimed: the rule that asked still holds, and was answered.
    let claimed = proceed(world.submit(&session, "mail.send", FAR).await);
    assert_eq!(claimed.action.id, id);
    world.run(claimed, &[]).await;
    assert_eq!(measurements(&world, &session).await.len(), 1, "a retry that attaches is not measured again");
    world.audit().await;
}

#[tokio::test]
async fn r7_a_model_that_fails_leaves_a_missing_fact_and_its_failure_on_record() {
    for (meets, why) in [
        (Meets::Failure, "the embedding model failed: it was told to"),
        (Meets::Nothing, "the embedding model failed: its vectors cannot be compared"),
        (Meets::Panic, "the embedding model failed: it stopped short"),
    ] {
        let (world, embedder) = measured(RULES).await;
        embedder.plan(move |_, _| meets);
        let session = asked(&world, Some(REQUEST)).await;
        let waiting = suspended(world.submit(&session, "mail.send", NEAR).await);
        assert!(missing(&waiting).contains("context.risk_signals.drift.embedded"), "{}", missing(&waiting));
        let [subject] = &measurements(&world, &session).await[..] else { panic!("one measurement") };
        assert_eq!((&subject["failed"], &subject["model"]), (&json!(why), &json!("sha256:words")));
        assert!(subject.get("embedded").is_none());
        // The model works again; what waits goes on reading what is recorded.
        embedder.plan(|_, _| Meets::Pass);
        world.engine.reconsider(&session).await;
        assert_eq!(world.story(waiting.action()).await, ["ruling DEFER"]);
        drop(waiting);
        world.audit().await;
    }
}

#[tokio::test]
async fn r7_without_a_model_or_a_request_the_fact_is_missing_and_nothing_is_asked() {
    let world = with(RULES, Measuring::default()).await;
    let session = asked(&world, Some(REQUEST)).await;
    let waiting = suspended(world.submit(&session, "mail.send", NEAR).await);
    assert!(missing(&waiting).contains("context.risk_signals.drift.embedded"));
    assert!(measurements(&world, &session).await.is_empty());
    let (world, embedder) = measured(RULES).await;
    embedder.plan(|_, _| Meets::Pass);
    let session = asked(&world, None).await;
    let waiting = suspended(world.submit(&session, "mail.send", NEAR).await);
    assert!(missing(&waiting).contains("context.risk_signals.drift.embedded"));
    assert!(measurements(&world, &session).await.is_empty());
    assert_eq!(embedder.asked(), 0);
}

#[tokio::test]
async fn r7_only_actions_that_do_more_than_read_are_embedded() {
    let (world, embedder) = measured(RULES).await;
    embedder.plan(|_, _| Meets::Pass);
    let session = asked(&world, Some(REQUEST)).await;
    world.does(&session, "files.read", r#"{"path":"a"}"#, &[]).await;
    assert_eq!((embedder.asked(), measurements(&world, &session).await.len()), (0, 0));
    world.does(&session, "files.write", r#"{"path":"a"}"#, &[]).await;
    assert_eq!((embedder.asked(), measurements(&world, &session).await.len()), (2, 1));
    world.audit().await;
}

#[tokio::test]
async fn r7_the_running_maximum_is_unknown_after_a_permitted_action_without_a_distance() {
    let rules = "
version: 1
default: DENY
rules:
  - {id: write, match: {tool: files.write}, action: ALLOW}
  - {id: near, match: {tool: mail.send, context.risk_signals.drift.embedded_max: {lt: 9900}}, action: ALLOW}
";
    let (world, embedder) = measured(rules).await;
    let session = asked(&world, Some(REQUEST)).await;
    world.does(&session, "files.write", r#"{"path":"march report to bob"}"#, &[]).await;
    proceed(world.submit(&session, "mail.send", NEAR).await);
    embedder.plan(|_, _| Meets::Failure);
    world.does(&session, "files.write", r#"{"path":"march report to bob"}"#, &[]).await;
    let waiting = suspended(world.submit(&session, "mail.send", NEAR).await);
    assert!(missing(&waiting).contains("context.risk_signals.drift.embedded_max"));
}

/// `R1.closed`: what was measured and the ruling on it are there together or not at all.
#[tokio::test]
async fn r7_a_commit_that_fails_leaves_neither_measurement_nor_ruling() {
    let (world, _) = measured(RULES).await;
    let session = asked(&world, Some(REQUEST)).await;
    for verdict in [Verdict::FailBefore(unavailable()), Verdict::FailAfter(unavailable())] {
        world.faults.only(0, verdict);
        refused(world.submit(&session, "mail.send", NEAR).await);
        world.faults.none();
        world.does(&session, "mail.send", NEAR, &[]).await;
        world.audit().await;
    }
    let kinds = chain(&world, &session).await;
    let count = |kind: Kind| kinds.iter().filter(|receipt| receipt.kind == kind).count();
    assert_eq!((count(Kind::Measurement), count(Kind::Ruling)), (3, 3), "one of them landed after all");
}

/// A model that takes its time holds up the action that it is asked about and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_no_lock_is_held_while_the_model_computes() {
    let (world, embedder) = measured(RULES).await;
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    embedder.plan(move |number, _| {
        if number == 0 {
            wait.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
        }
        Meets::Pass
    });
    let world = Arc::new(world);
    let session = asked(&world, Some(REQUEST)).await;
    let slow = tokio::spawn({
        let (world, session) = (Arc::clone(&world), session.clone());
        async move { world.submit(&session, "mail.send", NEAR).await }
    });
    while embedder.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.does(&session, "files.read", r#"{"path":"a"}"#, &[]).await;
    world.does(&session, "files.write", r#"{"path":"a"}"#, &[]).await;
    assert!(!slow.is_finished());
    go.send(()).unwrap();
    world.run(proceed(slow.await.unwrap()), &[]).await;
    world.audit().await;
}

const LEVELS: &str = "
version: 1
default: DENY
rules:
  - {id: send, match: {tool: mail.send}, action: ALLOW}
  - {id: beyond, match: {tool: mail.send, context.risk_signals.drift.level: exceeded}, action: STEP_UP, priority: 1, approvers: [security]}
";

#[tokio::test]
async fn r7_thresholds_in_force_are_read_as_a_level_and_recorded_counted_when_noticed() {
    let limits = in_force(5_000, 9_000, Some("sha256:words"));
    let embedder = Arc::new(WordEmbedder::new("sha256:words"));
    let world = with(LEVELS, Measuring { embedder: Some(embedder), limits }).await;
    let session = asked(&world, Some(REQUEST)).await;
    world.does(&session, "mail.send", NEAR, &[]).await;
    suspended(world.submit(&session, "mail.send", FAR).await);
    let levels: Vec<_> = measurements(&world, &session).await.iter().map(|m| m["level"].clone()).collect();
    assert_eq!(levels, [json!("none"), json!("exceeded")]);
    assert_eq!(world.engine.counts().drift(), [0, 1]);
    world.audit().await;
}

#[tokio::test]
async fn r7_lexical_thresholds_in_force_are_recorded_only_where_they_take_notice() {
    let limits = in_force(6_000, 9_000, None);
    let mut world = with(LEVELS, Measuring { embedder: None, limits }).await;
    let session = asked(&world, Some(REQUEST)).await;
    world.does(&session, "mail.send", NEAR, &[]).await;
    assert!(measurements(&world, &session).await.is_empty());
    let far = suspended(world.submit(&session, "mail.send", FAR).await);
    let [subject] = &measurements(&world, &session).await[..] else { panic!("one measurement") };
    assert_eq!((&subject["level"], subject.get("model")), (&json!("exceeded"), None));
    assert_eq!(subject["action"], json!(far.action().as_str()));
    drop(far);
    world.restart().await;
    world.audit().await;
}

#[tokio::test]
async fn r7_thresholds_of_another_model_say_nothing_and_what_reads_the_level_waits() {
    let limits = in_force(10_000, 10_000, Some("sha256:other"));
    let embedder = Arc::new(WordEmbedder::new("sha256:words"));
    let world = with(LEVELS, Measuring { embedder: Some(embedder), limits }).await;
    let session = asked(&world, Some(REQUEST)).await;
    let waiting = suspended(world.submit(&session, "mail.send", NEAR).await);
    assert!(missing(&waiting).contains("context.risk_signals.drift.level"), "{}", missing(&waiting));
}

/// Drift may turn Yes into Unknown, never anything into No.
#[tokio::test]
async fn r7_what_lies_too_far_is_not_taken_as_covered_and_nothing_is_denied_for_that_alone() {
    let rules = "
version: 1
default: ALLOW
rules:
  - {id: outside, match: {tool: mail.send}, action: DENY, classification: context_dependent_allow}
";
    let intent = Intent { allow: vec!["mail".into(), "disk".into()], exclude: Vec::new() };
    for (limits, lifted) in [
        (Limits::starting(ProfileName::Support), true),
        (in_force(1, 1, None), false),
        (in_force(1, 10_000, None), true),
    ] {
        let world = with(rules, Measuring { embedder: None, limits }).await;
        let opening = Opening { intent: Some(intent.clone()), ..asking(Some(REQUEST)) };
        let session = world.engine.open(opening).await.unwrap().id;
        match world.submit(&session, "mail.send", r#"{"text":"the march report"}"#).await {
            Proceeding::Suspended(_) => assert!(lifted),
            other => assert!(!lifted, "{other:?}"),
        }
        // Covered or not, what is allowed stays allowed.
        proceed(world.submit(&session, "disk.format", r#"{"drive":"qqq"}"#).await);
        world.audit().await;
    }
}

//! The five decisions, from submission to outcome.

use countersign_core::decision::{Step, Verdict};
use countersign_core::session::{Outcome, Status};
use countersign_engine::{Mediator as _, On, Report};
use countersign_testkit::builders::arguments;
use serde_json::json;

use crate::world::{World, call, not_waiting, proceed, receipt, refused, report, security, suspended};

#[tokio::test]
async fn r4_allow_runs_unchanged_and_leaves_a_ruling_and_an_outcome() {
    let world = World::new().await;
    let session = world.open().await;
    let text = r#"{ "path" : "/a",  "n": 1.50 }"#;
    let allowed = proceed(world.submit(&session, "files.read", text).await);
    assert_eq!((allowed.verdict, allowed.because.step), (Verdict::Allow, Step::Baseline));
    assert_eq!(&**allowed.action.arguments.text(), text, "exactly the bytes that were judged");
    let id = allowed.action.id.clone();
    assert_eq!(world.story(&id).await, ["ruling ALLOW"]);
    world.run(allowed, &["INTERNAL"]).await;
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome ok"]);
    assert_eq!(world.engine.open_count(), 0);
    assert_eq!(world.engine.counts().verdicts(), [1, 0, 0, 0, 0]);
    world.audit().await;
}

#[tokio::test]
async fn r1_deny_has_no_effect_and_r1_reason_names_rule_reason_and_receipt() {
    let world = World::new().await;
    let session = world.open().await;
    for (tool, step, rules, reason) in [
        ("files.shred", Step::Forbidden, &["never"][..], "never"),
        ("files.unheard_of", Step::Default, &[], "nobody allowed it"),
    ] {
        let refusal = refused(world.submit(&session, tool, "{}").await);
        assert_eq!((refusal.step, &*refusal.reason), (step, reason));
        assert_eq!(refusal.rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(), rules);
        let id = refusal.action.unwrap();
        assert_eq!(world.story(&id).await, ["ruling DENY"]);
        let named = refusal.receipt.unwrap();
        assert!(world.receipts().await.iter().any(|stored| *stored.digest == *named.digest));
        not_waiting(world.engine.settle_by_id(&id, report(&session, &[])).await);
    }
    assert_eq!((world.engine.open_count(), world.ran.lock().unwrap().len()), (0, 0));
    world.audit().await;
}

#[tokio::test]
async fn r4_modify_forwards_the_edited_arguments_and_commits_to_both() {
    let world = World::new().await;
    let session = world.open().await;
    let capped = proceed(world.submit(&session, "db.query", r#"{"q":"all","limit":500}"#).await);
    assert_eq!(capped.verdict, Verdict::Modify);
    assert_eq!(capped.action.arguments.value(), &json!({"q": "all", "limit": 10}));
    let id = capped.action.id.clone();
    world.run(capped, &[]).await;
    assert_eq!(world.story(&id).await, ["ruling MODIFY", "outcome ok"]);
    let stored = world.receipts().await;
    let ruling =
        stored.iter().find(|stored| receipt(stored).action.is_some_and(|a| a.id == *id.as_str())).unwrap();
    let disclosed: serde_json::Value = serde_json::from_str(ruling.disclosures.as_deref().unwrap()).unwrap();
    let texts: Vec<&str> =
        disclosed.as_object().unwrap().values().map(|opened| opened["value"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts.contains(&r#"{"q":"all","limit":500}"#) && texts.iter().any(|text| text.contains(":10")));
    world.audit().await;
}

#[tokio::test]
async fn r4_modify_that_the_tool_cannot_carry_out_is_denied() {
    let world = World::under(
        "
version: 1
default: DENY
rules: [{id: cap, match: {tool: db}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}}]
",
    )
    .await;
    let session = world.open().await;
    let refusal = refused(world.submit(&session, "db.query", r#"{"q":"all"}"#).await);
    assert!(refusal.reason.contains("limit"), "{}", refusal.reason);
    assert_eq!(world.story(&refusal.action.unwrap()).await, ["ruling DENY"]);
}

#[tokio::test]
async fn r4_step_up_asks_with_everything_a_person_needs_and_r4_step_block_nothing_runs() {
    let world = World::new().await;
    let session = world.open().await;
    world.does(&session, "files.read", r#"{"path":"/a"}"#, &["PII"]).await;
    let waiting = suspended(world.submit(&session, "files.delete", r#"{"path":"/a"}"#).await);
    assert_eq!(waiting.on(), &On::Person(security()));
    let id = waiting.action().clone();
    let [asked] = &world.engine.waiting().await[..] else { panic!("one question") };
    assert_eq!((&asked.action.id, &asked.session), (&id, &session));
    assert_eq!(asked.action.arguments.text(), arguments(r#"{"path":"/a"}"#).text());
    assert_eq!((&*asked.identity.human.id, &*asked.identity.agent.id), ("alice", "bot"));
    assert_eq!(asked.request.as_deref(), Some("Tidy up"));
    assert_eq!(asked.prior_actions, [("files.read".to_owned(), 1)]);
    assert!(asked.labels.contains("PII"));
    assert_eq!(asked.approvers, Some(security()));
    assert_eq!(&*asked.ruling.because.reason, "deletions are asked about");
    assert_eq!(asked.deadline, countersign_testkit::builders::second(60));
    not_waiting(world.engine.settle_by_id(&id, report(&session, &[])).await);
    assert_eq!(world.story(&id).await, ["ruling STEP_UP"]);
    world.audit().await;
}

#[tokio::test]
async fn r4_defer_says_what_it_waits_for() {
    let world = World::new().await;
    let session = world.open().await;
    let waiting = suspended(world.submit(&session, "keys.rotate", "{}").await);
    let On::Context(missing) = waiting.on() else { panic!("{:?}", waiting.on()) };
    assert_eq!(missing.gaps().map(ToString::to_string).collect::<Vec<_>>(), ["context.window (not known)"]);
    assert_eq!(world.story(waiting.action()).await, ["ruling DEFER"]);
    world.audit().await;
}

#[tokio::test]
async fn r1_closed_what_was_answered_and_not_recorded_does_not_reach_the_agent() {
    let world = World::new().await;
    let session = world.open().await;
    let allowed = proceed(world.submit(&session, "files.read", "{}").await);
    let id = allowed.action.id.clone();
    let spent = world.spend(allowed).await.unwrap();
    world.faults.only(0, countersign_store::Verdict::FailBefore(crate::world::unavailable()));
    assert!(world.engine.settle(spent, report(&session, &["PII"])).await.is_err());
    assert_eq!(world.story(&id).await, ["ruling ALLOW"]);
    world.engine.settle_by_id(&id, report(&session, &["PII"])).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome ok"]);
    world.audit().await;
}

#[tokio::test]
async fn an_outcome_is_recorded_once_and_a_late_one_only_after_unknown() {
    let world = World::new().await;
    let session = world.open().await;
    let id = world.does(&session, "files.read", "{}", &[]).await;
    not_waiting(world.engine.settle_by_id(&id, report(&session, &[])).await);

    let allowed = proceed(world.submit(&session, "files.read", "{}").await);
    let id = allowed.action.id.clone();
    let _spent = world.spend(allowed).await.unwrap();
    world.passes(89).await;
    assert_eq!(world.story(&id).await, ["ruling ALLOW"]);
    world.passes(1).await;
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome unknown"]);
    let unknown = Report {
        session: session.clone(),
        outcome: Outcome { status: Status::Unknown, ..report(&session, &[]).outcome },
    };
    not_waiting(world.engine.settle_by_id(&id, unknown).await);
    world.engine.settle_by_id(&id, report(&session, &["PII"])).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome unknown", "outcome late"]);
    not_waiting(world.engine.settle_by_id(&id, report(&session, &[])).await);
    let refusal = refused(world.submit(&session, "mail.send", "{}").await);
    assert_eq!(refusal.rules[0].as_str(), "no-pii", "what came late was seen all the same");
    world.audit().await;
}

#[tokio::test]
async fn an_outcome_of_another_session_s_action_is_not_taken() {
    let world = World::new().await;
    let (session, other) = (world.open().await, world.open().await);
    let allowed = proceed(world.submit(&session, "files.read", "{}").await);
    let id = allowed.action.id.clone();
    let spent = world.spend(allowed).await.unwrap();
    not_waiting(world.engine.settle_by_id(&id, report(&other, &[])).await);
    world.engine.settle(spent, report(&session, &[])).await.unwrap();
    world.audit().await;
}

#[tokio::test]
async fn refuse_records_what_no_rule_speaks_of() {
    let world = World::new().await;
    let session = world.open().await;
    let refusal =
        world.engine.refuse(call(&session, "files.read", "{}"), Step::Unresolvable, "no such wrapper").await;
    assert_eq!((refusal.step, &*refusal.reason), (Step::Unresolvable, "no such wrapper"));
    assert_eq!(world.story(&refusal.action.unwrap()).await, ["ruling DENY"]);
    world.audit().await;
}

#[tokio::test]
async fn r2_data_what_a_tool_showed_blocks_what_would_carry_it_away() {
    let world = World::new().await;
    let session = world.open().await;
    world.does(&session, "mail.send", "{}", &[]).await;
    world.does(&session, "files.read", r#"{"path":"/customers"}"#, &["PII"]).await;
    let refusal = refused(world.submit(&session, "mail.send", "{}").await);
    assert_eq!(&*refusal.reason, "personal data stays inside");
    world.audit().await;
}

#[tokio::test]
async fn r2_data_what_is_about_to_reach_the_agent_is_recorded_before_it_does() {
    let world = World::new().await;
    let session = world.open().await;
    let (caller, labels) = (crate::world::caller("alice", "bot"), ["PII".into()].into());
    let observe = || world.engine.observe(&session, &caller, "tools/list files", &labels, "[]".into());
    world.faults.only(0, countersign_store::Verdict::FailBefore(crate::world::unavailable()));
    assert!(observe().await.is_err(), "not recorded: it must not reach the agent");
    world.does(&session, "mail.send", "{}", &[]).await;
    observe().await.unwrap();
    assert_eq!(refused(world.submit(&session, "mail.send", "{}").await).rules[0].as_str(), "no-pii");
    world.engine.add_turn(&session, "desk", "and now the rest".into()).await.unwrap();
    world.audit().await;
}

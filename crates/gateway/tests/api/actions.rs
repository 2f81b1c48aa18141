//! Actions: five decisions, permits given once, outcomes reported once.

use std::time::Duration;

use countersign_core::identity::{Identity, Party};
use countersign_engine::{Caller, Mediator as _, Submission};
use countersign_receipt::v1::{Enforcement, Face};
use serde_json::{Value, json};

use crate::harness::{BROKEN, SLOW, SOUND, World};

fn path(answer: &Value) -> String {
    format!("/v1/actions/{}", answer["action"].as_str().unwrap())
}

async fn outcome(world: &World, answer: &Value, body: Value) -> crate::harness::Answer {
    world.post("agent-1", &format!("{}/outcome", path(answer)), &body).await
}

#[tokio::test]
async fn allow_gives_the_permit_with_the_exact_text_of_the_arguments() {
    let world = World::new().await;
    let body = r#"{"tool":"files.read","arguments":{"b":  1.50, "a":"\u00e9"}}"#;
    let answer = world.post_text("agent-1", "/v1/actions", body).await;
    assert!(answer.text.contains(r#""arguments":{"b":  1.50, "a":"\u00e9"}"#), "{}", answer.text);
    let answer = answer.ok();
    assert_eq!((&answer["decision"], &answer["state"]), (&json!("ALLOW"), &json!("permitted")));
    assert_eq!(answer["permit"]["action"], answer["action"]);
    assert!(answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    let again = world.get("agent-1", &path(&answer)).await.ok();
    assert_eq!((&again["state"], again.get("permit")), (&json!("permitted"), None), "a permit is given once");
    let ruling = &world.receipts(&format!("action={}", answer["action"].as_str().unwrap())).await[0];
    assert_eq!((&ruling["face"], &ruling["enforcement"]), (&json!("api"), &json!("reported")));
    assert_eq!(ruling["id"], answer["receipt"]["id"]);
}

#[tokio::test]
async fn deny_explains_itself_and_modify_hands_out_the_changed_arguments() {
    let world = World::new().await;
    let denied = world.submit("db.drop", &json!({ "table": "customers" })).await;
    assert_eq!((&denied["decision"], &denied["rules"]), (&json!("DENY"), &json!(["no-drop"])));
    assert_eq!(denied["reason"], "Tables are kept");
    assert!(
        denied["hint"].is_string() && denied.get("permit").is_none() && denied["receipt"]["id"].is_string()
    );
    assert_eq!(world.get("agent-1", &path(&denied)).await.ok()["state"], "refused");
    let modified = world.submit("db.query", &json!({ "limit": 5000 })).await;
    assert_eq!((&modified["decision"], &modified["arguments"]), (&json!("MODIFY"), &json!({ "limit": 100 })));
    assert!(modified["permit"].is_object());
}

#[tokio::test]
async fn an_upstream_out_of_scope_is_refused_on_record() {
    let world = World::new().await;
    let body = json!({ "tool": "mail.send" });
    let answer = world.post("agent-scoped", "/v1/actions", &body).await.ok();
    assert_eq!(answer["decision"], "DENY");
    assert!(answer["receipt"]["id"].is_string());
}

/// `R4.defer.block`, `R4.defer.resolve`: waiting authorises; the live request that waits gets the permit.
#[tokio::test]
async fn a_deferred_action_waits_for_its_fact_and_is_then_permitted_once() {
    let world = World::new().await;
    let deferred = world.submit("creds.rotate", &json!({})).await;
    assert_eq!((&deferred["decision"], &deferred["state"]), (&json!("DEFER"), &json!("waiting_for_context")));
    let missing = json!([{ "kind": "fact", "name": "context.maintenance_window", "why": "absent" }]);
    assert_eq!(deferred["missing"], missing);
    assert!(deferred["deadline"].is_string() && deferred.get("permit").is_none());
    assert_eq!(world.get("agent-1", &path(&deferred)).await.ok()["missing"], missing);

    let waiting = format!("{}?wait=30", path(&deferred));
    let facts = json!({ "facts": { "maintenance_window": true } });
    let context = format!("/v1/sessions/{}/context", deferred["session"].as_str().unwrap());
    let (claimed, _) = tokio::join!(world.get("agent-1", &waiting), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.post("operator", &context, &facts).await.ok()
    });
    let claimed = claimed.ok();
    assert_eq!((&claimed["decision"], &claimed["action"]), (&json!("ALLOW"), &deferred["action"]));
    assert!(claimed["permit"].is_object());
    assert!(world.get("agent-1", &path(&deferred)).await.ok().get("permit").is_none());
}

/// `R4.step.block`: only one of those who wait for an action gets its permit.
#[tokio::test]
async fn two_calls_that_wait_for_one_action_get_one_permit() {
    let world = World::new().await;
    let asked = world.submit("files.delete", &json!({ "path": "a" })).await;
    assert_eq!((&asked["decision"], &asked["approvers"]), (&json!("STEP_UP"), &json!([["security-team"]])));
    let waiting = format!("{}?wait=20", path(&asked));
    let yes = json!({ "decision": "approve", "reason": "fine" });
    let approval = format!("/v1/approvals/{}", asked["action"].as_str().unwrap());
    let (one, two, _) = tokio::join!(world.get("agent-1", &waiting), world.get("agent-1", &waiting), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.post("approver", &approval, &yes).await.ok()
    });
    let permits = [one.ok(), two.ok()].iter().filter(|answer| answer["permit"].is_object()).count();
    assert_eq!(permits, 1);
}

#[tokio::test]
async fn a_wait_that_ends_without_an_answer_says_how_things_stand() {
    let world = World::new().await;
    let asked = world.submit("files.delete", &json!({ "path": "a" })).await;
    let standing = world.get("agent-1", &format!("{}?wait=1", path(&asked))).await.ok();
    assert_eq!(standing["state"], "waiting_for_person");
    world.pass(901);
    world.state.engine.tick().await;
    let over = world.get("agent-1", &path(&asked)).await.ok();
    assert_eq!((&over["decision"], &over["state"]), (&json!("DENY"), &json!("expired")));
    // A retry is a new action.
    let retry = world.submit("files.delete", &json!({ "path": "a" })).await;
    assert_ne!(retry["action"], asked["action"]);
    let again = world.submit("files.delete", &json!({ "path": "a" })).await;
    assert_eq!(again["action"], retry["action"], "a retry attaches to what waits");
}

#[tokio::test]
async fn an_action_is_shown_only_to_its_own_principal() {
    let world = World::new().await;
    let answer = world.submit("files.read", &json!({})).await;
    world.get("agent-2", &path(&answer)).await.refused(404);
    let body = json!({ "status": "ok" });
    world.post("agent-2", &format!("{}/outcome", path(&answer)), &body).await.refused(404);
    world.get("agent-1", "/v1/actions/act_none").await.refused(404);
}

#[tokio::test]
async fn an_outcome_is_taken_once_with_its_upstreams_labels() {
    let world = World::new().await;
    let read = world.submit("vault.read", &json!({})).await;
    let receipt =
        outcome(&world, &read, json!({ "status": "ok", "output": { "a": 1 } })).await.ok()["receipt"].clone();
    let query = format!("action={}", read["action"].as_str().unwrap());
    let stored = world.receipts(&query).await.pop().unwrap();
    assert_eq!(stored["id"], receipt["id"]);
    assert_eq!(stored["outcome"], json!({ "labels": ["SECRET"], "late": false, "status": "ok" }));
    let disclosed = world.get("auditor", &format!("/v1/receipts?{query}")).await.ok();
    assert_eq!(disclosed["receipts"][1]["disclosures"]["/outcome/output"]["value"], r#"{"a":1}"#);
    assert_eq!(outcome(&world, &read, json!({ "status": "ok" })).await.refused(409)["code"], "conflict");
    assert_eq!(world.get("agent-1", &path(&read)).await.ok()["state"], "settled");
    assert_eq!(world.submit("mail.send", &json!({})).await["decision"], "DENY", "its labels count");

    let undeclared = world.submit("own.function", &json!({})).await;
    outcome(&world, &undeclared, json!({ "status": "error", "error": "boom", "output": "text" })).await.ok();
    let stored =
        world.receipts(&format!("action={}", undeclared["action"].as_str().unwrap())).await.pop().unwrap();
    assert_eq!(stored["outcome"]["labels"], json!(["RESTRICTED"]));
    let unsent = world.submit("own.function", &json!({})).await;
    outcome(&world, &unsent, json!({ "status": "nothing_sent", "output": "x" })).await.refused(422);
    outcome(&world, &unsent, json!({ "status": "nothing_sent" })).await.ok();
}

#[tokio::test]
async fn of_two_reports_at_once_one_is_taken() {
    let world = World::new().await;
    let read = world.submit("files.read", &json!({})).await;
    let body = || json!({ "status": "ok", "output": "x" });
    let (one, two) = tokio::join!(outcome(&world, &read, body()), outcome(&world, &read, body()));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn an_outcome_that_was_unknown_may_still_be_reported_late() {
    let world = World::new().await;
    let read = world.submit("files.read", &json!({})).await;
    world.pass(91);
    world.state.engine.tick().await;
    assert_eq!(world.get("agent-1", &path(&read)).await.ok()["state"], "unknown");
    outcome(&world, &read, json!({ "status": "ok" })).await.ok();
    let stored = world.receipts(&format!("action={}", read["action"].as_str().unwrap())).await.pop().unwrap();
    assert_eq!(stored["outcome"]["late"], true);
    outcome(&world, &read, json!({ "status": "ok" })).await.refused(409);
}

#[tokio::test]
async fn what_has_no_permit_has_no_outcome() {
    let world = World::new().await;
    let waiting = world.submit("files.delete", &json!({ "path": "a" })).await;
    outcome(&world, &waiting, json!({ "status": "ok" })).await.refused(409);
    let denied = world.submit("db.drop", &json!({})).await;
    outcome(&world, &denied, json!({ "status": "ok" })).await.refused(409);
}

/// Receipts say through which way in an action runs; a permit given through another would make them lie.
#[tokio::test]
async fn an_action_that_came_in_another_way_is_neither_claimed_nor_settled_here() {
    let world = World::new().await;
    let party = |id: &str| Party { id: id.into(), roles: vec!["analyst".into()], scope: Vec::new() };
    let identity = Identity {
        human: party("alice"),
        service: party("desk"),
        agent: party("desk-1"),
        delegation: Vec::new(),
        source: "token".into(),
        validated_at: world.state.engine.now(),
    };
    let caller = Caller { identity: identity.into(), face: Face::Mcp, enforcement: Enforcement::Enforced };
    let engine = &world.state.engine;
    let submission = |tool: &str| Submission {
        session: countersign_core::names::SessionId::from(""),
        caller: caller.clone(),
        tool: countersign_core::names::ToolName::new("files", tool),
        original: None,
        arguments: countersign_core::action::Arguments::parse(r#"{"path":"a"}"#).unwrap(),
        contract: world.state.settings.contract(&countersign_core::names::ToolName::new("files", tool)),
        depends_on: Vec::new(),
    };
    let session = engine.window(&caller).await.unwrap();
    let held = engine.submit(Submission { session: session.clone(), ..submission("delete") }).await;
    let countersign_engine::Proceeding::Suspended(held) = held else { panic!("{held:?}") };
    let id = held.action().to_string();
    drop(held);
    world.post("approver", &format!("/v1/approvals/{id}"), &json!({ "decision": "approve" })).await.ok();
    let shown = world.get("agent-1", &format!("/v1/actions/{id}?wait=1")).await.ok();
    assert_eq!((&shown["state"], shown.get("permit")), (&json!("authorised"), None));
    let same = world.submit("files.delete", &json!({ "path": "a" })).await;
    assert_ne!(same["action"], id.as_str());

    let run = engine.submit(Submission { session, ..submission("read") }).await;
    let countersign_engine::Proceeding::Proceed(run) = run else { panic!("{run:?}") };
    let id = run.permit.action().to_string();
    world
        .post("agent-1", &format!("/v1/actions/{id}/outcome"), &json!({ "status": "ok" }))
        .await
        .refused(409);
}

/// What has begun is carried to its end: an action is never left between its ruling and its permit.
#[tokio::test]
async fn a_caller_that_hangs_up_leaves_no_action_half_recorded() {
    let world = World::new().await;
    let hang_up = Duration::from_millis(20);
    let asked = world.submit("files.delete", &json!({ "path": "a" })).await;
    let session = format!("/v1/sessions/{}", asked["session"].as_str().unwrap());
    let approval = format!("/v1/approvals/{}", asked["action"].as_str().unwrap());
    world.post("approver", &approval, &json!({ "decision": "approve" })).await.ok();
    world.disk(SLOW);
    let body = json!({ "tool": "files.read" });
    assert!(tokio::time::timeout(hang_up, world.post("agent-1", "/v1/actions", &body)).await.is_err());
    let claim = format!("{}?wait=5", path(&asked));
    assert!(tokio::time::timeout(hang_up, world.get("agent-1", &claim)).await.is_err());
    tokio::time::sleep(Duration::from_millis(150)).await;
    world.disk(SOUND);
    let view = world.get("operator", &session).await.ok();
    let states: Vec<&str> =
        view["open"].as_array().unwrap().iter().map(|open| open["state"].as_str().unwrap()).collect();
    // A permit that nobody took is settled as "nothing sent", and is open no more.
    assert!(states.len() <= 2 && states.iter().all(|state| *state == "permitted"), "{states:?}");
}

/// `R1.closed`: without a ledger nothing is permitted, and the refusal says that it is not on record.
#[tokio::test]
async fn while_the_ledger_is_down_everything_is_refused_with_receipt_null() {
    let world = World::new().await;
    world.submit("files.read", &json!({})).await;
    let waiting = world.submit("files.delete", &json!({ "path": "a" })).await;
    world.disk(BROKEN);
    let body = json!({ "tool": "files.read" });
    for (token, path, body) in [
        ("agent-1", "/v1/actions".to_owned(), body),
        ("host", "/v1/sessions".to_owned(), json!({ "human": "alice", "agent": "desk-1" })),
        ("operator", "/v1/halt".to_owned(), json!({ "scope": "all", "reason": "r" })),
        (
            "approver",
            format!("/v1/approvals/{}", waiting["action"].as_str().unwrap()),
            json!({ "decision": "approve" }),
        ),
    ] {
        let answer = world.post(token, &path, &body).await;
        let error = answer.refused(503);
        assert!(
            error.as_object().unwrap().contains_key("receipt") && error["receipt"].is_null(),
            "{path}: {error}"
        );
    }
    world.disk(SOUND);
    assert_eq!(world.submit("files.read", &json!({})).await["decision"], "ALLOW");
    assert_eq!(world.get("agent-1", &path(&waiting)).await.ok()["state"], "waiting_for_person");
}

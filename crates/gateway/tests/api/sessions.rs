//! Sessions, facts, marks, halts, health, and what auditors read.

use axum::body::Body;
use countersign_gateway::api::{Summary, session_by_token};
use countersign_receipt::verify;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{BROKEN, SOUND, World, request};

async fn open(world: &World, body: Value) -> Value {
    world.post("host", "/v1/sessions", &body).await.ok()
}

fn alice() -> Value {
    json!({
        "human": "alice", "agent": "desk-1", "original_request": "Tidy my files", "labels": ["INTERNAL"],
        "intent": { "allow": ["files"], "exclude": ["mail"] },
    })
}

#[tokio::test]
async fn a_session_is_found_by_its_token_of_which_only_a_digest_is_kept() {
    let world = World::new().await;
    let opened = open(&world, alice()).await;
    let token = opened["token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    let found = session_by_token(&world.state.engine, token).await.unwrap().unwrap();
    assert_eq!(found.as_str(), opened["id"]);
    assert_eq!(session_by_token(&world.state.engine, "other").await.unwrap(), None);
    let all = world.get("auditor", "/v1/receipts").await.text;
    assert!(!all.contains(token));

    let submit = |token: String, body: Value| {
        let request = request(Method::POST, "agent-1", "/v1/actions")
            .header("content-type", "application/json")
            .header("countersign-session", token);
        world.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let by_token = submit(token.to_owned(), json!({ "tool": "files.read" })).await.ok();
    assert_eq!(by_token["session"], opened["id"]);
    let other = open(&world, alice()).await;
    let both = json!({ "tool": "files.read", "session": other["id"] });
    submit(token.to_owned(), both).await.refused(422);
    submit("other".to_owned(), json!({ "tool": "files.read" })).await.refused(404);
}

#[tokio::test]
async fn a_session_belongs_to_its_human_and_agent() {
    let world = World::new().await;
    let opened = open(&world, alice()).await;
    let body = json!({ "tool": "files.read", "session": opened["id"] });
    assert_eq!(world.post("agent-1", "/v1/actions", &body).await.ok()["decision"], "ALLOW");
    world.post("agent-2", "/v1/actions", &body).await.refused(404);
    let none = json!({ "tool": "files.read", "session": "ses_none" });
    world.post("agent-1", "/v1/actions", &none).await.refused(404);
}

#[tokio::test]
async fn calls_without_a_session_share_one_until_it_is_idle_also_after_a_restart() {
    let mut world = World::new().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let first = world.submit("files.read", &json!({})).await["session"].clone();
        assert!(!seen.contains(&first));
        world = world.restarted().await;
        assert_eq!(world.submit("files.read", &json!({})).await["session"], first);
        seen.push(first);
        // The permits run out first; then nothing happens any more.
        world.pass(91);
        world.state.engine.tick().await;
        world.pass(1801);
    }
}

#[tokio::test]
async fn a_host_sees_and_tells_only_sessions_of_its_own_service() {
    let world = World::new().await;
    let id = open(&world, alice()).await["id"].as_str().unwrap().to_owned();
    let turn = json!({ "text": "and the photos" });
    let receipt =
        world.post("host", &format!("/v1/sessions/{id}/turns"), &turn).await.ok()["receipt"].clone();
    let stored = world.receipts(&format!("session={id}")).await;
    assert_eq!(stored[1]["id"], receipt["id"]);
    assert_eq!(stored[1]["kind"], "turn");
    assert!(!stored[1].to_string().contains("photos"));
    world.post("host-2", &format!("/v1/sessions/{id}/turns"), &turn).await.refused(404);
    world.get("host-2", &format!("/v1/sessions/{id}")).await.refused(404);
    assert_eq!(world.get("host-2", "/v1/sessions").await.ok()["sessions"], json!([]));
    for token in ["host", "operator", "auditor"] {
        assert_eq!(world.get(token, "/v1/sessions").await.ok()["sessions"][0]["id"], id.as_str());
        world.get(token, &format!("/v1/sessions/{id}")).await.ok();
        world.get(token, "/v1/sessions/none").await.refused(404);
    }
}

#[tokio::test]
async fn a_sessions_context_shows_labels_facts_counts_and_what_is_open_but_no_argument() {
    let world = World::new().await;
    let id = open(&world, alice()).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "tool": "files.delete", "session": id, "arguments": { "path": "private.txt" } });
    let waiting = world.post("agent-1", "/v1/actions", &body).await.ok();
    let facts = json!({ "facts": { "maintenance_window": true }, "valid_for": 60 });
    world.post("operator", &format!("/v1/sessions/{id}/context"), &facts).await.ok();
    let answer = world.get("operator", &format!("/v1/sessions/{id}")).await;
    assert!(!answer.text.contains("private.txt") && !answer.text.contains("Tidy"));
    let view = answer.ok();
    assert_eq!(view["labels"], json!(["INTERNAL"]));
    assert_eq!(view["intent"], json!({ "allow": ["files"], "exclude": ["mail"] }));
    assert_eq!((&view["request_known"], &view["inherits"]), (&json!(true), &json!(false)));
    let fact = &view["facts"]["maintenance_window"];
    let said = &fact["said"][0];
    assert_eq!(
        (&said["value"], &said["giver"], &said["source"]),
        (&json!(true), &json!("ops"), &json!(null))
    );
    assert_eq!(fact["state"], "holds");
    assert!(said["valid_until"].as_str() > said["at"].as_str());
    assert_eq!(view["open"][0]["id"], waiting["action"]);
    assert_eq!(view["open"][0]["state"], "waiting_for_person");
    assert_eq!((&view["submitted"], &view["actions"]), (&json!(1), &json!({})));
}

/// Cross-agent: `R2.data`, `R6`.
#[tokio::test]
async fn a_host_links_a_session_with_the_one_that_delegated_it_and_only_with_its_own() {
    let world = World::new().await;
    let parent = open(&world, alice()).await["id"].as_str().unwrap().to_owned();
    let by = |session: &str, scope: &[&str]| json!({ "session": session, "scope": scope });
    let task = |by: &serde_json::Value| json!({ "human": "bob", "agent": "other-agent", "delegated_by": by });
    world.post("host", "/v1/sessions", &task(&by("ses_none", &[]))).await.refused(404);
    world.post("host", "/v1/sessions", &task(&by("", &[]))).await.refused(422);
    world.post("host-2", "/v1/sessions", &task(&by(&parent, &[]))).await.refused(404);
    world.post("host", "/v1/sessions", &task(&json!({ "session": parent, "depth": 1 }))).await.refused(422);
    let mut from = parent.clone();
    for _ in 0..8 {
        let child = open(&world, task(&by(&from, &["files"]))).await["id"].as_str().unwrap().to_owned();
        let view = world.get("host", &format!("/v1/sessions/{child}")).await.ok();
        assert_eq!(view["delegated_by"], from.as_str());
        from = child;
    }
    assert_eq!(world.get("host", &format!("/v1/sessions/{parent}")).await.ok()["delegated_by"], json!(null));
    let receipts = world.receipts(&format!("session={from}")).await;
    assert_eq!(receipts[0]["session"]["root"], parent.as_str());
    let grants: Vec<_> = receipts[0]["identity"]["delegation"].as_array().unwrap().iter().collect();
    assert_eq!(
        (grants.len(), &grants[0]["id"], &grants[8]["scope"]),
        (9, &json!("alice"), &json!(["files"]))
    );
}

#[tokio::test]
async fn sources_of_a_fact_that_disagree_are_shown_each_and_the_fact_counts_as_missing() {
    let world = World::new().await;
    let id = open(&world, alice()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{id}/context");
    for (source, open) in [("rota", true), ("board", false)] {
        let facts = json!({ "facts": { "maintenance_window": open }, "source": source });
        world.post("operator", &path, &facts).await.ok();
    }
    let view = world.get("operator", &format!("/v1/sessions/{id}")).await.ok();
    let fact = &view["facts"]["maintenance_window"];
    assert_eq!(fact["state"], "conflicting");
    let said: Vec<_> =
        fact["said"].as_array().unwrap().iter().map(|one| (&one["source"], &one["value"])).collect();
    assert_eq!(said, [(&json!("rota"), &json!(true)), (&json!("board"), &json!(false))]);
    let empty = json!({ "facts": { "x": 1 }, "source": "" });
    world.post("operator", &path, &empty).await.refused(422);
}

#[tokio::test]
async fn facts_that_are_computed_cannot_be_given() {
    let world = World::new().await;
    let id = open(&world, alice()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{id}/context");
    for name in ["data_classification", "prior_actions", "human.actions.x", "action_cuont", "a..b", ""] {
        world.post("operator", &path, &json!({ "facts": { name: 1 } })).await.refused(422);
    }
    for body in [json!({ "facts": {} }), json!({ "facts": { "x": 1 }, "valid_for": 0 })] {
        world.post("operator", &path, &body).await.refused(422);
    }
    world.post("operator", "/v1/sessions/none/context", &json!({ "facts": { "x": 1 } })).await.refused(404);
}

#[tokio::test]
async fn a_mark_is_lowered_with_a_receipt_and_only_where_there_is_one() {
    let world = World::new().await;
    let mark = json!({ "human": "alice", "reason": "new case" });
    world.post("host", "/v1/marks", &mark).await.refused(404);
    let read = world.submit("vault.read", &json!({})).await;
    let outcome = json!({ "status": "ok", "output": "the password" });
    world
        .post("agent-1", &format!("/v1/actions/{}/outcome", read["action"].as_str().unwrap()), &outcome)
        .await
        .ok();
    world.pass(3600);
    // Another session, which inherits what alice and her agent have seen.
    assert_eq!(world.submit("mail.send", &json!({})).await["decision"], "DENY");
    let receipt = world.post("host", "/v1/marks", &mark).await.ok()["receipt"].clone();
    assert_eq!(world.submit("mail.send", &json!({ "n": 2 })).await["decision"], "DENY", "the agent's stands");
    world.post("operator", "/v1/marks", &json!({ "agent": "desk-1", "reason": "new case" })).await.ok();
    assert_eq!(world.submit("mail.send", &json!({ "n": 3 })).await["decision"], "ALLOW");
    let stored = world.receipts("").await.into_iter().find(|stored| stored["id"] == receipt["id"]).unwrap();
    assert_eq!((&stored["kind"], &stored["chain"]), (&json!("mark"), &json!("system")));
    assert_eq!(
        stored["subject"],
        json!({ "by": "desk", "id": "alice", "reason": "new case", "scope": "human" })
    );
    assert!(stored["heads"]["human:alice"].is_string());
}

#[tokio::test]
async fn a_halt_refuses_what_waits_and_what_comes_until_it_is_resumed() {
    let world = World::new().await;
    let waiting = world.submit("files.delete", &json!({ "path": "a" })).await;
    let halt = json!({ "scope": "agent", "id": "desk-1", "reason": "odd behaviour" });
    world.post("operator", "/v1/halt", &halt).await.ok();
    let path = format!("/v1/actions/{}", waiting["action"].as_str().unwrap());
    assert_eq!(world.get("agent-1", &path).await.ok()["state"], "refused");
    assert_eq!(world.submit("files.read", &json!({})).await["decision"], "DENY");
    let resume = json!({ "scope": "agent", "id": "desk-1", "reason": "looked at", "resume": true });
    world.post("operator", "/v1/halt", &resume).await.ok();
    assert_eq!(world.submit("files.read", &json!({})).await["decision"], "ALLOW");
}

#[tokio::test]
async fn receipts_come_in_pages_verify_and_can_be_withheld() {
    let world = World::new().await;
    for n in 0..3 {
        world.submit("files.read", &json!({ "path": format!("secret-{n}") })).await;
    }
    let keys = world.state.settings.keys.clone();
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = world.get("auditor", &format!("/v1/receipts?limit=2{after}")).await;
        for raw in serde_json::from_str::<Page>(&page.text).unwrap().receipts {
            verify::receipt(raw.get().as_bytes(), &keys).unwrap();
            seen.push(raw.get().to_owned());
        }
        match page.ok()["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5, "policy, session, three rulings");
    assert!(seen.concat().contains("secret-2"));
    let withheld = world.get("auditor", "/v1/receipts?withhold=true").await.text;
    assert!(!withheld.contains("secret-") && !withheld.contains("disclosures"));
}

#[derive(serde::Deserialize)]
struct Page {
    receipts: Vec<Box<serde_json::value::RawValue>>,
}

#[tokio::test]
async fn readiness_says_what_is_wrong_and_anybody_may_read_keys_and_counts() {
    let world = World::new().await;
    assert_eq!(world.get("", "/healthz").await.ok(), json!({ "status": "ok" }));
    assert_eq!(world.get("", "/readyz").await.ok(), json!({ "ready": true, "problems": [] }));
    world.state.health.trouble("policies", "the folder cannot be read");
    let answer = world.get("", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["problems"][0]["name"], "policies");
    world.state.health.well("policies");
    world.disk(BROKEN);
    assert_eq!(world.get("", "/readyz").await.json()["problems"][0]["name"], "ledger");
    world.disk(SOUND);
    world.submit("files.read", &json!({})).await;
    world.get("", "/v1/receipts").await.refused(401);
    let metrics = world.get("", "/metrics").await.text;
    for line in [
        r#"countersign_rulings_total{decision="ALLOW"} 1"#,
        r#"countersign_turned_away_total{why="unauthenticated"} 1"#,
        "countersign_open_actions 1",
    ] {
        assert!(metrics.lines().any(|there| there == line), "{line}\n{metrics}");
    }
    let jwks = world.get("", "/.well-known/jwks.json").await;
    assert_eq!(jwks.headers["content-type"], "application/jwk-set+json");
    assert_eq!(jwks.ok()["keys"][0]["crv"], "Ed25519");
}

#[tokio::test]
async fn refusals_at_the_door_are_summed_up_on_record_when_there_were_any() {
    let world = World::new().await;
    let mut summary = Summary::new(&world.state);
    assert!(!summary.record(&world.state).await.unwrap());
    for _ in 0..3 {
        world.get("", "/v1/receipts").await.refused(401);
    }
    world.disk(BROKEN);
    assert!(summary.record(&world.state).await.is_err());
    world.disk(SOUND);
    assert!(summary.record(&world.state).await.unwrap());
    assert!(!summary.record(&world.state).await.unwrap());
    let stored = world.receipts("").await.pop().unwrap();
    assert_eq!((&stored["kind"], &stored["subject"]["unauthenticated"]), (&json!("refusals"), &json!(3)));
}

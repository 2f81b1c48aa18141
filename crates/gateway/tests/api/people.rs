//! Questions to people and waits for context.

use serde_json::json;

use crate::harness::World;

/// `R4.step.context`: everything that a person needs is in the question.
#[tokio::test]
async fn a_question_carries_its_full_context() {
    let world = World::new().await;
    let opened = json!({ "human": "alice", "agent": "desk-1", "original_request": "Tidy my files", "labels": ["INTERNAL"] });
    let session = world.post("host", "/v1/sessions", &opened).await.ok()["id"].clone();
    let submit = |tool: &str, arguments: serde_json::Value| {
        let body = json!({ "session": session, "tool": tool, "arguments": arguments });
        let world = &world;
        async move { world.post("agent-1", "/v1/actions", &body).await.ok() }
    };
    submit("files.read", json!({})).await;
    let asked = submit("files.delete", json!({ "path": "old.txt" })).await;
    let list = world.get("approver", "/v1/approvals").await.ok();
    let question = &list["approvals"][0];
    assert_eq!(list["approvals"].as_array().unwrap().len(), 1);
    assert_eq!((&question["id"], &question["session"]), (&asked["action"], &session));
    assert_eq!(question["original_request"], "Tidy my files");
    assert_eq!(question["action"]["tool"], "files.delete");
    assert_eq!(question["action"]["arguments"], json!({ "path": "old.txt" }));
    assert_eq!(question["action"]["effect"], "destructive");
    assert_eq!(question["prior_actions"], json!({ "files.read": 1 }));
    assert_eq!(question["classifications"], json!(["INTERNAL"]));
    assert_eq!(question["identity"]["human"]["id"], "alice");
    assert_eq!(question["identity"]["service"]["id"], "desk");
    assert_eq!(question["identity"]["agent"]["roles"], json!(["analyst"]));
    assert_eq!((&question["rules"], &question["source"]), (&json!(["ask"]), &json!("host")));
    assert_eq!(
        (&question["reason"], &question["policy"]["id"]),
        (&json!("Somebody looks first"), &json!("test"))
    );
    assert!(question["deadline"].is_string());
}

/// `R4.step.route`: only those who are asked see the question and may answer it.
#[tokio::test]
async fn a_question_is_put_to_its_approvers_only() {
    let world = World::new().await;
    let asked = world.submit("files.delete", &json!({ "path": "a" })).await;
    let path = format!("/v1/approvals/{}", asked["action"].as_str().unwrap());
    assert_eq!(world.get("approver-2", "/v1/approvals").await.ok()["approvals"], json!([]));
    assert_eq!(world.get("operator", "/v1/approvals").await.ok()["approvals"][0]["id"], asked["action"]);
    let yes = json!({ "decision": "approve" });
    world.post("approver-2", &path, &yes).await.refused(403);
    world.post("approver", "/v1/approvals/act_none", &yes).await.refused(404);
    world.post("approver", &path, &json!({ "decision": "maybe" })).await.refused(422);
    let receipt = world.post("approver", &path, &yes).await.ok()["receipt"].clone();
    let stored =
        world.receipts(&format!("action={}", asked["action"].as_str().unwrap())).await.pop().unwrap();
    assert_eq!((&stored["id"], &stored["approval"]["by"]), (&receipt["id"], &json!("bob")));
    world.post("approver", &path, &yes).await.refused(409);
    assert_eq!(world.get("approver", "/v1/approvals").await.ok()["approvals"], json!([]));
}

#[tokio::test]
async fn a_refused_question_ends_the_action_and_says_who_refused() {
    let world = World::new().await;
    let asked = world.submit("files.delete", &json!({ "path": "a" })).await;
    let id = asked["action"].as_str().unwrap();
    let no = json!({ "decision": "deny", "reason": "not today" });
    world.post("approver", &format!("/v1/approvals/{id}"), &no).await.ok();
    let answer = world.get("agent-1", &format!("/v1/actions/{id}")).await.ok();
    assert_eq!((&answer["decision"], &answer["state"]), (&json!("DENY"), &json!("refused")));
    assert_eq!(answer["reason"], "bob refused it");
    assert!(!world.receipts("").await.iter().any(|receipt| receipt.to_string().contains("not today")));
}

#[tokio::test]
async fn deferrals_name_what_is_missing_and_show_arguments_to_operators_only() {
    let world = World::new().await;
    let deferred = world.submit("creds.rotate", &json!({ "key": "k1" })).await;
    for (token, arguments) in [("operator", Some(json!({ "key": "k1" }))), ("approver", None)] {
        let list = world.get(token, "/v1/deferrals").await.ok();
        let line = &list["deferrals"][0];
        assert_eq!((&line["id"], &line["session"]), (&deferred["action"], &deferred["session"]));
        assert_eq!(line["missing"], deferred["missing"]);
        assert_eq!(line["action"]["tool"], "creds.rotate");
        assert_eq!(line["action"].get("arguments"), arguments.as_ref());
    }
    assert_eq!(world.get("approver", "/v1/approvals").await.ok()["approvals"], json!([]));
}

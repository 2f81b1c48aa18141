//! Bodies have one reading, and errors name the place.

use axum::body::Body;
use http::{Method, header};
use serde_json::json;

use crate::harness::{World, request};

#[tokio::test]
async fn bodies_that_two_readers_could_read_in_two_ways_are_refused() {
    let world = World::new().await;
    for body in [
        r#"{"scope":"all","scope":"human","id":"x","reason":"r"}"#,
        r#"{"scope":"all","reason":"r","\u0072eason":"s"}"#,
        r#"{"scope":"all","reason":"r"} {}"#,
        r#"{"scope":"all","reason":"\ud800"}"#,
        "{",
        "",
    ] {
        let error = world.post_text("operator", "/v1/halt", body).await.refused(400);
        assert_eq!(error["code"], "malformed", "{body}");
    }
    let deep = r#"{"tool":"a.b","arguments":{"x":{"k":1,"k":2}}}"#;
    world.post_text("agent-1", "/v1/actions", deep).await.refused(400);
    assert!(world.receipts("").await.iter().all(|receipt| receipt["kind"] == "policy"), "nothing was done");
}

#[tokio::test]
async fn unknown_members_are_refused_with_their_place() {
    let world = World::new().await;
    let body = json!({ "human": "alice", "agent": "desk-1", "intent": { "alow": [] } });
    let error = world.post("host", "/v1/sessions", &body).await.refused(422);
    assert!(error["message"].as_str().unwrap().contains("intent.alow"), "{error}");
    let body = json!({ "scope": "all", "reason": "r", "resume": "yes" });
    let error = world.post("operator", "/v1/halt", &body).await.refused(422);
    assert!(error["message"].as_str().unwrap().contains("`resume`"), "{error}");
    world.get("auditor", "/v1/receipts?sesion=x").await.refused(400);
    world.get("auditor", "/v1/receipts?limit=1&limit=2").await.refused(400);
    for limit in [0, 1001] {
        world.get("auditor", &format!("/v1/receipts?limit={limit}")).await.refused(422);
    }
    world.get("agent-1", "/v1/actions/x?wait=61").await.refused(422);
}

#[tokio::test]
async fn only_json_of_bounded_size_is_read() {
    let world = World::new().await;
    let typed = |media: &'static str| {
        request(Method::POST, "operator", "/v1/halt").header(header::CONTENT_TYPE, media)
    };
    let body = json!({ "scope": "all", "reason": "drill" }).to_string();
    for media in ["text/plain", "application/json; charset=latin-1", "application/jsonp", ""] {
        world.send(typed(media).body(Body::from(body.clone())).unwrap()).await.refused(415);
    }
    let none = request(Method::POST, "operator", "/v1/halt").body(Body::from(body.clone())).unwrap();
    world.send(none).await.refused(415);
    world.send(typed("Application/JSON; charset=UTF-8").body(Body::from(body)).unwrap()).await.ok();
    let large = json!({ "tool": "a.b", "arguments": { "x": "y".repeat(64 * 1024) } });
    world.post("agent-1", "/v1/actions", &large).await.refused(413);
    let bytes =
        request(Method::POST, "operator", "/v1/halt").header(header::CONTENT_TYPE, "application/json");
    world.send(bytes.body(Body::from(vec![b'"', 0xff, b'"'])).unwrap()).await.refused(400);
}

#[tokio::test]
async fn what_cannot_stand_in_a_receipt_is_refused_before_it_is_tried() {
    let world = World::new().await;
    let long = "x".repeat(5000);
    for (token, path, body) in [
        ("host", "/v1/sessions", json!({ "human": "", "agent": "desk-1" })),
        ("host", "/v1/sessions", json!({ "human": long, "agent": "desk-1" })),
        ("host", "/v1/sessions", json!({ "human": "a", "agent": "b", "labels": [long] })),
        (
            "host",
            "/v1/sessions",
            json!({ "human": "a", "agent": "b", "intent": { "allow": vec!["x".repeat(200); 100] } }),
        ),
        ("operator", "/v1/halt", json!({ "scope": "all", "reason": long })),
        ("operator", "/v1/halt", json!({ "scope": "all", "reason": "" })),
        ("operator", "/v1/halt", json!({ "scope": "all", "id": "x", "reason": "r" })),
        ("operator", "/v1/halt", json!({ "scope": "human", "reason": "r" })),
        ("host", "/v1/marks", json!({ "reason": "r" })),
        ("host", "/v1/marks", json!({ "human": "a", "agent": "b", "reason": "r" })),
        ("agent-1", "/v1/actions", json!({ "tool": "nodot" })),
        ("agent-1", "/v1/actions", json!({ "tool": ".x" })),
        ("agent-1", "/v1/actions", json!({ "tool": "a.b", "arguments": [] })),
        ("agent-1", "/v1/actions", json!({ "tool": "a.b", "depends_on": vec!["x"; 65] })),
    ] {
        world.post(token, path, &body).await.refused(422);
    }
}

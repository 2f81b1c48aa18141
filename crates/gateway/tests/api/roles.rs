//! Who may say what: endpoint × role.

use axum::body::Body;
use countersign_gateway::api::roles::{ENDPOINTS, RoleKind, Verb};
use http::{Method, header};

use crate::harness::{World, request};

const TOKENS: [(Option<RoleKind>, &str); 8] = [
    (None, ""),
    (None, "wrong"),
    (None, "Agent-1"),
    (Some(RoleKind::Agent), "agent-1"),
    (Some(RoleKind::Host), "host"),
    (Some(RoleKind::Approver), "approver"),
    (Some(RoleKind::Operator), "operator"),
    (Some(RoleKind::Auditor), "auditor"),
];

#[tokio::test]
async fn every_endpoint_admits_the_roles_of_its_row_and_nobody_else() {
    let world = World::new().await;
    let (mut unknown, mut wrong) = (0, 0);
    for row in ENDPOINTS {
        for (role, token) in TOKENS {
            let path = row.path.replace("{id}", "nothing");
            let request = request(Method::from(row.method), token, &path)
                .header(header::CONTENT_TYPE, "application/json");
            let body = if row.method == Verb::Post { Body::from("{}") } else { Body::empty() };
            let answer = world.send(request.body(body).unwrap()).await;
            let status = answer.status.as_u16();
            let case = format!("{:?} by {token:?}: {status} {}", row.op, answer.text);
            if row.access.admits(role) {
                assert!(!matches!(status, 401 | 403 | 405), "{case}");
            } else if role.is_none() {
                answer.refused(401);
                assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer", "{case}");
                unknown += 1;
            } else {
                answer.refused(403);
                wrong += 1;
            }
        }
    }
    let counts = world.state.turned_away.counts();
    assert_eq!((counts["unauthenticated"], counts["forbidden"]), (unknown, wrong));
}

#[tokio::test]
async fn a_token_counts_only_as_one_bearer_header() {
    let world = World::new().await;
    for value in ["Basic agent-1", "agent-1", "Bearer", "Bearer agent-1x", "Bearer  "] {
        let request = request(Method::GET, "", "/v1/actions/x").header(header::AUTHORIZATION, value);
        assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 401, "{value}");
    }
    let twice =
        request(Method::GET, "agent-1", "/v1/actions/x").header(header::AUTHORIZATION, "Bearer auditor");
    assert_eq!(world.send(twice.body(Body::empty()).unwrap()).await.status, 401);
    let any_case = request(Method::GET, "", "/v1/actions/x").header(header::AUTHORIZATION, "bearer agent-1");
    assert_eq!(world.send(any_case.body(Body::empty()).unwrap()).await.status, 404);
}

#[tokio::test]
async fn requests_to_other_hosts_and_from_other_pages_are_turned_away() {
    let world = World::new().await;
    let to = |host: &str| http::Request::builder().uri("/healthz").header(header::HOST, host);
    let evil = world.send(to("evil.example").body(Body::empty()).unwrap()).await;
    assert_eq!(evil.refused(403)["code"], "misdirected");
    let page = to("localhost").header(header::ORIGIN, "https://evil.example");
    world.send(page.body(Body::empty()).unwrap()).await.refused(403);
    let own = to("localhost").header(header::ORIGIN, "http://localhost:7080");
    assert_eq!(world.send(own.body(Body::empty()).unwrap()).await.status, 200);
    assert_eq!(world.state.turned_away.counts()["misdirected"], 2);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_same_shape() {
    let world = World::new().await;
    world.get("operator", "/v1/nothing").await.refused(404);
    world.get("operator", "/v1/halt").await.refused(405);
    let head = request(Method::HEAD, "agent-1", "/v1/actions/x").body(Body::empty()).unwrap();
    assert_eq!(world.send(head).await.status, 405);
}

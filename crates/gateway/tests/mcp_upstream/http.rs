//! Streamable HTTP endpoints: a real server on a real socket whose habits are chosen by the called tool.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use countersign_gateway::mcp::sse::Event as Sse;
use countersign_gateway::mcp::upstream::{
    Answer, Answered, Call, Connection, Event, EventKind, Hub, Lost, NotSent, Relay, StartFailure,
    UpstreamConfig, UpstreamError, UpstreamKind,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{events, eventually, owner, raw, text, tool};

#[derive(Clone, Default)]
struct Site {
    seen: Arc<Mutex<Vec<(Method, HeaderMap, Value)>>>,
    sessions: Arc<AtomicUsize>,
    /// Whether initialize is answered as a stream.
    streams: bool,
    /// Pieces of the server's own stream.
    own_stream: Option<&'static str>,
}

impl Site {
    async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/mcp", any(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    fn bodies(&self) -> String {
        self.seen.lock().unwrap().iter().map(|(method, _, body)| format!("{method} {body}\n")).collect()
    }
}

fn config(address: SocketAddr) -> UpstreamConfig {
    let headers = BTreeMap::from([("Authorization".to_owned(), "Bearer hunter2".to_owned())]);
    let mut config =
        UpstreamConfig::new("web", UpstreamKind::Http { url: format!("http://{address}/mcp"), headers });
    config.call_limit = Duration::from_secs(10);
    config
}

async fn connect(site: &Site) -> (Connection, UnboundedReceiver<Event>) {
    let (hub, events) = Hub::new();
    let config = config(site.serve().await);
    (Connection::start(&config, Some(owner("alice")), &hub, None).await.unwrap(), events)
}

async fn answer(State(site): State<Site>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    site.seen.lock().unwrap().push((method.clone(), headers.clone(), message.clone()));
    match (method, message["method"].as_str()) {
        (Method::POST, Some("initialize")) => {
            let session = site.sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let result = json!({"jsonrpc": "2.0", "id": message["id"], "result":
                {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "w", "version": "1"}}});
            let response = if site.streams { stream(&[result]) } else { json_body(&result) };
            ([("mcp-session-id", format!("session-{session}"))], response).into_response()
        }
        (Method::POST, Some("tools/call")) if headers["mcp-session-id"] != current(&site).as_str() => {
            StatusCode::NOT_FOUND.into_response()
        }
        (Method::POST, Some("tools/call")) => habit(&site, &message).await,
        (Method::POST, _) => StatusCode::ACCEPTED.into_response(),
        (Method::GET, _) => own_stream(&site, &headers),
        _ => StatusCode::OK.into_response(),
    }
}

fn current(site: &Site) -> String {
    format!("session-{}", site.sessions.load(Ordering::SeqCst))
}

fn own_stream(site: &Site, headers: &HeaderMap) -> Response {
    if let Some(id) = headers.get("last-event-id").and_then(|id| id.to_str().ok())
        && let Some(question) = id.strip_prefix("resume-")
    {
        return stream(&[json!({"jsonrpc": "2.0", "id": question.parse::<u64>().unwrap(),
            "result": {"content": [{"type": "text", "text": "resumed"}]}})]);
    }
    match site.own_stream {
        Some(text) => event_stream(Body::from(text)),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// What the called tool's name stands for.
async fn habit(site: &Site, message: &Value) -> Response {
    let id = &message["id"];
    let done = |text: &str| json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}]}});
    let notice = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
    match message["params"]["name"].as_str().unwrap() {
        "json" => json_body(&done("plain")),
        "sse" => stream(&[
            notice(
                "notifications/progress",
                json!({"progressToken": message["params"]["_meta"]["progressToken"], "progress": 1}),
            ),
            notice("notifications/message", json!({"data": "log"})),
            json!({"jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage", "params": {}}),
            json!({"jsonrpc": "2.0", "id": 77_777, "result": {}}),
            done("streamed"),
        ]),
        "resume" => event_stream(Body::from(format!("retry: 10\nid: resume-{id}\ndata:\n\n"))),
        "broken_stream" => event_stream(Body::from("data: {\"jsonrpc\":\"2.0\",\"met")),
        "forget" => {
            site.sessions.fetch_add(1, Ordering::SeqCst);
            json_body(&done("forgotten"))
        }
        "big" => json_body(&done(&"x".repeat(200_000))),
        "big_event" => stream(&[done(&"x".repeat(200_000))]),
        "wrong_id" => json_body(&json!({"jsonrpc": "2.0", "id": 4242, "result": {}})),
        "html" => ([("content-type", "text/html")], "<p>hello</p>").into_response(),
        "bad_json" => (
            [("content-type", "application/json")],
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"a\":1,\"a\":2}}}}"),
        )
            .into_response(),
        "redirect" => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        "forbidden" => StatusCode::FORBIDDEN.into_response(),
        "bad_gateway" => StatusCode::BAD_GATEWAY.into_response(),
        "rpc_error" => (
            StatusCode::BAD_REQUEST,
            json_body(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no"}})),
        )
            .into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            json_body(&done("late"))
        }
        "flood" => event_stream(Body::from("data: garbage\n\n".repeat(2000))),
        other => panic!("{other}"),
    }
}

fn json_body(value: &Value) -> Response {
    ([("content-type", "application/json; charset=utf-8")], value.to_string()).into_response()
}

fn stream(messages: &[Value]) -> Response {
    let encode = |message: &Value| Sse { data: message.to_string().as_bytes(), ..Sse::default() }.encode();
    event_stream(Body::from(messages.iter().flat_map(encode).collect::<Vec<u8>>()))
}

fn event_stream(body: Body) -> Response {
    ([("content-type", "text/event-stream")], body).into_response()
}

#[tokio::test]
async fn json_and_streamed_answers_come_back_with_the_right_headers_sent() {
    for streams in [false, true] {
        let site = Site { streams, ..Site::default() };
        let (server, mut received) = connect(&site).await;
        assert_eq!(server.server().protocol_version, "2025-06-18");
        assert_eq!(text(tool(&server, "json", "{}").await), "plain");
        let params = raw(r#"{"name":"sse","_meta":{"progressToken":"mine"}}"#);
        let (relay, mut relayed) = mpsc::channel(8);
        assert_eq!(
            text(server.call(Call::new("tools/call", Some(&params)).relayed(relay)).await),
            "streamed"
        );
        assert!(
            matches!(relayed.recv().await, Some(Relay::Progress(params)) if params.get().contains(r#""progressToken":"mine""#))
        );
        assert!(matches!(relayed.recv().await, Some(Relay::Message(_))));
        let found = events(&mut received, 2).await;
        assert!(
            matches!(&found[..], [EventKind::Refused { method }, EventKind::ForeignAnswer { .. }] if method == "sampling/createMessage"),
            "{found:?}"
        );
        eventually("the refusal", || site.bodies().contains("-32601")).await;
        server.close().await;
        let seen = site.seen.lock().unwrap();
        let (_, first, _) = &seen[0];
        assert!(!first.contains_key("mcp-session-id") && !first.contains_key("mcp-protocol-version"));
        for (_, headers, _) in seen.iter() {
            assert_eq!(headers["authorization"], "Bearer hunter2");
        }
        for (method, headers, _) in &seen[1..] {
            assert_eq!(
                (&headers["mcp-session-id"], &headers["mcp-protocol-version"]),
                (&"session-1".parse().unwrap(), &"2025-06-18".parse().unwrap()),
                "{method}"
            );
        }
        assert_eq!(seen.last().unwrap().0, Method::DELETE);
    }
}

/// A 404 to a session id says that the request was not taken: the only case in which it is sent again.
#[tokio::test]
async fn a_forgotten_session_is_opened_again_and_the_call_sent_again() {
    let site = Site::default();
    let (server, _events) = connect(&site).await;
    assert_eq!(text(tool(&server, "forget", "{}").await), "forgotten");
    let calls = (0..4).map(|_| tool(&server, "json", "{}"));
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(text(reply), "plain");
    }
    assert_eq!(site.bodies().matches("\"method\":\"initialize\"").count(), 2);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_taken_up_again_where_the_server_allows_it() {
    let site = Site::default();
    let (server, _events) = connect(&site).await;
    assert_eq!(text(tool(&server, "resume", "{}").await), "resumed");
    assert_eq!(site.bodies().matches("\"name\":\"resume\"").count(), 1, "the call itself is not sent again");
    let error = tool(&server, "broken_stream", "{}").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unknown { reason: Lost::Connection(_), .. }), "{error}");
}

#[tokio::test]
async fn each_failure_says_whether_the_server_can_have_acted() {
    let site = Site::default();
    let (hub, mut received) = Hub::new();
    let mut config = config(site.serve().await);
    config.max_response_bytes = 100_000;
    config.call_limit = Duration::from_secs(2);
    let server = Connection::start(&config, None, &hub, None).await.unwrap();
    let lost = |error: UpstreamError| match error {
        UpstreamError::Unknown { reason, .. } => reason,
        other => panic!("{other}"),
    };
    for name in ["big", "big_event", "html", "wrong_id"] {
        let reason = lost(tool(&server, name, "{}").await.unwrap_err());
        assert!(matches!(reason, Lost::BadTransport(_)), "{name}: {reason}");
    }
    assert!(matches!(lost(tool(&server, "bad_json", "{}").await.unwrap_err()), Lost::BadAnswer(_)));
    assert!(matches!(lost(tool(&server, "bad_gateway", "{}").await.unwrap_err()), Lost::Gateway(502)));
    assert!(matches!(lost(tool(&server, "slow", "{}").await.unwrap_err()), Lost::TimedOut { .. }));
    for (name, status) in [("redirect", 307), ("forbidden", 403)] {
        let error = tool(&server, name, "{}").await.unwrap_err();
        assert!(
            matches!(error, UpstreamError::Answered { reason: Answered::Status(seen), .. } if seen == status),
            "{error}"
        );
    }
    let reply = tool(&server, "rpc_error", "{}").await.unwrap();
    assert_eq!((reply.answer, reply.body.get()), (Answer::Error, r#"{"code":-32602,"message":"no"}"#));
    eventually("the cancellation", || site.bodies().contains("notifications/cancelled")).await;
    let kinds = events(&mut received, 2).await;
    assert!(matches!(&kinds[..], [EventKind::ForeignAnswer { .. }, EventKind::Malformed(_)]), "{kinds:?}");
    let error = tool(&server, "flood", "{}").await.unwrap_err();
    let reason = lost(error);
    assert!(matches!(reason, Lost::Connection(_)), "{reason}");
    assert!(matches!(
        tool(&server, "json", "{}").await.unwrap_err(),
        UpstreamError::NotSent { reason: NotSent::Closed(_), .. }
    ));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_nothing_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(listener.local_addr().unwrap());
    drop(listener);
    let (hub, _events) = Hub::new();
    let error = Connection::start(&config, None, &hub, None).await.unwrap_err();
    assert!(
        matches!(&error, UpstreamError::NotSent { reason: NotSent::Start(StartFailure::Unreachable(_)), .. }),
        "{error}"
    );
    assert!(!format!("{error} {error:?} {config:?}").contains("hunter2"));
    // One that takes connections and never answers is too slow.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config.kind = UpstreamKind::Http {
        url: format!("http://{}/mcp", listener.local_addr().unwrap()),
        headers: BTreeMap::new(),
    };
    config.start_limit = Duration::from_millis(300);
    let error = Connection::start(&config, None, &hub, None).await.unwrap_err();
    assert!(
        matches!(&error, UpstreamError::NotSent { reason: NotSent::Start(StartFailure::TooSlow { .. }), .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_call_can_be_cancelled_and_the_server_is_told() {
    let site = Site::default();
    let (server, _events) = connect(&site).await;
    let params = raw(r#"{"name":"slow"}"#);
    let call = Call::new("tools/call", Some(&params));
    let id = call.id;
    let (outcome, cancelled) = tokio::join!(server.call(call), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.cancel(id, "the client said so")
    });
    assert!(cancelled);
    assert!(matches!(outcome.unwrap_err(), UpstreamError::Unknown { reason: Lost::Cancelled, .. }));
    eventually("the notice", || site.bodies().contains("the client said so")).await;
}

#[tokio::test]
async fn the_servers_own_stream_tells_of_changed_tools_and_nothing_on_it_answers_a_call() {
    let site = Site {
        own_stream: Some(concat!(
            "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"forged\":true}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"x\"}}\n\n",
        )),
        ..Site::default()
    };
    let (server, mut received) = connect(&site).await;
    let found = events(&mut received, 3).await;
    assert!(
        matches!(
            &found[..3],
            [EventKind::ToolsChanged, EventKind::ForeignAnswer { .. }, EventKind::UnmatchedNotice { .. }]
        ),
        "{found:?}"
    );
    assert_eq!(text(tool(&server, "json", "{}").await), "plain");
}

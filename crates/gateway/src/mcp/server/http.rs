//! Streamable HTTP for clients up to 2025-11-25.
//!
//! A POST is answered with JSON, or with a stream of events as soon as there is something to say before the
//! answer. A GET is refused with 405: we have nothing to say unasked. A DELETE ends the transport's session;
//! our session goes on, with everything it has seen.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use countersign_core::names::SessionId;
use countersign_engine::{Caller, Refusal};
use countersign_receipt::v1::{Enforcement, Face};
use tokio::sync::mpsc;

use super::dispatch::{Back, Client, InFlight, VERSIONS};
use super::session::{Claims, MCP_HEADER, NoSession, TOKEN_HEADER, secret};
use super::{Gateway, Route, answer, identity, locked};
use crate::auth::Role;
use crate::guard::{TurnedAway, own_hosts};
use crate::mcp::envelope::{self, Message, Peer};
use crate::mcp::sse;

/// A comment this often keeps a stream open while a call is held.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Transport sessions whose requests in flight are kept apart.
const MAX_TRANSPORT_SESSIONS: usize = 100_000;

#[derive(Clone)]
struct Http {
    gateway: Gateway,
    turned_away: Arc<TurnedAway>,
    in_flight: Arc<Mutex<HashMap<(SessionId, String), InFlight>>>,
}

/// The routes `/mcp` (all upstreams, tools prefixed) and `/mcp/NAME` (one, tools as they are).
pub fn router(gateway: Gateway, turned_away: Arc<TurnedAway>) -> Router {
    let settings = Arc::clone(gateway.settings());
    let http = Http { gateway, turned_away: Arc::clone(&turned_away), in_flight: Arc::default() };
    let routes = Router::new()
        .route("/mcp", post(all).get(no_stream).delete(end_all))
        .route("/mcp/{upstream}", post(one).get(no_stream).delete(end_one))
        .with_state(http);
    own_hosts(routes, &settings, &turned_away)
}

async fn all(State(http): State<Http>, headers: HeaderMap, body: Body) -> Response {
    let route = Route { upstream: None, wrapped: None };
    http.post(route, &headers, body).await
}

async fn one(
    State(http): State<Http>,
    Path(upstream): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match http.gateway.settings().upstreams.get(&upstream) {
        Some(known) if known.connection.is_some() => {
            let route = Route { upstream: Some(upstream.into()), wrapped: None };
            http.post(route, &headers, body).await
        }
        _ => match http.caller(&headers) {
            Ok(caller) => {
                let route = Route { upstream: None, wrapped: None };
                let why = "there is no upstream of this name here";
                http.turn_back(&route, &caller, StatusCode::NOT_FOUND, why).await
            }
            Err(response) => *response,
        },
    }
}

async fn no_stream() -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "there is no stream to listen to; use POST");
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST, DELETE"));
    response
}

async fn end_all(State(http): State<Http>, headers: HeaderMap) -> Response {
    http.end(&Route { upstream: None, wrapped: None }, &headers).await
}

async fn end_one(State(http): State<Http>, Path(upstream): Path<String>, headers: HeaderMap) -> Response {
    http.end(&Route { upstream: Some(upstream.into()), wrapped: None }, &headers).await
}

impl Http {
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
        let token = single(headers, header::AUTHORIZATION.as_str())
            .ok()
            .flatten()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match token.and_then(|token| self.gateway.settings().credentials.role(token)) {
            Some(Role::Agent(agent)) => Ok(Caller {
                identity: identity(&agent.human, &agent.service, &agent.agent, "token"),
                face: Face::Mcp,
                enforcement: Enforcement::Enforced,
            }),
            Some(_) => {
                self.turned_away.forbidden();
                let why = "this token's role may not submit actions; use an agent's";
                Err(Box::new(plain(StatusCode::FORBIDDEN, why)))
            }
            None => {
                self.turned_away.unauthenticated();
                let mut response = plain(
                    StatusCode::UNAUTHORIZED,
                    "no verifiable identity: send `Authorization: Bearer` with an agent's token",
                );
                let challenge = header::HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                Err(Box::new(response))
            }
        }
    }

    async fn post(&self, route: Route, headers: &HeaderMap, body: Body) -> Response {
        let caller = match self.caller(headers) {
            Ok(caller) => caller,
            Err(response) => return *response,
        };
        let claims = match acceptable(headers) {
            Ok(claims) => claims,
            Err((status, why)) => return self.turn_back(&route, &caller, status, why).await,
        };
        let body = match self.read(body).await {
            Ok(body) => body,
            Err((status, why)) => return self.turn_back(&route, &caller, status, &why).await,
        };
        // Only text that was accepted is put on one line: in a broken string that would mend it.
        let parsed = envelope::parse(&body, Peer::Client, self.gateway.settings().max_body);
        let begins = matches!(&parsed, Ok(Message::Request { method, .. }) if method == "initialize");
        let line = match parsed {
            Ok(_) => envelope::one_line(&body).into_owned().into(),
            Err(_) => body.clone(),
        };
        let body: Bytes = line;
        let found = if begins && claims.token.is_none() {
            self.gateway.begin(&caller, &route).await.map(|(session, id)| (session, Some(id)))
        } else {
            // Beside a token the transport's id names no session: it only keeps the requests of clients apart.
            let minted = if begins { secret() } else { None };
            self.gateway.session(&caller, &route, claims).await.map(|session| (session, minted))
        };
        let (session, minted) = match found {
            Ok(found) => found,
            Err(why) => return self.no_session(&route, &caller, &why).await,
        };
        let in_flight = claims.legacy.map(|id| self.in_flight(&session, id));
        let streams = accepts(headers, "text/event-stream");
        let request = Request { gateway: self.gateway.clone(), route, caller, session, in_flight, body };
        let mut response = request.answer(streams).await;
        if let Some(value) = minted.and_then(|id| header::HeaderValue::from_str(&id).ok()) {
            response.headers_mut().insert(MCP_HEADER, value);
        }
        response
    }

    fn in_flight(&self, session: &SessionId, id: &str) -> InFlight {
        let key = (session.clone(), id.to_owned());
        let mut table = locked(&self.in_flight);
        if table.len() >= MAX_TRANSPORT_SESSIONS && !table.contains_key(&key) {
            // What has nothing in flight is made anew at its next request.
            table.retain(|_, in_flight| !in_flight.is_empty());
        }
        table.entry(key).or_default().clone()
    }

    /// Reads a body within the limit.
    async fn read(&self, body: Body) -> Result<Bytes, (StatusCode, String)> {
        let limit = self.gateway.settings().max_body;
        axum::body::to_bytes(body, limit).await.map_err(|error| {
            if error.into_inner().is::<http_body_util::LengthLimitError>() {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {limit} bytes"))
            } else {
                (StatusCode::BAD_REQUEST, "the body did not arrive whole".to_owned())
            }
        })
    }

    /// Refuses a request for what is around its message. Nothing that it says of its session has been believed, so the
    /// refusal is recorded where its principal's calls without a session are.
    async fn turn_back(&self, route: &Route, caller: &Caller, status: StatusCode, why: &str) -> Response {
        let session = match self.gateway.session(caller, route, Claims::default()).await {
            Ok(session) => session,
            Err(NoSession::Refused(refusal)) => return unavailable(&refusal),
            Err(NoSession::Unknown) => return plain(status, why),
        };
        let client = Client { route, caller, session: &session, in_flight: None, notices: None };
        let mut response = back(self.gateway.refuse_message(&client, "message", None, why).await);
        *response.status_mut() = status;
        response
    }

    async fn no_session(&self, route: &Route, caller: &Caller, why: &NoSession) -> Response {
        match why {
            NoSession::Unknown => {
                let why = "there is no such session of yours here; initialize again";
                self.turn_back(route, caller, StatusCode::NOT_FOUND, why).await
            }
            NoSession::Refused(refusal) => unavailable(refusal),
        }
    }

    async fn end(&self, route: &Route, headers: &HeaderMap) -> Response {
        let caller = match self.caller(headers) {
            Ok(caller) => caller,
            Err(response) => return *response,
        };
        let claims = match claims(headers) {
            Ok(claims) => claims,
            Err((status, why)) => return self.turn_back(route, &caller, status, why).await,
        };
        let Some(id) = claims.legacy else {
            return plain(StatusCode::BAD_REQUEST, "there is no Mcp-Session-Id to end");
        };
        match self.gateway.session(&caller, route, claims).await {
            Ok(session) => {
                locked(&self.in_flight).remove(&(session.clone(), id.to_owned()));
                // A session that a host opened may have other clients.
                if claims.token.is_none() {
                    self.gateway.0.pool.stop_owner(&super::owner(&caller, &session)).await;
                }
                StatusCode::NO_CONTENT.into_response()
            }
            Err(why) => self.no_session(route, &caller, &why).await,
        }
    }
}

/// One POST, owned: its answering goes on in a task of its own once it streams.
struct Request {
    gateway: Gateway,
    route: Route,
    caller: Caller,
    session: SessionId,
    in_flight: Option<InFlight>,
    body: Bytes,
}

impl Request {
    async fn answer(self, streams: bool) -> Response {
        let (notices, mut said) = mpsc::channel(32);
        let answering = async move {
            let Self { gateway, route, caller, session, in_flight, body } = &self;
            let client = Client {
                route,
                caller,
                session,
                in_flight: in_flight.as_ref(),
                notices: streams.then_some(notices),
            };
            match envelope::parse(body, Peer::Client, gateway.settings().max_body) {
                Ok(message) => gateway.dispatch(client, message).await,
                Err(fault) => gateway.refuse_fault(&client, &fault).await,
            }
        };
        let mut answering = Box::pin(answering);
        if !streams {
            return back(answering.await);
        }
        tokio::select! {
            biased;
            done = &mut answering => back(done),
            Some(first) = said.recv() => stream(answering, first, said),
            () = tokio::time::sleep(KEEP_ALIVE) => stream_quietly(answering, said),
        }
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Back> + Send>>;

fn stream(answering: Answering, first: Vec<u8>, said: mpsc::Receiver<Vec<u8>>) -> Response {
    respond(answering, Some(event(&first)), said)
}

fn stream_quietly(answering: Answering, said: mpsc::Receiver<Vec<u8>>) -> Response {
    respond(answering, Some(sse::KEEP_ALIVE.to_vec()), said)
}

/// A stream of what is said, and at last the answer. When the client goes, so does whatever merely waits;
/// what runs goes on in its own task.
fn respond(answering: Answering, first: Option<Vec<u8>>, said: mpsc::Receiver<Vec<u8>>) -> Response {
    struct State {
        answering: Option<Answering>,
        first: Option<Vec<u8>>,
        said: mpsc::Receiver<Vec<u8>>,
    }
    let state = State { answering: Some(answering), first, said };
    let events = futures_util::stream::unfold(state, |mut state| async move {
        if let Some(first) = state.first.take() {
            return Some((Ok::<_, Infallible>(Bytes::from(first)), state));
        }
        let answering = state.answering.as_mut()?;
        let bytes = tokio::select! {
            biased;
            Some(notice) = state.said.recv() => event(&notice),
            back = answering => {
                state.answering = None;
                match back {
                    Back::Answer(bytes) | Back::Refused(bytes) => event(&bytes),
                    Back::Taken | Back::Cancelled => return None,
                }
            }
            () = tokio::time::sleep(KEEP_ALIVE) => sse::KEEP_ALIVE.to_vec(),
        };
        Some((Ok(Bytes::from(bytes)), state))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(events)).into_response()
}

fn event(message: &[u8]) -> Vec<u8> {
    sse::Event { data: message, ..sse::Event::default() }.encode()
}

fn back(back: Back) -> Response {
    let json = |status: StatusCode, bytes: Vec<u8>| {
        (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], bytes)
            .into_response()
    };
    match back {
        Back::Answer(bytes) => json(StatusCode::OK, bytes),
        Back::Refused(bytes) => json(StatusCode::BAD_REQUEST, bytes),
        Back::Taken | Back::Cancelled => StatusCode::ACCEPTED.into_response(),
    }
}

/// What a request says of its session, when what is around its message can be taken in one way only.
fn acceptable(headers: &HeaderMap) -> Result<Claims<'_>, (StatusCode, &'static str)> {
    let claims = claims(headers)?;
    let unsupported = |why| (StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    let content = one_of(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    if !content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(unsupported("send application/json"));
    }
    let encoded = one_of(headers, header::CONTENT_ENCODING.as_str())?;
    if encoded.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(unsupported("send the body without a content encoding"));
    }
    if !accepts(headers, "application/json") && !accepts(headers, "text/event-stream") {
        return Err((StatusCode::NOT_ACCEPTABLE, "accept application/json and text/event-stream"));
    }
    let version = one_of(headers, "mcp-protocol-version")?;
    // A version from the future is no reason to refuse what may be the question which versions we speak.
    if version.is_some_and(|version| !VERSIONS.contains(&version) && !version.starts_with("20")) {
        return Err((StatusCode::BAD_REQUEST, "the MCP-Protocol-Version is not one that this server speaks"));
    }
    Ok(claims)
}

fn claims(headers: &HeaderMap) -> Result<Claims<'_>, (StatusCode, &'static str)> {
    Ok(Claims { token: one_of(headers, TOKEN_HEADER)?, legacy: one_of(headers, MCP_HEADER)? })
}

fn one_of<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, (StatusCode, &'static str)> {
    let why = "a header that counts is there twice, or is no text";
    single(headers, name).map_err(|()| (StatusCode::BAD_REQUEST, why))
}

/// A header's text. An error when there is more than one, or it is no text: readers would differ on what it says.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// `Accept` is a list, which may come in several headers.
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return wanted == "application/json";
    }
    let family = wanted.split('/').next().unwrap_or_default();
    let kinds = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim()).any(|kind| {
        kind == "*/*" || kind.eq_ignore_ascii_case(wanted) || kind.strip_suffix("/*") == Some(family)
    })
}

/// What could not even be recorded (`R1.closed`).
fn unavailable(refusal: &Refusal) -> Response {
    let error = serde_json::json!({
        "jsonrpc": "2.0", "id": null,
        "error": { "code": -32603, "message": &*refusal.reason,
                   "data": { answer::META: { "decision": "DENY", "receipt": null } } },
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::SERVICE_UNAVAILABLE, kind, error.to_string()).into_response()
}

fn plain(status: StatusCode, message: &str) -> Response {
    let error = serde_json::json!({
        "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": message },
    });
    (status, [(header::CONTENT_TYPE, "application/json")], error.to_string()).into_response()
}

//! One HTTP request and what comes back for it: JSON or a stream of events, within limits.
//!
//! A stream that breaks off before the answer is taken up again where the server gave event ids
//! (`Last-Event-ID`); the request itself is not sent again. Redirects are not followed, proxies of the
//! environment are not used, and the HTTP client does not retry.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::config::{parse_headers, parse_url};
use super::event::{Reporter, cut};
use super::handshake::ServerInfo;
use super::incoming::{self, Incoming};
use super::{
    Answer, Answered, CloseReason, ConnectionLimits, EventKind, Lost, NotSent, Relay, Reply, StartFailure,
    UpstreamError,
};
use crate::mcp::{envelope, sse};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const JSON: &str = "application/json";
const STREAM: &str = "text/event-stream";

const CONNECT: Duration = Duration::from_secs(10);
/// How long a message that wants no answer may take to be accepted.
const COURTESY: Duration = Duration::from_secs(5);
const RECONNECT: Duration = Duration::from_secs(1);
const RECONNECT_MOST: Duration = Duration::from_secs(60);
const MAX_RECONNECTS: u32 = 32;
/// How much of an error page is read in search of a JSON-RPC error.
const ERROR_BODY: usize = 64 * 1024;

/// Where the server is, and how we speak to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    next: AtomicU64,
    pub(super) limits: ConnectionLimits,
    pub(super) reporter: Reporter,
}

/// One session with the server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Option<HeaderValue>,
    pub(super) server: Arc<ServerInfo>,
}

/// A request whose answer is awaited.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) number: u64,
    pub(super) relay: Option<&'a mpsc::Sender<Relay>>,
    pub(super) token: Option<Box<RawValue>>,
}

/// One HTTP request within a session; without a `request` it is the server's own stream.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) session: Option<&'a Session>,
    pub(super) request: Option<Request<'a>>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Failed {
    SessionGone,
    NotSent(NotSent),
    Lost(Lost),
    Answered(Answered),
    Close(CloseReason),
}

/// How the reading of the server's own stream ended.
#[derive(Debug)]
pub(super) enum Listening {
    /// The server has no such stream, or not any more in this session.
    NotOffered,
    /// The server broke its bounds.
    Broken(CloseReason),
}

impl Endpoint {
    pub(super) fn new(
        client: Result<reqwest::Client, String>,
        limits: ConnectionLimits,
        url: &str,
        headers: &BTreeMap<String, String>,
        reporter: Reporter,
    ) -> Result<Self, UpstreamError> {
        let parts = || Ok((client?, parse_url(url)?, parse_headers(headers)?));
        match parts() {
            Ok((client, url, headers)) => {
                Ok(Self { client, url, headers, next: AtomicU64::new(1), limits, reporter })
            }
            Err(problem) => Err(limits.not_sent(NotSent::Start(StartFailure::Config(problem)))),
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn request(&self, method: Method, session: Option<&Session>) -> RequestBuilder {
        let mut request = self.client.request(method, self.url.clone()).headers(self.headers.clone());
        if let Some(session) = session {
            request = request.header(VERSION, session.server.protocol_version);
            if let Some(id) = &session.id {
                request = request.header(SESSION, id);
            }
        }
        request
    }

    pub(super) fn post(&self, session: Option<&Session>, body: Vec<u8>) -> RequestBuilder {
        self.request(Method::POST, session)
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, JSON)
            .body(body)
    }

    /// Sends a message that wants no answer; that it may be lost is borne.
    pub(super) async fn courtesy(&self, session: Option<&Session>, body: Vec<u8>) {
        let _ = self.post(session, body).timeout(COURTESY).send().await;
    }
}

/// The client that all endpoints share.
pub(super) fn client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| cause(&error))
}

impl Exchange<'_> {
    /// Sends the request; gives the reply, and the session id where the server gave one.
    pub(super) async fn run(&self, body: Vec<u8>) -> Result<(Reply, Option<HeaderValue>), Failed> {
        let response = self.endpoint.post(self.session, body).send().await.map_err(|error| {
            // Only a connection that never stood proves that nothing was sent.
            match error.is_connect() || error.is_builder() {
                true => Failed::NotSent(NotSent::Unreachable(cause(&error))),
                false => Failed::Lost(Lost::BadTransport(cause(&error))),
            }
        })?;
        let session = response.headers().get(SESSION).cloned();
        Ok((self.answer(response).await?, session))
    }

    /// Reads the server's own stream, again and again, until it is not offered any more.
    pub(super) async fn listen(&self) -> Listening {
        let mut parser = sse::Parser::new(self.endpoint.limits.max_response_bytes);
        let mut wait = RECONNECT;
        loop {
            match self.stream(parser.last_id()).await {
                Ok(Some(response)) => {
                    wait = RECONNECT;
                    match self.read_events(response, &mut parser).await {
                        Err(Failed::Close(reason)) => return Listening::Broken(reason),
                        _ => parser.reconnect(),
                    }
                }
                Ok(None) => return Listening::NotOffered,
                Err(_) => wait = (wait * 2).min(RECONNECT_MOST),
            }
            tokio::time::sleep(parser.retry().unwrap_or(wait).clamp(wait, RECONNECT_MOST)).await;
        }
    }

    async fn answer(&self, response: Response) -> Result<Reply, Failed> {
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND if self.session.is_some_and(|session| session.id.is_some()) => {
                return Err(Failed::SessionGone);
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                return Err(Failed::Lost(Lost::Gateway(status.as_u16())));
            }
            _ if !status.is_success() => return self.refused(response).await,
            _ => {}
        }
        match media_type(&response).as_str() {
            JSON => {
                let body = self.body(response, self.endpoint.limits.max_response_bytes).await?;
                match self.take(&body).await? {
                    Some(reply) => Ok(reply),
                    None => Err(bad_transport("the body is not the answer to the request")),
                }
            }
            STREAM => self.follow(response).await,
            _ => Err(bad_transport("the body is neither JSON nor a stream of events")),
        }
    }

    /// An HTTP error: a reply if it carries the JSON-RPC error for the request.
    async fn refused(&self, response: Response) -> Result<Reply, Failed> {
        let status = response.status().as_u16();
        if media_type(&response) == JSON
            && let Ok(body) = self.body(response, ERROR_BODY).await
            && let Ok(Incoming::Answer { id, reply }) = incoming::read(&body, ERROR_BODY)
            && reply.answer == Answer::Error
            && self.is_ours(&id)
        {
            return Ok(reply);
        }
        Err(Failed::Answered(Answered::Status(status)))
    }

    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, Failed> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                    return Err(bad_transport(&CloseReason::TooLarge { limit }.to_string()));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => return Err(bad_transport(&cause(&error))),
            }
        }
    }

    /// Reads a stream up to the answer, over several connections where the server allows it.
    async fn follow(&self, response: Response) -> Result<Reply, Failed> {
        let mut parser = sse::Parser::new(self.endpoint.limits.max_response_bytes);
        let mut response = Some(response);
        for _ in 0..MAX_RECONNECTS {
            if let Some(stream) = response.take()
                && let Some(reply) = self.read_events(stream, &mut parser).await?
            {
                return Ok(reply);
            }
            if parser.last_id().is_none() {
                break;
            }
            parser.reconnect();
            tokio::time::sleep(parser.retry().unwrap_or(RECONNECT).min(RECONNECT_MOST)).await;
            match self.stream(parser.last_id()).await {
                Ok(None) => break,
                Ok(found) => response = found,
                Err(_) => {}
            }
        }
        Err(Failed::Lost(Lost::Connection(CloseReason::Ended)))
    }

    /// Opens a stream of events with GET; `None` when the server does not offer it.
    async fn stream(&self, last_id: Option<&str>) -> Result<Option<Response>, reqwest::Error> {
        let mut request = self.endpoint.request(Method::GET, self.session).header(header::ACCEPT, STREAM);
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request = request.header(LAST_EVENT, id);
        }
        let response = request.send().await?;
        let offered = response.status() == StatusCode::OK && media_type(&response) == STREAM;
        Ok(offered.then_some(response))
    }

    /// Reads one stream to its end, or to the answer.
    async fn read_events(
        &self,
        mut response: Response,
        parser: &mut sse::Parser,
    ) -> Result<Option<Reply>, Failed> {
        let mut events = Vec::new();
        // A broken connection ends the stream like a closed one.
        while let Ok(Some(chunk)) = response.chunk().await {
            let within = parser.push(&chunk, &mut events);
            for event in events.drain(..).filter(|event| !event.data.is_empty()) {
                if let Some(reply) = self.take(&event.data).await? {
                    return Ok(Some(reply));
                }
            }
            if let Err(error) = within {
                return Err(match self.request {
                    Some(_) => bad_transport(&error.to_string()),
                    None => Failed::Close(CloseReason::TooLarge { limit: error.limit }),
                });
            }
        }
        Ok(None)
    }

    /// Takes one message; gives the reply when it is the answer.
    async fn take(&self, bytes: &[u8]) -> Result<Option<Reply>, Failed> {
        let (reporter, size) = (&self.endpoint.reporter, bytes.len());
        let message = match incoming::read(bytes, self.endpoint.limits.max_response_bytes) {
            Ok(message) => message,
            Err(fault) => {
                reporter.offence(size, EventKind::Malformed(fault.clone())).map_err(Failed::Close)?;
                let number = envelope::salvage_answer_id(bytes);
                return match &self.request {
                    Some(request) if number == Some(request.number) => {
                        Err(Failed::Lost(Lost::BadAnswer(Box::new(fault))))
                    }
                    _ => Ok(None),
                };
            }
        };
        match message {
            Incoming::Answer { id, reply } if self.is_ours(&id) => return Ok(Some(reply)),
            Incoming::Answer { id, .. } => {
                reporter.offence(size, EventKind::ForeignAnswer { id: cut(id.raw().get()) })
            }
            Incoming::Ping { id } => {
                self.endpoint.courtesy(self.session, incoming::pong(&id)).await;
                reporter.notice(size)
            }
            Incoming::Asked { id, method } => {
                let refused = reporter.offence(size, EventKind::Refused { method: cut(&method) });
                self.endpoint.courtesy(self.session, incoming::refusal(&id)).await;
                refused
            }
            Incoming::Progress { token, params } => self.progress(token, params, size),
            Incoming::Log { params } => match self.request.as_ref().and_then(|request| request.relay) {
                Some(relay) => {
                    // A caller that does not keep up misses notices, never the answer.
                    let _ = relay.try_send(Relay::Message(params.to_owned()));
                    reporter.notice(size)
                }
                None => self.unmatched("notifications/message", size),
            },
            Incoming::ToolsChanged => {
                reporter.notice(size).and_then(|()| reporter.tell(EventKind::ToolsChanged))
            }
            Incoming::Cancelled => reporter.notice(size),
            Incoming::Other { method } => self.unmatched(&method, size),
        }
        .map_err(Failed::Close)?;
        Ok(None)
    }

    fn progress(&self, token: Option<u64>, params: &RawValue, size: usize) -> Result<(), CloseReason> {
        match &self.request {
            Some(Request { number, relay, token: Some(own) }) if token == Some(*number) => {
                if let (Some(relay), Some(params)) = (relay, envelope::restore_progress_token(params, own)) {
                    let _ = relay.try_send(Relay::Progress(params));
                }
                self.endpoint.reporter.notice(size)
            }
            _ => self.unmatched("notifications/progress", size),
        }
    }

    fn unmatched(&self, method: &str, size: usize) -> Result<(), CloseReason> {
        self.endpoint.reporter.offence(size, EventKind::UnmatchedNotice { method: cut(method) })
    }

    fn is_ours(&self, id: &envelope::Id<'_>) -> bool {
        self.request.as_ref().is_some_and(|request| incoming::our_id(id) == Some(request.number))
    }
}

/// The innermost cause of a transport error: it names no address, which may hold a secret.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error.source() {
        Some(_) => cut(&innermost.to_string()),
        None if error.is_timeout() => "it took too long".to_owned(),
        None => "the request failed".to_owned(),
    }
}

fn bad_transport(problem: &str) -> Failed {
    Failed::Lost(Lost::BadTransport(problem.to_owned()))
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

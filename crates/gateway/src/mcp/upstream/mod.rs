//! Connections to real MCP servers.
//!
//! A call to a server ends in one of four ways, and the difference becomes the recorded outcome of an action:
//! a [`Reply`] (the server answered, with a result or a JSON-RPC error), or an [`UpstreamError`] that says
//! *nothing was sent*, *it may have been sent and the outcome is unknown*, or *the server answered with an
//! error* that is no reply. Where we cannot tell, it is unknown.
//!
//! We declare no capabilities to servers. What they send that answers no request of ours is dropped or
//! refused and reported as an [`Event`]; notices that belong to a call in flight go to its caller as a
//! [`Relay`].
//!
//! | module | what it holds |
//! |---|---|
//! | this file | [`Connection`], [`Call`], [`Reply`], [`Relay`], [`Hub`]: what callers see |
//! | `config` | [`UpstreamConfig`]: how to reach a server, and its limits |
//! | `error` | [`UpstreamError`] and its reasons |
//! | `event` | [`Event`], and how much an unruly server may say before its connection is closed |
//! | `incoming` | what a message from a server means to us |
//! | `handshake` | `initialize`, and the bounded listing of tools |
//! | `lines`, `wire` | newline-delimited JSON-RPC over any pair of byte streams, calls in flight |
//! | `process`, `stdio` | a child process in a group of its own, and the connection over its pipes |
//! | `http`, `exchange` | Streamable HTTP: sessions, and one request's answer |
//! | `supervisor` | [`Pool`]: who has which connection, starts, backoff, idle stops, limits |

mod config;
mod error;
mod event;
mod exchange;
mod handshake;
mod http;
mod incoming;
mod lines;
mod process;
mod stdio;
mod supervisor;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

pub use config::{CALL_LIMIT, ConfigError, START_LIMIT, UpstreamConfig, UpstreamKind};
pub use error::{Answered, CloseReason, Lost, NotSent, StartFailure, UpstreamError};
pub use event::{Event, EventKind, EventSender, Owner};
pub use handshake::{PROTOCOL_VERSIONS, ServerInfo};
pub use supervisor::{Lease, Pool, PoolLimits};

/// A live connection to one server.
#[derive(Debug)]
pub struct Connection(Transport);

#[derive(Debug)]
enum Transport {
    Stdio(stdio::StdioConnection),
    Http(http::HttpConnection),
}

impl Connection {
    /// Starts the server or reaches it, and shakes hands within the configured start limit. `owner` is who
    /// the connection serves, `None` when it is shared; `place` is given back when a child process has ended.
    pub async fn start(
        config: &UpstreamConfig,
        owner: Option<Owner>,
        hub: &Hub,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, UpstreamError> {
        let limits = ConnectionLimits::of(config);
        let reporter = event::Reporter::new(&limits.upstream, owner, &hub.events);
        Ok(Self(match &config.kind {
            UpstreamKind::Stdio { command, env, cwd } => {
                let program = process::Program { command, env, cwd };
                Transport::Stdio(stdio::StdioConnection::start(limits, &program, reporter, place).await?)
            }
            UpstreamKind::Http { url, headers } => {
                let endpoint = exchange::Endpoint::new(hub.client(), limits, url, headers, reporter)?;
                Transport::Http(http::HttpConnection::start(endpoint).await?)
            }
        }))
    }

    /// Shakes hands with a server that somebody else started, over its newline-delimited streams: what it
    /// says and what it hears. Dropping the connection, or this future, lets go of the streams.
    pub async fn over<R, W>(
        read: R,
        write: W,
        limits: ConnectionLimits,
        owner: Option<Owner>,
        hub: &Hub,
    ) -> Result<Self, UpstreamError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let reporter = event::Reporter::new(&limits.upstream, owner, &hub.events);
        let connection = stdio::StdioConnection::over(read, write, limits, reporter).await?;
        Ok(Self(Transport::Stdio(connection)))
    }

    /// Sends one request and waits for its answer, at most the call limit. Dropping the future cancels the
    /// request.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, UpstreamError> {
        match &self.0 {
            Transport::Stdio(connection) => connection.call(&call).await,
            Transport::Http(connection) => connection.call(&call).await,
        }
    }

    /// Cancels a call in flight: the server is told and the call ends at once, its outcome unknown unless
    /// nothing was sent. False when no such call is in flight.
    pub fn cancel(&self, call: CallId, reason: &str) -> bool {
        match &self.0 {
            Transport::Stdio(connection) => connection.cancel(call, reason),
            Transport::Http(connection) => connection.cancel(call, reason),
        }
    }

    /// All tools the server lists, each as the exact text it sent; pages are followed within bounds.
    pub async fn list_tools(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        handshake::list_tools(self).await
    }

    /// What the server said of itself.
    pub fn server(&self) -> Arc<ServerInfo> {
        match &self.0 {
            Transport::Stdio(connection) => connection.server(),
            Transport::Http(connection) => connection.server(),
        }
    }

    /// Why the connection can take no more calls, or `None` while it can.
    pub fn closed(&self) -> Option<CloseReason> {
        match &self.0 {
            Transport::Stdio(connection) => connection.closed(),
            Transport::Http(connection) => connection.closed(),
        }
    }

    /// Ends the connection and waits until the child process has ended, or the session was given back.
    pub async fn close(&self) {
        match &self.0 {
            Transport::Stdio(connection) => connection.close().await,
            Transport::Http(connection) => connection.close().await,
        }
    }

    fn has_child(&self) -> bool {
        matches!(&self.0, Transport::Stdio(connection) if connection.has_child())
    }

    fn limits(&self) -> &ConnectionLimits {
        match &self.0 {
            Transport::Stdio(connection) => connection.limits(),
            Transport::Http(connection) => connection.limits(),
        }
    }
}

/// What connections share: where they report, and the client for HTTP.
#[derive(Debug, Clone)]
pub struct Hub {
    events: EventSender,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Hub {
    /// A hub, and where its connections' events come out.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        (Self { events, client: Arc::default() }, receiver)
    }

    /// The one HTTP client, made at the first use since it reads the system's certificates.
    fn client(&self) -> Result<reqwest::Client, String> {
        self.client.get_or_init(exchange::client).clone()
    }
}

/// One request to a server.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What we call the request; unique in this process.
    pub id: CallId,
    /// The method.
    pub method: &'a str,
    /// The parameters, an object; forwarded exactly but for `_meta.progressToken`, which is mapped.
    pub params: Option<&'a RawValue>,
    /// Where notices that belong to the request go; they are dropped when it is full.
    pub relay: Option<mpsc::Sender<Relay>>,
}

impl<'a> Call<'a> {
    /// A call with a fresh id that wants no notices.
    pub fn new(method: &'a str, params: Option<&'a RawValue>) -> Self {
        Self { id: CallId::fresh(), method, params, relay: None }
    }

    /// The same call, its notices sent to `relay`.
    pub fn relayed(self, relay: mpsc::Sender<Relay>) -> Self {
        Self { relay: Some(relay), ..self }
    }
}

/// What we call a request to a server: unique in this process, not what the server sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl CallId {
    /// The next id.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A server's answer to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Whether `body` is the answer's `result` or its `error`.
    pub answer: Answer,
    /// The exact text of `result` or `error`.
    pub body: Box<RawValue>,
}

/// Which of the two an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A `result`.
    Result,
    /// A JSON-RPC `error`.
    Error,
}

/// A notice from the server that belongs to a call in flight, as the exact text of its parameters.
#[derive(Debug, Clone)]
pub enum Relay {
    /// `notifications/progress`, with the caller's own progress token.
    Progress(Box<RawValue>),
    /// `notifications/message`: a log entry of the server.
    Message(Box<RawValue>),
}

/// The limits of one connection, and what its errors call the server.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// How long the handshake may take.
    pub start_limit: Duration,
    /// How long one call may take.
    pub call_limit: Duration,
    /// The longest message taken from the server, in bytes.
    pub max_response_bytes: usize,
}

impl ConnectionLimits {
    /// The limits that a configuration sets.
    pub fn of(config: &UpstreamConfig) -> Self {
        Self {
            upstream: config.name.as_str().into(),
            start_limit: config.start_limit,
            call_limit: config.call_limit,
            max_response_bytes: config.max_response_bytes,
        }
    }

    fn not_sent(&self, reason: NotSent) -> UpstreamError {
        UpstreamError::NotSent { upstream: self.upstream.to_string(), reason }
    }

    fn unknown(&self, call: CallId, reason: Lost) -> UpstreamError {
        UpstreamError::Unknown { upstream: self.upstream.to_string(), call, reason }
    }

    fn answered(&self, reason: Answered) -> UpstreamError {
        UpstreamError::Answered { upstream: self.upstream.to_string(), reason }
    }
}

/// Locks; a poisoned lock is taken over, since each critical section leaves its data whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

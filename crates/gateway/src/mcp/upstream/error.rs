//! How a call to a server can fail. The first question is always whether the server can have acted.

use std::time::Duration;

use serde_json::value::RawValue;

use super::CallId;
use crate::mcp::envelope::Fault;

/// A call that got no reply.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing of the request left us: the server cannot have acted.
    #[error("nothing was sent to upstream `{upstream}`: {reason}")]
    NotSent {
        /// The upstream's name.
        upstream: String,
        /// Why.
        reason: NotSent,
    },
    /// The request may have reached the server: whether it acted is unknown. A later answer comes as
    /// [`EventKind::LateAnswer`](super::EventKind::LateAnswer) with the same `call`.
    #[error("upstream `{upstream}` may have received the request and its outcome is unknown: {reason}")]
    Unknown {
        /// The upstream's name.
        upstream: String,
        /// The call.
        call: CallId,
        /// Why.
        reason: Lost,
    },
    /// The server answered with an error that is no reply to the request.
    #[error("upstream `{upstream}` answered with an error: {reason}")]
    Answered {
        /// The upstream's name.
        upstream: String,
        /// What it said.
        reason: Answered,
    },
}

impl UpstreamError {
    /// The upstream's name.
    pub fn upstream(&self) -> &str {
        match self {
            Self::NotSent { upstream, .. }
            | Self::Unknown { upstream, .. }
            | Self::Answered { upstream, .. } => upstream,
        }
    }

    /// When a call that was refused during backoff may be tried again, counted from the refusal.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotSent { reason: NotSent::Backoff { retry_after, .. }, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// Why nothing was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotSent {
    /// The configuration has no upstream of this name.
    #[error("the configuration has no upstream of this name")]
    NoSuchUpstream,
    /// The server did not start, or did not shake hands.
    #[error("{0}")]
    Start(StartFailure),
    /// The server failed lately and is not started again yet.
    #[error("it failed {failures} time(s) in a row ({last}); try again in {} ms", retry_after.as_millis())]
    Backoff {
        /// Failures in a row.
        failures: u32,
        /// What happened last.
        last: String,
        /// How long to wait.
        retry_after: Duration,
    },
    /// As many server processes run as are allowed, and none is idle.
    #[error("all {limit} server processes allowed are in use; try again later or raise the limit")]
    AtCapacity {
        /// The limit.
        limit: usize,
    },
    /// The connection had ended.
    #[error("the connection had ended: {0}")]
    Closed(CloseReason),
    /// The server's address could not be reached.
    #[error("the server could not be reached: {0}; check that it runs and its address is right")]
    Unreachable(String),
    /// The call was cancelled or ran out of time before the server took any of it.
    #[error("the server took no input before the call ended ({0})")]
    Withdrawn(String),
    /// We are stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

/// Why a server did not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartFailure {
    /// The program could not be run.
    #[error("its program could not be started: {0}; check `command` and the working directory")]
    Spawn(String),
    /// The configuration cannot work.
    #[error("its configuration cannot work: {0}")]
    Config(String),
    /// It did not answer `initialize` in time.
    #[error("it did not answer `initialize` within {} s; run its command by hand to see why", limit.as_secs())]
    TooSlow {
        /// The start limit.
        limit: Duration,
    },
    /// The process ended before it answered `initialize`.
    #[error(
        "its process ended before it answered `initialize` ({0}); its standard error is in the debug log"
    )]
    Ended(CloseReason),
    /// It refused `initialize` with a JSON-RPC error.
    #[error("it refused `initialize` with a JSON-RPC error")]
    Refused,
    /// It answered `initialize` with something that is no valid answer.
    #[error("its answer to `initialize` is not valid: {0}")]
    Invalid(String),
    /// It speaks only a version that we do not.
    #[error("it speaks protocol version {0:?}, which this gateway does not")]
    Version(String),
    /// The endpoint answered with an HTTP error.
    #[error("its endpoint answered `initialize` with HTTP status {0}; check its address and credentials")]
    Status(u16),
    /// The endpoint could not be reached.
    #[error("it could not be reached: {0}; check that it runs and its address is right")]
    Unreachable(String),
}

/// Why the outcome of a request that may have been sent is unknown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    /// No answer came within the call limit.
    #[error("no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The call was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// The connection ended before the answer.
    #[error("the connection ended before the answer ({0})")]
    Connection(CloseReason),
    /// The answer is no valid message.
    #[error("its answer cannot be used: {0}")]
    BadAnswer(Box<Fault>),
    /// The answer broke the transport's rules.
    #[error("its answer cannot be used: {0}")]
    BadTransport(String),
    /// A server in between said that it got no good answer.
    #[error("a gateway in front of it answered with HTTP status {0}")]
    Gateway(u16),
}

/// An error that the server gave instead of a reply.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Answered {
    /// An HTTP error status without a JSON-RPC answer.
    #[error("HTTP status {0}")]
    Status(u16),
    /// A JSON-RPC error where a result was needed; its exact text.
    #[error("a JSON-RPC error")]
    Rpc(Box<RawValue>),
    /// A result that is not what the method's result must be.
    #[error("a result that breaks the protocol: {0}")]
    Invalid(String),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The server closed its output.
    #[error("the server closed its output")]
    Ended,
    /// The server's process ended.
    #[error("the server's process ended, {0}")]
    Exited(String),
    /// A message was longer than the limit.
    #[error("the server sent a message of more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server sent more that nobody asked for than is allowed.
    #[error("the server sent too many messages that nobody asked for")]
    Flood,
    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// We closed it.
    #[error("it was closed")]
    Stopped,
}

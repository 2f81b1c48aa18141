//! What a message from a server means to us, whatever the transport.

use serde_json::value::RawValue;

use super::{Answer, Reply};
use crate::mcp::envelope::{self, Fault, Id, IdKey, Message, Outcome, Peer, members};

/// A message from a server.
#[derive(Debug)]
pub(super) enum Incoming<'a> {
    /// An answer.
    Answer { id: Id<'a>, reply: Reply },
    /// `ping`: to be answered.
    Ping { id: Id<'a> },
    /// Any other request: to be refused, since we declare no capabilities.
    Asked { id: Id<'a>, method: String },
    /// Progress of the request whose progress token this is.
    Progress { token: Option<u64>, params: &'a RawValue },
    /// A log entry.
    Log { params: &'a RawValue },
    /// The tools changed.
    ToolsChanged,
    /// The server gave up a request of its own, which we refused anyway.
    Cancelled,
    /// Any other notification.
    Other { method: String },
}

/// The method that tells a server that a request is given up.
pub(super) const CANCELLED: &str = "notifications/cancelled";

pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Incoming<'_>, Fault> {
    Ok(match envelope::parse(bytes, Peer::Server, limit)? {
        Message::Response { id, outcome } => Incoming::Answer { id, reply: reply(outcome) },
        Message::Request { id, method, .. } if method == "ping" => Incoming::Ping { id },
        Message::Request { id, method, .. } => Incoming::Asked { id, method: method.into_owned() },
        Message::Notification { method, params } => match (method.as_ref(), params) {
            ("notifications/progress", Some(params)) => {
                Incoming::Progress { token: our_token(params), params }
            }
            ("notifications/message", Some(params)) => Incoming::Log { params },
            ("notifications/tools/list_changed", _) => Incoming::ToolsChanged,
            (CANCELLED, _) => Incoming::Cancelled,
            _ => Incoming::Other { method: method.into_owned() },
        },
    })
}

/// The number of the request that an answer's id names, when it can be one of ours.
pub(super) fn our_id(id: &Id<'_>) -> Option<u64> {
    match id.key() {
        IdKey::Number(number) => u64::try_from(*number).ok(),
        IdKey::Text(_) => None,
    }
}

/// The answer to a server's `ping`.
pub(super) fn pong(id: &Id<'_>) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}", id.raw().get()).into_bytes()
}

/// The answer to any other request of a server.
pub(super) fn refusal(id: &Id<'_>) -> Vec<u8> {
    envelope::error(Some(id.raw()), -32601, "this client offers no capabilities to servers", None)
}

/// The notice that a request of ours is given up.
pub(super) fn cancelled(id: u64, reason: &str) -> Vec<u8> {
    let params = serde_json::json!({ "requestId": id, "reason": reason }).to_string();
    envelope::notification(CANCELLED, RawValue::from_string(params).ok().as_deref())
}

/// A call's request under the number `id`, and the caller's own progress token where it had one.
pub(super) fn outgoing(id: u64, method: &str, params: Option<&RawValue>) -> (Vec<u8>, Option<Box<RawValue>>) {
    match params.and_then(|params| envelope::swap_progress_token(params, &id.to_string())) {
        Some((params, token)) => (envelope::request(id, method, Some(&params)), Some(token)),
        None => (envelope::request(id, method, params), None),
    }
}

fn reply(outcome: Outcome<'_>) -> Reply {
    match outcome {
        Outcome::Result(body) => Reply { answer: Answer::Result, body: body.to_owned() },
        Outcome::Error(body) => Reply { answer: Answer::Error, body: body.to_owned() },
    }
}

fn our_token(params: &RawValue) -> Option<u64> {
    members::of(params)?.get("progressToken")?.get().parse().ok()
}

//! `initialize`, and the listing of tools: what every connection does in the same way.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::{
    Answer, Answered, Call, Connection, ConnectionLimits, NotSent, Reply, StartFailure, UpstreamError,
};
use crate::mcp::envelope::members;

/// The protocol versions we speak to servers, newest first; the first is the one we offer.
pub const PROTOCOL_VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What a server said of itself in the handshake.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// The protocol version that it chose, one of [`PROTOCOL_VERSIONS`].
    pub protocol_version: &'static str,
    /// The exact text of its whole answer: `serverInfo`, `capabilities`, `instructions`.
    pub initialize: Box<RawValue>,
}

pub(super) const INITIALIZE: &str = "initialize";
pub(super) const INITIALIZED: &str = "notifications/initialized";

const MAX_PAGES: usize = 64;
const MAX_TOOLS: usize = 4096;

/// The parameters of our `initialize`.
pub(super) fn offer() -> Option<Box<RawValue>> {
    let offer = serde_json::json!({
        "protocolVersion": PROTOCOL_VERSIONS.first(),
        "capabilities": {},
        "clientInfo": { "name": "countersign", "version": env!("CARGO_PKG_VERSION") },
    });
    RawValue::from_string(offer.to_string()).ok()
}

/// Judges a server's answer to `initialize`.
pub(super) fn accept(reply: Reply) -> Result<ServerInfo, StartFailure> {
    if reply.answer == Answer::Error {
        return Err(StartFailure::Refused);
    }
    let version = members::of(&reply.body)
        .and_then(|result| {
            result.get("protocolVersion").and_then(members::text).map(|text| text.into_owned())
        })
        .ok_or_else(|| StartFailure::Invalid("it names no protocol version".to_owned()))?;
    match PROTOCOL_VERSIONS.iter().find(|known| **known == version) {
        Some(known) => Ok(ServerInfo { protocol_version: known, initialize: reply.body }),
        None => Err(StartFailure::Version(super::event::cut(&version))),
    }
}

/// Follows the pages of `tools/list`; refuses more than 64 pages, 4,096 tools, four times the longest message
/// in bytes, a cursor that comes back, or a listing that takes longer than a call may.
pub(super) async fn list_tools(connection: &Connection) -> Result<Vec<Box<RawValue>>, UpstreamError> {
    let limits = connection.limits();
    let withdrawn =
        || NotSent::Withdrawn(format!("the list of tools took over {} ms", limits.call_limit.as_millis()));
    match tokio::time::timeout(limits.call_limit, list_pages(connection, limits)).await {
        Ok(tools) => tools,
        Err(_) => Err(limits.not_sent(withdrawn())),
    }
}

async fn list_pages(
    connection: &Connection,
    limits: &ConnectionLimits,
) -> Result<Vec<Box<RawValue>>, UpstreamError> {
    let invalid = |problem: &str| limits.answered(Answered::Invalid(problem.to_owned()));
    let mut tools: Vec<Box<RawValue>> = Vec::new();
    let mut bytes = 0;
    let mut cursors = HashSet::new();
    let mut params: Option<Box<RawValue>> = None;
    for _ in 0..MAX_PAGES {
        let reply = connection.call(Call::new("tools/list", params.as_deref())).await?;
        if reply.answer == Answer::Error {
            return Err(limits.answered(Answered::Rpc(reply.body)));
        }
        let page: Page<'_> = serde_json::from_str(reply.body.get())
            .map_err(|_| invalid("the list of tools has no array `tools`"))?;
        bytes += reply.body.get().len();
        if tools.len() + page.tools.len() > MAX_TOOLS || bytes > limits.max_response_bytes.saturating_mul(4) {
            return Err(invalid("the list of tools is too long"));
        }
        if page.tools.iter().any(|tool| !members::is_object(tool)) {
            return Err(invalid("a tool in the list is not an object"));
        }
        tools.extend(page.tools.into_iter().map(ToOwned::to_owned));
        let Some(cursor) = page.next_cursor else { return Ok(tools) };
        params = RawValue::from_string(serde_json::json!({ "cursor": cursor }).to_string()).ok();
        if !cursors.insert(cursor) {
            return Err(invalid("the list of tools comes back to a page that was read"));
        }
    }
    Err(invalid("the list of tools has too many pages"))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

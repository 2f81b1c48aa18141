//! One message in, one answer out: the closed list of methods, whatever the transport.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use countersign_core::action::Arguments;
use countersign_core::decision::Step;
use countersign_core::names::SessionId;
use countersign_engine::{Caller, Submission};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::{Ended, Incoming};
use super::{Gateway, Notices, Route, answer, locked, raw};
use crate::mcp::envelope::{self, Fault, Id, IdKey, Message, ToolCall};

/// Protocol versions spoken with clients, oldest first.
pub const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// JSON-RPC: the method does not exist, or is not let through.
const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: the request is not one we can take.
const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC: something of ours failed.
pub(super) const INTERNAL: i64 = -32603;

/// What is sent back.
#[derive(Debug)]
pub enum Back {
    /// This message.
    Answer(Vec<u8>),
    /// Nothing: the message wanted no answer and was taken.
    Taken,
    /// Nothing: the client cancelled.
    Cancelled,
    /// This error: the message was refused as a whole.
    Refused(Vec<u8>),
}

/// Who sent a message, where it came in, and what is in flight there.
pub struct Client<'a> {
    /// Where it came in.
    pub route: &'a Route,
    /// Who.
    pub caller: &'a Caller,
    /// In which session of ours.
    pub session: &'a SessionId,
    /// Requests in flight of the same transport session; `None` where requests cannot be told apart by it.
    pub in_flight: Option<&'a InFlight>,
    /// Where notices go while a request is answered.
    pub notices: Option<Notices>,
}

/// Requests in flight of one transport session, by id.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<IdKey, CancellationToken>>>);

/// A request in flight; its id is free again when this is dropped.
struct Flight {
    table: Option<(InFlight, IdKey)>,
    cancelled: CancellationToken,
}

impl InFlight {
    /// Takes an id; `None` when it is in flight already.
    fn take(&self, id: &IdKey) -> Option<Flight> {
        let cancelled = CancellationToken::new();
        let mut table = locked(&self.0);
        if table.contains_key(id) {
            return None;
        }
        table.insert(id.clone(), cancelled.clone());
        Some(Flight { table: Some((self.clone(), id.clone())), cancelled })
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }

    fn cancel(&self, id: &IdKey) {
        if let Some(token) = locked(&self.0).get(id) {
            token.cancel();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some((table, id)) = &self.table {
            locked(&table.0).remove(id);
        }
    }
}

impl Gateway {
    /// Answers one message.
    pub async fn dispatch(&self, client: Client<'_>, message: Message<'_>) -> Back {
        match message {
            Message::Request { id, method, params } => self.request(client, &id, &method, params).await,
            Message::Notification { method, params } => self.notification(&client, &method, params).await,
            Message::Response { .. } => {
                let reason = "the client answers a request that was not sent to it";
                self.refuse_message(&client, "answer", None, reason).await
            }
        }
    }

    /// Refuses a message that could not be read, on record.
    pub async fn refuse_fault(&self, client: &Client<'_>, fault: &Fault) -> Back {
        let data = self.refused_data(client, "message", None, &fault.to_string()).await;
        Back::Refused(fault.answer_with(Some(&data)))
    }

    async fn request(
        &self,
        client: Client<'_>,
        id: &Id<'_>,
        method: &str,
        params: Option<&RawValue>,
    ) -> Back {
        let flight = match client.in_flight {
            Some(in_flight) => in_flight.take(id.key()),
            None => Some(Flight { table: None, cancelled: CancellationToken::new() }),
        };
        let Some(flight) = flight else {
            let reason = "a request with this id is in flight already";
            let data = self.refused_data(&client, method, params, reason).await;
            return Back::Answer(envelope::error(Some(id.raw()), INVALID_REQUEST, reason, Some(&data)));
        };
        match method {
            "initialize" => Back::Answer(envelope::result(id.raw(), &initialize_result(params))),
            "ping" => Back::Answer(envelope::result(id.raw(), &raw(&json!({})))),
            // Newer clients ask this first and fall back to `initialize` on this very error.
            "server/discover" => {
                let text = "this server speaks protocol versions up to 2025-11-25; send initialize";
                Back::Answer(envelope::error(Some(id.raw()), METHOD_NOT_FOUND, text, None))
            }
            "tools/list" => self.tools_list(&client, id).await,
            "tools/call" => self.tools_call(client, id, params, &flight).await,
            other => {
                let reason = "this method is not let through";
                let data = self.refused_data(&client, other, params, reason).await;
                Back::Answer(envelope::error(Some(id.raw()), METHOD_NOT_FOUND, reason, Some(&data)))
            }
        }
    }

    async fn tools_list(&self, client: &Client<'_>, id: &Id<'_>) -> Back {
        Back::Answer(match self.list(client.route, client.caller, client.session).await {
            Ok(list) => envelope::result(id.raw(), &list),
            Err(reason) => envelope::error(Some(id.raw()), INTERNAL, &reason, None),
        })
    }

    async fn tools_call(
        &self,
        client: Client<'_>,
        id: &Id<'_>,
        params: Option<&RawValue>,
        flight: &Flight,
    ) -> Back {
        let (call, token) = match read_call(params) {
            Ok(read) => read,
            Err(fault) => {
                let reason = fault.to_string();
                let data = self.refused_data(&client, "tools/call", params, &reason).await;
                return Back::Answer(envelope::error(Some(id.raw()), fault.code(), &reason, Some(&data)));
            }
        };
        let Some(params) = params else { return Back::Taken };
        let incoming = Incoming {
            route: client.route,
            caller: client.caller,
            session: client.session,
            params,
            call,
            progress: client.notices.zip(token),
            cancelled: flight.cancelled.clone(),
        };
        match Box::pin(self.call(incoming)).await {
            Ended::Result(result) => Back::Answer(envelope::result(id.raw(), &result)),
            Ended::Error(error) => Back::Answer(envelope::error_body(id.raw(), &error)),
            Ended::Cancelled => Back::Cancelled,
        }
    }

    async fn notification(&self, client: &Client<'_>, method: &str, params: Option<&RawValue>) -> Back {
        match method {
            "notifications/initialized" | "notifications/progress" => Back::Taken,
            "notifications/cancelled" => {
                if let (Some(in_flight), Some(id)) = (client.in_flight, cancelled_id(params)) {
                    in_flight.cancel(&id);
                }
                Back::Taken
            }
            other => {
                let reason = "this notification is not let through; a request needs an id";
                self.refuse_message(client, other, params, reason).await
            }
        }
    }

    /// Refuses a message as a whole, on record.
    pub(super) async fn refuse_message(
        &self,
        client: &Client<'_>,
        method: &str,
        params: Option<&RawValue>,
        reason: &str,
    ) -> Back {
        let data = self.refused_data(client, method, params, reason).await;
        Back::Refused(envelope::error(None, INVALID_REQUEST, reason, Some(&data)))
    }

    /// Puts a refusal on record and gives what the error's `data` says of it.
    async fn refused_data(
        &self,
        client: &Client<'_>,
        method: &str,
        params: Option<&RawValue>,
        reason: &str,
    ) -> Box<RawValue> {
        let text = params.map_or("{}", RawValue::get);
        let Some(arguments) = Arguments::parse(text).or_else(|_| Arguments::parse("{}")).ok() else {
            return raw(&Value::Null);
        };
        let tool = client.route.method(method);
        let submission = Submission {
            session: client.session.clone(),
            caller: client.caller.clone(),
            contract: Arc::default(),
            tool,
            original: None,
            arguments,
            depends_on: Vec::new(),
        };
        let refusal = self.engine().refuse(submission, Step::Protocol, reason).await;
        let receipt = refusal.receipt.as_ref().map(answer::receipt_json);
        raw(&json!({ answer::META: { "decision": "DENY", "reason": &*refusal.reason, "receipt": receipt } }))
    }
}

fn read_call<'a>(params: Option<&'a RawValue>) -> Result<(ToolCall<'a>, Option<Box<RawValue>>), Fault> {
    let call = ToolCall::read(params)?;
    let token = envelope::progress_token(params, envelope::Peer::Client)?.map(ToOwned::to_owned);
    Ok((call, token))
}

/// What the gateway says of itself: tools, and nothing else.
fn initialize_result(params: Option<&RawValue>) -> Box<RawValue> {
    let asked: Option<Value> = params.and_then(|params| serde_json::from_str(params.get()).ok());
    let asked = asked.as_ref().and_then(|params| params.get("protocolVersion")).and_then(Value::as_str);
    let version = asked.filter(|version| VERSIONS.contains(version)).unwrap_or(VERSIONS[VERSIONS.len() - 1]);
    raw(&json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "countersign", "version": env!("CARGO_PKG_VERSION") },
    }))
}

fn cancelled_id(params: Option<&RawValue>) -> Option<IdKey> {
    #[derive(serde::Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
    }
    let cancelled: Cancelled<'_> = serde_json::from_str(params?.get()).ok()?;
    Id::read(cancelled.request_id).map(|id| id.key().clone())
}

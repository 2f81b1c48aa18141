//! JSON-RPC messages as MCP uses them, read over borrowed bytes.
//!
//! Two parsers that read one message differently are a hole: what was judged is then not what runs. So a
//! message is accepted only if there is nothing left to disagree about. [`parse`] makes one strict pass over
//! the bytes (`scan`: syntax, duplicate keys at any depth, surrogates, number range, depth), then takes the
//! members of the envelope as borrowed slices of the original text. Nothing is re-serialised unless it is
//! changed (`write`).
//!
//! | part | what it holds |
//! |---|---|
//! | this file | [`parse`], [`Message`], [`Id`], [`ToolCall`] |
//! | `fault` | [`Fault`]: why a message was refused, who erred, where |
//! | `scan` | the strict pass |
//! | `members` | one object's members as borrowed text |
//! | `write` | requests, answers, notices, and [`rewrite_call`] |

mod fault;
pub(crate) mod members;
mod scan;
mod write;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use fault::{Fault, FaultKind, Peer};
use members::Members;
pub(crate) use write::restore_progress_token;
pub use write::{
    error, error_body, notification, one_line, request, result, rewrite_call, rewrite_params,
    swap_progress_token,
};

/// The size of a message body that is accepted unless the configuration says otherwise: 4 MiB.
pub const DEFAULT_LIMIT: usize = 4 * 1024 * 1024;

/// The greatest magnitude of an integer id: 2^53 - 1, the last integer that every JSON reader keeps exactly.
pub const MAX_ID: i64 = (1 << 53) - 1;

const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
const CALL: &[&str] = &["name", "arguments", "_meta"];

/// Reads one message that `from` sent; refuses bodies over `limit` bytes and whatever two readers could read
/// differently. Runs in time linear in the body's length.
pub fn parse(bytes: &[u8], from: Peer, limit: usize) -> Result<Message<'_>, Fault> {
    if bytes.len() > limit {
        return Err(Fault::new(FaultKind::TooLarge { limit }, from));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Fault::new(FaultKind::NotUtf8, from).at_offset(error.valid_up_to()))?;
    match text.trim_start_matches([' ', '\t', '\n', '\r']).bytes().next() {
        Some(b'[') => return Err(Fault::new(FaultKind::Batch, from)),
        Some(b'{') => {}
        _ if text.starts_with('\u{feff}') => {
            return Err(Fault::new(FaultKind::ByteOrderMark, from).at_offset(0));
        }
        _ => {
            scan::check(text).map_err(|flaw| flaw.into_fault(from))?;
            return Err(Fault::new(FaultKind::NotAnObject, from));
        }
    }
    scan::check(text).map_err(|flaw| flaw.into_fault(from))?;
    let members: Members<'_> = serde_json::from_str(text).map_err(|_| Fault::new(FaultKind::Syntax, from))?;
    Envelope { members, from }.message()
}

/// One message: a request that wants an answer, a notification that wants none, or an answer.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A call that the sender wants answered.
    Request {
        /// The sender's id, its bytes kept exactly.
        id: Id<'a>,
        /// The method's name, decoded.
        method: Cow<'a, str>,
        /// The parameters, an object; absent when absent or `null`.
        params: Option<&'a RawValue>,
    },
    /// A message that wants no answer.
    Notification {
        /// The method's name, decoded.
        method: Cow<'a, str>,
        /// The parameters, an object; absent when absent or `null`.
        params: Option<&'a RawValue>,
    },
    /// An answer to a request of the other side.
    Response {
        /// The id of the request that is answered.
        id: Id<'a>,
        /// What the answer says.
        outcome: Outcome<'a>,
    },
}

/// What an answer carries.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The exact text of `result`, any JSON value.
    Result(&'a RawValue),
    /// The exact text of `error`, an object with an integer `code` and a string `message`.
    Error(&'a RawValue),
}

/// A request id: its exact bytes for the answer, and what it means for comparisons.
#[derive(Debug, Clone)]
pub struct Id<'a> {
    raw: &'a RawValue,
    key: IdKey,
}

/// What an id means: two spellings of one string are the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKey {
    /// An integer within 2^53.
    Number(i64),
    /// A string, decoded.
    Text(String),
}

impl<'a> Id<'a> {
    /// The id as it was written.
    pub fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// What the id means: the key for tables of requests in flight.
    pub fn key(&self) -> &IdKey {
        &self.key
    }

    /// Reads an id; `None` for anything but a string or an integer within 2^53.
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        let key = if raw.get().starts_with('"') {
            IdKey::Text(members::text(raw)?.into_owned())
        } else {
            IdKey::Number(raw.get().parse().ok().filter(|number: &i64| number.abs() <= MAX_ID)?)
        };
        Some(Self { raw, key })
    }
}

/// The parameters of a `tools/call`, each as the exact text that was sent.
#[derive(Debug, Clone)]
pub struct ToolCall<'a> {
    /// The tool's name, decoded, not empty.
    pub name: Cow<'a, str>,
    /// The exact text of `arguments`, an object; `{}` when absent.
    pub arguments: &'a RawValue,
    /// The exact text of `_meta`, an object.
    pub meta: Option<&'a RawValue>,
}

impl<'a> ToolCall<'a> {
    /// Takes a client's `tools/call` parameters apart; refuses wrong types and names that only look like the
    /// protocol's (`Name`), since servers that fold case would read them as the real ones.
    pub fn read(params: Option<&'a RawValue>) -> Result<Self, Fault> {
        let fault = |kind, pointer: &str| Fault::new(kind, Peer::Client).at(pointer);
        let params = params.ok_or_else(|| fault(FaultKind::Params("must be an object"), "/params"))?;
        let members: Members<'_> = serde_json::from_str(params.get())
            .map_err(|_| fault(FaultKind::Params("must be an object"), "/params"))?;
        if let Some(key) = members.lookalike(CALL) {
            return Err(Fault::new(FaultKind::Lookalike, Peer::Client).at_key("/params", key));
        }
        let name =
            members.get("name").and_then(members::text).filter(|name| !name.is_empty()).ok_or_else(|| {
                fault(FaultKind::Params("must be a string that is not empty"), "/params/name")
            })?;
        let arguments = match members.get("arguments") {
            Some(raw) if members::is_object(raw) => raw,
            Some(_) => return Err(fault(FaultKind::Params("must be an object"), "/params/arguments")),
            None => serde_json::from_str("{}").map_err(|_| fault(FaultKind::Syntax, "/params/arguments"))?,
        };
        let meta = members.get("_meta");
        if meta.is_some_and(|raw| !members::is_object(raw)) {
            return Err(fault(FaultKind::Params("must be an object"), "/params/_meta"));
        }
        Ok(Self { name, arguments, meta })
    }
}

/// The exact text of `_meta.progressToken` in a request's parameters; a fault when it is neither a string nor
/// an integer within 2^53.
pub fn progress_token(params: Option<&RawValue>, from: Peer) -> Result<Option<&RawValue>, Fault> {
    let member = |raw, name| members::of(raw).and_then(|members| members.get(name));
    match params.and_then(|raw| member(raw, "_meta")).and_then(|raw| member(raw, "progressToken")) {
        Some(raw) if Id::read(raw).is_none() => {
            Err(Fault::new(FaultKind::Params("must be a string or an integer within 2^53"), from)
                .at("/params/_meta/progressToken"))
        }
        other => Ok(other),
    }
}

/// The number of the request that a refused answer was for, when that can be told: an answer that cannot be
/// used ends its call at once instead of at its time limit.
pub(crate) fn salvage_answer_id(bytes: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Salvage {
        id: u64,
        method: Option<serde::de::IgnoredAny>,
    }
    let found: Salvage = serde_json::from_slice(bytes).ok()?;
    found.method.is_none().then_some(found.id)
}

struct Envelope<'a> {
    members: Members<'a>,
    from: Peer,
}

impl<'a> Envelope<'a> {
    fn message(&self) -> Result<Message<'a>, Fault> {
        if let Some(key) = self.members.lookalike(ENVELOPE) {
            return Err(self.fault(FaultKind::Lookalike).at_key("", key));
        }
        if self.members.get("jsonrpc").and_then(members::text).as_deref() != Some("2.0") {
            return Err(self.fault(FaultKind::Version).at("/jsonrpc"));
        }
        let id = match self.members.get("id") {
            Some(raw) => Some(Id::read(raw).ok_or_else(|| self.fault(FaultKind::Id).at("/id"))?),
            None => None,
        };
        let (result, error) = (self.members.get("result"), self.members.get("error"));
        match self.members.get("method") {
            Some(_) if result.is_some() || error.is_some() => {
                Err(self.about(FaultKind::Shape("is a request and an answer at once"), id.as_ref()))
            }
            Some(method) => self.call(id, method),
            None => self.answer(id, result, error),
        }
    }

    fn call(&self, id: Option<Id<'a>>, method: &'a RawValue) -> Result<Message<'a>, Fault> {
        let method = members::text(method).ok_or_else(|| {
            self.about(FaultKind::Shape("has a method that is not a string"), id.as_ref()).at("/method")
        })?;
        let params = match self.members.get("params") {
            Some(raw) if members::is_object(raw) => Some(raw),
            Some(raw) if raw.get() != "null" => {
                return Err(self.about(FaultKind::Params("must be an object"), id.as_ref()).at("/params"));
            }
            _ => None,
        };
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { method, params },
        })
    }

    fn answer(
        &self,
        id: Option<Id<'a>>,
        result: Option<&'a RawValue>,
        error: Option<&'a RawValue>,
    ) -> Result<Message<'a>, Fault> {
        let id = id.ok_or_else(|| self.fault(FaultKind::Shape("has neither a method nor an id")))?;
        let outcome = match (result, error) {
            (Some(result), None) => Outcome::Result(result),
            (None, Some(error)) if is_error(error) => Outcome::Error(error),
            (None, Some(_)) => {
                return Err(self
                    .fault(FaultKind::Shape("has an error without an integer code and a string message"))
                    .at("/error"));
            }
            (Some(_), Some(_)) => return Err(self.fault(FaultKind::Shape("has a result and an error"))),
            (None, None) => {
                return Err(self.fault(FaultKind::Shape("has no method, no result and no error")));
            }
        };
        if self.members.get("params").is_some() {
            return Err(self.fault(FaultKind::Shape("is an answer with parameters")).at("/params"));
        }
        Ok(Message::Response { id, outcome })
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault::new(kind, self.from)
    }

    fn about(&self, kind: FaultKind, id: Option<&Id<'_>>) -> Fault {
        let fault = self.fault(kind);
        match id {
            Some(id) => fault.about(id.raw),
            None => fault,
        }
    }
}

fn is_error(raw: &RawValue) -> bool {
    let Some(members) = members::of(raw) else { return false };
    let code = members.get("code").is_some_and(|code| code.get().parse::<i64>().is_ok());
    code && members.get("message").and_then(members::text).is_some()
}

/// Equal when they mean the same and carry the same bytes.
impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        let text = |raw: &Option<&RawValue>| raw.map(|raw| raw.get().to_owned());
        match (self, other) {
            (
                Self::Request { id, method, params },
                Self::Request { id: other_id, method: other_method, params: other_params },
            ) => id == other_id && method == other_method && text(params) == text(other_params),
            (
                Self::Notification { method, params },
                Self::Notification { method: other_method, params: other_params },
            ) => method == other_method && text(params) == text(other_params),
            (Self::Response { id, outcome }, Self::Response { id: other_id, outcome: other }) => {
                id == other_id && outcome == other
            }
            _ => false,
        }
    }
}

/// Equal when both are results, or both are errors, with the same bytes.
impl PartialEq for Outcome<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Result(one), Self::Result(two)) | (Self::Error(one), Self::Error(two)) => {
                one.get() == two.get()
            }
            _ => false,
        }
    }
}

/// Equal when they mean the same, however they are spelt.
impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

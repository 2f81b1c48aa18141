//! Why a message was refused: who erred, where, and what JSON-RPC calls it. A fault names places, never
//! values.

use std::fmt;

use serde_json::value::RawValue;

/// Which side sent the message, and so which side erred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The client: an agent or its host.
    Client,
    /// The server: an upstream.
    Server,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The body is longer than the limit, in bytes.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is not UTF-8.
    NotUtf8,
    /// The body starts with a byte order mark.
    ByteOrderMark,
    /// The body is not one JSON value.
    Syntax,
    /// Something follows the first JSON value.
    Trailing,
    /// Arrays and objects are nested deeper than 127.
    TooDeep,
    /// A string has half a surrogate pair.
    LoneSurrogate,
    /// A number is outside the range of a 64-bit float.
    NumberRange,
    /// An object has a key twice.
    DuplicateKey,
    /// A key differs from one of the protocol's only by case.
    Lookalike,
    /// The body is an array of messages.
    Batch,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// `jsonrpc` is not `"2.0"`.
    Version,
    /// The id is neither a string nor an integer within 2^53.
    Id,
    /// The members do not make a request, a notification or an answer; the text says why.
    Shape(&'static str),
    /// A parameter has the wrong type; the text says what it must be.
    Params(&'static str),
}

/// A refused message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Who sent the message.
    pub from: Peer,
    /// Where, as a JSON pointer into the message; empty for the whole, long ones are cut.
    pub pointer: String,
    /// Where, in bytes from the start.
    pub offset: Option<usize>,
    /// The exact text of the message's id, where it could be read.
    pub id: Option<String>,
}

/// Pointers are for people; a hostile key may be as long as the body.
const POINTER_LIMIT: usize = 256;

impl Fault {
    pub(super) fn new(kind: FaultKind, from: Peer) -> Self {
        Self { kind, from, pointer: String::new(), offset: None, id: None }
    }

    pub(super) fn at(mut self, pointer: &str) -> Self {
        pointer.clone_into(&mut self.pointer);
        self
    }

    pub(super) fn at_key(mut self, parent: &str, key: &str) -> Self {
        self.pointer = parent.to_owned();
        push_key(&mut self.pointer, key);
        self
    }

    pub(super) fn at_offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(super) fn about(mut self, id: &RawValue) -> Self {
        self.id = Some(id.get().to_owned());
        self
    }

    /// The JSON-RPC error code: -32700 for what is not JSON, -32602 for wrong parameters, -32600 for the
    /// rest.
    pub fn code(&self) -> i64 {
        match self.kind {
            FaultKind::NotUtf8
            | FaultKind::ByteOrderMark
            | FaultKind::Syntax
            | FaultKind::Trailing
            | FaultKind::TooDeep
            | FaultKind::LoneSurrogate
            | FaultKind::NumberRange => -32700,
            FaultKind::Params(_) => -32602,
            _ => -32600,
        }
    }

    /// The JSON-RPC error that answers the message, with its id where that could be read, else `null`.
    pub fn answer(&self) -> Vec<u8> {
        self.answer_with(None)
    }

    /// The same, with `data` beside its message.
    pub fn answer_with(&self, data: Option<&RawValue>) -> Vec<u8> {
        let id = self.id.as_deref().and_then(|id| serde_json::from_str::<&RawValue>(id).ok());
        super::error(id, self.code(), &self.to_string(), data)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.from {
            Peer::Client => "the client's message",
            Peer::Server => "the server's message",
        };
        match self.kind {
            FaultKind::Params(rule) => write!(out, "{who} has a wrong parameter: it {rule}")?,
            kind => write!(out, "{who} {}", describe(kind))?,
        }
        if !self.pointer.is_empty() {
            write!(out, ", at {}", self.pointer)?;
        }
        if let Some(offset) = self.offset {
            write!(out, " (byte {offset})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// Appends one reference token to a JSON pointer, escaped, made printable and cut at the pointer's limit.
pub(super) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        if pointer.len() >= POINTER_LIMIT {
            pointer.push('…');
            return;
        }
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            plain if plain.is_control() => pointer.push('\u{fffd}'),
            plain => pointer.push(plain),
        }
    }
}

fn describe(kind: FaultKind) -> String {
    match kind {
        FaultKind::TooLarge { limit } => format!("is longer than the limit of {limit} bytes"),
        FaultKind::NotUtf8 => "is not UTF-8".to_owned(),
        FaultKind::ByteOrderMark => "starts with a byte order mark; send plain UTF-8".to_owned(),
        FaultKind::Syntax => "is not valid JSON".to_owned(),
        FaultKind::Trailing => "has something after its end; send one message at a time".to_owned(),
        FaultKind::TooDeep => format!("is nested deeper than {}", super::scan::MAX_DEPTH),
        FaultKind::LoneSurrogate => "has half a surrogate pair in a string".to_owned(),
        FaultKind::NumberRange => "has a number outside the range of a 64-bit float".to_owned(),
        FaultKind::DuplicateKey => "has a key twice in one object".to_owned(),
        FaultKind::Lookalike => "has a key that differs from the protocol's only by case".to_owned(),
        FaultKind::Batch => "is a batch; send one message at a time".to_owned(),
        FaultKind::NotAnObject => "is not a JSON object".to_owned(),
        FaultKind::Version => "does not say jsonrpc \"2.0\"".to_owned(),
        FaultKind::Id => "has an id that is neither a string nor an integer within 2^53".to_owned(),
        FaultKind::Shape(what) => what.to_owned(),
        FaultKind::Params(rule) => rule.to_owned(),
    }
}

//! Server-sent events: an encoder, and an incremental parser that enforces a size.
//!
//! The parser is ours because the crates for it buffer an event without bound; it follows the WHATWG rules
//! for lines, fields, comments and ids, but hands `data` on as bytes so that the envelope parser judges the
//! encoding.

use std::time::Duration;

/// A comment line that keeps idle connections open.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// One event to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// The event's id; line breaks and NUL are left out.
    pub id: Option<&'a str>,
    /// The event's type, `message` when absent; line breaks are left out.
    pub name: Option<&'a str>,
    /// How long the client is to wait before it reconnects.
    pub retry: Option<Duration>,
    /// The payload; each line becomes a `data` line.
    pub data: &'a [u8],
}

impl Event<'_> {
    /// The event's bytes, with the empty line that ends it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len() + 64);
        if let Some(name) = self.name {
            field(&mut out, "event", name.as_bytes());
        }
        if let Some(id) = self.id {
            field(&mut out, "id", id.as_bytes());
        }
        if let Some(retry) = self.retry {
            field(&mut out, "retry", retry.as_millis().to_string().as_bytes());
        }
        let mut rest = self.data;
        loop {
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            field(&mut out, "data", rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            let Some(end) = end else { break };
            let width = if rest.get(end..).unwrap_or_default().starts_with(b"\r\n") { 2 } else { 1 };
            rest = rest.get(end + width..).unwrap_or_default();
        }
        out.push(b'\n');
        out
    }
}

/// One event that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The event's type, `message` when the sender gave none.
    pub name: String,
    /// The payload, lines joined by a line feed.
    pub data: Vec<u8>,
}

/// An event was longer than allowed; the parser takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event in the stream is longer than {limit} bytes")]
pub struct EventTooLarge {
    /// The limit, in bytes.
    pub limit: usize,
}

/// Reads a stream of events piece by piece; keeps at most one unfinished event.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    line: Vec<u8>,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    last_id: Option<String>,
    retry: Option<Duration>,
    after_return: bool,
    first_line: bool,
    failed: bool,
}

impl Parser {
    /// A parser that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            name: String::new(),
            data: Vec::new(),
            has_data: false,
            last_id: None,
            retry: None,
            after_return: false,
            first_line: true,
            failed: false,
        }
    }

    /// Takes the next bytes and appends the events that they complete.
    pub fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Received>) -> Result<(), EventTooLarge> {
        if self.failed {
            return Err(EventTooLarge { limit: self.limit });
        }
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            if self.line.len() + self.data.len() + part.len() > self.limit {
                self.failed = true;
                self.line = Vec::new();
                self.data = Vec::new();
                return Err(EventTooLarge { limit: self.limit });
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_return = bytes.get(end) == Some(&b'\r');
            bytes = bytes.get(end + 1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line));
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    /// The last id that the stream gave: what a reconnection names.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the server asked us to wait before a reconnection.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Starts over on a new connection: drops the unfinished event, keeps the last id and the wait.
    pub fn reconnect(&mut self) {
        let fresh = Self::new(self.limit);
        let old = std::mem::replace(self, fresh);
        self.last_id = old.last_id;
        self.retry = old.retry;
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Received> {
        let line = match std::mem::take(&mut self.first_line) {
            true => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return None,
            Some(colon) => {
                let value = line.get(colon + 1..).unwrap_or_default();
                (line.get(..colon).unwrap_or_default(), value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.last_id = Some(String::from_utf8_lossy(value).into_owned()),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry = millis.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Received> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let name = if name.is_empty() { "message".to_owned() } else { name };
        std::mem::take(&mut self.has_data).then_some(Received { name, data })
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.iter().filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)));
    out.push(b'\n');
}

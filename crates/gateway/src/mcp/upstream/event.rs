//! What happened on a connection that no caller waits for, and how much of it is borne.
//!
//! Events become receipts, so none may be lost and none may be made without bound. Each connection may have
//! `UNREAD_EVENTS` events waiting and has a meter for whatever the server says unasked; a server that exceeds
//! either is disconnected.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::{CallId, CloseReason, Reply, locked};
use crate::mcp::envelope::Fault;

/// Where connections report events; the receiver is the gateway's.
pub type EventSender = mpsc::UnboundedSender<Event>;

/// Who a connection serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The principal's key.
    pub principal: String,
    /// The session's key.
    pub session: String,
}

/// Something that happened on a connection.
#[derive(Debug)]
pub struct Event {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// Who the connection serves; `None` when it is shared.
    pub owner: Option<Owner>,
    /// What happened.
    pub kind: EventKind,
    /// Given back when the event was read: bounds the events that wait.
    _place: Option<OwnedSemaphorePermit>,
}

/// What happened.
#[derive(Debug)]
pub enum EventKind {
    /// The server says that its tools changed.
    ToolsChanged,
    /// The server asked something of the client and was refused with -32601.
    Refused {
        /// What it asked: `sampling/createMessage`, `elicitation/create`, `roots/list`, ...
        method: String,
    },
    /// An answer came to a call that was given up: its outcome is known after all.
    LateAnswer {
        /// The call.
        call: CallId,
        /// The answer.
        reply: Reply,
    },
    /// An answer came to a request that we did not send; dropped.
    ForeignAnswer {
        /// The exact text of its id.
        id: String,
    },
    /// A further answer came to a request that was answered; dropped.
    SecondAnswer {
        /// The exact text of its id.
        id: String,
    },
    /// A notification came that belongs to no request in flight, or is of a kind that we do not pass on;
    /// dropped.
    UnmatchedNotice {
        /// The method.
        method: String,
    },
    /// Something came that is no valid message; dropped.
    Malformed(Fault),
    /// The connection ended.
    Closed(CloseReason),
}

const UNREAD_EVENTS: usize = 256;
const METER_BURST: f64 = 4096.0;
const METER_PER_SECOND: f64 = 1024.0;
const OFFENCE: f64 = 16.0;
const BYTES_PER_POINT: f64 = 4096.0;
/// How much of a server's own text an event keeps.
const TEXT_LIMIT: usize = 256;

/// One connection's way to report, and its meter.
#[derive(Debug)]
pub(super) struct Reporter {
    upstream: Arc<str>,
    owner: Option<Owner>,
    events: EventSender,
    places: Arc<Semaphore>,
    meter: Mutex<Meter>,
}

#[derive(Debug)]
struct Meter {
    points: f64,
    since: Instant,
}

impl Reporter {
    pub(super) fn new(upstream: &str, owner: Option<Owner>, events: &EventSender) -> Self {
        Self {
            upstream: upstream.into(),
            owner,
            events: events.clone(),
            places: Arc::new(Semaphore::new(UNREAD_EVENTS)),
            meter: Mutex::new(Meter { points: METER_BURST, since: Instant::now() }),
        }
    }

    /// Whether the connection serves one owner only.
    pub(super) fn one_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Counts a permitted message that answers nothing, `bytes` long.
    pub(super) fn notice(&self, bytes: usize) -> Result<(), CloseReason> {
        self.charge(1.0, bytes)
    }

    /// Counts and reports a message that should not have been sent, `bytes` long.
    pub(super) fn offence(&self, bytes: usize, kind: EventKind) -> Result<(), CloseReason> {
        self.charge(OFFENCE, bytes)?;
        self.tell(kind)
    }

    /// Reports.
    pub(super) fn tell(&self, kind: EventKind) -> Result<(), CloseReason> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| CloseReason::Flood)?;
        self.send(kind, Some(place));
        Ok(())
    }

    /// Reports the connection's end: the one event that needs no place.
    pub(super) fn last_word(&self, reason: CloseReason) {
        self.send(EventKind::Closed(reason), None);
    }

    fn send(&self, kind: EventKind, place: Option<OwnedSemaphorePermit>) {
        let event =
            Event { upstream: Arc::clone(&self.upstream), owner: self.owner.clone(), kind, _place: place };
        // Nobody listens any more only when the gateway is gone.
        let _ = self.events.send(event);
    }

    #[expect(clippy::cast_precision_loss, reason = "a message's length is far below 2^52")]
    fn charge(&self, points: f64, bytes: usize) -> Result<(), CloseReason> {
        let mut meter = locked(&self.meter);
        let now = Instant::now();
        let earned = now.duration_since(meter.since).as_secs_f64() * METER_PER_SECOND;
        meter.points = (meter.points + earned).min(METER_BURST) - points - bytes as f64 / BYTES_PER_POINT;
        meter.since = now;
        if meter.points < 0.0 { Err(CloseReason::Flood) } else { Ok(()) }
    }
}

/// The start of a text that a server chose.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).collect()
}

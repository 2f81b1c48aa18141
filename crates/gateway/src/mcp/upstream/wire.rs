//! Newline-delimited JSON-RPC over any pair of byte streams: many calls in flight under ids of our own.
//!
//! One task writes, one reads. Whether a request left us is a state shared between its caller and the writer
//! ([`Sending`]): a frame is either taken by the writer or withdrawn by the caller, never both, so "nothing
//! was sent" is a fact and not a guess.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::event::{Reporter, cut};
use super::handshake::INITIALIZE;
use super::incoming::{self, Incoming};
use super::lines::{Line, Lines};
use super::{
    Call, CallId, CloseReason, ConnectionLimits, EventKind, Lost, NotSent, Relay, Reply, UpstreamError,
    locked,
};
use crate::mcp::envelope;

const OUTBOX: usize = 64;
/// Calls that were given up are remembered, so that a late answer finds its call.
const ABANDONED: usize = 4096;
/// After a failed write the answers already under way are still read for this long.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// One connection's calls in flight. Cloning shares them.
#[derive(Debug, Clone)]
pub(super) struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ConnectionLimits,
    reporter: Reporter,
    next: AtomicU64,
    table: Mutex<Table>,
    outbox: mpsc::Sender<Frame>,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    pending: BTreeMap<u64, Pending>,
    abandoned: BTreeMap<u64, CallId>,
    shut: Option<CloseReason>,
    told: bool,
}

#[derive(Debug)]
struct Pending {
    call: CallId,
    may_cancel: bool,
    sending: Arc<Sending>,
    answer: oneshot::Sender<Result<Reply, UpstreamError>>,
    relay: Option<mpsc::Sender<Relay>>,
    token: Option<Box<RawValue>>,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    sending: Option<Arc<Sending>>,
}

impl Wire {
    /// Starts to read and write.
    pub(super) fn open<R, W>(read: R, write: W, limits: ConnectionLimits, reporter: Reporter) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (outbox, frames) = mpsc::channel(OUTBOX);
        let lines = Lines::new(read, limits.max_response_bytes);
        let wire = Self(Arc::new(Inner {
            limits,
            reporter,
            next: AtomicU64::new(1),
            table: Mutex::default(),
            outbox,
            closed: CancellationToken::new(),
        }));
        tokio::spawn(write_frames(wire.clone(), write, frames));
        tokio::spawn(read_frames(wire.clone(), lines));
        wire
    }

    /// Sends a request and waits for its answer, at most `limit`.
    pub(super) async fn call(&self, call: &Call<'_>, limit: Duration) -> Result<Reply, UpstreamError> {
        let inner = &self.0;
        let number = inner.next.fetch_add(1, Ordering::Relaxed);
        let (bytes, token) = incoming::outgoing(number, call.method, call.params);
        let sending = Arc::new(Sending::default());
        let (answer, waiting) = oneshot::channel();
        let pending = Pending {
            call: call.id,
            may_cancel: call.method != INITIALIZE,
            sending: Arc::clone(&sending),
            answer,
            relay: call.relay.clone(),
            token,
        };
        inner.enrol(number, pending)?;
        let mut waiting = Waiting { wire: self, number, call: call.id, answer: waiting, armed: true };
        let exchange = async {
            // A closed outbox means a closed connection, which answers all pending calls.
            let _ = inner.outbox.send(Frame { bytes: framed(bytes), sending: Some(sending) }).await;
            (&mut waiting.answer).await
        };
        let outcome = tokio::time::timeout(limit, exchange).await;
        waiting.armed = false;
        match outcome {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(inner.limits.unknown(call.id, Lost::Connection(CloseReason::Stopped))),
            Err(_) => match inner.abandon(number, Lost::TimedOut { limit }, "timed out") {
                Some((error, _)) => Err(error),
                // The answer came in the very moment.
                None => waiting
                    .answer
                    .try_recv()
                    .unwrap_or_else(|_| Err(inner.limits.unknown(call.id, Lost::TimedOut { limit }))),
            },
        }
    }

    /// Gives up a call in flight.
    pub(super) fn cancel(&self, call: CallId, reason: &str) -> bool {
        let number = {
            let table = locked(&self.0.table);
            table.pending.iter().find(|(_, pending)| pending.call == call).map(|(number, _)| *number)
        };
        let Some(number) = number else { return false };
        match self.0.abandon(number, Lost::Cancelled, reason) {
            Some((error, answer)) => answer.send(Err(error)).is_ok(),
            None => false,
        }
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, method: &str, limit: Duration) -> bool {
        let frame = Frame { bytes: framed(envelope::notification(method, None)), sending: None };
        matches!(tokio::time::timeout(limit, self.0.outbox.send(frame)).await, Ok(Ok(())))
    }

    /// Ends the connection: pending calls end, and both tasks.
    pub(super) fn close(&self, reason: CloseReason) {
        let (pending, reason, tell) = {
            let mut table = locked(&self.0.table);
            let reason = table.shut.get_or_insert(reason).clone();
            let tell = !std::mem::replace(&mut table.told, true);
            (std::mem::take(&mut table.pending), reason, tell)
        };
        for pending in pending.into_values() {
            let error = if pending.sending.withdraw() {
                self.0.limits.not_sent(NotSent::Closed(reason.clone()))
            } else {
                self.0.limits.unknown(pending.call, Lost::Connection(reason.clone()))
            };
            // The caller may have gone.
            let _ = pending.answer.send(Err(error));
        }
        if tell {
            self.0.reporter.last_word(reason);
        }
        self.0.closed.cancel();
    }

    /// Lets no further calls in, for the reason that `close` will then give.
    fn shut(&self, reason: CloseReason) {
        locked(&self.0.table).shut.get_or_insert(reason);
    }

    /// Why the connection takes no more calls.
    pub(super) fn closed(&self) -> Option<CloseReason> {
        locked(&self.0.table).shut.clone()
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        self.0.closed.cancelled().await;
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.0.limits
    }

    fn take(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        let inner = &self.0;
        let size = bytes.len();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return inner.reporter.notice(size);
        }
        let message = match incoming::read(bytes, inner.limits.max_response_bytes) {
            Ok(message) => message,
            Err(fault) => {
                if let Some(number) = envelope::salvage_answer_id(bytes) {
                    inner.fail(number, Lost::BadAnswer(Box::new(fault.clone())));
                }
                return inner.reporter.offence(size, EventKind::Malformed(fault));
            }
        };
        match message {
            Incoming::Answer { id, reply } => inner.answered(&id, reply, size),
            Incoming::Ping { id } => {
                inner.reporter.notice(size)?;
                inner.send_now(incoming::pong(&id))
            }
            Incoming::Asked { id, method } => {
                inner.reporter.offence(size, EventKind::Refused { method: cut(&method) })?;
                inner.send_now(incoming::refusal(&id))
            }
            Incoming::Progress { token, params } => inner.progress(token, params, size),
            Incoming::Log { params } => inner.log(params, size),
            Incoming::ToolsChanged => {
                inner.reporter.notice(size)?;
                inner.reporter.tell(EventKind::ToolsChanged)
            }
            Incoming::Cancelled => inner.reporter.notice(size),
            Incoming::Other { method } => {
                inner.reporter.offence(size, EventKind::UnmatchedNotice { method: cut(&method) })
            }
        }
    }
}

impl Inner {
    fn enrol(&self, number: u64, pending: Pending) -> Result<(), UpstreamError> {
        let mut table = locked(&self.table);
        if let Some(reason) = &table.shut {
            return Err(self.limits.not_sent(NotSent::Closed(reason.clone())));
        }
        table.pending.insert(number, pending);
        Ok(())
    }

    /// Gives a call up; tells the server if it may know of it. `None` when the call has ended.
    fn abandon(
        &self,
        number: u64,
        lost: Lost,
        reason: &str,
    ) -> Option<(UpstreamError, oneshot::Sender<Result<Reply, UpstreamError>>)> {
        let mut table = locked(&self.table);
        let pending = table.pending.remove(&number)?;
        if pending.sending.withdraw() {
            let error = self.limits.not_sent(NotSent::Withdrawn(lost.to_string()));
            return Some((error, pending.answer));
        }
        table.abandoned.insert(number, pending.call);
        if table.abandoned.len() > ABANDONED {
            table.abandoned.pop_first();
        }
        drop(table);
        if pending.may_cancel {
            // A server that does not read its input cannot be told.
            let _ = self.send_now(incoming::cancelled(number, reason));
        }
        Some((self.limits.unknown(pending.call, lost), pending.answer))
    }

    /// Ends a call whose answer cannot be used.
    fn fail(&self, number: u64, lost: Lost) {
        let mut table = locked(&self.table);
        if table.pending.get(&number).is_some_and(|pending| pending.sending.begun())
            && let Some(pending) = table.pending.remove(&number)
        {
            let _ = pending.answer.send(Err(self.limits.unknown(pending.call, lost)));
        }
    }

    fn answered(&self, id: &envelope::Id<'_>, reply: Reply, size: usize) -> Result<(), CloseReason> {
        let text = || cut(id.raw().get());
        let Some(number) = incoming::our_id(id) else {
            return self.reporter.offence(size, EventKind::ForeignAnswer { id: text() });
        };
        let mut table = locked(&self.table);
        // An answer to a request that has not left us yet is a guess.
        if table.pending.get(&number).is_some_and(|pending| pending.sending.begun())
            && let Some(pending) = table.pending.remove(&number)
        {
            // Sent while the table is locked: a caller that misses the call in the table finds its answer.
            let _ = pending.answer.send(Ok(reply));
            return Ok(());
        }
        let guess = table.pending.contains_key(&number);
        let late = table.abandoned.remove(&number);
        drop(table);
        match late {
            Some(call) => self.reporter.tell(EventKind::LateAnswer { call, reply }),
            None if number > 0 && number < self.next.load(Ordering::Relaxed) && !guess => {
                self.reporter.offence(size, EventKind::SecondAnswer { id: text() })
            }
            None => self.reporter.offence(size, EventKind::ForeignAnswer { id: text() }),
        }
    }

    fn progress(&self, token: Option<u64>, params: &RawValue, size: usize) -> Result<(), CloseReason> {
        let found = token.and_then(|number| {
            let table = locked(&self.table);
            let pending = table.pending.get(&number)?;
            Some((pending.relay.clone(), pending.token.clone()?))
        });
        let Some((relay, token)) = found else {
            let method = "notifications/progress".to_owned();
            return self.reporter.offence(size, EventKind::UnmatchedNotice { method });
        };
        self.reporter.notice(size)?;
        if let (Some(relay), Some(params)) = (relay, envelope::restore_progress_token(params, &token)) {
            // A caller that does not keep up misses notices, never the answer.
            let _ = relay.try_send(Relay::Progress(params));
        }
        Ok(())
    }

    /// A log entry names no request. Where one owner has the connection it goes to the newest call that wants
    /// notices; where many share it nobody can tell whose it is.
    fn log(&self, params: &RawValue, size: usize) -> Result<(), CloseReason> {
        let relay = if self.reporter.one_owner() {
            locked(&self.table).pending.values().rev().find_map(|pending| pending.relay.clone())
        } else {
            None
        };
        let Some(relay) = relay else {
            let method = "notifications/message".to_owned();
            return self.reporter.offence(size, EventKind::UnmatchedNotice { method });
        };
        self.reporter.notice(size)?;
        let _ = relay.try_send(Relay::Message(params.to_owned()));
        Ok(())
    }

    /// Sends what cannot wait; a server that makes us answer but does not read is cut off.
    fn send_now(&self, bytes: Vec<u8>) -> Result<(), CloseReason> {
        self.outbox.try_send(Frame { bytes: framed(bytes), sending: None }).map_err(|_| CloseReason::Flood)
    }
}

/// A caller that waits; when it goes away its call is given up, and an answer that just came is reported.
struct Waiting<'a> {
    wire: &'a Wire,
    number: u64,
    call: CallId,
    answer: oneshot::Receiver<Result<Reply, UpstreamError>>,
    armed: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.armed || self.wire.0.abandon(self.number, Lost::Cancelled, "the caller went away").is_some()
        {
            return;
        }
        if let Ok(Ok(reply)) = self.answer.try_recv() {
            // Full of events means that the reader is about to close the connection.
            let _ = self.wire.0.reporter.tell(EventKind::LateAnswer { call: self.call, reply });
        }
    }
}

/// Whether a frame has left us.
#[derive(Debug, Default)]
struct Sending(AtomicU8);

impl Sending {
    const QUEUED: u8 = 0;
    const BEGUN: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// The writer takes the frame; false when it was withdrawn.
    fn begin(&self) -> bool {
        self.0.compare_exchange(Self::QUEUED, Self::BEGUN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The writer found that not one byte could be written.
    fn not_begun(&self) {
        self.0.store(Self::WITHDRAWN, Ordering::Release);
    }

    fn begun(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::BEGUN
    }

    /// Takes the frame back; false when some of it may have left us.
    fn withdraw(&self) -> bool {
        match self.0.compare_exchange(Self::QUEUED, Self::WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == Self::WITHDRAWN,
        }
    }
}

fn framed(bytes: Vec<u8>) -> Vec<u8> {
    let mut line = envelope::one_line(&bytes).into_owned();
    line.push(b'\n');
    line
}

async fn write_frames<W: AsyncWrite + Unpin>(wire: Wire, mut write: W, mut frames: mpsc::Receiver<Frame>) {
    let work = async {
        while let Some(frame) = frames.recv().await {
            if frame.sending.as_ref().is_some_and(|sending| !sending.begin()) {
                continue;
            }
            let mut written = 0;
            let result = loop {
                match write.write(frame.bytes.get(written..).unwrap_or_default()).await {
                    Ok(0) => break Err(std::io::ErrorKind::WriteZero.into()),
                    Ok(count) => written += count,
                    Err(error) => break Err(error),
                }
                if written == frame.bytes.len() {
                    break write.flush().await;
                }
            };
            if let Err(error) = result {
                if let (0, Some(sending)) = (written, &frame.sending) {
                    sending.not_begun();
                }
                return CloseReason::Io(error.kind().to_string());
            }
        }
        CloseReason::Stopped
    };
    let reason = tokio::select! {
        () = wire.ended() => return,
        reason = work => reason,
    };
    wire.shut(reason.clone());
    // What the server has answered may still be in its pipe; the reader ends the connection when it is
    // through.
    let _ = tokio::time::timeout(LAST_ANSWERS, wire.ended()).await;
    wire.close(reason);
}

async fn read_frames<R: AsyncRead + Unpin>(wire: Wire, mut lines: Lines<R>) {
    let limit = wire.limits().max_response_bytes;
    let work = async {
        loop {
            match lines.next().await {
                Ok(Some(Line::Whole(line))) => {
                    if let Err(reason) = wire.take(line) {
                        return reason;
                    }
                }
                Ok(Some(Line::Cut(_))) => return CloseReason::TooLarge { limit },
                Ok(None) => return CloseReason::Ended,
                Err(error) => return CloseReason::Io(error.kind().to_string()),
            }
        }
    };
    let reason = tokio::select! {
        () = wire.ended() => return,
        reason = work => reason,
    };
    wire.close(reason);
}

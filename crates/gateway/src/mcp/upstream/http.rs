//! A server behind Streamable HTTP: its session, its own stream of notices, and calls, each an [`Exchange`].
//!
//! Nothing is sent twice but where the server said that it did not take it: an HTTP 404 to a session id means
//! that the session is gone, so the connection shakes hands again and the request goes out once more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::exchange::{Endpoint, Exchange, Failed, Listening, Request, Session};
use super::handshake::{INITIALIZE, INITIALIZED, ServerInfo, accept, offer};
use super::incoming;
use super::{
    Answered, Call, CallId, CloseReason, ConnectionLimits, Lost, NotSent, Reply, StartFailure, UpstreamError,
    locked,
};
use crate::mcp::envelope;

/// How long the server may take to give a session back.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection to an HTTP endpoint; dropping it stops its listener, closing it also gives the session back.
#[derive(Debug)]
pub(super) struct HttpConnection {
    core: Arc<Core>,
    _stop_on_drop: DropGuard,
}

#[derive(Debug)]
struct Core {
    endpoint: Endpoint,
    session: watch::Sender<Arc<Session>>,
    renewing: tokio::sync::Mutex<()>,
    active: Mutex<HashMap<CallId, oneshot::Sender<String>>>,
    shut: Mutex<Option<CloseReason>>,
    closed: CancellationToken,
}

impl HttpConnection {
    pub(super) async fn start(endpoint: Endpoint) -> Result<Self, UpstreamError> {
        let failed = |failure| endpoint.limits.not_sent(NotSent::Start(failure));
        let session = initialize(&endpoint).await.map_err(failed)?;
        let closed = CancellationToken::new();
        let core = Arc::new(Core {
            endpoint,
            session: watch::Sender::new(session),
            renewing: tokio::sync::Mutex::default(),
            active: Mutex::default(),
            shut: Mutex::default(),
            closed: closed.clone(),
        });
        tokio::spawn(listen(Arc::clone(&core)));
        Ok(Self { core, _stop_on_drop: closed.drop_guard() })
    }

    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Reply, UpstreamError> {
        let core = &self.core;
        let limits = &core.endpoint.limits;
        if let Some(reason) = self.closed() {
            return Err(limits.not_sent(NotSent::Closed(reason)));
        }
        let (cancel, cancelled) = oneshot::channel();
        locked(&core.active).insert(call.id, cancel);
        let mut going = Going::new(core, call.id);
        let lost = tokio::select! {
            outcome = core.attempt(call, &going) => {
                going.end();
                return outcome;
            }
            () = tokio::time::sleep(limits.call_limit) => Lost::TimedOut { limit: limits.call_limit },
            () = core.closed.cancelled() => Lost::Connection(self.closed().unwrap_or(CloseReason::Stopped)),
            Ok(reason) = cancelled => {
                going.reason = reason;
                Lost::Cancelled
            }
        };
        Err(match going.sent() {
            true => limits.unknown(call.id, lost),
            false => limits.not_sent(NotSent::Withdrawn(lost.to_string())),
        })
    }

    pub(super) fn cancel(&self, call: CallId, reason: &str) -> bool {
        let cancel = locked(&self.core.active).remove(&call);
        cancel.is_some_and(|cancel| cancel.send(reason.to_owned()).is_ok())
    }

    pub(super) fn server(&self) -> Arc<ServerInfo> {
        Arc::clone(&self.core.session().server)
    }

    pub(super) fn closed(&self) -> Option<CloseReason> {
        locked(&self.core.shut).clone()
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.core.endpoint.limits
    }

    pub(super) async fn close(&self) {
        let session = self.core.session();
        if self.core.close(CloseReason::Stopped) && session.id.is_some() {
            let request = self.core.endpoint.request(Method::DELETE, Some(&session)).timeout(GOODBYE);
            // The server may not know DELETE; the session then ends by its own clock.
            let _ = request.send().await;
        }
    }
}

impl Core {
    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.borrow())
    }

    /// Sends a call, and once more when the server no longer knows the session.
    async fn attempt(&self, call: &Call<'_>, going: &Going<'_>) -> Result<Reply, UpstreamError> {
        let limits = &self.endpoint.limits;
        let session = self.session();
        let mut outcome = self.once(&session, call, going).await;
        if matches!(outcome, Err(Failed::SessionGone)) {
            going.not_taken();
            let fresh = self.renew(&session).await;
            let fresh = fresh.map_err(|failure| limits.not_sent(NotSent::Start(failure)))?;
            outcome = self.once(&fresh, call, going).await;
        }
        outcome.map_err(|failed| match failed {
            Failed::SessionGone => limits.answered(Answered::Status(404)),
            Failed::NotSent(reason) => limits.not_sent(reason),
            Failed::Lost(reason) => limits.unknown(call.id, reason),
            Failed::Answered(reason) => limits.answered(reason),
            Failed::Close(reason) => {
                self.close(reason.clone());
                limits.unknown(call.id, Lost::Connection(reason))
            }
        })
    }

    async fn once(&self, session: &Session, call: &Call<'_>, going: &Going<'_>) -> Result<Reply, Failed> {
        let number = self.endpoint.next_number();
        let (bytes, token) = incoming::outgoing(number, call.method, call.params);
        going.begin(number);
        let request = Request { number, relay: call.relay.as_ref(), token };
        let exchange = Exchange { endpoint: &self.endpoint, session: Some(session), request: Some(request) };
        exchange.run(bytes).await.map(|(reply, _)| reply)
    }

    /// A new session in place of `old`, or the one that another call has opened meanwhile.
    async fn renew(&self, old: &Arc<Session>) -> Result<Arc<Session>, StartFailure> {
        let _one_at_a_time = self.renewing.lock().await;
        let current = self.session();
        if !Arc::ptr_eq(&current, old) {
            return Ok(current);
        }
        let fresh = initialize(&self.endpoint).await?;
        self.session.send_replace(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Ends the connection; false when it had ended.
    fn close(&self, reason: CloseReason) -> bool {
        let first = {
            let mut shut = locked(&self.shut);
            shut.is_none() && {
                *shut = Some(reason.clone());
                true
            }
        };
        if first {
            self.endpoint.reporter.last_word(reason);
            self.closed.cancel();
        }
        first
    }
}

/// Shakes hands within the start limit.
async fn initialize(endpoint: &Endpoint) -> Result<Arc<Session>, StartFailure> {
    let limit = endpoint.limits.start_limit;
    let shake = async {
        let number = endpoint.next_number();
        let bytes = envelope::request(number, INITIALIZE, offer().as_deref());
        let request = Request { number, relay: None, token: None };
        let exchange = Exchange { endpoint, session: None, request: Some(request) };
        let (reply, id) = exchange.run(bytes).await.map_err(start_failure)?;
        let session = Session { id, server: Arc::new(accept(reply)?) };
        let notice = envelope::notification(INITIALIZED, None);
        match endpoint.post(Some(&session), notice).send().await {
            Ok(response) if response.status().is_success() => Ok(Arc::new(session)),
            Ok(response) => Err(StartFailure::Status(response.status().as_u16())),
            Err(error) => Err(StartFailure::Unreachable(super::exchange::cause(&error))),
        }
    };
    match tokio::time::timeout(limit, shake).await {
        Ok(session) => session,
        Err(_) => Err(StartFailure::TooSlow { limit }),
    }
}

fn start_failure(failed: Failed) -> StartFailure {
    match failed {
        Failed::SessionGone => StartFailure::Status(404),
        Failed::NotSent(NotSent::Unreachable(cause)) => StartFailure::Unreachable(cause),
        Failed::NotSent(reason) => StartFailure::Invalid(reason.to_string()),
        Failed::Answered(Answered::Status(status)) | Failed::Lost(Lost::Gateway(status)) => {
            StartFailure::Status(status)
        }
        Failed::Answered(reason) => StartFailure::Invalid(reason.to_string()),
        Failed::Lost(reason) => StartFailure::Invalid(reason.to_string()),
        Failed::Close(reason) => StartFailure::Ended(reason),
    }
}

/// Reads the server's own stream of notices for as long as there is one, in whichever session is current.
async fn listen(core: Arc<Core>) {
    let mut sessions = core.session.subscribe();
    loop {
        let session = Arc::clone(&sessions.borrow_and_update());
        let stream = Exchange { endpoint: &core.endpoint, session: Some(&session), request: None };
        let offered = tokio::select! {
            () = core.closed.cancelled() => return,
            _ = sessions.changed() => continue,
            ended = stream.listen() => ended,
        };
        if let Listening::Broken(reason) = offered {
            core.close(reason);
            return;
        }
        tokio::select! {
            () = core.closed.cancelled() => return,
            changed = sessions.changed() => if changed.is_err() { return },
        }
    }
}

/// A call on its way; when its caller goes away, or gives it up, the server is told.
struct Going<'a> {
    core: &'a Arc<Core>,
    call: CallId,
    /// The number under which it may have left us; 0 for none.
    number: AtomicU64,
    reason: String,
    ended: bool,
}

impl<'a> Going<'a> {
    fn new(core: &'a Arc<Core>, call: CallId) -> Self {
        Self { core, call, number: AtomicU64::new(0), reason: "given up".to_owned(), ended: false }
    }

    fn begin(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    fn not_taken(&self) {
        self.number.store(0, Ordering::Relaxed);
    }

    fn sent(&self) -> bool {
        self.number.load(Ordering::Relaxed) != 0
    }

    fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        locked(&self.core.active).remove(&self.call);
        let number = self.number.load(Ordering::Relaxed);
        if self.ended || number == 0 || self.core.closed.is_cancelled() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let core = Arc::clone(self.core);
        let notice = incoming::cancelled(number, &self.reason);
        runtime.spawn(async move { core.endpoint.courtesy(Some(&core.session()), notice).await });
    }
}

//! A server on byte streams: they carry a [`Wire`]. Where it is a child process of ours, a keeper task sees
//! to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::event::Reporter;
use super::handshake::{INITIALIZE, INITIALIZED, ServerInfo, accept, offer};
use super::process::{Process, Program, log_errors};
use super::wire::Wire;
use super::{Call, CallId, CloseReason, ConnectionLimits, Lost, NotSent, Reply, StartFailure, UpstreamError};

/// How long after the child's exit its last answers may take, and how long after the end of its output its
/// exit may.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A connection over byte streams, those of a child process or others'; dropping it ends the child in the
/// background.
#[derive(Debug)]
pub(super) struct StdioConnection {
    wire: Wire,
    server: Arc<ServerInfo>,
    /// Sees to the child's end where there is a child of ours.
    keeper: Option<Keeper>,
    _close_on_drop: CloseOnDrop,
}

impl StdioConnection {
    pub(super) async fn start(
        limits: ConnectionLimits,
        program: &Program<'_>,
        reporter: Reporter,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, UpstreamError> {
        let failed = |failure| limits.not_sent(NotSent::Start(failure));
        let (process, pipes) = program.start().map_err(|cause| failed(StartFailure::Spawn(cause)))?;
        let upstream = Arc::clone(&limits.upstream);
        tokio::spawn(async move { log_errors(&upstream, pipes.errors).await });
        let wire = Wire::open(pipes.output, pipes.input, limits.clone(), reporter);
        let guard = CloseOnDrop(wire.clone());
        let mut keeper = Keeper::watch(process, wire.clone(), place);
        match shake_hands(&wire).await {
            Ok(server) => {
                Ok(Self { wire, server: Arc::new(server), keeper: Some(keeper), _close_on_drop: guard })
            }
            Err(StartFailure::Ended(reason)) => {
                Err(failed(StartFailure::Ended(keeper.how_it_ended().await.unwrap_or(reason))))
            }
            Err(failure) => Err(failed(failure)),
        }
    }

    pub(super) async fn over<R, W>(
        read: R,
        write: W,
        limits: ConnectionLimits,
        reporter: Reporter,
    ) -> Result<Self, UpstreamError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let wire = Wire::open(read, write, limits, reporter);
        let guard = CloseOnDrop(wire.clone());
        match shake_hands(&wire).await {
            Ok(server) => Ok(Self { wire, server: Arc::new(server), keeper: None, _close_on_drop: guard }),
            Err(failure) => Err(wire.limits().not_sent(NotSent::Start(failure))),
        }
    }

    /// Whether the server is a child of ours.
    pub(super) fn has_child(&self) -> bool {
        self.keeper.is_some()
    }

    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Reply, UpstreamError> {
        self.wire.call(call, self.wire.limits().call_limit).await
    }

    pub(super) fn cancel(&self, call: CallId, reason: &str) -> bool {
        self.wire.cancel(call, reason)
    }

    pub(super) fn server(&self) -> Arc<ServerInfo> {
        Arc::clone(&self.server)
    }

    pub(super) fn closed(&self) -> Option<CloseReason> {
        self.wire.closed()
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        self.wire.limits()
    }

    pub(super) async fn close(&self) {
        self.wire.close(CloseReason::Stopped);
        let Some(keeper) = &self.keeper else { return };
        keeper.stop.cancel();
        // The keeper is gone only when the runtime is.
        let _ = keeper.state.clone().wait_for(|state| matches!(state, State::Gone(_))).await;
    }
}

async fn shake_hands(wire: &Wire) -> Result<ServerInfo, StartFailure> {
    let limit = wire.limits().start_limit;
    let offer = offer();
    let reply =
        wire.call(&Call::new(INITIALIZE, offer.as_deref()), limit).await.map_err(|error| match error {
            UpstreamError::Unknown { reason: Lost::TimedOut { limit }, .. } => {
                StartFailure::TooSlow { limit }
            }
            UpstreamError::NotSent { reason: NotSent::Withdrawn(_), .. } => StartFailure::TooSlow { limit },
            UpstreamError::Unknown { reason: Lost::Connection(reason), .. }
            | UpstreamError::NotSent { reason: NotSent::Closed(reason), .. } => StartFailure::Ended(reason),
            other => StartFailure::Invalid(other.to_string()),
        })?;
    let server = accept(reply)?;
    match wire.notify(INITIALIZED, limit).await {
        true => Ok(server),
        false => Err(StartFailure::Ended(wire.closed().unwrap_or(CloseReason::Ended))),
    }
}

/// Ends the tasks of a connection that nobody holds any more.
#[derive(Debug)]
struct CloseOnDrop(Wire);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(CloseReason::Stopped);
    }
}

/// Watches a child from its start to the moment it is reaped.
#[derive(Debug)]
struct Keeper {
    stop: CancellationToken,
    state: watch::Receiver<State>,
    _stop_on_drop: DropGuard,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Running,
    Ending(CloseReason),
    Gone(CloseReason),
}

impl Keeper {
    fn watch(process: Process, wire: Wire, place: Option<OwnedSemaphorePermit>) -> Self {
        let stop = CancellationToken::new();
        let (told, state) = watch::channel(State::Running);
        let stopped = stop.clone();
        tokio::spawn(async move {
            let reason = tokio::select! {
                () = stopped.cancelled() => CloseReason::Stopped,
                () = wire.ended() => match process.exited_within(AFTERMATH).await {
                    Some(how) => CloseReason::Exited(how),
                    None => wire.closed().unwrap_or(CloseReason::Ended),
                },
                how = process.exited() => {
                    // It may have answered before it went.
                    let _ = tokio::time::timeout(AFTERMATH, wire.ended()).await;
                    CloseReason::Exited(how)
                }
            };
            wire.close(reason.clone());
            told.send_replace(State::Ending(reason.clone()));
            process.end().await;
            drop(place);
            told.send_replace(State::Gone(reason));
        });
        let guard = stop.clone().drop_guard();
        Self { stop, state, _stop_on_drop: guard }
    }

    /// Why the child ended; to be asked only when its connection has.
    async fn how_it_ended(&mut self) -> Option<CloseReason> {
        match &*self.state.wait_for(|state| *state != State::Running).await.ok()? {
            State::Ending(reason) | State::Gone(reason) => Some(reason.clone()),
            State::Running => None,
        }
    }
}

//! The `Mediator` over HTTP, and what hosts, people and auditors use. JSON, bearer tokens, one role each.
//!
//! | module | holds |
//! |---|---|
//! | [`roles`] | every endpoint and whom it is for: the one table, from which the router is built |
//! | `gate` | the gate in front of each route: token, role |
//! | `body` | reading requests: one reading only, nothing unknown, nothing oversized |
//! | [`wire`] | what travels, as types |
//! | [`problem`] | the one shape of errors |
//! | `sessions`, `actions`, `history` | the session and action endpoints; what the ledger says of an action |
//! | `people`, `operate`, `policy` | approvals and deferrals; facts, halts, marks; which policy is in force |
//! | `receipts`, `open` | what auditors read; keys, health and counts for anybody |
//! | [`openapi`] | the generated description of all this |
//!
//! What changes something runs to its end once it has begun, even when the caller hangs up.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};
use countersign_core::names::SessionId;
use countersign_engine::Engine;
use countersign_engine::commit::Failure;
use http::StatusCode;

use crate::guard::{self, TurnedAway};
use crate::health::Health;
use crate::mcp::server::session::token_key;
use crate::settings::Settings;

mod actions;
mod body;
mod gate;
mod history;
mod open;
pub mod openapi;
mod operate;
mod people;
mod policy;
pub mod problem;
mod receipts;
pub mod roles;
mod sessions;
pub mod wire;

pub use problem::Problem;
use roles::{ENDPOINTS, Endpoint, Op};

/// What the API needs. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The engine.
    pub engine: Engine,
    /// What the gateway is told.
    pub settings: Arc<Settings>,
    /// What is wrong now, as others noticed it.
    pub health: Arc<Health>,
    /// Requests turned away at the door, here and by the gateway's other routers.
    pub turned_away: Arc<TurnedAway>,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").field("health", &self.health).finish_non_exhaustive()
    }
}

/// The API's routes, each guarded by its row of [`ENDPOINTS`], behind the check of `Host` and `Origin`.
/// Unknown paths are answered with 404, so a router that is merged into this one must bring no fallback.
pub fn router(state: ApiState) -> Router {
    let mut router = Router::new();
    for row in ENDPOINTS {
        let guarded = middleware::from_fn_with_state((state.clone(), row), gate::gate);
        router = router.route(row.path, handler(row).route_layer(guarded));
    }
    let router = router.method_not_allowed_fallback(wrong_method).fallback(unknown_path);
    let (settings, turned_away) = (Arc::clone(&state.settings), Arc::clone(&state.turned_away));
    guard::own_hosts(router.with_state(state), &settings, &turned_away)
}

fn handler(row: &Endpoint) -> MethodRouter<ApiState> {
    match row.op {
        Op::OpenSession => route(row, sessions::open),
        Op::ListSessions => route(row, sessions::list),
        Op::ShowSession => route(row, sessions::show),
        Op::AddTurn => route(row, sessions::add_turn),
        Op::GiveFacts => route(row, operate::give_facts),
        Op::SubmitAction => route(row, actions::submit),
        Op::ShowAction => route(row, actions::show),
        Op::ReportOutcome => route(row, actions::report_outcome),
        Op::ListApprovals => route(row, people::approvals),
        Op::AnswerApproval => route(row, people::answer),
        Op::ListDeferrals => route(row, people::deferrals),
        Op::ListReceipts => route(row, receipts::list),
        Op::Halt => route(row, operate::halt),
        Op::LowerMark => route(row, operate::lower_mark),
        Op::ShowPolicy => route(row, policy::show),
        Op::ApplyPolicy => route(row, policy::apply),
        Op::Keys => route(row, open::keys),
        Op::Alive => route(row, open::alive),
        Op::Ready => route(row, open::ready),
        Op::Metrics => route(row, open::metrics),
    }
}

fn route<T: 'static>(row: &Endpoint, handler: impl Handler<T, ApiState>) -> MethodRouter<ApiState> {
    let filter = match row.method {
        roles::Verb::Get => MethodFilter::GET,
        roles::Verb::Post => MethodFilter::POST,
    };
    on(filter, handler)
}

async fn unknown_path() -> Problem {
    Problem::not_found("there is nothing at this path", "the book's page of roles lists every endpoint")
}

async fn wrong_method() -> Problem {
    let hint = "the book's page of roles lists every endpoint with its method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path does not take this method", hint)
}

/// The session that a host opened and whose token this is; `None` when it is nobody's.
///
/// # Errors
/// The ledger cannot be read: then nothing is known of the token, and the call is to be refused.
pub async fn session_by_token(engine: &Engine, token: &str) -> Result<Option<SessionId>, Failure> {
    engine.find_session(&token_key(token)).await
}

/// How often refusals at the door are summed up, at most.
const SUMMARY: Duration = Duration::from_secs(60);

/// Records, at most once a minute and only when there were any, how many requests were turned away. Runs until
/// the future is dropped.
pub async fn summarise(state: ApiState) {
    let mut summary = Summary::new(&state);
    loop {
        tokio::time::sleep(SUMMARY).await;
        if let Err(failure) = summary.record(&state).await {
            tracing::warn!(%failure, "a summary of refusals could not be recorded; it is added to the next");
        }
    }
}

/// What the last summary on record said.
#[derive(Debug)]
pub struct Summary {
    told: std::collections::BTreeMap<&'static str, u64>,
    since: countersign_core::time::Time,
}

impl Summary {
    /// Nothing has been told yet.
    #[must_use]
    pub fn new(state: &ApiState) -> Self {
        Self { told: std::collections::BTreeMap::new(), since: state.engine.now() }
    }

    /// Records what came since the last time; `false` when there was nothing.
    ///
    /// # Errors
    /// It could not be recorded; the next call tells it too.
    pub async fn record(&mut self, state: &ApiState) -> Result<bool, Failure> {
        let now = state.engine.now();
        let mut counts = state.turned_away.counts();
        counts.insert("unrecorded", state.engine.counts().unrecorded_refusals());
        let told = |why: &str| self.told.get(why).copied().unwrap_or(0);
        let news = counts.iter().map(|(why, count)| (*why, count.saturating_sub(told(why)))).collect();
        if counts.iter().all(|(why, count)| *count == told(why)) {
            return Ok(false);
        }
        state.engine.summarise_refusals(&news, self.since).await?;
        *self = Self { told: counts, since: now };
        Ok(true)
    }
}

/// Runs something to its end, even when nobody waits for it any more.
async fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    tokio::spawn(work).await.map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request could not be carried out because of an error in the gateway",
            "what became of it is in the receipts; please report this with the gateway's log",
        )
    })
}

/// Refuses texts that are empty or too long to be carried in a receipt.
fn bounded(what: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::unacceptable(format!("`{what}` is empty"), "say something there"));
    }
    if text.len() > most {
        let message = format!("`{what}` is longer than {most} bytes");
        return Err(Problem::unacceptable(message, "shorten it"));
    }
    Ok(())
}

/// Longest id or name, in bytes.
const NAME: usize = 256;
/// Longest reason that stands openly in a receipt, in bytes.
const REASON: usize = 4096;

//! What anybody may read: the public keys, whether we run and take actions, and counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::wire::{AliveView, ProblemView, ReadyView};
use super::{ApiState, Problem};

/// How long the ledger may take to say whether it takes anything.
const CHECK: Duration = Duration::from_secs(5);

pub(super) async fn keys(State(api): State<ApiState>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, api.settings.keys.to_jwks()).into_response()
}

pub(super) async fn alive() -> Json<AliveView> {
    Json(AliveView { status: "ok" })
}

pub(super) async fn ready(State(api): State<ApiState>) -> (StatusCode, Json<ReadyView>) {
    let mut problems: Vec<ProblemView> =
        api.health.problems().into_iter().map(|(name, why)| ProblemView { name, why }).collect();
    let trouble = match tokio::time::timeout(CHECK, api.engine.ready()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("the ledger does not answer within {} s", CHECK.as_secs())),
    };
    problems.extend(trouble.map(|why| ProblemView { name: "ledger".to_owned(), why }));
    let ready = problems.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ReadyView { ready, problems }))
}

type Labels = [(&'static str, &'static str); 1];

/// Five verdicts in the order of the engine's counts.
const VERDICTS: [&str; 5] = ["ALLOW", "DENY", "MODIFY", "STEP_UP", "DEFER"];

pub(super) async fn metrics(State(api): State<ApiState>) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("countersign");
    let rulings = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (decision, count) in VERDICTS.into_iter().zip(api.engine.counts().verdicts()) {
        rulings.get_or_create(&[("decision", decision)]).inc_by(count);
    }
    registry.register("rulings", "First rulings since the start, by decision", rulings);
    let drift = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (level, count) in ["alert", "exceeded"].into_iter().zip(api.engine.counts().drift()) {
        drift.get_or_create(&[("level", level)]).inc_by(count);
    }
    registry.register("drift", "Actions that lay so far from their request that it was noticed", drift);
    let shadow = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (says, count) in ["same", "otherwise"].into_iter().zip(api.engine.counts().shadow()) {
        shadow.get_or_create(&[("candidate", says)]).inc_by(count);
    }
    registry.register(
        "shadow",
        "First rulings that a candidate policy was asked about too, not enforced",
        shadow,
    );
    let unrecorded: Counter = Counter::default();
    unrecorded.inc_by(api.engine.counts().unrecorded_refusals());
    registry.register("unrecorded_refusals", "Refusals that the ledger could not take", unrecorded);
    let turned_away = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (why, count) in api.turned_away.counts() {
        turned_away.get_or_create(&[("why", why)]).inc_by(count);
    }
    registry.register("turned_away", "Requests refused before anything was done for them", turned_away);
    let open: Gauge = Gauge::default();
    open.set(i64::try_from(api.engine.open_count()).unwrap_or(i64::MAX));
    registry.register("open_actions", "Actions that wait, are authorised, or run", open);
    let troubled: Gauge = Gauge::default();
    troubled.set(i64::try_from(api.health.problems().len()).unwrap_or(i64::MAX));
    registry.register("problems", "Problems that /readyz names, the ledger's own aside", troubled);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).map_err(Problem::unavailable)?;
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, form)], text).into_response())
}

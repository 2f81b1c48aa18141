//! What operators do: facts, halts, marks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::facts::Fact;
use countersign_core::names::SessionId;
use countersign_core::time::Span;
use countersign_engine::halts::parse_scope;
use countersign_engine::marks::Principal;

use super::body::Body;
use super::gate::Bearer;
use super::sessions::visible;
use super::wire::{HaltScope, NewFacts, NewHalt, NewMark, Recorded};
use super::{ApiState, NAME, Problem, REASON, bounded, finish};

/// Most facts given at once.
const FACTS: usize = 64;
/// Longest validity of a fact, in seconds.
const VALIDITY: u32 = 30 * 24 * 3600;

pub(super) async fn give_facts(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    Body(body): Body<NewFacts>,
) -> Result<Json<Recorded>, Problem> {
    if body.facts.is_empty() || body.facts.len() > FACTS {
        let message = format!("`facts` does not hold between 1 and {FACTS} facts");
        return Err(Problem::unacceptable(message, "give at least one, in several requests if need be"));
    }
    for name in body.facts.keys() {
        bounded("facts", name, NAME)?;
        Fact::may_be_given(name).map_err(|no| Problem::unacceptable(no.message, no.hint))?;
    }
    if let Some(source) = &body.source {
        bounded("source", source, NAME)?;
    }
    if body.valid_for.is_some_and(|seconds| !(1..=VALIDITY).contains(&seconds)) {
        let message = format!("`valid_for` is not between 1 and {VALIDITY} seconds");
        return Err(Problem::unacceptable(message, "give the fact again when its time is over"));
    }
    let id = SessionId::from(id.as_str());
    visible(&api, &bearer, &id).await?;
    let giver = Arc::clone(bearer.name()?);
    let facts = body.facts.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let valid_for = body.valid_for.map(|seconds| Span::seconds(i64::from(seconds)));
    let engine = api.engine.clone();
    let source = body.source;
    let giving = async move { engine.give_facts(&id, facts, &giver, source.as_deref(), valid_for).await };
    let receipt = finish(giving).await??;
    Ok(Json(Recorded { receipt: (&receipt).into() }))
}

pub(super) async fn halt(
    State(api): State<ApiState>,
    bearer: Bearer,
    Body(body): Body<NewHalt>,
) -> Result<Json<Recorded>, Problem> {
    bounded("reason", &body.reason, REASON)?;
    let (word, id) = match (body.scope, body.id.as_deref().unwrap_or_default()) {
        (HaltScope::All, "") => ("all", ""),
        (HaltScope::All, _) => {
            return Err(Problem::unacceptable("`id` stands beside the scope `all`", "leave `id` out"));
        }
        (HaltScope::Session, id) => ("session", id),
        (HaltScope::Human, id) => ("human", id),
        (HaltScope::Agent, id) => ("agent", id),
        (HaltScope::Upstream, id) => ("upstream", id),
    };
    if body.scope != HaltScope::All {
        bounded("id", id, NAME)?;
    }
    let halt = parse_scope(word, id).ok_or_else(|| {
        Problem::unacceptable("`scope` and `id` name nothing", "name one thing of that scope")
    })?;
    let by = Arc::clone(bearer.name()?);
    let engine = api.engine.clone();
    let receipt = finish(async move { engine.halt(halt, &body.reason, &by, body.resume).await }).await??;
    Ok(Json(Recorded { receipt: (&receipt).into() }))
}

pub(super) async fn lower_mark(
    State(api): State<ApiState>,
    bearer: Bearer,
    Body(body): Body<NewMark>,
) -> Result<Json<Recorded>, Problem> {
    bounded("reason", &body.reason, REASON)?;
    let principal = match (body.human, body.agent) {
        (Some(human), None) => {
            bounded("human", &human, NAME)?;
            Principal::Human(human.into())
        }
        (None, Some(agent)) => {
            bounded("agent", &agent, NAME)?;
            Principal::Agent(agent.into())
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "the body does not name one of `human` and `agent`";
            return Err(Problem::unacceptable(message, "lower one mark at a time"));
        }
    };
    let by = Arc::clone(bearer.name()?);
    let engine = api.engine.clone();
    let lowered = finish(async move { engine.lower_mark(&principal, &body.reason, &by).await }).await??;
    let receipt = lowered.ok_or_else(|| {
        Problem::not_found("nothing is known of this human or agent, so there is no mark", "correct the id")
    })?;
    Ok(Json(Recorded { receipt: (&receipt).into() }))
}

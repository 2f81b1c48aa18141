//! Sessions: opened and told on by hosts, read by those who watch.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::State as Life;
use countersign_core::names::{Chain, SessionId};
use countersign_core::session::given::Statements;
use countersign_core::session::{Context, FactState, GivenFact, Intent, Tracked};
use countersign_core::time::Time;
use countersign_engine::commit::Failure;
use countersign_engine::delegation::DEEPEST;
use countersign_engine::ports::{Query as LedgerQuery, Stored};
use countersign_engine::{Caller, Delegation, Opening};
use countersign_receipt::v1::{Enforcement, Face, Kind};

use super::body::{Body, Query};
use super::gate::Bearer;
use super::wire::{
    Boundary, BoundaryView, DelegatedBy, FactView, FactWord, NewSession, NewTurn, OpenActionView,
    OpenedSession, Recorded, SessionLine, SessionList, SessionView, SessionsQuery, StateWord, StatementView,
    moment,
};
use super::{ApiState, NAME, Problem, bounded, finish};
use crate::mcp::server::session::{secret, token_key};

/// Most labels, and bytes of intent, that a session begins with: both stand openly in its receipts.
const LABELS: usize = 64;
const INTENT: usize = 16_384;

pub(super) async fn open(
    State(api): State<ApiState>,
    bearer: Bearer,
    Body(body): Body<NewSession>,
) -> Result<Json<OpenedSession>, Problem> {
    check(&body)?;
    let delegation = match body.delegated_by {
        Some(by) => Some(delegation(&api, &bearer, by).await?),
        None => None,
    };
    let token = secret().ok_or_else(|| Problem::unavailable("the system gives no randomness"))?;
    let identity = Identity {
        human: Party::named(body.human),
        service: Party::named(Arc::clone(bearer.host()?)),
        agent: Party::named(body.agent),
        delegation: Vec::new(),
        source: "host".into(),
        validated_at: api.engine.now(),
    };
    let opening = Opening {
        caller: Caller { identity: Arc::new(identity), face: Face::Api, enforcement: Enforcement::None },
        source: "host".into(),
        // A host vouches for a new conversation: what its people and agents saw in others does not count here.
        inherits: false,
        labels: body.labels.iter().map(|label| label.as_str().into()).collect(),
        request: body.original_request.as_deref().map(Arc::from),
        intent: body.intent.map(|Boundary { allow, exclude }| Intent { allow, exclude }),
        delegation,
        lookup: Some(token_key(&token).into()),
    };
    let engine = api.engine.clone();
    let opened = finish(async move { engine.open_session(opening).await }).await?;
    let opened = opened.map_err(|refusal| Problem::refused(&refusal))?;
    Ok(Json(OpenedSession { id: opened.id.to_string(), token, receipt: (&opened.receipt).into() }))
}

/// A host passes on only from sessions that it may see.
async fn delegation(api: &ApiState, bearer: &Bearer, by: DelegatedBy) -> Result<Delegation, Problem> {
    bounded("delegated_by.session", &by.session, NAME)?;
    by.scope.iter().try_for_each(|upstream| bounded("delegated_by.scope", upstream, NAME))?;
    if by.scope.len() > LABELS {
        let message = format!("`delegated_by.scope` names more than {LABELS} upstreams");
        return Err(Problem::unacceptable(message, "leave it out to pass on all of them"));
    }
    let session = SessionId::from(by.session.as_str());
    visible(api, bearer, &session).await?;
    let grants = |context: &Context| context.opened().delegated.as_ref().map_or(0, |by| by.grants.len());
    if read(api, &session, grants).await? >= DEEPEST {
        let message = format!("more than {DEEPEST} grants lead to this session");
        return Err(Problem::unacceptable(message, "delegate from a session nearer to the user"));
    }
    Ok(Delegation { session, scope: by.scope })
}

fn check(body: &NewSession) -> Result<(), Problem> {
    bounded("human", &body.human, NAME)?;
    bounded("agent", &body.agent, NAME)?;
    if let Some(request) = &body.original_request {
        bounded("original_request", request, usize::MAX)?;
    }
    if body.labels.len() > LABELS {
        return Err(Problem::unacceptable(
            format!("there are more than {LABELS} labels"),
            "use fewer labels",
        ));
    }
    body.labels.iter().try_for_each(|label| bounded("labels", label, NAME))?;
    let Some(intent) = &body.intent else { return Ok(()) };
    let names = intent.allow.iter().chain(&intent.exclude);
    names.clone().try_for_each(|name| bounded("intent", name, NAME))?;
    if names.map(String::len).sum::<usize>() > INTENT {
        let message = format!("`intent` is longer than {INTENT} bytes");
        return Err(Problem::unacceptable(message, "name upstreams instead of single tools"));
    }
    Ok(())
}

pub(super) async fn add_turn(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    Body(body): Body<NewTurn>,
) -> Result<Json<Recorded>, Problem> {
    bounded("text", &body.text, usize::MAX)?;
    let host = Arc::clone(bearer.host()?);
    let id = SessionId::from(id.as_str());
    visible(&api, &bearer, &id).await?;
    let engine = api.engine.clone();
    let receipt = finish(async move { engine.add_turn(&id, &host, body.text.into()).await }).await??;
    Ok(Json(Recorded { receipt: (&receipt).into() }))
}

pub(super) async fn list(
    State(api): State<ApiState>,
    bearer: Bearer,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<SessionList>, Problem> {
    let limit = within("limit", query.limit, 100, 1000)?;
    let mut sessions = Vec::new();
    for id in api.engine.ledger().sessions(limit).await? {
        if let Some(line) = beginning(&api, &id).await?
            && bearer.only_service().is_none_or(|own| **own == *line.service)
        {
            sessions.push(line);
        }
    }
    Ok(Json(SessionList { sessions }))
}

/// A number of a query between 1 and `most`.
pub(super) fn within(what: &str, given: Option<u32>, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(given) if (1..=most).contains(&given) => Ok(given),
        _ => Err(Problem::unacceptable(
            format!("`{what}` is not between 1 and {most}"),
            "choose another number",
        )),
    }
}

pub(super) async fn show(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    let id = SessionId::from(id.as_str());
    let line = visible(&api, &bearer, &id).await?;
    let now = api.engine.now();
    read(&api, &id, |context| Json(view(line.clone(), context, now.max(context.last())))).await
}

/// The beginning of a session that the bearer may see.
pub(super) async fn visible(api: &ApiState, bearer: &Bearer, id: &SessionId) -> Result<SessionLine, Problem> {
    let line = beginning(api, id).await?;
    line.filter(|line| bearer.only_service().is_none_or(|own| **own == *line.service))
        .ok_or_else(no_such_session)
}

pub(super) fn no_such_session() -> Problem {
    Problem::not_found("there is no such session of yours", "open one, or correct its id")
}

/// What the first receipt of a session says; `None` when there is no such session.
pub(super) async fn beginning(api: &ApiState, id: &SessionId) -> Result<Option<SessionLine>, Problem> {
    let query = LedgerQuery { chain: Some(Chain::Session(id.clone())), limit: 1, ..LedgerQuery::default() };
    match api.engine.ledger().receipts(&query).await?.first() {
        None => Ok(None),
        Some(stored) => line(stored).map(Some),
    }
}

fn line(stored: &Stored) -> Result<SessionLine, Problem> {
    let damaged =
        || Problem::unavailable(format!("the ledger is damaged: chain {} has no beginning", stored.chain));
    let receipt = countersign_receipt::parse(stored.body.as_bytes()).map_err(|_| damaged())?.receipt;
    let (Kind::Session, Some(session), Some(identity)) = (receipt.kind, receipt.session, receipt.identity)
    else {
        return Err(damaged());
    };
    let id = |party: Option<countersign_receipt::v1::Party>| party.map(|party| party.id).unwrap_or_default();
    Ok(SessionLine {
        id: session.id,
        opened_at: receipt.at.to_string(),
        source: session.source,
        human: id(identity.human),
        service: id(identity.service),
        agent: id(identity.agent),
        inherits: session.inherits,
    })
}

/// Reads a session's context, also while it is being read anew.
pub(super) async fn read<T: Send>(
    api: &ApiState,
    id: &SessionId,
    mut at: impl FnMut(&Context) -> T + Send,
) -> Result<T, Problem> {
    for _ in 0..3 {
        match api.engine.context(id, &mut at).await {
            Err(Failure::Moved) => {}
            other => return Ok(other?),
        }
    }
    Err(Failure::Moved.into())
}

fn fact(said: &Statements, now: Time) -> FactView {
    let statement = |said: &GivenFact| StatementView {
        value: said.value.clone(),
        giver: said.giver.to_string(),
        source: said.source.as_deref().map(str::to_owned),
        at: moment(said.at),
        valid_until: said.valid_until.map(moment),
    };
    let state = match said.state(now) {
        FactState::Absent => FactWord::Absent,
        FactState::Stale => FactWord::Stale,
        FactState::Conflicting => FactWord::Conflicting,
        FactState::Holds(_) => FactWord::Holds,
    };
    FactView { state, said: said.all().iter().map(statement).collect() }
}

fn view(line: SessionLine, context: &Context, now: Time) -> SessionView {
    let opened = context.opened();
    let boundary =
        |intent: &Intent| BoundaryView { allow: intent.allow.clone(), exclude: intent.exclude.clone() };
    SessionView {
        line,
        last_at: moment(context.last()),
        request_known: opened.request.is_some(),
        delegated_by: opened.delegated.as_ref().map(|delegated| delegated.parent.to_string()),
        intent: context.intent().map(boundary),
        labels: context.labels().iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        facts: context.facts().iter().map(|(name, said)| (name.to_string(), fact(said, now))).collect(),
        actions: context.actions().iter().map(|(tool, count)| (tool.to_string(), *count)).collect(),
        submitted: context.submitted(),
        denied: context.denied(),
        open: context.tracked().map(open_action).collect(),
    }
}

fn open_action(tracked: &Tracked) -> OpenActionView {
    OpenActionView {
        id: tracked.action.id.to_string(),
        tool: tracked.action.tool.to_string(),
        state: match tracked.life.state() {
            Life::New | Life::Recording { .. } => StateWord::Recording,
            Life::Waiting { on_person: true, .. } => StateWord::WaitingForPerson,
            Life::Waiting { on_person: false, .. } => StateWord::WaitingForContext,
            Life::Authorised { .. } => StateWord::Authorised,
            Life::Permitted { .. } => StateWord::Permitted,
            Life::Ended(_) => StateWord::Unknown,
        },
        until: tracked.life.due().map(moment),
    }
}

//! Actions: submitted, waited for and settled by the agent that they belong to.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::action::Arguments;
use countersign_core::names::{ActionId, Chain, SessionId, ToolName};
use countersign_core::session::{Outcome, Status};
use countersign_engine::{Caller, Engine, Mediator, On, Proceed, Proceeding, Report, Submission, Suspended};
use countersign_receipt::v1::Face;
use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::body::{Body, Query};
use super::gate::Bearer;
use super::history::History;
use super::sessions::{no_such_session, read};
use super::wire::{
    ActionAnswer, DecisionWord, MissingThing, NewAction, NewOutcome, OutcomeStatus, PermitView, Recorded,
    StateWord, WaitQuery, clauses, moment, raw,
};
use super::{ApiState, NAME, Problem, bounded, finish, session_by_token};
use crate::mcp::server::session::TOKEN_HEADER;
use crate::settings::{RESTRICTED, Settings};

/// Most actions that one may be said to depend on.
const DEPENDENCIES: usize = 64;
/// Longest wait for an action, in seconds.
const WAIT: u32 = 60;
/// How often a waiting call looks whether the one that holds the action has left.
const HELD: Duration = Duration::from_millis(250);

pub(super) async fn submit(
    State(api): State<ApiState>,
    bearer: Bearer,
    headers: HeaderMap,
    Body(body): Body<NewAction>,
) -> Result<Json<ActionAnswer>, Problem> {
    let caller = bearer.caller(&api)?;
    let tool = tool_name(&api.settings, &body.tool)?;
    let arguments = Arguments::parse(body.arguments.as_deref().map_or("{}", RawValue::get))
        .map_err(|error| Problem::unacceptable(error.to_string(), "send an object as `arguments`"))?;
    if body.depends_on.len() > DEPENDENCIES {
        let message = format!("`depends_on` names more than {DEPENDENCIES} actions");
        return Err(Problem::unacceptable(message, "name the latest ones only"));
    }
    body.depends_on.iter().try_for_each(|id| bounded("depends_on", id, NAME))?;
    let session = session_for(&api, &caller, &headers, body.session.as_deref()).await?;
    let submission = Submission {
        session: session.clone(),
        caller,
        contract: api.settings.contract(&tool),
        tool,
        original: None,
        arguments,
        depends_on: body.depends_on.iter().map(|id| ActionId::from(id.as_str())).collect(),
    };
    let engine = api.engine.clone();
    let answered = finish(async move {
        let proceeding = engine.submit(submission).await;
        answer(&engine, &session, proceeding).await
    });
    answered.await?.map(Json)
}

/// The upstream is a declared one where the name begins with one, else what stands before the first dot.
fn tool_name(settings: &Settings, written: &str) -> Result<ToolName, Problem> {
    bounded("tool", written, NAME)?;
    let declared = settings.upstreams.keys().filter_map(|upstream| {
        let tool = written.strip_prefix(upstream.as_str())?.strip_prefix('.')?;
        Some((upstream.as_str(), tool))
    });
    match declared.max_by_key(|(upstream, _)| upstream.len()).or_else(|| written.split_once('.')) {
        Some((upstream, tool)) if !upstream.is_empty() && !tool.is_empty() => {
            Ok(ToolName::new(upstream, tool))
        }
        _ => Err(Problem::unacceptable(
            "`tool` is not of the form `upstream.tool`",
            "write both, as policies do",
        )),
    }
}

/// The session of a submission: named by id, by its host's token, or else the one that the principal's calls share.
async fn session_for(
    api: &ApiState,
    caller: &Caller,
    headers: &HeaderMap,
    named: Option<&str>,
) -> Result<SessionId, Problem> {
    let mut tokens = headers.get_all(TOKEN_HEADER).iter();
    let by_token = match (tokens.next(), tokens.next()) {
        (None, _) => None,
        (Some(token), None) => {
            let known = match token.to_str() {
                Ok(token) => session_by_token(&api.engine, token).await?,
                Err(_) => None,
            };
            Some(known.ok_or_else(no_such_session)?)
        }
        (Some(_), Some(_)) => {
            return Err(Problem::malformed("there is more than one Countersign-Session header"));
        }
    };
    let by_id = named.map(SessionId::from);
    if by_token.is_some() && by_id.is_some() && by_token != by_id {
        let message = "`session` and the header Countersign-Session name different sessions";
        return Err(Problem::unacceptable(message, "send one of them"));
    }
    match by_token.or(by_id) {
        None => api.engine.window(caller).await.map_err(|refusal| Problem::refused(&refusal)),
        Some(id) => own_session(api, caller, id).await,
    }
}

async fn own_session(api: &ApiState, caller: &Caller, id: SessionId) -> Result<SessionId, Problem> {
    let own = read(api, &id, |context| {
        let opened = context.opened();
        opened.human == caller.identity.human.id && opened.agent == caller.identity.agent.id
    });
    match own.await {
        Ok(true) => Ok(id),
        Ok(false) => Err(no_such_session()),
        Err(problem) => match api.engine.ledger().head(&Chain::Session(id)).await? {
            None => Err(no_such_session()),
            Some(_) => Err(problem),
        },
    }
}

/// What the engine decided, as it is answered; a permit is spent here, because whoever gets it runs the action.
async fn answer(
    engine: &Engine,
    session: &SessionId,
    proceeding: Proceeding,
) -> Result<ActionAnswer, Problem> {
    match proceeding {
        Proceeding::Proceed(proceed) => permitted(engine, session, *proceed).await,
        Proceeding::Refused(refusal) => refused(session, &refusal),
        Proceeding::Suspended(suspended) => Ok(suspended_answer(engine, session, *suspended).await),
    }
}

async fn permitted(engine: &Engine, session: &SessionId, proceed: Proceed) -> Result<ActionAnswer, Problem> {
    let (until, receipt, because) =
        (proceed.permit.until(), proceed.receipt.clone(), proceed.because.clone());
    let decision = proceed.verdict.into();
    let (spent, action) = match engine.spend(proceed).await {
        Ok(spent) => spent,
        Err(refusal) => return refused(session, &refusal),
    };
    let id = spent.action().to_string();
    Ok(ActionAnswer {
        action: id.clone(),
        session: session.to_string(),
        decision,
        state: StateWord::Permitted,
        receipt: (&receipt).into(),
        reason: because.reason.to_string(),
        rules: because.rules.iter().map(ToString::to_string).collect(),
        hint: None,
        missing: None,
        approvers: None,
        deadline: None,
        arguments: raw(action.arguments.text()),
        permit: Some(PermitView { action: id, until: moment(until) }),
    })
}

fn refused(session: &SessionId, refusal: &countersign_engine::Refusal) -> Result<ActionAnswer, Problem> {
    let (Some(action), Some(receipt)) = (&refusal.action, &refusal.receipt) else {
        return Err(Problem::refused(refusal));
    };
    Ok(ActionAnswer {
        action: action.to_string(),
        session: session.to_string(),
        decision: DecisionWord::Deny,
        state: StateWord::Refused,
        receipt: receipt.into(),
        reason: refusal.reason.to_string(),
        rules: refusal.rules.iter().map(ToString::to_string).collect(),
        hint: Some(refusal.hint.to_string()),
        missing: None,
        approvers: None,
        deadline: None,
        arguments: None,
        permit: None,
    })
}

async fn suspended_answer(engine: &Engine, session: &SessionId, suspended: Suspended) -> ActionAnswer {
    let id = suspended.action().clone();
    let because =
        engine.context(session, |context| context.find(&id).map(|t| t.ruling.because.clone())).await;
    let because = because.ok().flatten();
    let deadline = suspended.deadline().await;
    let (decision, state) = match suspended.on() {
        On::Person(_) => (DecisionWord::StepUp, StateWord::WaitingForPerson),
        On::Context(_) => (DecisionWord::Defer, StateWord::WaitingForContext),
    };
    let (approvers, missing) = match suspended.on() {
        On::Person(approvers) => (Some(clauses(approvers)), None),
        On::Context(missing) => (None, Some(MissingThing::all(missing))),
    };
    ActionAnswer {
        action: id.to_string(),
        session: session.to_string(),
        decision,
        state,
        receipt: suspended.receipt().into(),
        reason: because.as_ref().map(|because| because.reason.to_string()).unwrap_or_default(),
        rules: because.iter().flat_map(|because| &because.rules).map(ToString::to_string).collect(),
        hint: Some(format!("wait with GET /v1/actions/{id}?wait=60; it gives the permit once there is one")),
        missing,
        approvers,
        deadline: deadline.map(moment),
        arguments: None,
        permit: None,
    }
}

pub(super) async fn show(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<ActionAnswer>, Problem> {
    let caller = bearer.caller(&api)?;
    let id = ActionId::from(id.as_str());
    let wait = query.wait.unwrap_or(0);
    if wait > WAIT {
        return Err(Problem::unacceptable(
            format!("`wait` is more than {WAIT} seconds"),
            "wait again afterwards",
        ));
    }
    let until = Instant::now() + Duration::from_secs(u64::from(wait));
    loop {
        let history = History::own(&api, &id, &caller).await?;
        // An action that came in another way gets its permit there.
        if history.face == Face::Api && history.is_claimable() {
            let session = &history.session;
            if let Some(held) = api.engine.attach_by_id(session, &id, &caller).await? {
                let proceeding = held.wait(until.saturating_duration_since(Instant::now())).await;
                if let Proceeding::Refused(refusal) = &proceeding {
                    return over(&api, &id, &caller, refusal).await.map(Json);
                }
                return answer(&api.engine, session, proceeding).await.map(Json);
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if !history.is_claimable() || left.is_zero() {
            return Ok(Json(history.answer()));
        }
        tokio::time::sleep(left.min(HELD)).await;
    }
}

/// How the action that was waited for ended, by its receipts; the refusal itself where they do not say so yet.
async fn over(
    api: &ApiState,
    id: &ActionId,
    caller: &Caller,
    refusal: &countersign_engine::Refusal,
) -> Result<ActionAnswer, Problem> {
    let history = History::own(api, id, caller).await?;
    if history.is_claimable() {
        return refused(&history.session, refusal);
    }
    let mut answer = history.answer();
    if refusal.receipt.is_some() {
        answer.hint = Some(refusal.hint.to_string());
    }
    Ok(answer)
}

pub(super) async fn report_outcome(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    Body(body): Body<NewOutcome>,
) -> Result<Json<Recorded>, Problem> {
    let caller = bearer.caller(&api)?;
    let id = ActionId::from(id.as_str());
    let history = History::own(&api, &id, &caller).await?;
    if history.face != Face::Api {
        let message = "the action came in another way, and whoever ran it there reports its outcome";
        return Err(Problem::conflict(message, "report outcomes of actions that were submitted here"));
    }
    awaits_outcome(history.state)?;
    let outcome = outcome(&api.settings, &history.tool, body)?;
    let report = Report { session: history.session, outcome };
    let (engine, action) = (api.engine.clone(), id.clone());
    match finish(async move { engine.settle_by_id(&action, report).await }).await? {
        Ok(settled) => Ok(Json(Recorded { receipt: (&settled.receipt).into() })),
        Err(unrecorded) => {
            // Another report may have come first.
            awaits_outcome(History::own(&api, &id, &caller).await?.state)?;
            Err(Problem::unavailable(unrecorded))
        }
    }
}

fn awaits_outcome(state: StateWord) -> Result<(), Problem> {
    let (message, hint) = match state {
        StateWord::Permitted | StateWord::Unknown => return Ok(()),
        StateWord::Settled => {
            ("the outcome of this action is on record already", "an outcome is never replaced")
        }
        StateWord::Refused | StateWord::Expired => {
            ("this action was not allowed to run, so it has no outcome", "submit it again to be decided anew")
        }
        StateWord::Recording
        | StateWord::WaitingForPerson
        | StateWord::WaitingForContext
        | StateWord::Authorised => (
            "this action has no permit yet, so it has no outcome",
            "wait for its permit with GET /v1/actions/{id}",
        ),
    };
    Err(Problem::conflict(message, hint))
}

fn outcome(settings: &Settings, tool: &ToolName, body: NewOutcome) -> Result<Outcome, Problem> {
    let output = body.output.as_deref().map(RawValue::get).filter(|text| *text != "null").map(text_of);
    let status = match body.status {
        OutcomeStatus::Ok => Status::Ok,
        OutcomeStatus::Error => Status::Error,
        OutcomeStatus::NothingSent if output.is_some() => {
            let message = "`output` stands beside `nothing_sent`";
            return Err(Problem::unacceptable(message, "a tool that was never called has no output"));
        }
        OutcomeStatus::NothingSent => Status::NothingSent,
    };
    let labels = match (status, settings.upstreams.get(tool.upstream())) {
        (Status::NothingSent, _) => [].into(),
        (_, Some(upstream)) => upstream.output_labels(),
        (_, None) => [RESTRICTED.into()].into(),
    };
    Ok(Outcome { status, labels, output, error: body.error.as_deref().map(Arc::from) })
}

/// A text as it reads, anything else as it is written.
fn text_of(json: &str) -> Arc<str> {
    serde_json::from_str::<String>(json).map_or_else(|_| json.into(), Arc::from)
}

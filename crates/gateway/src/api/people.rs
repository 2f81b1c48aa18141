//! What waits for people and for context, and people's answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::names::ActionId;
use countersign_engine::approvals::{AnswerError, Approver, Waiting};
use http::StatusCode;

use super::body::Body;
use super::gate::Bearer;
use super::history::History;
use super::sessions::read;
use super::wire::{
    ActionView, AnswerWord, ApprovalList, ApprovalView, DeferralList, DeferralView, MissingThing, NewAnswer,
    Recorded, clauses, edits, moment, raw,
};
use super::{ApiState, Problem, finish};

pub(super) async fn approvals(
    State(api): State<ApiState>,
    bearer: Bearer,
) -> Result<Json<ApprovalList>, Problem> {
    let mut approvals = Vec::new();
    for waiting in api.engine.waiting().await {
        let Some(asked) = &waiting.approvers else { continue };
        if bearer.groups().is_none_or(|groups| asked.admit(groups)) {
            let source = read(&api, &waiting.session, |context| context.opened().source.to_string()).await?;
            approvals.push(question(&waiting, clauses(asked), source));
        }
    }
    Ok(Json(ApprovalList { approvals }))
}

fn question(waiting: &Waiting, approvers: Vec<Vec<String>>, source: String) -> ApprovalView {
    let ruling = &waiting.ruling;
    ApprovalView {
        id: waiting.action.id.to_string(),
        session: waiting.session.to_string(),
        original_request: waiting.request.as_deref().map(str::to_owned),
        action: action(waiting, true),
        edits: edits(&ruling.edits),
        prior_actions: waiting.prior_actions.iter().cloned().collect(),
        classifications: waiting.labels.iter().map(ToString::to_string).collect(),
        identity: (&*waiting.identity).into(),
        rules: ruling.because.rules.iter().map(ToString::to_string).collect(),
        reason: ruling.because.reason.to_string(),
        policy: (&ruling.policy).into(),
        source,
        approvers,
        deadline: moment(waiting.deadline),
    }
}

fn action(waiting: &Waiting, with_arguments: bool) -> ActionView {
    let action = &waiting.action;
    ActionView {
        tool: action.tool.to_string(),
        original: action.original.as_deref().map(str::to_owned),
        arguments: with_arguments.then(|| raw(action.arguments.text())).flatten(),
        effect: action.contract.effect.as_str().to_owned(),
        submitted_at: moment(action.submitted_at),
    }
}

pub(super) async fn deferrals(
    State(api): State<ApiState>,
    bearer: Bearer,
) -> Result<Json<DeferralList>, Problem> {
    let mut deferrals = Vec::new();
    for waiting in api.engine.waiting().await {
        // What was escalated is a question to people now.
        let (Some(missing), None) = (&waiting.missing, &waiting.approvers) else { continue };
        let because = &waiting.ruling.because;
        deferrals.push(DeferralView {
            id: waiting.action.id.to_string(),
            session: waiting.session.to_string(),
            action: action(&waiting, bearer.groups().is_none()),
            missing: MissingThing::all(missing),
            rules: because.rules.iter().map(ToString::to_string).collect(),
            reason: because.reason.to_string(),
            deadline: moment(waiting.deadline),
        });
    }
    Ok(Json(DeferralList { deferrals }))
}

pub(super) async fn answer(
    State(api): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    Body(body): Body<NewAnswer>,
) -> Result<Json<Recorded>, Problem> {
    let name = Arc::clone(bearer.name()?);
    let groups = bearer.groups().cloned().unwrap_or_default();
    let approver = Approver { name, groups };
    let approve = body.decision == AnswerWord::Approve;
    let reason = body.reason.filter(|reason| !reason.is_empty()).map(Arc::from);
    let (engine, action) = (api.engine.clone(), ActionId::from(id.as_str()));
    let id = action.clone();
    match finish(async move { engine.answer(&approver, &action, approve, reason).await }).await? {
        Ok(receipt) => Ok(Json(Recorded { receipt: (&receipt).into() })),
        Err(AnswerError::Unrecorded(failure)) => Err(failure.into()),
        Err(error @ AnswerError::NotYours) => {
            let hint = "GET /v1/approvals lists the questions that you may answer";
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", error.to_string(), hint))
        }
        Err(error @ AnswerError::NotWaiting) => {
            let hint = "GET /v1/approvals lists what waits now";
            match History::read(&api, &id).await? {
                Some(_) => Err(Problem::conflict(error.to_string(), hint)),
                None => Err(Problem::not_found(error.to_string(), hint)),
            }
        }
    }
}

//! Questions to people (`R4.step`): what is asked, and what an answer does.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decision::{Approvers, Decision, Missing, Ruling};
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Answer, Input, State};
use countersign_core::names::{ActionId, ApproverGroup, SessionId};
use countersign_core::session::Context;
use countersign_core::time::Time;

use crate::commit::{Failure, Plan, look};
use crate::engine::Engine;
use crate::mediator::ReceiptRef;

/// A person who answers, and the groups they are in.
#[derive(Clone, Debug)]
pub struct Approver {
    /// Who.
    pub name: Arc<str>,
    /// Member of these.
    pub groups: BTreeSet<ApproverGroup>,
}

/// An action that waits for somebody or something, with everything a person needs (`R4.step.context`).
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The action with its arguments.
    pub action: Arc<Action>,
    /// Who acts.
    pub identity: Arc<Identity>,
    /// The ruling that made it wait.
    pub ruling: Arc<Ruling>,
    /// The session.
    pub session: SessionId,
    /// What the user asked, where a host said so.
    pub request: Option<Arc<str>>,
    /// Tools used in the session before, with how often.
    pub prior_actions: Vec<(String, u64)>,
    /// Classifications of data the session has seen.
    pub labels: BTreeSet<Arc<str>>,
    /// The wait ends here.
    pub deadline: Time,
    /// Who may answer, if a person is asked.
    pub approvers: Option<Approvers>,
    /// What is missing, if context is.
    pub missing: Option<Missing>,
}

/// Why an answer was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AnswerError {
    /// Nothing with this id waits for a person.
    #[error("nothing with this id waits for a person: it was answered, timed out, or never asked")]
    NotWaiting,
    /// Somebody else is asked.
    #[error("this question is put to other approvers")]
    NotYours,
    /// The answer could not be recorded; it does not count.
    #[error("the answer could not be recorded and does not count: {0}")]
    Unrecorded(#[from] Failure),
}

impl Engine {
    /// Everything that waits, oldest first.
    pub async fn waiting(&self) -> Vec<Waiting> {
        let mut all = Vec::new();
        for (id, session) in self.open_actions() {
            let Ok(cell) = self.session(&session).await else { continue };
            let found = look(&cell.lock(), |context| waiting(&id, &session, context)).flatten();
            all.extend(found);
        }
        all.sort_by(|a, b| (a.action.submitted_at, &a.action.id).cmp(&(b.action.submitted_at, &b.action.id)));
        all
    }

    /// Takes a person's answer. It is on record before this returns.
    ///
    /// # Errors
    /// The answer does not count, and why.
    pub async fn answer(
        &self,
        approver: &Approver,
        id: &ActionId,
        approve: bool,
        reason: Option<Arc<str>>,
    ) -> Result<ReceiptRef, AnswerError> {
        let session = self.session_of(id).ok_or(AnswerError::NotWaiting)?;
        let answer = Answer { by: Arc::clone(&approver.name), approve, reason };
        let mut yours = true;
        let committed = self
            .transact(&session, |turn| {
                let life = turn.session.context.find(id).map(|t| t.life.state());
                yours = life.is_none_or(|state| admits(state, &approver.groups, turn.now));
                if yours { turn.advance(id, Input::Answered(answer.clone())) } else { Plan::Nothing }
            })
            .await?;
        if !yours {
            return Err(AnswerError::NotYours);
        }
        Ok(committed.ok_or(AnswerError::NotWaiting)?.receipt)
    }
}

fn waiting(id: &ActionId, session: &SessionId, context: &Context) -> Option<Waiting> {
    let tracked = context.find(id)?;
    let State::Waiting { ruling, deadline, on_person, .. } = tracked.life.state() else { return None };
    let missing = match &ruling.decision {
        Decision::Defer(missing) => Some(missing.clone()),
        Decision::Allow | Decision::Deny | Decision::StepUp(_) => None,
    };
    Some(Waiting {
        action: Arc::clone(&tracked.action),
        identity: Arc::clone(&tracked.identity),
        ruling: Arc::clone(ruling),
        session: session.clone(),
        request: context.opened().request.clone(),
        prior_actions: context.actions().iter().map(|(tool, n)| (tool.to_string(), *n)).collect(),
        labels: context.labels().clone(),
        deadline: *deadline,
        approvers: on_person.then(|| asked(tracked.life.state())).flatten(),
        missing,
    })
}

/// Whether a member of these groups may answer now; yes, where nobody is asked.
fn admits(state: &State, groups: &BTreeSet<ApproverGroup>, now: Time) -> bool {
    let State::Waiting { ruling, since, .. } = state else { return true };
    let escalation = ruling.ending.escalation.as_ref();
    asked(state).is_none_or(|approvers| approvers.admit(groups))
        || escalation.is_some_and(|escalation| escalation.admits(groups, *since, now))
}

fn asked(state: &State) -> Option<Approvers> {
    let State::Waiting { ruling, on_person: true, .. } = state else { return None };
    match &ruling.decision {
        Decision::StepUp(approvers) => Some(approvers.clone()),
        Decision::Defer(_) => Some(ruling.escalate.clone().unwrap_or_default()),
        Decision::Allow | Decision::Deny => None,
    }
}

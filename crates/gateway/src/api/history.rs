//! What the ledger says of one action: where it stands, by its receipts alone.

use std::sync::Arc;

use countersign_core::names::{ActionId, Chain, SessionId, ToolName};
use countersign_engine::Caller;
use countersign_engine::ports::{Query, RecordKind, Stored};
use countersign_receipt::v1;

use super::wire::{ActionAnswer, DecisionWord, MissingThing, ReceiptName, StateWord};
use super::{ApiState, Problem};

/// An action's receipts, read into what the API says of it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) session: SessionId,
    pub(super) tool: ToolName,
    pub(super) face: v1::Face,
    pub(super) state: StateWord,
    id: ActionId,
    identity: v1::Identity,
    /// The latest ruling, resolution or expiry.
    decision: v1::Decision,
    deadline: Option<String>,
    latest: ReceiptName,
    refused_by: Option<String>,
}

impl History {
    /// Reads the action of this id, if it is the caller's own.
    pub(super) async fn own(api: &ApiState, id: &ActionId, caller: &Caller) -> Result<Self, Problem> {
        let none = || Problem::not_found("there is no such action of yours", "submit one, or correct its id");
        let history = Self::read(api, id).await?.ok_or_else(none)?;
        let same =
            |party: &Option<v1::Party>, id: &Arc<str>| party.as_ref().is_some_and(|party| *party.id == **id);
        let (identity, own) = (&history.identity, &caller.identity);
        let is_own = same(&identity.human, &own.human.id)
            && same(&identity.service, &own.service.id)
            && same(&identity.agent, &own.agent.id);
        if is_own { Ok(history) } else { Err(none()) }
    }

    /// Reads the action of this id; `None` when there is none.
    pub(super) async fn read(api: &ApiState, id: &ActionId) -> Result<Option<Self>, Problem> {
        let query = Query { action: Some(id.clone()), ..Query::default() };
        let records = api.engine.ledger().receipts(&query).await?;
        let mut history: Option<Self> = None;
        for stored in &records {
            let damaged = || Problem::unavailable(format!("the ledger is damaged: a receipt of action {id}"));
            let receipt = countersign_receipt::parse(stored.body.as_bytes()).map_err(|_| damaged())?.receipt;
            match &mut history {
                Some(history) => history.take(receipt, name(stored).ok_or_else(damaged)?),
                None => history = Some(Self::begin(id, stored, receipt).ok_or_else(damaged)?),
            }
        }
        Ok(history)
    }

    fn begin(id: &ActionId, stored: &Stored, receipt: v1::Receipt) -> Option<Self> {
        let Chain::Session(session) = &stored.chain else { return None };
        let action = receipt.action.as_ref()?;
        let mut history = Self {
            session: session.clone(),
            tool: ToolName::new(action.tool.as_str(), action.operation.as_str()),
            face: receipt.face,
            state: StateWord::Recording,
            id: id.clone(),
            identity: receipt.identity.clone()?,
            decision: receipt.decision.clone()?,
            deadline: None,
            latest: name(stored)?,
            refused_by: None,
        };
        let latest = history.latest.clone();
        history.take(receipt, latest);
        Some(history)
    }

    fn take(&mut self, receipt: v1::Receipt, name: ReceiptName) {
        use v1::{Answer, Kind, Status, Verdict};
        self.latest = name;
        if let Some(decision) = receipt.decision {
            // An escalation goes on under the deadline of the wait that it ends.
            self.deadline = decision.deadline.map(|at| at.to_string()).or_else(|| self.deadline.take());
            self.decision = decision;
        }
        let verdict = self.decision.verdict;
        self.state = match (receipt.kind, verdict) {
            (Kind::Outcome, _) => match receipt.outcome.map(|outcome| outcome.status) {
                Some(Status::Unknown) | None => StateWord::Unknown,
                Some(Status::Ok | Status::Error | Status::NothingSent) => StateWord::Settled,
            },
            (Kind::Expiry, _) => StateWord::Expired,
            (Kind::Approval, _) => match receipt.approval {
                Some(approval) if approval.decision == Answer::Approve => StateWord::Authorised,
                other => {
                    self.refused_by = other.map(|approval| approval.by);
                    StateWord::Refused
                }
            },
            (_, Verdict::Deny) => StateWord::Refused,
            (_, Verdict::StepUp) => StateWord::WaitingForPerson,
            (_, Verdict::Defer) => StateWord::WaitingForContext,
            (Kind::Resolution, Verdict::Allow | Verdict::Modify) => StateWord::Authorised,
            (_, Verdict::Allow | Verdict::Modify) => StateWord::Permitted,
        };
    }

    /// Whether it waits, or is authorised and not claimed.
    pub(super) const fn is_claimable(&self) -> bool {
        matches!(
            self.state,
            StateWord::WaitingForPerson | StateWord::WaitingForContext | StateWord::Authorised
        )
    }

    /// What the API answers, without a permit.
    pub(super) fn answer(self) -> ActionAnswer {
        let over = matches!(self.state, StateWord::Refused | StateWord::Expired);
        let decision = match self.decision.verdict {
            _ if over => DecisionWord::Deny,
            v1::Verdict::Allow => DecisionWord::Allow,
            v1::Verdict::Modify => DecisionWord::Modify,
            v1::Verdict::Deny => DecisionWord::Deny,
            v1::Verdict::StepUp => DecisionWord::StepUp,
            v1::Verdict::Defer => DecisionWord::Defer,
        };
        let waits = matches!(self.state, StateWord::WaitingForPerson | StateWord::WaitingForContext);
        let on_person = self.state == StateWord::WaitingForPerson;
        let missing = || self.decision.missing.iter().filter_map(|word| MissingThing::read(word)).collect();
        ActionAnswer {
            action: self.id.to_string(),
            session: self.session.to_string(),
            decision,
            state: self.state,
            receipt: self.latest,
            hint: over
                .then(|| "submit the action again to be decided anew, or choose another way".to_owned()),
            missing: (self.state == StateWord::WaitingForContext).then(missing),
            approvers: on_person.then(|| self.decision.approvers.clone()),
            deadline: self.deadline.filter(|_| waits),
            arguments: None,
            permit: None,
            reason: match self.refused_by {
                Some(by) => format!("{by} refused it"),
                None => self.decision.reason,
            },
            rules: self.decision.rules,
        }
    }
}

fn name(stored: &Stored) -> Option<ReceiptName> {
    match &stored.kind {
        RecordKind::Receipt { id, .. } => {
            Some(ReceiptName { id: id.to_string(), digest: stored.digest.to_string() })
        }
        RecordKind::Link => None,
    }
}

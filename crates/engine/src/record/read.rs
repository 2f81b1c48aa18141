//! From a stored receipt back to the entry that `core` folds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract};
use countersign_core::decision::{
    Approvers, Because, Decision, Ending, Escalation, OnTimeout, PolicyRef, RiskLevel, Ruling, Step,
};
use countersign_core::drift::Embedding;
use countersign_core::edits::{Edit, Edits, Place};
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::{Answer, Transition};
use countersign_core::names::{ActionId, ApproverGroup, RuleId, SessionId, ToolName};
use countersign_core::session::{Amount, Delegated, Entry, Intent, Opened, Outcome, Status, What};
use countersign_core::time::{Span, Time};
use countersign_receipt::commit::place;
use countersign_receipt::v1;
use countersign_receipt::values::Plain;
use serde_json::Value;

use super::{method, write};
use crate::ports::{LedgerError, Stored};

/// A receipt, read back.
#[derive(Debug)]
pub struct ReadBack {
    /// The receipt itself.
    pub receipt: v1::Receipt,
    /// What it says happened.
    pub entry: Entry,
    /// Who acted, as it says.
    pub identity: Option<Identity>,
}

/// Reads a receipt of a session's chain back. `known` says whether an action was ruled on before, `contract`
/// what is declared about a tool now.
///
/// # Errors
/// The text is not a receipt that this program writes.
pub fn entry(
    stored: &Stored,
    known: impl Fn(&ActionId) -> bool,
    contract: impl Fn(&ToolName) -> Arc<Contract>,
) -> Result<ReadBack, LedgerError> {
    let damaged = |what: &str| {
        LedgerError::Damaged(format!("record {} of chain {}: {what}", stored.sequence, stored.chain))
    };
    let signed =
        countersign_receipt::parse(stored.body.as_bytes()).map_err(|error| damaged(&error.to_string()))?;
    let disclosed = disclosures(stored)?;
    let receipt = signed.receipt;
    let reader = Reader { receipt: &receipt, disclosed: &disclosed };
    let what = reader.what(known, contract).ok_or_else(|| damaged("it does not say what its kind says"))?;
    let identity = reader.identity();
    let erased = reader.erased();
    Ok(ReadBack { entry: Entry { at: Time(receipt.at.unix_millis()), what, erased }, identity, receipt })
}

/// What is disclosed of a stored receipt; empty when it was erased.
///
/// # Errors
/// The side store holds something else than disclosures.
pub fn disclosures(stored: &Stored) -> Result<v1::Disclosures, LedgerError> {
    let Some(text) = &stored.disclosures else { return Ok(v1::Disclosures::new()) };
    serde_json::from_str(text).map_err(|error| LedgerError::Damaged(format!("disclosures: {error}")))
}

struct Reader<'a> {
    receipt: &'a v1::Receipt,
    disclosed: &'a v1::Disclosures,
}

impl Reader<'_> {
    fn what(
        &self,
        known: impl Fn(&ActionId) -> bool,
        contract: impl Fn(&ToolName) -> Arc<Contract>,
    ) -> Option<What> {
        match self.receipt.kind {
            v1::Kind::Session => self.opened().map(What::Opened),
            v1::Kind::Turn => {
                Some(What::Turn { host: self.subject_text("host")?, text: self.text(place::TURN) })
            }
            v1::Kind::Facts => self.facts(),
            v1::Kind::Observation => self.observed(),
            v1::Kind::Measurement => self.measured(),
            v1::Kind::Ruling => self.ruled(known, contract),
            v1::Kind::Approval | v1::Kind::Resolution | v1::Kind::Expiry | v1::Kind::Outcome => {
                Some(What::Moved { action: self.action_id()?, transition: self.moved()? })
            }
            _ => None,
        }
    }

    /// Whether something that it committed to is not disclosed any more.
    fn erased(&self) -> bool {
        self.receipt.commitments.keys().any(|place| !self.disclosed.contains_key(place))
    }

    fn text(&self, place: &str) -> Option<Arc<str>> {
        self.disclosed.get(place).map(|disclosure| disclosure.value.as_str().into())
    }

    fn subject_text(&self, name: &str) -> Option<Arc<str>> {
        match self.receipt.subject.as_ref()?.get(name)? {
            Plain::Text(text) => Some(text.as_str().into()),
            _ => None,
        }
    }

    fn subject_number(&self, name: &str) -> Option<u32> {
        match self.receipt.subject.as_ref()?.get(name)? {
            Plain::Integer(n) => u32::try_from(*n).ok(),
            _ => None,
        }
    }

    fn opened(&self) -> Option<Opened> {
        let session = self.receipt.session.as_ref()?;
        let identity = self.receipt.identity.as_ref()?;
        Some(Opened {
            session: SessionId::from(session.id.as_str()),
            source: session.source.as_str().into(),
            human: identity.human.as_ref()?.id.as_str().into(),
            agent: identity.agent.as_ref()?.id.as_str().into(),
            inherits: session.inherits,
            labels: labels(&session.labels),
            request: self.text(place::ORIGINAL_REQUEST),
            intent: session
                .intent
                .as_ref()
                .map(|intent| Intent { allow: intent.allow.clone(), exclude: intent.exclude.clone() }),
            delegated: session.parent.as_deref().zip(session.root.as_deref()).map(|(parent, root)| {
                Delegated {
                    parent: SessionId::from(parent),
                    root: SessionId::from(root),
                    grants: identity.delegation.iter().map(party).collect(),
                }
            }),
        })
    }

    fn facts(&self) -> Option<What> {
        let block = self.receipt.facts.as_ref()?;
        let (mut facts, mut erased) = (BTreeMap::new(), BTreeSet::new());
        for name in &block.names {
            match self.text(&place::fact(name)) {
                Some(text) => {
                    facts.insert(Arc::from(name.as_str()), serde_json::from_str(&text).ok()?);
                }
                None => {
                    erased.insert(Arc::from(name.as_str()));
                }
            }
        }
        Some(What::Facts {
            facts,
            erased,
            giver: block.giver.as_str().into(),
            source: block.source.as_deref().map(Arc::from),
            valid_until: Time(block.valid_until.unix_millis()),
        })
    }

    fn observed(&self) -> Option<What> {
        let seen = match self.receipt.subject.as_ref()?.get("labels")? {
            Plain::List(items) => labels(items),
            _ => return None,
        };
        let text = self.text(place::OUTPUT);
        Some(What::Observed { source: self.subject_text("source")?, labels: seen, text })
    }

    fn measured(&self) -> Option<What> {
        let action = ActionId::from(&*self.subject_text("action")?);
        let embedding = match self.subject_text("model") {
            Some(model) => {
                let (distance, rendering) =
                    (self.subject_number("embedded"), self.subject_number("rendering")?);
                Some(Embedding { distance, model, rendering })
            }
            None => None,
        };
        Some(What::Measured { action, embedding })
    }

    fn action_id(&self) -> Option<ActionId> {
        Some(self.receipt.action.as_ref()?.id.as_str().into())
    }

    fn ruled(
        &self,
        known: impl Fn(&ActionId) -> bool,
        contract: impl Fn(&ToolName) -> Arc<Contract>,
    ) -> Option<What> {
        let transition = Transition::Ruled(Arc::new(self.ruling()?));
        let id = self.action_id()?;
        if known(&id) {
            return Some(What::Moved { action: id, transition });
        }
        let block = self.receipt.action.as_ref()?;
        let tool = ToolName::new(block.tool.as_str(), block.operation.as_str());
        // Erased arguments attach to nothing: no retry can equal them.
        let text = self.text(place::PARAMETERS).unwrap_or_else(|| "{}".into());
        let action = Action {
            id,
            contract: contract(&tool),
            tool,
            original: block.original.as_deref().map(Arc::from),
            arguments: Arguments::parse(&text).ok()?,
            depends_on: block.depends_on.iter().map(|id| ActionId::from(id.as_str())).collect(),
            submitted_at: Time(block.submitted_at.unix_millis()),
        };
        Some(What::Submitted { action: Arc::new(action), identity: Arc::new(self.identity()?), transition })
    }

    fn moved(&self) -> Option<Transition> {
        let method = self.receipt.deferral.as_ref().map(|deferral| deferral.method.as_str());
        match (self.receipt.kind, method) {
            (v1::Kind::Approval, _) => {
                let approval = self.receipt.approval.as_ref()?;
                Some(Transition::Answered(Answer {
                    by: approval.by.as_str().into(),
                    approve: approval.decision == v1::Answer::Approve,
                    reason: self.text(place::APPROVAL_REASON),
                }))
            }
            (v1::Kind::Resolution, Some(method::ESCALATED)) => {
                Some(Transition::Escalated(approvers(&self.receipt.decision.as_ref()?.approvers)))
            }
            (v1::Kind::Resolution, Some(_)) => Some(Transition::Resolved(Arc::new(self.ruling()?))),
            (v1::Kind::Expiry, Some(method::TIMEOUT)) => Some(Transition::TimedOut),
            (v1::Kind::Expiry, Some(method::UNCLAIMED)) => Some(Transition::Unclaimed),
            (v1::Kind::Outcome, _) => self.outcome(),
            _ => None,
        }
    }

    fn outcome(&self) -> Option<Transition> {
        let block = self.receipt.outcome.as_ref()?;
        let status = match block.status {
            v1::Status::Ok => Status::Ok,
            v1::Status::Error => Status::Error,
            v1::Status::Unknown => Status::Unknown,
            v1::Status::NothingSent => Status::NothingSent,
        };
        let (output, error) = (self.text(place::OUTPUT), self.text(place::ERROR));
        let outcome = Outcome { status, labels: labels(&block.labels), output, error };
        Some(Transition::Outcome { outcome, late: block.late })
    }

    fn ruling(&self) -> Option<Ruling> {
        let block = self.receipt.decision.as_ref()?;
        let policy = self.receipt.policy.clone().unwrap_or_default();
        let rules: Vec<RuleId> = block.rules.iter().map(|id| RuleId::from(id.as_str())).collect();
        let decision = match block.verdict {
            v1::Verdict::Allow | v1::Verdict::Modify => Decision::Allow,
            v1::Verdict::Deny => Decision::Deny,
            v1::Verdict::StepUp => Decision::StepUp(approvers(&block.approvers)),
            v1::Verdict::Defer => Decision::Defer(write::gaps(&block.missing, &rules)?),
        };
        let escalates = matches!(decision, Decision::Defer(_)) && !block.approvers.is_empty();
        let set = self.receipt.context.iter().flat_map(|context| &context.set);
        Some(Ruling {
            decision,
            edits: edits(&block.edits)?,
            because: Because {
                step: serde_json::from_value::<Step>(Value::from(block.step.as_str())).ok()?,
                rules,
                reason: block.reason.as_str().into(),
            },
            sets: set.map(|(name, value)| (name.as_str().into(), unplain(value))).collect(),
            counted: self.counted()?,
            wait: block.wait_seconds.map(|s| Span::seconds(i64::try_from(s).unwrap_or(i64::MAX))),
            ending: ending(block)?,
            escalate: escalates.then(|| approvers(&block.approvers)),
            facts_read: self.receipt.facts_read.iter().map(|name| name.as_str().into()).collect(),
            policy: PolicyRef {
                id: policy.id.into(),
                version: policy.version.into(),
                digest: policy.digest.into(),
            },
        })
    }

    fn counted(&self) -> Option<BTreeMap<Arc<str>, Amount>> {
        let names = self.receipt.context.iter().flat_map(|context| &context.counted);
        match self.text(place::AMOUNTS) {
            Some(text) => serde_json::from_str(&text).ok(),
            // Nobody can tell erased amounts any more.
            None => Some(names.map(|name| (name.as_str().into(), Amount::Unknown)).collect()),
        }
    }

    fn identity(&self) -> Option<Identity> {
        let block = self.receipt.identity.as_ref()?;
        Some(Identity {
            human: party(block.human.as_ref()?),
            service: party(block.service.as_ref()?),
            agent: party(block.agent.as_ref()?),
            delegation: block.delegation.iter().map(party).collect(),
            source: block.source.as_str().into(),
            validated_at: Time(block.validated_at.unix_millis()),
        })
    }
}

fn party(party: &v1::Party) -> Party {
    Party { id: party.id.as_str().into(), roles: party.roles.clone(), scope: party.scope.clone() }
}

fn labels(words: &[String]) -> BTreeSet<Arc<str>> {
    words.iter().map(|word| word.as_str().into()).collect()
}

fn approvers(clauses: &[Vec<String>]) -> Approvers {
    let clause =
        |groups: &Vec<String>| Approvers::any_of(groups.iter().map(|g| ApproverGroup::from(g.as_str())));
    clauses.iter().map(clause).fold(Approvers::default(), Approvers::and)
}

fn ending(block: &v1::Decision) -> Option<Ending> {
    let named = |word: &str| OnTimeout::ALL.into_iter().find(|end| end.as_str() == word);
    let level = |word: &str| RiskLevel::ALL.into_iter().find(|level| level.as_str() == word);
    let escalation = |escalation: &v1::Escalation| Escalation {
        after: Span::seconds(i64::try_from(escalation.after_seconds).unwrap_or(i64::MAX)),
        to: escalation.to.iter().map(|group| ApproverGroup::from(group.as_str())).collect(),
    };
    Some(Ending {
        on_timeout: block.on_timeout.as_deref().map_or(Some(OnTimeout::Deny), named)?,
        then: approvers(&block.then),
        escalation: block.escalation.as_ref().map(escalation),
        risk_level: match block.risk_level.as_deref() {
            Some(word) => Some(level(word)?),
            None => None,
        },
    })
}

fn edits(blocks: &[v1::Edit]) -> Option<Edits> {
    let mut edits = Edits::default();
    for block in blocks {
        let value: Value = serde_json::from_str(&block.value).ok()?;
        edits.add(Place::parse(&block.path)?, Edit::from_parts(block.op.as_str(), value)?).ok()?;
    }
    Some(edits)
}

fn unplain(value: &Plain) -> Value {
    match value {
        Plain::Null => Value::Null,
        Plain::Bool(b) => Value::from(*b),
        Plain::Integer(n) => Value::from(*n),
        Plain::Text(text) => Value::from(text.as_str()),
        Plain::List(items) => Value::from(items.clone()),
    }
}

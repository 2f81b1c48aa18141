//! The one flow, in the order of the specification's eight steps.
//!
//! 1 *intercept* and 2 *normalise* are the way in's: it reads a dialect, resolves wrapper tools, verifies the
//! caller. 3 *evaluate* is `core::decide`, 4 *enforce* is `core::lifecycle` with the ledger between ruling and
//! permit. 5 *execute* is the way in's again, and asks for a spent permit. 6 *record* is [`Engine::settle`],
//! 7 *answer* comes after it, and 8 *export* reads the ledger.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::action::Action;
use countersign_core::decision::{Because, Decision, Ending, PolicyRef, Ruling, Step};
use countersign_core::edits::Edits;
use countersign_core::lifecycle::{End, Input, Output, Spent};
use countersign_core::names::{ActionId, ToolName};
use countersign_core::session::{Outcome, Status};

use crate::classify;
use crate::commit::{Committed, Failure, Turn};
use crate::delegation::carrying;
use crate::engine::Engine;
use crate::mediator::{
    Mediator, OpenSession, Opening, Proceed, Proceeding, ReceiptRef, Refusal, Report, Settled, Submission,
    Unrecorded,
};
use crate::record::write::edited;
use crate::suspended::{Hold, On, Suspended};

#[async_trait]
impl Mediator for Engine {
    async fn open(&self, opening: Opening) -> Result<OpenSession, Refusal> {
        self.open_session(opening).await
    }

    async fn submit(&self, submission: Submission) -> Proceeding {
        let submission = match self.admit(submission).await {
            Ok(submission) => submission,
            Err(refusal) => return Proceeding::Refused(refusal),
        };
        let (submission, given) = bounded(submission);
        match self.attach(&submission).await {
            Ok(Some(waiting)) => waiting.now().await,
            Ok(None) => self.begin(submission, given).await,
            Err(failure) => Proceeding::Refused(Box::new(self.unrecorded(None, &failure))),
        }
    }

    async fn settle(&self, spent: Spent, report: Report) -> Result<Settled, Unrecorded> {
        self.settle_by_id(spent.action(), report).await
    }
}

impl Engine {
    /// Refuses something for a reason that is no rule's (an unknown method, an unresolvable wrapper), on record.
    pub async fn refuse(&self, submission: Submission, step: Step, reason: &str) -> Refusal {
        let submission = match self.admit(submission).await {
            Ok(submission) => submission,
            Err(refusal) => return *refusal,
        };
        let (submission, given) = bounded(submission);
        match self.begin(submission, given.or_else(|| Some((step, reason.into())))).await {
            Proceeding::Refused(refusal) => *refusal,
            // A ruling of DENY gives nothing else.
            Proceeding::Proceed(_) | Proceeding::Suspended(_) => {
                self.unrecorded(None, &Failure::Receipt("a refusal did not refuse".into()))
            }
        }
    }

    /// Spends a permit: from here on the action may have an effect. A halt, a revocation or another policy
    /// that came in between makes it lapse, which is recorded.
    ///
    /// # Errors
    /// The permit has lapsed; nothing was sent.
    pub async fn spend(&self, proceed: Proceed) -> Result<(Spent, Arc<Action>), Refusal> {
        let Proceed { permit, action, session, epochs, receipt, .. } = proceed;
        let stopped = self.0.ledger.epochs().await != Ok(epochs);
        permit.spend(self.now(), stopped).map(|spent| (spent, Arc::clone(&action))).map_err(|lapsed| {
            let engine = self.clone();
            let (id, error) = (action.id.clone(), lapsed.to_string());
            let nothing_sent = Outcome {
                status: Status::NothingSent,
                labels: [].into(),
                output: None,
                error: Some(error.as_str().into()),
            };
            tokio::spawn(async move {
                let report = Report { session, outcome: nothing_sent };
                if let Err(error) = engine.settle_by_id(&id, report).await {
                    tracing::warn!(action = %id, %error, "a lapsed permit is left to its deadline");
                }
            });
            Refusal {
                action: Some(action.id.clone()),
                step: Step::Superseded,
                rules: Vec::new(),
                reason: error.into(),
                hint: "nothing was sent; call again to be decided under the rules in force".into(),
                receipt: Some(receipt),
            }
        })
    }

    /// Records what became of an action, by its id: for those who report from outside.
    ///
    /// # Errors
    /// The outcome is not on record: its output must not reach the agent.
    pub async fn settle_by_id(&self, id: &ActionId, report: Report) -> Result<Settled, Unrecorded> {
        let Report { session, outcome } = report;
        let (_, action) = self
            .known(&session, |context| context.find(id).map(|tracked| Arc::clone(&tracked.action)))
            .await
            .map_err(|failure| Unrecorded(failure.to_string()))?;
        let outcome = classify::outcome(outcome, action.as_deref(), &self.governing().policy);
        let committed = self
            .transact(&session, |turn| turn.advance(id, Input::Settled(outcome.clone())))
            .await
            .map_err(|failure| Unrecorded(failure.to_string()))?
            .ok_or_else(|| Unrecorded("the action is not one that is waiting for an outcome".into()))?;
        Ok(Settled { receipt: committed.receipt })
    }

    /// A new action: decided, recorded, and only then let through, refused or held.
    async fn begin(&self, submission: Submission, given: Option<(Step, Arc<str>)>) -> Proceeding {
        let action = Arc::new(self.action(&submission));
        let identity = Arc::clone(&submission.caller.identity);
        let how = (submission.caller.face, submission.caller.enforcement);
        let Some(hold) = Hold::take(self, &submission.session, &action.id).await else {
            return self.refused_unrecorded(&action.id, &Failure::Moved);
        };
        // What is refused for its form is not measured.
        let asked = match &given {
            Some(_) => None,
            None => self.embedded(&submission.session, &action).await,
        };
        let candidate = self.candidate().filter(|_| given.is_none());
        let (mut ruled, mut measured, mut differs) = (None, None, false);
        let committed = self
            .transact(&submission.session, |turn| {
                let (noted, before) = match &given {
                    Some(_) => None,
                    None => turn.measure(&action, &submission.caller, asked.as_ref()),
                }
                .unzip();
                measured = noted;
                let ruling = Arc::new(match &given {
                    Some((step, reason)) => refusal_ruling(turn, *step, reason),
                    None => turn.decide(&action, &identity),
                });
                ruled = Some(Arc::clone(&ruling));
                let otherwise =
                    candidate.as_ref().and_then(|set| turn.beside(set, (&action, &identity), &ruling));
                differs = otherwise.is_some();
                let (output, change) = turn.session.context.submit(&action, &identity, ruling, turn.now);
                Turn::plan(&action.id, output, change, Some(how)).after(before).beside(otherwise)
            })
            .await;
        let (committed, ruling) = match (committed, ruled) {
            (Ok(Some(committed)), Some(ruling)) => (committed, ruling),
            (Err(failure), _) => return self.refused_unrecorded(&action.id, &failure),
            (Ok(None), _) | (_, None) => return self.refused_unrecorded(&action.id, &Failure::Moved),
        };
        self.0.counts.verdict(ruling.verdict());
        self.shadowed(candidate.is_some(), differs);
        self.noticed(&action, measured.as_ref());
        self.enforce(committed, &action, &ruling, hold).await
    }

    /// What a durable ruling means for the call that is waiting for it.
    pub(crate) async fn enforce(
        &self,
        committed: Committed,
        action: &Arc<Action>,
        ruling: &Arc<Ruling>,
        hold: Hold,
    ) -> Proceeding {
        let Committed { receipt, epochs, output } = committed;
        match output {
            Output::Release(permit) => {
                let action = match edited(action, ruling) {
                    Some(arguments) => Arc::new(Action { arguments, ..(**action).clone() }),
                    None => Arc::clone(action),
                };
                let (verdict, session) = (ruling.verdict(), hold.session().clone());
                let because = ruling.because.clone();
                Proceeding::Proceed(Box::new(Proceed {
                    permit,
                    action,
                    verdict,
                    because,
                    receipt,
                    session,
                    epochs,
                }))
            }
            Output::Refuse(ruling) => Proceeding::Refused(Box::new(refusal(&action.id, &ruling, &receipt))),
            Output::Ask(approvers) => {
                Proceeding::Suspended(Box::new(Suspended::new(hold, On::Person(approvers), &receipt)))
            }
            Output::Await(missing) => {
                Proceeding::Suspended(Box::new(Suspended::new(hold, On::Context(missing), &receipt)))
            }
            Output::Over(End::Expired) => Proceeding::Refused(Box::new(expired(&action.id, &receipt))),
            Output::Escalate => self.escalate(receipt, action, ruling, hold).await,
            _ => self.refused_unrecorded(&action.id, &Failure::Moved),
        }
    }

    /// Rules disagree and somebody can settle it: a person is asked at once.
    async fn escalate(
        &self,
        first: ReceiptRef,
        action: &Arc<Action>,
        ruling: &Arc<Ruling>,
        hold: Hold,
    ) -> Proceeding {
        let asked = self.transact(hold.session(), |turn| turn.advance(&action.id, Input::Escalated)).await;
        let approvers = ruling.escalate.clone().unwrap_or_default();
        let receipt = match asked {
            Ok(Some(committed)) => committed.receipt,
            // It goes on waiting for the rules to agree, up to its deadline.
            Ok(None) | Err(_) => first,
        };
        Proceeding::Suspended(Box::new(Suspended::new(hold, On::Person(approvers), &receipt)))
    }

    fn action(&self, submission: &Submission) -> Action {
        Action {
            id: ActionId::new(format!("act_{}", uuid::Uuid::now_v7().simple())),
            tool: submission.tool.clone(),
            original: submission.original.clone(),
            arguments: submission.arguments.clone(),
            contract: Arc::clone(&submission.contract),
            depends_on: submission.depends_on.clone(),
            submitted_at: self.now(),
        }
    }

    /// A session belongs to one human and one agent; nobody else may act in it. Who acts in one that was delegated
    /// carries its grants.
    async fn admit(&self, mut submission: Submission) -> Result<Submission, Box<Refusal>> {
        let identity = &submission.caller.identity;
        let carried = self.known(&submission.session, |context| {
            let opened = context.opened();
            let own = opened.human == identity.human.id && opened.agent == identity.agent.id;
            own.then(|| carrying(identity, opened))
        });
        match carried.await {
            Ok((_, Some(identity))) => {
                submission.caller.identity = identity;
                Ok(submission)
            }
            Ok((_, None)) => Err(Box::new(Refusal {
                action: None,
                step: Step::Scope,
                rules: Vec::new(),
                reason: "the session belongs to somebody else".into(),
                hint: "open a session of your own".into(),
                receipt: None,
            })),
            Err(failure) => Err(Box::new(self.unrecorded(None, &failure))),
        }
    }

    pub(crate) fn refused_unrecorded(&self, id: &ActionId, failure: &Failure) -> Proceeding {
        Proceeding::Refused(Box::new(self.unrecorded(Some(id.clone()), failure)))
    }

    /// A refusal that could not be recorded (`R1.closed`): it says so, and is counted.
    #[must_use]
    pub fn unrecorded(&self, action: Option<ActionId>, failure: &Failure) -> Refusal {
        self.0.counts.unrecorded();
        let step = if matches!(failure, Failure::Contention) { Step::Contention } else { Step::Uncertain };
        tracing::warn!(%failure, "refused without a receipt");
        Refusal {
            action,
            step,
            rules: Vec::new(),
            reason: format!("the decision could not be recorded: {failure}").into(),
            hint: "nothing was sent; the operator finds the cause under /readyz".into(),
            receipt: None,
        }
    }
}

/// The longest name of a tool or action that is taken in, in bytes: a receipt has a bounded size.
const MAX_NAME: usize = 200;
/// The most actions that one may say it depends on.
const MAX_DEPENDS_ON: usize = 32;

/// What is too large to be recorded as it is gets cut, and is refused for that.
fn bounded(mut submission: Submission) -> (Submission, Option<(Step, Arc<str>)>) {
    let long = |name: &str| name.len() > MAX_NAME;
    let tool = &submission.tool;
    let mut reason = None;
    if long(tool.upstream()) || long(tool.tool()) || submission.original.as_deref().is_some_and(long) {
        reason = Some("a tool's name is too long");
        submission.tool = ToolName::new(cut(tool.upstream()), cut(tool.tool()));
        submission.original = submission.original.map(|name| cut(&name).into());
    }
    let depends_on = &mut submission.depends_on;
    if depends_on.len() > MAX_DEPENDS_ON || depends_on.iter().any(|id| long(id.as_str())) {
        reason = Some("it depends on too many actions, or on one with too long a name");
        depends_on.clear();
    }
    (submission, reason.map(|reason| (Step::Protocol, reason.into())))
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

/// A DENY that no rule speaks.
fn refusal_ruling(turn: &Turn<'_>, step: Step, reason: &Arc<str>) -> Ruling {
    deny(step, Arc::clone(reason), turn.governing.policy.reference())
}

pub(crate) fn deny(step: Step, reason: Arc<str>, policy: &PolicyRef) -> Ruling {
    Ruling {
        decision: Decision::Deny,
        edits: Edits::default(),
        because: Because { step, rules: Vec::new(), reason },
        sets: [].into(),
        counted: [].into(),
        wait: None,
        ending: Ending::default(),
        escalate: None,
        facts_read: [].into(),
        policy: policy.clone(),
    }
}

/// What a recorded DENY says to the one who called.
pub(crate) fn refusal(id: &ActionId, ruling: &Ruling, receipt: &ReceiptRef) -> Refusal {
    Refusal {
        action: Some(id.clone()),
        step: ruling.because.step,
        rules: ruling.because.rules.clone(),
        reason: Arc::clone(&ruling.because.reason),
        hint: hint(ruling.because.step).into(),
        receipt: Some(receipt.clone()),
    }
}

/// What a person's no says to the one who called.
pub(crate) fn refused_by(id: &ActionId, by: &str, receipt: &ReceiptRef) -> Refusal {
    Refusal {
        action: Some(id.clone()),
        step: Step::Baseline,
        rules: Vec::new(),
        reason: format!("{by} was asked and refused it").into(),
        hint: "choose another way, or talk to the people who were asked".into(),
        receipt: Some(receipt.clone()),
    }
}

/// What the end of a wait says to the one who called.
pub(crate) fn expired(id: &ActionId, receipt: &ReceiptRef) -> Refusal {
    Refusal {
        action: Some(id.clone()),
        step: Step::Uncertain,
        rules: Vec::new(),
        reason: "its time was over before it was authorised and used".into(),
        hint: "call again to ask again".into(),
        receipt: Some(receipt.clone()),
    }
}

/// What the one who called can do about a refusal by this step.
#[must_use]
pub const fn hint(step: Step) -> &'static str {
    match step {
        Step::Halted => "wait until an operator resumes",
        Step::Scope => "use an identity whose scope includes this upstream",
        Step::Protocol => "use one of the methods that are let through",
        Step::Unresolvable => "call the real tool, or correct the wrapper's arguments",
        Step::Arguments => "correct the argument and call again",
        Step::Confirmation => "wait until a person has confirmed the session",
        Step::Forbidden => "do not try again: no context changes this",
        Step::Risk => "begin a new session for the next task, or ask the people who write the policy",
        Step::Misaligned => "ask the user to extend the request",
        Step::Contention => "try again in a moment",
        Step::Superseded => "call again to be decided under the rules in force",
        Step::Uncertain | Step::Aligned | Step::Baseline | Step::Default => {
            "choose another way, or ask the people who write the policy"
        }
    }
}

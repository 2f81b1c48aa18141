//! One recorded ruling with everything that it was made on, and what asking again says.

use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decide::{Environment, Memo, Question, decide};
use countersign_core::decision::{PolicyRef, Ruling, Step};
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Input, Lifecycle, Limits, State, Transition};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Principal};
use countersign_core::time::Time;
use countersign_receipt::commit::place;
use countersign_receipt::v1;
use serde_json::Value;

use crate::mediate::deny;
use crate::ports::Stored;
use crate::record::read::disclosures;
use crate::record::write::{Draft, Source, Wait};

/// A ruling on record, with everything that it was made on.
#[derive(Debug)]
pub struct Recorded<'r> {
    /// Its receipt.
    pub receipt: v1::Receipt,
    /// What was ruled then.
    pub ruling: Arc<Ruling>,
    /// What was proposed.
    pub action: Arc<Action>,
    /// By whom.
    pub identity: Arc<Identity>,
    /// At which point of the action's life.
    pub how: How,
    /// The session as it stood.
    pub context: &'r Context,
    /// What the human had done.
    pub human: &'r Principal,
    /// What the agent had done.
    pub agent: &'r Principal,
    /// What sessions linked with this one by delegation had done and seen.
    pub linked: &'r Principal,
    /// What the deployment was; what was stopped.
    pub environment: Environment,
    /// How long things lasted.
    pub limits: Limits,
    /// The set that it was made under, where its text is at hand.
    pub policy: Option<Arc<PolicySet>>,
    /// The moment.
    pub now: Time,
    pub(super) lacks: Lacks,
    pub(super) stored: Stored,
}

/// At which point of an action's life a ruling was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// When it came in.
    First,
    /// When a live request claimed what was authorised.
    Claimed,
    /// When context had changed, or something was stopped, while it waited.
    Resolved,
}

/// What is not at hand of what a ruling was made on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lacks {
    /// Its arguments are closed.
    pub(super) arguments: bool,
    /// A text of its session is closed.
    pub(super) texts: bool,
    /// Its tool's contract of then is not kept.
    pub(super) contract: bool,
    /// The terms of then are not kept.
    pub(super) terms: bool,
}

/// What asking again says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The same ruling, to the byte.
    Same,
    /// No rule was asked: a way in refused the message, or an operator stopped what waited. It is so refused again.
    Given,
    /// Another ruling.
    Other(Box<Difference>),
    /// It cannot be asked again as it stood.
    Lacking(Lack),
}

/// Why a ruling cannot be asked again as it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The set's text is not kept, and no set at hand has its digest.
    Policy,
    /// Texts that it read are erased, or closed to this reader.
    Texts,
    /// The contract of its tool was not kept then, and today's gives another ruling.
    Contract,
    /// The terms of the deployment were not kept then, and today's give another ruling.
    Terms,
}

impl Lack {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Policy, Self::Texts, Self::Contract, Self::Terms];

    /// A name for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy_not_kept",
            Self::Texts => "texts_erased",
            Self::Contract => "contract_not_kept",
            Self::Terms => "terms_not_kept",
        }
    }

    /// In words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Policy => {
                "the text of the policy set it was made under is not kept, and no set at hand has its digest"
            }
            Self::Texts => "arguments or texts that it was made on are erased",
            Self::Contract => {
                "the tool's contract of then is not on record, and under today's the ruling is another"
            }
            Self::Terms => {
                "approvers, bounds and thresholds of then are not on record, and under today's the ruling is another"
            }
        }
    }
}

/// How another ruling differs from the recorded one.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The members of the receipt that differ, in order.
    pub members: Vec<&'static str>,
    /// What is ruled now.
    pub now: Arc<Ruling>,
}

/// What a receipt says of a ruling, as JSON text by member.
type Said = Vec<(&'static str, String)>;

impl Recorded<'_> {
    /// The question, under this policy.
    #[must_use]
    pub fn question<'a>(&'a self, policy: &'a PolicySet, memo: &'a Memo) -> Question<'a> {
        Question {
            action: &self.action,
            identity: &self.identity,
            context: self.context,
            human: self.human,
            agent: self.agent,
            linked: self.linked,
            policy,
            environment: &self.environment,
            now: self.now,
            memo,
        }
    }

    /// Asks again under the set that it was made under.
    #[must_use]
    pub fn again(&self) -> Answer {
        let was = self.was();
        if self.is_given(&was) {
            return Answer::Given;
        }
        let Some(policy) = &self.policy else { return Answer::Lacking(Lack::Policy) };
        if self.lacks.arguments {
            return Answer::Lacking(Lack::Texts);
        }
        let (now, until) = self.asked(policy);
        let is = self.said(&now, until);
        if is == was {
            return Answer::Same;
        }
        // What core can say too is taken for a way in's word only where core says something else.
        if matches!(self.ruling.because.step, Step::Scope | Step::Uncertain) && self.bare() == was {
            return Answer::Given;
        }
        let Lacks { texts, contract, terms, .. } = self.lacks;
        match (texts, contract, terms) {
            (true, _, _) => Answer::Lacking(Lack::Texts),
            (_, true, _) => Answer::Lacking(Lack::Contract),
            (_, _, true) => Answer::Lacking(Lack::Terms),
            (false, false, false) => {
                let differs = was.iter().zip(&is).filter(|(was, is)| was.1 != is.1);
                let members = differs.map(|(was, _)| was.0).collect();
                Answer::Other(Box::new(Difference { members, now }))
            }
        }
    }

    /// Asks under another set; `None` where no rule was asked then either.
    #[must_use]
    pub fn under(&self, policy: &PolicySet) -> Option<Arc<Ruling>> {
        (!self.is_given(&self.was())).then(|| self.asked(policy).0)
    }

    /// Whether its arguments are closed, so that no rule can be asked about them.
    #[must_use]
    pub const fn closed(&self) -> bool {
        self.lacks.arguments
    }

    /// Whether no rule was asked, as far as the record alone tells.
    fn is_given(&self, was: &Said) -> bool {
        let step = self.ruling.because.step;
        let stopped = self.how == How::Resolved && step == Step::Halted;
        let refused = self.how == How::First && matches!(step, Step::Protocol | Step::Unresolvable);
        (stopped || refused) && self.bare() == *was
    }

    /// A refusal for the recorded reason by which no rule was asked.
    fn bare(&self) -> Said {
        let policy = self.receipt.policy.clone().unwrap_or_default();
        let policy =
            PolicyRef { id: policy.id.into(), version: policy.version.into(), digest: policy.digest.into() };
        let because = &self.ruling.because;
        self.said(&Arc::new(deny(because.step, Arc::clone(&because.reason), &policy)), None)
    }

    /// The ruling under this set, as the action's life records it at this point, and when a wait by it ends.
    fn asked(&self, policy: &PolicySet) -> (Arc<Ruling>, Option<Time>) {
        let ruling = Arc::new(decide(&self.question(policy, &Memo::default())));
        let input = match self.how {
            How::Claimed => Input::Claimed(Arc::clone(&ruling)),
            How::First | How::Resolved => Input::Ruled(Arc::clone(&ruling)),
        };
        let foreseen = match (self.how, self.context.find(&self.action.id)) {
            (How::First, _) | (_, None) => Lifecycle::new(self.limits).foresee(&self.action, input, self.now),
            (_, Some(tracked)) => tracked.life.foresee(&self.action, input, self.now),
        };
        match foreseen {
            Some((Transition::Ruled(recorded) | Transition::Resolved(recorded), to)) => {
                (recorded, waits_until(&to))
            }
            // It would go on waiting, which is no receipt.
            _ => (ruling, None),
        }
    }

    /// What its receipt says.
    fn was(&self) -> Said {
        let disclosed = disclosures(&self.stored).unwrap_or_default();
        said(&self.receipt, |at| disclosed.get(at).map(|disclosure| disclosure.value.clone()))
    }

    /// What a receipt of this ruling would say here.
    fn said(&self, ruling: &Arc<Ruling>, until: Option<Time>) -> Said {
        let ruling = Arc::clone(ruling);
        let transition = match self.how {
            How::Resolved => Transition::Resolved(ruling),
            How::First | How::Claimed => Transition::Ruled(ruling),
        };
        let source = Source {
            session: self.context.opened(),
            identity: &self.identity,
            face: self.receipt.face,
            enforcement: self.receipt.enforcement,
        };
        let wait = Wait { default: self.limits.wait, until };
        let draft = Draft::transition(source, &self.action, &transition, wait, self.now);
        let Draft { receipt, texts } = draft;
        said(&receipt, |at| texts.iter().find(|(place, _)| place == at).map(|(_, text)| text.to_string()))
    }
}

fn waits_until(state: &State) -> Option<Time> {
    match state {
        State::Waiting { deadline, .. } => Some(*deadline),
        _ => None,
    }
}

/// What a receipt says of its ruling, with the texts that it commits to.
fn said(receipt: &v1::Receipt, text: impl Fn(&str) -> Option<String>) -> Said {
    let json =
        |value: Result<Value, serde_json::Error>| value.map(|value| value.to_string()).unwrap_or_default();
    vec![
        ("decision", json(serde_json::to_value(&receipt.decision))),
        ("policy", json(serde_json::to_value(&receipt.policy))),
        ("facts_read", json(serde_json::to_value(&receipt.facts_read))),
        ("context", json(serde_json::to_value(&receipt.context))),
        ("deferral", json(serde_json::to_value(&receipt.deferral))),
        ("edited_parameters", text(place::EDITED_PARAMETERS).unwrap_or_default()),
        ("amounts", text(place::AMOUNTS).unwrap_or_default()),
    ]
}

//! A rule as the engine uses it: names resolved, values typed, nothing left to interpret.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::condition::Condition;
use super::predicate::Predicate;
use crate::decision::{Approvers, Escalation, OnTimeout, PolicyRef, RiskLevel, Verdict};
use crate::edits::Edits;
use crate::names::RuleId;
use crate::time::Span;

/// One rule. It holds when all its predicates and conditions hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique in its set.
    pub id: RuleId,
    /// The file it stands in (its digest is the set's).
    pub policy: PolicyRef,
    /// Which tools it speaks of; empty = all.
    pub tools: Vec<ToolPattern>,
    /// Which operations: the tools as their servers name them, or what a call of the tool does; empty = all.
    pub operations: Vec<String>,
    /// Which facts must be how.
    pub predicates: Vec<Predicate>,
    /// What else must hold.
    pub conditions: Vec<Condition>,
    /// What then happens; `None` for a rule that only writes context.
    pub action: Option<RuleAction>,
    /// What kind of rule it is.
    pub classification: Classification,
    /// Higher wins; 0 when absent.
    pub priority: i64,
    /// Why, for people and models.
    pub reason: Option<Arc<str>>,
    /// Who is asked where its denial or deferral becomes a question; what a STEP_UP asks stands in its action.
    pub approvers: Option<Approvers>,
    /// The least confidence, in basis points, with which its facts must be known for it to be told.
    pub threshold: Option<u32>,
    /// How dangerous its author thinks the action is, for the people who are asked.
    pub risk_level: Option<RiskLevel>,
    /// How a wait that it causes ends.
    pub wait: Waiting,
    /// What it writes into the session's context when the action runs.
    pub sets: BTreeMap<Arc<str>, Value>,
}

/// What a rule does to an action for which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Lets it run.
    Allow,
    /// Refuses it.
    Deny,
    /// Lets it run with these changes.
    Modify(Edits),
    /// Asks a person.
    StepUp(Approvers),
    /// Makes it wait until the rule no longer holds.
    Defer,
}

impl RuleAction {
    /// The specification's word for it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Deny => Verdict::Deny,
            Self::Modify(_) => Verdict::Modify,
            Self::StepUp(_) => Verdict::StepUp,
            Self::Defer => Verdict::Defer,
        }
    }

    /// Whether it only ever makes things stricter: then a list matches when any element does. ALLOW is the
    /// other way round: it holds only when every element does.
    #[must_use]
    pub const fn restricts(&self) -> bool {
        !matches!(self, Self::Allow)
    }
}

/// The specification's classes of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classification {
    /// An ordinary rule.
    #[default]
    Plain,
    /// Refuses whatever the context and whatever other rules say.
    Forbidden,
    /// Refuses because of context.
    ContextDependentDeny,
    /// A refusal that the request may lift to a question; on other actions an ordinary rule.
    ContextDependentAllow,
    /// Waits because of context.
    ContextDependentDefer,
}

/// A name in `match.tool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolPattern(
    /// As written: `upstream`, `upstream.tool` or a bare tool name.
    pub String,
);

/// How a wait ends that nobody ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How long it may last.
    pub timeout: Option<Span>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Who is asked too, after a while.
    pub escalation: Option<Escalation>,
}

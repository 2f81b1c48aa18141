//! The five decisions, and why one was taken.

mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::edits::Edits;
use crate::names::{ActionId, ApproverGroup, RuleId};
use crate::session::Amount;
use crate::time::Span;
pub use ending::{Ending, Escalation, OnTimeout, RiskLevel};

/// Whether a predicate holds. Not knowing is an answer; an error is never "no match".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be told, and this is what is missing.
    Unknown(Missing),
}

impl Match {
    /// The other way round; not knowing stays what it is.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "read beside `and` and `or`")]
    pub fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    /// Both must hold: one `No` settles it, whatever else is unknown.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(a), Self::Unknown(b)) => Self::Unknown(a.and(b)),
            (Self::Unknown(m), Self::Yes) | (Self::Yes, Self::Unknown(m)) => Self::Unknown(m),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// One must hold: one `Yes` settles it, whatever else is unknown.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown(a), Self::Unknown(b)) => Self::Unknown(a.and(b)),
            (Self::Unknown(m), Self::No) | (Self::No, Self::Unknown(m)) => Self::Unknown(m),
            (Self::No, Self::No) => Self::No,
        }
    }
}

impl From<bool> for Match {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What a decision waits for; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(BTreeSet<Gap>);

impl Missing {
    /// One thing is missing.
    #[must_use]
    pub fn one(gap: Gap) -> Self {
        Self(BTreeSet::from([gap]))
    }

    /// The fact `name` is not there, or cannot be used.
    pub fn fact(name: impl Into<Arc<str>>, why: Why) -> Self {
        Self::one(Gap::Fact { name: name.into(), why })
    }

    /// Both are missing.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Everything that is missing, in a fixed order.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter()
    }
}

/// One missing thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// A fact that a rule reads.
    Fact {
        /// Its name, e.g. `context.maintenance_window`.
        name: Arc<str>,
        /// In which way it is missing.
        why: Why,
    },
    /// The end of another action.
    Action(ActionId),
    /// Agreement between rules of equal priority.
    Agreement(Vec<RuleId>),
    /// A rule defers by its own word, until this rule no longer does.
    Rule(RuleId),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { name, why } => write!(f, "{name} ({why})"),
            Self::Action(id) => write!(f, "the end of action {id}"),
            Self::Agreement(rules) => {
                f.write_str("agreement between the rules")?;
                rules.iter().try_for_each(|rule| write!(f, " {rule}"))
            }
            Self::Rule(rule) => write!(f, "what rule {rule} waits for"),
        }
    }
}

/// In which way a fact is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nobody gave it.
    Absent,
    /// It is there, but of another type than the rule compares with.
    WrongType,
    /// It was given, and its time is over.
    Stale,
    /// Those who gave it disagree.
    Conflicting,
    /// It is known, and above the limit that policy sets.
    AboveLimit,
    /// It is known with less confidence than the rule asks for.
    Doubtful,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "not known",
            Self::WrongType => "of another type than the rule compares with",
            Self::Stale => "no longer valid",
            Self::Conflicting => "conflicting: its sources disagree",
            Self::AboveLimit => "above its limit",
            Self::Doubtful => "less sure than the rule asks for",
        })
    }
}

/// Who must say yes. Every clause has to be met; a clause is met by a member of any of its groups.
/// No clause at all means any configured approver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    clauses: Vec<BTreeSet<ApproverGroup>>,
}

impl Approvers {
    /// A member of any of these groups; of any configured group when there are none.
    pub fn any_of(groups: impl IntoIterator<Item = ApproverGroup>) -> Self {
        let clause: BTreeSet<_> = groups.into_iter().collect();
        Self { clauses: if clause.is_empty() { Vec::new() } else { vec![clause] } }
    }

    /// Somebody who satisfies both demands.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.clauses.extend(other.clauses);
        self.clauses.sort();
        self.clauses.dedup();
        self
    }

    /// Whether a member of `groups` may answer.
    #[must_use]
    pub fn admit(&self, groups: &BTreeSet<ApproverGroup>) -> bool {
        !groups.is_empty() && self.clauses.iter().all(|clause| !clause.is_disjoint(groups))
    }

    /// Whether an approval under `self` also meets what `later` demands.
    #[must_use]
    pub fn covers(&self, later: &Self) -> bool {
        later.clauses.iter().all(|clause| self.clauses.iter().any(|given| given.is_subset(clause)))
    }

    /// The clauses, for receipts and lists.
    #[must_use]
    pub fn clauses(&self) -> &[BTreeSet<ApproverGroup>] {
        &self.clauses
    }
}

/// What happens to an action. ALLOW with edits is named MODIFY ([`Ruling::verdict`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It runs.
    Allow,
    /// It has no effect.
    Deny,
    /// It waits for a person.
    StepUp(Approvers),
    /// It waits for context.
    Defer(Missing),
}

impl Decision {
    /// The specification's word for it where nothing is edited.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Deny => Verdict::Deny,
            Self::StepUp(_) => Verdict::StepUp,
            Self::Defer(_) => Verdict::Defer,
        }
    }
}

/// The specification's five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Runs unchanged.
    Allow,
    /// No effect.
    Deny,
    /// Runs with changed parameters.
    Modify,
    /// Waits for a person.
    StepUp,
    /// Waits for context.
    Defer,
}

impl Verdict {
    /// The word as receipts write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Modify => "MODIFY",
            Self::StepUp => "STEP_UP",
            Self::Defer => "DEFER",
        }
    }
}

/// The step of the order of judgement that decided (`R3.order`), or the guard before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A halt is in force.
    Halted,
    /// The identity may not reach this upstream.
    Scope,
    /// The message is not one we let through.
    Protocol,
    /// The wrapper's real tool cannot be told.
    Unresolvable,
    /// The arguments break the schema that they are held against.
    Arguments,
    /// A forbidding rule holds.
    Forbidden,
    /// What the session did and saw adds up to more than policy permits.
    Risk,
    /// Something a rule needs is missing, rules disagree, or a deferred action comes first.
    Uncertain,
    /// It would run, and a person has not confirmed the session for too long.
    Confirmation,
    /// Allowed, but outside the request.
    Misaligned,
    /// Denied by a rule that the request may lift to a question.
    Aligned,
    /// The rules of the highest priority that hold.
    Baseline,
    /// No rule holds; the written default.
    Default,
    /// Too many changes at once to decide on a settled context.
    Contention,
    /// What an approval or resolution authorised is no longer what the rules say.
    Superseded,
}

impl Step {
    /// The word as receipts write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Scope => "scope",
            Self::Protocol => "protocol",
            Self::Unresolvable => "unresolvable",
            Self::Arguments => "arguments",
            Self::Forbidden => "forbidden",
            Self::Risk => "risk",
            Self::Uncertain => "uncertain",
            Self::Confirmation => "confirmation",
            Self::Misaligned => "misaligned",
            Self::Aligned => "aligned",
            Self::Baseline => "baseline",
            Self::Default => "default",
            Self::Contention => "contention",
            Self::Superseded => "superseded",
        }
    }
}

/// A decision with everything that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ruling {
    /// What happens.
    pub decision: Decision,
    /// How the arguments change if the action runs.
    pub edits: Edits,
    /// Why.
    pub because: Because,
    /// What the rules that hold write into the session's context if the action runs.
    pub sets: BTreeMap<Arc<str>, Value>,
    /// What it adds to the policy's counters if the action runs.
    pub counted: BTreeMap<Arc<str>, Amount>,
    /// How long a wait may last, where a rule says so.
    pub wait: Option<Span>,
    /// How the wait ends that nobody ends.
    pub ending: Ending,
    /// Who may settle a wait for [`Gap::Agreement`] at once, where somebody can.
    pub escalate: Option<Approvers>,
    /// Names of the facts that were read.
    pub facts_read: BTreeSet<Arc<str>>,
    /// The policy that decided.
    pub policy: PolicyRef,
}

impl Ruling {
    /// The specification's word for this ruling.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.decision.verdict() {
            Verdict::Allow if !self.edits.is_empty() => Verdict::Modify,
            verdict => verdict,
        }
    }
}

/// The reason of a ruling. Names fields and rules, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// Which step decided.
    pub step: Step,
    /// The rules that decided, if rules did.
    pub rules: Vec<RuleId>,
    /// A sentence for people and models.
    pub reason: Arc<str>,
}

/// Which policy a ruling was made under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The file's name for itself.
    pub id: Arc<str>,
    /// The file's version.
    pub version: Arc<str>,
    /// The digest of the whole set in force, `sha256:…`.
    pub digest: Arc<str>,
}

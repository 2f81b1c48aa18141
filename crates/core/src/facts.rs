//! The one place where a fact's name becomes a value, or is missing.
//!
//! | full name | what it is |
//! |---|---|
//! | `parameters.PATH` | an argument; a number in the path counts list elements from 0 |
//! | `identity.human`, `.service`, `.agent` | ids; `.roles` and `.scope` of each, `identity.roles` = the agent's |
//! | `identity.delegation`, `identity.source` | ids of the grants; what vouches for the identity |
//! | `context.prior_actions` | tools of the session's permitted actions |
//! | `context.data_classification` | labels of data seen, here or in linked sessions, with the principals' marks where the session inherits |
//! | `context.action_count`, `context.denied_count` | actions of the session before this one; refusals |
//! | `context.original_request` | the user's request, as a host gave it |
//! | `session.actions.TOOL`, `human.…`, `agent.…` | permitted actions, those in flight included |
//! | `delegation.actions.TOOL` | the same of this session and all that are linked with it by delegation, together |
//! | `session.sums.COUNTER`, `human.…`, `agent.…` | what a counter of the policy adds up to ([`crate::session::counters`]) |
//! | `parameters.PATH.origin` | who could have written it, the least trusted where it is a list: `user`, `service`, `first_party`, `third_party`, `nobody`, `unknown` |
//! | `parameters.PATH.novel` | whether it stands in nothing that the session has seen; missing where that cannot be told |
//! | `parameters.PATH.doubt` | what speaks against it, or `none` |
//! | `context.effect` | what the tool's contract says it does |
//! | `context.licensed` | whether the request or an open slot covers the action; missing where that cannot be told |
//! | `context.slot` | the slot that the action uses, or `none` |
//! | `context.selectors.origin` | who could have written the arguments that carry authority |
//! | `context.doubts` | what speaks against the action: `third_party`, `pushed`, `not_named`, `ambiguous`, ... |
//! | `context.flows.classification` | labels of the data that its arguments carry |
//! | `context.recipient` | the arguments that say whom or where an action reaches: parties, payees, URLs; missing where it has none |
//! | `context.entities` | parties that the session's effects reached, as folded texts |
//! | `context.risk_signals.…`, `.compositional_risk`, `.turns`, ... | numbers, each with its formula in [`crate::session::signals`]; named in [`measures`] |
//! | `context.risk_signals.drift.level` | what the thresholds in force say: `none`, `alert` or `exceeded` ([`crate::drift::Limits`]) |
//! | `context.NAME` | a fact that an operator gave or a rule wrote; missing while its sources disagree |
//!
//! Histories, sets and counters are known and empty at the start; the rest is missing until it is there. What a
//! session without end no longer keeps is missing too ([`crate::session::compact`]), and nobody may take it for
//! something that never was ([`Fact::may_be_dropped`]).

mod grades;
pub mod measures;
mod names;
mod numbers;
pub mod providers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use measures::Measure;
pub(crate) use names::{COUNTERS, is_computed, is_counter};
pub use numbers::{compare_numbers, identical};
use serde_json::Value;

use crate::decide::Question;
use crate::decision::{Missing, Why};
use crate::identity::{Identity, Party};
use crate::names::ToolName;
use crate::origin::Origin;
use crate::session::{Decimal, FactState, Per, usage};

/// A fact that a rule reads: found once when the policy is loaded, read on every decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    name: Arc<str>,
    source: Source,
}

/// The part of `match` in which a fact's name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `parameters`
    Parameters,
    /// `identity`
    Identity,
    /// `context`; the counters `human.actions.…` live here too.
    Context,
}

/// A name that is no fact's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoSuchFact {
    /// What is wrong with the name.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// What was read, borrowed from where it stands.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// An argument, or a fact that somebody gave.
    Value(&'a Value),
    /// A text of ours.
    Text(&'a str),
    /// A counter of ours.
    Count(u64),
    /// A sum of amounts.
    Amount(Decimal),
    /// What a party holds: roles or scopes.
    Held(&'a [String]),
    /// The parties of the delegation chain.
    Parties(&'a [Party]),
    /// Tools that were used.
    Tools(&'a BTreeMap<ToolName, u64>),
    /// Labels of data that was seen: the session's, the human's, the agent's, those of linked sessions.
    Labels([Option<&'a BTreeSet<Arc<str>>>; 4]),
    /// Words from a closed list of ours.
    Words(&'a BTreeSet<&'static str>),
}

/// What a fact is made of, where that is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whatever the caller, an operator or a rule makes it.
    Any,
    /// A number.
    Number,
    /// A text.
    Text,
    /// What a party holds: texts.
    Held,
    /// The parties of the delegation chain, by their ids.
    Parties,
    /// Tools that were used, by their names.
    Tools,
    /// Labels of data that was seen.
    Labels,
    /// Words from a closed list of ours.
    Words,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Parameter(Vec<Segment>),
    Party(Who, Part),
    Delegation,
    Voucher,
    PriorActions,
    Labels,
    ActionCount,
    DeniedCount,
    Request,
    Entities,
    Measure(Measure),
    DriftLevel,
    Uses(Counter, Arc<str>),
    Sum(Per, Arc<str>),
    Given(Arc<str>),
    /// Of an argument, by its JSON pointer.
    Origin(String, Aspect),
    Effect,
    Licensed,
    Slot,
    SelectorOrigins,
    Doubts,
    Flows,
    Recipient,
}

/// What is asked about where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    Origin,
    Novel,
    Doubt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    member: String,
    index: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Human,
    Service,
    Agent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Id,
    Roles,
    Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counter {
    Session,
    Human,
    Agent,
    Delegation,
}

impl Fact {
    /// Finds the fact called `dotted` in `block`.
    ///
    /// # Errors
    /// No fact can have this name; or the name is so near to a computed one that it must be a slip.
    pub fn parse(block: Block, dotted: &str) -> Result<Self, NoSuchFact> {
        if dotted.split('.').any(str::is_empty) {
            return Err(NoSuchFact {
                message: format!("`{dotted}` has an empty part"),
                hint: "write the parts with one dot between them".into(),
            });
        }
        match block {
            Block::Parameters => Ok(Self::new(&format!("parameters.{dotted}"), names::parameter(dotted))),
            Block::Identity => names::identity(dotted),
            Block::Context => names::context(dotted),
        }
    }

    /// Whether somebody may give a fact of this name in a session's context.
    ///
    /// # Errors
    /// The name is computed, or so near to a computed one that it must be a slip.
    pub fn may_be_given(name: &str) -> Result<(), NoSuchFact> {
        match Self::parse(Block::Context, name)?.source {
            Source::Given(_) => Ok(()),
            _ => Err(NoSuchFact {
                message: format!("`{name}` is computed from what happens, so nobody can give it"),
                hint: "give a fact under a name of your own".into(),
            }),
        }
    }

    /// The full name, as it stands in receipts and in what a decision waits for.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The value at the moment of the question.
    ///
    /// # Errors
    /// It is absent or no longer valid.
    pub fn read<'a>(&self, q: &Question<'a>) -> Result<Read<'a>, Missing> {
        let absent = || self.missing(Why::Absent);
        match &self.source {
            Source::Parameter(path) => {
                locate(q.action.arguments.value(), path).map(Read::Value).ok_or_else(absent)
            }
            Source::Party(who, part) => read_party(who.of(q.identity), *part).ok_or_else(absent),
            Source::Delegation => Ok(Read::Parties(&q.identity.delegation)),
            Source::Voucher => Ok(Read::Text(&q.identity.source)),
            Source::PriorActions if q.context.tally().other() > 0 => Err(absent()),
            Source::PriorActions => Ok(Read::Tools(q.context.actions())),
            Source::Labels => labels(q).map(Read::Labels).ok_or_else(absent),
            Source::ActionCount => Ok(Read::Count(submitted_before(q))),
            Source::DeniedCount => Ok(Read::Count(q.context.denied())),
            Source::Request => q.context.opened().request.as_deref().map(Read::Text).ok_or_else(absent),
            Source::Entities => q.context.signals().entities().map(Read::Value).ok_or_else(absent),
            Source::Measure(measure) => measure.read(q).map(Read::Count).ok_or_else(absent),
            Source::DriftLevel => match q.environment.drift.level(q) {
                Some(level) => Ok(Read::Text(level.as_str())),
                None => Err(absent()),
            },
            Source::Uses(counter, tool) => counter.uses(q, tool).map(Read::Count).ok_or_else(absent),
            Source::Sum(per, counter) => usage::sum(q, *per, counter, None).map(Read::Amount),
            Source::Origin(pointer, aspect) => self.read_origin(q, pointer, *aspect),
            Source::Effect => Ok(Read::Text(q.action.contract.effect.as_str())),
            Source::Licensed => match q.origins().licensed {
                Some(licensed) => Ok(flag(licensed)),
                None => Err(absent()),
            },
            Source::Slot => Ok(Read::Text(q.origins().slot.as_deref().unwrap_or("none"))),
            Source::SelectorOrigins => Ok(Read::Words(&q.origins().selected)),
            Source::Doubts => Ok(Read::Words(&q.origins().doubted)),
            Source::Flows => Ok(Read::Labels([Some(&q.origins().flows), None, None, None])),
            Source::Recipient => q.recipients().map(Read::Value).ok_or_else(absent),
            Source::Given(name) => match q.context.fact(name, q.now) {
                FactState::Absent => Err(absent()),
                FactState::Stale => Err(self.missing(Why::Stale)),
                FactState::Conflicting => Err(self.missing(Why::Conflicting)),
                FactState::Holds(value) => Ok(Read::Value(value)),
            },
        }
    }

    /// Whether it may have been there without being kept, or its sources disagree: then nobody can say whether it
    /// is there.
    #[must_use]
    pub fn may_be_dropped(&self, q: &Question<'_>) -> bool {
        match &self.source {
            Source::Given(name) => {
                q.context.may_have_dropped(name) || q.context.fact(name, q.now) == FactState::Conflicting
            }
            Source::PriorActions | Source::Labels | Source::Entities | Source::Uses(..) | Source::Sum(..) => {
                self.read(q).is_err()
            }
            Source::Measure(measure) => measure.may_be_dropped(q),
            Source::DriftLevel => q.context.opened().request.is_some() && self.read(q).is_err(),
            _ => false,
        }
    }

    /// Whether it says where arguments come from.
    pub(crate) const fn is_about_origins(&self) -> bool {
        matches!(
            self.source,
            Source::Origin(..) | Source::Licensed | Source::Slot | Source::SelectorOrigins | Source::Doubts
        )
    }

    /// This fact as what a decision waits for.
    #[must_use]
    pub fn missing(&self, why: Why) -> Missing {
        Missing::fact(Arc::clone(&self.name), why)
    }

    /// Whether it is an argument.
    pub(crate) const fn is_parameter(&self) -> bool {
        matches!(self.source, Source::Parameter(_))
    }

    /// Whether it is a share of one, counted in basis points.
    pub(crate) const fn is_share(&self) -> bool {
        matches!(self.source, Source::Measure(measure) if measure.is_share())
    }

    /// What it is made of.
    pub(crate) const fn kind(&self) -> Kind {
        match &self.source {
            Source::Parameter(_)
            | Source::Given(_)
            | Source::Licensed
            | Source::Entities
            | Source::Recipient
            | Source::Origin(_, Aspect::Novel) => Kind::Any,
            Source::Effect | Source::Slot | Source::Origin(..) | Source::DriftLevel => Kind::Text,
            Source::SelectorOrigins | Source::Doubts => Kind::Words,
            Source::ActionCount
            | Source::DeniedCount
            | Source::Measure(_)
            | Source::Uses(..)
            | Source::Sum(..) => Kind::Number,
            Source::Party(_, Part::Id) | Source::Voucher | Source::Request => Kind::Text,
            Source::Party(..) => Kind::Held,
            Source::Delegation => Kind::Parties,
            Source::PriorActions => Kind::Tools,
            Source::Labels | Source::Flows => Kind::Labels,
        }
    }

    /// Absent where the argument is absent; the least trusted of what it contains.
    fn read_origin<'a>(&self, q: &Question<'a>, pointer: &str, aspect: Aspect) -> Result<Read<'a>, Missing> {
        let origins = q.origins();
        let worst = origins.under(pointer).map(|argument| argument.origin).max();
        let worst = worst.ok_or_else(|| self.missing(Why::Absent))?;
        match aspect {
            Aspect::Origin => Ok(Read::Text(worst.as_str())),
            Aspect::Novel if worst == Origin::Unknown => Err(self.missing(Why::Absent)),
            Aspect::Novel => Ok(flag(worst == Origin::Nobody)),
            Aspect::Doubt => Ok(Read::Text(origins.doubt_about(pointer))),
        }
    }

    fn new(name: &str, source: Source) -> Self {
        Self { name: name.into(), source }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn flag(is: bool) -> Read<'static> {
    static TRUE: Value = Value::Bool(true);
    static FALSE: Value = Value::Bool(false);
    Read::Value(if is { &TRUE } else { &FALSE })
}

fn locate<'a>(root: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, segment| match value {
        Value::Object(members) => members.get(&segment.member),
        Value::Array(items) => items.get(segment.index?),
        _ => None,
    })
}

impl Who {
    const fn of(self, identity: &Identity) -> &Party {
        match self {
            Self::Human => &identity.human,
            Self::Service => &identity.service,
            Self::Agent => &identity.agent,
        }
    }
}

impl Counter {
    /// `None` where a tool that is not kept may bear the name.
    fn uses(self, q: &Question<'_>, tool: &str) -> Option<u64> {
        let own = || q.context.tally().uses(tool);
        match self {
            Self::Session => own(),
            Self::Human => q.human.tally().uses(tool),
            Self::Agent => q.agent.tally().uses(tool),
            // The session's own are among them, once there is a link.
            Self::Delegation => Some(q.linked.tally().uses(tool)?.max(own()?)),
        }
    }
}

fn read_party(party: &Party, part: Part) -> Option<Read<'_>> {
    match part {
        Part::Id if party.id.is_empty() => None,
        Part::Id => Some(Read::Text(&party.id)),
        Part::Roles => Some(Read::Held(&party.roles)),
        Part::Scope => Some(Read::Held(&party.scope)),
    }
}

/// `None` where one of the sets is not kept whole.
fn labels<'a>(q: &Question<'a>) -> Option<[Option<&'a BTreeSet<Arc<str>>>; 4]> {
    let inherits = q.context.opened().inherits;
    let inherited = !inherits || (q.human.labels_complete() && q.agent.labels_complete());
    let complete = inherited && q.context.labels_complete() && q.linked.labels_complete();
    let marks = [q.human, q.agent].map(|principal| inherits.then(|| principal.labels()));
    let [human, agent] = marks;
    complete.then(|| [Some(q.context.labels()), human, agent, Some(q.linked.labels())])
}

/// An action that is decided again is not counted among those before it.
fn submitted_before(q: &Question<'_>) -> u64 {
    let itself = u64::from(q.context.find(&q.action.id).is_some());
    q.context.submitted().saturating_sub(itself)
}

//! The latest permitted actions of a session, one by one: what `sequence` rules ask.
//!
//! An action is in the history from the moment its ruling is appended, so that those in flight count; it leaves it
//! only on a recorded outcome that nothing was sent, or when so many came after it. **What a window reaches for and is
//! not kept makes the answer Unknown, never No.**

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::counters::{Amount, Correction};
use super::entry::{Outcome, Status};
use super::fingerprint::{Fingerprint, Shared, Sought, Standing};
use crate::action::{Action, Effect};
use crate::decide::Question;
use crate::decision::{Match, Missing, Ruling, Why};
use crate::names::{ActionId, ToolName};
use crate::time::{Span, Time};

/// What a decision waits for where the history does not reach far enough back.
pub const HISTORY: &str = "context.history";

/// The fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Oldest first.
    kept: VecDeque<Permitted>,
    /// The moment of the latest one that is not kept.
    beyond: Option<Time>,
    /// Permitted actions about which an outcome may still say what they amounted to.
    open: BTreeMap<ActionId, Open>,
}

/// One permitted action, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted {
    id: ActionId,
    tool: ToolName,
    effect: Effect,
    at: Time,
    arguments: Fingerprint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    tool: ToolName,
    at: Time,
    counted: BTreeMap<Arc<str>, Amount>,
}

/// How a permitted action is kept.
pub(crate) struct Kept<'a> {
    /// Its tool's name, best one that is kept already.
    pub(crate) tool: &'a ToolName,
    /// Whether its arguments are known, not erased.
    pub(crate) readable: bool,
    /// When its ruling was appended.
    pub(crate) at: Time,
}

/// Whether an earlier action stands before the one in question.
#[derive(Clone, Copy)]
pub struct SequenceQuery<'a> {
    /// Which earlier action.
    pub after: &'a dyn Fn(&Permitted) -> bool,
    /// Among the latest so many permitted actions; `None` = among all.
    pub within_actions: Option<u64>,
    /// Permitted no longer ago than this; `None` = whenever.
    pub within: Option<Span>,
    /// Values that both have; every pair has to be shared with one and the same earlier action.
    pub shares: &'a [Shared],
    /// Where a place of the action in question is a list: whether every element has to be shared, or any. Rules that
    /// let actions run ask for every, rules that restrict for any.
    pub every: bool,
}

impl Permitted {
    /// Its tool, by its full name; the tool's own name is the operation.
    #[must_use]
    pub const fn tool(&self) -> &ToolName {
        &self.tool
    }

    /// What its contract said that it does.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// When its ruling was appended.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.at
    }
}

/// What is folded in.
impl History {
    /// An action was permitted under this ruling.
    pub(crate) fn permitted(&mut self, action: &Action, ruling: &Ruling, as_kept: Kept<'_>, limit: usize) {
        let Kept { tool, readable, at } = as_kept;
        let arguments = if readable { forwarded(action, ruling) } else { Fingerprint::lost() };
        // Of what was erased nobody knows what it was counted for, so nothing of it is given back.
        if readable {
            let open = Open { tool: tool.clone(), at, counted: ruling.counted.clone() };
            self.open.insert(action.id.clone(), open);
        }
        self.kept.push_back(Permitted {
            id: action.id.clone(),
            tool: tool.clone(),
            effect: action.contract.effect,
            at,
            arguments,
        });
        while self.kept.len() > limit {
            let dropped = self.kept.pop_front().map(|permitted| permitted.at);
            self.beyond = self.beyond.max(dropped);
        }
    }

    /// An outcome was recorded; `erased`: what it said is no longer known. Returns what it changes for counters.
    pub(crate) fn settled(&mut self, id: &ActionId, outcome: &Outcome, erased: bool) -> Option<Correction> {
        if outcome.status == Status::Unknown {
            return None;
        }
        let sent = outcome.status != Status::NothingSent;
        if !sent {
            self.kept.retain(|permitted| permitted.id != *id);
        }
        let Open { tool, at, counted } = self.open.remove(id)?;
        if !sent {
            return Some(Correction { tool, at, returned: true, was: counted, now: BTreeMap::new() });
        }
        let was: BTreeMap<_, _> =
            counted.into_iter().filter(|(_, amount)| matches!(amount, Amount::Result { .. })).collect();
        let output = outcome.output.as_deref().filter(|_| !erased);
        let measured = |amount: &Amount| amount.measured(output, erased);
        let now = was.iter().map(|(name, amount)| (Arc::clone(name), measured(amount))).collect();
        (!was.is_empty()).then_some(Correction { tool, at, returned: false, was, now })
    }

    /// No report about this action is taken in any more.
    pub(crate) fn let_go(&mut self, id: &ActionId) {
        self.open.remove(id);
    }
}

/// What rules ask.
impl History {
    /// The actions that are kept, the latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Permitted> {
        self.kept.iter().rev()
    }

    /// Whether an action that is no longer kept was permitted within these bounds, or may have been.
    #[must_use]
    pub fn reaches_beyond(&self, within_actions: Option<u64>, within: Option<Span>, now: Time) -> bool {
        let Some(latest_dropped) = self.beyond else { return false };
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        within_actions.is_none_or(|most| most > kept)
            && within.is_none_or(|span| !long_ago(latest_dropped, span, now))
    }

    /// Whether an action that the query describes was permitted before the one in question.
    #[must_use]
    pub fn sequence(&self, query: &SequenceQuery<'_>, q: &Question<'_>) -> Match {
        let most =
            query.within_actions.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let recent = |p: &&Permitted| query.within.is_none_or(|span| !long_ago(p.at, span, q.now));
        let candidates = self.latest().take(most).filter(recent).filter(|p| (query.after)(p));
        let mut values: Option<Vec<Result<Vec<Sought>, Missing>>> = None;
        let mut answer = Match::No;
        for candidate in candidates {
            let values = values.get_or_insert_with(|| values_now(query, q));
            answer = answer.or(candidate.shares(query, values));
            if answer == Match::Yes {
                return answer;
            }
        }
        if self.reaches_beyond(query.within_actions, query.within, q.now) {
            answer = answer.or(not_kept());
        }
        answer
    }
}

impl Permitted {
    fn shares(&self, query: &SequenceQuery<'_>, values: &[Result<Vec<Sought>, Missing>]) -> Match {
        values.iter().fold(Match::Yes, |all, values| {
            all.and(match values {
                Ok(values) => self.arguments.shares(values, query.every).map_or_else(not_kept, Match::from),
                Err(missing) => Match::Unknown(missing.clone()),
            })
        })
    }
}

fn not_kept() -> Match {
    Match::Unknown(Missing::fact(HISTORY, Why::Absent))
}

/// What stands at the places of the action in question; what is not there is missing under the argument's name.
fn values_now(query: &SequenceQuery<'_>, q: &Question<'_>) -> Vec<Result<Vec<Sought>, Missing>> {
    let arguments = q.action.arguments.value();
    let one = |pair: &Shared| match pair.standing(arguments) {
        Standing::Values(values) => Ok(values),
        Standing::Unclear => Err(Missing::fact(format!("parameters.{}", pair.now()), Why::Absent)),
    };
    query.shares.iter().map(one).collect()
}

/// Whether a moment lies further back than a span. A clock that was put back makes nothing long ago.
fn long_ago(at: Time, span: Span, now: Time) -> bool {
    now - at > span
}

/// The arguments as they were forwarded.
fn forwarded(action: &Action, ruling: &Ruling) -> Fingerprint {
    if ruling.edits.is_empty() {
        return Fingerprint::of(action.arguments.value());
    }
    match ruling.edits.apply(&action.arguments, &action.contract) {
        Ok(edited) => Fingerprint::of(edited.value()),
        // Its contract has changed since: nobody can say what was forwarded.
        Err(_) => Fingerprint::lost(),
    }
}

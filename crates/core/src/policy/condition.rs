//! What must hold for a rule beside the tests in its `match`: constraints, sequences, expressions.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Number;

use super::expression::Expression;
use super::matching::Mode;
use super::predicate::Predicate;
use super::rule::ToolPattern;
use crate::contract::Effect;
use crate::decide::Question;
use crate::decision::{Match, Missing, Why};
use crate::facts::Fact;
use crate::names::ToolName;
use crate::session::history::HISTORY;
use crate::session::usage::{missing_sum, rate, sum_with};
use crate::session::{CounterDefinition, Per, Permitted, SequenceQuery, Shared};
use crate::time::Span;

/// A part of a rule's condition that is more than one test.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of these constraints is broken: rules that restrict.
    Broken(Vec<Constraint>),
    /// All of these constraints are kept: ALLOW.
    Kept(Vec<Constraint>),
    /// An earlier action was permitted.
    After(Sequence),
    /// An expression over facts is true.
    When(Expression),
}

/// What a call has to keep to.
#[derive(Clone, Debug)]
pub enum Constraint {
    /// Every value of a fact meets a test.
    Test(Predicate),
    /// Not more often than this.
    Rate(Rate),
    /// Not more in all than this.
    Budget(Budget),
}

/// How often actions may run.
#[derive(Clone, Debug)]
pub struct Rate {
    /// So many, this one included.
    pub max: u64,
    /// In so long; `None` = ever.
    pub window: Option<Span>,
    /// Whose actions count.
    pub per: Per,
    /// Which actions count.
    pub of: Actions,
}

/// How much actions may add up to.
#[derive(Clone, Debug)]
pub struct Budget {
    /// What is added up.
    pub counter: CounterDefinition,
    /// So much, this action included.
    pub max: Number,
    /// In so long; `None` = ever.
    pub window: Option<Span>,
    /// Whose actions count.
    pub per: Per,
}

/// An action that was permitted before this one.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Which.
    pub after: Actions,
    /// Among the latest so many.
    pub within_actions: Option<u64>,
    /// Not longer ago than this.
    pub within: Option<Span>,
    /// Values that both have.
    pub shares: Vec<Shared>,
}

/// Which actions are meant, by what is known of them afterwards.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    /// Of these tools; empty = all.
    pub tools: Vec<ToolPattern>,
    /// Tools that are called so; empty = all.
    pub operations: Vec<String>,
    /// That did one of these; empty = all.
    pub effects: Vec<Effect>,
}

impl Condition {
    /// Whether it holds for the action in question. The names of facts it reads are added to `read`.
    pub(super) fn holds(&self, q: &Question<'_>, mode: Mode, read: &mut BTreeSet<Arc<str>>) -> Match {
        match self {
            Self::Broken(constraints) => constraints
                .iter()
                .fold(Match::No, |broken, constraint| broken.or(constraint.kept(q, read).not())),
            Self::Kept(constraints) => {
                constraints.iter().fold(Match::Yes, |kept, constraint| kept.and(constraint.kept(q, read)))
            }
            Self::After(sequence) => {
                read.insert(HISTORY.into());
                sequence.holds(q, mode)
            }
            Self::When(expression) => expression.holds(q, read),
        }
    }

    /// The facts that it reads by name.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        let (constraints, of_expression): (&[Constraint], &[Fact]) = match self {
            Self::Broken(constraints) | Self::Kept(constraints) => (constraints, &[]),
            Self::When(expression) => (&[], expression.facts()),
            Self::After(_) => (&[], &[]),
        };
        let of_constraints = constraints.iter().filter_map(|constraint| match constraint {
            Constraint::Test(predicate) => Some(predicate.facts()),
            Constraint::Rate(_) | Constraint::Budget(_) => None,
        });
        of_constraints.flatten().chain(of_expression)
    }
}

impl Constraint {
    pub(super) fn kept(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Match {
        match self {
            Self::Test(predicate) => {
                predicate.note(read);
                predicate.holds(q, Mode::Every)
            }
            Self::Rate(rate) => {
                read.insert(HISTORY.into());
                rate.kept(q)
            }
            Self::Budget(budget) => {
                read.insert(format!("{}.sums.{}", budget.per.as_str(), budget.counter.name).into());
                budget.kept(q)
            }
        }
    }
}

impl Rate {
    fn kept(&self, q: &Question<'_>) -> Match {
        let before = if self.of.effects.is_empty() { self.by_tool(q) } else { self.by_effect(q) };
        match before {
            Ok(before) => Match::from(before < self.max),
            Err(missing) => Match::Unknown(missing),
        }
    }

    fn by_tool(&self, q: &Question<'_>) -> Result<u64, Missing> {
        let named = |tool: &ToolName| self.of.names(tool);
        rate(q, self.per, (!self.of.is_every()).then_some(&named), self.window)
    }

    /// What tools did is kept of the session's own actions alone.
    fn by_effect(&self, q: &Question<'_>) -> Result<u64, Missing> {
        let history = q.context.history();
        let recent =
            |permitted: &&Permitted| self.window.is_none_or(|window| q.now - permitted.at() <= window);
        let count = history.latest().filter(recent).filter(|permitted| self.of.mean(permitted)).count();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if count < self.max && history.reaches_beyond(None, self.window, q.now) {
            return Err(Missing::fact(HISTORY, Why::Absent));
        }
        Ok(count)
    }
}

impl Budget {
    fn kept(&self, q: &Question<'_>) -> Match {
        let sum = sum_with(q, self.per, &self.counter, self.window);
        if sum.at_least.compared_with(&self.max).is_gt() {
            return Match::No;
        }
        if sum.whole { Match::Yes } else { Match::Unknown(missing_sum(self.per, &self.counter)) }
    }
}

impl Sequence {
    fn holds(&self, q: &Question<'_>, mode: Mode) -> Match {
        let query = SequenceQuery {
            after: &|permitted| self.after.mean(permitted),
            within_actions: self.within_actions,
            within: self.within,
            shares: &self.shares,
            every: mode == Mode::Every,
        };
        q.context.history().sequence(&query, q)
    }
}

impl Actions {
    fn is_every(&self) -> bool {
        self.tools.is_empty() && self.operations.is_empty()
    }

    fn names(&self, tool: &ToolName) -> bool {
        (self.tools.is_empty() || self.tools.iter().any(|pattern| pattern.names(tool)))
            && (self.operations.is_empty()
                || self.operations.iter().any(|operation| operation == tool.tool()))
    }

    fn mean(&self, permitted: &Permitted) -> bool {
        self.names(permitted.tool())
            && (self.effects.is_empty() || self.effects.contains(&permitted.effect()))
    }
}

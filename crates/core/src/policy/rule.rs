//! A rule as the engine uses it: names resolved, values typed, nothing left to interpret.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::decision::{Approvers, PolicyRef};
use crate::edits::Edits;
use crate::facts::Fact;
use crate::names::RuleId;
use crate::time::Span;

/// One rule. It holds when all its predicates hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique in its set.
    pub id: RuleId,
    /// The file it stands in (its digest is the set's).
    pub policy: PolicyRef,
    /// Which tools it speaks of; empty = all.
    pub tools: Vec<ToolPattern>,
    /// Which operations (the tools as their servers name them); empty = all.
    pub operations: Vec<String>,
    /// What else must hold.
    pub predicates: Vec<Predicate>,
    /// What then happens; `None` for a rule that only writes context.
    pub action: Option<RuleAction>,
    /// What kind of rule it is.
    pub classification: Classification,
    /// Higher wins; 0 when absent.
    pub priority: i64,
    /// Why, for people and models.
    pub reason: Option<Arc<str>>,
    /// How long a wait that it causes may last.
    pub timeout: Option<Span>,
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

/// One test of one fact.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// Which fact.
    pub fact: Fact,
    /// What is asked of it.
    pub test: Test,
}

/// What can be asked of a fact.
#[derive(Clone, Debug)]
pub enum Test {
    /// Equal to this (numbers by value). On a set: holds it.
    Eq(Value),
    /// Not equal.
    Ne(Value),
    /// A number above this.
    Gt(serde_json::Number),
    /// A number at or above this.
    Gte(serde_json::Number),
    /// A number below this.
    Lt(serde_json::Number),
    /// A number at or below this.
    Lte(serde_json::Number),
    /// Equal to one of these. On a set: holds one of them.
    In(Vec<Value>),
    /// A text with one of these in it, or a list or set that holds one of them.
    Contains(Sought),
    /// A text that this linear-time expression finds a match in.
    Matches(Regex),
    /// An address or URL whose domain is (or is not) outside the organisation's own.
    External(bool),
    /// Whether the fact is there at all. Never Unknown.
    Exists(bool),
}

/// What `contains` looks for. Rules that restrict look for texts in any case of letters, ALLOW exactly.
#[derive(Clone, Debug)]
pub struct Sought {
    values: Vec<Value>,
    /// Finds any of the texts in linear time, whatever their case; `None` when none is a text.
    any_case: Option<Regex>,
}

impl Sought {
    /// Prepares the search.
    ///
    /// # Errors
    /// The texts are too long together.
    pub fn new(values: Vec<Value>) -> Result<Self, regex::Error> {
        let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(regex::escape).collect();
        let any_case =
            if texts.is_empty() { None } else { Some(compile(&format!("(?i:{})", texts.join("|")))?) };
        Ok(Self { values, any_case })
    }

    /// What is looked for.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Whether `text` has one of the texts in it; `None` when no text is looked for.
    #[must_use]
    pub fn within(&self, text: &str, any_case: bool) -> Option<bool> {
        let expression = self.any_case.as_ref()?;
        let exactly = |wanted: &Value| wanted.as_str().is_some_and(|wanted| text.contains(wanted));
        Some(if any_case { expression.is_match(text) } else { self.values.iter().any(exactly) })
    }
}

/// An expression of bounded size, searched in linear time.
pub(super) fn compile(expression: &str) -> Result<Regex, regex::Error> {
    const COMPILED: usize = 1 << 20;
    const NESTED: u32 = 50;
    RegexBuilder::new(expression).size_limit(COMPILED).dfa_size_limit(COMPILED).nest_limit(NESTED).build()
}

//! Policies and rules as values: what a person means, in no spelling.

use serde_json::Value;

/// One file.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What happens when no rule holds.
    pub default: Verb,
    /// Domains that are ours.
    pub internal_domains: Vec<&'static str>,
    /// Sums.
    pub counters: Vec<Counter>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A sum over permitted actions.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Its name.
    pub name: &'static str,
    /// Tools that it counts; none = all.
    pub tools: Vec<&'static str>,
    /// The argument that is added; `None` = one for each action.
    pub adds: Option<&'static str>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Which actions it is about.
    pub about: Actions,
    /// What must hold.
    pub asks: Vec<Asked>,
    /// What calls have to keep to.
    pub constraints: Vec<Constraint>,
    /// What was done before.
    pub sequence: Option<Sequence>,
    /// What then happens; `None` where it only writes.
    pub verb: Option<Verb>,
    /// What kind of rule it is.
    pub class: Class,
    /// Higher wins.
    pub priority: i64,
    /// Who is asked.
    pub approvers: Vec<&'static str>,
    /// The least confidence in its facts, in basis points.
    pub threshold: Option<u32>,
    /// What it writes, and where.
    pub writes: Option<(&'static str, Value)>,
}

/// Names of tools, operations and categories, each empty for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// Upstreams, full names or bare names.
    pub tools: Vec<&'static str>,
    /// Names of operations.
    pub operations: Vec<&'static str>,
    /// What the tool does, as its contract says it.
    pub categories: Vec<&'static str>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// ALLOW
    Allow,
    /// DENY
    Deny,
    /// MODIFY, argument by argument
    Modify(Vec<(&'static str, Change)>),
    /// STEP_UP
    StepUp,
    /// DEFER
    Defer,
}

/// One edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The value becomes this.
    Set(Value),
    /// A number becomes no more than this.
    Cap(Value),
    /// A text is blanked.
    Redact,
    /// It is left out.
    Remove,
    /// This is added to a list.
    Append(Value),
    /// Nothing else goes through.
    Restrict(Vec<Value>),
}

/// What kind of rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No word of its own.
    Plain,
    /// `forbidden`
    Forbidden,
    /// `context_dependent_deny`
    DependentDeny,
    /// `context_dependent_allow`
    DependentAllow,
    /// `context_dependent_defer`
    DependentDefer,
}

/// One fact and the tests that must all hold of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which fact.
    pub fact: Fact,
    /// Which tests; each kind once.
    pub tests: Vec<Test>,
}

/// A fact, as the book's table lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `parameters.PATH`
    Parameter(&'static str),
    /// `identity.human`
    Human,
    /// `identity.human.roles`
    HumanRoles,
    /// `identity.agent.roles`
    AgentRoles,
    /// `context.data_classification`
    Labels,
    /// `context.prior_actions`
    PriorActions,
    /// `context.action_count`
    ActionCount,
    /// `context.denied_count`
    DeniedCount,
    /// `session.actions.TOOL` and its like
    Uses(Per, &'static str),
    /// `session.sums.NAME` and its like
    Sum(Per, &'static str),
    /// `context.NAME`
    Given(&'static str),
    /// `context.original_request`
    Request,
    /// `context.effect`
    Effect,
    /// `risk_signals.injection_score`
    Injection,
    /// `risk_signals.scope_expansion`
    Scope,
    /// `risk_signals.classification_escalation`
    Escalation,
    /// `risk_signals.velocity`
    Velocity,
    /// `context.turns`
    Turns,
}

/// Whose use is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// The session's.
    Session,
    /// The human's, in all their sessions.
    Human,
    /// The agent's, in all its sessions.
    Agent,
}

/// A test.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `eq`
    Eq(Value),
    /// `ne`
    Ne(Value),
    /// `gt`
    Gt(Value),
    /// `gte`
    Gte(Value),
    /// `lt`
    Lt(Value),
    /// `lte`
    Lte(Value),
    /// `in`
    In(Vec<Value>),
    /// `contains`
    Contains(Vec<Value>),
    /// `matches`
    Matches(Pattern),
    /// `starts_with`
    StartsWith(Vec<&'static str>),
    /// `ends_with`
    EndsWith(Vec<&'static str>),
    /// `external`
    External(bool),
    /// `domain_in`
    DomainIn(Vec<&'static str>),
    /// `domain_allowlist`
    DomainAllowlist(Vec<&'static str>),
    /// `under`
    Under(Vec<&'static str>),
    /// `higher_than` a level
    Above(&'static str),
    /// `higher_than` the level that a given fact names
    AboveFact(&'static str),
    /// `owned_by: requesting_user`
    Own,
    /// `sql: {kinds: {contains: ...}}`
    SqlKinds(Vec<&'static str>),
    /// `exists`
    Exists(bool),
    /// `unknown_or_conflicting`
    Unsettled(bool),
    /// `not`
    Not(Box<Test>),
}

/// An expression that can be matched by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `^TEXT`
    Begins(&'static str),
    /// `TEXT$`
    Ends(&'static str),
    /// `TEXT`
    Has(&'static str),
    /// `^TEXT$`
    Is(&'static str),
    /// `[0-9]`
    Digit,
}

/// What a call has to keep to.
#[derive(Clone, Debug)]
pub enum Constraint {
    /// Tests that every value of a fact has to meet.
    Fact(Asked),
    /// `rate`
    Rate {
        /// So many, this one included.
        max: u64,
        /// In so many seconds.
        window: Option<i64>,
        /// Whose.
        per: Per,
        /// Of which actions; `None` = those of the rule.
        of: Option<Actions>,
    },
    /// `budget`
    Budget {
        /// Of which counter.
        counter: &'static str,
        /// So much, this action included.
        max: i64,
        /// In so many seconds.
        window: Option<i64>,
        /// Whose.
        per: Per,
    },
}

/// `sequence`
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Which earlier actions.
    pub after: Actions,
    /// Among the latest so many.
    pub within_actions: Option<usize>,
    /// No longer ago than so many seconds.
    pub within_seconds: Option<i64>,
    /// Arguments before and now that are the same.
    pub shares: Vec<(&'static str, &'static str)>,
}

impl Rule {
    /// Whether it only ever makes things stricter.
    #[must_use]
    pub const fn restricts(&self) -> bool {
        !matches!(self.verb, Some(Verb::Allow))
    }
}

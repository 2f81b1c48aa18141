//! The order of judgement (`R3.order`), on one screen.
//!
//! A rule whose facts are less sure than its threshold is one that cannot be told (`R3.confidence`).

mod aligned;
mod arguments;
mod confirm;
mod edited;
pub mod explain;
mod risk;
mod standing;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::aligned::aligned;
use self::arguments::malformed;
use self::confirm::confirmed;
use self::edited::judged_after_edits;
use self::risk::too_risky;
use self::standing::{Standing, standing};
use crate::action::{Action, Effect};
use crate::decision::{
    Approvers, Because, Decision, Ending, Gap, Match, Missing, OnTimeout, PolicyRef, Ruling, Step, Why,
};
use crate::depend::{self, Dependence};
use crate::drift;
use crate::edits::Edits;
use crate::facts::Fact;
use crate::identity::Identity;
use crate::names::{ApproverGroup, RuleId};
use crate::origin::{Origins, assess};
use crate::policy::facets::{Facet, Facets};
use crate::policy::{Classification, PolicySet, Rule, RuleAction};
use crate::session::counters::counted;
use crate::session::{Context, Principal};
use crate::time::{Span, Time};

/// Everything a ruling may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is proposed.
    pub action: &'a Action,
    /// By whom.
    pub identity: &'a Identity,
    /// What its session has done and seen.
    pub context: &'a Context,
    /// What the human did across sessions.
    pub human: &'a Principal,
    /// What the agent did across sessions.
    pub agent: &'a Principal,
    /// What this session and those linked with it by delegation did and saw together; nothing where none is.
    pub linked: &'a Principal,
    /// The rules in force.
    pub policy: &'a PolicySet,
    /// What the deployment is.
    pub environment: &'a Environment,
    /// The moment.
    pub now: Time,
    /// Where the arguments come from, once somebody has asked.
    pub memo: &'a Memo,
}

/// What follows from a question and is worked out at most once.
#[derive(Debug, Default)]
pub struct Memo {
    origins: OnceCell<Origins>,
    distance: OnceCell<Option<u32>>,
    recipients: OnceCell<Option<Value>>,
    parsed: RefCell<Vec<Arc<Facets<'static>>>>,
}

/// Values whose parts are kept while a question is decided; what comes beyond is parsed as often as it is asked about.
const PARSED: usize = 64;

impl Memo {
    /// What is understood of a value; each is parsed at most once, however many rules ask about it.
    pub(crate) fn part(&self, facet: Facet, value: &Value) -> Option<Value> {
        let known = self.parsed.borrow().iter().find(|facets| facets.value() == value).map(Arc::clone);
        let facets = known.unwrap_or_else(|| {
            let facets = Arc::new(Facets::owned(value.clone()));
            let mut parsed = self.parsed.borrow_mut();
            if parsed.len() < PARSED {
                parsed.push(Arc::clone(&facets));
            }
            facets
        });
        facets.get(facet)
    }
}

impl<'a> Question<'a> {
    /// Where the arguments come from.
    #[must_use]
    pub fn origins(&self) -> &'a Origins {
        self.memo.origins.get_or_init(|| {
            let mut origins = assess(self.action, self.context.seen());
            let inherits = self.context.opened().inherits;
            if inherits || self.linked.names_any() {
                let marked = |hash| self.human.may_be_foreign(hash) || self.agent.may_be_foreign(hash);
                let named = |hash| (inherits && marked(hash)) || self.linked.may_be_foreign(hash);
                origins.recall(self.action, named);
            }
            if self.action.contract.effect != Effect::Read {
                origins.flows.extend(self.policy.labelling().carried(self.action.arguments.value()));
            }
            origins
        })
    }

    /// What the arguments name as whom or where the action reaches, as a list; `None` where they name nobody.
    #[must_use]
    pub fn recipients(&self) -> Option<&'a Value> {
        let found = || {
            let named = self.action.recipients();
            (!named.is_empty()).then(|| named.into_iter().map(Value::String).collect())
        };
        self.memo.recipients.get_or_init(found).as_ref()
    }

    /// The lexical distance from the request to the action, in basis points; `None` without a request.
    #[must_use]
    pub fn distance(&self) -> Option<u32> {
        *self.memo.distance.get_or_init(|| self.context.signals().distance(self.action))
    }
}

/// What the deployment is, as far as rulings depend on it. As JSON it is without halts, which are on record themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Groups of approvers that exist: who can settle a disagreement between rules.
    pub approver_groups: BTreeSet<ApproverGroup>,
    /// How many actions may wait for deferred ones; beyond it they are refused (`R4.defer.cascade`).
    pub max_dependents: usize,
    /// What is stopped.
    #[serde(skip)]
    pub halts: BTreeSet<Halt>,
    /// From where on drift is noticed and asked about (`R7`).
    pub drift: drift::Limits,
}

/// What a halt covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    /// Everything.
    All,
    /// One session.
    Session(Arc<str>),
    /// One human.
    Human(Arc<str>),
    /// One agent.
    Agent(Arc<str>),
    /// One upstream.
    Upstream(Arc<str>),
}

impl Halt {
    /// Whether it covers an action of this identity in this session.
    #[must_use]
    pub fn covers(&self, action: &Action, identity: &Identity, context: &Context) -> bool {
        match self {
            Self::All => true,
            Self::Session(id) => context.opened().session.as_str() == &**id,
            Self::Human(id) => identity.human.id == *id,
            Self::Agent(id) => identity.agent.id == *id,
            Self::Upstream(id) => action.tool.upstream() == &**id,
        }
    }
}

/// Decides. Same question, same ruling.
pub fn decide(q: &Question<'_>) -> Ruling {
    let ruling = judge(q);
    counted(q.policy.counters(), q.action, judged_after_edits(q, ruling))
}

/// One pass over the order of judgement.
fn judge(q: &Question<'_>) -> Ruling {
    let mut read = BTreeSet::new();
    let rules = weigh(q, &mut read);
    let found = guarded(q)
        .or_else(|| malformed(q))
        .or_else(|| forbidden(&rules))
        .or_else(|| too_risky(q, &rules, &mut read))
        .unwrap_or_else(|| confirmed(q, below(q, &rules)));
    finish(q, found, &rules, read)
}

/// The order below the hard denials.
fn below(q: &Question<'_>, rules: &Weighed<'_>) -> Found {
    uncertain(q, rules)
        .or_else(|| misaligned(q, rules))
        .or_else(|| justified_by_intent(q, rules))
        .unwrap_or_else(|| baseline(q, rules))
}

/// What one step found.
struct Found {
    decision: Decision,
    edits: Edits,
    step: Step,
    rules: Vec<RuleId>,
    reason: Arc<str>,
    wait: Option<Span>,
    ending: Ending,
    escalate: Option<Approvers>,
    /// Whose word it is, where no rule's.
    policy: Option<PolicyRef>,
}

impl Found {
    fn new(decision: Decision, step: Step, reason: impl Into<Arc<str>>) -> Self {
        let (edits, rules) = (Edits::default(), Vec::new());
        let (wait, escalate, policy, ending) = (None, None, None, Ending::default());
        Self { decision, edits, step, rules, reason: reason.into(), wait, ending, escalate, policy }
    }

    fn by(mut self, rules: &[&Rule]) -> Self {
        self.rules = rules.iter().map(|rule| rule.id.clone()).collect();
        self.wait = rules.iter().filter_map(|rule| rule.wait.timeout).min();
        self.ending = ending_of(rules);
        self
    }
}

/// The strictest end of those that the rules ask for. Others answer too only where every rule says the same of them.
fn ending_of(rules: &[&Rule]) -> Ending {
    let ends = |end| rules.iter().any(|rule| rule.wait.on_timeout == end);
    let on_timeout = match (ends(OnTimeout::Pause), ends(OnTimeout::Deny)) {
        (true, _) => OnTimeout::Pause,
        (false, false) if !rules.is_empty() => OnTimeout::StepUp,
        (false, _) => OnTimeout::Deny,
    };
    let first = rules.first().and_then(|rule| rule.wait.escalation.as_ref());
    let agreed = rules.iter().all(|rule| rule.wait.escalation.as_ref() == first);
    Ending {
        on_timeout,
        then: rules
            .iter()
            .filter_map(|rule| rule.approvers.clone())
            .reduce(Approvers::and)
            .unwrap_or_default(),
        escalation: first.filter(|_| agreed).cloned(),
        risk_level: rules.iter().filter_map(|rule| rule.risk_level).max(),
    }
}

/// Every rule that concerns the action, weighed.
struct Weighed<'a> {
    hold: Vec<&'a Rule>,
    unknown: Vec<(&'a Rule, Missing)>,
}

fn weigh<'a>(q: &Question<'a>, read: &mut BTreeSet<Arc<str>>) -> Weighed<'a> {
    let mut weighed = Weighed { hold: Vec::new(), unknown: Vec::new() };
    for rule in q.policy.rules_for(q, read) {
        match rule.matches(q, read) {
            Match::Yes => match doubtful(q, rule) {
                None => weighed.hold.push(rule),
                Some(missing) => weighed.unknown.push((rule, missing)),
            },
            Match::Unknown(missing) => weighed.unknown.push((rule, missing)),
            Match::No => {}
        }
    }
    weighed
}

/// The facts that are known with less confidence than the rule asks for (`R3.confidence`).
fn doubtful(q: &Question<'_>, rule: &Rule) -> Option<Missing> {
    let threshold = rule.threshold?;
    let doubts =
        rule.facts().filter(|fact| fact.grade(q) < threshold).map(|fact| fact.missing(Why::Doubtful));
    doubts.reduce(Missing::and)
}

/// Halts and scopes: refused before any rule is asked.
fn guarded(q: &Question<'_>) -> Option<Found> {
    if q.environment.halts.iter().any(|halt| halt.covers(q.action, q.identity, q.context)) {
        return Some(Found::new(
            Decision::Deny,
            Step::Halted,
            "an operator has stopped actions like this one",
        ));
    }
    let party = q.identity.out_of_scope(q.action.tool.upstream())?;
    let reason = format!("{} may not reach the upstream {}", party.id, q.action.tool.upstream());
    Some(Found::new(Decision::Deny, Step::Scope, reason))
}

/// `R3.forbidden`: refused whatever the context.
fn forbidden(rules: &Weighed<'_>) -> Option<Found> {
    let rule = *rules.hold.iter().find(|rule| rule.classification == Classification::Forbidden)?;
    Some(Found::new(Decision::Deny, Step::Forbidden, reason_of(rule)).by(&[rule]))
}

/// `R3.missing`, `R3.conflict`, `R4.defer.dependents`: what cannot be told yet waits, below hard denials.
fn uncertain(q: &Question<'_>, rules: &Weighed<'_>) -> Option<Found> {
    let base = standing(q, &rules.hold);
    if let Some(found) = missing_facts(q, rules, &base) {
        return Some(found);
    }
    if let Standing::Conflict(of) = &base {
        return Some(conflict(q, of));
    }
    if refuses(q, &base) {
        return None;
    }
    dependent(q)
}

fn missing_facts(q: &Question<'_>, rules: &Weighed<'_>, base: &Standing<'_>) -> Option<Found> {
    let mut decisive = rules.unknown.iter().filter(|(rule, _)| could_change(q, rule, rules, base));
    let (first, missing) = decisive.next()?;
    let mut by = vec![*first];
    let mut missing = missing.clone();
    for (rule, more) in decisive {
        by.push(rule);
        missing = missing.and(more.clone());
    }
    let reason = format!("waiting for {}", list(missing.gaps()));
    Some(Found::new(Decision::Defer(missing), Step::Uncertain, reason).by(&by))
}

/// Whether a rule that cannot be told yet could have changed what stands: something else would stand with it.
fn could_change(q: &Question<'_>, rule: &Rule, rules: &Weighed<'_>, base: &Standing<'_>) -> bool {
    let refused = refuses(q, base);
    if rule.action.is_none() || rule.classification == Classification::Forbidden {
        return !refused;
    }
    let with = standing(q, &[&rules.hold[..], &[rule]].concat());
    match (refused, refuses(q, &with)) {
        (true, true) => false,
        (false, false) => {
            let asks = |standing| lifted(q, standing).map(asked_to_lift);
            !rule.sets.is_empty() || !base.says_what(&with) || asks(base) != asks(&with)
        }
        _ => true,
    }
}

/// Whether nothing but another rule can make the action run: a denial that the request does not lift.
fn refuses(q: &Question<'_>, standing: &Standing<'_>) -> bool {
    standing.decision() == Some(&Decision::Deny) && lifted(q, standing).is_none()
}

/// The denying rules, where context may lift all of them and the request covers the action.
fn lifted<'s, 'a>(q: &Question<'_>, standing: &'s Standing<'a>) -> Option<&'s [&'a Rule]> {
    let Standing::Rules { decision: Decision::Deny, rules, .. } = standing else { return None };
    let liftable = rules.iter().all(|rule| rule.classification == Classification::ContextDependentAllow);
    (liftable && aligned(q) == Match::Yes).then_some(&**rules)
}

fn conflict(q: &Question<'_>, rules: &[&Rule]) -> Found {
    let ids: Vec<RuleId> = rules.iter().map(|rule| rule.id.clone()).collect();
    let gap = Gap::Agreement(ids);
    let reason = format!("waiting for {gap}");
    let mut found = Found::new(Decision::Defer(Missing::one(gap)), Step::Uncertain, reason).by(rules);
    if !q.environment.approver_groups.is_empty() {
        let named = rules.iter().filter_map(|rule| match &rule.action {
            Some(RuleAction::StepUp(approvers)) => Some(approvers.clone()),
            _ => rule.approvers.clone(),
        });
        found.escalate = Some(named.reduce(Approvers::and).unwrap_or_default());
    }
    found
}

fn dependent(q: &Question<'_>) -> Option<Found> {
    match depend::dependence(q.action, q.context, q.environment.max_dependents)? {
        Dependence::On(id) => {
            let gap = Gap::Action(id);
            let reason = format!("waiting for {gap}, which comes first");
            Some(Found::new(Decision::Defer(Missing::one(gap)), Step::Uncertain, reason))
        }
        Dependence::TooMany(max) => {
            let reason = format!("{max} actions already wait for deferred ones; no more are taken in");
            Some(Found::new(Decision::Deny, Step::Uncertain, reason))
        }
    }
}

/// Allowed by rule, but the request leaves it out.
fn misaligned(q: &Question<'_>, rules: &Weighed<'_>) -> Option<Found> {
    let runs = standing(q, &rules.hold).decision() == Some(&Decision::Allow);
    (runs && aligned(q) == Match::No)
        .then(|| Found::new(Decision::Deny, Step::Misaligned, "the user's request leaves this action out"))
}

/// Denied by a rule that context may lift, and the request covers it: a person is asked.
fn justified_by_intent(q: &Question<'_>, rules: &Weighed<'_>) -> Option<Found> {
    let base = standing(q, &rules.hold);
    let deciding = lifted(q, &base)?;
    let reason = "denied by rule, but the user's request covers it: a person decides";
    Some(Found::new(Decision::StepUp(asked_to_lift(deciding)), Step::Aligned, reason).by(deciding))
}

/// Who may lift what these rules deny.
fn asked_to_lift(rules: &[&Rule]) -> Approvers {
    rules.iter().filter_map(|rule| rule.approvers.clone()).reduce(Approvers::and).unwrap_or_default()
}

/// What the rules that hold say, or the written default.
fn baseline(q: &Question<'_>, rules: &Weighed<'_>) -> Found {
    match standing(q, &rules.hold) {
        Standing::Rules { decision, edits, rules } => {
            let reason = rules.first().map_or_else(|| "".into(), |rule| reason_of(rule));
            let mut found = Found::new(decision, Step::Baseline, reason).by(&rules);
            found.edits = edits;
            found
        }
        Standing::Default(decision) => {
            let reason = q.policy.default_reason().cloned();
            let plain = || "no rule speaks of this action; the written default applies".into();
            Found::new(decision, Step::Default, reason.unwrap_or_else(plain))
        }
        Standing::Conflict(of) => conflict(q, &of),
    }
}

fn finish(q: &Question<'_>, found: Found, rules: &Weighed<'_>, read: BTreeSet<Arc<str>>) -> Ruling {
    let mut sets: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    if found.decision != Decision::Deny {
        for rule in &rules.hold {
            rule.sets.iter().for_each(|(name, value)| add_to(&mut sets, name, value));
        }
    }
    let first = found.rules.first().and_then(|id| q.policy.rule(id));
    let whose = found.policy.as_ref().or_else(|| first.map(|rule| &rule.policy));
    let policy = whose.map_or_else(
        || q.policy.reference().clone(),
        |policy| PolicyRef { digest: Arc::clone(&q.policy.reference().digest), ..policy.clone() },
    );
    let reason = explained(q, &found);
    Ruling {
        decision: found.decision,
        edits: found.edits,
        because: Because { step: found.step, rules: found.rules, reason },
        sets,
        counted: BTreeMap::new(),
        wait: found.wait,
        ending: found.ending,
        escalate: found.escalate,
        facts_read: read,
        policy,
    }
}

/// Two rules that write the same name: classifications add up, anything else keeps the later rule's value.
fn add_to(sets: &mut BTreeMap<Arc<str>, Value>, name: &Arc<str>, value: &Value) {
    use crate::session::context::DATA_CLASSIFICATION;
    let as_list = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let merged = match sets.get(name) {
        Some(old) if &**name == DATA_CLASSIFICATION => {
            let mut all = as_list(old);
            all.extend(as_list(value).into_iter().filter(|label| !as_list(old).contains(label)));
            Value::Array(all)
        }
        _ => value.clone(),
    };
    sets.insert(Arc::clone(name), merged);
}

/// The longest explanation of where arguments come from that rides on a reason, in bytes.
const MAX_EXPLANATION: usize = 600;

/// The reason, and where a rule that read where arguments come from decided, what exactly is unclear about
/// which of them: fields and kinds of sources, never values.
fn explained(q: &Question<'_>, found: &Found) -> Arc<str> {
    let mut deciding = found.rules.iter().filter_map(|id| q.policy.rule(id));
    let about_origins = |rule: &Rule| rule.facts().any(Fact::is_about_origins);
    if found.decision == Decision::Allow || !deciding.any(about_origins) {
        return Arc::clone(&found.reason);
    }
    let mut explanation = q.origins().to_string();
    if explanation.is_empty() {
        return Arc::clone(&found.reason);
    }
    if explanation.len() > MAX_EXPLANATION {
        explanation.truncate(explanation.floor_char_boundary(MAX_EXPLANATION));
        explanation.push('…');
    }
    format!("{}: {explanation}", found.reason).into()
}

fn reason_of(rule: &Rule) -> Arc<str> {
    rule.reason.clone().unwrap_or_else(|| format!("rule {} holds", rule.id).into())
}

fn list<'a>(gaps: impl Iterator<Item = &'a Gap>) -> String {
    gaps.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

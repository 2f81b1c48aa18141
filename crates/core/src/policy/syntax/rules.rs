//! One entry of `rules`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::conditions::Conditions;
use super::fields::{Field, Fields};
use super::flow;
use super::modifications::edits;
use super::operators::basis_points;
use crate::decision::{Approvers, Escalation, OnTimeout, PolicyRef, RiskLevel};
use crate::facts::{Block, Fact, NoSuchFact, is_computed};
use crate::names::{ApproverGroup, RuleId};
use crate::policy::condition::Condition;
use crate::policy::expression::Expression;
use crate::policy::fault::{Faults, Place, shown};
use crate::policy::rule::{Classification, Rule, RuleAction, Waiting};
use crate::policy::yaml::{Kind, Node};
use crate::session::CounterDefinition;
use crate::session::context::DATA_CLASSIFICATION;
use crate::time::Span;

/// A rule, and where its parts are written.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Located {
    pub(in crate::policy) rule: Rule,
    /// Of its id.
    pub(in crate::policy) at: Place,
    /// Of each name of a tool or operation.
    pub(in crate::policy) names: Vec<(String, Place)>,
}

/// What a rule may say.
pub(super) const KEYS: [&str; 24] = [
    "id",
    "name",
    "description",
    "match",
    "context",
    "condition",
    "constraints",
    "trigger",
    "action",
    "decision",
    "classification",
    "priority",
    "reason",
    "approvers",
    "timeout",
    "timeout_action",
    "escalation",
    "threshold",
    "risk_level",
    "modifications",
    "modification",
    "effect",
    "sequence",
    "when",
];

/// The order in which a rule is read best: what it is, when it holds, what then happens, and how.
pub(in crate::policy) const RULE_ORDER: [&str; 24] = [
    "id",
    "name",
    "description",
    "match",
    "context",
    "condition",
    "trigger",
    "sequence",
    "when",
    "constraints",
    "action",
    "decision",
    "classification",
    "priority",
    "modifications",
    "modification",
    "effect",
    "threshold",
    "risk_level",
    "approvers",
    "timeout",
    "timeout_action",
    "escalation",
    "reason",
];

/// The words for what a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Allow,
    Deny,
    Modify,
    StepUp,
    Defer,
}

pub(super) const WORDS: [(&str, Word); 5] = [
    ("ALLOW", Word::Allow),
    ("DENY", Word::Deny),
    ("MODIFY", Word::Modify),
    ("STEP_UP", Word::StepUp),
    ("DEFER", Word::Defer),
];

pub(super) const RISK_LEVELS: [(&str, RiskLevel); 4] = [
    ("LOW", RiskLevel::Low),
    ("MEDIUM", RiskLevel::Medium),
    ("HIGH", RiskLevel::High),
    ("CRITICAL", RiskLevel::Critical),
];

pub(super) const ON_TIMEOUT: [(&str, OnTimeout); 3] =
    [("DENY", OnTimeout::Deny), ("STEP_UP", OnTimeout::StepUp), ("PAUSE", OnTimeout::Pause)];

pub(super) const CLASSES: [(&str, Classification); 4] = [
    ("forbidden", Classification::Forbidden),
    ("context_dependent_deny", Classification::ContextDependentDeny),
    ("context_dependent_allow", Classification::ContextDependentAllow),
    ("context_dependent_defer", Classification::ContextDependentDefer),
];

/// Reads one rule; its id is told even when the rest is at fault. `otherwise` is its id where it has none.
pub(super) fn read(
    node: &Node,
    policy: &PolicyRef,
    otherwise: Option<&str>,
    counters: &[CounterDefinition],
    ids: &mut Vec<(RuleId, Place)>,
    faults: &mut Faults,
) -> Option<Located> {
    let before = faults.count();
    let fields = Fields::open(node, "a rule", &KEYS, faults)?;
    let id = id(fields, node.at, otherwise, faults);
    ids.extend(id.clone());
    for about in ["name", "description"] {
        fields.get(about).map(|field| field.text(faults));
    }
    let mut conditions = conditions(fields, node.at, counters, faults);
    let word = fields.either("action", "decision", faults).map(|field| field.word(&WORDS, faults));
    let sets = fields.get("effect").map(|field| effect(field, faults)).unwrap_or_default();
    if word.is_none() && fields.get("effect").is_none() {
        if otherwise.is_some() {
            faults.warn(node.at, "the rule does nothing: it has no `action` and no `effect`");
        } else {
            faults.add_with_hint(node.at, "the rule does nothing", "write an `action` or an `effect`");
        }
    }
    let word = word.flatten();
    let approvers = fields.get("approvers").and_then(|field| approvers(field, word, faults));
    let action = action(fields, word, approvers.as_ref(), node.at, faults);
    let classification = classification(fields, word, faults);
    let priority = fields.get("priority").and_then(|field| field.integer(faults)).unwrap_or(0);
    let reason = fields.get("reason").and_then(|field| field.text(faults)).map(Arc::from);
    let threshold = fields.get("threshold").and_then(|field| share(field, faults));
    let risk_level = fields.get("risk_level").and_then(|field| field.word(&RISK_LEVELS, faults));
    let wait = waiting(fields, word, faults);
    if let Some(at) = conditions.sink {
        faults.warn(at, "no sink of this kind is configured: the rule speaks of no action");
    }
    if faults.count() > before {
        return None;
    }
    let more = conditions.conditions(word == Some(Word::Allow));
    let Conditions { tools, operations, predicates, names, sink, .. } = conditions;
    let (id, at) = id?;
    let rule = Rule {
        id,
        policy: policy.clone(),
        tools,
        operations,
        predicates,
        conditions: more,
        action: action.filter(|_| sink.is_none()),
        classification,
        priority,
        reason,
        approvers: approvers.filter(|_| word != Some(Word::StepUp)),
        threshold,
        risk_level,
        wait,
        sets,
    };
    Some(Located { rule, at, names })
}

fn id(
    fields: Fields<'_>,
    at: Place,
    otherwise: Option<&str>,
    faults: &mut Faults,
) -> Option<(RuleId, Place)> {
    const MAX: usize = 200;
    let Some(field) = fields.get("id").or_else(|| fields.get("name")) else {
        if let Some(id) = otherwise {
            return Some((RuleId::from(id), at));
        }
        faults.add_with_hint(at, "the rule has no `id`", "write `id: what-it-is-for`");
        return None;
    };
    let text = field.text(faults)?;
    if text.chars().any(char::is_control) || text.len() > MAX {
        faults.add(field.at(), format!("an id is one line of at most {MAX} bytes"));
        return None;
    }
    Some((RuleId::from(text), field.at()))
}

fn conditions(
    fields: Fields<'_>,
    at: Place,
    counters: &[CounterDefinition],
    faults: &mut Faults,
) -> Conditions {
    let mut conditions = Conditions::default();
    match fields.get("match") {
        Some(block) => conditions.take_match(block, faults),
        // A rule that says elsewhere when it holds is not a rule for everything by mistake.
        None if ["condition", "trigger", "when", "sequence"].iter().any(|key| fields.get(key).is_some()) => {}
        None => faults.add_with_hint(at, "the rule has no `match`", "write `match: {}` to mean every action"),
    }
    if let Some(block) = fields.get("context") {
        conditions.take_block(Block::Context, block, faults);
    }
    if let Some(block) = fields.get("condition") {
        conditions.take_match(block, faults);
    }
    if let Some(block) = fields.get("trigger") {
        conditions.take_trigger(block, faults);
    }
    if let Some(block) = fields.get("constraints") {
        conditions.take_constraints(block, counters, faults);
    }
    if let Some(field) = fields.get("sequence") {
        conditions.sequence = flow::sequence(field, faults).map(Condition::After);
    }
    if let Some(field) = fields.get("when") {
        conditions.when = expression(field, faults).map(Condition::When);
    }
    conditions
}

fn expression(field: Field<'_>, faults: &mut Faults) -> Option<Expression> {
    let text = field.text(faults)?;
    let compiled = Expression::compile(text);
    for fault in compiled.as_ref().err().into_iter().flatten() {
        let before = text.get(..fault.at.start).unwrap_or_default().chars().count();
        let message = format!("in the expression, at character {}: {}", before + 1, fault.message);
        faults.add_with_hint(field.at(), message, fault.hint.as_str());
    }
    compiled.ok()
}

fn approvers(field: Field<'_>, word: Option<Word>, faults: &mut Faults) -> Option<Approvers> {
    if matches!(word, Some(Word::Allow | Word::Modify)) {
        faults.add(field.key.at, "a rule that lets through asks nobody, so it has no `approvers`");
        return None;
    }
    let groups = field.texts(faults)?;
    Some(Approvers::any_of(groups.iter().map(|(name, _)| ApproverGroup::from(*name))))
}

fn action(
    fields: Fields<'_>,
    word: Option<Word>,
    approvers: Option<&Approvers>,
    at: Place,
    faults: &mut Faults,
) -> Option<RuleAction> {
    let modifications = fields.either("modifications", "modification", faults);
    if let Some(field) = modifications.filter(|_| word != Some(Word::Modify)) {
        faults.add(field.key.at, "only a MODIFY rule has `modifications`");
    }
    match word? {
        Word::Allow => Some(RuleAction::Allow),
        Word::Deny => Some(RuleAction::Deny),
        Word::Defer => Some(RuleAction::Defer),
        Word::StepUp => Some(RuleAction::StepUp(approvers.cloned().unwrap_or_default())),
        Word::Modify => match modifications {
            Some(field) => edits(field, faults).map(RuleAction::Modify),
            None => {
                let hint = "write `modifications: {parameters: {NAME: VALUE}}`";
                faults.add_with_hint(at, "a MODIFY rule has no `modifications`", hint);
                None
            }
        },
    }
}

/// A share of one, or basis points.
fn share(field: Field<'_>, faults: &mut Faults) -> Option<u32> {
    let Kind::Number(n) = &field.node.kind else { return field.expected("a number", faults) };
    let points = basis_points(n).as_u64().filter(|points| *points <= 10_000);
    if points.is_none() {
        let message =
            format!("{} takes a share from 0 to 1, or basis points up to 10,000", shown(field.name()));
        faults.add(field.at(), message);
    }
    points.and_then(|points| u32::try_from(points).ok())
}

fn waiting(fields: Fields<'_>, word: Option<Word>, faults: &mut Faults) -> Waiting {
    let timeout = fields.get("timeout").and_then(|field| seconds(field, faults));
    let written = fields.get("timeout_action");
    let on_timeout = written.and_then(|field| field.word(&ON_TIMEOUT, faults)).unwrap_or_default();
    if let Some(field) = written.filter(|_| on_timeout == OnTimeout::StepUp && word != Some(Word::Defer)) {
        faults.add(field.at(), "only the time of a DEFER can end in STEP_UP");
    }
    let escalation = fields.get("escalation").and_then(|field| escalation(field, faults));
    Waiting { timeout, on_timeout, escalation }
}

fn escalation(field: Field<'_>, faults: &mut Faults) -> Option<Escalation> {
    let fields = Fields::open(field.node, "`escalation`", &["after", "to"], faults)?;
    let (Some(after), Some(to)) = (fields.get("after"), fields.get("to")) else {
        faults.add_with_hint(
            field.at(),
            "an escalation has a time and somebody",
            "write `after: 1800` and `to: [GROUP]`",
        );
        return None;
    };
    let after = seconds(after, faults)?;
    let to = to.texts(faults)?.into_iter().map(|(group, _)| ApproverGroup::from(group)).collect();
    Some(Escalation { after, to })
}

fn effect(field: Field<'_>, faults: &mut Faults) -> BTreeMap<Arc<str>, Value> {
    let mut sets = BTreeMap::new();
    let Some(fields) = Fields::open(field.node, "`effect`", &["set_context"], faults) else { return sets };
    if fields.is_empty() {
        faults.add_with_hint(field.at(), "the effect does nothing", "write `set_context: {NAME: VALUE}`");
    }
    let Some(written) = fields.get("set_context") else { return sets };
    let Some(entries) = written.map(faults) else { return sets };
    if entries.is_empty() {
        faults.add(written.at(), "the effect does nothing");
    }
    for (key, node) in entries {
        let field = Field { key, node };
        if is_computed(&key.text) {
            faults.add(key.at, format!("{} is computed and cannot be written", shown(&key.text)));
        } else if let Err(NoSuchFact { message, hint }) = Fact::parse(Block::Context, &key.text) {
            faults.add_with_hint(key.at, message, hint);
        } else if key.text == DATA_CLASSIFICATION {
            // Labels are words, and a label that is none would be lost.
            field.texts(faults);
        } else if !can_be_signed(&node.to_json()) {
            let hint = "write a text, a whole number within 2^53, true, false, null, or a list of texts";
            faults.add_with_hint(node.at, "receipts cannot carry this value as it is", hint);
        }
        sets.insert(Arc::from(key.text.as_str()), node.to_json());
    }
    sets
}

/// What is written into a context stands in a receipt, and is read from there after a restart.
fn can_be_signed(value: &Value) -> bool {
    const LARGEST: u64 = (1 << 53) - 1;
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(n) => n.as_i64().is_some_and(|n| n.unsigned_abs() <= LARGEST),
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Object(_) => false,
    }
}

fn classification(fields: Fields<'_>, word: Option<Word>, faults: &mut Faults) -> Classification {
    let Some(field) = fields.get("classification") else { return Classification::Plain };
    let class = field.word(&CLASSES, faults).unwrap_or_default();
    if class == Classification::Forbidden && word != Some(Word::Deny) {
        faults.add(field.at(), "only a DENY rule is `forbidden`");
    }
    class
}

/// Whole seconds, or a text such as `30s`, `15m`, `1h`.
pub(super) fn seconds(field: Field<'_>, faults: &mut Faults) -> Option<Span> {
    let of_text = |text: &str| {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let factor =
            [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)].into_iter().find(|(u, _)| *u == unit)?.1;
        number.parse::<i64>().ok()?.checked_mul(factor)
    };
    let seconds = match &field.node.kind {
        Kind::Text(text) => of_text(text),
        Kind::Number(_) => Some(field.integer(faults)?),
        _ => return field.expected("whole seconds", faults),
    };
    match seconds {
        Some(seconds) if (1..=MOST_SECONDS).contains(&seconds) => Some(Span::seconds(seconds)),
        _ => {
            faults.add_with_hint(
                field.at(),
                format!("{} takes whole seconds, 1 or more", shown(field.name())),
                "or a time such as `90s`, `15m`, `1h`, `7d`; a year at most",
            );
            None
        }
    }
}

/// A year.
const MOST_SECONDS: i64 = 366 * 86_400;

//! One entry of `rules`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::conditions::Conditions;
use super::fields::{Field, Fields};
use crate::decision::{Approvers, PolicyRef};
use crate::edits::{Edit, Edits, Place as EditPlace};
use crate::facts::{Block, Fact, NoSuchFact, is_computed};
use crate::names::{ApproverGroup, RuleId};
use crate::policy::fault::{Faults, Place, shown};
use crate::policy::rule::{Classification, Rule, RuleAction};
use crate::policy::yaml::{Kind, Node};
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

const KEYS: [&str; 14] = [
    "id",
    "name",
    "description",
    "match",
    "context",
    "action",
    "decision",
    "classification",
    "priority",
    "reason",
    "approvers",
    "timeout",
    "modifications",
    "effect",
];

/// The words for what a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Allow,
    Deny,
    Modify,
    StepUp,
    Defer,
}

const WORDS: [(&str, Word); 5] = [
    ("ALLOW", Word::Allow),
    ("DENY", Word::Deny),
    ("MODIFY", Word::Modify),
    ("STEP_UP", Word::StepUp),
    ("DEFER", Word::Defer),
];

const CLASSES: [(&str, Classification); 4] = [
    ("forbidden", Classification::Forbidden),
    ("context_dependent_deny", Classification::ContextDependentDeny),
    ("context_dependent_allow", Classification::ContextDependentAllow),
    ("context_dependent_defer", Classification::ContextDependentDefer),
];

/// Reads one rule; its id is told even when the rest is at fault.
pub(super) fn read(
    node: &Node,
    policy: &PolicyRef,
    ids: &mut Vec<(RuleId, Place)>,
    faults: &mut Faults,
) -> Option<Located> {
    let before = faults.count();
    let fields = Fields::open(node, "a rule", &KEYS, faults)?;
    let id = id(fields, node.at, faults);
    ids.extend(id.clone());
    for about in ["name", "description"] {
        fields.get(about).map(|field| field.text(faults));
    }
    let conditions = conditions(fields, node.at, faults);
    let word = fields.either("action", "decision", faults).map(|field| field.word(&WORDS, faults));
    let sets = fields.get("effect").map(|field| effect(field, faults)).unwrap_or_default();
    if word.is_none() && fields.get("effect").is_none() {
        faults.add_with_hint(node.at, "the rule does nothing", "write an `action` or an `effect`");
    }
    let action = action(fields, word.flatten(), node.at, faults);
    let classification = classification(fields, word.flatten(), faults);
    let priority = fields.get("priority").and_then(|field| field.integer(faults)).unwrap_or(0);
    let reason = fields.get("reason").and_then(|field| field.text(faults)).map(Arc::from);
    let timeout = fields.get("timeout").and_then(|field| timeout(field, faults));
    if faults.count() > before {
        return None;
    }
    let Conditions { tools, operations, predicates, names } = conditions;
    let (id, at) = id?;
    let policy = policy.clone();
    let rule = Rule {
        id,
        policy,
        tools,
        operations,
        predicates,
        action,
        classification,
        priority,
        reason,
        timeout,
        sets,
    };
    Some(Located { rule, at, names })
}

fn id(fields: Fields<'_>, at: Place, faults: &mut Faults) -> Option<(RuleId, Place)> {
    const MAX: usize = 200;
    let Some(field) = fields.get("id").or_else(|| fields.get("name")) else {
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

fn conditions(fields: Fields<'_>, at: Place, faults: &mut Faults) -> Conditions {
    let mut conditions = Conditions::default();
    match fields.get("match") {
        Some(block) => conditions.take_match(block, faults),
        None => faults.add_with_hint(at, "the rule has no `match`", "write `match: {}` to mean every action"),
    }
    if let Some(block) = fields.get("context") {
        conditions.take_block(Block::Context, block, faults);
    }
    conditions
}

fn action(fields: Fields<'_>, word: Option<Word>, at: Place, faults: &mut Faults) -> Option<RuleAction> {
    let approvers = fields.get("approvers");
    if let Some(field) = approvers.filter(|_| word != Some(Word::StepUp)) {
        faults.add(field.key.at, "only a STEP_UP rule has `approvers`");
    }
    let modifications = fields.get("modifications");
    if let Some(field) = modifications.filter(|_| word != Some(Word::Modify)) {
        faults.add(field.key.at, "only a MODIFY rule has `modifications`");
    }
    match word? {
        Word::Allow => Some(RuleAction::Allow),
        Word::Deny => Some(RuleAction::Deny),
        Word::Defer => Some(RuleAction::Defer),
        Word::StepUp => {
            let groups = approvers.and_then(|field| field.texts(faults)).unwrap_or_default();
            Some(RuleAction::StepUp(Approvers::any_of(
                groups.iter().map(|(name, _)| ApproverGroup::from(*name)),
            )))
        }
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

/// `modifications.parameters`: a map `{max: N}` caps a number, any other value replaces what is there.
fn edits(field: Field<'_>, faults: &mut Faults) -> Option<Edits> {
    let fields = Fields::open(field.node, "`modifications`", &["parameters"], faults)?;
    if fields.is_empty() {
        faults.add_with_hint(field.at(), "nothing is modified", "write `parameters: {NAME: VALUE}`");
    }
    let parameters = fields.get("parameters")?;
    let entries = parameters.map(faults)?;
    if entries.is_empty() {
        faults.add(parameters.at(), "nothing is modified");
    }
    let mut edits = Edits::default();
    for (key, node) in entries {
        let Some(place) = EditPlace::parse(&key.text) else {
            faults.add(key.at, format!("{} has an empty part", shown(&key.text)));
            continue;
        };
        let Some(edit) = edit(Field { key, node }, faults) else { continue };
        if let Err(conflict) = edits.add(place, edit) {
            faults.add(
                key.at,
                format!("{} lies inside or around {}", shown(&key.text), shown(&conflict.place)),
            );
        }
    }
    Some(edits)
}

fn edit(field: Field<'_>, faults: &mut Faults) -> Option<Edit> {
    let Kind::Map(entries) = &field.node.kind else { return Some(Edit::Set(field.node.to_json())) };
    match entries.as_slice() {
        [(key, node)] if key.text == "max" => match &node.kind {
            Kind::Number(n) => Some(Edit::Cap(n.clone())),
            _ => Field { key, node }.expected("a number", faults),
        },
        _ => Some(Edit::Set(field.node.to_json())),
    }
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

fn timeout(field: Field<'_>, faults: &mut Faults) -> Option<Span> {
    match field.integer(faults)? {
        seconds if seconds > 0 => Some(Span::seconds(seconds)),
        _ => {
            faults.add(field.at(), "`timeout` takes whole seconds, 1 or more");
            None
        }
    }
}

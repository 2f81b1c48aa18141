//! Which actions wait for a deferred one (`R4.defer.dependents`), taken conservatively.
//!
//! An action depends on a deferred one when its caller says so, or when both are on the same upstream and
//! what either does is unknown, or their selectors overlap and at least one of them does more than read.
//! Everything else is independent and proceeds (`R4.defer.independents`).

use serde_json::Value;

use crate::action::{Action, Effect};
use crate::names::{ActionId, ToolName};
use crate::session::Context;

/// What stands before an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// This action has to be over first.
    On(ActionId),
    /// Too many already wait (the limit): it is refused.
    TooMany(usize),
}

/// The first deferred action, oldest first, that `action` depends on; `None` when it is independent.
#[must_use]
pub fn dependence(action: &Action, context: &Context, max_dependents: usize) -> Option<Dependence> {
    let before: Vec<&Action> = context
        .deferred()
        .map(|tracked| &*tracked.action)
        .take_while(|deferred| deferred.id != action.id)
        .collect();
    let first = before.iter().find(|deferred| depends(action, deferred))?;
    let already_waiting = context.deferred().any(|tracked| tracked.action.id == action.id);
    let dependents = context.deferred().filter(|t| waits_for_an_action(&t.ruling)).count();
    if dependents >= max_dependents && !already_waiting {
        return Some(Dependence::TooMany(max_dependents));
    }
    Some(Dependence::On(first.id.clone()))
}

/// Whether a name written by people (`upstream.tool`, `upstream` or a bare tool) means this tool.
#[must_use]
pub fn names_tool(written: &str, tool: &ToolName) -> bool {
    written == tool.upstream() || written == tool.tool() || tool.is(written)
}

fn waits_for_an_action(ruling: &crate::decision::Ruling) -> bool {
    use crate::decision::{Decision, Gap};
    match &ruling.decision {
        Decision::Defer(missing) => missing.gaps().any(|gap| matches!(gap, Gap::Action(_))),
        Decision::Allow | Decision::Deny | Decision::StepUp(_) => false,
    }
}

fn depends(action: &Action, deferred: &Action) -> bool {
    if action.depends_on.contains(&deferred.id) {
        return true;
    }
    if action.tool.upstream() != deferred.tool.upstream() {
        return false;
    }
    if action.contract.effect == Effect::Unknown || deferred.contract.effect == Effect::Unknown {
        return true;
    }
    if action.contract.effect.only_reads() && deferred.contract.effect.only_reads() {
        return false;
    }
    match (selected(action), selected(deferred)) {
        (Some(ours), Some(theirs)) => ours.iter().any(|a| theirs.iter().any(|b| overlap(a, b))),
        // Undeclared selectors may name anything.
        _ => true,
    }
}

/// The values an action's selectors name; `None` when nobody declared its selectors.
fn selected(action: &Action) -> Option<Vec<String>> {
    let pointers = action.contract.selectors.as_ref()?;
    let mut values = Vec::new();
    for pointer in pointers {
        let before = values.len();
        if let Some(value) = action.arguments.value().pointer(pointer) {
            collect(value, &mut values);
        }
        // A selector that is left out or empty may mean everything.
        if values.len() == before {
            values.push(String::new());
        }
    }
    Some(values)
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(spelled_once(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null => into.push(String::new()),
        Value::Bool(_) | Value::Number(_) => into.push(value.to_string()),
    }
}

/// One spelling for the many that a place may have. What climbs up may lead anywhere.
fn spelled_once(text: &str) -> String {
    let text = text.to_lowercase().replace('\\', "/");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return String::new();
    }
    let root = if text.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Prefixes and wildcards count: `/a` overlaps `/a/b`, `*` and `%` overlap what their fixed part begins.
fn overlap(a: &str, b: &str) -> bool {
    const WILD: [char; 5] = ['*', '%', '?', '[', '{'];
    let fixed = |text: &str| text.split(WILD).next().unwrap_or_default().trim_end_matches('/').to_owned();
    let (wild_a, wild_b) = (a.contains(WILD), b.contains(WILD));
    let (a, b) = (fixed(a), fixed(b));
    let below = |parent: &str, child: &str, wild: bool| {
        child.strip_prefix(parent).is_some_and(|rest| {
            wild || parent.is_empty() || rest.is_empty() || rest.starts_with(['/', '.', ':'])
        })
    };
    below(&a, &b, wild_a) || below(&b, &a, wild_b)
}

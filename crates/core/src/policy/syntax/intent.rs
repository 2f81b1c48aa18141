//! The blocks `intent_boundaries` and `re_validation`.

use std::sync::Arc;

use super::LEVELS;
use super::fields::{Field, Fields};
use super::rules::seconds;
use crate::decision::OnTimeout;
use crate::facts::{Block, Fact};
use crate::policy::fault::{Faults, shown};
use crate::policy::intent::{Boundary, ReValidation};
use crate::policy::predicate::{Predicate, Test};
use crate::policy::rule::{ToolPattern, Waiting};
use crate::policy::yaml::Kind;

/// What a boundary may say that somebody else has to know: the fact, and the key that asks for its value.
const GIVEN: [(&str, &str); 2] = [("scope", "target_scope"), ("max_privilege", "needed_privilege")];

/// Reads `intent_boundaries`: what belongs to an intent, by its name.
pub(super) fn boundaries(field: Field<'_>, faults: &mut Faults) -> Vec<Boundary> {
    let entries = field.map(faults).unwrap_or_default();
    entries.iter().filter_map(|(key, node)| boundary(Field { key, node }, faults)).collect()
}

fn boundary(field: Field<'_>, faults: &mut Faults) -> Option<Boundary> {
    let keys = ["allowed_tools", "max_data_classification", "max_chain_length", "scope", "max_privilege"];
    let fields = Fields::open(field.node, "an intent boundary", &keys, faults)?;
    if fields.is_empty() {
        faults.add_with_hint(field.at(), "the boundary excludes nothing", "write `allowed_tools: [NAME]`");
    }
    let tools = fields.get("allowed_tools").and_then(|field| field.texts(faults));
    let tools = tools.map(|names| names.into_iter().map(|(name, _)| ToolPattern(name.to_owned())).collect());
    let max_level = fields.get("max_data_classification").and_then(|field| field.word(&LEVELS, faults));
    let max_chain_length = fields.get("max_chain_length").and_then(|field| whole(field, faults));
    let mut given = Vec::new();
    for (key, name) in GIVEN {
        let Some(asked) = fields.get(key) else { continue };
        if let (Some(wanted), Ok(fact)) = (asked.text(faults), Fact::parse(Block::Context, name)) {
            let message = format!(
                "{} is compared with the fact `context.{name}`, which somebody has to give",
                shown(key)
            );
            faults.warn(asked.key.at, message);
            given.push(Predicate { fact, test: Test::Eq(wanted.into()) });
        }
    }
    Some(Boundary { intent: Arc::from(field.name()), tools, max_level, max_chain_length, given })
}

/// Reads `re_validation`: how often the user is asked whether the session still does what they want.
pub(super) fn re_validation(field: Field<'_>, faults: &mut Faults) -> Option<ReValidation> {
    let keys = ["interval", "method", "timeout", "timeout_action"];
    let fields = Fields::open(field.node, "`re_validation`", &keys, faults)?;
    let Some(interval) = fields.get("interval") else {
        faults.add_with_hint(field.at(), "`re_validation` has no `interval`", "write `interval: 10_actions`");
        return None;
    };
    let actions = match &interval.node.kind {
        Kind::Text(text) => {
            text.strip_suffix("_actions").or(text.strip_suffix(" actions")).and_then(|n| n.parse().ok())
        }
        _ => whole(interval, faults),
    };
    let Some(actions) = actions.filter(|actions| *actions > 0) else {
        faults.add_with_hint(
            interval.at(),
            "an interval is a number of actions, 1 or more",
            "write `10_actions`",
        );
        return None;
    };
    if let Some(method) = fields.get("method") {
        method.word(&[("user_confirmation", ()), ("approval", ())], faults)?;
    }
    let timeout = fields.get("timeout").and_then(|field| seconds(field, faults));
    let words = [("DENY", OnTimeout::Deny), ("PAUSE", OnTimeout::Pause)];
    let on_timeout =
        fields.get("timeout_action").and_then(|field| field.word(&words, faults)).unwrap_or_default();
    Some(ReValidation { actions, wait: Waiting { timeout, on_timeout, escalation: None } })
}

fn whole(field: Field<'_>, faults: &mut Faults) -> Option<u64> {
    let number = u64::try_from(field.integer(faults)?).ok();
    if number.is_none() {
        faults.add(field.at(), format!("{} takes a whole number, 0 or more", shown(field.name())));
    }
    number
}

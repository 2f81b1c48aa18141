//! What facts are called: every name that a policy may write, and what is said of the others.

use std::sync::Arc;

use super::measures::Measure;
use super::{Aspect, Counter, Fact, NoSuchFact, Part, Segment, Source, Who};
use crate::policy::fault::distance;
use crate::session::Per;
use crate::session::context::DATA_CLASSIFICATION;

/// What is known under `identity`.
const IDENTITY_FACTS: [&str; 15] = [
    "human",
    "human.roles",
    "human.scope",
    "service",
    "service.roles",
    "service.scope",
    "agent",
    "agent.roles",
    "agent.scope",
    "roles",
    "role",
    "scope",
    "effective_scope",
    "delegation",
    "source",
];

/// What is computed under `context` beside [`Measure`]s, aliases included; only the first may also be written by rules.
const CONTEXT_FACTS: [&str; 23] = [
    DATA_CLASSIFICATION,
    "session_accessed_data",
    "data_accessed",
    "data_classification_accessed",
    "semantic_distance",
    "risk_signals.semantic_distance",
    "recipient",
    "prior_actions",
    "action_count",
    "chain_length",
    "risk_signals.chain_length",
    "denied_count",
    "risk_signals.denials",
    "original_request",
    "user_intent",
    "entities",
    "effect",
    "licensed",
    "slot",
    "selectors.origin",
    "doubts",
    "flows.classification",
    "risk_signals.drift.level",
];

/// Names that begin like this are all computed.
const NAMESPACES: [&str; 2] = ["risk_signals", "deferrals"];

/// Prefixes of what is counted: uses, each followed by a tool's name, and sums, each followed by a counter's.
pub(crate) const COUNTERS: [&str; 7] = [
    "session.actions",
    "human.actions",
    "agent.actions",
    "delegation.actions",
    "session.sums",
    "human.sums",
    "agent.sums",
];

/// Whether rules may not write this context name because it is computed.
pub(crate) fn is_computed(name: &str) -> bool {
    is_counter(name)
        || namespace(name).is_some()
        || (name != DATA_CLASSIFICATION && computed().any(|known| known == name))
}

/// Every computed name under `context`.
fn computed() -> impl Iterator<Item = &'static str> {
    CONTEXT_FACTS.into_iter().chain(Measure::ALL.into_iter().map(Measure::name))
}

/// The namespace of ours that a name lies in, or is.
fn namespace(name: &str) -> Option<&'static str> {
    let within = |space: &&str| name.strip_prefix(*space).is_some_and(|r| r.is_empty() || r.starts_with('.'));
    NAMESPACES.into_iter().find(within)
}

/// Whether this names a counter, with or without its tool.
pub(crate) fn is_counter(name: &str) -> bool {
    COUNTERS.iter().any(|c| name.strip_prefix(c).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// The fact of this name under `identity`.
pub(super) fn identity(dotted: &str) -> Result<Fact, NoSuchFact> {
    let source = match dotted {
        "delegation" => Source::Delegation,
        "source" => Source::Voucher,
        "roles" | "role" => Source::Party(Who::Agent, Part::Roles),
        "scope" | "effective_scope" => Source::Party(Who::Agent, Part::Scope),
        _ => {
            let (who, part) = dotted.split_once('.').unwrap_or((dotted, ""));
            let who = match who {
                "human" => Some(Who::Human),
                "service" => Some(Who::Service),
                "agent" => Some(Who::Agent),
                _ => None,
            };
            let part = match part {
                "" => Some(Part::Id),
                "roles" => Some(Part::Roles),
                "scope" => Some(Part::Scope),
                _ => None,
            };
            let (Some(who), Some(part)) = (who, part) else {
                return Err(NoSuchFact {
                    message: format!("the identity has no `{dotted}`"),
                    hint: nearest(dotted, &IDENTITY_FACTS),
                });
            };
            Source::Party(who, part)
        }
    };
    let canonical = match dotted {
        "roles" | "role" => "agent.roles",
        "scope" | "effective_scope" => "agent.scope",
        other => other,
    };
    Ok(Fact::new(&format!("identity.{canonical}"), source))
}

/// The fact of this name under `context`.
pub(super) fn context(dotted: &str) -> Result<Fact, NoSuchFact> {
    let (canonical, source) = match dotted {
        DATA_CLASSIFICATION | "session_accessed_data" | "data_accessed" | "data_classification_accessed" => {
            (DATA_CLASSIFICATION, Source::Labels)
        }
        "semantic_distance" | "risk_signals.semantic_distance" => {
            (Measure::DriftEmbedded.name(), Source::Measure(Measure::DriftEmbedded))
        }
        "recipient" => ("recipient", Source::Recipient),
        "prior_actions" => ("prior_actions", Source::PriorActions),
        "action_count" | "chain_length" | "risk_signals.chain_length" => {
            ("action_count", Source::ActionCount)
        }
        "denied_count" | "risk_signals.denials" => ("denied_count", Source::DeniedCount),
        "original_request" | "user_intent" => ("original_request", Source::Request),
        "entities" => ("entities", Source::Entities),
        "effect" => ("effect", Source::Effect),
        "licensed" => ("licensed", Source::Licensed),
        "slot" => ("slot", Source::Slot),
        "selectors.origin" => ("selectors.origin", Source::SelectorOrigins),
        "doubts" => ("doubts", Source::Doubts),
        "flows.classification" => ("flows.classification", Source::Flows),
        "risk_signals.drift.level" => ("risk_signals.drift.level", Source::DriftLevel),
        _ => match Measure::named(dotted) {
            Some(measure) => (measure.name(), Source::Measure(measure)),
            None => return counter(dotted).unwrap_or_else(|| given(dotted)),
        },
    };
    Ok(Fact::new(&format!("context.{canonical}"), source))
}

fn counter(dotted: &str) -> Option<Result<Fact, NoSuchFact>> {
    let prefix = COUNTERS.into_iter().find(|prefix| dotted.starts_with(prefix))?;
    let rest = dotted.strip_prefix(prefix)?;
    let sums = prefix.ends_with(".sums");
    match rest.strip_prefix('.') {
        Some(name) => {
            let name: Arc<str> = name.into();
            let source = match prefix {
                "session.actions" => Source::Uses(Counter::Session, name),
                "human.actions" => Source::Uses(Counter::Human, name),
                "agent.actions" => Source::Uses(Counter::Agent, name),
                "delegation.actions" => Source::Uses(Counter::Delegation, name),
                "session.sums" => Source::Sum(Per::Session, name),
                "human.sums" => Source::Sum(Per::Human, name),
                _ => Source::Sum(Per::Agent, name),
            };
            Some(Ok(Fact::new(dotted, source)))
        }
        None if rest.is_empty() && sums => Some(Err(NoSuchFact {
            message: format!("`{prefix}` sums up a counter of the policy and needs its name"),
            hint: format!("write `{prefix}.NAME`, with a NAME from `counters`"),
        })),
        None if rest.is_empty() => Some(Err(NoSuchFact {
            message: format!("`{prefix}` counts the uses of a tool and needs its name"),
            hint: format!("write `{prefix}.upstream.tool`"),
        })),
        None => None,
    }
}

fn given(name: &str) -> Result<Fact, NoSuchFact> {
    if let Some(space) = namespace(name) {
        let known: Vec<&str> = computed().filter(|known| namespace(known) == Some(space)).collect();
        return Err(NoSuchFact {
            message: format!("nothing computes `{name}`, and names in `{space}` are all computed"),
            hint: nearest(name, &known),
        });
    }
    // Any name may be given, but a name that differs from a computed one by a slip would wait for ever.
    let length = name.chars().count();
    let slip = |known: &&str| {
        let most = 2.min(known.len() / 4);
        length.abs_diff(known.len()) <= most && distance(name, known) <= most
    };
    if let Some(meant) = computed().find(slip) {
        return Err(NoSuchFact {
            message: format!("nothing computes `{name}`, and it is too near to `{meant}` to be given"),
            hint: format!("did you mean `{meant}`?"),
        });
    }
    Ok(Fact::new(&format!("context.{name}"), Source::Given(name.into())))
}

fn nearest(written: &str, known: &[&str]) -> String {
    match known.iter().find(|name| distance(written, name) <= 2) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn path(dotted: &str) -> Vec<Segment> {
    dotted.split('.').map(|part| Segment { member: part.to_owned(), index: part.parse().ok() }).collect()
}

/// An argument, or behind its path what is known about where it comes from. The last word means the latter
/// wherever something stands before it: no argument can pass itself off as its own origin.
pub(super) fn parameter(dotted: &str) -> Source {
    let aspect = |word: &str| match word {
        "origin" | "writer" => Some(Aspect::Origin),
        "novel" => Some(Aspect::Novel),
        "doubt" => Some(Aspect::Doubt),
        _ => None,
    };
    match dotted.rsplit_once('.').and_then(|(path, last)| Some((path, aspect(last)?))) {
        Some((path, aspect)) => Source::Origin(format!("/{}", path.replace('.', "/")), aspect),
        None => Source::Parameter(path(dotted)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Block;
    use super::*;

    #[test]
    fn a_fact_has_one_full_name() {
        let name = |block, dotted: &str| Fact::parse(block, dotted).unwrap().name().to_string();
        assert_eq!(name(Block::Parameters, "to.0.address"), "parameters.to.0.address");
        assert_eq!(name(Block::Identity, "roles"), "identity.agent.roles");
        assert_eq!(name(Block::Identity, "human"), "identity.human");
        assert_eq!(name(Block::Context, "session_accessed_data"), "context.data_classification");
        assert_eq!(name(Block::Context, "user_intent"), "context.original_request");
        assert_eq!(name(Block::Context, "chain_length"), "context.action_count");
        assert_eq!(name(Block::Context, "human.actions.files.read_file"), "human.actions.files.read_file");
        assert_eq!(name(Block::Context, "human.sums.money_moved"), "human.sums.money_moved");
        assert_eq!(name(Block::Context, "maintenance_window"), "context.maintenance_window");
    }

    #[test]
    fn names_that_no_fact_has_are_refused_with_a_hint() {
        for (block, dotted, hint) in [
            (Block::Parameters, "to..x", "one dot"),
            (Block::Identity, "humn", "did you mean `human`?"),
            (Block::Identity, "human.age", "known here: human"),
            (Block::Context, "data_clasification", "did you mean `data_classification`?"),
            (Block::Context, "prior_action", "did you mean `prior_actions`?"),
            (Block::Context, "human.actions", "write `human.actions.upstream.tool`"),
            (Block::Context, "agent.sums", "write `agent.sums.NAME`"),
        ] {
            let e = Fact::parse(block, dotted).unwrap_err();
            assert!(e.hint.contains(hint), "{dotted}: {e:?}");
        }
    }

    #[test]
    fn what_is_computed_cannot_be_written() {
        assert!(is_computed("prior_actions") && is_computed("human.actions.x") && is_computed("user_intent"));
        assert!(is_computed("session_accessed_data"));
        assert!(
            !is_computed("data_classification") && !is_computed("ticket") && !is_computed("human.actionsx")
        );
    }
}

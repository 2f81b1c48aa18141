//! How one set differs from another as text: rules by id, the default, and what else the files write.

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::Serialize;

use super::risk::RiskLimit;
use super::rule::Rule;
use super::set::PolicySet;
use crate::decision::PolicyRef;

/// What a set has that another has not. Where a rule stands, in which file and in which order, is no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The default before and after, where it is another.
    pub default: Option<(&'static str, &'static str)>,
    /// Ids of rules that only the new set has.
    pub added: Vec<String>,
    /// Ids of rules that only the old set has.
    pub removed: Vec<String>,
    /// Rules that both have and that say something else.
    pub changed: Vec<Changed>,
    /// What else is written otherwise: `internal_domains`, `counters`, ...
    pub other: Vec<&'static str>,
}

/// A rule that says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its id.
    pub rule: String,
    /// The parts of it that are written otherwise.
    pub parts: Vec<&'static str>,
    /// Its action before and after, where that is another.
    pub action: Option<(&'static str, &'static str)>,
}

impl Difference {
    /// What `new` has that `old` has not, and the other way round.
    #[must_use]
    pub fn between(old: &PolicySet, new: &PolicySet) -> Self {
        let ids = |set: &PolicySet| set.rules().iter().map(|rule| rule.id.clone()).collect::<BTreeSet<_>>();
        let (before, after) = (ids(old), ids(new));
        let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| a.difference(b).map(ToString::to_string).collect();
        let both = before.intersection(&after);
        let word = |set: &PolicySet| set.default_decision().verdict().as_str();
        let defaults = (word(old), word(new));
        Self {
            default: (defaults.0 != defaults.1).then_some(defaults),
            added: only(&after, &before),
            removed: only(&before, &after),
            changed: both.filter_map(|id| changed(old.rule(id)?, new.rule(id)?)).collect(),
            other: other(old, new),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn action(rule: &Rule) -> &'static str {
    rule.action.as_ref().map_or("none", |action| action.verdict().as_str())
}

fn changed(old: &Rule, new: &Rule) -> Option<Changed> {
    let matching = differs(&old.tools, &new.tools)
        || differs(&old.operations, &new.operations)
        || differs(&old.predicates, &new.predicates);
    let parts = [
        ("match", matching),
        ("conditions", differs(&old.conditions, &new.conditions)),
        ("action", old.action != new.action),
        ("classification", old.classification != new.classification),
        ("priority", old.priority != new.priority),
        ("reason", old.reason != new.reason),
        ("approvers", old.approvers != new.approvers),
        ("threshold", old.threshold != new.threshold),
        ("risk_level", old.risk_level != new.risk_level),
        ("waiting", old.wait != new.wait),
        ("effect", old.sets != new.sets),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect();
    let actions = (action(old), action(new));
    (!parts.is_empty()).then(|| Changed {
        rule: new.id.to_string(),
        parts,
        action: (actions.0 != actions.1).then_some(actions),
    })
}

fn other(old: &PolicySet, new: &PolicySet) -> Vec<&'static str> {
    let reason =
        old.default_decision() == new.default_decision() && old.default_reason() != new.default_reason();
    let parts = [
        ("default's reason", reason),
        ("internal_domains", old.internal_domains() != new.internal_domains()),
        ("unclassified", old.unclassified() != new.unclassified()),
        ("risk limits", limits(old) != limits(new)),
        ("data labels", differs(old.labelling(), new.labelling())),
        ("counters", differs(&old.counters(), &new.counters())),
        ("parameters", differs(&old.argument_checks(), &new.argument_checks())),
        ("intent_boundaries", differs(&old.boundaries(), &new.boundaries())),
        ("re_validation", differs(&old.re_validations(), &new.re_validations())),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

/// The limits without the digest of the set that they stand in.
pub(super) fn limits(set: &PolicySet) -> Vec<RiskLimit> {
    let bare = |limit: &RiskLimit| RiskLimit { policy: PolicyRef::default(), ..limit.clone() };
    set.risk_limits().iter().map(bare).collect()
}

/// Whether two things are written out differently: patterns and expressions are compared by what they say.
fn differs<T: Debug>(old: &T, new: &T) -> bool {
    written(old) != written(new)
}

/// What something says, written out.
pub(super) fn written<T: Debug>(thing: &T) -> String {
    format!("{thing:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> PolicySet {
        PolicySet::assemble(vec![("p.yaml".to_owned(), text.as_bytes().to_vec())]).unwrap()
    }

    const OLD: &str = "version: 1
default: DENY
internal_domains: [example.com]
rules:
  - {id: gone, match: {tool: files.read}, action: ALLOW}
  - {id: stays, match: {tool: mail.send, parameters: {to: {matches: '^a'}}}, action: ALLOW}
  - {id: moved, match: {tool: db.query}, action: ALLOW, priority: 1}
";

    #[test]
    fn a_set_does_not_differ_from_itself_loaded_again_nor_from_its_rules_in_another_order() {
        assert!(Difference::between(&set(OLD), &set(OLD)).is_empty());
        let (head, rules) = OLD.split_once("rules:\n").unwrap();
        let turned: Vec<&str> = rules.lines().rev().collect();
        let turned = format!("{head}rules:\n{}\n", turned.join("\n"));
        assert!(Difference::between(&set(OLD), &set(&turned)).is_empty());
    }

    #[test]
    fn rules_are_told_apart_by_id_and_by_what_they_say() {
        let new = OLD
            .replace("gone", "came")
            .replace("'^a'", "'^b'")
            .replace(
                "{tool: db.query}, action: ALLOW, priority: 1",
                "{tool: db.query}, action: DENY, priority: 2",
            )
            .replace("default: DENY", "default: ALLOW")
            .replace("example.com", "example.org");
        let difference = Difference::between(&set(OLD), &set(&new));
        assert_eq!(
            (&*difference.added, &*difference.removed),
            (&["came".to_owned()][..], &["gone".to_owned()][..])
        );
        assert_eq!(
            (difference.default, &*difference.other),
            (Some(("DENY", "ALLOW")), &["internal_domains"][..])
        );
        let changed: Vec<_> =
            difference.changed.iter().map(|one| (&*one.rule, &*one.parts, one.action)).collect();
        let moved = ("moved", &["action", "priority"][..], Some(("ALLOW", "DENY")));
        assert_eq!(changed, [moved, ("stays", &["match"][..], None)]);
    }
}

//! What differs between two sets, and which of it makes the later one looser.
//!
//! Whether one rule is weaker than another cannot be told in general, so a rule that restrains and reads otherwise than
//! before counts as looser; so does any part of a restraining section that is no longer there. What is only said to
//! people (`reason`, `name`, `description`) changes nothing. A new or wider ALLOW is no loosening here: it says itself what
//! it lets through, while what is dropped leaves no trace in the text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::rule::{Rule, RuleAction};
use super::set::PolicySet;
use super::syntax::hex_digest;
use super::yaml::Node;
use crate::decision::{Decision, Verdict};
use crate::detect::Level;
use crate::names::RuleId;

/// Sections of a policy file that restrain, beside its rules, and whether their entries stand for themselves.
const SECTIONS: [(&str, bool); 6] = [
    ("classification", true),
    ("compositional_risk", false),
    ("counters", true),
    ("intent_boundaries", true),
    ("re_validation", false),
    ("tools", true),
];

/// What differs from one set to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rules that only the later set has.
    pub added: Vec<RuleId>,
    /// Rules that only the earlier set has.
    pub removed: Vec<RuleId>,
    /// Rules that both have, and that say something else.
    pub changed: Vec<RuleId>,
    /// The default, before and after, where it differs.
    pub default: Option<[Decision; 2]>,
    /// Other sections that differ.
    pub sections: Vec<&'static str>,
    /// What of all this may let through what was held before.
    pub loosens: Vec<Loosening>,
}

/// One way in which a set may let through what the one before it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loosening {
    /// A rule that restrains is gone.
    Dropped(RuleId, Option<Verdict>),
    /// A rule that restrained says something else.
    Altered(RuleId, Option<Verdict>),
    /// The default is milder.
    Default([Decision; 2]),
    /// Something in this section is gone or says something else.
    Section(&'static str),
    /// Data of which nothing is known counts as less sensitive.
    Unclassified([Level; 2]),
    /// Recipients in this domain no longer count as outside.
    Internal(Arc<str>),
}

impl fmt::Display for Loosening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = |verdict: &Option<Verdict>| match verdict {
            Some(verdict) => format!("which says {}", verdict.as_str()),
            None => "which writes context".to_owned(),
        };
        match self {
            Self::Dropped(rule, verdict) => write!(f, "rule {rule}, {}, is dropped", does(verdict)),
            Self::Altered(rule, verdict) => write!(f, "rule {rule}, {}, reads otherwise", does(verdict)),
            Self::Default([before, after]) => {
                write!(f, "the default is {} and was {}", after.verdict().as_str(), before.verdict().as_str())
            }
            Self::Section(name) => write!(f, "something under `{name}` is gone or reads otherwise"),
            Self::Unclassified([before, after]) => {
                write!(f, "data of which nothing is known counts as {after} and counted as {before}")
            }
            Self::Internal(domain) => write!(f, "{domain} counts as internal and did not"),
        }
    }
}

/// What the files of a set write, thing by thing, as digests.
#[derive(Clone, Debug, Default)]
pub(super) struct Writings(BTreeSet<(&'static str, String)>);

impl Writings {
    /// Of one file, which is a map.
    pub(super) fn of(root: &Node) -> Self {
        let written = root.to_json();
        let mut parts = BTreeSet::new();
        for (name, apart) in SECTIONS {
            let Some(section) = written.get(name) else { continue };
            let entries = if apart { entries(section) } else { vec![section.clone()] };
            parts.extend(entries.iter().map(|entry| (name, digest(entry))));
        }
        Self(parts)
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    fn missing_in<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static str> {
        self.0.difference(&other.0).map(|(name, _)| *name)
    }
}

/// What a rule says but for what it says to people, as a digest.
pub(super) fn rule_digest(node: &Node) -> Arc<str> {
    let mut written = node.to_json();
    if let Value::Object(map) = &mut written {
        for said in ["reason", "name", "description"] {
            map.remove(said);
        }
    }
    digest(&written).into()
}

fn digest(value: &Value) -> String {
    hex_digest(value.to_string().as_bytes())
}

/// What stands for itself in a section: the members of a map, each list among them taken apart, or of a list.
fn entries(section: &Value) -> Vec<Value> {
    let named = |name: &str, value: &Value| Value::Array(vec![name.into(), value.clone()]);
    match section {
        Value::Array(items) => items.clone(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Value::Array(items) => items.iter().map(|item| named(name, item)).collect(),
                _ => vec![named(name, value)],
            })
            .collect(),
        other => vec![other.clone()],
    }
}

impl PolicySet {
    /// What this set says otherwise than the one before it.
    #[must_use]
    pub fn changes_from(&self, before: &Self) -> Changes {
        let (old, new) = (before.by_name(), self.by_name());
        let mut changes = Changes::default();
        for (id, (rule, says)) in &old {
            match new.get(id) {
                None => {
                    changes.removed.push((*id).clone());
                    changes
                        .loosens
                        .extend(restrains(rule).then(|| Loosening::Dropped((*id).clone(), verdict(rule))));
                }
                Some((_, now)) if now == says => {}
                Some(_) => {
                    changes.changed.push((*id).clone());
                    changes
                        .loosens
                        .extend(restrains(rule).then(|| Loosening::Altered((*id).clone(), verdict(rule))));
                }
            }
        }
        changes.added = new.keys().filter(|id| !old.contains_key(*id)).map(|id| (*id).clone()).collect();
        self.beside_rules(before, &mut changes);
        changes
    }

    fn beside_rules(&self, before: &Self, changes: &mut Changes) {
        let defaults = [before.default_decision(), self.default_decision()];
        if let [was, is] = &defaults
            && was != is
        {
            changes
                .loosens
                .extend((strictness(is) < strictness(was)).then(|| Loosening::Default(defaults.clone())));
            changes.default = Some(defaults);
        }
        let gone: BTreeSet<_> = before.writings().missing_in(self.writings()).collect();
        let come = self.writings().missing_in(before.writings());
        changes.sections = gone.iter().copied().chain(come).collect::<BTreeSet<_>>().into_iter().collect();
        changes.loosens.extend(gone.into_iter().map(Loosening::Section));
        let levels = [before.unclassified(), self.unclassified()];
        if let [was, is] = levels
            && was != is
        {
            changes.sections.push("unclassified");
            changes.loosens.extend((is < was).then_some(Loosening::Unclassified(levels)));
        }
        let (was, is) = (before.internal_domains(), self.internal_domains());
        if was != is {
            changes.sections.push("internal_domains");
            let new = is.iter().filter(|domain| !was.contains(domain));
            changes.loosens.extend(new.cloned().map(Loosening::Internal));
        }
    }

    fn by_name(&self) -> BTreeMap<&RuleId, (&Rule, &str)> {
        self.located().map(|(rule, written)| (&rule.id, (rule, &*written.says))).collect()
    }
}

/// Whether something may be held back, or noted, because of it.
fn restrains(rule: &Rule) -> bool {
    rule.action.as_ref().is_none_or(RuleAction::restricts) || !rule.sets.is_empty()
}

fn verdict(rule: &Rule) -> Option<Verdict> {
    rule.action.as_ref().map(|action| match action {
        RuleAction::Allow => Verdict::Allow,
        RuleAction::Deny => Verdict::Deny,
        RuleAction::Modify(_) => Verdict::Modify,
        RuleAction::StepUp(_) => Verdict::StepUp,
        RuleAction::Defer => Verdict::Defer,
    })
}

const fn strictness(default: &Decision) -> u8 {
    match default {
        Decision::Allow => 0,
        Decision::Deny => 2,
        _ => 1,
    }
}

//! What makes a set looser than the one before it.
//!
//! Whether one rule is weaker than another cannot be told in general, so a rule that restrains and reads otherwise than
//! before counts as looser; so does any part of a restraining section that is no longer there. What is only said to
//! people changes nothing. A new or wider ALLOW is no loosening here: it says itself what it lets through, while what is
//! dropped leaves no trace in the text.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::difference::{Difference, limits, written};
use super::rule::{Rule, RuleAction};
use super::set::PolicySet;
use crate::decision::{Decision, Verdict};
use crate::detect::Level;
use crate::names::RuleId;

/// One way in which a set may let through what the one before it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loosening {
    /// A rule that restrains is gone.
    Dropped(RuleId, Option<Verdict>),
    /// A rule that restrained says something else.
    Altered(RuleId, Option<Verdict>),
    /// The default is milder.
    Default([Verdict; 2]),
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
                write!(f, "the default is {} and was {}", after.as_str(), before.as_str())
            }
            Self::Section(name) => write!(f, "something under `{name}` is gone or reads otherwise"),
            Self::Unclassified([before, after]) => {
                write!(f, "data of which nothing is known counts as {after} and counted as {before}")
            }
            Self::Internal(domain) => write!(f, "{domain} counts as internal and did not"),
        }
    }
}

impl PolicySet {
    /// What may let through what `before` held.
    #[must_use]
    pub fn looser_than(&self, before: &Self) -> Vec<Loosening> {
        let mut loosens = rules(before, self);
        let [was, is] = [before, self].map(PolicySet::default_decision);
        if strictness(&is) < strictness(&was) {
            loosens.push(Loosening::Default([was.verdict(), is.verdict()]));
        }
        loosens.extend(sections(before, self).map(Loosening::Section));
        if self.unclassified() < before.unclassified() {
            loosens.push(Loosening::Unclassified([before.unclassified(), self.unclassified()]));
        }
        let new = self.internal_domains().iter().filter(|domain| !before.internal_domains().contains(domain));
        loosens.extend(new.cloned().map(Loosening::Internal));
        loosens
    }
}

/// Rules that restrained, and are gone or say something else.
fn rules(before: &PolicySet, after: &PolicySet) -> Vec<Loosening> {
    let difference = Difference::between(before, after);
    let restrained = |id: &str| before.rule(&RuleId::from(id)).filter(|rule| restrains(rule));
    let dropped = difference.removed.iter().filter_map(|id| restrained(id));
    let altered = difference.changed.iter().filter(|one| one.parts != ["reason"]);
    let altered = altered.filter_map(|one| restrained(&one.rule));
    dropped
        .map(|rule| Loosening::Dropped(rule.id.clone(), verdict(rule)))
        .chain(altered.map(|rule| Loosening::Altered(rule.id.clone(), verdict(rule))))
        .collect()
}

/// What a section says, one by one.
type Pieces = fn(&PolicySet) -> Vec<String>;

/// Sections in which something that was written before is not written any more.
fn sections(before: &PolicySet, after: &PolicySet) -> impl Iterator<Item = &'static str> {
    let gone = |pieces: Pieces| {
        let now: BTreeSet<String> = pieces(after).into_iter().collect();
        pieces(before).iter().any(|piece| !now.contains(piece))
    };
    let each: [(&str, Pieces); 6] = [
        ("classification", |set| set.labelling().pieces()),
        ("compositional_risk", |set| limits(set).iter().map(written).collect()),
        ("counters", |set| set.counters().iter().map(written).collect()),
        ("intent_boundaries", |set| set.boundaries().iter().map(written).collect()),
        ("re_validation", |set| set.re_validations().iter().map(written).collect()),
        ("tools", |set| set.argument_checks().iter().map(written).collect()),
    ];
    each.map(|(name, pieces)| gone(pieces).then_some(name)).into_iter().flatten()
}

/// Whether something may be held back, or noted, because of it.
fn restrains(rule: &Rule) -> bool {
    rule.action.as_ref().is_none_or(RuleAction::restricts) || !rule.sets.is_empty()
}

fn verdict(rule: &Rule) -> Option<Verdict> {
    rule.action.as_ref().map(RuleAction::verdict)
}

const fn strictness(default: &Decision) -> u8 {
    match default {
        Decision::Allow => 0,
        Decision::Deny => 2,
        _ => 1,
    }
}

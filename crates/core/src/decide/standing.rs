//! What the rules of the highest priority say together.

use super::Question;
use crate::decision::{Decision, Gap, Missing};
use crate::edits::Edits;
use crate::policy::{Rule, RuleAction};

/// What the rules of the highest priority say together.
pub(super) enum Standing<'a> {
    Rules { decision: Decision, edits: Edits, rules: Vec<&'a Rule> },
    Conflict(Vec<&'a Rule>),
    Default(Decision),
}

impl Standing<'_> {
    pub(super) fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Rules { decision, .. } | Self::Default(decision) => Some(decision),
            Self::Conflict(_) => None,
        }
    }

    /// Whether the other one says the same, whichever rules say it.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        let edits = |standing: &Self| match standing {
            Self::Rules { edits, .. } => edits.clone(),
            Self::Conflict(_) | Self::Default(_) => Edits::default(),
        };
        match (self, other) {
            (Self::Conflict(ours), Self::Conflict(theirs)) => ours.len() == theirs.len(),
            _ => self.decision() == other.decision() && edits(self) == edits(other),
        }
    }
}

/// The higher priority wins. At the winning one MODIFY conflicts only with DENY and rides beside the others.
pub(super) fn standing<'a>(q: &Question<'_>, hold: &[&'a Rule]) -> Standing<'a> {
    let Some(priority) = hold.iter().filter(|r| r.action.is_some()).map(|r| r.priority).max() else {
        return Standing::Default(q.policy.default_decision());
    };
    let top: Vec<&Rule> =
        hold.iter().copied().filter(|r| r.action.is_some() && r.priority == priority).collect();
    let mut edits = Edits::default();
    let mut decision: Option<Decision> = None;
    for rule in &top {
        let said = match &rule.action {
            Some(RuleAction::Modify(more)) => {
                if edits.merge(more).is_err() {
                    return Standing::Conflict(top);
                }
                continue;
            }
            Some(RuleAction::Allow) => Decision::Allow,
            Some(RuleAction::Deny) => Decision::Deny,
            Some(RuleAction::StepUp(approvers)) => Decision::StepUp(approvers.clone()),
            Some(RuleAction::Defer) => Decision::Defer(Missing::one(Gap::Rule(rule.id.clone()))),
            None => continue,
        };
        decision = match (decision, said) {
            (None, said) => Some(said),
            (Some(Decision::StepUp(a)), Decision::StepUp(b)) => Some(Decision::StepUp(a.and(b))),
            (Some(Decision::Defer(a)), Decision::Defer(b)) => Some(Decision::Defer(a.and(b))),
            (Some(before), said) if before == said => Some(said),
            _ => return Standing::Conflict(top),
        };
    }
    match decision {
        Some(Decision::Deny) if !edits.is_empty() => Standing::Conflict(top),
        decision => Standing::Rules { decision: decision.unwrap_or(Decision::Allow), edits, rules: top },
    }
}

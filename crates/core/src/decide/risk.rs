//! Compositional risk above its limit (`R3.order`), right below what is forbidden.
//!
//! A limit that denies ends the matter. One that asks or waits adds to what would happen anyway and never takes
//! its place where that is as strict: an action that rules refuse is not put to a person because it is risky, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Found, Question, Weighed, below};
use crate::decision::{Approvers, Decision, Missing, Step, Why};
use crate::facts::measures::Measure;
use crate::policy::{RiskAction, RiskLimit};

/// The fact's full name, as receipts and waits write it.
const RISK: &str = "context.compositional_risk";

pub(super) fn too_risky(
    q: &Question<'_>,
    rules: &Weighed<'_>,
    read: &mut BTreeSet<Arc<str>>,
) -> Option<Found> {
    let limits = q.policy.risk_limits();
    let strictest = limits.first()?;
    read.insert(RISK.into());
    let Some(risk) = Measure::CompositionalRisk.read(q) else {
        let missing = Missing::fact(RISK, Why::Absent);
        let reason = format!("waiting for {RISK} ({})", Why::Absent);
        let waits = Found::new(Decision::Defer(missing), Step::Uncertain, reason);
        return is_milder(&below(q, rules).decision, strictest.action).then_some(waits);
    };
    let limit = limits.iter().find(|limit| risk > limit.threshold)?;
    let decision = match limit.action {
        RiskAction::Deny => Decision::Deny,
        RiskAction::Defer => Decision::Defer(Missing::fact(RISK, Why::AboveLimit)),
        RiskAction::StepUp => Decision::StepUp(Approvers::default()),
    };
    let mut found = Found::new(decision, Step::Risk, reason_of(limit));
    found.policy = Some(limit.policy.clone());
    if limit.action == RiskAction::Deny {
        return Some(found);
    }
    let otherwise = below(q, rules);
    if limit.action == RiskAction::StepUp {
        // What the person is asked about is what would have run.
        found.edits = otherwise.edits;
    }
    is_milder(&otherwise.decision, limit.action).then_some(found)
}

/// Whether a limit that does this would change what happens otherwise.
const fn is_milder(otherwise: &Decision, action: RiskAction) -> bool {
    match otherwise {
        Decision::Allow => true,
        Decision::StepUp(_) => !matches!(action, RiskAction::StepUp),
        // What waits is judged anew when its wait is over.
        Decision::Defer(_) | Decision::Deny => false,
    }
}

fn reason_of(limit: &RiskLimit) -> Arc<str> {
    let plain = || {
        let threshold = limit.threshold;
        format!("what this session did and saw adds up to a risk above the limit of {threshold} basis points")
    };
    limit.reason.clone().unwrap_or_else(|| plain().into())
}

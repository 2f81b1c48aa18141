//! Limits on the compositional risk (`R3.order`): what happens to an action above one, and how a file writes it.
//!
//! Each file of a set may write one. All of them count: the strictest of those that are exceeded acts.

use std::sync::Arc;

use super::fault::Faults;
use super::syntax::fields::{Field, Fields};
use crate::decision::PolicyRef;

/// A limit on `context.compositional_risk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskLimit {
    /// Acts when the risk is above this, in basis points, 0 to 9,999.
    pub threshold: u64,
    /// What it does.
    pub action: RiskAction,
    /// Why, in the policy's words.
    pub reason: Option<Arc<str>>,
    /// The policy that writes it.
    pub policy: PolicyRef,
}

/// What happens to an action whose compositional risk is above a limit, unless what would happen anyway is
/// stricter. From the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskAction {
    /// A person is asked.
    StepUp,
    /// It waits until the risk is no longer above the limit.
    Defer,
    /// It is refused.
    Deny,
}

const ACTIONS: [(&str, RiskAction); 3] =
    [("DENY", RiskAction::Deny), ("STEP_UP", RiskAction::StepUp), ("DEFER", RiskAction::Defer)];

/// The risk is at most this, so a limit of this would never act.
const MOST: i64 = 10_000;

pub(super) fn read(field: Field<'_>, policy: &PolicyRef, faults: &mut Faults) -> Option<RiskLimit> {
    let keys = ["threshold", "action", "decision", "reason"];
    let fields = Fields::open(field.node, "`compositional_risk`", &keys, faults)?;
    let action = fields.either("action", "decision", faults);
    let action = action.map_or(Some(RiskAction::Deny), |word| word.word(&ACTIONS, faults));
    let reason = fields.get("reason").and_then(|reason| reason.text(faults)).map(Arc::from);
    let Some(written) = fields.get("threshold") else {
        let hint = "write `threshold: 8000`: basis points, 0 to 9,999";
        faults.add_with_hint(field.at(), "`compositional_risk` has no `threshold`", hint);
        return None;
    };
    let threshold = written.integer(faults)?;
    let within = u64::try_from(threshold).ok().filter(|_| threshold < MOST);
    if within.is_none() {
        let message = format!("`threshold` takes basis points, 0 to 9,999, not {threshold}");
        faults.add_with_hint(
            written.at(),
            message,
            "the risk is at most 10,000, and the limit acts above the threshold",
        );
    }
    Some(RiskLimit { threshold: within?, action: action?, reason, policy: policy.clone() })
}

/// The strictest first; of equally strict ones the lowest.
pub(super) fn sort(limits: &mut [RiskLimit]) {
    limits.sort_by(|a, b| b.action.cmp(&a.action).then(a.threshold.cmp(&b.threshold)));
}

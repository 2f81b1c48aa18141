//! Arguments that break the schema which a policy holds them against (`R3.params`): refused before any rule is asked.

use super::{Found, Question};
use crate::decision::{Decision, Step};

pub(super) fn malformed(q: &Question<'_>) -> Option<Found> {
    let checks = q.policy.argument_checks().iter().filter(|check| check.concerns(&q.action.tool));
    let fault = checks.filter_map(|check| check.check(q.action).err()).next()?;
    Some(Found::new(Decision::Deny, Step::Arguments, fault.to_string()))
}

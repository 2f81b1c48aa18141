//! A session that goes on for long is confirmed by a person from time to time: `re_validation` in policies.

use super::{Found, Question};
use crate::decision::{Approvers, Decision, Ending, Step};
use crate::facts::measures::Measure;

/// What was found, unless it lets the action run and a person has not confirmed the session for too long.
pub(super) fn confirmed(q: &Question<'_>, found: Found) -> Found {
    let since = Measure::SinceConfirmation.read(q).unwrap_or(u64::MAX);
    let due = q.policy.re_validations().iter().filter(|wanted| since >= wanted.actions);
    let Some(wanted) = due.min_by_key(|wanted| wanted.actions).filter(|_| found.decision == Decision::Allow)
    else {
        return found;
    };
    let reason = format!(
        "{since} actions ran since a person last confirmed this session; after {} one has to",
        wanted.actions
    );
    let mut asks = Found::new(Decision::StepUp(Approvers::default()), Step::Confirmation, reason);
    asks.wait = wanted.wait.timeout;
    asks.ending = Ending { on_timeout: wanted.wait.on_timeout, ..Ending::default() };
    // What the person is asked about is what would have run.
    asks.edits = found.edits;
    asks
}

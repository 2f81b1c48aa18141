//! Whether the request covers an action (SPEC, *aligned*): three-valued.

use std::collections::BTreeSet;

use super::Question;
use crate::decision::{Match, Missing, Why};
use crate::depend;
use crate::drift::Signal;
use crate::policy::intent::boundary_of;

/// Whether the request covers the action: by the intent that a host declared, else by the request's own words. What
/// lies too far from the request (`R7`) is not taken as covered; nothing is left out for that alone.
pub(super) fn aligned(q: &Question<'_>) -> Match {
    let limits = &q.environment.drift;
    match covered(q) {
        Match::Yes if limits.in_force && limits.level(q) == Some(Signal::StepUp) => {
            Match::Unknown(Missing::fact("context.risk_signals.drift.level", Why::AboveLimit))
        }
        known => known,
    }
}

/// The boundary of an intent that the policy knows only excludes.
fn covered(q: &Question<'_>) -> Match {
    let unknown = || Match::Unknown(Missing::fact("session.intent", Why::Absent));
    let kept = boundary_of(q.policy.boundaries(), q).map(|boundary| boundary.keeps(q, &mut BTreeSet::new()));
    if let Some(outside @ (Match::No | Match::Unknown(_))) = kept {
        return outside;
    }
    let names = |list: &[String]| list.iter().any(|name| depend::names_tool(name, &q.action.tool));
    match q.context.intent() {
        Some(intent) if names(&intent.exclude) => Match::No,
        Some(intent) if names(&intent.allow) => Match::Yes,
        Some(_) => unknown(),
        None => aligned_by_words(q).map_or_else(unknown, Match::from),
    }
}

/// What the request's words say of an effect: it asks for it; or it does not, and a third party chose who or
/// what is acted on. Anything between the two cannot be told.
fn aligned_by_words(q: &Question<'_>) -> Option<bool> {
    if q.context.opened().request.is_none() || q.action.contract.effect.only_reads() {
        return None;
    }
    let origins = q.origins();
    match origins.licensed? {
        true => Some(true),
        false => origins.third_party_selects().then_some(false),
    }
}

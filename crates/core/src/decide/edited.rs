//! What runs is the edited action: it is judged too, and checked against the tool's own schema.

use std::collections::{BTreeMap, BTreeSet};

use super::{Memo, Question, add_to, judge};
use crate::action::Action;
use crate::decision::{Because, Decision, Ending, Ruling};
use crate::edits::Edits;
use crate::policy::schema::SchemaBreak;

/// What runs is the edited action, so it is judged too, and whatever it needs beyond is needed: a refusal,
/// a person, context, further edits. An edit that the tool cannot carry out is a refusal.
pub(super) fn judged_after_edits(q: &Question<'_>, mut ruling: Ruling) -> Ruling {
    // Each round adds an edit that some rule demands; edits that replace each other in a circle contradict.
    for _ in 0..=q.policy.rules().len() {
        if ruling.edits.is_empty() || ruling.decision == Decision::Deny {
            return ruling;
        }
        let arguments = match ruling.edits.apply(&q.action.arguments, &q.action.contract) {
            Ok(arguments) => arguments,
            Err(fault) => return refused(ruling, &fault.to_string()),
        };
        let edited = Action { arguments, ..q.action.clone() };
        if let Some(fault) = broken_by_edits(q.action, &edited) {
            return refused(ruling, &format!("after the edits, {fault}"));
        }
        let again = judge(&Question { action: &edited, memo: &Memo::default(), ..*q });
        let before = ruling.edits.clone();
        ruling = match both(ruling, again) {
            Ok(ruling) => ruling,
            Err(refusal) => return *refusal,
        };
        if ruling.edits == before {
            return ruling;
        }
    }
    refused(ruling, "the edits lead to ever further edits")
}

/// How the edited arguments break the tool's own schema, which the arguments as they came do not.
fn broken_by_edits(before: &Action, after: &Action) -> Option<SchemaBreak> {
    let schema = before.contract.declared_schema()?.ok()?;
    let broken = schema.check(after.arguments.value()).err()?;
    schema.check(before.arguments.value()).is_ok().then_some(broken)
}

/// The stricter of two rulings on one action, before and after its edits, with the edits of both.
fn both(first: Ruling, again: Ruling) -> Result<Ruling, Box<Ruling>> {
    let facts_read: BTreeSet<_> = first.facts_read.union(&again.facts_read).cloned().collect();
    if again.decision == Decision::Deny {
        return Err(Box::new(Ruling { facts_read, ..again }));
    }
    let mut edits = first.edits.clone();
    if let Err(contradiction) = edits.merge(&again.edits) {
        return Err(Box::new(refused(Ruling { facts_read, ..first }, &contradiction.to_string())));
    }
    let mut sets = first.sets.clone();
    again.sets.iter().for_each(|(name, value)| add_to(&mut sets, name, value));
    let ruling = match (&first.decision, &again.decision) {
        (Decision::StepUp(ours), Decision::StepUp(theirs)) => {
            let decision = Decision::StepUp(ours.clone().and(theirs.clone()));
            let mut because = first.because.clone();
            because
                .rules
                .extend(again.because.rules.iter().filter(|id| !first.because.rules.contains(id)).cloned());
            let wait = [first.wait, again.wait].into_iter().flatten().min();
            Ruling { decision, because, wait, ..first }
        }
        (Decision::Allow, Decision::StepUp(_) | Decision::Defer(_))
        | (Decision::StepUp(_), Decision::Defer(_)) => again,
        // What waits already is judged anew when its wait is over.
        _ => first,
    };
    Ok(Ruling { edits, sets, facts_read, ..ruling })
}

fn refused(ruling: Ruling, reason: &str) -> Ruling {
    let because = Because { reason: reason.into(), ..ruling.because };
    let (edits, sets) = (Edits::default(), BTreeMap::new());
    Ruling {
        decision: Decision::Deny,
        edits,
        sets,
        because,
        wait: None,
        ending: Ending::default(),
        escalate: None,
        ..ruling
    }
}

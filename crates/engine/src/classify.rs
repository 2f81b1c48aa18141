//! What reaches the agent is classified before it is recorded: what its source declares, in configuration or policy,
//! what is found in it by detectors and the policy's patterns, and where no source declares anything, what the policy
//! says of unclassified data (`R2.data`, `R2.default`).

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::detect::{Inspection, Level};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Outcome, Status};

/// An outcome with the labels of everything in it; `action` is the one that it is of.
pub(crate) fn outcome(mut outcome: Outcome, action: Option<&Action>, policy: &PolicySet) -> Outcome {
    let texts: Vec<Arc<str>> = [&outcome.output, &outcome.error].into_iter().flatten().cloned().collect();
    if texts.is_empty() {
        return outcome;
    }
    let mut declared = !outcome.labels.is_empty();
    for text in texts {
        // What says that nothing was sent is our own.
        if let Some(action) = action.filter(|_| outcome.status != Status::NothingSent) {
            let by_source = policy.labelling().declared(&action.tool, action.original.as_deref(), &text);
            declared |= by_source.level;
            outcome.labels.extend(by_source.labels);
        }
        add(&mut outcome.labels, policy.labelling().inspect(&text));
    }
    if !declared {
        outcome.labels.insert(policy.unclassified().as_str().into());
    }
    outcome
}

/// The labels of a text that no action asked for: what its source declares and what is found in it.
pub(crate) fn notice(declared: &BTreeSet<Arc<str>>, text: &str, policy: &PolicySet) -> BTreeSet<Arc<str>> {
    let mut labels = declared.clone();
    add(&mut labels, policy.labelling().inspect(text));
    labels
}

fn add(labels: &mut BTreeSet<Arc<str>>, (found, by_pattern): (Inspection, BTreeSet<Arc<str>>)) {
    labels.extend(found.labels.iter().map(|label| Arc::from(*label)));
    labels.extend(found.cues.iter().map(|cue| Arc::from(cue.label())));
    labels.extend(by_pattern);
    if !found.complete {
        // What could not be looked at in whole may be anything.
        labels.insert(Level::Restricted.as_str().into());
    }
}

//! What reaches the agent is classified before it is recorded: what its source declares, what is found in it,
//! and where its source declares nothing, what the policy says of unclassified data (`R2.data`, `R2.default`).

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::detect::{Inspection, Level, inspect};
use countersign_core::policy::PolicySet;
use countersign_core::session::Outcome;

/// An outcome with the labels of everything in it.
pub(crate) fn outcome(mut outcome: Outcome, policy: &PolicySet) -> Outcome {
    let texts: Vec<Arc<str>> = [&outcome.output, &outcome.error].into_iter().flatten().cloned().collect();
    if texts.is_empty() {
        return outcome;
    }
    let declared = !outcome.labels.is_empty();
    for text in texts {
        add(&mut outcome.labels, &inspect(&text));
    }
    if !declared {
        outcome.labels.insert(policy.unclassified().as_str().into());
    }
    outcome
}

/// The labels of a text that no action asked for: what its source declares and what is found in it.
pub(crate) fn notice(declared: &BTreeSet<Arc<str>>, text: &str) -> BTreeSet<Arc<str>> {
    let mut labels = declared.clone();
    add(&mut labels, &inspect(text));
    labels
}

fn add(labels: &mut BTreeSet<Arc<str>>, found: &Inspection) {
    labels.extend(found.labels.iter().map(|label| Arc::from(*label)));
    labels.extend(found.cues.iter().map(|cue| Arc::from(cue.label())));
    if !found.complete {
        // What could not be looked at in whole may be anything.
        labels.insert(Level::Restricted.as_str().into());
    }
}

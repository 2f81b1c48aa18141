//! From where on drift is noticed and asked about, and what was recorded of a model's answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Drift, ProfileName, Signal, Thresholds};
use crate::decide::Question;

/// What an embedding model said of one action: an entry of its own, recorded before the ruling that reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// How far the action lies from the request, 0 to 10,000 basis points; `None` where the model failed.
    pub distance: Option<u32>,
    /// Which model: `sha256:` and the digest of its weights.
    pub model: Arc<str>,
    /// Of which rendering ([`super::RENDERING_VERSION`]) the action's text was.
    pub rendering: u32,
}

/// The thresholds of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// For lexical distances of effectful actions.
    pub lexical: Thresholds,
    /// For embedded ones; `None` where no model is configured.
    pub embedded: Option<Thresholds>,
    /// The cumulative sum from which on to alert, in basis points.
    pub cusum: u32,
    /// Whether somebody put them in force: then an action beyond `step_up` is not taken as covered by the request.
    /// Where nobody did, they are starting points that only rules read.
    pub in_force: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self::starting(ProfileName::Support)
    }
}

impl Limits {
    /// Where to start with this kind of agent, without a model and not in force.
    #[must_use]
    pub const fn starting(profile: ProfileName) -> Self {
        Self { lexical: profile.lexical(), embedded: None, cusum: profile.cusum(), in_force: false }
    }

    /// What the action in question asks for: of one that does more than read, the highest of what its distances and the
    /// session's cumulative sum with it say; of one that reads, what the sum says.
    ///
    /// `None` where it cannot be told: there is no request, or something is missing (a model is configured and no
    /// distance of it is recorded, arguments were erased) that could have made it higher.
    #[must_use]
    pub fn level(&self, q: &Question<'_>) -> Option<Signal> {
        let lexical = q.distance()?;
        let mut signals = vec![self.of_sum(q.context.signals().drift(), lexical)];
        if !q.action.contract.effect.only_reads() {
            signals.push(self.lexical.signal(lexical, None));
            signals.extend(self.embedded.as_ref().map(|thresholds| {
                let embedding = q.context.embedding(&q.action.id)?;
                thresholds.signal(embedding.distance?, Some(&embedding.model))
            }));
        }
        let highest = signals.iter().flatten().max().copied();
        let settled = highest == Some(Signal::StepUp) || signals.iter().all(Option::is_some);
        highest.filter(|_| settled)
    }

    /// What the cumulative sum says, this action included.
    fn of_sum(&self, so_far: Option<Drift>, lexical: u32) -> Option<Signal> {
        let mut drift = so_far?;
        drift.push(false, lexical, None);
        Some(if drift.cusum() >= self.cusum { Signal::Alert } else { Signal::Within })
    }
}

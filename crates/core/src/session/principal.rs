//! What a human or an agent did across sessions: counters and high-water marks, restrictive only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compact::{Labels, Tally};
use crate::names::ToolName;

/// Tools and labels of one principal that are told apart; beyond them facts about the rest are missing.
const MOST_TOOLS: usize = 4_096;
const MOST_LABELS: usize = 1_024;

/// The fold over a principal's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    actions: Tally,
    labels: Labels,
}

/// What one receipt changes for a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// An action of this tool was permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted: Option<ToolName>,
    /// Labels of data that reached the agent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Arc<str>>,
    /// The high-water mark was lowered by a host or operator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lowered: bool,
}

impl Change {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Principal {
    /// Takes one change in.
    pub fn apply(&mut self, change: &Change) {
        if change.lowered {
            self.labels = Labels::default();
        }
        if let Some(tool) = &change.permitted {
            self.actions.count(tool, MOST_TOOLS);
        }
        change.labels.iter().for_each(|label| self.labels.add(label, MOST_LABELS));
    }

    /// Permitted actions by tool, those in flight included; a tool never used has none.
    #[must_use]
    pub const fn actions(&self) -> &BTreeMap<ToolName, u64> {
        self.actions.kept()
    }

    /// The same, with what is not told apart any more.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.actions
    }

    /// Labels of all data this principal's sessions have seen since the mark was last lowered.
    #[must_use]
    pub const fn labels(&self) -> &BTreeSet<Arc<str>> {
        self.labels.set()
    }

    /// Whether every one of these labels is kept.
    #[must_use]
    pub const fn labels_complete(&self) -> bool {
        self.labels.complete()
    }
}

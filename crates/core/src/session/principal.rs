//! What a human or an agent did across sessions: counters and high-water marks, restrictive only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::ToolName;

/// The fold over a principal's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    actions: BTreeMap<ToolName, u64>,
    labels: BTreeSet<Arc<str>>,
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
            self.labels.clear();
        }
        if let Some(tool) = &change.permitted {
            *self.actions.entry(tool.clone()).or_default() += 1;
        }
        self.labels.extend(change.labels.iter().cloned());
    }

    /// Permitted actions by tool, those in flight included; a tool never used has none.
    #[must_use]
    pub fn actions(&self) -> &BTreeMap<ToolName, u64> {
        &self.actions
    }

    /// Labels of all data this principal's sessions have seen since the mark was last lowered.
    #[must_use]
    pub fn labels(&self) -> &BTreeSet<Arc<str>> {
        &self.labels
    }
}

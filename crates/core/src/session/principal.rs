//! What a human or an agent did across sessions: counters and high-water marks, restrictive only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compact::{Labels, Tally};
use crate::names::ToolName;

/// Tools and labels of one principal that are told apart; beyond them facts about the rest are missing.
const MOST_TOOLS: usize = 4_096;
const MOST_LABELS: usize = 1_024;
/// Names from third parties' texts that are kept of one principal; beyond them nothing counts as new to it.
const MOST_FOREIGN: usize = 65_536;

/// The fold over a principal's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    actions: Tally,
    labels: Labels,
    /// What third parties' texts named, as hashes.
    foreign: BTreeSet<u64>,
    foreign_full: bool,
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
    /// What third parties' texts named (addresses, accounts, links, files), as hashes of their folded text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub foreign: BTreeSet<u64>,
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
            self.foreign.clear();
            self.foreign_full = false;
        }
        if let Some(tool) = &change.permitted {
            self.actions.count(tool, MOST_TOOLS);
        }
        change.labels.iter().for_each(|label| self.labels.add(label, MOST_LABELS));
        let room = MOST_FOREIGN.saturating_sub(self.foreign.len());
        self.foreign_full |= change.foreign.len() > room;
        self.foreign.extend(change.foreign.iter().take(room));
    }

    /// Whether a third party's text named this in any session; where more was named than is kept, it may have.
    #[must_use]
    pub fn may_be_foreign(&self, hash: u64) -> bool {
        self.foreign_full || self.foreign.contains(&hash)
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

//! What a human or an agent did across sessions, or sessions linked by delegation did together: counters and high-water
//! marks, restrictive only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compact::{Labels, Tally};
use super::counters::{Amount, Correction};
use super::linked::{Linked, Signs};
use super::sequence::Past;
use super::usage::{Usage, UsageLimits};
use crate::detect::{Cue, Level};
use crate::names::ToolName;
use crate::time::Time;

/// Tools and labels of one principal that are told apart; beyond them facts about the rest are missing.
const MOST_TOOLS: usize = 4_096;
const MOST_LABELS: usize = 1_024;
/// Tools whose moments and counters whose sums are kept of one principal; beyond them rates and sums are missing.
const USAGE: UsageLimits = UsageLimits { tools: 1_024, counters: 256 };
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
    usage: Usage,
    signs: Signs,
}

/// What one receipt changes for a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// An action of this tool was permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted: Option<ToolName>,
    /// When; an action without its moment counts as if it were permitted just now, whenever that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// What it adds to counters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<Arc<str>, Amount>,
    /// What the outcome of an action changes of what it was counted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Correction>,
    /// Labels of data that reached the agent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Arc<str>>,
    /// What third parties' texts named (addresses, accounts, links, files), as hashes of their folded text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub foreign: BTreeSet<u64>,
    /// What it adds for sessions that are linked by delegation, and for nobody else.
    #[serde(default, skip_serializing_if = "Linked::is_empty")]
    pub linked: Linked,
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

    /// Both; of what only one of them can say, what this one says.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.labels.extend(other.labels);
        self.foreign.extend(other.foreign);
        self.linked.before.extend(other.linked.before);
        self.linked.refused.extend(other.linked.refused);
        self.linked.more_labels |= other.linked.more_labels;
        self.linked.more_foreign |= other.linked.more_foreign;
        self
    }
}

/// Labels that say which level and which cues were seen, where labels of their own are not all kept.
pub(super) fn telling(level: Level, cues: &BTreeSet<Cue>) -> impl Iterator<Item = Arc<str>> {
    let level = (level > Level::Public).then(|| Arc::from(level.as_str()));
    level.into_iter().chain(cues.iter().map(|cue| Arc::from(cue.label())))
}

impl Principal {
    /// Takes one change in.
    pub fn apply(&mut self, change: &Change) {
        if change.lowered {
            self.labels = Labels::default();
            self.foreign.clear();
            self.foreign_full = false;
            self.signs = Signs::default();
        }
        if let Some(tool) = &change.permitted {
            self.actions.count(tool, MOST_TOOLS);
            self.usage.permitted(tool, &change.counted, change.at, USAGE);
        }
        if let Some(correction) = &change.corrected {
            self.usage.corrected(correction, USAGE);
        }
        change.labels.iter().for_each(|label| self.labels.add(label, MOST_LABELS));
        self.signs.take(&change.labels, &change.linked);
        let Linked { uses, other, dotted, more_labels, more_foreign, .. } = &change.linked;
        self.actions.take(uses, *other, *dotted, MOST_TOOLS);
        if *more_labels {
            self.labels.lose();
        }
        self.foreign_full |= more_foreign;
        let room = MOST_FOREIGN.saturating_sub(self.foreign.len());
        self.foreign_full |= change.foreign.len() > room;
        self.foreign.extend(change.foreign.iter().take(room));
    }

    /// Whether a third party's text named this in any session; where more was named than is kept, it may have.
    #[must_use]
    pub fn may_be_foreign(&self, hash: u64) -> bool {
        self.foreign_full || self.foreign.contains(&hash)
    }

    /// Whether there is anything that a third party's text named.
    #[must_use]
    pub fn names_any(&self) -> bool {
        self.foreign_full || !self.foreign.is_empty()
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

    /// How much was done in all its sessions: rates and sums. Lowering a mark changes nothing of it.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
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

    /// What its labels and, of linked sessions, their entries say for risk signals.
    #[must_use]
    pub const fn signs(&self) -> &Signs {
        &self.signs
    }

    /// The mark as something that a session hands on when it delegates: what reached its human or agent may reach it.
    #[must_use]
    pub fn mark(&self) -> Change {
        let linked = Linked {
            more_labels: !self.labels.complete(),
            more_foreign: self.foreign_full,
            ..self.signs.past().since(&Past::default())
        };
        let labels = self.labels.set().iter().cloned().chain(telling(self.signs.level(), self.signs.cues()));
        Change { labels: labels.collect(), foreign: self.foreign.clone(), linked, ..Change::default() }
    }

    /// What of a change is new here. What is told at linking counts once for each session that is linked anew.
    #[must_use]
    pub fn news(&self, change: &Change) -> Change {
        let mut news = change.clone();
        news.labels.retain(|label| !self.labels.set().contains(label));
        news.foreign.retain(|hash| !self.foreign.contains(hash));
        news
    }
}

//! What sessions that are linked by delegation share, beside what the sessions of one human or agent share.
//!
//! A session that another one delegated to, and the one that delegated, have one chain in common, and its fold is a
//! [`super::Principal`] that both read before every ruling. Only what restricts goes into it: labels with their levels
//! and cues, names out of third parties' texts, uses of tools, and what an unusual sequence may begin with. Never a
//! request, a licence, a slot, an approval or a fact.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sequence::{Before, Past};
use super::signals::level_of;
use crate::action::Effect;
use crate::detect::{Cue, Level};
use crate::identity::Party;
use crate::names::{SessionId, ToolName};

/// Names from third parties' texts that are kept of one session; beyond them nothing counts as new to linked ones.
const MOST_FOREIGN: usize = 65_536;

/// By whom a session was delegated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// The session that delegated.
    pub parent: SessionId,
    /// The session that the first delegation came from: what they all share stands in its chain `delegation:ROOT`.
    pub root: SessionId,
    /// The grants, outermost first: whose agents passed the task on, and which upstreams each grant reaches.
    pub grants: Vec<Party>,
}

/// What one receipt, or the linking itself, adds for linked sessions alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linked {
    /// What an unusual sequence may begin with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) before: BTreeSet<Before>,
    /// Effects that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<Refused>,
    /// Uses of tools before the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) uses: Vec<(ToolName, u64)>,
    /// Uses of tools that are not told apart, before the link.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) other: u64,
    /// Among them are tools with dots in their names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dotted: bool,
    /// More labels were seen than are told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more_labels: bool,
    /// More was named by third parties than is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more_foreign: bool,
}

/// An effect that was refused, and of which tool, where all such refusals were of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) effect: Effect,
    pub(crate) tool: Option<ToolName>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Linked {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Uses of tools are counted where they were made: they are not told once more.
    pub fn counted_already(&mut self) {
        self.uses.clear();
        (self.other, self.dotted) = (0, false);
    }
}

/// Names from third parties' texts, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreign {
    set: BTreeSet<u64>,
    full: bool,
}

impl Foreign {
    pub(super) fn add(&mut self, named: &BTreeSet<u64>) {
        let room = MOST_FOREIGN.saturating_sub(self.set.len());
        let mut fresh = named.iter().filter(|hash| !self.set.contains(hash)).copied().collect::<Vec<_>>();
        self.full |= fresh.len() > room;
        fresh.truncate(room);
        self.set.extend(fresh);
    }

    pub(super) const fn all(&self) -> &BTreeSet<u64> {
        &self.set
    }

    pub(super) const fn full(&self) -> bool {
        self.full
    }
}

/// What labels and linked entries say for risk signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    past: Past,
    level: Level,
    cues: BTreeSet<Cue>,
}

impl Default for Signs {
    fn default() -> Self {
        Self { past: Past::default(), level: Level::Public, cues: BTreeSet::new() }
    }
}

impl Signs {
    pub(super) fn take(&mut self, labels: &BTreeSet<Arc<str>>, linked: &Linked) {
        for label in labels {
            self.past.saw_label(label);
            self.cues.extend(Cue::from_label(label));
            self.level = self.level.max(level_of(label).unwrap_or(Level::Public));
        }
        self.past.take(&linked.before, &linked.refused);
    }

    /// What unusual sequences may begin with.
    #[must_use]
    pub const fn past(&self) -> &Past {
        &self.past
    }

    /// The highest level seen.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// The cues seen.
    #[must_use]
    pub const fn cues(&self) -> &BTreeSet<Cue> {
        &self.cues
    }
}

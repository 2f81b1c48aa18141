//! What bounds the memory of a session that never ends, and what facts say once something is not kept.
//!
//! | kept | at most | beyond it |
//! |---|---|---|
//! | permitted actions by tool | 512 tools | the rest is counted together; facts about tools that are not kept are missing |
//! | labels | 256 | the set of labels is missing; levels and injection cues go on counting |
//! | given facts | 256 names, 8 sources each | stale ones go first, then new names are not taken in: they are missing; so is a fact with more sources |
//! | parties reached | 256 | the set of parties is missing |
//! | permitted actions one by one | 1,000 | the oldest is dropped; a `sequence` that reaches for it is Unknown |
//! | tools whose moments are kept | 512 | rates of named tools are missing while one of the rest lies in their window |
//! | moments of a tool's actions, or of a counter's amounts | 128 spans of time | a window may tell too much, never too little |
//! | sums of counters | 64 | those of the rest are missing |
//! | actions whose outcome is unknown | 256 | the oldest is let go; a late report about it is refused |
//!
//! One law holds for all of them: **compaction makes no fact safer** (`R2.bounded`). A fact stays what it is,
//! becomes missing, or moves to the side on which more rules restrict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::depend::names_tool;
use crate::names::ToolName;

/// How much of each kind a context keeps. A later version may raise them, never lower them: a chain that was
/// written under smaller ones is read under larger ones, not the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextLimits {
    /// Tools whose uses are counted one by one.
    pub tools: usize,
    /// Labels of data seen.
    pub labels: usize,
    /// Facts that somebody gave or a rule wrote.
    pub facts: usize,
    /// Parties that the session's effects reached.
    pub entities: usize,
    /// Actions whose outcome is unknown and may still be reported.
    pub unknown: usize,
    /// Permitted actions that are kept one by one.
    pub history: usize,
    /// Counters that are summed up.
    pub counters: usize,
}

impl Default for ContextLimits {
    fn default() -> Self {
        Self {
            tools: 512,
            labels: 256,
            facts: 256,
            entities: 256,
            unknown: 256,
            history: 1_000,
            counters: 64,
        }
    }
}

/// Uses by tool, of a bounded number of tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    kept: BTreeMap<ToolName, u64>,
    other: u64,
    /// A tool that is not kept has a dot in its name or its upstream's: a written name may mean it in several ways.
    dotted: bool,
}

impl Tally {
    /// Counts one use; at most `limit` tools are told apart.
    pub(crate) fn count(&mut self, tool: &ToolName, limit: usize) {
        if let Some(uses) = self.kept.get_mut(tool) {
            *uses = uses.saturating_add(1);
        } else if self.kept.len() < limit {
            self.kept.insert(tool.clone(), 1);
        } else {
            self.other = self.other.saturating_add(1);
            self.dotted |= tool.upstream().contains('.') || tool.tool().contains('.');
        }
    }

    /// Takes uses in that were counted elsewhere.
    pub(crate) fn take(&mut self, uses: &[(ToolName, u64)], other: u64, dotted: bool, limit: usize) {
        for (tool, times) in uses {
            if let Some(known) = self.kept.get_mut(tool) {
                *known = known.saturating_add(*times);
            } else if self.kept.len() < limit {
                self.kept.insert(tool.clone(), *times);
            } else {
                self.other = self.other.saturating_add(*times);
                self.dotted |= tool.upstream().contains('.') || tool.tool().contains('.');
            }
        }
        self.other = self.other.saturating_add(other);
        self.dotted |= dotted;
    }

    /// Whether a tool that is not kept has a dot in its name.
    pub(crate) const fn dotted(&self) -> bool {
        self.dotted
    }

    /// Uses of the tools that are kept.
    #[must_use]
    pub const fn kept(&self) -> &BTreeMap<ToolName, u64> {
        &self.kept
    }

    /// Uses of all tools that are not kept, together.
    #[must_use]
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// Uses of everything that bears a written name; `None` where a tool that is not kept may bear it.
    #[must_use]
    pub fn uses(&self, written: &str) -> Option<u64> {
        let exact = || !self.dotted && self.kept.keys().any(|tool| tool.is(written));
        (self.other == 0 || exact()).then(|| {
            let bearing = self.kept.iter().filter(|(tool, _)| names_tool(written, tool));
            bearing.fold(0_u64, |sum, (_, uses)| sum.saturating_add(*uses))
        })
    }
}

/// A bounded set of texts that says whether it holds all that was put into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    set: BTreeSet<Arc<str>>,
    incomplete: bool,
}

impl Labels {
    pub(crate) fn add(&mut self, label: &Arc<str>, limit: usize) {
        if self.set.contains(label) {
            return;
        }
        if self.set.len() < limit {
            self.set.insert(Arc::clone(label));
        } else {
            self.incomplete = true;
        }
    }

    pub(crate) const fn set(&self) -> &BTreeSet<Arc<str>> {
        &self.set
    }

    pub(crate) const fn complete(&self) -> bool {
        !self.incomplete
    }

    /// There were more than anybody can tell.
    pub(crate) fn lose(&mut self) {
        self.incomplete = true;
    }
}

/// Parties that the session's effects reached, as one value that policies read.
#[derive(Clone, Debug)]
pub(crate) struct Entities {
    /// A list of texts in order.
    list: Value,
    incomplete: bool,
}

impl Default for Entities {
    fn default() -> Self {
        Self { list: Value::Array(Vec::new()), incomplete: false }
    }
}

impl Entities {
    pub(crate) fn add(&mut self, party: &str, limit: usize) {
        let Value::Array(list) = &mut self.list else { return };
        let Err(place) = list.binary_search_by(|known| known.as_str().unwrap_or_default().cmp(party)) else {
            return;
        };
        if list.len() < limit {
            list.insert(place, party.into());
        } else {
            self.incomplete = true;
        }
    }

    /// What was reached can no longer be told.
    pub(crate) fn forgot(&mut self) {
        self.incomplete = true;
    }

    /// `None` where not all are kept.
    pub(crate) fn list(&self) -> Option<&Value> {
        (!self.incomplete).then_some(&self.list)
    }
}

/// The actions to let go so that at most `limit` remain: the oldest, by their numbers.
pub(crate) fn oldest_beyond<T>(mut numbered: Vec<(u64, T)>, limit: usize) -> impl Iterator<Item = T> {
    numbered.sort_by_key(|(number, _)| *number);
    let beyond = numbered.len().saturating_sub(limit);
    numbered.into_iter().take(beyond).map(|(_, item)| item)
}

//! Scope: whether a session goes on as it began, or reaches for ever more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compact::Tally;
use crate::action::{Action, Effect};

/// So many permitted actions after the user spoke belong to the opening phase: what they use is the scope.
pub const OPENING: u64 = 5;
/// What an upstream that the opening phase did not use adds, in basis points.
pub const NEW_UPSTREAM: u64 = 3_000;
/// What an effect other than reading that it did not have adds.
pub const NEW_EFFECT: u64 = 2_000;
/// What a tool that it did not use adds.
pub const NEW_TOOL: u64 = 1_000;

/// What the session's actions reached for after their opening phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    upstreams: BTreeSet<Arc<str>>,
    effects: BTreeSet<Effect>,
    /// Permitted actions since the user spoke.
    since: u64,
    /// What those beyond the opening phase added up to, in basis points.
    grown: u64,
}

impl Scope {
    /// The user spoke: what comes next opens anew, beside what is in scope already.
    pub(crate) fn turn(&mut self) {
        self.since = 0;
        self.grown = 0;
    }

    /// An action was permitted; `tools` are those before it.
    pub(crate) fn permitted(&mut self, action: &Action, tools: &Tally, limit: usize) {
        self.grown = self.with(action, tools);
        self.since += 1;
        self.effects.insert(action.contract.effect);
        // An upstream that is not kept is new each time.
        if self.upstreams.len() < limit && !self.upstreams.contains(action.tool.upstream()) {
            self.upstreams.insert(action.tool.upstream().into());
        }
    }

    /// The growth of scope with this action, at most 10,000 basis points.
    #[must_use]
    pub fn with(&self, action: &Action, tools: &Tally) -> u64 {
        if self.since < OPENING {
            return self.grown;
        }
        let effect = action.contract.effect;
        let mut grown = self.grown;
        if !self.upstreams.contains(action.tool.upstream()) {
            grown += NEW_UPSTREAM;
        }
        if effect != Effect::Read && !self.effects.contains(&effect) {
            grown += NEW_EFFECT;
        }
        if !tools.kept().contains_key(&action.tool) {
            grown += NEW_TOOL;
        }
        grown.min(10_000)
    }
}

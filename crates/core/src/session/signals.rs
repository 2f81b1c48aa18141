//! Risk signals: what a session's entries add up to, as whole numbers that rules read.
//!
//! Distances, scores and ratios are basis points (10,000 is one, or everything); the rest are counts. *This
//! action* is the one in question; the others are those the session permitted before it.
//!
//! | fact, under `context.` | formula | missing |
//! |---|---|---|
//! | `risk_signals.injection_score` | the weights of the injection cues that the session saw, each once, at most 10,000 | |
//! | `risk_signals.scope_expansion` | over permitted actions after the first 5 since the user spoke, and this one: 3,000 for each new upstream + 2,000 for each new effect but `read` + 1,000 for each new tool, at most 10,000 | |
//! | `risk_signals.classification_escalation` | levels (0 to 3) by which the highest seen rose since the session began; nothing seen counts as PUBLIC | |
//! | `risk_signals.classification_escalation_in_turn` | the same since the user last spoke | |
//! | `risk_signals.unusual_sequence` | the weight of the heaviest of the pairs in `sequence::PAIRS` that this action completes, else 0 | |
//! | `risk_signals.anomaly_score` | the highest of `unusual_sequence`, `scope_expansion` and (`burst` - 10,000) ÷ 10, at most 10,000 | |
//! | `risk_signals.velocity` | actions permitted in this second and the 60 before | |
//! | `risk_signals.burst` | 10,000 × velocity ÷ actions a minute until a minute ago (no less than 6), at most 1,000,000 | |
//! | `risk_signals.chain_length`, `.denials` | other names of `action_count` and `denied_count` | |
//! | `risk_signals.drift.lexical` | lexical distance from the original request to this action | without a request |
//! | `risk_signals.drift.max` | the highest of those of permitted effectful actions | without a request |
//! | `risk_signals.drift.cusum` | `S' = min(10000, max(0, S + d - 9000))` over permitted actions | without a request |
//! | `risk_signals.drift.embedded` | embedded distance from the original request to this action | where none is recorded |
//! | `risk_signals.drift.embedded_max` | the highest of those of permitted effectful actions | from the first without one on, or of another model |
//! | `compositional_risk` | see [`crate::facts::measures::COMPOSITION`] | |
//! | `turns` | times that the user spoke after the request | |
//! | `deferrals.pending`, `.resolved`, `.expired` | other actions that wait for context now; waits for context that ended before their time, or with it | |
//! | `actions_since_confirmation` | permitted actions since the last one that ran on a person's approval; since the beginning where none did | |
//! | `session_age_seconds` | whole seconds since the session began | |
//! | `last_action_age_seconds` | whole seconds since an action was permitted | where none was |
//!
//! Nothing here reads a clock: an entry brings its moment, a question brings its own. A clock that was put back
//! makes nothing long ago. What a text said that was erased since is not known: its distances are missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compact::{ContextLimits, Entities, Tally};
use super::entry::{Opened, Outcome, Status};
use super::linked::Signs;
use super::pacing::Pacing;
use super::principal::telling;
use super::scope::Scope;
use super::sequence::Past;
use crate::action::Action;
use crate::decision::Decision;
use crate::detect::{Cue, Level, injection_score};
use crate::drift::{Drift, Embedding, Profile, lexical_distance, rendered};
use crate::lifecycle::{State, Transition};
use crate::time::Time;

/// The fold from which signals are read.
#[derive(Clone, Debug)]
pub struct Signals {
    /// What the user asked first; `None` where nobody said so.
    request: Option<Profile>,
    /// `None` once an argument was erased whose distance was not known then.
    drift: Option<Drift>,
    /// The model that embedded distances are of; those of another are none here.
    model: Option<Arc<str>>,
    cues: BTreeSet<Cue>,
    level: Level,
    level_at_beginning: Level,
    level_at_turn: Level,
    scope: Scope,
    past: Past,
    pacing: Pacing,
    turns: u64,
    since_confirmation: u64,
    deferrals: Deferrals,
    entities: Entities,
}

/// Waits for context that are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deferrals {
    /// A ruling, a person or an operator ended them.
    pub resolved: u64,
    /// Their time ended them.
    pub expired: u64,
}

/// The level that a label names, in any case of letters; `None` of labels that stand beside the levels.
#[must_use]
pub fn level_of(label: &str) -> Option<Level> {
    let levels = [Level::Public, Level::Internal, Level::Confidential, Level::Restricted];
    levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(label))
}

/// How many levels lie between two.
fn steps(from: Level, to: Level) -> u64 {
    (to as u64).saturating_sub(from as u64)
}

/// What is folded in. Everything here follows from entries.
impl Signals {
    pub(crate) fn new(opened: &Opened, at: Time) -> Self {
        let mut signals = Self {
            request: opened.request.as_deref().map(Profile::of),
            drift: Some(Drift::new()),
            model: None,
            cues: BTreeSet::new(),
            level: Level::Public,
            level_at_beginning: Level::Public,
            level_at_turn: Level::Public,
            scope: Scope::default(),
            past: Past::default(),
            pacing: Pacing::new(at),
            turns: 0,
            since_confirmation: 0,
            deferrals: Deferrals::default(),
            entities: Entities::default(),
        };
        opened.labels.iter().for_each(|label| signals.saw_label(label));
        signals.level_at_beginning = signals.level;
        signals.level_at_turn = signals.level;
        signals
    }

    pub(crate) fn turn(&mut self) {
        self.turns += 1;
        self.level_at_turn = self.level;
        self.scope.turn();
    }

    pub(crate) fn saw_label(&mut self, label: &str) {
        self.past.saw_label(label);
        self.cues.extend(Cue::from_label(label));
        if let Some(level) = level_of(label) {
            self.level = self.level.max(level);
        }
    }

    pub(crate) fn saw_notice(&mut self, source: &str) {
        self.past.saw_notice(source);
    }

    pub(crate) fn saw_outcome(&mut self, action: &Action, outcome: &Outcome) {
        // Whether there was an output cannot be told once it is erased, so only what never ran had none.
        if outcome.status != Status::NothingSent {
            self.past.saw_output(action);
        }
    }

    /// An action was permitted; `tools` are those before it, `embedding` is what a model said of it.
    pub(crate) fn permitted(
        &mut self,
        action: &Action,
        embedding: Option<&Embedding>,
        tools: &Tally,
        at: Time,
        limits: &ContextLimits,
    ) {
        self.scope.permitted(action, tools, limits.tools);
        self.past.permitted(action);
        self.pacing.permitted(at);
        if let (Some(distance), Some(drift)) = (self.distance(action), &mut self.drift) {
            let embedded = embedding.and_then(|said| {
                let first = self.model.get_or_insert_with(|| Arc::clone(&said.model));
                said.distance.filter(|_| *first == said.model)
            });
            drift.push(!action.contract.effect.only_reads(), distance, embedded);
        }
    }

    /// A permitted action ran on a person's approval, or without one.
    pub(crate) fn confirmed(&mut self, approved: bool) {
        self.since_confirmation = if approved { 0 } else { self.since_confirmation.saturating_add(1) };
    }

    pub(crate) fn refused(&mut self, action: &Action) {
        self.past.refused(action);
    }

    pub(crate) fn reached(&mut self, party: &str, limits: &ContextLimits) {
        self.entities.add(party, limits.entities);
    }

    /// An action that waited for context went on, or its time was over.
    pub(crate) fn waited(&mut self, transition: &Transition) {
        match transition {
            Transition::TimedOut => self.deferrals.expired += 1,
            Transition::Resolved(_) | Transition::Escalated(_) => self.deferrals.resolved += 1,
            Transition::Ruled(_)
            | Transition::Answered(_)
            | Transition::Unclaimed
            | Transition::Outcome { .. } => {}
        }
    }

    /// The arguments of an action were erased: how far it went, and to whom, is not known.
    pub(crate) fn forgot_arguments(&mut self) {
        self.drift = None;
        self.entities.forgot();
    }
}

/// What rules read.
impl Signals {
    /// The lexical distance from the request to an action, in basis points; `None` without a request.
    #[must_use]
    pub fn distance(&self, action: &Action) -> Option<u32> {
        let request = self.request.as_ref()?;
        let said = rendered(&action.tool, action.arguments.value());
        Some(lexical_distance(request, &Profile::of(&said)))
    }

    /// The running figures of drift; `None` without a request, or when arguments were erased.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        self.request.as_ref().and(self.drift)
    }

    /// Whether a model was asked about any of the session's permitted actions.
    #[must_use]
    pub const fn was_embedded(&self) -> bool {
        self.model.is_some()
    }

    /// The score of the injection cues seen, here or in sessions linked by delegation, in basis points.
    #[must_use]
    pub fn injection_score(&self, linked: &Signs) -> u32 {
        injection_score(self.cues.union(linked.cues()).copied())
    }

    /// Levels by which the highest seen, here or in linked sessions, rose since the session began.
    #[must_use]
    pub fn escalation(&self, linked: &Signs) -> u64 {
        steps(self.level_at_beginning, self.level.max(linked.level()))
    }

    /// Levels by which the highest seen rose since the user last spoke; what linked sessions have seen counts as since.
    #[must_use]
    pub fn escalation_in_turn(&self, linked: &Signs) -> u64 {
        steps(self.level_at_turn, self.level.max(linked.level()))
    }

    /// The weight of the heaviest unusual sequence that an action completes, begun here or in linked sessions.
    #[must_use]
    pub fn unusual(&self, action: &Action, linked: &Signs) -> u64 {
        self.past.completed_by(action).max(linked.past().completed_by(action))
    }

    /// Labels that say which level and which cues were seen.
    pub(crate) fn telling(&self) -> impl Iterator<Item = std::sync::Arc<str>> {
        telling(self.level, &self.cues)
    }

    /// Whether the session stays in the scope of its opening phase.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What unusual sequences may begin with.
    #[must_use]
    pub const fn past(&self) -> &Past {
        &self.past
    }

    /// How fast the session acts.
    #[must_use]
    pub const fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// Times that the user spoke after the request.
    #[must_use]
    pub const fn turns(&self) -> u64 {
        self.turns
    }

    /// Permitted actions since the last one that ran on a person's approval, or since the session began.
    #[must_use]
    pub const fn since_confirmation(&self) -> u64 {
        self.since_confirmation
    }

    /// Waits for context that are over.
    #[must_use]
    pub const fn deferrals(&self) -> Deferrals {
        self.deferrals
    }

    /// Parties that the session's effects reached, a list of folded texts; `None` where not all are known.
    #[must_use]
    pub fn entities(&self) -> Option<&serde_json::Value> {
        self.entities.list()
    }
}

/// Whether an action in this state waits for context, or is about to.
pub(crate) fn waits_for_context(state: &State) -> bool {
    match state {
        State::Waiting { on_person, .. } => !on_person,
        State::Recording { to, .. } => waits_for_context(to),
        State::New | State::Authorised { .. } | State::Permitted { .. } | State::Ended(_) => false,
    }
}

/// Whether a ruling refuses.
pub(crate) fn refuses(transition: &Transition) -> bool {
    match transition {
        Transition::Ruled(ruling) | Transition::Resolved(ruling) => ruling.decision == Decision::Deny,
        Transition::Answered(answer) => !answer.approve,
        Transition::Escalated(_)
        | Transition::TimedOut
        | Transition::Unclaimed
        | Transition::Outcome { .. } => false,
    }
}

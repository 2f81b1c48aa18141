//! A session's context: the fold over its entries. What policy reads and what recovery restores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::compact::{ContextLimits, Labels, Tally, oldest_beyond};
use super::entry::{Entry, Intent, Opened, Status, What};
use super::given::{FactState, Given, GivenFact, Statements};
use super::history::{History, Kept};
use super::linked::{Foreign, Linked};
use super::principal::Change;
use super::sequence::Past;
use super::signals::{Signals, refuses, waits_for_context};
use super::step::Before;
use super::usage::{Usage, UsageLimits};
use crate::action::{Action, Effect};
use crate::decision::{Decision, Ruling};
use crate::drift::Embedding;
use crate::identity::Identity;
use crate::lifecycle::{End, Input, Lifecycle, Limits, Output, State, Transition};
use crate::names::{ActionId, ToolName};
use crate::origin::{Seen, assess};
use crate::time::Time;

/// What rules call the set of classifications of data the session has seen.
pub const DATA_CLASSIFICATION: &str = "data_classification";

/// The fold over one session's chain.
#[derive(Debug)]
pub struct Context {
    opened: Opened,
    labels: Labels,
    facts: Given,
    actions: Tally,
    /// Actions that are not over, and those whose outcome is unknown, which a late report may still settle.
    tracked: BTreeMap<ActionId, Tracked>,
    /// Actions with unknown outcomes that no report can settle any more.
    let_go: u64,
    submitted: u64,
    denied: u64,
    /// Where values come from.
    seen: Seen,
    /// What entries add up to.
    signals: Signals,
    /// What third parties' texts named.
    named: Foreign,
    /// What was permitted lately, one by one.
    history: History,
    /// How much was permitted.
    usage: Usage,
    /// What was measured of the action that comes next.
    measured: Option<(ActionId, Embedding)>,
    limits: Limits,
    bounds: ContextLimits,
    last: Time,
}

/// An action that the session still has to do with.
#[derive(Debug)]
pub struct Tracked {
    /// Its number among the actions of the session: order that no clock can turn round.
    pub number: u64,
    /// The action as submitted.
    pub action: Arc<Action>,
    /// Who acts.
    pub identity: Arc<Identity>,
    /// The latest ruling.
    pub ruling: Arc<Ruling>,
    /// What an embedding model said of it, as recorded before its first ruling.
    pub embedding: Option<Embedding>,
    /// Whether its arguments are known, not erased.
    pub readable: bool,
    /// Where it stands.
    pub life: Lifecycle,
}

/// An entry that does not follow from the entries before it: the ledger was not written by this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry does not follow from the entries before it: {0}")]
pub struct Inconsistent(pub String);

impl Context {
    /// A session that has just been opened.
    #[must_use]
    pub fn new(opened: Opened, at: Time, limits: Limits) -> Self {
        Self::bounded(opened, at, limits, ContextLimits::default())
    }

    /// The same, with bounds of its own.
    #[must_use]
    pub fn bounded(opened: Opened, at: Time, limits: Limits, bounds: ContextLimits) -> Self {
        let mut labels = Labels::default();
        opened.labels.iter().for_each(|label| labels.add(label, bounds.labels));
        let seen = Seen::new(&opened.human, opened.request.as_deref());
        let signals = Signals::new(&opened, at);
        Self {
            opened,
            labels,
            facts: Given::default(),
            actions: Tally::default(),
            tracked: BTreeMap::new(),
            let_go: 0,
            submitted: 0,
            denied: 0,
            seen,
            signals,
            named: Foreign::default(),
            history: History::default(),
            usage: Usage::default(),
            measured: None,
            limits,
            bounds,
            last: at,
        }
    }

    /// Takes one recorded entry in. Returns what it changes for the human and the agent.
    ///
    /// # Errors
    /// The entry does not fit.
    pub fn replay(&mut self, entry: &Entry) -> Result<Change, Inconsistent> {
        self.last = self.last.max(entry.at);
        if entry.erased {
            self.forgot();
        }
        match &entry.what {
            What::Submitted { action, .. } if self.tracked.contains_key(&action.id) => {
                Err(Inconsistent(format!("action {} was submitted twice", action.id)))
            }
            What::Submitted { action, identity, transition } => {
                if entry.erased {
                    self.signals.forgot_arguments();
                }
                let change = self.note(action, transition, Before::nothing(entry.erased));
                self.track(action, identity, transition, !entry.erased);
                self.replay_transition(&action.id, transition, entry.at)?;
                Ok(change)
            }
            What::Moved { action, transition: Transition::Outcome { outcome, late: true } }
                if self.let_go > 0 && !self.tracked.contains_key(action) =>
            {
                // It was settled just before it was let go: what it said is no longer known, only how it was labelled,
                // and whether anything was sent at all.
                self.forgot();
                self.history.settled(action, outcome, true);
                Ok(self.see(&outcome.labels))
            }
            What::Moved { action, transition } => {
                let tracked = self.tracked.get(action);
                let tracked = tracked.ok_or_else(|| Inconsistent(format!("action {action} is not known")))?;
                let (known, before) = (Arc::clone(&tracked.action), Before::of(tracked, entry.erased));
                let change = self.note(&known, transition, before);
                self.replay_transition(action, transition, entry.at)?;
                Ok(change)
            }
            other => self.apply(other, entry.at),
        }
    }

    /// A text of the session was erased: what is not found in the others may have stood in it.
    pub fn forgot(&mut self) {
        self.seen.forgot();
    }

    /// Takes an entry in that concerns no action's life.
    ///
    /// # Errors
    /// The entry does not fit.
    pub fn apply(&mut self, what: &What, at: Time) -> Result<Change, Inconsistent> {
        self.last = self.last.max(at);
        match what {
            What::Opened(_) => Err(Inconsistent("the session was opened twice".into())),
            What::Turn { text, .. } => {
                if let Some(text) = text {
                    self.seen.turn(text);
                }
                self.signals.turn();
                Ok(Change::default())
            }
            What::Facts { facts, erased, giver, source, valid_until } => {
                let values = facts.iter().map(|(name, value)| (name, Some(value.clone())));
                for (name, value) in values.chain(erased.iter().map(|name| (name, None))) {
                    let (giver, source) = (Arc::clone(giver), source.clone());
                    let fact = GivenFact { value, giver, source, at, valid_until: Some(*valid_until) };
                    self.facts.insert(name, fact, self.bounds.facts);
                }
                Ok(Change::default())
            }
            What::Observed { labels, text, source } => {
                if let Some(text) = text {
                    self.seen.notice(text);
                }
                let past = self.signals.past().clone();
                self.signals.saw_notice(source);
                let change = Change { foreign: self.seen.newly_named(), ..self.see(labels) };
                Ok(self.shared(&past, change))
            }
            What::Measured { action, embedding } => {
                self.measured = embedding.clone().map(|embedding| (action.clone(), embedding));
                Ok(Change::default())
            }
            What::Submitted { .. } | What::Moved { .. } => {
                Err(Inconsistent("an action's step was applied as something else".into()))
            }
        }
    }

    /// Takes an input for an action's life in. A transition that is to be recorded counts at once, so that
    /// whatever is decided next sees it; if its record fails, the whole context is rebuilt from the ledger.
    pub fn handle(&mut self, id: &ActionId, input: Input, now: Time) -> (Output, Change) {
        let Some(tracked) = self.tracked.get_mut(id) else { return (Output::Misplaced, Change::default()) };
        let before = Before::of(tracked, false);
        let life = std::mem::replace(&mut tracked.life, Lifecycle::new(self.limits));
        let (life, output) = life.handle(&tracked.action, input, now);
        tracked.life = life;
        let change = if let Output::Record(transition) = &output {
            let action = Arc::clone(&tracked.action);
            self.last = self.last.max(now);
            self.remember_ruling(id, transition);
            self.note(&action, transition, before)
        } else {
            self.forget_if_over(id);
            Change::default()
        };
        (output, change)
    }

    /// Takes a new action in, with its first ruling; `Misplaced` when the session has to do with it already.
    pub fn submit(
        &mut self,
        action: &Arc<Action>,
        identity: &Arc<Identity>,
        ruling: Arc<Ruling>,
        now: Time,
    ) -> (Output, Change) {
        if self.tracked.contains_key(&action.id) {
            return (Output::Misplaced, Change::default());
        }
        self.track(action, identity, &Transition::Ruled(Arc::clone(&ruling)), true);
        self.handle(&action.id, Input::Ruled(ruling), now)
    }

    fn track(
        &mut self,
        action: &Arc<Action>,
        identity: &Arc<Identity>,
        transition: &Transition,
        readable: bool,
    ) {
        let Transition::Ruled(ruling) = transition else { return };
        let embedding =
            self.measured.take().filter(|(measured, _)| *measured == action.id).map(|(_, said)| said);
        let tracked = Tracked {
            embedding,
            number: self.submitted,
            action: Arc::clone(action),
            identity: Arc::clone(identity),
            ruling: Arc::clone(ruling),
            readable,
            life: Lifecycle::new(self.limits),
        };
        self.submitted += 1;
        self.tracked.insert(action.id.clone(), tracked);
    }

    fn replay_transition(
        &mut self,
        id: &ActionId,
        transition: &Transition,
        at: Time,
    ) -> Result<(), Inconsistent> {
        let unfit = || Inconsistent(format!("a step of action {id} does not follow from the one before"));
        let tracked = self.tracked.get_mut(id).ok_or_else(unfit)?;
        let life = std::mem::replace(&mut tracked.life, Lifecycle::new(self.limits));
        tracked.life = life.replay(&tracked.action, transition, at).ok_or_else(unfit)?;
        self.remember_ruling(id, transition);
        self.forget_if_over(id);
        Ok(())
    }

    fn remember_ruling(&mut self, id: &ActionId, transition: &Transition) {
        if let (Some(tracked), Transition::Ruled(ruling) | Transition::Resolved(ruling)) =
            (self.tracked.get_mut(id), transition)
        {
            tracked.ruling = Arc::clone(ruling);
        }
    }

    fn forget_if_over(&mut self, id: &ActionId) {
        match self.tracked.get(id).map(|tracked| tracked.life.state()) {
            Some(State::Ended(End::Refused | End::Expired | End::Settled)) => {
                self.tracked.remove(id);
            }
            Some(State::Ended(End::Unknown)) => self.let_oldest_go(),
            _ => {}
        }
    }

    /// A session that never ends does not wait for ever more late reports.
    fn let_oldest_go(&mut self) {
        let unknown = self.tracked.values().filter(|t| *t.life.state() == State::Ended(End::Unknown));
        let numbered: Vec<_> = unknown.map(|t| (t.number, t.action.id.clone())).collect();
        for id in oldest_beyond(numbered, self.bounds.unknown) {
            self.tracked.remove(&id);
            self.history.let_go(&id);
            self.let_go += 1;
        }
    }

    /// What a transition changes in what rules read.
    fn note(&mut self, action: &Action, transition: &Transition, before: Before) -> Change {
        let past = self.signals.past().clone();
        let change = self.noted(action, transition, before);
        self.shared(&past, change)
    }

    /// The change, with what linked sessions are to know of it.
    fn shared(&mut self, past: &Past, change: Change) -> Change {
        self.named.add(&change.foreign);
        Change { linked: self.signals.past().since(past), ..change }
    }

    fn noted(&mut self, action: &Action, transition: &Transition, before: Before) -> Change {
        if before.waited {
            self.signals.waited(transition);
        }
        if refuses(transition) {
            self.signals.refused(action);
        }
        match transition {
            Transition::Ruled(ruling) if ruling.decision == Decision::Allow => {
                self.signals.confirmed(before.approved);
                self.permitted(action, ruling, before.readable && !before.erased)
            }
            Transition::Ruled(ruling) | Transition::Resolved(ruling) if ruling.decision == Decision::Deny => {
                self.denied += 1;
                Change::default()
            }
            Transition::Outcome { outcome, .. } => {
                if outcome.status == Status::NothingSent {
                    self.seen.given_back(action);
                } else {
                    for text in [&outcome.output, &outcome.error].into_iter().flatten() {
                        self.seen.output(action, text);
                    }
                }
                self.signals.saw_outcome(action, outcome);
                let corrected = self.history.settled(&action.id, outcome, before.erased);
                let limits = self.usage_limits();
                corrected.iter().for_each(|correction| self.usage.corrected(correction, limits));
                let foreign = self.seen.newly_named();
                Change { foreign, corrected, ..self.see(&outcome.labels) }
            }
            _ => Change::default(),
        }
    }

    const fn usage_limits(&self) -> UsageLimits {
        UsageLimits { tools: self.bounds.tools, counters: self.bounds.counters }
    }

    fn permitted(&mut self, action: &Action, ruling: &Ruling, readable: bool) -> Change {
        let embedding = self.embedding(&action.id).cloned();
        self.signals.permitted(action, embedding.as_ref(), &self.actions, self.last, &self.bounds);
        self.actions.count(&action.tool, self.bounds.tools);
        let at = self.last;
        // The name that is kept anyway is kept once.
        let tool = self.actions.kept().get_key_value(&action.tool).map_or(&action.tool, |(kept, _)| kept);
        self.history.permitted(action, ruling, Kept { tool, readable, at }, self.bounds.history);
        let limits = self.usage_limits();
        self.usage.permitted(tool, &ruling.counted, Some(at), limits);
        if action.contract.effect != Effect::Read {
            // What a ruling takes is taken when it is appended.
            let origins = assess(action, &self.seen);
            self.seen.permitted(&origins);
            origins.parties.iter().for_each(|party| self.signals.reached(party, &self.bounds));
        }
        let mut change = self.set(&ruling.sets);
        change.permitted = Some(action.tool.clone());
        change.at = Some(at);
        change.counted = ruling.counted.clone();
        change
    }

    fn see(&mut self, labels: &BTreeSet<Arc<str>>) -> Change {
        for label in labels {
            self.labels.add(label, self.bounds.labels);
            self.signals.saw_label(label);
        }
        Change { labels: labels.clone(), ..Change::default() }
    }

    /// What a rule's `effect.set_context` writes. Classifications only ever add up.
    fn set(&mut self, sets: &BTreeMap<Arc<str>, Value>) -> Change {
        let mut change = Change::default();
        for (name, value) in sets {
            if &**name == DATA_CLASSIFICATION {
                let labels: BTreeSet<Arc<str>> = words(value).map(Arc::from).collect();
                change.labels.extend(self.see(&labels).labels);
            } else {
                let fact = GivenFact {
                    value: Some(value.clone()),
                    giver: "policy".into(),
                    source: None,
                    at: self.last,
                    valid_until: None,
                };
                self.facts.insert(name, fact, self.bounds.facts);
            }
        }
        change
    }
}

/// What policy, the engine and people read.
impl Context {
    /// How the session began.
    #[must_use]
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// What the request covers and leaves out, where a host said so.
    #[must_use]
    pub const fn intent(&self) -> Option<&Intent> {
        self.opened.intent.as_ref()
    }

    /// Labels of the data this session has seen, as far as they are kept.
    #[must_use]
    pub const fn labels(&self) -> &BTreeSet<Arc<str>> {
        self.labels.set()
    }

    /// Whether every label that was seen is kept.
    #[must_use]
    pub const fn labels_complete(&self) -> bool {
        self.labels.complete()
    }

    /// What the session's entries add up to.
    #[must_use]
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The latest permitted actions, one by one.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// How much was permitted: rates and sums.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What the session hands on when it delegates, of its own: everything that restricts.
    #[must_use]
    pub fn handed_on(&self) -> Change {
        let linked = Linked {
            uses: self.actions.kept().iter().map(|(tool, times)| (tool.clone(), *times)).collect(),
            other: self.actions.other(),
            dotted: self.actions.dotted(),
            more_labels: !self.labels.complete(),
            more_foreign: self.named.full(),
            ..self.signals.past().since(&Past::default())
        };
        let labels = self.labels.set().iter().cloned().chain(self.signals.telling());
        Change { labels: labels.collect(), foreign: self.named.all().clone(), linked, ..Change::default() }
    }

    /// Where values come from, as far as the session has seen.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// How the given fact of this name stands.
    #[must_use]
    pub fn fact(&self, name: &str, now: Time) -> FactState<'_> {
        self.facts.state(name, now)
    }

    /// Whether sources of a fact that disagreed at the earlier moment do not any more.
    #[must_use]
    pub fn facts_settled(&self, earlier: Time, now: Time) -> bool {
        self.facts.settled(earlier, now)
    }

    /// Whether a fact of this name may have been given and not kept.
    #[must_use]
    pub fn may_have_dropped(&self, name: &str) -> bool {
        self.facts.may_have_dropped(name)
    }

    /// What is said about given facts, as far as it is kept.
    #[must_use]
    pub const fn facts(&self) -> &BTreeMap<Arc<str>, Statements> {
        self.facts.all()
    }

    /// Permitted actions by tool, those in flight included, of the tools that are told apart.
    #[must_use]
    pub const fn actions(&self) -> &BTreeMap<ToolName, u64> {
        self.actions.kept()
    }

    /// Permitted actions by tool, with what is not told apart any more.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.actions
    }

    /// Actions with unknown outcomes that were let go: a report about them comes too late.
    #[must_use]
    pub const fn let_go(&self) -> u64 {
        self.let_go
    }

    /// What an embedding model said of an action that is not over, or comes next; `None` where none was asked.
    #[must_use]
    pub fn embedding(&self, id: &ActionId) -> Option<&Embedding> {
        let next = self.measured.as_ref().filter(|(measured, _)| measured == id).map(|(_, said)| said);
        next.or_else(|| self.find(id)?.embedding.as_ref())
    }

    /// Actions other than this one that wait for context.
    #[must_use]
    pub fn waiting_for_context(&self, but: &ActionId) -> u64 {
        let waiting = |t: &&Tracked| waits_for_context(t.life.state()) && t.action.id != *but;
        self.tracked.values().filter(waiting).count() as u64
    }

    /// Actions submitted so far, whatever became of them.
    #[must_use]
    pub const fn submitted(&self) -> u64 {
        self.submitted
    }

    /// Actions refused so far.
    #[must_use]
    pub const fn denied(&self) -> u64 {
        self.denied
    }

    /// The moment of the latest entry.
    #[must_use]
    pub const fn last(&self) -> Time {
        self.last
    }

    /// Actions that are not over.
    pub fn tracked(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.values()
    }

    /// One action that is not over.
    #[must_use]
    pub fn find(&self, id: &ActionId) -> Option<&Tracked> {
        self.tracked.get(id)
    }

    /// Deferred actions that are not over, oldest first: what later ones may depend on.
    pub fn deferred(&self) -> impl Iterator<Item = &Tracked> {
        let mut deferred: Vec<&Tracked> = self.tracked.values().filter(|t| t.is_deferred()).collect();
        deferred.sort_by_key(|tracked| tracked.number);
        deferred.into_iter()
    }
}

impl Tracked {
    /// An end that is being recorded counts already, as everything does that is on its way to the ledger: what the
    /// chain says up to an entry is what was known when it was decided.
    fn is_deferred(&self) -> bool {
        self.life.was_deferred() && !is_over(self.life.state())
    }
}

fn is_over(state: &State) -> bool {
    match state {
        State::Recording { to, .. } => is_over(to),
        State::Ended(_) => true,
        State::New | State::Waiting { .. } | State::Authorised { .. } | State::Permitted { .. } => false,
    }
}

fn words(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().map(Vec::as_slice).unwrap_or_default();
    value.as_str().into_iter().chain(many.iter().filter_map(Value::as_str))
}

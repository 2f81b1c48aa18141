//! An action's life as a state machine without I/O.
//!
//! ```text
//!            Ruled                       Recorded
//!   New ───────────► Recording(ruling) ───────────► Permitted ──Settled/Due──► Recording(outcome) ──► Ended
//!                                      ├──────────► Ended (refused)
//!                                      └──────────► Waiting ──Answered/Ruled──► Recording ──► Authorised
//!                                                      └─Due─► Recording(expiry) ──► Ended      │
//!                      Permitted ◄── Recording(ruling) ◄────────────── Claimed (a live request) ┘
//! ```
//!
//! The caller hands in an [`Input`] and the moment; [`Lifecycle::handle`] answers with one [`Output`].
//! `Output::Record` asks for a durable record; only [`Input::Recorded`] moves on from there, and only that
//! step can give a [`Permit`]. Waiting authorises and never executes: from `Authorised` an action runs
//! only when a live request is ruled on again. Recovery replays recorded transitions through [`Lifecycle::replay`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::decision::{Approvers, Because, Decision, Gap, Missing, OnTimeout, Ruling, Step};
use crate::names::ActionId;
use crate::session::{Outcome, Status};
use crate::time::{Span, Time};

/// One action's state, and how long it may stay in one. Not `Clone`: two of one could give two permits.
#[derive(Debug)]
pub struct Lifecycle {
    state: State,
    limits: Limits,
    deferred: bool,
}

/// How long things last where no rule says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A wait for a person or for context.
    pub wait: Span,
    /// From authorisation until nobody may claim it any more.
    pub claim: Span,
    /// From permit to outcome, where the upstream's limit is not known.
    pub permit: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wait: Span::seconds(900), claim: Span::seconds(600), permit: Span::seconds(90) }
    }
}

/// From the end of an upstream's limit to the end of the permit.
const GRACE: Span = Span::seconds(30);

/// Where an action stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is known of it yet.
    New,
    /// A transition waits for its record; `from` stands if the record fails.
    Recording {
        /// Where it stood.
        from: Box<State>,
        /// What is being recorded.
        transition: Transition,
        /// Where it will stand.
        to: Box<State>,
    },
    /// It waits for a person or for context.
    Waiting {
        /// The ruling that made it wait.
        ruling: Arc<Ruling>,
        /// The wait ends here, as a refusal.
        deadline: Time,
        /// Whether a person is to answer.
        on_person: bool,
        /// Since when somebody or something in particular is waited for.
        since: Time,
    },
    /// It may run once a live request claims it.
    Authorised {
        /// What was authorised.
        ruling: Arc<Ruling>,
        /// Unclaimed by then, it expires.
        until: Time,
        /// Whether a person said yes.
        approved: bool,
    },
    /// A permit is out.
    Permitted {
        /// Not settled by then, its outcome is unknown.
        until: Time,
    },
    /// Over.
    Ended(End),
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Refused; it never ran.
    Refused,
    /// Nobody answered or claimed it in time; it never ran.
    Expired,
    /// It ran, and this is known.
    Settled,
    /// It may have run.
    Unknown,
}

/// What can come in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A ruling: the first one, or one after the context changed. It authorises what waits, and no more.
    Ruled(Arc<Ruling>),
    /// A ruling for a live request that claims what was authorised.
    Claimed(Arc<Ruling>),
    /// The rules disagree and somebody may settle it: ask at once.
    Escalated,
    /// A person answered.
    Answered(Answer),
    /// What became of it.
    Settled(Outcome),
    /// Time has passed.
    Due,
    /// Everything like it is stopped; the ruling says why.
    Halted(Arc<Ruling>),
    /// The record asked for is durable.
    Recorded,
    /// The record asked for could not be made.
    NotRecorded,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub by: Arc<str>,
    /// Yes or no.
    pub approve: bool,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
}

/// A step of a life, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The first ruling, or the one a live request got when it claimed.
    Ruled(Arc<Ruling>),
    /// A wait for context became a question to a person.
    Escalated(Approvers),
    /// A person answered.
    Answered(Answer),
    /// A wait for context ended with this ruling.
    Resolved(Arc<Ruling>),
    /// A wait ended because its time was over.
    TimedOut,
    /// An authorisation was not used in time.
    Unclaimed,
    /// What became of it; `late` when it had already been recorded as unknown.
    Outcome {
        /// The outcome.
        outcome: Outcome,
        /// Whether it links to an earlier outcome `unknown`.
        late: bool,
    },
}

/// What goes out: exactly one per input.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Make this durable, then say `Recorded` or `NotRecorded`.
    Record(Transition),
    /// Run it.
    Release(Permit),
    /// It will not run.
    Refuse(Arc<Ruling>),
    /// It waits for a person.
    Ask(Approvers),
    /// It waits for context.
    Await(Missing),
    /// The rules disagree and somebody can settle it: hand in `Escalated`.
    Escalate,
    /// A live request may claim it by being ruled on again.
    Claimable,
    /// It is over, and nobody waits for an answer.
    Over(End),
    /// Nothing changes.
    Unchanged,
    /// The record failed; nothing happened.
    Unrecorded,
    /// This input does not fit where the action stands.
    Misplaced,
}

/// The right to run one action once. Made only here, only after its record is durable; spent by move.
///
/// It is neither `Clone` nor `Copy`, and has no public constructor:
/// ```compile_fail,E0451
/// use countersign_core::{lifecycle::Permit, time::Time};
/// let permit = Permit { action: "act_1".into(), until: Time(0) };
/// ```
#[derive(Debug)]
#[must_use = "a permit that is not spent becomes an unknown outcome"]
pub struct Permit {
    action: ActionId,
    until: Time,
}

impl Permit {
    /// Which action it is for.
    #[must_use]
    pub const fn action(&self) -> &ActionId {
        &self.action
    }

    /// Until when it may be spent.
    #[must_use]
    pub const fn until(&self) -> Time {
        self.until
    }

    /// Spends it. `stopped` says whether a halt or revocation came in between.
    ///
    /// # Errors
    /// A lapsed permit runs nothing.
    pub fn spend(self, now: Time, stopped: bool) -> Result<Spent, Lapsed> {
        if stopped {
            return Err(Lapsed::Stopped);
        }
        if now >= self.until {
            return Err(Lapsed::TooLate);
        }
        Ok(Spent { action: self.action })
    }
}

/// Proof that a permit was spent on this action: what an executor asks for before it sends anything.
#[derive(Debug)]
#[must_use = "what was run has to be settled"]
pub struct Spent {
    action: ActionId,
}

impl Spent {
    /// Which action it is for.
    #[must_use]
    pub const fn action(&self) -> &ActionId {
        &self.action
    }
}

/// Why a permit no longer runs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lapsed {
    /// A halt, a revocation or another policy came in between.
    #[error("the rules in force changed between the permit and its use")]
    Stopped,
    /// Its time was over.
    #[error("the permit was not used in time")]
    TooLate,
}

impl Lifecycle {
    /// A life that has not begun.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { state: State::New, limits, deferred: false }
    }

    /// Where the action stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether it was ever deferred: then what depends on it waits until it is over.
    #[must_use]
    pub const fn was_deferred(&self) -> bool {
        self.deferred
    }

    /// When the next thing is due without anybody's doing.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        match &self.state {
            State::Waiting { deadline, .. } => Some(*deadline),
            State::Authorised { until, .. } | State::Permitted { until } => Some(*until),
            State::New | State::Recording { .. } | State::Ended(_) => None,
        }
    }

    /// Takes one input in.
    pub fn handle(self, action: &Action, input: Input, now: Time) -> (Self, Output) {
        match (self.state.clone(), input) {
            (State::Recording { to, .. }, Input::Recorded) => self.arrive(action, *to),
            (State::Recording { from, .. }, Input::NotRecorded) => {
                let deferred = self.deferred && *from != State::New;
                (Self { state: *from, deferred, ..self }, Output::Unrecorded)
            }
            (State::New, Input::Ruled(ruling)) => self.submitted(action, ruling, now),
            // What comes after the deadline comes too late, even before anybody noticed that it is over.
            (State::Waiting { deadline, .. }, Input::Ruled(_) | Input::Escalated | Input::Answered(_))
                if now >= deadline =>
            {
                (self, Output::Misplaced)
            }
            (State::Waiting { on_person: false, deadline, .. }, Input::Ruled(ruling)) => {
                self.ruled_again(ruling, deadline, now)
            }
            (State::Waiting { .. }, Input::Ruled(_)) => (self, Output::Unchanged),
            (State::Waiting { ruling, on_person: false, deadline, .. }, Input::Escalated) => {
                self.escalated(ruling, deadline, now)
            }
            (State::Waiting { ruling, on_person: true, .. }, Input::Answered(answer)) => {
                self.answered(ruling, answer, now)
            }
            (State::Waiting { ruling, on_person: false, deadline, .. }, Input::Due)
                if now >= deadline && ruling.ending.on_timeout == OnTimeout::StepUp =>
            {
                self.asked_at_the_end(ruling, now)
            }
            (State::Waiting { deadline, .. }, Input::Due) if now >= deadline => {
                self.record(Transition::TimedOut, State::Ended(End::Expired))
            }
            (State::Authorised { until, .. }, Input::Due) if now >= until => {
                self.record(Transition::Unclaimed, State::Ended(End::Expired))
            }
            (State::Authorised { until, .. }, Input::Claimed(_)) if now >= until => (self, Output::Misplaced),
            (State::Authorised { ruling, approved, .. }, Input::Claimed(again)) => {
                self.claimed(action, (&ruling, approved), again, now)
            }
            (State::Waiting { .. } | State::Authorised { .. }, Input::Halted(ruling)) => {
                self.record(Transition::Resolved(ruling), State::Ended(End::Refused))
            }
            (State::Permitted { .. }, Input::Settled(outcome)) => {
                let end = if outcome.status == Status::Unknown { End::Unknown } else { End::Settled };
                self.record(Transition::Outcome { outcome, late: false }, State::Ended(end))
            }
            (State::Permitted { until }, Input::Due) if now >= until => self.lost(),
            (State::Ended(End::Unknown), Input::Settled(outcome)) if outcome.status != Status::Unknown => {
                self.record(Transition::Outcome { outcome, late: true }, State::Ended(End::Settled))
            }
            (State::Waiting { .. } | State::Authorised { .. } | State::Permitted { .. }, Input::Due) => {
                (self, Output::Unchanged)
            }
            _ => (self, Output::Misplaced),
        }
    }

    /// Takes a recorded transition in, at the moment it was recorded: what recovery does instead of `handle`.
    /// `None` when the transition does not fit, which means the ledger was not written by this machine.
    #[must_use]
    pub fn replay(self, action: &Action, transition: &Transition, at: Time) -> Option<Self> {
        let input = match transition {
            Transition::Ruled(ruling) | Transition::Resolved(ruling)
                if ruling.because.step == Step::Halted =>
            {
                match self.state {
                    State::New => Input::Ruled(Arc::clone(ruling)),
                    _ => Input::Halted(Arc::clone(ruling)),
                }
            }
            Transition::Ruled(ruling) if matches!(self.state, State::Authorised { .. }) => {
                Input::Claimed(Arc::clone(ruling))
            }
            Transition::Ruled(ruling) | Transition::Resolved(ruling) => Input::Ruled(Arc::clone(ruling)),
            // What was escalated because its time was over is so again.
            Transition::Escalated(_) if self.due().is_some_and(|due| at >= due) => Input::Due,
            Transition::Escalated(_) => Input::Escalated,
            Transition::Answered(answer) => Input::Answered(answer.clone()),
            Transition::TimedOut | Transition::Unclaimed => Input::Due,
            Transition::Outcome { outcome, .. } => Input::Settled(outcome.clone()),
        };
        let (recording, Output::Record(_)) = self.handle(action, input, at) else { return None };
        let (settled, _) = recording.handle(action, Input::Recorded, at);
        Some(settled)
    }

    /// What would be recorded if this came in, and where the action would then stand; `None` where nothing would be.
    /// Nothing moves, so no permit can come of it: what asking again instead of `handle` is for.
    #[must_use]
    pub fn foresee(&self, action: &Action, input: Input, now: Time) -> Option<(Transition, State)> {
        let same = Self { state: self.state.clone(), limits: self.limits, deferred: self.deferred };
        match same.handle(action, input, now) {
            (Self { state: State::Recording { to, .. }, .. }, Output::Record(transition)) => {
                Some((transition, *to))
            }
            _ => None,
        }
    }

    /// A permit outlives its upstream's limit by so much that the outcome can be recorded.
    fn permit_span(&self, action: &Action) -> Span {
        action.contract.time_limit.map_or(self.limits.permit, |limit| limit + GRACE)
    }

    fn record(self, transition: Transition, to: State) -> (Self, Output) {
        let state =
            State::Recording { from: Box::new(self.state), transition: transition.clone(), to: Box::new(to) };
        (Self { state, ..self }, Output::Record(transition))
    }

    fn submitted(self, action: &Action, ruling: Arc<Ruling>, now: Time) -> (Self, Output) {
        let to = match &ruling.decision {
            Decision::Allow => State::Permitted { until: now + self.permit_span(action) },
            Decision::Deny => State::Ended(End::Refused),
            Decision::StepUp(_) | Decision::Defer(_) => State::Waiting {
                ruling: Arc::clone(&ruling),
                deadline: now + ruling.wait.unwrap_or(self.limits.wait),
                on_person: matches!(ruling.decision, Decision::StepUp(_)),
                since: now,
            },
        };
        let deferred = matches!(ruling.decision, Decision::Defer(_));
        Self { deferred, ..self }.record(Transition::Ruled(ruling), to)
    }

    /// A wait for context is ruled on again. Its deadline never stretches.
    fn ruled_again(self, ruling: Arc<Ruling>, deadline: Time, now: Time) -> (Self, Output) {
        let to = match &ruling.decision {
            Decision::Defer(_) if ruling.escalate.is_none() => return (self, Output::Unchanged),
            Decision::Allow => State::Authorised {
                ruling: Arc::clone(&ruling),
                until: now + self.limits.claim,
                approved: false,
            },
            Decision::Deny => State::Ended(End::Refused),
            // A person is asked; rules that turn out to disagree escalate at once.
            Decision::StepUp(_) | Decision::Defer(_) => State::Waiting {
                ruling: Arc::clone(&ruling),
                deadline: deadline.min(now + ruling.wait.unwrap_or(self.limits.wait)),
                on_person: true,
                since: now,
            },
        };
        self.record(Transition::Resolved(ruling), to)
    }

    fn escalated(self, ruling: Arc<Ruling>, deadline: Time, now: Time) -> (Self, Output) {
        match ruling.escalate.clone() {
            Some(approvers) => self.record(
                Transition::Escalated(approvers),
                State::Waiting { ruling, deadline, on_person: true, since: now },
            ),
            None => (self, Output::Misplaced),
        }
    }

    /// What nothing resolved in time becomes a question (`R4.defer.escalate`), with the time that questions have.
    fn asked_at_the_end(self, ruling: Arc<Ruling>, now: Time) -> (Self, Output) {
        let approvers = ruling.ending.then.clone();
        let deadline = now + self.limits.wait;
        let asked = Arc::new(Ruling { escalate: Some(approvers.clone()), ..(*ruling).clone() });
        let to = State::Waiting { ruling: asked, deadline, on_person: true, since: now };
        self.record(Transition::Escalated(approvers), to)
    }

    fn answered(self, ruling: Arc<Ruling>, answer: Answer, now: Time) -> (Self, Output) {
        let to = if answer.approve {
            State::Authorised { ruling, until: now + self.limits.claim, approved: true }
        } else {
            State::Ended(End::Refused)
        };
        self.record(Transition::Answered(answer), to)
    }

    /// A live request claims what was authorised: it runs if the rules now say ALLOW or demand no more.
    fn claimed(
        self,
        action: &Action,
        (ruling, approved): (&Ruling, bool),
        again: Arc<Ruling>,
        now: Time,
    ) -> (Self, Output) {
        if covers(ruling, approved, &again) {
            let permitted = State::Permitted { until: now + self.permit_span(action) };
            let released = Arc::new(Ruling { decision: Decision::Allow, ..(*again).clone() });
            return self.record(Transition::Ruled(released), permitted);
        }
        self.record(Transition::Ruled(superseded(&again)), State::Ended(End::Refused))
    }

    fn lost(self) -> (Self, Output) {
        let error = Some("no outcome was reported within the permit's lifetime".into());
        let outcome = Outcome { status: Status::Unknown, labels: [].into(), output: None, error };
        self.record(Transition::Outcome { outcome, late: false }, State::Ended(End::Unknown))
    }

    /// The record is durable: the action is now where it was going.
    fn arrive(self, action: &Action, to: State) -> (Self, Output) {
        let State::Recording { transition, .. } = &self.state else { return (self, Output::Misplaced) };
        let output = match (&to, transition) {
            (State::Permitted { until }, _) => {
                Output::Release(Permit { action: action.id.clone(), until: *until })
            }
            (State::Authorised { .. }, _) => Output::Claimable,
            (State::Waiting { ruling, on_person, .. }, _) => waiting_output(ruling, *on_person),
            (State::Ended(End::Refused), Transition::Ruled(r) | Transition::Resolved(r)) => {
                Output::Refuse(Arc::clone(r))
            }
            (State::Ended(end), _) => Output::Over(*end),
            (State::New | State::Recording { .. }, _) => Output::Misplaced,
        };
        (Self { state: to, ..self }, output)
    }
}

fn waiting_output(ruling: &Ruling, on_person: bool) -> Output {
    match &ruling.decision {
        Decision::StepUp(approvers) => Output::Ask(approvers.clone()),
        Decision::Defer(_) if on_person => Output::Ask(ruling.escalate.clone().unwrap_or_default()),
        Decision::Defer(missing) if ruling.escalate.is_none() => Output::Await(missing.clone()),
        Decision::Defer(_) => Output::Escalate,
        Decision::Allow | Decision::Deny => Output::Misplaced,
    }
}

/// Whether what was authorised still answers what the rules ask now.
fn covers(given: &Ruling, approved: bool, again: &Ruling) -> bool {
    if again.edits != given.edits {
        return false;
    }
    match (&again.decision, demand(given)) {
        (Decision::Allow, _) => true,
        (Decision::Deny, _) | (_, None) => false,
        (Decision::StepUp(_) | Decision::Defer(_), Some(answered)) => {
            approved
                && again.because.rules == given.because.rules
                && demand(again).is_some_and(|asked| answered.covers(&asked))
        }
    }
}

/// Whose yes a ruling asks for, if anybody's.
fn demand(ruling: &Ruling) -> Option<Approvers> {
    match &ruling.decision {
        Decision::StepUp(approvers) => Some(approvers.clone()),
        Decision::Defer(missing) if missing.gaps().all(|gap| matches!(gap, Gap::Agreement(_))) => {
            ruling.escalate.clone()
        }
        Decision::Allow | Decision::Deny | Decision::Defer(_) => None,
    }
}

fn superseded(again: &Arc<Ruling>) -> Arc<Ruling> {
    if again.decision == Decision::Deny {
        return Arc::clone(again);
    }
    let reason = format!("what was authorised is no longer what the rules ask for: {}", again.because.reason);
    let because =
        Because { step: Step::Superseded, rules: again.because.rules.clone(), reason: reason.into() };
    Arc::new(Ruling { decision: Decision::Deny, because, escalate: None, ..(**again).clone() })
}

//! Starting on a ledger, and what falls due afterwards. Both go through the same lifecycle as everything else.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use countersign_core::decide::{Environment, Halt};
use countersign_core::decision::OnTimeout;
use countersign_core::lifecycle::{Input, State};
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::session::{Outcome, Status};
use countersign_core::time::Time;

use crate::commit::{Failure, look};
use crate::definitions;
use crate::engine::{Engine, Governing, Parts};
use crate::halts;
use crate::kept::{self, Terms};
use crate::policies;
use crate::state::SessionCell;

/// How often what is due is looked for.
const TICK: Duration = Duration::from_millis(250);

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Actions whose permit was out: their outcome is now recorded as unknown.
    pub unknown: usize,
    /// Actions that go on waiting.
    pub waiting: usize,
}

impl Engine {
    /// Starts on a ledger: replays what is open, records lost outcomes, puts the policy in force.
    ///
    /// # Errors
    /// The ledger cannot be read, was not written by this program, or takes nothing.
    pub async fn start(parts: Parts) -> Result<(Self, Recovered), Failure> {
        let system = parts.ledger.read(&Chain::System, 0).await.map_err(Failure::Read)?;
        let environment = Environment { halts: halts::replay(&system), ..parts.settings.environment.clone() };
        let terms = Terms::of(&parts.settings);
        let in_force = kept::in_force(&*parts.ledger, &system, &parts.policy, &terms).await;
        let mut epochs = parts.ledger.epochs().await.map_err(Failure::Read)?;
        if !in_force.map_err(Failure::Read)? {
            let (ledger, signer) = (&*parts.ledger, &*parts.signer);
            let mut subject = policies::subject(&parts.policy, "start");
            // What cannot be read any more cannot be compared with.
            if let Ok(Some(before)) = policies::last(ledger).await {
                policies::note(&mut subject, &parts.policy.looser_than(&before.set));
            }
            let governing = (&parts.policy, &terms);
            (_, epochs) = kept::append_set(ledger, signer, parts.clock.now(), governing, subject).await?;
        }
        let governing =
            Governing { policy: Arc::new(parts.policy.clone()), environment: Arc::new(environment), epochs };
        let engine = Self::assemble(parts, governing);
        *engine.0.definitions.lock().unwrap_or_else(PoisonError::into_inner) = definitions::digests(&system);
        let recovered = engine.recover().await?;
        Ok((engine, recovered))
    }

    async fn recover(&self) -> Result<Recovered, Failure> {
        let mut recovered = Recovered::default();
        let mut sessions = BTreeSet::new();
        for open in self.0.ledger.open_actions().await.map_err(Failure::Read)? {
            self.opened(&open.action, &open.session);
            let cell = self.session(&open.session).await?;
            let permitted = look(&cell.lock(), |context| {
                context.find(&open.action).map(|t| matches!(t.life.state(), State::Permitted { .. }))
            });
            match permitted.flatten() {
                Some(true) => {
                    self.lose(&open.session, &open.action).await?;
                    recovered.unknown += 1;
                }
                Some(false) => {
                    recovered.waiting += 1;
                    sessions.insert(open.session);
                }
                None => self.closed(&open.action),
            }
        }
        for session in &sessions {
            self.reconsider(session).await;
        }
        Ok(recovered)
    }

    /// A permit was out when the daemon stopped: nobody knows whether it was used.
    async fn lose(&self, session: &SessionId, id: &ActionId) -> Result<(), Failure> {
        let outcome = Outcome {
            status: Status::Unknown,
            labels: BTreeSet::new(),
            output: None,
            error: Some("the daemon stopped between the permit and the outcome".into()),
        };
        self.transact(session, |turn| turn.advance(id, Input::Settled(outcome.clone()))).await?;
        Ok(())
    }

    /// Ends whatever is due: waits, authorisations, permits; decides again where that failed before, or where sources
    /// of a fact no longer disagree; and lets idle sessions leave memory.
    pub async fn tick(&self) {
        let mut again = std::mem::take(&mut *self.0.again.lock().unwrap_or_else(PoisonError::into_inner));
        let before = Time(self.0.ticked.swap(self.now().0, Ordering::Relaxed));
        again.extend(self.settled_since(before).await);
        for session in &again {
            self.reconsider(session).await;
        }
        for (id, session) in self.open_actions() {
            let Ok(cell) = self.session(&session).await else { continue };
            let now = self.now();
            let due = look(&cell.lock(), |context| {
                let tracked = context.find(&id);
                // The end of a write that was called failed may be on record all the same.
                if tracked.is_none_or(|t| matches!(t.life.state(), State::Ended(_))) {
                    self.closed(&id);
                }
                tracked.and_then(|t| t.life.due()).is_some_and(|due| due <= now)
            });
            if due != Some(true) {
                continue;
            }
            if self.paused_by(&id, &session, &cell).await {
                continue;
            }
            match self.transact(&session, |turn| turn.advance(&id, Input::Due)).await {
                Ok(Some(_)) => self.reconsider(&session).await,
                Ok(None) => {}
                Err(failure) => {
                    tracing::warn!(action = %id, %failure, "an expiry could not be recorded; tried again")
                }
            }
        }
        self.forget_idle(self.now());
    }

    /// Where a rule wants the session halted when nobody answers, it is halted first: that ends everything in it that
    /// waits, and a crash before leaves the wait to be found again. Whether that is so.
    async fn paused_by(&self, id: &ActionId, session: &SessionId, cell: &SessionCell) -> bool {
        let rule = look(&cell.lock(), |context| {
            let State::Waiting { ruling, .. } = context.find(id)?.life.state() else { return None };
            (ruling.ending.on_timeout == OnTimeout::Pause).then(|| {
                ruling
                    .because
                    .rules
                    .first()
                    .map_or_else(|| ruling.because.step.as_str().to_owned(), ToString::to_string)
            })
        });
        let Some(Some(rule)) = rule else { return false };
        let reason = format!("nobody answered in time, and {rule} halts the session then");
        if let Err(failure) =
            self.halt(Halt::Session(session.as_str().into()), &reason, "countersign", false).await
        {
            tracing::warn!(action = %id, %failure, "a session could not be halted when its time was over; tried again");
        }
        true
    }

    /// Sessions with something open in which sources of a fact disagreed at the moment `before`, and do not any more.
    async fn settled_since(&self, before: Time) -> BTreeSet<SessionId> {
        let mut settled = BTreeSet::new();
        let sessions: BTreeSet<SessionId> =
            self.open_actions().into_iter().map(|(_, session)| session).collect();
        for session in sessions {
            let Ok(cell) = self.session(&session).await else { continue };
            let now = self.now();
            if look(&cell.lock(), |context| context.facts_settled(before, now)) == Some(true) {
                settled.insert(session);
            }
        }
        settled
    }

    /// Ticks until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tick().await;
        }
    }
}

//! A held call: it waits, claims what was authorised, or leaves.
//!
//! Waiting authorises, never executes: when a held action is authorised, the call that holds it is ruled on
//! again and gets its permit from that ruling. A call that leaves lets the action wait on; a retry with the
//! same session, tool and byte-equal arguments attaches to it, while no other call holds it.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::decision::{Approvers, Missing};
use countersign_core::lifecycle::{Input, State};
use countersign_core::names::{ActionId, SessionId};
use countersign_core::session::Tracked;
use countersign_core::time::Time;

use crate::commit::{Failure, look};
use crate::delegation::carrying;
use crate::engine::Engine;
use crate::mediator::{Caller, Proceeding, ReceiptRef, Refusal, Submission};
use crate::state::SessionCell;

/// A held action that waits.
#[derive(Debug)]
pub struct Suspended {
    hold: Hold,
    on: On,
    receipt: ReceiptRef,
}

/// What a held action waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// A person's answer.
    Person(Approvers),
    /// Context.
    Context(Missing),
}

/// The exclusive hold of a live call on an action; gone when dropped.
pub struct Hold {
    engine: Engine,
    cell: Arc<SessionCell>,
    session: SessionId,
    action: ActionId,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({})", self.action)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.cell.let_go(&self.action);
    }
}

impl Hold {
    /// Takes hold of an action unless another call has it.
    pub(crate) async fn take(engine: &Engine, session: &SessionId, action: &ActionId) -> Option<Self> {
        let cell = engine.session(session).await.ok()?;
        cell.hold(action).then(|| Self {
            engine: engine.clone(),
            cell,
            session: session.clone(),
            action: action.clone(),
        })
    }

    pub(crate) const fn session(&self) -> &SessionId {
        &self.session
    }
}

/// Where a held action stands.
enum Standing {
    Waiting(On, Time),
    Authorised,
    Over(Box<Refusal>),
    Between,
}

impl Suspended {
    pub(crate) fn new(hold: Hold, on: On, receipt: &ReceiptRef) -> Self {
        Self { hold, on, receipt: receipt.clone() }
    }

    /// The action that waits.
    #[must_use]
    pub const fn action(&self) -> &ActionId {
        &self.hold.action
    }

    /// What it waits for.
    #[must_use]
    pub const fn on(&self) -> &On {
        &self.on
    }

    /// The receipt of the ruling that made it wait.
    #[must_use]
    pub const fn receipt(&self) -> &ReceiptRef {
        &self.receipt
    }

    /// Goes on at once if it can.
    pub(crate) async fn now(self) -> Proceeding {
        self.wait(Duration::ZERO).await
    }

    /// Waits at most so long for the action to be authorised or refused; still waiting, it comes back.
    /// Dropping the future, or what comes back, leaves the action to a retry.
    pub async fn wait(mut self, limit: Duration) -> Proceeding {
        let deadline = tokio::time::Instant::now() + limit;
        let mut changed = self.hold.cell.watch();
        loop {
            changed.mark_unchanged();
            match self.standing().await {
                Standing::Authorised => match self.claim().await {
                    Ok(proceeding) => return proceeding,
                    Err(overtaken) => self = *overtaken,
                },
                Standing::Over(refusal) => return Proceeding::Refused(refusal),
                Standing::Waiting(on, _) => self.on = on,
                Standing::Between => {}
            }
            tokio::select! {
                biased;
                woken = changed.changed() => if woken.is_err() { return Proceeding::Suspended(Box::new(self)) },
                () = tokio::time::sleep_until(deadline) => return Proceeding::Suspended(Box::new(self)),
            }
        }
    }

    /// When the wait ends, where that is known.
    pub async fn deadline(&self) -> Option<Time> {
        match self.standing().await {
            Standing::Waiting(_, deadline) => Some(deadline),
            _ => None,
        }
    }

    async fn standing(&self) -> Standing {
        let Hold { engine, session, action, cell } = &self.hold;
        // A cell in doubt is read anew before anything is said of it.
        if let Err(failure) = engine.session(session).await {
            return Standing::Over(Box::new(engine.unrecorded(Some(action.clone()), &failure)));
        }
        let found = look(&cell.lock(), |context| context.find(action).map(standing));
        match found {
            Some(Some(standing)) => standing,
            Some(None) => match cell.ended(action) {
                Some(refusal) => Standing::Over(Box::new(refusal)),
                None => Standing::Over(Box::new(engine.unrecorded(Some(action.clone()), &Failure::Moved))),
            },
            None => Standing::Between,
        }
    }

    /// The live request is ruled on again, under the policy in force; too late, it ends what nobody claimed in
    /// time. Gives itself back when something else got there first.
    async fn claim(self) -> Result<Proceeding, Box<Self>> {
        let Hold { engine, session, action: id, .. } = &self.hold;
        let engine = engine.clone();
        let mut subject = None;
        let committed = engine
            .transact(session, |turn| {
                let Some(tracked) = turn.session.context.find(id) else {
                    return crate::commit::Plan::Nothing;
                };
                let (action, identity) = (Arc::clone(&tracked.action), Arc::clone(&tracked.identity));
                let late = tracked.life.due().is_some_and(|due| due <= turn.now);
                let input =
                    if late { Input::Due } else { Input::Claimed(Arc::new(turn.decide(&action, &identity))) };
                let plan = turn.advance(id, input);
                subject = turn.session.context.find(id).map(|t| (action, Arc::clone(&t.ruling)));
                plan
            })
            .await;
        match (committed, subject) {
            (Ok(Some(committed)), Some((action, ruling))) => {
                Ok(engine.enforce(committed, &action, &ruling, self.hold).await)
            }
            (Err(failure), _) => Ok(engine.refused_unrecorded(id, &failure)),
            _ => Err(Box::new(self)),
        }
    }
}

impl Engine {
    /// A retry attaches when it has the same session, tool and byte-equal arguments, the action is waiting or
    /// authorised, and no live call holds it. This is tested before dependents.
    pub(crate) async fn attach(&self, submission: &Submission) -> Result<Option<Suspended>, Failure> {
        let (cell, candidates) = self
            .known(&submission.session, |context| {
                let mut matching: Vec<&Tracked> =
                    context.tracked().filter(|t| attaches(t, submission)).collect();
                matching.sort_by_key(|tracked| tracked.number);
                matching.into_iter().map(|t| t.action.id.clone()).collect::<Vec<_>>()
            })
            .await?;
        for id in candidates {
            if let Some(hold) = Hold::take(self, &submission.session, &id).await
                && let Some(suspended) = Self::resume(&cell, hold, &submission.caller)
            {
                return Ok(Some(suspended));
            }
        }
        Ok(None)
    }

    /// Holds a waiting or authorised action by its id, for a live call of the same principal through the same
    /// way in; `None` when there is no such action, or another call holds it.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn attach_by_id(
        &self,
        session: &SessionId,
        id: &ActionId,
        caller: &Caller,
    ) -> Result<Option<Suspended>, Failure> {
        let (cell, own) = self
            .known(session, |context| {
                let identity = carrying(&caller.identity, context.opened());
                context.find(id).is_some_and(|t| waits(t) && t.identity.same_principal(&identity))
            })
            .await?;
        if !own {
            return Ok(None);
        }
        let hold = Hold::take(self, session, id).await;
        Ok(hold.and_then(|hold| Self::resume(&cell, hold, caller)))
    }

    fn resume(cell: &SessionCell, hold: Hold, caller: &Caller) -> Option<Suspended> {
        let slot = cell.lock();
        let crate::state::Slot::Known(state) = &*slot else { return None };
        let tracked = state.context.find(&hold.action)?;
        let note = state.notes.get(&hold.action)?;
        // Receipts say through which way in an action runs; a permit given through another would make them lie.
        if (note.face, note.enforcement) != (caller.face, caller.enforcement) {
            return None;
        }
        let prior = &note.prior;
        let receipt = ReceiptRef { id: prior.id.as_str().into(), digest: prior.digest.to_string().into() };
        let on = match standing(tracked) {
            Standing::Waiting(on, _) => on,
            Standing::Authorised => On::Person(Approvers::default()),
            Standing::Over(_) | Standing::Between => return None,
        };
        drop(slot);
        Some(Suspended::new(hold, on, &receipt))
    }
}

fn attaches(tracked: &Tracked, submission: &Submission) -> bool {
    waits(tracked)
        && tracked.action.tool == submission.tool
        // What was asked about for one carrier does not run through another.
        && tracked.action.original == submission.original
        && tracked.action.arguments.text() == submission.arguments.text()
        && tracked.identity.same_principal(&submission.caller.identity)
}

fn waits(tracked: &Tracked) -> bool {
    matches!(tracked.life.state(), State::Waiting { .. } | State::Authorised { .. })
}

fn standing(tracked: &Tracked) -> Standing {
    use countersign_core::decision::Decision;
    match tracked.life.state() {
        State::Waiting { ruling, deadline, on_person, .. } => {
            let on = match &ruling.decision {
                Decision::StepUp(approvers) => On::Person(approvers.clone()),
                Decision::Defer(_) if *on_person => On::Person(ruling.escalate.clone().unwrap_or_default()),
                Decision::Defer(missing) => On::Context(missing.clone()),
                Decision::Allow | Decision::Deny => On::Person(Approvers::default()),
            };
            Standing::Waiting(on, *deadline)
        }
        State::Authorised { .. } => Standing::Authorised,
        State::New | State::Recording { .. } | State::Permitted { .. } | State::Ended(_) => Standing::Between,
    }
}

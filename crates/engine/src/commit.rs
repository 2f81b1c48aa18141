//! Decide, sign and append, under the session's lock and then its human's and its agent's.
//!
//! Under the locks nothing waits: the step decides, the receipt is signed onto the heads that the step read,
//! and the batch is handed to the ledger's writer. Then the locks are gone, and other actions may follow in
//! the same group commit. What is durable is told to the lifecycle; what failed puts the cells in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::decide::{Memo, Question};
use countersign_core::decision::{Decision, Ruling};
use countersign_core::lifecycle::{End, Input, Output, State, Transition};
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::session::linked::Linked;
use countersign_core::session::{Change, Context, Outcome, Principal, Status};
use countersign_core::time::{Span, Time};
use countersign_receipt::v1;
use countersign_receipt::values::Digest;
use tokio::sync::oneshot;

use crate::engine::{Cells, Engine, Governing, Readings};
use crate::flight::{Flight, Flights};
use crate::mediate;
use crate::mediator::{ReceiptRef, Report};
use crate::ports::{
    AppendError, Appending, Batch, Epochs, Expected, Head, LedgerError, OpenAction, Record, RecordKind,
};
use crate::record::seal::{Place, Sealed, seal, seal_fitting};
use crate::record::write::{Draft, Source, Wait};
use crate::state::{Note, PrincipalState, SessionCell, SessionState, Slot};

/// Tries before a decision on moving ground is given up (`contention`).
pub(crate) const TRIES: u32 = 8;

/// Why nothing was recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The ledger took nothing.
    #[error(transparent)]
    Append(AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(LedgerError),
    /// The receipt could not be made.
    #[error("the receipt could not be made: {0}")]
    Receipt(String),
    /// The context kept changing under the decision.
    #[error("the session's context kept changing")]
    Contention,
    /// The context was read anew in between.
    #[error("the session's context is being read anew")]
    Moved,
}

/// What a step sees.
pub(crate) struct Turn<'a> {
    pub(crate) session: &'a mut SessionState,
    pub(crate) human: &'a Principal,
    pub(crate) agent: &'a Principal,
    pub(crate) linked: &'a Principal,
    pub(crate) governing: &'a Governing,
    pub(crate) now: Time,
}

/// What a step wants recorded.
pub(crate) enum Plan {
    /// A transition of this action, which the context has already taken in.
    Transition {
        action: ActionId,
        transition: Transition,
        change: Change,
        how: Option<(v1::Face, v1::Enforcement)>,
        /// What stands right before it in the chain, in the same commit.
        before: Option<Box<Draft>>,
        /// What a candidate set would have done otherwise.
        would_have: Option<Box<v1::WouldHave>>,
    },
    /// Something else.
    Other { draft: Box<Draft>, change: Change },
    /// Nothing.
    Nothing,
}

/// A recorded step.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) receipt: ReceiptRef,
    pub(crate) epochs: Epochs,
    /// What the action's life says to it; `Unchanged` when the step was about no action.
    pub(crate) output: Output,
}

/// A step on its way to the disk.
struct Pending {
    appending: Appending,
    receipt: ReceiptRef,
    /// Which readings took it in.
    readings: Readings,
    epochs: Epochs,
    about: Option<(ActionId, Transition)>,
    /// The contract that is kept with it.
    contract: Option<Digest>,
    /// From the session, the human, the agent and the delegation.
    flights: [Flight; 4],
}

enum Attempt {
    Pending(Box<Pending>),
    Nothing,
    Doubtful,
}

impl Turn<'_> {
    /// Decides on an action as things stand.
    pub(crate) fn decide(
        &self,
        action: &countersign_core::action::Action,
        identity: &countersign_core::identity::Identity,
    ) -> Ruling {
        countersign_core::decide::decide(&self.question(action, identity, &Memo::default()))
    }

    /// The question that core decides, as things stand.
    pub(crate) fn question<'q>(
        &'q self,
        action: &'q countersign_core::action::Action,
        identity: &'q countersign_core::identity::Identity,
        memo: &'q Memo,
    ) -> Question<'q> {
        Question {
            action,
            identity,
            context: &self.session.context,
            human: self.human,
            agent: self.agent,
            linked: self.linked,
            policy: &self.governing.policy,
            environment: &self.governing.environment,
            now: self.now,
            memo,
        }
    }

    /// Hands an input to an action's life; whatever is to be recorded becomes the plan.
    pub(crate) fn advance(&mut self, id: &ActionId, input: Input) -> Plan {
        let (output, change) = self.session.context.handle(id, input, self.now);
        Self::plan(id, output, change, None)
    }

    pub(crate) fn plan(
        id: &ActionId,
        output: Output,
        change: Change,
        how: Option<(v1::Face, v1::Enforcement)>,
    ) -> Plan {
        match output {
            Output::Record(transition) => Plan::Transition {
                action: id.clone(),
                transition,
                change,
                how,
                before: None,
                would_have: None,
            },
            _ => Plan::Nothing,
        }
    }
}

impl Plan {
    /// The same, with a receipt in front of it.
    pub(crate) fn after(mut self, draft: Option<Box<Draft>>) -> Self {
        if let Self::Transition { before, .. } = &mut self {
            *before = draft;
        }
        self
    }
}

impl Engine {
    /// Runs a step under the locks and makes what it plans durable. A step whose ground moved runs again.
    /// `None` when the step had nothing to record.
    pub(crate) async fn transact(
        &self,
        session: &SessionId,
        mut step: impl FnMut(&mut Turn<'_>) -> Plan + Send,
    ) -> Result<Option<Committed>, Failure> {
        for attempt in 0..TRIES {
            let cells = match self.cells(session).await {
                Err(Failure::Moved) => continue,
                cells => cells?,
            };
            let pending = match self.attempt(session, &cells, &mut step)? {
                Attempt::Pending(pending) => pending,
                Attempt::Nothing => return Ok(None),
                Attempt::Doubtful => continue,
            };
            match self.land(session, cells, pending).await {
                Ok(committed) => return Ok(Some(committed)),
                Err(AppendError::Conflict(_)) => {}
                // Whoever raised the epoch is about to put what belongs to it in force.
                Err(AppendError::EpochMoved) => {
                    tokio::time::sleep(Duration::from_millis(1 << attempt.min(6))).await;
                }
                Err(error) => return Err(Failure::Append(error)),
            }
        }
        Err(Failure::Contention)
    }

    fn attempt(
        &self,
        id: &SessionId,
        cells: &Cells,
        step: &mut (impl FnMut(&mut Turn<'_>) -> Plan + Send),
    ) -> Result<Attempt, Failure> {
        let mut session = cells.session.lock();
        let mut human = cells.human.1.lock();
        let mut agent = cells.agent.1.lock();
        let mut tree = cells.tree.1.lock();
        let (
            Slot::Known(session_state),
            Slot::Known(human_state),
            Slot::Known(agent_state),
            Slot::Known(tree_state),
        ) = (&mut *session, &mut *human, &mut *agent, &mut *tree)
        else {
            return Ok(Attempt::Doubtful);
        };
        let governing = self.governing();
        // A clock that was set back must not let a chain run backwards.
        let now = self.now().max(session_state.context.last());
        let mut turn = Turn {
            session: session_state,
            human: &human_state.principal,
            agent: &agent_state.principal,
            linked: &tree_state.principal,
            governing: &governing,
            now,
        };
        let plan = step(&mut turn);
        let principals =
            [(&cells.human.0, human_state), (&cells.agent.0, agent_state), (&cells.tree.0, tree_state)];
        let settled = self.hand_over(id, (session_state, cells), principals, plan, (&governing, now));
        if settled.is_err() {
            // The context has taken in what will never be recorded.
            *session = Slot::Doubtful;
        }
        settled
    }

    /// Signs what is planned onto the heads and hands it to the ledger.
    fn hand_over(
        &self,
        id: &SessionId,
        (session, cells): (&mut SessionState, &Cells),
        principals: [(&Chain, &mut Box<PrincipalState>); 3],
        plan: Plan,
        (governing, now): (&Governing, Time),
    ) -> Result<Attempt, Failure> {
        let (before, mut draft, change, about) = match plan {
            Plan::Nothing => return Ok(Attempt::Nothing),
            Plan::Other { draft, change } => (None, *draft, change, None),
            Plan::Transition { action, transition, change, how, before, would_have } => {
                let about = About::of(session, &action, transition, how)
                    .ok_or_else(|| Failure::Receipt("the action is not known".into()))?;
                let mut draft = about.draft(session, self.0.settings.limits.wait, now);
                draft.receipt.would_have = would_have.map(|would_have| *would_have);
                (before, draft, change, Some(about))
            }
        };
        let keep =
            about.as_ref().and_then(|about| self.name_contract(&mut draft, &about.action, &about.transition));
        let (contract, keep) = keep.unzip();
        let [human, agent, tree] = principals.each_ref().map(|(_, state)| state.reading);
        let readings = Readings { session: session.reading, human, agent, tree };
        let chain = Chain::Session(id.clone());
        let stood = session.head.clone();
        let before = self.seal_before(before, &chain, session, governing.epochs)?;
        let place = Place {
            head: session.head.as_ref(),
            principals: read_in(&principals),
            epochs: governing.epochs,
            prior: about.as_ref().and_then(|about| about.note.as_ref()).map(|note| note.prior.clone()),
        };
        let sealed = seal_fitting(draft, &chain, &place, &*self.0.signer).map_err(Failure::Receipt)?;
        let mut batch = Batch {
            expect: vec![Expected { chain, head: stood }],
            records: before.into_iter().collect(),
            epochs: about.as_ref().is_some_and(About::depends_on_epochs).then_some(governing.epochs),
            keep: keep.into_iter().collect(),
            reserve: about.as_ref().is_some_and(About::is_outcome),
            ..Batch::default()
        };
        if let Some(about) = &about {
            about.open_or_close(id, &mut batch);
        }
        batch.records.push(sealed.record.clone());
        for (chain, state) in principals {
            join(chain, state, &change, &sealed, &mut batch);
        }
        session.head = Some(head_of(&sealed));
        let moved = about.map(|about| {
            let noted = about.noted(&sealed);
            session.note(&about.action.id, noted);
            (about.action.id.clone(), about.transition)
        });
        for open in &batch.open {
            self.opened(&open.action, &open.session);
        }
        let receipt = ReceiptRef { id: sealed.link.id.as_str().into(), digest: sealed.record.digest };
        let appending = self.0.ledger.append(batch);
        let epochs = governing.epochs;
        let principals = [&cells.human, &cells.agent, &cells.tree].map(|(_, cell)| &cell.flights);
        let [human, agent, tree] = principals;
        let flights = [&cells.session.flights, human, agent, tree].map(Flights::take_off);
        let pending = Pending { appending, receipt, readings, epochs, about: moved, contract, flights };
        Ok(Attempt::Pending(Box::new(pending)))
    }

    /// Signs what stands in front of a step, and moves the session's head to it.
    fn seal_before(
        &self,
        draft: Option<Box<Draft>>,
        chain: &Chain,
        session: &mut SessionState,
        epochs: Epochs,
    ) -> Result<Option<Record>, Failure> {
        let Some(draft) = draft else { return Ok(None) };
        let place = Place { head: session.head.as_ref(), principals: Vec::new(), epochs, prior: None };
        let sealed = seal(*draft, chain, &place, &*self.0.signer).map_err(Failure::Receipt)?;
        session.head = Some(head_of(&sealed));
        Ok(Some(sealed.record))
    }

    /// Waits for the disk, then tells the action's life. This runs to its end even when the caller goes: what
    /// is on record must not stay untold.
    async fn land(
        &self,
        session: &SessionId,
        cells: Cells,
        pending: Box<Pending>,
    ) -> Result<Committed, AppendError> {
        let (engine, session) = (self.clone(), session.clone());
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let landed = engine.landed(&session, &cells, pending).await;
            if let Err(Ok(Committed { output: Output::Release(permit), .. })) = tell.send(landed) {
                engine.unused(&session, permit.action(), "the caller left before the permit could be used");
            }
        });
        told.await.unwrap_or_else(|_| Err(AppendError::Unavailable("the daemon is stopping".into())))
    }

    async fn landed(
        &self,
        session: &SessionId,
        cells: &Cells,
        pending: Box<Pending>,
    ) -> Result<Committed, AppendError> {
        let Pending { appending, receipt, readings, epochs, about, contract, mut flights } = *pending;
        let appended = appending.await;
        let [session_flight, ..] = &mut flights;
        session_flight.turn().await;
        if let Err(error) = appended {
            // A new action stays listed as open: the next tick reads anew whether it is there after all.
            cells.doubt(readings);
            return Err(error);
        }
        self.surely_kept(contract);
        let output = match &about {
            Some((id, transition)) => {
                self.recorded(session, cells, readings.session, (id, transition), &receipt)
            }
            None => Output::Unchanged,
        };
        Ok(Committed { receipt, epochs, output })
    }

    /// A ruling that lets an action run, and nobody who runs it: nothing was sent.
    fn unused(&self, session: &SessionId, id: &ActionId, why: &str) {
        let outcome =
            Outcome { status: Status::NothingSent, labels: [].into(), output: None, error: Some(why.into()) };
        let (engine, session, id) = (self.clone(), session.clone(), id.clone());
        tokio::spawn(async move {
            if let Err(error) = engine.settle_by_id(&id, Report { session, outcome }).await {
                tracing::warn!(action = %id, %error, "an unused permit is left to its deadline");
            }
        });
    }

    /// Tells an action's life that its record is durable. Anyone who waits in the session is woken; where the
    /// action is over, what waited for it is decided again.
    fn recorded(
        &self,
        session: &SessionId,
        cells: &Cells,
        reading: u64,
        (id, transition): (&ActionId, &Transition),
        receipt: &ReceiptRef,
    ) -> Output {
        let output = {
            let mut slot = cells.session.lock();
            match &mut *slot {
                Slot::Known(state) if state.reading == reading => {
                    let now = self.now().max(state.context.last());
                    let output = state.context.handle(id, Input::Recorded, now).0;
                    if state.context.find(id).is_none() {
                        state.notes.remove(id);
                    }
                    output
                }
                // The context was read anew in between and knows the record from the ledger; a permit is not
                // given twice, so there is none.
                _ => {
                    if matches!(transition, Transition::Ruled(ruling) if ruling.decision == Decision::Allow) {
                        self.unused(session, id, "the session was read anew before the permit was given");
                    }
                    Output::Misplaced
                }
            }
        };
        leave_word(&cells.session, id, transition, &output, receipt);
        cells.session.announce();
        if let Output::Refuse(_) | Output::Over(_) = &output {
            self.closed(id);
            self.reconsider_soon(session);
        }
        output
    }
}

/// Tells the call that holds an action that it is over, before that call is woken.
fn leave_word(
    cell: &SessionCell,
    id: &ActionId,
    transition: &Transition,
    output: &Output,
    receipt: &ReceiptRef,
) {
    match (output, transition) {
        (Output::Refuse(ruling), _) => cell.end(id, mediate::refusal(id, ruling, receipt)),
        (Output::Over(End::Expired), _) => cell.end(id, mediate::expired(id, receipt)),
        (Output::Over(End::Refused), Transition::Answered(answer)) => {
            cell.end(id, mediate::refused_by(id, &answer.by, receipt));
        }
        _ => {}
    }
}

/// The chains that a receipt names as read: a delegation's only once there is one.
fn read_in<'a>(
    principals: &'a [(&'a Chain, &'a mut Box<PrincipalState>); 3],
) -> Vec<(&'a Chain, Option<&'a Head>)> {
    let read = principals.iter().map(|(chain, state)| (*chain, state.head.as_ref()));
    read.filter(|(chain, head)| head.is_some() || !matches!(chain, Chain::Delegation(_))).collect()
}

/// A principal whose facts a receipt changes gets a short entry that carries the receipt's digest. A delegation is begun
/// by the session that is delegated, and joined by nobody before.
pub(crate) fn join(
    chain: &Chain,
    state: &mut PrincipalState,
    change: &Change,
    sealed: &Sealed,
    batch: &mut Batch,
) {
    let mut news = change.clone();
    batch.expect.push(Expected { chain: chain.clone(), head: state.head.clone() });
    match chain {
        Chain::Delegation(_) if state.head.is_none() => return,
        // How much is counted for whom is a matter of humans and agents.
        Chain::Delegation(_) => (news.counted, news.corrected) = (BTreeMap::new(), None),
        _ => news.linked = Linked::default(),
    }
    news.labels.retain(|label| !state.principal.labels().contains(label));
    if !news.is_empty() {
        append_to(chain, state, &news, sealed, batch);
    }
}

/// The short entry itself.
pub(crate) fn append_to(
    chain: &Chain,
    state: &mut PrincipalState,
    news: &Change,
    sealed: &Sealed,
    batch: &mut Batch,
) {
    let Ok(body) = serde_json::to_string(news) else { return };
    let sequence = state.head.as_ref().map_or(0, |head| head.sequence + 1);
    batch.records.push(Record {
        chain: chain.clone(),
        sequence,
        digest: Arc::clone(&sealed.record.digest),
        kind: RecordKind::Link,
        body: body.into(),
        disclosures: None,
        at: sealed.record.at,
        lookup: None,
    });
    state.principal.apply(news);
    state.head = Some(Head { sequence, digest: Arc::clone(&sealed.record.digest) });
}

fn head_of(sealed: &Sealed) -> Head {
    Head { sequence: sealed.record.sequence, digest: Arc::clone(&sealed.record.digest) }
}

/// The action that a transition is about.
struct About {
    action: Arc<countersign_core::action::Action>,
    identity: Arc<countersign_core::identity::Identity>,
    transition: Transition,
    note: Option<Note>,
    how: (v1::Face, v1::Enforcement),
    ends: Option<End>,
    waits_until: Option<Time>,
}

impl About {
    fn of(
        session: &SessionState,
        id: &ActionId,
        transition: Transition,
        how: Option<(v1::Face, v1::Enforcement)>,
    ) -> Option<Self> {
        let tracked = session.context.find(id)?;
        let note = session.notes.get(id).cloned();
        let how = how.or_else(|| note.as_ref().map(|note| (note.face, note.enforcement)))?;
        let (ends, waits_until) = match tracked.life.state() {
            State::Recording { to, .. } => match &**to {
                State::Ended(end) => (Some(*end), None),
                State::Waiting { deadline, .. } => (None, Some(*deadline)),
                _ => (None, None),
            },
            _ => (None, None),
        };
        Some(Self {
            action: Arc::clone(&tracked.action),
            identity: Arc::clone(&tracked.identity),
            transition,
            note,
            how,
            ends,
            waits_until,
        })
    }

    fn draft(&self, session: &SessionState, default: Span, now: Time) -> Draft {
        let wait = Wait { default, until: self.waits_until };
        let (face, enforcement) = self.how;
        let source =
            Source { session: session.context.opened(), identity: &self.identity, face, enforcement };
        Draft::transition(source, &self.action, &self.transition, wait, now)
    }

    /// Rulings, answers and resolutions hold only under what governed them; outcomes and expiries always do.
    fn depends_on_epochs(&self) -> bool {
        !matches!(self.transition, Transition::Outcome { .. } | Transition::TimedOut | Transition::Unclaimed)
    }

    fn is_outcome(&self) -> bool {
        matches!(self.transition, Transition::Outcome { .. })
    }

    fn open_or_close(&self, session: &SessionId, batch: &mut Batch) {
        let id = self.action.id.clone();
        match (self.ends, &self.note) {
            (None, None) => batch.open.push(OpenAction { session: session.clone(), action: id }),
            (Some(_), Some(_)) => batch.close.push(id),
            (None, Some(_)) | (Some(_), None) => {}
        }
    }

    fn noted(&self, sealed: &Sealed) -> Note {
        Note { prior: sealed.link.clone(), face: self.how.0, enforcement: self.how.1 }
    }
}

/// Does work to its end even when the caller goes: what comes on record must also come into force.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let stopping = || Failure::Append(AppendError::Unavailable("the daemon is stopping".into()));
    tokio::spawn(work).await.unwrap_or_else(|_| Err(stopping()))
}

/// Reads a context without changing it.
pub(crate) fn look<T>(slot: &Slot<SessionState>, at: impl FnOnce(&Context) -> T) -> Option<T> {
    match slot {
        Slot::Known(state) => Some(at(&state.context)),
        Slot::Doubtful => None,
    }
}

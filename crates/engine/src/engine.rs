//! The engine: what it is made of, and where it keeps what it knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use countersign_core::decide::Environment;
use countersign_core::drift::Signal;
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Limits, State};
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::policy::PolicySet;
use countersign_core::session::Context;
use countersign_core::time::{Span, Time};
use countersign_receipt::sign::Signer;

use crate::commit::{Failure, TRIES, look};
use crate::definitions::Known;
use crate::delegation::Trees;
use crate::drift::AT_ONCE;
use crate::kept::Named;
use crate::ports::{Clock, Embedder, Epochs, Ledger, LedgerError};
use crate::state::{Contracts, PrincipalCell, SessionCell, SessionState};

/// How often memory is cleared of what has been idle.
const SWEEP: Span = Span::seconds(60);

/// The one engine. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

/// What an engine is made of.
pub struct Parts {
    /// Where everything is recorded. Trusted.
    pub ledger: Arc<dyn Ledger>,
    /// Who signs receipts. Trusted.
    pub signer: Arc<dyn Signer>,
    /// What the time is. Trusted.
    pub clock: Arc<dyn Clock>,
    /// What measures how far actions lie from requests, where there is one. Trusted to permit nothing.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// The policy to begin with.
    pub policy: PolicySet,
    /// Everything else.
    pub settings: Settings,
}

/// How long things last, who can approve, what is declared about tools.
#[derive(Clone)]
pub struct Settings {
    /// Waits, claims and permits.
    pub limits: Limits,
    /// Groups of approvers that exist, and bounds on what may wait.
    pub environment: Environment,
    /// How long a given fact is valid where its giver does not say.
    pub fact_validity: Span,
    /// A principal's window session ends after so long without an action.
    pub window_idle: Span,
    /// What is declared about tools.
    pub contracts: Contracts,
}

/// What governs decisions; it changes as a whole, and only after the change is on record.
#[derive(Debug)]
pub struct Governing {
    /// The rules in force.
    pub policy: Arc<PolicySet>,
    /// Halts and approver groups in force.
    pub environment: Arc<Environment>,
    /// The epochs they belong to.
    pub epochs: Epochs,
}

pub(crate) struct Inner {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    /// Turns at the embedder.
    pub(crate) embedding: tokio::sync::Semaphore,
    pub(crate) settings: Settings,
    pub(crate) governing: ArcSwap<Governing>,
    /// Decided beside the set in force; it decides nothing.
    pub(crate) candidate: ArcSwapOption<PolicySet>,
    /// Orders everything that is appended to the system chain.
    pub(crate) system: tokio::sync::Mutex<()>,
    pub(crate) windows: tokio::sync::Mutex<HashMap<String, SessionId>>,
    sessions: Mutex<HashMap<SessionId, Arc<SessionCell>>>,
    /// Sessions by a key under which they were found: a key leads to one session for good.
    by_lookup: Mutex<HashMap<String, SessionId>>,
    principals: Mutex<HashMap<Chain, Arc<PrincipalCell>>>,
    /// Actions that are not over, in every session.
    open: Mutex<HashMap<ActionId, SessionId>>,
    /// Sessions in which something that waits could not be decided again; the next tick tries.
    pub(crate) again: Mutex<BTreeSet<SessionId>>,
    /// When idle sessions were last looked for, in milliseconds since 1970.
    swept: AtomicI64,
    /// The moment of the last tick, in milliseconds since 1970.
    pub(crate) ticked: AtomicI64,
    /// What sessions linked by delegation share, as long as one of them is in memory.
    pub(crate) trees: Mutex<Trees>,
    /// Definitions of tools that are on record.
    pub(crate) definitions: Mutex<Known>,
    /// Contracts by the digests that rulings name them by.
    pub(crate) named: Mutex<Named>,
    pub(crate) counts: Counts,
}

/// What is counted for `/metrics`.
#[derive(Debug, Default)]
pub struct Counts {
    verdicts: [AtomicU64; 5],
    unrecorded: AtomicU64,
    drift: [AtomicU64; 2],
    /// First rulings that a candidate was asked about too: it agreed, it did not.
    pub(crate) shadowed: [AtomicU64; 2],
}

impl Counts {
    pub(crate) fn verdict(&self, verdict: countersign_core::decision::Verdict) {
        if let Some(count) = self.verdicts.get(verdict as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn drifted(&self, level: Signal) {
        let [alerts, exceeded] = &self.drift;
        match level {
            Signal::Within => {}
            Signal::Alert => drop(alerts.fetch_add(1, Ordering::Relaxed)),
            Signal::StepUp => drop(exceeded.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub(crate) fn unrecorded(&self) {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    /// First rulings so far, in the order ALLOW, DENY, MODIFY, STEP_UP, DEFER.
    #[must_use]
    pub fn verdicts(&self) -> [u64; 5] {
        self.verdicts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Actions that lay so far from their request that it was noticed, so far: those at `alert`, those beyond it.
    #[must_use]
    pub fn drift(&self) -> [u64; 2] {
        self.drift.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// First rulings that a candidate set was asked about too, so far: those it agreed with, and those it would have made
    /// otherwise.
    #[must_use]
    pub fn shadow(&self) -> [u64; 2] {
        self.shadowed.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Refusals that could not be recorded because the ledger was down.
    #[must_use]
    pub fn unrecorded_refusals(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }
}

/// A chain that several sessions join, with its cell.
pub(crate) type SharedCell = (Chain, Arc<PrincipalCell>);

/// The cells an action of a session touches. They are locked in this order.
#[derive(Clone)]
pub(crate) struct Cells {
    pub(crate) session: Arc<SessionCell>,
    pub(crate) human: SharedCell,
    pub(crate) agent: SharedCell,
    /// Of the sessions that are linked with it by delegation.
    pub(crate) tree: SharedCell,
}

/// Which readings of its cells a step was made on.
#[derive(Clone, Copy)]
pub(crate) struct Readings {
    pub(crate) session: u64,
    pub(crate) human: u64,
    pub(crate) agent: u64,
    pub(crate) tree: u64,
}

impl Cells {
    /// Nothing of these readings is to be believed; what was read anew since is.
    pub(crate) fn doubt(&self, readings: Readings) {
        self.human.1.doubt(Some(readings.human));
        self.agent.1.doubt(Some(readings.agent));
        self.tree.1.doubt(Some(readings.tree));
        self.session.doubt(readings.session);
    }
}

impl Engine {
    pub(crate) fn assemble(parts: Parts, governing: Governing) -> Self {
        Self(Arc::new(Inner {
            ledger: parts.ledger,
            signer: parts.signer,
            clock: parts.clock,
            embedder: parts.embedder,
            embedding: tokio::sync::Semaphore::new(AT_ONCE),
            settings: parts.settings,
            governing: ArcSwap::from_pointee(governing),
            candidate: ArcSwapOption::empty(),
            system: tokio::sync::Mutex::new(()),
            windows: tokio::sync::Mutex::new(HashMap::new()),
            sessions: Mutex::new(HashMap::new()),
            by_lookup: Mutex::new(HashMap::new()),
            principals: Mutex::new(HashMap::new()),
            open: Mutex::new(HashMap::new()),
            again: Mutex::default(),
            swept: AtomicI64::new(0),
            ticked: AtomicI64::new(0),
            trees: Mutex::default(),
            definitions: Mutex::default(),
            named: Mutex::default(),
            counts: Counts::default(),
        }))
    }

    /// What governs decisions now.
    #[must_use]
    pub fn governing(&self) -> Arc<Governing> {
        self.0.governing.load_full()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// The ledger, to read.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.0.ledger
    }

    /// Whether actions can be recorded now.
    ///
    /// # Errors
    /// In words, why not.
    pub async fn ready(&self) -> Result<(), LedgerError> {
        self.0.ledger.check().await
    }

    /// The moment, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// How many actions are not over: waiting, authorised, or permitted without an outcome.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open_map().len()
    }

    /// How many sessions are in memory; the ledger has them all.
    #[must_use]
    pub fn sessions_in_memory(&self) -> usize {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The cell of a session, read from the ledger if need be.
    pub(crate) async fn session(&self, id: &SessionId) -> Result<Arc<SessionCell>, Failure> {
        let cell = {
            let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(id.clone()).or_insert_with(|| Arc::new(SessionCell::new())))
        };
        let inner = &self.0;
        let register = |state: &SessionState| {
            // What another process, or an append of unknown end, left open is to fall due here too.
            let open = state.context.tracked().filter(|t| !matches!(t.life.state(), State::Ended(_)));
            open.for_each(|tracked| self.opened(&tracked.action.id, id));
        };
        let settings = &inner.settings;
        let loaded = cell.load(id, &*inner.ledger, settings.limits, &settings.contracts, register).await;
        if loaded.is_err() && Arc::strong_count(&cell) <= 2 {
            // Do not let guessed ids fill the memory.
            inner.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        loaded.map_err(Failure::Read)?;
        Ok(cell)
    }

    /// A session's cell, and something of its context, which is read anew as often as somebody puts it in doubt.
    pub(crate) async fn known<T>(
        &self,
        id: &SessionId,
        read: impl Fn(&Context) -> T + Send,
    ) -> Result<(Arc<SessionCell>, T), Failure> {
        for _ in 0..TRIES {
            let cell = self.session(id).await?;
            let found = look(&cell.lock(), &read);
            if let Some(found) = found {
                return Ok((cell, found));
            }
        }
        Err(Failure::Contention)
    }

    /// All cells that an action of a session touches.
    pub(crate) async fn cells(&self, id: &SessionId) -> Result<Cells, Failure> {
        let session = self.session(id).await?;
        let (principals, tree) = {
            let slot = session.lock();
            let crate::state::Slot::Known(state) = &*slot else { return Err(Failure::Moved) };
            let opened = state.context.opened();
            let tree = session.tree.get_or_init(|| self.tree(opened)).clone();
            ([Chain::Human(Arc::clone(&opened.human)), Chain::Agent(Arc::clone(&opened.agent))], tree)
        };
        let [human, agent] = self.principals(principals).await?;
        tree.1.load(&tree.0, &*self.0.ledger).await.map_err(Failure::Read)?;
        Ok(Cells { session, human, agent, tree })
    }

    /// The cells of principals, read from the ledger if need be.
    pub(crate) async fn principals(
        &self,
        chains: [Chain; 2],
    ) -> Result<[(Chain, Arc<PrincipalCell>); 2], Failure> {
        let found = chains.map(|chain| {
            let mut cells = self.0.principals.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = cells.entry(chain.clone()).or_insert_with(|| Arc::new(PrincipalCell::new()));
            (chain, Arc::clone(cell))
        });
        for (chain, cell) in &found {
            cell.load(chain, &*self.0.ledger).await.map_err(Failure::Read)?;
        }
        Ok(found)
    }

    /// A principal's chain got an entry that no session's step put there: it is read anew before it is used.
    pub(crate) fn doubt_principal(&self, chain: &Chain) {
        let cell = {
            let cells = self.0.principals.lock().unwrap_or_else(PoisonError::into_inner);
            cells.get(chain).cloned()
        };
        if let Some(cell) = cell {
            cell.doubt(None);
        }
    }

    pub(crate) fn put_session(&self, id: SessionId, state: crate::state::SessionState) {
        let cell = SessionCell::new();
        *cell.lock() = crate::state::Slot::Known(Box::new(state));
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(cell));
    }

    /// Forgets sessions in which nothing is open, held or recent, once a minute; the ledger keeps them.
    pub(crate) fn forget_idle(&self, now: Time) {
        let before = Time(self.0.swept.load(Ordering::Relaxed));
        if now - before < SWEEP {
            return;
        }
        self.0.swept.store(now.0, Ordering::Relaxed);
        let idle = self.0.settings.window_idle;
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, cell| {
            let recent = match &mut *cell.lock() {
                crate::state::Slot::Known(state) => {
                    let context = &state.context;
                    // A context lets go of what is over for long; so do the notes about it.
                    state.notes.retain(|id, _| context.find(id).is_some());
                    // An outcome that is unknown may be reported at any time: then the session is read again.
                    let open = context.tracked().any(|t| !matches!(t.life.state(), State::Ended(_)));
                    open || now - context.last() < idle
                }
                crate::state::Slot::Doubtful => false,
            };
            recent || cell.is_held() || Arc::strong_count(cell) > 1
        });
        self.by_lookup().retain(|_, id| sessions.contains_key(id));
        self.forget_trees();
    }

    pub(crate) fn by_lookup(&self) -> std::sync::MutexGuard<'_, HashMap<String, SessionId>> {
        self.0.by_lookup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opened(&self, id: &ActionId, session: &SessionId) {
        self.open_map().insert(id.clone(), session.clone());
    }

    pub(crate) fn closed(&self, id: &ActionId) {
        self.open_map().remove(id);
    }

    /// Actions that are not over, with their sessions.
    pub(crate) fn open_actions(&self) -> Vec<(ActionId, SessionId)> {
        self.open_map().iter().map(|(id, session)| (id.clone(), session.clone())).collect()
    }

    /// Whether the session has an action that is not over.
    pub(crate) fn has_open(&self, session: &SessionId) -> bool {
        self.open_map().values().any(|of| of == session)
    }

    pub(crate) fn session_of(&self, id: &ActionId) -> Option<SessionId> {
        self.open_map().get(id).cloned()
    }

    fn open_map(&self) -> std::sync::MutexGuard<'_, HashMap<ActionId, SessionId>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key under which a principal's window session is kept.
pub(crate) fn window_key(identity: &Identity) -> String {
    let part = |id: &str| id.replace('\\', "\\\\").replace('|', "\\|");
    format!("window:{}|{}|{}", part(&identity.human.id), part(&identity.service.id), part(&identity.agent.id))
}

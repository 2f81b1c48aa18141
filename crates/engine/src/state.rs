//! Contexts in memory, each rebuilt from the ledger whenever it is in doubt.
//!
//! A context runs ahead of the disk: a transition counts as soon as it is handed to the ledger's writer, so
//! that whatever is decided next has seen it and can share its commit. If that commit fails, everything that
//! saw it fails with it, because its heads do not stand; the cell is then `Slot::Doubtful` and read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use countersign_core::action::Contract;
use countersign_core::identity::Identity;
use countersign_core::lifecycle::Limits;
use countersign_core::names::{ActionId, Chain, SessionId, ToolName};
use countersign_core::session::{Change, Context, Principal, What};
use countersign_receipt::v1;
use tokio::sync::watch;

use crate::engine::SharedCell;
use crate::flight::Flights;
use crate::kept::Then;
use crate::mediator::Refusal;
use crate::ports::{Head, Ledger, LedgerError, Stored};
use crate::record;

/// One session in memory.
#[derive(Debug)]
pub(crate) struct SessionCell {
    slot: Mutex<Slot<SessionState>>,
    holds: Mutex<HashMap<ActionId, Option<Refusal>>>,
    changed: watch::Sender<u64>,
    /// What the session shares with those that are linked with it by delegation, once somebody has asked.
    pub(crate) tree: OnceLock<SharedCell>,
    /// Steps on their way to the disk.
    pub(crate) flights: Flights,
}

/// One principal in memory.
#[derive(Debug)]
pub(crate) struct PrincipalCell {
    slot: Mutex<Slot<PrincipalState>>,
    /// Steps on their way to the disk.
    pub(crate) flights: Flights,
}

/// What is known of a chain.
#[derive(Debug)]
pub(crate) enum Slot<T> {
    /// To be read from the ledger before it is used.
    Doubtful,
    /// In step with the ledger, or ahead of it.
    Known(Box<T>),
}

/// A session's context with its place in the ledger.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) context: Context,
    pub(crate) opener: Arc<Identity>,
    pub(crate) head: Option<Head>,
    pub(crate) notes: HashMap<ActionId, Note>,
    /// Distinguishes this reading from an earlier one.
    pub(crate) reading: u64,
}

/// What receipts about an action need to know of the ones before.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) prior: v1::Prior,
    pub(crate) face: v1::Face,
    pub(crate) enforcement: v1::Enforcement,
}

/// A principal's fold with its place in the ledger.
#[derive(Debug)]
pub(crate) struct PrincipalState {
    pub(crate) principal: Principal,
    pub(crate) head: Option<Head>,
    /// Distinguishes this reading from an earlier one.
    pub(crate) reading: u64,
}

/// What is declared about a tool, as far as it is needed to read old receipts.
pub type Contracts = Arc<dyn Fn(&ToolName) -> Arc<Contract> + Send + Sync>;

impl SessionCell {
    pub(crate) fn new() -> Self {
        Self {
            slot: Mutex::new(Slot::Doubtful),
            holds: Mutex::new(HashMap::new()),
            changed: watch::channel(0).0,
            tree: OnceLock::new(),
            flights: Flights::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Slot<SessionState>> {
        // A panic under this lock leaves a context that may be half-way: it is read anew.
        self.slot.lock().unwrap_or_else(|poisoned| {
            let mut guard = PoisonError::into_inner(poisoned);
            *guard = Slot::Doubtful;
            guard
        })
    }

    /// What this reading took in did not come on record; a later reading knows that already.
    pub(crate) fn doubt(&self, reading: u64) {
        {
            let mut slot = self.lock();
            match &*slot {
                Slot::Known(state) if state.reading == reading => *slot = Slot::Doubtful,
                Slot::Known(_) | Slot::Doubtful => return,
            }
        }
        self.announce();
    }

    /// Wakes everyone who waits for something in this session.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Holds an action for a live call; `false` when another one holds it.
    pub(crate) fn hold(&self, id: &ActionId) -> bool {
        let mut holds = self.holds();
        if holds.contains_key(id) {
            return false;
        }
        holds.insert(id.clone(), None);
        true
    }

    pub(crate) fn let_go(&self, id: &ActionId) {
        self.holds().remove(id);
    }

    /// Leaves word of an action's end for the call that holds it.
    pub(crate) fn end(&self, id: &ActionId, refusal: Refusal) {
        if let Some(word) = self.holds().get_mut(id) {
            *word = Some(refusal);
        }
    }

    pub(crate) fn ended(&self, id: &ActionId) -> Option<Refusal> {
        self.holds().get(id).cloned().flatten()
    }

    pub(crate) fn is_held(&self) -> bool {
        !self.holds().is_empty()
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<ActionId, Option<Refusal>>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the session from the ledger unless it is known; `register` sees what was read before anybody else.
    ///
    /// # Errors
    /// The ledger cannot be read, or the session's chain is empty or does not follow from itself.
    pub(crate) async fn load(
        &self,
        id: &SessionId,
        ledger: &dyn Ledger,
        limits: Limits,
        contracts: &Contracts,
        register: impl FnOnce(&SessionState) + Send,
    ) -> Result<(), LedgerError> {
        if matches!(&*self.lock(), Slot::Known(_)) {
            return Ok(());
        }
        let _reader = self.flights.all_landed().await;
        if matches!(&*self.lock(), Slot::Known(_)) {
            return Ok(());
        }
        let records = ledger.read(&Chain::Session(id.clone()), 0).await?;
        let mut then = Then::new(ledger);
        let state = Box::pin(SessionState::replay(&records, limits, contracts, &mut then)).await?;
        let mut slot = self.lock();
        if matches!(&*slot, Slot::Doubtful) {
            register(&state);
            *slot = Slot::Known(Box::new(state));
        }
        Ok(())
    }
}

impl PrincipalCell {
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(Slot::Doubtful), flights: Flights::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Slot<PrincipalState>> {
        self.slot.lock().unwrap_or_else(|poisoned| {
            let mut guard = PoisonError::into_inner(poisoned);
            *guard = Slot::Doubtful;
            guard
        })
    }

    /// What this reading took in did not come on record; `None` when no reading knows what did.
    pub(crate) fn doubt(&self, reading: Option<u64>) {
        let mut slot = self.lock();
        if matches!(&*slot, Slot::Known(state) if reading.is_none_or(|reading| state.reading == reading)) {
            *slot = Slot::Doubtful;
        }
    }

    pub(crate) async fn load(&self, chain: &Chain, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        if matches!(&*self.lock(), Slot::Known(_)) {
            return Ok(());
        }
        let _reader = self.flights.all_landed().await;
        if matches!(&*self.lock(), Slot::Known(_)) {
            return Ok(());
        }
        let records = ledger.read(chain, 0).await?;
        let mut state = PrincipalState { principal: Principal::default(), head: None, reading: reading() };
        for stored in &records {
            let change: Change = serde_json::from_str(&stored.body).map_err(|error| {
                LedgerError::Damaged(format!("record {} of chain {chain}: {error}", stored.sequence))
            })?;
            state.principal.apply(&change);
            state.head = Some(head_of(stored));
        }
        let mut slot = self.lock();
        if matches!(&*slot, Slot::Doubtful) {
            *slot = Slot::Known(Box::new(state));
        }
        Ok(())
    }
}

impl SessionState {
    /// A session that has just been opened.
    pub(crate) fn new(context: Context, opener: Arc<Identity>, head: Head) -> Self {
        Self { context, opener, head: Some(head), notes: HashMap::new(), reading: reading() }
    }

    /// The fold over a session's chain, through the same functions as in life.
    async fn replay(
        records: &[Stored],
        limits: Limits,
        contracts: &Contracts,
        then: &mut Then<'_>,
    ) -> Result<Self, LedgerError> {
        let mut records = records.iter();
        let none = || LedgerError::Damaged("the session has no beginning".into());
        let first = records.next().ok_or_else(none)?;
        let begun = record::entry(first, |_| false, |tool| contracts(tool))?;
        let (What::Opened(opened), Some(identity)) = (begun.entry.what, begun.identity) else {
            return Err(none());
        };
        let mut context = Context::new(opened, begun.entry.at, limits);
        if begun.entry.erased {
            context.forgot();
        }
        let mut state = Self::new(context, Arc::new(identity), head_of(first));
        for stored in records {
            state.take(stored, contracts, then).await?;
        }
        Ok(state)
    }

    async fn take(
        &mut self,
        stored: &Stored,
        contracts: &Contracts,
        then: &mut Then<'_>,
    ) -> Result<(), LedgerError> {
        let context = &self.context;
        let (read, _) = then.read(stored, |id| context.find(id).is_some(), contracts).await?;
        self.context.replay(&read.entry).map_err(|error| LedgerError::Damaged(error.to_string()))?;
        self.head = Some(head_of(stored));
        if let Some(action) = &read.receipt.action {
            let id = ActionId::from(action.id.as_str());
            let digest =
                stored.digest.parse().map_err(|_| LedgerError::Damaged("a digest is malformed".into()))?;
            let prior = v1::Prior { digest, id: read.receipt.id.clone() };
            let note = Note { prior, face: read.receipt.face, enforcement: read.receipt.enforcement };
            self.note(&id, note);
        }
        Ok(())
    }

    /// Remembers the latest receipt of an action, as long as the session has to do with it.
    pub(crate) fn note(&mut self, id: &ActionId, note: Note) {
        if self.context.find(id).is_some() {
            self.notes.insert(id.clone(), note);
        } else {
            self.notes.remove(id);
        }
    }
}

fn head_of(stored: &Stored) -> Head {
    Head { sequence: stored.sequence, digest: Arc::clone(&stored.digest) }
}

fn reading() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static READINGS: AtomicU64 = AtomicU64::new(0);
    READINGS.fetch_add(1, Ordering::Relaxed)
}

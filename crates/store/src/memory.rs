//! The ledger without a disk: the whole contract, gone with the process.
//!
//! A batch is applied inside the call of `append`, so the order of commits is the order of calls; a delayed verdict
//! holds back the answer, and what is held back counts as the queue.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_engine::ports::{
    AppendError, Appending, Batch, Epochs, Head, Ledger, LedgerError, OpenAction, Query, RecordKind, Stored,
};

use crate::faults::{self, Hook, Point, Verdict};
use crate::rules::{self, Refused, View};

/// How many batches may wait for their answer unless said otherwise.
const QUEUE: usize = 4096;

/// A ledger in memory.
pub struct Memory {
    state: Mutex<State>,
    faults: Hook,
    waiting: Arc<AtomicUsize>,
    capacity: usize,
}

#[derive(Default)]
struct State {
    records: Vec<Stored>,
    chains: HashMap<Chain, Vec<usize>>,
    receipts: HashMap<Arc<str>, usize>,
    lookup: HashMap<Arc<str>, Chain>,
    open: BTreeMap<u64, OpenAction>,
    open_by_action: HashMap<ActionId, u64>,
    opened: u64,
    epochs: Epochs,
    kept: HashMap<Arc<str>, Arc<str>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty ledger that never fails.
    #[must_use]
    pub fn new() -> Self {
        Self::with_faults(faults::none())
    }

    /// An empty ledger that asks `faults` at [`Point::Append`] and [`Point::Check`].
    #[must_use]
    pub fn with_faults(faults: Hook) -> Self {
        Self { state: Mutex::default(), faults, waiting: Arc::default(), capacity: QUEUE }
    }

    /// The same ledger with room for so many batches whose answer is held back; the next one is refused.
    #[must_use]
    pub fn with_capacity(mut self, batches: usize) -> Self {
        self.capacity = batches;
        self
    }

    fn apply(&self, batch: &Batch) -> Result<(), AppendError> {
        let mut state = self.state.lock().map_err(|_| AppendError::Unavailable(POISONED.to_owned()))?;
        match rules::judge(&mut *state, batch) {
            Ok(plan) => {
                state.epochs = plan.epochs;
                state.write(batch);
                Ok(())
            }
            Err(Refused::Batch(error)) => Err(error),
            Err(Refused::View(never)) => match never {},
        }
    }

    fn read_state(&self) -> Result<MutexGuard<'_, State>, LedgerError> {
        self.state.lock().map_err(|_| LedgerError::Unavailable(POISONED.to_owned()))
    }
}

const POISONED: &str = "an earlier write panicked; restart";

#[async_trait]
impl Ledger for Memory {
    fn append(&self, batch: Batch) -> Appending {
        if self.waiting.load(Ordering::Acquire) >= self.capacity {
            return Box::pin(async { Err(AppendError::QueueFull) });
        }
        let (delay, answer) = match (self.faults)(&Point::Append(&batch)) {
            Verdict::Pass => (None, self.apply(&batch)),
            Verdict::Delay(time) => (Some(time), self.apply(&batch)),
            Verdict::FailBefore(error) => (None, Err(error)),
            Verdict::FailAfter(error) => (None, self.apply(&batch).and(Err(error))),
        };
        match delay {
            None => Box::pin(async { answer }),
            Some(time) => Box::pin(late(time, Place::take(&self.waiting), answer)),
        }
    }

    async fn head(&self, chain: &Chain) -> Result<Option<Head>, LedgerError> {
        Ok(self.read_state()?.last(chain))
    }

    async fn read(&self, chain: &Chain, from: u64) -> Result<Vec<Stored>, LedgerError> {
        let state = self.read_state()?;
        let places = state.chains.get(chain).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(places.len());
        Ok(places[from..].iter().map(|place| state.records[*place].clone()).collect())
    }

    async fn receipts(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        let state = self.read_state()?;
        let first = match &query.after {
            None => 0,
            Some(id) => match state.receipts.get(id) {
                Some(place) => place + 1,
                None => return Ok(Vec::new()),
            },
        };
        let found = state.records[first..].iter().filter(|record| selects(query, record)).cloned();
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        Ok(if query.newest {
            let mut last: Vec<_> = found.rev().take(limit).collect();
            last.reverse();
            last
        } else {
            found.take(limit).collect()
        })
    }

    async fn lookup(&self, key: &str) -> Result<Option<Chain>, LedgerError> {
        Ok(self.read_state()?.lookup.get(key).cloned())
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, LedgerError> {
        Ok(self.read_state()?.open.values().cloned().collect())
    }

    async fn sessions(&self, limit: usize) -> Result<Vec<SessionId>, LedgerError> {
        let state = self.read_state()?;
        let begun = state.records.iter().rev().filter(|record| record.sequence == 0);
        let sessions = begun.filter_map(|record| match &record.chain {
            Chain::Session(id) => Some(id.clone()),
            _ => None,
        });
        Ok(sessions.take(if limit == 0 { usize::MAX } else { limit }).collect())
    }

    async fn kept(&self, digest: &str) -> Result<Option<Arc<str>>, LedgerError> {
        Ok(self.read_state()?.kept.get(digest).cloned())
    }

    async fn epochs(&self) -> Result<Epochs, LedgerError> {
        Ok(self.read_state()?.epochs)
    }

    async fn check(&self) -> Result<(), LedgerError> {
        match (self.faults)(&Point::Check) {
            Verdict::Pass => Ok(()),
            Verdict::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Verdict::FailBefore(error) | Verdict::FailAfter(error) => {
                Err(LedgerError::Unavailable(error.to_string()))
            }
        }
    }
}

async fn late(time: Duration, place: Place, answer: Result<(), AppendError>) -> Result<(), AppendError> {
    tokio::time::sleep(time).await;
    drop(place);
    answer
}

/// A place in the queue, given back when the answer is taken or nobody waits for it any more.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn selects(query: &Query, record: &Stored) -> bool {
    let RecordKind::Receipt { id, action } = &record.kind else { return false };
    query.chain.as_ref().is_none_or(|chain| *chain == record.chain)
        && query.id.as_ref().is_none_or(|wanted| wanted == id)
        && query.action.as_ref().is_none_or(|wanted| Some(wanted) == action.as_ref())
}

impl State {
    fn last(&self, chain: &Chain) -> Option<Head> {
        let place = *self.chains.get(chain)?.last()?;
        let record = &self.records[place];
        Some(Head { sequence: record.sequence, digest: record.digest.clone() })
    }

    fn write(&mut self, batch: &Batch) {
        for record in &batch.records {
            let place = self.records.len();
            if let RecordKind::Receipt { id, .. } = &record.kind {
                self.receipts.insert(id.clone(), place);
            }
            if let Some(key) = &record.lookup {
                self.lookup.insert(key.clone(), record.chain.clone());
            }
            self.chains.entry(record.chain.clone()).or_default().push(place);
            self.records.push(Stored {
                chain: record.chain.clone(),
                sequence: record.sequence,
                digest: record.digest.clone(),
                kind: record.kind.clone(),
                body: record.body.clone(),
                disclosures: record.disclosures.clone(),
            });
        }
        for kept in &batch.keep {
            self.kept.entry(kept.digest.clone()).or_insert_with(|| kept.text.clone());
        }
        for open in &batch.open {
            let turn = *self.open_by_action.entry(open.action.clone()).or_insert_with(|| {
                self.opened += 1;
                self.opened
            });
            self.open.insert(turn, open.clone());
        }
        for action in &batch.close {
            if let Some(turn) = self.open_by_action.remove(action) {
                self.open.remove(&turn);
            }
        }
    }
}

impl View for State {
    type Error = Infallible;

    fn epochs(&mut self) -> Result<Epochs, Infallible> {
        Ok(self.epochs)
    }

    fn head(&mut self, chain: &Chain) -> Result<Option<Head>, Infallible> {
        Ok(self.last(chain))
    }

    fn taken(&mut self, id: &str) -> Result<bool, Infallible> {
        Ok(self.receipts.contains_key(id))
    }

    fn begun(&mut self, key: &str) -> Result<Option<Chain>, Infallible> {
        Ok(self.lookup.get(key).cloned())
    }
}

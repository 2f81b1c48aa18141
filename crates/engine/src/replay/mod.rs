//! Recorded rulings asked for again: each question as it stood then, and whether it gets the same answer.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Replay`]: each chain folded once, in the order in which receipts were committed |
//! | `past` | what governed when: halts, sets and terms, by the epochs that a receipt names |
//! | `principals` | what humans, agents and linked sessions had done at the heads that a receipt names |
//! | [`asked`] | [`Recorded`]: one ruling with everything that it was made on, and what asking again says |
//!
//! A session's chain is folded up to the receipt, and the chains of its human, its agent and its delegation up to the
//! heads that the receipt names, through the same functions as in life. The policy, the terms and the contracts of then
//! are kept beside the ledger; where one is not, [`Today`] stands in for it and the answer says so.

pub mod asked;
mod past;
mod principals;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decision::Ruling;
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Limits, Transition};
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Entry, What};

use crate::kept::{Terms, Then};
use crate::ports::{Ledger, LedgerError, Query, Stored};
use crate::record::ReadBack;
use crate::state::Contracts;
pub use asked::{Answer, Difference, How, Lack, Recorded};
use past::Past;
use principals::Principals;

/// What holds today: it stands in for what was not kept.
#[derive(Clone)]
pub struct Today {
    /// Who approves, what may wait, how long things last.
    pub terms: Terms,
    /// What tools do.
    pub contracts: Contracts,
    /// Sets at hand, found by their digests.
    pub policies: Vec<Arc<PolicySet>>,
}

/// A ledger on its way through once more. Hand in its receipts in the order in which they were committed, or any one of
/// them alone.
pub struct Replay<'l> {
    ledger: &'l dyn Ledger,
    today: Today,
    past: Past,
    sessions: BTreeMap<SessionId, Session>,
    principals: Principals,
    contracts: Then<'l>,
    /// What was handed in last: it counts before the next one is looked at.
    pending: Option<(SessionId, u64, Entry)>,
}

/// A session as far as it has been folded.
struct Session {
    context: Context,
    /// The number of the entry that comes next.
    next: u64,
    /// The number of its last entry, when that was looked up.
    last: u64,
    /// Whether a text of it was erased so far.
    forgot: bool,
    /// Actions whose contract of then is not kept.
    uncertain: Vec<ActionId>,
}

/// A ruling as it stands in a receipt.
struct Found {
    ruling: Arc<Ruling>,
    action: Arc<Action>,
    identity: Arc<Identity>,
    how: How,
    /// Whether its arguments are closed.
    erased: bool,
    /// Whether its contract is the one of then.
    contract: bool,
}

impl<'l> Replay<'l> {
    /// Makes ready to go through this ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn of(ledger: &'l dyn Ledger, today: Today) -> Result<Self, LedgerError> {
        Ok(Self {
            ledger,
            today,
            past: Past::of(ledger).await?,
            sessions: BTreeMap::new(),
            principals: Principals::default(),
            contracts: Then::new(ledger),
            pending: None,
        })
    }

    /// The ruling whose receipt has this id; `None` where there is no such receipt, or it records no ruling.
    ///
    /// # Errors
    /// The ledger cannot be read, or holds what this program did not write.
    pub async fn ruling(&mut self, id: &str) -> Result<Option<Recorded<'_>>, LedgerError> {
        let query = Query { id: Some(id.into()), ..Query::default() };
        match self.ledger.receipts(&query).await?.pop() {
            Some(stored) => self.next(stored).await,
            None => Ok(None),
        }
    }

    /// Takes the next receipt in; `None` where it records no ruling.
    ///
    /// # Errors
    /// The ledger cannot be read, or holds what this program did not write.
    pub async fn next(&mut self, stored: Stored) -> Result<Option<Recorded<'_>>, LedgerError> {
        self.settle().await?;
        let Chain::Session(id) = stored.chain.clone() else { return Ok(None) };
        self.fold_up_to(&id, &stored).await?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(None) };
        let context = &session.context;
        let known = |action: &ActionId| context.find(action).is_some();
        let (read, kept) = self.contracts.read(&stored, known, &self.today.contracts).await?;
        session.forgot |= read.entry.erased;
        let found = found(session, &read, kept);
        let forgot = session.forgot;
        let ReadBack { receipt, entry, .. } = read;
        let now = entry.at;
        self.pending = Some((id.clone(), stored.sequence, entry));
        let Some(found) = found else { return Ok(None) };
        if !found.contract && matches!(found.how, How::First) {
            session.uncertain.push(found.action.id.clone());
        }
        let governing = self.past.governing(self.ledger, &receipt, &self.today).await?;
        let chains = {
            let opened = session.context.opened();
            [Chain::Human(Arc::clone(&opened.human)), Chain::Agent(Arc::clone(&opened.agent)), opened.tree()]
        };
        for chain in &chains {
            self.principals.bring_to(self.ledger, chain, &receipt).await?;
        }
        let [human, agent, linked] = chains.map(|chain| self.principals.get(&chain));
        let Some(session) = self.sessions.get(&id) else { return Ok(None) };
        Ok(Some(Recorded {
            receipt,
            ruling: found.ruling,
            action: found.action,
            identity: found.identity,
            how: found.how,
            context: &session.context,
            human,
            agent,
            linked,
            environment: governing.environment,
            limits: governing.limits,
            policy: governing.policy,
            now,
            lacks: asked::Lacks {
                arguments: found.erased,
                texts: forgot,
                contract: !found.contract,
                terms: !governing.kept,
            },
            stored,
        }))
    }

    /// What was handed in last counts; a session whose last entry that was is let go.
    async fn settle(&mut self) -> Result<(), LedgerError> {
        let Some((id, sequence, entry)) = self.pending.take() else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if !matches!(entry.what, What::Opened(_)) {
            session.take(&entry)?;
        }
        session.next = sequence + 1;
        if sequence >= session.last {
            // A daemon may have gone on meanwhile.
            let head = self.ledger.head(&Chain::Session(id.clone())).await?;
            session.last = head.map_or(0, |head| head.sequence);
            if sequence >= session.last {
                self.sessions.remove(&id);
            }
        }
        Ok(())
    }

    /// Has the session folded up to, and without, this receipt.
    async fn fold_up_to(&mut self, id: &SessionId, stored: &Stored) -> Result<(), LedgerError> {
        if self.sessions.get(id).is_some_and(|session| session.next == stored.sequence) {
            return Ok(());
        }
        let none = || LedgerError::Damaged("the session has no beginning".into());
        let chain = Chain::Session(id.clone());
        let last = self.ledger.head(&chain).await?.map_or(0, |head| head.sequence);
        // The first receipt of a session is at hand; what lies before a later one is read.
        let before = match stored.sequence {
            0 => vec![stored.clone()],
            _ => self.ledger.read(&chain, 0).await?,
        };
        let mut records = before.iter().filter(|one| one.sequence < stored.sequence.max(1));
        let first = records.next().ok_or_else(none)?;
        let (begun, _) = self.contracts.read(first, |_| false, &self.today.contracts).await?;
        let limits = self.past.governing(self.ledger, &begun.receipt, &self.today).await?.limits;
        let mut session = Session::begun(&begun, limits, last).ok_or_else(none)?;
        for one in records {
            let context = &session.context;
            let known = |action: &ActionId| context.find(action).is_some();
            let (read, _) = self.contracts.read(one, known, &self.today.contracts).await?;
            session.take(&read.entry)?;
        }
        session.next = stored.sequence;
        self.sessions.insert(id.clone(), session);
        Ok(())
    }
}

impl Session {
    fn begun(read: &ReadBack, limits: Limits, last: u64) -> Option<Self> {
        let What::Opened(opened) = &read.entry.what else { return None };
        let mut context = Context::new(opened.clone(), read.entry.at, limits);
        let forgot = read.entry.erased;
        if forgot {
            context.forgot();
        }
        Some(Self { context, next: 0, last, forgot, uncertain: Vec::new() })
    }

    fn take(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        self.forgot |= entry.erased;
        self.context.replay(entry).map(drop).map_err(|error| LedgerError::Damaged(error.to_string()))
    }
}

/// The ruling that an entry records, if it does.
fn found(session: &Session, read: &ReadBack, kept: bool) -> Option<Found> {
    match &read.entry.what {
        What::Submitted { action, identity, transition: Transition::Ruled(ruling) } => Some(Found {
            ruling: Arc::clone(ruling),
            action: Arc::clone(action),
            identity: Arc::clone(identity),
            how: How::First,
            erased: read.entry.erased,
            contract: kept,
        }),
        What::Moved {
            action,
            transition: transition @ (Transition::Ruled(ruling) | Transition::Resolved(ruling)),
        } => {
            let tracked = session.context.find(action)?;
            let resolved = matches!(transition, Transition::Resolved(_));
            Some(Found {
                ruling: Arc::clone(ruling),
                action: Arc::clone(&tracked.action),
                identity: Arc::clone(&tracked.identity),
                how: if resolved { How::Resolved } else { How::Claimed },
                erased: !tracked.readable,
                contract: !session.uncertain.contains(action),
            })
        }
        _ => None,
    }
}

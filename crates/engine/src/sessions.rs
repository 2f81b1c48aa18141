//! How sessions begin and are found again. A session is ours, never the transport's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::identity::Identity;
use countersign_core::names::{Chain, SessionId};
use countersign_core::session::{Change, Context, Opened, What};
use countersign_receipt::v1;

use crate::classify;
use crate::commit::{Failure, Plan, TRIES, join, look};
use crate::engine::{Engine, window_key};
use crate::mediator::{Caller, OpenSession, Opening, ReceiptRef, Refusal};
use crate::ports::{AppendError, Batch, Expected, Head};
use crate::record::seal::{Place, seal};
use crate::record::write::{Draft, Source};
use crate::state::{SessionState, Slot};

impl Engine {
    /// Opens a session. Its beginning is on record before this returns.
    ///
    /// # Errors
    /// It could not be recorded.
    pub async fn open_session(&self, opening: Opening) -> Result<OpenSession, Refusal> {
        self.try_open(opening).await.map_err(|failure| self.unrecorded(None, &failure))
    }

    async fn try_open(&self, opening: Opening) -> Result<OpenSession, Failure> {
        let now = self.now();
        let identity = Arc::clone(&opening.caller.identity);
        let opened = Opened {
            session: SessionId::new(format!("ses_{}", uuid::Uuid::now_v7().simple())),
            source: opening.source,
            human: Arc::clone(&identity.human.id),
            agent: Arc::clone(&identity.agent.id),
            inherits: opening.inherits,
            labels: opening.labels,
            request: opening.request,
            intent: opening.intent,
        };
        let Caller { face, enforcement, .. } = opening.caller;
        let source = Source { session: &opened, identity: &identity, face, enforcement };
        let draft = Draft::opened(source, BTreeMap::new(), now);
        let (head, receipt) = self.begin_chain(&opened, draft, opening.lookup).await?;
        let id = opened.session.clone();
        let context = Context::new(opened, now, self.0.settings.limits);
        self.put_session(id.clone(), SessionState::new(context, identity, head));
        Ok(OpenSession { id, receipt })
    }

    /// Records a beginning. What the session begins with counts for its human and its agent from then on.
    async fn begin_chain(
        &self,
        opened: &Opened,
        draft: Draft,
        lookup: Option<Arc<str>>,
    ) -> Result<(Head, ReceiptRef), Failure> {
        let chain = Chain::Session(opened.session.clone());
        let marks = Change { labels: opened.labels.clone(), ..Change::default() };
        for _ in 0..TRIES {
            let principals =
                [Chain::Human(Arc::clone(&opened.human)), Chain::Agent(Arc::clone(&opened.agent))];
            let [human, agent] = self.principals(principals).await?;
            let (head, receipt, appending, readings, flights) = {
                let (mut human_slot, mut agent_slot) = (human.1.lock(), agent.1.lock());
                let (Slot::Known(human_state), Slot::Known(agent_state)) =
                    (&mut *human_slot, &mut *agent_slot)
                else {
                    continue;
                };
                let readings = (human_state.reading, agent_state.reading);
                let mut joining = vec![(&human.0, human_state), (&agent.0, agent_state)];
                joining.retain(|_| !marks.is_empty());
                let heads = joining.iter().map(|(chain, state)| (*chain, state.head.as_ref())).collect();
                let epochs = self.governing().epochs;
                let place = Place { head: None, principals: heads, epochs, prior: None };
                let mut sealed =
                    seal(draft.clone(), &chain, &place, &*self.0.signer).map_err(Failure::Receipt)?;
                sealed.record.lookup.clone_from(&lookup);
                let head = Head { sequence: 0, digest: Arc::clone(&sealed.record.digest) };
                let receipt =
                    ReceiptRef { id: sealed.link.id.as_str().into(), digest: Arc::clone(&head.digest) };
                let expect = vec![Expected { chain: chain.clone(), head: None }];
                let mut batch = Batch { expect, records: vec![sealed.record.clone()], ..Batch::default() };
                for (chain, state) in joining {
                    join(chain, state, &marks, &sealed, &mut batch);
                }
                let flights = [&human.1, &agent.1].map(|cell| cell.flights.take_off());
                (head, receipt, self.0.ledger.append(batch), readings, flights)
            };
            let Err(error) = appending.await else { return Ok((head, receipt)) };
            human.1.doubt(Some(readings.0));
            agent.1.doubt(Some(readings.1));
            drop(flights);
            // Only a principal that moved on in between is worth another try.
            if !matches!(&error, AppendError::Conflict(moved) if *moved != chain.to_string()) {
                return Err(Failure::Append(error));
            }
        }
        Err(Failure::Contention)
    }

    /// The session that was opened under this key.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn find_session(&self, lookup: &str) -> Result<Option<SessionId>, Failure> {
        if let Some(id) = self.by_lookup().get(lookup) {
            return Ok(Some(id.clone()));
        }
        match self.0.ledger.lookup(lookup).await.map_err(Failure::Read)? {
            Some(Chain::Session(id)) => {
                self.by_lookup().insert(lookup.to_owned(), id.clone());
                Ok(Some(id))
            }
            _ => Ok(None),
        }
    }

    /// The session that a principal's calls share when nothing else names one: it lasts until it has been idle.
    ///
    /// # Errors
    /// It could neither be found nor opened.
    pub async fn window(&self, caller: &Caller) -> Result<SessionId, Refusal> {
        let key = window_key(&caller.identity);
        let mut windows = self.0.windows.lock().await;
        let known = match windows.get(&key) {
            Some(id) => Some(id.clone()),
            None => self.latest_window(&key).await.map_err(|failure| self.unrecorded(None, &failure))?,
        };
        if let Some(id) = &known
            && self.is_recent(id).await
        {
            windows.insert(key, id.clone());
            return Ok(id.clone());
        }
        let place = known.map_or_else(|| key.clone(), |before| window_after(&key, &before));
        let opening = Opening {
            caller: caller.clone(),
            source: "window".into(),
            inherits: true,
            labels: BTreeSet::new(),
            request: None,
            intent: None,
            lookup: Some(place.into()),
        };
        let opened = self.open_session(opening).await?;
        windows.insert(key, opened.id.clone());
        Ok(opened.id)
    }

    /// A lookup key leads to one session for ever, so each window after the first is found by the one before it.
    async fn latest_window(&self, key: &str) -> Result<Option<SessionId>, Failure> {
        let mut latest = self.find_session(key).await?;
        while let Some(id) = &latest {
            match self.find_session(&window_after(key, id)).await? {
                None => break,
                later => latest = later,
            }
        }
        Ok(latest)
    }

    async fn is_recent(&self, id: &SessionId) -> bool {
        let Ok(cell) = self.session(id).await else { return false };
        let last =
            look(&cell.lock(), |context| (context.last(), context.tracked().any(|t| t.life.due().is_some())));
        last.is_some_and(|(last, open)| open || self.now() - last < self.0.settings.window_idle)
    }

    /// Records a further turn of the user, as its host reports it.
    ///
    /// # Errors
    /// It could not be recorded.
    pub async fn add_turn(
        &self,
        session: &SessionId,
        host: &str,
        text: Arc<str>,
    ) -> Result<ReceiptRef, Failure> {
        self.note(session, |turn| {
            let what = What::Turn { host: host.into(), text: Some(Arc::clone(&text)) };
            let source = api_source(turn.session.context.opened(), &turn.session.opener);
            let draft = Draft::turn(source, host, &text, turn.now);
            (what, draft)
        })
        .await
    }

    /// Records that something other than an outcome is about to reach the agent; only after `Ok` may it.
    ///
    /// # Errors
    /// It could not be recorded: it must not reach the agent.
    pub async fn observe(
        &self,
        session: &SessionId,
        caller: &Caller,
        source: &str,
        labels: &BTreeSet<Arc<str>>,
        text: Arc<str>,
    ) -> Result<ReceiptRef, Failure> {
        let labels = classify::notice(labels, &text);
        self.note(session, |turn| {
            let what = What::Observed {
                source: source.into(),
                labels: labels.clone(),
                text: Some(Arc::clone(&text)),
            };
            let from = Source {
                session: turn.session.context.opened(),
                identity: &caller.identity,
                face: caller.face,
                enforcement: caller.enforcement,
            };
            (what, Draft::observed(from, source, &labels, &text, turn.now))
        })
        .await
    }

    async fn note(
        &self,
        session: &SessionId,
        event: impl Fn(&crate::commit::Turn<'_>) -> (What, Draft) + Send + Sync,
    ) -> Result<ReceiptRef, Failure> {
        let committed = self
            .transact(session, |turn| {
                let (what, draft) = event(turn);
                match turn.session.context.apply(&what, turn.now) {
                    Ok(change) => Plan::Other { draft: Box::new(draft), change },
                    Err(_) => Plan::Nothing,
                }
            })
            .await?
            .ok_or(Failure::Moved)?;
        Ok(committed.receipt)
    }

    /// Reads a session's context.
    ///
    /// # Errors
    /// There is no such session, or the ledger cannot be read.
    pub async fn context<T>(
        &self,
        id: &SessionId,
        read: impl FnOnce(&Context) -> T + Send,
    ) -> Result<T, Failure> {
        let cell = self.session(id).await?;
        let slot = cell.lock();
        look(&slot, read).ok_or(Failure::Moved)
    }
}

fn window_after(key: &str, before: &SessionId) -> String {
    format!("{key}|after:{before}")
}

fn api_source<'a>(session: &'a Opened, identity: &'a Identity) -> Source<'a> {
    Source { session, identity, face: v1::Face::Api, enforcement: v1::Enforcement::None }
}

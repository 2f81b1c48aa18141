//! How sessions begin and are found again. A session is ours, never the transport's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::identity::Identity;
use countersign_core::names::{Chain, SessionId};
use countersign_core::session::{Context, Opened, What};
use countersign_receipt::v1;

use crate::beginning::Beginning;
use crate::classify;
use crate::commit::{Failure, Plan, look};
use crate::delegation::carrying;
use crate::engine::{Engine, window_key};
use crate::mediator::{Caller, OpenSession, Opening, ReceiptRef, Refusal};
use crate::record::write::{Draft, Source};
use crate::state::SessionState;

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
            delegated: None,
        };
        let link = match &opening.delegation {
            Some(delegation) => Some(self.link(delegation, &opened.human).await?),
            None => None,
        };
        let opened = Opened { delegated: link.as_ref().map(|link| link.delegated.clone()), ..opened };
        let identity = carrying(&identity, &opened);
        let Caller { face, enforcement, .. } = opening.caller;
        let source = Source { session: &opened, identity: &identity, face, enforcement };
        let draft = Draft::opened(source, BTreeMap::new(), now);
        let beginning = Beginning { opened: &opened, draft, lookup: opening.lookup, link: link.as_ref() };
        let (head, receipt) = self.begin_chain(&beginning).await?;
        let id = opened.session.clone();
        let context = Context::new(opened, now, self.0.settings.limits);
        self.put_session(id.clone(), SessionState::new(context, identity, head));
        Ok(OpenSession { id, receipt })
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
            delegation: None,
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
        let labels = classify::notice(labels, &text, &self.governing().policy);
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

//! Waits for context (`R4.defer`): facts come in, dependencies end, and what waits is decided again.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use countersign_core::lifecycle::{Input, Output, State};
use countersign_core::names::{ActionId, SessionId};
use countersign_core::session::What;
use countersign_core::time::Span;
use countersign_receipt::v1;
use serde_json::Value;

use crate::commit::{Failure, Plan, look, to_its_end};
use crate::engine::Engine;
use crate::mediator::ReceiptRef;
use crate::record::write::{Draft, Source};

impl Engine {
    /// Takes facts from somebody entitled to give them, who has them from `source` or from itself. They are on record
    /// before this returns; what waits for them is decided again.
    ///
    /// # Errors
    /// The facts could not be recorded and do not count.
    pub async fn give_facts(
        &self,
        session: &SessionId,
        facts: BTreeMap<Arc<str>, Value>,
        giver: &str,
        source: Option<&str>,
        valid_for: Option<Span>,
    ) -> Result<ReceiptRef, Failure> {
        let valid_for = valid_for.unwrap_or(self.0.settings.fact_validity);
        let committed = self
            .transact(session, |turn| {
                let valid_until = turn.now + valid_for;
                let what = What::Facts {
                    facts: facts.clone(),
                    erased: [].into(),
                    giver: giver.into(),
                    source: source.map(Arc::from),
                    valid_until,
                };
                let Ok(change) = turn.session.context.apply(&what, turn.now) else { return Plan::Nothing };
                let from = Source {
                    session: turn.session.context.opened(),
                    identity: &turn.session.opener,
                    face: v1::Face::Api,
                    enforcement: v1::Enforcement::None,
                };
                let draft = Draft::facts(from, &facts, (giver, source), valid_until, turn.now);
                Plan::Other { draft: Box::new(draft), change }
            })
            .await?
            .ok_or(Failure::Moved)?;
        let (engine, session) = (self.clone(), session.clone());
        to_its_end(async move {
            engine.reconsider(&session).await;
            Ok(committed.receipt)
        })
        .await
    }

    /// Decides again, soon, about everything in the session that waits for context.
    pub(crate) fn reconsider_soon(&self, session: &SessionId) {
        if !self.has_open(session) {
            return;
        }
        let (engine, session) = (self.clone(), session.clone());
        tokio::spawn(async move { engine.reconsider(&session).await });
    }

    /// Decides again about everything in the session that waits for context, oldest first (`R4.defer.order`).
    pub async fn reconsider(&self, session: &SessionId) {
        // What ends here may be what another one waits for: until nothing changes any more.
        while self.reconsider_once(session).await {}
    }

    async fn reconsider_once(&self, session: &SessionId) -> bool {
        let Ok(cell) = self.session(session).await else { return false };
        let waiting = look(&cell.lock(), |context| {
            let on_context = |state: &State| matches!(state, State::Waiting { on_person: false, .. });
            context
                .deferred()
                .filter(|t| on_context(t.life.state()))
                .map(|t| t.action.id.clone())
                .collect::<Vec<ActionId>>()
        });
        let mut ended = false;
        for id in waiting.unwrap_or_default() {
            ended |= self.decide_again(session, &id).await;
        }
        ended
    }

    /// Whether the action is over now.
    async fn decide_again(&self, session: &SessionId, id: &ActionId) -> bool {
        let committed = self
            .transact(session, |turn| {
                let Some(tracked) = turn.session.context.find(id) else { return Plan::Nothing };
                let (action, identity) = (Arc::clone(&tracked.action), Arc::clone(&tracked.identity));
                let ruling = Arc::new(turn.decide(&action, &identity));
                turn.advance(id, Input::Ruled(ruling))
            })
            .await;
        let committed = match committed {
            Ok(Some(committed)) => committed,
            Ok(None) => return false,
            Err(failure) => {
                tracing::warn!(action = %id, %failure, "a waiting action could not be decided again; tried again soon");
                let mut again = self.0.again.lock().unwrap_or_else(PoisonError::into_inner);
                again.insert(session.clone());
                return false;
            }
        };
        matches!(committed.output, Output::Refuse(_))
    }
}

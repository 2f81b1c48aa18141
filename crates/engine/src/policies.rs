//! Putting another policy set in force, as a whole (`R3.reload`).

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::names::SessionId;
use countersign_core::policy::PolicySet;
use countersign_receipt::values::Plain;

use crate::commit::{Failure, to_its_end};
use crate::engine::{Engine, Governing};
use crate::mediator::ReceiptRef;

impl Engine {
    /// Puts a set in force. On record before this returns; from then on every ruling is made under it, and
    /// what waits for context is decided again. `None` when it is in force already.
    ///
    /// # Errors
    /// It could not be recorded; the old set stays in force.
    pub async fn activate(&self, set: PolicySet, by: &str) -> Result<Option<ReceiptRef>, Failure> {
        let (engine, by) = (self.clone(), by.to_owned());
        to_its_end(async move { engine.activate_now(set, &by).await }).await
    }

    async fn activate_now(&self, set: PolicySet, by: &str) -> Result<Option<ReceiptRef>, Failure> {
        let _order = self.0.system.lock().await;
        let before = self.governing();
        if before.policy.reference().digest == set.reference().digest {
            return Ok(None);
        }
        let subject = subject(&set, by);
        let (receipt, epochs) = self.append_set(&set, subject).await?;
        let environment = Arc::clone(&before.environment);
        self.0.governing.store(Arc::new(Governing { policy: Arc::new(set), environment, epochs }));
        let mut sessions: Vec<SessionId> =
            self.open_actions().into_iter().map(|(_, session)| session).collect();
        sessions.sort();
        sessions.dedup();
        for session in sessions {
            self.reconsider_soon(&session);
        }
        Ok(Some(receipt))
    }
}

/// What a receipt says of a set.
pub(crate) fn subject(set: &PolicySet, by: &str) -> BTreeMap<String, Plain> {
    let reference = set.reference();
    BTreeMap::from([
        ("by".to_owned(), Plain::from(by)),
        ("digest".to_owned(), Plain::from(&*reference.digest)),
        ("id".to_owned(), Plain::from(&*reference.id)),
        ("rules".to_owned(), Plain::from(i64::try_from(set.rules().len()).unwrap_or(i64::MAX))),
        ("version".to_owned(), Plain::from(&*reference.version)),
    ])
}

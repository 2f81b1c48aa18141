//! The ledger's rulings, each with the question that it answered.

use std::sync::Arc;

use countersign_core::names::{Chain, SessionId};
use countersign_core::policy::PolicySet;
use countersign_engine::kept::Terms;
use countersign_engine::ports::{Ledger as _, Query, RecordKind};
use countersign_engine::replay::{Recorded, Replay, Today};
use countersign_store::{DisclosureKey, Sqlite};

use crate::commands::receipt;
use crate::config::Config;
use crate::error::CommandError;
use crate::policies;

/// How many receipts are read at once.
const PAGE: usize = 500;

/// A ledger that is read with its texts.
pub(crate) struct Recordings {
    ledger: Sqlite,
    today: Today,
}

impl Recordings {
    /// Opens the configured ledger and its texts.
    ///
    /// # Errors
    /// The ledger or the disclosure key cannot be read, or the reviewed contracts are faulty.
    pub(crate) async fn open(config: &Config) -> Result<Self, CommandError> {
        let key = DisclosureKey::open(&config.keys).map_err(|error| {
            CommandError::store("arguments and policies of then stay closed without the disclosure key")
                .cause(&error)
                .hint("run this where the daemon's key folder can be read")
        })?;
        let ledger = receipt::open(config, Some(&key))?;
        let today = Today {
            terms: Terms { environment: config.environment(), limits: config.limits() },
            contracts: config.contracts(&ledger).await?,
            // They only stand in for a set whose text is not kept: faulty ones stand in for none.
            policies: policies::load(&config.policies).map(Arc::new).into_iter().collect(),
        };
        Ok(Self { ledger, today })
    }

    /// The set whose digest this is, as it was in force here.
    ///
    /// # Errors
    /// The ledger cannot be read, or keeps no such set.
    pub(crate) async fn set(&self, digest: &str) -> Result<PolicySet, CommandError> {
        let text = self.ledger.kept(digest).await.map_err(|error| receipt::unread(&error))?;
        let none = || {
            CommandError::no(format!(
                "no policy set {digest} was in force here, as far as the ledger keeps them"
            ))
            .hint("`countersign receipt list` names the sets that came into force")
        };
        countersign_core::policy::Source::load(&text.ok_or_else(none)?).map_err(|faults| {
            CommandError::configuration(format!("the kept set {digest} does not load")).faults(faults)
        })
    }

    /// Hands every ruling to `each`, in the order in which they were made.
    ///
    /// # Errors
    /// The ledger cannot be read, holds what this program did not write, or has no such session.
    pub(crate) async fn each(
        &self,
        session: Option<&str>,
        mut each: impl FnMut(&Recorded<'_>),
    ) -> Result<(), CommandError> {
        let unread = |error| receipt::unread(&error);
        let mut replay = Replay::of(&self.ledger, self.today.clone()).await.map_err(unread)?;
        let chain = session.map(|id| Chain::Session(SessionId::new(id)));
        let mut query = Query { chain, limit: PAGE, ..Query::default() };
        let mut first = true;
        loop {
            let page = self.ledger.receipts(&query).await.map_err(unread)?;
            if let (true, true, Some(id)) = (first, page.is_empty(), session) {
                return Err(CommandError::no(format!("there is no session `{id}`"))
                    .hint("`countersign receipt list` names sessions"));
            }
            first = false;
            let whole = page.len() == PAGE;
            for stored in page {
                if let RecordKind::Receipt { id, .. } = &stored.kind {
                    query.after = Some(Arc::clone(id));
                }
                if let Some(found) = replay.next(stored).await.map_err(unread)? {
                    each(&found);
                }
            }
            if !whole {
                return Ok(());
            }
        }
    }

    /// The ruling whose receipt has this id, if the ledger has it.
    ///
    /// # Errors
    /// The ledger cannot be read, or holds what this program did not write.
    pub(crate) async fn one<T>(
        &self,
        id: &str,
        look: impl FnOnce(&Recorded<'_>) -> T,
    ) -> Result<Option<T>, CommandError> {
        let unread = |error| receipt::unread(&error);
        let mut replay = Replay::of(&self.ledger, self.today.clone()).await.map_err(unread)?;
        Ok(replay.ruling(id).await.map_err(unread)?.as_ref().map(look))
    }
}

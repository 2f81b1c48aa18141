//! Lowering a high-water mark: a host or operator says that what a person or agent has seen no longer counts
//! in sessions that inherit. Never done by itself, always with a reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::names::Chain;
use countersign_core::session::Change;
use countersign_receipt::v1;
use countersign_receipt::values::Plain;

use crate::commit::Failure;
use crate::engine::Engine;
use crate::mediator::ReceiptRef;
use crate::ports::{AppendError, Batch, Expected, Record, RecordKind};
use crate::record::seal::{Place, seal};
use crate::record::write::Draft;

/// Tries before moving heads are given up.
const TRIES: u32 = 8;

/// Whose mark it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person.
    Human(Arc<str>),
    /// An agent instance.
    Agent(Arc<str>),
}

impl Principal {
    fn chain(&self) -> Chain {
        match self {
            Self::Human(id) => Chain::Human(Arc::clone(id)),
            Self::Agent(id) => Chain::Agent(Arc::clone(id)),
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Human(_) => "human",
            Self::Agent(_) => "agent",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Human(id) | Self::Agent(id) => id,
        }
    }
}

impl Engine {
    /// Lowers a high-water mark: one receipt in the system chain and, with it or not at all, one entry in the
    /// principal's. `None` when nothing is known of the principal, so that there is no mark.
    ///
    /// # Errors
    /// It could not be recorded; the mark stays.
    pub async fn lower_mark(
        &self,
        principal: &Principal,
        reason: &str,
        by: &str,
    ) -> Result<Option<ReceiptRef>, Failure> {
        let _order = self.0.system.lock().await;
        let chain = principal.chain();
        for attempt in 0..TRIES {
            let Some((batch, receipt)) = self.mark(principal, &chain, reason, by).await? else {
                return Ok(None);
            };
            let appended = self.0.ledger.append(batch).await;
            self.doubt_principal(&chain);
            match appended {
                Ok(()) => return Ok(Some(receipt)),
                // The principal acted in between.
                Err(AppendError::Conflict(_)) => {
                    tokio::time::sleep(Duration::from_millis(1 << attempt)).await
                }
                Err(error) => return Err(Failure::Append(error)),
            }
        }
        Err(Failure::Contention)
    }

    async fn mark(
        &self,
        principal: &Principal,
        chain: &Chain,
        reason: &str,
        by: &str,
    ) -> Result<Option<(Batch, ReceiptRef)>, Failure> {
        let ledger = &self.0.ledger;
        let Some(marked) = ledger.head(chain).await.map_err(Failure::Read)? else { return Ok(None) };
        let head = ledger.head(&Chain::System).await.map_err(Failure::Read)?;
        let mut draft = Draft::new(v1::Kind::Mark, &Chain::System, self.now());
        draft.receipt.subject = Some(BTreeMap::from([
            ("by".to_owned(), Plain::from(by)),
            ("id".to_owned(), Plain::from(principal.id())),
            ("reason".to_owned(), Plain::from(reason)),
            ("scope".to_owned(), Plain::from(principal.word())),
        ]));
        let epochs = ledger.epochs().await.map_err(Failure::Read)?;
        let place =
            Place { head: head.as_ref(), principals: vec![(chain, Some(&marked))], epochs, prior: None };
        let sealed = seal(draft, &Chain::System, &place, &*self.0.signer).map_err(Failure::Receipt)?;
        let change = Change { lowered: true, ..Change::default() };
        let body = serde_json::to_string(&change).map_err(|error| Failure::Receipt(error.to_string()))?;
        let link = Record {
            chain: chain.clone(),
            sequence: marked.sequence + 1,
            digest: Arc::clone(&sealed.record.digest),
            kind: RecordKind::Link,
            body: body.into(),
            disclosures: None,
            at: sealed.record.at,
            lookup: None,
        };
        let receipt =
            ReceiptRef { id: sealed.link.id.as_str().into(), digest: Arc::clone(&sealed.record.digest) };
        let expect = vec![
            Expected { chain: Chain::System, head },
            Expected { chain: chain.clone(), head: Some(marked) },
        ];
        Ok(Some((Batch { expect, records: vec![sealed.record, link], ..Batch::default() }, receipt)))
    }
}

//! Summaries of requests that were turned away before anybody knew whose they were: counted at the door and
//! recorded together, so that nobody can fill the ledger from outside.

use std::collections::BTreeMap;

use countersign_core::time::Time;
use countersign_receipt::v1;
use countersign_receipt::values::{Plain, Time as WireTime};

use crate::commit::Failure;
use crate::engine::Engine;
use crate::mediator::ReceiptRef;

impl Engine {
    /// Records how many requests were turned away since `since`, by reason.
    ///
    /// # Errors
    /// It could not be recorded.
    pub async fn summarise_refusals(
        &self,
        counts: &BTreeMap<&'static str, u64>,
        since: Time,
    ) -> Result<ReceiptRef, Failure> {
        let _order = self.0.system.lock().await;
        let mut subject: BTreeMap<String, Plain> = counts
            .iter()
            .map(|(why, count)| ((*why).to_owned(), Plain::from(i64::try_from(*count).unwrap_or(i64::MAX))))
            .collect();
        subject.insert("since".to_owned(), Plain::from(WireTime::from_unix_millis(since.0).to_string()));
        let (receipt, _) = self.append_system(v1::Kind::Refusals, subject, &[]).await?;
        Ok(receipt)
    }
}

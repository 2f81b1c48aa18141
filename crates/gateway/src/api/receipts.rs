//! What auditors read: receipts as they verify, with what is disclosed of them.

use axum::Json;
use axum::extract::State;
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_engine::ports::{Query as LedgerQuery, RecordKind, Stored};
use serde_json::value::RawValue;

use super::body::Query;
use super::sessions::within;
use super::wire::{ReceiptPage, ReceiptsQuery};
use super::{ApiState, Problem};

/// A page ends after so many bytes, whatever was asked for: disclosures may be large.
const PAGE: usize = 16 * 1024 * 1024;

pub(super) async fn list(
    State(api): State<ApiState>,
    Query(query): Query<ReceiptsQuery>,
) -> Result<Json<ReceiptPage>, Problem> {
    let limit = within("limit", query.limit, 100, 1000)?;
    let wanted = LedgerQuery {
        chain: query.session.as_deref().map(|id| Chain::Session(SessionId::from(id))),
        action: query.action.as_deref().map(ActionId::from),
        after: query.after.as_deref().map(Into::into),
        // One more tells whether there is a next page.
        limit: limit + 1,
        ..LedgerQuery::default()
    };
    let found = api.engine.ledger().receipts(&wanted).await?;
    let (mut receipts, mut bytes) = (Vec::new(), 0);
    for stored in found.iter().take(limit) {
        let receipt = text(stored, query.withhold)?;
        bytes += receipt.get().len();
        if bytes > PAGE && !receipts.is_empty() {
            break;
        }
        receipts.push(receipt);
    }
    let last = receipts.len().checked_sub(1).filter(|_| receipts.len() < found.len());
    let next = last.and_then(|last| found.get(last)).and_then(id);
    Ok(Json(ReceiptPage { receipts, next }))
}

fn id(stored: &Stored) -> Option<String> {
    match &stored.kind {
        RecordKind::Receipt { id, .. } => Some(id.to_string()),
        RecordKind::Link => None,
    }
}

fn text(stored: &Stored, withhold: bool) -> Result<Box<RawValue>, Problem> {
    let damaged = |error: &dyn std::fmt::Display| {
        let (sequence, chain) = (stored.sequence, &stored.chain);
        Problem::unavailable(format!("the ledger is damaged: record {sequence} of chain {chain}: {error}"))
    };
    let text = if withhold {
        stored.body.to_string()
    } else {
        let disclosed = countersign_engine::record::read::disclosures(stored)?;
        countersign_receipt::sign::disclose(&stored.body, &disclosed).map_err(|error| damaged(&error))?
    };
    RawValue::from_string(text).map_err(|error| damaged(&error))
}

//! Records and batches for the tests of this crate.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "each test program uses its part")]

use std::sync::Arc;

use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::time::Time;
use countersign_engine::ports::{AppendError, Batch, Epochs, Expected, Head, Ledger, Record, RecordKind};
use sha2::{Digest as _, Sha256};

pub(crate) fn session(name: &str) -> Chain {
    Chain::Session(SessionId::new(name))
}

pub(crate) fn human(name: &str) -> Chain {
    Chain::Human(name.into())
}

pub(crate) fn digest(text: &str) -> Arc<str> {
    let hash = Sha256::digest(text);
    hash.iter().fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}")).into()
}

/// A receipt whose id and digest follow from chain, number and `salt`.
pub(crate) fn receipt(chain: &Chain, sequence: u64, salt: &str) -> Record {
    let id = format!("rcp_{chain}_{sequence}_{salt}");
    Record {
        chain: chain.clone(),
        sequence,
        digest: digest(&id),
        kind: RecordKind::Receipt { id: id.as_str().into(), action: None },
        body: format!(r#"{{"id":"{id}","sequence":{sequence}}}"#).into(),
        disclosures: None,
        at: Time(1),
        lookup: None,
    }
}

pub(crate) fn about(mut record: Record, action: &str) -> Record {
    if let RecordKind::Receipt { action: place, .. } = &mut record.kind {
        *place = Some(ActionId::new(action));
    }
    record
}

pub(crate) fn link(chain: &Chain, sequence: u64, body: &str) -> Record {
    Record { kind: RecordKind::Link, body: body.into(), ..receipt(chain, sequence, body) }
}

pub(crate) fn id(record: &Record) -> Arc<str> {
    match &record.kind {
        RecordKind::Receipt { id, .. } => id.clone(),
        RecordKind::Link => panic!("a link has no id"),
    }
}

pub(crate) fn head_of(record: &Record) -> Head {
    Head { sequence: record.sequence, digest: record.digest.clone() }
}

/// A batch that expects nothing.
pub(crate) fn batch(records: Vec<Record>) -> Batch {
    Batch { records, ..Batch::default() }
}

/// A batch that expects this head of the first record's chain.
pub(crate) fn after(head: Option<Head>, records: Vec<Record>) -> Batch {
    let expect = vec![Expected { chain: records[0].chain.clone(), head }];
    Batch { expect, records, ..Batch::default() }
}

pub(crate) fn epochs(halt: u64, policy: u64, revocation: u64) -> Epochs {
    Epochs { halt, policy, revocation }
}

/// Appends one receipt to the end of a session's chain.
pub(crate) async fn append_next(ledger: &dyn Ledger, name: &str, salt: &str) -> Result<Record, AppendError> {
    let chain = session(name);
    let head = ledger.head(&chain).await.unwrap();
    let record = receipt(&chain, head.as_ref().map_or(0, |head| head.sequence + 1), salt);
    ledger.append(after(head, vec![record.clone()])).await.map(|()| record)
}

pub(crate) async fn digests(ledger: &dyn Ledger, chain: &Chain) -> Vec<Arc<str>> {
    ledger.read(chain, 0).await.unwrap().into_iter().map(|stored| stored.digest).collect()
}

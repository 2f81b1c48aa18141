//! What a batch must satisfy before it is written: epochs, heads, sequence, and names that are used once.
//!
//! Each store brings the look-ups ([`View`]); the rule itself is here and nowhere else.

use countersign_core::names::Chain;
use countersign_engine::ports::{AppendError, Batch, Epoch, Epochs, Head, Record, RecordKind};

/// What the rule has to know about what is stored, everything before this batch included.
pub(crate) trait View {
    /// What a look-up can fail with.
    type Error;

    fn epochs(&mut self) -> Result<Epochs, Self::Error>;
    fn head(&mut self, chain: &Chain) -> Result<Option<Head>, Self::Error>;
    /// Whether a receipt has this id.
    fn taken(&mut self, id: &str) -> Result<bool, Self::Error>;
    /// The chain that a lookup key leads to.
    fn begun(&mut self, key: &str) -> Result<Option<Chain>, Self::Error>;
}

/// What stands once the batch is written.
pub(crate) struct Plan {
    /// The new head of each chain that moves.
    pub(crate) heads: Vec<(Chain, Head)>,
    /// The epochs, raised.
    pub(crate) epochs: Epochs,
}

/// Why a batch is not written.
pub(crate) enum Refused<E> {
    /// The rule says no.
    Batch(AppendError),
    /// A look-up failed.
    View(E),
}

/// Judges one batch; writes nothing.
pub(crate) fn judge<V: View>(view: &mut V, batch: &Batch) -> Result<Plan, Refused<V::Error>> {
    let epochs = view.epochs().map_err(Refused::View)?;
    if batch.epochs.is_some_and(|read| read != epochs) {
        return Err(Refused::Batch(AppendError::EpochMoved));
    }
    for expected in &batch.expect {
        if view.head(&expected.chain).map_err(Refused::View)? != expected.head {
            return Err(conflict(&expected.chain));
        }
    }
    let mut heads: Vec<(Chain, Head)> = Vec::with_capacity(batch.records.len());
    for (place, record) in batch.records.iter().enumerate() {
        let known = heads.iter().position(|(chain, _)| *chain == record.chain);
        let before = match known {
            Some(known) => Some(heads[known].1.sequence),
            None => view.head(&record.chain).map_err(Refused::View)?.map(|head| head.sequence),
        };
        let follows = match before {
            Some(before) => before.checked_add(1) == Some(record.sequence),
            None => record.sequence == 0,
        };
        if !follows || reused(view, record, &batch.records[..place])? {
            return Err(conflict(&record.chain));
        }
        let head = Head { sequence: record.sequence, digest: record.digest.clone() };
        match known {
            Some(known) => heads[known].1 = head,
            None => heads.push((record.chain.clone(), head)),
        }
    }
    Ok(Plan { heads, epochs: raised(epochs, &batch.raise) })
}

/// Whether a name that must be unique stands for something else already, in the store or earlier in the batch.
fn reused<V: View>(view: &mut V, record: &Record, earlier: &[Record]) -> Result<bool, Refused<V::Error>> {
    let id = id(record);
    let within = earlier.iter().any(|other| {
        (id.is_some() && id == self::id(other))
            || (record.lookup.is_some() && record.lookup == other.lookup && record.chain != other.chain)
    });
    if within {
        return Ok(true);
    }
    if let Some(id) = id
        && view.taken(id).map_err(Refused::View)?
    {
        return Ok(true);
    }
    match &record.lookup {
        Some(key) => {
            let begun = view.begun(key).map_err(Refused::View)?;
            Ok(begun.is_some_and(|chain| chain != record.chain))
        }
        None => Ok(false),
    }
}

/// The receipt id of a record that has one.
fn id(record: &Record) -> Option<&str> {
    match &record.kind {
        RecordKind::Receipt { id, .. } => Some(id),
        RecordKind::Link => None,
    }
}

fn raised(mut epochs: Epochs, raise: &[Epoch]) -> Epochs {
    for epoch in raise {
        let counter = match epoch {
            Epoch::Halt => &mut epochs.halt,
            Epoch::Policy => &mut epochs.policy,
            Epoch::Revocation => &mut epochs.revocation,
        };
        *counter = counter.saturating_add(1);
    }
    epochs
}

fn conflict<E>(chain: &Chain) -> Refused<E> {
    Refused::Batch(AppendError::Conflict(chain.to_string()))
}

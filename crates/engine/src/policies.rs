//! Putting another policy set in force, as a whole (`R3.reload`).

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::names::{Chain, SessionId};
use countersign_core::policy::{Difference, Loosening, PolicySet, Source};
use countersign_receipt::values::Plain;

use crate::commit::{Failure, to_its_end};
use crate::engine::{Engine, Governing};
use crate::kept;
use crate::mediator::ReceiptRef;
use crate::ports::{Ledger, LedgerError};

/// Somebody who puts a set in force, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who, or what.
    pub name: Arc<str>,
    /// Whether they said that the set may be looser than the one in force. What loosens is recorded either way.
    pub looser: bool,
    /// The number of the bundle that the set came in.
    pub serial: Option<u64>,
}

impl By {
    /// Somebody who takes the set however loose it is.
    #[must_use]
    pub fn even_looser(name: &str) -> Self {
        Self { looser: true, ..Self::unless_looser(name) }
    }

    /// Somebody who does not take a set that is looser than the one in force.
    #[must_use]
    pub fn unless_looser(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A set that is in force now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Its receipt.
    pub receipt: ReceiptRef,
    /// What it says otherwise than the one before it.
    pub difference: Difference,
    /// What of that may let through what the one before it held.
    pub loosens: Vec<Loosening>,
}

/// Why the old set stays in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotActivated {
    /// The new set is looser, and nobody said that it may be.
    #[error("the set is looser than the one in force: {}", listed(.0))]
    Looser(Vec<Loosening>),
    /// It could not be recorded.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Engine {
    /// Puts a set in force. On record before this returns; from then on every ruling is made under it, and
    /// what waits for context is decided again. `None` when it is in force already.
    ///
    /// # Errors
    /// It is looser than the one in force and must not be, or could not be recorded; the old set stays in force.
    pub async fn activate(&self, set: PolicySet, by: By) -> Result<Option<Activated>, NotActivated> {
        let engine = self.clone();
        to_its_end(async move { Ok(engine.activate_now(set, &by).await) }).await?
    }

    async fn activate_now(&self, set: PolicySet, by: &By) -> Result<Option<Activated>, NotActivated> {
        let _order = self.0.system.lock().await;
        let before = self.governing();
        if before.policy.reference().digest == set.reference().digest {
            return Ok(None);
        }
        let difference = Difference::between(&before.policy, &set);
        let loosens = set.looser_than(&before.policy);
        if !by.looser && !loosens.is_empty() {
            return Err(NotActivated::Looser(loosens));
        }
        let mut subject = subject(&set, &by.name);
        if let Some(serial) = by.serial.and_then(|serial| i64::try_from(serial).ok()) {
            subject.insert("serial".to_owned(), Plain::from(serial));
        }
        note(&mut subject, &loosens);
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
        Ok(Some(Activated { receipt, difference, loosens }))
    }
}

/// What the ledger says is in force.
#[derive(Clone, Debug)]
pub struct Last {
    /// The set, loaded from the text that was kept of it.
    pub set: PolicySet,
    /// The highest number of a bundle that ever came into force.
    pub serial: Option<u64>,
}

/// The set that was put in force last; `None` where none ever was.
///
/// # Errors
/// The ledger cannot be read, or the text of the set is not kept or does not load in this program.
pub async fn last(ledger: &dyn Ledger) -> Result<Option<Last>, LedgerError> {
    let system = ledger.read(&Chain::System, 0).await?;
    let Some(put) = system.iter().rev().find_map(kept::governing) else { return Ok(None) };
    let unusable = |why: String| LedgerError::Damaged(format!("the set {} in force {why}", put.set));
    let text = ledger.kept(&put.set).await?.ok_or_else(|| unusable("is not kept".to_owned()))?;
    let set = Source::load(&text).map_err(|faults| {
        let first = faults.first().map_or_else(String::new, ToString::to_string);
        unusable(format!("does not load in this version of the program: {first}"))
    })?;
    let serial = system.iter().filter_map(kept::governing).filter_map(|put| put.serial).max();
    Ok(Some(Last { set, serial }))
}

/// Lets a receipt say what loosens.
pub(crate) fn note(subject: &mut BTreeMap<String, Plain>, loosens: &[Loosening]) {
    if !loosens.is_empty() {
        subject.insert("loosens".to_owned(), Plain::List(told(loosens)));
    }
}

/// So many loosenings stand in a receipt one by one: it has a bounded size.
const TOLD: usize = 64;

fn told(loosens: &[Loosening]) -> Vec<String> {
    let mut told: Vec<String> = loosens.iter().take(TOLD).map(ToString::to_string).collect();
    if let Some(more) = loosens.len().checked_sub(TOLD).filter(|more| *more > 0) {
        told.push(format!("and {more} more"));
    }
    told
}

fn listed(loosens: &[Loosening]) -> String {
    told(loosens).join("; ")
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

//! What rulings are made under, kept beside the ledger by digest, so that they can be asked again from it alone.
//!
//! | kept | found by | written |
//! |---|---|---|
//! | the text of a policy set | the set's digest, in every ruling | with the receipt that puts the set in force |
//! | the [`Terms`] of the deployment | `terms`, in that same receipt | with it |
//! | a tool's contract | `action.contract`, in a ruling | with the first ruling that was made under it |
//!
//! Each is in the same commit as the record that names it: no ruling is durable before what it was made under.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use countersign_core::action::{Action, Contract};
use countersign_core::decide::Environment;
use countersign_core::lifecycle::{Limits, Transition};
use countersign_core::names::{ActionId, ToolName};
use countersign_core::policy::PolicySet;
use countersign_core::session::What;
use countersign_core::time::Time;
use countersign_receipt::sign::Signer;
use countersign_receipt::v1;
use countersign_receipt::values::{Digest, Plain};
use serde_json::{Value, json};

use crate::commit::Failure;
use crate::engine::{Engine, Settings};
use crate::halts::append_keeping;
use crate::mediator::ReceiptRef;
use crate::ports::{Epoch, Epochs, Kept, Ledger, LedgerError, Stored};
use crate::record::ReadBack;
use crate::record::write::Draft;
use crate::state::Contracts;

/// Contracts of so many tools are remembered as kept; beyond it they are handed in anew.
const REMEMBERED: usize = 10_000;

/// What rulings depend on beside the policy, the contexts, the tools' contracts and the halts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Who can approve, what may wait, how drift is measured; nothing is halted in it.
    pub environment: Environment,
    /// How long waits, claims and permits last.
    pub limits: Limits,
}

impl Terms {
    /// Those that an engine runs under.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let environment = Environment { halts: BTreeSet::new(), ..settings.environment.clone() };
        Self { environment, limits: settings.limits }
    }

    fn kept(&self) -> Kept {
        keep(json!({ "environment": self.environment, "limits": self.limits }).to_string())
    }

    fn read(text: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(text).ok()?;
        let environment = serde_json::from_value(value.get_mut("environment")?.take()).ok()?;
        let limits = serde_json::from_value(value.get_mut("limits")?.take()).ok()?;
        Some(Self { environment, limits })
    }
}

/// A text under its own digest.
fn keep(text: String) -> Kept {
    Kept { digest: Digest::of(text.as_bytes()).to_string().into(), text: text.into() }
}

/// Contracts of tools, with the digests that rulings name them by, and which of them are surely kept.
#[derive(Debug, Default)]
pub(crate) struct Named {
    latest: BTreeMap<ToolName, (Arc<Contract>, Digest)>,
    surely: BTreeSet<Digest>,
}

impl Engine {
    /// Lets a ruling name the contract that it was made under. What is to be kept with it, unless it surely is.
    pub(crate) fn name_contract(
        &self,
        draft: &mut Draft,
        action: &Action,
        transition: &Transition,
    ) -> Option<(Digest, Kept)> {
        let (Transition::Ruled(_), Some(block)) = (transition, &mut draft.receipt.action) else {
            return None;
        };
        let mut named = self.0.named.lock().unwrap_or_else(PoisonError::into_inner);
        let known = named.latest.get(&action.tool).filter(|(contract, _)| **contract == *action.contract);
        if let Some((_, digest)) = known {
            let digest = *digest;
            block.contract = Some(digest);
            return (!named.surely.contains(&digest)).then(|| (digest, contract_text(&action.contract)));
        }
        let kept = contract_text(&action.contract);
        let digest = Digest::of(kept.text.as_bytes());
        block.contract = Some(digest);
        if named.latest.len() >= REMEMBERED || named.surely.len() >= REMEMBERED {
            *named = Named::default();
        }
        named.latest.insert(action.tool.clone(), (Arc::clone(&action.contract), digest));
        (!named.surely.contains(&digest)).then_some((digest, kept))
    }

    /// What was handed in with a ruling is durable.
    pub(crate) fn surely_kept(&self, digest: Option<Digest>) {
        let mut named = self.0.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.surely.extend(digest);
    }

    /// Appends the receipt that puts a set in force, and keeps what is decided under from then on.
    pub(crate) async fn append_set(
        &self,
        set: &PolicySet,
        subject: BTreeMap<String, Plain>,
    ) -> Result<(ReceiptRef, Epochs), Failure> {
        let terms = Terms::of(&self.0.settings);
        append_set(&*self.0.ledger, &*self.0.signer, self.now(), (set, &terms), subject).await
    }
}

fn contract_text(contract: &Contract) -> Kept {
    keep(serde_json::to_string(contract).unwrap_or_default())
}

/// The receipt that puts a set in force under these terms; also what starting does before there is an engine.
pub(crate) async fn append_set(
    ledger: &dyn Ledger,
    signer: &dyn Signer,
    now: Time,
    (set, terms): (&PolicySet, &Terms),
    mut subject: BTreeMap<String, Plain>,
) -> Result<(ReceiptRef, Epochs), Failure> {
    let terms = terms.kept();
    subject.insert("terms".to_owned(), Plain::from(&*terms.digest));
    let text = Kept { digest: Arc::clone(&set.reference().digest), text: set.source().to_text().into() };
    append_keeping(ledger, signer, now, (v1::Kind::Policy, subject), &[Epoch::Policy], vec![terms, text])
        .await
}

/// The set and the terms that the last such receipt put in force are these, and both are kept.
pub(crate) async fn in_force(
    ledger: &dyn Ledger,
    system: &[Stored],
    set: &PolicySet,
    terms: &Terms,
) -> Result<bool, LedgerError> {
    let Some(last) = system.iter().rev().find_map(governing) else { return Ok(false) };
    let (digest, terms) = (&set.reference().digest, terms.kept().digest);
    let same = *last.set == **digest && last.terms.as_ref() == Some(&terms);
    Ok(same && ledger.kept(digest).await?.is_some() && ledger.kept(&terms).await?.is_some())
}

/// What a receipt says that put a set in force.
pub(crate) struct Put {
    /// The epoch that it raised.
    pub(crate) before: u64,
    /// The set's digest.
    pub(crate) set: Arc<str>,
    /// The digest of the terms, where it names them.
    pub(crate) terms: Option<Arc<str>>,
    /// The number of the bundle that the set came in.
    pub(crate) serial: Option<u64>,
}

pub(crate) fn governing(stored: &Stored) -> Option<Put> {
    let receipt = countersign_receipt::parse(stored.body.as_bytes()).ok()?.receipt;
    let subject = receipt.subject.filter(|_| receipt.kind == v1::Kind::Policy)?;
    let text = |name: &str| match subject.get(name)? {
        Plain::Text(text) => Some(Arc::from(text.as_str())),
        _ => None,
    };
    let serial = match subject.get("serial") {
        Some(Plain::Integer(serial)) => u64::try_from(*serial).ok(),
        _ => None,
    };
    Some(Put { before: receipt.epochs.policy, set: text("digest")?, terms: text("terms"), serial })
}

/// The terms that are kept under this digest.
pub(crate) async fn terms(ledger: &dyn Ledger, digest: &str) -> Result<Option<Terms>, LedgerError> {
    Ok(ledger.kept(digest).await?.and_then(|text| Terms::read(&text)))
}

/// Contracts as they were when rulings were made under them.
pub(crate) struct Then<'l> {
    ledger: &'l dyn Ledger,
    found: BTreeMap<Digest, Option<Arc<Contract>>>,
}

impl<'l> Then<'l> {
    pub(crate) fn new(ledger: &'l dyn Ledger) -> Self {
        Self { ledger, found: BTreeMap::new() }
    }

    /// Reads a receipt of a session back. A new action has the contract that its ruling names; where that is not kept,
    /// what `now` says. Gives also whether it is the one of then.
    pub(crate) async fn read(
        &mut self,
        stored: &Stored,
        known: impl Fn(&ActionId) -> bool + Send,
        now: &Contracts,
    ) -> Result<(ReadBack, bool), LedgerError> {
        let mut read = crate::record::entry(stored, known, |tool| now(tool))?;
        let named = read.receipt.action.as_ref().and_then(|action| action.contract);
        let (Some(digest), What::Submitted { action, .. }) = (named, &mut read.entry.what) else {
            return Ok((read, false));
        };
        let contract = self.contract(digest).await?;
        let kept = contract.is_some();
        if let Some(contract) = contract {
            *action = Arc::new(Action { contract, ..(**action).clone() });
        }
        Ok((read, kept))
    }

    async fn contract(&mut self, digest: Digest) -> Result<Option<Arc<Contract>>, LedgerError> {
        if let Some(known) = self.found.get(&digest) {
            return Ok(known.clone());
        }
        let text = self.ledger.kept(&digest.to_string()).await?;
        let read = text.and_then(|text| serde_json::from_str(&text).ok()).map(Arc::new);
        self.found.insert(digest, read.clone());
        Ok(read)
    }
}

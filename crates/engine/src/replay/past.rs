//! What governed when: halts, sets and terms, by the epochs that a receipt names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::decide::{Environment, Halt};
use countersign_core::lifecycle::Limits;
use countersign_core::names::Chain;
use countersign_core::policy::{PolicySet, Source};
use countersign_receipt::v1;

use super::Today;
use crate::halts::{self, Halted};
use crate::kept::{self, Put, Terms};
use crate::ports::{Ledger, LedgerError, Stored};

/// The system chain, as far as rulings depend on it.
pub(super) struct Past {
    halted: Vec<Halted>,
    put: Vec<Put>,
    /// What was looked up: sets and terms by their digests.
    sets: BTreeMap<Arc<str>, Option<Arc<PolicySet>>>,
    terms: BTreeMap<Arc<str>, Option<Terms>>,
    /// The halts of the epoch that was asked for last.
    halts: Option<(u64, BTreeSet<Halt>)>,
}

/// What governed a ruling.
pub(super) struct Governing {
    pub(super) environment: Environment,
    pub(super) limits: Limits,
    /// The set it was made under, where its text is at hand.
    pub(super) policy: Option<Arc<PolicySet>>,
    /// Whether environment and limits are those of then.
    pub(super) kept: bool,
}

impl Past {
    pub(super) async fn of(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        let (sets, terms, halts) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut past = Self { halted: Vec::new(), put: Vec::new(), sets, terms, halts };
        past.look(ledger).await?;
        Ok(past)
    }

    async fn look(&mut self, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        let system: Vec<Stored> = ledger.read(&Chain::System, 0).await?;
        self.halted = system.iter().filter_map(halts::halted).collect();
        self.put = system.iter().filter_map(kept::governing).collect();
        self.halts = None;
        Ok(())
    }

    pub(super) async fn governing(
        &mut self,
        ledger: &dyn Ledger,
        receipt: &v1::Receipt,
        today: &Today,
    ) -> Result<Governing, LedgerError> {
        let known = self.put.last().map_or(0, |put| put.before + 1);
        let stopped = self.halted.last().map_or(0, |halted| halted.before + 1);
        if receipt.epochs.policy > known || receipt.epochs.halt > stopped {
            // A daemon has gone on since.
            self.look(ledger).await?;
        }
        let put = self.put.iter().rev().find(|put| put.before < receipt.epochs.policy);
        let named = put.and_then(|put| put.terms.clone());
        let terms = match named {
            Some(digest) => self.terms(ledger, &digest).await?,
            None => None,
        };
        let kept = terms.is_some();
        let Terms { mut environment, limits } = terms.unwrap_or_else(|| today.terms.clone());
        environment.halts = self.halts(receipt.epochs.halt);
        let set = receipt.policy.as_ref().map(|policy| Arc::from(policy.digest.as_str()));
        let policy = match set {
            Some(digest) => self.set(ledger, digest, today).await?,
            None => None,
        };
        Ok(Governing { environment, limits, policy, kept })
    }

    fn halts(&mut self, epoch: u64) -> BTreeSet<Halt> {
        if let Some((_, halts)) = self.halts.as_ref().filter(|(of, _)| *of == epoch) {
            return halts.clone();
        }
        let mut halts = BTreeSet::new();
        let before = self.halted.iter().filter(|halted| halted.before < epoch);
        before.for_each(|halted| halted.clone().take(&mut halts));
        self.halts = Some((epoch, halts.clone()));
        halts
    }

    async fn terms(&mut self, ledger: &dyn Ledger, digest: &Arc<str>) -> Result<Option<Terms>, LedgerError> {
        if let Some(known) = self.terms.get(digest) {
            return Ok(known.clone());
        }
        let found = kept::terms(ledger, digest).await?;
        self.terms.insert(Arc::clone(digest), found.clone());
        Ok(found)
    }

    /// A set by its digest: its kept text, else one at hand. A text that loads as another set is none.
    async fn set(
        &mut self,
        ledger: &dyn Ledger,
        digest: Arc<str>,
        today: &Today,
    ) -> Result<Option<Arc<PolicySet>>, LedgerError> {
        if let Some(known) = self.sets.get(&digest) {
            return Ok(known.clone());
        }
        let kept = ledger.kept(&digest).await?.and_then(|text| Source::load(&text).ok()).map(Arc::new);
        let at_hand = || today.policies.iter().cloned();
        let found = kept.into_iter().chain(at_hand()).find(|set| set.reference().digest == digest);
        self.sets.insert(digest, found.clone());
        Ok(found)
    }
}

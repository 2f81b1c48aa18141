//! What humans, agents and linked sessions had done at the heads that a receipt names.

use std::collections::BTreeMap;

use countersign_core::names::Chain;
use countersign_core::session::{Change, Principal};
use countersign_receipt::v1;
use countersign_receipt::values::Digest;

use crate::ports::{Ledger, LedgerError};

/// Their chains, each folded as far as the latest receipt that was asked about.
#[derive(Default)]
pub(super) struct Principals {
    chains: BTreeMap<Chain, Folded>,
    nothing: Principal,
}

#[derive(Default)]
struct Folded {
    links: Vec<(Digest, Change)>,
    /// How many of them count.
    taken: usize,
    principal: Principal,
}

impl Principals {
    /// As far as it was brought.
    pub(super) fn get(&self, chain: &Chain) -> &Principal {
        self.chains.get(chain).map_or(&self.nothing, |folded| &folded.principal)
    }

    /// Folds a chain up to the head that the receipt names; up to nothing where it names none.
    pub(super) async fn bring_to(
        &mut self,
        ledger: &dyn Ledger,
        chain: &Chain,
        receipt: &v1::Receipt,
    ) -> Result<(), LedgerError> {
        let folded = self.chains.entry(chain.clone()).or_default();
        let Some(head) = receipt.heads.get(&chain.to_string()).copied().flatten() else {
            folded.restart();
            return Ok(());
        };
        if folded.bring_to(&head) {
            return Ok(());
        }
        folded.read(ledger, chain).await?;
        if folded.bring_to(&head) {
            return Ok(());
        }
        Err(LedgerError::Damaged(format!("chain {chain} has no entry {head}, which a receipt read")))
    }
}

impl Folded {
    fn restart(&mut self) {
        (self.taken, self.principal) = (0, Principal::default());
    }

    /// Whether the chain has this head.
    fn bring_to(&mut self, head: &Digest) -> bool {
        let at = |links: &[(Digest, Change)]| links.iter().position(|(digest, _)| digest == head);
        // Receipts mostly come in the order in which the chain grew.
        let ahead = self.links.get(self.taken.saturating_sub(1)..).and_then(at);
        let upto = match ahead {
            Some(place) => self.taken.saturating_sub(1) + place + 1,
            None => match at(&self.links) {
                Some(place) => {
                    self.restart();
                    place + 1
                }
                None => return false,
            },
        };
        for (_, change) in self.links.get(self.taken..upto).unwrap_or_default() {
            self.principal.apply(change);
        }
        self.taken = self.taken.max(upto);
        true
    }

    async fn read(&mut self, ledger: &dyn Ledger, chain: &Chain) -> Result<(), LedgerError> {
        self.restart();
        self.links.clear();
        for stored in ledger.read(chain, 0).await? {
            let damaged = |why: &dyn std::fmt::Display| {
                LedgerError::Damaged(format!("record {} of chain {chain}: {why}", stored.sequence))
            };
            let change = serde_json::from_str(&stored.body).map_err(|error| damaged(&error))?;
            let digest = stored.digest.parse().map_err(|_| damaged(&"its digest is malformed"))?;
            self.links.push((digest, change));
        }
        Ok(())
    }
}

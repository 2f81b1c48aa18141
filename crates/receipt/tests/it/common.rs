//! A test key, a book that keeps chains and heads, and the story that the golden vectors tell.

pub(crate) mod story;

use std::collections::BTreeMap;

use countersign_receipt::keys::{KeySet, PublicKey, thumbprint};
use countersign_receipt::sign::{Signer, SignerError, disclose, seal};
use countersign_receipt::v1::{Algorithm, Disclosures, Prior, Receipt};
use countersign_receipt::values::{Digest, Time};
use ed25519_dalek::{Signer as _, SigningKey};

/// A key that everybody knows: SHA-256 of a sentence.
pub(crate) struct TestKey {
    key: SigningKey,
    id: String,
}

impl TestKey {
    pub(crate) fn new() -> Self {
        let seed = Digest::of(b"countersign receipt v1 test key: never trust it");
        let key = SigningKey::from_bytes(seed.as_bytes());
        let id = thumbprint(key.verifying_key().as_bytes());
        Self { key, id }
    }

    pub(crate) fn public(&self) -> KeySet {
        KeySet::of([PublicKey::new(self.id.clone(), self.key.verifying_key().as_bytes()).unwrap()]).unwrap()
    }
}

impl Signer for TestKey {
    fn key_id(&self) -> &str {
        &self.id
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

/// Keeps the head of every chain and gives each receipt its place, as a ledger does.
pub(crate) struct Book {
    key: TestKey,
    heads: BTreeMap<String, (u64, Digest)>,
    minute: i64,
    /// Stored text and disclosures of each receipt, in the order of signing.
    pub(crate) pages: Vec<(String, Disclosures)>,
}

impl Book {
    pub(crate) fn new() -> Self {
        Self { key: TestKey::new(), heads: BTreeMap::new(), minute: 0, pages: Vec::new() }
    }

    /// A minute later than the last time, from 2026-11-22T17:00:00.000Z on.
    pub(crate) fn now(&mut self) -> Time {
        self.minute += 1;
        Time::from_unix_millis(1_795_366_800_000 + self.minute * 60_000)
    }

    /// Signs a receipt into its chain, joining the principal chains named, and says how later ones name it.
    pub(crate) fn add(&mut self, mut receipt: Receipt, joins: &[&str], texts: &[(&str, &str)]) -> Prior {
        let mut disclosures = Disclosures::new();
        for (place, text) in texts {
            let salt = Digest::of(format!("salt of {place} in {}", receipt.id).as_bytes());
            receipt.commit(&mut disclosures, *place, *salt.as_bytes(), *text);
        }
        if let Some((sequence, digest)) = self.heads.get(&receipt.chain) {
            (receipt.sequence, receipt.previous) = (sequence + 1, Some(*digest));
        }
        for chain in joins {
            receipt.heads.insert((*chain).to_owned(), self.heads.get(*chain).map(|(_, digest)| *digest));
        }
        let sealed = seal(&receipt, &self.key).unwrap();
        if !receipt.chain.is_empty() {
            self.heads.insert(receipt.chain.clone(), (receipt.sequence, sealed.digest));
        }
        for chain in joins {
            self.heads.insert((*chain).to_owned(), (0, sealed.digest));
        }
        self.pages.push((sealed.text, disclosures));
        Prior { digest: sealed.digest, id: receipt.id }
    }

    /// The export with everything disclosed, one receipt an item.
    pub(crate) fn export(&self) -> Vec<String> {
        self.pages.iter().map(|(text, disclosures)| disclose(text, disclosures).unwrap()).collect()
    }
}

//! Disclosures at rest: AES-256-GCM with a random 96-bit nonce, bound to the digest of their record.
//!
//! Random nonces are sound for 2^32 texts under one key; moving a sealed text to another record does not open.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use countersign_engine::ports::{Batch, LedgerError};

use crate::keys::DisclosureKey;

/// Seals and opens with one key.
pub(super) struct Seal(RandomizedNonceKey);

/// A sealed text as it is stored.
pub(super) struct Sealed {
    pub(super) nonce: [u8; 12],
    /// The encrypted text and its 16-byte tag.
    pub(super) text: Vec<u8>,
}

/// The texts of a batch.
pub(super) struct Texts {
    /// Of each of its records.
    pub(super) disclosed: Vec<Option<Sealed>>,
    /// What it keeps.
    pub(super) kept: Vec<Sealed>,
}

impl Seal {
    /// None when there is no randomness.
    pub(super) fn texts(&self, batch: &Batch) -> Option<Texts> {
        let disclosed = batch.records.iter().map(|record| match &record.disclosures {
            None => Some(None),
            Some(text) => self.seal(&record.digest, text).map(Some),
        });
        let kept = batch.keep.iter().map(|kept| self.seal(&kept.digest, &kept.text));
        Some(Texts { disclosed: disclosed.collect::<Option<_>>()?, kept: kept.collect::<Option<_>>()? })
    }

    pub(super) fn new(key: &DisclosureKey) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).ok().map(Self)
    }

    /// None when there is no randomness.
    pub(super) fn seal(&self, digest: &str, text: &str) -> Option<Sealed> {
        let mut sealed = Vec::with_capacity(text.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(text.as_bytes());
        let nonce = self.0.seal_in_place_append_tag(Aad::from(digest), &mut sealed).ok()?;
        Some(Sealed { nonce: *nonce.as_ref(), text: sealed })
    }

    pub(super) fn open(
        &self,
        digest: &str,
        nonce: &[u8],
        mut sealed: Vec<u8>,
    ) -> Result<Arc<str>, LedgerError> {
        let damaged = || {
            LedgerError::Damaged(format!(
                "the disclosures of record {digest} do not open: they were changed, or sealed with another disclosure key"
            ))
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let text = self.0.open_in_place(nonce, Aad::from(digest), &mut sealed).map_err(|_| damaged())?;
        str::from_utf8(text).map(Arc::from).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_unchanged_and_in_its_place() {
        let seal = Seal::new(&DisclosureKey::generate().unwrap()).unwrap();
        let sealed = seal.seal("sha256:a", "the text").unwrap();
        assert_eq!(&*seal.open("sha256:a", &sealed.nonce, sealed.text.clone()).unwrap(), "the text");
        assert!(seal.open("sha256:b", &sealed.nonce, sealed.text.clone()).is_err());
        let other = Seal::new(&DisclosureKey::generate().unwrap()).unwrap();
        assert!(other.open("sha256:a", &sealed.nonce, sealed.text.clone()).is_err());
        for place in 0..sealed.text.len() {
            let mut changed = sealed.text.clone();
            changed[place] ^= 1;
            assert!(seal.open("sha256:a", &sealed.nonce, changed).is_err());
        }
        assert_ne!(seal.seal("sha256:a", "the text").unwrap().nonce, sealed.nonce);
    }
}

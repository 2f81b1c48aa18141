//! A real key for tests: what it signs verifies, and it is the same in every run.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use countersign_receipt::keys::{KeySet, PublicKey, thumbprint};
use countersign_receipt::sign::{Signer, SignerError};
use countersign_receipt::v1::Algorithm;

/// An Ed25519 key made from a seed.
#[derive(Debug)]
pub struct TestSigner {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl TestSigner {
    /// The key of this seed byte.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let bytes: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
        let public = PublicKey::new(thumbprint(&bytes), &bytes).unwrap();
        Self { pair, public }
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        KeySet::of([self.public.clone()]).unwrap()
    }
}

impl Signer for TestSigner {
    fn key_id(&self) -> &str {
        self.public.key_id()
    }

    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().map_err(|_| SignerError("a signature has another length".to_owned()))
    }
}

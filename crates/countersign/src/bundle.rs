//! Policy bundles: a whole set in one signed text, for daemons that fetch their policy.
//!
//! ```json
//! {"format": "countersign-policy-bundle/v1", "serial": 7, "issued_at": "2026-11-23T09:00:00.000Z", "looser": false,
//!  "files": {"base.yaml": "version: 1\n…"}, "signature": {"algorithm": "Ed25519", "key_id": "…", "value": "…"}}
//! ```
//!
//! The signed bytes are the object without `signature` in the canonical form of RFC 8785, as for receipts; `format` keeps
//! the one from being taken for the other. A serial only rises: who holds an old bundle cannot bring it back.

use std::collections::BTreeMap;

use countersign_receipt::canonical;
use countersign_receipt::keys::KeySet;
use countersign_receipt::sign::Signer;
use countersign_receipt::v1::Signature;
use countersign_receipt::values::{Base64, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest bundle that is taken, in bytes.
pub(crate) const MAX_BYTES: usize = 64 << 20;
const FORMAT: &str = "countersign-policy-bundle/v1";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bundle {
    format: String,
    /// Higher than that of every bundle before it.
    pub(crate) serial: u64,
    /// When it was made, by its maker's clock.
    pub(crate) issued_at: Time,
    /// Whether its maker says that it may be looser than the set before it.
    pub(crate) looser: bool,
    /// The text of each file by its name.
    pub(crate) files: BTreeMap<String, String>,
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// It is longer than bundles may be.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It cannot be read.
    #[error("it is not a bundle: {0}")]
    Malformed(String),
    /// Its key is not among the trusted ones.
    #[error("it is signed with the key {0}, which is not among the trusted ones")]
    Stranger(String),
    /// The signature does not fit.
    #[error("its signature does not verify: it was changed after it was signed, or never signed with {0}")]
    Forged(String),
}

impl Bundle {
    /// A bundle of these files.
    pub(crate) fn new(
        serial: u64,
        issued_at: Time,
        looser: bool,
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { format: FORMAT.to_owned(), serial, issued_at, looser, files: files.into_iter().collect() }
    }

    /// Its text, signed: one line.
    ///
    /// # Errors
    /// In words, why it cannot be signed.
    pub(crate) fn seal(&self, signer: &dyn Signer) -> Result<String, String> {
        let mut value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let bytes = canonical::write(&value).map_err(|error| error.to_string())?;
        let signed = signer.sign(&bytes).map_err(|error| error.to_string())?;
        let signature = Signature {
            algorithm: signer.algorithm(),
            key_id: signer.key_id().to_owned(),
            value: Base64(signed),
        };
        let signature = serde_json::to_value(signature).map_err(|error| error.to_string())?;
        value.as_object_mut().map(|object| object.insert("signature".to_owned(), signature));
        let text = canonical::write(&value).map_err(|error| error.to_string())?;
        String::from_utf8(text).map_err(|error| error.to_string())
    }

    /// Reads a text and checks it against the trusted keys.
    ///
    /// # Errors
    /// It is not a bundle, or not signed with a trusted key.
    pub(crate) fn open(text: &[u8], trusted: &KeySet) -> Result<Self, BundleError> {
        if text.len() > MAX_BYTES {
            return Err(BundleError::TooLong);
        }
        let malformed = |error: &dyn std::fmt::Display| BundleError::Malformed(error.to_string());
        let mut value = canonical::read(text).map_err(|error| malformed(&error))?;
        let signature = value.as_object_mut().and_then(|object| object.remove("signature"));
        let signature = signature.ok_or_else(|| malformed(&"it has no `signature`"))?;
        let signature: Signature = serde_json::from_value(signature).map_err(|error| malformed(&error))?;
        let key = trusted
            .get(&signature.key_id)
            .filter(|key| key.algorithm() == signature.algorithm)
            .ok_or_else(|| BundleError::Stranger(signature.key_id.clone()))?;
        let bytes = canonical::write(&value).map_err(|error| malformed(&error))?;
        if !key.verifies(&bytes, &signature.value.0) {
            return Err(BundleError::Forged(signature.key_id));
        }
        let bundle: Self =
            serde_json::from_value::<Self>(Value::clone(&value)).map_err(|error| malformed(&error))?;
        if bundle.format != FORMAT {
            return Err(malformed(&format!("its format is `{}`, not `{FORMAT}`", bundle.format)));
        }
        Ok(bundle)
    }
}

//! Signing: an unsigned receipt and a [`Signer`] make the text that is stored.
//!
//! Keys live elsewhere; this module only says which bytes are signed and how the signature is put beside them.

use crate::canonical::FormatError;
use crate::v1::{Algorithm, Disclosures, Receipt, Signature, Signed};
use crate::values::{Base64, Digest};

/// Somebody who holds a signing key.
pub trait Signer: Send + Sync {
    /// The name under which the public key is published.
    fn key_id(&self) -> &str;

    /// How it signs.
    fn algorithm(&self) -> Algorithm;

    /// The signature over exactly these bytes: 64 bytes for Ed25519.
    ///
    /// # Errors
    /// When the key cannot be used now; nothing is recorded then.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// Why a key could not be used, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(pub String);

/// A receipt that could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The receipt is not in a form that may be signed.
    #[error("receipt {id} cannot be signed: {source}")]
    Format {
        /// The `id` of the receipt.
        id: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// The signer refused.
    #[error("key {key_id} could not sign: {source}")]
    Signer {
        /// The key.
        key_id: String,
        /// What it said.
        source: SignerError,
    },
}

/// A signed receipt ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What later receipts name in `previous`, `heads` and `prior`.
    pub digest: Digest,
    /// The signature.
    pub signature: Signature,
    /// The receipt with its signature and without disclosures, one line of JSON.
    pub text: String,
}

/// Signs a receipt.
///
/// # Errors
/// When the receipt may not be signed as it is, or the key cannot be used.
pub fn seal(receipt: &Receipt, signer: &dyn Signer) -> Result<Sealed, SignError> {
    let format = |source| SignError::Format { id: receipt.id.clone(), source };
    let bytes = receipt.signed_bytes().map_err(format)?;
    let value = signer
        .sign(&bytes)
        .map_err(|source| SignError::Signer { key_id: signer.key_id().to_owned(), source })?;
    let signature =
        Signature { algorithm: signer.algorithm(), key_id: signer.key_id().to_owned(), value: Base64(value) };
    let digest = Digest::of(&bytes);
    let body = String::from_utf8(bytes).map_err(|error| format(FormatError::Json(error.to_string())))?;
    let text = with_member(&body, "signature", &signature).map_err(format)?;
    Ok(Sealed { digest, signature, text })
}

/// A stored text ([`Sealed::text`]) with disclosures beside it, as it is exported; as it was when there are none.
///
/// # Errors
/// When the text does not end like a JSON object.
pub fn disclose(stored: &str, disclosures: &Disclosures) -> Result<String, FormatError> {
    if disclosures.is_empty() {
        return Ok(stored.to_owned());
    }
    with_member(stored, "disclosures", disclosures)
}

impl Signed {
    /// The digest that later receipts name.
    ///
    /// # Errors
    /// When the receipt is not in a form that may be signed.
    pub fn digest(&self) -> Result<Digest, FormatError> {
        self.receipt.digest()
    }

    /// One line of JSON: the canonical receipt, then `signature`, then `disclosures` if there are any.
    ///
    /// # Errors
    /// When the receipt is not in a form that may be signed.
    pub fn text(&self) -> Result<String, FormatError> {
        let body = String::from_utf8(self.receipt.signed_bytes()?)
            .map_err(|error| FormatError::Json(error.to_string()))?;
        disclose(&with_member(&body, "signature", &self.signature)?, &self.disclosures)
    }
}

fn with_member(object: &str, name: &str, value: &impl serde::Serialize) -> Result<String, FormatError> {
    let Some(open) = object.strip_suffix('}') else {
        return Err(FormatError::Json("the text is not a JSON object".to_owned()));
    };
    let value = serde_json::to_string(value).map_err(|error| FormatError::Json(error.to_string()))?;
    Ok(format!("{open},\"{name}\":{value}}}"))
}

//! Verifying, as a stranger does it: from the text and the public keys alone.
//!
//! [`parse`] reads one receipt strictly and never panics; [`receipt`] also checks its signature and what it discloses;
//! [`verify_export`] checks a file of receipts, one a line, and how they hang together.
//!
//! The signature is checked over the members as they stand in the text, put into canonical form by a general
//! canonicaliser, not over our own structs written again: what we accept, any verifier with a JCS and an Ed25519 library
//! accepts. (Our own writing is then compared with it, so that [`Receipt::digest`] means the same thing everywhere.)

mod export;
mod report;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use export::{Export, verify_export};
pub use report::{Counts, Finding, Name, Open, Problem, Range, Report, Waiting};

use crate::canonical::{self, FormatError};
use crate::commit::{self, CommitmentError};
use crate::keys::KeySet;
use crate::v1::{Disclosure, Disclosures, Receipt, Signature, Signed, Version};
use crate::values::Digest;

/// A text that is not a receipt of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON, or JSON that two readers could understand differently.
    #[error("it is not JSON with exactly one meaning: {0}")]
    Json(String),
    /// It is JSON, but no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// It is of another version, or says none.
    #[error("its version is `{found}`; this verifier knows `{}`", Version::V1Draft)]
    Version {
        /// The version it says, cut to 64 characters.
        found: String,
    },
    /// A member is absent, unknown, or of a wrong type.
    #[error("its member `{member}` is wrong: {why}")]
    Member {
        /// The path of the member, `.` for the receipt itself.
        member: String,
        /// What is wrong, without the value.
        why: String,
    },
    /// It has no signature.
    #[error("it has no signature")]
    Unsigned,
    /// It breaks a rule of its form.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An absent member is written as null, so that the text could be written in two ways.
    #[error("a member that should be left out is written as null")]
    NotNormal,
}

/// A receipt that must not be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Parse(#[from] ParseError),
    /// It was signed by a key that is not among those given.
    #[error("it is signed by key `{key_id}`, which is not among the keys given")]
    UnknownKey {
        /// The id in the signature.
        key_id: String,
    },
    /// The signature is not this key's over this receipt: the receipt or the signature was changed.
    #[error("its signature is not that of key `{key_id}` over this receipt: one of the two was changed")]
    Signature {
        /// The id in the signature.
        key_id: String,
    },
    /// Something disclosed is not what was committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
}

/// A receipt whose signature and disclosures were checked. There is no other way to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    signed: Signed,
    digest: Digest,
}

impl Verified {
    /// What was signed.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.signed.receipt
    }

    /// The receipt with its signature and disclosures.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_signed(self) -> Signed {
        self.signed
    }

    /// The digest of the signed bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The places that are committed to and not disclosed here.
    pub fn withheld(&self) -> impl Iterator<Item = &str> {
        let signed = &self.signed;
        let places = signed.receipt.commitments.keys();
        places.filter(|place| !signed.disclosures.contains_key(*place)).map(String::as_str)
    }
}

/// Reads one receipt, signature and disclosures included, and checks only its form.
///
/// # Errors
/// Everything that is not a receipt of this version in its one form.
pub fn parse(text: &[u8]) -> Result<Signed, ParseError> {
    Parsed::read(text).map(|parsed| parsed.signed)
}

/// Verifies one receipt: its form, its signature and what it discloses.
///
/// # Errors
/// The first thing that is wrong.
pub fn receipt(text: &[u8], keys: &KeySet) -> Result<Verified, VerifyError> {
    Parsed::read(text)?.verify(keys)
}

/// A receipt that was read, with the bytes its signature should cover.
struct Parsed {
    signed: Signed,
    bytes: Vec<u8>,
}

impl Parsed {
    fn read(text: &[u8]) -> Result<Self, ParseError> {
        let value = canonical::read(text).map_err(|error| ParseError::Json(error.to_string()))?;
        let Value::Object(mut members) = value else {
            return Err(ParseError::NotAnObject);
        };
        check_version(&members)?;
        let signature: Signature = match members.remove("signature") {
            Some(value) => member(&value, "signature")?,
            None => return Err(ParseError::Unsigned),
        };
        let disclosures = members.remove("disclosures").map(disclosures).transpose()?.unwrap_or_default();
        let body = Value::Object(members);
        let receipt: Receipt = member(&body, "")?;
        let bytes = receipt.signed_bytes()?;
        // What was read says nothing else than what is signed, to the last member: far cheaper than bringing it into
        // canonical form as well.
        if canonical::read(&bytes).ok().as_ref() != Some(&body) {
            return Err(ParseError::NotNormal);
        }
        Ok(Self { signed: Signed { receipt, signature, disclosures }, bytes })
    }

    fn verify(self, keys: &KeySet) -> Result<Verified, VerifyError> {
        let signature = &self.signed.signature;
        let key_id = || signature.key_id.clone();
        let key = keys.get(&signature.key_id).ok_or_else(|| VerifyError::UnknownKey { key_id: key_id() })?;
        if key.algorithm() != signature.algorithm || !key.verifies(&self.bytes, &signature.value.0) {
            return Err(VerifyError::Signature { key_id: key_id() });
        }
        commit::check(&self.signed.receipt, &self.signed.disclosures)?;
        Ok(Verified { digest: Digest::of(&self.bytes), signed: self.signed })
    }
}

/// Looked at before anything else, so that a receipt of a later version is called that and not broken.
fn check_version(members: &Map<String, Value>) -> Result<(), ParseError> {
    match members.get("version").and_then(Value::as_str) {
        Some(version) if version == Version::V1Draft.as_str() => Ok(()),
        other => Err(ParseError::Version { found: other.unwrap_or("(none)").chars().take(64).collect() }),
    }
}

fn member<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, ParseError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let member = match (name, path.as_str()) {
            ("", _) => path,
            (_, ".") => name.to_owned(),
            _ => format!("{name}.{path}"),
        };
        ParseError::Member { member, why: error.into_inner().to_string() }
    })
}

/// Read by hand, because an error of serde would quote the value, and these are not for everybody.
fn disclosures(value: Value) -> Result<Disclosures, ParseError> {
    let wrong =
        |member: &str, why: &str| ParseError::Member { member: member.to_owned(), why: why.to_owned() };
    let Value::Object(members) = value else {
        return Err(wrong("disclosures", "it is not an object"));
    };
    let mut disclosures = Disclosures::new();
    for (place, value) in members {
        let disclosure: Disclosure = serde_json::from_value(value).map_err(|_| {
            wrong(
                &format!("disclosures.{place}"),
                "it is not `{salt, value}` with 32 bytes of salt in base64",
            )
        })?;
        disclosures.insert(place, disclosure);
    }
    Ok(disclosures)
}

//! Public keys: what a verifier must have besides the receipts.
//!
//! Two forms, told apart by the first character: a JWK set (RFC 7517, `kty` OKP, `crv` Ed25519, `kid` = key id), or text
//! with one key a line: `KEY_ID Ed25519 BASE64`, the 32 bytes of the key in standard base64; lines begun by `#` are remarks.
//!
//! A key id is free text without blanks; [`thumbprint`] is the one we use, since it is computed from the key itself.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::v1::Algorithm;
use crate::values::Base64;

/// The longest key id, in bytes.
pub const MAX_KEY_ID_BYTES: usize = 128;

/// One public key and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key_id: String,
    key: VerifyingKey,
}

/// The keys that a verifier trusts, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(BTreeMap<String, PublicKey>);

/// A key, or a file of keys, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file is in neither form.
    #[error("this is neither a JWK set nor lines of `KEY_ID Ed25519 BASE64`: {0}")]
    Form(String),
    /// The id is empty, too long, or has blanks or control characters.
    #[error("a key id has 1 to {MAX_KEY_ID_BYTES} printable ASCII characters without blanks")]
    KeyId,
    /// The bytes are no Ed25519 public key, or one of the few that accept forged signatures.
    #[error("key {0} is not a sound Ed25519 public key")]
    Unsound(String),
    /// The file holds a private key.
    #[error(
        "key {0} carries its private part; publish only the public part, and replace this key: others may have read it"
    )]
    Private(String),
    /// An id stands for two keys, or a key has two ids.
    #[error("key {0} is there twice, under the same id or another")]
    Twice(String),
    /// There is no Ed25519 key in the file.
    #[error("there is no Ed25519 key here")]
    None,
}

impl PublicKey {
    /// The key of these 32 bytes under this name.
    ///
    /// # Errors
    /// When the name is not a key id or the bytes are no sound key.
    pub fn new(key_id: impl Into<String>, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key_id = key_id.into();
        if key_id.len() > MAX_KEY_ID_BYTES
            || key_id.is_empty()
            || !key_id.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(KeyError::KeyId);
        }
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self { key_id, key }),
            _ => Err(KeyError::Unsound(key_id)),
        }
    }

    /// The name of the key: `kid` in a JWK set, `key_id` in a signature.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// How it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether `signature` is this key's over `message`, by the strict rules that leave no room for a second signature.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }

    /// The line form, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{} {} {}\n", self.key_id, self.algorithm(), Base64(*self.as_bytes()))
    }

    fn from_line(line: &str) -> Result<Self, KeyError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [key_id, "Ed25519", bytes] = words.as_slice() else {
            return Err(KeyError::Form("a line is not three words with `Ed25519` in the middle".to_owned()));
        };
        let bytes: Base64<32> = bytes.parse().map_err(|_| KeyError::Unsound((*key_id).to_owned()))?;
        Self::new(*key_id, &bytes.0)
    }

    fn to_jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.as_bytes());
        json!({ "alg": "EdDSA", "crv": "Ed25519", "kid": self.key_id, "kty": "OKP", "use": "sig", "x": x })
    }

    /// The key of a JWK; none when the JWK is for something else.
    fn from_jwk(jwk: &Value) -> Result<Option<Self>, KeyError> {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str);
        let key_id = member("kid").unwrap_or_default();
        if ["d", "p", "q", "k"].iter().any(|private| jwk.get(private).is_some()) {
            return Err(KeyError::Private(key_id.to_owned()));
        }
        if member("kty") != Some("OKP") || member("crv") != Some("Ed25519") {
            return Ok(None);
        }
        let unsound = || KeyError::Unsound(key_id.to_owned());
        let bytes = URL_SAFE_NO_PAD.decode(member("x").unwrap_or_default()).map_err(|_| unsound())?;
        Self::new(key_id, &bytes.try_into().map_err(|_| unsound())?).map(Some)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_line().trim_end())
    }
}

impl KeySet {
    /// Reads a file of keys in either form.
    ///
    /// # Errors
    /// When the form is unknown, a key is unsound, private or there twice, or none is there. Keys of a JWK set that are
    /// for other algorithms are passed over, as RFC 7517 asks.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_start();
        let set = if text.starts_with('{') { Self::parse_jwks(text)? } else { Self::parse_lines(text)? };
        if set.0.is_empty() { Err(KeyError::None) } else { Ok(set) }
    }

    /// The set of these keys.
    ///
    /// # Errors
    /// When a key or an id is there twice.
    pub fn of(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, KeyError> {
        let mut set = Self::default();
        for key in keys {
            set.add(key)?;
        }
        Ok(set)
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When the key or its id is there already: a signature must lead to one key, and a key to one name.
    pub fn add(&mut self, key: PublicKey) -> Result<(), KeyError> {
        if self.0.contains_key(&key.key_id) || self.keys().any(|other| other.key == key.key) {
            return Err(KeyError::Twice(key.key_id));
        }
        self.0.insert(key.key_id.clone(), key);
        Ok(())
    }

    /// The key of this id.
    #[must_use]
    pub fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.0.get(key_id)
    }

    /// The keys in the order of their ids.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values()
    }

    /// The set as a JWK set, indented.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let keys: Vec<Value> = self.keys().map(PublicKey::to_jwk).collect();
        format!("{:#}\n", json!({ "keys": keys }))
    }

    /// The set as lines of text.
    #[must_use]
    pub fn to_lines(&self) -> String {
        self.keys().fold(String::new(), |mut text, key| {
            let _ = write!(text, "{}", key.to_line());
            text
        })
    }

    fn parse_jwks(text: &str) -> Result<Self, KeyError> {
        let value: Value = serde_json::from_str(text).map_err(|error| KeyError::Form(error.to_string()))?;
        let single = [value.clone()];
        let jwks = match value.get("keys") {
            Some(Value::Array(keys)) => keys.as_slice(),
            Some(_) => return Err(KeyError::Form("`keys` is not a list".to_owned())),
            None => &single,
        };
        let mut set = Self::default();
        for jwk in jwks {
            if let Some(key) = PublicKey::from_jwk(jwk)? {
                set.add(key)?;
            }
        }
        Ok(set)
    }

    fn parse_lines(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut set = Self::default();
        for line in lines {
            set.add(PublicKey::from_line(line)?)?;
        }
        Ok(set)
    }
}

/// The JWK thumbprint (RFC 7638, SHA-256, base64url) of an Ed25519 public key: our key id.
#[must_use]
pub fn thumbprint(key: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(key);
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and thumbprint of RFC 8037, appendix A.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn key() -> PublicKey {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(X).unwrap().try_into().unwrap();
        PublicKey::new(thumbprint(&bytes), &bytes).unwrap()
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        assert_eq!(key().key_id(), KID);
    }

    #[test]
    fn both_forms_read_back_what_was_written() {
        let set = KeySet::of([key()]).unwrap();
        assert_eq!(KeySet::parse(&set.to_jwks()), Ok(set.clone()));
        assert_eq!(KeySet::parse(&format!("# ours\n\n{}", set.to_lines())), Ok(set.clone()));
        assert_eq!(KeySet::parse(&key().to_jwk().to_string()), Ok(set));
    }

    #[test]
    fn keys_that_prove_nothing_or_too_much_are_refused() {
        let jwk = key().to_jwk();
        let with = |name: &str, value: &str| {
            let mut jwk = jwk.clone();
            jwk[name] = value.into();
            KeySet::parse(&json!({ "keys": [jwk] }).to_string()).unwrap_err()
        };
        assert_eq!(with("d", "AAAA"), KeyError::Private(KID.to_owned()));
        assert_eq!(with("x", "AAAA"), KeyError::Unsound(KID.to_owned()));
        assert_eq!(with("kid", "a b"), KeyError::KeyId);
        assert_eq!(with("crv", "X25519"), KeyError::None);
        let mut neutral = [0_u8; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::new("weak", &neutral), Err(KeyError::Unsound("weak".to_owned())));
        let doubled = format!("{}other {}", key().to_line(), &key().to_line()[KID.len() + 1..]);
        assert_eq!(KeySet::parse(&doubled), Err(KeyError::Twice("other".to_owned())));
        assert_eq!(KeySet::parse(""), Err(KeyError::None));
        assert!(matches!(KeySet::parse("ssh-ed25519 AAAA"), Err(KeyError::Form(_))));
    }
}

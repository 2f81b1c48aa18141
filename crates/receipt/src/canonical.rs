//! One text in, one value out; one value in, one text out.
//!
//! Reading is strict ([`read`]): a text that two readers could understand differently is refused, which means duplicate
//! members, lone surrogates, numbers with a fraction or exponent, integers beyond 2^53, bytes that are not UTF-8.
//! Writing is RFC 8785 ([`write()`]): the bytes that are signed and hashed.
//!
//! [`Receipt::signed_bytes`] gives the same bytes without sorting anything: fields are declared in order, and maps are
//! ordered by code point, which is the order of UTF-16 units unless a key reaches U+E000; then it sorts after all.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::commit;
use crate::v1::{Receipt, ShapeError};
use crate::values::{Digest, MAX_INTEGER};

/// The most bytes a receipt may have in the form that is signed.
pub const MAX_SIGNED_BYTES: usize = 60_000;

/// A receipt that cannot be brought into the form that is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It breaks a rule of its own form.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// It is too long.
    #[error(
        "the receipt has {bytes} signed bytes, and {MAX_SIGNED_BYTES} are allowed; commit to long texts instead of naming them"
    )]
    TooLong {
        /// Its length in signed bytes.
        bytes: usize,
    },
    /// A commitment stands where it may not.
    #[error("the commitment at `{0}` must be a JSON pointer to a place that is absent from the receipt")]
    Place(String),
    /// The value could not be written as JSON.
    #[error("the receipt cannot be written as JSON: {0}")]
    Json(String),
}

impl Receipt {
    /// The bytes that are signed: this receipt in the canonical form of RFC 8785, without `signature` and `disclosures`.
    ///
    /// # Errors
    /// When the receipt breaks a rule of its form or exceeds [`MAX_SIGNED_BYTES`].
    pub fn signed_bytes(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        commit::check_places(self)?;
        let bytes = self.plain_bytes()?;
        if bytes.len() > MAX_SIGNED_BYTES {
            return Err(FormatError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The digest of [`Receipt::signed_bytes`]: what `previous`, `heads` and `prior` of later receipts name.
    ///
    /// # Errors
    /// As [`Receipt::signed_bytes`].
    pub fn digest(&self) -> Result<Digest, FormatError> {
        Ok(Digest::of(&self.signed_bytes()?))
    }

    /// The canonical bytes without any check of what they say.
    pub(crate) fn plain_bytes(&self) -> Result<Vec<u8>, FormatError> {
        let written = if self.keys().any(sorts_differently) {
            serde_json_canonicalizer::to_vec(self)
        } else {
            serde_json::to_vec(self)
        };
        written.map_err(|error| FormatError::Json(error.to_string()))
    }

    /// The keys of every map of the receipt.
    fn keys(&self) -> impl Iterator<Item = &str> {
        let set = self.context.iter().flat_map(|context| context.set.keys());
        let subject = self.subject.iter().flat_map(|subject| subject.keys());
        self.commitments.keys().chain(self.heads.keys()).chain(set).chain(subject).map(String::as_str)
    }
}

/// Whether a key may sort differently by UTF-16 unit than by code point. Only characters from U+E000 on do, and in UTF-8
/// exactly those begin with 0xEE or more.
fn sorts_differently(key: &str) -> bool {
    key.bytes().any(|byte| byte >= 0xEE)
}

/// A value in the canonical form of RFC 8785.
///
/// # Errors
/// What the canonicaliser refuses; nothing that came from [`read`].
pub fn write(value: &Value) -> Result<Vec<u8>, FormatError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| FormatError::Json(error.to_string()))
}

/// Reads JSON that has exactly one meaning.
///
/// # Errors
/// Syntax, duplicate members, lone surrogates, numbers that are not integers within 2^53, text that is not UTF-8, nesting
/// deeper than 127, anything after the value. The message names the place by line and column, never a value.
pub fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(text).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with one meaning")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
            return Err(E::custom("an integer beyond 2^53"));
        }
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER.unsigned_abs() {
            return Err(E::custom("an integer beyond 2^53"));
        }
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom("a number that is not an integer within 2^53"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(de::Error::custom("a member that is there twice"));
            }
            let Strict(value) = members.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_two_meanings_is_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":1,"\u0061":2}"#, "twice"),
            (r#"[{"b":{"a":1,"a":1}}]"#, "twice"),
            (r#"["\ud800"]"#, "hex escape"),
            (r#"["\udc00x"]"#, "surrogate"),
            ("[1.0]", "not an integer"),
            ("[1e2]", "not an integer"),
            ("[-0]", "not an integer"),
            ("[9007199254740992]", "2^53"),
            ("[-9007199254740992]", "2^53"),
            ("[18446744073709551616]", "not an integer"),
            ("[1] ]", "trailing"),
            ("\u{feff}{}", "expected value"),
            ("[NaN]", "expected"),
            ("", "EOF"),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(read(b"[\"\xff\"]").is_err());
        assert!(read("[".repeat(5000).as_bytes()).is_err());
        assert!(read(b"[9007199254740991,-9007199254740991,\"\\ud83d\\ude00\"]").is_ok());
    }

    #[test]
    fn the_general_form_sorts_by_utf16_units() {
        let value = read("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3}".as_bytes()).unwrap();
        assert_eq!(write(&value).unwrap(), "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}".as_bytes());
    }
}

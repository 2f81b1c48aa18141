//! The small values a receipt is made of, each with exactly one way of being written.
//!
//! A value that could be written in two ways could be changed without changing its meaning, so every type here refuses
//! all spellings but one: [`Digest`] (`sha256:` and lower hex), [`Time`] (UTC with milliseconds), [`Base64`] (standard
//! alphabet, padded, no stray bits) and [`Plain`] (the only free values that are signed).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use sha2::{Digest as _, Sha256};

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1; the smallest is its negative.
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// A text that is not in the one form its type allows; the message says which form that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormError(&'static str);

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest computed elsewhere, as its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0_u8; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        f.write_str("sha256:")?;
        f.write_str(std::str::from_utf8(&hex).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let wrong = FormError("a digest is `sha256:` and 64 lower-case hexadecimal digits");
        let hex = text.strip_prefix("sha256:").ok_or(wrong)?.as_bytes();
        if hex.len() != 64 {
            return Err(wrong);
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]).ok_or(wrong)?, nibble(pair[1]).ok_or(wrong)?);
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// A moment in UTC with milliseconds, written `2026-11-22T17:19:41.123Z`; years 0000 to 9999.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

const DAY: i64 = 86_400_000;
const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;

impl Time {
    /// The moment this many milliseconds after 1970-01-01T00:00:00Z, drawn to the nearest end of the years 0000 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(FIRST, LAST))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, within) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
        let (second, milli) = (within / 1000 % 60, within % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Time {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let wrong = FormError("a time is UTC with milliseconds and a Z, as in 2026-11-22T17:19:41.123Z");
        let bytes = text.as_bytes();
        let template = b"0000-00-00T00:00:00.000Z";
        let shaped = bytes.len() == template.len()
            && bytes.iter().zip(template).all(|(b, t)| if *t == b'0' { b.is_ascii_digit() } else { b == t });
        if !shaped {
            return Err(wrong);
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'))
        };
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
        let days = days(year, month, day);
        let real = (1..=12).contains(&month) && civil(days) == (year, month, day);
        if !real || hour > 23 || minute > 59 || second > 59 {
            return Err(wrong);
        }
        Ok(Self(days * DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + number(20, 23)))
    }
}

/// Days since 1970-01-01 to (year, month, day), by the method of eras of 400 years that begin on a first of March.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The inverse of [`civil`]; a day that the month does not have comes back from `civil` as another one.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Exactly `N` bytes, written in standard base64 with padding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base64<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Base64<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Base64<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Base64<N> {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let wrong = FormError("this is not standard base64 with padding, or not of the right length");
        let bytes = STANDARD.decode(text).map_err(|_| wrong)?;
        Ok(Self(bytes.try_into().map_err(|_| wrong)?))
    }
}

/// A free value inside a signed receipt: null, a boolean, an integer within 2^53, a text, or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer; beyond [`MAX_INTEGER`] either way the receipt is refused when it is signed.
    Integer(i64),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl From<bool> for Plain {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Plain {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Plain {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<&str> for Plain {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Plain {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<String>> for Plain {
    fn from(value: Vec<String>) -> Self {
        Self::List(value)
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, an integer, a text or a list of texts")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Plain, E> {
        i64::try_from(value).map(Plain::Integer).map_err(|_| E::custom("an integer beyond 2^53"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Plain::List(list))
    }
}

impl JsonSchema for Plain {
    fn schema_name() -> Cow<'static, str> {
        "Plain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Null, a boolean, an integer within 2^53, a text, or a list of texts.",
            "type": ["null", "boolean", "integer", "string", "array"],
            "minimum": -MAX_INTEGER,
            "maximum": MAX_INTEGER,
            "items": { "type": "string" }
        })
    }
}

/// Serde and JSON Schema for a type that is one text, read by `FromStr` and written by `Display`.
macro_rules! as_text {
    ([$($generic:tt)*] $type:ty, $name:expr, $expecting:literal, $schema:expr) => {
        impl<$($generic)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($generic)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text<T>(std::marker::PhantomData<T>);
                impl<T: FromStr<Err = FormError>> Visitor<'_> for Text<T> {
                    type Value = T;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text(std::marker::PhantomData))
            }
        }

        impl<$($generic)*> JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

as_text!([] Digest, "Digest", "a digest", json_schema!({
    "description": "SHA-256 as lower-case hexadecimal digits.",
    "type": "string",
    "pattern": "^sha256:[0-9a-f]{64}$"
}));
as_text!([] Time, "Time", "a time", json_schema!({
    "description": "A moment in UTC with milliseconds.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
}));
as_text!([const N: usize] Base64<N>, format!("Base64Of{N}Bytes"), "base64 text", json_schema!({
    "description": "Bytes in standard base64 with padding.",
    "type": "string",
    "contentEncoding": "base64",
    "minLength": N.div_ceil(3) * 4,
    "maxLength": N.div_ceil(3) * 4
}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_in_one_form_only() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_367_981_123, "2026-11-22T17:19:41.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (FIRST, "0000-01-01T00:00:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time::from_unix_millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(millis)));
        }
        assert_eq!(Time::from_unix_millis(i64::MAX).unix_millis(), LAST);
        for wrong in [
            "2026-11-22T17:19:41Z",
            "2026-11-22T17:19:41.123+00:00",
            "2026-11-22t17:19:41.123z",
            "2026-02-29T00:00:00.000Z",
            "2026-00-10T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-32T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T23:59:60.000Z",
            "",
        ] {
            assert!(wrong.parse::<Time>().is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        for wrong in
            [&text[7..], &text.to_uppercase(), &text.replace('e', "E"), &text[..70], &format!("{text}0")]
        {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn base64_with_stray_bits_or_without_padding_is_refused() {
        let salt = Base64([7_u8; 32]);
        let text = salt.to_string();
        assert_eq!(text.parse(), Ok(salt));
        assert!(text.ends_with("c="), "{text}");
        for wrong in
            [text.replace("c=", "d="), text.replace('=', ""), format!("{text}="), format!("{text}\n")]
        {
            assert!(wrong.parse::<Base64<32>>().is_err(), "{wrong} was accepted");
        }
        assert!(text.parse::<Base64<31>>().is_err());
    }
}

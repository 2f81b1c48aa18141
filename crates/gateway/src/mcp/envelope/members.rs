//! One object's members as borrowed text. Used only on text that `scan` accepted, so keys are unique.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one object, in their order.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The first key that is none of `known` but reads as one of them when case is folded.
    pub(crate) fn lookalike(&self, known: &[&str]) -> Option<&str> {
        self.0
            .iter()
            .map(|(key, _)| key.as_ref())
            .filter(|key| !known.contains(key) && key.len() <= LONGEST_LOOKALIKE)
            .find(|key| known.contains(&fold(key).as_str()))
    }
}

/// The longest known name has nine letters, and a letter that folds to ASCII takes at most three bytes.
const LONGEST_LOOKALIKE: usize = 27;

/// The members of `raw`, or `None` when it is no object.
pub(crate) fn of(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// The decoded string, or `None` when `raw` is no string.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Where `part` lies within `whole`, in bytes; `None` when it is not a part of it.
pub(crate) fn span(whole: &str, part: &RawValue) -> Option<Range<usize>> {
    let start = part.get().as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.get().len())?;
    (whole.get(range.clone())? == part.get()).then_some(range)
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

/// Folds case as the most lenient of the usual JSON readers do, with the long s and the Kelvin sign.
fn fold(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

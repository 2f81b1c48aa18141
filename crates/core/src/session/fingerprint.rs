//! What is kept of an action's arguments, so that a later action can be asked whether it shares a value with them:
//! for each scalar, one hash of its place and value together. No value is kept.
//!
//! A *place* is written with dots (`to`, `filter.owner`, `to.0.address`). What stands in a list stands at the place of
//! the list, whichever element it is: `to.0.address`, `to.*.address`. A place that is a list is shared where an
//! element of it is. Values are compared as texts: `123` and `"123"` are one account, `Bob` and `bob` are two names.

use std::borrow::Cow;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

/// Scalars of one action that are kept. Of an action that has more it is not known what else it shares.
pub const MOST_LEAVES: usize = 64;
/// Elements of a list that one question looks at.
const MOST_ELEMENTS: usize = 1_024;

/// The arguments of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    leaves: Box<[Hash]>,
    complete: bool,
}

/// The first half of a SHA-256: long enough that nobody makes two values alike.
type Hash = [u64; 2];

/// A value of the action in question, as it would stand at the earlier place and in a list that the earlier place is.
pub(crate) type Sought = [Hash; 2];

/// A pair of places whose values are compared: one in an earlier action, one in the action in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The place itself, and any element of the list that it is.
    earlier: [String; 2],
    now: Vec<String>,
    written: String,
}

/// What stands at a place of the action in question.
pub(crate) enum Standing {
    /// Nothing, or something that is neither a scalar nor a list of scalars, or more than is looked at.
    Unclear,
    /// These values, at least one.
    Values(Vec<Sought>),
}

impl Shared {
    /// Compares what stands at these two places, each written with dots below the arguments; `None` where a place has
    /// an empty part.
    #[must_use]
    pub fn new(earlier: &str, now: &str) -> Option<Self> {
        let whole = |place: &str| place.split('.').all(|part| !part.is_empty());
        (whole(earlier) && whole(now)).then(|| {
            let mut itself = String::new();
            earlier.split('.').for_each(|part| step(&mut itself, part));
            let mut element = itself.clone();
            step(&mut element, "*");
            let earlier = [itself, element];
            Self { earlier, now: now.split('.').map(str::to_owned).collect(), written: now.to_owned() }
        })
    }

    /// The place in the action in question, with dots.
    #[must_use]
    pub fn now(&self) -> &str {
        &self.written
    }

    /// What stands at its place of these arguments.
    pub(crate) fn standing(&self, arguments: &Value) -> Standing {
        let mut found = Vec::new();
        match collect(arguments, &self.now, &mut found) {
            Some(()) if !found.is_empty() => {
                let sought = |text: &Cow<'_, str>| self.earlier.each_ref().map(|place| hash(place, text));
                Standing::Values(found.iter().map(sought).collect())
            }
            _ => Standing::Unclear,
        }
    }
}

impl Fingerprint {
    pub(crate) fn of(arguments: &Value) -> Self {
        let (mut leaves, mut path) = (Vec::new(), String::new());
        let complete = walk(arguments, &mut path, &mut leaves);
        Self { leaves: leaves.into(), complete }
    }

    /// Of an action whose arguments nobody can read any more.
    pub(crate) fn lost() -> Self {
        Self { leaves: Box::default(), complete: false }
    }

    /// Whether one of these values (each of them, where `every`) stands at its place; `None` where that cannot be told.
    pub(crate) fn shares(&self, values: &[Sought], every: bool) -> Option<bool> {
        let stands = |value: &Sought| self.leaves.iter().any(|leaf| value.contains(leaf));
        let holds = if every { values.iter().all(stands) } else { values.iter().any(stands) };
        // What is kept may settle it; what is not kept may not.
        (holds || self.complete).then_some(holds)
    }
}

/// Whether every scalar found room.
fn walk(value: &Value, path: &mut String, leaves: &mut Vec<Hash>) -> bool {
    let length = path.len();
    let mut below = |part: &str, value: &Value, leaves: &mut Vec<Hash>| {
        step(path, part);
        let fits = walk(value, path, leaves);
        path.truncate(length);
        fits
    };
    match value {
        Value::Object(members) => members.iter().all(|(name, member)| below(name, member, leaves)),
        Value::Array(items) => items.iter().all(|item| below("*", item, leaves)),
        scalar => match scalar_text(scalar) {
            None => true,
            Some(_) if leaves.len() >= MOST_LEAVES => false,
            Some(text) => {
                leaves.push(hash(path, &text));
                true
            }
        },
    }
}

/// The values at a place; `None` where there is something else or too much.
fn collect<'a>(value: &'a Value, path: &[String], found: &mut Vec<Cow<'a, str>>) -> Option<()> {
    match (value, path) {
        (Value::Array(items), [part, rest @ ..]) if part != "*" => {
            collect(items.get(part.parse::<usize>().ok()?)?, rest, found)
        }
        (Value::Array(items), path) => {
            let rest = path.get(1..).unwrap_or_default();
            // A list at the end of a place stands for its elements, which are no lists again.
            let nested = path.is_empty() && items.iter().any(|item| item.is_array() || item.is_object());
            if nested || items.len() > MOST_ELEMENTS {
                return None;
            }
            items.iter().try_for_each(|item| collect(item, rest, found))
        }
        (Value::Object(members), [part, rest @ ..]) => collect(members.get(part)?, rest, found),
        (scalar, []) => {
            found.push(scalar_text(scalar)?);
            (found.len() <= MOST_ELEMENTS).then_some(())
        }
        _ => None,
    }
}

/// One part further down; whatever may be the number of an element is taken for one.
fn step(path: &mut String, part: &str) {
    let numbered = part == "*" || part.bytes().all(|b| b.is_ascii_digit());
    path.push('/');
    if numbered {
        path.push('*');
    } else {
        path.push_str(&part.replace('~', "~0").replace('/', "~1").replace('*', "~2"));
    }
}

/// `None` for what is no scalar, and for null, which says nothing.
fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(numeral(number).into()),
        Value::Bool(is) => Some(if *is { "true" } else { "false" }.into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One text for one number: `1.0` is `1`.
fn numeral(number: &Number) -> String {
    let text = number.to_string();
    if let Some(whole) = text.strip_suffix(".0") { whole.to_owned() } else { text }
}

fn hash(place: &str, value: &str) -> Hash {
    let mut hasher = Sha256::new();
    // The length first, so that no place and value run into those of another pair.
    hasher.update(u64::try_from(place.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(place);
    hasher.update(value);
    let digest = hasher.finalize();
    let half =
        |from: usize| digest.iter().skip(from).take(8).fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    [half(0), half(8)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shares(earlier: &Value, now: &Value, places: (&str, &str), every: bool) -> Option<bool> {
        let pair = Shared::new(places.0, places.1).unwrap();
        match pair.standing(now) {
            Standing::Unclear => None,
            Standing::Values(values) => Fingerprint::of(earlier).shares(&values, every),
        }
    }

    #[test]
    fn values_are_shared_by_place_through_lists_and_across_types() {
        let earlier =
            json!({"to": ["a@x", "b@x"], "row": {"owner": 123, "0": "zero"}, "n": 1.0, "gone": null});
        for (now, places, any, every) in [
            (json!({"who": "a@x"}), ("to", "who"), Some(true), Some(true)),
            (json!({"who": "A@x"}), ("to", "who"), Some(false), Some(false)),
            (json!({"who": ["c@x", "b@x"]}), ("to", "who"), Some(true), Some(false)),
            (json!({"who": ["c@x", "b@x"]}), ("to.1", "who.1"), Some(true), Some(true)),
            (json!({"who": ["c@x", "b@x"]}), ("to.*", "who.0"), Some(false), Some(false)),
            (json!({"who": [{"is": "a@x"}]}), ("to", "who.*.is"), Some(true), Some(true)),
            (json!({"id": "123"}), ("row.owner", "id"), Some(true), Some(true)),
            (json!({"id": "zero"}), ("row.0", "id"), Some(true), Some(true)),
            (json!({"id": "123"}), ("row", "id"), Some(false), Some(false)),
            (json!({"id": 1}), ("n", "id"), Some(true), Some(true)),
            (json!({"id": "a@x"}), ("from", "id"), Some(false), Some(false)),
            // What is not there, empty or no scalar shares nothing that can be told.
            (json!({"id": null}), ("gone", "id"), None, None),
            (json!({}), ("to", "who"), None, None),
            (json!({"who": []}), ("to", "who"), None, None),
            (json!({"who": [["a@x"]]}), ("to", "who"), None, None),
            (json!({"who": {"is": "a@x"}}), ("to", "who"), None, None),
            (json!({"who": "a@x"}), ("to", "who.is"), None, None),
        ] {
            assert_eq!(shares(&earlier, &now, places, false), any, "any of {now} {places:?}");
            assert_eq!(shares(&earlier, &now, places, true), every, "every of {now} {places:?}");
        }
        assert_eq!(Shared::new("to", "a..b"), None);
    }

    #[test]
    fn of_more_scalars_than_are_kept_only_what_is_kept_can_be_told() {
        let many: Vec<u64> = (0..=64).collect();
        let earlier = json!({"a": "first", "list": many});
        assert_eq!(shares(&earlier, &json!({"x": "first"}), ("a", "x"), true), Some(true));
        assert_eq!(shares(&earlier, &json!({"x": "other"}), ("a", "x"), true), None);
        assert_eq!(shares(&earlier, &json!({"x": 64}), ("list", "x"), false), None);
        let pair = Shared::new("a", "a").unwrap();
        let Standing::Values(values) = pair.standing(&json!({"a": 1})) else { panic!() };
        assert_eq!(Fingerprint::lost().shares(&values, false), None);
    }

    #[test]
    fn a_member_s_name_is_not_taken_for_another_place() {
        for (member, place) in [("a/b", "a.b"), ("*", "x"), ("a~1b", "a/b")] {
            assert_eq!(
                shares(&json!({ member: 1 }), &json!({"n": 1}), (place, "n"), false),
                Some(false),
                "{member}"
            );
        }
    }
}

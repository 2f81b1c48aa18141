//! What a MODIFY does to the arguments: typed edits at disjoint places.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Arguments, Contract};
use crate::policy::facets::{Facet, under};
use crate::policy::predicate::compile;

/// Edits by place; places never overlap. Empty = the arguments stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(BTreeMap<Place, Edit>);

/// Where an edit applies: the member names from the top of the arguments downwards, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place(Vec<String>);

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", content = "value", rename_all = "snake_case")]
pub enum Edit {
    /// The value becomes this one.
    Set(Value),
    /// A number above this becomes this.
    Cap(serde_json::Number),
    /// A text is blanked: all of it, or whatever this expression matches.
    Redact(Option<String>),
    /// The argument is left out.
    Remove,
    /// This is added to a list.
    Append(Value),
    /// Nothing but these values goes through.
    RestrictTo(Vec<Value>),
    /// Nothing but paths at or below one of these goes through.
    RestrictUnder(Vec<String>),
    /// A change of something that is no argument: nobody can carry it out before the call.
    Foreign,
}

impl Edit {
    /// What it does, as receipts write it, and with which value.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Value) {
        match self {
            Self::Set(value) => ("set", value.clone()),
            Self::Cap(max) => ("cap", Value::Number(max.clone())),
            Self::Redact(what) => ("redact", what.as_deref().map_or(Value::Null, Value::from)),
            Self::Remove => ("remove", Value::Null),
            Self::Append(item) => ("append", item.clone()),
            Self::RestrictTo(values) => ("restrict_to", Value::Array(values.clone())),
            Self::RestrictUnder(prefixes) => ("restrict_under", Value::from(prefixes.clone())),
            Self::Foreign => ("foreign", Value::Null),
        }
    }

    /// The other way round; `None` where the value is none for such an edit.
    #[must_use]
    pub fn from_parts(op: &str, value: Value) -> Option<Self> {
        Some(match (op, value) {
            ("set", value) => Self::Set(value),
            ("cap", Value::Number(max)) => Self::Cap(max),
            ("redact", Value::Null) => Self::Redact(None),
            ("redact", Value::String(what)) => Self::Redact(Some(what)),
            ("remove", Value::Null) => Self::Remove,
            ("append", item) => Self::Append(item),
            ("restrict_to", Value::Array(values)) => Self::RestrictTo(values),
            ("restrict_under", value) => Self::RestrictUnder(serde_json::from_value(value).ok()?),
            ("foreign", Value::Null) => Self::Foreign,
            _ => return None,
        })
    }
}

/// What stands where something was blanked.
pub const REDACTED: &str = "[REDACTED]";

/// Two edits that cannot both be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two edits of {place} contradict each other")]
pub struct EditConflict {
    /// The place, dotted.
    pub place: String,
}

/// An edit that the tool's declared arguments do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The argument is neither there nor declared by the tool.
    #[error("the tool has no argument {0} to edit")]
    NoSuchPlace(String),
    /// A cap on something that is no number.
    #[error("{0} is not a number and cannot be capped")]
    NotANumber(String),
    /// A text was to be blanked, and it is none.
    #[error("{0} is not a text and cannot be redacted")]
    NotAText(String),
    /// Something was to be added to a list, and it is none.
    #[error("{0} is not a list and cannot be added to")]
    NotAList(String),
    /// The value is not among those that go through.
    #[error("{0} is restricted, and its value is not among what goes through")]
    Restricted(String),
    /// It is no argument.
    #[error("{0} is no argument and cannot be changed before the call")]
    Foreign(String),
    /// The tool declares another type.
    #[error("the tool does not take a value of this type for {0}")]
    WrongType(String),
}

impl Place {
    /// Reads a dotted path such as `limit` or `filter.max_rows`; `None` when a segment is empty.
    #[must_use]
    pub fn parse(dotted: &str) -> Option<Self> {
        let segments: Vec<String> = dotted.split('.').map(str::to_owned).collect();
        segments.iter().all(|s| !s.is_empty()).then_some(Self(segments))
    }

    /// The path with dots, for people.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.0.join(".")
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(dotted: String) -> Result<Self, Self::Error> {
        Self::parse(&dotted).ok_or("a path has an empty segment")
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.dotted()
    }
}

impl Edits {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The edits, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Edit)> {
        self.0.iter()
    }

    /// Adds an edit: equal edits are one, the least cap wins, anything else at an overlapping place conflicts.
    ///
    /// # Errors
    /// Names the place of the contradiction.
    pub fn add(&mut self, place: Place, edit: Edit) -> Result<(), EditConflict> {
        let conflict = || EditConflict { place: place.dotted() };
        if let Some((other, _)) = self.0.iter().find(|(p, _)| p.overlaps(&place) && **p != place) {
            return Err(EditConflict { place: other.dotted() });
        }
        let merged = match (self.0.get(&place), edit) {
            (None, edit) => edit,
            (Some(Edit::Cap(a)), Edit::Cap(b)) => Edit::Cap(lesser(a, b)),
            (Some(old), new) if *old == new => new,
            (Some(_), _) => return Err(conflict()),
        };
        self.0.insert(place, merged);
        Ok(())
    }

    /// Adds all edits of `other`.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn merge(&mut self, other: &Self) -> Result<(), EditConflict> {
        other.0.iter().try_for_each(|(place, edit)| self.add(place.clone(), edit.clone()))
    }

    /// The arguments after the edits. Text that no edit touches is written anew, with equal values.
    ///
    /// # Errors
    /// An edit that the tool does not know how to carry out: such an action is denied.
    pub fn apply(&self, arguments: &Arguments, contract: &Contract) -> Result<Arguments, EditError> {
        if self.is_empty() {
            return Ok(arguments.clone());
        }
        let mut value = arguments.value().clone();
        for (place, edit) in &self.0 {
            apply_one(&mut value, place, edit, contract.input_schema.as_ref())?;
        }
        Ok(Arguments::from_value(value))
    }
}

fn apply_one(
    root: &mut Value,
    place: &Place,
    edit: &Edit,
    schema: Option<&Arc<Value>>,
) -> Result<(), EditError> {
    let declared = schema.and_then(|schema| declared_type(schema, place));
    let present = locate(root, place);
    let no_such_place = || EditError::NoSuchPlace(place.dotted());
    let new = match (edit, present) {
        (Edit::Foreign, _) => return Err(EditError::Foreign(place.dotted())),
        // What is not there is neither blanked nor left out nor outside a restriction.
        (Edit::Remove | Edit::Redact(_) | Edit::RestrictTo(_) | Edit::RestrictUnder(_), None) => {
            return Ok(());
        }
        (Edit::Remove, Some(_)) => return remove(root, place).ok_or_else(no_such_place),
        (Edit::RestrictTo(values), Some(now)) if values.contains(now) => return Ok(()),
        (Edit::RestrictUnder(prefixes), Some(now)) if lies_under(now, prefixes) => return Ok(()),
        (Edit::RestrictTo(_) | Edit::RestrictUnder(_), Some(_)) => {
            return Err(EditError::Restricted(place.dotted()));
        }
        (Edit::Redact(what), Some(now)) => blanked(now, what.as_deref(), place)?,
        (Edit::Append(item), Some(now)) => appended(now, item, place)?,
        (Edit::Append(item), None) => {
            checked(&Value::Array(vec![item.clone()]), Some(declared.ok_or_else(no_such_place)?), place)?
        }
        (Edit::Set(new), Some(_)) => checked(new, declared, place)?,
        (Edit::Set(new), None) => checked(new, Some(declared.ok_or_else(no_such_place)?), place)?,
        (Edit::Cap(max), Some(Value::Number(now))) => Value::Number(lesser(now, max.clone())),
        (Edit::Cap(_), Some(_)) => return Err(EditError::NotANumber(place.dotted())),
        // An absent number may stand for "no limit": the cap becomes the value, where the tool declares one.
        (Edit::Cap(max), None) => {
            checked(&Value::Number(max.clone()), Some(declared.ok_or_else(no_such_place)?), place)?
        }
    };
    put(root, place, new).ok_or_else(no_such_place)
}

/// A text, or each text of a list, with what is to be hidden blanked.
fn blanked(now: &Value, what: Option<&str>, place: &Place) -> Result<Value, EditError> {
    let not_a_text = || EditError::NotAText(place.dotted());
    match now {
        Value::String(text) => Ok(match what {
            None => REDACTED.into(),
            Some(expression) => {
                let expression = compile(expression).map_err(|_| not_a_text())?;
                expression.replace_all(text, regex::NoExpand(REDACTED)).into_owned().into()
            }
        }),
        Value::Array(items) => items.iter().map(|item| blanked(item, what, place)).collect(),
        _ => Err(not_a_text()),
    }
}

fn appended(now: &Value, item: &Value, place: &Place) -> Result<Value, EditError> {
    let Value::Array(items) = now else { return Err(EditError::NotAList(place.dotted())) };
    let mut items = items.clone();
    if !items.contains(item) {
        items.push(item.clone());
    }
    Ok(Value::Array(items))
}

/// Whether every path in the value lies at or below one of the prefixes.
fn lies_under(now: &Value, prefixes: &[String]) -> bool {
    match now {
        Value::String(_) => match Facet::named("path.normal").and_then(|normal| normal.of(now)) {
            Some(Value::String(path)) => prefixes.iter().any(|prefix| under(&path, prefix) == Some(true)),
            _ => false,
        },
        Value::Array(items) => items.iter().all(|item| lies_under(item, prefixes)),
        _ => false,
    }
}

fn remove(root: &mut Value, place: &Place) -> Option<()> {
    let (last, parents) = place.0.split_last()?;
    let parent = parents.iter().try_fold(root, |value, segment| value.get_mut(segment))?;
    parent.as_object_mut()?.remove(last).map(|_| ())
}

fn locate<'a>(root: &'a Value, place: &Place) -> Option<&'a Value> {
    place.0.iter().try_fold(root, |value, segment| value.get(segment))
}

fn put(root: &mut Value, place: &Place, new: Value) -> Option<()> {
    let (last, parents) = place.0.split_last()?;
    let parent = parents.iter().try_fold(root, |value, segment| value.get_mut(segment))?;
    parent.as_object_mut()?.insert(last.clone(), new);
    Some(())
}

/// What a schema says of a place: the JSON types it admits, none when it does not restrict them.
fn declared_type(schema: &Value, place: &Place) -> Option<Vec<String>> {
    let node = place.0.iter().try_fold(schema, |node, segment| node.get("properties")?.get(segment))?;
    let types = |node: &Value| match node.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|key| node.get(key)?.as_array()).flatten();
    Some(types(node).into_iter().chain(alternatives.flat_map(types)).collect())
}

fn checked(new: &Value, declared: Option<Vec<String>>, place: &Place) -> Result<Value, EditError> {
    let Some(types) = declared.filter(|types| !types.is_empty()) else { return Ok(new.clone()) };
    let is = |name: &str| types.iter().any(|t| t == name);
    let fits = match new {
        Value::Null => is("null"),
        Value::Bool(_) => is("boolean"),
        Value::Number(n) => is("number") || (is("integer") && !n.is_f64()),
        Value::String(_) => is("string"),
        Value::Array(_) => is("array"),
        Value::Object(_) => is("object"),
    };
    if fits { Ok(new.clone()) } else { Err(EditError::WrongType(place.dotted())) }
}

fn lesser(a: &serde_json::Number, b: serde_json::Number) -> serde_json::Number {
    if crate::facts::compare_numbers(a, &b).is_le() { a.clone() } else { b }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edits(list: &[(&str, Edit)]) -> Result<Edits, EditConflict> {
        let mut edits = Edits::default();
        list.iter().try_for_each(|(place, edit)| edits.add(Place::parse(place).unwrap(), edit.clone()))?;
        Ok(edits)
    }

    fn contract(schema: Value) -> Contract {
        Contract { input_schema: Some(Arc::new(schema)), ..Contract::default() }
    }

    #[test]
    fn caps_take_the_least_and_disjoint_places_compose() {
        let both = edits(&[("limit", Edit::Cap(100.into())), ("limit", Edit::Cap(50.into()))]).unwrap();
        assert_eq!(both.iter().next().unwrap().1, &Edit::Cap(50.into()));
        assert!(edits(&[("a", Edit::Set(json!(1))), ("b", Edit::Set(json!(2)))]).is_ok());
        assert!(edits(&[("a", Edit::Set(json!(1))), ("a", Edit::Set(json!(2)))]).is_err());
        assert!(edits(&[("a.b", Edit::Set(json!(1))), ("a", Edit::Set(json!({})))]).is_err());
    }

    #[test]
    fn an_edit_that_the_tool_cannot_carry_out_is_an_error() {
        let arguments = Arguments::parse(r#"{"limit":500,"q":"x"}"#).unwrap();
        let cap = edits(&[("limit", Edit::Cap(100.into()))]).unwrap();
        let none = Contract::default();
        assert_eq!(cap.apply(&arguments, &none).unwrap().value(), &json!({"limit":100,"q":"x"}));
        let elsewhere = edits(&[("max", Edit::Set(json!(1)))]).unwrap();
        assert!(matches!(elsewhere.apply(&arguments, &none), Err(EditError::NoSuchPlace(_))));
        let known = contract(json!({"properties":{"max":{"type":"integer"},"limit":{"type":"integer"}}}));
        assert_eq!(elsewhere.apply(&arguments, &known).unwrap().value()["max"], 1);
        let text = edits(&[("limit", Edit::Set(json!("ten")))]).unwrap();
        assert!(matches!(text.apply(&arguments, &known), Err(EditError::WrongType(_))));
        let capped_text = edits(&[("q", Edit::Cap(1.into()))]).unwrap();
        assert!(matches!(capped_text.apply(&arguments, &none), Err(EditError::NotANumber(_))));
    }

    #[test]
    fn a_smaller_value_stays_below_a_cap() {
        let arguments = Arguments::parse(r#"{"limit":5}"#).unwrap();
        let cap = edits(&[("limit", Edit::Cap(100.into()))]).unwrap();
        assert_eq!(cap.apply(&arguments, &Contract::default()).unwrap().value()["limit"], 5);
    }
}

//! What an expression reckons with: values borrowed from where they stand, and the few that it makes itself.

use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::number::Num;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val<'e> {
    Null,
    Bool(bool),
    Number(Num),
    Text(&'e str),
    /// A text that the expression made.
    Made(Rc<str>),
    Array(&'e [Value]),
    Object(&'e Map<String, Value>),
    /// A list that the expression or a fact made.
    List(Rc<[Self]>),
}

impl<'e> Val<'e> {
    pub(super) fn of(value: &'e Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(Num::of(number)),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::Array(items),
            Value::Object(members) => Self::Object(members),
        }
    }

    /// A value that nobody else holds; `None` for objects, which no facet answers with.
    pub(super) fn owned(value: Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(Num::of(&number)),
            Value::String(text) => Self::Made(text.into()),
            Value::Array(items) => Self::List(items.into_iter().map(Self::owned).collect::<Option<_>>()?),
            Value::Object(_) => return None,
        })
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }

    /// How many elements or members, where it has any.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            Self::Object(members) => Some(members.len()),
            _ => None,
        }
    }

    /// The same of lists alone.
    pub(super) fn as_list(&self) -> Option<usize> {
        if matches!(self, Self::Object(_)) { None } else { self.count() }
    }

    /// How much there is to look at: letters and values, counted up to about `most`.
    pub(super) fn weight(&self, most: usize) -> usize {
        match self {
            Self::Array(items) => weight(items.iter().collect(), most),
            Self::Object(members) => weight(members.values().collect(), most),
            Self::List(items) => {
                items.iter().fold(1, |sum, item| if sum > most { sum } else { sum + item.weight(most) })
            }
            _ => 1 + self.text().map_or(0, str::len),
        }
    }

    /// An element by its place, from 0.
    pub(super) fn element(&self, place: usize) -> Option<Self> {
        match self {
            Self::Array(items) => items.get(place).map(Self::of),
            Self::List(items) => items.get(place).cloned(),
            _ => None,
        }
    }

    /// What is walked over: the elements of a list, the names of an object's members.
    pub(super) fn walk(&self) -> Option<Vec<Self>> {
        match self {
            Self::Array(items) => Some(items.iter().map(Self::of).collect()),
            Self::List(items) => Some(items.to_vec()),
            Self::Object(members) => Some(members.keys().map(|name| Self::Text(name)).collect()),
            _ => None,
        }
    }

    /// As JSON, copied; `None` where JSON would round it.
    pub(super) fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => Value::Number(number.to_json()?),
            Self::Text(text) => Value::from(*text),
            Self::Made(text) => Value::from(&**text),
            Self::Array(items) => Value::from(items.to_vec()),
            Self::Object(members) => Value::Object((*members).clone()),
            Self::List(items) => items.iter().map(Self::to_json).collect::<Option<_>>()?,
        })
    }

    /// Which comes first; `None` where the two cannot be compared.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.compare(*b),
            _ => Some(self.text()?.cmp(other.text()?)),
        }
    }

    /// Whether both are the same value; `None` where they are of different types, or rounding hides it. Everything
    /// can be compared with null. Each comparison of two values is paid for with `pay`, which says whether to go on.
    pub(super) fn same(&self, other: &Self, pay: &mut dyn FnMut(usize) -> bool) -> Option<bool> {
        if !pay(self.text().map_or(0, str::len)) {
            return None;
        }
        match (self, other) {
            (Self::Null, Self::Null) => Some(true),
            (Self::Null, _) | (_, Self::Null) => Some(false),
            (Self::Bool(a), Self::Bool(b)) => Some(a == b),
            (Self::Number(a), Self::Number(b)) => a.compare(*b).map(Ordering::is_eq),
            (Self::Object(a), Self::Object(b)) => {
                let named = a.len() == b.len() && a.keys().all(|name| b.contains_key(name));
                let mut pairs =
                    a.iter().filter_map(|(name, one)| Some((Self::of(one), Self::of(b.get(name)?))));
                if named { all(|| pairs.next(), pay) } else { Some(false) }
            }
            (Self::Array(_) | Self::List(_), Self::Array(_) | Self::List(_)) => {
                if self.count() != other.count() {
                    return Some(false);
                }
                let mut places = 0..self.count()?;
                let next =
                    || places.next().and_then(|place| Some((self.element(place)?, other.element(place)?)));
                all(next, pay)
            }
            _ => Some(self.text()? == other.text()?),
        }
    }
}

fn weight(mut left: Vec<&Value>, most: usize) -> usize {
    let mut sum = left.len();
    while let Some(value) = left.pop() {
        if sum > most {
            break;
        }
        match value {
            Value::String(text) => sum += text.len(),
            Value::Array(items) => {
                sum += items.len();
                left.extend(items);
            }
            Value::Object(members) => {
                sum += members.keys().map(|name| 1 + name.len()).sum::<usize>();
                left.extend(members.values());
            }
            _ => {}
        }
    }
    sum
}

/// Whether all pairs are the same: one that is not settles it, whatever the others are.
fn all<'e>(
    mut next: impl FnMut() -> Option<(Val<'e>, Val<'e>)>,
    pay: &mut dyn FnMut(usize) -> bool,
) -> Option<bool> {
    let mut answer = Some(true);
    while let Some((one, other)) = next() {
        match one.same(&other, pay) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => answer = None,
        }
    }
    answer
}

//! Whether a rule holds: `Yes`, `No`, or `Unknown` with what is missing.
//!
//! The tool is tested first and reads nothing, so a rule about other tools is `No` whatever is missing.
//! A value of another type than the test compares with is `Unknown`, never `No`.
//!
//! **Lists.** A rule that restricts (anything but ALLOW) holds when *any* element meets the test; an ALLOW
//! only when there is an element and *every* one meets it. What a party holds (roles, scope) and which
//! tools were used are asked for one thing among many, so there one element is enough for every rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::external::{Own, is_external};
use super::rule::{Predicate, Rule, RuleAction, Test, ToolPattern};
use crate::decide::Question;
use crate::decision::{Match, Missing, Why};
use crate::depend::names_tool;
use crate::facts::{Read, compare_numbers};
use crate::names::ToolName;

impl Rule {
    /// Whether the rule holds for the action in question. The names of facts it reads are added to `read`.
    #[must_use]
    pub fn matches(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Match {
        if !self.concerns(&q.action.tool) {
            return Match::No;
        }
        let mut all = Match::Yes;
        for predicate in &self.predicates {
            if !read.contains(predicate.fact.name()) {
                read.insert(Arc::clone(predicate.fact.name()));
            }
            all = all.and(predicate.holds(q, self.mode()));
            if all == Match::No {
                break;
            }
        }
        all
    }

    /// Whether the rule speaks of this tool at all.
    #[must_use]
    pub fn concerns(&self, tool: &ToolName) -> bool {
        let by_tool = self.tools.is_empty() || self.tools.iter().any(|pattern| pattern.names(tool));
        by_tool
            && (self.operations.is_empty()
                || self.operations.iter().any(|operation| operation == tool.tool()))
    }

    /// Whether the rule only ever makes things stricter; one that only writes context does.
    #[must_use]
    pub fn restricts(&self) -> bool {
        self.action.as_ref().is_none_or(RuleAction::restricts)
    }

    pub(super) fn mode(&self) -> Mode {
        if self.restricts() { Mode::Any } else { Mode::Every }
    }
}

impl ToolPattern {
    /// Whether it means this tool: the upstream, the full name, or the bare tool name.
    #[must_use]
    pub fn names(&self, tool: &ToolName) -> bool {
        names_tool(&self.0, tool)
    }
}

/// How a test of one value becomes a test of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One that meets it is enough: rules that restrict.
    Any,
    /// There is one, and all meet it: ALLOW.
    Every,
}

/// One value to be tested.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Json(&'a Value),
    Text(&'a str),
    Count(u64),
}

/// Whether one value meets a test; `None` when it is of another type.
pub(super) type Holds = Option<bool>;

impl Predicate {
    fn holds(&self, q: &Question<'_>, mode: Mode) -> Match {
        let value = match (self.fact.read(q), &self.test) {
            (Err(missing), Test::Exists(_)) if self.fact.may_be_dropped(q) => return Match::Unknown(missing),
            (value, Test::Exists(wanted)) => return Match::from(value.is_ok() == *wanted),
            (Err(missing), _) => return Match::Unknown(missing),
            (Ok(value), _) => value,
        };
        let answer = if let Test::External(wanted) = &self.test {
            let Some(own) = Own::find(q.policy.internal_domains(), q.identity) else {
                return Match::Unknown(Missing::fact("internal_domains", Why::Absent));
            };
            spread(value, mode, |item| Some(is_external(item.text()?, own)? == *wanted))
        } else {
            self.test.on(value, mode)
        };
        match answer {
            Some(holds) => Match::from(holds),
            None => Match::Unknown(self.fact.missing(Why::WrongType)),
        }
    }
}

impl Test {
    pub(super) fn on(&self, value: Read<'_>, mode: Mode) -> Holds {
        match (value, self) {
            // A whole list or map can be asked for as it is.
            (Read::Value(value), Self::Eq(wanted @ (Value::Array(_) | Value::Object(_)))) => {
                same(value, wanted)
            }
            (Read::Value(value), Self::Ne(wanted @ (Value::Array(_) | Value::Object(_)))) => {
                same(value, wanted).map(|same| !same)
            }
            (Read::Held(words), Self::Ne(_)) => {
                fold(words.iter(), Mode::Every, |w| self.element(Item::Text(w)), true)
            }
            (Read::Held(words), _) => fold(words.iter(), Mode::Any, |w| self.element(Item::Text(w)), false),
            (Read::Tools(used), Self::Ne(_)) => fold(used.keys(), Mode::Every, |tool| self.tool(tool), true),
            (Read::Tools(used), _) => fold(used.keys(), Mode::Any, |tool| self.tool(tool), false),
            (Read::Labels(_), _) => spread(value, mode, |item| self.label(item.text()?, mode)),
            (Read::Words(_), Self::Ne(_)) => spread(value, Mode::Every, |item| self.element(item)),
            (Read::Words(_), _) => spread(value, mode, |item| self.element(item)),
            // An ALLOW names what may be in a list: a part of an element's text is not the element.
            (Read::Value(Value::Array(_)) | Read::Parties(_), _) if mode == Mode::Every => {
                spread(value, mode, |item| self.element(item))
            }
            _ => spread(value, mode, |item| self.one(item, mode)),
        }
    }

    /// One member of a list, of which `contains` names whole members.
    fn element(&self, item: Item<'_>) -> Holds {
        match self {
            Self::Contains(wanted) => equals_any(item, wanted.values()),
            other => other.one(item, Mode::Every),
        }
    }

    /// One value.
    pub(super) fn one(&self, item: Item<'_>, mode: Mode) -> Holds {
        match self {
            Self::Eq(wanted) => equals(item, wanted),
            Self::Ne(wanted) => equals(item, wanted).map(|same| !same),
            Self::In(wanted) => equals_any(item, wanted),
            Self::Gt(bound) => item.compared_with(bound).map(std::cmp::Ordering::is_gt),
            Self::Gte(bound) => item.compared_with(bound).map(std::cmp::Ordering::is_ge),
            Self::Lt(bound) => item.compared_with(bound).map(std::cmp::Ordering::is_lt),
            Self::Lte(bound) => item.compared_with(bound).map(std::cmp::Ordering::is_le),
            Self::Contains(wanted) => match item.text() {
                Some(text) => wanted.within(text, mode == Mode::Any),
                None => equals_any(item, wanted.values()),
            },
            Self::Matches(expression) => item.text().map(|text| expression.is_match(text)),
            // Both are answered before single values are looked at.
            Self::External(_) | Self::Exists(_) => None,
        }
    }

    /// One tool that was used: a name means what bears it.
    fn tool(&self, tool: &ToolName) -> Holds {
        let named = |wanted: &Value| wanted.as_str().map(|name| names_tool(name, tool));
        match self {
            Self::Eq(wanted) => named(wanted),
            Self::Ne(wanted) => named(wanted).map(|same| !same),
            Self::In(wanted) => any(wanted.iter().map(named)),
            Self::Contains(wanted) => any(wanted.values().iter().map(named)),
            Self::Matches(expression) => Some(expression.is_match(&tool.to_string())),
            _ => None,
        }
    }

    /// One label of data that was seen.
    pub(super) fn label(&self, seen: &str, mode: Mode) -> Holds {
        let covered = |wanted: &Value| wanted.as_str().map(|wanted| covers(seen, wanted, mode));
        match self {
            Self::Eq(wanted) => covered(wanted),
            Self::In(wanted) => any(wanted.iter().map(covered)),
            Self::Contains(wanted) => any(wanted.values().iter().map(covered)),
            // Whichever way is stricter: any other label restricts, and none near it allows.
            Self::Ne(wanted) => wanted.as_str().map(|wanted| match mode {
                Mode::Any => seen != wanted,
                Mode::Every => !covers(seen, wanted, Mode::Any),
            }),
            Self::Matches(expression) => Some(expression.is_match(seen)),
            _ => None,
        }
    }
}

impl<'a> Item<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Text(text) => Some(text),
            Self::Count(_) => None,
        }
    }

    fn compared_with(self, bound: &Number) -> Option<std::cmp::Ordering> {
        match self {
            Self::Json(Value::Number(n)) => Some(compare_numbers(n, bound)),
            Self::Count(n) => Some(compare_numbers(&n.into(), bound)),
            _ => None,
        }
    }
}

/// Sensitivity, lowest first. Other labels stand beside these, neither above nor below.
const LEVELS: [&str; 4] = ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED"];

/// Whether data labelled `seen` is what a rule about `wanted` speaks of. A restricting rule about one level
/// also speaks of those above it, in any case of letters; an ALLOW speaks of what it lists and nothing else.
pub(super) fn covers(seen: &str, wanted: &str, mode: Mode) -> bool {
    let level = |label: &str| LEVELS.iter().position(|known| known.eq_ignore_ascii_case(label));
    match (mode, level(seen), level(wanted)) {
        (Mode::Every, ..) => seen == wanted,
        (Mode::Any, Some(seen), Some(wanted)) => seen >= wanted,
        (Mode::Any, ..) => seen.eq_ignore_ascii_case(wanted),
    }
}

/// Tests whatever was read, element by element where it is a list.
fn spread(value: Read<'_>, mode: Mode, test: impl Fn(Item<'_>) -> Holds) -> Holds {
    match value {
        Read::Value(Value::Array(items)) => fold(items.iter(), mode, |item| test(Item::Json(item)), false),
        Read::Value(one) => test(Item::Json(one)),
        Read::Text(text) => test(Item::Text(text)),
        Read::Count(count) => test(Item::Count(count)),
        Read::Held(words) => fold(words.iter(), mode, |word| test(Item::Text(word)), false),
        Read::Words(words) => fold(words.iter(), mode, |word| test(Item::Text(word)), mode == Mode::Every),
        Read::Parties(parties) => fold(parties.iter(), mode, |party| test(Item::Text(&party.id)), false),
        Read::Tools(used) => fold(used.keys(), mode, |tool| test(Item::Text(tool.tool())), false),
        Read::Labels(sets) => {
            fold(sets.into_iter().flatten().flatten(), mode, |label| test(Item::Text(label)), false)
        }
    }
}

/// Three-valued any or every; `empty` is the answer where there is nothing to test.
fn fold<T>(items: impl Iterator<Item = T>, mode: Mode, test: impl Fn(T) -> Holds, empty: bool) -> Holds {
    let settling = mode == Mode::Any;
    let (mut tested, mut unclear) = (false, false);
    for item in items {
        tested = true;
        match test(item) {
            Some(holds) if holds == settling => return Some(settling),
            Some(_) => {}
            None => unclear = true,
        }
    }
    match (tested, unclear) {
        (false, _) => Some(empty),
        (true, true) => None,
        (true, false) => Some(!settling),
    }
}

/// Whether one of several comparisons says yes; `None` when none could be made.
fn any(answers: impl Iterator<Item = Holds>) -> Holds {
    answers.fold(None, |so_far, answer| match (so_far, answer) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, other) | (other, None) => other,
        (Some(false), Some(false)) => Some(false),
    })
}

fn equals_any(item: Item<'_>, wanted: &[Value]) -> Holds {
    any(wanted.iter().map(|wanted| equals(item, wanted)))
}

fn equals(item: Item<'_>, wanted: &Value) -> Holds {
    match (item, wanted) {
        (Item::Json(value), wanted) => same(value, wanted),
        (Item::Text(text), Value::String(wanted)) => Some(text == wanted),
        (Item::Count(count), Value::Number(wanted)) => Some(compare_numbers(&count.into(), wanted).is_eq()),
        (Item::Text(_) | Item::Count(_), Value::Null) => Some(false),
        _ => None,
    }
}

/// Equal by value; every value can be compared with null, others only with their own type.
fn same(value: &Value, wanted: &Value) -> Holds {
    match (value, wanted) {
        (Value::Null, Value::Null) => Some(true),
        (_, Value::Null) => Some(false),
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::Number(a), Value::Number(b)) => Some(compare_numbers(a, b).is_eq()),
        (Value::String(a), Value::String(b)) => Some(a == b),
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
            Some(identical(value, wanted))
        }
        _ => None,
    }
}

/// Equal all the way down, numbers by value.
fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| identical(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| identical(a, b)))
        }
        _ => a == b,
    }
}

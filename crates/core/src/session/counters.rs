//! Counters that a policy defines: what one action adds, and the sums.
//!
//! ```yaml
//! counters:
//!   money_moved: {tool: [payment.transfer], add: parameters.amount}
//!   mails:       {tool: [mail.send], add: 1}
//!   bytes_sent:  {tool: [mail.send], add: "size: parameters.body"}
//!   rows_read:   {tool: [db.query], add: result.items, at_most: 500}
//! ```
//!
//! | `add` | one action adds | Unknown |
//! |---|---|---|
//! | a number | that | |
//! | a parameter | its value: a JSON number, or a text that is one, exactly as it is written | absent, no number, below zero, out of range |
//! | the size of a parameter | bytes of the text in UTF-8; of anything else, of its JSON text; null has none | absent |
//! | `result.bytes`, `result.items` | bytes, or things ([`items`]), of what the agent gets | until the outcome is on record; an outcome that nobody knows stays Unknown |
//!
//! The amount stands in the ruling (`counted`) and counts from the moment the ruling is appended. An amount that is not
//! known makes every sum Unknown in whose window it lies. For what only the result tells, the definition may give an
//! upper bound: then that is counted until the outcome says what it was. An outcome that nothing was sent gives back.
//! No amount is below zero, so a sum only ever grows: what is known of it is a lower bound of the whole.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::decimal::Decimal;
use super::series::Series;
use crate::action::{Action, Arguments};
use crate::decision::{Decision, Ruling};
use crate::depend::names_tool;
use crate::names::ToolName;
use crate::origin::output;
use crate::time::{Span, Time};

/// A counter, as a policy defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterDefinition {
    /// Its name, the same in every file of a set.
    pub name: Arc<str>,
    /// The tools it counts: `upstream.tool`, `upstream` or a bare tool name; none = all.
    pub tools: Vec<Arc<str>>,
    /// What one action adds.
    pub add: Add,
}

/// What one action adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Add {
    /// Always this.
    Fixed(Decimal),
    /// The number at this place of the arguments.
    Parameter(Vec<String>),
    /// The bytes of what stands at this place of the arguments.
    Size(Vec<String>),
    /// What the result has, at most so much as far as anybody knows before.
    Result(Measured, Option<Decimal>),
}

/// What is measured of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measured {
    /// Bytes of what the agent gets.
    Bytes,
    /// Things in it: rows, hits, lines; see [`items`].
    Items,
}

/// What one action adds to one counter. Written `12.5`, `unknown`, `result.bytes` or `result.items<=100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// This.
    Known(Decimal),
    /// Nobody can tell.
    Unknown,
    /// What its outcome will tell; at most so much, where the policy says so.
    Result {
        /// What is measured.
        of: Measured,
        /// Counted until then.
        at_most: Option<Decimal>,
    },
}

/// What an outcome changes of what its action was counted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// The tool.
    pub tool: ToolName,
    /// When it was permitted.
    pub at: Time,
    /// Nothing was sent: it is not counted at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returned: bool,
    /// What it was counted for, by counter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub was: BTreeMap<Arc<str>, Amount>,
    /// What it is counted for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub now: BTreeMap<Arc<str>, Amount>,
}

impl CounterDefinition {
    /// Whether it counts this tool.
    #[must_use]
    pub fn counts(&self, tool: &ToolName) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|written| names_tool(written, tool))
    }

    /// What an action adds; `None` where its tool is not counted.
    #[must_use]
    pub fn amount(&self, action: &Action) -> Option<Amount> {
        self.counts(&action.tool).then(|| match &self.add {
            Add::Fixed(amount) => Amount::Known(*amount),
            Add::Parameter(path) => number(&action.arguments, path).map_or(Amount::Unknown, Amount::Known),
            Add::Size(path) => size(&action.arguments, path).map_or(Amount::Unknown, Amount::Known),
            Add::Result(of, at_most) => Amount::Result { of: *of, at_most: *at_most },
        })
    }
}

/// A ruling with what its action, as it is forwarded, adds to these counters; a refusal adds nothing.
pub(crate) fn counted(definitions: &[CounterDefinition], action: &Action, mut ruling: Ruling) -> Ruling {
    if ruling.decision == Decision::Deny || !definitions.iter().any(|counter| counter.counts(&action.tool)) {
        return ruling;
    }
    let edited = (!ruling.edits.is_empty())
        .then(|| ruling.edits.apply(&action.arguments, &action.contract).ok())
        .flatten()
        .map(|arguments| Action { arguments, ..action.clone() });
    let action = edited.as_ref().unwrap_or(action);
    let amounts = definitions.iter().filter_map(|c| Some((Arc::clone(&c.name), c.amount(action)?)));
    ruling.counted = amounts.collect();
    ruling
}

impl Amount {
    /// As far as it is known before the outcome.
    #[must_use]
    pub const fn before_outcome(self) -> Option<Decimal> {
        match self {
            Self::Known(amount) | Self::Result { at_most: Some(amount), .. } => Some(amount),
            Self::Unknown | Self::Result { at_most: None, .. } => None,
        }
    }

    /// What it is once there is an outcome: what the agent got, or what was erased since.
    pub(crate) fn measured(self, output: Option<&str>, erased: bool) -> Self {
        let Self::Result { of, .. } = self else { return self };
        match (of, output) {
            (_, None) if erased => Self::Unknown,
            (_, None) => Self::Known(Decimal::ZERO),
            (Measured::Bytes, Some(text)) => Self::Known(count(text.len()).into()),
            (Measured::Items, Some(text)) => Self::Known(items(text).into()),
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Things in a result, rather too many than too few: the elements of its outermost lists, all of them together; one
/// where there is something and no list; lines where it is a text that is not empty. A list with nothing but a list
/// in it is that list. A tool result's blocks are counted each; where there is a structured form too, the larger
/// number counts.
#[must_use]
pub fn items(text: &str) -> u64 {
    let result = serde_json::from_str::<Value>(text).unwrap_or_default();
    let blocks = result.get("content").and_then(Value::as_array);
    let Some(blocks) =
        blocks.filter(|all| all.iter().all(|block| block.get("type").is_some_and(Value::is_string)))
    else {
        return in_text(text);
    };
    let said = |block: &Value| {
        let text = block.get("text").or_else(|| block.pointer("/resource/text")).and_then(Value::as_str);
        text.map_or(1, in_text)
    };
    let structured = result.get("structuredContent").map_or(0, things);
    blocks.iter().map(said).fold(0, u64::saturating_add).max(structured)
}

fn in_text(text: &str) -> u64 {
    match output::read(text) {
        output::Tree::Values(value) => things(&value),
        output::Tree::Listing(lines) => count(lines.len()),
        output::Tree::Text(text) => count(text.lines().filter(|line| !line.trim().is_empty()).count()),
    }
}

/// At least one where there is anything.
fn things(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        other => in_lists(other).unwrap_or(1),
    }
}

/// The elements of the outermost lists; `None` where there is no list.
fn in_lists(value: &Value) -> Option<u64> {
    match value {
        Value::Array(items) => match items.as_slice() {
            [only] => Some(in_lists(only).unwrap_or(1).max(1)),
            items => Some(count(items.len())),
        },
        Value::Object(members) => members.values().filter_map(in_lists).reduce(u64::saturating_add),
        _ => None,
    }
}

fn locate<'a>(root: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, part| match value {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The number at a place, exactly as it is written.
fn number(arguments: &Arguments, path: &[String]) -> Option<Decimal> {
    match locate(arguments.value(), path)? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) if number.is_f64() => written(arguments.text(), path)?.parse().ok(),
        Value::Number(number) => Decimal::of_number(number).ok(),
        _ => None,
    }
}

/// The very text of a value in the text of the arguments: a double would keep 17 digits of it.
fn written<'a>(text: &'a str, path: &[String]) -> Option<&'a str> {
    path.iter().try_fold(text, |text, part| {
        let inner = if text.trim_start().starts_with('[') {
            let items: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
            *items.get(part.parse::<usize>().ok()?)?
        } else {
            let members: BTreeMap<String, &'a RawValue> = serde_json::from_str(text).ok()?;
            *members.get(part)?
        };
        Some(inner.get())
    })
}

fn size(arguments: &Arguments, path: &[String]) -> Option<Decimal> {
    let bytes = match locate(arguments.value(), path)? {
        Value::Null => 0,
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    };
    Some(count(bytes).into())
}

impl Measured {
    /// The word that policies and receipts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "result.bytes",
            Self::Items => "result.items",
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(amount) => amount.fmt(f),
            Self::Unknown => f.write_str("unknown"),
            Self::Result { of, at_most: None } => f.write_str(of.as_str()),
            Self::Result { of, at_most: Some(most) } => write!(f, "{}<={most}", of.as_str()),
        }
    }
}

/// A text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a number, `unknown`, `result.bytes` or `result.items`, perhaps with `<=` and a number")]
pub struct NotAmount;

impl FromStr for Amount {
    type Err = NotAmount;

    fn from_str(text: &str) -> Result<Self, NotAmount> {
        let (word, most) = text.split_once("<=").map_or((text, None), |(word, most)| (word, Some(most)));
        let at_most = most.map(str::parse).transpose().map_err(|_| NotAmount)?;
        match word {
            "result.bytes" => Ok(Self::Result { of: Measured::Bytes, at_most }),
            "result.items" => Ok(Self::Result { of: Measured::Items, at_most }),
            _ if most.is_some() => Err(NotAmount),
            "unknown" => Ok(Self::Unknown),
            number => number.parse().map(Self::Known).map_err(|_| NotAmount),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A number that is known from below, and perhaps exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total<T> {
    /// It is at least this; where windows are long, an upper bound of what is known (see `series`).
    pub at_least: T,
    /// And not more.
    pub whole: bool,
}

/// The sums of one session or principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    sums: BTreeMap<Arc<str>, Sum>,
    /// A counter found no room.
    full: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    known: Series<Decimal>,
    /// Actions whose amount is not known.
    unknown: Series<u64>,
}

impl Counters {
    pub(crate) fn add(&mut self, amounts: &BTreeMap<Arc<str>, Amount>, at: Option<Time>, limit: usize) {
        for (name, amount) in amounts {
            if !self.sums.contains_key(name) && self.sums.len() >= limit {
                self.full = true;
                continue;
            }
            let sum = self.sums.entry(Arc::clone(name)).or_default();
            match amount.before_outcome() {
                Some(known) => sum.known.add(at, known),
                None => sum.unknown.add(at, 1),
            }
        }
    }

    pub(crate) fn take(&mut self, amounts: &BTreeMap<Arc<str>, Amount>, at: Option<Time>) {
        for (name, amount) in amounts {
            let Some(sum) = self.sums.get_mut(name) else { continue };
            match amount.before_outcome() {
                Some(known) => sum.known.take(at, known),
                None => sum.unknown.take(at, 1),
            }
        }
    }

    pub(crate) fn sum(&self, name: &str, window: Option<Span>, now: Time) -> Total<Decimal> {
        match self.sums.get(name) {
            Some(sum) => {
                Total { at_least: sum.known.total(window, now), whole: sum.unknown.total(window, now) == 0 }
            }
            None => Total { at_least: Decimal::ZERO, whole: !self.full },
        }
    }
}

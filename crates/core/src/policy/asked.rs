//! A rule taken apart for people: each test that it makes in words, what it found there, and what it answers.
//!
//! What a call or a person brought in (arguments, the request, given facts) is told by its shape alone unless its
//! value is asked for, and secrets in it are blanked even then. What is computed here is told as it is.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::Value;

use super::condition::{Actions, Budget, Condition, Constraint, Rate};
use super::matching::Mode;
use super::operation::does;
use super::predicate::{Predicate, Test};
use super::rule::Rule;
use crate::decide::Question;
use crate::decision::Match;
use crate::detect::inspect;
use crate::edits::REDACTED;
use crate::facts::{Fact, Read};

/// One test that a rule makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The names of the facts that it reads; none where it looks at the call itself.
    pub facts: Vec<Arc<str>>,
    /// What it asks, in words that follow the fact's name.
    pub asks: String,
    /// What was found under the first fact; `None` where there is nothing.
    pub found: Option<Found>,
    /// What it answers.
    pub answer: Match,
}

/// What a fact was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What kind of thing: `a text of 12 characters`.
    pub shape: String,
    /// The thing itself, secrets blanked; `None` where it is not shown.
    pub value: Option<Value>,
}

/// A longer text is shown up to here, in characters.
const LONGEST: usize = 200;
/// A list is shown up to here.
const MOST: usize = 16;
/// Of what a test names, so much is told.
const NAMED: usize = 8;

impl Rule {
    /// Every test of the rule, those included that did not have to be made. `values`: whether contents are shown.
    #[must_use]
    pub fn asked(&self, q: &Question<'_>, values: bool) -> Vec<Asked> {
        let mut all = Vec::new();
        if !self.operations.is_empty() && !self.operations.iter().any(|name| name == q.action.tool.tool()) {
            let asks = format!("the call does {}", any(self.operations.iter()));
            let answer =
                if self.concerns(&q.action.tool) { does(q.action, &self.operations) } else { Match::No };
            all.push(Asked { facts: Vec::new(), asks, found: None, answer });
        }
        let mode = self.mode();
        all.extend(self.predicates.iter().map(|predicate| predicate.asked(q, mode, values)));
        all.extend(self.conditions.iter().flat_map(|condition| condition.asked(q, mode, values)));
        all
    }
}

impl Predicate {
    fn asked(&self, q: &Question<'_>, mode: Mode, values: bool) -> Asked {
        Asked {
            facts: self.facts().map(|fact| Arc::clone(fact.name())).collect(),
            asks: self.test.words(),
            found: found(&self.fact, q, values),
            answer: self.holds(q, mode),
        }
    }
}

impl Condition {
    fn asked(&self, q: &Question<'_>, mode: Mode, values: bool) -> Vec<Asked> {
        let (constraints, broken) = match self {
            Self::Broken(constraints) => (constraints, true),
            Self::Kept(constraints) => (constraints, false),
            Self::After(_) | Self::When(_) => return vec![self.asked_whole(q, mode)],
        };
        let one = |constraint: &Constraint| {
            let kept = constraint.asked(q, values);
            match broken {
                true => {
                    Asked { asks: format!("breaks this: {}", kept.asks), answer: kept.answer.not(), ..kept }
                }
                false => kept,
            }
        };
        constraints.iter().map(one).collect()
    }

    /// One that is asked in one piece.
    fn asked_whole(&self, q: &Question<'_>, mode: Mode) -> Asked {
        let mut read = BTreeSet::new();
        let answer = self.holds(q, mode, &mut read);
        let asks = match self {
            Self::After(sequence) => format!("comes after {}", sequence.after),
            Self::When(expression) => format!("is true: {expression}"),
            Self::Broken(_) | Self::Kept(_) => String::new(),
        };
        Asked { facts: read.into_iter().collect(), asks, found: None, answer }
    }
}

impl Constraint {
    fn asked(&self, q: &Question<'_>, values: bool) -> Asked {
        if let Self::Test(predicate) = self {
            return predicate.asked(q, Mode::Every, values);
        }
        let mut read = BTreeSet::new();
        let answer = self.kept(q, &mut read);
        let asks = match self {
            Self::Rate(Rate { max, per, of, .. }) => {
                format!("at most {max} actions of {of} in the window, counted for the {}", per.as_str())
            }
            Self::Budget(Budget { counter, max, per, .. }) => {
                format!("adds up to at most {max} of {}, counted for the {}", counter.name, per.as_str())
            }
            Self::Test(_) => String::new(),
        };
        Asked { facts: read.into_iter().collect(), asks, found: None, answer }
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named: Vec<&str> = self.tools.iter().map(|pattern| pattern.0.as_str()).collect();
        named.extend(self.operations.iter().map(String::as_str));
        named.extend(self.effects.iter().map(|effect| effect.as_str()));
        let named = any(named.into_iter());
        f.write_str(if named.is_empty() { "any tool" } else { &named })
    }
}

impl Test {
    /// What it asks, in words that follow a fact's name.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Not(test) => format!("not: {}", test.words()),
            Self::Eq(value) => format!("is {}", plain(value)),
            Self::Ne(value) => format!("is not {}", plain(value)),
            Self::Gt(n) => format!("is above {n}"),
            Self::Gte(n) => format!("is {n} or more"),
            Self::Lt(n) => format!("is below {n}"),
            Self::Lte(n) => format!("is {n} or less"),
            Self::In(values) => format!("is {}", any(values.iter().map(plain))),
            Self::Contains(sought) => format!("has {} in it", any(sought.values().iter().map(plain))),
            Self::Matches(expression) => format!("matches `{}`", expression.as_str()),
            Self::External(true) => "is outside the organisation's domains".to_owned(),
            Self::External(false) => "is inside the organisation's domains".to_owned(),
            Self::StartsWith(parts) => format!("begins with {}", any(parts.iter())),
            Self::EndsWith(parts) => format!("ends with {}", any(parts.iter())),
            Self::DomainIn(domains) => format!("leads to {}", any(domains.iter())),
            Self::DomainAllowlist(domains) => format!("leads nowhere but to {}", any(domains.iter())),
            Self::Under(prefixes) => format!("lies at or below {}", any(prefixes.iter())),
            Self::HigherThan(level) => format!("is above {level}"),
            Self::HigherThanFact(fact) => format!("is above the level that {fact} names"),
            Self::SameAs(fact) => format!("is the same as {fact}"),
            Self::Part(facet, tests) => {
                let tests: Vec<String> = tests.iter().map(Self::words).collect();
                format!("has {} that {}", facet.name(), tests.join(" and "))
            }
            Self::Exists(true) => "is there".to_owned(),
            Self::Exists(false) => "is not there".to_owned(),
            Self::Unsettled(true) => "is missing, stale or contradicted".to_owned(),
            Self::Unsettled(false) => "is known and not contradicted".to_owned(),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `a, b or c`
fn any<T: std::fmt::Display>(names: impl ExactSizeIterator<Item = T>) -> String {
    let (mut text, all) = (String::new(), names.len());
    for (at, name) in names.enumerate() {
        // Writing to a text does not fail.
        let _ = match at {
            0 => write!(text, "{name}"),
            NAMED => return format!("{text} or one of {} more", all - NAMED),
            _ if at + 1 == all => write!(text, " or {name}"),
            _ => write!(text, ", {name}"),
        };
    }
    text
}

/// What the fact is at the moment of the question.
fn found(fact: &Fact, q: &Question<'_>, values: bool) -> Option<Found> {
    let value = as_json(fact.read(q).ok()?);
    let shown = values || !fact.is_content();
    let name = fact.name().rsplit('.').next().unwrap_or_default();
    Some(Found { shape: shape(&value), value: shown.then(|| without_secrets(name, &value)) })
}

fn as_json(read: Read<'_>) -> Value {
    match read {
        Read::Value(value) => value.clone(),
        Read::Text(text) => text.into(),
        Read::Count(count) => count.into(),
        Read::Amount(amount) => amount.to_string().into(),
        Read::Held(words) => words.into(),
        Read::Parties(parties) => parties.iter().map(|party| Value::from(&*party.id)).collect(),
        Read::Tools(used) => used.keys().map(|tool| Value::from(tool.to_string())).collect(),
        Read::Labels(sets) => {
            let labels: BTreeSet<&Arc<str>> = sets.into_iter().flatten().flatten().collect();
            labels.into_iter().map(|label| Value::from(&**label)).collect()
        }
        Read::Words(words) => words.iter().map(|word| Value::from(*word)).collect(),
    }
}

fn shape(value: &Value) -> String {
    let count = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) => format!("a text of {}", count(text.chars().count(), "character")),
        Value::Array(items) => format!("a list of {}", count(items.len(), "item")),
        Value::Object(members) => format!("a map of {}", count(members.len(), "member")),
    }
}

/// A text that holds a credential, or bears the name of one, is blanked; a long one is cut.
fn without_secrets(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let secret = |text: &str| {
                inspect(text).labels.iter().any(|label| matches!(*label, "SECRET" | "CREDENTIAL"))
            };
            if secret(text) || secret(&format!("{name}: {text}")) {
                return REDACTED.into();
            }
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
                None => value.clone(),
            }
        }
        Value::Array(items) => {
            let mut shown: Vec<Value> =
                items.iter().take(MOST).map(|item| without_secrets(name, item)).collect();
            if items.len() > MOST {
                shown.push(format!("… {} more", items.len() - MOST).into());
            }
            shown.into()
        }
        Value::Object(members) => members
            .iter()
            .take(MOST)
            .map(|(name, value)| (name.clone(), without_secrets(name, value)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_blanked_wherever_they_stand() {
        let shown = without_secrets(
            "config",
            &json!({
                "password": "correct-horse-battery-staple-9",
                "hosts": ["a.example", "b.example"],
                "note": format!("use {}", concat!("ghp_", "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789")),
            }),
        );
        assert_eq!(shown["hosts"], json!(["a.example", "b.example"]));
        assert_eq!(shown["password"], json!(REDACTED));
        assert_eq!(shown["note"], json!(REDACTED));
    }

    #[test]
    fn long_things_are_cut() {
        let long = without_secrets("x", &json!("ab ".repeat(200)));
        assert_eq!(long.as_str().unwrap().chars().count(), LONGEST + 1);
        let many: Vec<u32> = (0..40).collect();
        let shown = without_secrets("x", &json!(many));
        assert_eq!(shown.as_array().unwrap().len(), MOST + 1);
        assert_eq!(any((0..12).collect::<Vec<_>>().iter()), "0, 1, 2, 3, 4, 5, 6, 7 or one of 4 more");
        assert_eq!(any(["a", "b", "c"].iter()), "a, b or c");
    }
}

//! Tests of facts: what one line of `match` asks.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value};

use super::facets::Facet;
use crate::detect::Level;
use crate::facts::Fact;

/// One test of one fact.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// Which fact.
    pub fact: Fact,
    /// What is asked of it.
    pub test: Test,
}

/// What can be asked of a fact.
#[derive(Clone, Debug)]
pub enum Test {
    /// Not meeting this. On a set: none of its members meets it.
    Not(Box<Test>),
    /// Equal to this (numbers by value). On a set: holds it.
    Eq(Value),
    /// Not equal.
    Ne(Value),
    /// A number above this.
    Gt(Number),
    /// A number at or above this.
    Gte(Number),
    /// A number below this.
    Lt(Number),
    /// A number at or below this.
    Lte(Number),
    /// Equal to one of these. On a set: holds one of them.
    In(Vec<Value>),
    /// A text with one of these in it, or a list or set that holds one of them.
    Contains(Sought),
    /// A text that this linear-time expression finds a match in.
    Matches(Regex),
    /// An address or URL whose domain is (or is not) outside the organisation's own.
    External(bool),
    /// A text that begins with one of these.
    StartsWith(Vec<String>),
    /// A text that ends with one of these.
    EndsWith(Vec<String>),
    /// A text with an address or URL at or below one of these domains; ALLOW: all of them are.
    DomainIn(Vec<Arc<str>>),
    /// A text all of whose addresses and URLs are at or below one of these domains.
    DomainAllowlist(Vec<Arc<str>>),
    /// A path that lies at or below one of these, both after normalisation.
    Under(Vec<String>),
    /// Labels of which one is above this level.
    HigherThan(Level),
    /// Labels of which one is above the level that this fact names.
    HigherThanFact(Fact),
    /// Equal to what this fact is.
    SameAs(Fact),
    /// What is understood of an argument meets all of these.
    Part(Facet, Vec<Test>),
    /// Whether the fact is there at all. Never Unknown.
    Exists(bool),
    /// Whether the fact is missing, stale or contradicted. Never Unknown.
    Unsettled(bool),
}

impl Test {
    /// Whether the answer depends on more than the value: then it cannot be told from the rule alone.
    pub(super) fn needs_more(&self) -> bool {
        match self {
            Self::Not(test) => test.needs_more(),
            Self::Part(_, tests) => tests.iter().any(Self::needs_more),
            Self::External(_)
            | Self::SameAs(_)
            | Self::HigherThanFact(_)
            | Self::Exists(_)
            | Self::Unsettled(_) => true,
            _ => false,
        }
    }
}

/// What `contains` looks for. Rules that restrict look for texts in any case of letters, ALLOW exactly.
#[derive(Clone, Debug)]
pub struct Sought {
    values: Vec<Value>,
    /// Finds any of the texts in linear time, whatever their case; `None` when none is a text.
    any_case: Option<Regex>,
}

impl Sought {
    /// Prepares the search.
    ///
    /// # Errors
    /// The texts are too long together.
    pub fn new(values: Vec<Value>) -> Result<Self, regex::Error> {
        let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(regex::escape).collect();
        let any_case =
            if texts.is_empty() { None } else { Some(compile(&format!("(?i:{})", texts.join("|")))?) };
        Ok(Self { values, any_case })
    }

    /// What is looked for.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Whether `text` has one of the texts in it; `None` when no text is looked for.
    #[must_use]
    pub fn within(&self, text: &str, any_case: bool) -> Option<bool> {
        let expression = self.any_case.as_ref()?;
        let exactly = |wanted: &Value| wanted.as_str().is_some_and(|wanted| text.contains(wanted));
        Some(if any_case { expression.is_match(text) } else { self.values.iter().any(exactly) })
    }
}

/// The largest that an expression compiles to, in bytes.
pub(super) const COMPILED: usize = 1 << 20;
/// Groups and repetitions are nested at most so deep.
pub(super) const NESTED: u32 = 50;

/// An expression of bounded size, searched in linear time.
pub(crate) fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).size_limit(COMPILED).dfa_size_limit(COMPILED).nest_limit(NESTED).build()
}

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

use super::condition::Condition;
use super::external::{Own, is_external, leads_to};
use super::facets::{Facet, under};
use super::operation::does;
use super::predicate::{Predicate, Test};
use super::rule::{Rule, RuleAction, ToolPattern};
use crate::decide::Question;
use crate::decision::{Match, Missing, Why};
use crate::depend::names_tool;
use crate::detect::Level;
use crate::facts::{Fact, Read, compare_numbers, identical};
use crate::names::ToolName;
use crate::session::Decimal;
use crate::session::signals::level_of;

impl Rule {
    /// Whether the rule holds for the action in question. The names of facts it reads are added to `read`.
    #[must_use]
    pub fn matches(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Match {
        let mut all = self.concerned(q);
        for predicate in &self.predicates {
            if all == Match::No {
                return all;
            }
            predicate.note(read);
            all = all.and(predicate.holds(q, self.mode()));
        }
        for condition in &self.conditions {
            if all == Match::No {
                return all;
            }
            all = all.and(condition.holds(q, self.mode(), read));
        }
        all
    }

    /// Whether the rule may speak of this tool. Where it is about an operation that is not the tool's name, what a
    /// call of the tool does decides.
    #[must_use]
    pub fn concerns(&self, tool: &ToolName) -> bool {
        let by_tool = self.tools.is_empty() || self.tools.iter().any(|pattern| pattern.names(tool));
        by_tool && (self.operations.is_empty() || self.names_operation(tool) || self.looks_into_calls())
    }

    /// The facts that it reads.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        let of_tests = self.predicates.iter().flat_map(Predicate::facts);
        of_tests.chain(self.conditions.iter().flat_map(Condition::facts))
    }

    fn concerned(&self, q: &Question<'_>) -> Match {
        let tool = &q.action.tool;
        match self.concerns(tool) {
            false => Match::No,
            true if self.operations.is_empty() || self.names_operation(tool) => Match::Yes,
            true => does(q.action, &self.operations),
        }
    }

    fn names_operation(&self, tool: &ToolName) -> bool {
        self.operations.iter().any(|operation| operation == tool.tool())
    }

    /// Whether an operation is looked for in the arguments too: where a tool is named, so that `operation` says what
    /// it is used for, and nothing is let through by it.
    fn looks_into_calls(&self) -> bool {
        !self.tools.is_empty() && self.restricts()
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
    Amount(Decimal),
}

/// Whether one value meets a test; `None` when it is of another type.
pub(super) type Holds = Option<bool>;

impl Predicate {
    /// The facts that it reads.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        std::iter::once(&self.fact).chain(self.test.other_facts())
    }

    /// Adds the names of what it reads.
    pub(super) fn note(&self, read: &mut BTreeSet<Arc<str>>) {
        for fact in self.facts() {
            if !read.contains(fact.name()) {
                read.insert(Arc::clone(fact.name()));
            }
        }
    }

    pub(super) fn holds(&self, q: &Question<'_>, mode: Mode) -> Match {
        let value = match (self.fact.read(q), &self.test) {
            (Err(missing), Test::Exists(_)) if self.fact.may_be_dropped(q) => return Match::Unknown(missing),
            (value, Test::Exists(wanted)) => return Match::from(value.is_ok() == *wanted),
            (value, Test::Unsettled(wanted)) => return Match::from(value.is_err() == *wanted),
            (Err(missing), _) => return Match::Unknown(missing),
            (Ok(value), _) => value,
        };
        if let Err(missing) = self.test.can_be_asked(q) {
            return Match::Unknown(missing);
        }
        match self.test.on(value, mode, Some(q)) {
            Some(holds) => Match::from(holds),
            None => Match::Unknown(self.fact.missing(Why::WrongType)),
        }
    }
}

impl Test {
    /// The other facts that the answer depends on.
    pub(crate) fn other_facts(&self) -> impl Iterator<Item = &Fact> {
        match self.innermost() {
            Self::SameAs(fact) | Self::HigherThanFact(fact) => Some(fact),
            _ => None,
        }
        .into_iter()
    }

    fn innermost(&self) -> &Self {
        match self {
            Self::Not(test) => test.innermost(),
            other => other,
        }
    }

    /// Whether everything beside the fact is there.
    fn can_be_asked(&self, q: &Question<'_>) -> Result<(), Missing> {
        if matches!(self.innermost(), Self::External(_)) && own(q).is_none() {
            return Err(Missing::fact("internal_domains", Why::Absent));
        }
        self.other_facts().try_for_each(|fact| fact.read(q).map(|_| ()))
    }

    /// Asks the test of all that was read. `q` gives what the test needs beside it; without one such a test has no
    /// answer.
    pub(super) fn on(&self, value: Read<'_>, mode: Mode, q: Option<&Question<'_>>) -> Holds {
        match (value, self) {
            (Read::Held(_) | Read::Tools(_) | Read::Labels(_) | Read::Words(_), Self::Not(test)) => {
                test.on(value, Mode::Any, q).map(|any| !any)
            }
            (Read::Value(value), Self::Not(test)) if test.takes_whole(value) => {
                test.on(Read::Value(value), mode, q).map(|holds| !holds)
            }
            // Some things are understood of a list as a whole: a command line, how many there are.
            (Read::Value(list @ Value::Array(_)), Self::Part(facet, tests)) if takes_lists(*facet) => {
                part(*facet, list, tests, mode, q)
            }
            // A whole list or map can be asked for as it is.
            (Read::Value(value), Self::Eq(wanted @ (Value::Array(_) | Value::Object(_)))) => {
                same(value, wanted)
            }
            (Read::Value(value), Self::Ne(wanted @ (Value::Array(_) | Value::Object(_)))) => {
                same(value, wanted).map(|same| !same)
            }
            (Read::Held(words), Self::Ne(_)) => {
                fold(words.iter(), Mode::Every, |w| self.element(Item::Text(w), q), true)
            }
            (Read::Held(words), _) => {
                fold(words.iter(), Mode::Any, |w| self.element(Item::Text(w), q), false)
            }
            (Read::Tools(used), Self::Ne(_)) => fold(used.keys(), Mode::Every, |tool| self.tool(tool), true),
            (Read::Tools(used), _) => fold(used.keys(), Mode::Any, |tool| self.tool(tool), false),
            (Read::Labels(_), _) => spread(value, mode, |item| self.label(item.text()?, mode, q)),
            (Read::Words(_), Self::Ne(_)) => spread(value, Mode::Every, |item| self.element(item, q)),
            (Read::Words(_), _) => spread(value, mode, |item| self.element(item, q)),
            // An ALLOW names what may be in a list: a part of an element's text is not the element.
            (Read::Value(Value::Array(_)) | Read::Parties(_), _) if mode == Mode::Every => {
                spread(value, mode, |item| self.element(item, q))
            }
            _ => spread(value, mode, |item| self.one(item, mode, q)),
        }
    }

    /// Whether it is asked of a list or map as it is, not of what is in it.
    fn takes_whole(&self, value: &Value) -> bool {
        match self {
            Self::Not(test) => test.takes_whole(value),
            Self::Eq(wanted) | Self::Ne(wanted) => wanted.is_array() || wanted.is_object(),
            Self::Part(facet, _) => value.is_array() && takes_lists(*facet),
            _ => false,
        }
    }

    /// One member of a list, of which `contains` names whole members.
    fn element(&self, item: Item<'_>, q: Option<&Question<'_>>) -> Holds {
        match self {
            Self::Contains(wanted) => equals_any(item, wanted.values()),
            Self::Not(test) => test.element(item, q).map(|holds| !holds),
            other => other.one(item, Mode::Every, q),
        }
    }

    /// One value.
    pub(super) fn one(&self, item: Item<'_>, mode: Mode, q: Option<&Question<'_>>) -> Holds {
        match self {
            Self::Not(test) => test.one(item, mode, q).map(|holds| !holds),
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
            Self::StartsWith(parts) => item.text().map(|text| parts.iter().any(|p| text.starts_with(&**p))),
            Self::EndsWith(parts) => item.text().map(|text| parts.iter().any(|p| text.ends_with(&**p))),
            Self::External(wanted) => Some(is_external(item.text()?, own(q?)?)? == *wanted),
            Self::DomainIn(domains) if mode == Mode::Any => leads_to(item.text()?, domains),
            Self::DomainIn(domains) | Self::DomainAllowlist(domains) => {
                is_external(item.text()?, Own::Listed(domains)).map(|outside| !outside)
            }
            Self::Under(folders) => any(folders.iter().map(|folder| under(item.text()?, folder))),
            Self::SameAs(fact) => same_as(item, fact.read(q?).ok()?),
            Self::Part(facet, tests) => match item {
                Item::Json(value) => part(*facet, value, tests, mode, q),
                Item::Text(text) => part(*facet, &Value::String(text.to_owned()), tests, mode, q),
                Item::Count(_) | Item::Amount(_) => None,
            },
            Self::HigherThan(_) | Self::HigherThanFact(_) => self.label(item.text()?, mode, q),
            // Both are answered before single values are looked at.
            Self::Unsettled(_) | Self::Exists(_) => None,
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
            Self::Matches(_) | Self::StartsWith(_) | Self::EndsWith(_) => {
                self.one(Item::Text(&tool.to_string()), Mode::Any, None)
            }
            _ => None,
        }
    }

    /// One label of data that was seen.
    pub(super) fn label(&self, seen: &str, mode: Mode, q: Option<&Question<'_>>) -> Holds {
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
            Self::StartsWith(_) | Self::EndsWith(_) => self.one(Item::Text(seen), mode, q),
            // Labels that stand beside the levels are not above any.
            Self::HigherThan(bound) => Some(level_of(seen).is_some_and(|level| level > *bound)),
            Self::HigherThanFact(fact) => {
                let bound = highest(fact.read(q?).ok()?)?;
                Some(level_of(seen).is_some_and(|level| level > bound))
            }
            _ => None,
        }
    }
}

/// Whether a list is understood as a whole: an argument vector, a number of items.
fn takes_lists(facet: Facet) -> bool {
    facet.name().starts_with("shell.") || facet.name().starts_with("size.")
}

/// What counts as inside.
fn own<'q>(q: &Question<'q>) -> Option<Own<'q>> {
    Own::find(q.policy.internal_domains(), q.identity)
}

/// What is understood of `value` meets all tests; `None` where it is not understood.
fn part(facet: Facet, value: &Value, tests: &[Test], mode: Mode, q: Option<&Question<'_>>) -> Holds {
    let known = q.map_or_else(|| facet.of(value), |q| q.memo.part(facet, value))?;
    let mut all = Some(true);
    for test in tests {
        match test.on(Read::Value(&known), mode, q) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

fn same_as(item: Item<'_>, other: Read<'_>) -> Holds {
    match other {
        Read::Value(value) => equals(item, value),
        Read::Text(text) => item.text().map(|own| own == text),
        Read::Count(count) => Some(item.compared_with(&count.into())?.is_eq()),
        _ => None,
    }
}

/// The highest level that a fact names; `None` where it names none.
fn highest(read: Read<'_>) -> Option<Level> {
    match read {
        Read::Text(text) => level_of(text),
        Read::Value(Value::String(text)) => level_of(text),
        Read::Value(Value::Array(list)) => list.iter().filter_map(Value::as_str).filter_map(level_of).max(),
        Read::Labels(sets) => sets.into_iter().flatten().flatten().filter_map(|label| level_of(label)).max(),
        _ => None,
    }
}

impl<'a> Item<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Text(text) => Some(text),
            Self::Count(_) | Self::Amount(_) => None,
        }
    }

    fn compared_with(self, bound: &Number) -> Option<std::cmp::Ordering> {
        match self {
            Self::Json(Value::Number(n)) => Some(compare_numbers(n, bound)),
            Self::Count(n) => Some(compare_numbers(&n.into(), bound)),
            Self::Amount(amount) => Some(amount.compared_with(bound)),
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
        Read::Amount(amount) => test(Item::Amount(amount)),
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
        (Item::Amount(amount), Value::Number(wanted)) => Some(amount.compared_with(wanted).is_eq()),
        (Item::Text(_) | Item::Count(_) | Item::Amount(_), Value::Null) => Some(false),
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

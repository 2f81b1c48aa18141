//! Rules by the tools that they are written for, and within them by the one test that most of them fail.
//!
//! A rule is `No` as soon as one of its tests is, so rules of which one test asks the same fact in the same way are put
//! in a group: the fact is read once, and one search (a hash, a set of expressions in one pass, a sorted list of
//! bounds) finds the few whose test it meets. The others are `No` and are not looked at. Where the fact is missing, a
//! list, or of another type, all rules of the group are looked at: what is Unknown is never taken for `No`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};
use serde_json::{Number, Value};

use super::predicate::{Predicate, Test};
use super::rule::Rule;
use crate::decide::Question;
use crate::facts::{Fact, Kind, Read, compare_numbers};
use crate::names::ToolName;

/// So many rules make a group.
const WORTH: usize = 4;
/// The expressions of a group compile to at most this, in bytes, each counted.
const COMPILED: usize = 64 << 20;

/// All rules of a set, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_name: BTreeMap<Box<str>, Bucket>,
    of_all: Bucket,
}

/// The rules of one name.
#[derive(Clone, Debug, Default)]
struct Bucket {
    all: Vec<usize>,
    /// Those of no group.
    plain: Vec<usize>,
    groups: Vec<Group>,
}

/// Rules of which one test asks the same fact in the same way.
#[derive(Clone, Debug)]
struct Group {
    fact: Fact,
    all: Vec<usize>,
    by: By,
}

/// How a group finds the rules whose test a value meets.
#[derive(Clone, Debug)]
enum By {
    /// The fact is this text.
    Text(BTreeMap<Box<str>, Vec<usize>>),
    /// The fact has a match of this expression.
    Search(RegexSet),
    /// The fact is above (or at) a bound: the lowest bounds first.
    Above(Vec<(Number, usize)>),
    /// The fact is below (or at) a bound: the highest bounds first.
    Below(Vec<(Number, usize)>),
}

/// The ways of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Text,
    Search,
    Above,
    Below,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut names: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut of_all = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let tools = rule.tools.iter().map(|pattern| pattern.0.as_str());
            let operations = rule.operations.iter().map(String::as_str).filter(|_| rule.tools.is_empty());
            let named: BTreeSet<&str> = tools.chain(operations).collect();
            if named.is_empty() {
                of_all.push(at);
            }
            named.into_iter().for_each(|name| names.entry(name).or_default().push(at));
        }
        let by_name = names.into_iter().map(|(name, list)| (name.into(), Bucket::of(rules, list))).collect();
        Self { by_name, of_all: Bucket::of(rules, of_all) }
    }

    /// Every rule that may speak of the tool, in order.
    pub(super) fn about(&self, tool: &ToolName) -> Vec<usize> {
        in_order(self.buckets(tool).flat_map(|bucket| bucket.all.iter().copied()).collect())
    }

    /// Those of them that may be anything but `No`, in order. The names of facts that were read are added to `read`.
    pub(super) fn candidates(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Vec<usize> {
        let mut found = Vec::new();
        for bucket in self.buckets(&q.action.tool) {
            found.extend_from_slice(&bucket.plain);
            bucket.groups.iter().for_each(|group| group.find(q, read, &mut found));
        }
        in_order(found)
    }

    fn buckets(&self, tool: &ToolName) -> impl Iterator<Item = &Bucket> {
        let full = tool.to_string();
        let named =
            [self.by_name.get(tool.upstream()), self.by_name.get(tool.tool()), self.by_name.get(&*full)];
        std::iter::once(&self.of_all).chain(named.into_iter().flatten())
    }
}

fn in_order(mut found: Vec<usize>) -> Vec<usize> {
    found.sort_unstable();
    found.dedup();
    found
}

impl Bucket {
    fn of(rules: &[Rule], all: Vec<usize>) -> Self {
        let mut asked: Vec<(Way, &Predicate, usize)> = Vec::new();
        let mut plain = Vec::new();
        for at in &all {
            let best = rules.get(*at).and_then(|rule| {
                let ways = rule.predicates.iter().filter_map(|p| Some((way(p, rule.restricts())?, p)));
                ways.min_by_key(|(way, _)| *way)
            });
            match best {
                Some((way, predicate)) => asked.push((way, predicate, *at)),
                None => plain.push(*at),
            }
        }
        let mut by_fact: BTreeMap<(Way, &str), Vec<(&Predicate, usize)>> = BTreeMap::new();
        for (way, predicate, at) in asked {
            by_fact.entry((way, &**predicate.fact.name())).or_default().push((predicate, at));
        }
        let mut groups = Vec::new();
        for ((way, _), members) in by_fact {
            match group(way, &members) {
                Some(group) => groups.push(group),
                None => plain.extend(members.iter().map(|(_, at)| *at)),
            }
        }
        plain.sort_unstable();
        Self { all, plain, groups }
    }
}

/// How one value can tell that the test is `No`; `None` where it cannot.
fn way(predicate: &Predicate, restricts: bool) -> Option<Way> {
    if !matches!(predicate.fact.kind(), Kind::Any | Kind::Text | Kind::Number) {
        return None;
    }
    match &predicate.test {
        Test::Eq(Value::String(_)) => Some(Way::Text),
        Test::In(values) if values.iter().all(Value::is_string) => Some(Way::Text),
        Test::Matches(_) | Test::StartsWith(_) => Some(Way::Search),
        // What restricts looks for texts in any case of letters.
        Test::Contains(sought) if restricts && sought.values().iter().all(Value::is_string) => {
            Some(Way::Search)
        }
        Test::Gt(_) | Test::Gte(_) => Some(Way::Above),
        Test::Lt(_) | Test::Lte(_) => Some(Way::Below),
        _ => None,
    }
}

fn group(way: Way, members: &[(&Predicate, usize)]) -> Option<Group> {
    let (first, _) = members.first().filter(|_| members.len() >= WORTH)?;
    let all = members.iter().map(|(_, at)| *at).collect();
    let bounds = || members.iter().filter_map(|(predicate, at)| Some((bound(&predicate.test)?.clone(), *at)));
    let by = match way {
        Way::Text => {
            let mut by_text: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
            for (predicate, at) in members {
                for text in texts(&predicate.test) {
                    by_text.entry(text.into()).or_default().push(*at);
                }
            }
            By::Text(by_text)
        }
        Way::Search => {
            let expressions = members.iter().map(|(predicate, _)| expression(&predicate.test));
            let expressions: Vec<String> = expressions.collect::<Option<_>>()?;
            By::Search(
                RegexSetBuilder::new(expressions)
                    .size_limit(COMPILED)
                    .dfa_size_limit(COMPILED)
                    .build()
                    .ok()?,
            )
        }
        Way::Above => {
            let mut bounds: Vec<(Number, usize)> = bounds().collect();
            bounds.sort_by(|(a, _), (b, _)| compare_numbers(a, b));
            By::Above(bounds)
        }
        Way::Below => {
            let mut bounds: Vec<(Number, usize)> = bounds().collect();
            bounds.sort_by(|(a, _), (b, _)| compare_numbers(b, a));
            By::Below(bounds)
        }
    };
    Some(Group { fact: first.fact.clone(), all, by })
}

fn texts(test: &Test) -> impl Iterator<Item = &str> {
    let values: &[Value] = match test {
        Test::Eq(value) => std::slice::from_ref(value),
        Test::In(values) => values,
        _ => &[],
    };
    values.iter().filter_map(Value::as_str)
}

/// An expression that has a match wherever the test is met.
fn expression(test: &Test) -> Option<String> {
    let any = |texts: Vec<String>| format!("(?:{})", texts.join("|"));
    match test {
        Test::Matches(expression) => Some(expression.as_str().to_owned()),
        Test::StartsWith(parts) => {
            Some(format!(r"\A{}", any(parts.iter().map(|p| regex::escape(p)).collect())))
        }
        Test::Contains(sought) => {
            let texts = sought.values().iter().filter_map(Value::as_str).map(regex::escape).collect();
            Some(format!("(?i:{})", any(texts)))
        }
        _ => None,
    }
}

const fn bound(test: &Test) -> Option<&Number> {
    match test {
        Test::Gt(n) | Test::Gte(n) | Test::Lt(n) | Test::Lte(n) => Some(n),
        _ => None,
    }
}

impl Group {
    fn find(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>, found: &mut Vec<usize>) {
        if !read.contains(self.fact.name()) {
            read.insert(Arc::clone(self.fact.name()));
        }
        let met = match self.fact.read(q) {
            Ok(Read::Text(text)) => self.of_text(text, found),
            Ok(Read::Value(Value::String(text))) => self.of_text(text, found),
            Ok(Read::Value(Value::Number(n))) => self.of_number(n, found),
            Ok(Read::Count(n)) => self.of_number(&n.into(), found),
            _ => None,
        };
        if met.is_none() {
            found.extend_from_slice(&self.all);
        }
    }

    /// `None` where the tests are not made for texts.
    fn of_text(&self, text: &str, found: &mut Vec<usize>) -> Option<()> {
        match &self.by {
            By::Text(by_text) => found.extend(by_text.get(text).into_iter().flatten()),
            By::Search(set) => {
                let matching = set.matches(text);
                found.extend(matching.iter().filter_map(|n| self.all.get(n)));
            }
            By::Above(_) | By::Below(_) => return None,
        }
        Some(())
    }

    /// `None` where the tests are not made for numbers.
    fn of_number(&self, n: &Number, found: &mut Vec<usize>) -> Option<()> {
        let (bounds, beyond) = match &self.by {
            By::Above(bounds) => (bounds, Ordering::Greater),
            By::Below(bounds) => (bounds, Ordering::Less),
            By::Text(_) | By::Search(_) => return None,
        };
        let met = bounds.partition_point(|(bound, _)| compare_numbers(bound, n) != beyond);
        found.extend(bounds.iter().take(met).map(|(_, at)| *at));
        Some(())
    }
}

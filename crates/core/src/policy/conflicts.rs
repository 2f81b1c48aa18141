//! Rules that contradict each other: equal priority, decisions that do not go together, and some action for which
//! both can hold. Where they meet, the action is deferred (`R3.conflict`).
//!
//! Two rules can meet unless that is shown to be impossible: their names of tools have none in common, or they ask
//! of one fact what no value of it can answer to both. **Lists** make much possible: a rule that restricts holds
//! when any element meets its test, so `gt: 10` and `lt: 5` both hold for `[1, 20]`, unless one of the rules is an
//! ALLOW, which asks it of every element.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::matching::{Item, Mode, covers};
use super::predicate::{Predicate, Test};
use super::rule::{Classification, Rule, RuleAction};
use super::set::{PolicySet, Written};
use crate::decision::Verdict;
use crate::facts::{self, Fact, Read, compare_numbers};
use crate::names::RuleId;

/// Two rules that can both hold for one action and then contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The one that is written first: files in the order of their names.
    pub first: Side,
    /// The other.
    pub second: Side,
    /// What they contradict each other about, and for which tools.
    pub why: String,
}

/// One of the two rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The rule.
    pub rule: RuleId,
    /// What it decides.
    pub says: Verdict,
    /// Its file, as handed in.
    pub file: Arc<str>,
    /// Where its id is written, counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} contradict each other: {}", self.first, self.second, self.why)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} ({}:{})", self.rule, self.file, self.line)
    }
}

impl PolicySet {
    /// Every pair of rules that can meet and contradict each other. `upstreams` are names known to be upstreams': they
    /// are read as nothing else, so tools that bear such a name, or a name that begins with one and a dot, are left
    /// out of account. Where it is empty, every name is read in every way, and more pairs are told.
    #[must_use]
    pub fn conflicts(&self, upstreams: &BTreeSet<String>) -> Vec<Conflict> {
        let judged: Vec<Judged<'_>> = self
            .located()
            .filter(|(rule, _)| rule.classification != Classification::Forbidden)
            .filter_map(|(rule, at)| {
                Some(Judged { rule, at, says: says(rule)?, reach: Reach::of(rule, upstreams) })
            })
            .collect();
        let mut found = Vec::new();
        for (at, first) in judged.iter().enumerate() {
            let others =
                judged.iter().skip(at + 1).filter(|other| other.rule.priority == first.rule.priority);
            found.extend(others.filter_map(|second| conflict(first, second)));
        }
        found
    }
}

/// A rule that can be one of a pair.
struct Judged<'a> {
    rule: &'a Rule,
    at: &'a Written,
    says: Verdict,
    reach: Reach<'a>,
}

impl Judged<'_> {
    fn side(&self) -> Side {
        let (rule, file) = (self.rule.id.clone(), Arc::clone(&self.at.file));
        Side { rule, says: self.says, file, line: self.at.at.line, column: self.at.at.column }
    }
}

fn says(rule: &Rule) -> Option<Verdict> {
    Some(match rule.action.as_ref()? {
        RuleAction::Allow => Verdict::Allow,
        RuleAction::Deny => Verdict::Deny,
        RuleAction::Modify(_) => Verdict::Modify,
        RuleAction::StepUp(_) => Verdict::StepUp,
        RuleAction::Defer => Verdict::Defer,
    })
}

fn conflict(first: &Judged<'_>, second: &Judged<'_>) -> Option<Conflict> {
    let contradiction = contradiction(first, second)?;
    let place = first.reach.meets(&second.reach)?;
    let several = hold_together(first.rule, second.rule)?;
    let mut why = format!("{contradiction}; both can hold for {place}");
    if !several.is_empty() {
        why +=
            &format!(", where {} has several values", several.into_iter().collect::<Vec<_>>().join(" and "));
    }
    Some(Conflict { first: first.side(), second: second.side(), why })
}

/// What two rules that hold at the winning priority disagree about; the same as `decide` finds.
fn contradiction(first: &Judged<'_>, second: &Judged<'_>) -> Option<String> {
    if let (Some(RuleAction::Modify(ours)), Some(RuleAction::Modify(theirs))) =
        (&first.rule.action, &second.rule.action)
    {
        let place = ours.clone().merge(theirs).err()?.place;
        return Some(format!("they change `{place}` in different ways"));
    }
    let rides = |verdict, beside| verdict == Verdict::Modify && beside != Verdict::Deny;
    let (ours, theirs) = (first.says, second.says);
    let differ = ours != theirs && !rides(ours, theirs) && !rides(theirs, ours);
    differ.then(|| format!("{} and {} at priority {}", ours.as_str(), theirs.as_str(), first.rule.priority))
}

/// The tools that a rule speaks of, by all readings of its names.
#[derive(Default)]
struct Reach<'a> {
    every: bool,
    /// All tools of these.
    upstreams: BTreeSet<&'a str>,
    /// Tools of this name, of any upstream.
    tools: BTreeSet<&'a str>,
    full: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Reach<'a> {
    fn of(rule: &'a Rule, upstreams: &BTreeSet<String>) -> Self {
        let mut named = Self { every: rule.tools.is_empty(), ..Self::default() };
        for pattern in &rule.tools {
            named.read(&pattern.0, upstreams);
        }
        if rule.operations.is_empty() { named } else { named.narrowed(&rule.operations) }
    }

    /// Upstreams have no dot in their names.
    fn read(&mut self, name: &'a str, known: &BTreeSet<String>) {
        let is_upstream = |name: &str| known.contains(name);
        match name.split_once('.') {
            Some((upstream, tool)) => {
                self.full.insert((upstream, tool));
                if !is_upstream(upstream) {
                    self.tools.insert(name);
                }
            }
            None => {
                self.upstreams.insert(name);
                if !is_upstream(name) {
                    self.tools.insert(name);
                }
            }
        }
    }

    fn narrowed(self, operations: &'a [String]) -> Self {
        let operations: BTreeSet<&str> = operations.iter().map(String::as_str).collect();
        let of_upstreams =
            self.upstreams.iter().flat_map(|u| operations.iter().map(move |operation| (*u, *operation)));
        let full = self
            .full
            .iter()
            .filter(|(_, tool)| operations.contains(tool))
            .copied()
            .chain(of_upstreams)
            .collect();
        let tools =
            if self.every { operations } else { self.tools.intersection(&operations).copied().collect() };
        Self { every: false, upstreams: BTreeSet::new(), tools, full }
    }

    /// A tool that both speak of, in words.
    fn meets(&self, other: &Self) -> Option<String> {
        let full = |(upstream, tool): (&str, &str)| format!("`{upstream}.{tool}`");
        if self.every || other.every {
            return if self.every { other.example() } else { self.example() };
        }
        let both = self.full.intersection(&other.full).next().copied();
        let covered = |one: &Self, by: &Self| {
            one.full.iter().find(|(u, t)| by.upstreams.contains(u) || by.tools.contains(t)).copied()
        };
        if let Some(named) = both.or_else(|| covered(self, other)).or_else(|| covered(other, self)) {
            return Some(full(named));
        }
        let upstream = self.upstreams.intersection(&other.upstreams).next();
        let tool = self.tools.intersection(&other.tools).next();
        match (upstream, tool) {
            (Some(upstream), Some(tool)) if upstream == tool => {
                return Some(format!("whatever is named `{tool}`"));
            }
            (_, Some(tool)) => return Some(format!("`{tool}` of any upstream")),
            (Some(upstream), None) => return Some(format!("any tool of `{upstream}`")),
            (None, None) => {}
        }
        let crossed = |one: &Self, by: &Self| Some(full((*one.upstreams.first()?, *by.tools.first()?)));
        crossed(self, other).or_else(|| crossed(other, self))
    }

    fn example(&self) -> Option<String> {
        if self.every {
            return Some("any tool".to_owned());
        }
        let full = self.full.first().map(|(upstream, tool)| format!("`{upstream}.{tool}`"));
        let upstream = || self.upstreams.first().map(|upstream| format!("any tool of `{upstream}`"));
        full.or_else(upstream).or_else(|| self.tools.first().map(|tool| format!("`{tool}` of any upstream")))
    }
}

/// The facts that must have several values for both rules to hold; `None` where they cannot.
pub(super) fn hold_together<'a>(first: &'a Rule, second: &'a Rule) -> Option<BTreeSet<&'a str>> {
    let asked = |rule: &'a Rule| rule.predicates.iter().map(|predicate| Asked::of(predicate, rule.mode()));
    let all: Vec<Asked<'_>> = asked(first).chain(asked(second)).collect();
    let mut several = BTreeSet::new();
    for (at, one) in all.iter().enumerate() {
        for other in all.iter().skip(at + 1).filter(|other| other.fact == one.fact) {
            match one.beside(other) {
                Together::Never => return None,
                Together::InSeveral => {
                    several.insert(&**one.fact.name());
                }
                Together::Perhaps => {}
            }
        }
    }
    Some(several)
}

/// Whether two tests of one fact can both say yes.
enum Together {
    Perhaps,
    /// Only where the fact has several values.
    InSeveral,
    Never,
}

/// A test of a fact in a rule's mode.
struct Asked<'a> {
    fact: &'a Fact,
    test: &'a Test,
    mode: Mode,
}

/// Of which values of a fact a test must be true.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of the only one.
    One,
    /// Of one or more.
    Some,
    /// Of all, and there is one.
    All,
    /// Of all that there are, if any.
    AllOrNone,
}

impl<'a> Asked<'a> {
    const fn of(predicate: &'a Predicate, mode: Mode) -> Self {
        Self { fact: &predicate.fact, test: &predicate.test, mode }
    }

    fn beside(&self, other: &Self) -> Together {
        let never = |never| if never { Together::Never } else { Together::Perhaps };
        match (self.test, other.test) {
            (Test::Exists(ours), Test::Exists(theirs)) => return never(ours != theirs),
            // What is tested for anything is there.
            (Test::Exists(there), _) | (_, Test::Exists(there)) => return never(!there),
            _ => {}
        }
        if self.is_whole() || other.is_whole() {
            return never(self.whole_excludes(other) || other.whole_excludes(self));
        }
        if !self.excludes(other) {
            return Together::Perhaps;
        }
        match (self.quantity(), other.quantity()) {
            (Of::Some, Of::Some) | (Of::AllOrNone, Of::AllOrNone) => Together::InSeveral,
            _ => Together::Never,
        }
    }

    /// Whether it compares the fact with a whole list or map.
    const fn is_whole(&self) -> bool {
        matches!(
            self.test,
            Test::Eq(Value::Array(_) | Value::Object(_)) | Test::Ne(Value::Array(_) | Value::Object(_))
        )
    }

    /// Whether the only value that it admits does not meet the other test.
    fn whole_excludes(&self, other: &Self) -> bool {
        match (self.test, other.test) {
            (_, test) if test.needs_more() => false,
            (Test::Eq(value @ (Value::Array(_) | Value::Object(_))), test) => {
                test.on(Read::Value(value), other.mode, None) != Some(true)
            }
            _ => false,
        }
    }

    /// Whether no single value meets both.
    fn excludes(&self, other: &Self) -> bool {
        if let Some(values) = self.values() {
            return !values.iter().any(|value| other.may_meet(value));
        }
        if let Some(values) = other.values() {
            return !values.iter().any(|value| self.may_meet(value));
        }
        match (self.test, other.test) {
            (Test::External(ours), Test::External(theirs)) => ours != theirs,
            _ => {
                ranges_apart(self.test, other.test)
                    || self.rules_out_labels(other)
                    || other.rules_out_labels(self)
            }
        }
    }

    /// The only values that meet it, where they can be counted.
    fn values(&self) -> Option<&'a [Value]> {
        use facts::Kind;
        let kind = self.fact.kind();
        // In a rule that restricts, a level also means those above it.
        if kind == Kind::Labels && self.mode == Mode::Any {
            return None;
        }
        match self.test {
            Test::Eq(value) => Some(std::slice::from_ref(value)),
            Test::In(values) => Some(values),
            Test::Contains(sought)
                if matches!(kind, Kind::Held | Kind::Tools | Kind::Labels | Kind::Words) =>
            {
                Some(sought.values())
            }
            _ => None,
        }
    }

    /// Whether this value may meet it; yes, where that cannot be told here.
    fn may_meet(&self, value: &Value) -> bool {
        match (self.fact.kind(), self.test) {
            (_, test) if test.needs_more() => true,
            // One tool bears several names.
            (facts::Kind::Tools, Test::Ne(name)) => name != value,
            (facts::Kind::Tools, _) => true,
            (facts::Kind::Labels, test) => {
                value.as_str().is_none_or(|label| test.label(label, self.mode, None) == Some(true))
            }
            // For members of lists `contains` asks for more than this, never for less.
            (_, test) => test.one(Item::Json(value), self.mode, None) == Some(true),
        }
    }

    /// Whether it is an ALLOW's `ne` of labels which leaves nothing over that the other asks for.
    fn rules_out_labels(&self, other: &Self) -> bool {
        let (facts::Kind::Labels, Mode::Every, Test::Ne(Value::String(ruled_out))) =
            (self.fact.kind(), self.mode, self.test)
        else {
            return false;
        };
        let wanted: &[Value] = match other.test {
            Test::Eq(value) => std::slice::from_ref(value),
            Test::In(values) => values,
            Test::Contains(sought) => sought.values(),
            _ => return false,
        };
        wanted.iter().all(|wanted| wanted.as_str().is_some_and(|wanted| covers(wanted, ruled_out, Mode::Any)))
    }

    fn quantity(&self) -> Of {
        use facts::Kind;
        match (self.fact.kind(), self.mode) {
            (Kind::Number | Kind::Text, _) => Of::One,
            (Kind::Held | Kind::Tools, _) if matches!(self.test, Test::Ne(_)) => Of::AllOrNone,
            (Kind::Held | Kind::Tools, _)
            | (Kind::Any | Kind::Parties | Kind::Labels | Kind::Words, Mode::Any) => Of::Some,
            (Kind::Any | Kind::Parties | Kind::Labels | Kind::Words, Mode::Every) => Of::All,
        }
    }
}

/// Whether no number lies in both ranges.
fn ranges_apart(one: &Test, other: &Test) -> bool {
    let ends_before = |upper: &Test, lower: &Test| match (bound(upper), bound(lower)) {
        (Some((false, top, closed)), Some((true, bottom, also_closed))) => {
            let order = compare_numbers(top, bottom);
            order.is_lt() || (order.is_eq() && !(closed && also_closed))
        }
        _ => false,
    };
    ends_before(one, other) || ends_before(other, one)
}

/// Whether a test asks for a number above a bound (or else below it), the bound, and whether it is included.
const fn bound(test: &Test) -> Option<(bool, &Number, bool)> {
    match test {
        Test::Gt(n) => Some((true, n, false)),
        Test::Gte(n) => Some((true, n, true)),
        Test::Lt(n) => Some((false, n, false)),
        Test::Lte(n) => Some((false, n, true)),
        _ => None,
    }
}

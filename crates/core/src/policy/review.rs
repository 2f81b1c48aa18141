//! What loads and may still not be meant: rules that can never hold, that never get their turn, that name what is not
//! there, or that wait for a fact which nobody gives.
//!
//! Only what is certain from the files and from what is known of the deployment is told. Two rules are compared test by
//! test: one holds whenever another does where each of its tests follows from one of the other's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use super::conflicts::hold_together;
use super::fault::{Fault, Faults, shown};
use super::matching::{Item, Mode};
use super::predicate::{Predicate, Test};
use super::rule::{Classification, Rule};
use super::set::{PolicySet, Written};
use crate::facts::providers::Provider;
use crate::facts::{Fact, Kind, compare_numbers};
use crate::names::ToolName;

/// What is known of the deployment that a set is for. The default knows nothing.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All upstreams; empty = not known.
    pub upstreams: BTreeSet<String>,
    /// All tools; `None` = not known.
    pub tools: Option<BTreeSet<ToolName>>,
    /// Whether hosts open sessions; `None` = not known.
    pub hosts: Option<bool>,
    /// Whether there are operators; `None` = not known.
    pub operators: Option<bool>,
    /// Whether an embedding model measures distances; `None` = not known.
    pub model: Option<bool>,
    /// Names of facts, under `context`, that the deployment itself gives.
    pub given: BTreeSet<String>,
}

impl PolicySet {
    /// Everything that may not be meant, in the order of files and places.
    #[must_use]
    pub fn review(&self, world: &World) -> Vec<Fault> {
        let mut found = Vec::new();
        for (rule, written) in self.located() {
            let mut faults = Faults::of(written.file.clone());
            contradictory(rule, written, &mut faults);
            strangers(rule, written, world, &mut faults);
            found.extend(faults.into_sorted());
        }
        found.extend(shadowed(self, world));
        found.extend(unprovided(self, world));
        found.sort();
        found
    }
}

fn contradictory(rule: &Rule, written: &Written, faults: &mut Faults) {
    let id = shown(rule.id.as_str());
    match hold_together(rule, rule) {
        None => faults.add_with_hint(
            written.at,
            format!("rule {id} can never hold: no call answers to all of its tests"),
            "two of its tests of one fact exclude each other",
        ),
        Some(several) if !several.is_empty() => {
            let facts: Vec<&str> = several.into_iter().collect();
            let message = format!("rule {id} holds only where {} has several values", facts.join(" and "));
            faults.add_with_hint(written.at, message, "no single value answers to all of its tests");
        }
        Some(_) => {}
    }
}

/// Names of tools that nothing bears.
fn strangers(rule: &Rule, written: &Written, world: &World, faults: &mut Faults) {
    let place =
        |name: &str| written.names.iter().find(|(known, _)| known == name).map_or(written.at, |(_, at)| *at);
    for pattern in rule.tools.iter().filter(|pattern| !may_exist(&pattern.0, world)) {
        let message = format!("nothing is called {}", shown(&pattern.0));
        let upstreams: Vec<&str> = world.upstreams.iter().map(String::as_str).collect();
        faults.add_with_hint(
            place(&pattern.0),
            message,
            format!("the upstreams are: {}", upstreams.join(", ")),
        );
    }
    let Some(tools) = &world.tools else { return };
    // Beside a tool's name an operation may be what a call does.
    for operation in rule.operations.iter().filter(|_| rule.tools.is_empty()) {
        if !tools.iter().any(|tool| tool.tool() == operation) {
            let message = format!("no tool is called {}", shown(operation));
            faults.add_with_hint(place(operation), message, "`operation` is the tool as its server names it");
        }
    }
}

fn may_exist(name: &str, world: &World) -> bool {
    if let Some(tools) = &world.tools {
        return world.upstreams.contains(name)
            || tools.iter().any(|tool| tool.upstream() == name || tool.tool() == name || tool.is(name));
    }
    // A bare name may be a tool's.
    let upstream = name.split_once('.').map(|(upstream, _)| upstream);
    world.upstreams.is_empty() || upstream.is_none_or(|upstream| world.upstreams.contains(upstream))
}

/// Rules that never get their turn, each with the first rule that stands before it.
fn shadowed(set: &PolicySet, world: &World) -> Vec<Fault> {
    let all: Vec<Told<'_>> = set.located().map(|(rule, written)| Told::of(rule, written)).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut of_all = Vec::new();
    for (at, told) in all.iter().enumerate() {
        if told.rule.tools.is_empty() {
            of_all.push(at);
        }
        for pattern in &told.rule.tools {
            by_name.entry(&pattern.0).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (at, told) in all.iter().enumerate() {
        let names = told.rule.tools.iter().flat_map(|pattern| readings(&pattern.0));
        let named = names.filter_map(|name| by_name.get(name)).flatten();
        let before = of_all
            .iter()
            .chain(named)
            .filter(|other| **other != at)
            .filter_map(|other| Some((*other, all.get(*other)?)));
        let first = before
            .filter(|(place, other)| other.stands_before(told, *place < at, world))
            .min_by_key(|(place, _)| *place);
        if let Some((_, other)) = first {
            found.extend(moot(told, other));
        }
    }
    found
}

fn moot(told: &Told<'_>, by: &Told<'_>) -> Vec<Fault> {
    let mut faults = Faults::of(told.written.file.clone());
    let place = format!("{}:{}", by.written.file, by.written.at.line);
    let (id, other) = (shown(told.rule.id.as_str()), shown(by.rule.id.as_str()));
    let (why, hint) = match by.forbids() {
        true => ("forbids whatever it speaks of", "drop it, or narrow the forbidding rule"),
        false => (
            "decides at a higher priority whenever it holds",
            "drop it, raise its `priority`, or narrow the other rule",
        ),
    };
    faults.add_with_hint(
        told.written.at,
        format!("rule {id} is never heard: rule {other} ({place}) {why}"),
        hint,
    );
    faults.into_sorted()
}

/// A rule with its tests in a form that can be compared.
struct Told<'a> {
    rule: &'a Rule,
    written: &'a Written,
    tests: Vec<(&'a Predicate, String)>,
    conditions: Vec<String>,
}

impl<'a> Told<'a> {
    fn of(rule: &'a Rule, written: &'a Written) -> Self {
        let tests =
            rule.predicates.iter().map(|predicate| (predicate, format!("{:?}", predicate.test))).collect();
        let conditions = rule.conditions.iter().map(|condition| format!("{condition:?}")).collect();
        Self { rule, written, tests, conditions }
    }

    fn forbids(&self) -> bool {
        self.rule.classification == Classification::Forbidden
    }

    /// Whether it leaves the other rule nothing to say. `earlier`: it is written before it.
    fn stands_before(&self, other: &Self, earlier: bool, world: &World) -> bool {
        let higher = self.rule.action.is_some()
            && self.rule.priority > other.rule.priority
            && other.rule.action.is_some()
            && other.rule.sets.is_empty()
            && !other.forbids();
        let forbidden = self.forbids() && (!other.forbids() || earlier);
        (higher || forbidden) && self.holds_whenever(other, world)
    }

    /// Whether it holds whenever the other one does.
    fn holds_whenever(&self, other: &Self, world: &World) -> bool {
        let sure =
            self.rule.threshold.is_none_or(|own| other.rule.threshold.is_some_and(|theirs| own <= theirs));
        let same_mode = self.rule.mode() == other.rule.mode();
        sure && reaches(self.rule, other.rule, world)
            && self.conditions.iter().all(|own| same_mode && other.conditions.contains(own))
            && self.tests.iter().all(|own| other.tests.iter().any(|theirs| self.follows(own, other, theirs)))
    }

    /// Whether its test says yes whenever the other rule's does.
    fn follows(&self, own: &(&Predicate, String), other: &Self, theirs: &(&Predicate, String)) -> bool {
        if own.0.fact != theirs.0.fact {
            return false;
        }
        let (test, given) = (&own.0.test, &theirs.0.test);
        match (test, given) {
            (Test::Exists(true) | Test::Unsettled(false), given) if own.1 != theirs.1 => {
                // What was tested is there.
                return !matches!(given, Test::Exists(_) | Test::Unsettled(true));
            }
            (Test::Exists(_) | Test::Unsettled(_), _) => return own.1 == theirs.1,
            _ => {}
        }
        let kind = own.0.fact.kind();
        let single = matches!(kind, Kind::Number | Kind::Text);
        if self.rule.mode() != other.rule.mode() && !single {
            return false;
        }
        own.1 == theirs.1
            || within(test, given)
            || (matches!(kind, Kind::Any | Kind::Number | Kind::Text)
                && all_meet(test, given, self.rule.mode()))
    }
}

/// Whether all values that a test admits meet another one; no, where they cannot be counted.
fn all_meet(test: &Test, given: &Test, mode: Mode) -> bool {
    let values = match given {
        Test::Eq(value) => std::slice::from_ref(value),
        Test::In(values) => values,
        _ => return false,
    };
    // Of the members of a list, `contains` asks something else.
    let asks_lists = test.needs_more() || matches!(test, Test::Contains(_) | Test::Not(_));
    let plain = |value: &Value| !value.is_array() && !value.is_object();
    !asks_lists
        && values.iter().all(|value| plain(value) && test.one(Item::Json(value), mode, None) == Some(true))
}

/// Whether every number of one range lies in another.
fn within(test: &Test, given: &Test) -> bool {
    let order = |own: &Number, theirs: &Number| compare_numbers(theirs, own);
    match (test, given) {
        (Test::Gt(own), Test::Gt(theirs)) | (Test::Gte(own), Test::Gt(theirs) | Test::Gte(theirs)) => {
            order(own, theirs).is_ge()
        }
        (Test::Gt(own), Test::Gte(theirs)) => order(own, theirs).is_gt(),
        (Test::Lt(own), Test::Lt(theirs)) | (Test::Lte(own), Test::Lt(theirs) | Test::Lte(theirs)) => {
            order(own, theirs).is_le()
        }
        (Test::Lt(own), Test::Lte(theirs)) => order(own, theirs).is_lt(),
        _ => false,
    }
}

/// Whether a rule speaks of every call that another one speaks of.
fn reaches(rule: &Rule, other: &Rule, world: &World) -> bool {
    let looks = |rule: &Rule| !rule.tools.is_empty() && rule.restricts();
    let tools = rule.tools.is_empty()
        || (!other.tools.is_empty()
            && other.tools.iter().all(|wanted| rule.tools.iter().any(|own| means(&own.0, &wanted.0, world))));
    let operations = rule.operations.is_empty()
        || (!other.operations.is_empty()
            && other.operations.iter().all(|wanted| rule.operations.contains(wanted))
            && (looks(rule) || !looks(other)));
    tools && operations
}

/// Whether a name means all that another one means. A name with a dot may be a tool's own unless its beginning is known
/// to be an upstream.
fn means(own: &str, wanted: &str, world: &World) -> bool {
    own == wanted
        || wanted.split_once('.').is_some_and(|(upstream, tool)| {
            world.upstreams.contains(upstream) && (own == upstream || own == tool)
        })
}

/// A name, and what it may be short for.
fn readings(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split_once('.');
    std::iter::once(name).chain(parts.into_iter().flat_map(|(upstream, tool)| [upstream, tool]))
}

/// Facts that rules need to be told and that nobody here gives.
fn unprovided(set: &PolicySet, world: &World) -> Vec<Fault> {
    let written: BTreeSet<&str> =
        set.rules().iter().flat_map(|rule| rule.sets.keys()).map(|name| &**name).collect();
    type Readers<'a> = Vec<(&'a Rule, &'a Written)>;
    let mut waiting: BTreeMap<&str, (&Fact, Readers<'_>)> = BTreeMap::new();
    for (rule, place) in set.located() {
        for fact in needed(rule) {
            let there =
                fact.given_name().is_some_and(|name| written.contains(name) || world.given.contains(name));
            if !there && lacks(fact, world).is_some() {
                let (_, rules) = waiting.entry(fact.name()).or_insert((fact, Vec::new()));
                if !rules.iter().any(|(known, _)| known.id == rule.id) {
                    rules.push((rule, place));
                }
            }
        }
    }
    let fault = |(fact, rules): (&Fact, Vec<(&Rule, &Written)>)| {
        let (_, first) = rules.first()?;
        let (why, hint) = lacks(fact, world)?;
        let ids: Vec<String> = rules.iter().map(|(rule, _)| shown(rule.id.as_str())).collect();
        let (what, cannot) =
            if ids.len() == 1 { ("rule", "cannot be told") } else { ("rules", "cannot be told") };
        let mut faults = Faults::of(first.file.clone());
        let message =
            format!("{what} {} {cannot} while `{}` is missing, and {why}", ids.join(", "), fact.name());
        faults.add_with_hint(first.at, message, hint);
        faults.into_sorted().pop()
    };
    waiting.into_values().filter_map(fault).collect()
}

/// The facts without which the rule cannot be told.
fn needed(rule: &Rule) -> impl Iterator<Item = &Fact> {
    let asks = |predicate: &&Predicate| !matches!(predicate.test, Test::Exists(_) | Test::Unsettled(_));
    let of_tests = rule.predicates.iter().filter(asks).flat_map(Predicate::facts);
    of_tests.chain(rule.conditions.iter().flat_map(super::condition::Condition::facts))
}

/// Why nobody gives a fact here, and what to do; `None` where somebody may.
fn lacks(fact: &Fact, world: &World) -> Option<(&'static str, String)> {
    match fact.provider() {
        Provider::Somebody => {
            let name = fact.given_name().unwrap_or_default();
            let hint = format!(
                "a host, an operator or a resolver has to give `{name}` to each session, or a rule to write it \
                 with `effect.set_context`; a rule can also ask for it with `exists` or `unknown_or_conflicting`"
            );
            let nobody = world.hosts == Some(false) && world.operators == Some(false);
            let why = if nobody {
                "the configuration names neither a host nor an operator who could give it"
            } else {
                "nothing in this set or its configuration gives it"
            };
            Some((why, hint))
        }
        Provider::Request if world.hosts == Some(false) => Some((
            "the configuration names no host that could tell the user's request",
            "name the application that runs the agent under `hosts`".to_owned(),
        )),
        Provider::Model if world.model == Some(false) => Some((
            "no embedding model measures it",
            "run `countersign model install` and write `drift: { model: PATH }`".to_owned(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rules: &str) -> PolicySet {
        let text = format!("version: 1\ndefault: DENY\nrules:\n{rules}");
        PolicySet::assemble(vec![("p.yaml".to_owned(), text.into_bytes())]).unwrap()
    }

    fn told(rules: &str, world: &World) -> Vec<String> {
        set(rules).review(world).iter().map(|fault| fault.message.clone()).collect()
    }

    fn known() -> World {
        World {
            upstreams: ["mail", "files"].map(str::to_owned).into(),
            tools: Some([ToolName::new("mail", "send"), ToolName::new("files", "read")].into()),
            hosts: Some(true),
            operators: Some(true),
            model: Some(true),
            given: BTreeSet::new(),
        }
    }

    #[test]
    fn a_sound_set_is_left_in_peace() {
        let rules = "  - { id: a, match: { tool: mail.send, parameters.to: { external: true } }, action: DENY, priority: 5 }
  - { id: b, match: { tool: mail.send }, action: ALLOW }
  - { id: c, match: { tool: files, parameters.n: { gt: 1, lt: 5 } }, action: ALLOW }
  - { id: d, match: { context.ticket: { exists: false } }, action: STEP_UP }\n";
        assert_eq!(told(rules, &known()), Vec::<String>::new());
    }

    #[test]
    fn tests_that_exclude_each_other_are_told() {
        let never = "  - { id: a, match: { parameters.n: { gt: 5, lt: 2 } }, action: ALLOW }\n";
        assert_eq!(told(never, &known()), ["rule `a` can never hold: no call answers to all of its tests"]);
        let never = "  - { id: a, match: { parameters.n: x, context.effect: [read], constraints: {} }, action: DENY }\n";
        assert!(PolicySet::assemble(vec![("p".into(), never.into())]).is_err());
        let text = "  - { id: a, match: { parameters.kind: { eq: x, not: { eq: x } } }, action: ALLOW }\n";
        assert_eq!(told(text, &known()).len(), 1);
        let lists = "  - { id: a, match: { parameters.n: { gt: 5, lt: 2 } }, action: DENY }\n";
        assert_eq!(told(lists, &known()), ["rule `a` holds only where parameters.n has several values"]);
    }

    #[test]
    fn names_that_nothing_bears_are_told_as_far_as_they_are_known() {
        let rules = "  - { id: a, match: { tool: [mial.send, read, post] }, action: DENY }\n";
        assert_eq!(told(rules, &World::default()), Vec::<String>::new());
        let upstreams = World { tools: None, ..known() };
        assert_eq!(told(rules, &upstreams), ["nothing is called `mial.send`"]);
        assert_eq!(told(rules, &known()), ["nothing is called `mial.send`", "nothing is called `post`"]);
        let operation = "  - { id: a, match: { operation: sned }, action: DENY }\n";
        assert_eq!(told(operation, &known()), ["no tool is called `sned`"]);
        let call = "  - { id: a, match: { tool: mail, operation: DROP }, action: DENY }\n";
        assert_eq!(told(call, &known()), Vec::<String>::new());
    }

    #[test]
    fn rules_that_never_get_their_turn_are_told() {
        let by = |first: &str, second: &str| {
            told(&format!("  - {{ id: a, match: {first} }}\n  - {{ id: b, match: {second} }}\n"), &known())
        };
        let heard = Vec::<String>::new();
        let shadow = |said: Vec<String>| {
            said.iter().any(|one| one.starts_with("rule `b` is never heard: rule `a` (p.yaml:4)"))
        };
        for (first, second) in [
            ("{}, action: DENY, priority: 1", "{ tool: mail.send }, action: ALLOW"),
            ("{ tool: mail }, action: STEP_UP, priority: 1", "{ tool: mail.send }, action: ALLOW"),
            ("{ tool: send }, action: STEP_UP, priority: 1", "{ tool: mail.send }, action: DENY"),
            (
                "{ tool: mail }, action: DENY, classification: forbidden",
                "{ tool: mail.send }, action: ALLOW, priority: 9",
            ),
            (
                "{ parameters.n: { gt: 5 } }, action: DENY, priority: 1",
                "{ parameters.n: { gt: 9 } }, action: STEP_UP",
            ),
            (
                "{ parameters.n: { gte: 5 } }, action: DENY, priority: 1",
                "{ parameters.n: 7, tool: mail }, action: STEP_UP",
            ),
            (
                "{ parameters.k: [x, y, z] }, action: DENY, priority: 1",
                "{ parameters.k: [x, y] }, action: STEP_UP",
            ),
            (
                "{ parameters.k: { exists: true } }, action: DENY, priority: 1",
                "{ parameters.k: x }, action: STEP_UP",
            ),
        ] {
            assert!(shadow(by(first, second)), "{first} / {second}: {:?}", by(first, second));
        }
        for (first, second) in [
            ("{ tool: mail.send }, action: DENY, priority: 1", "{ tool: mail }, action: ALLOW"),
            ("{}, action: DENY, priority: 1", "{ tool: mail.send }, action: DENY, classification: forbidden"),
            ("{}, effect: { set_context: { x: 1 } }, priority: 1", "{ tool: mail.send }, action: DENY"),
            ("{}, action: ALLOW, priority: 1", "{ tool: mail.send }, effect: { set_context: { x: 1 } }"),
            (
                "{ parameters.n: { gt: 9 } }, action: DENY, priority: 1",
                "{ parameters.n: { gt: 5 } }, action: STEP_UP",
            ),
            (
                "{ parameters.n: { gt: 5 } }, action: ALLOW, priority: 1",
                "{ parameters.n: { gt: 9 } }, action: STEP_UP",
            ),
            (
                "{ parameters.k: x }, action: DENY, threshold: 0.9, priority: 1",
                "{ parameters.k: x }, action: STEP_UP",
            ),
            (
                "{ tool: mail, operation: send }, action: ALLOW, priority: 1",
                "{ tool: mail, operation: send }, action: DENY",
            ),
        ] {
            assert_eq!(by(first, second), heard, "{first} / {second}");
        }
    }

    #[test]
    fn facts_that_nobody_gives_are_told_once_with_all_that_wait_for_them() {
        let rules = "  - { id: a, match: { context.window: open }, action: ALLOW }
  - { id: b, match: { context.window: shut }, action: DENY }
  - { id: c, match: { context.seen: yes }, action: DENY }
  - { id: d, match: { tool: mail }, effect: { set_context: { seen: yes } } }\n";
        let said = told(rules, &known());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("rules `a`, `b` cannot be told while `context.window` is missing"),
            "{said:?}"
        );
        let given = World { given: ["window".to_owned()].into(), ..known() };
        assert_eq!(told(rules, &given), Vec::<String>::new());
        let request = "  - { id: a, match: { context.original_request: { contains: x }, context.risk_signals.drift.embedded: { gt: 0.5 } }, action: DENY }\n";
        assert_eq!(told(request, &known()), Vec::<String>::new());
        let bare = World { hosts: Some(false), model: Some(false), ..known() };
        assert_eq!(told(request, &bare).len(), 2);
    }
}

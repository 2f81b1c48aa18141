//! What is asked of a fact: a value, a list of values, or operators, each in the specification's spellings.

use std::sync::Arc;

use serde_json::{Number, Value};

use super::fields::Field;
use crate::facts::{self, Block, Fact};
use crate::policy::external::is_domain;
use crate::policy::facets::{Facet, FacetKind, normal_path};
use crate::policy::fault::{Faults, Place, shown, suggest};
use crate::policy::predicate::{self, Sought, Test};
use crate::policy::yaml::{Key, Kind, Node};
use crate::session::signals::level_of;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    NotIn,
    Contains,
    NotContains,
    Matches,
    StartsWith,
    EndsWith,
    External,
    DomainIn,
    DomainAllowlist,
    Under,
    Exists,
    Unsettled,
    Not,
    OwnedBy,
    HigherThan,
}

/// Every spelling; the first of each operator is ours.
pub(super) const OPERATORS: [(&str, Op); 41] = [
    ("eq", Op::Eq),
    ("equals", Op::Eq),
    ("ne", Op::Ne),
    ("not_equals", Op::Ne),
    ("gt", Op::Gt),
    ("greater_than", Op::Gt),
    ("gte", Op::Gte),
    ("greater_than_or_equal", Op::Gte),
    ("at_least", Op::Gte),
    ("lt", Op::Lt),
    ("less_than", Op::Lt),
    ("lte", Op::Lte),
    ("less_than_or_equal", Op::Lte),
    ("at_most", Op::Lte),
    ("in", Op::In),
    ("one_of", Op::In),
    ("any_of", Op::In),
    ("not_in", Op::NotIn),
    ("none_of", Op::NotIn),
    ("contains", Op::Contains),
    ("contains_any", Op::Contains),
    ("contains_classification", Op::Contains),
    ("not_contains", Op::NotContains),
    ("matches", Op::Matches),
    ("regex", Op::Matches),
    ("pattern", Op::Matches),
    ("starts_with", Op::StartsWith),
    ("prefix", Op::StartsWith),
    ("ends_with", Op::EndsWith),
    ("suffix", Op::EndsWith),
    ("external", Op::External),
    ("domain_in", Op::DomainIn),
    ("domain_blocklist", Op::DomainIn),
    ("domain_allowlist", Op::DomainAllowlist),
    ("under", Op::Under),
    ("exists", Op::Exists),
    ("unknown_or_conflicting", Op::Unsettled),
    ("not", Op::Not),
    ("owned_by", Op::OwnedBy),
    ("higher_than", Op::HigherThan),
    ("above", Op::HigherThan),
];

/// A value asks for equality, a list for one of its values, a map names operators, which must all hold.
pub(super) fn tests(fact: &Fact, field: Field<'_>, faults: &mut Faults) -> Vec<Test> {
    let scale = if fact.is_share() { Scale::Share } else { Scale::Plain };
    let tests = of_value(scale, field, faults);
    tests.into_iter().filter(|(at, test)| fits(fact, test, *at, faults)).map(|(_, test)| test).collect()
}

/// How the numbers of a test are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Plain,
    /// Basis points; a number from 0 to 1 is meant as a share of one.
    Share,
}

impl Scale {
    /// A value as it is compared.
    fn value(self, value: Value) -> Value {
        match (self, value) {
            (Self::Share, Value::Number(n)) => Value::Number(basis_points(&n)),
            (_, value) => value,
        }
    }

    fn all(self, values: Option<Vec<Value>>) -> Option<Vec<Value>> {
        Some(values?.into_iter().map(|value| self.value(value)).collect())
    }
}

fn of_value(scale: Scale, field: Field<'_>, faults: &mut Faults) -> Vec<(Place, Test)> {
    match &field.node.kind {
        Kind::Null => {
            let message = format!("{} is not tested for anything", shown(field.name()));
            faults.add_with_hint(field.at(), message, "to ask for null, write `{eq: null}`");
            Vec::new()
        }
        Kind::List(_) => {
            scale.all(values(field, faults)).map(|v| (field.at(), Test::In(v))).into_iter().collect()
        }
        Kind::Map(entries) if entries.is_empty() => {
            faults.add_with_hint(field.at(), "a test names an operator", known_operators());
            Vec::new()
        }
        Kind::Map(entries) => {
            entries.iter().flat_map(|(key, node)| operator(scale, key, node, faults)).collect()
        }
        _ => vec![(field.at(), Test::Eq(scale.value(field.node.to_json())))],
    }
}

fn operator(scale: Scale, key: &Key, node: &Node, faults: &mut Faults) -> Vec<(Place, Test)> {
    let field = Field { key, node };
    if let Some(parts) = parts(field, faults) {
        return parts;
    }
    let Some((_, op)) = OPERATORS.iter().find(|(name, _)| *name == key.text) else {
        let ours: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        let near = suggest(&key.text, &ours);
        let hint = if near.starts_with("did") { near } else { known_operators() };
        faults.add_with_hint(key.at, format!("unknown operator {}", shown(&key.text)), hint);
        return Vec::new();
    };
    test(*op, scale, field, faults).map(|test| (field.at(), test)).into_iter().collect()
}

fn test(op: Op, scale: Scale, field: Field<'_>, faults: &mut Faults) -> Option<Test> {
    let node = field.node;
    Some(match op {
        Op::Eq => Test::Eq(scale.value(node.to_json())),
        Op::Ne => Test::Ne(scale.value(node.to_json())),
        Op::Gt => Test::Gt(number(scale, field, faults)?),
        Op::Gte => Test::Gte(number(scale, field, faults)?),
        Op::Lt => Test::Lt(number(scale, field, faults)?),
        Op::Lte => Test::Lte(number(scale, field, faults)?),
        Op::In | Op::NotIn if !matches!(node.kind, Kind::List(_)) => return field.expected("a list", faults),
        Op::In => Test::In(scale.all(values(field, faults))?),
        Op::NotIn => negated(Test::In(scale.all(values(field, faults))?)),
        Op::Contains => Test::Contains(sought(field, faults)?),
        Op::NotContains => negated(Test::Contains(sought(field, faults)?)),
        Op::Matches => Test::Matches(expression(field, faults)?),
        Op::StartsWith => Test::StartsWith(plain_texts(field, faults)?),
        Op::EndsWith => Test::EndsWith(plain_texts(field, faults)?),
        Op::External => Test::External(truth(field, faults)?),
        Op::DomainIn => Test::DomainIn(domains(field, faults)?),
        Op::DomainAllowlist => Test::DomainAllowlist(domains(field, faults)?),
        Op::Under => Test::Part(Facet::named("path.normal")?, vec![Test::Under(folders(field, faults)?)]),
        Op::Exists => Test::Exists(truth(field, faults)?),
        Op::Unsettled => Test::Unsettled(truth(field, faults)?),
        Op::Not => {
            let mut inner = of_value(scale, field, faults);
            if inner.len() > 1 {
                faults.add_with_hint(field.at(), "`not` takes one test", "write several rules, or `when`");
                return None;
            }
            let (at, inner) = inner.pop()?;
            if matches!(inner, Test::Exists(_) | Test::Unsettled(_)) {
                faults.add_with_hint(
                    at,
                    "`not` is no word for this test",
                    "write the test with the other value",
                );
                return None;
            }
            negated(inner)
        }
        Op::OwnedBy => Test::SameAs(party(field, faults)?),
        Op::HigherThan => higher_than(field, faults)?,
    })
}

/// Whether this is an operator's name, or a part that arguments are understood by.
pub(super) fn is_operator(name: &str) -> bool {
    OPERATORS.iter().any(|(known, _)| *known == name)
}

fn negated(test: Test) -> Test {
    Test::Not(Box::new(test))
}

/// What is understood of an argument: `sql: {kinds: [drop]}`, `sql.kinds: [drop]`.
fn parts(field: Field<'_>, faults: &mut Faults) -> Option<Vec<(Place, Test)>> {
    let group = |name: &str| Facet::ALL.iter().any(|facet| facet.name().split('.').next() == Some(name));
    let name = field.name();
    if let Some(facet) = Facet::named(name) {
        return Some(part(facet, field, faults).into_iter().collect());
    }
    let head = name.split('.').next().unwrap_or_default();
    if !group(head) || OPERATORS.iter().any(|(op, _)| *op == name) {
        return None;
    }
    let of_group = Facet::ALL.iter().filter_map(|facet| facet.name().split_once('.'));
    let members: Vec<&str> = of_group.filter(|(g, _)| *g == head).map(|(_, member)| member).collect();
    if name.contains('.') {
        let member = name.split_once('.').map_or("", |(_, member)| member);
        faults.add_with_hint(
            field.key.at,
            format!("nothing is understood as {}", shown(name)),
            suggest(member, &members),
        );
        return Some(Vec::new());
    }
    let mut tests = Vec::new();
    for (key, node) in field.map(faults).unwrap_or_default() {
        match Facet::named(&format!("{head}.{}", key.text)) {
            Some(facet) => tests.extend(part(facet, Field { key, node }, faults)),
            None => {
                let message = format!("nothing is understood as {}", shown(&format!("{head}.{}", key.text)));
                faults.add_with_hint(key.at, message, suggest(&key.text, &members));
            }
        }
    }
    Some(tests)
}

fn part(facet: Facet, field: Field<'_>, faults: &mut Faults) -> Option<(Place, Test)> {
    let mut inner = of_value(Scale::Plain, field, faults);
    inner.retain(|(at, test)| {
        let ok = part_fits(facet, test);
        if !ok {
            let is = match facet.is() {
                FacetKind::Text => "a text",
                FacetKind::Number => "a number",
                FacetKind::Bool => "true or false",
                FacetKind::Texts => "a list of texts",
            };
            faults.add(*at, format!("`{}` is {is} and cannot be tested like this", facet.name()));
        }
        ok
    });
    let tests: Vec<Test> = inner.into_iter().map(|(_, test)| test).collect();
    (!tests.is_empty()).then(|| (field.at(), Test::Part(facet, tests)))
}

fn part_fits(facet: Facet, test: &Test) -> bool {
    let kind = match facet.is() {
        FacetKind::Text | FacetKind::Texts => Value::is_string,
        FacetKind::Number => Value::is_number,
        FacetKind::Bool => Value::is_boolean,
    };
    let ordered = facet.is() == FacetKind::Number;
    match test {
        Test::Not(test) => part_fits(facet, test),
        Test::Eq(value) | Test::Ne(value) => kind(value),
        Test::In(values) => values.iter().all(kind),
        Test::Contains(sought) => !ordered && sought.values().iter().all(kind),
        Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => ordered,
        // Files and arguments of a command line are paths too: `shell.redirects: {under: [/data]}`.
        Test::Part(Facet::PathNormal, _) => facet.name().starts_with("shell."),
        Test::Part(..) | Test::SameAs(_) | Test::HigherThan(_) | Test::HigherThanFact(_) => false,
        Test::Exists(_) | Test::Unsettled(_) => false,
        _ => matches!(facet.is(), FacetKind::Text | FacetKind::Texts),
    }
}

fn known_operators() -> String {
    let mut ours: Vec<&str> = Vec::new();
    let mut last = None;
    for (name, op) in OPERATORS {
        if last.replace(op) != Some(op) {
            ours.push(name);
        }
    }
    format!("operators: {}; a nested name is written with dots", ours.join(", "))
}

/// Shares from 0 to 1 become basis points.
fn number(scale: Scale, field: Field<'_>, faults: &mut Faults) -> Option<Number> {
    let Kind::Number(n) = &field.node.kind else { return field.expected("a number", faults) };
    match scale {
        Scale::Plain => Some(n.clone()),
        Scale::Share => Some(basis_points(n)),
    }
}

/// A number from 0 to 1 as basis points, exactly; any other number as it is.
pub(super) fn basis_points(n: &Number) -> Number {
    let share = n.as_f64().filter(|share| (0.0..=1.0).contains(share));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10,000")]
    share.map_or_else(|| n.clone(), |share| ((share * 10_000.0).round() as u64).into())
}

/// Whose something is: the fact with their id.
fn party(field: Field<'_>, faults: &mut Faults) -> Option<Fact> {
    let parties = [
        ("requesting_user", "human"),
        ("user", "human"),
        ("human", "human"),
        ("agent", "agent"),
        ("requesting_agent", "agent"),
        ("service", "service"),
    ];
    let name = field.word(&parties, faults)?;
    Fact::parse(Block::Identity, name).ok()
}

/// A level, or the fact that names one.
fn higher_than(field: Field<'_>, faults: &mut Faults) -> Option<Test> {
    let text = field.text(faults)?;
    if let Some(level) = level_of(text) {
        return Some(Test::HigherThan(level));
    }
    match Fact::parse(Block::Context, text.strip_prefix("context.").unwrap_or(text)) {
        Ok(fact) => Some(Test::HigherThanFact(fact)),
        Err(e) => {
            faults.add_with_hint(
                field.at(),
                e.message,
                format!("write a level or a fact's name; {}", e.hint),
            );
            None
        }
    }
}

fn plain_texts(field: Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    Some(field.texts(faults)?.into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// Folders as they are after normalisation.
pub(super) fn folders(field: Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let before = faults.count();
    let mut folders = Vec::new();
    for (written, at) in field.texts(faults)? {
        match normal_path(written) {
            Some(folder) => folders.push(folder),
            None => faults.add(at, format!("{} is not a path that is read in one way only", shown(written))),
        }
    }
    (faults.count() == before).then_some(folders)
}

/// Domain names of two parts or more, in lower case and without a final dot.
pub(super) fn domains(field: Field<'_>, faults: &mut Faults) -> Option<Vec<Arc<str>>> {
    let before = faults.count();
    let mut domains = Vec::new();
    for (written, at) in field.texts(faults)? {
        if is_domain(written) {
            domains.push(written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase().into());
        } else {
            let message = format!("{} is not a domain name of two parts or more", shown(written));
            faults.add_with_hint(at, message, "write `example.com`; it covers what is below it too");
        }
    }
    (faults.count() == before).then_some(domains)
}

fn truth(field: Field<'_>, faults: &mut Faults) -> Option<bool> {
    match field.node.kind {
        Kind::Bool(b) => Some(b),
        _ => field.expected("true or false", faults),
    }
}

/// The plain values of a list that is not empty.
fn values(field: Field<'_>, faults: &mut Faults) -> Option<Vec<Value>> {
    let Kind::List(items) = &field.node.kind else { return field.expected("a list", faults) };
    if items.is_empty() {
        faults.add(field.at(), format!("{} is an empty list, which nothing is in", shown(field.name())));
        return None;
    }
    for item in items.iter().filter(|item| matches!(item.kind, Kind::List(_) | Kind::Map(_))) {
        let message =
            format!("the list of {} takes plain values, not {}", shown(field.name()), item.kind_name());
        faults.add(item.at, message);
    }
    Some(items.iter().map(Node::to_json).collect())
}

fn sought(field: Field<'_>, faults: &mut Faults) -> Option<Sought> {
    let values = match &field.node.kind {
        Kind::List(_) => values(field, faults)?,
        Kind::Null | Kind::Map(_) => return field.expected("a value or a list of values", faults),
        _ => vec![field.node.to_json()],
    };
    if values.iter().any(|value| value.as_str() == Some("")) {
        faults.add(field.at(), "every text contains the empty text");
        return None;
    }
    match Sought::new(values) {
        Ok(sought) => Some(sought),
        Err(_) => {
            faults.add(field.at(), "these texts are too long together");
            None
        }
    }
}

/// An expression that is searched in linear time.
pub(super) fn expression(field: Field<'_>, faults: &mut Faults) -> Option<regex::Regex> {
    let written = field.text(faults)?;
    match predicate::compile(written) {
        Ok(expression) => Some(expression),
        Err(e) => {
            // The library draws a picture over several lines; its last one says what is wrong.
            let drawn = e.to_string();
            let said = drawn.lines().last().unwrap_or_default().trim_start_matches("error: ");
            faults.add_with_hint(
                field.at(),
                format!("not a regular expression that we take: {said}"),
                "no look-around and no back-references; write it in single quotes",
            );
            None
        }
    }
}

/// A test that no value of this fact could ever answer is a mistake in the file, not a wait.
fn fits(fact: &Fact, test: &Test, at: Place, faults: &mut Faults) -> bool {
    if let Test::Not(inner) = test {
        return fits(fact, inner, at, faults);
    }
    let all = |values: &[Value], of: fn(&Value) -> bool| values.iter().all(of);
    let is = |of: fn(&Value) -> bool| match test {
        Test::Eq(value) | Test::Ne(value) => of(value),
        Test::In(values) => all(values, of),
        Test::Contains(sought) => all(sought.values(), of),
        _ => true,
    };
    let ordered = matches!(test, Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_));
    let textual = matches!(
        test,
        Test::Contains(_)
            | Test::Matches(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::External(_)
            | Test::DomainIn(_)
            | Test::DomainAllowlist(_)
            | Test::Part(..)
    );
    let leveled = matches!(test, Test::HigherThan(_) | Test::HigherThanFact(_));
    let (is, ok) = match fact.kind() {
        facts::Kind::Any if leveled && fact.is_parameter() => ("an argument", false),
        facts::Kind::Any => return true,
        facts::Kind::Labels if leveled => return true,
        _ if leveled => ("no level", false),
        facts::Kind::Number => ("a number", !textual && is(Value::is_number)),
        facts::Kind::Text => ("a text", !ordered && is(Value::is_string)),
        facts::Kind::Held
        | facts::Kind::Parties
        | facts::Kind::Tools
        | facts::Kind::Labels
        | facts::Kind::Words => (
            "a list of texts",
            !ordered
                && !matches!(
                    test,
                    Test::External(_) | Test::DomainIn(_) | Test::DomainAllowlist(_) | Test::Part(..)
                )
                && is(Value::is_string),
        ),
    };
    if !ok {
        faults.add(at, format!("{} is {is} and cannot be tested like this", shown(fact.name())));
    }
    ok
}

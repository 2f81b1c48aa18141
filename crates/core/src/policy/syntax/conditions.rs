//! The `match` block: names of tools, and tests of facts.

use serde_json::{Number, Value};

use super::fields::Field;
use crate::facts::{self, Block, Fact, NoSuchFact};
use crate::policy::fault::{Faults, Place, shown, suggest};
use crate::policy::rule::{self, Predicate, Sought, Test, ToolPattern};
use crate::policy::yaml::{Key, Kind, Node};

/// What `match` and `context` of one rule say.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) tools: Vec<ToolPattern>,
    pub(super) operations: Vec<String>,
    pub(super) predicates: Vec<Predicate>,
    /// Where each name of a tool or operation is written.
    pub(super) names: Vec<(String, Place)>,
}

const BLOCKS: [(&str, Block); 3] =
    [("parameters", Block::Parameters), ("identity", Block::Identity), ("context", Block::Context)];
const KEYS: [&str; 5] = ["tool", "operation", "parameters", "identity", "context"];
const OPERATORS: [&str; 11] =
    ["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "matches", "external", "exists"];

impl Conditions {
    /// Takes the content of `match` in.
    pub(super) fn take_match(&mut self, block: Field<'_>, faults: &mut Faults) {
        for (key, node) in block.map(faults).unwrap_or_default() {
            let field = Field { key, node };
            match (key.text.as_str(), BLOCKS.iter().find(|(name, _)| *name == key.text)) {
                ("tool", _) => {
                    let names = self.take_names(field, faults);
                    self.tools.extend(names.into_iter().map(ToolPattern));
                }
                ("operation", _) => self.operations = self.take_names(field, faults),
                (_, Some((_, block))) => self.take_block(*block, field, faults),
                (dotted, None) => self.take_dotted(dotted, field, faults),
            }
        }
    }

    /// Takes a map of facts and tests in.
    pub(super) fn take_block(&mut self, block: Block, facts: Field<'_>, faults: &mut Faults) {
        for (key, node) in facts.map(faults).unwrap_or_default() {
            self.take_fact(block, &key.text, Field { key, node }, faults);
        }
    }

    fn take_names(&mut self, field: Field<'_>, faults: &mut Faults) -> Vec<String> {
        let names = field.texts(faults).unwrap_or_default();
        self.names.extend(names.iter().map(|(name, at)| ((*name).to_owned(), *at)));
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// A fact's full name directly in `match`.
    fn take_dotted(&mut self, dotted: &str, field: Field<'_>, faults: &mut Faults) {
        let in_block = BLOCKS.iter().find_map(|(name, block)| {
            let rest = dotted.strip_prefix(name)?.strip_prefix('.')?;
            Some((*block, rest))
        });
        let counter = facts::is_counter(dotted).then_some((Block::Context, dotted));
        match in_block.or(counter) {
            Some((block, rest)) => self.take_fact(block, rest, field, faults),
            None => {
                let message = format!("unknown key {} in `match`", shown(dotted));
                faults.add_with_hint(field.key.at, message, suggest(dotted, &KEYS));
            }
        }
    }

    fn take_fact(&mut self, block: Block, dotted: &str, field: Field<'_>, faults: &mut Faults) {
        if block == Block::Context
            && facts::COUNTERS.contains(&dotted)
            && matches!(field.node.kind, Kind::Map(_))
        {
            for (tool, node) in field.map(faults).unwrap_or_default() {
                let name = format!("{dotted}.{}", tool.text);
                self.take_fact(block, &name, Field { key: tool, node }, faults);
            }
            return;
        }
        match Fact::parse(block, dotted) {
            Err(NoSuchFact { message, hint }) => faults.add_with_hint(field.key.at, message, hint),
            Ok(fact) => {
                for (at, test) in tests(field, faults) {
                    check_kind(&fact, &test, at, faults);
                    self.predicates.push(Predicate { fact: fact.clone(), test });
                }
            }
        }
    }
}

/// A value asks for equality, a list for one of its values, a map names operators, which must all hold.
fn tests(field: Field<'_>, faults: &mut Faults) -> Vec<(Place, Test)> {
    match &field.node.kind {
        Kind::Null => {
            let message = format!("{} is not tested for anything", shown(field.name()));
            faults.add_with_hint(field.at(), message, "to ask for null, write `{eq: null}`");
            Vec::new()
        }
        Kind::List(_) => values(field, faults).map(|v| (field.at(), Test::In(v))).into_iter().collect(),
        Kind::Map(entries) if entries.is_empty() => {
            faults.add_with_hint(field.at(), "a test names an operator", known_operators());
            Vec::new()
        }
        Kind::Map(entries) => entries.iter().filter_map(|(key, node)| operator(key, node, faults)).collect(),
        _ => vec![(field.at(), Test::Eq(field.node.to_json()))],
    }
}

fn operator(key: &Key, node: &Node, faults: &mut Faults) -> Option<(Place, Test)> {
    let field = Field { key, node };
    let test = match key.text.as_str() {
        "eq" => Test::Eq(node.to_json()),
        "ne" => Test::Ne(node.to_json()),
        "gt" => Test::Gt(number(field, faults)?),
        "gte" => Test::Gte(number(field, faults)?),
        "lt" => Test::Lt(number(field, faults)?),
        "lte" => Test::Lte(number(field, faults)?),
        "in" if !matches!(node.kind, Kind::List(_)) => return field.expected("a list", faults),
        "in" => Test::In(values(field, faults)?),
        "contains" => Test::Contains(sought(field, faults)?),
        "matches" => Test::Matches(expression(field, faults)?),
        "external" => Test::External(truth(field, faults)?),
        "exists" => Test::Exists(truth(field, faults)?),
        _ => {
            let near = suggest(&key.text, &OPERATORS);
            let hint = if near.starts_with("did") { near } else { known_operators() };
            faults.add_with_hint(key.at, format!("unknown operator {}", shown(&key.text)), hint);
            return None;
        }
    };
    Some((field.at(), test))
}

fn known_operators() -> String {
    format!("operators: {}; a nested name is written with dots", OPERATORS.join(", "))
}

fn number(field: Field<'_>, faults: &mut Faults) -> Option<Number> {
    match &field.node.kind {
        Kind::Number(n) => Some(n.clone()),
        _ => field.expected("a number", faults),
    }
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

fn expression(field: Field<'_>, faults: &mut Faults) -> Option<regex::Regex> {
    let written = field.text(faults)?;
    match rule::compile(written) {
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
fn check_kind(fact: &Fact, test: &Test, at: Place, faults: &mut Faults) {
    let all = |values: &[Value], of: fn(&Value) -> bool| values.iter().all(of);
    let fits = |of: fn(&Value) -> bool| match test {
        Test::Eq(value) | Test::Ne(value) => of(value),
        Test::In(values) => all(values, of),
        Test::Contains(sought) => all(sought.values(), of),
        _ => true,
    };
    let ordered = matches!(test, Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_));
    let textual = matches!(test, Test::Contains(_) | Test::Matches(_) | Test::External(_));
    let (is, ok) = match fact.kind() {
        facts::Kind::Any => return,
        facts::Kind::Number => ("a number", !textual && fits(Value::is_number)),
        facts::Kind::Text => ("a text", !ordered && fits(Value::is_string)),
        facts::Kind::Held
        | facts::Kind::Parties
        | facts::Kind::Tools
        | facts::Kind::Labels
        | facts::Kind::Words => {
            ("a list of texts", !ordered && !matches!(test, Test::External(_)) && fits(Value::is_string))
        }
    };
    if !ok {
        faults.add(at, format!("{} is {is} and cannot be tested like this", shown(fact.name())));
    }
}

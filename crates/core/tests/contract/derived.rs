//! How well the derivation reads tools from the wild.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use countersign_core::contract::derive::{Definition, derive};
use countersign_core::contract::{Contract, Effect};
use serde_json::{Value, json};

use super::corpus::{self, Row};
use super::{fresh, unrepaired};

/// Builds a JSON Schema from a row's arguments.
pub(crate) fn schema(arguments: &str) -> Value {
    let mut root = json!({"type": "object", "properties": {}});
    for argument in arguments.split(';').map(str::trim).filter(|a| !a.is_empty()) {
        let (spec, remark) = argument.split_once(" - ").unwrap_or((argument, ""));
        let (path, kind) = spec.trim().split_once(':').unwrap_or((spec.trim(), "text"));
        let mut leaf = match kind {
            "int" => json!({"type": "integer"}),
            "num" => json!({"type": "number"}),
            "bool" => json!({"type": "boolean"}),
            "obj" => json!({"type": "object"}),
            "enum" => json!({"type": "string", "enum": ["a", "b"]}),
            _ => json!({"type": "string"}),
        };
        if !remark.is_empty() {
            leaf["description"] = remark.into();
        }
        put(&mut root, &path.split('.').collect::<Vec<_>>(), leaf);
    }
    root
}

fn put(object: &mut Value, path: &[&str], leaf: Value) {
    let (step, rest) = path.split_first().unwrap();
    let name = step.trim_end_matches("[]");
    let depth = (step.len() - name.len()) / 2;
    let mut slot = &mut object["properties"][name];
    for _ in 0..depth {
        slot["type"] = "array".into();
        slot = &mut slot["items"];
    }
    if rest.is_empty() {
        *slot = leaf;
    } else {
        slot["type"] = "object".into();
        put(slot, rest, leaf);
    }
}

fn contract(row: &Row) -> Contract {
    let schema = schema(row.3);
    derive(&Definition { name: row.1, description: row.2, input_schema: Some(&schema), annotations: None })
}

fn selecting(contract: &Contract) -> BTreeMap<String, String> {
    let roles = &contract.meaning.as_ref().unwrap().roles;
    roles
        .iter()
        .filter(|(_, role)| role.selects())
        .map(|(p, role)| (p.clone(), role.as_str().to_owned()))
        .collect()
}

fn wanted(row: &Row) -> BTreeMap<String, String> {
    row.5
        .split_whitespace()
        .map(|one| one.split_once('=').unwrap())
        .map(|(p, r)| (p.into(), r.into()))
        .collect()
}

/// How rows came out.
#[derive(Default)]
struct Tally {
    effects: [usize; 3],
    selectors: [usize; 4],
    report: Vec<String>,
}

const EXACT: usize = 0;
const MORE: usize = 1;
const LESS: usize = 2;
const OTHER: usize = 3;

fn tally(rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        let contract = contract(row);
        let at = match contract.effect.cmp(&row.4) {
            Ordering::Equal => EXACT,
            Ordering::Greater => MORE,
            Ordering::Less => LESS,
        };
        tally.effects[at] += 1;
        if at != EXACT {
            tally.report.push(format!("{}.{}: {:?}, wanted {:?}", row.0, row.1, contract.effect, row.4));
        }
        let (got, want) = (selecting(&contract), wanted(row));
        for pointer in want.keys().chain(got.keys().filter(|p| !want.contains_key(*p))) {
            let at = match (got.get(pointer), want.get(pointer)) {
                (Some(a), Some(b)) if a == b => EXACT,
                (Some(_), Some(_)) => OTHER,
                (Some(_), None) => MORE,
                (None, _) => LESS,
            };
            tally.selectors[at] += 1;
            if at != EXACT {
                let role = contract.meaning.as_ref().unwrap().role(pointer);
                let wanted = want.get(pointer);
                tally.report.push(format!("  {}.{} {pointer}: {role:?}, wanted {wanted:?}", row.0, row.1));
            }
        }
    }
    let ([e, m, l], [a, x, s, o]) = (tally.effects, tally.selectors);
    let sum = format!(
        "{} tools: {e} exact, {m} more, {l} less; selectors {a} exact, {x} too many, {s} missed, {o} other",
        rows.len()
    );
    tally.report.push(sum);
    tally
}

/// How many effects are right, so that a change of the rules shows.
fn exact(tally: &Tally, least: usize) -> bool {
    tally.effects[LESS] == 0 && tally.selectors[LESS] == 0 && tally.effects[EXACT] >= least
}

#[test]
fn tools_from_the_wild_get_sensible_contracts() {
    let tally = tally(corpus::ROWS);
    assert!(exact(&tally, 140), "{}", tally.report.join("\n"));
}

#[test]
fn tools_never_seen_get_sensible_contracts() {
    let tally = tally(fresh::ROWS);
    assert!(exact(&tally, 50), "{}", tally.report.join("\n"));
}

/// The rules were never repaired on this list; what they get wrong is in the book.
#[test]
fn tools_that_no_rule_was_made_for_get_mostly_sensible_contracts() {
    let tally = tally(unrepaired::ROWS);
    assert!(tally.effects[EXACT] >= 38 && tally.effects[LESS] <= 3, "{}", tally.report.join("\n"));
}

fn effect(name: &str, description: &str) -> Effect {
    derive(&Definition { name, description, input_schema: None, annotations: None }).effect
}

#[test]
fn a_description_that_tells_of_more_raises_and_one_that_denies_it_does_not() {
    for (description, least) in [
        ("Gets a report.", Effect::Read),
        ("Gets a report. Deletes old ones.", Effect::Destructive),
        ("Gets a report. It will also email the owner.", Effect::WriteOutbound),
        ("Gets a report and sends a notification to the owner.", Effect::WriteOutbound),
        ("Executes a shell command that makes the report.", Effect::Execute),
        ("Gets a report. It does not delete anything and never sends messages.", Effect::Read),
        ("Gets a report on who sends emails and deletes them.", Effect::Destructive),
        ("Gets a report of the emails that a person sends.", Effect::Read),
    ] {
        assert_eq!(effect("get_report", description), least, "{description}");
    }
}

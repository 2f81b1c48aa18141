//! Tests of facts by chance: mostly such as the fact can answer, now and then of another type.

use serde_json::{Value, json};

use super::chance::Chance;
use super::generate::{COUNTERS, GIVEN, NAMES};
use super::model::{Asked, Fact, Pattern, Per, Test};

const TEXTS: [&str; 6] = ["Alpha", "alpha", "beta", "al", "a", "gamma 7"];
const PARAMETERS: [&str; 12] = [
    "to",
    "to.0",
    "limit",
    "limit",
    "mode",
    "mode",
    "tags",
    "path",
    "query",
    "account.id",
    "account",
    "missing",
];
const LABELS: [&str; 6] = ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED", "PII", "pii"];
const ROLES: [&str; 3] = ["analyst", "admin", "an"];
const DOMAINS: [&str; 3] = ["example.com", "sub.example.com", "evil.io"];
const FOLDERS: [&str; 3] = ["/data", "/etc", "/data/a"];
const EFFECTS: [&str; 4] = ["read", "write_outbound", "destructive", "unknown"];
const LEVELS: [&str; 3] = ["PUBLIC", "INTERNAL", "confidential"];

/// One fact and one or two tests of it.
pub fn asked(chance: &mut Chance) -> Asked {
    let fact = fact(chance);
    let mut tests = vec![test(&fact, chance)];
    if chance.percent(15) {
        tests.push(if chance.percent(60) { Test::Exists(true) } else { test(&fact, chance) });
    }
    // A map has each key once.
    let mut kept: Vec<Test> = Vec::new();
    for test in tests {
        if !kept.iter().any(|other| one_key(other, &test)) {
            kept.push(test);
        }
    }
    Asked { fact, tests: kept }
}

/// Whether two tests would be written under one key.
fn one_key(a: &Test, b: &Test) -> bool {
    let levels = |test: &Test| matches!(test, Test::Above(_) | Test::AboveFact(_));
    std::mem::discriminant(a) == std::mem::discriminant(b) || (levels(a) && levels(b))
}

fn fact(chance: &mut Chance) -> Fact {
    let per = chance.pick(&[Per::Session, Per::Human, Per::Agent]);
    match chance.below(22) {
        0..=8 => Fact::Parameter(chance.pick(&PARAMETERS)),
        9 | 10 => Fact::Given(chance.pick(&GIVEN)),
        11 => chance.pick(&[Fact::Human, Fact::Request, Fact::Effect]),
        12 => chance.pick(&[Fact::HumanRoles, Fact::AgentRoles]),
        13 | 14 => Fact::Labels,
        15 => Fact::PriorActions,
        16 => chance.pick(&[Fact::ActionCount, Fact::DeniedCount, Fact::Turns]),
        17 => Fact::Uses(per, chance.pick(&NAMES)),
        18 => Fact::Sum(per, chance.pick(&COUNTERS)),
        19 => chance.pick(&[Fact::Injection, Fact::Scope]),
        20 => chance.pick(&[Fact::Escalation, Fact::Velocity]),
        _ => Fact::Given("clearance"),
    }
}

/// A test that loads of this fact.
pub fn test(fact: &Fact, chance: &mut Chance) -> Test {
    match chance.below(20) {
        0 => return Test::Exists(chance.percent(60)),
        1 => return Test::Unsettled(chance.percent(60)),
        2 | 3 => {
            let inner = plain(fact, chance);
            return if matches!(inner, Test::Exists(_) | Test::Unsettled(_)) {
                inner
            } else {
                Test::Not(Box::new(inner))
            };
        }
        _ => {}
    }
    plain(fact, chance)
}

fn plain(fact: &Fact, chance: &mut Chance) -> Test {
    match fact {
        Fact::Parameter("to" | "to.0") if chance.percent(60) => address(chance),
        Fact::Parameter("path") if chance.percent(70) => Test::Under(chance.some(&FOLDERS, 1, 2)),
        Fact::Parameter("query") if chance.percent(70) => {
            Test::SqlKinds(chance.some(&["select", "drop", "delete"], 1, 2))
        }
        Fact::Parameter("limit" | "account.id") if chance.percent(75) => number(chance),
        Fact::Parameter("tags" | "account") if chance.percent(30) => whole(chance),
        Fact::Parameter(_) => text_or_other(chance),
        Fact::Given("clearance") if chance.percent(50) => Test::Above(chance.pick(&LEVELS)),
        Fact::Given(_) => match chance.below(4) {
            0 => number(chance),
            1 => whole(chance),
            _ => text_or_other(chance),
        },
        Fact::Human => match chance.below(3) {
            0 => address(chance),
            _ => of_texts(&["alice@example.com", "alice", "bob@gmail.com"], chance),
        },
        Fact::Request => of_texts(&TEXTS, chance),
        Fact::Effect => of_texts(&EFFECTS, chance),
        Fact::HumanRoles | Fact::AgentRoles => of_texts(&ROLES, chance),
        Fact::PriorActions => of_texts(&NAMES, chance),
        Fact::Labels => match chance.below(6) {
            0 => Test::Above(chance.pick(&LEVELS)),
            1 => Test::AboveFact("clearance"),
            _ => of_texts(&LABELS, chance),
        },
        Fact::Injection | Fact::Scope => number_of(&[0, 2_000, 4_500, 8_000, 10_000], chance),
        Fact::ActionCount
        | Fact::DeniedCount
        | Fact::Uses(..)
        | Fact::Sum(..)
        | Fact::Escalation
        | Fact::Velocity
        | Fact::Turns => number_of(&[0, 1, 2, 3, 5, 12], chance),
    }
}

fn number(chance: &mut Chance) -> Test {
    if chance.percent(15) {
        return Test::Gt(json!(chance.pick(&[2.5, 9.5, -0.5])));
    }
    number_of(&[-1, 0, 1, 5, 7, 10, 50], chance)
}

fn number_of(of: &[i64], chance: &mut Chance) -> Test {
    let bound = json!(chance.pick(of));
    match chance.below(8) {
        0 => Test::Eq(bound),
        1 => Test::Ne(bound),
        2 | 3 => Test::Gt(bound),
        4 => Test::Gte(bound),
        5 => Test::Lt(bound),
        6 => Test::Lte(bound),
        _ => Test::In(chance.some(of, 1, 3).into_iter().map(Value::from).collect()),
    }
}

fn address(chance: &mut Chance) -> Test {
    match chance.below(5) {
        0 | 1 => Test::External(chance.percent(60)),
        2 => Test::DomainIn(chance.some(&DOMAINS, 1, 2)),
        3 => Test::DomainAllowlist(chance.some(&DOMAINS, 1, 2)),
        _ => Test::Own,
    }
}

fn of_texts(of: &[&'static str], chance: &mut Chance) -> Test {
    let texts = |chance: &mut Chance| chance.some(of, 1, 3).into_iter().map(Value::from).collect();
    let one = chance.pick(of);
    match chance.below(9) {
        0 | 1 => Test::Eq(one.into()),
        2 => Test::Ne(one.into()),
        3 | 4 => Test::In(texts(chance)),
        5 => Test::Contains(texts(chance)),
        6 => Test::Matches(pattern(of, chance)),
        7 => Test::StartsWith(chance.some(of, 1, 2)),
        _ => Test::EndsWith(chance.some(of, 1, 2)),
    }
}

/// An expression with nothing in it that has to be escaped.
fn pattern(of: &[&'static str], chance: &mut Chance) -> Pattern {
    let plain: Vec<&'static str> = of.iter().copied().filter(|text| !text.contains('.')).collect();
    let text = chance.pick(if plain.is_empty() { &TEXTS } else { &plain });
    match chance.below(5) {
        0 => Pattern::Begins(text),
        1 => Pattern::Ends(text),
        2 => Pattern::Has(text),
        3 => Pattern::Is(text),
        _ => Pattern::Digit,
    }
}

fn text_or_other(chance: &mut Chance) -> Test {
    match chance.below(12) {
        0 => Test::Eq(Value::Null),
        1 => Test::Eq(json!(true)),
        2 => Test::In(vec![json!("beta"), json!(7), Value::Null]),
        3 => Test::Contains(vec![json!(7), json!("al")]),
        4 => Test::Ne(Value::Null),
        _ => of_texts(&TEXTS, chance),
    }
}

/// A list or a map as it is.
fn whole(chance: &mut Chance) -> Test {
    let value =
        chance.pick(&[json!(["a"]), json!(["Alpha", "beta"]), json!([]), json!({"id": 7, "owner": "ann"})]);
    if chance.percent(60) { Test::Eq(value) } else { Test::Ne(value) }
}

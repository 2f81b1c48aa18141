//! Expressions (`when:`), from outside: every claim is a test's name.
//!
//! | module | claims about |
//! |---|---|
//! | `answers` | what expressions say, three-valued |
//! | `faults` | what is refused when a policy is loaded, with its place |
//! | `hostile` | inputs made to cost much |
//! | `naive` | a hundred thousand random expressions against a small evaluator that shares nothing with ours |
//! | `cel` | random well-typed expressions against the crate `cel`: the language is CEL where it is not stricter |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is the report of a failure")]

mod answers;
mod cel;
mod faults;
mod hostile;
mod naive;

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::decision::{Gap, Match, Why};
use countersign_core::policy::Expression;
use countersign_testkit::builders::{World, rules};

/// A call of `mail.send` with these arguments, in a session where some facts were given.
fn world(arguments: &str) -> World {
    World::under(rules("DENY", &[])).calls("mail.send", arguments).knows("ticket", "T-1".into())
}

fn compiled(text: &str) -> Expression {
    Expression::compile(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn asked(world: &World, text: &str) -> Match {
    compiled(text).holds(&world.question(), &mut BTreeSet::new())
}

/// What is missing, as `name (why)`.
fn gaps(answer: &Match) -> Vec<String> {
    match answer {
        Match::Unknown(missing) => missing.gaps().map(ToString::to_string).collect(),
        other => panic!("{other:?} lacks nothing"),
    }
}

fn lacks(answer: &Match, name: &str, why: Why) -> bool {
    let gap = Gap::Fact { name: Arc::from(name), why };
    matches!(answer, Match::Unknown(missing) if missing.gaps().any(|found| *found == gap))
}

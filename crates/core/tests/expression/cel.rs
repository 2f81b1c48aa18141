//! The same language: whatever we take and can be answered, the crate `cel` answers alike.

use std::collections::BTreeSet;

use cel::{Context, Program, Value};
use countersign_core::decision::Match;
use countersign_core::policy::Expression;
use proptest::prelude::*;
use serde::Serialize;

use crate::world;

#[derive(Serialize)]
struct Parameters {
    a: i64,
    b: i64,
    d: f64,
    s: &'static str,
    t: &'static str,
    yes: bool,
    no: bool,
    list: Vec<i64>,
    words: Vec<&'static str>,
    items: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    price: i64,
    name: &'static str,
}

fn parameters() -> Parameters {
    let items = vec![Member { price: 5, name: "pen" }, Member { price: 7, name: "ink" }];
    let (list, words) = (vec![3, 1, 2], vec!["x", "yy", "é"]);
    Parameters { a: 7, b: -2, d: 2.5, s: "Grüße", t: "x", yes: true, no: false, list, words, items }
}

/// Words of the language, joined at random: most make no sense, and none may be understood differently.
fn soup() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(
        &[
            "parameters.a",
            "parameters.b",
            "parameters.d",
            "parameters.s",
            "parameters.t",
            "parameters.yes",
            "parameters.no",
            "parameters.list",
            "parameters.words",
            "parameters.items[0].name",
            "1",
            "2",
            "-1",
            "0x1F",
            "2.5",
            "'x'",
            "\"é\"",
            "r'\\x'",
            "'\\x41'",
            "'''a'''",
            "true",
            "false",
            "&&",
            "||",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "in",
            "+",
            "-",
            "*",
            "%",
            "!",
            "?",
            ":",
            "(",
            ")",
            "[",
            "]",
            ",",
            "[1, 2]",
            "['x']",
            "// c\n",
            ".size()",
            ".startsWith('G')",
            ".contains('x')",
            ".all(x, x > 0)",
            ".exists(x, x == 'x')",
            ".map(i, i + 1)",
            ".filter(i, i > 1)",
            "size(",
            "[0]",
        ][..],
    );
    proptest::collection::vec(word, 1..12).prop_map(|words| words.join(" "))
}

/// Well-formed conditions with as few brackets as chance leaves, so that what binds closer shows.
fn condition() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0_i64..9).prop_map(|n| n.to_string()),
        proptest::sample::select(
            &[
                "parameters.a",
                "parameters.b",
                "parameters.list[1]",
                "size(parameters.s)",
                "parameters.words.size()",
                "int('4')"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let sum = number.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), proptest::sample::select(&["+", "-", "*", "%"][..]), inner, any::<bool>()).prop_map(
            |(a, o, b, close)| {
                if close { format!("({a} {o} {b})") } else { format!("{a} {o} {b}") }
            },
        )
    });
    let order = proptest::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let leaf = prop_oneof![
        (sum.clone(), order, sum).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        proptest::sample::select(
            &[
                "parameters.yes",
                "parameters.no",
                "'x' in parameters.words",
                "parameters.s.contains('ü')",
                "parameters.d > 2.0",
                "parameters.s.startsWith('Gr')",
                "parameters.list.all(x, x > 1)",
                "parameters.list.exists(x, x % 2 == 0)",
                "parameters.list.exists_one(x, x == 3)",
                "parameters.list.map(x, x * 2) == [6, 2, 4]",
                "parameters.list.filter(x, x > 1).size() == 2",
                "parameters.items.all(i, i.price > 4 && size(i.name) == 3)",
                "parameters.items.map(i, i.price > 5, i.name) == ['ink']",
                "parameters.s + parameters.t == 'Grüßex'",
                "parameters.t < 'y'",
                "parameters.s.endsWith(\"e\")",
                "parameters.list[0] in [3]",
                "parameters.d == 2.5",
                "string(parameters.a) == '7'",
                "parameters.a == 7.0",
                "parameters.items[1].name == 'ink'",
                "-parameters.b == 2",
            ][..],
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), proptest::sample::select(&["&&", "||"][..]), inner.clone(), any::<bool>())
                .prop_map(|(a, o, b, close)| {
                    if close { format!("({a} {o} {b})") } else { format!("{a} {o} {b}") }
                }),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// Both answers, where there are two.
fn compare(text: &str) -> Result<Option<bool>, TestCaseError> {
    let Ok(expression) = Expression::compile(text) else { return Ok(None) };
    let arguments = serde_json::to_string(&parameters()).unwrap();
    let ours = match expression.holds(&world(&arguments).question(), &mut BTreeSet::new()) {
        Match::Yes => true,
        Match::No => false,
        Match::Unknown(_) => return Ok(None),
    };
    let program = Program::compile(text);
    prop_assert!(program.is_ok(), "cel does not take {}: {:?}", text, program.err());
    let mut context = Context::default();
    context.add_variable("parameters", parameters()).unwrap();
    let theirs = program.unwrap().execute(&context);
    // A sum of whole numbers and decimals has no overload there, and some answers need none.
    if let Ok(theirs) = theirs {
        prop_assert_eq!(theirs, Value::Bool(ours), "{}", text);
    }
    Ok(Some(ours))
}

#[test]
fn conditions_are_answered_as_cel_answers_them() {
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    let answered = std::cell::Cell::new(0_usize);
    proptest::test_runner::TestRunner::new(config)
        .run(&condition(), |text| {
            let answer = compare(&text)?;
            answered.set(answered.get() + usize::from(answer.is_some()));
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 1_000, "{} of 2,000 were compared", answered.get());
}

#[test]
fn no_soup_of_words_is_understood_differently() {
    let config = ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config).run(&soup(), |text| compare(&text).map(drop)).unwrap();
}

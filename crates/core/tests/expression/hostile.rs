//! Inputs made to cost much: refused or Unknown, after a bounded number of steps. Without the bounds these tests do not end.

use countersign_core::decision::Match;
use countersign_core::policy::Expression;
use serde_json::json;

use crate::{asked, world};

#[test]
fn no_text_overflows_the_stack_or_takes_long_to_read() {
    let n = 4096;
    let around = |open: &str, middle: &str, close: &str, deep: usize| {
        [open.repeat(deep), middle.into(), close.repeat(deep)].concat()
    };
    let texts = [
        around("(", "parameters.a", ")", 2000),
        around("(", "parameters.a", ")", 63),
        around("[", "1", "]", 2000),
        around("!", "parameters.a", "", n - 20),
        around("-", "parameters.a", "", n - 20),
        around("!-", "parameters.a", "", 1000),
        around("size(", "parameters.a", ")", 600),
        around("parameters.a ? ", "true", " : true", 150),
        around("true ? true : ", "true", "", 290),
        around("parameters.a[", "0", "]", 250),
        format!("parameters{}", ".a".repeat(2000)),
        format!("parameters.a{}", "[0]".repeat(1300)),
        format!("parameters.a{} == 1", " + 1".repeat(1000)),
        format!("parameters.a{}", " && parameters.a".repeat(250)),
        format!("parameters.a{}", " < 1".repeat(1000)),
        format!("parameters.a in [{}]", "1,".repeat(2000)),
        "(".repeat(n),
        "[".repeat(n),
        "'".repeat(n),
        "\\".repeat(n),
        ".".repeat(n),
        "\u{0}".repeat(n),
        "é".repeat(n / 2),
        "a(".repeat(n / 2),
        "? ".repeat(n / 2),
        "//".repeat(n / 2),
        "''' ".repeat(n / 4),
        "1 ".repeat(n / 2),
        "x".repeat(1 << 20),
        "(".repeat(1 << 20),
        " ".repeat(1 << 20),
    ];
    for text in &texts {
        if let Err(faults) = Expression::compile(text) {
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|fault| text.get(fault.at.clone()).is_some()), "{faults:?}");
        }
    }
}

#[test]
fn what_would_grow_without_end_is_unknown() {
    let world = world(
        &json!({ "s": "x".repeat(100), "list": vec![1; 10_000], "text": "y".repeat(1 << 20) }).to_string(),
    );
    let doubled = |deep: usize| format!("[parameters.s]{}[0] == 'x'", ".map(x, x + x)".repeat(deep));
    let lists = format!("[parameters.list]{}[0] == [1]", ".map(x, x + x)".repeat(40));
    let nested = "parameters.list.all(x, parameters.list.all(y, x == y))";
    let scanned =
        "parameters.list.exists(x, parameters.text.matches('y*y*y*z') || parameters.text.contains('z'))";
    let facets = "parameters.list.all(x, size(parameters.text + 'a').bytes > 0)";
    for text in [&doubled(40), &lists, nested, scanned, facets] {
        assert!(matches!(asked(&world, text), Match::Unknown(_)), "{text}");
    }
    assert_eq!(asked(&world, &doubled(3)), Match::No);
}

#[test]
fn constants_that_grow_are_refused_when_the_policy_is_loaded() {
    let text = format!("parameters.a == ['x']{}[0]", ".map(x, x + x)".repeat(40));
    assert!(Expression::compile(&text).is_err());
}

//! What is refused when a policy is loaded.

use countersign_core::policy::{Expression, ExpressionFault};

fn faults(text: &str) -> Vec<ExpressionFault> {
    match Expression::compile(text) {
        Ok(_) => panic!("`{text}` is taken"),
        Err(faults) => faults,
    }
}

/// The text, a part of the message, a part of the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    // Names.
    ("params.to == 'x'", "nothing is called `params`", "parameters.NAME"),
    ("parmeters.to == 'x'", "nothing is called `parmeters`", "did you mean `parameters`?"),
    ("risk_signals.injection_score > 5", "risk_signals", "context.risk_signals.injection_score"),
    ("identity.humn == 'x'", "no `humn`", "did you mean `human`?"),
    ("context.data_clasification == 'x'", "nothing computes", "did you mean `data_classification`?"),
    ("session.actions > 3", "needs its name", "session.actions"),
    ("human.age > 3", "nothing is known under `human`", "human.actions"),
    ("parameters == 3", "not one fact", "parameters.NAME"),
    ("parameters['a.b'] == 3", "several parts", "JSON Schema"),
    ("tool == 'x'", "nothing is called `tool`", "tool.upstream"),
    ("tool.version == 'x'", "nothing is called", "tool.upstream"),
    // Types.
    ("identity.roles == 'admin'", "is a list, and `'admin'` is a text", "'admin' in identity.roles"),
    ("context.action_count == '3'", "is a number, and `'3'` is a text", "without quotes"),
    ("context.action_count > 'a'", "is a number", "without quotes"),
    ("identity.human > 3", "is a text", "quotes"),
    ("identity.human == null", "never null", "exists(NAME)"),
    ("context.original_request", "a condition stands here", "compare it"),
    ("!identity.human", "a condition stands here", "compare it"),
    ("parameters.a && 3", "`3` is a number", "compare it"),
    ("'a' in identity.human", "holds nothing", "identity.human.contains('a')"),
    ("3 in identity.roles", "holds a text", "elements' type"),
    ("identity.roles.contains('admin')", "is a list", "VALUE in identity.roles"),
    ("context.action_count.all(x, x > 1)", "not a list", "lists"),
    ("context.action_count.size() > 1", "no size", "have one"),
    ("parameters.a < true", "has no order", "numbers and texts"),
    ("parameters.a < 3 < 4", "has no order", "numbers and texts"),
    ("context.action_count + 'a' > 1", "is a number", "quotes"),
    ("identity.roles - 1 > 1", "not a number", "reckoned"),
    ("-identity.human == 'x'", "cannot be negative", "!"),
    ("identity.human.name == 'x'", "has no `human.name`", "known here"),
    ("context.prior_actions[0].name == 'x'", "has no members", "to call it"),
    ("tool.name == 'send'", "a tool's full name", "operation"),
    ("context.prior_actions.exists(t, t == 'send')", "a tool's full name", "in context.prior_actions"),
    ("'CONFIDENTIAL' in context.data_classification", "is a level", "reaches(\"CONFIDENTIAL\")"),
    ("identity.roles.reaches('CONFIDENTIAL')", "not a set of labels", "data_classification"),
    // Functions.
    ("has(parameters.to)", "answers no where nobody knows", "exists(parameters.to)"),
    ("has(parameters)", "answers no", "exists"),
    ("parameters.at < now()", "no clock", "fact"),
    (
        "timestamp(parameters.at) < timestamp('2024-01-01T00:00:00Z')",
        "no clock",
        "date(parameters.NAME).unix",
    ),
    ("parameters.at.getFullYear() == 2024", "no clock", "fact"),
    ("parameters.a.startswith('x')", "no function `startswith`", "did you mean `startsWith`?"),
    ("foo(parameters.a)", "no function `foo`", "known here"),
    ("sql(parameters.q) == 'x'", "not one value", "kinds"),
    ("sql(parameters.q).kind == 'x'", "does not tell `kind`", "did you mean `kinds`?"),
    ("parameters.a.matches(parameters.b)", "written out", "patterns are checked"),
    ("parameters.a.matches('(a')", "cannot be used", "linear time"),
    ("parameters.a.matches('(?=a)b')", "cannot be used", "linear time"),
    ("parameters.a.matches('(a{1000}){1000}')", "cannot be used", "bounded"),
    ("parameters.a.contains('')", "empty text", "looked for"),
    ("parameters.a / 2 > 1", "division", "multiply"),
    ("exists(parameters.a + 1)", "one fact", "exists(parameters.NAME)"),
    ("exists('a')", "one fact", "exists(parameters.NAME)"),
    ("size(parameters.a, 2) > 1", "one argument", ""),
    ("parameters.a.all(x > 1)", "arguments", "list.all"),
    ("parameters.a.all(1, true)", "begins with a name", "list.all"),
    ("parameters.a.all(tool, tool == 1)", "has a meaning already", "another name"),
    ("parameters.a.all(x, x.all(x, x == 1))", "has a meaning already", "another name"),
    ("parameters.a.all(x, x.all(y, y.all(z, z == 1)))", "at most 2 deep", "split"),
    // Constants.
    ("true", "reads no fact", "compare a fact"),
    ("1 < 2", "reads no fact", "compare a fact"),
    ("parameters.a == 1 % 0", "has no value", "write the value"),
    ("parameters.a == [1][1]", "has no value", "write the value"),
    ("parameters.a == 1e300", "rounded", "exponent"),
    ("parameters.a == 9007199254740993.0", "rounded", "exponent"),
    ("parameters.a == 99999999999999999999", "compared exactly", "64 bits"),
    // Grammar.
    ("", "ends too early", "name a fact"),
    ("parameters.a =", "one `=`", "=="),
    ("parameters.a = 1", "one `=`", "=="),
    ("parameters.a & parameters.b", "no meaning", "&&"),
    ("parameters.a and parameters.b", "is over", "&&"),
    ("(parameters.a", "`)` is missing", "closed"),
    ("parameters.a == 'x", "never ends", "close it"),
    ("parameters.a == \"\\q\"", "escape", "\\\\"),
    ("parameters.a == b'x'", "bytes", "text"),
    ("parameters.a == {'a': 1}", "maps", "single members"),
    ("parameters.reply-to == 'x'", "nothing is called `to`", ""),
    ("parameters.a == 12ab", "not a number", "64 bits"),
    ("if parameters.a", "keeps for itself", "statements"),
    ("parameters.?a == 1", "after the dot", "brackets"),
    ("parameters.a ? 1", "`:` is missing", ""),
];

#[test]
fn each_fault_says_what_is_wrong_and_what_to_write() {
    for (text, message, hint) in REFUSED {
        let found = faults(text);
        let fits = |fault: &ExpressionFault| fault.message.contains(message) && fault.hint.contains(hint);
        assert!(found.iter().any(fits), "`{text}`: {found:#?}");
        for fault in &found {
            assert!(text.get(fault.at.clone()).is_some(), "`{text}`: {fault:?} lies outside");
            assert!(!fault.hint.is_empty(), "`{text}`: {fault:?}");
        }
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_text() {
    let text = "params.a == 1 && (identity.roles == 'é' || now() > 5) ? parameters.b / 2 > 1 : foo(1)";
    let places: Vec<&str> = faults(text).into_iter().map(|fault| text.get(fault.at).unwrap()).collect();
    assert_eq!(places, ["params.a", "identity.roles == 'é'", "now()", "parameters.b / 2", "foo(1)"]);
}

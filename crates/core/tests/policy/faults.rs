//! Every fault names its place and what to do about it.

use crate::world::faults;

/// Faults of a file with this one rule, without the file's name.
fn rule_faults(rule: &str) -> Vec<String> {
    let text = format!("version: 1\ndefault: DENY\nrules:\n- {rule}\n");
    faults(&[("f", &text)]).into_iter().map(|f| f.strip_prefix("f:").unwrap_or(&f).to_owned()).collect()
}

/// Told as expected; an expectation that ends in `…` is how each begins.
fn assert_told(told: &[String], expected: &[&str], of: &str) {
    let same = |(told, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(beginning) => told.starts_with(beginning),
        None => told == expected,
    };
    assert!(
        told.len() == expected.len() && told.iter().zip(expected).all(same),
        "{of}\n{told:#?}\n{expected:#?}"
    );
}

/// Takes the sign `§` out of a rule: the fault is to be told where it stood.
fn place(marked: &str) -> (String, String) {
    let column = marked.find('§').expect("a mark") + "- ".len() + 1;
    (marked.replacen('§', "", 1), format!("4:{column}"))
}

#[test]
fn a_faulty_limit_on_risk_is_told_with_line_column_and_hint() {
    let hint = "(hint: the risk is at most 10,000, and the limit acts above the threshold)";
    for (limit, expected) in [
        ("{action: DENY}", "f:3:21: `compositional_risk` has no `threshold` (hint: write `threshold: 8000`: basis points, 0 to 9,999)".to_owned()),
        ("7000", "f:3:21: `compositional_risk` takes a map, not a number".to_owned()),
        ("{threshold: 10000}", format!("f:3:33: `threshold` takes basis points, 0 to 9,999, not 10000 {hint}")),
        ("{threshold: -1}", format!("f:3:33: `threshold` takes basis points, 0 to 9,999, not -1 {hint}")),
        ("{threshold: 0.8}", "f:3:33: `threshold` takes a whole number within 64 bits, not 0.8".to_owned()),
        ("{threshold: 1, action: ALLOW}", "f:3:44: `action` cannot be `ALLOW` (hint: known here: DENY, STEP_UP, DEFER)".to_owned()),
        ("{threshold: 1, raeson: x}", "f:3:36: unknown key `raeson` in `compositional_risk` (hint: did you mean `reason`?)".to_owned()),
    ] {
        let text = format!("version: 1\ndefault: DENY\ncompositional_risk: {limit}\n");
        assert_eq!(faults(&[("f", &text)]), [expected], "{limit}");
    }
}

#[test]
fn a_faulty_rule_is_told_with_line_column_and_hint() {
    for (rule, expected) in [
        (
            "{id: r, match: {}, action: DENY, §raeson: x}",
            "unknown key `raeson` in a rule (hint: did you mean `reason`?)",
        ),
        (
            "{id: r, match: {}, action: DENY, §elsewhere: {}}",
            "unknown key `elsewhere` in a rule (hint: known here: id, name, …",
        ),
        ("{id: r, match: {}, action: DENY, constraints: §{}}", "nothing is constrained"),
        (
            "{id: r, match: {}, action: DENY, threshold: §20000}",
            "`threshold` takes a share from 0 to 1, or basis points up to 10,000…",
        ),
        ("{id: r, match: {}, action: DENY, risk_level: §SEVERE}", "`risk_level` cannot be `SEVERE`…"),
        (
            "{id: r, match: {}, action: STEP_UP, timeout_action: §ALLOW}",
            "`timeout_action` cannot be `ALLOW`…",
        ),
        (
            "{id: r, match: {}, action: STEP_UP, timeout_action: §STEP_UP}",
            "only the time of a DEFER can end in STEP_UP",
        ),
        (
            "{id: r, match: {}, action: STEP_UP, escalation: §{after: 60}}",
            "an escalation has a time and somebody…",
        ),
        ("§{match: {}, action: DENY}", "the rule has no `id` (hint: write `id: what-it-is-for`)"),
        ("{id: §7, match: {}, action: DENY}", "`id` takes a text, not a number (hint: put it in quotes)"),
        ("{id: §' ', match: {}, action: DENY}", "`id` is empty"),
        ("§{id: r, action: DENY}", "the rule has no `match` (hint: write `match: {}` to mean every action)"),
        ("{id: r, match: §x, action: DENY}", "`match` takes a map, not a text"),
        ("§{id: r, match: {}}", "the rule does nothing (hint: write an `action` or an `effect`)"),
        (
            "{id: r, match: {}, action: §BLOCK}",
            "`action` cannot be `BLOCK` (hint: known here: ALLOW, DENY, MODIFY, STEP_UP, DEFER)",
        ),
        (
            "{id: r, match: {}, action: §STEPUP}",
            "`action` cannot be `STEPUP` (hint: did you mean `STEP_UP`?)",
        ),
        (
            "{id: r, match: {}, action: DENY, §decision: DENY}",
            "`decision` is another word for `action`, and both are written (hint: keep one of them)",
        ),
        ("{id: r, match: {}, action: ALLOW, classification: §forbidden}", "only a DENY rule is `forbidden`"),
        (
            "{id: r, match: {}, action: DENY, classification: §forbiden}",
            "`classification` cannot be `forbiden` (hint: did you mean `forbidden`?)",
        ),
        ("{id: r, match: {}, action: DENY, priority: §high}", "`priority` takes a whole number, not a text"),
        (
            "{id: r, match: {}, action: DENY, priority: §1.5}",
            "`priority` takes a whole number within 64 bits, not 1.5",
        ),
        (
            "{id: r, match: {}, action: ALLOW, §approvers: [x]}",
            "a rule that lets through asks nobody, so it has no `approvers`",
        ),
        ("{id: r, match: {}, action: STEP_UP, approvers: §[]}", "`approvers` is an empty list"),
        ("{id: r, match: {}, action: STEP_UP, timeout: §0}", "`timeout` takes whole seconds, 1 or more…"),
        ("{id: r, match: {}, action: STEP_UP, timeout: §1y}", "`timeout` takes whole seconds, 1 or more…"),
        (
            "§{id: r, match: {}, action: MODIFY}",
            "a MODIFY rule has no `modifications` (hint: write `modifications: {parameters: {NAME: VALUE}}`)",
        ),
        (
            "{id: r, match: {}, action: DENY, §modifications: {parameters: {a: 1}}}",
            "only a MODIFY rule has `modifications`",
        ),
        (
            "{id: r, match: {}, action: MODIFY, modifications: {§values: {a: 1}}}",
            "unknown key `values` in `modifications`…",
        ),
        (
            "{id: r, match: {}, action: MODIFY, modifications: {parameters: {a: {max: §x}}}}",
            "`max` takes a number, not a text",
        ),
        (
            "{id: r, match: {}, action: MODIFY, modifications: {parameters: {a: 1, §a.b: 2}}}",
            "`a.b` lies inside or around `a`",
        ),
        ("{id: r, match: {}, action: MODIFY, modifications: {parameters: §{}}}", "nothing is modified"),
        (
            "{id: r, match: {}, effect: {set_context: {§prior_actions: x}}}",
            "`prior_actions` is computed and cannot be written",
        ),
        (
            "{id: r, match: {}, effect: {set_context: {data_classification: §7}}}",
            "`data_classification` takes a text, not a number (hint: put it in quotes)",
        ),
        (
            "{id: r, match: {}, effect: {§set_contxt: {a: 1}}}",
            "unknown key `set_contxt` in `effect` (hint: did you mean `set_context`?)",
        ),
        ("§just text", "a rule takes a map, not a text"),
    ] {
        let (rule, place) = place(rule);
        assert_told(&rule_faults(&rule), &[&format!("{place}: {expected}")], &rule);
    }
}

#[test]
fn a_faulty_match_is_told_with_line_column_and_hint() {
    for (block, expected) in [
        ("{§tools: mail}", "unknown key `tools` in `match` (hint: did you mean `tool`?)"),
        (
            "{§risk_signals.x: 1}",
            "nothing computes `risk_signals.x`, and names in `risk_signals` are all computed…",
        ),
        ("{tool: {category: §x}}", "no category is called `x`…"),
        ("{tool: {§kind: x}}", "unknown key `kind` in `tool`…"),
        ("{§nothing: 1}", "unknown key `nothing` in `match`…"),
        (
            "{parameters: {q: {sql: {§kind: drop}}}}",
            "nothing is understood as `sql.kind` (hint: did you mean `kinds`?)",
        ),
        (
            "{parameters: {q: {sql: {kinds: {gt: §1}}}}}",
            "`sql.kinds` is a list of texts and cannot be tested like this",
        ),
        ("{parameters: {a: {domain_in: [§com]}}}", "`com` is not a domain name of two parts or more…"),
        ("{parameters: {a: {owned_by: §somebody}}}", "`owned_by` cannot be `somebody`…"),
        (
            "{parameters: {a: {higher_than: §PUBLIC}}}",
            "`parameters.a` is an argument and cannot be tested like this",
        ),
        ("{tool: §[]}", "`tool` is an empty list"),
        ("{tool: [a, §1]}", "`tool` takes a text, not a number (hint: put it in quotes)"),
        ("{parameters: §[a]}", "`parameters` takes a map, not a list"),
        (
            "{parameters: {§a..b: 1}}",
            "`a..b` has an empty part (hint: write the parts with one dot between them)",
        ),
        ("{identity: {§humn: x}}", "the identity has no `humn` (hint: did you mean `human`?)"),
        (
            "{context: {§data_clasification: PII}}",
            "nothing computes `data_clasification`, and it is too near to `data_classification` to be given \
             (hint: did you mean `data_classification`?)",
        ),
        (
            "{parameters: {a: {§greater: 1}}}",
            "unknown operator `greater` (hint: operators: eq, ne, gt, gte, lt, lte, in, not_in, contains, …",
        ),
        ("{parameters: {a: {§exist: true}}}", "unknown operator `exist` (hint: did you mean `exists`?)"),
        (
            "{parameters: {a: §{}}}",
            "a test names an operator (hint: operators: eq, ne, gt, gte, lt, lte, in, not_in, contains, …",
        ),
        (
            "{parameters: {§a: }}",
            "`a` is not tested for anything (hint: to ask for null, write `{eq: null}`)",
        ),
        ("{parameters: {a: §[]}}", "`a` is an empty list, which nothing is in"),
        ("{parameters: {a: [§[1]]}}", "the list of `a` takes plain values, not a list"),
        ("{parameters: {a: {gt: §'1'}}}", "`gt` takes a number, not a text"),
        ("{parameters: {a: {in: §x}}}", "`in` takes a list, not a text"),
        ("{parameters: {a: {external: §yes}}}", "`external` takes true or false, not a text"),
        ("{parameters: {a: {exists: §1}}}", "`exists` takes true or false, not a number"),
        ("{parameters: {a: {contains: §''}}}", "every text contains the empty text"),
        ("{parameters: {a: {contains: §{b: 1}}}}", "`contains` takes a value or a list of values, not a map"),
        (
            "{parameters: {a: {matches: §'('}}}",
            "not a regular expression that we take: unclosed group (hint: no look-around and no \
             back-references; write it in single quotes)",
        ),
        (
            "{context: {action_count: §x}}",
            "`context.action_count` is a number and cannot be tested like this",
        ),
        (
            "{context: {prior_actions: {gt: §1}}}",
            "`context.prior_actions` is a list of texts and cannot be tested like this",
        ),
        ("{identity: {human: {gt: §1}}}", "`identity.human` is a text and cannot be tested like this"),
        (
            "{§human.actions: 3}",
            "`human.actions` counts the uses of a tool and needs its name (hint: write \
             `human.actions.upstream.tool`)",
        ),
    ] {
        let rule = format!("{{id: r, match: {block}, action: DENY}}");
        let (rule, place) = place(&rule);
        assert_told(&rule_faults(&rule), &[&format!("{place}: {expected}")], block);
    }
}

#[test]
fn an_expression_that_would_grow_too_large_is_refused() {
    let rule = r"{id: r, match: {parameters: {a: {matches: '(\w{1000}){1000}'}}}, action: DENY}";
    let told = rule_faults(rule);
    assert!(told.len() == 1 && told[0].contains("not a regular expression that we take"), "{told:?}");
    let nested =
        format!("{{id: r, match: {{parameters: {{a: {{matches: '{}'}}}}}}, action: DENY}}", "(".repeat(5000));
    assert_eq!(rule_faults(&nested).len(), 1);
}

#[test]
fn a_faulty_head_is_told_with_line_column_and_hint() {
    for (text, expected) in [
        ("version: 2\ndefault: DENY", "f:1:10: syntax version 2 is not known (hint: write `version: 1`)"),
        ("version: '1'\ndefault: DENY", "f:1:10: `version` takes the number 1, not a text"),
        (
            "version: 1\ndefault: DENY\nrule: []",
            "f:3:1: unknown key `rule` in a policy file (hint: did you mean `rules`?)",
        ),
        ("version: 1\ndefault: DENY\nrules: {}", "f:3:8: `rules` takes a list of rules, not a map"),
        ("version: 1\ndefault: DENY\nrules:", "f:3:1: `rules` takes a list of rules, not nothing"),
        (
            "version: 1\ndefault: DEFER",
            "f:2:10: `default` cannot be `DEFER` (hint: known here: ALLOW, DENY, STEP_UP)",
        ),
        (
            "version: 1\ndefault: {reason: x}",
            "f:2:10: the default has no `action` (hint: write `action: DENY`)",
        ),
        (
            "version: 1\ndefault: DENY\npolicy: {version: 1.0}",
            "f:3:19: `version` takes a text, not a number (hint: put it in quotes)",
        ),
        (
            "version: 1\ndefault: DENY\npolicy: {name: x}",
            "f:3:10: unknown key `name` in `policy` (hint: known here: id, version, description)",
        ),
        (
            "version: 1\ndefault: DENY\ninternal_domains: [com]",
            "f:3:20: `com` is not a domain name of two parts or more (hint: write `example.com`; it covers what is \
             below it too)",
        ),
        (
            "version: 1\ndefault: DENY\nrules: [{id: r, match: {session.sums.money: {gt: 1}}, action: DENY}]",
            "f:3:14: the rule reads the sums of a counter `money`, which no file defines (hint: define it under `counters`)",
        ),
        ("- a", "f:1:1: a policy file takes a map, not a list"),
        ("", "f: the file is empty (hint: begin with `version: 1`)"),
        ("version: 1", "f: no file of this set writes a `default` (hint: write `default: DENY`)"),
    ] {
        assert_eq!(faults(&[("f", text)]), [expected], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "version: 1
policies: {}
rules:
  - id: one
    match: {tool: mail, parameters: {to: {externl: true}}}
    action: DENNY
  - id: one
    match: {}
    action: STEP_UP
    approvers: []
    id: two
";
    assert_told(
        &faults(&[("a.yaml", text), ("b.yaml", "version: 1\ndefault: [")]),
        &[
            "a.yaml:2:1: unknown key `policies` in a policy file (hint: known here: version, policy, default, …",
            "a.yaml:5:43: unknown operator `externl` (hint: did you mean `external`?)",
            "a.yaml:6:13: `action` cannot be `DENNY` (hint: did you mean `DENY`?)",
            "a.yaml:7:9: the rule `one` is already written at a.yaml:4:9",
            "a.yaml:10:16: `approvers` is an empty list",
            "a.yaml:11:5: the key `id` is already written at 7:5",
            "b.yaml:2:10: not readable as YAML: unclosed bracket '['",
        ],
        "two files",
    );
}

//! A policy as text, in one of the spellings that mean the same.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::chance::Chance;
use super::model::{
    Actions, Asked, Change, Class, Constraint, Counter, Fact, Pattern, Per, Policy, Rule, Sequence, Test,
    Verb,
};

/// The text of one file. What can be written in several ways is written in one that `chance` picks.
#[must_use]
pub fn file(policy: &Policy, chance: &mut Chance) -> String {
    let mut text = format!("version: 1\ndefault: {}\n", word(&policy.default));
    if !policy.internal_domains.is_empty() {
        let _ = writeln!(text, "internal_domains: {}", json!(policy.internal_domains));
    }
    if !policy.counters.is_empty() {
        let counters: Vec<String> = policy.counters.iter().map(counter).collect();
        let _ = writeln!(text, "counters: {{{}}}", counters.join(", "));
    }
    let rules: Vec<String> =
        policy.rules.iter().map(|rule| format!("\n  - {}", of_rule(rule, chance))).collect();
    let _ = writeln!(text, "rules:{}", if rules.is_empty() { " []".to_owned() } else { rules.concat() });
    text
}

fn counter(counter: &Counter) -> String {
    let adds = counter.adds.map_or_else(|| "1".to_owned(), |path| format!("parameters.{path}"));
    let tools = json!(counter.tools);
    let tools = if counter.tools.is_empty() { String::new() } else { format!("tool: {tools}, ") };
    format!("{}: {{{tools}add: {adds}}}", counter.name)
}

const fn word(verb: &Verb) -> &'static str {
    match verb {
        Verb::Allow => "ALLOW",
        Verb::Deny => "DENY",
        Verb::Modify(_) => "MODIFY",
        Verb::StepUp => "STEP_UP",
        Verb::Defer => "DEFER",
    }
}

/// The places in which a fact may be asked for, as they fill up.
#[derive(Default)]
struct Blocks {
    matches: Vec<String>,
    parameters: Vec<String>,
    in_match: Vec<String>,
    condition: Vec<String>,
    beside: Vec<String>,
    trigger: Vec<String>,
}

fn of_rule(rule: &Rule, chance: &mut Chance) -> String {
    let mut blocks = Blocks { matches: about(&rule.about, chance), ..Blocks::default() };
    for asked in &rule.asks {
        place(asked, &mut blocks, chance);
    }
    let mut parts = vec![format!("id: {}", rule.id)];
    let map = |name: &str, entries: &[String]| format!("{name}: {{{}}}", entries.join(", "));
    if !blocks.parameters.is_empty() {
        blocks.matches.push(map("parameters", &blocks.parameters));
    }
    if !blocks.in_match.is_empty() {
        blocks.matches.push(map("context", &blocks.in_match));
    }
    parts.push(map("match", &blocks.matches));
    for (name, entries) in
        [("condition", &blocks.condition), ("context", &blocks.beside), ("trigger", &blocks.trigger)]
    {
        if !entries.is_empty() {
            parts.push(map(name, entries));
        }
    }
    if !rule.constraints.is_empty() {
        let constraints: Vec<String> =
            rule.constraints.iter().map(|constraint| of_constraint(constraint, chance)).collect();
        parts.push(map("constraints", &constraints));
    }
    parts.extend(rule.sequence.iter().map(of_sequence));
    what_happens(rule, chance, &mut parts);
    format!("{{{}}}", parts.join(", "))
}

fn what_happens(rule: &Rule, chance: &mut Chance, parts: &mut Vec<String>) {
    if let Some(verb) = &rule.verb {
        let key = if chance.percent(70) { "action" } else { "decision" };
        let said = if chance.percent(80) { word(verb).to_owned() } else { word(verb).to_lowercase() };
        parts.push(format!("{key}: {said}"));
        if let Verb::Modify(changes) = verb {
            parts.push(modifications(changes, chance));
        }
    }
    let class = match rule.class {
        Class::Plain => None,
        Class::Forbidden => Some("forbidden"),
        Class::DependentDeny => Some("context_dependent_deny"),
        Class::DependentAllow => Some("context_dependent_allow"),
        Class::DependentDefer => Some("context_dependent_defer"),
    };
    parts.extend(class.map(|class| format!("classification: {class}")));
    if rule.priority != 0 || chance.percent(20) {
        parts.push(format!("priority: {}", rule.priority));
    }
    match rule.approvers.as_slice() {
        [] => {}
        [one] if chance.percent(50) => parts.push(format!("approvers: {one}")),
        many => parts.push(format!("approvers: {}", json!(many))),
    }
    if let Some(threshold) = rule.threshold {
        let share = f64::from(threshold) / 10_000.0;
        parts
            .push(format!("threshold: {}", if chance.percent(50) { json!(share) } else { json!(threshold) }));
    }
    if let Some((name, value)) = &rule.writes {
        parts.push(format!("effect: {{set_context: {{{name}: {value}}}}}"));
    }
}

fn about(actions: &Actions, chance: &mut Chance) -> Vec<String> {
    let mut parts = Vec::new();
    let names = |names: &[&str], chance: &mut Chance| match names {
        [one] if chance.percent(60) => (*one).to_owned(),
        many => json!(many).to_string(),
    };
    match (actions.tools.is_empty(), actions.categories.is_empty()) {
        (false, false) if chance.percent(50) => parts.push(format!(
            "tool: {{name: {}, category: {}}}",
            names(&actions.tools, chance),
            names(&actions.categories, chance)
        )),
        (true, false) if chance.percent(50) => {
            parts.push(format!("tool: {{category: {}}}", names(&actions.categories, chance)));
        }
        (no_tools, no_categories) => {
            if !no_tools {
                parts.push(format!("tool: {}", names(&actions.tools, chance)));
            }
            if !no_categories {
                parts.push(format!("category: {}", names(&actions.categories, chance)));
            }
        }
    }
    if !actions.operations.is_empty() {
        parts.push(format!("operation: {}", names(&actions.operations, chance)));
    }
    parts
}

/// Where a fact lives, and one of its names there.
fn name(fact: &Fact, chance: &mut Chance) -> (&'static str, String) {
    let per = |per: &Per| match per {
        Per::Session => "session",
        Per::Human => "human",
        Per::Agent => "agent",
    };
    match fact {
        Fact::Parameter(path) => ("parameters", (*path).to_owned()),
        Fact::Human => ("identity", "human".to_owned()),
        Fact::HumanRoles => ("identity", "human.roles".to_owned()),
        Fact::AgentRoles => ("identity", chance.pick(&["agent.roles", "roles"]).to_owned()),
        Fact::Labels => {
            ("context", chance.pick(&["data_classification", "session_accessed_data"]).to_owned())
        }
        Fact::PriorActions => ("context", "prior_actions".to_owned()),
        Fact::ActionCount => ("context", chance.pick(&["action_count", "chain_length"]).to_owned()),
        Fact::DeniedCount => ("context", chance.pick(&["denied_count", "risk_signals.denials"]).to_owned()),
        Fact::Uses(whose, tool) => ("context", format!("{}.actions.{tool}", per(whose))),
        Fact::Sum(whose, counter) => ("context", format!("{}.sums.{counter}", per(whose))),
        Fact::Given(name) => ("context", (*name).to_owned()),
        Fact::Request => ("context", chance.pick(&["original_request", "user_intent"]).to_owned()),
        Fact::Effect => ("context", "effect".to_owned()),
        Fact::Injection => ("context", "risk_signals.injection_score".to_owned()),
        Fact::Scope => ("context", "risk_signals.scope_expansion".to_owned()),
        Fact::Escalation => ("context", "risk_signals.classification_escalation".to_owned()),
        Fact::Velocity => ("context", "risk_signals.velocity".to_owned()),
        Fact::Turns => ("context", "turns".to_owned()),
    }
}

fn place(asked: &Asked, blocks: &mut Blocks, chance: &mut Chance) {
    let (space, name) = name(&asked.fact, chance);
    let tests = of_tests(&asked.fact, &asked.tests, chance);
    let short = format!("{name}: {tests}");
    let full = format!("{space}.{short}");
    match (space, chance.below(5)) {
        ("parameters", 0 | 1) => blocks.parameters.push(short),
        ("context", 0) => blocks.in_match.push(short),
        ("context", 1) => blocks.beside.push(short),
        ("context", 2) => blocks.trigger.push(short),
        (_, 3) => blocks.condition.push(full),
        _ => blocks.matches.push(full),
    }
}

fn of_tests(fact: &Fact, tests: &[Test], chance: &mut Chance) -> String {
    match tests {
        [Test::Eq(value)]
            if chance.percent(60) && !value.is_null() && !value.is_array() && !value.is_object() =>
        {
            value.to_string()
        }
        [Test::In(values)] if chance.percent(60) => json!(values).to_string(),
        many => {
            let entries: Vec<String> = many.iter().map(|test| of_test(fact, test, chance)).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn of_test(fact: &Fact, test: &Test, chance: &mut Chance) -> String {
    // Shares may be written as parts of one.
    let share = matches!(fact, Fact::Injection | Fact::Scope);
    let number = |value: &Value, chance: &mut Chance| match value.as_f64() {
        Some(points) if share && chance.percent(50) => json!(points / 10_000.0),
        _ => value.clone(),
    };
    let (operators, value): (&[&str], Value) = match test {
        Test::Eq(value) => (&["eq", "equals"], number(value, chance)),
        Test::Ne(value) => (&["ne", "not_equals"], number(value, chance)),
        Test::Gt(value) => (&["gt", "greater_than"], number(value, chance)),
        Test::Gte(value) => (&["gte", "at_least", "greater_than_or_equal"], number(value, chance)),
        Test::Lt(value) => (&["lt", "less_than"], number(value, chance)),
        Test::Lte(value) => (&["lte", "at_most"], number(value, chance)),
        Test::In(values) => (&["in", "one_of", "any_of"], json!(values)),
        Test::Contains(values) => match values.as_slice() {
            [one] if chance.percent(50) => (&["contains"], one.clone()),
            many => (&["contains", "contains_any", "contains_classification"], json!(many)),
        },
        Test::Matches(pattern) => (&["matches", "regex", "pattern"], json!(expression(*pattern))),
        Test::StartsWith(parts) => (&["starts_with", "prefix"], json!(parts)),
        Test::EndsWith(parts) => (&["ends_with", "suffix"], json!(parts)),
        Test::External(is) => (&["external"], json!(is)),
        Test::DomainIn(domains) => (&["domain_in", "domain_blocklist"], json!(domains)),
        Test::DomainAllowlist(domains) => (&["domain_allowlist"], json!(domains)),
        Test::Under(folders) => (&["under"], json!(folders)),
        Test::Above(level) => (&["higher_than", "above"], json!(level)),
        Test::AboveFact(name) => (&["higher_than"], json!(format!("context.{name}"))),
        Test::Own => (&["owned_by"], json!("requesting_user")),
        Test::SqlKinds(kinds) => (&["sql"], json!({"kinds": {"contains": kinds}})),
        Test::Exists(is) => (&["exists"], json!(is)),
        Test::Unsettled(is) => (&["unknown_or_conflicting"], json!(is)),
        Test::Not(inner) => match &**inner {
            Test::In(values) if chance.percent(50) => (&["not_in", "none_of"], json!(values)),
            Test::Contains(values) if chance.percent(50) => (&["not_contains"], json!(values)),
            inner => return format!("not: {{{}}}", of_test(fact, inner, chance)),
        },
    };
    format!("{}: {value}", chance.pick(operators))
}

fn expression(pattern: Pattern) -> String {
    match pattern {
        Pattern::Begins(part) => format!("^{part}"),
        Pattern::Ends(part) => format!("{part}$"),
        Pattern::Has(part) => part.to_owned(),
        Pattern::Is(whole) => format!("^{whole}$"),
        Pattern::Digit => "[0-9]".to_owned(),
    }
}

fn of_constraint(constraint: &Constraint, chance: &mut Chance) -> String {
    let window = |window: &Option<i64>, chance: &mut Chance| match window {
        None => String::new(),
        Some(seconds) if seconds % 60 == 0 && chance.percent(50) => format!(", window: {}m", seconds / 60),
        Some(seconds) => format!(", window: {seconds}"),
    };
    let per = |per: &Per, chance: &mut Chance| match per {
        Per::Session if chance.percent(50) => "",
        Per::Session => ", per: session",
        Per::Human => ", per: human",
        Per::Agent => ", per: agent",
    };
    match constraint {
        Constraint::Fact(asked) => {
            let (space, name) = name(&asked.fact, chance);
            format!("{space}.{name}: {}", of_tests(&asked.fact, &asked.tests, chance))
        }
        Constraint::Rate { max, window: span, per: whose, of } => {
            let span = window(span, chance);
            let of: Vec<String> = of.iter().map(|of| format!(", {}", plainly(of))).collect();
            format!("rate: {{max: {max}{span}{}{}}}", per(whose, chance), of.concat())
        }
        Constraint::Budget { counter, max, window: span, per: whose } => {
            let span = window(span, chance);
            format!("budget: {{counter: {counter}, max: {max}{span}{}}}", per(whose, chance))
        }
    }
}

fn plainly(actions: &Actions) -> String {
    let lists =
        [("tool", &actions.tools), ("operation", &actions.operations), ("category", &actions.categories)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    lists.map(|(key, list)| format!("{key}: {}", json!(list))).collect::<Vec<_>>().join(", ")
}

fn of_sequence(sequence: &Sequence) -> String {
    let within = match (sequence.within_actions, sequence.within_seconds) {
        (None, None) => String::new(),
        (Some(actions), None) => format!(", within: {actions}_actions"),
        (None, Some(seconds)) => format!(", within: {seconds}"),
        (Some(actions), Some(seconds)) => format!(", within: {{actions: {actions}, seconds: {seconds}}}"),
    };
    let pair = |(before, now): &(&str, &str)| {
        if before == now { json!(before) } else { json!({"before": before, "now": now}) }
    };
    let shares: Vec<Value> = sequence.shares.iter().map(pair).collect();
    let shares = if shares.is_empty() { String::new() } else { format!(", shares: {}", json!(shares)) };
    format!("sequence: {{after: {{{}}}{within}{shares}}}", plainly(&sequence.after))
}

fn modifications(changes: &[(&'static str, Change)], chance: &mut Chance) -> String {
    let edit = |change: &Change, chance: &mut Chance| match change {
        Change::Set(value) if chance.percent(50) => value.clone(),
        Change::Set(value) => json!({"set": value}),
        Change::Cap(max) => json!({"max": max}),
        Change::Redact => json!({"redact": true}),
        Change::Remove => json!({"remove": true}),
        Change::Append(value) => json!({"append": value}),
        Change::Restrict(values) => json!({"restrict": values}),
    };
    let entries = |space: &str, chance: &mut Chance| -> String {
        let entry = |(name, change): &(&str, Change)| format!("{space}{name}: {}", edit(change, chance));
        changes.iter().map(entry).collect::<Vec<_>>().join(", ")
    };
    if chance.percent(50) {
        format!("modifications: {{parameters: {{{}}}}}", entries("", chance))
    } else {
        format!("modification: {{{}}}", entries("parameters.", chance))
    }
}

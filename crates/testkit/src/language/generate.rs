//! Policies, stories and actions by chance.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::generate_tests::{asked, test};
use super::model::{
    Actions, Asked, Change, Class, Constraint, Counter, Fact, Per, Policy, Rule, Sequence, Test, Verb,
};
use super::story::{Call, Elsewhere, Ending, Event, Ruled, Step, Story};

/// Tools and what they do; one bare name on two upstreams, and one that is an upstream's.
pub const TOOLS: [(&str, &str); 8] = [
    ("mail.send", "write_outbound"),
    ("sms.send", "write_outbound"),
    ("files.read", "read"),
    ("files.write", "write_internal"),
    ("db.query", "read"),
    ("db.purge", "destructive"),
    ("pay.transfer", "payment"),
    ("desk.mail", "unknown"),
];
/// Names that people write for them.
pub const NAMES: [&str; 10] = [
    "mail.send",
    "send",
    "mail",
    "files",
    "files.read",
    "db.query",
    "query",
    "sms.send",
    "pay.transfer",
    "desk",
];
/// Facts that somebody gives.
pub const GIVEN: [&str; 3] = ["f0", "f1", "window_open"];
/// Counters of every policy.
pub const COUNTERS: [&str; 2] = ["moved", "calls"];
const GROUPS: [&str; 3] = ["security", "finance", "legal"];
const LABELS: [&str; 6] = ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED", "PII", "cue:override"];

/// A policy whose rules mostly concern the tools that [`call`] calls with the same `focus`.
pub fn policy(focus: &[usize], chance: &mut Chance) -> Policy {
    let mut rules: Vec<Rule> = (0..=chance.below(6)).map(|_| rule(focus, chance)).collect();
    if chance.percent(40) {
        rules.extend(crowd(focus, chance));
    }
    for (at, rule) in rules.iter_mut().enumerate() {
        rule.id = format!("r{at}");
    }
    Policy {
        default: chance.pick(&[Verb::Allow, Verb::Deny, Verb::StepUp]),
        internal_domains: if chance.percent(70) { vec!["example.com"] } else { Vec::new() },
        counters: vec![
            Counter { name: COUNTERS[0], tools: vec!["pay.transfer", "mail"], adds: Some("amount") },
            Counter { name: COUNTERS[1], tools: Vec::new(), adds: None },
        ],
        rules,
    }
}

/// Rules that ask the same fact in the same way, enough of them to be looked up together.
fn crowd(focus: &[usize], chance: &mut Chance) -> Vec<Rule> {
    let first = asked(chance);
    let about = actions(focus, chance);
    let mut rules = Vec::new();
    for _ in 0..4 + chance.below(3) {
        let mut one = rule(focus, chance);
        one.about = about.clone();
        let like = |test: &Test| std::mem::discriminant(test) == std::mem::discriminant(&first.tests[0]);
        let found = (0..20).map(|_| test(&first.fact, chance)).find(like);
        one.asks.retain(|asked| asked.fact != first.fact);
        one.asks.truncate(1);
        one.asks.push(Asked {
            fact: first.fact.clone(),
            tests: vec![found.unwrap_or_else(|| first.tests[0].clone())],
        });
        one.constraints.clear();
        rules.push(one);
    }
    rules
}

fn actions(focus: &[usize], chance: &mut Chance) -> Actions {
    let mut actions = Actions::default();
    let (tool, _) = TOOLS[chance.pick(focus)];
    let (upstream, own) = tool.split_once('.').unwrap();
    match chance.below(10) {
        0 => {}
        1 | 2 => actions.tools = vec![upstream],
        3 => actions.tools = vec![own],
        4 => actions.tools = chance.some(&NAMES, 1, 3),
        5 => actions.operations = vec![own],
        6 => actions.categories = chance.some(&["external_communication", "data_access", "financial"], 1, 2),
        _ => actions.tools = vec![tool],
    }
    if !actions.tools.is_empty() && chance.percent(10) {
        actions.operations = chance.some(&["delete", "drop", own], 1, 2);
    }
    actions
}

fn rule(focus: &[usize], chance: &mut Chance) -> Rule {
    let verb = verb(chance);
    let class = match (&verb, chance.below(8)) {
        (Some(Verb::Deny), 0 | 1) => Class::Forbidden,
        (Some(Verb::Deny), 2 | 3) => Class::DependentAllow,
        (Some(Verb::Deny), 4) => Class::DependentDeny,
        (Some(Verb::Defer), 0) => Class::DependentDefer,
        _ => Class::Plain,
    };
    let about = actions(focus, chance);
    let asks = if chance.percent(10) { 0 } else { 1 + chance.below(2) };
    let mut asks: Vec<Asked> = (0..asks).map(|_| asked(chance)).collect();
    // Each fact once, so that no map has a key twice.
    let facts: Vec<Fact> = asks.iter().map(|asked| asked.fact.clone()).collect();
    let mut at = 0;
    asks.retain(|asked| {
        at += 1;
        !facts[..at - 1].contains(&asked.fact)
    });
    let may_ask = matches!(verb, Some(Verb::Deny | Verb::StepUp | Verb::Defer));
    let writes = chance.percent(10) || verb.is_none();
    let written = [("noted", json!(true)), ("f0", json!("open")), ("data_classification", json!("PII"))];
    Rule {
        id: String::new(),
        about,
        asks,
        constraints: if chance.percent(15) { constraints(focus, chance) } else { Vec::new() },
        sequence: chance.percent(8).then(|| sequence(focus, chance)),
        verb,
        class,
        priority: chance.pick(&[0, 0, 0, 1, 5, -3]),
        approvers: if may_ask && chance.percent(50) { chance.some(&GROUPS, 1, 2) } else { Vec::new() },
        threshold: chance.percent(10).then(|| chance.pick(&[5_000, 7_000, 8_800, 9_500])),
        writes: writes.then(|| chance.pick(&written)),
    }
}

fn verb(chance: &mut Chance) -> Option<Verb> {
    Some(match chance.below(20) {
        0..=5 => Verb::Allow,
        6..=11 => Verb::Deny,
        12..=14 => Verb::Modify(changes(chance)),
        15 | 16 => Verb::StepUp,
        17 | 18 => Verb::Defer,
        _ => return None,
    })
}

fn changes(chance: &mut Chance) -> Vec<(&'static str, Change)> {
    let one = |chance: &mut Chance| match chance.below(9) {
        0 | 1 => ("limit", Change::Cap(json!(chance.pick(&[3, 5, 9])))),
        2 => ("limit", Change::Set(json!(chance.pick(&[1, 7])))),
        3 => ("mode", Change::Set(json!(chance.pick(&["Alpha", "beta"])))),
        4 => ("mode", Change::Redact),
        5 => ("to", Change::Remove),
        6 => ("tags", Change::Append(json!("reviewed"))),
        7 => ("mode", Change::Restrict(vec![json!("alpha"), json!("beta")])),
        _ => ("count", Change::Set(json!(2))),
    };
    let mut all = vec![one(chance)];
    if chance.percent(30) {
        let more = one(chance);
        if more.0 != all[0].0 {
            all.push(more);
        }
    }
    all
}

fn constraints(focus: &[usize], chance: &mut Chance) -> Vec<Constraint> {
    let per = |chance: &mut Chance| chance.pick(&[Per::Session, Per::Human, Per::Agent]);
    let window = |chance: &mut Chance| chance.pick(&[None, Some(1), Some(10), Some(60), Some(3_600)]);
    let mut all = Vec::new();
    if chance.percent(50) {
        all.push(Constraint::Fact(asked(chance)));
    }
    if chance.percent(50) {
        // What tools do is counted within a session only, so a rate that looks wider names tools.
        let of = chance.percent(50).then(|| actions(focus, chance)).filter(|of| *of != Actions::default());
        let (tool, _) = TOOLS[chance.pick(focus)];
        let wide = Actions { tools: vec![tool], ..Actions::default() };
        let (per, of) = match per(chance) {
            Per::Session => (Per::Session, of),
            other => (other, Some(of.filter(|of| of.categories.is_empty()).unwrap_or(wide))),
        };
        all.push(Constraint::Rate { max: 1 + chance.number() % 3, window: window(chance), per, of });
    }
    if all.is_empty() || chance.percent(25) {
        let counter = chance.pick(&COUNTERS);
        let max = chance.pick(&[1, 3, 10, 20]);
        all.push(Constraint::Budget { counter, max, window: window(chance), per: per(chance) });
    }
    all
}

fn sequence(focus: &[usize], chance: &mut Chance) -> Sequence {
    let (tool, _) = TOOLS[chance.pick(focus)];
    let mut after = actions(focus, chance);
    if after == Actions::default() {
        after.tools = vec![tool];
    }
    let shares = [("mode", "mode"), ("tags", "mode"), ("to", "to"), ("account.id", "limit")];
    Sequence {
        after,
        within_actions: chance.percent(50).then(|| 1 + chance.below(4)),
        within_seconds: chance.percent(40).then(|| chance.pick(&[1, 10, 100])),
        shares: if chance.percent(50) { chance.some(&shares, 1, 2) } else { Vec::new() },
    }
}

/// A call, mostly of a tool in focus.
pub fn call(focus: &[usize], chance: &mut Chance) -> Call {
    let at = if chance.percent(85) { chance.pick(focus) } else { chance.below(TOOLS.len()) };
    let (tool, effect) = TOOLS[at];
    Call { tool, effect, arguments: arguments(chance) }
}

fn arguments(chance: &mut Chance) -> Value {
    let pools: [(&str, Vec<Value>); 9] = [
        (
            "to",
            vec![
                json!("ann@example.com"),
                json!("bob@evil.io"),
                json!(["ann@example.com", "x@sub.example.com"]),
                json!(["ann@example.com", "bob@evil.io"]),
                json!("https://evil.io/x, ann@example.com"),
                json!("nobody"),
                json!([]),
                json!(["nobody", "bob@evil.io"]),
                json!("alice@example.com"),
            ],
        ),
        (
            "limit",
            vec![json!(1), json!(5), json!(7), json!(10), json!(2.5), json!(50), json!("7"), json!([1, 50])],
        ),
        (
            "mode",
            vec![json!("Alpha"), json!("alpha"), json!("beta"), json!("gamma 7"), Value::Null, json!(true)],
        ),
        (
            "tags",
            vec![json!([]), json!(["a"]), json!(["Alpha", "beta"]), json!(["al", 7]), json!(["gamma 7"])],
        ),
        (
            "path",
            vec![json!("/data/a/x"), json!("/data/../etc/x"), json!("/database"), json!(["/data/a", "/etc"])],
        ),
        (
            "query",
            vec![
                json!("SELECT * FROM orders"),
                json!("SELECT 1 -- DROP TABLE orders"),
                json!("drop table orders"),
                json!("/* only a select */ DROP TABLE orders"),
                json!("SELECT 1; DELETE FROM orders"),
            ],
        ),
        ("amount", vec![json!(1), json!(5), json!(12.5), json!("7"), json!(-1), json!("much")]),
        ("operation", vec![json!("delete"), json!("READ"), json!("Drop")]),
        ("account", vec![json!({"id": 7, "owner": "ann"}), json!({"id": "7"}), json!(7)]),
    ];
    let mut members = Map::new();
    for (name, pool) in &pools {
        let likely = if *name == "operation" { 15 } else { 75 };
        if chance.percent(likely) {
            // Now and then of a type that nobody expects.
            let odd = [json!(7), json!("Alpha"), Value::Null, json!({"x": 1})];
            let value =
                if chance.percent(6) && *name != "to" { chance.pick(&odd) } else { chance.pick(pool) };
            members.insert((*name).to_owned(), value);
        }
    }
    Value::Object(members)
}

/// A session of some length.
pub fn story(focus: &[usize], chance: &mut Chance) -> Story {
    let mut at = 0;
    let mut steps = Vec::new();
    for _ in 0..chance.below(12) {
        at += chance.pick(&[0, 1, 900, 1_000, 4_500, 30_000, 61_000]);
        steps.push(Step { at, event: event(focus, chance) });
    }
    let known = chance.percent(40);
    let names = |chance: &mut Chance| if chance.percent(60) { chance.some(&NAMES, 1, 3) } else { Vec::new() };
    Story {
        human: chance.pick(&["alice@example.com", "alice@example.com", "alice", "bob@gmail.com"]),
        human_roles: chance.some(&["analyst", "admin"], 0, 2),
        agent_roles: chance.some(&["analyst", "helper"], 0, 2),
        inherits: chance.percent(75),
        labels: if chance.percent(30) { chance.some(&LABELS, 1, 2) } else { Vec::new() },
        // A request is read where a host also said what it covers: what its words license is tested elsewhere.
        request: known.then(|| chance.pick(&["Alpha", "gamma 7"])),
        intent: (known || chance.percent(20)).then(|| (names(chance), names(chance))),
        elsewhere: (0..chance.below(4)).map(|_| elsewhere(focus, chance)).collect(),
        steps,
        groups: if chance.percent(50) { vec!["security"] } else { Vec::new() },
        now: at + chance.pick(&[0, 1, 500, 1_000, 5_000, 70_000]),
    }
}

fn elsewhere(focus: &[usize], chance: &mut Chance) -> Elsewhere {
    let (of_human, of_agent) = chance.pick(&[(true, false), (false, true), (true, true)]);
    Elsewhere {
        of_human,
        of_agent,
        call: chance.percent(60).then(|| call(focus, chance)),
        label: chance.percent(40).then(|| chance.pick(&LABELS)),
        at: chance.pick(&[-4_000_000, -50_500, -500, 0]),
    }
}

fn event(focus: &[usize], chance: &mut Chance) -> Event {
    match chance.below(10) {
        0..=5 => acted(focus, chance),
        6..=7 => Event::Given {
            name: if chance.percent(70) { chance.pick(&GIVEN) } else { "clearance" },
            value: chance.pick(&[
                json!("Alpha"),
                json!("open"),
                json!(true),
                json!(7),
                json!(["Alpha", "beta"]),
                json!("CONFIDENTIAL"),
                json!("internal"),
            ]),
            giver: chance.pick(&["ops@example.com", "ops@example.com", "watch@example.com"]),
            valid: chance.pick(&[1_000, 60_000, 900_000]),
        },
        8 => Event::Turn,
        _ => Event::Saw(chance.some(&LABELS, 1, 2)),
    }
}

fn acted(focus: &[usize], chance: &mut Chance) -> Event {
    let ruled = match chance.below(20) {
        0..=14 => Ruled::Allow,
        15 | 16 => Ruled::Deny,
        17 | 18 => Ruled::StepUp,
        _ => Ruled::Defer,
    };
    let written =
        [("f0", json!("open")), ("window_open", json!(true)), ("data_classification", json!("PII"))];
    let endings = [Ending::Done, Ending::Done, Ending::Failed, Ending::Unknown, Ending::NothingSent];
    Event::Acted {
        call: call(focus, chance),
        ruled,
        wrote: (ruled == Ruled::Allow && chance.percent(10)).then(|| chance.pick(&written)),
        outcome: (ruled == Ruled::Allow && chance.percent(80)).then(|| {
            let seen = if chance.percent(30) { chance.some(&LABELS, 1, 2) } else { Vec::new() };
            (chance.pick(&endings), seen)
        }),
    }
}

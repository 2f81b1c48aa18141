//! What a ruling costs under few and many rules, beside a plain scan of the same rules, Cedar and Rego. Prints Markdown.

use std::alloc::System;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Entities, EntityUid, Request};
use countersign_bench::table;
use countersign_core::decide::decide;
use countersign_core::decision::{Decision, Match};
use countersign_core::lifecycle::{Input, Limits, Output};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Opened, Status};
use countersign_testkit::builders::{self, START, World};
use regorus::{CompiledPolicy, Engine};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Actions in the session before the one that is timed.
const PRIOR: usize = 100;
const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Of so many rules one is about the tool.
const EVERY: [(&str, usize); 3] = [("1 %", 100), ("10 %", 10), ("50 %", 2)];
/// The tool that the timed action calls.
const TOOL: &str = "files.read";
const PATH: &str = "/srv/data/report-2026.txt";
/// About so long each way of deciding is timed in each row.
const BUDGET: Duration = Duration::from_millis(400);

fn main() {
    println!("### Policy\n");
    println!("One call under 10 to 10,000 rules, of which a share is about its tool, in a session of {PRIOR} prior actions; one rule allows it.");
    println!("A quarter of the rules each tests the path and the number of actions, a number and the agent, the path and the labels seen, a");
    println!("word and the roles. *Scan*: our compiled rules, one after the other, without the index. *Cedar* (`cedar-policy`) and *Rego*");
    println!("(`regorus`, compiled for its entry points): the same rules, parsed once, the request and the input made once. All give the same");
    println!("answer, which is checked, and take turns in one run, each warm. µs; *allocations* are of one ruling of ours.\n");
    let mut rows = Vec::new();
    for (share, every) in EVERY {
        let mut first = None;
        for rules in RULES {
            let mut row = vec![share.to_owned(), rules.to_string()];
            let times = one_row(rules, every, &mut row);
            let first = *first.get_or_insert(times);
            row.push(format!("{:.1}", times / first));
            rows.push(row);
        }
    }
    table(
        &[
            "about the tool", "rules", "p50", "p99", "allocations", "scan p50", "scan ×", "Cedar p50", "Cedar p99", "Cedar ×",
            "Rego p50", "Rego p99", "Rego ×", "to 10 rules ×",
        ],
        &rows,
    );
}

/// Times the four ways; gives our median.
fn one_row(rules: usize, every: usize, row: &mut Vec<String>) -> f64 {
    let world = world(rules, every);
    let (cedar, request, entities) = cedar(rules, every);
    let authorizer = Authorizer::new();
    let (allows, denies, input) = rego(rules, every);
    assert_eq!(decide(&world.question()).decision, Decision::Allow);
    let mut ways: [Box<dyn FnMut() -> bool>; 4] = [
        Box::new(|| decide(&world.question()).decision == Decision::Allow),
        Box::new(|| scan(&world)),
        Box::new(|| {
            authorizer.is_authorized(&request, &cedar, &entities).decision() == cedar_policy::Decision::Allow
        }),
        Box::new(|| {
            let found = |policy: &CompiledPolicy| {
                let answer = policy.eval_with_input(input.clone()).expect("the policy is evaluated");
                answer.as_set().expect("a set of rules").len()
            };
            found(&denies) == 0 && found(&allows) == 1
        }),
    ];
    let times = turns(&mut ways);
    drop(ways);
    let counted = Region::new(COUNTED);
    let ruling = std::hint::black_box(decide(&world.question()));
    let allocations = counted.change().allocations;
    drop(ruling);
    let [ours, scan, cedar, rego] = times;
    let p = |time: f64| if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") };
    let times_ours = |time: f64| format!("{:.2}", time / ours.0);
    row.extend([p(ours.0), p(ours.1), allocations.to_string()]);
    row.extend([p(scan.0), times_ours(scan.0)]);
    for other in [cedar, rego] {
        row.extend([p(other.0), p(other.1), times_ours(other.0)]);
    }
    ours.0
}

/// p50 and p99 of each, in microseconds. They take turns: a call to warm up, then calls that are each timed.
fn turns(ways: &mut [Box<dyn FnMut() -> bool + '_>; 4]) -> [(f64, f64); 4] {
    const ROUNDS: usize = 20;
    /// Of one way in one turn.
    const MOST: usize = 500;
    let calls = ways.each_mut().map(|way| {
        let begun = Instant::now();
        (0..3).for_each(|_| assert!(way(), "every way allows the call"));
        let each = begun.elapsed().as_secs_f64() / 3.0;
        ((BUDGET.as_secs_f64() / ROUNDS as f64 / each) as usize).clamp(1, MOST)
    });
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for ((way, calls), samples) in ways.iter_mut().zip(calls).zip(&mut samples) {
            std::hint::black_box(way());
            for _ in 0..calls {
                let begun = Instant::now();
                std::hint::black_box(way());
                samples.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    samples.map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        (samples[samples.len() / 2], samples[samples.len() * 99 / 100])
    })
}

/// Every rule asked in turn: one allows, none that denies holds.
fn scan(world: &World) -> bool {
    let question = world.question();
    let mut read = BTreeSet::new();
    let holds = world.policy.rules().iter().filter(|rule| rule.matches(&question, &mut read) == Match::Yes);
    holds.map(|rule| rule.id.as_str()).eq(["r0"])
}

/// The tool that a rule is about, and the number that tells it from others.
fn about(n: usize, every: usize) -> String {
    if n.is_multiple_of(every) { TOOL.to_owned() } else { format!("up{}.tool{n}", n % 50) }
}

/// Which of the four kinds a rule is: those about one tool are of all kinds.
const fn kind(n: usize, every: usize) -> usize {
    (n / every) % 4
}

fn world(rules: usize, every: usize) -> World {
    let mut world = World::under(policy(rules, every));
    world.context = context(PRIOR);
    world.now = builders::second(1_000);
    world.identity.human.roles = vec!["analyst".into()];
    world.calls(TOOL, &json!({"path": PATH, "limit": 100, "mode": "full"}).to_string())
}

/// Files of a thousand rules, as a file has its limit.
fn policy(rules: usize, every: usize) -> PolicySet {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for first in (0..rules).step_by(1_000) {
        let mut text = String::from("version: 1\n");
        text.push_str(if first == 0 { "default: DENY\nrules:\n" } else { "rules:\n" });
        for n in first..rules.min(first + 1_000) {
            let tool = about(n, every);
            let (action, tests) = match (n, kind(n, every)) {
                (0, _) => ("ALLOW", "parameters.path: { matches: \"^/srv/\" }".to_owned()),
                (_, 0) => ("DENY", format!("parameters.path: {{ matches: \"^/secret/{n}/\" }}, context.action_count: {{ gte: 1 }}")),
                (_, 1) => ("DENY", format!("parameters.limit: {{ gt: {} }}, identity.agent: bot", 1_000 + n)),
                (_, 2) => ("DENY", format!("parameters.path: {{ starts_with: /export/{n}/ }}, context.data_classification: CONFIDENTIAL")),
                _ => ("DENY", format!("parameters.mode: raw-{n}, identity.human.roles: [analyst, auditor]")),
            };
            let _ = writeln!(text, "  - {{ id: r{n}, action: {action}, match: {{ tool: {tool}, {tests} }} }}");
        }
        files.push((format!("{first:05}.yaml"), text.into_bytes()));
    }
    PolicySet::assemble(files).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

/// A session in which so many actions were allowed and settled.
fn context(actions: usize) -> Context {
    let opened = Opened { labels: ["PII".into()].into(), ..builders::opened("ses_1", "alice", "bot") };
    let mut context = Context::new(opened, START, Limits::default());
    let identity = Arc::new(builders::identity("alice", "bot"));
    for n in 0..actions {
        let name = format!("up{}.tool{}", n % 5, n % 20);
        let action = Arc::new(builders::action(&format!("act_{n:04}"), &name, r#"{"path":"/srv/x"}"#));
        let now = builders::second(i64::try_from(n).unwrap_or(0));
        let ruling = Arc::new(builders::ruling(Decision::Allow));
        let (recorded, _) = context.submit(&action, &identity, ruling, now);
        assert!(matches!(recorded, Output::Record(_)), "the first ruling is recorded");
        let settled = Input::Settled(builders::outcome(Status::Ok, &["INTERNAL"]));
        for input in [Input::Recorded, settled, Input::Recorded] {
            let (output, _) = context.handle(&action.id, input, now);
            assert!(!matches!(output, Output::Misplaced), "an action takes its usual way");
        }
    }
    context
}

/// The same rules in Cedar: what denies forbids, the tool is the action.
fn cedar(rules: usize, every: usize) -> (cedar_policy::PolicySet, Request, Entities) {
    let mut text = String::new();
    for n in 0..rules {
        let tool = about(n, every);
        let (effect, when) = match (n, kind(n, every)) {
            (0, _) => ("permit", r#"context.path like "/srv/*""#.to_owned()),
            (_, 0) => ("forbid", format!(r#"context.path like "/secret/{n}/*" && context.action_count >= 1"#)),
            (_, 1) => ("forbid", format!(r#"context.limit > {} && context.agent == "bot""#, 1_000 + n)),
            (_, 2) => (
                "forbid",
                format!(r#"context.path like "/export/{n}/*" && context.labels.containsAny(["CONFIDENTIAL", "RESTRICTED"])"#),
            ),
            _ => (
                "forbid",
                format!(r#"context.mode == "raw-{n}" && context.roles.containsAny(["analyst", "auditor"])"#),
            ),
        };
        let _ = writeln!(text, "@id(\"r{n}\")\n{effect}(principal, action == Action::\"{tool}\", resource) when {{ {when} }};");
    }
    let policies = cedar_policy::PolicySet::from_str(&text).expect("the rules are Cedar");
    let uid = |text: &str| EntityUid::from_str(text).expect("a name of Cedar's");
    let context = json!({
        "path": PATH, "limit": 100, "mode": "full", "action_count": PRIOR, "agent": "bot",
        "labels": ["INTERNAL", "PII"], "roles": ["analyst"],
    });
    let context = cedar_policy::Context::from_json_value(context, None).expect("a record of Cedar's");
    let names = [r#"User::"alice""#.to_owned(), format!(r#"Action::"{TOOL}""#), r#"Upstream::"files""#.to_owned()];
    let [principal, action, resource] = names.map(|name| uid(&name));
    let request = Request::new(principal, action, resource, context, None).expect("a request of Cedar's");
    (policies, request, Entities::empty())
}

/// The same rules in Rego, compiled for those that allow and those that deny, and the input.
fn rego(rules: usize, every: usize) -> (CompiledPolicy, CompiledPolicy, regorus::Value) {
    let mut engine = Engine::new();
    for first in (0..rules).step_by(1_000) {
        let mut text = String::from("package bench\nimport rego.v1\n");
        for n in first..rules.min(first + 1_000) {
            let tool = about(n, every);
            let (set, when) = match (n, kind(n, every)) {
                (0, _) => ("allow", r#"startswith(input.path, "/srv/")"#.to_owned()),
                (_, 0) => ("deny", format!(r#"startswith(input.path, "/secret/{n}/"); input.action_count >= 1"#)),
                (_, 1) => ("deny", format!(r#"input.limit > {}; input.agent == "bot""#, 1_000 + n)),
                (_, 2) => ("deny", format!(
                    r#"startswith(input.path, "/export/{n}/"); some label in ["CONFIDENTIAL", "RESTRICTED"]; label in input.labels"#
                )),
                _ => ("deny", format!(
                    r#"input.mode == "raw-{n}"; some role in ["analyst", "auditor"]; role in input.roles"#
                )),
            };
            let _ = writeln!(text, "{set} contains \"r{n}\" if {{ input.tool == \"{tool}\"; {when} }}");
        }
        engine.add_policy(format!("{first:05}.rego"), text).expect("the rules are Rego");
    }
    let entry = |engine: &mut Engine, name: &str| {
        engine.compile_with_entrypoint(&name.into()).expect("the rules compile")
    };
    let (allows, denies) = (entry(&mut engine, "data.bench.allow"), entry(&mut engine, "data.bench.deny"));
    let input = json!({
        "tool": TOOL, "path": PATH, "limit": 100, "mode": "full", "action_count": PRIOR, "agent": "bot",
        "labels": ["INTERNAL", "PII"], "roles": ["analyst"],
    });
    (allows, denies, regorus::Value::from_json_str(&input.to_string()).expect("JSON"))
}

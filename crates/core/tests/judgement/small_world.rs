//! `decide` against the oracle: every policy of three rules over every way their facts can turn out, and
//! random policies of up to eight rules with edits that change what rules read.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::action::{Action, Arguments};
use countersign_core::decide::decide;
use countersign_core::decision::{Match, Missing, Why};
use countersign_core::facts::measures::Measure;
use countersign_core::lifecycle::Limits;
use countersign_core::policy::{PolicySet, Rule};
use countersign_core::session::{Context, Intent, Opened};
use countersign_testkit::builders::{START, World, facts, intent, opened, policy, second};
use countersign_testkit::oracle::{self, Case, Voice};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a rule may say, apart from whether it holds.
const KINDS: [&str; 19] = [
    "action: ALLOW, priority: 0",
    "action: ALLOW, priority: 1",
    "action: DENY, priority: 0",
    "action: DENY, priority: 1",
    "action: DENY, classification: forbidden, priority: 0",
    "action: DENY, classification: forbidden, priority: 1",
    "action: DENY, classification: context_dependent_allow, priority: 0",
    "action: DENY, classification: context_dependent_allow, priority: 1",
    "action: MODIFY, modifications: {parameters: {limit: {max: 10}}}, priority: 0",
    "action: MODIFY, modifications: {parameters: {limit: {max: 10}}}, priority: 1",
    "action: MODIFY, modifications: {parameters: {limit: 5}}, priority: 0",
    "action: MODIFY, modifications: {parameters: {limit: 5}}, priority: 1",
    "action: STEP_UP, approvers: [security], priority: 0",
    "action: STEP_UP, approvers: [security], priority: 1",
    "action: STEP_UP, approvers: [finance], priority: 0",
    "action: DEFER, priority: 0",
    "action: DEFER, priority: 1",
    "effect: {set_context: {seen_$: true}}",
    "action: ALLOW, effect: {set_context: {seen_$: true}}, priority: 0",
];

/// Equal to what the rule wants, different, absent.
const VALUES: [Option<bool>; 3] = [Some(true), Some(false), None];

fn intents() -> [Option<Intent>; 4] {
    [
        None,
        Some(intent(&["files.read"], &[])),
        Some(intent(&[], &["files"])),
        Some(intent(&["mail"], &["mail"])),
    ]
}

fn context(known: [Option<bool>; 3], intent: Option<Intent>) -> Context {
    // What was seen adds up to a risk, the same for every call of one tool.
    let opened = Opened { intent, labels: ["cue:override".into()].into(), ..opened("ses_1", "alice", "bot") };
    let mut context = Context::new(opened, START, Limits::default());
    let names = ["f0", "f1", "f2"];
    let given: Vec<(&str, Value)> =
        names.into_iter().zip(known).filter_map(|(name, v)| Some((name, json!(v?)))).collect();
    context.apply(&facts(&given, second(60)), START).unwrap();
    context
}

/// `R3.order`: three rules of every kind, facts, default, intent and approvers, exhaustively.
#[test]
fn r3_order_decide_agrees_with_the_oracle_on_every_small_policy() {
    let mut triples = Vec::new();
    for a in 0..KINDS.len() {
        for b in a..KINDS.len() {
            for c in b..KINDS.len() {
                triples.push([a, b, c]);
            }
        }
    }
    assert_eq!(agree(&triples, ""), triples.len() * 2 * 27 * (4 + 1));
}

/// `R3.order`: the same for two rules and one that only writes, under a limit of each kind that is exceeded.
#[test]
fn r3_order_decide_agrees_with_the_oracle_above_every_limit_on_risk() {
    let writes = KINDS.iter().position(|kind| kind.starts_with("effect")).unwrap();
    // Whose priority is higher is settled before a limit is looked at.
    let equals: Vec<usize> = (0..KINDS.len()).filter(|kind| !KINDS[*kind].contains("priority: 1")).collect();
    let pairs =
        equals.iter().flat_map(|a| equals.iter().filter(move |b| a <= b).map(move |b| [*a, *b, writes]));
    let pairs: Vec<_> = pairs.collect();
    for action in ["DENY", "STEP_UP", "DEFER"] {
        let limit = format!("compositional_risk: {{threshold: 0, action: {action}}}\n");
        assert_eq!(agree(&pairs, &limit), pairs.len() * 2 * 27 * (4 + 1));
    }
}

/// Compares every question about these rules, on all cores; `head` stands above the rules. How many there were.
#[expect(clippy::disallowed_methods, reason = "many small worlds at once; the core itself has no threads")]
fn agree(triples: &[[usize; 3]], head: &str) -> usize {
    let next = AtomicUsize::new(0);
    let cases = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let contexts = every_context();
                while let Some(kinds) = triples.get(next.fetch_add(1, Ordering::Relaxed)) {
                    cases.fetch_add(every_question(*kinds, head, &contexts), Ordering::Relaxed);
                }
            });
        }
    });
    cases.into_inner()
}

/// A session in which this much is known.
struct Known {
    facts: [Option<bool>; 3],
    intent: Option<Intent>,
    context: Context,
}

fn every_context() -> Vec<Known> {
    let mut all = Vec::new();
    for a in VALUES {
        for b in VALUES {
            for c in VALUES {
                for intent in intents() {
                    let facts = [a, b, c];
                    all.push(Known { facts, intent: intent.clone(), context: context(facts, intent) });
                }
            }
        }
    }
    all
}

fn every_question(kinds: [usize; 3], head: &str, contexts: &[Known]) -> usize {
    let lines: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            let says = KINDS[*kind].replace('$', &at.to_string());
            format!("  - {{id: r{at}, match: {{context: {{f{at}: true}}}}, {says}}}\n")
        })
        .collect();
    let mut cases = 0;
    // A default of STEP_UP behaves like a rule of the lowest priority, which the random policies cover.
    for default in ["ALLOW", "DENY"] {
        let policy = policy(&format!("version: 1\ndefault: {default}\n{head}rules:\n{}", lines.concat()));
        let mut world = World::under(policy).calls("files.read", r#"{"limit":100}"#);
        let default = world.policy.default_decision();
        let voices: Vec<Voice> = world.policy.rules().iter().map(Voice::from).collect();
        for Known { facts, intent, context } in contexts {
            // Approvers and intent never meet: who may settle a disagreement does not depend on the request.
            let groups: &[&[&str]] = if intent.is_none() { &[&[], &["security"]] } else { &[&[]] };
            for groups in groups {
                world = world.approvers(groups);
                let question = countersign_core::decide::Question { context, ..world.question() };
                let ruling = decide(&question);
                let holds = |_: &Arguments| facts.map(told).to_vec();
                let case = Case {
                    rules: &voices,
                    holds: &holds,
                    default: &default,
                    intent: intent.as_ref(),
                    action: &world.action,
                    approvers_exist: !groups.is_empty(),
                    halted: false,
                    out_of_scope: false,
                    depends: None,
                    risk: Measure::CompositionalRisk.read(&question).unwrap(),
                    limits: world.policy.risk_limits(),
                };
                if let Err(difference) = oracle::compare(&oracle::judge(&case), &ruling) {
                    panic!(
                        "{difference}\nfacts {facts:?} intent {intent:?} groups {groups:?}\n{}",
                        lines.concat()
                    );
                }
                cases += 1;
            }
        }
    }
    cases
}

fn told(value: Option<bool>) -> Match {
    match value {
        Some(holds) => holds.into(),
        None => Match::Unknown(Missing::fact("f", Why::Absent)),
    }
}

/// A rule in which everything varies: what it says, and what it reads (a fact, or an argument that edits change).
fn any_rule(at: usize) -> impl Strategy<Value = String> {
    let says = prop_oneof![
        Just("action: ALLOW".to_owned()),
        Just("action: DENY".to_owned()),
        Just("action: DENY, classification: forbidden".to_owned()),
        Just("action: DENY, classification: context_dependent_allow".to_owned()),
        Just("action: DEFER".to_owned()),
        (1..60_i32)
            .prop_map(|n| format!("action: MODIFY, modifications: {{parameters: {{limit: {{max: {n}}}}}}}")),
        (1..4_i32).prop_map(|n| format!("action: MODIFY, modifications: {{parameters: {{mode: m{n}}}}}")),
        Just("action: MODIFY, modifications: {parameters: {gone: 1}}".to_owned()),
        Just("action: STEP_UP".to_owned()),
        Just("action: STEP_UP, approvers: [security]".to_owned()),
        Just("action: STEP_UP, approvers: [finance, security]".to_owned()),
        Just(format!("effect: {{set_context: {{seen_{at}: true}}}}")),
    ];
    let reads = prop_oneof![
        (0..3_u8).prop_map(|n| format!("context: {{f{n}: true}}")),
        (1..60_i32).prop_map(|n| format!("parameters: {{limit: {{gt: {n}}}}}")),
        (1..4_i32).prop_map(|n| format!("parameters: {{mode: m{n}}}")),
        Just("parameters: {absent: 1}".to_owned()),
        Just(String::new()),
    ];
    (says, reads, 0..3_i32, any::<bool>()).prop_map(move |(says, reads, priority, effect)| {
        let effect =
            if effect && says.contains("action") { ", effect: {set_context: {both: 1}}" } else { "" };
        format!("  - {{id: r{at}, match: {{{reads}}}, {says}, priority: {priority}{effect}}}\n")
    })
}

/// A file of rules, and files that each set a limit at the risk of these worlds, or right below it.
fn any_policy() -> impl Strategy<Value = PolicySet> {
    let rules = (0..=8_usize).prop_flat_map(|n| (0..n).map(any_rule).collect::<Vec<_>>());
    let default = prop_oneof![Just("ALLOW"), Just("DENY"), Just("STEP_UP")];
    let action = prop_oneof![Just("DENY"), Just("STEP_UP"), Just("DEFER")];
    let limits = proptest::collection::vec((any::<bool>(), action), 0..3);
    (rules, default, limits).prop_map(|(rules, default, limits)| {
        let rules = format!("version: 1\ndefault: {default}\nrules: [{}]\n", join(&rules));
        let mut files = vec![("rules.yaml".to_owned(), rules.into_bytes())];
        for (at, (exceeded, action)) in limits.into_iter().enumerate() {
            let threshold = a_risk() - u64::from(exceeded);
            let limit =
                format!("version: 1\ncompositional_risk: {{threshold: {threshold}, action: {action}}}\n");
            files.push((format!("limit-{at}.yaml"), limit.into_bytes()));
        }
        PolicySet::assemble(files).unwrap()
    })
}

/// What the sessions of this file add up to, for the tool that is called.
fn a_risk() -> u64 {
    static RISK: LazyLock<u64> = LazyLock::new(|| {
        let world = World::under(policy("version: 1\ndefault: DENY\n"));
        risk(&World { context: context([None; 3], None), ..world })
    });
    *RISK
}

fn risk(world: &World) -> u64 {
    Measure::CompositionalRisk.read(&world.question()).unwrap()
}

fn join(rules: &[String]) -> String {
    rules.iter().map(|rule| rule.trim().trim_start_matches("- ")).collect::<Vec<_>>().join(", ")
}

fn any_value() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![Just(Some(true)), Just(Some(false)), Just(None)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `R3.order`, with more rules, edits that change what rules read, and facts that several rules share.
    #[test]
    fn r3_order_decide_agrees_with_the_oracle_on_larger_policies(
        policy in any_policy(),
        known in [any_value(), any_value(), any_value()],
        intent in 0..4_usize,
        groups in any::<bool>(),
        limit in 1..80_i32,
        mode in 1..4_i32,
    ) {
        let intent = intents()[intent].clone();
        let mut world = World::under(policy).calls("files.read", &format!(r#"{{"limit":{limit},"mode":"m{mode}"}}"#));
        world.context = context(known, intent.clone());
        let world = world.approvers(if groups { &["security"] } else { &[] });
        let ruling = world.decide();
        let default = world.policy.default_decision();
        let holds = |arguments: &Arguments| matches(&world, arguments);
        let voices: Vec<Voice> = world.policy.rules().iter().map(Voice::from).collect();
        let case = Case {
            rules: &voices,
            holds: &holds,
            default: &default,
            intent: intent.as_ref(),
            action: &world.action,
            approvers_exist: groups,
            halted: false,
            out_of_scope: false,
            depends: None,
            risk: risk(&world),
            limits: world.policy.risk_limits(),
        };
        if let Err(difference) = oracle::compare(&oracle::judge(&case), &ruling) {
            return Err(TestCaseError::fail(difference));
        }
        prop_assert_eq!(&ruling, &world.decide(), "R3.deterministic");
    }
}

fn matches(world: &World, arguments: &Arguments) -> Vec<Match> {
    let action = Action { arguments: arguments.clone(), ..world.action.clone() };
    let question = countersign_core::decide::Question { action: &action, ..world.question() };
    world.policy.rules().iter().map(|rule: &Rule| rule.matches(&question, &mut BTreeSet::new())).collect()
}

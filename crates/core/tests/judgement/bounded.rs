//! R2.bounded: a session that never ends stays small, and what it no longer keeps makes nothing safer.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use countersign_core::action::Action;
use countersign_core::decide::{Memo, Question};
use countersign_core::decision::{Decision, Match};
use countersign_core::depend::names_tool;
use countersign_core::lifecycle::{Input, Output, Transition};
use countersign_core::names::ToolName;
use countersign_core::policy::PolicySet;
use countersign_core::session::{
    Context, ContextLimits, Entry, Permitted, SequenceQuery, Shared, Status, What,
};
use countersign_core::time::{Span, Time};
use countersign_testkit::builders::{World, action, facts, identity, outcome, rules, ruling, second};
use proptest::prelude::*;
use serde_json::json;

use super::folds::{Life, SMALL, anything, begin};

/// No bounds worth the name.
const WIDE: ContextLimits = ContextLimits {
    tools: 1 << 20,
    labels: 1 << 20,
    facts: 1 << 20,
    entities: 1 << 20,
    unknown: 1 << 20,
    history: 1 << 20,
    counters: 1 << 20,
};

/// What rules may ask of a context. A number is asked for from below by what restricts and from above by what allows.
pub(super) const RESTRICTING: [&str; 29] = [
    "context: {actions_since_confirmation: {gte: 3}}",
    "context: {prior_actions: f.read}",
    "context: {prior_actions: {ne: mail.send}}",
    "context: {prior_actions: {exists: false}}",
    "session.actions.f.read: {gte: 1}",
    "session.actions.f: {gte: 2}",
    "session.actions.f.write: {lt: 1}",
    "session.actions.a.b.c: {lt: 1}",
    "session.actions.send: {lt: 1}",
    "context: {data_classification: PII}",
    "context: {data_classification: CONFIDENTIAL}",
    "context: {data_classification: {ne: BEGAN}}",
    "context: {data_classification: {exists: false}}",
    "context: {a: {exists: false}}",
    "context: {b: {exists: true}}",
    "context: {c: {exists: true}}",
    "context: {c: {ne: 9}}",
    "context: {note: {gte: 4}}",
    "context: {entities: {contains: p1@example.com}}",
    "context: {entities: {exists: false}}",
    "context: {risk_signals.injection_score: {gte: 4000}}",
    "context: {risk_signals.scope_expansion: {gte: 2000}}",
    "context: {risk_signals.classification_escalation: {gte: 2}}",
    "context: {risk_signals.unusual_sequence: {gte: 5000}}",
    "context: {risk_signals.velocity: {gte: 3}}",
    "context: {risk_signals.drift.max: {gte: 9000}}",
    "context: {risk_signals.drift.embedded_max: {gte: 8004}}",
    "context: {deferrals.expired: {gte: 1}}",
    "context: {compositional_risk: {gte: 3000}}",
];
pub(super) const ALLOWING: [&str; 10] = [
    "context: {prior_actions: f.read}",
    "context: {data_classification: [BEGAN, PUBLIC, INTERNAL]}",
    "context: {a: 0}",
    "context: {b: {exists: false}}",
    "context: {entities: [p0@example.com, p1@example.com]}",
    "session.actions.f.read: {gte: 1}",
    "session.actions.mail.send: {lt: 1}",
    "context: {risk_signals.scope_expansion: {lt: 2000}}",
    "context: {compositional_risk: {lt: 3000}}",
    "context: {risk_signals.velocity: {lt: 3}}",
];

pub(super) fn policy(action: &str, matches: &[&str]) -> PolicySet {
    let written: Vec<String> =
        (0..).zip(matches).map(|(n, m)| format!("{{id: r{n}, match: {{{m}}}, action: {action}}}")).collect();
    rules("DENY", &written.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What every rule of a set says about a call in this context.
fn answers(policy: &PolicySet, context: &Context, action: &Action, now: Time) -> Vec<Match> {
    static NONE: LazyLock<PolicySet> = LazyLock::new(|| rules("DENY", &[]));
    let world = World::under(NONE.clone());
    let memo = Memo::default();
    let question = Question { action, context, now, memo: &memo, ..world.question() };
    policy.rules().iter().map(|rule| rule.matches(&question, &mut BTreeSet::new())).collect()
}

/// The law: a restricting rule that may hold may still hold, and what does not allow still does not.
fn no_safer(compacted: &Context, whole: &Context, now: Time) -> Result<(), TestCaseError> {
    static SETS: LazyLock<(PolicySet, PolicySet)> =
        LazyLock::new(|| (policy("DENY", &RESTRICTING), policy("ALLOW", &ALLOWING)));
    let (restricting, allowing) = &*SETS;
    for name in ["f.read", "pay.send"] {
        let action = action("act_next", name, r#"{"to": "p1@example.com"}"#);
        let pairs = |set: &PolicySet| {
            answers(set, compacted, &action, now).into_iter().zip(answers(set, whole, &action, now))
        };
        for ((small, full), asked) in pairs(restricting).zip(RESTRICTING) {
            let kept = small == full || full == Match::No || small != Match::No;
            prop_assert!(kept, "DENY {asked}: {small:?} instead of {full:?}");
        }
        no_safer_by_value(compacted, whole, &action, now)?;
        for ((small, full), asked) in pairs(allowing).zip(ALLOWING) {
            let kept = small == full || full == Match::Yes || small != Match::Yes;
            prop_assert!(kept, "ALLOW {asked}: {small:?} instead of {full:?}");
        }
    }
    Ok(())
}

/// The same law for what rules ask by value. A sequence is what it is or Unknown; a rate or sum is not known, or at
/// least what it is.
fn no_safer_by_value(
    small: &Context,
    whole: &Context,
    action: &Action,
    now: Time,
) -> Result<(), TestCaseError> {
    static NONE: LazyLock<PolicySet> = LazyLock::new(|| rules("DENY", &[]));
    let world = World::under(NONE.clone());
    let memo = Memo::default();
    let ask = |context, query: &SequenceQuery<'_>| {
        let question = Question { action, context, now, memo: &memo, ..world.question() };
        Context::history(context).sequence(query, &question)
    };
    let pair = [Shared::new("to", "to").unwrap()];
    for (name, within_actions, within) in [
        ("f", None, None),
        ("mail", Some(1), None),
        ("mail", Some(3), Some(Span::seconds(900))),
        ("read", None, Some(Span::seconds(300))),
    ] {
        let after = |earlier: &Permitted| names_tool(name, earlier.tool());
        for shares in [&pair[..], &[]] {
            let query = SequenceQuery { after: &after, within_actions, within, shares, every: false };
            let (kept, full) = (ask(small, &query), ask(whole, &query));
            prop_assert!(
                kept == full || matches!(kept, Match::Unknown(_)),
                "{name}: {kept:?} instead of {full:?}"
            );
        }
        let named = |tool: &ToolName| names_tool(name, tool);
        for which in [None, Some(&named as &dyn Fn(&ToolName) -> bool)] {
            let (kept, full) =
                (small.usage().rate(which, within, now), whole.usage().rate(which, within, now));
            prop_assert!(
                !kept.whole || (full.whole && kept.at_least >= full.at_least),
                "{name}: {kept:?} {full:?}"
            );
        }
    }
    for counter in ["moved", "read", "sent", "vague"] {
        for window in [None, Some(Span::seconds(300))] {
            let (kept, full) =
                (small.usage().sum(counter, window, now), whole.usage().sum(counter, window, now));
            prop_assert!(
                !kept.whole || (full.whole && kept.at_least >= full.at_least),
                "{counter}: {kept:?} {full:?}"
            );
        }
    }
    Ok(())
}

fn replayed(chain: &[Entry], bounds: ContextLimits) -> Context {
    let mut context = begin(bounds);
    for entry in chain {
        context.replay(entry).unwrap();
    }
    context
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// `R2.bounded`: whatever a chain says, a context that keeps little of it lets nothing through that one which keeps
    /// all of it would not.
    #[test]
    fn r2_bounded_compaction_makes_no_fact_safer(events in proptest::collection::vec(anything(), 0..60)) {
        for bounds in [SMALL, WIDE] {
            let mut life = Life::within(bounds);
            events.iter().for_each(|event| life.happens(event));
            no_safer(&replayed(&life.chain, SMALL), &replayed(&life.chain, WIDE), life.now)?;
        }
    }
}

#[test]
fn r2_bounded_tools_beyond_the_bound_are_counted_together_and_unknown_by_name() {
    let mut life = Life::within(ContextLimits { tools: 1, ..ContextLimits::default() });
    let used = |life: &mut Life, name: &str, n: u32| {
        let action = Arc::new(action(&format!("act_{n}"), name, "{}"));
        let who = Arc::new(identity("alice", "bot"));
        let _ = life.context.submit(&action, &who, Arc::new(ruling(Decision::Allow)), life.now);
    };
    used(&mut life, "f.read", 0);
    used(&mut life, "f.write", 1);
    used(&mut life, "f.read", 2);
    let tally = life.context.tally().clone();
    assert_eq!((tally.uses("f.read"), tally.other()), (Some(2), 1));
    assert_eq!([tally.uses("f"), tally.uses("f.write"), tally.uses("read")], [None; 3]);
    // A tool whose own name is another's full name.
    used(&mut life, "x.f.read", 3);
    assert_eq!(life.context.tally().uses("f.read"), None);
}

#[test]
fn r2_bounded_an_unknown_outcome_that_was_let_go_is_reported_too_late() {
    let mut life = Life::within(ContextLimits { unknown: 1, ..ContextLimits::default() });
    let who = Arc::new(identity("alice", "bot"));
    let mut chain = Vec::new();
    for n in 0..3 {
        let action = Arc::new(action(&format!("act_{n}"), "f.write", "{}"));
        let (output, _) = life.context.submit(&action, &who, Arc::new(ruling(Decision::Allow)), second(n));
        let Output::Record(transition) = output else { panic!("{output:?}") };
        let what = What::Submitted { action: Arc::clone(&action), identity: Arc::clone(&who), transition };
        chain.push(Entry { at: second(n), what, erased: false });
        let _ = life.context.handle(&action.id, Input::Recorded, second(n));
        let lost = Input::Settled(outcome(Status::Unknown, &[]));
        let (output, _) = life.context.handle(&action.id, lost, second(n));
        let Output::Record(transition) = output else { panic!("{output:?}") };
        chain.push(Entry {
            at: second(n),
            what: What::Moved { action: action.id.clone(), transition },
            erased: false,
        });
        let _ = life.context.handle(&action.id, Input::Recorded, second(n));
    }
    assert_eq!((life.context.let_go(), life.context.tracked().count()), (2, 1));
    let late = || Input::Settled(outcome(Status::Ok, &["PII"]));
    let (output, _) = life.context.handle(&"act_0".into(), late(), second(9));
    assert!(matches!(output, Output::Misplaced));
    let (output, _) = life.context.handle(&"act_2".into(), late(), second(9));
    assert!(matches!(output, Output::Record(_)));

    // A chain that was written just before it was let go is read all the same: what was labelled counts.
    let outcome = outcome(Status::Ok, &["PII"]);
    let what =
        What::Moved { action: "act_0".into(), transition: Transition::Outcome { outcome, late: true } };
    chain.push(Entry { at: second(9), what, erased: false });
    let context = replayed(&chain, ContextLimits { unknown: 1, ..ContextLimits::default() });
    assert!(context.labels().contains("PII") && !context.seen().complete());

    // That nothing was sent is taken in none the less.
    let permitted = context.history().latest().count();
    let nothing = self::outcome(Status::NothingSent, &[]);
    let what = What::Moved {
        action: "act_1".into(),
        transition: Transition::Outcome { outcome: nothing, late: true },
    };
    chain.push(Entry { at: second(9), what, erased: false });
    let context = replayed(&chain, ContextLimits { unknown: 1, ..ContextLimits::default() });
    assert_eq!(context.history().latest().count(), permitted - 1);
}

#[test]
fn r2_bounded_a_session_that_goes_on_and_on_keeps_only_so_much() {
    let mut life = Life::within(ContextLimits::default());
    let who = Arc::new(identity("alice", "bot"));
    for n in 0..3_000_i64 {
        let action = Arc::new(action(&format!("act_{n}"), &format!("up{}.tool{n}", n % 700), "{}"));
        let at = second(n);
        let _ = life.context.submit(&action, &who, Arc::new(ruling(Decision::Allow)), at);
        let settled = outcome([Status::Ok, Status::Unknown][usize::from(n % 3 == 0)], &[&format!("L{n}")]);
        for input in [Input::Recorded, Input::Settled(settled), Input::Recorded] {
            let _ = life.context.handle(&action.id, input, at);
        }
        life.context.apply(&facts(&[(&format!("fact_{n}"), json!(n))], second(n + 90_000)), at).unwrap();
    }
    let (context, bounds) = (&life.context, ContextLimits::default());
    assert_eq!(context.actions().len(), bounds.tools);
    assert_eq!(context.labels().len(), bounds.labels);
    assert_eq!(context.facts().len(), bounds.facts);
    assert_eq!(context.tracked().count(), bounds.unknown);
    assert_eq!(context.tally().other() + context.actions().values().sum::<u64>(), 3_000);
}

#[test]
fn r2_bounded_a_given_fact_that_is_not_kept_is_unknown_even_to_exists_and_a_stale_one_makes_room() {
    let mut context = begin(ContextLimits { facts: 1, ..ContextLimits::default() });
    let asked =
        policy("DENY", &["context: {b: {exists: true}}", "context: {b: {exists: false}}", "context: {b: 1}"]);
    let says = |context: &Context, at| {
        let answers = answers(&asked, context, &action("act_next", "f.read", "{}"), second(at));
        answers.iter().map(|answer| matches!(answer, Match::Unknown(_))).collect::<Vec<_>>()
    };
    context.apply(&facts(&[("a", json!(1))], second(10)), second(0)).unwrap();
    assert_eq!(says(&context, 1), [false, false, true], "nobody ever gave it");
    context.apply(&facts(&[("b", json!(1))], second(20)), second(1)).unwrap();
    assert_eq!(says(&context, 1), [true; 3], "it was given and not kept");
    context.apply(&facts(&[("b", json!(1))], second(20)), second(10)).unwrap();
    assert_eq!((says(&context, 11), context.facts().len()), (vec![false; 3], 1));
}

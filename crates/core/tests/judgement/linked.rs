//! Sessions linked by delegation (cross-agent propagation, `R2.data`): what one saw restricts the other, and linking makes no
//! fact safer.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use countersign_core::action::Action;
use countersign_core::decide::{Memo, Question};
use countersign_core::decision::Match;
use countersign_core::policy::PolicySet;
use countersign_core::session::{Change, Context, ContextLimits, Principal};
use countersign_testkit::builders::{World, action, rules};
use proptest::prelude::*;

use super::bounded::{ALLOWING, RESTRICTING, policy};
use super::folds::{Happens, Life, SMALL, anything};

/// Beside what any context is asked for: what linked sessions did together.
const TOGETHER: [&str; 2] = ["delegation.actions.f.read: {gte: 1}", "delegation.actions.f: {gte: 2}"];

/// A change as the ledger keeps it and linked sessions take it in.
fn taken(tree: &mut Principal, change: &Change) {
    let mut news = tree.news(change);
    (news.counted, news.corrected) = ([].into(), None);
    tree.apply(&serde_json::from_str(&serde_json::to_string(&news).unwrap()).unwrap());
}

/// Two lives, the second of which the first delegates to after so many events, and what they then share.
fn linked(
    first: &[Happens],
    second: &[Happens],
    after: usize,
    bounds: ContextLimits,
) -> (Life, Life, Principal) {
    let (mut parent, mut child) = (Life::within(bounds), Life::within(bounds));
    let mut tree = Principal::default();
    for event in &first[..after] {
        parent.happens(event);
    }
    taken(&mut tree, &parent.context.handed_on());
    let begun = parent.changes.len();
    first[after..].iter().for_each(|event| parent.happens(event));
    second.iter().for_each(|event| child.happens(event));
    parent.changes[begun..].iter().chain(&child.changes).for_each(|change| taken(&mut tree, change));
    (parent, child, tree)
}

fn answers(set: &PolicySet, life: &Life, linked: &Principal, action: &Action) -> Vec<Match> {
    static NONE: LazyLock<PolicySet> = LazyLock::new(|| rules("DENY", &[]));
    let world = World::under(NONE.clone());
    let memo = Memo::default();
    let (context, now) = (&life.context, life.now);
    let question = Question { action, context, linked, now, memo: &memo, ..world.question() };
    set.rules().iter().map(|rule| rule.matches(&question, &mut BTreeSet::new())).collect()
}

/// A restricting rule that may hold may still hold, and what does not allow still does not.
fn no_safer(life: &Life, tree: &Principal) -> Result<(), TestCaseError> {
    static SETS: LazyLock<(PolicySet, PolicySet)> = LazyLock::new(|| {
        let restricting: Vec<&str> = RESTRICTING.iter().chain(&TOGETHER).copied().collect();
        (policy("DENY", &restricting), policy("ALLOW", &ALLOWING))
    });
    let (restricting, allowing) = &*SETS;
    let alone = Principal::default();
    for name in ["f.read", "pay.send"] {
        let action = action("act_next", name, r#"{"to": "p1@example.com"}"#);
        let both =
            |set| answers(set, life, tree, &action).into_iter().zip(answers(set, life, &alone, &action));
        for ((linked, alone), asked) in both(restricting).zip(RESTRICTING.iter().chain(&TOGETHER)) {
            let kept = linked == alone || alone == Match::No || linked != Match::No;
            prop_assert!(kept, "DENY {asked}: {linked:?} instead of {alone:?}");
        }
        for ((linked, alone), asked) in both(allowing).zip(ALLOWING) {
            let kept = linked == alone || alone == Match::Yes || linked != Match::Yes;
            prop_assert!(kept, "ALLOW {asked}: {linked:?} instead of {alone:?}");
        }
    }
    Ok(())
}

/// Whatever restricts in a session restricts through what it shares.
fn knows(tree: &Principal, context: &Context) -> Result<(), TestCaseError> {
    prop_assert!(!tree.labels_complete() || tree.labels().is_superset(context.labels()));
    let told = context.handed_on();
    prop_assert!(told.foreign.iter().all(|hash| tree.may_be_foreign(*hash)));
    let signals = context.signals();
    // A stranger that is linked with it reads as much out of it as it does itself.
    let mut stranger = Principal::default();
    taken(&mut stranger, &told);
    prop_assert!(tree.signs().level() >= stranger.signs().level());
    prop_assert!(tree.signs().cues().is_superset(stranger.signs().cues()));
    for name in ["f.read", "mail.send", "pay.send", "vault.show"] {
        let action = action("act_next", name, "{}");
        let own = signals.past().completed_by(&action);
        prop_assert!(tree.signs().past().completed_by(&action) >= own, "{name}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r2_data_linking_sessions_makes_no_fact_safer_on_either_side(
        first in proptest::collection::vec(anything(), 0..40),
        second in proptest::collection::vec(anything(), 0..40),
        after in any::<prop::sample::Index>(),
    ) {
        for bounds in [SMALL, ContextLimits::default()] {
            let (parent, child, tree) = linked(&first, &second, after.index(first.len() + 1), bounds);
            for life in [&parent, &child] {
                no_safer(life, &tree)?;
                knows(&tree, &life.context)?;
            }
            for tool in ["f.read", "f", "mail.send", "a.b.c"] {
                let uses = |life: &Life| life.context.tally().uses(tool);
                if let (Some(together), Some(one), Some(other)) = (tree.tally().uses(tool), uses(&parent), uses(&child)) {
                    prop_assert!(together >= one + other, "{tool}: {together} of {one} and {other}");
                }
            }
        }
    }
}

#[test]
fn r2_data_an_action_of_a_linked_session_begins_an_unusual_sequence_here() {
    let mut other = Life::within(ContextLimits::default());
    // A credential is shown, a secret is read and an injection is seen, each in the other session.
    other.happens(&Happens::Submitted(5, 5));
    other.happens(&Happens::Observed(1));
    other.happens(&Happens::Observed(2));
    let here = Life::within(ContextLimits::default());
    let mut tree = Principal::default();
    other.changes.iter().for_each(|change| taken(&mut tree, change));
    let asked = policy(
        "DENY",
        &[
            "context: {risk_signals.unusual_sequence: {gte: 8000}}",
            "context: {risk_signals.injection_score: {gte: 4500}}",
            "context: {risk_signals.classification_escalation: 3}",
            "context: {data_classification: RESTRICTED}",
            "context: {compositional_risk: {gte: 5000}}",
            "delegation.actions.vault.show: 1",
            "session.actions.vault.show: {gte: 1}",
            "context: {prior_actions: vault.show}",
        ],
    );
    let send = action("act_next", "mail.send", "{}");
    let send = Action {
        contract: std::sync::Arc::new(countersign_core::action::Contract {
            effect: countersign_core::action::Effect::WriteOutbound,
            ..Default::default()
        }),
        ..send
    };
    let holds = |linked: &Principal| -> Vec<bool> {
        answers(&asked, &here, linked, &send).iter().map(|answer| *answer == Match::Yes).collect()
    };
    assert_eq!(holds(&Principal::default()), [false; 8]);
    assert_eq!(
        holds(&tree),
        [true, true, true, true, true, true, false, false],
        "histories are a session's own"
    );
}

//! R7: what thresholds make of distances, and what that does to rulings.

use std::sync::Arc;

use countersign_core::action::Effect;
use countersign_core::decision::{Decision, Step, Verdict};
use countersign_core::drift::{Embedding, Limits, ProfileName, STARTING_MODEL, Signal, Thresholds};
use countersign_core::facts::measures::Measure;
use countersign_core::facts::{Block, Fact};
use countersign_core::lifecycle;
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Intent, Opened, What};
use countersign_testkit::builders::{START, World, contract, intent, opened, rules, ruling};
use proptest::prelude::*;

const MODEL: &str = "sha256:model";

/// A call of this effect, whose lexical distance from the request is the farthest, or next to none.
fn calling(policy: PolicySet, effect: Effect, far: bool, intent: Option<Intent>) -> World {
    let opened =
        Opened { request: Some("read the march report".into()), intent, ..opened("ses_1", "alice", "bot") };
    let said = if far { r#"{"x":"qqq"}"# } else { r#"{"x":"the march report"}"# };
    let tool = if far { "files.zzz" } else { "files.read" };
    let context = Context::new(opened, START, lifecycle::Limits::default());
    World { context, ..World::under(policy).calls(tool, said).declared(contract(effect, &[])) }
}

/// What a model said of the call.
fn embedded(mut world: World, distance: Option<u32>, model: &str) -> World {
    let embedding = Some(Embedding { distance, model: model.into(), rendering: 1 });
    world.context.apply(&What::Measured { action: world.action.id.clone(), embedding }, START).unwrap();
    world
}

fn limits(lexical: (u32, u32), embedded: Option<(u32, u32)>) -> Limits {
    let of =
        |(alert, step_up), model: Option<&str>| Thresholds { alert, step_up, model: model.map(Into::into) };
    let embedded = embedded.map(|points| of(points, Some(MODEL)));
    Limits { lexical: of(lexical, None), embedded, cusum: 10_000, in_force: true }
}

fn level(world: &World) -> Option<Signal> {
    world.environment.drift.level(&world.question())
}

fn nothing() -> PolicySet {
    rules("ALLOW", &[])
}

/// SPEC R7: profiles, each with its starting points.
#[test]
fn r7_profiles_start_where_the_book_says() {
    const PAGE: &str = include_str!("../../../../docs/src/drift.md");
    let spelled = |points: u32| format!("{},{:03}", points / 1_000, points % 1_000);
    for profile in ProfileName::ALL {
        let (lexical, embedded) = (profile.lexical(), profile.embedded());
        let cells = [
            format!("`{}`", profile.as_str()),
            format!("| {}, {} |", spelled(lexical.alert), spelled(lexical.step_up)),
            format!("| {}, {} |", spelled(embedded.alert), spelled(embedded.step_up)),
            format!("| {} |", spelled(profile.cusum())),
        ];
        assert!(PAGE.lines().any(|line| cells.iter().all(|cell| line.contains(cell))), "{cells:?}");
        assert_eq!(embedded.model.as_deref(), Some(STARTING_MODEL));
    }
}

#[test]
fn r7_the_level_is_the_highest_of_what_the_distances_say() {
    let mut world = calling(nothing(), Effect::WriteOutbound, false, None);
    world.environment.drift = limits((9_000, 9_500), None);
    assert_eq!(level(&world), Some(Signal::Within));
    world.environment.drift = limits((9_000, 9_500), Some((7_000, 8_000)));
    for (distance, expected) in [(6_999, Signal::Within), (7_000, Signal::Alert), (8_000, Signal::StepUp)] {
        world = embedded(world, Some(distance), MODEL);
        assert_eq!(level(&world), Some(expected), "{distance}");
    }
    let mut far = calling(nothing(), Effect::WriteOutbound, true, None);
    far.environment.drift = limits((9_000, 9_500), Some((7_000, 8_000)));
    assert_eq!(level(&embedded(far, Some(0), MODEL)), Some(Signal::StepUp), "the lexical one is beyond");
}

#[test]
fn r7_what_is_missing_leaves_the_level_unknown_unless_it_is_exceeded_anyway() {
    let configured = limits((9_000, 9_500), Some((7_000, 8_000)));
    let world = |far| {
        let mut world = calling(nothing(), Effect::WriteOutbound, far, None);
        world.environment.drift = configured.clone();
        world
    };
    assert_eq!(level(&world(false)), None, "no distance is recorded");
    assert_eq!(level(&embedded(world(false), None, MODEL)), None, "the model failed");
    assert_eq!(level(&embedded(world(false), Some(0), "sha256:other")), None, "another model's thresholds");
    assert_eq!(level(&embedded(world(true), None, MODEL)), Some(Signal::StepUp));
    let mut without_request = World::under(nothing()).calls("files.zzz", "{}");
    without_request.environment.drift = limits((1, 1), None);
    assert_eq!(level(&without_request), None);
    let rule = "{id: far, match: {context: {risk_signals.drift.level: exceeded}}, action: DENY}";
    let mut waits = world(false);
    waits.policy = rules("ALLOW", &[rule]);
    let Decision::Defer(missing) = waits.decide().decision else { panic!("it waits") };
    let gaps: Vec<String> = missing.gaps().map(ToString::to_string).collect();
    assert_eq!(gaps, ["context.risk_signals.drift.level (not known)"]);
}

#[test]
fn r7_reading_alone_is_far_from_nothing_but_counts_in_the_sum() {
    let mut world = calling(nothing(), Effect::Read, true, None);
    world.environment.drift = limits((1, 1), Some((1, 1)));
    assert_eq!(level(&world), Some(Signal::Within));
    world.environment.drift.cusum = 1_000;
    assert_eq!(level(&world), Some(Signal::Alert), "10,000 is 1,000 above the allowance");
}

/// Distances of different models do not make one maximum.
#[test]
fn r7_the_embedded_maximum_ends_where_another_model_begins() {
    let mut world = calling(nothing(), Effect::WriteOutbound, false, None);
    let most = |world: &World| Measure::DriftEmbeddedMax.read(&world.question());
    assert_eq!(most(&world), Some(0));
    for (id, model, expected) in
        [("act_a", MODEL, Some(7_000)), ("act_b", MODEL, Some(7_000)), ("act_c", "sha256:other", None)]
    {
        world.action.id = id.into();
        world = embedded(world, Some(7_000), model);
        let (action, identity) = (Arc::new(world.action.clone()), Arc::new(world.identity.clone()));
        let _ = world.context.submit(&action, &identity, Arc::new(ruling(Decision::Allow)), START);
        assert_eq!(most(&world), expected, "{id}");
    }
}

/// Only thresholds that somebody put in force weigh on alignment; rules read the starting points all the same.
#[test]
fn r7_what_lies_too_far_is_no_longer_covered_by_the_request() {
    let lift = "{id: l, match: {}, action: DENY, classification: context_dependent_allow}";
    let policy = rules("ALLOW", &[lift]);
    let mut world = calling(policy, Effect::WriteOutbound, true, Some(intent(&["files"], &[])));
    assert_eq!(world.decide().verdict(), Verdict::StepUp);
    assert_eq!(level(&world), Some(Signal::StepUp), "by the starting points");
    world.environment.drift.in_force = true;
    assert_eq!(world.decide().because.step, Step::Baseline);
    assert_eq!(world.decide().verdict(), Verdict::Deny);
}

#[test]
fn r2_visible_the_level_is_a_fact_that_nobody_gives() {
    assert!(Fact::may_be_given("risk_signals.drift.level").is_err());
    let slip = Fact::parse(Block::Context, "risk_signals.drift.lvel").unwrap_err();
    assert_eq!(slip.hint, "did you mean `risk_signals.drift.level`?");
}

const SAYS: [&str; 8] = [
    "action: ALLOW",
    "action: DENY",
    "action: DENY, classification: context_dependent_allow",
    "action: STEP_UP",
    "action: DEFER",
    "action: MODIFY, modifications: {parameters: {limit: {max: 1}}}",
    "action: ALLOW, priority: 1",
    "action: DENY, classification: context_dependent_allow, priority: 1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// SPEC, *Aligned*: drift may turn Yes into Unknown, never anything into No. So beyond the threshold, and only where
    /// no rule reads drift, a ruling differs in one way: a denial that the request would have lifted stands.
    #[test]
    fn r7_drift_alone_denies_nothing(
        said in proptest::collection::vec(0..SAYS.len(), 0..4),
        default in prop_oneof![Just("ALLOW"), Just("DENY"), Just("STEP_UP")],
        covers in 0..3_usize,
    ) {
        let written: Vec<String> =
            said.iter().enumerate().map(|(at, n)| format!("{{id: r{at}, match: {{}}, {}}}", SAYS[*n])).collect();
        let policy = rules(default, &written.iter().map(String::as_str).collect::<Vec<_>>());
        let intent = [None, Some(intent(&["files"], &[])), Some(intent(&[], &["files"]))][covers].clone();
        let mut world = calling(policy, Effect::WriteOutbound, true, intent);
        let before = world.decide();
        world.environment.drift = limits((1, 1), None);
        prop_assert_eq!(level(&world), Some(Signal::StepUp));
        let after = world.decide();
        if before.because.step == Step::Aligned {
            prop_assert_eq!((before.verdict(), after.verdict()), (Verdict::StepUp, Verdict::Deny));
        } else {
            prop_assert_eq!(before, after);
        }
    }
}

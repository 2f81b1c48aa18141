//! Drift (R7): distances that are the same everywhere, figures that only grow less sure, and no text that costs much.

use std::sync::Arc;

use countersign_core::drift::{
    CUSUM_ALLOWANCE, Drift, FARTHEST, Profile, ProfileName, STARTING_MODEL, Signal, Thresholds,
    embedded_distance, lexical_distance, rendered,
};
use countersign_core::names::ToolName;
use proptest::prelude::*;
use serde_json::{Value, json};

fn lexical(request: &str, action: &str) -> u32 {
    lexical_distance(&Profile::of(request), &Profile::of(action))
}

fn text(tool: &str, arguments: &Value) -> String {
    rendered(&ToolName::new("any", tool), arguments)
}

#[test]
fn r7_the_same_words_are_no_distance_and_none_in_common_is_the_farthest() {
    assert_eq!(lexical("Send Bob the March figures", "send bob, the MARCH figures!"), 0);
    assert_eq!(lexical("Send Bob the March figures", "qqq zzz xxx"), FARTHEST);
    assert_eq!(lexical("", "anything"), FARTHEST);
    assert_eq!(lexical("...", "..."), FARTHEST);
    assert_eq!(
        lexical("給付金の請求書を支払う", "請求書 支払う"),
        lexical("請求書 支払う", "給付金の請求書を支払う")
    );
}

#[test]
fn r7_an_action_that_serves_the_request_lies_closer_than_one_that_does_not() {
    let request = "Please send the March figures to bob@example.com and book a room for Friday's review";
    let near = [
        text(
            "send_email",
            &json!({ "to": "bob@example.com", "subject": "March figures", "body": "Here they are" }),
        ),
        text("bookRoom", &json!({ "day": "Friday", "purpose": "review" })),
    ];
    let far = [
        text("transfer_money", &json!({ "iban": "DE89370400440532013000", "amount": 900 })),
        text("delete_branch", &json!({ "repository": "infra/prod" })),
    ];
    for near in &near {
        for far in &far {
            assert!(lexical(request, near) < lexical(request, far), "{near} / {far}");
        }
    }
}

/// These figures are what every machine gives: they change only with the formula.
#[test]
fn r7_lexical_distances_are_integers_that_do_not_depend_on_the_machine() {
    assert_eq!(lexical("pay the bill", "pay bill"), 1_177);
    assert_eq!(lexical("Grüße an Jürgen senden", "send message jürgen"), 5_000);
}

#[test]
fn an_action_is_rendered_as_the_words_of_its_tool_and_of_the_beginning_of_each_value() {
    let arguments = json!({
        "body": "one two three four five six seven eight nine ten eleven twelve thirteen",
        "count": 3, "none": null, "nested": { "deep": ["a b", true] }, "to": "bob@example.com",
    });
    assert_eq!(
        text("sendEmail_toMany/now-v2", &arguments),
        "send email to many now v2 one two three four five six seven eight nine ten eleven twelve 3 a b true bob@example.com"
    );
    assert_eq!(text("HTTPGet", &json!({})), "httpget");
}

#[test]
fn no_argument_makes_a_long_text_or_a_long_wait() {
    let wide: Value = (0..100_000).map(|n| json!([n, null, {}])).collect();
    let deep = (0..100).fold(json!("x"), |inner, _| json!({ "k": inner }));
    let words = vec!["wörter"; 100_000].join(" ");
    for arguments in [wide, deep, json!({ "w": words }), json!({ "w": "ß".repeat(1_000_000) })] {
        let text = text(&"x_".repeat(10_000), &arguments);
        assert!(text.chars().count() <= 96 * 33, "{}", text.len());
        assert!(text.split(' ').count() <= 96);
    }
}

#[test]
fn r7_vectors_of_one_direction_are_no_distance_whatever_their_length() {
    assert_eq!(embedded_distance(&[1.0, 2.0], &[2.0, 4.0]), Some(0));
    assert_eq!(embedded_distance(&[1.0, 0.0], &[0.0, 3.0]), Some(10_000));
    assert_eq!(embedded_distance(&[1.0, 0.0], &[-1.0, 0.0]), Some(10_000));
    assert_eq!(embedded_distance(&[1.0, 0.0], &[1.0, 1.0]), Some(2_929));
}

#[test]
fn r7_where_no_distance_can_be_told_there_is_none() {
    let one = [1.0_f32, 0.0];
    for other in [&[][..], &[1.0], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
        assert_eq!(embedded_distance(&one, other), None, "{other:?}");
        assert_eq!(embedded_distance(other, &one), None, "{other:?}");
    }
    assert_eq!(embedded_distance(&[], &[]), None);
    assert_eq!(embedded_distance(&[f32::MAX, f32::MAX], &[f32::MAX, f32::MAX]), Some(0));
}

#[test]
fn r7_the_running_maximum_is_over_effectful_actions() {
    let mut drift = Drift::new();
    drift.push(false, 9_900, None);
    assert_eq!(drift.running_max(), (0, Some(0)), "reads do not count, and need no vector");
    drift.push(true, 5_000, Some(6_000));
    drift.push(true, 7_000, Some(2_000));
    assert_eq!(drift.running_max(), (7_000, Some(6_000)));
    drift.push(true, 100, None);
    drift.push(true, 100, Some(9_999));
    assert_eq!(drift.running_max(), (7_000, None), "a maximum over some of them would be too small");
}

#[test]
fn r7_the_cumulative_sum_grows_with_what_is_far_and_sinks_with_what_is_near() {
    let mut drift = Drift::new();
    for _ in 0..4 {
        drift.push(false, FARTHEST, None);
    }
    assert_eq!(drift.cusum(), 4 * (FARTHEST - CUSUM_ALLOWANCE));
    drift.push(true, CUSUM_ALLOWANCE - 2_500, None);
    assert_eq!(drift.cusum(), 1_500);
    drift.push(true, 0, None);
    assert_eq!(drift.cusum(), 0);
    for _ in 0..1_000 {
        drift.push(true, u32::MAX, Some(u32::MAX));
    }
    assert_eq!((drift.cusum(), drift.running_max()), (FARTHEST, (FARTHEST, None)));
}

#[test]
fn the_running_figures_are_three_integers() {
    let mut drift = Drift::new();
    drift.push(true, 9_500, Some(4_000));
    let written = serde_json::to_value(drift).unwrap();
    assert_eq!(written, json!({ "lexical": 9_500, "embedded": 4_000, "cusum": 500 }));
    assert_eq!(serde_json::from_value::<Drift>(written).unwrap(), drift);
    assert!(serde_json::from_value::<Drift>(json!({ "lexical": 1, "cusum": 2, "other": 3 })).is_err());
}

#[test]
fn r7_thresholds_speak_of_their_own_model_alone() {
    let embedded = ProfileName::Support.embedded();
    let signals = [6_999, 7_000, 7_999, 8_000].map(|d| embedded.signal(d, Some(STARTING_MODEL)));
    let expected = [Signal::Within, Signal::Alert, Signal::Alert, Signal::StepUp];
    assert_eq!(signals, expected.map(Some));
    for model in [None, Some("sha256:another")] {
        assert_eq!(embedded.signal(9_999, model), None);
    }
    let lexical = ProfileName::Support.lexical();
    assert_eq!(lexical.signal(FARTHEST, None), Some(Signal::StepUp));
    assert_eq!(lexical.signal(FARTHEST, Some(STARTING_MODEL)), None);
}

#[test]
fn every_profile_has_thresholds_in_order_and_a_name_that_is_read_back() {
    for name in ProfileName::ALL {
        assert_eq!(ProfileName::parse(name.as_str()), Some(name));
        assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        for Thresholds { alert, step_up, .. } in [name.lexical(), name.embedded()] {
            assert!(alert <= step_up && step_up <= FARTHEST);
        }
        assert!(name.cusum() <= FARTHEST);
    }
    assert_eq!(ProfileName::parse("Support"), None);
}

proptest! {
    #[test]
    fn r7_every_distance_is_symmetric_and_in_its_range(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        let distance = lexical(&a, &b);
        prop_assert!(distance <= FARTHEST);
        prop_assert_eq!(distance, lexical(&b, &a));
        prop_assert!([0, FARTHEST].contains(&lexical(&a, &a)));
    }

    #[test]
    fn r7_every_embedded_distance_is_symmetric_and_in_its_range(
        pairs in prop::collection::vec((-1e30_f32..1e30, -1e30_f32..1e30), 0..40)
    ) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        let distance = embedded_distance(&a, &b);
        prop_assert!(distance.is_none_or(|distance| distance <= FARTHEST));
        prop_assert_eq!(distance, embedded_distance(&b, &a));
        prop_assert!(embedded_distance(&a, &a).is_none_or(|distance| distance == 0));
    }

    /// Whatever follows, a maximum never sinks, and what is unknown stays so.
    #[test]
    fn r7_running_figures_become_unknown_but_never_safer(
        actions in prop::collection::vec((any::<bool>(), 0..12_000_u32, prop::option::weighted(0.9, 0..12_000_u32)), 0..40)
    ) {
        let mut drift = Drift::new();
        for (effectful, lexical, embedded) in actions {
            let (before, known) = drift.running_max();
            drift.push(effectful, lexical, embedded);
            let (after, still) = drift.running_max();
            prop_assert!(after >= before && after <= FARTHEST && drift.cusum() <= FARTHEST);
            prop_assert!(still.is_none_or(|still| known.is_some_and(|known| still >= known)));
            if effectful {
                prop_assert!(after >= lexical.min(FARTHEST));
                prop_assert!(still.is_none_or(|still| embedded.is_some_and(|d| still >= d.min(FARTHEST))));
            }
        }
    }

    #[test]
    fn a_rendering_is_the_same_each_time(tool in "\\PC{0,30}", value in "\\PC{0,200}") {
        let arguments = json!({ "a": value, "b": [value, 1.5] });
        let name = ToolName::new(Arc::<str>::from("up"), Arc::<str>::from(tool));
        prop_assert_eq!(rendered(&name, &arguments), rendered(&name, &arguments));
    }
}

//! Laws: loading never panics, and three-valued logic is what it is called.

use countersign_core::decision::{Match, Missing, Why};
use countersign_core::policy::{PolicySet, load};
use proptest::prelude::*;

use crate::world::{World, set};

fn three_valued() -> impl Strategy<Value = Match> {
    prop_oneof![
        Just(Match::Yes),
        Just(Match::No),
        prop::sample::select(vec!["a", "b", "c"]).prop_map(|n| Match::Unknown(Missing::fact(n, Why::Absent))),
    ]
}

/// Text that is often nearly a policy.
fn nearly_policy() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1",
        "default: DENY",
        "rules:",
        "- id: r",
        "match:",
        "tool: x",
        "parameters:",
        "context:",
        "a.b: c",
        "action: MODIFY",
        "modifications:",
        "effect:",
        "set_context:",
        "timeout: 1",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "- ",
        "&a ",
        "*a",
        "!!str ",
        "'",
        "\"",
        "|",
        ">",
        "#",
        "?",
        "<<: *a",
        "{gt: 1}",
        "matches: '('",
        "1e999",
        "0x",
        "007",
        "\u{feff}",
        "\u{0}",
        "é",
        "---",
        "...",
        "%YAML 1.2",
        "\t",
        ",",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn loading_random_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load("f", &bytes);
    }

    #[test]
    fn loading_what_is_nearly_a_policy_never_panics_and_places_lie_in_the_file(text in nearly_policy()) {
        if let Err(faults) = PolicySet::assemble(vec![("f".into(), text.clone().into_bytes())]) {
            prop_assert!(!faults.is_empty());
            let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
            for fault in faults {
                prop_assert!(fault.line <= lines + 1, "{fault}");
            }
        }
    }

    #[test]
    fn and_and_or_are_commutative_associative_and_idempotent(a in three_valued(), b in three_valued(), c in three_valued()) {
        prop_assert_eq!(a.clone().and(b.clone()), b.clone().and(a.clone()));
        prop_assert_eq!(a.clone().or(b.clone()), b.clone().or(a.clone()));
        prop_assert_eq!(a.clone().and(b.clone()).and(c.clone()), a.clone().and(b.clone().and(c.clone())));
        prop_assert_eq!(a.clone().or(b.clone()).or(c.clone()), a.clone().or(b.clone().or(c)));
        prop_assert_eq!(a.clone().and(a.clone()), a.clone());
        prop_assert_eq!(a.clone().or(a.clone()), a);
    }

    #[test]
    fn yes_and_no_are_neutral_and_settle(a in three_valued()) {
        prop_assert_eq!(a.clone().and(Match::Yes), a.clone());
        prop_assert_eq!(a.clone().or(Match::No), a.clone());
        prop_assert_eq!(a.clone().and(Match::No), Match::No);
        prop_assert_eq!(a.or(Match::Yes), Match::Yes);
    }

    /// What is asked of a list by ALLOW never holds where the same asked by DENY does not.
    #[test]
    fn an_allow_is_never_easier_to_meet_than_a_denial(
        list in prop::collection::vec(prop::sample::select(vec!["\"a\"", "\"b\"", "\"A\"", "1", "null", "[\"a\"]"]), 0..4),
        test in prop::sample::select(vec!["a", "{ne: a}", "[a, b]", "{contains: a}", "{matches: a}", "{gt: 0}", "{in: [1]}"]),
    ) {
        let world = World::new().sends(&format!("{{\"to\": [{}]}}", list.join(",")));
        let rule = |action: &str| format!("{{id: r, match: {{parameters.to: {test}}}, action: {action}}}");
        let (allow, deny) = (world.asked_of(&set(&rule("ALLOW"))).0, world.asked_of(&set(&rule("DENY"))).0);
        prop_assert!(allow != Match::Yes || deny == Match::Yes, "{list:?} {test}: {allow:?} {deny:?}");
    }

    #[test]
    fn whether_an_address_is_external_never_panics_and_one_outsider_makes_all_outside(text in "[ -~]{0,40}") {
        let rule = "{id: r, match: {parameters.to: {external: true}}, action: DENY}";
        let policy = set(rule);
        let with = |text: &str| {
            World::new().sends(&serde_json::json!({"to": text}).to_string()).asked_of(&policy).0
        };
        let _ = with(&text);
        prop_assert_eq!(with(&format!("{text} eve@evil.com")), Match::Yes);
        prop_assert_eq!(with(&format!("eve@evil.com, {text}")), Match::Yes);
    }
}

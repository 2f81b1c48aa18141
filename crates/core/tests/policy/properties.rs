//! Laws: loading never panics, and three-valued logic is what it is called.

use std::collections::BTreeSet;

use countersign_core::decision::{Match, Missing, Why};
use countersign_core::policy::{PolicySet, load};
use proptest::prelude::*;

use crate::world::{World, assemble, set};

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

/// Rules about one tool that ask the same facts in different ways, many of them.
fn crowded() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        "[a-c]{1,2}".prop_map(|text| format!("parameters.a: {text}")),
        "[a-c]{1,2}".prop_map(|text| format!("parameters.a: [{text}, b]")),
        "[a-c]{1,2}".prop_map(|text| format!("parameters.a: {{contains: {text}}}")),
        "[a-c]{1,2}".prop_map(|text| format!("parameters.a: {{matches: '^{text}'}}")),
        "[a-c]{1,2}".prop_map(|text| format!("parameters.a: {{starts_with: {text}}}")),
        (-2..3_i32).prop_map(|n| format!("parameters.b: {{gt: {n}}}")),
        (-2..3_i32).prop_map(|n| format!("parameters.b: {{lte: {n}.5}}")),
        (0..3_u32).prop_map(|n| format!("context.action_count: {{gte: {n}}}")),
        "[a-c]".prop_map(|text| format!("identity.human: {text}")),
        Just("parameters.c: {exists: true}".to_owned()),
    ];
    let action = prop_oneof![Just("DENY"), Just("ALLOW"), Just("STEP_UP"), Just("DEFER")];
    let rule = (proptest::collection::vec(test, 0..3), action);
    proptest::collection::vec(rule, 1..40).prop_map(|rules| {
        let mut text = "version: 1\ndefault: DENY\nrules:\n".to_owned();
        for (n, (tests, action)) in rules.iter().enumerate() {
            // One key a rule: the same name twice is a fault.
            let tests: std::collections::BTreeMap<&str, &str> =
                tests.iter().filter_map(|test| test.split_once(": ")).collect();
            let tests: Vec<String> = tests.iter().map(|(name, test)| format!("{name}: {test}")).collect();
            text += &format!(
                "- {{id: r{n}, match: {{tool: mail.send, {}}}, action: {action}}}\n",
                tests.join(", ").trim_end()
            );
        }
        text.replace(", }", "}")
    })
}

fn argument() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-cA-C]{0,3}".prop_map(|text| format!("\"{text}\"")),
        (-3..4_i32).prop_map(|n| n.to_string()),
        Just("[\"a\", \"bc\", 1]".to_owned()),
        Just("null".to_owned()),
        Just("2.5".to_owned()),
    ];
    proptest::collection::btree_map("[a-c]", value, 0..3).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", members.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The index only ever leaves out rules that are `No`.
    #[test]
    fn rules_that_the_index_leaves_out_do_not_hold(text in crowded(), arguments in argument()) {
        let policy = assemble(&text);
        let world = World::new().sends(&arguments);
        let left_out = world.ask(&policy, |question| {
            let found = policy.rules_for(question, &mut BTreeSet::new());
            let about = policy.rules_about(&world.action.tool).into_iter();
            let left_out = about.filter(|rule| !found.iter().any(|kept| kept.id == rule.id));
            left_out.map(|rule| (rule.id.clone(), rule.matches(question, &mut BTreeSet::new()))).collect::<Vec<_>>()
        });
        for (rule, holds) in left_out {
            prop_assert!(holds == Match::No, "{rule} {holds:?}\n{text}");
        }
    }
}

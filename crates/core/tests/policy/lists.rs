//! Lists and sets: any element restricts, every element allows.

use crate::world::World;

fn both(world: &World, block: &str) -> (String, String) {
    let rule = |action: &str| format!("{{id: r, match: {block}, action: {action}}}");
    (world.says(&rule("DENY")), world.says(&rule("ALLOW")))
}

#[test]
fn any_element_restricts_and_every_element_allows() {
    let wrong = "unknown: parameters.to (of another type than the rule compares with)";
    for (list, block, deny, allow) in [
        (r#"["a", "b"]"#, "{parameters.to: a}", "yes", "no"),
        (r#"["a", "a"]"#, "{parameters.to: a}", "yes", "yes"),
        (r"[]", "{parameters.to: a}", "no", "no"),
        (r"[]", "{parameters.to: {ne: a}}", "no", "no"),
        (r#"["a", "b"]"#, "{parameters.to: {ne: a}}", "yes", "no"),
        (r#"["a", "b"]"#, "{parameters.to: [a, b, c]}", "yes", "yes"),
        (r#"["a", "b"]"#, "{parameters.to: {eq: [a, b]}}", "yes", "yes"),
        (r#"["b", "a"]"#, "{parameters.to: {eq: [a, b]}}", "no", "no"),
        (r#"["a", 1]"#, "{parameters.to: a}", "yes", wrong),
        (r#"["b", 1]"#, "{parameters.to: a}", wrong, "no"),
        (r#"["a", ["a"]]"#, "{parameters.to: a}", "yes", wrong),
        ("[1, 5]", "{parameters.to: {gt: 3}}", "yes", "no"),
        ("[4, 5]", "{parameters.to: {gt: 3}}", "yes", "yes"),
        (r#"["x@EVIL.com"]"#, "{parameters.to: {contains: evil.com}}", "yes", "no"),
        (r#"["boss", "bosses"]"#, "{parameters.to: {contains: boss}}", "yes", "no"),
        (r#"["boss"]"#, "{parameters.to: {contains: [boss, chief]}}", "yes", "yes"),
        (r#"["a@example.com", "b@evil.com"]"#, "{parameters.to: {external: true}}", "yes", "no"),
        (r#"["a@example.com", "b@evil.com"]"#, "{parameters.to: {external: false}}", "yes", "no"),
        (r#"["a@example.com", "b@example.com"]"#, "{parameters.to: {external: false}}", "yes", "yes"),
    ] {
        let world = World::new().sends(&format!("{{\"to\": {list}}}"));
        assert_eq!(both(&world, block), (deny.into(), allow.into()), "{block} on {list}");
    }
}

#[test]
fn only_allow_is_the_other_way_round() {
    let world = World::new().sends(r#"{"to": ["a", "b"]}"#);
    for action in [
        "action: DENY",
        "action: STEP_UP",
        "action: DEFER",
        "action: MODIFY, modifications: {parameters: {x: 1}}",
        "effect: {set_context: {x: 1}}",
    ] {
        assert_eq!(
            world.says(&format!("{{id: r, match: {{parameters.to: a}}, {action}}}")),
            "yes",
            "{action}"
        );
    }
}

#[test]
fn contains_ignores_case_where_it_restricts_and_not_where_it_allows() {
    let world = World::new().sends(r#"{"subject": "URGENT: pay"}"#);
    assert_eq!(both(&world, "{parameters.subject: {contains: urgent}}"), ("yes".into(), "no".into()));
    assert_eq!(both(&world, "{parameters.subject: {contains: URGENT}}"), ("yes".into(), "yes".into()));
}

#[test]
fn a_level_of_classification_covers_those_above_it_where_it_restricts() {
    for (seen, block, deny, allow) in [
        (&[][..], "CONFIDENTIAL", "no", "no"),
        (&["PUBLIC"], "CONFIDENTIAL", "no", "no"),
        (&["CONFIDENTIAL"], "CONFIDENTIAL", "yes", "yes"),
        (&["RESTRICTED"], "CONFIDENTIAL", "yes", "no"),
        (&["restricted"], "CONFIDENTIAL", "yes", "no"),
        (&["PII"], "[PII, PHI]", "yes", "yes"),
        (&["PII", "INTERNAL"], "[PII, PHI]", "yes", "no"),
        (&["PII", "INTERNAL"], "{contains: [PII, INTERNAL]}", "yes", "yes"),
        (&["RESTRICTED"], "PII", "no", "no"),
        (&["PII"], "{ne: PII}", "no", "no"),
        (&["PII"], "{ne: PHI}", "yes", "yes"),
        (&["RESTRICTED"], "{ne: CONFIDENTIAL}", "yes", "no"),
        (&["PII-EU"], "{matches: '^PII'}", "yes", "yes"),
        (&[], "{exists: true}", "yes", "yes"),
    ] {
        let world = World::seen(seen);
        let block = format!("{{context: {{data_classification: {block}}}}}");
        assert_eq!(both(&world, &block), (deny.into(), allow.into()), "{block} having seen {seen:?}");
    }
}

#[test]
fn what_principals_saw_elsewhere_counts_where_the_session_inherits() {
    let block = "{context.session_accessed_data: PII}";
    assert_eq!(both(&World::with(&[], true).human_saw("PII"), block).0, "yes");
    assert_eq!(both(&World::with(&[], false).human_saw("PII"), block).0, "no");
    assert_eq!(both(&World::with(&["PII"], true).human_saw("PHI"), block).1, "no");
}

#[test]
fn a_delegation_is_trusted_as_a_whole_or_not_at_all() {
    let mut world = World::new();
    let party = countersign_core::identity::Party::named;
    world.identity.delegation = vec![party("broker"), party("untrusted-broker")];
    assert_eq!(both(&world, "{identity.delegation: broker}"), ("yes".into(), "no".into()));
    world.identity.delegation = vec![party("untrusted-broker")];
    assert_eq!(both(&world, "{identity.delegation: {contains: broker}}"), ("yes".into(), "no".into()));
}

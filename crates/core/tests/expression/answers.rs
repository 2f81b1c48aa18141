//! What expressions say.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::decision::{Decision, Match, Why};
use countersign_core::lifecycle::Limits;
use countersign_core::session::{Context, Opened};
use countersign_testkit::builders::{World, action, facts, opened, ruling, second};
use serde_json::json;

use crate::{asked, compiled, gaps, lacks, world};

const ARGUMENTS: &str = r#"{
    "to": ["bob@example.com", "eve@evil.example"], "subject": "Quarterly figures", "amount": 250.50, "count": 3,
    "flag": true, "nothing": null, "nested": {"a": [{"price": 5, "name": "pen"}, {"price": 7, "name": "ink"}]},
    "reply-to": "x@example.com", "mixed": [1, "a"], "empty": [], "query": "DROP TABLE users", "word": "7",
    "link": "https://files.example.com/a", "big": 18446744073709551615, "huge": 18446744073709551616
}"#;

fn says(text: &str) -> Match {
    asked(&world(ARGUMENTS), text)
}

#[test]
fn r3_params_conditions_over_arguments_are_answered() {
    for text in [
        "parameters.amount > 250 && parameters.amount <= 250.5",
        "parameters.subject.startsWith('Quarter') && parameters.subject.contains('ly f')",
        "parameters.subject.endsWith(\"figures\") && parameters.subject.size() == 17",
        "parameters.subject.lowerAscii() == 'quarterly figures'",
        "parameters.subject.matches('(?i)^QUARTER') && matches(parameters.subject, r'\\w+ \\w+')",
        "parameters.to[0] == 'bob@example.com' && parameters.to[parameters.count - 2] == 'eve@evil.example'",
        "'bob@example.com' in parameters.to && !('x' in parameters.to)",
        "parameters['reply-to'] == 'x@example.com'",
        "parameters.nested.a[1].price * 2 + 1 == 15",
        "parameters.nested.a.exists(i, i.price > 6) && !parameters.nested.a.all(i, i.price > 6)",
        "parameters.nested.a.exists_one(i, i['name'] == 'pen')",
        "parameters.nested.a.map(i, i.price) == [5, 7]",
        "parameters.nested.a.map(i, i.price > 5, i.name) == ['ink']",
        "parameters.nested.a.filter(i, i.price > 5).size() == 1",
        "parameters.nested.a[0].exists(k, k == 'price') && 'name' in parameters.nested.a[0]",
        "parameters.nested.a.all(i, parameters.nested.a.exists(j, j.price >= i.price))",
        "parameters.flag && parameters.flag == true",
        "parameters.nothing == null && parameters.subject != null",
        "parameters.flag ? parameters.count == 3 : parameters.absent",
        "int(parameters.word) == 7 && double(parameters.word) == 7.0 && string(parameters.count) == '3'",
        "int(parameters.amount) == 250 && parameters.count % 2 == 1 && -parameters.count < 0",
        "parameters.subject + '!' == 'Quarterly figures!' && parameters.empty + [1] == [1]",
        "size(parameters.to) == 2 && size(parameters.nested) == 1",
        "parameters.empty.all(x, x == 1) && !parameters.empty.exists(x, x == 1)",
        "parameters.subject > 'Q' && parameters.subject < 'R'",
        "tool.upstream == 'mail' && tool.name == 'mail.send' && operation == 'send' && parameters.flag",
        "identity.human == 'alice' && identity.agent == 'bot' && context.ticket == 'T-1'",
        "context.action_count == 0 && session.actions['mail.send'] == 0 && context.denied_count < 1",
    ] {
        assert_eq!(says(text), Match::Yes, "{text}");
        assert_eq!(says(&format!("!({text})")), Match::No, "{text}");
    }
}

#[test]
fn numbers_are_compared_and_reckoned_by_value() {
    for text in [
        "parameters.count == 3.0 && parameters.count + 0.0 == 3",
        "parameters.amount + 0.1 == 250.6 && parameters.amount * 2 == 501",
        "0.1 + 0.2 == 0.3 && parameters.flag",
        "parameters.big == 18446744073709551615 && parameters.big > 18446744073709551614",
        "parameters.big + 1 > 18446744073709551615",
        "parameters.huge > 5",
    ] {
        assert_eq!(says(text), Match::Yes, "{text}");
    }
    for text in [
        "parameters.huge == 18446744073709551615",
        "parameters.huge > parameters.big",
        "parameters.huge + 1 > 0",
    ] {
        assert!(lacks(&says(text), "parameters.huge", Why::Absent), "{text}: {:?}", says(text));
    }
}

/// The specification's three values, for every pair and both orders.
#[test]
fn r3_missing_what_cannot_change_the_answer_is_not_waited_for() {
    let value = |match_: &str| match match_ {
        "Y" => "parameters.flag",
        "N" => "!parameters.flag",
        _ => "parameters.absent",
    };
    let plain = |answer: Match| match answer {
        Match::Yes => "Y",
        Match::No => "N",
        Match::Unknown(_) => "U",
    };
    for (a, b, and, or) in [
        ("Y", "Y", "Y", "Y"),
        ("Y", "N", "N", "Y"),
        ("N", "N", "N", "N"),
        ("Y", "U", "U", "Y"),
        ("N", "U", "N", "U"),
        ("U", "U", "U", "U"),
    ] {
        for (a, b) in [(a, b), (b, a)] {
            let (x, y) = (value(a), value(b));
            assert_eq!(plain(says(&format!("{x} && {y}"))), and, "{a} && {b}");
            assert_eq!(plain(says(&format!("{x} || {y}"))), or, "{a} || {b}");
            assert_eq!(says(&format!("{x} && {y}")), says(&format!("{y} && {x}")), "{a} && {b}");
            assert_eq!(says(&format!("{x} || {y}")), says(&format!("{y} || {x}")), "{a} || {b}");
        }
    }
    assert_eq!(plain(says("!parameters.absent")), "U");
    assert_eq!(plain(says("parameters.absent ? parameters.flag : true")), "Y");
    assert_eq!(plain(says("parameters.absent ? parameters.flag : false")), "U");
    assert_eq!(plain(says("parameters.to.exists(t, t == 'bob@example.com' || parameters.absent)")), "Y");
    assert_eq!(plain(says("parameters.to.all(t, t == 'bob@example.com' && parameters.absent)")), "N");
    assert_eq!(plain(says("parameters.to.all(t, parameters.absent)")), "U");
    assert_eq!(plain(says("parameters.mixed.exists(m, m == 'a')")), "Y");
    assert_eq!(plain(says("parameters.mixed.exists(m, m == 'b')")), "U");
    assert_eq!(plain(says("parameters.to.exists_one(t, t.contains('@') || parameters.absent)")), "N");
}

#[test]
fn r3_missing_names_exactly_what_is_missing() {
    assert_eq!(
        gaps(&says("parameters.a == 1 && context.b == 'x'")),
        ["context.b (not known)", "parameters.a (not known)"]
    );
    assert_eq!(
        gaps(&says("parameters.a + parameters.b > parameters.count")),
        ["parameters.a (not known)", "parameters.b (not known)"]
    );
    assert!(lacks(&says("parameters.nested.a.all(i, i.weight > 1)"), "parameters.nested.a", Why::Absent));
    assert!(lacks(
        &says("parameters.nested.a.all(i, [1, 2][i.price] > 1)"),
        "parameters.nested.a",
        Why::Absent
    ));
    assert!(lacks(&says("parameters.to[7] == 'x'"), "parameters.to.7", Why::Absent));
}

#[test]
fn values_of_different_types_are_never_unequal() {
    for text in [
        "parameters.subject == 5",
        "parameters.subject != 5",
        "parameters.count < 'a'",
        "parameters.flag == 'true'",
        "parameters.mixed == ['a', 1]",
        "parameters.count.contains('3')",
        "parameters.subject.exists(c, c == 'Q')",
        "parameters.subject in [1, 2]",
        "'a' in parameters.subject",
        "parameters.count && true",
        "parameters.subject ? true : false",
        "parameters.subject * 2 > 1",
        "parameters.nested.a.exists(i, i.name.first == 'x')",
        "int(parameters.subject) == 1",
    ] {
        let answer = says(text);
        assert!(matches!(&answer, Match::Unknown(_)), "{text}: {answer:?}");
        assert!(gaps(&answer).iter().all(|gap| gap.contains("another type")), "{text}: {:?}", gaps(&answer));
    }
    assert_eq!(
        says("parameters.mixed == ['a']"),
        Match::No,
        "lists of different length differ whatever is in them"
    );
}

#[test]
fn exists_and_unknown_make_absence_an_answer() {
    for text in [
        "exists(parameters.subject) && !exists(parameters.absent)",
        "exists(parameters.nothing) && !unknown(parameters.nothing)",
        "unknown(parameters.absent) && !unknown(parameters.count)",
        "!exists(context.window) && unknown(context.window) && exists(context.ticket)",
        "exists(parameters.nested.a[1].name) && !exists(parameters.nested.a[2])",
        "!exists(parameters.absent) || parameters.absent > 5",
        "exists(sql(parameters.query).kinds) && !unknown(url(parameters.link).host)",
    ] {
        assert_eq!(says(text), Match::Yes, "{text}");
    }
    assert!(
        matches!(says("exists(url(parameters.count).host)"), Match::Unknown(_)),
        "not known is not absent"
    );
    assert_eq!(says("exists(url(parameters.absent).host)"), Match::No);
    assert_eq!(says("unknown(url(parameters.count).host)"), Match::Yes);
}

#[test]
fn a_stale_fact_is_missing() {
    let mut world = world("{}");
    world.context.apply(&facts(&[("window", json!(true))], second(5)), world.now).unwrap();
    assert_eq!(asked(&world, "context.window"), Match::Yes);
    world.now = second(5);
    assert!(lacks(&asked(&world, "context.window"), "context.window", Why::Stale));
}

#[test]
fn facets_are_read_like_facts() {
    for text in [
        "'drop' in sql(parameters.query).kinds",
        "sql(parameters.query).kinds.exists(k, k == 'drop')",
        "url(parameters.link).host == 'files.example.com' && url(parameters.link).host.endsWith('.example.com')",
        "size(parameters.subject).bytes == 17",
        "parameters.to.exists(t, 'evil.example' in email(t).domains)",
        "!path('/tmp/../etc/passwd').absolute || size(parameters.to).items == 2",
    ] {
        assert_eq!(says(text), Match::Yes, "{text}");
    }
    assert_eq!(gaps(&says("url(parameters.count).host == 'x'")), ["url(parameters.count).host (not known)"]);
    assert_eq!(gaps(&says("url(parameters.absent).host == 'x'")), ["parameters.absent (not known)"]);
    let mut read = BTreeSet::new();
    let world = world(ARGUMENTS);
    let _ = compiled("'drop' in sql(parameters.query).kinds").holds(&world.question(), &mut read);
    assert_eq!(read.iter().map(|name| &**name).collect::<Vec<_>>(), ["parameters.query"]);
}

#[test]
fn what_is_read_is_recorded_and_what_is_not_is_not() {
    let expression = compiled("parameters.flag || parameters.count == 3 || identity.human == 'x'");
    let all: Vec<_> = expression.facts().iter().map(|fact| fact.name().to_string()).collect();
    assert_eq!(all, ["parameters.flag", "parameters.count", "identity.human"]);
    let mut read = BTreeSet::new();
    let world = world(ARGUMENTS);
    assert_eq!(expression.holds(&world.question(), &mut read), Match::Yes);
    assert_eq!(read.iter().map(|name| &**name).collect::<Vec<_>>(), ["parameters.flag"]);
    assert_eq!(expression.to_string(), "parameters.flag || parameters.count == 3 || identity.human == 'x'");
}

/// A session that begins with labels and in which a tool was used.
fn grown() -> World {
    let mut world = world("{}");
    let opened =
        Opened { labels: ["RESTRICTED".into(), "PII".into()].into(), ..opened("ses_1", "alice", "bot") };
    world.context = Context::new(opened, world.now, Limits::default());
    let (earlier, identity) =
        (Arc::new(action("act_0", "files.read", "{}")), Arc::new(world.identity.clone()));
    let _ = world.context.submit(&earlier, &identity, Arc::new(ruling(Decision::Allow)), world.now);
    world
}

#[test]
fn tools_and_labels_are_found_by_what_bears_them() {
    let labelled = grown();
    for text in [
        "'PII' in context.data_classification && 'pii' in context.data_classification",
        "context.data_classification.reaches('CONFIDENTIAL') && context.data_classification.reaches('RESTRICTED')",
        "'read' in context.prior_actions && 'files' in context.prior_actions && 'files.read' in context.prior_actions",
        "context.prior_actions.exists(t, t == 'files.read') && session.actions['files.read'] == 1",
        "!('send' in context.prior_actions)",
        "context.data_classification.exists(l, l == 'RESTRICTED') && size(context.data_classification) == 2",
    ] {
        assert_eq!(asked(&labelled, text), Match::Yes, "{text}");
    }
    assert_eq!(asked(&labelled, "context.data_classification.exists(l, l == 'CONFIDENTIAL')"), Match::No);
    let fresh = world("{}");
    assert_eq!(asked(&fresh, "'read' in context.prior_actions"), Match::No);
    assert_eq!(asked(&fresh, "context.data_classification.reaches('INTERNAL')"), Match::No);
}

#[test]
fn macros_walk_over_ten_thousand_elements_and_no_more() {
    let many = |count: usize| json!({ "list": vec![1; count] }).to_string();
    assert_eq!(asked(&world(&many(10_000)), "parameters.list.all(x, x == 1)"), Match::Yes);
    assert!(matches!(asked(&world(&many(10_001)), "parameters.list.all(x, x == 1)"), Match::Unknown(_)));
    assert_eq!(asked(&world(&many(10_001)), "size(parameters.list) == 10001"), Match::Yes);
}

//! What was permitted, asked by value: sequences, rates and the sums of counters, as rules ask for them.

use std::sync::Arc;

use countersign_core::action::{Action, Contract};
use countersign_core::decide::Question;
use countersign_core::decision::{Approvers, Decision, Match, Missing, Ruling, Why};
use countersign_core::depend::names_tool;
use countersign_core::edits::Edit;
use countersign_core::lifecycle::{Answer, Input, Output};
use countersign_core::names::ToolName;
use countersign_core::policy::PolicySet;
use countersign_core::session::counters::items;
use countersign_core::session::usage::{rate, sum, sum_with};
use countersign_core::session::{
    Add, Amount, Change, Context, ContextLimits, CounterDefinition, Decimal, Entry, Outcome, Per, Permitted,
    Principal, SequenceQuery, Shared, Status, Total, What,
};
use countersign_core::time::Span;
use countersign_testkit::builders::{World, action, edits, identity, outcome, policy, ruling, second};
use serde_json::{Value, json};

use super::folds::begin;

/// A session, its human, and what was asked of them.
struct Desk {
    world: World,
    chain: Vec<Entry>,
    changes: Vec<Change>,
    second: i64,
}

impl Desk {
    fn within(bounds: ContextLimits) -> Self {
        let mut world = World::under(counting(&[]));
        world.context = begin(bounds);
        Self { world, chain: Vec::new(), changes: Vec::new(), second: 0 }
    }

    fn new() -> Self {
        Self::within(ContextLimits::default())
    }

    fn at(&mut self, second: i64) -> &mut Self {
        self.second = second;
        self
    }

    fn ruled(&mut self, id: &str, name: &str, arguments: &str, ruling: Ruling) -> Output {
        let (action, who) = (Arc::new(action(id, name, arguments)), Arc::new(identity("alice", "bot")));
        let now = second(self.second);
        let (output, change) = self.world.context.submit(&action, &who, Arc::new(ruling), now);
        let Output::Record(transition) = output else { panic!("{output:?}") };
        self.keep(change, What::Submitted { action: Arc::clone(&action), identity: who, transition });
        self.world.context.handle(&action.id, Input::Recorded, now).0
    }

    fn keep(&mut self, change: Change, what: What) {
        self.world.human.apply(&change);
        self.changes.push(change);
        self.chain.push(Entry { at: second(self.second), what, erased: false });
    }

    /// Decides, and permits what is allowed; it is in flight from then on.
    fn permits(&mut self, id: &str, name: &str, arguments: &str) -> &mut Self {
        let counted = {
            let action = action(id, name, arguments);
            let question = self.asks(&action);
            let decided = countersign_core::decide::decide(&question);
            assert_eq!(decided.decision, Decision::Allow);
            decided
        };
        let _ = self.ruled(id, name, arguments, counted);
        self
    }

    fn goes_on(&mut self, id: &str, input: Input) -> &mut Self {
        let now = second(self.second);
        let (output, change) = self.world.context.handle(&id.into(), input, now);
        let Output::Record(transition) = output else { panic!("{output:?}") };
        self.keep(change, What::Moved { action: id.into(), transition });
        let _ = self.world.context.handle(&id.into(), Input::Recorded, now);
        self
    }

    fn ends(&mut self, id: &str, status: Status, output: Option<&str>) -> &mut Self {
        let output = output.map(Into::into);
        self.goes_on(id, Input::Settled(Outcome { output, ..outcome(status, &[]) }))
    }

    fn asks<'a>(&'a self, action: &'a Action) -> Question<'a> {
        Question { action, now: second(self.second), ..self.world.question() }
    }

    /// Whether a mail to `to` comes after an action of `after` that shares its `owner`.
    fn sequence(
        &self,
        after: &str,
        bounds: (Option<u64>, Option<i64>),
        shares: &[(&str, &str)],
        now: &str,
    ) -> Match {
        let action = action("act_now", "mail.send", now);
        let shares: Vec<Shared> = shares.iter().map(|(a, b)| Shared::new(a, b).unwrap()).collect();
        let after = |earlier: &Permitted| names_tool(after, earlier.tool());
        let query = SequenceQuery {
            after: &after,
            within_actions: bounds.0,
            within: bounds.1.map(Span::seconds),
            shares: &shares,
            every: false,
        };
        self.world.context.history().sequence(&query, &self.asks(&action))
    }

    fn rate(&self, per: Per, name: &str, window: i64) -> Result<u64, Missing> {
        let named = |tool: &ToolName| names_tool(name, tool);
        rate(&self.asks(&self.world.action), per, Some(&named), Some(Span::seconds(window)))
    }

    fn sum(&self, per: Per, counter: &str, window: Option<i64>) -> Option<String> {
        let sum = sum(&self.asks(&self.world.action), per, counter, window.map(Span::seconds));
        if let Err(missing) = &sum {
            assert_eq!(*missing, Missing::fact(format!("{}.sums.{counter}", per.as_str()), Why::Absent));
        }
        sum.ok().map(|sum| sum.to_string())
    }

    /// The session's sums, and that its only human's are the same.
    fn sums(&self, counter: &str) -> Option<String> {
        let own = self.sum(Per::Session, counter, None);
        assert_eq!(own, self.sum(Per::Human, counter, None));
        own
    }

    /// What a restart gives.
    fn replayed(&self, bounds: ContextLimits, erased: &[usize]) -> Context {
        let mut context = begin(bounds);
        for (n, entry) in self.chain.iter().enumerate() {
            context.replay(&Entry { erased: erased.contains(&n), ..entry.clone() }).unwrap();
        }
        context
    }
}

/// Rules under a policy that counts.
fn counting(list: &[&str]) -> PolicySet {
    let rules: String = list.iter().map(|rule| format!("\n  - {rule}")).collect();
    let rules = if rules.is_empty() { " []".to_owned() } else { rules };
    policy(&format!("{COUNTERS}rules:{rules}\n"))
}

const COUNTERS: &str = "
version: 1
default: ALLOW
counters:
  moved: {tool: pay.transfer, add: parameters.order.amount}
  mails: {tool: mail, add: 1}
  sent: {tool: mail.send, add: 'size: parameters.body'}
  rows: {tool: db.query, add: result.items}
  bytes: {tool: db.query, add: result.bytes, at_most: 100}
  all: {add: 1}
";

fn counters() -> Vec<CounterDefinition> {
    counting(&[]).counters().to_vec()
}

fn counter(name: &str) -> CounterDefinition {
    counters().into_iter().find(|counter| &*counter.name == name).unwrap()
}

fn unknown(name: &str) -> Match {
    Match::Unknown(Missing::fact(name, Why::Absent))
}

#[test]
fn a_sequence_is_asked_within_actions_within_time_and_by_shared_values() {
    let mut desk = Desk::new();
    desk.permits("act_1", "crm.read", r#"{"owner": "bob@x", "id": 7}"#).at(10);
    desk.permits("act_2", "files.read", "{}").at(40);
    let to = r#"{"to": ["eve@x", "bob@x"], "ref": "7"}"#;
    for (after, bounds, shares, expected) in [
        ("crm.read", (None, None), &[][..], Match::Yes),
        ("crm", (Some(2), None), &[], Match::Yes),
        ("read", (Some(1), None), &[], Match::Yes),
        ("crm", (Some(1), None), &[], Match::No),
        ("crm", (Some(0), None), &[], Match::No),
        ("crm", (None, Some(40)), &[], Match::Yes),
        ("crm", (None, Some(39)), &[], Match::No),
        ("mail.send", (None, None), &[], Match::No),
        ("crm", (None, None), &[("owner", "to")], Match::Yes),
        ("crm", (None, None), &[("owner", "to"), ("id", "ref")], Match::Yes),
        ("crm", (None, None), &[("owner", "to"), ("id", "to")], Match::No),
        ("read", (Some(1), None), &[("owner", "to")], Match::No),
        ("crm", (None, None), &[("owner", "cc")], unknown("parameters.cc")),
        // What no earlier action stands before, no shared value is asked for.
        ("pay", (None, None), &[("owner", "cc")], Match::No),
    ] {
        assert_eq!(desk.sequence(after, bounds, shares, to), expected, "{after} {bounds:?} {shares:?}");
    }
}

#[test]
fn a_sequence_counts_what_is_in_flight_or_failed_and_not_what_was_never_sent() {
    let mut desk = Desk::new();
    let stands = |desk: &Desk| desk.sequence("crm.read", (None, None), &[], "{}");
    desk.permits("act_1", "crm.read", "{}");
    assert_eq!(stands(&desk), Match::Yes, "in flight");
    desk.ends("act_1", Status::NothingSent, None);
    assert_eq!(stands(&desk), Match::No, "given back");
    desk.permits("act_2", "crm.read", "{}").ends("act_2", Status::Unknown, None);
    assert_eq!(stands(&desk), Match::Yes);
    desk.ends("act_2", Status::NothingSent, None);
    assert_eq!(stands(&desk), Match::No, "a late report gives back, too");
    desk.permits("act_3", "crm.read", "{}").ends("act_3", Status::Error, None);
    assert_eq!(stands(&desk), Match::Yes);
    let mut refused = Desk::new();
    let _ = refused.ruled("act_1", "crm.read", "{}", ruling(Decision::Deny));
    let _ = refused.ruled("act_2", "crm.read", "{}", ruling(Decision::StepUp(Approvers::default())));
    assert_eq!(stands(&refused), Match::No);
}

#[test]
fn r2_bounded_a_sequence_that_reaches_beyond_what_is_kept_is_unknown_never_no() {
    let mut desk = Desk::within(ContextLimits { history: 2, ..ContextLimits::default() });
    desk.permits("act_1", "crm.read", "{}").at(10).permits("act_2", "f.read", "{}");
    desk.at(20).permits("act_3", "f.read", "{}").at(30);
    let asks = |desk: &Desk, actions, seconds| desk.sequence("crm", (actions, seconds), &[], "{}");
    assert_eq!(asks(&desk, Some(2), None), Match::No);
    assert_eq!(asks(&desk, Some(3), None), unknown("context.history"));
    assert_eq!(asks(&desk, None, Some(29)), Match::No);
    assert_eq!(asks(&desk, None, Some(30)), unknown("context.history"));
    assert_eq!(asks(&desk, Some(2), Some(30)), Match::No);
    assert_eq!(desk.sequence("f", (None, None), &[], "{}"), Match::Yes, "what is kept settles it");
    // One of those that are kept is given back: its place in the window is not known.
    desk.ends("act_3", Status::NothingSent, None);
    assert_eq!(asks(&desk, Some(2), None), unknown("context.history"));
}

#[test]
fn what_was_forwarded_is_what_is_shared_and_what_was_erased_cannot_be_told() {
    let mut desk = Desk::new();
    let edited = Ruling { edits: edits(&[("owner", Edit::Set(json!("desk@x")))]), ..ruling(Decision::Allow) };
    let _ = desk.ruled("act_1", "crm.read", r#"{"owner": "bob@x"}"#, edited);
    let asks = |context: &Context, to: &str| {
        let action = action("act_now", "mail.send", &json!({ "to": to }).to_string());
        let after = |_: &Permitted| true;
        let shares = [Shared::new("owner", "to").unwrap()];
        let query = SequenceQuery {
            after: &after,
            within_actions: None,
            within: None,
            shares: &shares,
            every: false,
        };
        context.history().sequence(&query, &Question { action: &action, ..desk.world.question() })
    };
    assert_eq!(asks(&desk.world.context, "desk@x"), Match::Yes);
    assert_eq!(asks(&desk.world.context, "bob@x"), Match::No);
    let erased = desk.replayed(ContextLimits::default(), &[0]);
    assert_eq!(asks(&erased, "desk@x"), unknown("context.history"));
}

#[test]
fn rates_count_this_second_and_the_window_before_and_give_back_what_was_not_sent() {
    let mut desk = Desk::new();
    for n in 0..6 {
        desk.at(n * 10).permits(
            &format!("act_{n}"),
            ["db.query", "db.export"][usize::from(n % 2 == 1)],
            "{}",
        );
    }
    for per in [Per::Session, Per::Human] {
        assert_eq!(desk.rate(per, "db", 1000), Ok(6));
        assert_eq!(desk.rate(per, "db.query", 1000), Ok(3));
        assert_eq!(desk.rate(per, "db", 20), Ok(3));
        assert_eq!(desk.rate(per, "mail", 1000), Ok(0));
    }
    assert_eq!(desk.rate(Per::Agent, "db", 1000), Ok(0), "nobody applied anything to the agent");
    desk.at(60).ends("act_5", Status::NothingSent, None).ends("act_4", Status::Ok, Some("[]"));
    assert_eq!((desk.rate(Per::Session, "db", 20), desk.rate(Per::Human, "db", 20)), (Ok(1), Ok(1)));
}

#[test]
fn r2_bounded_rates_of_named_tools_are_missing_while_others_are_not_told_apart() {
    let mut desk = Desk::within(ContextLimits { tools: 1, ..ContextLimits::default() });
    desk.permits("act_1", "db.query", "{}").permits("act_2", "f.read", "{}").at(100);
    assert_eq!(desk.rate(Per::Session, "db", 100), Err(Missing::fact("context.history", Why::Absent)));
    assert_eq!(desk.rate(Per::Session, "db", 99), Ok(0), "none of them lies in the window");
    let all = rate(&desk.asks(&desk.world.action), Per::Session, None, None);
    assert_eq!(all, Ok(2));
}

#[test]
fn an_action_adds_what_its_arguments_say_exactly_or_nobody_knows() {
    let moved = |arguments: &str| {
        counter("moved").amount(&action("act", "pay.transfer", arguments)).unwrap().to_string()
    };
    for (amount, says) in [
        ("10", "10"),
        ("10.10", "10.1"),
        ("12345678901234567.123456789", "12345678901234567.123456789"),
        ("1e2", "100"),
        (r#""250.00""#, "250"),
        (r#""0.000000000000000001""#, "0.000000000000000001"),
        ("-1", "unknown"),
        ("-0.5", "unknown"),
        (r#""1,000""#, "unknown"),
        (r#""NaN""#, "unknown"),
        (r#"" 5""#, "unknown"),
        ("1e300", "unknown"),
        ("true", "unknown"),
        ("[5]", "unknown"),
        ("null", "unknown"),
    ] {
        assert_eq!(moved(&format!(r#"{{"x": [1], "order": {{"amount": {amount}}}}}"#)), says, "{amount}");
    }
    assert_eq!(moved("{}"), "unknown");
    let nth = CounterDefinition {
        add: Add::Parameter(vec!["rows".into(), "1".into()]),
        ..counter("moved").clone()
    };
    let listed = action("act", "pay.transfer", r#"{"rows": [1.5, 99999999999999999.25]}"#);
    assert_eq!(nth.amount(&listed).unwrap().to_string(), "99999999999999999.25");
    let size =
        |arguments: &str| counter("sent").amount(&action("act", "mail.send", arguments)).unwrap().to_string();
    assert_eq!([size(r#"{"body": "é!"}"#), size(r#"{"body": null}"#), size("{}")], ["3", "0", "unknown"]);
    assert_eq!(size(r#"{"body": {"a": [1, 2]}}"#), "11", "the length of its JSON text");
    assert_eq!(counter("moved").amount(&action("act", "mail.send", "{}")), None);
}

#[test]
fn a_ruling_counts_what_would_be_forwarded_and_a_refusal_counts_nothing() {
    let cap =
        "{id: cap, match: {tool: mail.send}, action: MODIFY, modifications: {parameters: {body: short}}}";
    let counted = |list: &[&str]| {
        World::under(counting(list))
            .calls("mail.send", r#"{"body": "long enough"}"#)
            .declared(Contract::default())
            .decide()
    };
    let texts =
        |ruling: &Ruling| -> Vec<String> { ruling.counted.iter().map(|(n, a)| format!("{n} {a}")).collect() };
    assert_eq!(texts(&counted(&[])), ["all 1", "mails 1", "sent 11"]);
    assert_eq!(texts(&counted(&[cap])), ["all 1", "mails 1", "sent 5"]);
    assert_eq!(
        texts(&counted(&["{id: ask, match: {tool: mail}, action: STEP_UP}"])),
        ["all 1", "mails 1", "sent 11"]
    );
    assert!(counted(&["{id: no, match: {tool: mail}, action: DENY}"]).counted.is_empty());
}

#[test]
fn sums_hold_what_is_in_flight_and_give_back_what_was_not_sent() {
    let mut desk = Desk::new();
    let pay = |amount: &str| format!(r#"{{"order": {{"amount": {amount}}}}}"#);
    assert_eq!(desk.sums("moved").as_deref(), Some("0"), "known and zero at the beginning");
    desk.permits("act_1", "pay.transfer", &pay("0.1")).at(10).permits("act_2", "pay.transfer", &pay("0.2"));
    assert_eq!(desk.sums("moved").as_deref(), Some("0.3"), "no float is involved");
    assert_eq!(desk.at(20).sum(Per::Human, "moved", Some(10)).as_deref(), Some("0.2"));
    desk.ends("act_1", Status::NothingSent, None).ends("act_2", Status::Error, None);
    assert_eq!(desk.sums("moved").as_deref(), Some("0.2"));
    desk.at(100).permits("act_3", "pay.transfer", &pay("\"much\""));
    assert_eq!(desk.sums("moved"), None, "nobody knows how much");
    assert_eq!(desk.at(200).sum(Per::Session, "moved", Some(99)).as_deref(), Some("0"));
    let total = desk.world.context.usage().sum("moved", None, second(200));
    assert_eq!(total, Total { at_least: "0.2".parse().unwrap(), whole: false });
    desk.ends("act_3", Status::NothingSent, None);
    assert_eq!(desk.sums("moved").as_deref(), Some("0.2"));
    assert_eq!(desk.sum(Per::Session, "moveed", None), None, "no policy defines it");
    assert_eq!(desk.sums("all").as_deref(), Some("1"));
}

#[test]
fn what_only_the_result_tells_is_unknown_or_its_bound_until_the_outcome_is_on_record() {
    let mut desk = Desk::new();
    desk.permits("act_1", "db.query", "{}");
    assert_eq!((desk.sums("rows"), desk.sums("bytes").as_deref()), (None, Some("100")));
    desk.ends("act_1", Status::Ok, Some("[1, 2, 3]"));
    assert_eq!((desk.sums("rows").as_deref(), desk.sums("bytes").as_deref()), (Some("3"), Some("9")));
    desk.permits("act_2", "db.query", "{}").ends("act_2", Status::Unknown, None);
    assert_eq!(
        (desk.sums("rows"), desk.sums("bytes").as_deref()),
        (None, Some("109")),
        "nobody knows what it read"
    );
    desk.ends("act_2", Status::Ok, Some("[1]"));
    assert_eq!(
        (desk.sums("rows").as_deref(), desk.sums("bytes").as_deref()),
        (Some("4"), Some("12")),
        "a late report"
    );
    desk.permits("act_3", "db.query", "{}").ends("act_3", Status::Error, None);
    assert_eq!(
        (desk.sums("rows").as_deref(), desk.sums("bytes").as_deref()),
        (Some("4"), Some("12")),
        "nothing came back"
    );
    // What it said is erased: the session no longer knows how much it was.
    let erased = desk.replayed(ContextLimits::default(), &[1]);
    assert!(!erased.usage().sum("rows", None, second(0)).whole);
    assert_eq!(desk.replayed(ContextLimits::default(), &[]).usage(), desk.world.context.usage());
}

#[test]
fn a_budget_is_asked_with_what_the_action_in_question_would_add() {
    let mut desk = Desk::new();
    desk.permits("act_1", "pay.transfer", r#"{"order": {"amount": 60}}"#).permits("act_2", "db.query", "{}");
    desk.ends("act_2", Status::Ok, Some("[1]"));
    let asks = |of: &str, name: &str, arguments: &str| {
        let action = action("act_now", name, arguments);
        let total = sum_with(&desk.asks(&action), Per::Human, &counter(of), None);
        (total.at_least.to_string(), total.whole)
    };
    assert_eq!(
        asks("moved", "pay.transfer", r#"{"order": {"amount": "40.01"}}"#),
        ("100.01".to_owned(), true)
    );
    assert_eq!(asks("moved", "pay.transfer", r#"{"order": {"amount": "lots"}}"#), ("60".to_owned(), false));
    assert_eq!(asks("moved", "mail.send", "{}"), ("60".to_owned(), true));
    assert_eq!(asks("rows", "db.query", "{}"), ("1".to_owned(), true), "only its result will tell");
    assert_eq!(asks("bytes", "db.query", "{}"), ("103".to_owned(), true), "at most 100");
}

#[test]
fn things_in_a_result_are_rather_too_many_than_too_few() {
    let result = |blocks: Value, structured: Value| {
        json!({"content": blocks, "structuredContent": structured}).to_string()
    };
    let block = |text: &str| json!({"type": "text", "text": text});
    for (text, expected) in [
        ("", 0),
        ("null", 0),
        ("[]", 0),
        ("[1,2,3]", 3),
        ("{\"rows\": [[1,2],[3,4]], \"columns\": [\"a\",\"b\"]}", 4),
        ("{\"id\": 7, \"name\": \"x\"}", 1),
        ("[[1,2,3]]", 3),
        ("[{\"hits\": [1,2]}]", 2),
        ("[{\"hits\": []}]", 1),
        ("one line that ends.\n\nand another.", 2),
        (&result(json!([block("[1,2,3,4]")]), Value::Null), 4),
        (&result(json!([block("{\"a\":1}"), block("{\"a\":2}")]), Value::Null), 2),
        (&result(json!([block("see below.")]), json!({"result": [1, 2, 3]})), 3),
        (&result(json!([{"type": "image", "data": "AAAA"}]), Value::Null), 1),
    ] {
        assert_eq!(items(text), expected, "{text}");
    }
}

#[test]
fn a_principal_adds_up_what_all_its_sessions_did_through_the_text_of_its_entries() {
    let mut human = Principal::default();
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut desk = Desk::new();
        desk.permits("act_1", "pay.transfer", r#"{"order": {"amount": 2.5}}"#);
        desk.at(5)
            .permits("act_2", "pay.transfer", r#"{"order": {"amount": 1}}"#)
            .permits("act_3", "db.query", "{}");
        desk.at(9).ends("act_2", Status::NothingSent, None).ends("act_3", Status::Ok, Some("[1, 2]"));
        told.extend(desk.changes);
    }
    for change in &told {
        human.apply(&serde_json::from_str(&serde_json::to_string(change).unwrap()).unwrap());
    }
    let sum = |counter: &str| human.usage().sum(counter, None, second(9));
    assert_eq!(sum("moved"), Total { at_least: Decimal::from(5), whole: true });
    assert_eq!(sum("rows"), Total { at_least: Decimal::from(4), whole: true });
    assert_eq!(human.usage().rate(None, None, second(9)), Total { at_least: 4, whole: true });
    assert_eq!(human.usage().rate(None, Some(Span::seconds(4)), second(9)).at_least, 2);
    human.apply(&Change { lowered: true, ..Change::default() });
    assert_eq!(
        human.usage().sum("moved", None, second(9)).at_least,
        Decimal::from(5),
        "a lowered mark gives nothing back"
    );
}

#[test]
fn actions_since_confirmation_begin_anew_when_an_approval_is_used() {
    let mut desk = Desk::new();
    let since = |desk: &Desk| desk.world.context.signals().since_confirmation();
    desk.permits("act_1", "f.read", "{}").permits("act_2", "f.read", "{}");
    assert_eq!(since(&desk), 2);
    let asks = ruling(Decision::StepUp(Approvers::default()));
    let _ = desk.ruled("act_3", "f.write", "{}", asks.clone());
    desk.goes_on("act_3", Input::Answered(Answer { by: "bob".into(), approve: true, reason: None }));
    assert_eq!(since(&desk), 2, "an approval that nobody uses confirms nothing");
    desk.goes_on("act_3", Input::Claimed(Arc::new(asks)));
    assert_eq!(since(&desk), 0);
    desk.permits("act_4", "f.read", "{}");
    assert_eq!(since(&desk), 1);
    assert_eq!(desk.replayed(ContextLimits::default(), &[]).signals().since_confirmation(), 1);
    let _ = desk.ruled(
        "act_5",
        "f.write",
        "{}",
        ruling(Decision::Defer(Missing::fact("context.x", Why::Absent))),
    );
    desk.goes_on("act_5", Input::Ruled(Arc::new(ruling(Decision::Allow))));
    desk.goes_on("act_5", Input::Claimed(Arc::new(ruling(Decision::Allow))));
    assert_eq!(since(&desk), 2, "what context resolved, nobody confirmed");
}

#[test]
fn sums_are_facts_that_rules_read_and_compare_exactly() {
    let list = [
        "{id: over, match: {tool: pay.transfer, session.sums.moved: {gt: 0.3}}, action: DENY}",
        "{id: near, match: {tool: pay.transfer, human.sums.moved: {eq: 0.3}}, action: STEP_UP}",
    ];
    let mut desk = Desk::new();
    let pay = r#"{"order": {"amount": 0.1}}"#;
    for n in 0..3 {
        desk.permits(&format!("act_{n}"), "pay.transfer", pay);
    }
    desk.world.policy = counting(&list);
    let decide =
        |desk: &Desk, name: &str| countersign_core::decide::decide(&desk.asks(&action("act_now", name, pay)));
    let ruled = decide(&desk, "pay.transfer");
    assert_eq!(
        (&ruled.decision, ruled.because.rules[0].as_str()),
        (&Decision::StepUp(Approvers::default()), "near")
    );
    assert!(ruled.facts_read.contains("human.sums.moved"));
    let more = Ruling {
        counted: [("moved".into(), "0.000000001".parse::<Amount>().unwrap())].into(),
        ..ruling(Decision::Allow)
    };
    let _ = desk.ruled("act_9", "pay.transfer", pay, more);
    assert_eq!(decide(&desk, "pay.transfer").because.rules[0].as_str(), "over");
}

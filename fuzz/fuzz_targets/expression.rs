//! Expressions: any text compiles to one thing or is refused with places, and what compiles is answered alike each time.
//!
//! The input is an expression and, after a unit separator, the arguments of a call.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract};
use countersign_core::decide::{Environment, Memo, Question};
use countersign_core::decision::Match;
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::Limits;
use countersign_core::names::ToolName;
use countersign_core::policy::{Expression, PolicySet};
use countersign_core::session::{Context, Opened, Principal};
use countersign_core::time::Time;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (text, arguments) = input.split_once('\u{1F}').unwrap_or((input, "{}"));
    let expression = match Expression::compile(text) {
        Ok(expression) => expression,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in &faults {
                assert!(text.get(fault.at.clone()).is_some(), "a fault beyond the text: {fault:?}");
                assert!(!fault.message.is_empty() && !fault.hint.is_empty(), "a fault that says nothing: {fault:?}");
            }
            return;
        }
    };
    assert_eq!(expression.to_string(), text);
    let names: BTreeSet<Arc<str>> = expression.facts().iter().map(|fact| Arc::clone(fact.name())).collect();
    let (one, first) = answer(&expression, arguments);
    let (other, again) = answer(&expression, arguments);
    assert_eq!((&one, &first), (&other, &again), "one question, two answers");
    assert!(first.is_subset(&names), "read a fact that it does not name");
    // What it says of a condition it says of its opposite, as far as that is still short enough.
    if let Ok(opposite) = Expression::compile(&format!("!({text}\n)")) {
        let expected = match one {
            Match::Yes => Match::No,
            Match::No => Match::Yes,
            unknown @ Match::Unknown(_) => unknown,
        };
        assert_eq!(answer(&opposite, arguments).0, expected);
    }
});

/// What it says of a call with these arguments, in a session that has just begun.
fn answer(expression: &Expression, arguments: &str) -> (Match, BTreeSet<Arc<str>>) {
    let now = Time(0);
    let action = Action {
        id: "act_1".into(),
        tool: ToolName::new("mail", "send"),
        original: None,
        arguments: Arguments::parse(arguments)
            .or_else(|_| Arguments::parse("{}"))
            .unwrap_or_else(|e| panic!("an empty object is an object: {e}")),
        contract: Arc::new(Contract::default()),
        depends_on: Vec::new(),
        submitted_at: now,
    };
    let party = |id: &str| Party { id: id.into(), roles: vec!["analyst".into()], scope: Vec::new() };
    let identity = Identity {
        human: party("alice"),
        service: party("desk"),
        agent: party("bot"),
        delegation: Vec::new(),
        source: "token".into(),
        validated_at: now,
    };
    let opened = Opened {
        session: "ses_1".into(),
        source: "host".into(),
        human: "alice".into(),
        agent: "bot".into(),
        inherits: true,
        labels: ["PII".into()].into(),
        request: Some("send the figures".into()),
        intent: None,
        delegated: None,
    };
    let context = Context::new(opened, now, Limits::default());
    let (human, agent, linked) = (Principal::default(), Principal::default(), Principal::default());
    let (environment, memo) = (Environment::default(), Memo::default());
    let policy = PolicySet::assemble(vec![("fuzz.yaml".to_owned(), b"version: 1\ndefault: DENY\nrules: []\n".to_vec())])
        .unwrap_or_else(|faults| panic!("{faults:?}"));
    let question = Question {
        memo: &memo,
        action: &action,
        identity: &identity,
        context: &context,
        human: &human,
        agent: &agent,
        linked: &linked,
        policy: &policy,
        environment: &environment,
        now,
    };
    let mut read = BTreeSet::new();
    (expression.holds(&question, &mut read), read)
}

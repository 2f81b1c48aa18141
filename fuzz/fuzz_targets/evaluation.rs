//! Rulings: whatever loads decides whatever call alike each time, hides no rule that speaks of it, and lets nothing
//! through that a forbidding rule holds for or may hold for.
//!
//! The input is a policy file and, after a unit separator, the arguments of a call of `mail.send`.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract, Effect};
use countersign_core::decide::{Environment, Memo, Question, decide};
use countersign_core::decision::{Decision, Match};
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::Limits;
use countersign_core::names::ToolName;
use countersign_core::policy::{Classification, PolicySet};
use countersign_core::session::{Context, Opened, Principal};
use countersign_core::time::Time;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (text, arguments) = input.split_once('\u{1F}').unwrap_or((input, "{}"));
    let Ok(policy) = PolicySet::assemble(vec![("fuzz.yaml".to_owned(), text.as_bytes().to_vec())]) else { return };
    let Ok(arguments) = Arguments::parse(arguments) else { return };
    let now = Time(0);
    let action = Action {
        id: "act_1".into(),
        tool: ToolName::new("mail", "send"),
        original: None,
        arguments,
        contract: Arc::new(Contract { effect: Effect::WriteOutbound, ..Contract::default() }),
        depends_on: Vec::new(),
        submitted_at: now,
    };
    let party = |id: &str| Party { id: id.into(), roles: vec!["analyst".into()], scope: Vec::new() };
    let identity = Identity {
        human: party("alice@example.com"),
        service: party("desk"),
        agent: party("bot"),
        delegation: Vec::new(),
        source: "token".into(),
        validated_at: now,
    };
    let opened = Opened {
        session: "ses_1".into(),
        source: "host".into(),
        human: "alice@example.com".into(),
        agent: "bot".into(),
        inherits: true,
        labels: ["PII".into()].into(),
        request: Some("send the figures to ann@example.com".into()),
        intent: None,
        delegated: None,
    };
    let context = Context::new(opened, now, Limits::default());
    let (human, agent, linked) = (Principal::default(), Principal::default(), Principal::default());
    let (environment, memo, again) = (Environment::default(), Memo::default(), Memo::default());
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
    let ruling = decide(&question);
    assert_eq!(ruling, decide(&Question { memo: &again, ..question }), "one question, two rulings");
    for id in &ruling.because.rules {
        assert!(policy.rule(id).is_some(), "a rule decides that is not in the set: {id}");
    }
    let mut read = BTreeSet::new();
    let candidates: Vec<_> = policy.rules_for(&question, &mut read).iter().map(|rule| rule.id.clone()).collect();
    for rule in policy.rules() {
        let holds = rule.matches(&question, &mut BTreeSet::new());
        assert!(holds == Match::No || candidates.contains(&rule.id), "the index hides rule {}: {holds:?}", rule.id);
        if rule.classification == Classification::Forbidden && holds != Match::No {
            assert!(
                matches!(ruling.decision, Decision::Deny | Decision::Defer(_)),
                "runs although rule {} is {holds:?}: {ruling:?}",
                rule.id
            );
        }
    }
});

//! Every kind of record goes there (write, seal) and back (read), and says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Effect};
use countersign_core::decision::{
    Approvers, Because, Decision, Ending, Escalation, Gap, Missing, OnTimeout, PolicyRef, RiskLevel, Ruling,
    Step, Why,
};
use countersign_core::drift::{Embedding, Signal};
use countersign_core::edits::{Edit, Edits, Place as EditPlace};
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::{Answer, Transition};
use countersign_core::names::{ActionId, ApproverGroup, Chain, RuleId};
use countersign_core::session::{Amount, Delegated, Entry, Measured, Opened, Outcome, Status, What};
use countersign_core::time::Span;
use countersign_receipt::v1;
use countersign_receipt::values::Digest;
use countersign_testkit::builders::{action, contract, facts, identity, intent, opened, second};
use countersign_testkit::signer::TestSigner;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::write::{Source, Wait};
use super::{Draft, Place, ReadBack, entry, seal};
use crate::drift;
use crate::ports::{EmbedError, Epochs, Head, Stored};

const DEFAULT_WAIT: Span = Span::seconds(900);

fn who() -> Identity {
    let party = |id: &str| Party {
        roles: vec!["r1".into(), "r2".into()],
        scope: vec!["files".into()],
        ..Party::named(id)
    };
    Identity {
        agent: party("bot"),
        delegation: vec![Party::named("d1"), Party::named("d2")],
        ..identity("alice", "bot")
    }
}

fn session() -> Opened {
    Opened {
        labels: ["INTERNAL".into(), "PII".into()].into(),
        request: Some("Pay the bill \u{1f9fe} of\nMarch".into()),
        intent: Some(intent(&["bank.pay", "files"], &["mail"])),
        inherits: false,
        ..opened("ses_1", "alice", "bot")
    }
}

fn act() -> Action {
    Action {
        original: Some("call_tool".into()),
        contract: Arc::new(contract(Effect::Read, &["/path"])),
        depends_on: vec!["act_0".into(), "act_00".into()],
        ..action("act_1", "files.read.all", r#"{"limit": 100.50, "q":"é\u0000\"", "deep":{"x":[1,2]}}"#)
    }
}

/// Signs a draft behind an earlier record, checks what was signed, and reads it back.
fn there_and_back(draft: Draft, known: bool) -> ReadBack {
    let signer = TestSigner::new(7);
    let sealed = stored(draft, &signer);
    let line = match &sealed.disclosures {
        Some(text) => {
            let disclosures: v1::Disclosures = serde_json::from_str(text).unwrap();
            countersign_receipt::sign::disclose(&sealed.body, &disclosures).unwrap()
        }
        None => sealed.body.to_string(),
    };
    let verified = countersign_receipt::verify::receipt(line.as_bytes(), &signer.keys()).unwrap();
    assert_eq!(verified.digest().to_string(), *sealed.digest);
    assert_eq!(verified.withheld().count(), 0, "everything committed to is disclosed");
    read_back(&sealed, known)
}

fn read_back(stored: &Stored, known: bool) -> ReadBack {
    entry(stored, |id| known && id.as_str() == "act_1", |_| act().contract).unwrap()
}

fn stored(draft: Draft, signer: &TestSigner) -> Stored {
    let chain = Chain::Session("ses_1".into());
    let head = Head { sequence: 41, digest: Digest::of(b"before").to_string().into() };
    let human = Chain::Human("alice".into());
    let needs_prior = matches!(
        draft.receipt.kind,
        v1::Kind::Approval | v1::Kind::Resolution | v1::Kind::Outcome | v1::Kind::Expiry
    );
    let place = Place {
        head: Some(&head),
        principals: vec![(&human, None)],
        epochs: Epochs { halt: 1, policy: 2, revocation: 3 },
        prior: needs_prior.then(|| v1::Prior { digest: Digest::of(b"prior"), id: "rcp_0".into() }),
    };
    let record = seal(draft, &chain, &place, signer).unwrap().record;
    assert_eq!(record.sequence, 42);
    Stored {
        chain: record.chain,
        sequence: record.sequence,
        digest: record.digest,
        kind: record.kind,
        body: record.body,
        disclosures: record.disclosures,
    }
}

fn transition_there_and_back(transition: &Transition, known: bool) -> What {
    let (session, who, act) = (session(), who(), act());
    let source = Source {
        session: &session,
        identity: &who,
        face: v1::Face::Mcp,
        enforcement: v1::Enforcement::Enforced,
    };
    let draft =
        Draft::transition(source, &act, transition, Wait { default: DEFAULT_WAIT, until: None }, second(5));
    let read = there_and_back(draft, known);
    assert_eq!(read.identity, Some(who));
    assert_eq!((read.receipt.face, read.receipt.enforcement), (v1::Face::Mcp, v1::Enforcement::Enforced));
    let Entry { at, what, erased } = read.entry;
    assert!(!erased);
    assert_eq!(at, second(5));
    what
}

/// What a ruling says once it is on record: the length of a wait that is one, and nothing of it elsewhere.
fn on_record(ruling: &Ruling) -> Ruling {
    let waits = matches!(ruling.decision, Decision::StepUp(_) | Decision::Defer(_));
    Ruling { wait: waits.then(|| ruling.wait.unwrap_or(DEFAULT_WAIT)), ..ruling.clone() }
}

fn said(transition: &Transition) -> Transition {
    match transition {
        Transition::Ruled(ruling) => Transition::Ruled(Arc::new(on_record(ruling))),
        Transition::Resolved(ruling) => Transition::Resolved(Arc::new(on_record(ruling))),
        other => other.clone(),
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z][a-z_.]{0,11}", 1 => "[a-z/~:é ]{1,8}"]
}

fn groups() -> impl Strategy<Value = Approvers> {
    let clause = proptest::collection::vec("[a-c]{1,2}", 0..3)
        .prop_map(|groups| Approvers::any_of(groups.iter().map(|g| ApproverGroup::from(g.as_str()))));
    proptest::collection::vec(clause, 0..3)
        .prop_map(|clauses| clauses.into_iter().fold(Approvers::default(), Approvers::and))
}

fn missing(rules: Vec<RuleId>) -> impl Strategy<Value = Missing> {
    let why = prop_oneof![
        Just(Why::Absent),
        Just(Why::WrongType),
        Just(Why::Stale),
        Just(Why::AboveLimit),
        Just(Why::Doubtful)
    ];
    let gap = prop_oneof![
        4 => (word(), why).prop_map(|(name, why)| Gap::Fact { name: name.into(), why }),
        1 => word().prop_map(|id| Gap::Action(id.as_str().into())),
        1 => word().prop_map(|id| Gap::Rule(id.as_str().into())),
        1 => Just(Gap::Agreement(rules)),
    ];
    proptest::collection::vec(gap, 1..4)
        .prop_map(|gaps| gaps.into_iter().map(Missing::one).reduce(Missing::and).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n).map(Value::Number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..3).prop_map(|m| json!(m)),
        ]
    })
}

fn edits() -> impl Strategy<Value = Edits> {
    let edit = prop_oneof![
        value().prop_map(Edit::Set),
        value().prop_map(Edit::Append),
        Just(Edit::Remove),
        Just(Edit::Foreign),
        proptest::option::of(word()).prop_map(Edit::Redact),
        proptest::collection::vec(value(), 0..3).prop_map(Edit::RestrictTo),
        proptest::collection::vec(word(), 0..3).prop_map(Edit::RestrictUnder),
        any::<i64>().prop_map(|n| Edit::Cap(n.into())),
        (-1e9_f64..1e9).prop_map(|n| Edit::Cap(serde_json::Number::from_f64(n).unwrap())),
    ];
    proptest::collection::btree_map("[a-d](\\.[a-d]){0,2}", edit, 0..3).prop_map(|all| {
        let mut edits = Edits::default();
        for (place, edit) in all {
            // What lies inside another place is left out.
            let _ = edits.add(EditPlace::parse(&place).unwrap(), edit);
        }
        edits
    })
}

/// What policy may write into a context.
fn written() -> impl Strategy<Value = Value> {
    const LARGEST: i64 = (1 << 53) - 1;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-LARGEST..=LARGEST).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        proptest::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
    ]
}

/// What a ruling may count.
fn counted() -> impl Strategy<Value = BTreeMap<Arc<str>, Amount>> {
    let known =
        || ("0|[1-9][0-9]{0,29}", "[0-9]{0,17}[1-9]").prop_map(|(a, b)| format!("{a}.{b}").parse().unwrap());
    let of = proptest::sample::select(vec![Measured::Bytes, Measured::Items]);
    let amount = prop_oneof![
        3 => known().prop_map(Amount::Known),
        1 => any::<u64>().prop_map(|n| Amount::Known(n.into())),
        1 => Just(Amount::Unknown),
        1 => (of, proptest::option::of(known())).prop_map(|(of, at_most)| Amount::Result { of, at_most }),
    ];
    proptest::collection::btree_map(word().prop_map(Arc::from), amount, 0..3)
}

fn because() -> impl Strategy<Value = Because> {
    let steps = [
        Step::Halted,
        Step::Scope,
        Step::Protocol,
        Step::Unresolvable,
        Step::Forbidden,
        Step::Uncertain,
        Step::Risk,
        Step::Misaligned,
        Step::Aligned,
        Step::Baseline,
        Step::Default,
        Step::Contention,
        Step::Superseded,
    ];
    let rules = proptest::collection::vec(word().prop_map(|id| RuleId::from(id.as_str())), 0..3);
    (proptest::sample::select(steps.to_vec()), rules, any::<String>())
        .prop_map(|(step, rules, reason)| Because { step, rules, reason: reason.into() })
}

fn any_ruling() -> impl Strategy<Value = Ruling> {
    let decided = because().prop_flat_map(|because| {
        let decision = prop_oneof![
            Just((Decision::Allow, None)),
            Just((Decision::Deny, None)),
            groups().prop_map(|who| (Decision::StepUp(who), None)),
            (missing(because.rules.clone()), proptest::option::of(groups()))
                .prop_map(|(missing, escalate)| (Decision::Defer(missing), escalate)),
        ];
        (Just(because), decision)
    });
    let sets = proptest::collection::btree_map(word(), written(), 0..3);
    let read = proptest::collection::btree_set(word(), 0..4);
    (decided, edits(), sets, counted(), read, proptest::option::of(1..100_000_i64)).prop_map(
        |((because, (decision, escalate)), edits, sets, counted, read, wait)| Ruling {
            edits: if decision == Decision::Deny { Edits::default() } else { edits },
            decision,
            because,
            sets: sets.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            counted,
            ending: Ending {
                on_timeout: wait.map_or(OnTimeout::Deny, |n| OnTimeout::ALL[usize::try_from(n % 3).unwrap()]),
                escalation: wait
                    .filter(|n| n % 2 == 0)
                    .map(|n| Escalation { after: Span::seconds(n), to: vec!["leads".into()] }),
                risk_level: wait.filter(|n| n % 5 == 0).map(|_| RiskLevel::High),
                ..Ending::default()
            },
            wait: wait.map(Span::seconds),
            escalate,
            facts_read: read.into_iter().map(Arc::from).collect(),
            policy: PolicyRef { id: "desk".into(), version: "7".into(), digest: "sha256:00".into() },
        },
    )
}

fn any_transition() -> impl Strategy<Value = Transition> {
    let statuses = vec![Status::Ok, Status::Error, Status::Unknown, Status::NothingSent];
    let text = || proptest::option::of(any::<String>().prop_map(Arc::from));
    let labels = proptest::collection::btree_set("[A-Z]{1,8}", 0..3);
    let outcome = (proptest::sample::select(statuses), labels, text(), text()).prop_map(
        |(status, labels, output, error)| Outcome {
            status,
            labels: labels.into_iter().map(Arc::from).collect(),
            output,
            error,
        },
    );
    prop_oneof![
        4 => any_ruling().prop_map(|ruling| Transition::Ruled(Arc::new(ruling))),
        3 => any_ruling().prop_map(|ruling| Transition::Resolved(Arc::new(ruling))),
        1 => groups().prop_map(Transition::Escalated),
        1 => (word(), any::<bool>(), text())
            .prop_map(|(by, approve, reason)| Transition::Answered(Answer { by: by.into(), approve, reason })),
        1 => Just(Transition::TimedOut),
        1 => Just(Transition::Unclaimed),
        2 => (outcome, any::<bool>()).prop_map(|(outcome, late)| Transition::Outcome { outcome, late }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// `R5`, `R2.prior`: what recovery folds is what happened.
    #[test]
    fn every_step_of_a_life_reads_back_as_it_was(transition in any_transition(), known in any::<bool>()) {
        let expected = said(&transition);
        match (transition_there_and_back(&transition, known), &expected) {
            (What::Submitted { action, identity, transition }, Transition::Ruled(_)) if !known => {
                prop_assert_eq!(format!("{:?}", *action), format!("{:?}", act()));
                prop_assert_eq!(&*identity, &who());
                prop_assert_eq!(transition, expected);
            }
            (What::Moved { action, transition }, other) => {
                prop_assert!(known || !matches!(other, Transition::Ruled(_)));
                prop_assert_eq!(action, ActionId::from("act_1"));
                prop_assert_eq!(transition, expected);
            }
            (what, _) => prop_assert!(false, "{what:?}"),
        }
    }

    #[test]
    fn given_facts_read_back_as_they_were(
        facts in proptest::collection::btree_map(word(), value(), 1..4),
        from in proptest::option::of(word()),
    ) {
        let facts: BTreeMap<Arc<str>, Value> = facts.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let (session, who) = (session(), who());
        let draft = Draft::facts(source(&session, &who), &facts, ("ops@example.com", from.as_deref()), second(9), second(5));
        let What::Facts { facts: read, erased, giver, source, valid_until } = there_and_back(draft, false).entry.what else { panic!() };
        prop_assert_eq!(read, facts);
        prop_assert_eq!((&*giver, valid_until), ("ops@example.com", second(9)));
        prop_assert_eq!((source.as_deref(), erased.len()), (from.as_deref(), 0));
    }
}

fn source<'a>(session: &'a Opened, identity: &'a Identity) -> Source<'a> {
    Source { session, identity, face: v1::Face::Api, enforcement: v1::Enforcement::None }
}

#[test]
fn the_beginning_of_a_session_reads_back_as_it_was() {
    let grants = vec![Party::named("d1"), Party::named("d2")];
    let delegated = Delegated { parent: "ses_0".into(), root: "ses_00".into(), grants };
    let delegated = Opened { delegated: Some(delegated), ..session() };
    for opened in [session(), opened("ses_1", "alice", "bot"), delegated] {
        let who = who();
        let draft = Draft::opened(source(&opened, &who), BTreeMap::new(), second(5));
        let read = there_and_back(draft, false);
        assert_eq!(read.identity, Some(who));
        assert!(matches!(read.entry.what, What::Opened(read) if read == opened));
    }
}

#[test]
fn turns_and_observations_read_back_as_they_were() {
    let (session, who) = (session(), who());
    let draft = Draft::turn(source(&session, &who), "desk", &"and March too".into(), second(5));
    assert!(
        matches!(there_and_back(draft, false).entry.what, What::Turn { host, text } if &*host == "desk" && text.is_some())
    );
    let labels: BTreeSet<Arc<str>> = ["PII".into(), "PUBLIC".into()].into();
    for labels in [labels, BTreeSet::new()] {
        let draft =
            Draft::observed(source(&session, &who), "tools/list files", &labels, &"[]".into(), second(5));
        let What::Observed { source, labels: read, text: Some(_) } = there_and_back(draft, false).entry.what
        else {
            panic!()
        };
        assert_eq!((&*source, read), ("tools/list files", labels));
    }
}

#[test]
fn r7_measurements_read_back_as_they_were() {
    let (session, who) = (session(), who());
    let embedding = |distance| Embedding { distance, model: "sha256:00".into(), rendering: 3 };
    let failed = Some(EmbedError::Failed("it was told to".into()));
    for (embedding, failed, level) in [
        (Some(embedding(Some(7_000))), None, Some(Signal::Alert)),
        (Some(embedding(Some(0))), None, None),
        (Some(embedding(None)), failed, None),
        (None, None, Some(Signal::StepUp)),
    ] {
        let measured = drift::Measured { lexical: 9_000, level, embedding: embedding.clone(), failed };
        let draft = Draft::measured(source(&session, &who), &"act_1".into(), &measured, second(5));
        let read = there_and_back(draft, false);
        let What::Measured { action, embedding: found } = read.entry.what else { panic!() };
        assert_eq!((action.as_str(), found), ("act_1", embedding));
        assert!(!read.entry.erased, "there is nothing in it to erase");
    }
}

/// Free texts stand in the receipt as commitments only: its body shows none of them.
#[test]
fn r5_no_free_text_stands_in_the_signed_body() {
    let (session, who, act) = (session(), who(), act());
    let outcome = Outcome {
        status: Status::Error,
        labels: BTreeSet::new(),
        output: Some("the-output".into()),
        error: Some("the-error".into()),
    };
    let steps = [
        Transition::Ruled(Arc::new(Ruling {
            counted: [("moved".into(), "4711.5".parse().unwrap())].into(),
            ..countersign_testkit::builders::ruling(Decision::Allow)
        })),
        Transition::Answered(Answer { by: "bob".into(), approve: true, reason: Some("the-answer".into()) }),
        Transition::Outcome { outcome, late: false },
    ];
    let mut drafts: Vec<Draft> = steps
        .iter()
        .map(|step| {
            Draft::transition(
                source(&session, &who),
                &act,
                step,
                Wait { default: DEFAULT_WAIT, until: None },
                second(5),
            )
        })
        .collect();
    drafts.push(Draft::opened(source(&session, &who), BTreeMap::new(), second(5)));
    drafts.push(Draft::turn(source(&session, &who), "desk", &"the-turn".into(), second(5)));
    let What::Facts { facts, .. } = facts(&[("window", json!("the-fact"))], second(9)) else { panic!() };
    drafts.push(Draft::facts(source(&session, &who), &facts, ("ops", None), second(9), second(5)));
    for draft in drafts {
        let body = stored(draft, &TestSigner::new(7)).body;
        for secret in ["the-", "deep", "100.5", "4711", "Pay the bill"] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
    }
}

/// Erasing what was disclosed leaves facts missing, requests unknown and arguments that no retry equals.
#[test]
fn erased_disclosures_lead_to_missing_facts_never_to_other_ones() {
    let (session, who) = (session(), who());
    let erased = |draft: Draft| {
        let stored = Stored { disclosures: None, ..stored(draft, &TestSigner::new(7)) };
        read_back(&stored, false).entry.what
    };
    let What::Facts { facts, .. } = facts(&[("window", json!(1))], second(9)) else { panic!() };
    let draft = Draft::facts(source(&session, &who), &facts, ("ops", None), second(9), second(5));
    assert!(
        matches!(erased(draft), What::Facts { facts, erased, .. } if facts.is_empty() && erased.contains("window"))
    );
    let draft = Draft::opened(source(&session, &who), BTreeMap::new(), second(5));
    assert!(
        matches!(erased(draft), What::Opened(opened) if opened.request.is_none() && opened.intent == session.intent)
    );
    let ruled = Transition::Ruled(Arc::new(Ruling {
        counted: [("moved".into(), "4711.5".parse().unwrap())].into(),
        ..countersign_testkit::builders::ruling(Decision::Allow)
    }));
    let draft = Draft::transition(
        source(&session, &who),
        &act(),
        &ruled,
        Wait { default: DEFAULT_WAIT, until: None },
        second(5),
    );
    let What::Submitted { action, transition: Transition::Ruled(read), .. } = erased(draft) else { panic!() };
    assert_eq!(read.counted, [("moved".into(), Amount::Unknown)].into());
    assert_ne!(action.arguments.text(), act().arguments.text());
}

#[test]
fn a_record_of_another_chain_or_kind_is_damage() {
    let draft = Draft::new(v1::Kind::Policy, &Chain::System, second(5));
    let system = stored(draft, &TestSigner::new(7));
    assert!(entry(&system, |_| false, |_| act().contract).is_err());
    let torn = Stored { body: "{}".into(), ..system };
    assert!(entry(&torn, |_| false, |_| act().contract).is_err());
}

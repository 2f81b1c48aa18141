//! Contexts and principals are folds: what is replayed from a chain is what was lived.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::action::{Action, Contract, Effect};
use countersign_core::contract::{Meaning, Role};
use countersign_core::decision::{Approvers, Decision, Missing, Ruling, Why};
use countersign_core::drift::Embedding;
use countersign_core::lifecycle::{Answer, Input, Limits, Output};
use countersign_core::names::ActionId;
use countersign_core::session::{
    Amount, Change, Context, ContextLimits, Entry, Opened, Outcome, Principal, Status, What,
};
use countersign_core::time::{Span, Time};
use countersign_testkit::builders::{START, action, facts, identity, opened, outcome, ruling, second, tool};
use proptest::prelude::*;
use serde_json::json;

/// One thing that happens in a session.
#[derive(Clone, Debug)]
pub(super) enum Happens {
    Submitted(u8, u8),
    Turn(bool),
    Ruled(u8, u8),
    Claimed(u8, u8),
    Escalated(u8),
    Answered(u8, bool),
    Settled(u8, u8),
    Halted(u8),
    Facts(u8),
    Observed(u8),
    TimePasses(i64),
}

pub(super) fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        1 => any::<bool>().prop_map(Happens::Turn),
        4 => (0..6_u8, 0..6_u8).prop_map(|(id, n)| Happens::Submitted(id, n)),
        4 => (0..6_u8, 0..6_u8).prop_map(|(id, n)| Happens::Ruled(id, n)),
        2 => (0..6_u8, 0..6_u8).prop_map(|(id, n)| Happens::Claimed(id, n)),
        1 => (0..6_u8).prop_map(Happens::Escalated),
        2 => (0..6_u8, any::<bool>()).prop_map(|(id, yes)| Happens::Answered(id, yes)),
        2 => (0..6_u8, 0..4_u8).prop_map(|(id, n)| Happens::Settled(id, n)),
        1 => (0..6_u8).prop_map(Happens::Halted),
        1 => (0..3_u8).prop_map(Happens::Facts),
        1 => (0..3_u8).prop_map(Happens::Observed),
        2 => (0..1_000_000_i64).prop_map(Happens::TimePasses),
    ]
}

/// A session in life, with its chain.
pub(super) struct Life {
    pub(super) context: Context,
    pub(super) chain: Vec<Entry>,
    pub(super) changes: Vec<Change>,
    pub(super) now: Time,
    /// How often each action was over and begun anew: no id is used twice.
    begun: [u32; 6],
}

impl Life {
    fn new() -> Self {
        Self::within(ContextLimits::default())
    }

    pub(super) fn within(bounds: ContextLimits) -> Self {
        Self { context: begin(bounds), chain: Vec::new(), changes: Vec::new(), now: START, begun: [0; 6] }
    }

    pub(super) fn happens(&mut self, event: &Happens) {
        let begun = self.begun;
        let id = |n: u8| id(n, &begun);
        match event {
            Happens::TimePasses(by) => {
                self.now = self.now + Span(*by);
                for id in (0..6).map(id) {
                    self.advance(&id, Input::Due);
                }
            }
            Happens::Turn(told) => {
                self.note(What::Turn {
                    host: "desk".into(),
                    text: told.then(|| "and mail it to Bob".into()),
                });
            }
            Happens::Submitted(n, kind) => self.submit(*n, any_ruling(*kind)),
            Happens::Ruled(n, kind) => self.advance(&id(*n), Input::Ruled(Arc::new(any_ruling(*kind)))),
            Happens::Claimed(n, kind) => self.advance(&id(*n), Input::Claimed(Arc::new(any_ruling(*kind)))),
            Happens::Escalated(n) => self.advance(&id(*n), Input::Escalated),
            Happens::Answered(n, approve) => {
                self.advance(
                    &id(*n),
                    Input::Answered(Answer { by: "bob".into(), approve: *approve, reason: None }),
                );
            }
            Happens::Settled(n, kind) => {
                let all = [Status::Ok, Status::Error, Status::Unknown, Status::NothingSent];
                let status = all[usize::from(*kind)];
                let labels = [["PII", "INTERNAL"][usize::from((kind + n) % 2)]];
                let output = (status == Status::Ok).then(|| "[1, 2, 3]".into());
                self.advance(&id(*n), Input::Settled(Outcome { output, ..outcome(status, &labels) }));
            }
            Happens::Halted(n) => {
                let mut halted = ruling(Decision::Deny);
                halted.because.step = countersign_core::decision::Step::Halted;
                self.advance(&id(*n), Input::Halted(Arc::new(halted)));
            }
            Happens::Facts(n) => {
                let valid_until = self.now + Span::seconds(900 * i64::from(*n));
                self.note(facts(&[(["a", "b", "c"][usize::from(*n)], json!(n))], valid_until));
            }
            Happens::Observed(n) => {
                let labels = [["PUBLIC", "RESTRICTED", "cue:override"][usize::from(*n)].into()].into();
                let source = ["tools/list files", "notice"][usize::from(*n % 2)].into();
                self.note(What::Observed { source, labels, text: None });
            }
        }
    }

    fn note(&mut self, what: What) {
        let change = self.context.apply(&what, self.now).unwrap();
        self.chain.push(Entry { at: self.now, what, erased: false });
        self.changes.push(change);
    }

    fn submit(&mut self, n: u8, ruling: Ruling) {
        let (name, effect) = TOOLS[usize::from(n) % TOOLS.len()];
        let meaning = Meaning { roles: [("/to".to_owned(), Role::Party)].into(), ..Meaning::default() };
        let contract = Contract { effect, meaning: Some(Arc::new(meaning)), ..Contract::default() };
        let said = json!({"to": format!("p{}@example.com", n / 2), "about": "the report"}).to_string();
        if self.context.find(&id(n, &self.begun)).is_none() {
            self.begun[usize::from(n)] += 1;
        }
        let action = Arc::new(Action {
            id: id(n, &self.begun),
            submitted_at: self.now,
            contract: Arc::new(contract),
            ..action("", name, &said)
        });
        if n.is_multiple_of(2) && self.context.find(&action.id).is_none() {
            let distance = (n > 0).then(|| 8_000 + u32::from(n));
            let embedding = Embedding { distance, model: "sha256:model".into(), rendering: 1 };
            self.note(What::Measured { action: action.id.clone(), embedding: Some(embedding) });
        }
        let identity = Arc::new(identity("alice", "bot"));
        let (output, change) = self.context.submit(&action, &identity, Arc::new(ruling), self.now);
        let Output::Record(transition) = output else { return };
        let what = What::Submitted { action: Arc::clone(&action), identity, transition };
        self.chain.push(Entry { at: self.now, what, erased: false });
        self.changes.push(change);
        let _ = self.context.handle(&action.id, Input::Recorded, self.now);
    }

    fn advance(&mut self, id: &ActionId, input: Input) {
        let (output, change) = self.context.handle(id, input, self.now);
        let Output::Record(transition) = output else { return };
        self.chain.push(Entry {
            at: self.now,
            what: What::Moved { action: id.clone(), transition },
            erased: false,
        });
        self.changes.push(change);
        let _ = self.context.handle(id, Input::Recorded, self.now);
    }
}

fn id(n: u8, begun: &[u32; 6]) -> ActionId {
    format!("act_{n}_{}", begun[usize::from(n)]).as_str().into()
}

/// Tools by the number of the action, so that one action is always of one tool.
const TOOLS: [(&str, Effect); 6] = [
    ("f.read", Effect::Read),
    ("f.write", Effect::WriteInternal),
    ("mail.send", Effect::WriteOutbound),
    ("mail.read", Effect::EgressRead),
    ("a.b.c", Effect::Unknown),
    ("vault.show", Effect::Credential),
];

pub(super) fn begin(bounds: ContextLimits) -> Context {
    let request = Some("read the report and send it to Bob".into());
    let opened = Opened { labels: ["BEGAN".into()].into(), request, ..opened("ses_1", "alice", "bot") };
    Context::bounded(opened, START, Limits::default(), bounds)
}

fn any_ruling(kind: u8) -> Ruling {
    let sets: BTreeMap<Arc<str>, _> =
        [("data_classification".into(), json!(["SECRET"])), ("note".into(), json!(kind))].into();
    match kind {
        0 => ruling(Decision::Deny),
        1 => ruling(Decision::StepUp(Approvers::default())),
        2 => ruling(Decision::Defer(Missing::fact("context.x", Why::Absent))),
        3 => Ruling { wait: Some(Span::seconds(5)), sets, ..ruling(Decision::Allow) },
        4 => Ruling { counted: counted(), ..ruling(Decision::Allow) },
        _ => ruling(Decision::Allow),
    }
}

/// One counter of each kind: known, told by the outcome, told by it and bounded, never told.
fn counted() -> BTreeMap<Arc<str>, Amount> {
    let amounts =
        [("moved", "2.5"), ("read", "result.items"), ("sent", "result.bytes<=50"), ("vague", "unknown")];
    amounts.into_iter().map(|(name, amount)| (name.into(), amount.parse().unwrap())).collect()
}

/// Bounds that everything meets at once.
pub(super) const SMALL: ContextLimits =
    ContextLimits { tools: 2, labels: 3, facts: 2, entities: 1, unknown: 1, history: 2, counters: 1 };

/// Everything that can be read of a context.
fn seen(context: &Context) -> String {
    let tracked: Vec<_> =
        context.tracked().map(|t| (&t.action.id, t.life.state(), t.life.was_deferred(), &t.ruling)).collect();
    let deferred: Vec<_> = context.deferred().map(|t| &t.action.id).collect();
    format!(
        "{:?} {:?} {:?} {:?} {} {} {:?} {tracked:?} {deferred:?} {:?} {} {:?} {:?}",
        context.opened(),
        context.labels(),
        context.facts(),
        context.tally(),
        context.submitted(),
        context.denied(),
        context.last(),
        context.signals(),
        context.let_go(),
        context.history(),
        context.usage(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// `R2.prior`, `R2.chain`: a restart gives the same context, every signal in it, and the same changes for human and
    /// agent; also where the context keeps next to nothing.
    #[test]
    fn r2_prior_replaying_a_chain_gives_what_was_lived(
        events in proptest::collection::vec(anything(), 0..40),
        small in any::<bool>(),
    ) {
        let bounds = if small { SMALL } else { ContextLimits::default() };
        let mut life = Life::within(bounds);
        for event in &events {
            life.happens(event);
        }
        let mut again = begin(bounds);
        let mut changes = Vec::new();
        for entry in &life.chain {
            changes.push(again.replay(entry).unwrap());
        }
        prop_assert_eq!(seen(&again), seen(&life.context));
        prop_assert_eq!(&changes, &life.changes);
        let permits = again.actions().values().sum::<u64>() + again.tally().other();
        let principal = fold(&changes);
        prop_assert_eq!(permits, changes.iter().filter(|change| change.permitted.is_some()).count() as u64);
        if !small {
            let counted = principal.actions();
            prop_assert_eq!(counted, again.actions(), "one session's principal counts what the session counts");
            prop_assert_eq!(principal.usage(), again.usage(), "rates, sums and what is given back included");
            prop_assert!(principal.labels().iter().all(|label| again.labels().contains(label)));
        }
    }

    /// A step that does not follow from the steps before is told, never folded.
    #[test]
    fn r2_chain_an_entry_that_was_left_out_or_repeated_is_noticed_or_harmless(
        events in proptest::collection::vec(anything(), 1..25),
        at in any::<proptest::sample::Index>(),
    ) {
        let mut life = Life::new();
        events.iter().for_each(|event| life.happens(event));
        if !life.chain.is_empty() {
            let repeated = at.index(life.chain.len());
            let mut again = begin(ContextLimits::default());
            let mut permits = 0;
            for (n, entry) in life.chain.iter().enumerate() {
                for _ in 0..=usize::from(n == repeated) {
                    let Ok(change) = again.replay(entry) else { return Ok(()) };
                    permits += usize::from(change.permitted.is_some());
                }
            }
            let lived = life.changes.iter().filter(|change| change.permitted.is_some()).count();
            prop_assert_eq!(permits, lived, "no repeated entry counts twice");
        }
    }
}

fn fold(changes: &[Change]) -> Principal {
    let mut principal = Principal::default();
    changes.iter().for_each(|change| principal.apply(change));
    principal
}

/// At most one permit a life, even when the same action is handed in twice.
#[test]
fn an_action_that_is_known_is_not_taken_in_again() {
    let mut life = Life::new();
    life.submit(0, ruling(Decision::StepUp(Approvers::default())));
    let before = seen(&life.context);
    life.submit(0, ruling(Decision::Allow));
    assert_eq!(seen(&life.context), before);
}

#[test]
fn a_principal_s_mark_only_rises_until_somebody_lowers_it_and_counters_stay() {
    let saw = |label: &str| Change { labels: [label.into()].into(), ..Change::default() };
    let did = |name: &str| Change { permitted: Some(tool(name)), ..Change::default() };
    let lowered = Change { lowered: true, ..Change::default() };
    let principal = fold(&[saw("PII"), did("f.read"), saw("SECRET"), did("f.read"), did("f.write")]);
    assert_eq!(principal.labels().iter().map(|l| &**l).collect::<Vec<_>>(), ["PII", "SECRET"]);
    assert_eq!(principal.actions().get(&tool("f.read")), Some(&2));
    let principal = fold(&[saw("PII"), did("f.read"), lowered, saw("NEW")]);
    assert_eq!(principal.labels().iter().map(|l| &**l).collect::<Vec<_>>(), ["NEW"]);
    assert_eq!(principal.actions().get(&tool("f.read")), Some(&1));
}

#[test]
fn an_entry_about_an_unknown_action_or_a_second_beginning_is_inconsistent() {
    let mut context = begin(ContextLimits::default());
    let entry = |what| Entry { at: second(1), what, erased: false };
    let moved =
        What::Moved { action: "act_9".into(), transition: countersign_core::lifecycle::Transition::TimedOut };
    assert!(context.replay(&entry(moved)).is_err());
    assert!(context.replay(&entry(What::Opened(opened("ses_1", "alice", "bot")))).is_err());
}
